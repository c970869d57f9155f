//! The time of a frame in a video, in all the notations that people use.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

const NANOSECONDS_PER_SECOND: u128 = 1_000_000_000;
/// Digits after the decimal point that are significant: nanoseconds.
const FRACTION_DIGITS: usize = 9;
/// Millionths of the duration in one percentage point.
const MILLIONTHS_PER_PERCENT: u32 = 10_000;

/// The position of a frame in a video.
///
/// | written | meaning |
/// |---|---|
/// | `5`, `2.5s`, `500ms`, `2m`, `1h2m3.5s` | after the start |
/// | `1:02.5`, `00:01:02.500` | after the start, in minutes and seconds, or hours, minutes and seconds |
/// | `-10`, `-1:30` | before the end |
/// | `10%`, `middle` | this part of the duration |
///
/// Notations of the same time are equal: `5`, `5s` and `0:05` are one value. The end and the percentages refer to the duration
/// that [`MediaInfo`](crate::MediaInfo) reports. Where the container reports no duration, the frame is taken at half of the
/// duration that decoding finds, and the frame's [`reason`](crate::PosterFrame::reason) says so.
///
/// ```
/// use std::time::Duration;
/// use posterframe::FrameTime;
///
/// # fn main() -> Result<(), posterframe::FrameTimeError> {
/// let time: FrameTime = "1:02.5".parse()?;
/// assert_eq!(time, FrameTime::FromStart(Duration::from_millis(62_500)));
/// assert_eq!(time, "62500ms".parse()?);
/// assert_eq!("middle".parse::<FrameTime>()?.to_string(), "50%");
/// assert!("soon".parse::<FrameTime>().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameTime {
    /// The duration after the start.
    FromStart(Duration),
    /// The duration before the end.
    FromEnd(Duration),
    /// A part of the video's duration.
    Part(Percent),
}

/// A part of a duration, from 0 to 100 per cent, in steps of a ten-thousandth of a percentage point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent {
    millionths: u32,
}

/// The error for a text that is not a valid [`FrameTime`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {}", FrameTime::FORMS)]
pub struct FrameTimeError {
    text: String,
}

impl FrameTime {
    /// The valid notations, for error messages.
    pub(crate) const FORMS: &str = "a time such as 5, 2.5s, 2m, 1:02.5, -10 (from the end), 10% or middle";

    /// Returns the distance of the time from the start, in a video of this duration. The result is never before the start.
    /// Returns `None` if the time depends on the duration and the duration is not known.
    pub fn from_start(self, duration: Option<Duration>) -> Option<Duration> {
        match self {
            Self::FromStart(time) => Some(time),
            Self::FromEnd(time) => duration.map(|duration| duration.saturating_sub(time)),
            Self::Part(part) => duration.map(|duration| part.of(duration)),
        }
    }
}

/// Returns five seconds after the start.
impl Default for FrameTime {
    fn default() -> Self {
        Self::FromStart(Duration::from_secs(5))
    }
}

impl From<Duration> for FrameTime {
    fn from(time: Duration) -> Self {
        Self::FromStart(time)
    }
}

impl Percent {
    /// Half of the duration.
    pub const MIDDLE: Self = Self { millionths: 50 * MILLIONTHS_PER_PERCENT };
    const ALL: u32 = 100 * MILLIONTHS_PER_PERCENT;

    /// Creates a percentage from `percent`, rounded to a ten-thousandth, or returns `None` outside of 0 to 100.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most a million, and not negative"
    )]
    pub fn new(percent: f64) -> Option<Self> {
        let is_part = (0.0..=100.0).contains(&percent);
        is_part.then(|| Self { millionths: (percent * f64::from(MILLIONTHS_PER_PERCENT)).round() as u32 })
    }

    /// Returns the percentage, from 0 to 100.
    pub fn get(self) -> f64 {
        f64::from(self.millionths) / f64::from(MILLIONTHS_PER_PERCENT)
    }

    /// Returns this part of a duration, rounded down to a nanosecond.
    fn of(self, duration: Duration) -> Duration {
        let nanoseconds = duration.as_nanos() * u128::from(self.millionths) / u128::from(Self::ALL);
        from_nanoseconds(nanoseconds).unwrap_or(duration)
    }
}

impl FromStr for FrameTime {
    type Err = FrameTimeError;

    fn from_str(text: &str) -> Result<Self, FrameTimeError> {
        let time = match text.strip_suffix('%') {
            _ if text == "middle" => Some(Self::Part(Percent::MIDDLE)),
            Some(percent) => {
                // Only digits: Rust's parser also accepts `inf` and `1e1`.
                let percent = decimal(percent).and(percent.parse().ok());
                percent.and_then(Percent::new).map(Self::Part)
            }
            None => match text.strip_prefix('-') {
                Some(text) => parse_duration(text).map(Self::FromEnd),
                None => parse_duration(text).map(Self::FromStart),
            },
        };
        time.ok_or_else(|| FrameTimeError { text: text.to_owned() })
    }
}

/// Formats the time in its shortest notation: seconds, or a percentage.
impl fmt::Display for FrameTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromStart(time) => f.write_str(&seconds(*time)),
            Self::FromEnd(time) => write!(f, "-{}", seconds(*time)),
            Self::Part(percent) => write!(f, "{}%", percent.get()),
        }
    }
}

/// Serializes the time as text, in the notation of [`Display`](fmt::Display).
impl Serialize for FrameTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Deserializes the time from text, or from a number of seconds.
impl<'de> Deserialize<'de> for FrameTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrSeconds)
    }
}

struct TextOrSeconds;

impl Visitor<'_> for TextOrSeconds {
    type Value = FrameTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FrameTime::FORMS)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FrameTime, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<FrameTime, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<FrameTime, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<FrameTime, E> {
        self.visit_str(&number.to_string())
    }
}

/// Parses a duration: seconds (`2.5`), parts with units (`1h2m3.5s`, `500ms`), or clock notation (`1:02.5`, `00:01:02.500`).
/// Digits beyond nanoseconds are dropped.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let nanoseconds = if text.contains(':') { clock(text)? } else { with_units(text)? };
    from_nanoseconds(nanoseconds)
}

/// Parses `M:S` or `H:M:S`. Every part after the first must be less than 60.
fn clock(text: &str) -> Option<u128> {
    let (rest, last) = text.rsplit_once(':')?;
    let (hours, minutes) =
        rest.split_once(':').map_or((None, rest), |(hours, minutes)| (Some(hours), minutes));
    let minutes = whole(minutes)?;
    let nanoseconds = decimal(last)?;
    let is_clock = nanoseconds < 60 * NANOSECONDS_PER_SECOND && (hours.is_none() || minutes < 60);
    let minutes = minutes.checked_add(hours.map_or(Some(0), whole)?.checked_mul(60)?)?;
    is_clock
        .then_some(minutes.checked_mul(60)?.checked_mul(NANOSECONDS_PER_SECOND)?.checked_add(nanoseconds)?)
}

/// Parses parts with units, largest unit first, or one part without a unit: seconds.
fn with_units(text: &str) -> Option<u128> {
    const UNITS: [(&str, u128, u128); 4] = [("h", 3600, 1), ("m", 60, 1), ("s", 1, 1), ("ms", 1, 1000)];
    if let Some(seconds) = decimal(text) {
        return Some(seconds);
    }
    let (mut rest, mut sum, mut units) = (text, 0_u128, UNITS.as_slice());
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|letter: char| letter.is_ascii_alphabetic())?);
        let (unit, behind) = behind
            .split_at(behind.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(behind.len()));
        let place = units.iter().position(|(name, ..)| *name == unit)?;
        let (_, times, parts) = units.get(place)?;
        sum = sum.checked_add(decimal(number)?.checked_mul(*times)? / parts)?;
        units = units.get(place + 1..)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum)
}

/// Parses a number of seconds into nanoseconds: digits, with an optional decimal point between or beside them.
fn decimal(text: &str) -> Option<u128> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
    if integer.is_empty() && fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = if integer.is_empty() { 0 } else { whole(integer)? };
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(FRACTION_DIGITS);
    let fraction = digits.fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    seconds.checked_mul(NANOSECONDS_PER_SECOND)?.checked_add(fraction)
}

/// Parses a number that consists of digits only: Rust's parser also accepts a leading plus.
fn whole(text: &str) -> Option<u128> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten().map(u128::from)
}

fn from_nanoseconds(nanoseconds: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanoseconds / NANOSECONDS_PER_SECOND).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanoseconds % NANOSECONDS_PER_SECOND).ok()?))
}

/// Returns the shortest exact decimal.
fn seconds(time: Duration) -> String {
    let text = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Option<FrameTime> {
        text.parse().ok()
    }

    fn any_time() -> impl Strategy<Value = FrameTime> {
        let length =
            || (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(whole, part)| Duration::new(whole, part));
        prop_oneof![
            length().prop_map(FrameTime::FromStart),
            length().prop_map(FrameTime::FromEnd),
            (0..=Percent::ALL).prop_map(|millionths| FrameTime::Part(Percent { millionths })),
        ]
    }

    proptest! {
        #[test]
        fn a_printed_time_parses_to_the_same_time(time in any_time()) {
            prop_assert_eq!(parsed(&time.to_string()), Some(time));
            let json = serde_json::to_string(&time).unwrap();
            prop_assert_eq!(serde_json::from_str::<FrameTime>(&json).unwrap(), time);
        }

        /// Version 0.1 wrote `Duration::as_secs_f64` into the marker of each thumbnail.
        #[test]
        fn a_time_prints_as_its_seconds(microseconds in 0..86_400_000_000_u64) {
            let time = Duration::from_micros(microseconds);
            prop_assert_eq!(FrameTime::from(time).to_string(), time.as_secs_f64().to_string());
        }

        #[test]
        fn all_forms_of_a_time_are_one_value(hours in 0..100_u64, minutes in 0..60_u64, milliseconds in 0..60_000_u64) {
            let time = Duration::from_millis((hours * 60 + minutes) * 60_000 + milliseconds);
            let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
            let all = hours * 60 + minutes;
            let forms = [
                format!("{hours}:{minutes:02}:{seconds:02}.{rest:03}"),
                format!("{hours:02}:{minutes}:{seconds}.{rest:03}000"),
                format!("{all}:{seconds:02}.{rest:03}"),
                format!("{hours}h{minutes}m{seconds}.{rest:03}s"),
                format!("{all}m{milliseconds}ms"),
                format!("{}ms", time.as_millis()),
                format!("{}.{rest:03}", time.as_secs()),
            ];
            for form in forms {
                prop_assert_eq!(parsed(&form), Some(FrameTime::FromStart(time)), "{}", form);
                prop_assert_eq!(parsed(&format!("-{form}")), Some(FrameTime::FromEnd(time)), "-{}", form);
            }
        }

        #[test]
        fn parsing_never_panics(text in "[0-9:.%hms-]{0,24}|\\PC*") {
            if let Some(time) = parsed(&text) {
                prop_assert_eq!(parsed(&time.to_string()), Some(time), "{}", text);
            }
        }

        #[test]
        fn a_part_lies_within_the_duration(millionths in 0..=Percent::ALL, nanoseconds in any::<u64>()) {
            let duration = Duration::from_nanos(nanoseconds);
            let at = FrameTime::Part(Percent { millionths }).from_start(Some(duration)).unwrap();
            prop_assert!(at <= duration);
            let difference = at.as_secs_f64() - duration.as_secs_f64() * f64::from(millionths) / 1e6;
            prop_assert!(difference.abs() <= 1e-6 + duration.as_secs_f64() * 1e-12, "{}", difference);
        }
    }

    #[test]
    fn times_are_counted_from_the_end_and_never_before_the_start() {
        let ten = Some(Duration::from_secs(10));
        let at = |text: &str, duration| parsed(text).and_then(|time| time.from_start(duration));
        assert_eq!(at("-2.5", ten), Some(Duration::from_millis(7500)));
        assert_eq!(at("-12", ten), Some(Duration::ZERO));
        assert_eq!(at("middle", ten), Some(Duration::from_secs(5)));
        assert_eq!(at("12.5%", ten), Some(Duration::from_millis(1250)));
        assert_eq!((at("-2", None), at("50%", None)), (None, None));
        assert_eq!(at("12", ten), Some(Duration::from_secs(12)));
    }

    #[test]
    fn invalid_times_are_rejected() {
        let texts = [
            "",
            " ",
            "five",
            "nan",
            "inf",
            "1e30",
            "1e1",
            "+5",
            "--5",
            "-",
            ".",
            "-.",
            ":",
            "1:",
            ":5",
            "1:60",
            "1:60:00",
            "1:2:3:4",
            "1:-2",
            "5 s",
            "5S",
            "1s2m",
            "1m1m",
            "1m2",
            "s",
            "%",
            "-1%",
            "100.1%",
            "nan%",
            "inf%",
            "Middle",
            "5%s",
            "1:2s",
            "0x5",
            "99999999999999999999",
            "9999999999999999999h",
            "5,5",
            "٥",
        ];
        for text in texts {
            let error = text.parse::<FrameTime>().map_err(|error| error.to_string());
            let expected = format!(
                "{text:?} is not a time such as 5, 2.5s, 2m, 1:02.5, -10 (from the end), 10% or middle"
            );
            assert_eq!(error, Err(expected), "{text}");
        }
    }

    #[test]
    fn json_may_contain_a_number() {
        let read = |json: &str| serde_json::from_str::<FrameTime>(json).ok();
        assert_eq!(read("5"), parsed("5"));
        assert_eq!(read("2.5"), parsed("2.5s"));
        assert_eq!(read("-10"), parsed("-10"));
        assert_eq!(read("\"10%\""), parsed("10%"));
        assert_eq!((read("\"soon\""), read("true"), read("1e300")), (None, None, None));
    }
}

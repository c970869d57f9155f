//! Units of time: ticks of a stream, and microseconds.
//!
//! A stream counts time in ticks of its [`TimeBase`]. [`Pts`] is a point in time, and [`Ticks`] is a duration: the difference
//! of two points. The container as a whole counts [`Microseconds`]. A time base converts between ticks and microseconds with
//! one rounding, to the nearest, halves away from zero (like `av_rescale_q`, libavutil/mathematics.h). Files contain
//! arbitrary numbers, so no operation here overflows: conversions and `checked_` arithmetic return `None`, and `saturating_`
//! arithmetic stops at the minimum or maximum.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::media::ffi::Rational;
use crate::media::info::Ratio;

const MICROSECONDS_PER_SECOND: i128 = 1_000_000;

/// A duration in ticks of a stream; it may be negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticks(i64);

/// A presentation time in ticks of a stream, counted from the zero that the file has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pts(i64);

/// A time or a duration in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Microseconds(i64);

/// The duration of a tick in seconds, as a fraction above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TimeBase {
    num: NonZeroU32,
    den: NonZeroU32,
}

impl Ticks {
    /// Zero duration.
    pub(crate) const ZERO: Self = Self(0);
    /// One tick.
    pub(crate) const ONE: Self = Self(1);
    /// The longest duration.
    pub(crate) const MAX: Self = Self(i64::MAX);

    /// Creates a duration of this many ticks.
    pub(crate) const fn new(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Returns the number for libav.
    pub(crate) const fn get(self) -> i64 {
        self.0
    }

    /// Returns the sum, or the maximum or minimum.
    pub(crate) const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Returns half of the duration, rounded towards zero.
    pub(crate) const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// Returns the difference, or the maximum or minimum.
    pub(crate) const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Pts {
    /// The latest time.
    pub(crate) const MAX: Self = Self(i64::MAX);

    /// Creates a time at this tick.
    pub(crate) const fn new(ticks: i64) -> Self {
        Self(ticks)
    }

    /// Returns the number for libav.
    pub(crate) const fn get(self) -> i64 {
        self.0
    }

    /// Returns the sum, or the maximum or minimum.
    pub(crate) const fn saturating_add(self, length: Ticks) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// Returns the difference, or the maximum or minimum.
    pub(crate) const fn saturating_sub(self, length: Ticks) -> Self {
        Self(self.0.saturating_sub(length.0))
    }

    /// Returns the duration from `start` to this time, negative when `start` is later. The result saturates.
    pub(crate) const fn since(self, start: Self) -> Ticks {
        Ticks(self.0.saturating_sub(start.0))
    }
}

impl Microseconds {
    /// Creates a time of this many microseconds.
    pub(crate) const fn new(microseconds: i64) -> Self {
        Self(microseconds)
    }

    /// Returns the number of microseconds.
    pub(crate) const fn get(self) -> i64 {
        self.0
    }

    /// Returns the sum, or the maximum or minimum.
    pub(crate) const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Converts to seconds.
    #[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    pub(crate) fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// Rounds down, and saturates for more than 292,000 years.
impl From<Duration> for Microseconds {
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }
}

impl TimeBase {
    /// Creates a time base, or returns `None` unless both parts are positive.
    pub(crate) fn new(num: i32, den: i32) -> Option<Self> {
        let part = |part: i32| NonZeroU32::new(u32::try_from(part).ok()?);
        Some(Self { num: part(num)?, den: part(den)? })
    }

    /// Converts a duration to ticks, or returns `None` on overflow.
    pub(crate) fn ticks(self, length: Microseconds) -> Option<Ticks> {
        self.count_ticks(i128::from(length.0), 1).map(Ticks)
    }

    /// Converts a time to ticks, or returns `None` on overflow.
    pub(crate) fn pts(self, time: Microseconds) -> Option<Pts> {
        self.count_ticks(i128::from(time.0), 1).map(Pts)
    }

    /// Returns the time half-way between two times, rounded once, or `None` on overflow.
    pub(crate) fn middle(self, start: Microseconds, end: Microseconds) -> Option<Pts> {
        self.count_ticks(i128::from(start.0) + i128::from(end.0), 2).map(Pts)
    }

    /// Converts a duration to microseconds, or returns `None` on overflow.
    pub(crate) fn microseconds(self, length: Ticks) -> Option<Microseconds> {
        self.count_microseconds(length.0)
    }

    /// Converts a duration to seconds.
    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are centuries in any real time base")]
    pub(crate) fn seconds(self, length: Ticks) -> f64 {
        length.0 as f64 * f64::from(self.num.get()) / f64::from(self.den.get())
    }

    /// Returns the seconds from `start` to a time, with one rounding. Returns zero for less than a microsecond, because
    /// `start` itself is rounded to microseconds.
    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are centuries in any real time base")]
    pub(crate) fn seconds_since(self, start: Microseconds, time: Pts) -> f64 {
        let (num, den) = (i128::from(self.num.get()), i128::from(self.den.get()));
        // Below 2^63 * 2^31 * 2^20 each.
        let scaled = i128::from(time.0) * num * MICROSECONDS_PER_SECOND - i128::from(start.0) * den;
        if scaled.abs() < den { 0.0 } else { scaled as f64 / (den * MICROSECONDS_PER_SECOND) as f64 }
    }

    /// Converts `microseconds / parts` to ticks. The product stays below 2^64 * 2^31.
    fn count_ticks(self, microseconds: i128, parts: i128) -> Option<i64> {
        let (num, den) = (i128::from(self.num.get()), i128::from(self.den.get()));
        divide(microseconds * den, num * MICROSECONDS_PER_SECOND * parts)
    }

    /// Converts ticks to microseconds. The product stays below 2^63 * 2^31 * 2^20.
    fn count_microseconds(self, ticks: i64) -> Option<Microseconds> {
        let (num, den) = (i128::from(self.num.get()), i128::from(self.den.get()));
        divide(i128::from(ticks) * num * MICROSECONDS_PER_SECOND, den).map(Microseconds)
    }
}

/// Divides to the nearest integer, halves away from zero.
fn divide(numerator: i128, denominator: i128) -> Option<i64> {
    let half = denominator / 2;
    let rounded = if numerator >= 0 { numerator + half } else { numerator - half } / denominator;
    i64::try_from(rounded).ok()
}

/// Fails if one of the parts is not positive.
impl TryFrom<Ratio> for TimeBase {
    type Error = Ratio;

    fn try_from(ratio: Ratio) -> Result<Self, Ratio> {
        Self::new(ratio.num, ratio.den).ok_or(ratio)
    }
}

/// Fails if one of the parts is not positive.
impl TryFrom<Rational> for TimeBase {
    type Error = Rational;

    fn try_from(rational: Rational) -> Result<Self, Rational> {
        Self::new(rational.num, rational.den).ok_or(rational)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(num: i32, den: i32) -> TimeBase {
        TimeBase::new(num, den).unwrap()
    }

    const fn us(microseconds: i64) -> Microseconds {
        Microseconds::new(microseconds)
    }

    #[test]
    fn rounds_to_the_nearest_tick() {
        let tenth = base(1, 10);
        for (microseconds, ticks) in
            [(5_000_000, 50), (5_049_999, 50), (5_050_000, 51), (-5_049_999, -50), (-5_050_000, -51)]
        {
            assert_eq!(tenth.ticks(us(microseconds)), Some(Ticks::new(ticks)));
            assert_eq!(tenth.pts(us(microseconds)), Some(Pts::new(ticks)));
        }
        assert_eq!(tenth.microseconds(Ticks::new(50)), Some(us(5_000_000)));
        assert_eq!(base(1, 3).microseconds(Ticks::new(-2)), Some(us(-666_667)));
        assert_eq!(base(1, 90_000).middle(us(0), us(2_379_767)), Some(Pts::new(107_090)));
    }

    #[test]
    fn overflowing_conversions_yield_none() {
        assert_eq!(base(1, 10).microseconds(Ticks::MAX), None);
        assert_eq!(base(1, i32::MAX).ticks(us(i64::MAX)), None);
        assert_eq!(base(1, i32::MAX).middle(us(i64::MIN), us(i64::MIN)), None);
        for (num, den) in [(0, 1), (1, 0), (-1, 10), (1, -10), (i32::MIN, i32::MIN)] {
            assert_eq!(TimeBase::new(num, den), None);
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let earliest = Pts::new(i64::MIN);
        assert_eq!(Pts::MAX.saturating_add(Ticks::ONE), Pts::MAX);
        assert_eq!(earliest.saturating_sub(Ticks::ONE), earliest);
        assert_eq!(Pts::MAX.since(earliest), Ticks::MAX);
        assert_eq!(Pts::new(3).since(Pts::new(5)), Ticks::new(-2));
        assert_eq!(Ticks::MAX.saturating_add(Ticks::ONE), Ticks::MAX);
        assert_eq!(Ticks::new(-1).half(), Ticks::ZERO);
        assert_eq!(us(1).saturating_add(us(i64::MAX)), us(i64::MAX));
        assert_eq!(Microseconds::from(Duration::MAX), us(i64::MAX));
        assert_eq!(Microseconds::from(Duration::from_nanos(1_999)), us(1));
    }

    #[test]
    fn seconds_are_counted_from_a_start() {
        let base = base(1, 90_000);
        assert_eq!((base.seconds(Ticks::new(45_000)), base.seconds(Ticks::new(-45_000))), (0.5, -0.5));
        assert_eq!(base.seconds_since(us(100_000_000), Pts::new(9_450_000)), 5.0);
        // The start is 1/3 s, rounded.
        assert_eq!(base.seconds_since(us(333_333), Pts::new(30_000)), 0.0);
        assert!(base.seconds_since(us(333_331), Pts::new(30_000)) > 0.0);
        assert!(base.seconds_since(us(i64::MIN), Pts::MAX) > 1e14);
        assert_eq!(us(1_500_000).seconds(), 1.5);
    }

    #[test]
    fn fractions_convert() {
        let base = base(1001, 30_000);
        assert_eq!(TimeBase::try_from(Ratio { num: 1001, den: 30_000 }), Ok(base));
        assert_eq!(TimeBase::try_from(Rational { num: 1001, den: 30_000 }), Ok(base));
        assert_eq!(TimeBase::try_from(Ratio { num: 1, den: 0 }), Err(Ratio { num: 1, den: 0 }));
    }

    proptest! {
        #[test]
        fn microseconds_survive_a_finer_time_base(microseconds in -1 << 50..1_i64 << 50, den in 1_000_000..i32::MAX) {
            let base = base(1, den);
            let back = base.ticks(us(microseconds)).and_then(|ticks| base.microseconds(ticks));
            prop_assert_eq!(back, Some(us(microseconds)));
        }

        #[test]
        fn nothing_overflows(ticks: i64, other: i64, num in 1..=i32::MAX, den in 1..=i32::MAX) {
            let base = base(num, den);
            if let Some(pts) = base.pts(us(ticks)) {
                // Rounded once: at most half a tick off, and as much again on the way back.
                let half = f64::from(num) / f64::from(den) * 0.51 + 1e-6;
                let off = base.seconds_since(us(ticks), pts).abs();
                prop_assert!(off <= half.max(us(ticks).seconds().abs() * 1e-12), "{} {}", off, half);
            }
            let _ = base.microseconds(Ticks::new(ticks));
            let _ = base.middle(us(ticks), us(other));
            prop_assert!(base.seconds_since(us(other), Pts::new(ticks)).is_finite());
        }
    }
}

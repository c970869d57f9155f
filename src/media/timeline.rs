//! The start and duration of a presentation, computed in the same way as in libavformat. [`units`](super::units) contains
//! times that are still plain numbers.

use crate::media::info::{Ratio, StreamInfo, StreamKind};
use crate::media::units::{Microseconds, Pts, Ticks, TimeBase};

/// Converts a positive duration in seconds to whole ticks of `time_base`, rounded down.
pub(super) fn whole_ticks(length: Ratio, time_base: Ratio) -> Option<i64> {
    let (length, time_base) = (length.positive()?, time_base.positive()?);
    let numerator = i128::from(length.num) * i128::from(time_base.den);
    i64::try_from(numerator / (i128::from(length.den) * i128::from(time_base.num))).ok()
}

/// Returns the bits per second of `size` bytes in `duration`.
pub(super) fn average_bit_rate(size: u64, duration: Microseconds) -> Option<u64> {
    let duration = u128::try_from(duration.get()).ok().filter(|&duration| duration > 0)?;
    u64::try_from(u128::from(size) * 8_000_000 / duration).ok()
}

/// Converts `ticks` of `time_base` to seconds.
pub(super) fn to_seconds(ticks: i64, time_base: Ratio) -> Option<f64> {
    Some(TimeBase::try_from(time_base).ok()?.seconds(Ticks::new(ticks)))
}

/// Converts ticks of one time base to ticks of another, rounded to the nearest, halves away from zero.
pub(super) fn rescale(ticks: i64, from: Ratio, to: Ratio) -> Option<i64> {
    let (from, to) = (from.positive()?, to.positive()?);
    // Below 2^63 * 2^31 * 2^31.
    let numerator = i128::from(ticks) * i128::from(from.num) * i128::from(to.den);
    let denominator = i128::from(from.den) * i128::from(to.num);
    let half = denominator / 2;
    let rounded = if numerator >= 0 { numerator + half } else { numerator - half } / denominator;
    i64::try_from(rounded).ok()
}

/// Returns whether a stream has a frame that is presented at or after `at`, according to its duration. `start` is the start
/// of the presentation, and `last_interval` the duration of the last frame in ticks, where it is known. Returns `None`
/// where the duration of the stream is not known.
pub(super) fn reaches(
    stream: &StreamInfo,
    (start, at): (Microseconds, Microseconds),
    last_interval: Option<i64>,
) -> Option<bool> {
    let base = TimeBase::try_from(stream.time_base).ok()?;
    let goal = base.pts(start.saturating_add(at))?;
    let own_start = stream.start_pts.or_else(|| base.pts(start).map(Pts::get))?;
    let end = own_start.saturating_add(stream.duration_ts?);
    let rate = stream.average_frame_rate.positive();
    let frame = last_interval.or_else(|| {
        let rate = rate?;
        whole_ticks(Ratio { num: rate.den, den: rate.num }, stream.time_base)
    });
    // A tick for rounding.
    Some(end.saturating_sub(frame.unwrap_or(0)).saturating_add(1) > goal.get())
}

/// The position of a stream in time.
#[derive(Debug, Clone, Copy)]
struct Span {
    kind: StreamKind,
    /// First presentation time in microseconds.
    start: Option<i64>,
    /// Duration in microseconds.
    duration: Option<i64>,
}

impl Span {
    fn of(stream: &StreamInfo) -> Self {
        let base = TimeBase::try_from(stream.time_base).ok();
        let microseconds = |ticks: i64| base?.microseconds(Ticks::new(ticks)).map(Microseconds::get);
        Self {
            kind: stream.kind,
            start: stream.start_pts.and_then(microseconds),
            duration: stream.duration_ts.and_then(microseconds),
        }
    }

    /// Returns whether the stream is text or timed data. Such streams may begin or end far from the video. libavformat lets
    /// them move the ends by less than a second only.
    const fn is_text(self) -> bool {
        matches!(self.kind, StreamKind::Subtitle | StreamKind::Data)
    }
}

/// Returns the start and duration of the presentation, computed from its streams: the earliest start, and the longer of the
/// longest stream and the distance from the earliest start to the latest end.
pub(super) fn of_streams(streams: &[StreamInfo]) -> (Option<Microseconds>, Option<Microseconds>) {
    let (start, duration) = combine(&streams.iter().map(Span::of).collect::<Vec<_>>());
    (start.map(Microseconds::new), duration.map(Microseconds::new))
}

fn combine(spans: &[Span]) -> (Option<i64>, Option<i64>) {
    const TEXT_REACH: i64 = 1_000_000;
    let of = |text: bool| spans.iter().copied().filter(move |span| span.is_text() == text);
    let end =
        |span: Span| span.start.zip(span.duration).map(|(start, duration)| start.saturating_add(duration));

    let media_start = of(false).filter_map(|span| span.start).min();
    let text_start = of(true).filter_map(|span| span.start).min();
    let start = match (media_start, text_start) {
        (Some(media), Some(text)) if text < media && media.saturating_sub(text) < TEXT_REACH => Some(text),
        (media, text) => media.or(text),
    };
    let later = |media: Option<i64>, text: Option<i64>| match (media, text) {
        (Some(media), Some(text)) if text > media && text.saturating_sub(media) < TEXT_REACH => Some(text),
        (media, text) => media.or(text),
    };
    let last_end = later(of(false).filter_map(end).max(), of(true).filter_map(end).max());
    let longest = later(
        of(false).filter_map(|span| span.duration).max(),
        of(true).filter_map(|span| span.duration).max(),
    );
    let distance = start.zip(last_end).and_then(|(start, end)| end.checked_sub(start));
    (start, longest.max(distance).filter(|&duration| duration > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(kind: StreamKind, start: i64, duration: i64) -> Span {
        Span { kind, start: Some(start), duration: Some(duration) }
    }

    #[test]
    fn lengths_in_whole_ticks() {
        let clock = Ratio { num: 1, den: 90_000 };
        assert_eq!(whole_ticks(Ratio { num: 1024, den: 44_100 }, clock), Some(2089));
        assert_eq!(whole_ticks(Ratio { num: 1024, den: 48_000 }, clock), Some(1920));
        assert_eq!(whole_ticks(Ratio { num: 1024, den: 0 }, clock), None);
    }

    #[test]
    fn bit_rates_are_averages() {
        let rate = |size, microseconds| average_bit_rate(size, Microseconds::new(microseconds));
        assert_eq!((rate(1000, 8_000_000), rate(1, 3_000_000)), (Some(1000), Some(2)));
        assert_eq!((rate(1000, 0), rate(1000, -1), rate(u64::MAX, 1)), (None, None, None));
        assert_eq!(rate(u64::MAX, i64::MAX), Some(16_000_000));
    }

    #[test]
    fn spans_combine_as_in_libavformat() {
        let (video, audio) = (span(StreamKind::Video, 80, 10_000_000), span(StreamKind::Audio, 0, 9_900_000));
        assert_eq!(combine(&[video, audio]), (Some(0), Some(10_000_080)));
        let far_subtitle = span(StreamKind::Subtitle, -5_000_000, 1);
        assert_eq!(combine(&[video, far_subtitle]), (Some(80), Some(10_000_000)));
        let near_subtitle = span(StreamKind::Subtitle, -500_000, 1);
        assert_eq!(combine(&[video, near_subtitle]).0, Some(-500_000));
        // A whole second is too far, at either end.
        let early = |distance: i64| span(StreamKind::Subtitle, 80 - distance, 1);
        let starts = [999_999, 1_000_000].map(|distance| combine(&[video, early(distance)]).0);
        assert_eq!(starts, [Some(80 - 999_999), Some(80)]);
        let late = |distance: i64| span(StreamKind::Data, 80, 10_000_000 + distance);
        let lengths = [999_999, 1_000_000].map(|distance| combine(&[video, late(distance)]).1);
        assert_eq!(lengths, [Some(10_999_999), Some(10_000_000)]);
        assert_eq!(combine(&[]), (None, None));
    }
}

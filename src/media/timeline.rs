//! Where a presentation starts and how long it is, reckoned as libavformat does, and times in ticks of a stream.

use crate::media::info::{Ratio, StreamKind};

const MICROSECONDS: i128 = 1_000_000;

/// `ticks` of `time_base` in microseconds, to the nearest, halves away from zero (as `av_rescale_q`).
pub(super) fn to_microseconds(ticks: i64, time_base: Ratio) -> Option<i64> {
    let Ratio { num, den } = time_base.positive()?;
    round_div(i128::from(ticks) * i128::from(num) * MICROSECONDS, i128::from(den))
}

/// Microseconds in ticks of `time_base`, to the nearest, halves away from zero.
pub(super) fn to_ticks(microseconds: i64, time_base: Ratio) -> Option<i64> {
    let Ratio { num, den } = time_base.positive()?;
    round_div(i128::from(microseconds) * i128::from(den), i128::from(num) * MICROSECONDS)
}

/// The middle between two times in microseconds, in ticks of `time_base`, rounded once.
pub(super) fn middle_to_ticks(start: i64, end: i64, time_base: Ratio) -> Option<i64> {
    let Ratio { num, den } = time_base.positive()?;
    let doubled = i128::from(start) + i128::from(end);
    round_div(doubled * i128::from(den), i128::from(num) * MICROSECONDS * 2)
}

/// `ticks` of `time_base` in seconds.
pub(super) fn to_seconds(ticks: i64, time_base: Ratio) -> Option<f64> {
    let Ratio { num, den } = time_base.positive()?;
    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are centuries in any real time base")]
    Some(ticks as f64 * f64::from(num) / f64::from(den))
}

/// Seconds from `start` in microseconds to `ticks` of `time_base`; zero for less than a microsecond, to which `start` was rounded.
pub(super) fn seconds_since(start: i64, ticks: i64, time_base: Ratio) -> f64 {
    let Some(Ratio { num, den }) = time_base.positive() else { return 0.0 };
    let (num, den) = (i128::from(num), i128::from(den));
    let scaled = i128::from(ticks) * num * MICROSECONDS - i128::from(start) * den;
    if scaled.abs() < den {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are centuries in any real time base")]
    let seconds = scaled as f64 / (den * MICROSECONDS) as f64;
    seconds
}

/// Microseconds in seconds.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
pub(super) fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

fn round_div(numerator: i128, denominator: i128) -> Option<i64> {
    let half = denominator / 2;
    let rounded = if numerator >= 0 { numerator + half } else { numerator - half } / denominator;
    i64::try_from(rounded).ok()
}

/// What a stream tells of its place in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) kind: StreamKind,
    /// First presentation time in microseconds.
    pub(super) start: Option<i64>,
    /// Length in microseconds.
    pub(super) duration: Option<i64>,
}

impl Span {
    /// Subtitles and timed data may begin or end far from the pictures; libavformat lets them move the ends by less than
    /// a second only.
    const fn is_text(self) -> bool {
        matches!(self.kind, StreamKind::Subtitle | StreamKind::Data)
    }
}

/// Start and length of the whole in microseconds, from those of its streams: the earliest start, and the longer of the
/// longest stream and the distance from the earliest start to the latest end.
pub(super) fn combine(spans: &[Span]) -> (Option<i64>, Option<i64>) {
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

    const TENTH: Ratio = Ratio { num: 1, den: 10 };

    fn span(kind: StreamKind, start: i64, duration: i64) -> Span {
        Span { kind, start: Some(start), duration: Some(duration) }
    }

    #[test]
    fn rounds_to_the_nearest_tick() {
        assert_eq!(to_ticks(5_000_000, TENTH), Some(50));
        assert_eq!(to_ticks(5_049_999, TENTH), Some(50));
        assert_eq!(to_ticks(5_050_000, TENTH), Some(51));
        assert_eq!(to_ticks(-5_050_000, TENTH), Some(-51));
        assert_eq!(middle_to_ticks(0, 2_379_767, Ratio { num: 1, den: 90_000 }), Some(107_090));
        assert_eq!(to_microseconds(50, TENTH), Some(5_000_000));
        assert_eq!(to_microseconds(i64::MAX, TENTH), None);
        assert_eq!(to_ticks(1, Ratio { num: 0, den: 1 }), None);
    }

    #[test]
    fn spans_combine_as_in_libavformat() {
        let (video, audio) = (span(StreamKind::Video, 80, 10_000_000), span(StreamKind::Audio, 0, 9_900_000));
        assert_eq!(combine(&[video, audio]), (Some(0), Some(10_000_080)));
        let far_subtitle = span(StreamKind::Subtitle, -5_000_000, 1);
        assert_eq!(combine(&[video, far_subtitle]), (Some(80), Some(10_000_000)));
        let near_subtitle = span(StreamKind::Subtitle, -500_000, 1);
        assert_eq!(combine(&[video, near_subtitle]).0, Some(-500_000));
        assert_eq!(combine(&[]), (None, None));
    }
}

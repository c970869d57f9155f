//! The chapters of a container as [`MediaInfo`](crate::MediaInfo) reports them.

use std::collections::BTreeMap;

use crate::media::ffi::format;
use crate::media::info::{Chapter, Ratio};
use crate::media::timeline::{rescale, to_seconds};
use crate::media::units::Microseconds;

const MICROSECONDS: Ratio = Ratio { num: 1, den: 1_000_000 };
const NANOSECONDS: Ratio = Ratio { num: 1, den: 1_000_000_000 };

/// Maximum number of reported chapters. An MP4 can declare a million in a few bytes each.
const MAX_CHAPTERS: usize = 1024;

/// Describes chapters. A chapter without an end lasts until the start of the next one, or until the end of the presentation
/// (`compute_chapters_end` in libavformat/demux.c).
pub(in crate::media) fn describe(
    mut chapters: Vec<format::Chapter>,
    start: Option<Microseconds>,
    duration: Option<Microseconds>,
) -> Vec<Chapter> {
    chapters.truncate(MAX_CHAPTERS);
    let start = start.map_or(0, Microseconds::get);
    let end = duration.map(|duration| start.saturating_add(duration.get()));
    let ends: Vec<Option<i64>> = {
        let behind = next_starts(&chapters);
        let numbered = chapters.iter().enumerate();
        numbered.map(|(index, chapter)| end_of(chapter, behind.get(&index).copied(), end)).collect()
    };
    chapters.into_iter().zip(ends).map(|(chapter, end)| describe_one(chapter, end)).collect()
}

/// Returns the start of the next chapter, in ticks of that chapter, and its time base.
fn next_starts(chapters: &[format::Chapter]) -> BTreeMap<usize, (i64, Ratio)> {
    let places = chapters.iter().enumerate();
    let mut places: Vec<(i64, usize, i64, Ratio)> = places
        .filter_map(|(index, chapter)| {
            let base = chapter.time_base.into();
            Some((rescale(chapter.start, base, NANOSECONDS)?, index, chapter.start, base))
        })
        .collect();
    places.sort_unstable_by_key(|&(time, index, ..)| (time, index));
    let pairs = places.iter().zip(places.iter().skip(1));
    pairs.map(|(&(_, index, ..), &(.., start, base))| (index, (start, base))).collect()
}

/// Returns the end of a chapter in its ticks. `presentation_end` is in microseconds.
fn end_of(
    chapter: &format::Chapter,
    next: Option<(i64, Ratio)>,
    presentation_end: Option<i64>,
) -> Option<i64> {
    let base = chapter.time_base.into();
    let last = presentation_end.and_then(|end| rescale(end, MICROSECONDS, base));
    let next = next.and_then(|(start, other)| rescale(start, other, base));
    let next = next.filter(|&next| next > chapter.start && last.is_none_or(|last| next < last));
    chapter.end.or(next).or(last)
}

fn describe_one(chapter: format::Chapter, end: Option<i64>) -> Chapter {
    let time_base = Ratio::from(chapter.time_base);
    let seconds = |ticks| to_seconds(ticks, time_base).unwrap_or_default();
    let start = chapter.start;
    let end = end.filter(|&end| end >= start).unwrap_or(start);
    Chapter {
        id: chapter.id,
        time_base,
        start,
        end,
        start_seconds: seconds(start),
        end_seconds: seconds(end),
        title: chapter.tags.get("title").cloned(),
        tags: chapter.tags,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::ffi::Rational;

    fn chapter(den: i32, start: i64, end: Option<i64>) -> format::Chapter {
        let tags = BTreeMap::from([("title".to_owned(), format!("at {start}"))]);
        format::Chapter { id: 7, time_base: Rational { num: 1, den }, start, end, tags }
    }

    fn ends(chapters: Vec<format::Chapter>, duration: Option<i64>) -> Vec<i64> {
        let described = describe(chapters, Some(Microseconds::new(0)), duration.map(Microseconds::new));
        described.iter().map(|chapter| chapter.end).collect()
    }

    #[test]
    fn a_chapter_ends_where_the_next_one_begins() {
        let three = || vec![chapter(1000, 0, None), chapter(1000, 4000, None), chapter(1000, 2000, None)];
        assert_eq!(ends(three(), Some(7_000_000)), [2000, 7000, 4000]);
        // Without a duration, the last chapter has no length. A chapter that begins after the end has none either.
        assert_eq!(ends(three(), None), [2000, 4000, 4000]);
        assert_eq!(ends(three(), Some(3_000_000)), [2000, 4000, 3000]);
        // A chapter's own end takes precedence, and clocks may differ.
        assert_eq!(
            ends(vec![chapter(10, 0, Some(5)), chapter(1000, 1500, None)], Some(2_000_000)),
            [5, 2000]
        );
        assert_eq!(ends(vec![chapter(10, 0, None), chapter(1000, 1500, None)], Some(2_000_000)), [15, 2000]);
    }

    #[test]
    fn titles_are_tags() {
        let described = describe(vec![chapter(10, 25, Some(30))], None, None);
        let [chapter] = &described[..] else { panic!("{described:?}") };
        assert_eq!(chapter.title.as_deref(), Some("at 25"));
        assert_eq!((chapter.start_seconds, chapter.end_seconds), (2.5, 3.0));
    }

    proptest! {
        #[test]
        fn no_chapter_ends_before_it_begins(
            numbers in prop::collection::vec((any::<i64>(), any::<Option<i64>>(), any::<i32>()), 0..20),
            duration in any::<Option<i64>>(),
        ) {
            let chapters: Vec<_> = numbers.into_iter().map(|(start, end, den)| chapter(den, start, end)).collect();
            for chapter in describe(chapters, None, duration.map(Microseconds::new)) {
                prop_assert!(chapter.end >= chapter.start);
            }
        }
    }
}

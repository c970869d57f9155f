//! The tags and chapters of Matroska that are visible to libavformat, up to a maximum number. libavformat compares each tag with
//! all earlier ones, and converts all names again whenever tags were added. The time for tags therefore grows with the cube of
//! their number.

use std::collections::BTreeMap;

use super::ebml::{Element, big_endian, elements, number_of, placed_elements};
use super::planner::Pause;
use crate::media::seen::Seen;
use crate::source::ByteRange;

pub(super) const CHAPTERS: u32 = 0x1043_a770;
pub(super) const TAGS: u32 = 0x1254_c367;
const TAG: u32 = 0x7373;
const TARGETS: u32 = 0x63c0;
const TAG_TRACK: u32 = 0x63c5;
const TAG_CHAPTER: u32 = 0x63c4;
const SIMPLE_TAG: u32 = 0x67c8;

const EDITION_ENTRY: u32 = 0x45b9;
const CHAPTER_ATOM: u32 = 0xb6;

/// The longest list of tags or chapters that is examined. A longer list is hidden: films have some kilobytes.
const MAX_LIST_BYTES: u64 = 1 << 20;
/// Maximum number of visible chapters in all lists. libavformat compares the number of each chapter with the earlier ones, and with
/// the target of each tag.
const MAX_CHAPTERS: usize = 1024;
/// Maximum depth of tags in tags.
const MAX_DEPTH: u32 = 8;
/// Maximum number of name comparisons for all tags together. A film of a hundred tracks with ten tags each takes ten thousand.
const MAX_COMPARISONS: u64 = 2_000_000;
/// The work of an element.
const ELEMENT_WORK: u64 = 16;

/// The target of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    /// A track, or 0 for everything else.
    Track(u64),
    /// Chapters. Several chapters may have the same number, and libavformat copies each tag to all of them.
    Chapter(u64),
}

impl Target {
    fn of(tag: &[u8]) -> Self {
        let targets = || elements(tag).filter(|(id, _)| *id == TARGETS);
        // Of several numbers, libavformat uses the last one.
        let chapters =
            targets().flat_map(|(_, target)| elements(target)).filter(|(id, _)| *id == TAG_CHAPTER);
        let chapter = chapters.last().and_then(|(_, number)| big_endian(number)).filter(|&number| number > 0);
        let track = || targets().next().and_then(|(_, target)| number_of(target, TAG_TRACK)).unwrap_or(0);
        chapter.map_or_else(|| Self::Track(track()), Self::Chapter)
    }

    /// Returns the maximum number of lists to which libavformat adds each tag.
    const fn lists(self) -> u64 {
        match self {
            Self::Track(_) => 1,
            Self::Chapter(_) => MAX_CHAPTERS as u64,
        }
    }
}

/// The hidden parts of the metadata.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// The number of tags of each target: of chapters and tracks by number, and of everything else together.
    tags: BTreeMap<Target, u64>,
    comparisons: u64,
    chapters: usize,
}

impl Metadata {
    /// Returns the parts of an element at the top level that are hidden from libavformat. The element begins at `start` in the
    /// file.
    ///
    /// # Errors
    /// [`Pause::Need`] while its content has not been read; [`Pause::Stopped`] and [`Pause::Limit`].
    pub(super) fn hidden(
        &mut self,
        seen: &Seen,
        start: u64,
        found: &Element,
    ) -> Result<Vec<ByteRange>, Pause> {
        let Some(size) = found.size else { return Ok(Vec::new()) };
        let end = start.saturating_add(found.content).saturating_add(size).min(seen.size());
        let whole = vec![ByteRange::new(start, end)];
        match found.id {
            TAGS | CHAPTERS if size > MAX_LIST_BYTES => Ok(whole),
            CHAPTERS => {
                let content = seen.bytes(start.saturating_add(found.content), size)?;
                Ok(if self.takes_chapters(seen, content)? { Vec::new() } else { whole })
            }
            TAGS => {
                let content_start = start.saturating_add(found.content);
                self.excess(seen, content_start, seen.bytes(content_start, size)?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Returns whether the chapters of a list stay within the maximum.
    fn takes_chapters(&mut self, seen: &Seen, content: &[u8]) -> Result<bool, Pause> {
        let mut count = self.chapters;
        for (_, edition) in elements(content).filter(|(id, _)| *id == EDITION_ENTRY) {
            for (id, _) in elements(edition) {
                seen.spend(ELEMENT_WORK)?;
                count = count.saturating_add(usize::from(id == CHAPTER_ATOM));
            }
        }
        let fits = count <= MAX_CHAPTERS;
        self.chapters = if fits { count } else { self.chapters };
        Ok(fits)
    }

    /// Returns the excess tags.
    fn excess(&mut self, seen: &Seen, start: u64, content: &[u8]) -> Result<Vec<ByteRange>, Pause> {
        let mut hidden: Vec<ByteRange> = Vec::new();
        for (id, from, content) in placed_elements(content) {
            seen.spend(ELEMENT_WORK)?;
            if id != TAG {
                continue;
            }
            let mut added = 0;
            count_tags(seen, content, 0, &mut added)?;
            let target = Target::of(content);
            let tags = self.tags.entry(target).or_insert(0);
            let all = tags.saturating_add(added);
            let more = all.saturating_mul(all).saturating_mul(target.lists());
            let comparisons = self.comparisons.saturating_add(more);
            if comparisons <= MAX_COMPARISONS {
                (*tags, self.comparisons) = (all, comparisons);
                continue;
            }
            let from = start.saturating_add(from.start as u64)..start.saturating_add(from.end as u64);
            match hidden.last_mut().filter(|last| last.end() == from.start) {
                Some(last) => *last = ByteRange::new(last.start(), from.end),
                None => hidden.push(ByteRange::new(from.start, from.end)),
            }
        }
        Ok(hidden)
    }
}

/// Counts tags, and the tags in them.
fn count_tags(seen: &Seen, content: &[u8], depth: u32, count: &mut u64) -> Result<(), Pause> {
    for (_, simple) in elements(content).filter(|(id, _)| *id == SIMPLE_TAG) {
        seen.spend(ELEMENT_WORK)?;
        *count = count.saturating_add(1);
        if depth < MAX_DEPTH {
            count_tags(seen, simple, depth.saturating_add(1), count)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::prelude::*;

    use super::super::ebml::{element, element_of};
    use super::*;
    use crate::media::hidden::{Hidden, Syntax};

    fn tag(track: u64, simple: usize) -> Vec<u8> {
        let target = element_of(TARGETS, &element_of(TAG_TRACK, &track.to_be_bytes()));
        element_of(TAG, &[target, element_of(SIMPLE_TAG, b"").repeat(simple)].concat())
    }

    /// Returns the number of tags of a list that are visible to libavformat.
    fn shown(tags: &[Vec<u8>]) -> usize {
        let list = element_of(TAGS, &tags.concat());
        let mut seen = Seen::new(list.len() as u64);
        seen.add(0, list.clone(), false);
        let found = element(&list, 0).unwrap();
        let mut hidden = Hidden::new(Syntax::Elements);
        hidden.hide(Metadata::default().hidden(&seen, 0, &found).unwrap());
        let mut covered = list.clone();
        hidden.cover(0, &mut covered);
        assert_eq!(element(&covered, 0).unwrap().size, found.size);
        elements(&covered[12..]).filter(|(id, _)| *id == TAG).count()
    }

    #[test]
    fn tags_of_films_are_visible() {
        let tracks: Vec<_> = (1..=100).map(|track| tag(track, 10)).collect();
        assert_eq!(shown(&tracks), 100);
        let global: Vec<_> = (0..150).map(|_| tag(0, 1)).collect();
        assert_eq!(shown(&global), 150);
    }

    proptest! {
        #[test]
        fn the_comparisons_of_tags_are_limited(
            tags in prop::collection::vec((0..3_u64, 0..400_usize), 0..60),
        ) {
            let list: Vec<_> = tags.iter().map(|&(track, simple)| tag(track, simple)).collect();
            let shown = shown(&list);
            // All tags are visible up to the first excess tag.
            let (mut of_track, mut comparisons, mut fit) = ([0_u64; 3], 0, 0);
            for &(track, simple) in &tags {
                let of_track = &mut of_track[usize::try_from(track).unwrap()];
                *of_track += simple as u64;
                comparisons += *of_track * *of_track;
                if comparisons > MAX_COMPARISONS {
                    break;
                }
                fit += 1;
            }
            prop_assert!(shown >= fit, "{} of {}", shown, fit);
            prop_assert!(fit == tags.len() || shown < tags.len());
        }
    }

    #[test]
    fn long_lists_are_hidden_and_lists_without_end_visible() {
        let seen = Seen::new(10_000_000);
        let hidden = |id, size| {
            Metadata::default()
                .hidden(&seen, 100, &Element { id, content: 12, size })
                .map(|parts| parts.len())
        };
        for id in [CHAPTERS, TAGS] {
            assert_eq!(hidden(id, Some(MAX_LIST_BYTES + 1)), Ok(1));
            assert!(matches!(hidden(id, Some(50)), Err(Pause::Need { .. })));
        }
        assert_eq!((hidden(CHAPTERS, None), hidden(0x1941_a469, Some(5))), (Ok(0), Ok(0)));
    }

    #[test]
    fn tags_of_many_chapters_are_visible_and_many_tags_of_one_hidden() {
        let tag = |chapter: u64| {
            let target = element_of(TARGETS, &element_of(TAG_CHAPTER, &chapter.to_be_bytes()));
            element_of(TAG, &[target, element_of(SIMPLE_TAG, b"")].concat())
        };
        let of_many: Vec<_> = (1..=1000).map(tag).collect();
        assert_eq!(shown(&of_many), 1000);
        // Sums of squares, times 1,024 lists.
        let of_one: Vec<_> = (0..100).map(|_| tag(7)).collect();
        assert_eq!(shown(&of_one), 17);
    }

    #[test]
    fn lists_of_too_many_chapters_are_hidden() {
        let list = |chapters: usize| {
            let edition = element_of(EDITION_ENTRY, &element_of(CHAPTER_ATOM, b"").repeat(chapters));
            element_of(CHAPTERS, &edition)
        };
        let hidden = |lists: &[usize]| {
            let file: Vec<u8> = lists.iter().flat_map(|&chapters| list(chapters)).collect();
            let mut seen = Seen::new(file.len() as u64);
            seen.add(0, file.clone(), false);
            let (mut metadata, mut at, mut hidden) = (Metadata::default(), 0, Vec::new());
            while let Some(found) = element(&file, at) {
                let start = at;
                hidden.push(
                    !metadata
                        .hidden(&seen, start, &element(&file[usize::try_from(at).unwrap()..], 0).unwrap())
                        .unwrap()
                        .is_empty(),
                );
                at = found.end().unwrap();
            }
            hidden
        };
        assert_eq!(hidden(&[MAX_CHAPTERS]), [false]);
        assert_eq!(hidden(&[MAX_CHAPTERS + 1, 3]), [true, false]);
        assert_eq!(hidden(&[MAX_CHAPTERS - 1, 2, 1]), [false, true, false]);
    }
}

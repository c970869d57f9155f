//! The two indexes of movie fragments: `sidx` before them (ISO/IEC 14496-12, 8.16.3), and `mfra` at the end of the file (8.8.9).

use crate::media::layout::boxes::{Fields, be32, contents, find, parse_header};
use crate::media::layout::planner::Pause;
use crate::media::seen::Seen;

/// A `moof` that contains only its `mfhd`, of 16 bytes.
const LEAST_MOOF_BYTES: u64 = 24;
/// In the middle of a file, a larger match is not a `moof`.
const MOST_MOOF_BYTES: u64 = 64 << 20;
/// Distance before a fragment within which indexes directly before the fragment are searched.
const INDEX_WINDOW: u64 = 4 << 10;

/// A fragment in a random access index: a track, a presentation time in the track's ticks, and the start of the `moof` with a keyframe
/// for this time.
pub(super) type NamedFragment = (u32, u64, u64);

/// First presentation time of a fragment in ticks, and start of the fragment.
type Entry = (u64, u64);

/// A random access index.
#[derive(Debug, Default)]
pub(super) struct RandomAccess {
    /// By track and time.
    pub(super) entries: Vec<NamedFragment>,
    /// Starts of the fragments, in increasing order.
    places: Vec<u64>,
}

impl RandomAccess {
    pub(super) fn new(mut entries: Vec<NamedFragment>) -> Self {
        entries.sort_unstable();
        let mut places: Vec<u64> = entries.iter().map(|(_, _, place)| *place).collect();
        places.sort_unstable();
        places.dedup();
        Self { entries, places }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the last entry of a track at or before a time, and the track's next entry.
    pub(super) fn around(&self, track: u32, time: u64) -> Option<(Entry, Option<Entry>)> {
        let count = self.entries.partition_point(|&(id, start, _)| (id, start) <= (track, time));
        let own = |index: usize| {
            let (_, time, place) = self.entries.get(index).filter(|(id, ..)| *id == track)?;
            Some((*time, *place))
        };
        Some((own(count.checked_sub(1)?)?, own(count)))
    }

    /// Returns the starts of the fragments from `from` up to the first one after `to`.
    pub(super) fn places(&self, from: u64, to: u64) -> &[u64] {
        let first = self.places.partition_point(|&place| place < from);
        let end = self.places.partition_point(|&place| place <= to).saturating_add(1);
        self.places.get(first..end.min(self.places.len())).unwrap_or_default()
    }
}

/// An index of fragments by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    /// The track of the times, and its ticks per second; not 0.
    pub(super) track_id: u32,
    pub(super) timescale: u32,
    /// Presentation time of the earliest frame of each fragment, or of several consecutive fragments, and their start.
    pub(super) entries: Vec<(u64, u64)>,
    /// The presentation time and start of the position after the last entry.
    pub(super) end: (u64, u64),
    /// Whether the first fragment directly follows the index.
    pub(super) is_adjacent: bool,
}

impl SegmentIndex {
    /// Returns whether an entry begins or ends at `offset`.
    pub(super) fn begins_or_ends_at(&self, offset: u64) -> bool {
        self.end.1 == offset || self.entries.binary_search_by_key(&offset, |(_, place)| *place).is_ok()
    }

    /// Returns whether the fragments extend to the end of the file, apart from an `mfra`, as libavformat requires of an index.
    pub(super) fn covers_file(&self, seen: &Seen) -> Result<bool, Pause> {
        let Some(rest) = seen.size().checked_sub(self.end.1) else { return Ok(false) };
        let header = parse_header(seen.bytes(self.end.1, 16)?);
        let is_mfra = header.is_some_and(|header| &header.kind == b"mfra" && header.size == rest);
        Ok(rest == 0 || is_mfra)
    }
}

/// Reads the indexes that end at the start of the fragment at `offset`, in the order of the file.
pub(super) fn indexes_before(seen: &Seen, offset: u64) -> Result<Vec<SegmentIndex>, Pause> {
    let start = offset.saturating_sub(INDEX_WINDOW);
    let mut rest = seen.bytes(start, offset.saturating_sub(start))?;
    let mut found = Vec::new();
    for at in (0..rest.len()).rev() {
        let Some((before, sidx)) = rest.split_at_checked(at) else { continue };
        if be32(sidx, 0).is_some_and(|size| usize::try_from(size) == Ok(sidx.len())) {
            found.extend(parse_sidx(sidx, start.saturating_add(at as u64)));
            rest = before;
        }
    }
    found.reverse();
    Ok(found)
}

/// Reads a whole `sidx` box that begins at `offset`. Returns `None` when the box is not valid, or is an index of indexes.
pub(super) fn parse_sidx(sidx: &[u8], offset: u64) -> Option<SegmentIndex> {
    const IS_INDEX: u32 = 1 << 31;
    let mut fields = Fields::new(find(sidx, &[b"sidx"])?).filter(|fields| fields.version <= 1)?;
    let (track_id, timescale) = (fields.take()?, fields.take()?);
    let (mut time, first_offset) = (fields.take_wide()?, fields.take_wide()?);
    // Offsets count from the end of the box.
    let mut place = offset.checked_add(u64::try_from(sidx.len()).ok()?)?.checked_add(first_offset)?;
    let mut entries = Vec::new();
    // The other half is reserved.
    for _ in 0..fields.take()? & 0xffff {
        let (size, duration, _access) = (fields.take()?, fields.take()?, fields.take()?);
        entries.push((time, place));
        place = place.checked_add(size.into()).filter(|_| size & IS_INDEX == 0)?;
        time = time.checked_add(duration.into())?;
    }
    let is_usable = !entries.is_empty() && timescale.cast_signed() > 0;
    let is_adjacent = first_offset == 0;
    is_usable.then_some(SegmentIndex { track_id, timescale, entries, end: (time, place), is_adjacent })
}

/// Reads the random access index at the end of `tail`, the end of the file: its last box contains its length (8.8.11). Each entry of a
/// `tfra` (8.8.10) ends with three numbers. The last six bits of a 32-bit field contain their lengths minus one.
pub(super) fn index_at_end(tail: &[u8]) -> Option<Vec<NamedFragment>> {
    let (_, mfro) = tail.split_last_chunk::<16>()?;
    let length = usize::try_from(Fields::new(find(mfro, &[b"mfro"])?)?.take()?).ok()?;
    let mfra = tail.get(tail.len().checked_sub(length)?..)?;
    let mut found = Vec::new();
    for (_, tfra) in contents(find(mfra, &[b"mfra"])?).filter(|(kind, _)| kind == b"tfra") {
        let mut fields = Fields::new(tfra)?;
        let (track, lengths, count) = (fields.take()?, fields.take()?, fields.take()?);
        let numbers =
            [lengths & 3, lengths >> 2 & 3, lengths >> 4 & 3].into_iter().fold(3, u32::saturating_add);
        for _ in 0..count {
            found.push((track, fields.take_wide()?, fields.take_wide()?));
            fields.skip(usize::try_from(numbers).ok()?)?;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Finds the first `moof` in the bytes of a file from `window_offset`, which may begin inside a box. Media data contain the name by
/// chance, but rarely with a plausible size before it and an `mfhd` with its only valid size after it (8.8.5).
pub(super) fn find_moof(window: &[u8], window_offset: u64) -> Option<u64> {
    let is_moof = |bytes: &[u8]| {
        let header = parse_header(bytes).filter(|header| &header.kind == b"moof")?;
        let child = parse_header(bytes.get(usize::try_from(header.header_bytes).ok()?..)?)?;
        let is_likely = (LEAST_MOOF_BYTES..=MOST_MOOF_BYTES).contains(&header.size);
        (is_likely && &child.kind == b"mfhd" && child.size == 16).then_some(())
    };
    let names = window.windows(4).enumerate().filter(|(_, name)| name == b"moof");
    let mut starts = names.filter_map(|(at, _)| at.checked_sub(4));
    let start = starts.find(|&at| window.get(at..).and_then(is_moof).is_some())?;
    window_offset.checked_add(u64::try_from(start).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;
    use crate::media::layout::test_tables::*;

    #[test]
    fn segment_indexes_are_read() {
        let short = full(b"sidx", 0, &[1, 1000, 40, 8, 2, 500, 100, 0x9000_0000, 600, 120, 0]);
        let found = parse_sidx(&short, 200).unwrap();
        let end = 200 + short.len() as u64 + 8;
        assert_eq!((found.track_id, found.timescale, found.is_adjacent), (1, 1000, false));
        assert_eq!(found.end, (260, end + 1100));
        assert_eq!(found.entries, [(40, end), (140, end + 500)]);
        let long = full(b"sidx", 1 << 24, &[1, 1000, 1, 40, 0, 8, 1, 500, 100, 0]);
        let start = parse_sidx(&long, 0).unwrap().entries[0].0;
        assert_eq!(start, (1 << 32) + 40);
        for length in 0..long.len() {
            assert_eq!(parse_sidx(&long[..length], 0), None);
        }
    }

    #[test]
    fn invalid_segment_indexes_yield_none() {
        let sidx = |head, words: &[u32]| parse_sidx(&full(b"sidx", head, words), 200);
        assert_eq!(sidx(0, &[1, 1000, 0, 0, 1, 1 << 31 | 500, 100, 0]), None);
        assert_eq!(sidx(0, &[1, 0, 0, 0, 1, 500, 100, 0]), None);
        assert_eq!(sidx(0, &[1, 1000, 0, 0, 0, 500, 100, 0]), None);
        assert_eq!(sidx(2 << 24, &[1, 1000, 0, 0, 1, 500, 100, 0]), None);
        assert_eq!(sidx(1 << 24, &[1, 1000, 0, 0, u32::MAX, u32::MAX, 1, 500, 100, 0]), None);
        assert_eq!(sidx(1 << 24, &[1, 1000, u32::MAX, u32::MAX, 0, 0, 1, 500, 100, 0]), None);
    }

    #[test]
    fn random_access_is_read() {
        let word = |word: u32| word.to_be_bytes().to_vec();
        // Numbers of one byte each, then of one, two and four.
        let first = [
            word(0),
            word(1),
            word(0),
            word(2),
            word(40),
            word(5000),
            vec![1; 3],
            word(80),
            word(6000),
            vec![1; 3],
        ];
        let second = [word(1 << 24), word(2), word(0b00_01_11), word(1), vec![1; 23]];
        let tables = [boxed(b"tfra", &first), boxed(b"tfra", &second)].concat();
        let length = u32::try_from(tables.len() + 24).unwrap();
        let mfra = boxed(b"mfra", &[tables, full(b"mfro", 0, &[length])]);
        let ones = 0x0101_0101_0101_0101;
        let found = [(1, 40, 5000), (1, 80, 6000), (2, ones, ones)];
        assert_eq!(index_at_end(&mfra).as_deref(), Some(&found[..]));
        for length in 0..mfra.len() {
            index_at_end(&mfra[..length]);
        }
    }

    #[test]
    fn random_access_is_looked_up_by_time_and_place() {
        let index =
            RandomAccess::new(vec![(2, 0, 50), (1, 40, 700), (1, 0, 100), (2, 90, 700), (1, 20, 300)]);
        assert_eq!(index.around(1, 0), Some(((0, 100), Some((20, 300)))));
        assert_eq!(index.around(1, 39), Some(((20, 300), Some((40, 700)))));
        assert_eq!(index.around(1, u64::MAX), Some(((40, 700), None)));
        assert_eq!((index.around(0, 5), index.around(3, 5)), (None, None));
        // Up to the one after the range.
        assert_eq!(index.places(0, 100), [50, 100, 300]);
        assert_eq!(index.places(101, 400), [300, 700]);
        assert_eq!(index.places(700, 700), [700]);
        assert_eq!(index.places(701, 900), [0_u64; 0]);
    }

    #[test]
    fn a_fragment_is_distinguished_from_its_letters_in_media_data() {
        let real = boxed(b"moof", &[full(b"mfhd", 0, &[1])]);
        let window = [b"xxmoofmfhd".to_vec(), full(b"moof", 0, &[1, 2, 3, 4]), real.clone(), real].concat();
        assert_eq!(find_moof(&window, 1000), Some(1000 + 10 + 28));
        assert_eq!(find_moof(&window[39..], 1039), Some(1000 + 10 + 28 + 24));
        assert_eq!(find_moof(&window[..53], 1000), None);
        assert_eq!(find_moof(b"moof", 0), None);
    }

    #[test]
    fn indexes_of_fixtures_list_their_fragments() {
        let offsets =
            |name| fixture_boxes(name, b"moof").into_iter().map(|(offset, _)| offset).collect::<Vec<_>>();
        let (at, sidx) = &fixture_boxes("h264_frag_sidx.mp4", b"sidx")[0];
        let index = parse_sidx(sidx, *at).unwrap();
        let named: Vec<u64> = index.entries.iter().map(|(_, offset)| *offset).collect();
        assert_eq!((named, index.timescale), (offsets("h264_frag_sidx.mp4"), 10_240));
        assert_eq!((index.entries[6].0, index.end.1), (63_488, 56_990));
        let mfra = index_at_end(&fixture_boxes("h264_frag_mfra.mp4", b"mfra")[0].1).unwrap();
        let named: Vec<u64> = mfra.iter().filter(|(id, ..)| *id == 1).map(|(_, _, offset)| *offset).collect();
        assert_eq!(named, offsets("h264_frag_mfra.mp4"));
        assert_eq!((mfra.len(), mfra[6].1), (14, 63_488));
    }
}

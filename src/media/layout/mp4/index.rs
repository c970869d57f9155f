//! The two indexes of movie fragments: `sidx` in front of them (ISO/IEC 14496-12, 8.16.3), and `mfra` at the end of the file
//! (8.8.9).

use super::boxes::{be16, be32, be64, content_of, contents, parse_header, versioned};

/// A `moof` of nothing but its `mfhd`, of 16 bytes.
const LEAST_MOOF_BYTES: u64 = 24;
/// A `moof` larger than this is none, when it is looked for in the middle of a file.
const MOST_MOOF_BYTES: u64 = 64 << 20;

/// An index of fragments by time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    /// The track whose times these are.
    pub(super) track_id: u32,
    /// Ticks in a second; not 0.
    pub(super) timescale: u32,
    pub(super) entries: Vec<IndexEntry>,
    /// Whether the first fragment follows on the index.
    pub(super) is_adjacent: bool,
    /// Where the last entry ends.
    pub(super) end_offset: u64,
    /// When the last entry ends, in ticks.
    pub(super) end: u64,
}

/// One fragment, or some in a row, with their media data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// In the file.
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Presentation time of the earliest frame, and length, in ticks.
    pub(super) start: u64,
    pub(super) duration: u32,
}

/// Reads a whole `sidx` box that begins at `offset`; `None` when it cannot be understood, or is an index of indexes.
///
/// Layout: version and flags, track, timescale, earliest time and first offset (of 32 bits each in version 0, of 64 in
/// version 1), 16 bits reserved, count in 16 bits; for each entry a bit that says whether it is an index, size in 31 bits,
/// duration, and 32 bits about random access. Offsets count from the end of the box.
pub(super) fn parse_sidx(sidx: &[u8], offset: u64) -> Option<SegmentIndex> {
    const IS_INDEX: u32 = 1 << 31;
    let content = content_of(sidx, b"sidx")?;
    let (track_id, timescale) = (be32(content, 4)?, be32(content, 8)?);
    let (start, first_offset) = (versioned(content, 12, 12)?, versioned(content, 16, 20)?);
    let table = match content.first()? {
        0 => content.get(22..)?,
        1 => content.get(30..)?,
        _ => return None,
    };
    let box_end = offset.checked_add(u64::try_from(sidx.len()).ok()?)?;
    let (mut place, mut time) = (box_end.checked_add(first_offset)?, start);
    let mut entries = Vec::new();
    let count = usize::from(be16(table, 0)?);
    for entry in table.get(2..)?.chunks_exact(12).take(count) {
        let (size, duration) = (be32(entry, 0)?, be32(entry, 4)?);
        if size & IS_INDEX != 0 {
            return None;
        }
        entries.push(IndexEntry { offset: place, size, start: time, duration });
        place = place.checked_add(size.into())?;
        time = time.checked_add(duration.into())?;
    }
    let is_whole = count > 0 && entries.len() == count && timescale.cast_signed() > 0;
    let is_adjacent = first_offset == 0;
    is_whole.then_some(SegmentIndex {
        track_id,
        timescale,
        entries,
        is_adjacent,
        end_offset: place,
        end: time,
    })
}

/// Reads the index of random access with which `tail`, the end of the file, ends: its last box says how long it is (ISO/IEC
/// 14496-12, 8.8.11).
pub(super) fn index_at_end(tail: &[u8]) -> Option<Vec<(u32, u64, u64)>> {
    let (_, end) = tail.split_last_chunk::<16>()?;
    let length = usize::try_from(be32(end, 12)?).ok()?;
    let mfra = tail.get(tail.len().checked_sub(length)?..)?;
    (end.get(4..8) == Some(b"mfro")).then(|| parse_mfra(mfra)).flatten()
}

/// Reads the entries of a whole `mfra` box: track, presentation time in its ticks, and where the `moof` with a keyframe for it
/// begins.
///
/// Layout of each `tfra` (ISO/IEC 14496-12, 8.8.10): version and flags, track, three lengths less one in the last six bits
/// of 32, count; for each entry time and offset (of 32 bits each in version 0, of 64 in version 1), and three numbers of
/// those lengths.
fn parse_mfra(mfra: &[u8]) -> Option<Vec<(u32, u64, u64)>> {
    let mut found = Vec::new();
    for (_, tfra) in contents(content_of(mfra, b"mfra")?).filter(|(kind, _)| kind == b"tfra") {
        let (track, lengths, count) = (be32(tfra, 4)?, be32(tfra, 8)?, be32(tfra, 12)?);
        let is_long = tfra.first() == Some(&1);
        let numbers = (lengths & 3).saturating_add(lengths >> 2 & 3).saturating_add(lengths >> 4 & 3);
        let width = usize::try_from(numbers).ok()?.saturating_add(if is_long { 19 } else { 11 });
        let entries = tfra.get(16..)?.chunks_exact(width).take(usize::try_from(count).ok()?);
        let place = |entry| {
            let number = |at: usize| be32(entry, at).map(u64::from);
            Some(if is_long { (be64(entry, 0)?, be64(entry, 8)?) } else { (number(0)?, number(4)?) })
        };
        found.extend(entries.filter_map(place).map(|(time, offset)| (track, time, offset)));
    }
    Some(found)
}

/// Finds where the first `moof` begins in the bytes of a file from `window_offset` on, which may begin in the middle of
/// something.
///
/// Media data hold the four letters by chance, but hardly a likely size in front of them and an `mfhd` of its one size
/// behind (ISO/IEC 14496-12, 8.8.5).
pub(super) fn find_moof(window: &[u8], window_offset: u64) -> Option<u64> {
    let is_moof = |bytes: &[u8]| {
        let header = parse_header(bytes).filter(|header| &header.kind == b"moof")?;
        let child = parse_header(bytes.get(usize::try_from(header.header_bytes).ok()?..)?)?;
        let is_likely = (LEAST_MOOF_BYTES..=MOST_MOOF_BYTES).contains(&header.size?);
        (is_likely && &child.kind == b"mfhd" && child.size == Some(16)).then_some(())
    };
    let names = window.windows(4).enumerate().filter(|(_, name)| name == b"moof");
    let mut starts = names.filter_map(|(at, _)| at.checked_sub(4));
    let start = starts.find(|&at| window.get(at..).and_then(is_moof).is_some())?;
    window_offset.checked_add(u64::try_from(start).ok()?)
}

//! The two indexes of movie fragments: `sidx` in front of them (ISO/IEC 14496-12, 8.16.3), and `mfra` at the end of the file
//! (8.8.9).

use super::boxes::{Fields, be32, content_of, contents, parse_header};

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
pub(super) fn parse_sidx(sidx: &[u8], offset: u64) -> Option<SegmentIndex> {
    const IS_INDEX: u32 = 1 << 31;
    let mut fields = Fields::new(content_of(sidx, b"sidx")?).filter(|fields| fields.version <= 1)?;
    let (track_id, timescale) = (fields.take()?, fields.take()?);
    let (mut time, first_offset) = (fields.take_wide()?, fields.take_wide()?);
    // Offsets count from the end of the box.
    let mut place = offset.checked_add(u64::try_from(sidx.len()).ok()?)?.checked_add(first_offset)?;
    let mut entries = Vec::new();
    // The other half is reserved.
    for _ in 0..fields.take()? & 0xffff {
        let (size, duration, _access) = (fields.take()?, fields.take()?, fields.take()?);
        entries.push(IndexEntry { offset: place, size, start: time, duration });
        place = place.checked_add(size.into())?;
        time = time.checked_add(duration.into())?;
    }
    let is_plain = entries.iter().all(|entry| entry.size & IS_INDEX == 0);
    let is_usable = is_plain && !entries.is_empty() && timescale.cast_signed() > 0;
    let (is_adjacent, end_offset, end) = (first_offset == 0, place, time);
    is_usable.then_some(SegmentIndex { track_id, timescale, entries, is_adjacent, end_offset, end })
}

/// Reads the index of random access with which `tail`, the end of the file, ends: its last box says how long it is (ISO/IEC
/// 14496-12, 8.8.11).
pub(super) fn index_at_end(tail: &[u8]) -> Option<Vec<(u32, u64, u64)>> {
    let (_, end) = tail.split_last_chunk::<16>()?;
    let length = usize::try_from(be32(end, 12)?).ok()?;
    let mfra = tail.get(tail.len().checked_sub(length)?..)?;
    (end.get(4..8) == Some(&b"mfro"[..])).then(|| parse_mfra(mfra)).flatten()
}

/// Reads the entries of a whole `mfra` box: track, presentation time in its ticks, and where the `moof` with a keyframe for it
/// begins. Each entry of a `tfra` (ISO/IEC 14496-12, 8.8.10) ends in three numbers, whose lengths less one are in the last six bits
/// of 32.
fn parse_mfra(mfra: &[u8]) -> Option<Vec<(u32, u64, u64)>> {
    let mut found = Vec::new();
    for (_, tfra) in contents(content_of(mfra, b"mfra")?).filter(|(kind, _)| kind == b"tfra") {
        let mut fields = Fields::new(tfra)?;
        let (track, lengths, count) = (fields.take()?, fields.take()?, fields.take()?);
        let numbers =
            [lengths & 3, lengths >> 2 & 3, lengths >> 4 & 3].into_iter().fold(3, u32::saturating_add);
        for _ in 0..count {
            found.push((track, fields.take_wide()?, fields.take_wide()?));
            fields.skip(usize::try_from(numbers).ok()?)?;
        }
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

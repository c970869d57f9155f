//! The end of a file of movie fragments: where its last fragments begin, which show how long the file is.

use std::collections::BTreeMap;

use super::index::{find_moof, index_at_end};
use crate::media::layout::boxes::parse_header;
use crate::media::layout::bytes::{Bytes, Pause};
use crate::source::ByteRange;

/// The part of the file that is looked at first, at least, and at most: as much as is requested first of a file of unknown size.
const PART_OF_FILE: u64 = 600;
const LEAST: u64 = 64 << 10;
const MOST: u64 = 512 << 10;
/// The last fragment is looked for no further back than this, or than twice the first fragment.
const MAX_TAIL: u64 = 16 << 20;
/// Bytes that are looked at in one step, while the rest is still on its way.
const STEP: u64 = 128 << 10;
/// A `moof` and its first child may lie across two steps.
const OVERLAP: u64 = 64;
/// Fragments that are followed from one found in the tail, and headers requested side by side because an index names them.
const MAX_LINKS: usize = 64;
const MAX_HEADERS: usize = 512;

/// The search for the last fragments.
#[derive(Debug, Default)]
pub(super) enum Tail {
    #[default]
    Unknown,
    /// Here is one, if it leads to the end.
    Named(u64),
    /// None begins in the bytes from `searched_from` on, nor in those between `from` and `at`.
    Searching { from: u64, at: u64, searched_from: u64 },
}

impl Tail {
    /// Looks at the end of the file once, and requests `beside` with it. Then requests the headers that an index of random access
    /// names: those of a track up to the time `wanted` and the last one. Without an index, requests what is in front of the end if
    /// no fragment begins there.
    pub(super) fn look(
        &mut self,
        seen: &dyn Bytes,
        (fragment_bytes, header_bytes): (u64, u64),
        wanted: Option<(u32, i64)>,
        beside: ByteRange,
    ) -> Result<(), Pause> {
        if !matches!(self, Self::Unknown) {
            return Ok(());
        }
        let size = seen.size();
        let length = size.checked_div(PART_OF_FILE).unwrap_or(0).clamp(LEAST, MOST).min(size);
        let start = size.saturating_sub(length);
        let tail = seen.bytes_beside(start, length, &[beside])?;
        if let Some(named) = index_at_end(tail) {
            let last: BTreeMap<u32, u64> = named.iter().map(|(id, _, offset)| (*id, *offset)).collect();
            let last_of_all = last.values().max().copied().ok_or(Pause::Unknown)?;
            // Tracks may have fragments of their own, which then lie near each other.
            let near = last_of_all.saturating_sub(fragment_bytes.saturating_mul(2));
            let first = last.values().copied().filter(|&offset| offset >= near).min().unwrap_or(last_of_all);
            *self = Self::Named(first);
            let (track, wanted) = wanted.unwrap_or((0, i64::MIN));
            let is_before = |time: u64| i64::try_from(time).is_ok_and(|time| time <= wanted);
            let before = named.iter().filter(|(id, time, _)| *id == track && is_before(*time));
            let headers = before.take(MAX_HEADERS).map(|(_, _, offset)| *offset).chain([first, last_of_all]);
            let header = |offset: u64| ByteRange::new(offset, offset.saturating_add(header_bytes));
            return Err(Pause::request(headers.map(header).collect()));
        }
        if let Some(moof) = find_moof(tail, start)
            && links(seen, moof)?.is_some()
        {
            *self = Self::Named(moof);
            return Ok(());
        }
        let guess = fragment_bytes.saturating_add(fragment_bytes >> 3).saturating_add(LEAST);
        let from = size.saturating_sub(guess).min(start.saturating_sub(LEAST));
        *self = Self::Searching { from, at: from, searched_from: start };
        // It begins in the first third of that, if it is like the first fragment.
        let likely = from.saturating_add(fragment_bytes >> 2).saturating_add(LEAST << 1);
        Err(Pause::request(vec![ByteRange::new(from, likely.min(start))]))
    }

    /// Returns the last fragments, in the order of the file.
    ///
    /// # Errors
    /// [`Pause::Unknown`] when they cannot be found.
    pub(super) fn finish(&mut self, seen: &dyn Bytes, fragment_bytes: u64) -> Result<Vec<u64>, Pause> {
        while let Self::Searching { from, at, searched_from } = *self {
            if at >= searched_from {
                let back = seen.size().saturating_sub(from);
                let back = back.saturating_add(back >> 1);
                if from == 0 || back > MAX_TAIL.max(fragment_bytes.saturating_mul(2)) {
                    return Err(Pause::Unknown);
                }
                let further = seen.size().saturating_sub(back);
                *self = Self::Searching { from: further, at: further, searched_from: from };
                continue;
            }
            let start = at.saturating_sub(OVERLAP).max(from);
            let end = at.saturating_add(STEP).min(searched_from);
            let soon = ByteRange::new(at, end.saturating_add(STEP).min(searched_from));
            let bytes = seen.bytes_beside(start, end.saturating_sub(start), &[soon])?;
            *self = match find_moof(bytes, start) {
                Some(moof) if links(seen, moof)?.is_some() => Self::Named(moof),
                _ => Self::Searching { from, at: end, searched_from },
            };
        }
        let Self::Named(last) = *self else { return Err(Pause::Unknown) };
        links(seen, last)?.ok_or(Pause::Unknown)
    }
}

/// Returns the fragments from the one at `offset` to the end of the file; `None` when the boxes do not lead there.
fn links(seen: &dyn Bytes, mut offset: u64) -> Result<Option<Vec<u64>>, Pause> {
    let mut found = Vec::new();
    while offset < seen.size() {
        let header = parse_header(seen.bytes(offset, 16)?).filter(|header| header.is_text());
        let Some(header) = header.filter(|_| found.len() < MAX_LINKS) else { return Ok(None) };
        if &header.kind == b"moof" {
            found.push(offset);
        }
        offset = offset.saturating_add(header.size.unwrap_or(u64::MAX));
    }
    Ok(Some(found))
}

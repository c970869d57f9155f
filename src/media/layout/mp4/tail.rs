//! The end of a file of movie fragments: where its last fragments begin, which show how long the file is.

use super::boxes::parse_header;
use super::index::{find_moof, index_at_end};
use crate::media::layout::bytes::{Bytes, Pause};
use crate::source::ByteRange;

/// The part of the file that is looked at first,
const PART_OF_FILE: u64 = 600;
/// at least this many bytes,
const LEAST: u64 = 64 << 10;
/// and at most this many, as many as are requested first of a file of unknown size.
const MOST: u64 = 512 << 10;
/// The last fragment is looked for no further back than this, or than twice the first fragment.
const MAX_TAIL: u64 = 16 << 20;
/// Bytes that are looked at in one step, while the rest is still on its way.
const STEP: u64 = 128 << 10;
/// A `moof` and its first child may lie across two steps.
const OVERLAP: u64 = 64;
/// Fragments that are followed from one found in the tail, and headers requested side by side because an index names them.
const MAX_LINKS: usize = 64;
/// A header of a fragment, before any has been seen.
pub(super) const FIRST_MOOF_BYTES: u64 = 16 << 10;

/// The search for the last fragments.
#[derive(Debug, Default)]
pub(super) enum Tail {
    #[default]
    Unknown,
    /// An index names this as the last fragment.
    Named(u64),
    /// No fragment begins in the bytes from `searched_from` on, nor in those between `from` and `at`.
    Searching { from: u64, at: u64, searched_from: u64 },
    /// One of the last fragments, and all behind it.
    Found(Vec<u64>),
}

impl Tail {
    /// Looks at the end of the file once, and returns what to request for the next steps: the headers that an index of random
    /// access names, those of the track up to the time `wanted` and the last one; or what is in front of the end when the last
    /// fragment does not begin there. `beside` is requested beside the end.
    pub(super) fn look(
        &mut self,
        seen: &dyn Bytes,
        fragment_bytes: u64,
        wanted: Option<(u32, i64)>,
        beside: ByteRange,
    ) -> Result<Vec<ByteRange>, Pause> {
        if !matches!(self, Self::Unknown) {
            return Ok(Vec::new());
        }
        let size = seen.size();
        let length = size.checked_div(PART_OF_FILE).unwrap_or(0).clamp(LEAST, MOST).min(size);
        let start = size.saturating_sub(length);
        let tail = seen.bytes_beside(start, length, &[beside])?;
        if let Some((last, headers)) = index_at_end(tail).and_then(|named| follow_index(&named, wanted)) {
            *self = Self::Named(last);
            return Ok(headers);
        }
        if let Some(moof) = find_moof(tail, start)
            && let Some(found) = links(seen, moof)?
        {
            *self = Self::Found(found);
            return Ok(Vec::new());
        }
        let guess = fragment_bytes.saturating_add(fragment_bytes >> 3).saturating_add(LEAST);
        let from = size.saturating_sub(guess).min(start.saturating_sub(LEAST));
        *self = Self::Searching { from, at: from, searched_from: start };
        // It begins in the first third of that, if it is like the first fragment.
        let likely = from.saturating_add(fragment_bytes >> 2).saturating_add(LEAST << 1);
        Ok(vec![ByteRange::new(from, likely.min(start))])
    }

    /// Returns the last fragments.
    ///
    /// # Errors
    /// [`Pause::Unknown`] when they cannot be found.
    pub(super) fn finish(&mut self, seen: &dyn Bytes, fragment_bytes: u64) -> Result<&[u64], Pause> {
        if let Self::Named(last) = *self {
            *self = Self::Found(links(seen, last)?.ok_or(Pause::Unknown)?);
        }
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
            let found = match find_moof(bytes, start) {
                Some(moof) => links(seen, moof)?,
                None => None,
            };
            *self = found.map_or(Self::Searching { from, at: end, searched_from }, Self::Found);
        }
        if let Self::Found(found) = self { Ok(found) } else { Err(Pause::Unknown) }
    }
}

/// Returns the last fragment that an index of random access names, and the headers to request because of it.
fn follow_index(named: &[(u32, u64, u64)], wanted: Option<(u32, i64)>) -> Option<(u64, Vec<ByteRange>)> {
    let header = |offset: u64| ByteRange::new(offset, offset.saturating_add(FIRST_MOOF_BYTES));
    let last = named.iter().map(|(_, _, offset)| *offset).max()?;
    let is_before = |id: u32, time: u64| {
        wanted.is_some_and(|(track, wanted)| id == track && time <= u64::try_from(wanted).unwrap_or(0))
    };
    let before = named.iter().filter(|(id, time, _)| is_before(*id, *time)).take(MAX_LINKS);
    let headers = before.map(|(_, _, offset)| *offset).chain([last]).map(header).collect();
    Some((last, headers))
}

/// Returns the fragments from the one at `offset` to the end of the file; `None` when the boxes do not lead there.
fn links(seen: &dyn Bytes, mut offset: u64) -> Result<Option<Vec<u64>>, Pause> {
    let mut found = Vec::new();
    while offset < seen.size() {
        let Some(header) = parse_header(seen.bytes(offset, 16)?) else { return Ok(None) };
        if !header.is_text() || found.len() >= MAX_LINKS {
            return Ok(None);
        }
        if &header.kind == b"moof" {
            found.push(offset);
        }
        offset = offset.saturating_add(header.size.unwrap_or(u64::MAX));
    }
    Ok(Some(found))
}

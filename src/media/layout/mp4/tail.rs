//! The end of a fragmented file: the starts of its last fragments, which show the duration of the file.

use std::collections::BTreeMap;

use super::index::{RandomAccess, find_moof, index_at_end};
use crate::media::layout::boxes::parse_header;
use crate::media::layout::planner::Pause;
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// The part of the file that is read first, with its minimum and maximum: the same as the first request for a file of unknown size.
const PART_OF_FILE: u64 = 600;
const LEAST: u64 = 64 << 10;
const MOST: u64 = 512 << 10;
/// Maximum distance from the end at which the last fragment is searched, or twice the size of the first fragment if that is more.
const MAX_TAIL: u64 = 16 << 20;
/// Number of bytes that are searched in one step, while the rest is still in flight.
const STEP: u64 = 128 << 10;
/// A `moof` and its first child may span two steps.
const OVERLAP: u64 = 64;
/// Maximum number of boxes that are followed from a fragment found in the tail.
const MAX_LINKS: usize = 128;
/// The work of following a box.
const LINK_WORK: u64 = 16;

/// The search for the last fragments.
#[derive(Debug, Default)]
pub(super) enum Tail {
    #[default]
    Unknown,
    /// An index or the search found a fragment here, if boxes lead from it to the end.
    Named(u64),
    /// No fragment begins in the bytes from `until`, nor in the bytes between `from` and `at`. A fragment may begin at `candidate`:
    /// until it is known whether boxes lead from there to the end, the bytes before `at` are not searched again.
    Searching { from: u64, at: u64, until: u64, candidate: Option<u64> },
}

impl Tail {
    /// Returns the last fragments, in the order of the file. The function reads the end of the file first, and requests `beside` in
    /// parallel. If the end contains a random access index, the function stores it in `named`, and requests the last headers in it.
    /// `fragment_bytes` and `header_bytes` are the approximate sizes of a fragment and its header.
    ///
    /// # Errors
    /// [`Pause::Unknown`] when the fragments cannot be found.
    pub(super) fn find(
        &mut self,
        seen: &Seen,
        (fragment_bytes, header_bytes): (u64, u64),
        beside: ByteRange,
        named: &mut RandomAccess,
    ) -> Result<Vec<u64>, Pause> {
        let size = seen.size();
        let length = size.checked_div(PART_OF_FILE).unwrap_or(0).clamp(LEAST, MOST).min(size);
        let start = size.saturating_sub(length);
        let searching = || Self::Searching { from: start, at: start, until: size, candidate: None };
        loop {
            *self = match *self {
                Self::Unknown => {
                    if let Some(found) = index_at_end(seen.bytes_beside(start, length, &[beside])?) {
                        *named = RandomAccess::new(found);
                        return Err(self.take_index(named, fragment_bytes, header_bytes));
                    }
                    searching()
                }
                Self::Named(last) => match links(seen, last)?.filter(|found| !found.is_empty()) {
                    Some(found) => return Ok(found),
                    // The index is not of this file.
                    None => searching(),
                },
                Self::Searching { from, at, until, candidate: Some(moof) } => match links(seen, moof)? {
                    Some(_) => Self::Named(moof),
                    None => Self::Searching { from, at, until, candidate: None },
                },
                Self::Searching { from, at, until, candidate: None } if at < until => {
                    // The whole end of the file is in memory.
                    let step = if until == size { MOST } else { STEP };
                    let end = at.saturating_add(step).min(until);
                    // The last fragment begins in the first quarter, if it is similar to the first fragment.
                    let quarter = from.saturating_add(fragment_bytes >> 2);
                    let likely = quarter.max(end).saturating_add(STEP).min(until);
                    let start = at.saturating_sub(OVERLAP).max(from);
                    let soon = ByteRange::new(at, likely);
                    let bytes = seen.bytes_beside(start, end.saturating_sub(start), &[soon])?;
                    seen.spend(bytes.len() as u64)?;
                    Self::Searching { from, at: end, until, candidate: find_moof(bytes, start) }
                }
                Self::Searching { from, until, .. } => {
                    let from_end = further_back(size.saturating_sub(from), until == size, fragment_bytes);
                    let further = from_end.filter(|_| from > 0).ok_or(Pause::Unknown)?;
                    let further = size.saturating_sub(further);
                    Self::Searching { from: further, at: further, until: from, candidate: None }
                }
            };
        }
    }

    /// Takes the entries of a random access index, and requests the last headers.
    fn take_index(&mut self, named: &RandomAccess, fragment_bytes: u64, header_bytes: u64) -> Pause {
        let last: BTreeMap<u32, u64> = named.entries.iter().map(|(id, _, offset)| (*id, *offset)).collect();
        let last_of_all = last.values().max().copied().unwrap_or(0);
        // Tracks may have separate fragments, which are close to each other.
        let near = last_of_all.saturating_sub(fragment_bytes.saturating_mul(2));
        let first = last.values().copied().filter(|&offset| offset >= near).min().unwrap_or(last_of_all);
        *self = Self::Named(first);
        let header = |at: u64| ByteRange::new(at, at.saturating_add(header_bytes));
        Pause::request(vec![header(first), header(last_of_all)])
    }
}

/// Returns the distance from the end to search next, when the last `back` bytes contained no fragment.
fn further_back(back: u64, is_first: bool, fragment_bytes: u64) -> Option<u64> {
    let further = back.saturating_add(back >> 1);
    let like_first = fragment_bytes.saturating_add(fragment_bytes >> 3).saturating_add(LEAST);
    if is_first {
        return Some(further.max(like_first));
    }
    Some(further).filter(|&further| further <= MAX_TAIL.max(fragment_bytes.saturating_mul(2)))
}

/// Returns the fragments from the one at `offset` to the end of the file, or `None` when the boxes do not lead there.
fn links(seen: &Seen, mut offset: u64) -> Result<Option<Vec<u64>>, Pause> {
    let mut found = Vec::new();
    for _ in 0..MAX_LINKS {
        seen.spend(LINK_WORK)?;
        if offset >= seen.size() {
            return Ok(Some(found));
        }
        let Some(header) = parse_header(seen.bytes(offset, 16)?).filter(|header| header.is_text()) else {
            break;
        };
        if &header.kind == b"moof" {
            found.push(offset);
        }
        offset = offset.saturating_add(header.size);
    }
    Ok(None)
}

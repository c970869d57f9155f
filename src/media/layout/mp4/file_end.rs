//! The end of a file of movie fragments: where its last ones begin, which tell how long it is.

use crate::media::input::{Fault, Input};
use crate::source::ByteRange;

use super::explore::{FIRST_MOOF_BYTES, MAX_LINKS};
use super::fragments::{find_moof, parse_mfra};
use super::track::Track;
use super::{be32, parse_header};

/// What is looked at of the end is this part of the file,
const PART_OF_FILE: u64 = 600;
/// at least so many bytes,
const LEAST: u64 = 64 << 10;
/// and at most so many, as many as are asked for at first of a file of unknown size.
const MOST: u64 = 512 << 10;
/// The last fragment is looked for no further back than this.
const MAX_TAIL: u64 = 16 << 20;
/// Bytes that are looked at in one step, while the rest is still on its way.
const STEP: usize = 128 << 10;

/// The search for the last fragments.
#[derive(Default)]
pub(super) struct EndSearch {
    /// One of them, and all behind it.
    found: Option<Vec<u64>>,
    /// Where the part of the file that was searched begins.
    searched_from: u64,
    /// Where the part that is on its way begins.
    coming_from: u64,
}

impl EndSearch {
    /// Looks at the end of the file, and asks for what is in front of it when the last fragment is not there.
    pub(super) fn begin(
        &mut self,
        input: &mut Input<'_>,
        fragment_bytes: u64,
        wanted: Option<(&Track<'_>, i64)>,
    ) -> Result<(), Fault> {
        let size = input.size();
        let length = (size / PART_OF_FILE).clamp(LEAST, MOST).min(size);
        let start = size - length;
        let tail = input.peek(start, usize::try_from(length).unwrap_or(usize::MAX))?;
        (self.searched_from, self.coming_from) = (start, start);
        if let Some(named) = index_at_end(&tail) {
            self.follow_index(input, &named, wanted);
        }
        if self.found.is_none()
            && let Some(at) = find_moof(&tail, start)
        {
            self.found = links(input, at)?;
        }
        if self.found.is_none() {
            let guess = fragment_bytes.saturating_add(fragment_bytes / 8 + LEAST);
            self.coming_from = size.saturating_sub(guess).min(start.saturating_sub(LEAST));
            // It begins in the first third of that, if it is like the first fragment.
            let likely = self.coming_from.saturating_add(fragment_bytes / 4 + 2 * LEAST).min(start);
            input.prefetch(&[ByteRange::new(self.coming_from, likely)]);
        }
        Ok(())
    }

    /// Asks for the headers that an index of random access names: those up to the wanted time, and the last one.
    fn follow_index(
        &mut self,
        input: &mut Input<'_>,
        named: &[(u32, u64, u64)],
        wanted: Option<(&Track<'_>, i64)>,
    ) {
        let Some(last) = named.iter().map(|(_, _, offset)| *offset).max() else { return };
        let header = |offset: u64| ByteRange::new(offset, offset.saturating_add(FIRST_MOOF_BYTES));
        let mut headers = vec![header(last)];
        if let Some((track, wanted)) = wanted {
            let wanted = u64::try_from(wanted).unwrap_or(0);
            let before = named.iter().filter(|(id, time, _)| *id == track.id && *time <= wanted);
            headers.extend(before.take(MAX_LINKS).map(|(_, _, offset)| header(*offset)));
        }
        input.prefetch(&headers);
        self.found = Some(vec![last]);
    }

    /// The last fragments; `None` when they cannot be found.
    pub(super) fn finish(mut self, input: &mut Input<'_>) -> Result<Option<Vec<u64>>, Fault> {
        let size = input.size();
        while self.found.is_none() {
            let from = self.coming_from;
            if from >= self.searched_from {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            while from + (bytes.len() as u64) < self.searched_from && self.found.is_none() {
                let at = from + bytes.len() as u64;
                let rest = usize::try_from(self.searched_from - at).unwrap_or(usize::MAX);
                input.prefetch(&[ByteRange::new(at, (at + STEP as u64 * 2).min(self.searched_from))]);
                let seen = bytes.len();
                bytes.extend(input.peek(at, STEP.min(rest))?);
                // A name may lie across two steps.
                let overlap = seen.saturating_sub(64);
                if let Some(at) = find_moof(&bytes[overlap..], from + overlap as u64) {
                    self.found = links(input, at)?;
                }
            }
            self.searched_from = from;
            let back = size - from + (size - from) / 2;
            if back > MAX_TAIL {
                break;
            }
            self.coming_from = size.saturating_sub(back);
        }
        Ok(self.found)
    }
}

/// The fragments from the one at `offset` to the end of the file; `None` when the boxes do not lead there.
fn links(input: &mut Input<'_>, mut offset: u64) -> Result<Option<Vec<u64>>, Fault> {
    let (size, mut found) = (input.size(), Vec::new());
    while offset < size {
        let Some(header) = parse_header(&input.peek(offset, 16)?) else { return Ok(None) };
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

/// The entries of an index of random access that ends with the file: its last box says how long it is
/// (ISO/IEC 14496-12, 8.8.11).
pub(super) fn index_at_end(tail: &[u8]) -> Option<Vec<(u32, u64, u64)>> {
    let end = tail.get(tail.len().checked_sub(16)?..)?;
    let length = usize::try_from(be32(end, 12)?).ok()?;
    let mfra = tail.get(tail.len().checked_sub(length)?..)?;
    (&end[4..8] == b"mfro" && mfra.get(4..8) == Some(b"mfra")).then(|| parse_mfra(mfra))
}

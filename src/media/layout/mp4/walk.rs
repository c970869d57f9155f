//! The walk over the boxes at the top level: finds the `moov`, and adds up the declarations of tables.

use std::sync::Arc;

use super::index::{SegmentIndex, parse_sidx};
use super::movie::Movie;
use crate::limits::Limits;
use crate::media::layout::boxes::parse_header;
use crate::media::layout::filter::{HeaderFilter, is_looked_into};
use crate::media::layout::planner::Pause;
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// Number of bytes read first: box headers, and the whole `moov` of most short files in streaming order.
const HEAD_BYTES: u64 = 16 << 10;
/// The largest `moov` (or box in its place) that is read. 64 MiB contain the tables of about 40 hours of video.
const MAX_MOOV_BYTES: u64 = 64 << 20;
/// Number of bytes within which a file must contain a box with a valid name. libavformat reads no further to detect
/// the format.
const PROBE_BYTES: u64 = 1 << 20;
/// Bytes requested after a `moov` at the start: the header of the next box, which libav reads.
const BEHIND_MOOV: u64 = 8 << 10;
/// Bytes requested at the position of a box: its header and, for a small box, its content.
const BOX_WINDOW: u64 = 4 << 10;
/// The work of a box, and the size of a segment index up to its entries.
const BOX_WORK: u64 = 16;
pub(super) const SIDX_BYTES: u64 = 48;
/// Maximum number of segment indexes before the fragments: one for each track.
const MAX_INDEXES: usize = 16;

/// The walk, and its results.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Start of the next box, and number of earlier boxes.
    pub(super) offset: u64,
    boxes: u64,
    pub(super) counter: HeaderFilter,
    /// Whether a box with a valid name was found.
    is_known: bool,
    seen_mdat: bool,
    pub(super) seen_moof: bool,
    /// Position of the first `moov`, and its content, if it is valid.
    pub(super) moov: Option<ByteRange>,
    pub(super) movie: Option<Arc<Movie>>,
    /// Whether the `moov` came before the first media data.
    pub(super) faststart: bool,
    /// Whether only fragments describe samples.
    pub(super) only_fragments: bool,
    /// In the order of the file.
    pub(super) indexes: Vec<SegmentIndex>,
}

impl Walk {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { counter: HeaderFilter::new(limits), ..Self::default() }
    }

    /// Walks to the end of the file, or to the first fragment where only fragments describe samples.
    pub(super) fn reach_fragments(&mut self, seen: &Seen) -> Result<(), Pause> {
        seen.bytes(0, HEAD_BYTES).map_err(Pause::kept)?;
        while self.pass(seen)? {}
        Ok(())
    }

    /// Passes over boxes in memory whose content is not needed.
    fn pass_over(&mut self, seen: &Seen) -> Result<(), Pause> {
        let Some(rest) = seen.rest_from(self.offset) else { return Ok(()) };
        let mut at = 0_usize;
        while let Some(header) = rest.get(at..).filter(|rest| rest.len() >= 16).and_then(parse_header) {
            let is_first_moov = &header.kind == b"moov" && self.moov.is_none();
            let is_fragment = &header.kind == b"moof";
            let is_empty = header.size == 8
                && !matches!(&header.kind, b"mdat" | b"sidx")
                && !(is_first_moov || (is_fragment && self.only_fragments));
            let end = usize::try_from(header.size).ok().and_then(|size| at.checked_add(size));
            // The header of the next box must also be in memory.
            let Some(end) = end.filter(|end| end.saturating_add(16) <= rest.len()) else { break };
            if !is_empty && !matches!(&header.kind, b"skip" | b"styp" | b"abst" | b"emsg" | b"prft") {
                break;
            }
            seen.spend(BOX_WORK)?;
            self.boxes = self.boxes.saturating_add(1);
            self.counter.check_boxes(self.boxes)?;
            self.is_known |= header.is_text();
            if is_fragment {
                self.seen_moof = true;
                self.counter.count_empty_fragment(self.offset.saturating_add(at as u64))?;
            }
            at = end;
        }
        self.offset = self.offset.saturating_add(at as u64);
        Ok(())
    }

    /// Reads one box. Returns `false` when no other box follows.
    fn pass(&mut self, seen: &Seen) -> Result<bool, Pause> {
        self.pass_over(seen)?;
        let (offset, size) = (self.offset, seen.size());
        let Some(header) = parse_header(self.header_bytes(seen)?) else { return Ok(false) };
        if self.only_fragments && &header.kind == b"moof" {
            return Ok(false);
        }
        seen.spend(BOX_WORK)?;
        self.counter.check_boxes(self.boxes)?;
        // A box that declares more bytes than exist ends with the file, as in libavformat.
        let bytes = header.size.min(size.saturating_sub(offset));
        if &header.kind == b"sidx" && self.indexes.len() < MAX_INDEXES && bytes <= MAX_MOOV_BYTES {
            self.indexes.extend(parse_sidx(seen.bytes(offset, bytes)?, offset));
        }
        if &header.kind == b"sidx" {
            self.counter.count_index(
                offset,
                seen.bytes(offset, SIDX_BYTES.min(bytes))?,
                header.header_bytes,
            )?;
        }
        self.counter.pass_over(header.kind, ByteRange::new(offset, offset.saturating_add(bytes)));
        let content = offset.saturating_add(header.header_bytes);
        if is_looked_into(header.kind, || seen.bytes(content, 8))? {
            self.look_into(seen, &header.kind == b"moov", bytes)?;
        }
        self.is_known |= header.is_text();
        self.boxes = self.boxes.saturating_add(1);
        self.offset = offset.saturating_add(bytes);
        self.seen_mdat |= &header.kind == b"mdat";
        self.seen_moof |= &header.kind == b"moof";
        Ok(self.is_known || self.offset <= PROBE_BYTES)
    }

    /// Returns the bytes of the next box's header, and requests the content that may be needed.
    fn header_bytes<'s>(&self, seen: &'s Seen) -> Result<&'s [u8], Pause> {
        let rest = ByteRange::new(self.offset, seen.size());
        // The moov nearly always follows media data. Earlier requests are then not needed.
        if self.seen_mdat && self.moov.is_none() && rest.len() <= MAX_MOOV_BYTES {
            return seen.bytes_beside(self.offset, 16, &[rest]).map_err(Pause::only);
        }
        let window = ByteRange::new(self.offset, self.offset.saturating_add(BOX_WINDOW));
        seen.bytes_beside(self.offset, 16, &[window])
    }

    /// Reads the content of the next box, which has this size.
    fn look_into(&mut self, seen: &Seen, is_moov: bool, bytes: u64) -> Result<(), Pause> {
        if bytes > MAX_MOOV_BYTES {
            return Err(self.counter.too_many_entries());
        }
        let (start, end) = (self.offset, self.offset.saturating_add(bytes));
        if !is_moov || self.moov.is_some() {
            return self.counter.count(start, seen.bytes(start, bytes)?, seen.work());
        }
        let behind = ByteRange::new(start, end.saturating_add(BEHIND_MOOV));
        let moov = seen.bytes_beside(start, bytes, &[behind]).map_err(Pause::kept)?;
        self.counter.count(start, moov, seen.work())?;
        (self.faststart, self.moov) = (!self.seen_mdat, Some(ByteRange::new(start, end)));
        self.movie = Movie::parse(moov).map(Arc::new);
        self.only_fragments = self.movie.as_ref().is_some_and(|movie| {
            movie.is_fragmented && movie.tracks.iter().all(|track| track.samples(moov).next().is_none())
        });
        Ok(())
    }
}

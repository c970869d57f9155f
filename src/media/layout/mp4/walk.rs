//! The walk over the boxes at the top level: it finds the `moov`, and adds up what tables declare.

use std::collections::BTreeSet;
use std::ops::Range;

use super::count::{EntryCounter, hides_moov};
use super::index::{SegmentIndex, parse_sidx};
use super::movie::Movie;
use crate::limits::Limits;
use crate::media::layout::boxes::parse_header;
use crate::media::layout::bytes::{Bytes, Pause};
use crate::source::ByteRange;

/// Bytes looked at first: box headers, and the whole `moov` of most short files in streaming order.
const HEAD_BYTES: u64 = 16 << 10;
/// The largest `moov` (or box in its place) that is looked into. 64 MiB are the tables of some 40 hours of video.
pub(super) const MAX_MOOV_BYTES: u64 = 64 << 20;
/// Boxes at the top level, at most. Fragmented files have two for each second or so.
const MAX_BOXES: u32 = 500_000;
/// Where a file must have shown a box with a name at the latest. libavformat looks no further to tell what a file is.
const PROBE_BYTES: u64 = 1 << 20;
/// Bytes requested behind a `moov` in front: the header of the box behind it, for which libav looks.
const BEHIND_MOOV: u64 = 8 << 10;
/// Bytes requested at the place of a box: its header and, of a small one, its content.
const BOX_WINDOW: u64 = 4 << 10;
/// Segment indexes in front of the fragments: one for each track, at most.
const MAX_INDEXES: usize = 16;

/// Boxes at the top level whose content libavformat looks into, in good files and in bad ones: it parses boxes wherever they lie.
const LOOKED_INTO: [&[u8; 4]; 23] = [
    b"moov", b"moof", b"trak", b"traf", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"meta", b"dinf",
    b"mvex", b"wave", b"sinf", b"schi", b"tref", b"gmhd", b"ilst", b"iprp", b"cmov", b"stsd", b"stsz",
    b"trun",
];

/// The walk, and what it found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Where the next box begins, and how many came before.
    pub(super) offset: u64,
    boxes: u32,
    counter: EntryCounter,
    /// Where the boxes begin that have been counted.
    counted: BTreeSet<u64>,
    limits: Limits,
    /// Whether a box with a name has come.
    is_known: bool,
    seen_mdat: bool,
    pub(super) seen_moof: bool,
    /// Where the first `moov` lies, and what it contains, if that can be understood.
    pub(super) moov: Option<Range<u64>>,
    pub(super) movie: Option<Movie>,
    /// Whether the `moov` came before the first media data.
    pub(super) faststart: bool,
    /// Whether samples are described in fragments only.
    pub(super) only_fragments: bool,
    /// In the order of the file.
    pub(super) indexes: Vec<SegmentIndex>,
}

impl Walk {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: *limits, ..Self::default() }
    }

    /// Walks to the end of the file, or to the first fragment where only fragments describe samples.
    pub(super) fn reach_fragments(&mut self, seen: &dyn Bytes) -> Result<(), Pause> {
        seen.bytes(0, HEAD_BYTES).map_err(Pause::kept)?;
        while self.pass(seen)? {}
        Ok(())
    }

    /// Looks at one box; `false` when no other follows.
    fn pass(&mut self, seen: &dyn Bytes) -> Result<bool, Pause> {
        let (offset, size) = (self.offset, seen.size());
        let Some(header) = parse_header(self.header_bytes(seen)?) else { return Ok(false) };
        if self.only_fragments && &header.kind == b"moof" {
            return Ok(false);
        }
        if self.boxes >= MAX_BOXES {
            return Err(self.too_many_entries());
        }
        // A box that claims more than there is ends with the file, as libavformat reads it.
        let bytes = header.size.unwrap_or(u64::MAX).min(size.saturating_sub(offset));
        if &header.kind == b"sidx" && self.indexes.len() < MAX_INDEXES && bytes <= MAX_MOOV_BYTES {
            self.indexes.extend(parse_sidx(seen.bytes(offset, bytes)?, offset));
        }
        let content = offset.saturating_add(header.header_bytes);
        let is_padding = matches!(&header.kind, b"free" | b"hoov");
        if LOOKED_INTO.contains(&&header.kind) || (is_padding && hides_moov(seen.bytes(content, 8)?)) {
            self.look_into(seen, &header.kind == b"moov", bytes)?;
        }
        self.is_known |= header.is_text();
        self.boxes = self.boxes.saturating_add(1);
        self.offset = offset.saturating_add(bytes);
        self.seen_mdat |= &header.kind == b"mdat";
        self.seen_moof |= &header.kind == b"moof";
        Ok(self.is_known || self.offset <= PROBE_BYTES)
    }

    /// Returns the bytes of the next box's header, and requests what may have to be looked into.
    fn header_bytes<'s>(&self, seen: &'s dyn Bytes) -> Result<&'s [u8], Pause> {
        let rest = ByteRange::new(self.offset, seen.size());
        // Behind media data comes the moov, nearly always. What was requested in front of it is not needed.
        if self.seen_mdat && self.moov.is_none() && rest.len() <= MAX_MOOV_BYTES {
            return seen.bytes_beside(self.offset, 16, &[rest]).map_err(Pause::only);
        }
        let window = ByteRange::new(self.offset, self.offset.saturating_add(BOX_WINDOW));
        seen.bytes_beside(self.offset, 16, &[window])
    }

    /// Looks into the next box, of this size.
    fn look_into(&mut self, seen: &dyn Bytes, is_moov: bool, bytes: u64) -> Result<(), Pause> {
        if bytes > MAX_MOOV_BYTES {
            return Err(self.too_many_entries());
        }
        let (start, end) = (self.offset, self.offset.saturating_add(bytes));
        if !is_moov || self.moov.is_some() {
            return self.count(start, seen.bytes(start, bytes)?);
        }
        let behind = ByteRange::new(start, end.saturating_add(BEHIND_MOOV));
        let moov = seen.bytes_beside(start, bytes, &[behind]).map_err(Pause::kept)?;
        self.count(start, moov)?;
        (self.faststart, self.moov, self.movie) = (!self.seen_mdat, Some(start..end), Movie::parse(moov));
        self.only_fragments = self.movie.as_ref().is_some_and(|movie| {
            movie.is_fragmented && movie.tracks.iter().all(|track| track.samples(moov).next().is_none())
        });
        Ok(())
    }

    /// Adds up what the box at `offset` declares, once, and refuses what is too much.
    pub(super) fn count(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Pause> {
        if self.counted.insert(offset) {
            self.counter.walk(bytes, 0, false);
        }
        let allowed = u64::from(self.limits.max_streams);
        if self.counter.entries > self.limits.max_index_entries {
            return Err(self.too_many_entries());
        }
        let is_allowed = self.counter.tracks <= allowed;
        if is_allowed { Ok(()) } else { Err(Pause::Limit { limit: "max_streams", allowed }) }
    }

    const fn too_many_entries(&self) -> Pause {
        Pause::Limit { limit: "max_index_entries", allowed: self.limits.max_index_entries }
    }
}

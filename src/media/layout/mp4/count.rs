//! What tables declare, added up before libav allocates for it. Tables cost libav memory by what they declare, not by what the file
//! holds: an 8 KB file with 16 tracks of 5 million constant-size samples took 2.9 GB and 5 s inside libav.

use std::collections::BTreeSet;
use std::io::Read as _;

use crate::limits::{Limit, Limits};
use crate::media::layout::boxes::{be32, contents};
use crate::media::layout::planner::Pause;

/// How deep boxes may lie in each other; the sample tables are at depth 5. libavformat gives up at depth 10.
const MAX_DEPTH: u32 = 12;
/// Bytes that the compressed parts of all boxes may hold and unpack to, together.
const MAX_PACKED_BYTES: u64 = 64 << 20;
/// Bytes that are looked at, at most, where a box counts as some. What is more counts as too many entries.
const MAX_WORK: u64 = 256 << 20;
const BOX_WORK: u64 = 16;

/// Boxes in which libavformat looks for boxes.
const PARENTS: [&[u8; 4]; 19] = [
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta", b"ilst", b"wave", b"sinf",
    b"schi", b"tref", b"gmhd", b"iprp", b"mvex", b"moof", b"traf", b"cmov",
];
/// Other boxes that libavformat looks into at the top level of good files and of bad ones.
const OTHERS: [&[u8; 4]; 4] = [b"meta", b"stsd", b"stsz", b"trun"];

/// Adds up what tables declare, walking boxes as libavformat does: wherever they lie, not only where the specification puts
/// them. The contents of a sample description are not walked, but searched for the names of tables.
#[derive(Debug, Default, Clone)]
pub(super) struct EntryCounter {
    limits: Limits,
    /// Where the boxes at the top level begin that have been counted.
    counted: BTreeSet<u64>,
    /// Entries of all tables. More than a file can hold when there was too much to look at.
    entries: u64,
    tracks: u64,
    /// Bytes looked at, and those of compressed parts.
    work: u64,
    packed: u64,
}

impl EntryCounter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: *limits, ..Self::default() }
    }

    /// Adds up what the box at `offset` declares, once, and refuses what is too much.
    pub(super) fn count(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Pause> {
        if self.counted.insert(offset) {
            self.walk(bytes, 0, false);
        }
        let allowed = u64::from(self.limits.max_streams);
        if self.entries > self.limits.max_index_entries {
            return Err(self.too_many_entries());
        }
        let is_allowed = self.tracks <= allowed;
        if is_allowed { Ok(()) } else { Err(Pause::Limit { limit: Limit::MaxStreams, allowed }) }
    }

    pub(super) const fn too_many_entries(&self) -> Pause {
        Pause::Limit { limit: Limit::MaxIndexEntries, allowed: self.limits.max_index_entries }
    }

    /// Adds some work; `false` when that is too much.
    const fn work(&mut self, bytes: u64) -> bool {
        self.work = self.work.saturating_add(bytes);
        if self.work > MAX_WORK {
            self.entries = u64::MAX;
        }
        self.work <= MAX_WORK
    }

    /// Adds up what the boxes in `bytes` declare, which lie in `depth` others, and in a track of sound or not.
    fn walk(&mut self, bytes: &[u8], depth: u32, in_sound: bool) {
        let mut level = Level::default();
        for (kind, content) in contents(bytes) {
            if depth > MAX_DEPTH || !self.work(BOX_WORK) {
                return;
            }
            level.add(kind, content);
        }
        let is_sound = in_sound || level.is_sound == Some(true);
        // Uncompressed sound is declared sample by sample, 44 100 a second and each one tick long, but libavformat keeps one
        // entry for each block of it.
        let is_blocks = is_sound && level.is_single == Some(true);
        let samples = if is_blocks { 0 } else { level.samples };
        self.entries = self.entries.saturating_add(level.others).saturating_add(samples);
        for (kind, content) in contents(bytes) {
            self.enter(kind, content, depth.saturating_add(1), is_sound);
        }
    }

    /// Walks what a box contains, if it can contain tables.
    fn enter(&mut self, kind: [u8; 4], content: &[u8], depth: u32, in_sound: bool) {
        match &kind {
            kind if PARENTS.contains(&kind) => {
                self.tracks = self.tracks.saturating_add((kind == b"trak").into());
                self.walk(content, depth, in_sound);
            }
            b"free" | b"hoov" if hides_moov(content) => self.walk(content, depth, in_sound),
            // Boxes follow a header of four bytes or of none; libavformat starts at the one named hdlr.
            b"meta" if self.work(content.len() as u64) => {
                let start = content.windows(4).position(|name| name == b"hdlr");
                let start = start.and_then(|at| content.get(at.checked_sub(4)?..));
                self.walk(start.unwrap_or_default(), depth, in_sound);
            }
            b"stsd" => self.scan(content, depth),
            b"cmvd" => self.unpack_and_walk(content, depth),
            _ => {}
        }
    }

    /// Takes every four bytes that name a table for one. Right for little content without random bytes only: in much of it,
    /// names turn up by chance.
    fn scan(&mut self, mut bytes: &[u8], depth: u32) {
        let mut level = Level::default();
        while let Some((name, content)) = bytes.split_first_chunk::<4>().filter(|_| self.work(1)) {
            level.add(*name, content);
            self.tracks = self.tracks.saturating_add((name == b"trak").into());
            if name == b"cmvd" {
                self.unpack_and_walk(content, depth);
            }
            bytes = bytes.get(1..).unwrap_or_default();
        }
        self.entries = self.entries.saturating_add(level.others).saturating_add(level.samples);
    }

    /// Unpacks QuickTime's compressed movie, a zlib stream behind its unpacked size, and walks it.
    fn unpack_and_walk(&mut self, cmvd: &[u8], depth: u32) {
        let mut bytes = Vec::new();
        let packed = cmvd.get(4..).unwrap_or_default();
        let mut unpacker =
            flate2::read::ZlibDecoder::new(packed).take(MAX_PACKED_BYTES.saturating_sub(self.packed));
        // An error part-way leaves what came before it: that is all libav will see too.
        let _ = unpacker.read_to_end(&mut bytes);
        let cost = unpacker.into_inner().total_in().saturating_add(bytes.len() as u64);
        self.packed = self.packed.saturating_add(cost);
        if self.packed >= MAX_PACKED_BYTES {
            self.entries = u64::MAX;
        } else {
            self.walk(&bytes, depth.saturating_add(1), false);
        }
    }
}

/// What the tables on one level declare.
#[derive(Default)]
struct Level {
    /// Entries of `stsz`, one for each sample, and of the other tables.
    samples: u64,
    others: u64,
    /// Whether all `stts` boxes give every sample one tick, and all `hdlr` boxes are of sound.
    is_single: Option<bool>,
    is_sound: Option<bool>,
}

impl Level {
    fn add(&mut self, kind: [u8; 4], content: &[u8]) {
        // A full box has version and flags in four bytes, then the count; stsz has the common sample size in between.
        let count = |at: usize| be32(content, at).map_or(0, u64::from);
        match &kind {
            b"stsz" | b"stz2" => self.samples = self.samples.saturating_add(count(8)),
            b"stts" | b"ctts" | b"stsc" | b"stco" | b"co64" | b"stss" | b"stps" | b"elst" | b"trun" => {
                self.others = self.others.saturating_add(count(4));
                if &kind == b"stts" {
                    let is_single = count(4) == 1 && count(12) == 1;
                    self.is_single = Some(is_single && self.is_single != Some(false));
                }
            }
            b"hdlr" => {
                let is_sound = content.get(8..12) == Some(b"soun");
                self.is_sound = Some(is_sound && self.is_sound != Some(false));
            }
            _ => {}
        }
    }
}

/// Whether libavformat looks into a box with this name at the top level. Padding counts when it hides a `moov`, which its first
/// bytes tell: `start` reads them.
pub(super) fn is_looked_into<'b>(
    kind: [u8; 4],
    start: impl FnOnce() -> Result<&'b [u8], Pause>,
) -> Result<bool, Pause> {
    let is_padding = matches!(&kind, b"free" | b"hoov");
    Ok(PARENTS.contains(&&kind) || OTHERS.contains(&&kind) || (is_padding && hides_moov(start()?)))
}

/// Whether padding is a `moov` that somebody crossed out: libavformat reads it all the same.
fn hides_moov(content: &[u8]) -> bool {
    matches!(content.get(4..8), Some(b"mvhd" | b"cmov"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::super::test_tables::*;
    use super::*;

    fn counted(bytes: &[u8]) -> (u64, u64) {
        let mut counter = EntryCounter::default();
        counter.walk(bytes, 0, false);
        (counter.entries, counter.tracks)
    }

    #[test]
    fn entries_are_added_up_wherever_they_lie() {
        let tables =
            [table(b"stts", 2, &[3, 1]), full(b"stsz", 0, &[1, 7]), table(b"stco", 1, &[1, 2, 3])].concat();
        let nested = [b"stbl", b"minf", b"mdia", b"trak", b"moov"]
            .into_iter()
            .fold(tables.clone(), |content, kind| boxed(kind, &[content]));
        assert_eq!(counted(&nested), (11, 1));
        assert_eq!(counted(&tables), (11, 0));
        let hidden = boxed(b"free", &[full(b"mvhd", 0, &[0]), nested.clone()]);
        assert_eq!(counted(&hidden), (11, 1));
        assert_eq!(counted(&boxed(b"free", std::slice::from_ref(&nested))), (0, 0));
        // With a header of four bytes, and without one.
        let named = [full(b"hdlr", 0, &[0; 5]), nested].concat();
        assert_eq!(counted(&boxed(b"meta", &[vec![0; 4], named.clone()])), (11, 1));
        assert_eq!(counted(&boxed(b"meta", &[named])), (11, 1));
    }

    #[test]
    fn names_in_sample_descriptions_cost_no_more_than_their_length() {
        // Each name used to be followed by a search of the rest.
        let started = std::time::Instant::now();
        for name in [b"meta", b"stsd", b"cmvd", b"hdlr"] {
            counted(&boxed(b"stsd", &[name.repeat(1 << 18)]));
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_too_much_to_look_at_counts_as_too_many_entries() {
        let mut counter = EntryCounter::default();
        let empty = boxed(b"skip", &[]).repeat(1 << 20);
        for _ in 0..MAX_WORK / (BOX_WORK << 20) {
            counter.walk(&empty, 0, false);
        }
        assert_eq!(counter.entries, 0);
        counter.walk(&empty, 0, false);
        assert_eq!(counter.entries, u64::MAX);
    }

    #[test]
    fn compressed_movies_are_counted_as_far_as_they_are_unpacked() {
        use std::io::Write as _;
        let pack = |bytes: &[u8]| {
            let mut packer = flate2::write::ZlibEncoder::new(vec![0; 4], flate2::Compression::fast());
            packer.write_all(bytes).unwrap();
            boxed(b"moov", &[boxed(b"cmov", &[boxed(b"cmvd", &[packer.finish().unwrap()])])])
        };
        assert_eq!(counted(&pack(&table(b"stco", 1, &[1, 2, 3]))), (3, 0));
        // What would be hidden behind the part that is unpacked is refused.
        let large = pack(&vec![0; usize::try_from(MAX_PACKED_BYTES).unwrap()]);
        assert_eq!(counted(&large).0, u64::MAX);
    }
}

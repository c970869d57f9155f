//! What tables declare, added up before libav allocates for it.

use std::io::Read as _;

use super::boxes::{be32, for_each_box};

/// How deep boxes may lie in each other; the sample tables are at depth 5.
const MAX_DEPTH: usize = 12;
/// What the compressed parts of all `moov` boxes may unpack to together.
const MAX_UNPACKED_MOOV_BYTES: u64 = 64 << 20;

/// Adds up what tables declare, walking boxes as libavformat does: wherever they lie, not only where the specification puts
/// them. The contents of a sample description are not walked, but looked through for the names of tables.
#[derive(Debug)]
pub(super) struct EntryCounter {
    pub(super) entries: u64,
    pub(super) tracks: u64,
    /// Bytes that may still be unpacked.
    unpack_budget: u64,
}

impl Default for EntryCounter {
    fn default() -> Self {
        Self { entries: 0, tracks: 0, unpack_budget: MAX_UNPACKED_MOOV_BYTES }
    }
}

impl EntryCounter {
    pub(super) fn count(&mut self, bytes: &[u8]) {
        self.walk(bytes, 0, false);
    }

    fn walk(&mut self, bytes: &[u8], depth: usize, in_sound: bool) {
        // libavformat gives up at depth 10.
        if depth > MAX_DEPTH {
            return;
        }
        let mut level = Level::default();
        for_each_box(bytes, &mut |kind, content| level.add(kind, content));
        let is_sound = in_sound || (level.sound_handlers > 0 && level.other_handlers == 0);
        // Uncompressed sound is declared sample by sample, 44 100 a second and each one tick long, but libavformat keeps one
        // entry for each block of it.
        let is_blocks = is_sound && level.single_ticks > 0 && level.other_times == 0;
        let samples = if is_blocks { 0 } else { level.sample_sizes };
        self.tracks += level.tracks;
        self.entries = self.entries.saturating_add(level.others).saturating_add(samples);
        for content in level.inner {
            self.walk(content, depth + 1, is_sound);
        }
        for content in level.opaque {
            self.scan(content, depth);
        }
        for content in level.packed {
            self.unpack_and_walk(content, depth);
        }
    }

    fn unpack_and_walk(&mut self, packed: &[u8], depth: usize) {
        let content = unpack(packed, self.unpack_budget);
        self.unpack_budget -= content.len() as u64;
        self.walk(&content, depth + 1, false);
    }

    /// Takes every four bytes that name a table for one. Right for little content without random bytes only: in much of it,
    /// names turn up by chance.
    fn scan(&mut self, bytes: &[u8], depth: usize) {
        for (at, name) in bytes.windows(4).enumerate() {
            let mut level = Level::default();
            if let (Ok(kind), Some(content)) = (name.try_into(), bytes.get(at + 4..)) {
                level.add(kind, content);
            }
            self.tracks += level.tracks;
            self.entries = self.entries.saturating_add(level.others).saturating_add(level.sample_sizes);
            for content in level.packed {
                self.unpack_and_walk(content, depth);
            }
        }
    }
}

/// What the boxes on one level say.
#[derive(Default)]
struct Level<'b> {
    /// Boxes of boxes.
    inner: Vec<&'b [u8]>,
    /// Boxes with boxes somewhere in them.
    opaque: Vec<&'b [u8]>,
    /// Boxes in a zlib stream.
    packed: Vec<&'b [u8]>,
    tracks: u64,
    /// Entries of `stsz`, one for each sample.
    sample_sizes: u64,
    /// Entries of the other tables.
    others: u64,
    /// `stts` boxes that give every sample one tick, and others.
    single_ticks: u32,
    other_times: u32,
    /// `hdlr` boxes that say sound, and others.
    sound_handlers: u32,
    other_handlers: u32,
}

impl<'b> Level<'b> {
    fn add(&mut self, kind: &[u8; 4], content: &'b [u8]) {
        // FullBox: version and flags in four bytes, then the count; stsz has the common sample size in between.
        let count = |at: usize| be32(content, at).map_or(0, u64::from);
        match kind {
            b"moov" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"dinf" | b"udta" | b"ilst" | b"wave"
            | b"sinf" | b"schi" | b"tref" | b"gmhd" | b"iprp" | b"mvex" | b"moof" | b"traf" | b"cmov" => {
                self.inner.push(content);
            }
            b"trak" => {
                self.tracks += 1;
                self.inner.push(content);
            }
            b"free" | b"hoov" if hides_moov(content) => self.inner.push(content),
            // Boxes follow a header of four bytes or of none; libavformat starts at the one named hdlr.
            b"meta" => self.inner.extend(
                content
                    .windows(4)
                    .position(|name| name == b"hdlr")
                    .and_then(|at| content.get(at.checked_sub(4)?..)),
            ),
            b"stsd" => self.opaque.push(content),
            // QuickTime's compressed movie: the stream follows its unpacked size.
            b"cmvd" => self.packed.extend(content.get(4..)),
            b"stsz" | b"stz2" => self.sample_sizes += count(8),
            b"stts" => {
                self.others += count(4);
                if count(4) == 1 && count(12) == 1 { self.single_ticks += 1 } else { self.other_times += 1 }
            }
            b"ctts" | b"stsc" | b"stco" | b"co64" | b"stss" | b"stps" | b"elst" | b"trun" => {
                self.others += count(4);
            }
            b"hdlr" if content.get(8..12) == Some(b"soun") => self.sound_handlers += 1,
            b"hdlr" => self.other_handlers += 1,
            _ => {}
        }
    }
}

/// Whether padding is a `moov` that somebody crossed out: libavformat reads it all the same.
pub(super) fn hides_moov(content: &[u8]) -> bool {
    matches!(content.get(4..8), Some(b"mvhd" | b"cmov"))
}

/// Unpacks a zlib stream as far as it goes, up to `budget` bytes.
fn unpack(packed: &[u8], budget: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error part-way leaves what came before it: that is all libav will see too.
    let _ = flate2::read::ZlibDecoder::new(packed).take(budget).read_to_end(&mut bytes);
    bytes
}

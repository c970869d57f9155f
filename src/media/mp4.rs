//! The layout of MP4 and MOV files, looked at before libav sees them (ISO/IEC 14496-12).
//!
//! The box headers say where the `moov` is; it is read once, into memory, and libav gets it from there. On the way the
//! samples that its tables declare are added up: the tables cost libav memory by what they declare, not by what the file
//! holds. An 8 KB file with 16 tracks of 5 million constant-size samples took 2.9 GB and 5 s inside libav; here it is
//! refused. Movie fragments are counted likewise.

use std::io::Read as _;

use crate::limits::Limits;
use crate::media::info::Mp4Layout;
use crate::media::input::{Fault, Input};

/// What the first read fetches: box headers, and the whole `moov` of most short files in streaming order.
const HEAD_BYTES: usize = 16 << 10;
/// The largest `moov` (or box in its place) that is looked into. 64 MiB are the tables of some 40 hours of video.
const MAX_MOOV_BYTES: u64 = 64 << 20;
/// Boxes at the top level, at most. Fragmented files have two for each second or so.
const MAX_TOP_LEVEL_BOXES: u32 = 500_000;
/// Where a file must have shown a box with a name at the latest. libavformat looks no further to tell what a file is.
const PROBE_BYTES: u64 = 1 << 20;
/// Bytes of boxes kept for libav to find in memory; beyond that they are looked at and read again.
const MAX_PINNED_BYTES: u64 = 80 << 20;
/// How deep boxes may lie in each other; the sample tables are at depth 5.
const MAX_DEPTH: usize = 12;
/// What the compressed parts of all `moov` boxes may unpack to together.
const MAX_UNPACKED_MOOV_BYTES: u64 = 64 << 20;

/// Boxes at the top level whose content libavformat looks into, in good files and in bad ones: it parses boxes wherever
/// they lie. Media data, padding, file types, segment indexes and whatever it does not know it passes over.
const LOOKED_INTO: [&[u8; 4]; 23] = [
    b"moov", b"moof", b"trak", b"traf", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"meta", b"dinf",
    b"mvex", b"wave", b"sinf", b"schi", b"tref", b"gmhd", b"ilst", b"iprp", b"cmov", b"stsd", b"stsz",
    b"trun",
];

struct BoxHeader {
    kind: [u8; 4],
    header_bytes: u64,
    /// Of the whole box; `None` means to the end of the file.
    size: Option<u64>,
}

impl BoxHeader {
    /// Whether the name is text, as those of all known boxes are, and as the same bytes hardly ever are in other files.
    fn is_text(&self) -> bool {
        self.kind.iter().all(|&byte| matches!(byte, b' '..=b'~' | 0xa9))
    }
}

/// ISO/IEC 14496-12, 4.2: 32-bit size and type; size 1 means that a 64-bit size follows, size 0 that it goes to the end.
fn parse_header(bytes: &[u8]) -> Option<BoxHeader> {
    let size32 = be32(bytes, 0)?;
    let kind = bytes.get(4..8)?.try_into().ok()?;
    let (header_bytes, size) = match size32 {
        0 => (8, None),
        1 => (16, Some(u64::from(be32(bytes, 8)?) << 32 | u64::from(be32(bytes, 12)?))),
        size => (8, Some(u64::from(size))),
    };
    // A box smaller than its own header cannot be skipped.
    (size.is_none_or(|size| size >= header_bytes)).then_some(BoxHeader { kind, header_bytes, size })
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Finds the `moov`, pins it in `input`, and adds up what the tables declare.
///
/// `Ok(None)` when the file is of another family, or holds no `moov`. A damaged file is not refused here: libav has the
/// last word on what it can make of it.
///
/// # Errors
/// What reading gives, and the limits `max_index_entries` and `max_streams`.
pub(crate) fn look(input: &mut Input<'_>, limits: &Limits) -> Result<Option<Mp4Layout>, Fault> {
    input.pin(0, HEAD_BYTES)?;
    let mut counter = EntryCounter { unpack_budget: MAX_UNPACKED_MOOV_BYTES, ..EntryCounter::default() };
    let mut found: Option<Mp4Layout> = None;
    let (mut fragmented, mut seen_mdat, mut is_known) = (false, false, false);
    let (mut offset, mut boxes, size) = (0_u64, 0, input.size());
    while offset < size {
        let Some(header) = parse_header(&input.peek(offset, 16)?) else { break };
        is_known |= header.is_text();
        boxes += 1;
        if boxes > MAX_TOP_LEVEL_BOXES {
            return Err(exceeded(input, "max_index_entries", limits.max_index_entries));
        }
        // A box that claims more than there is ends with the file, as libavformat reads it.
        let box_bytes = header.size.unwrap_or(u64::MAX).min(size - offset);
        seen_mdat |= &header.kind == b"mdat";
        fragmented |= &header.kind == b"moof";
        let is_crossed_out = matches!(&header.kind, b"free" | b"hoov")
            && hides_moov(&input.peek(offset + header.header_bytes, 8)?);
        if is_crossed_out || LOOKED_INTO.contains(&&header.kind) {
            if box_bytes > MAX_MOOV_BYTES {
                return Err(exceeded(input, "max_index_entries", limits.max_index_entries));
            }
            let length = usize::try_from(box_bytes).unwrap_or(usize::MAX);
            let kept;
            let bytes = if input.pinned_bytes() + box_bytes <= MAX_PINNED_BYTES {
                input.pin(offset, length)?
            } else {
                kept = input.peek(offset, length)?;
                &kept
            };
            counter.count(bytes);
            if &header.kind == b"moov" && found.is_none() {
                fragmented |= contains_box(bytes, b"mvex");
                let layout = Mp4Layout {
                    moov_offset: offset,
                    moov_bytes: box_bytes,
                    faststart: !seen_mdat,
                    fragmented,
                };
                found = Some(layout);
            }
            if counter.entries > limits.max_index_entries {
                return Err(exceeded(input, "max_index_entries", limits.max_index_entries));
            }
            if counter.tracks > u64::from(limits.max_streams) {
                return Err(exceeded(input, "max_streams", limits.max_streams.into()));
            }
        }
        offset += box_bytes;
        if !is_known && offset > PROBE_BYTES {
            break;
        }
    }
    Ok(found.map(|layout| Mp4Layout { fragmented, ..layout }))
}

fn exceeded(input: &mut Input<'_>, limit: &'static str, allowed: u64) -> Fault {
    input.fail(Fault::Limit { limit, allowed })
}

/// Whether a `moov` has a child of this kind.
fn contains_box(moov: &[u8], kind: &[u8; 4]) -> bool {
    let mut found = false;
    for_each_box(moov.get(8..).unwrap_or_default(), &mut |child, _| found |= child == kind);
    found
}

/// Calls `visit` with kind and content of each box in `bytes`; a box that claims more than there is ends the walk, its
/// content cut short.
fn for_each_box<'b>(mut bytes: &'b [u8], visit: &mut dyn FnMut(&[u8; 4], &'b [u8])) {
    while let Some(header) = parse_header(bytes) {
        let all = bytes.len() as u64;
        let end = usize::try_from(header.size.unwrap_or(all).min(all)).unwrap_or(bytes.len());
        let start = usize::try_from(header.header_bytes).unwrap_or(bytes.len()).min(end);
        visit(&header.kind, &bytes[start..end]);
        bytes = &bytes[end..];
    }
}

/// Adds up what tables declare, walking boxes as libavformat does: wherever they lie, not only where the specification puts
/// them. The contents of a sample description are not walked, but looked through for the names of tables.
#[derive(Default)]
struct EntryCounter {
    entries: u64,
    tracks: u64,
    /// Bytes that may still be unpacked.
    unpack_budget: u64,
}

impl EntryCounter {
    fn count(&mut self, bytes: &[u8]) {
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
fn hides_moov(content: &[u8]) -> bool {
    matches!(content.get(4..8), Some(b"mvhd" | b"cmov"))
}

/// Unpacks a zlib stream as far as it goes, up to `budget` bytes.
fn unpack(packed: &[u8], budget: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An error part-way leaves what came before it: that is all libav will see too.
    let _ = flate2::read::ZlibDecoder::new(packed).take(budget).read_to_end(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::media::input::Deadline;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, content].concat()
    }

    fn look_at(bytes: Vec<u8>) -> Result<Option<Mp4Layout>, Fault> {
        let limits = Limits::default();
        let deadline = Deadline::new(limits.max_time, None);
        look(&mut Input::new(Box::new(Cursor::new(bytes)), &limits, deadline).unwrap(), &limits)
    }

    fn track(samples: u32) -> Vec<u8> {
        let stsz = boxed(b"stsz", &[[0; 4], 1_u32.to_be_bytes(), samples.to_be_bytes()].concat());
        [b"stbl", b"minf", b"mdia", b"trak"].into_iter().fold(stsz, |content, kind| boxed(kind, &content))
    }

    #[test]
    fn finds_the_moov_in_front_and_behind() {
        let (ftyp, moov, mdat) =
            (boxed(b"ftyp", b"isom"), boxed(b"moov", &track(3)), boxed(b"mdat", &[0; 100_000]));
        let front = look_at([&ftyp[..], &moov, &mdat].concat()).unwrap().unwrap();
        assert_eq!((front.moov_offset, front.faststart, front.fragmented), (12, true, false));
        let behind = look_at([&ftyp[..], &mdat, &moov].concat()).unwrap().unwrap();
        assert_eq!((behind.moov_offset, behind.faststart), (100_020, false));
        assert_eq!(behind.moov_bytes, moov.len() as u64);
    }

    #[test]
    fn refuses_tables_that_declare_too_much() {
        let tracks: Vec<u8> = std::iter::repeat_n(track(5_000_000), 16).flatten().collect();
        let file = [boxed(b"ftyp", b"isom"), boxed(b"moov", &tracks)].concat();
        assert!(matches!(look_at(file), Err(Fault::Limit { limit: "max_index_entries", .. })));
        let trun = boxed(b"trun", &[[0; 4], u32::MAX.to_be_bytes()].concat());
        let moof = boxed(b"moof", &boxed(b"traf", &trun));
        let file = [boxed(b"moov", &boxed(b"mvex", b"")), moof].concat();
        assert!(matches!(look_at(file), Err(Fault::Limit { limit: "max_index_entries", .. })));
    }

    #[test]
    fn minutes_of_uncompressed_sound_are_not_too_much() {
        // Ten minutes at 44.1 kHz, as cameras write them; the same tables under a video handler are an attack.
        let table = |kind: &[u8; 4], numbers: &[u32]| {
            boxed(kind, &numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>())
        };
        let file = |handler: &[u8; 4]| {
            let stbl = boxed(
                b"stbl",
                &[table(b"stts", &[0, 1, 26_460_000, 1]), table(b"stsz", &[0, 4, 26_460_000])].concat(),
            );
            let hdlr = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 12]].concat());
            let mdia = boxed(b"mdia", &[hdlr, boxed(b"minf", &stbl)].concat());
            [boxed(b"ftyp", b"qt  "), boxed(b"moov", &boxed(b"trak", &mdia))].concat()
        };
        assert!(look_at(file(b"soun")).unwrap().is_some());
        assert!(look_at(file(b"vide")).is_err());
    }

    #[test]
    fn offsets_that_spell_a_name_are_no_table() {
        // Chunk offsets of a 2 GB file: one of them reads "stsz", and the next ones would be its count.
        let numbers = [0_u32, 4, 0x7374_737a, 0x7374_8000, 0x7374_9000, 0x7374_a000];
        let stco =
            boxed(b"stco", &numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>());
        let path = [b"stbl", b"minf", b"mdia", b"trak", b"moov"];
        let moov = path.into_iter().fold(stco, |content, kind| boxed(kind, &content));
        assert!(look_at([boxed(b"ftyp", b"isom"), moov].concat()).unwrap().is_some());
    }

    #[test]
    fn a_moov_that_was_crossed_out_is_counted() {
        let mvhd = boxed(b"mvhd", &[0; 100]);
        let free = boxed(b"free", &[mvhd, track(u32::MAX)].concat());
        let file = [boxed(b"ftyp", b"isom"), free].concat();
        assert!(matches!(look_at(file), Err(Fault::Limit { limit: "max_index_entries", .. })));
    }

    #[test]
    fn other_families_and_damage_are_left_to_libav() {
        assert_eq!(look_at(b"\x1a\x45\xdf\xa3 matroska".to_vec()).unwrap(), None);
        assert_eq!(look_at(b"no".to_vec()).unwrap(), None);
        assert_eq!(look_at(boxed(b"ftyp", b"isom")).unwrap(), None);
        // A moov that claims more than the file has, and a box that would loop.
        let mut cut = boxed(b"moov", &[0; 64]);
        cut.truncate(20);
        assert!(look_at([boxed(b"ftyp", b"isom"), cut].concat()).unwrap().is_some());
        assert_eq!(
            look_at([boxed(b"ftyp", b"isom"), vec![0, 0, 0, 4, b'm', b'o', b'o', b'v']].concat()).unwrap(),
            None
        );
    }
}

//! Boxes and tables for tests: created, or extracted from fixtures.
#![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

use super::boxes::parse_header;

pub(super) fn boxed(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), &kind[..], &content].concat()
}

/// Creates a box of version, flags, and 32-bit words.
pub(super) fn full(kind: &[u8; 4], head: u32, words: &[u32]) -> Vec<u8> {
    let words = words.iter().flat_map(|word| word.to_be_bytes());
    boxed(kind, &[head.to_be_bytes().into_iter().chain(words).collect()])
}

/// Creates a table of a count and its entries.
pub(super) fn table(kind: &[u8; 4], entry_words: u32, words: &[u32]) -> Vec<u8> {
    let count = u32::try_from(words.len()).unwrap() / entry_words;
    full(kind, 0, &[&[count], words].concat())
}

/// Creates a movie header with this number of ticks per second.
pub(super) fn mvhd(timescale: u32) -> Vec<u8> {
    full(b"mvhd", 0, &[0, 0, timescale, 0])
}

pub(super) struct TestTrack<'t> {
    pub(super) id: u32,
    pub(super) handler: &'t [u8; 4],
    pub(super) format: &'t [u8; 4],
    pub(super) timescale: u32,
    pub(super) duration: u32,
    /// Boxes beside `mdia`.
    pub(super) others: Vec<Vec<u8>>,
    pub(super) tables: Vec<Vec<u8>>,
}

impl Default for TestTrack<'_> {
    fn default() -> Self {
        Self {
            id: 1,
            handler: b"vide",
            format: b"avc1",
            timescale: 10,
            duration: 100,
            others: Vec::new(),
            tables: Vec::new(),
        }
    }
}

impl TestTrack<'_> {
    pub(super) fn trak(&self) -> Vec<u8> {
        let tkhd = full(b"tkhd", 1, &[&[0, 0, self.id][..], &[0; 15], &[64 << 16, 48 << 16]].concat());
        let mdhd = full(b"mdhd", 0, &[0, 0, self.timescale, self.duration, 0]);
        let handler = u32::from_be_bytes(*self.handler);
        let hdlr = full(b"hdlr", 0, &[0, handler, 0, 0, 0]);
        let mut entry = vec![0; 78];
        entry[24..28].copy_from_slice(&[0, 160, 0, 120]);
        let stsd = boxed(b"stsd", &[vec![0; 4], vec![0, 0, 0, 1], boxed(self.format, &[entry])]);
        let data_handler = full(b"hdlr", 0, &[u32::from_be_bytes(*b"dhlr"), u32::from_be_bytes(*b"alis")]);
        let stbl = boxed(b"stbl", &[vec![stsd], self.tables.clone()].concat());
        let minf = boxed(b"minf", &[data_handler, stbl]);
        let mdia = boxed(b"mdia", &[mdhd, hdlr, minf]);
        boxed(b"trak", &[vec![tkhd], self.others.clone(), vec![mdia]].concat())
    }
}

/// Creates tables of samples of 100 bytes and one tick, three in a chunk of 1000 bytes from offset 1000.
pub(super) fn plain_tables(count: u32) -> Vec<Vec<u8>> {
    let chunks: Vec<u32> = (1..=count.div_ceil(3)).map(|number| number * 1000).collect();
    // The last chunk is exactly full: spare room would be damage.
    let mut runs = vec![1, 3, 1];
    if !count.is_multiple_of(3) {
        let last = count.div_ceil(3);
        runs = if last == 1 { vec![1, count, 1] } else { vec![1, 3, 1, last, count % 3, 1] };
    }
    vec![
        full(b"stsz", 0, &[100, count]),
        table(b"stsc", 3, &runs),
        table(b"stco", 1, &chunks),
        table(b"stts", 2, &[count, 1]),
    ]
}

pub(super) fn elst(edits: &[[u32; 2]]) -> Vec<u8> {
    let words: Vec<u32> = edits.iter().flat_map(|[duration, time]| [*duration, *time, 1 << 16]).collect();
    boxed(b"edts", &[table(b"elst", 3, &words)])
}

pub(super) fn moov(parts: &[Vec<u8>]) -> Vec<u8> {
    boxed(b"moov", parts)
}

/// Returns the boxes of this kind at the top level of a fixture, and their offsets.
pub(super) fn fixture_boxes(name: &str, kind: &[u8; 4]) -> Vec<(u64, Vec<u8>)> {
    let file = std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(header) = parse_header(&file[at..]) {
        let rest = file.len() - at;
        let size = usize::try_from(header.size).unwrap().min(rest);
        if &header.kind == kind {
            found.push((at as u64, file[at..at + size].to_vec()));
        }
        at += size;
    }
    found
}

pub(super) const NEGATIVE: u32 = u32::MAX;

/// Replaces or adds tables.
pub(super) fn with(mut tables: Vec<Vec<u8>>, more: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    tables.retain(|table| !more.iter().any(|other| other[4..8] == table[4..8]));
    tables.extend(more);
    tables
}

pub(super) fn one_track(track: &TestTrack<'_>) -> Vec<u8> {
    moov(&[mvhd(100), track.trak()])
}

pub(super) fn video(tables: Vec<Vec<u8>>) -> Vec<u8> {
    one_track(&TestTrack { tables, ..TestTrack::default() })
}

pub(super) fn edited(edits: &[[u32; 2]], tables: Vec<Vec<u8>>) -> Vec<u8> {
    one_track(&TestTrack { others: vec![elst(edits)], tables, ..TestTrack::default() })
}

/// Three consecutive pictures presented in the order 1 3 2, keyframes at 0 and 6.
pub(super) fn reordered() -> Vec<Vec<u8>> {
    let offsets: Vec<u32> = (0..4).flat_map(|_| [1, 1, 1, 2, 1, 0]).collect();
    with(plain_tables(12), vec![table(b"ctts", 2, &offsets), table(b"stss", 1, &[1, 7])])
}

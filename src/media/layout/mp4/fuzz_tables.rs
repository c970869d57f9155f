//! Everything that is read of an MP4 without libav, for the fuzz target `mp4_tables`.

use super::boxes::parse_header;
use super::count::{EntryCounter, hides_moov};
use super::file_end::index_at_end;
use super::fragments::{Fragment, parse_sidx};
use super::movie::Movie;
use super::poster::{coalesce, header_ranges, packet_of_frame, poster_packets};

/// A file that declares more is refused, as by [`look`](super::look); sooner, because each entry takes time and there are many files.
const MAX_ENTRIES: u64 = 20_000;
const MAX_TRACKS: u64 = 100;

/// Reads all tables of a file: those of its first `moov`, of its fragments and indexes, and the packets of the frame at a time.
///
/// # Panics
/// When what was read contradicts itself.
pub fn read_mp4_tables(file: &[u8], at_microseconds: i64) {
    let mut boxes = Vec::new();
    let mut at = 0_usize;
    while let Some(header) = file.get(at..).and_then(parse_header) {
        let rest = file.len() - at;
        let size =
            header.size.and_then(|size| usize::try_from(size).ok()).map_or(rest, |size| size.min(rest));
        boxes.push((header.kind, at as u64, &file[at..at + size]));
        at += size;
    }
    let mut counter = EntryCounter::default();
    for (_, _, bytes) in &boxes {
        counter.count(bytes);
        hides_moov(bytes);
    }
    index_at_end(file);
    if counter.entries > MAX_ENTRIES || counter.tracks > MAX_TRACKS {
        return;
    }
    for (_, offset, bytes) in boxes.iter().filter(|(kind, ..)| kind == b"sidx") {
        if let Some(index) = parse_sidx(bytes, *offset) {
            let ends = index.entries.iter().map(|entry| entry.offset + u64::from(entry.size));
            assert!(
                ends.max().is_none_or(|end| end == index.end_offset),
                "an index ends where its last entry does"
            );
        }
    }
    let Some((_, _, moov)) = boxes.iter().find(|(kind, ..)| kind == b"moov") else { return };
    let Some(movie) = Movie::parse(moov) else { return };
    read_movie(&movie, at_microseconds);
    for (_, offset, bytes) in boxes.iter().filter(|(kind, ..)| kind == b"moof") {
        Fragment::parse(bytes, *offset, &movie);
    }
}

fn read_movie(movie: &Movie<'_>, at_microseconds: i64) {
    let merged = coalesce(header_ranges(movie), 0);
    assert!(merged.is_sorted_by(|one, next| one.end < next.start), "merged ranges do not touch");
    for track in &movie.tracks {
        let shift = track.presentation_shift(movie.timescale).unwrap_or(0);
        let least = track.min_composition_offset();
        if let Some(first) = track.samples().next() {
            let pts = first.cts.saturating_add(shift);
            packet_of_frame(track.samples(), least, first.offset, pts, at_microseconds);
        }
        if let Some(packets) = poster_packets(movie, track, at_microseconds) {
            let is_target = |start: u64| start == packets.target;
            assert!(
                packets.ranges.iter().any(|range| is_target(range.start)),
                "the frame is in what is asked for"
            );
        }
    }
}

//! One track of a `moov` (`trak`: ISO/IEC 14496-12, 8.3.1): its headers, its edit list, and the position of its sample tables.

use std::iter::Take;
use std::ops::Range;

use super::tables::Samples;
use crate::media::container::encryption::ProtectedEntry;
use crate::media::layout::boxes::{Fields, be32, find, read_clock};
use crate::media::layout::gop::{MICROSECONDS, rank, rescale};
use crate::media::layout::protection::protected_entry;

/// Maximum number of chapter tracks that one track references.
const MAX_CHAPTER_TRACKS: usize = 16;
/// Maximum number of samples examined for one frame: 19 hours of 60 frames per second. A table of constant sizes declares four
/// billion samples in twenty bytes.
const MAX_SAMPLES: usize = 1 << 22;
/// Maximum number of samples that may come before the sample that is presented first.
const REORDERED: usize = 64;

#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    /// The kind of media, such as `vide` (ISO/IEC 14496-12, 8.4.3), and the name of the first sample description, such as `avc1`.
    pub(super) handler: [u8; 4],
    pub(super) format: [u8; 4],
    /// Ticks in a second; not 0.
    pub(super) timescale: u32,
    /// Tracks that contain the chapters of this track (`tref`, `chap`).
    pub(super) chapters: Vec<u32>,
    /// The track's rank among the video tracks, by the size in the sample description, or else in the track header. An enabled
    /// track counts like a track with libavformat's default flag.
    pub(super) rank: u64,
    /// The edit list (ISO/IEC 14496-12, 8.6.6) as far as libavformat applies it to fragments: ticks before the presentation begins,
    /// and the media time at which it begins.
    edit: Option<(i64, i64)>,
    /// The encryption of the samples; `None` for unencrypted samples.
    pub(super) protection: Option<ProtectedEntry>,
    /// Position of the content of the sample tables in the `moov`.
    stbl: Range<usize>,
}

impl Track {
    /// Reads the content of a `trak`, a part of the bytes of the `moov`. The movie's clock has `timescale` ticks per second.
    /// Without a clock, libavformat ignores edits.
    pub(super) fn parse(moov: &[u8], trak: &[u8], timescale: u32) -> Self {
        let content = |path: &[&[u8; 4]]| find(trak, path).unwrap_or_default();
        let name = |bytes: &[u8], at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).copied();
        let handler = name(content(&[b"mdia", b"hdlr"]), 8).unwrap_or_default();
        let stbl = content(&[b"mdia", b"minf", b"stbl"]);
        let stsd = find(stbl, &[b"stsd"]).unwrap_or_default();
        let tkhd = content(&[b"tkhd"]);
        // The times before most fields have 32 bits or 64 bits.
        let field = |short: usize, long: usize| {
            be32(tkhd, if tkhd.first() == Some(&1) { long } else { short }).unwrap_or(0)
        };
        // The size in the first sample description of a video track, or else the size in the header.
        let size = be32(stsd, 40).filter(|_| &handler == b"vide").map(|size| (size >> 16, size & 0xffff));
        let size = size.filter(|&(width, height)| width > 0 && height > 0);
        let (width, height) = size.unwrap_or((field(76, 88) >> 16, field(80, 92) >> 16));
        let (own_timescale, _) = read_clock(content(&[b"mdia", b"mdhd"]));
        let chapters = content(&[b"tref", b"chap"]).chunks_exact(4).take(MAX_CHAPTER_TRACKS);
        let edit = read_edits(content(&[b"edts", b"elst"])).filter(|_| timescale > 0);
        Self {
            id: field(12, 20),
            handler,
            format: name(stsd, 12).unwrap_or_default(),
            timescale: own_timescale,
            chapters: chapters.filter_map(|id| be32(id, 0)).collect(),
            rank: rank(width.into(), height.into(), field(0, 0) & 1 != 0),
            edit: edit.map(|(empty, media_time)| (rescale(empty, own_timescale, timescale), media_time)),
            protection: protected_entry(stsd),
            stbl: place_of(stbl, moov),
        }
    }

    /// Iterates over the samples of the tables in decoding order.
    pub(super) fn samples<'m>(&self, moov: &'m [u8]) -> Take<Samples<'m>> {
        Samples::new(moov.get(self.stbl.clone()).unwrap_or_default()).take(MAX_SAMPLES)
    }

    /// Returns the start of the track's presentation in ticks, or `None` without samples.
    pub(super) fn start(&self, moov: &[u8]) -> Option<i64> {
        let first = self.samples(moov).next()?;
        Some(self.edit.map_or_else(|| self.presented(first.cts), |(empty, _)| empty))
    }

    /// Returns the shift of samples by the edit list, in ticks.
    pub(super) fn shift(&self) -> i64 {
        self.edit.map_or(0, |(empty, media_time)| empty.saturating_sub(media_time))
    }

    /// Returns the presentation time of the first frame, with this composition time. The AAC samples before the media time of the edit are
    /// for the decoder only: libavformat adds their duration, whatever frame is the first.
    pub(super) fn presented(&self, cts: i64) -> i64 {
        let priming = self.edit.filter(|_| &self.format == b"mp4a").map_or(0, |(_, media_time)| media_time);
        cts.saturating_add(self.shift()).saturating_add(priming)
    }

    /// Returns the composition time of the frame that is presented at `at` microseconds, where edits only shift samples.
    pub(super) fn composed(&self, at: i64) -> i64 {
        rescale(at, self.timescale, MICROSECONDS).saturating_sub(self.shift())
    }

    /// Returns the distance of the edit's first frame after the media time at which the edit begins, and the distance of that frame
    /// after its decoding time, in ticks. libavformat moves that frame, not the media time, to the start of the edit.
    pub(super) fn lateness(&self, moov: &[u8]) -> (i64, i64) {
        let Some((_, media_time)) = self.edit else { return (0, 0) };
        let mut shown = self.samples(moov).take(REORDERED).filter(|sample| sample.cts >= media_time);
        let Some(first) = shown.next() else { return (0, 0) };
        let cts = shown.map(|sample| sample.cts).fold(first.cts, i64::min);
        (cts.saturating_sub(media_time), cts.saturating_sub(first.dts).max(0))
    }
}

/// Returns the position of a part of some bytes in the whole.
fn place_of(part: &[u8], whole: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

/// Reads the ticks of empty edits, on the movie's clock, and the media time of the first other edit. libavformat reads as many
/// edits as fit into the box, regardless of their declared count.
fn read_edits(elst: &[u8]) -> Option<(i64, i64)> {
    let mut fields = Fields::new(elst)?;
    let (_count, mut empty) = (fields.take()?, 0_i64);
    while let Some((ticks, time)) = fields.take_wide().zip(fields.take_wide()) {
        // -1 presents nothing, and has as many bits as the other values.
        let time = if fields.version == 1 { time.cast_signed() } else { time.cast_signed() << 32 >> 32 };
        if time >= 0 {
            return Some((empty, time));
        }
        empty = empty.saturating_add(i64::try_from(ticks).unwrap_or(i64::MAX));
        let _rate = fields.take();
    }
    (empty > 0).then_some((empty, 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::super::movie::Movie;
    use crate::media::layout::test_tables::*;

    /// Returns start, composition time at 1 s, and lateness of a track of ten ticks per second.
    fn placed(moov: &[u8]) -> (Option<i64>, i64, (i64, i64)) {
        let movie = Movie::parse(moov).unwrap();
        let track = &movie.tracks[0];
        (track.start(moov), track.composed(1_000_000), track.lateness(moov))
    }

    #[test]
    fn edits_move_their_samples_to_the_start() {
        assert_eq!(placed(&video(reordered())), (Some(1), 10, (0, 0)));
        // The first picture is presented at 1, with or without an edit.
        assert_eq!(placed(&edited(&[[120, 1]], reordered())), (Some(0), 11, (0, 1)));
        assert_eq!(placed(&edited(&[[120, 0]], reordered())), (Some(0), 10, (1, 1)));
        // An empty edit of 0.5 s.
        assert_eq!(placed(&edited(&[[50, NEGATIVE], [120, 1]], reordered())), (Some(5), 6, (0, 1)));
        let empty = [[20, NEGATIVE], [30, NEGATIVE], [120, 1]];
        assert_eq!(placed(&edited(&empty, reordered())), (Some(5), 6, (0, 1)));
        // From the second keyframe.
        assert_eq!(placed(&edited(&[[60, 7]], reordered())), (Some(0), 17, (0, 1)));
    }

    #[test]
    fn edits_without_a_movie_clock_are_ignored() {
        let track = TestTrack { others: vec![elst(&[[60, 7]])], tables: reordered(), ..TestTrack::default() };
        assert_eq!(placed(&moov(&[track.trak()])), (Some(1), 10, (0, 0)));
    }

    #[test]
    fn long_edits_are_read() {
        let long = full(b"elst", 1 << 24, &[2, 0, 50, NEGATIVE, NEGATIVE, 1 << 16, 0, 120, 0, 1, 1 << 16]);
        let others = vec![boxed(b"edts", &[long])];
        let track = TestTrack { others, tables: reordered(), ..TestTrack::default() };
        assert_eq!(placed(&one_track(&track)), (Some(5), 6, (0, 1)));
    }

    #[test]
    fn the_start_of_aac_includes_its_priming() {
        for (format, starts) in [(b"mp4a", [2, 9]), (b"ac-3", [-5, 2])] {
            let others = vec![elst(&[[60, 7]])];
            let movie = one_track(&TestTrack { handler: b"soun", format, others, ..TestTrack::default() });
            let movie = Movie::parse(&movie).unwrap();
            let times = [2, 9].map(|time| movie.tracks[0].presented(time));
            assert_eq!(times, starts);
        }
    }
}

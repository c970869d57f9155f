//! The movie header (`moov`: ISO/IEC 14496-12, 8.2.1): its tracks, its clock, and the defaults of later fragments.

use super::track::Track;
use crate::media::layout::boxes::{be32, contents, find, read_clock};
use crate::media::layout::gop::{MICROSECONDS, rescale};

/// Maximum number of tracks. Files have a few. A track costs memory that an empty box of eight bytes does not.
const MAX_TRACKS: usize = 1024;
/// Maximum number of boxes before the last list of keys.
const MAX_BOXES: usize = 4096;

/// The content of a `moov`.
#[derive(Debug, Default)]
pub(super) struct Movie {
    /// In microseconds.
    pub(super) duration: i64,
    pub(super) tracks: Vec<Track>,
    /// Whether movie fragments may follow (`mvex`).
    pub(super) is_fragmented: bool,
    /// The number of the track before the last list of keys (`pssh`: ISO/IEC 23001-7, 8.1), counted from 0.
    pub(super) keys_behind: Option<usize>,
    defaults: Vec<FragmentDefaults>,
}

/// Default values of the samples in fragments (`trex`: ISO/IEC 14496-12, 8.8.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct FragmentDefaults {
    pub(super) track_id: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl Movie {
    /// Reads a whole `moov` box. Returns `None` when the box is compressed, has no tracks, or has an implausible number of
    /// tracks.
    pub(super) fn parse(moov: &[u8]) -> Option<Self> {
        let content = find(moov, &[b"moov"])?;
        let (timescale, ticks) = find(content, &[b"mvhd"]).map_or((0, 0), read_clock);
        let traks = contents(content).filter(|(kind, _)| kind == b"trak").take(MAX_TRACKS + 1);
        let tracks: Vec<_> = traks.map(|(_, trak)| Track::parse(moov, trak, timescale)).collect();
        let mvex = find(content, &[b"mvex"]);
        let trexes = contents(mvex.unwrap_or_default()).filter(|(kind, _)| kind == b"trex");
        let defaults = trexes.take(MAX_TRACKS).filter_map(|(_, trex)| {
            let field = |at: usize| be32(trex, at);
            let (track_id, duration) = (field(4)?, field(12)?);
            Some(FragmentDefaults { track_id, duration, size: field(16)?, flags: field(20)? })
        });
        let kinds: Vec<_> = contents(content).map(|(kind, _)| kind).take(MAX_BOXES).collect();
        let keys = kinds.iter().rposition(|kind| kind == b"pssh").and_then(|place| kinds.get(..place));
        let keys_behind =
            keys.and_then(|before| before.iter().filter(|kind| *kind == b"trak").count().checked_sub(1));
        let (duration, defaults) = (rescale(ticks, MICROSECONDS, timescale), defaults.collect());
        let is_usable = (1..=MAX_TRACKS).contains(&tracks.len()) && find(content, &[b"cmov"]).is_none();
        let is_fragmented = mvex.is_some();
        is_usable.then_some(Self { duration, tracks, is_fragmented, keys_behind, defaults })
    }

    /// Returns the default values for the fragments of a track.
    pub(super) fn fragment_defaults(&self, track_id: u32) -> Option<&FragmentDefaults> {
        self.defaults.iter().find(|defaults| defaults.track_id == track_id)
    }

    pub(super) fn track(&self, id: u32) -> Option<&Track> {
        self.tracks.iter().find(|track| track.id == id)
    }

    /// Returns the track that most likely provides the poster frame.
    pub(super) fn main_track(&self) -> Option<&Track> {
        let is_chapter = |id: u32| self.tracks.iter().any(|track| track.chapters.contains(&id));
        let pictures = self.tracks.iter().filter(|track| &track.handler == b"vide" && !is_chapter(track.id));
        // The first of equal tracks.
        pictures.rev().max_by_key(|track| track.rank)
    }

    /// Iterates over the video and audio tracks.
    pub(super) fn media(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| matches!(&track.handler, b"vide" | b"soun"))
    }

    /// Returns the first presentation time of any video or audio in microseconds. `first` returns the first presentation time
    /// of a track in its ticks.
    pub(super) fn start(&self, first: impl Fn(&Track) -> Option<i64>) -> i64 {
        let start = |track: &Track| Some(rescale(first(track)?, MICROSECONDS, track.timescale));
        self.media().filter_map(start).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;
    use crate::media::layout::test_tables::*;

    #[test]
    fn headers_are_read() {
        let audio = TestTrack { id: 2, handler: b"soun", format: b"mp4a", ..TestTrack::default() };
        let references = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 3, 0, 0, 0, 4]])]);
        let video = TestTrack { others: vec![references], tables: plain_tables(3), ..TestTrack::default() };
        let mvex = boxed(b"mvex", &[full(b"mehd", 0, &[77]), full(b"trex", 0, &[2, 1, 5, 6, 7])]);
        let moov = moov(&[full(b"mvhd", 0, &[0, 0, 600, 1500]), video.trak(), audio.trak(), mvex]);
        let movie = Movie::parse(&moov).unwrap();
        assert_eq!((movie.duration, movie.is_fragmented), (2_500_000, true));
        let track = movie.track(1).unwrap();
        assert_eq!((&track.handler, &track.format, track.timescale), (b"vide", b"avc1", 10));
        assert_eq!(track.rank, 160 * 120 + 5_000_000);
        assert_eq!((track.chapters.as_slice(), track.samples(&moov).count()), (&[3, 4][..], 3));
        assert_eq!((movie.tracks[1].rank, movie.tracks[1].samples(&moov).count()), (64 * 48 + 5_000_000, 0));
        let defaults = movie.fragment_defaults(2).unwrap();
        assert_eq!((defaults.duration, defaults.size, defaults.flags), (5, 6, 7));
        assert!(movie.fragment_defaults(1).is_none());
    }

    #[test]
    fn long_headers_are_read() {
        let tkhd =
            full(b"tkhd", 1 << 24 | 1, &[&[0, 0, 0, 0, 9][..], &[0; 16], &[64 << 16, 48 << 16]].concat());
        let mdhd = full(b"mdhd", 1 << 24, &[0, 0, 0, 0, 90_000, 1, 2]);
        let trak = boxed(b"trak", &[tkhd, boxed(b"mdia", &[mdhd])]);
        let moov = moov(&[full(b"mvhd", 1 << 24, &[0, 0, 0, 0, 1_000_000, 1, 7]), trak]);
        let movie = Movie::parse(&moov).unwrap();
        let track = &movie.tracks[0];
        assert_eq!((movie.duration, track.id, track.timescale), ((1 << 32) + 7, 9, 90_000));
        assert_eq!(track.rank, 64 * 48 + 5_000_000);
    }

    #[test]
    fn unsupported_headers_yield_none() {
        assert!(Movie::parse(&moov(&[mvhd(100)])).is_none());
        assert!(Movie::parse(&moov(&[boxed(b"cmov", &[]), TestTrack::default().trak()])).is_none());
        let many = vec![boxed(b"trak", &[]); MAX_TRACKS + 1];
        assert!(Movie::parse(&moov(&many)).is_none());
        assert!(Movie::parse(&moov(&many[1..])).is_some());
        assert!(Movie::parse(&[]).is_none());
    }

    #[test]
    fn the_main_track_is_the_largest_video_that_is_no_chapter_track() {
        let chapters = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 3]])]);
        let video = TestTrack { others: vec![chapters], ..TestTrack::default() };
        let audio = TestTrack { id: 2, handler: b"soun", ..TestTrack::default() };
        let stills = TestTrack { id: 3, ..TestTrack::default() };
        let movie = Movie::parse(&moov(&[mvhd(100), stills.trak(), audio.trak(), video.trak()])).unwrap();
        assert_eq!(movie.main_track().map(|track| track.id), Some(1));
        let movie = Movie::parse(&moov(&[mvhd(100), audio.trak()])).unwrap();
        assert!(movie.main_track().is_none());
    }
}

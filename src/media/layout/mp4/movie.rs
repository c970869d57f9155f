//! The movie header (`moov`: ISO/IEC 14496-12, 8.2.1): its tracks, its clock, and what it says of fragments that follow.

use super::boxes::{be32, be64, for_each_box, parse_header};
use super::track::{EditHandling, Track, read_timescale};
use crate::media::timeline::{self, Span};

/// Tracks, at most. Files have a few; each costs memory that an empty box of eight bytes does not.
const MAX_TRACKS: usize = 1024;

/// What a `moov` says (ISO/IEC 14496-12, 8.2.1).
#[derive(Debug)]
pub(super) struct Movie<'b> {
    /// Ticks in a second for edits; 0 when there is no `mvhd`.
    pub(super) timescale: u32,
    pub(super) tracks: Vec<Track<'b>>,
    /// Whether movie fragments may follow (`mvex`).
    pub(super) is_fragmented: bool,
    /// Length with all fragments in ticks of the movie (`mehd`).
    pub(super) fragment_duration: Option<u64>,
    /// By track number; the first of equals first.
    defaults: Vec<FragmentDefaults>,
}

/// What holds for the samples of fragments that do not say otherwise (`trex`: ISO/IEC 14496-12, 8.8.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct FragmentDefaults {
    track_id: u32,
    /// The sample description, from 1 on.
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl<'b> Movie<'b> {
    /// Reads a whole `moov` box; `None` when it cannot be understood: compressed, without tracks, or with absurdly many.
    pub(super) fn parse(moov: &'b [u8]) -> Option<Self> {
        let start = usize::try_from(parse_header(moov)?.header_bytes).ok()?;
        let mut movie = Self {
            timescale: 0,
            tracks: Vec::new(),
            is_fragmented: false,
            fragment_duration: None,
            defaults: Vec::new(),
        };
        let mut tracks = Vec::new();
        let mut is_compressed = false;
        for_each_box(moov.get(start..)?, &mut |kind, content| match kind {
            b"mvhd" => movie.timescale = read_timescale(content).unwrap_or(1),
            b"trak" if tracks.len() <= MAX_TRACKS => tracks.push(content),
            b"mvex" => movie.read_extension(content),
            b"cmov" => is_compressed = true,
            _ => {}
        });
        if is_compressed || tracks.is_empty() || tracks.len() > MAX_TRACKS {
            return None;
        }
        movie.defaults.sort_by_key(|defaults| defaults.track_id);
        // libavformat gives up on edit lists at the first track whose samples are all in fragments, for those behind it too.
        let mut edits_apply = true;
        movie.tracks = tracks
            .into_iter()
            .map(|content| {
                let mut track = Track::parse(content, movie.timescale);
                edits_apply &= !track.tables.stts.is_empty() || track.tables.is_broken();
                track.edits = match edits_apply {
                    false => EditHandling::Moved,
                    true if track.tables.overrun() => EditHandling::Ignored,
                    true => EditHandling::Applied,
                };
                track
            })
            .collect();
        Some(movie)
    }

    fn read_extension(&mut self, content: &[u8]) {
        self.is_fragmented = true;
        for_each_box(content, &mut |kind, content| match kind {
            b"mehd" => {
                let ticks = match content.first() {
                    Some(1) => be64(content, 4),
                    _ => be32(content, 4).map(u64::from),
                };
                self.fragment_duration = ticks.filter(|&ticks| ticks > 0);
            }
            b"trex" if self.defaults.len() < MAX_TRACKS => {
                self.defaults.extend(FragmentDefaults::read(content));
            }
            _ => {}
        });
    }

    /// What fragments of a track leave unsaid.
    pub(super) fn fragment_defaults(&self, track_id: u32) -> Option<&FragmentDefaults> {
        let at = self.defaults.partition_point(|defaults| defaults.track_id < track_id);
        self.defaults.get(at).filter(|defaults| defaults.track_id == track_id)
    }

    /// Start and length of the whole in microseconds, as the container that libavformat opens will tell them.
    pub(super) fn span(&self) -> (Option<i64>, Option<i64>) {
        let spans: Vec<Span> = self
            .tracks
            .iter()
            .map(|track| {
                let microseconds = |ticks| timeline::to_microseconds(ticks, track.time_base());
                Span {
                    kind: track.kind(),
                    start: track.start_ticks(self.timescale).and_then(microseconds),
                    duration: track.duration_ticks(self.timescale).and_then(microseconds),
                }
            })
            .collect();
        timeline::combine(&spans)
    }
}

impl FragmentDefaults {
    fn read(trex: &[u8]) -> Option<Self> {
        Some(Self {
            track_id: be32(trex, 4)?,
            description: be32(trex, 8)?,
            duration: be32(trex, 12)?,
            size: be32(trex, 16)?,
            flags: be32(trex, 20)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_tables::*;
    use super::*;

    #[test]
    fn headers_are_read() {
        let audio = TestTrack { id: 2, handler: b"soun", format: b"mp4a", ..TestTrack::default() };
        let references = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 3, 0, 0, 0, 4]])]);
        let video = TestTrack { others: vec![references], tables: plain_tables(3), ..TestTrack::default() };
        let mvex = boxed(b"mvex", &[full(b"mehd", 0, &[77]), full(b"trex", 0, &[2, 1, 5, 6, 7])]);
        let moov = moov(&[mvhd(600), video.trak(), audio.trak(), mvex]);
        let movie = Movie::parse(&moov).unwrap();
        assert_eq!((movie.timescale, movie.is_fragmented, movie.fragment_duration), (600, true, Some(77)));
        let track = &movie.tracks[0];
        assert_eq!((track.id, &track.handler, &track.format, track.timescale), (1, b"vide", b"avc1", 10));
        assert_eq!((track.width, track.height, track.is_enabled), (160, 120, true));
        assert_eq!((track.chapters.as_slice(), track.sample_count()), (&[3, 4][..], 3));
        assert_eq!((movie.tracks[1].width, movie.tracks[1].sample_count()), (64, 0));
        let defaults = movie.fragment_defaults(2).unwrap();
        assert_eq!((defaults.duration, defaults.size, defaults.flags), (5, 6, 7));
        assert!(movie.fragment_defaults(1).is_none());
    }

    #[test]
    fn what_cannot_be_understood_is_none() {
        assert!(Movie::parse(&moov(&[mvhd(100)])).is_none());
        assert!(Movie::parse(&moov(&[boxed(b"cmov", &[]), TestTrack::default().trak()])).is_none());
        let many = vec![boxed(b"trak", &[]); MAX_TRACKS + 1];
        assert!(Movie::parse(&moov(&many)).is_none());
        assert!(Movie::parse(&moov(&many[1..])).is_some());
        assert!(Movie::parse(&[]).is_none());
    }
}

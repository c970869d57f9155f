//! Movie fragments (`moof`: ISO/IEC 14496-12, 8.8), read as libavformat reads them (`mov_read_tfhd`, `mov_read_trun`).

use super::movie::{FragmentDefaults, Movie};
use crate::media::layout::boxes::{Fields, contents, find};
use crate::media::layout::gop::Sample;

/// Maximum number of track fragments in one fragment.
const MAX_TRACKS: usize = 4096;
/// Maximum number of samples in one fragment. A table of identical samples takes no bytes.
const MAX_SAMPLES: usize = 1 << 18;
/// One track's part of a fragment (ISO/IEC 14496-12, 8.8.6).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TrackFragment {
    pub(super) track_id: u32,
    /// In decoding order.
    pub(super) samples: Vec<Sample>,
    /// Decoding time of the next sample.
    pub(super) end_dts: i64,
    /// Whether samples may be presented before they are decoded: their offsets are signed (`trun`, version 1).
    pub(super) is_signed: bool,
}

/// Reads the tracks of a whole `moof` box that begins at `offset`, in the order of the file. A track may occur more than once.
/// Returns `None` when the fragment is not valid, or has no position in time because a track does not contain its start.
pub(super) fn read_fragment(moof: &[u8], offset: u64, movie: &Movie) -> Option<Vec<TrackFragment>> {
    let mut reader =
        Reader { movie, moof_offset: offset, implicit_offset: offset, samples_left: MAX_SAMPLES };
    let parts = contents(find(moof, &[b"moof"])?).filter(|(kind, _)| kind == b"traf");
    parts.take(MAX_TRACKS).map(|(_, traf)| reader.read_track(traf)).collect()
}

/// Reads the tracks of a fragment one after the other.
struct Reader<'m> {
    movie: &'m Movie,
    moof_offset: u64,
    /// Start of the next track's data, if the track does not contain it: after the data of the previous track.
    implicit_offset: u64,
    samples_left: usize,
}

impl Reader<'_> {
    fn read_track(&mut self, traf: &[u8]) -> Option<TrackFragment> {
        // The defaults of its samples, and the base of data offsets.
        let (mut header, mut is_placed) = (None, false);
        let mut track = TrackFragment { track_id: 0, samples: Vec::new(), end_dts: 0, is_signed: false };
        for (kind, content) in contents(traf) {
            match &kind {
                b"tfhd" => header = self.read_header(content),
                // `tfdt` (ISO/IEC 14496-12, 8.8.12) applies to the runs after it.
                b"tfdt" if track.samples.is_empty() => {
                    let time = Fields::new(content)?.take_wide()?;
                    (track.end_dts, is_placed) = (i64::try_from(time).ok()?, true);
                }
                b"trun" => self.read_run(content, header?, &mut track)?,
                _ => {}
            }
        }
        track.track_id = header.filter(|_| is_placed)?.0.track_id;
        Some(track)
    }

    /// Reads `tfhd` (ISO/IEC 14496-12, 8.8.7): flags, track, and then the fields that the flags announce.
    fn read_header(&self, tfhd: &[u8]) -> Option<(FragmentDefaults, u64)> {
        const BASE_IS_MOOF: u32 = 0x2_0000;
        let mut fields = Fields::new(tfhd)?;
        let mut defaults = *self.movie.fragment_defaults(fields.take()?)?;
        let base = if fields.has(0x1) {
            fields.take_long()?
        } else if fields.has(BASE_IS_MOOF) {
            self.moof_offset
        } else {
            self.implicit_offset
        };
        // The sample description.
        fields.take_if(0x2, 0)?;
        defaults.duration = fields.take_if(0x8, defaults.duration)?;
        defaults.size = fields.take_if(0x10, defaults.size)?;
        defaults.flags = fields.take_if(0x20, defaults.flags)?;
        Some((defaults, base))
    }

    /// Reads `trun` (ISO/IEC 14496-12, 8.8.8): flags, count, two fields for the first sample, and then the fields of each sample. In
    /// libavformat, a run without a data offset begins at the base, and not after the previous run.
    fn read_run(
        &mut self,
        trun: &[u8],
        (defaults, base): (FragmentDefaults, u64),
        track: &mut TrackFragment,
    ) -> Option<()> {
        const NON_SYNC_OR_DEPENDENT: u32 = 0x101_0000;
        let mut fields = Fields::new(trun)?;
        let count = usize::try_from(fields.take()?).ok()?;
        track.is_signed |= fields.version > 0;
        self.samples_left = self.samples_left.checked_sub(count)?;
        let mut offset = base.checked_add_signed(fields.take_if(0x1, 0)?.cast_signed().into())?;
        let first_flags = fields.take_if(0x4, defaults.flags)?;
        for number in 0..count {
            let duration = fields.take_if(0x100, defaults.duration)?;
            let size = fields.take_if(0x200, defaults.size)?;
            let flags = fields.take_if(0x400, if number == 0 { first_flags } else { defaults.flags })?;
            let ahead = fields.take_if(0x800, 0)?.cast_signed();
            let (dts, is_sync) = (track.end_dts, flags & NON_SYNC_OR_DEPENDENT == 0);
            let cts = dts.checked_add(ahead.into())?;
            track.samples.push(Sample { offset, size, dts, cts, is_sync });
            track.end_dts = dts.checked_add(duration.into())?;
            // libavformat rejects samples without bytes.
            offset = offset.checked_add(size.into()).filter(|_| size > 0)?;
        }
        if count > 0 {
            self.implicit_offset = offset;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;
    use crate::media::layout::test_tables::*;

    const BASE_IS_MOOF: u32 = 0x2_0000;
    const NON_SYNC: u32 = 0x1_0000;

    /// Tracks 1 and 2. By default their samples have 10 ticks and 100 bytes, and are not keyframes.
    fn movie() -> Vec<u8> {
        let second = TestTrack { id: 2, ..TestTrack::default() };
        let trex = |id| full(b"trex", 0, &[id, 1, 10, 100, NON_SYNC]);
        let mvex = boxed(b"mvex", &[trex(2), trex(1), trex(3)]);
        moov(&[mvhd(100), TestTrack::default().trak(), second.trak(), mvex])
    }

    fn moof(tracks: &[Vec<Vec<u8>>]) -> Vec<u8> {
        let trafs = tracks.iter().map(|boxes| boxed(b"traf", boxes));
        let parts: Vec<_> = [full(b"mfhd", 0, &[1])].into_iter().chain(trafs).collect();
        boxed(b"moof", &parts)
    }

    fn parse(moof: &[u8]) -> Option<Vec<TrackFragment>> {
        read_fragment(moof, 5000, &Movie::parse(&movie()).unwrap())
    }

    fn track(boxes: Vec<Vec<u8>>) -> TrackFragment {
        parse(&moof(&[boxes])).unwrap().remove(0)
    }

    fn tfdt(time: u32) -> Vec<u8> {
        full(b"tfdt", 0, &[time])
    }

    #[test]
    fn defaults_apply_to_missing_fields() {
        let found = track(vec![full(b"tfhd", BASE_IS_MOOF, &[1]), tfdt(0), full(b"trun", 1, &[2, 60])]);
        assert_eq!((found.track_id, found.end_dts), (1, 20));
        let second = Sample { offset: 5160, size: 100, dts: 10, cts: 10, is_sync: false };
        assert_eq!(found.samples, [Sample { offset: 5060, dts: 0, cts: 0, ..second }, second]);
    }

    #[test]
    fn track_headers_override_defaults() {
        let tfhd = full(b"tfhd", 0x1 | 0x2 | 0x8 | 0x10 | 0x20, &[1, 1, 7, 1, 20, 200, 0]);
        let found = track(vec![tfhd, tfdt(300), full(b"trun", 0, &[1])]);
        let sample = Sample { offset: (1 << 32) + 7, size: 200, dts: 300, cts: 300, is_sync: true };
        assert_eq!((found.end_dts, found.samples), (320, vec![sample]));
    }

    #[test]
    fn sample_fields_override_defaults() {
        let minus_two = 2_u32.wrapping_neg();
        let words = [2, 80, 0, 11, 50, NON_SYNC, minus_two, 12, 60, 0x100_0000, 5];
        let trun = full(b"trun", 1 << 24 | 0x1 | 0x4 | 0x100 | 0x200 | 0x400 | 0x800, &words);
        let long_time = full(b"tfdt", 1 << 24, &[1, 0]);
        let found = track(vec![full(b"tfhd", BASE_IS_MOOF, &[1]), long_time, trun]);
        let start = 1 << 32;
        assert_eq!(
            found.samples[0],
            Sample { offset: 5080, size: 50, dts: start, cts: start - 2, is_sync: false }
        );
        let second = Sample { offset: 5130, size: 60, dts: start + 11, cts: start + 16, is_sync: false };
        assert_eq!((found.samples[1], found.end_dts), (second, start + 23));
    }

    #[test]
    fn the_first_sample_may_be_a_keyframe() {
        let found =
            track(vec![full(b"tfhd", BASE_IS_MOOF, &[1]), tfdt(0), full(b"trun", 0x1 | 0x4, &[3, 80, 0])]);
        let are_sync: Vec<bool> = found.samples.iter().map(|sample| sample.is_sync).collect();
        assert_eq!(are_sync, [true, false, false]);
    }

    #[test]
    fn data_follow_those_of_the_track_before() {
        let first = vec![full(b"tfhd", 0, &[1]), tfdt(0), full(b"trun", 1, &[2, 60])];
        let second = vec![full(b"tfhd", 0, &[2]), tfdt(0), full(b"trun", 0, &[1])];
        let found = parse(&moof(&[first, second])).unwrap();
        assert_eq!((found[0].samples[0].offset, found[1].samples[0].offset), (5060, 5260));
    }

    #[test]
    fn runs_follow_each_other_in_time() {
        let runs = [full(b"trun", 1, &[1, 60]), full(b"trun", 1, &[1, 400]), full(b"trun", 0, &[1])];
        let found = track([vec![full(b"tfhd", BASE_IS_MOOF, &[1]), tfdt(7)], runs.to_vec()].concat());
        let places: Vec<_> = found.samples.iter().map(|sample| (sample.offset, sample.dts)).collect();
        // The last run does not contain its data offset.
        assert_eq!(places, [(5060, 7), (5400, 17), (5000, 27)]);
    }

    #[test]
    fn invalid_and_unplaced_fragments_yield_none() {
        let tfhd = || full(b"tfhd", BASE_IS_MOOF, &[1]);
        let refused = |boxes: Vec<Vec<u8>>| parse(&moof(&[boxes])).is_none();
        assert!(!refused(vec![tfhd(), tfdt(0), full(b"trun", 1, &[1, 60])]));
        assert!(refused(vec![tfhd(), full(b"trun", 1, &[1, 60])]));
        assert!(refused(vec![tfdt(0), full(b"trun", 1, &[1, 60])]));
        assert!(refused(vec![full(b"tfhd", BASE_IS_MOOF, &[9]), tfdt(0), full(b"trun", 1, &[1, 60])]));
        // More samples than entries, and one without bytes.
        assert!(refused(vec![tfhd(), tfdt(0), full(b"trun", 1 | 0x200, &[2, 60, 5])]));
        assert!(refused(vec![tfhd(), tfdt(0), full(b"trun", 1 | 0x200, &[1, 60, 0])]));
        assert!(refused(vec![tfhd(), tfdt(0), full(b"trun", 1, &[u32::MAX, 60])]));
        assert!(refused(vec![tfhd(), tfdt(0), full(b"trun", 1, &[1, 0x8000_0000])]));
        let late = full(b"tfdt", 1 << 24, &[u32::MAX >> 1, u32::MAX]);
        assert!(refused(vec![tfhd(), late, full(b"trun", 1, &[1, 60])]));
        assert!(parse(&full(b"moov", 0, &[])).is_none());
    }

    #[test]
    fn the_total_of_samples_without_entries_is_limited() {
        let half = u32::try_from(MAX_SAMPLES / 2).unwrap();
        let run = full(b"trun", 1, &[half, 60]);
        let boxes =
            |runs| [vec![full(b"tfhd", BASE_IS_MOOF, &[1]), tfdt(0)], vec![run.clone(); runs]].concat();
        assert!(parse(&moof(&[boxes(2)])).is_some());
        assert!(parse(&moof(&[boxes(3)])).is_none());
    }

    #[test]
    fn damaged_fragments_never_panic() {
        let tfhd = full(b"tfhd", 0x1 | 0x2 | 0x8 | 0x10 | 0x20, &[1, 0, 7, 1, 20, 200, 0]);
        let trun = full(b"trun", 0x1 | 0x4 | 0xf00, &[2, 80, 0, 11, 50, NON_SYNC, 1, 12, 60, 0, 5]);
        let whole = moof(&[vec![tfhd, full(b"tfdt", 1 << 24, &[0, 9]), trun.clone(), trun]]);
        for length in 0..whole.len() {
            parse(&whole[..length]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[length] = value;
                parse(&damaged);
            }
        }
    }

    #[test]
    fn fixtures_agree_with_libavformat() {
        for name in
            ["h264_frag_noindex.mp4", "h264_frag_mfra.mp4", "h264_frag_sidx.mp4", "h264_frag_dash.mp4"]
        {
            let header = &fixture_boxes(name, b"moov")[0].1;
            let movie = Movie::parse(header).unwrap();
            let moofs = fixture_boxes(name, b"moof");
            let mut ends = (0, 0);
            for (number, (offset, bytes)) in moofs.iter().enumerate() {
                let tracks = read_fragment(bytes, *offset, &movie).unwrap();
                let [pictures, sound] = &tracks[..] else { panic!("{name}") };
                assert_eq!((pictures.track_id, pictures.samples.len()), (1, 10));
                let first = pictures.samples[0];
                assert_eq!(first.dts, i64::try_from(number).unwrap() * 10_240);
                assert_eq!((first.offset, first.cts), (offset + bytes.len() as u64 + 8, first.dts + 2048));
                ends = (pictures.end_dts, sound.end_dts);
            }
            assert_eq!((moofs.len(), ends), (7, (71_680, 158_760)), "{name}");
        }
    }
}

//! Movie fragments (`moof`: ISO/IEC 14496-12, 8.8), and the two indexes of them: `sidx` (8.16.3) in front, and `mfra` (8.8.9)
//! at the end.
//!
//! A fragment is read as libavformat reads it (`mov_read_tfhd`, `mov_read_trun`), for it is what comes after. What it would
//! refuse is not understood here either.

use super::boxes::{be16, be32, be64, for_each_box, parse_header};
use super::movie::Movie;
use super::samples::Sample;

/// Track fragments in one fragment, at most.
const MAX_TRACKS: usize = 4096;
/// Samples in one fragment, at most. Where samples differ in nothing, a table of them takes no bytes.
const MAX_SAMPLES: usize = 1 << 20;
/// A `moof` of nothing but its `mfhd`, of 16 bytes.
const LEAST_MOOF_BYTES: u64 = 24;
/// A `moof` larger than this is none, when it is looked for in the middle of a file.
const MOST_MOOF_BYTES: u64 = 64 << 20;

/// A part of the movie, its samples described by itself (ISO/IEC 14496-12, 8.8.4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Of the `moof` in the file.
    pub(super) offset: u64,
    pub(super) moof_bytes: u64,
    /// In the order of the file; a track may come more than once.
    pub(super) tracks: Vec<TrackFragment>,
}

/// One track's part of a fragment (ISO/IEC 14496-12, 8.8.6).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TrackFragment {
    pub(super) track_id: u32,
    /// Decoding time of the first sample, in ticks of the track (`tfdt`).
    pub(super) decode_time: Option<u64>,
    /// In decoding order; without a `tfdt`, times begin at 0. Where offsets of composition times are negative, libavformat's
    /// presentation times are later by the largest of those it has seen so far.
    pub(super) samples: Vec<Sample>,
    /// When the sample that follows is decoded.
    pub(super) end_dts: i64,
}

impl Fragment {
    /// Reads a whole `moof` box that begins at `offset`; `None` when it cannot be understood.
    pub(super) fn parse(moof: &[u8], offset: u64, movie: &Movie<'_>) -> Option<Self> {
        let header = parse_header(moof).filter(|header| &header.kind == b"moof")?;
        let content = moof.get(usize::try_from(header.header_bytes).ok()?..)?;
        let mut reader = Reader {
            movie,
            moof_offset: offset,
            implicit_offset: offset,
            samples_left: MAX_SAMPLES,
            tracks: Vec::new(),
        };
        let mut is_understood = true;
        for_each_box(content, &mut |kind, content| {
            if kind == b"traf" && is_understood {
                is_understood = reader.read_track(content).is_some();
            }
        });
        let moof_bytes = header.size.unwrap_or(moof.len() as u64);
        is_understood.then_some(Self { offset, moof_bytes, tracks: reader.tracks })
    }
}

/// Reads the tracks of a fragment one after the other.
struct Reader<'m> {
    movie: &'m Movie<'m>,
    moof_offset: u64,
    /// Where the data of the next track begin when it does not say: behind those of the one before.
    implicit_offset: u64,
    samples_left: usize,
    tracks: Vec<TrackFragment>,
}

/// What holds for the samples of a track in a fragment, unless they say otherwise.
#[derive(Clone, Copy)]
struct TrackHeader {
    track_id: u32,
    /// What offsets of data count from.
    base: u64,
    duration: u32,
    size: u32,
    flags: u32,
}

impl Reader<'_> {
    fn read_track(&mut self, traf: &[u8]) -> Option<()> {
        let mut header = None;
        let mut track = TrackFragment { track_id: 0, decode_time: None, samples: Vec::new(), end_dts: 0 };
        let mut is_understood = true;
        for_each_box(traf, &mut |kind, content| match kind {
            b"tfhd" => header = self.read_header(content),
            b"tfdt" => {
                track.decode_time = read_decode_time(content);
                let time = track.decode_time.map_or(0, |time| i64::try_from(time).unwrap_or(i64::MAX));
                // It holds for the runs that follow.
                if track.samples.is_empty() {
                    track.end_dts = time;
                }
            }
            b"trun" if is_understood => {
                let run = header.and_then(|header| self.read_run(content, header, &mut track));
                is_understood = run.is_some();
            }
            _ => {}
        });
        let header = header.filter(|_| is_understood)?;
        track.track_id = header.track_id;
        self.tracks.push(track);
        (self.tracks.len() <= MAX_TRACKS).then_some(())
    }

    /// `tfhd` (ISO/IEC 14496-12, 8.8.7): flags, track, then the fields that the flags name.
    fn read_header(&self, tfhd: &[u8]) -> Option<TrackHeader> {
        const BASE_IS_MOOF: u32 = 0x2_0000;
        let mut fields = Fields::new(tfhd)?;
        let track_id = fields.take()?;
        let defaults = self.movie.fragment_defaults(track_id)?;
        // libavformat leaves out a track without a header, data and all.
        let track = self.movie.tracks.iter().find(|track| track.id == track_id)?;
        let base = if fields.has(0x1) {
            u64::from(fields.take()?) << 32 | u64::from(fields.take()?)
        } else if fields.has(BASE_IS_MOOF) {
            self.moof_offset
        } else {
            self.implicit_offset
        };
        // Of a track with one sample description, libavformat leaves out samples that name another.
        let description = fields.take_if(0x2, defaults.description)?;
        if track.is_described_once && description != 1 {
            return None;
        }
        Some(TrackHeader {
            track_id,
            base,
            duration: fields.take_if(0x8, defaults.duration)?,
            size: fields.take_if(0x10, defaults.size)?,
            flags: fields.take_if(0x20, defaults.flags)?,
        })
    }

    /// `trun` (ISO/IEC 14496-12, 8.8.8): flags, count, two fields for the first sample, then the fields of each. A run that
    /// does not say where its data are begins at the base, and not behind the run before: so libavformat has it.
    fn read_run(&mut self, trun: &[u8], header: TrackHeader, track: &mut TrackFragment) -> Option<()> {
        const IS_NON_SYNC: u32 = 0x1_0000;
        const DEPENDS_ON_OTHERS: u32 = 0x100_0000;
        let mut fields = Fields::new(trun)?;
        let count = usize::try_from(fields.take()?).ok()?;
        let data_offset = fields.take_if(0x1, 0)?.cast_signed();
        let first_flags = fields.take_if(0x4, header.flags)?;
        let entry_bytes =
            [0x100, 0x200, 0x400, 0x800].into_iter().filter(|&flag| fields.has(flag)).count() * 4;
        let fits = entry_bytes == 0 || count <= fields.rest().len() / entry_bytes;
        if !fits || count > self.samples_left {
            return None;
        }
        self.samples_left -= count;
        let mut offset = header.base.checked_add_signed(data_offset.into())?;
        track.samples.reserve(count);
        for number in 0..count {
            let duration = fields.take_if(0x100, header.duration)?;
            let size = fields.take_if(0x200, header.size)?;
            let flags = fields.take_if(0x400, if number == 0 { first_flags } else { header.flags })?;
            let ahead = fields.take_if(0x800, 0)?.cast_signed();
            let dts = track.end_dts;
            track.samples.push(Sample {
                offset,
                size,
                dts,
                cts: dts.checked_add(ahead.into())?,
                is_sync: flags & (IS_NON_SYNC | DEPENDS_ON_OTHERS) == 0,
            });
            track.end_dts = dts.checked_add(duration.into())?;
            // libavformat refuses samples without bytes.
            offset = offset.checked_add(size.into()).filter(|_| size > 0)?;
        }
        if count > 0 {
            self.implicit_offset = offset;
        }
        Some(())
    }
}

/// `tfdt` (ISO/IEC 14496-12, 8.8.12).
fn read_decode_time(tfdt: &[u8]) -> Option<u64> {
    if tfdt.first()? == &0 { be32(tfdt, 4).map(u64::from) } else { be64(tfdt, 4) }
}

/// The fields of a box, of which flags say whether they are there (ISO/IEC 14496-12, 4.2.2).
struct Fields<'b> {
    flags: u32,
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Fields<'b> {
    fn new(bytes: &'b [u8]) -> Option<Self> {
        Some(Self { flags: be32(bytes, 0)? & 0xff_ffff, bytes, at: 4 })
    }

    const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn take(&mut self) -> Option<u32> {
        let field = be32(self.bytes, self.at)?;
        self.at += 4;
        Some(field)
    }

    fn take_if(&mut self, flag: u32, otherwise: u32) -> Option<u32> {
        if self.has(flag) { self.take() } else { Some(otherwise) }
    }

    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

/// An index of fragments by time (`sidx`: ISO/IEC 14496-12, 8.16.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SegmentIndex {
    /// The track that times are those of.
    pub(super) track_id: u32,
    /// Ticks in a second.
    pub(super) timescale: u32,
    pub(super) entries: Vec<IndexEntry>,
    /// Behind the last one.
    pub(super) end_offset: u64,
}

/// One fragment, or some in a row, with their media data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// In the file.
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Presentation time of the earliest frame, and length, in ticks.
    pub(super) start: u64,
    pub(super) duration: u32,
}

/// Reads a whole `sidx` box that begins at `offset`; `None` when it cannot be understood, or is an index of indexes.
///
/// Layout: version and flags, track, timescale, earliest time and first offset (of 32 bits each in version 0, of 64 in
/// version 1), 16 bits reserved, count in 16 bits; for each entry a bit that says whether it is an index, size in 31 bits,
/// duration, and 32 bits about random access. Offsets count from the end of the box.
pub(super) fn parse_sidx(sidx: &[u8], offset: u64) -> Option<SegmentIndex> {
    const IS_INDEX: u32 = 1 << 31;
    let header = parse_header(sidx).filter(|header| &header.kind == b"sidx")?;
    let content = sidx.get(usize::try_from(header.header_bytes).ok()?..)?;
    let (track_id, timescale) = (be32(content, 4)?, be32(content, 8)?);
    let (mut start, first_offset, table) = match content.first()? {
        0 => (be32(content, 12)?.into(), be32(content, 16)?.into(), 20),
        1 => (be64(content, 12)?, be64(content, 20)?, 28),
        _ => return None,
    };
    let mut place =
        offset.checked_add(header.size.unwrap_or(sidx.len() as u64))?.checked_add(first_offset)?;
    let count = usize::from(be16(content, table + 2)?);
    if count == 0 || timescale.cast_signed() <= 0 {
        return None;
    }
    let mut entries = Vec::new();
    for number in 0..count {
        let at = table + 4 + number * 12;
        let (size, duration, _) = (be32(content, at)?, be32(content, at + 4)?, be32(content, at + 8)?);
        if size & IS_INDEX != 0 {
            return None;
        }
        entries.push(IndexEntry { offset: place, size, start, duration });
        place = place.checked_add(size.into())?;
        start = start.checked_add(duration.into())?;
    }
    Some(SegmentIndex { track_id, timescale, entries, end_offset: place })
}

/// The entries of a whole `mfra` box: track, presentation time in its ticks, and where the `moof` with a keyframe for it
/// begins.
///
/// Layout of each `tfra` (ISO/IEC 14496-12, 8.8.10): version and flags, track, three lengths less one in the last six bits
/// of 32, count; for each entry time and offset (of 32 bits each in version 0, of 64 in version 1), and three numbers of
/// those lengths.
pub(super) fn parse_mfra(mfra: &[u8]) -> Vec<(u32, u64, u64)> {
    let mut found = Vec::new();
    let content =
        parse_header(mfra).and_then(|header| mfra.get(usize::try_from(header.header_bytes).ok()?..));
    for_each_box(content.unwrap_or_default(), &mut |kind, content| {
        if kind == b"tfra"
            && let (Some(track), Some(lengths), Some(count)) =
                (be32(content, 4), be32(content, 8), be32(content, 12))
        {
            let is_long = content[0] == 1;
            let numbers: u32 = [4, 2, 0].map(|shift| (lengths >> shift & 3) + 1).iter().sum();
            let entry_bytes = if is_long { 16 } else { 8 } + usize::try_from(numbers).unwrap_or(0);
            let entries = content.get(16..).unwrap_or_default().chunks_exact(entry_bytes);
            let entries = entries.take(usize::try_from(count).unwrap_or(usize::MAX));
            let entries = entries.filter_map(|entry| read_time(entry, is_long));
            found.extend(entries.map(|(time, offset)| (track, time, offset)));
        }
    });
    found
}

/// Time and offset at the beginning of an entry of a `tfra`.
fn read_time(entry: &[u8], is_long: bool) -> Option<(u64, u64)> {
    if is_long {
        Some((be64(entry, 0)?, be64(entry, 8)?))
    } else {
        Some((be32(entry, 0)?.into(), be32(entry, 4)?.into()))
    }
}

/// Where the first `moof` begins in the bytes of a file from `window_offset` on, which may begin in the middle of something.
///
/// Media data hold the four letters by chance, but hardly a likely size in front of them and an `mfhd` of its one size
/// behind (ISO/IEC 14496-12, 8.8.5).
pub(super) fn find_moof(window: &[u8], window_offset: u64) -> Option<u64> {
    let names = window.windows(4).enumerate().filter(|(_, name)| name == b"moof");
    let start = names.filter_map(|(at, _)| at.checked_sub(4)).find(|&start| {
        let bytes = &window[start..];
        parse_header(bytes).is_some_and(|header| {
            let child = usize::try_from(header.header_bytes).ok().and_then(|length| bytes.get(length..));
            let child = child.and_then(parse_header);
            header.size.is_some_and(|size| (LEAST_MOOF_BYTES..=MOST_MOOF_BYTES).contains(&size))
                && child.is_some_and(|child| &child.kind == b"mfhd" && child.size == Some(16))
        })
    })?;
    window_offset.checked_add(start as u64)
}

#[cfg(test)]
mod tests {
    use super::super::test_tables::*;
    use super::*;

    const BASE_IS_MOOF: u32 = 0x2_0000;
    const NON_SYNC: u32 = 0x1_0000;

    /// Tracks 1 and 2, with samples of 10 ticks and 100 bytes, none of them keyframes, where fragments say nothing.
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

    fn parse(moof: &[u8]) -> Option<Fragment> {
        Fragment::parse(moof, 5000, &Movie::parse(&movie()).unwrap())
    }

    fn track(boxes: Vec<Vec<u8>>) -> TrackFragment {
        parse(&moof(&[boxes])).unwrap().tracks.remove(0)
    }

    #[test]
    fn defaults_hold_where_nothing_is_said() {
        let found = track(vec![full(b"tfhd", BASE_IS_MOOF, &[1]), full(b"trun", 1, &[2, 60])]);
        assert_eq!((found.track_id, found.decode_time, found.end_dts), (1, None, 20));
        let second = Sample { offset: 5160, size: 100, dts: 10, cts: 10, is_sync: false };
        assert_eq!(found.samples, [Sample { offset: 5060, dts: 0, cts: 0, ..second }, second]);
    }

    #[test]
    fn track_headers_override_defaults() {
        let tfhd = full(b"tfhd", 0x1 | 0x2 | 0x8 | 0x10 | 0x20, &[1, 1, 7, 1, 20, 200, 0]);
        let found = track(vec![tfhd, full(b"tfdt", 0, &[300]), full(b"trun", 0, &[1])]);
        let sample = Sample { offset: (1 << 32) + 7, size: 200, dts: 300, cts: 300, is_sync: true };
        assert_eq!((found.decode_time, found.end_dts, found.samples), (Some(300), 320, vec![sample]));
    }

    #[test]
    fn samples_say_for_themselves() {
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
        let found = track(vec![full(b"tfhd", BASE_IS_MOOF, &[1]), full(b"trun", 0x1 | 0x4, &[3, 80, 0])]);
        assert_eq!(
            found.samples.iter().map(|sample| sample.is_sync).collect::<Vec<_>>(),
            [true, false, false]
        );
    }

    #[test]
    fn data_follow_those_of_the_track_before() {
        let first = vec![full(b"tfhd", 0, &[1]), full(b"trun", 1, &[2, 60])];
        let second = vec![full(b"tfhd", 0, &[2]), full(b"trun", 0, &[1])];
        let found = parse(&moof(&[first, second])).unwrap();
        assert_eq!(found.tracks[0].samples[0].offset, 5060);
        assert_eq!(found.tracks[1].samples[0].offset, 5260);
        assert_eq!((found.offset, found.moof_bytes), (5000, 16 + 8 + 2 * 8 + 2 * 16 + 20 + 16));
    }

    #[test]
    fn runs_follow_each_other_in_time() {
        let runs = [full(b"trun", 1, &[1, 60]), full(b"trun", 1, &[1, 400]), full(b"trun", 0, &[1])];
        let found =
            track([vec![full(b"tfhd", BASE_IS_MOOF, &[1]), full(b"tfdt", 0, &[7])], runs.to_vec()].concat());
        let places: Vec<_> = found.samples.iter().map(|sample| (sample.offset, sample.dts)).collect();
        // The last does not say where its data are.
        assert_eq!(places, [(5060, 7), (5400, 17), (5000, 27)]);
    }

    #[test]
    fn what_libavformat_refuses_is_none() {
        let tfhd = || full(b"tfhd", BASE_IS_MOOF, &[1]);
        let refused = |boxes: Vec<Vec<u8>>| parse(&moof(&[boxes])).is_none();
        assert!(refused(vec![full(b"trun", 1, &[1, 60])]));
        assert!(refused(vec![full(b"tfhd", BASE_IS_MOOF, &[9]), full(b"trun", 1, &[1, 60])]));
        // More samples than there are entries.
        assert!(refused(vec![tfhd(), full(b"trun", 1 | 0x200, &[2, 60, 5])]));
        assert!(refused(vec![tfhd(), full(b"trun", 1 | 0x200, &[1, 60, 0])]));
        assert!(refused(vec![tfhd(), full(b"trun", 1, &[u32::MAX, 60])]));
        assert!(refused(vec![tfhd(), full(b"trun", 1, &[1, 0x8000_0000])]));
        assert!(refused(vec![
            tfhd(),
            full(b"tfdt", 1 << 24, &[u32::MAX, u32::MAX]),
            full(b"trun", 1, &[1, 60])
        ]));
        // A track without a header, but with defaults.
        assert!(refused(vec![full(b"tfhd", BASE_IS_MOOF, &[3]), full(b"trun", 1, &[1, 60])]));
        // Another sample description than the only one.
        assert!(refused(vec![full(b"tfhd", BASE_IS_MOOF | 0x2, &[1, 2]), full(b"trun", 1, &[1, 60])]));
        assert!(parse(&full(b"moov", 0, &[])).is_none());
    }

    #[test]
    fn samples_without_entries_are_bounded_in_all() {
        let half = u32::try_from(MAX_SAMPLES / 2).unwrap();
        let run = full(b"trun", 1, &[half, 60]);
        let boxes = |runs| [vec![full(b"tfhd", BASE_IS_MOOF, &[1])], vec![run.clone(); runs]].concat();
        assert!(parse(&moof(&[boxes(2)])).is_some());
        assert!(parse(&moof(&[boxes(3)])).is_none());
    }

    #[test]
    fn damaged_fragments_do_no_harm() {
        let tfhd = full(b"tfhd", 0x1 | 0x2 | 0x8 | 0x10 | 0x20, &[1, 0, 7, 1, 20, 200, 0]);
        let trun = full(b"trun", 0x1 | 0x4 | 0xf00, &[2, 80, 0, 11, 50, NON_SYNC, 1, 12, 60, 0, 5]);
        let whole = moof(&[vec![tfhd, full(b"tfdt", 1 << 24, &[0, 9]), trun.clone(), trun]]);
        for length in 0..whole.len() {
            parse(&whole[..length]);
            find_moof(&whole[..length], u64::MAX);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[length] = value;
                parse(&damaged);
            }
        }
    }

    #[test]
    fn segment_indexes_are_read() {
        let short = full(b"sidx", 0, &[1, 1000, 40, 8, 2, 500, 100, 0x9000_0000, 600, 120, 0]);
        let found = parse_sidx(&short, 200).unwrap();
        let end = 200 + short.len() as u64 + 8;
        assert_eq!((found.track_id, found.timescale, found.end_offset), (1, 1000, end + 1100));
        let second = IndexEntry { offset: end + 500, size: 600, start: 140, duration: 120 };
        assert_eq!(found.entries, [IndexEntry { offset: end, size: 500, start: 40, duration: 100 }, second]);
        let long = full(b"sidx", 1 << 24, &[1, 1000, 1, 40, 0, 8, 1, 500, 100, 0]);
        let start = parse_sidx(&long, 0).unwrap().entries[0].start;
        assert_eq!(start, (1 << 32) + 40);
        for length in 0..long.len() {
            assert_eq!(parse_sidx(&long[..length], 0), None);
        }
    }

    #[test]
    fn odd_segment_indexes_are_none() {
        let sidx = |head, words: &[u32]| parse_sidx(&full(b"sidx", head, words), 200);
        assert_eq!(sidx(0, &[1, 1000, 0, 0, 1, 1 << 31 | 500, 100, 0]), None);
        assert_eq!(sidx(0, &[1, 0, 0, 0, 1, 500, 100, 0]), None);
        assert_eq!(sidx(0, &[1, 1000, 0, 0, 0, 500, 100, 0]), None);
        assert_eq!(sidx(2 << 24, &[1, 1000, 0, 0, 1, 500, 100, 0]), None);
        assert_eq!(sidx(1 << 24, &[1, 1000, 0, 0, u32::MAX, u32::MAX, 1, 500, 100, 0]), None);
        assert_eq!(sidx(1 << 24, &[1, 1000, u32::MAX, u32::MAX, 0, 0, 1, 500, 100, 0]), None);
    }

    #[test]
    fn random_access_is_read() {
        let word = |word: u32| word.to_be_bytes().to_vec();
        // Numbers of one byte each, then of one, two and four.
        let first = [
            word(0),
            word(1),
            word(0),
            word(2),
            word(40),
            word(5000),
            vec![1; 3],
            word(80),
            word(6000),
            vec![1; 3],
        ];
        let second = [word(1 << 24), word(2), word(0b00_01_11), word(1), vec![1; 23]];
        let mfra = boxed(b"mfra", &[boxed(b"tfra", &first), boxed(b"tfra", &second), full(b"mfro", 0, &[0])]);
        let ones = 0x0101_0101_0101_0101;
        assert_eq!(parse_mfra(&mfra), [(1, 40, 5000), (1, 80, 6000), (2, ones, ones)]);
        for length in 0..mfra.len() {
            parse_mfra(&mfra[..length]);
        }
    }

    #[test]
    fn a_real_fragment_is_told_from_its_letters() {
        let real = moof(&[]);
        let window = [b"xxmoofmfhd".to_vec(), full(b"moof", 0, &[1, 2, 3, 4]), real.clone(), real].concat();
        assert_eq!(find_moof(&window, 1000), Some(1000 + 10 + 28));
        assert_eq!(find_moof(&window[39..], 1039), Some(1000 + 10 + 28 + 24));
        assert_eq!(find_moof(&window[..53], 1000), None);
        assert_eq!(find_moof(b"moof", 0), None);
    }

    #[test]
    fn fixtures_of_fragments_agree_with_libavformat() {
        for name in
            ["h264_frag_noindex.mp4", "h264_frag_mfra.mp4", "h264_frag_sidx.mp4", "h264_frag_dash.mp4"]
        {
            let header = &fixture_boxes(name, b"moov")[0].1;
            let movie = Movie::parse(header).unwrap();
            let moofs = fixture_boxes(name, b"moof");
            let mut ends = (0, 0);
            for (number, (offset, bytes)) in moofs.iter().enumerate() {
                let fragment = Fragment::parse(bytes, *offset, &movie).unwrap();
                let [pictures, sound] = &fragment.tracks[..] else { panic!("{name}") };
                assert_eq!((pictures.track_id, pictures.samples.len()), (1, 10));
                assert_eq!(pictures.decode_time, Some(number as u64 * 10_240));
                assert_eq!(pictures.samples[0].offset, offset + bytes.len() as u64 + 8);
                assert!(pictures.samples[0].cts == pictures.samples[0].dts + 2048);
                ends = (pictures.end_dts, sound.end_dts);
            }
            assert_eq!((moofs.len(), ends), (7, (71_680, 158_760)), "{name}");
        }
    }

    #[test]
    fn fixtures_of_indexes_name_their_fragments() {
        let offsets =
            |name| fixture_boxes(name, b"moof").into_iter().map(|(offset, _)| offset).collect::<Vec<_>>();
        let (at, sidx) = &fixture_boxes("h264_frag_sidx.mp4", b"sidx")[0];
        let index = parse_sidx(sidx, *at).unwrap();
        let named: Vec<u64> = index.entries.iter().map(|entry| entry.offset).collect();
        assert_eq!((named, index.timescale), (offsets("h264_frag_sidx.mp4"), 10_240));
        assert_eq!((index.entries[6].start, index.end_offset), (63_488, 56_990));
        let mfra = parse_mfra(&fixture_boxes("h264_frag_mfra.mp4", b"mfra")[0].1);
        let named: Vec<u64> = mfra.iter().filter(|(id, ..)| *id == 1).map(|(_, _, offset)| *offset).collect();
        assert_eq!(named, offsets("h264_frag_mfra.mp4"));
        assert_eq!((mfra.len(), mfra[6].1), (14, 63_488));
    }
}

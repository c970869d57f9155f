//! The sample tables of a `moov`: which packet of a track lies where, and when it is decoded and shown.
//!
//! Nothing is unpacked: the tables are runs, and stay the bytes they are. [`Samples`] walks them side by side, so that a sample
//! at the beginning costs no more than the ones before it.
//!
//! Times follow libavformat to the tick, also where it departs from the specification, for its timestamps are what the
//! result is compared with: durations that are too large are negative ones (`mov_read_stts`), and an edit list moves the
//! first frame that it shows, not its own media time, to the start (`mov_fix_index`).

use std::borrow::Cow;
use std::ops::Range;

use super::{be32, for_each_box, parse_header};
use crate::media::info::{Ratio, StreamKind};
use crate::media::timeline::{self, Span};

/// Tracks, at most. Files have a few; each costs memory that an empty box of eight bytes does not.
const MAX_TRACKS: usize = 1024;
/// How deep boxes may lie in a track; the sample tables are at depth 3.
const MAX_DEPTH: u32 = 8;
/// Sample descriptions of a track, at most: as many as libavformat takes.
const MAX_DESCRIPTIONS: usize = 1024;
/// Chapter tracks that one track refers to, at most.
const MAX_CHAPTER_TRACKS: usize = 16;
/// Samples looked at for one frame, at most: 19 hours of 60 frames a second. A table of constant sizes declares four billion in
/// twenty bytes.
const MAX_STEPS: u32 = 1 << 22;
/// Byte ranges for one frame, at most: as large as `max_index_entries` ought to be.
const MAX_RANGES: usize = 1 << 20;
/// Durations above this are negative ones, as libavformat takes them (`max_stts_delta`).
const MAX_TICKS: u32 = u32::MAX - 48_000 * 10;
/// libavformat leaves out a track from its first sample of more bytes on.
const MAX_SAMPLE_BYTES: u32 = 0x3fff_ffff;
/// Chapter titles that are read, at most: samples, and bytes in all.
const MAX_CHAPTERS: usize = 256;
const MAX_CHAPTER_BYTES: u64 = 1 << 20;
/// An edit of this media time shows nothing (ISO/IEC 14496-12, 8.6.6.3).
const EMPTY: i64 = -1;

/// One sample of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// In the file.
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Decoding time, in ticks of the track from its first sample on.
    pub(super) dts: i64,
    /// Composition time: the order of presentation, before edits.
    pub(super) cts: i64,
    /// Whether libavformat takes it for a keyframe.
    pub(super) is_sync: bool,
}

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
    fn span(&self) -> (Option<i64>, Option<i64>) {
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

/// One track, its tables still in the bytes of the `moov`.
#[derive(Debug)]
pub(super) struct Track<'b> {
    pub(super) id: u32,
    /// What kind of media it is, such as `vide` (ISO/IEC 14496-12, 8.4.3).
    pub(super) handler: [u8; 4],
    /// Ticks in a second.
    pub(super) timescale: u32,
    /// Tracks that hold the chapters of this one (`tref`, `chap`).
    pub(super) chapters: Vec<u32>,
    /// Name of the first sample description, such as `avc1`; of an encrypted one, what it was before.
    format: [u8; 4],
    /// In pixels, by the sample description or else by the track header.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_enabled: bool,
    /// Length by `mdhd` in ticks.
    duration: Option<i64>,
    /// Content of the edit list.
    elst: &'b [u8],
    edits: EditHandling,
    /// Whether there is one sample description that counts: libavformat passes over samples of others.
    pub(super) is_described_once: bool,
    tables: Tables<'b>,
}

/// What libavformat does with the edit list of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EditHandling {
    /// It keeps the samples that are shown, and moves them.
    Applied,
    /// It moves them only: some samples are in fragments.
    Moved,
    /// Neither: the chunks have room for more samples than there are, which it notices before it comes to edits.
    Ignored,
}

/// One entry of an edit list (ISO/IEC 14496-12, 8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edit {
    /// In ticks of the track.
    duration: i64,
    /// In ticks of the track.
    media_time: i64,
    /// Speed, as 16.16 bits.
    rate: u32,
}

/// An edit list of nothing but empty edits and one of media.
#[derive(Debug, Clone, Copy)]
struct SingleEdit {
    /// Ticks before the media is shown.
    empty: i64,
    /// Composition times that are shown: from, and up to.
    shown: (i64, i64),
}

/// Where libavformat puts the samples of a track on the clock of the presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placement {
    /// Samples in front that it leaves out.
    first: u32,
    /// What it adds to composition times.
    shift: i64,
    /// How far behind the wanted composition time it searches on the decoding times: its `min_corrected_pts`.
    delay: i64,
    /// Composition times of the frames that come out: from, and up to.
    shown: (i64, i64),
}

impl Placement {
    const UNEDITED: Self = Self { first: 0, shift: 0, delay: 0, shown: (i64::MIN, i64::MAX) };
}

impl<'b> Track<'b> {
    fn parse(trak: &'b [u8], movie_timescale: u32) -> Self {
        let mut track = Self {
            id: 0,
            handler: [0; 4],
            timescale: movie_timescale.max(1),
            chapters: Vec::new(),
            format: [0; 4],
            width: 0,
            height: 0,
            is_enabled: false,
            duration: None,
            elst: &[],
            edits: EditHandling::Applied,
            is_described_once: true,
            tables: Tables::default(),
        };
        track.read_boxes(trak, 0);
        track
    }

    fn read_boxes(&mut self, content: &'b [u8], depth: u32) {
        if depth < MAX_DEPTH {
            for_each_box(content, &mut |kind, content| self.read_box(kind, content, depth));
        }
    }

    fn read_box(&mut self, kind: &[u8; 4], content: &'b [u8], depth: u32) {
        match kind {
            b"mdia" | b"minf" | b"stbl" | b"edts" | b"tref" => self.read_boxes(content, depth + 1),
            b"tkhd" => self.read_header(content),
            b"mdhd" => {
                self.timescale = read_timescale(content).unwrap_or(self.timescale);
                self.duration = read_duration(content);
            }
            // QuickTime has a second one, of component type dhlr, that says how data are referred to.
            b"hdlr" if content.get(4..8) != Some(b"dhlr") => {
                if let Some(handler) = content.get(8..12).and_then(|kind| kind.try_into().ok()) {
                    self.handler = handler;
                }
            }
            b"elst" if content.len() >= 8 + edit_bytes(content) => self.elst = content,
            b"chap" => {
                let numbers = (0..MAX_CHAPTER_TRACKS).map_while(|index| be32(content, index * 4));
                self.chapters = numbers.collect();
            }
            b"stsd" => self.read_description(content),
            _ => self.tables.read_box(kind, content),
        }
    }

    /// ISO/IEC 14496-12, 8.3.2; what follows on the times depends on their size.
    fn read_header(&mut self, tkhd: &[u8]) {
        self.is_enabled = be32(tkhd, 0).is_some_and(|flags| flags & 1 != 0);
        let (id, size) = if tkhd.first() == Some(&1) { (20, 88) } else { (12, 76) };
        self.id = be32(tkhd, id).unwrap_or(0);
        // A sample description that came before goes before.
        if self.width == 0 || self.height == 0 {
            self.width = be32(tkhd, size).unwrap_or(0) >> 16;
            self.height = be32(tkhd, size + 4).unwrap_or(0) >> 16;
        }
    }

    /// ISO/IEC 14496-12, 8.5.2 and 12.1.3: the first entry, and its picture size if it is one of pictures.
    fn read_description(&mut self, stsd: &[u8]) {
        let mut formats = Vec::new();
        for_each_box(stsd.get(8..).unwrap_or_default(), &mut |kind, content| {
            if formats.len() < MAX_DESCRIPTIONS {
                formats.push(format_of(kind, content));
            }
        });
        let Some(&(_, format)) = formats.first() else { return };
        self.format = format;
        // libavformat passes over descriptions of another name, and over samples that have one (`mov_skip_multiple_stsd`).
        let is_lenient = matches!(&format, b"jpeg" | b"apcn" | b"apch" | b"dvpp" | b"dvcp" | b"AV1x");
        self.is_described_once = !formats[1..].iter().any(|(name, _)| is_lenient || *name == format);
        let (width, height) = (be16(stsd, 8 + 32).unwrap_or(0), be16(stsd, 8 + 34).unwrap_or(0));
        if &self.handler == b"vide" && width > 0 && height > 0 {
            (self.width, self.height) = (width.into(), height.into());
        }
    }

    /// The samples in decoding order.
    pub(super) fn samples(&self) -> Samples<'_> {
        Samples::new(&self.tables, &self.handler == b"soun")
    }

    /// How many samples the tables declare; none when one of them is missing.
    pub(super) fn sample_count(&self) -> u32 {
        if self.tables.is_broken() { 0 } else { self.tables.sample_count }
    }

    /// The least that composition times are ahead of decoding times; negative when they are behind.
    pub(super) fn min_composition_offset(&self) -> i64 {
        let (mut least, mut covered) = (None, 0_u64);
        for (count, offset) in CompositionOffsets::new(self.tables.ctts).runs {
            if count.cast_signed() > 0 {
                covered += u64::from(count);
                least = Some(least.unwrap_or(i32::MAX).min(offset.cast_signed()));
            }
        }
        // Samples that the table does not reach have none.
        let rest = if covered < u64::from(self.tables.sample_count) { 0 } else { i32::MAX };
        least.unwrap_or(0).min(rest).into()
    }

    /// What is added to composition times to get libavformat's presentation times, both in ticks of the track; `None` when
    /// its edits are more complicated than a delay and one part of the media.
    pub(super) fn presentation_shift(&self, movie_timescale: u32) -> Option<i64> {
        Some(self.placement(movie_timescale)?.shift)
    }

    fn time_base(&self) -> Ratio {
        Ratio { num: 1, den: i32::try_from(self.timescale).unwrap_or(1) }
    }

    /// Media of other kinds are text or data: which of them makes no difference to time.
    const fn kind(&self) -> StreamKind {
        match &self.handler {
            b"vide" => StreamKind::Video,
            b"soun" => StreamKind::Audio,
            _ => StreamKind::Data,
        }
    }

    /// libavformat looks at them in HEVC only.
    fn open_keyframes(&self) -> Option<OpenKeyframes<'_>> {
        let is_hevc = matches!(&self.format, b"hvc1" | b"hev1" | b"dvh1" | b"dvhe");
        if is_hevc { OpenKeyframes::new(&self.tables) } else { None }
    }

    fn has_composition_offsets(&self) -> bool {
        CompositionOffsets::new(self.tables.ctts).next().is_some()
    }

    fn edits(&self, movie_timescale: u32) -> impl Iterator<Item = Edit> + use<'b> {
        let (elst, track_timescale) = (self.elst, self.timescale);
        let is_long = elst.first() == Some(&1);
        // As many as there is room for; libavformat does not go by the count.
        let entries = elst.get(8..).unwrap_or_default().chunks_exact(edit_bytes(elst));
        entries.map_while(move |entry| {
            let (duration, media_time) = if is_long {
                (i64::try_from(be64(entry, 0)?).ok()?, be64(entry, 8)?.cast_signed())
            } else {
                (be32(entry, 0)?.into(), be32(entry, 4)?.cast_signed().into())
            };
            let duration = rescale(duration, track_timescale, movie_timescale);
            Some(Edit { duration, media_time, rate: be32(entry, entry.len() - 4)? })
        })
    }

    /// Ticks of empty edits in front.
    fn empty_ticks(&self, movie_timescale: u32) -> i64 {
        let empty = self.edits(movie_timescale).take_while(|edit| edit.media_time == EMPTY);
        empty.fold(0, |sum, edit| sum.saturating_add(edit.duration))
    }

    /// Where libavformat says that the stream starts, in ticks; `None` when it does not know.
    fn start_ticks(&self, movie_timescale: u32) -> Option<i64> {
        let first = self.samples().next()?;
        if self.edits == EditHandling::Applied && !self.elst.is_empty() {
            return Some(self.empty_ticks(movie_timescale));
        }
        let shift = self.plain_placement(movie_timescale).shift;
        match self.kind() {
            StreamKind::Video => Some(first.cts.saturating_add(shift)),
            // Sound in front of the start is for the decoder only.
            StreamKind::Audio => Some(first.dts.saturating_add(shift).max(0)),
            _ => None,
        }
    }

    /// How long libavformat says that the stream is, in ticks.
    fn duration_ticks(&self, movie_timescale: u32) -> Option<i64> {
        let mut times = SampleTimes::new(self.tables.stts);
        let mut sum = 0_i64;
        while let Some((count, ticks)) = times.next_run() {
            sum = sum.saturating_add(i64::from(count).saturating_mul(ticks.into()));
        }
        let mut duration = self.duration?;
        if sum > 0 {
            duration = duration.min(sum);
        }
        let is_edited = self.edits == EditHandling::Applied && !self.elst.is_empty();
        if is_edited && self.samples().next().is_some() {
            let edits = self.edits(movie_timescale);
            duration = duration.min(edits.fold(0, |sum, edit| sum.saturating_add(edit.duration)));
        }
        Some(duration).filter(|&ticks| ticks > 0)
    }

    fn placement(&self, movie_timescale: u32) -> Option<Placement> {
        if self.is_described_once && self.tables.names_other_descriptions() {
            return None;
        }
        if self.elst.is_empty() || self.edits != EditHandling::Applied {
            return Some(self.plain_placement(movie_timescale));
        }
        let edit = self.single_edit(movie_timescale)?;
        self.edited_placement(&edit)
    }

    /// Without edits that leave out samples: of the list libavformat takes a first empty edit and the media time that
    /// follows (`mov_build_index`).
    fn plain_placement(&self, movie_timescale: u32) -> Placement {
        let mut edits = self.edits(movie_timescale).peekable();
        let empty = edits.next_if(|edit| edit.media_time == EMPTY).map_or(0, |edit| edit.duration);
        let media_time = edits.next().map_or(0, |edit| edit.media_time.max(0));
        if movie_timescale == 0 {
            return Placement::UNEDITED;
        }
        let shift = if self.edits == EditHandling::Ignored { 0 } else { empty.saturating_sub(media_time) };
        Placement { shift, delay: media_time, ..Placement::UNEDITED }
    }

    fn single_edit(&self, movie_timescale: u32) -> Option<SingleEdit> {
        const NORMAL_RATE: u32 = 1 << 16;
        let empty = self.edits(movie_timescale).take_while(|edit| edit.media_time == EMPTY).count();
        let mut others = self.edits(movie_timescale).skip(empty);
        let edit = others.next().filter(|edit| edit.media_time >= 0 && edit.rate == NORMAL_RATE)?;
        let end = edit.media_time.checked_add(edit.duration).filter(|_| movie_timescale > 0)?;
        let single = SingleEdit { empty: self.empty_ticks(movie_timescale), shown: (edit.media_time, end) };
        others.next().is_none().then_some(single)
    }

    /// As `mov_fix_index` moves samples: the first one shown is decoded when the empty edits end, and for video everything
    /// is then moved back until the earliest picture shown is seen at that time.
    fn edited_placement(&self, edit: &SingleEdit) -> Option<Placement> {
        let SingleEdit { empty, shown } = *edit;
        let least = self.min_composition_offset();
        let first = self.first_sample_for(shown.0);
        // When the first sample shown is decoded, and the earliest picture is seen; before that, libavformat says -1.
        let (mut base, mut earliest) = (None, -1_i64);
        let steps = usize::try_from(MAX_STEPS).unwrap_or(usize::MAX);
        for sample in self.samples().take(steps).skip(usize::try_from(first).unwrap_or(usize::MAX)) {
            let bound = sample.dts.saturating_add(least);
            if bound >= shown.1 {
                break;
            }
            if sample.cts < shown.0 || sample.cts >= shown.1 {
                continue;
            }
            let base = *base.get_or_insert(sample.dts);
            let on_clock = |ticks: i64| ticks.saturating_sub(base).saturating_add(empty);
            let pts = on_clock(sample.cts);
            // A negative one is no minimum to libavformat: the next replaces it.
            earliest = if earliest < 0 { pts } else { earliest.min(pts) };
            if earliest >= 0 && on_clock(bound) >= earliest {
                break;
            }
        }
        let delay = earliest.saturating_sub(empty);
        let moved_back = if &self.handler == b"vide" { delay.max(0) } else { 0 };
        Some(Placement { first, shift: empty.saturating_sub(base?).saturating_sub(moved_back), delay, shown })
    }

    /// The number of the sample that libavformat keeps first for an edit: the last keyframe decoded, and seen, at or before
    /// its media time (`find_prev_closest_index`).
    fn first_sample_for(&self, media_time: i64) -> u32 {
        let has_offsets = self.has_composition_offsets();
        let (mut keyframe, mut any) = (None::<(u32, i64)>, (0, i64::MIN));
        for (number, sample) in (0..MAX_STEPS).zip(self.samples()).take_while(|(_, s)| s.dts <= media_time) {
            if sample.is_sync
                && (!has_offsets || sample.cts <= media_time)
                && keyframe.is_none_or(|(_, dts)| dts < sample.dts)
            {
                keyframe = Some((number, sample.dts));
            }
            if sample.dts > any.1 {
                any = (number, sample.dts);
            }
        }
        // With composition times it insists on a keyframe, and else begins with the first sample.
        keyframe.map_or(if has_offsets { 0 } else { any.0 }, |(number, _)| number)
    }

    /// The samples that libavformat reads, and whether each is shown.
    fn placed_samples(&self, placement: &Placement) -> PlacedSamples<'_> {
        let mut samples = self.samples();
        for _ in 0..placement.first.min(MAX_STEPS) {
            samples.next();
        }
        PlacedSamples {
            samples,
            shown: placement.shown,
            // Pictures behind the end of an edit may be seen before it, and the next keyframe too.
            keyframes_left: if self.has_composition_offsets() { 2 } else { 1 },
        }
    }
}

/// The samples of an edit, up to the keyframe with which libavformat stops.
struct PlacedSamples<'t> {
    samples: Samples<'t>,
    shown: (i64, i64),
    keyframes_left: u32,
}

impl Iterator for PlacedSamples<'_> {
    /// A sample, and whether it is shown: others are only decoded.
    type Item = (Sample, bool);

    fn next(&mut self) -> Option<Self::Item> {
        if self.keyframes_left == 0 {
            return None;
        }
        let sample = self.samples.next()?;
        let ticks = self.samples.dts.saturating_sub(sample.dts);
        if sample.is_sync && self.shown.1 < i64::MAX && sample.cts.saturating_add(ticks) >= self.shown.1 {
            self.keyframes_left -= 1;
        }
        Some((sample, (self.shown.0..self.shown.1).contains(&sample.cts)))
    }
}

/// The sample tables (ISO/IEC 14496-12, 8.5 to 8.7): entries of each, as many whole ones as there are bytes for.
#[derive(Debug, Default)]
struct Tables<'b> {
    sample_count: u32,
    sizes: SampleSizes<'b>,
    /// Runs of chunks: first chunk, samples in each, sample description.
    stsc: Cow<'b, [u8]>,
    chunk_offsets: ChunkOffsets<'b>,
    /// Runs of samples: count, ticks.
    stts: &'b [u8],
    /// Runs of samples: count, composition offset.
    ctts: &'b [u8],
    /// Numbers of keyframes from 1 on; without the table, all are.
    stss: Option<&'b [u8]>,
    /// Numbers of further keyframes (QuickTime's partial sync samples).
    stps: &'b [u8],
    /// Runs of samples: count, and whether they are points of random access (sample group `rap `).
    access_points: &'b [u8],
    /// Runs of samples: count, and kind of keyframe (sample group `sync`).
    sync_groups: &'b [u8],
    /// Which of those kinds are keyframes that pictures seen before them may follow.
    open_group: Option<u32>,
}

impl<'b> Tables<'b> {
    fn read_box(&mut self, kind: &[u8; 4], content: &'b [u8]) {
        match kind {
            b"stsz" | b"stz2" => {
                if let Some((count, sizes)) = SampleSizes::read(kind, content) {
                    (self.sample_count, self.sizes) = (count, sizes);
                }
            }
            // Of two, libavformat takes the first.
            b"stsc" if self.stsc.is_empty() => self.stsc = repair_runs(entries(content, 12)),
            b"stco" if self.chunk_offsets.bytes.is_empty() => {
                self.chunk_offsets = ChunkOffsets { bytes: entries(content, 4), is_long: false };
            }
            b"co64" if self.chunk_offsets.bytes.is_empty() => {
                self.chunk_offsets = ChunkOffsets { bytes: entries(content, 8), is_long: true };
            }
            b"stts" => self.stts = entries(content, 8),
            b"ctts" => self.ctts = entries(content, 8),
            b"stss" => self.stss = Some(entries(content, 4)),
            b"stps" => self.stps = entries(content, 4),
            b"sbgp" => self.read_groups(content),
            b"sgpd" if content.get(4..8) == Some(b"sync") => self.open_group = find_open_group(content),
            _ => {}
        }
    }

    /// ISO/IEC 14496-12, 8.9.2: the parameter of version 1 pushes the table back.
    fn read_groups(&mut self, sbgp: &'b [u8]) {
        let start = if sbgp.first() == Some(&1) { 8 } else { 4 };
        let groups = entries(sbgp.get(start..).unwrap_or_default(), 8);
        match sbgp.get(4..8) {
            Some(b"rap ") if !groups.is_empty() => self.access_points = groups,
            Some(b"sync") if !groups.is_empty() => self.sync_groups = groups,
            _ => {}
        }
    }

    /// Whether the chunks have room for more samples than there are.
    fn overrun(&self) -> bool {
        let runs = || self.stsc.chunks_exact(12);
        let firsts = runs().skip(1).map(|run| be32(run, 0)).chain([None]);
        let mut room = 0_u64;
        for (run, next) in runs().zip(firsts) {
            let first = be32(run, 0).map_or(1, u64::from);
            let end = next.map_or_else(|| self.chunk_offsets.count() + 1, u64::from);
            // Chunks in front of the first run belong to it too.
            let first = if room == 0 { 1 } else { first };
            let each = be32(run, 4).map_or(0, u64::from);
            room = room.saturating_add(end.saturating_sub(first).saturating_mul(each));
        }
        room > self.sample_count.into()
    }

    /// Whether samples have another description than the first.
    fn names_other_descriptions(&self) -> bool {
        self.stsc.chunks_exact(12).any(|run| be32(run, 8) != Some(1))
    }

    /// Whether a table is missing without which libavformat reads no sample (`sanity_checks`).
    fn is_broken(&self) -> bool {
        let has_chunks = !self.chunk_offsets.bytes.is_empty();
        let has_samples = self.sample_count > 0;
        (has_chunks && (self.stts.is_empty() || self.stsc.is_empty() || !has_samples))
            || (has_samples && (!has_chunks || self.sizes.is_empty()))
    }
}

/// Which description of sync samples says CRA, the keyframes of HEVC that pictures seen before them may follow (ISO/IEC
/// 14496-12, 8.9.3, and 14496-15, 8.4.4: the type of the NAL units is in the last six bits of the first byte).
fn find_open_group(sgpd: &[u8]) -> Option<u32> {
    const CRA: u8 = 21;
    let version = *sgpd.first()?;
    let (common, mut at) = match version {
        0 => (0, 8),
        1 => (be32(sgpd, 8)?, 12),
        _ => (be32(sgpd, 8)?, 16),
    };
    let count = be32(sgpd, at)?;
    at += 4;
    for number in 1..=count {
        let mut length = common;
        if version >= 1 && common == 0 {
            length = be32(sgpd, at)?;
            at += 4;
        }
        if sgpd.get(at)? & 0x3f == CRA {
            return Some(number);
        }
        at = at.checked_add(usize::try_from(length.max(1)).ok()?)?;
    }
    None
}

/// Entries of `width` bytes behind a FullBox header and their count (ISO/IEC 14496-12, 4.2.2).
fn entries(content: &[u8], width: usize) -> &[u8] {
    let bytes = content.get(8..).unwrap_or_default();
    let declared = be32(content, 4).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let count = declared.min(bytes.len() / width);
    &bytes[..count * width]
}

/// Sizes of samples (ISO/IEC 14496-12, 8.7.3).
#[derive(Debug, Clone, Copy)]
enum SampleSizes<'b> {
    Constant(u32),
    /// `bits` for each.
    Each {
        bits: u8,
        bytes: &'b [u8],
    },
}

impl Default for SampleSizes<'_> {
    fn default() -> Self {
        Self::Each { bits: 32, bytes: &[] }
    }
}

impl<'b> SampleSizes<'b> {
    /// The count, and the sizes.
    fn read(kind: &[u8; 4], content: &'b [u8]) -> Option<(u32, Self)> {
        let count = be32(content, 8)?;
        let bytes = content.get(12..)?;
        let size = be32(content, 4)?;
        match kind {
            b"stsz" if size > 0 => Some((count, Self::Constant(size))),
            b"stsz" => Some((count, Self::Each { bits: 32, bytes })),
            // stz2 has the width of its entries in the last of these four bytes.
            _ => match size.to_be_bytes()[3] {
                bits @ (4 | 8 | 16 | 32) => Some((count, Self::Each { bits, bytes })),
                _ => None,
            },
        }
    }

    const fn is_empty(&self) -> bool {
        matches!(self, Self::Each { bytes, .. } if bytes.is_empty())
    }

    fn get(&self, number: u32) -> Option<u32> {
        let number = usize::try_from(number).ok()?;
        match *self {
            Self::Constant(size) => Some(size),
            Self::Each { bits: 4, bytes } => {
                let both = *bytes.get(number / 2)?;
                Some(u32::from(if number.is_multiple_of(2) { both >> 4 } else { both & 15 }))
            }
            Self::Each { bits: 8, bytes } => bytes.get(number).copied().map(u32::from),
            Self::Each { bits: 16, bytes } => be16(bytes, number.checked_mul(2)?).map(u32::from),
            Self::Each { bytes, .. } => be32(bytes, number.checked_mul(4)?),
        }
    }
}

/// Where chunks begin (ISO/IEC 14496-12, 8.7.5).
#[derive(Debug, Clone, Copy, Default)]
struct ChunkOffsets<'b> {
    bytes: &'b [u8],
    is_long: bool,
}

impl ChunkOffsets<'_> {
    const fn count(&self) -> u64 {
        (self.bytes.len() / if self.is_long { 8 } else { 4 }) as u64
    }

    fn get(&self, number: usize) -> Option<u64> {
        if !self.is_long {
            return be32(self.bytes, number.checked_mul(4)?).map(u64::from);
        }
        // Impossible ones are zero to libavformat.
        let offset = be64(self.bytes, number.checked_mul(8)?)?;
        Some(if i64::try_from(offset).is_ok() { offset } else { 0 })
    }
}

/// Mends runs of chunks whose first chunks do not rise, or that have no samples, as libavformat does (`mov_read_stsc`):
/// from the last to the first, each bad one becomes like the one behind it. Numbers are signed there.
fn repair_runs(stsc: &[u8]) -> Cow<'_, [u8]> {
    let run = |bytes: &[u8], at: usize| {
        let number = |place: usize| be32(bytes, at * 12 + place).map_or(0, u32::cast_signed);
        (number(0), number(4), number(8))
    };
    let least = |at: usize| i32::try_from(at).unwrap_or(i32::MAX).saturating_add(1);
    let mut length = stsc.len() / 12;
    let mut mended: Option<Vec<u8>> = None;
    for at in (0..length).rev() {
        let bytes = mended.as_deref().unwrap_or(stsc);
        let (first, count, description) = run(bytes, at);
        let before = at.checked_sub(1).map(|at| run(bytes, at).0);
        let behind = Some(at + 1).filter(|&at| at < length).map(|at| run(bytes, at));
        let is_good = behind.is_none_or(|(next, ..)| first < next)
            && before.is_none_or(|previous| first > previous)
            && first >= least(at)
            && count >= 1
            && description >= 1;
        if is_good {
            continue;
        }
        let (first, count, description) = match (behind, before) {
            (Some((next, count, description)), _) => (next.saturating_sub(1), count, description),
            (None, Some(_)) if count == 0 => {
                length -= 1;
                continue;
            }
            (None, before) => {
                let first = first.max(least(at));
                let first = before.map_or(first, |before| first.max(before.saturating_add(1)));
                (first, count.max(1), description.max(1))
            }
        };
        let bytes = mended.get_or_insert_with(|| stsc.to_vec());
        for (place, number) in [first, count, description].into_iter().enumerate() {
            let start = at * 12 + place * 4;
            bytes[start..start + 4].copy_from_slice(&number.to_be_bytes());
        }
    }
    match mended {
        Some(mut bytes) => {
            bytes.truncate(length * 12);
            Cow::Owned(bytes)
        }
        None => Cow::Borrowed(&stsc[..length * 12]),
    }
}

/// Walks the tables of a track side by side.
#[derive(Debug)]
pub(super) struct Samples<'t> {
    number: u32,
    count: u32,
    /// Decoding time of the next sample.
    dts: i64,
    sizes: SampleSizes<'t>,
    places: SamplePlaces<'t>,
    times: SampleTimes<'t>,
    offsets: CompositionOffsets<'t>,
    sync: SyncMarks<'t>,
}

impl<'t> Samples<'t> {
    fn new(tables: &'t Tables<'_>, is_sound: bool) -> Self {
        Self {
            number: 0,
            count: if tables.is_broken() { 0 } else { tables.sample_count },
            dts: 0,
            sizes: tables.sizes,
            places: SamplePlaces {
                chunks: tables.chunk_offsets,
                runs: &tables.stsc,
                chunk: 0,
                run: 0,
                left: 0,
                offset: 0,
            },
            times: SampleTimes::new(tables.stts),
            offsets: CompositionOffsets::new(tables.ctts),
            sync: SyncMarks::new(tables, is_sound),
        }
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.number >= self.count {
            return None;
        }
        let size = self.sizes.get(self.number).filter(|&size| size <= MAX_SAMPLE_BYTES)?;
        let offset = self.places.next(size)?;
        let is_sync = self.sync.next(self.number);
        let ahead = self.offsets.next();
        let dts = self.dts;
        self.dts = dts.saturating_add(self.times.next(ahead.is_some()).into());
        self.number += 1;
        Some(Sample { offset, size, dts, cts: dts.saturating_add(ahead.unwrap_or(0).into()), is_sync })
    }
}

/// Where samples lie: one after the other in chunks (ISO/IEC 14496-12, 8.7.4 and 8.7.5).
#[derive(Debug)]
struct SamplePlaces<'t> {
    chunks: ChunkOffsets<'t>,
    runs: &'t [u8],
    /// Chunks begun.
    chunk: usize,
    run: usize,
    /// Samples left in the chunk.
    left: u32,
    /// Where the next one begins.
    offset: u64,
}

impl SamplePlaces<'_> {
    /// Where the next sample begins, if it is of `size`.
    fn next(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            self.offset = self.chunks.get(self.chunk)?;
            self.chunk += 1;
            while be32(self.runs, (self.run + 1) * 12)
                .is_some_and(|first| u64::from(first) == self.chunk as u64)
            {
                self.run += 1;
            }
            self.left = be32(self.runs, self.run * 12 + 4)?;
        }
        self.left -= 1;
        let offset = self.offset;
        self.offset = offset.checked_add(size.into()).filter(|&end| i64::try_from(end).is_ok())?;
        Some(offset)
    }
}

/// Pairs of numbers.
#[derive(Debug, Clone)]
struct Runs<'t>(std::slice::ChunksExact<'t, u8>);

impl Iterator for Runs<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.0.next()?;
        Some((be32(pair, 0)?, be32(pair, 4)?))
    }
}

/// How long samples last (ISO/IEC 14496-12, 8.6.1.2).
#[derive(Debug)]
struct SampleTimes<'t> {
    runs: Runs<'t>,
    left: u32,
    ticks: u32,
    /// Decoding time as reckoned, and as the table has it.
    reckoned: i64,
    stated: i64,
}

impl<'t> SampleTimes<'t> {
    fn new(stts: &'t [u8]) -> Self {
        Self { runs: Runs(stts.chunks_exact(8)), left: 0, ticks: 0, reckoned: 0, stated: 0 }
    }

    /// Ticks of the next sample. Behind the end of the table, libavformat repeats the last entry, unless there is a
    /// composition offset: then it is zero from there on.
    fn next(&mut self, has_offset: bool) -> u32 {
        while self.left == 0 {
            let Some((count, ticks)) = self.next_run() else {
                if has_offset {
                    self.ticks = 0;
                }
                return self.ticks;
            };
            if count > 0 {
                (self.left, self.ticks) = (count, ticks);
            }
        }
        self.left -= 1;
        self.ticks
    }

    /// The next run, corrected as `mov_read_stts` does: absurd durations are negative ones, which it takes for the wish to get
    /// back to an earlier time, and shortens those that follow until it is reached.
    fn next_run(&mut self) -> Option<(u32, u32)> {
        let (count, stated) = self.runs.next()?;
        let many = i64::from(count);
        let mut ticks = stated;
        if stated > MAX_TICKS {
            ticks = 1;
            let back = i64::from(stated.cast_signed());
            self.stated = self.stated.saturating_add((if back < 0 { back } else { 1 }).saturating_mul(many));
        } else {
            self.stated = self.stated.saturating_add(i64::from(stated).saturating_mul(many));
        }
        self.reckoned = self.reckoned.saturating_add(i64::from(ticks).saturating_mul(many));
        if self.reckoned > self.stated {
            let drift = self.reckoned.saturating_sub(self.stated) / many.max(1);
            // At zero this wraps, and makes it one: libavformat's numbers are unsigned too.
            let correction = u32::try_from(drift).ok().filter(|&drift| ticks > drift);
            let correction = correction.unwrap_or_else(|| ticks.wrapping_sub(1));
            self.reckoned = self.reckoned.saturating_sub(i64::from(correction).saturating_mul(many));
            ticks = ticks.wrapping_sub(correction);
        }
        Some((count, ticks))
    }
}

/// How far composition times are ahead of decoding times (ISO/IEC 14496-12, 8.6.1.3). In version 0 they are unsigned, but
/// files have negative ones in it, and libavformat takes them so.
#[derive(Debug)]
struct CompositionOffsets<'t> {
    runs: Runs<'t>,
    left: u32,
    offset: i32,
}

impl<'t> CompositionOffsets<'t> {
    fn new(ctts: &'t [u8]) -> Self {
        Self { runs: Runs(ctts.chunks_exact(8)), left: 0, offset: 0 }
    }

    /// `None` behind the end of the table.
    fn next(&mut self) -> Option<i32> {
        while self.left == 0 {
            let (count, offset) = self.runs.next()?;
            // Counts are signed to libavformat, and negative ones are left out.
            if count.cast_signed() > 0 {
                (self.left, self.offset) = (count, offset.cast_signed());
            }
        }
        self.left -= 1;
        Some(self.offset)
    }
}

/// Which samples are keyframes: those that one of three tables names (ISO/IEC 14496-12, 8.6.2; QuickTime's `stps`; 10.4).
#[derive(Debug)]
struct SyncMarks<'t> {
    stss: Option<Marks<'t>>,
    stps: Marks<'t>,
    access_points: Runs<'t>,
    has_access_points: bool,
    /// The run of them being walked: samples to go, and whether they are.
    run: Option<(u32, bool)>,
    /// What the first sample is called: 1, but 0 where the tables begin with that.
    first_number: u32,
    is_sound: bool,
}

/// Rising numbers of samples.
#[derive(Debug)]
struct Marks<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Marks<'_> {
    const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn starts_above_zero(&self) -> bool {
        be32(self.bytes, 0).is_some_and(|number| number > 0)
    }

    /// Whether `number` is the next; if so, goes on. The last one is never passed.
    fn take(&mut self, number: u32) -> bool {
        let is_next = be32(self.bytes, self.at * 4) == Some(number);
        if is_next && (self.at + 1) * 4 < self.bytes.len() {
            self.at += 1;
        }
        is_next
    }
}

impl<'t> SyncMarks<'t> {
    fn new(tables: &'t Tables<'_>, is_sound: bool) -> Self {
        let stss = tables.stss.map(|bytes| Marks { bytes, at: 0 });
        let stps = Marks { bytes: tables.stps, at: 0 };
        let starts_at_one = stss.as_ref().is_some_and(Marks::starts_above_zero) || stps.starts_above_zero();
        let mut access_points = Runs(tables.access_points.chunks_exact(8));
        let run = access_points.next().map(|(count, group)| (count, group > 0));
        Self {
            stss,
            stps,
            access_points,
            has_access_points: run.is_some(),
            run,
            first_number: starts_at_one.into(),
            is_sound,
        }
    }

    fn next(&mut self, sample: u32) -> bool {
        let number = sample.wrapping_add(self.first_number);
        // An empty table names none, where no table at all names all.
        let names_none = self.stss.as_ref().is_some_and(Marks::is_empty);
        let is_named = self.stss.as_mut().is_none_or(|marks| marks.take(number)) || self.stps.take(number);
        let is_access_point = self.next_access_point();
        // Something has to be a keyframe.
        let is_assumed =
            names_none && self.stps.is_empty() && !self.has_access_points && (self.is_sound || sample == 0);
        is_named || is_access_point || is_assumed
    }

    fn next_access_point(&mut self) -> bool {
        let Some((left, is_access_point)) = &mut self.run else { return false };
        let answer = *is_access_point;
        *left = left.wrapping_sub(1);
        if *left == 0 {
            self.run = self.access_points.next().map(|(count, group)| (count, group > 0));
        }
        answer
    }
}

/// Keyframes that pictures seen before them may follow, numbered as libavformat numbers them: from the first sample that it
/// keeps, although the tables begin with the first there is.
#[derive(Debug)]
struct OpenKeyframes<'t> {
    groups: Runs<'t>,
    open_group: u32,
    left: u32,
    is_open: bool,
    offsets: CompositionOffsets<'t>,
    /// How far libavformat moves decoding times back so that none is behind its presentation time (`dts_shift`).
    dts_shift: i64,
    /// Of all samples, in ticks.
    shortest: i64,
}

impl<'t> OpenKeyframes<'t> {
    fn new(tables: &'t Tables<'_>) -> Option<Self> {
        let open_group = tables.open_group.filter(|_| !tables.sync_groups.is_empty())?;
        // The last two entries do not count (`mov_read_ctts`).
        let counted = (tables.ctts.len() / 8).saturating_sub(2);
        let offsets = Runs(tables.ctts.chunks_exact(8)).take(counted);
        let least = offsets
            .filter(|(count, _)| count.cast_signed() > 0)
            .map(|(_, offset)| offset.cast_signed())
            .min();
        let mut times = SampleTimes::new(tables.stts);
        let shortest = std::iter::from_fn(|| times.next_run()).map(|(_, ticks)| ticks).min();
        Some(Self {
            groups: Runs(tables.sync_groups.chunks_exact(8)),
            open_group,
            left: 0,
            is_open: false,
            offsets: CompositionOffsets::new(tables.ctts),
            dts_shift: i64::from(least.unwrap_or(0)).min(0).saturating_neg(),
            shortest: shortest.unwrap_or(1).into(),
        })
    }

    /// The next sample's composition offset, if it is such a keyframe.
    fn next(&mut self) -> Option<i32> {
        let ahead = self.offsets.next();
        while self.left == 0 {
            let (count, group) = self.groups.next()?;
            (self.left, self.is_open) = (count, group == self.open_group);
        }
        self.left -= 1;
        ahead.filter(|_| self.is_open)
    }
}

/// The packets that lead to a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packets {
    /// One byte range for each, in decoding order, the keyframe first.
    pub(super) ranges: Vec<Range<u64>>,
    /// Where the packet begins that holds the frame.
    pub(super) target: u64,
}

/// The packets from the keyframe to the first frame at or after `at_microseconds` from the start of the movie. When it ends
/// before that, those from the keyframe before half of its duration to its end, and the frame there.
///
/// `None` when the edit list is too complicated, when the frame may be in a fragment, and when there are absurdly many.
pub(super) fn poster_packets(movie: &Movie<'_>, track: &Track<'_>, at_microseconds: i64) -> Option<Packets> {
    let placement = track.placement(movie.timescale)?;
    let (start, duration) = movie.span();
    let start = start.unwrap_or(0);
    let ticks = |microseconds| timeline::to_ticks(microseconds, track.time_base()).unwrap_or(i64::MAX);
    let half = || {
        let end = start.saturating_add(duration?);
        timeline::middle_to_ticks(start, end, track.time_base())
    };
    let goal = |pts: i64| Goal {
        cts: pts.saturating_sub(placement.shift),
        // No keyframe is looked for at the start: libavformat begins with the first sample anyway.
        is_start: pts <= ticks(start),
    };
    let wanted = goal(ticks(start.saturating_add(at_microseconds)));
    // Of fragments that follow, the duration is not known here.
    let ends_before = !movie.is_fragmented && duration.is_some_and(|duration| duration <= at_microseconds);
    if !ends_before {
        let way = Way::to(track, &placement, wanted, false)?;
        if let Some((count, target)) = way.last.target {
            let mut ranges = way.ranges;
            ranges.truncate(count);
            return Some(Packets { ranges, target: target.offset });
        }
        // The video ends early. What was decoded to learn that is behind the half, or it is all there is.
    }
    if movie.is_fragmented {
        return None;
    }
    let way = Way::to(track, &placement, half().map_or(wanted, goal), true)?;
    let target = way.last.target.map(|(_, sample)| sample.offset);
    let target = target.or_else(|| Some(way.ranges.last()?.start))?;
    Some(Packets { ranges: way.ranges, target })
}

/// A time that a frame is looked for at.
#[derive(Clone, Copy)]
struct Goal {
    cts: i64,
    is_start: bool,
}

/// The packets from a keyframe on.
struct Way {
    ranges: Vec<Range<u64>>,
    /// The keyframe before the last one.
    previous: Option<Start>,
    last: Start,
}

/// A keyframe that decoding may begin with.
#[derive(Clone, Copy)]
struct Start {
    /// Its place among the ranges.
    at: usize,
    dts: i64,
    /// When it is seen, if pictures that are seen earlier may follow.
    open: Option<i64>,
    /// How many packets from here on lead to the frame, and the last of them.
    target: Option<(usize, Sample)>,
}

impl Start {
    /// Takes the sample of the last range for the wanted one if none was seen earlier.
    fn offer(&mut self, ranges: usize, sample: Sample) {
        if self.target.is_none_or(|(_, found)| sample.cts < found.cts) {
            self.target = Some((ranges - self.at, sample));
        }
    }
}

impl Way {
    /// To the first frame at or after the goal, or on to the end of the track.
    ///
    /// The keyframe is the last one decoded by the time that libavformat searches for (`mov_seek_stream`); one that is seen
    /// only later would be gone back from.
    fn to(track: &Track<'_>, placement: &Placement, goal: Goal, to_end: bool) -> Option<Self> {
        let least = track.min_composition_offset();
        let searched = goal.cts.saturating_sub(placement.delay);
        let mut open_keyframes = track.open_keyframes();
        let mut way = Self {
            ranges: Vec::new(),
            previous: None,
            last: Start { at: 0, dts: 0, open: None, target: None },
        };
        let mut steps = 0;
        for (sample, is_shown) in track.placed_samples(placement) {
            steps += 1;
            if steps > MAX_STEPS || way.ranges.len() >= MAX_RANGES {
                return None;
            }
            let ahead = open_keyframes.as_mut().and_then(OpenKeyframes::next);
            if sample.is_sync && !goal.is_start && sample.dts <= searched && sample.cts <= goal.cts {
                way.begin_at(sample.dts, ahead.map(|ahead| sample.dts.saturating_add(ahead.into())));
            }
            // None of those that follow is seen earlier than the one found.
            let is_found = |(_, found): (usize, Sample)| sample.dts.saturating_add(least) >= found.cts;
            if !to_end && way.last.target.is_some_and(is_found) {
                break;
            }
            way.ranges.push(sample.byte_range());
            if is_shown && sample.cts >= goal.cts {
                way.last.offer(way.ranges.len(), sample);
                if let Some(previous) = &mut way.previous {
                    previous.offer(way.ranges.len(), sample);
                }
            }
        }
        if let Some(open_keyframes) = &open_keyframes {
            way.go_back(searched, open_keyframes);
        }
        way.ranges.drain(..way.last.at);
        Some(way)
    }

    /// Forgets what came before the last keyframe, for another.
    fn begin_at(&mut self, dts: i64, open: Option<i64>) {
        let next = |at| Start { at, dts, open, target: None };
        if self.ranges.is_empty() {
            self.last = next(0);
            return;
        }
        self.ranges.drain(..self.last.at);
        let previous = std::mem::replace(&mut self.last, next(self.ranges.len()));
        self.last.at = self.ranges.len();
        self.previous = Some(Start { at: 0, ..previous });
    }

    /// Goes back to the keyframe before, where libavformat does (`can_seek_to_key_sample`): from one that is seen after the
    /// time that is searched for, since pictures seen before it may need the one before. It takes steps back of the
    /// shortest sample's length until it comes upon another keyframe, and tries no third.
    fn go_back(&mut self, searched: i64, keyframes: &OpenKeyframes<'_>) {
        let is_seen_after = |open: Option<i64>, time: i64| {
            open.is_some_and(|seen| seen > time.saturating_sub(keyframes.dts_shift))
        };
        let Some(previous) = self.previous.filter(|_| is_seen_after(self.last.open, searched)) else {
            return;
        };
        let step = keyframes.shortest.max(1);
        let steps = (searched.saturating_sub(self.last.dts) / step).saturating_add(1);
        if !is_seen_after(previous.open, searched.saturating_sub(steps.saturating_mul(step))) {
            self.last = previous;
        }
    }
}

impl Sample {
    pub(super) fn byte_range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size.into())
    }
}

/// A packet that holds a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where the packet begins.
    pub(super) offset: u64,
    pub(super) pts: i64,
}

/// The packet that holds the first frame at or after `wanted_pts`, among those from the one at `first_offset` on, whose
/// presentation time is `first_pts`.
///
/// `least_offset` is the least that composition times are ahead of decoding times: it tells when no earlier frame can follow.
pub(super) fn packet_of_frame(
    samples: impl Iterator<Item = Sample>,
    least_offset: i64,
    first_offset: u64,
    first_pts: i64,
    wanted_pts: i64,
) -> Option<Frame> {
    let mut samples = samples.skip_while(|sample| sample.offset != first_offset).peekable();
    let shift = first_pts.checked_sub(samples.peek()?.cts)?;
    let mut found: Option<Frame> = None;
    for sample in samples {
        let earliest = sample.dts.saturating_add(least_offset).saturating_add(shift);
        if found.as_ref().is_some_and(|frame| frame.pts <= earliest) {
            break;
        }
        let pts = sample.cts.saturating_add(shift);
        if pts >= wanted_pts && found.as_ref().is_none_or(|frame| pts < frame.pts) {
            found = Some(Frame { offset: sample.offset, pts });
        }
    }
    found
}

/// Byte ranges in rising order, those merged that are no more than `gap` apart.
pub(super) fn coalesce(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let is_near = next.start.saturating_sub(range.end) <= gap;
        if is_near {
            range.end = range.end.max(next.end);
        }
        is_near
    });
    ranges
}

/// Byte ranges of samples that libavformat reads while it opens the file: time codes, and chapters.
pub(super) fn header_ranges(movie: &Movie<'_>) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for track in &movie.tracks {
        // `mov_read_timecode_track` and `mov_read_rtmd_track`.
        let length = match &track.format {
            b"tmcd" => 4,
            b"rtmd" => 18,
            _ => continue,
        };
        let first = first_sample(movie, track);
        ranges.extend(first.map(|sample| sample.offset..sample.offset.saturating_add(length)));
    }
    // Of several lists of chapter tracks, libavformat keeps the last (`mov_read_chap`).
    let chapters = movie.tracks.iter().rev().find(|track| !track.chapters.is_empty());
    let numbers = chapters.map_or(&[][..], |track| &track.chapters);
    let (mut samples_left, mut bytes_left) = (MAX_CHAPTERS, MAX_CHAPTER_BYTES);
    for number in numbers {
        let Some(track) = movie.tracks.iter().find(|track| track.id == *number) else { continue };
        if &track.handler == b"vide" {
            ranges.extend(first_sample(movie, track).map(|sample| sample.byte_range()));
            continue;
        }
        for sample in track.samples().take(samples_left) {
            let Some(rest) = bytes_left.checked_sub(sample.size.into()) else { break };
            (samples_left, bytes_left) = (samples_left - 1, rest);
            ranges.push(sample.byte_range());
        }
    }
    ranges
}

/// The first sample of libavformat's index.
fn first_sample(movie: &Movie<'_>, track: &Track<'_>) -> Option<Sample> {
    let placement = track.placement(movie.timescale).unwrap_or(Placement::UNEDITED);
    track.placed_samples(&placement).next().map(|(sample, _)| sample)
}

/// The name of a sample description, and that of the format: of an encrypted one, what its `frma` says (ISO/IEC 14496-12,
/// 8.12.2).
fn format_of(kind: &[u8; 4], description: &[u8]) -> ([u8; 4], [u8; 4]) {
    let is_encrypted = matches!(kind, b"encv" | b"enca");
    let names = is_encrypted.then(|| description.windows(4));
    let name = names.and_then(|mut names| names.position(|name| name == b"frma"));
    let format = name.and_then(|at| description.get(at + 4..at + 8)?.try_into().ok());
    (*kind, format.unwrap_or(*kind))
}

/// Of one entry of an edit list.
fn edit_bytes(elst: &[u8]) -> usize {
    if elst.first() == Some(&1) { 20 } else { 12 }
}

/// Ticks in a second of an `mvhd` or `mdhd` (ISO/IEC 14496-12, 8.2.2 and 8.4.2); those that are not positive as a signed
/// number are one.
fn read_timescale(content: &[u8]) -> Option<u32> {
    let at = if content.first() == Some(&1) { 20 } else { 12 };
    let timescale = be32(content, at)?;
    Some(if timescale.cast_signed() > 0 { timescale } else { 1 })
}

/// The length in an `mdhd`; all ones say that it is not known.
fn read_duration(content: &[u8]) -> Option<i64> {
    if content.first() == Some(&1) {
        let ticks = be64(content, 24)?;
        return Some(if ticks == u64::MAX { 0 } else { ticks.cast_signed() });
    }
    let ticks = be32(content, 16)?;
    Some(if ticks == u32::MAX { 0 } else { ticks.into() })
}

/// Ticks of one clock in those of another, to the nearest, halves up (`av_rescale`).
fn rescale(ticks: i64, to: u32, from: u32) -> i64 {
    let (product, from) = (i128::from(ticks) * i128::from(to), i128::from(from.max(1)));
    i64::try_from((product + from / 2).div_euclid(from)).unwrap_or(i64::MAX)
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Boxes for tests.
#[cfg(test)]
pub(super) mod build {
    pub(in crate::media::mp4) fn boxed(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
        let content = parts.concat();
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes(), &kind[..], &content].concat()
    }

    /// A box of version, flags, and 32-bit words.
    pub(in crate::media::mp4) fn full(kind: &[u8; 4], head: u32, words: &[u32]) -> Vec<u8> {
        let words = words.iter().flat_map(|word| word.to_be_bytes());
        boxed(kind, &[head.to_be_bytes().into_iter().chain(words).collect()])
    }

    /// A table of a count and its entries.
    pub(in crate::media::mp4) fn table(kind: &[u8; 4], entry_words: u32, words: &[u32]) -> Vec<u8> {
        let count = u32::try_from(words.len()).unwrap() / entry_words;
        full(kind, 0, &[&[count], words].concat())
    }

    /// Ticks in a second of the movie.
    pub(in crate::media::mp4) fn mvhd(timescale: u32) -> Vec<u8> {
        full(b"mvhd", 0, &[0, 0, timescale, 0])
    }

    pub(in crate::media::mp4) struct TestTrack<'t> {
        pub(in crate::media::mp4) id: u32,
        pub(in crate::media::mp4) handler: &'t [u8; 4],
        pub(in crate::media::mp4) format: &'t [u8; 4],
        pub(in crate::media::mp4) timescale: u32,
        pub(in crate::media::mp4) duration: u32,
        /// Boxes beside `mdia`.
        pub(in crate::media::mp4) others: Vec<Vec<u8>>,
        pub(in crate::media::mp4) tables: Vec<Vec<u8>>,
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
        pub(in crate::media::mp4) fn trak(&self) -> Vec<u8> {
            let tkhd = full(b"tkhd", 1, &[&[0, 0, self.id][..], &[0; 15], &[64 << 16, 48 << 16]].concat());
            let mdhd = full(b"mdhd", 0, &[0, 0, self.timescale, self.duration, 0]);
            let handler = u32::from_be_bytes(*self.handler);
            let hdlr = full(b"hdlr", 0, &[0, handler, 0, 0, 0]);
            let mut entry = vec![0; 78];
            entry[24..28].copy_from_slice(&[0, 160, 0, 120]);
            let stsd = boxed(b"stsd", &[vec![0; 4], vec![0, 0, 0, 1], boxed(self.format, &[entry])]);
            let data_handler =
                full(b"hdlr", 0, &[u32::from_be_bytes(*b"dhlr"), u32::from_be_bytes(*b"alis")]);
            let stbl = boxed(b"stbl", &[vec![stsd], self.tables.clone()].concat());
            let minf = boxed(b"minf", &[data_handler, stbl]);
            let mdia = boxed(b"mdia", &[mdhd, hdlr, minf]);
            boxed(b"trak", &[vec![tkhd], self.others.clone(), vec![mdia]].concat())
        }
    }

    /// Samples of 100 bytes and one tick, three in a chunk of 1000 bytes from offset 1000 on.
    pub(in crate::media::mp4) fn plain_tables(count: u32) -> Vec<Vec<u8>> {
        let chunks: Vec<u32> = (1..=count.div_ceil(3)).map(|number| number * 1000).collect();
        // The last chunk is as full as it has to be: room for more would be damage.
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

    pub(in crate::media::mp4) fn elst(edits: &[[u32; 2]]) -> Vec<u8> {
        let words: Vec<u32> = edits.iter().flat_map(|[duration, time]| [*duration, *time, 1 << 16]).collect();
        boxed(b"edts", &[table(b"elst", 3, &words)])
    }

    pub(in crate::media::mp4) fn moov(parts: &[Vec<u8>]) -> Vec<u8> {
        boxed(b"moov", parts)
    }

    /// The box at the top level of a fixture, and its offset.
    pub(in crate::media::mp4) fn fixture_boxes(name: &str, kind: &[u8; 4]) -> Vec<(u64, Vec<u8>)> {
        let file = std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(header) = crate::media::mp4::parse_header(&file[at..]) {
            let rest = file.len() - at;
            let size = header.size.map_or(rest, |size| usize::try_from(size).unwrap().min(rest));
            if &header.kind == kind {
                found.push((at as u64, file[at..at + size].to_vec()));
            }
            at += size;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::build::*;
    use super::*;

    const NEGATIVE: u32 = u32::MAX;

    /// Replaces or adds tables.
    fn with(mut tables: Vec<Vec<u8>>, more: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        tables.retain(|table| !more.iter().any(|other| other[4..8] == table[4..8]));
        tables.extend(more);
        tables
    }

    fn one_track(track: &TestTrack<'_>) -> Vec<u8> {
        moov(&[mvhd(100), track.trak()])
    }

    fn video(tables: Vec<Vec<u8>>) -> Vec<u8> {
        one_track(&TestTrack { tables, ..TestTrack::default() })
    }

    fn edited(edits: &[[u32; 2]], tables: Vec<Vec<u8>>) -> Vec<u8> {
        one_track(&TestTrack { others: vec![elst(edits)], tables, ..TestTrack::default() })
    }

    fn samples(moov: &[u8]) -> Vec<Sample> {
        Movie::parse(moov).unwrap().tracks[0].samples().collect()
    }

    fn placement(moov: &[u8]) -> Option<Placement> {
        let movie = Movie::parse(moov).unwrap();
        movie.tracks[0].placement(movie.timescale)
    }

    fn shift(moov: &[u8]) -> Option<i64> {
        let movie = Movie::parse(moov).unwrap();
        movie.tracks[0].presentation_shift(movie.timescale)
    }

    fn poster(moov: &[u8], at: i64) -> Option<(u64, usize, u64)> {
        let movie = Movie::parse(moov).unwrap();
        let packets = poster_packets(&movie, &movie.tracks[0], at)?;
        Some((packets.ranges[0].start, packets.ranges.len(), packets.target))
    }

    /// Three pictures in a row shown in the order 1 3 2, keyframes at 0 and 6.
    fn reordered() -> Vec<Vec<u8>> {
        let offsets: Vec<u32> = (0..4).flat_map(|_| [1, 1, 1, 2, 1, 0]).collect();
        with(plain_tables(12), vec![table(b"ctts", 2, &offsets), table(b"stss", 1, &[1, 7])])
    }

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
    fn long_headers_are_read() {
        let tkhd =
            full(b"tkhd", 1 << 24 | 1, &[&[0, 0, 0, 0, 9][..], &[0; 16], &[64 << 16, 48 << 16]].concat());
        let mdhd = full(b"mdhd", 1 << 24, &[0, 0, 0, 0, 90_000, 1, 2]);
        let trak = boxed(b"trak", &[tkhd, boxed(b"mdia", &[mdhd])]);
        let moov = moov(&[full(b"mvhd", 1 << 24, &[0, 0, 0, 0, 48_000, 0, 0]), trak]);
        let movie = Movie::parse(&moov).unwrap();
        let track = &movie.tracks[0];
        assert_eq!((movie.timescale, track.id, track.timescale), (48_000, 9, 90_000));
        assert_eq!((track.width, track.height, track.is_enabled), (64, 48, true));
        assert_eq!(track.duration, Some((1 << 32) + 2));
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

    #[test]
    fn constant_sizes_and_short_chunk_offsets() {
        let found = samples(&video(plain_tables(5)));
        let offsets: Vec<u64> = found.iter().map(|sample| sample.offset).collect();
        assert_eq!(offsets, [1000, 1100, 1200, 2000, 2100]);
        assert!(found.iter().all(|sample| sample.size == 100 && sample.is_sync));
        assert_eq!(found[4], Sample { offset: 2100, size: 100, dts: 4, cts: 4, is_sync: true });
    }

    #[test]
    fn sizes_of_each_width() {
        let sizes = |tables| {
            samples(&video(with(plain_tables(3), tables))).iter().map(|s| s.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(vec![full(b"stsz", 0, &[0, 3, 7, 8, 9])]), [7, 8, 9]);
        let compact = |bits: u32, bytes: &[u8]| {
            let plain =
                plain_tables(3).into_iter().filter(|table| &table[4..8] != b"stsz").collect::<Vec<_>>();
            let head = [0, 0, 0, 0, 0, 0, 0, u8::try_from(bits).unwrap(), 0, 0, 0, 3];
            let stz2 = boxed(b"stz2", &[head.to_vec(), bytes.to_vec()]);
            samples(&video(with(plain, vec![stz2]))).iter().map(|sample| sample.size).collect::<Vec<_>>()
        };
        assert_eq!(compact(4, &[0x12, 0x30]), [1, 2, 3]);
        assert_eq!(compact(8, &[4, 5, 6]), [4, 5, 6]);
        assert_eq!(compact(16, &[1, 0, 0, 2, 0, 3]), [256, 2, 3]);
        assert_eq!(compact(5, &[1, 2, 3]), []);
    }

    #[test]
    fn long_chunk_offsets_and_runs_of_chunks() {
        let co64 = full(b"co64", 0, &[3, 1, 0, 0, 50, NEGATIVE, 0]);
        let tables = plain_tables(6).into_iter().filter(|table| &table[4..8] != b"stco").collect();
        let stsc = table(b"stsc", 3, &[1, 1, 1, 2, 3, 1, 3, 2, 1]);
        let found = samples(&video(with(tables, vec![co64, stsc])));
        let offsets: Vec<u64> = found.iter().map(|sample| sample.offset).collect();
        // What is negative as a signed number counts as zero.
        assert_eq!(offsets, [1 << 32, 50, 150, 250, 0, 100]);
    }

    #[test]
    fn bad_runs_of_chunks_are_mended() {
        let runs = |words: &[u32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let mended = repair_runs(&bytes).into_owned();
            mended.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(runs(&[1, 2, 1, 5, 3, 1]), [1, 2, 1, 5, 3, 1]);
        assert_eq!(runs(&[1, 2, 1, 5, 0, 1]), [1, 2, 1]);
        assert_eq!(runs(&[0, 0, 0]), [1, 1, 1]);
        assert_eq!(runs(&[1, 2, 1, 1, 4, 1, 9, 3, 2]), [1, 2, 1, 8, 3, 2, 9, 3, 2]);
        assert_eq!(runs(&[3, 2, 1, 3, 0, 0]), [3, 2, 1]);
        assert_eq!(runs(&[]), []);
    }

    #[test]
    fn durations_run_and_the_last_repeats() {
        let dts = |stts: &[u32], more: Vec<Vec<u8>>| {
            let tables = with(plain_tables(6), [vec![table(b"stts", 2, stts)], more].concat());
            samples(&video(tables)).iter().map(|sample| sample.dts).collect::<Vec<_>>()
        };
        assert_eq!(dts(&[2, 5, 0, 9, 1, 7], vec![]), [0, 5, 10, 17, 24, 31]);
        // With composition offsets for more samples, the rest last no time.
        assert_eq!(dts(&[2, 5], vec![table(b"ctts", 2, &[6, 1])]), [0, 5, 10, 10, 10, 10]);
        assert_eq!(dts(&[0, 5], vec![]), [0; 6]);
        // A negative duration is made up for by shorter ones.
        assert_eq!(dts(&[2, 100, 1, NEGATIVE - 49, 3, 100], vec![]), [0, 100, 200, 201, 284, 367]);
    }

    #[test]
    fn composition_offsets_are_signed() {
        let ctts = table(b"ctts", 2, &[1, 3, 0, 99, NEGATIVE, 99, 2, NEGATIVE - 1]);
        let moov = video(with(plain_tables(5), vec![ctts]));
        let cts: Vec<i64> = samples(&moov).iter().map(|sample| sample.cts).collect();
        assert_eq!(cts, [3, -1, 0, 3, 4]);
        let movie = Movie::parse(&moov).unwrap();
        assert_eq!(movie.tracks[0].min_composition_offset(), -2);
        let covering = video(with(plain_tables(3), vec![table(b"ctts", 2, &[2, 7, 1, 5])]));
        assert_eq!(Movie::parse(&covering).unwrap().tracks[0].min_composition_offset(), 5);
    }

    #[test]
    fn keyframes_by_each_table() {
        let keyframes = |more: Vec<Vec<u8>>| {
            let found = samples(&video(with(plain_tables(6), more)));
            found.iter().map(|sample| u8::from(sample.is_sync)).collect::<Vec<_>>()
        };
        assert_eq!(keyframes(vec![]), [1; 6]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1, 4])]), [1, 0, 0, 1, 0, 0]);
        // Numbers from 0 on.
        assert_eq!(keyframes(vec![table(b"stss", 1, &[0, 4])]), [1, 0, 0, 0, 1, 0]);
        // Numbers that do not rise stop at the first that does not.
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1, 5, 3, 6])]), [1, 0, 0, 0, 1, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[])]), [1, 0, 0, 0, 0, 0]);
        let partial = table(b"stps", 1, &[3]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1]), partial.clone()]), [1, 0, 1, 0, 0, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[]), partial]), [0, 0, 1, 0, 0, 0]);
        let rap = full(b"sbgp", 0, &[u32::from_be_bytes(*b"rap "), 3, 1, 0, 2, 1, 1, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[6]), rap]), [0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn without_a_table_there_are_no_samples() {
        for missing in [b"stsz", b"stsc", b"stco", b"stts"] {
            let tables = plain_tables(4).into_iter().filter(|table| table[4..8] != missing[..]).collect();
            let moov = video(tables);
            let movie = Movie::parse(&moov).unwrap();
            assert_eq!((movie.tracks[0].samples().count(), movie.tracks[0].sample_count()), (0, 0));
        }
    }

    #[test]
    fn edits_move_what_they_show_to_the_start() {
        let plain = Placement { first: 0, shift: 0, delay: 0, shown: (i64::MIN, i64::MAX) };
        assert_eq!(placement(&video(reordered())), Some(plain));
        // The first picture is seen at 1: the edit says so, or not.
        let shown = |first, shift, delay, shown| Some(Placement { first, shift, delay, shown });
        assert_eq!(placement(&edited(&[[120, 1]], reordered())), shown(0, -1, 1, (1, 13)));
        assert_eq!(placement(&edited(&[[120, 0]], reordered())), shown(0, -1, 1, (0, 12)));
        // Nothing at 0.5 s: one tick is 0.1 s.
        assert_eq!(placement(&edited(&[[50, NEGATIVE], [120, 1]], reordered())), shown(0, 4, 1, (1, 13)));
        assert_eq!(
            placement(&edited(&[[20, NEGATIVE], [30, NEGATIVE], [120, 1]], reordered())),
            shown(0, 4, 1, (1, 13))
        );
        // From the second keyframe on, and from the picture behind it.
        assert_eq!(placement(&edited(&[[60, 7]], reordered())), shown(6, -7, 1, (7, 13)));
        assert_eq!(placement(&edited(&[[60, 8]], reordered())), shown(6, -8, 1, (8, 14)));
    }

    #[test]
    fn complicated_edits_are_none() {
        assert_eq!(shift(&edited(&[[60, 1], [60, 1]], reordered())), None);
        assert_eq!(shift(&edited(&[[60, 1], [60, NEGATIVE]], reordered())), None);
        assert_eq!(shift(&edited(&[[60, NEGATIVE]], reordered())), None);
        assert_eq!(shift(&edited(&[[0, 1]], reordered())), None);
        assert_eq!(shift(&edited(&[[60, NEGATIVE - 4]], reordered())), None);
        let mut slow = edited(&[[60, 1]], reordered());
        let at = slow.windows(4).position(|name| name == b"elst").unwrap();
        slow[at + 4 + 8 + 8 + 1] = 2;
        assert_eq!(shift(&slow), None);
        let track = TestTrack { others: vec![elst(&[[60, 1]])], tables: reordered(), ..TestTrack::default() };
        assert_eq!(shift(&moov(&[track.trak()])), None);
    }

    #[test]
    fn long_edits_are_read() {
        let long = full(b"elst", 1 << 24, &[2, 0, 50, NEGATIVE, NEGATIVE, 1 << 16, 0, 120, 0, 1, 1 << 16]);
        let others = vec![boxed(b"edts", &[long])];
        let track = TestTrack { others, tables: reordered(), ..TestTrack::default() };
        assert_eq!(shift(&one_track(&track)), Some(4));
    }

    #[test]
    fn negative_offsets_do_not_move_the_start() {
        let offsets = table(b"ctts", 2, &[1, 0, 1, 1, 1, NEGATIVE, 3, 0]);
        let tables = with(plain_tables(6), vec![offsets]);
        assert_eq!(placement(&edited(&[[60, 0]], tables)).map(|p| (p.shift, p.delay)), Some((0, 0)));
    }

    #[test]
    fn edits_only_move_when_samples_are_in_fragments() {
        let empty = TestTrack { id: 2, ..TestTrack::default() };
        let edits = elst(&[[50, NEGATIVE], [0, 2]]);
        let track = TestTrack { others: vec![edits], tables: reordered(), ..TestTrack::default() };
        let behind = moov(&[mvhd(100), empty.trak(), track.trak()]);
        let movie = Movie::parse(&behind).unwrap();
        assert_eq!(movie.tracks[1].presentation_shift(movie.timescale), Some(3));
        assert_eq!(movie.tracks[1].start_ticks(movie.timescale), Some(4));
        let in_front = moov(&[mvhd(100), track.trak(), empty.trak()]);
        let movie = Movie::parse(&in_front).unwrap();
        assert_eq!(movie.tracks[0].presentation_shift(movie.timescale), None);
    }

    #[test]
    fn edits_are_ignored_when_chunks_have_too_much_room() {
        let tables = with(reordered(), vec![table(b"stsc", 3, &[1, 3, 1, 4, 4, 1])]);
        let found = placement(&edited(&[[120, 1]], tables));
        assert_eq!(found, Some(Placement { delay: 1, ..Placement::UNEDITED }));
    }

    #[test]
    fn samples_of_passed_over_descriptions_are_not_understood() {
        let tables = || with(reordered(), vec![table(b"stsc", 3, &[1, 3, 1, 4, 3, 2])]);
        assert_eq!(shift(&video(tables())), None);
        let described = |descriptions: &[Vec<u8>]| {
            let stsd = boxed(b"stsd", &[&[vec![0; 8]][..], descriptions].concat());
            shift(&video(with(tables(), vec![stsd])))
        };
        let (plain, other) = (boxed(b"avc1", &[vec![0; 78]]), boxed(b"mp4v", &[vec![0; 78]]));
        let encrypted =
            boxed(b"encv", &[vec![0; 78], boxed(b"sinf", &[boxed(b"frma", &[b"avc1".to_vec()])])]);
        assert_eq!(described(&[plain.clone(), plain.clone()]), Some(0));
        assert_eq!(described(&[plain.clone(), other]), None);
        assert_eq!(described(&[encrypted.clone(), plain.clone()]), Some(0));
        assert_eq!(described(&[plain, encrypted]), None);
    }

    #[test]
    fn poster_packets_begin_at_the_keyframe() {
        let moov = edited(&[[120, 1]], reordered());
        // Decoded at, and shown at: 0 0, 1 2, 2 1, 3 3, 4 5, 5 4, 6 6, 7 8, 8 7, ...; a tick is 0.1 s.
        assert_eq!(poster(&moov, 0), Some((1000, 1, 1000)));
        assert_eq!(poster(&moov, 100_000), Some((1000, 3, 1200)));
        assert_eq!(poster(&moov, 149_999), Some((1000, 3, 1200)));
        assert_eq!(poster(&moov, 150_000), Some((1000, 2, 1100)));
        assert_eq!(poster(&moov, 600_000), Some((3000, 1, 3000)));
        assert_eq!(poster(&moov, 590_000), Some((3000, 1, 3000)));
        assert_eq!(poster(&moov, 700_000), Some((3000, 3, 3200)));
        assert_eq!(poster(&moov, 800_000), Some((3000, 2, 3100)));
    }

    #[test]
    fn the_frame_may_be_stored_behind_later_ones() {
        // Shown at 0, 3, 1, 2, 6, 4, 5.
        let ctts = table(b"ctts", 2, &[1, 0, 1, 2, 2, NEGATIVE, 1, 2, 2, NEGATIVE]);
        let moov = video(with(plain_tables(7), vec![ctts, table(b"stss", 1, &[1])]));
        assert_eq!(poster(&moov, 100_000), Some((1000, 3, 1200)));
        assert_eq!(poster(&moov, 300_000), Some((1000, 2, 1100)));
        let movie = Movie::parse(&moov).unwrap();
        let frame = |wanted| {
            let track = &movie.tracks[0];
            packet_of_frame(track.samples(), track.min_composition_offset(), 1000, 70, wanted)
        };
        assert_eq!(frame(71), Some(Frame { offset: 1200, pts: 71 }));
        assert_eq!(frame(73), Some(Frame { offset: 1100, pts: 73 }));
        assert_eq!(frame(70), Some(Frame { offset: 1000, pts: 70 }));
        assert_eq!(frame(77), None);
        assert_eq!(packet_of_frame(movie.tracks[0].samples(), 0, 999, 0, 0), None);
    }

    #[test]
    fn what_ends_early_is_wanted_from_the_half_on() {
        let track = TestTrack {
            duration: 12,
            others: vec![elst(&[[120, 1]])],
            tables: reordered(),
            ..TestTrack::default()
        };
        let moov = one_track(&track);
        // The half of 1.2 s is where the second keyframe is.
        assert_eq!(poster(&moov, 5_000_000), Some((3000, 6, 3000)));
        assert_eq!(poster(&moov, i64::MAX), Some((3000, 6, 3000)));
        // Sound goes on for longer than pictures.
        let audio = TestTrack {
            id: 2,
            handler: b"soun",
            duration: 40,
            tables: with(plain_tables(40), vec![]),
            ..TestTrack::default()
        };
        let longer = build::moov(&[mvhd(100), track.trak(), audio.trak()]);
        assert_eq!(poster(&longer, 3_000_000), Some((3000, 6, 4200)));
    }

    #[test]
    fn the_start_is_that_of_the_earliest_track() {
        let tables = with(plain_tables(12), vec![]);
        let late = TestTrack {
            others: vec![elst(&[[50, NEGATIVE], [120, 0]])],
            tables: tables.clone(),
            ..TestTrack::default()
        };
        let audio = TestTrack { id: 2, handler: b"soun", tables: tables.clone(), ..TestTrack::default() };
        let alone = one_track(&late);
        assert_eq!(poster(&alone, 200_000), Some((1200, 1, 1200)));
        let both = moov(&[mvhd(100), late.trak(), audio.trak()]);
        assert_eq!(poster(&both, 200_000), Some((1000, 1, 1000)));
        assert_eq!(poster(&both, 700_000), Some((1200, 1, 1200)));
        let text = TestTrack {
            id: 3,
            handler: b"text",
            others: vec![elst(&[[120, 0]])],
            tables,
            ..TestTrack::default()
        };
        let with_text = moov(&[mvhd(100), late.trak(), text.trak()]);
        assert_eq!(poster(&with_text, 700_000), Some((1200, 1, 1200)));
    }

    #[test]
    fn frames_in_fragments_are_not_guessed() {
        let track = TestTrack { tables: plain_tables(6), ..TestTrack::default() };
        let moov = moov(&[mvhd(100), track.trak(), boxed(b"mvex", &[])]);
        assert_eq!(poster(&moov, 200_000), Some((1200, 1, 1200)));
        assert_eq!(poster(&moov, 5_000_000), None);
    }

    #[test]
    fn open_keyframes_of_hevc_need_the_one_before() {
        let offsets = table(b"ctts", 2, &[12, 2]);
        let sgpd = full(b"sgpd", 1 << 24, &[u32::from_be_bytes(*b"sync"), 1, 2, 20 << 24 | 21 << 16]);
        let sbgp = full(b"sbgp", 0, &[u32::from_be_bytes(*b"sync"), 2, 6, 1, 6, 2]);
        let tables = with(plain_tables(12), vec![offsets, table(b"stss", 1, &[1, 7]), sgpd, sbgp]);
        let track =
            TestTrack { format: b"hvc1", others: vec![elst(&[[120, 2]])], tables, ..TestTrack::default() };
        let moov = one_track(&track);
        // The second keyframe, decoded at 6, is seen at 6: what is searched for is two ticks earlier.
        assert_eq!(poster(&moov, 700_000), Some((1000, 8, 3100)));
        assert_eq!(poster(&moov, 800_000), Some((3000, 3, 3200)));
        let other = TestTrack { format: b"avc1", ..track };
        assert_eq!(poster(&one_track(&other), 700_000), Some((3000, 2, 3100)));
    }

    #[test]
    fn absurd_counts_cost_nothing() {
        let bomb = |stsc: &[u32]| {
            let more = vec![
                full(b"stsz", 0, &[1, u32::MAX]),
                table(b"stsc", 3, stsc),
                table(b"stts", 2, &[u32::MAX, 1]),
                table(b"stss", 1, &[1]),
            ];
            video(with(plain_tables(3), more))
        };
        assert_eq!(poster(&bomb(&[1, u32::MAX >> 1, 1]), 1_000_000_000_000), None);
        assert_eq!(poster(&bomb(&[1, u32::MAX >> 1, 1]), 1_000_000).map(|(_, count, _)| count), Some(11));
        let numbers: Vec<u32> = (0..200_000).flat_map(|_| [0, 0]).collect();
        let empty_runs =
            video(with(plain_tables(3), vec![table(b"stts", 2, &numbers), table(b"ctts", 2, &numbers)]));
        assert_eq!(samples(&empty_runs).len(), 3);
    }

    #[test]
    fn sizes_and_offsets_out_of_bounds_end_the_track() {
        let large = full(b"stsz", 0, &[0, 3, 10, MAX_SAMPLE_BYTES + 1, 10]);
        assert_eq!(samples(&video(with(plain_tables(3), vec![large]))).len(), 1);
        let tables: Vec<_> = plain_tables(3).into_iter().filter(|table| &table[4..8] != b"stco").collect();
        let far = full(b"co64", 0, &[1, i32::MAX.cast_unsigned(), u32::MAX - 150]);
        assert_eq!(samples(&video(with(tables, vec![far]))).len(), 1);
    }

    #[test]
    fn ranges_merge_over_gaps() {
        let ranges = || vec![50..60, 0..10, 12..20, 5..8, 30..30];
        assert_eq!(coalesce(ranges(), 0), [0..10, 12..20, 50..60]);
        assert_eq!(coalesce(ranges(), 2), [0..20, 50..60]);
        assert_eq!(coalesce(ranges(), 29), [0..20, 50..60]);
        assert_eq!(coalesce(ranges(), 30), std::iter::once(0..60).collect::<Vec<_>>());
        assert_eq!(coalesce(vec![], 30), []);
    }

    #[test]
    fn time_codes_and_chapters_are_read_with_the_header() {
        let chapters = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9]])]);
        let tables = plain_tables(3);
        let video = TestTrack { others: vec![chapters], tables: tables.clone(), ..TestTrack::default() };
        let text = TestTrack {
            id: 2,
            handler: b"text",
            format: b"text",
            tables: plain_tables(300),
            ..TestTrack::default()
        };
        let stills = TestTrack { id: 3, format: b"jpeg", tables: tables.clone(), ..TestTrack::default() };
        let code = TestTrack { id: 4, handler: b"tmcd", format: b"tmcd", tables, ..TestTrack::default() };
        let moov = moov(&[mvhd(100), video.trak(), text.trak(), stills.trak(), code.trak()]);
        let ranges = header_ranges(&Movie::parse(&moov).unwrap());
        assert_eq!(ranges.len(), 1 + MAX_CHAPTERS + 1);
        assert_eq!((&ranges[0], &ranges[1], &ranges[2]), (&(1000..1004), &(1000..1100), &(1100..1200)));
        assert_eq!(ranges[1 + MAX_CHAPTERS], 1000..1100);
    }

    #[test]
    fn truncated_and_damaged_headers_do_no_harm() {
        let chapters = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 1]])]);
        let others = vec![chapters, elst(&[[50, NEGATIVE], [120, 1]])];
        let sgpd = full(b"sgpd", 1 << 24, &[u32::from_be_bytes(*b"sync"), 0, 1, 1, 21 << 24]);
        let sbgp = full(b"sbgp", 1 << 24, &[u32::from_be_bytes(*b"sync"), 0, 1, 12, 1]);
        let tables = with(reordered(), vec![sgpd, sbgp, table(b"stps", 1, &[2])]);
        let track = TestTrack { format: b"hvc1", others, tables, ..TestTrack::default() };
        let mvex = boxed(b"mvex", &[full(b"mehd", 0, &[77]), full(b"trex", 0, &[2, 1, 5, 6, 7])]);
        let whole = moov(&[mvhd(100), track.trak(), mvex]);
        let exercise = |bytes: &[u8]| {
            if let Some(movie) = Movie::parse(bytes) {
                header_ranges(&movie);
                for track in &movie.tracks {
                    track.presentation_shift(movie.timescale);
                    for at in [i64::MIN, 0, 700_000, i64::MAX] {
                        poster_packets(&movie, track, at);
                    }
                }
            }
        };
        for length in 0..whole.len() {
            exercise(&whole[..length]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[length] = value;
                exercise(&damaged);
            }
        }
    }

    #[test]
    fn boxes_nested_too_deeply_are_left() {
        let nested = (0..100_000).fold(Vec::new(), |inner: Vec<u8>, depth| {
            // Sizes that do not fit end with the box around.
            let size = u32::try_from((depth + 1) * 8).unwrap();
            [&size.to_be_bytes()[..], b"mdia", &inner[..inner.len().min(64)]].concat()
        });
        let mut deep = b"\0\0\0\0mdia".repeat(100_000);
        deep.extend(nested);
        assert_eq!(Movie::parse(&moov(&[boxed(b"trak", &[deep])])).unwrap().tracks[0].sample_count(), 0);
    }

    /// Track timescale and shift, then for 5 s and for a time behind the end: first packet, count, and target. What
    /// libavformat 9.0.2 reads when it seeks there.
    type Truth = (&'static str, i64, (u64, usize, u64), (u64, usize, u64));
    const TRUTH: [Truth; 7] = [
        ("h264_front.mp4", -2048, (22338, 22, 37631), (22338, 40, 27683)),
        ("edit_list.mp4", -17408, (26225, 4, 29082), (12458, 55, 22970)),
        ("edit_empty.mp4", 8192, (18835, 9, 25304), (18835, 40, 18835)),
        ("negative_cts.mp4", 0, (12462, 22, 23003), (12462, 40, 16500)),
        ("open_gop_hevc.mp4", -2048, (18611, 19, 32789), (18611, 37, 22657)),
        ("vvc.mp4", -5120, (14826, 13, 19898), (8667, 46, 12907)),
        ("vfr.mp4", -280, (48, 41, 18503), (48, 55, 13509)),
    ];

    #[test]
    fn fixtures_agree_with_libavformat() {
        for (name, expected_shift, at_five, at_half) in TRUTH {
            let moov = &fixture_boxes(name, b"moov")[0].1;
            assert_eq!(shift(moov), Some(expected_shift), "{name}");
            assert_eq!(poster(moov, 5_000_000), Some(at_five), "{name}");
            assert_eq!(poster(moov, 60_000_000), Some(at_half), "{name}");
            let movie = Movie::parse(moov).unwrap();
            let track = &movie.tracks[0];
            let first = track.samples().next().unwrap();
            let (pts, wanted) = (first.cts + expected_shift, 5 * i64::from(track.timescale));
            let least = track.min_composition_offset();
            let frame = packet_of_frame(track.samples(), least, first.offset, pts, wanted).unwrap();
            assert_eq!(frame.offset, at_five.2, "{name}");
        }
    }
}

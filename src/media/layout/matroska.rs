//! Matroska and WebM (RFC 9559, over EBML).
//!
//! The first kilobytes hold the `SeekHead`, which names the place of the `Cues`, the file's index, and the tracks. The headers of
//! the first blocks show when each track begins: libav would read whole pictures for that. The cues name the cluster with the
//! keyframe before the wanted time; the planner estimates how far into the distance to the next keyframe the frame lies. The head of
//! a keyframe's block shows its length.

use std::time::Duration;

use crate::frame_request::Pick;
use crate::source::ByteRange;

use super::ebml::{Element, big_endian, element, elements, number_of, vint};
use super::gop::{Manner, rank};
use super::metadata::{CHAPTERS, Metadata, TAGS};
use super::planner::{Pause, Plan, Planner};
use crate::limits::Limit;
use crate::media::seen::Seen;

/// Bytes looked at first.
const HEAD_BYTES: u64 = 64 << 10;
/// The planner requests the cues and other elements behind the clusters up to this size before it knows their sizes. A film of
/// two hours has 150 KiB of cues.
const MAX_TRAILER: u64 = 1 << 20;
/// Cues larger than this are left to libav. 60,000 keyframes of lossless video take 2 MiB.
const MAX_CUES: u64 = 32 << 20;
/// Elements at the top level in front of the first cluster, at most.
const MAX_ELEMENTS: u32 = 4096;
/// The longest element in front of the first cluster that is read.
const MAX_HEAD_ELEMENT: u64 = 4 << 20;
/// Cues whose times are before those of others in front of them, at most.
const MAX_FALLING_CUES: u32 = 1000;
/// The head of an element: an identifier of four bytes and a size of eight.
const ELEMENT_HEAD: u64 = 12;
/// The work of an element, and of an entry of the cues.
const ELEMENT_WORK: u64 = 16;
const CUE_WORK: u64 = 64;
/// Entries of all seek heads, at most.
const MAX_SEEKS: usize = 64;
/// Blocks looked at to learn when tracks begin, at most.
const MAX_BLOCKS: u32 = 64;
/// Bytes requested at the place of the first block that is not in the head: the first blocks of picture and sound follow each
/// other closely.
const BLOCK_WINDOW: u64 = 64 << 10;
/// Bytes requested behind the estimated place of the wanted frame: a search reads some frames more to know that none before
/// it follows.
const BEHIND_ESTIMATE: u64 = 48 << 10;
/// The head of an element and of a block in it.
const BLOCK_HEAD: u64 = 64;

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const TRACK_TYPE: u32 = 0x83;
const FLAG_DEFAULT: u32 = 0x88;
const TRACK_TIMESTAMP_SCALE: u32 = 0x23_314f;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const CUES: u32 = 0x1c53_bb6b;
const CUE_POINT: u32 = 0xbb;
const CUE_TIME: u32 = 0xb3;
const CUE_TRACK_POSITIONS: u32 = 0xb7;
const CUE_TRACK: u32 = 0xf7;
const CUE_CLUSTER_POSITION: u32 = 0xf1;
const CUE_RELATIVE_POSITION: u32 = 0xf0;

/// Track types (RFC 9559, 5.1.4.1.3).
const TYPE_VIDEO: u64 = 1;
const TYPE_AUDIO: u64 = 2;
const TYPE_SUBTITLE: u64 = 17;
const TYPE_METADATA: u64 = 33;

/// The planner for one file.
#[derive(Debug)]
pub(super) struct Matroska {
    /// The time that a frame is wanted at, from the start.
    at: Option<Duration>,
    pub(super) manner: Manner,
    /// What has been read of the elements in front of the first cluster, and whether that is all.
    head: Option<Head>,
    is_whole: bool,
    metadata: Metadata,
    /// Elements that the seek head names of which the metadata have been looked at.
    looked_at: usize,
    /// Whether the times of the cues are known to rise.
    has_sound_cues: bool,
    /// What was found to be hidden, and not taken yet.
    hidden: Vec<ByteRange>,
    /// Whether the file is known to have no cues, after a frame was planned for.
    pub(super) has_no_cues: bool,
    /// Whether the cues led to the frame.
    pub(super) has_plan: bool,
}

/// What stands in front of the first cluster.
#[derive(Debug)]
struct Head {
    /// Positions count from here.
    segment: u64,
    /// Nanoseconds of a tick; not 0.
    timestamp_scale: u64,
    duration: Option<Duration>,
    tracks: Vec<Track>,
    /// Elements that the seek head names: identifier and place.
    named: Vec<(u32, u64)>,
    /// Where the next element in front of the first cluster begins, and how many came before.
    next: u64,
    elements: u32,
    first_cluster: u64,
    blocks: Blocks,
}

#[derive(Debug)]
struct Track {
    number: u64,
    kind: u64,
    rank: u64,
    /// First presentation time in ticks, and bytes of the first block.
    start: Option<i64>,
    first_bytes: u64,
}

/// The walk over the heads of the first blocks.
#[derive(Debug, Default)]
struct Blocks {
    /// Where the next element begins; `None` when the walk has ended.
    at: Option<u64>,
    count: u32,
    /// Time of the cluster, in ticks.
    cluster_time: Option<u64>,
    /// Whether what follows was requested beside the first block behind the head.
    has_asked: bool,
}

/// One entry of the cues.
#[derive(Debug, Clone, Copy)]
struct Cue {
    /// In ticks.
    time: u64,
    /// About where its block begins.
    offset: u64,
    /// Where its cluster begins, at which libav starts to read.
    cluster: u64,
    /// How far behind the start of the cluster's content its block begins.
    relative: Option<u64>,
}

/// Whether a file begins like one of this family.
pub(super) fn is_matroska(start: &[u8]) -> bool {
    start.starts_with(&EBML.to_be_bytes())
}

impl Planner for Matroska {
    fn step(&mut self, seen: &Seen) -> Result<Plan, Pause> {
        self.read_head(seen)?;
        let Some(head) = &mut self.head else { return Err(Pause::Unknown) };
        head.read_starts(seen, self.at.is_some())?;
        let Some(at) = self.at else {
            self.look_at_metadata(seen)?;
            let ranges = self.head.as_ref().map_or_else(Vec::new, |head| head.trailers(seen.size(), false));
            return Ok(Plan { ranges, only: false });
        };
        let mut cues = head.read_cues(seen)?;
        if let Some(falling) =
            cues.filter(|_| !self.has_sound_cues).map(|cues| falls(seen, cues)).transpose()?
        {
            self.has_sound_cues = !falling;
            if falling {
                // libavformat would move the index for each of them.
                self.hidden.extend(head.cues_range(seen));
                cues = Some(&[]);
            }
        }
        self.has_no_cues = cues.is_some();
        for (id, _) in cues.into_iter().flat_map(elements) {
            seen.spend(ELEMENT_WORK)?;
            if id == CUE_POINT {
                self.has_no_cues = false;
                break;
            }
        }
        let (manner, only) = (self.manner, self.manner.pick == Pick::Keyframe);
        let ranges = match head.main_track().zip(cues) {
            Some((track, cues)) if only => head.keyframe_ranges(seen, cues, track, at, manner)?,
            Some((track, cues)) => head.frame_ranges(seen, cues, track, at, manner)?,
            None => Vec::new(),
        };
        self.has_plan = !ranges.is_empty();
        self.look_at_metadata(seen)?;
        Ok(Plan { ranges, only: only && self.has_plan })
    }

    fn take_hidden(&mut self) -> Vec<ByteRange> {
        std::mem::take(&mut self.hidden)
    }
}

impl Matroska {
    /// Begins with opening the file, and with the frame at `at` if one is wanted.
    pub(super) fn new(at: Option<Duration>) -> Self {
        Self {
            at,
            manner: Manner::default(),
            head: None,
            is_whole: false,
            metadata: Metadata::default(),
            looked_at: 0,
            has_sound_cues: false,
            hidden: Vec::new(),
            has_no_cues: false,
            has_plan: false,
        }
    }

    /// Walks the elements in front of the first cluster.
    fn read_head(&mut self, seen: &Seen) -> Result<(), Pause> {
        let bytes = seen.bytes(0, HEAD_BYTES).map_err(Pause::kept)?;
        if self.head.is_none() {
            self.head = Some(Head::new(bytes).ok_or(Pause::Unknown)?);
        }
        let Some(head) = &mut self.head else { return Err(Pause::Unknown) };
        while !self.is_whole {
            seen.spend(ELEMENT_WORK)?;
            let at = head.next;
            let found = element(seen.bytes(at, ELEMENT_HEAD)?, 0).ok_or(Pause::Unknown)?;
            if found.id == CLUSTER {
                (head.first_cluster, head.blocks.at) = (at, Some(at));
                self.is_whole = true;
                break;
            }
            if head.elements >= MAX_ELEMENTS {
                return Err(Pause::Limit { limit: Limit::MaxBoxes, allowed: MAX_ELEMENTS.into() });
            }
            if matches!(found.id, SEEK_HEAD | INFO | TRACKS) {
                let size = found.size.filter(|&size| size <= MAX_HEAD_ELEMENT).ok_or(Pause::Unknown)?;
                let content = seen.bytes(at.saturating_add(found.content), size)?;
                seen.spend(size)?;
                if content.len() as u64 != size {
                    return Err(Pause::Unknown);
                }
                head.take(seen, found.id, content)?;
            }
            self.hidden.extend(self.metadata.hidden(seen, at, &found)?);
            let end = found.end().and_then(|length| at.checked_add(length));
            (head.next, head.elements) = (end.ok_or(Pause::Unknown)?, head.elements.saturating_add(1));
        }
        if head.tracks.is_empty() { Err(Pause::Unknown) } else { Ok(()) }
    }

    /// Looks at the metadata behind the clusters, as far as seek heads name it. libavformat reads it when it opens the file.
    fn look_at_metadata(&mut self, seen: &Seen) -> Result<(), Pause> {
        let Some(head) = &mut self.head else { return Ok(()) };
        while let Some(&(id, start)) = head.named.get(self.looked_at) {
            let is_new = !head.named.iter().take(self.looked_at).any(|(_, other)| *other == start);
            if is_new && start > head.first_cluster && matches!(id, TAGS | CHAPTERS | SEEK_HEAD) {
                let soon = head.trailers(seen.size(), false);
                let found = element(seen.bytes_beside(start, ELEMENT_HEAD, &soon)?, 0);
                if let Some(found) = found.filter(|found| found.id == id) {
                    let size = found.size.filter(|&size| id == SEEK_HEAD && size <= MAX_HEAD_ELEMENT);
                    if let Some(size) = size {
                        head.take_seek_head(seen.bytes(start.saturating_add(found.content), size)?);
                    }
                    self.hidden.extend(self.metadata.hidden(seen, start, &found)?);
                }
            }
            self.looked_at = self.looked_at.saturating_add(1);
        }
        Ok(())
    }

    /// Plans for another time.
    pub(super) const fn aim(&mut self, at: Duration) {
        self.at = Some(at);
    }

    /// Whether libavformat can have made this many streams of the file: one of each track, and one of each cover picture.
    pub(super) fn has_streams(&self, streams: usize) -> bool {
        self.head.as_ref().is_some_and(|head| streams >= head.tracks.len())
    }

    /// Returns the first presentation time of a stream in its ticks, if its first block was seen.
    pub(super) fn stream_start(&self, stream: usize) -> Option<i64> {
        self.head.as_ref()?.tracks.get(stream)?.start
    }
}

impl Head {
    /// Begins with the head of the segment.
    fn new(bytes: &[u8]) -> Option<Self> {
        let segment = element(bytes, element(bytes, 0)?.end()?).filter(|element| element.id == SEGMENT)?;
        Some(Self {
            segment: segment.content,
            timestamp_scale: 1_000_000,
            duration: None,
            tracks: Vec::new(),
            named: Vec::new(),
            next: segment.content,
            elements: 0,
            first_cluster: 0,
            blocks: Blocks::default(),
        })
    }

    /// Takes what an element in front of the first cluster says.
    fn take(&mut self, seen: &Seen, id: u32, content: &[u8]) -> Result<(), Pause> {
        match id {
            SEEK_HEAD => self.take_seek_head(content),
            INFO => self.read_info(content),
            TRACKS => self.tracks = tracks(seen, content)?,
            _ => {}
        }
        Ok(())
    }

    fn take_seek_head(&mut self, content: &[u8]) {
        let room = MAX_SEEKS.saturating_sub(self.named.len());
        self.named.extend(seek_head(content, self.segment).into_iter().take(room));
    }

    fn read_info(&mut self, info: &[u8]) {
        let scale = number_of(info, TIMESTAMP_SCALE).filter(|&scale| scale > 0);
        self.timestamp_scale = scale.unwrap_or(self.timestamp_scale);
        let ticks = elements(info).find(|(id, _)| *id == DURATION).and_then(|(_, content)| float(content));
        let seconds = u32::try_from(self.timestamp_scale).ok().map(|scale| f64::from(scale) / 1e9);
        let seconds = ticks.zip(seconds).map(|(ticks, tick)| ticks * tick).filter(|&seconds| seconds > 0.0);
        self.duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    }

    /// Walks over the heads of blocks until the start of each picture or sound track is known.
    fn read_starts(&mut self, seen: &Seen, with_cues: bool) -> Result<(), Pause> {
        let is_unknown =
            |track: &Track| matches!(track.kind, TYPE_VIDEO | TYPE_AUDIO) && track.start.is_none();
        while let Some(at) = self.blocks.at.filter(|&at| at < seen.size() && self.blocks.count < MAX_BLOCKS) {
            if !self.tracks.iter().any(is_unknown) {
                break;
            }
            let mut soon = Vec::new();
            if !self.blocks.has_asked {
                soon = self.trailers(seen.size(), with_cues);
                soon.push(ByteRange::new(at, at.saturating_add(BLOCK_WINDOW)));
            }
            let bytes = seen.bytes_beside(at, BLOCK_HEAD, &soon);
            self.blocks.has_asked |= bytes.is_err();
            self.blocks.at = self.pass(bytes?, at);
            self.blocks.count = self.blocks.count.saturating_add(1);
        }
        self.blocks.at = None;
        Ok(())
    }

    /// Takes what the element at `at` shows, and returns where the next one begins; `None` when that cannot be known.
    fn pass(&mut self, bytes: &[u8], at: u64) -> Option<u64> {
        let found = element(bytes, 0)?;
        let content = at.checked_add(found.content)?;
        match found.id {
            CLUSTER => return Some(content),
            TIMESTAMP => self.blocks.cluster_time = found.content_in(bytes).and_then(big_endian),
            _ => _ = self.note(bytes, found),
        }
        content.checked_add(found.size?)
    }

    /// Takes a track's first time from the head of a block.
    fn note(&mut self, bytes: &[u8], found: Element) -> Option<()> {
        let (number, relative) = block_head(bytes, found)?;
        // The delay of an audio codec (`CodecDelay`) moves its blocks to the front, and what it makes the decoder leave out
        // moves the start back again.
        let time = i64::try_from(self.blocks.cluster_time?).ok()?.checked_add(relative.into())?;
        let track = self.tracks.iter_mut().find(|track| track.number == number)?;
        if track.start.is_none() {
            (track.start, track.first_bytes) = (Some(time), found.size.unwrap_or(0));
        }
        Some(())
    }

    /// Returns the elements behind the clusters that will be read: all that the seek head names, the cues only for a frame.
    fn trailers(&self, size: u64, with_cues: bool) -> Vec<ByteRange> {
        let wanted = self.named.iter().filter(|(id, _)| *id != CUES || with_cues);
        let starts = wanted.map(|(_, start)| *start).filter(|&start| start > self.first_cluster);
        starts.map(|start| ByteRange::new(start, self.end_behind(start, start, size))).collect()
    }

    /// Returns where the next element that the seek head names begins behind `place`, or the end of the file, but no more than
    /// [`MAX_TRAILER`] bytes behind `start`.
    fn end_behind(&self, place: u64, start: u64, size: u64) -> u64 {
        let next = self.named.iter().map(|(_, offset)| *offset).filter(|&offset| offset > place).min();
        next.unwrap_or(size).min(start.saturating_add(MAX_TRAILER))
    }

    /// Returns the content of the cues, empty when there are none; `None` when they are left to libav.
    fn read_cues<'s>(&self, seen: &'s Seen) -> Result<Option<&'s [u8]>, Pause> {
        let Some(&(_, offset)) = self.named.iter().find(|(id, _)| *id == CUES) else { return Ok(Some(&[])) };
        let start = seen.bytes_beside(offset, 16, &self.trailers(seen.size(), true))?;
        let Some(cues) = element(start, 0).filter(|element| element.id == CUES) else { return Ok(Some(&[])) };
        let end = cues.end().filter(|_| cues.size <= Some(MAX_CUES));
        let whole = end.map(|end| seen.bytes(offset, end)).transpose()?;
        Ok(whole.and_then(|whole| whole.get(usize::try_from(cues.content).ok()?..)))
    }

    /// Returns the track that is the picture most likely: of equals the first, as `Media` chooses.
    fn main_track(&self) -> Option<&Track> {
        let pictures = self.tracks.iter().filter(|track| track.kind == TYPE_VIDEO);
        pictures.rev().max_by_key(|track| track.rank)
    }

    /// Returns where the cues lie.
    fn cues_range(&self, seen: &Seen) -> Option<ByteRange> {
        let &(_, offset) = self.named.iter().find(|(id, _)| *id == CUES)?;
        let found = element(seen.bytes(offset, 16).ok()?, 0)?;
        Some(ByteRange::new(offset, offset.checked_add(found.end()?)?.min(seen.size())))
    }

    /// Returns the bytes from the cluster with the keyframe before the frame at `at` to about that frame. Of a video that ends
    /// before, these are the last keyframe's and those of the frame at half of the duration.
    fn frame_ranges(
        &self,
        seen: &Seen,
        cues: &[u8],
        track: &Track,
        at: Duration,
        manner: Manner,
    ) -> Result<Vec<ByteRange>, Pause> {
        let half = self.duration.filter(|&duration| duration <= at).map(|duration| duration.div_f64(2.0));
        let goals = [Some(at), half].into_iter().flatten().map(|at| self.ticks(at));
        let ranges = goals.map(|wanted| self.range_to(wanted, seen, cues, track, manner));
        ranges.filter_map(|found| found.map(|found| found.map(|(_, range)| range)).transpose()).collect()
    }

    /// Returns the bytes of the keyframe at a time or before it, behind what else will be read; nothing where the cues name none.
    fn keyframe_ranges(
        &self,
        seen: &Seen,
        cues: &[u8],
        track: &Track,
        at: Duration,
        manner: Manner,
    ) -> Result<Vec<ByteRange>, Pause> {
        let Some((cue, about)) = self.range_to(self.ticks(at), seen, cues, track, manner)? else {
            return Ok(Vec::new());
        };
        let mut ranges = self.trailers(seen.size(), true);
        ranges.push(match cue {
            Some(cue) => self.keyframe_range(seen, cue, about, track.number)?,
            None => about,
        });
        Ok(ranges)
    }

    /// Converts a time from the start to ticks, to the nearest.
    fn ticks(&self, at: Duration) -> u64 {
        let start = self.tracks.iter().filter_map(|track| track.start).min().unwrap_or(0);
        let nearest = at.as_nanos().saturating_add(u128::from(self.timestamp_scale >> 1));
        let ticks = nearest.checked_div(self.timestamp_scale.into()).unwrap_or(0);
        u64::try_from(start).unwrap_or(0).saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    /// Returns the keyframe of a track at or before a time, in ticks, and the bytes from its cluster to about the frame that is taken. In
    /// place of the last keyframe there is `None`: libavformat reads on from it, in search of another.
    fn range_to(
        &self,
        wanted: u64,
        seen: &Seen,
        cues: &[u8],
        track: &Track,
        manner: Manner,
    ) -> Result<Option<(Option<Cue>, ByteRange)>, Pause> {
        let (mut before, mut behind): (Option<Cue>, Option<Cue>) = (None, None);
        for (_, point) in elements(cues).filter(|(id, _)| *id == CUE_POINT) {
            seen.spend(CUE_WORK.saturating_add(point.len() as u64))?;
            let Some(cue) = cue_of(point, track.number, self.segment) else { continue };
            if cue.time <= wanted {
                // The last of equals.
                before = before.filter(|best| best.time > cue.time).or(Some(cue));
            } else {
                behind = behind.filter(|best| best.time <= cue.time).or(Some(cue));
            }
        }
        let (Some(cue), size) = (before, seen.size()) else { return Ok(None) };
        let Some(next) = behind else {
            // Behind the last keyframe comes what follows the clusters.
            let end = self.end_behind(cue.offset, cue.cluster, size);
            return Ok(Some((None, ByteRange::new(cue.cluster, end))));
        };
        let (ahead, whole) = (wanted.saturating_sub(cue.time), next.time.saturating_sub(cue.time));
        let bytes = next.offset.saturating_sub(cue.offset);
        let part = manner.part_of_gop(bytes, ahead, whole, track.first_bytes);
        let end = cue.offset.saturating_add(part).saturating_add(BEHIND_ESTIMATE);
        Ok(Some((Some(cue), ByteRange::new(cue.cluster, end.min(size)))))
    }

    /// Returns the bytes from the cluster with a keyframe to the end of its block, which are `about` these.
    fn keyframe_range(
        &self,
        seen: &Seen,
        cue: Cue,
        about: ByteRange,
        track: u64,
    ) -> Result<ByteRange, Pause> {
        let (mut place, mut cluster_time) = (cue.cluster, None);
        for _ in 0..MAX_BLOCKS {
            let bytes = seen.bytes_beside(place, BLOCK_HEAD, &[about])?;
            let Some(found) = element(bytes, 0) else { break };
            let content = place.saturating_add(found.content);
            if found.id == CLUSTER {
                place = content.saturating_add(cue.relative.unwrap_or(0));
                continue;
            }
            let Some(end) = found.size.map(|size| content.saturating_add(size)) else { break };
            let block = block_head(bytes, found).filter(|(number, _)| *number == track);
            // Where the cue does not lead to the block, its time does.
            let is_at = |relative: i16| {
                cluster_time.is_none_or(|time: u64| time.saturating_add_signed(relative.into()) >= cue.time)
            };
            if block.is_some_and(|(_, relative)| is_at(relative)) {
                return Ok(ByteRange::new(cue.cluster, end));
            }
            if found.id == TIMESTAMP {
                cluster_time = found.content_in(bytes).and_then(big_endian);
            }
            place = end;
        }
        Ok(about)
    }
}

/// Reads the head of a block (RFC 9559, 10.1), which an element holds: the track's number, and the time from the cluster's.
fn block_head(bytes: &[u8], mut found: Element) -> Option<(u64, i16)> {
    if found.id == BLOCK_GROUP {
        found = element(bytes, found.content).filter(|block| block.id == BLOCK)?;
    }
    let block = bytes
        .get(usize::try_from(found.content).ok()?..)
        .filter(|_| matches!(found.id, BLOCK | SIMPLE_BLOCK))?;
    let (number, length) = vint(block)?;
    Some((number, i16::from_be_bytes(*block.get(length..)?.first_chunk()?)))
}

/// Whether the times of cues fall again and again, as no program writes them.
fn falls(seen: &Seen, cues: &[u8]) -> Result<bool, Pause> {
    let (mut latest, mut falling) = (0, 0_u32);
    for (_, point) in elements(cues).filter(|(id, _)| *id == CUE_POINT) {
        seen.spend(CUE_WORK)?;
        let time = number_of(point, CUE_TIME).unwrap_or(0);
        falling = falling.saturating_add(u32::from(time < latest));
        latest = latest.max(time);
    }
    Ok(falling > MAX_FALLING_CUES)
}

/// Reads a floating-point number of four or eight bytes (RFC 8794, 7.3).
fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f32::from_be_bytes(*bytes.first_chunk()?).into()),
        8 => Some(f64::from_be_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

fn seek_head(content: &[u8], segment: u64) -> Vec<(u32, u64)> {
    let entries = elements(content).filter(|(id, _)| *id == SEEK).take(MAX_SEEKS);
    let place = |entry| {
        let id = u32::try_from(number_of(entry, SEEK_ID)?).ok()?;
        Some((id, number_of(entry, SEEK_POSITION)?.checked_add(segment)?))
    };
    entries.filter_map(|(_, entry)| place(entry)).collect()
}

/// Reads the tracks that become streams.
///
/// # Errors
/// [`Pause::Unknown`] when one has a scale of its own, which nobody writes; [`Pause::Stopped`] and [`Pause::Limit`].
fn tracks(seen: &Seen, content: &[u8]) -> Result<Vec<Track>, Pause> {
    let mut tracks = Vec::new();
    for (id, entry) in elements(content) {
        seen.spend(ELEMENT_WORK)?;
        if id != TRACK_ENTRY {
            continue;
        }
        let (mut sides, mut kind, mut is_default, mut number) = ((0, 0), None, None, None);
        for (id, content) in elements(entry) {
            seen.spend(ELEMENT_WORK.saturating_add(content.len() as u64))?;
            match id {
                TRACK_TIMESTAMP_SCALE => return Err(Pause::Unknown),
                VIDEO => {
                    let side = |id| number_of(content, id).unwrap_or(0);
                    sides = (side(PIXEL_WIDTH), side(PIXEL_HEIGHT));
                }
                TRACK_TYPE => kind = kind.or_else(|| big_endian(content)),
                FLAG_DEFAULT => is_default = is_default.or_else(|| big_endian(content)),
                TRACK_NUMBER => number = number.or_else(|| big_endian(content)),
                _ => {}
            }
        }
        let kind = kind.unwrap_or(0);
        if matches!(kind, TYPE_VIDEO | TYPE_AUDIO | TYPE_SUBTITLE | TYPE_METADATA) {
            let rank = rank(sides.0, sides.1, is_default.unwrap_or(1) == 1);
            tracks.push(Track { number: number.unwrap_or(0), kind, rank, start: None, first_bytes: 0 });
        }
    }
    Ok(tracks)
}

/// Reads the place that a cue point gives for a track.
fn cue_of(point: &[u8], track: u64, segment: u64) -> Option<Cue> {
    let time = number_of(point, CUE_TIME)?;
    let mut places = elements(point).filter(|(id, _)| *id == CUE_TRACK_POSITIONS);
    let (_, place) = places.find(|(_, place)| number_of(place, CUE_TRACK) == Some(track))?;
    let cluster = number_of(place, CUE_CLUSTER_POSITION)?.checked_add(segment)?;
    let relative = number_of(place, CUE_RELATIVE_POSITION);
    Some(Cue { time, cluster, offset: cluster.saturating_add(relative.unwrap_or(0)), relative })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;
    use crate::media::layout::ebml::element_of;
    use crate::media::layout::replay::Replay;

    fn number(id: u32, value: u64) -> Vec<u8> {
        element_of(id, &value.to_be_bytes())
    }

    /// A cue point for track 1, at a place behind the start of the segment.
    fn cue(time: u64, cluster: u64) -> Vec<u8> {
        let place = [number(CUE_TRACK, 1), number(CUE_CLUSTER_POSITION, cluster)].concat();
        element_of(CUE_POINT, &[number(CUE_TIME, time), element_of(CUE_TRACK_POSITIONS, &place)].concat())
    }

    /// A cluster with one block of the track.
    fn cluster(time: u64, bytes: usize) -> Vec<u8> {
        let block = [&[0x81, 0, 0, 0x80][..], &vec![0; bytes]].concat();
        element_of(CLUSTER, &[number(TIMESTAMP, time), element_of(SIMPLE_BLOCK, &block)].concat())
    }

    /// Makes the content of cues for the places of clusters.
    type MakeCues<'c> = dyn Fn(&[u64]) -> Vec<u8> + 'c;

    /// A file of clusters of 200 KB, one for each second, whose cues are at its end. `cues` gives their content for the places of
    /// the clusters behind the start of the segment. Also where the segment begins.
    fn file(seconds: u64, info: &[u8], cues: Option<&MakeCues<'_>>) -> (Vec<u8>, u64) {
        let entry = [number(TRACK_NUMBER, 1), number(TRACK_TYPE, TYPE_VIDEO)].concat();
        let tracks = element_of(TRACKS, &element_of(TRACK_ENTRY, &entry));
        let seek_head = |place: u64| {
            let id = element_of(SEEK_ID, &CUES.to_be_bytes());
            let seek = [id, number(SEEK_POSITION, place)].concat();
            if cues.is_some() { element_of(SEEK_HEAD, &element_of(SEEK, &seek)) } else { Vec::new() }
        };
        let head = |place| [seek_head(place), element_of(INFO, info), tracks.clone()].concat();
        let (mut places, mut media) = (Vec::new(), Vec::new());
        for second in 0..seconds {
            places.push((head(0).len() + media.len()) as u64);
            media.extend(cluster(second * 1000, 200_000));
        }
        let end = (head(0).len() + media.len()) as u64;
        let cues = cues.map_or_else(Vec::new, |cues| element_of(CUES, &cues(&places)));
        let ebml = element_of(EBML, &[]);
        let segment = (ebml.len() + 4 + 8) as u64;
        let content = [head(end), media, cues].concat();
        ([ebml, element_of(SEGMENT, &content)].concat(), segment)
    }

    fn plan(file: &[u8], at: Duration) -> (Matroska, Plan) {
        let mut planner = Matroska::new(Some(at));
        let plan = Replay::new(file).run(&mut planner, 1000).unwrap();
        (planner, plan)
    }

    fn each_second(places: &[u64]) -> Vec<u8> {
        places.iter().zip(0..).flat_map(|(&place, second)| cue(second * 1000, place)).collect()
    }

    #[test]
    fn a_plan_names_the_cluster_with_the_keyframe_up_to_about_the_frame() {
        let (file, segment) = file(10, &[], Some(&each_second));
        let (planner, plan) = plan(&file, Duration::from_millis(5500));
        assert_eq!((planner.has_no_cues, planner.stream_start(0)), (false, Some(0)));
        let [range] = plan.ranges[..] else { panic!("{plan:?}") };
        let cluster = 200_000 + 60;
        assert!((5 * cluster..5 * cluster + 200 + segment).contains(&range.start()), "{range}");
        // Nine sixteenths of the cluster, and what a search reads on.
        assert!((110_000..115_000).contains(&(range.len() - BEHIND_ESTIMATE)), "{range}");
    }

    #[test]
    fn a_keyframe_ends_with_its_block() {
        let two = |second: u64| {
            let block =
                |bytes| element_of(SIMPLE_BLOCK, &[&[0x81, 0, 0, 0x80][..], &vec![0; bytes]].concat());
            let more = [block(90_000), block(300_000)].concat();
            element_of(CLUSTER, &[number(TIMESTAMP, second * 1000), more].concat())
        };
        let (mut file, segment) = file(3, &[], Some(&each_second));
        // Clusters of two blocks in place of those of one, and the cues behind them.
        let first = file.windows(4).position(|id| id == CLUSTER.to_be_bytes()).unwrap();
        let places: Vec<u64> =
            (0..3).map(|second| first as u64 - segment + second * two(0).len() as u64).collect();
        file.truncate(first);
        file.extend((0..3).flat_map(two));
        let (end, old) =
            (file.len() as u64 - segment, file.windows(2).position(|id| id == [0x53, 0xac]).unwrap());
        file[old + 10..old + 18].copy_from_slice(&end.to_be_bytes());
        file.extend(element_of(CUES, &each_second(&places)));
        let plan = |at| {
            let mut planner = Matroska::new(Some(at));
            planner.manner.pick = Pick::Keyframe;
            let mut replay = Replay::new(&file);
            (replay.run(&mut planner, 1000).unwrap(), replay.soon)
        };
        let (plan, soon) = plan(Duration::from_millis(1900));
        let cluster = places[1] + segment;
        let block = ByteRange::new(cluster, cluster + 12 + 17 + 9 + 4 + 90_000);
        assert_eq!((plan.ranges.last(), plan.only), (Some(&block), true));
        // It was requested before its length was known.
        assert!(soon.iter().any(|range| range.start() == cluster && range.end() > block.end()), "{soon:?}");
    }

    #[test]
    fn cues_are_absent_only_where_nobody_names_them_or_none_is_there() {
        let (without, _) = file(3, &[], None);
        let (planner, without_plan) = plan(&without, Duration::from_secs(1));
        assert!(planner.has_no_cues);
        assert_eq!(without_plan, Plan::default());
        let (empty, _) = file(3, &[], Some(&|_| Vec::new()));
        assert!(plan(&empty, Duration::from_secs(1)).0.has_no_cues);
    }

    #[test]
    fn large_cues_are_read_and_larger_ones_left_to_libav() {
        let many = |places: &[u64]| {
            // 150,000 keyframes of one cluster: 9.5 MB of cues, more than is held of what libav does not need.
            let cluster = places[0];
            (0..150_000).flat_map(|number| cue(number, cluster + number)).collect()
        };
        let (mut file, segment) = file(1, &[], Some(&many));
        let at = Duration::from_secs(55);
        let (planner, found) = plan(&file, at);
        assert!(!planner.has_no_cues);
        assert_eq!(found.ranges.len(), 1);
        let first = found.ranges[0].start() - segment;
        assert!((55_000..56_000).contains(&first), "{found:?}");
        // What claims more than that is left to libav.
        let cues = file.windows(4).rposition(|id| id == CUES.to_be_bytes()).unwrap();
        file[cues + 4..cues + 12].copy_from_slice(&(1_u64 << 56 | (MAX_CUES + 1)).to_be_bytes());
        let (planner, found) = plan(&file, at);
        assert!(!planner.has_no_cues);
        assert_eq!(found, Plan::default());
    }

    #[test]
    fn cues_that_fall_are_hidden() {
        let falling = |count: u64| {
            let (file, segment) =
                file(1, &[], Some(&|_| (0..count).rev().flat_map(|time| cue(time, 0)).collect()));
            let (mut planner, _) = plan(&file, Duration::from_secs(1));
            (planner.has_no_cues, planner.take_hidden(), segment, file.len() as u64)
        };
        let (has_no_cues, hidden, ..) = falling(1000);
        assert!(!has_no_cues && hidden.is_empty());
        let (has_no_cues, hidden, segment, size) = falling(1002);
        assert!(has_no_cues);
        assert!(hidden.len() == 1 && hidden[0].start() > segment && hidden[0].end() == size, "{hidden:?}");
    }

    #[test]
    fn of_a_video_that_ends_before_the_last_group_and_the_one_at_half_are_read() {
        let info = element_of(DURATION, &10_000_f64.to_be_bytes());
        let (file, _) = file(10, &info, Some(&each_second));
        let (_, plan) = plan(&file, Duration::from_secs(60));
        let seconds: Vec<u64> = plan.ranges.iter().map(|range| range.start() / 200_000).collect();
        assert_eq!(seconds, [9, 5], "{plan:?}");
    }

    #[test]
    fn absurd_clocks_and_places_do_not_overflow() {
        for scale in [0, 1, 1_000_000, u64::MAX] {
            for ticks in [0.0, 1e300, -1.0, f64::NAN, f64::INFINITY] {
                let info =
                    [number(TIMESTAMP_SCALE, scale), element_of(DURATION, &f64::to_be_bytes(ticks))].concat();
                let cues = |_: &[u64]| [cue(0, u64::MAX), cue(u64::MAX, 0), cue(1, u64::MAX - 20)].concat();
                let (mut bytes, _) = file(1, &info, Some(&cues));
                for time in [0, u64::MAX, i64::MAX.cast_unsigned()] {
                    let timestamp = number(TIMESTAMP, 0);
                    let at = bytes
                        .windows(timestamp.len())
                        .position(|window| window[..9] == timestamp[..9])
                        .unwrap();
                    bytes[at + 9..at + 17].copy_from_slice(&time.to_be_bytes());
                    for at in [Duration::ZERO, Duration::from_secs(5), Duration::MAX] {
                        plan(&bytes, at);
                    }
                }
            }
        }
    }

    #[test]
    fn damaged_heads_do_no_harm() {
        let (whole, _) = file(1, &number(TIMESTAMP_SCALE, 1000), Some(&each_second));
        let exercise = |bytes: &[u8]| {
            let mut planner = Matroska::new(Some(Duration::from_secs(1)));
            let _ = Replay::new(bytes).run(&mut planner, 10_000);
        };
        for place in 0..400 {
            exercise(&whole[..place]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] = value;
                exercise(&damaged);
            }
        }
    }
}

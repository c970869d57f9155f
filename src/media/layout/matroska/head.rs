//! The elements before the first cluster, and the start times of the tracks.

use std::time::Duration;

use super::ids::{
    BLOCK, BLOCK_GROUP, CLUSTER, CUES, DEFAULT_DURATION, DURATION, FLAG_DEFAULT, INFO, PIXEL_HEIGHT,
    PIXEL_WIDTH, SEEK, SEEK_HEAD, SEEK_ID, SEEK_POSITION, SEGMENT, SIMPLE_BLOCK, TIMESTAMP, TIMESTAMP_SCALE,
    TRACK_ENTRY, TRACK_NUMBER, TRACK_TIMESTAMP_SCALE, TRACK_TYPE, TRACKS, TYPE_AUDIO, TYPE_METADATA,
    TYPE_SUBTITLE, TYPE_VIDEO, VIDEO,
};
use crate::media::layout::ebml::{ELEMENT_WORK, Element, big_endian, element, elements, number_of, vint};
use crate::media::layout::gop::rank;
use crate::media::layout::planner::Pause;
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// Maximum size up to which the planner requests the cues and other elements after the clusters before it knows their sizes. A
/// film of two hours has 150 KiB of cues.
const MAX_TRAILER: u64 = 1 << 20;
/// Maximum number of entries in all seek heads.
const MAX_SEEKS: usize = 64;
/// Maximum number of blocks examined to learn when tracks begin.
pub(super) const MAX_BLOCKS: u32 = 64;
/// Bytes requested at the position of the first block that is not in the head: the first blocks of video and audio are close
/// to each other.
const BLOCK_WINDOW: u64 = 64 << 10;
/// Maximum size of the header of an element and of a block in it.
pub(super) const BLOCK_HEAD: u64 = 64;

/// The elements before the first cluster.
#[derive(Debug)]
pub(super) struct Head {
    /// Start of the segment, from which positions count.
    pub(super) segment: u64,
    /// Nanoseconds in one tick; not 0.
    pub(super) timestamp_scale: u64,
    pub(super) duration: Option<Duration>,
    pub(super) tracks: Vec<Track>,
    /// Elements that the seek head lists: identifier and position.
    pub(super) named: Vec<(u32, u64)>,
    /// Start of the next element before the first cluster, and the number of earlier ones.
    pub(super) next: u64,
    pub(super) elements: u32,
    pub(super) first_cluster: u64,
    pub(super) blocks: Blocks,
}

#[derive(Debug)]
pub(super) struct Track {
    pub(super) number: u64,
    pub(super) kind: u64,
    pub(super) rank: u64,
    /// Whether the first block was read, its presentation time in ticks, and its size in bytes.
    pub(super) has_begun: bool,
    pub(super) start: Option<i64>,
    pub(super) first_bytes: u64,
    /// First bytes of the first block's frame, as far as they were read; empty where blocks contain several frames.
    pub(super) first_content: Vec<u8>,
    /// Whether the track declares the duration of its frames.
    pub(super) has_rate: bool,
    pub(super) frames: FrameTimes,
}

/// The first frames of a track.
#[derive(Debug, Default)]
pub(super) struct FrameTimes {
    /// Presentation times in ticks, in the order of the file.
    pub(super) times: Vec<i64>,
    /// Whether the file contains no other frames.
    pub(super) is_whole: bool,
}

/// The walk over the heads of the first blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Start of the next element; `None` when the walk has ended.
    pub(super) at: Option<u64>,
    pub(super) count: u32,
    /// Time of the cluster, in ticks.
    pub(super) cluster_time: Option<u64>,
    /// Whether the bytes after it were requested together with the first block after the head.
    pub(super) has_asked: bool,
}

impl Head {
    /// Begins with the header of the segment.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
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

    /// Records the content of an element before the first cluster.
    pub(super) fn take(&mut self, seen: &Seen, id: u32, content: &[u8]) -> Result<(), Pause> {
        match id {
            SEEK_HEAD => self.take_seek_head(content),
            INFO => self.read_info(content),
            TRACKS => self.tracks = tracks(seen, content)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn take_seek_head(&mut self, content: &[u8]) {
        let room = MAX_SEEKS.saturating_sub(self.named.len());
        self.named.extend(seek_head(content, self.segment).into_iter().take(room));
    }

    pub(super) fn read_info(&mut self, info: &[u8]) {
        let scale = number_of(info, TIMESTAMP_SCALE).filter(|&scale| scale > 0);
        self.timestamp_scale = scale.unwrap_or(self.timestamp_scale);
        let ticks = elements(info).find(|(id, _)| *id == DURATION).and_then(|(_, content)| float(content));
        let seconds = u32::try_from(self.timestamp_scale).ok().map(|scale| f64::from(scale) / 1e9);
        let seconds = ticks.zip(seconds).map(|(ticks, tick)| ticks * tick).filter(|&seconds| seconds > 0.0);
        self.duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    }

    /// Walks over the headers of blocks until the start of each video or audio track is known.
    pub(super) fn read_starts(&mut self, seen: &Seen, with_cues: bool) -> Result<(), Pause> {
        let is_unknown = |track: &Track| matches!(track.kind, TYPE_VIDEO | TYPE_AUDIO) && !track.has_begun;
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

    /// Records the element at `at`, and returns the start of the next one, or `None` when the start cannot be known.
    pub(super) fn pass(&mut self, bytes: &[u8], at: u64) -> Option<u64> {
        let found = element(bytes, 0)?;
        let content = at.checked_add(found.content)?;
        match found.id {
            CLUSTER => return Some(content),
            TIMESTAMP => self.blocks.cluster_time = found.content_in(bytes).and_then(big_endian),
            _ => _ = self.note(bytes, found),
        }
        content.checked_add(found.size?)
    }

    /// Records a track's first time from the header of a block.
    pub(super) fn note(&mut self, bytes: &[u8], found: Element) -> Option<()> {
        let (number, relative, content) = block_head(bytes, found)?;
        // The delay of an audio codec (`CodecDelay`) moves its blocks to earlier times. The samples that the decoder discards
        // because of the delay move the start back again.
        let time = block_time(self.blocks.cluster_time?, relative);
        let track = self.tracks.iter_mut().find(|track| track.number == number)?;
        if !track.has_begun {
            (track.has_begun, track.start) = (true, time);
            track.first_bytes = found.size.unwrap_or(0);
            track.first_content = content.to_vec();
        }
        Some(())
    }

    /// Returns the elements after the clusters that will be read: all that the seek head lists, but the cues only for a frame.
    pub(super) fn trailers(&self, size: u64, with_cues: bool) -> Vec<ByteRange> {
        let wanted = self.named.iter().filter(|(id, _)| *id != CUES || with_cues);
        let starts = wanted.map(|(_, start)| *start).filter(|&start| start > self.first_cluster);
        starts.map(|start| ByteRange::new(start, self.end_behind(start, start, size))).collect()
    }

    /// Returns the start of the next element in the seek head after `place`, or the end of the file, but at most
    /// [`MAX_TRAILER`] bytes after `start`.
    pub(super) fn end_behind(&self, place: u64, start: u64, size: u64) -> u64 {
        let next = self.named.iter().map(|(_, offset)| *offset).filter(|&offset| offset > place).min();
        next.unwrap_or(size).min(start.saturating_add(MAX_TRAILER))
    }
}

/// Returns the presentation time of a block in ticks. In libavformat, a block before zero has no time (`matroska_parse_block`).
pub(super) fn block_time(cluster: u64, relative: i16) -> Option<i64> {
    i64::try_from(cluster).ok()?.checked_add(relative.into()).filter(|&time| time >= 0)
}

/// Reads the header of a block (RFC 9559, 10.1) in an element: the track's number, the time relative to the cluster, and the
/// available bytes of its frame. Returns no bytes for a block of several frames.
pub(super) fn block_head(bytes: &[u8], mut found: Element) -> Option<(u64, i16, &[u8])> {
    const LACING: u8 = 0b110;
    if found.id == BLOCK_GROUP {
        found = element(bytes, found.content).filter(|block| block.id == BLOCK)?;
    }
    let block = bytes
        .get(usize::try_from(found.content).ok()?..)
        .filter(|_| matches!(found.id, BLOCK | SIMPLE_BLOCK))?;
    let (number, length) = vint(block)?;
    let behind = block.get(length..)?;
    let relative = i16::from_be_bytes(*behind.first_chunk()?);
    let content = match behind.get(2..) {
        Some([flags, content @ ..]) if flags & LACING == 0 => content,
        _ => &[],
    };
    Some((number, relative, content))
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
/// [`Pause::Unknown`] when a track has its own scale, which no program writes; [`Pause::Stopped`] and [`Pause::Limit`].
fn tracks(seen: &Seen, content: &[u8]) -> Result<Vec<Track>, Pause> {
    let mut tracks = Vec::new();
    for (id, entry) in elements(content) {
        seen.spend(ELEMENT_WORK)?;
        if id != TRACK_ENTRY {
            continue;
        }
        let (mut sides, mut kind, mut is_default, mut number) = ((0, 0), None, None, None);
        let mut has_rate = false;
        for (id, content) in elements(entry) {
            seen.spend(ELEMENT_WORK.saturating_add(content.len() as u64))?;
            match id {
                TRACK_TIMESTAMP_SCALE => return Err(Pause::Unknown),
                VIDEO => {
                    let side = |id| number_of(content, id).unwrap_or(0);
                    sides = (side(PIXEL_WIDTH), side(PIXEL_HEIGHT));
                }
                DEFAULT_DURATION => has_rate |= big_endian(content).is_some_and(|duration| duration > 0),
                TRACK_TYPE => kind = kind.or_else(|| big_endian(content)),
                FLAG_DEFAULT => is_default = is_default.or_else(|| big_endian(content)),
                TRACK_NUMBER => number = number.or_else(|| big_endian(content)),
                _ => {}
            }
        }
        let kind = kind.unwrap_or(0);
        if matches!(kind, TYPE_VIDEO | TYPE_AUDIO | TYPE_SUBTITLE | TYPE_METADATA) {
            let rank = rank(sides.0, sides.1, is_default.unwrap_or(1) == 1);
            tracks.push(Track {
                number: number.unwrap_or(0),
                kind,
                rank,
                has_begun: false,
                start: None,
                first_bytes: 0,
                first_content: Vec::new(),
                has_rate,
                frames: FrameTimes::default(),
            });
        }
    }
    Ok(tracks)
}

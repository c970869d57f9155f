//! The layout of Matroska and WebM files (RFC 9559, over EBML, RFC 8794), looked at before libav sees them.
//!
//! The first kilobytes hold the `SeekHead`, which says where the `Cues` are, the file's index, and the tracks. From the
//! headers of the first blocks we take when each track begins: libav would read through whole pictures for that. The cues
//! say in which cluster the keyframe before the wanted time is; how far into the distance to the next one the wanted frame
//! lies is estimated. Everything is asked for in as few steps as that allows, and libav finds it there.

use std::time::Duration;

use crate::media::input::{Fault, Input};
use crate::media::plan::part_of_gop;
use crate::source::ByteRange;

/// What is looked at first.
const HEAD_BYTES: u64 = 64 << 10;
/// The cues and other elements behind the clusters are asked for together up to this. A film of two hours has 150 KiB of cues.
const MAX_TRAILER: u64 = 1 << 20;
/// Elements at the top that are looked at before the first cluster.
const MAX_ELEMENTS: u32 = 64;
/// Blocks looked at to learn when tracks begin.
const MAX_BLOCKS: u32 = 32;
/// What is asked for at the place of the first block that is not here: the first ones of picture and sound follow each other
/// closely.
const BLOCK_WINDOW: u64 = 64 << 10;
/// Read behind the estimated place of the wanted frame: some frames more are looked at to know that none before it follows.
const BEHIND_ESTIMATE: u64 = 48 << 10;

const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
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

/// What a Matroska file holds where.
#[derive(Debug)]
pub(super) struct Layout {
    /// Where positions are counted from.
    segment: u64,
    /// Nanoseconds of a tick.
    timestamp_scale: u64,
    tracks: Vec<Track>,
    /// Elements that the seek head names: what and where.
    named: Vec<(u32, u64)>,
    /// Where the first cluster begins.
    first_cluster: u64,
    /// Time of the cluster that was looked at last.
    cluster_time: Option<u64>,
    cues: Vec<Cue>,
}

#[derive(Debug, Default)]
struct Track {
    number: u64,
    kind: u64,
    is_default: bool,
    area: u64,
    /// First presentation time in ticks.
    start: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Cue {
    /// In ticks.
    time: u64,
    track: u64,
    /// Where its block begins, about.
    offset: u64,
    /// Where its cluster begins, from where libav reads.
    cluster: u64,
}

/// The head of an element.
struct Element {
    id: u32,
    content: u64,
    /// `None` when it is unknown, as live streams have it.
    size: Option<u64>,
}

/// Whether a file begins like one of this family.
pub(super) fn is_matroska(start: &[u8]) -> bool {
    start.starts_with(&EBML.to_be_bytes())
}

/// Looks at the start of the file, and asks for what opening it and the frame at `at` will need. `None` when something is not
/// as we know it: libav has the last word.
pub(super) fn look(input: &mut Input<'_>, at: Option<Duration>) -> Result<Option<Layout>, Fault> {
    let Some(mut layout) = Layout::read_head(input)? else { return Ok(None) };
    let Some(first_block) = layout.blocks_in_head(input)? else { return Ok(None) };
    let mut ranges = layout.trailers(input.size(), at.is_some());
    if layout.wants_starts() {
        ranges.push(ByteRange::new(first_block, first_block.saturating_add(BLOCK_WINDOW)));
    }
    input.prefetch(&ranges);
    if !layout.starts(input, first_block)? {
        return Ok(None);
    }
    if let Some(at) = at {
        layout.plan(input, at)?;
    }
    Ok(Some(layout))
}

impl Layout {
    /// Whether libavformat can have made so many streams of it: one of each track, and one of each cover picture.
    pub(super) const fn has_streams(&self, streams: usize) -> bool {
        streams >= self.tracks.len()
    }

    /// Whether no cues were found when they were looked for.
    pub(super) const fn has_no_cues(&self) -> bool {
        self.cues.is_empty()
    }

    /// First presentation time of a stream in its ticks, if it was seen.
    pub(super) fn stream_start(&self, stream: usize) -> Option<i64> {
        self.tracks.get(stream)?.start
    }

    /// Asks for what the frame at `at` needs.
    pub(super) fn plan(&mut self, input: &mut Input<'_>, at: Duration) -> Result<(), Fault> {
        if self.cues.is_empty() {
            input.prefetch(&self.trailers(input.size(), true));
            self.read_cues(input)?;
        }
        if let Some(range) = self.frame_range(input.size(), at) {
            input.prefetch(&[range]);
        }
        Ok(())
    }

    /// Walks the elements in front of the first cluster.
    fn read_head(input: &mut Input<'_>) -> Result<Option<Self>, Fault> {
        let head = input.peek(0, usize::try_from(HEAD_BYTES).unwrap_or(0))?;
        let Some(ebml) = element(&head, 0) else { return Ok(None) };
        let Some(at) = ebml.size.and_then(|size| ebml.content.checked_add(size)) else { return Ok(None) };
        let Some(segment) = element(&head, at).filter(|element| element.id == SEGMENT) else {
            return Ok(None);
        };
        let mut layout = Self {
            segment: segment.content,
            timestamp_scale: 1_000_000,
            tracks: Vec::new(),
            named: Vec::new(),
            first_cluster: 0,
            cluster_time: None,
            cues: Vec::new(),
        };
        let mut at = segment.content;
        for _ in 0..MAX_ELEMENTS {
            let Some(found) = element(&head, at) else { return Ok(None) };
            if found.id == CLUSTER {
                layout.first_cluster = at;
                return Ok((!layout.tracks.is_empty()).then_some(layout));
            }
            let Some(end) = found.size.and_then(|size| found.content.checked_add(size)) else {
                return Ok(None);
            };
            let content = slice(&head, found.content, end);
            match (found.id, content) {
                (SEEK_HEAD, Some(content)) => layout.named.extend(seek_head(content, layout.segment)),
                (INFO, Some(content)) => {
                    let scale = number_of(content, TIMESTAMP_SCALE).filter(|&scale| scale > 0);
                    layout.timestamp_scale = scale.unwrap_or(layout.timestamp_scale);
                }
                (TRACKS, Some(content)) => {
                    let Some(tracks) = tracks(content) else { return Ok(None) };
                    layout.tracks = tracks;
                }
                // Longer than what we look at.
                (SEEK_HEAD | INFO | TRACKS, None) => return Ok(None),
                _ => {}
            }
            at = end;
        }
        Ok(None)
    }

    /// The elements behind the clusters that will be read: all that the seek head names, the cues only for a frame.
    fn trailers(&self, size: u64, with_cues: bool) -> Vec<ByteRange> {
        let mut places: Vec<(u64, bool)> = self
            .named
            .iter()
            .filter(|(_, offset)| *offset > self.first_cluster)
            .map(|(id, offset)| (*offset, *id != CUES || with_cues))
            .collect();
        places.sort_unstable();
        let ends = places.iter().skip(1).map(|(offset, _)| *offset).chain([size]);
        let ranges = places.iter().zip(ends).filter(|((_, wanted), _)| *wanted);
        ranges
            .map(|((start, _), end)| ByteRange::new(*start, end.min(start.saturating_add(MAX_TRAILER))))
            .collect()
    }

    /// Whether it is not known of all pictures and sound when they begin.
    fn wants_starts(&self) -> bool {
        self.tracks.iter().any(|track| matches!(track.kind, TYPE_VIDEO | TYPE_AUDIO) && track.start.is_none())
    }

    /// Looks at the blocks in what is here of the first cluster; where the first one behind that begins.
    fn blocks_in_head(&mut self, input: &mut Input<'_>) -> Result<Option<u64>, Fault> {
        self.walk_blocks(input, self.first_cluster, HEAD_BYTES.min(input.size()))
    }

    /// Looks at blocks from `at` on, until it is known when the tracks begin. `false` when it cannot be found out this way.
    fn starts(&mut self, input: &mut Input<'_>, at: u64) -> Result<bool, Fault> {
        if self.wants_starts() && self.walk_blocks(input, at, input.size())?.is_none() {
            return Ok(false);
        }
        Ok(!self.wants_starts())
    }

    /// Looks at the heads of blocks between `at` and `end`, or fewer when all starts are known; where it went no further. `None`
    /// when something is not as we know it.
    fn walk_blocks(&mut self, input: &mut Input<'_>, mut at: u64, end: u64) -> Result<Option<u64>, Fault> {
        for _ in 0..MAX_BLOCKS {
            if !self.wants_starts() || at >= end {
                return Ok(Some(at));
            }
            let bytes = input.peek(at, 64)?;
            let Some(found) = element(&bytes, 0) else { return Ok(None) };
            let content = at + found.content;
            let rest = bytes.get(usize::try_from(found.content).unwrap_or(usize::MAX)..).unwrap_or_default();
            match (found.id, found.size) {
                // Into it.
                (CLUSTER, _) => at = content,
                (_, None) => return Ok(None),
                (id, Some(size)) => {
                    match id {
                        TIMESTAMP => self.cluster_time = number(rest, size),
                        SIMPLE_BLOCK => self.note_block(rest),
                        BLOCK_GROUP => {
                            let block = element(rest, 0).filter(|block| block.id == BLOCK);
                            let block =
                                block.and_then(|block| rest.get(usize::try_from(block.content).ok()?..));
                            self.note_block(block.unwrap_or_default());
                        }
                        _ => {}
                    }
                    at = content.saturating_add(size);
                }
            }
        }
        Ok(Some(at))
    }

    /// Takes a track's first time from the head of a block (RFC 9559, 10.1): track number, and time from the cluster's.
    fn note_block(&mut self, block: &[u8]) {
        let Some((track, length)) = vint(block, true) else { return };
        let Some(relative) = block.get(length..length + 2) else { return };
        let relative = i16::from_be_bytes([relative[0], relative[1]]);
        // The delay of a codec of sound (`CodecDelay`) moves its blocks to the front, and what it makes the decoder leave out
        // moves the start back again.
        if let Some(time) = self.cluster_time.and_then(|time| i64::try_from(time).ok())
            && let Some(track) = self.tracks.iter_mut().find(|entry| entry.number == track)
        {
            track.start.get_or_insert(time + i64::from(relative));
        }
    }

    /// Reads the cues, if there are any that can be used.
    fn read_cues(&mut self, input: &mut Input<'_>) -> Result<(), Fault> {
        let Some(&(_, offset)) = self.named.iter().find(|(id, _)| *id == CUES) else { return Ok(()) };
        let start = input.peek(offset, 16)?;
        let Some(cues) = element(&start, 0).filter(|element| element.id == CUES) else { return Ok(()) };
        let Some(size) = cues.size.filter(|&size| size <= MAX_TRAILER) else { return Ok(()) };
        let content = input.peek(offset + cues.content, usize::try_from(size).unwrap_or(0))?;
        for_each(&content, &mut |id, point| {
            if id == CUE_POINT {
                self.cues.extend(cue_points(point, self.segment));
            }
        });
        Ok(())
    }

    /// The bytes from the cluster with the keyframe before the frame at `at` to about that frame.
    fn frame_range(&self, size: u64, at: Duration) -> Option<ByteRange> {
        let score = |track: &Track| track.area + if track.is_default { 5_000_000 } else { 0 };
        let pictures = self.tracks.iter().filter(|track| track.kind == TYPE_VIDEO);
        // As `Media` chooses: the first of the largest.
        let track = pictures.rev().max_by_key(|track| score(track))?;
        let start = self.tracks.iter().filter_map(|track| track.start).min().unwrap_or(0);
        let at = u64::try_from(at.as_nanos()).ok()? / self.timestamp_scale;
        let wanted = u64::try_from(start).unwrap_or(0).saturating_add(at);
        let cues: Vec<&Cue> = self.cues.iter().filter(|cue| cue.track == track.number).collect();
        let place = cues.iter().rposition(|cue| cue.time <= wanted)?;
        let (cue, next) = (cues[place], cues.get(place + 1));
        // Behind the last keyframe comes what follows the clusters.
        let trailer =
            self.named.iter().map(|(_, offset)| *offset).filter(|&offset| offset > cue.offset).min();
        let end = next.map_or_else(|| trailer.unwrap_or(size), |next| next.offset).max(cue.offset);
        let Some(next) = next.filter(|next| next.time > cue.time) else {
            return Some(ByteRange::new(cue.cluster, end.min(cue.cluster.saturating_add(MAX_TRAILER))));
        };
        let part = part_of_gop(end - cue.offset, wanted - cue.time, next.time - cue.time);
        let bytes = part.saturating_add(BEHIND_ESTIMATE);
        Some(ByteRange::new(cue.cluster, cue.offset.saturating_add(bytes).min(size)))
    }
}

/// Reads the head of the element at `at` of `bytes`.
fn element(bytes: &[u8], at: u64) -> Option<Element> {
    let start = usize::try_from(at).ok()?;
    let (id, id_length) = vint(bytes.get(start..)?, false)?;
    let (size, size_length) = vint(bytes.get(start + id_length..)?, true)?;
    // All bits set: not known (RFC 8794, 6.2).
    let unknown = (1_u64 << (7 * size_length)) - 1;
    Some(Element {
        id: u32::try_from(id).ok()?,
        content: at + (id_length + size_length) as u64,
        size: (size != unknown).then_some(size),
    })
}

/// Reads a number of variable length (RFC 8794, 4), without the bit that marks its length if it is a number, with it if it is
/// an identifier. The number, and its length.
fn vint(bytes: &[u8], is_number: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let value = bytes.get(..length)?.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let mark = 1_u64 << (7 * length);
    Some((if is_number { value & !mark } else { value }, length))
}

/// Calls `visit` with identifier and content of each element in `bytes`; one that is cut short ends the walk.
fn for_each<'b>(bytes: &'b [u8], visit: &mut dyn FnMut(u32, &'b [u8])) {
    let mut at = 0;
    while let Some(found) = element(bytes, at) {
        let Some(end) = found.size.and_then(|size| found.content.checked_add(size)) else { return };
        let Some(content) = slice(bytes, found.content, end) else { return };
        visit(found.id, content);
        at = end;
    }
}

fn slice(bytes: &[u8], start: u64, end: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

/// An unsigned integer of up to eight bytes (RFC 8794, 7.2).
fn number(bytes: &[u8], size: u64) -> Option<u64> {
    let bytes = slice(bytes, 0, size).filter(|bytes| bytes.len() <= 8)?;
    Some(bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// The first number with this identifier in `bytes`.
fn number_of(bytes: &[u8], id: u32) -> Option<u64> {
    let mut found = None;
    for_each(bytes, &mut |kind, content| {
        if kind == id {
            found = found.or_else(|| number(content, content.len() as u64));
        }
    });
    found
}

fn seek_head(content: &[u8], segment: u64) -> Vec<(u32, u64)> {
    let mut named = Vec::new();
    for_each(content, &mut |kind, entry| {
        let position = number_of(entry, SEEK_POSITION).and_then(|position| position.checked_add(segment));
        let id = number_of(entry, SEEK_ID).and_then(|id| u32::try_from(id).ok());
        if kind == SEEK
            && let (Some(id), Some(position)) = (id, position)
        {
            named.push((id, position));
        }
    });
    named
}

/// The tracks that become streams; `None` when one has a scale of its own, which nobody writes.
fn tracks(content: &[u8]) -> Option<Vec<Track>> {
    let (mut tracks, mut is_known) = (Vec::new(), true);
    for_each(content, &mut |kind, entry| {
        if kind != TRACK_ENTRY {
            return;
        }
        let mut area = 0;
        for_each(entry, &mut |kind, video| {
            is_known &= kind != TRACK_TIMESTAMP_SCALE;
            if kind == VIDEO {
                let side = |id| number_of(video, id).unwrap_or(0).min(1 << 20);
                area = side(PIXEL_WIDTH) * side(PIXEL_HEIGHT);
            }
        });
        let kind = number_of(entry, TRACK_TYPE).unwrap_or(0);
        if matches!(kind, TYPE_VIDEO | TYPE_AUDIO | TYPE_SUBTITLE | TYPE_METADATA) {
            tracks.push(Track {
                number: number_of(entry, TRACK_NUMBER).unwrap_or(0),
                kind,
                is_default: number_of(entry, FLAG_DEFAULT).unwrap_or(1) == 1,
                area,
                start: None,
            });
        }
    });
    is_known.then_some(tracks)
}

fn cue_points(point: &[u8], segment: u64) -> Vec<Cue> {
    let mut cues = Vec::new();
    let Some(time) = number_of(point, CUE_TIME) else { return cues };
    for_each(point, &mut |kind, positions| {
        let cluster = number_of(positions, CUE_CLUSTER_POSITION).and_then(|at| at.checked_add(segment));
        if kind == CUE_TRACK_POSITIONS
            && let (Some(track), Some(cluster)) = (number_of(positions, CUE_TRACK), cluster)
        {
            let relative = number_of(positions, CUE_RELATIVE_POSITION).unwrap_or(0);
            cues.push(Cue { time, track, cluster, offset: cluster.saturating_add(relative) });
        }
    });
    cues
}

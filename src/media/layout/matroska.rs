//! Matroska and WebM (RFC 9559, over EBML).
//!
//! The first kilobytes contain the `SeekHead`, with the position of the `Cues` (the file's index), and the tracks. The headers of
//! the first blocks show when each track begins: libav would read whole pictures to learn this. The cues contain the position of the
//! cluster with the keyframe before the wanted time. The planner estimates the position of the frame between this keyframe and the
//! next one. The header of a keyframe's block contains its length.

mod cues;
mod frame_times;
mod head;
mod ids;

use std::time::Duration;

use super::ebml::{ELEMENT_WORK, element, elements};
use super::gop::Manner;
use super::metadata::{CHAPTERS, Metadata, TAGS};
use super::planner::{Pause, Plan, Planner};
use crate::frame_request::Pick;
use crate::limits::Limit;
use crate::media::seen::Seen;
use crate::source::ByteRange;
use cues::falls;
use head::{Head, Track};
use ids::{CLUSTER, CUE_POINT, EBML, INFO, SEEK_HEAD, TRACKS};

/// Number of bytes read first.
const HEAD_BYTES: u64 = 64 << 10;
/// Bytes requested for each second before the frame of a file without cues, which is read from its beginning. Browsers record 2.5 Mbit/s
/// of video unless a page asks for another rate.
const BYTES_PER_SECOND: u64 = 400_000;
/// Maximum number of these bytes.
const MAX_WITHOUT_CUES: u64 = 4 << 20;
/// Maximum number of elements at the top level before the first cluster.
const MAX_ELEMENTS: u32 = 4096;
/// The largest element before the first cluster that is read.
const MAX_HEAD_ELEMENT: u64 = 4 << 20;
/// Maximum size of the header of an element: an identifier of four bytes and a size of eight.
const ELEMENT_HEAD: u64 = 12;

/// The planner for one file.
#[derive(Debug)]
pub(super) struct Matroska {
    /// The time of the wanted frame, from the start.
    at: Option<Duration>,
    pub(super) manner: Manner,
    /// The elements before the first cluster that have been read, and whether they are complete.
    head: Option<Head>,
    is_whole: bool,
    /// Whether the times of the first frames have been collected.
    has_frame_times: bool,
    metadata: Metadata,
    /// The number of elements in the seek head whose metadata have been examined.
    looked_at: usize,
    /// Whether the times of the cues are known to increase.
    has_sound_cues: bool,
    /// Ranges to hide that were found and not taken yet.
    hidden: Vec<ByteRange>,
    /// Whether the file is known to have no cues, after a frame was planned.
    pub(super) has_no_cues: bool,
    /// Whether the cues led to the frame.
    pub(super) has_plan: bool,
}

/// Returns whether the first bytes of a file are those of this family.
pub(super) fn is_matroska(start: &[u8]) -> bool {
    start.starts_with(&EBML.to_be_bytes())
}

impl Planner for Matroska {
    fn step(&mut self, seen: &Seen) -> Result<Plan, Pause> {
        self.read_head(seen)?;
        let Some(head) = &mut self.head else { return Err(Pause::Unknown) };
        head.read_starts(seen, self.at.is_some())?;
        if !self.has_frame_times {
            frame_times::read(head, seen, seen.bytes(0, HEAD_BYTES).map_err(Pause::kept)?)?;
            self.has_frame_times = true;
        }
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
        let only = self.manner.pick == Pick::Keyframe;
        let ranges = match head.main_track().zip(cues) {
            Some((track, cues)) => head.ranges(seen, cues, track, at, self.manner)?,
            None => Vec::new(),
        };
        self.has_plan = !ranges.is_empty();
        // The frames of a list are not planned together: each range would be this one, and their times may lie far apart.
        let ranges = match self.has_no_cues && !self.manner.is_ahead {
            true => without_cues(at, seen.size()),
            false => ranges,
        };
        self.look_at_metadata(seen)?;
        Ok(Plan { ranges, only: only && self.has_plan })
    }

    fn take_hidden(&mut self) -> Vec<ByteRange> {
        std::mem::take(&mut self.hidden)
    }
}

impl Matroska {
    /// Begins with the bytes for opening the file, and with the frame at `at` if one is wanted.
    pub(super) fn new(at: Option<Duration>) -> Self {
        Self {
            at,
            manner: Manner::default(),
            head: None,
            is_whole: false,
            has_frame_times: false,
            metadata: Metadata::default(),
            looked_at: 0,
            has_sound_cues: false,
            hidden: Vec::new(),
            has_no_cues: false,
            has_plan: false,
        }
    }

    /// Walks the elements before the first cluster.
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

    /// Examines the metadata after the clusters, as far as seek heads contain their positions. libavformat reads these metadata when
    /// it opens the file.
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

    /// Returns whether libavformat can have created this many streams for the file: one for each track, and one for each cover
    /// picture.
    pub(super) fn has_streams(&self, streams: usize) -> bool {
        self.head.as_ref().is_some_and(|head| streams >= head.tracks.len())
    }

    /// Returns whether the first block of a stream has no time.
    pub(super) fn lacks_times(&self) -> bool {
        let lacks_time = |track: &Track| track.has_begun && track.start.is_none();
        self.head.as_ref().is_some_and(|head| head.tracks.iter().any(lacks_time))
    }

    /// Returns the first presentation time of a stream in its ticks, if its first block was read.
    pub(super) fn stream_start(&self, stream: usize) -> Option<i64> {
        self.head.as_ref()?.tracks.get(stream)?.start
    }

    /// Returns the presentation times of the first frames of a stream in its ticks, in the order of the file, and whether they are all
    /// frames of the stream. Returns `None` for a stream that declares a frame rate, and without any frame.
    pub(super) fn frame_times(&self, stream: usize) -> Option<(&[i64], bool)> {
        let frames = &self.head.as_ref()?.tracks.get(stream)?.frames;
        (!frames.times.is_empty()).then_some((&frames.times, frames.is_whole))
    }

    /// Returns the first bytes of the first block of a stream, if they were read.
    pub(super) fn first_bytes(&self, stream: usize) -> Option<&[u8]> {
        Some(&self.head.as_ref()?.tracks.get(stream)?.first_content)
    }
}

/// Returns the bytes that a frame at `at` is likely to need in a file without cues: those of the seconds before it.
fn without_cues(at: Duration, size: u64) -> Vec<ByteRange> {
    let length = at.as_secs().saturating_mul(BYTES_PER_SECOND).min(MAX_WITHOUT_CUES);
    vec![ByteRange::new(HEAD_BYTES, HEAD_BYTES.saturating_add(length)).clipped(size)]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::cues::{BEHIND_ESTIMATE, MAX_CUES};
    use super::ids::{
        CUE_CLUSTER_POSITION, CUE_TIME, CUE_TRACK, CUE_TRACK_POSITIONS, CUES, DURATION, SEEK, SEEK_ID,
        SEEK_POSITION, SEGMENT, SIMPLE_BLOCK, TIMESTAMP, TIMESTAMP_SCALE, TRACK_ENTRY, TRACK_NUMBER,
        TRACK_TYPE, TYPE_VIDEO,
    };
    use super::*;
    use crate::media::layout::ebml::element_of;
    use crate::media::layout::replay::Replay;

    fn number(id: u32, value: u64) -> Vec<u8> {
        element_of(id, &value.to_be_bytes())
    }

    /// Creates a cue point for track 1, with a position after the start of the segment.
    fn cue(time: u64, cluster: u64) -> Vec<u8> {
        let place = [number(CUE_TRACK, 1), number(CUE_CLUSTER_POSITION, cluster)].concat();
        element_of(CUE_POINT, &[number(CUE_TIME, time), element_of(CUE_TRACK_POSITIONS, &place)].concat())
    }

    /// Creates a cluster with one block of the track.
    fn cluster(time: u64, bytes: usize) -> Vec<u8> {
        let block = [&[0x81, 0, 0, 0x80][..], &vec![0; bytes]].concat();
        element_of(CLUSTER, &[number(TIMESTAMP, time), element_of(SIMPLE_BLOCK, &block)].concat())
    }

    /// Creates the content of cues for the positions of clusters.
    type MakeCues<'c> = dyn Fn(&[u64]) -> Vec<u8> + 'c;

    /// Creates a file of clusters of 200 KB, one for each second, with its cues at the end. `cues` returns their content for the
    /// positions of the clusters after the start of the segment. Also returns the start of the segment.
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
    fn a_plan_covers_the_cluster_from_its_keyframe_to_about_the_frame() {
        let (file, segment) = file(10, &[], Some(&each_second));
        let (planner, plan) = plan(&file, Duration::from_millis(5500));
        assert_eq!((planner.has_no_cues, planner.stream_start(0)), (false, Some(0)));
        let [range] = plan.ranges[..] else { panic!("{plan:?}") };
        let cluster = 200_000 + 60;
        assert!((5 * cluster..5 * cluster + 200 + segment).contains(&range.start()), "{range}");
        // Nine sixteenths of the cluster, and the bytes that a search reads after the frame.
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
        // Clusters of two blocks instead of one, and the cues after them.
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
        // The range was requested before its length was known.
        assert!(soon.iter().any(|range| range.start() == cluster && range.end() > block.end()), "{soon:?}");
    }

    #[test]
    fn cues_are_absent_only_if_unlisted_or_empty() {
        let (without, _) = file(3, &[], None);
        let (planner, without_plan) = plan(&without, Duration::from_secs(1));
        assert!(planner.has_no_cues && !planner.has_plan);
        // The bytes of the second before the frame.
        let soon = ByteRange::new(HEAD_BYTES, HEAD_BYTES + BYTES_PER_SECOND).clipped(without.len() as u64);
        assert_eq!(without_plan, Plan { ranges: vec![soon], only: false });
        let (empty, _) = file(3, &[], Some(&|_| Vec::new()));
        assert!(plan(&empty, Duration::from_secs(1)).0.has_no_cues);
    }

    #[test]
    fn large_cues_are_read_and_larger_ones_left_to_libav() {
        let many = |places: &[u64]| {
            // 150,000 keyframes of one cluster: 9.5 MB of cues, more than the memory for bytes that libav does not need.
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
        // Cues that declare more bytes are left to libav.
        let cues = file.windows(4).rposition(|id| id == CUES.to_be_bytes()).unwrap();
        file[cues + 4..cues + 12].copy_from_slice(&(1_u64 << 56 | (MAX_CUES + 1)).to_be_bytes());
        let (planner, found) = plan(&file, at);
        assert!(!planner.has_no_cues);
        assert_eq!(found, Plan::default());
    }

    #[test]
    fn cues_with_decreasing_times_are_hidden() {
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
    fn a_time_after_the_end_plans_the_last_group_and_the_one_at_half() {
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
    fn damaged_headers_never_panic() {
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

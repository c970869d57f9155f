//! The index of the clusters, and the bytes that the index leads to.

use std::time::Duration;

use super::head::{BLOCK_HEAD, Head, MAX_BLOCKS, Track, block_head};
use super::ids::{
    CLUSTER, CUE_CLUSTER_POSITION, CUE_POINT, CUE_RELATIVE_POSITION, CUE_TIME, CUE_TRACK,
    CUE_TRACK_POSITIONS, CUES, TIMESTAMP, TYPE_VIDEO,
};
use crate::frame_request::Pick;
use crate::media::layout::ebml::{big_endian, element, elements, number_of};
use crate::media::layout::gop::Manner;
use crate::media::layout::planner::Pause;
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// Cues larger than this are left to libav. 60,000 keyframes of lossless video take 2 MiB.
pub(super) const MAX_CUES: u64 = 32 << 20;
/// Maximum number of cues whose times are before the times of earlier cues.
const MAX_FALLING_CUES: u32 = 1000;
/// Bytes requested after the estimated position of the wanted frame: a search reads some more frames to verify that no earlier one follows.
pub(super) const BEHIND_ESTIMATE: u64 = 48 << 10;
/// The work of an entry.
const CUE_WORK: u64 = 64;

/// One entry of the cues.
#[derive(Debug, Clone, Copy)]
struct Cue {
    /// In ticks.
    time: u64,
    /// Approximate start of its block.
    offset: u64,
    /// Start of its cluster, where libav begins to read.
    cluster: u64,
    /// Distance of the start of its block from the start of the cluster's content.
    relative: Option<u64>,
}

impl Head {
    /// Returns the content of the cues (empty if there are none), or `None` when the cues are left to libav.
    pub(super) fn read_cues<'s>(&self, seen: &'s Seen) -> Result<Option<&'s [u8]>, Pause> {
        let Some(&(_, offset)) = self.named.iter().find(|(id, _)| *id == CUES) else { return Ok(Some(&[])) };
        let start = seen.bytes_beside(offset, 16, &self.trailers(seen.size(), true))?;
        let Some(cues) = element(start, 0).filter(|element| element.id == CUES) else { return Ok(Some(&[])) };
        let end = cues.end().filter(|_| cues.size <= Some(MAX_CUES));
        let whole = end.map(|end| seen.bytes(offset, end)).transpose()?;
        Ok(whole.and_then(|whole| whole.get(usize::try_from(cues.content).ok()?..)))
    }

    /// Returns the track that most likely provides the picture: the first of equal tracks, as `Media` chooses.
    pub(super) fn main_track(&self) -> Option<&Track> {
        let pictures = self.tracks.iter().filter(|track| track.kind == TYPE_VIDEO);
        pictures.rev().max_by_key(|track| track.rank)
    }

    /// Returns the position of the cues.
    pub(super) fn cues_range(&self, seen: &Seen) -> Option<ByteRange> {
        let &(_, offset) = self.named.iter().find(|(id, _)| *id == CUES)?;
        let found = element(seen.bytes(offset, 16).ok()?, 0)?;
        Some(ByteRange::new(offset, offset.checked_add(found.end()?)?.min(seen.size())))
    }

    /// Returns the bytes of a frame of the track at `at`, according to the cues, or nothing where the cues do not lead to it. For an exact
    /// frame, the bytes reach from the cluster with the keyframe before the frame to about the frame's own position. If the video ends
    /// earlier, they are those of the last keyframe and those that lead to the frame at half of the duration. For a keyframe, its own bytes
    /// come after the other bytes that will be read.
    pub(super) fn ranges(
        &self,
        seen: &Seen,
        cues: &[u8],
        track: &Track,
        at: Duration,
        manner: Manner,
    ) -> Result<Vec<ByteRange>, Pause> {
        let range_to = |at| self.range_to(self.ticks(at), seen, cues, track, manner);
        if manner.pick != Pick::Keyframe {
            let half = self.duration.filter(|&duration| duration <= at).map(|duration| duration.div_f64(2.0));
            let found = [Some(at), half].into_iter().flatten().map(range_to);
            return found.filter_map(|found| found.map(|found| Some(found?.1)).transpose()).collect();
        }
        let Some((cue, about)) = range_to(at)? else { return Ok(Vec::new()) };
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

    /// Returns the keyframe of a track at or before a time, in ticks, and the bytes from its cluster to about the selected frame. Returns
    /// `None` instead of the last keyframe: libavformat reads on after it, in search of another.
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
                // The last of equal cues.
                before = before.filter(|best| best.time > cue.time).or(Some(cue));
            } else {
                behind = behind.filter(|best| best.time <= cue.time).or(Some(cue));
            }
        }
        let (Some(cue), size) = (before, seen.size()) else { return Ok(None) };
        let Some(next) = behind else {
            // The elements after the clusters follow the last keyframe.
            let end = self.end_behind(cue.offset, cue.cluster, size);
            return Ok(Some((None, ByteRange::new(cue.cluster, end))));
        };
        let (ahead, whole) = (wanted.saturating_sub(cue.time), next.time.saturating_sub(cue.time));
        let bytes = next.offset.saturating_sub(cue.offset);
        let part = manner.part_of_gop(bytes, ahead, whole, track.first_bytes);
        let end = cue.offset.saturating_add(part).saturating_add(BEHIND_ESTIMATE);
        Ok(Some((Some(cue), ByteRange::new(cue.cluster, end.min(size)))))
    }

    /// Returns the bytes from the cluster with a keyframe to the end of its block; `about` is an estimate of this range.
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
            let block = block_head(bytes, found).filter(|(number, ..)| *number == track);
            // Where the cue's offset does not lead to the block, its time does.
            let is_at = |relative: i16| {
                cluster_time.is_none_or(|time: u64| time.saturating_add_signed(relative.into()) >= cue.time)
            };
            if block.is_some_and(|(_, relative, _)| is_at(relative)) {
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

/// Returns whether the times of cues decrease more often than any program writes.
pub(super) fn falls(seen: &Seen, cues: &[u8]) -> Result<bool, Pause> {
    let (mut latest, mut falling) = (0, 0_u32);
    for (_, point) in elements(cues).filter(|(id, _)| *id == CUE_POINT) {
        seen.spend(CUE_WORK)?;
        let time = number_of(point, CUE_TIME).unwrap_or(0);
        falling = falling.saturating_add(u32::from(time < latest));
        latest = latest.max(time);
    }
    Ok(falling > MAX_FALLING_CUES)
}

/// Reads the position that a cue point contains for a track.
fn cue_of(point: &[u8], track: u64, segment: u64) -> Option<Cue> {
    let time = number_of(point, CUE_TIME)?;
    let mut places = elements(point).filter(|(id, _)| *id == CUE_TRACK_POSITIONS);
    let (_, place) = places.find(|(_, place)| number_of(place, CUE_TRACK) == Some(track))?;
    let cluster = number_of(place, CUE_CLUSTER_POSITION)?.checked_add(segment)?;
    let relative = number_of(place, CUE_RELATIVE_POSITION);
    Some(Cue { time, cluster, offset: cluster.saturating_add(relative.unwrap_or(0)), relative })
}

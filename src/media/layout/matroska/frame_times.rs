//! The times of the first frames, in the first bytes of the file: they reveal the frame rate of a track that declares none.

use super::head::{Head, block_head, block_time};
use super::ids::{CLUSTER, TIMESTAMP, TYPE_VIDEO};
use crate::media::layout::ebml::{ELEMENT_WORK, big_endian, element};
use crate::media::layout::planner::Pause;
use crate::media::seen::Seen;

/// Maximum number of elements examined in the clusters.
const MAX_ELEMENTS: u32 = 2048;
/// Maximum number of frames of one track: twice as many as libavformat takes to learn a rate.
const MAX_FRAMES: usize = 80;

/// Collects the times of the frames whose headers are in the first `bytes` of the file, for each video track without a declared frame
/// rate.
pub(super) fn read(head: &mut Head, seen: &Seen, bytes: &[u8]) -> Result<(), Pause> {
    let is_wanted = |number: u64, head: &Head| {
        head.tracks
            .iter()
            .position(|track| track.number == number && track.kind == TYPE_VIDEO && !track.has_rate)
    };
    if !head.tracks.iter().any(|track| is_wanted(track.number, head).is_some()) {
        return Ok(());
    }
    let (mut at, mut cluster_time) = (head.first_cluster, None);
    for _ in 0..MAX_ELEMENTS {
        seen.spend(ELEMENT_WORK)?;
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
        let Some((rest, found)) = rest.and_then(|rest| Some((rest, element(rest, 0)?))) else { break };
        if found.id == TIMESTAMP {
            cluster_time = found.content_in(rest).and_then(big_endian);
        } else if let Some((number, relative, _)) = block_head(rest, found)
            && let Some(track) = is_wanted(number, head).and_then(|index| head.tracks.get_mut(index))
            && track.frames.times.len() < MAX_FRAMES
        {
            track.frames.times.extend(cluster_time.and_then(|cluster| block_time(cluster, relative)));
        }
        // The content of a cluster is examined, that of other elements is not.
        let end = if found.id == CLUSTER { Some(found.content) } else { found.end() };
        let Some(next) = end.and_then(|length| at.checked_add(length)) else { break };
        at = next;
    }
    let is_whole = at >= seen.size();
    head.tracks.iter_mut().for_each(|track| track.frames.is_whole = is_whole);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::super::Matroska;
    use super::super::ids::{
        DEFAULT_DURATION, EBML, INFO, SEGMENT, SIMPLE_BLOCK, TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, TRACKS,
    };
    use super::*;
    use crate::media::layout::ebml::element_of;
    use crate::media::layout::replay::Replay;

    fn number(id: u32, value: u64) -> Vec<u8> {
        element_of(id, &value.to_be_bytes())
    }

    fn block(track: u8, time: i16, bytes: usize) -> Vec<u8> {
        let [high, low] = time.to_be_bytes();
        element_of(SIMPLE_BLOCK, &[&[0x80 | track, high, low, 0x80][..], &vec![0; bytes]].concat())
    }

    /// Creates a file of a video track and an audio track, with these clusters.
    fn file(more: &[u8], clusters: &[(u64, Vec<Vec<u8>>)]) -> Vec<u8> {
        let track = |track: u64, kind: u64, more: &[u8]| {
            let entry = [number(TRACK_NUMBER, track), number(TRACK_TYPE, kind), more.to_vec()].concat();
            element_of(TRACK_ENTRY, &entry)
        };
        let tracks = [track(1, TYPE_VIDEO, more), track(2, 2, &[])].concat();
        let clusters = clusters.iter().flat_map(|(time, blocks)| {
            element_of(CLUSTER, &[number(TIMESTAMP, *time), blocks.concat()].concat())
        });
        let content = [element_of(INFO, &[]), element_of(TRACKS, &tracks), clusters.collect()].concat();
        [element_of(EBML, &[]), element_of(SEGMENT, &content)].concat()
    }

    fn times(file: &[u8]) -> Option<(Vec<i64>, bool)> {
        let mut planner = Matroska::new(None);
        Replay::new(file).run(&mut planner, 1000).unwrap();
        planner.frame_times(0).map(|(times, is_whole)| (times.to_vec(), is_whole))
    }

    #[test]
    fn times_of_the_frames_in_the_first_bytes() {
        let clusters = [
            (0, vec![block(1, 0, 100), block(2, 0, 10), block(1, 80, 50), block(1, 40, 50)]),
            (1000, vec![block(1, -20, 50), block(1, 20, 100_000)]),
            (2000, vec![block(1, 0, 50)]),
        ];
        // The header of the large block is in the first bytes, and the next cluster is not.
        assert_eq!(times(&file(&[], &clusters)), Some((vec![0, 80, 40, 980, 1020], false)));
        assert_eq!(times(&file(&[], &clusters[..1])), Some((vec![0, 80, 40], true)));
        // Nothing is collected for a track with a rate.
        assert_eq!(times(&file(&number(DEFAULT_DURATION, 40_000_000), &clusters)), None);
    }

    #[test]
    fn few_frames_are_kept_of_many() {
        let blocks = (0..500).map(|time| block(1, time, 4)).collect();
        let (times, is_whole) = times(&file(&[], &[(0, blocks)])).unwrap();
        assert_eq!((times.len(), times.last(), is_whole), (MAX_FRAMES, Some(&79), true));
    }
}

//! A Matroska file whose cues are larger than 1 MiB: a cue for each of its 60,000 frames, all of them keyframes.
//!
//! The file is built here, in memory, because 15 MB would be too large for the repository.

mod common;
#[path = "common/matroska.rs"]
mod matroska;

use std::io::Cursor;
use std::time::Duration;

use common::{Outcome, fixture_bytes, planes_md5};
use matroska::{CLUSTER, CUES, INFO, SEGMENT, TRACKS, all, cue, element, integer, seek_head};
use posterframe::{Limits, Media, OpenOptions};

/// The number of frames in the file. They are a millisecond apart, so the last one is at 59.999 s.
const FRAMES: u64 = 60_000;
/// The number of frames in a cluster.
const CLUSTER_FRAMES: u64 = 1_000;

/// Builds a file that repeats the frames of `ffv1_keyframes.mkv`, with a cue for each frame.
fn many_cues() -> Outcome<Vec<u8>> {
    let source = fixture_bytes("ffv1_keyframes.mkv")?;
    let header = all(&source, 0x1A45_DFA3)?.concat();
    let segment = all(&source, SEGMENT)?.concat();
    let tracks = element(TRACKS, &all(&segment, TRACKS)?.concat());
    let mut frames = Vec::new();
    for cluster in all(&segment, CLUSTER)? {
        // A simple block's first four bytes are its track, its time and its flags (RFC 9559, 10.2).
        frames.extend(all(cluster, 0xA3)?.into_iter().filter_map(|block| block.get(4..)));
    }
    let duration = element(0x4489, &(FRAMES as f64).to_be_bytes());
    let info = element(INFO, &[integer(0x2A_D7B1, 1_000_000), duration].concat());
    let mut body = [seek_head(0), info, tracks].concat();
    let mut cues = Vec::new();
    for start in (0..FRAMES).step_by(usize::try_from(CLUSTER_FRAMES)?) {
        let cluster_at = body.len();
        let mut cluster = integer(0xE7, start);
        for (offset, frame) in (0..CLUSTER_FRAMES).zip(frames.iter().cycle()) {
            cues.extend(cue(start + offset, cluster_at, cluster.len()));
            let time = u16::try_from(offset)?.to_be_bytes();
            cluster.extend(element(0xA3, &[&[0x81, time[0], time[1], 0x80], *frame].concat()));
        }
        body.extend(element(CLUSTER, &cluster));
    }
    assert!(cues.len() > 2_000_000, "the cues are only {} bytes long", cues.len());
    let seek = seek_head(body.len());
    body[..seek.len()].copy_from_slice(&seek);
    body.extend(element(CUES, &cues));
    Ok([element(0x1A45_DFA3, &header), element(SEGMENT, &body)].concat())
}

#[test]
fn the_frame_is_right_whatever_the_size_of_the_cues() -> Outcome {
    let bytes = many_cues()?;
    // Without the cues, the search would read the 55,003 packets before the frame, which exceeds this limit.
    let mut limits = Limits::default();
    limits.max_packets = CLUSTER_FRAMES;
    let mut media = Media::open(Cursor::new(bytes), &OpenOptions::default().with_limits(limits))?;
    let frame = media.frame(Duration::from_millis(55_003))?;
    assert_eq!(frame.pts(), 55_003);
    assert!(frame.packets_decoded() <= 2, "{} packets", frame.packets_decoded());
    // Every cluster begins with the first of the 12 frames of ffv1_keyframes.mkv. This frame is the fourth of the 12, at 1.5 s.
    let mut source = common::open("ffv1_keyframes.mkv")?;
    let same = source.frame(Duration::from_millis(1_500))?;
    assert_eq!(planes_md5(&frame)?, planes_md5(&same)?);
    Ok(())
}

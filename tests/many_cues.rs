//! A Matroska file whose cues are larger than 1 MiB: a cue for each of its 60,000 frames, all of them keyframes.
//!
//! The file is built here, in memory, because 15 MB would be too large for the repository.

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{Outcome, fixture_bytes, planes_md5};
use posterframe::{Limits, Media, OpenOptions};

/// The frames of the file. They are a millisecond apart, so that the last one is at 59.999 s.
const FRAMES: u64 = 60_000;
/// The frames of a cluster.
const CLUSTER_FRAMES: u64 = 1_000;

const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
const CUES: u32 = 0x1C53_BB6B;

/// An element with a size of 8 bytes (RFC 8794, section 4).
fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0);
    let size = (1 << 56 | body.len() as u64).to_be_bytes();
    id.chain(size).chain(body.iter().copied()).collect()
}

fn integer(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// The children of a range of `bytes`: ID and body of each.
fn children(mut bytes: &[u8]) -> Outcome<Vec<(u32, &[u8])>> {
    let mut found = Vec::new();
    while let Some(first) = bytes.first() {
        let id_length = first.leading_zeros() as usize + 1;
        let id = bytes.get(..id_length).ok_or("an ID is cut")?;
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let size_at = bytes.get(id_length).ok_or("a size is cut")?;
        let size_length = size_at.leading_zeros() as usize + 1;
        let head = id_length + size_length;
        let size = bytes.get(id_length..head).ok_or("a size is cut")?;
        let size =
            size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte)) & ((1 << (7 * size_length)) - 1);
        found.push((id, bytes.get(head..head + size).ok_or("an element is cut")?));
        bytes = &bytes[head + size..];
    }
    Ok(found)
}

/// The bodies of all children of that kind.
fn all(bytes: &[u8], id: u32) -> Outcome<Vec<&[u8]>> {
    Ok(children(bytes)?.into_iter().filter(|(kind, _)| *kind == id).map(|(_, body)| body).collect())
}

/// A seek head (RFC 9559, 5.1.1) that names the cues. Its length does not depend on `cues_at`.
fn seek_head(cues_at: usize) -> Vec<u8> {
    let seek = [element(0x53AB, &CUES.to_be_bytes()), integer(0x53AC, cues_at as u64)].concat();
    element(SEEK_HEAD, &element(0x4DBB, &seek))
}

/// A cue (RFC 9559, 5.1.5) with a relative position and a duration.
fn cue(time: u64, cluster_at: usize, block_at: usize) -> Vec<u8> {
    let position = [
        element(0xF7, &[1]),
        integer(0xF1, cluster_at as u64),
        integer(0xF0, block_at as u64),
        element(0xB2, &[1]),
    ];
    element(0xBB, &[integer(0xB3, time), element(0xB7, &position.concat())].concat())
}

/// The frames of `ffv1_keyframes.mkv` over and over, with a cue for each.
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
    // Without the cues, 55,003 packets come before the frame.
    let mut limits = Limits::default();
    limits.max_packets = CLUSTER_FRAMES;
    let mut media = Media::open(Cursor::new(bytes), &OpenOptions::default().with_limits(limits))?;
    let frame = media.frame(Duration::from_millis(55_003))?;
    assert_eq!(frame.pts(), 55_003);
    assert!(frame.packets_decoded() <= 2, "{} packets", frame.packets_decoded());
    // Every cluster begins with the first of the 12 frames of ffv1_keyframes.mkv; this one is its fourth, at 1.5 s.
    let mut source = common::open("ffv1_keyframes.mkv")?;
    let same = source.frame(Duration::from_millis(1_500))?;
    assert_eq!(planes_md5(&frame)?, planes_md5(&same)?);
    Ok(())
}

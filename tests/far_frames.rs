//! Frames of films whose groups of pictures are longer than what a plan reads beside its estimate.
//!
//! The films are built here, in memory, because 20 MB would be too large for the repository.

mod common;
#[path = "common/matroska.rs"]
mod matroska;

use std::time::Duration;

use common::{Outcome, fixture_bytes, planes_md5};
use matroska::{CLUSTER, CUES, INFO, SEGMENT, TRACKS, all, cue, element, integer, seek_head};
use posterframe::source::{BlockCache, MemorySource};
use posterframe::{FrameReason, FrameRequest, Ledger, Media, OpenOptions, Pick};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Groups of thirty pictures.
const GROUPS: u64 = 24;
const GROUP_MILLISECONDS: u64 = 3_000;

/// A NAL unit of filler data, which decoders ignore (ITU-T H.264, 7.3.2.7), with its length in front.
fn filler(bytes: usize) -> Vec<u8> {
    let mut unit = vec![0xff; bytes + 2];
    (unit[0], unit[bytes + 1]) = (0x0c, 0x80);
    [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], &unit].concat()
}

/// The first two groups of pictures of `h264.mkv` over and over, each in a cluster with a cue, with these bytes more in the first and in
/// the other pictures.
fn film(more: [usize; 2]) -> Outcome<Vec<u8>> {
    let source = fixture_bytes("h264.mkv")?;
    let header = all(&source, 0x1A45_DFA3)?.concat();
    let segment = all(&source, SEGMENT)?.concat();
    let tracks = all(&segment, TRACKS)?.concat();
    // The picture comes first.
    let video = *all(&tracks, 0xAE)?.first().ok_or("no track")?;
    let tracks = element(TRACKS, &element(0xAE, video));
    let mut frames = Vec::new();
    for cluster in all(&segment, CLUSTER)? {
        let start = all(cluster, 0xE7)?.concat().iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        // A simple block's first four bytes are its track, its time and its flags (RFC 9559, 10.2).
        for block in all(cluster, 0xA3)?.into_iter().filter(|block| block.first() == Some(&0x81)) {
            let time = start + u64::from(u16::from_be_bytes([block[1], block[2]]));
            frames.push((time, block[3], &block[4..]));
        }
    }
    let duration = element(0x4489, &((GROUPS * GROUP_MILLISECONDS) as f64).to_be_bytes());
    let info = element(INFO, &[integer(0x2A_D7B1, 1_000_000), duration].concat());
    let mut body = [seek_head(0), info, tracks].concat();
    let mut cues = Vec::new();
    for group in 0..GROUPS {
        let (cluster_at, start) = (body.len(), group % 2 * GROUP_MILLISECONDS);
        let timestamp = integer(0xE7, group * GROUP_MILLISECONDS);
        cues.extend(cue(group * GROUP_MILLISECONDS, cluster_at, timestamp.len()));
        let mut cluster = timestamp;
        let own = frames.iter().filter(|(time, ..)| (start..start + GROUP_MILLISECONDS).contains(time));
        for (number, (time, flags, frame)) in own.enumerate() {
            let time = u16::try_from(time - start)?.to_be_bytes();
            let head = [0x81, time[0], time[1], *flags];
            cluster.extend(element(0xA3, &[&head[..], frame, &filler(more[number.min(1)])].concat()));
        }
        body.extend(element(CLUSTER, &cluster));
    }
    let seek = seek_head(body.len());
    body[..seek.len()].copy_from_slice(&seek);
    body.extend(element(CUES, &cues));
    Ok([element(0x1A45_DFA3, &header), element(SEGMENT, &body)].concat())
}

/// What frames cost, read from far away, with nothing read before.
fn cost(film: &[u8], requests: &[FrameRequest]) -> Outcome<Ledger> {
    let options = OpenOptions::default().with_cache(BlockCache::new(32 << 20));
    let mut media = Media::open_source(MemorySource::new(film.to_vec()), &options)?;
    for frame in media.frames(requests) {
        frame?;
    }
    Ok(media.ledger())
}

fn evenly(count: u64, pick: Pick) -> Vec<FrameRequest> {
    let step = GROUPS * GROUP_MILLISECONDS / count;
    let at = |number| Duration::from_millis(number * step + step / 2);
    (0..count).map(|number| FrameRequest::at(at(number)).with_pick(pick)).collect()
}

/// However many frames: the round trips of one, and one more; and of each group of pictures little that is not needed.
#[test]
fn a_list_takes_the_round_trips_of_one_frame() -> Outcome {
    // Groups that begin with as large a part as an estimate reckons with, with much more of it, and with much less.
    for more in [[90_000, 20_000], [300_000, 12_000], [20_000, 25_000]] {
        let film = film(more)?;
        for pick in Pick::ALL {
            let one = cost(&film, &evenly(1, pick))?;
            for count in [2, 8, GROUPS, 5 * GROUPS] {
                let many = cost(&film, &evenly(count, pick))?;
                let what = format!("{more:?}, {count} frames, {pick:?}: {many:?}, one takes {one:?}");
                assert!(many.round_trips <= one.round_trips + 1, "{what}");
                let group = more[0] as u64 + if pick == Pick::Exact { 29 * more[1] as u64 } else { 0 };
                let most = one.bytes_fetched + count.min(GROUPS) * (group + 100_000);
                assert!(many.bytes_fetched <= most.min(film.len() as u64), "at most {most}: {what}");
            }
        }
    }
    Ok(())
}

/// A keyframe takes the bytes of its block, whatever part of its group it is, and no more round trips than the exact frame.
#[test]
fn a_keyframe_takes_its_block() -> Outcome {
    let sizes = [0..400_000_usize, 0..30_000];
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner.run(&(sizes, 0..GROUPS * GROUP_MILLISECONDS), |(more, milliseconds)| {
        let film = film(more).unwrap();
        let at = FrameRequest::at(Duration::from_millis(milliseconds));
        let [exact, keyframe] = Pick::ALL.map(|pick| cost(&film, &[at.with_pick(pick)]).unwrap());
        prop_assert!(
            keyframe.round_trips <= exact.round_trips,
            "{:?}, the exact frame {:?}",
            keyframe,
            exact
        );
        let opening = cost(&film, &[]).unwrap();
        // What was requested before the block's length was known.
        let most = opening.bytes_fetched + (more[0] as u64).max((more[0] + 29 * more[1]) as u64 / 8) + 64_000;
        prop_assert!(
            keyframe.bytes_fetched <= most,
            "{:?} at {}: {:?}, {}",
            more,
            milliseconds,
            keyframe,
            most
        );
        let mut media = Media::open_source(MemorySource::new(film), &OpenOptions::default()).unwrap();
        let frame = media.frame(at.with_pick(Pick::Keyframe)).unwrap();
        let group = milliseconds / GROUP_MILLISECONDS;
        prop_assert_eq!(frame.reason(), FrameReason::Keyframe);
        prop_assert_eq!(u64::try_from(frame.pts()).unwrap(), group * GROUP_MILLISECONDS);
        let mut source = common::open("h264.mkv").unwrap();
        let same = source.frame(Duration::from_millis(group % 2 * GROUP_MILLISECONDS)).unwrap();
        prop_assert_eq!(planes_md5(&frame).unwrap(), planes_md5(&same).unwrap());
        Ok(())
    })?;
    Ok(())
}

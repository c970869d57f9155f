//! Measures the round trips and bytes of frames in long groups of pictures, for a film on a distant server.

mod common;
#[path = "common/films.rs"]
mod films;
#[path = "common/matroska.rs"]
mod matroska;

use std::time::Duration;

use common::{Outcome, planes_md5};
use films::{CONTAINERS, Container, Film, GROUP_MILLISECONDS, Index, PICTURE_MILLISECONDS};
use posterframe::source::{BlockCache, FirstReads, MemorySource, ReadSize};
use posterframe::{FrameReason, FrameRequest, Ledger, Media, OpenOptions, Pick};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The reader reads over a gap of at most this size, and sends another request for a larger gap.
const READ_OVER: u64 = 256 << 10;

/// The cost of frames in a newly opened film.
fn cost(film: &[u8], requests: &[FrameRequest]) -> Outcome<Ledger> {
    cost_with_cache(film, requests, 32 << 20)
}

fn cost_with_cache(film: &[u8], requests: &[FrameRequest], capacity: u64) -> Outcome<Ledger> {
    let mut reads = FirstReads::default();
    (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(64 << 10), ReadSize::fixed(32 << 10), 0);
    let mut options = OpenOptions::default().with_first_reads(reads);
    options.cache = Some(BlockCache::new(capacity));
    let mut media = Media::open_source(MemorySource::new(film.to_vec()), &options)?;
    for frame in media.frames(requests) {
        frame?;
    }
    Ok(media.ledger())
}

/// Requests for `count` frames of a film, at even intervals.
fn evenly(film: &Film, count: u32, pick: Pick) -> Vec<FrameRequest> {
    let step = Duration::from_millis(film.milliseconds().into()) / count;
    (0..count).map(|number| FrameRequest::at(step * number + step / 2).with_pick(pick)).collect()
}

/// A list of any length takes at most one round trip more than one frame, and few bytes of each group that are not needed.
#[test]
fn a_list_takes_the_round_trips_of_one_frame() -> Outcome {
    const GROUPS: u32 = 20;
    // The first picture of a group has the size that the reader's estimate assumes, is much larger, or is much smaller.
    for more in [[90_000, 20_000], [300_000, 12_000], [20_000, 25_000]] {
        let film = Film::new(GROUPS, more)?;
        let (key, group) = film.sizes();
        for container in CONTAINERS {
            let bytes = film.in_container(container);
            for pick in [Pick::Exact, Pick::Keyframe] {
                let one = cost(&bytes, &evenly(&film, 1, pick))?;
                for count in [2, 7, GROUPS] {
                    let many = cost(&bytes, &evenly(&film, count, pick))?;
                    let what = format!(
                        "{container:?}, {more:?}, {count} frames, {pick:?}: {many:?}, one takes {one:?}"
                    );
                    if container == Container::Fragments(Index::None) {
                        continue;
                    }
                    assert!(many.round_trips <= one.round_trips + 1, "{what}");
                    let each = if pick == Pick::Exact { group } else { key + group / 8 } + 100_000;
                    let most = one.bytes_fetched + u64::from(count) * each;
                    assert!(many.bytes_fetched <= most.min(bytes.len() as u64), "at most {most}: {what}");
                }
            }
        }
    }
    Ok(())
}

/// A keyframe takes only its own bytes, whatever share of its group they are, and no more round trips than the exact frame.
#[test]
fn a_keyframe_takes_its_own_bytes() -> Outcome {
    let sizes = [0..300_000_usize, 0..30_000];
    let mut runner = TestRunner::new(Config {
        cases: 30,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let container = prop::sample::select(&CONTAINERS[..]);
    runner.run(&(sizes, container, 0..8 * GROUP_MILLISECONDS), |(more, container, milliseconds)| {
        let film = Film::new(8, more).unwrap();
        let bytes = film.in_container(container);
        let at = FrameRequest::at(Duration::from_millis(milliseconds.into()));
        let [exact, keyframe] =
            [Pick::Exact, Pick::Keyframe].map(|pick| cost(&bytes, &[at.with_pick(pick)]).unwrap());
        // The first reads may not be complete yet.
        let opening = cost(&bytes, &[]).unwrap().bytes_fetched.max(96 << 10);
        let what = format!(
            "{container:?}, {more:?}, at {milliseconds}: {keyframe:?}, exact {exact:?}, opening {opening}"
        );
        let (key, group) = film.sizes();
        // The bytes that are requested before the length of the keyframe is known.
        let guess = key.max(group / 8) + 64_000;
        let most = match container {
            // libavformat reads on after the last keyframe.
            Container::Matroska if milliseconds >= 7 * GROUP_MILLISECONDS => {
                exact.bytes_fetched.max(opening + group + guess)
            }
            Container::Mp4 => opening + key,
            Container::Matroska | Container::Fragments(Index::Sidx) => opening + guess,
            Container::Fragments(index) => {
                // The headers of the fragments before, and the bytes between them if the gaps are read over.
                let each = if index == Index::None || group < READ_OVER + 4_000 { group } else { 2_000 };
                let in_front = u64::from(milliseconds / GROUP_MILLISECONDS) * each;
                // The header of the fragment after, and its keyframe if the time is near the end of the group.
                let is_late =
                    milliseconds % GROUP_MILLISECONDS >= GROUP_MILLISECONDS - 3 * PICTURE_MILLISECONDS;
                opening + in_front + guess + READ_OVER + if is_late { guess } else { 0 }
            }
        };
        // Without an index at the front, only another fragment shows that the keyframe is the last one.
        let more = u64::from(matches!(container, Container::Fragments(Index::Mfra | Index::None)));
        prop_assert!(keyframe.round_trips <= exact.round_trips + more, "{}", what);
        prop_assert!(keyframe.bytes_fetched <= most, "at most {}: {}", most, what);
        let mut media = Media::open_source(MemorySource::new(bytes), &OpenOptions::default()).unwrap();
        let frame = media.frame(at.with_pick(Pick::Keyframe)).unwrap();
        prop_assert_eq!(frame.reason(), FrameReason::Keyframe, "{}", what);
        let mut source = common::open("h264.mkv").unwrap();
        let group = milliseconds / GROUP_MILLISECONDS % 2 * GROUP_MILLISECONDS;
        let same = source.frame(Duration::from_millis(group.into())).unwrap();
        prop_assert_eq!(planes_md5(&frame).unwrap(), planes_md5(&same).unwrap(), "{}", what);
        Ok(())
    })?;
    Ok(())
}

/// The bytes of a list do not depend on the size of the cache: a decoder that is slower than the network must not cause repeated requests.
/// Fragments in an `mfra` are left out: all their headers are read first, which takes cache space for all planned bytes.
#[test]
fn a_list_reads_nothing_twice_in_a_small_cache() -> Outcome {
    let mut runner = TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 20,
        failure_persistence: None,
        ..Config::default()
    });
    let container = prop::sample::select(&CONTAINERS[..3]);
    let pick = prop::sample::select(&[Pick::Exact, Pick::Keyframe][..]);
    let size = (100_000..400_000_usize, 0..20_000_usize);
    let list = (2..40_u32, any::<bool>());
    runner.run(
        &(container, pick, size, list, 1_000_000..4_000_000_u64),
        |(container, pick, size, list, capacity)| {
            let ((key, other), (count, is_reversed)) = (size, list);
            let film = Film::new(40, [key, other]).unwrap();
            let bytes = film.in_container(container);
            let mut requests = evenly(&film, count, pick);
            if is_reversed {
                requests.reverse();
            }
            let [much, little] =
                [1 << 30, capacity].map(|room| cost_with_cache(&bytes, &requests, room).unwrap());
            let what = format!(
                "{container:?}, {pick:?}, {size:?}, {list:?}, {capacity}: {little:?}, with room {much:?}"
            );
            // Bodies that nobody needs are aborted. One body may contain several frames. In a reversed
            // list, the first part of the body arrives too early.
            let again = much.bytes_fetched / if is_reversed { 2 } else { 20 };
            let most = much.bytes_fetched + again + READ_OVER;
            prop_assert!(little.bytes_fetched <= most, "at most {}: {}", most, what);
            Ok(())
        },
    )?;
    Ok(())
}

/// A browser's recording has no index: the bytes of the seconds before the frame are requested together.
#[test]
fn a_recording_takes_few_round_trips() -> Outcome {
    // From a tenth to four thirds of the bit rate that browsers record with by default.
    for more in [[20_000, 100], [100_000, 10_000], [150_000, 35_000]] {
        let film = Film::new(10, more)?;
        let bytes = film.recording();
        let cost = cost(&bytes, &[FrameRequest::at(Duration::from_secs(5))])?;
        let (_, group) = film.sizes();
        let needed = 2 * group;
        let what = format!("{more:?}, {needed} bytes needed: {cost:?}");
        assert!(cost.round_trips <= 4, "{what}");
        assert!(cost.bytes_fetched <= needed.max(2_000_000) + (256 << 10), "{what}");
    }
    Ok(())
}

//! Frames must be the same as from a local file, in every container.

use std::thread;

use posterframe::OpenOptions;
use posterframe::source::BlockCache;

use crate::common::{AT, Outcome, fixture_bytes, frame, planes_md5};
use crate::waits::pause;
use crate::{Remote, SORTS, Sort, frame_in_memory, options};

/// At least one file of each container, and of each method to find a frame in it.
const CONTAINERS: [&str; 15] = [
    "h264_front.mp4",
    "h264_end.mp4",
    "h264_frag_sidx.mp4",
    "h264_frag_mfra.mp4",
    "h264_frag_noindex.mp4",
    "mjpeg.mov",
    "h264.mkv",
    "vp9.webm",
    "h264.ts",
    "mpeg4.avi",
    "flv.flv",
    "mpeg2.mxf",
    "theora.ogv",
    "wmv2.asf",
    "mpeg2.ps.mpg",
];

#[test]
fn every_container_gives_the_frame_it_gives_as_a_file() -> Outcome {
    for name in CONTAINERS {
        let expected = planes_md5(&frame(name)?)?;
        for sort in SORTS {
            let what = format!("{name}, {sort:?}");
            let remote = Remote::start(sort, &fixture_bytes(name)?)?;
            let mut media = remote.open(&options()).map_err(|error| format!("{what}: {error}"))?;
            let found = media.frame(AT).map_err(|error| format!("{what}: {error}"))?;
            assert_eq!(planes_md5(&found)?, expected, "{what}");
            let (seen, ledger) = (remote.seen(), media.ledger());
            assert!(seen.len() >= 3, "{what}: it took no more than the first reads");
            // Status 0 means that a request had no reply yet. Requests that are no longer needed may be under way or cancelled.
            assert!(seen.iter().all(|seen| matches!(seen.status, 0 | 206)), "{what}: {seen:?}");
            assert!(ledger.requests >= seen.len() as u64, "{what}: {ledger:?}, {} came", seen.len());
            assert!(ledger.round_trips >= 2 && ledger.round_trips <= ledger.requests, "{what}: {ledger:?}");
            assert!(ledger.bytes_used <= ledger.bytes_fetched, "{what}: {ledger:?}");
            // Once the version is known, every request is bound to it.
            let unbound = seen.iter().filter(|seen| seen.header("if-match").is_none()).count();
            assert!(unbound <= 2, "{what}: {seen:?}");
        }
    }
    Ok(())
}

#[test]
fn the_usual_first_reads_give_the_frame_too() -> Outcome {
    for name in CONTAINERS {
        let bytes = fixture_bytes(name)?;
        let expected = planes_md5(&frame(name)?)?;
        for hint in [None, Some(bytes.len() as u64)] {
            let remote = Remote::start(Sort::Http, &bytes)?;
            let mut options = OpenOptions::default().with_frame(AT);
            options.size_hint = hint;
            assert_eq!(remote.frame(&options)?, expected, "{name}, {hint:?}");
            // A small object is fetched whole in one request if its size is known. Otherwise head and tail together cover it.
            let most = if hint.is_some() { 1 } else { 2 };
            assert!(remote.requests() <= most, "{name}, {hint:?}: {:?}", remote.seen());
        }
    }
    Ok(())
}

/// A cache without room keeps only the bytes that a reader waits for. These bytes must still reach the reader.
#[test]
fn a_cache_without_room_makes_it_slower_and_not_wrong() -> Outcome {
    for name in CONTAINERS {
        let bytes = fixture_bytes(name)?;
        let expected = frame_in_memory(&bytes)?;
        for capacity in [0, 10_000] {
            let remote = Remote::start(Sort::Http, &bytes)?;
            let options = options().with_cache(BlockCache::new(capacity));
            let found = remote.frame(&options).map_err(|error| format!("{name}, {capacity}: {error}"))?;
            assert_eq!(found, expected, "{name}, {capacity}");
        }
    }
    Ok(())
}

#[test]
fn many_at_once_share_a_small_cache() -> Outcome {
    const CAPACITY: u64 = 256 << 10;
    const TIMES: usize = 4;
    let cache = BlockCache::new(CAPACITY);
    let mut jobs = Vec::new();
    for name in &CONTAINERS[..8] {
        let bytes = fixture_bytes(name)?;
        jobs.push((frame_in_memory(&bytes)?, bytes.len() as u64, Remote::start(Sort::Http, &bytes)?));
    }
    // Above its capacity, the cache contains only bytes that readers wait for, at most one object per reader.
    let most = CAPACITY + jobs.iter().map(|(_, size, _)| size).sum::<u64>();
    thread::scope(|scope| {
        for (expected, _, remote) in &jobs {
            let cache = &cache;
            scope.spawn(move || {
                for _ in 0..TIMES {
                    let mut media = remote.open(&options().with_cache(cache.clone())).unwrap();
                    assert!(cache.used_bytes() <= most, "{cache:?}");
                    let found = planes_md5(&media.frame(AT).unwrap()).unwrap();
                    assert!(cache.used_bytes() <= most, "{cache:?}");
                    assert_eq!(&found, expected);
                }
            });
        }
    });
    // The I/O thread releases the bytes of cancelled requests.
    for _ in 0..100 {
        if cache.used_bytes() == 0 {
            return Ok(());
        }
        pause(10);
    }
    panic!("nobody reads any more: {cache:?}");
}

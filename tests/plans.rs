//! Plans are only hints. If other ranges are requested instead, every frame stays the same bit for bit; only bytes and requests change.

mod common;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use common::{AT, Outcome, fixture_bytes, fixtures, gives_no_picture, planes_md5};
use posterframe::source::{BlockCache, ByteRange, FirstReads, MemorySource, ReadSize};
use posterframe::testing::replace_hints;
use posterframe::{Error, FrameReason, FrameRequest, Ledger, Media, OpenOptions, Pick};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The planned time of the first request, and later times that were not planned: at other places, and behind the end.
const TIMES: [Duration; 4] =
    [AT, Duration::from_millis(1210), Duration::from_millis(6790), Duration::from_secs(60)];

/// The properties of a frame that must not depend on plans, or the error.
type Frame = Result<(i64, FrameReason, String), String>;

/// The ranges that are requested instead of those of a plan.
#[derive(Debug, Clone)]
enum Instead {
    Nothing,
    /// Random ranges from this seed, once for each plan.
    Garbage(u64),
    /// The ranges of this file's plans.
    Other(String),
}

/// Returns the exact frame and the keyframe for each time, in this order, and the costs. The first reads are scaled down to the
/// size of the fixtures.
fn frames(name: &str, times: &[Duration]) -> Outcome<(Vec<Frame>, Ledger)> {
    let mut reads = FirstReads::default();
    (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(8 << 10), ReadSize::fixed(4 << 10), 8 << 10);
    let mut options = OpenOptions::default().with_frame(AT).with_first_reads(reads);
    options = options.with_cache(BlockCache::new(1 << 20));
    let mut media = Media::open_source(MemorySource::new(fixture_bytes(name)?), &options)?;
    let mut frame = |request: FrameRequest| {
        let frame = media.frame(request)?;
        Ok((frame.pts(), frame.reason(), planes_md5(&frame)?))
    };
    let picks = [Pick::Exact, Pick::Keyframe];
    let requests = times.iter().flat_map(|&at| picks.map(|pick| FrameRequest::at(at).with_pick(pick)));
    let told = |request| frame(request).map_err(|error: Error| error.to_string());
    Ok((requests.map(told).collect(), media.ledger()))
}

/// Returns the ranges of each plan for a file, in order.
fn hints_of(name: &str) -> Outcome<Vec<Vec<ByteRange>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&seen);
    let guard = replace_hints(move |_, ranges| {
        notes.borrow_mut().push(ranges.to_vec());
        ranges.to_vec()
    });
    frames(name, &TIMES)?;
    drop(guard);
    Ok(seen.take())
}

/// Returns random ranges that begin inside an object of `size` bytes and may end behind it (SplitMix64).
fn garbage(state: &mut u64, size: u64) -> Vec<ByteRange> {
    let mut next = |most: u64| {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % most.max(1)
    };
    (0..next(4))
        .map(|_| {
            let start = next(size);
            ByteRange::new(start, start + next(size / 4))
        })
        .collect()
}

fn names() -> Outcome<Vec<String>> {
    Ok(fixtures()?.into_iter().filter(|name| !gives_no_picture(name)).collect())
}

#[test]
fn frames_do_not_depend_on_plans() -> Outcome {
    let names = names()?;
    let mut expected = HashMap::new();
    let mut hints = HashMap::new();
    for name in &names {
        expected.insert(name.clone(), frames(name, &TIMES)?.0);
        hints.insert(name.clone(), hints_of(name)?);
    }
    let hints = Rc::new(hints);
    let instead = prop_oneof![
        Just(Instead::Nothing),
        any::<u64>().prop_map(Instead::Garbage),
        prop::sample::select(names.clone()).prop_map(Instead::Other),
    ];
    let strategy = (prop::sample::select(names), instead);
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner.run(&strategy, |(name, instead)| {
        let (mut turn, mut state) = (0_usize, 0);
        let hints = Rc::clone(&hints);
        if let Instead::Garbage(seed) = instead {
            state = seed;
        }
        let _guard = replace_hints(move |size, _| {
            turn += 1;
            match &instead {
                Instead::Nothing => Vec::new(),
                Instead::Garbage(_) => garbage(&mut state, size),
                Instead::Other(other) => hints[other].get(turn - 1).cloned().unwrap_or_default(),
            }
        });
        let found = frames(&name, &TIMES).map_err(|error| TestCaseError::fail(error.to_string()))?.0;
        prop_assert_eq!(&found, &expected[&name], "{}", name);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn plans_decide_about_requests() -> Outcome {
    // Without plans, some files must cost something else, although the fixtures are not much larger than the first reads.
    // Otherwise the other test, which replaces plans, would prove nothing.
    let names = names()?;
    let costs = || -> Outcome<Vec<(u64, u64)>> {
        let cost = |name: &String| {
            let ledger = frames(name, &[AT])?.1;
            Ok((ledger.bytes_fetched, ledger.requests))
        };
        names.iter().map(cost).collect()
    };
    let with = costs()?;
    let _guard = replace_hints(|_, _| Vec::new());
    let differing = with.iter().zip(costs()?).filter(|(with, without)| *with != without).count();
    assert!(
        differing > names.len() / 6,
        "{differing} of {} files cost something else without plans",
        names.len()
    );
    Ok(())
}

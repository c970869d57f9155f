//! Slow servers, and callers with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use posterframe::{CancelToken, ErrorKind};

use crate::common::{AT, Outcome, fixture_bytes, planes_md5};
use crate::servers::Fault;
use crate::{
    FIRST, FRONT, Remote, SORTS, Sort, Which, failure, frame_in_memory, is_any, is_head, is_later, is_told,
    options, side_by_side, with_each_sort, within,
};

/// The time without any byte after which the engine sends a request again.
const STALL: Duration = Duration::from_secs(4);

/// Waits this many milliseconds, or a little less.
pub(crate) fn pause(milliseconds: u64) {
    thread::park_timeout(Duration::from_millis(milliseconds));
}

#[test]
fn slow_servers_are_waited_for() -> Outcome {
    const TIME: Duration = Duration::from_millis(200);
    let bytes = fixture_bytes(FRONT)?;
    let expected = frame_in_memory(&bytes)?;
    side_by_side(SORTS, |sort| {
        let usual = Remote::start(sort, &bytes)?;
        usual.frame(&options())?;
        let remote = Remote::with_fault(sort, &bytes, is_any, Fault::Delay(TIME))?;
        remote.faults().always(Fault::StallBody { after: 1000, pause: TIME });
        let mut media = remote.open(&options())?;
        assert_eq!(planes_md5(&media.frame(AT)?)?, expected);
        assert_eq!(remote.requests(), usual.requests(), "nothing is asked for twice");
        let ledger = media.ledger();
        // Each round trip has two pauses. The needed part of the last body may have arrived before its pause.
        let waited = TIME * u32::try_from(ledger.round_trips * 2 - 1)?;
        assert!(ledger.waiting >= waited, "{ledger:?}");
        Ok(())
    });
    Ok(())
}

/// Stalls one request for longer than the engine waits, and checks that the engine then requests `resumed` once.
fn goes_on_after_a_stall(sort: Sort, which: Which, fault: Fault, resumed: &str) -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    let remote = Remote::start(sort, &bytes)?;
    remote.faults().when(1, which, fault);
    let started = Instant::now();
    assert_eq!(remote.frame(&within(STALL * 4))?, frame_in_memory(&bytes)?);
    let elapsed = started.elapsed();
    assert!(elapsed >= STALL && elapsed < STALL * 2, "{elapsed:?}");
    let seen = remote.seen();
    let number = seen.iter().find(|seen| which(seen)).ok_or("it was not asked for")?.number;
    let again = seen.iter().filter(|seen| seen.number > number && seen.range() == Some(resumed)).count();
    assert_eq!(again, 1, "{resumed} is not once in {seen:?}");
    Ok(())
}

/// Only this test waits until the engine itself gives up a request.
#[test]
fn a_request_that_brings_nothing_for_long_is_made_again() {
    const LONG: Duration = Duration::from_secs(60);
    let stall = Fault::StallBody { after: 1000, pause: LONG };
    let cases: [(Which, Fault, &str); 3] = [
        (is_head, Fault::Delay(LONG), "bytes=0-4095"),
        (is_head, stall.clone(), "bytes=1000-4095"),
        (|seen| seen.range() == Some("bytes=4096-16383"), stall, "bytes=5096-16383"),
    ];
    side_by_side(with_each_sort(cases), |(sort, (which, fault, resumed))| {
        goes_on_after_a_stall(sort, which, fault, resumed)
    });
}

#[test]
fn the_deadline_ends_every_wait() -> Outcome {
    const ALLOWED: Duration = Duration::from_millis(300);
    let stall = Fault::StallBody { after: 1000, pause: STALL };
    let cases: [(Which, Fault); 5] = [
        (is_head, Fault::Delay(STALL)),
        (is_head, stall.clone()),
        (is_later, Fault::Delay(STALL)),
        (is_later, stall),
        // The deadline passes between two attempts.
        (is_later, Fault::status(503).with_header("retry-after", "3")),
    ];
    let bytes = fixture_bytes(FRONT)?;
    side_by_side(with_each_sort(cases.into_iter().enumerate()), |(sort, (number, (which, fault)))| {
        let what = format!("fault {number}, {sort:?}");
        let remote = Remote::with_fault(sort, &bytes, which, fault)?;
        let started = Instant::now();
        let result = remote.frame(&within(ALLOWED));
        let elapsed = started.elapsed();
        let error = failure(result).map_err(|error| format!("{what}: {error}"))?;
        is_told(error, ErrorKind::Timeout, true, "not done within 0.3 s");
        // The upper bound is generous, because the machine may be busy.
        assert!(elapsed >= ALLOWED && elapsed < ALLOWED + STALL / 4, "{what}: {elapsed:?}");
        Ok(())
    });
    Ok(())
}

#[test]
fn without_any_time_nothing_is_waited_for() -> Outcome {
    let remote = Remote::start(Sort::Http, &fixture_bytes(FRONT)?)?;
    let error = failure(remote.frame(&within(Duration::ZERO)))?;
    is_told(error, ErrorKind::Timeout, true, "not done within 0.0 s");
    Ok(())
}

#[test]
fn cancelling_from_another_thread_ends_every_wait_at_once() -> Outcome {
    let cases: [(Which, Fault); 4] = [
        (is_head, Fault::Delay(STALL)),
        (is_head, Fault::StallBody { after: 1000, pause: STALL }),
        (is_later, Fault::StallBody { after: FIRST, pause: STALL }),
        (is_later, Fault::status(503).with_header("retry-after", "3")),
    ];
    for sort in SORTS {
        for (which, fault) in &cases {
            let remote = Remote::with_fault(sort, &fixture_bytes(FRONT)?, *which, fault.clone())?;
            let token = CancelToken::default();
            let options = options().with_cancel(token.clone());
            let (result, took) = thread::scope(|scope| {
                let reading = scope.spawn(|| (remote.frame(&options), Instant::now()));
                // Waits until the stalled request has arrived, and a little longer.
                while !remote.seen().iter().any(which) {
                    pause(5);
                }
                pause(50);
                let cancelled = Instant::now();
                token.cancel();
                let (result, ended) = reading.join().unwrap();
                (result, ended.saturating_duration_since(cancelled))
            });
            is_told(failure(result)?, ErrorKind::Cancelled, true, "cancelled");
            assert!(took < Duration::from_millis(200), "{took:?}, {sort:?}");
        }
    }
    Ok(())
}

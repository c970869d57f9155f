//! Bodies that are cut off, and servers that are busy.

use std::time::{Duration, Instant};

use posterframe::source::{ReadSize, SourceError};
use posterframe::{Error, ErrorKind};

use crate::common::{Outcome, fixture_bytes};
use crate::servers::{Fault, Seen};
use crate::{
    ATTEMPTS, END, FRONT, Remote, SORTS, Sort, Which, asked, failure, first_reads, frame_in_memory, is_any,
    is_head, is_later, is_tail, is_told, options, side_by_side, with_each_sort, within,
};

/// Enough time for all attempts.
const ENOUGH: Duration = Duration::from_secs(20);

/// Cuts the body of request `number`, and checks the later requests. Returns `false` if there is no such request.
fn is_resumed(sort: Sort, name: &str, number: u64) -> Outcome<bool> {
    const CUT: u64 = 700;
    let bytes = fixture_bytes(name)?;
    let size = bytes.len() as u64;
    let what = format!("{name}, {sort:?}, request {number}");
    let remote = Remote::start(sort, &bytes)?;
    remote.faults().on_request(number, Fault::CutBody(CUT));
    assert_eq!(remote.frame(&options())?, frame_in_memory(&bytes)?, "{what}");
    let seen = remote.seen();
    let Some(broken) = seen.iter().find(|seen| seen.number == number) else { return Ok(false) };
    let (start, end) = asked(broken, size)?;
    assert!(end - start > CUT, "{what}: its body is too short to break off");
    let resumed = format!("bytes={}-{}", start + CUT, end - 1);
    let later: Vec<&Seen> = seen.iter().filter(|seen| seen.number > number).collect();
    let again: Vec<_> = later.iter().filter(|seen| seen.range() == Some(resumed.as_str())).collect();
    // With the index in front, the end of the file may not be needed. Then no reader waits for the rest of the tail.
    let is_needed = name == END || !is_tail(broken);
    assert!(again.len() == 1 || again.is_empty() && !is_needed, "{what}: {resumed} is not once in {later:?}");
    // The continued request must accept only the version of the bytes that arrived before.
    assert!(again.iter().all(|seen| seen.header("if-match").is_some()), "{what}: {again:?}");
    for seen in later {
        let (first, last) = asked(seen, size)?;
        assert!(last <= start || first >= start + CUT, "{what}: {seen:?} asks for bytes that had come");
    }
    Ok(true)
}

#[test]
fn a_body_that_breaks_off_is_resumed_where_it_stopped() -> Outcome {
    for name in [FRONT, END] {
        for sort in SORTS {
            let mut number = 1;
            while is_resumed(sort, name, number)? {
                number += 1;
            }
            assert!(number > 3, "{name}, {sort:?}: there are no more than the first reads");
        }
    }
    Ok(())
}

#[test]
fn bodies_may_break_off_again_and_again_while_they_bring_something() -> Outcome {
    const CUT: u64 = 9_000;
    for name in [FRONT, END] {
        let bytes = fixture_bytes(name)?;
        for sort in SORTS {
            let remote = Remote::with_fault(sort, &bytes, is_any, Fault::CutBody(CUT))?;
            assert_eq!(remote.frame(&options())?, frame_in_memory(&bytes)?, "{name}, {sort:?}");
            let most = bytes.len() / usize::try_from(CUT)? + 6;
            assert!(remote.requests() <= most, "{} requests", remote.requests());
        }
    }
    Ok(())
}

/// The server declares no length, and the connection breaks after the last byte of the body. No byte must be requested again.
#[test]
fn all_bytes_are_enough_however_the_body_ends() -> Outcome {
    let bytes = fixture_bytes(END)?;
    let (expected, size) = (frame_in_memory(&bytes)?, bytes.len() as u64);
    let usual = Remote::start(Sort::Http, &bytes)?;
    usual.frame(&options())?;
    let remote = Remote::start(Sort::Http, &bytes)?;
    remote.faults().always(Fault::NoLength);
    for seen in usual.seen() {
        let (start, end) = asked(&seen, size)?;
        let which = move |seen: &Seen| asked(seen, size).is_ok_and(|asked| asked == (start, end));
        remote.faults().when(1, which, Fault::CutBody(end - start));
    }
    assert_eq!(remote.frame(&options())?, expected);
    assert_eq!(remote.requests(), usual.requests(), "nothing is asked for again");
    Ok(())
}

#[test]
fn bodies_that_bring_nothing_are_given_up() -> Outcome {
    let bytes = fixture_bytes(END)?;
    let cases: [(Which, Fault, usize); 4] = [
        (is_any, Fault::CutBody(0), 2 * ATTEMPTS),
        (is_any, Fault::NoReply, 2 * ATTEMPTS),
        (is_later, Fault::CutBody(0), 2 + 3 * ATTEMPTS),
        (is_later, Fault::NoReply, 2 + 3 * ATTEMPTS),
    ];
    side_by_side(with_each_sort(cases), |(sort, (which, fault, most))| {
        let remote = Remote::with_fault(sort, &bytes, which, fault)?;
        let error = failure(remote.frame(&within(ENOUGH)))?;
        assert!(matches!(error, Error::Source(SourceError::Connection { .. })), "{error:?}");
        is_told(error, ErrorKind::Unavailable, true, "connection failed: ");
        let requests = remote.requests();
        assert!((ATTEMPTS..=most).contains(&requests), "{sort:?}: {requests} requests");
        Ok(())
    });
    Ok(())
}

#[test]
fn bodies_shorter_than_their_range_are_given_up() -> Outcome {
    let reply = Fault::Reply {
        status: 206,
        headers: vec![("content-range", "bytes 0-4095/51375".to_owned())],
        body: String::new(),
    };
    let remote = Remote::with_fault(Sort::Http, &fixture_bytes(END)?, is_head, reply)?;
    let mut reads = first_reads();
    reads.tail = ReadSize::fixed(0);
    let error = failure(remote.frame(&within(ENOUGH).with_first_reads(reads)))?;
    assert!(matches!(error, Error::Source(SourceError::ShortBody { received: 0, .. })), "{error:?}");
    is_told(error, ErrorKind::Unavailable, true, "the body of bytes 0-4095 ended early, after 0 bytes");
    assert_eq!(remote.requests(), ATTEMPTS);
    Ok(())
}

/// Returns how each kind of server reports that it is busy, and our message for that.
fn busy(sort: Sort, status: u16) -> (Fault, String) {
    let code = match status {
        503 => "SlowDown",
        500 => "InternalError",
        429 => "TooManyRequests",
        _ => "",
    };
    let (fault, reason) = match sort {
        Sort::S3 if !code.is_empty() => {
            (Fault::s3_error(status, code, "Not now."), format!("{code}: Not now."))
        }
        // This is the reply of a proxy in front of S3.
        Sort::S3 => (Fault::status(status), format!("status {status}")),
        Sort::Http => (Fault::status(status), format!("{status} ")),
    };
    (fault, format!("the server is busy: {reason}"))
}

#[test]
fn a_server_may_be_busy_for_a_moment() -> Outcome {
    let bytes = fixture_bytes(END)?;
    let expected = frame_in_memory(&bytes)?;
    let cases = [429, 500, 502, 503, 504].into_iter().flat_map(|status| [(status, 1), (status, 2)]);
    side_by_side(with_each_sort(cases), |(sort, (status, times))| {
        let usual = Remote::start(sort, &bytes)?;
        usual.frame(&options())?;
        let remote = Remote::start(sort, &bytes)?;
        let (fault, _) = busy(sort, status);
        remote.faults().when(times, is_head, fault.clone());
        remote.faults().when(1, is_later, fault);
        let what = format!("{status}, {times} times, {sort:?}");
        assert_eq!(remote.frame(&options())?, expected, "{what}");
        assert_eq!(remote.requests() as u64, usual.requests() as u64 + times + 1, "{what}");
        Ok(())
    });
    Ok(())
}

#[test]
fn a_server_that_stays_busy_is_given_up() -> Outcome {
    let bytes = fixture_bytes(END)?;
    let cases: [(u16, Which); 3] = [(503, is_head), (500, is_later), (504, is_any)];
    side_by_side(with_each_sort(cases), |(sort, (status, which))| {
        let (fault, message) = busy(sort, status);
        let remote = Remote::with_fault(sort, &bytes, which, fault)?;
        let started = Instant::now();
        let error = failure(remote.frame(&within(ENOUGH)))?;
        assert!(started.elapsed() < ENOUGH / 2, "{:?}", started.elapsed());
        assert!(matches!(error, Error::Source(SourceError::Busy { .. })), "{error:?}");
        is_told(error, ErrorKind::Unavailable, true, &message);
        let requests = remote.requests();
        assert!((ATTEMPTS..=2 + 3 * ATTEMPTS).contains(&requests), "{requests} requests");
        Ok(())
    });
    Ok(())
}

#[test]
fn the_pause_that_a_server_asks_for_is_made() -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    let expected = frame_in_memory(&bytes)?;
    side_by_side(SORTS, |sort| {
        let (fault, _) = busy(sort, 503);
        let remote = Remote::start(sort, &bytes)?;
        remote.faults().when(1, is_head, fault.clone().with_header("retry-after", "1"));
        let started = Instant::now();
        assert_eq!(remote.frame(&options())?, expected);
        let elapsed = started.elapsed();
        assert!((1.0..3.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}, {sort:?}");

        // The server requires a pause that is longer than the time limit.
        let fault = fault.with_header("retry-after", "3600");
        let remote = Remote::with_fault(sort, &bytes, is_head, fault)?;
        let error = failure(remote.frame(&within(Duration::from_millis(300))))?;
        is_told(error, ErrorKind::Timeout, true, "not done within 0.3 s");
        assert!(remote.requests() <= 2);
        Ok(())
    });
    Ok(())
}

/// The request for the tail only saves a round trip. If it fails, other requests must fetch the same bytes.
#[test]
fn a_server_without_suffixes_gives_the_frame() -> Outcome {
    let statuses = [400, 403, 416, 501, 503].map(Fault::status);
    let other = ["bytes 0-4095/51375", "nonsense"];
    let headers = other.map(|range| Fault::Header("content-range", Some(range.to_owned())));
    let faults: Vec<Fault> = statuses.into_iter().chain(headers).chain([Fault::IgnoreRange]).collect();
    for name in [FRONT, END] {
        let bytes = fixture_bytes(name)?;
        let expected = frame_in_memory(&bytes)?;
        side_by_side(with_each_sort(faults.iter().cloned().enumerate()), |(sort, (number, fault))| {
            let what = format!("{name}, {sort:?}, fault {number}");
            let remote = Remote::with_fault(sort, &bytes, is_tail, fault)?;
            let found = remote.frame(&within(ENOUGH)).map_err(|error| format!("{what}: {error}"))?;
            assert_eq!(found, expected, "{what}");
            // Without the tail, the reader finds the end of the file in smaller steps.
            assert!(remote.requests() <= ATTEMPTS + 7, "{what}: {:?}", remote.seen());
            Ok(())
        });
    }
    Ok(())
}

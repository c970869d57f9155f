//! Limits on bytes and requests.

use posterframe::source::ReadSize;
use posterframe::{Error, ErrorKind};

use crate::common::{AT, Outcome, fixture_bytes};
use crate::servers::Seen;
use crate::{
    FRONT, Remote, SORTS, Sort, failure, first_reads, frame_in_memory, is_told, options, side_by_side,
    with_each_sort, with_limits,
};

fn is_limit(error: Error, name: &str, value: u64) {
    let limit = match error {
        Error::LimitExceeded { limit, allowed } => Some((limit.as_str(), allowed)),
        _ => None,
    };
    assert_eq!(limit, Some((name, value)), "{error:?}");
    is_told(error, ErrorKind::LimitExceeded, false, &format!("limit reached: {name} is {value}"));
}

#[test]
fn more_requests_than_allowed_are_not_made() -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    for sort in SORTS {
        let needed = {
            let remote = Remote::start(sort, &bytes)?;
            let mut media = remote.open(&options())?;
            media.frame(AT)?;
            media.ledger().requests
        };
        for allowed in 0..=needed {
            let remote = Remote::start(sort, &bytes)?;
            let result = remote.frame(&with_limits(|limits| limits.max_requests = allowed));
            assert!(remote.requests() as u64 <= allowed, "{allowed}: {:?}", remote.seen());
            match allowed == needed {
                true => assert_eq!(result?, frame_in_memory(&bytes)?),
                false => is_limit(failure(result)?, "max_requests", allowed),
            }
        }
    }
    Ok(())
}

#[test]
fn more_bytes_than_allowed_are_not_taken() -> Outcome {
    /// One piece of the server's body, and the bytes that arrive with another range.
    const LITTLE: u64 = 1 << 18;
    /// The bytes that client, server and system may buffer when the client stops reading.
    const BUFFERS: u64 = 10 << 20;
    // The reader first reads a megabyte of any transport stream.
    let stream = fixture_bytes("h264.ts")?;
    let cases = [(15, 4096, 0, LITTLE), (15, 4096, 5_000, LITTLE), (15, 4096, 300_000, 1 << 20)];
    let long = (Sort::Http, (250, 22 << 20, 300_000, BUFFERS));
    side_by_side(with_each_sort(cases).chain([long]), |(sort, (times, head, allowed, on_the_way))| {
        let mut reads = first_reads();
        reads.head = ReadSize::fixed(head);
        let remote = Remote::start(sort, &stream.repeat(times))?;
        let options = with_limits(|limits| limits.max_bytes = allowed).with_first_reads(reads);
        is_limit(failure(remote.frame(&options))?, "max_bytes", allowed);
        let sent: u64 = remote.seen().iter().map(Seen::body_bytes).sum();
        assert!(sent <= allowed + on_the_way, "{sent} bytes were sent, {allowed} are allowed");
        Ok(())
    });
    Ok(())
}

#[test]
fn as_many_bytes_as_the_object_has_are_enough() -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    for sort in SORTS {
        let remote = Remote::start(sort, &bytes)?;
        let options = with_limits(|limits| limits.max_bytes = bytes.len() as u64);
        assert_eq!(remote.frame(&options)?, frame_in_memory(&bytes)?, "{sort:?}");
    }
    Ok(())
}

//! Replies that do not match the request.

use std::time::Duration;

use posterframe::source::{HttpSource, S3Source, SourceError};
use posterframe::{Error, ErrorKind, Media, OpenOptions};

use crate::common::{AT, Outcome, fixture_bytes, planes_md5};
use crate::servers::http_server::HttpServer;
use crate::servers::s3_server::{ACCESS_KEY, BUCKET, S3Server};
use crate::servers::{Fault, Seen};
use crate::{
    END, FRONT, Remote, SORTS, Sort, Which, asked, failure, frame_in_memory, is_any, is_head, is_later,
    is_told, options, side_by_side, within,
};

/// Enough time for all repeated attempts, and far less than a useless wait would take.
const ENOUGH: Duration = Duration::from_secs(5);

#[test]
fn refusals_are_told_apart_and_not_tried_again() -> Outcome {
    let bytes = fixture_bytes(FRONT)?;
    let denied = "access denied: no permission, or gone (";
    let changed = "the object was replaced while it was read (";
    let empty = "the file is empty";
    let cases = [
        (400, is_any as Which, ErrorKind::Unavailable, "unexpected answer: "),
        (400, is_later, ErrorKind::Unavailable, "unexpected answer: "),
        (401, is_any, ErrorKind::Denied, denied),
        (403, is_any, ErrorKind::Denied, denied),
        (403, is_later, ErrorKind::Denied, denied),
        (404, is_any, ErrorKind::NotFound, "not found: "),
        (404, is_later, ErrorKind::NotFound, "not found: "),
        (410, is_any, ErrorKind::NotFound, "not found: "),
        (412, is_any, ErrorKind::Unavailable, changed),
        (412, is_later, ErrorKind::Unavailable, changed),
        // Only an empty object has no first byte.
        (416, is_any, ErrorKind::Malformed, empty),
        (
            416,
            is_later,
            ErrorKind::Unavailable,
            "the object was replaced while it was read (it became shorter)",
        ),
    ];
    for sort in SORTS {
        for (status, which, kind, message) in cases {
            let remote = Remote::with_fault(sort, &bytes, which, Fault::status(status))?;
            let error = failure(remote.frame(&within(ENOUGH)))?;
            let retryable = !matches!(kind, ErrorKind::NotFound | ErrorKind::Malformed);
            is_told(error, kind, retryable, message);
            // An object that seems to be replaced is opened a second time.
            let times = if message.starts_with(changed) { 2 } else { 1 };
            assert!(remote.requests() <= times * 4, "{status}, {sort:?}: {:?}", remote.seen());
        }
    }
    Ok(())
}

#[test]
fn missing_objects_and_wrong_credentials_are_told_apart() -> Outcome {
    let http = HttpServer::start()?;
    let missing = HttpSource::new(format!("{}/none", http.endpoint()).parse()?)?;
    let error = failure(Media::open_source(missing, &options()))?;
    is_told(error, ErrorKind::NotFound, false, "not found: 404 Not Found");

    let s3 = S3Server::start()?;
    s3.put("film", &fixture_bytes(FRONT)?)?;
    let (client, forged) = (s3.client(), s3.client_with(ACCESS_KEY, "wrong"));
    let cases = [
        (client.clone(), BUCKET, "none", ErrorKind::NotFound, "not found: NoSuchKey: "),
        (client, "elsewhere", "film", ErrorKind::NotFound, "not found: NoSuchBucket: "),
        (
            forged,
            BUCKET,
            "film",
            ErrorKind::Denied,
            "access denied: the credentials are not accepted (SignatureDoesNotMatch",
        ),
    ];
    for (client, bucket, key, kind, message) in cases {
        let error = failure(Media::open_source(S3Source::new(client, bucket, key), &options()))?;
        is_told(error, kind, kind == ErrorKind::Denied, message);
    }
    assert!(http.faults.seen().len() <= 2 && s3.faults.seen().len() <= 6);
    Ok(())
}

#[test]
fn a_server_without_ranges_is_told_so_and_its_body_not_read() -> Outcome {
    let short = fixture_bytes(FRONT)?;
    // Too large for the buffers between client and server.
    let mut long = short.clone();
    long.resize(32 << 20, 0);
    for (sort, bytes) in [(Sort::Http, &short), (Sort::S3, &short), (Sort::Http, &long)] {
        for which in [is_any as Which, is_later] {
            let remote = Remote::with_fault(sort, bytes, which, Fault::IgnoreRange)?;
            let error = failure(remote.frame(&options()))?;
            assert!(matches!(error, Error::Source(SourceError::NoRanges)), "{error:?}");
            is_told(error, ErrorKind::Unsupported, false, "the server does not support byte ranges");
            let seen = remote.seen();
            assert!(seen.len() <= 5, "{seen:?}");
            let sent: u64 = seen.iter().map(Seen::body_bytes).sum();
            assert!(sent < 16 << 20, "{sent} bytes were sent");
        }
    }
    Ok(())
}

/// The ranges that are requested without any fault.
fn usual_ranges(sort: Sort, bytes: &[u8]) -> Outcome<Vec<(u64, u64)>> {
    let remote = Remote::start(sort, bytes)?;
    remote.frame(&options())?;
    remote.seen().iter().map(|seen| asked(seen, bytes.len() as u64)).collect()
}

/// The reply to the request for `start` to `end` declares another range: either always, or once, so that the next attempt would
/// succeed.
fn is_not_taken(sort: Sort, bytes: &[u8], (start, end): (u64, u64), header: &str, times: u64) -> Outcome {
    let size = bytes.len() as u64;
    let what = format!("{sort:?}, bytes {start}-{}: {header}, {times}", end - 1);
    let remote = Remote::start(sort, bytes)?;
    let which = move |seen: &Seen| asked(seen, size).is_ok_and(|asked| asked == (start, end));
    remote.faults().when(times, which, Fault::Header("content-range", Some(header.to_owned())));
    match remote.frame(&within(ENOUGH)) {
        Ok(found) => assert_eq!(found, frame_in_memory(bytes)?, "{what}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{what}: {error}"),
    }
    assert!(remote.requests() <= 14, "{what}: {:?}", remote.seen());
    Ok(())
}

#[test]
fn another_range_is_never_taken_for_the_one_asked_for() -> Outcome {
    side_by_side([(FRONT, Sort::Http), (END, Sort::Http), (END, Sort::S3)], |(name, sort)| {
        let bytes = fixture_bytes(name)?;
        let size = bytes.len() as u64;
        for (start, end) in usual_ranges(sort, &bytes)? {
            let last = end - 1;
            let wrong = [
                format!("bytes {}-{}/{size}", start + 1, end.min(size - 1)),
                format!("bytes {start}-{last}/{}", size + 1),
                format!("bytes {start}-{}/{size}", last - 1),
                format!("bytes {start}-{end}/{}", size + 1),
                format!("bytes {start}-{last}/*"),
            ];
            for header in wrong {
                is_not_taken(sort, &bytes, (start, end), &header, 1)?;
                is_not_taken(sort, &bytes, (start, end), &header, u64::MAX)?;
            }
        }
        Ok(())
    });
    Ok(())
}

#[test]
fn another_range_is_told() -> Outcome {
    let bytes = fixture_bytes(END)?;
    for sort in SORTS {
        for (header, message) in [
            ("bytes 1-4096/51375", "the server answered a request for bytes=0-4095 with bytes 1-4096/51375"),
            ("bytes 0-4096/51375", "the server answered a request for bytes=0-4095 with bytes 0-4096/51375"),
            ("bytes 0-4094/51375", "the server answered a request for bytes=0-4095 with bytes 0-4094/51375"),
            (
                "bytes 0-4095/*",
                "the server answered a request for bytes=0-4095 with Content-Range: bytes 0-4095/*",
            ),
            ("bytes 0-4095/51376", "the object was replaced while it was read (it had 5137"),
        ] {
            let fault = Fault::Header("content-range", Some(header.to_owned()));
            let remote = Remote::with_fault(sort, &bytes, is_head, fault)?;
            is_told(failure(remote.frame(&options()))?, ErrorKind::Unavailable, true, message);
        }
    }
    Ok(())
}

/// The object ends before the size that the server declared. The reader requests the rest, which does not exist.
#[test]
fn an_object_shorter_than_it_is_said_to_be_is_an_error() -> Outcome {
    let bytes = fixture_bytes(END)?;
    for sort in SORTS {
        let remote = Remote::start(sort, &bytes)?;
        let told = |range: &str| Fault::Header("content-range", Some(format!("bytes {range}/60000")));
        remote.faults().when(u64::MAX, is_head, told("0-4095"));
        remote.faults().when(u64::MAX, crate::is_tail, Fault::status(501));
        let error = failure(remote.frame(&within(ENOUGH)))?;
        let message = "the object was replaced while it was read (";
        is_told(error, ErrorKind::Unavailable, true, message);
        assert!(remote.requests() <= 10, "{:?}", remote.seen());
    }
    Ok(())
}

#[test]
fn what_is_said_about_the_size_need_not_be_right() -> Outcome {
    // The small object is fetched whole if its size is known. The large one is too large for that.
    let small = fixture_bytes(END)?;
    let mut large = fixture_bytes(FRONT)?;
    // A `free` box of 2 MiB.
    large.extend_from_slice(&(2_u32 << 20).to_be_bytes());
    large.extend_from_slice(b"free");
    large.resize(large.len() + (2 << 20) - 8, 0);
    for (bytes, sort) in [(&small, Sort::S3), (&small, Sort::Http), (&large, Sort::Http)] {
        let (expected, size) = (frame_in_memory(bytes)?, bytes.len() as u64);
        for hint in [0, 1, 4096, size - 1, size, size + 1, 10 * size, 1 << 40, u64::MAX] {
            for options in [OpenOptions::default().with_frame(AT), options()] {
                let remote = Remote::start(sort, bytes)?;
                let what = format!("{size} bytes, said to be {hint}, {sort:?}");
                let media = remote.open(&options.with_size_hint(hint));
                let mut media = media.map_err(|error| format!("{what}: {error}"))?;
                assert_eq!(media.info().size_bytes, Some(size), "{what}");
                let found = media.frame(AT).map_err(|error| format!("{what}: {error}"))?;
                assert_eq!(planes_md5(&found)?, expected, "{what}");
                assert!(remote.requests() <= 6, "{what}: {:?}", remote.seen());
            }
        }
    }
    Ok(())
}

#[test]
fn an_empty_object_is_told_after_one_round_trip() -> Outcome {
    for sort in SORTS {
        for hint in [None, Some(0), Some(1), Some(1 << 30)] {
            let remote = Remote::start(sort, b"")?;
            let mut options = options();
            options.size_hint = hint;
            let error = failure(remote.open(&options))?;
            assert!(matches!(error, Error::Empty), "{hint:?}, {sort:?}: {error:?}");
            is_told(error, ErrorKind::Malformed, false, "the file is empty");
            // Head and tail in parallel, unless the hint says that the object is small.
            let most = if matches!(hint, Some(0 | 1)) { 1 } else { 2 };
            assert!((1..=most).contains(&remote.requests()), "{hint:?}, {sort:?}: {:?}", remote.seen());
        }
    }
    Ok(())
}

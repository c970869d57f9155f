//! Sources of HTTP servers, with and without faults.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use posterframe::ErrorKind;
use posterframe::source::{HttpSource, RangeRequest, RangeSource, SourceError, block_on};

use crate::common::Outcome;
use crate::servers::Fault;
use crate::servers::http_server::{HttpServer, Object};
use crate::{Read, bytes, failure, film, get, get_of};

type Source = Arc<dyn RangeSource>;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";
/// A text that no message may contain.
const SECRET: &str = "secret";

fn source(url: &str) -> Outcome<Source> {
    Ok(Arc::new(HttpSource::new(url.parse()?)?))
}

/// Starts a server with the film, and returns a source of the film.
fn start(object: Object) -> Outcome<(HttpServer, Source)> {
    let server = HttpServer::start()?;
    let source = source(&server.put("/film.mp4", object))?;
    Ok((server, source))
}

/// Returns the error of the source when its only request fails with this fault.
fn failure_of(fault: Fault) -> Outcome<SourceError> {
    let (server, source) = start(Object::new(film()))?;
    server.faults.always(fault);
    let error = failure(get(&source, bytes(1000, 2000)))?;
    assert_eq!(server.faults.seen().len(), 1, "one request and no more, whatever comes of it: {error}");
    Ok(error)
}

fn read_whole(url: &str, max_bytes: u64) -> Outcome<Result<Vec<u8>, SourceError>> {
    let source = HttpSource::new(url.parse()?)?;
    Ok(block_on(async move { source.read_whole(max_bytes).await })?)
}

#[test]
fn requests_say_what_they_want() -> Outcome {
    let (server, source) = start(Object::new(film()).with_last_modified(DATE))?;
    let Read { identity, .. } = get(&source, bytes(0, 100))??;
    let seen = server.faults.last()?;
    assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.status), ("GET", "/film.mp4", 206));
    assert_eq!(seen.header("range"), Some("bytes=0-99"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let agent = concat!("posterframe/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("user-agent"), Some(agent));
    assert_eq!(seen.header("if-match"), None);
    assert_eq!(identity.last_modified.as_deref(), Some(DATE));
    assert_eq!(seen.body_bytes(), 100);

    get_of(&source, RangeRequest::Suffix(7), Some(&identity))??;
    let seen = server.faults.last()?;
    assert_eq!(seen.header("range"), Some("bytes=-7"));
    assert_eq!(seen.header("if-match"), identity.etag.as_deref());
    assert_eq!(seen.header("if-unmodified-since"), None);
    Ok(())
}

#[test]
fn weak_etags_and_missing_ones_give_way_to_the_date() -> Outcome {
    let cases = [
        (Object::new(film()).with_weak_etag().with_last_modified(DATE), Some(DATE)),
        (Object::new(film()).with_etag(None).with_last_modified(DATE), Some(DATE)),
        (Object::new(film()).with_weak_etag(), None),
        (Object::new(film()).with_etag(None), None),
    ];
    for (object, date) in cases {
        let (server, source) = start(object)?;
        let first = get(&source, bytes(0, 100))??.identity;
        let second = get_of(&source, bytes(100, 200), Some(&first))??;
        assert_eq!(second.identity, first);
        let seen = server.faults.last()?;
        assert_eq!((seen.header("if-match"), seen.header("if-unmodified-since")), (None, date), "{first:?}");
    }
    Ok(())
}

#[test]
fn replaced_objects_are_refused_by_etag_and_by_date() -> Outcome {
    let old = Object::new(film()).with_last_modified(DATE);
    let new = Object::new(vec![1; 300_000]).with_last_modified(LATER);
    for strip in [false, true] {
        let change = |object: Object| if strip { object.with_etag(None) } else { object };
        let (server, source) = start(change(old.clone()))?;
        let first = get(&source, bytes(0, 100))??.identity;
        let (objects, new) = (server.objects(), change(new.clone()));
        server.faults.on_request(2, Fault::before(move || objects.put("/film.mp4", new.clone())));
        let error = failure(get_of(&source, bytes(100, 200), Some(&first)))?;
        assert_eq!(error, SourceError::Changed { reason: "412 Precondition Failed".to_owned() });
    }
    Ok(())
}

#[test]
fn a_server_without_ranges_is_found_out_before_its_body_is_read() -> Outcome {
    let size: usize = 64 << 20;
    let (server, source) = start(Object::new(vec![0; size]).without_ranges())?;
    for range in [bytes(0, 100), RangeRequest::Suffix(100)] {
        let error = failure(get(&source, range))?;
        assert_eq!(error, SourceError::NoRanges);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let sent = server.faults.last()?.body_bytes();
        assert!(sent < size as u64 / 2, "{sent} bytes were sent");
    }
    // A server may also ignore ranges only occasionally.
    assert_eq!(failure_of(Fault::IgnoreRange)?, SourceError::NoRanges);
    let (_server, source) = start(Object::new("").without_ranges())?;
    assert_eq!(failure(get(&source, bytes(0, 100)))?, SourceError::Empty);
    Ok(())
}

#[test]
fn a_range_must_be_told() -> Outcome {
    let cases = [
        (Some("bytes 1000-1999/*"), "Content-Range: bytes 1000-1999/*"),
        (Some("bytes 1999-1000/200003"), "Content-Range: bytes 1999-1000/200003"),
        (Some("nonsense"), "Content-Range: nonsense"),
        (None, "no Content-Range"),
    ];
    for (header, told) in cases {
        let error = failure_of(Fault::Header("content-range", header.map(str::to_owned)))?;
        let answered = told.to_owned();
        assert_eq!(error, SourceError::WrongRange { requested: bytes(1000, 2000), received: answered });
    }
    let (server, source) = start(Object::new(film()))?;
    let parts = "multipart/byteranges; boundary=x".to_owned();
    server.faults.always(Fault::Header("content-range", None));
    server.faults.always(Fault::Header("content-type", Some(parts.clone())));
    let error = failure(get(&source, bytes(1000, 2000)))?;
    assert_eq!(error, SourceError::WrongRange { requested: bytes(1000, 2000), received: parts });
    Ok(())
}

#[test]
fn what_the_server_tells_is_handed_on_as_it_is() -> Outcome {
    let (server, source) = start(Object::new(film()))?;
    let other = "bytes 500-1499/200003".to_owned();
    server.faults.always(Fault::Header("content-range", Some(other)));
    let read = get(&source, bytes(1000, 2000))??;
    assert_eq!((read.range.start(), read.range.end()), (500, 1500));
    Ok(())
}

#[test]
fn encoded_bytes_are_not_the_objects() -> Outcome {
    let (server, source) = start(Object::new(film()).encoded("gzip"))?;
    let url = format!("{}/film.mp4", server.endpoint());
    for error in [failure(get(&source, bytes(0, 10)))?, failure(read_whole(&url, 1 << 20))?] {
        let words = "unexpected answer: Content-Encoding: gzip, which was not requested";
        assert_eq!(error.to_string(), words);
    }
    let (_server, source) = start(Object::new(film()).encoded("Identity"))?;
    assert_eq!(get(&source, bytes(0, 10))??.bytes.len(), 10);
    Ok(())
}

#[test]
fn statuses_are_told_apart() -> Outcome {
    let busy = |reason: &str| SourceError::Busy { reason: reason.to_owned(), retry_after: None };
    let denied = |reason: &str| SourceError::Denied { reason: reason.to_owned() };
    let not_found = |reason: &str| SourceError::NotFound { reason: reason.to_owned() };
    let unexpected = |reason: &str| SourceError::Unexpected { reason: reason.to_owned() };
    let range = bytes(1000, 2000);
    let cases = [
        (204, unexpected("204 No Content")),
        (304, unexpected("304 Not Modified")),
        (400, unexpected("400 Bad Request")),
        (401, denied("401 Unauthorized")),
        (403, denied("403 Forbidden")),
        (404, not_found("404 Not Found")),
        (408, busy("408 Request Timeout")),
        (410, not_found("410 Gone")),
        (412, SourceError::Changed { reason: "412 Precondition Failed".to_owned() }),
        (416, SourceError::NotSatisfiable { range }),
        (418, unexpected("418 I'm a teapot")),
        (429, busy("429 Too Many Requests")),
        (500, busy("500 Internal Server Error")),
        (501, unexpected("501 Not Implemented")),
        (502, busy("502 Bad Gateway")),
        (503, busy("503 Service Unavailable")),
        (504, busy("504 Gateway Timeout")),
    ];
    for (status, expected) in cases {
        assert_eq!(failure_of(Fault::status(status))?, expected, "{status}");
    }
    let empty = Fault::status(416).with_header("content-range", "bytes */0");
    assert_eq!(failure_of(empty)?, SourceError::Empty);
    Ok(())
}

#[test]
fn servers_may_ask_for_a_pause() -> Outcome {
    let pause = |value: String| -> Outcome<Option<Duration>> {
        match failure_of(Fault::status(503).with_header("retry-after", value))? {
            SourceError::Busy { retry_after, .. } => Ok(retry_after),
            other => Err(other.into()),
        }
    };
    assert_eq!(pause("120".to_owned())?, Some(Duration::from_secs(120)));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
    let told = pause(date)?.ok_or("no pause")?;
    assert!((50..=60).contains(&told.as_secs()), "{told:?}");
    assert_eq!(pause("in a while".to_owned())?, None);
    Ok(())
}

#[test]
fn redirects_are_followed_with_the_range_and_without_a_referrer() -> Outcome {
    let (target, _) = start(Object::new(film()))?;
    let (server, _) = start(Object::new("elsewhere"))?;
    let to = format!("{}/film.mp4?X-Amz-Signature=abc", target.endpoint());
    for status in [301, 302, 303, 307, 308] {
        server.faults.on_next(1, Fault::status(status).with_header("location", to.clone()));
        let source = source(&format!("{}/film.mp4?token={SECRET}", server.endpoint()))?;
        let read = get(&source, bytes(1000, 2000))??;
        assert_eq!(read.bytes, &film()[1000..2000], "{status}");
        let seen = target.faults.last()?;
        assert_eq!((seen.range(), seen.query.as_str()), (Some("bytes=1000-1999"), "X-Amz-Signature=abc"));
        assert_eq!(seen.header("referer"), None);
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
    }
    // The redirects form a circle.
    server.faults.always(Fault::status(302).with_header("location", "/film.mp4"));
    let error = failure(get(&source(&format!("{}/film.mp4", server.endpoint()))?, bytes(0, 10)))?;
    assert!(matches!(error, SourceError::Unexpected { .. }), "{error}");
    assert!(error.to_string().contains("too many redirects"), "{error}");
    Ok(())
}

#[test]
fn broken_connections_are_told_after_the_bytes_that_came() -> Outcome {
    let (server, source) = start(Object::new(film()))?;
    server.faults.on_request(1, Fault::CutBody(70_000));
    let read = get(&source, bytes(0, 150_000))??;
    assert_eq!(read.bytes, &film()[..70_000]);
    assert!(matches!(read.error, Some(SourceError::Connection { .. })), "{:?}", read.error);
    server.faults.on_request(2, Fault::CutBody(0));
    let read = get(&source, bytes(0, 150_000))??;
    assert!(read.bytes.is_empty() && read.error.is_some(), "{:?}", read.error);

    let error = failure_of(Fault::NoReply)?;
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    // No server listens there any more.
    let url = { start(Object::new(film()))?.0.endpoint() };
    let error = failure(get(&self::source(&url)?, bytes(0, 10)))?;
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("connection refused"), "{error}");
    let error = failure(get(&self::source("http://nowhere.invalid/film.mp4")?, bytes(0, 10)))?;
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    Ok(())
}

#[test]
fn slow_servers_are_waited_for() -> Outcome {
    let (server, source) = start(Object::new(film()))?;
    let pause = Duration::from_millis(150);
    server.faults.always(Fault::Delay(pause));
    server.faults.always(Fault::StallBody { after: 50_000, pause });
    let started = Instant::now();
    let read = get(&source, bytes(0, 100_000))??;
    assert_eq!((read.bytes.as_slice(), read.error), (&film()[..100_000], None));
    assert!(started.elapsed() >= 2 * pause, "{:?}", started.elapsed());
    Ok(())
}

/// Asserts that a text does not contain the secret.
fn holds_no_secret(what: &str, shown: &str) {
    assert!(!shown.contains(SECRET), "{what}: {shown}");
}

#[test]
fn secrets_of_urls_are_in_no_message() -> Outcome {
    let (server, _) = start(Object::new(film()))?;
    let port = server.port();
    let query = format!("X-Amz-Signature={SECRET}");
    let url = format!("http://{SECRET}:{SECRET}@127.0.0.1:{port}/film.mp4?{query}#{SECRET}");
    let signed = source(&url)?;
    assert_eq!(signed.name(), format!("http://127.0.0.1:{port}/film.mp4?REDACTED"));
    holds_no_secret("source", &format!("{:?}", HttpSource::new(url.parse()?)?));
    get(&signed, bytes(0, 10))??;
    let seen = server.faults.last()?;
    assert_eq!(seen.query, query);
    assert!(seen.header("authorization").is_some_and(|value| value.starts_with("Basic ")));

    let elsewhere = |to: &str| Fault::status(302).with_header("location", format!("{to}?{query}"));
    let faults = [
        Fault::status(403),
        Fault::status(404),
        Fault::status(500),
        Fault::NoReply,
        Fault::IgnoreRange,
        Fault::Header("content-range", None),
        elsewhere("/film.mp4"),
        elsewhere("ftp://127.0.0.1/film.mp4"),
        elsewhere("http://127.0.0.1:1/film.mp4"),
        elsewhere("http://nowhere.invalid/film.mp4"),
    ];
    for fault in faults {
        server.faults.clear();
        server.faults.always(fault);
        let error = failure(get(&signed, bytes(1000, 2000)))?;
        holds_no_secret("error", &format!("{error} {error:?}"));
    }
    server.faults.clear();
    server.faults.always(Fault::CutBody(10));
    let error = get(&signed, bytes(1000, 2000))??.error.ok_or("the body is whole")?;
    holds_no_secret("error of a body", &format!("{error} {error:?}"));
    let error = failure(read_whole(&url, 1 << 20))?;
    holds_no_secret("error of a whole body", &format!("{error} {error:?}"));
    for url in [format!("ftp://127.0.0.1/film.mp4?{query}"), format!("data:{SECRET}")] {
        let error = failure(Ok(HttpSource::new(url.parse()?)))?;
        assert_eq!(error.kind(), ErrorKind::Config);
        holds_no_secret("error of a URL", &format!("{error} {error:?}"));
    }
    Ok(())
}

#[test]
fn objects_are_read_whole_up_to_a_bound() -> Outcome {
    let server = HttpServer::start()?;
    let url = server.put("/film.mp4", Object::new(film()).without_ranges());
    let size = film().len() as u64;
    assert_eq!(read_whole(&url, size)??, film());
    assert_eq!(server.faults.last()?.range(), None);
    let error = failure(read_whole(&url, size - 1))?;
    assert_eq!(error, SourceError::TooLarge { allowed: size - 1 });
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);

    // Without a declared length, the source stops as soon as the body exceeds the limit.
    let url = server.put("/large.mp4", Object::new(vec![7; 64 << 20]));
    server.faults.always(Fault::NoLength);
    let error = failure(read_whole(&url, 1 << 20))?;
    assert_eq!(error, SourceError::TooLarge { allowed: 1 << 20 });
    let sent = server.faults.last()?.body_bytes();
    assert!(sent < 32 << 20, "{sent} bytes were sent");
    let url = server.put("/small.mp4", Object::new(film()));
    assert_eq!(read_whole(&url, size)??, film());
    Ok(())
}

#[test]
fn a_whole_object_may_be_refused_or_break_off_too() -> Outcome {
    let server = HttpServer::start()?;
    let url = server.put("/film.mp4", Object::new(film()));
    let error = failure(read_whole(&format!("{}/none", server.endpoint()), 10))?;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    server.faults.on_next(1, Fault::CutBody(1000));
    let error = failure(read_whole(&url, 1 << 20))?;
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    server.faults.on_next(1, Fault::status(503).with_header("retry-after", "3"));
    let error = failure(read_whole(&url, 1 << 20))?;
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(error, SourceError::Busy { reason: "503 Service Unavailable".to_owned(), retry_after });
    server.faults.on_next(1, Fault::status(206));
    let error = failure(read_whole(&url, 1 << 20))?;
    assert!(matches!(error, SourceError::Unexpected { .. }), "{error}");
    let url = server.put("/empty.mp4", Object::new(""));
    assert!(read_whole(&url, 0)??.is_empty());
    Ok(())
}

#[test]
fn a_client_of_ones_own_is_used() -> Outcome {
    let server = HttpServer::start()?;
    let url = server.put("/film.mp4", Object::new(film()));
    let client = reqwest::Client::builder().user_agent("another").build()?;
    let source: Source = Arc::new(HttpSource::with_client(client, url.parse()?)?);
    get(&source, bytes(0, 10))??;
    assert_eq!(server.faults.last()?.header("user-agent"), Some("another"));
    Ok(())
}

//! Frames of objects on real servers that misbehave. Each test must get the right frame, or an error that reports what happened,
//! and never another frame.
//!
//! Every request goes to a real server over a real connection; see `common/servers.rs`. Sources that give false replies or panic
//! are in `own_sources.rs`.

#[path = "remote_faults/breaks.rs"]
mod breaks;
#[path = "remote_faults/changes.rs"]
mod changes;
mod common;
#[path = "remote_faults/frames.rs"]
mod frames;
#[path = "remote_faults/limits.rs"]
mod limits;
#[path = "remote_faults/own_sources.rs"]
mod own_sources;
#[path = "remote_faults/replies.rs"]
mod replies;
#[path = "common/servers.rs"]
mod servers;
#[path = "remote_faults/waits.rs"]
mod waits;

use std::thread;
use std::time::Duration;

use common::{AT, Outcome, frame_of_bytes, planes_md5};
use posterframe::source::{FirstReads, HttpSource, ReadSize, S3Source};
use posterframe::{Error, ErrorKind, Limits, Media, OpenOptions};
use servers::http_server::{HttpServer, Object};
use servers::s3_server::{BUCKET, S3Server};
use servers::{Fault, Faults, Seen};

/// Files with the index in front of the samples, and behind them. Both are 51 375 bytes long.
const FRONT: &str = "h264_front.mp4";
const END: &str = "h264_end.mp4";
/// The number of bytes that the first reads request at each end.
const FIRST: u64 = 4096;
/// The maximum number of successive attempts of a request that bring no byte.
const ATTEMPTS: usize = 6;

/// First reads so small that a fixture takes several requests.
fn first_reads() -> FirstReads {
    let mut reads = FirstReads::default();
    reads.head = ReadSize::fixed(FIRST);
    reads.tail = ReadSize::fixed(FIRST);
    reads.whole = FIRST;
    reads
}

fn options() -> OpenOptions {
    OpenOptions::default().with_frame(AT).with_first_reads(first_reads())
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> OpenOptions {
    let mut limits = Limits::default();
    change(&mut limits);
    options().with_limits(limits)
}

/// Options with this maximum time.
fn within(max_time: Duration) -> OpenOptions {
    with_limits(|limits| limits.max_time = max_time)
}

/// The frame that reading from memory gives.
fn frame_in_memory(bytes: &[u8]) -> Outcome<String> {
    Ok(planes_md5(&frame_of_bytes(bytes, &OpenOptions::default())?)?)
}

/// Picks the requests to which a fault applies.
type Which = fn(&Seen) -> bool;

/// A kind of server.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Http,
    S3,
}

const SORTS: [Sort; 2] = [Sort::Http, Sort::S3];

/// A server with one object. Each case starts its own server, because requests that an earlier case no longer needs may still
/// arrive.
enum Remote {
    Http(HttpServer),
    S3(S3Server),
}

impl Remote {
    fn start(sort: Sort, bytes: &[u8]) -> Outcome<Self> {
        let remote = match sort {
            Sort::Http => Self::Http(HttpServer::start()?),
            Sort::S3 => Self::S3(S3Server::start()?),
        };
        remote.put(bytes);
        Ok(remote)
    }

    /// Starts a server on which every request that `which` picks fails with `fault`.
    fn with_fault(sort: Sort, bytes: &[u8], which: Which, fault: Fault) -> Outcome<Self> {
        let remote = Self::start(sort, bytes)?;
        remote.faults().when(u64::MAX, which, fault);
        Ok(remote)
    }

    fn faults(&self) -> &Faults {
        match self {
            Self::Http(server) => &server.faults,
            Self::S3(server) => &server.faults,
        }
    }

    /// Puts the object, and replaces the earlier one.
    fn put(&self, bytes: &[u8]) {
        self.replacement(bytes)();
    }

    /// Returns a closure that puts the object, for a fault to call.
    #[expect(clippy::unwrap_used, reason = "there is nobody to hand an error to")]
    fn replacement(&self, bytes: &[u8]) -> Box<dyn Fn() + Send + Sync> {
        let bytes = bytes.to_vec();
        match self {
            Self::Http(server) => {
                let objects = server.objects();
                Box::new(move || objects.put("/film", Object::new(bytes.clone())))
            }
            Self::S3(server) => {
                let files = server.files();
                Box::new(move || files.put("film", &bytes).unwrap())
            }
        }
    }

    #[expect(clippy::unwrap_used, reason = "the URL is ours")]
    fn open(&self, options: &OpenOptions) -> Result<Media<'static>, Error> {
        match self {
            Self::Http(server) => {
                let url = format!("{}/film", server.endpoint()).parse().unwrap();
                Media::open_source(HttpSource::new(url).map_err(Error::Source)?, options)
            }
            Self::S3(server) => Media::open_source(S3Source::new(server.client(), BUCKET, "film"), options),
        }
    }

    /// Returns the hash of the frame.
    fn frame(&self, options: &OpenOptions) -> Result<String, Error> {
        planes_md5(&self.open(options)?.frame(AT)?)
    }

    /// The requests so far.
    fn seen(&self) -> Vec<Seen> {
        self.faults().seen()
    }

    /// Returns the number of requests so far.
    fn requests(&self) -> usize {
        self.seen().len()
    }
}

const fn is_any(_: &Seen) -> bool {
    true
}

/// Runs the cases in parallel, because these tests wait most of the time.
#[expect(clippy::unwrap_used, reason = "the test has failed")]
fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) -> Outcome + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || check(case).unwrap());
        }
    });
}

/// Pairs each case with every kind of server.
fn with_each_sort<T: Clone>(cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = (Sort, T)> {
    cases.into_iter().flat_map(|case| SORTS.map(|sort| (sort, case.clone())))
}

/// Whether this is the first read of the head. Head and tail are the only ranges that are known before the first reply.
fn is_head(seen: &Seen) -> bool {
    seen.range() == Some("bytes=0-4095")
}

fn is_tail(seen: &Seen) -> bool {
    seen.range() == Some("bytes=-4096")
}

fn is_later(seen: &Seen) -> bool {
    !is_head(seen) && !is_tail(seen)
}

/// The first byte of a request to an object of `size` bytes, and the byte behind its last one.
fn asked(seen: &Seen, size: u64) -> Outcome<(u64, u64)> {
    let range =
        seen.range().and_then(|range| range.strip_prefix("bytes=")).ok_or("no range was asked for")?;
    let (first, last) = range.split_once('-').ok_or("half a range")?;
    match first {
        "" => Ok((size.saturating_sub(last.parse()?), size)),
        first => Ok((first.parse()?, (last.parse::<u64>()? + 1).min(size))),
    }
}

/// Returns the error of an operation that must fail.
fn failure<T>(result: Result<T, Error>) -> Outcome<Error> {
    match result {
        Ok(_) => Err("it should have failed".into()),
        Err(error) => Ok(error),
    }
}

/// Asserts the properties of an error that callers, exit codes and people depend on.
fn is_told(error: Error, kind: ErrorKind, retryable: bool, message: &str) {
    let shown = error.to_string();
    assert!(shown.starts_with(message), "{shown}: expected {message}");
    assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{shown}");
}

//! Custom sources that are slow, wrong, or panic.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use posterframe::source::{
    BlockCache, BoxFuture, ByteRange, GetRange, Identity, RangeBody, RangeReply, RangeSource, ReadSize,
    SourceError,
};
use posterframe::{Error, ErrorKind, Media, OpenOptions};

use crate::common::{AT, Outcome, fixture_bytes, planes_md5};
use crate::{END, failure, first_reads, frame_in_memory, is_told, options, within};

/// A film of 20 550 bytes.
const SHORT: &str = "truncated_mdat.mp4";

/// The fault of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Each body has one byte too many.
    LongBody,
    /// Every second piece is empty.
    EmptyPieces,
    /// Every piece is empty.
    NothingForEver,
    /// The reply has the range one byte behind the requested one.
    OtherRange,
    /// The reply declares an empty range and has no bytes.
    EmptyRange,
    /// Each reply reports a larger object.
    Grows,
    PanicsAtOnce,
    PanicsInTheBody,
    NeverAnswers,
    /// Bodies end half-way through.
    Ends,
}

struct Own {
    bytes: Vec<u8>,
    flaw: Flaw,
    from: u64,
    count: Arc<AtomicU64>,
}

impl Own {
    fn new(name: &str, flaw: Flaw, from: u64) -> Outcome<Self> {
        Ok(Self { bytes: fixture_bytes(name)?, flaw, from, count: Arc::default() })
    }

    #[expect(clippy::panic, clippy::unwrap_used, reason = "on purpose; the ranges lie within the bytes")]
    fn reply(&self, request: &GetRange, flaw: Flaw, number: u64) -> RangeReply {
        let mut size = self.bytes.len() as u64;
        let mut range = request.range.resolve(size);
        let held = |range: ByteRange| {
            let [start, end] = [range.start(), range.end()].map(|at| usize::try_from(at).unwrap());
            self.bytes[start..end].to_vec()
        };
        let mut bytes = held(range);
        match flaw {
            Flaw::LongBody => bytes.push(0),
            Flaw::OtherRange => range = ByteRange::new(range.start() + 1, range.end() + 1),
            Flaw::EmptyRange => (range, bytes) = (ByteRange::new(range.start(), range.start()), Vec::new()),
            Flaw::Grows => size += number,
            Flaw::PanicsAtOnce => panic!("a request on purpose"),
            Flaw::Ends => bytes.truncate(bytes.len().div_ceil(2)),
            _ => {}
        }
        let body = Body { bytes: bytes.into(), flaw, empty: false };
        RangeReply::new(Identity::new(size), range, body)
    }
}

impl RangeSource for Own {
    fn name(&self) -> String {
        "a source of our own".to_owned()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
            let flaw = if number < self.from { Flaw::None } else { self.flaw };
            if flaw == Flaw::NeverAnswers {
                return pending().await;
            }
            Ok(self.reply(&request, flaw, number))
        })
    }
}

/// The number of bytes in each piece of a body.
const PIECE: usize = 2_800;

struct Body {
    bytes: Bytes,
    flaw: Flaw,
    empty: bool,
}

impl RangeBody for Body {
    #[expect(clippy::panic, reason = "on purpose")]
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            self.empty = !self.empty;
            match self.flaw {
                Flaw::PanicsInTheBody => panic!("a body on purpose"),
                Flaw::NothingForEver => return Ok(Some(Bytes::new())),
                Flaw::EmptyPieces if self.empty => return Ok(Some(Bytes::new())),
                _ => {}
            }
            let length = self.bytes.len().min(PIECE);
            Ok((length > 0).then(|| self.bytes.split_to(length)))
        })
    }
}

/// Reads a frame from a source that has this flaw from request `from` on. Returns the frame or the error, and the number of
/// requests.
fn frame_of(flaw: Flaw, from: u64, options: &OpenOptions) -> Outcome<(Result<String, Error>, u64)> {
    let source = Own::new(END, flaw, from)?;
    let count = Arc::clone(&source.count);
    let frame = || planes_md5(&Media::open_source(source, options)?.frame(AT)?);
    let frame = frame();
    Ok((frame, count.load(Ordering::Relaxed)))
}

/// The requests from which the flaw begins: the two first reads, and the request after them.
const FROM: [u64; 3] = [1, 2, 3];

#[test]
fn odd_but_right_sources_give_the_frame() -> Outcome {
    let expected = frame_in_memory(&fixture_bytes(END)?)?;
    for flaw in [Flaw::None, Flaw::EmptyPieces, Flaw::Ends] {
        let (frame, _) = frame_of(flaw, 1, &options())?;
        assert_eq!(frame.map_err(|error| format!("{flaw:?}: {error}"))?, expected, "{flaw:?}");
    }
    Ok(())
}

/// Head and tail overlap, and the cache has no room. The bytes that one request brought and the other omits may be evicted before the
/// other request continues. That depends on timing, so the test repeats it 200 times.
#[test]
fn requests_that_bring_the_same_bytes_do_not_wait_for_each_other() -> Outcome {
    let expected = frame_in_memory(&fixture_bytes(SHORT)?)?;
    let mut reads = first_reads();
    (reads.head, reads.tail) = (ReadSize::fixed(16_666), ReadSize::fixed(19_349));
    for _ in 0..200 {
        let options = within(Duration::from_secs(3)).with_first_reads(reads).with_cache(BlockCache::new(0));
        let source = Own::new(SHORT, Flaw::None, 1)?;
        assert_eq!(planes_md5(&Media::open_source(source, &options)?.frame(AT)?)?, expected);
    }
    Ok(())
}

#[test]
fn lies_are_told() -> Outcome {
    let expected = frame_in_memory(&fixture_bytes(END)?)?;
    let cases = [
        (Flaw::LongBody, "unexpected answer: the body is longer than its range"),
        (Flaw::OtherRange, "the server answered a request for bytes="),
        (Flaw::EmptyRange, "the server answered a request for bytes="),
        (Flaw::Grows, "the object was replaced while it was read (it had "),
    ];
    for (flaw, message) in cases {
        for from in FROM {
            let (frame, requests) = frame_of(flaw, from, &within(Duration::from_secs(5)))?;
            match frame {
                // The false reply was about bytes that the frame does not need.
                Ok(frame) => assert!(from > 1 && frame == expected, "{flaw:?} from {from}"),
                Err(error) => is_told(error, ErrorKind::Unavailable, true, message),
            }
            assert!(requests <= 8, "{flaw:?} from {from}: {requests} requests");
        }
    }
    Ok(())
}

#[test]
fn panics_are_caught_and_told_at_once() -> Outcome {
    let cases = [
        (Flaw::PanicsAtOnce, "the reader panicked: a request on purpose"),
        (Flaw::PanicsInTheBody, "the reader panicked: a body on purpose"),
    ];
    for (flaw, message) in cases {
        for from in FROM {
            let started = Instant::now();
            let (frame, _) = frame_of(flaw, from, &within(Duration::from_secs(5)))?;
            is_told(failure(frame)?, ErrorKind::Internal, true, message);
            assert!(started.elapsed() < Duration::from_secs(2), "{flaw:?} from {from}");
        }
    }
    // Other sources continue to work after the panic.
    let (frame, _) = frame_of(Flaw::None, 1, &options())?;
    assert_eq!(frame?, frame_in_memory(&fixture_bytes(END)?)?);
    Ok(())
}

#[test]
fn sources_that_stand_still_are_waited_for_until_the_deadline() -> Outcome {
    for flaw in [Flaw::NeverAnswers, Flaw::NothingForEver] {
        let (frame, requests) = frame_of(flaw, 1, &within(Duration::from_millis(300)))?;
        is_told(failure(frame)?, ErrorKind::Timeout, true, "not done within 0.3 s");
        assert_eq!(requests, 2, "{flaw:?}");
        // Meanwhile, other sources do not have to wait.
        let (frame, _) = frame_of(Flaw::None, 1, &within(Duration::from_secs(5)))?;
        assert_eq!(frame?, frame_in_memory(&fixture_bytes(END)?)?, "{flaw:?}");
    }
    Ok(())
}

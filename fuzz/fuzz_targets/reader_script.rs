//! Runs scripts of reads, prefetches and changed plans on the reader of byte ranges, with an
//! object whose bytes are computed from their positions.
#![no_main]

use std::future::poll_fn;
use std::sync::LazyLock;
use std::task::Poll;

use bytes::Bytes;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use posterframe::fuzzing::ScriptedReader;
use posterframe::source::{
    BoxFuture, ByteRange, FirstReads, GetRange, Identity, RangeBody, RangeReply, RangeSource, ReadSize,
    SourceError,
};

/// Several parts of a long range, and more than two read-aheads.
const MAX_SIZE: u64 = 20 << 20;
const MAX_READ: u64 = 100_000;
const MAX_STEPS: usize = 24;
/// The maximum number of attempts at a read whose bytes were evicted before the read took them.
const MAX_TRIES: u32 = 1000;

#[derive(Debug, Arbitrary)]
struct Script {
    size: u32,
    /// The number of times that the size is halved: small objects are read differently from large ones.
    smaller: u8,
    head: u32,
    tail: u32,
    whole: u32,
    hint: Option<u32>,
    cache: u32,
    /// The lengths of a body's pieces, in turn.
    pieces: Vec<u16>,
    /// If this is 0, the first body ends half-way. The retry costs a pause.
    breaks_off: u8,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Read(Span),
    /// Starts where the last read ended.
    ReadOn(u16),
    WaitFor(Span),
    Prefetch(Vec<Span>),
    NeedOnly(Vec<Span>),
}

#[derive(Debug, Arbitrary)]
struct Span {
    at: u32,
    length: u32,
}

impl Span {
    fn within(&self, size: u64, most: u64) -> ByteRange {
        // Some ranges start after the end of the object, and some end there.
        let at = u64::from(self.at) % (size + size / 8 + 2);
        ByteRange::new(at, at + u64::from(self.length) % (most + 1))
    }
}

fn ranges(spans: &[Span], size: u64) -> Vec<ByteRange> {
    spans.iter().take(16).map(|span| span.within(size, size)).collect()
}

/// The byte at a position. Neighbours differ, and so do positions that are a power of two apart.
fn byte_at(offset: u64) -> u8 {
    (offset % 251) as u8
}

/// The bytes of the largest object. Other objects contain a prefix of them.
static RAMP: LazyLock<Bytes> = LazyLock::new(|| (0..MAX_SIZE).map(byte_at).collect::<Vec<u8>>().into());

struct Ramp {
    size: u64,
    pieces: Vec<u16>,
    breaks_off: bool,
}

impl RangeSource for Ramp {
    fn name(&self) -> String {
        "ramp".to_owned()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        let identity = Identity::new(self.size).with_etag("\"ramp\"");
        Box::pin(async move {
            let range = request.range.resolve(self.size);
            if self.size == 0 {
                return Err(SourceError::Empty);
            }
            if range.is_empty() {
                return Err(SourceError::NotSatisfiable { range: request.range });
            }
            let is_first = range.start() == 0;
            let end = if self.breaks_off && is_first { range.end().div_ceil(2) } else { range.end() };
            let body = RampBody { at: range.start(), end, pieces: self.pieces.clone(), next: 0 };
            Ok(RangeReply::new(identity, range, body))
        })
    }
}

struct RampBody {
    at: u64,
    end: u64,
    pieces: Vec<u16>,
    next: usize,
}

impl RangeBody for RampBody {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let piece = if self.pieces.is_empty() { 0 } else { self.pieces[self.next % self.pieces.len()] };
            self.next += 1;
            // Other requests run between two pieces of this one.
            let mut yielded = piece % 3 != 0;
            poll_fn(|context| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            // Long enough that megabytes do not take thousands of turns.
            let length = (u64::from(piece) + 16 * 1024).min(self.end - self.at);
            let [start, end] =
                [self.at, self.at + length].map(|at| usize::try_from(at).expect("within the ramp"));
            self.at += length;
            Ok((length > 0).then(|| RAMP.slice(start..end)))
        })
    }
}

/// Reads a whole range, piece by piece, and compares every byte with its position.
fn read(reader: &mut ScriptedReader, range: ByteRange) {
    let mut at = range.start();
    let end = range.clipped(reader.size()).end();
    let mut tries = 0;
    let mut buffer = vec![0; usize::try_from(range.len()).expect("a short range")];
    if range.start() >= reader.size() {
        assert_eq!(reader.read_at(at, &mut buffer), Ok(0), "there is nothing behind the end");
    }
    while at < end {
        let room = usize::try_from(end - at).expect("a short range");
        let count = reader.read_at(at, &mut buffer[..room]).expect("the source gives all bytes");
        assert!(count <= room);
        for (place, &byte) in (at..).zip(&buffer[..count]) {
            assert_eq!(byte, byte_at(place), "byte {place}");
        }
        at += count as u64;
        tries = if count == 0 { tries + 1 } else { 0 };
        assert!(tries < MAX_TRIES, "byte {at} never comes");
    }
}

fuzz_target!(|script: Script| {
    let size = (u64::from(script.size) % (MAX_SIZE + 1)) >> (script.smaller % 16);
    let mut first_reads = FirstReads::default();
    first_reads.head = ReadSize::fixed(u64::from(script.head) % (2 << 20));
    first_reads.tail = ReadSize::fixed(u64::from(script.tail) % (2 << 20));
    first_reads.whole = u64::from(script.whole) % (2 << 20);
    // The cache holds everything, or next to nothing, or a size in between.
    let cache = u64::from(script.cache) % (4 << 20);
    let breaks_off = script.breaks_off == 0;
    let source = Ramp { size, pieces: script.pieces, breaks_off };
    let mut reader = match ScriptedReader::open(source, first_reads, script.hint.map(u64::from), cache) {
        Ok(reader) => reader,
        Err(error) => {
            assert_eq!(size, 0, "{error}");
            return;
        }
    };
    assert_eq!(reader.size(), size);
    let mut position = 0;
    for step in script.steps.iter().take(MAX_STEPS) {
        match step {
            Step::Read(span) => {
                let range = span.within(size, MAX_READ);
                read(&mut reader, range);
                position = range.end();
            }
            Step::ReadOn(length) => {
                let range = ByteRange::new(position, position + u64::from(*length));
                read(&mut reader, range);
                position = range.end();
            }
            Step::WaitFor(span) => {
                reader.wait_for(span.within(size, size)).expect("the source gives all bytes")
            }
            Step::Prefetch(spans) => reader.prefetch(&ranges(spans, size)),
            Step::NeedOnly(spans) => reader.need_only(&ranges(spans, size)),
        }
    }
    let ledger = reader.ledger();
    assert!(ledger.bytes_used <= size && ledger.bytes_used <= ledger.bytes_fetched, "{ledger:?}");
    assert!(ledger.round_trips <= ledger.requests, "{ledger:?}");
});

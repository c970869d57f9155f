//! Blocking reads of an object that arrives by asynchronous requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::source::ledger::Ledger;
use crate::source::range::{ByteRange, RangeRequest};
use crate::source::range_set::RangeSet;
use crate::source::shared::{ReadFault, Shared, State, WORTH_FINISHING};
use crate::source::{BlockCache, FirstReads, Identity, RangeSource, fetch};

/// The largest gap that a request reads over. A larger gap causes a further request. At 75 MB/s, the rate of one S3 connection,
/// 256 KiB take 3.5 ms. A request costs money and may need a new connection.
const READ_OVER: u64 = 256 << 10;
/// Spans larger than one and a half times this size are read in parallel parts.
const PART: u64 = 4 << 20;
/// The size of the first read-ahead, and the maximum size. The size doubles while reads are sequential.
const READ_AHEAD: (u64, u64) = (64 << 10, 1 << 20);
/// The interval at which a wait checks the cancel token.
const LOOK_UP: Duration = Duration::from_millis(20);

/// The resources of a reader, and its first reads.
#[derive(Debug)]
pub(crate) struct ReaderOptions {
    pub(crate) cache: BlockCache,
    pub(crate) first_reads: FirstReads,
    /// The expected size of the object. Only the first reads depend on this value.
    pub(crate) size_hint: Option<u64>,
    pub(crate) max_bytes: u64,
    pub(crate) max_requests: u64,
    pub(crate) deadline: Deadline,
}

/// An object that is being read.
pub(crate) struct RangeReader {
    shared: Arc<Shared>,
    deadline: Deadline,
    size: u64,
    /// The end of the last read-ahead, and its size.
    ahead: (u64, u64),
}

/// An object that is read by byte ranges, from the reader's point of view.
pub(crate) trait Ranges: Send {
    /// Begins the next call of the reader's user. The call ends at this deadline, and failed requests are retried.
    fn begin(&mut self, deadline: Deadline);

    /// Returns the size of the object in bytes.
    fn size(&self) -> u64;

    /// Returns the identity from the first reply.
    fn identity(&self) -> Option<Identity>;

    fn ledger(&self) -> Ledger;

    /// Reads some bytes at `offset`; none at the end.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadFault>;

    /// Requests the missing bytes of a range and waits until the whole range is available.
    fn wait_for(&mut self, range: ByteRange) -> Result<(), ReadFault>;

    /// Requests the parts of these ranges that are neither available nor in flight. A read after the last range continues from
    /// there, and is not treated as a jump to an index.
    fn prefetch(&mut self, ranges: &[ByteRange]);

    /// Returns the number of consecutive requests that led to the bytes read so far.
    fn depth(&self) -> u32;

    /// Requests the ranges that an index contains. `depth` is the number of consecutive requests after which the index was read.
    fn prefetch_behind(&self, depth: u32, ranges: &[ByteRange]);

    /// Declares that only these ranges of the requested bytes are needed. The other bodies are not read to their end, and their
    /// bytes leave memory first.
    fn need_only(&mut self, ranges: &[ByteRange]);
}

impl RangeReader {
    /// Sends the first requests and waits for a reply.
    pub(crate) fn open(source: Arc<dyn RangeSource>, options: ReaderOptions) -> Result<Self, ReadFault> {
        let ReaderOptions { cache, first_reads, size_hint, max_bytes, max_requests, deadline } = options;
        let limits = (max_bytes, max_requests);
        let shared =
            Shared::new(source, cache.reader(), limits, first_reads.whole, |shared, id, request, depth| {
                Box::pin(fetch::run(shared, id, request, depth))
            });
        let mut reader = Self { shared: Arc::new(shared), deadline, size: 0, ahead: (u64::MAX, 0) };
        let (head, tail) = match size_hint {
            Some(size) if size <= first_reads.whole => (first_reads.whole, 0),
            size => (first_reads.head.bytes(size), first_reads.tail.bytes(size)),
        };
        let mut state = reader.shared.lock();
        reader.shared.start(&mut state, RangeRequest::Bounded(ByteRange::new(0, head.max(1))), 1);
        if tail > 0 {
            reader.shared.start(&mut state, RangeRequest::Suffix(tail), 1);
        }
        drop(state);
        reader.size = reader.wait(None, |state| state.identity.as_ref().map(|identity| identity.size))?;
        reader.shared.lock().depth_seen = 1;
        Ok(reader)
    }

    /// Copies the bytes that are available at `offset`.
    fn take(&self, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        let (count, depth) = self.shared.blocks().read(offset, buffer);
        if count == 0 {
            return None;
        }
        let mut state = self.shared.lock();
        state.depth_seen = state.depth_seen.max(depth);
        let new = state.used.insert(ByteRange::new(offset, offset + count as u64));
        state.ledger.bytes_used += new;
        Some(count)
    }

    /// Requests the bytes of a range that no request covers, and waits until the whole range is available.
    fn bring(&mut self, range: ByteRange, read_ahead: bool) -> Result<(), ReadFault> {
        loop {
            self.ask_for_what_nobody_brings(range, read_ahead);
            let blocks = self.shared.blocks();
            let arrived = |state: &State| {
                let end = blocks.end_of_run(range.start());
                // The search also ends when the requests in flight have ended without leaving the bytes here: the reader then
                // requests them again.
                (end >= range.end() || !state.coming().any(|rest| rest.contains(end))).then_some(end)
            };
            if self.wait(Some(range), arrived)? >= range.end() {
                return Ok(());
            }
        }
    }

    fn request(&self, ranges: &[ByteRange], depth: u32) {
        let mut state = self.shared.lock();
        let mut missing: Vec<ByteRange> = Vec::new();
        let mut wanted = RangeSet::default();
        for range in ranges {
            wanted.insert(range.clipped(self.size));
        }
        state.fetches.iter_mut().for_each(|fetch| fetch.need_also(&wanted));
        for range in wanted.iter() {
            for gap in self.missing(&state, range) {
                match missing.last_mut() {
                    Some(last) if gap.start() - last.end() <= READ_OVER => {
                        // The bytes between may be available already: they are not fetched again.
                        let between = ByteRange::new(last.end(), gap.start());
                        if self.missing(&state, between) == [between] || between.is_empty() {
                            *last = ByteRange::new(last.start(), gap.end());
                        } else {
                            missing.push(gap);
                        }
                    }
                    _ => missing.push(gap),
                }
            }
        }
        let parts: Vec<ByteRange> = missing.into_iter().flat_map(in_parts).collect();
        state.queue.splice(0..0, parts.into_iter().rev().map(|part| (part, depth)));
        self.shared.start_queued(&mut state);
    }

    /// Returns the parts of a range that are neither available nor in flight.
    fn missing(&self, state: &State, range: ByteRange) -> Vec<ByteRange> {
        let mut known = RangeSet::default();
        for rest in state.coming() {
            known.insert(rest);
        }
        let mut at = range.start();
        while at < range.end() {
            let end = self.shared.blocks().end_of_run(at);
            known.insert(ByteRange::new(at, end));
            let Some(next) = self.shared.blocks().next_start(end).filter(|&next| next > at) else { break };
            at = next;
        }
        known.missing(range)
    }

    /// Requests the parts of a range that no request covers, with read-ahead if the read continues from there.
    fn ask_for_what_nobody_brings(&mut self, range: ByteRange, read_ahead: bool) {
        let state = self.shared.lock();
        let missing = self.missing(&state, range);
        // A request that failed for good is not repeated.
        if missing.is_empty() || missing.iter().any(|gap| state.failure_at(gap.start()).is_some()) {
            return;
        }
        drop(state);
        let range = if read_ahead { self.ahead_from(range.start()) } else { range };
        self.prefetch_behind(self.depth(), &[range]);
    }

    /// Returns the range to request when a read finds no bytes at `offset`.
    fn ahead_from(&mut self, offset: u64) -> ByteRange {
        let (first, most) = READ_AHEAD;
        let goes_on = self.ahead.0 == offset;
        let length = if goes_on { self.ahead.1.saturating_mul(2).min(most).max(first) } else { first };
        let mut end = offset.saturating_add(length).min(self.size);
        // A jump close to the end usually reads an index. The request then includes a small remainder.
        let is_near = !goes_on && offset > self.size / 8 * 7 && self.size - offset <= 2 * most;
        if is_near || self.size - end <= first {
            end = self.size;
        }
        let end = self.shared.blocks().next_start(offset).map_or(end, |next| end.min(next));
        self.ahead = (end, length);
        ByteRange::new(offset, end)
    }

    /// Waits until `found` returns a value.
    fn wait<T>(
        &self,
        awaited: Option<ByteRange>,
        found: impl Fn(&State) -> Option<T>,
    ) -> Result<T, ReadFault> {
        let started = Instant::now();
        let mut state = self.shared.lock();
        state.awaited = awaited;
        if awaited.is_some() {
            self.shared.blocks().retry_waiting();
        }
        let result = loop {
            if let Some(fault) = &state.fatal {
                break Err(fault.clone());
            }
            if let Some(range) = awaited {
                // The fetches in flight may all wait for room, which only this reader can make.
                let at = self.shared.blocks().end_of_run(range.start());
                self.shared.start_part_at(&mut state, at);
            }
            let failed = awaited.and_then(|range| {
                let missing = self.missing(&state, range);
                missing.iter().find_map(|gap| state.failure_at(gap.start()).cloned())
            });
            if let Some(error) = failed {
                break Err(ReadFault::Source(error));
            }
            if let Some(found) = found(&state) {
                break Ok(found);
            }
            if let Some(stop) = self.deadline.expired() {
                break Err(ReadFault::Stopped(stop));
            }
            let time = self.deadline.left().min(LOOK_UP);
            state = self.shared.wait(state, time);
        };
        state.awaited = None;
        state.ledger.waiting += started.elapsed();
        result
    }
}

impl Ranges for RangeReader {
    fn begin(&mut self, deadline: Deadline) {
        self.deadline = deadline;
        self.shared.lock().forget_failures();
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn identity(&self) -> Option<Identity> {
        self.shared.lock().identity.clone()
    }

    fn ledger(&self) -> Ledger {
        self.shared.lock().ledger
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadFault> {
        if offset >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        if let Some(count) = self.take(offset, buffer) {
            self.shared.lock().ledger.cache_hits += 1;
            return Ok(count);
        }
        self.bring(ByteRange::new(offset, offset + 1), true)?;
        // Other readers needed the room and the bytes were evicted between the wait and now. Nothing is read, and the next attempt
        // fetches them.
        Ok(self.take(offset, buffer).unwrap_or_default())
    }

    fn wait_for(&mut self, range: ByteRange) -> Result<(), ReadFault> {
        self.bring(range.clipped(self.size), false)
    }

    fn prefetch(&mut self, ranges: &[ByteRange]) {
        if let Some(last) = ranges.last() {
            self.ahead = (last.end(), READ_AHEAD.0);
        }
        let depth = self.depth().saturating_add(1);
        self.request(ranges, depth);
    }

    fn depth(&self) -> u32 {
        self.shared.lock().depth_seen
    }

    fn prefetch_behind(&self, depth: u32, ranges: &[ByteRange]) {
        self.request(ranges, depth.saturating_add(1));
    }

    fn need_only(&mut self, ranges: &[ByteRange]) {
        let needed: RangeSet = ranges.iter().copied().collect();
        // The end of the last needed byte of a range.
        let needed_of = |rest: ByteRange| needed.last_within(rest).map(ByteRange::end);
        let mut state = self.shared.lock();
        state.queue.retain(|(part, _)| needed_of(*part).is_some());
        state.fetches.retain_mut(|fetch| {
            let Some(rest) = fetch.rest else { return true };
            fetch.needed = needed_of(rest);
            let stays = fetch.needed.is_some() || rest.len() <= WORTH_FINISHING;
            if let (false, Some(task)) = (stays, &fetch.task) {
                task.abort();
            }
            stays
        });
        self.shared.start_queued(&mut state);
        drop(state);
        self.shared.blocks().want_only(&needed);
    }
}

impl Drop for RangeReader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.queue.clear();
        for fetch in state.fetches.drain(..) {
            if let Some(task) = fetch.task {
                task.abort();
            }
        }
    }
}

/// Splits a span into parts that are worth separate requests.
fn in_parts(range: ByteRange) -> Vec<ByteRange> {
    if range.len() <= PART + PART / 2 {
        return vec![range];
    }
    let parts = range.len().div_ceil(PART);
    let length = range.len().div_ceil(parts);
    (0..parts)
        .map(|part| {
            let start = range.start() + part * length;
            ByteRange::new(start, (start + length).min(range.end()))
        })
        .collect()
}

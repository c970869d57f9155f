//! Blocking reads of an object that comes by asynchronous requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::source::ledger::Ledger;
use crate::source::range::{ByteRange, RangeRequest};
use crate::source::range_set::RangeSet;
use crate::source::shared::{ReadFault, Shared, State, WORTH_FINISHING};
use crate::source::{BlockCache, FirstReads, Identity, RangeSource, fetch};

/// Gaps up to this are read over rather than left out by a further request: at 75 MB/s, what S3 gives to one connection,
/// it is 3.5 ms; a request costs money, and a connection that may not be open yet.
const READ_OVER: u64 = 256 << 10;
/// Spans of more than one and a half of this are read in parts side by side.
const PART: u64 = 4 << 20;
/// What a read that finds nothing asks for at first, and at most after it has doubled while reading goes on.
const READ_AHEAD: (u64, u64) = (64 << 10, 1 << 20);
/// How often a wait looks at the cancel token.
const LOOK_UP: Duration = Duration::from_millis(20);

/// What a reader may use, and how it begins.
#[derive(Debug)]
pub(crate) struct ReaderOptions {
    pub(crate) cache: BlockCache,
    pub(crate) first_reads: FirstReads,
    /// What is said to be the object's size. It decides about the first reads only.
    pub(crate) size_hint: Option<u64>,
    pub(crate) max_bytes: u64,
    pub(crate) max_requests: u64,
    pub(crate) deadline: Deadline,
}

/// An object being read.
pub(crate) struct RangeReader {
    shared: Arc<Shared>,
    deadline: Deadline,
    size: u64,
    /// Where the last read-ahead ended, and how much it asked for.
    ahead: (u64, u64),
}

/// An object that is read by byte ranges, as who reads it sees it.
pub(crate) trait Ranges: Send {
    /// Begins another call of whoever reads: it ends at this deadline, and requests that failed are tried again.
    fn begin(&mut self, deadline: Deadline);

    /// Bytes of the object.
    fn size(&self) -> u64;

    /// What the first reply said.
    fn identity(&self) -> Option<Identity>;

    fn ledger(&self) -> Ledger;

    /// Reads some bytes at `offset`; none at the end.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadFault>;

    /// Waits until all of a range is there, after asking for what is missing of it.
    fn wait_for(&mut self, range: ByteRange) -> Result<(), ReadFault>;

    /// Asks for these ranges, as far as they are neither there nor on their way. A read behind the last one goes on from there: it
    /// is not taken for a jump to an index.
    fn prefetch(&mut self, ranges: &[ByteRange]);

    /// How many requests in a row led to what was seen so far.
    fn depth(&self) -> u32;

    /// Requests what an index names that was seen after so many requests in a row.
    fn prefetch_behind(&self, depth: u32, ranges: &[ByteRange]);

    /// Says that of what has been asked for only these ranges are needed. The others are not read to their end, and leave
    /// memory first.
    fn need_only(&mut self, ranges: &[ByteRange]);
}

impl RangeReader {
    /// Sends the first reads and waits for a reply.
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

    /// Copies what is there at `offset`.
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

    /// Waits until all of a range is there, after asking for what nobody has asked for.
    fn bring(&mut self, range: ByteRange, read_ahead: bool) -> Result<(), ReadFault> {
        loop {
            self.ask_for_what_nobody_brings(range, read_ahead);
            let blocks = self.shared.blocks();
            let arrived = |state: &State| {
                let end = blocks.end_of_run(range.start());
                // Also when what was under way has ended without leaving it here: then it is asked for again.
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
                        // What lies between may be here already: then it is not fetched again.
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

    /// What is neither here nor on its way of a range.
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

    /// Asks for what nobody has asked for yet of a range, with read-ahead if reading goes on from there.
    fn ask_for_what_nobody_brings(&mut self, range: ByteRange, read_ahead: bool) {
        let state = self.shared.lock();
        let missing = self.missing(&state, range);
        // What has failed for good is not asked for over and over.
        if missing.is_empty() || missing.iter().any(|gap| state.failure_at(gap.start()).is_some()) {
            return;
        }
        drop(state);
        let range = if read_ahead { self.ahead_from(range.start()) } else { range };
        self.prefetch_behind(self.depth(), &[range]);
    }

    /// The range to ask for when a read finds nothing at `offset`.
    fn ahead_from(&mut self, offset: u64) -> ByteRange {
        let (first, most) = READ_AHEAD;
        let goes_on = self.ahead.0 == offset;
        let length = if goes_on { self.ahead.1.saturating_mul(2).min(most).max(first) } else { first };
        let mut end = offset.saturating_add(length).min(self.size);
        // Whoever jumps near the end reads an index there. And a little that would be left comes along.
        let is_near = !goes_on && offset > self.size / 8 * 7 && self.size - offset <= 2 * most;
        if is_near || self.size - end <= first {
            end = self.size;
        }
        let end = self.shared.blocks().next_start(offset).map_or(end, |next| end.min(next));
        self.ahead = (end, length);
        ByteRange::new(offset, end)
    }

    /// Waits until `found` finds something.
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
        // Thrown out between the wait and now, by others who needed the room: nothing is read, and the next try brings it.
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
        // Where the last needed byte of a range ends.
        let needed_of = |rest: ByteRange| {
            let parts =
                ranges.iter().filter(|range| range.start() < rest.end() && rest.start() < range.end());
            parts.map(|range| range.end()).max()
        };
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
        self.shared.blocks().want_only(ranges);
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

/// A span in parts that are worth requests of their own.
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

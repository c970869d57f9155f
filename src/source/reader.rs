//! Blocking reads of an object that comes by asynchronous requests.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::deadline::{Deadline, Stop};
use crate::source::block_cache::{Awaited, Blocks};
use crate::source::error::SourceError;
use crate::source::ledger::Ledger;
use crate::source::range::{ByteRange, RangeRequest};
use crate::source::range_set::RangeSet;
use crate::source::{BlockCache, FirstReads, Identity, RangeSource, fetch, runtime};

/// Gaps up to this are read over rather than left out by a further request: at 75 MB/s, what S3 gives to one connection,
/// it is 3.5 ms; a request costs money, and a connection that may not be open yet.
const READ_OVER: u64 = 256 << 10;
/// Spans of more than one and a half of this are read in parts side by side.
const PART: u64 = 4 << 20;
/// Parts of one reader under way at a time.
const PARALLEL_PARTS: usize = 4;
/// A body with no more than this left is read to its end although nobody needs it: its connection can then serve again,
/// where breaking it off would cost a new handshake.
const WORTH_FINISHING: u64 = 128 << 10;
/// What a read that finds nothing asks for at first, and at most after it has doubled while reading goes on.
const READ_AHEAD: (u64, u64) = (64 << 10, 1 << 20);
/// How often a wait looks at the cancel token.
const LOOK_UP: Duration = Duration::from_millis(20);

/// Why a read failed.
#[derive(Debug, Clone)]
pub(crate) enum ReadFault {
    Stopped(Stop),
    Limit { limit: &'static str, allowed: u64 },
    Source(SourceError),
    Panicked(String),
}

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

/// What the reader and its fetches share.
pub(super) struct Shared {
    source: Arc<dyn RangeSource>,
    blocks: Blocks,
    max_bytes: u64,
    max_requests: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    identity: Option<Identity>,
    fetches: Vec<Fetch>,
    next_fetch: u64,
    /// Parts of spans that wait for others to end, last one first.
    queue: Vec<(ByteRange, u32)>,
    /// What could not be had, and why.
    failed: Vec<(RangeRequest, SourceError)>,
    fatal: Option<ReadFault>,
    awaited: Option<ByteRange>,
    /// The depth of the deepest bytes that the reader has seen.
    depth_seen: u32,
    used: RangeSet,
    ledger: Ledger,
}

/// A request under way.
struct Fetch {
    id: u64,
    request: RangeRequest,
    /// What is still to come; `None` while the object's size is not known.
    rest: Option<ByteRange>,
    /// Where what is needed of it ends, if that is known.
    needed: Option<u64>,
    task: Option<AbortHandle>,
}

impl Fetch {
    /// Goes on, if it was to end earlier, to where the last of these bytes is that it brings.
    fn need_also(&mut self, wanted: &RangeSet) {
        let (Some(needed), Some(rest)) = (self.needed, self.rest) else { return };
        let inside = wanted.iter().filter(|range| range.start() < rest.end() && rest.start() < range.end());
        self.needed = inside.map(ByteRange::end).chain([needed]).max();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn source(&self) -> &dyn RangeSource {
        &*self.source
    }

    pub(super) fn name(&self) -> String {
        self.source.name()
    }

    pub(super) const fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Counts a request, and tells what is known of the object. An error when it may not be made.
    pub(super) fn begin_request(&self, id: u64, depth: u32) -> Result<Option<Identity>, ()> {
        let mut state = self.lock();
        state.fetch(id)?;
        let exhausted = if state.ledger.requests >= self.max_requests {
            Some(("max_requests", self.max_requests))
        } else if state.ledger.bytes_fetched >= self.max_bytes {
            Some(("max_bytes", self.max_bytes))
        } else {
            None
        };
        if let Some((limit, allowed)) = exhausted {
            self.fail(state, ReadFault::Limit { limit, allowed });
            return Err(());
        }
        state.ledger.requests += 1;
        state.ledger.round_trips = state.ledger.round_trips.max(depth.into());
        Ok(state.identity.clone())
    }

    fn fail(&self, mut state: MutexGuard<'_, State>, fault: ReadFault) {
        state.fatal.get_or_insert(fault);
        drop(state);
        self.changed.notify_all();
    }

    /// Compares a reply's object with that of the first reply; its size.
    pub(super) fn identify(&self, identity: &Identity) -> Result<u64, SourceError> {
        let mut state = self.lock();
        match &state.identity {
            Some(known) => {
                if let Some(reason) = known.difference(identity) {
                    return Err(SourceError::Changed { reason });
                }
            }
            None => {
                state.identity = Some(identity.clone());
                for fetch in &mut state.fetches {
                    fetch.rest.get_or_insert(fetch.request.of(identity.size));
                }
                drop(state);
                self.changed.notify_all();
            }
        }
        Ok(identity.size)
    }

    /// Says which bytes a fetch will bring. An error when nobody wants them any more.
    pub(super) fn locate(&self, id: u64, range: ByteRange) -> Result<(), ()> {
        self.lock().fetch(id)?.rest = Some(range);
        Ok(())
    }

    /// Counts bytes that came. An error when they are too many.
    pub(super) fn count_bytes(&self, bytes: u64) -> Result<(), ()> {
        let mut state = self.lock();
        if state.ledger.bytes_fetched + bytes > self.max_bytes {
            self.fail(state, ReadFault::Limit { limit: "max_bytes", allowed: self.max_bytes });
            return Err(());
        }
        state.ledger.bytes_fetched += bytes;
        Ok(())
    }

    /// Whether the reader waits for some of a piece, or of the rest of its body, or of what is asked for only when something that
    /// is under way has ended.
    pub(super) fn awaited(&self, piece: ByteRange, rest: ByteRange) -> Awaited {
        let state = self.lock();
        let Some(awaited) = state.awaited else { return Awaited::No };
        let is_in = |range: ByteRange| awaited.start() < range.end() && range.start() < awaited.end();
        if is_in(piece) {
            Awaited::Now
        } else if is_in(rest) || state.queue.iter().any(|(part, _)| is_in(*part)) {
            Awaited::Behind
        } else {
            Awaited::No
        }
    }

    /// Says how far a fetch has come. An error when nobody wants the rest.
    pub(super) fn advance(self: &Arc<Self>, id: u64, at: u64) -> Result<(), ()> {
        let mut state = self.lock();
        let fetch = state.fetch(id)?;
        let rest = fetch.rest.map_or(ByteRange::new(at, at), |rest| ByteRange::new(at, rest.end()));
        fetch.rest = Some(rest);
        let is_enough = fetch.needed.is_some_and(|end| at >= end) && rest.len() > WORTH_FINISHING;
        drop(state);
        self.changed.notify_all();
        if is_enough {
            self.finish(id, None);
            return Err(());
        }
        Ok(())
    }

    /// Ends a fetch.
    pub(super) fn finish(self: &Arc<Self>, id: u64, error: Option<SourceError>) {
        let mut state = self.lock();
        let Some(place) = state.fetches.iter().position(|fetch| fetch.id == id) else { return };
        let fetch = state.fetches.swap_remove(place);
        if let Some(error) = error {
            let is_first = matches!(fetch.request, RangeRequest::Bounded(range) if range.start() == 0);
            match error {
                // Once the object is another one, nothing of it can be read any more.
                SourceError::Changed { .. } => state.stop_with(error),
                // The tail only saves a round trip: a server may not know suffixes. What it would have brought is asked for
                // by its place when somebody wants it.
                _ if matches!(fetch.request, RangeRequest::Suffix(_)) => {}
                SourceError::NotSatisfiable { .. } if state.identity.is_some() => {
                    let reason = "it has become shorter".to_owned();
                    state.stop_with(SourceError::Changed { reason });
                }
                error if is_first => state.stop_with(error),
                error => {
                    let request = fetch.rest.map_or(fetch.request, RangeRequest::Bounded);
                    state.failed.push((request, error));
                }
            }
        }
        self.start_queued(&mut state);
        drop(state);
        self.changed.notify_all();
    }

    /// Ends all reading: the source fell over in a fetch.
    pub(super) fn panicked(&self, id: u64, message: String) {
        let mut state = self.lock();
        state.fetches.retain(|fetch| fetch.id != id);
        self.fail(state, ReadFault::Panicked(message));
    }

    /// Starts a request. The depth says how many requests in a row have led to it, itself included.
    fn start(self: &Arc<Self>, state: &mut State, request: RangeRequest, depth: u32) {
        let id = state.next_fetch;
        state.next_fetch += 1;
        let rest = state.identity.as_ref().map(|identity| request.of(identity.size));
        state.fetches.push(Fetch { id, request, rest, needed: None, task: None });
        match runtime::handle() {
            Ok(handle) => state.attach(id, handle, fetch::run(Arc::clone(self), id, request, depth)),
            Err(error) => state.stop_with(SourceError::Request { reason: error.to_string() }),
        }
    }

    fn start_queued(self: &Arc<Self>, state: &mut State) {
        while state.fetches.len() < PARALLEL_PARTS && state.fatal.is_none() {
            let Some((part, depth)) = state.queue.pop() else { return };
            self.start(state, RangeRequest::Bounded(part), depth);
        }
    }
}

impl State {
    fn fetch(&mut self, id: u64) -> Result<&mut Fetch, ()> {
        self.fetches.iter_mut().find(|fetch| fetch.id == id).ok_or(())
    }

    fn attach(&mut self, id: u64, handle: Handle, work: impl Future<Output = ()> + Send + 'static) {
        let task = handle.spawn(work).abort_handle();
        if let Ok(fetch) = self.fetch(id) {
            fetch.task = Some(task);
        }
    }

    fn stop_with(&mut self, error: SourceError) {
        self.fatal.get_or_insert(ReadFault::Source(error));
    }

    /// The ranges that are under way or will be.
    fn coming(&self) -> impl Iterator<Item = ByteRange> + '_ {
        let queued = self.queue.iter().map(|(part, _)| *part);
        self.fetches.iter().filter_map(|fetch| fetch.rest).chain(queued)
    }

    /// Why the byte at `offset` could not be had, if it was asked for.
    fn failure_at(&self, offset: u64) -> Option<&SourceError> {
        let size = self.identity.as_ref().map_or(u64::MAX, |identity| identity.size);
        let failed = self.failed.iter().find(|(request, _)| request.of(size).contains(offset));
        failed.map(|(_, error)| error)
    }
}

/// An object being read.
pub(crate) struct RangeReader {
    shared: Arc<Shared>,
    deadline: Deadline,
    size: u64,
    /// Where the last read-ahead ended, and how much it asked for.
    ahead: (u64, u64),
}

impl RangeReader {
    /// Sends the first reads and waits for a reply.
    pub(crate) fn open(source: Arc<dyn RangeSource>, options: ReaderOptions) -> Result<Self, ReadFault> {
        let ReaderOptions { cache, first_reads, size_hint, max_bytes, max_requests, deadline } = options;
        let shared = Arc::new(Shared {
            source,
            blocks: cache.reader(),
            max_bytes,
            max_requests,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut reader = Self { shared, deadline, size: 0, ahead: (u64::MAX, 0) };
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

    /// Bytes of the object.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// What the first reply said.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.shared.lock().identity.clone()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.shared.lock().ledger
    }

    /// Reads some bytes at `offset`; none at the end.
    pub(crate) fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadFault> {
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

    /// Copies what is there at `offset`.
    fn take(&self, offset: u64, buffer: &mut [u8]) -> Option<usize> {
        let (count, depth) = self.shared.blocks.read(offset, buffer);
        if count == 0 {
            return None;
        }
        let mut state = self.shared.lock();
        state.depth_seen = state.depth_seen.max(depth);
        let new = state.used.insert(ByteRange::new(offset, offset + count as u64));
        state.ledger.bytes_used += new;
        Some(count)
    }

    /// Waits until all of a range is there, after asking for what is missing of it.
    pub(crate) fn wait_for(&mut self, range: ByteRange) -> Result<(), ReadFault> {
        self.bring(range.clipped(self.size), false)
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

    /// Asks for these ranges, as far as they are neither there nor on their way.
    pub(crate) fn prefetch(&mut self, ranges: &[ByteRange]) {
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
        let depth = state.depth_seen + 1;
        let parts: Vec<ByteRange> = missing.into_iter().flat_map(in_parts).collect();
        state.queue.splice(0..0, parts.into_iter().rev().map(|part| (part, depth)));
        self.shared.start_queued(&mut state);
    }

    /// Says that of what has been asked for only these ranges are needed. The others are not read to their end, and leave
    /// memory first.
    pub(crate) fn need_only(&mut self, ranges: &[ByteRange]) {
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
        self.shared.blocks.want_only(ranges);
    }

    /// What is neither here nor on its way of a range.
    fn missing(&self, state: &State, range: ByteRange) -> Vec<ByteRange> {
        let mut known = RangeSet::default();
        for rest in state.coming() {
            known.insert(rest);
        }
        let mut at = range.start();
        while at < range.end() {
            let end = self.shared.blocks.end_of_run(at);
            known.insert(ByteRange::new(at, end));
            let Some(next) = self.shared.blocks.next_start(end).filter(|&next| next > at) else { break };
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
        self.prefetch(&[range]);
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
        let end = self.shared.blocks.next_start(offset).map_or(end, |next| end.min(next));
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
            self.shared.blocks.retry_waiting();
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
            let (guard, _) =
                self.shared.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
            state = guard;
        };
        state.awaited = None;
        state.ledger.waiting += started.elapsed();
        result
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

//! The state that a reader and its requests share: the requests in flight, the received bytes, and the reason why reading has
//! ended.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::deadline::Stop;
use crate::limits::Limit;
use crate::source::block_cache::{Awaited, Blocks};
use crate::source::error::SourceError;
use crate::source::ledger::Ledger;
use crate::source::range::{ByteRange, RangeRequest};
use crate::source::range_set::RangeSet;
use crate::source::{BoxFuture, Identity, RangeSource, runtime};

/// Maximum number of parts of one reader in flight at a time.
const PARALLEL_PARTS: usize = 4;
/// A body with at most this many bytes left is read to its end even if no reader needs it. Its connection can then be reused,
/// while aborting the body would cost a new handshake.
pub(super) const WORTH_FINISHING: u64 = 128 << 10;

/// The reason why a read failed.
#[derive(Debug, Clone)]
pub(crate) enum ReadFault {
    Stopped(Stop),
    Limit { limit: Limit, allowed: u64 },
    Source(SourceError),
    Panicked(String),
}

/// The state that the reader and its fetches share.
pub(super) struct Shared {
    source: Arc<dyn RangeSource>,
    blocks: Blocks,
    max_bytes: u64,
    max_requests: u64,
    /// Objects of up to this size are read whole.
    whole: u64,
    run: Run,
    state: Mutex<State>,
    changed: Condvar,
}

/// Runs one request to its end. The arguments are the shared state, the request's number, the request, and its depth. The
/// function is passed in because it reports to the shared state.
pub(super) type Run = fn(Arc<Shared>, u64, RangeRequest, u32) -> BoxFuture<'static, ()>;

/// The progress of the requests.
#[derive(Default)]
pub(super) struct State {
    pub(super) identity: Option<Identity>,
    pub(super) fetches: Vec<Fetch>,
    next_fetch: u64,
    /// Parts of spans that wait for other parts to end, last one first.
    pub(super) queue: Vec<(ByteRange, u32)>,
    /// Failed requests and their errors.
    failed: Vec<(RangeRequest, SourceError)>,
    pub(super) fatal: Option<ReadFault>,
    pub(super) awaited: Option<ByteRange>,
    /// The depth of the deepest bytes that the reader has seen.
    pub(super) depth_seen: u32,
    pub(super) used: RangeSet,
    pub(super) ledger: Ledger,
}

/// A request in flight.
pub(super) struct Fetch {
    id: u64,
    request: RangeRequest,
    /// The bytes still to arrive; `None` while the object's size is not known.
    pub(super) rest: Option<ByteRange>,
    /// The end of the needed bytes, if it is known.
    pub(super) needed: Option<u64>,
    pub(super) task: Option<AbortHandle>,
}

impl Fetch {
    /// Extends the needed end of this fetch to the last of `wanted` that the fetch delivers.
    pub(super) fn need_also(&mut self, wanted: &RangeSet) {
        let (Some(needed), Some(rest)) = (self.needed, self.rest) else { return };
        let inside = wanted.iter().filter(|range| range.start() < rest.end() && rest.start() < range.end());
        self.needed = inside.map(ByteRange::end).chain([needed]).max();
    }
}

impl Shared {
    /// Creates the shared state without any request.
    pub(super) fn new(
        source: Arc<dyn RangeSource>,
        blocks: Blocks,
        (max_bytes, max_requests): (u64, u64),
        whole: u64,
        run: Run,
    ) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { source, blocks, max_bytes, max_requests, whole, run, state, changed }
    }

    /// Waits until something changes, or for `time`.
    pub(super) fn wait<'s>(&self, state: MutexGuard<'s, State>, time: Duration) -> MutexGuard<'s, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
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

    /// Counts a request and returns the identity of the object, if it is known. Returns an error when the request is not allowed.
    pub(super) fn begin_request(&self, id: u64, depth: u32) -> Result<Option<Identity>, ()> {
        let mut state = self.lock();
        state.fetch(id)?;
        let exhausted = if state.ledger.requests >= self.max_requests {
            Some((Limit::MaxRequests, self.max_requests))
        } else if state.ledger.bytes_fetched >= self.max_bytes {
            Some((Limit::MaxBytes, self.max_bytes))
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

    /// Compares the object of the reply to fetch `id` with the object of the first reply. Returns its size.
    pub(super) fn identify(self: &Arc<Self>, id: u64, identity: &Identity) -> Result<u64, SourceError> {
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
                    fetch.rest.get_or_insert(fetch.request.resolve(identity.size));
                }
                self.read_small(&mut state, id, identity.size);
                drop(state);
                self.changed.notify_all();
            }
        }
        Ok(identity.size)
    }

    /// Sees to it that a small object, whose size the first reply reported, comes once and whole: aborts requests for bytes that the
    /// fetch `id` brings, and requests the bytes that no fetch brings.
    fn read_small(self: &Arc<Self>, state: &mut State, id: u64, size: u64) {
        let replied = state.fetches.iter().find(|fetch| fetch.id == id).and_then(|fetch| fetch.rest);
        let Some(replied) = replied else { return };
        state.fetches.retain(|fetch| {
            let brings_more =
                fetch.rest.is_none_or(|rest| rest.start() < replied.start() || rest.end() > replied.end());
            let stays = fetch.id == id || brings_more;
            if let (false, Some(task)) = (stays, &fetch.task) {
                task.abort();
            }
            stays
        });
        if size > self.whole {
            return;
        }
        let mut coming = RangeSet::default();
        for rest in state.coming() {
            coming.insert(rest);
        }
        for gap in coming.missing(ByteRange::new(0, size)) {
            self.start(state, RangeRequest::Bounded(gap), 2);
        }
    }

    /// Says which bytes a fetch will bring. An error when nobody wants them any more.
    pub(super) fn locate(&self, id: u64, range: ByteRange) -> Result<(), ()> {
        self.lock().fetch(id)?.rest = Some(range);
        Ok(())
    }

    /// Counts received bytes. Returns an error when they exceed the limit.
    pub(super) fn count_bytes(&self, bytes: u64) -> Result<(), ()> {
        let mut state = self.lock();
        if state.ledger.bytes_fetched + bytes > self.max_bytes {
            self.fail(state, ReadFault::Limit { limit: Limit::MaxBytes, allowed: self.max_bytes });
            return Err(());
        }
        state.ledger.bytes_fetched += bytes;
        Ok(())
    }

    /// Returns whether the reader waits for a part of this piece, or for the rest of its body.
    pub(super) fn awaited(&self, piece: ByteRange, rest: ByteRange) -> Awaited {
        let state = self.lock();
        let Some(awaited) = state.awaited else { return Awaited::No };
        let is_in = |range: ByteRange| awaited.start() < range.end() && range.start() < awaited.end();
        if is_in(piece) {
            Awaited::Now
        } else if is_in(rest) {
            Awaited::Behind
        } else {
            Awaited::No
        }
    }

    /// Records the progress of a fetch. Returns an error when no reader wants the rest.
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
                // Once the object was replaced, none of its bytes can be read any more.
                SourceError::Changed { .. } => state.stop_with(error),
                // The tail only saves a round trip, and a server may not support suffixes. A reader that needs these bytes
                // requests them by position.
                _ if matches!(fetch.request, RangeRequest::Suffix(_)) => {}
                SourceError::NotSatisfiable { .. } if state.identity.is_some() => {
                    let reason = "it became shorter".to_owned();
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

    /// Ends all reading after a panic of the source.
    pub(super) fn panicked(&self, id: u64, message: String) {
        let mut state = self.lock();
        state.fetches.retain(|fetch| fetch.id != id);
        self.fail(state, ReadFault::Panicked(message));
    }

    /// Starts a request. `depth` is the number of consecutive requests that led to it, the request itself included.
    pub(super) fn start(self: &Arc<Self>, state: &mut State, request: RangeRequest, depth: u32) {
        let id = state.next_fetch;
        state.next_fetch += 1;
        let rest = state.identity.as_ref().map(|identity| request.resolve(identity.size));
        state.fetches.push(Fetch { id, request, rest, needed: None, task: None });
        match runtime::handle() {
            Ok(handle) => state.attach(id, handle, (self.run)(Arc::clone(self), id, request, depth)),
            Err(error) => state.stop_with(SourceError::Request { reason: error.to_string() }),
        }
    }

    /// Starts the queued part that contains the byte at `offset`, if there is one, whatever the number of parts in flight.
    pub(super) fn start_part_at(self: &Arc<Self>, state: &mut State, offset: u64) {
        let Some(place) = state.queue.iter().rposition(|(part, _)| part.contains(offset)) else { return };
        let (part, depth) = state.queue.remove(place);
        self.start(state, RangeRequest::Bounded(part), depth);
    }

    pub(super) fn start_queued(self: &Arc<Self>, state: &mut State) {
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

    /// Forgets the failed requests, so that they are sent again. An object that was replaced stays lost.
    pub(super) fn forget_failures(&mut self) {
        self.failed.clear();
        self.fatal.take_if(|fault| matches!(fault, ReadFault::Source(error) if error.may_have_passed()));
    }

    /// Returns the ranges that are in flight or queued.
    pub(super) fn coming(&self) -> impl Iterator<Item = ByteRange> + '_ {
        let queued = self.queue.iter().map(|(part, _)| *part);
        self.fetches.iter().filter_map(|fetch| fetch.rest).chain(queued)
    }

    /// Returns the error of the request that covered the byte at `offset`, if it failed.
    pub(super) fn failure_at(&self, offset: u64) -> Option<&SourceError> {
        let size = self.identity.as_ref().map_or(u64::MAX, |identity| identity.size);
        let failed = self.failed.iter().find(|(request, _)| request.resolve(size).contains(offset));
        failed.map(|(_, error)| error)
    }
}

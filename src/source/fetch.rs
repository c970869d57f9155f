//! The fetch of one planned range, in the I/O thread: sends the request, checks the reply against the request, and passes the
//! body on piece by piece.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::error::panic_message;
use crate::source::error::SourceError;
use crate::source::range::{ByteRange, RangeRequest};
use crate::source::retry::{MAX_FRUITLESS_ATTEMPTS, pause, stall};
use crate::source::shared::Shared;
use crate::source::{GetRange, RangeBody, RangeReply};

/// The reason why an attempt ended early.
enum Ended {
    /// The source failed.
    Failed(SourceError),
    /// No reader wants the bytes any more, or a limit was reached. `Shared` has recorded which.
    Stopped,
}

impl From<SourceError> for Ended {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

/// Runs the fetch `id` of `shared` to its end. A panic of the source is reported, so that no reader waits for bytes that never
/// arrive.
pub(super) async fn run(shared: Arc<Shared>, id: u64, request: RangeRequest, depth: u32) {
    let mut work = pin!(work(Arc::clone(&shared), id, request, depth));
    let panic = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll.map(|()| None),
        Err(panic) => Poll::Ready(Some(panic_message(&*panic))),
    });
    if let Some(message) = panic.await {
        shared.panicked(id, message);
    }
}

async fn work(shared: Arc<Shared>, id: u64, request: RangeRequest, depth: u32) {
    let mut fetch = Fetch { shared: &shared, id, depth, request, range: None, at: 0 };
    let mut failures = 0;
    loop {
        let before = fetch.at;
        let error = match fetch.attempt(stall(failures)).await {
            Ok(()) => return shared.finish(id, None),
            Err(Ended::Stopped) => return,
            // An error after the last byte does not matter.
            Err(Ended::Failed(error)) if error.is_passing() && fetch.is_complete() => {
                return shared.finish(id, None);
            }
            Err(Ended::Failed(error)) => error,
        };
        failures = if fetch.at > before { 1 } else { failures + 1 };
        if !error.is_passing() || failures >= MAX_FRUITLESS_ATTEMPTS {
            return shared.finish(id, Some(error));
        }
        let asked = match &error {
            SourceError::Busy { retry_after, .. } => *retry_after,
            _ => None,
        };
        tracing::debug!(source = shared.name(), %error, failures, "retrying the request");
        sleep(pause(failures, asked)).await;
        // The next attempt depends on this one.
        fetch.depth += 1;
    }
}

struct Fetch<'s> {
    shared: &'s Arc<Shared>,
    id: u64,
    depth: u32,
    request: RangeRequest,
    /// The requested bytes of the object, once its size is known.
    range: Option<ByteRange>,
    /// The next byte to arrive.
    at: u64,
}

impl Fetch<'_> {
    /// Requests the bytes that are still missing.
    async fn attempt(&mut self, stall: Duration) -> Result<(), Ended> {
        let request = self
            .range
            .map_or(self.request, |range| RangeRequest::Bounded(ByteRange::new(self.at, range.end())));
        let identity = self.shared.begin_request(self.id, self.depth).map_err(|()| Ended::Stopped)?;
        let waited = |_| SourceError::Stalled { waited: stall };
        let asked = GetRange::new(request, identity);
        let reply = timeout(stall, self.shared.source().get(asked)).await.map_err(waited)??;
        self.accept(request, &reply)?;
        let mut body = reply.body;
        loop {
            match timeout(stall, next_piece(&mut *body)).await.map_err(waited)?? {
                Some(piece) => self.take(piece).await?,
                None => return self.end(),
            }
        }
    }

    /// Checks a reply against the request, and against the earlier replies.
    fn accept(&mut self, request: RangeRequest, reply: &RangeReply) -> Result<(), Ended> {
        let size = self.shared.identify(self.id, &reply.identity)?;
        let range = request.resolve(size);
        if reply.range != range {
            let answered = format!("bytes {}/{}", reply.range, reply.identity.size);
            return Err(SourceError::WrongRange { requested: request, received: answered }.into());
        }
        self.at = range.start();
        self.range.get_or_insert(range);
        self.shared.locate(self.id, range).map_err(|()| Ended::Stopped)
    }

    async fn take(&mut self, mut piece: Bytes) -> Result<(), Ended> {
        let end = self.range.map_or(self.at, ByteRange::end);
        let room = usize::try_from(end - self.at).unwrap_or(usize::MAX);
        if piece.len() > room {
            let reason = "the body is longer than its range".to_owned();
            return Err(SourceError::Unexpected { reason }.into());
        }
        self.shared.count_bytes(piece.len() as u64).map_err(|()| Ended::Stopped)?;
        // Bytes that another request has fetched meanwhile, for example where head and tail overlap, are not stored twice.
        let known = usize::try_from(self.shared.blocks().end_of_run(self.at).min(end) - self.at).unwrap_or(0);
        let start = self.at;
        self.at += piece.len() as u64;
        if known < piece.len() {
            let piece = piece.split_off(known);
            let offset = start + known as u64;
            // This fetch does not deliver the skipped bytes. If they are evicted while this piece waits, another request must
            // fetch them.
            self.shared.locate(self.id, ByteRange::new(offset, end)).map_err(|()| Ended::Stopped)?;
            let (range, rest) = (ByteRange::new(offset, self.at), ByteRange::new(self.at, end));
            self.shared.blocks().put(offset, piece, self.depth, || self.shared.awaited(range, rest)).await;
        }
        self.shared.advance(self.id, self.at).map_err(|()| Ended::Stopped)
    }

    fn is_complete(&self) -> bool {
        self.range.is_some_and(|range| self.at >= range.end())
    }

    fn end(&self) -> Result<(), Ended> {
        match self.range {
            Some(range) if self.at < range.end() => {
                Err(SourceError::ShortBody { range, received: self.at - range.start() }.into())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the next piece that contains bytes. An empty piece does not count as progress: a server could send empty pieces for
/// ever.
async fn next_piece(body: &mut dyn RangeBody) -> Result<Option<Bytes>, SourceError> {
    loop {
        match body.next().await? {
            Some(piece) if piece.is_empty() => yield_now().await,
            piece => return Ok(piece),
        }
    }
}

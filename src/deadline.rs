//! When to stop, whatever is going on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Lets another thread stop the work; see [`OpenOptions::cancel`](crate::OpenOptions::cancel). Clones are one token.
///
/// ```
/// use posterframe::{CancelToken, ErrorKind, Media, OpenOptions};
///
/// let token = CancelToken::default();
/// let options = OpenOptions::default().with_cancel(token.clone());
/// // In another thread, when nobody waits for the picture any more:
/// token.cancel();
/// let error = Media::open_file("tests/fixtures/h264_end.mp4", &options).expect_err("it was cancelled");
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Stops the work: it ends within one read of the source or one packet, with an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancelled,
    /// The time that was allowed is over.
    Timeout(Duration),
    /// The CPU time that was allowed is used up.
    CpuTime(Duration),
}

/// When a call has to end: so long after its beginning, at a fixed point in time, or at an earlier word from another thread.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    started: Instant,
    allowed: Duration,
    /// The end of all calls, and how long that was after the first began.
    end: Option<(Instant, Duration)>,
    cancel: Option<CancelToken>,
    /// Ends the call that is in progress, and no other.
    call: Option<CancelToken>,
}

impl Deadline {
    pub(crate) fn new(allowed: Duration, cancel: Option<CancelToken>) -> Self {
        Self { started: Instant::now(), allowed, end: None, cancel, call: None }
    }

    /// The same, but not after `end`. `allowed` is how long that was when it was set, where that is known.
    pub(crate) fn not_after(self, end: Option<Instant>, allowed: Option<Duration>) -> Self {
        let left = |end: Instant| allowed.unwrap_or_else(|| end.saturating_duration_since(self.started));
        Self { end: end.map(|end| (end, left(end))), ..self }
    }

    /// The same, of a call that this token ends.
    pub(crate) fn for_call(self, token: Option<CancelToken>) -> Self {
        Self { call: token, ..self }
    }

    /// That of the next call, which begins now.
    pub(crate) fn begin(&self) -> Self {
        Self { started: Instant::now(), ..self.clone() }
    }

    /// The reason to stop now, if there is one.
    pub(crate) fn expired(&self) -> Option<Stop> {
        if self.cancel.iter().chain(&self.call).any(CancelToken::is_cancelled) {
            return Some(Stop::Cancelled);
        }
        if self.started.elapsed() >= self.allowed {
            return Some(Stop::Timeout(self.allowed));
        }
        self.end.filter(|(end, _)| Instant::now() >= *end).map(|(_, allowed)| Stop::Timeout(allowed))
    }

    /// The time that is left.
    #[cfg(feature = "remote")]
    pub(crate) fn left(&self) -> Duration {
        let left = self.allowed.saturating_sub(self.started.elapsed());
        self.end.map_or(left, |(end, _)| left.min(end.saturating_duration_since(Instant::now())))
    }
}

//! Deadlines and cancellation: the reasons to stop a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Lets another thread cancel a call; see [`OpenOptions::cancel`](crate::OpenOptions::cancel). All clones share one state.
///
/// ```
/// use posterframe::{CancelToken, ErrorKind, Media, OpenOptions};
///
/// let token = CancelToken::default();
/// let options = OpenOptions::default().with_cancel(token.clone());
/// // In another thread, when no caller waits for the picture any more:
/// token.cancel();
/// let error = Media::open_file("tests/fixtures/h264_end.mp4", &options).expect_err("it was cancelled");
/// assert_eq!(error.kind(), ErrorKind::Cancelled);
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Cancels the calls that use this token. They end within one read of the source or one packet, with an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The reason to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Cancelled,
    /// The allowed time has passed.
    Timeout(Duration),
    /// The allowed CPU time is used up.
    CpuTime(Duration),
}

/// The end of a call: after a duration, at a fixed point in time, or when another thread cancels the call.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    started: Instant,
    allowed: Duration,
    /// The end of all calls, and its distance from the beginning of the first call.
    end: Option<(Instant, Duration)>,
    cancel: Option<CancelToken>,
    /// Cancels the current call and no other.
    call: Option<CancelToken>,
}

impl Deadline {
    pub(crate) fn new(allowed: Duration, cancel: Option<CancelToken>) -> Self {
        Self { started: Instant::now(), allowed, end: None, cancel, call: None }
    }

    /// Returns this deadline, but no later than `end`. `allowed` is the distance to `end` at the time it was set, where that
    /// is known.
    pub(crate) fn not_after(self, end: Option<Instant>, allowed: Option<Duration>) -> Self {
        let left = |end: Instant| allowed.unwrap_or_else(|| end.saturating_duration_since(self.started));
        Self { end: end.map(|end| (end, left(end))), ..self }
    }

    /// Returns this deadline for a call that `token` cancels.
    pub(crate) fn for_call(self, token: Option<CancelToken>) -> Self {
        Self { call: token, ..self }
    }

    /// Returns the deadline of the next call, which begins now.
    pub(crate) fn begin(&self) -> Self {
        Self { started: Instant::now(), ..self.clone() }
    }

    /// Returns the reason to stop now, or `None`.
    pub(crate) fn expired(&self) -> Option<Stop> {
        if self.cancel.iter().chain(&self.call).any(CancelToken::is_cancelled) {
            return Some(Stop::Cancelled);
        }
        if self.started.elapsed() >= self.allowed {
            return Some(Stop::Timeout(self.allowed));
        }
        self.end.filter(|(end, _)| Instant::now() >= *end).map(|(_, allowed)| Stop::Timeout(allowed))
    }

    /// Returns the time that remains.
    #[cfg(feature = "remote")]
    pub(crate) fn left(&self) -> Duration {
        let left = self.allowed.saturating_sub(self.started.elapsed());
        self.end.map_or(left, |(end, _)| left.min(end.saturating_duration_since(Instant::now())))
    }
}

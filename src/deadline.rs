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
}

/// A point in time, or an earlier word from another thread.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    started: Instant,
    allowed: Duration,
    cancel: Option<CancelToken>,
}

impl Deadline {
    pub(crate) fn new(allowed: Duration, cancel: Option<CancelToken>) -> Self {
        Self { started: Instant::now(), allowed, cancel }
    }

    /// The reason to stop now, if there is one.
    pub(crate) fn expired(&self) -> Option<Stop> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(Stop::Cancelled);
        }
        (self.started.elapsed() >= self.allowed).then_some(Stop::Timeout(self.allowed))
    }

    /// The time that is left.
    #[cfg(feature = "remote")]
    pub(crate) fn left(&self) -> Duration {
        self.allowed.saturating_sub(self.started.elapsed())
    }
}

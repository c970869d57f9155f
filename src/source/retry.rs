//! Number of retries, and the pauses between them.

use std::time::Duration;

use crate::backoff::Backoff;

/// S3 scales within moments, and most retries succeed at once.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(5) };
/// The longest pause that the reader grants. A server that requests a longer pause gets this one.
const LONGEST_ASKED: Duration = Duration::from_secs(20);

/// The time without any byte after which a request is aborted and sent again. S3 answers within a fraction of a second.
/// A longer wait usually means one busy host of many.
const STALL: Duration = Duration::from_secs(4);

/// Consecutive attempts without a byte, the first attempt included, before the reader reports the error.
pub(crate) const MAX_FRUITLESS_ATTEMPTS: u32 = 6;

/// Returns the pause after the `failures`-th consecutive failure, counted from 1. A pause that the server requests takes
/// precedence.
pub(crate) fn pause(failures: u32, asked: Option<Duration>) -> Duration {
    asked.map_or_else(|| BACKOFF.pause(failures), |asked| asked.min(LONGEST_ASKED))
}

/// Returns the time that an attempt may wait for an answer. Each consecutive failure doubles the time, for servers that
/// are merely slow.
pub(crate) fn stall(failures: u32) -> Duration {
    STALL.saturating_mul(1 << failures.min(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requested_pause_is_limited() {
        assert_eq!(pause(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(pause(1, Some(Duration::from_secs(3600))), LONGEST_ASKED);
        assert!(pause(1, None) <= Duration::from_millis(50));
    }
}

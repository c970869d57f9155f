//! How often, and after which pauses, a request is made again.

use std::time::Duration;

use crate::backoff::Backoff;

/// S3 scales within moments; most retries succeed at once.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(5) };
/// A server that asks to be left alone for longer is not waited for longer.
const LONGEST_ASKED: Duration = Duration::from_secs(20);

/// How long nothing may come before a request is given up and made again. S3 answers within a fraction of a second; what
/// takes longer is usually one busy host of many.
const STALL: Duration = Duration::from_secs(4);

/// Attempts in a row that bring no byte, the first included, before the error is told.
pub(crate) const MAX_FRUITLESS_ATTEMPTS: u32 = 6;

/// The pause after the `failures`-th failure in a row, counted from 1. What the server asks for comes first.
pub(crate) fn pause(failures: u32, asked: Option<Duration>) -> Duration {
    asked.map_or_else(|| BACKOFF.pause(failures), |asked| asked.min(LONGEST_ASKED))
}

/// How long an attempt may wait for an answer. Each failure in a row doubles it, for servers that are just slow.
pub(crate) fn stall(failures: u32) -> Duration {
    STALL.saturating_mul(1 << failures.min(16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_has_the_last_word_within_reason() {
        assert_eq!(pause(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(pause(1, Some(Duration::from_secs(3600))), LONGEST_ASKED);
        assert!(pause(1, None) <= Duration::from_millis(50));
    }
}

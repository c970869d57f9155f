//! How long to wait before a request is made again.

use std::time::Duration;

use crate::backoff;

/// The bound of the first pause. S3 scales within moments; most retries succeed at once.
const FIRST: Duration = Duration::from_millis(50);
/// No pause is longer, unless the server asks for it.
const LONGEST: Duration = Duration::from_secs(5);
/// A server that asks to be left alone for longer is not waited for longer.
const LONGEST_ASKED: Duration = Duration::from_secs(20);

/// Attempts in a row that bring no byte, the first included, before the error is told.
pub(super) const MAX_FRUITLESS_ATTEMPTS: u32 = 6;

/// The pause after the `failures`-th failure in a row, counted from 1. What the server asks for comes first.
pub(super) fn pause(failures: u32, asked: Option<Duration>) -> Duration {
    if let Some(asked) = asked {
        return asked.min(LONGEST_ASKED);
    }
    backoff::pause(FIRST, LONGEST, failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_has_the_last_word_within_reason() {
        assert_eq!(pause(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(pause(1, Some(Duration::from_secs(3600))), LONGEST_ASKED);
    }
}

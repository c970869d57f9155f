//! How long to wait before a request is made again (exponential backoff with full jitter, as the AWS Builders' Library
//! describes it: a random time up to a bound that doubles).

use std::time::Duration;

use crate::backoff::random_fraction;

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
    bound(failures).mul_f64(random_fraction())
}

fn bound(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_longest() {
        let bounds = [1, 2, 3, 8, 100].map(|failures| bound(failures).as_millis());
        assert_eq!(bounds, [50, 100, 200, 5000, 5000]);
    }

    #[test]
    fn pauses_lie_below_their_bound_and_differ() {
        let pauses: Vec<_> = (0..50).map(|_| pause(3, None)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(200)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn the_server_has_the_last_word_within_reason() {
        assert_eq!(pause(1, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(pause(1, Some(Duration::from_secs(3600))), LONGEST_ASKED);
    }
}

//! Computes the pause before a retry. The pause is the one that the server requests (RFC 9110, section 10.2.3), or else
//! exponential backoff with full jitter, as described in the AWS Builders' Library: a random time up to a bound that
//! doubles after every failure.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;
#[cfg(any(feature = "http", feature = "s3", feature = "mysql"))]
use std::time::SystemTime;

/// The bounds of pauses between retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The bound of the first pause.
    pub(crate) first: Duration,
    /// The largest bound.
    pub(crate) longest: Duration,
}

impl Backoff {
    /// Returns a random pause after the `failures`-th failure in a row, counted from 1.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        self.bound(failures).mul_f64(random_fraction())
    }

    fn bound(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest)
    }
}

/// Returns a random number from 0 to 1. The seeds of the standard library's hash maps are random enough to spread
/// clients.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let fraction = bits as f64 / (1_u64 << 53) as f64;
    fraction
}

/// Parses `Retry-After`: seconds, or a date. A date in the past means no pause.
#[cfg(any(feature = "http", feature = "s3", feature = "mysql"))]
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(5) };

    #[test]
    fn bounds_double_up_to_the_longest() {
        let bounds = [1, 2, 3, 8, 100].map(|failures| BACKOFF.bound(failures).as_millis());
        assert_eq!(bounds, [50, 100, 200, 5000, 5000]);
    }

    #[test]
    fn pauses_lie_below_their_bound_and_differ() {
        let pauses: Vec<_> = (0..50).map(|_| BACKOFF.pause(3)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(200)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[cfg(any(feature = "http", feature = "s3", feature = "mysql"))]
    #[test]
    fn servers_ask_for_seconds_or_dates() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let pause = retry_after(&date);
        assert!(pause.is_some_and(|pause| (90..=100).contains(&pause.as_secs())), "{pause:?}");
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        for wrong in ["", "-1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(retry_after(wrong), None, "{wrong}");
        }
    }
}

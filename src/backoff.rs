//! How long to wait before something is tried again: exponential backoff with full jitter, as the AWS Builders' Library
//! describes it (a random time up to a bound that doubles), unless the server says how long.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;
#[cfg(any(feature = "http", feature = "s3", feature = "mysql"))]
use std::time::SystemTime;

/// The pause after the `failures`-th failure in a row, counted from 1.
pub(crate) fn pause(first: Duration, longest: Duration, failures: u32) -> Duration {
    bound(first, longest, failures).mul_f64(random_fraction())
}

fn bound(first: Duration, longest: Duration, failures: u32) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest)
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). A date that has passed asks for no pause.
#[cfg(any(feature = "http", feature = "s3", feature = "mysql"))]
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// From 0 to 1. The seeds of the standard library's hash maps are random enough to keep clients apart.
fn random_fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let fraction = bits as f64 / (1_u64 << 53) as f64;
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    #[test]
    fn bounds_double_up_to_the_longest() {
        let bounds = [1, 2, 3, 8, 100].map(|failures| bound(FIRST, LONGEST, failures).as_millis());
        assert_eq!(bounds, [50, 100, 200, 5000, 5000]);
    }

    #[test]
    fn pauses_lie_below_their_bound_and_differ() {
        let pauses: Vec<_> = (0..50).map(|_| pause(FIRST, LONGEST, 3)).collect();
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(200)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    #[cfg(any(feature = "http", feature = "s3", feature = "mysql"))]
    fn pauses_are_seconds_or_dates() {
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

//! Limits the time of an invocation so that time remains for the response.

use std::time::{Duration, SystemTime};

/// Minimum time for the response and the last log lines.
const MARGIN: Duration = Duration::from_millis(500);
/// For long invocations, the margin is this fraction of the available time.
const MARGIN_DIVISOR: u32 = 20;
/// Interval for checking the clock. A sleep counts only the time in which the process runs; while Lambda has frozen the
/// process, only the wall clock advances.
const LOOK_UP: Duration = Duration::from_millis(100);

/// The end of an invocation's work, in wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeLimit {
    until: SystemTime,
}

impl TimeLimit {
    /// Returns the limit of an invocation that Lambda ends at `deadline`: earlier by the larger of 500 ms and 5 % of
    /// the remaining time.
    pub(super) fn of_invocation(deadline: SystemTime) -> Self {
        Self::at(deadline, SystemTime::now())
    }

    fn at(deadline: SystemTime, now: SystemTime) -> Self {
        let whole = deadline.duration_since(now).unwrap_or_default();
        let margin = MARGIN.max(whole / MARGIN_DIVISOR);
        Self { until: deadline.checked_sub(margin).unwrap_or(deadline) }
    }

    /// Returns the remaining time.
    pub(super) fn left(&self) -> Duration {
        self.until.duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// Waits until the limit has passed.
    pub(super) async fn passed(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_UP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_half_a_second_or_a_twentieth() {
        let now = SystemTime::now();
        let until = |seconds| TimeLimit::at(now + Duration::from_secs(seconds), now).until;
        assert_eq!(until(3), now + Duration::from_millis(2500));
        assert_eq!(until(10), now + Duration::from_millis(9500));
        assert_eq!(until(600), now + Duration::from_secs(570));
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_nothing() {
        let passed = TimeLimit::of_invocation(SystemTime::now() - Duration::from_secs(5));
        assert_eq!(passed.left(), Duration::ZERO);
    }
}

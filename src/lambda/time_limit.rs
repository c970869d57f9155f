//! How long an invocation may work, so that it can still answer.

use std::time::{Duration, SystemTime};

/// Time to answer in, at least: the reply, the last log lines.
const MARGIN: Duration = Duration::from_millis(500);
/// Of an invocation that may take long, this part of its time.
const MARGIN_DIVISOR: u32 = 20;
/// How often the clock is looked at. A sleep counts the time in which the process runs; while Lambda has frozen it, only the
/// clock on the wall goes on.
const LOOK_UP: Duration = Duration::from_millis(100);

/// When the work of an invocation ends, by the clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeLimit {
    until: SystemTime,
}

impl TimeLimit {
    /// The limit of an invocation that Lambda ends at `deadline`: earlier by the larger of 500 ms and 5 % of the time there is.
    pub(super) fn of_invocation(deadline: SystemTime) -> Self {
        Self::at(deadline, SystemTime::now())
    }

    fn at(deadline: SystemTime, now: SystemTime) -> Self {
        let whole = deadline.duration_since(now).unwrap_or_default();
        let margin = MARGIN.max(whole / MARGIN_DIVISOR);
        Self { until: deadline.checked_sub(margin).unwrap_or(deadline) }
    }

    /// The time that is left.
    pub(super) fn left(&self) -> Duration {
        self.until.duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// Waits until it is over.
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

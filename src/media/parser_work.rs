//! The work of the crate's own parsers, limited in amount and by the deadline.

#![deny(clippy::arithmetic_side_effects)]

use std::cell::Cell;

use crate::deadline::{Deadline, Stop};
use crate::limits::Limit;

/// Bytes of work between two checks of the clock: less than a tenth of a millisecond in an optimised build, and some
/// milliseconds in another.
const BETWEEN_LOOKS: u64 = 1 << 16;

/// The reason why a parser must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMoreWork {
    Stopped(Stop),
    Limit { limit: Limit, allowed: u64 },
}

/// The work that remains for one call. Parsers count the bytes that they visit. A step that costs more than a byte counts as
/// several bytes.
#[derive(Debug)]
pub(crate) struct ParserWork {
    allowed: u64,
    spent: Cell<u64>,
    /// The amount of work at which the clock is checked next.
    next_look: Cell<u64>,
    /// `None` where no caller waits, as in tests.
    deadline: Option<Deadline>,
}

impl Default for ParserWork {
    fn default() -> Self {
        Self { allowed: u64::MAX, spent: Cell::new(0), next_look: Cell::new(0), deadline: None }
    }
}

impl ParserWork {
    /// Begins again, with this many bytes until this time.
    pub(crate) fn begin(&mut self, allowed: u64, deadline: Deadline) {
        *self = Self { allowed, deadline: Some(deadline), ..Self::default() };
    }

    /// Returns the work since the beginning.
    #[cfg(test)]
    pub(crate) const fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Begins again, until the same time.
    pub(crate) fn restart(&self) {
        self.spent.set(0);
        self.next_look.set(0);
    }

    /// Counts work.
    ///
    /// # Errors
    /// [`NoMoreWork`] when the work exceeds its limit, or the deadline has passed.
    pub(crate) fn spend(&self, bytes: u64) -> Result<(), NoMoreWork> {
        let spent = self.spent.get().saturating_add(bytes);
        self.spent.set(spent);
        if spent > self.allowed {
            return Err(NoMoreWork::Limit { limit: Limit::MaxParsedBytes, allowed: self.allowed });
        }
        if spent < self.next_look.get() {
            return Ok(());
        }
        self.next_look.set(spent.saturating_add(BETWEEN_LOOKS));
        self.deadline
            .as_ref()
            .and_then(Deadline::expired)
            .map_or(Ok(()), |stop| Err(NoMoreWork::Stopped(stop)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn work_is_limited() {
        let mut work = ParserWork::default();
        work.begin(100, Deadline::new(Duration::from_secs(60), None));
        assert_eq!((work.spend(60), work.spend(40)), (Ok(()), Ok(())));
        let limit = NoMoreWork::Limit { limit: Limit::MaxParsedBytes, allowed: 100 };
        assert_eq!((work.spend(1), work.spend(0)), (Err(limit), Err(limit)));
        work.restart();
        assert_eq!(work.spend(100), Ok(()));
        assert_eq!(ParserWork::default().spend(u64::MAX), Ok(()));
    }

    #[test]
    fn work_ends_at_the_deadline() {
        let mut work = ParserWork::default();
        work.begin(u64::MAX, Deadline::new(Duration::ZERO, None));
        assert_eq!(work.spend(0), Err(NoMoreWork::Stopped(Stop::Timeout(Duration::ZERO))));
        // The clock is not checked for each byte.
        assert_eq!(work.spend(1), Ok(()));
        assert!(work.spend(BETWEEN_LOOKS).is_err());
    }
}

//! Whether the API is worth a request: after a content for which it was down all the time, those that follow fail at once for a while, and
//! then one tries whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is known of the API.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answered: Option<Instant>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    reason: String,
}

/// How much of its patience a content may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// All of it.
    Whole,
    /// One attempt.
    Trial,
}

/// Why no request is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spared {
    /// The last failure.
    pub(super) reason: String,
    /// How long it stays so.
    pub(super) left: Duration,
}

impl Circuit {
    /// Whether a content may be sent now. A trial takes the turn of all others for `trial`, so that one that is given up blocks nobody
    /// for longer.
    pub(super) fn enter(&self, now: Instant, trial: Duration) -> Result<Pass, Spared> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut state.open {
            None => Ok(Pass::Whole),
            Some(open) if now < open.until => Err(open.spared(now)),
            Some(open) => {
                open.until = now + trial;
                Ok(Pass::Trial)
            }
        }
    }

    /// Whether somebody else has found the API down meanwhile.
    pub(super) fn check(&self, now: Instant) -> Result<(), Spared> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.as_ref().filter(|open| now < open.until).map_or(Ok(()), |open| Err(open.spared(now)))
    }

    /// The API has answered, whatever it said.
    pub(super) fn answered(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { answered: Some(now), open: None };
    }

    /// The API was down for a content since `began`, and is left alone for `rest`; unless it has answered others since then.
    pub(super) fn down(&self, began: Instant, now: Instant, rest: Duration, reason: String) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !rest.is_zero() && state.answered.is_none_or(|answered| answered < began) {
            state.open = Some(Open { until: now + rest, reason });
        }
    }
}

impl Open {
    fn spared(&self, now: Instant) -> Spared {
        Spared { reason: self.reason.clone(), left: self.until.saturating_duration_since(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(15);
    const TRIAL: Duration = Duration::from_secs(10);

    #[test]
    fn opens_lets_one_try_and_closes() {
        let (circuit, began) = (Circuit::default(), Instant::now());
        assert_eq!(circuit.enter(began, TRIAL), Ok(Pass::Whole));
        let now = began + Duration::from_secs(60);
        circuit.down(began, now, REST, "down".to_owned());
        let spared = circuit.enter(now + Duration::from_secs(5), TRIAL);
        assert_eq!(spared, Err(Spared { reason: "down".to_owned(), left: Duration::from_secs(10) }));
        assert!(circuit.check(now).is_err());
        // One tries; one that was given up leaves its turn to another.
        let later = now + REST;
        assert_eq!(circuit.enter(later, TRIAL), Ok(Pass::Trial));
        assert!(circuit.enter(later, TRIAL).is_err());
        assert_eq!(circuit.enter(later + TRIAL, TRIAL), Ok(Pass::Trial));
        circuit.answered(later + TRIAL);
        assert_eq!(circuit.enter(later + TRIAL, TRIAL), Ok(Pass::Whole));
        // It was down for one content, and has answered another meanwhile.
        circuit.down(began, later + REST, REST, "one content".to_owned());
        assert_eq!(circuit.enter(later + REST, TRIAL), Ok(Pass::Whole));
    }
}

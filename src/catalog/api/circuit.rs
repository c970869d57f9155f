//! A circuit breaker for the API. After the API was down for all attempts of one content, the following contents fail
//! immediately for a while. Then one content makes a trial request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The state of the circuit breaker.
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

/// How many attempts a content may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// All attempts.
    Whole,
    /// One trial attempt.
    Trial,
}

/// The reason for not sending a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spared {
    /// The last failure.
    pub(super) reason: String,
    /// How much longer contents fail immediately.
    pub(super) left: Duration,
}

impl Circuit {
    /// Returns how many attempts a content may make now. A trial blocks all other contents for `trial`, so that an
    /// abandoned trial blocks them no longer than that.
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

    /// Returns an error if another content has found the API down in the meantime.
    pub(super) fn check(&self, now: Instant) -> Result<(), Spared> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open.as_ref().filter(|open| now < open.until).map_or(Ok(()), |open| Err(open.spared(now)))
    }

    /// Records that the API has responded, with any status.
    pub(super) fn answered(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { answered: Some(now), open: None };
    }

    /// Records that the API was down for a content since `began`. Contents fail immediately for `rest`, unless the API
    /// has responded to another content since `began`.
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
    fn the_circuit_opens_allows_one_trial_and_closes() {
        let (circuit, began) = (Circuit::default(), Instant::now());
        assert_eq!(circuit.enter(began, TRIAL), Ok(Pass::Whole));
        let now = began + Duration::from_secs(60);
        circuit.down(began, now, REST, "down".to_owned());
        let spared = circuit.enter(now + Duration::from_secs(5), TRIAL);
        assert_eq!(spared, Err(Spared { reason: "down".to_owned(), left: Duration::from_secs(10) }));
        assert!(circuit.check(now).is_err());
        // One content makes a trial; an abandoned trial passes its turn to another content.
        let later = now + REST;
        assert_eq!(circuit.enter(later, TRIAL), Ok(Pass::Trial));
        assert!(circuit.enter(later, TRIAL).is_err());
        assert_eq!(circuit.enter(later + TRIAL, TRIAL), Ok(Pass::Trial));
        circuit.answered(later + TRIAL);
        assert_eq!(circuit.enter(later + TRIAL, TRIAL), Ok(Pass::Whole));
        // The API was down for one content and responded to another in the meantime.
        circuit.down(began, later + REST, REST, "one content".to_owned());
        assert_eq!(circuit.enter(later + REST, TRIAL), Ok(Pass::Whole));
    }
}

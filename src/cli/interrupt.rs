//! The interrupt (Ctrl-C, SIGTERM), the time limit, and other events that end a command early.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::output::{self, Json, exit_code};
use crate::job_error::JobError;
use crate::{CancelToken, Error, ErrorKind};

/// Time that work has to finish cleanly after an interrupt.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Interval at which a wait checks for an interrupt.
pub(super) const LOOK_UP: Duration = Duration::from_millis(50);

/// Longest time that the watchdog waits. Larger limits overflow the clock.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Time that `probe` and `grab` have to answer after the time limit or an interrupt. Afterwards the watchdog answers.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answerer {
    Command,
    Watchdog,
}

/// The input that a command is processing, and which side has claimed the answer for this input.
#[derive(Debug)]
struct Turn {
    answerer: Option<Answerer>,
    began: Instant,
    /// Name of the input, if it is not the first input.
    subject: Option<String>,
}

/// Decides who answers the caller: the command or its watchdog. The first claim wins. A command that reads several inputs answers
/// once for each input.
#[derive(Debug, Clone)]
pub(super) struct Answer(Arc<Mutex<Turn>>);

impl Default for Answer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Turn { answerer: None, began: Instant::now(), subject: None })))
    }
}

impl Answer {
    /// Claims the answer for the command. The command calls this before it writes anything. This call does not return if the watchdog
    /// answers, because the watchdog ends the process.
    pub(super) fn claim(&self) {
        while !self.is_claimed_by(Answerer::Command) {
            thread::park();
        }
    }

    /// Begins the next input. The time limit counts from now, and the answer is unclaimed again.
    pub(super) fn begin_next(&self, subject: String) {
        self.claim();
        *self.turn() = Turn { answerer: None, began: Instant::now(), subject: Some(subject) };
    }

    fn is_claimed_by(&self, answerer: Answerer) -> bool {
        *self.turn().answerer.get_or_insert(answerer) == answerer
    }

    fn began(&self) -> Instant {
        self.turn().began
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers for a command that reads inputs when a call inside the command returns too late. One large picture can keep a decoder
/// or an encoder busy for seconds, and neither can be interrupted.
pub(super) struct Watchdog {
    pub(super) answer: Answer,
    /// Time limit of each input, from `--timeout`.
    pub(super) limit: Duration,
    /// Name of the first input.
    pub(super) subject: String,
    /// JSON form in which errors are printed.
    pub(super) json: Json,
}

impl Watchdog {
    /// Waits for the time limit or an interrupt, then briefly for the command's answer. Ends the process if the command does not answer.
    pub(super) async fn watch(self, cancel: CancelToken) {
        // One listener for all inputs: a signal between two inputs would be lost.
        let mut stopped = pin!(stop_signal());
        let mut has_signals = true;
        loop {
            let began = self.answer.began();
            let late = began + self.limit.min(FOREVER) + PATIENCE;
            if has_signals {
                match timeout_at(late, &mut stopped).await {
                    Ok(Ok(())) => {
                        cancel.cancel();
                        sleep(PATIENCE).await;
                        self.end(Error::Cancelled);
                        return end_soon().await;
                    }
                    // If signals cannot be received, only the time limit applies.
                    Ok(Err(_)) => has_signals = false,
                    Err(_) => {}
                }
            }
            sleep_until(late).await;
            if self.answer.began() == began {
                self.end(Error::Timeout { allowed: self.limit });
                // The command is about to print, or to begin the next input.
                sleep(LOOK_UP).await;
            }
        }
    }

    /// Prints the error and ends the process, unless the command has claimed the answer.
    fn end(&self, error: Error) {
        if self.answer.is_claimed_by(Answerer::Watchdog) {
            let subject = self.answer.turn().subject.clone().unwrap_or_else(|| self.subject.clone());
            let error = JobError::from(error).with_subject(subject);
            output::error(&error, self.json);
            std::process::exit(exit_code(error.kind()).into());
        }
    }
}

/// Cancels the work at the first interrupt. Ends the process after [`GRACE`], or at the second interrupt.
pub(super) async fn interrupt(cancel: CancelToken) {
    if stop_signal().await.is_ok() {
        cancel.cancel();
        end_soon().await;
    }
}

/// Waits for Ctrl-C, or for the signal with which `kill`, systemd, Docker and Kubernetes end a program (SIGTERM).
async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Ends the process after [`GRACE`], or at another interrupt.
async fn end_soon() {
    let _ = timeout(GRACE, stop_signal()).await;
    std::process::exit(exit_code(ErrorKind::Cancelled).into());
}

/// Limits the time of the work on one video. Decoding has its own limit; this limit also covers the store and the catalogue.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    let late = |_| JobError::new(ErrorKind::Timeout, format!("not done within {limit:?} (--timeout)"));
    timeout(limit, work).await.map_err(late)?
}

/// Waits for the first interrupt.
pub(super) async fn interrupted(cancel: &CancelToken) -> JobError {
    while !cancel.is_cancelled() {
        sleep(LOOK_UP).await;
    }
    JobError::new(ErrorKind::Cancelled, "interrupted")
}

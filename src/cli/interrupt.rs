//! The interrupt (Ctrl-C, SIGTERM), the time limit, and other ends that work may come to before it is done.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::output::{self, Json, exit_code};
use crate::job_error::JobError;
use crate::{CancelToken, Error, ErrorKind};

/// How long the work may take to end in order once it was interrupted.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How often a wait looks whether it was.
pub(super) const LOOK_UP: Duration = Duration::from_millis(50);

/// The longest time that the watchdog waits. Larger limits overflow the clock.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How long `probe` and `grab` have to answer when their time is over or they were interrupted. Then the watchdog answers.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answerer {
    Command,
    Watchdog,
}

/// The input that a command processes now, and who answers for it.
#[derive(Debug)]
struct Turn {
    answerer: Option<Answerer>,
    began: Instant,
    /// The name of the input, where it is not the first.
    subject: Option<String>,
}

/// Decides who answers the caller: the command or its watchdog. The first claim wins. A command that reads several inputs answers
/// for each.
#[derive(Debug, Clone)]
pub(super) struct Answer(Arc<Mutex<Turn>>);

impl Default for Answer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Turn { answerer: None, began: Instant::now(), subject: None })))
    }
}

impl Answer {
    /// Claims the answer for the command, before the command writes anything. Does not return if the watchdog answers: the watchdog
    /// ends the process.
    pub(super) fn claim(&self) {
        while !self.is_claimed_by(Answerer::Command) {
            thread::park();
        }
    }

    /// Begins with another input: the time limit counts from now, and the answer is open again.
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

/// Answers for a command that reads inputs, when a call of the command returns too late. One large picture can keep a decoder
/// or an encoder busy for seconds, and nothing interrupts the two.
pub(super) struct Watchdog {
    pub(super) answer: Answer,
    /// What `--timeout` allows for each input.
    pub(super) limit: Duration,
    /// The name of the first input.
    pub(super) subject: String,
    /// The form of an error for programs.
    pub(super) json: Json,
}

impl Watchdog {
    /// Waits for the time limit and for an interrupt, then for the command's own answer. Ends the process if none comes.
    pub(super) async fn watch(self, cancel: CancelToken) {
        // One for all turns: a signal between two of them would be lost.
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
                    // Without signals, time alone counts.
                    Ok(Err(_)) => has_signals = false,
                    Err(_) => {}
                }
            }
            sleep_until(late).await;
            if self.answer.began() == began {
                self.end(Error::Timeout { allowed: self.limit });
                // The command is about to print, or to begin with another input.
                sleep(LOOK_UP).await;
            }
        }
    }

    /// Prints the error and ends the process, unless the command answers.
    fn end(&self, error: Error) {
        if self.answer.is_claimed_by(Answerer::Watchdog) {
            let subject = self.answer.turn().subject.clone().unwrap_or_else(|| self.subject.clone());
            let error = JobError::from(error).about(subject);
            output::error(&error, self.json);
            std::process::exit(exit_code(error.kind()).into());
        }
    }
}

/// Cancels the work at the first interrupt. If it does not end soon after, or at the second interrupt, the process does.
pub(super) async fn interrupt(cancel: CancelToken) {
    if stop_signal().await.is_ok() {
        cancel.cancel();
        end_soon().await;
    }
}

/// Waits for Ctrl-C, or for what `kill`, systemd, docker and Kubernetes send to end a program.
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

/// Work on one video, for no longer than this. Decoding has a limit of its own; this one holds for store and catalogue as well.
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

//! Progress of commands that take longer than two seconds: a line on a terminal, or a message every ten seconds elsewhere.
//!
//! At most one line is visible at a time. `output` removes the line before it prints anything.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{logging, printable};

/// Time after which a command shows progress.
const PATIENCE: Duration = Duration::from_secs(2);
/// Interval between two messages when there is no terminal.
const MESSAGES: Duration = Duration::from_secs(10);
/// Interval between two redraws of the line.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// Progress line of the running command.
static LINE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Whether notes and progress are suppressed (`--quiet`).
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Suppresses notes and progress from now on.
pub(super) fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Returns whether notes and progress are suppressed.
pub(super) fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Returns whether progress is shown as a line: on a terminal, unless log messages would break the line.
pub(super) fn has_line() -> bool {
    std::io::stderr().is_terminal() && !is_quiet() && !logging::is_chosen()
}

/// Replaces the text of the line with `what`. The line appears after two seconds.
pub(super) fn begin(what: &str) {
    clear();
    if !has_line() {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    // The template is valid. If parsing failed, the default style would be used.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(printable::line(what).into_owned());
    *line() = Some(bar.clone());
    thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "nothing waits for this thread")]
        thread::sleep(PATIENCE);
        // The lock is held here: `clear` either waits for the lock, or has already finished the bar.
        let line = line();
        if line.is_some() && !bar.is_finished() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(TICK);
        }
        drop(line);
    });
}

/// Removes the line, if there is one.
pub(super) fn clear() {
    if let Some(bar) = line().take() {
        bar.finish_and_clear();
    }
}

fn line() -> MutexGuard<'static, Option<ProgressBar>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Timer for progress messages when there is no line.
#[derive(Debug)]
pub(super) struct Messages {
    started: Instant,
    told: AtomicU64,
}

impl Messages {
    /// Starts the timer, and shows `what` in the line.
    pub(super) fn start(what: &str) -> Self {
        begin(what);
        Self::new()
    }

    /// Starts the timer.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), told: AtomicU64::new(0) }
    }

    /// Returns the time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns whether ten seconds have passed since the last message.
    pub(super) fn is_due(&self) -> bool {
        let turn = self.elapsed().as_secs() / MESSAGES.as_secs();
        turn > self.told.swap(turn, Ordering::Relaxed)
    }

    /// Shows `what` in the line. Without a line, returns `what` as a message to print whenever a message is due.
    pub(super) fn show(&self, what: impl FnOnce() -> String) -> Option<String> {
        if let Some(bar) = line().as_ref() {
            bar.set_message(printable::line(&what()).into_owned());
            return None;
        }
        (!has_line() && self.is_due()).then(what)
    }
}

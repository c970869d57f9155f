//! Progress of commands that take longer than two seconds: a line on a terminal, a message every ten seconds elsewhere.
//!
//! One command shows at most one line. Whatever `output` prints removes the line first.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{logging, printable};

/// The time after which a command shows that it works.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two messages where there is no terminal.
const MESSAGES: Duration = Duration::from_secs(10);
/// The time between two frames of the line.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// The line of the running command.
static LINE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Whether notes and progress are left out (`--quiet`).
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves notes and progress out from now on.
pub(super) fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Whether notes and progress are left out.
pub(super) fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Whether progress is shown as a line: on a terminal, unless log messages would tear it.
pub(super) fn has_line() -> bool {
    std::io::stderr().is_terminal() && !is_quiet() && !logging::is_chosen()
}

/// Begins with `what`, in the place of what the line showed before. The line appears after two seconds.
pub(super) fn begin(what: &str) {
    clear();
    if !has_line() {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    // The template is right, or else the default is shown.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.set_message(printable::line(what).into_owned());
    *line() = Some(bar.clone());
    thread::spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "nothing waits for this thread")]
        thread::sleep(PATIENCE);
        // Under the lock: what clears the line waits, or has finished the bar before.
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

/// Says when a message about progress is due, where there is no line.
#[derive(Debug)]
pub(super) struct Messages {
    started: Instant,
    told: AtomicU64,
}

impl Messages {
    /// Begins now, and shows `what` in the line.
    pub(super) fn start(what: &str) -> Self {
        begin(what);
        Self::new()
    }

    /// Begins now.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), told: AtomicU64::new(0) }
    }

    /// The time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether ten seconds have passed since the last message.
    pub(super) fn is_due(&self) -> bool {
        let turn = self.elapsed().as_secs() / MESSAGES.as_secs();
        turn > self.told.swap(turn, Ordering::Relaxed)
    }

    /// Shows `what` in the line. Without a line, returns `what` as the message to print when one is due.
    pub(super) fn show(&self, what: impl FnOnce() -> String) -> Option<String> {
        if let Some(bar) = line().as_ref() {
            bar.set_message(printable::line(&what()).into_owned());
            return None;
        }
        (!has_line() && self.is_due()).then(what)
    }
}

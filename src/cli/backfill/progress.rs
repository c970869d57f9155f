//! How far it is: a bar on a terminal, else a line every few seconds.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::output;
use super::journal::Entry;
use super::outcome::Outcome;

/// Between two lines where there is no terminal.
const LINES: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// What the listing has found so far.
    total: Arc<AtomicU64>,
    done: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    started: Instant,
    told: AtomicU64,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let template = "{bar:30} {pos}/{len} {msg} {per_sec} {elapsed} (left {eta})";
            // The template is right, or else the default is shown.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Self {
            bar,
            total: Arc::default(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            started: Instant::now(),
            told: AtomicU64::new(0),
        }
    }

    pub(super) fn total(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.total)
    }

    pub(super) fn done(&self, entry: &Entry) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(entry.bytes_fetched, Ordering::Relaxed) + entry.bytes_fetched;
        if matches!(entry.result, Outcome::Failed { .. }) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        let (total, failed) = (self.total.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        let elapsed = self.started.elapsed();
        let told = format!("{failed} failed, {} read", output::bytes(bytes));
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(told);
            return;
        }
        let lines = elapsed.as_secs() / LINES.as_secs();
        if lines > self.told.swap(lines, Ordering::Relaxed) {
            let rate = done as f64 / elapsed.as_secs_f64();
            output::note(&format!("{done} of {total} so far, {told}, {rate:.1}/s"));
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

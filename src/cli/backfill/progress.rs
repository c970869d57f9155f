//! The progress of a back-fill: a bar on a terminal, or a message every ten seconds elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::output;
use super::super::progress::{Messages, TICK, has_line};
use super::journal::Entry;
use super::outcome::Outcome;

#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// Number of videos that the listing has found so far.
    total: Arc<AtomicU64>,
    done: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    messages: Messages,
}

impl Progress {
    pub(super) fn start() -> Self {
        let bar = has_line().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let template = "{bar:30} {pos}/{len} {msg} {per_sec} {elapsed} (left {eta})";
            // The template is valid. If parsing failed, the default style would be used.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            total: Arc::default(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            messages: Messages::new(),
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
        let told = format!("{failed} failed, {} read", output::bytes(bytes));
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(told);
            return;
        }
        if self.messages.is_due() {
            let rate = done as f64 / self.messages.elapsed().as_secs_f64();
            output::note(&format!("{done} of {total} so far, {told}, {rate:.1}/s"));
        }
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

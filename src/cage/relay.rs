//! libav's log lines, on their way from the child to the subscriber of the keeper's process.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

/// Maximum number of bytes of a line, and of the name of a component. libav's own lines end at 1024.
const MAX_TEXT: usize = 4096;

/// The levels of log lines that the keeper wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub(super) enum Wanted {
    Nothing = 0,
    Errors = 1,
    Warnings = 2,
}

impl Wanted {
    /// Returns the levels that the subscriber of this process accepts.
    pub(super) fn here() -> Self {
        if tracing::enabled!(target: "libav", Level::INFO) {
            Self::Warnings
        } else if tracing::enabled!(target: "libav", Level::WARN) {
            Self::Errors
        } else {
            Self::Nothing
        }
    }
}

/// A log line.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct LogLine {
    is_error: bool,
    part: String,
    text: String,
}

impl LogLine {
    /// Emits the line as an event of this process, if the line is valid.
    pub(super) fn tell(self) -> Option<()> {
        let Self { is_error, part, text } = self;
        let is_line = |text: &str| text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
        if !is_line(&part) || !is_line(&text) {
            return None;
        }
        match is_error {
            true => tracing::warn!(target: "libav", part, "{text}"),
            false => tracing::info!(target: "libav", part, "{text}"),
        }
        Some(())
    }
}

impl Visit for LogLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "part" => value.clone_into(&mut self.part),
            "message" => value.clone_into(&mut self.text),
            _ => {}
        }
    }
}

/// Forwards the events of libav.
pub(super) struct Relay<S> {
    send: S,
}

/// The levels that the keeper wants for the open file.
static WANTED: AtomicU8 = AtomicU8::new(Wanted::Nothing as u8);

impl<S: Fn(&LogLine) + Send + Sync + 'static> Relay<S> {
    /// Subscribes to the events of this process.
    pub(super) fn start(send: S) {
        // Nothing else in a child sets a subscriber.
        let _ = tracing::subscriber::set_global_default(Self { send });
    }
}

/// Sets the levels of the lines to forward.
pub(super) fn want(wanted: Wanted) {
    WANTED.store(wanted as u8, Ordering::Relaxed);
}

impl<S: Fn(&LogLine) + Send + Sync + 'static> Subscriber for Relay<S> {
    /// The wanted levels change from file to file.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let wanted = WANTED.load(Ordering::Relaxed);
        let least = match *metadata.level() {
            Level::ERROR | Level::WARN => Wanted::Errors,
            Level::INFO => Wanted::Warnings,
            _ => return false,
        };
        metadata.target() == "libav" && wanted >= least as u8
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = LogLine { is_error: *event.metadata().level() <= Level::WARN, ..LogLine::default() };
        event.record(&mut line);
        (self.send)(&line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// libav's lines are forwarded as far as the keeper wants them, and no other events are forwarded.
    #[test]
    fn only_wanted_lines_are_forwarded() {
        let sent: Arc<Mutex<Vec<(bool, String, String)>>> = Arc::default();
        let kept = Arc::clone(&sent);
        let send = move |line: &LogLine| {
            kept.lock().unwrap().push((line.is_error, line.part.clone(), line.text.clone()));
        };
        let (error, warning) =
            ((true, "h264".to_owned(), "bad".to_owned()), (false, "mov".to_owned(), "odd".to_owned()));
        tracing::subscriber::with_default(Relay { send }, || {
            for (wanted, expected) in [
                (Wanted::Nothing, vec![]),
                (Wanted::Errors, vec![error.clone()]),
                (Wanted::Warnings, vec![error.clone(), warning.clone()]),
            ] {
                want(wanted);
                let number = 1;
                tracing::warn!(target: "libav", part = "h264", number, "bad");
                tracing::info!(target: "libav", part = "mov", "odd");
                tracing::debug!(target: "libav", part = "mov", "even");
                tracing::warn!(target: "other", part = "mov", "odd");
                assert_eq!(std::mem::take(&mut *sent.lock().unwrap()), expected, "{wanted:?}");
            }
        });
    }

    fn line(part: &str, text: &str) -> LogLine {
        LogLine { is_error: false, part: part.to_owned(), text: text.to_owned() }
    }

    /// The keeper rejects a log line that contains line breaks, or that is longer than libav's own lines can
    /// be.
    #[test]
    fn invalid_log_lines_are_rejected() {
        let longest = "x".repeat(4096);
        assert!(line("h264", "a reference is missing").tell().is_some());
        assert!(line(&longest, &longest).tell().is_some());
        for strange in ["two\nlines", "\u{1b}[31m", &"x".repeat(4097)] {
            assert!(line("h264", strange).tell().is_none(), "{strange:?}");
            assert!(line(strange, "text").tell().is_none(), "{strange:?}");
        }
    }
}

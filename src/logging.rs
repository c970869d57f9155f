//! Log output as bare lines or JSON: on standard error, or for Lambda on standard output.
//!
//! In JSON, values are fields beside the message. The values that a whole invocation shares are in `span`.

use std::io::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::ErrorKind;
use crate::config::{ConfigError, Language, LogFormat, LogSettings};
use crate::job_error::JobError;
use crate::printable;

/// Filter of the log messages, unless `RUST_LOG` is set.
pub(crate) const FILTER: &str = "error,posterframe=info";

/// Filter of English messages, which people read at a terminal. Results are printed anyway, so only warnings and errors are logged.
#[cfg(feature = "cli")]
const ENGLISH_FILTER: &str = "error,posterframe=warn";

/// Filter that the options of a command select. It takes precedence over `RUST_LOG`.
#[cfg(feature = "cli")]
static CHOSEN: std::sync::OnceLock<&str> = std::sync::OnceLock::new();

/// Selects the log messages of the whole process; call this before [`start`]. `--quiet` selects errors only. The first `-v` adds the
/// job's steps and FFmpeg's errors, the second adds details and FFmpeg's warnings, and the third adds everything.
#[cfg(feature = "cli")]
pub(crate) fn choose(quiet: bool, verbose: u8) {
    let filter = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => return,
        (false, 1) => "warn,posterframe=info",
        (false, 2) => "info,posterframe=debug",
        (false, _) => "debug,posterframe=trace",
    };
    let _ = CHOSEN.set(filter);
}

/// Returns whether an option selects the log messages.
#[cfg(feature = "cli")]
pub(crate) fn is_chosen() -> bool {
    CHOSEN.get().is_some()
}

/// Returns the filter for these settings.
fn filter(settings: &LogSettings) -> &str {
    #[cfg(feature = "cli")]
    if let Some(chosen) = CHOSEN.get() {
        return chosen;
    }
    let default = match settings.language {
        Language::Korean => FILTER,
        #[cfg(feature = "cli")]
        Language::English => ENGLISH_FILTER,
        #[cfg(not(feature = "cli"))]
        Language::English => FILTER,
    };
    settings.filter.as_deref().unwrap_or(default)
}

/// The stream to which lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    #[cfg(feature = "lambda")]
    Output,
    #[cfg(feature = "cli")]
    Error,
}

/// Writes a line to standard output, which is Lambda's log.
#[cfg(feature = "lambda")]
pub(crate) fn say(line: &str) {
    Lines(Stream::Output).put(&format!("{}\n", printable::line(line)));
}

/// Writes a JSON document to standard output, in one line.
#[cfg(feature = "lambda")]
pub(crate) fn say_json(document: &serde_json::Value) {
    Lines(Stream::Output).put(&printable::json(&format!("{document}\n")));
}

/// The lines of a log. Write failures are ignored: work must not stop because the log's disk is full or its reader is gone.
#[derive(Debug, Clone, Copy)]
struct Lines(Stream);

impl Lines {
    fn put(self, text: &str) {
        let _ = match self.0 {
            #[cfg(feature = "lambda")]
            Stream::Output => io::stdout().lock().write_all(text.as_bytes()),
            #[cfg(feature = "cli")]
            Stream::Error => io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

impl Write for Lines {
    /// Writes one whole line, as the formatter passes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(&printable::json(&String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats the message alone in one line, without time, level, fields and spans.
struct BareLine;

impl<S, N> FormatEvent<S, N> for BareLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut message = Message::default();
        event.record(&mut message);
        writeln!(writer, "{}", printable::line(&message.0))
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }
}

/// Starts logging.
pub(crate) fn start(settings: &LogSettings, stream: Stream) -> Result<(), JobError> {
    #[cfg(feature = "cli")]
    if settings.language == Language::English {
        crate::telemetry::use_english();
    }
    let filter = EnvFilter::try_new(filter(settings))
        .map_err(|error| JobError::new(ErrorKind::Config, ConfigError::of("RUST_LOG", error.to_string())))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Lines(stream))
        .with_ansi(false)
        .log_internal_errors(false);
    let started = match settings.format {
        LogFormat::Text => builder.event_format(BareLine).try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_span_list(false).with_target(false).try_init()
        }
    };
    started.map_err(|error| JobError::new(ErrorKind::Internal, error))
}

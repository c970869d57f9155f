//! Where log messages go, as bare lines or JSON: to standard error, or for Lambda to standard output.
//!
//! In JSON the values are fields beside the message, and what a whole invocation has in common is in `span`.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::ErrorKind;
use crate::config::{ConfigError, LogFormat, LogSettings};
use crate::job_error::JobError;

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    #[cfg(feature = "lambda")]
    Output,
    #[cfg(feature = "cli")]
    Error,
}

/// Writes a line to standard output, which is Lambda's log. Where that is closed nobody is left to tell.
#[cfg(feature = "lambda")]
pub(crate) fn say(line: &str) {
    use std::io::Write as _;

    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Starts writing log messages.
pub(crate) fn start(settings: &LogSettings, stream: Stream) -> Result<(), JobError> {
    let filter = settings.filter.as_deref().unwrap_or("error,posterframe=info");
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| JobError::new(ErrorKind::Config, ConfigError::of("RUST_LOG", error.to_string())))?;
    let writer = match stream {
        #[cfg(feature = "lambda")]
        Stream::Output => BoxMakeWriter::new(std::io::stdout),
        #[cfg(feature = "cli")]
        Stream::Error => BoxMakeWriter::new(std::io::stderr),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match settings.format {
        // The message alone, without time, level or fields.
        LogFormat::Text => builder
            .with_ansi(false)
            .without_time()
            .with_level(false)
            .with_target(false)
            .fmt_fields(debug_fn(|writer, field, value| match field.name() {
                "message" => write!(writer, "{value:?}"),
                _ => Ok(()),
            }))
            .try_init(),
        LogFormat::Json => {
            builder.json().flatten_event(true).with_span_list(false).with_target(false).try_init()
        }
    };
    started.map_err(|error| JobError::new(ErrorKind::Internal, error))
}

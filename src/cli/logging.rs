//! Where log messages go: to standard error, as bare lines or JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::debug_fn;

use crate::config::{ConfigError, LogFormat, LogSettings};
use crate::{Error, ErrorKind};

/// Starts writing log messages.
pub(super) fn start(settings: &LogSettings) -> Result<(), Error> {
    let filter = settings.filter.as_deref().unwrap_or("error,posterframe=info");
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Error::new(ErrorKind::Config, ConfigError::of("RUST_LOG", error.to_string())))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
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
        LogFormat::Json => builder.json().flatten_event(true).with_target(false).try_init(),
    };
    started.map_err(|error| Error::new(ErrorKind::Internal, error))
}

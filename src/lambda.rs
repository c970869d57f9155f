//! The AWS Lambda function, which turns an event into the response that its source reads.
//!
//! [`run`] is the main function. Settings and clients are created once, before the first event. The database connection
//! is opened, and stored secrets are fetched, at first use. Each invocation is parsed into an
//! [`Event`](crate::event::Event). `records` processes the objects of the event concurrently, each in its own task, so
//! that a panic fails only one record. `time_limit` ends the work while there is still time to respond. `metrics`
//! writes a line for CloudWatch for each object.
//!
//! With wrong settings the function still responds: each invocation fails with type `config` and a list of all
//! problems. The invoker receives this list, and a dead-letter queue stores it.

mod metrics;
mod records;
mod time_limit;

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::runtime::Builder;
use tracing::{Instrument, info_span};

use crate::cage::MediaOpener;
use crate::catalog::RemoteCatalog;
use crate::config::{LambdaConfig, LogFormat, LogSettings};
use crate::event::FunctionError;
#[cfg(feature = "cli")]
use crate::event::Outcome;
use crate::job_error::JobError;
use crate::logging::{self, Stream};
use crate::media::keep_freed_memory;
use crate::secret::SecretStore;
use crate::source::S3Source;
use crate::{ErrorKind, aws, telemetry};
use records::Worker;
use time_limit::TimeLimit;

impl From<FunctionError> for Diagnostic {
    fn from(error: FunctionError) -> Self {
        Self { error_type: error.error_type.to_owned(), error_message: error.message }
    }
}

/// Runs the function until its environment ends.
///
/// Outside Lambda (without `AWS_LAMBDA_RUNTIME_API`) the function prints an error and returns exit code 2.
#[must_use]
pub fn run() -> ExitCode {
    keep_freed_memory();
    if !LambdaConfig::is_in_lambda() {
        logging::say("AWS_LAMBDA_RUNTIME_API is not set: run this program in AWS Lambda or its emulator");
        return ExitCode::from(2);
    }
    let served = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve()),
        Err(error) => Err(error.into()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::say(&format!("the function cannot continue: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    // The default for logs in Lambda, which programs read.
    let fallback = LogSettings::new(LogFormat::Json);
    let config = LambdaConfig::from_env();
    let mut log = config.as_ref().map_or(fallback, |config| config.log.clone());
    // The runtime would log every error again that the function has already reported.
    let filter = log.filter.as_deref().unwrap_or(logging::FILTER);
    log.filter = Some(format!("{filter},lambda_runtime::layers::panic=off"));
    logging::start(&log, Stream::Output)?;
    let worker = match config {
        Ok(config) => Worker::of(config).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &worker {
        telemetry::broken(error);
    }
    let worker = Arc::new(worker);
    lambda_runtime::run(service_fn(move |event| invoke(Arc::clone(&worker), event))).await
}

impl Worker<RemoteCatalog> {
    /// Creates everything that an invocation needs, without any network request.
    async fn of(config: LambdaConfig) -> Result<Self, JobError> {
        telemetry::obsolete(&config.obsolete);
        // The first cage process starts in parallel with the rest.
        let is_isolated = config.isolation.is_process();
        let opener = tokio::task::spawn_blocking(move || MediaOpener::new(is_isolated));
        let settings = aws::settings().await;
        let client = S3Source::client(&settings).map_err(|error| JobError::new(ErrorKind::Config, error))?;
        let secrets = SecretStore::new(&settings);
        let catalog = RemoteCatalog::new(&config.catalog, secrets, &settings)?;
        let opener = opener.await.map_err(|error| JobError::new(ErrorKind::Internal, error))??;
        Ok(Self::new(client, catalog, config, opener))
    }
}

/// The result of processing an event outside Lambda.
#[cfg(feature = "cli")]
pub(crate) struct Replayed {
    /// The response that the sender would receive.
    pub(crate) answer: Result<Value, FunctionError>,
    /// The outcome of each object.
    pub(crate) outcomes: Vec<Outcome>,
}

/// Processes events like the function, but outside Lambda. No metrics are written, because no CloudWatch would read
/// them.
#[cfg(feature = "cli")]
pub(crate) struct Replayer(Worker<RemoteCatalog>);

#[cfg(feature = "cli")]
impl Replayer {
    /// Creates a replayer with clients for these settings.
    ///
    /// # Errors
    /// When a client cannot be created.
    pub(crate) async fn new(config: LambdaConfig) -> Result<Self, JobError> {
        Ok(Self(Worker::of(config).await?.replaying()))
    }

    /// Processes an event within `allowed`.
    pub(crate) async fn replay(&self, event: &Value, allowed: std::time::Duration) -> Replayed {
        let event = match self.0.read(event) {
            Ok(event) => event,
            Err(error) => return Replayed { answer: Err(error.into()), outcomes: Vec::new() },
        };
        telemetry::event(event.source().as_str(), event.records().len());
        let limit = TimeLimit::of_invocation(std::time::SystemTime::now() + allowed);
        let outcomes = self.0.work(&event, &limit, "").await;
        Replayed { answer: event.answer(&outcomes), outcomes }
    }
}

async fn invoke(
    worker: Arc<Result<Worker<RemoteCatalog>, JobError>>,
    event: LambdaEvent<Value>,
) -> Result<Value, FunctionError> {
    let (payload, context) = event.into_parts();
    let limit = TimeLimit::of_invocation(context.deadline());
    let span = info_span!("invocation", request_id = context.request_id);
    let worked = async {
        let worker = worker.as_ref().as_ref().map_err(|error| FunctionError::new(error.kind(), error))?;
        let event = worker.read(&payload)?;
        telemetry::event(event.source().as_str(), event.records().len());
        let outcomes = worker.work(&event, &limit, &context.request_id).await;
        Ok(event.answer(&outcomes))
    };
    let worked: Result<_, FunctionError> = worked.instrument(span.clone()).await;
    // The failures of objects have already been logged.
    let is_logged = worked.is_ok();
    let answer = worked.flatten();
    if let Err(error) = &answer {
        span.in_scope(|| telemetry::invocation_failed(error.error_type, &error.message, is_logged));
    }
    answer
}

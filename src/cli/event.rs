//! `posterframe process --event FILE`: processes an event as the Lambda function does, and prints the function's response.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;

use super::arguments::ProcessArguments;
use super::interrupt::interrupted;
use super::output::{self, Failure};
use crate::config::Isolation;
use crate::config::{LambdaConfig, LogSettings};
use crate::event::Outcome;
use crate::job_error::JobError;
use crate::lambda::Replayer;
use crate::logging::{self, Stream};
use crate::store::kind_of_io;
use crate::{CancelToken, ErrorKind};

/// Largest event that is read, in bytes. Lambda's limit is 6 MB.
const MAX_BYTES: u64 = 16 << 20;

pub(super) async fn run(
    arguments: &ProcessArguments,
    file: &Path,
    cancel: &CancelToken,
) -> Result<(), Failure> {
    let mut config = LambdaConfig::from_env().map_err(JobError::from)?;
    if arguments.isolate {
        config.isolation = Isolation::Process;
    }
    // Log lines are bare unless LOG_FORMAT is set. The messages are the function's own, in Korean.
    logging::start(&LogSettings::from_env().map_err(JobError::from)?.in_korean(), Stream::Error)?;
    let event = read(file).map_err(|error| error.with_subject(file.display().to_string()))?;
    let replayer = Replayer::new(config).await?;
    let replayed = tokio::select! {
        replayed = replayer.replay(&event, arguments.timeout) => replayed,
        error = interrupted(cancel) => return Err(error.into()),
    };
    match &replayed.answer {
        Ok(answer) => output::print_json(answer)?,
        Err(error) => output::print_json(error)?,
    }
    let failed = replayed.outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Failed { error_type, message, .. } => Some((*error_type, message.clone())),
        _ => None,
    });
    let refused = replayed.answer.err().map(|error| (error.error_type, error.message));
    match failed.chain(refused).next() {
        None => Ok(()),
        Some((name, message)) => {
            let kind = ErrorKind::from_name(name).unwrap_or(ErrorKind::Internal);
            Err(Failure::Answered(JobError::new(kind, message)))
        }
    }
}

fn read(file: &Path) -> Result<Value, JobError> {
    let of_io = |error: io::Error| JobError::new(kind_of_io(&error), error);
    let reader: Box<dyn io::Read> = match file.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(fs::File::open(file).map_err(of_io)?),
    };
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES).read_to_end(&mut bytes).map_err(of_io)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| JobError::new(ErrorKind::Malformed, format!("is not valid JSON: {error}")))
}

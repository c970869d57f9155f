//! `posterframe probe`: describes the contents of files, for people or with ffprobe's field names.

mod chosen;
mod cost;
mod ffprobe;
mod text;

use std::time::Instant;

use super::arguments::{ProbeArguments, open_options, opener};
use super::input;
use super::interrupt::Answer;
use super::output::{self, Failure, Json};
use super::progress;
use crate::cage::MediaOpener;
use crate::config::Isolation;
use crate::job_error::JobError;
use crate::location::Location;
use crate::{CancelToken, ErrorKind};
use chosen::Chosen;
use cost::Cost;

pub(super) fn run(arguments: &ProbeArguments, cancel: CancelToken, answer: &Answer) -> Result<(), Failure> {
    check(arguments)?;
    let isolate = arguments.reading.isolate;
    let opener = opener(isolate, Isolation::from_env().map_err(JobError::from)?)?;
    let [input] = &arguments.inputs[..] else { return each(&opener, arguments, &cancel, answer) };
    one(&opener, input, arguments, cancel, answer)
}

/// Refuses options that apply to one input only.
fn check(arguments: &ProbeArguments) -> Result<(), JobError> {
    let refuse = |message: &str| Err(JobError::new(ErrorKind::Config, message));
    if arguments.inputs.iter().filter(|input| matches!(input, Location::Stdin)).count() > 1 {
        return refuse("standard input can be read only once; name - once");
    }
    if arguments.reading.version_id.is_some() && arguments.inputs.len() > 1 {
        return refuse("--version-id names a version of one object; name one input");
    }
    Ok(())
}

/// Answers for one input after the other. A failed input does not stop the others. The first failure is the result.
fn each(
    opener: &MediaOpener,
    arguments: &ProbeArguments,
    cancel: &CancelToken,
    answer: &Answer,
) -> Result<(), Failure> {
    let mut first_failure = None;
    for (number, input) in arguments.inputs.iter().enumerate() {
        if number > 0 {
            answer.begin_next(input.to_string());
        }
        match one(opener, input, arguments, cancel.clone(), answer) {
            Ok(()) => {}
            Err(Failure::Error(error)) => {
                answer.claim();
                output::error(&error, arguments.form());
                let is_last = error.kind() == ErrorKind::Cancelled;
                first_failure.get_or_insert(error.kind());
                if is_last {
                    break;
                }
            }
            Err(failure) => return Err(failure),
        }
    }
    first_failure.map_or(Ok(()), |kind| Err(Failure::Reported(kind)))
}

fn one(
    opener: &MediaOpener,
    input: &Location,
    arguments: &ProbeArguments,
    cancel: CancelToken,
    answer: &Answer,
) -> Result<(), Failure> {
    let started = Instant::now();
    let name = input.to_string();
    progress::begin(&format!("reading {name}"));
    let options = open_options(arguments.reading.timeout, cancel).with_stream_analysis(arguments.deep);
    let (media, poster_at) = input::open_noted(opener, input, &arguments.reading, &options)?;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let cost = Cost { ledger: media.ledger(), isolation: media.layers(), elapsed_ms };
    let poster_at = poster_at.as_deref().map(Chosen::read);
    answer.claim();
    match arguments.form() {
        Json::None => text::answer(&name, media.info(), poster_at.as_ref(), &cost).print(),
        form => output::print_json_as(form, &ffprobe::answer(&name, media.info(), poster_at.as_ref(), &cost)),
    }
}

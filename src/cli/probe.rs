//! `posterframe probe`: what is in a video file, for people or under ffprobe's names.

mod ffprobe;
mod text;

use std::time::Instant;

use super::arguments::{ProbeArguments, open_options};
use super::local_file;
use super::output::{self, Failure};
use crate::{CancelToken, Error, Ledger, Media};

/// What the answer took.
struct Cost {
    ledger: Ledger,
    elapsed_ms: u64,
}

pub(super) fn run(arguments: &ProbeArguments, cancel: CancelToken) -> Result<(), Failure> {
    let started = Instant::now();
    let input = local_file(&arguments.input)?;
    let name = arguments.input.to_string();
    let options = open_options(arguments.timeout, cancel);
    let media = Media::open_file(input, &options).map_err(|error| Error::from(error).about(name.as_str()))?;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let cost = Cost { ledger: media.ledger(), elapsed_ms };
    match arguments.json {
        true => output::print_json(&ffprobe::answer(&name, media.info(), &cost)),
        false => text::answer(&name, media.info(), &cost).print(),
    }
}

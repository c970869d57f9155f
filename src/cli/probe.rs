//! `posterframe probe`: what is in a video file, for people or under ffprobe's names.

mod cost;
mod ffprobe;
mod text;

use std::time::Instant;

use super::arguments::{ProbeArguments, open_options};
use super::input;
use super::interrupt::Answer;
use super::output::{self, Failure};
use crate::CancelToken;
use cost::Cost;

pub(super) fn run(arguments: &ProbeArguments, cancel: CancelToken, answer: &Answer) -> Result<(), Failure> {
    let started = Instant::now();
    let name = arguments.input.input.to_string();
    let options = open_options(arguments.input.reading.timeout, cancel);
    let media = input::open(&arguments.input.input, &arguments.input.reading, &options)?;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let cost = Cost { ledger: media.ledger(), isolation: media.layers(), elapsed_ms };
    answer.claim();
    match arguments.json {
        true => output::print_json(&ffprobe::answer(&name, media.info(), &cost)),
        false => text::answer(&name, media.info(), &cost).print(),
    }
}

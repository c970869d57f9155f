//! Candidates for a poster, on one contact sheet.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Instant;

use serde::Serialize;

use super::super::arguments::{GrabArguments, open_options};
use super::super::input;
use super::super::interrupt::Answer;
use super::super::output::{self, Failure, Table};
use super::frame::{name, write};
use super::sheet::{ContactSheet, time};
use crate::cage::Layers;
use crate::job_error::JobError;
use crate::location::Location;
use crate::{
    Appearance, Bounds, CancelToken, Candidate, CandidatesRequest, FrameTime, ImageFormat, Ledger, Verdict,
};

/// The JSON that `grab --candidates --json` prints.
#[derive(Serialize)]
struct Written {
    output: String,
    format: &'static str,
    bytes: usize,
    width: u32,
    height: u32,
    duration_seconds: Option<f64>,
    candidates: Vec<Shown>,
    #[serde(flatten)]
    ledger: Ledger,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Layers>,
    elapsed_ms: u64,
}

/// A candidate, and the position of its picture on the sheet.
#[derive(Serialize)]
struct Shown {
    at: FrameTime,
    pts_seconds: f64,
    #[serde(flatten)]
    appearance: Appearance,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

pub(super) fn run(
    arguments: &GrabArguments,
    input: &Location,
    (count, format): (NonZeroU32, ImageFormat),
    cancel: CancelToken,
    answer: &Answer,
) -> Result<(), Failure> {
    let started = Instant::now();
    let timeout = arguments.reading.timeout;
    let options = open_options(timeout, cancel).with_total_time(timeout);
    let about = |error: crate::Error| JobError::from(error).with_subject(input.to_string());
    let mut request = CandidatesRequest::new(count);
    if arguments.width.is_some() || arguments.height.is_some() {
        request = request.with_tile(Bounds { max_width: arguments.width, max_height: arguments.height });
    }
    let mut media = input::open(input, &arguments.reading, &options)?;
    let candidates = media.candidates(&request).map_err(about)?;
    let sheet = ContactSheet::of(&candidates, &options.limits).map_err(about)?;
    let encoded = sheet.picture.encode(format, arguments.quality).map_err(about)?;
    answer.claim();
    if arguments.to_stdout() {
        return output::print_bytes(&encoded.bytes);
    }
    let mut written = Written {
        output: String::new(),
        format: name(format),
        bytes: encoded.bytes.len(),
        width: encoded.width,
        height: encoded.height,
        duration_seconds: media.info().duration_seconds,
        candidates: candidates.iter().zip(&sheet.places).map(shown).collect(),
        ledger: media.ledger(),
        isolation: media.layers(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    if let Some(output) = &arguments.output {
        write(output, input, &encoded.bytes)?;
        written.output = output.display().to_string();
    }
    match arguments.json {
        true => output::print_json(&written),
        false => table(&written, input).print(),
    }
}

fn shown((candidate, &(x, y)): (&Candidate, &(u32, u32))) -> Shown {
    let Candidate { at, pts_seconds, appearance, picture, .. } = candidate;
    let (width, height) = (picture.width, picture.height);
    Shown { at: *at, pts_seconds: *pts_seconds, appearance: *appearance, x, y, width, height }
}

fn table(written: &Written, input: &Location) -> Table {
    let Written { width, height, format, bytes, candidates, .. } = written;
    let mut table = Table::default();
    table.title(&written.output);
    table.row("sheet", &format!("{width} x {height} {format}, {}", output::bytes(*bytes as u64)));
    for (index, candidate) in candidates.iter().enumerate() {
        let name = if index == 0 { "candidates" } else { "" };
        let verdict = match candidate.appearance.verdict {
            Verdict::Good => String::new(),
            verdict => format!(" ({})", described(verdict)),
        };
        table.row(name, &format!("{}{verdict}", time(candidate.pts_seconds)));
    }
    if let Some(layers) = written.isolation {
        table.row("cage", &output::layers(layers));
    }
    table.row("read", &output::cost(&written.ledger, written.elapsed_ms));
    let named = input.to_string();
    // Only a name with a NUL byte cannot be quoted, and no system has such names.
    let quoted = shlex::try_quote(&named).unwrap_or(Cow::Borrowed(&named));
    table.row("choose", &format!("posterframe grab {quoted} -o OUT --at TIME"));
    table.row("", "in a catalogue: the video's metadata or tag poster-at=TIME (docs/editors.md)");
    table
}

const fn described(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Blurred => "blurred",
        Verdict::TitleCard => "a title card",
        Verdict::Flat => "flat",
        Verdict::White => "white",
        Verdict::Black => "black",
    }
}

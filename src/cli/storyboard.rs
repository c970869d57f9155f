//! `posterframe storyboard`: tiles of a video on sheets, with WebVTT and JSON.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::arguments::{StoryboardArguments, open_options};
use super::grab::name;
use super::input;
use super::interrupt::Answer;
use super::output::{self, Failure, Table};
use super::progress;
use crate::cage::Layers;
use crate::job_error::JobError;
use crate::store::of_file;
use crate::{
    Bounds, CancelToken, ErrorKind, ImageFormat, Ledger, Pick, Spacing, Storyboard, StoryboardRequest,
    StoryboardTile,
};

const WEBVTT: &str = "storyboard.vtt";
const JSON: &str = "storyboard.json";

/// The content of `storyboard.json`.
#[derive(Serialize)]
struct Index<'a> {
    duration_seconds: Option<f64>,
    pick: Pick,
    format: &'static str,
    tile_width: u32,
    tile_height: u32,
    sheets: Vec<Sheet>,
    tiles: &'a [StoryboardTile],
}

#[derive(Serialize)]
struct Sheet {
    file: String,
    width: u32,
    height: u32,
    bytes: usize,
}

/// What `storyboard --json` prints.
#[derive(Serialize)]
struct Written<'a> {
    output: String,
    #[serde(flatten)]
    index: Index<'a>,
    #[serde(flatten)]
    ledger: Ledger,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Layers>,
    elapsed_ms: u64,
}

pub(super) fn run(
    arguments: &StoryboardArguments,
    cancel: CancelToken,
    answer: &Answer,
) -> Result<(), Failure> {
    let started = Instant::now();
    let request = request(arguments);
    let time = arguments.input.reading.timeout;
    let options = open_options(time, cancel).with_total_time(time);
    let location = &arguments.input.input;
    let folder = &arguments.output;
    if folder.exists() && !folder.is_dir() {
        let error = JobError::new(ErrorKind::Config, "is not a folder");
        return Err(error.about(folder.display().to_string()).into());
    }
    progress::begin(&format!("reading {location}"));
    let mut media = input::open(location, &arguments.input.reading, &options)?;
    let storyboard = media
        .storyboard(&request, &options.limits)
        .map_err(|error| JobError::from(error).about(location.to_string()))?;
    answer.claim();
    let index = Index {
        duration_seconds: media.info().duration_seconds,
        pick: request.pick,
        format: name(request.format),
        tile_width: storyboard.tile_width,
        tile_height: storyboard.tile_height,
        sheets: sheets(&storyboard),
        tiles: &storyboard.tiles,
    };
    write(folder, &storyboard, &index).map_err(of_file(folder))?;
    let written = Written {
        output: folder.display().to_string(),
        index,
        ledger: media.ledger(),
        isolation: media.layers(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    match arguments.json {
        true => output::print_json(&written),
        false => show(&written).print(),
    }
}

fn request(arguments: &StoryboardArguments) -> StoryboardRequest {
    let mut request = StoryboardRequest::default()
        .with_pick(arguments.pick)
        .with_tile(Bounds { max_width: Some(arguments.width), max_height: arguments.height })
        .with_grid(arguments.columns, arguments.rows)
        .with_format(arguments.format, arguments.quality);
    let count = arguments.count.map(Spacing::Count);
    if let Some(spacing) = arguments.every.map(Spacing::Every).or(count) {
        request = request.with_spacing(spacing);
    }
    request
}

fn sheets(storyboard: &Storyboard) -> Vec<Sheet> {
    let sheet = |(index, sheet): (usize, &crate::Thumbnail)| Sheet {
        file: file_name(index, sheet.format),
        width: sheet.width,
        height: sheet.height,
        bytes: sheet.bytes.len(),
    };
    storyboard.sheets.iter().enumerate().map(sheet).collect()
}

fn file_name(index: usize, format: ImageFormat) -> String {
    format!("storyboard-{}.{}", index.saturating_add(1), format.extension())
}

/// Writes all files, or none: they are complete in a folder of their own before the first takes its place. Those that name others come last.
fn write(folder: &Path, storyboard: &Storyboard, index: &Index<'_>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = tempfile::Builder::new().prefix(".posterframe-").suffix(".tmp").tempdir_in(folder)?;
    let mut names = Vec::new();
    let mut put = |name: String, bytes: &[u8]| {
        fs::write(unfinished.path().join(&name), bytes)?;
        fs::File::open(unfinished.path().join(&name))?.sync_all()?;
        names.push(name);
        Ok::<_, io::Error>(())
    };
    for (number, sheet) in storyboard.sheets.iter().enumerate() {
        put(file_name(number, sheet.format), &sheet.bytes)?;
    }
    let address = |sheet: usize| index.sheets.get(sheet).map_or_else(String::new, |sheet| sheet.file.clone());
    put(WEBVTT.to_owned(), storyboard.webvtt(address).as_bytes())?;
    put(JSON.to_owned(), &serde_json::to_vec_pretty(index)?)?;
    for name in names {
        fs::rename(unfinished.path().join(&name), folder.join(&name))?;
    }
    Ok(())
}

fn show(written: &Written<'_>) -> Table {
    let mut table = Table::default();
    let Index { tile_width, tile_height, sheets, tiles, pick, format, .. } = &written.index;
    table.title(&written.output);
    let what = match pick {
        Pick::Keyframe => "keyframes",
        _ => "exact frames",
    };
    table.row("tiles", &format!("{} of {tile_width} x {tile_height}, {what}", tiles.len()));
    let bytes: usize = sheets.iter().map(|sheet| sheet.bytes).sum();
    table.row("sheets", &format!("{} {format}, {}", sheets.len(), output::bytes(bytes as u64)));
    if let Some(layers) = written.isolation {
        table.row("cage", &output::layers(layers));
    }
    table.row("read", &output::cost(&written.ledger, written.elapsed_ms));
    table
}

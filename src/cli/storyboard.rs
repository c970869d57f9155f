//! `posterframe storyboard`: writes sheets of tiles of a video, with WebVTT and JSON, to a folder or a bucket.

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
use crate::cage::{Layers, OpenMedia};
use crate::job_error::JobError;
use crate::location::{Location, Prefix};
use crate::process::{
    Described, MAX_PUTS, Put, SheetNames, StoryboardFiles, StoryboardIndex, StoryboardMark, StoryboardPlace,
    StoryboardSource, source_key,
};
use crate::source::{S3Source, block_on};
use crate::store::{ETag, S3Store, Store as _, etag_of, of_file};
use crate::{Bounds, CancelToken, ErrorKind, Ledger, Limits, OpenOptions, Pick, Spacing, StoryboardRequest};

/// The JSON that `storyboard --json` prints.
#[derive(Serialize)]
struct Written {
    output: String,
    /// `written`, or `unchanged` if the files existed already.
    status: &'static str,
    #[serde(flatten)]
    index: Option<StoryboardIndex>,
    #[serde(flatten)]
    ledger: Ledger,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Layers>,
    elapsed_ms: u64,
}

/// An open video, and the requested storyboard.
struct Work<'a> {
    location: &'a Location,
    media: OpenMedia,
    request: StoryboardRequest,
    limits: Limits,
    source: StoryboardSource,
    /// Whether the current version was requested, not a version by its id.
    is_current: bool,
}

pub(super) fn run(
    arguments: &StoryboardArguments,
    cancel: CancelToken,
    answer: &Answer,
) -> Result<(), Failure> {
    let started = Instant::now();
    let time = arguments.input.reading.timeout;
    let options = open_options(time, cancel).with_total_time(time);
    let (output, mut written) = match &arguments.output {
        Prefix::Folder(folder) => {
            if folder.exists() && !folder.is_dir() {
                let error = JobError::new(ErrorKind::Config, "is not a folder");
                return Err(error.with_subject(folder.display().to_string()).into());
            }
            (folder.display().to_string(), in_folder(Work::open(arguments, &options)?, folder, answer)?)
        }
        Prefix::S3 { bucket, prefix } => {
            let separator = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
            let folder = format!("{prefix}{separator}");
            let output = format!("s3://{bucket}/{folder}");
            // Create the client before the video is opened, so that an invalid setting is reported at once.
            let client = block_on(S3Source::client_from_env()).map_err(internal)?.map_err(JobError::from)?;
            let place = Bucket {
                store: S3Store::new(client, bucket),
                folder,
                cache_control: arguments.cache_control.clone(),
            };
            (output, in_bucket(Work::open(arguments, &options)?, place)?)
        }
    };
    answer.claim();
    if let Some(note) = written.index.as_ref().and_then(few_keyframes) {
        output::note(&note);
    }
    written.output = output;
    written.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match arguments.json {
        true => output::print_json(&written),
        false => show(&written).print(),
    }
}

impl<'a> Work<'a> {
    fn open(arguments: &'a StoryboardArguments, options: &OpenOptions) -> Result<Self, JobError> {
        let location = &arguments.input.input;
        let request = request(arguments);
        // The version is read before the file is opened: if the file changes in between, its version differs afterwards.
        let of_file = match location {
            Location::File(path) => fs::metadata(path).ok().map(|metadata| etag_of(&metadata)),
            _ => None,
        };
        progress::begin(&format!("reading {location}"));
        let media = input::open(location, &arguments.input.reading, options)?;
        let of_object = || media.identity().and_then(|identity| identity.etag).map(ETag::new);
        let source = StoryboardSource {
            source: location.to_string(),
            source_etag: of_file.or_else(of_object),
            settings: StoryboardMark::settings(&request, &arguments.cache_control),
        };
        let is_current = arguments.input.reading.version_id.is_none();
        Ok(Self { location, media, request, limits: options.limits, source, is_current })
    }

    fn files(&mut self, names: SheetNames<'_>) -> Result<StoryboardFiles, JobError> {
        let storyboard = self.media.storyboard(&self.request, &self.limits);
        let storyboard =
            storyboard.map_err(|error| JobError::from(error).with_subject(self.location.to_string()))?;
        let duration = self.media.info().duration_seconds;
        let files = StoryboardFiles::new(storyboard, &self.request, self.source.clone(), duration, names);
        files.map_err(|error| JobError::new(ErrorKind::Internal, error))
    }

    fn written(&self, index: Option<StoryboardIndex>) -> Written {
        Written {
            output: String::new(),
            status: if index.is_some() { "written" } else { "unchanged" },
            index,
            ledger: self.media.ledger(),
            isolation: self.media.layers(),
            elapsed_ms: 0,
        }
    }
}

fn internal(error: io::Error) -> JobError {
    JobError::new(ErrorKind::Internal, error)
}

fn in_folder(mut work: Work<'_>, folder: &Path, answer: &Answer) -> Result<Written, JobError> {
    let files = work.files(SheetNames::Numbers)?;
    answer.claim();
    write(folder, &files).map_err(of_file(folder))?;
    Ok(work.written(Some(files.index)))
}

/// A folder in a bucket.
#[derive(Debug, Clone)]
struct Bucket {
    store: S3Store,
    folder: String,
    cache_control: String,
}

impl Bucket {
    fn place(&self, mark: StoryboardMark) -> StoryboardPlace<'_, S3Store> {
        let Self { store, folder, cache_control } = self;
        StoryboardPlace { store, folder, cache_control, mark }
    }
}

fn in_bucket(mut work: Work<'_>, bucket: Bucket) -> Result<Written, JobError> {
    let video = Version::of(&work, &bucket);
    let StoryboardSource { source, source_etag, settings } = work.source.clone();
    // In the bucket of the video, the job writes the same storyboard.
    let name = match work.location {
        Location::S3 { bucket: name, key } if name == bucket.store.bucket() => key,
        _ => &source,
    };
    let mark = StoryboardMark { source_etag, settings, source_key: source_key(name) };
    bucket.place(mark.clone()).urls()?;
    let (look, of_look) = (bucket.clone(), mark.clone());
    let json = block_on(async move { look.place(of_look).describe_json().await }).map_err(internal)??;
    if json.as_ref().is_some_and(|json| mark.is_of(json)) {
        return Ok(work.written(None));
    }
    let files = work.files(SheetNames::Contents { cache_control: &bucket.cache_control })?;
    let put = async move {
        let place = bucket.place(mark);
        let mut seen = Described { json, webvtt: None };
        for _ in 0..MAX_PUTS {
            seen.webvtt = place.describe_webvtt().await?;
            let is_same = async {
                match &video {
                    Some(video) => video.is_there().await,
                    None => Ok(true),
                }
            };
            match place.put(&files, &seen, is_same).await? {
                Put::Done => return Ok(files.index),
                Put::Replaced => {
                    let error =
                        "the video was replaced while its storyboard was created: run the command again";
                    return Err(JobError::new(ErrorKind::Unavailable, error));
                }
                Put::Lost => seen.json = place.describe_json().await?,
            }
        }
        let (url, _) = place.urls()?;
        Err(JobError::new(
            ErrorKind::Unavailable,
            format!("{url} was changed by somebody else {MAX_PUTS} times"),
        ))
    };
    let index = block_on(put).map_err(internal)?;
    Ok(work.written(Some(index.map_err(|error| error.with_subject(work.location.to_string()))?)))
}

/// The version of an S3 video that must stay current until the sheets are stored.
struct Version {
    store: S3Store,
    key: String,
    etag: ETag,
}

impl Version {
    /// Returns `None` for other inputs, and for a version that was requested by its id.
    fn of(work: &Work<'_>, bucket: &Bucket) -> Option<Self> {
        let (Location::S3 { bucket: name, key }, Some(etag)) = (work.location, &work.source.source_etag)
        else {
            return None;
        };
        let store = bucket.store.in_bucket(name);
        work.is_current.then(|| Self { store, key: key.clone(), etag: etag.clone() })
    }

    async fn is_there(&self) -> Result<bool, JobError> {
        let object = self.store.describe_readable(&self.key).await?;
        Ok(object.is_some_and(|object| object.etag == self.etag))
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

/// Returns a note if tiles repeat pictures because the video has too few keyframes.
fn few_keyframes(index: &StoryboardIndex) -> Option<String> {
    // A tile without a keyframe of its own shows the keyframe of the tile before it.
    let times = index.tiles.iter().map(|tile| tile.frame_pts_seconds);
    let repeated = times.clone().zip(times.skip(1)).filter(|(one, next)| one.total_cmp(next).is_eq()).count();
    let (tiles, pictures) = (index.tiles.len(), index.tiles.len().saturating_sub(repeated));
    let shown =
        if pictures == 1 { "the same picture".to_owned() } else { format!("{pictures} different pictures") };
    (index.pick == Pick::Keyframe && repeated > 0).then(|| {
        format!(
            "The video has too few keyframes for {tiles} tiles: the tiles show {shown}. --pick exact shows the frame in the middle of \
             each interval, and reads more"
        )
    })
}

/// Writes all files or none: all files are complete in a temporary folder before the first file is moved to its place.
fn write(folder: &Path, files: &StoryboardFiles) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = tempfile::Builder::new().prefix(".posterframe-").suffix(".tmp").tempdir_in(folder)?;
    for file in files.in_order() {
        fs::write(unfinished.path().join(&file.name), &file.bytes)?;
        fs::File::open(unfinished.path().join(&file.name))?.sync_all()?;
    }
    for file in files.in_order() {
        fs::rename(unfinished.path().join(&file.name), folder.join(&file.name))?;
    }
    Ok(())
}

fn show(written: &Written) -> Table {
    let mut table = Table::default();
    table.title(&written.output);
    match &written.index {
        Some(StoryboardIndex { tile_width, tile_height, sheets, tiles, pick, format, .. }) => {
            let what = match pick {
                Pick::Keyframe => "keyframes",
                _ => "exact frames",
            };
            table.row("tiles", &format!("{} of {tile_width} x {tile_height}, {what}", tiles.len()));
            let bytes: usize = sheets.iter().map(|sheet| sheet.bytes).sum();
            let format = name(*format);
            table.row("sheets", &format!("{} {format}, {}", sheets.len(), output::bytes(bytes as u64)));
        }
        None => table.row("files", "unchanged: they show this version of the video, with these settings"),
    }
    if let Some(layers) = written.isolation {
        table.row("cage", &output::layers(layers));
    }
    table.row("read", &output::cost(&written.ledger, written.elapsed_ms));
    table
}

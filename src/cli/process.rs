//! `posterframe process`: the whole job for one video in a local folder or an S3 bucket, with rows in SQLite or MySQL.

use std::path::Path;

use super::arguments::{ProcessArguments, open_options, opener};
use super::catalogue::{Catalogue, CatalogueKind, Settings};
use super::interrupt::{interrupted, within};
use super::output::{self, Failure, Table};
use super::progress;
use crate::job_error::JobError;
use crate::location::Location;
use crate::logging::{self, Stream};
use crate::process::{
    ExistingContents, Job, LocalVideo, RemoteVideo, Report, Status, StoryboardReport, StoryboardStatus,
    VideoSource,
};
use crate::source::S3Source;
use crate::store::{FolderStore, S3Store, Store, kind_of_io};
use crate::{CancelToken, ErrorKind};

pub(super) async fn run(arguments: ProcessArguments, cancel: CancelToken) -> Result<(), Failure> {
    match (&arguments.event, &arguments.input) {
        (Some(file), _) => super::event::run(&arguments, file, &cancel).await,
        (None, Some(Location::File(path))) => in_folder(&arguments, path, cancel).await,
        (None, Some(Location::S3 { bucket, key })) => in_bucket(&arguments, bucket, key, cancel).await,
        (None, Some(input @ (Location::Http(_) | Location::Stdin))) => {
            let error = "has no place in a bucket: process takes a local file or s3://bucket/key";
            Err(JobError::new(ErrorKind::Unsupported, error).with_subject(input.to_string()).into())
        }
        // The parser requires one of the two arguments.
        (None, None) => Err(JobError::new(ErrorKind::Config, "name a video").into()),
    }
}

async fn in_folder(arguments: &ProcessArguments, path: &Path, cancel: CancelToken) -> Result<(), Failure> {
    let mut settings =
        Settings::read(arguments.catalog.unwrap_or(CatalogueKind::Sqlite)).map_err(JobError::from)?;
    if let Some(store) = &arguments.store {
        settings.config = settings.config.with_store_dir(store);
    }
    logging::start(&settings.config.log, Stream::Error)?;
    let about = |error: JobError| error.with_subject(path.display().to_string());
    // Check that the video exists before anything is created, so that a missing video leaves no empty store behind.
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|error| about(JobError::new(kind_of_io(&error), error)))?;
    if metadata.is_dir() {
        return Err(about(JobError::new(ErrorKind::Config, "is a folder; name a video")).into());
    }
    let store = FolderStore::at(&settings.config.store_dir)?;
    let video = LocalVideo::new(path, &store, &settings.config.key_rules.video_prefix)?;
    process(arguments, settings, store, &video, cancel).await
}

async fn in_bucket(
    arguments: &ProcessArguments,
    bucket: &str,
    key: &str,
    cancel: CancelToken,
) -> Result<(), Failure> {
    if arguments.store.is_some() {
        let error = "--store applies to local videos; the thumbnail of an S3 object goes into its bucket";
        return Err(JobError::new(ErrorKind::Config, error).into());
    }
    let settings =
        Settings::read(arguments.catalog.unwrap_or(CatalogueKind::Mysql)).map_err(JobError::from)?;
    logging::start(&settings.config.log, Stream::Error)?;
    let client = S3Source::client_from_env().await.map_err(JobError::from)?;
    let store = S3Store::new(client, bucket);
    let reads_tag = settings.config.thumbnail.poster_at_tag;
    let video = RemoteVideo::new(&store, key)?.with_poster_at_tag(reads_tag);
    process(arguments, settings, store, &video, cancel).await
}

async fn process<S: Store, V: VideoSource>(
    arguments: &ProcessArguments,
    settings: Settings,
    store: S,
    video: &V,
    cancel: CancelToken,
) -> Result<(), Failure> {
    // For a key that is not a video of this job, nothing is opened, and therefore nothing is created.
    let rules = &settings.config.key_rules;
    if let Some(report) = Report::of_skipped(rules, store.bucket(), video.key()) {
        return tell(&report, arguments.json);
    }
    let catalog = settings.catalogue().await?;
    let name = settings.name();
    let job = Job {
        store,
        catalog,
        key_rules: settings.config.key_rules,
        thumbnail: settings.config.thumbnail,
        storyboard: settings.config.storyboard,
        options: open_options(arguments.timeout, cancel.clone()),
        existing_contents: ExistingContents::Write,
        looks_first: false,
        decoders: None,
        opener: opener(arguments.isolate, settings.config.isolation)?,
    };
    say_targets(&job, video, &name, arguments.json)?;
    progress::begin(&format!("processing {}", video.key()));
    let done = tokio::select! {
        done = within(arguments.timeout, job.process(video)) => done.map_err(|error| error.with_subject(video.key())),
        error = interrupted(&cancel) => Err(error.with_subject(video.key())),
    };
    job.catalog.close().await;
    tell(&done?, arguments.json)
}

fn tell(report: &Report, json: bool) -> Result<(), Failure> {
    match json {
        true => output::print_json(report),
        false => show(report).print(),
    }
}

/// Announces the inputs and outputs before anything is read or written.
fn say_targets<S: Store, V: VideoSource>(
    job: &Job<S, Catalogue>,
    video: &V,
    catalogue: &str,
    json: bool,
) -> Result<(), Failure> {
    let target = job.target(video)?;
    let text = format!(
        "Video {} -> thumbnail {}, catalogue {catalogue}",
        video.url(),
        target.asset.thumbnail_url(),
    );
    output::announce(&text, json);
    Ok(())
}

fn show(report: &Report) -> Table {
    let mut table = Table::default();
    let status = match report.status {
        Status::Processed => "processed",
        Status::Unchanged => "unchanged",
        Status::Skipped => "skipped",
    };
    table.title(&format!("{}: {status}", report.key));
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row(name, &value);
        }
    };
    row("reason", report.reason.clone());
    row(
        "content",
        report.content_id.map(|id| format!("{id}, {:?}", report.title.as_deref().unwrap_or_default())),
    );
    row("duration", report.duration.map(|seconds| format!("{seconds} s")));
    row("frame", report.frame_pts_seconds.map(|pts| format!("at {}{}", output::time(pts), why(report))));
    row("size", report.width.zip(report.height).map(|(width, height)| format!("{width} x {height}")));
    row("thumbnail", report.thumbnail_url.clone());
    row("storyboard", report.storyboard.as_deref().map(storyboard));
    row("read", Some(output::cost(&report.ledger, report.elapsed_ms)));
    table
}

fn storyboard(report: &StoryboardReport) -> String {
    let url = report.webvtt_url.as_deref().unwrap_or_default();
    match (report.status, report.tiles) {
        (StoryboardStatus::Failed, _) => format!("none: {}", report.message.as_deref().unwrap_or_default()),
        (_, Some(tiles)) => {
            format!("{url}, {tiles} tiles, {}", output::cost(&report.ledger, elapsed(report)))
        }
        (_, None) => format!("{url}, unchanged"),
    }
}

fn elapsed(report: &StoryboardReport) -> u64 {
    u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX)
}

fn why(report: &Report) -> String {
    report.frame_reason.map(|reason| format!(" ({})", super::grab::reason(reason))).unwrap_or_default()
}

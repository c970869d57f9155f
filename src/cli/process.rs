//! `posterframe process`: the whole job for one video, in a local folder and a SQLite file.

use super::arguments::{ProcessArguments, open_options};
use super::local_file;
use super::output::{self, Failure, Table};
use crate::catalog::SqliteCatalog;
use crate::config::Config;
use crate::logging::{self, Stream};
use crate::process::{ExistingContents, Job, LocalVideo, Report, Status, VideoSource};
use crate::store::{FolderStore, kind_of_io};
use crate::{CancelToken, Error, ErrorKind};

pub(super) async fn run(arguments: ProcessArguments, cancel: CancelToken) -> Result<(), Failure> {
    let config = Config::from_env().map_err(Error::from)?;
    let config = match &arguments.store {
        Some(store) => config.with_store_dir(store),
        None => config,
    };
    logging::start(&config.log, Stream::Error)?;
    let path = local_file(&arguments.input)?;
    let about = |error: Error| error.about(arguments.input.to_string());
    // A video that is not there leaves no empty store behind.
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|error| about(Error::new(kind_of_io(&error), error)))?;
    if metadata.is_dir() {
        return Err(about(Error::new(ErrorKind::Config, "is a folder; give a video")).into());
    }

    let catalog_path = config.catalog_path();
    let store = FolderStore::open(&config.store_dir)?;
    let video = LocalVideo::new(path, &store, &config.key_rules.video_prefix)?;
    let catalog = SqliteCatalog::open(&catalog_path).await?;
    let options = open_options(arguments.timeout, cancel);
    let job = Job {
        store,
        catalog,
        key_rules: config.key_rules,
        thumbnail: config.thumbnail,
        options,
        existing_contents: ExistingContents::Write,
        decoders: None,
    };
    say_targets(&job, &video, arguments.json)?;
    let done = job.process(&video).await;
    job.catalog.close().await;
    let report = done?;
    match arguments.json {
        true => output::print_json(&report),
        false => show(&report).print(),
    }
}

/// Says what will be read and written, before anything is.
fn say_targets(job: &Job<FolderStore, SqliteCatalog>, video: &LocalVideo, json: bool) -> Result<(), Failure> {
    if job.key_rules.skip_reason(video.key()).is_some() {
        return Ok(());
    }
    let target = job.target(video)?;
    let text = format!(
        "Video {} -> thumbnail {}, catalogue {}\n",
        video.url(),
        target.asset.thumbnail_url(),
        job.catalog.path().display()
    );
    match json {
        true => output::note(&text),
        false => output::print(&text)?,
    }
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
    row("read", Some(output::cost(&report.ledger, report.elapsed_ms)));
    table
}

fn why(report: &Report) -> String {
    report.frame_reason.map(|reason| format!(" ({})", super::grab::reason(reason))).unwrap_or_default()
}

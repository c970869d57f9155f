//! `posterframe backfill`: runs the job for all videos under a prefix, several videos at a time.
//!
//! `candidates` lists and filters the objects. Each candidate becomes a task. `journal` records the outcome of each candidate in a line, so
//! that an interrupted run can resume. `progress` shows the progress of the run, and `report` the result. `contact_sheet` writes the result
//! as a page of pictures.

mod candidate;
mod candidates;
mod contact_sheet;
mod journal;
mod outcome;
mod progress;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};
use tokio::time::sleep_until;

use super::arguments::{BackfillArguments, open_options, opener};
use super::catalogue::{Catalogue, Settings};
use super::interrupt::{interrupted, within};
use super::output::{self, Failure};
use super::place::{Place, no_videos, shown};
use crate::job_error::JobError;
use crate::process::{ExistingContents, Job, LocalVideo, RemoteVideo, Status, VideoSource};
use crate::store::{FolderStore, ListObjects, ReadObject, S3Store};
use crate::{CancelToken, ErrorKind};
use candidate::Candidate;
use candidates::Filter;
pub(super) use candidates::line_of_key;
use journal::{Entry, Journal};
use outcome::Outcome;
use progress::Progress;
use report::Report;

/// Number of candidates that are listed ahead: enough to know the total of most back-fills early, and few enough to keep in memory.
const AHEAD: usize = 10_000;

/// The settings that all candidates share.
struct Work<S> {
    job: Job<S, Catalogue>,
    dry_run: bool,
    only_missing: bool,
    timeout: Duration,
}

pub(super) async fn run(arguments: BackfillArguments, cancel: CancelToken) -> Result<(), Failure> {
    match Place::open(&arguments.place).await? {
        Place::Folder { settings, store, prefix } => {
            let video_prefix = settings.config.key_rules.video_prefix.clone();
            let video = move |store: &FolderStore, key: &str| {
                LocalVideo::new(&store.root().join(key), store, &video_prefix)
            };
            fill(arguments, settings, store, prefix, video, cancel).await
        }
        Place::Bucket { settings, store, prefix } => {
            let reads_tag = settings.config.thumbnail.poster_at_tag;
            let video = move |store: &S3Store, key: &str| {
                Ok(RemoteVideo::new(store, key)?.with_poster_at_tag(reads_tag))
            };
            fill(arguments, settings, store, prefix, video, cancel).await
        }
    }
}

async fn fill<S, V>(
    arguments: BackfillArguments,
    settings: Settings,
    store: S,
    prefix: String,
    video: impl Fn(&S, &str) -> Result<V, JobError> + Send + Sync,
    cancel: CancelToken,
) -> Result<(), Failure>
where
    S: ListObjects + ReadObject + Clone + 'static,
    V: VideoSource,
{
    let name = format!(
        "{} -> thumbnails {}, catalogue {}",
        shown(&store, &prefix),
        shown(&store, &settings.config.key_rules.thumbnail_prefix),
        settings.name()
    );
    let rules = settings.config.key_rules.clone();
    let filter = Filter::new(&arguments, settings.config.key_rules.clone(), prefix)?;
    let catalog = match arguments.dry_run {
        true => settings.read_only_catalogue().await?,
        false => settings.catalogue().await?,
    };
    let job = Job {
        store: store.clone(),
        catalog: catalog.clone(),
        key_rules: settings.config.key_rules,
        thumbnail: settings.config.thumbnail,
        storyboard: settings.config.storyboard,
        options: open_options(arguments.timeout, cancel.clone()),
        existing_contents: match arguments.overwrite_contents || settings.config.overwrite_contents {
            true => ExistingContents::Write,
            false => ExistingContents::Keep,
        },
        looks_first: true,
        decoders: None,
        opener: opener(arguments.isolate, settings.config.isolation)?,
    };
    let mut journal = match arguments.dry_run {
        true => Journal::temporary(&name)?,
        false => Journal::open(&arguments.journal, &name, arguments.again)?,
    };
    say(&arguments, &name, &journal);
    let (sender, candidates) = channel(AHEAD);
    let progress = Progress::start();
    let others = Arc::new(AtomicU64::new(0));
    let counts = (progress.total(), Arc::clone(&others));
    let listing = tokio::spawn(candidates::list(store.clone(), filter, journal.done()?, counts, sender));
    let work = Arc::new(Work {
        job,
        dry_run: arguments.dry_run,
        only_missing: arguments.only_missing,
        timeout: arguments.timeout,
    });
    let run = Run { work, video, arguments: &arguments, cancel: &cancel, progress: &progress };
    let ended = run.all(candidates, &mut journal).await;
    progress.end();
    let listed = end_of(listing).await;
    catalog.close().await;
    let interrupted = matches!(ended, Ok(Ended::Interrupted));
    let complete = listed.is_ok() && matches!(ended, Ok(Ended::All));
    let entries = journal.entries()?;
    let report = Report::of(&name, &entries, complete, arguments.dry_run)?;
    let report = report.with_other_files(others.load(Ordering::Relaxed), rules.video_suffixes.clone());
    // A run with retryable failures stays unfinished, so that the next run retries them.
    if complete && report.is_done {
        journal.finish()?;
    }
    if let Some(path) = &arguments.report {
        report.write(path)?;
    }
    if let Some(path) = &arguments.contact_sheet {
        contact_sheet::write(path, &report, &entries, &store).await?;
    }
    report.show(arguments.json)?;
    if complete && report.counts.is_empty() {
        output::note(&no_videos(&rules));
    }
    // The report has already described the result, so a program that reads JSON gets no second object.
    ended.map_err(Failure::answered)?;
    listed.map_err(Failure::Answered)?;
    if interrupted {
        let error = format!("interrupted; the same command resumes from {}", arguments.journal.display());
        return Err(Failure::Answered(JobError::new(ErrorKind::Cancelled, error)));
    }
    report.failure().map_or(Ok(()), |error| Err(Failure::Answered(error)))
}

/// Ends the listing, whose remaining candidates are not needed.
async fn end_of(listing: JoinHandle<Result<(), JobError>>) -> Result<(), JobError> {
    listing.abort();
    match listing.await {
        Ok(listed) => listed,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(JobError::new(ErrorKind::Internal, error)),
    }
}

/// Announces the inputs and outputs before anything is read or written.
fn say(arguments: &BackfillArguments, name: &str, journal: &Journal) {
    output::note(&format!("Videos {name}"));
    let journal_name = arguments.journal.display();
    output::note(&match (arguments.dry_run, journal.resumed()) {
        (true, _) => "Dry run: nothing is written".to_owned(),
        (false, 0) => format!("Journal {journal_name}"),
        (false, done) => format!("Journal {journal_name}: {done} are processed already"),
    });
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All candidates were processed.
    All,
    /// The limit of `--limit` was reached.
    Enough,
    Interrupted,
}

struct Run<'r, S, F> {
    work: Arc<Work<S>>,
    video: F,
    arguments: &'r BackfillArguments,
    cancel: &'r CancelToken,
    progress: &'r Progress,
}

impl<S, F, V> Run<'_, S, F>
where
    S: ListObjects + Clone + 'static,
    V: VideoSource,
    F: Fn(&S, &str) -> Result<V, JobError> + Send + Sync,
{
    /// Processes candidates as they arrive.
    async fn all(
        &self,
        mut candidates: Receiver<Candidate>,
        journal: &mut Journal,
    ) -> Result<Ended, Failure> {
        let jobs = self.arguments.jobs.get();
        let pause = self.arguments.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut next_start = tokio::time::Instant::now();
        let mut running = JoinSet::new();
        // The candidates of running tasks, to name the video of a task that panics.
        let mut at_work = HashMap::new();
        let (mut started, mut listed) = (0_u64, true);
        let ended = loop {
            if self.arguments.limit.is_some_and(|limit| started >= limit) {
                break Ended::Enough;
            }
            if !listed && running.is_empty() {
                break Ended::All;
            }
            tokio::select! {
                biased;
                _ = interrupted(self.cancel) => break Ended::Interrupted,
                Some(done) = running.join_next_with_id(), if !running.is_empty() => {
                    self.record(journal, entry_of(done, &mut at_work))?;
                }
                () = sleep_until(next_start), if listed && running.len() < jobs && next_start > tokio::time::Instant::now() => {}
                candidate = candidates.recv(), if listed && running.len() < jobs && next_start <= tokio::time::Instant::now() => {
                    let Some(candidate) = candidate else {
                        listed = false;
                        continue;
                    };
                    if candidate.refused.is_some() {
                        self.record(journal, Entry::of(&candidate))?;
                        continue;
                    }
                    if candidate.needs_id() && at_work.values().any(|other: &Candidate| !other.needs_id()) {
                        while let Some(done) = running.join_next_with_id().await {
                            self.record(journal, entry_of(done, &mut at_work))?;
                        }
                    }
                    started += 1;
                    next_start = tokio::time::Instant::now() + pause.unwrap_or_default();
                    let video = (self.video)(&self.work.job.store, &candidate.key);
                    let work = Arc::clone(&self.work);
                    let of_task = candidate.clone();
                    let task = running.spawn(async move { work.one(candidate, video).await });
                    at_work.insert(task.id(), of_task);
                }
            }
        };
        // Wait for the running tasks. After an interrupt they end soon.
        while let Some(done) = running.join_next_with_id().await {
            self.record(journal, entry_of(done, &mut at_work))?;
        }
        Ok(ended)
    }

    fn record(&self, journal: &mut Journal, entry: Entry) -> Result<(), Failure> {
        if matches!(&entry.result, Outcome::Failed { kind, .. } if kind == ErrorKind::Cancelled.as_str()) {
            return Ok(());
        }
        self.progress.done(&entry);
        Ok(journal.add(&entry)?)
    }
}

/// Returns the journal entry of a finished task. A panic counts as the failure of its own video only.
fn entry_of(done: Result<(Id, Entry), JoinError>, at_work: &mut HashMap<Id, Candidate>) -> Entry {
    match done {
        Ok((id, entry)) => {
            at_work.remove(&id);
            entry
        }
        Err(error) => {
            let unknown = || Candidate { key: String::new(), etag: None, size: None, refused: None };
            let mut entry = Entry::of(&at_work.remove(&error.id()).unwrap_or_else(unknown));
            entry.failed(&JobError::new(ErrorKind::Internal, error));
            entry
        }
    }
}

impl<S: ListObjects> Work<S> {
    async fn one<V: VideoSource>(&self, candidate: Candidate, video: Result<V, JobError>) -> Entry {
        let started = Instant::now();
        let mut entry = Entry::of(&candidate);
        let work = async { self.process(&video?, &mut entry).await };
        let done = within(self.timeout, work).await;
        if let Err(error) = done {
            entry.failed(&error);
        }
        entry.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        entry
    }

    async fn process<V: VideoSource>(&self, video: &V, entry: &mut Entry) -> Result<(), JobError> {
        if self.dry_run || self.only_missing {
            let state = self.job.state(video).await?;
            entry.state = Some(state);
            let wanted = if self.only_missing { state.is_missing() } else { !state.is_done() };
            if !wanted {
                entry.result = if state.is_done() { Outcome::Unchanged } else { Outcome::Present };
                return Ok(());
            }
            if self.dry_run {
                entry.result = Outcome::Wanted;
                return Ok(());
            }
        }
        let report = self.job.process(video).await?;
        entry.result = match report.status {
            Status::Processed => Outcome::Processed,
            Status::Unchanged => Outcome::Unchanged,
            Status::Skipped => Outcome::Skipped { reason: report.reason.clone() },
        };
        entry.take(&report);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Parser as _;

    use super::super::arguments::{Arguments, Command};
    use super::super::catalogue::CatalogueKind;
    use super::*;
    use crate::OpenOptions;
    use crate::cage::{MediaOpener, OpenMedia};
    use crate::process::{ReadProgress, SourceVersion};

    #[derive(Clone)]
    struct Panicking(String);

    impl VideoSource for Panicking {
        fn key(&self) -> &str {
            &self.0
        }

        fn url(&self) -> &str {
            "file:///nowhere"
        }

        async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
            assert!(!self.0.contains("panics"), "as it was told");
            Ok(None)
        }

        fn open(
            &self,
            _: Option<&SourceVersion>,
            _: &OpenOptions,
            _: &MediaOpener,
            _: &Arc<ReadProgress>,
        ) -> Result<Option<OpenMedia>, JobError> {
            Ok(None)
        }
    }

    #[test]
    fn a_panic_is_the_failure_of_one_video() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let (journal, report) = (folder.path().join("journal"), folder.path().join("report"));
        std::fs::create_dir(folder.path().join("videos"))?;
        for name in ["1_a.mp4", "2_panics.mp4", "3_c.mp4"] {
            std::fs::write(folder.path().join("videos").join(name), b"x")?;
        }
        let words = ["posterframe", "backfill", ".", "--json", "--journal"].map(OsString::from);
        let files = [journal.as_os_str().to_owned(), "--report".into(), report.as_os_str().to_owned()];
        let Command::Backfill(arguments) = Arguments::try_parse_from(words.into_iter().chain(files))?.command
        else {
            return Err("another command".into());
        };
        let mut settings = Settings::read(CatalogueKind::Sqlite)?;
        settings.config = settings.config.with_store_dir(folder.path());
        let store = FolderStore::at(folder.path())?;
        let video = |_: &FolderStore, key: &str| Ok(Panicking(key.to_owned()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let filled = fill(arguments, settings, store, String::new(), video, CancelToken::default());
        assert!(runtime.block_on(filled).is_err());
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report)?)?;
        assert_eq!((&report["complete"], &report["counts"]["failed"]), (&true.into(), &3.into()), "{report}");
        let panicked = &report["failures"][1];
        assert_eq!(
            (&panicked["key"], &panicked["kind"]),
            (&"videos/2_panics.mp4".into(), &"internal".into())
        );
        Ok(())
    }
}

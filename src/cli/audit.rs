//! `posterframe audit`: reports missing, duplicate and outdated thumbnails and rows of the videos under a prefix. Writes nothing.
//!
//! The listing and the rows arrive in key order and are merged, a thousand objects at a time. `rows` brings the rows into this order.
//! `record` stores the findings, and the position from which an interrupted audit resumes. Memory use does not grow with the number of
//! objects or rows.

mod finding;
mod record;
mod rows;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use tokio::task::{Id, JoinError, JoinSet};

use super::arguments::{AuditArguments, open_options};
use super::backfill::line_of_key;
use super::catalogue::{Catalogue, Settings};
use super::interrupt::interrupted;
use super::output::{self, Failure, Table};
use super::place::{Place, is_other_file, no_videos, other_files, shown};
use super::progress::{self, Messages};
use crate::cage::MediaOpener;
use crate::catalog::AssetRow;
use crate::job_error::JobError;
use crate::object_name::KeyRules;
use crate::process::{
    ExistingContents, Job, LocalVideo, PosterAt, RemoteVideo, RowState, Target, ThumbnailState, VideoSource,
};
use crate::store::{FolderStore, ListObjects, ListedObject, ListingFault, S3Store, of_file};
use crate::{CancelToken, ErrorKind};
pub(super) use finding::FindingKind;
use record::{Finding, Position, Record};
use rows::{Row, Rows};

/// Maximum number of findings that are printed for people. The JSON contains all findings.
const SHOWN: usize = 30;
/// Number of objects after which the position is recorded.
const BATCH: usize = 1000;
/// Time limit of a request. An audit does no other work.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

pub(super) async fn run(arguments: AuditArguments, cancel: CancelToken) -> Result<(), Failure> {
    let audit = async {
        match Place::open(&arguments.place).await? {
            Place::Folder { settings, store, prefix } => {
                let video_prefix = settings.config.key_rules.video_prefix.clone();
                let video = move |store: &FolderStore, key: &str| {
                    LocalVideo::new(&store.root().join(key), store, &video_prefix)
                };
                look(&arguments, settings, store, &prefix, video, &cancel).await
            }
            Place::Bucket { settings, store, prefix } => {
                let reads_tag = settings.config.thumbnail.poster_at_tag;
                let video = move |store: &S3Store, key: &str| {
                    Ok(RemoteVideo::new(store, key)?.with_poster_at_tag(reads_tag))
                };
                look(&arguments, settings, store, &prefix, video, &cancel).await
            }
        }
    };
    let Audited { about, table, key_rules, rows, position, mut record } = tokio::select! {
        audit = audit => audit?,
        _ = interrupted(&cancel) => return Err(stopped(arguments.journal.as_deref()).into()),
    };
    let mut audit = Audit {
        about,
        videos: position.videos,
        other_files: position.other_files,
        video_suffixes: &key_rules.video_suffixes,
        rows,
        in_order: position.in_order,
        chosen: position.chosen,
        counts: BTreeMap::new(),
        findings: Findings { record: &record, only: &arguments.only },
    };
    for finding in audit.findings.read()? {
        *audit.counts.entry(finding?.kind.name()).or_default() += 1;
    }
    match &arguments.keys {
        Some(path) => audit.write_keys(path)?,
        None if arguments.json => output::print_json(&audit)?,
        None => audit.show(table)?,
    }
    if audit.videos == 0 {
        output::note(&no_videos(&key_rules));
    }
    let has_found = !audit.counts.is_empty();
    record.finish()?;
    if let Some(kind) = position.unreadable_kind() {
        let error = "some entries cannot be read; the others are audited";
        return Err(Failure::Answered(JobError::new(kind, error)));
    }
    match arguments.exit_code && has_found {
        true => Err(Failure::Found),
        false => Ok(()),
    }
}

/// Returns the error of an interrupted audit.
fn stopped(journal: Option<&Path>) -> JobError {
    let error = match journal {
        Some(path) => format!("interrupted; the same command resumes from {}", path.display()),
        None => "interrupted; with --journal FILE, the same command would resume".to_owned(),
    };
    JobError::new(ErrorKind::Cancelled, error)
}

async fn look<S, V>(
    arguments: &AuditArguments,
    settings: Settings,
    store: S,
    prefix: &str,
    video: impl Fn(&S, &str) -> Result<V, JobError> + Send + Sync,
    cancel: &CancelToken,
) -> Result<Audited, Failure>
where
    S: ListObjects + Clone + 'static,
    V: VideoSource,
{
    let about = format!("{}, catalogue {}", shown(&store, prefix), settings.name());
    let table = announce(arguments, &about)?;
    let (record, position) = Record::open(arguments.journal.as_deref(), &about, arguments.again)?;
    if let (Some(position), Some(path)) = (&position, &arguments.journal) {
        output::note(&format!("Journal {}: audited up to {}", path.display(), position.after));
    }
    progress::begin("reading the rows");
    let catalog = settings.read_only_catalogue().await?;
    let mut after = position.as_ref().map(|position| position.after.clone());
    let rows = Rows::read(&catalog, &store, prefix, after.as_deref()).await?;
    let key_rules = settings.config.key_rules.clone();
    let job = Job {
        store: store.clone(),
        catalog: catalog.clone(),
        key_rules: settings.config.key_rules,
        thumbnail: settings.config.thumbnail,
        storyboard: None,
        options: open_options(PATIENCE, cancel.clone()),
        existing_contents: ExistingContents::Keep,
        looks_first: true,
        decoders: None,
        opener: MediaOpener::default(),
    };
    let mut auditor = Auditor {
        job: Arc::new(job),
        jobs: arguments.jobs.get(),
        reads_choices: arguments.choices,
        rows,
        record,
        position: position.unwrap_or_default(),
        found: Vec::new(),
        handled: 0,
        running: Running::default(),
    };
    let messages = Messages::start("auditing");
    loop {
        let page = store.list(prefix, after.as_deref()).await?;
        output::progress(&messages, || format!("{} videos audited", auditor.position.videos));
        after.clone_from(&page.next);
        for listed in page.in_order() {
            match listed {
                Ok(object) => {
                    let video = video(&store, &object.key);
                    auditor.object(object, video).await?;
                }
                Err(fault) => auditor.fault(fault).await?,
            }
        }
        if after.is_none() {
            break;
        }
    }
    auditor.rows_before(None).await?;
    auditor.note().await?;
    catalog.close().await;
    let Auditor { rows, record, position, .. } = auditor;
    Ok(Audited { about, table, key_rules, rows: rows.count, position, record })
}

/// Announces the videos and the catalogue: as the title of the table, or as a note if standard output is for JSON or keys.
fn announce(arguments: &AuditArguments, about: &str) -> Result<Table, Failure> {
    let mut table = Table::default();
    if arguments.json || arguments.keys.is_some() {
        output::note(&format!("Videos {about}"));
        return Ok(table);
    }
    table.title(about);
    table.print_and_continue()
}

/// The result of a finished audit.
struct Audited {
    about: String,
    /// The table for people, whose title is already printed.
    table: Table,
    key_rules: KeyRules,
    rows: u64,
    position: Position,
    record: Record,
}

/// A running audit. Objects and faults are passed to it in key order.
struct Auditor<S> {
    job: Arc<Job<S, Catalogue>>,
    jobs: usize,
    /// Whether the audit reads the time that people chose for each video.
    reads_choices: bool,
    rows: Rows,
    record: Record,
    /// The recorded position, plus progress since then. `unlisted` also contains folders that the audit has not passed yet.
    position: Position,
    /// Findings since the position was recorded.
    found: Vec<Finding>,
    /// Objects since the position was recorded.
    handled: usize,
    running: Running,
}

impl<S: ListObjects + Clone + 'static> Auditor<S> {
    /// Audits an object. Skips objects that are not videos of this job.
    async fn object<V: VideoSource>(
        &mut self,
        object: ListedObject,
        video: Result<V, JobError>,
    ) -> Result<(), Failure> {
        self.rows_before(Some(&object.key)).await?;
        let rows = self.rows.of(&object.key)?;
        let url = video.as_ref().ok().map(VideoSource::url);
        let (of_object, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| Some(row.url.as_str()) == url);
        self.rows_without_object(&object.key, others);
        let key = object.key.clone();
        // An object that is not a video of this job may have a row too. Its row is not reported, because the object exists.
        match self.job.key_rules.skip_reason(&key) {
            None => self.video(object, video, of_object).await,
            Some(reason) => self.position.other_files += u64::from(is_other_file(&reason, &key)),
        }
        self.passed(key).await
    }

    /// Starts the audit of a video, as soon as fewer than the maximum number are running.
    async fn video<V: VideoSource>(
        &mut self,
        object: ListedObject,
        video: Result<V, JobError>,
        rows: Vec<Row>,
    ) {
        self.position.videos += 1;
        let key = object.key.clone();
        match video.and_then(|video| Ok((self.job.target(&video)?, video))) {
            Err(error) => self.found.push(unusable(key, &error)),
            Ok((target, video)) => {
                while self.running.tasks.len() >= self.jobs {
                    self.take().await;
                }
                let rows = rows.into_iter().filter_map(Row::asset).collect();
                let job = Arc::clone(&self.job);
                let video = self.reads_choices.then_some(video);
                let task = async move { one(&job, object, (&target, video), rows).await };
                let task = self.running.tasks.spawn(task);
                self.running.keys.insert(task.id(), key);
            }
        }
    }

    /// Records a listing fault. An unreadable folder may contain videos. For a file, the name decides whether it is a video.
    async fn fault(&mut self, fault: ListingFault) -> Result<(), Failure> {
        let ListingFault { key, kind, message } = fault;
        // If the listing of a folder fails, each page with a part of the folder reports the fault again.
        if self.position.unlisted.contains(&key) {
            return Ok(());
        }
        self.rows_before(Some(&key)).await?;
        if key.ends_with('/') || self.job.key_rules.skip_reason(&key).is_none() {
            self.position.unlisted.push(key.clone());
            self.unreadable(key.clone(), kind, message);
        }
        self.passed(key).await
    }

    /// Reports the remaining rows of keys before `key`, or all remaining rows if `key` is `None`.
    async fn rows_before(&mut self, key: Option<&str>) -> Result<(), Failure> {
        while let Some((key, rows)) = self.rows.before(key)? {
            // The contents of a folder that could not be listed are unknown.
            let is_unlisted =
                |fault: &String| key == *fault || fault.ends_with('/') && key.starts_with(fault);
            if !self.position.unlisted.iter().any(is_unlisted) {
                self.rows_without_object(&key, rows);
                self.passed(key).await?;
            }
        }
        Ok(())
    }

    /// Reports rows of a key, one row per URL. Rows of keys that were never videos of this job belong to another program.
    fn rows_without_object(&mut self, key: &str, mut rows: Vec<Row>) {
        if self.job.key_rules.skip_reason(key).is_some() {
            return;
        }
        rows.sort_by(|a, b| a.url.cmp(&b.url));
        rows.dedup_by(|a, b| a.url == b.url);
        for row in rows {
            let (key, content_id) = (key.to_owned(), Some(row.content_id));
            let kind = FindingKind::RowWithoutObject;
            self.found.push(Finding { key, kind, content_id, message: None });
        }
    }

    fn unreadable(&mut self, key: String, kind: ErrorKind, message: String) {
        self.position.unreadable(kind);
        let (kind, message) = (FindingKind::Unreadable, Some(message));
        self.found.push(Finding { key, kind, content_id: None, message });
    }

    /// Waits for one object and takes its findings. An object that fails becomes a finding and does not stop the audit of the others.
    async fn take(&mut self) {
        let Some(done) = self.running.tasks.join_next_with_id().await else { return };
        let (key, found) = self.running.result(done);
        match found {
            Ok(Looked { findings, is_chosen }) => {
                self.position.in_order += u64::from(findings.is_empty());
                self.position.chosen += u64::from(is_chosen);
                self.found.extend(findings);
            }
            Err(error) => self.unreadable(key, error.kind(), error.to_string()),
        }
    }

    /// Records that all keys up to this key are audited or are being audited.
    async fn passed(&mut self, key: String) -> Result<(), Failure> {
        if key > self.position.after {
            self.position.after = key;
        }
        self.handled += 1;
        if self.handled >= BATCH { self.note().await } else { Ok(()) }
    }

    /// Waits for all running audits, and records the findings and the position.
    async fn note(&mut self) -> Result<(), Failure> {
        while !self.running.tasks.is_empty() {
            self.take().await;
        }
        let after = &self.position.after;
        self.position.unlisted.retain(|fault| after.starts_with(fault));
        self.found.sort_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
        self.record.note(&self.found, &self.position)?;
        self.found.clear();
        self.handled = 0;
        Ok(())
    }
}

/// The videos that are being audited.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Result<Looked, JobError>>,
    keys: HashMap<Id, String>,
}

impl Running {
    /// Returns the key and the result of a finished task. A panic counts as the failure of its own video only.
    fn result(
        &mut self,
        done: Result<(Id, Result<Looked, JobError>), JoinError>,
    ) -> (String, Result<Looked, JobError>) {
        let (id, found) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), Err(JobError::new(ErrorKind::Internal, error))),
        };
        (self.keys.remove(&id).unwrap_or_default(), found)
    }
}

/// The findings of one video.
struct Looked {
    findings: Vec<Finding>,
    /// Whether the thumbnail shows a time that people chose.
    is_chosen: bool,
}

/// Audits one video. With a `video`, also reads the time that people chose.
async fn one<S: ListObjects, V: VideoSource>(
    job: &Job<S, Catalogue>,
    object: ListedObject,
    (target, video): (&Target, Option<V>),
    rows: Vec<AssetRow>,
) -> Result<Looked, JobError> {
    let key = &target.thumbnail_key;
    let thumbnail = job.store.describe(key).await.map_err(|error| JobError::from(error).with_subject(key))?;
    // Some servers omit ETags from their listings.
    let etag = match object.etag.as_str().is_empty() {
        true => job.store.describe(&object.key).await?.map_or(object.etag, |object| object.etag),
        false => object.etag,
    };
    let mut kinds = Vec::new();
    let row = rows.iter().find(|row| Some(*row) != rows.first()).or(rows.first()).cloned();
    let content_id = row.as_ref().map(|row| i64::from(row.content_id.get()));
    let (choice, state) = match &video {
        Some(video) => {
            let look = video.head().await.map_err(|error| error.with_subject(&object.key))?;
            let choice = look.and_then(|look| look.poster_at);
            (choice, job.state_with_choice(target, &etag, row, thumbnail.as_ref(), choice))
        }
        None => (None, job.state_of(target, &etag, row, thumbnail.as_ref())),
    };
    match state.thumbnail {
        ThumbnailState::Missing => kinds.push(FindingKind::NoThumbnail),
        ThumbnailState::Unmarked => kinds.push(FindingKind::ForeignThumbnail),
        ThumbnailState::OtherVersion => kinds.push(FindingKind::OutdatedThumbnail),
        ThumbnailState::OtherTime => kinds.push(FindingKind::OtherTime),
        ThumbnailState::OtherSettings => kinds.push(FindingKind::OtherSettings),
        ThumbnailState::Pending => kinds.push(FindingKind::Pending),
        ThumbnailState::Current => {}
    }
    match state.row {
        RowState::Missing => kinds.push(FindingKind::NoRow),
        RowState::OtherContent => kinds.push(FindingKind::OtherContent),
        // The duration is stored in the thumbnail's metadata. Without them it is unknown.
        RowState::Differs if state.thumbnail == ThumbnailState::Current => {
            kinds.push(FindingKind::OutdatedRow);
        }
        RowState::Differs | RowState::Current => {}
    }
    if rows.len() > 1 {
        kinds.push(FindingKind::DuplicateRows);
    }
    let message = |kind| (kind == FindingKind::OtherTime).then(|| chosen(choice));
    let finding = |kind| Finding { key: object.key.clone(), kind, content_id, message: message(kind) };
    let is_chosen = state.chosen_by.is_some();
    Ok(Looked { findings: kinds.into_iter().map(finding).collect(), is_chosen })
}

/// Describes the time that people chose.
fn chosen(choice: Option<PosterAt>) -> String {
    choice.map_or_else(
        || "chosen: no time any more".to_owned(),
        |PosterAt { time, by, .. }| format!("chosen: {time}, by {}", by.as_str()),
    )
}

fn unusable(key: String, error: &JobError) -> Finding {
    let text = error.to_string();
    let message = text.strip_prefix(&format!("{key}: ")).unwrap_or(&text).to_owned();
    Finding { key, kind: FindingKind::UnusableName, content_id: None, message: Some(message) }
}

/// The JSON that `audit --json` prints.
#[derive(Serialize)]
struct Audit<'r> {
    about: String,
    videos: u64,
    /// Number of files under VIDEO_PREFIX that are no videos of this job, because their names have no video suffix.
    other_files: u64,
    /// The suffixes of videos (VIDEO_SUFFIXES).
    video_suffixes: &'r [String],
    rows: u64,
    /// Number of videos without findings.
    in_order: u64,
    /// Number of thumbnails that show a time that people chose.
    chosen: u64,
    counts: BTreeMap<String, u64>,
    findings: Findings<'r>,
}

/// The selected findings, in key order.
struct Findings<'r> {
    record: &'r Record,
    only: &'r [FindingKind],
}

impl Findings<'_> {
    fn read(&self) -> Result<impl Iterator<Item = Result<Finding, JobError>>, JobError> {
        let is_wanted = |finding: &Finding| self.only.is_empty() || self.only.contains(&finding.kind);
        Ok(self.record.findings()?.filter(move |finding| finding.as_ref().map_or(true, is_wanted)))
    }
}

impl Serialize for Findings<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for finding in self.read().map_err(S::Error::custom)? {
            list.serialize_element(&finding.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

impl Audit<'_> {
    fn show(&self, mut table: Table) -> Result<(), Failure> {
        table.row("videos", &self.videos.to_string());
        if self.other_files > 0 {
            let others = other_files(self.other_files, self.video_suffixes);
            table.row("other files", &others);
        }
        table.row("rows", &self.rows.to_string());
        table.row("in order", &self.in_order.to_string());
        if self.chosen > 0 {
            table.row("chosen time", &self.chosen.to_string());
        }
        for finding in self.findings.read()?.take(SHOWN) {
            let Finding { key, kind, message, .. } = finding?;
            let message = message.map(|message| format!(" ({message})")).unwrap_or_default();
            table.row("", &format!("{:20} {key}{message}", kind.name()));
        }
        let more = self.counts.values().sum::<u64>().saturating_sub(SHOWN as u64);
        if more > 0 {
            table.row("", &format!("and {more} more; --json lists all"));
        }
        for (name, count) in &self.counts {
            table.row("found", &format!("{count} {name}"));
        }
        table.print()
    }

    fn write_keys(&self, path: &Path) -> Result<(), Failure> {
        if path.as_os_str() == "-" {
            let mut stdout = BufWriter::new(io::stdout().lock());
            return self
                .keys_to(|line| output::written(stdout.write_all(line)))
                .map(drop)
                .and_then(|()| output::written(stdout.flush()));
        }
        let of_io = of_file(path);
        let mut file = BufWriter::new(File::create(path).map_err(of_io)?);
        let count = self.keys_to(|line| Ok(file.write_all(line).map_err(of_io)?))?;
        file.flush().map_err(of_io)?;
        output::note(&format!("{count} keys in {}", path.display()));
        Ok(())
    }

    /// Passes the lines of the keys that a back-fill fixes to `take`. Returns the number of lines.
    fn keys_to(&self, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<u64, Failure> {
        let (mut last, mut count) = (None, 0);
        for finding in self.findings.read()? {
            let Finding { key, kind, .. } = finding?;
            if kind.can_be_fixed() && last.as_ref() != Some(&key) {
                take((line_of_key(&key) + "\n").as_bytes())?;
                count += 1;
                last = Some(key);
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use clap::Parser as _;

    use super::super::arguments::{Arguments, Command};
    use super::super::catalogue::CatalogueKind;
    use super::*;
    use crate::store::{Condition, ETag, NewObject, ObjectDescription, Page, Store, StoreError};

    /// A folder that panics when it describes thumbnails whose key contains `panics`, and whose listing of `breaks-off/` fails.
    #[derive(Clone)]
    struct Odd(FolderStore);

    impl Store for Odd {
        fn bucket(&self) -> &str {
            self.0.bucket()
        }

        fn url(&self, key: &str) -> Result<String, StoreError> {
            self.0.url(key)
        }

        fn key_of(&self, url: &str) -> Option<String> {
            self.0.key_of(url)
        }

        async fn describe(&self, key: &str) -> Result<Option<ObjectDescription>, StoreError> {
            assert!(!key.contains("panics"), "as it was told");
            self.0.describe(key).await
        }

        async fn put(
            &self,
            key: &str,
            object: NewObject<'_>,
            condition: &Condition,
        ) -> Result<ETag, StoreError> {
            self.0.put(key, object, condition).await
        }
    }

    impl ListObjects for Odd {
        async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
            if prefix != "videos/breaks-off/" {
                return self.0.list(prefix, after).await;
            }
            let mut page = Page::default();
            let number = if after.is_some() { 2 } else { 1 };
            let (key, etag) = (format!("{prefix}{number}_a.mp4"), ETag::new("x"));
            page.next = after.is_none().then(|| key.clone());
            // A folder object, and a file that is no video.
            for name in ["0/", "0_notes.txt"].iter().filter(|_| number == 1) {
                let (key, etag) = (format!("{prefix}{name}"), etag.clone());
                page.objects.push(ListedObject { key, etag, size: 0, modified: None });
            }
            page.objects.push(ListedObject { key, etag, size: 1, modified: None });
            let (key, kind) = (prefix.to_owned(), ErrorKind::Unavailable);
            page.faults.push(ListingFault { key, kind, message: "it breaks off".to_owned() });
            Ok(page)
        }
    }

    type Found = Vec<(String, FindingKind)>;

    /// Audits the folder under a prefix.
    fn audit(folder: &Path, prefix: &str) -> Result<(Found, Position), Box<dyn std::error::Error>> {
        let words = ["posterframe", "audit", "."].map(OsString::from);
        let Command::Audit(arguments) = Arguments::try_parse_from(words)?.command else {
            return Err("another command".into());
        };
        let mut settings = Settings::read(CatalogueKind::Sqlite)?;
        settings.config = settings.config.with_store_dir(folder);
        let store = Odd(FolderStore::at(folder)?);
        let video = |store: &Odd, key: &str| LocalVideo::new(&store.0.root().join(key), &store.0, "videos/");
        let cancel = CancelToken::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let audited = look(&arguments, settings, store, prefix, video, &cancel);
        let Ok(Audited { position, record, .. }) = runtime.block_on(audited) else {
            return Err("the audit has failed".into());
        };
        let findings = record.findings()?.collect::<Result<Vec<_>, _>>()?;
        Ok((findings.into_iter().map(|finding| (finding.key, finding.kind)).collect(), position))
    }

    #[test]
    fn a_folder_that_breaks_off_on_every_page_is_one_finding() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("videos/breaks-off"))?;
        let (found, position) = audit(folder.path(), "videos/breaks-off/")?;
        let unreadable = found.iter().filter(|(_, kind)| *kind == FindingKind::Unreadable).count();
        assert_eq!((unreadable, position.videos, position.other_files), (1, 2, 1), "{found:?}");
        assert_eq!(position.after, "videos/breaks-off/2_a.mp4");
        assert_eq!(position.unlisted, ["videos/breaks-off/"]);
        Ok(())
    }

    #[test]
    fn a_panic_is_one_video_that_cannot_be_looked_at() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("videos"))?;
        for name in ["1_a.mp4", "2_panics.mp4", "3_c.mp4"] {
            fs::write(folder.path().join("videos").join(name), b"x")?;
        }
        let (found, position) = audit(folder.path(), "")?;
        let found: Vec<_> = found.iter().map(|(key, kind)| (key.as_str(), *kind)).collect();
        let expected = [
            ("videos/1_a.mp4", FindingKind::NoThumbnail),
            ("videos/1_a.mp4", FindingKind::NoRow),
            ("videos/2_panics.mp4", FindingKind::Unreadable),
            ("videos/3_c.mp4", FindingKind::NoThumbnail),
            ("videos/3_c.mp4", FindingKind::NoRow),
        ];
        assert_eq!(found, expected);
        assert_eq!((position.videos, position.unreadable_kind()), (3, Some(ErrorKind::Internal)));
        Ok(())
    }
}

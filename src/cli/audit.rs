//! `posterframe audit`: what of the videos under a prefix is missing, doubled or out of date. Nothing is written.

mod finding;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::task::{Id, JoinSet};

use super::arguments::{AuditArguments, open_options};
use super::backfill::line_of_key;
use super::catalogue::{Catalogue, Settings};
use super::interrupt::interrupted;
use super::output::{self, Failure, Table};
use super::place::{Place, shown};
use crate::cage::Opener;
use crate::catalog::{AssetRow, ListRows as _};
use crate::job_error::JobError;
use crate::object_name::KeyRules;
use crate::process::{
    ExistingContents, Job, LocalVideo, RemoteVideo, RowStanding, Target, ThumbnailStanding, VideoSource,
};
use crate::store::{FolderStore, ListObjects, ListedObject, S3Store, of_file};
use crate::{CancelToken, ErrorKind};
pub(super) use finding::FindingKind;

/// Rows that are read at a time.
const ROWS: u32 = 5000;
/// Findings that are shown to people one by one; the JSON has all.
const SHOWN: usize = 30;
/// How long a request may take; nothing else is done here.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What was found of one video.
#[derive(Debug, Serialize)]
struct Finding {
    /// The key, or the URL of a row whose object is not there.
    key: String,
    kind: FindingKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// What `audit --json` prints.
#[derive(Debug, Default, Serialize)]
struct Audit {
    about: String,
    videos: u64,
    rows: u64,
    /// Videos of which nothing is to be said.
    in_order: u64,
    counts: BTreeMap<String, u64>,
    findings: Vec<Finding>,
    /// Why something cannot be looked at: one that may pass, if there is one.
    #[serde(skip)]
    unreadable: Option<ErrorKind>,
}

/// Rows by the URLs of their videos.
type Rows = HashMap<String, Vec<AssetRow>>;

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
                let video = |store: &S3Store, key: &str| RemoteVideo::new(store, key);
                look(&arguments, settings, store, &prefix, video, &cancel).await
            }
        }
    };
    let audit = tokio::select! {
        audit = audit => audit?,
        error = interrupted(&cancel) => return Err(error.into()),
    };
    match &arguments.keys {
        Some(path) => audit.write_keys(path)?,
        None if arguments.json => output::print_json(&audit)?,
        None => audit.show()?,
    }
    if let Some(kind) = audit.unreadable {
        let error = "some of it cannot be looked at; the rest is audited";
        return Err(Failure::Answered(JobError::new(kind, error)));
    }
    match arguments.exit_code && !audit.findings.is_empty() {
        true => Err(Failure::Found),
        false => Ok(()),
    }
}

async fn look<S, V>(
    arguments: &AuditArguments,
    settings: Settings,
    store: S,
    prefix: &str,
    video: impl Fn(&S, &str) -> Result<V, JobError> + Send + Sync,
    cancel: &CancelToken,
) -> Result<Audit, Failure>
where
    S: ListObjects + Clone + 'static,
    V: VideoSource,
{
    let about = format!("{}, catalogue {}", shown(&store, prefix), settings.name());
    output::note(&format!("Videos {about}"));
    let catalog = settings.read_only_catalogue().await?;
    let key_rules = settings.config.key_rules.clone();
    let mut audit = Audit { about, ..Audit::default() };
    let mut rows = rows(&catalog, &shown(&store, prefix), &mut audit).await?;
    let job = Arc::new(Job {
        store: store.clone(),
        catalog: catalog.clone(),
        key_rules: settings.config.key_rules,
        thumbnail: settings.config.thumbnail,
        options: open_options(PATIENCE, cancel.clone()),
        existing_contents: ExistingContents::Keep,
        looks_first: true,
        decoders: None,
        opener: Opener::default(),
    });
    let mut running = Running::default();
    let mut unlisted = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(prefix, after.as_deref()).await?;
        after = page.objects.last().map(|object| object.key.clone());
        for fault in page.faults {
            // What lies in an unreadable folder may be a video; of a file, the name tells.
            if fault.key.ends_with('/') || key_rules.skip_reason(&fault.key).is_none() {
                unlisted.push(fault.key.clone());
                audit.unreadable(fault.key, fault.kind, fault.message);
            }
        }
        for object in page.objects {
            let video = video(&store, &object.key);
            // What is no video of the job's may have a row all the same, and is there.
            let of_object =
                video.as_ref().ok().and_then(|video| rows.remove(video.url())).unwrap_or_default();
            if key_rules.skip_reason(&object.key).is_some() {
                continue;
            }
            audit.videos += 1;
            match video.and_then(|video| job.target(&video)) {
                Err(error) => audit.unusable(object.key, &error),
                Ok(target) => {
                    while running.tasks.len() >= arguments.jobs.get() {
                        running.take(&mut audit).await;
                    }
                    let (job, key) = (Arc::clone(&job), object.key.clone());
                    let task =
                        running.tasks.spawn(async move { one(&job, object, &target, of_object).await });
                    running.keys.insert(task.id(), key);
                }
            }
        }
        if !page.more || after.is_none() {
            break;
        }
    }
    while !running.tasks.is_empty() {
        running.take(&mut audit).await;
    }
    // Nobody knows what is in there.
    let is_unlisted = |key: &str| {
        unlisted.iter().any(|fault| key == fault || fault.ends_with('/') && key.starts_with(fault))
    };
    rows.retain(|url, _| !store.key_of(url).is_some_and(|key| is_unlisted(&key)));
    audit.rows_without_objects(rows, &key_rules, &store);
    catalog.close().await;
    audit.finish(&arguments.only);
    Ok(audit)
}

/// All rows whose videos are under this URL.
async fn rows(catalog: &Catalogue, url: &str, audit: &mut Audit) -> Result<Rows, Failure> {
    let mut rows = Rows::new();
    let mut after = 0;
    loop {
        let listed = catalog.list_rows(after, ROWS).await?;
        let Some(last) = listed.last() else { return Ok(rows) };
        after = last.id;
        for row in listed.into_iter().filter(|row| row.video_url.starts_with(url)) {
            audit.rows += 1;
            rows.entry(row.video_url).or_default().push(row.row);
        }
    }
}

/// Videos that are looked at.
#[derive(Default)]
struct Running {
    tasks: JoinSet<Result<Vec<Finding>, JobError>>,
    keys: HashMap<Id, String>,
}

impl Running {
    /// Waits for one of them, and takes what it says. One that fails is a finding, and keeps no other from being looked at.
    async fn take(&mut self, audit: &mut Audit) {
        let Some(done) = self.tasks.join_next_with_id().await else { return };
        let (id, found) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), Err(JobError::new(ErrorKind::Internal, error))),
        };
        let key = self.keys.remove(&id).unwrap_or_default();
        match found {
            Ok(findings) => {
                audit.in_order += u64::from(findings.is_empty());
                audit.findings.extend(findings);
            }
            Err(error) => audit.unreadable(key, error.kind(), error.to_string()),
        }
    }
}

/// What is to be said of one video.
async fn one<S: ListObjects>(
    job: &Job<S, Catalogue>,
    object: ListedObject,
    target: &Target,
    rows: Vec<AssetRow>,
) -> Result<Vec<Finding>, JobError> {
    let key = &target.thumbnail_key;
    let thumbnail = job.store.describe(key).await.map_err(|error| JobError::from(error).about(key))?;
    // Not every server tells ETags in its listings.
    let etag = match object.etag.as_str().is_empty() {
        true => job.store.describe(&object.key).await?.map_or(object.etag, |object| object.etag),
        false => object.etag,
    };
    let mut kinds = Vec::new();
    let row = rows.iter().find(|row| Some(*row) != rows.first()).or(rows.first()).cloned();
    let content_id = row.as_ref().map(|row| i64::from(row.content_id.get()));
    let standing = job.standing_of(target, &etag, row, thumbnail.as_ref());
    match standing.thumbnail {
        ThumbnailStanding::Missing => kinds.push(FindingKind::NoThumbnail),
        ThumbnailStanding::Unmarked => kinds.push(FindingKind::ForeignThumbnail),
        ThumbnailStanding::OtherVersion => kinds.push(FindingKind::OutdatedThumbnail),
        ThumbnailStanding::OtherSettings => kinds.push(FindingKind::OtherSettings),
        ThumbnailStanding::Pending => kinds.push(FindingKind::Pending),
        ThumbnailStanding::Current => {}
    }
    match standing.row {
        RowStanding::Missing => kinds.push(FindingKind::NoRow),
        RowStanding::OtherContent => kinds.push(FindingKind::OtherContent),
        // Without the notes of a thumbnail nobody knows the duration.
        RowStanding::Differs if standing.thumbnail == ThumbnailStanding::Current => {
            kinds.push(FindingKind::OutdatedRow);
        }
        RowStanding::Differs | RowStanding::Current => {}
    }
    if rows.len() > 1 {
        kinds.push(FindingKind::Doubles);
    }
    let finding = |kind| Finding { key: object.key.clone(), kind, content_id, message: None };
    Ok(kinds.into_iter().map(finding).collect())
}

impl Audit {
    fn unusable(&mut self, key: String, error: &JobError) {
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{key}: ")).unwrap_or(&text).to_owned();
        let kind = FindingKind::UnusableName;
        self.findings.push(Finding { key, kind, content_id: None, message: Some(message) });
    }

    fn unreadable(&mut self, key: String, kind: ErrorKind, message: String) {
        if self.unreadable.is_none_or(|known| !known.is_retryable()) {
            self.unreadable = Some(kind);
        }
        let message = Some(message);
        self.findings.push(Finding { key, kind: FindingKind::Unreadable, content_id: None, message });
    }

    /// What is left has no object. Rows of what was never a video of the job's are somebody else's.
    fn rows_without_objects<S: ListObjects>(&mut self, rows: Rows, key_rules: &KeyRules, store: &S) {
        let left = rows.into_iter().filter_map(|(url, rows)| Some((store.key_of(&url)?, rows)));
        for (key, rows) in left.filter(|(key, _)| key_rules.skip_reason(key).is_none()) {
            let content_id = rows.first().map(|row| i64::from(row.content_id.get()));
            let kind = FindingKind::RowWithoutObject;
            self.findings.push(Finding { key, kind, content_id, message: None });
        }
    }

    fn finish(&mut self, only: &[FindingKind]) {
        self.findings.retain(|finding| only.is_empty() || only.contains(&finding.kind));
        self.findings.sort_by(|a, b| (&a.key, a.kind).cmp(&(&b.key, b.kind)));
        for finding in &self.findings {
            *self.counts.entry(finding.kind.name()).or_default() += 1;
        }
    }

    fn show(&self) -> Result<(), Failure> {
        let mut table = Table::default();
        table.title(&self.about);
        table.row("videos", &self.videos.to_string());
        table.row("rows", &self.rows.to_string());
        table.row("in order", &self.in_order.to_string());
        for finding in self.findings.iter().take(SHOWN) {
            let message = finding.message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default();
            table.row("", &format!("{:20} {}{message}", finding.kind.name(), finding.key));
        }
        if self.findings.len() > SHOWN {
            table.row("", &format!("and {} more; --json has all", self.findings.len() - SHOWN));
        }
        for (name, count) in &self.counts {
            table.row("found", &format!("{count} {name}"));
        }
        table.print()
    }

    fn write_keys(&self, path: &Path) -> Result<(), Failure> {
        let mendable = self.findings.iter().filter(|finding| finding.kind.can_be_mended());
        let mut keys: Vec<_> = mendable.map(|finding| finding.key.as_str()).collect();
        keys.dedup();
        let text: String = keys.iter().map(|key| line_of_key(key) + "\n").collect();
        if path.as_os_str() == "-" {
            return output::print_bytes(text.as_bytes());
        }
        fs::write(path, text).map_err(of_file(path))?;
        output::note(&format!("{} keys in {}", keys.len(), path.display()));
        Ok(())
    }
}

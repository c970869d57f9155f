//! The result of a back-fill, as JSON and for people. Its lists are read from the journal while they are written.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::super::output::{self, Failure, Table};
use super::super::place::other_files;
use super::journal::{Entries, Entry};
use super::outcome::Outcome;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::store::of_file;

/// Maximum number of failures that are printed for people. The JSON contains all failures.
const SHOWN: usize = 20;
/// Number of lines for people that are printed at a time.
const LINES: usize = 1000;

/// The JSON that `backfill --json` prints and `--report` writes.
#[derive(Serialize)]
pub(super) struct Report<'e> {
    pub(super) about: String,
    /// Whether all objects were processed.
    complete: bool,
    dry_run: bool,
    /// Number of objects by outcome.
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// Number of listed files under VIDEO_PREFIX that are no videos of this job, because their names have no video suffix.
    other_files: u64,
    /// The suffixes of videos (VIDEO_SUFFIXES).
    video_suffixes: Vec<String>,
    bytes_fetched: u64,
    requests: u64,
    /// Number of failures by error kind, the most frequent kind first.
    #[serde(serialize_with = "in_order")]
    failures_by_kind: BTreeMap<String, u64>,
    failures: List<'e, FailedObject>,
    /// Keys that were named but are not videos of this job.
    #[serde(skip_serializing_if = "List::is_empty")]
    skipped: List<'e, SkippedObject>,
    /// Keys that would be processed without `--dry-run`.
    #[serde(skip_serializing_if = "List::is_empty")]
    wanted: List<'e, String>,
    /// Error kinds of the first failure and of the first retryable failure.
    #[serde(skip)]
    first: [Option<String>; 2],
    /// Whether no object is left for another run.
    #[serde(skip)]
    pub(super) is_done: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct FailedObject {
    pub(super) key: String,
    pub(super) kind: String,
    permanent: bool,
    pub(super) message: String,
}

#[derive(Debug, Serialize)]
struct SkippedObject {
    key: String,
    reason: String,
}

/// A part of the entries, in key order.
pub(super) struct List<'e, T> {
    entries: &'e Entries,
    length: u64,
    of: fn(&Entry) -> Option<T>,
}

impl<'e, T> List<'e, T> {
    fn new(entries: &'e Entries, of: fn(&Entry) -> Option<T>) -> Self {
        Self { entries, length: 0, of }
    }

    fn count(&mut self, entry: &Entry) {
        self.length += u64::from((self.of)(entry).is_some());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn read(&self) -> Result<impl Iterator<Item = Result<T, JobError>>, JobError> {
        let of = self.of;
        Ok(self.entries.read()?.filter_map(move |entry| entry.map(|entry| of(&entry)).transpose()))
    }
}

impl<T: Serialize> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for item in self.read().map_err(S::Error::custom)? {
            list.serialize_element(&item.map_err(S::Error::custom)?)?;
        }
        list.end()
    }
}

/// Returns the kinds of failures and their numbers: the most frequent kind first, and kinds with the same number by name.
fn most_frequent_first(by_kind: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut kinds: Vec<_> = by_kind.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    kinds.sort_by_key(|(_, count)| Reverse(*count));
    kinds
}

fn in_order<S: Serializer>(by_kind: &BTreeMap<String, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(most_frequent_first(by_kind))
}

fn failed(entry: &Entry) -> Option<FailedObject> {
    match &entry.result {
        Outcome::Failed { kind, permanent, message } => {
            let (key, kind, message) = (entry.key.clone(), kind.clone(), message.clone());
            Some(FailedObject { key, kind, permanent: *permanent, message })
        }
        _ => None,
    }
}

fn skipped(entry: &Entry) -> Option<SkippedObject> {
    match &entry.result {
        Outcome::Skipped { reason: Some(reason) } => {
            Some(SkippedObject { key: entry.key.clone(), reason: reason.clone() })
        }
        _ => None,
    }
}

fn wanted(entry: &Entry) -> Option<String> {
    matches!(entry.result, Outcome::Wanted).then(|| entry.key.clone())
}

impl<'e> Report<'e> {
    pub(super) fn of(
        about: &str,
        entries: &'e Entries,
        complete: bool,
        dry_run: bool,
    ) -> Result<Self, JobError> {
        let mut report = Self {
            about: about.to_owned(),
            complete,
            dry_run,
            counts: BTreeMap::new(),
            other_files: 0,
            video_suffixes: Vec::new(),
            bytes_fetched: 0,
            requests: 0,
            failures_by_kind: BTreeMap::new(),
            failures: List::new(entries, failed),
            skipped: List::new(entries, skipped),
            wanted: List::new(entries, wanted),
            first: [None, None],
            is_done: true,
        };
        for entry in entries.read()? {
            report.add(&entry?);
        }
        Ok(report)
    }

    pub(super) fn with_other_files(self, other_files: u64, video_suffixes: Vec<String>) -> Self {
        Self { other_files, video_suffixes, ..self }
    }

    fn add(&mut self, entry: &Entry) {
        self.bytes_fetched += entry.bytes_fetched;
        self.requests += entry.requests;
        *self.counts.entry(word(&entry.result)).or_default() += 1;
        self.failures.count(entry);
        self.skipped.count(entry);
        self.wanted.count(entry);
        self.is_done &= entry.is_done();
        if let Outcome::Failed { kind, permanent, .. } = &entry.result {
            *self.failures_by_kind.entry(kind.clone()).or_default() += 1;
            let [first, passing] = &mut self.first;
            first.get_or_insert_with(|| kind.clone());
            if !permanent {
                passing.get_or_insert_with(|| kind.clone());
            }
        }
    }

    pub(super) fn failures(&self) -> &List<'e, FailedObject> {
        &self.failures
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), JobError> {
        let mut file = BufWriter::new(File::create(path).map_err(of_file(path))?);
        serde_json::to_writer_pretty(&mut file, self)
            .map_err(std::io::Error::from)
            .and_then(|()| file.into_inner().map(drop).map_err(std::io::IntoInnerError::into_error))
            .map_err(of_file(path))
    }

    pub(super) fn show(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        let mut table = Table::default();
        table.title(match (self.complete, self.dry_run) {
            (true, false) => "Done",
            (true, true) => "Dry run",
            (false, _) => "Incomplete",
        });
        for (word, count) in &self.counts {
            table.row(word, &count.to_string());
        }
        if self.other_files > 0 {
            table.row("other files", &other_files(self.other_files, &self.video_suffixes));
        }
        let kinds = most_frequent_first(&self.failures_by_kind);
        if kinds.len() > 1 {
            let kinds = kinds.iter().map(|(kind, count)| format!("{count} {kind}"));
            table.row("failures", &kinds.collect::<Vec<_>>().join(", "));
        }
        if self.requests > 0 {
            let read = format!("{} in {} requests", output::bytes(self.bytes_fetched), self.requests);
            table.row("read", &read);
        }
        let more = |table: &mut Table, length: u64| {
            let shown = SHOWN as u64;
            if length > shown {
                table.row("", &format!("and {} more; --report FILE lists all", length - shown));
            }
        };
        for failed in self.failures.read()?.take(SHOWN) {
            let failed = failed?;
            table.row(&failed.kind, &format!("{}: {}", failed.key, failed.message));
        }
        more(&mut table, self.failures.length);
        for skipped in self.skipped.read()?.take(SHOWN) {
            let skipped = skipped?;
            table.row("skipped", &format!("{}: {}", skipped.key, skipped.reason));
        }
        more(&mut table, self.skipped.length);
        let mut wanted = self.wanted.read()?.peekable();
        while wanted.peek().is_some() {
            for key in wanted.by_ref().take(LINES) {
                table.row("wanted", &key?);
            }
            table = table.print_and_continue()?;
        }
        table.print()
    }

    /// Returns the failure that determines the exit code: the first retryable failure, or else the first failure.
    pub(super) fn failure(&self) -> Option<JobError> {
        let [first, passing] = &self.first;
        let kind = passing.as_ref().or(first.as_ref())?;
        let kind = ErrorKind::from_name(kind).unwrap_or(ErrorKind::Internal);
        Some(JobError::new(
            kind,
            match self.failures.length {
                1 => "1 video failed".to_owned(),
                count => format!("{count} videos failed"),
            },
        ))
    }
}

/// Returns the word for an outcome in the journal.
pub(super) const fn word(result: &Outcome) -> &'static str {
    match result {
        Outcome::Processed => "processed",
        Outcome::Unchanged => "unchanged",
        Outcome::Present => "present",
        Outcome::Wanted => "wanted",
        Outcome::Skipped { .. } => "skipped",
        Outcome::Failed { .. } => "failed",
    }
}

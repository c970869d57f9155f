//! What came of a back-fill, as JSON and for people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::super::output::{self, Failure, Table};
use super::journal::{Entry, Journal};
use super::outcome::Outcome;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::store::of_file;

/// Failures that are shown to people one by one; the JSON has all.
const SHOWN: usize = 20;

/// What `backfill --json` prints, and `--report` writes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) about: String,
    /// Whether all objects were worked on.
    complete: bool,
    dry_run: bool,
    /// Objects by what came of them.
    pub(super) counts: BTreeMap<&'static str, u64>,
    bytes_fetched: u64,
    requests: u64,
    /// The most common reasons first.
    failures_by_kind: BTreeMap<String, u64>,
    pub(super) failures: Vec<FailedObject>,
    /// Keys that are none of the job's, although somebody named them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<SkippedObject>,
    /// Keys that would be processed, with `--dry-run`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wanted: Vec<String>,
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

impl Report {
    pub(super) fn of(about: &str, journal: &Journal, complete: bool, dry_run: bool) -> Self {
        let mut report = Self {
            about: about.to_owned(),
            complete,
            dry_run,
            counts: BTreeMap::new(),
            bytes_fetched: 0,
            requests: 0,
            failures_by_kind: BTreeMap::new(),
            failures: Vec::new(),
            skipped: Vec::new(),
            wanted: Vec::new(),
        };
        for entry in journal.entries() {
            report.add(entry);
        }
        report
    }

    fn add(&mut self, entry: &Entry) {
        self.bytes_fetched += entry.bytes_fetched;
        self.requests += entry.requests;
        *self.counts.entry(word(&entry.result)).or_default() += 1;
        match &entry.result {
            Outcome::Failed { kind, permanent, message } => {
                *self.failures_by_kind.entry(kind.clone()).or_default() += 1;
                self.failures.push(FailedObject {
                    key: entry.key.clone(),
                    kind: kind.clone(),
                    permanent: *permanent,
                    message: message.clone(),
                });
            }
            Outcome::Skipped { reason: Some(reason) } => {
                self.skipped.push(SkippedObject { key: entry.key.clone(), reason: reason.clone() });
            }
            Outcome::Wanted => self.wanted.push(entry.key.clone()),
            _ => {}
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), JobError> {
        let json =
            serde_json::to_vec_pretty(self).map_err(|error| JobError::new(ErrorKind::Internal, error))?;
        fs::write(path, json).map_err(of_file(path))
    }

    pub(super) fn show(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        let mut table = Table::default();
        table.title(match (self.complete, self.dry_run) {
            (true, false) => "Done",
            (true, true) => "What would be done",
            (false, _) => "Not all of it is done",
        });
        for (word, count) in &self.counts {
            table.row(word, &count.to_string());
        }
        if self.requests > 0 {
            let read = format!("{} in {} requests", output::bytes(self.bytes_fetched), self.requests);
            table.row("read", &read);
        }
        for failed in self.failures.iter().take(SHOWN) {
            table.row(&failed.kind, &format!("{}: {}", failed.key, failed.message));
        }
        if self.failures.len() > SHOWN {
            table.row("", &format!("and {} more; --report FILE has all", self.failures.len() - SHOWN));
        }
        for skipped in self.skipped.iter().take(SHOWN) {
            table.row("skipped", &format!("{}: {}", skipped.key, skipped.reason));
        }
        if self.skipped.len() > SHOWN {
            table.row("", &format!("and {} more; --report FILE has all", self.skipped.len() - SHOWN));
        }
        for key in &self.wanted {
            table.row("wanted", key);
        }
        table.print()
    }

    /// The failure that the exit code tells: the first that may pass, else the first.
    pub(super) fn failure(&self) -> Option<JobError> {
        let passing = self.failures.iter().find(|failed| !failed.permanent);
        let failed = passing.or_else(|| self.failures.first())?;
        let kind = ErrorKind::from_name(&failed.kind).unwrap_or(ErrorKind::Internal);
        Some(JobError::new(kind, format!("{} of them failed", self.failures.len())))
    }
}

/// The word of the journal.
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

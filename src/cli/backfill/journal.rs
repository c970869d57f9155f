//! The outcome of each object, as one JSON line, written as soon as the outcome is known.
//!
//! The file is a [journal](super::super::journal). A line that a crash has cut off is ignored: its object is processed again, which changes
//! nothing if the object was done. The entries are never all in memory. Code that needs them in order sorts them in temporary files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::journal::{Journal as JsonLines, Subject};
use super::super::sorter::{Sorted, Sorter, Values, last_of_each};
use super::candidate::Candidate;
use super::outcome::Outcome;
use crate::job_error::JobError;
use crate::process::{Report, VideoState};
use crate::store::ETag;

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<ETag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<VideoState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thumbnail_url: Option<String>,
    #[serde(default)]
    pub(super) bytes_fetched: u64,
    #[serde(default)]
    pub(super) requests: u64,
    #[serde(default)]
    pub(super) elapsed_ms: u64,
}

impl Entry {
    pub(super) fn of(candidate: &Candidate) -> Self {
        Self {
            key: candidate.key.clone(),
            result: candidate.refused.clone().unwrap_or(Outcome::Skipped { reason: None }),
            etag: candidate.etag.clone(),
            size: candidate.size,
            state: None,
            content_id: None,
            duration: None,
            thumbnail_url: None,
            bytes_fetched: 0,
            requests: 0,
            elapsed_ms: 0,
        }
    }

    pub(super) fn failed(&mut self, error: &JobError) {
        let text = error.to_string();
        let prefix = format!("{}: ", self.key);
        self.result = Outcome::failed(error.kind(), text.strip_prefix(&prefix).unwrap_or(&text));
    }

    pub(super) fn take(&mut self, report: &Report) {
        self.content_id = report.content_id.map(|id| i64::from(id.get()));
        self.duration = report.duration;
        self.thumbnail_url.clone_from(&report.thumbnail_url);
        self.bytes_fetched = report.ledger.bytes_fetched;
        self.requests = report.ledger.requests;
    }

    /// Returns whether the next run can skip the object. Retryable failures are retried.
    pub(super) fn is_done(&self) -> bool {
        !matches!(self.result, Outcome::Failed { permanent: false, .. })
    }
}

/// The known state of a key from an earlier run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Earlier {
    is_done: bool,
    etag: Option<ETag>,
}

/// The entries of a back-fill, in its file.
#[derive(Debug)]
pub(super) struct Journal {
    lines: JsonLines,
    earlier: Option<Sorted<Earlier>>,
    resumed: u64,
}

impl Journal {
    /// Creates a journal that is not kept.
    pub(super) fn temporary(about: &str) -> Result<Self, JobError> {
        Ok(Self { lines: JsonLines::temporary(subject(about))?, earlier: None, resumed: 0 })
    }

    /// Opens the journal of this back-fill, or creates it if it is missing. Starts it over if its run has finished or `again` is true.
    pub(super) fn open(path: &Path, about: &str, again: bool) -> Result<Self, JobError> {
        let mut sorter = Sorter::new();
        let line = |line: &str, _| match serde_json::from_str::<Entry>(line) {
            Ok(entry) => {
                let is_done = entry.is_done();
                sorter.push(&entry.key, &Earlier { is_done, etag: entry.etag })
            }
            Err(_) => Ok(()),
        };
        let (lines, is_new) = JsonLines::open(path, subject(about), again, line)?;
        let mut journal = Self { lines, earlier: None, resumed: 0 };
        if !is_new {
            let earlier = sorter.sorted()?;
            for entry in last_of_each(earlier.read()?) {
                journal.resumed += u64::from(entry?.1.is_done);
            }
            journal.earlier = Some(earlier);
        }
        Ok(journal)
    }

    /// Returns the number of objects that earlier runs have finished.
    pub(super) fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Returns the objects that earlier runs have finished.
    pub(super) fn done(&self) -> Result<Done, JobError> {
        let earlier = self.earlier.as_ref().filter(|_| self.resumed > 0);
        Done::new(earlier.map(Sorted::read).transpose()?)
    }

    pub(super) fn add(&mut self, entry: &Entry) -> Result<(), JobError> {
        self.lines.append(entry)
    }

    /// Records that the run has finished.
    pub(super) fn finish(&mut self) -> Result<(), JobError> {
        self.lines.finish()
    }

    /// Returns all entries in key order, including those of earlier runs. Of several entries of a key, the last one counts.
    pub(super) fn entries(&self) -> Result<Entries, JobError> {
        let mut sorter = Sorter::new();
        for line in self.lines.lines()? {
            if let Ok(entry) = serde_json::from_str::<Entry>(&line?.0) {
                sorter.push(&entry.key, &entry)?;
            }
        }
        Ok(Entries(sorter.sorted()?))
    }
}

fn subject(about: &str) -> Subject<'_> {
    Subject { command: "backfill", name: "back-fill", about }
}

/// Entries in key order, one per key.
#[derive(Debug)]
pub(super) struct Entries(Sorted<Entry>);

impl Entries {
    /// Reads all entries. Finish one iteration before you start another.
    pub(super) fn read(&self) -> Result<impl Iterator<Item = Result<Entry, JobError>> + use<>, JobError> {
        Ok(last_of_each(self.0.read()?).map(|entry| entry.map(|(_, entry)| entry)))
    }
}

/// The last entry of each key, in key order.
type EarlierEntries = Box<dyn Iterator<Item = Result<(String, Earlier), JobError>> + Send>;

/// The keys that are done. A listing checks its keys against them in key order.
pub(super) struct Done {
    rest: Option<EarlierEntries>,
    next: Option<(String, Earlier)>,
}

impl Done {
    fn new(earlier: Option<Values<Earlier>>) -> Result<Self, JobError> {
        let mut done = Self { rest: None, next: None };
        if let Some(earlier) = earlier {
            done.rest = Some(Box::new(last_of_each(earlier)));
            done.advance()?;
        }
        Ok(done)
    }

    /// Returns whether no key is done.
    pub(super) fn is_empty(&self) -> bool {
        self.next.is_none()
    }

    /// Returns whether this version of the object `key` is done, or any version if `etag` is `None`. Keys must be passed in order.
    pub(super) fn has(&mut self, key: &str, etag: Option<&ETag>) -> Result<bool, JobError> {
        while self.next.as_ref().is_some_and(|(next, _)| next.as_str() < key) {
            self.advance()?;
        }
        let of_key = self.next.as_ref().filter(|(next, earlier)| next == key && earlier.is_done);
        Ok(of_key.is_some_and(|(_, earlier)| {
            earlier.etag.is_none() || etag.is_none() || earlier.etag.as_ref() == etag
        }))
    }

    fn advance(&mut self) -> Result<(), JobError> {
        self.next = self.rest.as_mut().and_then(Iterator::next).transpose()?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;
    use crate::ErrorKind;

    pub(in super::super) fn entry(key: &str) -> Entry {
        let etag = Some(ETag::new("\"1\""));
        Entry::of(&Candidate { key: key.to_owned(), etag, size: Some(7), refused: None })
    }

    fn failed(key: &str, kind: ErrorKind) -> Entry {
        let mut entry = entry(key);
        entry.failed(&JobError::new(kind, "so it is").with_subject(key));
        entry
    }

    fn done(journal: &Journal) -> Result<String, JobError> {
        let (mut done, mut keys) = (journal.done()?, String::new());
        for key in ["a", "b", "c", "d", "e"] {
            if done.has(key, None)? {
                keys.push_str(key);
            }
        }
        Ok(keys)
    }

    #[test]
    fn goes_on_where_it_was_and_tries_passing_failures_again() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, "films", false)?;
        journal.add(&entry("a"))?;
        journal.add(&failed("b", ErrorKind::Malformed))?;
        journal.add(&failed("c", ErrorKind::Unavailable))?;
        // Two processes at once would write each other's lines twice.
        let second = Journal::open(&path, "films", false);
        assert!(second.is_err_and(|error| error.to_string().contains("another back-fill")));
        drop(journal);
        // A crash in the middle of a line.
        File::options().append(true).open(&path)?.write_all(b"{\"key\":\"d\",\"sta")?;
        let mut journal = Journal::open(&path, "films", false)?;
        assert_eq!((done(&journal)?.as_str(), journal.resumed()), ("ab", 2));
        // Another version of an object counts as another object.
        assert!(!journal.done()?.has("a", Some(&ETag::new("\"2\"")))?);
        assert!(journal.done()?.has("a", Some(&ETag::new("\"1\"")))?);
        journal.add(&entry("c"))?;
        journal.add(&entry("d"))?;
        let entries = journal.entries()?.read()?.collect::<Result<Vec<_>, _>>()?;
        let keys: String = entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!((keys.as_str(), entries.iter().all(Entry::is_done)), ("abcd", true));
        journal.finish()?;
        drop(journal);
        // The run has finished, so the next run processes everything.
        let journal = Journal::open(&path, "films", false)?;
        assert!(done(&journal)?.is_empty() && journal.done()?.is_empty());
        Ok(())
    }

    #[test]
    fn is_of_one_back_fill() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("journal");
        Journal::open(&path, "films", false)?.add(&entry("a"))?;
        let other = Journal::open(&path, "series", false);
        assert!(other.is_err_and(|error| error.to_string().contains("films")));
        assert!(done(&Journal::open(&path, "series", true)?)?.is_empty());
        std::fs::write(&path, "something else\n")?;
        let other = Journal::open(&path, "films", false);
        assert!(other.is_err_and(|error| error.kind() == ErrorKind::Config));
        assert_eq!(std::fs::read_to_string(&path)?, "something else\n");
        Ok(())
    }
}

//! What came of each object, a JSON line each, written as soon as it is known.
//!
//! The first line says what the back-fill is about. A line that was cut off by a crash is not read: its object is worked on again,
//! which changes nothing where it was done. A journal whose run came to its end is begun anew by the next.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::candidates::Candidate;
use super::outcome::Outcome;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::process::{Report, Standing};
use crate::store::{ETag, of_file};

/// A line.
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
    pub(super) standing: Option<Standing>,
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
            standing: None,
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

    /// Whether the next run has no more to do with it. Passing failures are tried again.
    fn is_done(&self) -> bool {
        !matches!(self.result, Outcome::Failed { permanent: false, .. })
    }
}

/// The first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Heading {
    posterframe_backfill: u32,
    about: String,
}

/// The last line of a run that came to its end.
#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    finished: bool,
}

const VERSION: u32 = 1;

/// The entries of a back-fill, in memory and in its file.
#[derive(Debug)]
pub(super) struct Journal {
    file: Option<(File, PathBuf)>,
    entries: BTreeMap<String, Entry>,
    resumed: usize,
}

impl Journal {
    /// One that is not kept.
    pub(super) fn none() -> Self {
        Self { file: None, entries: BTreeMap::new(), resumed: 0 }
    }

    /// Opens the journal of this back-fill, makes it where there is none, and begins it anew where its run has come to its end
    /// or `again` is wanted.
    pub(super) fn open(path: &Path, about: &str, again: bool) -> Result<Self, JobError> {
        let of_io = of_file(path);
        let refuse =
            |reason: &str| JobError::new(ErrorKind::Config, reason).about(path.display().to_string());
        let mut file = File::options().create(true).read(true).append(true).open(path).map_err(of_io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(refuse("another back-fill is at work with it; give this one another --journal"));
            }
            Err(TryLockError::Error(error)) => return Err(of_io(error)),
        }
        let heading = Heading { posterframe_backfill: VERSION, about: about.to_owned() };
        let mut entries = BTreeMap::new();
        let mut finished = again;
        let mut lines = BufReader::new(&file).lines();
        match lines.next().transpose().map_err(of_io)? {
            None => finished = true,
            Some(line) => match serde_json::from_str::<Heading>(&line) {
                Ok(found) if found == heading || again => {}
                Ok(found) => {
                    let reason =
                        format!("is of another back-fill ({}); give this one another --journal", found.about);
                    return Err(refuse(&reason));
                }
                Err(_) => return Err(refuse("is no journal of a back-fill; give another --journal")),
            },
        }
        for line in lines {
            let line = line.map_err(of_io)?;
            if let Ok(entry) = serde_json::from_str::<Entry>(&line) {
                entries.insert(entry.key.clone(), entry);
            } else if serde_json::from_str::<Finished>(&line).is_ok() {
                finished = true;
            }
        }
        if finished {
            entries.clear();
            file.set_len(0).map_err(of_io)?;
        }
        let ends_whole = file.seek(SeekFrom::End(-1)).is_err() || {
            let mut last = [0];
            io::Read::read_exact(&mut file, &mut last).map_err(of_io)?;
            last == *b"\n"
        };
        let resumed = entries.values().filter(|entry| entry.is_done()).count();
        let mut journal = Self { file: Some((file, path.to_owned())), entries, resumed };
        if !ends_whole {
            journal.write(b"\n")?;
        }
        if finished {
            journal.line(&heading)?;
        }
        Ok(journal)
    }

    /// How many were done before.
    pub(super) fn resumed(&self) -> usize {
        self.resumed
    }

    /// Keys that are done, and their versions.
    pub(super) fn done(&self) -> HashMap<String, Option<ETag>> {
        let done = self.entries.values().filter(|entry| entry.is_done());
        done.map(|entry| (entry.key.clone(), entry.etag.clone())).collect()
    }

    pub(super) fn add(&mut self, entry: Entry) -> Result<(), JobError> {
        self.line(&entry)?;
        self.entries.insert(entry.key.clone(), entry);
        Ok(())
    }

    /// Notes that the run came to its end.
    pub(super) fn finish(&mut self) -> Result<(), JobError> {
        // What may still be done better is left for the next run.
        match self.entries.values().all(Entry::is_done) {
            true => self.line(&Finished { finished: true }),
            false => Ok(()),
        }
    }

    /// In the order of their keys.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), JobError> {
        let mut line =
            serde_json::to_vec(value).map_err(|error| JobError::new(ErrorKind::Internal, error))?;
        line.push(b'\n');
        self.write(&line)
    }

    /// In one piece, so that a crash leaves at most one line unfinished.
    fn write(&mut self, bytes: &[u8]) -> Result<(), JobError> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(of_file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> Entry {
        let etag = Some(ETag::new("\"1\""));
        Entry::of(&Candidate { key: key.to_owned(), etag, size: Some(7), refused: None })
    }

    fn failed(key: &str, kind: ErrorKind) -> Entry {
        let mut entry = entry(key);
        entry.failed(&JobError::new(kind, "so it is").about(key));
        entry
    }

    fn done(journal: &Journal) -> Vec<String> {
        let mut keys: Vec<_> = journal.done().into_keys().collect();
        keys.sort();
        keys
    }

    #[test]
    fn goes_on_where_it_was_and_tries_passing_failures_again() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path, "films", false)?;
        journal.add(entry("a"))?;
        journal.add(failed("b", ErrorKind::Malformed))?;
        journal.add(failed("c", ErrorKind::Unavailable))?;
        // Two at once would write each other's lines twice.
        let second = Journal::open(&path, "films", false);
        assert!(second.is_err_and(|error| error.to_string().contains("another back-fill")));
        drop(journal);
        // A crash in the middle of a line.
        File::options().append(true).open(&path)?.write_all(b"{\"key\":\"d\",\"sta")?;
        let mut journal = Journal::open(&path, "films", false)?;
        assert_eq!((done(&journal), journal.resumed()), (vec!["a".to_owned(), "b".to_owned()], 2));
        journal.add(entry("c"))?;
        journal.add(entry("d"))?;
        assert_eq!(journal.entries().count(), 4);
        journal.finish()?;
        drop(journal);
        // It has come to its end: the next run looks at everything.
        let journal = Journal::open(&path, "films", false)?;
        assert!(done(&journal).is_empty());
        Ok(())
    }

    #[test]
    fn is_of_one_back_fill() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("journal");
        Journal::open(&path, "films", false)?.add(entry("a"))?;
        let other = Journal::open(&path, "series", false);
        assert!(other.is_err_and(|error| error.to_string().contains("films")));
        assert!(done(&Journal::open(&path, "series", true)?).is_empty());
        std::fs::write(&path, "something else\n")?;
        let other = Journal::open(&path, "films", false);
        assert!(other.is_err_and(|error| error.kind() == ErrorKind::Config));
        assert_eq!(std::fs::read_to_string(&path)?, "something else\n");
        Ok(())
    }
}

//! A file of JSON lines that a long command appends to as it works, and from which the same command continues.
//!
//! The first line names the command and what it is about. The last line of a run that came to its end says so: the next run begins
//! anew. A line that a crash has cut off is not read. The file is locked while a command uses it.

use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::sorter::temporary_file;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::store::of_file;

/// Of the first line's form.
const VERSION: u32 = 1;
/// The last line of a run that came to its end.
const FINISHED: &str = "{\"finished\":true}";

/// A file of JSON lines.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    heading: Value,
}

/// What a journal is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The command: `backfill`.
    pub(super) command: &'a str,
    /// The same, for people: `back-fill`.
    pub(super) name: &'a str,
    /// What the run reads and writes.
    pub(super) about: &'a str,
}

impl Journal {
    /// A journal that nothing continues from: a temporary file without a name.
    pub(super) fn temporary(subject: Subject<'_>) -> Result<Self, JobError> {
        let (file, path) = (temporary_file()?, std::env::temp_dir());
        let mut journal = Self { file, path, heading: subject.heading() };
        journal.begin()?;
        Ok(journal)
    }

    /// Opens the journal at `path`, creates it where it is missing, and begins it anew where its run has come to its end or `again` is
    /// wanted. Otherwise `line` gets each line, and the position of its end in the file. Returns whether the journal begins anew: then the
    /// lines count for nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for the journal of another run, or a file that is none; what `line` returns.
    pub(super) fn open(
        path: &Path,
        subject: Subject<'_>,
        again: bool,
        mut line: impl FnMut(&str, u64) -> Result<(), JobError>,
    ) -> Result<(Self, bool), JobError> {
        let of_io = of_file(path);
        let refuse =
            |reason: String| JobError::new(ErrorKind::Config, reason).about(path.display().to_string());
        let file = File::options().create(true).read(true).append(true).open(path).map_err(of_io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "is using this journal; choose another --journal";
                return Err(refuse(format!("another {} {reason}", subject.name)));
            }
            Err(TryLockError::Error(error)) => return Err(of_io(error)),
        }
        let mut journal = Self { file, path: path.to_owned(), heading: subject.heading() };
        let (mut is_first, mut is_new) = (true, again);
        let mut lines = journal.lines()?;
        while let Some((text, end)) = lines.next().transpose()? {
            if std::mem::take(&mut is_first) {
                subject.check(&text, &journal.heading, again).map_err(refuse)?;
            } else if text == FINISHED {
                is_new = true;
            } else if !is_new {
                line(&text, end)?;
            }
        }
        if is_new || is_first {
            journal.cut(0)?;
            journal.begin()?;
        } else {
            journal.end_line()?;
        }
        Ok((journal, is_new || is_first))
    }

    /// Appends a line. In one piece, so that a crash leaves at most one line unfinished.
    pub(super) fn append(&mut self, value: &impl Serialize) -> Result<(), JobError> {
        self.append_all([value])
    }

    /// Appends lines, in one piece.
    pub(super) fn append_all<'v, V: Serialize + 'v>(
        &mut self,
        values: impl IntoIterator<Item = &'v V>,
    ) -> Result<(), JobError> {
        let mut lines = Vec::new();
        for value in values {
            serde_json::to_writer(&mut lines, value)
                .map_err(|error| JobError::new(ErrorKind::Internal, error))?;
            lines.push(b'\n');
        }
        self.write(&lines)
    }

    /// Notes that the run has come to its end.
    pub(super) fn finish(&mut self) -> Result<(), JobError> {
        self.write(format!("{FINISHED}\n").as_bytes())
    }

    /// Removes all that is behind `end`, the end of a line.
    pub(super) fn cut(&mut self, end: u64) -> Result<(), JobError> {
        self.file.set_len(end).map_err(of_file(&self.path))
    }

    /// Reads all lines, each with the position of its end. One reading ends before the next begins.
    pub(super) fn lines(
        &self,
    ) -> Result<impl Iterator<Item = Result<(String, u64), JobError>> + use<>, JobError> {
        let path = self.path.clone();
        let mut file = self.file.try_clone().map_err(of_file(&path))?;
        file.seek(SeekFrom::Start(0)).map_err(of_file(&path))?;
        let (mut reader, mut end) = (BufReader::new(file), 0);
        Ok(std::iter::from_fn(move || {
            let mut line = Vec::new();
            let read = reader.read_until(b'\n', &mut line).map_err(of_file(&path));
            read.map(|bytes| {
                end += bytes as u64;
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                // What is no text is no JSON, which is for the caller to find.
                (bytes > 0).then(|| (String::from_utf8_lossy(text).into_owned(), end))
            })
            .transpose()
        }))
    }

    fn begin(&mut self) -> Result<(), JobError> {
        let heading = self.heading.clone();
        self.append(&heading)
    }

    /// Ends a line that a crash has cut off.
    fn end_line(&mut self) -> Result<(), JobError> {
        let of_io = of_file(&self.path);
        if self.file.seek(SeekFrom::End(-1)).is_ok() {
            let mut last = [0];
            self.file.read_exact(&mut last).map_err(of_io)?;
            if last != *b"\n" {
                self.write(b"\n")?;
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JobError> {
        // In a temporary file, writing begins where reading has ended.
        self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(bytes)).map_err(of_file(&self.path))
    }
}

impl Subject<'_> {
    fn heading(self) -> Value {
        let mut heading = json!({});
        if let Some(object) = heading.as_object_mut() {
            object.insert(format!("posterframe_{}", self.command), VERSION.into());
            object.insert("about".to_owned(), self.about.into());
        }
        heading
    }

    /// Why a journal with this first line is not the journal of this run.
    fn check(self, line: &str, heading: &Value, again: bool) -> Result<(), String> {
        let found: Value = serde_json::from_str(line).unwrap_or_default();
        let version = format!("posterframe_{}", self.command);
        match &found {
            found if found == heading => Ok(()),
            found if found.get(&version).is_none() => {
                let command = self.command;
                Err(format!("is no journal of `posterframe {command}`; choose another --journal"))
            }
            _ if again => Ok(()),
            found => {
                let about = found.get("about").and_then(Value::as_str).unwrap_or_default();
                Err(format!("is of another {} ({about}); choose another --journal", self.name))
            }
        }
    }
}

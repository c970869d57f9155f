//! A file of JSON lines to which a long command appends as it works, and from which the same command resumes.
//!
//! The first line names the command and its input and output. A finished run ends its journal with a line that reports the finish, and the
//! next run starts over. A line that a crash has cut off is ignored. The file is locked while a command uses it.

use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::sorter::temporary_file;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::store::of_file;

/// Version of the format of the first line.
const VERSION: u32 = 1;
/// Last line of a finished run.
const FINISHED: &str = "{\"finished\":true}";

/// A file of JSON lines.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    heading: Value,
}

/// The run that a journal belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// Command name: `backfill`.
    pub(super) command: &'a str,
    /// Command name in messages: `back-fill`.
    pub(super) name: &'a str,
    /// Description of the input and output of the run.
    pub(super) about: &'a str,
}

impl Journal {
    /// Creates a journal that cannot be resumed, in an unnamed temporary file.
    pub(super) fn temporary(subject: Subject<'_>) -> Result<Self, JobError> {
        let (file, path) = (temporary_file()?, std::env::temp_dir());
        let mut journal = Self { file, path, heading: subject.heading() };
        journal.begin()?;
        Ok(journal)
    }

    /// Opens the journal at `path`, or creates it if it is missing. Starts it over if its run has finished or `again` is true. Otherwise
    /// calls `line` with each line and the position of the line's end in the file. Returns whether the journal starts over; if so, the
    /// lines must be ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the file is the journal of another run or is no journal; any error that `line` returns.
    pub(super) fn open(
        path: &Path,
        subject: Subject<'_>,
        again: bool,
        mut line: impl FnMut(&str, u64) -> Result<(), JobError>,
    ) -> Result<(Self, bool), JobError> {
        let of_io = of_file(path);
        let refuse = |reason: String| {
            JobError::new(ErrorKind::Config, reason).with_subject(path.display().to_string())
        };
        let file = File::options().create(true).read(true).append(true).open(path).map_err(of_io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "is using this journal; choose another --journal, or start again with --again";
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

    /// Appends a line in one write, so that a crash leaves at most one unfinished line.
    pub(super) fn append(&mut self, value: &impl Serialize) -> Result<(), JobError> {
        self.append_all([value])
    }

    /// Appends lines in one write.
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

    /// Records that the run has finished.
    pub(super) fn finish(&mut self) -> Result<(), JobError> {
        self.write(format!("{FINISHED}\n").as_bytes())
    }

    /// Truncates the file to `end`, which is the end of a line.
    pub(super) fn cut(&mut self, end: u64) -> Result<(), JobError> {
        self.file.set_len(end).map_err(of_file(&self.path))
    }

    /// Reads all lines, each with the position of its end. Finish one iteration before you start another.
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
                // Invalid UTF-8 is not JSON either, so the caller's parser reports the line.
                (bytes > 0).then(|| (String::from_utf8_lossy(text).into_owned(), end))
            })
            .transpose()
        }))
    }

    fn begin(&mut self) -> Result<(), JobError> {
        let heading = self.heading.clone();
        self.append(&heading)
    }

    /// Terminates a line that a crash has cut off.
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
        // In a temporary file, the position for writes is where the last read has ended.
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

    /// Checks that a journal with this first line belongs to this run. The error is the reason why it does not.
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

//! External sort by key, for values that do not fit into memory: sorted runs in temporary files, which are merged when they are read.
//!
//! The files have no name, so none stays behind, however the process ends. They are in the system's folder for temporary files (`TMPDIR`).
//! Each value needs 16 bytes in addition to its key and its JSON. Memory use is bounded for any number of values: one run while values are
//! collected, or one buffer per run while runs are merged.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::job_error::JobError;
use crate::store::kind_of_io;

/// Maximum size of a run that is collected in memory, in bytes.
const RUN: usize = 2 << 20;
/// Number of runs of one size that are merged into one run of the next size.
const FAN_IN: usize = 32;
/// Size of the read buffer of a run, in bytes.
const BUFFER: usize = 64 << 10;

/// A serialised value, with its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    key: String,
    /// Sequence number, which keeps the values of one key in the order in which they were added.
    number: u64,
    json: Vec<u8>,
}

/// Collects values, and returns them in the byte order of their keys.
#[derive(Debug)]
pub(super) struct Sorter<T> {
    held: Vec<Record>,
    bytes: usize,
    run: usize,
    next: u64,
    /// Runs by size. The runs of each level are `FAN_IN` times as large as the runs of the level before.
    levels: Vec<Vec<File>>,
    values: PhantomData<fn(T) -> T>,
}

/// Sorted values. They can be read several times, one time after the other.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    held: Vec<Record>,
    runs: Vec<File>,
    values: PhantomData<fn() -> T>,
}

/// Iterator over sorted values, each with its key.
pub(super) struct Values<T> {
    sources: Vec<Source>,
    values: PhantomData<fn() -> T>,
}

/// A run, and its next record.
struct Source {
    next: Record,
    rest: Box<dyn Iterator<Item = io::Result<Record>> + Send>,
}

impl<T: Serialize + DeserializeOwned> Sorter<T> {
    pub(super) fn new() -> Self {
        Self::with_runs_of(RUN)
    }

    fn with_runs_of(run: usize) -> Self {
        Self { held: Vec::new(), bytes: 0, run, next: 0, levels: Vec::new(), values: PhantomData }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub(super) fn push(&mut self, key: &str, value: &T) -> Result<(), JobError> {
        let record = Record {
            key: key.to_owned(),
            number: self.next,
            json: serde_json::to_vec(value).map_err(internal)?,
        };
        self.next += 1;
        self.bytes += size_of::<Record>() + record.key.len() + record.json.len();
        self.held.push(record);
        if self.bytes >= self.run { self.spill().map_err(of_temporary) } else { Ok(()) }
    }

    /// Sorts all values.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub(super) fn sorted(mut self) -> Result<Sorted<T>, JobError> {
        if !self.levels.is_empty() && !self.held.is_empty() {
            self.spill().map_err(of_temporary)?;
        }
        self.held.sort_unstable();
        let runs = self.levels.into_iter().flatten().collect();
        Ok(Sorted { held: self.held, runs, values: PhantomData })
    }

    /// Writes the values in memory as a run, and merges the runs of a level that is full.
    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut run = write_run(self.held.drain(..).map(Ok))?;
        self.bytes = 0;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(runs) = self.levels.get_mut(level) else { return Ok(()) };
            runs.push(run);
            if runs.len() < FAN_IN {
                return Ok(());
            }
            let sources = runs.drain(..).map(|run| records_of(&run)).collect::<io::Result<Vec<_>>>()?;
            let mut merge = Merge::new(sources)?;
            run = write_run(std::iter::from_fn(|| merge.next_record()))?;
            level += 1;
        }
    }
}

impl<T: DeserializeOwned> Sorted<T> {
    /// Reads all values. Finish one iteration before you start another.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub(super) fn read(&self) -> Result<Values<T>, JobError> {
        let held = self.held.clone().into_iter().map(Ok);
        let mut sources: Vec<Records> = vec![Box::new(held)];
        for run in &self.runs {
            sources.push(records_of(run).map_err(of_temporary)?);
        }
        let Merge { sources } = Merge::new(sources).map_err(of_temporary)?;
        Ok(Values { sources, values: PhantomData })
    }
}

impl<T: DeserializeOwned> Iterator for Values<T> {
    type Item = Result<(String, T), JobError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match next_of(&mut self.sources)? {
            Ok(record) => record,
            Err(error) => return Some(Err(of_temporary(error))),
        };
        let value = serde_json::from_slice(&record.json).map_err(internal);
        Some(value.map(|value| (record.key, value)))
    }
}

/// Keeps only the last value of each key.
pub(super) fn last_of_each<T>(
    values: impl Iterator<Item = Result<(String, T), JobError>>,
) -> impl Iterator<Item = Result<(String, T), JobError>> {
    let mut values = values.peekable();
    std::iter::from_fn(move || {
        loop {
            let value = values.next()?;
            let is_last = match (&value, values.peek()) {
                (Ok((key, _)), Some(Ok((next, _)))) => key != next,
                _ => true,
            };
            if is_last {
                return Some(value);
            }
        }
    })
}

type Records = Box<dyn Iterator<Item = io::Result<Record>> + Send>;

struct Merge {
    sources: Vec<Source>,
}

impl Merge {
    fn new(runs: Vec<Records>) -> io::Result<Self> {
        let mut sources = Vec::new();
        for mut rest in runs {
            if let Some(next) = rest.next() {
                sources.push(Source { next: next?, rest });
            }
        }
        Ok(Self { sources })
    }

    fn next_record(&mut self) -> Option<io::Result<Record>> {
        next_of(&mut self.sources)
    }
}

/// Takes the smallest of the next records. There are few sources, so a heap would gain nothing.
fn next_of(sources: &mut Vec<Source>) -> Option<io::Result<Record>> {
    let (index, _) = sources.iter().enumerate().min_by(|(_, a), (_, b)| a.next.cmp(&b.next))?;
    let source = sources.get_mut(index)?;
    match source.rest.next() {
        Some(Ok(next)) => Some(Ok(std::mem::replace(&mut source.next, next))),
        Some(Err(error)) => {
            sources.clear();
            Some(Err(error))
        }
        None => Some(Ok(sources.swap_remove(index).next)),
    }
}

/// Writes records, which must be in order, to a new temporary file.
fn write_run(records: impl Iterator<Item = io::Result<Record>>) -> io::Result<File> {
    let mut writer = BufWriter::with_capacity(BUFFER, tempfile::tempfile()?);
    for record in records {
        let Record { key, number, json } = record?;
        for bytes in [key.as_bytes(), &json] {
            let length = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            writer.write_all(&length.to_le_bytes())?;
            writer.write_all(bytes)?;
        }
        writer.write_all(&number.to_le_bytes())?;
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Reads all records of a run.
fn records_of(run: &File) -> io::Result<Records> {
    let mut file = run.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(BUFFER, file);
    Ok(Box::new(std::iter::from_fn(move || read_record(&mut reader).transpose())))
}

fn read_record(reader: &mut impl Read) -> io::Result<Option<Record>> {
    let mut length = [0; 4];
    match reader.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let key = String::from_utf8(read_bytes(reader, length)?).map_err(|_| io::ErrorKind::InvalidData)?;
    reader.read_exact(&mut length)?;
    let json = read_bytes(reader, length)?;
    let mut number = [0; 8];
    reader.read_exact(&mut number)?;
    Ok(Some(Record { key, number: u64::from_le_bytes(number), json }))
}

fn read_bytes(reader: &mut impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Creates an unnamed file in the folder for temporary files.
pub(super) fn temporary_file() -> Result<File, JobError> {
    tempfile::tempfile().map_err(of_temporary)
}

fn of_temporary(error: io::Error) -> JobError {
    let folder = std::env::temp_dir();
    let message = format!("temporary files (TMPDIR): {error}");
    JobError::new(kind_of_io(&error), message).with_subject(folder.display().to_string())
}

fn internal(error: serde_json::Error) -> JobError {
    JobError::new(crate::ErrorKind::Internal, error)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn random_values_come_back_in_order_whatever_the_size_of_a_run() -> TestResult {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
        println!("seed {seed}");
        let mut state = u64::from(seed);
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        // Runs of one value, runs of some values, and no run: 3,000 runs are merged over three levels.
        for run in [1, 700, RUN] {
            let mut sorter = Sorter::with_runs_of(run);
            let mut expected = Vec::new();
            for number in 0..3000_u64 {
                let letters = ["a", "A", "/", "\u{d55c}", "\u{e9}", "\n", ""];
                let key: String =
                    (0..below(4)).map(|_| letters[usize::try_from(below(7)).unwrap_or(0)]).collect();
                sorter.push(&key, &number)?;
                expected.push((key, number));
            }
            expected.sort();
            let sorted = sorter.sorted()?;
            for _ in 0..2 {
                let read = sorted.read()?.collect::<Result<Vec<_>, _>>()?;
                assert!(read == expected, "run {run} seed {seed}");
            }
            let mut last: Vec<(String, u64)> = Vec::new();
            for (key, number) in expected {
                match last.last_mut() {
                    Some(known) if known.0 == key => known.1 = number,
                    _ => last.push((key, number)),
                }
            }
            let read = last_of_each(sorted.read()?).collect::<Result<Vec<_>, _>>()?;
            assert!(read == last, "run {run} seed {seed}");
        }
        assert_eq!(Sorter::<u64>::new().sorted()?.read()?.count(), 0);
        Ok(())
    }
}

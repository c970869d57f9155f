//! Readers that fail on purpose, for tests of code that reads.
//!
//! A [`FailingReader`] wraps a healthy reader and adds faults: short reads, an error or a panic at one read, a delay, or
//! an early end of file. Reads are counted from 1. A [`ReadCount`] returns the number of reads even after the reader has
//! been moved. [`replace_hints`] replaces the byte ranges that media request ahead. [`show_everything`] shows libav the
//! parts of files that are hidden from it.

mod hints;

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

pub use hints::{HintGuard, ViewGuard, replace_hints, show_everything};
pub(crate) use hints::{replaced, shows_everything};

/// The number of reads that a [`FailingReader`] has received. Clones count the same reader.
#[derive(Debug, Clone, Default)]
pub struct ReadCount(Arc<AtomicU64>);

impl ReadCount {
    /// Returns the number of reads so far, including failed reads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// An event instead of a read, or before it.
enum Event {
    Error(io::ErrorKind),
    Panic,
    Call(Box<dyn FnMut() + Send>),
}

/// A reader with faults at chosen reads.
///
/// ```
/// use std::io::{Cursor, ErrorKind, Read};
/// use posterframe::testing::FailingReader;
///
/// let mut reader = FailingReader::new(Cursor::new("seven by seven"))
///     .short_reads(7)
///     .fail_on_read(2, ErrorKind::ConnectionReset);
/// let mut buffer = [0; 64];
/// assert_eq!(reader.read(&mut buffer)?, 7);
/// assert_eq!(reader.read(&mut buffer).unwrap_err().kind(), ErrorKind::ConnectionReset);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FailingReader<R> {
    inner: R,
    count: ReadCount,
    /// Maximum numbers of bytes per read, used in turn. No limit if empty.
    sizes: Vec<usize>,
    /// Events, each with the number of its read.
    events: Vec<(u64, Event)>,
    stall: Duration,
    end: u64,
}

impl<R> fmt::Debug for FailingReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingReader").field("count", &self.count).finish_non_exhaustive()
    }
}

impl<R: Read + Seek> FailingReader<R> {
    /// Creates a reader without faults.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            count: ReadCount::default(),
            sizes: Vec::new(),
            events: Vec::new(),
            stall: Duration::ZERO,
            end: u64::MAX,
        }
    }

    /// Returns the count of this reader's reads. The count stays valid after the reader has been moved.
    pub fn count(&self) -> ReadCount {
        self.count.clone()
    }

    /// Limits each read to `bytes` bytes, at least 1. A read of 0 bytes would mean the end of the file.
    #[must_use]
    pub fn short_reads(self, bytes: usize) -> Self {
        self.read_sizes(vec![bytes])
    }

    /// Limits the reads to these numbers of bytes, in turn, and then from the first number again. A 0 counts as 1.
    #[must_use]
    pub fn read_sizes(mut self, sizes: Vec<usize>) -> Self {
        self.sizes = sizes;
        self
    }

    /// Makes the `n`-th read fail with the message `read n fails on purpose`. Later reads succeed again.
    #[must_use]
    pub fn fail_on_read(mut self, n: u64, kind: io::ErrorKind) -> Self {
        self.events.push((n, Event::Error(kind)));
        self
    }

    /// Makes the `n`-th read panic with the message `read n panics on purpose`. Later reads succeed again.
    #[must_use]
    pub fn panic_on_read(mut self, n: u64) -> Self {
        self.events.push((n, Event::Panic));
        self
    }

    /// Calls `action` at the `n`-th read, before the read continues normally.
    #[must_use]
    pub fn call_on_read(mut self, n: u64, action: impl FnMut() + Send + 'static) -> Self {
        self.events.push((n, Event::Call(Box::new(action))));
        self
    }

    /// Delays every read by `time`.
    #[must_use]
    pub const fn stall(mut self, time: Duration) -> Self {
        self.stall = time;
        self
    }

    /// Ends the file after `bytes` bytes. A seek to the end still returns the old size, as for a file that was truncated
    /// while open.
    #[must_use]
    pub const fn shrink_to(mut self, bytes: u64) -> Self {
        self.end = bytes;
        self
    }

    #[expect(clippy::panic, reason = "what it is for")]
    fn happen(&mut self, number: u64) -> io::Result<()> {
        for (at, event) in &mut self.events {
            if *at != number {
                continue;
            }
            match event {
                Event::Error(kind) => {
                    return Err(io::Error::new(*kind, format!("read {number} fails on purpose")));
                }
                Event::Panic => panic!("read {number} panics on purpose"),
                Event::Call(action) => action(),
            }
        }
        Ok(())
    }
}

impl<R: Read + Seek> Read for FailingReader<R> {
    #[expect(clippy::disallowed_methods, reason = "to make others watch their deadlines is what it is for")]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let number = self.count.next();
        if !self.stall.is_zero() {
            thread::sleep(self.stall);
        }
        self.happen(number)?;
        let mut length = buffer.len();
        if !self.sizes.is_empty() {
            let turn = usize::try_from((number - 1) % self.sizes.len() as u64).unwrap_or(0);
            length = length.min(self.sizes[turn].max(1));
        }
        if self.end < u64::MAX {
            let room = self.end.saturating_sub(self.inner.stream_position()?);
            length = length.min(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.inner.read(&mut buffer[..length])
    }
}

impl<R: Seek> Seek for FailingReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn reader() -> FailingReader<Cursor<Vec<u8>>> {
        FailingReader::new(Cursor::new((0..100).collect()))
    }

    #[test]
    fn sizes_are_used_in_turn() -> io::Result<()> {
        let mut reader = reader().read_sizes(vec![3, 1, 0]);
        let mut buffer = [0; 10];
        let sizes = [(); 5].map(|()| reader.read(&mut buffer).unwrap_or(99));
        assert_eq!(sizes, [3, 1, 1, 3, 1]);
        assert_eq!(reader.count().get(), 5);
        Ok(())
    }

    #[test]
    fn only_the_read_named_fails() -> io::Result<()> {
        let mut reader = reader().fail_on_read(2, io::ErrorKind::TimedOut);
        let mut buffer = [0; 10];
        assert_eq!(reader.read(&mut buffer)?, 10);
        assert_eq!(reader.read(&mut buffer).map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        assert_eq!(reader.read(&mut buffer)?, 10);
        assert_eq!(buffer[0], 10);
        Ok(())
    }

    #[test]
    fn a_file_that_shrank_still_tells_its_old_size() -> io::Result<()> {
        let mut reader = reader().shrink_to(15);
        assert_eq!(reader.seek(SeekFrom::End(0))?, 100);
        reader.seek(SeekFrom::Start(10))?;
        let mut buffer = [0; 10];
        assert_eq!(reader.read(&mut buffer)?, 5);
        assert_eq!(reader.read(&mut buffer)?, 0);
        Ok(())
    }
}

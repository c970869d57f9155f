//! The caller's reader as libav sees it: bounded, counted, cancellable, and never trusted to be the last word.
//!
//! libav asks for bytes through [`Input::read`] and moves through [`Input::seek`]. Three things happen on the way:
//! - Bytes that were read while looking at the layout of an MP4 file are [kept](Input::pin) and served from memory, so
//!   that they are fetched once. So are those of the last few reads.
//! - Before each read the deadline, the cancel token and the limits are checked. The first thing that goes wrong is kept
//!   as the [`Fault`]; from then on every read fails. libav turns errors into ends of file here and there, so whoever
//!   called libav asks [`Input::fault`] before believing an end.
//! - A read gives at most [`MAX_READ`] bytes, however much libav asks for. Its mov demuxer grows the read buffer to
//!   twice the distance between audio and video samples (seen: 12 MB) when it does not know the protocol, and would
//!   fetch all of that for one frame.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::limits::Limits;

/// Bytes that one read gives at most.
pub(crate) const MAX_READ: usize = 64 << 10;
/// Reads whose bytes are remembered: 2 MiB at most. libavformat throws its buffer away at every seek, and seeks to and fro
/// between header, index and samples.
const REMEMBERED_READS: usize = 32;

/// What a [`Media`](crate::Media) reads from.
pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// Lets another thread stop the work; see [`OpenOptions::cancel`](crate::OpenOptions::cancel). Clones are one token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Stops the work: it ends within one read of the source or one packet, with an error of kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What reading cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Ledger {
    /// Runs of contiguous bytes: 1 for the first read, and 1 more each time a read starts elsewhere than the last ended.
    pub requests: u64,
    /// Bytes read from the source.
    pub bytes_fetched: u64,
}

/// Why reading ended early.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Cancelled,
    Timeout(Duration),
    Limit { limit: &'static str, allowed: u64 },
    Read { offset: u64, error: Arc<io::Error> },
    ReaderPanicked(String),
}

/// When to stop, whatever is going on.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    started: Instant,
    allowed: Duration,
    cancel: Option<CancelToken>,
}

impl Deadline {
    pub(crate) fn new(allowed: Duration, cancel: Option<CancelToken>) -> Self {
        Self { started: Instant::now(), allowed, cancel }
    }

    /// The reason to stop now, if there is one.
    pub(crate) fn expired(&self) -> Option<Fault> {
        if self.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Some(Fault::Cancelled);
        }
        (self.started.elapsed() >= self.allowed).then_some(Fault::Timeout(self.allowed))
    }
}

/// Bytes kept in memory.
struct Window {
    offset: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn from(&self, offset: u64) -> Option<&[u8]> {
        let skip = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(skip..).filter(|rest| !rest.is_empty())
    }
}

pub(crate) struct Input<'r> {
    reader: Box<dyn ReadSeek + Send + 'r>,
    /// Where the reader stands, when that is known.
    reader_position: Option<u64>,
    /// Where libav stands.
    position: u64,
    size: u64,
    windows: Vec<Window>,
    /// What the last reads fetched, oldest first.
    remembered: VecDeque<Window>,
    ledger: Ledger,
    max_bytes: u64,
    max_requests: u64,
    deadline: Deadline,
    fault: Option<Fault>,
    /// What the last [`read`](Self::read) gave, in front.
    scratch: Vec<u8>,
}

impl<'r> Input<'r> {
    /// Finds the size by seeking to the end.
    pub(crate) fn new(
        mut reader: Box<dyn ReadSeek + Send + 'r>,
        limits: &Limits,
        deadline: Deadline,
    ) -> Result<Self, Fault> {
        let size = catch(|| reader.seek(SeekFrom::End(0)))?
            .map_err(|error| Fault::Read { offset: 0, error: Arc::new(error) })?;
        Ok(Self {
            reader,
            reader_position: None,
            position: 0,
            size,
            windows: Vec::new(),
            remembered: VecDeque::new(),
            ledger: Ledger::default(),
            max_bytes: limits.max_bytes,
            max_requests: limits.max_requests,
            deadline,
            fault: None,
            scratch: vec![0; MAX_READ],
        })
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) const fn ledger(&self) -> Ledger {
        self.ledger
    }

    pub(crate) const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Records a reason to stop; the first one stays.
    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        self.fault.get_or_insert(fault).clone()
    }

    /// The fault there is, or the one that the deadline or the token makes now.
    pub(crate) fn check(&mut self) -> Result<(), Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        match self.deadline.expired() {
            Some(fault) => Err(self.fail(fault)),
            None => Ok(()),
        }
    }

    /// Reads at libav's position, at most `length` bytes, and says how many [`last_read`](Self::last_read) holds. Fewer
    /// than asked for are usual; none is the end of the file.
    pub(crate) fn read(&mut self, length: usize) -> Result<usize, Fault> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let length = length.min(scratch.len());
        let fetched_before = self.ledger.bytes_fetched;
        let result = self.read_at(self.position, &mut scratch[..length]);
        self.scratch = scratch;
        let count = result?;
        if self.ledger.bytes_fetched > fetched_before {
            self.remember(self.position, self.scratch[..count].to_vec());
        }
        self.position += count as u64;
        Ok(count)
    }

    /// Keeps what was just fetched, in place of what was fetched longest ago.
    fn remember(&mut self, offset: u64, bytes: Vec<u8>) {
        if self.remembered.len() == REMEMBERED_READS {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Window { offset, bytes });
    }

    /// What the last [`read`](Self::read) gave, and leftovers of earlier ones behind it.
    pub(crate) fn last_read(&self) -> &[u8] {
        &self.scratch
    }

    /// Moves libav's position. Past the end is allowed, as in files.
    pub(crate) const fn seek(&mut self, position: u64) {
        self.position = position;
    }

    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.check()?;
        if buffer.is_empty() || offset >= self.size {
            return Ok(0);
        }
        let windows = || self.windows.iter().chain(&self.remembered);
        if let Some(bytes) = windows().find_map(|window| window.from(offset)) {
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            return Ok(count);
        }
        // Up to where memory takes over again, and not past the end that was found first.
        let next_window = windows().map(|window| window.offset).filter(|&start| start > offset).min();
        let room = next_window.unwrap_or(self.size).min(self.size) - offset;
        let count = buffer.len().min(MAX_READ).min(usize::try_from(room).unwrap_or(usize::MAX));
        self.fetch(offset, &mut buffer[..count])
    }

    fn fetch(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let moved = self.reader_position != Some(offset);
        if moved && self.ledger.requests >= self.max_requests {
            return Err(self.fail(Fault::Limit { limit: "max_requests", allowed: self.max_requests }));
        }
        if self.ledger.bytes_fetched.saturating_add(buffer.len() as u64) > self.max_bytes {
            return Err(self.fail(Fault::Limit { limit: "max_bytes", allowed: self.max_bytes }));
        }
        self.reader_position = None;
        self.ledger.requests += u64::from(moved);
        let reader = &mut self.reader;
        let result = catch(|| {
            if moved {
                reader.seek(SeekFrom::Start(offset))?;
            }
            read_some(reader, buffer)
        });
        match result.map_err(|fault| self.fail(fault))? {
            // A `Read` that claims more than it was given room for is broken; do not believe it.
            Ok(count) if count > buffer.len() => {
                let error = io::Error::other("the reader returned more bytes than it was asked for");
                Err(self.fail(Fault::Read { offset, error: Arc::new(error) }))
            }
            // The end came before the size that was found at the start: the file shrank. It is not the end of a video.
            Ok(0) => {
                let error = io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the source ended at byte {offset} of {}", self.size),
                );
                Err(self.fail(Fault::Read { offset, error: Arc::new(error) }))
            }
            Ok(count) => {
                self.ledger.bytes_fetched += count as u64;
                self.reader_position = Some(offset + count as u64);
                Ok(count)
            }
            Err(error) => Err(self.fail(Fault::Read { offset, error: Arc::new(error) })),
        }
    }

    /// Bytes that [`pin`](Self::pin) keeps.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.windows.iter().map(|window| window.bytes.len() as u64).sum()
    }

    /// Reads `length` bytes at `offset` (fewer at the end of the file). Few are remembered, like those of a read.
    pub(crate) fn peek(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let fetched_before = self.ledger.bytes_fetched;
        let bytes = self.collect(offset, length)?;
        if length <= MAX_READ && self.ledger.bytes_fetched > fetched_before {
            self.remember(offset, bytes.clone());
        }
        Ok(bytes)
    }

    fn collect(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let mut part = vec![0; MAX_READ.min(length)];
        while bytes.len() < length {
            let wanted = part.len().min(length - bytes.len());
            let count = self.read_at(offset + bytes.len() as u64, &mut part[..wanted])?;
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&part[..count]);
        }
        Ok(bytes)
    }

    /// Reads `length` bytes at `offset` (fewer at the end of the file) into memory, where later reads find them.
    pub(crate) fn pin(&mut self, offset: u64, length: usize) -> Result<&[u8], Fault> {
        let room = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(room);
        let found = self.windows.iter().position(|window| {
            offset >= window.offset && offset + length as u64 <= window.offset + window.bytes.len() as u64
        });
        if let Some(index) = found {
            let window = &self.windows[index];
            let skip = usize::try_from(offset - window.offset).unwrap_or(usize::MAX);
            return Ok(&window.bytes[skip..skip + length]);
        }
        let bytes = self.collect(offset, length)?;
        self.windows.push(Window { offset, bytes });
        Ok(self.windows.last().map_or(&[], |window| window.bytes.as_slice()))
    }
}

/// Runs what may be the caller's code, or ours under C; a panic becomes a fault, because it must not unwind through C.
pub(crate) fn catch<T>(action: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Fault::ReaderPanicked(message)
    })
}

/// One read, begun again when a signal interrupts it.
fn read_some(reader: &mut dyn ReadSeek, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn ramp(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    fn input(bytes: Vec<u8>, limits: &Limits) -> Input<'static> {
        Input::new(Box::new(Cursor::new(bytes)), limits, Deadline::new(limits.max_time, None)).unwrap()
    }

    #[test]
    fn counts_runs_and_bytes_and_serves_pinned_bytes_from_memory() {
        let bytes = ramp(300_000);
        let mut input = input(bytes.clone(), &Limits::default());
        assert_eq!(input.pin(100_000, 100_000).unwrap(), &bytes[100_000..200_000]);
        assert_eq!(input.ledger(), Ledger { requests: 1, bytes_fetched: 100_000 });
        let mut out = Vec::new();
        loop {
            let count = input.read(1 << 20).unwrap();
            if count == 0 {
                break;
            }
            out.extend_from_slice(&input.last_read()[..count]);
        }
        assert!(out == bytes);
        // One run before the window, one behind it.
        assert_eq!(input.ledger(), Ledger { requests: 3, bytes_fetched: 300_000 });
        assert_eq!(input.pin(150_000, 10).unwrap(), &bytes[150_000..150_010]);
        assert_eq!(input.ledger().requests, 3);
    }

    #[test]
    fn reads_are_short_whatever_is_asked_for() {
        let mut input = input(ramp(1 << 20), &Limits::default());
        assert_eq!(input.read(1 << 20).unwrap(), MAX_READ);
    }

    #[test]
    fn the_first_fault_stays() {
        let limits = Limits { max_bytes: 10, ..Limits::default() };
        let mut input = input(ramp(100), &limits);
        assert!(matches!(input.read(11), Err(Fault::Limit { limit: "max_bytes", allowed: 10 })));
        assert!(matches!(input.read(1), Err(Fault::Limit { .. })));
        assert!(input.fault().is_some());
    }

    #[test]
    fn a_source_that_shrinks_is_an_error_and_not_an_end() {
        struct Shrinking;
        impl Read for Shrinking {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
        }
        impl Seek for Shrinking {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(1000)
            }
        }
        let limits = Limits::default();
        let mut input =
            Input::new(Box::new(Shrinking), &limits, Deadline::new(limits.max_time, None)).unwrap();
        assert!(matches!(input.read(10), Err(Fault::Read { offset: 0, .. })));
    }
}

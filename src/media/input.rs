//! The caller's reader as libav sees it: with limits, a ledger and cancellation. Its answers are not trusted.
//!
//! libav reads and seeks through the reader's [`Source`]. Three things happen on the way:
//! - Bytes that were read to examine the layout of an MP4 file are [kept](Input::see) and served from memory, so that they are
//!   fetched only once. The bytes of the last reads are kept, too.
//! - Before each read, the deadline, the cancel token and the limits are checked. The first failure is kept as the [`Fault`], and
//!   every later read fails. libav turns some errors into ends of file, so the caller of libav checks [`Input::fault`] before it
//!   trusts an end.
//! - A read returns at most [`MAX_READ`] bytes, however many libav requests. libav's mov demuxer grows the read buffer to twice
//!   the distance between audio and video samples (12 MB was observed) when it does not know the protocol, and would fetch all of
//!   these bytes for one frame.

use std::any::Any;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "tokio")]
use crate::deadline::CancelToken;
use crate::deadline::Stop;
use crate::error::panic_message;
use crate::limits::{Limit, Limits};
use crate::media::ffi::format;
use crate::media::ffi::io::{Source, Stopped};
use crate::media::hidden::{Hidden, Syntax};
use crate::media::seen::Seen;
use crate::media::work::Work;
use crate::source::{ByteRange, Ledger};
#[cfg(feature = "remote")]
use crate::source::{Identity, Ranges, ReadFault, SourceError};

/// Maximum number of bytes that one read returns.
pub(crate) const MAX_READ: usize = 64 << 10;
/// The largest gap that is read over instead of seeking.
const READ_OVER: usize = 16 << 10;
/// Number of consecutive short looks after which more bytes are read at a time than requested: a file may consist of tiny boxes.
const SHORT_LOOKS: u32 = 64;
const SHORT_LOOK: u64 = 4 << 10;

/// The reader of a [`Media`](crate::Media).
pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// The reason why reading ended early.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Stopped(Stop),
    Limit {
        limit: Limit,
        allowed: u64,
    },
    Read {
        offset: u64,
        error: Arc<io::Error>,
    },
    /// The error of a source that is read by byte ranges.
    #[cfg(feature = "remote")]
    Source(SourceError),
    ReaderPanicked(String),
    /// A call of this crate panicked before it was complete.
    Panicked(String),
}

impl Fault {
    /// Returns whether a retry of the read may succeed.
    pub(crate) fn may_have_passed(&self) -> bool {
        match self {
            Self::Stopped(_) | Self::Read { .. } => true,
            Self::Limit { .. } | Self::ReaderPanicked(_) | Self::Panicked(_) => false,
            #[cfg(feature = "remote")]
            Self::Source(error) => error.may_have_passed(),
        }
    }
}

#[cfg(feature = "remote")]
impl From<ReadFault> for Fault {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Stopped(stop) => Self::Stopped(stop),
            ReadFault::Limit { limit, allowed } => Self::Limit { limit, allowed },
            ReadFault::Source(error) => Self::Source(error),
            ReadFault::Panicked(message) => Self::ReaderPanicked(message),
        }
    }
}

/// The origin of the bytes.
enum Backend<'r> {
    Reader(Reader<'r>),
    #[cfg(feature = "remote")]
    Ranges(Box<dyn Ranges + 'r>),
}

/// A reader of the caller. It is read when libav reads, and each byte only once.
struct Reader<'r> {
    reader: Box<dyn ReadSeek + Send + 'r>,
    /// The reader's position, if known.
    position: Option<u64>,
    size: u64,
    ledger: Ledger,
    max_bytes: u64,
    max_requests: u64,
}

impl Reader<'_> {
    /// Reads some bytes, up to the first byte that is already in memory.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8], seen: &mut Seen) -> Result<usize, Fault> {
        let room = usize::try_from(seen.next_start(offset) - offset).unwrap_or(usize::MAX);
        let count = buffer.len().min(MAX_READ).min(room);
        let started = Instant::now();
        let result = self.read_over(offset, seen).and_then(|()| self.fetch(offset, &mut buffer[..count]));
        self.ledger.waiting += started.elapsed();
        result
    }

    /// Reads up to `offset` if the reader is shortly before it: a short read costs less than a seek, especially in a reader that
    /// sends requests.
    fn read_over(&mut self, offset: u64, seen: &mut Seen) -> Result<(), Fault> {
        let mut gap = [0; READ_OVER];
        while let Some(position) = self.position.filter(|&position| position < offset) {
            let Ok(length) = usize::try_from(offset - position) else { return Ok(()) };
            let Some(part) = gap.get_mut(..length) else { return Ok(()) };
            let count = self.fetch(position, part)?;
            self.ledger.bytes_used -= count as u64;
            seen.add(position, gap[..count].to_vec(), false);
        }
        Ok(())
    }

    fn fetch(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let moved = self.position != Some(offset);
        if moved && self.ledger.requests >= self.max_requests {
            return Err(Fault::Limit { limit: Limit::MaxRequests, allowed: self.max_requests });
        }
        if self.ledger.bytes_fetched.saturating_add(buffer.len() as u64) > self.max_bytes {
            return Err(Fault::Limit { limit: Limit::MaxBytes, allowed: self.max_bytes });
        }
        self.position = None;
        self.ledger.requests += u64::from(moved);
        self.ledger.round_trips = self.ledger.requests;
        let reader = &mut self.reader;
        let result = catch(|| {
            if moved {
                reader.seek(SeekFrom::Start(offset))?;
            }
            read_some(reader, buffer)
        })?;
        let failed = |error| Fault::Read { offset, error: Arc::new(error) };
        let count = match result.map_err(failed)? {
            // A `Read` that reports more bytes than its buffer holds is broken, and its result is not trusted.
            count if count > buffer.len() => {
                return Err(failed(io::Error::other("the reader returned more bytes than requested")));
            }
            // The end came before the size that was determined at the start: the file shrank. This is not the end of a video.
            0 => {
                let message = format!("the source ended at byte {offset} of {}", self.size);
                return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            count => count,
        };
        self.ledger.bytes_fetched += count as u64;
        self.ledger.bytes_used += count as u64;
        self.position = Some(offset + count as u64);
        Ok(count)
    }
}

/// A container that is read from an [`Input`].
pub(crate) type Container<'r> = format::Container<Input<'r>>;

/// A source of bytes as libav sees it.
pub(crate) struct Input<'r> {
    backend: Backend<'r>,
    /// The position of libav.
    position: u64,
    size: u64,
    /// The end of the file that libav sees.
    visible: u64,
    seen: Seen,
    /// The parts that are hidden from libav.
    hidden: Option<Hidden>,
    /// End of the last look at the bytes, and number of consecutive short looks.
    looked_to: u64,
    short_looks: u32,
    /// A range that is requested when one of its bytes is read.
    reached: Option<ByteRange>,
    work: Work,
    fault: Option<Fault>,
    /// The bytes of the last [`read`](Self::read), at the front.
    scratch: Vec<u8>,
}

impl<'r> Input<'r> {
    /// Determines the size by seeking to the end.
    pub(crate) fn new(
        mut reader: Box<dyn ReadSeek + Send + 'r>,
        limits: &Limits,
        work: Work,
    ) -> Result<Self, Fault> {
        let size = catch(|| reader.seek(SeekFrom::End(0)))?
            .map_err(|error| Fault::Read { offset: 0, error: Arc::new(error) })?;
        let reader = Reader {
            reader,
            position: None,
            size,
            ledger: Ledger::default(),
            max_bytes: limits.max_bytes,
            max_requests: limits.max_requests,
        };
        Ok(Self::from_backend(Backend::Reader(reader), size, work))
    }

    /// Reads an object by byte ranges.
    #[cfg(feature = "remote")]
    pub(crate) fn from_ranges(reader: Box<dyn Ranges + 'r>, work: Work) -> Self {
        let size = reader.size();
        Self::from_backend(Backend::Ranges(reader), size, work)
    }

    fn from_backend(backend: Backend<'r>, size: u64, work: Work) -> Self {
        Self {
            backend,
            position: 0,
            size,
            visible: size,
            seen: Seen::new(size),
            hidden: None,
            looked_to: 0,
            short_looks: 0,
            reached: None,
            work,
            fault: None,
            scratch: vec![0; MAX_READ],
        }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the size that libav sees.
    pub(crate) const fn visible_size(&self) -> u64 {
        self.visible
    }

    /// Ends the file for libav at `size`: libav reads all of a fragmented file before it begins. A size of one byte more than the
    /// file makes no index cover the file.
    pub(crate) fn set_visible_size(&mut self, size: u64) {
        self.visible = size.min(self.size.saturating_add(1));
    }

    /// Replaces these parts of the file by padding for libav. Each part consists of whole boxes or elements with one parent.
    pub(crate) fn hide(&mut self, syntax: Syntax, parts: Vec<ByteRange>) {
        #[cfg(feature = "testing")]
        let parts = if crate::testing::shows_everything() { Vec::new() } else { parts };
        if !parts.is_empty() {
            self.hidden.get_or_insert_with(|| Hidden::new(syntax)).hide(parts);
        }
    }

    /// Makes the whole file visible to libav.
    pub(crate) fn hide_nothing(&mut self) {
        self.hidden = None;
    }

    /// Sets the work that the crate's own parsers may do in the current call.
    pub(crate) fn begin_work(&mut self, max_parsed_bytes: u64) {
        self.seen.work_mut().begin(max_parsed_bytes, self.work.deadline().clone());
    }

    pub(crate) fn ledger(&self) -> Ledger {
        match &self.backend {
            Backend::Reader(reader) => reader.ledger,
            #[cfg(feature = "remote")]
            Backend::Ranges(reader) => reader.ledger(),
        }
    }

    /// Returns the identity of an object that is read by byte ranges.
    #[cfg(feature = "remote")]
    pub(crate) fn identity(&self) -> Option<Identity> {
        match &self.backend {
            Backend::Reader(_) => None,
            Backend::Ranges(reader) => reader.identity(),
        }
    }

    /// Returns the limits of the call.
    pub(crate) const fn work(&self) -> &Work {
        &self.work
    }

    /// Adds CPU time that other threads have used for the call.
    pub(crate) const fn add_cpu_time(&mut self, of_others: Duration) {
        self.work.add_cpu_time(of_others);
    }

    /// Sets a token that cancels the next calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn for_call(&mut self, token: CancelToken) {
        self.work.for_call(token);
    }

    /// Begins the next call: its time runs from here, and a fault that may be temporary is forgotten. Returns whether there was
    /// such a fault.
    pub(crate) fn begin(&mut self) -> bool {
        self.work = self.work.begin();
        #[cfg(feature = "remote")]
        if let Backend::Ranges(reader) = &mut self.backend {
            reader.begin(self.work.deadline().clone());
        }
        self.fault.take_if(|fault| fault.may_have_passed()).is_some()
    }

    /// Ends a call.
    pub(crate) fn end(&mut self) {
        self.work.end();
    }

    pub(crate) const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Records a reason to stop. The first reason stays.
    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        self.fault.get_or_insert(fault).clone()
    }

    /// Ends this call and all later ones.
    pub(crate) fn fail_for_good(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Returns the current fault, or the fault that the deadline or the token causes now.
    pub(crate) fn check(&mut self) -> Result<(), Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        match self.work.expired() {
            Some(stop) => Err(self.fail(Fault::Stopped(stop))),
            None => Ok(()),
        }
    }

    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Returns the bytes in memory.
    pub(crate) const fn seen(&self) -> &Seen {
        &self.seen
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.check()?;
        if buffer.is_empty() || offset >= self.size {
            return Ok(0);
        }
        if let Some(bytes) = self.seen.rest_from(offset) {
            let count = bytes.len().min(buffer.len());
            buffer[..count].copy_from_slice(&bytes[..count]);
            match &mut self.backend {
                Backend::Reader(reader) => reader.ledger.cache_hits += 1,
                #[cfg(feature = "remote")]
                Backend::Ranges(_) => {}
            }
            return Ok(count);
        }
        if let Some(range) = self.reached.take_if(|range| range.contains(offset)) {
            self.prefetch(&[range]);
        }
        let result = match &mut self.backend {
            Backend::Reader(reader) => reader.read_at(offset, buffer, &mut self.seen),
            #[cfg(feature = "remote")]
            Backend::Ranges(reader) => read_range(&mut **reader, offset, buffer),
        };
        result.map_err(|fault| self.fail(fault))
    }

    /// Announces the bytes that will be read. Bytes that arrive by request are then requested together, and before a read waits
    /// for them.
    pub(crate) fn prefetch(&mut self, ranges: &[ByteRange]) {
        self.request(ranges, false);
    }

    /// Returns the number of consecutive requests that led to the bytes read so far.
    pub(crate) fn depth(&self) -> u32 {
        match &self.backend {
            Backend::Reader(_) => 0,
            #[cfg(feature = "remote")]
            Backend::Ranges(reader) => reader.depth(),
        }
    }

    /// Requests the bytes that an index contains, whatever was read since. `depth` is the number of consecutive requests after
    /// which the index was read.
    pub(crate) fn prefetch_behind(&mut self, depth: u32, ranges: &[ByteRange]) {
        #[cfg(feature = "testing")]
        let ranges = &crate::testing::replaced(self.size, ranges)[..];
        match &mut self.backend {
            Backend::Reader(_) => {}
            #[cfg(feature = "remote")]
            Backend::Ranges(reader) => reader.prefetch_behind(depth, ranges),
        }
        let _ = (depth, ranges);
    }

    /// Requests bytes like [`prefetch`](Self::prefetch), but not before one of them is read.
    pub(crate) const fn prefetch_when_reached(&mut self, range: ByteRange) {
        self.reached = Some(range);
    }

    /// Declares that only these of the requested bytes will be read.
    pub(crate) fn need_only(&mut self, ranges: &[ByteRange]) {
        #[cfg(feature = "testing")]
        let ranges = &crate::testing::replaced(self.size, ranges)[..];
        match &mut self.backend {
            Backend::Reader(_) => {}
            #[cfg(feature = "remote")]
            Backend::Ranges(reader) => reader.need_only(ranges),
        }
        let _ = ranges;
    }

    /// Requests bytes like [`prefetch`](Self::prefetch). With `only`, no other requested bytes will be read.
    pub(crate) fn request(&mut self, ranges: &[ByteRange], only: bool) {
        #[cfg(feature = "testing")]
        let ranges = &crate::testing::replaced(self.size, ranges)[..];
        match &mut self.backend {
            Backend::Reader(_) => _ = (ranges, only),
            #[cfg(feature = "remote")]
            Backend::Ranges(reader) => {
                if only {
                    reader.need_only(ranges);
                }
                reader.prefetch(ranges);
            }
        }
    }

    /// Returns `length` bytes at `offset` (fewer at the end of the file).
    pub(crate) fn peek(&mut self, offset: u64, length: usize) -> Result<&[u8], Fault> {
        let range = ByteRange::new(offset, offset.saturating_add(length as u64)).clipped(self.size);
        self.see(range, false)?;
        Ok(self.seen.get(range).unwrap_or_default())
    }

    /// Reads bytes into memory. With `stays`, the bytes remain available to libav until the end, and otherwise until many other
    /// bytes have been read.
    pub(crate) fn see(&mut self, range: ByteRange, stays: bool) -> Result<(), Fault> {
        self.check()?;
        if range.is_empty() || self.seen.get(range).is_some() {
            return Ok(());
        }
        let range = self.lengthened(range);
        #[cfg(feature = "remote")]
        if let Backend::Ranges(reader) = &mut self.backend {
            let known = self.seen.rest_from(range.start()).map_or(0, |rest| rest.len() as u64);
            let missing = ByteRange::new(range.start() + known, range.end());
            reader.wait_for(missing).map_err(|fault| self.fail(fault.into()))?;
        }
        let mut bytes = vec![0; usize::try_from(range.len()).unwrap_or(usize::MAX)];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += self.read_at(range.start() + filled as u64, &mut bytes[filled..])?;
        }
        self.seen.add(range.start(), bytes, stays);
        Ok(())
    }
}

impl Input<'_> {
    /// Returns a longer range where many consecutive short looks went through the file.
    fn lengthened(&mut self, range: ByteRange) -> ByteRange {
        // The header of a box may begin in the bytes of the last look.
        let near = self.looked_to.saturating_sub(SHORT_LOOK)..=self.looked_to.saturating_add(SHORT_LOOK);
        let is_near = near.contains(&range.start());
        let is_short = range.len() <= SHORT_LOOK && is_near && matches!(self.backend, Backend::Reader(_));
        self.short_looks = if is_short { self.short_looks.saturating_add(1) } else { 0 };
        let length = if self.short_looks > SHORT_LOOKS { MAX_READ as u64 } else { 0 };
        let range = ByteRange::new(
            range.start(),
            range.end().max(range.start().saturating_add(length)).min(self.size),
        );
        self.looked_to = range.end();
        range
    }
}

impl Source for Input<'_> {
    fn read(&mut self, length: usize) -> Result<&[u8], Stopped> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let end = self.visible.min(self.size);
        let room = usize::try_from(end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let length = length.min(scratch.len()).min(room);
        let result = self.read_at(self.position, &mut scratch[..length]);
        self.scratch = scratch;
        let count = result.map_err(|_| Stopped)?;
        let is_new = count > 0 && self.seen.rest_from(self.position).is_none();
        if is_new && matches!(self.backend, Backend::Reader(_)) {
            self.seen.add(self.position, self.scratch[..count].to_vec(), false);
        }
        if let Some(hidden) = &self.hidden {
            hidden.cover(self.position, &mut self.scratch[..count]);
        }
        self.position += count as u64;
        Ok(&self.scratch[..count])
    }

    fn position(&self) -> u64 {
        self.position()
    }

    fn seek(&mut self, position: u64) {
        self.position = position;
    }

    fn end(&self) -> u64 {
        self.visible_size()
    }

    fn is_stopped(&mut self) -> bool {
        self.check().is_err()
    }

    fn panicked(&mut self, payload: Box<dyn Any + Send>) {
        self.fail(Fault::ReaderPanicked(panic_message(&*payload)));
    }
}

/// Retries a read whose bytes other readers evicted from the cache between their arrival and the read.
#[cfg(feature = "remote")]
fn read_range(reader: &mut dyn Ranges, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
    loop {
        match reader.read_at(offset, buffer)? {
            0 if offset < reader.size() => {}
            count => return Ok(count),
        }
    }
}

/// Runs code of the caller, or code of this crate under C. A panic becomes a fault, because a panic must not unwind through C.
fn catch<T>(action: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|payload| Fault::ReaderPanicked(panic_message(&*payload)))
}

/// Performs one read, and repeats it when a signal interrupts it.
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
    use crate::deadline::Deadline;

    fn work(limits: &Limits) -> Work {
        Work::new(Deadline::new(limits.max_time, None), limits.max_cpu_time)
    }

    fn ramp(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    fn input(bytes: Vec<u8>, limits: &Limits) -> Input<'static> {
        Input::new(Box::new(Cursor::new(bytes)), limits, work(limits)).unwrap()
    }

    #[test]
    fn counts_runs_and_bytes_and_serves_kept_bytes_from_memory() {
        let bytes = ramp(300_000);
        let mut input = input(bytes.clone(), &Limits::default());
        input.see(ByteRange::new(100_000, 200_000), true).unwrap();
        assert_eq!(input.peek(100_000, 100_000).unwrap(), &bytes[100_000..200_000]);
        assert_eq!((input.ledger().requests, input.ledger().bytes_fetched), (1, 100_000));
        let mut out = Vec::new();
        loop {
            let bytes = input.read(1 << 20).unwrap();
            if bytes.is_empty() {
                break;
            }
            out.extend_from_slice(bytes);
        }
        assert!(out == bytes);
        // One run before the window, one after it.
        assert_eq!((input.ledger().requests, input.ledger().bytes_fetched), (3, 300_000));
        assert_eq!(input.peek(150_000, 10).unwrap(), &bytes[150_000..150_010]);
        assert_eq!(input.ledger().requests, 3);
    }

    #[test]
    fn reads_are_short_however_many_bytes_are_requested() {
        let mut input = input(ramp(1 << 20), &Limits::default());
        assert_eq!(input.read(1 << 20).unwrap().len(), MAX_READ);
    }

    #[test]
    fn the_first_fault_stays() {
        let limits = Limits { max_bytes: 10, ..Limits::default() };
        let mut input = input(ramp(100), &limits);
        assert!(input.read(11).is_err() && input.read(1).is_err());
        assert!(matches!(input.fault(), Some(Fault::Limit { limit: Limit::MaxBytes, allowed: 10 })));
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
        let mut input = Input::new(Box::new(Shrinking), &limits, work(&limits)).unwrap();
        assert!(input.read(10).is_err());
        assert!(matches!(input.fault(), Some(Fault::Read { offset: 0, .. })));
    }
}

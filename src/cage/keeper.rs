//! One child from its parent's point of view: how the parent starts, serves, watches and ends the child.

use std::fs;
use std::io::{self, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::layers::Layers;
use super::relay::LogLine;
use super::wire::{
    Answer, CHILD, MAX_ANSWER, MAX_READ, Request, Tag, Wire, from_json, to_bytes, to_json, to_numbers,
};
use crate::deadline::{Deadline, Stop};
use crate::error::panic_message;
use crate::limits::Limit;
use crate::media::{Fault, ProcessOptions, ReadSeek, in_force};
use crate::source::{ByteRange, RangeReader, Ranges as _};
use crate::{CancelToken, Error};

/// The interval between two checks of a busy child.
const LOOK: Duration = Duration::from_millis(20);
/// The time that a child has to notice and report its own timeout.
const GRACE: Duration = Duration::from_millis(50);
/// The same for CPU time, which the kernel counts in ticks of 10 ms.
const CPU_GRACE: Duration = Duration::from_millis(20);
/// The maximum time for the start of a child.
const START: Duration = Duration::from_secs(10);
/// The maximum number of libav log lines in one call. A child sends some lines a second.
const MAX_LINES: u32 = 100_000;
/// The maximum number of bytes of a request message: 65,536 ranges. Plans contain some hundreds.
const MAX_MESSAGE: usize = 1 << 20;
/// The CPU time that a child may use between two files, to release the first file.
const IDLE: Duration = Duration::from_millis(200);

/// A running child.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    wire: Wire,
    pub(super) layers: Layers,
    /// The child's CPU time when the child last began to wait.
    used: Duration,
}

/// The limits of a call.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) deadline: Deadline,
    /// The maximum CPU time of the child, counted since its start.
    pub(super) cpu_time: Duration,
    /// The limit that an error message reports.
    pub(super) max_cpu_time: Duration,
    pub(super) max_memory: u64,
    /// The maximum number of bytes of a picture.
    pub(super) max_picture: usize,
}

/// The reason why a call ended without an answer.
enum End {
    /// The socket closed, or delivered an invalid message.
    Socket(io::Error),
    /// The keeper ended the call.
    Stopped(Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl Keeper {
    /// Starts a child of this program, and waits until the child is ready.
    pub(super) fn start(program: &Path) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::NoCage { reason: error.to_string() };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_read_timeout(Some(LOOK)).map_err(failed)?;
        ours.set_write_timeout(Some(LOOK)).map_err(failed)?;
        // The child receives the settings of this process.
        let settings = serde_json::to_string(&in_force(&ProcessOptions::default()));
        let settings = settings.map_err(|error| failed(error.into()))?;
        let mut command = Command::new(program);
        command
            .arg0(CHILD)
            .args([std::process::id().to_string(), settings])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt from the terminal goes to the keeper.
            .process_group(0);
        let child = spawn(command).map_err(failed)?;
        let mut keeper = Self { child, wire: Wire::new(ours), layers: Layers::default(), used: START };
        let bounds = Bounds {
            deadline: Deadline::new(START, None::<CancelToken>),
            cpu_time: START,
            max_cpu_time: START,
            max_memory: u64::MAX,
            max_picture: 0,
        };
        match keeper.answer(None, &bounds) {
            Ok((Answer::Ready(layers), _)) => {
                keeper.layers = layers;
                Ok(keeper)
            }
            Ok(_) | Err(End::Socket(_)) => {
                let how = keeper.how_it_ended();
                Err(Error::NoCage { reason: format!("{} {how}", program.display()) })
            }
            Err(End::Stopped(_)) => Err(Error::NoCage {
                reason: format!(
                    "{} did not start as a child of the cage: its main must call run_if_child first",
                    program.display()
                ),
            }),
        }
    }

    /// Returns whether the child still waits and has done no work since: no one watches the child during that time.
    pub(super) fn is_waiting(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && self.cpu_time() <= self.used.saturating_add(IDLE)
    }

    /// Returns the CPU time that the child has used since its start.
    pub(super) fn cpu_time(&self) -> Duration {
        cpu_time(self.child.id()).unwrap_or_default()
    }

    /// Sends a request to the child, and serves the child's reads until the answer arrives.
    ///
    /// # Errors
    /// The reason why there is no answer. The child has ended in this case.
    pub(super) fn call(
        &mut self,
        request: &Request,
        served: &mut Served,
        bounds: &Bounds,
    ) -> Result<(Answer, Option<Vec<u8>>), Error> {
        let body = to_json(request).map_err(|error| Error::NoCage { reason: error.to_string() })?;
        let mut watch = Watch::new(self.child.id(), bounds);
        let sent = self.wire.send(Tag::Request, &body, || watch.look());
        sent.and_then(|()| self.answer(Some(served), bounds)).map_err(|end| self.ended(end))
    }

    /// Tells the child that the open file needs no more work, and whether the child keeps its memory.
    pub(super) fn close(&mut self, keeps_memory: bool) -> io::Result<()> {
        // A child that cannot receive so few bytes is not worth keeping.
        self.used = self.cpu_time();
        let request = to_json(&Request::Close { keeps_memory })?;
        self.wire.send(Tag::Request, &request, || Err(io::ErrorKind::TimedOut.into()))
    }

    fn answer(
        &mut self,
        mut served: Option<&mut Served>,
        bounds: &Bounds,
    ) -> Result<(Answer, Option<Vec<u8>>), End> {
        let mut watch = Watch::new(self.child.id(), bounds);
        let garbage = || End::Socket(io::ErrorKind::InvalidData.into());
        let (mut picture, mut lines) = (None, 0_u32);
        loop {
            let most = |tag| match tag {
                Tag::Picture => bounds.max_picture,
                Tag::Answer => MAX_ANSWER,
                _ => MAX_MESSAGE,
            };
            let message = self.wire.receive(most, || watch.look())?;
            let (tag, body) = message.ok_or_else(|| End::Socket(io::ErrorKind::UnexpectedEof.into()))?;
            let reply = match (tag, &mut served) {
                (Tag::Answer, _) => return Ok((from_json(&body)?, picture)),
                (Tag::Log, Some(_)) if lines < MAX_LINES => {
                    lines += 1;
                    from_json::<LogLine>(&body)?.tell().ok_or_else(garbage)?;
                    None
                }
                (Tag::Picture, Some(_)) if picture.is_none() => {
                    picture = Some(body);
                    None
                }
                (tag, Some(served)) => served.serve(tag, &body).ok_or_else(garbage)?,
                _ => return Err(garbage()),
            };
            if let Some((tag, body)) = reply {
                self.wire.send(tag, &body, || watch.look())?;
            }
            // A child that sends requests without a pause is checked, too.
            watch.look()?;
        }
    }

    /// Ends the child, and returns the reason why the call has no answer.
    fn ended(&mut self, end: End) -> Error {
        match end {
            End::Stopped(error) => {
                self.kill();
                error
            }
            End::Socket(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.kill();
                garbage(&error.to_string())
            }
            End::Socket(_) => Error::DecoderDied { how: self.how_it_ended() },
        }
    }

    /// Returns how the child ended, after its socket closed.
    #[expect(clippy::disallowed_methods, reason = "the wait ends by itself, soon")]
    fn how_it_ended(&mut self) -> String {
        // The socket closes a moment before the process ends.
        let waiting = Instant::now();
        while waiting.elapsed() < GRACE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return in_words(status);
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.kill();
        "closed its socket".to_owned()
    }

    fn kill(&mut self) {
        // Both calls fail only if the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Creates the error for an invalid answer.
pub(super) fn garbage(why: &str) -> Error {
    Error::DecoderDied { how: format!("returned an invalid answer ({why})") }
}

/// Describes how a process ended.
fn in_words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match signal_name(signal) {
            Some(name) => format!("was killed by {name}"),
            None => format!("was killed by signal {signal}"),
        },
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        _ => return None,
    })
}

/// Starts processes from one thread that lives as long as this process. A child ends together with the thread that
/// started it (`PR_SET_PDEATHSIG`), and the threads of a pool end when they are idle.
fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    let starter = match STARTER.get() {
        Some(starter) => starter,
        None => {
            let (sender, orders) = mpsc::channel::<Order>();
            thread::Builder::new().name("cage".to_owned()).spawn(move || {
                for (mut command, reply) in orders {
                    let child = command.spawn();
                    // This closes the keeper's copy of the child's socket end before anyone waits for the child.
                    drop(command);
                    let _ = reply.send(child);
                }
            })?;
            STARTER.get_or_init(|| sender)
        }
    };
    let (reply, child) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts processes has ended");
    starter.clone().send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// Watches a busy child.
struct Watch<'b> {
    id: u32,
    bounds: &'b Bounds,
    looked: Instant,
    /// The time at which the child is ended because of its deadline; `None` if the clock does not reach that far.
    end: Option<Instant>,
}

impl<'b> Watch<'b> {
    fn new(id: u32, bounds: &'b Bounds) -> Self {
        let now = Instant::now();
        let time = bounds.deadline.left().saturating_add(GRACE);
        Self { id, bounds, looked: now, end: now.checked_add(time) }
    }

    /// Checks the limits. Returns an error if the call must end.
    fn look(&mut self) -> Result<(), End> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let Bounds { deadline, cpu_time: most, max_cpu_time, max_memory, .. } = self.bounds;
        let stop = |limit, allowed| Err(End::Stopped(Error::LimitExceeded { limit, allowed }));
        match deadline.expired() {
            Some(Stop::Cancelled) => return Err(End::Stopped(Error::Cancelled)),
            Some(stop) if self.end.is_some_and(|end| self.looked >= end) => {
                return Err(End::Stopped(Fault::Stopped(stop).into()));
            }
            _ => {}
        }
        if resident_memory(self.id).is_some_and(|bytes| bytes > *max_memory) {
            return stop(Limit::MaxMemory, *max_memory);
        }
        if cpu_time(self.id).is_some_and(|used| used > most.saturating_add(CPU_GRACE)) {
            return stop(Limit::MaxCpuTime, u64::try_from(max_cpu_time.as_millis()).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

/// Returns the resident memory of a process in bytes (proc(5), `/proc/pid/statm`).
fn resident_memory(id: u32) -> Option<u64> {
    let pages: u64 = fs::read_to_string(format!("/proc/{id}/statm")).ok()?.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// Returns the CPU time of all threads of a process (proc(5), `/proc/pid/stat`: `utime` and `stime`, in ticks).
fn cpu_time(id: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name of the program, in brackets, may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let ticks = times.next()?.checked_add(times.next()?)?;
    let nanoseconds =
        ticks.checked_mul(1_000_000_000)?.checked_div(rustix::param::clock_ticks_per_second())?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The source that a child reads, and the first fault of that source.
pub(super) struct Served {
    pub(super) source: Source,
    /// The first fault of the call.
    pub(super) fault: Option<Fault>,
}

pub(super) enum Source {
    Ranges(RangeReader),
    Reader(OwnReader),
}

impl Served {
    pub(super) const fn new(source: Source) -> Self {
        Self { source, fault: None }
    }

    /// Handles a message of the child. Returns the reply, if the message has one, or `None` if the message is not valid
    /// here.
    fn serve(&mut self, tag: Tag, body: &[u8]) -> Option<Option<(Tag, Vec<u8>)>> {
        let numbers = to_numbers(body);
        let done = match (tag, &mut self.source, &numbers[..]) {
            (Tag::Read, Source::Ranges(reader), &[offset, length]) => read_ranges(reader, offset, length),
            (Tag::Read, Source::Reader(reader), &[offset, length]) => {
                reader.read_at(offset, read_length(length))
            }
            (Tag::Wait, Source::Ranges(reader), &[start, end]) => {
                reader.wait_for(ByteRange::new(start, end)).map(|()| Vec::new()).map_err(Fault::from)
            }
            (Tag::Depth, Source::Ranges(reader), []) => Ok(to_bytes(&[reader.depth().into()])),
            (Tag::Prefetch, Source::Ranges(reader), places) => {
                reader.prefetch(&ranges_of(places, reader.size()));
                return Some(None);
            }
            (Tag::NeedOnly, Source::Ranges(reader), places) => {
                reader.need_only(&ranges_of(places, reader.size()));
                return Some(None);
            }
            (Tag::PrefetchBehind, Source::Ranges(reader), [depth, places @ ..]) => {
                let depth = u32::try_from(*depth).ok()?.min(reader.depth());
                reader.prefetch_behind(depth, &ranges_of(places, reader.size()));
                return Some(None);
            }
            _ => return None,
        };
        Some(Some(match done {
            Ok(bytes) => (Tag::Bytes, bytes),
            Err(fault) => {
                let may_pass = fault.may_have_passed();
                self.fault.get_or_insert(fault);
                (Tag::Refused, vec![u8::from(may_pass)])
            }
        }))
    }
}

fn read_length(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX).min(MAX_READ)
}

fn read_ranges(reader: &mut RangeReader, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
    let mut buffer = vec![0; read_length(length)];
    let count = reader.read_at(offset, &mut buffer)?;
    buffer.truncate(count);
    Ok(buffer)
}

/// Returns the received ranges, clipped to the size of the object.
fn ranges_of(places: &[u64], size: u64) -> Vec<ByteRange> {
    let pairs = places.chunks_exact(2).filter_map(|pair| <[u64; 2]>::try_from(pair).ok());
    pairs
        .map(|[start, end]| ByteRange::new(start, end).clipped(size))
        .filter(|range| !range.is_empty())
        .collect()
}

/// A reader that the caller provides.
pub(super) struct OwnReader {
    reader: Box<dyn ReadSeek + Send>,
    pub(super) size: u64,
    position: Option<u64>,
}

impl OwnReader {
    pub(super) fn new(mut reader: Box<dyn ReadSeek + Send>) -> Result<Self, Fault> {
        let size = caught(|| reader.seek(SeekFrom::End(0)))?
            .map_err(|error| Fault::Read { offset: 0, error: Arc::new(error) })?;
        Ok(Self { reader, size, position: None })
    }

    fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut buffer = vec![0; length];
        let (reader, moved) = (&mut self.reader, self.position.take() != Some(offset));
        let read = caught(|| {
            if moved {
                reader.seek(SeekFrom::Start(offset))?;
            }
            loop {
                match reader.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return result,
                }
            }
        })?;
        let failed = |error| Fault::Read { offset, error: Arc::new(error) };
        let count = read.map_err(failed)?;
        if count > buffer.len() {
            return Err(failed(io::Error::other("the reader returned more bytes than requested")));
        }
        buffer.truncate(count);
        self.position = offset.checked_add(count as u64);
        Ok(buffer)
    }
}

/// Runs the caller's code. A panic in this code becomes a fault.
fn caught<T>(action: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(action)).map_err(|payload| Fault::ReaderPanicked(panic_message(&*payload)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The shell names the signals, too.
    #[test]
    fn signal_names_equal_the_names_of_the_shell() {
        let mut named = 0;
        for signal in 1..32 {
            let listed = Command::new("sh").args(["-c", &format!("kill -l {signal}")]).output().unwrap();
            let listed = format!("SIG{}", String::from_utf8(listed.stdout).unwrap().trim());
            let words = in_words(ExitStatus::from_raw(signal));
            if let Some(name) = signal_name(signal) {
                assert_eq!((name, words), (listed.as_str(), format!("was killed by {listed}")));
                named += 1;
            } else {
                assert_eq!(words, format!("was killed by signal {signal}"));
            }
        }
        assert_eq!(named, 9);
        assert_eq!(in_words(ExitStatus::from_raw(3 << 8)), "exited with code 3");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the process works meanwhile")]
    fn cpu_time_and_memory_of_a_process_are_measured() {
        let mut process = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let id = process.id();
        let begun = Instant::now();
        while cpu_time(id).unwrap() < Duration::from_millis(100) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", cpu_time(id));
            thread::sleep(Duration::from_millis(5));
        }
        let (time, elapsed) = (cpu_time(id).unwrap(), begun.elapsed());
        let memory = resident_memory(id).unwrap();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        // The process has one thread. Times are counted in ticks of 10 ms.
        assert!(time <= elapsed + Duration::from_millis(50), "{time:?} of {elapsed:?}");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let resident = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
        assert!(resident.abs_diff(memory) <= 256 << 10, "{memory} bytes, {resident} in its status");
        assert_eq!((cpu_time(u32::MAX), resident_memory(u32::MAX)), (None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Reads stay within the file, whatever a child sends.
        #[test]
        fn received_ranges_are_clipped_to_the_file(
            places in prop::collection::vec(prop_oneof![0..200_u64, any::<u64>()], 0..9),
            size in prop_oneof![0..200_u64, any::<u64>()],
        ) {
            let expected: Vec<_> = places
                .chunks_exact(2)
                .map(|pair| (pair[0].min(size), pair[1].min(size)))
                .filter(|(start, end)| start < end)
                .collect();
            let ranges = ranges_of(&places, size);
            let ranges: Vec<_> = ranges.iter().map(|range| (range.start(), range.end())).collect();
            prop_assert_eq!(ranges, expected);
        }

        #[test]
        fn a_read_has_a_maximum_length(length in prop_oneof![0..200_000_u64, any::<u64>()]) {
            prop_assert_eq!(read_length(length) as u64, length.min(64 << 10));
        }
    }
}

//! The child: processes one video at a time, in a process that has nothing but its socket.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(feature = "testing")]
use super::acts::Act;
use super::enter::{close_descriptors, enter};
use super::picture::Picture;
use super::relay::{LogLine, Relay, want};
use super::wire::{
    Answer, CHILD, Failure, InputKind, MAX_ANSWER, MAX_READ, Open, Request, Tag, Wire, from_json, to_bytes,
    to_json, to_numbers,
};
use crate::deadline::Deadline;
use crate::media::{
    Media, OpenOptions, PosterFrame, ProcessOptions, init, keep_freed_memory, return_freed_memory,
};
use crate::pixels::Framing;
use crate::source::{ByteRange, Identity, Ranges, ReadFault, SourceError};
use crate::{CandidatesRequest, Error, FrameRequest, Ledger};

/// Runs the child of a cage. In a child, the call never returns; in any other process, the call does nothing.
///
/// The cage starts the program itself again (`/proc/self/exe`). Call this function in `main` before anything else, and in particular
/// before the program starts threads or opens descriptors. A program that cannot do so names a helper program with
/// [`CageOptions::program`](super::CageOptions::program).
pub fn run_if_child() {
    let mut arguments = std::env::args();
    if arguments.next().as_deref() == Some(CHILD)
        && let Some(parent) = arguments.next().and_then(|parent| parent.parse().ok())
        && let Some(settings) = arguments.next().and_then(|text| serde_json::from_str(&text).ok())
    {
        // The keeper learns the result from the exit status of the process. There is no other recipient.
        exit(if run(parent, &settings).is_ok() { 0 } else { 1 });
    }
}

fn run(parent: u32, settings: &ProcessOptions) -> io::Result<()> {
    close_descriptors();
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    keep_freed_memory();
    init(settings);
    let layers = enter(parent)?;
    let keeper = KeeperLink(Arc::new(Mutex::new(Wire::new(UnixStream::from(socket)))));
    let link = keeper.clone();
    Relay::start(move |line| link.log(line));
    keeper.answer(&Answer::Ready(layers))?;
    let mut work = Work::default();
    let mut request = keeper.request()?;
    while let Some(current) = request {
        request = match current {
            Request::Pictures(requests) => work.pictures(&keeper, &requests)?,
            other => {
                work.handle(&keeper, other)?;
                keeper.request()?
            }
        };
    }
    Ok(())
}

/// A child waits as long as its keeper lives.
const fn go_on() -> io::Result<()> {
    Ok(())
}

/// The open file, and the frame of the last picture.
#[derive(Default)]
struct Work {
    media: Option<Media<'static>>,
    frame: Option<PosterFrame>,
}

impl Work {
    fn handle(&mut self, keeper: &KeeperLink, request: Request) -> io::Result<()> {
        let answer = match request {
            Request::Open(request) => {
                *self = Self::default();
                open(keeper, &request).map(|media| {
                    let answer = Answer::Opened(Box::new(media.info().clone()), media.ledger());
                    self.media = Some(media);
                    answer
                })
            }
            Request::Picture(request) => self.picture(keeper, &request),
            // `pictures` serves a list. These requests are not valid here.
            Request::Pictures(_) | Request::Next => return Err(io::ErrorKind::InvalidData.into()),
            Request::Encode(encoding) => self.frame.as_ref().ok_or_else(nothing_open).and_then(|frame| {
                let ledger = self.media.as_ref().map(Media::ledger).unwrap_or_default();
                keeper.send_picture(Picture::encoded(frame, &encoding)?, ledger)
            }),
            Request::Rgb(framing) => keeper.send_rgb(self.frame.as_ref(), framing),
            Request::Candidates(request) => self.candidates(keeper, &request),
            Request::Close { keeps_memory } => {
                *self = Self::default();
                if !keeps_memory {
                    return_freed_memory();
                }
                return Ok(());
            }
            #[cfg(feature = "testing")]
            Request::Act(act @ Act::LoopLater, parent) => {
                keeper.answer(&Answer::Acted(Ok("looping".to_owned())))?;
                Ok(Answer::Acted(act.perform(parent, |bytes| keeper.send_raw(bytes))))
            }
            #[cfg(feature = "testing")]
            Request::Act(act, parent) => {
                Ok(Answer::Acted(act.perform(parent, |bytes| keeper.send_raw(bytes))))
            }
        };
        let ledger = self.media.as_ref().map(Media::ledger).unwrap_or_default();
        keeper.answer(&answer.unwrap_or_else(|error| Answer::Failed(Failure::from(error), ledger)))
    }

    fn picture(&mut self, keeper: &KeeperLink, request: &FrameRequest) -> Result<Answer, Error> {
        let media = self.media.as_mut().ok_or_else(nothing_open)?;
        self.frame = None;
        let frame = media.frame(request)?;
        let answer = keeper.send_picture(Picture::of(&frame)?, media.ledger())?;
        self.frame = Some(frame);
        Ok(answer)
    }

    fn candidates(&mut self, keeper: &KeeperLink, request: &CandidatesRequest) -> Result<Answer, Error> {
        let media = self.media.as_mut().ok_or_else(nothing_open)?;
        self.frame = None;
        let mut candidates = media.candidates(request)?;
        let pixels = candidates.iter_mut().map(|candidate| std::mem::take(&mut candidate.picture.pixels));
        keeper.send(Tag::Picture, &pixels.collect::<Vec<_>>().concat())?;
        Ok(Answer::Candidates(candidates, media.ledger()))
    }

    /// Sends the pictures of a list, one for each request of the keeper. Returns the request that ends the list.
    fn pictures(&mut self, keeper: &KeeperLink, requests: &[FrameRequest]) -> io::Result<Option<Request>> {
        let Some(media) = self.media.as_mut() else {
            let failure = Failure::from(nothing_open());
            keeper.answer(&Answer::Failed(failure, Ledger::default()))?;
            return keeper.request();
        };
        let mut frames = media.frames(requests.iter().copied());
        while let Some(frame) = frames.next() {
            let ledger = frames.ledger();
            self.frame = None;
            let answer = frame.and_then(|frame| {
                let answer = keeper.send_picture(Picture::of(&frame)?, ledger)?;
                self.frame = Some(frame);
                Ok(answer)
            });
            keeper.answer(&answer.unwrap_or_else(|error| Answer::Failed(Failure::from(error), ledger)))?;
            loop {
                match keeper.request()? {
                    Some(Request::Next) => break,
                    // A tile of a storyboard. The list continues afterwards.
                    Some(Request::Rgb(framing)) => {
                        let answer = keeper.send_rgb(self.frame.as_ref(), framing);
                        let failed = |error| Answer::Failed(Failure::from(error), ledger);
                        keeper.answer(&answer.unwrap_or_else(failed))?;
                    }
                    // The keeper may drop the frames of a list before the end of the list.
                    other => return Ok(other),
                }
            }
        }
        // The keeper has requested one more picture than the list has.
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn nothing_open() -> Error {
    Error::Library { step: "processing the file".into(), reason: "no file is open".to_owned() }
}

fn open(keeper: &KeeperLink, request: &Open) -> Result<Media<'static>, Error> {
    let mut options = OpenOptions::default().with_limits(request.limits).with_threads(request.threads);
    options.frame = request.frame;
    options.analyse_streams = request.analyse_streams;
    if let Some(left) = request.time_left {
        options = options.with_total_time(left);
    }
    want(request.log);
    let keeper = keeper.clone();
    let size = request.size;
    match request.input {
        InputKind::Ranges => Media::open_ranges(Box::new(Remote { keeper, size }), &options, options.work()),
        InputKind::Reader => Media::open(RemoteReader { keeper, size, position: 0 }, &options),
    }
}

/// The keeper from the child's point of view. When the socket closes, the child ends.
#[derive(Clone)]
struct KeeperLink(Arc<Mutex<Wire>>);

impl KeeperLink {
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keeper's next request, or `None` when the keeper has ended.
    fn request(&self) -> io::Result<Option<Request>> {
        // The lock is not held while the work requests bytes.
        let message = self.lock().receive(|_| MAX_ANSWER, go_on)?;
        match message {
            Some((Tag::Request, body)) => from_json(&body).map(Some),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(None),
        }
    }

    /// Sends the pixels of a frame. The caller sends the answer that follows them.
    fn send_rgb(&self, frame: Option<&PosterFrame>, framing: Framing) -> Result<Answer, Error> {
        let picture = frame.ok_or_else(nothing_open)?.to_rgb8(framing)?;
        self.send(Tag::Picture, &picture.pixels)?;
        Ok(Answer::Rgb(picture.width, picture.height))
    }

    /// Sends the bytes of a picture. The caller sends the answer that follows them.
    fn send_picture(&self, mut picture: Picture, ledger: Ledger) -> Result<Answer, Error> {
        self.send(Tag::Picture, &std::mem::take(&mut picture.thumbnail.bytes))?;
        Ok(Answer::Picture(Box::new(picture), ledger))
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        self.lock().send(Tag::Answer, &to_json(answer)?, go_on)
    }

    fn log(&self, line: &LogLine) {
        // A failure here needs no report: the next message fails, too.
        let _ = to_json(line).and_then(|body| self.lock().send(Tag::Log, &body, go_on));
    }

    fn send(&self, tag: Tag, body: &[u8]) -> Result<(), Error> {
        let sent: io::Result<()> = self.lock().send(tag, body, go_on);
        sent.map_err(|error| Error::Library { step: "sending".into(), reason: error.to_string() })
    }

    #[cfg(feature = "testing")]
    fn send_raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.lock().send_raw(bytes)
    }

    /// Sends a request to the keeper and waits for the reply. `Err` contains whether the request may be retried.
    fn ask(&self, tag: Tag, numbers: &[u64]) -> Result<Vec<u8>, bool> {
        let mut wire = self.lock();
        let sent: io::Result<()> = wire.send(tag, &to_bytes(numbers), go_on);
        match sent.and_then(|()| wire.receive(|_| MAX_READ, go_on)) {
            Ok(Some((Tag::Bytes, body))) => Ok(body),
            Ok(Some((Tag::Refused, body))) => Err(body.first() == Some(&1)),
            // The keeper is gone, so the child has no more work.
            _ => exit(1),
        }
    }

    fn tell(&self, tag: Tag, numbers: &[u64]) {
        let sent: io::Result<()> = self.lock().send(tag, &to_bytes(numbers), go_on);
        if sent.is_err() {
            exit(1);
        }
    }
}

/// An object that the keeper reads by byte ranges.
struct Remote {
    keeper: KeeperLink,
    size: u64,
}

/// Creates the error for a failure of the keeper's reader. The keeper knows the reason. The child only needs to know whether the read may
/// be retried.
fn refused(may_pass: bool) -> ReadFault {
    let reason = "refused by the keeper".to_owned();
    ReadFault::Source(match may_pass {
        true => SourceError::Connection { reason },
        false => SourceError::NotFound { reason },
    })
}

fn numbers_of(ranges: &[ByteRange]) -> Vec<u64> {
    ranges.iter().flat_map(|range| [range.start(), range.end()]).collect()
}

impl Ranges for Remote {
    /// The keeper begins the call itself.
    fn begin(&mut self, _: Deadline) {}

    fn size(&self) -> u64 {
        self.size
    }

    fn identity(&self) -> Option<Identity> {
        None
    }

    /// The keeper counts the cost.
    fn ledger(&self) -> Ledger {
        Ledger::default()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadFault> {
        let length = buffer.len().min(MAX_READ);
        let bytes = self.keeper.ask(Tag::Read, &[offset, length as u64]).map_err(refused)?;
        let count = bytes.len().min(length);
        if let (Some(room), Some(bytes)) = (buffer.get_mut(..count), bytes.get(..count)) {
            room.copy_from_slice(bytes);
        }
        Ok(count)
    }

    fn wait_for(&mut self, range: ByteRange) -> Result<(), ReadFault> {
        self.keeper.ask(Tag::Wait, &[range.start(), range.end()]).map(drop).map_err(refused)
    }

    fn prefetch(&mut self, ranges: &[ByteRange]) {
        self.keeper.tell(Tag::Prefetch, &numbers_of(ranges));
    }

    fn depth(&self) -> u32 {
        let depth = self.keeper.ask(Tag::Depth, &[]).ok().and_then(|body| to_numbers(&body).first().copied());
        depth.and_then(|depth| u32::try_from(depth).ok()).unwrap_or(0)
    }

    fn prefetch_behind(&self, depth: u32, ranges: &[ByteRange]) {
        let numbers = [vec![u64::from(depth)], numbers_of(ranges)].concat();
        self.keeper.tell(Tag::PrefetchBehind, &numbers);
    }

    fn need_only(&mut self, ranges: &[ByteRange]) {
        self.keeper.tell(Tag::NeedOnly, &numbers_of(ranges));
    }
}

/// A reader of the keeper's caller.
struct RemoteReader {
    keeper: KeeperLink,
    size: u64,
    position: u64,
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(MAX_READ);
        let bytes = self.keeper.ask(Tag::Read, &[self.position, length as u64]);
        let bytes = bytes.map_err(|_| io::Error::other("refused by the keeper"))?;
        let count = bytes.len().min(length);
        if let (Some(room), Some(bytes)) = (buffer.get_mut(..count), bytes.get(..count)) {
            room.copy_from_slice(bytes);
        }
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for RemoteReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(distance) => self.size.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

//! [`Cage`], and the files that are open in a cage.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::DumpableBehavior;

use super::keeper::{Bounds, Keeper, OwnReader, Served, Source, garbage};
use super::layers::Layers;
use super::options::CageOptions;
use super::picture::Picture;
use super::relay::Wanted;
use super::wire::{Answer, Failure, InputKind, Open, Request};
#[cfg(doc)]
use crate::Media;
use crate::deadline::Deadline;
use crate::media::open_reader;
use crate::pixels::{Framing, RgbPicture};
use crate::source::{Identity, RangeSource, Ranges as _, SourceError};
use crate::{
    Appearance, Candidate, CandidatesRequest, Encoding, Error, FrameRequest, ImageFormat, Ledger, MediaInfo,
    OpenOptions, Threads, Thumbnail,
};

/// The maximum number of idle children that are kept for the next videos.
const MAX_IDLE: usize = 4;
/// The maximum number of list requests in one message: some ten kilobytes. Each message is planned separately.
const MAX_LISTED: usize = 200;
/// The description of an answer that does not match its request.
const OTHER_ANSWER: &str = "the answer does not match the request";
/// Bytes of a picture file beyond its pixels: headers, and the overhead of the format.
const FILE_OVERHEAD: u64 = 1 << 20;

/// A pool of decoding children. Idle children wait for the next video. All clones share the pool.
#[derive(Debug, Clone)]
pub struct Cage(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    program: PathBuf,
    layers: Layers,
    children: Mutex<Children>,
}

#[derive(Debug, Default)]
struct Children {
    idle: Vec<Keeper>,
    /// The number of busy children.
    busy: usize,
}

impl Pool {
    fn children(&self) -> MutexGuard<'_, Children> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an idle child, or a new one. Every call must be followed by [`give_back`](Self::give_back).
    fn take(&self) -> Result<Keeper, Error> {
        self.children().busy += 1;
        while let Some(mut keeper) = { self.children().idle.pop() } {
            if keeper.is_waiting() {
                return Ok(keeper);
            }
        }
        let keeper = Keeper::start(&self.program)?;
        // A child that lost a layer does not belong to this cage.
        if keeper.layers == self.layers || self.layers == Layers::default() {
            return Ok(keeper);
        }
        Err(Error::NoCage {
            reason: format!("the layers of a new child are {:?}, not {:?}", keeper.layers, self.layers),
        })
    }

    /// Returns a child to the pool, if the child lives. A child that is the only busy one keeps its memory for the next file, like a
    /// process without a cage. When several children are busy, each returns its memory to the system: otherwise each would keep the memory
    /// of a frame.
    fn give_back(&self, keeper: Option<Keeper>) {
        let mut children = self.children();
        children.busy = children.busy.saturating_sub(1);
        let keeps_memory = children.busy == 0;
        if let Some(mut keeper) = keeper
            && children.idle.len() < MAX_IDLE
            && keeper.close(keeps_memory).is_ok()
        {
            children.idle.push(keeper);
        }
    }
}

impl Cage {
    /// Starts the first child.
    ///
    /// The call hides the memory of this process from other processes of the same user (`PR_SET_DUMPABLE` is 0), so that even a child that
    /// an attacker controls cannot read it. As a consequence, this process leaves no core dump, and only root can attach a debugger to it.
    ///
    /// # Errors
    /// [`Error::NoCage`] when no child can be started.
    pub fn start(options: CageOptions) -> Result<Self, Error> {
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| Error::NoCage { reason: error.to_string() })?;
        let program = options.program.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
        let first = Keeper::start(&program)?;
        let layers = first.layers;
        let children = Mutex::new(Children { idle: vec![first], busy: 0 });
        Ok(Self(Arc::new(Pool { program, layers, children })))
    }

    /// Returns the layers around each child.
    pub fn layers(&self) -> Layers {
        self.0.layers
    }

    /// Opens an object that is read by byte ranges, like [`Media::open_source`].
    ///
    /// # Errors
    /// The errors of [`Media::open_source`]; [`Error::DecoderDied`] and [`Error::NoCage`].
    pub fn open_source(&self, source: impl RangeSource, options: &OpenOptions) -> Result<CagedMedia, Error> {
        let source: Arc<dyn RangeSource> = Arc::new(source);
        let deadline = options.work().deadline().clone();
        let open = || {
            let reader = open_reader(&source, options, &deadline)?;
            let size = reader.size();
            self.open_served(Source::Ranges(reader), (InputKind::Ranges, size), options, &deadline)
        };
        match open() {
            Err(Error::Source(SourceError::Changed { .. })) => open(),
            result => result,
        }
    }

    /// Opens a file, like [`Media::open_file`].
    ///
    /// # Errors
    /// The errors of [`Media::open_file`]; [`Error::DecoderDied`] and [`Error::NoCage`].
    pub fn open_file(&self, path: impl AsRef<Path>, options: &OpenOptions) -> Result<CagedMedia, Error> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|error| Error::Open { path: path.to_owned(), error: Arc::new(error) })?;
        self.open(file, options)
    }

    /// Opens the content of a reader, like [`Media::open`].
    ///
    /// # Errors
    /// The errors of [`Media::open`]; [`Error::DecoderDied`] and [`Error::NoCage`].
    pub fn open<R: Read + Seek + Send + 'static>(
        &self,
        reader: R,
        options: &OpenOptions,
    ) -> Result<CagedMedia, Error> {
        let reader = OwnReader::new(Box::new(reader))?;
        let size = reader.size;
        let deadline = options.work().deadline().clone();
        self.open_served(Source::Reader(reader), (InputKind::Reader, size), options, &deadline)
    }

    fn open_served(
        &self,
        source: Source,
        (input, size): (InputKind, u64),
        options: &OpenOptions,
        deadline: &Deadline,
    ) -> Result<CagedMedia, Error> {
        if size == 0 {
            return Err(Error::Empty);
        }
        let mut session = Session::begin(&self.0, source, options, deadline.clone())?;
        let time_left = options.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let request = Open {
            input,
            size,
            limits: options.limits,
            threads: self.threads(options.threads),
            frame: options.wanted_frame(),
            analyse_streams: options.analyse_streams,
            time_left,
            log: Wanted::here(),
        };
        match session.call(&Request::Open(request))? {
            (Answer::Opened(info, ledger), None) => {
                session.ledger = ledger;
                if !is_sound(&info, options) {
                    return Err(session.nonsense("the streams do not exist"));
                }
                Ok(CagedMedia { session, info: *info })
            }
            _ => Err(session.nonsense(OTHER_ANSWER)),
        }
    }

    /// Returns the number of threads that a child may start. This process knows the number of processors better than the child does.
    fn threads(&self, wanted: Threads) -> Threads {
        const ONE: Threads = Threads::Count(NonZeroUsize::MIN);
        let one_processor = || thread::available_parallelism().is_ok_and(|count| count.get() == 1);
        match wanted {
            // Without seccomp, the limit on processes keeps the child from starting threads.
            _ if !self.0.layers.seccomp => ONE,
            Threads::Auto if one_processor() => ONE,
            wanted => wanted,
        }
    }

    /// Makes a child attempt something that it must not be able to do.
    ///
    /// # Errors
    /// The way in which the child ended, if it did.
    #[cfg(feature = "testing")]
    pub fn perform(
        &self,
        act: super::acts::Act,
        options: &OpenOptions,
    ) -> Result<Result<String, String>, Error> {
        let deadline = options.work().deadline().clone();
        let nothing = Source::Reader(OwnReader::new(Box::new(std::io::empty()))?);
        let mut session = Session::begin(&self.0, nothing, options, deadline)?;
        match session.call(&Request::Act(act, std::process::id()))? {
            (Answer::Acted(outcome), None) => Ok(outcome),
            _ => Err(session.nonsense(OTHER_ANSWER)),
        }
    }
}

/// Returns whether a child's description of a file is valid.
fn is_sound(info: &MediaInfo, options: &OpenOptions) -> bool {
    let count = info.streams.len();
    u64::try_from(count).is_ok_and(|count| count <= options.limits.max_streams.into())
        && info.video_stream.is_none_or(|index| index < count)
        && info.streams.iter().enumerate().all(|(index, stream)| stream.index == index)
}

/// A file that is open in a child. `CagedMedia` has the methods of [`Media`] for one frame at a time, and returns bit-identical frames.
///
/// When a child dies, its file is lost: each later call returns the same error. Other files are not affected.
pub struct CagedMedia {
    session: Session,
    info: MediaInfo,
}

impl fmt::Debug for CagedMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CagedMedia").field("info", &self.info).finish_non_exhaustive()
    }
}

impl CagedMedia {
    /// Returns the properties of the file.
    pub const fn info(&self) -> &MediaInfo {
        &self.info
    }

    /// Returns the identity of the object, like [`Media::identity`].
    pub fn identity(&self) -> Option<Identity> {
        match &self.session.served.source {
            Source::Ranges(reader) => reader.identity(),
            Source::Reader(_) => None,
        }
    }

    /// Returns the cost of reading so far.
    pub fn ledger(&self) -> Ledger {
        match &self.session.served.source {
            Source::Ranges(reader) => reader.ledger(),
            Source::Reader(_) => self.session.ledger,
        }
    }

    /// Returns the layers around the child.
    pub fn layers(&self) -> Layers {
        self.session.pool.layers
    }

    /// Finds the requested frame, like [`Media::frame`], and encodes the requested picture.
    ///
    /// # Errors
    /// The errors of [`Media::frame`] and [`PosterFrame::thumbnail`](crate::PosterFrame::thumbnail); [`Error::DecoderDied`].
    pub fn picture(&mut self, request: &FrameRequest) -> Result<Picture, Error> {
        self.request_picture(&Request::Picture(*request), &request.encoding)
    }

    /// Finds the requested frames, like [`Media::frames`], and encodes the requested picture of each. The iterator decodes a picture when
    /// its `next` is called.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::OpenOptions;
    /// use posterframe::cage::{Cage, CageOptions};
    ///
    /// let cage = Cage::start(CageOptions::default())?;
    /// let mut media = cage.open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// for picture in media.pictures([1, 2, 6].map(Duration::from_secs)) {
    ///     println!("{} bytes", picture?.thumbnail.bytes.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pictures<T: Into<FrameRequest>>(
        &mut self,
        requests: impl IntoIterator<Item = T>,
    ) -> CagedPictures<'_> {
        CagedPictures { media: self, requests: requests.into_iter().map(T::into).collect(), position: 0 }
    }

    fn request_picture(&mut self, request: &Request, encoding: &Encoding) -> Result<Picture, Error> {
        let session = &mut self.session;
        session.begin_call();
        match session.call(request)? {
            (Answer::Picture(picture, ledger), Some(bytes)) => {
                session.ledger = ledger;
                let picture = checked(*picture, bytes, encoding, &session.options);
                picture.map_err(|why| session.nonsense(why))
            }
            _ => Err(session.nonsense(OTHER_ANSWER)),
        }
    }

    /// Returns good frames from all parts of the video, as [`Media::candidates`] finds them. All of it is one call: the time limits of a call
    /// bound it as a whole.
    ///
    /// # Errors
    /// As [`Media::candidates`]; [`Error::DecoderDied`].
    pub fn candidates(&mut self, request: &CandidatesRequest) -> Result<Vec<Candidate>, Error> {
        let session = &mut self.session;
        session.begin_call();
        match session.call(&Request::Candidates(*request))? {
            (Answer::Candidates(candidates, ledger), Some(pixels)) => {
                session.ledger = ledger;
                let candidates = with_pixels(candidates, &pixels, request);
                candidates.map_err(|why| session.nonsense(why))
            }
            _ => Err(session.nonsense(OTHER_ANSWER)),
        }
    }

    /// Encodes the frame of the last picture as another picture, like [`PosterFrame::encode`](crate::PosterFrame::encode).
    ///
    /// # Errors
    /// The errors of `encode`; [`Error::DecoderDied`]; [`Error::Library`] when there was no picture.
    pub fn encode(&mut self, encoding: &Encoding) -> Result<Picture, Error> {
        self.request_picture(&Request::Encode(*encoding), encoding)
    }

    /// Returns the frame of the last picture as packed RGB, like [`PosterFrame::to_rgb8`](crate::PosterFrame::to_rgb8).
    ///
    /// # Errors
    /// The errors of `to_rgb8`; [`Error::DecoderDied`]; [`Error::Library`] when there was no picture.
    pub fn to_rgb8(&mut self, framing: impl Into<Framing>) -> Result<RgbPicture, Error> {
        let session = &mut self.session;
        match session.call(&Request::Rgb(framing.into()))? {
            (Answer::Rgb(width, height), Some(pixels)) => {
                let area = u64::from(width) * u64::from(height);
                let is_sound = area.checked_mul(3) == Some(pixels.len() as u64)
                    && area > 0
                    && area <= session.options.limits.max_pixels;
                if is_sound {
                    return Ok(RgbPicture { width, height, pixels });
                }
                Err(session.nonsense("the picture has the wrong size"))
            }
            _ => Err(session.nonsense(OTHER_ANSWER)),
        }
    }
}

/// The pictures of a list of requests, in the order of the list, returned by [`CagedMedia::pictures`].
///
/// A picture that fails is an error in its place, and the other pictures follow. After the child has died, all remaining items are its
/// error.
#[derive(Debug)]
#[must_use = "pictures are decoded when the iterator reaches them"]
pub struct CagedPictures<'m> {
    media: &'m mut CagedMedia,
    requests: Vec<FrameRequest>,
    /// The position of the next picture.
    position: usize,
}

impl CagedPictures<'_> {
    /// The frame of the last picture as packed RGB; the list continues behind it.
    ///
    /// # Errors
    /// As [`CagedMedia::to_rgb8`].
    pub(crate) fn rgb8(&mut self, framing: impl Into<Framing>) -> Result<RgbPicture, Error> {
        self.media.to_rgb8(framing)
    }
}

impl Iterator for CagedPictures<'_> {
    type Item = Result<Picture, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.requests.get(self.position..)?;
        let encoding = rest.first()?.encoding;
        let request = match self.position % MAX_LISTED {
            0 => Request::Pictures(rest.iter().take(MAX_LISTED).copied().collect()),
            _ => Request::Next,
        };
        self.position += 1;
        Some(self.media.request_picture(&request, &encoding))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.requests.len().saturating_sub(self.position);
        (count, Some(count))
    }
}

impl ExactSizeIterator for CagedPictures<'_> {}

/// A busy child and its open file.
struct Session {
    pool: Arc<Pool>,
    /// `None` when the child has died.
    keeper: Option<Keeper>,
    served: Served,
    ledger: Ledger,
    options: OpenOptions,
    deadline: Deadline,
    /// The child's CPU time when the file was opened.
    used: Duration,
    died: Option<Error>,
}

impl Session {
    fn begin(
        pool: &Arc<Pool>,
        source: Source,
        options: &OpenOptions,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let mut session = Self {
            pool: Arc::clone(pool),
            used: Duration::ZERO,
            keeper: None,
            served: Served::new(source),
            ledger: Ledger::default(),
            options: options.clone(),
            deadline,
            died: None,
        };
        let keeper = pool.take()?;
        session.used = keeper.cpu_time();
        session.keeper = Some(keeper);
        Ok(session)
    }

    /// Begins the next call. The time of the call counts from here.
    fn begin_call(&mut self) {
        self.deadline = self.deadline.begin();
        self.served.fault = None;
        if let Source::Ranges(reader) = &mut self.served.source {
            reader.begin(self.deadline.clone());
        }
    }

    fn call(&mut self, request: &Request) -> Result<(Answer, Option<Vec<u8>>), Error> {
        let dead = || Error::DecoderDied { how: "has ended".to_owned() };
        let keeper = match (&self.died, &mut self.keeper) {
            (None, Some(keeper)) => keeper,
            (died, _) => return Err(died.clone().unwrap_or_else(dead)),
        };
        let limits = self.options.limits;
        // The bound applies to all calls together, or to each call.
        let used = if self.options.deadline.is_some() { self.used } else { keeper.cpu_time() };
        let bounds = Bounds {
            deadline: self.deadline.clone(),
            cpu_time: used.saturating_add(limits.max_cpu_time),
            max_cpu_time: limits.max_cpu_time,
            max_memory: limits.max_memory,
            max_picture: usize::try_from(most_bytes(limits.max_pixels)).unwrap_or(usize::MAX),
        };
        match keeper.call(request, &mut self.served, &bounds) {
            Ok((Answer::Failed(failure, ledger), None)) => {
                self.ledger = ledger;
                Err(self.error_of(failure))
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.dies(error)),
        }
    }

    /// Ends the child, which is no longer trusted.
    fn dies(&mut self, error: Error) -> Error {
        self.keeper = None;
        self.died.get_or_insert(error).clone()
    }

    fn nonsense(&mut self, why: &str) -> Error {
        self.dies(garbage(why))
    }

    /// Converts a child's error. The error of the keeper's own reader takes precedence.
    fn error_of(&mut self, failure: Failure) -> Error {
        match failure {
            Failure::Reader { offset, message } => match self.served.fault.take() {
                Some(fault) => fault.into(),
                None => {
                    let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, message);
                    Error::Read { offset, error: Arc::new(error) }
                }
            },
            Failure::Empty => Error::Empty,
            Failure::NotMedia { reason } => Error::NotMedia { reason },
            Failure::UnsupportedContainer { name } => Error::UnsupportedContainer { name: name.into() },
            Failure::NoVideo { found } => Error::NoVideo { found },
            Failure::NoCover => Error::NoCover,
            Failure::NoDuration => Error::NoDuration,
            Failure::NoDecoder { codec } => Error::NoDecoder { codec },
            Failure::Encrypted { scheme } => Error::Encrypted { scheme },
            Failure::TileGrid => Error::TileGrid,
            Failure::NoTransparency { format } => Error::NoTransparency { format },
            Failure::ColourMatrix { matrix } => Error::ColourMatrix { matrix },
            Failure::NoFrame { packets, errors, first } => Error::NoFrame { packets, errors, first },
            Failure::LimitExceeded { limit, allowed } => Error::LimitExceeded { limit, allowed },
            Failure::Timeout { allowed } => Error::Timeout { allowed },
            Failure::Panicked { message } => Error::Panicked { message },
            Failure::TooExpensive => Error::TooExpensive,
            Failure::TooLarge { format, width, height, max_side } => {
                Error::TooLarge { format, width, height, max_side }
            }
            Failure::Picture { step, reason } => Error::Picture { step: step.into(), reason },
            Failure::Library { step, reason } => Error::Library { step: step.into(), reason },
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.pool.give_back(self.keeper.take());
    }
}

/// Returns the maximum number of bytes of a picture with this many pixels: as packed RGB, or as PNG, which may be larger.
const fn most_bytes(max_pixels: u64) -> u64 {
    max_pixels.saturating_mul(4).saturating_add(FILE_OVERHEAD)
}

/// Returns an answer with the received bytes, if the two are valid together.
fn checked(
    mut picture: Picture,
    bytes: Vec<u8>,
    encoding: &Encoding,
    options: &OpenOptions,
) -> Result<Picture, &'static str> {
    let Thumbnail { width, height, format, .. } = picture.thumbnail;
    let area = |(width, height)| u64::from(width) * u64::from(height);
    let is_of_size = |size| (1..=options.limits.max_pixels).contains(&area(size));
    let is_within = |side: u32, bound: Option<NonZeroU32>| bound.is_none_or(|bound| side <= bound.get());
    let bounds = encoding.bounds;
    if format != encoding.format || !bytes.starts_with(magic(format)) {
        return Err("the picture has the wrong format");
    }
    if !is_of_size((width, height))
        || !is_of_size(picture.decoded_size)
        || !is_within(width, bounds.max_width)
        || !is_within(height, bounds.max_height)
    {
        return Err("the picture has the wrong size");
    }
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = |name: &str| name.len() <= 32 && name.chars().all(is_part_of_name);
    if !picture.pts_seconds.is_finite() || !is_name(&picture.pixel_format) {
        return Err("the values cannot be those of a frame");
    }
    picture.thumbnail.bytes = bytes;
    Ok(picture)
}

/// Takes candidates and the pixels that came with them, if they may be those of a request.
fn with_pixels(
    mut candidates: Vec<Candidate>,
    mut pixels: &[u8],
    request: &CandidatesRequest,
) -> Result<Vec<Candidate>, &'static str> {
    let is_counted =
        u32::try_from(candidates.len()).is_ok_and(|count| (1..=request.count.get()).contains(&count));
    if !is_counted {
        return Err("more candidates than were requested, or none");
    }
    let is_within =
        |side: u32, bound: Option<NonZeroU32>| side > 0 && bound.is_none_or(|bound| side <= bound.get());
    for candidate in &mut candidates {
        let RgbPicture { width, height, pixels: own } = &mut candidate.picture;
        let bytes = (u64::from(*width) * u64::from(*height)).checked_mul(3);
        let part = bytes.and_then(|bytes| pixels.split_at_checked(usize::try_from(bytes).ok()?));
        let Some((part, rest)) = part else { return Err("fewer pixels than its pictures have") };
        if !is_within(*width, request.tile.max_width) || !is_within(*height, request.tile.max_height) {
            return Err("a picture of another size");
        }
        let Appearance { entropy, brightness, sharpness, .. } = candidate.appearance;
        let are_finite = [entropy, brightness, sharpness].iter().all(|measure| measure.is_finite());
        if !candidate.pts_seconds.is_finite() || !are_finite {
            return Err("numbers that no frame has");
        }
        (*own, pixels) = (part.to_vec(), rest);
    }
    if pixels.is_empty() { Ok(candidates) } else { Err("more pixels than its pictures have") }
}

/// Returns the first bytes of a picture file: JPEG (ITU-T T.81, B.1.1.3), PNG (RFC 2083, 3.1), WebP (RFC 9649, 2.4).
const fn magic(format: ImageFormat) -> &'static [u8] {
    match format {
        ImageFormat::Jpeg => &[0xff, 0xd8],
        #[cfg(feature = "png")]
        ImageFormat::Png => b"\x89PNG\r\n\x1a\n",
        #[cfg(feature = "webp")]
        ImageFormat::WebP => b"RIFF",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Bounds, FrameReason, Limits, Orientation};

    /// The keeper accepts a child's description of streams only if the description is consistent.
    #[test]
    fn inconsistent_stream_descriptions_are_rejected() {
        let file = crate::Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default()).unwrap();
        let info = file.info().clone();
        let count = info.streams.len();
        assert!(count > 1, "{info:?}");
        let most = |count| OpenOptions::default().with_limits(Limits::default().with_max_streams(count));
        let count_as_limit = u32::try_from(count).unwrap();
        assert!(is_sound(&info, &most(count_as_limit)));
        assert!(!is_sound(&info, &most(count_as_limit - 1)));
        for (video_stream, expected) in [(None, true), (Some(count - 1), true), (Some(count), false)] {
            let info = MediaInfo { video_stream, ..info.clone() };
            assert_eq!(is_sound(&info, &most(100)), expected, "{video_stream:?}");
        }
        let mut swapped = info;
        swapped.streams.swap(0, 1);
        assert!(!is_sound(&swapped, &most(100)));
    }

    /// A picture is received before it is checked: its size is limited to the largest valid picture plus the headers of a file.
    #[test]
    fn the_size_of_a_received_picture_is_limited() {
        assert_eq!(most_bytes(0), 1 << 20);
        assert_eq!(most_bytes(1_000_000), 4_000_000 + (1 << 20));
        assert_eq!(most_bytes(u64::MAX), u64::MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// An accepted picture is within the bounds and in the requested format, whatever a child sends.
        #[test]
        fn an_accepted_picture_matches_its_request(
            // Most of the values are valid, so that each of them decides in some cases.
            size in prop_oneof![4 => (1..=200_u32, 1..=100_u32), 1 => (0..300_u32, 0..300_u32)],
            decoded_size in prop_oneof![4 => (1..1000_u32, 1..1000_u32), 1 => (0..3000_u32, 0..3000_u32)],
            pts_seconds in prop_oneof![4 => -1e9..1e9, 1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY)]],
            pixel_format in prop_oneof![4 => "[a-z0-9_]{1,32}", 1 => "[a-z0-9_]{33,40}", 1 => ".{0,20}"],
            bytes in prop_oneof![4 => Just(vec![0xff, 0xd8, 0xff]), 1 => prop::collection::vec(any::<u8>(), 0..4)],
        ) {
            let encoding = Encoding::default().with_bounds(Bounds::new(200, 100));
            let options = OpenOptions::default().with_limits(Limits::default().with_max_pixels(1_000_000));
            let picture = Picture {
                considered: Vec::new(),
                thumbnail: Thumbnail { width: size.0, height: size.1, format: ImageFormat::Jpeg, bytes: Vec::new() },
                pts_seconds,
                pts: 0,
                time_base: crate::Ratio { num: 1, den: 1 },
                reason: FrameReason::AtTarget,
                stream_index: 0,
                packets_decoded: 1,
                passes: 1,
                decoded_size,
                pixel_format: pixel_format.clone(),
                orientation: Orientation::Upright,
            };
            let is_sound = (1..=200).contains(&size.0)
                && (1..=100).contains(&size.1)
                && (1..=1_000_000).contains(&(decoded_size.0 * decoded_size.1))
                && pts_seconds.is_finite()
                && pixel_format.len() <= 32
                && pixel_format.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && bytes.starts_with(&[0xff, 0xd8]);
            let taken = checked(picture, bytes.clone(), &encoding, &options);
            prop_assert_eq!(taken.is_ok(), is_sound);
            if let Ok(taken) = taken {
                prop_assert_eq!(taken.thumbnail.bytes, bytes);
            }
        }

        /// Whatever a child says of candidates: those that are taken are as many and as large as requested, and have all their pixels.
        #[test]
        fn candidates_that_are_taken_are_those_that_were_requested(
            sizes in prop::collection::vec(prop_oneof![6 => (1..=20_u32, 1..=10_u32), 1 => (0..30_u32, 0..30_u32)], 0..5),
            more in prop_oneof![4 => Just(0_i32), 1 => -2..=2_i32],
            pts_seconds in prop_oneof![4 => -1e9..1e9, 1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY)]],
        ) {
            let request = CandidatesRequest::new(NonZeroU32::new(3).unwrap()).with_tile(Bounds::new(20, 10));
            let candidate = |&(width, height): &(u32, u32)| Candidate {
                at: Duration::from_secs(5).into(),
                pts_seconds,
                appearance: Appearance::of(&RgbPicture::new(4, 4, Vec::new())),
                picture: RgbPicture { width, height, pixels: Vec::new() },
            };
            let needed: u32 = sizes.iter().map(|(width, height)| width * height * 3).sum();
            let pixels = vec![7; usize::try_from(i64::from(needed) + i64::from(more)).unwrap_or(0)];
            let is_sound = (1..=3).contains(&sizes.len())
                && sizes.iter().all(|(width, height)| (1..=20).contains(width) && (1..=10).contains(height))
                && more == 0
                && pts_seconds.is_finite();
            let taken = with_pixels(sizes.iter().map(candidate).collect(), &pixels, &request);
            prop_assert_eq!(taken.is_ok(), is_sound, "{:?}", taken);
            for Candidate { picture, .. } in taken.unwrap_or_default() {
                prop_assert_eq!(picture.pixels.len(), (picture.width * picture.height * 3) as usize);
            }
        }
    }
}

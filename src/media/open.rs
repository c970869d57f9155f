//! Opening a container, up to the first picture.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "remote")]
use crate::deadline::Deadline;
use crate::frame_request::{CoverArt, FrameRequest};
use crate::frame_time::FrameTime;
use crate::limits::{Limit, Limits};
use crate::media::container::analysis::{self, prepare};
use crate::media::container::chapters;
use crate::media::container::describe::{Known, describe_stream, encryptions};
use crate::media::container::encryption::Encryption;
use crate::media::container::foreign;
use crate::media::container::formats::{Handling, Opening, handling, refused};
use crate::media::container::last_sound;
use crate::media::container::pace::{FRAMES_IN_DEPTH, Pace, mode_of_packets};
use crate::media::container::parameters::Allowance;
use crate::media::container::undecoded;
use crate::media::container::{KeyframeInterval, read_in_depth, stream_start};
use crate::media::error::Error;
use crate::media::ffi::format::OpenError;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::{DispositionFlags, MediaType, Stream};
use crate::media::info::{MediaInfo, StreamInfo, StreamKind};
use crate::media::init::{ProcessOptions, init};
use crate::media::input::{Container, Fault, Input};
use crate::media::layout::{Layout, Wanted};
use crate::media::options::{OpenOptions, Threads};
use crate::media::search::Spent;
use crate::media::side_data::SideData;
use crate::media::timeline;
use crate::media::units::Microseconds;
#[cfg(feature = "remote")]
use crate::media::work::Work;
use crate::source::Ledger;
#[cfg(feature = "remote")]
use crate::source::{
    BlockCache, FirstReads, Identity, RangeReader, RangeSource, Ranges, ReaderOptions, SourceError,
};

/// An open media file: the entry to information, frames and storyboards.
///
/// A `Media` can move to another thread. Only one thread can use a `Media` at a time.
///
/// ```
/// # fn main() -> Result<(), posterframe::Error> {
/// use std::time::Duration;
/// use posterframe::{Media, OpenOptions};
///
/// let mut media = Media::open_file("tests/fixtures/h264_front.mp4", &OpenOptions::default())?;
/// println!("{:?} seconds", media.info().duration_seconds);
/// let frame = media.frame(Duration::from_secs(5))?;
/// let jpeg = frame.thumbnail()?;
/// assert!(jpeg.bytes.starts_with(&[0xff, 0xd8]));
/// # Ok(())
/// # }
/// ```
pub struct Media<'r> {
    pub(super) container: Container<'r>,
    pub(super) info: MediaInfo,
    /// Start of the presentation.
    pub(super) start: Microseconds,
    pub(super) duration: Option<Microseconds>,
    /// Packets that opening has read.
    pub(super) pending: VecDeque<Packet>,
    /// Whether all packets since the first one are still available.
    pub(super) at_start: bool,
    pub(super) handling: Handling,
    /// The expected positions of the keyframes of each stream, where they are known.
    pub(super) keyframes: Vec<Option<KeyframeInterval>>,
    /// The encryption of each stream.
    pub(super) encryptions: Vec<Encryption>,
    pub(super) layout: Layout,
    /// The frame whose packets have been requested.
    pub(super) planned: Option<Wanted>,
    pub(super) limits: Limits,
    /// The cost of the current call so far.
    pub(super) spent: Spent,
    pub(super) threads: Threads,
}

impl fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Media<'static> {
    /// Opens an object that is read by byte ranges. This call blocks. From async code, use `spawn_blocking`.
    ///
    /// Every request after the first carries the version of the object that the first request found. An object that is replaced during
    /// the opening is opened once more. A replacement after the opening is an error.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use posterframe::source::MemorySource;
    /// use posterframe::{Media, OpenOptions};
    ///
    /// let source = MemorySource::new(std::fs::read("tests/fixtures/h264_end.mp4")?);
    /// let at = Duration::from_secs(5);
    /// let mut media = Media::open_source(source, &OpenOptions::default().with_frame(at))?;
    /// let frame = media.frame(at)?;
    /// assert_eq!(frame.pts_seconds(), 5.0);
    /// assert_eq!(media.ledger().round_trips, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Source`]: the object could not be read. Otherwise the errors of [`Media::open`].
    #[cfg(feature = "remote")]
    pub fn open_source(source: impl RangeSource, options: &OpenOptions) -> Result<Self, Error> {
        init(&ProcessOptions::default());
        let work = options.work();
        let source: Arc<dyn RangeSource> = Arc::new(source);
        let open = || {
            Error::guard(|| {
                let reader = open_reader(&source, options, work.deadline())?;
                Self::open_ranges(Box::new(reader), options, work.clone())
            })
        };
        match open() {
            Err(Error::Source(SourceError::Changed { .. })) => open(),
            result => result,
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Open`] when the file cannot be opened. Otherwise the errors of [`Media::open`].
    pub fn open_file(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path)
            .map_err(|error| Error::Open { path: path.to_owned(), error: Arc::new(error) })?;
        Self::open(file, options)
    }
}

impl<'r> Media<'r> {
    /// Opens the content of a reader. Only this call and the calls of [`frame`](Self::frame) use the reader, in the calling thread.
    /// This call seeks to the end once, to learn the size.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io::Cursor;
    /// use posterframe::{Media, OpenOptions};
    ///
    /// let bytes = std::fs::read("tests/fixtures/hevc.mp4")?;
    /// // A reader may borrow.
    /// let media = Media::open(Cursor::new(&bytes), &OpenOptions::default())?;
    /// let video = media.info().streams[0].video.as_ref().ok_or("the first stream is no video")?;
    /// assert_eq!((video.width, video.height), (160, 120));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::Empty`], [`Error::NotMedia`], [`Error::UnsupportedContainer`]: the content is not a supported media file.
    /// - [`Error::TooExpensive`]: the file is built to exhaust resources.
    /// - [`Error::Read`], [`Error::ReaderPanicked`]: the reader failed.
    /// - [`Error::LimitExceeded`], [`Error::Timeout`], [`Error::Cancelled`]: a limit or token of `options` ended the call.
    ///
    /// A file without video is not an error here. [`frame`](Self::frame) returns an error for such a file.
    pub fn open<R: Read + Seek + Send + 'r>(reader: R, options: &OpenOptions) -> Result<Self, Error> {
        init(&ProcessOptions::default());
        Error::guard(|| {
            Self::open_input(Input::new(Box::new(reader), &options.limits, options.work())?, options)
        })
    }

    /// Opens the content of a reader of byte ranges.
    #[cfg(feature = "remote")]
    pub(crate) fn open_ranges(
        reader: Box<dyn Ranges + 'r>,
        options: &OpenOptions,
        work: Work,
    ) -> Result<Self, Error> {
        init(&ProcessOptions::default());
        Error::guard(|| Self::open_input(Input::from_ranges(reader, work), options))
    }

    fn open_input(mut input: Input<'r>, options: &OpenOptions) -> Result<Self, Error> {
        let limits = options.limits;
        if input.size() == 0 {
            return Err(Error::Empty);
        }
        if let Some(name) = foreign::name(input.peek(0, foreign::HEAD_BYTES)?) {
            return Err(Error::UnsupportedContainer { name: name.into() });
        }
        // Times before the end are known only once the file is open.
        let wanted = |request: FrameRequest| {
            Some(Wanted { at: request.time.from_start(None)?, pick: request.pick.first() })
        };
        let wanted = options.wanted_frame().and_then(wanted);
        let layout = Layout::look(&mut input, &limits, wanted)?;
        let opening = Opening::new(&limits, &layout);
        let mut container = Container::open(input, opening.max_streams, &opening.options)
            .map_err(|OpenError { error, source }| refused(&source, error))?;
        container.input_mut().check()?;
        let format_name = container.format_name();
        let was_known = layout.is_known();
        let layout = layout.confirm(&format_name, container.stream_count());
        if was_known && !layout.is_known() {
            container.input_mut().hide_nothing();
        }
        let handling = handling(&format_name).for_index(&container);
        // libavformat keeps the packets that the analysis reads, and returns them first.
        let analysis = if options.analyse_streams {
            analysis::in_depth(&mut container)?;
            Some(Vec::new())
        } else {
            prepare(&mut container, &opening)?
        };
        let pending = if analysis.is_some() {
            VecDeque::new()
        } else {
            analysis::find_starts(&mut container, &opening, &layout)?
        };
        let (mut media, intervals) = Self::assemble(container, pending, layout, handling, options)?;
        media.planned = wanted;
        if let Some(keyframes) = analysis {
            media.keyframes = keyframes;
            media.pending = last_sound::add(&mut media.container, &mut media.info, &mut media.duration)?;
        }
        if options.analyse_streams {
            media.read_packets()?;
        }
        if media.info.streams.len() > usize::try_from(limits.max_streams).unwrap_or(usize::MAX) {
            return Err(Error::LimitExceeded {
                limit: Limit::MaxStreams,
                allowed: limits.max_streams.into(),
            });
        }
        media.info.video_stream = media.video_streams(CoverArt::Fallback).first().copied();
        media.info.has_default_time = media.has_default_time(&intervals);
        media.container.input_mut().end();
        Ok(media)
    }

    fn assemble(
        container: Container<'r>,
        pending: VecDeque<Packet>,
        layout: Layout,
        handling: Handling,
        options: &OpenOptions,
    ) -> Result<(Self, Vec<Option<i64>>), Error> {
        let encryptions = encryptions(&container, &layout.protected_entries());
        let mut allowance = Allowance::new(options.limits.max_pixels);
        let paces = paces(&container, &layout);
        // Frames of APNG contain durations only, and libavformat reports no start.
        let lacks_times = container.format_name() == "apng";
        let mut streams = container
            .streams()
            .enumerate()
            .zip(&encryptions)
            .zip(&paces)
            .map(|(((index, stream), encryption), pace)| {
                // Opening a decoder takes time, and libav checks no deadline meanwhile.
                if let Some(stop) = container.input().work().expired() {
                    return Err(Fault::Stopped(stop).into());
                }
                let start = stream_start(index, stream, &layout, &pending).filter(|_| !lacks_times);
                // Where libavformat saw only a part of the fragments, the layout contains more.
                let duration = layout.track_end(stream.id()).or_else(|| stream.stated_duration_ts());
                let picture = container.attached_picture(index).ok().flatten();
                let first = pending.iter().find(|packet| packet.stream_index() == Some(index));
                let packet = picture.as_ref().or(first).map(Packet::bytes);
                let head = packet.or_else(|| layout.first_bytes(index)).unwrap_or_default();
                let known = Known { start, duration, encryption, head, pace };
                Ok(describe_stream(index, stream, known, &mut allowance))
            })
            .collect::<Result<Vec<StreamInfo>, Error>>()?;
        if let Some(stream) = layout.keys_behind().and_then(|index| streams.get_mut(index))
            && !stream.side_data.contains(&SideData::keys())
        {
            stream.side_data.push(SideData::keys());
        }
        let (combined_start, combined_duration) = timeline::of_streams(&streams);
        let start = container.start_time().map(Microseconds::new).or(combined_start);
        // After the analysis, libavformat reports no start only if no packet has a timestamp.
        let has_no_packets =
            options.analyse_streams && container.start_time().is_none() && !layout.is_partial();
        let told_start = start.filter(|_| !has_no_packets);
        let told_duration = container.duration().map(Microseconds::new);
        // For a part of the fragments, libavformat computes the duration of that part.
        let (duration, bit_rate) = match layout.is_partial() {
            true => (combined_duration.or(told_duration), None),
            false => (told_duration.or(combined_duration), container.bit_rate()),
        };
        let size = container.input().size();
        let info = MediaInfo {
            format_name: container.format_name(),
            format_long_name: container.format_long_name(),
            duration_seconds: duration.map(Microseconds::seconds),
            start_seconds: told_start.map(Microseconds::seconds),
            bit_rate: bit_rate.or_else(|| timeline::average_bit_rate(size, duration?)),
            size_bytes: Some(size),
            probe_score: container.probe_score(),
            tags: container.tags(),
            streams,
            chapters: chapters::describe(container.chapters(), start, duration),
            has_default_time: None,
            video_stream: None,
            mp4: layout.mp4(),
        };
        let intervals = paces.iter().map(|pace| pace.last_interval).collect();
        let media = Self {
            container,
            info,
            start: start.unwrap_or_default(),
            duration,
            pending,
            at_start: true,
            handling,
            keyframes: Vec::new(),
            encryptions,
            layout,
            planned: None,
            limits: options.limits,
            spent: Spent::default(),
            threads: options.threads,
        };
        Ok((media, intervals))
    }

    /// Reads packets until they reveal the distances between the frames of each video, and the properties of audio and subtitles that
    /// no compiled-in decoder reports. Keeps the packets for decoding.
    fn read_packets(&mut self) -> Result<(), Error> {
        let is_untold = |stream: &&mut StreamInfo| is_moving(stream) && stream.frame_rate_mode.is_none();
        // The number of packets of each stream that are still to be read.
        let mut missing: BTreeMap<usize, usize> = BTreeMap::new();
        for stream in &mut self.info.streams {
            let index = stream.index;
            if is_untold(&stream) {
                missing.insert(index, FRAMES_IN_DEPTH);
            } else if undecoded::is_wanted(stream) {
                missing.insert(index, 1);
            }
        }
        let count = |missing: &mut BTreeMap<usize, usize>, packet: &Packet| {
            let left = packet.stream_index().and_then(|index| missing.get_mut(&index));
            left.into_iter().for_each(|left| *left = left.saturating_sub(1));
            missing.retain(|_, left| *left > 0);
        };
        self.pending.iter().for_each(|packet| count(&mut missing, packet));
        let more = read_in_depth(&mut self.container, |_, packets| {
            packets.back().into_iter().for_each(|packet| count(&mut missing, packet));
            !missing.is_empty()
        })?;
        self.pending.extend(more);
        // Only the end of a short file bounds the number of packets.
        let is_end = |index: usize| missing.contains_key(&index) && self.pending.len() < FRAMES_IN_DEPTH;
        for stream in self.info.streams.iter_mut().filter(is_untold) {
            let index = stream.index;
            stream.frame_rate_mode = mode_of_packets(self.pending.iter(), index, is_end(index));
        }
        for packet in &self.pending {
            let stream = packet.stream_index().and_then(|index| self.info.streams.get_mut(index));
            stream.into_iter().for_each(|stream| undecoded::add(stream, packet.bytes()));
        }
        Ok(())
    }

    /// Returns whether the video has a frame at the default time. `intervals` are the durations of the last frames, where they are
    /// known.
    fn has_default_time(&self, intervals: &[Option<i64>]) -> Option<bool> {
        let index = self.info.video_stream?;
        let stream = self.info.streams.get(index).filter(|stream| is_moving(stream))?;
        let at = Microseconds::from(FrameTime::default().from_start(None)?);
        let interval = intervals.get(index).copied().flatten();
        let by_stream = timeline::reaches(stream, (self.start, at), interval);
        by_stream.or_else(|| self.duration.map(|duration| duration > at))
    }

    /// Runs a call. A panic in the call is a bug of this crate. The panic ends this call and all later ones, because it may have left
    /// the state inconsistent.
    ///
    /// # Errors
    /// The error of the call, or [`Error::Panicked`].
    pub(super) fn guard<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let result = Error::guard(|| call(self)).map_err(|error| self.broken(error));
        self.container.input_mut().end();
        result
    }

    /// Ends all later calls if this error comes from a panic.
    pub(super) fn broken(&mut self, error: Error) -> Error {
        if let Error::Panicked { message } = &error {
            self.container.input_mut().fail_for_good(Fault::Panicked(message.clone()));
        }
        error
    }

    /// Returns the properties of the file.
    pub const fn info(&self) -> &MediaInfo {
        &self.info
    }

    /// Returns the identity and version of the object, from the source's first reply. Returns `None` for files and readers, which have
    /// no identity.
    #[cfg(feature = "remote")]
    pub fn identity(&self) -> Option<Identity> {
        self.container.input().identity()
    }

    /// Returns the cost of reading so far.
    pub fn ledger(&self) -> Ledger {
        self.container.input().ledger()
    }

    /// Returns the video streams in the order in which they are tried. The first stream is the one that `ffmpeg` selects by default:
    /// the largest, where a default stream gains five million pixels. A cover picture comes last, unless `cover` requires another
    /// order. Streams that can be decoded come before streams that cannot.
    pub(super) fn video_streams(&self, cover: CoverArt) -> Vec<usize> {
        let is_wanted = |stream: &&StreamInfo| match cover {
            CoverArt::Fallback | CoverArt::Prefer => true,
            CoverArt::Ignore => !stream.disposition.attached_pic,
            CoverArt::Only => stream.disposition.attached_pic,
        };
        let pictures = self.info.streams.iter().filter(|stream| stream.kind == StreamKind::Video);
        let candidates = pictures.filter(is_wanted);
        let mut scored: Vec<_> = candidates
            .map(|stream| {
                let area =
                    stream.video.as_ref().map_or(0, |video| u64::from(video.width) * u64::from(video.height));
                let bonus = if stream.disposition.default { 5_000_000 } else { 0 };
                let score = match (stream.disposition.attached_pic, cover) {
                    (true, CoverArt::Prefer) => u64::MAX,
                    (true, _) => 1,
                    (false, _) => 2 + area + bonus,
                };
                ((stream.decodable, score), stream.index)
            })
            .collect();
        // The sort is stable: equal streams keep their order.
        scored.sort_by_key(|&(score, _)| std::cmp::Reverse(score));
        scored.into_iter().map(|(_, index)| index).collect()
    }

    pub(super) fn no_video(&self, cover: CoverArt) -> Error {
        if cover == CoverArt::Only {
            return Error::NoCover;
        }
        let kinds: Vec<&str> =
            self.info.streams.iter().map(|stream| stream.kind.as_str().unwrap_or("unknown")).collect();
        Error::NoVideo { found: if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") } }
    }
}

/// Returns whether a stream is a video and not a cover picture.
fn is_moving(stream: &StreamInfo) -> bool {
    stream.kind == StreamKind::Video && !stream.disposition.attached_pic
}

/// Returns what indexes and headers contain about the pace of each stream.
fn paces(container: &Container<'_>, layout: &Layout) -> Vec<Pace> {
    let format_name = container.format_name();
    let (is_mov, is_avi) = (format_name.starts_with("mov"), format_name == "avi");
    let is_whole = is_avi || layout.mp4().is_some_and(|mp4| !mp4.fragmented);
    let pace = |(index, stream): (usize, Stream<'_>)| {
        let is_cover = stream.disposition().contains(DispositionFlags::ATTACHED_PIC);
        if stream.kind() != MediaType::Video || is_cover {
            Pace::default()
        } else if is_mov || is_avi {
            Pace::of_index(container, index, is_whole)
        } else {
            Pace::of_headers(stream, layout.frame_times(index))
        }
    };
    container.streams().enumerate().map(pace).collect()
}

#[cfg(feature = "remote")]
pub(crate) fn open_reader(
    source: &Arc<dyn RangeSource>,
    options: &OpenOptions,
    deadline: &Deadline,
) -> Result<RangeReader, Fault> {
    let reading = ReaderOptions {
        cache: options.cache.clone().unwrap_or_else(BlockCache::global),
        first_reads: options.first_reads.unwrap_or_else(|| FirstReads::for_name(&source.name())),
        size_hint: options.size_hint,
        max_bytes: options.limits.max_bytes,
        max_requests: options.limits.max_requests,
        deadline: deadline.clone(),
    };
    RangeReader::open(Arc::clone(source), reading).map_err(Fault::from)
}

//! Opening a container: what is read before the first picture.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::media::colour;
use crate::media::configuration::Configuration;
use crate::media::error::MediaError;
use crate::media::ffi::format::{Container, OpenError};
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::Stream;
use crate::media::ffi::{self};
use crate::media::info::{MediaInfo, Ratio, StreamInfo, StreamKind, VideoInfo};
#[cfg(feature = "remote")]
use crate::media::input::Fault;
use crate::media::input::Input;
use crate::media::layout::{Layout, Places};
use crate::media::options::{OpenOptions, Threads};
use crate::media::poster::{FrameReason, PosterFrame};
use crate::media::search::{Found, Search, Seeking, Target, Timestamps};
use crate::media::timeline::{self, Span};
use crate::pixels::Orientation;
#[cfg(feature = "remote")]
use crate::source::{BlockCache, FirstReads, Identity, RangeReader, RangeSource, ReaderOptions, SourceError};
use crate::source::{ByteRange, Ledger};

/// Demuxers that may be used, whatever else a system FFmpeg holds: none that opens other files or lists of them.
const DEMUXERS: &CStr = c"mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mxf,gxf,avi,flv,asf,ogg,rm,dv,wtv,h264,hevc,vvc,av1,obu,ivf,m4v,mpegvideo,mjpeg,h263,vc1,nut,yuv4mpegpipe,gif,apng,jpeg_pipe";
/// No demuxer of ours has a use for a protocol.
const NO_PROTOCOL: &CStr = c"none";
/// Bytes that `avformat_find_stream_info` may look at: enough for exact durations of transport streams (300 kB is not),
/// a fifth of libavformat's default.
const PROBE_BYTES: i64 = 1_000_000;
/// What that takes of the file, asked for at once.
const PROBE_READ: u64 = 9 << 17;
/// Packets read to learn where streams start, for containers whose headers do not say it.
const MAX_START_PACKETS: usize = 100;
/// Bytes of packets read for the same.
const MAX_START_BYTES: u64 = 2 << 20;

/// What libavformat is told.
const RESTRICTIONS: &[(&CStr, &CStr)] =
    &[(c"format_whitelist", DEMUXERS), (c"protocol_whitelist", NO_PROTOCOL)];

/// The same, for a file whose streams are sought together.
const SEEKING_TOGETHER: &[(&CStr, &CStr)] = &[
    (c"format_whitelist", DEMUXERS),
    (c"protocol_whitelist", NO_PROTOCOL),
    (c"seek_streams_individually", c"0"),
];

fn demuxer_options(layout: &Layout) -> &'static [(&'static CStr, &'static CStr)] {
    if layout.seeks_together() { SEEKING_TOGETHER } else { RESTRICTIONS }
}

/// One more than allowed, to see that there are too many: the demuxers just leave them out.
const fn max_streams(limits: &Limits) -> u32 {
    limits.max_streams.saturating_add(1)
}

fn refused(error: OpenError) -> MediaError {
    match error {
        OpenError::Fault(fault) => fault.into(),
        OpenError::Libav(error) => MediaError::NotMedia { reason: error.to_string() },
    }
}

/// How a container is handled: by the first of libavformat's names for it.
struct Handling {
    /// Whether headers alone tell codecs, sizes and timing.
    headers_suffice: bool,
    seeking: Seeking,
    timestamps: Timestamps,
}

/// Found out by comparing 80 formats with and without `avformat_find_stream_info`: frame and duration are the same for
/// those whose headers suffice.
fn handling(format_name: &str) -> Handling {
    let first = format_name.split(',').next().unwrap_or_default();
    let (headers_suffice, seeking, timestamps) = match first {
        "mov" | "matroska" | "nut" => (true, Seeking::Indexed, Timestamps::Stored),
        "avi" | "mxf" => (true, Seeking::Indexed, Timestamps::Reckoned),
        "mpegts" | "flv" => (false, Seeking::Inexact, Timestamps::Stored),
        "ogg" | "rm" | "gxf" | "ivf" | "gif" | "apng" | "yuv4mpegpipe" => {
            (true, Seeking::Inexact, Timestamps::Reckoned)
        }
        "obu" => (true, Seeking::Inexact, Timestamps::Counted),
        "h264" | "hevc" | "vvc" | "av1" | "m4v" | "mpegvideo" | "mjpeg" | "h263" | "vc1" => {
            (false, Seeking::Inexact, Timestamps::Counted)
        }
        _ => (false, Seeking::Inexact, Timestamps::Reckoned),
    };
    Handling { headers_suffice, seeking, timestamps }
}

/// An open media file.
///
/// It may be sent to another thread, and is used by one at a time.
///
/// ```
/// # fn main() -> Result<(), posterframe::MediaError> {
/// use std::time::Duration;
/// use posterframe::{Encoding, Media, OpenOptions};
///
/// let mut media = Media::open_file("tests/fixtures/h264_front.mp4", &OpenOptions::default())?;
/// println!("{:?} seconds", media.info().duration_seconds);
/// let frame = media.poster_frame(Duration::from_secs(5))?;
/// let jpeg = frame.encode(&Encoding::default())?;
/// assert!(jpeg.bytes.starts_with(&[0xff, 0xd8]));
/// # Ok(())
/// # }
/// ```
pub struct Media<'r> {
    container: Container<'r>,
    info: MediaInfo,
    /// Start of the presentation in microseconds.
    start: i64,
    /// Length in microseconds.
    duration: Option<i64>,
    /// Packets read while opening.
    pending: VecDeque<Packet>,
    /// Whether no packet has been lost since the first one.
    at_start: bool,
    seeking: Seeking,
    timestamps: Timestamps,
    layout: Layout,
    /// The time for which packets have been asked for.
    planned_at: Option<Duration>,
    limits: Limits,
    threads: Threads,
}

impl fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Media<'static> {
    /// Opens an object that is read by byte ranges. Blocks; it may be called from any thread that may, of whatever runtime.
    ///
    /// Every request after the first names the version of the object that the first met. An object that is replaced while it
    /// is being opened is opened once more; later it is an error.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use posterframe::source::MemorySource;
    /// use posterframe::{Media, OpenOptions};
    ///
    /// let source = MemorySource::new(std::fs::read("tests/fixtures/h264_end.mp4")?);
    /// let at = Duration::from_secs(5);
    /// let mut media = Media::open_source(source, &OpenOptions::default().with_poster_at(at))?;
    /// let frame = media.poster_frame(at)?;
    /// assert_eq!(frame.pts_seconds(), 5.0);
    /// assert_eq!(media.ledger().round_trips, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MediaError::Source`]: the object could not be read. Otherwise as [`Media::open`].
    #[cfg(feature = "remote")]
    pub fn open_source(source: impl RangeSource, options: &OpenOptions) -> Result<Self, MediaError> {
        ffi::initialise(options.limits.max_allocation);
        let deadline = Deadline::new(options.limits.max_time, options.cancel.clone());
        let source: Arc<dyn RangeSource> = Arc::new(source);
        let open = || {
            let reader = RangeReader::open(Arc::clone(&source), reader_options(&*source, options, &deadline));
            let input = Input::from_ranges(reader.map_err(Fault::from)?, deadline.clone());
            Self::open_input(input, options)
        };
        match open() {
            Err(MediaError::Source(SourceError::Changed { .. })) => open(),
            result => result,
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`MediaError::Read`] when the file cannot be opened; otherwise as [`Media::open`].
    pub fn open_file(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, MediaError> {
        let file =
            File::open(path).map_err(|error| MediaError::Read { offset: 0, error: Arc::new(error) })?;
        Self::open(file, options)
    }
}

impl<'r> Media<'r> {
    /// Opens what a reader gives. It is read from within this call and those of [`poster_frame`](Self::poster_frame)
    /// only, in the calling thread, and sought to its end once to learn its size.
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
    /// - [`MediaError::Empty`], [`MediaError::NotMedia`]: there is nothing to read in it.
    /// - [`MediaError::Read`], [`MediaError::ReaderPanicked`]: the reader failed.
    /// - [`MediaError::LimitExceeded`], [`MediaError::Timeout`], [`MediaError::Cancelled`]: as `options` says.
    ///
    /// A file without video is not an error here; it is one for [`poster_frame`](Self::poster_frame).
    pub fn open<R: Read + Seek + Send + 'r>(reader: R, options: &OpenOptions) -> Result<Self, MediaError> {
        ffi::initialise(options.limits.max_allocation);
        let deadline = Deadline::new(options.limits.max_time, options.cancel.clone());
        Self::open_input(Input::new(Box::new(reader), &options.limits, deadline)?, options)
    }

    fn open_input(mut input: Input<'r>, options: &OpenOptions) -> Result<Self, MediaError> {
        let limits = options.limits;
        if input.size() == 0 {
            return Err(MediaError::Empty);
        }
        let layout = Layout::look(&mut input, &limits, options.poster_at)?;
        let mut container =
            Container::open(input, max_streams(&limits), demuxer_options(&layout)).map_err(refused)?;
        container.input_mut().check()?;
        let format_name = container.format_name();
        let layout = layout.confirm(&format_name, container.stream_count());
        if layout.mp4().is_some() {
            container.read_packets_directly();
        }
        let Handling { headers_suffice, seeking, timestamps } = handling(&format_name);
        let ways = (seeking, timestamps);
        let mut media = if headers_suffice && headers_are_complete(&container) {
            let pending = read_starts(&mut container, &layout)?;
            Self::assemble(container, pending, layout, ways, options)
        } else {
            container.set_probe_bytes(PROBE_BYTES);
            container.input_mut().prefetch(&[ByteRange::new(0, PROBE_READ)]);
            let result = container.find_stream_info();
            container.input_mut().check()?;
            result.map_err(|error| MediaError::NotMedia { reason: error.to_string() })?;
            Self::assemble(container, VecDeque::new(), layout, ways, options)
        };
        if media.info.streams.len() > usize::try_from(limits.max_streams).unwrap_or(usize::MAX) {
            return Err(MediaError::LimitExceeded {
                limit: "max_streams",
                allowed: limits.max_streams.into(),
            });
        }
        media.info.video_stream = media.choose_video_stream();
        Ok(media)
    }

    fn assemble(
        container: Container<'r>,
        pending: VecDeque<Packet>,
        layout: Layout,
        (seeking, timestamps): (Seeking, Timestamps),
        options: &OpenOptions,
    ) -> Self {
        let starts: Vec<Option<i64>> = container
            .streams()
            .enumerate()
            .map(|(index, stream)| stream_start(index, stream, &layout, &pending))
            .collect();
        // Where only a part of the fragments was shown to libavformat, we know more than it does.
        let durations: Vec<Option<i64>> = container
            .streams()
            .map(|stream| layout.track_end(stream.id()).or_else(|| stream.duration_ts()))
            .collect();
        let spans: Vec<Span> = container
            .streams()
            .zip(&starts)
            .zip(&durations)
            .map(|((stream, start), duration)| Span {
                kind: stream.kind(),
                start: start.and_then(|ticks| timeline::to_microseconds(ticks, stream.time_base())),
                duration: duration.and_then(|ticks| timeline::to_microseconds(ticks, stream.time_base())),
            })
            .collect();
        let (combined_start, combined_duration) = timeline::combine(&spans);
        let start = container.start_time().or(combined_start);
        let duration = container.duration().or(combined_duration);
        let size = container.input().size();
        let info = MediaInfo {
            format_name: container.format_name(),
            format_long_name: container.format_long_name(),
            duration_seconds: duration.map(timeline::seconds),
            start_seconds: start.map(timeline::seconds),
            bit_rate: container.bit_rate().or_else(|| average_bit_rate(size, duration?)),
            size_bytes: Some(size),
            probe_score: container.probe_score(),
            tags: container.tags(),
            streams: container
                .streams()
                .enumerate()
                .zip(starts.into_iter().zip(durations))
                .map(|((index, stream), span)| {
                    describe_stream(index, stream, span, options.limits.max_pixels)
                })
                .collect(),
            video_stream: None,
            mp4: layout.mp4(),
        };
        Self {
            container,
            info,
            start: start.unwrap_or(0),
            duration,
            pending,
            at_start: true,
            seeking,
            timestamps,
            layout,
            planned_at: options.poster_at,
            limits: options.limits,
            threads: options.threads,
        }
    }

    /// What the file says.
    pub const fn info(&self) -> &MediaInfo {
        &self.info
    }

    /// Which object it is, and which version of it, as the source's first reply said; `None` for files and readers, which have no
    /// such thing.
    #[cfg(feature = "remote")]
    pub fn identity(&self) -> Option<Identity> {
        self.container.input().identity()
    }

    /// What reading has cost so far.
    pub fn ledger(&self) -> Ledger {
        self.container.input().ledger()
    }

    /// The frame at `at` after the start: the first whose presentation time is at or after it, rounded to the nearest
    /// tick of the stream. When the video ends before that, the one at half of its duration by the same rule; when there
    /// is none there either, the last that decodes. [`PosterFrame::reason`] says which it is.
    ///
    /// May be called again for other times, in any order.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::MediaError> {
    /// use std::time::Duration;
    /// use posterframe::{FrameReason, Media, OpenOptions};
    ///
    /// // It lasts 7 s.
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// for (at, seconds, reason) in [
    ///     (6, 6.0, FrameReason::AtTarget),
    ///     (1, 1.0, FrameReason::AtTarget),
    ///     (60, 3.5, FrameReason::HalfDuration),
    /// ] {
    ///     let frame = media.poster_frame(Duration::from_secs(at))?;
    ///     assert_eq!((frame.pts_seconds(), frame.reason()), (seconds, reason));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`MediaError::NoVideo`], [`MediaError::NoDecoder`]: there is nothing to decode, or nothing to decode it with.
    /// - [`MediaError::NoFrame`]: no frame decodes.
    /// - [`MediaError::Read`], [`MediaError::ReaderPanicked`]: the reader failed.
    /// - [`MediaError::LimitExceeded`], [`MediaError::Timeout`], [`MediaError::Cancelled`]: as the options say.
    pub fn poster_frame(&mut self, at: Duration) -> Result<PosterFrame, MediaError> {
        self.container.input_mut().check()?;
        let index = self.info.video_stream.ok_or_else(|| self.no_video())?;
        let info = &self.info.streams[index];
        let (width, height) = info.video.as_ref().map_or((0, 0), |video| (video.width, video.height));
        if u64::from(width) * u64::from(height) > self.limits.max_pixels {
            return Err(MediaError::LimitExceeded { limit: "max_pixels", allowed: self.limits.max_pixels });
        }
        let still = info.disposition.attached_pic;
        let track = info.id.and_then(|id| u32::try_from(id).ok());
        self.container.keep_only(index);
        self.plan(index, track, at)?;
        loop {
            let found = self.search(index, still, (width, height), at);
            // Of a file of fragments, only those that were thought to be enough are seen.
            let is_enough = found.as_ref().is_ok_and(|(found, ..)| self.sees_enough(index, at, found));
            if is_enough || !self.explore_further(index)? {
                let (found, time_base, packets_decoded) = found?;
                return self.show(index, found.frame, found.pts, found.reason, time_base, packets_decoded);
            }
        }
    }

    /// Asks for what the frame at `at` needs, where that can be known.
    fn plan(&mut self, index: usize, track: Option<u32>, at: Duration) -> Result<(), MediaError> {
        if self.planned_at != Some(at) {
            self.layout.plan(self.container.input_mut(), track, at)?;
            self.planned_at = Some(at);
        }
        self.show_planned(index)
    }

    /// Whether what libavformat does not see of the file cannot hold a better frame for `at`.
    fn sees_enough(&self, index: usize, at: Duration, found: &Found) -> bool {
        let Some(stream) = self.container.stream(index) else { return true };
        let at = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
        let time_base = stream.time_base();
        let wanted = timeline::to_ticks(self.start.saturating_add(at), time_base);
        let end = self.duration.map(|duration| self.start.saturating_add(duration));
        let goal = match found.reason {
            FrameReason::AtTarget => wanted,
            _ if !self.layout.ends_before(stream.id(), wanted.unwrap_or(i64::MAX)) => return false,
            _ => end.and_then(|end| timeline::middle_to_ticks(self.start, end, time_base)),
        };
        // No earlier frame can be better than one at the very tick.
        Some(found.pts) == goal || self.layout.is_certain(self.container.input(), stream.id(), found.pts)
    }

    fn show_planned(&mut self, index: usize) -> Result<(), MediaError> {
        if self.layout.show(self.container.input_mut()) { self.reopen(index) } else { Ok(()) }
    }

    /// Lets libavformat see more of a file of fragments; `false` when it has seen all.
    fn explore_further(&mut self, index: usize) -> Result<bool, MediaError> {
        self.container.input_mut().check()?;
        if !self.layout.explore_further(self.container.input_mut())? {
            return Ok(false);
        }
        self.show_planned(index)?;
        Ok(true)
    }

    fn reopen(&mut self, index: usize) -> Result<(), MediaError> {
        self.container.reopen(max_streams(&self.limits), demuxer_options(&self.layout)).map_err(refused)?;
        self.container.read_packets_directly();
        self.container.keep_only(index);
        self.pending.clear();
        self.at_start = true;
        Ok(())
    }

    fn search(
        &mut self,
        index: usize,
        still: bool,
        (width, height): (u32, u32),
        at: Duration,
    ) -> Result<(Found, Ratio, u64), MediaError> {
        let at = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
        // A cover picture is handed out once, before the first packet; no seek brings it back.
        let seeking = match self.seeking {
            _ if still => Seeking::None,
            Seeking::Indexed if self.layout.has_no_index() => Seeking::ReadingOn,
            seeking => seeking,
        };
        let size = self.container.input().size();
        let mut search = Search::new(
            &mut self.container,
            &mut self.pending,
            std::mem::replace(&mut self.at_start, false),
            index,
            (seeking, self.timestamps),
            self.threads.resolve(width, height),
            self.limits.max_pixels,
            self.limits.max_packets,
            self.layout.mp4().is_some(),
        )?;
        let ticks = |microseconds| timeline::to_ticks(microseconds, search.time_base).unwrap_or(i64::MAX);
        let target = Target {
            wanted: ticks(self.start.saturating_add(at)),
            start: ticks(self.start),
            half: self.duration.and_then(|duration| {
                timeline::middle_to_ticks(self.start, self.start.saturating_add(duration), search.time_base)
            }),
            ends_before: self.duration.is_some_and(|duration| duration <= at),
        };
        let duration = self.duration.and_then(|duration| timeline::to_ticks(duration, search.time_base));
        if let Some(duration) = duration {
            let can_enter = self.info.format_name == "mpegts";
            search.set_places(Places { size, start: target.start, duration }, can_enter);
        }
        let found = search.find(target)?;
        Ok((found, search.time_base, search.packets_decoded()))
    }

    fn show(
        &self,
        index: usize,
        mut frame: ffi::frame::Frame,
        pts: i64,
        reason: FrameReason,
        time_base: Ratio,
        packets_decoded: u64,
    ) -> Result<PosterFrame, MediaError> {
        let Some(stream) = self.container.stream(index) else { return Err(self.no_video()) };
        if let Some(mut edges) = stream.cropping() {
            // Whole chroma samples only on the left and at the top, as ffmpeg's crop filter does.
            let (shift_x, shift_y) = frame.format().layout().map_or((0, 0), |layout| layout.chroma_shift);
            let (odd_x, odd_y) = (edges.left & ((1 << shift_x) - 1), edges.top & ((1 << shift_y) - 1));
            edges.left -= odd_x;
            edges.right += odd_x;
            edges.top -= odd_y;
            edges.bottom += odd_y;
            // Edges that leave nothing are damage: the picture is shown whole.
            let (width, height) = (frame.width() as usize, frame.height() as usize);
            let fits = |a: usize, b: usize, side: usize| a.checked_add(b).is_some_and(|sum| sum < side);
            if fits(edges.left, edges.right, width) && fits(edges.top, edges.bottom, height) {
                frame.crop(edges).map_err(MediaError::picture("cropped"))?;
            }
        }
        // The container's word on shape goes before the codec's, and the frame's before that of the headers.
        let sample_aspect_ratio = stream
            .container_sample_aspect_ratio()
            .or_else(|| frame.sample_aspect_ratio())
            .or_else(|| stream.sample_aspect_ratio());
        let matrix = frame.display_matrix().or_else(|| stream.display_matrix());
        let seconds = timeline::to_seconds(pts, time_base).unwrap_or(0.0) - timeline::seconds(self.start);
        Ok(PosterFrame {
            orientation: matrix.map_or(Orientation::Upright, orientation),
            sample_aspect_ratio,
            pts,
            time_base,
            pts_seconds: seconds,
            reason,
            stream_index: index,
            packets_decoded,
            frame,
        })
    }

    /// The video that `ffmpeg` takes when it is not told which: the largest, where being marked as default counts for five
    /// million pixels, and a cover picture only when there is nothing else. One that can be decoded goes before one that
    /// cannot.
    fn choose_video_stream(&self) -> Option<usize> {
        let candidates = self.info.streams.iter().filter(|stream| stream.kind == StreamKind::Video);
        candidates
            .map(|stream| {
                let area =
                    stream.video.as_ref().map_or(0, |video| u64::from(video.width) * u64::from(video.height));
                let bonus = if stream.disposition.default { 5_000_000 } else { 0 };
                let score = if stream.disposition.attached_pic { 1 } else { 2 + area + bonus };
                ((stream.decodable, score), stream.index)
            })
            // The first of equals.
            .max_by(|(a, a_index), (b, b_index)| a.cmp(b).then(b_index.cmp(a_index)))
            .map(|(_, index)| index)
    }

    fn no_video(&self) -> MediaError {
        let kinds: Vec<&str> =
            self.info.streams.iter().map(|stream| stream.kind.as_str().unwrap_or("unknown")).collect();
        MediaError::NoVideo { found: if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") } }
    }
}

#[cfg(feature = "remote")]
fn reader_options(source: &dyn RangeSource, options: &OpenOptions, deadline: &Deadline) -> ReaderOptions {
    ReaderOptions {
        cache: options.cache.clone().unwrap_or_else(BlockCache::global),
        first_reads: options.first_reads.unwrap_or_else(|| FirstReads::for_name(&source.name())),
        size_hint: options.size_hint,
        max_bytes: options.limits.max_bytes,
        max_requests: options.limits.max_requests,
        deadline: deadline.clone(),
    }
}

/// Codecs whose frames may be stored in another order than they are shown in.
const REORDERING_CODECS: [&str; 9] =
    ["mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "vvc", "vc1", "wmv3", "rv40"];

/// Whether the headers named a codec and a size for each video there is, and its timestamps can be had without looking at
/// packets: AVI has none for frames shown out of order, and libavformat reckons them from what the packets say.
fn headers_are_complete(container: &Container<'_>) -> bool {
    let is_avi = container.format_name() == "avi";
    container.stream_count() > 0
        && container.streams().filter(|stream| stream.kind() == StreamKind::Video).all(|stream| {
            let codec = stream.codec_name().filter(|&name| name != "none");
            codec.is_some_and(|name| !is_avi || !REORDERING_CODECS.contains(&name))
                && stream.width() > 0
                && stream.height() > 0
        })
}

/// Reads packets until each stream of sound or pictures has told where it starts, and keeps them.
fn read_starts(container: &mut Container<'_>, layout: &Layout) -> Result<VecDeque<Packet>, MediaError> {
    let mut pending = VecDeque::new();
    let mut bytes = 0;
    while pending.len() < MAX_START_PACKETS && bytes < MAX_START_BYTES {
        let unknown = container.streams().enumerate().any(|(index, stream)| {
            matches!(stream.kind(), StreamKind::Video | StreamKind::Audio)
                && stream_start(index, stream, layout, &pending).is_none()
        });
        if !unknown {
            break;
        }
        let mut packet = Packet::new().map_err(MediaError::library("allocating a packet"))?;
        let result = container.read_packet(&mut packet);
        container.input_mut().check()?;
        // An end or an error here is met again, and dealt with, when packets are read to be decoded.
        if !matches!(result, Ok(true)) {
            break;
        }
        bytes += packet.size();
        pending.push_back(packet);
    }
    Ok(pending)
}

/// Where a stream starts, in its ticks: by the container, by its index, by what we saw of it, or by its first packets.
fn stream_start(
    index: usize,
    stream: Stream<'_>,
    layout: &Layout,
    pending: &VecDeque<Packet>,
) -> Option<i64> {
    let told = stream.start_pts().or_else(|| stream.first_index_timestamp());
    told.or_else(|| layout.stream_start(index, stream.id())).or_else(|| {
        let own = pending.iter().filter(|packet| packet.stream_index() == Some(index));
        own.filter_map(|packet| packet.pts().or_else(|| packet.dts())).min()
    })
}

fn average_bit_rate(size: u64, duration: i64) -> Option<u64> {
    let duration = u128::try_from(duration).ok().filter(|&duration| duration > 0)?;
    u64::try_from(u128::from(size) * 8_000_000 / duration).ok()
}

fn orientation(matrix: [i32; 9]) -> Orientation {
    Orientation::from_matrix(matrix[0], matrix[1], matrix[3], matrix[4])
}

fn describe_stream(
    index: usize,
    stream: Stream<'_>,
    (start, duration_ts): (Option<i64>, Option<i64>),
    max_pixels: u64,
) -> StreamInfo {
    let time_base = stream.time_base();
    let kind = stream.kind();
    let configuration = (kind == StreamKind::Video).then(|| Configuration::of(stream, index, max_pixels));
    let profile =
        configuration.as_ref().map_or_else(|| stream.profile(), |configuration| configuration.profile);
    StreamInfo {
        index,
        id: Some(stream.id()).filter(|&id| id != 0),
        kind,
        codec_name: stream.codec_name().map(str::to_owned),
        codec_long_name: stream.codec_long_name().map(str::to_owned),
        profile: stream.profile_name(profile).map(str::to_owned),
        codec_tag_string: tag_string(stream.codec_tag()),
        codec_tag: stream.codec_tag(),
        decodable: kind == StreamKind::Video && stream.is_decodable(),
        time_base,
        start_pts: start,
        start_seconds: start.and_then(|ticks| timeline::to_seconds(ticks, time_base)),
        duration_ts,
        duration_seconds: duration_ts.and_then(|ticks| timeline::to_seconds(ticks, time_base)),
        bit_rate: stream.bit_rate(),
        frame_count: stream.frame_count(),
        real_frame_rate: stream.real_frame_rate(),
        average_frame_rate: stream.average_frame_rate(),
        disposition: stream.disposition(),
        tags: stream.tags(),
        video: configuration.map(|configuration| describe_video(stream, configuration)),
        audio: (kind == StreamKind::Audio).then(|| stream.audio()),
    }
}

fn describe_video(stream: Stream<'_>, configuration: Configuration) -> VideoInfo {
    let matrix = stream.display_matrix();
    VideoInfo {
        width: stream.width(),
        height: stream.height(),
        pixel_format: configuration.pixel_format,
        sample_aspect_ratio: configuration.sample_aspect_ratio.map(Ratio::reduced),
        orientation: matrix.map_or(Orientation::Upright, orientation),
        display_rotation: matrix.map(display_rotation),
        colour: colour::describe(configuration.colour, stream.dolby_vision_profile()),
        field_order: configuration.field_order,
        level: Some(configuration.level).filter(|&level| level >= 0),
        has_b_frames: configuration.has_b_frames,
    }
}

/// As `av_display_rotation_get` (libavutil/display.c): the counter-clockwise turn, from the normalised first column.
fn display_rotation(matrix: [i32; 9]) -> f64 {
    let number = |index: usize| f64::from(matrix[index]);
    // Not `hypot`: it would need glibc 2.35 (see `vendor/libav/glibc_compat.h`), and these are far from overflow.
    let length = |a: f64, b: f64| (a * a + b * b).sqrt();
    let (scale_x, scale_y) = (length(number(0), number(3)), length(number(1), number(4)));
    if scale_x == 0.0 || scale_y == 0.0 {
        return 0.0;
    }
    -(number(1) / scale_y).atan2(number(0) / scale_x).to_degrees()
}

/// The tag's four characters, lowest byte first, those that are not letters, digits or in `.-_ ` as `[n]`, as
/// `av_fourcc_make_string` writes them.
fn tag_string(tag: u32) -> String {
    let mut text = String::new();
    for byte in tag.to_le_bytes() {
        if byte.is_ascii_alphanumeric() || b".-_ ".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("[{byte}]"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_like_ffprobe() {
        assert_eq!(tag_string(u32::from_le_bytes(*b"avc1")), "avc1");
        assert_eq!(tag_string(0), "[0][0][0][0]");
    }
}

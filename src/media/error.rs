//! Failures between a reader and a picture.

use std::borrow::Cow;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Stop;
use crate::error::{ErrorKind, panic_message};
use crate::limits::Limit;
use crate::media::ffi::AvError;
use crate::media::input::Fault;
use crate::picture::ImageFormat;
#[cfg(feature = "remote")]
use crate::source::SourceError;

/// A failure to open, read, decode or encode a media file.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source is empty.
    #[error("the file is empty")]
    Empty,
    /// No compiled-in demuxer recognises the file, or its headers are damaged beyond use.
    #[error("not a readable media file: {reason}")]
    NotMedia {
        /// libav's message.
        reason: String,
    },
    /// The file is in a known container format that is not supported.
    #[error("unsupported kind of file: {name}")]
    UnsupportedContainer {
        /// The container's name.
        name: Cow<'static, str>,
    },
    /// The container is valid but contains no video.
    #[error("the file contains no video (streams: {found})")]
    NoVideo {
        /// The kinds of the streams that the container has.
        found: String,
    },
    /// The request was for a cover picture, and the file contains none.
    #[error("the file contains no cover picture")]
    NoCover,
    /// The request was for a storyboard, and the file declares no duration.
    #[error("the file declares no duration, which a storyboard needs")]
    NoDuration,
    /// The decoder for the video's codec is not compiled in.
    #[error("unsupported video codec {codec}: no decoder is compiled in")]
    NoDecoder {
        /// The codec under FFmpeg's name.
        codec: String,
    },
    /// The frame is encrypted. If the start of the video is not encrypted, the frames of this start can still be requested.
    #[error("the video is encrypted ({scheme})")]
    Encrypted {
        /// The scheme, as in [`StreamInfo::encryption`](crate::StreamInfo::encryption).
        scheme: String,
    },
    /// The picture consists of tiles (HEIF), each of which is a separate stream.
    #[error("the picture is a grid of tiles (HEIF), which is not supported")]
    TileGrid,
    /// No frame of the video could be decoded.
    #[error("no frame of the video can be decoded ({packets} packets read, {errors} errors; first: {first})")]
    NoFrame {
        /// Packets of the video that were read.
        packets: u64,
        /// Errors of the demuxer and the decoder.
        errors: u64,
        /// libav's first error message, or "the video has no packets" if libav reported none.
        first: String,
    },
    /// A limit of [`Limits`](crate::Limits) was reached.
    #[error("limit reached: {limit} is {}", limit.in_words(*allowed))]
    LimitExceeded {
        /// The limit.
        limit: Limit,
        /// The value of the limit. The value of [`Limit::MaxCpuTime`] is in milliseconds.
        allowed: u64,
    },
    /// The allowed time has passed.
    #[error("not done within {:.1} s", allowed.as_secs_f64())]
    Timeout {
        /// The allowed time.
        allowed: Duration,
    },
    /// The cancel token was triggered.
    #[error("cancelled")]
    Cancelled,
    /// A file could not be opened.
    #[error("{}: {error}", path.display())]
    Open {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// The reader failed.
    #[error("reading at byte {offset} failed: {error}")]
    Read {
        /// The position in the source.
        offset: u64,
        /// The reader's error.
        error: Arc<io::Error>,
    },
    /// The object could not be read by byte ranges.
    #[cfg(feature = "remote")]
    #[error("{0}")]
    Source(SourceError),
    /// The reader panicked. The panic was caught before it reached libav, and the source returns no more bytes.
    #[error("the reader panicked: {message}")]
    ReaderPanicked {
        /// The panic's message.
        message: String,
    },
    /// posterframe itself panicked, which is a bug. The panic ended the call, and the [`Media`](crate::Media) can no longer be used.
    #[error("posterframe panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// Opening the file took more CPU time or memory inside libav than the number of read bytes allows. The static libav of this
    /// crate enforces these bounds (`vendor/libav/patches/0005-brake.patch`). A system's FFmpeg has no such bounds, and reports a
    /// failed allocation in this way.
    #[error("opening the file costs more CPU time or memory than a file of its size may use")]
    TooExpensive,
    /// A side of the picture is longer than its file format allows.
    #[error("{width} x {height} is too large for {}: a side has at most {max_side} pixels", format.content_type())]
    TooLarge {
        /// The file format.
        format: ImageFormat,
        /// Width of the picture, before it is turned.
        width: u32,
        /// Height of the picture, before it is turned.
        height: u32,
        /// The longest side that the format allows.
        max_side: u32,
    },
    /// [`Transparency::Keep`](crate::Transparency::Keep) was requested for a format without alpha.
    #[error("{} has no transparency: choose PNG or WebP, or a background", format.content_type())]
    NoTransparency {
        /// The file format.
        format: ImageFormat,
    },
    /// The colour matrix of the frame cannot be converted: IPT-C2, `ICtCp` without PQ or HLG, or constant luminance without
    /// the curve of a camera.
    #[error("the colour matrix {matrix} of the video is not supported")]
    ColourMatrix {
        /// FFmpeg's name of the matrix (ITU-T H.273, table 4).
        matrix: String,
    },
    /// The frame could not be converted into a picture.
    #[error("the picture could not be {step}: {reason}")]
    Picture {
        /// The failed step: scaled, encoded.
        step: Cow<'static, str>,
        /// The library's message.
        reason: String,
    },
    /// An unexpected failure inside FFmpeg, usually out of memory.
    #[error("{step} failed: {reason}")]
    Library {
        /// The failed step.
        step: Cow<'static, str>,
        /// libav's message.
        reason: String,
    },
    /// The decoding process could not be started.
    #[cfg(feature = "cage")]
    #[error("cannot start the decoder process: {reason}")]
    NoCage {
        /// The system's message.
        reason: String,
    },
    /// The decoding process ended, or returned an invalid answer, while it processed the file. Another process decodes the next
    /// file.
    #[cfg(feature = "cage")]
    #[error("the decoder process {how}")]
    DecoderDied {
        /// The signal or exit code of the process, or the error in its answer.
        how: String,
    },
}

impl Error {
    /// Returns whether the object was replaced or removed during the read.
    pub const fn is_replaced(&self) -> bool {
        #[cfg(feature = "remote")]
        {
            matches!(self, Self::Source(SourceError::Changed { .. } | SourceError::NotFound { .. }))
        }
        #[cfg(not(feature = "remote"))]
        false
    }

    /// Returns the limit that was reached, if any.
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::LimitExceeded { limit, .. } => Some(*limit),
            _ => None,
        }
    }

    /// Returns whether a retry may succeed; see [`ErrorKind::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty | Self::NotMedia { .. } | Self::NoFrame { .. } => ErrorKind::Malformed,
            #[cfg(feature = "cage")]
            Self::DecoderDied { .. } => ErrorKind::Malformed,
            #[cfg(feature = "cage")]
            Self::NoCage { .. } => ErrorKind::Internal,
            Self::UnsupportedContainer { .. }
            | Self::NoVideo { .. }
            | Self::NoCover
            | Self::NoDuration
            | Self::NoDecoder { .. }
            | Self::Encrypted { .. }
            | Self::TileGrid
            | Self::ColourMatrix { .. }
            | Self::TooLarge { .. } => ErrorKind::Unsupported,
            Self::NoTransparency { .. } => ErrorKind::Config,
            Self::LimitExceeded { .. } | Self::TooExpensive => ErrorKind::LimitExceeded,
            Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Open { error, .. } | Self::Read { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                io::ErrorKind::TimedOut => ErrorKind::Timeout,
                _ => ErrorKind::Unavailable,
            },
            #[cfg(feature = "remote")]
            Self::Source(error) => error.kind(),
            Self::ReaderPanicked { .. }
            | Self::Panicked { .. }
            | Self::Picture { .. }
            | Self::Library { .. } => ErrorKind::Internal,
        }
    }

    /// Creates the error for a stream that no longer exists.
    pub(super) fn missing_stream() -> Self {
        Self::Library { step: "finding the stream".into(), reason: "the stream no longer exists".to_owned() }
    }

    /// Creates the error for a search that read `packets` and met `errors`.
    pub(super) fn no_frame(packets: u64, errors: u64, first: Option<String>) -> Self {
        let first = first.unwrap_or_else(|| "the video has no packets".to_owned());
        Self::NoFrame { packets, errors, first }
    }

    /// Runs a call and converts a panic into an error: a bug of this crate must not end a program that has other work.
    ///
    /// # Errors
    /// The error of the call, or [`Error::Panicked`].
    pub(super) fn guard<T>(call: impl FnOnce() -> Result<T, Self>) -> Result<T, Self> {
        catch_unwind(AssertUnwindSafe(call))
            .unwrap_or_else(|payload| Err(Self::Panicked { message: panic_message(&*payload) }))
    }

    pub(super) fn library(step: &'static str) -> impl FnOnce(AvError) -> Self {
        move |error| Self::Library { step: step.into(), reason: error.in_words() }
    }

    pub(super) fn picture(step: &'static str) -> impl FnOnce(AvError) -> Self {
        move |error| Self::Picture { step: step.into(), reason: error.in_words() }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Stopped(Stop::Cancelled) => Self::Cancelled,
            Fault::Stopped(Stop::Timeout(allowed)) => Self::Timeout { allowed },
            Fault::Stopped(Stop::CpuTime(allowed)) => {
                let allowed = u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX);
                Self::LimitExceeded { limit: Limit::MaxCpuTime, allowed }
            }
            Fault::Limit { limit, allowed } => Self::LimitExceeded { limit, allowed },
            Fault::Read { offset, error } => Self::Read { offset, error },
            #[cfg(feature = "remote")]
            Fault::Source(error) => error.into(),
            Fault::ReaderPanicked(message) => Self::ReaderPanicked { message },
            Fault::Panicked(message) => Self::Panicked { message },
        }
    }
}

#[cfg(feature = "remote")]
impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Empty => Self::Empty,
            error => Self::Source(error),
        }
    }
}

//! What can go wrong between a reader and a picture.

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

/// A failure to open, read or show a media file.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source holds no byte.
    #[error("the file is empty")]
    Empty,
    /// No container that is compiled in recognises the file, or its headers are damaged beyond use.
    #[error("not a media file that can be read: {reason}")]
    NotMedia {
        /// What libav says.
        reason: String,
    },
    /// The file is in a container that is known, and left out.
    #[error("{name}: this kind of file is not supported")]
    UnsupportedContainer {
        /// The container's name.
        name: Cow<'static, str>,
    },
    /// The container is fine, but holds no video.
    #[error("there is no video in it (streams: {found})")]
    NoVideo {
        /// What it holds instead.
        found: String,
    },
    /// A cover picture was requested, and the file holds none.
    #[error("there is no cover picture in it")]
    NoCover,
    /// A storyboard was requested of a file that declares no duration.
    #[error("the video does not declare its duration, so it cannot be divided")]
    NoDuration,
    /// The video is in a codec that is not compiled in.
    #[error("no decoder for its video codec {codec} is compiled in")]
    NoDecoder {
        /// The codec under FFmpeg's name.
        codec: String,
    },
    /// The frame is encrypted. A video that begins in clear still gives the frames up to there.
    #[error("the video is encrypted ({scheme})")]
    Encrypted {
        /// As [`StreamInfo::encryption`](crate::StreamInfo::encryption).
        scheme: String,
    },
    /// The picture consists of tiles (HEIF), each a stream of its own.
    #[error("the picture is a grid of tiles, which is not composed")]
    TileGrid,
    /// Not one frame of the video could be decoded.
    #[error("no frame of the video can be decoded ({packets} packets read, {errors} errors; first: {first})")]
    NoFrame {
        /// Packets of the video that were read.
        packets: u64,
        /// Errors of demuxer and decoder.
        errors: u64,
        /// What libav said first; "the video has no packets" when it never had anything to say.
        first: String,
    },
    /// A limit was reached; see [`Limits`](crate::Limits).
    #[error("limit reached: {limit} is {}", limit.in_words(*allowed))]
    LimitExceeded {
        /// Which.
        limit: Limit,
        /// Its value; that of [`Limit::MaxCpuTime`] in milliseconds.
        allowed: u64,
    },
    /// The time ran out.
    #[error("not done within {:.1} s", allowed.as_secs_f64())]
    Timeout {
        /// What was allowed.
        allowed: Duration,
    },
    /// The cancel token was used.
    #[error("cancelled")]
    Cancelled,
    /// A file could not be opened.
    #[error("{}: {error}", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// The system's error.
        error: Arc<io::Error>,
    },
    /// The reader failed.
    #[error("reading at byte {offset} failed: {error}")]
    Read {
        /// Where in the source.
        offset: u64,
        /// The reader's error.
        error: Arc<io::Error>,
    },
    /// The object could not be read by byte ranges.
    #[cfg(feature = "remote")]
    #[error("{0}")]
    Source(SourceError),
    /// The reader panicked. The panic was caught before it reached libav; the source answers nothing any more.
    #[error("the reader panicked: {message}")]
    ReaderPanicked {
        /// The panic's message.
        message: String,
    },
    /// A mistake of this crate's: it panicked. The panic ended the call, and with it the use of the [`Media`](crate::Media).
    #[error("posterframe panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// Opening the file took libav more CPU time or memory than the bytes read allow. The static libav of this crate has such bounds
    /// (`vendor/libav/patches/0005-brake.patch`); a system's FFmpeg has none, and reports an allocation that failed in this way.
    #[error("opening it costs more CPU time or memory than a file of its size may")]
    TooExpensive,
    /// The picture has a side that its file format cannot have.
    #[error("{width} x {height} is too large for {}: a side has {max_side} pixels at most", format.content_type())]
    TooLarge {
        /// The file format.
        format: ImageFormat,
        /// Width of the picture, before it is turned.
        width: u32,
        /// Height of the picture, before it is turned.
        height: u32,
        /// What the format can have.
        max_side: u32,
    },
    /// The frame's colours are made by a matrix that no picture can be made of: constant luminance, `ICtCp` and the like.
    #[error("its colour matrix {matrix} cannot be converted")]
    ColourMatrix {
        /// FFmpeg's name of the matrix (ITU-T H.273, table 4).
        matrix: String,
    },
    /// A picture could not be made of the frame.
    #[error("the picture could not be {step}: {reason}")]
    Picture {
        /// What was being done: scaled, encoded.
        step: Cow<'static, str>,
        /// What the library says.
        reason: String,
    },
    /// libav could not do what it should always be able to.
    #[error("{step} failed: {reason}")]
    Library {
        /// What was being done.
        step: Cow<'static, str>,
        /// What libav says.
        reason: String,
    },
    /// The process that decodes could not be started.
    #[cfg(feature = "cage")]
    #[error("no decoder process: {reason}")]
    NoCage {
        /// What the system says.
        reason: String,
    },
    /// The process that decodes ended, or answered nonsense, while it worked on the file. The next file is given to another one.
    #[cfg(feature = "cage")]
    #[error("the decoder process {how}")]
    DecoderDied {
        /// By which signal it was ended, or with what exit code, or what was wrong with its answer.
        how: String,
    },
}

impl Error {
    /// Whether the object was replaced, or removed, while it was read.
    pub const fn is_replaced(&self) -> bool {
        #[cfg(feature = "remote")]
        {
            matches!(self, Self::Source(SourceError::Changed { .. } | SourceError::NotFound { .. }))
        }
        #[cfg(not(feature = "remote"))]
        false
    }

    /// The limit that was reached, if one was.
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::LimitExceeded { limit, .. } => Some(*limit),
            _ => None,
        }
    }

    /// Whether trying again may help; see [`ErrorKind::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// The kind of failure.
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

    /// Of a stream that the container had when it was opened.
    pub(super) fn missing_stream() -> Self {
        Self::Library { step: "finding the stream".into(), reason: "it is gone".to_owned() }
    }

    /// Of a search that read `packets` and met `errors`.
    pub(super) fn no_frame(packets: u64, errors: u64, first: Option<String>) -> Self {
        let first = first.unwrap_or_else(|| "the video has no packets".to_owned());
        Self::NoFrame { packets, errors, first }
    }

    /// Runs a call. A panic in it becomes an error: a mistake of ours must not end a program that has other things to do.
    ///
    /// # Errors
    /// What the call answers, or [`Error::Panicked`].
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

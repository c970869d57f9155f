//! What can go wrong between a range request and its bytes.

use std::io;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::source::range::{ByteRange, RangeRequest};

/// A failure to read an object by byte ranges. None of them holds a secret: URLs appear without their query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The object has no byte.
    #[error("the object is empty")]
    Empty,
    /// There is no such object (404).
    #[error("not found: {reason}")]
    NotFound {
        /// What the server says.
        reason: String,
    },
    /// It may not be read (401, 403). S3 also says so of an object that is gone, to those who may not list the bucket.
    #[error("access denied: {} ({reason})", cause_of_denial(reason))]
    Denied {
        /// What the server says.
        reason: String,
    },
    /// The object was replaced while it was read (412, or a reply with another ETag, date or size).
    #[error("the object was replaced while it was read ({reason})")]
    Changed {
        /// How that was seen.
        reason: String,
    },
    /// The object has no such bytes (416): the size it was said to have is wrong.
    #[error("the object has no bytes {range} (416)")]
    NotSatisfiable {
        /// What was asked for.
        range: RangeRequest,
    },
    /// The object is there, and cannot be read as it is: archived, or encrypted with a key that only its owner has.
    #[error("{reason}")]
    Unreadable {
        /// What to do, and what the server says.
        reason: String,
    },
    /// The server answers a range request with the whole object (200).
    #[error("the server does not support byte ranges")]
    NoRanges,
    /// The server answered with other bytes than those asked for.
    #[error("asked for {asked}, the server answered with {answered}")]
    WrongRange {
        /// What was asked for.
        asked: RangeRequest,
        /// Its `Content-Range`.
        answered: String,
    },
    /// A body ended before its length, again and again.
    #[error("the body of bytes {range} ended after {received} bytes")]
    ShortBody {
        /// The bytes asked for.
        range: ByteRange,
        /// How many came.
        received: u64,
    },
    /// The server is busy (429, 500, 502, 503, 504), again and again.
    #[error("the server is busy: {reason}")]
    Busy {
        /// Status and code.
        reason: String,
        /// How long it asks to wait (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The connection failed: name not found, refused, broken.
    #[error("connection failed: {reason}")]
    Connection {
        /// What happened.
        reason: String,
    },
    /// A file or a reader on this machine failed.
    #[error("reading failed: {reason}")]
    Read {
        /// The kind of the I/O error.
        kind: io::ErrorKind,
        /// What the system says.
        reason: String,
    },
    /// Nothing came for too long.
    #[error("the server sent nothing for {:.1} s", waited.as_secs_f64())]
    Stalled {
        /// How long it was waited for.
        waited: Duration,
    },
    /// An answer that is none of the above.
    #[error("unexpected answer: {reason}")]
    Unexpected {
        /// Status and code.
        reason: String,
    },
    /// The request cannot be made: a wrong URL, no credentials, no region.
    #[error("{reason}")]
    Request {
        /// What is wrong.
        reason: String,
    },
    /// More bytes than may be held in memory.
    #[error("the input is larger than the {allowed} bytes that may be held in memory")]
    TooLarge {
        /// The bound.
        allowed: u64,
    },
}

impl SourceError {
    /// Whether the same object may be read when it is tried again. One that was replaced is gone for good.
    #[cfg(feature = "remote")]
    pub(crate) fn may_have_passed(&self) -> bool {
        !matches!(self, Self::Changed { .. }) && self.kind().is_retryable()
    }

    /// The kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty => ErrorKind::Malformed,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::NoRanges | Self::Unreadable { .. } => ErrorKind::Unsupported,
            Self::Request { .. } => ErrorKind::Config,
            Self::TooLarge { .. } => ErrorKind::LimitExceeded,
            Self::Stalled { .. } | Self::Read { kind: io::ErrorKind::TimedOut, .. } => ErrorKind::Timeout,
            Self::Changed { .. }
            | Self::NotSatisfiable { .. }
            | Self::WrongRange { .. }
            | Self::ShortBody { .. }
            | Self::Busy { .. }
            | Self::Connection { .. }
            | Self::Read { .. }
            | Self::Unexpected { .. } => ErrorKind::Unavailable,
        }
    }

    /// Whether the same request may be answered if it is made again right away.
    #[cfg(feature = "remote")]
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::ShortBody { .. } | Self::Busy { .. } | Self::Connection { .. } | Self::Stalled { .. }
        )
    }
}

/// Why access is denied, by the code with which S3's reason begins ("List of error codes" in the Amazon S3 API Reference).
fn cause_of_denial(reason: &str) -> &'static str {
    match reason.split(':').next().unwrap_or_default() {
        "ExpiredToken" | "TokenRefreshRequired" => "the credentials have expired",
        "InvalidToken" | "InvalidSecurity" | "NotSignedUp" => "the credentials are not accepted",
        "RequestTimeTooSkewed" | "RequestExpired" => "the clock of this machine is wrong",
        _ => "no permission, or gone",
    }
}

/// What an I/O error on this machine means.
impl From<io::Error> for SourceError {
    fn from(error: io::Error) -> Self {
        let reason = error.to_string();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound { reason },
            io::ErrorKind::PermissionDenied => Self::Denied { reason },
            kind => Self::Read { kind, reason },
        }
    }
}

/// The one place that says what a status means. `reason` is shown to people: the server's words, no secret in it.
#[cfg(any(feature = "http", feature = "s3"))]
pub(crate) fn status_error(
    status: u16,
    reason: String,
    retry_after: Option<Duration>,
    range: RangeRequest,
) -> SourceError {
    match status {
        401 | 403 => SourceError::Denied { reason },
        404 | 410 => SourceError::NotFound { reason },
        412 => SourceError::Changed { reason },
        416 => SourceError::NotSatisfiable { range },
        408 | 429 | 500 | 502 | 503 | 504 => SourceError::Busy { reason, retry_after },
        _ => SourceError::Unexpected { reason },
    }
}

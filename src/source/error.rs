//! Failures between a range request and its bytes.

use std::io;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::source::range::{ByteRange, RangeRequest};

/// A failure to read an object by byte ranges. No variant contains a secret: URLs appear without their query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The object is empty.
    #[error("the object is empty")]
    Empty,
    /// The object does not exist (404).
    #[error("not found: {reason}")]
    NotFound {
        /// The server's message.
        reason: String,
    },
    /// Access was denied (401, 403). S3 also returns 403 for an object that does not exist, if the caller may not list the
    /// bucket.
    #[error("access denied: {} ({reason})", cause_of_denial(reason))]
    Denied {
        /// The server's message.
        reason: String,
    },
    /// The object was replaced during the read (412, or a reply with another ETag, date or size).
    #[error("the object was replaced while it was read ({reason})")]
    Changed {
        /// The difference that revealed the replacement.
        reason: String,
    },
    /// The object has no bytes in the requested range (416): the assumed size is wrong.
    #[error("the object has no bytes {range} (416)")]
    NotSatisfiable {
        /// The requested range.
        range: RangeRequest,
    },
    /// The object exists but cannot be read in its current state: archived, or encrypted with a key that only its owner
    /// has.
    #[error("{reason}")]
    Unreadable {
        /// What to do, and the server's message.
        reason: String,
    },
    /// The server replied to a range request with the whole object (200).
    #[error("the server does not support byte ranges")]
    NoRanges,
    /// The server returned other bytes than the requested ones.
    #[error("the server answered a request for {requested} with {received}")]
    WrongRange {
        /// The requested range.
        requested: RangeRequest,
        /// The `Content-Range` of the answer.
        received: String,
    },
    /// The body ended too early on every attempt.
    #[error("the body of bytes {range} ended early, after {received} bytes")]
    ShortBody {
        /// The requested bytes.
        range: ByteRange,
        /// The number of bytes received.
        received: u64,
    },
    /// The server was busy on every attempt (429, 500, 502, 503, 504).
    #[error("the server is busy: {reason}")]
    Busy {
        /// Status and error code.
        reason: String,
        /// The pause that the server requests (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The connection failed: the name was not found, or the connection was refused or broken.
    #[error("connection failed: {reason}")]
    Connection {
        /// The cause of the failure.
        reason: String,
    },
    /// A file or a reader on this machine failed.
    #[error("reading failed: {reason}")]
    Read {
        /// The kind of I/O error.
        kind: io::ErrorKind,
        /// The system's message.
        reason: String,
    },
    /// No bytes arrived within the allowed time.
    #[error("the server sent nothing for {:.1} s", waited.as_secs_f64())]
    Stalled {
        /// The time that the reader waited.
        waited: Duration,
    },
    /// Any other answer.
    #[error("unexpected answer: {reason}")]
    Unexpected {
        /// Status and error code.
        reason: String,
    },
    /// The request cannot be built or sent: a wrong URL, no credentials, no region.
    #[error("{reason}")]
    Request {
        /// The problem.
        reason: String,
    },
    /// The input has more bytes than memory may hold.
    #[error("the input is larger than {allowed} bytes, the most that may be buffered in memory")]
    TooLarge {
        /// The maximum number of bytes.
        allowed: u64,
    },
}

impl SourceError {
    /// Returns whether another attempt may read the same object. An object that was replaced cannot be read again.
    #[cfg(feature = "remote")]
    pub(crate) fn may_have_passed(&self) -> bool {
        !matches!(self, Self::Changed { .. }) && self.kind().is_retryable()
    }

    /// Returns the kind of failure.
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

    /// Returns whether an immediate retry of the same request may succeed.
    #[cfg(feature = "remote")]
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::ShortBody { .. } | Self::Busy { .. } | Self::Connection { .. } | Self::Stalled { .. }
        )
    }
}

/// Returns the reason why access is denied, from the code at the start of S3's message ("List of error codes" in the
/// Amazon S3 API Reference).
fn cause_of_denial(reason: &str) -> &'static str {
    match reason.split(':').next().unwrap_or_default() {
        "ExpiredToken" | "TokenRefreshRequired" => "the credentials have expired",
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidToken"
        | "InvalidSecurity"
        | "NotSignedUp" => "the credentials are not accepted",
        "RequestTimeTooSkewed" | "RequestExpired" => "the clock of this machine is wrong",
        _ => "no permission, or gone",
    }
}

/// Maps an I/O error of this machine.
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

/// Maps an HTTP status to an error, for all sources. `reason` is shown to people: the server's message, without secrets.
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

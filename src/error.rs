//! What went wrong, told by kind: the one thing callers, exit codes and retry policies decide on.

use std::any::Any;
use std::fmt;

/// The kinds of failure, the same in every layer.
///
/// The words of [`ErrorKind::as_str`] are stable: they appear in `--json` output, and each has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object, file or record is not there.
    NotFound,
    /// It is there, but we may not read or write it.
    Denied,
    /// It is well formed, but holds nothing we can use: no video stream, a codec that is not compiled in.
    Unsupported,
    /// It is damaged, or not what its name says.
    Malformed,
    /// A limit of [`Limits`](crate::Limits) was reached.
    LimitExceeded,
    /// The deadline passed.
    Timeout,
    /// The caller cancelled the work.
    Cancelled,
    /// A service or device failed for a reason that may pass.
    Unavailable,
    /// A setting or an argument is missing or wrong.
    Config,
    /// A failure on our side.
    Internal,
}

impl ErrorKind {
    /// The stable name of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
            Self::LimitExceeded => "limit_exceeded",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Config => "config",
            Self::Internal => "internal",
        }
    }

    /// The kind of this name; `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        const ALL: [ErrorKind; 10] = [
            ErrorKind::NotFound,
            ErrorKind::Denied,
            ErrorKind::Unsupported,
            ErrorKind::Malformed,
            ErrorKind::LimitExceeded,
            ErrorKind::Timeout,
            ErrorKind::Cancelled,
            ErrorKind::Unavailable,
            ErrorKind::Config,
            ErrorKind::Internal,
        ];
        ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether the same work may succeed later with nothing changed in the object.
    ///
    /// Wrong credentials and settings count as passing: an operator will put them right.
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Denied
            | Self::Timeout
            | Self::Cancelled
            | Self::Unavailable
            | Self::Config
            | Self::Internal => true,
            Self::NotFound | Self::Unsupported | Self::Malformed | Self::LimitExceeded => false,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// An error and what caused it, in one line.
#[cfg(any(feature = "http", feature = "s3", feature = "object_store", feature = "mysql"))]
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some layers repeat the one below them.
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

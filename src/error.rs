//! Kinds of failure. Callers, exit codes and retry policies decide by the kind.

use std::any::Any;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of failure, the same in every layer.
///
/// The names that [`ErrorKind::as_str`] returns are stable: they appear in `--json` output, and each kind has its
/// own exit code. The names are also the JSON of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object, file or record does not exist.
    NotFound,
    /// The object exists, but the credentials do not allow it to be read or written.
    Denied,
    /// The input is well formed but contains nothing that can be used: no video stream, or a codec that is not
    /// compiled in.
    Unsupported,
    /// The input is damaged, or its content does not match its name.
    Malformed,
    /// The input reached a limit of [`Limits`](crate::Limits).
    LimitExceeded,
    /// The deadline passed.
    Timeout,
    /// The caller cancelled the call.
    Cancelled,
    /// A service or device failed for a reason that may be temporary.
    Unavailable,
    /// A setting or an argument is missing or wrong.
    Config,
    /// A bug or an unexpected failure in posterframe.
    Internal,
}

impl ErrorKind {
    /// Returns the stable name of the kind.
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

    /// Returns the kind with this name, or `None` for any other name.
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

    /// Returns whether the same call may succeed later on an unchanged object.
    ///
    /// Wrong credentials and settings count as temporary: an operator will fix them.
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

/// Returns the message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Formats an error and its causes in one line.
#[cfg(any(feature = "http", feature = "s3", feature = "object_store", feature = "mysql"))]
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some layers repeat the message of their cause.
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

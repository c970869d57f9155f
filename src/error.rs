//! What went wrong, told by kind: the one thing callers, exit codes and retry policies decide on.

use std::any::Any;
use std::error::Error as StdError;
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

/// A failure of the job, from whichever layer: what it is about, its kind, and the layer's own error as the source.
///
/// ```
/// use posterframe::{Error, ErrorKind, Media, OpenOptions};
///
/// fn seconds(path: &str) -> Result<Option<f64>, Error> {
///     let media = Media::open_file(path, &OpenOptions::default()).map_err(|error| Error::from(error).about(path))?;
///     Ok(media.info().duration_seconds)
/// }
///
/// let error = seconds("nothing.mp4").expect_err("there is no such file");
/// assert_eq!((error.kind(), error.subject()), (ErrorKind::NotFound, Some("nothing.mp4")));
/// assert!(!error.is_retryable());
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    subject: Option<String>,
    source: Box<dyn StdError + Send + Sync>,
}

impl Error {
    /// Wraps a layer's error.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, subject: None, source: source.into() }
    }

    /// Says which object the error is about. The first name given stays: it is the nearest to the failure.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject.get_or_insert_with(|| subject.into());
        self
    }

    /// The kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Which object it is about, where that is known.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Whether trying again may help; see [`ErrorKind::is_retryable`].
    pub const fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{subject}: {}", self.source),
            None => self.source.fmt(f),
        }
    }
}

impl StdError for Error {
    // `Display` already shows the layer's error, so the chain goes on behind it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
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

//! The error of the job: what failed for which object, and whether it may pass.

use std::error::Error as StdError;
use std::fmt;

use crate::error::ErrorKind;
use crate::media::Error;
use crate::source::SourceError;

/// A failure of the job, from whichever layer: what it is about, its kind, and the layer's own error as the source.
///
/// ```
/// use posterframe::process::JobError;
/// use posterframe::{ErrorKind, Media, OpenOptions};
///
/// fn seconds(path: &str) -> Result<Option<f64>, JobError> {
///     Ok(Media::open_file(path, &OpenOptions::default())?.info().duration_seconds)
/// }
///
/// let error = seconds("nothing.mp4").expect_err("there is no such file");
/// assert_eq!((error.kind(), error.subject()), (ErrorKind::NotFound, Some("nothing.mp4")));
/// assert!(!error.is_retryable());
/// ```
#[derive(Debug)]
pub struct JobError {
    kind: ErrorKind,
    subject: Option<String>,
    source: Box<dyn StdError + Send + Sync>,
}

impl JobError {
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

    /// Whether the object has no byte.
    pub(crate) fn is_of_empty_object(&self) -> bool {
        let source = || self.source.downcast_ref::<SourceError>();
        match self.source.downcast_ref::<Error>() {
            Some(Error::Empty) => true,
            #[cfg(feature = "remote")]
            Some(Error::Source(SourceError::Empty)) => true,
            _ => matches!(source(), Some(SourceError::Empty)),
        }
    }

    /// Whether trying again may help; see [`ErrorKind::is_retryable`].
    pub const fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{subject}: {}", self.source),
            None => self.source.fmt(f),
        }
    }
}

impl StdError for JobError {
    // `Display` already shows the layer's error, so the chain goes on behind it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// Says which file it is about, where that could not be opened.
impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        match error {
            Error::Open { path, error } => Self::new(kind, error).about(path.display().to_string()),
            error => Self::new(kind, error),
        }
    }
}

impl From<SourceError> for JobError {
    fn from(error: SourceError) -> Self {
        Self::new(error.kind(), error)
    }
}

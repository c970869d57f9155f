//! The error type of the job: what failed, for which object, and whether the failure is temporary.

use std::error::Error as StdError;
use std::fmt;

use crate::error::ErrorKind;
use crate::media::Error;
use crate::source::SourceError;

/// A failure of the job from any layer: the object it is about, the kind of failure, and the layer's own error as the
/// source.
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
    /// Wraps the error of a layer.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, subject: None, source: source.into() }
    }

    /// Sets the object that the error is about. If an object is already set, it is kept, because it is the nearest to
    /// the failure.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject.get_or_insert_with(|| subject.into());
        self
    }

    /// Returns the kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the object that the error is about, if it is known.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns whether the failure is that the object is empty.
    pub(crate) fn is_of_empty_object(&self) -> bool {
        let source = || self.source.downcast_ref::<SourceError>();
        match self.source.downcast_ref::<Error>() {
            Some(Error::Empty) => true,
            #[cfg(feature = "remote")]
            Some(Error::Source(SourceError::Empty)) => true,
            _ => matches!(source(), Some(SourceError::Empty)),
        }
    }

    /// Returns whether a retry may succeed; see [`ErrorKind::is_retryable`].
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
    // `Display` already shows the layer's error, so the chain continues with that error's source.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// Sets the file as the subject if the file could not be opened.
impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        match error {
            Error::Open { path, error } => Self::new(kind, error).with_subject(path.display().to_string()),
            error => Self::new(kind, error),
        }
    }
}

impl From<SourceError> for JobError {
    fn from(error: SourceError) -> Self {
        Self::new(error.kind(), error)
    }
}

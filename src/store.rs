//! Where thumbnails are kept.
//!
//! A [`Store`] is one bucket: it puts a [`NewObject`] under a key and describes what is there. Two things make it fit
//! for several workers at once. An [`ETag`] names one version of an object, and every put says under which
//! [`Condition`] it may happen; one that no longer holds is [`StoreError::PreconditionFailed`], and the caller looks
//! again. [`FolderStore`] is a folder on this machine, `S3Store` a
//! bucket in S3.

mod folder;
mod listing;
#[cfg(feature = "s3")]
mod s3;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub(crate) use folder::file_url;
pub use folder::{FolderStore, etag_of};
pub use listing::{ListObjects, ListedObject, ListingFault, Page, ReadObject};
#[cfg(feature = "s3")]
pub use s3::S3Store;
#[cfg(feature = "s3")]
pub(crate) use s3::{metadata, tags};

use crate::ErrorKind;
use crate::job_error::JobError;

/// Name of one version of an object: two versions never share one. What is in it is the store's affair.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(String);

impl ETag {
    /// Takes a store's own text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object to put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its media type (`image/jpeg`).
    pub content_type: &'a str,
    /// Its `Cache-Control`.
    pub cache_control: &'a str,
    /// What is noted beside it. Names are lower case letters, digits and `-`; values are printable ASCII, since S3
    /// carries them as HTTP headers.
    pub metadata: &'a BTreeMap<String, String>,
}

/// What must be so at the moment of a put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no object under the key (`If-None-Match: *`).
    Absent,
    /// The object under the key is this version (`If-Match`).
    Unchanged(ETag),
}

impl Condition {
    /// That nothing has happened since `seen` was asked.
    pub fn since(seen: Option<&ObjectDescription>) -> Self {
        seen.map_or(Self::Absent, |object| Self::Unchanged(object.etag.clone()))
    }
}

/// What a store says about an object without giving its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectDescription {
    /// Which version it is.
    pub etag: ETag,
    /// Bytes of it.
    pub size: u64,
    /// When it was put, as far as the store can tell; S3 tells whole seconds.
    pub modified: Option<SystemTime>,
    /// Its media type, if it was put with one.
    pub content_type: Option<String>,
    /// Its `Cache-Control`, if it was put with one.
    pub cache_control: Option<String>,
    /// What was noted beside it. Empty for an object that came into the store some other way.
    pub metadata: BTreeMap<String, String>,
    /// How many tags it has; 0 also where the store does not tell.
    pub tags: u32,
}

/// One bucket.
pub trait Store: Send + Sync {
    /// Its name.
    fn bucket(&self) -> &str;

    /// The URL under which the catalogue lists the object `key`.
    ///
    /// # Errors
    /// [`StoreError::InvalidKey`] for a key that no object can have.
    fn url(&self, key: &str) -> Result<String, StoreError>;

    /// The key in a URL that [`url`](Self::url) made; `None` for any other URL.
    fn key_of(&self, url: &str) -> Option<String>;

    /// Describes the object `key`; `None` when there is none.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn describe(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<ObjectDescription>, StoreError>> + Send;

    /// Puts an object under `key` if `condition` holds, and answers with the version it has become. Readers see the
    /// old object or the new one, never a part of either.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`] when the condition does not hold; else see [`StoreError`].
    fn put(
        &self,
        key: &str,
        object: NewObject<'_>,
        condition: &Condition,
    ) -> impl Future<Output = Result<ETag, StoreError>> + Send;
}

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No object can have this key.
    #[error("the key {key:?} {reason}")]
    InvalidKey {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name or value of the metadata that HTTP headers could not carry.
    #[error("the metadata {name:?} is not printable ASCII")]
    InvalidMetadata {
        /// Its name.
        name: String,
    },
    /// The condition of a put does not hold: somebody else wrote the object.
    #[error("{key}: the object was changed by somebody else")]
    PreconditionFailed {
        /// The key.
        key: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// S3 refused, or could not be reached.
    #[cfg(feature = "s3")]
    #[error("cannot {action} {url}: {source}")]
    S3 {
        /// What was tried.
        action: &'static str,
        /// The object.
        url: String,
        /// The answer.
        source: crate::source::SourceError,
    },
    /// The work was given up on our side.
    #[error("the store's task ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl StoreError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidKey { .. } => ErrorKind::Malformed,
            Self::InvalidMetadata { .. } | Self::Task(_) => ErrorKind::Internal,
            Self::PreconditionFailed { .. } => ErrorKind::Unavailable,
            Self::File { source, .. } => kind_of_io(source),
            #[cfg(feature = "s3")]
            Self::S3 { source, .. } => source.kind(),
        }
    }
}

/// Refuses names and values that HTTP headers could not carry.
fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let is_name = |name: &str| name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let is_value = |value: &str| value.bytes().all(|b| (b' '..=b'~').contains(&b));
    match metadata.iter().find(|(name, value)| !is_name(name) || !is_value(value)) {
        Some((name, _)) => Err(StoreError::InvalidMetadata { name: name.clone() }),
        None => Ok(()),
    }
}

/// What a failure of the file system means. A full disk may be emptied; a name that is too long stays so.
pub(crate) fn kind_of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::InvalidFilename => ErrorKind::LimitExceeded,
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
            ErrorKind::Config
        }
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Unavailable,
    }
}

/// What a failed read or write of this file is.
#[cfg(feature = "cli")]
pub(crate) fn of_file(path: &Path) -> impl Fn(io::Error) -> JobError + Copy {
    |error| JobError::new(kind_of_io(&error), error).about(path.display().to_string())
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind(), error)
    }
}

//! Storage for thumbnails.
//!
//! A [`Store`] is one bucket: it stores a [`NewObject`] under a key and describes existing objects. Two types make a
//! store safe for concurrent workers. An [`ETag`] names one version of an object, and every put carries a
//! [`Condition`]. If the condition is no longer true, the put fails with [`StoreError::PreconditionFailed`], and the
//! caller checks the object again. [`FolderStore`] is a folder on this machine, `S3Store` a bucket in S3.

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

/// The name of one version of an object. Two versions never share a name. The format is specific to the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(String);

impl ETag {
    /// Creates an ETag from a store's text, unchanged.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject<'a> {
    /// The bytes of the object.
    pub bytes: &'a [u8],
    /// Media type, for example `image/jpeg`.
    pub content_type: &'a str,
    /// Value of the `Cache-Control` header.
    pub cache_control: &'a str,
    /// User metadata. Names consist of lower-case letters, digits and `-`; values are printable ASCII, because S3
    /// carries metadata in HTTP headers.
    pub metadata: &'a BTreeMap<String, String>,
}

/// The condition that must be true when an object is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// No object exists under the key (`If-None-Match: *`).
    Absent,
    /// The object under the key has this version (`If-Match`).
    Unchanged(ETag),
}

impl Condition {
    /// Returns the condition that the object is unchanged since it was described as `seen`; `None` means that it did
    /// not exist.
    pub fn since(seen: Option<&ObjectDescription>) -> Self {
        seen.map_or(Self::Absent, |object| Self::Unchanged(object.etag.clone()))
    }
}

/// The description of an object, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectDescription {
    /// The version of the object.
    pub etag: ETag,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last modification, if the store reports one. S3 reports whole seconds.
    pub modified: Option<SystemTime>,
    /// Media type, if one was stored.
    pub content_type: Option<String>,
    /// Value of `Cache-Control`, if one was stored.
    pub cache_control: Option<String>,
    /// User metadata. Empty for an object that another program stored without metadata.
    pub metadata: BTreeMap<String, String>,
    /// Number of tags; 0 also when the store does not report the number.
    pub tags: u32,
}

/// A bucket that stores thumbnails.
pub trait Store: Send + Sync {
    /// Returns the name of the bucket.
    fn bucket(&self) -> &str;

    /// Returns the URL of the object `key`, as stored in the catalogue.
    ///
    /// # Errors
    /// [`StoreError::InvalidKey`] for a key that no object of this store can have.
    fn url(&self, key: &str) -> Result<String, StoreError>;

    /// Returns the key of a URL that [`url`](Self::url) created; `None` for any other URL.
    fn key_of(&self, url: &str) -> Option<String>;

    /// Describes the object `key`; `None` when the object does not exist.
    ///
    /// # Errors
    /// See [`StoreError`].
    fn describe(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<ObjectDescription>, StoreError>> + Send;

    /// Stores an object under `key` if `condition` is true, and returns the new version. The write is atomic: readers
    /// see the old object or the new object, never a part of either.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`] when the condition is false; for other failures see [`StoreError`].
    fn put(
        &self,
        key: &str,
        object: NewObject<'_>,
        condition: &Condition,
    ) -> impl Future<Output = Result<ETag, StoreError>> + Send;
}

/// A failure of a store operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No object of this store can have this key.
    #[error("the key {key:?} {reason}")]
    InvalidKey {
        /// The key.
        key: String,
        /// The reason, as the end of a sentence that begins with the key.
        reason: &'static str,
    },
    /// A name or value of the metadata cannot be carried by an HTTP header.
    #[error("the metadata {name:?} cannot be stored: names are a-z, 0-9 and -, values printable ASCII")]
    InvalidMetadata {
        /// Name of the metadata entry.
        name: String,
    },
    /// The condition of a put is false: another client has written the object.
    #[error("{key}: another client changed the object meanwhile")]
    PreconditionFailed {
        /// The key.
        key: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The operation that failed.
        action: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// S3 rejected a request, or could not be reached.
    #[cfg(feature = "s3")]
    #[error("cannot {action} {url}: {source}")]
    S3 {
        /// The operation that failed.
        action: &'static str,
        /// URL of the object.
        url: String,
        /// The error that S3 or the connection reported.
        source: crate::source::SourceError,
    },
    /// A background task of the store ended before it was complete.
    #[error("a background task of the store was cancelled or panicked: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl StoreError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Returns the kind of failure.
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

/// Rejects names and values that HTTP headers cannot carry.
fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let is_name = |name: &str| name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let is_value = |value: &str| value.bytes().all(|b| (b' '..=b'~').contains(&b));
    match metadata.iter().find(|(name, value)| !is_name(name) || !is_value(value)) {
        Some((name, _)) => Err(StoreError::InvalidMetadata { name: name.clone() }),
        None => Ok(()),
    }
}

/// Returns the kind of a file system error. A full disk is temporary; a file name that is too long is permanent.
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

/// Returns a function that turns an I/O error into a [`JobError`] about the file at `path`.
#[cfg(feature = "cli")]
pub(crate) fn of_file(path: &Path) -> impl Fn(io::Error) -> JobError + Copy {
    |error| JobError::new(kind_of_io(&error), error).with_subject(path.display().to_string())
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind(), error)
    }
}

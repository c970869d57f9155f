//! Files as objects: valid keys, and the version of a file.

use std::fs::Metadata;

use crate::file_etag::file_etag;
use crate::store::{ETag, StoreError};

/// The folder for the store's own files. No key can begin with this name.
pub(super) const OWN_FOLDER: &str = ".posterframe";

/// Rejects keys that would leave the folder, or that no file can have.
pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    let reason = if key.is_empty() {
        "is empty"
    } else if key.starts_with('/') {
        "begins with a slash"
    } else if key.contains('\0') {
        "contains a NUL character"
    } else if key.split('/').any(|step| matches!(step, "" | "." | "..")) {
        "has an empty, . or .. step, which a path cannot contain"
    } else if key.split('/').next() == Some(OWN_FOLDER) {
        "is under .posterframe, which is reserved for the store"
    } else {
        return Ok(());
    };
    Err(StoreError::InvalidKey { key: key.to_owned(), reason })
}

/// Returns the [`ETag`] of a local file: size, time of the last change in nanoseconds, and inode.
///
/// The ETag is not a hash of the bytes: a hash would require reading the whole video, which this crate avoids.
/// Replacing a file changes the inode, and writing to a file changes the time. Renaming a file keeps its ETag; copying
/// a file does not.
pub fn etag_of(metadata: &Metadata) -> ETag {
    ETag::new(file_etag(metadata))
}

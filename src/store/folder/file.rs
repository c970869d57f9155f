//! A file as an object: the keys that it may have, and its version.

use std::fs::Metadata;

use crate::file_etag::file_etag;
use crate::store::{ETag, StoreError};

/// The folder of the store's own files. Keys cannot begin with it.
pub(super) const OWN_FOLDER: &str = ".posterframe";

/// Refuses keys that would leave the folder, or that no file can have.
pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    let reason = if key.is_empty() {
        "is empty"
    } else if key.starts_with('/') {
        "begins with a slash"
    } else if key.contains('\0') {
        "holds a NUL character"
    } else if key.split('/').any(|step| matches!(step, "" | "." | "..")) {
        "has an empty, . or .. step, which a folder cannot hold"
    } else if key.split('/').next() == Some(OWN_FOLDER) {
        "is under .posterframe, which is the store's own"
    } else {
        return Ok(());
    };
    Err(StoreError::InvalidKey { key: key.to_owned(), reason })
}

/// The [`ETag`] of a local file: its size, the time of its last change in nanoseconds, and its inode.
///
/// Not a hash of the bytes: that would read the whole video, which is what this crate avoids. A file that is replaced
/// gets another inode, one that is written to another time. Renaming a file keeps its ETag, copying it does not.
pub fn etag_of(metadata: &Metadata) -> ETag {
    ETag::new(file_etag(metadata))
}

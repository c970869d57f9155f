//! Identifies the version of a local file.

use std::fs::Metadata;
use std::time::UNIX_EPOCH;

/// Returns a quoted ETag for a local file: its size, the time of its last change in nanoseconds, and its inode.
///
/// The ETag is not a hash of the bytes: a hash would require reading the whole video, which this crate avoids.
/// Replacing a file changes the inode, and writing to a file changes the time. Renaming a file keeps its ETag; copying
/// a file does not.
pub(crate) fn file_etag(metadata: &Metadata) -> String {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    // For files older than 1970, and on systems without modification times, size and inode still differ.
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = changed.unwrap_or_default().as_nanos();
    format!("\"{:x}-{nanoseconds:x}-{inode:x}\"", metadata.len())
}

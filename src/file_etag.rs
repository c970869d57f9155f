//! Which version of a local file there is.

use std::fs::Metadata;
use std::time::UNIX_EPOCH;

/// What stands for the ETag of a local file, with quotes: its size, the time of its last change in nanoseconds, and its
/// inode.
///
/// Not a hash of the bytes: that would read the whole video, which is what this crate avoids. A file that is replaced
/// gets another inode, one that is written to another time. Renaming a file keeps its ETag, copying it does not.
pub(crate) fn file_etag(metadata: &Metadata) -> String {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    // Files older than 1970, or a system without times, still differ by the other two.
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanoseconds = changed.unwrap_or_default().as_nanos();
    format!("\"{:x}-{nanoseconds:x}-{inode:x}\"", metadata.len())
}

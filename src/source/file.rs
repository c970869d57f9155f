//! Files that are read like objects: by ranges. Each range must belong to the version that the first range found.
//!
//! [`Media::open_file`](crate::Media::open_file) is the better way to read a local file. This source is for code that
//! must treat all objects alike, and for files that other processes replace during the read.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::answer::{PIECE, bytes_of};
use super::{BoxFuture, ByteRange, GetRange, Identity, RangeBody, RangeReply, RangeSource, SourceError};
use crate::file_etag::file_etag;

/// A file on this machine.
///
/// Each request opens the path again, so a request notices a file that replaced the first one. Each piece is checked
/// against the version that its request found, so a piece notices a write to the file. Both cases are
/// [`SourceError::Changed`].
#[derive(Debug, Clone)]
pub struct FileSource {
    path: Arc<PathBuf>,
}

impl FileSource {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// The file does not exist, may not be read, or is not a regular file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref().to_owned();
        open(&path)?;
        Ok(Self { path: Arc::new(path) })
    }
}

impl RangeSource for FileSource {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        let path = Arc::clone(&self.path);
        Box::pin(blocking(move || {
            let (file, identity) = open(&path)?;
            let range = bytes_of(&identity, &request)?;
            let body = Box::new(Body { file: Arc::new(file), identity: identity.clone(), rest: range });
            Ok(RangeReply { identity, range, body })
        }))
    }
}

/// Opens a regular file and returns its current version.
fn open(path: &Path) -> Result<(File, Identity), SourceError> {
    // Opening a pipe would wait for its other end.
    if !path.metadata()?.is_file() {
        return Err(SourceError::Request { reason: "not a regular file".to_owned() });
    }
    let file = File::open(path)?;
    let identity = identity_of(&file)?;
    Ok((file, identity))
}

fn identity_of(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
    let etag = Some(file_etag(&metadata));
    Ok(Identity { size: metadata.len(), etag, last_modified: None })
}

/// Disks block, and the thread that waits for the network must not block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let gone = |error| SourceError::from(io::Error::other(error));
    spawn_blocking(work).await.map_err(gone)?
}

struct Body {
    file: Arc<File>,
    identity: Identity,
    rest: ByteRange,
}

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let piece = ByteRange::new(self.rest.start(), self.rest.end().min(self.rest.start() + PIECE));
            if piece.is_empty() {
                return Ok(None);
            }
            let (file, identity) = (Arc::clone(&self.file), self.identity.clone());
            let bytes = blocking(move || read(&file, &identity, piece)).await?;
            self.rest = ByteRange::new(piece.end(), self.rest.end());
            Ok(Some(bytes))
        })
    }
}

/// Reads a piece of this version of the file.
fn read(file: &File, identity: &Identity, piece: ByteRange) -> Result<Bytes, SourceError> {
    let mut bytes = vec![0; usize::try_from(piece.len()).unwrap_or(0)];
    let outcome = read_exact_at(file, &mut bytes, piece.start());
    // The check comes after the read: a write before the read changes the time or the size.
    if let Some(reason) = identity.difference(&identity_of(file)?) {
        return Err(SourceError::Changed { reason });
    }
    outcome?;
    Ok(bytes.into())
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};

    // No other code moves the position of this body's file.
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

//! Objects in any store that the crate `object_store` supports: Google Cloud Storage, Azure, S3, files, memory.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange as StoreRange, ObjectMeta, ObjectStore};

use super::answer::bytes_of;
use super::{
    BoxFuture, ByteRange, GetRange, Identity, RangeBody, RangeReply, RangeRequest, RangeSource, SourceError,
};
use crate::error::in_words;

/// An object in a store of the crate `object_store`: Google Cloud Storage, Azure and others.
///
/// Requests after the first carry the ETag of the first reply as a condition, where the store has ETags. The reader resumes aborted
/// requests itself, so configure the store with fewer retries than its default.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
/// use posterframe::source::{ObjectStoreSource, block_on};
/// use posterframe::{Media, OpenOptions};
///
/// let (store, path) = (Arc::new(InMemory::new()), Path::from("videos/1_test.mp4"));
/// let source = ObjectStoreSource::new(store.clone(), path.clone());
/// let film = std::fs::read("tests/fixtures/h264_end.mp4")?;
/// block_on(async move { store.put(&path, film.into()).await })??;
/// let mut media = Media::open_source(source, &OpenOptions::default())?;
/// assert_eq!(media.frame(Duration::from_secs(5))?.pts_seconds(), 5.0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ObjectStoreSource {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl ObjectStoreSource {
    /// Creates a source for the object at `path`.
    pub fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { store, path }
    }

    async fn answer(&self, request: GetRange) -> Result<RangeReply, SourceError> {
        let range = match request.range {
            RangeRequest::Bounded(range) => StoreRange::Bounded(range.start()..range.end()),
            RangeRequest::Suffix(length) => StoreRange::Suffix(length),
        };
        let if_match = request.identity.as_ref().and_then(|identity| identity.etag.clone());
        let options = GetOptions { if_match, range: Some(range), ..GetOptions::default() };
        let result = self.store.get_opts(&self.path, options).await;
        let result = match result {
            Ok(result) => result,
            // Stores have no error of their own for a range beyond the end.
            Err(error @ Error::Generic { .. }) => match self.identity().await {
                Ok(identity) => {
                    return Err(bytes_of(&identity, &request).err().unwrap_or_else(|| failure(&error)));
                }
                Err(_) => return Err(failure(&error)),
            },
            Err(error) => return Err(failure(&error)),
        };
        let identity = identity_of(&result.meta);
        bytes_of(&identity, &request)?;
        let range = ByteRange::new(result.range.start, result.range.end);
        Ok(RangeReply { identity, range, body: Box::new(Body(result.into_stream())) })
    }

    async fn identity(&self) -> object_store::Result<Identity> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        Ok(identity_of(&self.store.get_opts(&self.path, options).await?.meta))
    }
}

impl fmt::Debug for ObjectStoreSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreSource").field("object", &self.name()).finish_non_exhaustive()
    }
}

impl RangeSource for ObjectStoreSource {
    fn name(&self) -> String {
        self.path.to_string()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(self.answer(request))
    }
}

/// The bytes of a reply, as they arrive.
struct Body(Pin<Box<dyn Stream<Item = object_store::Result<Bytes>> + Send>>);

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let piece = poll_fn(|context| self.0.as_mut().poll_next(context)).await;
            piece.transpose().map_err(|error| failure(&error))
        })
    }
}

fn identity_of(meta: &ObjectMeta) -> Identity {
    let last_modified = Some(meta.last_modified.to_rfc2822());
    Identity { size: meta.size, etag: meta.e_tag.clone(), last_modified }
}

fn failure(error: &Error) -> SourceError {
    let reason = in_words(error);
    match error {
        Error::NotFound { .. } => SourceError::NotFound { reason },
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => SourceError::Denied { reason },
        Error::Precondition { .. } => SourceError::Changed { reason },
        Error::InvalidPath { .. } | Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            SourceError::Request { reason }
        }
        _ => SourceError::Connection { reason },
    }
}

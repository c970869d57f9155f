//! An object in S3 as the job's video.

use std::sync::Arc;

use bytes::Bytes;

use super::{ReadProgress, SourceVersion, VideoSource};
use crate::OpenOptions;
use crate::cage::{Opened, Opener};
use crate::job_error::JobError;
use crate::source::{BoxFuture, GetRange, RangeBody, RangeReply, RangeSource, S3Source, SourceError};
use crate::store::{ETag, S3Store, Store as _};

/// An object in S3, by its key.
#[derive(Debug, Clone)]
pub struct RemoteVideo {
    store: S3Store,
    key: String,
    url: String,
    size_hint: Option<u64>,
}

impl RemoteVideo {
    /// The object `key` of the bucket; `key` as it is, not percent-encoded.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) when no object can have this key.
    pub fn new(store: &S3Store, key: impl Into<String>) -> Result<Self, JobError> {
        let key = key.into();
        let url = store.url(&key)?;
        Ok(Self { store: store.clone(), key, url, size_hint: None })
    }

    /// The same, said to have this many bytes. A wrong size costs requests, nothing else.
    #[must_use]
    pub fn with_size_hint(self, bytes: Option<u64>) -> Self {
        Self { size_hint: bytes, ..self }
    }
}

impl VideoSource for RemoteVideo {
    fn key(&self) -> &str {
        &self.key
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn size_hint(&self) -> Option<u64> {
        self.size_hint
    }

    async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
        let object = self.store.describe_readable(&self.key).await?;
        Ok(object.map(|object| SourceVersion { etag: object.etag, size: object.size }))
    }

    fn open(
        &self,
        expected: Option<&SourceVersion>,
        options: &OpenOptions,
        opener: &Opener,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<Opened>, JobError> {
        let source = self.store.source(&self.key);
        let source = match expected {
            Some(version) => source.with_etag(version.etag.as_str()),
            None => source,
        };
        let source = Watched { source, progress: Arc::clone(progress) };
        match opener.open_source(source, options) {
            Err(error) if error.is_replaced() => Ok(None),
            media => Ok(Some(media?)),
        }
    }
}

/// An object whose requests are noted, and whose bodies wait until the job needs them.
struct Watched {
    source: S3Source,
    progress: Arc<ReadProgress>,
}

/// A request until its body has ended or is given up.
struct InFlight(Arc<ReadProgress>);

impl InFlight {
    fn new(progress: &Arc<ReadProgress>) -> Self {
        progress.requested();
        Self(Arc::clone(progress))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered();
    }
}

struct Body {
    body: Box<dyn RangeBody>,
    /// `None` once the body has ended.
    in_flight: Option<InFlight>,
    progress: Arc<ReadProgress>,
}

fn not_needed() -> SourceError {
    SourceError::Request { reason: "the job does not need the video any more".to_owned() }
}

impl RangeSource for Watched {
    fn name(&self) -> String {
        self.source.name()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            if !self.progress.may_go_on().await {
                return Err(not_needed());
            }
            let in_flight = InFlight::new(&self.progress);
            let RangeReply { identity, range, body } = self.source.get(request).await?;
            let etag = ETag::new(identity.etag.clone().unwrap_or_default());
            self.progress.identified(SourceVersion { etag, size: identity.size });
            let progress = Arc::clone(&self.progress);
            Ok(RangeReply::new(identity, range, Body { body, in_flight: Some(in_flight), progress }))
        })
    }
}

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            if !self.progress.may_go_on().await {
                return Err(not_needed());
            }
            let piece = self.body.next().await;
            match &piece {
                Ok(Some(bytes)) => self.progress.received(bytes.len() as u64),
                Ok(None) | Err(_) => self.in_flight = None,
            }
            piece
        })
    }
}

//! An object in S3 as the job's video.

use super::{SourceVersion, VideoSource};
use crate::OpenOptions;
use crate::cage::{Opened, Opener};
use crate::job_error::JobError;
use crate::store::{S3Store, Store as _};

/// An object in S3, by its key.
#[derive(Debug, Clone)]
pub struct RemoteVideo {
    store: S3Store,
    key: String,
    url: String,
}

impl RemoteVideo {
    /// The object `key` of the bucket; `key` as it is, not percent-encoded.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) when no object can have this key.
    pub fn new(store: &S3Store, key: impl Into<String>) -> Result<Self, JobError> {
        let key = key.into();
        let url = store.url(&key)?;
        Ok(Self { store: store.clone(), key, url })
    }
}

impl VideoSource for RemoteVideo {
    fn key(&self) -> &str {
        &self.key
    }

    fn url(&self) -> &str {
        &self.url
    }

    async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
        let object = self.store.describe_readable(&self.key).await?;
        Ok(object.map(|object| SourceVersion { etag: object.etag, size: object.size }))
    }

    fn open(
        &self,
        version: &SourceVersion,
        options: &OpenOptions,
        opener: &Opener,
    ) -> Result<Option<Opened>, JobError> {
        let source = self.store.source(&self.key).with_etag(version.etag.as_str());
        match opener.open_source(source, options) {
            Err(error) if error.is_replaced() => Ok(None),
            media => Ok(Some(media?)),
        }
    }
}

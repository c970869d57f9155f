//! Where the job's video comes from.

use std::future::Future;

use crate::OpenOptions;
use crate::cage::{Opened, Opener};
use crate::job_error::JobError;
use crate::store::ETag;

/// Which version of a video there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVersion {
    /// Its name.
    pub etag: ETag,
    /// Bytes of the video.
    pub size: u64,
}

/// A video that can be read, and asked whether it is still the same.
pub trait VideoSource: Clone + Send + Sync + 'static {
    /// Its key in the bucket, decoded.
    fn key(&self) -> &str;

    /// The URL under which the catalogue lists it.
    fn url(&self) -> &str;

    /// Which version there is now; `None` when there is no video.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn version(&self) -> impl Future<Output = Result<Option<SourceVersion>, JobError>> + Send;

    /// Opens this version; `None` when there is another one by now. Called in a thread that may block.
    ///
    /// # Errors
    /// When it cannot be read, or is not what can be used.
    fn open(
        &self,
        version: &SourceVersion,
        options: &OpenOptions,
        opener: &Opener,
    ) -> Result<Option<Opened>, JobError>;
}

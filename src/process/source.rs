//! The trait for videos that a job can process.

use std::future::Future;
use std::sync::Arc;

use super::progress::{ReadProgress, SourceVersion, VideoHead};
use crate::OpenOptions;
use crate::cage::{MediaOpener, OpenMedia};
use crate::job_error::JobError;

/// A video that a job can read, and whose current version the job can check.
pub trait VideoSource: Clone + Send + Sync + 'static {
    /// Returns the decoded key of the video in its bucket.
    fn key(&self) -> &str;

    /// Returns the URL of the video, as stored in the catalogue.
    fn url(&self) -> &str;

    /// Returns a hint for the size of the video in bytes, which may be wrong. The hint is used for the first reads.
    fn size_hint(&self) -> Option<u64> {
        None
    }

    /// Returns the information about the video that the job needs before it starts; `None` when the video does not
    /// exist.
    ///
    /// # Errors
    /// When the request fails.
    fn head(&self) -> impl Future<Output = Result<Option<VideoHead>, JobError>> + Send {
        async { Ok(self.version().await?.map(VideoHead::from)) }
    }

    /// Returns the current version; `None` when the video does not exist.
    ///
    /// # Errors
    /// When the request fails.
    fn version(&self) -> impl Future<Output = Result<Option<SourceVersion>, JobError>> + Send;

    /// Opens the video; `None` when the video does not exist, or has a version other than `expected`. Called in a
    /// thread that may block.
    ///
    /// An implementation reports the version to `progress` with [`ReadProgress::identified`] as soon as the version is
    /// known. If people chose the time of the frame, the implementation reports the choice first, with
    /// [`ReadProgress::chosen`]. Before it reads many more bytes, it waits with [`ReadProgress::wait_until_needed`].
    ///
    /// # Errors
    /// When the video cannot be read or decoded.
    fn open(
        &self,
        expected: Option<&SourceVersion>,
        options: &OpenOptions,
        opener: &MediaOpener,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<OpenMedia>, JobError>;
}

//! Where the job's video comes from.

use std::future::Future;
use std::sync::Arc;

use super::progress::{ReadProgress, SourceVersion, VideoLook};
use crate::OpenOptions;
use crate::cage::{Opened, Opener};
use crate::job_error::JobError;

/// A video that can be read, and asked whether it is still the same.
pub trait VideoSource: Clone + Send + Sync + 'static {
    /// Its key in the bucket, decoded.
    fn key(&self) -> &str;

    /// The URL under which the catalogue lists it.
    fn url(&self) -> &str;

    /// Bytes of the video, as somebody said who may be wrong: a hint for the first reads.
    fn size_hint(&self) -> Option<u64> {
        None
    }

    /// What the job must know of the video before it begins; `None` when there is no video.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn look(&self) -> impl Future<Output = Result<Option<VideoLook>, JobError>> + Send {
        async { Ok(self.version().await?.map(VideoLook::from)) }
    }

    /// Which version there is now; `None` when there is no video.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn version(&self) -> impl Future<Output = Result<Option<SourceVersion>, JobError>> + Send;

    /// Opens the video; `None` when there is none, or another version than `expected` by now. Called in a thread that may block.
    ///
    /// An implementation reports the version to `progress` with [`ReadProgress::identified`] as soon as it is known. Where people chose
    /// the time of the frame, it reports that before, with [`ReadProgress::chosen`]. Before it
    /// reads much more than that took, it waits for [`ReadProgress::wait_until_needed`].
    ///
    /// # Errors
    /// When the video cannot be read, or is not usable.
    fn open(
        &self,
        expected: Option<&SourceVersion>,
        options: &OpenOptions,
        opener: &Opener,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<Opened>, JobError>;
}

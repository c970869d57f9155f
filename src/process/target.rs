//! The keys and URLs of a job's results.

use crate::ErrorKind;
use crate::catalog::Asset;
use crate::job_error::JobError;
use crate::object_name::ObjectName;

/// A thumbnail of a video besides the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherThumbnail {
    /// The key of the thumbnail.
    pub key: String,
    /// The URL of the thumbnail.
    pub url: String,
}

/// The results of a job, as far as the key of the video determines them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Target {
    /// The key of the video.
    pub key: String,
    /// The parts of the file name.
    pub name: ObjectName,
    /// Key of the thumbnail.
    pub thumbnail_key: String,
    /// The other thumbnails, in the order of the settings.
    pub others: Vec<OtherThumbnail>,
    /// The folder of the storyboard, with a final `/`; `None` if no storyboards are written.
    pub storyboard_folder: Option<String>,
    /// The row, with the duration not known yet.
    pub asset: Asset,
}

impl Target {
    pub(super) fn other(&self, number: u8) -> Result<&OtherThumbnail, JobError> {
        let missing = || JobError::new(ErrorKind::Internal, "there is no such thumbnail");
        self.others.get(usize::from(number)).ok_or_else(missing)
    }
}

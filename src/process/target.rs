//! Where the results of the job belong.

use crate::ErrorKind;
use crate::catalog::Asset;
use crate::job_error::JobError;
use crate::object_name::ObjectName;

/// A thumbnail besides the first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherThumbnail {
    /// Its key.
    pub key: String,
    /// Its URL.
    pub url: String,
}

/// What a video's key says about the results of the job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Target {
    /// The video's own key.
    pub key: String,
    /// The parts of the file name.
    pub name: ObjectName,
    /// Key of the thumbnail.
    pub thumbnail_key: String,
    /// Its other thumbnails, in the order of the settings.
    pub others: Vec<OtherThumbnail>,
    /// The row, its duration not known yet.
    pub asset: Asset,
}

impl Target {
    pub(super) fn other(&self, number: u8) -> Result<&OtherThumbnail, JobError> {
        let missing = || JobError::new(ErrorKind::Internal, "there is no such thumbnail");
        self.others.get(usize::from(number)).ok_or_else(missing)
    }
}

//! Where the results of the job belong.

use crate::catalog::Asset;
use crate::object_name::ObjectName;

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
    /// The row, its duration not known yet.
    pub asset: Asset,
}

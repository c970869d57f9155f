//! An object that a back-fill may process.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::object_name::ObjectName;
use crate::store::{ETag, ListingFault};

/// An object that a back-fill may process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) key: String,
    /// `None` if the key was named in a list.
    pub(super) etag: Option<ETag>,
    pub(super) size: Option<u64>,
    /// The outcome, if it is already known: the object cannot be listed, or a named key is not a video of this job.
    pub(super) refused: Option<Outcome>,
}

impl Candidate {
    /// Returns whether the content of the video takes a new id, because the name of the video contains none. Such videos come last: a new
    /// id must not be one that the name of another video contains.
    pub(super) fn needs_id(&self) -> bool {
        self.refused.is_none() && ObjectName::parse(&self.key).is_ok_and(|name| name.content_id.is_none())
    }

    pub(super) fn of_fault(fault: ListingFault) -> Self {
        let refused = Some(Outcome::failed(fault.kind, &fault.message));
        Self { key: fault.key, etag: None, size: None, refused }
    }
}

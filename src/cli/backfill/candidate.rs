//! An object to work on.

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::store::{ETag, ListingFault};

/// An object to work on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Candidate {
    pub(super) key: String,
    /// `None` where it was named, not listed.
    pub(super) etag: Option<ETag>,
    pub(super) size: Option<u64>,
    /// What came of it already: it cannot be listed, or is none of the job's although somebody named it.
    pub(super) refused: Option<Outcome>,
}

impl Candidate {
    pub(super) fn of_fault(fault: ListingFault) -> Self {
        let refused = Some(Outcome::failed(fault.kind, &fault.message));
        Self { key: fault.key, etag: None, size: None, refused }
    }
}

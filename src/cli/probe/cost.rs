//! The requests, bytes and time that an answer took.

use crate::Ledger;
use crate::cage::Layers;

/// The requests, bytes and time that an answer took.
pub(super) struct Cost {
    pub(super) ledger: Ledger,
    /// The layers of the cage, if the video was decoded in one.
    pub(super) isolation: Option<Layers>,
    pub(super) elapsed_ms: u64,
}

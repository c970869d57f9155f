//! What an answer took.

use crate::Ledger;
use crate::cage::Layers;

/// What the answer took.
pub(super) struct Cost {
    pub(super) ledger: Ledger,
    /// The layers of the cage, if there was one.
    pub(super) isolation: Option<Layers>,
    pub(super) elapsed_ms: u64,
}

//! What an answer took.

use crate::Ledger;

/// What the answer took.
pub(super) struct Cost {
    pub(super) ledger: Ledger,
    pub(super) elapsed_ms: u64,
}

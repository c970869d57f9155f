//! The outcome of an object.

use serde::{Deserialize, Serialize};

use crate::ErrorKind;

/// The outcome of an object in one word, with the reason for a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub(super) enum Outcome {
    /// Thumbnail and row were written.
    Processed,
    /// Thumbnail and row were already correct.
    Unchanged,
    /// Thumbnail and row exist, and the run only creates missing ones (`--only-missing`).
    Present,
    /// The object would be processed without `--dry-run`.
    Wanted,
    /// The key is not a video of this job.
    Skipped {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Failed {
        kind: String,
        permanent: bool,
        message: String,
    },
}

impl Outcome {
    pub(super) fn failed(kind: ErrorKind, message: &str) -> Self {
        let permanent = !kind.is_retryable();
        Self::Failed { kind: kind.as_str().to_owned(), permanent, message: message.to_owned() }
    }
}

//! What comes of an object.

use serde::{Deserialize, Serialize};

use crate::ErrorKind;

/// What came of an object, in one word, and why it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub(super) enum Outcome {
    /// Thumbnail and row were written.
    Processed,
    /// They were there already.
    Unchanged,
    /// Thumbnail and row are there, and no more was asked for.
    Present,
    /// There would be something to do, were it not for `--dry-run`.
    Wanted,
    /// The key is none of the job's.
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

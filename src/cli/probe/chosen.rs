//! The time that people chose for the poster of an object in S3.

use serde::Serialize;

use crate::FrameTime;
use crate::process::ChosenBy;

/// What the metadata `poster-at` of an object contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Chosen {
    /// A time, which the job takes in place of `THUMBNAIL_AT`.
    Time { time: FrameTime, by: ChosenBy },
    /// A text that is no time, which the job ignores.
    Ignored { ignored: String, by: ChosenBy },
}

impl Chosen {
    /// Reads the text as the job does.
    pub(super) fn read(text: &str) -> Self {
        let by = ChosenBy::Metadata;
        match text.trim().parse() {
            Ok(time) => Self::Time { time, by },
            Err(_) => Self::Ignored { ignored: text.to_owned(), by },
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Time { time, by } => format!("{time} ({})", by.as_str()),
            Self::Ignored { ignored, by } => format!("{ignored:?} ({}): no time, ignored", by.as_str()),
        }
    }
}

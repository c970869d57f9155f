//! The time that people chose for the poster of an S3 object.

use serde::Serialize;

use crate::FrameTime;
use crate::process::ChosenBy;

/// The value of an object's `poster-at` metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Chosen {
    /// A time, which the job uses instead of `THUMBNAIL_AT`.
    Time { time: FrameTime, by: ChosenBy },
    /// Text that is not a time. The job ignores this text.
    Ignored { ignored: String, by: ChosenBy },
}

impl Chosen {
    /// Parses the text as the job does.
    pub(super) fn read(text: &str) -> Self {
        let by = ChosenBy::Metadata;
        match text.trim().parse() {
            Ok(time) => Self::Time { time, by },
            Err(_) => Self::Ignored { ignored: text.to_owned(), by },
        }
    }

    /// Describes the value for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Time { time, by } => format!("{time} ({})", by.as_str()),
            Self::Ignored { ignored, by } => format!("{ignored:?} ({}): no time, ignored", by.as_str()),
        }
    }
}

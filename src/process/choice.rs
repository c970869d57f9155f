//! The time that people chose for the thumbnail of one video.
//!
//! It is metadata of the video (`x-amz-meta-poster-at`), or its tag `poster-at`. A tag goes first: it can be set on a video that is
//! already there, and changes neither its bytes nor its ETag.

use serde::{Deserialize, Serialize};

#[cfg(feature = "s3")]
use crate::telemetry;
use crate::{FrameRequest, FrameTime};

/// Name of the metadata and of the tag.
#[cfg(feature = "s3")]
pub(crate) const POSTER_AT: &str = "poster-at";

/// What says the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChosenBy {
    /// Metadata of the video: `x-amz-meta-poster-at`.
    Metadata,
    /// The video's tag `poster-at`.
    Tag,
}

impl ChosenBy {
    /// The one of this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Metadata, Self::Tag].into_iter().find(|by| by.as_str() == name)
    }

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Tag => "tag",
        }
    }
}

/// The time that people chose for the thumbnail of one video. It goes before `THUMBNAIL_AT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PosterAt {
    /// The time.
    pub time: FrameTime,
    /// What says it.
    pub by: ChosenBy,
}

impl PosterAt {
    /// A choice.
    pub const fn new(time: FrameTime, by: ChosenBy) -> Self {
        Self { time, by }
    }

    /// The request for the frame of a video with this choice. What people chose is not judged: in place of `Pick::Auto` the exact frame is taken.
    pub(super) fn applied_to(request: FrameRequest, choice: Option<Self>) -> FrameRequest {
        choice.map_or(request, |choice| FrameRequest {
            time: choice.time,
            pick: request.pick.first(),
            ..request
        })
    }

    /// Reads a choice. A text that is no time is reported in the log, and chooses nothing: the video still gets a thumbnail.
    #[cfg(feature = "s3")]
    pub(crate) fn read(text: &str, by: ChosenBy, key: &str) -> Option<Self> {
        match text.trim().parse() {
            Ok(time) => Some(Self::new(time, by)),
            Err(error) => {
                telemetry::no_choice(key, by.as_str(), &error.to_string());
                None
            }
        }
    }
}

//! The time of the frame that people chose for one video.
//!
//! The choice is metadata of the video (`x-amz-meta-poster-at`) or its tag `poster-at`. The tag takes precedence,
//! because a tag can be set on an existing video and changes neither its bytes nor its ETag.

use serde::{Deserialize, Serialize};

#[cfg(feature = "s3")]
use crate::telemetry;
use crate::{FrameRequest, FrameTime};

/// Name of the metadata entry and of the tag.
#[cfg(feature = "s3")]
pub(crate) const POSTER_AT: &str = "poster-at";

/// The origin of a chosen time.
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
    /// Returns the origin with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Metadata, Self::Tag].into_iter().find(|by| by.as_str() == name)
    }

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Tag => "tag",
        }
    }
}

/// The time of the frame that people chose for one video. The choice takes precedence over `THUMBNAIL_AT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PosterAt {
    /// The time.
    pub time: FrameTime,
    /// The origin of the choice.
    pub by: ChosenBy,
}

impl PosterAt {
    /// Creates a choice.
    pub const fn new(time: FrameTime, by: ChosenBy) -> Self {
        Self { time, by }
    }

    /// Returns the request for the frame of a video with this choice. A chosen frame is not judged: the exact frame is
    /// taken instead of `Pick::Auto`.
    pub(super) fn applied_to(request: FrameRequest, choice: Option<Self>) -> FrameRequest {
        choice.map_or(request, |choice| FrameRequest {
            time: choice.time,
            pick: request.pick.first(),
            ..request
        })
    }

    /// Parses a choice. A text that is not a time is logged and ignored: the video still gets a thumbnail.
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

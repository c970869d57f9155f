//! What came of the job.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::marker::Marker;
use super::target::Target;
use crate::object_name::{ContentId, SkipReason};
use crate::{FrameReason, Ledger};

/// What came of the job, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Thumbnail and row were written.
    Processed,
    /// They were there already.
    Unchanged,
    /// The key is none of the job's.
    Skipped,
}

/// Wall time of the steps of the job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepTimes {
    /// Finding out what is there.
    #[serde(rename = "look_ms", serialize_with = "in_milliseconds")]
    pub look: Duration,
    /// Reading the video, decoding its frame and making the picture.
    #[serde(rename = "picture_ms", serialize_with = "in_milliseconds")]
    pub picture: Duration,
    /// Putting the thumbnail.
    #[serde(rename = "thumbnail_ms", serialize_with = "in_milliseconds")]
    pub thumbnail: Duration,
    /// Writing the content, through the API where there is one.
    #[serde(rename = "content_ms", serialize_with = "in_milliseconds")]
    pub content: Duration,
    /// Writing the row.
    #[serde(rename = "row_ms", serialize_with = "in_milliseconds")]
    pub row: Duration,
}

fn in_milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// What came of the job. What is `None` is not known: for a skipped key, most of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// In one word.
    pub status: Status,
    /// Why the key was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The video's key.
    pub key: String,
    /// The content it belongs to.
    pub content_id: Option<ContentId>,
    /// The title that its name makes. The catalogue may have another, edited since.
    pub title: Option<String>,
    /// URL of the video.
    pub video_url: Option<String>,
    /// URL of the thumbnail.
    pub thumbnail_url: Option<String>,
    /// Duration as the catalogue has it, in whole seconds; 0 when the container does not tell.
    pub duration: Option<u32>,
    /// Duration as the container tells it.
    pub duration_seconds: Option<f64>,
    /// Presentation time of the frame, from the container's start.
    pub frame_pts_seconds: Option<f64>,
    /// Why that frame was taken.
    pub frame_reason: Option<FrameReason>,
    /// Width of the thumbnail.
    pub width: Option<u32>,
    /// Height of the thumbnail.
    pub height: Option<u32>,
    /// What reading the video has cost; nothing for one that is unchanged.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Where the time went; nothing for one that is skipped.
    pub steps: StepTimes,
    /// Wall time of the job.
    pub elapsed_ms: u64,
}

impl Report {
    pub(super) fn skipped(bucket: &str, key: &str, reason: &SkipReason) -> Self {
        Self { reason: Some(reason.to_string()), ..Self::new(Status::Skipped, bucket, key) }
    }

    pub(super) fn of(
        status: Status,
        bucket: &str,
        key: &str,
        id: ContentId,
        target: &Target,
        marker: &Marker,
    ) -> Self {
        Self {
            content_id: Some(id),
            title: Some(target.name.title.clone()),
            video_url: Some(target.asset.video_url().to_owned()),
            thumbnail_url: Some(target.asset.thumbnail_url().to_owned()),
            duration: Some(marker.stored_duration()),
            duration_seconds: marker.duration_seconds,
            frame_pts_seconds: Some(marker.frame_pts_seconds),
            frame_reason: Some(marker.frame_reason),
            width: Some(marker.width),
            height: Some(marker.height),
            ..Self::new(status, bucket, key)
        }
    }

    fn new(status: Status, bucket: &str, key: &str) -> Self {
        Self {
            status,
            reason: None,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            content_id: None,
            title: None,
            video_url: None,
            thumbnail_url: None,
            duration: None,
            duration_seconds: None,
            frame_pts_seconds: None,
            frame_reason: None,
            width: None,
            height: None,
            ledger: Ledger::default(),
            steps: StepTimes::default(),
            elapsed_ms: 0,
        }
    }

    pub(super) fn spent(self, ledger: Ledger, steps: StepTimes) -> Self {
        Self { ledger, steps, ..self }
    }

    pub(super) fn after(self, elapsed: Duration) -> Self {
        Self { elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), ..self }
    }
}

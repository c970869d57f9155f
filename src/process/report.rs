//! The result of a job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::choice::PosterAt;
use super::marker::Marker;
use super::storyboard::StoryboardReport;
use super::target::Target;
use crate::cage::Layers;
use crate::object_name::{ContentId, KeyRules, SkipReason};
use crate::source::milliseconds;
use crate::{Colour, FrameReason, Ledger, ThumbHash, telemetry};

/// The result of a job as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Thumbnail and row were written.
    Processed,
    /// Thumbnail and row were already up to date.
    Unchanged,
    /// The object was skipped: its key is not a video to process, or the object is empty.
    Skipped,
}

/// The contribution of each step to the wall time of a job. For concurrent requests, only the time of the one that the
/// job waited for counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepTimes {
    /// Checking the existing state, before and after the work.
    #[serde(rename = "look_ms", with = "milliseconds")]
    pub look: Duration,
    /// Reading the video, decoding the frame and encoding the picture.
    #[serde(rename = "picture_ms", with = "milliseconds")]
    pub picture: Duration,
    /// Storing the thumbnail.
    #[serde(rename = "thumbnail_ms", with = "milliseconds")]
    pub thumbnail: Duration,
    /// Writing the content, through the API if there is one. Includes the registration of a video whose name contains
    /// no id.
    #[serde(rename = "content_ms", with = "milliseconds")]
    pub content: Duration,
    /// Writing the row.
    #[serde(rename = "row_ms", with = "milliseconds")]
    pub row: Duration,
}

/// The report of a job. Fields that are `None` are not known; for a skipped key, most fields are `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The result as one word.
    pub status: Status,
    /// The reason for skipping the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Name of the bucket.
    pub bucket: String,
    /// Key of the video.
    pub key: String,
    /// Id of the content that the video belongs to.
    pub content_id: Option<ContentId>,
    /// Title from the name of the video. People may have edited the title in the catalogue.
    pub title: Option<String>,
    /// URL of the video.
    pub video_url: Option<String>,
    /// URL of the thumbnail.
    pub thumbnail_url: Option<String>,
    /// URLs of the other thumbnails, in the order of the settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_thumbnail_urls: Vec<String>,
    /// Duration as stored in the catalogue, in whole seconds; 0 if the container contains no duration.
    pub duration: Option<u32>,
    /// Duration from the container, in seconds.
    pub duration_seconds: Option<f64>,
    /// Presentation time of the frame in seconds, relative to the start of the container.
    pub frame_pts_seconds: Option<f64>,
    /// Why this frame was taken.
    pub frame_reason: Option<FrameReason>,
    /// The time that people chose for the frame of this video, and the origin of the choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster_at: Option<PosterAt>,
    /// The result of the storyboard; `None` if the settings request no storyboards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storyboard: Option<Box<StoryboardReport>>,
    /// Width of the thumbnail in pixels.
    pub width: Option<u32>,
    /// Height of the thumbnail in pixels.
    pub height: Option<u32>,
    /// A blurred copy of the thumbnail in some 25 bytes. Thumbnails of version 0.1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumb_hash: Option<ThumbHash>,
    /// The average colour of the thumbnail. Thumbnails of version 0.1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_colour: Option<Colour>,
    /// The cost of reading the video. For an unchanged video, at most the cost of its first bytes.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Length of the longest chain of sequential requests in the whole job: to the video, the store, the catalogue and
    /// its API. An operation of the catalogue counts as one request.
    #[serde(default)]
    pub job_round_trips: u64,
    /// The layers of the cage in which the video was decoded. Absent without a cage, and if nothing was decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Layers>,
    /// Time of each step; zero for a skipped object.
    pub steps: StepTimes,
    /// Wall time of the job in milliseconds.
    pub elapsed_ms: u64,
}

impl Report {
    /// Returns the report for a key to skip; `None` for any other key.
    pub(crate) fn of_skipped(rules: &KeyRules, bucket: &str, key: &str) -> Option<Self> {
        Some(Self::skipped(&rules.skip_reason(key)?, bucket, key))
    }

    pub(super) fn skipped(reason: &SkipReason, bucket: &str, key: &str) -> Self {
        telemetry::skipped(key, reason);
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
        let placeholder = marker.placeholder.as_ref();
        Self {
            content_id: Some(id),
            title: Some(target.name.title.clone()),
            video_url: Some(target.asset.video_url().to_owned()),
            thumbnail_url: Some(target.asset.thumbnail_url().to_owned()),
            other_thumbnail_urls: target.others.iter().map(|other| other.url.clone()).collect(),
            duration: Some(marker.stored_duration()),
            duration_seconds: marker.duration_seconds,
            frame_pts_seconds: Some(marker.frame_pts_seconds),
            frame_reason: Some(marker.frame_reason),
            width: Some(marker.width),
            height: Some(marker.height),
            thumb_hash: placeholder.map(|placeholder| placeholder.thumb_hash.clone()),
            average_colour: placeholder.map(|placeholder| placeholder.average_colour),
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
            other_thumbnail_urls: Vec::new(),
            duration: None,
            duration_seconds: None,
            frame_pts_seconds: None,
            frame_reason: None,
            poster_at: None,
            storyboard: None,
            width: None,
            height: None,
            thumb_hash: None,
            average_colour: None,
            ledger: Ledger::default(),
            job_round_trips: 0,
            isolation: None,
            steps: StepTimes::default(),
            elapsed_ms: 0,
        }
    }

    pub(super) fn at(self, poster_at: Option<PosterAt>) -> Self {
        Self { poster_at, ..self }
    }

    pub(super) fn with_storyboard(self, storyboard: StoryboardReport) -> Self {
        Self { storyboard: Some(Box::new(storyboard)), ..self }
    }

    pub(super) fn within(self, isolation: Option<Layers>) -> Self {
        Self { isolation, ..self }
    }

    pub(super) fn in_round_trips(self, job_round_trips: u64) -> Self {
        Self { job_round_trips, ..self }
    }

    pub(super) fn spent(self, ledger: Ledger, steps: StepTimes) -> Self {
        Self { ledger, steps, ..self }
    }

    pub(super) fn after(self, elapsed: Duration) -> Self {
        Self { elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameTime;
    use crate::process::ChosenBy;

    /// A report with something in every field.
    fn whole() -> Report {
        let ledger = Ledger {
            requests: 4,
            round_trips: 2,
            bytes_fetched: 1_500_000,
            bytes_used: u64::MAX,
            cache_hits: 7,
            waiting: Duration::from_millis(12),
        };
        let steps = StepTimes {
            look: Duration::from_millis(1),
            picture: Duration::from_millis(2),
            thumbnail: Duration::from_millis(3),
            content: Duration::from_millis(4),
            row: Duration::from_millis(5),
        };
        Report {
            reason: Some("a reason".to_owned()),
            content_id: ContentId::new(7),
            title: Some("영화 \"one\"".to_owned()),
            video_url: Some("s3://films/videos/7_one.mp4".to_owned()),
            thumbnail_url: Some("s3://films/thumbnails/7_one.jpg".to_owned()),
            other_thumbnail_urls: vec!["s3://films/thumbnails/7_one.webp".to_owned()],
            duration: Some(10),
            duration_seconds: Some(10.033_333),
            frame_pts_seconds: Some(5.005),
            frame_reason: Some(FrameReason::HalfDuration),
            poster_at: Some(PosterAt::new(FrameTime::default(), ChosenBy::Tag)),
            width: Some(640),
            height: Some(360),
            thumb_hash: "1QcSHQRnh493V4dIh4eXh1h4kJUI".parse().ok(),
            average_colour: "#0080ff".parse().ok(),
            ..Report::new(Status::Processed, "films", "videos/7_one.mp4")
        }
        .spent(ledger, steps)
        .in_round_trips(7)
        .after(Duration::from_millis(250))
    }

    #[test]
    fn a_report_reads_back_from_its_json() -> Result<(), serde_json::Error> {
        let skipped = Report::new(Status::Skipped, "films", "notes.txt");
        let unchanged = Report { status: Status::Unchanged, ..whole() };
        for report in [whole(), unchanged, skipped] {
            let json = serde_json::to_string(&report)?;
            assert_eq!(serde_json::from_str::<Report>(&json)?, report, "{json}");
        }
        let json = serde_json::to_value(whole())?;
        assert_eq!((&json["waiting_ms"], &json["steps"]["picture_ms"]), (&12.into(), &2.into()));
        Ok(())
    }
}

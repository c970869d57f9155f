//! The job without writes: compares the results of a video with the stored thumbnail and row.
//!
//! Use this before switching off the replaced Lambda. [`Job::compare`] reads and decodes like [`Job::process`], reads
//! the state of the store and the catalogue, and writes nothing.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::marker::Marker;
use super::poster::{Poster, whole_seconds};
use super::protocol::MAX_STARTS;
use super::reading::Reading;
use super::{Job, RemoteVideo, SourceVersion, StepTimes, Target, VideoSource as _};
use crate::catalog::{AssetRow, Catalog};
use crate::job_error::JobError;
use crate::object_name::{ContentId, SkipReason};
use crate::picture::compare::Sketch;
use crate::store::{ObjectDescription, ReadObject as _, S3Store, Store as _};
use crate::{Bounds, ErrorKind, FrameReason, Ledger, telemetry};

/// Minimum PSNR at which two pictures count as the same frame. Measured on real videos: ffmpeg's picture of the same
/// frame has at least 35 dB, and the picture of a frame one second later in a moving scene has at most 31 dB. In a
/// static scene, neighbouring frames cannot be distinguished.
const SAME_FRAME_DB: f64 = 32.0;

/// Maximum difference of durations in seconds. The stored duration may have been truncated where this program rounds.
const SAME_DURATION: u64 = 1;

/// Maximum size of a thumbnail to read.
const MAX_THUMBNAIL_BYTES: u64 = 64 << 20;

/// The result of a comparison as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Agreement {
    /// Row and picture are the same as those of the job.
    Agrees,
    /// The row or the picture differs.
    Differs,
    /// The row or the thumbnail is missing, or the thumbnail is from an earlier upload.
    NotStored,
    /// The object was skipped: its key is not a video to process, or the object is empty.
    Skipped,
}

/// The results of the job for a video, compared with the stored ones. Fields that are `None` are not known or do not
/// exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The result as one word.
    pub status: Agreement,
    /// The differences and missing parts, or the reason for skipping the object.
    pub findings: Vec<String>,
    /// Name of the bucket.
    pub bucket: String,
    /// Key of the video.
    pub key: String,
    /// Id of the content that the row belongs to.
    pub content_id: Option<ContentId>,
    /// Duration that the job would store, in whole seconds.
    pub duration: Option<u32>,
    /// Duration in the stored row, in seconds.
    pub stored_duration: Option<i64>,
    /// Whether the durations differ by at most one second.
    pub duration_agrees: Option<bool>,
    /// Presentation time of the job's frame in seconds, relative to the start of the container.
    pub frame_pts_seconds: Option<f64>,
    /// Why this frame was taken.
    pub frame_reason: Option<FrameReason>,
    /// Width and height in pixels of the job's picture.
    pub size: Option<(u32, u32)>,
    /// Width and height in pixels of the stored thumbnail.
    pub stored_size: Option<(u32, u32)>,
    /// Peak signal-to-noise ratio between the brightness of the two pictures in decibels, both reduced to at most 128
    /// pixels per side; 100 for equal pictures.
    pub psnr_db: Option<f64>,
    /// Whether the pictures show the same frame: 32 dB or more.
    pub picture_agrees: Option<bool>,
    /// The cost of reading the video.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Time of each step; `thumbnail` is the time of the comparison.
    pub steps: StepTimes,
    /// Total wall time in milliseconds.
    pub elapsed_ms: u64,
}

/// Adds the time since its last call to the time of a step.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn end(&mut self, step: &mut Duration) {
        *step += self.0.elapsed();
        self.0 = Instant::now();
    }
}

/// The stored row and thumbnail.
struct Stored {
    row: Option<AssetRow>,
    /// The thumbnail in the row, or else the one under the key that the job would use.
    thumbnail: Option<(Vec<u8>, ObjectDescription)>,
}

impl<C: Catalog> Job<S3Store, C> {
    /// Processes one video up to the point of writing, and compares the results instead. The picture must be a JPEG,
    /// like the thumbnails that it is compared with.
    ///
    /// # Errors
    /// The errors of [`process`](Self::process) that come from reading.
    pub async fn compare(&self, video: &RemoteVideo) -> Result<Comparison, JobError> {
        let started = Instant::now();
        let key = video.key();
        let mut comparison = Comparison::new(self.store.bucket(), key);
        if let Some(reason) = self.key_rules.skip_reason(key) {
            telemetry::skipped(key, &reason);
            comparison.findings.push(reason.to_string());
            return Ok(comparison.after(started.elapsed()));
        }
        let target = self.target(video)?;
        telemetry::started(key);
        for _ in 0..MAX_STARTS {
            let attempt = self.compare_once(video, &target, &mut comparison).await;
            if attempt.as_ref().is_err_and(JobError::is_of_empty_object) {
                telemetry::skipped(key, &SkipReason::Empty);
                comparison = Comparison::new(self.store.bucket(), key);
                comparison.findings.push(SkipReason::Empty.to_string());
                return Ok(comparison.after(started.elapsed()));
            }
            if attempt.map_err(|error| error.with_subject(key))?.is_some() {
                telemetry::compared(key, &comparison.findings, comparison.psnr_db);
                return Ok(comparison.after(started.elapsed()));
            }
            telemetry::starting_over(key);
        }
        let error = format!("the video was replaced {MAX_STARTS} times while it was processed");
        Err(JobError::new(ErrorKind::Unavailable, error).with_subject(key))
    }

    /// Returns `None` when the video was replaced meanwhile.
    async fn compare_once(
        &self,
        video: &RemoteVideo,
        target: &Target,
        comparison: &mut Comparison,
    ) -> Result<Option<()>, JobError> {
        let mut clock = Clock::start();
        let object = self.store.describe_readable(video.key()).await?;
        let object = object.ok_or_else(|| JobError::new(ErrorKind::NotFound, "the video does not exist"))?;
        let version = SourceVersion { etag: object.etag.clone(), size: object.size };
        let stored = self.stored(target).await?;
        clock.end(&mut comparison.steps.look);
        let poster = Reading::start(video, Some(version.into()), self.maker()).poster().await?;
        clock.end(&mut comparison.steps.picture);
        let Some(poster) = poster else { return Ok(None) };
        comparison.ledger = comparison.ledger + poster.ledger;
        let limits = (self.options.limits.max_pixels, self.thumbnail.request.encoding.bounds);
        comparison.hold_against(&poster, target, &object, stored, limits).await?;
        clock.end(&mut comparison.steps.thumbnail);
        Ok(Some(()))
    }

    async fn stored(&self, target: &Target) -> Result<Stored, JobError> {
        let url = target.asset.video_url();
        let row = match target.name.content_id {
            Some(id) => self.catalog.find_content(url, id).await?.found.row,
            None => None,
        };
        let row = match row {
            None => self.catalog.find_row(url).await?.row,
            row => row,
        };
        let named = row.as_ref().and_then(|row| self.store.key_of(&row.thumbnail_url));
        let key = named.as_deref().unwrap_or(&target.thumbnail_key);
        let thumbnail = self.store.read(key, MAX_THUMBNAIL_BYTES).await?;
        Ok(Stored { row, thumbnail })
    }
}

impl Comparison {
    fn new(bucket: &str, key: &str) -> Self {
        Self {
            status: Agreement::Skipped,
            findings: Vec::new(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            content_id: None,
            duration: None,
            stored_duration: None,
            duration_agrees: None,
            frame_pts_seconds: None,
            frame_reason: None,
            size: None,
            stored_size: None,
            psnr_db: None,
            picture_agrees: None,
            ledger: Ledger::default(),
            steps: StepTimes::default(),
            elapsed_ms: 0,
        }
    }

    async fn hold_against(
        &mut self,
        poster: &Poster,
        target: &Target,
        video: &ObjectDescription,
        stored: Stored,
        limits: (u64, Bounds),
    ) -> Result<(), JobError> {
        let duration = poster.duration_seconds.and_then(whole_seconds).unwrap_or(0);
        self.duration = Some(duration);
        self.frame_pts_seconds = Some(poster.frame_pts_seconds);
        self.frame_reason = Some(poster.frame_reason);
        self.size = Some((poster.thumbnail.width, poster.thumbnail.height));
        let has_row = self.hold_row(duration, target, stored.row.as_ref());
        let theirs = match stored.thumbnail {
            Some((bytes, thumbnail)) if is_of(video, &thumbnail) => Some(bytes),
            Some(_) => {
                self.findings.push("the thumbnail is of an earlier upload".to_owned());
                None
            }
            None => {
                self.findings.push("there is no thumbnail".to_owned());
                None
            }
        };
        let has_thumbnail = theirs.is_some();
        if let Some(theirs) = theirs {
            let (max_pixels, bounds) = limits;
            let ours = poster.thumbnail.bytes.clone();
            let task = tokio::task::spawn_blocking(move || {
                (Sketch::of_jpeg(&ours, max_pixels), Sketch::of_jpeg(&theirs, max_pixels))
            });
            let (ours, theirs) = task.await.map_err(|error| JobError::new(ErrorKind::Internal, error))?;
            let ours = ours.map_err(|error| JobError::new(ErrorKind::Internal, error))?;
            self.hold_picture(&ours, theirs, bounds);
        }
        self.status = match (has_row && has_thumbnail, self.findings.is_empty()) {
            (false, _) => Agreement::NotStored,
            (true, true) => Agreement::Agrees,
            (true, false) => Agreement::Differs,
        };
        Ok(())
    }

    /// Returns whether the row exists, and records its differences.
    fn hold_row(&mut self, duration: u32, target: &Target, row: Option<&AssetRow>) -> bool {
        let Some(row) = row else {
            self.findings.push("there is no row in video_assets".to_owned());
            return false;
        };
        self.content_id = Some(row.content_id);
        self.stored_duration = Some(row.duration);
        let agrees = row.duration.abs_diff(i64::from(duration)) <= SAME_DURATION;
        self.duration_agrees = Some(agrees);
        if !agrees {
            self.findings.push(format!("duration {duration} s, stored {} s", row.duration));
        }
        if row.thumbnail_url != target.asset.thumbnail_url() {
            let (ours, theirs) = (target.asset.thumbnail_url(), &row.thumbnail_url);
            self.findings.push(format!("thumbnail_url {ours}, stored {theirs}"));
        }
        if target.name.content_id.is_some_and(|id| id != row.content_id) {
            self.findings.push(format!("the row belongs to content {}", row.content_id));
        }
        true
    }

    fn hold_picture(&mut self, ours: &Sketch, theirs: Result<Sketch, String>, bounds: Bounds) {
        let theirs = match theirs {
            Ok(theirs) => theirs,
            Err(error) => {
                self.picture_agrees = Some(false);
                self.findings.push(format!("the thumbnail is not a readable JPEG: {error}"));
                return;
            }
        };
        self.stored_size = Some((theirs.width, theirs.height));
        self.psnr_db = ours.psnr(&theirs);
        let agrees = self.psnr_db.is_some_and(|psnr| psnr >= SAME_FRAME_DB);
        self.picture_agrees = Some(agrees);
        if !agrees {
            self.findings.push(match self.psnr_db {
                Some(psnr) => format!("another picture: {psnr:.1} dB"),
                None => "a picture of another shape".to_owned(),
            });
        }
        // With bounds, a different size is intended.
        if bounds == Bounds::default() && (ours.width, ours.height) != (theirs.width, theirs.height) {
            let (width, height) = (theirs.width, theirs.height);
            self.findings.push(format!("{} x {} pixels, stored {width} x {height}", ours.width, ours.height));
        }
    }

    fn after(self, elapsed: Duration) -> Self {
        Self { elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), ..self }
    }
}

/// Returns whether a thumbnail belongs to the current version of the video: it is not older than the video, and its
/// marker does not name another version.
fn is_of(video: &ObjectDescription, thumbnail: &ObjectDescription) -> bool {
    let is_older = thumbnail.modified.zip(video.modified).is_some_and(|(it, video)| it < video);
    !is_older && Marker::read(&thumbnail.metadata).is_none_or(|marker| marker.source_etag == video.etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_reads_back_from_its_json() -> Result<(), serde_json::Error> {
        let skipped = Comparison::new("films", "notes.txt");
        let whole = Comparison {
            status: Agreement::Differs,
            findings: vec!["another picture: 20.0 dB".to_owned()],
            content_id: ContentId::new(7),
            duration: Some(10),
            stored_duration: Some(-1),
            duration_agrees: Some(false),
            frame_pts_seconds: Some(5.005),
            frame_reason: Some(FrameReason::AtTarget),
            size: Some((640, 360)),
            stored_size: Some((320, 180)),
            psnr_db: Some(20.0),
            picture_agrees: Some(false),
            ledger: Ledger { requests: 4, waiting: Duration::from_millis(12), ..Ledger::default() },
            steps: StepTimes { picture: Duration::from_millis(2), ..StepTimes::default() },
            ..Comparison::new("films", "videos/7_one.mp4").after(Duration::from_millis(250))
        };
        for comparison in [whole, skipped] {
            let json = serde_json::to_string(&comparison)?;
            assert_eq!(serde_json::from_str::<Comparison>(&json)?, comparison, "{json}");
        }
        Ok(())
    }
}

//! The job without its writes: what it would make of a video, held against what is there.
//!
//! For the days before the replaced Lambda is switched off: [`Job::compare`] reads and decodes as [`Job::process`] does, asks
//! store and catalogue what they have, and writes nothing, anywhere.

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

/// Two pictures show the same from here up. Measured on real videos, ffmpeg's picture of the same frame has 35 dB and more, that
/// of a second later in a scene that moves at most 31. In a scene that stands still neighbours cannot be told apart.
const SAME_FRAME_DB: f64 = 32.0;

/// How far durations may be apart. What was stored may have been cut off where we round.
const SAME_DURATION: u64 = 1;

/// The largest thumbnail that is read.
const MAX_THUMBNAIL_BYTES: u64 = 64 << 20;

/// What came of a comparison, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Agreement {
    /// Row and picture are what the job would have made.
    Agrees,
    /// One of them is another.
    Differs,
    /// There is no row, no thumbnail, or none of this upload.
    NotStored,
    /// The key is none of the job's.
    Skipped,
}

/// What the job would have made of a video, and what there is. What is `None` is not known, or not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// In one word.
    pub status: Agreement,
    /// What differs or is missing, or why the key was skipped.
    pub findings: Vec<String>,
    /// The bucket.
    pub bucket: String,
    /// The video's key.
    pub key: String,
    /// The content that the row belongs to.
    pub content_id: Option<ContentId>,
    /// Duration as the job would have stored it, in whole seconds.
    pub duration: Option<u32>,
    /// Duration as the row has it.
    pub stored_duration: Option<i64>,
    /// Whether the two are at most a second apart.
    pub duration_agrees: Option<bool>,
    /// Presentation time of the frame that the job takes, from the container's start.
    pub frame_pts_seconds: Option<f64>,
    /// Why that frame was taken.
    pub frame_reason: Option<FrameReason>,
    /// Width and height of the picture that the job makes.
    pub size: Option<(u32, u32)>,
    /// Width and height of the thumbnail that is there.
    pub stored_size: Option<(u32, u32)>,
    /// Peak signal-to-noise ratio of the two, of their brightness, both shrunk to at most 128 pixels a side;
    /// 100 where they are equal.
    pub psnr_db: Option<f64>,
    /// Whether they show the same: 32 dB and more.
    pub picture_agrees: Option<bool>,
    /// What reading the video has cost.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Where the time went: `thumbnail` is the comparison.
    pub steps: StepTimes,
    /// Wall time of it all.
    pub elapsed_ms: u64,
}

/// Adds what has passed since it was looked at last to the time of a step.
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

/// What store and catalogue have.
struct Stored {
    row: Option<AssetRow>,
    /// The thumbnail that the row names, or else the one under the key that the job would use.
    thumbnail: Option<(Vec<u8>, ObjectDescription)>,
}

impl<C: Catalog> Job<S3Store, C> {
    /// Does the job for one video up to where it would write, and compares instead. The picture is to be a JPEG, as the thumbnails
    /// are that it is compared with.
    ///
    /// # Errors
    /// As [`process`](Self::process), as far as they come from reading.
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
            if attempt.map_err(|error| error.about(key))?.is_some() {
                telemetry::compared(key, &comparison.findings, comparison.psnr_db);
                return Ok(comparison.after(started.elapsed()));
            }
            telemetry::starting_over(key);
        }
        let error = format!("the video was replaced {MAX_STARTS} times during the work");
        Err(JobError::new(ErrorKind::Unavailable, error).about(key))
    }

    /// `None`: the video was replaced meanwhile.
    async fn compare_once(
        &self,
        video: &RemoteVideo,
        target: &Target,
        comparison: &mut Comparison,
    ) -> Result<Option<()>, JobError> {
        let mut clock = Clock::start();
        let object = self.store.describe_readable(video.key()).await?;
        let object = object.ok_or_else(|| JobError::new(ErrorKind::NotFound, "there is no such video"))?;
        let version = SourceVersion { etag: object.etag.clone(), size: object.size };
        let stored = self.stored(target).await?;
        clock.end(&mut comparison.steps.look);
        let poster = Reading::start(video, Some(version.into()), self.maker()).poster().await?;
        clock.end(&mut comparison.steps.picture);
        let Some(poster) = poster else { return Ok(None) };
        comparison.ledger = comparison.ledger.and(poster.ledger);
        let limits = (self.options.limits.max_pixels, self.thumbnail.request.encoding.bounds);
        comparison.hold_against(&poster, target, &object, stored, limits).await?;
        clock.end(&mut comparison.steps.thumbnail);
        Ok(Some(()))
    }

    async fn stored(&self, target: &Target) -> Result<Stored, JobError> {
        let url = target.asset.video_url();
        let row = match target.name.content_id {
            Some(id) => self.catalog.look(url, id).await?.found.row,
            None => None,
        };
        let row = match row {
            None => self.catalog.find(url).await?.row,
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

    /// Whether there is a row; what differs in it is noted.
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
                self.findings.push(format!("the thumbnail is no JPEG that can be read: {error}"));
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
        // Who bounds the picture wants another size.
        if bounds == Bounds::default() && (ours.width, ours.height) != (theirs.width, theirs.height) {
            let (width, height) = (theirs.width, theirs.height);
            self.findings.push(format!("{} x {} pixels, stored {width} x {height}", ours.width, ours.height));
        }
    }

    fn after(self, elapsed: Duration) -> Self {
        Self { elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), ..self }
    }
}

/// Whether a thumbnail is of the video that is there: neither put before it, nor marked as of another version.
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

//! The storyboard of a video: a separate step after the job has written the thumbnail and the row.
//!
//! The job's protocol knows nothing of storyboards. The JSON of the storyboard is described in parallel with the job's requests. If the JSON
//! names this version of the video and these settings, the step ends. Otherwise the step opens the video once more, as the version that the
//! job has processed. `files` lays out the files, and `place` puts them. At the end the step requests the version of the video again.

mod files;
mod place;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

#[cfg(feature = "cli")]
pub(crate) use files::StoryboardIndex;
pub(crate) use files::{JSON, SheetNames, StoryboardFiles, StoryboardSource, WEBVTT};
pub(crate) use place::{Described, Put, StoryboardMark, StoryboardPlace};

use super::marker::source_key;
use super::poster::wait_for_turn;
use super::progress::{ReadProgress, SourceVersion, VideoHead};
use super::{Job, Target, VideoSource};
use crate::cage::MediaOpener;
use crate::catalog::Catalog;
use crate::job_error::JobError;
use crate::source::milliseconds;
use crate::store::{ETag, ObjectDescription, Store};
use crate::{ErrorKind, Ledger, OpenOptions, Storyboard, StoryboardRequest, telemetry};

/// How often the files are put while other workers write the same storyboard for other versions or with other settings.
pub(crate) const MAX_PUTS: u8 = 3;
/// Time in which the job can still report that the storyboard took too long.
const MARGIN: Duration = Duration::from_millis(200);

/// The result of a storyboard, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoryboardStatus {
    /// The files were written.
    Written,
    /// The files existed already.
    Unchanged,
    /// This video cannot have a storyboard: the video declares no duration, is damaged, or exceeds a limit.
    Failed,
}

/// The result of a storyboard. A failure that a retry may repair is an error of the job instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoryboardReport {
    /// The result in one word.
    pub status: StoryboardStatus,
    /// URL of the JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// URL of the WebVTT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webvtt_url: Option<String>,
    /// The kind of the failure: [`ErrorKind::as_str`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Number of tiles that were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<usize>,
    /// Number of sheets that were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheets: Option<usize>,
    /// Bytes of all sheets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet_bytes: Option<u64>,
    /// The cost of reading the video for the storyboard.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// Wall time of this step.
    #[serde(rename = "elapsed_ms", with = "milliseconds")]
    pub elapsed: Duration,
}

impl StoryboardReport {
    fn new(status: StoryboardStatus) -> Self {
        Self {
            status,
            url: None,
            webvtt_url: None,
            error: None,
            message: None,
            tiles: None,
            sheets: None,
            sheet_bytes: None,
            ledger: Ledger::default(),
            elapsed: Duration::ZERO,
        }
    }

    pub(super) fn failed(error: &JobError) -> Self {
        let (kind, message) = (error.kind().as_str().to_owned(), error.to_string());
        Self { error: Some(kind), message: Some(message), ..Self::new(StoryboardStatus::Failed) }
    }
}

/// Returns whether a failure is the video's, so that every attempt fails.
pub(super) const fn is_of_video(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unsupported | ErrorKind::Malformed | ErrorKind::LimitExceeded)
}

/// Returns a failure of the storyboard as an error of the job.
pub(super) fn of_job(error: &JobError) -> JobError {
    // The bucket does not exist, for example. The video exists.
    let kind = if error.kind() == ErrorKind::NotFound { ErrorKind::Unavailable } else { error.kind() };
    JobError::new(kind, format!("its storyboard: {error} (thumbnail and row are written)"))
}

/// A storyboard, the duration of its video, and the cost.
struct Made {
    storyboard: Storyboard,
    duration_seconds: Option<f64>,
    ledger: Ledger,
}

/// Everything that a storyboard needs besides the video.
struct Maker {
    request: StoryboardRequest,
    options: OpenOptions,
    opener: MediaOpener,
    decoders: Option<Arc<Semaphore>>,
}

impl Maker {
    /// Creates the storyboard of this version; `None` if the video was replaced or deleted. This call blocks.
    fn make<V: VideoSource>(self, video: &V, version: &SourceVersion) -> Result<Option<Made>, JobError> {
        let progress = Arc::new(ReadProgress::new(Some(&VideoHead::from(version.clone()))));
        let options = self.options.with_size_hint(version.size);
        let Some(mut media) = video.open(Some(version), &options, &self.opener, &progress)? else {
            return Ok(None);
        };
        let _turn = self.decoders.map(|decoders| wait_for_turn(decoders, &options)).transpose()?;
        match media.storyboard(&self.request, &options.limits) {
            Err(error) if error.is_replaced() => Ok(None),
            storyboard => Ok(Some(Made {
                storyboard: storyboard?,
                duration_seconds: media.info().duration_seconds,
                ledger: media.ledger(),
            })),
        }
    }
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// Returns the place of the storyboard; `None` if the settings request no storyboards.
    pub(super) fn storyboard_place<'j>(
        &'j self,
        target: &'j Target,
        source_etag: Option<&ETag>,
    ) -> Option<StoryboardPlace<'j, S>> {
        let (settings, folder) = (self.storyboard.as_ref()?, target.storyboard_folder.as_ref()?);
        let mark = StoryboardMark {
            source_etag: source_etag.cloned(),
            settings: StoryboardMark::settings(&settings.request, &settings.cache_control),
            source_key: source_key(&target.key),
        };
        Some(StoryboardPlace { store: &self.store, folder, cache_control: &settings.cache_control, mark })
    }

    /// Describes the JSON of the storyboard; `None` if the settings request no storyboards.
    pub(super) async fn look_at_storyboard(
        &self,
        target: &Target,
    ) -> Option<Result<Option<ObjectDescription>, JobError>> {
        let place = self.storyboard_place(target, None)?;
        Some(place.describe_json().await.map_err(JobError::from))
    }

    /// Writes the storyboard of this version, unless `json` shows that the storyboard exists. Returns `None` if the video was replaced.
    pub(super) async fn write_storyboard<V: VideoSource>(
        &self,
        video: &V,
        target: &Target,
        version: &SourceVersion,
        json: Option<ObjectDescription>,
        began: Instant,
    ) -> Result<Option<StoryboardReport>, JobError> {
        let writing = self.storyboard_of(video, target, version, json, began);
        let late = |_| JobError::new(ErrorKind::Timeout, "not done in the time that was left for it");
        tokio::time::timeout(self.storyboard_time(began), writing).await.map_err(late)?
    }

    async fn storyboard_of<V: VideoSource>(
        &self,
        video: &V,
        target: &Target,
        version: &SourceVersion,
        json: Option<ObjectDescription>,
        began: Instant,
    ) -> Result<Option<StoryboardReport>, JobError> {
        let started = Instant::now();
        let missing = || JobError::new(ErrorKind::Internal, "there is no setting for a storyboard");
        let place = self.storyboard_place(target, Some(&version.etag)).ok_or_else(missing)?;
        let (url, webvtt_url) = place.urls()?;
        let named = |report: StoryboardReport| StoryboardReport {
            url: Some(url.clone()),
            webvtt_url: Some(webvtt_url.clone()),
            elapsed: started.elapsed(),
            ..report
        };
        let mut seen = Described { json, webvtt: None };
        let mut written: Option<(StoryboardFiles, Ledger)> = None;
        for _ in 0..MAX_PUTS {
            match &seen.json {
                Some(json) if place.mark.is_of(json) => {
                    return Ok(Some(named(StoryboardReport::new(StoryboardStatus::Unchanged))));
                }
                Some(json) if place.mark.is_foreign(json) => {
                    let error = format!(
                        "{url} is of a video with another key: STORYBOARD_KEY must give each video a folder of its own ({{dir}} is \
                         the folder of the video)"
                    );
                    return Err(JobError::new(ErrorKind::Config, error));
                }
                _ => {}
            }
            seen.webvtt = place.describe_webvtt().await?;
            let (files, ledger) = match written.take() {
                Some(written) => written,
                None => match self.storyboard_files(video, version, began, &place).await? {
                    Some(made) => made,
                    None => return Ok(None),
                },
            };
            let is_same = async { Ok(video.version().await?.as_ref() == Some(version)) };
            match place.put(&files, &seen, is_same).await? {
                Put::Replaced => return Ok(None),
                Put::Lost => {
                    seen.json = place.describe_json().await?;
                    written = Some((files, ledger));
                }
                Put::Done if video.version().await?.as_ref() != Some(version) => return Ok(None),
                Put::Done => {
                    let bytes = files.index.sheets.iter().map(|sheet| sheet.bytes as u64).sum();
                    telemetry::storyboard(video.key(), files.index.tiles.len(), files.sheets.len(), bytes);
                    return Ok(Some(named(StoryboardReport {
                        tiles: Some(files.index.tiles.len()),
                        sheets: Some(files.sheets.len()),
                        sheet_bytes: Some(bytes),
                        ledger,
                        ..StoryboardReport::new(StoryboardStatus::Written)
                    })));
                }
            }
        }
        Err(JobError::new(
            ErrorKind::Unavailable,
            format!("{url} was changed by somebody else {MAX_PUTS} times"),
        ))
    }

    /// Decodes the tiles, and lays out the files.
    async fn storyboard_files<V: VideoSource>(
        &self,
        video: &V,
        version: &SourceVersion,
        began: Instant,
        place: &StoryboardPlace<'_, S>,
    ) -> Result<Option<(StoryboardFiles, Ledger)>, JobError> {
        let missing = || JobError::new(ErrorKind::Internal, "there is no setting for a storyboard");
        let request = self.storyboard.as_ref().ok_or_else(missing)?.request;
        let left = self.storyboard_time(began);
        let mut options = self.options.clone().with_total_time(left);
        options.limits.max_time = left;
        let maker = Maker { request, options, opener: self.opener.clone(), decoders: self.decoders.clone() };
        let (video, version, span) = (video.clone(), version.clone(), tracing::Span::current());
        let (source, source_etag) = (video.url().to_owned(), Some(version.etag.clone()));
        let task = tokio::task::spawn_blocking(move || span.in_scope(|| maker.make(&video, &version)));
        let made = task.await.map_err(|error| JobError::new(ErrorKind::Internal, error))??;
        let Some(Made { storyboard, duration_seconds, ledger, .. }) = made else { return Ok(None) };
        let source = StoryboardSource { source, source_etag, settings: place.mark.settings.clone() };
        let names = SheetNames::Contents { cache_control: place.cache_control };
        let files = StoryboardFiles::new(storyboard, &request, source, duration_seconds, names);
        Ok(Some((files.map_err(|error| JobError::new(ErrorKind::Internal, error))?, ledger)))
    }

    /// Returns the time that is left to a job that began at `began`, without the time for its report.
    fn storyboard_time(&self, began: Instant) -> Duration {
        self.options.limits.max_time.saturating_sub(began.elapsed()).saturating_sub(MARGIN)
    }
}

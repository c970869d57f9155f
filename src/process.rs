//! The job for one video: its thumbnail into the store, its content and its row into the catalogue.
//!
//! [`Job::process`] takes a [`VideoSource`], skips keys that are none of its own, and then, in this order: asks which
//! version of the video there is; looks whether that version is done already; takes the frame and makes the picture, in a
//! thread of its own; puts the thumbnail with a marker in its metadata that says `pending`; writes content and row; and
//! puts the thumbnail again, now without `pending`.
//!
//! Every step may happen twice, and several workers may be at it at once. A failure half-way leaves `pending` behind,
//! and the next attempt does all of it again. Before each write the source's version is asked for again: when the video
//! has been replaced, the work starts over on the one that is there now. The thumbnail is put on condition that it is
//! what it was when we looked, so that a slow worker with an old version never overwrites a newer result: whoever
//! replaced the thumbnail did so after the video was replaced, and that we notice.
//!
//! After content and row are written, the thumbnail is looked at once more: if it shows another version by now, the row
//! may be ours and not that version's, and the work starts over.
//!
//! People edit titles and descriptions afterwards. So the content is written only for a video that is new or replaced,
//! not when its thumbnail is made again because a setting changed. A marker whose `pending` says `row` was left where the
//! row could not be written but the content had been: the next attempt leaves that alone. A back-fill writes no content
//! that exists ([`ExistingContents::Keep`]).

mod local;
mod marker;
mod poster;
mod protocol;
#[cfg(feature = "s3")]
mod remote;
mod report;
#[cfg(feature = "lambda")]
mod shadow;
mod source;
mod standing;
mod target;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

pub use local::LocalVideo;
#[cfg(feature = "s3")]
pub use remote::RemoteVideo;
pub use report::{Report, Status, StepTimes};
#[cfg(feature = "lambda")]
pub use shadow::{Agreement, Comparison};
pub use source::{SourceVersion, VideoSource};
pub use standing::{RowStanding, Standing, ThumbnailStanding};
pub use target::Target;

use crate::cage::Opener;
use crate::catalog::{Asset, AssetRow, Catalog, NewContent};
use crate::config::ThumbnailSettings;
pub use crate::job_error::JobError;
use crate::object_name::{ContentId, KeyRules, ObjectName};
use crate::store::{Condition, NewObject, Store, StoreError};
use crate::{ErrorKind, Ledger, OpenOptions, telemetry};
use marker::{Marker, Pending};
use poster::Poster;

/// How often the work is begun on a video that is replaced meanwhile.
const MAX_STARTS: u32 = 3;

/// How often a put is tried again when another worker was faster. Each one that was faster has made progress.
const MAX_PUTS: u32 = 10;

/// The job, with everything it needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Job<S, C> {
    /// Where thumbnails go.
    pub store: S,
    /// Where contents and rows go.
    pub catalog: C,
    /// Which keys are videos, and where their thumbnails go.
    pub key_rules: KeyRules,
    /// How thumbnails are made.
    pub thumbnail: ThumbnailSettings,
    /// How much a video may cost, and the token that cancels.
    pub options: OpenOptions,
    /// What becomes of contents that exist before their video is processed.
    pub existing_contents: ExistingContents,
    /// How many videos are decoded at a time; `None` for as many as are processed.
    pub decoders: Option<Arc<Semaphore>>,
    /// Whether videos are decoded in this process or in a cage.
    pub opener: Opener,
}

/// What becomes of a content that exists before its video is processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingContents {
    /// A video that is new or replaced writes it, as an upload does.
    #[default]
    Write,
    /// It stays as people have it, as in a back-fill.
    Keep,
}

/// What was there before the work.
struct Before {
    row: Option<AssetRow>,
    /// Under which condition the thumbnail may be put.
    condition: Condition,
    /// Of the thumbnail under the target's key.
    marker: Option<Marker>,
    /// Of the thumbnail the row names, where that is another: one made with other settings.
    other_marker: Option<Marker>,
}

/// What the steps behind the picture have in common.
struct Work<'w, V> {
    video: &'w V,
    version: &'w SourceVersion,
    target: &'w Target,
    poster: &'w Poster,
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

/// What became of a put.
enum Put {
    Written(Condition),
    /// Another worker has done the whole job.
    AlreadyDone,
    /// The video is not the one we worked on any more.
    Replaced,
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// The job with the default settings; its fields may be changed.
    pub fn new(store: S, catalog: C) -> Self {
        Self {
            store,
            catalog,
            key_rules: KeyRules::default(),
            thumbnail: ThumbnailSettings::default(),
            options: OpenOptions::default(),
            existing_contents: ExistingContents::default(),
            decoders: None,
            opener: Opener::default(),
        }
    }

    /// Does the job for one video.
    ///
    /// # Errors
    /// The kinds tell what to do: [`NotFound`](ErrorKind::NotFound) when there is no such video,
    /// [`Unsupported`](ErrorKind::Unsupported) and [`Malformed`](ErrorKind::Malformed) when it or its name cannot be used,
    /// [`LimitExceeded`](ErrorKind::LimitExceeded), [`Timeout`](ErrorKind::Timeout) and
    /// [`Cancelled`](ErrorKind::Cancelled) as the options say, and [`Unavailable`](ErrorKind::Unavailable),
    /// [`Denied`](ErrorKind::Denied) and [`Config`](ErrorKind::Config) for store and catalogue.
    pub async fn process<V: VideoSource>(&self, video: &V) -> Result<Report, JobError> {
        let started = Instant::now();
        let (bucket, key) = (self.store.bucket(), video.key());
        if let Some(reason) = self.key_rules.skip_reason(key) {
            telemetry::skipped(key, &reason);
            return Ok(Report::skipped(bucket, key, &reason).after(started.elapsed()));
        }
        let target = self.target(video)?;
        telemetry::started(key);
        let (mut spent, mut steps) = (Ledger::default(), StepTimes::default());
        for _ in 0..MAX_STARTS {
            let attempt = self.attempt(video, &target, &mut spent, &mut steps).await;
            if let Some(report) = attempt.map_err(|error| error.about(key))? {
                return Ok(report.spent(spent, steps).after(started.elapsed()));
            }
            telemetry::starting_over(key);
        }
        let error = format!("the video was replaced {MAX_STARTS} times during the work");
        Err(JobError::new(ErrorKind::Unavailable, error).about(key))
    }

    /// What the key of a video says, without looking at the video.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) or [`LimitExceeded`](ErrorKind::LimitExceeded) when its name cannot be used,
    /// [`Config`](ErrorKind::Config) when the thumbnail's key cannot.
    pub fn target<V: VideoSource>(&self, video: &V) -> Result<Target, JobError> {
        let made = self.make_target(video.key(), video.url());
        made.map_err(|error| error.about(video.key()))
    }

    fn make_target(&self, key: &str, url: &str) -> Result<Target, JobError> {
        let name = ObjectName::parse(key)?;
        let extension = self.thumbnail.request.encoding.format.extension();
        let thumbnail_key = self.key_rules.thumbnail_key(key, extension)?;
        let asset = Asset::new(url, self.store.url(&thumbnail_key)?)?;
        Ok(Target { name, thumbnail_key, asset })
    }

    /// Does the job once. `None`: the video was replaced, or another worker finished first; look again.
    async fn attempt<V: VideoSource>(
        &self,
        video: &V,
        target: &Target,
        spent: &mut Ledger,
        steps: &mut StepTimes,
    ) -> Result<Option<Report>, JobError> {
        let mut clock = Clock::start();
        let (version, before) = self.look(video, target).await?;
        let settings = marker::settings(&self.thumbnail);
        let bucket = self.store.bucket();
        clock.end(&mut steps.look);
        if let Some((marker, id)) = before.complete(target, &version, &settings) {
            telemetry::unchanged(video.key(), id);
            return Ok(Some(Report::of(Status::Unchanged, bucket, video.key(), id, target, marker)));
        }

        let decoders = self.decoders.clone();
        let (thumbnail, options) = (&self.thumbnail, &self.options);
        let taken = Poster::take(video, &version, thumbnail, options, &self.opener, decoders).await;
        clock.end(&mut steps.picture);
        let Some(poster) = taken? else { return Ok(None) };
        *spent = spent.and(poster.ledger);
        let marker = Marker::new(version.etag.clone(), settings, &poster);
        let marker = if before.has_content(target, &version) { marker.content_written() } else { marker };

        let work = Work { video, version: &version, target, poster: &poster };
        let pending = self.put(&work, &marker, before.condition.clone()).await;
        clock.end(&mut steps.thumbnail);
        let Put::Written(condition) = pending? else { return Ok(None) };
        let Some(id) = self.write_rows(&work, &marker, &condition, steps).await? else { return Ok(None) };
        clock = Clock::start();
        let completed = self.complete(&work, marker.completed(id), condition).await;
        clock.end(&mut steps.thumbnail);
        let Some(marker) = completed? else { return Ok(None) };
        telemetry::done(video.key(), id);
        let report = Report::of(Status::Processed, bucket, video.key(), id, target, &marker);
        Ok(Some(report.within(poster.isolation)))
    }

    /// Puts the thumbnail without `pending`. `None`: the row may be another version's than the one that is there now.
    async fn complete<V: VideoSource>(
        &self,
        work: &Work<'_, V>,
        marker: Marker,
        condition: Condition,
    ) -> Result<Option<Marker>, JobError> {
        // An ETag may be of the bytes alone: two versions of a video with the same frame are not told apart by the
        // condition of a put.
        let thumbnail = self.store.describe(&work.target.thumbnail_key).await?;
        let shown = thumbnail.as_ref().and_then(|thumbnail| Marker::read(&thumbnail.metadata));
        if shown.is_some_and(|shown| !shown.shows(work.version)) {
            return Ok(None);
        }
        match self.put(work, &marker, condition).await? {
            Put::Replaced => Ok(None),
            Put::Written(_) | Put::AlreadyDone => Ok(Some(marker)),
        }
    }

    async fn version<V: VideoSource>(&self, video: &V) -> Result<SourceVersion, JobError> {
        let missing = || JobError::new(ErrorKind::NotFound, "there is no such video");
        video.version().await?.ok_or_else(missing)
    }

    /// What there is before the work: requests side by side, as far as one does not need the other's answer.
    async fn look<V: VideoSource>(
        &self,
        video: &V,
        target: &Target,
    ) -> Result<(SourceVersion, Before), JobError> {
        let url = target.asset.video_url();
        let thumbnail = async { Ok::<_, JobError>(self.store.describe(&target.thumbnail_key).await?) };
        let (version, thumbnail, row) = match target.name.content_id {
            Some(id) => {
                let row = async { Ok(self.catalog.asset(url, Some(id)).await?) };
                tokio::try_join!(self.version(video), thumbnail, row)?
            }
            // Where the thumbnail tells the content, its row is found without a search for the URL.
            None => {
                let (version, thumbnail) = tokio::try_join!(self.version(video), thumbnail)?;
                let marker = thumbnail.as_ref().and_then(|thumbnail| Marker::read(&thumbnail.metadata));
                let id = marker.and_then(|marker| marker.content_id);
                let row = match self.catalog.asset(url, id).await? {
                    None if id.is_some() => self.catalog.asset(url, None).await?,
                    row => row,
                };
                (version, thumbnail, row)
            }
        };
        let marker = thumbnail.as_ref().and_then(|thumbnail| Marker::read(&thumbnail.metadata));
        let other_url = row.as_ref().map(|row| row.thumbnail_url.as_str());
        let other_url = other_url.filter(|url| *url != target.asset.thumbnail_url());
        let other_marker = match other_url.and_then(|url| self.store.key_of(url)) {
            Some(key) => self.store.describe(&key).await?.and_then(|other| Marker::read(&other.metadata)),
            None => None,
        };
        let condition = Condition::since(thumbnail.as_ref());
        Ok((version, Before { row, condition, marker, other_marker }))
    }

    /// Puts the thumbnail if the video is still the one it shows. Where another worker put one meanwhile, its marker
    /// decides.
    async fn put<V: VideoSource>(
        &self,
        work: &Work<'_, V>,
        marker: &Marker,
        mut condition: Condition,
    ) -> Result<Put, JobError> {
        let metadata = marker.to_metadata();
        let object = NewObject {
            bytes: &work.poster.thumbnail.bytes,
            content_type: work.poster.thumbnail.format.content_type(),
            cache_control: &self.thumbnail.cache_control,
            metadata: &metadata,
        };
        let key = &work.target.thumbnail_key;
        for _ in 0..MAX_PUTS {
            if !self.is_current(work.video, work.version).await? {
                return Ok(Put::Replaced);
            }
            match self.store.put(key, object.clone(), &condition).await {
                Ok(etag) => return Ok(Put::Written(Condition::Unchanged(etag))),
                Err(StoreError::PreconditionFailed { .. }) => {
                    let other = self.store.describe(key).await?;
                    let other_marker = other.as_ref().and_then(|other| Marker::read(&other.metadata));
                    if other_marker.is_some_and(|other| other.completes(marker)) {
                        return Ok(Put::AlreadyDone);
                    }
                    let seen = Condition::since(other.as_ref());
                    if (&seen, &condition) == (&Condition::Absent, &Condition::Absent) {
                        let error = format!("{key}: there is a thumbnail, and it may not be read");
                        return Err(JobError::new(ErrorKind::Denied, error));
                    }
                    condition = seen;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let error = format!("{key}: other workers put it {MAX_PUTS} times meanwhile");
        Err(JobError::new(ErrorKind::Unavailable, error))
    }

    /// Writes content and row. `None`: the video was replaced.
    async fn write_rows<V: VideoSource>(
        &self,
        work: &Work<'_, V>,
        marker: &Marker,
        condition: &Condition,
        steps: &mut StepTimes,
    ) -> Result<Option<ContentId>, JobError> {
        let Work { video, version, target, .. } = work;
        let mut clock = Clock::start();
        let content = NewContent::from(&target.name);
        let asset = target.asset.clone().with_duration(marker.stored_duration());
        // Without an id in the name, content and row are made together, and the content gets its id.
        let registered = match target.name.content_id {
            Some(_) => None,
            None if !self.is_current(*video, version).await? => return Ok(None),
            None => Some(self.catalog.register(&content, &asset).await?),
        };
        clock.end(&mut steps.row);
        let Some(id) = target.name.content_id.or(registered) else { return Ok(None) };
        let writes_content =
            marker.pending == Pending::ContentAndRow && self.may_write_content(target).await?;
        if writes_content {
            if !self.is_current(*video, version).await? {
                return Ok(None);
            }
            self.catalog.upsert_content(id, &content).await?;
        }
        clock.end(&mut steps.content);
        if registered.is_none() {
            if !self.is_current(*video, version).await? {
                return Ok(None);
            }
            if let Err(error) = self.catalog.write_asset(id, &asset).await {
                if writes_content {
                    self.note_content(work, marker, condition).await;
                }
                return Err(error.into());
            }
        }
        clock.end(&mut steps.row);
        telemetry::asset_written(video.key(), id);
        Ok(Some(id))
    }

    /// Whether the content may be written, for all that is known of it.
    async fn may_write_content(&self, target: &Target) -> Result<bool, JobError> {
        match (self.existing_contents, target.name.content_id) {
            (ExistingContents::Keep, Some(id)) => Ok(!self.catalog.has_content(id).await?),
            _ => Ok(true),
        }
    }

    /// Notes in the thumbnail's marker that the content is written, so that a retry after hours leaves alone what people
    /// made of it meanwhile. If that fails too, the retry writes it again.
    async fn note_content<V: VideoSource>(&self, work: &Work<'_, V>, marker: &Marker, condition: &Condition) {
        let marker = marker.clone().content_written();
        if let Err(error) = self.put(work, &marker, condition.clone()).await {
            telemetry::not_noted(work.video.key(), &error);
        }
    }

    /// Whether the video is still this version. Asked before each write, which is also where the job can be cancelled.
    async fn is_current<V: VideoSource>(&self, video: &V, version: &SourceVersion) -> Result<bool, JobError> {
        if self.options.cancel.as_ref().is_some_and(crate::CancelToken::is_cancelled) {
            return Err(JobError::new(ErrorKind::Cancelled, "cancelled"));
        }
        Ok(video.version().await?.is_some_and(|now| now.etag == version.etag))
    }
}

impl Before {
    /// The marker and content of a video that is done: thumbnail and row are what this version and these settings make.
    fn complete(
        &self,
        target: &Target,
        version: &SourceVersion,
        settings: &str,
    ) -> Option<(&Marker, ContentId)> {
        let marker =
            self.marker.as_ref().filter(|marker| marker.is_done(version) && marker.settings == settings)?;
        let row = self.row_of(target)?;
        let agrees = row.thumbnail_url == target.asset.thumbnail_url()
            && row.duration == i64::from(marker.stored_duration());
        agrees.then_some((marker, row.content_id))
    }

    /// Whether the content was written for this version, with whichever settings: then people may have edited it.
    fn has_content(&self, target: &Target, version: &SourceVersion) -> bool {
        let mut markers = self.marker.iter().chain(&self.other_marker);
        let done = markers.clone().any(|marker| marker.is_done(version)) && self.row_of(target).is_some();
        done || markers.any(|marker| marker.pending == Pending::Row && marker.has_content(version))
    }

    /// The row, unless it belongs to another content than the name says.
    fn row_of(&self, target: &Target) -> Option<&AssetRow> {
        let belongs = |row: &&AssetRow| target.name.content_id.is_none_or(|id| id == row.content_id);
        self.row.as_ref().filter(belongs)
    }
}

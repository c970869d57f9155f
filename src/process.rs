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
//! People edit titles and descriptions afterwards. So the content is written only for a video that is new or replaced,
//! not when its thumbnail is made again because a setting changed.

mod local;
mod marker;
mod poster;
mod report;
mod source;

use std::time::Instant;

pub use local::LocalVideo;
pub use report::{Report, Status};
pub use source::{SourceVersion, VideoSource};

use crate::catalog::{Asset, AssetRow, Catalog, NewContent};
use crate::config::ThumbnailSettings;
use crate::object_name::{ContentId, KeyRules, ObjectName};
use crate::store::{Condition, NewObject, Store, StoreError};
use crate::{Error, ErrorKind, Ledger, OpenOptions, telemetry};
use marker::Marker;
use poster::Poster;

/// How often the work is begun on a video that is replaced meanwhile.
const MAX_STARTS: u32 = 3;

/// How often a put is tried again when another worker was faster. Each one that was faster has made progress.
const MAX_PUTS: u32 = 10;

/// The job, with everything it needs.
#[derive(Debug)]
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
}

/// What a video's key says about the results of the job.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Target {
    /// The parts of the file name.
    pub name: ObjectName,
    /// Key of the thumbnail.
    pub thumbnail_key: String,
    /// The row, its duration not known yet.
    pub asset: Asset,
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

/// What became of a put.
enum Put {
    Written(Condition),
    /// Another worker has done the whole job.
    AlreadyDone,
    /// The video is not the one we worked on any more.
    Replaced,
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// Does the job for one video.
    ///
    /// # Errors
    /// The kinds tell what to do: [`NotFound`](ErrorKind::NotFound) when there is no such video,
    /// [`Unsupported`](ErrorKind::Unsupported) and [`Malformed`](ErrorKind::Malformed) when it or its name cannot be used,
    /// [`LimitExceeded`](ErrorKind::LimitExceeded), [`Timeout`](ErrorKind::Timeout) and
    /// [`Cancelled`](ErrorKind::Cancelled) as the options say, and [`Unavailable`](ErrorKind::Unavailable),
    /// [`Denied`](ErrorKind::Denied) and [`Config`](ErrorKind::Config) for store and catalogue.
    pub async fn process<V: VideoSource>(&self, video: &V) -> Result<Report, Error> {
        let started = Instant::now();
        let (bucket, key) = (self.store.bucket(), video.key());
        if let Some(reason) = self.key_rules.skip_reason(key) {
            telemetry::skipped(key, &reason);
            return Ok(Report::skipped(bucket, key, &reason).after(started.elapsed()));
        }
        let target = self.target(video)?;
        telemetry::started(key);
        let mut spent = Ledger::default();
        for _ in 0..MAX_STARTS {
            let attempt = self.attempt(video, &target, &mut spent).await;
            if let Some(report) = attempt.map_err(|error| error.about(key))? {
                return Ok(report.spent(spent).after(started.elapsed()));
            }
            telemetry::starting_over(key);
        }
        let error = format!("the video was replaced {MAX_STARTS} times during the work");
        Err(Error::new(ErrorKind::Unavailable, error).about(key))
    }

    /// What the key of a video says, without looking at the video.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) or [`LimitExceeded`](ErrorKind::LimitExceeded) when its name cannot be used,
    /// [`Config`](ErrorKind::Config) when the thumbnail's key cannot.
    pub fn target<V: VideoSource>(&self, video: &V) -> Result<Target, Error> {
        let made = self.make_target(video.key(), video.url());
        made.map_err(|error| error.about(video.key()))
    }

    fn make_target(&self, key: &str, url: &str) -> Result<Target, Error> {
        let name = ObjectName::parse(key)?;
        let extension = self.thumbnail.encoding.format.extension();
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
    ) -> Result<Option<Report>, Error> {
        let version = self.version(video).await?;
        let before = self.look(target).await?;
        let settings = marker::settings(&self.thumbnail);
        let bucket = self.store.bucket();
        if let Some((marker, id)) = before.complete(target, &version, &settings) {
            telemetry::unchanged(video.key(), id);
            return Ok(Some(Report::of(Status::Unchanged, bucket, video.key(), id, target, marker)));
        }

        let Some(poster) = Poster::take(video, &version, &self.thumbnail, &self.options).await? else {
            return Ok(None);
        };
        *spent = spent.and(poster.ledger);
        let marker = Marker::new(version.etag.clone(), settings, &poster);

        let pending = self.put(video, &version, target, &poster, &marker, before.condition.clone()).await?;
        let Put::Written(condition) = pending else { return Ok(None) };
        let write_content = !before.same_video(target, &version);
        let asset = target.asset.clone().with_duration(marker.stored_duration());
        let Some(id) = self.write_rows(video, &version, target, &asset, write_content).await? else {
            return Ok(None);
        };
        let marker = marker.completed();
        let completed = self.put(video, &version, target, &poster, &marker, condition).await?;
        if let Put::Replaced = completed {
            return Ok(None);
        }
        telemetry::done(video.key(), id);
        Ok(Some(Report::of(Status::Processed, bucket, video.key(), id, target, &marker)))
    }

    async fn version<V: VideoSource>(&self, video: &V) -> Result<SourceVersion, Error> {
        let missing = || Error::new(ErrorKind::NotFound, "there is no such video");
        video.version().await?.ok_or_else(missing)
    }

    async fn look(&self, target: &Target) -> Result<Before, Error> {
        let row = self.catalog.asset(target.asset.video_url(), target.name.content_id).await?;
        let thumbnail = self.store.describe(&target.thumbnail_key).await?;
        let other_url = row.as_ref().map(|row| row.thumbnail_url.as_str());
        let other_url = other_url.filter(|url| *url != target.asset.thumbnail_url());
        let other_marker = match other_url.and_then(|url| self.store.key_of(url)) {
            Some(key) => self.store.describe(&key).await?.and_then(|other| Marker::read(&other.metadata)),
            None => None,
        };
        let marker = thumbnail.as_ref().and_then(|thumbnail| Marker::read(&thumbnail.metadata));
        Ok(Before { row, condition: Condition::since(thumbnail.as_ref()), marker, other_marker })
    }

    /// Puts the thumbnail if the video is still the one it shows. Where another worker put one meanwhile, its marker
    /// decides.
    async fn put<V: VideoSource>(
        &self,
        video: &V,
        version: &SourceVersion,
        target: &Target,
        poster: &Poster,
        marker: &Marker,
        mut condition: Condition,
    ) -> Result<Put, Error> {
        let metadata = marker.to_metadata();
        let object = NewObject {
            bytes: &poster.thumbnail.bytes,
            content_type: poster.thumbnail.format.content_type(),
            cache_control: &self.thumbnail.cache_control,
            metadata: &metadata,
        };
        for _ in 0..MAX_PUTS {
            if !self.is_current(video, version).await? {
                return Ok(Put::Replaced);
            }
            match self.store.put(&target.thumbnail_key, object.clone(), &condition).await {
                Ok(etag) => return Ok(Put::Written(Condition::Unchanged(etag))),
                Err(StoreError::PreconditionFailed { .. }) => {
                    let other = self.store.describe(&target.thumbnail_key).await?;
                    let other_marker = other.as_ref().and_then(|other| Marker::read(&other.metadata));
                    if other_marker.is_some_and(|other| other.completes(marker)) {
                        return Ok(Put::AlreadyDone);
                    }
                    condition = Condition::since(other.as_ref());
                }
                Err(error) => return Err(error.into()),
            }
        }
        let error = format!("{}: other workers put it {MAX_PUTS} times meanwhile", target.thumbnail_key);
        Err(Error::new(ErrorKind::Unavailable, error))
    }

    /// Writes content and row. `None`: the video was replaced.
    async fn write_rows<V: VideoSource>(
        &self,
        video: &V,
        version: &SourceVersion,
        target: &Target,
        asset: &Asset,
        write_content: bool,
    ) -> Result<Option<ContentId>, Error> {
        let content = NewContent::from(&target.name);
        // Without an id in the name, content and row are made together, and the content gets its id.
        let registered = match target.name.content_id {
            Some(_) => None,
            None if !self.is_current(video, version).await? => return Ok(None),
            None => Some(self.catalog.register(&content, asset).await?),
        };
        let Some(id) = target.name.content_id.or(registered) else { return Ok(None) };
        if write_content {
            if !self.is_current(video, version).await? {
                return Ok(None);
            }
            self.catalog.upsert_content(id, &content).await?;
        }
        if registered.is_none() {
            if !self.is_current(video, version).await? {
                return Ok(None);
            }
            self.catalog.write_asset(id, asset).await?;
        }
        telemetry::asset_written(video.key(), id);
        Ok(Some(id))
    }

    /// Whether the video is still this version. Asked before each write, which is also where the job can be cancelled.
    async fn is_current<V: VideoSource>(&self, video: &V, version: &SourceVersion) -> Result<bool, Error> {
        if self.options.cancel.as_ref().is_some_and(crate::CancelToken::is_cancelled) {
            return Err(Error::new(ErrorKind::Cancelled, "cancelled"));
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

    /// Whether this version was done before, with whichever settings: then people may have edited its content.
    fn same_video(&self, target: &Target, version: &SourceVersion) -> bool {
        let mut markers = self.marker.iter().chain(&self.other_marker);
        markers.any(|marker| marker.is_done(version)) && self.row_of(target).is_some()
    }

    /// The row, unless it belongs to another content than the name says.
    fn row_of(&self, target: &Target) -> Option<&AssetRow> {
        let belongs = |row: &&AssetRow| target.name.content_id.is_none_or(|id| id == row.content_id);
        self.row.as_ref().filter(belongs)
    }
}

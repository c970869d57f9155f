//! The state of an object: which parts of the job are complete. Finding the state does not read the video and writes
//! nothing.

use serde::{Deserialize, Serialize};

use super::choice::{ChosenBy, PosterAt};
use super::marker::Own;
use super::protocol::Pending;
use super::{Job, Target, VideoSource};
use crate::ErrorKind;
use crate::catalog::{AssetRow, Catalog};
use crate::job_error::JobError;
use crate::store::{ETag, ObjectDescription, Store};

/// The state of a thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThumbnailState {
    /// The thumbnail does not exist, or the caller is not allowed to read it.
    Missing,
    /// A thumbnail exists, but this program did not create it.
    Unmarked,
    /// The thumbnail is from an earlier upload.
    OtherVersion,
    /// The thumbnail shows another time than people chose for the video.
    OtherTime,
    /// The thumbnail was created with other settings.
    OtherSettings,
    /// The thumbnail exists, but the content may be missing, as version 0.1 left it.
    Pending,
    /// The thumbnail is the one that the job would create.
    Current,
}

/// The state of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowState {
    /// The row does not exist.
    Missing,
    /// The row belongs to a content other than the one in the name of the video.
    OtherContent,
    /// The row has another thumbnail URL, or another duration than the thumbnail's metadata. If these metadata are
    /// missing, the row may be correct.
    Differs,
    /// The row is the one that the job would write.
    Current,
}

/// The state of a storyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoryboardState {
    /// The storyboard does not exist, or cannot be read.
    Missing,
    /// The storyboard is of another version of the video, or was written with other settings.
    Differs,
    /// The storyboard is what the job would write.
    Current,
}

/// The state of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VideoState {
    /// The state of the thumbnail.
    pub thumbnail: ThumbnailState,
    /// The state of the row.
    pub row: RowState,
    /// The source of the time that the thumbnail shows, where people chose that time.
    pub chosen_by: Option<ChosenBy>,
    /// The state of the storyboard; `None` if the settings request no storyboards, and after [`Job::state_of`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storyboard: Option<StoryboardState>,
}

impl VideoState {
    /// Returns whether the job has nothing to do.
    pub fn is_done(&self) -> bool {
        self.thumbnail == ThumbnailState::Current
            && self.row == RowState::Current
            && matches!(self.storyboard, None | Some(StoryboardState::Current))
    }

    /// Returns whether the thumbnail, the row or the storyboard is missing.
    pub fn is_missing(&self) -> bool {
        self.thumbnail == ThumbnailState::Missing
            || self.row == RowState::Missing
            || self.storyboard == Some(StoryboardState::Missing)
    }
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// Returns the state of a video with this version, from data that the caller has read: the row, and the description
    /// of the thumbnail. If people chose the time of the thumbnail, this time counts as correct, because no request for
    /// the video is sent.
    pub fn state_of(
        &self,
        target: &Target,
        etag: &ETag,
        row: Option<AssetRow>,
        thumbnail: Option<&ObjectDescription>,
    ) -> VideoState {
        let own = Own::new(&self.thumbnail, None, &target.key);
        let may_be_same = thumbnail.is_some_and(|thumbnail| own.may_have_made(thumbnail));
        video_state(&own, may_be_same, target, etag, row, thumbnail)
    }

    /// How a video of this version stands, by what the caller has read itself: also the time that people chose for the video, or that they
    /// chose none.
    pub fn state_with_choice(
        &self,
        target: &Target,
        etag: &ETag,
        row: Option<AssetRow>,
        thumbnail: Option<&ObjectDescription>,
        poster_at: Option<PosterAt>,
    ) -> VideoState {
        let own = Own::new(&self.thumbnail, poster_at, &target.key);
        let mark = thumbnail.and_then(|thumbnail| own.see(thumbnail).mark);
        let is_same = mark.is_some_and(|mark| mark.settings == own.settings_id());
        let state = video_state(&own, is_same, target, etag, row, thumbnail);
        let is_chosen = poster_at.is_some() || state.chosen_by.is_some();
        let differs_in_choice = thumbnail.is_some_and(|thumbnail| own.differs_in_choice_alone(thumbnail));
        match state.thumbnail {
            ThumbnailState::OtherSettings if is_chosen && differs_in_choice => {
                VideoState { thumbnail: ThumbnailState::OtherTime, ..state }
            }
            _ => state,
        }
    }

    /// Returns which parts of the job are complete for a video whose key the rules accept.
    ///
    /// # Errors
    /// The errors of [`process`](Self::process) before it reads the video.
    pub async fn state<V: VideoSource>(&self, video: &V) -> Result<VideoState, JobError> {
        let about = |error: JobError| error.with_subject(video.key());
        let target = self.target(video)?;
        let look = async {
            let thumbnail = async { Ok(self.store.describe(&target.thumbnail_key).await?) };
            let (look, thumbnail, row) = match target.name.content_id {
                Some(id) => {
                    let row = async { Ok(self.catalog.find_content(video.url(), id).await?.found.row) };
                    tokio::try_join!(video.head(), thumbnail, row)?
                }
                None => {
                    let (look, thumbnail) = tokio::try_join!(video.head(), thumbnail)?;
                    (look, thumbnail, self.row_without_id(video.url()).await?)
                }
            };
            let missing = || JobError::new(ErrorKind::NotFound, "the video does not exist");
            Ok((look.ok_or_else(missing)?, thumbnail, row))
        };
        let (looked, json) = tokio::join!(look, self.look_at_storyboard(&target));
        let (look, thumbnail, row) = looked.map_err(about)?;
        let json = json.transpose().map_err(about)?;
        let storyboard = json.map(|json| self.storyboard_state(&target, &look.version.etag, json.as_ref()));
        let (etag, poster_at) = (&look.version.etag, look.poster_at);
        let state = self.state_with_choice(&target, etag, row, thumbnail.as_ref(), poster_at);
        Ok(VideoState { storyboard, ..state })
    }

    fn storyboard_state(
        &self,
        target: &Target,
        etag: &ETag,
        json: Option<&ObjectDescription>,
    ) -> StoryboardState {
        match (json, self.storyboard_place(target, Some(etag))) {
            (None, _) => StoryboardState::Missing,
            (Some(json), Some(place)) if place.mark.is_of(json) => StoryboardState::Current,
            _ => StoryboardState::Differs,
        }
    }

    async fn row_without_id(&self, url: &str) -> Result<Option<AssetRow>, JobError> {
        Ok(self.catalog.find_row(url).await?.row)
    }
}

/// Returns the state of a video; `has_settings` is whether its thumbnail has the settings of the job.
fn video_state(
    own: &Own,
    has_settings: bool,
    target: &Target,
    etag: &ETag,
    row: Option<AssetRow>,
    thumbnail: Option<&ObjectDescription>,
) -> VideoState {
    let mark = thumbnail.map(|thumbnail| own.see(thumbnail).mark);
    let thumbnail_state = match &mark {
        None => ThumbnailState::Missing,
        Some(None) => ThumbnailState::Unmarked,
        Some(Some(mark)) if mark.source != *etag || mark.is_foreign => ThumbnailState::OtherVersion,
        Some(Some(_)) if !has_settings => ThumbnailState::OtherSettings,
        Some(Some(mark)) if mark.pending == Pending::ContentAndRow => ThumbnailState::Pending,
        Some(Some(_)) => ThumbnailState::Current,
    };
    let duration = mark.flatten().map(|mark| i64::from(mark.duration));
    let row = match row {
        None => RowState::Missing,
        Some(row) if target.name.content_id.is_some_and(|id| id != row.content_id) => RowState::OtherContent,
        Some(row) => {
            let agrees = row.thumbnail_url == target.asset.thumbnail_url() && Some(row.duration) == duration;
            if agrees { RowState::Current } else { RowState::Differs }
        }
    };
    let chosen_by = thumbnail.and_then(|thumbnail| own.chosen_by(thumbnail));
    VideoState { thumbnail: thumbnail_state, row, chosen_by, storyboard: None }
}

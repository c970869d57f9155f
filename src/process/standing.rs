//! How an object stands: what of the job is done for it. Nothing is read of the video itself, and nothing is written.

use serde::{Deserialize, Serialize};

use super::marker::Own;
use super::protocol::Pending;
use super::{Job, Target, VideoSource};
use crate::ErrorKind;
use crate::catalog::{AssetRow, Catalog};
use crate::job_error::JobError;
use crate::store::{ETag, ObjectDescription, Store};

/// How the thumbnail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ThumbnailStanding {
    /// There is none, or it may not be read.
    Missing,
    /// There is one that this program has not made.
    Unmarked,
    /// It is of an earlier upload.
    OtherVersion,
    /// It was made with other settings.
    OtherSettings,
    /// It is there; the content may not be, as version 0.1 left it.
    Pending,
    /// It is what the job would make.
    Current,
}

/// How the row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowStanding {
    /// There is none.
    Missing,
    /// It belongs to another content than the name says.
    OtherContent,
    /// It names another thumbnail, or another duration than the thumbnail's notes say; where those are missing, it may be right.
    Differs,
    /// It is what the job would write.
    Current,
}

/// How an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Standing {
    /// How its thumbnail stands.
    pub thumbnail: ThumbnailStanding,
    /// How its row stands.
    pub row: RowStanding,
}

impl Standing {
    /// Whether the job has nothing to do.
    pub fn is_done(&self) -> bool {
        self.thumbnail == ThumbnailStanding::Current && self.row == RowStanding::Current
    }

    /// Whether a thumbnail or a row is missing altogether.
    pub fn is_missing(&self) -> bool {
        self.thumbnail == ThumbnailStanding::Missing || self.row == RowStanding::Missing
    }
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// How a video of this version stands, by what the caller has read itself: its row, and how its thumbnail describes itself. Of a
    /// thumbnail whose time people chose, this time counts as right: nothing is asked of the video.
    pub fn standing_of(
        &self,
        target: &Target,
        etag: &ETag,
        row: Option<AssetRow>,
        thumbnail: Option<&ObjectDescription>,
    ) -> Standing {
        let own = Own::new(&self.thumbnail, None, &target.key);
        let may_be_same = thumbnail.is_some_and(|thumbnail| own.may_have_made(thumbnail));
        stands(&own, may_be_same, target, etag, row, thumbnail)
    }

    /// Looks what of the job is done for a video whose key is one of the job's.
    ///
    /// # Errors
    /// As [`process`](Self::process), before it reads the video.
    pub async fn standing<V: VideoSource>(&self, video: &V) -> Result<Standing, JobError> {
        let about = |error: JobError| error.about(video.key());
        let target = self.target(video)?;
        let look = async {
            let thumbnail = async { Ok(self.store.describe(&target.thumbnail_key).await?) };
            let (look, thumbnail, row) = match target.name.content_id {
                Some(id) => {
                    let row = async { Ok(self.catalog.look(video.url(), id).await?.found.row) };
                    tokio::try_join!(video.look(), thumbnail, row)?
                }
                None => {
                    let (look, thumbnail) = tokio::try_join!(video.look(), thumbnail)?;
                    (look, thumbnail, self.row_without_id(video.url()).await?)
                }
            };
            let missing = || JobError::new(ErrorKind::NotFound, "there is no such video");
            Ok((look.ok_or_else(missing)?, thumbnail, row))
        };
        let (look, thumbnail, row) = look.await.map_err(about)?;
        let own = Own::new(&self.thumbnail, look.poster_at, &target.key);
        let mark = thumbnail.as_ref().and_then(|thumbnail| own.see(thumbnail).mark);
        let is_same = mark.is_some_and(|mark| mark.settings == own.settings_id());
        Ok(stands(&own, is_same, &target, &look.version.etag, row, thumbnail.as_ref()))
    }

    async fn row_without_id(&self, url: &str) -> Result<Option<AssetRow>, JobError> {
        Ok(self.catalog.find(url).await?.row)
    }
}

/// How a video stands whose thumbnail has the job's settings, or not.
fn stands(
    own: &Own,
    has_settings: bool,
    target: &Target,
    etag: &ETag,
    row: Option<AssetRow>,
    thumbnail: Option<&ObjectDescription>,
) -> Standing {
    let mark = thumbnail.map(|thumbnail| own.see(thumbnail).mark);
    let standing = match &mark {
        None => ThumbnailStanding::Missing,
        Some(None) => ThumbnailStanding::Unmarked,
        Some(Some(mark)) if mark.source != *etag || mark.is_foreign => ThumbnailStanding::OtherVersion,
        Some(Some(_)) if !has_settings => ThumbnailStanding::OtherSettings,
        Some(Some(mark)) if mark.pending == Pending::ContentAndRow => ThumbnailStanding::Pending,
        Some(Some(_)) => ThumbnailStanding::Current,
    };
    let duration = mark.flatten().map(|mark| i64::from(mark.duration));
    let row = match row {
        None => RowStanding::Missing,
        Some(row) if target.name.content_id.is_some_and(|id| id != row.content_id) => {
            RowStanding::OtherContent
        }
        Some(row) => {
            let agrees = row.thumbnail_url == target.asset.thumbnail_url() && Some(row.duration) == duration;
            if agrees { RowStanding::Current } else { RowStanding::Differs }
        }
    };
    Standing { thumbnail: standing, row }
}

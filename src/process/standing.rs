//! How an object stands: what of the job is done for it. Nothing is read of the video itself, and nothing is written.

use serde::{Deserialize, Serialize};

use super::marker::{self, Marker, Pending};
use super::{Before, Job, Target, VideoSource};
use crate::catalog::{AssetRow, Catalog};
use crate::job_error::JobError;
use crate::store::{Condition, ETag, ObjectDescription, Store};

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
    /// It is there; content or row may not be.
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
    /// How a video of this version stands, by what the caller has read itself: its row, and how its thumbnail describes itself.
    pub fn standing_of(
        &self,
        target: &Target,
        etag: &ETag,
        row: Option<AssetRow>,
        thumbnail: Option<&ObjectDescription>,
    ) -> Standing {
        let marker = thumbnail.and_then(|thumbnail| Marker::read(&thumbnail.metadata));
        let before = Before { row, condition: Condition::since(thumbnail), marker, other_marker: None };
        before.standing(target, etag, &marker::settings(&self.thumbnail))
    }

    /// Looks what of the job is done for a video whose key is one of the job's.
    ///
    /// # Errors
    /// As [`process`](Self::process), before it reads the video.
    pub async fn standing<V: VideoSource>(&self, video: &V) -> Result<Standing, JobError> {
        let about = |error: JobError| error.about(video.key());
        let target = self.target(video)?;
        let (version, before) = self.look(video, &target).await.map_err(about)?;
        Ok(before.standing(&target, &version.etag, &marker::settings(&self.thumbnail)))
    }
}

impl Before {
    fn standing(&self, target: &Target, etag: &ETag, settings: &str) -> Standing {
        let thumbnail = match &self.marker {
            _ if self.condition == Condition::Absent => ThumbnailStanding::Missing,
            None => ThumbnailStanding::Unmarked,
            Some(marker) if marker.source_etag != *etag => ThumbnailStanding::OtherVersion,
            Some(marker) if marker.settings != settings => ThumbnailStanding::OtherSettings,
            Some(marker) if marker.pending != Pending::Nothing => ThumbnailStanding::Pending,
            Some(_) => ThumbnailStanding::Current,
        };
        let row = match (&self.row, self.row_of(target)) {
            (None, _) => RowStanding::Missing,
            (Some(_), None) => RowStanding::OtherContent,
            (Some(_), Some(row)) => {
                let duration = self.marker.as_ref().map(|marker| i64::from(marker.stored_duration()));
                let agrees =
                    row.thumbnail_url == target.asset.thumbnail_url() && Some(row.duration) == duration;
                if agrees { RowStanding::Current } else { RowStanding::Differs }
            }
        };
        Standing { thumbnail, row }
    }
}

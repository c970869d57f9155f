//! The description of a storyboard: values without I/O.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame_request::Pick;
use crate::picture::{ImageFormat, Quality};
use crate::pixels::Bounds;

/// The division of a video into tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Spacing {
    /// This number of tiles, with equal intervals. A video has at most one tile for each millisecond.
    Count(NonZeroU32),
    /// One tile for each interval of this length. The last interval may be shorter. At least a millisecond.
    Every(Duration),
}

/// The description of a storyboard. `StoryboardRequest::default()` requests 100 tiles from keyframes, 160 pixels wide, ten in a row and
/// ten rows on a sheet, as JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StoryboardRequest {
    /// The number of tiles.
    pub spacing: Spacing,
    /// The frame that represents an interval: the frame in its middle, or the keyframe at or before the middle. The keyframe costs fewer
    /// bytes and less time.
    pub pick: Pick,
    /// Largest size of a tile. All tiles have the size of the first one. Frames with another aspect ratio are centred on black.
    pub tile: Bounds,
    /// Tiles in a row.
    pub columns: NonZeroU32,
    /// Rows on a sheet.
    pub rows: NonZeroU32,
    /// File format of the sheets.
    pub format: ImageFormat,
    /// Quality of the sheets.
    pub quality: Quality,
}

const TEN: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

impl Default for StoryboardRequest {
    fn default() -> Self {
        Self {
            spacing: Spacing::Count(NonZeroU32::MIN.saturating_add(99)),
            pick: Pick::Keyframe,
            tile: Bounds { max_width: NonZeroU32::new(160), max_height: None },
            columns: TEN,
            rows: TEN,
            format: ImageFormat::Jpeg,
            quality: Quality::default(),
        }
    }
}

impl StoryboardRequest {
    /// Sets [`spacing`](Self::spacing).
    #[must_use]
    pub const fn with_spacing(mut self, spacing: Spacing) -> Self {
        self.spacing = spacing;
        self
    }

    /// Sets [`pick`](Self::pick).
    #[must_use]
    pub const fn with_pick(mut self, pick: Pick) -> Self {
        self.pick = pick;
        self
    }

    /// Sets the largest size of a tile.
    #[must_use]
    pub const fn with_tile(mut self, tile: Bounds) -> Self {
        self.tile = tile;
        self
    }

    /// Sets the number of tiles in a row, and of rows on a sheet.
    #[must_use]
    pub const fn with_grid(mut self, columns: NonZeroU32, rows: NonZeroU32) -> Self {
        self.columns = columns;
        self.rows = rows;
        self
    }

    /// Sets the file format and quality of the sheets.
    #[must_use]
    pub const fn with_format(mut self, format: ImageFormat, quality: Quality) -> Self {
        self.format = format;
        self.quality = quality;
        self
    }
}

//! A request for one frame of a video and for the picture that is encoded from the frame.

use serde::{Deserialize, Serialize};

use crate::frame_time::FrameTime;
use crate::picture::Encoding;

/// A request for one frame of a video and for the picture that is encoded from the frame. [`FrameRequest::at`] creates a request for the
/// exact frame at a time, as a JPEG in the video's own size.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use posterframe::{Bounds, Encoding, FrameRequest, FrameTime, Media, OpenOptions, Pick};
///
/// // It lasts 7 s.
/// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
/// let request = FrameRequest::at("-2.5".parse::<FrameTime>()?)
///     .with_pick(Pick::Keyframe)
///     .with_encoding(Encoding::default().with_bounds(Bounds::new(96, 96)));
/// let frame = media.frame(&request)?;
/// assert_eq!(frame.pts_seconds(), 3.0);
/// assert_eq!(frame.thumbnail()?.width, 96);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FrameRequest {
    /// The position in the video.
    pub time: FrameTime,
    /// The choice among the frames at this position.
    pub pick: Pick,
    /// The use of a cover picture that the file contains beside its video.
    pub cover: CoverArt,
    /// Format, size and quality of the picture that [`PosterFrame::thumbnail`](crate::PosterFrame::thumbnail) returns.
    pub encoding: Encoding,
}

/// The rule that selects a frame for a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pick {
    /// The first frame presented at or after the time.
    #[default]
    Exact,
    /// The keyframe presented at the time, or the last one before it, according to the container's index. Only this keyframe is decoded.
    /// For MP4, and for Matroska with cues, only the keyframe's own bytes are requested. For fragments with an index, some of the
    /// following bytes are requested too. Where the container has no index, as in MPEG-TS, all bytes up to the time are read. Where the
    /// container does not mark keyframes, or no keyframe decodes there, the exact frame is returned.
    Keyframe,
    /// The exact frame, unless it is black, blank, a title card or blurred. In that case, the first of at most four keyframes near the
    /// time that has none of these defects, or else the best of all examined frames.
    /// [`PosterFrame::considered`](crate::PosterFrame::considered) lists the examined frames.
    Auto,
}

/// The use of a cover picture: a picture that belongs to the file as a whole, such as the cover art of a song.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoverArt {
    /// The cover is used if the file contains no video.
    #[default]
    Fallback,
    /// The cover is never used.
    Ignore,
    /// The cover is used if the file has one, otherwise the video's frame.
    Prefer,
    /// Only the cover is used.
    Only,
}

impl FrameRequest {
    /// Creates a request for the frame at a time.
    pub fn at(time: impl Into<FrameTime>) -> Self {
        Self { time: time.into(), ..Self::default() }
    }

    /// Sets the rule that selects a frame for the time.
    #[must_use]
    pub const fn with_pick(mut self, pick: Pick) -> Self {
        self.pick = pick;
        self
    }

    /// Sets the use of a cover picture.
    #[must_use]
    pub const fn with_cover(mut self, cover: CoverArt) -> Self {
        self.cover = cover;
        self
    }

    /// Sets the format, size and quality of the picture.
    #[must_use]
    pub const fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }
}

impl<T: Into<FrameTime>> From<T> for FrameRequest {
    fn from(time: T) -> Self {
        Self::at(time)
    }
}

impl From<&Self> for FrameRequest {
    fn from(request: &Self) -> Self {
        *request
    }
}

impl Pick {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Keyframe, Self::Auto];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Keyframe => "keyframe",
            Self::Auto => "auto",
        }
    }

    /// Returns the rule for the first read: the exact frame or the keyframe.
    pub(crate) const fn first(self) -> Self {
        match self {
            Self::Exact | Self::Auto => Self::Exact,
            Self::Keyframe => Self::Keyframe,
        }
    }

    /// Returns the rule with this name, or `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pick| pick.as_str() == name)
    }
}

impl CoverArt {
    /// All uses.
    pub const ALL: [Self; 4] = [Self::Fallback, Self::Ignore, Self::Prefer, Self::Only];

    /// Returns the stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Ignore => "ignore",
            Self::Prefer => "prefer",
            Self::Only => "only",
        }
    }

    /// Returns the use with this name, or `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cover| cover.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_equal_the_json_names() {
        for pick in Pick::ALL {
            assert_eq!(serde_json::to_value(pick).unwrap(), pick.as_str());
            assert_eq!(Pick::from_name(pick.as_str()), Some(pick));
        }
        for cover in CoverArt::ALL {
            assert_eq!(serde_json::to_value(cover).unwrap(), cover.as_str());
            assert_eq!(CoverArt::from_name(cover.as_str()), Some(cover));
        }
        assert_eq!((Pick::from_name("Exact"), CoverArt::from_name("")), (None, None));
    }
}

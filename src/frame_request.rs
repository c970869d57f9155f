//! What is wanted of a video: one frame, and the picture to be made of it.

use serde::{Deserialize, Serialize};

use crate::frame_time::FrameTime;
use crate::picture::Encoding;

/// One frame of a video, and the picture to be made of it. Start from [`FrameRequest::at`]: the very frame at a time, as a JPEG of
/// the video's own size.
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
    /// Where in the video.
    pub time: FrameTime,
    /// Which of the frames there.
    pub pick: Pick,
    /// What becomes of a cover picture that the file holds beside its video.
    pub cover: CoverArt,
    /// Format, size and quality of the picture.
    pub encoding: Encoding,
}

/// Which frame is taken for a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pick {
    /// The first that is presented at or after it.
    #[default]
    Exact,
    /// The keyframe that is presented at it or last before it, as the container's index knows it: it is decoded alone. Of an MP4 and of
    /// Matroska with cues only its own bytes are requested, of fragments with an index also some that follow it; where there is no
    /// index, as in MPEG-TS, all up to the time are read. Where the container does not tell keyframes, or none decodes there, the exact frame.
    Keyframe,
    /// The exact frame, unless it is black, blank, a title card or blurred: then the first of at most four keyframes near the time that is
    /// none of these, else the best of all that were looked at. [`PosterFrame::considered`](crate::PosterFrame::considered) lists them.
    Auto,
}

/// What becomes of a cover picture: one that belongs to the file as a whole, as songs have it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CoverArt {
    /// It is taken where the file holds no video.
    #[default]
    Fallback,
    /// It is never taken.
    Ignore,
    /// It is taken wherever there is one, else the video's frame.
    Prefer,
    /// Nothing else is taken.
    Only,
}

impl FrameRequest {
    /// The frame at a time.
    pub fn at(time: impl Into<FrameTime>) -> Self {
        Self { time: time.into(), ..Self::default() }
    }

    /// With this choice among the frames at the time.
    #[must_use]
    pub const fn with_pick(mut self, pick: Pick) -> Self {
        self.pick = pick;
        self
    }

    /// With this use of a cover picture.
    #[must_use]
    pub const fn with_cover(mut self, cover: CoverArt) -> Self {
        self.cover = cover;
        self
    }

    /// As a picture like this.
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
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Keyframe, Self::Auto];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Keyframe => "keyframe",
            Self::Auto => "auto",
        }
    }

    /// What is read first: the exact frame or the keyframe.
    pub(crate) const fn first(self) -> Self {
        match self {
            Self::Exact | Self::Auto => Self::Exact,
            Self::Keyframe => Self::Keyframe,
        }
    }

    /// The choice of this name; `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pick| pick.as_str() == name)
    }
}

impl CoverArt {
    /// All uses.
    pub const ALL: [Self; 4] = [Self::Fallback, Self::Ignore, Self::Prefer, Self::Only];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Ignore => "ignore",
            Self::Prefer => "prefer",
            Self::Only => "only",
        }
    }

    /// The use of this name; `None` for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cover| cover.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
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

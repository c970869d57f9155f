//! A frame as a picture, wherever it was decoded.

use serde::{Deserialize, Serialize};

use crate::pixels::Orientation;
use crate::{Considered, Encoding, Error, FrameReason, PosterFrame, Ratio, Thumbnail};

/// A frame as a picture, and what is told of it; see the methods of [`PosterFrame`](crate::PosterFrame) of the same names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Picture {
    /// The picture that was requested.
    pub thumbnail: Thumbnail,
    /// Presentation time in seconds, counted from the container's start.
    pub pts_seconds: f64,
    /// The same in ticks of `time_base`.
    pub pts: i64,
    /// Seconds of a tick of the stream.
    pub time_base: Ratio,
    /// Why this frame was taken.
    pub reason: FrameReason,
    /// The frames that [`Pick::Auto`](crate::Pick::Auto) looked at, in that order; empty for the other choices.
    #[serde(default)]
    pub considered: Vec<Considered>,
    /// The stream it comes from.
    pub stream_index: usize,
    /// Packets that were given to the decoder to get it.
    pub packets_decoded: u64,
    /// Passes of decoding that it took.
    pub passes: u32,
    /// Width and height as decoded.
    pub decoded_size: (u32, u32),
    /// The decoded pixel format under FFmpeg's name.
    pub pixel_format: String,
    /// How the decoded picture is turned to stand upright.
    pub orientation: Orientation,
}

impl Picture {
    /// Of a frame that was decoded in this process.
    ///
    /// # Errors
    /// As [`PosterFrame::thumbnail`].
    pub fn of(frame: &PosterFrame) -> Result<Self, Error> {
        Ok(Self::with(frame, frame.thumbnail()?))
    }

    /// Of a frame that was decoded in this process, as another picture than was requested with it.
    ///
    /// # Errors
    /// As [`PosterFrame::encode`].
    pub fn encoded(frame: &PosterFrame, encoding: &Encoding) -> Result<Self, Error> {
        Ok(Self::with(frame, frame.encode(encoding)?))
    }

    fn with(frame: &PosterFrame, thumbnail: Thumbnail) -> Self {
        Self {
            thumbnail,
            pts_seconds: frame.pts_seconds(),
            pts: frame.pts(),
            time_base: frame.time_base(),
            reason: frame.reason(),
            considered: frame.considered().to_vec(),
            stream_index: frame.stream_index(),
            packets_decoded: frame.packets_decoded(),
            passes: frame.passes(),
            decoded_size: frame.decoded_size(),
            pixel_format: frame.pixel_format().to_owned(),
            orientation: frame.orientation(),
        }
    }
}

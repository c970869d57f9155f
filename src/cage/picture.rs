//! An encoded frame, from this process or from a cage.

use serde::{Deserialize, Serialize};

use crate::pixels::Orientation;
use crate::{ConsideredFrame, Encoding, Error, FrameReason, PosterFrame, Ratio, Thumbnail};

/// An encoded frame and its properties; see the methods of [`PosterFrame`](crate::PosterFrame) with the same names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Picture {
    /// The requested picture.
    pub thumbnail: Thumbnail,
    /// Presentation time in seconds, counted from the container's start.
    pub pts_seconds: f64,
    /// Presentation time in ticks of `time_base`.
    pub pts: i64,
    /// Seconds in one tick of the stream.
    pub time_base: Ratio,
    /// The reason why this frame was taken.
    pub reason: FrameReason,
    /// The frames that [`Pick::Auto`](crate::Pick::Auto) examined, in that order; empty for other rules.
    #[serde(default)]
    pub considered: Vec<ConsideredFrame>,
    /// The stream of the frame.
    pub stream_index: usize,
    /// Packets sent to the decoder for this frame.
    pub packets_decoded: u64,
    /// Decoding passes for this frame.
    pub passes: u32,
    /// Decoded width and height in pixels.
    pub decoded_size: (u32, u32),
    /// The decoded pixel format under FFmpeg's name.
    pub pixel_format: String,
    /// The transformation that turns the decoded picture upright.
    pub orientation: Orientation,
}

impl Picture {
    /// Encodes the requested picture of a frame that was decoded in this process.
    ///
    /// # Errors
    /// The errors of [`PosterFrame::thumbnail`].
    pub fn of(frame: &PosterFrame) -> Result<Self, Error> {
        Ok(Self::with(frame, frame.thumbnail()?))
    }

    /// Encodes a frame that was decoded in this process as another picture than the requested one.
    ///
    /// # Errors
    /// The errors of [`PosterFrame::encode`].
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

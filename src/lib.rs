//! Media information and poster frames from video, with libav in the process and as few bytes read as possible.
#![warn(missing_docs)]

mod error;
mod limits;
mod media;
mod picture;
mod pixels;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use media::{
    AudioInfo, CancelToken, ColourInfo, Disposition, FrameReason, HdrKind, Ledger, Media, MediaError, MediaInfo,
    Mp4Layout, OpenOptions, PosterFrame, Ratio, StreamInfo, StreamKind, Threads, VideoInfo, libav_version,
};
pub use picture::{Encoding, ImageFormat, Quality, Thumbnail};
pub use pixels::{Bounds, Orientation, RgbPicture};

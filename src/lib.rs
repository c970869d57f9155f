//! Media information and poster frames from video, with libav in the process and as few bytes read as possible.
#![warn(missing_docs)]

#[cfg(feature = "job")]
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "job")]
pub mod config;
mod error;
mod limits;
#[cfg(feature = "job")]
pub mod location;
mod media;
#[cfg(feature = "job")]
pub mod object_name;
mod picture;
mod pixels;
#[cfg(feature = "job")]
pub mod process;
#[cfg(feature = "job")]
pub mod store;
#[cfg(feature = "job")]
pub mod telemetry;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use media::{
    AudioInfo, CancelToken, ColourInfo, Disposition, FrameReason, HdrKind, Ledger, Media, MediaError,
    MediaInfo, Mp4Layout, OpenOptions, PosterFrame, Ratio, StreamInfo, StreamKind, Threads, VideoInfo,
    libav_version,
};
pub use picture::{Encoding, ImageFormat, Quality, Thumbnail};
pub use pixels::{Bounds, Orientation, RgbPicture};

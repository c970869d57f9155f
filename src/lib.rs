//! Media information and poster frames from video, with libav in the process and as few bytes read as possible.
//!
//! A poster frame is the one picture that stands for a video: the frame at five seconds, say. [`Media`] opens anything
//! that is `Read + Seek + Send` (a file, bytes in memory, a reader of your own), tells what it holds ([`MediaInfo`]), and
//! finds the frame at a time ([`PosterFrame`]) from the same open container. The frame makes pictures of itself:
//! upright, with square pixels, in the right colours, deinterlaced, HDR brought to SDR, as JPEG, PNG or WebP in memory.
//!
//! ```
//! use std::io::Cursor;
//! use std::time::Duration;
//! use posterframe::{Bounds, Encoding, FrameReason, FrameRequest, Media, OpenOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let video = std::fs::read("tests/fixtures/h264_end.mp4")?;
//! let mut media = Media::open(Cursor::new(video), &OpenOptions::default())?;
//! assert_eq!(media.info().streams[0].codec_name.as_deref(), Some("h264"));
//!
//! let encoding = Encoding::default().with_bounds(Bounds::width(96));
//! let frame = media.frame(&FrameRequest::at(Duration::from_secs(5)).with_encoding(encoding))?;
//! assert_eq!(frame.reason(), FrameReason::AtTarget);
//! let thumbnail = frame.thumbnail()?;
//! assert_eq!(thumbnail.width, 96);
//! # Ok(())
//! # }
//! ```
//!
//! # Tour
//!
//! | task | call |
//! |---|---|
//! | open a file, a reader, an object read by byte ranges | [`Media::open_file`], [`Media::open`], `Media::open_source` (feature `remote`) |
//! | what it holds | [`Media::info`] |
//! | the frame at a time | [`Media::frame`], with a `Duration`, a [`FrameTime`] or a [`FrameRequest`] |
//! | several frames, planned and decoded together | [`Media::frames`] |
//! | all frames between two times | [`Media::frames_between`] |
//! | pictures of a frame | [`PosterFrame::thumbnail`], [`PosterFrame::encode`], [`PosterFrame::to_rgb8`] |
//! | the same as futures | `AsyncMedia` (feature `tokio`) |
//! | bounds on time, bytes and pixels; stopping the work | [`Limits`], [`OpenOptions`], [`CancelToken`] |
//! | settings of libav for the whole process | [`init`] |
//! | what went wrong, and whether it may pass | [`Error::kind`], [`ErrorKind::is_retryable`] |
//!
//! # What it costs and what it may cost
//!
//! Frames that nothing else refers to are not decoded on the way to the wanted one, packets of other streams are not
//! read, and the containers that say everything in their headers are not analysed. [`Media::ledger`] tells what was read.
//! [`Limits`] bound bytes, requests, packets, pixels, index entries, memory and time: files are strangers' uploads.
//!
//! # Modules
//!
//! Data flows one way. `error`, `limits`, `deadline`, `frame_time`, `frame_request` and `pixels` are values. [`source`] reads objects
//! by byte ranges. `media` is the only module that knows libav, and its `ffi` the only one with `unsafe`. `picture` turns pixels into upright
//! pictures and files. `asynchronous` has the calls of `media` as futures.
//!
//! With `job`, `event` tells which objects a Lambda event is about and what its sender is answered, and `process` does
//! for one video what the catalogue needs: `object_name` reads its key, the picture goes into a `store`, content and
//! row into a `catalog`, as `config` says. `telemetry` holds the log messages, `location` the ways to name an input.
//! The program is `cli`.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `png`, `webp` | those formats beside JPEG |
//! | `image` | pictures become `image::RgbImage`, by `From`; in `png` and `cli`, too |
//! | `static` | links the static libav that `FFMPEG_DIR` points to; without it, the system's FFmpeg by pkg-config |
//! | `remote` | objects read by byte ranges: sources of your own, files, memory; brings tokio |
//! | `http`, `s3` | objects behind URLs and in S3; both bring `remote` |
//! | `object_store` | objects in any store of the crate `object_store`: Google Cloud Storage, Azure, ... |
//! | `tokio` | futures that open files and take frames, and end the work when they are dropped |
//! | `sso` | AWS credentials by SSO, and by programs that print them |
//! | `job` | the whole job for one video, with tokio: names, store, catalogue |
//! | `sqlite` | the catalogue in a SQLite file |
//! | `mysql` | the catalogue in MySQL, its API, secrets, the way through a bastion |
//! | `lambda` | the AWS Lambda function |
//! | `cli` (default) | the `posterframe` program; libraries say `default-features = false` |
//! | `testing` | readers that fail on purpose, for tests |
//!
//! A guide to all of it, with errors by kind, threads, linking and licences, is `docs/library.md` in the repository; `examples/` has a
//! program for each way in.

#![cfg_attr(docsrs, feature(doc_cfg))]

// The README's examples are compiled with the documentation's.
#[cfg(all(doctest, feature = "s3"))]
mod readme {
    #![doc = include_str!("../README.md")]
}

#[cfg(feature = "tokio")]
mod asynchronous;
#[cfg(any(feature = "s3", feature = "mysql"))]
mod aws;
#[cfg(any(feature = "remote", feature = "mysql"))]
mod backoff;
#[cfg(feature = "job")]
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "job")]
pub mod config;
mod deadline;
mod error;
#[cfg(feature = "job")]
pub mod event;
#[cfg(any(feature = "job", feature = "remote"))]
mod file_etag;
mod frame_request;
mod frame_time;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(feature = "job")]
mod job_error;
#[cfg(feature = "lambda")]
pub mod lambda;
mod limits;
#[cfg(feature = "job")]
pub mod location;
#[cfg(any(feature = "cli", feature = "lambda"))]
mod logging;
mod media;
#[cfg(feature = "job")]
pub mod object_name;
mod picture;
mod pixels;
#[cfg(feature = "job")]
pub mod process;
#[cfg(any(feature = "job", feature = "http"))]
mod redacted;
#[cfg(feature = "mysql")]
pub mod secret;
pub mod source;
#[cfg(feature = "job")]
pub mod store;
#[cfg(feature = "job")]
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "tokio")]
pub use asynchronous::AsyncMedia;
pub use deadline::CancelToken;
pub use error::ErrorKind;
pub use frame_request::{CoverArt, FrameRequest, Pick};
pub use frame_time::{FrameTime, FrameTimeError, Percent};
pub use limits::{Limit, Limits};
pub use media::{
    AudioInfo, ColourInfo, Disposition, Error, FrameReason, Frames, FramesBetween, HdrKind, LibavLog, Media,
    MediaInfo, Mp4Layout, OpenOptions, PosterFrame, ProcessOptions, Ratio, StreamInfo, StreamKind, Threads,
    VideoInfo, init,
};
pub use picture::{Encoding, ImageFormat, Quality, Thumbnail};
pub use pixels::{Bounds, Orientation, RgbPicture};
pub use source::Ledger;

/// The guide's programs, compiled and run as tests.
#[cfg(all(doctest, feature = "http", feature = "s3"))]
#[doc = include_str!("../docs/library.md")]
mod guide {}

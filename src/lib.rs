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
//! Each section names the feature that its task needs; without one, it works in every build. The examples run on the test videos of the
//! repository, of which `h264_end.mp4` lasts 7 s.
//!
//! - [Open a video](#open-a-video): [`Media::open_file`], [`Media::open`], `Media::open_source`
//! - [Tell what it holds](#tell-what-it-holds): [`Media::info`]
//! - [Take a frame](#take-a-frame): [`Media::frame`], [`FrameTime`], [`FrameRequest`]
//! - [Take several frames](#take-several-frames): [`Media::frames`], [`Media::frames_between`]
//! - [Make pictures](#make-pictures): [`PosterFrame::thumbnail`], [`PosterFrame::encode`], [`PosterFrame::to_rgb8`]
//! - [Await them](#await-them): `AsyncMedia` (feature `tokio`)
//! - [Bound the work](#bound-the-work): [`Limits`], [`OpenOptions`], [`CancelToken`]; [`init`] for libav's settings in the whole process
//! - [Decode in a cage](#decode-in-a-cage): `cage::Cage` (feature `cage`)
//! - [Handle errors](#handle-errors): [`Error::kind`], [`ErrorKind::is_retryable`]
//!
//! ## Open a video
//!
//! [`Media::open_file`] takes a path, and [`Media::open`] a reader. An object that is read by byte ranges goes to `Media::open_source`: a URL
//! (feature `http`), an object in S3 (`s3`) or in another store (`object_store`), or a [`source`] of your own (`remote`).
#![cfg_attr(feature = "http", doc = "```no_run")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use posterframe::source::HttpSource;
//! use posterframe::{Media, OpenOptions};
//!
//! let film = HttpSource::new("https://example.org/film.mp4".parse()?)?;
//! // What the frame needs is requested together with the index.
//! let options = OpenOptions::default().with_frame(Duration::from_secs(5));
//! let mut media = Media::open_source(film, &options)?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Tell what it holds
//!
//! ```
//! # fn main() -> Result<(), posterframe::Error> {
//! use posterframe::{Media, OpenOptions};
//!
//! let media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
//! assert_eq!(media.info().duration_seconds, Some(7.0));
//! assert!(media.info().streams.iter().any(|stream| stream.video.is_some()));
//! # Ok(())
//! # }
//! ```
//!
//! ## Take a frame
//!
//! A time alone requests the very frame there, as a full decode gives it. A [`FrameRequest`] also says which frame is picked, and what picture
//! becomes of it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use posterframe::{FrameRequest, FrameTime, Media, OpenOptions, Pick};
//!
//! let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
//! let middle: FrameTime = "middle".parse()?;
//! assert_eq!(media.frame(middle)?.pts_seconds(), 3.5);
//! let keyframe = FrameRequest::at(middle).with_pick(Pick::Keyframe);
//! assert_eq!(media.frame(keyframe)?.pts_seconds(), 3.0);
//! # Ok(())
//! # }
//! ```
//!
//! ## Take several frames
//!
//! A list is planned and decoded together: [`Media::frames`] for times, [`Media::frames_between`] for all frames from one time to another.
//!
//! ```
//! # fn main() -> Result<(), posterframe::Error> {
//! use std::time::Duration;
//! use posterframe::{Media, OpenOptions};
//!
//! let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
//! for frame in media.frames([1, 2, 6].map(Duration::from_secs)) {
//!     println!("{}", frame?.pts_seconds());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Make pictures
//!
//! A [`PosterFrame`] owns its pixels. It makes as many pictures as wanted, in JPEG, PNG (feature `png`) and WebP (`webp`), or as packed RGB,
//! which becomes an `image::RgbImage` (`image`).
//!
//! ```
//! # fn main() -> Result<(), posterframe::Error> {
//! use std::time::Duration;
//! use posterframe::{Bounds, Encoding, Media, OpenOptions};
//!
//! let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
//! let frame = media.frame(Duration::from_secs(5))?;
//! for width in [160, 96] {
//!     let thumbnail = frame.encode(&Encoding::default().with_bounds(Bounds::width(width)))?;
//!     assert_eq!(thumbnail.width, width);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Await them
//!
//! `AsyncMedia` (feature `tokio`) has the same calls as futures. A future that is dropped ends its work.
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! # async fn poster(film: posterframe::source::FileSource) -> Result<(), posterframe::Error> {
//! use std::time::Duration;
//! use posterframe::{AsyncMedia, OpenOptions};
//!
//! let mut media = AsyncMedia::open_source(film, OpenOptions::default()).await?;
//! let thumbnail = media.thumbnail(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Bound the work
//!
//! Files are strangers' uploads. [`Limits`] bound what one may cost, [`OpenOptions::with_total_time`] ends the work by the clock, and a
//! [`CancelToken`] from another thread. The defaults are meant for strangers.
//!
//! ```
//! use std::time::Duration;
//! use posterframe::{CancelToken, Limits, OpenOptions};
//!
//! let stop = CancelToken::default();
//! let limits = Limits::default().with_max_pixels(4096 * 2304);
//! let options = OpenOptions::default()
//!     .with_limits(limits)
//!     .with_total_time(Duration::from_secs(10))
//!     .with_cancel(stop.clone());
//! ```
//!
//! ## Decode in a cage
//!
//! A decoder with a memory error runs an attacker's code with all that the program has. A `cage::Cage` (feature `cage`, Linux) decodes in a
//! process of its own, which has one socket and nothing else. Frames, requests and round trips are the same.
#![cfg_attr(feature = "cage", doc = "```no_run")]
#![cfg_attr(not(feature = "cage"), doc = "```ignore")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use posterframe::cage::{self, Cage, CageOptions};
//! use posterframe::{FrameRequest, OpenOptions};
//!
//! // First of all in `main`: a child starts here, too, and goes no further.
//! cage::run_if_child();
//!
//! let cage = Cage::start(CageOptions::default())?;
//! let mut media = cage.open_file("film.mp4", &OpenOptions::default())?;
//! let picture = media.picture(&FrameRequest::at(Duration::from_secs(5)))?;
//! std::fs::write("film.jpg", &picture.thumbnail.bytes)?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Handle errors
//!
//! [`Error`] says what went wrong, and [`Error::kind`] what to do about it. [`ErrorKind::is_retryable`] tells what may pass.
//!
//! ```
//! use posterframe::{ErrorKind, Media, OpenOptions};
//!
//! let error = Media::open_file("nothing.mp4", &OpenOptions::default()).expect_err("there is no such file");
//! assert_eq!(error.kind(), ErrorKind::NotFound);
//! assert!(!error.kind().is_retryable());
//! ```
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
//! by byte ranges. `media` is the only module that knows libav, and its `ffi` the only one with `unsafe`, but for four system calls of
//! `cage`. `picture` turns pixels into upright pictures and files. `asynchronous` has the calls of `media` as futures, and `cage` runs them in
//! a process of its own.
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
//! | `cage` | decoding in a process of its own; in `job`, too |
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
#[cfg(feature = "cage")]
pub mod cage;
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
#[cfg(any(feature = "cli", feature = "lambda"))]
mod printable;
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
    AudioInfo, Chapter, ColourInfo, Disposition, DolbyVision, Error, FrameRateMode, FrameReason, Frames,
    FramesBetween, HdrKind, KeyframeSpacing, LibavLog, MasteringDisplay, Media, MediaInfo, Mp4Layout,
    OpenOptions, PosterFrame, ProcessOptions, Ratio, SideData, Spacing, Storyboard, StoryboardRequest,
    StoryboardTile, StreamInfo, StreamKind, Threads, VideoInfo, init,
};
pub use picture::{Appearance, Considered, Encoding, ImageFormat, Quality, Thumbnail, Verdict};
pub use pixels::{Bounds, Fit, Focus, FocusError, Framing, Orientation, RgbPicture};
pub use source::Ledger;

/// The guide's programs, compiled and run as tests.
#[cfg(all(doctest, feature = "http", feature = "s3"))]
#[doc = include_str!("../docs/library.md")]
mod guide {}

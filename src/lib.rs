//! Reads information and poster frames from video files, with libav in the process and as few bytes read as possible.
//!
//! A poster frame is the picture that represents a video, for example the frame at five seconds. [`Media`] opens a file, a URL, an object in a
//! store, bytes in memory or your own reader. From the open file, [`Media::info`] returns information ([`MediaInfo`]), and [`Media::frame`] returns
//! the frame at a time ([`PosterFrame`]). A frame encodes itself as JPEG, PNG or WebP in memory. Pictures are upright, have square pixels, are
//! deinterlaced, and are converted from HDR to SDR.
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
//! Each section has one task with one example, and names the feature that the task needs. Sections that name no feature work in every build.
//! The examples run on test videos of the repository; `h264_end.mp4` lasts 7 s and has ten frames a second.
//!
//! | task | items | feature |
//! |---|---|---|
//! | [Open a video](#open-a-video) | [`Media::open_file`], [`Media::open`], `Media::open_source` | URLs: `http`; S3: `s3`; other stores: `object_store`; your own source: `remote` |
//! | [Read information](#read-information) | [`Media::info`], [`MediaInfo`] | |
//! | [Take a frame](#take-a-frame) | [`Media::frame`], [`FrameTime`], [`FrameRequest`] | |
//! | [Take several frames](#take-several-frames) | [`Media::frames`], [`Media::frames_between`] | |
//! | [Encode pictures](#encode-pictures) | [`PosterFrame::thumbnail`], [`PosterFrame::encode`], [`PosterFrame::to_rgb8`] | PNG: `png`; WebP: `webp`; `image::RgbImage`: `image` |
//! | [Build a storyboard](#build-a-storyboard) | [`Media::storyboard`], [`Storyboard::webvtt`] | |
//! | [Use async code](#use-async-code) | `AsyncMedia` | `tokio` |
//! | [Limit the work](#limit-the-work) | [`Limits`], [`OpenOptions`], [`CancelToken`], [`init`] | |
//! | [Isolate the decoder](#isolate-the-decoder) | `cage::Cage` | `cage` |
//! | [Handle errors](#handle-errors) | [`Error::kind`], [`ErrorKind::is_retryable`] | |
//!
//! ## Open a video
//!
//! [`Media::open_file`] takes a path, and [`Media::open`] takes anything that is `Read + Seek + Send`. `Media::open_source` takes a [`source`], which is
//! read by byte ranges: a URL (feature `http`), an object in S3 (`s3`) or in another store (`object_store`), or your own type (`remote`).
#![cfg_attr(feature = "http", doc = "```no_run")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use posterframe::source::HttpSource;
//! use posterframe::{Media, OpenOptions};
//!
//! let film = HttpSource::new("https://example.org/film.mp4".parse()?)?;
//! // The bytes of the frame are requested together with the index.
//! let options = OpenOptions::default().with_frame(Duration::from_secs(5));
//! let mut media = Media::open_source(film, &options)?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Read information
//!
//! [`Media::info`] returns container, duration, streams, colours and tags, as far as the file contains them. [`MediaInfo`] is `serde::Serialize`
//! and `Deserialize`, as are pictures, requests and [`Ledger`].
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
//! A time alone requests the exact frame at that time: the frame that decoding the whole file gives. A [`FrameRequest`] also selects the kind of
//! frame and the picture of the frame.
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
//! [`Media::frames`] returns the frames of a list of times, and [`Media::frames_between`] returns all frames between two times. The frames of a
//! list are requested and decoded together.
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
//! ## Encode pictures
//!
//! A [`PosterFrame`] owns its pixels, and encodes any number of pictures: JPEG, PNG (feature `png`) and WebP (`webp`).
//! [`PosterFrame::to_rgb8`] returns packed RGB, which converts into an `image::RgbImage` (`image`).
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
//! ## Build a storyboard
//!
//! [`Media::storyboard`] lays out frames at even intervals on sheets, and [`Storyboard::webvtt`] describes the sheets to players.
//!
//! ```
//! # fn main() -> Result<(), posterframe::Error> {
//! use posterframe::{Media, OpenOptions, StoryboardRequest};
//!
//! let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
//! let storyboard = media.storyboard(&StoryboardRequest::default())?;
//! assert_eq!((storyboard.sheets.len(), storyboard.tiles.len()), (1, 100));
//! let webvtt = storyboard.webvtt(|sheet| format!("sheet-{sheet}.jpg"));
//! assert!(webvtt.starts_with("WEBVTT"));
//! # Ok(())
//! # }
//! ```
//!
//! ## Use async code
//!
//! `AsyncMedia` (feature `tokio`) has the same calls as futures. Dropping a future ends its work.
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
//! ## Limit the work
//!
//! Uploads can be hostile. [`Limits`] bound the work that one file may cause, [`OpenOptions::with_total_time`] ends the work by the clock, and a
//! [`CancelToken`] cancels it from another thread. The defaults suit uploads by strangers. [`init`] applies libav's settings to the whole process.
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
//! ## Isolate the decoder
//!
//! A memory error in a decoder can run an attacker's code with the rights of the program. A `cage::Cage` (feature `cage`, Linux) decodes in a
//! child process that has one socket, and no access to files, network or other processes. Frames, requests and round trips are the same.
#![cfg_attr(feature = "cage", doc = "```no_run")]
#![cfg_attr(not(feature = "cage"), doc = "```ignore")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use posterframe::cage::{self, Cage, CageOptions};
//! use posterframe::{FrameRequest, OpenOptions};
//!
//! // Call this first in `main`: in a child process, the call does not return.
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
//! [`Error`] names the failure, and [`Error::kind`] returns its kind, which decides what to do. [`ErrorKind::is_retryable`] reports whether the same
//! call may succeed later.
//!
//! ```
//! use posterframe::{ErrorKind, Media, OpenOptions};
//!
//! let error = Media::open_file("nothing.mp4", &OpenOptions::default()).expect_err("there is no such file");
//! assert_eq!(error.kind(), ErrorKind::NotFound);
//! assert!(!error.kind().is_retryable());
//! ```
//!
//! # Cost
//!
//! - Frames that no other frame refers to are not decoded on the way to the wanted frame.
//! - Packets of other streams are not read.
//! - Containers with complete headers are not analysed.
//!
//! [`Media::ledger`] returns the requests, round trips and bytes so far. [`Limits`] bound bytes, requests, packets, pixels, index entries, memory
//! and time.
//!
//! # Modules
//!
//! Data flows in one direction. `error`, `limits`, `deadline`, `frame_time`, `frame_request` and `pixels` are values. [`source`] reads objects by
//! byte ranges. `media` is the only module that uses libav, and its module `ffi` has all `unsafe` code except four system calls of `cage`.
//! `picture` turns pixels into upright pictures and files. `asynchronous` has the calls of `media` as futures, and `cage` runs them in a child
//! process.
//!
//! The modules of the feature `job` process one video for a catalogue. `event` reads the objects out of a Lambda event, and writes the reply.
//! `process` does the job: `object_name` reads the key, the picture is put into a `store`, and content and row are written to a `catalog`, as
//! `config` sets it. `telemetry` has the log messages, and `location` the names of inputs. `cli` is the program.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `png`, `webp` | thumbnails in these formats, in addition to JPEG |
//! | `image` | conversion of pictures into `image::RgbImage`; part of `png` and `cli` |
//! | `static` | links the static libav that `FFMPEG_DIR` points to; without it, the system's FFmpeg by pkg-config |
//! | `remote` | objects read by byte ranges: your own sources, files, memory; brings tokio |
//! | `http`, `s3` | objects behind URLs and in S3; both bring `remote` |
//! | `object_store` | objects in any store of the crate `object_store`: Google Cloud Storage, Azure, ... |
//! | `cage` | decoding in a child process; part of `job` |
//! | `tokio` | `AsyncMedia`: the calls as futures, which end their work when they are dropped |
//! | `sso` | AWS credentials by SSO, and from programs that print them |
//! | `job` | the whole job for one video, with tokio: names, store, catalogue |
//! | `sqlite` | the catalogue in a SQLite file |
//! | `mysql` | the catalogue in MySQL, its API, secrets, the way through a bastion |
//! | `lambda` | the AWS Lambda function |
//! | `cli` (default) | the `posterframe` program; libraries set `default-features = false` |
//! | `testing` | readers that fail on purpose, for tests |
//!
//! The guide `docs/library.md` in the repository covers errors by kind, threads, linking and licences. `examples/` has a program for each kind of
//! input.

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
mod storyboard_request;
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
    AudioInfo, Candidate, CandidatesRequest, Chapter, ColourInfo, Disposition, DolbyVision, Error,
    FrameRateMode, FrameReason, Frames, FramesBetween, HdrKind, KeyframeSpacing, LibavLog, MasteringDisplay,
    Media, MediaInfo, Mp4Layout, OpenOptions, PosterFrame, ProcessOptions, Ratio, SideData, Storyboard,
    StoryboardTile, StreamInfo, StreamKind, Threads, VideoInfo, init,
};
pub use picture::{
    Appearance, Colour, ConsideredFrame, Encoding, ImageFormat, Placeholder, PlaceholderError, Quality,
    ThumbHash, Thumbnail, Transparency, Verdict,
};
pub use pixels::{Bounds, Fit, Focus, FocusError, Framing, Orientation, RgbPicture};
pub use source::Ledger;
pub use storyboard_request::{Spacing, StoryboardRequest};

/// The guide's programs, compiled and run as tests.
#[cfg(all(doctest, feature = "http", feature = "s3"))]
#[doc = include_str!("../docs/library.md")]
mod guide {}

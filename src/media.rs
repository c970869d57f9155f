//! Media files: what they say, and the frame that stands for them.
//!
//! The caller's reader becomes an [`Input`], which bounds, counts and remembers. `layout` looks at MP4, MOV and Matroska first: it
//! takes the index into memory, refuses one that declares absurd tables, and requests what will be read. Then libavformat opens the
//! container on the same bytes (`ffi::format`), with `avformat_find_stream_info` only for the formats that cannot do
//! without: it decodes packets to learn what the headers of the others say anyway; what those leave to the codec's
//! configuration record, `container::parameters` takes from there. `timeline` reckons start and duration.
//! For a frame, `search` reads packets from the keyframe before the wanted time, and `ffi::codec` decodes them; the
//! [`PosterFrame`] that comes out owns its pixels, and makes pictures of them with libswscale and
//! [`picture`](crate::picture). `sequence` and `between` plan and decode several frames together.
//!
//! Everything libav says about an end or an error is checked against the [`Input`], which knows why a read failed.

mod auto;
mod between;
mod bits;
mod candidates;
mod container;
mod error;
mod ffi;
mod frame;
mod frames;
mod hidden;
mod info;
mod init;
mod input;
mod layout;
mod open;
mod options;
mod parser_work;
mod ratio;
mod search;
mod seen;
mod sequence;
mod side_data;
mod storyboard;
mod timeline;
mod units;
mod work;

pub use between::FramesBetween;
pub use candidates::{Candidate, CandidatesRequest};
pub use error::Error;
#[cfg(any(feature = "cage", feature = "cli", feature = "lambda"))]
pub(crate) use ffi::keep_freed_memory;
#[cfg(feature = "cage")]
pub(crate) use ffi::return_freed_memory;
#[cfg(fuzzing)]
pub(crate) use ffi::threads::cpu_time;
#[cfg(feature = "cli")]
pub(crate) use ffi::{libav_configuration, libav_licence};
pub use frame::poster::PosterFrame;
pub use info::{
    AudioInfo, Chapter, ColourInfo, Disposition, FrameRateMode, HdrKind, KeyframeSpacing, MediaInfo,
    Mp4Layout, Ratio, StreamInfo, StreamKind, VideoInfo,
};
#[cfg(feature = "cage")]
pub(crate) use init::in_force;
pub use init::{LibavLog, ProcessOptions, init};
#[cfg(feature = "cage")]
pub(crate) use input::{Fault, ReadSeek};
#[cfg(fuzzing)]
pub use layout::plan_layout;
pub use open::Media;
#[cfg(feature = "cage")]
pub(crate) use open::open_reader;
pub use options::{OpenOptions, Threads};
pub use search::FrameReason;
pub use sequence::Frames;
pub use side_data::{DolbyVision, MasteringDisplay, SideData};
#[cfg(feature = "cage")]
pub(crate) use storyboard::Plan as StoryboardPlan;
pub use storyboard::{Storyboard, StoryboardTile};

//! The cage: probing, decoding and encoding in a separate process that has nothing an attacker could steal.
//!
//! A memory error in a decoder runs an attacker's code with everything that its process has: credentials, connections, files. In a cage,
//! the decoding process is a child of the same program that has one socket and nothing else. Reading stays in the parent, the *keeper*.
//! The child requests bytes as from a file, and returns information and pictures. The keeper checks the child's answers by the same rules
//! as a file from an unknown user. A child processes one video at a time, and is kept for the next one.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use posterframe::cage::{self, Cage, CageOptions};
//! use posterframe::{FrameRequest, OpenOptions};
//!
//! // Call this before anything else: in the child, the call never returns.
//! cage::run_if_child();
//!
//! let cage = Cage::start(CageOptions::default())?;
//! let mut media = cage.open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
//! let picture = media.picture(&FrameRequest::at(Duration::from_secs(5)))?;
//! assert_eq!(picture.pts_seconds, 5.0);
//! # Ok(())
//! # }
//! ```
//!
//! - `wire`: the messages, and `relay`: libav's log lines among the messages.
//! - `child`: the child, with the privileges that it gives up (in `enter`; [`Layers`]) and its loop. The child runs the code of
//!   [`Media`](crate::Media) on a reader that requests bytes from the keeper.
//! - `keeper`: one child from its parent's point of view: how the parent starts, serves, watches and ends the child.
//! - `media`: [`Cage`] and [`CagedMedia`].
//! - `open_media`: [`MediaOpener`] and [`OpenMedia`], for programs that let their user choose whether to use a cage.
//!
//! Cages exist on Linux only. On other systems [`Cage::start`] returns an error.
//!
//! `docs/security.md` describes the layers, and the protection that remains without one of them.

#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(all(feature = "testing", target_os = "linux"))]
pub mod acts;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod enter;
#[cfg(target_os = "linux")]
mod keeper;
mod layers;
#[cfg(target_os = "linux")]
mod media;
mod open_media;
mod options;
mod picture;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(not(target_os = "linux"))]
pub use absent::{Cage, CagedMedia, CagedPictures, run_if_child};
#[cfg(target_os = "linux")]
pub use child::run_if_child;
pub use layers::Layers;
#[cfg(target_os = "linux")]
pub use media::{Cage, CagedMedia, CagedPictures};
pub use open_media::{MediaOpener, OpenMedia};
pub use options::CageOptions;
pub use picture::Picture;

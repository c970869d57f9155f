//! The cage: probing, decoding and encoding in a process of their own, which has nothing to steal.
//!
//! A memory error in a decoder runs an attacker's code with all that the process has: credentials, connections, files. Here that is a
//! child of the same program with one socket and nothing else. Reading stays in the parent, the *keeper*: the child requests bytes as
//! it would from a file, and answers with information and pictures, which the keeper holds to the rules that hold for a stranger's
//! file. A child works on one video at a time, and is kept for the next one.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use posterframe::cage::{self, Cage, CageOptions};
//! use posterframe::{FrameRequest, OpenOptions};
//!
//! // First of all: in the child, this call never returns.
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
//! - `wire`: the messages; `relay`: libav's log lines among them.
//! - `child`: the child: what it gives up (in `enter`; [`Layers`]), and its loop. It runs the code of [`Media`](crate::Media) on a reader
//!   that asks the keeper.
//! - `keeper`: one child as its parent sees it: started, served, watched, ended.
//! - `media`: [`Cage`] and [`CagedMedia`].
//! - `opened`: [`Opener`] and [`Opened`], for programs that leave it to their user whether there is a cage.
//!
//! There is a cage on Linux. Elsewhere [`Cage::start`] is an error.
//!
//! What the layers are, and what remains without one of them, is in `docs/security.md`.

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
mod opened;
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
pub use opened::{Opened, Opener};
pub use options::CageOptions;
pub use picture::Picture;

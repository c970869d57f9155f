//! The search for a frame: where decoding begins, which access units are decoded, and which of the frames is returned.
//!
//! The unit of the search is the access unit ([`packets`]): one coded frame, in one packet or in two field packets. A pass
//! enters the container at a keyframe before the goal ([`entry`]), and decodes from there ([`decode`]). The first pass is
//! economical: it skips frames that no other frame references, and passes the decoder nothing after the access unit that
//! contains the frame. The timestamps of the packets determine this access unit, so each pass has an expected frame in
//! addition to its result.
//!
//! A pass is accepted if its result is the expected frame and no error occurred. Otherwise the next, more careful pass runs.
//! It decodes everything from the same entry, then from an earlier entry, then from the start. The result of decoding from the
//! start is final, because a full decode returns the same frame.
//!
//! The search does not depend on a plan. The plans of [`layout`](super::layout) only let the bytes arrive earlier.

mod decode;
mod entry;
mod jump;
mod keyframe;
mod packets;
mod pass;
mod passes;
mod places;
mod rule;
mod run;
mod spent;
mod state;
mod still;
mod target;
mod unreferenced;
mod window;

pub(super) use places::Places;
pub(super) use spent::Spent;
pub(super) use state::Search;
pub(super) use still::still;
pub use target::FrameReason;
pub(super) use target::{Found, Stream, Target};

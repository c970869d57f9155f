//! Finding the frame: where decoding begins, which access units are decoded, and which of the frames is taken.
//!
//! The unit of search is the access unit ([`packets`]): one coded frame, in one packet or in two field packets. A pass enters
//! the container at a keyframe before the goal ([`entry`]), and decodes from there ([`decode`]). The first pass is economical:
//! it leaves out frames that no other frame refers to, and feeds the decoder nothing behind the access unit that holds the
//! frame. The timestamps of the packets tell which one that is; so each pass has an expectation beside its result.
//!
//! A pass is believed when the frame that came is the expected one and nothing went wrong on the way. Otherwise the next, more
//! careful pass runs: it decodes everything from the same entry, then from an earlier one, then from the start. What comes
//! from the start is the result, because it is what a full decode gives.
//!
//! Nothing here asks a plan. The plans of [`layout`](super::layout) only let the bytes arrive sooner.

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

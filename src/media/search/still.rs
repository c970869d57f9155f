//! A picture that the container holds beside its packets.

use std::num::NonZeroUsize;

use super::decode::{Decoding, Output, Setup};
use super::packets::AccessUnit;
use super::target::{Found, FrameReason, Target};
use crate::media::error::MediaError;
use crate::media::ffi::packet::Packet;
use crate::media::input::Container;
use crate::media::units::Ticks;

/// Decodes a picture that is the only one of its stream.
pub(in crate::media) fn still(
    container: &Container<'_>,
    stream: usize,
    packet: Packet,
    target: Target,
    max_pixels: u64,
) -> Result<Found, MediaError> {
    let setup = Setup { threads: NonZeroUsize::MIN, max_pixels, frame_ticks: Ticks::ONE, is_counted: false };
    let mut decoding = Decoding::new(setup);
    decoding.send(AccessUnit::new(packet, false), false, 0);
    loop {
        match decoding.receive((container, stream))? {
            Output::Frame(timed) => {
                let (frame, pts) = (timed.frame, timed.pts);
                let reason = match target.half {
                    _ if pts >= target.wanted => FrameReason::AtTarget,
                    Some(half) if pts >= half => FrameReason::HalfDuration,
                    _ => FrameReason::LastFrame,
                };
                return Ok(Found { frame, pts, reason });
            }
            Output::NeedsInput => decoding.drain(),
            Output::Ended => {
                return Err(MediaError::no_frame(1, decoding.faults.count, decoding.faults.first));
            }
        }
    }
}

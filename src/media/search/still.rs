//! A picture that the container stores beside its packets.

use super::decode::{Decoding, Output};
use super::packets::AccessUnit;
use super::target::{Found, FrameReason, Target};
use crate::media::error::Error;
use crate::media::ffi::codec::DecoderOptions;
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
) -> Result<Found, Error> {
    let mut decoding = Decoding::new(DecoderOptions::single_threaded(max_pixels), Ticks::ONE, None);
    decoding.send((container, stream), AccessUnit::new(packet, false), false, 0)?;
    loop {
        match decoding.receive()? {
            Output::Frame(timed) => {
                let reason = match target.half {
                    _ if timed.pts >= target.wanted => FrameReason::AtTarget,
                    Some(half) if timed.pts >= half => FrameReason::HalfDuration,
                    _ => FrameReason::LastFrame,
                };
                return Ok(timed.found(reason));
            }
            Output::NeedsInput => decoding.drain(),
            Output::Ended => {
                return Err(Error::no_frame(1, decoding.faults.count, decoding.faults.first));
            }
        }
    }
}

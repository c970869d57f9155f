//! What finding one frame has cost so far: over all passes, and over all streams that are tried.

use crate::limits::{Limit, Limits};
use crate::media::error::Error;

/// What a call has cost so far.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::media) struct Spent {
    packets: u64,
    pixels: u64,
}

impl Spent {
    /// Counts a packet that was read.
    ///
    /// # Errors
    /// The limit `max_packets`.
    pub(super) const fn add_packet(&mut self, limits: &Limits) -> Result<(), Error> {
        self.packets = self.packets.saturating_add(1);
        within(Limit::MaxPackets, self.packets, limits.max_packets)
    }

    /// Counts pixels that were decoded.
    ///
    /// # Errors
    /// The limit `max_decoded_pixels`.
    pub(super) const fn add_pixels(&mut self, pixels: u64, limits: &Limits) -> Result<(), Error> {
        self.pixels = self.pixels.saturating_add(pixels);
        within(Limit::MaxDecodedPixels, self.pixels, limits.max_decoded_pixels)
    }
}

const fn within(limit: Limit, spent: u64, allowed: u64) -> Result<(), Error> {
    if spent > allowed { Err(Error::LimitExceeded { limit, allowed }) } else { Ok(()) }
}

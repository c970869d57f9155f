//! The cost of one frame so far: over all passes, and over all streams that are tried.

use std::time::Duration;

use crate::limits::{Limit, Limits};
use crate::media::error::Error;

/// A smaller file has the decoding allowance of a file of this size.
const SMALL_FILE: u64 = 128 << 10;
/// The number of pixels that any file may have: 60 frames of 8K, a thousand of 1080p.
const PIXELS_OF_ANY: u64 = 1 << 31;

/// The cost of decoding.
#[derive(Default)]
pub(super) struct Effort {
    /// Width times height of each picture.
    pub(super) pixels: u64,
    /// Pixels of the packets that were sent, where a small picture counts as a larger one.
    pub(super) sent: u64,
    /// Frames that were returned.
    pub(super) frames: u64,
    /// Bytes of packets that were sent to the decoder.
    pub(super) bytes: u64,
    /// CPU time of libavcodec's own threads.
    pub(super) cpu_time: Duration,
}

/// The cost of a call so far, for a file of a certain size.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::media) struct Spent {
    file_size: u64,
    packets: u64,
    /// Bytes sent to the decoder.
    bytes: u64,
    pixels: u64,
    /// Pixels of the packets sent since the last frame.
    barren: u64,
}

impl Spent {
    /// Begins with no cost, for a file of `file_size` bytes.
    pub(in crate::media) fn on_file(file_size: u64) -> Self {
        Self { file_size, ..Self::default() }
    }

    /// Counts a packet that was read.
    ///
    /// # Errors
    /// The limit `max_packets`.
    pub(super) const fn add_packet(&mut self, limits: &Limits) -> Result<(), Error> {
        self.packets = self.packets.saturating_add(1);
        within(self.packets, limits.max_packets, Limit::MaxPackets, limits.max_packets)
    }

    /// Counts the work of a decoder.
    ///
    /// # Errors
    /// The limits `max_decoded_pixels`, `max_pixels_per_byte`, `max_pixels_without_frame` and `max_repetitions`.
    pub(super) fn add_effort(&mut self, effort: &Effort, limits: &Limits) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(effort.bytes);
        self.pixels = self.pixels.saturating_add(effort.pixels);
        self.barren = if effort.frames > 0 { 0 } else { self.barren.saturating_add(effort.sent) };
        let (bytes, pixels) = (limits.max_repetitions, limits.max_pixels_per_byte);
        let max_bytes = self.file_size.max(SMALL_FILE).saturating_mul(bytes);
        within(self.bytes, max_bytes, Limit::MaxRepetitions, bytes)?;
        let max_pixels = self.file_size.saturating_mul(pixels).saturating_add(PIXELS_OF_ANY);
        within(self.pixels, max_pixels, Limit::MaxPixelsPerByte, pixels)?;
        let without_frame = limits.max_pixels_without_frame;
        within(self.barren, without_frame, Limit::MaxPixelsWithoutFrame, without_frame)?;
        within(self.pixels, limits.max_decoded_pixels, Limit::MaxDecodedPixels, limits.max_decoded_pixels)
    }
}

const fn within(spent: u64, most: u64, limit: Limit, allowed: u64) -> Result<(), Error> {
    if spent > most { Err(Error::LimitExceeded { limit, allowed }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit_of(result: Result<(), Error>) -> Option<Limit> {
        result.err().and_then(|error| error.limit())
    }

    #[test]
    fn each_limit_is_inclusive() {
        let limits = Limits::default().with_max_packets(2);
        let mut spent = Spent::on_file(1 << 20);
        let packets = [(); 3].map(|()| limit_of(spent.add_packet(&limits)));
        assert_eq!(packets, [None, None, Some(Limit::MaxPackets)]);
        // A small file, an ordinary file, and a file whose pixels only the last limit bounds.
        let most = [
            (0, 1 << 20, 1 << 31, Limit::MaxPixelsPerByte),
            (1 << 20, 8 << 20, (1 << 34) + (1 << 31), Limit::MaxPixelsPerByte),
            (1 << 30, 8 << 30, 1 << 36, Limit::MaxDecodedPixels),
        ];
        for (file_size, bytes, pixels, limit) in most {
            let effort = |bytes, pixels| Effort { pixels, bytes, frames: 1, ..Effort::default() };
            let mut spent = Spent::on_file(file_size);
            assert_eq!(limit_of(spent.add_effort(&effort(bytes, pixels), &limits)), None, "{file_size}");
            let (mut more_bytes, mut more_pixels) = (spent, spent);
            assert_eq!(limit_of(more_bytes.add_effort(&effort(1, 0), &limits)), Some(Limit::MaxRepetitions));
            assert_eq!(limit_of(more_pixels.add_effort(&effort(0, 1), &limits)), Some(limit));
        }
        let mut spent = Spent::on_file(0);
        let mut without_frame =
            |sent| limit_of(spent.add_effort(&Effort { sent, ..Effort::default() }, &limits));
        assert_eq!([1 << 31, 1].map(&mut without_frame), [None, Some(Limit::MaxPixelsWithoutFrame)]);
    }

    proptest! {
        /// The total is the same, however the work is divided.
        #[test]
        fn the_total_is_independent_of_the_pieces(
            file_size in 0_u64..1 << 24,
            pieces in prop::collection::vec((0_u64..1 << 22, 0_u64..1 << 30, 0_u64..2), 1..60),
        ) {
            let limits = Limits::default();
            let mut spent = Spent::on_file(file_size);
            let (mut bytes, mut pixels, mut barren) = (0, 0, 0);
            for (more_bytes, more_pixels, frames) in pieces {
                (bytes, pixels) = (bytes + more_bytes, pixels + more_pixels);
                barren = if frames == 0 { barren + more_pixels } else { 0 };
                let effort = Effort {
                    pixels: more_pixels,
                    sent: more_pixels,
                    frames,
                    bytes: more_bytes,
                    cpu_time: Duration::ZERO,
                };
                let expected = if bytes > file_size.max(128 << 10) * 8 {
                    Some(Limit::MaxRepetitions)
                } else if pixels > (1 << 31) + file_size * (1 << 14) {
                    Some(Limit::MaxPixelsPerByte)
                } else if barren > 1 << 31 {
                    Some(Limit::MaxPixelsWithoutFrame)
                } else if pixels > 1 << 36 {
                    Some(Limit::MaxDecodedPixels)
                } else {
                    None
                };
                prop_assert_eq!(limit_of(spent.add_effort(&effort, &limits)), expected);
            }
        }
    }
}

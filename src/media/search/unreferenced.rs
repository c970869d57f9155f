//! Detection of AV1 and VP9 frames that no other frame needs, from the first bytes of their headers.
//!
//! libavcodec's `skip_frame` skips the non-reference frames of most codecs, but not those of AV1 and VP9. Their headers list
//! the reference slots that a frame replaces. A frame that replaces no slot can stay undecoded, unless other data of the
//! frame affect later frames: [`av1`] and [`vp9`] list these data. Everything unclear, damaged or unusual counts as needed.

#![deny(clippy::arithmetic_side_effects)]

mod av1;
#[cfg(test)]
mod tests;
mod vp9;

/// Finds the frames of one stream that no other frame needs.
pub(super) enum Unreferenced {
    Av1(av1::Units),
    Vp9,
}

impl Unreferenced {
    /// Starts at a packet that begins a sequence. `codec_name` is FFmpeg's name, and `configuration` the codec's
    /// configuration record as the container stores it. Returns `None` for codecs that are not handled here.
    pub(super) fn for_codec(codec_name: &str, configuration: &[u8]) -> Option<Self> {
        match codec_name {
            "av1" => Some(Self::Av1(av1::Units::new(configuration))),
            "vp9" => Some(Self::Vp9),
            _ => None,
        }
    }

    /// Returns how many bytes of the packet, from its start, the frames of other packets need: 0 when the packet can be
    /// skipped, and fewer than its size when it can be truncated. In both cases its own frame is not returned, and all other
    /// frames decode to the same samples. `next` is the packet that follows in decoding order, whether or not it will be
    /// decoded.
    ///
    /// Call this method for each packet in decoding order, including packets that are decoded in any case: AV1 packets
    /// contain data that are needed to parse later packets.
    pub(super) fn needed_bytes(&mut self, packet: &[u8], next: Option<&[u8]>) -> usize {
        match self {
            Self::Av1(units) => units.needed_bytes(packet),
            Self::Vp9 if vp9::is_unreferenced(packet, next) => 0,
            Self::Vp9 => packet.len(),
        }
    }
}

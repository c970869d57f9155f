//! VP9: the start of the uncompressed header (VP9 Bitstream & Decoding Process Specification, version 0.6, 6.2).
//!
//! A frame with `refresh_frame_flags` 0 leaves its samples in no reference slot. Other data of a frame also affect later
//! frames: probabilities, loop filter deltas, segmentation, and the motion vectors from which the next frame predicts its
//! own, even if the frame is in no slot. A keyframe and a frame with `error_resilient_mode` reset or ignore all of these
//! data (7.2, `setup_past_independence`, `UsePrevFrameMvs`). A frame is therefore unreferenced when the next frame is one of
//! these two kinds. The temporal layers of video calls are coded in this way.

use crate::media::bits::Bits;

/// Size of a header within which all fields that are read here end.
const HEADER_BYTES: usize = 8;

/// Returns whether `packet` contains one frame that no frame from `next` on depends on.
pub(super) fn is_unreferenced(packet: &[u8], next: Option<&[u8]>) -> bool {
    !is_superframe(packet)
        && Start::parse(packet).is_some_and(|start| start.refresh_frame_flags == Some(0))
        && next.and_then(Start::parse).is_some_and(|start| start.forgets_the_past)
}

/// Returns whether the packet contains several frames, most of them hidden, with an index at the end (Annex B).
fn is_superframe(packet: &[u8]) -> bool {
    let Some(&marker) = packet.last() else { return false };
    // The bits 110, then two for the bytes of a size and three for the number of sizes, both stored minus one.
    let (size_bytes, sizes) = (usize::from(marker >> 3 & 3) + 1, usize::from(marker & 7) + 1);
    // The marker is also before the sizes.
    let index_bytes = size_bytes.saturating_mul(sizes).saturating_add(2);
    let first = packet.len().checked_sub(index_bytes).and_then(|start| packet.get(start));
    marker >> 5 == 0b110 && first == Some(&marker)
}

/// The first fields of a frame.
struct Start {
    /// The reference slots that the frame replaces; `None` for a keyframe and an intra-only frame, which are always decoded.
    refresh_frame_flags: Option<u8>,
    /// Whether the frame resets or ignores all data of earlier frames outside the reference slots.
    forgets_the_past: bool,
}

impl Start {
    /// Returns `None` for bytes that are not a frame, and for a frame that only presents a reference slot.
    fn parse(packet: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(packet.get(..HEADER_BYTES).unwrap_or(packet));
        let is_frame = bits.take(2)? == 2;
        let profile = bits.take(2)?;
        // Profile 3 has a reserved bit.
        let is_reserved = profile == 3 && bits.flag()?;
        let show_existing_frame = bits.flag()?;
        if !is_frame || is_reserved || show_existing_frame {
            return None;
        }
        let is_key = !bits.flag()?;
        let show_frame = bits.flag()?;
        let error_resilient_mode = bits.flag()?;
        let forgets_the_past = is_key || error_resilient_mode;
        let is_intra_only = !is_key && !show_frame && bits.flag()?;
        if is_key || is_intra_only {
            return Some(Self { refresh_frame_flags: None, forgets_the_past });
        }
        if !error_resilient_mode {
            let _reset_frame_context = bits.take(2)?;
        }
        Some(Self { refresh_frame_flags: Some(bits.byte()?), forgets_the_past })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::bits;
    use super::*;

    /// A frame of profile 0 that is presented.
    fn inter(error_resilient_mode: bool, refresh_frame_flags: u8) -> Vec<u8> {
        let start = if error_resilient_mode { "10 00 0 1 1 1" } else { "10 00 0 1 1 0 00" };
        bits(&format!("{start} {refresh_frame_flags:08b} 1010"))
    }

    fn key() -> Vec<u8> {
        bits("10 00 0 0 1 0 01001001 10000011 01000010")
    }

    #[test]
    fn the_next_frame_decides() {
        let free = inter(false, 0);
        for (next, expected) in [
            (Some(inter(true, 0)), true),
            (Some(inter(true, 1)), true),
            (Some(key()), true),
            // The frame predicts from the motion vectors of the previous frame.
            (Some(inter(false, 0)), false),
            // The frame presents a reference slot, and the next frame is not known.
            (Some(bits("10 00 1 101")), false),
            (Some(bits("11 00 0 1 1 1 00000000")), false),
            (Some(Vec::new()), false),
            (None, false),
        ] {
            assert_eq!(is_unreferenced(&free, next.as_deref()), expected, "{next:?}");
        }
    }

    #[test]
    fn a_frame_that_replaces_a_slot_is_needed() {
        let next = inter(true, 0);
        for (packet, expected) in [
            (inter(true, 0), true),
            (bits("10 11 0 0 1 1 1 00000000"), true),
            (inter(true, 0x80), false),
            (inter(false, 1), false),
            (key(), false),
            (bits("10 00 1 101"), false),
            // Intra-only and hidden.
            (bits("10 00 0 1 0 1 1 01001001 10000011 01000010 00000000"), false),
            // A reserved bit.
            (bits("10 11 1 0 1 1 1 00000000"), false),
            (bits("10 00 0 1 1 1"), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_unreferenced(&packet, Some(&next)), expected, "{packet:?}");
        }
    }

    #[test]
    fn superframes_are_needed() {
        let next = inter(true, 0);
        // Two frames, sizes of one byte.
        let mut packet = inter(true, 0);
        packet.extend([0b1100_0001, 3, 0, 0b1100_0001]);
        assert!(is_superframe(&packet));
        assert!(!is_unreferenced(&packet, Some(&next)));
        // The last byte of a frame may look like a marker.
        let mut packet = inter(true, 0);
        packet.extend([0, 3, 0, 0b1100_0001]);
        assert!(is_unreferenced(&packet, Some(&next)));
        assert!(!is_superframe(&[0b1101_1111]));
        assert!(!is_superframe(&[]));
    }
}

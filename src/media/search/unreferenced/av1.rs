//! AV1: open bitstream units, the sequence header, and the start of the frame header (AV1 Bitstream & Decoding Process
//! Specification, version 1.0.0 with errata 1, 5.3 to 5.10).
//!
//! All data of a frame that later frames use are in the reference slots that the frame replaces: samples, motion vectors,
//! probabilities, loop filter deltas, segmentation, film grain (7.20). A frame with `refresh_frame_flags` 0 leaves nothing there.
//! The other lasting data of a packet are in its other units: further frames, a sequence header, or metadata about all later
//! frames. Encoders put the hidden frames that a presented frame needs into its packet, before the presented frame: the end of the
//! packet can then be removed.

use crate::media::bits::Bits;

#[cfg(test)]
mod tests;

/// Values of `obu_type` (6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const TILE_GROUP: u8 = 4;
const METADATA: u8 = 5;
const FRAME: u8 = 6;
const PADDING: u8 = 15;

/// Values of `metadata_type` (6.7.1) for what belongs to the next frame only.
const METADATA_ITUT_T35: u32 = 4;
const METADATA_TIMECODE: u32 = 5;

/// Values of `frame_type` (6.8.2).
const KEY_FRAME: u32 = 0;
const INTRA_ONLY_FRAME: u32 = 2;
const SWITCH_FRAME: u32 = 3;

/// The packets of a stream, one temporal unit each, in decoding order.
pub(in crate::media) struct Units {
    /// The latest sequence header; `None` before the first, and after one that cannot be used here.
    sequence: Option<Sequence>,
}

impl Units {
    /// Creates the state of a stream. `configuration` is an `AV1CodecConfigurationRecord` (AV1 Codec ISO Media File Format Binding,
    /// 2.3), or only the units that the record would contain.
    pub(super) fn new(configuration: &[u8]) -> Self {
        let mut units = Self { sequence: None };
        let has_record = configuration.first().is_some_and(|first| first & 0x80 != 0);
        let mut rest = if has_record { configuration.get(4..).unwrap_or_default() } else { configuration };
        while let Some(unit) = Unit::split_from(&mut rest) {
            if unit.kind == SEQUENCE_HEADER {
                units.sequence = Sequence::parse(unit.payload);
            }
        }
        units
    }

    /// Returns how many bytes of the packet, from its start, other frames need. The removed bytes contain only frames that replace
    /// no reference slot, and the data of these frames.
    pub(super) fn needed_bytes(&mut self, packet: &[u8]) -> usize {
        let mut needed = 0;
        // Whether the last frame replaces no reference slot, and whether metadata wait for their frame.
        let (mut is_free, mut is_awaited) = (false, false);
        let mut rest = packet;
        while !rest.is_empty() {
            let Some(unit) = Unit::split_from(&mut rest) else { return packet.len() };
            let is_needed = match unit.kind {
                FRAME | FRAME_HEADER => {
                    let sequence = self.sequence.as_ref();
                    let flags = sequence.and_then(|sequence| sequence.refresh_frame_flags(unit.payload));
                    (is_free, is_awaited) = (flags == Some(0), false);
                    !is_free
                }
                TILE_GROUP => !is_free,
                METADATA if unit.is_of_next_frame() => {
                    is_awaited = true;
                    false
                }
                TEMPORAL_DELIMITER | PADDING => false,
                SEQUENCE_HEADER => {
                    self.sequence = Sequence::parse(unit.payload);
                    true
                }
                // Metadata about all later frames, a copy of a header, a list of tiles, or units of later versions.
                _ => true,
            };
            if is_needed {
                needed = packet.len().saturating_sub(rest.len());
            }
        }
        // The frame that the metadata wait for is in the next packet.
        if is_awaited { packet.len() } else { needed }
    }
}

/// An open bitstream unit (5.3).
struct Unit<'p> {
    kind: u8,
    payload: &'p [u8],
}

impl<'p> Unit<'p> {
    /// Takes the first unit off `rest`. Returns `None` when there is no complete unit.
    fn split_from(rest: &mut &'p [u8]) -> Option<Self> {
        let (&header, mut after) = rest.split_first()?;
        // The highest bit must be zero; then type, extension flag, size flag.
        if header & 0x80 != 0 {
            return None;
        }
        if header & 4 != 0 {
            (_, after) = after.split_first()?;
        }
        // The last unit of a packet may leave its size out.
        let size = if header & 2 != 0 { leb128(&mut after)? } else { u32::try_from(after.len()).ok()? };
        let (payload, behind) = after.split_at_checked(usize::try_from(size).ok()?)?;
        *rest = behind;
        Some(Self { kind: header >> 3 & 15, payload })
    }

    /// Returns whether a metadata unit affects only the next frame.
    fn is_of_next_frame(&self) -> bool {
        let mut payload = self.payload;
        matches!(leb128(&mut payload), Some(METADATA_ITUT_T35 | METADATA_TIMECODE))
    }
}

/// Takes a number off `rest`: seven bits a byte, lowest first, at most eight bytes and 32 bits (4.10.5).
fn leb128(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    for shift in (0..56).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}

/// The parts of a sequence header (5.5) that are needed to read the start of a frame header.
struct Sequence {
    /// Bits of `current_frame_id`; 0 when it is absent.
    frame_id_bits: u32,
    /// `None` when each frame contains its own value, here and below.
    screen_content_tools: Option<bool>,
    integer_mv: Option<bool>,
    /// Bits of `order_hint`; 0 when it is absent.
    order_hint_bits: u32,
}

impl Sequence {
    /// Returns `None` for truncated headers, for still pictures, and for spatial layers: of several layers, a decoder presents one
    /// frame, and the packets around it determine which one. Returns `None` also for a decoder model, which adds fields to all
    /// headers: files have none, and nothing is skipped in this case.
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(payload);
        let _profile_and_still_picture = bits.take(4)?;
        let reduced_still_picture_header = bits.flag()?;
        if reduced_still_picture_header || has_decoder_model(&mut bits)? {
            return None;
        }
        let layers = read_operating_points(&mut bits)?;
        if layers >> 8 > 1 {
            return None;
        }
        let frame_width_bits = take_minus_1(&mut bits, 4)?;
        let frame_height_bits = take_minus_1(&mut bits, 4)?;
        let _max_frame_width = bits.take(frame_width_bits)?;
        let _max_frame_height = bits.take(frame_height_bits)?;
        let has_frame_ids = bits.flag()?;
        let frame_id_bits = if has_frame_ids {
            let delta_bits = take_minus_1(&mut bits, 4)?.checked_add(1)?;
            take_minus_1(&mut bits, 3)?.checked_add(delta_bits)?
        } else {
            0
        };
        let _superblock_and_intra_tools = bits.take(3)?;
        let _inter_tools = bits.take(4)?;
        let has_order_hint = bits.flag()?;
        if has_order_hint {
            let _order_hint_tools = bits.take(2)?;
        }
        let screen_content_tools = read_choice(&mut bits)?;
        let integer_mv = if screen_content_tools == Some(false) { None } else { read_choice(&mut bits)? };
        let order_hint_bits = if has_order_hint { take_minus_1(&mut bits, 3)? } else { 0 };
        Some(Self { frame_id_bits, screen_content_tools, integer_mv, order_hint_bits })
    }

    /// Reads the start of a frame header (5.9.2). Returns `None` for a frame that is only presented again, for a keyframe and a
    /// switch frame, and for a truncated header.
    fn refresh_frame_flags(&self, header: &[u8]) -> Option<u8> {
        let mut bits = Bits::new(header);
        let show_existing_frame = bits.flag()?;
        let frame_type = bits.take(2)?;
        if show_existing_frame || matches!(frame_type, KEY_FRAME | SWITCH_FRAME) {
            return None;
        }
        let show_frame = bits.flag()?;
        if !show_frame {
            let _showable_frame = bits.flag()?;
        }
        let error_resilient_mode = bits.flag()?;
        let _disable_cdf_update = bits.flag()?;
        if read_or(self.screen_content_tools, &mut bits)? {
            let _force_integer_mv = read_or(self.integer_mv, &mut bits)?;
        }
        let _current_frame_id = bits.take(self.frame_id_bits)?;
        let _frame_size_override_flag = bits.flag()?;
        let _order_hint = bits.take(self.order_hint_bits)?;
        if frame_type != INTRA_ONLY_FRAME && !error_resilient_mode {
            let _primary_ref_frame = bits.take(3)?;
        }
        bits.byte()
    }
}

/// Reads the timing information (5.5.1, 5.5.3), and returns whether a decoder model follows.
fn has_decoder_model(bits: &mut Bits<'_>) -> Option<bool> {
    let has_timing_info = bits.flag()?;
    if !has_timing_info {
        return Some(false);
    }
    let _num_units_in_display_tick = bits.take(32)?;
    let _time_scale = bits.take(32)?;
    let equal_picture_interval = bits.flag()?;
    if equal_picture_interval {
        // uvlc (4.10.3) is written as an Exp-Golomb code.
        let _num_ticks_per_picture_less_one = bits.unsigned()?;
    }
    bits.flag()
}

/// Reads up to 32 operating points (5.5.1). Returns the layers of the first: eight bits of temporal ones, then four bits of spatial
/// ones.
fn read_operating_points(bits: &mut Bits<'_>) -> Option<u32> {
    let has_initial_display_delays = bits.flag()?;
    let mut first = None;
    for _ in 0..take_minus_1(bits, 5)? {
        let layers = bits.take(12)?;
        first = first.or(Some(layers));
        let level = bits.take(5)?;
        if level > 7 {
            let _tier = bits.flag()?;
        }
        if has_initial_display_delays && bits.flag()? {
            let _initial_display_delay_less_one = bits.take(4)?;
        }
    }
    first
}

/// Reads a number that is stored minus one.
fn take_minus_1(bits: &mut Bits<'_>, count: u32) -> Option<u32> {
    bits.take(count)?.checked_add(1)
}

/// Reads whether frames contain their own choice, or else the choice for all of them.
fn read_choice(bits: &mut Bits<'_>) -> Option<Option<bool>> {
    let is_chosen_by_frames = bits.flag()?;
    if is_chosen_by_frames { Some(None) } else { bits.flag().map(Some) }
}

fn read_or(choice: Option<bool>, bits: &mut Bits<'_>) -> Option<bool> {
    choice.map_or_else(|| bits.flag(), Some)
}

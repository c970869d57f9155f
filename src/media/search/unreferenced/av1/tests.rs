//! Hand-written packets.

#![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

use std::slice;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tests::bits;
use super::*;

/// One operating point, order hints of seven bits, and frames that choose their tools.
const PLAIN: &str = "000 0 0  0  0 00000 000000000000 00000  0011 0011 1111 1111  0 000 0000 1 00 1 1 110";

fn unit(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 3 | 2, u8::try_from(payload.len()).unwrap()];
    bytes.extend(payload);
    bytes
}

/// Creates an inter frame that is presented, for [`PLAIN`].
fn frame(refresh_frame_flags: u8) -> Vec<u8> {
    unit(FRAME, &bits(&format!("0 01 1 0 0 0 0 0000001 000 {refresh_frame_flags:08b} 11011")))
}

fn sequence(text: &str) -> Vec<u8> {
    unit(SEQUENCE_HEADER, &bits(text))
}

fn needed_bytes(sequence_header: &str, units: &[Vec<u8>]) -> usize {
    Units::new(&sequence(sequence_header)).needed_bytes(&units.concat())
}

#[test]
fn a_frame_that_replaces_no_slot_is_skipped() {
    assert_eq!(needed_bytes(PLAIN, &[frame(0)]), 0);
    assert_eq!(needed_bytes(PLAIN, &[unit(TEMPORAL_DELIMITER, &[]), frame(0), unit(PADDING, &[1; 9])]), 0);
    // The last unit without a size.
    let mut packet = frame(0);
    packet.remove(1);
    packet[0] &= !2;
    assert_eq!(needed_bytes(PLAIN, &[packet]), 0);
    // Header and tiles in units of their own.
    let mut header = frame(0);
    header[0] = FRAME_HEADER << 3 | 2;
    let tiles = unit(TILE_GROUP, &[7; 3]);
    assert_eq!(needed_bytes(PLAIN, &[header.clone(), tiles.clone(), tiles.clone()]), 0);
    let mut header = frame(1);
    header[0] = FRAME_HEADER << 3 | 2;
    assert_eq!(needed_bytes(PLAIN, &[header.clone(), tiles.clone()]), header.len() + tiles.len());
}

#[test]
fn needed_units_are_kept() {
    let size = frame(0).len();
    assert_eq!(needed_bytes(PLAIN, &[frame(0x10)]), size);
    // A hidden frame that others need before the presented frame, and after it.
    assert_eq!(needed_bytes(PLAIN, &[frame(4), frame(0)]), size);
    assert_eq!(needed_bytes(PLAIN, &[frame(0), frame(4)]), 2 * size);
    for payload in [
        // A frame that is presented again, a keyframe, a switch frame, a truncated header.
        "1 010",
        "0 00 1 0 0 0 0000001 0000000000",
        "0 11 1 0 0 0 0000001 0000000000",
        "0 01 1 0 0 0 0 0000001 000 0000",
    ] {
        let packet = unit(FRAME_HEADER, &bits(payload));
        let size = packet.len();
        assert_eq!(needed_bytes(PLAIN, &[packet]), size, "{payload}");
    }
    // A copy of a header, a list of tiles, a type of later versions; a missing size, the forbidden bit.
    for other in [unit(7, &[0]), unit(8, &[0]), unit(9, &[]), vec![FRAME << 3 | 2, 9], vec![0x80]] {
        let all = size + other.len();
        assert_eq!(needed_bytes(PLAIN, &[frame(0), other]), all);
    }
    assert_eq!(Units::new(&[]).needed_bytes(&frame(0)), size);
}

#[test]
fn metadata_is_kept_unless_it_belongs_to_the_next_frame() {
    let light_level = unit(METADATA, &[1, 0, 1, 0, 1, 0x80]);
    let hdr10_plus = unit(METADATA, &[4, 0xb5, 0, 0x3c, 0x80]);
    assert_eq!(needed_bytes(PLAIN, &[hdr10_plus.clone(), frame(0)]), 0);
    let kept = hdr10_plus.len() + frame(1).len();
    assert_eq!(needed_bytes(PLAIN, &[hdr10_plus.clone(), frame(1), hdr10_plus.clone(), frame(0)]), kept);
    assert_eq!(needed_bytes(PLAIN, &[light_level.clone(), frame(0)]), light_level.len());
    assert_eq!(needed_bytes(PLAIN, &[frame(0), hdr10_plus.clone()]), frame(0).len() + hdr10_plus.len());
    assert_eq!(needed_bytes(PLAIN, slice::from_ref(&hdr10_plus)), hdr10_plus.len());
}

#[test]
fn the_sequence_header_comes_from_the_record_or_with_a_packet() {
    let header = sequence(PLAIN);
    let record = [&[0x81, 0, 0x0c, 0], &header[..]].concat();
    assert_eq!(Units::new(&record).needed_bytes(&frame(0)), 0);
    let mut units = Units::new(&[0x81, 0, 0x0c, 0]);
    assert_eq!(units.needed_bytes(&frame(0)), frame(0).len());
    assert_eq!(units.needed_bytes(&[&header[..], &frame(0)].concat()), header.len());
    assert_eq!(units.needed_bytes(&frame(0)), 0);
    // A damaged header leaves none.
    let damaged = unit(SEQUENCE_HEADER, &[0]);
    assert_eq!(units.needed_bytes(&damaged), damaged.len());
    assert_eq!(units.needed_bytes(&frame(0)), frame(0).len());
}

#[test]
fn still_pictures_and_spatial_layers_are_needed() {
    let size = frame(0).len();
    assert_eq!(needed_bytes(&PLAIN.replacen("000 0 0", "000 1 1", 1), &[frame(0)]), size);
    assert_eq!(needed_bytes(&PLAIN.replacen("000000000000", "001100000001", 1), &[frame(0)]), size);
    assert_eq!(needed_bytes(&PLAIN.replacen("000000000000", "000100000011", 1), &[frame(0)]), 0);
}

/// All fields that a sequence header can have before `refresh_frame_flags`, except a decoder model.
#[test]
fn optional_header_fields() {
    let tick = "00000000 00000000 00000000 00000001";
    // Two operating points: the first with tier and display delay; the second of another temporal layer.
    let points = "1 00001  000100000011 01000 1 1 1111  000100000010 00000 0";
    // Frame ids of five bits, screen content tools always, and whole motion vectors when the frame says so.
    let tools = "0011 0011 1111 1111  1 0000 010 000 0000 0 0 1 1";
    let header = format!("000 0 0  1 {tick} {tick} 0 0  {points}  {tools}");
    let with = |refresh_frame_flags: u8| {
        let text = format!("0 01 1 0 1 1 11001 1 101 {refresh_frame_flags:08b}");
        let mut bytes = unit(FRAME, &bits(&text));
        bytes[0] |= 4;
        bytes.insert(1, 1 << 5);
        bytes
    };
    assert_eq!(needed_bytes(&header, &[with(0)]), 0);
    assert_eq!(needed_bytes(&header, &[with(1)]), with(1).len());
    // A decoder model.
    let model = header.replacen(&format!("{tick} 0 0"), &format!("{tick} 0 1"), 1);
    assert_eq!(needed_bytes(&model, &[with(0)]), with(0).len());
    // Equal intervals.
    let header = header.replacen(&format!("{tick} 0 0"), &format!("{tick} 1 011 0"), 1);
    assert_eq!(needed_bytes(&header, &[with(0)]), 0);
    // A hidden frame says whether it can be shown.
    let text = "0 01 0 1 0 1 1 11001 1 101 00000000";
    assert_eq!(needed_bytes(&header, &[unit(FRAME, &bits(text))]), 0);
    // Intra-only and error resilient frames have no primary reference.
    let text = "0 10 0 1 0 1 1 11001 1 00000000";
    assert_eq!(needed_bytes(&header, &[unit(FRAME, &bits(text))]), 0);
    let text = "0 01 0 1 1 1 1 11001 1 00000000";
    assert_eq!(needed_bytes(&header, &[unit(FRAME, &bits(text))]), 0);
    // Screen content tools never.
    let header = PLAIN.replacen("1 00 1 1 110", "1 00 0 0 110", 1);
    let text = "0 01 1 0 0 0 0000001 000 00000000";
    assert_eq!(needed_bytes(&header, &[unit(FRAME, &bits(text))]), 0);
}

#[test]
fn numbers_have_at_most_eight_bytes_and_32_bits() {
    assert_eq!(leb128(&mut &[0xe5, 0x8e, 0x26][..]), Some(624_485));
    assert_eq!(leb128(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]), Some(u32::MAX));
    assert_eq!(leb128(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None);
    assert_eq!(leb128(&mut &[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), Some(1));
    assert_eq!(leb128(&mut &[0x80; 9][..]), None);
    assert_eq!(leb128(&mut &[0x80][..]), None);
}

proptest! {
    /// Each step takes at least a byte, and reads at most the headers of one unit: the cost is linear.
    #[test]
    fn each_unit_takes_bytes(bytes in vec(any::<u8>(), 1..64)) {
        let mut rest = &bytes[..];
        if let Some(unit) = Unit::split_from(&mut rest) {
            prop_assert!(rest.len() + unit.payload.len() < bytes.len());
        }
    }

    #[test]
    fn random_headers_and_frames_never_panic(header in vec(any::<u8>(), 0..40), payload in vec(any::<u8>(), 0..40)) {
        let mut units = Units { sequence: Sequence::parse(&header) };
        let packet = unit(FRAME, &payload);
        prop_assert!(units.needed_bytes(&packet) <= packet.len());
    }
}

//! Timestamps in a piece of a transport stream (ISO/IEC 13818-1, 2.4.3). They show without a demuxer whether a position in the
//! file lies before or after a time.

#![deny(clippy::arithmetic_side_effects)]

/// Distances between packets: plain, with a timestamp before the packet (M2TS), and with error correction after it.
const PACKET_DISTANCES: [usize; 3] = [188, 192, 204];
/// Bytes of a packet.
const PACKET: usize = 188;
/// The first byte of each packet.
const SYNC: u8 = 0x47;
/// Number of consecutive packets with the sync byte that identify the start of packets.
const MIN_PACKETS: usize = 5;
/// Number of bits in a timestamp. After the last value, timestamps begin at 0 again.
const TIMESTAMP_BITS: u32 = 33;

/// Finds the first timestamp of the stream with this `pid` in a piece of the file. Returns the start of its packet in the piece,
/// and the decoding time in ticks of 90 kHz, or else the presentation time. `near` is the approximate expected time: several
/// times have the same timestamp, and the nearest one is returned.
pub(in crate::media) fn first_timestamp(bytes: &[u8], pid: u16, near: i64) -> Option<(usize, i64)> {
    let (first, distance) = PACKET_DISTANCES.into_iter().find_map(|distance| {
        let first = (0..distance).find(|&first| has_packets(bytes, first, distance))?;
        Some((first, distance))
    })?;
    let mut places = (first..bytes.len()).step_by(distance);
    places.find_map(|place| {
        let packet = bytes.get(place..place.checked_add(PACKET)?)?;
        Some((place, nearest(timestamp(packet, pid)?, near)))
    })
}

fn has_packets(bytes: &[u8], first: usize, distance: usize) -> bool {
    (0..MIN_PACKETS).all(|number| {
        let place = distance.checked_mul(number).and_then(|behind| behind.checked_add(first));
        place.and_then(|place| bytes.get(place)) == Some(&SYNC)
    })
}

/// Returns the timestamp at the start of a PES packet.
fn timestamp(packet: &[u8], pid: u16) -> Option<i64> {
    let &[sync, high, low, control, ..] = packet else { return None };
    let (is_damaged, begins) = (high & 0x80 != 0, high & 0x40 != 0);
    if sync != SYNC || is_damaged || !begins || u16::from_be_bytes([high & 0x1f, low]) != pid {
        return None;
    }
    let (has_adaptation, has_payload) = (control & 0x20 != 0, control & 0x10 != 0);
    let adaptation = if has_adaptation { usize::from(*packet.get(4)?).checked_add(1)? } else { 0 };
    let payload = packet.get(adaptation.checked_add(4)?..).filter(|_| has_payload)?;
    let &[0, 0, 1, _stream, _, _, marker, flags, _length, ref times @ ..] = payload else { return None };
    let is_header = marker & 0xc0 == 0x80;
    match flags >> 6 {
        0b10 => times.first_chunk(),
        // The decoding time comes after the presentation time.
        0b11 => times.get(5..)?.first_chunk(),
        _ => None,
    }
    .filter(|_| is_header)
    .map(|&[a, b, c, d, e]| {
        let part = |byte: u8, shift: u32| i64::from(byte) << shift;
        part(a >> 1 & 7, 30) | part(b, 22) | part(c >> 1, 15) | part(d, 7) | part(e >> 1, 0)
    })
}

/// Returns the time with this timestamp that is nearest to another time.
fn nearest(timestamp: i64, near: i64) -> i64 {
    let round = 1_i64 << TIMESTAMP_BITS;
    let behind = timestamp.wrapping_sub(near).rem_euclid(round);
    let distance = if behind > round / 2 { behind.saturating_sub(round) } else { behind };
    near.saturating_add(distance)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::prelude::*;

    use super::*;

    /// Creates a packet that begins a PES packet with these times.
    fn packet(pid: u16, pts: i64, dts: Option<i64>) -> Vec<u8> {
        let [high, low] = pid.to_be_bytes();
        let mut packet = vec![SYNC, 0x40 | high, low, 0x30, 1, 0x40];
        packet.extend([0, 0, 1, 0xe0, 0, 0, 0x80, if dts.is_some() { 0xc0 } else { 0x80 }, 10]);
        for time in [Some(pts), dts].into_iter().flatten() {
            let byte = |shift: u32, mask: i64| u8::try_from(time >> shift & mask).unwrap();
            packet.extend([
                byte(30, 7) << 1 | 1,
                byte(22, 0xff),
                byte(15, 0x7f) << 1 | 1,
                byte(7, 0xff),
                byte(0, 0x7f) << 1 | 1,
            ]);
        }
        packet.resize(PACKET, 0xff);
        packet
    }

    fn filler() -> Vec<u8> {
        let mut packet = vec![SYNC, 0x1f, 0xff, 0x10];
        packet.resize(PACKET, 0);
        packet
    }

    #[test]
    fn the_first_timestamp_of_the_stream_is_found() {
        let packets =
            [packet(0x101, 5, None), filler(), packet(0x100, 900, Some(700)), filler(), filler(), filler()];
        for distance in PACKET_DISTANCES {
            let mut piece = vec![0; 77];
            for packet in &packets {
                piece.extend(packet);
                piece.resize(piece.len() + distance - PACKET, 0);
            }
            let found = |pid| first_timestamp(&piece, pid, 0);
            assert_eq!(found(0x101), Some((77, 5)), "{distance}");
            assert_eq!(found(0x100), Some((77 + 2 * distance, 700)), "{distance}");
            assert_eq!(found(0x102), None);
        }
        assert_eq!(first_timestamp(&packets.concat()[..600], 0x101, 0), None, "too few packets");
    }

    #[test]
    fn timestamps_begin_anew_after_a_day() {
        let round = 1 << TIMESTAMP_BITS;
        assert_eq!(
            [0, round - 10, 3 * round + 7].map(|near| nearest(5, near)),
            [5, round + 5, 3 * round + 5]
        );
        assert_eq!(nearest(round - 5, 0), -5);
    }

    proptest! {
        #[test]
        fn random_pieces_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), near: i64) {
            let _found = first_timestamp(&bytes, 0x100, near);
            let _found = timestamp(&bytes, 0x100);
        }
    }
}

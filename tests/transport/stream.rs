//! Builds long transport streams from a short one (ISO/IEC 13818-1, 2.4.3).

use crate::common::{Outcome, fixture_bytes};

const PACKET: usize = 188;
const VIDEO_PID: u16 = 0x100;
const NULL_PID: u16 = 0x1fff;
/// The duration of two GOPs of the fixture.
pub(crate) const SECONDS_PER_TURN: u32 = 6;

fn pid(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1f, packet[2]])
}

/// The offset of a packet's payload, if the packet has one.
fn payload(packet: &[u8]) -> Option<usize> {
    let adaptation = if packet[3] & 0x20 != 0 { usize::from(packet[4]) + 1 } else { 0 };
    (packet[3] & 0x10 != 0).then_some(4 + adaptation)
}

/// Adds ticks of 90 kHz to a 33-bit timestamp that is stored in five bytes.
fn add_to_timestamp(bytes: &mut [u8], ticks: u64) {
    let old = (u64::from(bytes[0]) >> 1 & 7) << 30
        | u64::from(bytes[1]) << 22
        | u64::from(bytes[2] >> 1) << 15
        | u64::from(bytes[3]) << 7
        | u64::from(bytes[4] >> 1);
    let new = old + ticks;
    let part = |shift: u32, mask: u64| u8::try_from(new >> shift & mask).unwrap_or(0);
    bytes[0] = bytes[0] & 0xf1 | part(30, 7) << 1;
    bytes[1] = part(22, 0xff);
    bytes[2] = part(15, 0x7f) << 1 | 1;
    bytes[3] = part(7, 0xff);
    bytes[4] = part(0, 0x7f) << 1 | 1;
}

/// Adds ticks of 90 kHz to the clock reference and the timestamps of a packet.
fn delay(packet: &mut [u8], ticks: u64) {
    let has_clock = packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x10 != 0;
    if has_clock {
        let old = u64::from(u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]])) << 1
            | u64::from(packet[10] >> 7);
        let new = old + ticks;
        packet[6..10].copy_from_slice(&u32::try_from(new >> 1).unwrap_or(0).to_be_bytes());
        packet[10] = packet[10] & 0x7f | u8::try_from(new & 1).unwrap_or(0) << 7;
    }
    let Some(start) = payload(packet).filter(|_| packet[1] & 0x40 != 0) else { return };
    let Some(header) = packet.get_mut(start..).filter(|header| header.starts_with(&[0, 0, 1])) else {
        return;
    };
    let flags = header[7] >> 6;
    if flags & 2 != 0 {
        add_to_timestamp(&mut header[9..14], ticks);
    }
    if flags == 3 {
        add_to_timestamp(&mut header[14..19], ticks);
    }
}

/// Whether a packet begins an access unit that the multiplexer marked (`random_access_indicator`).
fn is_video_keyframe(packet: &[u8]) -> bool {
    pid(packet) == VIDEO_PID
        && packet[1] & 0x40 != 0
        && packet[3] & 0x20 != 0
        && packet[4] > 0
        && packet[5] & 0x40 != 0
}

/// Repeats the first two GOPs of `h264.ts` `turns` times, as one video.
pub(crate) fn long_stream(turns: u32) -> Outcome<Vec<u8>> {
    let fixture = fixture_bytes("h264.ts")?;
    let packets: Vec<&[u8]> = fixture.chunks_exact(PACKET).collect();
    let keyframes = packets.iter().enumerate().filter(|(_, packet)| is_video_keyframe(packet));
    let (end, _) = keyframes.clone().nth(2).ok_or("the fixture has too few keyframes")?;
    let mut counters = [None::<u8>; 1 << 13];
    let mut stream = Vec::new();
    for turn in 0..turns {
        for packet in &packets[..end] {
            let mut packet = packet.to_vec();
            delay(&mut packet, u64::from(turn * SECONDS_PER_TURN) * 90_000);
            // The continuity counter counts only packets with a payload.
            let counter = &mut counters[usize::from(pid(&packet))];
            let has_payload = payload(&packet).is_some();
            let next = counter.map_or(0, |last| if has_payload { (last + 1) & 0xf } else { last });
            *counter = Some(next);
            packet[3] = packet[3] & 0xf0 | next;
            stream.extend(packet);
        }
    }
    Ok(stream)
}

/// Adds `null_packets` null packets after each packet.
pub(crate) fn padded(stream: &[u8], null_packets: usize) -> Vec<u8> {
    let [high, low] = NULL_PID.to_be_bytes();
    let mut null = vec![0x47, high, low, 0x10];
    null.resize(PACKET, 0xff);
    stream.chunks_exact(PACKET).flat_map(|packet| [packet, &null.repeat(null_packets)].concat()).collect()
}

/// The same stream, without readable encoder options. They declare the distance of keyframes.
pub(crate) fn without_encoder_options(stream: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"scenecut=";
    let mut stream = stream.to_vec();
    let places: Vec<usize> = (0..stream.len().saturating_sub(NAME.len()))
        .filter(|&place| stream[place..].starts_with(NAME))
        .collect();
    assert!(!places.is_empty(), "the encoder's options are not in one packet");
    for place in places {
        stream[place] = b'x';
    }
    stream
}

//! Transport streams whose sound ends last: the duration ends with the last timestamp plus the length of an AAC frame, as in ffprobe.

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{Outcome, fixture_bytes};
use posterframe::{Media, OpenOptions, StreamKind};

const PACKET: usize = 188;
/// PIDs of the two streams, and of null packets (ISO/IEC 13818-1, table 2-3).
const VIDEO: u16 = 0x100;
const SOUND: u16 = 0x101;
const NULL: u16 = 0x1fff;
/// 1024 samples at 22,050 Hz in ticks, rounded down.
const FRAME_TICKS: i64 = 4179;

fn number(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1f, packet[2]])
}

/// The presentation time at the start of a PES packet (ISO/IEC 13818-1, 2.4.3.2 and 2.4.3.6).
fn presentation_time(packet: &[u8]) -> Option<i64> {
    let starts = packet[1] & 0x40 != 0;
    let adaptation = if packet[3] & 0x20 != 0 { usize::from(packet[4]) + 1 } else { 0 };
    let pes = packet.get(4 + adaptation..)?;
    let time = pes.get(9..14).filter(|_| starts && pes[7] & 0x80 != 0)?;
    let part = |byte: u8, shift: u32| i64::from(byte >> 1) << shift;
    Some(
        part(time[0] & 0xf, 30)
            | i64::from(time[1]) << 22
            | part(time[2], 15)
            | i64::from(time[3]) << 7
            | part(time[4], 0),
    )
}

/// The transport stream without video packets in its second half.
fn with_sound_last() -> Outcome<Vec<u8>> {
    let mut bytes = fixture_bytes("h264.ts")?;
    let count = bytes.len() / PACKET;
    for packet in bytes.chunks_exact_mut(PACKET).skip(count / 2).filter(|packet| number(packet) == VIDEO) {
        packet[1..3].copy_from_slice(&NULL.to_be_bytes());
    }
    Ok(bytes)
}

#[test]
fn the_last_frame_of_sound_has_a_length() -> Outcome {
    let bytes = with_sound_last()?;
    let sound = bytes.chunks_exact(PACKET).filter(|packet| number(packet) == SOUND);
    let times: Vec<i64> = sound.filter_map(presentation_time).collect();
    let (first, last) = (times.iter().min().ok_or("no sound")?, times.iter().max().ok_or("no sound")?);
    let ticks = last - first + FRAME_TICKS;

    let mut media = Media::open(Cursor::new(&bytes), &OpenOptions::default())?;
    let info = media.info();
    let sound = info.streams.iter().find(|stream| stream.kind == StreamKind::Audio).ok_or("no sound")?;
    assert_eq!((sound.start_pts, sound.duration_ts), (Some(*first), Some(ticks)));
    let seconds = ticks as f64 / 90_000.0;
    assert!((info.duration_seconds.ok_or("no duration")? - seconds).abs() < 1e-6, "{info:?}");
    assert!((sound.duration_seconds.ok_or("no duration")? - seconds).abs() < 1e-6, "{sound:?}");
    let bits = bytes.len() as f64 * 8.0 / seconds;
    assert!((info.bit_rate.ok_or("no bit rate")? as f64 - bits).abs() <= 1.0, "{info:?}");

    // The packets that were read to compute the duration are used first when a frame is requested.
    let frame = media.frame(Duration::from_millis(1500))?;
    let again = media.frame(Duration::from_millis(1500))?;
    assert_eq!((frame.pts(), frame.copy_planes()?), (again.pts(), again.copy_planes()?));
    Ok(())
}

//! The duration of the last audio frame in transport and program streams.
//!
//! These containers do not contain their duration. libavformat takes the last timestamp of each stream, and adds the duration
//! of one packet. For AAC, libavformat learns that duration from the decoder, which is not compiled in. For the other codecs,
//! the parsers report it. Without the duration, a file whose AAC ends last is one frame too short. The headers of the first
//! packets contain the duration.

use std::collections::VecDeque;

use super::aac::{adts_header, sample_rate};
use super::reading::read_ahead;
use crate::media::bits::Bits;
use crate::media::error::Error;
use crate::media::ffi::packet::Packet;
use crate::media::info::{MediaInfo, Ratio};
use crate::media::input::Container;
use crate::media::timeline;
use crate::media::units::Microseconds;

/// Samples of each channel in a frame of AAC (ISO/IEC 14496-3, 4.5.2.1).
const FRAME_SAMPLES: i32 = 1024;

/// Adds the duration of one frame to each AAC stream for which libavformat did not know the duration, and adjusts the total
/// `duration`. `container` is at its start, and its streams are analysed. Returns the packets that were read.
///
/// # Errors
/// The errors of reading.
pub(in crate::media) fn add(
    container: &mut Container<'_>,
    info: &mut MediaInfo,
    duration: &mut Option<Microseconds>,
) -> Result<VecDeque<Packet>, Error> {
    let mut wanted = streams_without_length(container, info);
    let before = timeline::of_streams(&info.streams).1;
    let packets = read_ahead(container, |container, packets| {
        if let Some((packet, index)) =
            packets.back().and_then(|packet| Some((packet, packet.stream_index()?)))
        {
            wanted.retain(|&other| other != index || !lengthen(info, index, packet.bytes()));
            add_header(container, info, index, packet.bytes());
        }
        !wanted.is_empty()
    })?;
    let after = timeline::of_streams(&info.streams).1;
    // Where libavformat combines the streams in another way, its result remains.
    if after > before && before.is_some() && container.duration().map(Microseconds::new) == before {
        *duration = after;
        info.duration_seconds = after.map(Microseconds::seconds);
        info.bit_rate = info.size_bytes.and_then(|size| timeline::average_bit_rate(size, after?));
    }
    Ok(packets)
}

fn streams_without_length(container: &Container<'_>, info: &MediaInfo) -> Vec<usize> {
    if !matches!(info.format_name.as_str(), "mpegts" | "mpeg") {
        return Vec::new();
    }
    let streams = info.streams.iter().zip(container.streams());
    streams
        .filter(|(info, stream)| {
            matches!(info.codec_name.as_deref(), Some("aac" | "aac_latm"))
                && info.duration_ts.is_some()
                && stream.audio_frame_size().is_none()
        })
        .map(|(info, _)| info.index)
        .collect()
}

/// Adds the duration of one frame to a stream. Returns `false` when the packet does not contain it.
fn lengthen(info: &mut MediaInfo, index: usize, packet: &[u8]) -> bool {
    let Some(stream) = info.streams.get_mut(index) else { return false };
    let rate = match stream.codec_name.as_deref() {
        Some("aac_latm") => latm_sample_rate(packet),
        _ => adts_header(packet).and_then(|header| header.sample_rate),
    };
    // libavformat rounds the duration down (libavformat/demux.c, estimate_timings_from_pts).
    let frame = rate
        .and_then(|rate| timeline::whole_ticks(Ratio { num: FRAME_SAMPLES, den: rate }, stream.time_base));
    let Some(frame) = frame else { return false };
    stream.duration_ts = stream.duration_ts.map(|ticks| ticks.saturating_add(frame));
    stream.duration_seconds =
        stream.duration_ts.and_then(|ticks| timeline::to_seconds(ticks, stream.time_base));
    true
}

/// Adds the properties that libavformat learns from an AAC decoder, or from more packets than were read.
fn add_header(container: &Container<'_>, info: &mut MediaInfo, index: usize, packet: &[u8]) {
    let Some(stream) = info.streams.get_mut(index) else { return };
    if stream.codec_name.as_deref() != Some("aac") {
        return;
    }
    let Some(header) = adts_header(packet) else { return };
    if stream.profile.is_none() {
        let name = container.stream(index).and_then(|stream| stream.profile_name(header.profile));
        stream.profile = name.map(str::to_owned);
    }
    if let Some(audio) = &mut stream.audio {
        audio.sample_rate =
            audio.sample_rate.or(header.sample_rate.and_then(|rate| u32::try_from(rate).ok()));
        if audio.channels.is_none() {
            audio.channels = header.channels;
            audio.channel_layout = header.channel_layout().map(str::to_owned);
        }
    }
}

/// Reads the configuration in an element of LOAS (ISO/IEC 14496-3, 1.7.2 and 1.7.3). Not every element has one.
fn latm_sample_rate(packet: &[u8]) -> Option<i32> {
    let mut bits = Bits::new(packet);
    let has_syncword = bits.take(11)? == 0x2b7;
    let _length = bits.take(13)?;
    let use_same_stream_mux = bits.flag()?;
    if !has_syncword || use_same_stream_mux {
        return None;
    }
    let audio_mux_version = bits.flag()?;
    if audio_mux_version {
        let audio_mux_version_a = bits.flag()?;
        if audio_mux_version_a {
            return None;
        }
        skip_latm_value(&mut bits)?;
    }
    let _all_streams_same_time_framing = bits.flag()?;
    let _sub_frames = bits.take(6)?;
    let _programs_and_layers = bits.take(7)?;
    if audio_mux_version {
        skip_latm_value(&mut bits)?;
    }
    // AudioSpecificConfig (1.6.2.1).
    let object_type = bits.take(5)?;
    if object_type == 31 {
        let _object_type_extension = bits.take(6)?;
    }
    match bits.take(4)? {
        15 => bits.number(24).filter(|&rate| rate > 0),
        index => sample_rate(index),
    }
}

/// Skips `LatmGetValue` (1.7.3.1): a number of one to four bytes.
fn skip_latm_value(bits: &mut Bits<'_>) -> Option<()> {
    let bytes_less_one = bits.take(2)?;
    for _ in 0..=bytes_less_one {
        bits.byte()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Creates LOAS that contains these bits.
    fn loas(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        let bits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
        let bytes = bits
            .chunks(8)
            .map(|bits| bits.iter().chain(&[0; 8]).take(8).fold(0, |byte, bit| byte << 1 | bit));
        [0x56, 0xe0, 9].into_iter().chain(bytes).collect()
    }

    #[test]
    fn configurations_of_latm() {
        for (text, rate) in [
            ("0 0 1 000000 0000000 00010 0011 0010", Some(48_000)),
            ("0 0 1 000000 0000000 11111 000001 0101 0010", Some(32_000)),
            ("0 0 1 000000 0000000 00010 1111 000000001010110001000100 0010", Some(44_100)),
            ("0 1 0 00 11111111 1 000000 0000000 01 00000000 00010000 00010 0100 0010", Some(44_100)),
            // The same configuration as before, a later version, a reserved frequency, a truncated element.
            ("1 0 1 000000 0000000 00010 0011 0010", None),
            ("0 1 1 0000000000000000000000000000000000", None),
            ("0 0 1 000000 0000000 00010 1101 0010", None),
            ("0 0 1 000000 00000", None),
        ] {
            assert_eq!(latm_sample_rate(&loas(text)), rate, "{text}");
        }
        assert_eq!(latm_sample_rate(&[0xff, 0xf1, 0x50, 0x80, 0, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn random_headers_never_panic(bytes in vec(any::<u8>(), 0..32)) {
            let _rate = latm_sample_rate(&bytes);
        }
    }
}

//! The properties in the first packets of audio and subtitles, for which no decoder is compiled in.

use crate::media::info::StreamInfo;

/// The segment of a subtitle that contains the size of the video ("presentation composition"), as libavcodec names it in
/// pgssubdec.c.
const PRESENTATION: u8 = 0x16;
/// A segment begins with its kind and its length.
const SEGMENT_HEAD: usize = 3;

/// Returns whether the first packet of a stream contains the properties that its decoder would report.
pub(in crate::media) fn is_wanted(stream: &StreamInfo) -> bool {
    match stream.codec_name.as_deref() {
        Some("mp1" | "mp2" | "mp3") => stream.audio.is_some(),
        Some("hdmv_pgs_subtitle") => stream.subtitle_size.is_none(),
        _ => false,
    }
}

/// Adds the properties in a packet to its stream.
pub(in crate::media) fn add(stream: &mut StreamInfo, packet: &[u8]) {
    if !is_wanted(stream) {
        return;
    }
    match &mut stream.audio {
        Some(audio) => {
            let channels = mpeg_channels(packet);
            if let Some(channels) = channels.filter(|_| channels != audio.channels) {
                audio.channels = Some(channels);
                audio.channel_layout = Some(if channels == 1 { "mono" } else { "stereo" }.to_owned());
            }
        }
        None => stream.subtitle_size = subtitle_size(packet),
    }
}

/// Returns the channels from the header of an MPEG audio frame (ISO/IEC 11172-3, 2.4.1.3, and 13818-3). The container's number is
/// often wrong.
fn mpeg_channels(packet: &[u8]) -> Option<u32> {
    let header = u32::from_be_bytes(*packet.first_chunk()?);
    let (version, layer, bit_rate, rate) =
        (header >> 19 & 3, header >> 17 & 3, header >> 12 & 15, header >> 10 & 3);
    let is_header = header >> 21 == 0x7ff && version != 1 && layer != 0 && bit_rate != 15 && rate != 3;
    let is_single = header >> 6 & 3 == 3;
    is_header.then_some(if is_single { 1 } else { 2 })
}

/// Returns the width and height of the video that a presentation graphic belongs to.
fn subtitle_size(packet: &[u8]) -> Option<(u32, u32)> {
    let mut rest = packet;
    loop {
        let (&[kind, high, low], content) = rest.split_first_chunk::<SEGMENT_HEAD>()?;
        let segment = content.get(..usize::from(u16::from_be_bytes([high, low])))?;
        if let (PRESENTATION, &[a, b, c, d, ..]) = (kind, segment) {
            return Some((u16::from_be_bytes([a, b]).into(), u16::from_be_bytes([c, d]).into()));
        }
        rest = content.get(segment.len()..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn channels_of_mpeg_audio() {
        // Layer 3 of MPEG-2 at 16 kHz and layer 2 of MPEG-1, single; layer 3 in joint stereo.
        assert_eq!(mpeg_channels(&[0xff, 0xf3, 0x38, 0xc4]), Some(1));
        assert_eq!(mpeg_channels(&[0xff, 0xfd, 0x80, 0xc4]), Some(1));
        assert_eq!(mpeg_channels(&[0xff, 0xfb, 0x90, 0x64]), Some(2));
        // A reserved layer, a reserved version, no sync word, too few bytes.
        for packet in
            [&[0xff, 0xf9, 0x90, 0x64][..], &[0xff, 0xeb, 0x90, 0x64], &[0xfe; 4], &[0xff, 0xfb, 0x90]]
        {
            assert_eq!(mpeg_channels(packet), None, "{packet:x?}");
        }
    }

    #[test]
    fn sizes_of_subtitles() {
        let presentation = [0x16, 0, 11, 0x07, 0x80, 0x04, 0x38, 0x40, 0, 0, 0x80, 0, 0, 0];
        assert_eq!(subtitle_size(&presentation), Some((1920, 1080)));
        assert_eq!(subtitle_size(&[&[0x17, 0, 2, 9, 9], &presentation[..]].concat()), Some((1920, 1080)));
        // The end of a set, and a truncated segment.
        assert_eq!((subtitle_size(&[0x80, 0, 0]), subtitle_size(&presentation[..9])), (None, None));
    }

    proptest! {
        #[test]
        fn random_packets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _told = (mpeg_channels(&bytes), subtitle_size(&bytes));
        }
    }
}

//! The pixel and colour properties in the first bytes of a picture, or in the name of its codec. A decoder reports the same
//! properties, but needs more bytes than opening a file reads.

use crate::media::bits::Bits;
use crate::media::ffi::frame::ColourCodes;

/// Codes of colour ranges (`AVColorRange`).
const LIMITED: i32 = 1;
const FULL: i32 = 2;
/// Matrices of ITU-T H.273: RGB, BT.709, and those of older television.
const RGB: i32 = 0;
const BT709: i32 = 1;
const BT470BG: i32 = 5;
const SMPTE170M: i32 = 6;
const SMPTE240M: i32 = 7;
const BT2020: i32 = 9;
/// Codes of transfer and primaries that are unspecified, or sRGB.
const UNSPECIFIED: i32 = 2;

/// The properties in the header of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::media) struct PictureHeader {
    /// FFmpeg's name; `None` where the header does not contain it.
    pub(in crate::media) pixel_format: Option<String>,
    /// libavcodec's number.
    pub(in crate::media) profile: Option<i32>,
    pub(in crate::media) colour: ColourCodes,
    /// Whether the picture is known to have no fields.
    pub(in crate::media) is_progressive: bool,
}

impl PictureHeader {
    /// Reads the header of a codec's first picture. `bytes` begin with the picture and may end anywhere. Some codecs need no bytes.
    pub(in crate::media) fn read(codec: &str, tag: u32, bytes: &[u8]) -> Option<Self> {
        match codec {
            "vp8" => vp8(bytes),
            "vp9" => vp9(bytes),
            "prores" => prores(tag),
            "mjpeg" => jpeg(bytes),
            "png" => png(bytes),
            _ => None,
        }
    }

    fn new(pixel_format: impl Into<String>) -> Self {
        Self {
            pixel_format: Some(pixel_format.into()),
            profile: None,
            colour: ColourCodes::UNSPECIFIED,
            is_progressive: false,
        }
    }
}

/// Reads the tag of a VP8 frame (RFC 6386, 9.1). All VP8 pictures are 4:2:0.
fn vp8(bytes: &[u8]) -> Option<PictureHeader> {
    let mut header = PictureHeader::new("yuv420p");
    header.is_progressive = !bytes.is_empty();
    header.profile = bytes.first().map(|byte| i32::from(byte >> 1 & 7));
    Some(header)
}

/// Reads the uncompressed header of a keyframe or an intra-only frame ("VP9 Bitstream & Decoding Process Specification", 6.2).
fn vp9(bytes: &[u8]) -> Option<PictureHeader> {
    let mut bits = Bits::new(bytes);
    let is_frame = bits.take(2)? == 2;
    let profile = u32::from(bits.flag()?) | u32::from(bits.flag()?) << 1;
    // A reserved bit, which is zero.
    let is_known = profile < 3 || !bits.flag()?;
    let shows_existing = bits.flag()?;
    let is_inter = bits.flag()?;
    let (_is_shown, _is_resilient) = (bits.flag()?, bits.flag()?);
    if !is_frame || !is_known || shows_existing || is_inter || bits.take(24)? != 0x49_83_42 {
        return None;
    }
    let depth = match profile {
        0 | 1 => 8,
        _ if bits.flag()? => 12,
        _ => 10,
    };
    let mut colour = ColourCodes::UNSPECIFIED;
    let (chroma, is_rgb) = match bits.take(3)? {
        7 => {
            // 4:4:4 always, and only in profiles that have it.
            if profile % 2 == 0 || bits.flag()? {
                return None;
            }
            (colour.matrix, colour.range) = (RGB, FULL);
            ("444", true)
        }
        space => {
            colour.matrix = match space {
                1 => BT470BG,
                2 => BT709,
                3 => SMPTE170M,
                4 => SMPTE240M,
                5 => BT2020,
                _ => UNSPECIFIED,
            };
            colour.range = if bits.flag()? { FULL } else { LIMITED };
            if profile % 2 == 0 {
                ("420", false)
            } else {
                match (bits.flag()?, bits.flag()?) {
                    (false, false) => ("444", false),
                    (false, true) => ("440", false),
                    (true, false) => ("422", false),
                    // 4:2:0 belongs to the other profiles.
                    (true, true) => return None,
                }
            }
        }
    };
    let planes = if is_rgb { "gbrp".to_owned() } else { format!("yuv{chroma}p") };
    let pixel_format = if depth == 8 { planes } else { format!("{planes}{depth}le") };
    Some(PictureHeader {
        pixel_format: Some(pixel_format),
        profile: i32::try_from(profile).ok(),
        colour,
        is_progressive: false,
    })
}

/// Reads the name of a ProRes codec. 4:4:4 has 10 or 12 bits, with or without alpha, according to the header of a frame.
fn prores(tag: u32) -> Option<PictureHeader> {
    // AV_PROFILE_PRORES_PROXY and the following ones (libavcodec/defs.h).
    let profile = match &tag.to_le_bytes() {
        b"apco" => 0,
        b"apcs" => 1,
        b"apcn" => 2,
        b"apch" => 3,
        _ => return None,
    };
    let mut header = PictureHeader::new("yuv422p10le");
    header.colour.range = LIMITED;
    header.profile = Some(profile);
    Some(header)
}

/// Reads the frame header of a JPEG (ITU-T T.81, B.2.2), in the same way as libavcodec's decoder.
fn jpeg(bytes: &[u8]) -> Option<PictureHeader> {
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        // Fill bytes may precede a marker.
        while let [0xff, next @ ..] = rest
            && next.first() == Some(&0xff)
        {
            rest = next;
        }
        let (&[0xff, marker], behind) = rest.split_first_chunk::<2>()? else { return None };
        let length = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
        let segment = behind.get(2..length).or_else(|| behind.get(2..))?;
        match marker {
            0xc0..=0xc2 => return jpeg_frame(marker, segment),
            // Scans, and coding processes that are not supported.
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xda => return None,
            _ => rest = behind.get(length..)?,
        }
    }
}

/// Reads the sampling factors of the components in a frame header.
fn jpeg_frame(marker: u8, segment: &[u8]) -> Option<PictureHeader> {
    let (&[precision, _, _, _, _, count], components) = segment.split_first_chunk()?;
    let sampling = |index: usize| components.get(index.checked_mul(3)?..)?.get(1).copied();
    let format = match (precision, count) {
        (8, 1) => "gray",
        (8, 3) => match (sampling(0)?, sampling(1)?, sampling(2)?) {
            (0x11, 0x11, 0x11) => "yuvj444p",
            (0x21, 0x11, 0x11) => "yuvj422p",
            (0x22, 0x11, 0x11) => "yuvj420p",
            (0x12, 0x11, 0x11) => "yuvj440p",
            (0x41, 0x11, 0x11) => "yuvj411p",
            _ => return None,
        },
        _ => return None,
    };
    let mut header = PictureHeader::new(format);
    header.colour.range = FULL;
    header.colour.matrix = BT470BG;
    // AV_PROFILE_MJPEG_HUFFMAN_BASELINE_DCT and the following ones (libavcodec/defs.h).
    header.profile = Some(i32::from(marker));
    Some(header)
}

/// Reads the header of a PNG (W3C PNG, 11.2.1). Transparency may come after the header.
fn png(bytes: &[u8]) -> Option<PictureHeader> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?.get(8..10)?;
    let format = match header {
        [8, 6] => "rgba",
        [16, 6] => "rgba64be",
        [8, 4] => "ya8",
        [16, 4] => "ya16be",
        _ => return None,
    };
    let mut header = PictureHeader::new(format);
    header.colour.range = FULL;
    header.colour.matrix = RGB;
    Some(header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Creates bytes from these digits, which blanks may separate.
    fn bits(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let byte = |bits: &[u8]| bits.iter().chain(&[0; 8]).take(8).fold(0, |byte, bit| byte << 1 | bit);
        digits.chunks(8).map(byte).collect()
    }

    /// Creates a VP9 keyframe with these bits before and after the sync code.
    fn vp9_frame(profile: &str, colours: &str) -> Vec<u8> {
        bits(&format!("10 {profile} 0 0 1 0 010010011000001101000010 {colours} 0000000000000000"))
    }

    #[test]
    fn headers_of_vp9() {
        let read = |profile, colours| {
            let header = PictureHeader::read("vp9", 0, &vp9_frame(profile, colours))?;
            Some((header.pixel_format?, header.profile?, header.colour.matrix, header.colour.range))
        };
        let expected =
            |format: &str, profile, matrix, range| Some((format.to_owned(), profile, matrix, range));
        assert_eq!(read("00", "010 0"), expected("yuv420p", 0, BT709, LIMITED));
        assert_eq!(read("10", "010 1 10"), expected("yuv422p", 1, BT709, FULL));
        assert_eq!(read("10", "111 0"), expected("gbrp", 1, RGB, FULL));
        assert_eq!(read("01", "0 101 0"), expected("yuv420p10le", 2, BT2020, LIMITED));
        assert_eq!(read("01", "1 101 0"), expected("yuv420p12le", 2, BT2020, LIMITED));
        assert_eq!(read("11 0", "0 000 0 00"), expected("yuv444p10le", 3, UNSPECIFIED, LIMITED));
        // 4:2:0 in a profile of its own, and RGB in a profile without 4:4:4.
        assert_eq!((read("10", "010 0 11"), read("00", "111 0")), (None, None));
    }

    #[test]
    fn vp9_frames_with_references_yield_no_header() {
        // Frames that are presented again, predicted frames, and frames with another sync code.
        for text in ["10 00 1", "10 00 0 1 1 0", "10 00 0 0 1 0 010010011000001101000011 010 0"] {
            assert_eq!(PictureHeader::read("vp9", 0, &bits(&format!("{text} {}", "0".repeat(64)))), None);
        }
    }

    #[test]
    fn headers_of_jpeg() {
        let file = |marker: u8, sampling: &[u8]| {
            let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, marker];
            bytes.extend(u16::try_from(8 + 3 * sampling.len()).unwrap().to_be_bytes());
            bytes.extend([8, 0, 1, 0, 1, u8::try_from(sampling.len()).unwrap()]);
            bytes.extend(sampling.iter().flat_map(|sampling| [1, *sampling, 0]));
            bytes
        };
        let read = |marker, sampling: &[u8]| {
            let header = PictureHeader::read("mjpeg", 0, &file(marker, sampling))?;
            Some((header.pixel_format?, header.profile?))
        };
        let expected = |format: &str, profile| Some((format.to_owned(), profile));
        assert_eq!(read(0xc0, &[0x22, 0x11, 0x11]), expected("yuvj420p", 0xc0));
        assert_eq!(read(0xc2, &[0x11, 0x11, 0x11]), expected("yuvj444p", 0xc2));
        assert_eq!(read(0xc0, &[0x21, 0x11, 0x11]), expected("yuvj422p", 0xc0));
        assert_eq!(read(0xc0, &[0x11]), expected("gray", 0xc0));
        assert_eq!((read(0xc3, &[0x11]), read(0xc0, &[0x44, 0x11, 0x11])), (None, None));
    }

    #[test]
    fn names_and_other_headers() {
        let format = |codec, tag: &[u8; 4], bytes: &[u8]| {
            PictureHeader::read(codec, u32::from_le_bytes(*tag), bytes)?.pixel_format
        };
        assert_eq!(format("prores", b"apch", &[]).as_deref(), Some("yuv422p10le"));
        assert_eq!(format("prores", b"ap4h", &[]), None);
        assert_eq!(format("vp8", b"VP80", &[]).as_deref(), Some("yuv420p"));
        let profile = PictureHeader::read("vp8", 0, &[0b0000_0110]).and_then(|header| header.profile);
        assert_eq!(profile, Some(3));
        let ihdr = |depth, kind| {
            let sizes = *b"\0\0\0\x01\0\0\0\x01";
            [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], &sizes, &[depth, kind]].concat()
        };
        assert_eq!(format("png", b"png ", &ihdr(8, 6)).as_deref(), Some("rgba"));
        // The result is `None` where a palette or a later `tRNS` decides.
        assert_eq!(format("png", b"png ", &ihdr(8, 2)), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(codec in 0..5_usize, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let codec = ["vp8", "vp9", "prores", "mjpeg", "png"][codec];
            let _header = PictureHeader::read(codec, 0, &bytes);
            let _jpeg = PictureHeader::read("mjpeg", 0, &[&[0xff, 0xd8, 0xff], &bytes[..]].concat());
        }
    }
}

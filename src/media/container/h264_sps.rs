//! The first sequence parameter set of an H.264 stream (ITU-T H.264 7.3.2.1.1 and E.1.1), from the configuration record of MP4 and
//! Matroska (ISO/IEC 14496-15 5.3.3) or from start codes. libavcodec's decoder does not report the set before it meets a slice.

#![deny(clippy::arithmetic_side_effects)]

use crate::media::bits::{Bits, without_emulation_prevention};
use crate::media::ffi::frame::ColourCodes;
use crate::media::info::Ratio;

/// The properties of pictures in the set. Codes are those of ITU-T H.273.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::media) struct Sps {
    profile_idc: u8,
    constraints: u8,
    pub(in crate::media) level: i32,
    chroma_format: u32,
    /// `pic_order_cnt_type`.
    order_type: u32,
    /// `max_num_ref_frames`.
    max_references: u32,
    depth: u32,
    /// Width and height of the cropped pictures (equations 7-19 to 7-22).
    size: Option<(u32, u32)>,
    /// Whether the set crops at the left or at the top.
    crops_start: bool,
    /// Whether there are no field macroblocks at all.
    pub(in crate::media) frames_only: bool,
    pub(in crate::media) sample_aspect_ratio: Option<Ratio>,
    pub(in crate::media) colour: ColourCodes,
    /// Number of frames held back for reordering.
    pub(in crate::media) reorder_frames: Option<i32>,
}

const SPS_NAL: u8 = 7;
/// Rows and columns of a macroblock.
const MACROBLOCK: u32 = 16;
/// libavcodec rejects a set of pictures that have as many pixels as the second number when each side is longer by the first
/// (`av_image_check_size` in libavutil).
const PADDING: u64 = 128;
const MAX_PADDED: u64 = i32::MAX as u64 / 8;
/// `AVColorRange` (libavutil/pixfmt.h).
const RANGE_LIMITED: i32 = 1;
const RANGE_FULL: i32 = 2;
const MATRIX_RGB: i32 = 0;
/// Profiles whose sets contain the chroma format and the bit depth (7.3.2.1.1).
const HIGH_PROFILES: [u8; 14] = [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244];
/// Widths and heights of pixels (table E-1), from index 1.
const PIXEL_WIDTHS: [i32; 16] = [1, 12, 10, 16, 40, 24, 20, 32, 80, 18, 15, 64, 160, 4, 3, 2];
const PIXEL_HEIGHTS: [i32; 16] = [1, 11, 11, 11, 33, 11, 11, 11, 33, 11, 11, 33, 99, 3, 2, 1];

impl Sps {
    /// Reads the set from the extra data of a container. Returns `None` when the data contain no complete set.
    pub(in crate::media) fn find(extradata: &[u8]) -> Option<Self> {
        let unit = if extradata.first() == Some(&1) {
            // Version, profile, constraints, level, length size, number of sets; then the first with its length.
            let (&[.., count, high, low], rest) = extradata.split_first_chunk::<8>()?;
            let length = usize::from(u16::from_be_bytes([high, low]));
            rest.get(..length).filter(|_| count & 31 > 0)?
        } else {
            let starts =
                extradata.windows(4).position(|bytes| bytes[..3] == [0, 0, 1] && bytes[3] & 31 == SPS_NAL);
            let unit = extradata.get(starts?.checked_add(3)?..)?;
            let end = unit.windows(3).position(|bytes| bytes[..2] == [0, 0] && bytes[2] < 2);
            &unit[..end.unwrap_or(unit.len())]
        };
        let (header, payload) = unit.split_first()?;
        (header & 31 == SPS_NAL).then(|| Self::parse(&without_emulation_prevention(payload)))?
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(bytes);
        let mut sps = Self { chroma_format: 1, depth: 8, ..Self::default() };
        sps.profile_idc = bits.byte()?;
        sps.constraints = bits.byte()?;
        sps.level = i32::from(bits.byte()?);
        bits.unsigned()?; // seq_parameter_set_id
        if HIGH_PROFILES.contains(&sps.profile_idc) {
            sps.parse_format(&mut bits)?;
        }
        bits.unsigned()?; // log2_max_frame_num_minus4
        sps.order_type = bits.unsigned()?;
        match sps.order_type {
            0 => drop(bits.unsigned()?), // log2_max_pic_order_cnt_lsb_minus4
            1 => {
                bits.flag()?; // delta_pic_order_always_zero_flag
                bits.unsigned()?; // offset_for_non_ref_pic, signed like those below: the same bits
                bits.unsigned()?; // offset_for_top_to_bottom_field
                // The standard allows 255. The end of the bits ends any other number.
                for _ in 0..bits.unsigned()? {
                    bits.unsigned()?; // offset_for_ref_frame
                }
            }
            _ => {}
        }
        sps.max_references = bits.unsigned()?;
        bits.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width_in_blocks = bits.unsigned()?; // pic_width_in_mbs_minus1
        let height_in_units = bits.unsigned()?; // pic_height_in_map_units_minus1
        sps.frames_only = bits.flag()?;
        if !sps.frames_only {
            bits.flag()?; // mb_adaptive_frame_field_flag
        }
        bits.flag()?; // direct_8x8_inference_flag
        let mut edges = [0; 4];
        if bits.flag()? {
            // frame_crop_left_offset, right, top, bottom
            edges = [bits.unsigned()?, bits.unsigned()?, bits.unsigned()?, bits.unsigned()?];
        }
        sps.crops_start = edges[0] > 0 || edges[2] > 0;
        sps.size = sps.size_within(edges, (width_in_blocks, height_in_units));
        if bits.flag()? {
            // A truncated VUI counts as far as it goes, as in libavcodec.
            let _ = sps.parse_vui(&mut bits);
        }
        Some(sps)
    }

    /// Returns the size that remains within these edges of a picture. The numbers of macroblocks and map units are stored minus one.
    fn size_within(
        &self,
        [left, right, top, bottom]: [u32; 4],
        (width, height): (u32, u32),
    ) -> Option<(u32, u32)> {
        let lines = if self.frames_only { 1 } else { 2 };
        let step_x = if matches!(self.chroma_format, 1 | 2) { 2 } else { 1 };
        let step_y = if self.chroma_format == 1 { 2_u32 } else { 1 }.checked_mul(lines)?;
        let width = width.checked_add(1)?.checked_mul(MACROBLOCK)?;
        let height = height.checked_add(1)?.checked_mul(MACROBLOCK)?.checked_mul(lines)?;
        let padded = |side: u32| u64::from(side).saturating_add(PADDING);
        if padded(width).saturating_mul(padded(height)) >= MAX_PADDED {
            return None;
        }
        let side = |whole: u32, step: u32, edges: [u32; 2]| {
            whole.checked_sub(edges[0].checked_add(edges[1])?.checked_mul(step)?).filter(|side| *side > 0)
        };
        Some((side(width, step_x, [left, right])?, side(height, step_y, [top, bottom])?))
    }

    /// Returns the size of the pictures in a container that declares `container`. libavcodec lets a container crop at the right and at the
    /// bottom, within the last macroblock, where the set crops nothing at the left and at the top (libavcodec/h264_slice.c,
    /// `init_dimensions`).
    pub(in crate::media) fn size_in(&self, container: (u32, u32)) -> (u32, u32) {
        let Some(size) = self.size else { return container };
        let is_cropped = |container: u32, own: u32| {
            container > 0 && container <= own && container.div_ceil(MACROBLOCK) == own.div_ceil(MACROBLOCK)
        };
        match !self.crops_start && is_cropped(container.0, size.0) && is_cropped(container.1, size.1) {
            true => container,
            false => size,
        }
    }

    fn parse_format(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.chroma_format = bits.unsigned().filter(|&format| format <= 3)?;
        // libavcodec rejects separately coded planes, and chroma of another depth.
        if self.chroma_format == 3 && bits.flag()? {
            return None;
        }
        self.depth = bits.unsigned()?.checked_add(8)?;
        bits.unsigned().filter(|&chroma| chroma.checked_add(8) == Some(self.depth))?;
        bits.flag()?; // qpprime_y_zero_transform_bypass_flag
        if bits.flag()? {
            let lists = if self.chroma_format == 3 { 12 } else { 8 };
            for list in 0..lists {
                if bits.flag()? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Some(())
    }

    fn parse_vui(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        // libavcodec's default when the VUI does not contain a value.
        self.colour.chroma_location = 1;
        if bits.flag()? {
            self.sample_aspect_ratio = match bits.byte()? {
                255 => Ratio { num: bits.number(16)?, den: bits.number(16)? }.positive(),
                index => {
                    let place = usize::from(index).wrapping_sub(1);
                    let size = PIXEL_WIDTHS.get(place).zip(PIXEL_HEIGHTS.get(place));
                    size.map(|(&num, &den)| Ratio { num, den })
                }
            };
        }
        if bits.flag()? {
            bits.flag()?; // overscan_appropriate_flag
        }
        if bits.flag()? {
            bits.take(3)?; // video_format
            self.colour.range = if bits.flag()? { RANGE_FULL } else { RANGE_LIMITED };
            if bits.flag()? {
                let (primaries, transfer, matrix) = (bits.number(8)?, bits.number(8)?, bits.number(8)?);
                self.colour = ColourCodes { primaries, transfer, matrix, ..self.colour };
            }
        }
        if bits.flag()? {
            let top_field = bits.unsigned()?;
            bits.unsigned()?; // chroma_sample_loc_type_bottom_field
            self.colour.chroma_location = i32::try_from(top_field)
                .ok()
                .filter(|&kind| kind <= 5)
                .map_or(0, |kind| kind.saturating_add(1));
        }
        if bits.flag()? {
            bits.take(32)?; // num_units_in_tick
            bits.take(32)?; // time_scale
            bits.flag()?; // fixed_frame_rate_flag
        }
        let nal_hrd = skip_hrd(bits)?;
        if skip_hrd(bits)? || nal_hrd {
            bits.flag()?; // low_delay_hrd_flag
        }
        bits.flag()?; // pic_struct_present_flag
        if bits.flag()? {
            bits.flag()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                bits.unsigned()?; // max_bytes_per_pic_denom to log2_max_mv_length_vertical
            }
            // At most the size of the picture buffer (A.3.1).
            self.reorder_frames = i32::try_from(bits.unsigned()?).ok().filter(|&frames| frames <= 16);
        }
        Some(())
    }

    /// Returns whether chroma has the resolution of luma.
    pub(in crate::media) const fn is_444(&self) -> bool {
        self.chroma_format == 3
    }

    /// Returns whether the presentation order of frames equals the decoding order. This is the case if the set says so, if its profile
    /// has no B-frames (A.2.1), if the order of presentation is that of decoding (8.2.1.3), or if there is no room for the two
    /// references of a B-frame.
    pub(in crate::media) const fn is_in_order(&self) -> bool {
        const BASELINE: u8 = 66;
        self.profile_idc == BASELINE
            || matches!(self.reorder_frames, Some(0))
            || self.order_type == 2
            || self.max_references <= 1
    }

    /// Returns FFmpeg's number of the profile: some constraint flags turn it into another profile (A.2).
    pub(in crate::media) fn profile(&self) -> i32 {
        let constraint = |index: u8| self.constraints & (0x80 >> index) != 0;
        i32::from(self.profile_idc)
            | match self.profile_idc {
                66 if constraint(1) => 1 << 9,
                110 | 122 | 244 if constraint(3) => 1 << 11,
                _ => 0,
            }
    }

    /// Returns the name of the pixel format that libavcodec decodes to, or `None` for depths that it rejects. Where the set contains
    /// no range or matrix, those of the `container` are used.
    pub(in crate::media) fn pixel_format(&self, container: ColourCodes) -> Option<String> {
        let own = self.colour.sanitised();
        let range = if own.range == 0 { container.range } else { own.range };
        let matrix =
            if own.matrix == ColourCodes::UNSPECIFIED.matrix { container.matrix } else { own.matrix };
        let chroma = match self.chroma_format {
            3 => "444",
            2 => "422",
            // Grey as well: its chroma planes are filled.
            _ => "420",
        };
        let is_rgb = self.chroma_format == 3 && matrix == MATRIX_RGB;
        let name = if is_rgb { "gbrp".to_owned() } else { format!("yuv{chroma}p") };
        match self.depth {
            8 if range == RANGE_FULL && !is_rgb => Some(format!("yuvj{chroma}p")),
            8 => Some(name),
            9 | 10 | 12 | 14 => Some(format!("{name}{}le", self.depth)),
            _ => None,
        }
    }
}

/// Skips a scaling list (7.3.2.1.1.1).
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let mut scale = 8;
    for _ in 0..size {
        // Only the sum modulo 256 matters, and only whether it is zero: in that case the rest repeats.
        scale = bits.signed()?.wrapping_add(scale) & 0xff;
        if scale == 0 {
            break;
        }
    }
    Some(())
}

/// Skips the HRD parameters (E.1.2), if present. Returns whether they were present.
fn skip_hrd(bits: &mut Bits<'_>) -> Option<bool> {
    if !bits.flag()? {
        return Some(false);
    }
    let count = bits.unsigned()?.checked_add(1)?;
    bits.byte()?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        bits.unsigned()?; // bit_rate_value_minus1
        bits.unsigned()?; // cpb_size_value_minus1
        bits.flag()?; // cbr_flag
    }
    bits.take(20)?; // four lengths
    Some(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;

    /// 160x120 High, with a VUI, as x264 writes it (`avcC`).
    const HIGH: &str =
        "0164000affe1001c6764000aacd942847e59b808080a000003000200000300081e244b2c01000668ebe05b2c8bfdf8f800";
    const HIGH_10: &str =
        "016e000affe1001a676e000aa6cd942847e5c044000003000400000300503c48965801000668ebe0c4b22cfdfafa00";
    const INTERLACED: &str =
        "01640015ffe1001867640015acd9421b6022000003000200000300283e28532c01000668fba0c4b22cfdf8f800";
    const WIDE: &str =
        "0164000affe1001c6764000aacd942c4effc010000b440000003004000000503c489658001000668ebe0c4b22cfdf8f800";

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
        hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    #[test]
    fn a_container_may_crop_within_the_last_macroblock() {
        let sps = |size, crops_start| Sps { size, crops_start, ..Sps::default() };
        for (own, container, expected) in [
            ((1920, 1088), (1920, 1080), (1920, 1080)),
            ((160, 128), (160, 120), (160, 120)),
            // The container declares more pixels than the set, or crops whole macroblocks.
            ((154, 128), (160, 128), (154, 128)),
            ((160, 128), (160, 112), (160, 128)),
            ((160, 128), (0, 0), (160, 128)),
        ] {
            assert_eq!(sps(Some(own), false).size_in(container), expected, "{own:?} in {container:?}");
            assert_eq!(sps(Some(own), true).size_in(container), own, "{own:?} in {container:?}");
        }
        assert_eq!(sps(None, false).size_in((160, 120)), (160, 120));
    }

    #[test]
    fn absurd_sizes_are_unknown() {
        let sps = Sps { chroma_format: 1, frames_only: true, ..Sps::default() };
        assert_eq!(sps.size_within([4, 3, 2, 1], (9, 7)), Some((146, 122)));
        assert_eq!(sps.size_within([0, 80, 0, 0], (9, 7)), None);
        for blocks in [(1023, 1023), (u32::MAX, 0), (0, u32::MAX), (1 << 28, 1)] {
            assert_eq!(sps.size_within([0; 4], blocks), None, "{blocks:?}");
        }
    }

    #[test]
    fn fields_of_a_record() {
        let sps = Sps::find(&bytes(HIGH)).unwrap();
        assert_eq!((sps.profile(), sps.level, sps.frames_only), (100, 10, true));
        assert_eq!(sps.reorder_frames, Some(2));
        let bt709 = ColourCodes { range: 2, primaries: 1, transfer: 1, matrix: 1, chroma_location: 1 };
        assert_eq!(sps.colour, bt709);
        assert_eq!(sps.pixel_format(ColourCodes::UNSPECIFIED).as_deref(), Some("yuvj420p"));
        let sps = Sps::find(&bytes(HIGH_10)).unwrap();
        assert_eq!((sps.profile(), sps.colour.range, sps.colour.matrix), (110, 0, 2));
        assert_eq!(sps.pixel_format(ColourCodes::UNSPECIFIED).as_deref(), Some("yuv420p10le"));
        assert!(!sps.is_in_order() && !sps.is_444());
        assert!(!Sps::find(&bytes(INTERLACED)).unwrap().frames_only);
        let wide = Sps::find(&bytes(WIDE)).unwrap().sample_aspect_ratio.map(Ratio::reduced);
        assert_eq!(wide, Some(Ratio { num: 64, den: 45 }));
    }

    #[test]
    fn start_codes_yield_the_same_set() {
        let record = bytes(HIGH);
        let mut stream = vec![0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1];
        stream.extend_from_slice(&record[8..8 + 0x1c]);
        assert_eq!(Sps::find(&stream), Sps::find(&record));
        stream.extend_from_slice(&[0, 0, 1, 0x68, 0xeb]);
        assert_eq!(Sps::find(&stream), Sps::find(&record));
    }

    #[test]
    fn scaling_lists_have_16_and_64_numbers() {
        // Six lists of the first kind and two of the other, each announced and without differences: all bits are ones, except the
        // marker after them.
        let text = ["010", "1", "1", "0", "1", &"1".repeat(8 + 6 * 16 + 2 * 64), "01010101"].concat();
        let digits: Vec<u8> = text.bytes().map(|digit| digit - b'0').collect();
        let packed = |bits: &[u8]| bits.iter().chain(&[0; 8]).take(8).fold(0, |byte, bit| byte << 1 | bit);
        let bytes: Vec<u8> = digits.chunks(8).map(packed).collect();
        let mut bits = Bits::new(&bytes);
        assert_eq!(Sps::default().parse_format(&mut bits), Some(()));
        assert_eq!(bits.take(8), Some(0b0101_0101));
    }

    #[test]
    fn profiles_are_numbered_as_ffmpeg_does() {
        let cases = [
            ((66, 0x40), 66 | 512),
            ((66, 0), 66),
            ((77, 0x40), 77),
            ((110, 0x10), 110 | 2048),
            ((100, 0x10), 100),
        ];
        for ((profile_idc, constraints), number) in cases {
            assert_eq!(Sps { profile_idc, constraints, ..Sps::default() }.profile(), number);
        }
    }

    #[test]
    fn order_of_presentation() {
        let high = Sps { profile_idc: 100, max_references: 4, ..Sps::default() };
        assert!(!high.is_in_order());
        for sps in [
            Sps { profile_idc: 66, ..high.clone() },
            Sps { reorder_frames: Some(0), ..high.clone() },
            Sps { order_type: 2, ..high.clone() },
            Sps { max_references: 1, ..high.clone() },
        ] {
            assert!(sps.is_in_order(), "{sps:?}");
        }
        assert!(!Sps { reorder_frames: Some(2), ..high }.is_in_order());
    }

    #[test]
    fn names_of_pixel_formats() {
        let name = |chroma_format, depth, full, rgb| {
            let (range, matrix) = (if full { 2 } else { 0 }, if rgb { 0 } else { 2 });
            let sps = Sps { chroma_format, depth, ..Sps::default() };
            let codes = ColourCodes { range, matrix, ..ColourCodes::UNSPECIFIED };
            assert_eq!(
                Sps { colour: codes, ..sps.clone() }.pixel_format(ColourCodes::UNSPECIFIED),
                sps.pixel_format(codes)
            );
            sps.pixel_format(codes)
        };
        assert_eq!(name(0, 8, false, false).as_deref(), Some("yuv420p"));
        assert_eq!(name(2, 10, true, false).as_deref(), Some("yuv422p10le"));
        assert_eq!(name(3, 8, true, false).as_deref(), Some("yuvj444p"));
        assert_eq!(name(3, 8, true, true).as_deref(), Some("gbrp"));
        assert_eq!(name(3, 14, true, true).as_deref(), Some("gbrp14le"));
        assert_eq!(name(1, 11, false, false), None);
    }

    #[test]
    fn damaged_sets_never_panic() {
        // xorshift64 with a fixed seed: the same mutations every time.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        for hex in [HIGH, HIGH_10, INTERLACED, WIDE] {
            let record = bytes(hex);
            for length in 0..record.len() {
                Sps::find(&record[..length]);
                Sps::parse(&record[9.min(length)..length]);
            }
            for _ in 0..10_000 {
                let mut damaged = record.clone();
                for _ in 0..=random(8) {
                    let place = random(damaged.len());
                    damaged[place] = u8::try_from(random(256)).unwrap();
                }
                Sps::find(&damaged);
                Sps::parse(&damaged[9..]);
            }
        }
        // The longest possible code, as a scaling list's step and as every count.
        Sps::parse(&[100, 0, 10, 0b1010_1110, 0b1110_0000, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff]);
        Sps::parse(&[77, 0, 10, 0b1101_0111, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(Sps::find(&[]), None);
    }
}

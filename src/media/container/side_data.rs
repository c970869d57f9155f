//! libavformat's side data, read from the bytes of libav's structs.

use crate::media::ffi::frame::parse_display_matrix;
use crate::media::ratio::Ratio;
use crate::media::side_data::{
    AMBIENT_VIEWING, CODED_PICTURE_BUFFER, CONTENT_LIGHT, CROPPING, DISPLAY_MATRIX, DOLBY_VISION,
    DolbyVision, MASTERING_DISPLAY, MasteringDisplay, SideData,
};

/// Reads libavformat's side data with this name. If the bytes are too few for their kind, the result contains only the
/// name.
pub(in crate::media) fn read(name: &str, bytes: &[u8]) -> SideData {
    let read = match name {
        DISPLAY_MATRIX => parse_display_matrix(bytes)
            .map(|matrix| SideData::DisplayMatrix { matrix, rotation: display_rotation(matrix) }),
        DOLBY_VISION => dolby_vision(bytes).map(SideData::DolbyVision),
        MASTERING_DISPLAY => mastering_display(bytes).map(SideData::MasteringDisplay),
        CONTENT_LIGHT => content_light(bytes),
        AMBIENT_VIEWING => ambient_viewing(bytes),
        CODED_PICTURE_BUFFER => coded_picture_buffer(bytes),
        CROPPING => cropping(bytes),
        _ => None,
    };
    read.unwrap_or_else(|| SideData::Other { name: name.to_owned() })
}

/// Computes the counter-clockwise rotation from the normalised first column, like `av_display_rotation_get`
/// (libavutil/display.c).
pub(in crate::media) fn display_rotation(matrix: [i32; 9]) -> f64 {
    let number = |index: usize| f64::from(matrix[index]);
    // Not `hypot`: it would need glibc 2.35 (see `vendor/libav/glibc_compat.h`), and these are far from overflow.
    let length = |a: f64, b: f64| (a * a + b * b).sqrt();
    let (scale_x, scale_y) = (length(number(0), number(3)), length(number(1), number(4)));
    if scale_x == 0.0 || scale_y == 0.0 {
        return 0.0;
    }
    -(number(1) / scale_y).atan2(number(0) / scale_x).to_degrees()
}

/// Returns the `index`th `int` of a libav struct that begins with `int`s.
fn int(bytes: &[u8], index: usize) -> Option<i32> {
    let start = index.checked_mul(4)?;
    Some(i32::from_ne_bytes(*bytes.get(start..)?.first_chunk()?))
}

/// Returns the `index`th `AVRational` of a struct that begins with such fractions.
fn ratio(bytes: &[u8], index: usize) -> Option<Ratio> {
    let start = index.checked_mul(2)?;
    Some(Ratio { num: int(bytes, start)?, den: int(bytes, start.checked_add(1)?)? })
}

/// Reads `AVDOVIDecoderConfigurationRecord` (libavutil/dovi_meta.h). FFmpeg has its last field since 7.1.
fn dolby_vision(bytes: &[u8]) -> Option<DolbyVision> {
    let (&[major, minor, profile, level, metadata, enhancement, base, compatibility_id], rest) =
        bytes.split_first_chunk()?;
    Some(DolbyVision {
        version: (major, minor),
        profile,
        level,
        has_metadata: metadata != 0,
        has_enhancement_layer: enhancement != 0,
        has_base_layer: base != 0,
        compatibility_id,
        metadata_compression: rest.first().copied().unwrap_or(0),
    })
}

/// Reads `AVMasteringDisplayMetadata` (libavutil/mastering_display_metadata.h): ten fractions, and whether they are set.
fn mastering_display(bytes: &[u8]) -> Option<MasteringDisplay> {
    let point = |index| Some((ratio(bytes, index)?, ratio(bytes, index + 1)?));
    let (has_primaries, has_luminance) = (int(bytes, 20)? != 0, int(bytes, 21)? != 0);
    let primaries = [point(0)?, point(2)?, point(4)?, point(6)?];
    Some(MasteringDisplay {
        primaries: has_primaries.then_some(primaries),
        luminance: has_luminance.then_some(point(8)?),
    })
}

/// Reads `AVContentLightMetadata` (libavutil/mastering_display_metadata.h).
fn content_light(bytes: &[u8]) -> Option<SideData> {
    let (max_content, max_average) = (int(bytes, 0)?.cast_unsigned(), int(bytes, 1)?.cast_unsigned());
    Some(SideData::ContentLight { max_content, max_average })
}

/// Reads `AVAmbientViewingEnvironment` (libavutil/ambient_viewing_environment.h).
fn ambient_viewing(bytes: &[u8]) -> Option<SideData> {
    let (illuminance, light_x, light_y) = (ratio(bytes, 0)?, ratio(bytes, 1)?, ratio(bytes, 2)?);
    Some(SideData::AmbientViewing { illuminance, light_x, light_y })
}

/// Reads `AVCPBProperties` (libavcodec/defs.h).
fn coded_picture_buffer(bytes: &[u8]) -> Option<SideData> {
    let number = |index: usize| Some(i64::from_ne_bytes(*bytes.get(index.checked_mul(8)?..)?.first_chunk()?));
    Some(SideData::CodedPictureBuffer {
        max_bit_rate: number(0)?,
        min_bit_rate: number(1)?,
        average_bit_rate: number(2)?,
        buffer_size: number(3)?,
        vbv_delay: Some(number(4)?.cast_unsigned()).filter(|&delay| delay != u64::MAX),
    })
}

/// Reads four 32-bit little-endian numbers (libavcodec/packet.h, `AV_PKT_DATA_FRAME_CROPPING`).
fn cropping(bytes: &[u8]) -> Option<SideData> {
    let edge = |index: usize| Some(u32::from_le_bytes(*bytes.get(index.checked_mul(4)?..)?.first_chunk()?));
    Some(SideData::Cropping { top: edge(0)?, bottom: edge(1)?, left: edge(2)?, right: edge(3)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ints(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    #[test]
    fn a_display_has_primaries_and_luminance_or_neither() {
        let mut numbers: Vec<i32> = (1..=20).collect();
        numbers.extend([1, 0]);
        let SideData::MasteringDisplay(display) = read(MASTERING_DISPLAY, &ints(&numbers)) else {
            panic!("another kind");
        };
        let ratio = |num, den| Ratio { num, den };
        let primaries = display.primaries.map(|points| (points[0], points[3]));
        let expected = ((ratio(1, 2), ratio(3, 4)), (ratio(13, 14), ratio(15, 16)));
        assert_eq!((primaries, display.luminance), (Some(expected), None));
        numbers[20..].copy_from_slice(&[0, 1]);
        let SideData::MasteringDisplay(display) = read(MASTERING_DISPLAY, &ints(&numbers)) else {
            panic!("another kind");
        };
        let luminance = (ratio(17, 18), ratio(19, 20));
        assert_eq!((display.primaries, display.luminance), (None, Some(luminance)));
    }

    #[test]
    fn records_are_read_like_in_ffprobe() {
        let dolby = read(DOLBY_VISION, &[1, 0, 8, 4, 1, 0, 1, 4, 0]);
        let SideData::DolbyVision(record) = dolby else { panic!("{dolby:?}") };
        assert_eq!((record.profile, record.level, record.compatibility_id), (8, 4, 4));
        assert!(record.has_metadata && record.has_base_layer && !record.has_enhancement_layer);
        let cpb: Vec<u8> =
            [35_000_000_i64, 0, 0, 9_781_248, -1].iter().flat_map(|n| n.to_ne_bytes()).collect();
        let expected = SideData::CodedPictureBuffer {
            max_bit_rate: 35_000_000,
            min_bit_rate: 0,
            average_bit_rate: 0,
            buffer_size: 9_781_248,
            vbv_delay: None,
        };
        assert_eq!(read(CODED_PICTURE_BUFFER, &cpb), expected);
        let crop: Vec<u8> = [9_u32, 8, 16, 15].iter().flat_map(|n| n.to_le_bytes()).collect();
        let expected = SideData::Cropping { top: 9, bottom: 8, left: 16, right: 15 };
        assert_eq!(read(CROPPING, &crop), expected);
        let light = read(CONTENT_LIGHT, &ints(&[1100, 180]));
        assert_eq!(light, SideData::ContentLight { max_content: 1100, max_average: 180 });
    }

    proptest! {
        #[test]
        fn random_bytes_keep_the_name_of_their_kind(number in 0..8_usize, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let names = [
                DISPLAY_MATRIX, DOLBY_VISION, MASTERING_DISPLAY, CONTENT_LIGHT, AMBIENT_VIEWING,
                CODED_PICTURE_BUFFER, CROPPING, "Exif",
            ];
            let name = names[number];
            let read = read(name, &bytes);
            prop_assert_eq!(read.name(), name);
        }
    }
}

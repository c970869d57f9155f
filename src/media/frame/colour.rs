//! The colour codes of a frame, with missing codes filled in.
//!
//! The codes are those of ITU-T H.273, as libav numbers them.

use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::pixel_format::PixelLayout;
use crate::media::info::{ColourInfo, HdrKind};
use crate::picture::matrix::LumaWeights;
use crate::picture::tone_map::{HdrPrimaries, HdrTransfer};

const RANGE_FULL: i32 = 2;
const RANGE_LIMITED: i32 = 1;
const MATRIX_RGB: i32 = 0;
const MATRIX_YCGCO: i32 = 8;
const MATRIX_BT2020: i32 = 9;
/// Luma weights of the primaries.
const MATRIX_DERIVED: i32 = 12;
const MATRIX_BT709: i32 = 1;
const MATRIX_UNSPECIFIED: i32 = 2;
/// BT.601 for 625 lines; its coefficients are those of 525 lines and of JFIF.
const MATRIX_BT601: i32 = 5;
const PRIMARIES_BT709: i32 = 1;
const PRIMARIES_UNSPECIFIED: i32 = 2;
const PRIMARIES_BT2020: i32 = 9;
const PRIMARIES_P3_DCI: i32 = 11;
const PRIMARIES_P3_D65: i32 = 12;
const TRANSFER_PQ: i32 = 16;
const TRANSFER_HLG: i32 = 18;
/// From this width, or with more lines than the second number, video without a declared matrix is treated as BT.709, as in players.
const HD: (u32, u32) = (1280, 576);

/// Returns the frame's codes with the gaps filled. Untagged video is limited range, and BT.709 from a width of 1280 or with more than
/// 576 lines, otherwise BT.601. Grey without a declared range is full range: decoders of video report their range.
pub(in crate::media) fn complete(
    codes: ColourCodes,
    layout: PixelLayout,
    (width, height): (u32, u32),
) -> ColourCodes {
    let mut codes = codes.sanitised();
    if layout.is_rgb {
        codes.matrix = MATRIX_RGB;
        codes.range = RANGE_FULL;
        return codes;
    }
    let is_hd = width >= HD.0 || height > HD.1;
    // "RGB" on a YUV format is a wrong tag.
    if codes.matrix == MATRIX_UNSPECIFIED || codes.matrix == MATRIX_RGB {
        codes.matrix = if is_hd { MATRIX_BT709 } else { MATRIX_BT601 };
    }
    if codes.matrix == MATRIX_DERIVED {
        codes.matrix = match codes.primaries {
            PRIMARIES_BT709 => MATRIX_BT709,
            PRIMARIES_BT2020 => MATRIX_BT2020,
            PRIMARIES_UNSPECIFIED if is_hd => MATRIX_BT709,
            _ => MATRIX_BT601,
        };
    }
    if codes.range == 0 {
        let is_full = layout.is_full_range_by_name || layout.components < 3;
        codes.range = if is_full { RANGE_FULL } else { RANGE_LIMITED };
    }
    codes
}

/// Returns the codes of the same light in the numbers of JFIF (ITU-T T.871): full range, BT.601 matrix.
pub(in crate::media) const fn jfif(codes: ColourCodes) -> ColourCodes {
    ColourCodes { range: RANGE_FULL, matrix: MATRIX_BT601, ..codes }
}

/// Returns the weights of red and blue in luma, or `None` for matrices that are not based on luma weights, including RGB.
pub(in crate::media) const fn luma_weights(codes: ColourCodes) -> Option<LumaWeights> {
    LumaWeights::of_matrix(codes.matrix)
}

pub(in crate::media) const fn is_full_range(codes: ColourCodes) -> bool {
    codes.range == RANGE_FULL
}

/// Returns the codes of the same light as RGB.
pub(in crate::media) const fn rgb(codes: ColourCodes) -> ColourCodes {
    ColourCodes { range: RANGE_FULL, matrix: MATRIX_RGB, ..codes }
}

/// Returns the codes of RGB in BT.709, the result of tone mapping.
pub(in crate::media) const fn sdr_rgb() -> ColourCodes {
    ColourCodes { primaries: PRIMARIES_BT709, transfer: 1, ..rgb(ColourCodes::UNSPECIFIED) }
}

/// Returns whether the components are luma and the differences of YCgCo.
pub(in crate::media) const fn is_ycgco(codes: ColourCodes) -> bool {
    codes.matrix == MATRIX_YCGCO
}

/// Returns the codes of the same light for libswscale. libswscale has no YCgCo, and does not convert between equal matrices.
pub(in crate::media) const fn for_scaler(codes: ColourCodes) -> ColourCodes {
    if is_ycgco(codes) { ColourCodes { matrix: MATRIX_BT709, ..codes } } else { codes }
}

/// Returns whether the matrix can be converted into a picture.
pub(in crate::media) const fn is_convertible(codes: ColourCodes) -> bool {
    codes.matrix == MATRIX_RGB || is_ycgco(codes) || luma_weights(codes).is_some()
}

/// Returns the conversion that libswscale does not perform for these colours: HDR, or SDR in primaries wider than BT.709.
pub(in crate::media) const fn light(codes: ColourCodes) -> Option<(HdrTransfer, HdrPrimaries)> {
    match (hdr_transfer(codes), codes.primaries) {
        (Some(transfer), _) => Some((transfer, hdr_primaries(codes))),
        (None, PRIMARIES_BT2020 | PRIMARIES_P3_DCI | PRIMARIES_P3_D65) => {
            Some((HdrTransfer::Sdr, hdr_primaries(codes)))
        }
        (None, _) => None,
    }
}

pub(in crate::media) const fn hdr_transfer(codes: ColourCodes) -> Option<HdrTransfer> {
    match codes.transfer {
        TRANSFER_PQ => Some(HdrTransfer::Pq),
        TRANSFER_HLG => Some(HdrTransfer::Hlg),
        _ => None,
    }
}

pub(in crate::media) const fn hdr_primaries(codes: ColourCodes) -> HdrPrimaries {
    match codes.primaries {
        PRIMARIES_P3_DCI | PRIMARIES_P3_D65 => HdrPrimaries::P3D65,
        PRIMARIES_BT709 => HdrPrimaries::Bt709,
        // BT.2020, also for undeclared primaries: BT.2100 has no other primaries for HDR.
        _ => HdrPrimaries::Bt2020,
    }
}

pub(in crate::media) fn describe(codes: ColourCodes, dolby_vision_profile: Option<u8>) -> ColourInfo {
    let hdr = match (dolby_vision_profile, hdr_transfer(codes)) {
        (Some(5), _) => Some(HdrKind::DolbyVision5),
        (Some(_), _) => Some(HdrKind::DolbyVision),
        (None, Some(HdrTransfer::Pq)) => Some(HdrKind::Pq),
        (None, Some(HdrTransfer::Hlg)) => Some(HdrKind::Hlg),
        (None, Some(HdrTransfer::Sdr) | None) => None,
    };
    ColourInfo {
        range: codes.range_name().map(Into::into),
        matrix: codes.matrix_name().map(Into::into),
        transfer: codes.transfer_name().map(Into::into),
        primaries: codes.primaries_name().map(Into::into),
        chroma_location: codes.chroma_location_name().map(Into::into),
        hdr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ffi::pixel_format::PixelFormat;

    fn completed(matrix: i32, primaries: i32, size: (u32, u32)) -> ColourCodes {
        let codes = ColourCodes { matrix, primaries, ..ColourCodes::UNSPECIFIED };
        complete(codes, PixelFormat::YUV420P.layout().unwrap(), size)
    }

    #[test]
    fn the_size_decides_the_matrix_of_untagged_video() {
        let sizes = [(1280, 536), (1279, 577), (1024, 576), (720, 480), (1920, 1080)];
        let matrices = sizes.map(|size| completed(MATRIX_UNSPECIFIED, 2, size).matrix);
        assert_eq!(matrices, [MATRIX_BT709, MATRIX_BT709, MATRIX_BT601, MATRIX_BT601, MATRIX_BT709]);
    }

    #[test]
    fn a_derived_matrix_is_that_of_its_primaries() {
        for (primaries, matrix) in [(1, MATRIX_BT709), (9, MATRIX_BT2020), (6, MATRIX_BT601)] {
            assert_eq!(completed(MATRIX_DERIVED, primaries, (320, 240)).matrix, matrix);
        }
        assert_eq!(completed(MATRIX_DERIVED, 2, (1920, 1080)).matrix, MATRIX_BT709);
    }

    /// Every matrix that libav names yields a picture, or an error that is not retried.
    #[test]
    fn each_matrix_is_converted_or_rejected() {
        let convertible = |matrix| is_convertible(completed(matrix, 9, (1920, 1080)));
        let refused: Vec<i32> = (0..18).filter(|matrix| !convertible(*matrix)).collect();
        // Constant luminance (10, 13), SMPTE ST 2085, ICtCp, IPT-C2, YCgCo-R of even and odd depth.
        assert_eq!(refused, [10, 11, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn only_wide_primaries_are_converted_through_linear_light() {
        let light_of = |primaries, transfer| {
            light(ColourCodes { primaries, transfer, ..ColourCodes::UNSPECIFIED })
                .map(|(transfer, _)| transfer)
        };
        assert_eq!(light_of(9, 14), Some(HdrTransfer::Sdr));
        assert_eq!(light_of(12, 13), Some(HdrTransfer::Sdr));
        assert_eq!((light_of(1, 1), light_of(2, 2), light_of(6, 6)), (None, None, None));
        assert_eq!((light_of(9, 16), light_of(2, 18)), (Some(HdrTransfer::Pq), Some(HdrTransfer::Hlg)));
    }
}

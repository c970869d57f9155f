//! Which numbers stand for which colours: what the frame says, made whole.
//!
//! Codes are those of ITU-T H.273, as libav numbers them.

use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::pixel_format::PixelLayout;
use crate::media::info::{ColourInfo, HdrKind};
use crate::picture::matrix::LumaWeights;
use crate::picture::tone_map::{HdrPrimaries, HdrTransfer};

const RANGE_FULL: i32 = 2;
const RANGE_LIMITED: i32 = 1;
const MATRIX_RGB: i32 = 0;
const MATRIX_BT709: i32 = 1;
const MATRIX_UNSPECIFIED: i32 = 2;
/// BT.601 for 625 lines; its coefficients are those of 525 lines and of JFIF.
const MATRIX_BT601: i32 = 5;
const PRIMARIES_BT709: i32 = 1;
const PRIMARIES_P3_DCI: i32 = 11;
const PRIMARIES_P3_D65: i32 = 12;
const TRANSFER_PQ: i32 = 16;
const TRANSFER_HLG: i32 = 18;
/// From this many lines up, video that does not say its matrix is taken for BT.709, as players do.
const HD_LINES: u32 = 720;

/// The frame's codes with the gaps filled: untagged video is limited range, and BT.709 from 720 lines up, else BT.601.
pub(in crate::media) fn complete(codes: ColourCodes, layout: PixelLayout, height: u32) -> ColourCodes {
    let mut codes = codes.sanitised();
    if layout.is_rgb {
        codes.matrix = MATRIX_RGB;
        codes.range = RANGE_FULL;
        return codes;
    }
    // "RGB" on a YUV format is a wrong tag.
    if codes.matrix == MATRIX_UNSPECIFIED || codes.matrix == MATRIX_RGB {
        codes.matrix = if height >= HD_LINES { MATRIX_BT709 } else { MATRIX_BT601 };
    }
    if codes.range == 0 {
        codes.range = if layout.is_full_range_by_name { RANGE_FULL } else { RANGE_LIMITED };
    }
    codes
}

/// The same light in the numbers of JFIF (ITU-T T.871): full range, BT.601 matrix.
pub(in crate::media) const fn jfif(codes: ColourCodes) -> ColourCodes {
    ColourCodes { range: RANGE_FULL, matrix: MATRIX_BT601, ..codes }
}

/// How much red and blue weigh in luma; `None` for matrices that are not made so, RGB among them.
pub(in crate::media) const fn luma_weights(codes: ColourCodes) -> Option<LumaWeights> {
    LumaWeights::of_matrix(codes.matrix)
}

pub(in crate::media) const fn is_full_range(codes: ColourCodes) -> bool {
    codes.range == RANGE_FULL
}

/// The same light as RGB.
pub(in crate::media) const fn rgb(codes: ColourCodes) -> ColourCodes {
    ColourCodes { range: RANGE_FULL, matrix: MATRIX_RGB, ..codes }
}

/// RGB in BT.709, as tone mapping leaves it.
pub(in crate::media) const fn sdr_rgb() -> ColourCodes {
    ColourCodes { primaries: PRIMARIES_BT709, transfer: 1, ..rgb(ColourCodes::UNSPECIFIED) }
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
        // BT.2020, also without a word on it: BT.2100 knows no other for HDR.
        _ => HdrPrimaries::Bt2020,
    }
}

pub(in crate::media) fn describe(codes: ColourCodes, dolby_vision_profile: Option<u8>) -> ColourInfo {
    let hdr = match (dolby_vision_profile, hdr_transfer(codes)) {
        (Some(5), _) => Some(HdrKind::DolbyVision5),
        (Some(_), _) => Some(HdrKind::DolbyVision),
        (None, Some(HdrTransfer::Pq)) => Some(HdrKind::Pq),
        (None, Some(HdrTransfer::Hlg)) => Some(HdrKind::Hlg),
        (None, None) => None,
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

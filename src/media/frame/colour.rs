//! The colour codes of a frame, with missing codes filled in.
//!
//! The codes are those of ITU-T H.273, as libav numbers them.

use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::pixel_format::PixelLayout;
use crate::media::info::{ColourInfo, HdrKind};
use crate::picture::components::{ComponentReader, Components, ConstantLuminance, ICtCp};
use crate::picture::matrix::{ChromaColumn, LumaWeights};
use crate::picture::primaries::Primaries;
use crate::picture::tone_map::{Decades, Light, OutputCurve, Power, Transfer};

const RANGE_FULL: i32 = 2;
const RANGE_LIMITED: i32 = 1;
const MATRIX_RGB: i32 = 0;
const MATRIX_BT709: i32 = 1;
const MATRIX_UNSPECIFIED: i32 = 2;
/// BT.601 for 625 lines; its coefficients are those of 525 lines and of JFIF.
const MATRIX_BT601: i32 = 5;
const MATRIX_YCGCO: i32 = 8;
const MATRIX_BT2020: i32 = 9;
/// BT.2020 of constant luminance.
const MATRIX_BT2020_CONSTANT: i32 = 10;
/// SMPTE ST 2085.
const MATRIX_YDZDX: i32 = 11;
/// Luma weights of the primaries.
const MATRIX_DERIVED: i32 = 12;
/// The same of constant luminance.
const MATRIX_DERIVED_CONSTANT: i32 = 13;
const MATRIX_ICTCP: i32 = 14;
/// YCgCo for integers, with two bits more than RGB, and with one.
const MATRIX_YCGCO_RE: i32 = 16;
const MATRIX_YCGCO_RO: i32 = 17;
/// Where chroma sits, one more than in H.273 (`AVChromaLocation`).
const LOCATION_LEFT: i32 = 1;
const LOCATION_TOP_LEFT: i32 = 3;
const LOCATION_TOP: i32 = 4;
const LOCATION_BOTTOM_LEFT: i32 = 5;
const LOCATION_BOTTOM: i32 = 6;
const PRIMARIES_BT709: i32 = 1;
const PRIMARIES_UNSPECIFIED: i32 = 2;
const PRIMARIES_BT2020: i32 = 9;
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
    if matches!(codes.matrix, MATRIX_DERIVED | MATRIX_DERIVED_CONSTANT) {
        let is_constant = codes.matrix == MATRIX_DERIVED_CONSTANT;
        codes.matrix = match (codes.primaries, is_constant) {
            (PRIMARIES_BT709, false) => MATRIX_BT709,
            (PRIMARIES_BT2020, false) => MATRIX_BT2020,
            (PRIMARIES_UNSPECIFIED, _) if is_hd => MATRIX_BT709,
            (PRIMARIES_UNSPECIFIED, _) => MATRIX_BT601,
            _ => codes.matrix,
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
    ColourCodes { range: RANGE_FULL, matrix: MATRIX_BT601, ..without_light(codes) }
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
    ColourCodes { range: RANGE_FULL, matrix: MATRIX_RGB, ..without_light(codes) }
}

/// Returns the codes without transfer and primaries: libswscale refuses some curves, and must not convert any.
const fn without_light(codes: ColourCodes) -> ColourCodes {
    ColourCodes { transfer: ColourCodes::UNSPECIFIED.transfer, primaries: PRIMARIES_UNSPECIFIED, ..codes }
}

/// Returns the codes for libswscale. libswscale does not convert between equal matrices.
pub(in crate::media) fn for_scaler(codes: ColourCodes) -> ColourCodes {
    let plain = without_light(codes);
    if own_components(codes).is_some() { ColourCodes { matrix: MATRIX_BT709, ..plain } } else { plain }
}

/// Returns the column of chroma samples in 4:2:0. Undeclared chroma is treated as centred, as in libswscale.
pub(in crate::media) const fn chroma_column(codes: ColourCodes) -> ChromaColumn {
    match codes.chroma_location {
        LOCATION_LEFT | LOCATION_TOP_LEFT | LOCATION_BOTTOM_LEFT => ChromaColumn::Left,
        _ => ChromaColumn::Centre,
    }
}

/// Returns the offset of the row of chroma of which one quarter is added so that samples lie between their rows of luma; 0 where they do.
pub(in crate::media) const fn chroma_row_shift(codes: ColourCodes) -> isize {
    match codes.chroma_location {
        LOCATION_TOP_LEFT | LOCATION_TOP => 1,
        LOCATION_BOTTOM_LEFT | LOCATION_BOTTOM => -1,
        _ => 0,
    }
}

/// Returns the components that libswscale cannot convert.
fn own_components(codes: ColourCodes) -> Option<Components> {
    let primaries = Primaries::of_code(codes.primaries);
    // The curve of constant luminance is that of cameras.
    let is_camera = matches!(codes.transfer, 1 | 2 | 6 | 14 | 15);
    match codes.matrix {
        MATRIX_YCGCO => Some(Components::YCgCo),
        MATRIX_YCGCO_RE => Some(Components::YCgCoR { added_bits: 2 }),
        MATRIX_YCGCO_RO => Some(Components::YCgCoR { added_bits: 1 }),
        MATRIX_YDZDX => Some(Components::YDzDx),
        MATRIX_DERIVED => primaries.map(Components::of_primaries),
        MATRIX_BT2020_CONSTANT if is_camera => {
            Some(Components::ConstantLuminance(ConstantLuminance::new(Primaries::BT2020)))
        }
        MATRIX_DERIVED_CONSTANT if is_camera => {
            primaries.map(|primaries| Components::ConstantLuminance(ConstantLuminance::new(primaries)))
        }
        MATRIX_ICTCP if codes.transfer == TRANSFER_PQ => Some(Components::ICtCp(ICtCp::pq())),
        MATRIX_ICTCP if codes.transfer == TRANSFER_HLG => Some(Components::ICtCp(ICtCp::hlg())),
        _ => None,
    }
}

/// Returns the conversion to RGB of components that libswscale cannot convert.
pub(in crate::media) fn component_reader(codes: ColourCodes, layout: PixelLayout) -> Option<ComponentReader> {
    own_components(codes)
        .map(|components| ComponentReader::new(components, is_full_range(codes), layout.depth))
}

/// Returns whether the matrix can be converted into a picture.
pub(in crate::media) fn is_convertible(codes: ColourCodes) -> bool {
    codes.matrix == MATRIX_RGB || luma_weights(codes).is_some() || own_components(codes).is_some()
}

/// Returns the conversion that libswscale does not perform for these colours: HDR, SDR in primaries other than BT.709, and SDR with a
/// curve that a BT.709 screen does not have.
pub(in crate::media) fn light(codes: ColourCodes, peak_nits: Option<f32>) -> Option<Light> {
    let transfer = transfer(codes);
    let primaries = Primaries::of_code(codes.primaries);
    let keeps_signal = matches!(transfer, Transfer::Sdr | Transfer::Srgb);
    if keeps_signal && primaries.is_none_or(|primaries| primaries == Primaries::BT709) {
        return None;
    }
    // BT.2100 has no other primaries for HDR.
    let otherwise = if transfer.is_hdr() { Primaries::BT2020 } else { Primaries::BT709 };
    // Graphics are made for the screens of computers.
    let is_graphics = codes.matrix == MATRIX_RGB && !keeps_signal && !transfer.is_hdr();
    let output =
        if is_graphics || transfer == Transfer::Srgb { OutputCurve::Srgb } else { OutputCurve::Video };
    Some(Light { transfer, primaries: primaries.unwrap_or(otherwise), output, peak_nits })
}

/// Returns the curve of the signal (ITU-T H.273, table 3).
const fn transfer(codes: ColourCodes) -> Transfer {
    match codes.transfer {
        4 => Transfer::Gamma(Power::M),
        5 => Transfer::Gamma(Power::Bg),
        8 => Transfer::Linear,
        9 => Transfer::Log { decades: Decades::Two },
        10 => Transfer::Log { decades: Decades::TwoAndAHalf },
        13 => Transfer::Srgb,
        TRANSFER_PQ => Transfer::Pq,
        17 => Transfer::Cinema,
        TRANSFER_HLG => Transfer::Hlg,
        _ => Transfer::Sdr,
    }
}

pub(in crate::media) fn describe(codes: ColourCodes, dolby_vision_profile: Option<u8>) -> ColourInfo {
    let hdr = match (dolby_vision_profile, transfer(codes)) {
        (Some(5), _) => Some(HdrKind::DolbyVision5),
        (Some(_), _) => Some(HdrKind::DolbyVision),
        (None, Transfer::Pq) => Some(HdrKind::Pq),
        (None, Transfer::Hlg) => Some(HdrKind::Hlg),
        (None, _) => None,
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
        for (primaries, matrix) in [(1, MATRIX_BT709), (9, MATRIX_BT2020)] {
            assert_eq!(completed(MATRIX_DERIVED, primaries, (320, 240)).matrix, matrix);
        }
        for (width, matrix) in [(1920, MATRIX_BT709), (720, MATRIX_BT601)] {
            assert_eq!(completed(MATRIX_DERIVED, 2, (width, 480)).matrix, matrix);
            assert_eq!(completed(MATRIX_DERIVED_CONSTANT, 2, (width, 480)).matrix, matrix);
        }
        let film = completed(MATRIX_DERIVED, 8, (320, 240));
        assert!(
            matches!(own_components(film), Some(Components::Weighted { red, .. }) if (red - 0.2537).abs() < 1e-3)
        );
    }

    /// Red 1/2, green 1/4 and blue 3/4 in each matrix, limited range, 10 bits. scripts/colour_science.py computed the codes
    /// (`Space.codes`), those of lossless YCgCo are of H.273, equations 61 to 66, and have full range.
    #[test]
    fn each_matrix_has_its_own_equations() {
        let layout = PixelFormat::YUV420P10LE.layout().unwrap();
        // BT.709, BT.2020 and P3 with D65.
        let (hd, wide, p3) = (PRIMARIES_BT709, PRIMARIES_BT2020, 12);
        for (matrix, primaries, transfer, codes) in [
            (MATRIX_YCGCO, hd, 1, [447, 344, 400]),
            (MATRIX_BT2020_CONSTANT, wide, 14, [393, 724, 624]),
            (MATRIX_YDZDX, hd, 1, [283, 731, 625]),
            (MATRIX_DERIVED, p3, 1, [368, 708, 601]),
            (MATRIX_DERIVED_CONSTANT, p3, 1, [397, 733, 613]),
            (MATRIX_ICTCP, wide, TRANSFER_PQ, [522, 792, 398]),
            (MATRIX_ICTCP, wide, TRANSFER_HLG, [437, 784, 517]),
            (MATRIX_YCGCO_RE, hd, 1, [111, 417, 449]),
            (MATRIX_YCGCO_RO, hd, 1, [223, 321, 386]),
        ] {
            let is_lossless = matches!(matrix, MATRIX_YCGCO_RE | MATRIX_YCGCO_RO);
            let range = if is_lossless { RANGE_FULL } else { RANGE_LIMITED };
            let tagged = ColourCodes { range, matrix, transfer, primaries, ..ColourCodes::UNSPECIFIED };
            let reader = component_reader(complete(tagged, layout, (320, 240)), layout).unwrap();
            let found = reader.to_rgb(codes.map(|code| code << 6));
            for (found, expected) in found.into_iter().zip([0.5, 0.25, 0.75]) {
                let off = (f32::from(found) / 65_535.0 - expected).abs();
                // Steps of 10 bits, which the curve of PQ magnifies, or steps of 8 bits.
                assert!(off < 0.006, "matrix {matrix}, transfer {transfer}: {found} is {off} off");
            }
        }
    }

    /// Every matrix that libav names yields a picture, or an error that is not retried.
    #[test]
    fn each_matrix_is_converted_or_rejected() {
        let refused = |transfer| -> Vec<i32> {
            let convertible = |matrix: &i32| {
                let codes = completed(*matrix, 9, (1920, 1080));
                is_convertible(ColourCodes { transfer, ..codes })
            };
            (0..18).filter(|matrix| !convertible(matrix)).collect()
        };
        // IPT-C2, and what BT.2020 and BT.2100 define for the other kind of light only.
        assert_eq!(refused(14), [14, 15]);
        assert_eq!((refused(TRANSFER_PQ), refused(TRANSFER_HLG)), (vec![10, 13, 15], vec![10, 13, 15]));
    }

    #[test]
    fn light_other_than_bt709_is_converted() {
        let light_of = |primaries, transfer| {
            light(ColourCodes { primaries, transfer, ..ColourCodes::UNSPECIFIED }, None)
                .map(|light| (light.transfer, light.output))
        };
        assert_eq!(light_of(9, 14), Some((Transfer::Sdr, OutputCurve::Video)));
        assert_eq!(light_of(12, 13), Some((Transfer::Srgb, OutputCurve::Srgb)));
        assert_eq!(light_of(6, 6), Some((Transfer::Sdr, OutputCurve::Video)));
        // The curves of cameras, and that of computers, are shown as they are.
        for transfer in [1, 2, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!((light_of(1, transfer), light_of(2, transfer)), (None, None));
        }
        assert_eq!(light_of(1, 5), Some((Transfer::Gamma(Power::Bg), OutputCurve::Video)));
        assert_eq!(light_of(9, 16), Some((Transfer::Pq, OutputCurve::Video)));
        assert_eq!(light_of(2, 18), Some((Transfer::Hlg, OutputCurve::Video)));
        let graphics = ColourCodes { matrix: MATRIX_RGB, transfer: 4, ..ColourCodes::UNSPECIFIED };
        assert_eq!(light(graphics, None).map(|light| light.output), Some(OutputCurve::Srgb));
    }
}

//! Colour conversions that libswscale does not perform: transparency, primaries wider than BT.709, HDR, and matrices that are not based
//! on luma weights.
//!
//! The picture is scaled to 16 bits per component, and each of its rows is converted to packed RGB here.

use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::frame::colour;
use crate::picture::tone_map::ToneMap;

/// The opaque picture behind a transparent one.
const BACKGROUND: u16 = u16::MAX;

/// The conversion of a frame to RGB in BT.709.
pub(super) struct ViaRgb {
    /// Where the components are luma and two differences of YCgCo, whether they are full range.
    ycgco_is_full: Option<bool>,
    has_alpha: bool,
    tones: Option<ToneMap>,
}

impl ViaRgb {
    /// Creates the conversion for a frame in these colours, or returns `None` where libswscale does everything.
    pub(super) fn new(colour: ColourCodes, has_alpha: bool, tones: Option<ToneMap>) -> Option<Self> {
        let ycgco_is_full = colour::is_ycgco(colour).then(|| colour::is_full_range(colour));
        let is_needed = ycgco_is_full.is_some() || has_alpha || tones.is_some();
        is_needed.then_some(Self { ycgco_is_full, has_alpha, tones })
    }

    /// Returns the target of scaling: pixel format, bytes per pixel, and colours.
    pub(super) fn scaled_to(&self, codes: ColourCodes) -> (PixelFormat, usize, ColourCodes) {
        match (self.ycgco_is_full, self.has_alpha) {
            (Some(_), _) => (PixelFormat::AYUV64LE, 8, colour::for_scaler(codes)),
            (None, true) => (PixelFormat::RGBA64LE, 8, colour::rgb(codes)),
            (None, false) => (PixelFormat::RGB48LE, 6, colour::rgb(codes)),
        }
    }

    /// Converts a row to 8-bit BT.709 RGB.
    pub(super) fn map(&self, row: &[u8], out: &mut [u8]) {
        if let (None, false, Some(tones)) = (self.ycgco_is_full, self.has_alpha, &self.tones) {
            return tones.map(row, out);
        }
        let (pixels, _) = row.as_chunks::<8>();
        for (pixel, out) in pixels.iter().zip(out.chunks_exact_mut(3)) {
            let [a, b, c, d] = [0, 2, 4, 6].map(|at| u16::from_le_bytes([pixel[at], pixel[at + 1]]));
            let (rgb, alpha) = match self.ycgco_is_full {
                Some(is_full) => (ycgco_to_rgb([b, c, d], is_full), a),
                None => ([a, b, c], d),
            };
            let rgb = if self.has_alpha { rgb.map(|value| over_background(value, alpha)) } else { rgb };
            out.copy_from_slice(&match &self.tones {
                Some(tones) => tones.map_pixel(rgb),
                None => rgb.map(to_byte),
            });
        }
    }
}

/// Blends straight alpha over the background, in the numbers of the signal, like players and browsers.
fn over_background(value: u16, alpha: u16) -> u16 {
    const ONE: u64 = u16::MAX as u64;
    let (value, alpha) = (u64::from(value), u64::from(alpha));
    let sum = value * alpha + u64::from(BACKGROUND) * (ONE - alpha);
    u16::try_from((sum + ONE / 2) / ONE).unwrap_or(u16::MAX)
}

/// Converts YCgCo to RGB (ITU-T H.273, equations 47 to 50), 16 bits per component.
fn ycgco_to_rgb([y, cg, co]: [u16; 3], is_full: bool) -> [u16; 3] {
    // The 16-bit codes of zero and one (ITU-T H.273, 8.3).
    let (zero, luma, chroma) = if is_full { (0.0, 65_535.0, 65_535.0) } else { (4096.0, 56_064.0, 57_344.0) };
    let y = (f32::from(y) - zero) / luma;
    let [cg, co] = [cg, co].map(|value| (f32::from(value) - 32_768.0) / chroma);
    let t = y - cg;
    [t + co, y + cg, t - co].map(to_u16)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type first"
)]
fn to_u16(value: f32) -> u16 {
    (value.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16
}

/// Rounds to the nearest of 256 steps.
fn to_byte(value: u16) -> u8 {
    u8::try_from((u32::from(value) * 255 + 32_767) / 65_535).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(way: &ViaRgb, pixel: [u16; 4]) -> [u8; 3] {
        let row: Vec<u8> = pixel.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut out = [0; 3];
        way.map(&row, &mut out);
        out
    }

    #[test]
    fn a_pixel_is_composited_over_white() {
        let way = ViaRgb { ycgco_is_full: None, has_alpha: true, tones: None };
        assert_eq!(mapped(&way, [0xffff, 0, 0x8080, 0xffff]), [255, 0, 128]);
        assert_eq!(mapped(&way, [0xffff, 0, 0x1234, 0]), [255, 255, 255]);
        // Half of black over white.
        assert_eq!(mapped(&way, [0, 0, 0, 0x8000]), [127; 3]);
    }

    /// Red, green, blue and white by the equations of ITU-T H.273: Y = (R + 2 G + B) / 4, Cg = (2 G - R - B) / 4, Co = (R - B) / 2.
    #[test]
    fn ycgco_gives_the_colours_of_its_definition() {
        for (is_full, zero, luma, chroma) in
            [(true, 0.0, 65_535.0, 65_535.0), (false, 4096.0, 56_064.0, 57_344.0)]
        {
            let way = ViaRgb { ycgco_is_full: Some(is_full), has_alpha: false, tones: None };
            for rgb in
                [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0; 3], [0.0; 3], [0.2, 0.4, 0.6]]
            {
                let [r, g, b]: [f32; 3] = rgb;
                let (y, cg, co) = (r / 4.0 + g / 2.0 + b / 4.0, g / 2.0 - r / 4.0 - b / 4.0, (r - b) / 2.0);
                let code = |value: f32, scale: f32, zero: f32| to_u16((value * scale + zero) / 65_535.0);
                let pixel = [0, code(y, luma, zero), code(cg, chroma, 32_768.0), code(co, chroma, 32_768.0)];
                let expected = rgb.map(|value| to_byte(to_u16(value)));
                let found = mapped(&way, pixel);
                assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{rgb:?}: {found:?}");
            }
        }
    }
}

//! Colour conversions that libswscale does not perform: transparency, primaries wider than BT.709, HDR, and matrices that are not based
//! on luma weights.
//!
//! The picture is scaled to 16 bits per component, and each of its rows is converted to packed RGB here.

use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::pixel_format::PixelFormat;
use crate::media::frame::colour;
use crate::picture::Transparency;
use crate::picture::components::ComponentReader;
use crate::picture::tone_map::ToneMap;

/// The conversion of a frame to packed 8-bit pixels in BT.709.
pub(super) struct ViaRgb {
    /// The conversion of components that libswscale cannot convert.
    components: Option<ComponentReader>,
    /// Treatment of transparent pixels; `None` for formats without alpha.
    transparency: Option<Transparency>,
    tones: Option<ToneMap>,
}

impl ViaRgb {
    pub(super) const fn new(
        components: Option<ComponentReader>,
        transparency: Option<Transparency>,
        tones: Option<ToneMap>,
    ) -> Self {
        Self { components, transparency, tones }
    }

    /// Returns whether libswscale does everything.
    pub(super) const fn is_plain(&self) -> bool {
        self.components.is_none() && self.transparency.is_none() && self.tones.is_none()
    }

    /// Returns the target of scaling: pixel format, bytes per pixel, and colours.
    pub(super) fn scaled_to(&self, codes: ColourCodes) -> (PixelFormat, usize, ColourCodes) {
        match (self.components, self.transparency) {
            (Some(_), _) => (PixelFormat::AYUV64LE, 8, colour::for_scaler(codes)),
            (None, Some(_)) => (PixelFormat::RGBA64LE, 8, colour::rgb(codes)),
            (None, None) if self.tones.is_some() => (PixelFormat::RGB48LE, 6, colour::rgb(codes)),
            (None, None) => (PixelFormat::RGB24, 3, colour::rgb(codes)),
        }
    }

    /// Returns the bytes per pixel of the picture: red, green, blue, and kept alpha.
    pub(super) fn channels(&self) -> usize {
        if self.transparency == Some(Transparency::Keep) { 4 } else { 3 }
    }

    /// Converts a row to 8-bit BT.709 pixels.
    pub(super) fn map(&self, row: &[u8], out: &mut [u8]) {
        match (self.components, self.transparency, &self.tones) {
            (None, None, None) => return out.copy_from_slice(row),
            (None, None, Some(tones)) => return tones.map(row, out),
            _ => {}
        }
        let (pixels, _) = row.as_chunks::<8>();
        for (pixel, out) in pixels.iter().zip(out.chunks_exact_mut(self.channels())) {
            let [a, b, c, d] = [0, 2, 4, 6].map(|at| u16::from_le_bytes([pixel[at], pixel[at + 1]]));
            let (rgb, alpha) = match self.components {
                Some(reader) => (reader.to_rgb([b, c, d]), a),
                None => ([a, b, c], d),
            };
            let rgb = match &self.tones {
                Some(tones) => tones.map_pixel(rgb).map(|value| u16::from(value) * 257),
                None => rgb,
            };
            let rgb = match self.transparency {
                Some(Transparency::Over(background)) => over(rgb, alpha, background),
                Some(Transparency::Keep) | None => rgb,
            };
            // Alpha is the fourth, where there is room for it.
            let [r, g, b] = rgb;
            for (out, value) in out.iter_mut().zip([r, g, b, alpha]) {
                *out = to_byte(value);
            }
        }
    }
}

/// Blends straight alpha over the background, in the numbers of the signal, like players and browsers.
fn over(mut rgb: [u16; 3], alpha: u16, background: [u8; 3]) -> [u16; 3] {
    const ONE: u64 = u16::MAX as u64;
    for (value, behind) in rgb.iter_mut().zip(background) {
        let (shown, behind, alpha) = (u64::from(*value), u64::from(behind) * 257, u64::from(alpha));
        let sum = shown * alpha + behind * (ONE - alpha);
        *value = u16::try_from((sum + ONE / 2) / ONE).unwrap_or(u16::MAX);
    }
    rgb
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
        let way = ViaRgb::new(None, Some(Transparency::default()), None);
        assert_eq!(mapped(&way, [0xffff, 0, 0x8080, 0xffff]), [255, 0, 128]);
        assert_eq!(mapped(&way, [0xffff, 0, 0x1234, 0]), [255, 255, 255]);
        // Half of black over white.
        assert_eq!(mapped(&way, [0, 0, 0, 0x8000]), [127; 3]);
    }

    #[test]
    fn a_pixel_keeps_its_alpha_or_shows_a_background() {
        let keeping = ViaRgb::new(None, Some(Transparency::Keep), None);
        let row: Vec<u8> =
            [0xffff_u16, 0, 0x8080, 0x4040].iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut out = [0; 4];
        keeping.map(&row, &mut out);
        assert_eq!((out, keeping.channels()), ([255, 0, 128, 64], 4));
        let on_blue = ViaRgb::new(None, Some(Transparency::Over([0, 0, 255])), None);
        assert_eq!(mapped(&on_blue, [0xffff, 0, 0, 0]), [0, 0, 255]);
        assert_eq!(mapped(&on_blue, [0xffff, 0, 0, 0x8000]), [128, 0, 127]);
    }
}

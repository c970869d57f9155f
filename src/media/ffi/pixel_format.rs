//! Pixel formats by number, and their names.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use super::fields::{Ref, field};
use super::{constant_name, raw};

/// A number of `AVPixelFormat`; may be one that libav does not know (-1 is "none").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PixelFormat(pub(super) c_int);

impl PixelFormat {
    /// JFIF's 4:2:0. The "J" only means full range, for encoders and scalers that check nothing else.
    pub(crate) const YUVJ420P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P as c_int);
    /// 4:2:0 in limited range.
    pub(crate) const YUV420P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int);
    /// 4:2:0 in limited range, with alpha.
    pub(crate) const YUVA420P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUVA420P as c_int);
    /// 4:4:4 in limited range.
    #[cfg(test)]
    pub(crate) const YUV444P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV444P as c_int);
    /// 4:2:2 in limited range.
    #[cfg(test)]
    pub(crate) const YUV422P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV422P as c_int);
    /// One sample of chroma for 16 of luma, in limited range.
    #[cfg(test)]
    pub(crate) const YUV410P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV410P as c_int);
    /// 4:2:0 in ten bits, in limited range.
    #[cfg(test)]
    pub(crate) const YUV420P10LE: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P10LE as c_int);
    /// 4:2:2 in ten bits, in limited range.
    #[cfg(test)]
    pub(crate) const YUV422P10LE: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV422P10LE as c_int);
    /// Red, green and blue, a byte each.
    pub(crate) const RGB24: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_RGB24 as c_int);
    /// Alpha, luma and two colour differences, two bytes each, low byte first.
    pub(crate) const AYUV64LE: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_AYUV64LE as c_int);
    /// Red, green, blue and alpha, two bytes each, low byte first.
    pub(crate) const RGBA64LE: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_RGBA64LE as c_int);
    /// Red, green and blue, two bytes each, low byte first.
    pub(crate) const RGB48LE: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_RGB48LE as c_int);

    /// Creates a format from any number, known or not.
    #[cfg(test)]
    pub(crate) const fn from_number(number: c_int) -> Self {
        Self(number)
    }

    /// Returns FFmpeg's name.
    pub(crate) fn name(self) -> Option<&'static str> {
        // SAFETY: takes any number, and returns null or a constant of the table (libavutil/pixdesc.h).
        unsafe { constant_name(raw::av_get_pix_fmt_name, self.0) }
    }

    /// Returns the 4:2:0 format whose luma has the layout of this one-component format, or `None` where there is none.
    pub(crate) fn grey_in_colour(self) -> Option<Self> {
        use ffi::AVPixelFormat as F;
        let pairs = [
            (F::AV_PIX_FMT_GRAY8, F::AV_PIX_FMT_YUV420P),
            (F::AV_PIX_FMT_GRAY10LE, F::AV_PIX_FMT_YUV420P10LE),
            (F::AV_PIX_FMT_GRAY12LE, F::AV_PIX_FMT_YUV420P12LE),
            (F::AV_PIX_FMT_GRAY14LE, F::AV_PIX_FMT_YUV420P14LE),
            (F::AV_PIX_FMT_GRAY16LE, F::AV_PIX_FMT_YUV420P16LE),
        ];
        pairs
            .into_iter()
            .find_map(|(grey, colour)| (grey as c_int == self.0).then_some(Self(colour as c_int)))
    }

    /// Returns the layout of a component's samples. Returns `None` for palettes, mosaics, floating point, samples of more than 16 bits,
    /// formats whose pixels do not begin at a byte boundary, and `uyvyy411`.
    pub(crate) fn component(self, index: usize) -> Option<Component> {
        // SAFETY: takes any number, and returns null or an entry of a constant table.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(self.0) };
        // SAFETY: as returned by the previous call.
        let descriptor = unsafe { Ref::new(descriptor) }?;
        let flags = field!(descriptor, flags);
        let has = |flag: c_int| flags & u64::from(flag.cast_unsigned()) != 0;
        let others = [
            ffi::AV_PIX_FMT_FLAG_PAL,
            ffi::AV_PIX_FMT_FLAG_BITSTREAM,
            ffi::AV_PIX_FMT_FLAG_HWACCEL,
            ffi::AV_PIX_FMT_FLAG_BAYER,
            ffi::AV_PIX_FMT_FLAG_FLOAT,
        ];
        // The samples of this format are not equally spaced, contrary to its descriptor.
        let is_uneven = self.0 == ffi::AVPixelFormat::AV_PIX_FMT_UYYVYY411 as c_int;
        if is_uneven || index >= usize::from(field!(descriptor, nb_components)) || others.into_iter().any(has)
        {
            return None;
        }
        let component = *field!(descriptor, comp).get(index)?;
        let number = |value: c_int| usize::try_from(value).ok();
        let (shift, depth) = (u32::try_from(component.shift).ok()?, u32::try_from(component.depth).ok()?);
        let (bits, is_big_endian) = (shift.checked_add(depth)?, has(ffi::AV_PIX_FMT_FLAG_BE));
        if depth == 0 || bits > 16 {
            return None;
        }
        // A sample within one byte of a format with the high byte first lies in the low byte (av_read_image_line2 in libavutil/pixdesc.c).
        let offset = component.offset.checked_add(c_int::from(is_big_endian && bits <= 8))?;
        Some(Component {
            plane: number(component.plane)?,
            step: number(component.step)?.max(1),
            offset: number(offset)?,
            shift,
            depth,
            is_wide: bits > 8,
            is_big_endian,
        })
    }

    /// Returns the layout of the samples, or `None` for a format that libav does not know.
    pub(crate) fn layout(self) -> Option<PixelLayout> {
        // SAFETY: takes any number, and returns null or an entry of a constant table.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(self.0) };
        // SAFETY: as returned by the previous call.
        let descriptor = unsafe { Ref::new(descriptor) }?;
        let flags = field!(descriptor, flags);
        let has = |flag: c_int| flags & u64::from(flag.cast_unsigned()) != 0;
        let components = usize::from(field!(descriptor, nb_components));
        let depth = field!(descriptor, comp[0].depth);
        Some(PixelLayout {
            components,
            depth: u32::try_from(depth).unwrap_or(8),
            chroma_shift: match has(ffi::AV_PIX_FMT_FLAG_BAYER) {
                true => (1, 1),
                false => (field!(descriptor, log2_chroma_w), field!(descriptor, log2_chroma_h)),
            },
            has_alpha: has(ffi::AV_PIX_FMT_FLAG_ALPHA),
            is_rgb: has(ffi::AV_PIX_FMT_FLAG_RGB),
            is_planar: has(ffi::AV_PIX_FMT_FLAG_PLANAR),
            is_bit_packed: has(ffi::AV_PIX_FMT_FLAG_BITSTREAM),
            is_full_range_by_name: self.name().is_some_and(|name| name.starts_with("yuvj")),
        })
    }
}

/// The layout of the samples of a pixel format.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a format")]
pub(crate) struct PixelLayout {
    /// Components of a pixel, including alpha.
    pub(crate) components: usize,
    /// Bits of the first component.
    pub(crate) depth: u32,
    /// Binary logarithm of the number of luma samples that share a chroma sample, horizontally and vertically. For a mosaic of red, green
    /// and blue, the number of pixels after which it repeats.
    pub(crate) chroma_shift: (u8, u8),
    /// Pixels may be transparent.
    pub(crate) has_alpha: bool,
    /// Red, green and blue instead of luma and chroma.
    pub(crate) is_rgb: bool,
    /// Each component has its own plane (two planes for luma and interleaved chroma also count).
    pub(crate) is_planar: bool,
    /// Pixels do not begin at a byte boundary, so a row cannot be cropped at the left.
    pub(crate) is_bit_packed: bool,
    /// One of the JPEG formats.
    pub(crate) is_full_range_by_name: bool,
}

impl PixelLayout {
    /// Returns the size in pixels of the smallest unit, horizontally and vertically: a picture may only be cropped between units.
    pub(crate) const fn cut_step(self) -> (u32, u32) {
        // libavutil's shifts are at most 2.
        (1 << (self.chroma_shift.0 & 7), 1 << (self.chroma_shift.1 & 7))
    }
}

/// The layout of one component's samples in the rows of a plane (`AVComponentDescriptor` in libavutil/pixdesc.h).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component {
    /// The plane.
    pub(crate) plane: usize,
    /// Bytes from one sample to the next.
    step: usize,
    /// Bytes before the first sample.
    offset: usize,
    /// Bits below the lowest of the sample.
    shift: u32,
    /// Bits of a sample, 1 to 16.
    pub(crate) depth: u32,
    /// A sample has two bytes instead of one.
    is_wide: bool,
    /// The high byte comes first.
    is_big_endian: bool,
}

impl Component {
    /// Returns the bytes of a row up to the end of its last sample.
    pub(crate) const fn row_bytes(self, samples: usize) -> usize {
        let word = if self.is_wide { 2 } else { 1 };
        samples.saturating_sub(1).saturating_mul(self.step).saturating_add(self.offset).saturating_add(word)
    }

    /// Copies the samples of a row.
    pub(crate) fn read(self, row: &[u8], samples: &mut [u16]) {
        let words = row.get(self.offset..).unwrap_or_default().chunks(self.step);
        let mask = u16::MAX >> 16_u32.saturating_sub(self.depth).min(15);
        for (sample, word) in samples.iter_mut().zip(words) {
            *sample = (self.word(word) >> self.shift) & mask;
        }
    }

    /// Replaces the samples of a row, and keeps the other bits of their bytes.
    pub(crate) fn write(self, samples: &[u16], row: &mut [u8]) {
        let words = row.get_mut(self.offset..).unwrap_or_default().chunks_mut(self.step);
        let mask = (u16::MAX >> 16_u32.saturating_sub(self.depth).min(15)) << self.shift;
        for (sample, word) in samples.iter().zip(words) {
            let value = (self.word(word) & !mask) | ((sample << self.shift) & mask);
            match (self.is_wide, self.is_big_endian, word) {
                (false, _, [only, ..]) => *only = value.to_le_bytes()[0],
                (true, false, [low, high, ..]) => [*low, *high] = value.to_le_bytes(),
                (true, true, [high, low, ..]) => [*high, *low] = value.to_be_bytes(),
                _ => {}
            }
        }
    }

    const fn word(self, bytes: &[u8]) -> u16 {
        match (self.is_wide, self.is_big_endian, bytes) {
            (false, _, [only, ..]) => *only as u16,
            (true, false, [low, high, ..]) => u16::from_le_bytes([*low, *high]),
            (true, true, [high, low, ..]) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        }
    }
}

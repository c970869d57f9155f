//! Pixel formats by number, and their names.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use super::fields::{Ref, field};
use super::{constant_name, raw};

/// A number of `AVPixelFormat`; may be one that libav does not know (-1 is "none").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PixelFormat(pub(super) c_int);

impl PixelFormat {
    /// JFIF's 4:2:0. The "J" only says full range, for encoders and scalers that look at nothing else.
    pub(crate) const YUVJ420P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P as c_int);
    /// 4:2:0 in limited range.
    pub(crate) const YUV420P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P as c_int);
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

    /// FFmpeg's name.
    pub(crate) fn name(self) -> Option<&'static str> {
        // SAFETY: takes any number, and answers null or a constant of the table (libavutil/pixdesc.h).
        unsafe { constant_name(raw::av_get_pix_fmt_name, self.0) }
    }

    /// The format of 4:2:0 whose luma lies as the samples of this format of one component do; `None` where there is none.
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

    /// How the samples lie; `None` for a format that libav does not know.
    pub(crate) fn layout(self) -> Option<PixelLayout> {
        // SAFETY: takes any number, and answers null or an entry of a constant table.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(self.0) };
        // SAFETY: as the call before answered.
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
            is_big_endian: has(ffi::AV_PIX_FMT_FLAG_BE),
            is_bit_packed: has(ffi::AV_PIX_FMT_FLAG_BITSTREAM),
            is_full_range_by_name: self.name().is_some_and(|name| name.starts_with("yuvj")),
        })
    }
}

/// How the samples of a pixel format lie.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a format")]
pub(crate) struct PixelLayout {
    /// Components of a pixel, alpha among them.
    pub(crate) components: usize,
    /// Bits of the first component.
    pub(crate) depth: u32,
    /// Binary logarithm of how many luma samples share a chroma sample, across and down; of how many pixels a mosaic of red, green
    /// and blue repeats after.
    pub(crate) chroma_shift: (u8, u8),
    /// Pixels may be transparent.
    pub(crate) has_alpha: bool,
    /// Red, green and blue instead of luma and chroma.
    pub(crate) is_rgb: bool,
    /// Each component in a plane of its own (two planes for luma and interleaved chroma count too).
    pub(crate) is_planar: bool,
    /// High byte first, in samples of two bytes.
    pub(crate) is_big_endian: bool,
    /// Pixels that do not begin at a byte: a row cannot be cut off at the left.
    pub(crate) is_bit_packed: bool,
    /// One of the JPEG formats.
    pub(crate) is_full_range_by_name: bool,
}

impl PixelLayout {
    /// Pixels across and down that lie together: a picture may be cut between them only.
    pub(crate) const fn cut_step(self) -> (u32, u32) {
        // libavutil's shifts are at most 2.
        (1 << (self.chroma_shift.0 & 7), 1 << (self.chroma_shift.1 & 7))
    }
}

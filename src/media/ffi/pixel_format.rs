//! Pixel formats by number, and their names.

use std::ffi::c_int;

use ffmpeg_next::ffi;

use super::{constant_name, field, raw};

/// A number of `AVPixelFormat`; may be one that libav does not know (-1 is "none").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct PixelFormat(pub(super) c_int);

impl PixelFormat {
    /// JFIF's 4:2:0. The "J" only says full range, for encoders and scalers that look at nothing else.
    pub(in crate::media) const YUVJ420P: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P as c_int);
    pub(in crate::media) const RGB24: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_RGB24 as c_int);
    pub(in crate::media) const RGB48LE: Self = Self(ffi::AVPixelFormat::AV_PIX_FMT_RGB48LE as c_int);

    pub(in crate::media) fn name(self) -> Option<&'static str> {
        // SAFETY: takes any number, and answers null or a constant of the table (libavutil/pixdesc.h).
        unsafe { constant_name(raw::av_get_pix_fmt_name, self.0) }
    }

    pub(in crate::media) fn layout(self) -> Option<PixelLayout> {
        // SAFETY: takes any number, and answers null or an entry of a constant table.
        let descriptor = unsafe { raw::av_pix_fmt_desc_get(self.0) };
        if descriptor.is_null() {
            return None;
        }
        let flags = field!(descriptor, flags);
        let has = |flag: c_int| flags & u64::from(flag.cast_unsigned()) != 0;
        let components = usize::from(field!(descriptor, nb_components));
        let depth = field!(descriptor, comp)[0].depth;
        Some(PixelLayout {
            components,
            depth: u32::try_from(depth).unwrap_or(8),
            chroma_shift: (field!(descriptor, log2_chroma_w), field!(descriptor, log2_chroma_h)),
            is_rgb: has(ffi::AV_PIX_FMT_FLAG_RGB),
            is_planar: has(ffi::AV_PIX_FMT_FLAG_PLANAR),
            is_big_endian: has(ffi::AV_PIX_FMT_FLAG_BE),
            is_full_range_by_name: self.name().is_some_and(|name| name.starts_with("yuvj")),
        })
    }
}

/// How the samples of a pixel format lie.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a format")]
pub(in crate::media) struct PixelLayout {
    pub(in crate::media) components: usize,
    /// Bits of the first component.
    pub(in crate::media) depth: u32,
    /// Binary logarithm of how many luma samples share a chroma sample, across and down.
    pub(in crate::media) chroma_shift: (u8, u8),
    pub(in crate::media) is_rgb: bool,
    pub(in crate::media) is_planar: bool,
    pub(in crate::media) is_big_endian: bool,
    pub(in crate::media) is_full_range_by_name: bool,
}

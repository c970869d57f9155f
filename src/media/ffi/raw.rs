//! libav functions whose parameters the bindings type as enums, declared with the integers they are in C.
//!
//! A C `enum` without negative or large constants has the size and passing convention of `int` on every platform FFmpeg
//! builds for, so both declarations name the same function with the same interface.

use std::ffi::{c_char, c_int, c_uint};

use ffmpeg_next::ffi;

unsafe extern "C" {
    // libavutil/pixdesc.h
    pub(super) fn av_get_pix_fmt_name(format: c_int) -> *const c_char;
    pub(super) fn av_pix_fmt_desc_get(format: c_int) -> *const ffi::AVPixFmtDescriptor;
    pub(super) fn av_color_range_name(value: c_int) -> *const c_char;
    pub(super) fn av_color_space_name(value: c_int) -> *const c_char;
    pub(super) fn av_color_transfer_name(value: c_int) -> *const c_char;
    pub(super) fn av_color_primaries_name(value: c_int) -> *const c_char;
    pub(super) fn av_chroma_location_name(value: c_int) -> *const c_char;
    // libavutil/imgutils.h
    pub(super) fn av_image_get_buffer_size(format: c_int, width: c_int, height: c_int, align: c_int)
    -> c_int;
    pub(super) fn av_image_get_linesize(format: c_int, width: c_int, plane: c_int) -> c_int;
    pub(super) fn av_image_copy_to_buffer(
        destination: *mut u8,
        destination_size: c_int,
        source: *const *const u8,
        source_linesize: *const c_int,
        format: c_int,
        width: c_int,
        height: c_int,
        align: c_int,
    ) -> c_int;
    // libavcodec/codec.h, codec_desc.h, avcodec.h
    pub(super) fn avcodec_find_decoder(id: c_uint) -> *const ffi::AVCodec;
    pub(super) fn avcodec_descriptor_get(id: c_uint) -> *const ffi::AVCodecDescriptor;
    pub(super) fn avcodec_profile_name(id: c_uint, profile: c_int) -> *const c_char;
    pub(super) fn av_parser_init(id: c_uint) -> *mut ffi::AVCodecParserContext;
}

//! libav functions whose parameters the bindings type as enums, declared with integers, their type in C.
//!
//! A C `enum` without negative or large constants has the size and passing convention of `int` on every platform that FFmpeg supports.
//! Both declarations therefore name the same function with the same interface.
//!
//! Functions that take a `va_list` are also declared here, because each platform's bindings have another type for it. As a parameter it
//! is passed as one address: it is a pointer, or an array, or a struct that the caller copies and passes the address of (System V ABI
//! for x86-64, 3.5.7; Procedure Call Standard for the Arm 64-bit Architecture, B.4). On 32-bit Arm it is a struct of one pointer.

use std::ffi::{c_char, c_int, c_uint, c_void};

use ffmpeg_next::ffi;

unsafe extern "C" {
    // libavutil/pixdesc.h
    pub(super) fn av_get_pix_fmt_name(format: c_int) -> *const c_char;
    #[cfg(test)]
    pub(super) fn av_read_image_line2(
        samples: *mut c_void,
        data: *const *const u8,
        linesize: *const c_int,
        descriptor: *const ffi::AVPixFmtDescriptor,
        x: c_int,
        y: c_int,
        component: c_int,
        width: c_int,
        read_palette: c_int,
        sample_bytes: c_int,
    );
    pub(super) fn av_pix_fmt_desc_get(format: c_int) -> *const ffi::AVPixFmtDescriptor;
    pub(super) fn av_color_range_name(value: c_int) -> *const c_char;
    pub(super) fn av_color_space_name(value: c_int) -> *const c_char;
    pub(super) fn av_color_transfer_name(value: c_int) -> *const c_char;
    pub(super) fn av_color_primaries_name(value: c_int) -> *const c_char;
    pub(super) fn av_chroma_location_name(value: c_int) -> *const c_char;
    // libavutil/log.h
    pub(super) fn av_log_set_callback(
        callback: Option<unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *mut c_void)>,
    );
    pub(super) fn av_log_format_line2(
        context: *mut c_void,
        level: c_int,
        format: *const c_char,
        arguments: *mut c_void,
        line: *mut c_char,
        line_size: c_int,
        print_prefix: *mut c_int,
    ) -> c_int;
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
    // libavcodec/packet.h
    pub(super) fn av_packet_side_data_name(kind: c_uint) -> *const c_char;
}

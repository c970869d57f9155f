//! Decoders, and the JPEG encoder.

use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::slice;

use ffmpeg_next::ffi;

use super::frame::{ColourCodes, Frame};
use super::packet::Packet;
use super::pixel_format::PixelFormat;
use super::stream::{Stream, ratio};
use super::{AvError, field, int_field, set_field};
use crate::media::info::Ratio;

/// Owns an `AVCodecContext`.
pub(super) struct Context(NonNull<ffi::AVCodecContext>);

// SAFETY: owned alone; codec contexts may move between threads between calls, their worker threads are their own.
unsafe impl Send for Context {}

impl Context {
    pub(super) fn new(codec: *const ffi::AVCodec) -> Result<Self, AvError> {
        // SAFETY: a codec of libavcodec's list, or null for a context without one; a null answer is checked.
        NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    pub(super) const fn as_ptr(&self) -> *mut ffi::AVCodecContext {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: allocated in `new`, freed here only.
        unsafe { ffi::avcodec_free_context(&raw mut context) };
    }
}

pub(in crate::media) struct Decoder(Context);

/// What a decoder says when it is asked for a frame.
pub(in crate::media) enum Received {
    Frame,
    NeedsInput,
    Ended,
}

/// What an open decoder says of the pictures to come. Before the first packet this is what the container said, replaced
/// where the codec's configuration record says it too.
pub(in crate::media) struct Announced {
    pub(in crate::media) pixel_format: PixelFormat,
    /// -99 when unknown, as the level.
    pub(in crate::media) profile: i32,
    pub(in crate::media) level: i32,
    pub(in crate::media) colour: ColourCodes,
    pub(in crate::media) sample_aspect_ratio: Option<Ratio>,
    pub(in crate::media) has_b_frames: i32,
}

impl Decoder {
    /// Opens the decoder of a stream; `Ok(None)` when none is compiled in. `reorder_frames` are the frames that it holds back at
    /// least to put them in order; decoders that learn the number from the stream alone drop frames until they know it.
    pub(in crate::media) fn open(
        stream: Stream<'_>,
        threads: NonZeroUsize,
        max_pixels: u64,
        reorder_frames: u8,
    ) -> Result<Option<Self>, AvError> {
        let codec = stream.decoder();
        if codec.is_null() {
            return Ok(None);
        }
        let context = Context::new(codec)?;
        let pointer = context.as_ptr();
        // SAFETY: both are valid; the parameters are copied.
        AvError::check(unsafe { ffi::avcodec_parameters_to_context(pointer, stream.parameters()) })?;
        // Without it timestamps are not carried from packets to frames by their best guess.
        set_field!(pointer, pkt_timebase, stream.raw_time_base());
        // libavcodec compares the size padded for its blocks and edges. The caller compares the frame's own.
        let with_padding = max_pixels.saturating_add(max_pixels / 4).saturating_add(1 << 16);
        set_field!(pointer, max_pixels, i64::try_from(with_padding).unwrap_or(i64::MAX));
        set_field!(pointer, thread_count, c_int::try_from(threads.get()).unwrap_or(c_int::MAX));
        let reorder_frames = c_int::from(reorder_frames).max(field!(pointer, has_b_frames));
        set_field!(pointer, has_b_frames, reorder_frames);
        // Frames carry the mark of their packet (`Packet::set_mark`).
        #[cfg(ffmpeg_6_1)]
        {
            let copy_opaque = c_int::try_from(ffi::AV_CODEC_FLAG_COPY_OPAQUE).unwrap_or(0);
            let flags = field!(pointer, flags) | copy_opaque;
            set_field!(pointer, flags, flags);
        }
        // SAFETY: a context for this codec, not opened yet; no options.
        AvError::check(unsafe { ffi::avcodec_open2(pointer, codec, ptr::null_mut()) })?;
        Ok(Some(Self(context)))
    }

    pub(in crate::media) fn announced(&self) -> Announced {
        let context = self.0.as_ptr();
        let colour = ColourCodes {
            range: int_field!(context, color_range),
            matrix: int_field!(context, colorspace),
            transfer: int_field!(context, color_trc),
            primaries: int_field!(context, color_primaries),
            chroma_location: int_field!(context, chroma_sample_location),
        };
        Announced {
            pixel_format: PixelFormat(int_field!(context, pix_fmt)),
            profile: field!(context, profile),
            level: field!(context, level),
            colour: colour.sanitised(),
            sample_aspect_ratio: ratio(field!(context, sample_aspect_ratio)).positive(),
            has_b_frames: field!(context, has_b_frames),
        }
    }

    /// Whether frames that no other frame needs are left out.
    pub(in crate::media) fn skip_non_reference(&mut self, skip: bool) {
        let discard = if skip { ffi::AVDiscard::AVDISCARD_NONREF } else { ffi::AVDiscard::AVDISCARD_DEFAULT };
        set_field!(self.0.as_ptr(), skip_frame, discard);
    }

    /// Whether the decoder has no size, as after one that it refused.
    pub(in crate::media) fn has_no_size(&self) -> bool {
        field!(self.0.as_ptr(), width) == 0 && field!(self.0.as_ptr(), coded_width) == 0
    }

    /// Gives the decoder a packet, or tells it with `None` that there are no more. [`AvError::AGAIN`] means that frames
    /// must be taken first.
    pub(in crate::media) fn send(&mut self, packet: Option<&Packet>) -> Result<(), AvError> {
        let packet = packet.map_or(ptr::null(), |packet| packet.as_ptr().cast_const());
        // SAFETY: an open decoder; the packet is valid or null, and referenced or copied by the call.
        AvError::check(unsafe { ffi::avcodec_send_packet(self.0.as_ptr(), packet) })?;
        Ok(())
    }

    pub(in crate::media) fn receive(&mut self, frame: &mut Frame) -> Result<Received, AvError> {
        // SAFETY: an open decoder and a valid frame, which the call unreferences first.
        match AvError::check(unsafe { ffi::avcodec_receive_frame(self.0.as_ptr(), frame.as_mut_ptr()) }) {
            Ok(_) => Ok(Received::Frame),
            Err(AvError::AGAIN) => Ok(Received::NeedsInput),
            Err(AvError::EOF) => Ok(Received::Ended),
            Err(error) => Err(error),
        }
    }
}

/// Writes a 4:2:0 full-range frame as a JFIF file. `quantiser` is 2 (best) to 31.
pub(in crate::media) fn encode_jpeg(frame: &mut Frame, quantiser: c_int) -> Result<Vec<u8>, AvError> {
    // SAFETY: looks in a constant list.
    let codec = unsafe { ffi::avcodec_find_encoder(ffi::AVCodecID::AV_CODEC_ID_MJPEG) };
    if codec.is_null() {
        return Err(AvError::INVALID_ARGUMENT);
    }
    let context = Context::new(codec)?;
    let pointer = context.as_ptr();
    set_field!(pointer, width, c_int::try_from(frame.width()).map_err(|_| AvError::INVALID_ARGUMENT)?);
    set_field!(pointer, height, c_int::try_from(frame.height()).map_err(|_| AvError::INVALID_ARGUMENT)?);
    set_field!(pointer, pix_fmt, ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P);
    set_field!(pointer, color_range, ffi::AVColorRange::AVCOL_RANGE_JPEG);
    set_field!(pointer, time_base, ffi::AVRational { num: 1, den: 25 });
    // Square pixels said aloud make the encoder write the JFIF header (without it there is none).
    set_field!(pointer, sample_aspect_ratio, ffi::AVRational { num: 1, den: 1 });
    // QSCALE takes the quantiser as it is; BITEXACT leaves out the comment that names the library's version.
    let flags = field!(pointer, flags)
        | c_int::try_from(ffi::AV_CODEC_FLAG_QSCALE | ffi::AV_CODEC_FLAG_BITEXACT).unwrap_or(0);
    set_field!(pointer, flags, flags);
    set_field!(pointer, thread_count, 1);
    let quality = quantiser * ffi::FF_QP2LAMBDA;
    set_field!(pointer, global_quality, quality);
    // The standard Huffman tables (ITU-T T.81, Annex K) instead of a second pass over the picture for better ones: a tenth
    // of the time for a thirtieth of the size.
    // SAFETY: a context with a class first, terminated strings; the encoder's own options are searched too.
    AvError::check(unsafe {
        ffi::av_opt_set(
            pointer.cast::<c_void>(),
            c"huffman".as_ptr(),
            c"default".as_ptr(),
            c_int::try_from(ffi::AV_OPT_SEARCH_CHILDREN).unwrap_or(0),
        )
    })?;
    // SAFETY: a context for this codec, not opened yet; no options.
    AvError::check(unsafe { ffi::avcodec_open2(pointer, codec, ptr::null_mut()) })?;
    debug_assert_eq!(frame.format(), PixelFormat::YUVJ420P);
    frame.set_quality(quality);
    frame.set_square_pixels();
    // SAFETY: an open encoder, and a frame of the size and format it was opened with.
    AvError::check(unsafe { ffi::avcodec_send_frame(pointer, frame.as_ptr()) })?;
    // SAFETY: null ends the stream.
    AvError::check(unsafe { ffi::avcodec_send_frame(pointer, ptr::null()) })?;
    let packet = Packet::new()?;
    // SAFETY: an open encoder and a blank packet.
    AvError::check(unsafe { ffi::avcodec_receive_packet(pointer, packet.as_ptr()) })?;
    let (bytes, size) = (field!(packet.as_ptr(), data), field!(packet.as_ptr(), size));
    let size = usize::try_from(size).map_err(|_| AvError::INVALID_DATA)?;
    if bytes.is_null() {
        return Err(AvError::INVALID_DATA);
    }
    // SAFETY: the encoder filled `size` bytes, which the packet holds.
    Ok(unsafe { slice::from_raw_parts(bytes, size) }.to_vec())
}

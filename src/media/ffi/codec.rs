//! Decoders, and the JPEG encoder.

use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::time::Duration;

use ffmpeg_next::ffi;

use super::fields::{Ref, field, int_field};
use super::frame::{ColourCodes, Frame};
use super::log;
use super::packet::Packet;
use super::pixel_format::PixelFormat;
use super::stream::Stream;
use super::threads::Workers;
use super::{AvError, Rational};

/// Owns an `AVCodecContext`.
pub(super) struct Context(NonNull<ffi::AVCodecContext>);

// SAFETY: owned alone; codec contexts may move between threads between calls, their worker threads are their own.
unsafe impl Send for Context {}

impl Context {
    /// # Safety
    /// `codec` is null, or one of libavcodec's list.
    unsafe fn new(codec: *const ffi::AVCodec) -> Result<Self, AvError> {
        // SAFETY: guaranteed by the caller; null is checked.
        NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) }).map(Self).ok_or(AvError::NO_MEMORY)
    }

    /// Creates a context that only contains parameters.
    pub(super) fn without_codec() -> Result<Self, AvError> {
        // SAFETY: null is allowed.
        unsafe { Self::new(ptr::null()) }
    }

    /// Returns the context's own fields, before the context contains any data of a file.
    ///
    /// # Safety
    /// Only [`new`](Self::new) was called with the context: libavcodec has then set every field to a constant, and the enums among
    /// the fields are valid.
    const unsafe fn fresh(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: allocated and initialised, guaranteed by the caller with valid values, and borrowed with `&mut self`.
        unsafe { self.0.as_mut() }
    }

    const fn view(&self) -> Ref<'_, ffi::AVCodecContext> {
        // SAFETY: avcodec_alloc_context3 initialised it, and `Drop` frees it. libavcodec writes to it in calls that take
        // `&mut` of the owner; worker threads have contexts of their own (libavcodec/pthread_frame.c).
        unsafe { Ref::from_owner(self.0) }
    }

    pub(super) const fn as_mut_ptr(&mut self) -> *mut ffi::AVCodecContext {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: allocated in `new`, freed only here.
        unsafe { ffi::avcodec_free_context(&raw mut context) };
    }
}

/// An open decoder.
pub(crate) struct Decoder {
    context: Context,
    workers: Workers,
}

/// The result of a request for a frame.
pub(crate) enum Received {
    /// The frame was written.
    Frame,
    /// A packet must be sent first.
    NeedsInput,
    /// There are no more frames.
    Ended,
}

/// The properties of the pictures to come, as an open decoder reports them. Before the first packet, these are the container's
/// values, or those of the codec's configuration record where it contains them.
pub(crate) struct Announced {
    /// Width and height, cropped; 0 when unknown.
    pub(crate) size: (u32, u32),
    /// The pixel format.
    pub(crate) pixel_format: PixelFormat,
    /// The codec's profile; -99 when unknown.
    pub(crate) profile: i32,
    /// The codec's level; -99 when unknown.
    pub(crate) level: i32,
    /// Colour properties, with codes that libav knows.
    pub(crate) colour: ColourCodes,
    /// Width of a pixel divided by its height.
    pub(crate) sample_aspect_ratio: Option<Rational>,
    /// Number of frames that the decoder holds back for reordering.
    pub(crate) has_b_frames: i32,
}

/// The options for opening a decoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecoderOptions {
    /// Number of decoding threads.
    pub(crate) threads: NonZeroUsize,
    /// Maximum pixels of a frame.
    pub(crate) max_pixels: u64,
    /// Minimum number of frames that the decoder holds back for reordering. Decoders that learn the number from the stream alone drop
    /// frames until they know it.
    pub(crate) reorder_frames: u8,
    /// The version of x264 that encoded the stream. The decoder works around the errors of this version. x264 writes the version into
    /// the first packet, where the decoder finds it without this option.
    pub(crate) x264_build: Option<u32>,
}

impl DecoderOptions {
    /// Returns options with one thread, and with no information beyond the stream's parameters.
    pub(crate) const fn single_threaded(max_pixels: u64) -> Self {
        Self { threads: NonZeroUsize::MIN, max_pixels, reorder_frames: 0, x264_build: None }
    }
}

impl Decoder {
    /// Opens the decoder of a stream. Returns `Ok(None)` when no permitted decoder is compiled in.
    pub(crate) fn open(stream: Stream<'_>, options: DecoderOptions) -> Result<Option<Self>, AvError> {
        let DecoderOptions { threads, max_pixels, reorder_frames, x264_build } = options;
        log::forget();
        let Some(codec) = stream.decoder() else { return Ok(None) };
        let codec = codec.as_ptr().cast_const();
        // SAFETY: from libavcodec's list.
        let mut context = unsafe { Context::new(codec) }?;
        // SAFETY: newly allocated.
        let fields = unsafe { context.fresh() };
        // Without the time base, the best guess of timestamps is not carried from packets to frames.
        fields.pkt_timebase = stream.raw_time_base();
        // libavcodec compares the size padded for its blocks and edges. The caller compares the frame's own size.
        let with_padding = max_pixels.saturating_add(max_pixels / 4).saturating_add(1 << 16);
        fields.max_pixels = i64::try_from(with_padding).unwrap_or(i64::MAX);
        // Edges are cropped as the stream specifies, and not at multiples that suit the processor.
        fields.flags |= c_int::try_from(ffi::AV_CODEC_FLAG_UNALIGNED).unwrap_or(0);
        fields.thread_count = c_int::try_from(threads.get()).unwrap_or(c_int::MAX);
        // SAFETY: both are valid; the parameters are copied.
        AvError::check(unsafe {
            ffi::avcodec_parameters_to_context(context.as_mut_ptr(), stream.parameters())
        })?;
        // The parameters may know a larger number.
        let reorder_frames = c_int::from(reorder_frames).max(field!(context.view(), has_b_frames));
        // SAFETY: a field of a context that no other code refers to; no reference to the whole is made, whose enums come from
        // the file by now.
        unsafe { (*context.as_mut_ptr()).has_b_frames = reorder_frames };
        if let Some(build) = x264_build {
            // SAFETY: a context with a class first, and a terminated string. The H.264 decoder has the option (libavcodec/h264dec.c);
            // others return an error, which changes nothing.
            unsafe {
                ffi::av_opt_set_int(
                    context.as_mut_ptr().cast::<c_void>(),
                    c"x264_build".as_ptr(),
                    i64::from(build),
                    c_int::try_from(ffi::AV_OPT_SEARCH_CHILDREN).unwrap_or(0),
                )
            };
        }
        let pointer = context.as_mut_ptr();
        // SAFETY: a context for this codec, not opened yet, and opened once; no options.
        let open = || unsafe { ffi::avcodec_open2(pointer, codec, ptr::null_mut()) };
        let (code, workers) =
            if threads == NonZeroUsize::MIN { (open(), Workers::NONE) } else { Workers::started_by(open) };
        AvError::check(code)?;
        Ok(Some(Self { context, workers }))
    }

    /// Returns the CPU time that the decoder's own threads have used.
    pub(crate) fn cpu_time_of_threads(&self) -> Duration {
        self.workers.cpu_time()
    }

    /// Returns the pixels of a picture, as far as the decoder knows them.
    pub(crate) fn pixels(&self) -> u64 {
        let side = |pixels: c_int| u64::try_from(pixels).unwrap_or(0);
        side(field!(self.context.view(), width)).saturating_mul(side(field!(self.context.view(), height)))
    }

    /// Returns the properties of the pictures to come.
    pub(crate) fn announced(&self) -> Announced {
        let context = self.context.view();
        let colour = ColourCodes {
            range: int_field!(context, color_range),
            matrix: int_field!(context, colorspace),
            transfer: int_field!(context, color_trc),
            primaries: int_field!(context, color_primaries),
            chroma_location: int_field!(context, chroma_sample_location),
        };
        let side = |pixels: c_int| u32::try_from(pixels).unwrap_or(0);
        Announced {
            size: (side(field!(context, width)), side(field!(context, height))),
            pixel_format: PixelFormat(int_field!(context, pix_fmt)),
            profile: field!(context, profile),
            level: field!(context, level),
            colour: colour.sanitised(),
            sample_aspect_ratio: Rational::from(field!(context, sample_aspect_ratio)).positive(),
            has_b_frames: field!(context, has_b_frames),
        }
    }

    /// Sets whether the decoder skips frames that no other frame needs.
    pub(crate) fn skip_non_reference(&mut self, skip: bool) {
        let discard = if skip { ffi::AVDiscard::AVDISCARD_NONREF } else { ffi::AVDiscard::AVDISCARD_DEFAULT };
        // SAFETY: an open decoder between two calls; the user sets the field at any time (libavcodec/avcodec.h).
        unsafe { (*self.context.as_mut_ptr()).skip_frame = discard };
    }

    /// Returns whether the decoder has no size, as after a rejected size.
    pub(crate) fn has_no_size(&self) -> bool {
        field!(self.context.view(), width) == 0 && field!(self.context.view(), coded_width) == 0
    }

    /// Returns the frames per second that the stream declares; a zero where it declares none.
    pub(crate) fn frame_rate(&self) -> Rational {
        field!(self.context.view(), framerate).into()
    }

    /// Sends a packet to the decoder, or the end of the stream with `None`. [`AvError::AGAIN`] means that frames must be received
    /// first.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<(), AvError> {
        log::forget();
        let packet = packet.map_or(ptr::null(), Packet::as_ptr);
        // SAFETY: an open decoder; the packet is valid or null, and referenced or copied by the call.
        AvError::check(unsafe { ffi::avcodec_send_packet(self.context.as_mut_ptr(), packet) })?;
        Ok(())
    }

    /// Receives the next frame, in presentation order.
    pub(crate) fn receive(&mut self, frame: &mut Frame) -> Result<Received, AvError> {
        log::forget();
        // SAFETY: an open decoder and a valid frame, which the call unreferences first.
        match AvError::check(unsafe {
            ffi::avcodec_receive_frame(self.context.as_mut_ptr(), frame.as_mut_ptr())
        }) {
            Ok(_) => Ok(Received::Frame),
            Err(AvError::AGAIN) => Ok(Received::NeedsInput),
            Err(AvError::EOF) => Ok(Received::Ended),
            Err(error) => Err(error),
        }
    }
}

/// Encodes a 4:2:0 full-range frame as a JFIF file. `quantiser` is 2 (best) to 31.
pub(crate) fn encode_jpeg(frame: &mut Frame, quantiser: c_int) -> Result<Vec<u8>, AvError> {
    log::forget();
    // SAFETY: looks in a constant list.
    let codec = unsafe { ffi::avcodec_find_encoder(ffi::AVCodecID::AV_CODEC_ID_MJPEG) };
    if codec.is_null() {
        return Err(AvError::INVALID_ARGUMENT);
    }
    let side = |pixels: u32| c_int::try_from(pixels).map_err(|_| AvError::INVALID_ARGUMENT);
    let quality = quantiser * ffi::FF_QP2LAMBDA;
    // SAFETY: not null, and from libavcodec's list.
    let mut context = unsafe { Context::new(codec) }?;
    // SAFETY: newly allocated.
    let fields = unsafe { context.fresh() };
    fields.width = side(frame.width())?;
    fields.height = side(frame.height())?;
    fields.pix_fmt = ffi::AVPixelFormat::AV_PIX_FMT_YUVJ420P;
    fields.color_range = ffi::AVColorRange::AVCOL_RANGE_JPEG;
    fields.time_base = ffi::AVRational { num: 1, den: 25 };
    // With explicit square pixels, the encoder writes the JFIF header, and otherwise no header.
    fields.sample_aspect_ratio = ffi::AVRational { num: 1, den: 1 };
    // QSCALE applies the quantiser unchanged. BITEXACT omits the comment with the library's version.
    fields.flags |= c_int::try_from(ffi::AV_CODEC_FLAG_QSCALE | ffi::AV_CODEC_FLAG_BITEXACT).unwrap_or(0);
    fields.thread_count = 1;
    fields.global_quality = quality;
    let pointer = context.as_mut_ptr();
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
    let mut packet = Packet::new()?;
    // SAFETY: an open encoder and a blank packet.
    AvError::check(unsafe { ffi::avcodec_receive_packet(pointer, packet.as_mut_ptr()) })?;
    if packet.bytes().is_empty() {
        return Err(AvError::INVALID_DATA);
    }
    Ok(packet.bytes().to_vec())
}

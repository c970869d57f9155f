//! Parsers: properties of a picture from the first bytes of its packet, without decoding.

use std::ptr::{self, NonNull};

use ffmpeg_next::ffi;

use super::codec::Context;
use super::fields::{Ref, field, int_field};
use super::frame::PictureType;
use super::packet::Packet;
use super::stream::Stream;
use super::{AvError, raw};

/// The part of a frame that a packet contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureStructure {
    /// The parser does not report it, or the packet has no picture.
    Unknown,
    /// A whole frame, or both of its fields.
    Frame,
    /// The field with the uppermost row.
    TopField,
    /// The other field.
    BottomField,
}

/// A parser's report about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParsedPicture {
    /// The part of a frame.
    pub(crate) structure: PictureStructure,
    /// The coding type; [`PictureType::Unknown`] where the parser does not report it.
    pub(crate) picture_type: PictureType,
    /// Whether the codec marks the picture as a keyframe; `None` where the parser does not report it.
    pub(crate) is_key: Option<bool>,
}

impl ParsedPicture {
    const UNKNOWN: Self =
        Self { structure: PictureStructure::Unknown, picture_type: PictureType::Unknown, is_key: None };
}

/// Owns an `AVCodecParserContext`.
struct ParserContext(NonNull<ffi::AVCodecParserContext>);

impl Drop for ParserContext {
    fn drop(&mut self) {
        // SAFETY: allocated by av_parser_init in `Parser::open`, freed only here.
        unsafe { ffi::av_parser_close(self.0.as_ptr()) };
    }
}

/// A parser of one stream's packets.
///
/// The parser keeps parameter sets in packets (H.264 in a transport stream) from one packet to the next. Pass the
/// packets in file order, with the keyframe before the packets of interest.
pub(crate) struct Parser {
    parser: ParserContext,
    /// The parser reads the codec's configuration record here, and writes the sizes that it finds.
    codec: Context,
}

// SAFETY: both contexts are owned alone. A parser context is a plain struct with a codec's private state behind it; no
// parser keeps a tie to the thread that made it, and every use goes through `&mut self`.
unsafe impl Send for Parser {}

impl Parser {
    /// Opens a parser for whole packets of the stream. Returns `Ok(None)` when no parser for its codec is compiled in.
    pub(crate) fn open(stream: Stream<'_>) -> Result<Option<Self>, AvError> {
        // SAFETY: takes any number, and returns null or a context that we own (libavcodec/avcodec.h).
        let parser = unsafe { raw::av_parser_init(stream.codec_id()) };
        let Some(parser) = NonNull::new(parser).map(ParserContext) else { return Ok(None) };
        // SAFETY: newly allocated, and no other code has it; the user sets the flag (libavcodec/avcodec.h).
        unsafe { (*parser.0.as_ptr()).flags = ffi::PARSER_FLAG_COMPLETE_FRAMES };
        let mut codec = Context::without_codec()?;
        // SAFETY: both are valid; the parameters are copied, the configuration record with its padding.
        AvError::check(unsafe {
            ffi::avcodec_parameters_to_context(codec.as_mut_ptr(), stream.parameters())
        })?;
        Ok(Some(Self { parser, codec }))
    }

    const fn view(&self) -> Ref<'_, ffi::AVCodecParserContext> {
        // SAFETY: av_parser_init initialised it, and `Drop` frees it; the parser writes to it in `parse` alone.
        unsafe { Ref::from_owner(self.parser.0) }
    }

    /// Parses a packet's headers.
    pub(crate) fn parse(&mut self, packet: &Packet) -> ParsedPicture {
        let parser = self.parser.0.as_ptr();
        let (bytes, size) = packet.data();
        if bytes.is_null() || size <= 0 {
            return ParsedPicture::UNKNOWN;
        }
        // Some parsers leave these as the packet before had them when they find nothing.
        // SAFETY: the parser's own context, not used elsewhere, and a constant of the field's type.
        unsafe {
            (*parser).picture_structure = ffi::AVPictureStructure::AV_PICTURE_STRUCTURE_UNKNOWN;
        };
        // SAFETY: as above; 0 is no type of picture (libavutil/avutil.h, AV_PICTURE_TYPE_NONE).
        unsafe { (*parser).pict_type = 0 };
        // SAFETY: as above; -1 is what av_parser_init sets.
        unsafe { (*parser).key_frame = -1 };
        let (mut out, mut out_size) = (ptr::null_mut(), 0);
        // SAFETY: a parser and a context of one codec, as `open` made them. The packet has `size` bytes, and libav
        // allocates every packet's data with the zeroed padding that parsers ask for (libavcodec/packet.h). The parser
        // answers with a pointer into the same bytes, which is not used; it keeps none of them, because it was told that
        // packets are whole.
        unsafe {
            ffi::av_parser_parse2(
                parser,
                self.codec.as_mut_ptr(),
                &raw mut out,
                &raw mut out_size,
                bytes,
                size,
                ffi::AV_NOPTS_VALUE,
                ffi::AV_NOPTS_VALUE,
                0,
            )
        };
        ParsedPicture {
            // AVPictureStructure (libavcodec/avcodec.h).
            structure: match int_field!(self.view(), picture_structure) {
                1 => PictureStructure::TopField,
                2 => PictureStructure::BottomField,
                3 => PictureStructure::Frame,
                _ => PictureStructure::Unknown,
            },
            picture_type: PictureType::from_code(field!(self.view(), pict_type)),
            is_key: match field!(self.view(), key_frame) {
                0 => Some(false),
                1 => Some(true),
                _ => None,
            },
        }
    }
}

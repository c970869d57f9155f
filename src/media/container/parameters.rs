//! The known properties of a video stream's pictures before a sample is read: the container's values, and the additions from the codec's
//! configuration record. `avformat_find_stream_info` would decode samples to learn the same.

use crate::media::container::h264_sps::Sps;
use crate::media::container::picture_headers::PictureHeader;
use crate::media::ffi::codec::{Decoder, DecoderOptions};
use crate::media::ffi::frame::ColourCodes;
use crate::media::ffi::stream::Stream;
use crate::media::info::Ratio;

/// Number of streams that get a decoder for their description: opening one takes up to a millisecond, and a file may have a hundred
/// streams.
const MAX_STREAMS: usize = 16;
/// Maximum pixels of the pictures of all described streams together, in pictures of the largest allowed size. Some decoders allocate their
/// pictures when they are opened (ZMBV, VP3, SVQ3), which takes 130 ms for an 8K picture.
const MAX_PICTURES: u64 = 2;
/// Maximum total size of the configuration records that decoders receive. A record has a few hundred bytes. Longer records contain many
/// parameter sets, and a decoder keeps each of them.
const MAX_RECORD_BYTES: usize = 256 << 10;
/// `AV_PROFILE_UNKNOWN` and `AV_LEVEL_UNKNOWN` (libavcodec/defs.h).
pub(super) const UNKNOWN: i32 = -99;

/// The properties of a stream's pictures.
pub(in crate::media) struct Configuration {
    pub(in crate::media) size: (u32, u32),
    pub(in crate::media) pixel_format: Option<String>,
    pub(in crate::media) profile: i32,
    pub(in crate::media) level: i32,
    pub(in crate::media) colour: ColourCodes,
    pub(in crate::media) sample_aspect_ratio: Option<Ratio>,
    pub(in crate::media) field_order: Option<&'static str>,
    pub(in crate::media) has_b_frames: i32,
}

/// The remaining cost allowance for describing the streams of one file.
pub(in crate::media) struct Allowance {
    /// Maximum pixels of one picture.
    max_pixels: u64,
    pixels: u64,
    record_bytes: usize,
}

impl Allowance {
    /// Creates the allowance for a file whose pictures have at most `max_pixels` pixels.
    pub(in crate::media) const fn new(max_pixels: u64) -> Self {
        let pixels = max_pixels.saturating_mul(MAX_PICTURES);
        Self { max_pixels, pixels, record_bytes: MAX_RECORD_BYTES }
    }

    /// Takes the cost of opening the decoder of this stream. Returns `false` where too little is left.
    fn take(&mut self, stream: Stream<'_>) -> bool {
        let pixels = u64::from(stream.width()).saturating_mul(stream.height().into());
        let left =
            self.pixels.checked_sub(pixels).zip(self.record_bytes.checked_sub(stream.extradata().len()));
        if let Some(left) = left {
            (self.pixels, self.record_bytes) = left;
        }
        left.is_some()
    }
}

impl Configuration {
    /// Reads the configuration of a video stream, the `index`th stream of its file. `head` contains the first bytes of its first picture,
    /// as far as they were read.
    pub(in crate::media) fn of(
        stream: Stream<'_>,
        index: usize,
        head: &[u8],
        allowance: &mut Allowance,
    ) -> Self {
        let mut configuration = Self::of_container(stream);
        if configuration.pixel_format.is_some() {
            return configuration;
        }
        let codec = stream.codec_name().unwrap_or_default();
        if let Some(header) = PictureHeader::read(codec, stream.codec_tag(), head) {
            configuration.add_header(header);
        } else if index < MAX_STREAMS && allowance.take(stream) {
            if stream.codec_name() == Some("h264") {
                if let Some(sps) = Sps::find(stream.extradata()) {
                    configuration.add_sps(&sps);
                }
            } else if let Ok(Some(decoder)) =
                Decoder::open(stream, DecoderOptions::single_threaded(allowance.max_pixels))
            {
                configuration.add_decoder(&decoder);
            }
        }
        configuration
    }

    fn of_container(stream: Stream<'_>) -> Self {
        Self {
            size: (stream.width(), stream.height()),
            pixel_format: stream.pixel_format().name().map(str::to_owned),
            profile: stream.profile(),
            level: stream.level(),
            colour: stream.colour(),
            sample_aspect_ratio: stream.sample_aspect_ratio().map(Ratio::from),
            field_order: stream.field_order(),
            has_b_frames: stream.has_b_frames(),
        }
    }

    fn add_header(&mut self, header: PictureHeader) {
        self.pixel_format = header.pixel_format;
        self.add_profile(header.profile.unwrap_or(UNKNOWN), UNKNOWN);
        self.add_colour(header.colour);
        if header.is_progressive {
            self.field_order = self.field_order.or(Some("progressive"));
        }
    }

    fn add_decoder(&mut self, decoder: &Decoder) {
        let announced = decoder.announced();
        // Where the decoder reads no size from the configuration record, it has the container's.
        if announced.size.0 > 0 && announced.size.1 > 0 {
            self.size = announced.size;
        }
        self.pixel_format = announced.pixel_format.name().map(str::to_owned);
        self.add_profile(announced.profile, announced.level);
        self.add_colour(announced.colour);
        self.sample_aspect_ratio =
            self.sample_aspect_ratio.or(announced.sample_aspect_ratio.map(Ratio::from));
        self.has_b_frames = self.has_b_frames.max(announced.has_b_frames);
    }

    fn add_sps(&mut self, sps: &Sps) {
        self.size = sps.size_in(self.size);
        self.pixel_format = sps.pixel_format(self.colour);
        self.add_profile(sps.profile(), sps.level);
        self.add_colour(sps.colour.sanitised());
        self.sample_aspect_ratio = self.sample_aspect_ratio.or(sps.sample_aspect_ratio);
        if sps.frames_only {
            self.field_order = self.field_order.or(Some("progressive"));
        }
        self.has_b_frames = self.has_b_frames.max(sps.reorder_frames.unwrap_or(0));
    }

    fn add_profile(&mut self, profile: i32, level: i32) {
        if profile != UNKNOWN {
            self.profile = profile;
        }
        if level != UNKNOWN {
            self.level = level;
        }
    }

    /// Adds the codec's colours. The container's values take precedence: the range, the group of the three codes, and the position of
    /// chroma, as in `avformat_find_stream_info` (libavformat/demux.c, `parameters_from_context`).
    fn add_colour(&mut self, codes: ColourCodes) {
        let own = &mut self.colour;
        if own.range == 0 {
            own.range = codes.range;
        }
        if (own.primaries, own.transfer, own.matrix) == (2, 2, 2) {
            (own.primaries, own.transfer, own.matrix) = (codes.primaries, codes.transfer, codes.matrix);
        }
        if own.chroma_location == 0 {
            own.chroma_location = codes.chroma_location;
        }
    }
}

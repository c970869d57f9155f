//! The properties of a stream, read from `AVStream` and its codec parameters.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_uint};
use std::ptr::{self, NonNull};
use std::slice;

use ffmpeg_next::ffi;

use super::fields::{Ref, field, int_field};
use super::frame::{ColourCodes, Edges, parse_display_matrix};
use super::packet::timestamp;
use super::pixel_format::PixelFormat;
use super::{Rational, owned_string, raw, static_string};

/// The permitted decoders, regardless of what else a system's FFmpeg contains: those of the static libav (vendor/libav/components.txt),
/// by the names of libavcodec. FFmpeg's configure has other names for some of them: `eightbps` is `8bps`, `tscc` is `camtasia`.
pub(crate) const DECODERS: &CStr = c"h264,hevc,vvc,libdav1d,vp8,vp9,vp7,vp6,vp6a,vp6f,vp5,mpeg1video,mpeg2video,mpegvideo,mpeg4,h261,h263,h263i,h263p,flv,msmpeg4v1,msmpeg4v2,msmpeg4,wmv1,wmv2,wmv3,vc1,rv10,rv20,rv30,rv40,theora,vp3,mjpeg,mjpegb,prores,dnxhd,cfhd,apv,dvvideo,aic,speedhq,hap,dxv,hq_hqa,magicyuv,utvideo,lagarith,ffv1,ffvhuff,huffyuv,rawvideo,v210,v210x,r210,yuv4,svq1,svq3,cinepak,indeo2,indeo3,indeo4,indeo5,msvideo1,msrle,rpza,smc,qtrle,8bps,flashsv,flashsv2,zmbv,camtasia,camstudio,fraps,png,apng,gif,jpeg2000";

/// A stream of an open container, borrowed from it.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'c> {
    stream: Ref<'c, ffi::AVStream>,
    parameters: Ref<'c, ffi::AVCodecParameters>,
}

/// The kind of content of a stream (`AVMediaType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// Moving pictures, or a cover picture.
    Video,
    /// Audio.
    Audio,
    /// Other content with timestamps.
    Data,
    /// Text or pictures over the video.
    Subtitle,
    /// An attached file.
    Attachment,
    /// A kind that libavformat does not know.
    Unknown,
}

impl MediaType {
    /// Returns whether the content is video or audio.
    pub(crate) const fn is_audiovisual(self) -> bool {
        matches!(self, Self::Video | Self::Audio)
    }

    /// Returns whether the content is text or timed data.
    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Subtitle | Self::Data)
    }
}

/// The purpose of a stream: a set of `AV_DISPOSITION_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DispositionFlags(c_int);

macro_rules! dispositions {
    ($($name:ident = $flag:ident),+ $(,)?) => {
        $(pub(crate) const $name: Self = Self(ffi::$flag);)+
    };
}

impl DispositionFlags {
    dispositions! {
        DEFAULT = AV_DISPOSITION_DEFAULT,
        ATTACHED_PIC = AV_DISPOSITION_ATTACHED_PIC,
        TIMED_THUMBNAILS = AV_DISPOSITION_TIMED_THUMBNAILS,
        STILL_IMAGE = AV_DISPOSITION_STILL_IMAGE,
        HEARING_IMPAIRED = AV_DISPOSITION_HEARING_IMPAIRED,
        VISUAL_IMPAIRED = AV_DISPOSITION_VISUAL_IMPAIRED,
        DUB = AV_DISPOSITION_DUB,
        ORIGINAL = AV_DISPOSITION_ORIGINAL,
        COMMENT = AV_DISPOSITION_COMMENT,
        LYRICS = AV_DISPOSITION_LYRICS,
        KARAOKE = AV_DISPOSITION_KARAOKE,
        FORCED = AV_DISPOSITION_FORCED,
        CLEAN_EFFECTS = AV_DISPOSITION_CLEAN_EFFECTS,
    }

    /// Returns whether all of these flags are set.
    pub(crate) const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// Properties of an audio stream; `None` where only decoding would reveal them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AudioParameters {
    /// Samples per second.
    pub(crate) sample_rate: Option<u32>,
    /// Channels.
    pub(crate) channels: Option<u32>,
    /// libav's name of the channel layout (`stereo`), where it is more than a number of channels.
    pub(crate) channel_layout: Option<String>,
    /// Bits per coded sample, for uncompressed audio; otherwise 0.
    pub(crate) bits_per_sample: u32,
}

/// Properties of all streams of a codec (`AV_CODEC_PROP_*`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CodecProperties {
    /// Each frame is coded without other frames.
    pub(crate) intra_only: bool,
    /// The decoding order of frames may differ from their presentation order.
    pub(crate) reorder: bool,
}

impl<'c> Stream<'c> {
    /// Creates a stream. Returns `None` for null, and for a stream without parameters, which libavformat never creates.
    ///
    /// # Safety
    /// `stream` is null, or belongs to a container that lives, unchanged, for `'c`.
    pub(super) unsafe fn new(stream: *const ffi::AVStream) -> Option<Self> {
        // SAFETY: guaranteed by the caller.
        let stream = unsafe { Ref::new(stream) }?;
        let parameters = field!(stream, codecpar);
        // SAFETY: libavformat allocates the parameters with the stream, and frees them with it (libavformat/avformat.h).
        let parameters = unsafe { Ref::new(parameters) }?;
        Some(Self { stream, parameters })
    }

    pub(super) const fn parameters(self) -> *const ffi::AVCodecParameters {
        self.parameters.as_ptr()
    }

    pub(super) fn raw_time_base(self) -> ffi::AVRational {
        field!(self.stream, time_base)
    }

    /// Returns the seconds in one tick.
    pub(crate) fn time_base(self) -> Rational {
        self.raw_time_base().into()
    }

    /// Returns the container's identifier of the stream (MP4 track id, PID); 0 where it has none.
    pub(crate) fn id(self) -> i32 {
        field!(self.stream, id)
    }

    /// Returns the kind of content.
    pub(crate) fn kind(self) -> MediaType {
        const VIDEO: c_int = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int;
        const AUDIO: c_int = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO as c_int;
        const DATA: c_int = ffi::AVMediaType::AVMEDIA_TYPE_DATA as c_int;
        const SUBTITLE: c_int = ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE as c_int;
        const ATTACHMENT: c_int = ffi::AVMediaType::AVMEDIA_TYPE_ATTACHMENT as c_int;
        match int_field!(self.parameters, codec_type) {
            VIDEO => MediaType::Video,
            AUDIO => MediaType::Audio,
            DATA => MediaType::Data,
            SUBTITLE => MediaType::Subtitle,
            ATTACHMENT => MediaType::Attachment,
            _ => MediaType::Unknown,
        }
    }

    /// Returns the codec's number in libavcodec (`AVCodecID`).
    pub(crate) fn codec_id(self) -> c_uint {
        int_field!(self.parameters, codec_id).cast_unsigned()
    }

    fn codec_descriptor(self) -> Option<Ref<'static, ffi::AVCodecDescriptor>> {
        // SAFETY: takes any number, and returns null or an entry of a constant table (libavcodec/codec_desc.h).
        let descriptor = unsafe { raw::avcodec_descriptor_get(self.codec_id()) };
        // SAFETY: as returned by the previous call.
        unsafe { Ref::new(descriptor) }
    }

    /// Returns the number of bits of a pixel or of a sample of sound, where the container stores it (`bits_per_coded_sample`).
    pub(crate) fn bits_per_coded_sample(self) -> Option<u32> {
        u32::try_from(field!(self.parameters, bits_per_coded_sample)).ok().filter(|&bits| bits > 0)
    }

    /// Returns FFmpeg's name of the codec.
    pub(crate) fn codec_name(self) -> Option<&'static str> {
        let name = field!(self.codec_descriptor()?, name);
        // SAFETY: an entry of libavcodec's constant table.
        unsafe { static_string(name) }
    }

    /// Returns FFmpeg's long name of the codec.
    pub(crate) fn codec_long_name(self) -> Option<&'static str> {
        let name = field!(self.codec_descriptor()?, long_name);
        // SAFETY: as above.
        unsafe { static_string(name) }
    }

    /// Returns the properties of all streams of the codec; all `false` for a codec that libavcodec does not know.
    pub(crate) fn codec_properties(self) -> CodecProperties {
        let properties = self.codec_descriptor().map_or(0, |descriptor| field!(descriptor, props));
        CodecProperties {
            intra_only: properties & ffi::AV_CODEC_PROP_INTRA_ONLY != 0,
            reorder: properties & ffi::AV_CODEC_PROP_REORDER != 0,
        }
    }

    /// Returns the codec's profile; -99 when unknown.
    pub(crate) fn profile(self) -> i32 {
        field!(self.parameters, profile)
    }

    /// Returns the name of one of the codec's profiles.
    pub(crate) fn profile_name(self, profile: i32) -> Option<&'static str> {
        // SAFETY: takes any numbers, and returns null or a constant (libavcodec/avcodec.h).
        let name = unsafe { raw::avcodec_profile_name(self.codec_id(), profile) };
        // SAFETY: as returned by the previous call.
        unsafe { static_string(name) }
    }

    /// Returns the codec's level; -99 when unknown.
    pub(crate) fn level(self) -> i32 {
        field!(self.parameters, level)
    }

    /// Returns the four characters that identify the codec in the container, first character in the lowest byte.
    pub(crate) fn codec_tag(self) -> u32 {
        field!(self.parameters, codec_tag)
    }

    /// Returns the codec's configuration record, as the container stores it.
    pub(crate) fn extradata(self) -> &'c [u8] {
        let (bytes, size) = (field!(self.parameters, extradata), field!(self.parameters, extradata_size));
        match usize::try_from(size) {
            // SAFETY: libavformat allocated `size` bytes there (libavcodec/codec_par.h), which live as long as the
            // stream, and nothing writes to them while the container is borrowed.
            Ok(size) if !bytes.is_null() => unsafe { slice::from_raw_parts(bytes, size) },
            _ => &[],
        }
    }

    /// Returns the stream's decoder, or `None` when no permitted decoder is compiled in.
    pub(super) fn decoder(self) -> Option<NonNull<ffi::AVCodec>> {
        // SAFETY: takes any number, and returns null or a codec of the constant list (libavcodec/codec.h).
        let codec = NonNull::new(unsafe { raw::avcodec_find_decoder(self.codec_id()) }.cast_mut())?;
        // SAFETY: one of the constant list.
        let name = unsafe { (*codec.as_ptr()).name };
        // SAFETY: a codec has a name, which is a constant string.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes();
        DECODERS.to_bytes().split(|&byte| byte == b',').any(|permitted| permitted == name).then_some(codec)
    }

    /// Returns whether a permitted decoder is compiled in.
    pub(crate) fn is_decodable(self) -> bool {
        self.decoder().is_some()
    }

    /// Returns the first presentation time in ticks.
    pub(crate) fn start_pts(self) -> Option<i64> {
        timestamp(field!(self.stream, start_time))
    }

    /// Returns the time of the first index entry in ticks, except for video, whose frames may be reordered.
    pub(crate) fn first_index_timestamp(self) -> Option<i64> {
        if self.kind() == MediaType::Video {
            return None;
        }
        // SAFETY: a valid stream; the call takes it mutable only to be able to hand out what hangs on it, and changes
        // nothing (libavformat/avformat.h, avformat_index_get_entry).
        let entry = unsafe { ffi::avformat_index_get_entry(self.stream.as_ptr().cast_mut(), 0) };
        // SAFETY: null, or an entry of the index, which nothing changes while the stream is borrowed.
        let entry = unsafe { Ref::new(entry) }?;
        timestamp(field!(entry, timestamp))
    }

    /// Returns whether libavformat returns no packets of the stream.
    pub(crate) fn is_discarded(self) -> bool {
        int_field!(self.stream, discard) == ffi::AVDiscard::AVDISCARD_ALL as c_int
    }

    /// Returns the number of samples before the presentation of an audio stream, which are for the decoder only.
    pub(crate) fn initial_padding(self) -> i64 {
        field!(self.parameters, initial_padding).into()
    }

    /// Returns the duration in ticks, including a declared zero.
    pub(crate) fn stated_duration_ts(self) -> Option<i64> {
        timestamp(field!(self.stream, duration)).filter(|&ticks| ticks >= 0)
    }

    /// Returns the duration in ticks.
    pub(crate) fn duration_ts(self) -> Option<i64> {
        self.stated_duration_ts().filter(|&ticks| ticks > 0)
    }

    /// Returns the bits per second.
    pub(crate) fn bit_rate(self) -> Option<u64> {
        u64::try_from(field!(self.parameters, bit_rate)).ok().filter(|&rate| rate > 0)
    }

    /// Returns the number of frames, where the container stores it.
    pub(crate) fn frame_count(self) -> Option<u64> {
        u64::try_from(field!(self.stream, nb_frames)).ok().filter(|&count| count > 0)
    }

    /// Returns the lowest frame rate that all timestamps fit, as libavformat estimates it.
    pub(crate) fn real_frame_rate(self) -> Rational {
        field!(self.stream, r_frame_rate).into()
    }

    /// Returns the average frames per second.
    pub(crate) fn average_frame_rate(self) -> Rational {
        field!(self.stream, avg_frame_rate).into()
    }

    /// Returns the number of frames that a decoder holds back for reordering.
    pub(crate) fn has_b_frames(self) -> i32 {
        field!(self.parameters, video_delay)
    }

    /// Returns the coded width in pixels.
    pub(crate) fn width(self) -> u32 {
        u32::try_from(field!(self.parameters, width)).unwrap_or(0)
    }

    /// Returns the coded height in pixels.
    pub(crate) fn height(self) -> u32 {
        u32::try_from(field!(self.parameters, height)).unwrap_or(0)
    }

    /// Returns the pixel format, where the headers contain it.
    pub(crate) fn pixel_format(self) -> PixelFormat {
        PixelFormat(field!(self.parameters, format))
    }

    /// Returns the container's value of the width of a pixel divided by its height.
    pub(crate) fn container_sample_aspect_ratio(self) -> Option<Rational> {
        Rational::from(field!(self.stream, sample_aspect_ratio)).positive()
    }

    /// Returns the width of a pixel divided by its height, from the container or else from the codec.
    pub(crate) fn sample_aspect_ratio(self) -> Option<Rational> {
        let of_codec = || Rational::from(field!(self.parameters, sample_aspect_ratio)).positive();
        self.container_sample_aspect_ratio().or_else(of_codec)
    }

    /// Returns the colour properties from the headers.
    pub(crate) fn colour(self) -> ColourCodes {
        ColourCodes {
            range: int_field!(self.parameters, color_range),
            matrix: int_field!(self.parameters, color_space),
            transfer: int_field!(self.parameters, color_trc),
            primaries: int_field!(self.parameters, color_primaries),
            chroma_location: int_field!(self.parameters, chroma_location),
        }
    }

    /// Returns the field order under ffprobe's names; `None` when unknown.
    pub(crate) fn field_order(self) -> Option<&'static str> {
        // AVFieldOrder (libavcodec/defs.h).
        match int_field!(self.parameters, field_order) {
            1 => Some("progressive"),
            2 => Some("tt"),
            3 => Some("bb"),
            4 => Some("tb"),
            5 => Some("bt"),
            _ => None,
        }
    }

    /// Returns the audio properties.
    pub(crate) fn audio(self) -> AudioParameters {
        let parameters = self.parameters;
        let positive = |value: c_int| u32::try_from(value).ok().filter(|&value| value > 0);
        #[cfg(ffmpeg_6_1)]
        let (channels, channel_layout) = {
            let mut text = [0_u8; 128];
            // SAFETY: address of a field of the parameters.
            let layout = unsafe { &raw const (*parameters.as_ptr()).ch_layout };
            // SAFETY: a valid layout, and a buffer of ours with its true length; the text is terminated
            // (libavutil/channel_layout.h).
            let length =
                unsafe { ffi::av_channel_layout_describe(layout, text.as_mut_ptr().cast(), text.len()) };
            let text = CStr::from_bytes_until_nul(&text).ok().filter(|_| length > 0);
            let channels = positive(field!(parameters, ch_layout.nb_channels));
            (channels, text.map(|text| text.to_string_lossy().into_owned()))
        };
        #[cfg(not(ffmpeg_6_1))]
        let (channels, channel_layout) = (positive(field!(parameters, channels)), None::<String>);
        AudioParameters {
            sample_rate: positive(field!(parameters, sample_rate)),
            channels,
            // A layout that only repeats the number of channels adds nothing.
            channel_layout: channel_layout.filter(|text| channels.is_some() && !text.ends_with("channels")),
            bits_per_sample: self.bits_per_coded_sample().unwrap_or(0),
        }
    }

    /// Returns the audio samples in each packet, where all packets but the last have the same number.
    pub(crate) fn audio_frame_size(self) -> Option<u32> {
        u32::try_from(field!(self.parameters, frame_size)).ok().filter(|&samples| samples > 0)
    }

    /// Returns the purpose of the stream.
    pub(crate) fn disposition(self) -> DispositionFlags {
        DispositionFlags(field!(self.stream, disposition))
    }

    /// Returns the metadata of the stream.
    pub(crate) fn tags(self) -> BTreeMap<String, String> {
        let dictionary = field!(self.stream, metadata);
        // SAFETY: the stream's dictionary, which lives as long as the stream.
        unsafe { tags(dictionary) }
    }

    fn side_data(self, kind: ffi::AVPacketSideDataType) -> Option<&'c [u8]> {
        #[cfg(ffmpeg_6_1)]
        let (bytes, size) = {
            let (list, count) =
                (field!(self.parameters, coded_side_data), field!(self.parameters, nb_coded_side_data));
            // SAFETY: list and count are the parameters' own; the result is null or an entry of that list.
            let entry = unsafe { ffi::av_packet_side_data_get(list, count, kind) };
            // SAFETY: as returned by the previous call; the list lives as long as the stream.
            let entry = unsafe { Ref::new(entry) }?;
            (field!(entry, data).cast_const(), field!(entry, size))
        };
        #[cfg(not(ffmpeg_6_1))]
        let (bytes, size) = {
            let mut size = 0;
            // SAFETY: a valid stream; size is ours; the result is null or data that the stream owns.
            let bytes = unsafe { ffi::av_stream_get_side_data(self.stream.as_ptr(), kind, &raw mut size) };
            (bytes.cast_const(), size)
        };
        if bytes.is_null() || size == 0 {
            return None;
        }
        // SAFETY: libavformat allocated `size` bytes there, which live as long as the stream.
        Some(unsafe { slice::from_raw_parts(bytes, size) })
    }

    /// Returns all side data in libavformat's order: the name of their kind, and their bytes.
    pub(crate) fn all_side_data(self) -> Vec<(&'static str, &'c [u8])> {
        #[cfg(ffmpeg_6_1)]
        let (list, count) =
            (field!(self.parameters, coded_side_data), field!(self.parameters, nb_coded_side_data));
        #[cfg(not(ffmpeg_6_1))]
        let (list, count) = (field!(self.stream, side_data), field!(self.stream, nb_side_data));
        let count = if list.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
        let entry = |number: usize| {
            // SAFETY: libavformat keeps `count` entries in the list, and `number` is below it.
            let entry = unsafe { list.cast_const().add(number) };
            // SAFETY: an entry of the list, initialised by libavformat; it lives as long as the stream.
            let entry = unsafe { Ref::new(entry) }?;
            let (bytes, size) = (field!(entry, data).cast_const(), field!(entry, size));
            let kind = int_field!(entry, type_).cast_unsigned();
            // SAFETY: takes any number, and returns null or a constant (libavcodec/packet.c).
            let name = unsafe { raw::av_packet_side_data_name(kind) };
            // SAFETY: as returned by the previous call.
            let name = unsafe { static_string(name) }?;
            if bytes.is_null() || size == 0 {
                return Some((name, &[][..]));
            }
            // SAFETY: libavformat allocated `size` bytes there, which live as long as the stream.
            Some((name, unsafe { slice::from_raw_parts(bytes, size) }))
        };
        (0..count).filter_map(entry).collect()
    }

    /// Returns the container's display matrix, nine numbers in row order (libavutil/display.h).
    pub(crate) fn display_matrix(self) -> Option<[i32; 9]> {
        parse_display_matrix(self.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)?)
    }

    /// Returns the edges that the container crops from the decoded picture (clean aperture of MP4, pixel crop of Matroska).
    #[cfg(ffmpeg_7_1)]
    pub(crate) fn cropping(self) -> Option<Edges> {
        // Four 32-bit little-endian numbers: top, bottom, left, right (libavcodec/packet.h).
        let bytes = self.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_FRAME_CROPPING)?;
        let edge = |index: usize| {
            let number = u32::from_le_bytes(bytes.get(index * 4..index * 4 + 4)?.try_into().ok()?);
            usize::try_from(number).ok()
        };
        Some(Edges { top: edge(0)?, bottom: edge(1)?, left: edge(2)?, right: edge(3)? })
    }

    /// Returns `None`: FFmpeg before 7.1 does not report the container's cropping.
    #[cfg(not(ffmpeg_7_1))]
    pub(crate) fn cropping(self) -> Option<Edges> {
        None
    }

    /// Returns the Dolby Vision profile.
    pub(crate) fn dolby_vision_profile(self) -> Option<u8> {
        // AVDOVIDecoderConfigurationRecord: major and minor version, then the profile (libavutil/dovi_meta.h).
        self.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_DOVI_CONF)?.get(2).copied()
    }
}

/// Copies a dictionary. Bytes that are not UTF-8 become replacement characters.
///
/// # Safety
/// `dictionary` is null (an empty dictionary), or a dictionary of libavformat that does not change during the call.
pub(super) unsafe fn tags(dictionary: *const ffi::AVDictionary) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut entry: *const ffi::AVDictionaryEntry = ptr::null();
    loop {
        // SAFETY: the dictionary guaranteed by the caller, and the entry that it returned last (libavutil/dict.h).
        entry = unsafe { ffi::av_dict_get(dictionary, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX) };
        // SAFETY: null, or an entry that the dictionary owns.
        let Some(view) = (unsafe { Ref::new(entry) }) else { return tags };
        let (key, value) = (field!(view, key), field!(view, value));
        // SAFETY: keys and values are terminated strings that the dictionary owns.
        let key = unsafe { owned_string(key) };
        // SAFETY: as above.
        let value = unsafe { owned_string(value) };
        if let Some(key) = key {
            tags.insert(key, value.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns libavcodec's names of the decoders that are linked.
    fn linked_decoders() -> Vec<String> {
        let mut position = ptr::null_mut();
        let mut names = Vec::new();
        loop {
            // SAFETY: a position that begins with null, and that only this call changes (libavcodec/codec.h).
            let codec = unsafe { ffi::av_codec_iterate(&raw mut position) };
            if codec.is_null() {
                return names;
            }
            // SAFETY: a codec of the constant list.
            if unsafe { ffi::av_codec_is_decoder(codec) } != 0 {
                // SAFETY: as above.
                let name = unsafe { (*codec).name };
                // SAFETY: a codec has a name, which is a constant string.
                names.push(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned());
            }
        }
    }

    #[test]
    fn every_decoder_of_the_static_libav_is_permitted() {
        let mut linked = linked_decoders();
        let mut permitted: Vec<_> = DECODERS.to_str().unwrap().split(',').map(str::to_owned).collect();
        if cfg!(feature = "static") {
            linked.sort();
            permitted.sort();
            assert_eq!(permitted, linked);
        } else {
            // A system's FFmpeg can lack some.
            assert!(permitted.iter().any(|name| linked.contains(name)), "{linked:?}");
        }
    }
}

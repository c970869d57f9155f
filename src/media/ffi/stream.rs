//! What a stream says, read out of `AVStream` and its codec parameters.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_uint};
use std::marker::PhantomData;
use std::ptr;
use std::slice;

use ffmpeg_next::ffi;

use super::frame::{ColourCodes, Edges, parse_display_matrix};
use super::packet::timestamp;
use super::pixel_format::PixelFormat;
use super::{field, int_field, owned_string, raw, static_string};
use crate::media::info::{AudioInfo, Disposition, Ratio, StreamKind};

/// A stream of an open container, borrowed from it.
#[derive(Clone, Copy)]
pub(in crate::media) struct Stream<'c> {
    stream: *const ffi::AVStream,
    parameters: *const ffi::AVCodecParameters,
    container: PhantomData<&'c ()>,
}

impl<'c> Stream<'c> {
    /// # Safety
    /// `stream` belongs to a container that lives, unchanged, for `'c`.
    pub(super) unsafe fn new(stream: *const ffi::AVStream) -> Self {
        // SAFETY: by the caller's word; libavformat sets codecpar for every stream.
        let parameters = unsafe { (*stream).codecpar };
        Self { stream, parameters, container: PhantomData }
    }

    pub(super) const fn parameters(self) -> *const ffi::AVCodecParameters {
        self.parameters
    }

    pub(super) fn raw_time_base(self) -> ffi::AVRational {
        field!(self.stream, time_base)
    }

    pub(in crate::media) fn time_base(self) -> Ratio {
        ratio(self.raw_time_base())
    }

    pub(in crate::media) fn id(self) -> i32 {
        field!(self.stream, id)
    }

    pub(in crate::media) fn kind(self) -> StreamKind {
        const VIDEO: c_int = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int;
        const AUDIO: c_int = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO as c_int;
        const DATA: c_int = ffi::AVMediaType::AVMEDIA_TYPE_DATA as c_int;
        const SUBTITLE: c_int = ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE as c_int;
        const ATTACHMENT: c_int = ffi::AVMediaType::AVMEDIA_TYPE_ATTACHMENT as c_int;
        match int_field!(self.parameters, codec_type) {
            VIDEO => StreamKind::Video,
            AUDIO => StreamKind::Audio,
            DATA => StreamKind::Data,
            SUBTITLE => StreamKind::Subtitle,
            ATTACHMENT => StreamKind::Attachment,
            _ => StreamKind::Unknown,
        }
    }

    pub(in crate::media) fn codec_id(self) -> c_uint {
        int_field!(self.parameters, codec_id).cast_unsigned()
    }

    pub(in crate::media) fn codec_name(self) -> Option<&'static str> {
        let descriptor = self.codec_descriptor();
        let name = if descriptor.is_null() { return None } else { field!(descriptor, name) };
        // SAFETY: an entry of libavcodec's constant table.
        unsafe { static_string(name) }
    }

    pub(in crate::media) fn codec_long_name(self) -> Option<&'static str> {
        let descriptor = self.codec_descriptor();
        let name = if descriptor.is_null() { return None } else { field!(descriptor, long_name) };
        // SAFETY: as above.
        unsafe { static_string(name) }
    }

    fn codec_descriptor(self) -> *const ffi::AVCodecDescriptor {
        // SAFETY: takes any number, and answers null or an entry of a constant table (libavcodec/codec_desc.h).
        unsafe { raw::avcodec_descriptor_get(self.codec_id()) }
    }

    /// What holds for every stream of its codec; all `false` for a codec that libavcodec does not know.
    pub(in crate::media) fn codec_properties(self) -> CodecProperties {
        let descriptor = self.codec_descriptor();
        let properties = if descriptor.is_null() { 0 } else { field!(descriptor, props) };
        CodecProperties {
            intra_only: properties & ffi::AV_CODEC_PROP_INTRA_ONLY != 0,
            reorder: properties & ffi::AV_CODEC_PROP_REORDER != 0,
        }
    }

    /// -99 when unknown.
    pub(in crate::media) fn profile(self) -> i32 {
        field!(self.parameters, profile)
    }

    /// The name of one of the codec's profiles.
    pub(in crate::media) fn profile_name(self, profile: i32) -> Option<&'static str> {
        // SAFETY: takes any numbers, and answers null or a constant (libavcodec/avcodec.h).
        let name = unsafe { raw::avcodec_profile_name(self.codec_id(), profile) };
        // SAFETY: as the call before answered.
        unsafe { static_string(name) }
    }

    /// -99 when unknown.
    pub(in crate::media) fn level(self) -> i32 {
        field!(self.parameters, level)
    }

    pub(in crate::media) fn codec_tag(self) -> u32 {
        field!(self.parameters, codec_tag)
    }

    /// The codec's configuration record, as the container keeps it.
    pub(in crate::media) fn extradata(self) -> &'c [u8] {
        let (bytes, size) = (field!(self.parameters, extradata), field!(self.parameters, extradata_size));
        match usize::try_from(size) {
            // SAFETY: libavformat allocated `size` bytes there (libavcodec/codec_par.h), which live as long as the
            // stream, and nothing writes to them while the container is borrowed.
            Ok(size) if !bytes.is_null() => unsafe { slice::from_raw_parts(bytes, size) },
            _ => &[],
        }
    }

    pub(super) fn decoder(self) -> *const ffi::AVCodec {
        // SAFETY: takes any number, and answers null or a codec of the constant list (libavcodec/codec.h).
        unsafe { raw::avcodec_find_decoder(self.codec_id()) }
    }

    pub(in crate::media) fn is_decodable(self) -> bool {
        !self.decoder().is_null()
    }

    pub(in crate::media) fn start_pts(self) -> Option<i64> {
        timestamp(field!(self.stream, start_time))
    }

    /// For sound: the time of the first entry of the index. What lies before zero is priming that is not heard.
    pub(in crate::media) fn first_index_timestamp(self) -> Option<i64> {
        if self.kind() != StreamKind::Audio {
            return None;
        }
        // SAFETY: a valid stream; the call takes it mutable only to be able to hand out what hangs on it, and changes
        // nothing (libavformat/avformat.h, avformat_index_get_entry).
        let entry = unsafe { ffi::avformat_index_get_entry(self.stream.cast_mut(), 0) };
        if entry.is_null() {
            return None;
        }
        timestamp(field!(entry, timestamp)).map(|ticks| ticks.max(0))
    }

    pub(in crate::media) fn duration_ts(self) -> Option<i64> {
        timestamp(field!(self.stream, duration)).filter(|&ticks| ticks > 0)
    }

    pub(in crate::media) fn bit_rate(self) -> Option<u64> {
        u64::try_from(field!(self.parameters, bit_rate)).ok().filter(|&rate| rate > 0)
    }

    pub(in crate::media) fn frame_count(self) -> Option<u64> {
        u64::try_from(field!(self.stream, nb_frames)).ok().filter(|&count| count > 0)
    }

    pub(in crate::media) fn real_frame_rate(self) -> Ratio {
        ratio(field!(self.stream, r_frame_rate))
    }

    pub(in crate::media) fn average_frame_rate(self) -> Ratio {
        ratio(field!(self.stream, avg_frame_rate))
    }

    pub(in crate::media) fn has_b_frames(self) -> i32 {
        field!(self.parameters, video_delay)
    }

    pub(in crate::media) fn width(self) -> u32 {
        u32::try_from(field!(self.parameters, width)).unwrap_or(0)
    }

    pub(in crate::media) fn height(self) -> u32 {
        u32::try_from(field!(self.parameters, height)).unwrap_or(0)
    }

    pub(in crate::media) fn pixel_format(self) -> PixelFormat {
        PixelFormat(field!(self.parameters, format))
    }

    /// The container's word on the shape of a pixel.
    pub(in crate::media) fn container_sample_aspect_ratio(self) -> Option<Ratio> {
        ratio(field!(self.stream, sample_aspect_ratio)).positive()
    }

    /// The container's word on the shape of a pixel, or else the codec's.
    pub(in crate::media) fn sample_aspect_ratio(self) -> Option<Ratio> {
        self.container_sample_aspect_ratio()
            .or_else(|| ratio(field!(self.parameters, sample_aspect_ratio)).positive())
    }

    pub(in crate::media) fn colour(self) -> ColourCodes {
        ColourCodes {
            range: int_field!(self.parameters, color_range),
            matrix: int_field!(self.parameters, color_space),
            transfer: int_field!(self.parameters, color_trc),
            primaries: int_field!(self.parameters, color_primaries),
            chroma_location: int_field!(self.parameters, chroma_location),
        }
    }

    /// Under ffprobe's names.
    pub(in crate::media) fn field_order(self) -> Option<&'static str> {
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

    pub(in crate::media) fn audio(self) -> AudioInfo {
        let parameters = self.parameters;
        let positive = |value: c_int| u32::try_from(value).ok().filter(|&value| value > 0);
        #[cfg(ffmpeg_6_1)]
        let (channels, channel_layout) = {
            let mut text = [0_u8; 128];
            // SAFETY: address of a field of the parameters.
            let layout = unsafe { &raw const (*parameters).ch_layout };
            // SAFETY: a valid layout, and a buffer of ours with its true length; the text is terminated
            // (libavutil/channel_layout.h).
            let length =
                unsafe { ffi::av_channel_layout_describe(layout, text.as_mut_ptr().cast(), text.len()) };
            let text = std::ffi::CStr::from_bytes_until_nul(&text).ok().filter(|_| length > 0);
            let channels = positive(field!(parameters, ch_layout).nb_channels);
            (channels, text.map(|text| text.to_string_lossy().into_owned()))
        };
        #[cfg(not(ffmpeg_6_1))]
        let (channels, channel_layout) = (positive(field!(parameters, channels)), None::<String>);
        AudioInfo {
            sample_rate: positive(field!(parameters, sample_rate)),
            channels,
            // A layout that only repeats the number of channels says nothing.
            channel_layout: channel_layout.filter(|text| channels.is_some() && !text.ends_with("channels")),
            bits_per_sample: positive(field!(parameters, bits_per_coded_sample)).unwrap_or(0),
        }
    }

    /// Samples of sound a second.
    pub(in crate::media) fn sample_rate(self) -> Option<u32> {
        u32::try_from(field!(self.parameters, sample_rate)).ok().filter(|&rate| rate > 0)
    }

    /// Samples of sound in each packet, where all but the last have the same number.
    pub(in crate::media) fn audio_frame_size(self) -> Option<u32> {
        u32::try_from(field!(self.parameters, frame_size)).ok().filter(|&samples| samples > 0)
    }

    pub(in crate::media) fn disposition(self) -> Disposition {
        let flags = field!(self.stream, disposition);
        let has = |flag: c_int| flags & flag != 0;
        Disposition {
            default: has(ffi::AV_DISPOSITION_DEFAULT),
            attached_pic: has(ffi::AV_DISPOSITION_ATTACHED_PIC),
            timed_thumbnails: has(ffi::AV_DISPOSITION_TIMED_THUMBNAILS),
            still_image: has(ffi::AV_DISPOSITION_STILL_IMAGE),
            hearing_impaired: has(ffi::AV_DISPOSITION_HEARING_IMPAIRED),
            visual_impaired: has(ffi::AV_DISPOSITION_VISUAL_IMPAIRED),
            dub: has(ffi::AV_DISPOSITION_DUB),
            original: has(ffi::AV_DISPOSITION_ORIGINAL),
            comment: has(ffi::AV_DISPOSITION_COMMENT),
            lyrics: has(ffi::AV_DISPOSITION_LYRICS),
            karaoke: has(ffi::AV_DISPOSITION_KARAOKE),
            forced: has(ffi::AV_DISPOSITION_FORCED),
            clean_effects: has(ffi::AV_DISPOSITION_CLEAN_EFFECTS),
        }
    }

    pub(in crate::media) fn tags(self) -> BTreeMap<String, String> {
        tags(field!(self.stream, metadata))
    }

    fn side_data(self, kind: ffi::AVPacketSideDataType) -> Option<&'c [u8]> {
        #[cfg(ffmpeg_6_1)]
        let (bytes, size) = {
            let (list, count) =
                (field!(self.parameters, coded_side_data), field!(self.parameters, nb_coded_side_data));
            // SAFETY: list and count are the parameters' own; the answer is null or an entry of that list.
            let entry = unsafe { ffi::av_packet_side_data_get(list, count, kind) };
            if entry.is_null() {
                return None;
            }
            (field!(entry, data).cast_const(), field!(entry, size))
        };
        #[cfg(not(ffmpeg_6_1))]
        let (bytes, size) = {
            let mut size = 0;
            // SAFETY: a valid stream; size is ours; the answer is null or data that the stream owns.
            let bytes = unsafe { ffi::av_stream_get_side_data(self.stream, kind, &raw mut size) };
            (bytes.cast_const(), size)
        };
        if bytes.is_null() || size == 0 {
            return None;
        }
        // SAFETY: libavformat allocated `size` bytes there, which live as long as the stream.
        Some(unsafe { slice::from_raw_parts(bytes, size) })
    }

    pub(in crate::media) fn display_matrix(self) -> Option<[i32; 9]> {
        parse_display_matrix(self.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)?)
    }

    /// What the container cuts off the decoded picture (clean aperture of MP4, pixel crop of Matroska).
    #[cfg(ffmpeg_7_1)]
    pub(in crate::media) fn cropping(self) -> Option<Edges> {
        // Four 32-bit little-endian numbers: top, bottom, left, right (libavcodec/packet.h).
        let bytes = self.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_FRAME_CROPPING)?;
        let edge = |index: usize| {
            let number = u32::from_le_bytes(bytes.get(index * 4..index * 4 + 4)?.try_into().ok()?);
            usize::try_from(number).ok()
        };
        Some(Edges { top: edge(0)?, bottom: edge(1)?, left: edge(2)?, right: edge(3)? })
    }

    /// FFmpeg before 7.1 does not pass the container's cropping on.
    #[cfg(not(ffmpeg_7_1))]
    pub(in crate::media) fn cropping(self) -> Option<Edges> {
        None
    }

    /// The Dolby Vision profile.
    pub(in crate::media) fn dolby_vision_profile(self) -> Option<u8> {
        // AVDOVIDecoderConfigurationRecord: major and minor version, then the profile (libavutil/dovi_meta.h).
        self.side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_DOVI_CONF)?.get(2).copied()
    }
}

/// What holds for every stream of a codec (`AV_CODEC_PROP_*`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::media) struct CodecProperties {
    /// Each frame is coded from itself alone.
    pub(in crate::media) intra_only: bool,
    /// Frames may be stored in another order than they are presented in.
    pub(in crate::media) reorder: bool,
}

pub(super) const fn ratio(value: ffi::AVRational) -> Ratio {
    Ratio { num: value.num, den: value.den }
}

/// Copies a dictionary; bytes that are not UTF-8 become replacement characters.
pub(super) fn tags(dictionary: *const ffi::AVDictionary) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut entry: *const ffi::AVDictionaryEntry = ptr::null();
    loop {
        // SAFETY: a dictionary of libavformat's (null is an empty one), and the entry it answered last (libavutil/dict.h).
        entry = unsafe { ffi::av_dict_get(dictionary, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX) };
        if entry.is_null() {
            return tags;
        }
        let (key, value) = (field!(entry, key), field!(entry, value));
        // SAFETY: keys and values are terminated strings that the dictionary owns.
        let key = unsafe { owned_string(key) };
        // SAFETY: as above.
        let value = unsafe { owned_string(value) };
        if let Some(key) = key {
            tags.insert(key, value.unwrap_or_default());
        }
    }
}

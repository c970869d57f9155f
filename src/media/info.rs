//! What a container says about itself and its streams, as owned values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::media::ffi::stream::{AudioParameters, DispositionFlags, MediaType};
pub use crate::media::ratio::Ratio;
use crate::media::side_data::{DolbyVision, SideData};
use crate::pixels::Orientation;

/// What the container and its streams say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MediaInfo {
    /// libavformat's short names for the container, comma separated (`mov,mp4,m4a,3gp,3g2,mj2`).
    pub format_name: String,
    /// The container in words.
    pub format_long_name: String,
    /// Length of the presentation in seconds, as the container tells it; `None` when it does not.
    pub duration_seconds: Option<f64>,
    /// First presentation time in seconds (`AVFormatContext.start_time`); `None` when unknown.
    pub start_seconds: Option<f64>,
    /// Bits per second over the whole file, from its size and duration.
    pub bit_rate: Option<u64>,
    /// Bytes of the file.
    pub size_bytes: Option<u64>,
    /// How sure libavformat is about the container, 0 to 100.
    pub probe_score: u32,
    /// Metadata of the container, keys as the demuxer writes them.
    pub tags: BTreeMap<String, String>,
    /// The streams, in file order.
    pub streams: Vec<StreamInfo>,
    /// The chapters, in the order of the container. At most 1,024; a
    /// longer list of Matroska, or one of more than 1 MiB, is left out.
    pub chapters: Vec<Chapter>,
    /// Whether the video has a frame at the default time, 5 seconds after the start, by the durations that the headers contain:
    /// where not, a default poster frame is one at half of the duration. `None` without a video or a duration.
    pub has_default_time: Option<bool>,
    /// Index of the stream a poster frame is taken from; `None` when there is no video.
    pub video_stream: Option<usize>,
    /// Where an MP4 or MOV file keeps its index; `None` for other containers.
    pub mp4: Option<Mp4Layout>,
}

/// How an MP4 or MOV file is laid out (ISO/IEC 14496-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mp4Layout {
    /// Byte offset of the `moov` box.
    pub moov_offset: u64,
    /// Bytes of the `moov` box, its header included.
    pub moov_bytes: u64,
    /// Whether `moov` comes before the first `mdat`, so that playback can start before the whole file is there.
    pub faststart: bool,
    /// Whether samples are described in movie fragments (`moof`).
    pub fragmented: bool,
}

/// A chapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chapter {
    /// The container's number for the chapter.
    pub id: i64,
    /// Seconds of one tick.
    pub time_base: Ratio,
    /// In ticks.
    pub start: i64,
    /// In ticks. Where the container does not tell it: the start of the next chapter, or the end of the presentation.
    pub end: i64,
    /// Where the chapter begins, in seconds.
    pub start_seconds: f64,
    /// Where the chapter ends, in seconds.
    pub end_seconds: f64,
    /// The title, where there is one.
    pub title: Option<String>,
    /// Metadata, the title among them.
    pub tags: BTreeMap<String, String>,
}

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StreamKind {
    /// Moving pictures, or a cover picture (see [`Disposition::attached_pic`]).
    Video,
    /// Sound.
    Audio,
    /// Text or pictures shown over the video.
    Subtitle,
    /// Anything else with a clock: timed metadata, GPS tracks.
    Data,
    /// A file carried along, a font for instance.
    Attachment,
    /// Not known to libavformat.
    Unknown,
}

impl StreamKind {
    /// The name ffprobe uses for it (`codec_type`); `None` for an unknown one, which ffprobe leaves out.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Video => Some("video"),
            Self::Audio => Some("audio"),
            Self::Subtitle => Some("subtitle"),
            Self::Data => Some("data"),
            Self::Attachment => Some("attachment"),
            Self::Unknown => None,
        }
    }
}

impl From<MediaType> for StreamKind {
    fn from(kind: MediaType) -> Self {
        match kind {
            MediaType::Video => Self::Video,
            MediaType::Audio => Self::Audio,
            MediaType::Subtitle => Self::Subtitle,
            MediaType::Data => Self::Data,
            MediaType::Attachment => Self::Attachment,
            MediaType::Unknown => Self::Unknown,
        }
    }
}

/// What one stream says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Position in the container, from 0.
    pub index: usize,
    /// The container's own number for it (MP4 track id, PID), where there is one.
    pub id: Option<i32>,
    /// What it carries.
    pub kind: StreamKind,
    /// Codec, under FFmpeg's name (`h264`); `None` when unknown.
    pub codec_name: Option<String>,
    /// Codec in words.
    pub codec_long_name: Option<String>,
    /// Profile of the codec (`High`), where known.
    pub profile: Option<String>,
    /// Four characters that name the codec in the container (`avc1`); bytes outside ASCII as `[n]`.
    pub codec_tag_string: String,
    /// The same four characters as a number, first one lowest.
    pub codec_tag: u32,
    /// Whether the static libav holds a decoder for it. Always `false` for sound, which is never decoded.
    pub decodable: bool,
    /// How the stream is encrypted, where the headers say it: `cenc`, `cbcs`, `cens`, `cbc1` (Common Encryption), `piff`, another
    /// four characters of MP4 (`schm`), `WebM`, `WMDRM`, `SAMPLE-AES`, or `unknown`. `None` for a stream in clear. An encrypted
    /// stream may begin with frames in clear.
    pub encryption: Option<String>,
    /// Seconds of one tick.
    pub time_base: Ratio,
    /// First presentation time in ticks.
    pub start_pts: Option<i64>,
    /// First presentation time in seconds.
    pub start_seconds: Option<f64>,
    /// Length in ticks.
    pub duration_ts: Option<i64>,
    /// Length in seconds.
    pub duration_seconds: Option<f64>,
    /// Bits per second.
    pub bit_rate: Option<u64>,
    /// Number of frames, where the container counts them.
    pub frame_count: Option<u64>,
    /// The lowest frame rate with which all timestamps can be told exactly, a guess of libavformat's (`r_frame_rate`).
    pub real_frame_rate: Ratio,
    /// Average frame rate (`avg_frame_rate`).
    pub average_frame_rate: Ratio,
    /// Whether all frames of a video are equally long: by the index of an MP4, MOV or AVI, or with
    /// [stream analysis](crate::OpenOptions::with_stream_analysis) by the first packets. `None` when neither tells it.
    pub frame_rate_mode: Option<FrameRateMode>,
    /// How far the keyframes of a video are apart, where an index of all frames was read: that of an MP4 or MOV without fragments, or
    /// of an AVI.
    pub keyframes: Option<KeyframeSpacing>,
    /// What the stream is for.
    pub disposition: Disposition,
    /// Metadata of the stream.
    pub tags: BTreeMap<String, String>,
    /// What the container tells beside the codec, in the container's order.
    pub side_data: Vec<SideData>,
    /// Width and height in pixels of the pictures of a subtitle, where [stream analysis](crate::OpenOptions::with_stream_analysis) met
    /// one.
    pub subtitle_size: Option<(u32, u32)>,
    /// Picture properties, for video.
    pub video: Option<VideoInfo>,
    /// Sound properties, for audio.
    pub audio: Option<AudioInfo>,
}

impl StreamInfo {
    /// Returns the configuration of Dolby Vision, where there is one.
    pub fn dolby_vision(&self) -> Option<&DolbyVision> {
        self.side_data.iter().find_map(|data| match data {
            SideData::DolbyVision(configuration) => Some(configuration),
            _ => None,
        })
    }
}

/// Whether the frames of a video are equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameRateMode {
    /// They are, but for the rounding to ticks.
    Constant,
    /// They are not.
    Variable,
}

impl FrameRateMode {
    /// Its name: `constant` or `variable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Variable => "variable",
        }
    }
}

/// How far the keyframes of a video are apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyframeSpacing {
    /// Keyframes.
    pub count: u64,
    /// Seconds from one keyframe to the next, on average; `None` for one keyframe alone.
    pub average_seconds: Option<f64>,
    /// Seconds between the two that are furthest apart; `None` for one keyframe alone.
    pub longest_seconds: Option<f64>,
}

/// What a stream is for (`AV_DISPOSITION_*`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent flags, under FFmpeg's names")]
pub struct Disposition {
    /// Chosen when the user has no preference.
    pub default: bool,
    /// A cover picture, not moving pictures.
    pub attached_pic: bool,
    /// Low-rate pictures for chapters or previews.
    pub timed_thumbnails: bool,
    /// A still image.
    pub still_image: bool,
    /// For an audience with impaired hearing.
    pub hearing_impaired: bool,
    /// For an audience with impaired sight.
    pub visual_impaired: bool,
    /// A translation.
    pub dub: bool,
    /// In the language it was made in.
    pub original: bool,
    /// A commentary.
    pub comment: bool,
    /// Song texts.
    pub lyrics: bool,
    /// Karaoke.
    pub karaoke: bool,
    /// Shown even without being asked for.
    pub forced: bool,
    /// Without voices.
    pub clean_effects: bool,
}

impl From<DispositionFlags> for Disposition {
    fn from(flags: DispositionFlags) -> Self {
        Self {
            default: flags.contains(DispositionFlags::DEFAULT),
            attached_pic: flags.contains(DispositionFlags::ATTACHED_PIC),
            timed_thumbnails: flags.contains(DispositionFlags::TIMED_THUMBNAILS),
            still_image: flags.contains(DispositionFlags::STILL_IMAGE),
            hearing_impaired: flags.contains(DispositionFlags::HEARING_IMPAIRED),
            visual_impaired: flags.contains(DispositionFlags::VISUAL_IMPAIRED),
            dub: flags.contains(DispositionFlags::DUB),
            original: flags.contains(DispositionFlags::ORIGINAL),
            comment: flags.contains(DispositionFlags::COMMENT),
            lyrics: flags.contains(DispositionFlags::LYRICS),
            karaoke: flags.contains(DispositionFlags::KARAOKE),
            forced: flags.contains(DispositionFlags::FORCED),
            clean_effects: flags.contains(DispositionFlags::CLEAN_EFFECTS),
        }
    }
}

/// Picture properties of a video stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VideoInfo {
    /// Coded width in pixels, before rotation and aspect ratio.
    pub width: u32,
    /// Coded height in pixels.
    pub height: u32,
    /// Pixel format under FFmpeg's name (`yuv420p10le`); `None` when only decoding would tell.
    pub pixel_format: Option<String>,
    /// Width of a pixel over its height; `None` when unknown.
    pub sample_aspect_ratio: Option<Ratio>,
    /// How the decoded picture must be turned to stand upright.
    pub orientation: Orientation,
    /// Degrees to turn the decoded picture counter-clockwise, as ffprobe's `rotation`; `None` without a display matrix.
    pub display_rotation: Option<f64>,
    /// How the numbers in the planes stand for colours.
    pub colour: ColourInfo,
    /// Order of fields under ffprobe's names (`progressive`, `tt`, `bb`, `tb`, `bt`); `None` when unknown.
    pub field_order: Option<Cow<'static, str>>,
    /// The codec's level as FFmpeg numbers it (H.264 31 is level 3.1, HEVC 93 is 3.1), where known.
    pub level: Option<i32>,
    /// Frames a decoder must hold back to put them in order.
    pub has_b_frames: i32,
}

/// Which numbers stand for which colours, under FFmpeg's names (ITU-T H.273). `None` is unspecified or not a known code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColourInfo {
    /// `tv` (limited) or `pc` (full).
    pub range: Option<Cow<'static, str>>,
    /// Matrix coefficients (`bt709`).
    pub matrix: Option<Cow<'static, str>>,
    /// Transfer characteristics (`smpte2084` is PQ, `arib-std-b67` HLG).
    pub transfer: Option<Cow<'static, str>>,
    /// Primaries (`bt2020`).
    pub primaries: Option<Cow<'static, str>>,
    /// Where chroma samples sit (`left`).
    pub chroma_location: Option<Cow<'static, str>>,
    /// Kind of high dynamic range.
    pub hdr: Option<HdrKind>,
}

/// Kinds of high dynamic range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum HdrKind {
    /// PQ transfer (SMPTE ST 2084) without Dolby Vision metadata.
    #[serde(rename = "pq")]
    Pq,
    /// Hybrid log-gamma (ARIB STD-B67).
    #[serde(rename = "hlg")]
    Hlg,
    /// Dolby Vision with a base layer that plays as PQ, HLG or SDR.
    #[serde(rename = "dolby_vision")]
    DolbyVision,
    /// Dolby Vision profile 5, whose base layer has colours of its own (`IPTPQc2`): pictures made without its metadata
    /// have a green and purple cast.
    #[serde(rename = "dolby_vision_5")]
    DolbyVision5,
}

/// Sound properties of an audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AudioInfo {
    /// Samples a second; `None` where only decoding would tell (sound is never decoded).
    pub sample_rate: Option<u32>,
    /// Channels; `None` where only decoding would tell.
    pub channels: Option<u32>,
    /// Channel layout in words (`stereo`), where known.
    pub channel_layout: Option<String>,
    /// Bits of a coded sample, for uncompressed sound.
    pub bits_per_sample: u32,
}

impl From<AudioParameters> for AudioInfo {
    fn from(parameters: AudioParameters) -> Self {
        let AudioParameters { sample_rate, channels, channel_layout, bits_per_sample } = parameters;
        Self { sample_rate, channels, channel_layout, bits_per_sample }
    }
}

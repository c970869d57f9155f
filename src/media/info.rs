//! The properties of a container and its streams, as owned values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::media::ffi::stream::{AudioParameters, DispositionFlags, MediaType};
pub use crate::media::ratio::Ratio;
use crate::media::side_data::{DolbyVision, SideData};
use crate::pixels::Orientation;

/// The properties of a container and its streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MediaInfo {
    /// libavformat's short names for the container, comma separated (`mov,mp4,m4a,3gp,3g2,mj2`).
    pub format_name: String,
    /// libavformat's long name for the container.
    pub format_long_name: String,
    /// Duration of the presentation in seconds; `None` when the container does not contain it.
    pub duration_seconds: Option<f64>,
    /// First presentation time in seconds (`AVFormatContext.start_time`); `None` when unknown.
    pub start_seconds: Option<f64>,
    /// Bits per second over the whole file, computed from its size and duration.
    pub bit_rate: Option<u64>,
    /// Size of the file in bytes.
    pub size_bytes: Option<u64>,
    /// libavformat's confidence in the container format, 0 to 100.
    pub probe_score: u32,
    /// Metadata of the container, with keys as the demuxer writes them.
    pub tags: BTreeMap<String, String>,
    /// The streams, in file order.
    pub streams: Vec<StreamInfo>,
    /// The chapters, in the order of the container. At most 1,024 chapters. A longer list of Matroska chapters, or one of more than 1
    /// MiB, is omitted.
    pub chapters: Vec<Chapter>,
    /// Whether the video has a frame at the default time, 5 seconds after the start, according to the durations in the headers. If
    /// not, the default poster frame is the frame at half of the duration. `None` without a video or a duration.
    pub has_default_time: Option<bool>,
    /// Index of the stream that provides the poster frame; `None` without a video.
    pub video_stream: Option<usize>,
    /// Position of the index in an MP4 or MOV file; `None` for other containers.
    pub mp4: Option<Mp4Layout>,
}

/// The layout of an MP4 or MOV file (ISO/IEC 14496-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mp4Layout {
    /// Byte offset of the `moov` box.
    pub moov_offset: u64,
    /// Size of the `moov` box in bytes, including its header.
    pub moov_bytes: u64,
    /// Whether `moov` comes before the first `mdat`, so that playback can start before the whole file has arrived.
    pub faststart: bool,
    /// Whether movie fragments (`moof`) describe the samples.
    pub fragmented: bool,
}

/// A chapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chapter {
    /// The container's identifier of the chapter.
    pub id: i64,
    /// Seconds in one tick.
    pub time_base: Ratio,
    /// Start in ticks.
    pub start: i64,
    /// End in ticks. Where the container does not contain it: the start of the next chapter, or the end of the presentation.
    pub end: i64,
    /// Start in seconds.
    pub start_seconds: f64,
    /// End in seconds.
    pub end_seconds: f64,
    /// The title, if any.
    pub title: Option<String>,
    /// Metadata, including the title.
    pub tags: BTreeMap<String, String>,
}

/// The kind of content of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StreamKind {
    /// Moving pictures, or a cover picture (see [`Disposition::attached_pic`]).
    Video,
    /// Audio.
    Audio,
    /// Text or pictures presented over the video.
    Subtitle,
    /// Other content with timestamps: timed metadata, GPS tracks.
    Data,
    /// An attached file, for example a font.
    Attachment,
    /// A kind that libavformat does not know.
    Unknown,
}

impl StreamKind {
    /// Returns ffprobe's name of the kind (`codec_type`), or `None` for an unknown kind, which ffprobe omits.
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

/// The properties of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Position in the container, from 0.
    pub index: usize,
    /// The container's identifier of the stream (MP4 track id, PID), if any.
    pub id: Option<i32>,
    /// The kind of content.
    pub kind: StreamKind,
    /// FFmpeg's name of the codec (`h264`); `None` when unknown.
    pub codec_name: Option<String>,
    /// FFmpeg's long name of the codec.
    pub codec_long_name: Option<String>,
    /// Profile of the codec (`High`), where known.
    pub profile: Option<String>,
    /// Four characters that identify the codec in the container (`avc1`). Bytes outside ASCII appear as `[n]`.
    pub codec_tag_string: String,
    /// The same four characters as a number, first character in the lowest byte.
    pub codec_tag: u32,
    /// Whether the static libav contains a decoder for the stream. Always `false` for audio, which is never decoded.
    pub decodable: bool,
    /// Encryption scheme of the stream, according to the headers: `cenc`, `cbcs`, `cens`, `cbc1` (Common Encryption), `piff`, another
    /// four-character code of MP4 (`schm`), `WebM`, `WMDRM`, `SAMPLE-AES`, or `unknown`. `None` for an unencrypted stream. An
    /// encrypted stream may begin with unencrypted frames.
    pub encryption: Option<String>,
    /// Seconds in one tick.
    pub time_base: Ratio,
    /// First presentation time in ticks.
    pub start_pts: Option<i64>,
    /// First presentation time in seconds.
    pub start_seconds: Option<f64>,
    /// Duration in ticks.
    pub duration_ts: Option<i64>,
    /// Duration in seconds.
    pub duration_seconds: Option<f64>,
    /// Bits per second.
    pub bit_rate: Option<u64>,
    /// Number of frames, where the container stores it.
    pub frame_count: Option<u64>,
    /// The lowest frame rate that represents all timestamps exactly, as libavformat estimates it (`r_frame_rate`).
    pub real_frame_rate: Ratio,
    /// Average frame rate (`avg_frame_rate`).
    pub average_frame_rate: Ratio,
    /// Whether all frames of a video have the same duration, according to the index of an MP4, MOV or AVI, or according to the first
    /// packets with [stream analysis](crate::OpenOptions::with_stream_analysis). `None` when neither contains it.
    pub frame_rate_mode: Option<FrameRateMode>,
    /// The distances between the keyframes of a video, where an index of all frames was read: the index of an MP4 or MOV without
    /// fragments, or of an AVI.
    pub keyframes: Option<KeyframeSpacing>,
    /// The purpose of the stream.
    pub disposition: Disposition,
    /// Metadata of the stream.
    pub tags: BTreeMap<String, String>,
    /// Properties that the container stores beside the codec, in the container's order.
    pub side_data: Vec<SideData>,
    /// Width and height in pixels of the pictures of a subtitle, where [stream analysis](crate::OpenOptions::with_stream_analysis)
    /// found one.
    pub subtitle_size: Option<(u32, u32)>,
    /// Picture properties, for video.
    pub video: Option<VideoInfo>,
    /// Audio properties, for audio.
    pub audio: Option<AudioInfo>,
}

impl StreamInfo {
    /// Returns the configuration of Dolby Vision, if any.
    pub fn dolby_vision(&self) -> Option<&DolbyVision> {
        self.side_data.iter().find_map(|data| match data {
            SideData::DolbyVision(configuration) => Some(configuration),
            _ => None,
        })
    }
}

/// Whether the frames of a video have the same duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameRateMode {
    /// All frames have the same duration, apart from rounding to ticks.
    Constant,
    /// The frames have different durations.
    Variable,
}

impl FrameRateMode {
    /// Returns the name: `constant` or `variable`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Variable => "variable",
        }
    }
}

/// The distances between the keyframes of a video.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyframeSpacing {
    /// Number of keyframes.
    pub count: u64,
    /// Average seconds from one keyframe to the next; `None` with a single keyframe.
    pub average_seconds: Option<f64>,
    /// Largest distance between consecutive keyframes in seconds; `None` with a single keyframe.
    pub longest_seconds: Option<f64>,
}

/// The purpose of a stream (`AV_DISPOSITION_*`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent flags, under FFmpeg's names")]
pub struct Disposition {
    /// The default stream when the user has no preference.
    pub default: bool,
    /// A cover picture, not moving pictures.
    pub attached_pic: bool,
    /// Low-rate pictures for chapters or previews.
    pub timed_thumbnails: bool,
    /// A still image.
    pub still_image: bool,
    /// For viewers with impaired hearing.
    pub hearing_impaired: bool,
    /// For viewers with impaired sight.
    pub visual_impaired: bool,
    /// A dubbed translation.
    pub dub: bool,
    /// In the original language.
    pub original: bool,
    /// A commentary.
    pub comment: bool,
    /// Lyrics.
    pub lyrics: bool,
    /// Karaoke.
    pub karaoke: bool,
    /// Presented even without a request of the user.
    pub forced: bool,
    /// Audio without voices.
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
    /// FFmpeg's name of the pixel format (`yuv420p10le`); `None` when only decoding would reveal it.
    pub pixel_format: Option<String>,
    /// Width of a pixel divided by its height; `None` when unknown.
    pub sample_aspect_ratio: Option<Ratio>,
    /// The transformation that turns the decoded picture upright.
    pub orientation: Orientation,
    /// Counter-clockwise rotation of the decoded picture in degrees, like ffprobe's `rotation`; `None` without a display matrix.
    pub display_rotation: Option<f64>,
    /// The colour properties of the samples.
    pub colour: ColourInfo,
    /// Field order under ffprobe's names (`progressive`, `tt`, `bb`, `tb`, `bt`); `None` when unknown.
    pub field_order: Option<Cow<'static, str>>,
    /// The codec's level in FFmpeg's numbering (H.264 31 is level 3.1, HEVC 93 is 3.1), where known.
    pub level: Option<i32>,
    /// The number of frames that a decoder must hold back to reorder them.
    pub has_b_frames: i32,
}

/// The colour properties of a video, under FFmpeg's names (ITU-T H.273). `None` means unspecified or an unknown code.
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
    /// Position of the chroma samples (`left`).
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
    /// Dolby Vision profile 5, whose base layer has its own colours (`IPTPQc2`): pictures without its metadata have a green and purple
    /// cast.
    #[serde(rename = "dolby_vision_5")]
    DolbyVision5,
}

/// Audio properties of an audio stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AudioInfo {
    /// Samples per second; `None` where only decoding would reveal it (audio is never decoded).
    pub sample_rate: Option<u32>,
    /// Number of channels; `None` where only decoding would reveal it.
    pub channels: Option<u32>,
    /// FFmpeg's name of the channel layout (`stereo`), where known.
    pub channel_layout: Option<String>,
    /// Bits per coded sample, for uncompressed audio.
    pub bits_per_sample: u32,
}

impl From<AudioParameters> for AudioInfo {
    fn from(parameters: AudioParameters) -> Self {
        let AudioParameters { sample_rate, channels, channel_layout, bits_per_sample } = parameters;
        Self { sample_rate, channels, channel_layout, bits_per_sample }
    }
}

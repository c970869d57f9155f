//! What a container says about itself and its streams, as owned values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::media::ffi::Rational;
use crate::media::ffi::stream::{AudioParameters, DispositionFlags, MediaType};
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

/// A fraction as the file states it. The denominator may be zero: it is the file's word, not a number to divide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio {
    /// Numerator.
    pub num: i32,
    /// Denominator.
    pub den: i32,
}

impl Ratio {
    /// The value, or `None` when the denominator is zero.
    pub fn value(self) -> Option<f64> {
        (self.den != 0).then(|| f64::from(self.num) / f64::from(self.den))
    }

    /// The fraction if both parts are positive.
    pub fn positive(self) -> Option<Self> {
        (self.num > 0 && self.den > 0).then_some(self)
    }

    /// The same value in lowest terms.
    pub(super) const fn reduced(self) -> Self {
        let (mut divisor, mut rest) = (self.num.unsigned_abs(), self.den.unsigned_abs());
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let divisor = divisor.cast_signed();
        if divisor > 0 { Self { num: self.num / divisor, den: self.den / divisor } } else { self }
    }
}

impl From<Rational> for Ratio {
    fn from(Rational { num, den }: Rational) -> Self {
        Self { num, den }
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
    /// What the stream is for.
    pub disposition: Disposition,
    /// Metadata of the stream.
    pub tags: BTreeMap<String, String>,
    /// Picture properties, for video.
    pub video: Option<VideoInfo>,
    /// Sound properties, for audio.
    pub audio: Option<AudioInfo>,
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

//! Stream properties that a container stores beside the codec: rotation and cropping of the picture, and the grading of its
//! colours.

use serde::{Deserialize, Serialize};

use crate::media::ratio::Ratio;

/// A stream property that a container stores beside the codec, with the names and units of ffprobe's `side_data_list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SideData {
    /// Rotation and translation of the decoded picture (`tkhd` of ISO/IEC 14496-12, 8.3.2).
    DisplayMatrix {
        /// Nine numbers in row order: 16.16 fixed-point numbers, except the third number of each row, which is 2.30.
        matrix: [i32; 9],
        /// Counter-clockwise rotation of the picture in degrees.
        rotation: f64,
    },
    /// The configuration of Dolby Vision.
    DolbyVision(DolbyVision),
    /// The display on which the video was graded (SMPTE ST 2086).
    MasteringDisplay(MasteringDisplay),
    /// Brightness of the pictures (CTA-861.3), in candelas per square metre.
    ContentLight {
        /// The brightest pixel (`MaxCLL`).
        max_content: u32,
        /// The average brightness of the brightest picture (`MaxFALL`).
        max_average: u32,
    },
    /// The ambient light around the display on which the video was graded (ITU-T H.274, 8.12).
    AmbientViewing {
        /// Illuminance in lux.
        illuminance: Ratio,
        /// CIE 1931 x of the light.
        light_x: Ratio,
        /// CIE 1931 y of the light.
        light_y: Ratio,
    },
    /// The model of a decoder's buffer. Without packets the model is unknown: see
    /// [`OpenOptions::with_stream_analysis`](crate::OpenOptions::with_stream_analysis).
    CodedPictureBuffer {
        /// Maximum bits per second; 0 when unknown.
        max_bit_rate: i64,
        /// Minimum bits per second; 0 when unknown.
        min_bit_rate: i64,
        /// Average bits per second; 0 when unknown.
        average_bit_rate: i64,
        /// Size of the buffer in bits; 0 when unknown.
        buffer_size: i64,
        /// Ticks of 27 MHz; `None` when unknown.
        vbv_delay: Option<u64>,
    },
    /// The part of the decoded picture that the container crops, in pixels.
    Cropping {
        /// Rows at the top.
        top: u32,
        /// Rows at the bottom.
        bottom: u32,
        /// Columns at the left.
        left: u32,
        /// Columns at the right.
        right: u32,
    },
    /// Any other property.
    Other {
        /// FFmpeg's name of the property.
        name: String,
    },
}

/// The configuration of Dolby Vision (`dvcC`, "Dolby Vision Streams Within the ISO Base Media File Format", 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DolbyVision {
    /// Major and minor version of the record.
    pub version: (u8, u8),
    /// Profile: 5 has its own colours, 7 has two layers, 8 has a base layer that plays without Dolby Vision.
    pub profile: u8,
    /// Level: picture sizes and frame rates.
    pub level: u8,
    /// Whether the stream has metadata for the display.
    pub has_metadata: bool,
    /// Whether the stream has the enhancement layer.
    pub has_enhancement_layer: bool,
    /// Whether the stream has the base layer.
    pub has_base_layer: bool,
    /// Playback of the base layer without Dolby Vision: 0 not possible, 1 as HDR10, 2 as SDR, 4 as HLG.
    pub compatibility_id: u8,
    /// Compression of the metadata: 0 none, 1 limited, 3 extended.
    pub metadata_compression: u8,
}

/// The display on which a video was graded (SMPTE ST 2086).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MasteringDisplay {
    /// CIE 1931 x and y of red, green, blue and white; `None` when unknown.
    pub primaries: Option<[(Ratio, Ratio); 4]>,
    /// The minimum and maximum luminance of the display, in candelas per square metre; `None` when unknown.
    pub luminance: Option<(Ratio, Ratio)>,
}

impl SideData {
    /// Returns FFmpeg's name of the property.
    pub fn name(&self) -> &str {
        match self {
            Self::DisplayMatrix { .. } => DISPLAY_MATRIX,
            Self::DolbyVision(_) => DOLBY_VISION,
            Self::MasteringDisplay(_) => MASTERING_DISPLAY,
            Self::ContentLight { .. } => CONTENT_LIGHT,
            Self::AmbientViewing { .. } => AMBIENT_VIEWING,
            Self::CodedPictureBuffer { .. } => CODED_PICTURE_BUFFER,
            Self::Cropping { .. } => CROPPING,
            Self::Other { name } => name,
        }
    }

    /// Creates an entry for the key lists of an encrypted stream (`pssh`), whose content is not read.
    pub(super) fn keys() -> Self {
        Self::Other { name: "Encryption initialization data".to_owned() }
    }
}

// The names of `av_packet_side_data_name` (libavcodec/packet.c).
pub(super) const DISPLAY_MATRIX: &str = "Display Matrix";
pub(super) const DOLBY_VISION: &str = "DOVI configuration record";
pub(super) const MASTERING_DISPLAY: &str = "Mastering display metadata";
pub(super) const CONTENT_LIGHT: &str = "Content light level metadata";
pub(super) const AMBIENT_VIEWING: &str = "Ambient viewing environment";
pub(super) const CODED_PICTURE_BUFFER: &str = "CPB properties";
pub(super) const CROPPING: &str = "Frame Cropping";

//! The streams of a container as [`MediaInfo`](crate::MediaInfo) reports them.

use crate::media::container::encryption::{Encryption, ProtectedEntry, Signs};
use crate::media::container::parameters::{Allowance, Configuration};
use crate::media::ffi::stream::Stream;
use crate::media::frame::colour;
use crate::media::info::{Ratio, StreamInfo, StreamKind, VideoInfo};
use crate::media::input::Container;
use crate::media::timeline;
use crate::pixels::Orientation;

pub(in crate::media) fn orientation(matrix: [i32; 9]) -> Orientation {
    Orientation::from_matrix(matrix[0], matrix[1], matrix[3], matrix[4])
}

/// How each stream is encrypted. `entries` are the sample entries of MP4, by track number.
pub(in crate::media) fn encryptions(
    container: &Container<'_>,
    entries: &[(u32, Option<ProtectedEntry>)],
) -> Vec<Encryption> {
    let (format_name, container_tags) = (container.format_name(), container.tags());
    let of = |stream: Stream<'_>| {
        let entry = entries.iter().find(|(track, _)| i32::try_from(*track) == Ok(stream.id()));
        Encryption::of(Signs {
            format_name: &format_name,
            container_tags: &container_tags,
            stream_tags: &stream.tags(),
            codec_tag: stream.codec_tag(),
            entry: entry.map(|(_, entry)| *entry),
        })
    };
    container.streams().map(of).collect()
}

pub(in crate::media) fn describe_stream(
    index: usize,
    stream: Stream<'_>,
    (start, duration_ts): (Option<i64>, Option<i64>),
    encryption: &Encryption,
    allowance: &mut Allowance,
) -> StreamInfo {
    let time_base = Ratio::from(stream.time_base());
    let kind = StreamKind::from(stream.kind());
    let configuration = (kind == StreamKind::Video).then(|| Configuration::of(stream, index, allowance));
    let profile =
        configuration.as_ref().map_or_else(|| stream.profile(), |configuration| configuration.profile);
    StreamInfo {
        index,
        id: Some(stream.id()).filter(|&id| id != 0),
        kind,
        codec_name: stream.codec_name().map(str::to_owned),
        codec_long_name: stream.codec_long_name().map(str::to_owned),
        profile: stream.profile_name(profile).map(str::to_owned),
        codec_tag_string: tag_string(stream.codec_tag()),
        codec_tag: stream.codec_tag(),
        decodable: kind == StreamKind::Video && stream.is_decodable(),
        encryption: encryption.scheme().map(str::to_owned),
        time_base,
        start_pts: start,
        start_seconds: start.and_then(|ticks| timeline::to_seconds(ticks, time_base)),
        duration_ts,
        duration_seconds: duration_ts.and_then(|ticks| timeline::to_seconds(ticks, time_base)),
        bit_rate: stream.bit_rate(),
        frame_count: stream.frame_count(),
        real_frame_rate: stream.real_frame_rate().into(),
        average_frame_rate: stream.average_frame_rate().into(),
        disposition: stream.disposition().into(),
        tags: stream.tags(),
        video: configuration.map(|configuration| describe_video(stream, configuration)),
        audio: (kind == StreamKind::Audio).then(|| stream.audio().into()),
    }
}

pub(in crate::media) fn describe_video(stream: Stream<'_>, configuration: Configuration) -> VideoInfo {
    let matrix = stream.display_matrix();
    VideoInfo {
        width: configuration.size.0,
        height: configuration.size.1,
        pixel_format: configuration.pixel_format,
        sample_aspect_ratio: configuration.sample_aspect_ratio.map(Ratio::reduced),
        orientation: matrix.map_or(Orientation::Upright, orientation),
        display_rotation: matrix.map(display_rotation),
        colour: colour::describe(configuration.colour, stream.dolby_vision_profile()),
        field_order: configuration.field_order.map(Into::into),
        level: Some(configuration.level).filter(|&level| level >= 0),
        has_b_frames: configuration.has_b_frames,
    }
}

/// As `av_display_rotation_get` (libavutil/display.c): the counter-clockwise turn, from the normalised first column.
pub(in crate::media) fn display_rotation(matrix: [i32; 9]) -> f64 {
    let number = |index: usize| f64::from(matrix[index]);
    // Not `hypot`: it would need glibc 2.35 (see `vendor/libav/glibc_compat.h`), and these are far from overflow.
    let length = |a: f64, b: f64| (a * a + b * b).sqrt();
    let (scale_x, scale_y) = (length(number(0), number(3)), length(number(1), number(4)));
    if scale_x == 0.0 || scale_y == 0.0 {
        return 0.0;
    }
    -(number(1) / scale_y).atan2(number(0) / scale_x).to_degrees()
}

/// The tag's four characters, lowest byte first, those that are not letters, digits or in `.-_ ` as `[n]`, as
/// `av_fourcc_make_string` writes them.
pub(in crate::media) fn tag_string(tag: u32) -> String {
    let mut text = String::new();
    for byte in tag.to_le_bytes() {
        if byte.is_ascii_alphanumeric() || b".-_ ".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("[{byte}]"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_like_ffprobe() {
        assert_eq!(tag_string(u32::from_le_bytes(*b"avc1")), "avc1");
        assert_eq!(tag_string(0), "[0][0][0][0]");
    }
}

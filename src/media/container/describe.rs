//! The streams of a container as [`MediaInfo`](crate::MediaInfo) reports them.

use crate::media::container::aac;
use crate::media::container::encryption::{Encryption, ProtectedEntry, Signs};
use crate::media::container::pace::Pace;
use crate::media::container::parameters::{Allowance, Configuration, UNKNOWN};
use crate::media::container::side_data;
use crate::media::ffi::stream::Stream;
use crate::media::frame::colour;
use crate::media::info::{Ratio, StreamInfo, StreamKind, VideoInfo};
use crate::media::input::Container;
use crate::media::timeline;
use crate::pixels::Orientation;

pub(in crate::media) fn orientation(matrix: [i32; 9]) -> Orientation {
    Orientation::from_matrix(matrix[0], matrix[1], matrix[3], matrix[4])
}

/// Returns the encryption of each stream. `entries` are the sample entries of MP4, by track number.
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

/// Properties of a stream in addition to libavformat's.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Known<'k> {
    /// First presentation time and duration, in ticks.
    pub(in crate::media) start: Option<i64>,
    pub(in crate::media) duration: Option<i64>,
    pub(in crate::media) encryption: &'k Encryption,
    /// The first bytes of the first picture or audio frame, as far as they were read; empty where they were not.
    pub(in crate::media) head: &'k [u8],
    pub(in crate::media) pace: &'k Pace,
}

pub(in crate::media) fn describe_stream(
    index: usize,
    stream: Stream<'_>,
    known: Known<'_>,
    allowance: &mut Allowance,
) -> StreamInfo {
    let Known { start, duration: duration_ts, encryption, head, pace } = known;
    let time_base = Ratio::from(stream.time_base());
    let kind = StreamKind::from(stream.kind());
    // Ciphertext is not parsed.
    let head = if encryption.scheme().is_some() { &[][..] } else { head };
    let configuration =
        (kind == StreamKind::Video).then(|| Configuration::of(stream, index, head, allowance));
    let profile = match &configuration {
        Some(configuration) => configuration.profile,
        None => sound_profile(stream),
    };
    let real_frame_rate = Ratio::from(stream.real_frame_rate());
    StreamInfo {
        index,
        id: Some(stream.id()).filter(|&id| id != 0),
        kind,
        codec_name: stream.codec_name().map(str::to_owned),
        codec_long_name: stream.codec_long_name().map(str::to_owned),
        profile: profile_name(stream, profile),
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
        real_frame_rate: real_frame_rate.positive().or(pace.real_frame_rate).unwrap_or(real_frame_rate),
        average_frame_rate: stream.average_frame_rate().into(),
        frame_rate_mode: pace.mode,
        keyframes: pace.keyframes,
        disposition: stream.disposition().into(),
        tags: stream.tags(),
        side_data: stream
            .all_side_data()
            .into_iter()
            .map(|(name, data)| side_data::read(name, data))
            .collect(),
        subtitle_size: None,
        video: configuration.map(|configuration| describe_video(stream, configuration)),
        audio: (kind == StreamKind::Audio).then(|| stream.audio().into()),
    }
}

/// Returns libavcodec's number of an audio profile. For AAC, libavformat leaves the profile to a decoder, and no
/// AAC decoder is compiled in.
fn sound_profile(stream: Stream<'_>) -> i32 {
    let own = stream.profile();
    let is_unknown_aac = own == UNKNOWN && stream.codec_name() == Some("aac");
    is_unknown_aac.then(|| aac::profile(stream.extradata())).flatten().unwrap_or(own)
}

/// Returns the profile as ffprobe writes it: a number where libavcodec has no name.
fn profile_name(stream: Stream<'_>, profile: i32) -> Option<String> {
    let name = stream.profile_name(profile).map(str::to_owned);
    name.or_else(|| (profile != UNKNOWN).then(|| profile.to_string()))
}

pub(in crate::media) fn describe_video(stream: Stream<'_>, configuration: Configuration) -> VideoInfo {
    let matrix = stream.display_matrix();
    VideoInfo {
        width: configuration.size.0,
        height: configuration.size.1,
        pixel_format: configuration.pixel_format,
        sample_aspect_ratio: configuration.sample_aspect_ratio.map(Ratio::reduced),
        orientation: matrix.map_or(Orientation::Upright, orientation),
        display_rotation: matrix.map(side_data::display_rotation),
        colour: colour::describe(configuration.colour, stream.dolby_vision_profile()),
        field_order: configuration.field_order.map(Into::into),
        level: Some(configuration.level).filter(|&level| level >= 0),
        has_b_frames: configuration.has_b_frames,
    }
}

/// Returns the tag's four characters, lowest byte first. Characters other than letters, digits and `.-_ ` appear as
/// `[n]`, as in `av_fourcc_make_string`.
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

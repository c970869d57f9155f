//! The contents of a file, with the field names, order and types of `ffprobe -show_format -show_streams -show_chapters`, so that programs
//! that read ffprobe's output can read this output. Unknown values are omitted, as ffprobe omits them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::chosen::Chosen;
use super::cost::Cost;
use crate::{
    AudioInfo, Chapter, Disposition, DolbyVision, MasteringDisplay, MediaInfo, Ratio, SideData, StreamInfo,
    VideoInfo,
};

/// Returns an answer: `streams`, `chapters`, `format`, and under `posterframe` the values that ffprobe does not report.
pub(super) fn answer(name: &str, info: &MediaInfo, poster_at: Option<&Chosen>, cost: &Cost) -> Value {
    let streams: Vec<_> = info.streams.iter().map(stream).collect();
    let chapters: Vec<_> = info.chapters.iter().map(chapter).collect();
    json!({
        "streams": streams,
        "chapters": chapters,
        "format": format(name, info),
        "posterframe": ours(info, poster_at, cost),
    })
}

/// Names and values, in the order in which they are added. An absent value adds nothing.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn add_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// Adds a number that ffprobe writes as a string.
    fn add_text(&mut self, name: &str, value: Option<impl ToString>) {
        self.add_some(name, value.map(|value| value.to_string()));
    }

    fn add_seconds(&mut self, name: &str, seconds: Option<f64>) {
        self.add_some(name, seconds.map(|seconds| format!("{seconds:.6}")));
    }

    /// Adds ticks in seconds, rounded as ffprobe rounds them: ffprobe multiplies ticks by the time base as a double.
    #[expect(clippy::cast_precision_loss, reason = "ffprobe reckons with doubles, too")]
    fn add_ticks(&mut self, name: &str, ticks: Option<i64>, time_base: Ratio) {
        let seconds = |ticks| time_base.value().map(|tick| ticks as f64 * tick);
        self.add_seconds(name, ticks.and_then(seconds));
    }

    fn add_ratio(&mut self, name: &str, ratio: Ratio, between: char) {
        self.add(name, format!("{}{between}{}", ratio.num, ratio.den));
    }
}

fn format(name: &str, info: &MediaInfo) -> Value {
    let mut fields = Fields::default();
    fields.add("filename", name);
    fields.add("nb_streams", info.streams.len());
    fields.add("format_name", info.format_name.as_str());
    fields.add("format_long_name", info.format_long_name.as_str());
    fields.add_seconds("start_time", info.start_seconds);
    fields.add_seconds("duration", info.duration_seconds);
    fields.add_text("size", info.size_bytes);
    fields.add_text("bit_rate", info.bit_rate);
    fields.add("probe_score", info.probe_score);
    fields.add_some("tags", (!info.tags.is_empty()).then(|| json!(info.tags)));
    fields.0.into()
}

fn stream(stream: &StreamInfo) -> Value {
    let mut fields = Fields::default();
    fields.add("index", stream.index);
    fields.add_some("codec_name", stream.codec_name.as_deref());
    fields.add_some("codec_long_name", stream.codec_long_name.as_deref());
    fields.add_some("profile", stream.profile.as_deref());
    fields.add_some("codec_type", stream.kind.as_str());
    fields.add("codec_tag_string", stream.codec_tag_string.as_str());
    fields.add("codec_tag", format!("0x{:04x}", stream.codec_tag));
    if let Some(video) = &stream.video {
        add_video(&mut fields, video);
    }
    if let Some(audio) = &stream.audio {
        add_audio(&mut fields, audio);
    }
    if let Some((width, height)) = stream.subtitle_size {
        fields.add("width", width);
        fields.add("height", height);
    }
    fields.add_some("id", stream.id.map(|id| format!("0x{id:x}")));
    fields.add_ratio("r_frame_rate", stream.real_frame_rate, '/');
    fields.add_ratio("avg_frame_rate", stream.average_frame_rate, '/');
    fields.add_ratio("time_base", stream.time_base, '/');
    fields.add_some("start_pts", stream.start_pts);
    fields.add_ticks("start_time", stream.start_pts, stream.time_base);
    fields.add_some("duration_ts", stream.duration_ts);
    fields.add_ticks("duration", stream.duration_ts, stream.time_base);
    fields.add_text("bit_rate", stream.bit_rate);
    fields.add_text("nb_frames", stream.frame_count);
    fields.add("disposition", disposition(&stream.disposition));
    fields.add_some("tags", (!stream.tags.is_empty()).then(|| json!(stream.tags)));
    let side_data: Vec<_> = stream.side_data.iter().map(side_data).collect();
    fields.add_some("side_data_list", (!side_data.is_empty()).then_some(side_data));
    fields.0.into()
}

fn chapter(chapter: &Chapter) -> Value {
    let mut fields = Fields::default();
    fields.add("id", chapter.id);
    fields.add_ratio("time_base", chapter.time_base, '/');
    fields.add("start", chapter.start);
    fields.add_ticks("start_time", Some(chapter.start), chapter.time_base);
    fields.add("end", chapter.end);
    fields.add_ticks("end_time", Some(chapter.end), chapter.time_base);
    fields.add_some("tags", (!chapter.tags.is_empty()).then(|| json!(chapter.tags)));
    fields.0.into()
}

fn add_video(fields: &mut Fields, video: &VideoInfo) {
    fields.add("width", video.width);
    fields.add("height", video.height);
    fields.add("has_b_frames", video.has_b_frames);
    if let Some(aspect) = video.sample_aspect_ratio {
        fields.add_ratio("sample_aspect_ratio", aspect, ':');
        fields.add_some("display_aspect_ratio", display_aspect(video.width, video.height, aspect));
    }
    fields.add_some("pix_fmt", video.pixel_format.as_deref());
    fields.add_some("level", video.level);
    fields.add_some("color_range", video.colour.range.as_deref());
    fields.add_some("color_space", video.colour.matrix.as_deref());
    fields.add_some("color_transfer", video.colour.transfer.as_deref());
    fields.add_some("color_primaries", video.colour.primaries.as_deref());
    fields.add_some("chroma_location", video.colour.chroma_location.as_deref());
    fields.add_some("field_order", video.field_order.as_deref());
}

fn add_audio(fields: &mut Fields, audio: &AudioInfo) {
    fields.add_text("sample_rate", audio.sample_rate);
    fields.add_some("channels", audio.channels);
    fields.add_some("channel_layout", audio.channel_layout.as_deref());
    fields.add("bits_per_sample", audio.bits_per_sample);
}

/// Returns the display aspect ratio in lowest terms.
fn display_aspect(width: u32, height: u32, aspect: Ratio) -> Option<String> {
    let (num, den) = (u64::try_from(aspect.num).ok()?, u64::try_from(aspect.den).ok()?);
    let (width, height) = (u64::from(width) * num, u64::from(height) * den);
    let divisor = greatest_common_divisor(width, height);
    (divisor > 0).then(|| format!("{}:{}", width / divisor, height / divisor))
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn disposition(flags: &Disposition) -> Value {
    let flags = [
        ("default", flags.default),
        ("dub", flags.dub),
        ("original", flags.original),
        ("comment", flags.comment),
        ("lyrics", flags.lyrics),
        ("karaoke", flags.karaoke),
        ("forced", flags.forced),
        ("hearing_impaired", flags.hearing_impaired),
        ("visual_impaired", flags.visual_impaired),
        ("clean_effects", flags.clean_effects),
        ("attached_pic", flags.attached_pic),
        ("timed_thumbnails", flags.timed_thumbnails),
        ("still_image", flags.still_image),
    ];
    let flags: Map<_, _> =
        flags.into_iter().map(|(name, set)| (name.to_owned(), u8::from(set).into())).collect();
    flags.into()
}

fn side_data(data: &SideData) -> Value {
    let mut fields = Fields::default();
    fields.add("side_data_type", data.name());
    match data {
        SideData::DisplayMatrix { matrix, rotation } => {
            fields.add("displaymatrix", matrix_text(matrix));
            fields.add("rotation", whole_degrees(*rotation));
        }
        SideData::DolbyVision(configuration) => add_dolby_vision(&mut fields, configuration),
        SideData::MasteringDisplay(display) => add_mastering_display(&mut fields, display),
        SideData::ContentLight { max_content, max_average } => {
            fields.add("max_content", *max_content);
            fields.add("max_average", *max_average);
        }
        SideData::AmbientViewing { illuminance, light_x, light_y } => {
            fields.add_ratio("ambient_illuminance", *illuminance, '/');
            fields.add_ratio("ambient_light_x", *light_x, '/');
            fields.add_ratio("ambient_light_y", *light_y, '/');
        }
        SideData::CodedPictureBuffer {
            max_bit_rate,
            min_bit_rate,
            average_bit_rate,
            buffer_size,
            vbv_delay,
        } => {
            fields.add("max_bitrate", *max_bit_rate);
            fields.add("min_bitrate", *min_bit_rate);
            fields.add("avg_bitrate", *average_bit_rate);
            fields.add("buffer_size", *buffer_size);
            // ffprobe prints the value for "unknown" as a signed number.
            fields.add("vbv_delay", vbv_delay.map_or(json!(-1), Value::from));
        }
        SideData::Cropping { top, bottom, left, right } => {
            fields.add("crop_top", *top);
            fields.add("crop_bottom", *bottom);
            fields.add("crop_left", *left);
            fields.add("crop_right", *right);
        }
        SideData::Other { .. } => {}
    }
    fields.0.into()
}

/// Formats a matrix as three rows of three numbers.
fn matrix_text(matrix: &[i32; 9]) -> String {
    let mut text = "\n".to_owned();
    for (row, numbers) in matrix.chunks_exact(3).enumerate() {
        let _ = write!(text, "{row:08x}: ");
        for number in numbers {
            let _ = write!(text, " {number:>11}");
        }
        text.push('\n');
    }
    text
}

#[expect(clippy::cast_possible_truncation, reason = "degrees")]
fn whole_degrees(degrees: f64) -> i64 {
    degrees.round() as i64
}

fn add_dolby_vision(fields: &mut Fields, configuration: &DolbyVision) {
    fields.add("dv_version_major", configuration.version.0);
    fields.add("dv_version_minor", configuration.version.1);
    fields.add("dv_profile", configuration.profile);
    fields.add("dv_level", configuration.level);
    fields.add("rpu_present_flag", u8::from(configuration.has_metadata));
    fields.add("el_present_flag", u8::from(configuration.has_enhancement_layer));
    fields.add("bl_present_flag", u8::from(configuration.has_base_layer));
    fields.add("dv_bl_signal_compatibility_id", configuration.compatibility_id);
    let compression = match configuration.metadata_compression {
        0 => "none",
        1 => "limited",
        2 => "reserved",
        3 => "extended",
        _ => "unknown",
    };
    fields.add("dv_md_compression", compression);
}

fn add_mastering_display(fields: &mut Fields, display: &MasteringDisplay) {
    const POINTS: [(&str, &str); 4] = [
        ("red_x", "red_y"),
        ("green_x", "green_y"),
        ("blue_x", "blue_y"),
        ("white_point_x", "white_point_y"),
    ];
    for ((name_x, name_y), (x, y)) in POINTS.into_iter().zip(display.primaries.into_iter().flatten()) {
        fields.add_ratio(name_x, x, '/');
        fields.add_ratio(name_y, y, '/');
    }
    if let Some((least, most)) = display.luminance {
        fields.add_ratio("min_luminance", least, '/');
        fields.add_ratio("max_luminance", most, '/');
    }
}

/// Returns the values that ffprobe does not report.
fn ours(info: &MediaInfo, poster_at: Option<&Chosen>, cost: &Cost) -> Value {
    let stream = info.video_stream.and_then(|index| info.streams.get(index));
    let video = stream.and_then(|stream| stream.video.as_ref());
    let moov = info
        .mp4
        .map(|mp4| json!({ "offset": mp4.moov_offset, "bytes": mp4.moov_bytes, "faststart": mp4.faststart }));
    let mut ours = json!({
        "moov": moov,
        "fragmented": info.mp4.map(|mp4| mp4.fragmented),
        "hdr": video.and_then(|video| video.colour.hdr),
        "dolby_vision_profile": stream.and_then(StreamInfo::dolby_vision).map(|vision| vision.profile),
        "frame_rate_mode": stream.and_then(|stream| stream.frame_rate_mode),
        "keyframes": stream.and_then(|stream| stream.keyframes),
        "has_default_time": info.has_default_time,
        "rotation": video.map(|video| video.orientation.rotation_degrees()),
        "mirrored": video.map(|video| video.orientation.is_mirrored()),
        "video_stream": info.video_stream,
        "encryption": stream.and_then(|stream| stream.encryption.as_deref()),
        "poster_at": poster_at,
    });
    if let (Some(fields), Ok(Value::Object(ledger))) =
        (ours.as_object_mut(), serde_json::to_value(cost.ledger))
    {
        fields.extend(ledger);
        if let Some(layers) = cost.isolation {
            fields.insert("isolation".to_owned(), json!(layers));
        }
        fields.insert("elapsed_ms".to_owned(), cost.elapsed_ms.into());
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_three_rows() {
        let text = matrix_text(&[0, 65_536, 0, -65_536, 0, 0, 20_971_520, 0, 1_073_741_824]);
        let expected = "\n00000000:            0       65536           0\n00000001:       -65536           0           0\n\
                        00000002:     20971520           0  1073741824\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn display_aspects() {
        let aspect = |num, den| Ratio { num, den };
        assert_eq!(display_aspect(640, 360, aspect(1, 1)).as_deref(), Some("16:9"));
        assert_eq!(display_aspect(720, 576, aspect(16, 15)).as_deref(), Some("4:3"));
        assert_eq!(display_aspect(0, 0, aspect(1, 1)), None);
        assert_eq!(display_aspect(720, 576, aspect(-1, 1)), None);
    }
}

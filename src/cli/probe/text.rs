//! The contents of a file, as lines for people.

use super::chosen::Chosen;
use super::cost::Cost;
use crate::cli::output::{self, Table};
use crate::{AudioInfo, DolbyVision, FrameRateMode, HdrKind, MediaInfo, StreamInfo, StreamKind, VideoInfo};

pub(super) fn answer(name: &str, info: &MediaInfo, poster_at: Option<&Chosen>, cost: &Cost) -> Table {
    let mut table = Table::default();
    table.title(name);
    table.row("container", &format!("{} ({})", info.format_long_name, info.format_name));
    let duration = info.duration_seconds.map_or_else(|| "unknown".to_owned(), output::time);
    table.row("duration", &duration);
    let size = info.size_bytes.map(output::bytes).into_iter().chain(info.bit_rate.map(output::bit_rate));
    table.row("size", &size.collect::<Vec<_>>().join(", "));
    if let Some(mp4) = &info.mp4 {
        let place = if mp4.faststart { "before" } else { "after" };
        let fragmented = if mp4.fragmented { ", fragmented" } else { "" };
        let (bytes, offset) = (output::bytes(mp4.moov_bytes), mp4.moov_offset);
        table.row("index", &format!("moov of {bytes} at byte {offset}, {place} the media data{fragmented}"));
    }
    if info.has_default_time == Some(false) {
        table.row("default", "no frame at 0:05.000: a poster frame is taken at half of the duration");
    }
    if let Some(chosen) = poster_at {
        table.row("poster-at", &chosen.describe());
    }
    for chapter in &info.chapters {
        let (start, end) = (output::time(chapter.start_seconds), output::time(chapter.end_seconds));
        let title = chapter
            .title
            .as_deref()
            .filter(|title| !title.is_empty())
            .map(|title| format!(", {title}"))
            .unwrap_or_default();
        table.row("chapter", &format!("{start} to {end}{title}"));
    }
    for (name, value) in &info.tags {
        table.row("tag", &format!("{name}={value}"));
    }
    for stream in &info.streams {
        let mark =
            if info.video_stream == Some(stream.index) { ", poster frames come from here" } else { "" };
        let kind = format!("{} {}", stream.kind.as_str().unwrap_or("unknown"), stream.index);
        table.row(&kind, &format!("{}{mark}", describe(stream)));
    }
    if let Some(layers) = cost.isolation {
        table.row("cage", &output::layers(layers));
    }
    table.row("read", &output::cost(&cost.ledger, cost.elapsed_ms));
    table
}

fn describe(stream: &StreamInfo) -> String {
    let codec = stream.codec_name.as_deref().unwrap_or("unknown codec");
    let mut facts = match &stream.profile {
        Some(profile) => vec![format!("{codec} ({profile})")],
        None => vec![codec.to_owned()],
    };
    if stream.kind == StreamKind::Video && stream.codec_name.is_some() && !stream.decodable {
        facts.push("no decoder compiled in".to_owned());
    }
    facts.extend(stream.encryption.as_ref().map(|scheme| format!("encrypted ({scheme})")));
    if let Some(video) = &stream.video {
        facts.extend(describe_video(video, stream.dolby_vision()));
        let rate = stream.average_frame_rate.positive().and_then(crate::Ratio::value);
        let is_variable = stream.frame_rate_mode == Some(FrameRateMode::Variable);
        let mode = if is_variable { ", variable" } else { "" };
        facts.extend(rate.map(|rate| format!("{} fps{mode}", rounded(rate))));
        let spacing = stream.keyframes.and_then(|keyframes| keyframes.longest_seconds);
        facts.extend(spacing.map(|seconds| format!("keyframes at most {} s apart", rounded(seconds))));
    }
    facts.extend(stream.audio.as_ref().map(describe_audio));
    facts.extend(stream.bit_rate.map(output::bit_rate));
    if stream.disposition.attached_pic {
        facts.push("cover picture".to_owned());
    }
    // `und` is the ISO 639-2 code for an undetermined language.
    facts.extend(stream.tags.get("language").filter(|language| *language != "und").cloned());
    facts.join(", ")
}

fn describe_video(video: &VideoInfo, dolby_vision: Option<&DolbyVision>) -> Vec<String> {
    let mut facts = vec![format!("{} x {}", video.width, video.height)];
    let aspect = video.sample_aspect_ratio.filter(|aspect| aspect.num != aspect.den);
    facts.extend(aspect.map(|aspect| format!("pixels {}:{}", aspect.num, aspect.den)));
    let turn = video.orientation.rotation_degrees();
    facts.extend((turn != 0).then(|| format!("turned by {turn}°")));
    facts.extend(video.orientation.is_mirrored().then(|| "mirrored".to_owned()));
    facts.extend(video.pixel_format.clone());
    let colours = [video.colour.matrix.as_deref(), video.colour.range.as_deref()];
    facts.extend(colours.into_iter().flatten().map(str::to_owned));
    let profile = dolby_vision.map(|vision| format!(" profile {}", vision.profile)).unwrap_or_default();
    facts.extend(video.colour.hdr.map(|hdr| match hdr {
        HdrKind::Pq => "HDR (PQ)".to_owned(),
        HdrKind::Hlg => "HDR (HLG)".to_owned(),
        HdrKind::DolbyVision | HdrKind::DolbyVision5 => format!("Dolby Vision{profile}"),
    }));
    let is_interlaced = video.field_order.as_deref().is_some_and(|order| order != "progressive");
    facts.extend(is_interlaced.then(|| "interlaced".to_owned()));
    facts
}

fn describe_audio(audio: &AudioInfo) -> String {
    let rate = audio.sample_rate.map(|rate| format!("{rate} Hz"));
    let channels =
        audio.channels.map(|count| format!("{count} channel{}", if count == 1 { "" } else { "s" }));
    let facts: Vec<String> = rate.into_iter().chain(audio.channel_layout.clone().or(channels)).collect();
    if facts.is_empty() { "sound".to_owned() } else { facts.join(", ") }
}

/// Formats a number with at most two decimal places: `30`, `29.97`.
fn rounded(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn frame_rates() {
        assert_eq!(rounded(30.0), "30");
        assert_eq!(rounded(30_000.0 / 1001.0), "29.97");
        assert_eq!(rounded(12.5), "12.5");
    }
}

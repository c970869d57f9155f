//! What a file holds, in lines for people.

use super::cost::Cost;
use crate::cli::output::{self, Table};
use crate::{AudioInfo, HdrKind, MediaInfo, StreamInfo, StreamKind, VideoInfo};

pub(super) fn answer(name: &str, info: &MediaInfo, cost: &Cost) -> Table {
    let mut table = Table::default();
    table.title(name);
    table.row("container", &format!("{} ({})", info.format_long_name, info.format_name));
    let duration = info.duration_seconds.map_or_else(|| "not told".to_owned(), output::time);
    table.row("duration", &duration);
    let size = info.size_bytes.map(output::bytes).into_iter().chain(info.bit_rate.map(output::bit_rate));
    table.row("size", &size.collect::<Vec<_>>().join(", "));
    if let Some(mp4) = &info.mp4 {
        let place = if mp4.faststart { "before" } else { "after" };
        let fragmented = if mp4.fragmented { ", fragmented" } else { "" };
        let (bytes, offset) = (output::bytes(mp4.moov_bytes), mp4.moov_offset);
        table.row("index", &format!("moov of {bytes} at byte {offset}, {place} the media data{fragmented}"));
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
        facts.extend(describe_video(video));
        let rate = stream.average_frame_rate.positive().and_then(crate::Ratio::value);
        facts.extend(rate.map(|rate| format!("{} fps", rounded(rate))));
    }
    facts.extend(stream.audio.as_ref().map(describe_audio));
    facts.extend(stream.bit_rate.map(output::bit_rate));
    if stream.disposition.attached_pic {
        facts.push("cover picture".to_owned());
    }
    // `und` is ISO 639-2 for a language nobody has said.
    facts.extend(stream.tags.get("language").filter(|language| *language != "und").cloned());
    facts.join(", ")
}

fn describe_video(video: &VideoInfo) -> Vec<String> {
    let mut facts = vec![format!("{} x {}", video.width, video.height)];
    let aspect = video.sample_aspect_ratio.filter(|aspect| aspect.num != aspect.den);
    facts.extend(aspect.map(|aspect| format!("pixels {}:{}", aspect.num, aspect.den)));
    let turn = video.orientation.rotation_degrees();
    facts.extend((turn != 0).then(|| format!("turned by {turn}°")));
    facts.extend(video.orientation.is_mirrored().then(|| "mirrored".to_owned()));
    facts.extend(video.pixel_format.clone());
    let colours = [video.colour.matrix.as_deref(), video.colour.range.as_deref()];
    let hdr = video.colour.hdr.map(|hdr| match hdr {
        HdrKind::Pq => "HDR (PQ)",
        HdrKind::Hlg => "HDR (HLG)",
        HdrKind::DolbyVision => "Dolby Vision",
        HdrKind::DolbyVision5 => "Dolby Vision profile 5",
    });
    let interlaced =
        video.field_order.as_deref().filter(|order| *order != "progressive").map(|_| "interlaced");
    facts.extend(colours.into_iter().chain([hdr, interlaced]).flatten().map(str::to_owned));
    facts
}

fn describe_audio(audio: &AudioInfo) -> String {
    let rate = audio.sample_rate.map(|rate| format!("{rate} Hz"));
    let channels =
        audio.channels.map(|count| format!("{count} channel{}", if count == 1 { "" } else { "s" }));
    let facts: Vec<String> = rate.into_iter().chain(audio.channel_layout.clone().or(channels)).collect();
    if facts.is_empty() { "sound".to_owned() } else { facts.join(", ") }
}

/// Up to two decimals: `30`, `29.97`.
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

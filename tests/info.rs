//! The information about a file, as typed values, without decoding.

mod common;

use common::{Outcome, fixture_bytes, open};
use std::io::Cursor;

use posterframe::{
    HdrKind, Media, MediaInfo, Mp4Layout, OpenOptions, Orientation, Ratio, SideData, StreamInfo, StreamKind,
    VideoInfo,
};

fn info(name: &str) -> Outcome<MediaInfo> {
    Ok(open(name)?.info().clone())
}

/// The stream that pictures are taken from.
fn video_stream(info: &MediaInfo) -> Outcome<&StreamInfo> {
    let index = info.video_stream.ok_or("no video")?;
    Ok(info.streams.get(index).ok_or("no such stream")?)
}

fn video(name: &str) -> Outcome<VideoInfo> {
    Ok(video_stream(&info(name)?)?.video.clone().ok_or("no picture properties")?)
}

fn layout(name: &str) -> Outcome<Mp4Layout> {
    Ok(info(name)?.mp4.ok_or("no layout")?)
}

const fn ratio(num: i32, den: i32) -> Ratio {
    Ratio { num, den }
}

#[test]
fn codec_size_and_frame_rate_by_container() -> Outcome {
    // Where this table has no rate, the headers contain no correct rate.
    let cases = [
        ("h264_front.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "h264", (160, 120), Some(10.0)),
        ("h264.mkv", "matroska,webm", "h264", (160, 120), Some(10.0)),
        ("h264.ts", "mpegts", "h264", (160, 120), Some(10.0)),
        ("h264_raw.h264", "h264", "h264", (160, 120), None),
        ("hevc.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "hevc", (160, 120), Some(10.0)),
        ("vvc.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "vvc", (160, 120), Some(10.0)),
        ("vp8.webm", "matroska,webm", "vp8", (160, 120), Some(10.0)),
        ("vp9.webm", "matroska,webm", "vp9", (160, 120), Some(10.0)),
        ("av1.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "av1", (160, 120), Some(10.0)),
        ("mpeg1.mpg", "mpeg", "mpeg1video", (160, 120), Some(25.0)),
        ("mpeg2.ps.mpg", "mpeg", "mpeg2video", (160, 120), Some(25.0)),
        ("mpeg2.mxf", "mxf", "mpeg2video", (96, 64), None),
        ("mpeg4.avi", "avi", "mpeg4", (160, 120), Some(10.0)),
        ("flv.flv", "flv", "flv1", (160, 120), Some(10.0)),
        ("wmv2.asf", "asf", "wmv2", (160, 120), Some(10.0)),
        ("h263.3gp", "mov,mp4,m4a,3gp,3g2,mj2", "h263", (128, 96), Some(10.0)),
        ("theora.ogv", "ogg", "theora", (160, 120), None),
        ("mjpeg.mov", "mov,mp4,m4a,3gp,3g2,mj2", "mjpeg", (160, 120), Some(3.0)),
        ("ffv1.mkv", "matroska,webm", "ffv1", (96, 64), Some(2.0)),
        ("prores.mov", "mov,mp4,m4a,3gp,3g2,mj2", "prores", (160, 120), Some(2.0)),
        ("dv.avi", "avi", "dvvideo", (720, 480), Some(29.97)),
        ("gif.gif", "gif", "gif", (96, 64), Some(5.0)),
        ("odd_size.webm", "matroska,webm", "vp9", (161, 121), Some(10.0)),
        ("h264_1080p.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "h264", (1920, 1080), Some(2.0)),
    ];
    let mut wrong = Vec::new();
    for (name, format, codec, size, rate) in cases {
        let info = info(name)?;
        let stream = video_stream(&info).map_err(|error| format!("{name}: {error}"))?;
        let video = stream.video.as_ref().ok_or("no picture properties")?;
        let found_rate = stream.average_frame_rate.value();
        let same_rate = rate.is_none_or(|rate| found_rate.is_some_and(|found| (found - rate).abs() < 0.01));
        let (found_format, found_codec) = (info.format_name.as_str(), stream.codec_name.as_deref());
        if (found_format, found_codec) != (format, Some(codec))
            || (video.width, video.height) != size
            || !same_rate
        {
            let found_size = (video.width, video.height);
            wrong.push(format!("{name}: {found_format} {found_codec:?} {found_size:?} {found_rate:?}"));
        }
        assert!(stream.decodable, "{name}");
        assert_eq!(info.size_bytes, Some(fixture_bytes(name)?.len() as u64), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_size_told_is_the_size_decoded() -> Outcome {
    let mut wrong = Vec::new();
    // The pictures of the first three files change their size. The headers of the last file count the lines of whole blocks.
    let exceptions = ["resolution_change.ts", "vp9_resized.webm", "av1_resized.mp4", "dnxhd.mxf"];
    let pictures = common::fixtures()?.into_iter().filter(|name| !common::gives_no_picture(name));
    for name in pictures.filter(|name| !exceptions.contains(&name.as_str())) {
        let mut media = open(&name)?;
        let frame = media.frame(common::AT)?;
        let stream = media.info().streams.get(frame.stream_index()).ok_or("the frame's stream is gone")?;
        let video = stream.video.clone().ok_or("the frame's stream is no video")?;
        let decoded = frame.decoded_size();
        if (video.width, video.height) != decoded {
            wrong.push(format!("{name}: told {}x{}, decoded {decoded:?}", video.width, video.height));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The times of the first frames reveal the rate of a Matroska file that declares none, and no more bytes are read for them.
#[test]
fn the_first_frames_reveal_an_undeclared_rate() -> Outcome {
    for name in ["h264.mkv", "vp8.webm", "no_reorder.mkv"] {
        let declared = fixture_bytes(name)?;
        let mut undeclared = declared.clone();
        // Another identifier instead of that of the default duration (RFC 9559, 5.1.4.1.13).
        let place =
            declared.windows(3).position(|id| id == [0x23, 0xe3, 0x83]).ok_or("no default duration")?;
        undeclared[place + 2] = 0x85;
        let facts = |bytes: &[u8]| -> Outcome<_> {
            let media = Media::open(Cursor::new(bytes), &OpenOptions::default())?;
            let stream = video_stream(media.info())?;
            let cost = (media.ledger().requests, media.ledger().bytes_fetched);
            Ok((stream.real_frame_rate, stream.average_frame_rate, cost))
        };
        let ((rate, average, cost), (found, unknown, same_cost)) = (facts(&declared)?, facts(&undeclared)?);
        assert_eq!((rate, average), (ratio(10, 1), ratio(10, 1)), "{name}");
        assert_eq!((found, unknown, same_cost), (ratio(10, 1), ratio(0, 0), cost), "{name}");
    }
    Ok(())
}

#[test]
fn stream_times_and_counts() -> Outcome {
    let info = info("h264_front.mp4")?;
    let [video, sound] = &info.streams[..] else { return Err("not two streams".into()) };
    assert_eq!((video.index, video.id, video.kind), (0, Some(1), StreamKind::Video));
    assert_eq!(
        (video.time_base, video.start_pts, video.duration_ts),
        (ratio(1, 10_240), Some(0), Some(71_680))
    );
    assert_eq!((video.duration_seconds, video.frame_count), (Some(7.0), Some(70)));
    assert_eq!((video.codec_tag_string.as_str(), video.codec_tag), ("avc1", 0x3163_7661));
    assert!(video.disposition.default && !video.disposition.attached_pic && video.audio.is_none());
    assert_eq!((sound.index, sound.id, sound.kind), (1, Some(2), StreamKind::Audio));
    assert_eq!(sound.codec_name.as_deref(), Some("aac"));
    assert!(!sound.decodable && sound.video.is_none());
    let audio = sound.audio.as_ref().ok_or("no sound properties")?;
    assert_eq!((audio.sample_rate, audio.channels), (Some(22_050), Some(1)));
    Ok(())
}

#[test]
fn bit_rates_are_bytes_by_time() -> Outcome {
    for name in ["h264_front.mp4", "h264.mkv", "h264.ts", "vp9.webm", "mpeg4.avi", "flv.flv"] {
        let info = info(name)?;
        let (rate, seconds) = (info.bit_rate.ok_or("no rate")?, info.duration_seconds.ok_or("no duration")?);
        let expected = fixture_bytes(name)?.len() as f64 * 8.0 / seconds;
        assert!((rate as f64 - expected).abs() <= expected * 0.001, "{name}: {rate}, not {expected}");
    }
    // The sample table contains 70 samples of 31 988 bytes in total.
    let front = info("h264_front.mp4")?;
    let rates: u64 = front.streams.iter().filter_map(|stream| stream.bit_rate).sum();
    assert!(rates < front.bit_rate.ok_or("no rate")? && rates > 50_000, "{rates}");
    Ok(())
}

#[test]
fn tags_of_container_and_streams() -> Outcome {
    let front = info("h264_front.mp4")?;
    assert_eq!(front.tags.get("major_brand").map(String::as_str), Some("isom"));
    assert_eq!(front.streams[0].tags.get("handler_name").map(String::as_str), Some("VideoHandler"));
    assert_eq!(front.streams[1].tags.get("language").map(String::as_str), Some("und"));
    let webm = info("vp9.webm")?;
    assert_eq!(webm.tags.get("encoder").map(String::as_str), Some("Lavf"));
    assert_eq!(webm.streams[0].tags.get("DURATION").map(String::as_str), Some("00:00:07.000000000"));
    Ok(())
}

#[test]
fn kinds_of_streams() -> Outcome {
    let kinds = |name: &str| -> Outcome<Vec<StreamKind>> {
        Ok(info(name)?.streams.iter().map(|stream| stream.kind).collect())
    };
    assert_eq!(kinds("audio_only.m4a")?, [StreamKind::Audio]);
    assert_eq!(kinds("h264.mkv")?, [StreamKind::Video, StreamKind::Audio]);
    assert_eq!(kinds("h264.ts")?, [StreamKind::Video, StreamKind::Audio]);
    assert_eq!(kinds("anamorphic.mp4")?, [StreamKind::Video]);
    assert_eq!(kinds("cover_only.m4a")?, [StreamKind::Audio, StreamKind::Video]);
    Ok(())
}

#[test]
fn the_moving_picture_goes_before_the_cover() -> Outcome {
    let both = info("cover_art.mp4")?;
    let cover = both.streams.first().ok_or("no streams")?;
    assert!(cover.disposition.attached_pic);
    assert_eq!(cover.codec_name.as_deref(), Some("png"));
    let size = cover.video.as_ref().map(|video| (video.width, video.height));
    assert_eq!(size, Some((240, 240)));
    assert_eq!(both.video_stream, Some(1));
    assert_eq!(video_stream(&both)?.codec_name.as_deref(), Some("h264"));
    let alone = info("cover_only.m4a")?;
    assert_eq!(alone.video_stream, Some(1));
    assert!(video_stream(&alone)?.disposition.attached_pic);
    Ok(())
}

#[test]
fn rotation_of_all_eight_orientations() -> Outcome {
    let expected = [
        (Orientation::Upright, 0.0),
        (Orientation::FlipHorizontal, 180.0),
        (Orientation::Rotate180, 180.0),
        (Orientation::FlipVertical, 0.0),
        (Orientation::Transpose, 90.0),
        (Orientation::Rotate90, 90.0),
        (Orientation::Transverse, 90.0),
        (Orientation::Rotate270, 90.0),
    ];
    for (number, (orientation, degrees)) in (1..).zip(expected) {
        let video = video(&format!("orient_{number}.mp4"))?;
        assert_eq!(video.orientation, orientation, "orient_{number}");
        // The signs depend on the axis that libavutil's formula uses first. The number in Exif does not depend on the axis.
        let turned = video.display_rotation.map_or(0.0, f64::abs);
        assert!((turned - degrees).abs() < 1e-6, "orient_{number}: {:?}", video.display_rotation);
    }
    assert_eq!(video("orient_6.mp4")?.display_rotation, Some(-90.0));
    assert_eq!(video("orient_8.mp4")?.display_rotation, Some(90.0));
    assert_eq!(video("rotated_90.mkv")?.orientation, Orientation::Rotate90);
    assert_eq!(video("h264_front.mp4")?.display_rotation, None);
    Ok(())
}

#[test]
fn shape_of_pixels() -> Outcome {
    assert_eq!(video("anamorphic.mp4")?.sample_aspect_ratio, Some(ratio(64, 45)));
    assert_eq!(video("anamorphic_vp8.mkv")?.sample_aspect_ratio, Some(ratio(64, 45)));
    assert_eq!(video("h264_front.mp4")?.sample_aspect_ratio, Some(ratio(1, 1)));
    Ok(())
}

#[test]
fn colours_and_kinds_of_hdr() -> Outcome {
    for name in ["hdr10.mp4", "hdr10_patches.mp4"] {
        let colour = video(name)?.colour;
        assert_eq!(
            (colour.transfer.as_deref(), colour.hdr),
            (Some("smpte2084"), Some(HdrKind::Pq)),
            "{name}"
        );
        assert_eq!(
            (colour.primaries.as_deref(), colour.matrix.as_deref()),
            (Some("bt2020"), Some("bt2020nc")),
            "{name}"
        );
        assert_eq!(colour.range.as_deref(), Some("tv"), "{name}");
    }
    for name in ["hlg.mp4", "hlg_patches.mp4"] {
        let colour = video(name)?.colour;
        assert_eq!(
            (colour.transfer.as_deref(), colour.hdr),
            (Some("arib-std-b67"), Some(HdrKind::Hlg)),
            "{name}"
        );
    }
    let tagged = video("colours_bt709.mp4")?.colour;
    assert_eq!(
        (tagged.matrix.as_deref(), tagged.range.as_deref(), tagged.hdr),
        (Some("bt709"), Some("tv"), None)
    );
    let full = video("colours_full_range.mp4")?.colour;
    assert_eq!((full.matrix.as_deref(), full.range.as_deref()), (Some("bt709"), Some("pc")));
    let untagged = video("colours_untagged_sd.mp4")?.colour;
    assert_eq!(
        (untagged.matrix.as_deref(), untagged.transfer.as_deref(), untagged.primaries.as_deref()),
        (None, None, None)
    );
    // 200 is not a known value, so that it is not reported.
    let strange = video("bad_enum.mp4")?.colour;
    assert_eq!(
        (strange.matrix.as_deref(), strange.transfer.as_deref(), strange.primaries.as_deref(), strange.hdr),
        (None, None, None, None)
    );
    Ok(())
}

#[test]
fn where_mp4_keeps_its_index() -> Outcome {
    let position = |name: &str| -> Outcome<u64> {
        let bytes = fixture_bytes(name)?;
        // The box's name follows its size, and occurs once.
        let at = bytes.windows(4).position(|word| word == b"moov").ok_or("no moov")?;
        Ok(at as u64 - 4)
    };
    for (name, faststart, fragmented) in [
        ("h264_front.mp4", true, false),
        ("h264_end.mp4", false, false),
        ("h264_frag_noindex.mp4", true, true),
        ("h264_frag_mfra.mp4", true, true),
        ("h264_frag_sidx.mp4", true, true),
        ("h264_frag_dash.mp4", true, true),
        ("prores.mov", false, false),
        ("truncated_mdat.mp4", true, false),
    ] {
        let layout = layout(name)?;
        assert_eq!((layout.faststart, layout.fragmented), (faststart, fragmented), "{name}");
        assert_eq!(layout.moov_offset, position(name)?, "{name}");
    }
    let end = layout("h264_end.mp4")?;
    assert_eq!(end.moov_offset + end.moov_bytes, fixture_bytes("h264_end.mp4")?.len() as u64);
    assert_eq!(end.moov_bytes, layout("h264_front.mp4")?.moov_bytes);
    for name in ["h264.mkv", "h264.ts", "mpeg4.avi"] {
        assert_eq!(info(name)?.mp4, None, "{name}");
    }
    Ok(())
}

#[test]
fn starts_and_durations_that_are_not_plain() -> Outcome {
    let times = |name: &str| -> Outcome<(Option<f64>, Option<f64>)> {
        let info = info(name)?;
        Ok((info.start_seconds, info.duration_seconds))
    };
    assert_eq!(times("edit_list.mp4")?, (Some(0.0), Some(7.0)));
    assert_eq!(times("edit_empty_alone.mp4")?, (Some(1.0), Some(7.0)));
    assert_eq!(times("edit_empty.mp4")?, (Some(0.0), Some(8.0)));
    assert_eq!(times("h264_raw.h264")?, (None, None));
    // Matroska's duration starts at 0, not at the start time.
    assert_eq!(times("start_offset.mkv")?, (Some(10.0), Some(17.0)));
    Ok(())
}

#[test]
fn looking_reads_no_more_than_headers_where_they_suffice() -> Outcome {
    for (name, most) in [("h264_1080p.mp4", 50_000), ("mpeg2.mxf", 50_000), ("vp9.webm", 65_536)] {
        let media = open(name)?;
        assert!(media.ledger().bytes_fetched <= most, "{name}: {:?}", media.ledger());
    }
    Ok(())
}

#[test]
fn information_serialises() -> Outcome {
    let json = serde_json::to_value(info("hdr10.mp4")?)?;
    assert_eq!(json["streams"][0]["video"]["colour"]["hdr"], "pq");
    assert_eq!(json["streams"][0]["kind"], "video");
    assert_eq!(json["mp4"]["faststart"], false);
    Ok(())
}

/// Damaged files, whose headers promise more or less than can be decoded.
const DAMAGED: [&str; 7] = [
    "truncated_mdat.mp4",
    "truncated_mkv.mkv",
    "cut_packet_qtrle.mov",
    "cut_packet_mjpeg.mov",
    "cut_packet_h264.mp4",
    "noindex_stopped.avi",
    "frag_disorder.mp4",
];

#[test]
fn headers_tell_whether_the_default_time_exists() -> Outcome {
    let table = common::Table::read(&common::fixture("oracle.tsv"))?;
    let (mut told, mut wrong) = (0, Vec::new());
    for row in &table.rows {
        let name = table.get(row, "file")?;
        let Ok(info) = info(name) else { continue };
        let Some(has) = info.has_default_time else { continue };
        told += 1;
        if has != (table.get(row, "reason")? == "at_target") && !DAMAGED.contains(&name) {
            wrong.push(format!("{name}: {has}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(told * 10 > table.rows.len() * 9, "{told} of {}", table.rows.len());
    Ok(())
}

#[test]
fn side_data_of_colours_and_geometry() -> Outcome {
    let stream = |name: &str| -> Outcome<StreamInfo> { Ok(video_stream(&info(name)?)?.clone()) };
    let turned = stream("orient_6.mp4")?;
    let [SideData::DisplayMatrix { matrix, rotation }] = turned.side_data[..] else {
        return Err(format!("{:?}", turned.side_data).into());
    };
    assert_eq!((matrix[1], matrix[3], rotation), (65_536, -65_536, -90.0));
    assert_eq!(stream("h264_front.mp4")?.side_data, []);
    Ok(())
}

#[test]
fn the_profile_of_dolby_vision() -> Outcome {
    // Replaces the box of bit rates by a box of Dolby Vision: profile (7 bits), level (6 bits),
    // flags for metadata, enhancement layer and base layer.
    for (profile, bits, kind) in
        [(8, [0x10, 0x25], HdrKind::DolbyVision), (5, [0x0a, 0x25], HdrKind::DolbyVision5)]
    {
        let mut bytes = fixture_bytes("hevc.mp4")?;
        let at = bytes.windows(4).position(|kind| kind == b"btrt").ok_or("no bit rates")?;
        bytes[at..at + 8].copy_from_slice(&[b'd', b'v', b'v', b'C', 1, 0, bits[0], bits[1]]);
        let media = Media::open(Cursor::new(bytes), &OpenOptions::default())?;
        let stream = video_stream(media.info())?;
        let vision = stream.dolby_vision().ok_or("no Dolby Vision")?;
        assert_eq!((vision.version, vision.profile, vision.level), ((1, 0), profile, 4));
        assert!(vision.has_metadata && vision.has_base_layer && !vision.has_enhancement_layer);
        assert_eq!(stream.video.as_ref().and_then(|video| video.colour.hdr), Some(kind));
    }
    Ok(())
}

#[test]
fn analysis_adds_to_what_headers_tell_and_frames_stay() -> Outcome {
    let deep = OpenOptions::default().with_stream_analysis(true);
    for name in [
        "mjpeg.mov",
        "ffv1.mkv",
        "vp9.webm",
        "h264_front.mp4",
        "h264_frag_noindex.mp4",
        "h264.ts",
        "theora.ogv",
    ] {
        let (mut plain, mut analysed) = (open(name)?, Media::open(Cursor::new(fixture_bytes(name)?), &deep)?);
        let (before, after) = (video_stream(plain.info())?.clone(), video_stream(analysed.info())?.clone());
        assert_eq!(plain.info().duration_seconds, analysed.info().duration_seconds, "{name}");
        let format = after.video.as_ref().and_then(|video| video.pixel_format.as_deref());
        assert!(format.is_some() && after.real_frame_rate.positive().is_some(), "{name}: {after:?}");
        assert!(after.frame_rate_mode.is_some(), "{name}");
        assert!(before.profile.is_none() || before.profile == after.profile, "{name}");
        let (frame, same) = (plain.frame(common::AT)?, analysed.frame(common::AT)?);
        assert_eq!(frame.pts(), same.pts(), "{name}");
        assert_eq!(common::planes_md5(&frame)?, common::planes_md5(&same)?, "{name}");
    }
    Ok(())
}

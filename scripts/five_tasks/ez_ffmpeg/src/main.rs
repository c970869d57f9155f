//! Five tasks with ez-ffmpeg: `five-tasks-ez-ffmpeg TASK INPUT OUTPUT`. `run.py` runs them and checks what they write.

use std::fs;

use ez_ffmpeg::container_info::{get_duration_us, get_format};
use ez_ffmpeg::frame_export::{FrameExtractor, Sampling};
use ez_ffmpeg::recipes::{At, Every, SpriteSheetOptions, ThumbnailOptions, sprite_sheet, thumbnail};
use ez_ffmpeg::stream_info::{StreamInfo, find_all_stream_infos};
use ez_ffmpeg::{FfmpegContext, Output};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [task, input, output] = arguments.as_slice() else { return Err("TASK INPUT OUTPUT".into()) };
    match task.as_str() {
        "first_frame" => first_frame(input, output),
        "frame_of_url" => frame_of_url(input, output),
        "ten_frames" => ten_frames(input, output),
        "storyboard" => storyboard(input, output),
        "information" => information(input, output),
        _ => Err("there are five tasks".into()),
    }
}

fn first_frame(input: &str, output: &str) -> Outcome {
    let output = Output::from(output).set_max_video_frames(1);
    FfmpegContext::builder().input(input).output(output).build()?.start()?.wait()?;
    Ok(())
}

fn frame_of_url(input: &str, output: &str) -> Outcome {
    let options = ThumbnailOptions { at: At::Sec(5.0), width: Some(640), ..Default::default() };
    thumbnail(input, output, options)?;
    Ok(())
}

fn ten_frames(input: &str, output: &str) -> Outcome {
    let mut seconds = Vec::new();
    for frame in FrameExtractor::new(input).sampling(Sampling::UniformN(10)).frames()? {
        seconds.push(frame?.pts_us().unwrap_or_default() as f64 / 1e6);
    }
    fs::write(output, serde_json::to_string(&seconds)?)?;
    Ok(())
}

fn storyboard(input: &str, output: &str) -> Outcome {
    let options = SpriteSheetOptions { grid: (10, 10), every: Every::EvenlySpread, cell: (160, 90), ..Default::default() };
    sprite_sheet(input, output, options)?;
    Ok(())
}

fn information(input: &str, output: &str) -> Outcome {
    let mut streams = Vec::new();
    for stream in find_all_stream_infos(input)? {
        streams.push(match stream {
            StreamInfo::Video { codec_name, width, height, fps, .. } => {
                json!({ "kind": "video", "codec_name": codec_name, "width": width, "height": height, "fps": fps })
            }
            StreamInfo::Audio { codec_name, sample_rate, .. } => {
                json!({ "kind": "audio", "codec_name": codec_name, "sample_rate": sample_rate })
            }
            _ => Value::Null,
        });
    }
    let duration = get_duration_us(input)? as f64 / 1e6;
    let told = json!({ "format_name": get_format(input)?, "duration_seconds": duration, "streams": streams });
    fs::write(output, told.to_string())?;
    Ok(())
}

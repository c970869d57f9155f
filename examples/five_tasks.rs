//! Five tasks, for a comparison with other libraries: `five_tasks TASK INPUT OUTPUT`.
//!
//! `scripts/five_tasks/run.py` runs this program and the same tasks with ez-ffmpeg and PyAV, and checks what they write.
//! `cargo run --example five_tasks --no-default-features --features http -- first_frame video.mp4 first.jpg` runs one task.

use std::fs;
use std::time::Duration;

use posterframe::source::HttpSource;
use posterframe::{FrameTime, Media, OpenOptions, Percent, StoryboardRequest};

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
    let mut media = Media::open_file(input, &OpenOptions::default())?;
    fs::write(output, media.frame(Duration::ZERO)?.thumbnail()?.bytes)?;
    Ok(())
}

fn frame_of_url(input: &str, output: &str) -> Outcome {
    let (source, at) = (HttpSource::new(input.parse()?)?, Duration::from_secs(5));
    let mut media = Media::open_source(source, &OpenOptions::default().with_frame(at))?;
    fs::write(output, media.frame(at)?.thumbnail()?.bytes)?;
    Ok(())
}

fn ten_frames(input: &str, output: &str) -> Outcome {
    let mut media = Media::open_file(input, &OpenOptions::default())?;
    let times = (0..10).filter_map(|number| Percent::new(f64::from(number) * 10.0)).map(FrameTime::Part);
    let mut seconds = Vec::new();
    for frame in media.frames(times) {
        seconds.push(frame?.pts_seconds());
    }
    fs::write(output, serde_json::to_string(&seconds)?)?;
    Ok(())
}

fn storyboard(input: &str, output: &str) -> Outcome {
    let mut media = Media::open_file(input, &OpenOptions::default())?;
    let storyboard = media.storyboard(&StoryboardRequest::default())?;
    fs::write(output, &storyboard.sheets[0].bytes)?;
    fs::write(format!("{output}.vtt"), storyboard.webvtt(|_| output.to_owned()))?;
    Ok(())
}

fn information(input: &str, output: &str) -> Outcome {
    let media = Media::open_file(input, &OpenOptions::default())?;
    fs::write(output, serde_json::to_string(media.info())?)?;
    Ok(())
}

//! Good frames from all parts of a video, one picture each, for people to choose one: `candidates VIDEO COUNT FOLDER`.
//!
//! `cargo run --example candidates --no-default-features -- video.mp4 6 choices` prints a line for each picture: its file, the time to request
//! the frame by, the verdict, and a ThumbHash and the average colour for a page to show until the picture is loaded. The last line is about
//! the frame that `Pick::Auto` takes near five seconds, as a square around the upper third. `posterframe grab --candidates` has more options.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::num::NonZeroU32;
use std::path::Path;

use posterframe::{
    Bounds, CandidatesRequest, CoverArt, Encoding, Fit, Focus, FrameRequest, FrameTime, ImageFormat, Media,
    OpenOptions, Pick, Placeholder, Quality,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [video, count, folder] = arguments.as_slice() else {
        return Err("usage: candidates VIDEO COUNT FOLDER".into());
    };
    let count: NonZeroU32 = count.parse()?;
    let folder = Path::new(folder);
    std::fs::create_dir_all(folder)?;

    let mut media = Media::open_file(video, &OpenOptions::default())?;
    for candidate in media.candidates(&CandidatesRequest::new(count))? {
        let name = format!("{}.jpg", candidate.at);
        let picture = candidate.picture.encode(ImageFormat::Jpeg, Quality::default())?;
        std::fs::write(folder.join(&name), &picture.bytes)?;
        let Placeholder { thumb_hash, average_colour, .. } = Placeholder::of(&candidate.picture);
        println!(
            "{name}\t{}\t{:?}\t{thumb_hash}\t{average_colour}",
            candidate.at, candidate.appearance.verdict
        );
    }

    let focus = Focus::new(0.5, 0.33).ok_or("no point of the picture")?;
    let square = Encoding::default().with_bounds(Bounds::new(360, 360)).with_fit(Fit::Cover { focus });
    let request = FrameRequest::at(FrameTime::default())
        .with_pick(Pick::Auto)
        .with_cover(CoverArt::Ignore)
        .with_encoding(square);
    let frame = media.frame(request)?;
    std::fs::write(folder.join("square.jpg"), &frame.thumbnail()?.bytes)?;
    let placeholder = frame.placeholder(square)?;
    println!(
        "square.jpg\t{}\t{} looked at\t{}",
        frame.pts_seconds(),
        frame.considered().len(),
        placeholder.average_colour
    );
    Ok(())
}

//! Prints the selected frame of each file and the MD5 of its planes, for comparison with other programs.
//!
//! `cargo run --release --example frame_md5 --features static -- FILE_OR_URL...` prints one tab-separated line for each file:
//! start, duration, reason, pts, time base, size, pixel format, MD5, orientation, bytes, requests.

use std::time::Duration;

use md5::{Digest as _, Md5};
#[cfg(feature = "http")]
use posterframe::source::{HttpSource, SourceError};
use posterframe::{Error, Media, OpenOptions};

const AT: Duration = Duration::from_secs(5);

fn open(path: &str) -> Result<Media<'static>, Error> {
    #[cfg(feature = "http")]
    if path.starts_with("http") {
        let url = path.parse().map_err(|error| SourceError::Request { reason: format!("{error}") });
        let source = url.and_then(HttpSource::new)?;
        return Media::open_source(source, &OpenOptions::default().with_frame(AT));
    }
    Media::open_file(path, &OpenOptions::default())
}

fn line(path: &str) -> Result<String, Error> {
    let mut media = open(path)?;
    let start = media.info().start_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.6}"));
    let duration = media.info().duration_seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.6}"));
    let frame = match media.frame(AT) {
        Ok(frame) => frame,
        Err(error) => return Ok(format!("{start}\t{duration}\terror\t{}: {error}", error.kind())),
    };
    let md5: String = Md5::digest(frame.copy_planes()?).iter().map(|byte| format!("{byte:02x}")).collect();
    let (width, height) = frame.decoded_size();
    let ledger = media.ledger();
    Ok(format!(
        "{start}\t{duration}\t{}\t{}\t{}/{}\t{width}x{height}\t{}\t{md5}\t{:?}\t{}\t{}",
        frame.reason().as_str(),
        frame.pts(),
        frame.time_base().num,
        frame.time_base().den,
        frame.pixel_format(),
        frame.orientation(),
        ledger.bytes_fetched,
        ledger.requests,
    ))
}

#[expect(clippy::print_stdout, reason = "a program whose output is its purpose")]
fn main() {
    for path in std::env::args().skip(1) {
        match line(&path) {
            Ok(line) => println!("{path}\t{line}"),
            Err(error) => println!("{path}\t-\t-\terror\t{}: {error}", error.kind()),
        }
    }
}

//! Tests the thumbnail server, `examples/axum.rs`, over loopback.

use std::collections::HashSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use posterframe::source::block_on;
use posterframe::{Bounds, Encoding};
use reqwest::Client;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, RETRY_AFTER};

use crate::common::{AT, Outcome, fixture, fixture_bytes, fixtures_folder, open};
use crate::example;
use crate::programs::{Program, pause};
use crate::servers::Fault;
use crate::servers::s3_server::{BUCKET, S3Server};

/// Longer than any client waits.
const NEVER: Duration = Duration::from_secs(60);

/// The running example.
struct Thumbnails {
    program: Program,
    url: String,
}

/// An answer of the server.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: reqwest::header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn is_failure(&self, status: u16, kind: &str) {
        assert_eq!((self.status, &*self.body), (status, kind.as_bytes()));
        assert_eq!((self.header(CACHE_CONTROL), self.header(ETAG)), ("no-store", ""));
    }
}

impl Thumbnails {
    fn start(place: &str, settings: Vec<(&str, String)>) -> Outcome<Self> {
        let mut program = Program::start(example("axum")?.args([place, "127.0.0.1:0"]).envs(settings))?;
        let log = program.log().clone();
        let address = || log.lines().into_iter().find(|line| line.starts_with("http://"));
        program.wait_until(|| address().is_some())?;
        Ok(Self { program, url: address().unwrap_or_default() })
    }

    /// Starts the server with the videos in a folder.
    fn of_folder(folder: &Path) -> Outcome<Self> {
        Self::start(folder.to_str().ok_or("a path that is not UTF-8")?, Vec::new())
    }

    fn of_bucket(server: &S3Server) -> Outcome<Self> {
        Self::start(&format!("s3://{BUCKET}"), server.settings())
    }

    fn get(&self, key: &str) -> Outcome<Answer> {
        get(format!("{}{key}", self.url), None)
    }

    fn get_unless(&self, key: &str, etag: &str) -> Outcome<Answer> {
        get(format!("{}{key}", self.url), Some(etag.to_owned()))
    }
}

fn get(url: String, etag: Option<String>) -> Outcome<Answer> {
    let answer = async move {
        let request = Client::new().get(url);
        let request = match etag {
            Some(etag) => request.header(IF_NONE_MATCH, etag),
            None => request,
        };
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok::<_, reqwest::Error>(Answer { status, headers, body: response.bytes().await?.to_vec() })
    };
    Ok(block_on(answer)??)
}

/// The thumbnail of a fixture, encoded by the library.
fn thumbnail(name: &str) -> Outcome<Vec<u8>> {
    let bounds = Bounds { max_width: NonZeroU32::new(640), max_height: None };
    Ok(open(name)?.frame(AT)?.encode(&Encoding::default().with_bounds(bounds))?.bytes)
}

#[test]
fn a_folder_s_thumbnails() -> Outcome {
    let folder = tempfile::tempdir()?;
    let film = folder.path().join("a/1_x y.mp4");
    fs::create_dir(folder.path().join("a"))?;
    fs::copy(fixture("h264_1080p.mp4"), &film)?;
    let server = Thumbnails::of_folder(folder.path())?;

    let key = "a/1_x%20y.mp4";
    let answer = server.get(key)?;
    assert_eq!((answer.status, answer.header(CONTENT_TYPE)), (200, "image/jpeg"));
    assert_eq!(answer.header(CACHE_CONTROL), "public, max-age=300");
    assert_eq!(answer.body, thumbnail("h264_1080p.mp4")?);
    assert_eq!(image::load_from_memory(&answer.body)?.into_rgb8().dimensions(), (640, 360));

    let etag = answer.header(ETAG);
    for known in [etag.to_owned(), format!("\"another\", W/{etag}"), "*".to_owned()] {
        let answer = server.get_unless(key, &known)?;
        assert_eq!((answer.status, &*answer.body, answer.header(ETAG)), (304, &b""[..], etag), "{known}");
    }
    let answer = server.get_unless(key, "\"another\"")?;
    assert_eq!((answer.status, answer.header(ETAG)), (200, etag));

    // After the video is replaced, its thumbnail changes.
    fs::copy(fixture("h264_end.mp4"), &film)?;
    let answer = server.get_unless(key, etag)?;
    assert_eq!((answer.status, &answer.body), (200, &thumbnail("h264_end.mp4")?));
    assert_ne!(answer.header(ETAG), etag);
    Ok(())
}

#[test]
fn what_has_no_thumbnail_is_told_by_status() -> Outcome {
    let server = Thumbnails::of_folder(&fixtures_folder())?;
    let (malformed, limit) = ("malformed", "limit_exceeded");
    for (key, status, kind) in [
        ("nothing.mp4", 404, "not_found"),
        // A path out of the folder that the client does not resolve itself.
        ("..%2Fgolden.txt", 404, "not_found"),
        ("%2Fetc%2Fpasswd", 404, "not_found"),
        ("audio_only.m4a", 415, "unsupported"),
        ("x_text.mp4", 422, malformed),
        ("x_empty.mp4", 422, malformed),
        ("x_truncated_moov.mp4", 422, malformed),
        ("x_huge_pixels.mp4", 422, limit),
        ("x_bomb_stsz.mp4", 422, limit),
    ] {
        let answer = server.get(key)?;
        assert!(answer.status == status, "{key}: {answer:?}");
        answer.is_failure(status, kind);
    }
    assert_eq!(server.get("h264_front.mp4")?.status, 200);
    Ok(())
}

#[test]
fn several_at_once() -> Outcome {
    let server = Thumbnails::of_folder(&fixtures_folder())?;
    let names = ["h264_front.mp4", "hevc.mp4", "vp9.webm", "rotated_90.mkv"];
    let answers = thread::scope(|scope| {
        let server = &server;
        let ask = |name| (name, scope.spawn(move || server.get(name).map_err(|error| error.to_string())));
        let asked: Vec<_> = names.into_iter().cycle().take(12).map(ask).collect();
        asked.into_iter().map(|(name, answer)| (name, answer.join())).collect::<Vec<_>>()
    });
    for (name, answer) in answers {
        let answer = answer.map_err(|_| "a panic")??;
        assert_eq!((answer.status, &answer.body), (200, &thumbnail(name)?), "{name}");
    }
    Ok(())
}

#[test]
fn a_bucket_s_thumbnails() -> Outcome {
    let s3 = S3Server::start()?;
    s3.put("videos/1_x.mp4", &fixture_bytes("h264_end.mp4")?)?;
    let server = Thumbnails::of_bucket(&s3)?;
    let answer = server.get("videos/1_x.mp4")?;
    assert_eq!((answer.status, &answer.body), (200, &thumbnail("h264_end.mp4")?));

    // A request for a thumbnail that the client already has costs one byte.
    let before = s3.faults.seen().len();
    assert_eq!(server.get_unless("videos/1_x.mp4", answer.header(ETAG))?.status, 304);
    let seen = s3.faults.seen();
    assert_eq!(seen[before..].iter().map(|seen| seen.range()).collect::<Vec<_>>(), [Some("bytes=0-0")]);

    s3.put("videos/1_x.mp4", &fixture_bytes("hevc.mp4")?)?;
    let newer = server.get_unless("videos/1_x.mp4", answer.header(ETAG))?;
    assert_eq!((newer.status, &newer.body), (200, &thumbnail("hevc.mp4")?));

    server.get("videos/2_y.mp4")?.is_failure(404, "not_found");
    s3.faults.always(Fault::s3_error(403, "AccessDenied", "Access Denied"));
    server.get("videos/1_x.mp4")?.is_failure(403, "denied");
    s3.faults.clear();
    // The object is replaced again and again while the server reads it.
    s3.faults.always(Fault::s3_error(412, "PreconditionFailed", "It is another one"));
    let answer = server.get("videos/1_x.mp4")?;
    answer.is_failure(503, "unavailable");
    assert_eq!(answer.header(RETRY_AFTER), "1");
    Ok(())
}

#[test]
fn no_more_are_made_at_a_time_than_there_are_cores() -> Outcome {
    let s3 = S3Server::start()?;
    let most = thread::available_parallelism()?.get();
    let keys: Vec<String> = (0..most + 3).map(|number| format!("{number}.mp4")).collect();
    for key in &keys {
        s3.put(key, &fixture_bytes("short_3s.mp4")?)?;
    }
    let server = Thumbnails::of_bucket(&s3)?;
    s3.faults.always(Fault::Delay(Duration::from_secs(1)));
    let statuses = thread::scope(|scope| {
        let server = &server;
        let status = |key: &String| server.get(key).map_or(0, |answer| answer.status);
        let asked: Vec<_> = keys.iter().map(|key| scope.spawn(move || status(key))).collect();
        let started = Instant::now();
        while s3.faults.seen().is_empty() && started.elapsed() < NEVER {
            pause(Duration::from_millis(10));
        }
        pause(Duration::from_millis(700));
        let at_work: HashSet<String> = s3.faults.seen().into_iter().map(|seen| seen.path).collect();
        assert!(at_work.len() <= most, "{at_work:?}");
        s3.faults.clear();
        asked.into_iter().map(|answer| answer.join().unwrap_or(0)).collect::<Vec<_>>()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    Ok(())
}

#[test]
fn whoever_waits_too_long_is_told_and_whoever_leaves_stops_the_work() -> Outcome {
    let s3 = S3Server::start()?;
    s3.put("left.mp4", &fixture_bytes("h264_end.mp4")?)?;
    s3.put("slow.mp4", &fixture_bytes("h264_end.mp4")?)?;
    s3.faults.always(Fault::Delay(NEVER));
    let mut server = Thumbnails::of_bucket(&s3)?;
    let url = format!("{}left.mp4", server.url);
    let left = block_on(async move {
        Client::new()
            .get(url)
            .timeout(Duration::from_millis(500))
            .send()
            .await
            .map(|response| response.status())
    })?;
    assert!(left.is_err_and(|error| error.is_timeout()));
    let log = server.program.log().clone();
    let started = Instant::now();
    server.program.wait_until(|| log.text().contains("left.mp4: cancelled"))?;
    // The server's own deadline is ten seconds.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    server.get("slow.mp4")?.is_failure(504, "timeout");
    s3.faults.clear();
    assert_eq!(server.get("slow.mp4")?.status, 200);
    Ok(())
}

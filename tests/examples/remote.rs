//! Tests the examples that read remote objects, with servers that count requests.

use std::fs;

use posterframe::Encoding;

use crate::common::{Outcome, fixture_bytes};
use crate::servers::http_server::{HttpServer, Object};
use crate::servers::s3_server::{BUCKET, S3Server};
use crate::{FILM, example, output_of, poster};

/// The film, followed by a `free` box (ISO/IEC 14496-12, 8.1.2) of megabytes that nobody needs.
fn large_film() -> Outcome<Vec<u8>> {
    const FREE: u32 = 8 << 20;
    let mut film = fixture_bytes(FILM)?;
    film.extend(FREE.to_be_bytes());
    film.extend(b"free");
    film.resize(film.len() + usize::try_from(FREE)? - 8, 0);
    Ok(film)
}

/// Returns N and M of the line `N bytes of SIZE in M requests`.
fn cost(printed: &str) -> Option<(u64, u64)> {
    let line = printed.lines().last()?;
    let bytes = line.split_once(" bytes")?.0.parse().ok()?;
    let requests = line.split_once(" in ")?.1.split_once(" requests")?.0.parse().ok()?;
    Some((bytes, requests))
}

#[test]
fn http() -> Outcome {
    let (server, folder) = (HttpServer::start()?, tempfile::tempdir()?);
    let picture = folder.path().join("picture.jpg");
    let url = server.put("/a.mp4", Object::new(large_film()?));
    let printed = output_of(example("http")?.arg(&url).arg(&picture))?;
    assert!(printed.contains("Some(7.0) seconds\n  video: h264\n  audio: aac\n"), "{printed}");
    assert!(printed.contains("frame at 5.000 s (at_target)"), "{printed}");
    assert_eq!(fs::read(&picture)?, poster(&Encoding::default())?);
    let (bytes, requests) = cost(&printed).ok_or("no cost")?;
    assert_eq!(requests, server.faults.seen().len() as u64);
    assert!(bytes < 2 << 20, "{printed}");

    let output = example("http")?.arg(server.endpoint() + "/nothing.mp4").arg(&picture).output()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("NotFound"), "{output:?}");
    Ok(())
}

#[test]
fn s3() -> Outcome {
    let (server, folder) = (S3Server::start()?, tempfile::tempdir()?);
    let picture = folder.path().join("picture.jpg");
    let film = large_film()?;
    server.put("videos/1_x y.mp4", &film)?;
    let mut command = example("s3")?;
    let printed =
        output_of(command.args([BUCKET, "videos/1_x y.mp4"]).arg(&picture).envs(server.settings()))?;
    let etag = crate::common::md5_hex(&film);
    assert!(printed.starts_with(&format!("Some(7.0) seconds, ETag \"{etag}\"\n")), "{printed}");
    assert_eq!(fs::read(&picture)?, poster(&Encoding::default())?);
    let (bytes, requests) = cost(&printed).ok_or("no cost")?;
    assert_eq!(requests, server.faults.seen().len() as u64);
    assert!(bytes < 2 << 20, "{printed}");

    let mut command = example("s3")?;
    let output =
        command.args([BUCKET, "videos/nothing.mp4"]).arg(&picture).envs(server.settings()).output()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("NoSuchKey"), "{output:?}");
    Ok(())
}

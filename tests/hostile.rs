//! Files and readers that mean harm: refused for what they are, in little time and memory.

mod common;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use common::{AT, Outcome, fixture_bytes, frame, frame_of_bytes};
use posterframe::testing::FailingReader;
use posterframe::{Error, ErrorKind, Limit, Limits, Media, OpenOptions};

fn with_limits(change: impl FnOnce(&mut Limits)) -> OpenOptions {
    let mut limits = Limits::default();
    change(&mut limits);
    OpenOptions::default().with_limits(limits)
}

#[test]
fn a_panic_at_any_read_of_opening_is_caught() -> Outcome {
    for name in ["h264_end.mp4", "h264.ts", "vp9.webm"] {
        let bytes = fixture_bytes(name)?;
        for n in 1..=4 {
            let reader = FailingReader::new(Cursor::new(&bytes[..])).panic_on_read(n);
            let result = catch_unwind(AssertUnwindSafe(|| {
                Media::open(reader, &OpenOptions::default())?.frame(AT).map(|_| ())
            }));
            assert!(result.is_ok(), "{name}: the panic of read {n} came through");
        }
    }
    Ok(())
}

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).expect("a test box is small");
    [&size.to_be_bytes()[..], kind, content].concat()
}

/// x_bomb_tracks.mp4 taken apart: what comes before the moov (ftyp, free, mdat), and the moov.
fn bomb() -> Outcome<(Vec<u8>, Vec<u8>)> {
    let bytes = fixture_bytes("x_bomb_tracks.mp4")?;
    let at = bytes.windows(4).position(|word| word == b"moov").ok_or("no moov")? - 4;
    Ok((bytes[..at].to_vec(), bytes[at..].to_vec()))
}

fn refused(what: &str, bytes: &[u8]) {
    let started = Instant::now();
    let options = with_limits(|limits| limits.max_time = Duration::from_secs(2));
    let kind = frame_of_bytes(bytes, &options).map(|_| ()).map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::LimitExceeded), "{what}, after {:?}", started.elapsed());
}

#[test]
fn a_bomb_whose_moov_is_cut_is_counted() -> Outcome {
    let (front, moov) = bomb()?;
    refused("cut", &[&front[..], &moov[..moov.len() - 100]].concat());
    Ok(())
}

#[test]
fn a_bomb_whose_moov_claims_one_byte_more_is_counted() -> Outcome {
    let (front, mut moov) = bomb()?;
    moov[3] += 1;
    refused("one byte more", &[front, moov].concat());
    Ok(())
}

#[test]
fn a_bomb_behind_another_first_box_is_counted() -> Outcome {
    let (front, moov) = bomb()?;
    refused("udta first", &[boxed(b"udta", b""), front, moov].concat());
    Ok(())
}

#[test]
fn a_bomb_in_another_box_is_counted() -> Outcome {
    let (front, moov) = bomb()?;
    refused("moov in udta", &[front, boxed(b"udta", &moov)].concat());
    Ok(())
}

#[test]
fn a_bomb_of_tracks_outside_of_the_moov_is_counted() -> Outcome {
    let (front, moov) = bomb()?;
    let tracks_at = moov.windows(4).position(|word| word == b"trak").ok_or("no trak")? - 4;
    let (header, tracks) = (&moov[8..tracks_at], &moov[tracks_at..]);
    refused("traks behind", &[&front[..], &boxed(b"moov", header), tracks].concat());
    refused("traks before", &[&front[..], tracks, &boxed(b"moov", header)].concat());
    Ok(())
}

#[test]
fn too_many_streams_are_told_as_the_limit() -> Outcome {
    for name in ["cover_art.mp4", "h264.ts", "h264.mkv"] {
        let options = with_limits(|limits| limits.max_streams = 1);
        let error = Media::open(Cursor::new(fixture_bytes(name)?), &options).map(|_| ());
        assert!(
            matches!(error, Err(Error::LimitExceeded { limit: Limit::MaxStreams, allowed: 1 })),
            "{name}: {error:?}"
        );
    }
    Ok(())
}

#[test]
fn a_picture_of_exactly_as_many_pixels_as_allowed_is_taken() -> Outcome {
    for name in ["h264_front.mp4", "vp9.webm", "hevc.mp4", "theora.ogv", "gif.gif", "prores.mov"] {
        let (width, height) = frame(name)?.decoded_size();
        let options = with_limits(|limits| limits.max_pixels = u64::from(width) * u64::from(height));
        let result = frame_of_bytes(&fixture_bytes(name)?, &options);
        assert!(result.is_ok(), "{name}: {:?}", result.err());
    }
    Ok(())
}

#[test]
fn a_picture_that_grows_over_the_limit_is_told_as_the_limit() -> Outcome {
    let options = with_limits(|limits| limits.max_pixels = 192 * 128);
    let result =
        frame_of_bytes(&fixture_bytes("resolution_change.ts")?, &options).map(|frame| frame.decoded_size());
    let kind = result.as_ref().map_err(Error::kind);
    assert!(matches!(kind, Err(ErrorKind::LimitExceeded)), "{result:?}");
    Ok(())
}

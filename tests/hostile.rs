//! Hostile files and readers are refused with the right error, in little time and memory.

mod common;

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use common::{AT, Outcome, fixture_bytes, frame, frame_of_bytes};
use posterframe::testing::FailingReader;
use posterframe::{Error, ErrorKind, FrameReason, Limit, Limits, Media, OpenOptions};

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

/// x_bomb_tracks.mp4 in two parts: everything before the moov (ftyp, free, mdat), and the moov.
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

/// The boxes in these bytes, each with its type.
fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while let Some((size, kind)) = bytes.first_chunk::<8>().map(|head| {
        let [a, b, c, d, kind @ ..] = *head;
        (u32::from_be_bytes([a, b, c, d]) as usize, kind)
    }) {
        let (whole, rest) = bytes.split_at(size.min(bytes.len()));
        found.push((kind, whole));
        bytes = rest;
    }
    found
}

/// The film with `count` short edits of its video, which repeat the same samples.
fn with_edits(count: u32) -> Outcome<Vec<u8>> {
    let film = fixture_bytes("h264_end.mp4")?;
    let mut list = [0_u32, count].map(u32::to_be_bytes).concat();
    for number in 0..count {
        list.extend([40, number % 100 * 512, 0x1_0000].map(u32::to_be_bytes).concat());
    }
    let edits = boxed(b"edts", &boxed(b"elst", &list));
    let mut out = Vec::new();
    for (kind, whole) in boxes(&film) {
        if &kind != b"moov" {
            out.extend_from_slice(whole);
            continue;
        }
        let mut moov = Vec::new();
        for (kind, whole) in boxes(&whole[8..]) {
            if &kind != b"trak" || !whole.windows(4).any(|word| word == b"vide") {
                moov.extend_from_slice(whole);
                continue;
            }
            let mut track = Vec::new();
            for (kind, part) in boxes(&whole[8..]) {
                if &kind == b"mdia" {
                    track.extend_from_slice(&edits);
                }
                if &kind != b"edts" {
                    track.extend_from_slice(part);
                }
            }
            moov.extend(boxed(b"trak", &track));
        }
        out.extend(boxed(b"moov", &moov));
    }
    Ok(out)
}

#[test]
fn samples_that_edits_repeat_are_decoded_a_few_times_at_most() -> Outcome {
    // With few edits, some frames are presented, but none at 5 s or later.
    let frame = frame_of_bytes(&with_edits(30)?, &OpenOptions::default())?;
    assert_eq!(frame.reason(), FrameReason::LastFrame);
    for count in [1000, 5000] {
        let result = frame_of_bytes(&with_edits(count)?, &OpenOptions::default()).map(|frame| frame.pts());
        let limit = result.as_ref().err().and_then(Error::limit);
        assert_eq!(limit, Some(Limit::MaxRepetitions), "{count}: {result:?}");
    }
    Ok(())
}

/// A GIF of `frames` frames of one pixel, on a canvas of this size.
fn canvas(width: u16, height: u16, frames: usize) -> Vec<u8> {
    let [width, height] = [width, height].map(u16::to_le_bytes);
    let head = [b"GIF89a", &width[..], &height, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    let control = b"\x21\xf9\x04\x04\x01\0\0\0";
    let pixel = b"\x2c\x03\0\x03\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    [head, [&control[..], pixel].concat().repeat(frames), b"\x3b".to_vec()].concat()
}

#[test]
fn pictures_that_cost_no_bytes_are_bounded() -> Outcome {
    // 30 s are 3000 frames, with more than 2^31 pixels.
    let at = Duration::from_secs(29);
    let bytes = canvas(1920, 1080, 3000);
    let error = Media::open(Cursor::new(bytes), &OpenOptions::default())?.frame(at).map(|frame| frame.pts());
    let limit = error.as_ref().err().and_then(Error::limit);
    assert_eq!(limit, Some(Limit::MaxPixelsPerByte), "{error:?}");
    // The same number of small frames is an ordinary animation.
    let bytes = canvas(64, 64, 3000);
    let frame = Media::open(Cursor::new(bytes), &OpenOptions::default())?.frame(at)?;
    assert_eq!(frame.decoded_size(), (64, 64));
    Ok(())
}

/// A Matroska file of `count` Sorenson 3 streams of the same size, without a frame.
fn streams(count: u8, width: u32, height: u32) -> Vec<u8> {
    let element = |id: &[u8], content: &[u8]| {
        let size = (content.len() as u64 | 1 << 56).to_be_bytes();
        [id, &size[..], content].concat()
    };
    let sides = [width.to_be_bytes(), height.to_be_bytes()];
    let mut format = [40_u32.to_le_bytes(), width.to_le_bytes(), height.to_le_bytes()].concat();
    format.extend_from_slice(b"\x01\0\x18\0SVQ3");
    format.resize(40, 0);
    let track = |number: u8| {
        let video = [element(b"\xb0", &sides[0]), element(b"\xba", &sides[1])].concat();
        let parts = [
            element(b"\xd7", &[number]),
            element(b"\x73\xc5", &[number]),
            element(b"\x83", &[1]),
            element(b"\x86", b"V_MS/VFW/FOURCC"),
            element(b"\x63\xa2", &format),
            element(b"\xe0", &video),
        ];
        element(b"\xae", &parts.concat())
    };
    let tracks: Vec<u8> = (1..=count).flat_map(track).collect();
    let cluster = [element(b"\xe7", &[0]), element(b"\xa3", b"\x81\0\0\x80noise")].concat();
    let segment = [
        element(b"\x15\x49\xa9\x66", &element(b"\x2a\xd7\xb1", &[0x0f, 0x42, 0x40])),
        element(b"\x16\x54\xae\x6b", &tracks),
        element(b"\x1f\x43\xb6\x75", &cluster),
    ];
    let head = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"matroska"));
    [head, element(b"\x18\x53\x80\x67", &segment.concat())].concat()
}

#[test]
fn few_decoders_are_opened_to_describe_large_streams() -> Outcome {
    let described = |width, height| -> Outcome<usize> {
        let media = Media::open(Cursor::new(streams(95, width, height)), &OpenOptions::default())?;
        assert_eq!(media.info().streams.len(), 95);
        let videos = media.info().streams.iter().filter_map(|stream| stream.video.as_ref());
        Ok(videos.filter(|video| video.pixel_format.is_some()).count())
    };
    assert_eq!(described(160, 120)?, 16);
    assert_eq!(described(8192, 4352)?, 2);
    Ok(())
}

/// A file of these bytes, followed by zeros.
struct Padded {
    head: Cursor<Vec<u8>>,
    size: u64,
}

impl Read for Padded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.head.read(buffer)?;
        if count > 0 || self.head.position() >= self.size {
            return Ok(count);
        }
        buffer.fill(0);
        self.head.seek(SeekFrom::Current(i64::try_from(buffer.len()).unwrap_or(0)))?;
        Ok(buffer.len())
    }
}

impl Seek for Padded {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.head.seek(match to {
            SeekFrom::End(offset) => SeekFrom::Start(self.size.saturating_add_signed(offset)),
            to => to,
        })
    }
}

/// An AVI file whose stream has a configuration record of this many bytes.
fn with_record(bytes: u32) -> Padded {
    let chunk = |name: &[u8], size: u32, content: &[u8]| [name, &size.to_le_bytes(), content].concat();
    let header = [b"vidsMJPG".to_vec(), vec![0; 12], [1, 25, 0, 100, 0, 0, 0].map(u32::to_le_bytes).concat()];
    let format = [40_u32, 160, 120, 0x18_0001].map(u32::to_le_bytes).concat();
    let format = [&format[..], b"MJPG", &[0; 20]].concat();
    let record = chunk(b"strf", bytes + 40, &format);
    let stream = [chunk(b"strh", 56, &[header.concat(), vec![0; 8]].concat()), record].concat();
    let list = chunk(b"LIST", bytes + 200, &[b"strl", &stream[..]].concat());
    let main = [b"hdrl".to_vec(), chunk(b"avih", 56, &[0; 56]), list].concat();
    let file = chunk(b"RIFF", bytes + 1000, &[b"AVI ".to_vec(), chunk(b"LIST", bytes + 300, &main)].concat());
    Padded { head: Cursor::new(file), size: u64::from(bytes) + 2000 }
}

#[test]
fn what_takes_too_much_memory_to_open_is_told_so() -> Outcome {
    // More than one allocation may take, and more than the bytes read justify.
    let error = Media::open(with_record(300 << 20), &OpenOptions::default()).map(|_| ()).err();
    let error = error.ok_or("300 MB were allocated")?;
    assert!(matches!(error, Error::TooExpensive), "{error:?}");
    assert_eq!((error.kind(), error.limit()), (ErrorKind::LimitExceeded, None));
    assert!(!error.is_retryable());
    let words = "opening the file costs more CPU time or memory than a file of its size may use";
    assert_eq!(error.to_string(), words);
    // A small record is read. The file contains nothing else.
    let small = Media::open(with_record(1 << 10), &OpenOptions::default()).map(|_| ());
    assert!(matches!(small, Err(Error::NotMedia { .. })), "{small:?}");
    Ok(())
}

/// A film of VP8 packets without a frame.
fn without_frames(packets: u64) -> Vec<u8> {
    let sides = [160_u16, 120].map(u16::to_le_bytes).concat();
    let clock = [25_u32, 1, 1 << 20, 0].map(u32::to_le_bytes).concat();
    let head = [b"DKIF\0\0 \0VP80", &sides[..], &clock].concat();
    let packet = |time: u64| [&1_u32.to_le_bytes()[..], &time.to_le_bytes(), b"\0"].concat();
    (0..packets).fold(head, |file, time| [file, packet(time)].concat())
}

#[test]
fn packets_that_give_no_frame_are_bounded() -> Outcome {
    let error = |packets: u64, options: &OpenOptions| -> Outcome<Error> {
        let result = frame_of_bytes(&without_frames(packets), options).map(|frame| frame.pts());
        Ok(result.err().ok_or("a frame came")?)
    };
    let limit = |packets: u64, options| Ok::<_, Box<dyn std::error::Error>>(error(packets, options)?.limit());
    let small = with_limits(|limits| limits.max_pixels_without_frame = 100 << 17);
    assert_eq!(limit(2000, &small)?, Some(Limit::MaxPixelsWithoutFrame));
    assert_eq!(error(2000, &OpenOptions::default())?.kind(), ErrorKind::Malformed);
    // The count starts again after a second of good frames.
    let few = with_limits(|limits| limits.max_pixels_without_frame = 60 << 17);
    frame_of_bytes(&fixture_bytes("long_gop.mp4")?, &few)?;
    Ok(())
}

//! When a read or a limit fails, the error names the cause, and a wrong frame is never returned.
//!
//! libav reports some errors as the end of the file. If a read fails and libav reports the end, the last
//! frame before the end must not become the poster frame.

mod common;

use std::io::{Cursor, ErrorKind as IoErrorKind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{AT, Outcome, Table, fixture, fixture_bytes, frame_of_bytes, open, planes_md5};
use posterframe::source::{FirstReads, MemorySource, ReadSize};
use posterframe::testing::{FailingReader, ReadCount, replace_hints};
use posterframe::{CancelToken, Encoding, Error, ErrorKind, ImageFormat, Limit, Limits, Media, OpenOptions};

/// One file for each way to read: an index after the media, packets found by reading on, cues, an index by chunks.
const FILES: [&str; 4] = ["h264_end.mp4", "h264.ts", "vp9.webm", "mpeg4.avi"];
/// The maximum length of a read: the smaller files then take about twenty reads.
const PART: usize = 4096;
/// The number of the last read that is made to fail. The tests start with the first.
const LAST_READ: u64 = 40;

type Reader<'b> = FailingReader<Cursor<&'b [u8]>>;

fn parts(bytes: &[u8]) -> Reader<'_> {
    FailingReader::new(Cursor::new(bytes)).short_reads(PART)
}

fn with_limits(change: impl FnOnce(&mut Limits)) -> OpenOptions {
    let mut limits = Limits::default();
    change(&mut limits);
    OpenOptions::default().with_limits(limits)
}

/// The files whose frame needs reads after opening, with the number of the first such read.
fn files_read_after_opening() -> Outcome<Vec<(&'static str, Vec<u8>, u64)>> {
    let mut found = Vec::new();
    for name in
        FILES.into_iter().chain(["h264_1080p.mp4", "vp8.webm", "open_gop.mkv", "demo/1_test_video.mp4"])
    {
        let bytes = fixture_bytes(name)?;
        let (_, reads) = count_reads(&bytes)?;
        let reader = parts(&bytes);
        let count = reader.count();
        drop(Media::open(reader, &OpenOptions::default())?);
        if count.get() < reads {
            found.push((name, bytes, count.get() + 1));
        }
    }
    assert!(found.len() >= 2, "{} files are read after opening", found.len());
    Ok(found)
}

/// The MD5 of the frame's planes.
fn frame_md5(reader: Reader<'_>, options: &OpenOptions) -> Result<String, Error> {
    planes_md5(&Media::open(reader, options)?.frame(AT)?)
}

/// Returns the error of a result that must be an error.
fn failure<T>(result: Result<T, Error>) -> Outcome<Error> {
    match result {
        Ok(_) => Err("it should have failed".into()),
        Err(error) => Ok(error),
    }
}

/// Returns the MD5 of the frame, and the number of reads that the frame needs.
fn count_reads(bytes: &[u8]) -> Outcome<(String, u64)> {
    let reader = parts(bytes);
    let count = reader.count();
    let md5 = frame_md5(reader, &OpenOptions::default())?;
    Ok((md5, count.get()))
}

#[test]
fn an_error_at_any_read_is_told_and_never_gives_another_frame() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        let (good, reads) = count_reads(&bytes)?;
        for n in 1..=LAST_READ.min(reads + 2) {
            let reader = parts(&bytes).fail_on_read(n, IoErrorKind::ConnectionReset);
            match frame_md5(reader, &OpenOptions::default()) {
                Ok(md5) => {
                    assert_eq!(md5, good, "{name}: another frame after read {n} of {reads} failed");
                    assert!(n > reads, "{name}: read {n} of {reads} failed unnoticed");
                }
                Err(Error::Read { error, .. }) => {
                    assert_eq!(error.kind(), IoErrorKind::ConnectionReset, "{name}, read {n}");
                    assert_eq!(error.to_string(), format!("read {n} fails on purpose"), "{name}");
                }
                Err(other) => panic!("{name}, read {n} of {reads}: {other}"),
            }
        }
    }
    Ok(())
}

#[test]
fn an_error_of_the_reader_ends_its_call_alone() -> Outcome {
    for (name, bytes, n) in files_read_after_opening()? {
        // The first read after opening fails once, and later reads succeed.
        let reader = parts(&bytes).fail_on_read(n, IoErrorKind::BrokenPipe);
        let mut media = Media::open(reader, &OpenOptions::default())?;
        let error = failure(media.frame(AT))?;
        assert!(matches!(&error, Error::Read { .. }), "{name}: {error}");
        assert!(error.to_string().contains("fails on purpose"), "{name}: {error}");
        let expected = Media::open(Cursor::new(&bytes), &OpenOptions::default())?.frame(AT)?;
        assert_eq!(planes_md5(&media.frame(AT)?)?, planes_md5(&expected)?, "{name}");
    }
    Ok(())
}

#[test]
fn a_file_that_shrinks_is_an_error_and_not_an_end() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        let (good, _) = count_reads(&bytes)?;
        for part in 0..8 {
            let end = bytes.len() as u64 * part / 8;
            match frame_md5(parts(&bytes).shrink_to(end), &OpenOptions::default()) {
                Ok(md5) => assert_eq!(md5, good, "{name} shrunk to {end}"),
                Err(Error::Read { error, .. }) => {
                    assert_eq!(error.kind(), IoErrorKind::UnexpectedEof, "{name} shrunk to {end}");
                }
                Err(other) => panic!("{name} shrunk to {end}: {other}"),
            }
        }
    }
    Ok(())
}

#[test]
fn interrupted_reads_are_begun_again() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        let (good, reads) = count_reads(&bytes)?;
        let mut reader = parts(&bytes);
        for n in (1..=reads).step_by(3) {
            reader = reader.fail_on_read(n, IoErrorKind::Interrupted);
        }
        assert_eq!(frame_md5(reader, &OpenOptions::default())?, good, "{name}");
    }
    Ok(())
}

#[test]
fn a_panic_in_the_reader_is_caught_and_later_calls_answer_errors() -> Outcome {
    for (name, bytes, n) in files_read_after_opening()? {
        let mut media = Media::open(parts(&bytes).panic_on_read(n), &OpenOptions::default())?;
        for _ in 0..2 {
            let error = failure(media.frame(AT))?;
            let Error::ReaderPanicked { message } = &error else {
                return Err(format!("{name}: {error}").into());
            };
            assert_eq!(*message, format!("read {n} panics on purpose"));
            assert_eq!(error.kind(), ErrorKind::Internal);
        }
    }
    Ok(())
}

#[test]
fn cancelling_inside_a_read_ends_the_work_within_one_more() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        let (_, reads) = count_reads(&bytes)?;
        for n in (1..=reads).step_by(3) {
            let token = CancelToken::default();
            let options = OpenOptions::default().with_cancel(token.clone());
            let reader = parts(&bytes).call_on_read(n, move || token.cancel());
            let count = reader.count();
            let error = failure(frame_md5(reader, &options))?;
            assert!(matches!(error, Error::Cancelled), "{name}, read {n}: {error}");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            assert!(count.get() <= n + 1, "{name}: {} reads after cancelling in read {n}", count.get() - n);
        }
    }
    Ok(())
}

#[test]
fn a_cancelled_token_stops_before_the_first_read() -> Outcome {
    let bytes = fixture_bytes("h264_end.mp4")?;
    let token = CancelToken::default();
    token.cancel();
    let reader = parts(&bytes);
    let count: ReadCount = reader.count();
    let error = failure(Media::open(reader, &OpenOptions::default().with_cancel(token.clone())))?;
    assert!(token.is_cancelled() && matches!(error, Error::Cancelled), "{error}");
    assert_eq!(count.get(), 0);
    Ok(())
}

#[test]
fn a_reader_that_stalls_runs_into_the_deadline() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        let allowed = Duration::from_millis(60);
        let reader = parts(&bytes).stall(Duration::from_millis(20));
        let count = reader.count();
        let started = Instant::now();
        let error = failure(frame_md5(reader, &with_limits(|limits| limits.max_time = allowed)))?;
        assert!(matches!(error, Error::Timeout { allowed: told } if told == allowed), "{name}: {error}");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        // Three reads fill the time, and a read that has already started continues.
        assert!(count.get() <= 4, "{name}: {} reads", count.get());
        assert!(started.elapsed() < Duration::from_secs(5), "{name}");
    }
    Ok(())
}

/// Asserts that a file is refused for one limit, whose field has this name.
fn refused(name: &str, limit_name: &str, change: impl FnOnce(&mut Limits)) -> Outcome {
    let error = failure(frame_of_bytes(&fixture_bytes(name)?, &with_limits(change)))?;
    let Error::LimitExceeded { limit, allowed } = &error else {
        return Err(format!("{name}: {error}").into());
    };
    assert_eq!((limit.as_str(), error.limit()), (limit_name, Some(*limit)), "{name}");
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert!(!error.kind().is_retryable());
    assert_eq!(error.to_string(), format!("limit reached: {limit} is {allowed}"));
    Ok(())
}

#[test]
fn bytes_are_bounded() -> Outcome {
    for name in FILES {
        let (_, reads) = count_reads(&fixture_bytes(name)?)?;
        assert!(reads > 4, "{name} is too small to tell");
        for max_bytes in [0, 1000, 20_000] {
            refused(name, "max_bytes", |limits| limits.max_bytes = max_bytes)?;
        }
        frame_of_bytes(&fixture_bytes(name)?, &with_limits(|limits| limits.max_bytes = 1 << 20))?;
    }
    Ok(())
}

#[test]
fn what_is_fetched_stays_within_the_bound() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        for max_bytes in (0..bytes.len() as u64).step_by(7001) {
            let options = with_limits(|limits| limits.max_bytes = max_bytes);
            if let Ok(mut media) = Media::open(parts(&bytes), &options) {
                // Whether a frame is returned does not matter here.
                let _ = media.frame(AT);
                assert!(media.ledger().bytes_fetched <= max_bytes, "{name}: {:?}", media.ledger());
            }
        }
    }
    Ok(())
}

#[test]
fn requests_are_bounded() -> Outcome {
    for name in FILES {
        let bytes = fixture_bytes(name)?;
        let mut media = Media::open(Cursor::new(&bytes[..]), &OpenOptions::default())?;
        media.frame(AT)?;
        let needed = media.ledger().requests;
        refused(name, "max_requests", |limits| limits.max_requests = 0)?;
        refused(name, "max_requests", |limits| limits.max_requests = needed - 1)?;
        frame_of_bytes(&bytes, &with_limits(|limits| limits.max_requests = needed))?;
    }
    Ok(())
}

#[test]
fn packets_are_bounded() -> Outcome {
    for name in ["long_gop.mp4", "h264.ts", "vp9.webm", "mpeg4.avi", "h264_raw.h264"] {
        refused(name, "max_packets", |limits| limits.max_packets = 10)?;
        frame_of_bytes(&fixture_bytes(name)?, &with_limits(|limits| limits.max_packets = 200))?;
    }
    Ok(())
}

#[test]
fn pixels_decoded_are_bounded() -> Outcome {
    for name in ["long_gop.mp4", "h264.ts", "vp9.webm", "mpeg4.avi", "h264_raw.h264", "gif.gif"] {
        let pixels = {
            let (width, height) = common::frame(name)?.decoded_size();
            u64::from(width) * u64::from(height)
        };
        refused(name, "max_decoded_pixels", |limits| limits.max_decoded_pixels = 3 * pixels)?;
        let limits = with_limits(|limits| limits.max_decoded_pixels = 1000 * pixels);
        frame_of_bytes(&fixture_bytes(name)?, &limits)?;
    }
    Ok(())
}

#[test]
fn a_fresh_call_has_a_fresh_budget() -> Outcome {
    let mut media = open("long_gop.mp4")?;
    let needed = media.frame(AT)?.packets_decoded();
    let pixels = 160 * 120 * (needed + 20);
    let options = with_limits(|limits| limits.max_decoded_pixels = pixels);
    let mut media = Media::open(Cursor::new(fixture_bytes("long_gop.mp4")?), &options)?;
    for _ in 0..4 {
        media.frame(AT)?;
    }
    Ok(())
}

#[test]
fn cpu_time_is_bounded_and_may_be_used_anew() -> Outcome {
    for name in ["h264_1080p.mp4", "long_gop.mp4", "h264.ts", "vp9.webm"] {
        let options = with_limits(|limits| limits.max_cpu_time = Duration::ZERO);
        let error = failure(frame_of_bytes(&fixture_bytes(name)?, &options))?;
        let expected = Error::LimitExceeded { limit: Limit::MaxCpuTime, allowed: 0 };
        assert_eq!(error.to_string(), expected.to_string(), "{name}");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::LimitExceeded, false));
    }
    // Pictures have their own CPU time.
    let options = with_limits(|limits| limits.max_cpu_time = Duration::from_secs(30));
    let frame = frame_of_bytes(&fixture_bytes("hdr10.mp4")?, &options)?;
    frame.thumbnail()?;
    Ok(())
}

/// If the options limit the total time of all calls, CPU time is also limited in total, for frames and for pictures.
#[test]
fn cpu_time_of_all_calls_is_bounded() -> Outcome {
    const MOST_CALLS: usize = 10_000;
    let allowed = Duration::from_millis(300);
    let options = with_limits(|limits| limits.max_cpu_time = allowed);
    let together = options.clone().with_total_time(Duration::from_secs(3600));
    let bytes = fixture_bytes("long_gop.mp4")?;
    let mut media = Media::open(Cursor::new(bytes.clone()), &together)?;
    let frame = media.frame(AT)?;
    let calls = (0..MOST_CALLS).find_map(|call| Some((call, media.frame(AT).err()?)));
    let (frames, error) = calls.ok_or("frames have no end")?;
    let expected = Error::LimitExceeded { limit: Limit::MaxCpuTime, allowed: 300 }.to_string();
    assert_eq!(error.to_string(), expected);
    assert_eq!(failure(media.frame(AT))?.to_string(), expected);
    assert_eq!(failure(frame.thumbnail())?.to_string(), expected);

    let frame = Media::open(Cursor::new(bytes.clone()), &together)?.frame(AT)?;
    let pictures = (0..MOST_CALLS).find_map(|_| frame.thumbnail().err());
    assert_eq!(pictures.ok_or("pictures have no end")?.to_string(), expected);

    let mut media = Media::open(Cursor::new(bytes), &options)?;
    for _ in 0..frames + 10 {
        media.frame(AT)?;
    }
    Ok(())
}

#[test]
fn waiting_for_bytes_uses_no_cpu_time() -> Outcome {
    let bytes = fixture_bytes("h264_front.mp4")?;
    let allowed = Duration::from_millis(400);
    let reader = parts(&bytes).stall(Duration::from_millis(100));
    let count = reader.count();
    let started = Instant::now();
    frame_md5(reader, &with_limits(|limits| limits.max_cpu_time = allowed))?;
    assert!(count.get() > 4 && started.elapsed() > allowed, "{} reads", count.get());
    Ok(())
}

#[test]
fn a_panic_of_our_own_is_an_error_and_ends_the_media() -> Outcome {
    let panicked = |error: &Error| {
        assert!(matches!(error, Error::Panicked { message } if message == "on purpose"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Internal);
    };
    let source = || Ok::<_, Box<dyn std::error::Error>>(MemorySource::new(fixture_bytes("h264_end.mp4")?));
    let panics = || replace_hints(|_, _| panic!("on purpose"));
    let options = OpenOptions::default().with_first_reads(small_reads());
    {
        let _guard = panics();
        panicked(&failure(Media::open_source(source()?, &options.clone().with_frame(AT)))?);
    }
    for several in [false, true] {
        let mut media = Media::open_source(source()?, &options)?;
        {
            let _guard = panics();
            let errors: Vec<Error> = match several {
                false => media.frame(AT).err().into_iter().collect(),
                true => media.frames([1, 6].map(Duration::from_secs)).filter_map(Result::err).collect(),
            };
            assert_eq!(errors.len(), if several { 2 } else { 1 });
            errors.iter().for_each(panicked);
        }
        // The panic may have left the `Media` in an inconsistent state.
        panicked(&failure(media.frame(AT))?);
    }
    Ok(())
}

/// First reads so small that more requests follow.
fn small_reads() -> FirstReads {
    let mut reads = FirstReads::default();
    (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(8 << 10), ReadSize::fixed(4 << 10), 8 << 10);
    reads
}

#[test]
fn pixels_are_bounded() -> Outcome {
    refused("x_huge_pixels.mp4", "max_pixels", |_| {})?;
    for name in ["h264_front.mp4", "h264.ts", "vp8.webm", "gif.gif"] {
        refused(name, "max_pixels", |limits| limits.max_pixels = 1000)?;
    }
    frame_of_bytes(
        &fixture_bytes("h264_1080p.mp4")?,
        &with_limits(|limits| limits.max_pixels = 1920 * 1080),
    )?;
    Ok(())
}

#[test]
fn pixels_are_bounded_where_the_picture_grows_on_the_way() -> Outcome {
    // The first header says 160x120. From 4 s on, the picture has 240x180 pixels, and those frames are not decoded.
    let options = with_limits(|limits| limits.max_pixels = 192 * 128);
    if let Ok(frame) = frame_of_bytes(&fixture_bytes("resolution_change.ts")?, &options) {
        assert_eq!(frame.decoded_size(), (160, 120));
    }
    Ok(())
}

#[test]
fn index_bombs_are_refused() -> Outcome {
    for name in ["x_bomb_stsz.mp4", "x_bomb_tracks.mp4"] {
        let started = Instant::now();
        refused(name, "max_index_entries", |_| {})?;
        assert!(started.elapsed() < Duration::from_secs(2), "{name}");
    }
    refused("h264_front.mp4", "max_boxes", |limits| limits.max_boxes = 20)?;
    refused("h264_front.mp4", "max_parsed_bytes", |limits| limits.max_parsed_bytes = 500)?;
    refused("h264.mkv", "max_parsed_bytes", |limits| limits.max_parsed_bytes = 50)?;
    refused("h264_front.mp4", "max_index_entries", |limits| limits.max_index_entries = 50)
}

#[test]
fn files_that_are_no_media_say_so() -> Outcome {
    let cases = [
        ("x_empty.mp4", ErrorKind::Malformed, "the file is empty"),
        ("x_garbage.mp4", ErrorKind::Malformed, "not a readable media file"),
        ("x_text.mp4", ErrorKind::Malformed, "not a readable media file"),
        ("x_no_moov.mp4", ErrorKind::Malformed, "not a readable media file"),
        ("x_truncated_moov.mp4", ErrorKind::Malformed, ""),
        ("audio_only.m4a", ErrorKind::Unsupported, "the file contains no video (streams: audio)"),
    ];
    for (name, kind, message) in cases {
        let error = failure(frame_of_bytes(&fixture_bytes(name)?, &OpenOptions::default()))?;
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(!error.kind().is_retryable(), "{name}");
    }
    // Containers that are left out on purpose are named in the error, whatever format libavformat would detect.
    let heads: [(&[u8], &str); 6] = [
        (b"AV\x01\x00\x55\x00\x10\x08", "PVA"),
        (b"pmpm\x01\0\0\0\0\0\0\0", "PMP"),
        (b"RIFF\xf0\0\0\x004XMVLIST", "4XM"),
        (b"NSVf\x20\0\0\0", "NSV"),
        (b"CWS\x09\x20\0\0\0", "SWF"),
        (b"DEXA\0\0\0\0", "DXA"),
    ];
    for (head, name) in heads {
        // A program stream follows the head.
        let bytes = [head, &fixture_bytes("mpeg2.ps.mpg")?].concat();
        let error = failure(Media::open(Cursor::new(bytes), &OpenOptions::default()))?;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        assert!(error.to_string().starts_with(&format!("unsupported kind of file: {name}")), "{error}");
    }
    let empty = failure(Media::open(Cursor::new([]), &OpenOptions::default()))?;
    assert!(matches!(empty, Error::Empty));
    Ok(())
}

#[test]
fn sound_alone_opens_and_has_no_frame() -> Outcome {
    let mut media = open("audio_only.m4a")?;
    assert_eq!(media.info().video_stream, None);
    assert!(matches!(failure(media.frame(AT))?, Error::NoVideo { .. }));
    Ok(())
}

#[test]
fn an_error_tells_its_kind_and_whether_it_may_pass() -> Outcome {
    let read = |kind: IoErrorKind| Error::Read { offset: 7, error: Arc::new(kind.into()) };
    let cases = [
        (Error::Empty, ErrorKind::Malformed, false),
        (Error::Cancelled, ErrorKind::Cancelled, true),
        (Error::Timeout { allowed: Duration::from_secs(3) }, ErrorKind::Timeout, true),
        (Error::NoVideo { found: "audio".to_owned() }, ErrorKind::Unsupported, false),
        (Error::NoDecoder { codec: "x".to_owned() }, ErrorKind::Unsupported, false),
        (Error::Encrypted { scheme: "cenc".to_owned() }, ErrorKind::Unsupported, false),
        (Error::TileGrid, ErrorKind::Unsupported, false),
        (Error::NoCover, ErrorKind::Unsupported, false),
        (Error::LimitExceeded { limit: Limit::MaxBytes, allowed: 9 }, ErrorKind::LimitExceeded, false),
        (read(IoErrorKind::NotFound), ErrorKind::NotFound, false),
        (read(IoErrorKind::PermissionDenied), ErrorKind::Denied, true),
        (read(IoErrorKind::TimedOut), ErrorKind::Timeout, true),
        (read(IoErrorKind::ConnectionReset), ErrorKind::Unavailable, true),
    ];
    for (error, kind, retryable) in cases {
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{error}");
        assert_eq!(error.limit().is_some(), kind == ErrorKind::LimitExceeded, "{error}");
    }
    Ok(())
}

/// A grey picture in YUV4MPEG2, which has no limit on its sides.
fn grey(width: usize, height: usize) -> Vec<u8> {
    let head = format!("YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 Cmono\nFRAME\n");
    [head.into_bytes(), vec![128; width * height]].concat()
}

#[test]
fn a_side_that_a_format_cannot_have_is_unsupported() -> Outcome {
    let formats = [
        (ImageFormat::Jpeg, 65_500),
        #[cfg(feature = "webp")]
        (ImageFormat::WebP, 16_383),
    ];
    for (format, most) in formats {
        for (width, height) in [(most, 8), (8, most), (most + 1, 8), (8, most + 1)] {
            let mut media = Media::open(Cursor::new(grey(width, height)), &OpenOptions::default())?;
            let picture = media.frame(Duration::ZERO)?.encode(&Encoding::default().with_format(format));
            if width.max(height) == most {
                assert_eq!(picture?.format, format);
                continue;
            }
            let error = failure(picture)?;
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            let message = format!(
                "{width} x {height} is too large for {}: a side has at most {most} pixels",
                format.content_type()
            );
            assert_eq!(error.to_string(), message);
        }
    }
    Ok(())
}

#[test]
fn a_file_that_cannot_be_opened_is_named() -> Outcome {
    let error = failure(Media::open_file("no/such/film.mp4", &OpenOptions::default()))?;
    assert_eq!(error.to_string(), "no/such/film.mp4: No such file or directory (os error 2)");
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

#[test]
fn two_files_in_two_threads_do_not_disturb_each_other() -> Outcome {
    let table = Table::read(&fixture("oracle.tsv"))?;
    let run = |names: &[&str]| -> Result<Vec<String>, String> {
        let one = |name: &&str| common::frame(name).and_then(|frame| Ok(planes_md5(&frame)?));
        names.iter().map(|name| one(name).map_err(|error| error.to_string())).collect()
    };
    let lists = [
        ["h264_end.mp4", "vp9.webm", "hevc.mp4", "h264.ts"],
        ["mpeg4.avi", "av1.mp4", "h264.mkv", "h264_end.mp4"],
    ];
    for _ in 0..3 {
        let found = thread::scope(|scope| {
            let threads = lists.each_ref().map(|names| scope.spawn(move || run(names)));
            threads.map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
        });
        for (names, found) in lists.iter().zip(found) {
            for (name, md5) in names.iter().zip(found?) {
                let row = table.rows.iter().find(|row| row[0] == *name).ok_or("not in the table")?;
                assert_eq!(table.get(row, "md5")?, md5, "{name}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_frame_outlives_its_media_and_moves_to_another_thread() -> Outcome {
    let mut media = open("h264_end.mp4")?;
    let worker = thread::spawn(move || media.frame(AT));
    let frame = worker.join().map_err(|_| "the thread panicked")??;
    assert_eq!(planes_md5(&frame)?, planes_md5(&common::frame("h264_end.mp4")?)?);
    Ok(())
}

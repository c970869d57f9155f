//! Common files with whichever FFmpeg is linked, also an old shared one (`make test-system-ffmpeg`). The files must open, and
//! duration, size and frame time must be right. The stricter golden table applies only to the pinned FFmpeg.

use std::error::Error;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use posterframe::{Encoding, ErrorKind, Media, OpenOptions};

/// Opens a fixture, checks its duration, and checks the frame at `at` seconds.
fn check(name: &str, seconds: f64, size: (u32, u32), at: u64, pts: f64) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut media = Media::open_file(path, &OpenOptions::default())?;
    let duration = media.info().duration_seconds.ok_or("no duration")?;
    assert!((duration - seconds).abs() < 0.05, "{name} lasts {duration} s");

    // A frame lasts 100 ms. FFmpeg 5.1 starts Matroska at the sound's priming, 7 ms before the picture; 9.0 does not.
    let frame = media.frame(Duration::from_secs(at))?;
    assert!((frame.pts_seconds() - pts).abs() < 0.01, "{name}: frame at {} s", frame.pts_seconds());

    let thumbnail = frame.encode(&Encoding::default())?;
    assert_eq!((thumbnail.width, thumbnail.height), size, "{name}");
    let picture = image::load_from_memory(&thumbnail.bytes)?;
    assert_eq!((picture.width(), picture.height()), size, "{name}");
    Ok(())
}

/// Checks a fixture of the common form: 160x120, ten frames a second, so that a frame is at exactly 5 s.
fn plain(name: &str, seconds: f64) -> Result<(), Box<dyn Error>> {
    check(name, seconds, (160, 120), 5, 5.0)
}

#[test]
fn h264_mp4() -> Result<(), Box<dyn Error>> {
    plain("h264_front.mp4", 7.0)
}

#[test]
fn h264_mp4_index_at_the_end() -> Result<(), Box<dyn Error>> {
    plain("h264_end.mp4", 7.0)
}

#[test]
fn h264_matroska() -> Result<(), Box<dyn Error>> {
    plain("h264.mkv", 7.008)
}

#[test]
fn hevc_mp4() -> Result<(), Box<dyn Error>> {
    plain("hevc.mp4", 7.0)
}

#[test]
fn vp8_webm() -> Result<(), Box<dyn Error>> {
    plain("vp8.webm", 7.0)
}

#[test]
fn vp9_webm() -> Result<(), Box<dyn Error>> {
    plain("vp9.webm", 7.008)
}

#[test]
fn mpeg4_avi() -> Result<(), Box<dyn Error>> {
    plain("mpeg4.avi", 7.0)
}

#[test]
fn theora_ogg() -> Result<(), Box<dyn Error>> {
    plain("theora.ogv", 7.0)
}

#[test]
fn motion_jpeg_quicktime() -> Result<(), Box<dyn Error>> {
    plain("mjpeg.mov", 6.0)
}

#[test]
fn the_first_frame() -> Result<(), Box<dyn Error>> {
    check("h264_front.mp4", 7.0, (160, 120), 0, 0.0)
}

#[test]
fn a_target_after_the_end_takes_half_the_duration() -> Result<(), Box<dyn Error>> {
    check("h264_front.mp4", 7.0, (160, 120), 60, 3.5)
}

/// A distribution's FFmpeg can read playlists, lists of files and descriptions of sessions. None of them must open a file or an address.
#[test]
fn a_file_that_names_others_is_no_media() -> Result<(), Box<dyn Error>> {
    let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/h264_front.mp4");
    let film = film.display();
    let files = [
        ("HLS", ErrorKind::Unsupported, format!("#EXTM3U\n#EXT-X-TARGETDURATION:7\n#EXTINF:7,\n{film}\n#EXT-X-ENDLIST\n")),
        ("concat", ErrorKind::Unsupported, format!("ffconcat version 1.0\nfile '{film}'\n")),
        ("IMF", ErrorKind::Malformed, format!("<AssetMap xmlns=\"http://www.smpte-ra.org/schemas/429-9/2007/AM\"><Id>{film}</Id></AssetMap>")),
        ("SDP", ErrorKind::Malformed, "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n".to_owned()),
    ];
    for (what, kind, text) in files {
        let opened = Media::open(Cursor::new(text.into_bytes()), &OpenOptions::default());
        let error = opened.err().ok_or_else(|| format!("{what} was opened"))?;
        assert_eq!(error.kind(), kind, "{what}: {error}");
    }
    Ok(())
}

/// Debian's FFmpeg can decode Cirrus Logic AccuPak, and the static libav cannot. The decoder must not be used.
#[test]
fn a_decoder_that_the_static_libav_lacks_is_not_used() -> Result<(), Box<dyn Error>> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/noindex_cinepak.avi");
    let mut film = std::fs::read(fixture)?;
    // The codec's name is in the stream's header and in the stream's format.
    for place in [112, 188] {
        film.get_mut(place..place + 4).ok_or("too short")?.copy_from_slice(b"CLJR");
    }
    let mut media = Media::open(Cursor::new(film), &OpenOptions::default())?;
    assert_eq!(media.info().streams[0].codec_name.as_deref(), Some("cljr"));
    let error = media.frame(Duration::ZERO).err().ok_or("it was decoded")?;
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Unsupported, "unsupported video codec cljr: no decoder is compiled in".to_owned())
    );
    Ok(())
}

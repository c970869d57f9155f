//! Of encrypted videos, only frames in clear are decoded, and the information names the encryption scheme.

mod common;

use std::time::Duration;

use common::{AT, Outcome, fixture, fixture_bytes, open};
use posterframe::{Error, ErrorKind, Media, OpenOptions};

/// Asserts each file's scheme, and the error for the frame at each time.
#[test]
fn each_scheme_is_told_and_nothing_is_decoded() -> Outcome {
    for (name, scheme) in [
        ("x_cenc.mp4", "cenc"),
        ("x_cenc_frag.mp4", "cenc"),
        ("x_cbcs.mp4", "cbcs"),
        ("x_piff.mp4", "piff"),
        ("x_encrypted.webm", "WebM"),
        ("x_wmdrm.asf", "WMDRM"),
    ] {
        let mut media = open(name)?;
        let stream = media.info().video_stream.and_then(|index| media.info().streams.get(index));
        assert_eq!(stream.and_then(|stream| stream.encryption.as_deref()), Some(scheme), "{name}");
        assert!(stream.is_some_and(|stream| stream.codec_name.is_some() && stream.decodable), "{name}");
        for at in [Duration::ZERO, AT, Duration::from_secs(60)] {
            let Err(error) = media.frame(at) else { return Err(format!("{name} at {at:?}").into()) };
            assert!(matches!(&error, Error::Encrypted { scheme: told } if told == scheme), "{name}: {error}");
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
            assert!(!error.is_retryable(), "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_lead_in_clear_gives_its_frames() -> Outcome {
    let mut media = open("clear_lead.mp4")?;
    assert_eq!(media.info().streams[0].encryption.as_deref(), Some("cenc"));
    for seconds in [5, 0, 2] {
        let frame = media.frame(Duration::from_secs(seconds))?;
        assert!(frame.pts_seconds() >= seconds as f64 && frame.pts_seconds() < seconds as f64 + 0.2);
    }
    // The clear lead lasts six of the seven seconds.
    let hidden = media.frame(Duration::from_millis(6500));
    assert!(matches!(hidden, Err(Error::Encrypted { .. })));
    // A time after the end requests the frame at half of the duration, which is in clear.
    assert!(media.frame(Duration::from_secs(60)).is_ok());
    Ok(())
}

/// The sample entry of an encrypted video without scheme and parameters. The box has the same
/// size as the box of bit rates that it replaces.
#[test]
fn a_scheme_that_is_not_named_is_unknown() -> Outcome {
    let mut bytes = fixture_bytes("h264_front.mp4")?;
    let replace = |bytes: &mut Vec<u8>, from: &[u8], to: &[u8]| -> Outcome<usize> {
        let at = bytes.windows(from.len()).position(|part| part == from).ok_or("not there")?;
        bytes[at..at + to.len()].copy_from_slice(to);
        Ok(at)
    };
    // The first `avc1` in the file is a brand.
    let stsd = bytes.windows(4).position(|name| name == b"stsd").ok_or("no stsd")?;
    let mut entry = bytes.split_off(stsd);
    replace(&mut entry, b"avc1", b"encv")?;
    replace(&mut entry, b"btrt", b"sinf\0\0\0\x0cfrmaavc1")?;
    bytes.append(&mut entry);
    let mut media = Media::open(std::io::Cursor::new(&bytes), &OpenOptions::default())?;
    let video = &media.info().streams[0];
    assert_eq!((video.codec_name.as_deref(), video.encryption.as_deref()), (Some("h264"), Some("unknown")));
    let frame = media.frame(AT);
    assert!(matches!(frame, Err(Error::Encrypted { scheme }) if scheme == "unknown"));
    Ok(())
}

/// CRC of a section (ISO/IEC 13818-1, annex A).
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// A transport stream whose program map marks its H.264 as encrypted, as HLS does: with another stream type.
#[test]
fn hls_sample_encryption_is_a_stream_type() -> Outcome {
    let mut bytes = fixture_bytes("h264.ts")?;
    // Table 2 is the program map. It contains a stream of type 0x1b with the PID 0x100.
    let video = [0x1b, 0xe1, 0x00];
    let mut changed = 0;
    for packet in bytes.chunks_exact_mut(188).filter(|packet| packet[4] == 0 && packet[5] == 2) {
        let end = 5 + 3 + usize::from(u16::from_be_bytes([packet[6] & 0xf, packet[7]]));
        let section = packet.get_mut(5..end).ok_or("a map of several packets")?;
        let at = section.windows(3).position(|part| part == video).ok_or("no video in the map")?;
        section[at] = 0xdb;
        let (content, sum) = section.split_at_mut(section.len() - 4);
        sum.copy_from_slice(&crc(content).to_be_bytes());
        changed += 1;
    }
    assert!(changed > 0);
    let mut media = Media::open(std::io::Cursor::new(&bytes), &OpenOptions::default())?;
    let video = media.info().video_stream.ok_or("no video")?;
    assert_eq!(media.info().streams[video].encryption.as_deref(), Some("SAMPLE-AES"));
    assert!(matches!(media.frame(AT), Err(Error::Encrypted { .. })));
    Ok(())
}

#[test]
fn what_is_in_clear_says_nothing() -> Outcome {
    for name in ["h264_front.mp4", "h264.mkv", "h264.ts", "wmv2.asf", "vp9.webm"] {
        let media = open(name)?;
        assert!(media.info().streams.iter().all(|stream| stream.encryption.is_none()), "{name}");
    }
    Ok(())
}

#[test]
fn a_grid_of_tiles_is_refused_and_not_one_of_them_shown() -> Outcome {
    for name in ["grid.heic", "grid.avif"] {
        let mut media = Media::open_file(fixture(name), &OpenOptions::default())?;
        let Err(error) = media.frame(Duration::ZERO) else { return Err(name.into()) };
        assert!(matches!(error, Error::TileGrid), "{name}: {error}");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    Ok(())
}

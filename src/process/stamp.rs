//! Writes the ETag of the source video into a picture.
//!
//! A store may name objects by their bytes only. Two versions of a video with equal frames would then have equal
//! thumbnails, and the condition of a put could not distinguish them. The ETag is written as a comment (JPEG, ITU-T
//! T.81, B.2.4.5), a `tEXt` chunk (PNG, 11.3.3.3), or an unknown chunk of the extended format (WebP container
//! specification). Decoders skip all three.

use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::store::ETag;
use crate::{ImageFormat, Thumbnail};

const NAME: &str = "posterframe source-etag";

/// Returns the file of a thumbnail with the ETag in it; `None` when the file does not have the structure of its format.
pub(super) fn stamped(thumbnail: &Thumbnail, source: &ETag) -> Option<Vec<u8>> {
    let etag = utf8_percent_encode(source.as_str(), CONTROLS).to_string();
    match thumbnail.format {
        ImageFormat::Jpeg => jpeg(&thumbnail.bytes, &etag),
        #[cfg(feature = "png")]
        ImageFormat::Png => png(&thumbnail.bytes, &etag),
        #[cfg(feature = "webp")]
        ImageFormat::WebP => webp(thumbnail, &etag),
    }
}

/// Inserts the comment after the JFIF header, which is the first segment.
fn jpeg(file: &[u8], etag: &str) -> Option<Vec<u8>> {
    let rest = file.strip_prefix(&[0xff, 0xd8])?;
    let header = match rest {
        [0xff, 0xe0, high, low, ..] => 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    let (before, after) = file.split_at_checked(2 + header)?;
    let text = format!("{NAME} {etag}");
    let length = u16::try_from(text.len() + 2).ok()?.to_be_bytes();
    Some([before, &[0xff, 0xfe], &length, text.as_bytes(), after].concat())
}

/// Inserts the chunk after `IHDR`, which is the first chunk and has 13 bytes.
#[cfg(feature = "png")]
fn png(file: &[u8], etag: &str) -> Option<Vec<u8>> {
    let (before, after) = file.split_at_checked(8 + 12 + 13)?;
    before.get(12..16).filter(|kind| kind == b"IHDR")?;
    let content = [b"tEXt", NAME.as_bytes(), &[0], etag.as_bytes()].concat();
    let length = u32::try_from(content.len().checked_sub(4)?).ok()?.to_be_bytes();
    let mut crc = flate2::Crc::new();
    crc.update(&content);
    Some([before, &length, &content, &crc.sum().to_be_bytes(), after].concat())
}

/// Appends the chunk at the end, where unknown chunks belong. A simple file is converted to an extended one, because
/// only extended files may contain unknown chunks.
#[cfg(feature = "webp")]
fn webp(thumbnail: &Thumbnail, etag: &str) -> Option<Vec<u8>> {
    let chunks = thumbnail.bytes.get(12..).filter(|_| thumbnail.bytes.starts_with(b"RIFF"))?;
    let mut content = b"WEBP".to_vec();
    if !chunks.starts_with(b"VP8X") {
        content.extend_from_slice(b"VP8X\x0a\0\0\0\0\0\0\0");
        for side in [thumbnail.width, thumbnail.height] {
            content.extend_from_slice(side.checked_sub(1)?.to_le_bytes().get(..3)?);
        }
    }
    content.extend_from_slice(chunks);
    let text = format!("{NAME} {etag}");
    content.extend_from_slice(b"PFet");
    content.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    content.extend_from_slice(text.as_bytes());
    if text.len() % 2 == 1 {
        content.push(0);
    }
    let length = u32::try_from(content.len()).ok()?.to_le_bytes();
    Some([b"RIFF", &length[..], &content].concat())
}

#[cfg(all(test, feature = "png", feature = "webp"))]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Encoding, FrameRequest, Media, OpenOptions};

    #[test]
    fn pictures_of_other_versions_differ_in_their_note_alone() {
        let video = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/h264_end.mp4");
        let mut media = Media::open_file(video, &OpenOptions::default()).unwrap();
        let frame = media.frame(FrameRequest::default()).unwrap();
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let thumbnail = frame.encode(&Encoding::default().with_format(format)).unwrap();
            let [one, two] =
                ["\"one\"", "\"two\""].map(|etag| stamped(&thumbnail, &ETag::new(etag)).unwrap());
            assert_ne!(one, two);
            let pixels = |file: &[u8]| image::load_from_memory(file).unwrap().into_rgb8();
            let plain = pixels(&thumbnail.bytes);
            assert!(pixels(&one) == plain && pixels(&two) == plain, "{format:?}");
            let note = b"posterframe source-etag";
            assert!(one.windows(note.len()).any(|part| part == note), "{format:?}");
        }
    }

    #[test]
    fn broken_files_are_refused() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            for bytes in [vec![], vec![0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff], b"RIFF".to_vec()] {
                let thumbnail = Thumbnail { width: 1, height: 1, format, bytes };
                assert_eq!(stamped(&thumbnail, &ETag::new("x")), None, "{format:?}");
            }
        }
    }
}

//! The part of a file that libav can see. Hidden boxes and elements must change neither the information nor the frames.

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{AT, Outcome, fixture_bytes, fixtures, planes_md5};
use posterframe::testing::show_everything;
use posterframe::{Error, FrameReason, Media, MediaInfo, OpenOptions};
use proptest::prelude::*;

/// Boxes that libavformat skips, or whose content does not affect the reported information.
const JUNK: [&[u8; 4]; 6] = [b"abcd", b"free", b"skip", b"uuid", b"saiz", b"senc"];
/// Boxes that contain boxes.
const PARENTS: [&[u8; 4]; 9] =
    [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"];

/// The properties of a frame that must not depend on the view, or the error.
type Frame = Result<(i64, FrameReason, String), String>;

/// Returns the information about a file, and its frames at these times.
fn told(bytes: &[u8], times: &[Duration]) -> Outcome<(Result<MediaInfo, String>, Vec<Frame>)> {
    let mut media = match Media::open(Cursor::new(bytes), &OpenOptions::default().with_frame(AT)) {
        Ok(media) => media,
        Err(error) => return Ok((Err(error.to_string()), Vec::new())),
    };
    let info = media.info().clone();
    let mut frame = |at| {
        let frame = media.frame(at)?;
        Ok((frame.pts(), frame.reason(), planes_md5(&frame)?))
    };
    let frames = times.iter().map(|at| frame(*at).map_err(|error: Error| error.to_string())).collect();
    Ok((Ok(info), frames))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn information_and_frames_do_not_depend_on_what_is_hidden(milliseconds in prop::collection::vec(0..8000_u64, 2)) {
        let times: Vec<Duration> = milliseconds.into_iter().map(Duration::from_millis).collect();
        for name in fixtures().unwrap() {
            let bytes = fixture_bytes(&name).unwrap();
            let shown = told(&bytes, &times).unwrap();
            let everything = show_everything();
            let all = told(&bytes, &times).unwrap();
            drop(everything);
            prop_assert_eq!(shown, all, "{}", name);
        }
    }
}

/// A random place for a new box, an index for its type, and its content.
type Addition = (prop::sample::Index, usize, Vec<u8>);

/// Builds a box, with additional boxes inside it.
fn add(kind: [u8; 4], content: &[u8], additions: &mut Vec<Addition>, places: &mut usize) -> Vec<u8> {
    let mut inside = Vec::new();
    if PARENTS.contains(&&kind) {
        let mut rest = content;
        loop {
            *places += 1;
            // Adds the boxes that belong at this place.
            while let Some(at) = additions.iter().position(|(place, ..)| place.index(60) + 1 == *places) {
                let (_, name, bytes) = additions.swap_remove(at);
                inside.extend(boxed(JUNK[name % JUNK.len()], &bytes));
            }
            let Some(size) = rest.first_chunk().map(|size| u32::from_be_bytes(*size) as usize) else { break };
            let (one, others) = rest.split_at(size);
            let kind = *one[4..].first_chunk().expect("a name");
            inside.extend(add(kind, &one[8..], additions, places));
            rest = others;
        }
    } else {
        inside.extend(content);
    }
    boxed(&kind, &inside)
}

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).expect("a short box");
    [&size.to_be_bytes(), &kind[..], content].concat()
}

/// The information without the values that change when a movie header grows.
fn apart_from_size(info: Result<MediaInfo, String>) -> Result<MediaInfo, String> {
    info.map(|mut info| {
        (info.size_bytes, info.bit_rate, info.mp4) = (None, None, None);
        info
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// The movie headers of these files come last, so that the additional boxes move no sample.
    #[test]
    fn added_boxes_change_nothing(
        name in prop::sample::select(vec!["h264_end.mp4", "edit_list.mp4", "hevc.mp4", "no_ctts.mp4", "mjpeg.mov"]),
        mut additions in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<usize>(), prop::collection::vec(0..3_u8, 0..80)), 1..40,
        ),
    ) {
        let file = fixture_bytes(name).unwrap();
        let Some(moov) = file.windows(4).rposition(|kind| kind == b"moov").map(|at| at - 4) else { return Ok(()) };
        let size = u32::from_be_bytes(*file[moov..].first_chunk().unwrap()) as usize;
        prop_assume!(moov + size == file.len());
        let header = add(*b"moov", &file[moov + 8..], &mut additions, &mut 0);
        let changed = [&file[..moov], &header].concat();
        let times = [AT, Duration::from_millis(1300)];
        let (info, frames) = told(&file, &times).unwrap();
        let (changed_info, changed_frames) = told(&changed, &times).unwrap();
        prop_assert_eq!(changed_frames, frames);
        prop_assert_eq!(apart_from_size(changed_info), apart_from_size(info));
    }
}

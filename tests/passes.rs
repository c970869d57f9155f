//! The search must accept a pass only if the pass gave exactly the frames that the packets promise, and no data was damaged.
//!
//! The tests change Matroska fixtures in memory, so that a seek alone would give another frame. The right frame is that of the
//! same file without its index, because a file without an index is decoded from its start.

mod common;

use std::io::Cursor;
use std::ops::Range;
use std::time::Duration;

use common::{Outcome, fixture_bytes, fixtures, gives_no_picture, planes_md5};
use posterframe::{Error, FrameReason, Media, OpenOptions};

const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const SIMPLE_BLOCK: u32 = 0xA3;
const CUES: u32 = 0x1C53_BB6B;
const TAGS: u32 = 0x1254_C367;
const VOID: u32 = 0xEC;

/// The children of an element (RFC 8794, section 4). Each has its ID, the offset of the whole element, and the range of its content.
fn children(file: &[u8], part: Range<usize>) -> Vec<(u32, usize, Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), part.start);
    while at < part.end {
        let id_length = file[at].leading_zeros() as usize + 1;
        let id = file[at..at + id_length].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let size_at = at + id_length;
        let size_length = file[size_at].leading_zeros() as usize + 1;
        let start = size_at + size_length;
        let size = file[size_at..start].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        let end = start + (size & ((1 << (7 * size_length)) - 1));
        found.push((id, at, start..end.min(part.end)));
        at = end;
    }
    found
}

/// A frame of the first track.
struct Block {
    milliseconds: u64,
    /// The range of its bytes in the file.
    bytes: Range<usize>,
    is_key: bool,
}

/// The blocks of a file's first track, and the offset of the file's index.
fn blocks(file: &[u8]) -> Outcome<(Vec<Block>, Option<usize>)> {
    let all = children(file, 0..file.len());
    let (.., segment) = all.into_iter().find(|(id, ..)| *id == SEGMENT).ok_or("no segment")?;
    let (mut blocks, mut cues) = (Vec::new(), None);
    for (id, at, content) in children(file, segment) {
        let mut start = 0_u64;
        match id {
            CUES => cues = Some(at),
            CLUSTER => {
                for (id, _, content) in children(file, content) {
                    let bytes = &file[content.clone()];
                    if id == TIMESTAMP {
                        start = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
                    } else if id == SIMPLE_BLOCK && bytes[0] == 0x81 {
                        let offset = i16::from_be_bytes([bytes[1], bytes[2]]);
                        blocks.push(Block {
                            milliseconds: start.saturating_add_signed(offset.into()),
                            bytes: content.start + 4..content.end,
                            is_key: bytes[3] & 0x80 != 0,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    Ok((blocks, cues))
}

/// A summary of a frame, or the error.
fn frame(media: &mut Media<'_>, at: Duration) -> Result<(i64, FrameReason, String), String> {
    let told = |error: Error| error.to_string();
    let frame = media.frame(at).map_err(told)?;
    Ok((frame.pts(), frame.reason(), planes_md5(&frame).map_err(told)?))
}

fn open(file: &[u8]) -> Result<Media<'_>, Error> {
    Media::open(Cursor::new(file), &OpenOptions::default())
}

/// A Matroska fixture whose frames refer to other frames.
struct Fixture {
    name: String,
    file: Vec<u8>,
    blocks: Vec<Block>,
    /// The offset of its index.
    cues: usize,
}

fn matroska() -> Outcome<Vec<Fixture>> {
    let mut found = Vec::new();
    for name in fixtures()?.into_iter().filter(|name| !gives_no_picture(name)) {
        if !name.ends_with(".mkv") && !name.ends_with(".webm") {
            continue;
        }
        let file = fixture_bytes(&name)?;
        let (blocks, cues) = blocks(&file)?;
        let keyframes = blocks.iter().filter(|block| block.is_key).count();
        if let Some(cues) = cues.filter(|_| keyframes > 1 && keyframes < blocks.len()) {
            found.push(Fixture { name, file, blocks, cues });
        }
    }
    Ok(found)
}

/// A VP8 packet whose frame is for reference only (`show_frame`: RFC 6386, 9.1) gives no frame. The search must return the next frame.
#[test]
fn a_packet_without_a_frame_gives_the_next_one() -> Outcome {
    const SHOWN: u8 = 1 << 4;
    let mut seen = 0;
    for Fixture { name, file, blocks, .. } in
        matroska()?.into_iter().filter(|fixture| fixture.name.contains("vp8"))
    {
        let mut original = open(&file)?;
        for pair in blocks.windows(2).filter(|pair| !pair[0].is_key) {
            let mut hidden = file.clone();
            hidden[pair[0].bytes.start] &= !SHOWN;
            let at = Duration::from_millis(pair[0].milliseconds);
            let expected = frame(&mut original, Duration::from_millis(pair[1].milliseconds));
            assert_eq!(frame(&mut open(&hidden)?, at), expected, "{name} at {at:?}");
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen} frames");
    Ok(())
}

/// A decoder may conceal damage with content of any earlier frame. The search must therefore give the frame that a decode from
/// the start gives.
#[test]
fn damage_gives_the_frame_of_a_decode_from_the_start() -> Outcome {
    let (mut seen, mut wrong) = (0, Vec::new());
    for Fixture { name, file, blocks, cues } in matroska()? {
        for (number, block) in blocks.iter().enumerate().step_by(4) {
            let mut damaged = file.clone();
            let middle = block.bytes.start + block.bytes.len() / 2;
            damaged[middle..block.bytes.end].fill(0x55);
            let after = blocks.get(number + 1).unwrap_or(block);
            for block in [block, after] {
                let at = Duration::from_millis(block.milliseconds);
                let (ours, whole) =
                    (frame(&mut open(&damaged)?, at), frame(&mut open(&damaged[..cues])?, at));
                seen += 1;
                if ours != whole {
                    wrong.push(format!("{name}, block {number}, at {at:?}: {ours:?}, not {whole:?}"));
                }
            }
        }
    }
    assert!(seen > 300, "{seen} frames");
    assert!(wrong.is_empty(), "{}\n{} of {seen} frames differ", wrong.join("\n"), wrong.len());
    Ok(())
}

/// Replaces elements that do not affect the frames by more `Void` elements than the Matroska planner reads. Without a plan, the
/// start of the presentation must come from the first packets.
#[test]
fn without_a_plan_the_first_packets_tell_the_start() -> Outcome {
    let (mut seen, mut with_start) = (0, 0);
    for name in fixtures()?.into_iter().filter(|name| !gives_no_picture(name)) {
        if !name.ends_with(".mkv") && !name.ends_with(".webm") {
            continue;
        }
        let file = fixture_bytes(&name)?;
        let all = children(&file, 0..file.len());
        let (.., segment) = all.into_iter().find(|(id, ..)| *id == SEGMENT).ok_or("no segment")?;
        let parts = children(&file, segment);
        let first = parts.iter().position(|(id, ..)| *id == CLUSTER).ok_or("no cluster")?;
        let (mut crowded, mut count) = (file.clone(), 0);
        for (_, at, content) in parts.iter().take(first).filter(|(id, ..)| [VOID, TAGS].contains(id)) {
            let whole = &mut crowded[*at..content.end];
            count += whole.len() / 2;
            // The first `Void` has a size field of two bytes if the total length is odd.
            let head: &[u8] = if whole.len() % 2 == 0 { &[0xEC, 0x80] } else { &[0xEC, 0x40, 0] };
            let (first, rest) = whole.split_at_mut(head.len());
            first.copy_from_slice(head);
            for pair in rest.chunks_mut(2) {
                pair.copy_from_slice(&[0xEC, 0x80]);
            }
        }
        if count < 65 {
            continue;
        }
        let (mut expected, mut media) = (open(&file)?, open(&crowded)?);
        assert_eq!(media.info().start_seconds, expected.info().start_seconds, "{name}");
        for at in [0, 1210, 3500, 5000, 60_000].map(Duration::from_millis) {
            assert_eq!(frame(&mut media, at), frame(&mut expected, at), "{name} at {at:?}");
        }
        with_start += u32::from(media.info().start_seconds > Some(0.0));
        seen += 1;
    }
    assert!(seen > 10 && with_start > 0, "{with_start} of {seen} files start late");
    Ok(())
}

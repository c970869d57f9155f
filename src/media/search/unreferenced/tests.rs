//! Random bytes, and real videos: skipping frames changes no other frame.

#![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::media::ffi::codec::{Decoder, DecoderOptions, Received};
use crate::media::ffi::frame::Frame;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::MediaType;
use crate::media::input::{Container, Input};
use crate::media::options::OpenOptions;

/// Returns the bytes that are written as zeros and ones. Blanks are ignored, and zeros fill the last byte.
pub(super) fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte =
        |digits: &[char]| (0..8).fold(0, |byte, place| byte << 1 | u8::from(digits.get(place) == Some(&'1')));
    digits.chunks(8).map(byte).collect()
}

/// Opens a file, and returns the index of its video, or `None` for files without video.
fn open(path: &Path) -> Option<(Container<'static>, usize)> {
    let options = OpenOptions::default();
    let input = Input::new(Box::new(File::open(path).ok()?), &options.limits, options.work()).ok()?;
    let container = Container::open(input, 100, &[]).ok()?;
    let video =
        container.streams().position(|stream| stream.kind() == MediaType::Video && stream.is_decodable())?;
    Some((container, video))
}

fn read_packets(container: &mut Container<'_>, video: usize) -> Vec<Packet> {
    let mut packets = Vec::new();
    loop {
        let mut packet = Packet::new().unwrap();
        if !container.read_packet(&mut packet).unwrap() {
            return packets;
        }
        if packet.stream_index() == Some(video) {
            packets.push(packet);
        }
    }
}

/// Decodes the packets, and returns the samples of each presentation time.
fn decode(
    container: &Container<'_>,
    video: usize,
    threads: usize,
    packets: &[&Packet],
) -> BTreeMap<i64, Vec<u8>> {
    let stream = container.stream(video).unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    let mut decoder =
        Decoder::open(stream, DecoderOptions { threads, ..DecoderOptions::single_threaded(u64::MAX / 2) })
            .unwrap()
            .unwrap();
    let mut frames = BTreeMap::new();
    let mut frame = Frame::new().unwrap();
    for packet in packets.iter().copied().map(Some).chain([None]) {
        decoder.send(packet).unwrap();
        while let Received::Frame = decoder.receive(&mut frame).unwrap() {
            frames.insert(frame.best_effort_timestamp().unwrap(), frame.copy_planes().unwrap());
        }
    }
    frames
}

/// Decodes a video as a whole, and without the frames that no other frame needs. Returns the number of skipped
/// frames.
fn leave_out(path: &Path, (mut container, video): (Container<'_>, usize), mut found: Unreferenced) -> usize {
    let mut packets = read_packets(&mut container, video);
    let whole = decode(&container, video, 1, &packets.iter().collect::<Vec<_>>());

    let looks_ahead = matches!(found, Unreferenced::Vp9);
    let following = packets.iter().skip(1).map(Some).chain([None]);
    let following = following.map(|packet| packet.filter(|_| looks_ahead).map(Packet::bytes));
    let needed: Vec<usize> = packets
        .iter()
        .zip(following)
        .map(|(packet, next)| found.needed_bytes(packet.bytes(), next))
        .collect();
    let mut absent = BTreeSet::new();
    for (packet, needed) in packets.iter_mut().zip(needed) {
        if needed < packet.bytes().len() {
            absent.insert(packet.pts().unwrap());
            packet.shorten(needed).unwrap();
        }
    }

    let kept: Vec<&Packet> = packets.iter().filter(|packet| packet.size() > 0).collect();
    let expected = whole.into_iter().filter(|(pts, _)| !absent.contains(pts)).collect();
    for threads in [1, 3] {
        let actual = decode(&container, video, threads, &kept);
        assert!(actual == expected, "{} with {threads} threads", path.display());
    }
    absent.len()
}

/// Every fixture in a codec that is handled.
#[test]
fn other_frames_decode_to_the_same_samples() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut left_out = BTreeMap::from([("av1", 0), ("vp9", 0)]);
    // The names of broken files begin with `x_`.
    for path in paths.iter().filter(|path| !path.to_string_lossy().contains("/x_")) {
        let Some((container, video)) = open(path) else { continue };
        let stream = container.stream(video).unwrap();
        let codec = stream.codec_name().unwrap();
        if let Some(found) = Unreferenced::for_codec(codec, stream.extradata()) {
            *left_out.get_mut(codec).unwrap() += leave_out(path, (container, video), found);
        }
    }
    assert!(left_out["av1"] > 0, "{left_out:?}");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(
        configuration in vec(any::<u8>(), 0..64),
        packets in vec(vec(any::<u8>(), 0..64), 0..8),
        codec in prop::sample::select(vec!["av1", "vp9"]),
    ) {
        let mut unreferenced = Unreferenced::for_codec(codec, &configuration).unwrap();
        for (index, packet) in packets.iter().enumerate() {
            let next = packets.get(index + 1).map(Vec::as_slice);
            prop_assert!(unreferenced.needed_bytes(packet, next) <= packet.len());
        }
    }
}

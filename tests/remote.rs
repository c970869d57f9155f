//! Objects that are read by byte ranges. `tests/golden_remote.txt` has the frame and the maximum cost of each fixture (`BLESS=1`
//! writes it anew). How the bytes arrive must change only the cost.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{AT, Outcome, fixture, fixture_bytes, fixtures, gives_no_picture, md5_hex, planes_md5};
use posterframe::source::{
    BlockCache, BoxFuture, FirstReads, GetRange, MemorySource, RangeBody, RangeReply, RangeSource, ReadSize,
    SourceError,
};
use posterframe::{Encoding, Error, Media, MediaInfo, OpenOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const HEADING: &str = "# file\tmd5\tbytes_fetched\trequests\tround_trips";

/// First reads for the fixtures, scaled down as much as the fixtures are smaller than real objects.
fn small_reads() -> FirstReads {
    let mut reads = FirstReads::default();
    (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(16 << 10), ReadSize::fixed(4 << 10), 16 << 10);
    reads
}

fn options() -> OpenOptions {
    OpenOptions::default().with_frame(AT).with_first_reads(small_reads())
}

fn golden_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_remote.txt")
}

/// Returns the hash of the frame; and bytes fetched, requests and round trips.
fn measure(name: &str) -> Outcome<(String, [u64; 3])> {
    let bytes = fixture_bytes(name)?;
    // With a known size, the smallest objects take one request, and it does not depend on timing whether the tail is requested.
    let options = options().with_size_hint(bytes.len() as u64);
    let mut media = Media::open_source(MemorySource::new(bytes), &options)?;
    let frame = media.frame(AT)?;
    let ledger = media.ledger();
    Ok((planes_md5(&frame)?, [ledger.bytes_fetched, ledger.requests, ledger.round_trips]))
}

fn line(name: &str, planes: &str, [bytes, requests, round_trips]: [u64; 3]) -> String {
    format!("{name}\t{planes}\t{bytes}\t{requests}\t{round_trips}")
}

/// In files this small, timing decides which bytes a read has received before it requests more. The table therefore has the
/// maximum of 21 measurements.
fn bless(names: &[String]) -> Outcome {
    let mut lines = vec![HEADING.to_owned()];
    for name in names {
        let (planes, mut most) = measure(name)?;
        for _ in 0..20 {
            let (_, costs) = measure(name)?;
            most.iter_mut().zip(costs).for_each(|(most, cost)| *most = cost.max(*most));
        }
        lines.push(line(name, &planes, most));
    }
    Ok(fs::write(golden_file(), lines.join("\n") + "\n")?)
}

/// An object of unknown size that turns out to be small is fetched once, without a surplus byte. That takes one round trip if the
/// first read covers the object, and two round trips otherwise.
#[test]
fn small_objects_are_fetched_once() -> Outcome {
    let mut wrong = Vec::new();
    let mut in_two = 0;
    for name in fixtures()?.into_iter().filter(|name| !gives_no_picture(name)) {
        let bytes = fixture_bytes(&name)?;
        let size = bytes.len() as u64;
        let reads = FirstReads::for_name(&name);
        let options = OpenOptions::default().with_frame(AT).with_first_reads(reads);
        let mut media = Media::open_source(MemorySource::new(bytes), &options)?;
        media.frame(AT)?;
        let ledger = media.ledger();
        let covers = size <= reads.head.bytes(None).max(reads.tail.bytes(None));
        in_two += u64::from(!covers);
        let (trips, requests) = if covers { (1, 2) } else { (2, 3) };
        let is_right =
            ledger.bytes_fetched == size && ledger.round_trips <= trips && ledger.requests <= requests;
        if size > reads.whole {
            assert!(ledger.bytes_fetched <= size, "{name} has {size} bytes: {ledger:?}");
        } else if !is_right {
            wrong.push(format!("{name} has {size} bytes: {ledger:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(in_two > 0, "no fixture is larger than its first read");
    Ok(())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is asked to bless by its environment")]
fn no_fixture_costs_more_than_it_did() -> Outcome {
    let names: Vec<String> = fixtures()?.into_iter().filter(|name| !gives_no_picture(name)).collect();
    if std::env::var_os("BLESS").is_some() {
        return bless(&names);
    }
    let golden = fs::read_to_string(golden_file())?;
    let mut wrong = Vec::new();
    for name in &names {
        let (planes, costs) = measure(name).map_err(|error| format!("{name}: {error}"))?;
        let old = golden.lines().find(|old| old.split('\t').next() == Some(name)).unwrap_or("nothing");
        let most: Vec<u64> = old.split('\t').skip(2).filter_map(|number| number.parse().ok()).collect();
        let is_dearer = most.len() != costs.len() || costs.iter().zip(most).any(|(cost, most)| *cost > most);
        if is_dearer || old.split('\t').nth(1) != Some(planes.as_str()) {
            wrong.push(format!("- {old}\n+ {}", line(name, &planes, costs)));
        }
    }
    let wrong = wrong.join("\n");
    assert!(wrong.is_empty(), "tests/golden_remote.txt says otherwise (BLESS=1 rewrites it):\n{wrong}");
    assert_eq!(golden.lines().count(), names.len() + 1);
    Ok(())
}

/// Everything that is reported and decoded from a file.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    info: MediaInfo,
    pts: i64,
    planes: String,
    jpeg: String,
}

fn see(media: &mut Media<'_>) -> Result<Seen, Error> {
    let frame = media.frame(AT)?;
    let jpeg = md5_hex(&frame.encode(&Encoding::default())?.bytes);
    Ok(Seen { info: media.info().clone(), pts: frame.pts(), planes: planes_md5(&frame)?, jpeg })
}

fn see_local(name: &str) -> Result<Seen, Error> {
    see(&mut Media::open_file(fixture(name), &OpenOptions::default())?)
}

/// An object whose bodies arrive in pieces of these sizes, in turn.
struct InPieces {
    object: MemorySource,
    sizes: Arc<Vec<usize>>,
}

struct Pieces {
    body: Box<dyn RangeBody>,
    rest: Bytes,
    sizes: Arc<Vec<usize>>,
    turn: usize,
}

impl RangeSource for InPieces {
    fn name(&self) -> String {
        self.object.name()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            let reply = self.object.get(request).await?;
            let pieces =
                Pieces { body: reply.body, rest: Bytes::new(), sizes: Arc::clone(&self.sizes), turn: 0 };
            Ok(RangeReply::new(reply.identity, reply.range, pieces))
        })
    }
}

impl RangeBody for Pieces {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            if self.rest.is_empty() {
                match self.body.next().await? {
                    Some(piece) => self.rest = piece,
                    None => return Ok(None),
                }
            }
            let size = self.sizes[self.turn % self.sizes.len()].clamp(1, self.rest.len());
            self.turn += 1;
            Ok(Some(self.rest.split_to(size)))
        })
    }
}

#[test]
fn the_picture_and_the_information_do_not_depend_on_how_bytes_arrive() -> Outcome {
    let names: Vec<String> = fixtures()?.into_iter().filter(|name| !gives_no_picture(name)).collect();
    let mut local = HashMap::new();
    for name in &names {
        local.insert(name.clone(), see_local(name).map_err(|error| format!("{name}: {error}"))?);
    }
    let reads = (1_u64..40_000, 0_u64..40_000, 0_u64..100_000);
    let pieces = prop::collection::vec(1_usize..20_000, 1..4);
    let cache = prop::sample::select(vec![0_u64, 1 << 10, 64 << 10, 32 << 20]);
    let strategy =
        (prop::sample::select(names), reads, pieces, cache, any::<bool>(), prop::option::of(0_u64..200_000));
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner.run(&strategy, |(name, (head, tail, whole), sizes, cache, planned, hint)| {
        let bytes = fs::read(fixture(&name)).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut reads = FirstReads::default();
        (reads.head, reads.tail, reads.whole) = (ReadSize::fixed(head), ReadSize::fixed(tail), whole);
        let mut options = OpenOptions::default().with_first_reads(reads).with_cache(BlockCache::new(cache));
        options.frame = planned.then(|| AT.into());
        // A read that would hang fails after this time.
        options.limits.max_time = Duration::from_secs(60);
        options.size_hint = hint;
        let source = InPieces { object: MemorySource::new(bytes), sizes: Arc::new(sizes) };
        let seen = Media::open_source(source, &options).and_then(|mut media| see(&mut media));
        let seen = seen.map_err(|error| TestCaseError::fail(format!("{name}: {error}")))?;
        prop_assert_eq!(&seen, &local[&name], "{}", name);
        Ok(())
    })?;
    Ok(())
}

/// A size hint of 0 may be wrong, so the reader still requests a byte, also when it fetches no object whole.
#[test]
fn an_object_said_to_be_empty_is_read() -> Outcome {
    let mut reads = FirstReads::default();
    reads.whole = 0;
    let options = OpenOptions::default().with_first_reads(reads).with_size_hint(0);
    let source = MemorySource::new(fixture_bytes("h264_front.mp4")?);
    assert_eq!(see(&mut Media::open_source(source, &options)?)?, see_local("h264_front.mp4")?);
    Ok(())
}

#[test]
fn what_gives_no_picture_gives_the_same_kind_of_error() -> Outcome {
    for name in fixtures()?.iter().filter(|name| gives_no_picture(name)) {
        let local = see_local(name).map_err(|error| error.kind());
        let source = MemorySource::new(fixture_bytes(name)?);
        let remote = Media::open_source(source, &options()).and_then(|mut media| see(&mut media));
        assert_eq!(remote.map_err(|error| error.kind()), local, "{name}");
    }
    Ok(())
}

/// A transport stream whose pictures are each `filler` bytes larger. Filler data, which decoders ignore (ITU-T H.264, 7.3.2.7),
/// follows each picture. Without it, the fixtures are smaller than the part that is read of any transport stream.
fn filled(stream: &[u8], filler: usize) -> Vec<u8> {
    const VIDEO: u16 = 0x100;
    let (mut out, mut picture, mut counter) = (Vec::new(), Vec::<&[u8]>::new(), 0);
    for packet in stream.chunks(188) {
        let is_video = u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff == VIDEO;
        let begins = packet[1] & 0x40 != 0;
        if is_video && begins {
            end_picture(&mut out, &mut picture, &mut counter, filler);
        }
        if is_video { picture.push(packet) } else { out.extend_from_slice(packet) }
    }
    end_picture(&mut out, &mut picture, &mut counter, filler);
    out
}

/// Writes the packets of a picture, and then as many full packets of filler data as needed.
fn end_picture(out: &mut Vec<u8>, picture: &mut Vec<&[u8]>, counter: &mut u8, filler: usize) {
    let mut write = |header: [u8; 3], control: u8, rest: &[u8]| {
        out.extend_from_slice(&header);
        out.push(control & 0xf0 | *counter);
        out.extend_from_slice(rest);
        *counter = (*counter + 1) & 0x0f;
    };
    let is_empty = picture.is_empty();
    for packet in picture.drain(..) {
        write([packet[0], packet[1], packet[2]], packet[3], &packet[4..]);
    }
    if is_empty {
        return;
    }
    let mut unit = vec![0xff; filler.next_multiple_of(184)];
    unit[..4].copy_from_slice(&[0, 0, 1, 0x0c]);
    unit.last_mut().into_iter().for_each(|last| *last = 0x80);
    for payload in unit.chunks(184) {
        write([0x47, 0x01, 0x00], 0x10, payload);
    }
}

#[test]
fn a_transport_stream_is_entered_near_the_wanted_time() -> Outcome {
    // The last keyframe before that time is at 3 s.
    let at = Duration::from_secs(4);
    let local = Media::open_file(fixture("h264.ts"), &OpenOptions::default())?.frame(at)?;
    let bytes = filled(&fixture_bytes("h264.ts")?, 100_000);
    let size = bytes.len() as u64;
    let mut media = Media::open_source(MemorySource::new(bytes), &OpenOptions::default())?;
    let frame = media.frame(at)?;
    assert_eq!((frame.pts(), frame.reason()), (local.pts(), local.reason()));
    assert_eq!(planes_md5(&frame)?, planes_md5(&local)?);
    let ledger = media.ledger();
    // Reading from the start to the frame would take more than four sevenths, and the tail.
    assert!(ledger.bytes_fetched < size * 55 / 100, "{ledger:?} of {size} bytes");
    assert!(frame.packets_decoded() < 20, "{} packets", frame.packets_decoded());
    Ok(())
}

fn places_of(bytes: &[u8], id: [u8; 4]) -> Vec<usize> {
    bytes.windows(4).enumerate().filter(|(_, found)| *found == id).map(|(at, _)| at).collect()
}

/// The Matroska fixture without cues, and with 2 MiB of padding in front of every cluster but the first.
fn without_cues(name: &str) -> Outcome<Vec<u8>> {
    let mut bytes = fixture_bytes(name)?;
    // Replaces the ID of the cues by an unknown one, both here and in the seek head.
    for at in places_of(&bytes, [0x1c, 0x53, 0xbb, 0x6b]) {
        bytes[at + 3] = 0x6c;
    }
    let segment = *places_of(&bytes, [0x18, 0x53, 0x80, 0x67]).first().ok_or("no segment")?;
    // Declares an unknown size in the eight bytes of the size field (RFC 8794, 6.2).
    bytes[segment + 4..segment + 12].copy_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let clusters = places_of(&bytes, [0x1f, 0x43, 0xb6, 0x75]);
    assert!(clusters.len() > 2, "{name}: clusters at {clusters:?}");
    // A `Void` element whose size field has four bytes.
    let nothing = [&[0xec, 0x10, 0x20, 0x00, 0x00][..], &vec![0; 0x20_0000]].concat();
    for at in clusters.into_iter().skip(1).rev() {
        bytes.splice(at..at, nothing.iter().copied());
    }
    Ok(bytes)
}

#[test]
fn matroska_without_cues_is_read_up_to_the_frame_and_no_further() -> Outcome {
    let at = Duration::from_secs(1);
    let local = Media::open_file(fixture("h264.mkv"), &OpenOptions::default())?.frame(at)?;
    let bytes = without_cues("h264.mkv")?;
    let size = bytes.len() as u64;
    let options = OpenOptions::default().with_frame(at);
    let mut media = Media::open_source(MemorySource::new(bytes), &options)?;
    let frame = media.frame(at)?;
    assert_eq!((frame.pts(), planes_md5(&frame)?), (local.pts(), planes_md5(&local)?));
    let ledger = media.ledger();
    assert!(ledger.bytes_fetched < size * 2 / 5, "{ledger:?} of {size} bytes");
    Ok(())
}

#[test]
fn a_time_that_was_not_planned_for_gives_its_frame_too() -> Outcome {
    for name in [
        "h264_frag_noindex.mp4",
        "h264_frag_dash.mp4",
        "h264_frag_sidx.mp4",
        "h264_end.mp4",
        "h264.mkv",
        "vp9.webm",
    ] {
        let mut media = Media::open_source(MemorySource::new(fixture_bytes(name)?), &options())?;
        let mut local = Media::open_file(fixture(name), &OpenOptions::default())?;
        for milliseconds in [0, 6_500, 1_200, 5_000, 3_000, 60_000] {
            let at = Duration::from_millis(milliseconds);
            let (remote, local) = (media.frame(at)?, local.frame(at)?);
            assert_eq!((remote.pts(), remote.reason()), (local.pts(), local.reason()), "{name} at {at:?}");
            assert_eq!(planes_md5(&remote)?, planes_md5(&local)?, "{name} at {at:?}");
        }
    }
    Ok(())
}

//! Films with long groups of pictures, in several containers, built in memory. The bytes that a
//! frame needs outweigh the other bytes that are read.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use crate::common::{Outcome, fixture_bytes};
use crate::matroska::{CLUSTER, CUES, INFO, SEGMENT, TRACKS, all, cue, element, integer, seek_head};

/// The duration of a group. A group has 30 pictures.
pub(crate) const GROUP_MILLISECONDS: u32 = 3_000;
/// The duration of a picture. The first picture of a group is presented two durations after its decoding time.
pub(crate) const PICTURE_MILLISECONDS: u32 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Matroska,
    Mp4,
    /// With one fragment for each group.
    Fragments(Index),
}

/// The index of the fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Index {
    None,
    Sidx,
    Mfra,
}

pub(crate) const CONTAINERS: [Container; 5] = [
    Container::Matroska,
    Container::Mp4,
    Container::Fragments(Index::Sidx),
    Container::Fragments(Index::Mfra),
    Container::Fragments(Index::None),
];

/// The first two groups of pictures of `h264.mkv`, repeated.
pub(crate) struct Film {
    tracks: Vec<u8>,
    avcc: Vec<u8>,
    groups: Vec<Vec<Picture>>,
}

/// A picture: its presentation time, in milliseconds from the start of its group, and its bytes.
#[derive(Clone)]
struct Picture {
    time: u32,
    bytes: Vec<u8>,
}

/// A NAL unit of filler data, which decoders ignore (ITU-T H.264, 7.3.2.7), after its length.
fn filler(bytes: usize) -> Vec<u8> {
    let mut unit = vec![0xff; bytes + 2];
    (unit[0], unit[bytes + 1]) = (0x0c, 0x80);
    [&word(unit.len()).to_be_bytes()[..], &unit].concat()
}

impl Film {
    /// A film of `groups` groups. `more` is the number of bytes added to the first picture of each group, and to the others.
    pub(crate) fn new(groups: u32, more: [usize; 2]) -> Outcome<Self> {
        let source = fixture_bytes("h264.mkv")?;
        let segment = all(&source, SEGMENT)?.concat();
        let tracks = all(&segment, TRACKS)?.concat();
        let video = *all(&tracks, 0xAE)?.first().ok_or("no track")?;
        let mut both = [Vec::new(), Vec::new()];
        for cluster in all(&segment, CLUSTER)? {
            let start =
                all(cluster, 0xE7)?.concat().iter().fold(0, |time, byte| time << 8 | u32::from(*byte));
            // The first four bytes of a simple block are its track, its time and its flags (RFC 9559, 10.2).
            for block in all(cluster, 0xA3)?.into_iter().filter(|block| block.first() == Some(&0x81)) {
                let time = start + u32::from(u16::from_be_bytes([block[1], block[2]]));
                let Some(group) = both.get_mut((time / GROUP_MILLISECONDS) as usize) else { continue };
                let bytes = [&block[4..], &filler(more[usize::from(!group.is_empty())])].concat();
                group.push(Picture { time: time % GROUP_MILLISECONDS, bytes });
            }
        }
        let groups = both.iter().cloned().cycle().take(groups as usize).collect();
        Ok(Self { tracks: element(0xAE, video), avcc: all(video, 0x63A2)?.concat(), groups })
    }

    pub(crate) fn milliseconds(&self) -> u32 {
        GROUP_MILLISECONDS * word(self.groups.len())
    }

    /// The largest sizes of a keyframe and of a group, in bytes.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        let first = |group: &Vec<Picture>| group[0].bytes.len() as u64;
        let whole = |group: &Vec<Picture>| group.iter().map(|picture| picture.bytes.len() as u64).sum();
        let most = |size: &dyn Fn(&Vec<Picture>) -> u64| self.groups.iter().map(size).max().unwrap_or(0);
        (most(&first), most(&whole))
    }

    pub(crate) fn in_container(&self, container: Container) -> Vec<u8> {
        match container {
            Container::Matroska => self.matroska(),
            Container::Mp4 => self.mp4(),
            Container::Fragments(index) => self.fragments(index),
        }
    }

    /// A Matroska file as a browser records it, without a duration, a seek head and cues.
    pub(crate) fn recording(&self) -> Vec<u8> {
        let info = element(INFO, &integer(0x2A_D7B1, 1_000_000));
        let clusters = self.clusters().map(|(_, _, cluster)| element(CLUSTER, &cluster));
        let body =
            [info, element(TRACKS, &self.tracks)].into_iter().chain(clusters).collect::<Vec<_>>().concat();
        [element(0x1A45_DFA3, &[]), element(SEGMENT, &body)].concat()
    }

    /// For each group: its time, the length of the part before the first block, and the content of its cluster.
    fn clusters(&self) -> impl Iterator<Item = (u64, usize, Vec<u8>)> {
        (0..).step_by(GROUP_MILLISECONDS as usize).zip(&self.groups).map(|(start, group)| {
            let mut cluster = integer(0xE7, start);
            let head = cluster.len();
            for (number, picture) in group.iter().enumerate() {
                let [.., high, low] = picture.time.to_be_bytes();
                let head = [0x81, high, low, if number == 0 { 0x80 } else { 0 }];
                cluster.extend(element(0xA3, &[&head[..], &picture.bytes].concat()));
            }
            (start, head, cluster)
        })
    }

    /// A Matroska file with a cluster and a cue for each group.
    fn matroska(&self) -> Vec<u8> {
        let duration = element(0x4489, &f64::from(self.milliseconds()).to_be_bytes());
        let info = element(INFO, &[integer(0x2A_D7B1, 1_000_000), duration].concat());
        let mut body = [seek_head(0), info, element(TRACKS, &self.tracks)].concat();
        let mut cues = Vec::new();
        for (start, head, cluster) in self.clusters() {
            cues.extend(cue(start, body.len(), head));
            body.extend(element(CLUSTER, &cluster));
        }
        let seek = seek_head(body.len());
        body[..seek.len()].copy_from_slice(&seek);
        body.extend(element(CUES, &cues));
        [element(0x1A45_DFA3, &[]), element(SEGMENT, &body)].concat()
    }

    /// The offset of each picture's presentation time from its decoding time. Presentation is late by
    /// two durations, the wait of a group's first picture.
    fn offsets(&self) -> Vec<u32> {
        let offset = |(number, picture): (u32, &Picture)| {
            picture.time + 2 * PICTURE_MILLISECONDS - number * PICTURE_MILLISECONDS
        };
        self.groups.iter().flat_map(|group| (0..).zip(group).map(offset)).collect()
    }

    /// All samples in one chunk, followed by the index.
    fn mp4(&self) -> Vec<u8> {
        let pictures: Vec<&Picture> = self.groups.iter().flatten().collect();
        let mut file = boxed(b"ftyp", &[b"isom", &[0; 4]]);
        let place = word(file.len()) + 8;
        let samples: Vec<&[u8]> = pictures.iter().map(|picture| &picture.bytes[..]).collect();
        file.extend(boxed(b"mdat", &samples));
        let count = word(pictures.len());
        let sizes: Vec<u32> = samples.iter().map(|sample| word(sample.len())).collect();
        let offsets: Vec<u32> = self.offsets().into_iter().flat_map(|offset| [1, offset]).collect();
        let keyframes: Vec<u32> = (0..count).step_by(30).map(|number| number + 1).collect();
        let tables = [
            full(b"stts", &[1, count, PICTURE_MILLISECONDS]),
            full(b"ctts", &[&[count], &offsets[..]].concat()),
            full(b"stss", &[&[count.div_ceil(30)], &keyframes[..]].concat()),
            full(b"stsc", &[1, 1, count, 1]),
            full(b"stsz", &[&[0, count], &sizes[..]].concat()),
            full(b"stco", &[1, place]),
        ];
        file.extend(self.moov(self.milliseconds(), &tables.concat(), &[]));
        file
    }

    fn fragments(&self, index: Index) -> Vec<u8> {
        let trex = full(b"trex", &[1, 1, PICTURE_MILLISECONDS, 0, 0x101_0000]);
        let empty = [b"stts", b"stsc", b"stco"].map(|kind| full(kind, &[0])).concat();
        let tables = [empty, full(b"stsz", &[0, 0])].concat();
        let mut file = self.moov(0, &tables, &boxed(b"mvex", &[&trex]));
        let offsets = self.offsets();
        let fragments: Vec<Vec<u8>> = (0..)
            .zip(&self.groups)
            .map(|(number, group)| {
                let all = offsets.chunks(30).nth(number as usize).unwrap_or_default();
                let size = |picture: &Picture| word(picture.bytes.len());
                let words: Vec<u32> =
                    group.iter().zip(all).flat_map(|(picture, offset)| [size(picture), *offset]).collect();
                let moof = |place: u32| {
                    let head = [word(group.len()), place, 0x200_0000];
                    let mut parts = [
                        full(b"tfhd", &[1]),
                        full(b"tfdt", &[number * GROUP_MILLISECONDS]),
                        full(b"trun", &[&head, &words[..]].concat()),
                    ];
                    // Offsets count from the start of the fragment. The run contains the offset of its data, the flags of its first
                    // picture, sizes and time offsets.
                    (parts[0][9], parts[2][10], parts[2][11]) = (2, 0xa, 5);
                    boxed(b"moof", &[&full(b"mfhd", &[number + 1]), &boxed(b"traf", &[&parts.concat()])])
                };
                let place = word(moof(0).len()) + 8;
                let samples: Vec<&[u8]> = group.iter().map(|picture| &picture.bytes[..]).collect();
                [moof(place), boxed(b"mdat", &samples)].concat()
            })
            .collect();
        if index == Index::Sidx {
            let count = word(fragments.len());
            let entry = |fragment: &Vec<u8>| [word(fragment.len()), GROUP_MILLISECONDS, 0x9000_0000];
            let entries: Vec<u32> = fragments.iter().flat_map(entry).collect();
            file.extend(full(
                b"sidx",
                &[&[1, 1000, 2 * PICTURE_MILLISECONDS, 0, count], &entries[..]].concat(),
            ));
        }
        let mut entries = Vec::new();
        for (number, fragment) in (0..).zip(&fragments) {
            let place = word(file.len());
            entries.push(
                [
                    &(number * GROUP_MILLISECONDS + 2 * PICTURE_MILLISECONDS).to_be_bytes()[..],
                    &place.to_be_bytes(),
                    &[1; 3],
                ]
                .concat(),
            );
            file.extend(fragment);
        }
        if index == Index::Mfra {
            let count = word(entries.len());
            let tfra = boxed(b"tfra", &[&full(b"tfra", &[1, 0, count])[8..], &entries.concat()]);
            let length = word(tfra.len()) + 24;
            file.extend(boxed(b"mfra", &[&tfra, &full(b"mfro", &[length])]));
        }
        file
    }

    /// A movie of one track, with these tables after its sample description. With a duration, an
    /// edit list starts the movie at the first picture.
    fn moov(&self, duration: u32, tables: &[u8], more: &[u8]) -> Vec<u8> {
        let entry =
            [&[0; 7][..], &[1], &[0; 16], &[0, 160, 0, 120], &[0; 50], &boxed(b"avcC", &[&self.avcc])];
        let stsd = boxed(b"stsd", &[&full(b"stsd", &[1])[8..], &boxed(b"avc1", &entry)]);
        let stbl = boxed(b"stbl", &[&stsd, tables]);
        let hdlr = full(b"hdlr", &[0, u32::from_be_bytes(*b"vide"), 0, 0, 0, 0]);
        let mdhd = full(b"mdhd", &[0, 0, 1000, duration, 0]);
        let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
        let tkhd = full(
            b"tkhd",
            &[
                &[0, 0, 1, 0, duration][..],
                &[0; 4],
                &[1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30, 160 << 16, 120 << 16],
            ]
            .concat(),
        );
        let mvhd = full(b"mvhd", &[&[0, 0, 1000, duration, 1 << 16][..], &[0; 20]].concat());
        let elst = full(b"elst", &[1, duration, 2 * PICTURE_MILLISECONDS, 1 << 16]);
        let edts = if duration > 0 { boxed(b"edts", &[&elst]) } else { Vec::new() };
        boxed(b"moov", &[&mvhd, &boxed(b"trak", &[&tkhd, &edts, &mdia]), more])
    }
}

/// Extends `moov`, the last box of an MP4, by a `free` box of `bytes` bytes.
pub(crate) fn with_longer_moov(mut film: Vec<u8>, bytes: usize) -> Outcome<Vec<u8>> {
    let moov = film.windows(4).rposition(|kind| kind == b"moov").ok_or("no moov")?;
    let start = moov - 4;
    film.extend(boxed(b"free", &[&vec![0; bytes]]));
    let size = word(film.len() - start).to_be_bytes();
    film[start..moov].copy_from_slice(&size);
    Ok(film)
}

/// A length as 32 bits. The films here are far smaller.
fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A box (ISO/IEC 14496-12, 4.2).
fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&word(content.len() + 8).to_be_bytes()[..], kind, &content].concat()
}

/// A box of version 0 without flags, which contains these numbers.
fn full(kind: &[u8; 4], words: &[u32]) -> Vec<u8> {
    let content: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    boxed(kind, &[&[0; 4], &content])
}

//! The layout of MP4 and MOV files, looked at before libav sees them (ISO/IEC 14496-12).
//!
//! [`look`] walks the box headers to the `moov`, which is fetched exactly and once, and stays in memory: libav gets it from
//! there. On the way `count` adds up the samples that tables declare: they cost libav memory by what they declare, not by
//! what the file holds. An 8 KB file with 16 tracks of 5 million constant-size samples took 2.9 GB and 5 s inside libav;
//! here it is refused.
//!
//! The tables tell which packets lead to the frame at a time (`poster`): they are asked for before libav has even seen the
//! tables. A file of fragments is only looked at as far as that frame (`explore`), and at its end for its duration
//! (`file_end`); libav would look at every fragment there is before it begins, so it is shown the file as if it ended there.

mod boxes;
mod count;
mod explore;
mod file_end;
mod fragments;
#[cfg(fuzzing)]
mod fuzz_tables;
mod keyframes;
mod movie;
mod placement;
mod poster;
mod protection;
mod samples;
mod tables;
#[cfg(test)]
mod test_tables;
mod track;

use std::ops::Range;
use std::time::Duration;

use crate::limits::Limits;
use crate::media::container::encryption::ProtectedEntry;
use crate::media::info::Mp4Layout;
use crate::media::input::{Fault, Input, Pinned};
use crate::source::ByteRange;
use boxes::{BoxHeader, be32, for_each_box, parse_header};
use count::{EntryCounter, hides_moov};
use explore::Explored;
use fragments::{SegmentIndex, parse_sidx};
#[cfg(fuzzing)]
pub use fuzz_tables::read_mp4_tables;
use movie::Movie;
use poster::{coalesce, header_ranges, poster_packets};
use track::Track;

/// What is looked at first: box headers, and the whole `moov` of most short files in streaming order.
const HEAD_BYTES: usize = 16 << 10;
/// The largest `moov` (or box in its place) that is looked into. 64 MiB are the tables of some 40 hours of video.
const MAX_MOOV_BYTES: u64 = 64 << 20;
/// Boxes at the top level, at most. Fragmented files have two for each second or so.
const MAX_TOP_LEVEL_BOXES: u32 = 500_000;
/// Where a file must have shown a box with a name at the latest. libavformat looks no further to tell what a file is.
const PROBE_BYTES: u64 = 1 << 20;
/// Bytes of boxes kept for libav to find in memory; beyond that they are looked at and read again.
const MAX_PINNED_BYTES: u64 = 80 << 20;
/// Read along with a `moov` in front: the header of the box behind it, for which libav looks.
const BEHIND_MOOV: u64 = 8 << 10;
/// Segment indexes in front of the fragments: one for each track, at most.
const MAX_INDEXES: usize = 16;
/// What is asked for at the place of a box.
const BOX_WINDOW: u64 = 4 << 10;
/// Samples of other tracks between two packets are read over up to this many bytes, as in the reader of ranges; a longer gap
/// is left out.
const READ_OVER: u64 = 256 << 10;

/// Boxes at the top level whose content libavformat looks into, in good files and in bad ones: it parses boxes wherever
/// they lie. Media data, padding, file types, segment indexes and whatever it does not know it passes over.
const LOOKED_INTO: [&[u8; 4]; 23] = [
    b"moov", b"moof", b"trak", b"traf", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"meta", b"dinf",
    b"mvex", b"wave", b"sinf", b"schi", b"tref", b"gmhd", b"ilst", b"iprp", b"cmov", b"stsd", b"stsz",
    b"trun",
];

/// What an MP4 or MOV file holds where.
pub(crate) struct Layout {
    about: Mp4Layout,
    moov: Pinned,
    /// How far a file of fragments has been looked at; `None` for other files.
    explored: Option<Explored>,
    walk: Walk,
}

/// The walk over the boxes at the top level.
struct Walk {
    offset: u64,
    boxes: u32,
    counter: EntryCounter,
    limits: Limits,
    is_known: bool,
    seen_mdat: bool,
    /// Whether the `moov` came before the first media data.
    faststart: bool,
    seen_moof: bool,
    moov: Option<(u64, Pinned)>,
    /// Whether samples are described in fragments only.
    only_fragments: bool,
    indexes: Vec<SegmentIndex>,
}

/// Finds the `moov`, pins it in `input`, adds up what the tables declare, and asks for what opening and the frame at `at` will
/// need.
///
/// `Ok(None)` when the file is of another family, or holds no `moov`. A damaged file is not refused here: libav has the
/// last word on what it can make of it.
///
/// # Errors
/// What reading gives, and the limits `max_index_entries` and `max_streams`.
pub(crate) fn look(
    input: &mut Input<'_>,
    limits: &Limits,
    at: Option<Duration>,
) -> Result<Option<Layout>, Fault> {
    input.pin(0, HEAD_BYTES)?;
    let mut walk = Walk::new(limits);
    while !(walk.only_fragments && walk.is_at_fragment(input)?) && walk.step(input)? {}
    let Some((moov_offset, moov)) = walk.moov.clone() else { return Ok(None) };
    let about = Mp4Layout {
        moov_offset,
        moov_bytes: moov.len() as u64,
        faststart: walk.faststart,
        fragmented: walk.seen_moof || walk.only_fragments || contains_box(&moov, b"mvex"),
    };
    let explored = walk.only_fragments.then(|| Explored::new(walk.offset, std::mem::take(&mut walk.indexes)));
    let mut layout = Layout { about, moov, explored, walk };
    layout.plan(input, None, at)?;
    if let Some(explored) = &layout.explored {
        input.set_visible_size(explored.beginning());
    }
    Ok(Some(layout))
}

impl Walk {
    fn new(limits: &Limits) -> Self {
        Self {
            offset: 0,
            boxes: 0,
            counter: EntryCounter::default(),
            limits: *limits,
            is_known: false,
            seen_mdat: false,
            faststart: false,
            seen_moof: false,
            moov: None,
            only_fragments: false,
            indexes: Vec::new(),
        }
    }

    /// Looks at one box; `false` when there is none to go on to.
    fn step(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        let (offset, size) = (self.offset, input.size());
        if offset >= size {
            return Ok(false);
        }
        // With the header comes what may have to be looked into.
        input.prefetch(&[ByteRange::new(offset, offset.saturating_add(BOX_WINDOW))]);
        let Some(header) = parse_header(&input.peek(offset, 16)?) else { return Ok(false) };
        self.is_known |= header.is_text();
        self.boxes += 1;
        if self.boxes > MAX_TOP_LEVEL_BOXES {
            return Err(self.too_many_entries(input));
        }
        // A box that claims more than there is ends with the file, as libavformat reads it.
        let box_bytes = header.size.unwrap_or(u64::MAX).min(size - offset);
        self.offset += box_bytes;
        self.seen_mdat |= &header.kind == b"mdat";
        self.seen_moof |= &header.kind == b"moof";
        if &header.kind == b"mdat" && self.moov.is_none() {
            announce_rest(input, self.offset);
        }
        if &header.kind == b"sidx" && self.indexes.len() < MAX_INDEXES && box_bytes <= MAX_MOOV_BYTES {
            let length = usize::try_from(box_bytes).unwrap_or(usize::MAX);
            self.indexes.extend(parse_sidx(&input.peek(offset, length)?, offset));
        }
        let is_crossed_out = matches!(&header.kind, b"free" | b"hoov")
            && hides_moov(&input.peek(offset + header.header_bytes, 8)?);
        if is_crossed_out || LOOKED_INTO.contains(&&header.kind) {
            self.look_into(input, &header, offset, box_bytes)?;
        }
        Ok(self.is_known || self.offset <= PROBE_BYTES)
    }

    fn look_into(
        &mut self,
        input: &mut Input<'_>,
        header: &BoxHeader,
        offset: u64,
        box_bytes: u64,
    ) -> Result<(), Fault> {
        if box_bytes > MAX_MOOV_BYTES {
            return Err(self.too_many_entries(input));
        }
        let length = usize::try_from(box_bytes).unwrap_or(usize::MAX);
        let is_moov = &header.kind == b"moov" && self.moov.is_none();
        if is_moov {
            input.prefetch(&[ByteRange::new(offset, offset + box_bytes + BEHIND_MOOV)]);
        }
        let bytes = if input.pinned_bytes() + box_bytes <= MAX_PINNED_BYTES {
            input.pin(offset, length)?
        } else {
            input.peek(offset, length)?.into()
        };
        self.count(input, &bytes)?;
        if is_moov {
            self.faststart = !self.seen_mdat;
            let movie = Movie::parse(&bytes);
            self.only_fragments = movie.is_some_and(|movie| {
                movie.is_fragmented && movie.tracks.iter().all(|track| track.sample_count() == 0)
            });
            self.moov = Some((offset, bytes));
        }
        Ok(())
    }

    /// Adds up what a box declares, and refuses what is too much.
    fn count(&mut self, input: &mut Input<'_>, bytes: &[u8]) -> Result<(), Fault> {
        self.counter.count(bytes);
        if self.counter.entries > self.limits.max_index_entries {
            return Err(self.too_many_entries(input));
        }
        let allowed = u64::from(self.limits.max_streams);
        if self.counter.tracks > allowed {
            return Err(input.fail(Fault::Limit { limit: "max_streams", allowed }));
        }
        Ok(())
    }

    fn too_many_entries(&self, input: &mut Input<'_>) -> Fault {
        let allowed = self.limits.max_index_entries;
        input.fail(Fault::Limit { limit: "max_index_entries", allowed })
    }

    /// Whether the next box is a movie fragment.
    fn is_at_fragment(&self, input: &mut Input<'_>) -> Result<bool, Fault> {
        let header = parse_header(&input.peek(self.offset, 16)?);
        Ok(header.is_some_and(|header| &header.kind == b"moof"))
    }
}

/// Asks for all behind the media data at once: it is the `moov`, nearly always. What came before it is not needed.
fn announce_rest(input: &mut Input<'_>, offset: u64) {
    let rest = ByteRange::new(offset, input.size());
    if !rest.is_empty() && rest.len() <= MAX_MOOV_BYTES {
        input.need_only(&[rest]);
        input.prefetch(&[rest]);
    }
}

/// Whether a `moov` has a child of this kind.
fn contains_box(moov: &[u8], kind: &[u8; 4]) -> bool {
    let mut found = false;
    for_each_box(moov.get(8..).unwrap_or_default(), &mut |child, _| found |= child == kind);
    found
}

impl Layout {
    /// What is told about it.
    pub(crate) const fn about(&self) -> Mp4Layout {
        self.about
    }

    /// Asks for the packets that lead to the frame at `at`, of the track with this number or else of the one that is the
    /// picture most likely.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn plan(
        &mut self,
        input: &mut Input<'_>,
        track: Option<u32>,
        at: Option<Duration>,
    ) -> Result<(), Fault> {
        let moov = self.moov.clone();
        let Some(movie) = Movie::parse(&moov) else { return Ok(()) };
        let track = match track {
            Some(id) => movie.tracks.iter().find(|track| track.id == id),
            None => main_track(&movie),
        };
        let at = at.map(|at| i64::try_from(at.as_micros()).unwrap_or(i64::MAX));
        if let Some(explored) = &mut self.explored {
            return explored.plan(input, &mut self.walk, &movie, track.zip(at));
        }
        let mut ranges = to_byte_ranges(header_ranges(&movie));
        let packets = track.zip(at).map(|(track, at)| poster_packets(&movie, track, at));
        match packets {
            // Not understood: what is under way may be of use, and the rest is read when it is asked for.
            Some(None) => return Ok(()),
            Some(Some(packets)) => ranges.extend(to_byte_ranges(coalesce(packets.ranges, READ_OVER))),
            None => {}
        }
        input.need_only(&ranges);
        input.prefetch(&ranges);
        Ok(())
    }

    /// Lets libavformat see of a file of fragments what was planned for. When that has changed, the file must be opened again.
    pub(crate) fn show(&self, input: &mut Input<'_>) -> bool {
        let visible = self.explored.as_ref().map_or_else(|| input.size(), Explored::visible);
        let has_changed = input.visible_size() != visible;
        input.set_visible_size(visible);
        has_changed
    }

    /// Makes more of a file of fragments visible than was thought necessary; `false` when all of it is.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn explore_further(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        let moov = self.moov.clone();
        match (&mut self.explored, Movie::parse(&moov)) {
            (Some(explored), Some(movie)) => explored.explore_further(input, &mut self.walk, &movie),
            _ => Ok(false),
        }
    }

    /// Where the tracks of a file of fragments end, in ticks of their own: by track number.
    pub(crate) fn track_ends(&self) -> &[(u32, i64)] {
        self.explored.as_ref().map_or(&[], |explored| explored.track_ends())
    }

    /// How the samples of each track are encrypted, by track number: `None` when they are in clear.
    pub(crate) fn protected_entries(&self) -> Vec<(u32, Option<ProtectedEntry>)> {
        protection::protected_entries(&self.moov)
    }

    /// When the tracks of a file of fragments begin, where we know it, in ticks of their own: by track number.
    pub(crate) fn track_starts(&self) -> &[(u32, i64)] {
        self.explored.as_ref().map_or(&[], |explored| explored.track_starts())
    }
}

/// The track that the poster frame will be taken from, most likely: the largest picture, where being enabled counts as
/// libavformat's default flag does (see `Media::choose_video_stream`).
fn main_track<'m, 'b>(movie: &'m Movie<'b>) -> Option<&'m Track<'b>> {
    let chapters: Vec<u32> = movie.tracks.iter().flat_map(|track| &track.chapters).copied().collect();
    let is_picture = |track: &&Track<'_>| &track.handler == b"vide" && !chapters.contains(&track.id);
    let score = |track: &Track<'_>| {
        u64::from(track.width) * u64::from(track.height) + if track.is_enabled { 5_000_000 } else { 0 }
    };
    // The first of equals.
    movie.tracks.iter().filter(is_picture).rev().max_by_key(|track| score(track))
}

fn to_byte_ranges(ranges: Vec<Range<u64>>) -> Vec<ByteRange> {
    ranges.into_iter().map(ByteRange::from).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::deadline::Deadline;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, content].concat()
    }

    fn look_at(bytes: Vec<u8>) -> Result<Option<Mp4Layout>, Fault> {
        let limits = Limits::default();
        let deadline = Deadline::new(limits.max_time, None);
        let mut input = Input::new(Box::new(Cursor::new(bytes)), &limits, deadline)?;
        Ok(look(&mut input, &limits, None)?.map(|layout| layout.about()))
    }

    fn track(samples: u32) -> Vec<u8> {
        let stsz = boxed(b"stsz", &[[0; 4], 1_u32.to_be_bytes(), samples.to_be_bytes()].concat());
        [b"stbl", b"minf", b"mdia", b"trak"].into_iter().fold(stsz, |content, kind| boxed(kind, &content))
    }

    #[test]
    fn finds_the_moov_in_front_and_behind() {
        let (ftyp, moov, mdat) =
            (boxed(b"ftyp", b"isom"), boxed(b"moov", &track(3)), boxed(b"mdat", &[0; 100_000]));
        let front = look_at([&ftyp[..], &moov, &mdat].concat()).unwrap().unwrap();
        assert_eq!((front.moov_offset, front.faststart, front.fragmented), (12, true, false));
        let behind = look_at([&ftyp[..], &mdat, &moov].concat()).unwrap().unwrap();
        assert_eq!((behind.moov_offset, behind.faststart), (100_020, false));
        assert_eq!(behind.moov_bytes, moov.len() as u64);
    }

    #[test]
    fn refuses_tables_that_declare_too_much() {
        let tracks: Vec<u8> = std::iter::repeat_n(track(5_000_000), 16).flatten().collect();
        let file = [boxed(b"ftyp", b"isom"), boxed(b"moov", &tracks)].concat();
        assert!(matches!(look_at(file), Err(Fault::Limit { limit: "max_index_entries", .. })));
        let trun = boxed(b"trun", &[[0; 4], u32::MAX.to_be_bytes()].concat());
        let moof = boxed(b"moof", &boxed(b"traf", &trun));
        let file = [boxed(b"moov", &boxed(b"mvex", b"")), moof].concat();
        assert!(matches!(look_at(file), Err(Fault::Limit { limit: "max_index_entries", .. })));
    }

    #[test]
    fn minutes_of_uncompressed_sound_are_not_too_much() {
        // Ten minutes at 44.1 kHz, as cameras write them; the same tables under a video handler are an attack.
        let table = |kind: &[u8; 4], numbers: &[u32]| {
            boxed(kind, &numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>())
        };
        let file = |handler: &[u8; 4]| {
            let stbl = boxed(
                b"stbl",
                &[table(b"stts", &[0, 1, 26_460_000, 1]), table(b"stsz", &[0, 4, 26_460_000])].concat(),
            );
            let hdlr = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 12]].concat());
            let mdia = boxed(b"mdia", &[hdlr, boxed(b"minf", &stbl)].concat());
            [boxed(b"ftyp", b"qt  "), boxed(b"moov", &boxed(b"trak", &mdia))].concat()
        };
        assert!(look_at(file(b"soun")).unwrap().is_some());
        assert!(look_at(file(b"vide")).is_err());
    }

    #[test]
    fn offsets_that_spell_a_name_are_no_table() {
        // Chunk offsets of a 2 GB file: one of them reads "stsz", and the next ones would be its count.
        let numbers = [0_u32, 4, 0x7374_737a, 0x7374_8000, 0x7374_9000, 0x7374_a000];
        let stco =
            boxed(b"stco", &numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>());
        let path = [b"stbl", b"minf", b"mdia", b"trak", b"moov"];
        let moov = path.into_iter().fold(stco, |content, kind| boxed(kind, &content));
        assert!(look_at([boxed(b"ftyp", b"isom"), moov].concat()).unwrap().is_some());
    }

    #[test]
    fn a_moov_that_was_crossed_out_is_counted() {
        let mvhd = boxed(b"mvhd", &[0; 100]);
        let free = boxed(b"free", &[mvhd, track(u32::MAX)].concat());
        let file = [boxed(b"ftyp", b"isom"), free].concat();
        assert!(matches!(look_at(file), Err(Fault::Limit { limit: "max_index_entries", .. })));
    }

    #[test]
    fn other_families_and_damage_are_left_to_libav() {
        assert_eq!(look_at(b"\x1a\x45\xdf\xa3 matroska".to_vec()).unwrap(), None);
        assert_eq!(look_at(b"no".to_vec()).unwrap(), None);
        assert_eq!(look_at(boxed(b"ftyp", b"isom")).unwrap(), None);
        // A moov that claims more than the file has, and a box that would loop.
        let mut cut = boxed(b"moov", &[0; 64]);
        cut.truncate(20);
        assert!(look_at([boxed(b"ftyp", b"isom"), cut].concat()).unwrap().is_some());
        assert_eq!(
            look_at([boxed(b"ftyp", b"isom"), vec![0, 0, 0, 4, b'm', b'o', b'o', b'v']].concat()).unwrap(),
            None
        );
    }
}

//! MP4 and MOV files (ISO/IEC 14496-12).
//!
//! The `walk` over the boxes leads to the `moov`, which is fetched exactly and only once. It stays in memory, and libav reads it from
//! there. On the way, each header passes the [`HeaderFilter`](super::filter). The sample tables contain the positions of the packets that lead
//! to the frame at a time (`frame`). A fragmented file is followed up to that frame (`chain`), and its end is read for its duration (`tail`).

mod chain;
mod fragment;
mod frame;
mod index;
mod movie;
mod tables;
mod tail;
mod track;
mod walk;

use crate::limits::Limits;
use crate::media::container::encryption::ProtectedEntry;
use crate::media::info::Mp4Layout;
use crate::media::layout::gop::Manner;
use crate::media::layout::planner::{Pause, Plan, Planner};
use crate::media::layout::view::View;
use crate::media::seen::Seen;
use crate::source::ByteRange;
use chain::Chain;
use walk::Walk;

/// The planner for one file.
#[derive(Debug)]
pub(super) struct Mp4 {
    walk: Walk,
    /// The fragments of a file that describes samples only in fragments. `None` once the layout is not as expected.
    chain: Option<Chain>,
    /// Whether a fragment comes before the fragments of earlier frames.
    pub(super) is_disordered: bool,
    /// The wanted track, and the time of the wanted frame in microseconds.
    track: Option<u32>,
    at: Option<i64>,
    pub(super) manner: Manner,
}

impl Planner for Mp4 {
    /// This step does not reject a damaged file: libav decides what it can decode from the file.
    fn step(&mut self, seen: &Seen) -> Result<Plan, Pause> {
        if self.chain.is_none() {
            self.walk.reach_fragments(seen)?;
            self.chain = self.walk.only_fragments.then(|| Chain::new(&self.walk)).flatten();
        }
        let moov = self.walk.moov.ok_or(Pause::Unknown)?;
        let Some(movie) = self.walk.movie.clone() else { return Ok(Plan::default()) };
        let track = self.track.map_or_else(|| movie.main_track(), |id| movie.track(id));
        let wanted = track.zip(self.at);
        let Some(chain) = &mut self.chain else {
            return frame::plan(
                &movie,
                seen.bytes(moov.start(), moov.len())?,
                wanted,
                self.manner.pick,
                seen.work(),
            );
        };
        chain.manner = self.manner;
        track.into_iter().for_each(|track| chain.follow(track));
        let result = chain.step(seen, wanted);
        if result == Err(Pause::Unknown) {
            // libavformat reads everything from here on.
            self.is_disordered |= chain.view.is_disordered;
            (self.chain, self.walk.only_fragments) = (None, false);
            return self.step(seen);
        }
        result
    }

    fn take_hidden(&mut self) -> Vec<ByteRange> {
        let mut hidden = self.walk.counter.take_hidden();
        hidden.extend(self.chain.iter_mut().flat_map(|chain| chain.counter.take_hidden()));
        hidden
    }
}

impl Mp4 {
    /// Begins with the bytes for opening the file, and with the frame at `at`, in microseconds from the start, if one is wanted.
    pub(super) fn new(limits: &Limits, at: Option<i64>) -> Self {
        Self {
            walk: Walk::new(limits),
            chain: None,
            is_disordered: false,
            track: None,
            at,
            manner: Manner::default(),
        }
    }

    /// Plans for the frame at `at` of the track with this number, or else of the track that most likely provides the picture.
    pub(super) const fn aim(&mut self, track: Option<u32>, at: Option<i64>) {
        (self.track, self.at) = (track, at);
    }

    /// Returns the bytes that the current frame is likely to need, where only a part of the fragments is visible and an index at the end
    /// lists the others. The view does not change.
    pub(super) fn ahead(&mut self) -> Option<Vec<ByteRange>> {
        let (movie, chain) = (self.walk.movie.as_ref()?, self.chain.as_mut()?);
        chain.manner = self.manner;
        chain.ahead(movie.track(self.track?)?, self.at?)
    }

    /// Returns whether the frames of fragments can be planned ahead of their turn.
    pub(super) fn names_fragments(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.view.is_indexed || !chain.named.is_empty())
    }

    /// Plans to make more of a fragmented file visible to libav. Returns `false` when libav sees all of it.
    pub(super) fn go_further(&mut self, size: u64) -> bool {
        let chain = self.chain.as_mut().filter(|chain| chain.view.visible < size);
        chain.map(Chain::go_further).is_some()
    }

    /// Returns libav's view of a fragmented file.
    pub(super) fn view(&self) -> Option<&View> {
        self.chain.as_ref().map(|chain| &chain.view)
    }

    /// Returns the encryption of each track's samples, by track number: `None` for unencrypted samples.
    pub(super) fn protected_entries(&self) -> Vec<(u32, Option<ProtectedEntry>)> {
        let tracks = self.walk.movie.iter().flat_map(|movie| &movie.tracks);
        tracks.map(|track| (track.id, track.protection)).collect()
    }

    /// Returns the number of the track to which libavformat assigns a list of keys: the track before the list.
    pub(super) fn keys_behind(&self) -> Option<usize> {
        self.walk.movie.as_ref()?.keys_behind
    }

    /// Returns the part of `MediaInfo` about the layout, or `None` before the `moov` was found.
    pub(super) fn info(&self) -> Option<Mp4Layout> {
        let is_fragmented = self.walk.movie.as_ref().is_some_and(|movie| movie.is_fragmented);
        self.walk.moov.map(|moov| Mp4Layout {
            moov_offset: moov.start(),
            moov_bytes: moov.len(),
            faststart: self.walk.faststart,
            fragmented: self.walk.seen_moof || is_fragmented,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;
    use crate::limits::Limit;
    use crate::media::layout::replay::Replay;
    use crate::media::layout::test_tables::{boxed, full, plain_tables, video};

    fn look_at(file: &[u8]) -> Result<Option<Mp4Layout>, Pause> {
        let mut planner = Mp4::new(&Limits::default(), None);
        match Replay::new(file).run(&mut planner, 1000) {
            Ok(_) => Ok(planner.info()),
            Err(Pause::Unknown) => Ok(None),
            Err(pause) => Err(pause),
        }
    }

    fn track(samples: u32) -> Vec<u8> {
        let stsz = full(b"stsz", 0, &[1, samples]);
        [b"stbl", b"minf", b"mdia", b"trak"].into_iter().fold(stsz, |content, kind| boxed(kind, &[content]))
    }

    fn ftyp() -> Vec<u8> {
        boxed(b"ftyp", &[b"isom".to_vec()])
    }

    #[test]
    fn finds_the_moov_before_and_after_the_media_data() {
        let (moov, mdat) = (boxed(b"moov", &[track(3)]), boxed(b"mdat", &[vec![0; 100_000]]));
        let front = look_at(&[ftyp(), moov.clone(), mdat.clone()].concat()).unwrap().unwrap();
        assert_eq!((front.moov_offset, front.faststart, front.fragmented), (12, true, false));
        let behind = look_at(&[ftyp(), mdat, moov.clone()].concat()).unwrap().unwrap();
        assert_eq!((behind.moov_offset, behind.faststart), (100_020, false));
        assert_eq!(behind.moov_bytes, moov.len() as u64);
    }

    #[test]
    fn a_moov_after_the_media_data_is_requested_with_the_rest_of_the_file() {
        let (moov, mdat) = (video(plain_tables(9)), boxed(b"mdat", &[vec![0; 100_000]]));
        let file = [ftyp(), mdat, moov].concat();
        let (mut planner, mut replay) = (Mp4::new(&Limits::default(), Some(300_000)), Replay::new(&file));
        let plan = replay.run(&mut planner, 100).unwrap();
        // The head, the header of the box after the media data, and that box.
        assert_eq!(replay.read.len(), 3);
        assert!(replay.soon.contains(&ByteRange::new(100_020, file.len() as u64)));
        assert_eq!(plan, Plan { ranges: vec![ByteRange::new(2000, 2100)], only: true });
    }

    #[test]
    fn rejects_tables_that_declare_too_much() {
        let is_refused =
            |file: &[u8]| matches!(look_at(file), Err(Pause::Limit { limit: Limit::MaxIndexEntries, .. }));
        let tracks: Vec<u8> = std::iter::repeat_n(track(5_000_000), 16).flatten().collect();
        assert!(is_refused(&[ftyp(), boxed(b"moov", &[tracks])].concat()));
        let moof = boxed(b"moof", &[boxed(b"traf", &[full(b"trun", 0, &[u32::MAX])])]);
        assert!(is_refused(&[boxed(b"moov", &[boxed(b"mvex", &[])]), moof].concat()));
        // A deleted moov: its name was overwritten.
        let free = boxed(b"free", &[boxed(b"mvhd", &[vec![0; 100]]), track(u32::MAX)]);
        assert!(is_refused(&[ftyp(), free].concat()));
    }

    #[test]
    fn minutes_of_uncompressed_audio_are_accepted() {
        // Ten minutes at 44.1 kHz, as cameras write them. The same tables under a video handler are an attack.
        let file = |handler: &[u8; 4]| {
            let stbl = [full(b"stts", 0, &[1, 26_460_000, 1]), full(b"stsz", 0, &[4, 26_460_000])];
            let hdlr = full(b"hdlr", 0, &[0, u32::from_be_bytes(*handler), 0, 0, 0]);
            let mdia = boxed(b"mdia", &[hdlr, boxed(b"minf", &[boxed(b"stbl", &stbl)])]);
            [boxed(b"ftyp", &[b"qt  ".to_vec()]), boxed(b"moov", &[boxed(b"trak", &[mdia])])].concat()
        };
        assert!(look_at(&file(b"soun")).unwrap().is_some());
        assert!(look_at(&file(b"vide")).is_err());
    }

    #[test]
    fn offsets_that_spell_a_name_are_not_a_table() {
        // Chunk offsets of a 2 GB file: one of them reads "stsz", and the next ones would be its count.
        let stco = full(b"stco", 0, &[4, 0x7374_737a, 0x7374_8000, 0x7374_9000, 0x7374_a000]);
        let path = [b"stbl", b"minf", b"mdia", b"trak", b"moov"];
        let moov = path.into_iter().fold(stco, |content, kind| boxed(kind, &[content]));
        assert!(look_at(&[ftyp(), moov].concat()).unwrap().is_some());
    }

    #[test]
    fn other_families_and_damage_are_left_to_libav() {
        assert_eq!(look_at(b"\x1a\x45\xdf\xa3 matroska"), Ok(None));
        assert_eq!(look_at(b"no"), Ok(None));
        assert_eq!(look_at(&ftyp()), Ok(None));
        // A moov that declares more bytes than the file has, and a box that would loop.
        let mut cut = boxed(b"moov", &[vec![0; 64]]);
        cut.truncate(20);
        assert!(look_at(&[ftyp(), cut].concat()).unwrap().is_some());
        assert_eq!(look_at(&[ftyp(), vec![0, 0, 0, 4, b'm', b'o', b'o', b'v']].concat()), Ok(None));
    }
}

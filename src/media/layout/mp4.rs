//! MP4 and MOV files (ISO/IEC 14496-12).
//!
//! The `walk` over the boxes leads to the `moov`, which is fetched exactly and once, and stays in memory: libav gets it from
//! there. On the way `count` adds up the samples that tables declare, and refuses what would cost libav too much memory. The sample
//! tables name the packets that lead to the frame at a time (`frame`). A file of fragments is followed as far as that frame
//! (`chain`), and its end is looked at for its duration (`tail`).

mod boxes;
mod chain;
mod count;
mod fragment;
mod frame;
mod index;
mod movie;
mod tables;
mod tail;
#[cfg(test)]
mod test_tables;
mod track;
mod walk;

use crate::limits::Limits;
use crate::media::info::Mp4Layout;
use crate::media::layout::bytes::{Bytes, Pause, Plan, Planner};
use crate::media::layout::view::View;
use chain::{Chain, Sight};
use movie::Movie;
use track::Track;
use walk::Walk;

/// The planner for one file.
#[derive(Debug)]
pub(super) struct Mp4 {
    walk: Walk,
    has_walked: bool,
    /// The fragments of a file that describes samples in them only, until something is not as we know it.
    chain: Option<Chain>,
    /// The track and the time in microseconds that a frame is wanted of.
    track: Option<u32>,
    at: Option<i64>,
}

impl Planner for Mp4 {
    /// A damaged file is not refused here: libav has the last word on what it can make of it.
    fn step(&mut self, seen: &dyn Bytes) -> Result<Plan, Pause> {
        if !self.has_walked {
            self.walk.reach_fragments(seen)?;
            self.has_walked = true;
            let indexes = std::mem::take(&mut self.walk.indexes);
            self.chain = self.walk.only_fragments.then(|| Chain::new(self.walk.offset, indexes));
        }
        let moov = self.walk.moov.clone().ok_or(Pause::Unknown)?;
        let moov = seen.bytes(moov.start, moov.end.saturating_sub(moov.start)).map_err(Pause::kept)?;
        let Some(movie) = self.walk.movie.take() else { return Ok(Plan::default()) };
        let track = self.track.map_or_else(|| movie.main_track(), |id| movie.track(id));
        let result = match &mut self.chain {
            Some(chain) => {
                let mut sight = Sight { seen, movie: &movie, walk: &mut self.walk };
                chain.step(&mut sight, track.zip(self.at))
            }
            None => Ok(plan_packets(&movie, moov, track.zip(self.at))),
        };
        self.walk.movie = Some(movie);
        if result == Err(Pause::Unknown) && self.chain.take().is_some() {
            // libavformat looks at everything, after we did.
            (self.walk.only_fragments, self.has_walked) = (false, false);
            return self.step(seen);
        }
        result
    }
}

impl Mp4 {
    /// Begins with opening the file, and with the frame at `at`, in microseconds from the start, if one is wanted.
    pub(super) fn new(limits: &Limits, at: Option<i64>) -> Self {
        Self { walk: Walk::new(limits), has_walked: false, chain: None, track: None, at }
    }

    /// Plans for the frame at `at` of the track with this number, or else of the one that is the picture most likely.
    pub(super) const fn aim(&mut self, track: Option<u32>, at: Option<i64>) {
        (self.track, self.at) = (track, at);
    }

    /// Plans for showing libav more of a file of fragments. `false` when it sees all.
    pub(super) fn go_further(&mut self, size: u64) -> bool {
        let chain = self.chain.as_mut().filter(|chain| chain.view.visible < size);
        chain.map(Chain::go_further).is_some()
    }

    /// Returns what libav sees of a file of fragments.
    pub(super) fn view(&self) -> Option<&View> {
        self.chain.as_ref().map(|chain| &chain.view)
    }

    /// Whether the file consists of fragments that an index names.
    pub(super) fn is_indexed(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.is_indexed)
    }

    /// Returns what `MediaInfo` reports; `None` before the `moov` was found.
    pub(super) fn info(&self) -> Option<Mp4Layout> {
        let moov = self.walk.moov.as_ref()?;
        let is_fragmented = self.walk.movie.as_ref().is_some_and(|movie| movie.is_fragmented);
        Some(Mp4Layout {
            moov_offset: moov.start,
            moov_bytes: moov.end.saturating_sub(moov.start),
            faststart: self.walk.faststart,
            fragmented: self.walk.seen_moof || is_fragmented,
        })
    }
}

/// Plans for a file whose tables describe the samples.
fn plan_packets(movie: &Movie, moov: &[u8], wanted: Option<(&Track, i64)>) -> Plan {
    let mut ranges = frame::header_ranges(movie, moov);
    if let Some((track, at)) = wanted {
        match frame::packets_to(movie, moov, track, at) {
            Some(packets) => ranges.extend(packets),
            // What is under way may be of use, and the rest is read when it is asked for.
            None => return Plan::default(),
        }
    }
    Plan { ranges, only: true }
}

//! libav's view of a file.
//!
//! Without an index, libavformat reads every fragment of a file before it begins, with one request for each. The view instead ends
//! the file after the fragment with the wanted frame. A view is an input of libav, not a plan: a search cannot find a hidden
//! frame. The view therefore contains the start and end of the tracks in the whole file, and a search can check whether a better
//! frame may be hidden.

use std::collections::BTreeMap;

use super::gop::Sample;

/// The number of frames whose presentation delays are taken for those of the whole file, the same where the durations of frames differ,
/// and the same for each fragment.
const ENOUGH_FRAMES: u32 = 32;
const ENOUGH_VARIABLE_FRAMES: u32 = 512;
const ENOUGH_FRAMES_OF_FRAGMENT: u32 = 2;

/// A view of a fragmented file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// End of the file for libav when it first opens the file. The value does not depend on the wanted time, so libav's reports
    /// about the streams do not depend on it either.
    pub(super) beginning: u64,
    /// End of the file for libav when it searches for the wanted frame.
    pub(super) visible: u64,
    /// The planned track, and the decoding time of its first hidden frame. No hidden frame is presented earlier.
    pub(super) hidden_from: Option<(u32, i64)>,
    /// Whether an index lists all fragments. If so, libav sees the whole file, and reads the first fragment and the wanted one.
    pub(super) is_indexed: bool,
    /// The known properties of each track, by its number.
    pub(super) spans: BTreeMap<u32, Span>,
    /// Whether the end of the file was read.
    pub(super) knows_end: bool,
    /// Whether an index covers the file, but has entries that stand for several fragments. libavformat would read only the first
    /// of them after a seek.
    pub(super) has_coarse_index: bool,
    /// Whether a fragment comes before the fragments of earlier frames. libavformat must then see all of them.
    pub(super) is_disordered: bool,
}

/// The known properties of one track, in its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The shift of composition times by edits.
    pub(super) shift: i64,
    /// Composition time of the first frame, unless the first fragments do not contain the track.
    pub(super) start: Option<i64>,
    /// The greatest composition time.
    pub(super) last: i64,
    /// The smallest difference of composition and decoding time.
    pub(super) least: i64,
    /// Decoding time of a frame after the last one.
    pub(super) end: i64,
    /// Whether the last frames of the file have been read.
    pub(super) is_whole: bool,
}

impl Span {
    /// Begins with the composition time of a frame, the first one of the track if `is_first`.
    pub(super) fn new(shift: i64, time: i64, is_first: bool) -> Self {
        Self { shift, start: is_first.then_some(time), last: time, least: i64::MAX, end: 0, is_whole: false }
    }
}

/// What the first fragments show of the presentation delays of a track.
#[derive(Debug, Default)]
pub(super) struct Delays {
    frames: u32,
    is_signed: bool,
    /// Decoding time of the last frame, and its distance from the frame before.
    last: Option<i64>,
    interval: Option<i64>,
    /// Whether these distances differ by more than rounding.
    is_variable: bool,
}

impl Delays {
    /// Adds the samples of a fragment. `is_signed` tells whether they may be presented before they are decoded.
    pub(super) fn add(&mut self, samples: &[Sample], is_signed: bool) {
        self.is_signed |= is_signed;
        for sample in samples {
            let interval = self.last.map(|last| sample.dts.saturating_sub(last));
            let differ = self.interval.zip(interval).is_some_and(|(one, next)| one.abs_diff(next) > 1);
            (self.frames, self.is_variable) = (self.frames.saturating_add(1), self.is_variable || differ);
            (self.last, self.interval) = (Some(sample.dts), interval);
        }
    }

    /// Returns whether later frames are unlikely to be presented earlier, after `fragments` were read.
    pub(super) fn are_known(&self, fragments: u32) -> bool {
        let enough = if self.is_variable { ENOUGH_VARIABLE_FRAMES } else { ENOUGH_FRAMES };
        !self.is_signed || self.frames >= fragments.saturating_mul(ENOUGH_FRAMES_OF_FRAGMENT).max(enough)
    }
}

impl View {
    /// Makes the file visible up to `visible`. The first hidden frame of `track` is decoded at `dts`.
    pub(super) fn show(&mut self, visible: u64, track: u32, dts: i64) {
        let shift = self.spans.get(&track).map_or(0, |span| span.shift);
        (self.visible, self.hidden_from) = (visible, Some((track, dts.saturating_add(shift))));
    }

    /// Returns the size to report to libavformat for a file that is visible up to `visible`. libavformat uses no index that does
    /// not end with the file.
    pub(super) const fn size_for_libav(&self, visible: u64, size: u64) -> u64 {
        if self.has_coarse_index && visible >= size { size.saturating_add(1) } else { visible }
    }

    /// Returns the first presentation time of the track. Returns `None` where some frames are presented before they are decoded:
    /// libavformat then shifts all times by the difference that it has met so far, and reports the start itself.
    pub(super) fn start_of(&self, track: u32) -> Option<i64> {
        let span = self.spans.get(&track).filter(|span| span.least >= 0)?;
        span.start?.checked_add(span.shift)
    }

    /// Returns the end of the track as libavformat reports it for the whole file.
    pub(super) fn end_of(&self, track: u32) -> Option<i64> {
        self.spans.get(&track).filter(|_| self.knows_end).map(|span| span.end)
    }

    /// Returns whether no hidden frame of the track is presented before `pts`.
    pub(super) fn is_certain(&self, size: u64, track: u32, pts: i64) -> bool {
        let shows_all = self.visible >= size;
        shows_all || self.hidden_from.is_some_and(|(number, hidden)| number == track && pts <= hidden)
    }

    /// Returns whether the track is known to have no frame at or after `pts`.
    pub(super) fn ends_before(&self, track: u32, pts: i64) -> bool {
        // libavformat shifts presentation times until none is before its decoding time.
        let last = |span: &Span| span.last.saturating_add(span.shift).saturating_sub(span.least.min(0));
        self.spans.get(&track).is_some_and(|span| span.is_whole && last(span) < pts)
    }
}

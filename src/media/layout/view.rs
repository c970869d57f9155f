//! What libav sees of a file.
//!
//! libavformat looks at every fragment of a file without an index before it begins, which takes a request for each. It is told
//! that the file ends behind the fragment with the wanted frame instead. Such a view is an input of libav's, not a plan: what it
//! hides, nobody finds. It therefore knows where the tracks begin and end in the whole file, and a search can ask it whether a
//! better frame may be hidden.

use std::collections::BTreeMap;

/// A view on a file of fragments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Where the file ends for libav when it opens the file first. It does not depend on the wanted time, so that nothing that
    /// libav reports about the streams does.
    pub(super) beginning: u64,
    /// Where the file ends for libav when it looks for the wanted frame.
    pub(super) visible: u64,
    /// The track that was planned for, and when its first hidden frame is decoded. No hidden frame is presented earlier.
    pub(super) hidden_from: Option<(u32, i64)>,
    /// Whether an index names all fragments. Then libav sees the whole file, and reads the first fragment and the wanted one.
    pub(super) is_indexed: bool,
    /// What is known of each track, by its number.
    pub(super) spans: BTreeMap<u32, Span>,
    /// Whether the end of the file was looked at.
    pub(super) knows_end: bool,
    /// Whether an index covers the file, but names several fragments by one entry. libavformat would read the first of them only
    /// when it seeks.
    pub(super) has_coarse_index: bool,
}

/// What is known of one track, in its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// What edits add to composition times.
    pub(super) shift: i64,
    /// Composition time of the first frame, and the greatest one.
    pub(super) start: i64,
    pub(super) last: i64,
    /// The least distance from decoding to composition time.
    pub(super) least: i64,
    /// When the frame behind the last one would be decoded.
    pub(super) end: i64,
    /// Whether the last frames of the file are among those seen.
    pub(super) is_whole: bool,
}

impl Span {
    /// Begins with the composition time of the first frame.
    pub(super) const fn new(shift: i64, start: i64) -> Self {
        Self { shift, start, last: start, least: i64::MAX, end: 0, is_whole: false }
    }
}

impl View {
    /// Shows the file up to `visible`. The first frame of a track that is hidden then is decoded at `dts`.
    pub(super) fn show(&mut self, visible: u64, track: u32, dts: i64) {
        let shift = self.spans.get(&track).map_or(0, |span| span.shift);
        (self.visible, self.hidden_from) = (visible, Some((track, dts.saturating_add(shift))));
    }

    /// Returns the size to report to libavformat for a file that is shown up to `visible`. It uses no index that does not end with
    /// the file.
    pub(super) const fn size_for_libav(&self, visible: u64, size: u64) -> u64 {
        if self.has_coarse_index && visible >= size { size.saturating_add(1) } else { visible }
    }

    /// Returns when the track is presented first. Where some frames are presented before they are decoded, libavformat moves all
    /// times by what it has seen of that so far; it is asked then.
    pub(super) fn start_of(&self, track: u32) -> Option<i64> {
        let span = self.spans.get(&track).filter(|span| span.least >= 0)?;
        span.start.checked_add(span.shift)
    }

    /// Returns the end of the track as libavformat reports it of the whole file.
    pub(super) fn end_of(&self, track: u32) -> Option<i64> {
        self.spans.get(&track).filter(|_| self.knows_end).map(|span| span.end)
    }

    /// Whether no hidden frame of the track is presented before `pts`.
    pub(super) fn is_certain(&self, size: u64, track: u32, pts: i64) -> bool {
        let shows_all = self.visible >= size;
        shows_all || self.hidden_from.is_some_and(|(number, hidden)| number == track && pts <= hidden)
    }

    /// Whether the track is known to have no frame that is presented at or after `pts`.
    pub(super) fn ends_before(&self, track: u32, pts: i64) -> bool {
        // libavformat moves presentation times until none is before its decoding time.
        let last = |span: &Span| span.last.saturating_add(span.shift).saturating_sub(span.least.min(0));
        self.spans.get(&track).is_some_and(|span| span.is_whole && last(span) < pts)
    }
}

//! What libav sees of a file.
//!
//! libavformat looks at every fragment of a file without an index before it begins, which takes a request for each. It is told
//! that the file ends behind the fragment with the wanted frame instead. Such a view is an input of libav's, not a plan: what it
//! hides, nobody finds. It therefore keeps two promises, which a search checks against what it found:
//!
//! - it shows the wanted frame, and each frame that is presented between the wanted time and that frame;
//! - it knows where the tracks begin and end in the whole file.

/// A view on a file, by track numbers and in ticks of the tracks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Where the file ends for libav when it opens the file first. It does not depend on the wanted time, so that nothing that
    /// libav reports about the streams does.
    pub(super) beginning: u64,
    /// Where the file ends for libav when it looks for the wanted frame.
    pub(super) visible: u64,
    /// When tracks begin, where libav cannot know it.
    pub(super) starts: Vec<(u32, i64)>,
    /// Where tracks end, where libav does not see it.
    pub(super) ends: Vec<(u32, i64)>,
    /// The last presentation times, where libav does not see them.
    pub(super) last: Vec<(u32, i64)>,
    /// The track that was planned for, and the decoding time of its first hidden frame. None that is hidden is presented earlier.
    pub(super) hidden_from: Option<(u32, i64)>,
}

impl View {
    /// Shows a whole file of `size` bytes.
    pub(super) fn whole(size: u64) -> Self {
        Self { beginning: size, visible: size, ..Self::default() }
    }

    /// Whether no frame of the track that is hidden is presented before `pts`.
    pub(super) fn is_certain(&self, size: u64, track: u32, pts: i64) -> bool {
        self.visible >= size
            || self.hidden_from.is_some_and(|(number, hidden)| number == track && pts <= hidden)
    }

    /// Whether the track is known to have no frame that is presented at or after `pts`.
    pub(super) fn ends_before(&self, track: u32, pts: i64) -> bool {
        of_track(&self.last, track).is_some_and(|last| last < pts)
    }
}

/// Returns what is known of a track.
pub(super) fn of_track(ticks: &[(u32, i64)], track: u32) -> Option<i64> {
    ticks.iter().find(|(number, _)| *number == track).map(|(_, ticks)| *ticks)
}

//! Where times lie in a file.

use crate::media::units::{Pts, Ticks};

/// Where times lie in a file of about constant bit rate.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Places {
    /// Bytes of the file.
    pub(in crate::media) size: u64,
    /// The start of the presentation, in ticks of the stream.
    pub(in crate::media) start: Pts,
    /// Its length in ticks of the stream.
    pub(in crate::media) duration: Ticks,
    /// Whether reading can begin anywhere.
    pub(in crate::media) can_enter: bool,
}

impl Places {
    /// The end of the presentation.
    pub(super) const fn end(self) -> Pts {
        self.start.saturating_add(self.duration)
    }

    /// The estimated place of a time.
    pub(super) fn of(self, time: Pts) -> u64 {
        let elapsed = u128::try_from(time.since(self.start).get()).unwrap_or(0);
        let duration = u128::try_from(self.duration.get()).unwrap_or(0).max(1);
        u64::try_from(u128::from(self.size) * elapsed / duration)
            .map_or(self.size, |place| place.min(self.size))
    }
}

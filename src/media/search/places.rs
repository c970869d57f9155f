//! The positions of times in a file without an index.

use crate::media::container::KeyframeInterval;
use crate::media::units::{Pts, Ticks};

/// The positions of times in a file: estimated from its bit rate, and from the positions that reading has met.
#[derive(Debug, Clone)]
pub(in crate::media) struct Places {
    /// Size of the file in bytes.
    pub(super) size: u64,
    /// The start of the presentation, in ticks of the stream.
    pub(super) start: Pts,
    /// The end of the presentation; its start where no duration is known.
    pub(super) end: Pts,
    /// Whether reading can begin anywhere, at positions that can be estimated.
    pub(super) can_enter: bool,
    pub(super) keyframes: Option<KeyframeInterval>,
    /// Decoding times and the positions where they were met, both increasing.
    met: Vec<(Pts, u64)>,
}

impl Places {
    /// Creates the positions of a file of `size` bytes that starts at `start`, in ticks of the stream, and lasts `duration`.
    /// `can_enter` means that reading can begin anywhere.
    pub(in crate::media) fn new(
        size: u64,
        (start, duration): (Pts, Option<Ticks>),
        can_enter: bool,
        keyframes: Option<KeyframeInterval>,
    ) -> Self {
        let end = start.saturating_add(duration.unwrap_or(Ticks::ZERO));
        Self { size, start, end, can_enter: can_enter && duration.is_some(), keyframes, met: Vec::new() }
    }

    /// Returns whether only the bit rate is known.
    pub(super) const fn is_estimate(&self) -> bool {
        self.met.is_empty()
    }

    /// Returns whether the estimate is weak: no position near this time was met.
    pub(super) fn is_unknown(&self, time: Pts, near: Ticks) -> bool {
        let met = self.met.iter().map(|&(met, _)| met).chain([self.start, self.end]);
        met.map(|met| met.since(time).max(time.since(met))).min().is_none_or(|distance| distance > near)
    }

    /// Returns the estimated position of a time: between the nearest known positions, in proportion. Near a position that was met,
    /// the estimate takes the keyframes into account.
    pub(super) fn of(&self, time: Pts) -> u64 {
        let surplus = if self.met.is_empty() { 0 } else { self.surplus(time) };
        self.in_proportion(time).saturating_add(surplus).min(self.size)
    }

    fn surplus(&self, time: Pts) -> u64 {
        self.keyframes.map_or(0, |keyframes| keyframes.surplus(time))
    }

    fn in_proportion(&self, time: Pts) -> u64 {
        let behind = self.met.partition_point(|&(met, _)| met <= time);
        let before = behind.checked_sub(1).and_then(|index| self.met.get(index));
        let (low, low_place) = before.copied().unwrap_or((self.start, 0));
        let (high, high_place) = self.met.get(behind).copied().unwrap_or((self.end, self.size));
        let length = |from: Pts, to: Pts| u128::try_from(to.since(from).get()).unwrap_or(0);
        let elapsed = length(low, time).min(length(low, high));
        let bytes = u128::from(high_place.saturating_sub(low_place));
        let ahead = bytes.saturating_mul(elapsed) / length(low, high).max(1);
        u64::try_from(ahead).map_or(self.size, |ahead| low_place.saturating_add(ahead).min(self.size))
    }

    /// Records the position of a decoding time. A position that contradicts the others makes them worthless: the times of the file
    /// do not increase throughout.
    pub(super) fn note(&mut self, time: Pts, place: u64) {
        let place = place.saturating_sub(self.surplus(time));
        let index = self.met.partition_point(|&(met, _)| met < time);
        let before = index.checked_sub(1).and_then(|index| self.met.get(index));
        let is_behind = before.is_none_or(|&(_, other)| other < place);
        let is_ahead = self.met.get(index).is_none_or(|&(met, other)| met > time && place < other);
        if is_behind && is_ahead {
            self.met.insert(index, (time, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::new(1000, (Pts::new(50), Some(Ticks::new(100))), true, None)
    }

    #[test]
    fn times_lie_in_proportion() {
        let places = places();
        let of = |time| places.of(Pts::new(time));
        assert_eq!([of(0), of(50), of(60), of(150), of(200)], [0, 0, 100, 1000, 1000]);
        let empty = Places::new(1000, (Pts::new(i64::MIN), None), true, None);
        assert_eq!(empty.of(Pts::MAX), 0);
    }

    #[test]
    fn known_positions_correct_the_estimate() {
        let mut places = places();
        assert!(places.is_estimate());
        places.note(Pts::new(100), 800);
        assert!(!places.is_estimate());
        assert_eq!([75, 100, 125].map(|time| places.of(Pts::new(time))), [400, 800, 900]);
        // The position contradicts the known ones, or adds nothing.
        places.note(Pts::new(120), 700);
        places.note(Pts::new(100), 900);
        assert_eq!(places.of(Pts::new(125)), 900);
        places.note(Pts::new(75), 200);
        assert_eq!(places.of(Pts::new(75)), 200);
    }
}

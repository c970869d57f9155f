//! MPEG transport streams and other files of about constant bit rate, which say only how long they are: where a time is likely
//! to be.

use crate::source::ByteRange;

/// Bytes requested behind the estimated place of a frame.
const BEHIND: u64 = 16 << 10;

/// Where times lie in a file of about constant bit rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places {
    /// The size of the file in bytes.
    pub(crate) size: u64,
    /// The start of the presentation, in ticks of the stream.
    pub(crate) start: i64,
    /// Its length in ticks of the stream.
    pub(crate) duration: i64,
}

impl Places {
    /// Returns about where the time `ticks` is.
    pub(crate) fn of(self, ticks: i64) -> u64 {
        let elapsed = u128::try_from(ticks.saturating_sub(self.start)).unwrap_or(0);
        let duration = u128::try_from(self.duration).unwrap_or(0).max(1);
        let place = u128::from(self.size).saturating_mul(elapsed).checked_div(duration).unwrap_or(0);
        u64::try_from(place).map_or(self.size, |place| place.min(self.size))
    }

    /// Returns the bytes to request when the file is entered `back` ticks before `goal`. Those that an earlier, nearer entry has
    /// requested begin at `known`.
    pub(crate) fn entry(self, goal: i64, back: i64, known: Option<u64>) -> ByteRange {
        let end = known.unwrap_or_else(|| self.of(goal).saturating_add(BEHIND));
        ByteRange::new(self.of(goal.saturating_sub(back)), end)
    }

    /// Returns the bytes to request when all from `position` to `goal` has to be read, at most `most`.
    pub(crate) fn up_to(self, position: u64, goal: i64, most: u64) -> ByteRange {
        let place = self.of(goal);
        let end = place.saturating_add(place >> 4).saturating_add(BEHIND);
        ByteRange::new(position, end.min(position.saturating_add(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: Places = Places { size: 1_000_000, start: 900, duration: 10_000 };

    #[test]
    fn times_lie_where_the_bit_rate_says() {
        assert_eq!(PLACES.of(900), 0);
        assert_eq!(PLACES.of(5_900), 500_000);
        assert_eq!((PLACES.of(i64::MIN), PLACES.of(i64::MAX)), (0, 1_000_000));
        let unknown = Places { duration: 0, ..PLACES };
        assert_eq!((unknown.of(0), unknown.of(901)), (0, 1_000_000));
    }

    #[test]
    fn an_entry_ends_behind_the_goal_or_where_the_one_before_began() {
        assert_eq!(PLACES.entry(5_900, 1_000, None), ByteRange::new(400_000, 500_000 + BEHIND));
        assert_eq!(PLACES.entry(5_900, 3_000, Some(400_000)), ByteRange::new(200_000, 400_000));
        assert_eq!(PLACES.entry(5_900, i64::MAX, None).start(), 0);
    }

    #[test]
    fn reading_on_requests_a_little_more_than_the_estimate() {
        assert_eq!(PLACES.up_to(10, 5_900, 1 << 20), ByteRange::new(10, 500_000 + 31_250 + BEHIND));
        assert_eq!(PLACES.up_to(10, 5_900, 1000), ByteRange::new(10, 1010));
    }
}

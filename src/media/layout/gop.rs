//! Arithmetic that all planners share: clocks, positions between two keyframes, and the packets that lead to a frame.

use crate::frame_request::Pick;
use crate::source::ByteRange;

/// The largest gap between two wanted ranges that is read over, as in the reader of ranges.
const READ_OVER: u64 = 256 << 10;
/// Ticks per second of the clock for times from outside.
pub(super) const MICROSECONDS: u32 = 1_000_000;
/// Maximum number of keyframes that a search for a keyframe examines.
const MAX_LATE: usize = 4;
/// Maximum number of separate ranges for one frame.
const MAX_RANGES: usize = 1 << 18;

/// Converts `ticks` of a clock with `from` ticks a second to one with `to`, to the nearest tick. A clock of 0 ticks counts as 1.
pub(super) fn rescale(ticks: i64, to: u32, from: u32) -> i64 {
    let from = i128::from(from.max(1));
    let product = i128::from(ticks).saturating_mul(to.into()).saturating_add(from >> 1);
    let rescaled = product.checked_div_euclid(from).unwrap_or(0);
    i64::try_from(rescaled).unwrap_or(if rescaled < 0 { i64::MIN } else { i64::MAX })
}

/// Estimates how many of the `bytes` between two keyframes lead to the frame at `ahead` of the `whole` time between them, in any unit.
/// The keyframe itself, with `ahead` 0, counts as an eighth.
pub(super) fn part_of_gop(bytes: u64, ahead: u64, whole: u64) -> u64 {
    let (ahead, whole) = (u128::from(ahead.min(whole)), u128::from(whole.max(1)));
    let share = ahead.saturating_mul(7).saturating_add(whole);
    let part = u128::from(bytes).saturating_mul(share).checked_div(whole.saturating_mul(8));
    part.and_then(|part| u64::try_from(part).ok()).unwrap_or(bytes)
}

/// The way in which a frame is planned.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) pick: Pick,
    /// Whether the plan is made ahead of the frame's turn in a list. Bytes that such a plan omits then cost each frame a separate
    /// round trip.
    pub(super) is_ahead: bool,
}

impl Manner {
    /// Estimates, like [`part_of_gop`], how many bytes lead to the selected frame. For a frame of a list the estimate is generous: it
    /// adds a keyframe of at least `key` bytes and an eighth of the time. For the last frames it adds the next keyframe, which shows
    /// that no earlier frame follows.
    pub(super) fn part_of_gop(self, bytes: u64, ahead: u64, whole: u64, key: u64) -> u64 {
        let usual = bytes >> 3;
        let key = key.max(usual);
        match (self.pick, self.is_ahead) {
            (Pick::Keyframe, _) => key,
            (Pick::Exact | Pick::Auto, false) => part_of_gop(bytes, ahead, whole),
            (Pick::Exact | Pick::Auto, true) => {
                let reached = ahead.saturating_add(whole >> 3);
                let more = if reached < whole { key.saturating_sub(usual) } else { key };
                part_of_gop(bytes, reached, whole).saturating_add(more)
            }
        }
    }
}

/// Ranks a video track in the same way as `Media`: by area, where a default track gains five million pixels.
pub(super) const fn rank(width: u64, height: u64, is_marked: bool) -> u64 {
    let area = width.saturating_mul(height);
    if is_marked { area.saturating_add(5_000_000) } else { area }
}

/// One packet of a track, in ticks of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Position in the file, and size in bytes.
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Decoding time, and composition time: the order of presentation, before edits.
    pub(super) dts: i64,
    pub(super) cts: i64,
    pub(super) is_sync: bool,
}

impl Sample {
    pub(super) const fn range(&self) -> ByteRange {
        ByteRange::new(self.offset, self.offset.saturating_add(self.size as u64))
    }
}

/// The packets from the keyframe at or before a time to the last packet that a search for the frame at this time reads.
///
/// A search reads in decoding order until a packet is decoded at or after the earliest frame found so far: no frame after that packet
/// can be presented earlier. The search stops at once when the frame is at the wanted time to the tick and no frame is missing directly
/// before it.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// The wanted composition time.
    wanted: i64,
    /// The decoding time for which libavformat searches a keyframe.
    searched: i64,
    /// The least difference of composition and decoding time so far, or 0.
    least: i64,
    /// The last decoding time, and the shortest time between two of them.
    last: Option<i64>,
    shortest: i64,
    /// The latest composition time before the wanted one, from the keyframe on.
    before: Option<i64>,
    /// Positions of the packets, in decoding order. Packets that are close to each other are merged.
    ranges: Vec<ByteRange>,
    /// Position of the keyframe, and of later keyframes that a search examines first because they are decoded in time.
    keyframes: Vec<ByteRange>,
    /// The earliest composition time found at or after the wanted one.
    pub(super) best: Option<i64>,
    /// Whether a search would stop here.
    pub(super) is_complete: bool,
}

impl Route {
    /// Begins a route to the first frame at or after the composition time `wanted`. libavformat searches for a keyframe `delay` ticks
    /// earlier, by decoding times.
    pub(super) const fn new(wanted: i64, delay: i64) -> Self {
        let searched = wanted.saturating_sub(delay);
        Self {
            wanted,
            searched,
            least: 0,
            last: None,
            shortest: i64::MAX,
            before: None,
            ranges: Vec::new(),
            keyframes: Vec::new(),
            best: None,
            is_complete: false,
        }
    }

    /// Returns whether the route contains a keyframe at which a search enters.
    pub(super) const fn has_keyframe(&self) -> bool {
        !self.keyframes.is_empty()
    }

    /// Returns the positions of the packets that a search with this pick reads, in decoding order. Without a keyframe, the exact frame
    /// is selected.
    pub(super) fn packets(&self, pick: Pick) -> Vec<ByteRange> {
        let is_alone = pick == Pick::Keyframe && self.has_keyframe();
        if is_alone { self.keyframes.clone() } else { self.ranges.clone() }
    }

    /// Takes the next packet in decoding order.
    pub(super) fn add(&mut self, sample: &Sample) {
        let is_in_time = sample.is_sync && sample.dts <= self.searched;
        if is_in_time && sample.cts > self.wanted && (1..MAX_LATE).contains(&self.keyframes.len()) {
            self.keyframes.push(sample.range());
        }
        if self.is_complete {
            return;
        }
        self.least = self.least.min(sample.cts.saturating_sub(sample.dts));
        if let Some(last) = self.last.replace(sample.dts) {
            self.shortest = self.shortest.min(sample.dts.saturating_sub(last).max(1));
        }
        let is_entry = is_in_time && sample.cts <= self.wanted;
        if is_entry {
            self.ranges.clear();
            (self.keyframes, self.best, self.before) = (vec![sample.range()], None, None);
        }
        let range = sample.range();
        let is_near =
            |last: &ByteRange| (last.end()..=last.end().saturating_add(READ_OVER)).contains(&range.start());
        if let Some(last) = self.ranges.last_mut().filter(|last| is_near(last)) {
            *last = ByteRange::new(last.start(), range.end());
        } else if self.ranges.len() < MAX_RANGES {
            self.ranges.push(range);
        }
        if sample.cts < self.wanted {
            self.before = self.before.max(Some(sample.cts));
        } else if self.best.is_none_or(|best| sample.cts < best) {
            self.best = Some(sample.cts);
        }
        let longest = self.shortest.saturating_add(self.shortest >> 1);
        let has_before = self.before.map_or(is_entry, |before| self.wanted.saturating_sub(before) <= longest);
        self.is_complete = self.best == Some(self.wanted) && has_before;
        self.close(sample.dts);
    }

    /// Ends the route if no packet that is decoded at or after `dts` can contain an earlier frame than the one found.
    pub(super) fn close(&mut self, dts: i64) {
        // libavformat shifts presentation times until none is before its decoding time.
        self.is_complete |= self.best.is_some_and(|best| dts.saturating_add(self.least) >= best);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;

    /// Consecutive packets of 10 bytes, by decoding and composition time. The first packet and the listed ones are keyframes.
    fn samples(times: &[(i64, i64)], keyframes: &[usize]) -> Vec<Sample> {
        let sample = |(number, &(dts, cts)): (usize, &(i64, i64))| {
            let is_sync = number == 0 || keyframes.contains(&number);
            Sample { offset: number as u64 * 10, size: 10, dts, cts, is_sync }
        };
        times.iter().enumerate().map(sample).collect()
    }

    fn route(samples: &[Sample], wanted: i64, delay: i64) -> (Vec<ByteRange>, bool) {
        let mut route = Route::new(wanted, delay);
        samples.iter().for_each(|sample| route.add(sample));
        (route.packets(Pick::Exact), route.is_complete)
    }

    #[test]
    fn a_route_ends_where_no_earlier_frame_can_follow() {
        // Presented in the order 0 2 1 5 4 3 6.
        let all = samples(&[(0, 0), (1, 20), (2, 10), (3, 50), (20, 40), (30, 30), (40, 60)], &[]);
        assert_eq!(route(&all, 0, 0), (vec![ByteRange::new(0, 10)], true));
        // At the tick: the search stops where no frame is missing directly before it.
        let regular = samples(&[(0, 10), (10, 40), (20, 20), (30, 30), (40, 50)], &[]);
        assert_eq!(route(&regular, 20, 0), (vec![ByteRange::new(0, 30)], true));
        assert_eq!(route(&regular, 40, 0), (vec![ByteRange::new(0, 40)], true));
        // The two packets at one time leave a gap: the search reads until no frame before it can follow.
        let pair = samples(&[(0, 10), (10, 40), (20, 20), (30, 20), (40, 50), (50, 60)], &[]);
        assert_eq!(route(&pair, 40, 0), (vec![ByteRange::new(0, 60)], true));
        // Not at the tick: the search continues until a packet is decoded at or after the frame found.
        assert_eq!(route(&all, 15, 0), (vec![ByteRange::new(0, 50)], true));
        assert_eq!(route(&all, 25, 0), (vec![ByteRange::new(0, 60)], true));
        assert_eq!(route(&all, 61, 0), (vec![ByteRange::new(0, 70)], false));
    }

    #[test]
    fn a_route_begins_at_the_last_keyframe_that_a_seek_lands_on() {
        let all = samples(&[(0, 2), (1, 3), (2, 4), (3, 9), (4, 6), (5, 10)], &[2, 3]);
        assert_eq!(route(&all, 5, 0).0, [ByteRange::new(20, 60)]);
        // This keyframe is decoded too late for a seek that goes back by the delay.
        assert_eq!(route(&all, 5, 4).0, [ByteRange::new(0, 60)]);
        assert_eq!(route(&all, 9, 0).0, [ByteRange::new(30, 40)]);
    }

    #[test]
    fn a_keyframe_needs_its_packet_and_those_that_a_seek_lands_on() {
        let keyframe = |all: &[Sample], wanted| {
            let mut route = Route::new(wanted, 0);
            all.iter().for_each(|sample| route.add(sample));
            (route.packets(Pick::Keyframe), route.has_keyframe())
        };
        let all = samples(&[(0, 2), (1, 3), (2, 4), (3, 9), (4, 6), (5, 10)], &[2, 3]);
        assert_eq!(keyframe(&all, 2), (vec![ByteRange::new(0, 10), ByteRange::new(20, 30)], true));
        // The last keyframe is decoded before this time, and presented after it.
        assert_eq!(keyframe(&all, 6), (vec![ByteRange::new(20, 30), ByteRange::new(30, 40)], true));
        assert_eq!(keyframe(&all, 9), (vec![ByteRange::new(30, 40)], true));
        // There is no keyframe: the exact frame is selected.
        assert_eq!(keyframe(&all, 1), (vec![ByteRange::new(0, 30)], false));
    }

    #[test]
    fn a_plan_ahead_of_its_turn_is_generous() {
        let part = |pick, is_ahead, ahead, key| Manner { pick, is_ahead }.part_of_gop(800, ahead, 8, key);
        assert_eq!([0, 4, 8].map(|ahead| part(Pick::Exact, false, ahead, 300)), [100, 450, 800]);
        // An eighth of the time more, the excess size of the keyframe, and another keyframe after the last frames.
        assert_eq!([0, 4, 7, 8].map(|ahead| part(Pick::Exact, true, ahead, 300)), [387, 737, 1100, 1100]);
        assert_eq!([0, 4, 7].map(|ahead| part(Pick::Exact, true, ahead, 10)), [187, 537, 900]);
        assert_eq!([10, 300].map(|key| part(Pick::Keyframe, true, 7, key)), [100, 300]);
    }

    #[test]
    fn negative_offsets_move_the_decoding_times() {
        // libavformat presents all frames 5 ticks later, so that none is before its decoding time.
        let all = samples(&[(0, 0), (10, 5), (20, 20), (25, 25), (30, 30)], &[]);
        assert_eq!(route(&all, 19, 0), (vec![ByteRange::new(0, 40)], true));
    }

    #[test]
    fn clocks_convert_to_the_nearest_tick_without_overflow() {
        assert_eq!((rescale(1, 90_000, 1_000_000), rescale(6, 90_000, 1_000_000)), (0, 1));
        assert_eq!(rescale(-1_000_000, 10, 1_000_000), -10);
        assert_eq!((rescale(i64::MAX, u32::MAX, 1), rescale(i64::MIN, u32::MAX, 0)), (i64::MAX, i64::MIN));
    }

    #[test]
    fn the_part_of_a_group_grows_with_time() {
        assert_eq!(
            (part_of_gop(800, 0, 10), part_of_gop(800, 5, 10), part_of_gop(800, 10, 10)),
            (100, 450, 800)
        );
        assert_eq!((part_of_gop(800, 99, 10), part_of_gop(800, 0, 0)), (800, 100));
        assert_eq!(part_of_gop(u64::MAX, 1 << 50, 1 << 50), u64::MAX);
    }
}

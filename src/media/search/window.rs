//! The access unit that contains the first frame at or after a goal, determined from timestamps alone.

use super::packets::{MAX_REORDER, Stamp};
use crate::media::units::{Pts, Ticks};

/// Returns whether a frame before `goal` may follow the access units with these times in decoding order, the one at `goal` among them: a
/// gap of more than a frame and a half remains between those before it, or reading began after it. `frame` is the duration of a frame.
/// Frames before a keyframe at or before `goal`, where reading began, are not needed.
pub(super) fn lacks_frames(times: impl Iterator<Item = Pts>, goal: Pts, frame: Ticks) -> bool {
    let from = goal.saturating_sub(Ticks::new(frame.get().saturating_mul(MAX_REORDER.into())));
    let mut times = times.peekable();
    let first = times.peek().copied();
    let mut before: Vec<Pts> = times.filter(|pts| (from..=goal).contains(pts)).collect();
    before.sort_unstable();
    let longest = frame.saturating_add(frame.half());
    let has_gap = |pair: &[Pts]| matches!(pair, [before, after] if after.since(*before) > longest);
    let is_alone = before.len() < 2 && first < Some(goal);
    first > Some(goal) || is_alone || before.windows(2).any(has_gap)
}

/// The access units from the first one at or after the goal, in decoding order.
#[derive(Debug)]
pub(super) struct Window {
    goal: Pts,
    /// Maximum number of frames that the stream reorders.
    max_depth: Option<usize>,
    /// Whether no frame is presented before its decoding time.
    dts_is_bound: bool,
    units: Vec<Stamp>,
}

impl Window {
    pub(super) const fn new(goal: Pts, max_depth: Option<usize>, dts_is_bound: bool) -> Self {
        Self { goal, max_depth, dts_is_bound, units: Vec::new() }
    }

    pub(super) fn add(&mut self, unit: Stamp) {
        self.units.push(unit);
    }

    /// Returns the presentation time of the frame, and the number of its access unit in the window. Returns `None` where
    /// a unit has no time.
    pub(super) fn best(&self) -> Option<(Pts, usize)> {
        let times = self.units.iter().map(|unit| unit.pts).collect::<Option<Vec<Pts>>>()?;
        let numbered = times.into_iter().zip(0..);
        numbered.filter(|&(pts, _)| pts >= self.goal).min()
    }

    /// Returns whether no later access unit can contain an earlier frame at or after the goal.
    ///
    /// Such a unit would be decoded after all frames that are presented after it, and the stream bounds the number of
    /// these frames (`max_num_reorder_frames`: ITU-T H.264, E.2.1).
    pub(super) fn is_certain(&self) -> bool {
        let Some((best, _)) = self.best() else { return false };
        // No frame is better than a frame at the goal itself.
        if best == self.goal {
            return true;
        }
        self.is_past(best) == Some(true)
    }

    /// Returns whether no later access unit contains a frame before the goal, as far as the stream bounds the order. A pair of equal
    /// times among such frames makes libavcodec assign other times to the frames after the pair.
    pub(super) fn is_complete(&self) -> bool {
        self.is_past(self.goal) != Some(false)
    }

    /// Returns whether no later access unit can contain a frame before `pts`, or `None` where the stream does not bound the order.
    fn is_past(&self, pts: Pts) -> Option<bool> {
        let later = self.units.iter().filter(|unit| unit.pts >= Some(pts)).count();
        let is_full = self.max_depth.map(|depth| later > depth);
        let is_decoded = self.dts_is_bound.then(|| self.units.last().and_then(|unit| unit.dts) >= Some(pts));
        is_full.max(is_decoded)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn stamp(pts: i64, dts: i64) -> Stamp {
        Stamp {
            pts: Some(Pts::new(pts)),
            dts: Some(Pts::new(dts)),
            duration: None,
            position: None,
            is_key: false,
        }
    }

    /// Returns presentation times in decoding order, with at most `depth` frames presented after a later one.
    fn reordered(order: &[usize], depth: usize) -> Vec<i64> {
        let mut waiting: Vec<i64> = Vec::new();
        let mut next = 0_i64;
        let mut decoded = Vec::new();
        for &pick in order {
            while waiting.len() <= depth {
                waiting.push(next);
                next += 10;
            }
            // The earliest frame is held back at most until `depth` others were decoded before it.
            let earliest = waiting[0];
            let behind = decoded.iter().filter(|&&pts| pts > earliest).count();
            let index = if behind >= depth { 0 } else { pick % waiting.len() };
            decoded.push(waiting.remove(index));
        }
        decoded
    }

    proptest! {
        #[test]
        fn a_certain_result_is_correct(
            order in prop::collection::vec(0_usize..16, 1..60),
            depth in 0_usize..6,
            goal in -5_i64..400,
            skipped in 0_usize..10,
        ) {
            let decoded = reordered(&order, depth);
            let rest = decoded.get(skipped.min(decoded.len() - 1)..).unwrap_or_default();
            let start = rest.iter().position(|&pts| pts >= goal);
            prop_assume!(start.is_some());
            let rest = &rest[start.unwrap_or(0)..];
            let truth = rest.iter().copied().filter(|&pts| pts >= goal).min();
            let delay = 10 * i64::try_from(depth).unwrap();
            for dts_is_bound in [false, true] {
                let mut window = Window::new(Pts::new(goal), Some(depth), dts_is_bound);
                for (&pts, number) in rest.iter().zip(0_i64..) {
                    // Decoding times increase by one frame each, and no frame is presented before its own decoding time.
                    let first = i64::try_from(decoded.len() - rest.len()).unwrap();
                    window.add(stamp(pts, (first + number) * 10 - delay));
                    if window.is_certain() {
                        break;
                    }
                }
                if window.is_complete() {
                    prop_assert!(rest[window.units.len()..].iter().all(|&pts| pts >= goal));
                }
                if window.is_certain() {
                    let (best, number) = window.best().unwrap();
                    prop_assert_eq!(Some(best), truth.map(Pts::new));
                    prop_assert_eq!(rest[number], truth.unwrap());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_frame_before_the_goal_follows_where_one_is_missing(
            order in prop::collection::vec(0_usize..16, 2..60),
            depth in 0_usize..6,
            goal in 0_usize..60,
            moved in 1_usize..60,
            has_pair in any::<bool>(),
        ) {
            let mut decoded = reordered(&order, depth);
            let goal = decoded[goal % decoded.len()];
            let end = decoded.iter().position(|&pts| pts == goal).unwrap();
            let place = moved % decoded.len();
            if has_pair && decoded[place] < goal && decoded[place] > 0 {
                // This frame receives the time of the one before it.
                decoded[place] -= 10;
            }
            let (read, rest) = decoded.split_at(end + 1);
            // Frames before the keyframe of the entry are needed only for a goal among them.
            let is_needed = |pts: i64| pts < goal && (pts > decoded[0] || goal < decoded[0]);
            let follows = rest.iter().any(|&pts| is_needed(pts));
            let lacks = lacks_frames(read.iter().map(|&pts| Pts::new(pts)), Pts::new(goal), Ticks::new(10));
            prop_assert!(lacks || !follows);
            // A stream at a constant rate that begins with its first frame is read no further than necessary.
            prop_assert!(!lacks || follows || has_pair || decoded[0] > 0 || rest.len() <= depth);
        }
    }

    #[test]
    fn the_goal_itself_is_certain_at_once() {
        let mut window = Window::new(Pts::new(20), None, false);
        window.add(stamp(40, 0));
        assert!(!window.is_certain());
        window.add(stamp(20, 10));
        assert!(window.is_certain());
        assert_eq!(window.best(), Some((Pts::new(20), 1)));
    }

    #[test]
    fn without_order_nothing_is_certain() {
        let mut window = Window::new(Pts::new(15), None, false);
        for pts in [40, 20, 30, 50] {
            window.add(stamp(pts, pts));
        }
        assert!(!window.is_certain());
        assert_eq!(window.best(), Some((Pts::new(20), 1)));
        window.add(Stamp { pts: None, ..stamp(0, 0) });
        assert_eq!(window.best(), None);
    }
}

//! Which access unit holds the first frame at or after a goal, told by timestamps alone.

use super::packets::AccessUnit;

/// What decoding times tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodingTimes {
    /// Nothing.
    Absent,
    /// They are the presentation times.
    Equal,
    /// No frame is presented before its decoding time.
    Earlier,
}

/// The access units from the first one at or after the goal on, in decoding order.
#[derive(Debug)]
pub(super) struct Window {
    goal: i64,
    /// Frames that the stream presents in another order than it decodes them, at most.
    reorder: Option<usize>,
    times: DecodingTimes,
    /// Presentation times at or after the goal.
    presented: Vec<i64>,
    /// The earliest of them, and how many access units lead to it.
    best: Option<(i64, usize)>,
    count: usize,
    last_dts: Option<i64>,
    lacks_times: bool,
}

impl Window {
    pub(super) const fn new(goal: i64, reorder: Option<usize>, times: DecodingTimes) -> Self {
        Self { goal, reorder, times, presented: Vec::new(), best: None, count: 0, last_dts: None, lacks_times: false }
    }

    pub(super) fn add(&mut self, unit: &AccessUnit) {
        self.add_times(unit.pts(), unit.dts());
    }

    fn add_times(&mut self, pts: Option<i64>, dts: Option<i64>) {
        self.count = self.count.saturating_add(1);
        self.last_dts = dts;
        let Some(pts) = pts else {
            self.lacks_times = true;
            return;
        };
        if pts >= self.goal {
            self.presented.push(pts);
            if self.best.is_none_or(|(best, _)| pts < best) {
                self.best = Some((pts, self.count));
            }
        }
    }

    /// The presentation time of the frame.
    pub(super) fn best(&self) -> Option<i64> {
        self.best.filter(|_| !self.lacks_times).map(|(pts, _)| pts)
    }

    /// How many access units of the window lead to it.
    pub(super) fn needed(&self) -> usize {
        self.best.map_or(self.count, |(_, needed)| needed)
    }

    /// Whether no access unit that follows can hold an earlier frame at or after the goal.
    ///
    /// One that did would be decoded after all that are presented behind it; the stream bounds their number
    /// (`max_num_reorder_frames`: ITU-T H.264, E.2.1).
    pub(super) fn is_certain(&self) -> bool {
        let Some(best) = self.best() else { return false };
        // The goal itself cannot be improved on.
        if best == self.goal {
            return true;
        }
        let behind = self.presented.iter().filter(|&&pts| pts >= best).count();
        let is_full = self.reorder.is_some_and(|reorder| behind > reorder);
        let is_later = self.times != DecodingTimes::Absent && self.last_dts.is_some_and(|dts| dts >= best);
        is_full || is_later
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Presentation times in decoding order, with at most `depth` frames presented after one that follows them.
    fn reordered(order: &[usize], depth: usize) -> Vec<i64> {
        let mut waiting: Vec<i64> = Vec::new();
        let mut next = 0_i64;
        let mut decoded = Vec::new();
        for &pick in order {
            while waiting.len() <= depth {
                waiting.push(next);
                next += 10;
            }
            // The earliest is held back at most until `depth` others were decoded before it.
            let earliest = waiting[0];
            let behind = decoded.iter().filter(|&&pts| pts > earliest).count();
            let index = if behind >= depth { 0 } else { pick % waiting.len() };
            decoded.push(waiting.remove(index));
        }
        decoded
    }

    proptest! {
        #[test]
        fn what_is_certain_is_right(
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
            for times in [DecodingTimes::Absent, DecodingTimes::Earlier] {
                let mut window = Window::new(goal, Some(depth), times);
                for (&pts, number) in rest.iter().zip(0_i64..) {
                    // Decoding times rise by a frame each, and no frame is presented before its own.
                    let first = i64::try_from(decoded.len() - rest.len()).unwrap();
                    window.add_times(Some(pts), Some((first + number) * 10 - delay));
                    if window.is_certain() {
                        break;
                    }
                }
                if window.is_certain() {
                    prop_assert_eq!(window.best(), truth);
                    prop_assert_eq!(rest[window.needed() - 1], truth.unwrap());
                }
            }
        }
    }

    #[test]
    fn the_goal_itself_is_certain_at_once() {
        let mut window = Window::new(20, None, DecodingTimes::Absent);
        window.add_times(Some(40), Some(0));
        assert!(!window.is_certain());
        window.add_times(Some(20), Some(10));
        assert!(window.is_certain());
        assert_eq!((window.best(), window.needed()), (Some(20), 2));
    }

    #[test]
    fn without_order_nothing_is_certain() {
        let mut window = Window::new(15, None, DecodingTimes::Absent);
        for pts in [40, 20, 30, 50] {
            window.add_times(Some(pts), Some(pts));
        }
        assert!(!window.is_certain());
        assert_eq!(window.best(), Some(20));
        window.add_times(None, None);
        assert_eq!(window.best(), None);
    }
}

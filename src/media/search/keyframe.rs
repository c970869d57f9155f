//! The keyframe at or before a time: one access unit that is decoded alone.

use super::entry::{Entered, Entry};
use super::pass::Feed;
use super::state::Search;
use super::target::{Found, FrameReason};
use crate::media::container::formats::Seeking;
use crate::media::error::Error;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// Returns the last keyframe that is presented at or before `goal`. Returns `None` where the container does not mark keyframes,
    /// or none decodes there.
    pub(super) fn keyframe_before(&mut self, goal: Pts) -> Result<Option<Found>, Error> {
        if !self.can_begin_inside() {
            return Ok(None);
        }
        let is_first = self.entries(goal) == [Entry::Start];
        self.is_alone = true;
        let near = if is_first { None } else { self.enter(Entry::Near, goal)? };
        let entered = if near.is_some() { near } else { self.enter(Entry::Start, goal)? };
        self.is_alone = false;
        // An index leads to the wanted keyframe. Without an index, other keyframes may follow up to the goal.
        let is_last = self.handling().seeking == Seeking::Indexed
            && (is_first || matches!(entered, Some(Entered::Keyframe(_))));
        let mut keyframe = None;
        while let Some(unit) = self.units.peek(0)? {
            let Some(pts) = unit.pts else { return Ok(None) };
            if unit.is_key && pts <= goal {
                keyframe = self.units.next()?.zip(Some(pts));
                if is_last {
                    break;
                }
            } else if unit.dts.unwrap_or(pts) > goal {
                break;
            } else {
                self.units.skip(1);
            }
        }
        let Some((unit, pts)) = keyframe else { return Ok(None) };
        self.passes += 1;
        self.restart_decoding();
        let mut feed = Feed::nothing_more();
        self.send(unit, &feed)?;
        self.refuse_encrypted(false)?;
        while let Some(timed) = self.next_frame(&mut feed)? {
            // Some containers mark every frame as a keyframe. In this case the decoder decides.
            let is_intra = timed.is_intra.unwrap_or(self.marks_keyframes);
            if timed.pts == pts && !timed.is_damaged && is_intra {
                return Ok(Some(timed.found(FrameReason::Keyframe)));
            }
        }
        Ok(None)
    }
}

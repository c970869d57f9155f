//! The keyframe at a time or before it: one access unit, decoded alone.

use super::decode::Output;
use super::entry::{Entered, Entry};
use super::packets::AccessUnit;
use super::state::Search;
use super::target::{Found, FrameReason};
use crate::media::container::formats::{Seeking, Timestamps};
use crate::media::error::MediaError;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// The last keyframe that is presented at or before `goal`. `None` where the container does not tell keyframes, or none decodes
    /// there.
    pub(super) fn keyframe_before(&mut self, goal: Pts) -> Result<Option<Found>, MediaError> {
        if self.timestamps != Timestamps::Stored {
            return Ok(None);
        }
        let mut entered = self.enter(if self.reads_on(goal) { Entry::Start } else { Entry::Near }, goal)?;
        if entered == Entered::Nowhere {
            entered = self.enter(Entry::Start, goal)?;
        }
        // An index leads to the keyframe that is sought; elsewhere others may follow up to the goal.
        let is_last = self.seeking == Seeking::Indexed && matches!(entered, Entered::Keyframe(_));
        let mut keyframe = None;
        while let Some(unit) = self.next_unit()? {
            let Some(pts) = unit.pts() else { return Ok(None) };
            if unit.is_key() && pts <= goal {
                keyframe = Some((unit, pts));
                if is_last {
                    break;
                }
            } else if unit.dts().unwrap_or(pts) > goal {
                break;
            }
        }
        let Some((unit, pts)) = keyframe else { return Ok(None) };
        self.decode_alone(unit, pts)
    }

    fn decode_alone(&mut self, unit: AccessUnit, pts: Pts) -> Result<Option<Found>, MediaError> {
        self.passes += 1;
        self.begin_at(&unit);
        self.give(unit, false);
        self.refuse_encrypted(false)?;
        loop {
            self.check()?;
            match self.decoding.receive(self.units.source())? {
                Output::NeedsInput => self.decoding.drain(),
                Output::Ended => return Ok(None),
                Output::Frame(timed) => {
                    // Some containers mark every frame; then the decoder's word counts.
                    let is_intra = timed.is_intra.unwrap_or(self.marks_keyframes);
                    if timed.pts == pts && !timed.is_damaged && is_intra {
                        return Ok(Some(Found { frame: timed.frame, pts, reason: FrameReason::Keyframe }));
                    }
                }
            }
        }
    }
}

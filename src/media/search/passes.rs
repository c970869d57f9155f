//! The passes of a search: each is more careful than the previous one, until one is accepted.

use super::entry::{Entered, Entry};
use super::pass::{Pass, Promise};
use super::state::Search;
use super::target::{Found, FrameReason};
use crate::media::error::Error;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// Returns the first frame at or after `goal`, with as many passes as necessary.
    pub(super) fn frame_at(&mut self, goal: Pts) -> Result<Pass, Error> {
        let mut expected = None;
        // The result of a clean pass that contradicts the promise of the packets.
        let mut candidate = None;
        let mut is_first = self.can_begin_inside();
        let mut skips_to_start = false;
        for &entry in self.entries(goal) {
            if skips_to_start && entry != Entry::Start {
                continue;
            }
            let mut entered = self.enter(entry, goal)?;
            if let Some(place) = entered.filter(|_| std::mem::take(&mut is_first)) {
                let pass = self.economical_pass(place, goal)?;
                if pass.is_trusted() {
                    return Ok(pass);
                }
                expected = pass.expected;
                // Only decoding from the start yields the times that libavcodec computes there.
                skips_to_start =
                    (pass.begins_inside && !self.marks_keyframes) || self.units.order.is_reckoned();
                // A full decode from the same keyframe would refresh the picture no further.
                let is_late = pass.refreshes_late && pass.entered == place;
                if (skips_to_start || is_late) && place != Entered::Start {
                    continue;
                }
                entered = self.enter(entry, goal)?;
            }
            let Some(entered) = entered else {
                // There is no keyframe between the start and the goal.
                skips_to_start = true;
                continue;
            };
            let pass = self.full_pass(entered, goal, expected)?;
            // No pass is more careful than a full decode from the start.
            if entered == Entered::Start || pass.is_trusted() {
                return Ok(pass);
            }
            let came = pass.frame.as_ref().map(|frame| frame.pts);
            // Two entries agree that the packet of the expected frame yields no frame.
            if pass.is_clean() && candidate == Some(came) {
                return Ok(pass);
            }
            candidate = pass.is_clean().then_some(came);
            skips_to_start |= self.units.order.is_reckoned();
        }
        Ok(Pass::new(Entered::Start, None))
    }

    /// Returns the last frame that decodes. If it is damaged, returns the frame before it.
    pub(super) fn last_frame(&mut self, goal: Pts) -> Result<Found, Error> {
        for &entry in self.entries(goal) {
            let Some(entered) = self.enter(entry, goal)? else { continue };
            let mut pass = self.full_pass(entered, Pts::MAX, Some(Promise::Nothing))?;
            // Edits may present none of the frames from an entry.
            if entered == Entered::Start || (pass.is_trusted() && pass.last.is_some()) {
                self.refuse_size()?;
                let Some(last) = pass.last.take() else { break };
                return Ok(last.found(FrameReason::LastFrame));
            }
        }
        self.refuse_size()?;
        Err(self.no_frame())
    }

    /// Creates the error for a stream of which no frame was decoded.
    pub(super) fn no_frame(&self) -> Error {
        let (decoder, demuxer) = (&self.decoding.faults, &self.units.faults);
        Error::no_frame(
            self.units.packets_read,
            decoder.count.saturating_add(demuxer.count),
            decoder.first.clone().or_else(|| demuxer.first.clone()),
        )
    }
}

//! As many passes as it takes: each more careful than the one before, until one is believed.

use super::entry::{Entered, Entry};
use super::pass::{Pass, Promise};
use super::state::Search;
use super::target::{Found, FrameReason};
use crate::media::container::formats::Timestamps;
use crate::media::error::Error;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// The first frame at or after `goal`, by as many passes as it takes.
    pub(super) fn frame_at(&mut self, goal: Pts) -> Result<Pass, Error> {
        let mut expected = None;
        // What a clean pass gave although the packets promise something else.
        let mut candidate = None;
        let mut is_first = self.handling().timestamps == Timestamps::Stored;
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
                // Only the start has the times that libavcodec reckons there.
                skips_to_start =
                    (pass.begins_inside && !self.marks_keyframes) || self.units.order.is_reckoned();
                if skips_to_start && place != Entered::Start {
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
            // Nothing can be more careful than a full decode from the start.
            if entered == Entered::Start || pass.is_trusted() {
                return Ok(pass);
            }
            let came = pass.frame.as_ref().map(|frame| frame.pts);
            // Two entries agree that the packet of the expected frame gives none.
            if pass.is_clean() && candidate == Some(came) {
                return Ok(pass);
            }
            candidate = pass.is_clean().then_some(came);
            skips_to_start |= self.units.order.is_reckoned();
        }
        Ok(Pass::new(Entered::Start, None))
    }

    /// The last frame that decodes; of a damaged one, the one before it.
    pub(super) fn last_frame(&mut self, goal: Pts) -> Result<Found, Error> {
        for &entry in self.entries(goal) {
            let Some(entered) = self.enter(entry, goal)? else { continue };
            let mut pass = self.full_pass(entered, Pts::MAX, Some(Promise::Nothing))?;
            // Edits may show none of the frames from an entry on.
            if entered == Entered::Start || (pass.is_trusted() && pass.last.is_some()) {
                self.refuse_size()?;
                let Some(last) = pass.last.take() else { break };
                return Ok(last.found(FrameReason::LastFrame));
            }
        }
        self.refuse_size()?;
        Err(self.no_frame())
    }

    /// The error of a stream of which no frame was decoded.
    pub(super) fn no_frame(&self) -> Error {
        let (decoder, demuxer) = (&self.decoding.faults, &self.units.faults);
        Error::no_frame(
            self.units.packets_read,
            decoder.count.saturating_add(demuxer.count),
            decoder.first.clone().or_else(|| demuxer.first.clone()),
        )
    }
}

//! As many passes as it takes: each more careful than the one before, until one is believed.

use super::entry::{Entered, Entry};
use super::packets::Order;
use super::pass::{Pass, Promise};
use super::state::Search;
use super::target::{Found, FrameReason};
use crate::media::container::formats::Timestamps;
use crate::media::error::MediaError;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// The first frame at or after `goal`, by as many passes as it takes.
    pub(super) fn frame_at(&mut self, goal: Pts) -> Result<Pass, MediaError> {
        let mut expected = None;
        // What a clean pass gave although the packets promise something else.
        let mut candidate = None;
        let mut is_first = self.timestamps == Timestamps::Stored;
        let mut skips_to_start = false;
        for &entry in self.entries(goal) {
            if skips_to_start && entry != Entry::Start {
                continue;
            }
            let mut entered = self.enter(entry, goal)?;
            if entered != Entered::Nowhere && std::mem::take(&mut is_first) {
                let pass = self.economical_pass(entered, goal)?;
                if pass.is_trusted() {
                    return Ok(pass);
                }
                expected = pass.expected;
                // Only the start has the times that libavcodec reckons there.
                skips_to_start = (pass.begins_inside && !self.marks_keyframes)
                    || matches!(self.units.order(), Order::Doubtful | Order::Repeated);
                if skips_to_start && entered != Entered::Start {
                    continue;
                }
                entered = self.enter(entry, goal)?;
            }
            if entered == Entered::Nowhere && entry != Entry::Start {
                continue;
            }
            let pass = self.full_pass(entered, goal, expected)?;
            // Nothing can be more careful than a full decode from the start.
            if entered == Entered::Start || entry == Entry::Start || pass.is_trusted() {
                return Ok(pass);
            }
            let is_clean = !pass.is_spoilt && !pass.begins_inside;
            let came = pass.frame.as_ref().map(|frame| frame.pts);
            // Two entries agree that the packet of the expected frame gives none.
            if is_clean && candidate == Some(came) {
                return Ok(pass);
            }
            candidate = is_clean.then_some(came);
            skips_to_start |= self.units.order() == Order::Doubtful;
        }
        Ok(Pass::default())
    }

    /// The last frame that decodes; of a damaged one, the one before it.
    pub(super) fn last_frame(&mut self, goal: Pts) -> Result<Found, MediaError> {
        for &entry in self.entries(goal) {
            let entered = self.enter(entry, goal)?;
            if entered == Entered::Nowhere && entry != Entry::Start {
                continue;
            }
            let mut pass = self.full_pass(entered, Pts::MAX, Some(Promise::Nothing))?;
            if entered != Entered::Start && entry != Entry::Start && !pass.is_trusted() {
                continue;
            }
            self.refuse_size()?;
            let last = pass.last_whole.take().or(pass.last.take());
            let Some(last) = last else { break };
            let reason = FrameReason::LastFrame;
            return Ok(Found { frame: last.frame, pts: last.pts, reason });
        }
        self.refuse_size()?;
        let first_error = self.decoding.first_error().or(self.units.first_error()).map(str::to_owned);
        Err(MediaError::no_frame(
            self.units.packets_read(),
            self.decoding.errors().saturating_add(self.units.errors()),
            first_error,
        ))
    }
}

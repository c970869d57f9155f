//! The rule that selects a frame: the one at or after the wanted time, or else the one at half of the duration, or else the last one.

use super::entry::{Entered, Entry};
use super::pass::Feed;
use super::state::Search;
use super::target::{Found, FrameReason, Target};
use crate::frame_request::Pick;
use crate::media::container::formats::Timestamps;
use crate::media::error::Error;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// Finds the frame by the rule of the specification: at or after the wanted time, or else at or after half of the duration, or else
    /// the last frame. Returns `None` when the container shows only a part of the file, and the wanted frame is not in that part.
    pub(in crate::media) fn find(&mut self, target: Target) -> Result<Option<Found>, Error> {
        let Target { wanted, half, ends_before, is_partial, is_absent, pick } = target;
        if pick == Pick::Keyframe
            && let Some(found) = self.keyframe_before(wanted)?
        {
            return Ok(Some(found));
        }
        if is_partial && is_absent {
            let Some(half) = half else { return Ok(None) };
            return Ok(self.frame_at(half)?.take(FrameReason::HalfDuration));
        }
        if ends_before
            && !is_partial
            && let Some(half) = half
            && self.entries(wanted) == [Entry::Start]
        {
            return self.find_reading_on(wanted, half).map(Some);
        }
        let mut last_pts = None;
        if !(ends_before && self.has_nothing_at(wanted)?) {
            let mut pass = self.frame_at(wanted)?;
            if let Some(found) = pass.take(FrameReason::AtTarget) {
                return Ok(Some(found));
            }
            last_pts = pass.last_pts;
        }
        if is_partial {
            return Ok(None);
        }
        if self.places.can_enter && !self.times_increase_to(wanted)? {
            // No position in the file leads to another.
            self.needs_start = true;
            if let Some(found) = self.frame_at(wanted)?.take(FrameReason::AtTarget) {
                return Ok(Some(found));
            }
        }
        self.refuse_size()?;
        if self.is_barren {
            return Err(self.no_frame());
        }
        // The video ends before the wanted time. Where the container contains no duration, the time of the last frame determines it.
        let start = self.places.start;
        let middle = |last: Pts| start.saturating_add(last.since(start).half());
        if let Some(half) = half.or_else(|| last_pts.map(middle)) {
            let found = self.frame_at(half)?.take(FrameReason::HalfDuration);
            self.refuse_size()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        self.last_frame(wanted).map(Some)
    }

    /// Finds the frame in a container that cannot seek: decodes the frame in the middle first, and discards it if a frame at the wanted
    /// time follows after all.
    fn find_reading_on(&mut self, wanted: Pts, half: Pts) -> Result<Found, Error> {
        let mut pass = self.frame_at(half)?;
        let Some(middle) = pass.take(FrameReason::HalfDuration) else {
            self.refuse_size()?;
            return if self.is_barren { Err(self.no_frame()) } else { self.last_frame(wanted) };
        };
        let is_seen = pass.last_pts.is_some_and(|pts| pts >= wanted);
        if (is_seen || middle.pts >= wanted || self.continues_to(wanted)?)
            && let Some(found) = self.frame_at(wanted)?.take(FrameReason::AtTarget)
        {
            return Ok(found);
        }
        self.refuse_size()?;
        Ok(middle)
    }

    /// Returns an error if the decoder rejected a size: the requested frame may be among the rejected ones, and any other frame would
    /// be a wrong picture.
    pub(super) const fn refuse_size(&self) -> Result<(), Error> {
        if self.decoding.size_refused { Err(self.decoding.too_many_pixels()) } else { Ok(()) }
    }

    /// Returns whether the packets before the end, from the entry for `goal`, show that there is no frame at or after it. Decodes
    /// nothing.
    fn has_nothing_at(&mut self, goal: Pts) -> Result<bool, Error> {
        if self.handling().timestamps != Timestamps::Stored {
            return Ok(false);
        }
        if self.places.can_enter {
            return self.ends_before(goal);
        }
        if !matches!(self.enter(Entry::Near, goal)?, Some(Entered::Keyframe(_))) {
            return Ok(false);
        }
        Ok(!self.continues_to(goal)? && self.units.faults.count == 0)
    }

    /// Returns whether a frame at or after `goal` follows the packets that were read.
    fn continues_to(&mut self, goal: Pts) -> Result<bool, Error> {
        if self.handling().timestamps == Timestamps::Stored {
            while let Some(unit) = self.units.next()? {
                if unit.stamp.pts.is_none_or(|pts| pts >= goal) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        while let Some(timed) = self.next_frame(&mut Feed::everything())? {
            if timed.pts >= goal {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

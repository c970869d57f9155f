//! Which frame is taken: the one at or after the wanted time; else the one at half of the duration; else the last.

use super::entry::{Entered, Entry};
use super::state::Search;
use super::target::{Found, FrameReason, Target};
use crate::media::container::formats::Timestamps;
use crate::media::error::MediaError;
use crate::media::request::Pick;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// Finds the frame by SPEC's rule: at or after the wanted time; else at or after half of the duration; else the last.
    /// `None` when the container shows only a part of the file, and the wanted frame is not in it.
    pub(in crate::media) fn find(&mut self, target: Target) -> Result<Option<Found>, MediaError> {
        if target.pick == Pick::Keyframe
            && let Some(found) = self.keyframe_before(target.wanted)?
        {
            return Ok(Some(found));
        }
        if target.ends_before
            && !target.is_partial
            && let Some(half) = target.half
            && self.reads_on(target.wanted)
        {
            return self.find_reading_on(target, half).map(Some);
        }
        if target.is_absent && target.is_partial {
            let Some(half) = target.half else { return Ok(None) };
            return Ok(self.frame_at(half)?.take(FrameReason::HalfDuration));
        }
        let mut last_pts = None;
        let is_absent = target.ends_before && self.has_nothing_at(target.wanted, &mut last_pts)?;
        if !is_absent {
            let mut pass = self.frame_at(target.wanted)?;
            last_pts = pass.last_pts;
            if let Some(found) = pass.take(FrameReason::AtTarget) {
                return Ok(Some(found));
            }
        }
        if target.is_partial {
            return Ok(None);
        }
        self.find_early(target, last_pts).map(Some)
    }

    /// Finds the frame of a video that ends before the wanted time.
    pub(super) fn find_early(&mut self, target: Target, last_pts: Option<Pts>) -> Result<Found, MediaError> {
        self.refuse_size()?;
        // Where the container tells no duration, the last frame's time does.
        let middle = |last: Pts| target.start.saturating_add(last.since(target.start).half());
        if let Some(half) = target.half.or_else(|| last_pts.map(middle)) {
            let mut pass = self.frame_at(half)?;
            self.refuse_size()?;
            if let Some(found) = pass.take(FrameReason::HalfDuration) {
                return Ok(found);
            }
        }
        self.last_frame(target.wanted)
    }

    /// The same for a container that cannot seek: the frame in the middle is decoded first, and given up if one at the wanted
    /// time comes after all.
    pub(super) fn find_reading_on(&mut self, target: Target, half: Pts) -> Result<Found, MediaError> {
        let mut pass = self.frame_at(half)?;
        let Some(middle) = pass.take(FrameReason::HalfDuration) else {
            return self.last_frame(target.wanted);
        };
        let is_seen = pass.last_pts.is_some_and(|pts| pts >= target.wanted);
        if is_seen || middle.pts >= target.wanted || self.continues_to(target.wanted)? {
            let mut pass = self.frame_at(target.wanted)?;
            if let Some(found) = pass.take(FrameReason::AtTarget) {
                return Ok(found);
            }
        }
        self.refuse_size()?;
        Ok(middle)
    }

    /// The frame asked for may be among those that were too large: any other would be a wrong picture.
    pub(super) const fn refuse_size(&self) -> Result<(), MediaError> {
        if self.decoding.size_refused() { Err(self.decoding.too_many_pixels()) } else { Ok(()) }
    }

    /// Whether the packets before the end, from the entry for `goal` on, say that there is no frame at or after it. Nothing is decoded.
    pub(super) fn has_nothing_at(
        &mut self,
        goal: Pts,
        last_pts: &mut Option<Pts>,
    ) -> Result<bool, MediaError> {
        if self.timestamps == Timestamps::Stored && self.can_enter() {
            return self.ends_before(goal, last_pts);
        }
        if self.timestamps != Timestamps::Stored
            || !matches!(self.enter(Entry::Near, goal)?, Entered::Keyframe(_))
        {
            return Ok(false);
        }
        while let Some(unit) = self.next_unit()? {
            match unit.pts() {
                Some(pts) if pts < goal => *last_pts = (*last_pts).max(Some(pts)),
                _ => return Ok(false),
            }
        }
        Ok(self.units.errors() == 0 && last_pts.is_some())
    }

    /// Whether a frame at or after `goal` follows on what was read.
    pub(super) fn continues_to(&mut self, goal: Pts) -> Result<bool, MediaError> {
        if self.timestamps == Timestamps::Stored {
            while let Some(unit) = self.next_unit()? {
                if unit.pts().is_none_or(|pts| pts >= goal) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        loop {
            match self.next_frame()? {
                Some(timed) if timed.pts >= goal => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }
}

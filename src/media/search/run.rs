//! Several frames of one GOP, in one decoding run.

use super::entry::Entry;
use super::pass::{Feed, MAX_HELD, Pass};
use super::state::Search;
use super::target::{Found, FrameReason};
use crate::media::error::Error;
use crate::media::ffi::frame::Frame;
use crate::media::units::Pts;

impl Search<'_, '_> {
    /// Returns the frames at the first of these increasing goals, as far as the packets of one GOP promise them, and only if each frame
    /// is beyond doubt: it then equals the frame of a separate search. The list may be empty. `goals` receives the time of the previous
    /// frame.
    pub(in crate::media) fn run(
        &mut self,
        mut goals: impl FnMut(Option<Pts>) -> Option<Pts>,
    ) -> Result<Vec<Found>, Error> {
        let Some(first) = goals(None).filter(|_| self.can_begin_inside()) else {
            return Ok(Vec::new());
        };
        let near = if self.entries(first) == [Entry::Start] { None } else { self.enter(Entry::Near, first)? };
        let entered = if near.is_some() { near } else { self.enter(Entry::Start, first)? };
        let Some(entered) = entered else { return Ok(Vec::new()) };
        let mut pass = Pass::new(entered, None);
        let (mut ahead, mut count, mut promised) = (0, 0, Vec::new());
        let mut next = Some(first);
        while let Some(goal) = next {
            let Some(place) = self.reach(goal, &mut ahead, &mut pass, promised.is_empty())? else { break };
            let Some((pts, number)) = self.look_ahead(place, goal)? else { break };
            count = count.max(place.saturating_add(number).saturating_add(1));
            promised.push(pts);
            next = goals(Some(pts));
        }
        let Some(&last) = promised.iter().max() else { return Ok(Vec::new()) };
        self.passes += 1;
        let mut feed = Feed { count, is_all: true, skips_before: Some(last), keeps: promised.clone() };
        let mut frames = Vec::new();
        while let Some(timed) = self.next_frame(&mut feed)? {
            pass.judge(&timed);
            let is_last = timed.pts >= last;
            if promised.contains(&timed.pts) {
                frames.push(timed);
            }
            if is_last {
                break;
            }
        }
        self.refuse_encrypted(!frames.is_empty())?;
        self.conclude(&mut pass, first)?;
        if !pass.is_clean() {
            return Ok(Vec::new());
        }
        let find = |pts: &Pts| -> Option<Found> {
            let timed = frames.iter().find(|timed| timed.pts == *pts)?;
            let alpha = timed.alpha.as_ref().map(Frame::share).transpose().ok()?;
            let frame = timed.frame.share().ok()?;
            Some(Found { frame, alpha, pts: *pts, reason: FrameReason::AtTarget })
        };
        Ok(promised.iter().map(find).collect::<Option<_>>().unwrap_or_default())
    }

    /// Examines access units up to the first one at or after `goal`, and returns its position. For the first goal, skips the units before
    /// the last keyframe before the goal. For a later goal, stops at a keyframe, and where the packets do not reveal the frame.
    fn reach(
        &mut self,
        goal: Pts,
        ahead: &mut usize,
        pass: &mut Pass,
        is_first: bool,
    ) -> Result<Option<usize>, Error> {
        while *ahead <= MAX_HELD {
            let Some(unit) = self.units.peek(*ahead)? else { return Ok(None) };
            let Some(pts) = unit.pts else { return Ok(None) };
            self.request_rest(unit, goal);
            if unit.is_key && pts <= goal && *ahead > 0 {
                if !is_first {
                    return Ok(None);
                }
                *pass = self.begin_at(*ahead, pts);
                *ahead = 0;
            }
            if pts >= goal {
                return Ok(Some(*ahead));
            }
            *ahead += 1;
        }
        Ok(None)
    }
}

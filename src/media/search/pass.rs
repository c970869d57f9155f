//! One pass: access units are decoded from an entry on, and what came is compared with what the packets promise.

use std::collections::VecDeque;

use super::decode::{Output, Timed};
use super::entry::Entered;
use super::packets::{AccessUnit, Order};
use super::state::Search;
use super::target::{Found, FrameReason};
use super::window::{DecodingTimes, Window};
use crate::media::container::formats::Timestamps;
use crate::media::error::MediaError;
use crate::media::units::{Microseconds, Pts, Ticks};

/// A frame this far behind the goal, in microseconds, carries a damaged time: no video shows one frame for a day.
const MAX_GAP: Microseconds = Microseconds::new(86_400_000_000);
/// Access units that are held until it is clear that no later keyframe makes them unnecessary.
const MAX_HELD: usize = 300;
/// Access units read beyond the goal, at most, to learn which one holds the frame. H.264 and HEVC reorder by 16.
const MAX_LOOK_AHEAD: usize = 32;
/// Frames decoded beyond the goal, at most, in search of the expected one.
const MAX_BEYOND: u32 = 32;
/// What a pass ended with.
#[derive(Default)]
pub(super) struct Pass {
    /// The first frame at or after the goal.
    pub(super) frame: Option<Timed>,
    /// What the packets promise: the presentation time of that frame, or that there is none. `None` when they do not tell.
    pub(super) expected: Option<Promise>,
    /// Whether something went wrong that may have changed the frame.
    pub(super) is_spoilt: bool,
    /// Whether the packets do not tell which of them is the last one needed.
    pub(super) feeds_on: bool,
    /// Whether decoding began at a frame that needs others, or may have.
    pub(super) begins_inside: bool,
    /// Whether the decoder said that the frame of the entry needs no other.
    pub(super) begins_intra: bool,
    /// The earliest presentation time that the decoder gave.
    pub(super) first_pts: Option<Pts>,
    /// The latest presentation time of the pass.
    pub(super) last_pts: Option<Pts>,
    /// The last frame of the pass, and the last undamaged one.
    pub(super) last: Option<Timed>,
    pub(super) last_whole: Option<Timed>,
}

/// What packets say of the frame at a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// It has this presentation time.
    Frame(Pts),
    /// There is none.
    Nothing,
}

impl Pass {
    /// Whether the frame that came is the expected one, or none came where none was expected.
    pub(super) fn is_as_expected(&self) -> bool {
        match (self.expected, &self.frame) {
            (Some(Promise::Frame(expected)), Some(frame)) => frame.pts == expected,
            (Some(Promise::Nothing), None) | (None, _) => true,
            _ => false,
        }
    }

    pub(super) fn is_trusted(&self) -> bool {
        !self.is_spoilt && !self.begins_inside && self.is_as_expected()
    }
}

impl Search<'_, '_> {
    /// Decodes what the frame at or after `goal` needs, and nothing else.
    pub(super) fn economical_pass(&mut self, entered: Entered, goal: Pts) -> Result<Pass, MediaError> {
        self.passes += 1;
        let mut entered = entered;
        let mut pass = Pass::default();
        let mut ahead = VecDeque::new();
        while pass.expected.is_none() && !pass.feeds_on {
            let Some(unit) = self.next_unit()? else {
                pass.expected = Some(Promise::Nothing);
                return Ok(pass);
            };
            // Packets without times do not tell: everything is decoded.
            let Some(pts) = unit.pts() else {
                pass.is_spoilt = true;
                return Ok(pass);
            };
            pass.last_pts = pass.last_pts.max(Some(pts));
            self.request_rest(&unit, goal);
            if unit.is_key() && pts <= goal {
                // What came before is not needed.
                ahead.clear();
                self.begin_at(&unit);
                entered = Entered::Keyframe(pts);
                (pass.is_spoilt, pass.begins_inside) = (false, false);
            }
            if pts >= goal {
                self.look_ahead(&mut pass, &mut ahead, unit, goal)?;
                entered = self.begin_at_frame(&mut pass, &mut ahead).unwrap_or(entered);
                continue;
            }
            ahead.push_back(unit);
            if ahead.len() > MAX_HELD {
                self.decode_some(&mut pass, entered, &mut ahead, goal)?;
            }
        }
        while pass.frame.is_none() {
            self.check()?;
            match self.decoding.receive(self.units.source())? {
                Output::Frame(timed) => {
                    self.judge(&mut pass, &timed, entered);
                    pass.frame = Some(timed).filter(|timed| timed.pts >= goal);
                }
                Output::Ended => break,
                Output::NeedsInput => match ahead.pop_front() {
                    Some(unit) => self.send(unit, goal, ahead.front())?,
                    None if pass.feeds_on => self.feed(goal)?,
                    None => self.decoding.drain(),
                },
            }
        }
        self.refuse_encrypted(pass.frame.is_some())?;
        self.conclude(&mut pass, entered, goal);
        Ok(pass)
    }

    /// Decodes the first of the access units that are held, so that a long GOP does not fill the memory.
    fn decode_some(
        &mut self,
        pass: &mut Pass,
        entered: Entered,
        ahead: &mut VecDeque<AccessUnit>,
        goal: Pts,
    ) -> Result<(), MediaError> {
        while ahead.len() > MAX_HELD / 2 {
            self.check()?;
            match self.decoding.receive(self.units.source())? {
                Output::Frame(timed) => self.judge(pass, &timed, entered),
                Output::Ended => return Ok(()),
                Output::NeedsInput => {
                    let Some(unit) = ahead.pop_front() else { return Ok(()) };
                    self.send(unit, goal, ahead.front())?;
                }
            }
        }
        Ok(())
    }

    /// Reads and decodes one more access unit, of packets that do not tell which is the last one needed.
    fn feed(&mut self, goal: Pts) -> Result<(), MediaError> {
        let Some(unit) = self.next_unit()? else {
            self.decoding.drain();
            return Ok(());
        };
        self.peek_unit()?;
        // Out of the queue for as long as it is looked at.
        let next = self.entry_units.pop_front();
        let result = self.send(unit, goal, next.as_ref());
        self.entry_units.extend(next);
        result
    }

    /// Reads on from the first access unit at or after the goal until it is certain which one holds the frame, and keeps what is
    /// needed in `ahead`. Without certainty everything read is decoded, and the decoder tells by the order of its frames.
    ///
    /// The decoder is then told that the last one of these is the end, instead of being fed until its delay is through: for a
    /// frame with two B-frames behind it that is two frames less to decode.
    pub(super) fn look_ahead(
        &mut self,
        pass: &mut Pass,
        ahead: &mut VecDeque<AccessUnit>,
        first: AccessUnit,
        goal: Pts,
    ) -> Result<(), MediaError> {
        let mut window = Window::new(goal, self.reorder.depth(), self.decoding_times());
        let (held, mut ended) = (ahead.len(), false);
        window.add(&first);
        ahead.push_back(first);
        loop {
            let is_ordered = self.units.order() != Order::Unknown || self.units.has_seen_order();
            if window.is_certain() && is_ordered {
                break;
            }
            let is_full = ahead.len().saturating_sub(held) >= MAX_LOOK_AHEAD;
            let unit = if is_full { None } else { self.next_unit()? };
            let Some(unit) = unit else {
                ended = !is_full;
                break;
            };
            window.add(&unit);
            pass.last_pts = pass.last_pts.max(unit.pts());
            ahead.push_back(unit);
        }
        match window.best() {
            Some(best) if window.is_certain() || ended => {
                ahead.truncate(held.saturating_add(window.needed()));
                pass.expected = Some(Promise::Frame(best));
            }
            _ => pass.feeds_on = true,
        }
        Ok(())
    }

    /// Leaves out what comes before the frame of the goal, if that is a keyframe itself.
    fn begin_at_frame(&mut self, pass: &mut Pass, ahead: &mut VecDeque<AccessUnit>) -> Option<Entered> {
        let Some(Promise::Frame(pts)) = pass.expected else { return None };
        if !ahead.back().is_some_and(|unit| unit.is_key() && unit.pts() == Some(pts)) {
            return None;
        }
        ahead.drain(..ahead.len().saturating_sub(1));
        if let Some(unit) = ahead.back() {
            self.begin_at(unit);
        }
        (pass.is_spoilt, pass.begins_inside) = (false, false);
        Some(Entered::Keyframe(pts))
    }

    /// How far decoding times of this pass tell that no earlier frame can follow.
    pub(super) const fn decoding_times(&self) -> DecodingTimes {
        match (self.stores_dts, self.units.order()) {
            (false, _) => DecodingTimes::Absent,
            (true, Order::Unknown) => DecodingTimes::Equal,
            (true, _) if self.is_delayed => DecodingTimes::Earlier,
            (true, _) => DecodingTimes::Absent,
        }
    }

    /// Decodes everything from an entry on until a frame at or after `goal`.
    pub(super) fn full_pass(
        &mut self,
        entered: Entered,
        goal: Pts,
        expected: Option<Promise>,
    ) -> Result<Pass, MediaError> {
        self.passes += 1;
        let mut pass = Pass { expected, ..Pass::default() };
        let mut beyond = 0;
        while let Some(timed) = self.next_frame()? {
            self.judge(&mut pass, &timed, entered);
            if timed.pts < goal {
                pass.last_pts = pass.last_pts.max(Some(timed.pts));
                pass.keep_last(timed);
                continue;
            }
            if self.is_far_behind(timed.pts, goal) {
                continue;
            }
            let is_expected = expected.is_none_or(|expected| expected == Promise::Frame(timed.pts));
            if pass.frame.as_ref().is_none_or(|best| timed.pts < best.pts) {
                pass.frame = Some(timed);
            }
            beyond += 1;
            if is_expected || beyond >= MAX_BEYOND {
                break;
            }
        }
        self.refuse_encrypted(pass.frame.is_some())?;
        self.conclude(&mut pass, entered, goal);
        Ok(pass)
    }

    /// The next frame, whatever it is; everything is decoded.
    pub(super) fn next_frame(&mut self) -> Result<Option<Timed>, MediaError> {
        loop {
            // libav polls nothing while it decodes: between packets is where the deadline is looked at.
            self.check()?;
            match self.decoding.receive(self.units.source())? {
                Output::Frame(timed) => return Ok(Some(timed)),
                Output::Ended => return Ok(None),
                Output::NeedsInput => match self.next_unit()? {
                    Some(unit) => self.give(unit, false),
                    None => self.decoding.drain(),
                },
            }
        }
    }

    /// Gives an access unit to the decoder, which may leave out frames before `goal` that no other refers to. `next` follows the
    /// access unit in decoding order.
    fn send(&mut self, mut unit: AccessUnit, goal: Pts, next: Option<&AccessUnit>) -> Result<(), MediaError> {
        let is_before = unit.pts().is_some_and(|pts| pts < goal);
        if let Some(unreferenced) = &mut self.unreferenced {
            let needed = unreferenced.needed_bytes(unit.bytes(), next.map(AccessUnit::bytes));
            if is_before && !unit.shorten(needed)? {
                return Ok(());
            }
        }
        self.give(unit, is_before);
        Ok(())
    }

    /// Gives an access unit to the decoder. An encrypted one is the end, because what comes of ciphertext is noise.
    pub(super) fn give(&mut self, mut unit: AccessUnit, skips: bool) {
        self.encrypted = self.units.decrypt(&mut unit);
        if self.encrypted.is_some() {
            self.decoding.drain();
        } else {
            self.decoding.send(unit, skips);
        }
    }

    /// Ends a pass that met an encrypted access unit before it had the frame.
    pub(super) fn refuse_encrypted(&mut self, has_frame: bool) -> Result<(), MediaError> {
        match self.encrypted.take().filter(|_| !has_frame) {
            Some(scheme) => Err(MediaError::Encrypted { scheme }),
            None => Ok(()),
        }
    }

    /// Takes down what a frame says of the pass. Frames that are presented before the keyframe of the entry may lack what they
    /// refer to; nothing behind it refers to them.
    pub(super) fn judge(&self, pass: &mut Pass, timed: &Timed, entered: Entered) {
        pass.first_pts = Some(pass.first_pts.map_or(timed.pts, |first| first.min(timed.pts)));
        let Entered::Keyframe(first) = entered else {
            pass.is_spoilt |= timed.is_damaged;
            return;
        };
        if timed.pts >= first {
            pass.is_spoilt |= timed.is_damaged || !timed.is_timed;
        }
        if timed.pts == first {
            pass.begins_inside |= timed.is_intra == Some(false);
            pass.begins_intra |= timed.is_intra == Some(true);
        }
    }

    pub(super) fn is_far_behind(&self, pts: Pts, goal: Pts) -> bool {
        pts.since(goal) > self.time_base.ticks(MAX_GAP).unwrap_or(Ticks::MAX)
    }

    pub(super) fn conclude(&self, pass: &mut Pass, entered: Entered, goal: Pts) {
        pass.is_spoilt |= self.decoding.errors() > 0 || self.units.errors() > 0;
        pass.is_spoilt |= match self.units.order() {
            Order::Unknown | Order::AsTimed => false,
            Order::Doubtful | Order::Repeated => true,
        };
        // A decoder that gives the entry a later time may give the frame of the GOP before it the wanted one.
        let entry = if let Entered::Keyframe(first) = entered { first } else { Pts::MAX };
        pass.is_spoilt |= self.timestamps != Timestamps::Stored
            && pass.first_pts.is_some_and(|first| first > entry && first > goal);
        let is_keyframe = self.marks_keyframes || pass.begins_intra;
        pass.begins_inside |= matches!(entered, Entered::Keyframe(_)) && !is_keyframe;
    }
}

impl Pass {
    pub(super) fn keep_last(&mut self, timed: Timed) {
        if timed.is_damaged {
            self.last = Some(timed);
        } else {
            self.last = None;
            self.last_whole = Some(timed);
        }
    }

    pub(super) fn take(&mut self, reason: FrameReason) -> Option<Found> {
        self.frame.take().map(|timed| Found { frame: timed.frame, pts: timed.pts, reason })
    }
}

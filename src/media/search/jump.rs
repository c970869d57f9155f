//! Entering a container without an index where its bit rate lets a time be expected.
//!
//! A jump lands shortly before the goal. Where no keyframe lies between, it lands further and further back, and reads up to
//! where the attempt before began, so that nothing is read twice. Each landing shows where its time lies, and the next one
//! is estimated by that.

use super::entry::Entered;
use super::packets::AccessUnit;
use super::places::Places;
use super::state::Search;
use super::window::Window;
use crate::media::container::first_timestamp;
use crate::media::error::MediaError;
use crate::media::units::{Microseconds, Pts, Ticks};
use crate::source::ByteRange;

/// How far before the goal the first jump lands. Most encoders place keyframes one or two seconds apart.
const FIRST_JUMP: Microseconds = Microseconds::new(1_100_000);
/// How much further back the second one lands; those behind it double what was searched of the time before [`FIRST_JUMP`].
const STEP: Microseconds = Microseconds::new(500_000);
/// How far before an expected keyframe a jump lands: this part of its time, because the bit rate varies, within these bounds.
const MARGIN_OF: i64 = 50;
const MIN_MARGIN: Microseconds = Microseconds::new(100_000);
const MAX_MARGIN: Microseconds = Microseconds::new(250_000);
/// A jump to a place before this is not worth what it may cost when it lands wrong: most of that was read for the analysis.
const MIN_JUMP: u64 = 640 << 10;
/// How much further back a jump lands than the one before it, at least.
const MIN_STEP: u64 = 64 << 10;
/// Bytes requested at once, at most; the rest follows while reading continues.
const MAX_REQUEST: u64 = 16 << 20;
/// Read behind the estimated place of the wanted frame.
const BEHIND_ESTIMATE: u64 = 16 << 10;
/// So long before the end of what was requested the rest is, for it to arrive in time.
const LAG: u64 = 256 << 10;
/// Frames that are read behind the one of the goal, to learn that it is: two until the parser returns a frame, others that are
/// decoded later and presented earlier.
const FRAMES_BEHIND: i64 = 4;
/// Frames that are read before a keyframe behind the goal.
const FRAMES_BEFORE: i64 = 5;
/// Landings far from where they were expected, at most.
const MAX_MISSES: u32 = 4;
/// A landing that is further than this before the place that was estimated is repeated.
const MAX_EARLY: Microseconds = Microseconds::new(3_000_000);
/// An estimate is certain enough this near to a place that is known.
const MAX_UNKNOWN: Microseconds = Microseconds::new(6_000_000);
/// Bytes that are read to learn which time lies at a place, and as many again and again where no frame begins in them, up to
/// this many at once.
const PROBE: usize = 64 << 10;
const MAX_PROBE: usize = 1 << 20;
/// Places whose times are learnt before a jump, at most.
const MAX_PROBES: u32 = 4;
/// Access units read behind a keyframe, at most, to learn whether one is presented before it.
const MAX_LOOK_AHEAD: usize = 32;
/// Access units that, decoded in a row and presented before a time, show that none is held back for longer: H.264 and HEVC
/// reorder by 16.
const MAX_REORDER: usize = 16;
/// No access unit is held back for longer in a transport stream (ISO/IEC 13818-1, 2.4.2.7: 10 s for video with long delays).
const MAX_DELAY: Microseconds = Microseconds::new(10_000_000);
/// Read of the end for a time behind it, at first: as much as was read to learn how long the file is.
const END_READ: u64 = 160 << 10;

/// One landing.
#[derive(Clone, Copy)]
struct Jump {
    /// The keyframe that is sought is presented at or before this time.
    aim: Pts,
    /// The time of the frame.
    goal: Pts,
    /// How far before the aim it should land.
    back: Ticks,
    /// What lies from here on was read by the jump before.
    seen: Option<u64>,
    /// Whether it is repeated when it lands far from where it should.
    may_miss: bool,
    /// Bytes of the frame, where it is expected to be a keyframe.
    bytes: u64,
}

/// What a landing led to.
enum Landing {
    /// A keyframe with this presentation time; it is held.
    Keyframe(Pts),
    /// Access units from this time on, and no keyframe among them.
    Nothing(Pts),
    /// A place that is far from the one wanted.
    Missed,
}

impl Search<'_, '_> {
    /// Enters the file shortly before `goal`, or `further` ticks before that, at a keyframe there that is presented at or
    /// before the goal, or is itself the frame of the goal.
    pub(super) fn jump(&mut self, goal: Pts, further: Ticks) -> Result<Entered, MediaError> {
        if further == Ticks::ZERO {
            self.has_no_entry = false;
        } else if self.has_no_entry {
            return Ok(Entered::Nowhere);
        }
        let Some(end) = self.places.as_ref().map(Places::end) else { return Ok(Entered::Nowhere) };
        // Behind the end there is nothing to enter.
        let aim = goal.min(end).saturating_sub(further);
        let (first, step) = (self.ticks(FIRST_JUMP), self.ticks(STEP));
        let mut jump = Jump { aim, goal, back: first, seen: None, may_miss: true, bytes: 0 };
        self.requested = 0;
        self.expect_keyframe(&mut jump);
        self.probe(jump)?;
        self.expect_keyframe(&mut jump);
        let mut misses = 0;
        while misses <= MAX_MISSES {
            jump.may_miss = misses < MAX_MISSES;
            let Some(place) = self.place_of(jump) else {
                self.has_no_entry = true;
                break;
            };
            self.request(jump, place);
            if !self.move_to(place) {
                break;
            }
            match self.read_to_keyframe(jump)? {
                Landing::Keyframe(pts) => return Ok(Entered::Keyframe(pts)),
                Landing::Nothing(time) => {
                    jump.seen = Some(place);
                    let more = step.max(jump.back.saturating_sub(first));
                    jump.back = jump.back.max(aim.since(time)).saturating_add(more).max(first);
                }
                Landing::Missed => {
                    self.units.container.input_mut().request(&[], true);
                    self.requested = 0;
                    misses += 1;
                }
            }
        }
        Ok(Entered::Nowhere)
    }

    /// Lets a jump land shortly before the place where a keyframe is expected, if one is.
    fn expect_keyframe(&self, jump: &mut Jump) {
        let Some(places) = &self.places else { return };
        let Some(keyframes) = places.keyframes() else { return };
        let Some(pts) = keyframes.expected(jump.aim, self.decoding.frame_ticks()) else { return };
        let least = self.ticks(MIN_MARGIN).max(self.frames(2));
        let most = self.ticks(MAX_MARGIN).max(least);
        let time = pts.since(places.start()).get();
        let margin =
            if places.is_estimate() { Ticks::new(time / MARGIN_OF).max(least).min(most) } else { least };
        jump.back = jump.aim.since(pts).max(Ticks::ZERO).saturating_add(margin);
        if pts > jump.aim {
            // The frames before it show that it is the one of the aim.
            jump.back = jump.back.max(self.frames(FRAMES_BEFORE));
            jump.bytes = keyframes.bytes();
        }
    }

    /// Reads a little where the jump would land, if that is far from every place that is known, to learn which time lies there.
    fn probe(&mut self, jump: Jump) -> Result<(), MediaError> {
        let target = jump.aim.saturating_sub(jump.back);
        let reach = self.ticks(MAX_UNKNOWN);
        let view = self.units.container.stream(self.units.stream());
        let Some(pid) = view.and_then(|stream| u16::try_from(stream.id()).ok()) else { return Ok(()) };
        for _ in 0..MAX_PROBES {
            let is_unknown = self.places.as_ref().is_some_and(|places| places.is_unknown(target, reach));
            let Some(place) = self.place_of(jump).filter(|_| is_unknown) else { break };
            let (mut found, mut piece, mut length) = (None, place, PROBE);
            while found.is_none() && length <= MAX_PROBE {
                let bytes = self.units.container.input_mut().peek(piece, length)?;
                found = first_timestamp(bytes, pid, target.get()).map(|(behind, time)| (piece, behind, time));
                if bytes.len() < length {
                    break;
                }
                piece = piece.saturating_add(bytes.len() as u64);
                length = length.saturating_mul(2);
            }
            let Some((piece, behind, time)) = found else { break };
            let place = u64::try_from(behind).ok().map(|behind| piece.saturating_add(behind));
            self.note_place(Some(Pts::new(time)), place);
        }
        Ok(())
    }

    /// Where to land; `None` where the start is as near.
    fn place_of(&self, jump: Jump) -> Option<u64> {
        let places = self.places.as_ref()?;
        let place = places.of(jump.aim.saturating_sub(jump.back));
        let place = jump.seen.map_or(place, |seen| place.min(seen.saturating_sub(MIN_STEP)));
        (place >= MIN_JUMP && place >= places.of(jump.aim) / 2).then_some(place)
    }

    /// Requests what the jump will read from `place` on.
    fn request(&mut self, jump: Jump, place: u64) {
        let Some(places) = &self.places else { return };
        let behind = BEHIND_ESTIMATE.saturating_add(jump.bytes);
        // Only an estimate that has a place nearby is worth what the frames behind the goal cost.
        let goal = if places.is_estimate() || jump.bytes > 0 {
            jump.goal
        } else {
            jump.goal.saturating_add(self.frames(FRAMES_BEHIND))
        };
        let end = jump.seen.unwrap_or_else(|| places.of(goal).saturating_add(behind));
        let end = end.min(place.saturating_add(MAX_REQUEST));
        self.requested = self.requested.max(end);
        self.units.container.input_mut().prefetch(&[ByteRange::new(place, end)]);
    }

    fn frames(&self, count: i64) -> Ticks {
        Ticks::new(self.decoding.frame_ticks().get().saturating_mul(count))
    }

    /// Requests the rest up to the goal where reading, which has come to this access unit, is about to leave what was requested.
    pub(super) fn request_rest(&mut self, unit: &AccessUnit, goal: Pts) {
        let (Some(dts), Some(place)) = (unit.dts(), unit.position()) else { return };
        let is_about_to_leave = place < self.requested && place.saturating_add(LAG) >= self.requested;
        if !is_about_to_leave || dts >= goal {
            return;
        }
        self.note_place(Some(dts), Some(place));
        let Some(places) = &self.places else { return };
        let end = places
            .of(goal.saturating_add(self.frames(FRAMES_BEHIND)))
            .min(self.requested.saturating_add(MAX_REQUEST));
        if places.of(goal) > self.requested {
            self.units.container.input_mut().prefetch(&[ByteRange::new(self.requested, end)]);
            self.requested = end;
        }
    }

    /// Notes where a decoding time was met: the frame that is presented first of those behind it comes as much later as frames are
    /// held back.
    fn note_place(&mut self, dts: Option<Pts>, place: Option<u64>) {
        let held = i64::try_from(self.reorder.depth().unwrap_or(0)).unwrap_or(0);
        let delay = self.frames(held);
        if let (Some(places), Some(dts), Some(place)) = (&mut self.places, dts, place) {
            places.note(dts.saturating_add(delay), place);
        }
    }

    fn move_to(&mut self, place: u64) -> bool {
        let moved = i64::try_from(place).is_ok_and(|place| self.units.container.seek_to_byte(place).is_ok());
        if moved {
            self.restart();
        }
        moved
    }

    /// Leaves out access units until a keyframe comes that is presented at or before the aim. One that is presented behind it
    /// serves too where the aim is the goal and no other access unit holds the frame.
    fn read_to_keyframe(&mut self, jump: Jump) -> Result<Landing, MediaError> {
        let Jump { aim, goal, seen, .. } = jump;
        let mut first = None;
        let (mut last_before, mut has_behind) = (None, false);
        while let Some(unit) = self.units.next()? {
            let Some(time) = unit.dts().or_else(|| unit.pts()) else { continue };
            if first.is_none() {
                first = Some(time);
                self.note_place(unit.dts(), unit.position());
                if self.misses(jump, time) {
                    return Ok(Landing::Missed);
                }
            }
            if seen.is_some_and(|seen| unit.position().is_some_and(|place| place >= seen)) {
                break;
            }
            match unit.pts() {
                Some(pts) if pts <= aim => {
                    if unit.is_key() {
                        self.hold(unit);
                        return Ok(Landing::Keyframe(pts));
                    }
                    last_before = last_before.max(Some(pts));
                }
                Some(pts)
                    if aim == goal && !has_behind && unit.is_key() && self.follows(last_before, pts) =>
                {
                    if self.holds_frame(unit, pts, goal)? {
                        return Ok(Landing::Keyframe(pts));
                    }
                    break;
                }
                _ => has_behind = true,
            }
            if time > aim {
                break;
            }
        }
        Ok(Landing::Nothing(first.unwrap_or(aim)))
    }

    /// Whether a landing at this time is worth another jump.
    fn misses(&self, jump: Jump, time: Pts) -> bool {
        let early = jump.aim.saturating_sub(jump.back).since(time);
        let is_early = early > self.ticks(MAX_EARLY).max(jump.back);
        time > jump.aim || (is_early && jump.may_miss && jump.seen.is_none())
    }

    /// Whether no other frame fits between two presentation times.
    fn follows(&self, before: Option<Pts>, pts: Pts) -> bool {
        let length = self.decoding.frame_ticks();
        before.is_some_and(|before| pts.since(before) <= length.saturating_add(length.half()))
    }

    /// Whether a keyframe behind the goal holds its frame: whether none that follows is presented between. It is held, and what
    /// was looked at behind it.
    fn holds_frame(&mut self, keyframe: AccessUnit, pts: Pts, goal: Pts) -> Result<bool, MediaError> {
        self.hold(keyframe);
        let mut window = Window::new(goal, self.reorder.depth(), self.decoding_times());
        self.entry_units.iter().for_each(|unit| window.add(unit));
        while !window.is_certain() && self.entry_units.len() <= MAX_LOOK_AHEAD {
            let Some(unit) = self.units.next()? else { break };
            window.add(&unit);
            self.entry_units.push_back(unit);
        }
        let is_frame = window.is_certain() && window.best() == Some(pts);
        if !is_frame {
            self.entry_units.clear();
        }
        Ok(is_frame)
    }

    /// Whether the last packets say that there is no frame at or after `goal`. Nothing is decoded.
    pub(super) fn ends_before(&mut self, goal: Pts, last_pts: &mut Option<Pts>) -> Result<bool, MediaError> {
        let Some(size) = self.places.as_ref().map(Places::size) else { return Ok(false) };
        let max_delay = self.ticks(MAX_DELAY);
        let mut length = END_READ;
        loop {
            let place = size.saturating_sub(length);
            self.units.container.input_mut().prefetch(&[ByteRange::new(place, size)]);
            if !self.move_to(place) {
                return Ok(false);
            }
            let (mut first, mut count) = (None, 0_usize);
            while let Some(unit) = self.units.next()? {
                let Some(pts) = unit.pts().filter(|&pts| pts < goal) else { return Ok(false) };
                first = first.or(unit.dts()).or(Some(pts));
                *last_pts = (*last_pts).max(Some(pts));
                count = count.saturating_add(1);
            }
            if self.units.errors() > 0 {
                return Ok(false);
            }
            // One that is decoded before these would be held back over all of them.
            let is_far = first.is_some_and(|first| goal.since(first) > max_delay);
            if count > MAX_REORDER || is_far {
                return Ok(true);
            }
            if place == 0 {
                return Ok(count > 0);
            }
            length = length.saturating_mul(2);
        }
    }
}

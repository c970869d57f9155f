//! Entering a container without an index where its bit rate lets a time be expected.
//!
//! A jump lands shortly before the goal. Where no keyframe lies between, it lands further and further back, and reads up to
//! where the attempt before began, so that nothing is read twice. Each landing shows where its time lies, and the next one
//! is estimated by that.

use super::entry::Entered;
use super::packets::Stamp;
use super::state::Search;
use crate::media::container::first_timestamp;
use crate::media::error::Error;
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
    /// Bytes of the frame, where it is expected to be a keyframe.
    bytes: u64,
}

impl Search<'_, '_> {
    /// Enters the file shortly before `goal`, or `further` ticks before that, at a keyframe there that is presented at or
    /// before the goal, or is itself the frame of the goal.
    pub(super) fn jump(&mut self, goal: Pts, further: Ticks) -> Result<Option<Entered>, Error> {
        // Behind the end there is nothing to enter.
        let aim = goal.min(self.places.end).saturating_sub(further);
        let (first, step) = (self.ticks(FIRST_JUMP), self.ticks(STEP));
        let mut jump = Jump { aim, goal, back: first, seen: None, bytes: 0 };
        self.requested = 0;
        self.expect_keyframe(&mut jump);
        self.probe(jump)?;
        self.expect_keyframe(&mut jump);
        let max_early = self.ticks(MAX_EARLY);
        let mut misses = 0;
        while let Some(place) = self.place_of(jump) {
            self.request(jump, place);
            if !self.move_to(place) {
                break;
            }
            let landed = self.landing_time()?.unwrap_or(aim);
            let early = aim.saturating_sub(jump.back).since(landed);
            let is_early = jump.seen.is_none() && early > max_early.max(jump.back);
            if misses < MAX_MISSES && (is_early || landed > aim) {
                // By what is known now, the next landing is nearer.
                self.units.container.input_mut().request(&[], true);
                self.requested = 0;
                misses += 1;
                continue;
            }
            if let Some(pts) = self.read_to_keyframe(jump)? {
                return Ok(Some(Entered::Keyframe(pts)));
            }
            jump.seen = Some(place);
            let more = step.max(jump.back.saturating_sub(first));
            jump.back = jump.back.max(aim.since(landed)).saturating_add(more).max(first);
        }
        Ok(None)
    }

    /// Lets a jump land shortly before the place where a keyframe is expected, if one is.
    fn expect_keyframe(&self, jump: &mut Jump) {
        let places = &self.places;
        let Some(keyframes) = places.keyframes else { return };
        let Some(pts) = keyframes.expected(jump.aim, self.decoding.frame_ticks) else { return };
        let least = self.ticks(MIN_MARGIN).max(self.frames(2));
        let most = self.ticks(MAX_MARGIN).max(least);
        let time = pts.since(places.start).get();
        let margin =
            if places.is_estimate() { Ticks::new(time / MARGIN_OF).max(least).min(most) } else { least };
        jump.back = jump.aim.since(pts).max(Ticks::ZERO).saturating_add(margin);
        if pts > jump.aim {
            // The frames before it show that it is the one of the aim.
            jump.back = jump.back.max(self.frames(FRAMES_BEFORE));
            jump.bytes = keyframes.bytes;
        }
    }

    /// Reads a little where the jump would land, if that is far from every place that is known, to learn which time lies there.
    fn probe(&mut self, jump: Jump) -> Result<(), Error> {
        let target = jump.aim.saturating_sub(jump.back);
        let reach = self.ticks(MAX_UNKNOWN);
        let view = self.units.container.stream(self.units.stream.index);
        let Some(pid) = view.and_then(|stream| u16::try_from(stream.id()).ok()) else { return Ok(()) };
        for _ in 0..MAX_PROBES {
            let is_unknown = self.places.is_unknown(target, reach);
            let Some(mut piece) = self.place_of(jump).filter(|_| is_unknown) else { break };
            let (mut found, mut length) = (None, PROBE);
            while found.is_none() && length <= MAX_PROBE {
                let bytes = self.units.container.input_mut().peek(piece, length)?;
                found = first_timestamp(bytes, pid, target.get());
                if found.is_some() || bytes.len() < length {
                    break;
                }
                piece = piece.saturating_add(bytes.len() as u64);
                length = length.saturating_mul(2);
            }
            let Some((behind, time)) = found else { break };
            self.note_place(Some(Pts::new(time)), Some(piece.saturating_add(behind as u64)));
        }
        Ok(())
    }

    /// Where to land; `None` where the start is as near.
    fn place_of(&self, jump: Jump) -> Option<u64> {
        let places = &self.places;
        let place = places.of(jump.aim.saturating_sub(jump.back));
        let place = jump.seen.map_or(place, |seen| place.min(seen.saturating_sub(MIN_STEP)));
        (place >= MIN_JUMP && place >= places.of(jump.aim) / 2).then_some(place)
    }

    /// Requests what the jump will read from `place` on.
    fn request(&mut self, jump: Jump, place: u64) {
        let places = &self.places;
        let behind = BEHIND_ESTIMATE.saturating_add(jump.bytes);
        // Only an estimate that has a place nearby is worth what the frames behind the goal cost.
        let frames = if places.is_estimate() || jump.bytes > 0 { 0 } else { FRAMES_BEHIND };
        let goal = jump.goal.saturating_add(self.frames(frames));
        let end = jump.seen.unwrap_or_else(|| places.of(goal).saturating_add(behind));
        let end = end.min(place.saturating_add(MAX_REQUEST));
        self.requested = self.requested.max(end);
        self.units.container.input_mut().prefetch(&[ByteRange::new(place, end)]);
    }

    fn frames(&self, count: i64) -> Ticks {
        Ticks::new(self.decoding.frame_ticks.get().saturating_mul(count))
    }

    /// Requests the rest up to the goal where reading, which has come to this access unit, is about to leave what was requested.
    pub(super) fn request_rest(&mut self, unit: Stamp, goal: Pts) {
        let (Some(dts), Some(place)) = (unit.dts, unit.position) else { return };
        let is_about_to_leave = place < self.requested && place.saturating_add(LAG) >= self.requested;
        if !is_about_to_leave || dts >= goal {
            return;
        }
        self.note_place(unit.dts, unit.position);
        let places = &self.places;
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
        let held = i64::try_from(self.units.max_depth.unwrap_or(0)).unwrap_or(0);
        let delay = self.frames(held);
        if let Some((dts, place)) = dts.zip(place) {
            self.places.note(dts.saturating_add(delay), place);
        }
    }

    fn move_to(&mut self, place: u64) -> bool {
        let moved = i64::try_from(place).is_ok_and(|place| self.units.container.seek_to_byte(place).is_ok());
        if moved {
            self.restart();
        }
        moved
    }

    /// The time of the first access unit that has one, whose place is noted.
    fn landing_time(&mut self) -> Result<Option<Pts>, Error> {
        while let Some(unit) = self.units.peek(0)? {
            if let Some(time) = unit.dts.or(unit.pts) {
                self.note_place(unit.dts, unit.position);
                return Ok(Some(time));
            }
            self.units.skip(1);
        }
        Ok(None)
    }

    /// Leaves out access units until a keyframe comes that is presented at or before the aim. One that is presented behind it
    /// serves too where the aim is the goal and no other access unit holds the frame.
    fn read_to_keyframe(&mut self, jump: Jump) -> Result<Option<Pts>, Error> {
        let Jump { aim, goal, seen, .. } = jump;
        let (mut last_before, mut has_behind) = (None, false);
        while let Some(unit) = self.units.peek(0)? {
            if seen.is_some_and(|seen| unit.position.is_some_and(|place| place >= seen)) {
                break;
            }
            match unit.pts {
                Some(pts) if pts <= aim && unit.is_key => return Ok(Some(pts)),
                Some(pts) if pts <= aim && pts < goal => last_before = last_before.max(Some(pts)),
                Some(pts) if aim == goal && !has_behind && unit.is_key && self.follows(last_before, pts) => {
                    let frame = self.look_ahead(0, goal)?;
                    return Ok(frame.map(|(best, _)| best).filter(|&best| best == pts));
                }
                Some(_) => has_behind = true,
                None => has_behind |= unit.dts.is_some(),
            }
            if unit.dts.or(unit.pts) > Some(aim) {
                break;
            }
            self.units.skip(1);
        }
        Ok(None)
    }

    /// Whether no other frame fits between two presentation times.
    fn follows(&self, before: Option<Pts>, pts: Pts) -> bool {
        let length = self.decoding.frame_ticks;
        before.is_some_and(|before| pts.since(before) <= length.saturating_add(length.half()))
    }

    /// Whether the last packets say that there is no frame at or after `goal`. Nothing is decoded.
    pub(super) fn ends_before(&mut self, goal: Pts) -> Result<bool, Error> {
        let size = self.places.size;
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
                let Some(pts) = unit.stamp.pts.filter(|&pts| pts < goal) else { return Ok(false) };
                first = first.or(unit.stamp.dts).or(Some(pts));
                count = count.saturating_add(1);
            }
            if self.units.faults.count > 0 {
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

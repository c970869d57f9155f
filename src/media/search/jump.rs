//! Entering a container without an index, where the bit rate gives an estimate of the position of a time.
//!
//! A jump lands shortly before the goal. If no keyframe lies in between, the next jumps land further and further back, and read up
//! to the start of the previous attempt, so that no byte is read twice. Each landing reveals the position of its time, and
//! improves the next estimate.

use super::entry::Entered;
use super::packets::{MAX_REORDER, Stamp};
use super::places::Places;
use super::state::Search;
use crate::media::container::first_timestamp;
use crate::media::error::Error;
use crate::media::units::{Microseconds, Pts, Ticks};
use crate::source::ByteRange;

/// Distance before the goal at which the first jump lands. Most encoders place keyframes one or two seconds apart.
const FIRST_JUMP: Microseconds = Microseconds::new(1_100_000);
/// Additional distance of the second jump. Later jumps double the searched time before [`FIRST_JUMP`].
const STEP: Microseconds = Microseconds::new(500_000);
/// Distance before an expected keyframe at which a jump lands: this part of the keyframe's time, within these bounds, because the
/// bit rate varies.
const MARGIN_OF: i64 = 50;
const MIN_MARGIN: Microseconds = Microseconds::new(100_000);
const MAX_MARGIN: Microseconds = Microseconds::new(250_000);
/// A jump to an earlier position is not worth the cost of a wrong landing: most of these bytes were read for the analysis.
const MIN_JUMP: u64 = 640 << 10;
/// Minimum additional distance of a jump from the previous one.
const MIN_STEP: u64 = 64 << 10;
/// Maximum number of bytes that are requested at once. The rest is requested while reading continues.
const MAX_REQUEST: u64 = 16 << 20;
/// Number of bytes to read after the estimated position of the wanted frame.
const BEHIND_ESTIMATE: u64 = 16 << 10;
/// Distance before the end of the requested bytes at which the rest is requested, so that it arrives in time.
const LAG: u64 = 256 << 10;
/// Number of frames that are read after the frame of the goal, to verify that it is the frame of the goal: two until the parser
/// returns a frame, and others that are decoded later and presented earlier.
const FRAMES_BEHIND: i64 = 4;
/// Number of frames that are read before a keyframe after the goal.
const FRAMES_BEFORE: i64 = 5;
/// Maximum number of landings far from the expected position.
const MAX_MISSES: u32 = 4;
/// A landing that is further than this before the estimated position is repeated.
const MAX_EARLY: Microseconds = Microseconds::new(3_000_000);
/// Within this distance of a known position, an estimate is accurate enough.
const MAX_UNKNOWN: Microseconds = Microseconds::new(6_000_000);
/// Number of bytes that are read to learn the time at a position. If no frame begins in them, the same number is read again and
/// again, up to this many at once.
const PROBE: usize = 64 << 10;
const MAX_PROBE: usize = 1 << 20;
/// Minimum number of bytes that are read at a position if its time shall only show whether times increase.
const LEAST_SAMPLE: u64 = 16 << 10;
/// Maximum number of positions whose times are determined before a jump.
const MAX_PROBES: u32 = 4;
/// In a transport stream, no access unit is held back for longer (ISO/IEC 13818-1, 2.4.2.7: 10 s for video with long delays).
const MAX_DELAY: Microseconds = Microseconds::new(10_000_000);
/// Number of bytes of the end that are first read for a time after the end: the same number that was read to learn the duration of
/// the file.
const END_READ: u64 = 160 << 10;

/// One landing.
#[derive(Clone, Copy)]
struct Jump {
    /// The wanted keyframe is presented at or before this time.
    aim: Pts,
    /// The time of the frame.
    goal: Pts,
    /// Intended distance of the landing before the aim.
    back: Ticks,
    /// The bytes from here on were read by the previous jump.
    seen: Option<u64>,
    /// Size of the frame in bytes, if it is expected to be a keyframe.
    bytes: u64,
}

impl Search<'_, '_> {
    /// Enters the file shortly before `goal`, or `further` ticks before that, at a keyframe that is presented at or before the
    /// goal, or that is the frame of the goal itself.
    pub(super) fn jump(&mut self, goal: Pts, further: Ticks) -> Result<Option<Entered>, Error> {
        // After the end there is nothing to enter.
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
                // With the new information, the next landing is closer.
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

    /// Lets a jump land shortly before the position of an expected keyframe, if there is one.
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
            // The frames before the keyframe show that it is the keyframe of the aim.
            jump.back = jump.back.max(self.frames(FRAMES_BEFORE));
            jump.bytes = keyframes.bytes;
        }
    }

    /// Reads a few bytes at the landing position, if it is far from every known position, to learn the time there.
    fn probe(&mut self, jump: Jump) -> Result<(), Error> {
        let target = jump.aim.saturating_sub(jump.back);
        let reach = self.ticks(MAX_UNKNOWN);
        let Some(pid) = self.pid() else { return Ok(()) };
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

    /// Returns the landing position, or `None` where the start is equally close.
    fn place_of(&self, jump: Jump) -> Option<u64> {
        let places = &self.places;
        let place = places.of(jump.aim.saturating_sub(jump.back));
        let place = jump.seen.map_or(place, |seen| place.min(seen.saturating_sub(MIN_STEP)));
        (place >= MIN_JUMP && place >= places.of(jump.aim) / 2).then_some(place)
    }

    /// Requests the bytes that the jump will read from `place`.
    fn request(&mut self, jump: Jump, place: u64) {
        let places = &self.places;
        let behind = BEHIND_ESTIMATE.saturating_add(jump.bytes);
        // The frames after the goal are worth their cost only if the estimate has a known position nearby.
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

    /// Requests the rest up to the goal when reading has reached this access unit and is about to leave the requested bytes.
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

    /// Records the position of a decoding time. The first presented frame among the following ones is presented later by the
    /// number of frames that are held back.
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

    /// Returns the time of the first access unit that has one, and records its position.
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

    /// Skips access units up to a keyframe that is presented at or before the aim. A keyframe that is presented after the aim
    /// serves too, if the aim is the goal and no other access unit contains the frame.
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

    /// Returns whether no other frame fits between two presentation times.
    fn follows(&self, before: Option<Pts>, pts: Pts) -> bool {
        let length = self.decoding.frame_ticks;
        before.is_some_and(|before| pts.since(before) <= length.saturating_add(length.half()))
    }

    /// Returns whether the last packets show that there is no frame at or after `goal`. Decodes nothing.
    pub(super) fn ends_before(&mut self, goal: Pts) -> Result<bool, Error> {
        let size = self.places.size;
        let max_delay = self.ticks(MAX_DELAY);
        let mut length = END_READ;
        loop {
            let place = size.saturating_sub(length);
            let [one, two] = self.samples();
            self.units.container.input_mut().prefetch(&[ByteRange::new(place, size), one, two]);
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
            // A frame that is decoded before these packets would be held back over all of them.
            let is_far = first.is_some_and(|first| goal.since(first) > max_delay);
            if count > usize::from(MAX_REORDER) || is_far {
                return Ok(true);
            }
            if place == 0 {
                return Ok(count > 0);
            }
            length = length.saturating_mul(2);
        }
    }

    /// Returns whether the times at two positions increase, and are before `goal` and before the end. Each part of a joined file may count
    /// its times from zero, and a part may be longer than the last one.
    pub(super) fn times_increase_to(&mut self, goal: Pts) -> Result<bool, Error> {
        let Some(pid) = self.pid() else { return Ok(true) };
        let limit = goal.min(self.places.end).get();
        let samples = self.samples();
        let input = self.units.container.input_mut();
        input.prefetch(&samples);
        let mut last = i64::MIN;
        for sample in samples {
            let bytes = input.peek(sample.start(), usize::try_from(sample.len()).unwrap_or(PROBE))?;
            if let Some((_, time)) = first_timestamp(bytes, pid, limit) {
                if time < last || time >= limit {
                    return Ok(false);
                }
                last = time;
            }
        }
        Ok(true)
    }

    /// Returns the bytes at two positions, in which a timestamp is likely: those of three frames, at the bit rate of the file.
    fn samples(&self) -> [ByteRange; 2] {
        let Places { size, start, end, .. } = self.places;
        let frames = end.since(start).get() / self.decoding.frame_ticks.get().max(1);
        let frames = u64::try_from(frames).unwrap_or(0).max(1);
        let length = (size / frames).saturating_mul(3).clamp(LEAST_SAMPLE, PROBE as u64);
        let third = size / 3;
        [third, third.saturating_mul(2)].map(|place| ByteRange::new(place, place.saturating_add(length)))
    }

    /// Returns the packet identifier of the stream in a transport stream.
    fn pid(&self) -> Option<u16> {
        let view = self.units.container.stream(self.units.stream.index)?;
        u16::try_from(view.id()).ok()
    }
}

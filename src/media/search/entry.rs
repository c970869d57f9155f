//! Where in the file a pass begins: at a keyframe that is presented at or before the goal, or at the start.

use super::packets::{AccessUnit, Reordering};
use super::{Search, Seeking};
use crate::media::container::formats::reopen;
use crate::media::error::MediaError;
use crate::media::ffi::format::SeekFlags;
use crate::media::timeline;
use crate::source::ByteRange;

/// Keyframes that are tried one before the other until one is presented at or before the goal.
const MAX_STEPS_BACK: u32 = 4;
/// Access units that are read at an entry to see how many are held back: H.264 may hold back 16.
const ORDER_WINDOW: usize = 20;
/// How far before the goal a more careful pass begins, in microseconds.
const STEP_BACK: i64 = 10_000_000;
/// Goals nearer to the start than this are reached by reading on, in containers whose seek is inexact: it costs less than a
/// search by bisection, and always lands right. In microseconds.
const READ_ON: i64 = 30_000_000;
/// How far before the goal reading begins in a container without an index, one after the other until a keyframe comes
/// before the goal, in microseconds. Most encoders place keyframes one or two seconds apart.
const JUMPS: [i64; 3] = [1_100_000, 3_000_000, 8_000_000];
/// A jump over less than this is not worth what it may cost when it lands wrong.
const MIN_JUMP: u64 = 1 << 20;
/// Requested at once where all up to the goal has to be read; the rest follows while reading continues.
const MAX_READ_ON: u64 = 16 << 20;
/// Read behind the estimated place of the wanted frame.
const BEHIND_ESTIMATE: u64 = 16 << 10;

/// Where a pass begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// At the keyframe before the goal.
    Near,
    /// At a keyframe well before that one.
    Earlier,
    /// At the first packet.
    Start,
}

/// Where a pass did begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// At a keyframe with this presentation time.
    Keyframe(i64),
    Start,
    /// Nowhere: the container has no such entry.
    Nowhere,
}

/// Where times lie in a file of about constant bit rate.
#[derive(Debug, Clone, Copy)]
pub(in crate::media) struct Places {
    /// Bytes of the file.
    pub(in crate::media) size: u64,
    /// The start of the presentation, in ticks of the stream.
    pub(in crate::media) start: i64,
    /// Its length in ticks of the stream.
    pub(in crate::media) duration: i64,
    /// Whether reading can begin anywhere.
    pub(in crate::media) can_enter: bool,
}

impl Places {
    /// The estimated place of a time.
    fn of(self, ticks: i64) -> u64 {
        let elapsed = u128::try_from(ticks.saturating_sub(self.start)).unwrap_or(0);
        let duration = u128::try_from(self.duration).unwrap_or(0).max(1);
        u64::try_from(u128::from(self.size) * elapsed / duration)
            .map_or(self.size, |place| place.min(self.size))
    }
}

impl Search<'_, '_> {
    /// The entries of the passes for a goal, the cheapest first.
    pub(super) fn entries(&self, goal: i64) -> &'static [Entry] {
        let read_on = self.ticks(READ_ON);
        let is_near_start = goal.saturating_sub(self.start) <= read_on;
        match self.seeking {
            _ if goal <= self.start => &[Entry::Start],
            Seeking::Indexed => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if self.can_enter() => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if !is_near_start => &[Entry::Near, Entry::Start],
            Seeking::Inexact | Seeking::ReadingOn | Seeking::None => &[Entry::Start],
        }
    }

    /// Whether every pass begins at the start.
    pub(super) fn reads_on(&self, goal: i64) -> bool {
        self.entries(goal) == [Entry::Start]
    }

    fn can_enter(&self) -> bool {
        self.places.is_some_and(|places| places.can_enter)
    }

    fn ticks(&self, microseconds: i64) -> i64 {
        timeline::to_ticks(microseconds, self.time_base).unwrap_or(i64::MAX)
    }

    /// Moves to an entry for `goal`.
    pub(super) fn enter(&mut self, entry: Entry, goal: i64) -> Result<Entered, MediaError> {
        let entered = self.find_entry(entry, goal)?;
        // How many frames are held back is seen by their times, where neither the stream nor a decoding time tells it.
        let is_unknown = self.reorder == Reordering::Unknown && !self.stores_dts;
        while is_unknown && !self.entry_units.is_empty() {
            let unit = if self.entry_units.len() < ORDER_WINDOW { self.units.next()? } else { None };
            let Some(unit) = unit else { break };
            self.entry_units.push_back(unit);
        }
        let depth = u8::try_from(self.units.depth()).unwrap_or(u8::MAX);
        self.decoding.hold_back(depth);
        Ok(entered)
    }

    fn find_entry(&mut self, entry: Entry, goal: i64) -> Result<Entered, MediaError> {
        self.entry_units.clear();
        let step_back = self.ticks(STEP_BACK);
        match (entry, self.seeking) {
            (Entry::Start, _) => self.enter_start(goal),
            (_, Seeking::Indexed) => {
                let ticks = if entry == Entry::Near { goal } else { goal.saturating_sub(step_back) };
                self.announce(goal);
                self.enter_before(goal, ticks)
            }
            (_, Seeking::Inexact) if self.can_enter() => {
                self.jump(goal, if entry == Entry::Near { 0 } else { step_back })
            }
            _ => self.enter_before(goal, goal.saturating_sub(step_back)),
        }
    }

    /// Seeks to `ticks` and looks at the access unit there; goes back from one that is presented after `goal`.
    fn enter_before(&mut self, goal: i64, ticks: i64) -> Result<Entered, MediaError> {
        let mut ticks = ticks;
        for _ in 0..MAX_STEPS_BACK {
            if ticks <= self.start || !self.seek(ticks)? {
                break;
            }
            let Some(unit) = self.units.next()? else { break };
            let Some(pts) = unit.pts().or_else(|| unit.dts()) else { break };
            if unit.is_key() && pts <= goal {
                self.hold(unit);
                return Ok(Entered::Keyframe(pts));
            }
            let time = unit.dts().map_or(pts, |dts| dts.min(pts));
            ticks = time.min(ticks).saturating_sub(1);
        }
        self.enter_start(goal)
    }

    /// Moves to the first packet, if it is not there yet.
    fn enter_start(&mut self, goal: i64) -> Result<Entered, MediaError> {
        let is_fresh = self.is_at_start;
        if !is_fresh && !self.rewind()? && !self.reopen()? {
            return Ok(Entered::Nowhere);
        }
        self.request_up_to(goal);
        let mut unit = self.units.next()?;
        // A seek may leave a demuxer where it gives nothing: Matroska's waits for a keyframe, which the file may not mark.
        if unit.is_none() && !is_fresh && self.reopen()? {
            unit = self.units.next()?;
        }
        self.is_at_start = false;
        if let Some(unit) = unit {
            self.hold(unit);
        }
        Ok(Entered::Start)
    }

    /// Enters the file shortly before `goal`, or `further` ticks before that, at the first keyframe there that is presented at or
    /// before the goal.
    fn jump(&mut self, goal: i64, further: i64) -> Result<Entered, MediaError> {
        let Some(places) = self.places else { return Ok(Entered::Nowhere) };
        let end = places.of(goal).saturating_add(BEHIND_ESTIMATE);
        let mut before = None;
        for back in JUMPS {
            let back = self.ticks(back).saturating_add(further);
            let place = places.of(goal.saturating_sub(back));
            if place < MIN_JUMP {
                break;
            }
            self.units.container.input_mut().prefetch(&[ByteRange::new(place, before.unwrap_or(end))]);
            let Ok(offset) = i64::try_from(place) else { break };
            if self.units.container.seek_to_byte(offset).is_err() {
                break;
            }
            self.restart();
            if let Some(pts) = self.read_to_keyframe(goal, before)? {
                return Ok(Entered::Keyframe(pts));
            }
            before = Some(place);
        }
        Ok(Entered::Nowhere)
    }

    /// Leaves out access units until a keyframe comes that is presented at or before `goal`. `None` when one behind the goal
    /// came first, or when an earlier attempt has read what lies from `seen` on.
    fn read_to_keyframe(&mut self, goal: i64, seen: Option<u64>) -> Result<Option<i64>, MediaError> {
        while let Some(unit) = self.units.next()? {
            let is_seen = seen.is_some_and(|seen| unit.position().is_some_and(|at| at >= seen));
            let is_behind = unit.dts().or_else(|| unit.pts()).is_some_and(|time| time > goal);
            if is_behind || is_seen {
                return Ok(None);
            }
            if let Some(pts) = unit.pts().filter(|&pts| unit.is_key() && pts <= goal) {
                self.hold(unit);
                return Ok(Some(pts));
            }
        }
        Ok(None)
    }

    /// Requests what libavformat's index names for the goal, where the layout has planned nothing.
    fn announce(&mut self, goal: i64) {
        let stream = self.units.stream();
        if !self.is_planned
            && let Some((start, end)) = self.units.container.indexed_bytes(stream, goal)
        {
            let end = end.saturating_add(BEHIND_ESTIMATE).min(start.saturating_add(MAX_READ_ON));
            self.units.container.input_mut().prefetch(&[ByteRange::new(start, end)]);
        }
    }

    /// Requests what reading on from the start will read. Without an index all of it is needed.
    fn request_up_to(&mut self, goal: i64) {
        let Some(places) = self.places.filter(|_| self.seeking != Seeking::Indexed) else { return };
        let place = places.of(goal);
        let input = self.units.container.input_mut();
        let end = place.saturating_add(place / 16).saturating_add(BEHIND_ESTIMATE);
        let start = input.position();
        input.prefetch(&[ByteRange::new(start, end.min(start.saturating_add(MAX_READ_ON)))]);
    }

    /// Moves to the keyframe before `ticks`; whether the container could.
    fn seek(&mut self, ticks: i64) -> Result<bool, MediaError> {
        // A seek that fails may have read on.
        self.is_at_start = false;
        let moved = self.units.container.seek_backward(self.units.stream(), ticks).is_ok();
        if moved {
            self.restart();
        }
        Ok(moved)
    }

    /// Moves to the first packet; whether the container could.
    fn rewind(&mut self) -> Result<bool, MediaError> {
        if self.seeking == Seeking::None {
            return Ok(false);
        }
        let (enters_anywhere, stream) = (self.can_enter(), self.units.stream());
        let container = &mut *self.units.container;
        // Any frame: Matroska's demuxer would wait for a keyframe otherwise, which the file may not mark.
        let any = SeekFlags { backward: true, any: true };
        // By time libavformat may land behind the first packet, where it seeks by bisection.
        let moved = (!enters_anywhere
            && [i64::MIN / 2, 0].iter().any(|&ticks| container.seek(stream, ticks, any).is_ok()))
            || container.seek_to_byte(0).is_ok();
        if moved {
            self.restart();
            self.is_at_start = true;
        }
        Ok(moved)
    }

    /// Opens the container anew; whether it could be.
    fn reopen(&mut self) -> Result<bool, MediaError> {
        if self.seeking == Seeking::None {
            return Ok(false);
        }
        let stream = self.units.stream();
        reopen(self.units.container, self.max_streams)?;
        self.units.container.keep_only(stream);
        self.restart();
        Ok(true)
    }

    /// Forgets what belongs to the place that reading left.
    fn restart(&mut self) {
        self.is_at_start = false;
        self.units.restart();
        self.decoding.restart();
    }

    /// Keeps the access unit of the entry, which was looked at.
    fn hold(&mut self, unit: AccessUnit) {
        self.is_delayed = unit.pts() > unit.dts();
        self.entry_units.push_back(unit);
    }

    /// The next access unit of the pass.
    pub(super) fn next_unit(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        self.is_at_start = false;
        match self.entry_units.pop_front() {
            Some(unit) => Ok(Some(unit)),
            None => self.units.next(),
        }
    }
}

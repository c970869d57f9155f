//! Where in the file a pass begins: at a keyframe that is presented at or before the goal, or at the start.

use super::packets::{AccessUnit, Reordering};
use super::places::Places;
use super::state::Search;
use crate::media::container::analysis::reopen;
use crate::media::container::formats::Seeking;
use crate::media::error::MediaError;
use crate::media::ffi::format::SeekFlags;
use crate::media::units::{Microseconds, Pts, Ticks};
use crate::source::ByteRange;

/// Keyframes that are tried one before the other until one is presented at or before the goal.
const MAX_STEPS_BACK: u32 = 4;
/// Access units that are read at an entry to see how many are held back: H.264 may hold back 16.
const ORDER_WINDOW: usize = 20;
/// How far before the goal a more careful pass begins.
const STEP_BACK: Microseconds = Microseconds::new(10_000_000);
/// Goals nearer to the start than this are reached by reading on, in containers whose seek is inexact: it costs less than a
/// search by bisection, and always lands right.
const READ_ON: Microseconds = Microseconds::new(30_000_000);
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
    Keyframe(Pts),
    Start,
    /// Nowhere: the container has no such entry.
    Nowhere,
}

impl Search<'_, '_> {
    /// The entries of the passes for a goal, the cheapest first.
    pub(super) fn entries(&self, goal: Pts) -> &'static [Entry] {
        let read_on = self.ticks(READ_ON);
        let is_near_start = goal.since(self.start) <= read_on;
        match self.seeking {
            _ if goal <= self.start => &[Entry::Start],
            Seeking::Indexed => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if self.can_enter() => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if !is_near_start => &[Entry::Near, Entry::Start],
            Seeking::Inexact | Seeking::ReadingOn | Seeking::None => &[Entry::Start],
        }
    }

    /// Whether every pass begins at the start.
    pub(super) fn reads_on(&self, goal: Pts) -> bool {
        self.entries(goal) == [Entry::Start]
    }

    pub(super) fn can_enter(&self) -> bool {
        self.places.as_ref().is_some_and(Places::can_enter)
    }

    pub(super) fn ticks(&self, length: Microseconds) -> Ticks {
        self.time_base.ticks(length).unwrap_or(Ticks::MAX)
    }

    /// Moves to an entry for `goal`.
    pub(super) fn enter(&mut self, entry: Entry, goal: Pts) -> Result<Entered, MediaError> {
        if entry != Entry::Start && self.units.needs_first() && !self.knows_first {
            self.read_first(goal)?;
        }
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

    /// Takes from the stream's first packet what a decoder that begins elsewhere would miss.
    fn read_first(&mut self, goal: Pts) -> Result<(), MediaError> {
        self.knows_first = true;
        self.enter_start(goal)?;
        let build = self.next_unit()?.and_then(|unit| unit.x264_build());
        self.decoding.set_x264_build(build);
        Ok(())
    }

    fn find_entry(&mut self, entry: Entry, goal: Pts) -> Result<Entered, MediaError> {
        self.entry_units.clear();
        let step_back = self.ticks(STEP_BACK);
        match (entry, self.seeking) {
            (Entry::Start, _) => self.enter_start(goal),
            (_, Seeking::Indexed) => {
                let time = if entry == Entry::Near { goal } else { goal.saturating_sub(step_back) };
                self.announce(goal);
                self.enter_before(goal, time)
            }
            (_, Seeking::Inexact) if self.can_enter() => {
                self.jump(goal, if entry == Entry::Near { Ticks::ZERO } else { step_back })
            }
            _ => self.enter_before(goal, goal.saturating_sub(step_back)),
        }
    }

    /// Seeks to `time` and looks at the access unit there; goes back from one that is presented after `goal`.
    pub(super) fn enter_before(&mut self, goal: Pts, time: Pts) -> Result<Entered, MediaError> {
        let mut time = time;
        for _ in 0..MAX_STEPS_BACK {
            if time <= self.start || !self.seek(time)? {
                break;
            }
            let Some(unit) = self.units.next()? else { break };
            let Some(pts) = unit.pts().or_else(|| unit.dts()) else { break };
            if unit.is_key() && pts <= goal {
                self.hold(unit);
                return Ok(Entered::Keyframe(pts));
            }
            let landed = unit.dts().map_or(pts, |dts| dts.min(pts));
            time = landed.min(time).saturating_sub(Ticks::ONE);
        }
        self.enter_start(goal)
    }

    /// Moves to the first packet, if it is not there yet.
    pub(super) fn enter_start(&mut self, goal: Pts) -> Result<Entered, MediaError> {
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

    /// Requests what libavformat's index names for the goal, where the layout has planned nothing.
    pub(super) fn announce(&mut self, goal: Pts) {
        let stream = self.units.stream();
        if !self.is_planned
            && let Some((start, end)) = self.units.container.indexed_bytes(stream, goal.get())
        {
            let end = end.saturating_add(BEHIND_ESTIMATE).min(start.saturating_add(MAX_READ_ON));
            self.units.container.input_mut().prefetch(&[ByteRange::new(start, end)]);
        }
    }

    /// Requests what reading on from the start will read. Without an index all of it is needed.
    pub(super) fn request_up_to(&mut self, goal: Pts) {
        let Some(places) = self.places.as_ref().filter(|_| self.seeking != Seeking::Indexed) else { return };
        let place = places.of(goal);
        let input = self.units.container.input_mut();
        let end = place.saturating_add(place / 16).saturating_add(BEHIND_ESTIMATE);
        let start = input.position();
        input.prefetch(&[ByteRange::new(start, end.min(start.saturating_add(MAX_READ_ON)))]);
    }

    /// Moves to the keyframe before `time`; whether the container could.
    pub(super) fn seek(&mut self, time: Pts) -> Result<bool, MediaError> {
        // A seek that fails may have read on.
        self.is_at_start = false;
        let moved = self.units.container.seek_backward(self.units.stream(), time.get()).is_ok();
        if moved {
            self.restart();
        }
        Ok(moved)
    }

    /// Moves to the first packet; whether the container could.
    pub(super) fn rewind(&mut self) -> Result<bool, MediaError> {
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
    pub(super) fn reopen(&mut self) -> Result<bool, MediaError> {
        if self.seeking == Seeking::None {
            return Ok(false);
        }
        let stream = self.units.stream();
        reopen(self.units.container, self.opening)?;
        self.units.container.keep_only(stream);
        self.restart();
        Ok(true)
    }

    /// Forgets what belongs to the place that reading left.
    pub(super) fn restart(&mut self) {
        self.is_at_start = false;
        self.units.restart();
        self.decoding.restart();
        self.encrypted = None;
        self.unreferenced = self.units.unreferenced();
    }

    /// Lets decoding begin at a keyframe that was read.
    pub(super) fn begin_at(&mut self, unit: &AccessUnit) {
        self.is_delayed = unit.pts() > unit.dts();
        self.decoding.restart();
        self.decoding.hold_back(u8::try_from(self.units.depth()).unwrap_or(u8::MAX));
        self.unreferenced = self.units.unreferenced();
    }

    /// Keeps the access unit of the entry, which was looked at.
    pub(super) fn hold(&mut self, unit: AccessUnit) {
        self.is_delayed = unit.pts() > unit.dts();
        self.entry_units.push_back(unit);
    }

    /// Reads the next access unit of the pass if it was not looked at yet, and keeps it.
    pub(super) fn peek_unit(&mut self) -> Result<(), MediaError> {
        if self.entry_units.is_empty() {
            let unit = self.units.next()?;
            self.entry_units.extend(unit);
        }
        Ok(())
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

//! Where in the file a pass begins: at a keyframe that is presented at or before the goal, or at the start.

use super::state::Search;
use crate::media::container::analysis::reopen;
use crate::media::container::formats::Seeking;
use crate::media::container::number_behind;
use crate::media::error::Error;
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
}

impl Search<'_, '_> {
    /// The entries of the passes for a goal, the cheapest first.
    pub(super) fn entries(&self, goal: Pts) -> &'static [Entry] {
        let start = self.places.start;
        let is_near_start = goal.since(start) <= self.ticks(READ_ON);
        match self.handling().seeking {
            _ if goal <= start => &[Entry::Start],
            Seeking::Indexed => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if self.places.can_enter => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if !is_near_start => &[Entry::Near, Entry::Start],
            Seeking::Inexact | Seeking::ReadingOn => &[Entry::Start],
        }
    }

    /// Moves to an entry for `goal`; `None` when the container has no such entry.
    pub(super) fn enter(&mut self, entry: Entry, goal: Pts) -> Result<Option<Entered>, Error> {
        if entry != Entry::Start && std::mem::take(&mut self.units.needs_first) {
            self.enter_start(goal)?;
            let first = self.units.next()?;
            self.decoding.options.x264_build =
                first.and_then(|unit| number_behind(unit.bytes(), b"x264 - core "));
        }
        let step_back = self.ticks(STEP_BACK);
        let entered = match (entry, self.handling().seeking) {
            (Entry::Start, _) => Some(self.enter_start(goal)?),
            (_, Seeking::Indexed) => {
                self.announce(goal);
                let time = if entry == Entry::Near { goal } else { goal.saturating_sub(step_back) };
                Some(self.enter_before(goal, time)?)
            }
            (_, Seeking::Inexact) if self.places.can_enter => {
                self.jump(goal, if entry == Entry::Near { Ticks::ZERO } else { step_back })?
            }
            _ => Some(self.enter_before(goal, goal.saturating_sub(step_back))?),
        };
        // How many frames are held back is seen by their times, where neither the stream nor a decoding time tells it.
        if entered.is_some() && self.units.learns_depth && !self.handling().stores_dts && !self.is_alone {
            self.units.peek(ORDER_WINDOW.saturating_sub(1))?;
        }
        Ok(entered)
    }

    /// Seeks to `time` and looks at the access unit there; goes back from one that is presented after `goal`.
    fn enter_before(&mut self, goal: Pts, time: Pts) -> Result<Entered, Error> {
        let mut time = time;
        for _ in 0..MAX_STEPS_BACK {
            if time <= self.places.start || !self.seek(time)? {
                break;
            }
            let Some(unit) = self.units.peek(0)? else { break };
            let Some(pts) = unit.pts.or(unit.dts) else { break };
            if unit.is_key && pts <= goal {
                return Ok(Entered::Keyframe(pts));
            }
            let landed = unit.dts.map_or(pts, |dts| dts.min(pts));
            time = landed.min(time).saturating_sub(Ticks::ONE);
        }
        self.enter_start(goal)
    }

    /// Moves to the first packet, if it is not there yet.
    fn enter_start(&mut self, goal: Pts) -> Result<Entered, Error> {
        let is_fresh = self.units.stream.is_at_start;
        if !is_fresh && !self.rewind() {
            self.reopen()?;
        }
        self.request_up_to(goal);
        // A seek may leave a demuxer where it gives nothing: Matroska's waits for a keyframe, which the file may not mark.
        if self.units.peek(0)?.is_none() && !is_fresh {
            self.reopen()?;
            let input = self.units.container.input();
            let is_whole = input.visible_size() >= input.size();
            if self.units.peek(0)?.is_none() && self.units.packets_read == 0 && is_whole {
                // Another pass would read all of the file for nothing, too.
                return Err(self.no_frame());
            }
        }
        Ok(Entered::Start)
    }

    /// Requests what libavformat's index names for the goal, where the layout has planned nothing.
    fn announce(&mut self, goal: Pts) {
        if !self.units.stream.is_planned
            && let Some((start, end)) =
                self.units.container.indexed_bytes(self.units.stream.index, goal.get())
        {
            let end = end.saturating_add(BEHIND_ESTIMATE).min(start.saturating_add(MAX_READ_ON));
            self.units.container.input_mut().prefetch(&[ByteRange::new(start, end)]);
        }
    }

    /// Requests what reading on from the start will read. Without an index all of it is needed.
    fn request_up_to(&mut self, goal: Pts) {
        if self.handling().seeking != Seeking::Indexed && self.places.end > self.places.start {
            let place = self.places.of(goal);
            let input = self.units.container.input_mut();
            let end = place.saturating_add(place / 16).saturating_add(BEHIND_ESTIMATE);
            let start = input.position();
            input.prefetch(&[ByteRange::new(start, end.min(start.saturating_add(MAX_READ_ON)))]);
        }
    }

    /// Moves to the keyframe before `time`; whether the container could.
    ///
    /// # Errors
    /// Those of [`reopen`](Self::reopen).
    fn seek(&mut self, time: Pts) -> Result<bool, Error> {
        // libavformat remembers which fragment follows on an earlier place, and does not look when it returns to the last one. It then
        // reads the fragments between, and gives packets the times of others (mov_seek_fragment and mov_read_trun, libavformat/mov.c).
        if self.units.stream.opening.reads_named_fragments && !self.units.stream.is_at_start {
            self.reopen()?;
        }
        // A seek that fails may have read on.
        self.units.stream.is_at_start = false;
        let moved = self.units.container.seek_backward(self.units.stream.index, time.get()).is_ok();
        if moved {
            self.restart();
        }
        Ok(moved)
    }

    /// Moves to the first packet; whether the container could.
    fn rewind(&mut self) -> bool {
        let (enters_anywhere, stream) = (self.places.can_enter, self.units.stream.index);
        let container = &mut *self.units.container;
        // Any frame: Matroska's demuxer would wait for a keyframe otherwise, which the file may not mark.
        let any = SeekFlags { backward: true, any: true };
        // By time libavformat may land behind the first packet, where it seeks by bisection.
        let moved = (!enters_anywhere
            && [i64::MIN / 2, 0].iter().any(|&ticks| container.seek(stream, ticks, any).is_ok()))
            || container.seek_to_byte(0).is_ok();
        if moved {
            self.restart();
        }
        moved
    }

    /// Opens the container anew.
    fn reopen(&mut self) -> Result<(), Error> {
        reopen(self.units.container, &self.units.stream.opening)?;
        self.units.container.keep_only(self.units.stream.index);
        self.restart();
        Ok(())
    }
}

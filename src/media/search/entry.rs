//! The position in the file where a pass begins: at a keyframe that is presented at or before the goal, or at the start.

use super::state::Search;
use crate::media::container::analysis::reopen;
use crate::media::container::formats::{Seeking, Timestamps};
use crate::media::container::number_behind;
use crate::media::error::Error;
use crate::media::ffi::format::SeekFlags;
use crate::media::units::{Microseconds, Pts, Ticks};
use crate::source::ByteRange;

/// Maximum number of steps back to an earlier keyframe, until a keyframe is presented at or before the goal.
const MAX_STEPS_BACK: u32 = 4;
/// Number of access units that are read at an entry to learn how many frames are held back: H.264 may hold back 16.
const ORDER_WINDOW: usize = 20;
/// Distance before the goal at which a more careful pass begins.
const STEP_BACK: Microseconds = Microseconds::new(10_000_000);
/// Goals closer to the start than this are reached by reading on, in containers whose seek is inexact: reading on costs less than a
/// search by bisection, and always reaches the right position.
const READ_ON: Microseconds = Microseconds::new(30_000_000);
/// Maximum number of bytes that are requested at once where everything up to the goal must be read. The rest is requested while
/// reading continues.
const MAX_READ_ON: u64 = 16 << 20;
/// Number of bytes to read after the estimated position of the wanted frame.
const BEHIND_ESTIMATE: u64 = 16 << 10;

/// The entry of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// At the keyframe before the goal.
    Near,
    /// At a keyframe well before that one.
    Earlier,
    /// At the first packet.
    Start,
}

/// The actual entry of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    /// At a keyframe with this presentation time.
    Keyframe(Pts),
    Start,
}

impl Search<'_, '_> {
    /// Returns the entries of the passes for a goal, cheapest first.
    pub(super) fn entries(&self, goal: Pts) -> &'static [Entry] {
        let start = self.places.start;
        let is_near_start = goal.since(start) <= self.ticks(READ_ON);
        match self.handling().seeking {
            _ if goal <= start || self.needs_start => &[Entry::Start],
            Seeking::Indexed => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if self.places.can_enter => &[Entry::Near, Entry::Earlier, Entry::Start],
            Seeking::Inexact if !is_near_start => &[Entry::Near, Entry::Start],
            Seeking::Inexact | Seeking::ReadingOn => &[Entry::Start],
        }
    }

    /// Moves to an entry for `goal`. Returns `None` when the container has no such entry.
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
        if matches!(entered, Some(Entered::Keyframe(_))) {
            self.references = Some(0);
        }
        // Where neither the stream nor decoding times contain the number of frames that are held back, the presentation times reveal
        // it.
        if entered.is_some() && self.units.learns_depth && !self.handling().stores_dts && !self.is_alone {
            self.units.peek(ORDER_WINDOW.saturating_sub(1))?;
        }
        Ok(entered)
    }

    /// Seeks to `time` and reads the access unit there. Goes back if that unit is presented after `goal`.
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

    /// Moves to the first packet, unless the position is there already.
    fn enter_start(&mut self, goal: Pts) -> Result<Entered, Error> {
        let is_fresh = self.units.stream.is_at_start;
        // After a seek, libavformat computes other times than at the start, or gives packets without timestamps none.
        let reckons =
            self.handling().timestamps == Timestamps::Reckoned && self.handling().seeking == Seeking::Inexact;
        let must_reopen = reckons || self.units.stream.opening.lacks_times;
        let is_rewound = !is_fresh && !must_reopen && self.rewind();
        if !is_fresh && !is_rewound {
            self.reopen()?;
        }
        self.request_up_to(goal);
        if is_rewound && !self.is_at_first_packet()? {
            self.reopen()?;
            self.request_up_to(goal);
        }
        // After a seek, a demuxer may return nothing: Matroska's demuxer waits for a keyframe, which the file may not mark.
        if self.units.peek(0)?.is_none() && !is_fresh {
            self.reopen()?;
            let input = self.units.container.input();
            let is_whole = input.visible_size() >= input.size();
            if self.units.peek(0)?.is_none() && self.units.packets_read == 0 && is_whole {
                // Another pass would also read the whole file in vain.
                return Err(self.no_frame());
            }
        }
        Ok(Entered::Start)
    }

    /// Returns whether a seek to the start has led to the first packet, as far as its times show. In AVI that begins with dropped frames, the
    /// first packet has another time after a seek, or no presentation time.
    fn is_at_first_packet(&mut self) -> Result<bool, Error> {
        let (start, timestamps) = (self.units.stream.start, self.handling().timestamps);
        Ok(self.units.peek(0)?.is_none_or(|first| {
            let has_time = first.pts.is_some() || timestamps != Timestamps::Reckoned;
            has_time && [first.pts, first.dts].into_iter().flatten().min() <= Some(start)
        }))
    }

    /// Requests the bytes that libavformat's index lists for the goal, where the layout has planned nothing.
    fn announce(&mut self, goal: Pts) {
        if !self.units.stream.is_planned
            && let Some((start, end)) =
                self.units.container.indexed_bytes(self.units.stream.index, goal.get())
        {
            let end = end.saturating_add(BEHIND_ESTIMATE).min(start.saturating_add(MAX_READ_ON));
            self.units.container.input_mut().prefetch(&[ByteRange::new(start, end)]);
        }
    }

    /// Requests the bytes from the start to the goal. Without an index, all of them are needed.
    fn request_up_to(&mut self, goal: Pts) {
        if self.handling().seeking != Seeking::Indexed && self.places.end > self.places.start {
            let place = self.places.of(goal);
            let input = self.units.container.input_mut();
            let end = place.saturating_add(place / 16).saturating_add(BEHIND_ESTIMATE);
            let start = input.position();
            input.prefetch(&[ByteRange::new(start, end.min(start.saturating_add(MAX_READ_ON)))]);
        }
    }

    /// Moves to the keyframe before `time`. Returns whether the container was able to do so.
    ///
    /// # Errors
    /// The errors of [`reopen`](Self::reopen).
    fn seek(&mut self, time: Pts) -> Result<bool, Error> {
        // libavformat remembers the next fragment of an earlier position, and does not search it again when it returns to the last
        // one. It then reads the fragments in between, and assigns packets the times of others (mov_seek_fragment and mov_read_trun,
        // libavformat/mov.c).
        if self.units.stream.opening.reads_named_fragments && !self.units.stream.is_at_start {
            self.reopen()?;
        }
        // A failed seek may have changed the position.
        self.units.stream.is_at_start = false;
        let moved = self.units.container.seek_backward(self.units.stream.index, time.get()).is_ok();
        if moved {
            self.restart();
        }
        Ok(moved)
    }

    /// Moves to the first packet. Returns whether the container was able to do so.
    fn rewind(&mut self) -> bool {
        let (enters_anywhere, stream) = (self.places.can_enter, self.units.stream.index);
        let container = &mut *self.units.container;
        // Any frame: Matroska's demuxer would otherwise wait for a keyframe, which the file may not mark.
        let any = SeekFlags { backward: true, any: true };
        // A seek by time may land after the first packet, where libavformat seeks by bisection.
        let moved = (!enters_anywhere
            && [i64::MIN / 2, 0].iter().any(|&ticks| container.seek(stream, ticks, any).is_ok()))
            || container.seek_to_byte(0).is_ok();
        if moved {
            self.restart();
        }
        moved
    }

    /// Opens the container again.
    fn reopen(&mut self) -> Result<(), Error> {
        reopen(self.units.container, &self.units.stream.opening)?;
        self.units.container.keep_only(self.units.stream.index);
        self.restart();
        Ok(())
    }
}

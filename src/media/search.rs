//! Finding the frame: where decoding begins, which access units are decoded, and which of the frames is taken.
//!
//! The unit of search is the access unit ([`packets`]): one coded frame, in one packet or in two field packets. A pass enters
//! the container at a keyframe before the goal ([`entry`]), and decodes from there ([`decode`]). The first pass is economical:
//! it leaves out frames that no other frame refers to, and feeds the decoder nothing behind the access unit that holds the
//! frame. The timestamps of the packets tell which one that is; so each pass has an expectation beside its result.
//!
//! A pass is believed when the frame that came is the expected one and nothing went wrong on the way. Otherwise the next, more
//! careful pass runs: it decodes everything from the same entry, then from an earlier one, then from the start. What comes
//! from the start is the result, because it is what a full decode gives.
//!
//! Nothing here asks a plan. The plans of [`layout`](super::layout) only let the bytes arrive sooner.

mod decode;
mod entry;
mod packets;
mod window;

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::media::error::MediaError;
use crate::media::ffi::frame::Frame;
use crate::media::ffi::packet::Packet;
use crate::media::info::Ratio;
use crate::media::input::Container;
use crate::media::frame::poster::FrameReason;
use crate::media::timeline;
use decode::{Decoding, Output, Setup, Timed};
use entry::{Entered, Entry};
pub(super) use entry::Places;
use packets::{AccessUnit, Order, Units, Reordering};
use window::{DecodingTimes, Window};

/// Access units read beyond the goal, at most, to learn which one holds the frame. H.264 and HEVC reorder by 16.
const MAX_LOOK_AHEAD: usize = 32;
/// Access units looked at in search of a B-frame, where the times do not tell the order of frames.
const ORDER_WINDOW: usize = 5;
/// Frames decoded beyond the goal, at most, in search of the expected one.
const MAX_BEYOND: u32 = 32;
/// A frame this far behind the goal, in microseconds, carries a damaged time: no video shows one frame for a day.
const MAX_GAP: i64 = 86_400_000_000;

/// How a container seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seeking {
    /// By an index: lands on the keyframe before the time asked for.
    Indexed,
    /// By bisection or guesswork: may land late, or nowhere.
    Inexact,
    /// Only by reading on from the start: there is no index, and libavformat would read all of the file to make one.
    ReadingOn,
    /// Not at all.
    None,
}

/// Where the presentation times of a container's frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timestamps {
    /// From the container: each packet carries its own.
    Stored,
    /// From libavformat and libavcodec, by the order of the frames. Leaving one out would move the others.
    Reckoned,
    /// From the number of frames before: the file is a bare stream, without any.
    Counted,
}

/// What to look for, in ticks of the stream, absolute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// The time asked for.
    pub(super) wanted: i64,
    /// The start of the presentation.
    pub(super) start: i64,
    /// Half of the duration after the start, when the container tells a duration.
    pub(super) half: Option<i64>,
    /// Whether the container says that it ends before `wanted`.
    pub(super) ends_before: bool,
    /// Whether the container shows only a part of the file: then no other frame is taken for the wanted one.
    pub(super) is_partial: bool,
}

pub(super) struct Found {
    pub(super) frame: Frame,
    pub(super) pts: i64,
    pub(super) reason: FrameReason,
    /// Whether the end came before it was certain that no earlier frame follows.
    pub(super) reached_end: bool,
}

/// What a search needs to know of the stream.
pub(super) struct Stream<'m> {
    pub(super) index: usize,
    pub(super) seeking: Seeking,
    pub(super) timestamps: Timestamps,
    /// Whether the container stores decoding times.
    pub(super) stores_dts: bool,
    /// Packets that were read while the container was opened.
    pub(super) pending: &'m mut VecDeque<Packet>,
    /// Whether reading stands at the first packet.
    pub(super) is_at_start: bool,
    /// Whether the layout has requested the packets.
    pub(super) is_planned: bool,
    pub(super) threads: NonZeroUsize,
    pub(super) max_pixels: u64,
    pub(super) max_packets: u64,
    /// Streams that the container may have when it is opened again.
    pub(super) max_streams: u32,
}

/// One stream of a container being decoded.
pub(super) struct Search<'m, 'r> {
    units: Units<'m, 'r>,
    decoding: Decoding,
    pub(super) time_base: Ratio,
    seeking: Seeking,
    timestamps: Timestamps,
    /// Start of the presentation in ticks.
    start: i64,
    /// Where times lie in the file.
    places: Option<Places>,
    is_planned: bool,
    is_at_start: bool,
    /// The access units that were looked at on entering.
    entry_units: VecDeque<AccessUnit>,
    reorder: Reordering,
    /// Whether the container stores decoding times. Others are reckoned by libavformat, and may be too late.
    stores_dts: bool,
    /// Whether the keyframe of the entry is presented after its decoding time.
    is_delayed: bool,
    /// Whether the container's marks of keyframes are to be believed without the decoder's word.
    marks_keyframes: bool,
    max_streams: u32,
    passes: u32,
}

/// What a pass ended with.
#[derive(Default)]
struct Pass {
    /// The first frame at or after the goal.
    frame: Option<Timed>,
    /// What the packets promise: the presentation time of that frame, or that there is none. `None` when they do not tell.
    expected: Option<Promise>,
    /// Whether something went wrong that may have changed the frame.
    is_spoilt: bool,
    /// Whether frames were left out.
    is_economical: bool,
    /// Whether the packets do not tell which of them is the last one needed.
    feeds_on: bool,
    /// Whether libavcodec gave a frame another time than its packet had.
    is_retimed: bool,
    /// Whether decoding began at a frame that needs others, or may have.
    begins_inside: bool,
    /// Whether the decoder said that the frame of the entry needs no other.
    begins_intra: bool,
    /// Whether the end came before it was certain that no earlier frame follows.
    reached_end: bool,
    /// The latest presentation time of the pass.
    last_pts: Option<i64>,
    /// The last frame of the pass, and the last undamaged one.
    last: Option<Timed>,
    last_whole: Option<Timed>,
}

/// What packets say of the frame at a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// It has this presentation time.
    Frame(i64),
    /// There is none.
    Nothing,
}

impl Pass {
    /// Whether the frame that came is the expected one, or none came where none was expected.
    fn is_as_expected(&self) -> bool {
        match (self.expected, &self.frame) {
            (Some(Promise::Frame(expected)), Some(frame)) => frame.pts == expected,
            (Some(Promise::Nothing), None) | (None, _) => true,
            _ => false,
        }
    }

    fn is_trusted(&self) -> bool {
        !self.is_spoilt && !self.begins_inside && self.is_as_expected()
    }
}

impl<'m, 'r> Search<'m, 'r> {
    pub(super) fn new(
        container: &'m mut Container<'r>,
        stream: Stream<'m>,
        start: i64,
        places: Option<Places>,
    ) -> Result<Self, MediaError> {
        let view = container.stream(stream.index).ok_or_else(missing_stream)?;
        let time_base = Ratio::from(view.time_base());
        let is_intra_only = view.codec_properties().intra_only;
        let reorder = Reordering::of(view);
        let rate = container.guess_frame_rate(stream.index);
        let frame_microseconds =
            rate.and_then(|rate| timeline::to_microseconds(1, Ratio { num: rate.den, den: rate.num }));
        let frame_ticks =
            frame_microseconds.and_then(|length| timeline::to_ticks(length, time_base)).unwrap_or(1).max(1);
        let setup = Setup {
            threads: stream.threads,
            max_pixels: stream.max_pixels,
            frame_ticks,
            is_counted: stream.timestamps == Timestamps::Counted,
        };
        let decoding = Decoding::new(setup);
        // An index that marks every frame, of a codec whose frames refer to others, marks nothing.
        let marks_keyframes =
            is_intra_only || stream.seeking != Seeking::Indexed || names_other_frames(container, stream.index);
        Ok(Self {
            units: Units::new(container, stream.index, stream.pending, stream.max_packets),
            decoding,
            time_base,
            seeking: stream.seeking,
            timestamps: stream.timestamps,
            start,
            places,
            is_planned: stream.is_planned,
            is_at_start: stream.is_at_start,
            entry_units: VecDeque::new(),
            reorder,
            stores_dts: stream.stores_dts,
            is_delayed: false,
            marks_keyframes,
            max_streams: stream.max_streams,
            passes: 0,
        })
    }

    /// Packets that were given to the decoder, in all passes.
    pub(super) const fn packets_decoded(&self) -> u64 {
        self.decoding.packets_decoded()
    }

    /// Passes in which something was decoded.
    pub(super) const fn passes(&self) -> u32 {
        self.passes
    }

    /// Finds the frame by SPEC's rule: at or after the wanted time; else at or after half of the duration; else the last.
    /// `None` when the container shows only a part of the file, and the wanted frame is not in it.
    pub(super) fn find(&mut self, target: Target) -> Result<Option<Found>, MediaError> {
        if target.ends_before
            && !target.is_partial
            && let Some(half) = target.half
            && self.reads_on(target.wanted)
        {
            return self.find_reading_on(target, half).map(Some);
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
    fn find_early(&mut self, target: Target, last_pts: Option<i64>) -> Result<Found, MediaError> {
        self.refuse_size()?;
        // Where the container tells no duration, the last frame's time does.
        let middle = |last: i64| target.start.saturating_add(last.saturating_sub(target.start) / 2);
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
    fn find_reading_on(&mut self, target: Target, half: i64) -> Result<Found, MediaError> {
        let mut pass = self.frame_at(half)?;
        let Some(middle) = pass.take(FrameReason::HalfDuration) else { return self.last_frame(target.wanted) };
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
    const fn refuse_size(&self) -> Result<(), MediaError> {
        if self.decoding.size_refused() { Err(self.decoding.too_many_pixels()) } else { Ok(()) }
    }

    /// Whether the packets from the entry for `goal` on say that there is no frame at or after it. Nothing is decoded.
    fn has_nothing_at(&mut self, goal: i64, last_pts: &mut Option<i64>) -> Result<bool, MediaError> {
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
    fn continues_to(&mut self, goal: i64) -> Result<bool, MediaError> {
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

    /// The first frame at or after `goal`, by as many passes as it takes.
    fn frame_at(&mut self, goal: i64) -> Result<Pass, MediaError> {
        let mut expected = None;
        // What a clean pass gave although the packets promise something else.
        let mut candidate = None;
        let mut is_first = self.timestamps == Timestamps::Stored;
        let mut skips_to_start = false;
        for &entry in self.entries(goal) {
            if skips_to_start && entry != Entry::Start {
                continue;
            }
            let mut entered = self.enter(entry, goal)?;
            if std::mem::take(&mut is_first) && entered != Entered::Nowhere {
                let pass = self.economical_pass(entered, goal)?;
                if pass.is_trusted() {
                    return Ok(pass);
                }
                expected = pass.expected;
                // Only the start has the times that libavcodec reckons there.
                skips_to_start =
                    (pass.begins_inside && !self.marks_keyframes) || self.units.order() == Order::Repeated;
                if skips_to_start && entered != Entered::Start {
                    continue;
                }
                entered = self.enter(entry, goal)?;
            }
            if entered == Entered::Nowhere && entry != Entry::Start {
                continue;
            }
            let pass = self.full_pass(entered, goal, expected)?;
            // Nothing can be more careful than a full decode from the start.
            if entered == Entered::Start || entry == Entry::Start || pass.is_trusted() {
                return Ok(pass);
            }
            let is_clean = !pass.is_spoilt && !pass.begins_inside;
            let came = pass.frame.as_ref().map(|frame| frame.pts);
            // Two entries agree that the packet of the expected frame gives none.
            if is_clean && candidate == Some(came) {
                return Ok(pass);
            }
            candidate = is_clean.then_some(came);
            skips_to_start |= pass.is_retimed && self.units.order() == Order::Doubtful;
        }
        Ok(Pass::default())
    }

    /// Decodes what the frame at or after `goal` needs, and nothing else.
    fn economical_pass(&mut self, entered: Entered, goal: i64) -> Result<Pass, MediaError> {
        self.passes += 1;
        let mut pass = Pass { is_economical: true, ..Pass::default() };
        let mut ahead = VecDeque::new();
        loop {
            self.check()?;
            match self.decoding.receive(self.units.source())? {
                Output::Frame(timed) => {
                    self.judge(&mut pass, &timed, entered);
                    if timed.pts >= goal {
                        pass.frame = Some(timed);
                        break;
                    }
                }
                Output::Ended => break,
                Output::NeedsInput => {
                    if let Some(unit) = ahead.pop_front() {
                        self.send(unit, goal);
                    } else if pass.expected.is_some() {
                        self.decoding.drain();
                    } else if let Some(unit) = self.next_unit()? {
                        // Packets without times do not tell: everything is decoded.
                        let Some(pts) = unit.pts() else {
                            pass.is_spoilt = true;
                            return Ok(pass);
                        };
                        pass.last_pts = pass.last_pts.max(Some(pts));
                        if pts < goal || pass.feeds_on {
                            self.send(unit, goal);
                        } else {
                            self.look_ahead(&mut pass, &mut ahead, unit, goal)?;
                        }
                    } else if pass.feeds_on {
                        pass.reached_end = true;
                        self.decoding.drain();
                    } else {
                        pass.expected = Some(Promise::Nothing);
                        pass.reached_end = true;
                        break;
                    }
                }
            }
        }
        self.conclude(&mut pass, entered);
        Ok(pass)
    }

    /// Reads on from the first access unit at or after the goal until it is certain which one holds the frame, and keeps what is
    /// needed in `ahead`. Without certainty everything read is decoded, and the decoder tells by the order of its frames.
    ///
    /// The decoder is then told that the last one of these is the end, instead of being fed until its delay is through: for a
    /// frame with two B-frames behind it that is two frames less to decode.
    fn look_ahead(
        &mut self,
        pass: &mut Pass,
        ahead: &mut VecDeque<AccessUnit>,
        first: AccessUnit,
        goal: i64,
    ) -> Result<(), MediaError> {
        let mut window = Window::new(goal, self.reorder.depth(), self.decoding_times());
        window.add(&first);
        ahead.push_back(first);
        loop {
            let is_ordered = self.units.order() != Order::Unknown || ahead.len() >= ORDER_WINDOW;
            if window.is_certain() && is_ordered {
                break;
            }
            let unit = if ahead.len() < MAX_LOOK_AHEAD { self.next_unit()? } else { None };
            let Some(unit) = unit else {
                pass.reached_end = ahead.len() < MAX_LOOK_AHEAD && !window.is_certain();
                break;
            };
            window.add(&unit);
            pass.last_pts = pass.last_pts.max(unit.pts());
            ahead.push_back(unit);
        }
        match window.best() {
            Some(best) if window.is_certain() || pass.reached_end => {
                ahead.truncate(window.needed());
                pass.expected = Some(Promise::Frame(best));
            }
            _ => pass.feeds_on = true,
        }
        Ok(())
    }

    /// How far decoding times of this pass tell that no earlier frame can follow.
    const fn decoding_times(&self) -> DecodingTimes {
        match (self.stores_dts, self.units.order()) {
            (false, _) => DecodingTimes::Absent,
            (true, Order::Unknown) => DecodingTimes::Equal,
            (true, _) if self.is_delayed => DecodingTimes::Earlier,
            (true, _) => DecodingTimes::Absent,
        }
    }

    /// Decodes everything from an entry on until a frame at or after `goal`.
    fn full_pass(
        &mut self,
        entered: Entered,
        goal: i64,
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
        self.conclude(&mut pass, entered);
        Ok(pass)
    }

    /// The last frame that decodes; of a damaged one, the one before it.
    fn last_frame(&mut self, goal: i64) -> Result<Found, MediaError> {
        for &entry in self.entries(goal) {
            let entered = self.enter(entry, goal)?;
            if entered == Entered::Nowhere && entry != Entry::Start {
                continue;
            }
            let mut pass = self.full_pass(entered, i64::MAX, Some(Promise::Nothing))?;
            if entered != Entered::Start && entry != Entry::Start && !pass.is_trusted() {
                continue;
            }
            self.refuse_size()?;
            let last = pass.last_whole.take().or(pass.last.take());
            let Some(last) = last else { break };
            let reason = FrameReason::LastFrame;
            return Ok(Found { frame: last.frame, pts: last.pts, reason, reached_end: true });
        }
        self.refuse_size()?;
        let first_error = self.decoding.first_error().or(self.units.first_error()).map(str::to_owned);
        Err(no_frame(
            self.units.packets_read(),
            self.decoding.errors().saturating_add(self.units.errors()),
            first_error,
        ))
    }

    /// The next frame, whatever it is; everything is decoded.
    fn next_frame(&mut self) -> Result<Option<Timed>, MediaError> {
        loop {
            // libav polls nothing while it decodes: between packets is where the deadline is looked at.
            self.check()?;
            match self.decoding.receive(self.units.source())? {
                Output::Frame(timed) => return Ok(Some(timed)),
                Output::Ended => return Ok(None),
                Output::NeedsInput => match self.next_unit()? {
                    Some(unit) => self.decoding.send(unit, false),
                    None => self.decoding.drain(),
                },
            }
        }
    }

    /// Gives an access unit to the decoder, which may leave out frames before `goal` that no other refers to.
    fn send(&mut self, unit: AccessUnit, goal: i64) {
        let skips = !unit.is_field_coded() && unit.pts().is_some_and(|pts| pts < goal);
        self.decoding.send(unit, skips);
    }

    /// Takes down what a frame says of the pass. Frames that are presented before the keyframe of the entry may lack what they
    /// refer to; nothing behind it refers to them.
    fn judge(&self, pass: &mut Pass, timed: &Timed, entered: Entered) {
        pass.is_retimed |= timed.is_retimed;
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

    fn conclude(&self, pass: &mut Pass, entered: Entered) {
        pass.is_spoilt |= self.decoding.errors() > 0 || self.units.errors() > 0;
        pass.is_spoilt |= match self.units.order() {
            Order::Unknown | Order::AsTimed => false,
            Order::Doubtful => pass.is_economical || pass.is_retimed,
            Order::Repeated => true,
        };
        let is_keyframe = self.marks_keyframes || pass.begins_intra;
        pass.begins_inside |= matches!(entered, Entered::Keyframe(_)) && !is_keyframe;
    }

    fn is_far_behind(&self, pts: i64, goal: i64) -> bool {
        let gap = timeline::to_ticks(MAX_GAP, self.time_base).unwrap_or(i64::MAX);
        pts.saturating_sub(goal) > gap
    }

    fn check(&mut self) -> Result<(), MediaError> {
        Ok(self.units.container.input_mut().check()?)
    }
}

impl Pass {
    fn keep_last(&mut self, timed: Timed) {
        if timed.is_damaged {
            self.last = Some(timed);
        } else {
            self.last = None;
            self.last_whole = Some(timed);
        }
    }

    fn take(&mut self, reason: FrameReason) -> Option<Found> {
        let reached_end = self.reached_end;
        self.frame.take().map(|timed| Found { frame: timed.frame, pts: timed.pts, reason, reached_end })
    }
}

/// Decodes a picture that is the only one of its stream.
pub(super) fn still(
    container: &Container<'_>,
    stream: usize,
    packet: Packet,
    target: Target,
    max_pixels: u64,
) -> Result<Found, MediaError> {
    let setup = Setup { threads: NonZeroUsize::MIN, max_pixels, frame_ticks: 1, is_counted: false };
    let mut decoding = Decoding::new(setup);
    decoding.send(AccessUnit::of_packet(packet), false);
    loop {
        match decoding.receive((container, stream))? {
            Output::Frame(Timed { frame, pts, .. }) => {
                let reason = match target.half {
                    _ if pts >= target.wanted => FrameReason::AtTarget,
                    Some(half) if pts >= half => FrameReason::HalfDuration,
                    _ => FrameReason::LastFrame,
                };
                return Ok(Found { frame, pts, reason, reached_end: true });
            }
            Output::NeedsInput => decoding.drain(),
            Output::Ended => {
                return Err(no_frame(1, decoding.errors(), decoding.first_error().map(str::to_owned)));
            }
        }
    }
}

/// Whether the stream's index names a frame that is no keyframe.
fn names_other_frames(container: &Container<'_>, stream: usize) -> bool {
    (0..container.index_entry_count(stream))
        .any(|number| container.index_entry_at(stream, number).is_some_and(|entry| !entry.is_key))
}

pub(super) fn missing_stream() -> MediaError {
    MediaError::Library { step: "finding the stream", reason: "it is gone".to_owned() }
}

pub(super) fn no_frame(packets: u64, errors: u64, first: Option<String>) -> MediaError {
    let first = first.unwrap_or_else(|| "the video has no packets".to_owned());
    MediaError::NoFrame { packets, errors, first }
}

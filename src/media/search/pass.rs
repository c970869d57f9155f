//! One pass: decodes access units from an entry, and compares the result with the expectation from the packets.

use super::decode::{Output, Timed};
use super::entry::Entered;
use super::packets::AccessUnit;
use super::state::Search;
use super::target::{Found, FrameReason};
use super::window::{Window, lacks_frames};
use crate::media::container::formats::Timestamps;
use crate::media::error::Error;
use crate::media::units::{Microseconds, Pts};

/// A frame this far after the goal, in microseconds, has a damaged time: no video presents one frame for a day.
const MAX_GAP: Microseconds = Microseconds::new(86_400_000_000);
/// Maximum number of access units that are held until it is clear that no later keyframe makes them unnecessary.
pub(super) const MAX_HELD: usize = 300;
/// Maximum number of access units that are read beyond the goal, to learn which one contains the frame. H.264 and HEVC reorder by
/// 16.
const MAX_LOOK_AHEAD: usize = 32;
/// Maximum number of frames that are decoded beyond the goal, in search of the expected one.
const MAX_BEYOND: u32 = 32;

/// The result of a pass.
pub(super) struct Pass {
    pub(super) entered: Entered,
    /// The first frame at or after the goal.
    pub(super) frame: Option<Timed>,
    /// The expectation from the packets: the presentation time of that frame, or that there is none. `None` when the packets do not
    /// reveal it.
    pub(super) expected: Option<Promise>,
    /// Whether an error occurred that may have changed the frame.
    pub(super) is_spoilt: bool,
    /// Whether decoding began at a frame that needs other frames, or may need them.
    pub(super) begins_inside: bool,
    /// Whether the keyframe of the entry begins to refresh the picture, and the frame may not be refreshed.
    pub(super) refreshes_late: bool,
    /// Whether the decoder reported that the frame of the entry needs no other.
    begins_intra: bool,
    /// The earliest presentation time that the decoder returned.
    first_pts: Option<Pts>,
    /// Whether the first frame that the decoder returned needs others.
    begins_predicted: bool,
    /// The latest presentation time of the pass.
    pub(super) last_pts: Option<Pts>,
    /// The last undamaged frame before the goal, or the last one if all are damaged.
    pub(super) last: Option<Timed>,
}

/// The access units for the decoder.
pub(super) struct Feed {
    /// The number of access units to send.
    pub(super) count: usize,
    /// Whether these are all access units. The decoder then receives the end of the stream after the last one, instead of further
    /// units until its delay has passed: for a frame with two B-frames after it, two frames less are decoded.
    pub(super) is_all: bool,
    /// Frames before this time may be skipped if no other frame references them.
    pub(super) skips_before: Option<Pts>,
    /// Frames with these times must not be skipped.
    pub(super) keeps: Vec<Pts>,
}

impl Feed {
    /// Sends this number of access units, and skips unreferenced frames before the goal.
    const fn before(goal: Pts, count: usize, is_all: bool) -> Self {
        Self { count, is_all, skips_before: Some(goal), keeps: Vec::new() }
    }

    /// Sends no further access units.
    pub(super) const fn nothing_more() -> Self {
        Self { count: 0, is_all: true, skips_before: None, keeps: Vec::new() }
    }

    /// Sends all access units and skips no frame.
    pub(super) const fn everything() -> Self {
        Self { count: usize::MAX, is_all: true, skips_before: None, keeps: Vec::new() }
    }
}

/// The expectation from the packets for the frame at a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// The frame has this presentation time.
    Frame(Pts),
    /// There is no frame.
    Nothing,
}

impl Pass {
    pub(super) const fn new(entered: Entered, expected: Option<Promise>) -> Self {
        Self {
            entered,
            frame: None,
            expected,
            is_spoilt: false,
            begins_inside: false,
            refreshes_late: false,
            begins_intra: false,
            first_pts: None,
            begins_predicted: false,
            last_pts: None,
            last: None,
        }
    }

    /// Returns whether no error occurred.
    pub(super) const fn is_clean(&self) -> bool {
        !self.is_spoilt && !self.begins_inside
    }

    /// Returns whether no error occurred and the result is the expected frame, or is no frame where none was expected.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_clean()
            && match (self.expected, &self.frame) {
                (Some(Promise::Frame(expected)), Some(frame)) => frame.pts == expected,
                (Some(Promise::Nothing), None) | (None, _) => true,
                _ => false,
            }
    }

    /// Records what a frame reveals about the pass. Frames that are presented before the keyframe of the entry may lack their
    /// references. No frame after the keyframe references them.
    pub(super) fn judge(&mut self, timed: &Timed) {
        self.begins_predicted |= self.first_pts.is_none() && timed.is_intra == Some(false);
        self.first_pts = Some(self.first_pts.map_or(timed.pts, |first| first.min(timed.pts)));
        let Entered::Keyframe(first) = self.entered else {
            self.is_spoilt |= timed.is_damaged;
            return;
        };
        self.is_spoilt |= !timed.is_timed || (timed.pts >= first && timed.is_damaged);
        if timed.pts == first {
            self.begins_inside |= timed.is_intra == Some(false);
            self.begins_intra |= timed.is_intra == Some(true);
        }
    }

    fn keep_last(&mut self, timed: Timed) {
        self.last_pts = self.last_pts.max(Some(timed.pts));
        if !timed.is_damaged || self.last.as_ref().is_none_or(|last| last.is_damaged) {
            self.last = Some(timed);
        }
    }

    pub(super) fn take(&mut self, reason: FrameReason) -> Option<Found> {
        self.frame.take().map(|timed| timed.found(reason))
    }
}

impl Search<'_, '_> {
    /// Decodes only the access units that the frame at or after `goal` needs.
    pub(super) fn economical_pass(&mut self, entered: Entered, goal: Pts) -> Result<Pass, Error> {
        self.passes += 1;
        let mut pass = Pass::new(entered, None);
        // Access units that were examined and will be decoded.
        let mut ahead = 0;
        loop {
            let Some(unit) = self.units.peek(ahead)? else {
                pass.expected = Some(Promise::Nothing);
                pass.last_pts = self.units.latest();
                return Ok(pass);
            };
            // Packets without times reveal nothing: everything is decoded.
            let Some(pts) = unit.pts else {
                pass.is_spoilt = true;
                return Ok(pass);
            };
            self.request_rest(unit, goal);
            if unit.is_key && pts <= goal {
                // Earlier access units are not needed.
                pass = self.begin_at(ahead, pts);
                ahead = 0;
            }
            if pts >= goal {
                break;
            }
            ahead += 1;
            if ahead > MAX_HELD {
                // A long GOP must not fill the memory.
                let count = ahead.saturating_sub(MAX_HELD / 2);
                ahead = ahead.saturating_sub(count);
                self.decode(&mut pass, &mut Feed::before(goal, count, false), goal)?;
            }
        }
        let count = if let Some((pts, number)) = self.look_ahead(ahead, goal)? {
            ahead = ahead.saturating_add(number);
            if self.units.peek(ahead)?.is_some_and(|unit| unit.is_key) {
                // This access unit needs nothing before it.
                pass = self.begin_at(ahead, pts);
                ahead = 0;
            }
            pass.expected = Some(Promise::Frame(pts));
            ahead.saturating_add(1)
        } else {
            // Everything is decoded, and the decoder determines the order of its frames.
            usize::MAX
        };
        self.decode(&mut pass, &mut Feed::before(goal, count, true), goal)?;
        self.conclude(&mut pass, goal)?;
        pass.last_pts = self.units.latest();
        Ok(pass)
    }

    /// Begins decoding at a keyframe that was examined, and skips the access units before it.
    pub(super) fn begin_at(&mut self, before: usize, keyframe: Pts) -> Pass {
        self.units.skip(before);
        let is_inside = before > 0 || self.references.is_some();
        self.restart_decoding();
        self.references = is_inside.then_some(0);
        Pass::new(Entered::Keyframe(keyframe), None)
    }

    /// Examines access units from the one at `place`, the first at or after the goal, until it is certain which one contains the
    /// frame. Returns the presentation time of the frame and the number of access units in between, or `None` where the access units
    /// do not reveal it.
    pub(super) fn look_ahead(&mut self, place: usize, goal: Pts) -> Result<Option<(Pts, usize)>, Error> {
        let mut window = Window::new(goal, self.units.max_depth, self.units.dts_is_bound());
        for number in 0..MAX_LOOK_AHEAD {
            let Some(unit) = self.units.peek(place.saturating_add(number))? else { return Ok(window.best()) };
            window.add(unit);
            let frame = unit.duration.unwrap_or(self.decoding.frame_ticks);
            let is_complete = window.is_complete() || !lacks_frames(self.units.recent(), goal, frame);
            if window.is_certain() && is_complete && self.units.knows_order() {
                break;
            }
        }
        Ok(window.best().filter(|_| window.is_certain()))
    }

    /// Decodes everything from an entry until a frame at or after `goal`.
    pub(super) fn full_pass(
        &mut self,
        entered: Entered,
        goal: Pts,
        expected: Option<Promise>,
    ) -> Result<Pass, Error> {
        self.passes += 1;
        // The first frame of a full decode is the result, whatever the packets promise.
        let mut pass = Pass::new(entered, expected.filter(|_| entered != Entered::Start));
        self.decode(&mut pass, &mut Feed::everything(), goal)?;
        self.conclude(&mut pass, goal)?;
        self.is_barren |= entered == Entered::Start && pass.first_pts.is_none();
        Ok(pass)
    }

    /// Decodes until the expected frame arrives, or, where none is expected, until the first frame at or after the goal.
    fn decode(&mut self, pass: &mut Pass, feed: &mut Feed, goal: Pts) -> Result<(), Error> {
        let max_gap = self.ticks(MAX_GAP);
        let mut beyond = 0;
        while let Some(timed) = self.next_frame(feed)? {
            pass.judge(&timed);
            if timed.pts < goal {
                pass.keep_last(timed);
                continue;
            }
            if timed.pts.since(goal) > max_gap {
                continue;
            }
            let is_expected = pass.expected.is_none_or(|expected| expected == Promise::Frame(timed.pts));
            if pass.frame.as_ref().is_none_or(|best| timed.pts < best.pts) {
                pass.frame = Some(timed);
            }
            beyond += 1;
            if is_expected || beyond >= MAX_BEYOND {
                break;
            }
        }
        Ok(())
    }

    /// Returns the next frame, whatever it is, or `None` after the last one.
    pub(super) fn next_frame(&mut self, feed: &mut Feed) -> Result<Option<Timed>, Error> {
        loop {
            // libav checks nothing while it decodes, so the deadline is checked between packets.
            self.check()?;
            let output = self.decoding.receive();
            self.charge()?;
            match output? {
                Output::Frame(timed) => return Ok(Some(timed)),
                Output::Ended => return Ok(None),
                Output::NeedsInput if feed.count > 0 => {
                    feed.count = feed.count.saturating_sub(1);
                    match self.units.next()? {
                        Some(unit) => self.send(unit, feed)?,
                        None => self.decoding.drain(),
                    }
                }
                Output::NeedsInput if feed.is_all => self.decoding.drain(),
                Output::NeedsInput => return Ok(None),
            }
        }
    }

    /// Sends an access unit to the decoder. An encrypted unit ends decoding, because the result of decoding ciphertext is noise.
    pub(super) fn send(&mut self, mut unit: AccessUnit, feed: &Feed) -> Result<(), Error> {
        if self.drops_leading && self.leads(unit.bytes()) {
            return Ok(());
        }
        let is_left_out = |(pts, goal): (Pts, Pts)| pts < goal && !feed.keeps.contains(&pts);
        let skips = unit.stamp.pts.zip(feed.skips_before).is_some_and(is_left_out);
        if let Some(unreferenced) = self.unreferenced.as_mut().filter(|_| feed.skips_before.is_some()) {
            if feed.count > 0 {
                self.units.peek(0)?;
            }
            let needed = unreferenced.needed_bytes(unit.bytes(), self.units.next_bytes());
            if skips && !unit.shorten(needed)? {
                return Ok(());
            }
        }
        self.encrypted = self.units.decrypt(&mut unit);
        if self.encrypted.is_some() {
            self.decoding.drain();
        } else {
            let reorder_frames = self.units.held_back(unit.stamp, self.decoding.frame_ticks);
            self.decoding.send(self.units.source(), unit, skips, reorder_frames)?;
        }
        Ok(())
    }

    /// Returns whether a frame is a B-frame directly behind the keyframe of the entry: it is presented before the keyframe, and refers to a
    /// frame before the entry. The syntax is that of MPEG-4 (ISO/IEC 14496-2, 6.2.5: `vop_start_code`, `vop_coding_type`).
    fn leads(&mut self, frame: &[u8]) -> bool {
        const START: [u8; 4] = [0, 0, 1, 0xb6];
        let Some(references) = &mut self.references else { return false };
        let header = frame.windows(5).find(|bytes| bytes.starts_with(&START));
        let is_b_frame = header.and_then(<[u8]>::last).is_some_and(|kind| kind >> 6 == 2);
        if !is_b_frame {
            *references = references.saturating_add(1);
        }
        is_b_frame && *references <= 1
    }

    /// Returns an error if the search met an encrypted access unit before it had the frame.
    pub(super) fn refuse_encrypted(&mut self, has_frame: bool) -> Result<(), Error> {
        match self.encrypted.take().filter(|_| !has_frame) {
            Some(scheme) => Err(Error::Encrypted { scheme }),
            None => Ok(()),
        }
    }

    /// Concludes a pass. Returns an error if the pass met an encrypted access unit before the frame.
    pub(super) fn conclude(&mut self, pass: &mut Pass, goal: Pts) -> Result<(), Error> {
        self.refuse_encrypted(pass.frame.is_some())?;
        pass.is_spoilt |= self.decoding.faults.count > 0 || self.units.faults.count > 0;
        if pass.entered != Entered::Start {
            self.learn_order()?;
        }
        pass.is_spoilt |= self.units.order.is_reckoned();
        if let Entered::Keyframe(entry) = pass.entered {
            if pass.expected.is_none()
                && pass.frame.is_some()
                && self.handling().timestamps == Timestamps::Stored
            {
                // The packets that were read promise the first of their times from the goal on.
                pass.expected = self.units.recent().filter(|&pts| pts >= goal).min().map(Promise::Frame);
            }
            // The stream ended before the frames after the keyframe had refreshed the picture.
            pass.is_spoilt |= pass.first_pts.is_none();
            pass.is_spoilt |= pass.is_clean() && self.decoding.holds_damage(entry);
            // A decoder that assigns the entry a later time may assign the wanted time to the frame of the previous GOP.
            pass.is_spoilt |= self.handling().timestamps != Timestamps::Stored
                && pass.first_pts.is_some_and(|first| first > entry && first > goal);
            pass.begins_inside |= !self.marks_keyframes && !pass.begins_intra;
            // The decoder returns no frame until the keyframe and the frames after it have refreshed the whole picture.
            let is_stored = self.handling().timestamps == Timestamps::Stored;
            let late = pass.first_pts.filter(|&first| first > entry && (is_stored || pass.begins_predicted));
            let needs_more = |first| !self.units.is_refreshed_twice(entry, first, goal);
            pass.refreshes_late = late.is_some_and(needs_more);
            pass.begins_inside |= pass.refreshes_late;
        }
        self.is_spoilt = !pass.is_clean();
        Ok(())
    }

    /// Reads on until the order of frames is known, where libavcodec computes their times from it. A pass that ends at the keyframe of
    /// its entry has not met a B-frame.
    fn learn_order(&mut self) -> Result<(), Error> {
        let mut ahead = 0;
        while self.handling().timestamps == Timestamps::Reckoned
            && !self.units.knows_order()
            && self.units.peek(ahead)?.is_some()
        {
            ahead = ahead.saturating_add(1);
        }
        Ok(())
    }
}

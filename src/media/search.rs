//! Finding the frame: which packets are read, which are decoded, and which of the frames is taken.
//!
//! The rule is one pass where that can be: seek to the keyframe before the wanted time, decode, and take the first frame
//! at or after it. Frames that nothing refers to are not decoded before that time; the frame taken is the same to the
//! bit. Three things make more passes necessary: a container whose seek lands too late, a video that ends before the
//! wanted time, and damage. Each has its own step below, and each step only runs when the one before it gave nothing.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use crate::media::error::MediaError;
use crate::media::ffi::AvError;
use crate::media::ffi::codec::{Decoder, Received};
use crate::media::ffi::format::Container;
use crate::media::ffi::frame::Frame;
use crate::media::ffi::packet::Packet;
use crate::media::info::Ratio;
use crate::media::layout::Places;
use crate::media::poster::FrameReason;
use crate::media::timeline;
use crate::source::ByteRange;

/// Demuxer errors in a row after which the rest of the file is given up.
const MAX_READ_ERRORS_IN_A_ROW: u32 = 64;
/// Packets read beyond the wanted time, at most, to learn which one holds the frame. H.264 and HEVC reorder by 16.
const MAX_LOOK_AHEAD: usize = 32;
/// How far before the wanted time a second seek goes when the first landed behind it, in microseconds.
const STEP_BACK: i64 = 10_000_000;
/// How far before the wanted time reading starts in a container without an index, one after the other until a keyframe comes
/// before that time, in microseconds. Most encoders place keyframes one or two seconds apart.
const JUMPS: [i64; 3] = [1_100_000, 3_000_000, 8_000_000];
/// A jump over less than this is not worth what it may cost when it lands wrong.
const MIN_JUMP: u64 = 1 << 20;
/// Asked for at once where all up to the wanted frame has to be read; the rest as reading goes on.
const MAX_READ_ON: u64 = 16 << 20;
/// Read behind the estimated place of the wanted frame.
const BEHIND_JUMP: u64 = 16 << 10;
/// Wanted times nearer to the start than this are reached by reading on, in containers whose seek is inexact: it costs
/// less than a search by bisection, and always lands right. In microseconds.
const READ_ON: i64 = 30_000_000;

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

/// How much is decoded on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Before `skip_before` only frames that others need, and nothing beyond the frame at or after `wanted`.
    Least { skip_before: i64, wanted: i64 },
    /// Everything.
    Full,
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
}

pub(super) struct Found {
    pub(super) frame: Frame,
    pub(super) pts: i64,
    pub(super) reason: FrameReason,
}

/// One stream of a container being decoded.
pub(super) struct Search<'m, 'r> {
    pub(super) container: &'m mut Container<'r>,
    pub(super) stream: usize,
    pub(super) time_base: Ratio,
    /// Ticks between frames, for streams without timestamps.
    pub(super) frame_ticks: i64,
    pub(super) seeking: Seeking,
    timestamps: Timestamps,
    decoder: Decoder,
    /// Packets that were read while the container was opened.
    pending: &'m mut VecDeque<Packet>,
    /// Packets read before it was known whether they are needed.
    ahead: VecDeque<Packet>,
    /// Whether the last packet of `ahead` is the last that is needed.
    last_is_known: bool,
    /// Whether reading goes on from the first packet without a gap.
    from_start: bool,
    draining: bool,
    next_pts: Option<i64>,
    packets_read: u64,
    packets_decoded: u64,
    threads: NonZeroUsize,
    max_pixels: u64,
    max_packets: u64,
    errors: u64,
    first_error: Option<String>,
    /// Whether something was wrong since the decoder was last restarted.
    damaged: bool,
    /// Whether the decoder refused a size on the way.
    size_refused: bool,
    /// Whether the decoder has been given anything, be it the end.
    has_decoded: bool,
    /// Whether the layout has named the bytes that will be read.
    is_planned: bool,
    /// Where times lie in the file, and whether reading can begin anywhere.
    places: Option<(Places, bool)>,
    /// Whether packets are left out until a keyframe comes.
    awaits_keyframe: bool,
}

/// What a pass over frames ended with.
struct Pass {
    /// The first frame at or after the goal.
    at_goal: Option<(Frame, i64)>,
    /// The first frame at or after the second goal, for videos that end before the first.
    at_half: Option<(Frame, i64)>,
    /// The last frame of the pass, where another pass could not find it again.
    last: Option<(Frame, i64)>,
    /// Presentation time of the last frame of the pass.
    last_pts: Option<i64>,
    /// Presentation time of the first frame of the pass.
    first_pts: Option<i64>,
}

impl<'m, 'r> Search<'m, 'r> {
    #[expect(clippy::too_many_arguments, reason = "the parts of a search, each named at its one call")]
    pub(super) fn new(
        container: &'m mut Container<'r>,
        pending: &'m mut VecDeque<Packet>,
        at_start: bool,
        stream: usize,
        (seeking, timestamps): (Seeking, Timestamps),
        threads: NonZeroUsize,
        max_pixels: u64,
        max_packets: u64,
        is_planned: bool,
    ) -> Result<Self, MediaError> {
        let view = container.stream(stream).ok_or_else(missing_stream)?;
        let time_base = view.time_base();
        let rate = container.guess_frame_rate(stream);
        let frame_microseconds =
            rate.and_then(|rate| timeline::to_microseconds(1, Ratio { num: rate.den, den: rate.num }));
        let frame_ticks =
            frame_microseconds.and_then(|length| timeline::to_ticks(length, time_base)).unwrap_or(1).max(1);
        let decoder = open_decoder(container, stream, threads, max_pixels)?;
        Ok(Self {
            container,
            stream,
            time_base,
            frame_ticks,
            seeking,
            timestamps,
            decoder,
            pending,
            ahead: VecDeque::new(),
            last_is_known: false,
            from_start: at_start,
            draining: false,
            next_pts: None,
            packets_read: 0,
            packets_decoded: 0,
            threads,
            max_pixels,
            max_packets,
            errors: 0,
            first_error: None,
            damaged: false,
            size_refused: false,
            has_decoded: false,
            is_planned,
            places: None,
            awaits_keyframe: false,
        })
    }

    /// Tells the search where times are likely to be in the file.
    pub(super) const fn set_places(&mut self, places: Places, can_enter: bool) {
        self.places = Some((places, can_enter));
    }

    pub(super) const fn packets_decoded(&self) -> u64 {
        self.packets_decoded
    }

    /// Finds the frame by SPEC's rule: at or after the wanted time; else at or after half of the duration; else the last.
    pub(super) fn find(&mut self, target: Target) -> Result<Found, MediaError> {
        // A video that says it ends early is decoded from its middle on, in the hope that it says so rightly: the frame
        // in the middle is kept, and thrown away if one at the wanted time comes after all.
        let first_goal = target.half.filter(|_| target.ends_before).unwrap_or(target.wanted);
        let mut pass = self.pass_from(first_goal, target, target.ends_before)?;
        if let Some(found) = take(&mut pass.at_goal, FrameReason::AtTarget) {
            return Ok(found);
        }
        if let Some(found) = take(&mut pass.at_half, FrameReason::HalfDuration).filter(|_| !self.size_refused)
        {
            return Ok(found);
        }
        // The frame asked for may be among those that were too large: any other would be a wrong picture.
        if self.size_refused {
            return Err(self.too_many_pixels());
        }
        let mut last = pass.last.take();
        // The end came unexpectedly. Where the container tells no duration, the last frame's time does.
        let half = target
            .half
            .or_else(|| Some(target.start.saturating_add(pass.last_pts?.saturating_sub(target.start) / 2)));
        if let Some(half) = half.filter(|_| !target.ends_before)
            && self.can_rewind()
        {
            let aim = Target { wanted: i64::MAX, half: Some(half), ..target };
            let mut pass = self.pass_from(half, aim, true)?;
            if let Some(found) = take(&mut pass.at_half, FrameReason::HalfDuration) {
                return Ok(found);
            }
            last = pass.last.take().or(last);
        }
        // The last frame that decodes: from the start, leaving nothing out.
        if self.can_rewind() && self.rewind()? {
            let mut pass =
                self.decode_until(Target { wanted: i64::MAX, half: None, ..target }, Effort::Full)?;
            last = pass.last.take().or(last);
        }
        match last {
            Some((frame, pts)) => Ok(Found { frame, pts, reason: FrameReason::LastFrame }),
            None => Err(no_frame(self.packets_read, self.errors, self.first_error.take())),
        }
    }

    /// Decodes from the keyframe before `goal`, and from further back when that lands behind it.
    fn pass_from(&mut self, goal: i64, target: Target, keep_half: bool) -> Result<Pass, MediaError> {
        let target = Target { half: target.half.filter(|_| keep_half), ..target };
        let step_back = timeline::to_ticks(STEP_BACK, self.time_base).unwrap_or(0);
        let read_on = timeline::to_ticks(READ_ON, self.time_base).unwrap_or(i64::MAX);
        let near = goal.saturating_sub(target.start) <= read_on;
        let mut seeks = Vec::new();
        match self.seeking {
            Seeking::Indexed => seeks.extend([goal, goal.saturating_sub(step_back)]),
            Seeking::Inexact if !near => seeks.push(goal.saturating_sub(step_back)),
            Seeking::Inexact | Seeking::ReadingOn | Seeking::None => {}
        }
        // Frames are left out only where that cannot move the times of the others.
        let effort = match self.timestamps {
            Timestamps::Stored => Effort::Least { skip_before: goal, wanted: target.wanted },
            Timestamps::Reckoned | Timestamps::Counted => Effort::Full,
        };
        if let Some(pass) = self.jump(goal, target, effort)? {
            return Ok(pass);
        }
        // Where the layout told nothing better.
        if self.seeking == Seeking::Indexed
            && !self.is_planned
            && let Some((start, end)) = self.container.indexed_bytes(self.stream, goal)
        {
            let end = end.saturating_add(BEHIND_JUMP).min(start.saturating_add(MAX_READ_ON));
            self.container.input_mut().prefetch(&[ByteRange::new(start, end)]);
        }
        for ticks in seeks {
            if ticks <= target.start || !self.seek(ticks)? {
                continue;
            }
            let mut pass = self.decode_until(target, effort)?;
            if self.is_spoilt(&pass, effort) && self.seek(ticks)? {
                pass = self.decode_until(target, Effort::Full)?;
            }
            // A first frame behind the goal may hide earlier ones that belong there.
            if pass.first_pts.is_some_and(|first| first <= goal) {
                return Ok(pass);
            }
        }
        if !self.from_start || self.has_decoded {
            self.rewind()?;
        }
        self.ask_for_all_up_to(goal);
        let pass = self.decode_until(target, effort)?;
        if self.is_spoilt(&pass, effort) && self.can_rewind() && self.rewind()? {
            return self.decode_until(target, Effort::Full);
        }
        Ok(pass)
    }

    /// Asks for what reading on from the start will read. Without an index all of it is needed.
    fn ask_for_all_up_to(&mut self, goal: i64) {
        let Some((places, _)) = self.places.filter(|_| self.seeking != Seeking::Indexed) else { return };
        let input = self.container.input_mut();
        let range = places.up_to(input.position(), goal, MAX_READ_ON);
        input.prefetch(&[range]);
    }

    /// Enters the file shortly before `goal`, and decodes from the first keyframe there. `None` when that is not possible, or
    /// gave anything but undamaged frames from before the goal on: then what came before them is needed.
    fn jump(&mut self, goal: i64, target: Target, effort: Effort) -> Result<Option<Pass>, MediaError> {
        let Some((places, _)) = self.places.filter(|(_, can_enter)| *can_enter) else { return Ok(None) };
        let mut before = None;
        for back in JUMPS {
            let ticks = timeline::to_ticks(back, self.time_base).unwrap_or(i64::MAX);
            let range = places.entry(goal, ticks, before);
            let place = range.start();
            if place < MIN_JUMP {
                return Ok(None);
            }
            before = Some(place);
            self.container.input_mut().prefetch(&[range]);
            let Ok(offset) = i64::try_from(place) else { return Ok(None) };
            if self.container.seek_to_byte(offset).is_err() {
                return Ok(None);
            }
            self.restart(false)?;
            self.awaits_keyframe = true;
            let pass = self.decode_until(target, effort)?;
            if pass.at_goal.is_none() && pass.at_half.is_none() {
                return Ok(None);
            }
            // Damage may come of where it was entered: in the middle of a keyframe, say.
            if !self.damaged && pass.first_pts.is_some_and(|first| first <= goal) {
                return Ok(Some(pass));
            }
        }
        Ok(None)
    }

    /// Whether decoding less than everything may have changed what came out. What a decoder conceals depends on the frames
    /// before, also on those that nothing refers to; and a wanted frame that did not come out needs another to be found.
    fn is_spoilt(&self, pass: &Pass, effort: Effort) -> bool {
        effort != Effort::Full && (self.damaged || (self.last_is_known && pass.at_goal.is_none()))
    }

    /// Decodes on until a frame at or after `target.wanted`.
    fn decode_until(&mut self, target: Target, effort: Effort) -> Result<Pass, MediaError> {
        let mut pass = Pass { at_goal: None, at_half: None, last: None, last_pts: None, first_pts: None };
        let mut frame = Frame::new().map_err(MediaError::library("allocating a frame"))?;
        while let Some(pts) = self.next_frame(&mut frame, effort)? {
            pass.first_pts.get_or_insert(pts);
            if pts >= target.wanted {
                pass.at_goal = Some((frame, pts));
                return Ok(pass);
            }
            pass.last_pts = Some(pts);
            let is_half = pass.at_half.is_none() && target.half.is_some_and(|half| pts >= half);
            // A container that took us here will take us back: a frame less to keep is 3 MB less for 1080p.
            if !is_half && effort != Effort::Full && !self.from_start {
                continue;
            }
            let fresh = Frame::new().map_err(MediaError::library("allocating a frame"))?;
            let taken = std::mem::replace(&mut frame, fresh);
            if is_half {
                pass.at_half = Some((taken, pts));
            } else {
                pass.last = Some((taken, pts));
            }
        }
        if let Some((kept, pts)) = &pass.at_half
            && pass.last.as_ref().is_none_or(|(_, last)| last < pts)
        {
            let shared = kept.share().map_err(MediaError::library("sharing a frame"))?;
            pass.last = Some((shared, *pts));
        }
        Ok(pass)
    }

    /// The next decoded frame's presentation time; `None` at the end.
    fn next_frame(&mut self, frame: &mut Frame, effort: Effort) -> Result<Option<i64>, MediaError> {
        loop {
            // libav polls nothing while it decodes: between packets is where the deadline is looked at.
            self.container.input_mut().check()?;
            match self.decoder.receive(frame) {
                Ok(Received::Frame) => {
                    if u64::from(frame.width()) * u64::from(frame.height()) > self.max_pixels {
                        return Err(self.too_many_pixels());
                    }
                    self.damaged |= frame.is_damaged();
                    let (stored, length) = match self.timestamps {
                        Timestamps::Counted => (None, 0),
                        Timestamps::Stored | Timestamps::Reckoned => {
                            (frame.best_effort_timestamp(), frame.duration())
                        }
                    };
                    let pts = stored.or(self.next_pts).unwrap_or(0);
                    let length = if length > 0 { length } else { self.frame_ticks };
                    self.next_pts = Some(pts.saturating_add(length));
                    return Ok(Some(pts));
                }
                Ok(Received::NeedsInput) => self.feed(effort)?,
                Ok(Received::Ended) => return Ok(None),
                // A damaged frame. After the end there is no packet to try next, but the decoder goes on draining.
                Err(error) => {
                    self.note(&error);
                    if self.draining && self.errors > u64::from(MAX_READ_ERRORS_IN_A_ROW) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Gives the decoder one packet, or the end.
    fn feed(&mut self, effort: Effort) -> Result<(), MediaError> {
        if self.draining {
            return Ok(());
        }
        let packet = self.next_packet(effort)?;
        self.has_decoded = true;
        if let Some(packet) = &packet {
            self.packets_decoded += 1;
            // A packet without a presentation time may be the one wanted.
            let skip = match effort {
                Effort::Least { skip_before, .. } => packet.pts().is_some_and(|pts| pts < skip_before),
                Effort::Full => false,
            };
            self.decoder.skip_non_reference(skip);
        } else {
            self.draining = true;
        }
        if let Err(error) = self.decoder.send(packet.as_ref()) {
            self.note(&error);
        }
        Ok(())
    }

    /// The next packet to decode; `None` at the end, or when no more are needed.
    ///
    /// With the least effort, the first packet at or after the wanted time makes us read on until a decoding time says that
    /// no earlier presentation time can follow. Then it is known which packet holds the frame, and the decoder is told that
    /// it is the last instead of being fed until its delay is through: for a frame with two B-frames behind it that is two
    /// frames less to decode.
    fn next_packet(&mut self, effort: Effort) -> Result<Option<Packet>, MediaError> {
        let wanted = match effort {
            Effort::Least { wanted, .. } => Some(wanted),
            Effort::Full => None,
        };
        if self.ahead.is_empty() && !self.last_is_known {
            let Some(packet) = self.read_packet()? else { return Ok(None) };
            match (packet.pts(), wanted) {
                (Some(pts), Some(wanted)) if pts >= wanted => self.look_ahead(packet, pts, wanted)?,
                _ => return Ok(Some(packet)),
            }
        }
        Ok(self.ahead.pop_front())
    }

    /// Reads on from the first packet at or after the wanted time, and keeps what is needed in `ahead`.
    fn look_ahead(&mut self, first: Packet, pts: i64, wanted: i64) -> Result<(), MediaError> {
        let (mut best, mut needed, mut dts) = (pts, 1, first.dts());
        self.ahead.push_back(first);
        while self.ahead.len() < MAX_LOOK_AHEAD {
            // Without decoding times there is nothing to go by: everything read is decoded.
            let Some(now) = dts else { return Ok(()) };
            let packet = if now >= best || best == wanted { None } else { self.read_packet()? };
            let Some(packet) = packet else {
                self.ahead.truncate(needed);
                self.last_is_known = true;
                return Ok(());
            };
            dts = packet.dts();
            let Some(pts) = packet.pts() else {
                self.ahead.push_back(packet);
                return Ok(());
            };
            self.ahead.push_back(packet);
            if (wanted..best).contains(&pts) {
                best = pts;
                needed = self.ahead.len();
            }
        }
        Ok(())
    }

    /// Reads the stream's next packet; `None` at the end.
    fn read_packet(&mut self) -> Result<Option<Packet>, MediaError> {
        while let Some(packet) = self.pending.pop_front() {
            if packet.stream_index() == Some(self.stream) {
                self.packets_read += 1;
                return Ok(Some(packet));
            }
        }
        let mut packet = Packet::new().map_err(MediaError::library("allocating a packet"))?;
        let mut errors_in_a_row = 0;
        loop {
            let result = self.container.read_packet(&mut packet);
            // libav may have turned a failed read into an end of file: the source knows.
            self.container.input_mut().check()?;
            match result {
                // What refers to frames that were jumped over cannot be decoded.
                Ok(true) if self.awaits_keyframe && !packet.is_key() => errors_in_a_row = 0,
                Ok(true) if packet.stream_index() == Some(self.stream) => {
                    self.awaits_keyframe = false;
                    self.packets_read += 1;
                    if self.packets_read > self.max_packets {
                        return Err(MediaError::LimitExceeded {
                            limit: "max_packets",
                            allowed: self.max_packets,
                        });
                    }
                    return Ok(Some(packet));
                }
                Ok(true) => errors_in_a_row = 0,
                Ok(false) => return Ok(None),
                Err(error) => {
                    self.note(&error);
                    errors_in_a_row += 1;
                    if errors_in_a_row >= MAX_READ_ERRORS_IN_A_ROW {
                        return Ok(None);
                    }
                }
            }
        }
    }

    const fn too_many_pixels(&self) -> MediaError {
        MediaError::LimitExceeded { limit: "max_pixels", allowed: self.max_pixels }
    }

    fn note(&mut self, error: &AvError) {
        self.errors += 1;
        // A decoder that had a size and has none any more was told one that is over the limit, or nonsense.
        self.size_refused |=
            *error == AvError::INVALID_ARGUMENT && self.has_decoded && self.decoder.has_no_size();
        self.damaged = true;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    /// Moves to the keyframe before `ticks`; whether the container could.
    fn seek(&mut self, ticks: i64) -> Result<bool, MediaError> {
        let moved = self.container.seek_backward(self.stream, ticks).is_ok();
        if moved {
            self.restart(false)?;
        }
        Ok(moved)
    }

    const fn can_rewind(&self) -> bool {
        !matches!(self.seeking, Seeking::None)
    }

    /// Moves to the first packet; whether the container could.
    fn rewind(&mut self) -> Result<bool, MediaError> {
        let first = i64::MIN / 2;
        let moved = self.container.seek_backward(self.stream, first).is_ok()
            || self.container.seek_backward(self.stream, 0).is_ok()
            || self.container.seek_to_byte(0).is_ok();
        if moved {
            self.restart(true)?;
        }
        Ok(moved)
    }

    fn restart(&mut self, from_start: bool) -> Result<(), MediaError> {
        // A new decoder rather than a flushed one: what some remember over a flush (the H.264 decoder, which encoder to work
        // around) would let the frame depend on where we were before.
        if self.has_decoded {
            self.decoder = open_decoder(self.container, self.stream, self.threads, self.max_pixels)?;
            self.has_decoded = false;
        }
        self.pending.clear();
        self.ahead.clear();
        self.last_is_known = false;
        self.draining = false;
        self.next_pts = None;
        self.damaged = false;
        self.awaits_keyframe = false;
        self.from_start = from_start;
        Ok(())
    }
}

fn missing_stream() -> MediaError {
    MediaError::Library { step: "finding the stream", reason: "it is gone".to_owned() }
}

fn open_decoder(
    container: &Container<'_>,
    stream: usize,
    threads: NonZeroUsize,
    max_pixels: u64,
) -> Result<Decoder, MediaError> {
    let view = container.stream(stream).ok_or_else(missing_stream)?;
    Decoder::open(view, threads, max_pixels)
        .map_err(|error| no_frame(0, 1, Some(error.to_string())))?
        .ok_or_else(|| MediaError::NoDecoder { codec: view.codec_name().unwrap_or("unknown").to_owned() })
}

fn take(slot: &mut Option<(Frame, i64)>, reason: FrameReason) -> Option<Found> {
    slot.take().map(|(frame, pts)| Found { frame, pts, reason })
}

fn no_frame(packets: u64, errors: u64, first: Option<String>) -> MediaError {
    let first = first.unwrap_or_else(|| "the video has no packets".to_owned());
    MediaError::NoFrame { packets, errors, first }
}

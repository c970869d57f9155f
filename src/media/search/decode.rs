//! The decoder of the stream: takes access units, and returns frames with presentation times.

use std::collections::VecDeque;
use std::iter;
use std::time::Duration;

use super::packets::{AccessUnit, Faults, Source};
use super::spent::Effort;
use super::target::{Found, FrameReason};
use crate::limits::Limit;
use crate::media::error::Error;
use crate::media::ffi::AvError;
use crate::media::ffi::codec::{Decoder, DecoderOptions, Received};
use crate::media::ffi::frame::{Frame, PictureType};
use crate::media::ffi::packet::Packet;
use crate::media::ratio::Ratio;
use crate::media::timeline;
use crate::media::units::{Pts, Ticks};

/// Maximum number of alpha pictures that wait for their frames. Decoders with several threads hold frames back.
const MAX_WAITING: usize = 20;
/// Number of consecutive errors during draining after which the decoder is assumed to return no more frames.
const MAX_DRAIN_ERRORS_IN_A_ROW: u32 = 64;
/// Maximum number of access units with missing bytes that are remembered in one pass.
const MAX_CORRUPT: usize = 64;

/// The minimum and maximum number of pixels for which a packet without a frame counts. A decoder takes some microseconds for any
/// packet. The maximum exists because an 8K stream may begin inside a GOP, too.
const MIN_PIXELS: u64 = 1 << 17;
const MAX_PIXELS: u64 = 1 << 23;
/// The same minimum for a packet whose frame the decoder may skip.
const MIN_PIXELS_SKIPPED: u64 = 1 << 14;

/// A decoded frame and its presentation time.
pub(super) struct Timed {
    pub(super) frame: Frame,
    /// The picture whose luma is its alpha.
    pub(super) alpha: Option<Frame>,
    /// In ticks of the stream, absolute.
    pub(super) pts: Pts,
    /// Whether the time comes from the container or from libavcodec, or follows from the time of the previous frame.
    pub(super) is_timed: bool,
    /// Whether the decoder concealed errors in the frame.
    pub(super) is_damaged: bool,
    /// Whether the frame references no other frame; `None` where the decoder does not report it.
    pub(super) is_intra: Option<bool>,
}

impl Timed {
    pub(super) fn found(self, reason: FrameReason) -> Found {
        Found { frame: self.frame, alpha: self.alpha, pts: self.pts, reason }
    }
}

/// The result of a request for a frame.
pub(super) enum Output {
    Frame(Timed),
    /// The decoder needs another access unit, or the end of the stream.
    NeedsInput,
    /// The decoder was drained.
    Ended,
}

/// The decoder of a stream.
pub(super) struct Decoding {
    pub(super) options: DecoderOptions,
    /// Ticks between frames, for frames without timestamps.
    pub(super) frame_ticks: Ticks,
    /// The time base of a stream without timestamps, whose frames are counted.
    counted_in: Option<Ratio>,
    /// Packets sent to the decoder, over all passes.
    pub(super) packets_decoded: u64,
    pub(super) faults: Faults,
    /// Whether the decoder has rejected a size.
    pub(super) size_refused: bool,
    /// Pixels of the packets that were sent, and of the frames that were returned.
    pixels: (u64, u64),
    /// Pixels of the packets that were sent, with a minimum for small pictures, and number of frames that were returned.
    sent: u64,
    frames: u64,
    /// Bytes of the packets that were sent.
    bytes: u64,
    /// CPU time of the threads of earlier decoders.
    cpu_time: Duration,
    /// The part of the cost that [`take_effort`](Self::take_effort) has already returned.
    taken: Effort,
    run: Run,
}

/// The state of one pass.
#[derive(Default)]
struct Run {
    /// The decoder, which the first access unit of a pass opens.
    ///
    /// Each pass opens a new decoder rather than flushing one. Some decoders keep state over a flush (the H.264 decoder keeps the
    /// encoder to work around). With such state, the frame would depend on the previous position.
    decoder: Option<Decoder>,
    /// Packets of the current access unit, and whether the decoder may skip its frame.
    queue: VecDeque<Packet>,
    skips: bool,
    alpha: Alpha,
    /// Presentation times of access units of which the container says that bytes are missing.
    corrupt: Vec<Pts>,
    draining: bool,
    drain_errors: u32,
    /// Presentation time of the last frame, and the estimated time of the next one.
    last_pts: Option<Pts>,
    next_pts: Option<Pts>,
    /// Whether that estimate follows from the distance of two frames, or from a declared duration.
    knows_length: bool,
}

/// The alpha pictures that WebM stores beside the frames.
#[derive(Default)]
struct Alpha {
    /// The decoder, which the first packet with an alpha picture opens.
    decoder: Option<Decoder>,
    /// Alpha pictures whose frames the decoder has not returned.
    waiting: VecDeque<Frame>,
}

impl Alpha {
    /// Decodes the alpha picture of a packet. This decoder holds no picture back.
    fn send(&mut self, packet: &Packet) -> Result<(), AvError> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        let Some(packet) = packet.alpha()? else { return Ok(()) };
        decoder.send(Some(&packet))?;
        loop {
            let mut frame = Frame::new()?;
            match decoder.receive(&mut frame)? {
                Received::Frame if self.waiting.len() < MAX_WAITING => self.waiting.push_back(frame),
                Received::Frame => {}
                Received::NeedsInput | Received::Ended => return Ok(()),
            }
        }
    }

    /// Returns the alpha picture of a time, and drops earlier ones.
    fn take(&mut self, time: Option<i64>) -> Option<Frame> {
        let time = time?;
        while let Some(first) = self.waiting.front().and_then(Frame::best_effort_timestamp) {
            if first > time {
                return None;
            }
            let frame = self.waiting.pop_front();
            if first == time {
                return frame;
            }
        }
        self.waiting.clear();
        None
    }
}

impl Run {
    fn cpu_time(&self) -> Duration {
        self.decoder.as_ref().map_or(Duration::ZERO, Decoder::cpu_time_of_threads)
    }
}

impl Decoding {
    pub(super) fn new(options: DecoderOptions, frame_ticks: Ticks, counted_in: Option<Ratio>) -> Self {
        Self {
            options,
            frame_ticks,
            counted_in,
            packets_decoded: 0,
            faults: Faults::default(),
            size_refused: false,
            pixels: (0, 0),
            sent: 0,
            frames: 0,
            bytes: 0,
            cpu_time: Duration::ZERO,
            taken: Effort::default(),
            run: Run::default(),
        }
    }

    /// Begins a new pass.
    pub(super) fn restart(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.cpu_time = self.cpu_time.saturating_add(run.cpu_time());
        self.faults.count = 0;
    }

    /// Returns the work since the last call of this method.
    ///
    /// A packet may yield no frame, and a frame may arrive without a packet. The larger of the two counts.
    pub(super) fn take_effort(&mut self) -> Effort {
        let pixels = self.pixels.0.max(self.pixels.1);
        let (bytes, cpu_time) = (self.bytes, self.cpu_time.saturating_add(self.run.cpu_time()));
        let (sent, frames) = (self.sent, self.frames);
        let before = std::mem::replace(&mut self.taken, Effort { pixels, sent, frames, bytes, cpu_time });
        Effort {
            sent: sent.saturating_sub(before.sent),
            frames: frames.saturating_sub(before.frames),
            pixels: pixels.saturating_sub(before.pixels),
            bytes: bytes.saturating_sub(before.bytes),
            cpu_time: cpu_time.saturating_sub(before.cpu_time),
        }
    }

    /// Sends the decoder an access unit of `source`. With `skips`, the decoder may skip the frame if no other frame references it.
    /// `reorder_frames` is the minimum number of frames that the decoder holds back.
    pub(super) fn send(
        &mut self,
        source: Source<'_, '_>,
        unit: AccessUnit,
        skips: bool,
        reorder_frames: u8,
    ) -> Result<(), Error> {
        self.run.skips = skips && !unit.is_field;
        if unit.is_corrupt() && self.run.corrupt.len() < MAX_CORRUPT {
            self.run.corrupt.extend(unit.stamp.pts);
        }
        if self.run.decoder.is_none() {
            self.run.decoder = Some(open(source, DecoderOptions { reorder_frames, ..self.options })?);
        }
        let packets: Vec<Packet> = unit.into_packets().collect();
        if self.run.alpha.decoder.is_none()
            && packets.iter().any(|packet| matches!(packet.alpha(), Ok(Some(_))))
        {
            let options = DecoderOptions::single_threaded(self.options.max_pixels);
            self.run.alpha.decoder = Some(open(source, options)?);
        }
        self.run.queue.extend(packets);
        Ok(())
    }

    /// Returns whether the decoder has received the end of the stream.
    pub(super) const fn is_draining(&self) -> bool {
        self.run.draining
    }

    /// Sends the decoder the end of the stream.
    pub(super) fn drain(&mut self) {
        self.run.draining = true;
        if let Some(Err(error)) = self.run.decoder.as_mut().map(|decoder| decoder.send(None)) {
            self.note(&error);
        }
    }

    /// Ends decoding, and returns whether a frame from `first` on is damaged that the decoder was sent and has not returned: the frames
    /// before it may refer to it.
    pub(super) fn holds_damage(&mut self, first: Pts) -> bool {
        let is_corrupt = self.run.corrupt.iter().any(|&pts| pts >= first);
        let Some(mut decoder) = self.run.decoder.take().filter(|_| !is_corrupt) else { return is_corrupt };
        if !self.run.draining && decoder.send(None).is_err() {
            return false;
        }
        let mut held = iter::from_fn(|| {
            let mut frame = Frame::new().ok()?;
            matches!(decoder.receive(&mut frame), Ok(Received::Frame)).then_some(frame)
        });
        held.any(|frame| {
            frame.is_damaged() && frame.best_effort_timestamp().is_none_or(|pts| Pts::new(pts) >= first)
        })
    }

    /// Returns the next frame in presentation order.
    pub(super) fn receive(&mut self) -> Result<Output, Error> {
        loop {
            let Some(decoder) = &mut self.run.decoder else {
                return Ok(if self.run.draining { Output::Ended } else { Output::NeedsInput });
            };
            let mut frame = Frame::new().map_err(Error::library("allocating a frame"))?;
            match decoder.receive(&mut frame) {
                Ok(Received::Frame) => return self.timed(frame).map(Output::Frame),
                Ok(Received::NeedsInput) => {
                    if self.run.draining || !self.send_queued() {
                        return Ok(Output::NeedsInput);
                    }
                }
                Ok(Received::Ended) => return Ok(Output::Ended),
                // A damaged frame. After the end there is no packet to try next, but the decoder continues to drain.
                Err(error) => {
                    self.note(&error);
                    if self.run.draining {
                        self.run.drain_errors += 1;
                        if self.run.drain_errors >= MAX_DRAIN_ERRORS_IN_A_ROW {
                            return Ok(Output::Ended);
                        }
                    }
                }
            }
        }
    }

    /// Sends the decoder the next packet of the access unit. Returns `false` when there is none.
    fn send_queued(&mut self) -> bool {
        let (Some(decoder), Some(packet)) = (&mut self.run.decoder, self.run.queue.pop_front()) else {
            return false;
        };
        self.packets_decoded += 1;
        self.bytes = self.bytes.saturating_add(packet.size());
        let pixels = decoder.pixels();
        self.pixels.0 = self.pixels.0.saturating_add(pixels);
        let counted = if self.run.skips { MIN_PIXELS_SKIPPED } else { pixels.clamp(MIN_PIXELS, MAX_PIXELS) };
        self.sent = self.sent.saturating_add(counted);
        decoder.skip_non_reference(self.run.skips);
        if let Err(error) = decoder.send(Some(&packet)) {
            self.note(&error);
        }
        if let Err(error) = self.run.alpha.send(&packet) {
            self.note(&error);
        }
        true
    }

    fn timed(&mut self, frame: Frame) -> Result<Timed, Error> {
        let pixels = u64::from(frame.width()) * u64::from(frame.height());
        self.pixels.1 = self.pixels.1.saturating_add(pixels);
        self.frames = self.frames.saturating_add(1);
        if pixels > self.options.max_pixels {
            return Err(self.too_many_pixels());
        }
        self.run.drain_errors = 0;
        let is_intra = match frame.picture_type() {
            PictureType::I => Some(true),
            PictureType::Unknown => frame.is_key().then_some(true),
            PictureType::P | PictureType::B | PictureType::Other => Some(false),
        };
        let (stored, length) = match self.counted_in {
            Some(time_base) => (None, self.declared_length(&frame, time_base).unwrap_or(0)),
            None => (frame.best_effort_timestamp(), frame.duration()),
        };
        let (stored, length) = (stored.map(Pts::new), Ticks::new(length));
        // The times of the last frames follow from the times of the previous frames.
        let is_timed = stored.is_some() || (self.run.draining && self.run.knows_length);
        let pts = stored.or(self.run.next_pts).unwrap_or(Pts::new(0));
        // libavformat assumes one tick where the container stores no durations. The distance of the last two frames is more exact, and
        // ffmpeg repeats it.
        let distance = self.run.last_pts.map_or(Ticks::ZERO, |last| pts.since(last));
        let is_assumed = length == Ticks::ONE && distance > Ticks::new(2) && self.counted_in.is_none();
        let lengths = [if is_assumed { Ticks::ZERO } else { length }, distance, length];
        let length = lengths.into_iter().find(|&length| length > Ticks::ZERO).unwrap_or(self.frame_ticks);
        self.run.knows_length =
            self.run.last_pts.is_some() || length > Ticks::ONE || self.counted_in.is_some();
        (self.run.last_pts, self.run.next_pts) = (Some(pts), Some(pts.saturating_add(length)));
        let is_damaged = frame.is_damaged() || self.run.corrupt.contains(&pts);
        let alpha = self.run.alpha.take(frame.best_effort_timestamp());
        Ok(Timed { frame, alpha, pts, is_timed, is_damaged, is_intra })
    }

    /// Returns the duration of a frame in ticks, where the stream declares its frame rate. In a stream without timestamps, ffmpeg prefers
    /// it to the duration that libavformat assumes.
    fn declared_length(&self, frame: &Frame, time_base: Ratio) -> Option<i64> {
        let rate = self.run.decoder.as_ref()?.frame_rate().positive()?;
        let field = Ratio { num: rate.den, den: rate.num.checked_mul(2)? };
        timeline::rescale(frame.fields(), field, time_base)
    }

    pub(super) const fn too_many_pixels(&self) -> Error {
        Error::LimitExceeded { limit: Limit::MaxPixels, allowed: self.options.max_pixels }
    }

    fn note(&mut self, error: &AvError) {
        self.faults.note(error);
        // A decoder that had a size and lost it received a size that exceeds the limit or is invalid.
        let has_no_size = self.run.decoder.as_ref().is_some_and(Decoder::has_no_size);
        self.size_refused |= *error == AvError::INVALID_ARGUMENT && has_no_size;
    }
}

fn open((container, stream): Source<'_, '_>, options: DecoderOptions) -> Result<Decoder, Error> {
    let view = container.stream(stream).ok_or_else(Error::missing_stream)?;
    Decoder::open(view, options)
        .map_err(|error| Error::no_frame(0, 1, Some(error.in_words())))?
        .ok_or_else(|| Error::NoDecoder { codec: view.codec_name().unwrap_or("unknown").to_owned() })
}

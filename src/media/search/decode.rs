//! The decoder of the stream: access units in, frames with presentation times out.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use super::packets::{AccessUnit, Source};
use crate::media::error::MediaError;
use crate::media::ffi::AvError;
use crate::media::ffi::codec::{Decoder, DecoderOptions, Received};
use crate::media::ffi::frame::{Frame, PictureType};
use crate::media::ffi::packet::Packet;
use crate::media::units::{Pts, Ticks};

/// Errors in a row while the decoder is drained, after which it is believed to give nothing more.
const MAX_DRAIN_ERRORS_IN_A_ROW: u32 = 64;
/// Access units with missing bytes that are remembered in one pass.
const MAX_CORRUPT: usize = 64;
/// Frames that H.264 and HEVC hold back at most (ITU-T H.264, A.3.1; H.265, A.4.2).
const MAX_REORDER: u8 = 16;

/// A decoded frame and its presentation time.
pub(super) struct Timed {
    pub(super) frame: Frame,
    /// In ticks of the stream, absolute.
    pub(super) pts: Pts,
    /// Whether the time is the container's or libavcodec's, or follows from that of the frame before.
    pub(super) is_timed: bool,
    /// Whether the decoder concealed something in it.
    pub(super) is_damaged: bool,
    /// Whether it refers to no other frame; `None` where the decoder does not tell.
    pub(super) is_intra: Option<bool>,
}

/// What the decoder has to offer.
pub(super) enum Output {
    Frame(Timed),
    /// It needs another access unit, or the word that there is none.
    NeedsInput,
    /// It was drained.
    Ended,
}

/// How the decoder is opened, and how its frames are timed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) threads: NonZeroUsize,
    pub(super) max_pixels: u64,
    /// Ticks between frames, for frames without timestamps.
    pub(super) frame_ticks: Ticks,
    /// Whether frames are counted because the stream has no timestamps at all.
    pub(super) is_counted: bool,
}

/// The decoder of one pass.
pub(super) struct Decoding {
    setup: Setup,
    /// Opened with the first access unit of a pass.
    ///
    /// Each pass has a new decoder rather than a flushed one: what some remember over a flush (the H.264 decoder, which encoder
    /// to work around) would let the frame depend on where we were before.
    decoder: Option<Decoder>,
    /// Frames that the timestamps say are held back to put them in order.
    reorder_frames: u8,
    x264_build: Option<u32>,
    /// Packets of the access unit that is being decoded, and whether the decoder may leave it out.
    queue: VecDeque<Packet>,
    skips: bool,
    /// Presentation times of access units of which the container says that bytes are missing.
    corrupt: Vec<Pts>,
    draining: bool,
    drain_errors: u32,
    next_pts: Option<Pts>,
    /// Packets that the decoder got, in all passes.
    packets_decoded: u64,
    errors: u64,
    first_error: Option<String>,
    /// Whether the decoder refused a size on the way.
    size_refused: bool,
}

impl Decoding {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            decoder: None,
            reorder_frames: 0,
            x264_build: None,
            queue: VecDeque::new(),
            skips: false,
            corrupt: Vec::new(),
            draining: false,
            drain_errors: 0,
            next_pts: None,
            packets_decoded: 0,
            errors: 0,
            first_error: None,
            size_refused: false,
        }
    }

    /// Ticks between frames.
    pub(super) const fn frame_ticks(&self) -> Ticks {
        self.setup.frame_ticks
    }

    pub(super) const fn packets_decoded(&self) -> u64 {
        self.packets_decoded
    }

    /// Errors of the decoder in this pass.
    pub(super) const fn errors(&self) -> u64 {
        self.errors
    }

    pub(super) fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    pub(super) const fn size_refused(&self) -> bool {
        self.size_refused
    }

    /// Begins a new pass.
    pub(super) fn restart(&mut self) {
        self.decoder = None;
        self.reorder_frames = 0;
        self.queue.clear();
        self.corrupt.clear();
        self.draining = false;
        self.drain_errors = 0;
        self.next_pts = None;
        self.errors = 0;
    }

    /// Gives the decoder an access unit. `skips` lets it leave the frame out if no other refers to it.
    pub(super) fn send(&mut self, unit: AccessUnit, skips: bool) {
        self.skips = skips && unit.is_skippable();
        if unit.is_corrupt() && self.corrupt.len() < MAX_CORRUPT {
            self.corrupt.extend(unit.pts());
        }
        if self.decoder.is_none() {
            self.hold_back(self.reordered(&unit));
        }
        self.queue.extend(unit.into_packets());
    }

    /// Tells the decoders of all passes which version of x264 encoded the stream.
    pub(super) const fn set_x264_build(&mut self, build: Option<u32>) {
        self.x264_build = build;
    }

    /// Lets the decoder of this pass hold back so many frames at least.
    pub(super) fn hold_back(&mut self, frames: u8) {
        self.reorder_frames = self.reorder_frames.max(frames).min(MAX_REORDER);
    }

    /// Frames that are decoded before the one of this access unit is presented, by its two times.
    ///
    /// A keyframe is presented as many frames after its decoding time as the decoder has to hold back. H.264 need not say that
    /// number; its decoder then learns it by dropping frames.
    fn reordered(&self, unit: &AccessUnit) -> u8 {
        let Some((pts, dts)) = unit.pts().zip(unit.dts()) else { return 0 };
        let length = unit.duration().unwrap_or(self.setup.frame_ticks).max(Ticks::ONE);
        let frames = pts.since(dts).get().max(0) / length.get();
        u8::try_from(frames).unwrap_or(MAX_REORDER)
    }

    /// Tells the decoder that no access unit follows.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        if let Some(Err(error)) = self.decoder.as_mut().map(|decoder| decoder.send(None)) {
            self.note(&error);
        }
    }

    /// The next frame in the order of presentation.
    pub(super) fn receive(&mut self, source: Source<'_, '_>) -> Result<Output, MediaError> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                match self.queue.is_empty() {
                    true if self.draining => return Ok(Output::Ended),
                    true => return Ok(Output::NeedsInput),
                    false => self.decoder = Some(self.open(source)?),
                }
                continue;
            };
            let mut frame = Frame::new().map_err(MediaError::library("allocating a frame"))?;
            match decoder.receive(&mut frame) {
                Ok(Received::Frame) => return self.timed(frame).map(Output::Frame),
                Ok(Received::NeedsInput) => {
                    if self.draining || !self.send_queued() {
                        return Ok(Output::NeedsInput);
                    }
                }
                Ok(Received::Ended) => return Ok(Output::Ended),
                // A damaged frame. After the end there is no packet to try next, but the decoder goes on draining.
                Err(error) => {
                    self.note(&error);
                    if self.draining {
                        self.drain_errors += 1;
                        if self.drain_errors >= MAX_DRAIN_ERRORS_IN_A_ROW {
                            return Ok(Output::Ended);
                        }
                    }
                }
            }
        }
    }

    fn open(&self, (container, stream): Source<'_, '_>) -> Result<Decoder, MediaError> {
        let view = container.stream(stream).ok_or_else(MediaError::missing_stream)?;
        let options = DecoderOptions {
            threads: self.setup.threads,
            max_pixels: self.setup.max_pixels,
            reorder_frames: self.reorder_frames,
            x264_build: self.x264_build,
        };
        Decoder::open(view, options)
            .map_err(|error| MediaError::no_frame(0, 1, Some(error.to_string())))?
            .ok_or_else(|| MediaError::NoDecoder { codec: view.codec_name().unwrap_or("unknown").to_owned() })
    }

    /// Gives the decoder the next packet of the access unit; `false` when there is none.
    fn send_queued(&mut self) -> bool {
        let (Some(decoder), Some(packet)) = (&mut self.decoder, self.queue.pop_front()) else { return false };
        self.packets_decoded += 1;
        decoder.skip_non_reference(self.skips);
        if let Err(error) = decoder.send(Some(&packet)) {
            self.note(&error);
        }
        true
    }

    fn timed(&mut self, frame: Frame) -> Result<Timed, MediaError> {
        if u64::from(frame.width()) * u64::from(frame.height()) > self.setup.max_pixels {
            return Err(self.too_many_pixels());
        }
        self.drain_errors = 0;
        let is_intra = match frame.picture_type() {
            PictureType::I => Some(true),
            PictureType::Unknown => frame.is_key().then_some(true),
            PictureType::P | PictureType::B | PictureType::Other => Some(false),
        };
        let (stored, length) = match self.setup.is_counted {
            true => (None, 0),
            false => (frame.best_effort_timestamp(), frame.duration()),
        };
        let stored = stored.map(Pts::new);
        // The last frames have the times that follow from those before.
        let is_timed = stored.or(self.next_pts.filter(|_| self.draining)).is_some();
        let pts = stored.or(self.next_pts).unwrap_or(Pts::new(0));
        let length = if length > 0 { Ticks::new(length) } else { self.setup.frame_ticks };
        self.next_pts = Some(pts.saturating_add(length));
        let is_damaged = frame.is_damaged() || self.corrupt.contains(&pts);
        Ok(Timed { frame, pts, is_timed, is_damaged, is_intra })
    }

    pub(super) const fn too_many_pixels(&self) -> MediaError {
        MediaError::LimitExceeded { limit: "max_pixels", allowed: self.setup.max_pixels }
    }

    fn note(&mut self, error: &AvError) {
        self.errors += 1;
        // A decoder that had a size and has none any more was told one that is over the limit, or nonsense.
        let has_no_size = self.decoder.as_ref().is_some_and(Decoder::has_no_size);
        self.size_refused |= *error == AvError::INVALID_ARGUMENT && has_no_size;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

//! The state of a search: one stream of a container, and its decoder.

use super::decode::Decoding;
use super::packets::Units;
use super::places::Places;
use super::target::Stream;
use super::unreferenced::Unreferenced;
use crate::limits::Limit;
use crate::media::container::formats::{Handling, Seeking, Timestamps};
use crate::media::error::Error;
use crate::media::ffi::codec::DecoderOptions;
use crate::media::ffi::stream::Stream as StreamView;
use crate::media::input::Container;
use crate::media::ratio::Ratio;
use crate::media::units::{Microseconds, Ticks, TimeBase};

/// One stream of a container, and its decoder.
pub(in crate::media) struct Search<'m, 'r> {
    pub(super) units: Units<'m, 'r>,
    pub(super) decoding: Decoding,
    /// The positions of times in the file.
    pub(super) places: Places,
    /// The scheme of the encrypted access unit at which the pass ended.
    pub(super) encrypted: Option<String>,
    /// Detects frames that can be skipped, for codecs whose decoders do not.
    pub(super) unreferenced: Option<Unreferenced>,
    /// End of the bytes that a jump requested.
    pub(super) requested: u64,
    /// Whether a keyframe may depend on what precedes it, so that decoding must begin at the start.
    pub(super) needs_start: bool,
    /// Whether the container's keyframe marks are trusted without confirmation by the decoder.
    pub(super) marks_keyframes: bool,
    /// Whether B-frames that lead the keyframe of the entry must not reach the decoder.
    pub(super) drops_leading: bool,
    /// The number of other frames that the decoder got since it began at a keyframe; `None` since the start.
    pub(super) references: Option<u32>,
    /// Whether the search wants one access unit that is decoded alone.
    pub(super) is_alone: bool,
    /// Whether an error occurred in the last pass.
    pub(super) is_spoilt: bool,
    /// Whether a full decode from the start returned no frame: no other pass has one in this case.
    pub(super) is_barren: bool,
    /// Number of passes in which packets were decoded.
    pub(super) passes: u32,
}

impl<'m, 'r> Search<'m, 'r> {
    pub(in crate::media) fn new(
        container: &'m mut Container<'r>,
        stream: Stream<'m>,
        places: Places,
    ) -> Result<Self, Error> {
        let view = container.stream(stream.index).ok_or_else(Error::missing_stream)?;
        // If the index marks every frame of a codec whose frames reference others, the marks are meaningless.
        let marks_keyframes = view.codec_properties().intra_only
            || stream.handling.seeking != Seeking::Indexed
            || names_other_frames(container, stream.index);
        let needs_start = depends_on_start(view, &container.format_name());
        // In interlaced video, libavcodec takes the duration of a frame from the first B-frame of a decoding run. After a seek, it computes
        // a wrong one for a B-frame that lacks a reference, and discards later B-frames (`t_frame`, libavcodec/mpeg4videodec.c).
        let drops_leading = view.codec_name() == Some("mpeg4");
        let is_counted = stream.handling.timestamps == Timestamps::Counted;
        let counted_in = is_counted.then(|| Ratio::from(view.time_base()));
        let rate = container.guess_frame_rate(stream.index);
        // A tick of the inverse frame rate is one frame.
        let frame = rate.and_then(|rate| TimeBase::new(rate.den, rate.num)?.microseconds(Ticks::ONE));
        let frame_ticks = frame.and_then(|length| stream.time_base.ticks(length)).unwrap_or(Ticks::ONE);
        let frame_ticks = frame_ticks.max(Ticks::ONE);
        let options = DecoderOptions {
            threads: stream.threads,
            ..DecoderOptions::single_threaded(stream.limits.max_pixels)
        };
        let units = Units::new(container, stream)?;
        Ok(Self {
            decoding: Decoding::new(options, frame_ticks, counted_in),
            places,
            encrypted: None,
            unreferenced: units.unreferenced(),
            requested: 0,
            needs_start,
            marks_keyframes,
            drops_leading,
            references: None,
            is_alone: false,
            is_spoilt: false,
            is_barren: false,
            passes: 0,
            units,
        })
    }

    /// Returns the number of packets that were sent to the decoder, over all passes, and the number of passes.
    pub(in crate::media) const fn cost(&self) -> (u64, u32) {
        (self.decoding.packets_decoded, self.passes)
    }

    /// Returns whether the frame's time may change when more packets follow: where frames are damaged, or libavcodec computes the times,
    /// the end of the packets changes them.
    pub(in crate::media) fn has_doubtful_time(&self) -> bool {
        let is_reckoned = self.units.order.is_reckoned() || !self.units.knows_order();
        self.decoding.is_draining() && (self.is_spoilt || is_reckoned)
    }

    pub(super) const fn handling(&self) -> Handling {
        self.units.stream.handling
    }

    /// Returns whether decoding can begin at a keyframe after the first one, and the packets reveal which one that is.
    pub(super) fn can_begin_inside(&self) -> bool {
        self.handling().timestamps == Timestamps::Stored && !self.needs_start
    }

    /// Converts a duration to ticks of the stream.
    pub(super) fn ticks(&self, length: Microseconds) -> Ticks {
        self.units.stream.time_base.ticks(length).unwrap_or(Ticks::MAX)
    }

    pub(super) fn check(&mut self) -> Result<(), Error> {
        Ok(self.units.container.input_mut().check()?)
    }

    /// Counts the decoder's work since the last call.
    ///
    /// # Errors
    /// The limits on decoding, as [`Spent`](super::Spent) counts them, and `max_pixels`.
    pub(super) fn charge(&mut self) -> Result<(), Error> {
        let effort = self.decoding.take_effort();
        self.units.container.input_mut().add_cpu_time(effort.cpu_time);
        let Stream { spent, limits, .. } = &mut self.units.stream;
        let result = spent.add_effort(&effort, limits);
        if result.as_ref().is_err_and(|error| error.limit() == Some(Limit::MaxPixelsWithoutFrame)) {
            // A rejected size yields no frame.
            self.refuse_size()?;
        }
        result
    }

    /// Forgets the state of the position that reading leaves.
    pub(super) fn restart(&mut self) {
        self.units.restart();
        self.restart_decoding();
    }

    /// Begins decoding at the next access unit.
    pub(super) fn restart_decoding(&mut self) {
        self.decoding.restart();
        self.references = None;
        self.encrypted = None;
        self.unreferenced = self.units.unreferenced();
    }
}

/// Returns whether the keyframes of a stream may depend on what precedes them. AVI stores a new palette only where the palette changes.
/// Keyframes of SMC may use the tables of colours that earlier frames filled. Keyframes of APNG may be removed before the next frame, which
/// then refers to what preceded them (PNG, third edition, `dispose_op` of `fcTL`).
fn depends_on_start(stream: StreamView<'_>, format_name: &str) -> bool {
    const PALETTE_BITS: u32 = 8;
    let has_palette = stream.bits_per_coded_sample().is_some_and(|bits| bits <= PALETTE_BITS);
    matches!(stream.codec_name(), Some("smc" | "apng")) || (format_name == "avi" && has_palette)
}

/// Returns whether the stream's index contains a frame that is not a keyframe.
fn names_other_frames(container: &Container<'_>, stream: usize) -> bool {
    (0..container.index_entry_count(stream))
        .any(|number| container.index_entry_at(stream, number).is_some_and(|entry| !entry.is_key))
}

//! The state of a search: one stream of a container being decoded.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use super::decode::{Decoding, Setup};
use super::packets::{AccessUnit, Reordering, Units};
use super::places::Places;
use super::unreferenced::Unreferenced;
use crate::media::container::encryption::Encryption;
use crate::media::container::formats::{Opening, Seeking, Timestamps};
use crate::media::error::MediaError;
use crate::media::ffi::packet::Packet;
use crate::media::input::Container;
use crate::media::units::{Pts, Ticks, TimeBase};

/// What a search needs to know of the stream.
pub(in crate::media) struct Stream<'m> {
    pub(in crate::media) index: usize,
    pub(in crate::media) seeking: Seeking,
    pub(in crate::media) timestamps: Timestamps,
    /// Whether the container stores decoding times.
    pub(in crate::media) stores_dts: bool,
    /// Packets that were read while the container was opened.
    pub(in crate::media) pending: &'m mut VecDeque<Packet>,
    /// How its packets are encrypted.
    pub(in crate::media) encryption: Option<&'m Encryption>,
    /// Whether reading stands at the first packet.
    pub(in crate::media) is_at_start: bool,
    /// Whether the layout has requested the packets.
    pub(in crate::media) is_planned: bool,
    pub(in crate::media) threads: NonZeroUsize,
    pub(in crate::media) max_pixels: u64,
    pub(in crate::media) max_packets: u64,
    /// How the container is opened again.
    pub(in crate::media) opening: Opening,
}

/// One stream of a container being decoded.
pub(in crate::media) struct Search<'m, 'r> {
    pub(super) units: Units<'m, 'r>,
    pub(super) decoding: Decoding,
    pub(super) time_base: TimeBase,
    pub(super) seeking: Seeking,
    pub(super) timestamps: Timestamps,
    /// Start of the presentation in ticks.
    pub(super) start: Pts,
    /// Where times lie in the file.
    pub(super) places: Option<Places>,
    pub(super) is_planned: bool,
    pub(super) is_at_start: bool,
    /// The access units that were looked at on entering.
    pub(super) entry_units: VecDeque<AccessUnit>,
    /// The scheme of the encrypted access unit at which the pass ended.
    pub(super) encrypted: Option<String>,
    /// Whether the stream's first packet was looked at.
    pub(super) knows_first: bool,
    /// Tells which frames can be left out, of codecs whose decoders do not.
    pub(super) unreferenced: Option<Unreferenced>,
    pub(super) reorder: Reordering,
    /// Whether the container stores decoding times. Others are reckoned by libavformat, and may be too late.
    pub(super) stores_dts: bool,
    /// Whether a jump found no keyframe between the start and the goal.
    pub(super) has_no_entry: bool,
    /// Where what a jump requested ends.
    pub(super) requested: u64,
    /// Whether the keyframe of the entry is presented after its decoding time.
    pub(super) is_delayed: bool,
    /// Whether the container's marks of keyframes are to be believed without the decoder's word.
    pub(super) marks_keyframes: bool,
    pub(super) opening: Opening,
    pub(super) passes: u32,
}

impl<'m, 'r> Search<'m, 'r> {
    pub(in crate::media) fn new(
        container: &'m mut Container<'r>,
        stream: Stream<'m>,
        start: Pts,
        places: Option<Places>,
    ) -> Result<Self, MediaError> {
        let view = container.stream(stream.index).ok_or_else(MediaError::missing_stream)?;
        let time_base = TimeBase::try_from(view.time_base()).map_err(|_| MediaError::missing_stream())?;
        let is_intra_only = view.codec_properties().intra_only;
        let reorder = Reordering::of(view);
        let rate = container.guess_frame_rate(stream.index);
        // A tick of the frame rate's inverse is a frame.
        let frame = rate.and_then(|rate| TimeBase::new(rate.den, rate.num)?.microseconds(Ticks::ONE));
        let frame_ticks = frame
            .and_then(|length| time_base.ticks(length))
            .map_or(Ticks::ONE, |ticks| ticks.max(Ticks::ONE));
        let setup = Setup {
            threads: stream.threads,
            max_pixels: stream.max_pixels,
            frame_ticks,
            is_counted: stream.timestamps == Timestamps::Counted,
        };
        let decoding = Decoding::new(setup);
        // An index that marks every frame, of a codec whose frames refer to others, marks nothing.
        let marks_keyframes = is_intra_only
            || stream.seeking != Seeking::Indexed
            || names_other_frames(container, stream.index);
        let units =
            Units::new(container, stream.index, stream.pending, stream.encryption, stream.max_packets);
        let unreferenced = units.unreferenced();
        Ok(Self {
            units,
            decoding,
            time_base,
            seeking: stream.seeking,
            timestamps: stream.timestamps,
            start,
            places,
            is_planned: stream.is_planned,
            is_at_start: stream.is_at_start,
            entry_units: VecDeque::new(),
            encrypted: None,
            knows_first: false,
            unreferenced,
            reorder,
            stores_dts: stream.stores_dts,
            has_no_entry: false,
            requested: 0,
            is_delayed: false,
            marks_keyframes,
            opening: stream.opening,
            passes: 0,
        })
    }

    /// Packets that were given to the decoder, in all passes.
    pub(in crate::media) const fn packets_decoded(&self) -> u64 {
        self.decoding.packets_decoded()
    }

    /// Passes in which something was decoded.
    pub(in crate::media) const fn passes(&self) -> u32 {
        self.passes
    }

    pub(super) fn check(&mut self) -> Result<(), MediaError> {
        Ok(self.units.container.input_mut().check()?)
    }
}

/// Whether the stream's index names a frame that is no keyframe.
fn names_other_frames(container: &Container<'_>, stream: usize) -> bool {
    (0..container.index_entry_count(stream))
        .any(|number| container.index_entry_at(stream, number).is_some_and(|entry| !entry.is_key))
}

//! The packets of one stream, and the access units that they form.

use std::collections::VecDeque;

use super::target::Stream;
use super::unreferenced::Unreferenced;
use crate::media::container::formats::Timestamps;
use crate::media::container::{Sps, next_packet};
use crate::media::error::Error;
use crate::media::ffi::AvError;
use crate::media::ffi::frame::PictureType;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::parser::{Parser, PictureStructure};
use crate::media::input::Container;
use crate::media::units::{Pts, Ticks};

/// Number of consecutive demuxer errors after which the rest of the file is abandoned.
const MAX_READ_ERRORS_IN_A_ROW: u32 = 64;
/// Number of access units among which a B-frame occurs, in a stream with B-frames: encoders place one to four between two other
/// frames.
const ORDER_WINDOW: usize = 5;
/// The same number for a stream that declares B-frames, which may be rare.
const DECLARED_ORDER_WINDOW: usize = 24;
/// Number of access units whose presentation times are compared with the next one: more than the number of frames that may be
/// held back.
const MAX_RECENT: usize = 32;

/// Maximum number of frames over which H.264 and HEVC hold a frame back (ITU-T H.264, A.3.1; H.265, A.4.2).
pub(super) const MAX_REORDER: u8 = 16;

/// The container, and the number of the stream that is decoded.
pub(super) type Source<'m, 'r> = (&'m Container<'r>, usize);

/// Errors that libav reported.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Number of errors since the last restart.
    pub(super) count: u64,
    /// Message of the first error of all.
    pub(super) first: Option<String>,
}

impl Faults {
    pub(super) fn note(&mut self, error: &AvError) {
        self.count += 1;
        self.first.get_or_insert_with(|| error.in_words());
    }
}

/// The container's data about an access unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Presentation time: the time of the first packet, which the decoder assigns to the frame.
    pub(super) pts: Option<Pts>,
    /// Decoding time, on the same clock.
    pub(super) dts: Option<Pts>,
    pub(super) duration: Option<Ticks>,
    /// Start of the first packet in the file, where it is known.
    pub(super) position: Option<u64>,
    /// Whether decoding can begin here.
    pub(super) is_key: bool,
}

/// One coded frame: a packet, or the two packets of its fields.
pub(super) struct AccessUnit {
    pub(super) stamp: Stamp,
    first: Packet,
    second: Option<Packet>,
    /// Whether the first packet is a field. The decoder must not skip one half of a frame.
    pub(super) is_field: bool,
}

impl AccessUnit {
    pub(super) fn new(first: Packet, is_field: bool) -> Self {
        let stamp = Stamp {
            pts: first.pts().map(Pts::new),
            dts: first.dts().map(Pts::new),
            duration: first.duration().map(Ticks::new),
            position: first.position(),
            is_key: first.is_key(),
        };
        Self { stamp, first, second: None, is_field }
    }

    /// Returns whether the container reports missing or wrong bytes.
    pub(super) fn is_corrupt(&self) -> bool {
        self.packets().any(Packet::is_corrupt)
    }

    /// Returns the bytes of the first packet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.first.bytes()
    }

    /// Truncates the first packet to its first `bytes` bytes. Returns `false` when it becomes empty.
    pub(super) fn shorten(&mut self, bytes: usize) -> Result<bool, Error> {
        if bytes < self.first.bytes().len() {
            self.first.shorten(bytes).map_err(Error::library("cutting a packet"))?;
        }
        Ok(bytes > 0)
    }

    fn packets(&self) -> impl Iterator<Item = &Packet> {
        [Some(&self.first), self.second.as_ref()].into_iter().flatten()
    }

    pub(super) fn into_packets(self) -> impl Iterator<Item = Packet> {
        [Some(self.first), self.second].into_iter().flatten()
    }
}

/// The order of frames, as far as the packets reveal it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Decoding and presentation times have been equal so far, and no B-frame has occurred.
    Unknown,
    /// Presentation times determine the presentation order of frames.
    AsTimed,
    /// B-frames have occurred, but the container has no presentation times of its own: libavcodec may compute others.
    Doubtful,
    /// Two frames have the same time. From the first such pair in the file, libavcodec computes with decoding times.
    Repeated,
}

impl Order {
    /// Returns whether the times of the packets may differ from those of a decoder that began at the start.
    pub(super) const fn is_reckoned(self) -> bool {
        matches!(self, Self::Doubtful | Self::Repeated)
    }
}

/// Number of keyframes after an entry whose times are kept.
const MAX_KEYFRAMES: usize = 64;

/// Reads the packets of one stream from a container, and joins them into access units.
pub(super) struct Units<'m, 'r> {
    pub(super) container: &'m mut Container<'r>,
    pub(super) stream: Stream<'m>,
    /// Distinguishes fields from frames, and recognises B-frames, for codecs that may have them.
    parser: Option<Parser>,
    has_fields: bool,
    /// Whether the stream's first packet determines how the other packets are decoded, and was not read yet. x264 before build
    /// 151 wrote H.264 with full-resolution chroma incorrectly, and libavcodec reads such streams in the same way.
    pub(super) needs_first: bool,
    /// Maximum number of frames that the stream holds back for reordering, where the stream contains it.
    pub(super) max_depth: Option<usize>,
    /// Whether the decoder must learn during decoding how many frames are held back.
    pub(super) learns_depth: bool,
    is_reordering: bool,
    /// The known order of frames.
    pub(super) order: Order,
    /// Maximum number of access units so far that are presented after a later one.
    pub(super) depth: usize,
    pub(super) packets_read: u64,
    /// Errors that the demuxer reported.
    pub(super) faults: Faults,
    run: Run,
}

/// The data since reading began at the current entry.
#[derive(Default)]
struct Run {
    /// A packet that was read to check whether it completes the previous one.
    held: Option<(Packet, PictureStructure)>,
    /// Access units that were examined and not taken yet.
    ahead: VecDeque<AccessUnit>,
    /// Presentation times of the last access units, oldest first.
    recent: VecDeque<Pts>,
    /// The latest presentation time.
    latest: Option<Pts>,
    /// Whether the last keyframe is presented after its decoding time.
    is_delayed: bool,
    /// Presentation times of the first keyframes, in the order of the file; decoding times where the container has no others.
    keyframes: Vec<Pts>,
    /// The ticks to add to the times of packets; `None` until the first packet after a seek reveals them.
    shift: Option<i64>,
}

impl<'m, 'r> Units<'m, 'r> {
    pub(super) fn new(container: &'m mut Container<'r>, stream: Stream<'m>) -> Result<Self, Error> {
        let view = container.stream(stream.index).ok_or_else(Error::missing_stream)?;
        let is_reordering = view.codec_properties().reorder;
        let is_h264 = view.codec_name() == Some("h264");
        let sps = Sps::find(view.extradata()).filter(|_| is_h264);
        let in_order = !is_reordering || sps.as_ref().is_some_and(Sps::is_in_order);
        let declared = sps.as_ref().and_then(|sps| usize::try_from(sps.reorder_frames?).ok());
        let max_depth = if in_order { Some(0) } else { declared };
        let has_fields = is_h264 && !sps.as_ref().is_some_and(|sps| sps.frames_only);
        let parser = if in_order && !has_fields { None } else { Parser::open(view).ok().flatten() };
        // Matroska stores decoding times for codecs of AVI, which have a tag.
        let is_timed = stream.handling.stores_only_pts && view.codec_tag() == 0;
        Ok(Self {
            order: if parser.is_some() && !is_timed { Order::Unknown } else { Order::AsTimed },
            parser,
            has_fields,
            needs_first: sps.is_some_and(|sps| sps.is_444()),
            max_depth,
            learns_depth: is_h264 && max_depth.is_none(),
            is_reordering,
            depth: 0,
            packets_read: 0,
            faults: Faults::default(),
            run: Run { shift: Some(0), ..Run::default() },
            container,
            stream,
        })
    }

    /// Returns the container and the number of the stream.
    pub(super) const fn source(&self) -> Source<'_, 'r> {
        (self.container, self.stream.index)
    }

    /// Returns the detector of frames that can be skipped. The detector begins with the next keyframe.
    pub(super) fn unreferenced(&self) -> Option<Unreferenced> {
        let view = self.container.stream(self.stream.index)?;
        Unreferenced::for_codec(view.codec_name()?, view.extradata())
    }

    /// Forgets the packets that were read, before reading begins elsewhere.
    pub(super) fn restart(&mut self) {
        self.stream.is_at_start = false;
        self.stream.pending.clear();
        self.run = Run::default();
        self.faults.count = 0;
    }

    /// Takes the next access unit, or returns `None` at the end of the stream.
    ///
    /// # Errors
    /// The errors of reading, and the limit `max_packets`.
    pub(super) fn next(&mut self) -> Result<Option<AccessUnit>, Error> {
        self.peek(0)?;
        Ok(self.run.ahead.pop_front())
    }

    /// Examines the access unit `number` positions after the next one. Returns `None` after the end of the stream.
    ///
    /// # Errors
    /// The same errors as [`next`](Self::next).
    pub(super) fn peek(&mut self, number: usize) -> Result<Option<Stamp>, Error> {
        while self.run.ahead.len() <= number {
            let Some(unit) = self.read_unit()? else { return Ok(None) };
            self.note(unit.stamp);
            self.run.ahead.push_back(unit);
        }
        Ok(self.run.ahead.get(number).map(|unit| unit.stamp))
    }

    /// Returns the latest presentation time since the last restart.
    pub(super) const fn latest(&self) -> Option<Pts> {
        self.run.latest
    }

    /// Returns the bytes of the next access unit, if it was examined.
    pub(super) fn next_bytes(&self) -> Option<&[u8]> {
        self.run.ahead.front().map(AccessUnit::bytes)
    }

    /// Skips access units that were examined.
    pub(super) fn skip(&mut self, count: usize) {
        self.run.ahead.drain(..count.min(self.run.ahead.len()));
    }

    fn read_unit(&mut self) -> Result<Option<AccessUnit>, Error> {
        let next = self.run.held.take().map_or_else(|| self.read_with_structure(), |held| Ok(Some(held)))?;
        let Some((first, structure)) = next else { return Ok(None) };
        let opposite = match structure {
            PictureStructure::TopField => PictureStructure::BottomField,
            PictureStructure::BottomField => PictureStructure::TopField,
            PictureStructure::Frame | PictureStructure::Unknown => {
                return Ok(Some(AccessUnit::new(first, false)));
            }
        };
        let mut unit = AccessUnit::new(first, true);
        if let Some((second, structure)) = self.read_with_structure()? {
            // A keyframe begins a frame, unless both of its fields are marked.
            if structure == opposite && (unit.stamp.is_key || !second.is_key()) {
                unit.second = Some(second);
            } else {
                self.run.held = Some((second, structure));
            }
        }
        Ok(Some(unit))
    }

    /// Records what an access unit reveals about the order of frames.
    fn note(&mut self, stamp: Stamp) {
        if stamp.is_key || self.run.recent.is_empty() {
            self.run.is_delayed = stamp.pts > stamp.dts;
        }
        if stamp.is_key && self.run.keyframes.len() < MAX_KEYFRAMES {
            self.run.keyframes.extend(stamp.pts.or(stamp.dts));
        }
        let Some(pts) = stamp.pts else { return };
        self.run.latest = self.run.latest.max(Some(pts));
        // Where frames are reordered, two equal times make libavcodec compute with decoding times.
        if self.is_reordering && self.run.recent.contains(&pts) {
            self.order = Order::Repeated;
        }
        let later = self.run.recent.iter().filter(|&&other| other > pts).count();
        self.depth = self.depth.max(later);
        if self.run.recent.len() >= MAX_RECENT {
            self.run.recent.pop_front();
        }
        self.run.recent.push_back(pts);
    }

    /// Returns whether the presentation order of frames is known, or enough access units have been read since the entry to meet a
    /// B-frame if there are any.
    pub(super) fn knows_order(&self) -> bool {
        let window = if self.max_depth > Some(0) { DECLARED_ORDER_WINDOW } else { ORDER_WINDOW };
        self.order != Order::Unknown || self.run.recent.len() >= window
    }

    /// Returns the presentation times of the last access units since the entry, in decoding order.
    pub(super) fn recent(&self) -> impl Iterator<Item = Pts> {
        self.run.recent.iter().copied()
    }

    /// Returns whether the frame at `goal` shows a second refresh. Decoding began at the keyframe `entry`, which refreshes the picture
    /// gradually, and `first` is the first frame that the decoder returned.
    ///
    /// The stream states after how many frames the picture is refreshed (recovery point, ITU-T H.264, D.2.8). Frames of x264 may still
    /// differ then, until the next keyframe has refreshed the picture once more.
    pub(super) fn is_refreshed_twice(&self, entry: Pts, first: Pts, goal: Pts) -> bool {
        let second = self.run.keyframes.iter().find(|&&keyframe| keyframe >= first);
        second.is_some_and(|second| second.saturating_add(first.since(entry)) <= goal)
    }

    /// Returns the minimum number of frames that the decoder must hold back, if decoding begins with the access unit `first`. `frame` is
    /// the duration of a frame.
    ///
    /// It is the number of frames that have been reordered so far. H.264 need not declare its number, and its decoder then learns it by
    /// dropping frames. In this case, the times of `first` count too: a keyframe is presented later than its decoding time by the number
    /// of frames that are held back. A declared number is not raised in this way, because libavcodec derives times from the number.
    pub(super) fn held_back(&self, first: Stamp, frame: Ticks) -> u8 {
        let times = first.pts.zip(first.dts).filter(|_| self.learns_depth);
        let length = first.duration.unwrap_or(frame).max(Ticks::ONE);
        let delay = times.map_or(0, |(pts, dts)| pts.since(dts).get().max(0) / length.get());
        let frames = usize::try_from(delay).unwrap_or(usize::MAX).max(self.depth);
        u8::try_from(frames).map_or(MAX_REORDER, |frames| frames.min(MAX_REORDER))
    }

    /// Returns whether no frame is presented before its decoding time. Decoding times that libavformat computes may be too late.
    pub(super) const fn dts_is_bound(&self) -> bool {
        self.stream.handling.stores_dts && (matches!(self.order, Order::Unknown) || self.run.is_delayed)
    }

    /// Returns the encryption scheme of an access unit, or `None` for an unencrypted one, whose bytes before the frame are
    /// removed.
    pub(super) fn decrypt(&self, unit: &mut AccessUnit) -> Option<String> {
        let encryption = self.stream.encryption?;
        let scheme = unit
            .packets()
            .find_map(|packet| encryption.scheme_of_packet(packet.encryption_parameters(), packet.bytes()));
        if scheme.is_none() {
            unit.first.skip_front(encryption.bytes_before_frame());
        }
        scheme
    }

    fn read_with_structure(&mut self) -> Result<Option<(Packet, PictureStructure)>, Error> {
        let Some(packet) = self.read()? else { return Ok(None) };
        // At an entry with a B-frame, its two times may be equal although those of other frames differ. Where the container stores one time
        // only, libavformat removes the decoding times of frames that wait for others (`compute_pkt_fields`, libavformat/demux.c).
        let is_stored = self.stream.handling.timestamps == Timestamps::Stored;
        let differ = packet.pts() != packet.dts() && (is_stored || packet.dts().is_some());
        if matches!(self.order, Order::Unknown | Order::Doubtful) && differ {
            self.order = Order::AsTimed;
        }
        let Some(parser) = self.parser.as_mut().filter(|_| self.has_fields || self.order == Order::Unknown)
        else {
            return Ok(Some((packet, PictureStructure::Frame)));
        };
        let parsed = parser.parse(&packet);
        if self.order == Order::Unknown && parsed.picture_type == PictureType::B {
            self.order = Order::Doubtful;
        }
        let structure = if self.has_fields { parsed.structure } else { PictureStructure::Frame };
        Ok(Some((packet, structure)))
    }

    /// Gives a packet the times that it has when reading begins at the start. After a seek, libavformat counts frames from the one in the
    /// index. In AVI, it also counts the chunks without content before that frame (`avi_sync` and `avi_read_seek`, libavformat/avidec.c).
    fn correct_times(&mut self, packet: &mut Packet) {
        /// Size of the header of a chunk, at which the entries of the index point.
        const CHUNK_HEADER: u64 = 8;
        if !self.stream.handling.index_has_dts {
            return;
        }
        let shift = *self.run.shift.get_or_insert_with(|| {
            let place = packet.position().and_then(|position| position.checked_sub(CHUNK_HEADER));
            let counted = packet.dts().or_else(|| packet.pts());
            let indexed = place.zip(counted).and_then(|(place, counted)| {
                self.container.index_timestamp(self.stream.index, place, counted)?.checked_sub(counted)
            });
            indexed.unwrap_or(0)
        });
        packet.shift_times(shift);
    }

    /// Returns the stream's next packet, or `None` at the end.
    fn read(&mut self) -> Result<Option<Packet>, Error> {
        self.stream.is_at_start = false;
        let mut errors_in_a_row = 0;
        while errors_in_a_row < MAX_READ_ERRORS_IN_A_ROW {
            let result = match self.stream.pending.pop_front() {
                Some(packet) => Ok(Some(packet)),
                None => next_packet(self.container)?,
            };
            match result {
                Ok(Some(mut packet)) if packet.stream_index() == Some(self.stream.index) => {
                    self.correct_times(&mut packet);
                    self.packets_read += 1;
                    self.stream.spent.add_packet(&self.stream.limits)?;
                    return Ok(Some(packet));
                }
                Ok(Some(_)) => errors_in_a_row = 0,
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.faults.note(&error);
                    errors_in_a_row += 1;
                }
            }
        }
        Ok(None)
    }
}

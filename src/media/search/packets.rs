//! The packets of one stream, and the access units that they make.

use std::collections::VecDeque;

use super::target::Stream;
use super::unreferenced::Unreferenced;
use crate::media::container::{Sps, next_packet};
use crate::media::error::Error;
use crate::media::ffi::AvError;
use crate::media::ffi::frame::PictureType;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::parser::{Parser, PictureStructure};
use crate::media::input::Container;
use crate::media::units::{Pts, Ticks};

/// Demuxer errors in a row after which the rest of the file is given up.
const MAX_READ_ERRORS_IN_A_ROW: u32 = 64;
/// Access units among which a B-frame comes, in a stream that has any: encoders place one to four between two others.
const ORDER_WINDOW: usize = 5;
/// The same of a stream that declares B-frames, which may be few.
const DECLARED_ORDER_WINDOW: usize = 24;
/// Access units whose presentation times are compared with that of the next: as many as may be held back, and more.
const MAX_RECENT: usize = 32;

/// The container and the number of the stream that is decoded.
pub(super) type Source<'m, 'r> = (&'m Container<'r>, usize);

/// Errors that libav reported.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// How many, since the last restart.
    pub(super) count: u64,
    /// The first of all, in words.
    pub(super) first: Option<String>,
}

impl Faults {
    pub(super) fn note(&mut self, error: &AvError) {
        self.count += 1;
        self.first.get_or_insert_with(|| error.in_words());
    }
}

/// What the container says of an access unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// Presentation time: that of the first packet, which the decoder gives to the frame.
    pub(super) pts: Option<Pts>,
    /// Decoding time, on the same clock.
    pub(super) dts: Option<Pts>,
    pub(super) duration: Option<Ticks>,
    /// Where the first packet begins in the file, where that is known.
    pub(super) position: Option<u64>,
    /// Whether decoding can begin here.
    pub(super) is_key: bool,
}

/// One coded frame: a packet, or the two packets of its fields.
pub(super) struct AccessUnit {
    pub(super) stamp: Stamp,
    first: Packet,
    second: Option<Packet>,
    /// Whether the first packet is a field. The decoder must not leave half of a frame out.
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

    /// Whether the container says that bytes are missing or wrong.
    pub(super) fn is_corrupt(&self) -> bool {
        self.packets().any(Packet::is_corrupt)
    }

    /// The bytes of the first packet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.first.bytes()
    }

    /// Cuts the first packet to its first `bytes` bytes; `false` when nothing is left of it.
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

/// What the packets tell of the order of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Decoding and presentation times were equal so far, and no B-frame came.
    Unknown,
    /// Presentation times say in which order frames are presented.
    AsTimed,
    /// B-frames came, but the container has no presentation times of its own: libavcodec may reckon others.
    Doubtful,
    /// Two frames have one time. From the first such pair in the file on, libavcodec reckons with decoding times.
    Repeated,
}

impl Order {
    /// Whether the times of the packets may be others than a decoder gives that began at the start.
    pub(super) const fn is_reckoned(self) -> bool {
        matches!(self, Self::Doubtful | Self::Repeated)
    }
}

/// Reads the packets of one stream from a container, and joins them to access units.
pub(super) struct Units<'m, 'r> {
    pub(super) container: &'m mut Container<'r>,
    pub(super) stream: Stream<'m>,
    /// Tells fields from frames, and B-frames, of codecs that may have them.
    parser: Option<Parser>,
    has_fields: bool,
    /// Whether the stream's first packet tells how the others are decoded, and was not looked at: x264 wrote H.264 with chroma of
    /// full resolution wrong before build 151, and libavcodec reads it so.
    pub(super) needs_first: bool,
    /// Frames that the stream holds back to put them in order, at most, where it says so.
    pub(super) max_depth: Option<usize>,
    /// Whether the decoder has to learn on the way how many frames are held back.
    pub(super) learns_depth: bool,
    is_reordering: bool,
    /// What is known of the order of frames.
    pub(super) order: Order,
    /// Access units seen that are presented after a later one, at most.
    pub(super) depth: usize,
    pub(super) packets_read: u64,
    /// What the demuxer reported.
    pub(super) faults: Faults,
    run: Run,
}

/// What was read since reading began at some place.
#[derive(Default)]
struct Run {
    /// A packet that was read to see whether it completes the one before.
    held: Option<(Packet, PictureStructure)>,
    /// Access units that were looked at, and not taken yet.
    ahead: VecDeque<AccessUnit>,
    /// Presentation times of the last access units, oldest first.
    recent: VecDeque<Pts>,
    /// The latest presentation time.
    latest: Option<Pts>,
    /// Whether the last keyframe is presented after its decoding time.
    is_delayed: bool,
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
        Ok(Self {
            order: if parser.is_some() { Order::Unknown } else { Order::AsTimed },
            parser,
            has_fields,
            needs_first: sps.is_some_and(|sps| sps.is_444()),
            max_depth,
            learns_depth: is_h264 && max_depth.is_none(),
            is_reordering,
            depth: 0,
            packets_read: 0,
            faults: Faults::default(),
            run: Run::default(),
            container,
            stream,
        })
    }

    /// The container, and which of its streams is read.
    pub(super) const fn source(&self) -> Source<'_, 'r> {
        (self.container, self.stream.index)
    }

    /// What tells the frames that can be left out; it begins with the next keyframe.
    pub(super) fn unreferenced(&self) -> Option<Unreferenced> {
        let view = self.container.stream(self.stream.index)?;
        Unreferenced::for_codec(view.codec_name()?, view.extradata())
    }

    /// Forgets what was read, before reading begins elsewhere.
    pub(super) fn restart(&mut self) {
        self.stream.is_at_start = false;
        self.stream.pending.clear();
        self.run = Run::default();
        self.faults.count = 0;
    }

    /// Takes the next access unit; `None` at the end of the stream.
    ///
    /// # Errors
    /// What reading gives, and the limit `max_packets`.
    pub(super) fn next(&mut self) -> Result<Option<AccessUnit>, Error> {
        self.peek(0)?;
        Ok(self.run.ahead.pop_front())
    }

    /// Looks at the access unit that is `number` behind the next one; `None` behind the end of the stream.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub(super) fn peek(&mut self, number: usize) -> Result<Option<Stamp>, Error> {
        while self.run.ahead.len() <= number {
            let Some(unit) = self.read_unit()? else { return Ok(None) };
            self.note(unit.stamp);
            self.run.ahead.push_back(unit);
        }
        Ok(self.run.ahead.get(number).map(|unit| unit.stamp))
    }

    /// The latest presentation time that was met since the last restart.
    pub(super) const fn latest(&self) -> Option<Pts> {
        self.run.latest
    }

    /// The bytes of the next access unit, if it was looked at.
    pub(super) fn next_bytes(&self) -> Option<&[u8]> {
        self.run.ahead.front().map(AccessUnit::bytes)
    }

    /// Leaves out access units that were looked at.
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

    /// Takes down what an access unit says of the order of frames.
    fn note(&mut self, stamp: Stamp) {
        if stamp.is_key || self.run.recent.is_empty() {
            self.run.is_delayed = stamp.pts > stamp.dts;
        }
        let Some(pts) = stamp.pts else { return };
        self.run.latest = self.run.latest.max(Some(pts));
        // Where frames are reordered, two of one time make libavcodec reckon with decoding times.
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

    /// Whether it is known in which order frames are presented, or as many access units were seen since the entry as it takes to
    /// meet a B-frame, where there are any.
    pub(super) fn knows_order(&self) -> bool {
        let window = if self.max_depth > Some(0) { DECLARED_ORDER_WINDOW } else { ORDER_WINDOW };
        self.order != Order::Unknown || self.run.recent.len() >= window
    }

    /// Whether no frame is presented before its decoding time. Decoding times that libavformat reckons may be too late.
    pub(super) const fn dts_is_bound(&self) -> bool {
        self.stream.handling.stores_dts && (matches!(self.order, Order::Unknown) || self.run.is_delayed)
    }

    /// The scheme by which an access unit is encrypted; `None` for one in clear, from which goes what is in front of its frame.
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
        // Where reading begins at a B-frame, its two times may be equal although others are not.
        if matches!(self.order, Order::Unknown | Order::Doubtful) && packet.pts() != packet.dts() {
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

    /// The stream's next packet; `None` at the end.
    fn read(&mut self) -> Result<Option<Packet>, Error> {
        self.stream.is_at_start = false;
        let mut errors_in_a_row = 0;
        while errors_in_a_row < MAX_READ_ERRORS_IN_A_ROW {
            let result = match self.stream.pending.pop_front() {
                Some(packet) => Ok(Some(packet)),
                None => next_packet(self.container)?,
            };
            match result {
                Ok(Some(packet)) if packet.stream_index() == Some(self.stream.index) => {
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

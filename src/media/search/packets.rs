//! The packets of one stream, and the access units that they make.

use std::collections::VecDeque;

use super::unreferenced::Unreferenced;
use crate::media::container::Sps;
use crate::media::container::encryption::Encryption;
use crate::media::error::MediaError;
use crate::media::ffi::AvError;
use crate::media::ffi::frame::PictureType;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::parser::{Parser, PictureStructure};
use crate::media::ffi::stream::Stream;
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

/// One coded frame: a packet, or the two packets of its fields.
pub(super) struct AccessUnit {
    first: Packet,
    second: Option<Packet>,
    /// Whether the first packet is a field.
    is_field: bool,
}

impl AccessUnit {
    pub(super) const fn of_packet(packet: Packet) -> Self {
        Self { first: packet, second: None, is_field: false }
    }

    /// Presentation time: that of the first packet, which the decoder gives to the frame.
    pub(super) fn pts(&self) -> Option<Pts> {
        self.first.pts().map(Pts::new)
    }

    /// Decoding time, on the same clock.
    pub(super) fn dts(&self) -> Option<Pts> {
        self.first.dts().map(Pts::new)
    }

    /// Length.
    pub(super) fn duration(&self) -> Option<Ticks> {
        self.first.duration().map(Ticks::new)
    }

    /// Where the first packet begins in the file, where that is known.
    pub(super) fn position(&self) -> Option<u64> {
        self.first.position()
    }

    /// Whether the container says that decoding can begin here.
    pub(super) fn is_key(&self) -> bool {
        self.first.is_key()
    }

    /// Whether the decoder may leave the frame out; half of one that is coded in fields must not be left out.
    pub(super) const fn is_skippable(&self) -> bool {
        !self.is_field
    }

    /// Whether the container says that bytes are missing or wrong.
    pub(super) fn is_corrupt(&self) -> bool {
        self.packets().any(Packet::is_corrupt)
    }

    /// The version of x264 that encoded the stream, from the text that x264 writes into its first packet.
    pub(super) fn x264_build(&self) -> Option<u32> {
        const NAME: &[u8] = b"x264 - core ";
        let bytes = self.bytes();
        let text =
            bytes.get(bytes.windows(NAME.len()).position(|part| part == NAME)?.checked_add(NAME.len())?..)?;
        let digits = text.iter().take(6).take_while(|byte| byte.is_ascii_digit());
        digits.fold(None, |number, &byte| Some(number.unwrap_or(0) * 10 + u32::from(byte - b'0')))
    }

    /// The bytes of the first packet.
    pub(super) fn bytes(&self) -> &[u8] {
        self.first.bytes()
    }

    /// Cuts the first packet to its first `bytes` bytes; `false` when nothing is left of it.
    pub(super) fn shorten(&mut self, bytes: usize) -> Result<bool, MediaError> {
        if bytes < self.first.bytes().len() {
            self.first.shorten(bytes).map_err(MediaError::library("cutting a packet"))?;
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

/// Whether a stream presents frames in another order than it decodes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reordering {
    /// It holds back so many frames at most.
    UpTo(usize),
    /// Its decoder knows how many from the parameter sets.
    KnownToDecoder,
    /// Its decoder learns how many on the way.
    Unknown,
}

impl Reordering {
    pub(super) fn of(view: Stream<'_>) -> Self {
        if !view.codec_properties().reorder {
            return Self::UpTo(0);
        }
        if view.codec_name() != Some("h264") {
            return Self::KnownToDecoder;
        }
        let sps = Sps::find(view.extradata());
        if sps.as_ref().is_some_and(Sps::is_in_order) {
            return Self::UpTo(0);
        }
        let frames = sps.and_then(|sps| usize::try_from(sps.reorder_frames?).ok());
        frames.map_or(Self::Unknown, Self::UpTo)
    }

    /// Frames that are held back at most, where that is known.
    pub(super) const fn depth(self) -> Option<usize> {
        match self {
            Self::UpTo(frames) => Some(frames),
            Self::KnownToDecoder | Self::Unknown => None,
        }
    }
}

/// Whether a stream is H.264 with chroma of full resolution: x264 wrote it wrong before build 151, and libavcodec reads it so.
fn is_h264_444(view: Stream<'_>) -> bool {
    view.codec_name() == Some("h264") && Sps::find(view.extradata()).is_some_and(|sps| sps.is_444())
}

/// The parser of a stream whose frames may be coded in fields or out of order, and whether they may be in fields.
fn open_parser(view: Stream<'_>) -> (Option<Parser>, bool) {
    let is_h264 = view.codec_name() == Some("h264");
    let sps = if is_h264 { Sps::find(view.extradata()) } else { None };
    let has_fields = is_h264 && !sps.as_ref().is_some_and(|sps| sps.frames_only);
    let in_order = sps.is_some_and(|sps| sps.is_in_order()) || !view.codec_properties().reorder;
    let parser = if in_order && !has_fields { None } else { Parser::open(view).ok().flatten() };
    (parser, has_fields)
}

/// Reads the packets of one stream from a container, and joins them to access units.
pub(super) struct Units<'m, 'r> {
    pub(super) container: &'m mut Container<'r>,
    stream: usize,
    /// Packets that were read while the container was opened.
    pending: &'m mut VecDeque<Packet>,
    encryption: Option<&'m Encryption>,
    /// Tells fields from frames, and B-frames, of codecs that may have them.
    parser: Option<Parser>,
    has_fields: bool,
    /// Whether the first packet of the stream tells how the others are decoded.
    needs_first: bool,
    is_reordering: bool,
    order: Order,
    /// Access units without a B-frame after which none is expected.
    order_window: usize,
    /// Presentation times of the last access units, oldest first.
    recent: VecDeque<Pts>,
    /// Access units seen that are presented after a later one, at most.
    depth: usize,
    /// A packet that was read to see whether it completes the one before.
    held: Option<(Packet, PictureStructure)>,
    packets_read: u64,
    max_packets: u64,
    /// What the demuxer reported since the last restart.
    errors: u64,
    first_error: Option<String>,
}

impl<'m, 'r> Units<'m, 'r> {
    pub(super) fn new(
        container: &'m mut Container<'r>,
        stream: usize,
        pending: &'m mut VecDeque<Packet>,
        encryption: Option<&'m Encryption>,
        max_packets: u64,
    ) -> Self {
        let (parser, has_fields) = container.stream(stream).map_or((None, false), open_parser);
        let needs_first = container.stream(stream).is_some_and(is_h264_444);
        let is_reordering = container.stream(stream).is_some_and(|view| view.codec_properties().reorder);
        let depth = container.stream(stream).and_then(|view| Reordering::of(view).depth());
        let order_window = if depth > Some(0) { DECLARED_ORDER_WINDOW } else { ORDER_WINDOW };
        let order = if parser.is_some() { Order::Unknown } else { Order::AsTimed };
        Self {
            container,
            stream,
            pending,
            encryption,
            parser,
            has_fields,
            needs_first,
            is_reordering,
            order,
            order_window,
            recent: VecDeque::new(),
            depth: 0,
            held: None,
            packets_read: 0,
            max_packets,
            errors: 0,
            first_error: None,
        }
    }

    /// Whether the stream's first packet tells how the others are decoded.
    pub(super) const fn needs_first(&self) -> bool {
        self.needs_first
    }

    /// The container, and which of its streams is read.
    pub(super) const fn source(&self) -> Source<'_, 'r> {
        (self.container, self.stream)
    }

    pub(super) const fn stream(&self) -> usize {
        self.stream
    }

    pub(super) const fn packets_read(&self) -> u64 {
        self.packets_read
    }

    /// Errors of the demuxer since the last restart.
    pub(super) const fn errors(&self) -> u64 {
        self.errors
    }

    pub(super) fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    /// What tells the frames that can be left out; it begins with the next keyframe.
    pub(super) fn unreferenced(&self) -> Option<Unreferenced> {
        let view = self.container.stream(self.stream)?;
        Unreferenced::for_codec(view.codec_name()?, view.extradata())
    }

    /// Forgets what was read, before reading begins elsewhere.
    pub(super) fn restart(&mut self) {
        self.pending.clear();
        self.held = None;
        self.recent.clear();
        self.errors = 0;
    }

    /// The next access unit; `None` at the end of the stream.
    ///
    /// # Errors
    /// What reading gives, and the limit `max_packets`.
    pub(super) fn next(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        let Some(unit) = self.read_unit()? else { return Ok(None) };
        if let Some(pts) = unit.pts() {
            self.note_order(pts);
        }
        Ok(Some(unit))
    }

    fn read_unit(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        let held = self.held.take();
        let Some((first, structure)) =
            held.map_or_else(|| self.read_with_structure(), |held| Ok(Some(held)))?
        else {
            return Ok(None);
        };
        let opposite = match structure {
            PictureStructure::TopField => PictureStructure::BottomField,
            PictureStructure::BottomField => PictureStructure::TopField,
            PictureStructure::Frame | PictureStructure::Unknown => {
                return Ok(Some(AccessUnit::of_packet(first)));
            }
        };
        let mut unit = AccessUnit { first, second: None, is_field: true };
        if let Some((second, structure)) = self.read_with_structure()? {
            // A keyframe begins a frame, unless both of its fields are marked.
            if structure == opposite && (unit.first.is_key() || !second.is_key()) {
                unit.second = Some(second);
            } else {
                self.held = Some((second, structure));
            }
        }
        Ok(Some(unit))
    }

    fn note_order(&mut self, pts: Pts) {
        // Where frames are reordered, two of one time make libavcodec reckon with decoding times.
        if self.is_reordering && self.recent.contains(&pts) {
            self.order = Order::Repeated;
        }
        let later = self.recent.iter().filter(|&&other| other > pts).count();
        self.depth = self.depth.max(later);
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(pts);
    }

    /// How many access units, at most, were seen to be presented after one that follows them.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// Whether as many access units were seen since the entry as it takes to meet a B-frame, where there are any.
    pub(super) fn has_seen_order(&self) -> bool {
        self.recent.len() >= self.order_window
    }

    /// The scheme by which an access unit is encrypted; `None` for one in clear, from which goes what is in front of its frame.
    pub(super) fn decrypt(&self, unit: &mut AccessUnit) -> Option<String> {
        let encryption = self.encryption?;
        let scheme = unit
            .packets()
            .find_map(|packet| encryption.scheme_of_packet(packet.encryption_parameters(), packet.bytes()));
        if scheme.is_none() {
            unit.first.skip_front(encryption.bytes_before_frame());
        }
        scheme
    }

    /// What is known of the order of frames.
    pub(super) const fn order(&self) -> Order {
        self.order
    }

    fn read_with_structure(&mut self) -> Result<Option<(Packet, PictureStructure)>, MediaError> {
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
    fn read(&mut self) -> Result<Option<Packet>, MediaError> {
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
                Ok(true) if packet.stream_index() == Some(self.stream) => {
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

    fn note(&mut self, error: &AvError) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }
}

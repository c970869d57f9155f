//! Messages between a child and its keeper.
//!
//! A message consists of a tag byte, the length of the body in 4 bytes (little-endian), and the body: JSON or raw bytes. The keeper sends
//! a [`Request`] and serves the child's reads until the answer arrives. Neither side sends anything else in the meantime, so no message
//! can be mistaken for another.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::layers::Layers;
use super::picture::Picture;
use super::relay::Wanted;
use crate::limits::{Limit, Limits};
use crate::picture::ImageFormat;
use crate::pixels::Framing;
use crate::{Candidate, CandidatesRequest, Encoding, Error, FrameRequest, Ledger, MediaInfo, Threads};

/// The first argument of a child. A child of another program or version rejects a different value.
pub(super) const CHILD: &str = "posterframe-cage-1";
/// Maximum number of bytes of one read.
pub(super) const MAX_READ: usize = 64 << 10;
/// Maximum number of bytes of an answer without its picture.
pub(super) const MAX_ANSWER: usize = 16 << 20;
/// Number of bytes received at a time.
const PART: usize = 64 << 10;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    /// To the child: a [`Request`].
    Request = 1,
    /// To the child: the requested bytes.
    Bytes = 2,
    /// To the child: the read failed. The body contains whether the read may be retried.
    Refused = 3,
    /// To the keeper: an [`Answer`].
    Answer = 16,
    /// To the keeper: the picture that belongs to the next answer.
    Picture = 17,
    /// To the keeper: `u64` offset, `u64` length. The keeper replies with [`Tag::Bytes`].
    Read = 18,
    /// To the keeper: start and end of a range. The keeper replies with an empty [`Tag::Bytes`] when the range is available.
    Wait = 19,
    /// To the keeper: starts and ends of ranges. No reply.
    Prefetch = 20,
    /// To the keeper: starts and ends of ranges. No reply.
    NeedOnly = 21,
    /// To the keeper: a depth, and starts and ends of ranges. No reply.
    PrefetchBehind = 22,
    /// To the keeper: requests the depth. The reply has 8 bytes.
    Depth = 23,
    /// To the keeper: a line of libav's log.
    Log = 24,
}

impl Tag {
    fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [Tag; 12] = [
            Tag::Request,
            Tag::Bytes,
            Tag::Refused,
            Tag::Answer,
            Tag::Picture,
            Tag::Read,
            Tag::Wait,
            Tag::Prefetch,
            Tag::NeedOnly,
            Tag::PrefetchBehind,
            Tag::Depth,
            Tag::Log,
        ];
        ALL.into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// A task for the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Open(Open),
    Picture(FrameRequest),
    /// The first picture of a list.
    Pictures(Vec<FrameRequest>),
    /// The next picture of the list.
    Next,
    /// The last picture's frame as another picture.
    Encode(Encoding),
    /// The last picture's frame as packed RGB.
    Rgb(Framing),
    /// Frames that people can choose from.
    Candidates(CandidatesRequest),
    /// Forget the file, and either keep its memory for the next file or return the memory to the system.
    Close {
        keeps_memory: bool,
    },
    #[cfg(feature = "testing")]
    Act(super::acts::Act, u32),
}

/// A file to open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) input: InputKind,
    pub(super) size: u64,
    pub(super) limits: Limits,
    pub(super) threads: Threads,
    pub(super) frame: Option<FrameRequest>,
    pub(super) analyse_streams: bool,
    /// The time that remains for all calls together.
    pub(super) time_left: Option<Duration>,
    pub(super) log: Wanted,
}

/// The way in which the keeper reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum InputKind {
    /// By ranges, which are planned ahead.
    Ranges,
    /// At the child's requests.
    Reader,
}

/// The result of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The child waits for its first request, within these layers.
    Ready(Layers),
    Opened(Box<MediaInfo>, Ledger),
    /// The bytes of the picture are sent before this answer.
    Picture(Box<Picture>, Ledger),
    Rgb(u32, u32),
    /// The pixels of all pictures go before them, in their order.
    Candidates(Vec<Candidate>, Ledger),
    Failed(Failure, Ledger),
    #[cfg(feature = "testing")]
    Acted(Result<String, String>),
}

/// An [`Error`] on its way to the keeper. The keeper itself knows the error of its own reader best.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    Reader { offset: u64, message: String },
    Empty,
    NotMedia { reason: String },
    UnsupportedContainer { name: String },
    NoVideo { found: String },
    NoCover,
    NoDuration,
    NoDecoder { codec: String },
    Encrypted { scheme: String },
    TileGrid,
    NoTransparency { format: ImageFormat },
    ColourMatrix { matrix: String },
    NoFrame { packets: u64, errors: u64, first: String },
    LimitExceeded { limit: Limit, allowed: u64 },
    Timeout { allowed: Duration },
    Panicked { message: String },
    TooExpensive,
    TooLarge { format: ImageFormat, width: u32, height: u32, max_side: u32 },
    Picture { step: String, reason: String },
    Library { step: String, reason: String },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Empty => Self::Empty,
            Error::NotMedia { reason } => Self::NotMedia { reason },
            Error::UnsupportedContainer { name } => Self::UnsupportedContainer { name: name.into_owned() },
            Error::NoVideo { found } => Self::NoVideo { found },
            Error::NoCover => Self::NoCover,
            Error::NoDuration => Self::NoDuration,
            Error::NoDecoder { codec } => Self::NoDecoder { codec },
            Error::Encrypted { scheme } => Self::Encrypted { scheme },
            Error::TileGrid => Self::TileGrid,
            Error::NoTransparency { format } => Self::NoTransparency { format },
            Error::ColourMatrix { matrix } => Self::ColourMatrix { matrix },
            Error::NoFrame { packets, errors, first } => Self::NoFrame { packets, errors, first },
            Error::LimitExceeded { limit, allowed } => Self::LimitExceeded { limit, allowed },
            Error::Timeout { allowed } => Self::Timeout { allowed },
            Error::Panicked { message } => Self::Panicked { message },
            Error::TooExpensive => Self::TooExpensive,
            Error::TooLarge { format, width, height, max_side } => {
                Self::TooLarge { format, width, height, max_side }
            }
            Error::Picture { step, reason } => Self::Picture { step: step.into_owned(), reason },
            Error::Library { step, reason } => Self::Library { step: step.into_owned(), reason },
            Error::Read { offset, error } => Self::Reader { offset, message: error.to_string() },
            error @ (Error::Open { .. }
            | Error::Source(_)
            | Error::ReaderPanicked { .. }
            | Error::Cancelled
            | Error::NoCage { .. }
            | Error::DecoderDied { .. }) => Self::Reader { offset: 0, message: error.to_string() },
        }
    }
}

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    /// Received bytes that no caller has taken yet.
    inbox: Vec<u8>,
}

impl Wire {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self { stream, inbox: Vec::new() }
    }

    /// Sends a message. While the other side does not accept bytes, `pause` decides whether to continue.
    pub(super) fn send<E: From<io::Error>>(
        &mut self,
        tag: Tag,
        body: &[u8],
        mut pause: impl FnMut() -> Result<(), E>,
    ) -> Result<(), E> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let message = [&[tag as u8][..], &length.to_le_bytes(), body].concat();
        let mut rest = &message[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if is_pause(&error) => pause()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[cfg(feature = "testing")]
    pub(super) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Returns the next message, or `None` when the other side has ended. A message may have at most the number of bytes that its tag
    /// allows. While no bytes arrive, `pause` decides whether to continue.
    pub(super) fn receive<E: From<io::Error>>(
        &mut self,
        most: impl Fn(Tag) -> usize,
        mut pause: impl FnMut() -> Result<(), E>,
    ) -> Result<Option<(Tag, Vec<u8>)>, E> {
        const HEAD: usize = 5;
        let Some(head) = self.take(HEAD, &mut pause)? else { return Ok(None) };
        let garbage = || io::Error::from(io::ErrorKind::InvalidData);
        let [tag, length @ ..] = <[u8; HEAD]>::try_from(head).map_err(|_| garbage())?;
        let tag = Tag::from_byte(tag).ok_or_else(garbage)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| garbage())?;
        if length > most(tag) {
            return Err(garbage().into());
        }
        let body = self.take(length, &mut pause)?;
        Ok(Some((tag, body.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)))
    }

    /// Returns this many bytes, or `None` when the other side has ended before.
    fn take<E: From<io::Error>>(
        &mut self,
        length: usize,
        pause: &mut impl FnMut() -> Result<(), E>,
    ) -> Result<Option<Vec<u8>>, E> {
        while self.inbox.len() < length {
            let filled = self.inbox.len();
            // The buffer grows with the received bytes, not with the announced length.
            self.inbox.resize(filled.saturating_add(PART), 0);
            let read = self.stream.read(self.inbox.get_mut(filled..).unwrap_or_default());
            let count = read.as_ref().map_or(0, |count| *count);
            self.inbox.truncate(filled.saturating_add(count));
            match read {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if is_pause(&error) => pause()?,
                Err(error) => return Err(error.into()),
            }
        }
        let rest = self.inbox.split_off(length);
        Ok(Some(std::mem::replace(&mut self.inbox, rest)))
    }
}

/// Returns whether no byte could be sent or received for now.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// Encodes a body as JSON.
pub(super) fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

/// Decodes a body from JSON.
pub(super) fn from_json<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Encodes numbers for sending.
pub(super) fn to_bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Decodes received numbers. An incomplete number at the end is dropped.
pub(super) fn to_numbers(body: &[u8]) -> Vec<u64> {
    body.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok()).map(u64::from_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_json_body_arrives_unchanged() {
        let layers = Layers { seccomp: true, landlock: Some(7), ..Layers::default() };
        let body = to_json(&Answer::Ready(layers)).unwrap();
        assert!(matches!(from_json(&body).unwrap(), Answer::Ready(read) if read == layers));
        assert_eq!(from_json::<Answer>(b"{}").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_pause_does_not_end_a_message() {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, Interrupted, TimedOut, WouldBlock};
        for (kind, expected) in [
            (WouldBlock, true),
            (TimedOut, true),
            (Interrupted, true),
            (BrokenPipe, false),
            (ConnectionReset, false),
        ] {
            assert_eq!(is_pause(&kind.into()), expected, "{kind}");
        }
    }

    fn go_on() -> io::Result<()> {
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Any received bytes yield messages that were sent, or an error. The buffer never holds more than was received.
        #[test]
        fn random_bytes_yield_messages_or_an_error(
            parts in prop::collection::vec((0..30_u8, 0..120_u32, prop::collection::vec(any::<u8>(), 0..120)), 0..6),
            most in 0_usize..100,
        ) {
            let message = |(tag, length, body): &(u8, u32, Vec<u8>)| {
                [&[*tag][..], &length.to_le_bytes(), body].concat()
            };
            let bytes: Vec<u8> = parts.iter().flat_map(message).collect();
            let (mut sender, receiver) = UnixStream::pair().unwrap();
            sender.write_all(&bytes).unwrap();
            drop(sender);
            let mut wire = Wire::new(receiver);
            let mut taken = 0;
            while let Ok(Some((tag, body))) = wire.receive(|_| most, go_on) {
                prop_assert_eq!(bytes[taken], tag as u8);
                prop_assert_eq!(&bytes[taken + 5..taken + 5 + body.len()], &body[..]);
                prop_assert!(body.len() <= most);
                taken += 5 + body.len();
            }
        }

        #[test]
        fn numbers_arrive_unchanged(numbers in prop::collection::vec(any::<u64>(), 0..9), rest in 0..8_usize) {
            let mut bytes = to_bytes(&numbers);
            prop_assert_eq!(bytes.len(), 8 * numbers.len());
            // An incomplete number is dropped.
            bytes.extend(std::iter::repeat_n(1, rest));
            prop_assert_eq!(to_numbers(&bytes), numbers);
        }

        #[test]
        fn messages_arrive_unchanged(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let (sender, receiver) = UnixStream::pair().unwrap();
            let (mut sender, mut receiver) = (Wire::new(sender), Wire::new(receiver));
            for body in &bodies {
                sender.send(Tag::Bytes, body, go_on).unwrap();
            }
            drop(sender);
            for body in bodies {
                prop_assert_eq!(receiver.receive(|_| 300, go_on).unwrap(), Some((Tag::Bytes, body)));
            }
            prop_assert_eq!(receiver.receive(|_| 300, go_on).unwrap(), None);
        }
    }
}

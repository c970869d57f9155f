//! Messages between a child and its keeper.
//!
//! A message is a byte that tells what it is, its length in 4 bytes (little-endian), and its body: JSON, or bytes as they are. The keeper
//! sends a [`Request`] and serves the child's reads until the answer comes. Neither side sends anything else meanwhile, so that a message is
//! never mistaken for another.

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
use crate::{Encoding, Error, FrameRequest, Ledger, MediaInfo, Threads};

/// The first argument of a child; another program's child is refused by it.
pub(super) const CHILD: &str = "posterframe-cage-1";
/// Bytes that one read brings at most.
pub(super) const MAX_READ: usize = 64 << 10;
/// Bytes of an answer without its picture, at most.
pub(super) const MAX_ANSWER: usize = 16 << 20;
/// Bytes that are received at a time.
const PART: usize = 64 << 10;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    /// To the child: a [`Request`].
    Request = 1,
    /// To the child: what it asked for.
    Bytes = 2,
    /// To the child: it cannot have that; whether it may be tried again.
    Refused = 3,
    /// To the keeper: an [`Answer`].
    Answer = 16,
    /// To the keeper: the picture of the answer that follows.
    Picture = 17,
    /// To the keeper: `u64` offset, `u64` length. [`Tag::Bytes`] comes back.
    Read = 18,
    /// To the keeper: start and end of a range. An empty [`Tag::Bytes`] comes back when it is there.
    Wait = 19,
    /// To the keeper: starts and ends of ranges. Nothing comes back.
    Prefetch = 20,
    /// To the keeper: the same.
    NeedOnly = 21,
    /// To the keeper: a depth, and the same.
    PrefetchBehind = 22,
    /// To the keeper: the depth comes back, 8 bytes.
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

/// What the child is to do.
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
    /// Forget the file; and keep its memory for the next one, or return it to the system.
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
    /// How long all calls together may take.
    pub(super) time_left: Option<Duration>,
    pub(super) log: Wanted,
}

/// How the keeper reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum InputKind {
    /// By ranges, which are planned ahead.
    Ranges,
    /// As the child asks.
    Reader,
}

/// What comes of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The child waits for its first request, within these layers.
    Ready(Layers),
    Opened(Box<MediaInfo>, Ledger),
    /// The bytes of the picture go before it.
    Picture(Box<Picture>, Ledger),
    Rgb(u32, u32),
    Failed(Failure, Ledger),
    #[cfg(feature = "testing")]
    Acted(Result<String, String>),
}

/// An [`Error`] on its way to the keeper. What its own reader said, the keeper knows best.
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
    /// What was received and not yet taken.
    inbox: Vec<u8>,
}

impl Wire {
    pub(super) const fn new(stream: UnixStream) -> Self {
        Self { stream, inbox: Vec::new() }
    }

    /// Sends a message. `pause` is asked whether to go on whenever the other side does not take it.
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

    /// The next message, of at most as many bytes as one of its kind may have; `None` when the other side has ended. `pause` is asked whether to go on whenever
    /// nothing has come for a while.
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

    /// So many bytes; `None` when the other side has ended before them.
    fn take<E: From<io::Error>>(
        &mut self,
        length: usize,
        pause: &mut impl FnMut() -> Result<(), E>,
    ) -> Result<Option<Vec<u8>>, E> {
        while self.inbox.len() < length {
            let filled = self.inbox.len();
            // Room grows with what comes, not with what is announced.
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

/// Whether nothing could be sent or received for now.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

/// A body in JSON.
pub(super) fn to_json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

/// What a body in JSON says.
pub(super) fn from_json<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Numbers as they are sent.
pub(super) fn to_bytes(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Numbers as they were sent. What does not make a whole one is left out.
pub(super) fn to_numbers(body: &[u8]) -> Vec<u64> {
    body.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok()).map(u64::from_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_in_json_comes_as_it_was_sent() {
        let layers = Layers { seccomp: true, landlock: Some(7), ..Layers::default() };
        let body = to_json(&Answer::Ready(layers)).unwrap();
        assert!(matches!(from_json(&body).unwrap(), Answer::Ready(read) if read == layers));
        assert_eq!(from_json::<Answer>(b"{}").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_wait_is_no_end() {
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

        /// Whatever comes, a message is one that was sent, or an error; and no more is held than has come.
        #[test]
        fn any_bytes_are_messages_or_an_error(
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
        fn numbers_come_as_they_were_sent(numbers in prop::collection::vec(any::<u64>(), 0..9), rest in 0..8_usize) {
            let mut bytes = to_bytes(&numbers);
            prop_assert_eq!(bytes.len(), 8 * numbers.len());
            // Bytes that make no number are left out.
            bytes.extend(std::iter::repeat_n(1, rest));
            prop_assert_eq!(to_numbers(&bytes), numbers);
        }

        #[test]
        fn messages_come_as_they_were_sent(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
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

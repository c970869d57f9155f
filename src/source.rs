//! Sources of bytes: objects that the library reads by byte ranges, in a few exact requests.
//!
//! A `RangeSource` makes one range request at a time. The library contains `HttpSource` (feature `http`), `S3Source` (`s3`),
//! `ObjectStoreSource` (`object_store`), `FileSource` and `MemorySource` (`remote`). Implement `RangeSource` for any other store. The bytes of a
//! source pass through these parts:
//!
//! - `reader`: the `RangeReader` connects blocking code (in the end libav) with asynchronous requests. The reader sends the first requests, head
//!   and tail of the object side by side (`FirstReads`). Later it requests the ranges that the planner names and the ranges that a read did not
//!   find, and waits for them.
//! - `shared`: the state that the reader shares with its requests: requests in progress, and bytes received.
//! - `fetch`: one planned range in the I/O thread (`runtime`). `fetch` sends the request, compares the reply with the request and with the
//!   `Identity` of the first reply, and passes the body on piece by piece. When a body ends early, `fetch` resumes it at the byte where it ended,
//!   after the pauses of `retry`.
//! - `BlockCache`: holds the pieces until they are read. The cache is bounded, and all readers of the process share it. While the cache is full,
//!   a fetch pauses unless a reader waits for its bytes.
//! - `range`: arithmetic on byte ranges. [`SourceError`]: all failures, by cause.
//!
//! `media` decides what to request: it knows containers, and names the ranges that it will read.

#[cfg(feature = "remote")]
mod answer;
#[cfg(feature = "remote")]
mod block_cache;
mod error;
#[cfg(feature = "remote")]
mod fetch;
#[cfg(feature = "remote")]
mod file;
#[cfg(feature = "remote")]
mod first_reads;
#[cfg(feature = "http")]
mod http;
mod ledger;
#[cfg(feature = "remote")]
mod memory;
#[cfg(feature = "object_store")]
mod object_store;
mod range;
#[cfg(feature = "remote")]
mod range_set;
#[cfg(feature = "remote")]
mod reader;
#[cfg(any(feature = "http", feature = "s3"))]
mod reply;
#[cfg(feature = "remote")]
mod retry;
#[cfg(feature = "remote")]
mod runtime;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "remote")]
mod shared;
mod whole;

#[cfg(feature = "remote")]
pub use block_cache::BlockCache;
pub use error::SourceError;
#[cfg(any(feature = "http", feature = "s3"))]
pub(crate) use error::status_error;
#[cfg(feature = "remote")]
pub use file::FileSource;
#[cfg(feature = "remote")]
pub use first_reads::{FirstReads, ReadSize};
#[cfg(feature = "http")]
pub use http::HttpSource;
pub use ledger::Ledger;
#[cfg(feature = "job")]
pub(crate) use ledger::milliseconds;
#[cfg(feature = "remote")]
pub use memory::MemorySource;
#[cfg(feature = "object_store")]
pub use object_store::ObjectStoreSource;
pub use range::{ByteRange, RangeRequest};
#[cfg(feature = "remote")]
pub(crate) use reader::{RangeReader, Ranges, ReaderOptions};
#[cfg(all(feature = "s3", feature = "job"))]
pub(crate) use retry::{MAX_FRUITLESS_ATTEMPTS, pause, stall};
#[cfg(feature = "remote")]
pub use runtime::block_on;
#[cfg(feature = "s3")]
pub use s3::{S3Client, S3Source};
#[cfg(all(feature = "s3", feature = "job"))]
pub(crate) use s3::{failure as s3_failure, reply as s3_reply};
#[cfg(feature = "remote")]
pub(crate) use shared::ReadFault;
pub use whole::read_whole;

#[cfg(feature = "remote")]
pub use self::remote::{BoxFuture, GetRange, Identity, RangeBody, RangeReply, RangeSource};

#[cfg(feature = "remote")]
mod remote {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;

    use bytes::Bytes;
    use serde::{Deserialize, Serialize};

    use super::{ByteRange, RangeRequest, SourceError};

    /// A boxed future: the return type of the methods of object-safe traits.
    pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

    /// The version of an object: size, ETag and date. The first reply sets the identity. Every later reply must have the same one.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[non_exhaustive]
    pub struct Identity {
        /// Size of the object in bytes.
        pub size: u64,
        /// The ETag, with quotes, as the server writes it.
        pub etag: Option<String>,
        /// The `Last-Modified` date, as the server writes it.
        pub last_modified: Option<String>,
    }

    impl Identity {
        /// Creates the identity of an object of `size` bytes, without ETag and date.
        pub const fn new(size: u64) -> Self {
            Self { size, etag: None, last_modified: None }
        }

        /// Sets the ETag, quotes included. Without an ETag, the reader does not notice when the object is replaced by another object of the same size
        /// and date.
        #[must_use]
        pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
            self.etag = Some(etag.into());
            self
        }

        /// Sets `Last-Modified`, an HTTP date.
        #[must_use]
        pub fn with_last_modified(mut self, date: impl Into<String>) -> Self {
            self.last_modified = Some(date.into());
            self
        }

        /// What differs between two replies, in words; `None` for the same object.
        pub(crate) fn difference(&self, other: &Self) -> Option<String> {
            let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
            if self.etag != other.etag {
                Some(format!("its ETag was {}, now it is {}", shown(&self.etag), shown(&other.etag)))
            } else if self.size != other.size {
                Some(format!("it had {} bytes, now it has {}", self.size, other.size))
            } else if self.last_modified != other.last_modified {
                let (old, new) = (shown(&self.last_modified), shown(&other.last_modified));
                Some(format!("it was last modified {old}, now {new}"))
            } else {
                None
            }
        }
    }

    /// A request for a range.
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub struct GetRange {
        /// The requested bytes.
        pub range: RangeRequest,
        /// The identity that the first reply had; `None` in the first request. A source must fail with [`SourceError::Changed`] when the object has
        /// another identity by now.
        pub identity: Option<Identity>,
    }

    impl GetRange {
        /// Creates a request for `range` of the object that `identity` names, if the identity is known.
        pub const fn new(range: RangeRequest, identity: Option<Identity>) -> Self {
            Self { range, identity }
        }
    }

    /// The body of a reply, piece by piece.
    pub trait RangeBody: Send {
        /// Returns the next piece, or `None` at the end of the body.
        ///
        /// # Errors
        /// [`SourceError`]: why the body ended early. The reader does not call `next` again after an error. If the error may pass, the reader sends a new
        /// request for the rest.
        fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>>;
    }

    /// A reply to a range request, with status 206 (Partial Content) or the equivalent of the store.
    #[non_exhaustive]
    pub struct RangeReply {
        /// The object that the bytes belong to.
        pub identity: Identity,
        /// The range that the body contains.
        pub range: ByteRange,
        /// The body.
        pub body: Box<dyn RangeBody>,
    }

    impl RangeReply {
        /// Creates a reply: `body` contains the bytes `range` of the object that `identity` names.
        pub fn new(identity: Identity, range: ByteRange, body: impl RangeBody + 'static) -> Self {
            Self { identity, range, body: Box::new(body) }
        }
    }

    impl std::fmt::Debug for RangeReply {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let (identity, range) = (&self.identity, &self.range);
            f.debug_struct("RangeReply")
                .field("identity", identity)
                .field("range", range)
                .finish_non_exhaustive()
        }
    }

    /// An object that can be read by byte ranges.
    ///
    /// An implementation sends one request per call. It does not retry, and does not compare the reply with the request: the reader does both, and
    /// counts. The reader polls the futures in a tokio runtime with timers and I/O, in one thread that all sources share. Put blocking calls into
    /// `tokio::task::spawn_blocking`.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use posterframe::source::{
    ///     BoxFuture, GetRange, Identity, RangeBody, RangeReply, RangeSource, SourceError,
    /// };
    /// use posterframe::{Media, OpenOptions};
    ///
    /// /// An object of which all bytes are here.
    /// struct Held(Bytes);
    ///
    /// /// A reply's bytes, in one piece.
    /// struct Body(Option<Bytes>);
    ///
    /// impl RangeBody for Body {
    ///     fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
    ///         Box::pin(async move { Ok(self.0.take()) })
    ///     }
    /// }
    ///
    /// impl RangeSource for Held {
    ///     fn name(&self) -> String {
    ///         "held".to_owned()
    ///     }
    ///
    ///     fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
    ///         Box::pin(async move {
    ///             let identity = Identity::new(self.0.len() as u64);
    ///             let range = request.range.resolve(identity.size);
    ///             let bytes = self.0.slice(range.start() as usize..range.end() as usize);
    ///             Ok(RangeReply::new(identity, range, Body(Some(bytes))))
    ///         })
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let source = Held(std::fs::read("tests/fixtures/h264_end.mp4")?.into());
    /// let media = Media::open_source(source, &OpenOptions::default())?;
    /// assert_eq!(media.info().duration_seconds, Some(7.0));
    /// # Ok(())
    /// # }
    /// ```
    pub trait RangeSource: Send + Sync + 'static {
        /// Returns a name for messages. The name must not contain secrets.
        fn name(&self) -> String;

        /// Sends the request.
        ///
        /// # Errors
        /// [`SourceError`]: what the server or the connection reported.
        fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>>;
    }

    /// Lets several owners share a source, and lets `Arc<dyn RangeSource>` contain a source of any type.
    impl<S: RangeSource + ?Sized> RangeSource for Arc<S> {
        fn name(&self) -> String {
            (**self).name()
        }

        fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
            (**self).get(request)
        }
    }
}

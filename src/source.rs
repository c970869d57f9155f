//! Objects read by byte ranges: any object, of any size, from a handful of exact requests.
//!
//! A `RangeSource` answers one range request at a time; `HttpSource` (feature `http`), `S3Source` (feature `s3`), `FileSource` and
//! `MemorySource` (feature `remote`) are ours. From there bytes go this way:
//!
//! - `reader`: the `RangeReader`, where blocking code (libav, in the end) meets asynchronous requests. It sends the
//!   first reads, head and tail side by side (`FirstReads`), and whatever the planner or a read that found nothing asks
//!   for, and it waits.
//! - `shared`: what the reader and its requests have in common: what is under way, and what has come.
//! - `fetch`: one planned range in the I/O thread (`runtime`): the request, its reply held to what was asked and to the
//!   `Identity` of the first reply, the body piece by piece; what breaks off is resumed where it stopped, with the pauses
//!   of `retry`.
//! - `BlockCache`: where the pieces wait to be read. It is bounded and shared by all readers of the process; a fetch
//!   whose bytes nobody waits for stands still while it is full.
//! - `range`: arithmetic on byte ranges. [`SourceError`]: everything that can go wrong, told apart.
//!
//! What is asked for is decided elsewhere: `media` knows containers, and tells the reader what it will need.

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

    use super::{ByteRange, RangeRequest, SourceError};

    /// A future on the heap, as traits that are used as objects need it.
    pub type BoxFuture<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

    /// Which object it is that bytes come from. The first reply tells it; all later ones must agree.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct Identity {
        /// Bytes of the object.
        pub size: u64,
        /// Its ETag, with quotes, as the server writes it.
        pub etag: Option<String>,
        /// Its `Last-Modified`, as the server writes it.
        pub last_modified: Option<String>,
    }

    impl Identity {
        /// An object of `size` bytes, of which nothing else is known.
        pub const fn new(size: u64) -> Self {
            Self { size, etag: None, last_modified: None }
        }

        /// With this ETag, quotes included. Without one, an object that is replaced by another of the same size and date
        /// while it is read is not noticed.
        #[must_use]
        pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
            self.etag = Some(etag.into());
            self
        }

        /// With this `Last-Modified`, an HTTP date.
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
        /// What is asked for.
        pub range: RangeRequest,
        /// What the first reply said. The request is to fail with [`SourceError::Changed`] when that is no longer so.
        pub identity: Option<Identity>,
    }

    impl GetRange {
        /// A request for `range`, of the object that `identity` names if it is known.
        pub const fn new(range: RangeRequest, identity: Option<Identity>) -> Self {
            Self { range, identity }
        }
    }

    /// The bytes of a reply, piece by piece.
    pub trait RangeBody: Send {
        /// The next piece; `None` at the end.
        ///
        /// # Errors
        /// Why the body broke off; see [`SourceError`]. It is not asked again: the reader requests the rest anew, if the error is
        /// one that may pass.
        fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>>;
    }

    /// A reply to a range request. Its status was 206 (Partial Content), or what stands for that elsewhere.
    #[non_exhaustive]
    pub struct RangeReply {
        /// The object it comes from.
        pub identity: Identity,
        /// The bytes it holds.
        pub range: ByteRange,
        /// The bytes.
        pub body: Box<dyn RangeBody>,
    }

    impl RangeReply {
        /// A reply with the bytes `range` of the object that `identity` names, as `body` gives them.
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
    /// An implementation makes one request and nothing more: no retries, no checks of the bytes against the request. The
    /// reader does both, and counts. It is called in a runtime of tokio's with time and I/O, in a thread that all sources
    /// share: what blocks belongs into `tokio::task::spawn_blocking`.
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
    ///             let range = request.range.of(identity.size);
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
        /// A name for people, without secrets.
        fn name(&self) -> String;

        /// Makes the request.
        ///
        /// # Errors
        /// What the server says; see [`SourceError`].
        fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>>;
    }

    /// One object with several owners, or one of whatever kind: `Arc<dyn RangeSource>`.
    impl<S: RangeSource + ?Sized> RangeSource for Arc<S> {
        fn name(&self) -> String {
            (**self).name()
        }

        fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
            (**self).get(request)
        }
    }
}

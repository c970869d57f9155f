//! Objects in memory.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::answer::{PIECE, bytes_of};
use super::{BoxFuture, GetRange, Identity, RangeBody, RangeReply, RangeSource, SourceError};

/// A counter. The ETag of each object contains its number.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// An object in memory. All clones are the same object, with the same ETag.
#[derive(Clone)]
pub struct MemorySource {
    bytes: Bytes,
    identity: Identity,
}

impl MemorySource {
    /// Creates an object from these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let (bytes, number) = (bytes.into(), COUNT.fetch_add(1, Ordering::Relaxed));
        let etag = Some(format!("\"memory-{number}\""));
        let identity = Identity { size: bytes.len() as u64, etag, last_modified: None };
        Self { bytes, identity }
    }

    fn answer(&self, request: &GetRange) -> Result<RangeReply, SourceError> {
        let range = bytes_of(&self.identity, request)?;
        // The range lies within the bytes, so both ends fit.
        let [start, end] = [range.start(), range.end()].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let body = Box::new(Body(self.bytes.slice(start..end)));
        Ok(RangeReply { identity: self.identity.clone(), range, body })
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySource").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl RangeSource for MemorySource {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move { self.answer(&request) })
    }
}

/// The remaining bytes.
struct Body(Bytes);

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let length = self.0.len().min(usize::try_from(PIECE).unwrap_or(usize::MAX));
            Ok((length > 0).then(|| self.0.split_to(length)))
        })
    }
}

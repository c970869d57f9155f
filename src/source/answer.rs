//! How objects that we hold ourselves answer requests.

use super::{ByteRange, GetRange, Identity, SourceError};

/// Most bytes that a source of our own gives at once.
pub(super) const PIECE: u64 = 64 << 10;

/// The bytes that an object we hold ourselves answers a request with.
pub(super) fn bytes_of(now: &Identity, request: &GetRange) -> Result<ByteRange, SourceError> {
    if let Some(reason) = request.identity.as_ref().and_then(|before| before.difference(now)) {
        return Err(SourceError::Changed { reason });
    }
    if now.size == 0 {
        return Err(SourceError::Empty);
    }
    let range = request.range.of(now.size);
    if range.is_empty() { Err(SourceError::NotSatisfiable { range: request.range }) } else { Ok(range) }
}

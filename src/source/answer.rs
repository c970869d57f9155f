//! Answers of the objects that this crate holds itself.

use super::{ByteRange, GetRange, Identity, SourceError};

/// The most bytes that a source of this crate returns at once.
pub(super) const PIECE: u64 = 64 << 10;

/// Returns the byte range with which an object of this crate answers a request.
pub(super) fn bytes_of(now: &Identity, request: &GetRange) -> Result<ByteRange, SourceError> {
    if let Some(reason) = request.identity.as_ref().and_then(|before| before.difference(now)) {
        return Err(SourceError::Changed { reason });
    }
    if now.size == 0 {
        return Err(SourceError::Empty);
    }
    let range = request.range.resolve(now.size);
    if range.is_empty() { Err(SourceError::NotSatisfiable { range: request.range }) } else { Ok(range) }
}

//! EBML: the syntax of Matroska and WebM (RFC 8794). An element has an identifier, a size and a content.

use std::ops::Range;

/// The work of an element in addition to its bytes.
pub(super) const ELEMENT_WORK: u64 = 16;

/// The header of an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    /// The identifier, with the bits that mark its length.
    pub(super) id: u32,
    /// Start of the content.
    pub(super) content: u64,
    /// Size of the content in bytes; `None` when the size is unknown, as in live streams (RFC 8794, 6.2).
    pub(super) size: Option<u64>,
}

impl Element {
    /// Returns the offset after the element, or `None` when its size is unknown or overflows.
    pub(super) fn end(&self) -> Option<u64> {
        self.size.and_then(|size| self.content.checked_add(size))
    }

    /// Returns the content from the bytes that the header was read from, if they contain all of it.
    pub(super) fn content_in<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        bytes.get(usize::try_from(self.content).ok()?..usize::try_from(self.end()?).ok()?)
    }
}

/// Reads the header of the element at `at` in `bytes`.
pub(super) fn element(bytes: &[u8], at: u64) -> Option<Element> {
    let rest = bytes.get(usize::try_from(at).ok()?..)?;
    let (id, id_length, _) = marked_number(rest)?;
    let (size, size_length, value_bits) = marked_number(rest.get(id_length..)?)?;
    let content = at.checked_add(u64::try_from(id_length.checked_add(size_length)?).ok()?)?;
    let size = Some(size & value_bits).filter(|&size| size != value_bits);
    Some(Element { id: u32::try_from(id).ok()?, content, size })
}

/// Reads a number of one to eight bytes (RFC 8794, 4), and returns it with its length.
pub(super) fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let (number, length, value_bits) = marked_number(bytes)?;
    Some((number & value_bits, length))
}

/// Reads a number of variable length, and returns it with the bit that marks its length, its length, and the bits of its value.
fn marked_number(bytes: &[u8]) -> Option<(u64, usize, u64)> {
    let zeros = bytes.first()?.leading_zeros();
    let length = usize::try_from(zeros).ok()?.checked_add(1)?;
    let value_bits = (u64::MAX >> 8).checked_shr(7_u32.checked_sub(zeros)?.checked_mul(7)?)?;
    Some((big_endian(bytes.get(..length)?)?, length, value_bits))
}

/// Reads an unsigned integer of at most eight bytes (RFC 8794, 7.2).
pub(super) fn big_endian(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// Iterates over the elements in `bytes`: identifier, position in `bytes`, and content. A truncated element ends the iteration.
pub(super) fn placed_elements(bytes: &[u8]) -> impl Iterator<Item = (u32, Range<usize>, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let found = element(bytes, at)?;
        let content = found.content_in(bytes)?;
        let place = usize::try_from(at).ok()?..usize::try_from(found.end()?).ok()?;
        at = found.end()?;
        Some((found.id, place, content))
    })
}

/// Iterates over the elements in `bytes`: identifier and content. A truncated element ends the iteration.
pub(super) fn elements(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    placed_elements(bytes).map(|(id, _, content)| (id, content))
}

/// Returns the first unsigned integer with this identifier in `bytes`.
pub(super) fn number_of(bytes: &[u8], id: u32) -> Option<u64> {
    elements(bytes).filter(|(kind, _)| *kind == id).find_map(|(_, content)| big_endian(content))
}

/// Writes an element, for tests; its size takes eight bytes.
#[cfg(test)]
pub(super) fn element_of(id: u32, content: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let first = id.iter().position(|&byte| byte != 0).unwrap_or(0);
    let size = (1 << 56 | content.len() as u64).to_be_bytes();
    [&id[first..], &size, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_each_length() {
        assert_eq!(vint(&[0x81]), Some((1, 1)));
        assert_eq!(vint(&[0x40, 0x02]), Some((2, 2)));
        assert_eq!(element(&[0x1a, 0x45, 0xdf, 0xa3, 0x80], 0).unwrap().id, 0x1a45_dfa3);
        assert_eq!(vint(&[0x01, 0, 0, 0, 0, 0, 0, 9]), Some((9, 8)));
        assert_eq!((vint(&[0x00, 1]), vint(&[0x40]), vint(&[])), (None, None, None));
    }

    #[test]
    fn unknown_and_overflowing_sizes() {
        assert_eq!(element(&[0xa3, 0xff, 1], 0).unwrap().size, None);
        assert_eq!(element(&[0xa3, 0x01, 255, 255, 255, 255, 255, 255, 255], 0).unwrap().size, None);
        let absurd = element(&[0xa3, 0x01, 255, 255, 255, 255, 255, 255, 254], 0).unwrap();
        assert_eq!((absurd.size, absurd.end()), (Some((1 << 56) - 2), Some((1 << 56) + 7)));
        // A truncated element, followed by nothing that can be read.
        assert_eq!(elements(&[0xa3, 0x81, 7, 0xa3, 0x82, 1]).collect::<Vec<_>>(), [(0xa3, &[7][..])]);
    }
}

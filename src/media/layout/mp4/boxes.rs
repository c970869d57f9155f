//! Boxes, the parts of MP4 and MOV files (ISO/IEC 14496-12, 4.2).

use std::ops::Range;

/// The head of a box.
pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    pub(super) header_bytes: u64,
    /// Bytes of the whole box; `None` when it reaches to the end of the file.
    pub(super) size: Option<u64>,
}

impl BoxHeader {
    /// Whether the name is text, as those of all known boxes are, and as the same bytes hardly ever are in other files.
    pub(super) fn is_text(&self) -> bool {
        self.kind.iter().all(|&byte| matches!(byte, b' '..=b'~' | 0xa9))
    }
}

/// Reads the head of a box: a 32-bit size and the name. Size 1 means that a 64-bit size follows, size 0 that the box reaches to
/// the end.
pub(super) fn parse_header(bytes: &[u8]) -> Option<BoxHeader> {
    let size32 = be32(bytes, 0)?;
    let kind = *bytes.get(4..)?.first_chunk()?;
    let (header_bytes, size) = match size32 {
        0 => (8, None),
        1 => (16, Some(be64(bytes, 8)?)),
        size => (8, Some(u64::from(size))),
    };
    // A box smaller than its own header cannot be skipped.
    (size.is_none_or(|size| size >= header_bytes)).then_some(BoxHeader { kind, header_bytes, size })
}

/// Iterates over the boxes in a part of `bytes`: name, and place of the content. A box that claims more than there is ends with
/// the part.
pub(super) fn boxes(bytes: &[u8], part: Range<usize>) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut rest = part;
    std::iter::from_fn(move || {
        let header = parse_header(bytes.get(rest.clone())?)?;
        let size = header.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let end = rest.start.saturating_add(size.min(rest.len()));
        let header_bytes = usize::try_from(header.header_bytes).unwrap_or(usize::MAX);
        let start = rest.start.saturating_add(header_bytes).min(end);
        rest.start = end;
        Some((header.kind, start..end))
    })
}

/// Iterates over the boxes in `bytes`: name, and content.
pub(super) fn contents(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    boxes(bytes, 0..bytes.len()).map(|(kind, part)| (kind, bytes.get(part).unwrap_or_default()))
}

/// Returns the content of a whole box of this kind.
pub(super) fn content_of<'b>(bytes: &'b [u8], kind: &[u8; 4]) -> Option<&'b [u8]> {
    let header = parse_header(bytes).filter(|header| &header.kind == kind)?;
    bytes.get(usize::try_from(header.header_bytes).ok()?..)
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads a time or a length that a full box holds in 32 bits in version 0 and in 64 bits in version 1, at the place that it has
/// in each (ISO/IEC 14496-12, 4.2.2).
pub(super) fn versioned(content: &[u8], short_at: usize, long_at: usize) -> Option<u64> {
    if content.first()? == &1 { be64(content, long_at) } else { be32(content, short_at).map(u64::from) }
}

/// Reads the ticks in a second of an `mvhd` or `mdhd` (ISO/IEC 14496-12, 8.2.2 and 8.4.2); what is not positive as a signed
/// number counts as one.
pub(super) fn read_timescale(content: &[u8]) -> u32 {
    let timescale = be32(content, if content.first() == Some(&1) { 20 } else { 12 });
    timescale.filter(|timescale| timescale.cast_signed() > 0).unwrap_or(1)
}

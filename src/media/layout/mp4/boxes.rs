//! Boxes, the parts of MP4 and MOV files (ISO/IEC 14496-12, 4.2).

pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    pub(super) header_bytes: u64,
    /// Of the whole box; `None` means to the end of the file.
    pub(super) size: Option<u64>,
}

impl BoxHeader {
    /// Whether the name is text, as those of all known boxes are, and as the same bytes hardly ever are in other files.
    pub(super) fn is_text(&self) -> bool {
        self.kind.iter().all(|&byte| matches!(byte, b' '..=b'~' | 0xa9))
    }
}

/// ISO/IEC 14496-12, 4.2: 32-bit size and type; size 1 means that a 64-bit size follows, size 0 that it goes to the end.
pub(super) fn parse_header(bytes: &[u8]) -> Option<BoxHeader> {
    let size32 = be32(bytes, 0)?;
    let kind = bytes.get(4..8)?.try_into().ok()?;
    let (header_bytes, size) = match size32 {
        0 => (8, None),
        1 => (16, Some(u64::from(be32(bytes, 8)?) << 32 | u64::from(be32(bytes, 12)?))),
        size => (8, Some(u64::from(size))),
    };
    // A box smaller than its own header cannot be skipped.
    (size.is_none_or(|size| size >= header_bytes)).then_some(BoxHeader { kind, header_bytes, size })
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Calls `visit` with kind and content of each box in `bytes`; a box that claims more than there is ends the walk, its
/// content cut short.
pub(super) fn for_each_box<'b>(mut bytes: &'b [u8], visit: &mut dyn FnMut(&[u8; 4], &'b [u8])) {
    while let Some(header) = parse_header(bytes) {
        let all = bytes.len() as u64;
        let end = usize::try_from(header.size.unwrap_or(all).min(all)).unwrap_or(bytes.len());
        let start = usize::try_from(header.header_bytes).unwrap_or(bytes.len()).min(end);
        visit(&header.kind, &bytes[start..end]);
        bytes = &bytes[end..];
    }
}

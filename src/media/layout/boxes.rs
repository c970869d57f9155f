//! Boxes: the syntax of MP4, MOV, and other files of this family (ISO/IEC 14496-12, 4.2).

/// The header of a box.
pub(super) struct BoxHeader {
    pub(super) kind: [u8; 4],
    pub(super) header_bytes: u64,
    /// Size of the whole box in bytes; the maximum when the box extends to the end of the file.
    pub(super) size: u64,
}

impl BoxHeader {
    /// Returns whether the name is text. The names of all known boxes are text, and the same bytes are rarely text in other files.
    pub(super) fn is_text(&self) -> bool {
        self.kind.iter().all(|&byte| matches!(byte, b' '..=b'~' | 0xa9))
    }
}

/// Reads the header of a box: a 32-bit size and the name. Size 1 means that a 64-bit size follows. Size 0 means that the box
/// extends to the end.
pub(super) fn parse_header(bytes: &[u8]) -> Option<BoxHeader> {
    let size32 = be32(bytes, 0)?;
    let kind = *bytes.get(4..)?.first_chunk()?;
    let (header_bytes, size) = match size32 {
        0 => (8, u64::MAX),
        1 => (16, u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)),
        size => (8, u64::from(size)),
    };
    // A box smaller than its own header cannot be skipped.
    (size >= header_bytes).then_some(BoxHeader { kind, header_bytes, size })
}

/// One box among others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'b> {
    pub(super) kind: [u8; 4],
    pub(super) content: &'b [u8],
    /// Start of the box and of its content, and the end of the box.
    pub(super) start: usize,
    pub(super) content_start: usize,
    pub(super) end: usize,
}

/// Iterates over the boxes in `bytes`. A box that declares more bytes than exist ends with `bytes`.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut start = 0_usize;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..)?;
        let header = parse_header(rest)?;
        let length = usize::try_from(header.size).unwrap_or(usize::MAX).min(rest.len());
        let header_bytes = usize::try_from(header.header_bytes).unwrap_or(usize::MAX).min(length);
        let (end, content_start) = (start.saturating_add(length), start.saturating_add(header_bytes));
        let content = bytes.get(content_start..end).unwrap_or_default();
        let part = Part { kind: header.kind, content, start, content_start, end };
        start = end;
        Some(part)
    })
}

/// Iterates over the boxes in `bytes` like [`parts`]: name and content.
pub(super) fn contents(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    parts(bytes).map(|part| (part.kind, part.content))
}

/// Returns the content of the first box in `bytes` with the last name of `path`, inside a box with the previous name, and so on.
pub(super) fn find<'b>(bytes: &'b [u8], path: &[&[u8; 4]]) -> Option<&'b [u8]> {
    path.iter().try_fold(bytes, |bytes, kind| {
        contents(bytes).find(|(name, _)| name == *kind).map(|(_, content)| content)
    })
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The fields of a full box, read in order: version and flags, and then the fields that they announce (ISO/IEC 14496-12, 4.2.2).
pub(super) struct Fields<'b> {
    pub(super) version: u32,
    pub(super) flags: u32,
    pub(super) rest: &'b [u8],
}

impl<'b> Fields<'b> {
    pub(super) fn new(content: &'b [u8]) -> Option<Self> {
        let head = be32(content, 0)?;
        Some(Self { version: head >> 24, flags: head & 0xff_ffff, rest: content.get(4..)? })
    }

    pub(super) const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        take(&mut self.rest)
    }

    pub(super) fn take_if(&mut self, flag: u32, otherwise: u32) -> Option<u32> {
        if self.has(flag) { self.take() } else { Some(otherwise) }
    }

    pub(super) fn take_long(&mut self) -> Option<u64> {
        let high = self.take()?;
        Some(u64::from(high) << 32 | u64::from(self.take()?))
    }

    /// Takes a time or a position, which has 64 bits in version 1 and 32 bits in version 0.
    pub(super) fn take_wide(&mut self) -> Option<u64> {
        if self.version == 1 { self.take_long() } else { self.take().map(u64::from) }
    }

    pub(super) fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }
}

/// Takes a number from the front.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u32> {
    let number = be32(bytes, 0)?;
    *bytes = bytes.get(4..)?;
    Some(number)
}

/// Reads the ticks per second and the duration in ticks from an `mvhd` or `mdhd` (ISO/IEC 14496-12, 8.2.2 and 8.4.2). A clock that
/// is missing, or not positive as a signed number, has one tick per second.
pub(super) fn read_clock(content: &[u8]) -> (u32, i64) {
    let read = || {
        let mut fields = Fields::new(content)?;
        let _created_and_modified = (fields.take_wide()?, fields.take_wide()?);
        let timescale = fields.take().filter(|timescale| timescale.cast_signed() > 0);
        let ticks = fields.take_wide().and_then(|ticks| i64::try_from(ticks).ok());
        Some((timescale.unwrap_or(1), ticks.unwrap_or(0)))
    };
    read().unwrap_or((1, 0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;

    fn boxed(content: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 8 + u8::try_from(content.len()).unwrap()], &b"free"[..], content].concat()
    }

    #[test]
    fn sizes_of_each_form() {
        let header = |bytes: &[u8]| parse_header(bytes).map(|header| (header.header_bytes, header.size));
        assert_eq!(header(b"\0\0\0\x09free."), Some((8, 9)));
        assert_eq!(header(b"\0\0\0\0mdat"), Some((8, u64::MAX)));
        assert_eq!(header(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0"), Some((16, 1 << 32)));
        // Smaller than their own headers, and truncated.
        assert_eq!(header(b"\0\0\0\x07free"), None);
        assert_eq!(header(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f"), None);
        assert_eq!((header(b"\0\0\0\x08fre"), header(b"\0\0\0\x01mdat\0")), (None, None));
    }

    #[test]
    fn an_oversized_box_ends_with_the_available_bytes() {
        let mut bytes = [&b"\0\0\0\x0afree\x01\x02"[..], b"\0\0\0\x12skip", &[3; 10]].concat();
        bytes.truncate(22);
        let found: Vec<_> = contents(&bytes).collect();
        assert_eq!(found, [(*b"free", &[1, 2][..]), (*b"skip", &[3; 4][..])]);
        assert_eq!(find(&bytes, &[b"skip"]), Some(&[3; 4][..]));
        assert_eq!((find(&bytes[10..], &[b"free"]), find(&bytes, &[b"skip", b"free"])), (None, None));
        assert_eq!(find(&boxed(&boxed(b"\x05")), &[b"free", b"free"]), Some(&[5][..]));
    }
}

//! The parts of a file that are hidden from libav.
//!
//! libavformat parses all content of a file: boxes that serve decryption, thousands of tags, empty boxes. Some of this content costs
//! time or memory out of proportion to its size. A planner with an index in memory therefore lists the parts that contribute neither
//! to a picture nor to `MediaInfo`, and libavformat sees padding in their place. No byte moves: padding has the size of the part that
//! it hides. Like the view of a fragmented file, the hidden parts are an input of libav, not a plan.

#![deny(clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use crate::source::ByteRange;

/// The longest header of padding, in bytes.
const MAX_HEAD: usize = 16;

/// The syntax of padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Boxes of ISO/IEC 14496-12. In some cases, libavformat searches a `free` box for a `moov`. It reads nothing of a `skip` box.
    Boxes,
    /// Elements of EBML (RFC 8794, 11.3.2: `Void`).
    Elements,
}

/// The hidden parts of a file. Each part consists of whole boxes or whole elements with one parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hidden {
    syntax: Syntax,
    /// Start and end of each part. Parts do not overlap.
    parts: BTreeMap<u64, u64>,
}

impl Hidden {
    pub(crate) const fn new(syntax: Syntax) -> Self {
        Self { syntax, parts: BTreeMap::new() }
    }

    /// Hides additional parts. A part that overlaps a hidden part is ignored.
    pub(crate) fn hide(&mut self, parts: impl IntoIterator<Item = ByteRange>) {
        let least = self.least();
        for part in parts.into_iter().filter(|part| part.len() >= least) {
            let before = self.parts.range(..part.end()).next_back().map(|(_, end)| *end);
            if before.is_none_or(|end| end <= part.start()) {
                self.parts.insert(part.start(), part.end());
            }
        }
    }

    /// Returns the size of the smallest padding.
    const fn least(&self) -> u64 {
        match self.syntax {
            Syntax::Boxes => 8,
            Syntax::Elements => 2,
        }
    }

    /// Writes the headers of padding over the bytes of a file from `offset`.
    pub(crate) fn cover(&self, offset: u64, bytes: &mut [u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        for (&start, &part_end) in self.parts.range(offset.saturating_sub(MAX_HEAD as u64)..end) {
            let (head, length) = head(self.syntax, part_end.saturating_sub(start));
            for (byte, place) in head.iter().take(length).zip(start..) {
                let at = place.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
                if let Some(shown) = at.and_then(|at| bytes.get_mut(at)) {
                    *shown = *byte;
                }
            }
        }
    }
}

/// Returns the header of padding of `size` total bytes, and the header's length.
fn head(syntax: Syntax, size: u64) -> ([u8; MAX_HEAD], usize) {
    let mut head = [0; MAX_HEAD];
    let mut write = |parts: &[&[u8]]| {
        let mut places = head.iter_mut();
        for (byte, place) in parts.iter().copied().flatten().zip(&mut places) {
            *place = *byte;
        }
        parts.iter().map(|part| part.len()).fold(0, usize::saturating_add)
    };
    let length = match (syntax, u32::try_from(size)) {
        (Syntax::Boxes, Ok(size)) => write(&[&size.to_be_bytes(), b"skip"]),
        (Syntax::Boxes, Err(_)) => write(&[&[0, 0, 0, 1], b"skip", &size.to_be_bytes()]),
        // Where there is no room for eight bytes, the size has one byte and counts the bytes after it.
        (Syntax::Elements, _) if size < 9 => {
            let content = u8::try_from(size.saturating_sub(2)).unwrap_or(0);
            write(&[&[0xec, 0x80 | content]])
        }
        (Syntax::Elements, _) => write(&[&[0xec], &(1 << 56 | size.saturating_sub(9)).to_be_bytes()]),
    };
    (head, length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::prelude::*;

    use super::*;

    fn hidden(syntax: Syntax, parts: &[(u64, u64)]) -> Hidden {
        let mut hidden = Hidden::new(syntax);
        hidden.hide(parts.iter().map(|&(start, end)| ByteRange::new(start, end)));
        hidden
    }

    proptest! {
        #[test]
        fn hidden_parts_are_padding_of_their_size(
            sizes in prop::collection::vec((2_usize..60, any::<bool>()), 1..30),
            is_boxes in any::<bool>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let syntax = if is_boxes { Syntax::Boxes } else { Syntax::Elements };
            let (mut file, mut parts) = (Vec::new(), Vec::new());
            for (size, is_hidden) in &sizes {
                let size = if is_boxes { size + 6 } else { *size };
                let start = file.len();
                if is_boxes {
                    file.extend(u32::try_from(size).unwrap().to_be_bytes());
                    file.extend(b"abcd");
                } else {
                    file.extend([0xbf, 0x80 | u8::try_from(size - 2).unwrap()]);
                }
                file.resize(start + size, 7);
                if *is_hidden {
                    parts.push((start as u64, file.len() as u64));
                }
            }
            let hidden = hidden(syntax, &parts);
            // In pieces of any size.
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(file.len())).chain([file.len()]).collect();
            ends.sort_unstable();
            let (mut shown, mut at) = (file.clone(), 0);
            for end in ends {
                hidden.cover(at as u64, &mut shown[at..end]);
                at = end;
            }
            prop_assert_eq!(shown.len(), file.len());
            let expected: Vec<bool> = sizes.iter().map(|(_, is_hidden)| *is_hidden).collect();
            let (mut found, mut at) = (Vec::new(), 0);
            while at < shown.len() {
                let head = &shown[at..];
                let size = match head[0] {
                    _ if is_boxes => u32::from_be_bytes(head[..4].try_into().unwrap()).into(),
                    0xec if head[1] == 1 => 9 + (u64::from_be_bytes(head[1..9].try_into().unwrap()) & ((1 << 56) - 1)),
                    _ => 2 + u64::from(head[1] & 0x7f),
                };
                found.push(if is_boxes { &head[4..8] == b"skip" } else { head[0] == 0xec });
                at += usize::try_from(size).unwrap();
            }
            prop_assert_eq!((found, at), (expected, file.len()));
        }
    }

    #[test]
    fn long_parts_have_long_sizes() {
        let long = (1 << 32) + 100;
        let mut bytes = [7; 24];
        hidden(Syntax::Boxes, &[(2, 2 + long)]).cover(0, &mut bytes);
        assert_eq!(bytes[..2], [7; 2]);
        assert_eq!(bytes[2..10], *b"\0\0\0\x01skip");
        assert_eq!(bytes[10..18], long.to_be_bytes());
        let mut bytes = [7; 10];
        hidden(Syntax::Elements, &[(0, long)]).cover(0, &mut bytes);
        assert_eq!(bytes, *b"\xec\x01\0\0\x01\0\0\0\x5b\x07");
    }

    #[test]
    fn parts_do_not_overlap() {
        let hidden =
            hidden(Syntax::Boxes, &[(100, 200), (150, 250), (0, 101), (200, 208), (50, 57), (92, 100)]);
        assert_eq!(hidden.parts, BTreeMap::from([(92, 100), (100, 200), (200, 208)]));
    }
}

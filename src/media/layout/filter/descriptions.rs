//! Sample descriptions, in which libavformat reads any box.

use super::{HeaderFilter, Place};
use crate::media::layout::boxes::be32;
use crate::media::layout::planner::Pause;
use crate::media::parser_work::ParserWork;

/// Number of bytes of a sample description that are searched between two checks of the deadline.
const SCAN_PIECE: usize = 64 << 10;

/// Returns whether a box does not belong in a sample description, although libavformat would read it there.
#[rustfmt::skip]
const fn is_outside_descriptions(kind: &[u8; 4]) -> bool {
    matches!(
        kind,
        b"pssh" | b"senc" | b"saiz" | b"saio" | b"adrm" | b"uuid" | b"chpl"
            | b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"dinf" | b"tref" | b"mvex" | b"moof" | b"traf"
            | b"udta" | b"meta" | b"ilst" | b"cmov"
            | b"mvhd" | b"tkhd" | b"mdhd" | b"elst" | b"dref" | b"stsd" | b"stts" | b"ctts" | b"stsc" | b"stsz" | b"stz2"
            | b"stco" | b"co64" | b"stss" | b"stps" | b"sdtp" | b"sbgp" | b"sgpd" | b"trex" | b"tfhd" | b"trun" | b"sidx"
            | b"keys" | b"iprp" | b"kind"
    )
}

impl HeaderFilter {
    /// Hides the boxes in a sample description that do not belong there. The number of fields before the boxes of an entry depends on
    /// the kind of sample, so this function finds boxes by their names and sizes. Names without a plausible size occur by chance in
    /// much content. A box whose parent is too small for it has a plausible size, too.
    pub(super) fn scan(&mut self, bytes: &[u8], place: Place, work: &ParserWork) -> Result<(), Pause> {
        let mut hidden_to = 0;
        for (at, name) in bytes.windows(4).enumerate().skip(12) {
            // In pieces, so that the deadline also acts inside a large box.
            if at % SCAN_PIECE == 12 {
                work.spend(SCAN_PIECE as u64)?;
            }
            if !name.first_chunk().is_some_and(is_outside_descriptions) {
                continue;
            }
            let start = at.saturating_sub(4);
            let size = be32(bytes, start).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
            let end = start.saturating_add(size);
            match place.range(start, end).filter(|_| size >= 8 && end <= bytes.len() && start >= hidden_to) {
                Some(range) => {
                    self.hidden.push(range);
                    hidden_to = end;
                }
                None if start >= hidden_to => self.add_out_of_reach(),
                None => {}
            }
        }
        self.check_boxes(self.boxes)?;
        self.check_boxes(self.hidden.len() as u64)
    }
}

//! QuickTime's compressed movies.

use std::io::Read as _;

use super::edits::Tables;
use super::{HeaderFilter, Place};
use crate::limits::Limit;
use crate::media::layout::boxes::be32;
use crate::media::layout::planner::Pause;
use crate::media::parser_work::ParserWork;

/// The work of starting to unpack, which allocates memory.
const UNPACK_WORK: u64 = 64 << 10;

impl HeaderFilter {
    /// Unpacks QuickTime's compressed movie, a zlib stream after its unpacked size, and walks the movie.
    pub(super) fn unpack_and_walk(
        &mut self,
        cmvd: &[u8],
        place: Place,
        work: &ParserWork,
    ) -> Result<(), Pause> {
        const PIECE: usize = 64 << 10;
        let allowed = self.limits.max_unpacked_bytes;
        let packed = cmvd.get(4..).unwrap_or_default();
        // libavformat allocates the declared size.
        let declared = be32(cmvd, 0).map_or(0, u64::from);
        self.unpacked = self.unpacked.saturating_add(packed.len() as u64);
        let mut unpacker = flate2::read::ZlibDecoder::new(packed);
        let (mut bytes, mut piece) = (Vec::new(), vec![0; PIECE]);
        work.spend(UNPACK_WORK)?;
        loop {
            let left = allowed.saturating_sub(self.unpacked);
            if left == 0 || declared > left {
                return Err(Pause::Limit { limit: Limit::MaxUnpackedBytes, allowed });
            }
            // After an error, the bytes before the error remain: libav sees no more either.
            let count = unpacker.read(&mut piece).unwrap_or(0);
            let Some(new) = piece.get(..count).filter(|new| !new.is_empty()) else { break };
            work.spend(new.len() as u64)?;
            self.unpacked = self.unpacked.saturating_add(count as u64);
            bytes.extend_from_slice(new);
        }
        self.walk(&bytes, Place { offset: None, ..place }, &mut Tables::default(), work)
    }
}

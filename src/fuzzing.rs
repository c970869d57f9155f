//! What the fuzz targets below `fuzz/` reach of the crate's insides. Compiled with `--cfg fuzzing` only, as cargo-fuzz does:
//! nothing of it is part of the crate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::source::{
    BlockCache, ByteRange, FirstReads, Ledger, RangeReader, RangeSource, ReadFault, ReaderOptions,
};

pub use crate::media::plan_layout;

/// Longer than any script may take: a reader that waits for what nobody brings runs into it.
const DEADLINE: Duration = Duration::from_secs(10);

/// The reader of byte ranges, as libav's reads and the planner use it.
pub struct ScriptedReader(RangeReader);

impl fmt::Debug for ScriptedReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedReader").field("ledger", &self.ledger()).finish_non_exhaustive()
    }
}

fn told(fault: ReadFault) -> String {
    format!("{fault:?}")
}

impl ScriptedReader {
    /// Sends the first reads and waits for a reply.
    ///
    /// # Errors
    /// What reading gives, in words.
    pub fn open(
        source: impl RangeSource,
        first_reads: FirstReads,
        size_hint: Option<u64>,
        cache_bytes: u64,
    ) -> Result<Self, String> {
        let limits = Limits::default();
        let options = ReaderOptions {
            cache: BlockCache::new(cache_bytes),
            first_reads,
            size_hint,
            max_bytes: limits.max_bytes,
            max_requests: limits.max_requests,
            deadline: Deadline::new(DEADLINE, None),
        };
        RangeReader::open(Arc::new(source), options).map(Self).map_err(told)
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// What was read so far.
    pub fn ledger(&self) -> Ledger {
        self.0.ledger()
    }

    /// Reads some bytes; none at the end, or when they were thrown out a moment ago.
    ///
    /// # Errors
    /// What reading gives, in words.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        self.0.read_at(offset, buffer).map_err(told)
    }

    /// Waits for all of a range.
    ///
    /// # Errors
    /// What reading gives, in words.
    pub fn wait_for(&mut self, range: ByteRange) -> Result<(), String> {
        self.0.wait_for(range).map_err(told)
    }

    /// Asks for ranges.
    pub fn prefetch(&mut self, ranges: &[ByteRange]) {
        self.0.prefetch(ranges);
    }

    /// Says that only these are needed of what was asked for.
    pub fn need_only(&mut self, ranges: &[ByteRange]) {
        self.0.need_only(ranges);
    }
}

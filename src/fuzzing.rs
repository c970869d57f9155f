//! What the fuzz targets below `fuzz/` reach of the crate's insides. Compiled with `--cfg fuzzing` only, as cargo-fuzz does:
//! nothing of it is part of the crate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::source::{
    BlockCache, ByteRange, FirstReads, Ledger, RangeReader, RangeSource, Ranges as _, ReadFault,
    ReaderOptions,
};

use crate::media::cpu_time;
pub use crate::media::plan_layout;

/// Longer than any script may take: a reader that waits for what nobody brings runs into it.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much longer AddressSanitizer and libFuzzer's counters let work take.
const INSTRUMENTED: u32 = 4;

/// The CPU time that this thread takes for something.
#[derive(Debug)]
pub struct Cost(Option<Duration>);

impl Cost {
    /// Begins now.
    pub fn begin() -> Self {
        Self(cpu_time())
    }

    /// Ends now, for an input of this many bytes: until the first packet is decoded, it may take 0.5 s and 0.3 s for each 10^6 bytes.
    ///
    /// # Panics
    /// When it took more.
    pub fn end(self, bytes: usize, what: &str) {
        let allowed = Duration::from_millis(500)
            + Duration::from_nanos(300).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        let taken = cpu_time().zip(self.0).map_or(Duration::ZERO, |(now, begun)| now.saturating_sub(begun));
        assert!(taken <= allowed * INSTRUMENTED, "{what}: {taken:?} of CPU for {bytes} bytes");
    }
}

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

    /// Requests ranges.
    pub fn prefetch(&mut self, ranges: &[ByteRange]) {
        self.0.prefetch(ranges);
    }

    /// Declares that only these of the requested ranges are needed.
    pub fn need_only(&mut self, ranges: &[ByteRange]) {
        self.0.need_only(ranges);
    }
}

//! The cost of reading.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The cost of reading an input so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ledger {
    /// Number of requests, retries included. For a local reader: the number of runs of contiguous bytes. The first read
    /// counts 1, and each read that does not start where the previous one ended counts 1 more.
    pub requests: u64,
    /// Length of the longest chain of requests in which each request depends on the reply to the previous one. Parallel
    /// requests count once. The time of reading is about this number times the latency, plus the transfer of the bytes.
    pub round_trips: u64,
    /// Bytes received from the source.
    pub bytes_fetched: u64,
    /// Received bytes that were read. The rest was fetched in vain.
    pub bytes_used: u64,
    /// Reads that found all their bytes in memory.
    pub cache_hits: u64,
    /// Time spent waiting for bytes. In JSON: `waiting_ms`, in whole milliseconds.
    #[serde(rename = "waiting_ms", with = "milliseconds")]
    pub waiting: Duration,
}

/// Adds the cost of two inputs that are read one after the other.
impl Add for Ledger {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            round_trips: self.round_trips + other.round_trips,
            bytes_fetched: self.bytes_fetched + other.bytes_fetched,
            bytes_used: self.bytes_used + other.bytes_used,
            cache_hits: self.cache_hits + other.cache_hits,
            waiting: self.waiting + other.waiting,
        }
    }
}

/// Serializes a duration as a whole number of milliseconds.
pub(crate) mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

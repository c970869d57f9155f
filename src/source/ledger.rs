//! What reading costs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What reading an input has cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ledger {
    /// Requests made, those tried again included. Of a local reader: runs of contiguous bytes, 1 for the first read, and 1
    /// more each time a read starts elsewhere than the last ended.
    pub requests: u64,
    /// The longest chain of requests of which each was made because of what the one before brought. Those made side by
    /// side count once. The time that reading takes is about this many times the latency, and the bytes.
    pub round_trips: u64,
    /// Bytes that came from the source.
    pub bytes_fetched: u64,
    /// Bytes of those that were looked at. The rest was fetched for nothing.
    pub bytes_used: u64,
    /// Reads that found their bytes in memory.
    pub cache_hits: u64,
    /// Time spent waiting for bytes. As JSON: `waiting_ms`, in whole milliseconds.
    #[serde(rename = "waiting_ms", with = "milliseconds")]
    pub waiting: Duration,
}

impl Ledger {
    /// What two inputs have cost, one after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
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

/// A length of time as a whole number of milliseconds.
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

//! How much one file may cost.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds on the work one file may cause. Reaching one is an error of kind
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) (or [`Timeout`](crate::ErrorKind::Timeout)), never a wrong picture.
///
/// `Default` is meant for strangers' uploads: far above what real videos need, and low enough that a hostile file cannot
/// take the machine down. It is not "no limits".
///
/// ```
/// use std::time::Duration;
/// use posterframe::{ErrorKind, Limits, Media, OpenOptions};
///
/// let limits = Limits::default().with_max_time(Duration::from_secs(10)).with_max_bytes(1000);
/// let options = OpenOptions::default().with_limits(limits);
/// let error = Media::open_file("tests/fixtures/h264_end.mp4", &options).expect_err("it takes more than 1000 bytes");
/// assert_eq!(error.kind(), ErrorKind::LimitExceeded);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes read from the source, in all. Default 1 GiB.
    pub max_bytes: u64,
    /// Discontiguous reads (for remote sources: range requests). Default 20 000.
    pub max_requests: u64,
    /// Packets read while looking for one frame. Default 200 000, an hour of video at 50 frames a second.
    pub max_packets: u64,
    /// Pixels of a decoded frame, width times height. Default 8192 x 4352: 8K. A 420 KB H.264 file can otherwise ask for
    /// 850 MB of frame buffers.
    pub max_pixels: u64,
    /// Streams in the container. Default 100.
    pub max_streams: u32,
    /// Entries that the tables of an MP4 declare, all tracks together: samples, and whatever libav multiplies with them (edits with
    /// samples, fragments with tracks). Default 4 million: three tracks of ten hours. An entry costs libav about 36 bytes of memory,
    /// whatever the file's own size. Hence only a quarter of the entries may be declared without bytes of their own in the file, as
    /// by one size for all samples.
    pub max_index_entries: u64,
    /// Boxes of an MP4 at its top level and in its movie header, and of each fragment's header. Default 1 million; films of many
    /// hours have some thousands.
    pub max_boxes: u64,
    /// Bytes that our own parsers visit in one call, where a box, an element or a sample counts as 16 bytes or more. Default 512 MiB:
    /// the largest index that is read, several times. Parsers whose work follows the size of a file end far below.
    pub max_parsed_bytes: u64,
    /// Bytes that the compressed movie header of a QuickTime file has and unpacks to. Default 16 MiB: tables of ten hours.
    pub max_unpacked_bytes: u64,
    /// Bytes of one allocation inside libav. Default 256 MiB, enough for 8K 10-bit frames. It holds for the whole process;
    /// the first [`Media`](crate::Media) opened sets it.
    pub max_allocation: usize,
    /// Wall time of one call: opening, a frame, a picture of a frame. Default 60 s. [`OpenOptions::deadline`](crate::OpenOptions::deadline)
    /// bounds them all together.
    pub max_time: Duration,
}

/// The limits whose reaching is an error of kind [`LimitExceeded`](crate::ErrorKind::LimitExceeded).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_bytes`].
    MaxBytes,
    /// [`Limits::max_requests`].
    MaxRequests,
    /// [`Limits::max_packets`].
    MaxPackets,
    /// [`Limits::max_pixels`].
    MaxPixels,
    /// [`Limits::max_streams`].
    MaxStreams,
    /// [`Limits::max_index_entries`].
    MaxIndexEntries,
    /// [`Limits::max_boxes`].
    MaxBoxes,
    /// [`Limits::max_parsed_bytes`].
    MaxParsedBytes,
    /// [`Limits::max_unpacked_bytes`].
    MaxUnpackedBytes,
}

impl Limit {
    /// The name of the field of [`Limits`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxBytes => "max_bytes",
            Self::MaxRequests => "max_requests",
            Self::MaxPackets => "max_packets",
            Self::MaxPixels => "max_pixels",
            Self::MaxStreams => "max_streams",
            Self::MaxIndexEntries => "max_index_entries",
            Self::MaxBoxes => "max_boxes",
            Self::MaxParsedBytes => "max_parsed_bytes",
            Self::MaxUnpackedBytes => "max_unpacked_bytes",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_requests: 20_000,
            max_packets: 200_000,
            max_pixels: 8192 * 4352,
            max_streams: 100,
            max_index_entries: 4_000_000,
            max_boxes: 1_000_000,
            max_parsed_bytes: 512 << 20,
            max_unpacked_bytes: 16 << 20,
            max_allocation: 256 << 20,
            max_time: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// With this [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// With this [`max_requests`](Self::max_requests).
    #[must_use]
    pub const fn with_max_requests(mut self, requests: u64) -> Self {
        self.max_requests = requests;
        self
    }

    /// With this [`max_packets`](Self::max_packets).
    #[must_use]
    pub const fn with_max_packets(mut self, packets: u64) -> Self {
        self.max_packets = packets;
        self
    }

    /// With this [`max_pixels`](Self::max_pixels).
    #[must_use]
    pub const fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels;
        self
    }

    /// With this [`max_streams`](Self::max_streams).
    #[must_use]
    pub const fn with_max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }

    /// With this [`max_index_entries`](Self::max_index_entries).
    #[must_use]
    pub const fn with_max_index_entries(mut self, entries: u64) -> Self {
        self.max_index_entries = entries;
        self
    }

    /// With this [`max_boxes`](Self::max_boxes).
    #[must_use]
    pub const fn with_max_boxes(mut self, boxes: u64) -> Self {
        self.max_boxes = boxes;
        self
    }

    /// With this [`max_parsed_bytes`](Self::max_parsed_bytes).
    #[must_use]
    pub const fn with_max_parsed_bytes(mut self, bytes: u64) -> Self {
        self.max_parsed_bytes = bytes;
        self
    }

    /// With this [`max_unpacked_bytes`](Self::max_unpacked_bytes).
    #[must_use]
    pub const fn with_max_unpacked_bytes(mut self, bytes: u64) -> Self {
        self.max_unpacked_bytes = bytes;
        self
    }

    /// With this [`max_allocation`](Self::max_allocation).
    #[must_use]
    pub const fn with_max_allocation(mut self, bytes: usize) -> Self {
        self.max_allocation = bytes;
        self
    }

    /// With this [`max_time`](Self::max_time).
    #[must_use]
    pub const fn with_max_time(mut self, time: Duration) -> Self {
        self.max_time = time;
        self
    }
}

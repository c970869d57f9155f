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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes read from the source, in all. Default 1 GiB.
    pub max_bytes: u64,
    /// Discontiguous reads (for remote sources: range requests). Default 20 000.
    pub max_requests: u64,
    /// Packets read while looking for one frame, over all passes of decoding. Each is decoded once at most. Default 200 000, an hour of
    /// video at 50 frames a second.
    pub max_packets: u64,
    /// Pixels decoded while looking for one frame, over all passes: width times height of each picture. Default 2^36 (69 billion): two
    /// thousand frames of 8K, 33 000 of 1080p, 220 000 of 640 x 480.
    pub max_decoded_pixels: u64,
    /// The same for each byte of the file, beyond the first 2^31 pixels (60 frames of 8K, a thousand of 1080p). Default 16 384: x264
    /// writes a byte for 10 000 pixels of a still picture. A picture that repeats the one before it need not take more than a few bytes, and
    /// takes as much work as there are pixels.
    pub max_pixels_per_byte: u64,
    /// Pixels of packets in a row that give no frame: width times height of the picture for each packet, and at least 2^17 and at most 2^23
    /// (2^14 where the decoder may leave the picture out). Default 2^31: 256 packets of 4K or 8K, a thousand of 1080p, 16 384 of small
    /// pictures. A decoder holds back 16 frames, and one more for each of its threads. A stream that begins inside a GOP gives no frame for
    /// some seconds.
    pub max_pixels_without_frame: u64,
    /// Bytes given to the decoder while looking for one frame, over all passes, for each byte of the file. Default 8: a pass decodes a
    /// file once at most, and there are four. An edit list can show the same samples a thousand times. Of a file smaller than 128 KiB as
    /// much may be decoded as of one of that size.
    pub max_repetitions: u64,
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
    /// Wall time of one call: opening, a frame, a picture of a frame. Default 2 minutes. [`OpenOptions::deadline`](crate::OpenOptions::deadline)
    /// bounds them all together. Its end is an error of kind [`Timeout`](crate::ErrorKind::Timeout), which may pass: the file may have
    /// waited for its bytes, or for a processor.
    pub max_time: Duration,
    /// CPU time of one call, and of all calls together where [`OpenOptions::deadline`](crate::OpenOptions::deadline) bounds their time; that of
    /// libavcodec's threads is included, waiting is not. Default 60 s: a frame of 1080p takes less than one. Where the system does not tell the CPU time of threads
    /// (that of libavcodec's outside Linux, or without `/proc`), theirs is not counted.
    pub max_cpu_time: Duration,
    /// Memory of the process that decodes, in bytes, as the system counts it (RSS). Default 1 GiB: a frame of 8K takes half of that. It is
    /// looked at every 20 ms where decoding has a process of its own (feature `cage`), and nowhere else.
    pub max_memory: u64,
    /// Tiles of a storyboard. Default 10,000: one a second for almost three hours. The length of a video is what the file declares.
    pub max_tiles: u64,
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
    /// [`Limits::max_decoded_pixels`].
    MaxDecodedPixels,
    /// [`Limits::max_pixels_per_byte`].
    MaxPixelsPerByte,
    /// [`Limits::max_pixels_without_frame`].
    MaxPixelsWithoutFrame,
    /// [`Limits::max_repetitions`].
    MaxRepetitions,
    /// [`Limits::max_pixels`].
    MaxPixels,
    /// [`Limits::max_streams`].
    MaxStreams,
    /// [`Limits::max_index_entries`].
    MaxIndexEntries,
    /// [`Limits::max_cpu_time`].
    MaxCpuTime,
    /// [`Limits::max_boxes`].
    MaxBoxes,
    /// [`Limits::max_parsed_bytes`].
    MaxParsedBytes,
    /// [`Limits::max_unpacked_bytes`].
    MaxUnpackedBytes,
    /// [`Limits::max_memory`].
    MaxMemory,
    /// [`Limits::max_tiles`].
    MaxTiles,
}

impl Limit {
    /// The name of the field of [`Limits`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxBytes => "max_bytes",
            Self::MaxRequests => "max_requests",
            Self::MaxPackets => "max_packets",
            Self::MaxDecodedPixels => "max_decoded_pixels",
            Self::MaxPixelsPerByte => "max_pixels_per_byte",
            Self::MaxPixelsWithoutFrame => "max_pixels_without_frame",
            Self::MaxRepetitions => "max_repetitions",
            Self::MaxPixels => "max_pixels",
            Self::MaxStreams => "max_streams",
            Self::MaxIndexEntries => "max_index_entries",
            Self::MaxCpuTime => "max_cpu_time",
            Self::MaxBoxes => "max_boxes",
            Self::MaxParsedBytes => "max_parsed_bytes",
            Self::MaxUnpackedBytes => "max_unpacked_bytes",
            Self::MaxMemory => "max_memory",
            Self::MaxTiles => "max_tiles",
        }
    }

    /// A value of this limit, with its unit where it has one.
    pub(crate) fn in_words(self, value: u64) -> String {
        match self {
            Self::MaxCpuTime => format!("{:?}", Duration::from_millis(value)),
            _ => value.to_string(),
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
            max_decoded_pixels: 1 << 36,
            max_pixels_per_byte: 1 << 14,
            max_pixels_without_frame: 1 << 31,
            max_repetitions: 8,
            max_pixels: 8192 * 4352,
            max_streams: 100,
            max_index_entries: 4_000_000,
            max_boxes: 1_000_000,
            max_parsed_bytes: 512 << 20,
            max_unpacked_bytes: 16 << 20,
            max_time: Duration::from_secs(120),
            max_cpu_time: Duration::from_secs(60),
            max_memory: 1 << 30,
            max_tiles: 10_000,
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

    /// With this [`max_decoded_pixels`](Self::max_decoded_pixels).
    #[must_use]
    pub const fn with_max_decoded_pixels(mut self, pixels: u64) -> Self {
        self.max_decoded_pixels = pixels;
        self
    }

    /// With this [`max_pixels_per_byte`](Self::max_pixels_per_byte).
    #[must_use]
    pub const fn with_max_pixels_per_byte(mut self, pixels: u64) -> Self {
        self.max_pixels_per_byte = pixels;
        self
    }

    /// With this [`max_pixels_without_frame`](Self::max_pixels_without_frame).
    #[must_use]
    pub const fn with_max_pixels_without_frame(mut self, pixels: u64) -> Self {
        self.max_pixels_without_frame = pixels;
        self
    }

    /// With this [`max_repetitions`](Self::max_repetitions).
    #[must_use]
    pub const fn with_max_repetitions(mut self, times: u64) -> Self {
        self.max_repetitions = times;
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

    /// With this [`max_time`](Self::max_time).
    #[must_use]
    pub const fn with_max_time(mut self, time: Duration) -> Self {
        self.max_time = time;
        self
    }

    /// With this [`max_cpu_time`](Self::max_cpu_time).
    #[must_use]
    pub const fn with_max_cpu_time(mut self, time: Duration) -> Self {
        self.max_cpu_time = time;
        self
    }

    /// With this [`max_memory`](Self::max_memory).
    #[must_use]
    pub const fn with_max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }

    /// With this [`max_tiles`](Self::max_tiles).
    #[must_use]
    pub const fn with_max_tiles(mut self, tiles: u64) -> Self {
        self.max_tiles = tiles;
        self
    }
}

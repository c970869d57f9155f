//! Limits on the resources that one file may use.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits on the resources that one file may use. When a file reaches a limit, the call fails with an error of kind
/// [`LimitExceeded`](crate::ErrorKind::LimitExceeded) (or [`Timeout`](crate::ErrorKind::Timeout)). It never returns a wrong picture.
///
/// The values of `Default` suit uploads from unknown users: they are far above what real videos need, and low enough that a hostile file
/// cannot take the machine down. `Default` does not mean "no limits".
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
    /// Maximum total bytes read from the source. Default 1 GiB.
    pub max_bytes: u64,
    /// Maximum number of discontiguous reads (for remote sources: range requests). Default 20 000.
    pub max_requests: u64,
    /// Maximum number of packets read while searching for one frame, over all decoding passes. Each packet is decoded at most once. Default
    /// 200 000, an hour of video at 50 frames a second.
    pub max_packets: u64,
    /// Maximum number of pixels decoded while searching for one frame, over all decoding passes: the sum of width times height of the
    /// pictures. Default 2^36 (69 billion): two thousand frames of 8K, 33 000 of 1080p, 220 000 of 640 x 480.
    pub max_decoded_pixels: u64,
    /// Maximum number of decoded pixels for each byte of the file, beyond the first 2^31 pixels (60 frames of 8K, a thousand of 1080p).
    /// Default 16 384: x264 writes one byte for 10 000 pixels of a still picture. A picture that repeats the previous one needs only a few
    /// bytes, but decoding it takes work in proportion to its pixels.
    pub max_pixels_per_byte: u64,
    /// Maximum number of pixels in consecutive packets that yield no frame. Each packet counts as width times height of the picture, at
    /// least 2^17 and at most 2^23 (at least 2^14 where the decoder may skip the picture). Default 2^31: 256 packets of 4K or 8K, a
    /// thousand of 1080p, 16 384 of small pictures. A decoder holds back 16 frames, and one more for each of its threads. A stream that
    /// begins inside a GOP yields no frame for some seconds.
    pub max_pixels_without_frame: u64,
    /// Maximum number of bytes passed to the decoder while searching for one frame, over all decoding passes, for each byte of the file.
    /// Default 8: a pass decodes a file at most once, and there are four passes. An edit list can present the same samples a thousand
    /// times. A file smaller than 128 KiB has the same allowance as a file of 128 KiB.
    pub max_repetitions: u64,
    /// Maximum number of pixels in a decoded frame, width times height. Default 8192 x 4352: 8K. Without this limit, a 420 KB H.264 file
    /// can request 850 MB of frame buffers.
    pub max_pixels: u64,
    /// Maximum number of streams in the container. Default 100.
    pub max_streams: u32,
    /// Maximum number of entries that the tables of an MP4 declare, over all tracks: samples, and the products that libav computes from
    /// samples (edits times samples, fragments times tracks). Default 4 million: three tracks of ten hours. Each entry costs libav about 36
    /// bytes of memory, regardless of the size of the file. For this reason only a quarter of the entries may be declared without bytes of
    /// their own in the file, for example by one size for all samples.
    pub max_index_entries: u64,
    /// Maximum number of boxes of an MP4 at its top level, in its movie header and in the header of each fragment. Default 1 million. Films
    /// of many hours have a few thousand boxes.
    pub max_boxes: u64,
    /// Maximum number of bytes that the crate's own parsers visit in one call. A box, an element or a sample counts as at least 16 bytes.
    /// Default 512 MiB: several times the largest index that is read. Parsers whose work is proportional to the size of a file stay far
    /// below this limit.
    pub max_parsed_bytes: u64,
    /// Maximum size in bytes of the compressed movie header of a QuickTime file, and of the header after decompression. Default 16 MiB:
    /// tables of ten hours.
    pub max_unpacked_bytes: u64,
    /// Maximum wall-clock time of one call: opening a file, returning a frame, or encoding the picture of a frame. Default 2 minutes.
    /// [`OpenOptions::deadline`](crate::OpenOptions::deadline) limits the time of all calls together. Reaching this limit is an error of
    /// kind [`Timeout`](crate::ErrorKind::Timeout). A timeout may be temporary: the call may have waited for the bytes of the file, or for
    /// a processor.
    pub max_time: Duration,
    /// Maximum CPU time of one call, and of all calls together where [`OpenOptions::deadline`](crate::OpenOptions::deadline) limits their
    /// time. The CPU time of libavcodec's threads is included. Waiting is not. Default 60 s: a 1080p frame takes less than one second.
    /// Where the system does not report the CPU time of libavcodec's threads (outside Linux, or without `/proc`), their time is not
    /// counted.
    pub max_cpu_time: Duration,
    /// Maximum memory of the decoding process in bytes, as the system reports it (RSS). Default 1 GiB: an 8K frame takes half of that. The
    /// memory is checked every 20 ms where decoding runs in a separate process (feature `cage`), and is not checked elsewhere.
    pub max_memory: u64,
    /// Maximum number of tiles of a storyboard. Default 10,000: one tile a second for almost three hours. The number of tiles follows from
    /// the duration that the file declares.
    pub max_tiles: u64,
}

/// The limits that cause an error of kind [`LimitExceeded`](crate::ErrorKind::LimitExceeded).
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
    /// Returns the name of the corresponding field of [`Limits`].
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

    /// Formats a value of this limit, with its unit if it has one.
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
    /// Sets [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets [`max_requests`](Self::max_requests).
    #[must_use]
    pub const fn with_max_requests(mut self, requests: u64) -> Self {
        self.max_requests = requests;
        self
    }

    /// Sets [`max_packets`](Self::max_packets).
    #[must_use]
    pub const fn with_max_packets(mut self, packets: u64) -> Self {
        self.max_packets = packets;
        self
    }

    /// Sets [`max_decoded_pixels`](Self::max_decoded_pixels).
    #[must_use]
    pub const fn with_max_decoded_pixels(mut self, pixels: u64) -> Self {
        self.max_decoded_pixels = pixels;
        self
    }

    /// Sets [`max_pixels_per_byte`](Self::max_pixels_per_byte).
    #[must_use]
    pub const fn with_max_pixels_per_byte(mut self, pixels: u64) -> Self {
        self.max_pixels_per_byte = pixels;
        self
    }

    /// Sets [`max_pixels_without_frame`](Self::max_pixels_without_frame).
    #[must_use]
    pub const fn with_max_pixels_without_frame(mut self, pixels: u64) -> Self {
        self.max_pixels_without_frame = pixels;
        self
    }

    /// Sets [`max_repetitions`](Self::max_repetitions).
    #[must_use]
    pub const fn with_max_repetitions(mut self, times: u64) -> Self {
        self.max_repetitions = times;
        self
    }

    /// Sets [`max_pixels`](Self::max_pixels).
    #[must_use]
    pub const fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = pixels;
        self
    }

    /// Sets [`max_streams`](Self::max_streams).
    #[must_use]
    pub const fn with_max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }

    /// Sets [`max_index_entries`](Self::max_index_entries).
    #[must_use]
    pub const fn with_max_index_entries(mut self, entries: u64) -> Self {
        self.max_index_entries = entries;
        self
    }

    /// Sets [`max_boxes`](Self::max_boxes).
    #[must_use]
    pub const fn with_max_boxes(mut self, boxes: u64) -> Self {
        self.max_boxes = boxes;
        self
    }

    /// Sets [`max_parsed_bytes`](Self::max_parsed_bytes).
    #[must_use]
    pub const fn with_max_parsed_bytes(mut self, bytes: u64) -> Self {
        self.max_parsed_bytes = bytes;
        self
    }

    /// Sets [`max_unpacked_bytes`](Self::max_unpacked_bytes).
    #[must_use]
    pub const fn with_max_unpacked_bytes(mut self, bytes: u64) -> Self {
        self.max_unpacked_bytes = bytes;
        self
    }

    /// Sets [`max_time`](Self::max_time).
    #[must_use]
    pub const fn with_max_time(mut self, time: Duration) -> Self {
        self.max_time = time;
        self
    }

    /// Sets [`max_cpu_time`](Self::max_cpu_time).
    #[must_use]
    pub const fn with_max_cpu_time(mut self, time: Duration) -> Self {
        self.max_cpu_time = time;
        self
    }

    /// Sets [`max_memory`](Self::max_memory).
    #[must_use]
    pub const fn with_max_memory(mut self, bytes: u64) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Sets [`max_tiles`](Self::max_tiles).
    #[must_use]
    pub const fn with_max_tiles(mut self, tiles: u64) -> Self {
        self.max_tiles = tiles;
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    type Setter = fn(Limits) -> Limits;

    const SECONDS: Duration = Duration::from_secs(7);

    fn fields(limits: Limits) -> Value {
        serde_json::to_value(limits).unwrap()
    }

    #[test]
    fn each_setter_sets_its_limit_and_keeps_the_others() {
        let setters: [(&str, Setter); 17] = [
            ("max_bytes", |limits| limits.with_max_bytes(7)),
            ("max_requests", |limits| limits.with_max_requests(7)),
            ("max_packets", |limits| limits.with_max_packets(7)),
            ("max_decoded_pixels", |limits| limits.with_max_decoded_pixels(7)),
            ("max_pixels_per_byte", |limits| limits.with_max_pixels_per_byte(7)),
            ("max_pixels_without_frame", |limits| limits.with_max_pixels_without_frame(7)),
            ("max_repetitions", |limits| limits.with_max_repetitions(7)),
            ("max_pixels", |limits| limits.with_max_pixels(7)),
            ("max_streams", |limits| limits.with_max_streams(7)),
            ("max_index_entries", |limits| limits.with_max_index_entries(7)),
            ("max_boxes", |limits| limits.with_max_boxes(7)),
            ("max_parsed_bytes", |limits| limits.with_max_parsed_bytes(7)),
            ("max_unpacked_bytes", |limits| limits.with_max_unpacked_bytes(7)),
            ("max_time", |limits| limits.with_max_time(SECONDS)),
            ("max_cpu_time", |limits| limits.with_max_cpu_time(SECONDS)),
            ("max_memory", |limits| limits.with_max_memory(7)),
            ("max_tiles", |limits| limits.with_max_tiles(7)),
        ];
        let (mut limits, mut expected) = (Limits::default(), fields(Limits::default()));
        assert_eq!(expected.as_object().unwrap().len(), setters.len());
        for (name, set) in setters {
            limits = set(limits);
            expected[name] = if expected[name].is_number() { json!(7) } else { json!(SECONDS) };
            assert_eq!(fields(limits), expected, "{name}");
        }
    }

    /// Exceeded time is an error of another kind.
    #[test]
    fn a_limit_has_the_name_of_its_field() {
        for name in fields(Limits::default()).as_object().unwrap().keys().filter(|&name| name != "max_time") {
            let limit: Limit = serde_json::from_value(json!(name)).unwrap();
            assert_eq!(limit.to_string(), *name);
        }
    }
}

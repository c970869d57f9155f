//! Sizes of the first requests, before anything is known about an object.

/// The number of bytes that one of the first reads requests, computed from the object's size where the size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadSize {
    /// The divisor of the size.
    pub divisor: u64,
    /// The minimum number of bytes.
    pub min: u64,
    /// The maximum number of bytes.
    pub max: u64,
    /// The number of bytes when the size is not known.
    pub unknown: u64,
}

impl ReadSize {
    /// Creates a read of `bytes` bytes for objects of any size, or no read for 0.
    pub const fn fixed(bytes: u64) -> Self {
        Self { divisor: 1, min: bytes, max: bytes, unknown: bytes }
    }

    /// Returns the number of bytes to request of an object of `size` bytes.
    pub fn bytes(self, size: Option<u64>) -> u64 {
        size.map_or(self.unknown, |size| (size / self.divisor.max(1)).clamp(self.min, self.max.max(self.min)))
    }
}

/// Sizes of the first reads. Head and tail are requested in parallel. The tail is requested as a suffix, so the size need not
/// be known.
///
/// The index of an MP4 takes about a six hundredth of a film of 8 Mbit/s, and lies at the start or at the end. The reader does
/// not read the rest of a first read that turns out not to be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirstReads {
    /// Bytes from the start. Default: a 600th of the size, 64 to 768 KiB; 512 KiB when the size is not known.
    pub head: ReadSize,
    /// Bytes up to the end. Default: the same as `head`.
    pub tail: ReadSize,
    /// Objects of up to this size are read whole: in one request when their size is known, and else in one or two round trips
    /// that fetch each byte once where `head` or `tail` covers the object. Default 1 MiB.
    pub whole: u64,
}

impl Default for FirstReads {
    fn default() -> Self {
        let index = ReadSize { divisor: 600, min: 64 << 10, max: 768 << 10, unknown: 512 << 10 };
        Self { head: index, tail: index, whole: 1 << 20 }
    }
}

impl FirstReads {
    /// Returns the reads that suit the format that an object's name suggests. Any other content works too, with more requests
    /// or bytes.
    ///
    /// - Matroska and WebM: the first kilobytes contain the positions of everything else.
    /// - Transport streams have no header: the first packets show the contents, the last packets show the duration. A large
    ///   keyframe and the audio after the keyframe fit into the head.
    pub fn for_name(name: &str) -> Self {
        // URLs have a query after their path.
        let name = name.split('?').next().unwrap_or(name);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let (head, tail) = match extension.as_str() {
            "mkv" | "webm" | "mka" | "mk3d" => (64 << 10, 0),
            "ts" | "m2ts" | "mts" | "m2t" => (480 << 10, 160 << 10),
            _ => return Self::default(),
        };
        Self { head: ReadSize::fixed(head), tail: ReadSize::fixed(tail), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = FirstReads::default().head;
        assert_eq!(size.bytes(None), 512 << 10);
        assert_eq!(size.bytes(Some(2 << 20)), 64 << 10);
        assert_eq!(size.bytes(Some(300 << 20)), 512 << 10);
        assert_eq!(size.bytes(Some(5 << 30)), 768 << 10);
        assert_eq!(ReadSize::fixed(7).bytes(Some(1 << 40)), 7);
    }

    #[test]
    fn names() {
        assert_eq!(FirstReads::for_name("s3://b/videos/1_x.MKV").tail.bytes(None), 0);
        assert_eq!(FirstReads::for_name("https://h/a.ts").head.bytes(None), 480 << 10);
        assert_eq!(FirstReads::for_name("https://h/a.webm?REDACTED").tail.bytes(None), 0);
        for name in ["a.mp4", "a", "mkv", "a.mkv/b"] {
            assert_eq!(FirstReads::for_name(name), FirstReads::default(), "{name}");
        }
    }
}

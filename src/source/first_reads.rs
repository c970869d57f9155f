//! How much is asked for before anything is known about an object.

/// How many bytes one of the first reads asks for, by the object's size where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadSize {
    /// The size divided by this.
    pub divisor: u64,
    /// But at least so many bytes.
    pub min: u64,
    /// And at most so many.
    pub max: u64,
    /// So many when the size is not known.
    pub unknown: u64,
}

impl ReadSize {
    /// So many bytes of whatever object; none at all for 0.
    pub const fn fixed(bytes: u64) -> Self {
        Self { divisor: 1, min: bytes, max: bytes, unknown: bytes }
    }

    /// Bytes to ask for of an object of `size` bytes.
    pub fn bytes(self, size: Option<u64>) -> u64 {
        size.map_or(self.unknown, |size| (size / self.divisor.max(1)).clamp(self.min, self.max.max(self.min)))
    }
}

/// Sizes of the first reads: head and tail side by side, the tail as a suffix, so that the size need not be known.
///
/// The index of an MP4 takes about a six hundredth of a film of 8 Mbit/s, at one end of it or at the other. What turns out
/// not to be needed of the first reads is not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirstReads {
    /// Bytes from the start. Default: a 600th of the size, 64 to 768 KiB; 512 KiB when the size is not known.
    pub head: ReadSize,
    /// Bytes up to the end. Default: the same.
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
    /// The reads that suit what an object's name says it is, and any other content too, at more requests or bytes.
    ///
    /// - Matroska and WebM say in their first kilobytes where everything else is.
    /// - Transport streams have no header: their first packets tell what they hold, their last ones how long they are. A large
    ///   keyframe and the sound behind it fit into the head.
    pub fn for_name(name: &str) -> Self {
        // What names of URLs have behind their path.
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

//! What has been seen of a file: bytes in memory, for libav and for the planners of the layout.

use crate::source::ByteRange;

/// Windows, and the bytes in those that do not stay, at most. libavformat throws its buffer away at every seek, and seeks to and fro
/// between header, index and samples.
const MAX_WINDOWS: usize = 256;
const MAX_BYTES: usize = 8 << 20;

/// Windows on a file, the oldest first.
pub(crate) struct Seen {
    size: u64,
    windows: Vec<Window>,
    /// Bytes in the windows that do not stay.
    held: usize,
}

struct Window {
    offset: u64,
    bytes: Vec<u8>,
    stays: bool,
}

impl Window {
    fn rest_from(&self, offset: u64) -> Option<&[u8]> {
        let skip = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(skip..).filter(|rest| !rest.is_empty())
    }
}

impl Seen {
    /// Begins with nothing of a file of `size` bytes.
    pub(crate) const fn new(size: u64) -> Self {
        Self { size, windows: Vec::new(), held: 0 }
    }

    /// The size of the whole file in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Takes what was read at `offset`, in place of what was read longest ago and does not stay.
    pub(crate) fn add(&mut self, offset: u64, bytes: Vec<u8>, stays: bool) {
        self.held = self.held.saturating_add(if stays { 0 } else { bytes.len() });
        while self.held > MAX_BYTES || self.windows.len() >= MAX_WINDOWS {
            let Some(oldest) = self.windows.iter().position(|window| !window.stays) else { break };
            self.held = self.held.saturating_sub(self.windows.remove(oldest).bytes.len());
        }
        self.windows.push(Window { offset, bytes, stays });
    }

    /// Returns the bytes of a range, if one window has them all.
    pub(crate) fn get(&self, range: ByteRange) -> Option<&[u8]> {
        let length = usize::try_from(range.len()).ok()?;
        self.windows.iter().rev().find_map(|window| window.rest_from(range.start())?.get(..length))
    }

    /// Returns the bytes of a window from `offset` on, as many as there are; `None` if there are none.
    pub(crate) fn rest_from(&self, offset: u64) -> Option<&[u8]> {
        self.windows.iter().filter_map(|window| window.rest_from(offset)).max_by_key(|rest| rest.len())
    }

    /// Returns where the first window behind `offset` begins, or the file ends.
    pub(crate) fn next_start(&self, offset: u64) -> u64 {
        let starts = self.windows.iter().map(|window| window.offset);
        starts.filter(|&start| start > offset).fold(self.size, u64::min)
    }
}

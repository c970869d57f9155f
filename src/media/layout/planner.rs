//! What a planner is given, and what it answers: the bytes that have been read, and those that it wants.

use std::sync::Arc;

use crate::source::ByteRange;

/// Bytes that are held for planners beside those that libav needs too, about. What goes is read again when a planner wants it.
const MAX_HELD: usize = 8 << 20;
/// Separate windows that are held.
const MAX_WINDOWS: usize = 256;

/// A planner for one family of containers: bytes seen in, bytes wanted out. A planner touches no reader, no clock and no libav.
pub(super) trait Planner {
    /// Continues until the plan is complete or bytes are missing. Progress stays in the planner, so that the next step resumes.
    ///
    /// # Errors
    /// [`Pause`] says what stopped the step.
    fn step(&mut self, seen: &Seen) -> Result<Plan, Pause>;
}

/// Bytes that will be read. A plan is a hint: a wrong plan costs requests, never the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In any order; they may overlap.
    pub(super) ranges: Vec<ByteRange>,
    /// Whether nothing else that was requested will be read.
    pub(super) only: bool,
}

/// Why a planner stops before it has a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    /// Bytes are missing. The next step resumes where this one stopped.
    Need {
        /// What must be read before the next step; may be empty.
        now: ByteRange,
        /// Whether libav will read `now` again: the driver keeps it in memory.
        is_kept: bool,
        /// What will be read later: the driver requests it beside `now`, and does not wait for it.
        beside: Plan,
    },
    /// The file is of another family, or laid out in a way that the planner does not know.
    Unknown,
    /// The file declares more than the limit with this name allows.
    Limit { limit: &'static str, allowed: u64 },
}

impl Pause {
    /// Requests ranges and waits for nothing.
    pub(super) const fn request(ranges: Vec<ByteRange>) -> Self {
        Self::Need { now: ByteRange::new(0, 0), is_kept: false, beside: Plan { ranges, only: false } }
    }

    /// Marks the missing bytes as ones that libav will read again.
    pub(super) fn kept(mut self) -> Self {
        if let Self::Need { is_kept, .. } = &mut self {
            *is_kept = true;
        }
        self
    }

    /// Cancels whatever else was requested.
    pub(super) fn only(mut self) -> Self {
        if let Self::Need { beside, .. } = &mut self {
            beside.only = true;
        }
        self
    }
}

/// The bytes of a file that the driver has read: windows on a file of `size` bytes, the newest last.
pub(super) struct Seen {
    size: u64,
    windows: Vec<Window>,
}

struct Window {
    offset: u64,
    bytes: Arc<Vec<u8>>,
    /// Whether it stays, because libav needs it too.
    is_kept: bool,
}

impl Seen {
    pub(super) const fn new(size: u64) -> Self {
        Self { size, windows: Vec::new() }
    }

    /// The size of the whole file in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Takes what was read at `offset`, and makes room for it if need be.
    pub(super) fn add(&mut self, offset: u64, bytes: Arc<Vec<u8>>, is_kept: bool) {
        let held: usize =
            self.windows.iter().filter(|window| !window.is_kept).map(|window| window.bytes.len()).sum();
        if held.saturating_add(bytes.len()) > MAX_HELD || self.windows.len() >= MAX_WINDOWS {
            self.windows.retain(|window| window.is_kept);
        }
        self.windows.push(Window { offset, bytes, is_kept });
    }

    /// Returns `length` bytes at `offset`, or fewer at the end of the file.
    ///
    /// # Errors
    /// [`Pause::Need`] while they have not been read.
    pub(super) fn bytes(&self, offset: u64, length: u64) -> Result<&[u8], Pause> {
        self.bytes_beside(offset, length, &[])
    }

    /// Returns the bytes as [`bytes`](Self::bytes) does. While they have not been read, the driver requests `soon` beside them.
    ///
    /// # Errors
    /// [`Pause::Need`] while the bytes have not been read.
    pub(super) fn bytes_beside(&self, offset: u64, length: u64, soon: &[ByteRange]) -> Result<&[u8], Pause> {
        let now = ByteRange::new(offset, offset.saturating_add(length)).clipped(self.size);
        if now.is_empty() {
            return Ok(&[]);
        }
        let part_of = |window: &'_ Window| {
            let start = usize::try_from(offset.checked_sub(window.offset)?).ok()?;
            Some(start..start.checked_add(usize::try_from(now.len()).ok()?)?)
        };
        let found = self.windows.iter().rev().find_map(|window| window.bytes.get(part_of(window)?));
        found.ok_or_else(|| Pause::Need {
            now,
            is_kept: false,
            beside: Plan { ranges: soon.to_vec(), only: false },
        })
    }
}

//! What a planner is given, and what it answers: bytes that have been read, and bytes that it wants.

use std::fmt;

use crate::source::ByteRange;

/// The bytes of a file that have been read so far.
pub(super) trait Bytes {
    /// The size of the whole file in bytes.
    fn size(&self) -> u64;

    /// The bytes of `range`, if all of them have been read.
    fn get(&self, range: ByteRange) -> Option<&[u8]>;
}

impl fmt::Debug for dyn Bytes + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl dyn Bytes + '_ {
    /// Returns `length` bytes at `offset`, or fewer at the end of the file.
    ///
    /// # Errors
    /// [`Pause::Need`] while they have not been read.
    pub(super) fn bytes(&self, offset: u64, length: u64) -> Result<&[u8], Pause> {
        let range = ByteRange::new(offset, offset.saturating_add(length)).clipped(self.size());
        if range.is_empty() {
            return Ok(&[]);
        }
        self.get(range).ok_or_else(|| Pause::Need(Need { now: range, ..Need::default() }))
    }

    /// Returns the bytes as [`bytes`](Self::bytes) does. While they have not been read, the driver requests `soon` beside them.
    ///
    /// # Errors
    /// [`Pause::Need`] while the bytes have not been read.
    pub(super) fn bytes_beside(&self, offset: u64, length: u64, soon: &[ByteRange]) -> Result<&[u8], Pause> {
        self.bytes(offset, length).map_err(|pause| pause.beside(soon))
    }
}

/// Bytes that a planner waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// What must be read before the next step; may be empty.
    pub(super) now: ByteRange,
    /// What will be read later: the driver requests it beside `now`, and does not wait for it.
    pub(super) soon: Vec<ByteRange>,
    /// Whether nothing else that was requested will be read.
    pub(super) only: bool,
    /// Whether libav will read `now` again: the driver keeps it in memory.
    pub(super) keep: bool,
}

impl Default for Need {
    fn default() -> Self {
        Self { now: ByteRange::new(0, 0), soon: Vec::new(), only: false, keep: false }
    }
}

/// Why a planner stops before it has a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    /// Bytes are missing. The next step resumes where this one stopped.
    Need(Need),
    /// The file is of another family, or laid out in a way that the planner does not know.
    Unknown,
    /// The file declares more than a limit allows.
    Limit {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
}

impl Pause {
    /// Requests ranges and waits for nothing.
    pub(super) fn request(soon: Vec<ByteRange>) -> Self {
        Self::Need(Need { soon, ..Need::default() })
    }

    /// Adds ranges to request beside the missing bytes.
    pub(super) fn beside(mut self, soon: &[ByteRange]) -> Self {
        if let Self::Need(need) = &mut self {
            need.soon.extend_from_slice(soon);
        }
        self
    }

    /// Marks the missing bytes as ones that libav will read again.
    pub(super) fn kept(mut self) -> Self {
        if let Self::Need(need) = &mut self {
            need.keep = true;
        }
        self
    }

    /// Cancels whatever else was requested.
    pub(super) fn only(mut self) -> Self {
        if let Self::Need(need) = &mut self {
            need.only = true;
        }
        self
    }
}

/// The bytes that opening a file and finding a frame will need. A plan is a hint: a wrong plan costs requests, never the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// In any order; they may overlap.
    pub(super) ranges: Vec<ByteRange>,
    /// Whether nothing else that was requested will be read.
    pub(super) only: bool,
}

/// A planner for one family of containers: bytes seen in, bytes wanted out. A planner touches no reader, no clock and no libav.
pub(super) trait Planner {
    /// Continues until the plan is complete or bytes are missing. Progress stays in the planner, so that the next step resumes.
    ///
    /// # Errors
    /// [`Pause`] says what stopped the step.
    fn step(&mut self, seen: &dyn Bytes) -> Result<Plan, Pause>;
}

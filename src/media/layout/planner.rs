//! The answers of a planner: the bytes that it wants.

use std::time::Duration;

use crate::deadline::Stop;
use crate::frame_request::Pick;
use crate::limits::Limit;
use crate::media::parser_work::NoMoreWork;
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// A planner for one family of containers: it takes the bytes that were read, and returns the wanted bytes. A planner uses no
/// reader, no clock and no libav.
pub(super) trait Planner {
    /// Continues until the plan is complete or bytes are missing. Progress stays in the planner, so the next step resumes.
    ///
    /// # Errors
    /// [`Pause`] contains the reason why the step stopped.
    fn step(&mut self, seen: &Seen) -> Result<Plan, Pause>;

    /// Returns the parts of the file, found since the last call, that are hidden from libav.
    fn take_hidden(&mut self) -> Vec<ByteRange>;
}

/// The frame of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Distance from the start.
    pub(crate) at: Duration,
    pub(crate) pick: Pick,
}

/// Bytes that will be read. A plan is a hint: a wrong plan costs requests, but never changes the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The ranges in any order; they may overlap.
    pub(super) ranges: Vec<ByteRange>,
    /// Whether no other requested bytes will be read.
    pub(super) only: bool,
}

/// The reason why a planner stops before its plan is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pause {
    /// Bytes are missing. The next step resumes where this one stopped.
    Need {
        /// The bytes to read before the next step; may be empty.
        now: ByteRange,
        /// Whether `now` stays in memory, because libav will read it again.
        stays: bool,
        /// Bytes that will be read later. The driver requests them in parallel to `now`, and does not wait for them.
        beside: Plan,
    },
    /// The file is of another family, or has a layout that the planner does not support.
    Unknown,
    /// The file exceeds the allowed value of this limit, or would take more work.
    Limit { limit: Limit, allowed: u64 },
    /// The allowed time has passed.
    Stopped(Stop),
}

impl From<NoMoreWork> for Pause {
    fn from(reason: NoMoreWork) -> Self {
        match reason {
            NoMoreWork::Stopped(stop) => Self::Stopped(stop),
            NoMoreWork::Limit { limit, allowed } => Self::Limit { limit, allowed },
        }
    }
}

impl Pause {
    /// Requests ranges without waiting for them.
    pub(super) const fn request(ranges: Vec<ByteRange>) -> Self {
        Self::Need { now: ByteRange::new(0, 0), stays: false, beside: Plan { ranges, only: false } }
    }

    /// Adds ranges to the request.
    pub(super) fn also(mut self, ranges: Vec<ByteRange>) -> Self {
        if let Self::Need { beside, .. } = &mut self {
            beside.ranges.extend(ranges);
        }
        self
    }

    /// Marks the missing bytes as bytes that libav will read again.
    pub(super) fn kept(mut self) -> Self {
        if let Self::Need { stays, .. } = &mut self {
            *stays = true;
        }
        self
    }

    /// Cancels all other requests.
    pub(super) fn only(mut self) -> Self {
        if let Self::Need { beside, .. } = &mut self {
            beside.only = true;
        }
        self
    }
}

impl Seen {
    /// Counts the work of visiting this many bytes.
    ///
    /// # Errors
    /// [`Pause::Limit`] and [`Pause::Stopped`].
    pub(super) fn spend(&self, bytes: u64) -> Result<(), Pause> {
        self.work().spend(bytes).map_err(Pause::from)
    }

    /// Returns `length` bytes at `offset`, or fewer at the end of the file.
    ///
    /// # Errors
    /// [`Pause::Need`] while they have not been read.
    pub(super) fn bytes(&self, offset: u64, length: u64) -> Result<&[u8], Pause> {
        self.bytes_beside(offset, length, &[])
    }

    /// Returns the same bytes as [`bytes`](Self::bytes). While they have not been read, the driver also requests `soon` in
    /// parallel.
    ///
    /// # Errors
    /// [`Pause::Need`] while the bytes have not been read.
    pub(super) fn bytes_beside(&self, offset: u64, length: u64, soon: &[ByteRange]) -> Result<&[u8], Pause> {
        let now = ByteRange::new(offset, offset.saturating_add(length)).clipped(self.size());
        if now.is_empty() {
            return Ok(&[]);
        }
        let beside = || Plan { ranges: soon.to_vec(), only: false };
        self.get(now).ok_or_else(|| Pause::Need { now, stays: false, beside: beside() })
    }
}

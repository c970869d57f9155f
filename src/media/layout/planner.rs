//! What a planner answers: the bytes that it wants.

use std::time::Duration;

use crate::deadline::Stop;
use crate::frame_request::Pick;
use crate::limits::Limit;
use crate::media::parser_work::NoMoreWork;
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// A planner for one family of containers: bytes seen in, bytes wanted out. A planner touches no reader, no clock and no libav.
pub(super) trait Planner {
    /// Continues until the plan is complete or bytes are missing. Progress stays in the planner, so that the next step resumes.
    ///
    /// # Errors
    /// [`Pause`] says what stopped the step.
    fn step(&mut self, seen: &Seen) -> Result<Plan, Pause>;

    /// Returns the parts of the file, found since the last call, that libav is not to be shown.
    fn take_hidden(&mut self) -> Vec<ByteRange>;
}

/// The frame that is planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// From the start.
    pub(crate) at: Duration,
    pub(crate) pick: Pick,
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
        /// Whether `now` stays in memory, because libav will read it again.
        stays: bool,
        /// What will be read later: the driver requests it beside `now`, and does not wait for it.
        beside: Plan,
    },
    /// The file is of another family, or laid out in a way that the planner does not know.
    Unknown,
    /// The file declares more than the limit with this name allows, or would take more work.
    Limit { limit: Limit, allowed: u64 },
    /// There is no time left.
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
    /// Requests ranges and waits for nothing.
    pub(super) const fn request(ranges: Vec<ByteRange>) -> Self {
        Self::Need { now: ByteRange::new(0, 0), stays: false, beside: Plan { ranges, only: false } }
    }

    /// Requests these ranges, too.
    pub(super) fn also(mut self, ranges: Vec<ByteRange>) -> Self {
        if let Self::Need { beside, .. } = &mut self {
            beside.ranges.extend(ranges);
        }
        self
    }

    /// Marks the missing bytes as ones that libav will read again.
    pub(super) fn kept(mut self) -> Self {
        if let Self::Need { stays, .. } = &mut self {
            *stays = true;
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

    /// Returns the bytes as [`bytes`](Self::bytes) does. While they have not been read, the driver requests `soon` beside them.
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

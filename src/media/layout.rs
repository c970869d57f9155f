//! What the layout of a container reveals about the bytes that opening it and finding a frame will need.
//!
//! Before libav sees a file, [`Layout::look`] finds out which bytes libav will read, and requests them in as few round trips as
//! the layout allows. The data takes this way:
//!
//! 1. [`drive`] is the only loop. It owns the [`Input`], looks at the deadline between two steps, and bounds the work.
//! 2. A [`Planner`] knows one family of containers: [`mp4`], [`matroska`]. A planner is a state machine without any I/O: it looks
//!    at the [`Bytes`] that have been read, and answers with a [`Plan`] or with a [`Need`]. The needed bytes are read before the
//!    next step; the driver requests the others beside them, and cancels requests that a planner no longer needs.
//! 3. [`Seen`] keeps what a planner has looked at, and [`Input`] keeps what libav will read again.
//! 4. The plan is a hint. A wrong plan costs requests, never the picture: the search for a frame (`media::search`) trusts packets
//!    only, and reads on demand whatever the plan does not name. A test replaces each plan by none, by garbage and by another
//!    file's.
//!
//! Files of other families have no planner: libav reads what it reads, with growing read-ahead.

mod bytes;
#[deny(clippy::arithmetic_side_effects, reason = "strangers' numbers")]
mod ebml;
#[deny(clippy::arithmetic_side_effects, reason = "strangers' numbers")]
mod gop;
#[deny(clippy::arithmetic_side_effects, reason = "strangers' numbers")]
mod matroska;
mod mp4;
#[deny(clippy::arithmetic_side_effects, reason = "strangers' numbers")]
mod seen;

use std::time::Duration;

use crate::limits::Limits;
use crate::media::info::Mp4Layout;
use crate::media::input::{Fault, Input};
use bytes::{Pause, Planner};
use matroska::Matroska;
#[cfg(fuzzing)]
pub use mp4::read_mp4_tables;
use mp4::TrackPackets;
use seen::Seen;

/// Steps of one planner, at most. An MP4 takes one for each box at the top level and for each fragment.
const MAX_STEPS: u32 = 1 << 20;

/// The layout of a file.
pub(crate) struct Layout {
    family: Family,
    seen: Seen,
}

/// The family of containers that a file belongs to.
enum Family {
    Mp4(Box<mp4::Layout>),
    Matroska(Box<Matroska>),
    /// Another family, or one of those in a way that no planner knows.
    Unknown,
}

/// Runs a planner until it has a plan, and requests what the plan names. Returns whether there was a plan.
///
/// # Errors
/// What reading gives, the deadline, and limits on what the file declares.
fn drive(input: &mut Input<'_>, seen: &mut Seen, planner: &mut dyn Planner) -> Result<bool, Fault> {
    for _ in 0..MAX_STEPS {
        input.check()?;
        match planner.step(seen) {
            Ok(plan) => {
                if plan.only {
                    input.need_only(&plan.ranges);
                }
                input.prefetch(&plan.ranges);
                return Ok(true);
            }
            Err(Pause::Need(need)) => {
                let mut ranges = need.soon;
                ranges.push(need.now);
                if need.only {
                    input.need_only(&ranges);
                }
                input.prefetch(&ranges);
                seen.read(input, need.now, need.keep)?;
            }
            Err(Pause::Limit { limit, allowed }) => return Err(input.fail(Fault::Limit { limit, allowed })),
            Err(Pause::Unknown) => return Ok(false),
        }
    }
    Ok(false)
}

impl Layout {
    /// Looks at the file, and requests what opening it and the frame at `at` will need.
    ///
    /// # Errors
    /// What reading gives, and limits on what an MP4 declares.
    pub(crate) fn look(input: &mut Input<'_>, limits: &Limits, at: Option<Duration>) -> Result<Self, Fault> {
        let mut seen = Seen::new(input.size());
        let family = if matroska::is_matroska(&input.peek(0, 4)?) {
            let mut planner = Box::new(Matroska::new(at));
            if drive(input, &mut seen, &mut *planner)? { Family::Matroska(planner) } else { Family::Unknown }
        } else {
            mp4::look(input, limits, at)?.map_or(Family::Unknown, |layout| Family::Mp4(Box::new(layout)))
        };
        Ok(Self { family, seen })
    }

    /// Forgets what was seen if libavformat reports another family: boxes of one may look like those of another.
    pub(crate) fn confirm(mut self, format_name: &str, streams: usize) -> Self {
        let is_confirmed = match &self.family {
            Family::Mp4(_) => format_name.starts_with("mov"),
            Family::Matroska(planner) => format_name.starts_with("matroska") && planner.has_streams(streams),
            Family::Unknown => true,
        };
        if !is_confirmed {
            self.family = Family::Unknown;
        }
        self
    }

    /// Returns what `MediaInfo` reports about an MP4 or MOV.
    pub(crate) const fn mp4(&self) -> Option<Mp4Layout> {
        match &self.family {
            Family::Mp4(layout) => Some(layout.about()),
            _ => None,
        }
    }

    /// Requests what the frame at `at` needs, of the track with this number.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn plan(
        &mut self,
        input: &mut Input<'_>,
        track: Option<u32>,
        at: Duration,
    ) -> Result<(), Fault> {
        match &mut self.family {
            Family::Mp4(layout) => layout.plan(input, track, Some(at)),
            Family::Matroska(planner) => {
                planner.aim(at);
                drive(input, &mut self.seen, &mut **planner).map(|_| ())
            }
            Family::Unknown => Ok(()),
        }
    }

    /// Lets libavformat see what was planned for. `true` when that has changed: then the file must be opened again.
    pub(crate) fn show(&self, input: &mut Input<'_>) -> bool {
        matches!(&self.family, Family::Mp4(layout) if layout.show(input))
    }

    /// Plans for more of a file than was thought necessary; `false` when that was all of it.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn explore_further(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        match &mut self.family {
            Family::Mp4(layout) => layout.explore_further(input),
            _ => Ok(false),
        }
    }

    /// Returns the end of the stream with this track number, in its ticks, where we know more than libavformat was shown.
    pub(crate) fn track_end(&self, track: i32) -> Option<i64> {
        let Family::Mp4(layout) = &self.family else { return None };
        of_track(layout.track_ends(), track)
    }

    /// Returns the first presentation time of a stream in its ticks, if it was seen.
    pub(crate) fn stream_start(&self, stream: usize, track: i32) -> Option<i64> {
        match &self.family {
            Family::Matroska(planner) => planner.stream_start(stream),
            Family::Mp4(layout) => of_track(layout.track_starts(), track),
            Family::Unknown => None,
        }
    }

    /// Whether the file is known to have no index, after a frame was planned for.
    pub(crate) fn has_no_index(&self) -> bool {
        matches!(&self.family, Family::Matroska(planner) if planner.has_no_cues())
    }

    /// The packets of a track with their presentation times.
    pub(crate) const fn packets_of(&self, track: u32) -> Option<TrackPackets<'_>> {
        match &self.family {
            Family::Mp4(layout) => Some(layout.packets_of(track)),
            _ => None,
        }
    }
}

fn of_track(ticks: &[(u32, i64)], track: i32) -> Option<i64> {
    ticks.iter().find(|(number, _)| i32::try_from(*number) == Ok(track)).map(|(_, ticks)| *ticks)
}

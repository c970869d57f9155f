//! What a container's layout says about the bytes that opening it and finding a frame will need.
//!
//! Looked at before libav sees the file. Where the layout is known, what is needed is asked for together, in as few steps as
//! it can be known; where it is not, libav reads what it reads, with growing read-ahead.

use std::time::Duration;

use crate::limits::Limits;
use crate::media::container::encryption::ProtectedEntry;
use crate::media::info::Mp4Layout;
use crate::media::input::{Fault, Input};
use crate::media::{matroska, mp4};

/// The layout of a file.
pub(super) enum Layout {
    Mp4(Box<mp4::Layout>),
    Matroska(matroska::Layout),
    /// Of another container, or of one of those in a way that is new to us.
    Unknown,
}

impl Layout {
    /// Looks at the file, and asks for what opening it and the frame at `at` will need.
    ///
    /// # Errors
    /// What reading gives, and limits on what an MP4 declares.
    pub(super) fn look(input: &mut Input<'_>, limits: &Limits, at: Option<Duration>) -> Result<Self, Fault> {
        if matroska::is_matroska(&input.peek(0, 4)?) {
            return Ok(matroska::look(input, at)?.map_or(Self::Unknown, Self::Matroska));
        }
        Ok(mp4::look(input, limits, at)?.map_or(Self::Unknown, |layout| Self::Mp4(Box::new(layout))))
    }

    /// Forgets what was seen, if libavformat says that the file is of another family: boxes of one may look like those of
    /// another.
    pub(super) fn confirm(self, format_name: &str, streams: usize) -> Self {
        match self {
            Self::Mp4(_) if format_name.starts_with("mov") => self,
            Self::Matroska(layout) if format_name.starts_with("matroska") && layout.has_streams(streams) => {
                Self::Matroska(layout)
            }
            _ => Self::Unknown,
        }
    }

    pub(super) const fn mp4(&self) -> Option<Mp4Layout> {
        match self {
            Self::Mp4(layout) => Some(layout.about()),
            _ => None,
        }
    }

    /// Asks for what the frame at `at` needs, of the track with this number.
    ///
    /// # Errors
    /// What reading gives.
    pub(super) fn plan(
        &mut self,
        input: &mut Input<'_>,
        track: Option<u32>,
        at: Duration,
    ) -> Result<(), Fault> {
        match self {
            Self::Mp4(layout) => layout.plan(input, track, Some(at)),
            Self::Matroska(layout) => layout.plan(input, at),
            Self::Unknown => Ok(()),
        }
    }

    /// Lets libavformat see what was planned for. `true` when that has changed: then the file must be opened again.
    pub(super) fn show(&self, input: &mut Input<'_>) -> bool {
        matches!(self, Self::Mp4(layout) if layout.show(input))
    }

    /// Plans for more of a file than was thought necessary; `false` when that was all of it.
    ///
    /// # Errors
    /// What reading gives.
    pub(super) fn explore_further(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        match self {
            Self::Mp4(layout) => layout.explore_further(input),
            _ => Ok(false),
        }
    }

    /// The end of the stream with this track number, in its ticks, where we know more than libavformat was shown.
    pub(super) fn track_end(&self, track: i32) -> Option<i64> {
        let Self::Mp4(layout) = self else { return None };
        of_track(layout.track_ends(), track)
    }

    /// The first presentation time of a stream in its ticks, if it was seen.
    pub(super) fn stream_start(&self, stream: usize, track: i32) -> Option<i64> {
        match self {
            Self::Matroska(layout) => layout.stream_start(stream),
            Self::Mp4(layout) => of_track(layout.track_starts(), track),
            Self::Unknown => None,
        }
    }

    /// How the samples of each track of an MP4 file are encrypted, by track number: `None` when they are in clear. Nothing of
    /// tracks whose boxes were not read.
    pub(super) fn protected_entries(&self) -> Vec<(u32, Option<ProtectedEntry>)> {
        match self {
            Self::Mp4(layout) => layout.protected_entries(),
            _ => Vec::new(),
        }
    }

    /// Whether the file is known to have no index, after a frame was planned for.
    pub(super) const fn has_no_index(&self) -> bool {
        matches!(self, Self::Matroska(layout) if layout.has_no_cues())
    }
}

fn of_track(ticks: &[(u32, i64)], track: i32) -> Option<i64> {
    ticks.iter().find(|(number, _)| i32::try_from(*number) == Ok(track)).map(|(_, ticks)| *ticks)
}

/// About how many of the `bytes` between two keyframes lead to the frame that is `ahead` of the `whole` time between them, in
/// whatever unit. The keyframe is as large as some eight others.
pub(super) fn part_of_gop(bytes: u64, ahead: u64, whole: u64) -> u64 {
    let (ahead, whole) = (u128::from(ahead.min(whole)), u128::from(whole.max(1)));
    let part = u128::from(bytes) * (ahead * 7 + whole) / (whole * 8);
    u64::try_from(part).unwrap_or(bytes)
}

//! What the layout of a container reveals about the bytes that opening it and finding a frame will need.
//!
//! Before libav sees a file, [`Layout::look`] finds out which bytes libav will read, and requests them in as few round trips as
//! the layout allows. The data takes this way:
//!
//! 1. [`Layout::drive`] is the only loop. It owns the [`Input`], looks at the deadline between two steps, and bounds the work.
//! 2. A [`Planner`] knows one family of containers: [`mp4`], [`matroska`]. A planner is a state machine without any I/O: it looks
//!    at the bytes that have been [`Seen`](crate::media::seen::Seen), and answers with a [`Plan`] or with a [`Pause`]. The needed bytes are read before the
//!    next step; the driver requests the others beside them, and cancels requests that a planner no longer needs.
//! 3. The [`Input`] keeps what a planner has looked at and what libav will read again.
//! 4. The plan is a hint. A wrong plan costs requests, never the picture: the search for a frame (`media::search`) trusts packets
//!    only, and reads on demand whatever the plan does not name. A test replaces each plan by none, by garbage and by another
//!    file's.
//!
//! Files of other families have no planner: libav reads what it reads, with growing read-ahead.

#![deny(clippy::arithmetic_side_effects)]

mod boxes;
mod ebml;
mod gop;
mod matroska;
mod metadata;
mod mp4;
mod planner;
#[cfg(any(test, fuzzing))]
mod replay;
mod view;

use std::time::Duration;

use crate::limits::{Limit, Limits};
use crate::media::container::encryption::ProtectedEntry;
use crate::media::hidden::Syntax;
use crate::media::info::Mp4Layout;
use crate::media::input::{Fault, Input};
use crate::media::seen::Seen;
use crate::source::ByteRange;
use gop::Manner;
use matroska::Matroska;
use mp4::Mp4;
pub(crate) use planner::Wanted;
use planner::{Pause, Plan, Planner};
use view::View;

/// Steps of one planner, at most. An MP4 takes one for each box at the top level and for each fragment.
const MAX_STEPS: u32 = 1 << 20;

/// The layout of a file.
pub(crate) struct Layout {
    family: Family,
    /// Whether bytes of other frames are under way, and no plan cancels them.
    pub(crate) keeps_others: bool,
    /// After how many requests in a row the index was read.
    pub(crate) index_depth: u32,
    /// Work of one call.
    max_parsed_bytes: u64,
}

/// The family of containers that a file belongs to.
enum Family {
    Mp4(Box<Mp4>),
    Matroska(Box<Matroska>),
    /// Another family, or one of those in a way that no planner knows.
    Unknown,
}

impl Layout {
    /// Looks at the file, and requests what opening it and a frame will need. libav is to see no more of a file of
    /// fragments than its beginning.
    ///
    /// # Errors
    /// What reading gives, and limits on what an MP4 declares.
    pub(crate) fn look(
        input: &mut Input<'_>,
        limits: &Limits,
        wanted: Option<Wanted>,
    ) -> Result<Self, Fault> {
        let family = if matroska::is_matroska(input.peek(0, 4)?) {
            Family::Matroska(Box::new(Matroska::new(None)))
        } else {
            Family::Mp4(Box::new(Mp4::new(limits, None)))
        };
        let mut layout =
            Self { family, keeps_others: false, index_depth: 0, max_parsed_bytes: limits.max_parsed_bytes };
        if let Some(wanted) = wanted {
            layout.aim(None, wanted, false);
        }
        if !layout.drive(input)? {
            layout.family = Family::Unknown;
        }
        if let Some(view) = layout.view() {
            input.set_visible_size(view.size_for_libav(view.beginning, input.size()));
        }
        Ok(layout)
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

    /// Whether the file is of a family that a planner knows.
    pub(crate) const fn is_known(&self) -> bool {
        !matches!(self.family, Family::Unknown)
    }

    /// Returns what `MediaInfo` reports about an MP4 or MOV.
    pub(crate) fn mp4(&self) -> Option<Mp4Layout> {
        self.as_mp4()?.info()
    }

    /// Returns how the samples of each track of an MP4 are encrypted, by track number: `None` when they are in clear. Nothing of
    /// tracks whose boxes were not read.
    pub(crate) fn protected_entries(&self) -> Vec<(u32, Option<ProtectedEntry>)> {
        self.as_mp4().map_or_else(Vec::new, Mp4::protected_entries)
    }

    /// Returns the number of the stream to which libavformat would attach lists of keys of an MP4, which it is not shown.
    pub(crate) fn keys_behind(&self) -> Option<usize> {
        self.as_mp4()?.keys_behind()
    }

    /// Whether libavformat sees a part of the file only, so that what it reckons of the whole is wrong.
    pub(crate) fn is_partial(&self) -> bool {
        self.view().is_some()
    }

    /// Requests what a frame needs, of the track with this number.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn plan(
        &mut self,
        input: &mut Input<'_>,
        track: Option<u32>,
        wanted: Wanted,
    ) -> Result<(), Fault> {
        self.aim(track, wanted, self.keeps_others);
        self.drive(input).map(|_| ())
    }

    /// Whether the index was read by which frames can be planned for.
    pub(crate) fn has_index(&self) -> bool {
        self.has_plan() && self.can_plan_ahead()
    }

    /// Whether frames can be planned for ahead of their turn: not where fragments have to be looked for one after the other.
    pub(crate) fn can_plan_ahead(&self) -> bool {
        self.as_mp4().is_none_or(|planner| planner.view().is_none() || planner.names_fragments())
    }

    /// Returns what a frame will need of the track with this number, its packets last, and whether that is all; `None` where nothing that
    /// was read tells it.
    pub(crate) fn plan_ahead(
        &mut self,
        seen: &Seen,
        track: Option<u32>,
        wanted: Wanted,
    ) -> Option<(Vec<ByteRange>, bool)> {
        if !self.can_plan_ahead() {
            return None;
        }
        self.aim(track, wanted, true);
        if let Family::Mp4(planner) = &mut self.family
            && planner.view().is_some_and(|view| !view.is_indexed)
        {
            return planner.ahead().map(|ranges| (ranges, false));
        }
        seen.work().restart();
        match self.planner()?.step(seen) {
            Ok(plan) => Some((plan.ranges, true)),
            Err(Pause::Need { beside, .. }) => Some((beside.ranges, false)),
            Err(_) => None,
        }
    }

    /// Lets the planner plan for a frame; `is_ahead` says that it is one of several.
    fn aim(&mut self, track: Option<u32>, wanted: Wanted, is_ahead: bool) {
        let manner = Manner { pick: wanted.pick, is_ahead };
        match &mut self.family {
            Family::Mp4(planner) => {
                planner.aim(track, Some(microseconds(wanted.at)));
                planner.manner = manner;
            }
            Family::Matroska(planner) => {
                planner.aim(wanted.at);
                planner.manner = manner;
            }
            Family::Unknown => {}
        }
    }

    fn planner(&mut self) -> Option<&mut dyn Planner> {
        match &mut self.family {
            Family::Mp4(planner) => Some(&mut **planner),
            Family::Matroska(planner) => Some(&mut **planner),
            Family::Unknown => None,
        }
    }

    /// Lets libavformat see what was planned for. `true` when that has changed: then the file must be opened again.
    pub(crate) fn show(&self, input: &mut Input<'_>) -> bool {
        let size = input.size();
        let visible = self.view().map_or(size, |view| view.size_for_libav(view.visible, size));
        let has_changed = input.visible_size() != visible;
        input.set_visible_size(visible);
        has_changed
    }

    /// Shows libavformat more of a file than was thought necessary, after [`show`](Self::show); `false` when it sees all.
    ///
    /// # Errors
    /// What reading gives.
    pub(crate) fn explore_further(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        let Family::Mp4(planner) = &mut self.family else { return Ok(false) };
        Ok(planner.go_further(input.size()) && self.drive(input)?)
    }

    /// Whether no frame of the stream with this track number that libavformat does not see is presented before `pts`, in ticks of
    /// the stream. Then a search that found a frame there, and nothing earlier, need not see more.
    pub(crate) fn is_certain(&self, input: &Input<'_>, track: i32, pts: i64) -> bool {
        self.view().is_none_or(|view| view.is_certain(input.size(), track.cast_unsigned(), pts))
    }

    /// Whether the stream with this track number is known to have no frame that is presented at or after `pts`, although
    /// libavformat does not see its end. Then a search need not see more.
    pub(crate) fn ends_before(&self, track: i32, pts: i64) -> bool {
        self.view().is_some_and(|view| view.ends_before(track.cast_unsigned(), pts))
    }

    /// Returns the end of the stream with this track number, in its ticks, where we know more than libavformat was shown.
    pub(crate) fn track_end(&self, track: i32) -> Option<i64> {
        self.view()?.end_of(track.cast_unsigned())
    }

    /// Returns the first presentation time of a stream in its ticks, if it was seen.
    pub(crate) fn stream_start(&self, stream: usize, track: i32) -> Option<i64> {
        match &self.family {
            Family::Matroska(planner) => planner.stream_start(stream),
            Family::Mp4(planner) => planner.view()?.start_of(track.cast_unsigned()),
            Family::Unknown => None,
        }
    }

    /// Returns what the first packet of a stream begins with, if that was seen.
    pub(crate) fn first_bytes(&self, stream: usize) -> Option<&[u8]> {
        match &self.family {
            Family::Matroska(planner) => planner.first_bytes(stream),
            Family::Mp4(_) | Family::Unknown => None,
        }
    }

    /// Whether an index of ours led to the packets, after a frame was planned for.
    pub(crate) fn has_plan(&self) -> bool {
        match &self.family {
            Family::Mp4(planner) => planner.info().is_some(),
            Family::Matroska(planner) => planner.has_plan,
            Family::Unknown => false,
        }
    }

    /// Whether the file is known to have no index, after a frame was planned for.
    pub(crate) fn has_no_index(&self) -> bool {
        matches!(&self.family, Family::Matroska(planner) if planner.has_no_cues)
    }

    /// Whether libavformat reads a fragment only when an index leads to it.
    pub(crate) fn reads_named_fragments(&self) -> bool {
        self.view().is_some_and(|view| view.is_indexed)
    }

    fn view(&self) -> Option<&View> {
        self.as_mp4()?.view()
    }

    fn as_mp4(&self) -> Option<&Mp4> {
        if let Family::Mp4(planner) = &self.family { Some(planner) } else { None }
    }

    /// Hides from libav what the planner found since the last call.
    pub(crate) fn hide_found(&mut self, input: &mut Input<'_>) {
        match &mut self.family {
            Family::Mp4(planner) => input.hide(Syntax::Boxes, planner.take_hidden()),
            Family::Matroska(planner) => input.hide(Syntax::Elements, planner.take_hidden()),
            Family::Unknown => {}
        }
    }

    /// Runs the planner until it has a plan, and requests what the plan names. Returns whether there was a plan.
    ///
    /// # Errors
    /// What reading gives, the deadline, and limits on what the file declares.
    fn drive(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        input.begin_work(self.max_parsed_bytes);
        for _ in 0..MAX_STEPS {
            input.check()?;
            if !self.has_index() {
                self.index_depth = input.depth();
            }
            let keeps = self.keeps_others;
            let step = self.planner().map_or(Err(Pause::Unknown), |planner| planner.step(input.seen()));
            self.hide_found(input);
            match step {
                Ok(Plan { ranges, only }) => {
                    input.request(&ranges, only && !keeps);
                    return Ok(true);
                }
                Err(Pause::Need { now, stays, mut beside }) => {
                    beside.ranges.push(now);
                    input.request(&beside.ranges, beside.only && !keeps);
                    input.see(now, stays)?;
                }
                Err(Pause::Limit { limit, allowed }) => {
                    return Err(input.fail(Fault::Limit { limit, allowed }));
                }
                Err(Pause::Stopped(stop)) => return Err(input.fail(Fault::Stopped(stop))),
                Err(Pause::Unknown) => return Ok(false),
            }
        }
        // A view that is not complete could hide the frame.
        Err(input.fail(Fault::Limit { limit: Limit::MaxIndexEntries, allowed: MAX_STEPS.into() }))
    }
}

fn microseconds(at: Duration) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// Plans for a file in memory as if its bytes came by request, for the fuzz target `mp4_tables`.
///
/// # Panics
/// When a planner contradicts itself, or takes more steps than the size of the file allows.
#[cfg(fuzzing)]
pub fn plan_layout(file: &[u8], at_microseconds: i64) {
    exercise(file, at_microseconds, Manner::default());
    exercise(file, at_microseconds, Manner { pick: crate::frame_request::Pick::Keyframe, is_ahead: true });
}

/// Runs the planner for a file in memory. Files that declare more than there is time for are refused.
#[cfg(any(test, fuzzing))]
fn exercise(file: &[u8], at_microseconds: i64, manner: Manner) {
    let limits = Limits { max_index_entries: 20_000, max_streams: 100, ..Limits::default() };
    let (size, max_steps) = (file.len() as u64, file.len().saturating_add(1000));
    let mut replay = replay::Replay::new(file);
    if matroska::is_matroska(file) {
        let at = u64::try_from(at_microseconds).ok().map(Duration::from_micros);
        let mut planner = Matroska::new(at);
        planner.manner = manner;
        // Whatever comes of it.
        let _ = replay.run(&mut planner, max_steps);
        return;
    }
    let mut planner = Mp4::new(&limits, Some(at_microseconds));
    planner.manner = manner;
    let mut is_planned = replay.run(&mut planner, max_steps).is_ok();
    while let Some(view) = planner.view().filter(|_| is_planned) {
        assert!(view.beginning <= view.visible && view.visible <= size, "{view:?} of {size} bytes");
        is_planned = planner.go_further(size) && replay.run(&mut planner, max_steps).is_ok();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::prelude::*;

    use super::*;
    use crate::frame_request::Pick;

    const NAMES: [&str; 9] = [
        "h264_front.mp4",
        "h264_end.mp4",
        "edit_empty.mp4",
        "h264_frag_noindex.mp4",
        "h264_frag_mfra.mp4",
        "h264_frag_sidx.mp4",
        "h264_frag_dash.mp4",
        "h264.mkv",
        "vp9.webm",
    ];

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_files_are_planned_for_in_bounded_time(
            name in prop::sample::select(&NAMES[..]),
            damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff])), 0..8),
            is_in_head in any::<bool>(),
            length in any::<prop::sample::Index>(),
            at in prop::sample::select(vec![0, 5_000_000, 60_000_000, i64::MAX, i64::MIN]),
            pick in prop::sample::select(&Pick::ALL[..]),
            is_ahead in any::<bool>(),
        ) {
            let mut file = fixture(name);
            file.truncate(file.len() - length.index(file.len()) % 3 * (file.len() / 4));
            for (place, value) in damage {
                let place = place.index(if is_in_head { file.len().min(3000) } else { file.len() });
                file[place] = value;
            }
            exercise(&file, at, Manner { pick, is_ahead });
        }
    }
}

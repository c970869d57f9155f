//! The bytes that opening a file and finding a frame will need, as the layout of the container reveals them.
//!
//! Before libav sees a file, [`Layout::look`] determines which bytes libav will read, and requests them in as few round trips as the
//! layout allows. The parts work together as follows:
//!
//! 1. [`Layout::drive`] is the only loop. It owns the [`Input`], checks the deadline between two steps, and limits the work.
//! 2. A [`Planner`] knows one family of containers: [`mp4`], [`matroska`]. A planner is a state machine without any I/O. It reads the
//!    bytes that have been [`Seen`](crate::media::seen::Seen), and returns a [`Plan`] or a [`Pause`]. The driver reads the needed bytes
//!    before the next step, requests the other bytes in parallel, and cancels requests that a planner no longer needs.
//! 3. The [`Input`] keeps the bytes that a planner has read and that libav will read again.
//! 4. The plan is a hint. A wrong plan costs requests, but never changes the picture: the search for a frame (`media::search`) trusts
//!    only packets, and reads bytes outside the plan on demand. A test replaces each plan by an empty one, by garbage, and by the plan of
//!    another file.
//!
//! Files of other families have no planner: libav reads them on demand, with growing read-ahead.

#![deny(clippy::arithmetic_side_effects)]

mod boxes;
mod ebml;
mod filter;
mod gop;
mod matroska;
mod metadata;
mod mp4;
mod planner;
mod protection;
#[cfg(any(test, fuzzing))]
mod replay;
#[cfg(test)]
mod test_tables;
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

/// Maximum number of steps of one planner. An MP4 takes one step for each box at the top level and for each fragment.
const MAX_STEPS: u32 = 1 << 20;

/// The layout of a file.
pub(crate) struct Layout {
    family: Family,
    /// Whether bytes of other frames are in flight that no plan may cancel.
    pub(crate) keeps_others: bool,
    /// The number of consecutive requests after which the index was read.
    pub(crate) index_depth: u32,
    /// The work limit of one call.
    max_parsed_bytes: u64,
}

/// The family of containers that a file belongs to.
enum Family {
    Mp4(Box<Mp4>),
    Matroska(Box<Matroska>),
    /// Another family, or a layout of a known family that no planner supports.
    Unknown,
}

impl Layout {
    /// Reads the layout of the file, and requests the bytes that opening it and a frame will need. Limits libav's view of a fragmented
    /// file to its beginning.
    ///
    /// # Errors
    /// The errors of reading, and limits on the declarations of an MP4.
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

    /// Forgets the layout if libavformat reports another family: the boxes of one family may resemble the boxes of another.
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

    /// Returns whether the file is of a family that a planner knows.
    pub(crate) const fn is_known(&self) -> bool {
        !matches!(self.family, Family::Unknown)
    }

    /// Returns what `MediaInfo` reports about an MP4 or MOV.
    pub(crate) fn mp4(&self) -> Option<Mp4Layout> {
        self.as_mp4()?.info()
    }

    /// Returns the encryption of each track of an MP4, by track number: `None` for unencrypted samples. Tracks whose boxes were not read
    /// are missing.
    pub(crate) fn protected_entries(&self) -> Vec<(u32, Option<ProtectedEntry>)> {
        self.as_mp4().map_or_else(Vec::new, Mp4::protected_entries)
    }

    /// Returns the number of the stream to which libavformat would attach the key lists of an MP4. These lists are hidden from
    /// libavformat.
    pub(crate) fn keys_behind(&self) -> Option<usize> {
        self.as_mp4()?.keys_behind()
    }

    /// Returns whether the first packet of a stream is known to have no timestamp.
    pub(crate) fn lacks_times(&self) -> bool {
        matches!(&self.family, Family::Matroska(planner) if planner.lacks_times())
    }

    /// Returns whether libavformat sees only a part of the file, so that its totals are wrong.
    pub(crate) fn is_partial(&self) -> bool {
        self.view().is_some()
    }

    /// Requests the bytes of a frame of the track with this number.
    ///
    /// # Errors
    /// The errors of reading.
    pub(crate) fn plan(
        &mut self,
        input: &mut Input<'_>,
        track: Option<u32>,
        wanted: Wanted,
    ) -> Result<(), Fault> {
        self.aim(track, wanted, self.keeps_others);
        self.drive(input).map(|_| ())
    }

    /// Returns whether the index was read that frames can be planned with.
    pub(crate) fn has_index(&self) -> bool {
        self.has_plan() && self.can_plan_ahead()
    }

    /// Returns whether frames can be planned ahead of their turn. They cannot where fragments must be searched one after the other.
    pub(crate) fn can_plan_ahead(&self) -> bool {
        self.as_mp4().is_none_or(|planner| planner.view().is_none() || planner.names_fragments())
    }

    /// Returns the bytes that a frame of the track with this number will need, its packets last, and whether they are complete. Returns
    /// `None` where no bytes that were read contain the answer.
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

    /// Sets the frame for the planner. `is_ahead` marks one of several frames of a list.
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

    /// Makes the planned bytes visible to libavformat. Returns `true` when the view changed: the file must then be opened again.
    pub(crate) fn show(&self, input: &mut Input<'_>) -> bool {
        let size = input.size();
        let visible = self.view().map_or(size, |view| view.size_for_libav(view.visible, size));
        let has_changed = input.visible_size() != visible;
        input.set_visible_size(visible);
        has_changed
    }

    /// Makes more of a file visible to libavformat than the plan considered necessary, after [`show`](Self::show). Returns `false` when
    /// all of it is visible.
    ///
    /// # Errors
    /// The errors of reading.
    pub(crate) fn explore_further(&mut self, input: &mut Input<'_>) -> Result<bool, Fault> {
        let Family::Mp4(planner) = &mut self.family else { return Ok(false) };
        Ok(planner.go_further(input.size()) && self.drive(input)?)
    }

    /// Returns whether every hidden frame of the stream with this track number is presented at or after `pts`, in ticks of the stream. If
    /// so, a search that found a frame at `pts` and no earlier one need not see more.
    pub(crate) fn is_certain(&self, input: &Input<'_>, track: i32, pts: i64) -> bool {
        self.view().is_none_or(|view| view.is_certain(input.size(), track.cast_unsigned(), pts))
    }

    /// Returns whether the stream with this track number is known to have no frame at or after `pts`, although libavformat does not see
    /// its end. If so, a search need not see more.
    pub(crate) fn ends_before(&self, track: i32, pts: i64) -> bool {
        self.view().is_some_and(|view| view.ends_before(track.cast_unsigned(), pts))
    }

    /// Returns the end of the stream with this track number in its ticks, where the layout knows more than libavformat can see.
    pub(crate) fn track_end(&self, track: i32) -> Option<i64> {
        self.view()?.end_of(track.cast_unsigned())
    }

    /// Returns the first presentation time of a stream in its ticks, if it was read.
    pub(crate) fn stream_start(&self, stream: usize, track: i32) -> Option<i64> {
        match &self.family {
            Family::Matroska(planner) => planner.stream_start(stream),
            Family::Mp4(planner) => planner.view()?.start_of(track.cast_unsigned()),
            Family::Unknown => None,
        }
    }

    /// Returns the presentation times of the first frames of a stream in its ticks, in the order of the file, and whether they are all
    /// frames of the stream, where the stream declares no frame rate and the file's first bytes contain frames.
    pub(crate) fn frame_times(&self, stream: usize) -> Option<(&[i64], bool)> {
        match &self.family {
            Family::Matroska(planner) => planner.frame_times(stream),
            Family::Mp4(_) | Family::Unknown => None,
        }
    }

    /// Returns the first bytes of the first packet of a stream, if they were read.
    pub(crate) fn first_bytes(&self, stream: usize) -> Option<&[u8]> {
        match &self.family {
            Family::Matroska(planner) => planner.first_bytes(stream),
            Family::Mp4(_) | Family::Unknown => None,
        }
    }

    /// Returns whether the planner's index led to the packets, after a frame was planned.
    pub(crate) fn has_plan(&self) -> bool {
        match &self.family {
            Family::Mp4(planner) => planner.info().is_some(),
            Family::Matroska(planner) => planner.has_plan,
            Family::Unknown => false,
        }
    }

    /// Returns whether the file is known to have no index by time, after a frame was planned: libavformat's index lists fragments in the
    /// order of the file.
    pub(crate) fn has_no_index(&self) -> bool {
        match &self.family {
            Family::Matroska(planner) => planner.has_no_cues,
            Family::Mp4(planner) => planner.is_disordered,
            Family::Unknown => false,
        }
    }

    /// Returns whether libavformat reads a fragment only when an index leads to it.
    pub(crate) fn reads_named_fragments(&self) -> bool {
        self.view().is_some_and(|view| view.is_indexed)
    }

    fn view(&self) -> Option<&View> {
        self.as_mp4()?.view()
    }

    fn as_mp4(&self) -> Option<&Mp4> {
        if let Family::Mp4(planner) = &self.family { Some(planner) } else { None }
    }

    /// Hides from libav the parts that the planner found since the last call.
    pub(crate) fn hide_found(&mut self, input: &mut Input<'_>) {
        match &mut self.family {
            Family::Mp4(planner) => input.hide(Syntax::Boxes, planner.take_hidden()),
            Family::Matroska(planner) => input.hide(Syntax::Elements, planner.take_hidden()),
            Family::Unknown => {}
        }
    }

    /// Runs the planner until it has a plan, and requests the planned bytes. Returns whether there was a plan.
    ///
    /// # Errors
    /// The errors of reading, the deadline, and limits on the declarations of the file.
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
        // An incomplete view could hide the frame.
        Err(input.fail(Fault::Limit { limit: Limit::MaxIndexEntries, allowed: MAX_STEPS.into() }))
    }
}

fn microseconds(at: Duration) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

/// Plans for a file in memory as if its bytes arrived by request, for the fuzz target `mp4_tables`.
///
/// # Panics
/// The planner contradicts itself, or takes more steps than the size of the file allows.
#[cfg(fuzzing)]
pub fn plan_layout(file: &[u8], at_microseconds: i64) {
    exercise(file, at_microseconds, Manner::default());
    exercise(file, at_microseconds, Manner { pick: crate::frame_request::Pick::Keyframe, is_ahead: true });
}

/// Runs the planner for a file in memory. Rejects files that declare too much for the available time.
#[cfg(any(test, fuzzing))]
fn exercise(file: &[u8], at_microseconds: i64, manner: Manner) {
    let limits = Limits { max_index_entries: 20_000, max_streams: 100, ..Limits::default() };
    let (size, max_steps) = (file.len() as u64, file.len().saturating_add(1000));
    let mut replay = replay::Replay::new(file);
    if matroska::is_matroska(file) {
        let at = u64::try_from(at_microseconds).ok().map(Duration::from_micros);
        let mut planner = Matroska::new(at);
        planner.manner = manner;
        // Any result is valid.
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

//! The chain of movie fragments: the links up to the wanted frame, and the end of the chain.
//!
//! Each link costs a round trip, so the planner reads through small fragments. For the fragment with the wanted frame, it requests an
//! estimated part of the media data together with the header. A segment index (`sidx`) that covers the file leads to the wanted fragment at
//! once, for libavformat too. Without such an index, libavformat sees the file up to the wanted fragment (see [`View`]), and the last
//! fragment reveals the duration. The duration in the header (`mehd`) is not trusted: libavformat does not read it either.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fragment::{TrackFragment, read_fragment};
use super::index::{RandomAccess, SegmentIndex, indexes_before};
use super::movie::Movie;
use super::tail::Tail;
use super::track::Track;
use super::walk::{SIDX_BYTES, Walk};
use crate::frame_request::Pick;
use crate::media::layout::boxes::{be32, parse_header};
use crate::media::layout::filter::HeaderFilter;
use crate::media::layout::gop::{Manner, Route, rescale};
use crate::media::layout::planner::{Pause, Plan};
use crate::media::layout::view::{Delays, Span, View};
use crate::media::seen::Seen;
use crate::source::ByteRange;

/// Bytes requested for the header of a fragment, before any has been read.
const FIRST_MOOF_BYTES: u64 = 16 << 10;
/// Maximum number of fragments that are read until each track has been found. Most files have all tracks in the first fragment.
const MAX_FIRST_FRAGMENTS: u32 = 4;
/// The same until the main track has been found, within the first [`READ_THROUGH`] bytes. Where each fragment contains one frame, those of
/// the audio may come first.
const MAX_FRAGMENTS_BEFORE_MAIN: u32 = 256;
/// Maximum size of fragments that are read through: at 75 MB/s such a fragment takes no longer than the 15 ms of half a round trip.
const READ_THROUGH: u64 = 1 << 20;
/// The largest header of a fragment that is read. The many samples of a larger header are left to libavformat.
const MAX_MOOF_BYTES: u64 = 4 << 20;
/// Maximum number of headers that are requested in parallel because an index lists them.
const MAX_HEADERS: usize = 512;
/// The work of a box.
const BOX_WORK: u64 = 16;
/// Maximum number of boxes between the header of a fragment and its media data.
const MAX_BETWEEN: u32 = 16;

/// The parts of a fragmented file that have been read.
#[derive(Debug, Default)]
pub(super) struct Chain {
    movie: Arc<Movie>,
    pub(super) counter: HeaderFilter,
    /// Indexes before the fragments, and the tracks of those between the fragments that were passed.
    indexes: Vec<SegmentIndex>,
    indexed: BTreeSet<u32>,
    /// Start of the first fragment, and start of the box after the last fragment that was passed.
    first: u64,
    next: u64,
    /// The last fragment that was passed, and the number of passed fragments.
    last: Option<Link>,
    count: u32,
    /// Size of the header of the last fragment in bytes, whatever tracks it contains.
    moof_bytes: u64,
    /// End of the fragments that show the start of each track.
    opening: u64,
    /// The presentation delays of the main track until then.
    delays: Delays,
    tail: Tail,
    /// The fragments that an index at the end lists, and the position up to which their headers were requested.
    pub(super) named: RandomAccess,
    asked: u64,
    /// The wanted track, its clock, and the wanted time in microseconds from the start.
    track: u32,
    timescale: u32,
    goal: Option<i64>,
    pub(super) manner: Manner,
    /// Size of the first picture in bytes, its presentation delay in ticks, and whether keyframes of pictures also occur inside fragments.
    key_bytes: u64,
    key_delay: u64,
    has_inner_keyframes: bool,
    /// The wanted composition time, and the packets that lead to the frame there.
    wanted: i64,
    route: Option<Route>,
    /// Whether the wanted time lies after the end, so that the target is half of the duration.
    is_half: bool,
    /// Fragments with keyframes of the track: presentation time of the first keyframe, and start of the fragment.
    entries: Vec<(i64, u64)>,
    /// The number of fragments to make visible beyond those that were considered sufficient.
    further: u32,
    pub(super) view: View,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    /// Size of the header and of its media data in bytes.
    bytes: u64,
    /// Decoding time of the track's next frame after the fragment, and the duration of the track in the fragment; not 0.
    end: i64,
    ticks: u64,
}

impl Chain {
    /// Begins at the first fragment, which the walk has reached. Returns `None` if the walk could not read the `moov`.
    pub(super) fn new(walk: &Walk) -> Option<Self> {
        Some(Self {
            movie: Arc::clone(walk.movie.as_ref()?),
            counter: walk.counter.clone(),
            indexes: walk.indexes.clone(),
            indexed: walk.indexes.iter().map(|index| index.track_id).collect(),
            first: walk.offset,
            next: walk.offset,
            ..Self::default()
        })
    }

    /// Plans to make more fragments visible: twice as many as before.
    pub(super) const fn go_further(&mut self) {
        (self.next, self.further) = (self.view.visible, self.count);
    }

    /// Continues until the plan is complete for the frame of the followed track at a time, in microseconds from the start.
    pub(super) fn step(&mut self, seen: &Seen, wanted: Option<(&Track, i64)>) -> Result<Plan, Pause> {
        self.begin(seen)?;
        let was_indexed = self.view.is_indexed;
        while self.further > 0 && self.pass(seen)? {
            self.further = self.further.saturating_sub(1);
        }
        if let Some((track, at)) = wanted.filter(|(_, at)| self.goal != Some(*at)) {
            (self.goal, self.is_half) = (Some(at), false);
            self.set_out(self.composed(track, at));
            let ranges = self.named_ranges(self.wanted);
            if !ranges.is_empty() {
                return Err(Pause::request(ranges));
            }
        }
        if !self.view.is_indexed && !self.view.knows_end {
            while self.next < self.view.visible && self.pass(seen)? {}
            self.find_end(seen)?;
        }
        if self.route.is_some() && !self.is_half && self.view.ends_before(self.track, self.wanted) {
            let half =
                self.view.spans.get(&self.track).map_or(0, |span| span.start.unwrap_or(0).midpoint(span.end));
            self.set_out(half);
            self.is_half = true;
        }
        while self.is_open() && self.pass(seen)? {}
        if was_indexed && !self.view.is_indexed {
            self.goal = None;
            return self.step(seen, wanted);
        }
        if let Some(last) = self.last.filter(|_| !self.view.is_indexed && self.next >= self.view.visible) {
            self.view.show(self.next, self.track, last.end);
        }
        let mut ranges = Vec::from_iter(self.end_of_index(seen));
        ranges.extend(self.route.iter().flat_map(|route| route.packets(self.manner.pick)));
        Ok(Plan { ranges, only: true })
    }

    /// Changes to another track, if it differs.
    pub(super) fn follow(&mut self, track: &Track) {
        if self.track != track.id {
            (self.track, self.timescale, self.last, self.goal) = (track.id, track.timescale, None, None);
            self.entries.clear();
        }
    }

    /// Reads the first fragments until the start of each track is known.
    fn begin(&mut self, seen: &Seen) -> Result<(), Pause> {
        let is_enough = |chain: &Self| {
            let is_seen = |track: &Track| chain.view.spans.contains_key(&track.id);
            let is_far = chain.next.saturating_sub(chain.first) > READ_THROUGH;
            // libavformat shifts all times of a track by the least of the presentation delays that it read. Where an index lists several
            // fragments, it reads few of them.
            let is_listed = |index: &SegmentIndex| index.entries.len() > 1 && index.end.1 <= seen.size();
            let knows_delays = chain.delays.are_known(chain.count) || chain.indexes.iter().any(is_listed);
            let knows_main = is_far || (knows_delays && chain.movie.main_track().is_none_or(is_seen));
            let max_fragments = if knows_main { MAX_FIRST_FRAGMENTS } else { MAX_FRAGMENTS_BEFORE_MAIN };
            let knows_all = knows_main && chain.movie.tracks.iter().all(is_seen);
            chain.count >= max_fragments || (chain.count > 0 && knows_all)
        };
        if self.view.beginning > 0 {
            return Ok(());
        }
        while !is_enough(self) && self.pass(seen)? {}
        // Without any fragment, libavformat decides.
        self.last.ok_or(Pause::Unknown)?;
        self.opening = self.next;
        if let Some(index) = self.indexes.iter().find(|index| index.is_adjacent) {
            let is_complete = index.covers_file(seen)?;
            self.view.is_indexed = is_complete && index.begins_or_ends_at(self.next);
            self.view.has_coarse_index = is_complete && !self.view.is_indexed;
        }
        self.view.beginning = if self.view.is_indexed { seen.size() } else { self.next };
        self.view.visible = self.view.beginning;
        Ok(())
    }

    /// Returns whether the next fragment may contain the wanted frame. A keyframe that is decoded at the wanted time may be the last one
    /// before it, unless an index led to another.
    fn is_open(&self) -> bool {
        let is_open = |route: &Route| match self.manner.pick {
            Pick::Exact | Pick::Auto => !route.is_complete,
            Pick::Keyframe if self.view.is_indexed => !route.is_complete && !route.has_keyframe(),
            Pick::Keyframe => self.last.is_none_or(|last| last.end <= self.wanted),
        };
        self.route.as_ref().is_some_and(is_open)
    }

    /// Begins the route to a composition time: at the last fragment whose keyframe comes before it, or at the fragment in an index.
    fn set_out(&mut self, wanted: i64) {
        (self.wanted, self.route) = (wanted, Some(Route::new(wanted, 0)));
        let known = self.entries.iter().rfind(|(entry, _)| *entry <= wanted).map(|(_, offset)| *offset);
        // Without an index that libavformat uses, it also reads each fragment before.
        let named = self.look_up(wanted).filter(|_| self.view.is_indexed).map(|(offset, ..)| offset);
        self.next = named.or(known).unwrap_or(self.first);
        // The fragment there is yet to be passed.
        self.last = self.last.map(|last| Link { end: last.end.min(wanted), ..last });
    }

    /// Returns the composition time of the frame that is presented `at` microseconds from the start.
    fn composed(&self, track: &Track, at: i64) -> i64 {
        let first = |track: &Track| Some(track.presented(self.view.spans.get(&track.id)?.start?));
        track.composed(self.movie.start(first).saturating_add(at))
    }

    /// Returns the bytes that the frame at a composition time is likely to need from the fragments in an index at the end: the headers
    /// before it that were not requested yet, the header of the next fragment, which may have to show that none of its frames comes first,
    /// and a part of the frame's own fragment.
    fn named_ranges(&mut self, wanted: i64) -> Vec<ByteRange> {
        let Some((target, bytes, is_late)) = self.look_up(wanted).filter(|_| !self.view.is_indexed) else {
            return Vec::new();
        };
        let header_bytes = self.header_bytes();
        let length = |at: u64| match self.manner.pick {
            // A search examines a keyframe that is decoded in time.
            Pick::Keyframe if is_late && at > target => bytes.saturating_add(header_bytes),
            _ => header_bytes,
        };
        let places = self.named.places(self.asked.max(self.next), target);
        let places = places.get(..MAX_HEADERS).unwrap_or(places);
        let ranges = places.iter().map(|&at| (at, length(at))).chain([(target, bytes)]);
        let ranges = ranges.map(|(at, length)| ByteRange::new(at, at.saturating_add(length))).collect();
        let last = places.last().map_or(0, |&last| last.min(target).saturating_add(1));
        self.asked = self.asked.max(last);
        ranges
    }

    /// Returns the bytes that a frame at a time, in microseconds from the start, is likely to need ahead of its turn, where an index at the
    /// end contains them. The view does not change.
    pub(super) fn ahead(&mut self, track: &Track, at: i64) -> Option<Vec<ByteRange>> {
        self.follow(track);
        let ranges = self.named_ranges(self.composed(track, at));
        Some(ranges).filter(|ranges| !ranges.is_empty())
    }

    /// Returns the start of the indexed fragment for a composition time, the size of its part that is likely to be needed, and whether the
    /// next keyframe is decoded by then.
    fn look_up(&self, wanted: i64) -> Option<(u64, u64, bool)> {
        let (wanted, (start, offset), (end, end_offset)) = if self.view.is_indexed {
            let own = self.indexes.iter().find(|index| index.track_id == self.track);
            let index = own.or(self.indexes.first())?;
            let wanted = u64::try_from(rescale(wanted, index.timescale, self.timescale)).unwrap_or(0);
            let count = index.entries.partition_point(|(start, _)| *start <= wanted).max(1);
            let entry = *index.entries.get(count.saturating_sub(1))?;
            (wanted, entry, index.entries.get(count).copied().unwrap_or(index.end))
        } else {
            let wanted = u64::try_from(wanted).unwrap_or(0);
            let (entry, next) = self.named.around(self.track, wanted)?;
            let (ticks, bytes) = self.last.map_or((0, 0), |link| (link.ticks, link.bytes));
            let like_last = || (entry.0.saturating_add(ticks), entry.1.saturating_add(bytes));
            (wanted, entry, next.unwrap_or_else(like_last))
        };
        let bytes = end_offset.saturating_sub(offset);
        let (ahead, whole) = (wanted.saturating_sub(start), end.saturating_sub(start));
        let (part, header_bytes) = (self.part(bytes, ahead, whole), self.header_bytes());
        let reached = header_bytes.saturating_add(part);
        // The next fragment may have to show that none of its frames comes first.
        let length = if part > bytes { reached.saturating_add(header_bytes) } else { reached.min(bytes) };
        Some((offset, length, ahead.saturating_add(self.key_delay) >= whole))
    }

    /// Estimates how many of the `bytes` of a fragment lead to the frame at `ahead` of the `whole` time of the fragment.
    fn part(&self, bytes: u64, ahead: u64, whole: u64) -> u64 {
        let pick = if self.has_inner_keyframes { Pick::Exact } else { self.manner.pick };
        Manner { pick, ..self.manner }.part_of_gop(bytes, ahead, whole, self.key_bytes)
    }

    /// Returns the position at which libavformat searches for the length of an `mfra` after the fragments in an index.
    fn end_of_index(&self, seen: &Seen) -> Option<ByteRange> {
        let is_short = self.indexes.iter().any(|index| index.end.1 < seen.size());
        (self.view.is_indexed && is_short).then(|| ByteRange::new(seen.size().saturating_sub(4), seen.size()))
    }

    /// Returns the first bytes of the next box. While they have not been read, the bytes that are likely to be needed are requested with
    /// them.
    fn next_head<'s>(&self, seen: &'s Seen) -> Result<&'s [u8], Pause> {
        seen.bytes(self.next, 16).or_else(|_| {
            let mut soon = Vec::from_iter(self.end_of_index(seen));
            soon.push(ByteRange::new(self.next, self.next.saturating_add(self.window())));
            let bytes = seen.bytes_beside(self.next, 16, &soon);
            bytes.map_err(|pause| if self.view.is_indexed { pause.only() } else { pause })
        })
    }

    /// Reads the next fragment up to the end of its media data. Returns `false` at the end of the file.
    fn pass(&mut self, seen: &Seen) -> Result<bool, Pause> {
        let moof_bytes = loop {
            if self.next >= seen.size() {
                return Ok(false);
            }
            let header = parse_header(self.next_head(seen)?).ok_or(Pause::Unknown)?;
            seen.spend(BOX_WORK)?;
            // A `moof` without any box inside is not a fragment.
            if &header.kind == b"moof" && header.size > header.header_bytes {
                break header.size;
            }
            let end = self.next.saturating_add(header.size).min(seen.size());
            if &header.kind == b"sidx" {
                let sidx = seen.bytes(self.next, SIDX_BYTES.min(end.saturating_sub(self.next)))?;
                // Version and flags come first (8.16.3).
                let fields = usize::try_from(header.header_bytes).ok().and_then(|at| sidx.get(at..));
                self.indexed.extend(fields.and_then(|fields| be32(fields, 4)));
                self.counter.count_index(self.next, sidx, header.header_bytes)?;
            }
            if &header.kind == b"moof" {
                self.counter.count_empty_fragment(self.next)?;
            }
            self.counter.pass_over(header.kind, ByteRange::new(self.next, end));
            self.next = end;
        };
        let (offset, moof_end) = (self.next, self.next.saturating_add(moof_bytes));
        // The header is read once, after the last pause.
        moof_at(seen, offset)?;
        let end = self.media_end(seen, moof_end)?;
        let parts = self.read(seen, offset, true)?;
        let before = self.last.map_or(0, |link| link.end);
        self.moof_bytes = moof_bytes;
        let mut link = Link { bytes: end.saturating_sub(offset), end: before, ticks: 1 };
        for part in parts.iter().filter(|part| part.track_id == self.track) {
            let begin = part.samples.first().map_or(before, |sample| sample.dts);
            link.ticks = u64::try_from(part.end_dts.saturating_sub(begin)).unwrap_or(0).max(1);
            link.end = part.end_dts;
            let key = part.samples.iter().find(|sample| sample.is_sync);
            let last = self.entries.last().copied();
            if let Some(key) = key.filter(|_| last.is_none_or(|(_, last)| last < offset)) {
                self.view.is_disordered |= last.is_some_and(|(last, _)| key.cts < last);
                self.entries.push((key.cts, offset));
            }
            if let Some(route) = &mut self.route {
                part.samples.iter().for_each(|sample| route.add(sample));
                route.close(part.end_dts);
            }
        }
        if self.view.is_disordered {
            return Err(Pause::Unknown);
        }
        (self.last, self.next, self.count) = (Some(link), end, self.count.saturating_add(1));
        // After a seek, libavformat reads one fragment of each entry of the index, and would skip the others.
        if self.view.is_indexed && !self.indexes.iter().any(|index| index.begins_or_ends_at(end)) {
            (self.view.is_indexed, self.view.has_coarse_index) = (false, true);
            (self.view.beginning, self.view.visible) = (self.opening, self.opening);
        }
        Ok(true)
    }

    /// Returns the end of the media data of a fragment whose header ends at `offset`. If two fragments have no media data between them, the
    /// media data are elsewhere.
    fn media_end(&mut self, seen: &Seen, mut offset: u64) -> Result<u64, Pause> {
        for _ in 0..MAX_BETWEEN {
            let header = parse_header(seen.bytes(offset, 16)?);
            let Some(header) = header.filter(|header| &header.kind != b"moof") else {
                return Ok(offset.min(seen.size()));
            };
            let end = offset.saturating_add(header.size).min(seen.size());
            self.counter.pass_over(header.kind, ByteRange::new(offset, end));
            offset = end;
            if &header.kind == b"mdat" {
                return Ok(offset);
            }
        }
        Err(Pause::Unknown)
    }

    /// Reads the tracks of the fragment at `offset`, records their times, and adds up their declarations. `in_order` tells that all
    /// fragments before it were read.
    fn read(&mut self, seen: &Seen, offset: u64, in_order: bool) -> Result<Vec<TrackFragment>, Pause> {
        let moof = moof_at(seen, offset)?;
        self.counter.count(offset, moof, seen.work())?;
        seen.spend(moof.len() as u64)?;
        let parts = read_fragment(moof, offset, &self.movie).ok_or(Pause::Unknown)?;
        for part in &parts {
            let Some(first) = part.samples.first() else { continue };
            let track = self.movie.track(part.track_id);
            let is_video = track.is_some_and(|track| &track.handler == b"vide");
            if self.opening == 0 && self.movie.main_track().is_some_and(|main| main.id == part.track_id) {
                self.delays.add(&part.samples, part.is_signed);
            }
            if is_video && self.key_bytes == 0 {
                self.key_bytes = first.size.into();
                self.key_delay = u64::try_from(first.cts.saturating_sub(first.dts)).unwrap_or(0);
            }
            self.has_inner_keyframes |= is_video && part.samples.iter().skip(1).any(|sample| sample.is_sync);
            let shift = track.map_or(0, Track::shift);
            let knows_end = self.view.knows_end;
            let span =
                self.view.spans.entry(part.track_id).or_insert_with(|| Span::new(shift, first.cts, in_order));
            for sample in &part.samples {
                span.last = span.last.max(sample.cts);
                span.least = span.least.min(sample.cts.saturating_sub(sample.dts));
            }
            // The duration from the end of the file may be less, and takes precedence.
            span.end = if knows_end { span.end } else { span.end.max(part.end_dts) };
        }
        Ok(parts)
    }

    /// Returns the number of bytes to request at the next fragment: its header, or all bytes up to the likely position of the wanted frame.
    fn window(&self) -> u64 {
        if self.route.is_none() {
            // Many small fragments take few requests.
            let passed = self.next.saturating_sub(self.first);
            let are_small = passed < FIRST_MOOF_BYTES.saturating_mul(self.count.into());
            return if are_small { passed.saturating_mul(4) } else { 0 }
                .clamp(FIRST_MOOF_BYTES, READ_THROUGH);
        }
        if let Some((offset, guess, _)) = self.look_up(self.wanted) {
            return if offset == self.next { guess } else { self.header_bytes() };
        }
        let Some(last) = self.last else { return FIRST_MOOF_BYTES };
        let ahead = u64::try_from(self.wanted.saturating_sub(last.end)).unwrap_or(0);
        // The fragments before the one with the wanted frame, and the ticks of that fragment before the frame.
        let fragments = ahead.checked_div(last.ticks).unwrap_or(0);
        let ticks = ahead.checked_rem(last.ticks).unwrap_or(0);
        if fragments > 0 && last.bytes > READ_THROUGH {
            return self.header_bytes();
        }
        let part = self.header_bytes().saturating_add(self.part(last.bytes, ticks, last.ticks));
        fragments.saturating_mul(last.bytes).saturating_add(part)
    }

    /// Returns the approximate size of the header of a fragment like the last one.
    fn header_bytes(&self) -> u64 {
        match self.moof_bytes {
            0 => FIRST_MOOF_BYTES,
            bytes => bytes.saturating_add(bytes >> 2).saturating_add(1 << 10),
        }
    }

    /// Reads the ends of tracks from the last fragments. Meanwhile the bytes that are likely to be needed of the next ones are in flight.
    fn find_end(&mut self, seen: &Seen) -> Result<(), Pause> {
        let beside = ByteRange::new(self.next, self.next.saturating_add(self.window()));
        let sizes = (self.view.beginning.saturating_sub(self.first), self.header_bytes());
        let was_named = !self.named.is_empty();
        let last = self.tail.find(seen, sizes, beside, &mut self.named);
        let is_new = self.route.is_some() && !was_named;
        let more = if is_new { self.named_ranges(self.wanted) } else { Vec::new() };
        let last = last.map_err(|pause| pause.also(more))?;
        let first = self.entries.first().map(|(first, _)| *first);
        for &offset in &last {
            let parts = self.read(seen, offset, false)?;
            let mut own = parts.iter().filter(|part| part.track_id == self.track);
            self.view.is_disordered |= own.any(|part| first > Some(part.end_dts));
            for (&track, span) in &mut self.view.spans {
                span.is_whole |= parts.iter().any(|part| part.track_id == track);
            }
        }
        if let (Some(&offset), false) = (last.last(), self.indexes.is_empty()) {
            self.end_by_index(seen, offset)?;
        }
        self.view.knows_end = true;
        if self.view.is_disordered { Err(Pause::Unknown) } else { Ok(()) }
    }

    /// Takes the ends of tracks from the indexes directly before the last fragment, at `offset`. Where these indexes reach the end of the
    /// file, libavformat does not read that fragment. It takes the number of ticks as it is, whatever clock the index has.
    fn end_by_index(&mut self, seen: &Seen, offset: u64) -> Result<(), Pause> {
        let found = indexes_before(seen, offset)?;
        let Some(first) = found.first() else { return Ok(()) };
        let is_complete = first.covers_file(seen)?;
        let end_of = |index: &SegmentIndex| i64::try_from(index.end.0).unwrap_or(i64::MAX);
        let scale = |id: u32| self.movie.track(id).map_or(1, |track| track.timescale);
        for (&track, span) in &mut self.view.spans {
            if let Some(own) = found.iter().find(|index| index.track_id == track) {
                span.end = if is_complete { end_of(own) } else { span.end.max(end_of(own)) };
            } else if is_complete && !self.indexed.contains(&track) {
                // Tracks without any index of their own end with the first track that has one.
                span.end = rescale(end_of(first), scale(track), scale(first.track_id));
            }
        }
        Ok(())
    }
}

/// Returns the bytes of the header of the fragment at `offset`.
fn moof_at(seen: &Seen, offset: u64) -> Result<&[u8], Pause> {
    let header = parse_header(seen.bytes(offset, 16)?).filter(|header| &header.kind == b"moof");
    let header = header.filter(|header| header.size <= MAX_MOOF_BYTES).ok_or(Pause::Unknown)?;
    seen.bytes(offset, header.size)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use std::io::Cursor;
    use std::time::Duration;

    use super::super::Mp4;
    use super::*;
    use crate::limits::Limits;
    use crate::media::layout::Family;
    use crate::media::layout::gop::{MICROSECONDS, Sample};
    use crate::media::layout::replay::Replay;
    use crate::media::layout::test_tables::*;
    use crate::{FrameReason, Media, OpenOptions};

    const KINDS: [&str; 4] =
        ["h264_frag_noindex.mp4", "h264_frag_mfra.mp4", "h264_frag_sidx.mp4", "h264_frag_dash.mp4"];

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// Returns the view for a time, and the file's picture samples in presentation order.
    fn view(file: &[u8], planner: &mut Mp4, at: i64) -> View {
        planner.aim(Some(1), Some(at));
        Replay::new(file).run(planner, 1000).unwrap();
        planner.view().unwrap().clone()
    }

    /// Returns the composition times of the pictures, with the end of their fragment's media data.
    fn pictures(name: &str) -> Vec<(i64, u64)> {
        let header = &fixture_boxes(name, b"moov")[0].1;
        let movie = Movie::parse(header).unwrap();
        let ends = fixture_boxes(name, b"mdat").into_iter().map(|(at, bytes)| at + bytes.len() as u64);
        let fragments = fixture_boxes(name, b"moof").into_iter().zip(ends);
        let mut found: Vec<_> = fragments
            .flat_map(|((offset, moof), end)| {
                let tracks = read_fragment(&moof, offset, &movie).unwrap();
                let pictures = tracks.into_iter().find(|track| track.track_id == 1).unwrap();
                pictures.samples.into_iter().map(move |sample| (sample.cts, end))
            })
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_possible_result_is_visible() {
        for name in KINDS {
            let (file, pictures) = (fixture(name), pictures(name));
            let size = file.len() as u64;
            let mut planner = Mp4::new(&Limits::default(), None);
            // In any order, and not at a tick.
            for at in (0..75).map(|number| number * 37 % 75 * 100_000 + 1) {
                let seen = view(&file, &mut planner, at);
                // Audio begins at 0, and the pictures' clock has 10 240 ticks per second.
                let wanted = rescale(at, 10_240, MICROSECONDS);
                let better: Vec<_> = pictures.iter().filter(|(cts, _)| *cts >= wanted).collect();
                let Some((pts, end)) = better.first() else {
                    assert!(seen.visible == size || seen.ends_before(1, wanted), "{name} at {at}");
                    continue;
                };
                assert!(seen.visible >= *end, "{name} at {at}: {seen:?}");
                assert!(*pts == wanted || seen.is_certain(size, 1, *pts), "{name} at {at}: {seen:?}");
                assert!(!seen.ends_before(1, *pts), "{name} at {at}: {seen:?}");
            }
        }
    }

    #[test]
    fn a_view_is_certain_only_if_no_hidden_frame_can_change_the_result() {
        for name in KINDS {
            let (file, pictures) = (fixture(name), pictures(name));
            let seen = view(&file, &mut Mp4::new(&Limits::default(), None), 2_000_001);
            for (cts, _) in pictures.iter().filter(|(_, end)| *end > seen.visible) {
                assert!(
                    !seen.is_certain(file.len() as u64, 1, cts + 1),
                    "{name}: {cts} is hidden by {seen:?}"
                );
            }
        }
    }

    /// End of a fragment, decoding time of the next picture, and presentation times of its own pictures.
    type CutFragment = (u64, i64, Vec<i64>);

    /// Divides the pictures of a fixture into fragments of `count` pictures, regardless of their presentation order.
    fn cut_anew(name: &str, count: usize) -> (Vec<u8>, Vec<CutFragment>) {
        let (file, header) = (fixture(name), &fixture_boxes(name, b"moov")[0]);
        let movie = Movie::parse(&header.1).unwrap();
        let fragments = fixture_boxes(name, b"moof").into_iter();
        let tracks = fragments.flat_map(|(offset, moof)| read_fragment(&moof, offset, &movie).unwrap());
        let samples: Vec<Sample> =
            tracks.filter(|track| track.track_id == 1).flat_map(|track| track.samples).collect();
        let mut cut = file[..usize::try_from(header.0).unwrap() + header.1.len()].to_vec();
        let mut ends = Vec::new();
        for group in samples.chunks(count) {
            let words = group.iter().flat_map(|sample| {
                let flags = if sample.is_sync { 0x200_0000 } else { 0x101_0000 };
                [1024, sample.size, flags, u32::try_from(sample.cts - sample.dts).unwrap()]
            });
            let words: Vec<u32> = words.collect();
            let time = u32::try_from(group[0].dts).unwrap();
            let fragment = |data| {
                let head = [u32::try_from(group.len()).unwrap(), data];
                let parts = [
                    full(b"tfhd", 0x2_0000, &[1]),
                    full(b"tfdt", 0, &[time]),
                    full(b"trun", 0xf01, &[&head, &words[..]].concat()),
                ];
                boxed(b"moof", &[full(b"mfhd", 0, &[1]), boxed(b"traf", &parts)])
            };
            let data = group.iter().map(|sample| {
                let start = usize::try_from(sample.offset).unwrap();
                file[start..start + usize::try_from(sample.size).unwrap()].to_vec()
            });
            let offset = u32::try_from(fragment(0).len() + 8).unwrap();
            cut.extend([fragment(offset), boxed(b"mdat", &data.collect::<Vec<_>>())].concat());
            let presented = group.iter().map(|sample| sample.cts).collect();
            ends.push((cut.len() as u64, group[group.len() - 1].dts + 1024, presented));
        }
        (cut, ends)
    }

    /// The search detects a planner that stops too early: it checks whether a hidden fragment can contain the frame, and more becomes
    /// visible.
    #[test]
    fn a_view_that_hides_the_frame_is_extended() {
        const NAME: &str = "h264_frag_noindex.mp4";
        let pictures: Vec<i64> = pictures(NAME).into_iter().map(|(cts, _)| cts).collect();
        let mut whole = Media::open(Cursor::new(fixture(NAME)), &OpenOptions::default()).unwrap();
        let at = |cts: i64| Duration::from_micros(rescale(cts, MICROSECONDS, 10_240).try_into().unwrap());
        for count in [2, 3] {
            let (file, ends) = cut_anew(NAME, count);
            for (&cts, before) in pictures.iter().skip(1).zip(&pictures) {
                let expected = whole.frame(at(cts)).unwrap();
                // The file has no audio that would start the presentation. Half-way to the previous frame, and at the frame.
                for time in [cts - (cts - before) / 2, cts] {
                    let options = OpenOptions::default().with_frame(at(time - pictures[0]));
                    for less in 0..3 {
                        let mut media = Media::open(Cursor::new(&file), &options).unwrap();
                        let Family::Mp4(planner) = &mut media.layout.family else { panic!("no planner") };
                        let view = &mut planner.chain.as_mut().unwrap().view;
                        let hidden = ends.iter().rev().skip_while(|(end, ..)| *end > view.visible).nth(less);
                        let Some(&(visible, dts, _)) = hidden.filter(|(end, ..)| *end >= view.beginning)
                        else {
                            continue;
                        };
                        if less > 0 {
                            view.show(visible, 1, dts);
                        } else {
                            let own = ends.iter().find(|(.., presented)| presented.contains(&cts));
                            assert!(
                                own.is_some_and(|(end, ..)| visible >= *end),
                                "{count} in a fragment, at {time}"
                            );
                        }
                        let frame = media.frame(at(time - pictures[0])).unwrap();
                        let what = format!("{count} in a fragment, {less} hidden, at {time}");
                        assert_eq!((frame.pts(), frame.reason()), (cts, FrameReason::AtTarget), "{what}");
                        assert!(frame.copy_planes().unwrap() == expected.copy_planes().unwrap(), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn track_ends_equal_those_of_libavformat_and_not_the_header() {
        let mut file = fixture("h264_frag_noindex.mp4");
        // A `mehd` of 20 s instead of the padding that the muxer writes (ISO/IEC 14496-12, 8.8.2).
        let mvex = file.windows(4).position(|name| name == b"mvex").unwrap() - 4;
        let mehd = full(b"mehd", 0, &[20_000]);
        for at in [mvex, 28] {
            let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) + 16;
            file[at..at + 4].copy_from_slice(&size.to_be_bytes());
        }
        file.splice(mvex + 8..mvex + 8, mehd);
        let mut planner = Mp4::new(&Limits::default(), Some(1_000_000));
        Replay::new(&file).run(&mut planner, 1000).unwrap();
        let view = planner.view().unwrap();
        assert_eq!((view.end_of(1), view.end_of(2)), (Some(71_680), Some(158_760)));
        assert_eq!((view.start_of(1), view.start_of(2)), (Some(2048), Some(0)));
    }

    #[test]
    fn an_index_leads_to_the_wanted_fragment_at_once() {
        let file = fixture("h264_frag_sidx.mp4");
        let (mut planner, mut replay) = (Mp4::new(&Limits::default(), Some(6_000_000)), Replay::new(&file));
        let plan = replay.run(&mut planner, 100).unwrap();
        let fragments = fixture_boxes("h264_frag_sidx.mp4", b"moof");
        let is_read =
            |offset: &u64| replay.read.iter().any(|range| range.contains(*offset) && range.start() > 16_384);
        let read: Vec<usize> = (0..7).filter(|&number| is_read(&fragments[number].0)).collect();
        assert_eq!(read, [5]);
        assert!(plan.ranges.iter().all(|range| range.start() > fragments[5].0), "{plan:?}");
        // libavformat would read nothing after the fragments.
        assert!(plan.ranges.iter().all(|range| range.end() < file.len() as u64), "{plan:?}");
        assert_eq!(planner.view().unwrap().visible, file.len() as u64);
    }

    #[test]
    fn the_view_grows_until_the_whole_file_is_visible() {
        let file = fixture("h264_frag_noindex.mp4");
        let size = file.len() as u64;
        let mut planner = Mp4::new(&Limits::default(), None);
        let mut visible = vec![view(&file, &mut planner, 0).visible];
        while planner.go_further(size) {
            Replay::new(&file).run(&mut planner, 1000).unwrap();
            visible.push(planner.view().unwrap().visible);
        }
        assert!(visible.is_sorted_by(|one, next| one < next) && visible.last() == Some(&size), "{visible:?}");
        assert!(visible.len() < 7, "{visible:?}");
    }

    #[test]
    fn unsupported_layouts_are_left_to_libavformat() {
        let mut file = fixture("h264_frag_noindex.mp4");
        // No fragment contains its start time.
        let places: Vec<usize> =
            file.windows(4).enumerate().filter(|(_, name)| name == b"tfdt").map(|(at, _)| at).collect();
        for at in places {
            file[at..at + 4].copy_from_slice(b"skip");
        }
        let mut planner = Mp4::new(&Limits::default(), Some(1_000_000));
        assert_eq!(Replay::new(&file).run(&mut planner, 1000), Ok(Plan::default()));
        assert!(planner.view().is_none());
        assert!(planner.info().unwrap().fragmented);
    }

    #[test]
    fn many_small_fragments_take_linear_time() {
        let header = fixture_boxes("h264_frag_noindex.mp4", b"moov").remove(0).1;
        let (_, moof) = fixture_boxes("h264_frag_noindex.mp4", b"moof").remove(0);
        let mdat = boxed(b"mdat", &[vec![0; 8]]);
        let mut file = header;
        for number in 0..1000_u32 {
            let mut moof = moof.clone();
            let tfdt = moof.windows(4).position(|name| name == b"tfdt").unwrap();
            moof[tfdt + 12..tfdt + 16].copy_from_slice(&(number * 10_240).to_be_bytes());
            file.extend([moof, mdat.clone()].concat());
        }
        let started = std::time::Instant::now();
        let mut planner = Mp4::new(&Limits::default(), Some(900_000_000));
        Replay::new(&file).run(&mut planner, 100_000).unwrap();
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    /// Creates a fragment of one track: its decoding time, and the presentation delay of each sample of ten ticks and a hundred bytes. The
    /// first sample is a keyframe.
    fn fragment(track: u32, time: u32, offsets: &[i32]) -> Vec<u8> {
        let count = u32::try_from(offsets.len()).unwrap();
        let words: Vec<u32> = offsets.iter().map(|offset| offset.cast_unsigned()).collect();
        let run = full(b"trun", 1 << 24 | 0x804, &[&[count, 0][..], &words].concat());
        let traf = [full(b"tfhd", 0x2_0000, &[track]), full(b"tfdt", 0, &[time]), run];
        let moof = boxed(b"moof", &[full(b"mfhd", 0, &[1]), boxed(b"traf", &traf)]);
        [moof, boxed(b"mdat", &[vec![0; offsets.len() * 100]])].concat()
    }

    /// Creates a file of fragments of the tracks 1 and 2. Returns also the end of each fragment.
    fn file_of(fragments: &[Vec<u8>]) -> (Vec<u8>, Vec<u64>) {
        let trex = |id| full(b"trex", 0, &[id, 1, 10, 100, 0x1_0000]);
        let sound = TestTrack { id: 2, handler: b"soun", timescale: 1000, ..TestTrack::default() };
        let pictures = TestTrack { timescale: 1000, ..TestTrack::default() };
        let mvex = boxed(b"mvex", &[trex(1), trex(2)]);
        let mut file = moov(&[mvhd(1000), pictures.trak(), sound.trak(), mvex]);
        let mut ends = Vec::new();
        for fragment in fragments {
            file.extend(fragment);
            ends.push(file.len() as u64);
        }
        (file, ends)
    }

    #[test]
    fn a_later_fragment_may_contain_an_earlier_frame() {
        // The first fragment has enough frames to know how early frames are presented. The second frame of the next one is presented at
        // 420, those of the fragment after it at 360, 355 and 370.
        let settled = [&[0; 31][..], &[-5]].concat();
        let fragments =
            [&settled[..], &[0, 90, 0], &[10, -5, 0], &[0, 0], &[0, 0], &[0, 0], &[0, 0], &[0, 0]];
        let times = [0, 320, 350, 380, 400, 420, 440, 460];
        let pictures = times.into_iter().zip(fragments).map(|(time, offsets)| fragment(1, time, offsets));
        let all: Vec<_> = [fragment(2, 0, &[0; 48])].into_iter().chain(pictures).collect();
        let (file, ends) = file_of(&all);
        let visible = |at: i64| view(&file, &mut Mp4::new(&Limits::default(), None), at * 1000 - 1).visible;
        // Wanted after 340: 355 is in the third fragment of pictures.
        assert_eq!(visible(345), ends[3]);
        // Wanted after 375: the second fragment contains 420, but 380 is in the fourth.
        assert_eq!(visible(376), ends[4]);
    }

    #[test]
    fn the_opening_shows_how_early_frames_may_be_presented() {
        // 60 fragments of pictures behind one of sound. Returns the number of visible ones.
        let opening = |frames: u32, gap: u32, is_signed: bool| {
            let delays = vec![0; usize::try_from(frames).unwrap()];
            let pictures = (0..60).map(|number| fragment(1, number * (10 * frames + gap), &delays));
            let all: Vec<_> = [fragment(2, 0, &[0; 200])].into_iter().chain(pictures).collect();
            let (mut file, ends) = file_of(&all);
            let runs: Vec<usize> = (4..file.len()).filter(|&at| file[at - 4..at] == *b"trun").collect();
            runs.into_iter().for_each(|version| file[version] = u8::from(is_signed));
            let opened = view(&file, &mut Mp4::new(&Limits::default(), None), 0).beginning;
            ends.iter().position(|end| *end == opened)
        };
        // Frames cannot be presented before they are decoded.
        assert_eq!((opening(1, 0, false), opening(8, 0, false)), (Some(1), Some(1)));
        // One frame in each fragment; eight; as many as are enough; and eight of different durations.
        assert_eq!((opening(1, 0, true), opening(8, 0, true)), (Some(60), Some(4)));
        assert_eq!((opening(32, 0, true), opening(8, 5, true)), (Some(1), Some(60)));
    }

    #[test]
    fn fragments_with_huge_headers_are_left_to_libavformat() {
        let (file, _) = file_of(&[fragment(1, 0, &[0; 10]), fragment(2, 0, &[0; 10])]);
        let padding = boxed(b"free", &[vec![0; usize::try_from(MAX_MOOF_BYTES).unwrap()]]);
        let huge = boxed(b"moof", &[full(b"mfhd", 0, &[1]), padding]);
        let mut planner = Mp4::new(&Limits::default(), Some(1_000_000));
        let plan = Replay::new(&[file, huge.clone(), huge].concat()).run(&mut planner, 1000);
        assert_eq!((plan, planner.view()), (Ok(Plan::default()), None));
    }

    #[test]
    fn a_track_that_the_last_fragments_leave_out_may_have_more_frames() {
        // In a large file, only the last fragments are read.
        let (mut all, mut time) = (Vec::new(), 0);
        for _ in 0..40 {
            all.extend([fragment(1, time, &[0; 10]), fragment(2, time, &[0; 10])]);
            time += 100;
        }
        all.push(fragment(2, time, &vec![0; 700]));
        let (file, _) = file_of(&all);
        let mut planner = Mp4::new(&Limits::default(), Some(0));
        let mut replay = Replay::new(&file);
        replay.run(&mut planner, 1000).unwrap();
        let view = planner.view().unwrap();
        assert_eq!(view.end_of(2), Some(4000 + 7000));
        assert!(!view.ends_before(1, 3000), "{view:?}");
        assert!(view.ends_before(2, 20_000), "{view:?}");
    }
}

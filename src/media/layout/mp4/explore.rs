//! How far a file of movie fragments is looked at: up to the frame that is wanted, and at its end for its duration.
//!
//! Fragments follow each other like links of a chain: where the next one begins is known when the one before has been seen.
//! Each link costs a round trip, so small fragments are read through instead, and of the one with the wanted frame a guess
//! at its media data is asked for together with its header. A segment index (`sidx`) or an index of random access (`mfra`)
//! that is there says where the links are.

use crate::media::input::{Fault, Input};
use crate::media::layout::gop::part_of_gop;
use crate::source::ByteRange;

use super::file_end::EndSearch;
use super::fragments::{Fragment, SegmentIndex, parse_sidx};
use super::movie::Movie;
use super::poster::{coalesce, packet_of_frame};
use super::samples::Sample;
use super::track::Track;
use super::{READ_OVER, Walk, be32, parse_header, to_byte_ranges};

/// Fragments that are looked at, at most, until each track has been seen. Most files have all in the first.
const MAX_FIRST_FRAGMENTS: usize = 4;
/// A duration in the header is believed when it makes the bit rate of the file no more than so many times that of its first
/// fragment, or its inverse. Some files have nonsense there.
const MAX_RATE_FACTOR: u128 = 4;
/// A fragment's header, before any has been seen.
pub(super) const FIRST_MOOF_BYTES: u64 = 16 << 10;
/// Fragments up to this size are read through: at 75 MB/s that takes no longer than the 15 ms of half a round trip.
const READ_THROUGH: u64 = 1 << 20;
/// An index right before the last fragment is looked for so far in front of it.
const INDEX_WINDOW: u64 = 4 << 10;
/// Fragments that are followed from one found in the tail, and headers asked for side by side because an index names them.
pub(super) const MAX_LINKS: usize = 64;

/// What has been seen of a file of fragments.
pub(super) struct Explored {
    /// The fragments from the first on. By an index, the one with the wanted frame follows on the first.
    fragments: Vec<Fragment>,
    /// Where the first one begins.
    first: u64,
    /// Where the box behind the last one seen begins.
    next: u64,
    /// Where the first fragment ends. That is all that libavformat is shown at first, so that what it says of the streams does
    /// not depend on which frame is wanted.
    beginning: u64,
    /// Where what it needs to see for the wanted frame ends.
    visible: u64,
    /// Indexes in front of the first fragment, one for each track or one for all.
    indexes: Vec<SegmentIndex>,
    /// Whether they name all fragments.
    is_indexed: bool,
    /// Where tracks end, in their ticks; by track number.
    ends: Vec<(u32, i64)>,
    knows_end: bool,
    /// When tracks begin, in their ticks, as libavformat tells it; by track number.
    starts: Vec<(u32, i64)>,
    /// Something is as we do not know it; libavformat looks at everything.
    gave_up: bool,
    /// How many fragments to look at when those seen were not enough.
    further: u32,
}

impl Explored {
    pub(super) fn new(first: u64, indexes: Vec<SegmentIndex>) -> Self {
        Self {
            fragments: Vec::new(),
            first,
            next: first,
            beginning: first,
            visible: first,
            indexes,
            is_indexed: false,
            ends: Vec::new(),
            knows_end: false,
            starts: Vec::new(),
            gave_up: false,
            further: 1,
        }
    }

    pub(super) fn track_ends(&self) -> &[(u32, i64)] {
        if self.gave_up { &[] } else { &self.ends }
    }

    pub(super) fn track_starts(&self) -> &[(u32, i64)] {
        &self.starts
    }

    /// Takes the times of the first samples. Where some are shown before they are decoded, libavformat moves all times by what it
    /// has seen of that so far; it is asked then.
    fn note_starts(&mut self, movie: &Movie<'_>) {
        let start_of = |track: &Track<'_>| {
            let first = self.samples(track.id).next()?;
            let is_late = self.samples(track.id).all(|sample| sample.cts >= sample.dts);
            let shift = track.presentation_shift(movie.timescale).filter(|_| is_late)?;
            Some((track.id, first.cts.checked_add(shift)?))
        };
        self.starts = movie.tracks.iter().filter_map(start_of).collect();
    }

    /// See [`Layout::plan`](super::Layout::plan).
    pub(super) fn plan(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
        wanted: Option<(&Track<'_>, i64)>,
    ) -> Result<(), Fault> {
        if !self.gave_up && self.explore(input, walk, movie, wanted)?.is_none() {
            self.give_up(input, walk)?;
        }
        Ok(())
    }

    /// How much of the file libavformat is to see when it opens it first.
    pub(super) const fn beginning(&self) -> u64 {
        self.beginning
    }

    /// How much it is to see for the frame that was planned for.
    pub(super) const fn visible(&self) -> u64 {
        self.visible
    }

    /// `None` when something is as we do not know it.
    fn explore(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
        wanted: Option<(&Track<'_>, i64)>,
    ) -> Result<Option<()>, Fault> {
        if self.fragments.is_empty() {
            if self.next_fragment(input, walk, movie, FIRST_MOOF_BYTES)? != Some(true) {
                return Ok(None);
            }
            self.look_for_all_tracks(input, walk, movie)?;
            self.note_starts(movie);
            self.beginning = self.next;
            self.use_indexes(input, movie)?;
        }
        let wanted = wanted.map(|(track, at)| (track, self.wanted(movie, track, at)));
        let end = self.next;
        let mut search = EndSearch::default();
        if self.is_indexed {
            if let Some((track, wanted)) = wanted
                && !self.follow_index(input, track, wanted)
            {
                // Far behind many fragments. libavformat finds the right one by the index, or one before it.
                self.visible = input.size();
                return Ok(Some(()));
            }
        } else if !self.knows_end && !self.end_from_header(movie, input.size()) {
            // On their way while the end is looked at.
            if let Some((track, wanted)) = wanted.filter(|(track, wanted)| !self.holds(track.id, *wanted)) {
                input.prefetch(&[ByteRange::new(end, end + self.window(track.id, wanted))]);
            }
            search.begin(input, end - self.first, wanted)?;
        }
        if let Some((track, wanted)) = wanted {
            while !self.holds(track.id, wanted) && self.next < input.size() {
                // An index has told what to ask for.
                let window = if self.is_indexed { 0 } else { self.window(track.id, wanted) };
                match self.next_fragment(input, walk, movie, window)? {
                    Some(true) => {}
                    Some(false) => break,
                    None => return Ok(None),
                }
            }
        }
        self.ask_for_packets(input, wanted);
        if !self.knows_end {
            let Some(last) = search.finish(input)? else { return Ok(None) };
            if self.end_from(input, walk, movie, &last)?.is_none() {
                return Ok(None);
            }
        }
        let mut needed = self.packets(wanted);
        if self.is_indexed {
            needed.extend([self.beginning, self.next].map(last_bytes));
        }
        input.need_only(&needed);
        input.prefetch(&needed);
        self.visible = self.next;
        Ok(Some(()))
    }

    /// Takes the ends of tracks from the indexes, if they cover the whole file.
    fn use_indexes(&mut self, input: &mut Input<'_>, movie: &Movie<'_>) -> Result<(), Fault> {
        let Some(first) = self.indexes.first() else { return Ok(()) };
        self.is_indexed = is_complete(first, input)?;
        if self.is_indexed {
            self.ends = ends_by_indexes(&self.indexes, movie);
            self.knows_end = true;
        }
        Ok(())
    }

    /// Looks at more fragments when the first has not all tracks, so that it is known when each of them begins.
    fn look_for_all_tracks(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
    ) -> Result<(), Fault> {
        let media = movie.tracks.iter().filter(|track| matches!(&track.handler, b"vide" | b"soun"));
        let media: Vec<u32> = media.map(|track| track.id).collect();
        for _ in 1..MAX_FIRST_FRAGMENTS {
            let are_seen = media.iter().all(|&track| self.samples(track).next().is_some());
            if are_seen || self.next_fragment(input, walk, movie, FIRST_MOOF_BYTES)? != Some(true) {
                break;
            }
        }
        Ok(())
    }

    /// The composition time, in ticks of the track, that the wanted frame has at least.
    fn wanted(&self, movie: &Movie<'_>, track: &Track<'_>, at: i64) -> i64 {
        let start_of = |track: &Track<'_>| {
            let first = self.samples(track.id).next()?;
            let pts = first.cts.saturating_add(track.presentation_shift(movie.timescale).unwrap_or(0));
            // What sound has before zero is priming that is not heard.
            let pts = if &track.handler == b"soun" { pts.max(0) } else { pts };
            Some(i128::from(pts) * 1_000_000 / i128::from(track.timescale.max(1)))
        };
        let tracks = movie.tracks.iter().filter(|track| matches!(&track.handler, b"vide" | b"soun"));
        let start = tracks.filter_map(start_of).min().unwrap_or(0);
        let ticks = (start + i128::from(at)) * i128::from(track.timescale) + 500_000;
        let wanted = i64::try_from(ticks.div_euclid(1_000_000)).unwrap_or(i64::MAX);
        wanted.saturating_sub(track.presentation_shift(movie.timescale).unwrap_or(0))
    }

    fn samples(&self, track: u32) -> impl Iterator<Item = Sample> + '_ {
        let parts = self.fragments.iter().flat_map(|fragment| &fragment.tracks);
        parts.filter(move |part| part.track_id == track).flat_map(|part| part.samples.iter().copied())
    }

    /// Whether the wanted frame is in what has been seen.
    fn holds(&self, track: u32, wanted: i64) -> bool {
        self.samples(track).any(|sample| sample.cts >= wanted)
    }

    /// How much to ask for at the next fragment: its header, or all up to where the wanted frame is likely to be.
    fn window(&self, track: u32, wanted: i64) -> u64 {
        let Some(last) = self.fragments.last() else { return FIRST_MOOF_BYTES };
        let bytes = self.next.saturating_sub(last.offset);
        let header = last.moof_bytes + last.moof_bytes / 4 + (1 << 10);
        let part = last.tracks.iter().find(|part| part.track_id == track);
        let Some((first, end)) = part.and_then(|part| Some((part.samples.first()?.dts, part.end_dts))) else {
            return header;
        };
        let ticks = u64::try_from(end.saturating_sub(first)).unwrap_or(0).max(1);
        let ahead = u64::try_from(wanted.saturating_sub(end)).unwrap_or(0);
        let whole = ahead / ticks;
        if whole > 0 && bytes > READ_THROUGH {
            return header;
        }
        whole.saturating_mul(bytes).saturating_add(header).saturating_add(part_of_gop(
            bytes,
            ahead % ticks,
            ticks,
        ))
    }

    /// Looks at the next fragment up to the end of its media data; `Some(false)` at the end of the file, `None` when it is not
    /// understood.
    fn next_fragment(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
        window: u64,
    ) -> Result<Option<bool>, Fault> {
        let size = input.size();
        input.prefetch(&[ByteRange::new(self.next, self.next.saturating_add(window))]);
        let mut found = false;
        while self.next < size {
            let Some(header) = parse_header(&input.peek(self.next, 16)?) else { return Ok(None) };
            let box_bytes = header.size.unwrap_or(u64::MAX).min(size - self.next);
            if &header.kind == b"moof" {
                if found {
                    // No media data between the two: they lie elsewhere.
                    return Ok(Some(true));
                }
                if self.fragment_at(input, walk, movie, self.next)?.is_none() {
                    return Ok(None);
                }
                found = true;
            }
            self.next += box_bytes;
            if found && &header.kind == b"mdat" {
                return Ok(Some(true));
            }
        }
        Ok(Some(found))
    }

    /// Reads the fragment whose header begins at `offset`.
    fn fragment_at(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
        offset: u64,
    ) -> Result<Option<()>, Fault> {
        let Some(fragment) = read_fragment(input, walk, movie, offset)? else { return Ok(None) };
        self.note_ends(&fragment);
        self.fragments.push(fragment);
        Ok(Some(()))
    }

    /// Takes the ends of tracks from a fragment, unless something else has told them.
    fn note_ends(&mut self, fragment: &Fragment) {
        if self.knows_end {
            return;
        }
        for part in &fragment.tracks {
            match self.ends.iter_mut().find(|(track, _)| *track == part.track_id) {
                Some((_, end)) => *end = part.end_dts.max(*end),
                None => self.ends.push((part.track_id, part.end_dts)),
            }
        }
    }

    /// Takes the ends from the indexes right before the last fragment, at `offset`: where they lead to the end of the file,
    /// libavformat does not look at that fragment any more.
    fn ends_before(&mut self, input: &mut Input<'_>, movie: &Movie<'_>, offset: u64) -> Result<(), Fault> {
        let start = offset.saturating_sub(INDEX_WINDOW);
        let bytes = input.peek(start, usize::try_from(offset - start).unwrap_or(0))?;
        let (mut end, mut found) = (bytes.len(), Vec::new());
        for at in (0..bytes.len().saturating_sub(8)).rev() {
            let size = be32(&bytes, at).and_then(|size| usize::try_from(size).ok());
            if bytes[at + 4..].starts_with(b"sidx") && size.and_then(|size| at.checked_add(size)) == Some(end)
            {
                found.extend(parse_sidx(&bytes[at..end], start + at as u64));
                end = at;
            }
        }
        // The first in the file first.
        found.reverse();
        if let Some(first) = found.first()
            && is_complete(first, input)?
        {
            self.ends = ends_by_indexes(&found, movie);
        }
        Ok(())
    }

    /// Takes the duration from the header (`mehd`), if it is there and can be true.
    fn end_from_header(&mut self, movie: &Movie<'_>, size: u64) -> bool {
        let Some(duration) = movie.fragment_duration.filter(|_| movie.timescale > 0) else { return false };
        let ticks = |track: &Track<'_>| {
            let ticks = u128::from(duration) * u128::from(track.timescale) / u128::from(movie.timescale);
            (track.id, i64::try_from(ticks).unwrap_or(i64::MAX))
        };
        let ends: Vec<(u32, i64)> = movie.tracks.iter().map(ticks).collect();
        // Of the track that has come furthest in what has been seen.
        let bytes = u128::from(self.next.saturating_sub(self.first));
        let is_plausible = self.ends.iter().any(|(track, seen)| {
            let end = ends.iter().find(|(id, _)| id == track).map_or(0, |(_, end)| *end);
            let (Ok(seen), Ok(end)) = (u128::try_from(*seen), u128::try_from(end)) else { return false };
            let (whole, part) = (u128::from(size).saturating_mul(seen), bytes.saturating_mul(end));
            whole <= part.saturating_mul(MAX_RATE_FACTOR) && part <= whole.saturating_mul(MAX_RATE_FACTOR)
        });
        if is_plausible {
            self.ends = ends;
            self.knows_end = true;
        }
        is_plausible
    }

    /// Takes the durations from the fragments at the end of the file.
    fn end_from(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
        last: &[u64],
    ) -> Result<Option<()>, Fault> {
        for &offset in last {
            // Those that were seen on the way are counted already.
            if self.fragments.iter().any(|fragment| fragment.offset == offset) {
                continue;
            }
            let Some(fragment) = read_fragment(input, walk, movie, offset)? else { return Ok(None) };
            self.note_ends(&fragment);
        }
        if let Some(&offset) = last.last().filter(|_| !self.indexes.is_empty()) {
            self.ends_before(input, movie, offset)?;
        }
        self.knows_end = true;
        Ok(Some(()))
    }

    /// Asks for the headers of the fragments up to the one that the index says holds the wanted frame, and for the part of that
    /// one that is likely to be needed. `false` when they are too many.
    fn follow_index(&self, input: &mut Input<'_>, track: &Track<'_>, wanted: i64) -> bool {
        let (Some(index), Some(first)) = (self.indexes.first(), self.fragments.first()) else { return true };
        let start = index.entries.first().map_or(0, |entry| entry.start);
        let first_cts = self.samples(track.id).next().map_or(0, |sample| sample.cts);
        let ahead = u64::try_from(wanted.saturating_sub(first_cts)).unwrap_or(0);
        let ahead = u128::from(ahead) * u128::from(index.timescale) / u128::from(track.timescale.max(1));
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX).saturating_add(start);
        let count = index.entries.partition_point(|entry| entry.start <= ahead);
        if count > MAX_LINKS {
            return false;
        }
        let header = first.moof_bytes + first.moof_bytes / 4 + (1 << 10);
        let mut ranges: Vec<ByteRange> = index.entries[..count]
            .iter()
            .map(|entry| ByteRange::new(entry.offset, entry.offset.saturating_add(header)))
            .collect();
        if let Some(entry) = index.entries[..count].last() {
            let ticks = u64::from(entry.duration).max(1);
            let bytes = u64::from(entry.size);
            let guess = header.saturating_add(part_of_gop(bytes, ahead - entry.start, ticks)).min(bytes);
            ranges.push(ByteRange::new(entry.offset, entry.offset.saturating_add(guess)));
            // libavformat will look for another index behind the last fragment that it sees.
            ranges.extend([self.beginning, entry.offset.saturating_add(bytes)].map(last_bytes));
        }
        input.need_only(&ranges);
        input.prefetch(&ranges);
        true
    }

    /// The packets from the keyframe to the wanted frame.
    fn packets(&self, wanted: Option<(&Track<'_>, i64)>) -> Vec<ByteRange> {
        let Some((track, wanted)) = wanted else { return Vec::new() };
        let mut packets: Vec<Sample> = Vec::new();
        let mut target: Option<(usize, i64)> = None;
        for sample in self.samples(track.id) {
            // A keyframe at or before the wanted time makes all before it unnecessary.
            if sample.is_sync && sample.cts <= wanted && target.is_none_or(|(_, cts)| cts > sample.cts) {
                packets.clear();
                target = None;
            }
            packets.push(sample);
            if sample.cts >= wanted && target.is_none_or(|(_, cts)| sample.cts < cts) {
                target = Some((packets.len(), sample.cts));
            }
        }
        packets.truncate(target.map_or(packets.len(), |(count, _)| count));
        let ranges =
            packets.iter().map(|sample| sample.offset..sample.offset.saturating_add(u64::from(sample.size)));
        to_byte_ranges(coalesce(ranges.collect(), READ_OVER))
    }

    fn ask_for_packets(&self, input: &mut Input<'_>, wanted: Option<(&Track<'_>, i64)>) {
        input.prefetch(&self.packets(wanted));
    }

    pub(super) fn packet_of_frame(&self, track: u32, position: u64, pts: i64, wanted: i64) -> Option<u64> {
        if self.gave_up {
            return None;
        }
        let lowest = self.samples(track).map(|sample| sample.cts.saturating_sub(sample.dts)).min()?;
        packet_of_frame(self.samples(track), lowest, position, pts, wanted).map(|frame| frame.offset)
    }

    /// See [`Layout::explore_further`](super::Layout::explore_further).
    pub(super) fn explore_further(
        &mut self,
        input: &mut Input<'_>,
        walk: &mut Walk,
        movie: &Movie<'_>,
    ) -> Result<bool, Fault> {
        if self.visible == input.size() {
            return Ok(false);
        }
        for _ in 0..self.further {
            if self.next_fragment(input, walk, movie, FIRST_MOOF_BYTES)?.is_none() {
                self.give_up(input, walk)?;
                return Ok(true);
            }
        }
        self.further = self.further.saturating_mul(2);
        self.visible = self.next;
        Ok(true)
    }

    /// Lets libavformat look at everything, after we did.
    fn give_up(&mut self, input: &mut Input<'_>, walk: &mut Walk) -> Result<(), Fault> {
        self.gave_up = true;
        walk.offset = self.next;
        while walk.step(input)? {}
        (self.beginning, self.visible) = (input.size(), input.size());
        Ok(())
    }
}

/// Whether an index covers the fragments up to the end of the file, but for an `mfra`, as libavformat asks of it.
fn is_complete(index: &SegmentIndex, input: &mut Input<'_>) -> Result<bool, Fault> {
    let Some(rest) = input.size().checked_sub(index.end_offset) else { return Ok(false) };
    if rest == 0 {
        return Ok(true);
    }
    let header = parse_header(&input.peek(index.end_offset, 16)?);
    Ok(header.is_some_and(|header| &header.kind == b"mfra" && header.size == Some(rest)))
}

/// Where tracks end by indexes that cover the file, in ticks of their own.
fn ends_by_indexes(indexes: &[SegmentIndex], movie: &Movie<'_>) -> Vec<(u32, i64)> {
    let Some(first) = indexes.first() else { return Vec::new() };
    let scale = u128::from(first.timescale.max(1));
    let end_of = |track: &Track<'_>| {
        let own = indexes.iter().find(|index| index.track_id == track.id).map(end_of_index);
        // Tracks without one end with the first that has one, on their own clocks, to the nearest tick.
        let other = || (u128::from(end_of_index(first)) * u128::from(track.timescale) + scale / 2) / scale;
        (track.id, i64::try_from(own.map_or_else(other, u128::from)).unwrap_or(i64::MAX))
    };
    movie.tracks.iter().map(end_of).collect()
}

/// Where the length of an index (`mfro`) would be, if one ended here.
const fn last_bytes(end: u64) -> ByteRange {
    ByteRange::new(end.saturating_sub(4), end)
}

/// The end of the last fragment that an index names, in its ticks.
fn end_of_index(index: &SegmentIndex) -> u64 {
    index.entries.last().map_or(0, |entry| entry.start.saturating_add(entry.duration.into()))
}

/// Reads a fragment; `None` for what is not understood, and for one without its decoding time: that cannot be placed unless all
/// before it are known.
fn read_fragment(
    input: &mut Input<'_>,
    walk: &mut Walk,
    movie: &Movie<'_>,
    offset: u64,
) -> Result<Option<Fragment>, Fault> {
    let Some(header) = parse_header(&input.peek(offset, 16)?) else { return Ok(None) };
    let bytes = header.size.unwrap_or(u64::MAX).min(input.size() - offset);
    if &header.kind != b"moof" || bytes > super::MAX_MOOV_BYTES {
        return Ok(None);
    }
    let moof = input.peek(offset, usize::try_from(bytes).unwrap_or(usize::MAX))?;
    walk.count(input, &moof)?;
    let is_placed = |fragment: &Fragment| fragment.tracks.iter().all(|part| part.decode_time.is_some());
    Ok(Fragment::parse(&moof, offset, movie).filter(is_placed))
}

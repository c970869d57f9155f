//! The chain of movie fragments: how far it is followed to the frame that is wanted, and how it ends.
//!
//! Where the next fragment begins is known when the one before has been seen. Each link costs a round trip, so small fragments
//! are read through instead, and of the one with the wanted frame a guess at its media data is requested together with its
//! header. A segment index (`sidx`) that covers the file leads to the wanted fragment at once, for libavformat too: it is shown
//! the whole file then. Without one, libavformat is shown the file up to the wanted fragment (see [`View`]), and the end of the
//! file shows its duration. What the header says of that (`mehd`) is not trusted: libavformat does not look at it either.

use super::boxes::{be32, parse_header};
use super::fragment::{TrackFragment, read_fragment};
use super::index::{SegmentIndex, parse_sidx};
use super::movie::{MICROSECONDS, Movie};
use super::tail::{FIRST_MOOF_BYTES, Tail};
use super::track::Track;
use super::walk::{MAX_MOOV_BYTES, Walk};
use crate::media::layout::bytes::{Bytes, Pause, Plan};
use crate::media::layout::gop::{Route, part_of_gop, rescale};
use crate::media::layout::view::View;
use crate::source::ByteRange;

/// Fragments that are looked at, at most, until each track has been seen. Most files have all in the first.
const MAX_FIRST_FRAGMENTS: u32 = 4;
/// A time that is more fragments ahead than this may lie behind the end of the file: the end is looked at first.
const NEAR: u64 = 8;
/// Fragments up to this size are read through: at 75 MB/s that takes no longer than the 15 ms of half a round trip.
const READ_THROUGH: u64 = 1 << 20;
/// An index right before the last fragment is looked for this far in front of it.
const INDEX_WINDOW: u64 = 4 << 10;

/// What has been seen of a file of fragments.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Where the first fragment begins.
    first: u64,
    /// Where the next box begins, and the fragment whose media data it may hold.
    next: u64,
    open: Option<Link>,
    /// The fragment before that.
    last: Option<Link>,
    /// Fragments that were seen, and whether that is enough to begin.
    count: u32,
    has_begun: bool,
    /// What fragments before this offset declare has been added up.
    counted: u64,
    spans: Vec<Span>,
    indexes: Vec<SegmentIndex>,
    /// Whether they name all fragments, for libavformat too.
    is_indexed: bool,
    tail: Tail,
    knows_end: bool,
    /// The track that is wanted, and the time in microseconds from the start.
    track: u32,
    at: Option<i64>,
    /// Fragments with keyframes of the track: when the first is presented, and where the fragment begins.
    entries: Vec<(i64, u64)>,
    /// The wanted composition time, and the packets that lead to the frame there.
    wanted: i64,
    route: Option<Route>,
    /// Whether the wanted time lies behind the end, so that half of the duration is looked for.
    is_half: bool,
    /// Fragments that are to be shown beyond those that were thought to be enough.
    further: u32,
    pub(super) view: View,
    /// What the next pause requests too, and whether it cancels what was requested before.
    soon: Vec<ByteRange>,
    cancels: bool,
}

/// One fragment.
#[derive(Debug, Clone, Copy)]
struct Link {
    offset: u64,
    moof_bytes: u64,
    /// With the media data.
    bytes: u64,
    /// Decoding times of the track: of its first sample here, and of the one behind its last.
    begin: i64,
    end: i64,
}

/// What has been seen of one track, in its ticks.
#[derive(Debug)]
struct Span {
    track: u32,
    /// Composition time of the first sample.
    start: i64,
    /// The least distance from decoding to composition time.
    least: i64,
    /// The greatest composition time.
    last: i64,
    /// When the sample behind the last one is decoded.
    end: i64,
}

impl Chain {
    /// Begins at the first fragment, which lies at `first`.
    pub(super) fn new(first: u64, indexes: Vec<SegmentIndex>) -> Self {
        Self { first, next: first, indexes, ..Self::default() }
    }

    /// Plans for the frame of `track` at `at`, in microseconds from the start.
    pub(super) fn aim(&mut self, track: Option<&Track>, at: Option<i64>) {
        let track = track.map_or(0, |track| track.id);
        if self.track != track {
            self.entries.clear();
            (self.next, self.open, self.last) = (self.first, None, None);
        }
        (self.track, self.at, self.route, self.is_half) = (track, at, None, false);
    }

    /// Plans for showing more fragments: twice as many as before.
    pub(super) fn go_further(&mut self) {
        (self.next, self.open) = (self.view.visible, None);
        self.further = self.count;
    }

    /// Whether an index names all fragments.
    pub(super) const fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    /// Where the boxes begin that nobody has counted.
    pub(super) fn uncounted(&self) -> u64 {
        if self.is_indexed { self.first } else { self.counted.max(self.first) }
    }

    /// Continues until the plan is complete.
    pub(super) fn step(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<Plan, Pause> {
        let result = self.explore(seen, walk, movie);
        let soon = std::mem::take(&mut self.soon);
        let cancels = std::mem::take(&mut self.cancels);
        result.map_err(|pause| if cancels { pause.beside(&soon).only() } else { pause.beside(&soon) })
    }

    fn explore(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<Plan, Pause> {
        self.begin(seen, walk, movie)?;
        while self.further > 0 && self.pass(seen, walk, movie)? {
            self.further = self.further.saturating_sub(1);
        }
        if let (Some(track), Some(at), None) = (movie.track(self.track), self.at, &self.route) {
            self.set_out(movie, track, at);
        }
        if !self.is_indexed && !self.knows_end {
            while self.next < self.view.visible && self.pass(seen, walk, movie)? {}
            let window = ByteRange::new(self.next, self.next.saturating_add(self.window()));
            let wanted = self.route.as_ref().map(|_| (self.track, self.wanted));
            let soon = self.tail.look(seen, self.fragment_bytes(), wanted, window)?;
            self.soon.extend(soon);
            if self.links_ahead() <= NEAR {
                self.follow(seen, walk, movie)?;
            }
            self.find_end(seen, walk, movie)?;
        }
        self.turn_to_half(movie);
        self.follow(seen, walk, movie)?;
        if self.next > self.view.visible {
            self.view.visible = self.next;
            let shift = movie.track(self.track).map_or(0, Track::shift);
            self.view.hidden_from = self.last.map(|link| (self.track, link.end.saturating_add(shift)));
        }
        let mut ranges = self.route.clone().map(Route::into_ranges).unwrap_or_default();
        ranges.extend(self.end_of_index(seen));
        Ok(Plan { ranges, only: true })
    }

    /// Looks at the first fragments, until it is known when each track begins.
    fn begin(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<(), Pause> {
        while !self.has_begun {
            let are_seen = movie.media().all(|track| self.span(track.id).is_some());
            self.has_begun = self.count > 0 && (are_seen || self.count >= MAX_FIRST_FRAGMENTS);
            if !self.has_begun && !self.pass(seen, walk, movie)? {
                // Without any fragment, libavformat has the last word.
                self.has_begun = self.last.is_some();
                self.last.ok_or(Pause::Unknown)?;
            }
        }
        if self.view.beginning > 0 {
            return Ok(());
        }
        if let Some(index) = self.indexes.iter().find(|index| index.is_adjacent) {
            self.is_indexed = covers_file(index, seen)?;
        }
        self.view = View::whole(if self.is_indexed { seen.size() } else { self.next });
        let start = |span: &Span| {
            let shift = movie.track(span.track)?.shift();
            Some((span.track, span.start.checked_add(shift)?))
        };
        // Where some samples are presented before they are decoded, libavformat moves all times by what it has seen of that so
        // far; it is asked then.
        self.view.starts = self.spans.iter().filter(|span| span.least >= 0).filter_map(start).collect();
        Ok(())
    }

    fn span(&self, track: u32) -> Option<&Span> {
        self.spans.iter().find(|span| span.track == track)
    }

    /// Returns when pictures and sound begin and end in what has been seen, in microseconds.
    fn ends(&self, movie: &Movie) -> (i64, i64) {
        let on_clock = |span: &Span| {
            let track = movie.media().find(|track| track.id == span.track)?;
            let microseconds = |ticks| rescale(track.presented(ticks), MICROSECONDS, track.timescale);
            Some((microseconds(span.start), microseconds(span.end)))
        };
        let ends = self.spans.iter().filter_map(on_clock);
        let ends = ends.reduce(|(start, end), (other, other_end)| (start.min(other), end.max(other_end)));
        ends.unwrap_or_default()
    }

    /// Begins the way to the frame at `at`: at the last fragment whose keyframe comes before it, or where an index says.
    fn set_out(&mut self, movie: &Movie, track: &Track, at: i64) {
        let pts = rescale(self.ends(movie).0.saturating_add(at), track.timescale, MICROSECONDS);
        self.wanted = pts.saturating_sub(track.shift());
        self.route = Some(Route::new(self.wanted));
        let known = self.entries.iter().rfind(|(entry, _)| *entry <= self.wanted);
        let known = known.map_or(self.first, |(_, offset)| *offset);
        (self.next, self.open) =
            (if self.is_indexed { self.look_up(track).unwrap_or(known) } else { known }, None);
    }

    /// Returns where the fragment begins that the index names for the wanted time, and requests what is likely to be needed of it.
    fn look_up(&mut self, track: &Track) -> Option<u64> {
        let own = self.indexes.iter().find(|index| index.track_id == track.id);
        let index = own.or(self.indexes.first())?;
        let wanted = u64::try_from(rescale(self.wanted, index.timescale, track.timescale)).unwrap_or(0);
        let place = index.entries.partition_point(|entry| entry.start <= wanted).saturating_sub(1);
        let entry = index.entries.get(place)?;
        let (bytes, ticks) = (u64::from(entry.size), u64::from(entry.duration).max(1));
        let part = part_of_gop(bytes, wanted.saturating_sub(entry.start), ticks);
        let header = self.last.as_ref().map_or(FIRST_MOOF_BYTES, Link::header_bytes);
        let guess = header.saturating_add(part).min(bytes);
        self.soon = vec![ByteRange::new(entry.offset, entry.offset.saturating_add(guess))];
        self.cancels = true;
        Some(entry.offset)
    }

    /// Returns where libavformat looks for the length of an `mfra` behind the fragments that an index names.
    fn end_of_index(&self, seen: &dyn Bytes) -> Option<ByteRange> {
        let is_short = self.indexes.iter().any(|index| index.end_offset < seen.size());
        (self.is_indexed && is_short).then(|| ByteRange::new(seen.size().saturating_sub(4), seen.size()))
    }

    /// Looks for half of the duration if the track is known to end before the wanted time.
    fn turn_to_half(&mut self, movie: &Movie) {
        let Some((track, span)) = movie.track(self.track).zip(self.span(self.track)) else { return };
        if self.knows_end && !self.is_half && self.route.is_some() && span.last < self.wanted {
            let (start, end) = self.ends(movie);
            self.set_out(movie, track, end.saturating_sub(start) >> 1);
            self.is_half = true;
        }
    }

    /// Passes fragments until no frame that follows can be earlier than the one found.
    fn follow(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<(), Pause> {
        while self.route.as_ref().is_some_and(|route| !route.is_complete()) && self.pass(seen, walk, movie)? {
        }
        Ok(())
    }

    /// Looks at the next fragment up to the end of its media data; `false` at the end of the file.
    fn pass(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<bool, Pause> {
        while self.next < seen.size() {
            let window = ByteRange::new(self.next, self.next.saturating_add(self.window()));
            let soon = if self.open.is_none() { &[window][..] } else { &[] };
            let header = parse_header(seen.bytes_beside(self.next, 16, soon)?).ok_or(Pause::Unknown)?;
            if &header.kind == b"moof" {
                // Without media data between two fragments, they lie elsewhere.
                if self.open.is_some() {
                    break;
                }
                self.open = Some(self.read_link(seen, walk, movie)?);
            }
            self.next = self.next.saturating_add(header.size.unwrap_or(u64::MAX)).min(seen.size());
            if &header.kind == b"mdat" && self.open.is_some() {
                break;
            }
        }
        let Some(link) = self.open.take() else { return Ok(false) };
        self.last = Some(Link { bytes: self.next.saturating_sub(link.offset), ..link });
        Ok(true)
    }

    /// Reads the fragment whose header begins at `next`.
    fn read_link(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<Link, Pause> {
        let offset = self.next;
        let (parts, moof_bytes) = fragment_at(seen, movie, offset)?;
        if self.note(seen, walk, offset, &parts)? {
            self.count = self.count.saturating_add(1);
        }
        let before = self.last.map_or(0, |link| link.end);
        let mut link = Link { offset, moof_bytes, bytes: 0, begin: before, end: before };
        for part in parts.iter().filter(|part| part.track_id == self.track) {
            link.begin = part.samples.first().map_or(link.begin, |sample| sample.dts);
            link.end = part.end_dts;
            let key = part.samples.iter().find(|sample| sample.is_sync);
            if let Some(key) = key.filter(|_| self.entries.last().is_none_or(|(_, last)| *last < offset)) {
                self.entries.push((key.cts, offset));
            }
            if let Some(route) = &mut self.route {
                part.samples.iter().for_each(|sample| route.add(sample));
                route.close(part.end_dts);
            }
        }
        Ok(link)
    }

    /// Takes what the fragment at `offset` shows of each track, and adds up what it declares. Returns whether it is a new one.
    fn note(
        &mut self,
        seen: &dyn Bytes,
        walk: &mut Walk,
        offset: u64,
        parts: &[TrackFragment],
    ) -> Result<bool, Pause> {
        let is_new = offset >= self.counted;
        if is_new {
            walk.count(moof_at(seen, offset)?)?;
            self.counted = offset.saturating_add(1);
        }
        for part in parts {
            let Some(first) = part.samples.first() else { continue };
            if self.span(part.track_id).is_none() {
                let (track, start) = (part.track_id, first.cts);
                self.spans.push(Span { track, start, least: i64::MAX, last: start, end: part.end_dts });
            }
            for span in self.spans.iter_mut().filter(|span| span.track == part.track_id) {
                let ahead = part.samples.iter().map(|sample| sample.cts.saturating_sub(sample.dts));
                span.least = ahead.min().unwrap_or(0).min(span.least);
                span.last = part.samples.iter().map(|sample| sample.cts).max().unwrap_or(0).max(span.last);
                span.end = span.end.max(part.end_dts);
            }
        }
        Ok(is_new)
    }

    /// Returns the size of the first fragments.
    const fn fragment_bytes(&self) -> u64 {
        self.view.beginning.saturating_sub(self.first)
    }

    /// Estimates how many fragments lie between what has been seen and the one with the wanted frame.
    fn links_ahead(&self) -> u64 {
        let ahead = |link: Link| self.wanted.saturating_sub(link.end).checked_div(link.ticks());
        self.last.and_then(ahead).and_then(|links| u64::try_from(links).ok()).unwrap_or(0)
    }

    /// How much to request at the next fragment: its header, or all up to where the wanted frame is likely to be.
    fn window(&self) -> u64 {
        let Some(last) = self.last.filter(|_| self.route.is_some()) else { return FIRST_MOOF_BYTES };
        let (links, header) = (self.links_ahead(), last.header_bytes());
        if self.is_indexed || (links > 0 && last.bytes > READ_THROUGH) {
            return header;
        }
        let ahead = self.wanted.saturating_sub(last.end).checked_rem(last.ticks());
        let ahead = ahead.and_then(|ahead| u64::try_from(ahead).ok()).unwrap_or(0);
        let part = part_of_gop(last.bytes, ahead, last.ticks().unsigned_abs());
        links.saturating_mul(last.bytes).saturating_add(header).saturating_add(part)
    }

    /// Learns from the last fragments where tracks end.
    fn find_end(&mut self, seen: &dyn Bytes, walk: &mut Walk, movie: &Movie) -> Result<(), Pause> {
        // On their way while the end is looked for.
        self.soon.extend(self.route.clone().map(Route::into_ranges).unwrap_or_default());
        let last = self.tail.finish(seen, self.fragment_bytes())?.to_vec();
        for &offset in &last {
            let (parts, _) = fragment_at(seen, movie, offset)?;
            self.note(seen, walk, offset, &parts)?;
        }
        self.view.ends = self.spans.iter().map(|span| (span.track, span.end)).collect();
        if let (Some(&offset), false) = (last.last(), self.indexes.is_empty()) {
            self.view.ends =
                ends_by_index(seen, movie, offset)?.unwrap_or(std::mem::take(&mut self.view.ends));
        }
        let last_shown = |span: &Span| {
            let shift = movie.track(span.track)?.shift();
            // libavformat moves presentation times until none is before its decoding time.
            Some((span.track, span.last.saturating_add(shift).saturating_sub(span.least.min(0))))
        };
        self.view.last = self.spans.iter().filter_map(last_shown).collect();
        self.knows_end = true;
        Ok(())
    }
}

impl Link {
    /// About how long the header of a fragment like this one is.
    const fn header_bytes(&self) -> u64 {
        self.moof_bytes.saturating_add(self.moof_bytes >> 2).saturating_add(1 << 10)
    }

    /// How long the track lasts here; not 0.
    fn ticks(&self) -> i64 {
        self.end.saturating_sub(self.begin).max(1)
    }
}

/// Returns the bytes of the `moof` box at `offset`.
fn moof_at(seen: &dyn Bytes, offset: u64) -> Result<&[u8], Pause> {
    let header = parse_header(seen.bytes(offset, 16)?).filter(|header| &header.kind == b"moof");
    let bytes = header.ok_or(Pause::Unknown)?.size.unwrap_or(u64::MAX);
    if bytes > MAX_MOOV_BYTES { Err(Pause::Unknown) } else { seen.bytes(offset, bytes) }
}

/// Reads the tracks of the fragment at `offset`, and returns how long its header is.
fn fragment_at(seen: &dyn Bytes, movie: &Movie, offset: u64) -> Result<(Vec<TrackFragment>, u64), Pause> {
    let moof = moof_at(seen, offset)?;
    let parts = read_fragment(moof, offset, movie).ok_or(Pause::Unknown)?;
    Ok((parts, moof.len() as u64))
}

/// Whether an index covers the fragments up to the end of the file, but for an `mfra`, as libavformat asks of it.
fn covers_file(index: &SegmentIndex, seen: &dyn Bytes) -> Result<bool, Pause> {
    let Some(rest) = seen.size().checked_sub(index.end_offset) else { return Ok(false) };
    let header = parse_header(seen.bytes(index.end_offset, 16)?);
    let is_mfra = header.is_some_and(|header| &header.kind == b"mfra" && header.size == Some(rest));
    Ok(rest == 0 || is_mfra)
}

/// Returns the ends of tracks by the indexes right before the last fragment, at `offset`: where they lead to the end of the
/// file, libavformat does not look at that fragment any more.
fn ends_by_index(seen: &dyn Bytes, movie: &Movie, offset: u64) -> Result<Option<Vec<(u32, i64)>>, Pause> {
    let start = offset.saturating_sub(INDEX_WINDOW);
    let mut rest = seen.bytes(start, offset.saturating_sub(start))?;
    let mut found = Vec::new();
    for at in (0..rest.len()).rev() {
        let Some((before, sidx)) = rest.split_at_checked(at) else { continue };
        let size = be32(sidx, 0).and_then(|size| usize::try_from(size).ok());
        if size == Some(sidx.len()) {
            found.extend(parse_sidx(sidx, start.saturating_add(at as u64)));
            rest = before;
        }
    }
    // The first in the file comes last.
    let Some(first) = found.last() else { return Ok(None) };
    if !covers_file(first, seen)? {
        return Ok(None);
    }
    let end_of = |track: &Track| {
        // Tracks without an index of their own end with the first that has one.
        let index = found.iter().rfind(|index| index.track_id == track.id).unwrap_or(first);
        let end = i64::try_from(index.end).unwrap_or(i64::MAX);
        let is_own = index.track_id == track.id;
        (track.id, if is_own { end } else { rescale(end, track.timescale, index.timescale) })
    };
    Ok(Some(movie.tracks.iter().map(end_of).collect()))
}

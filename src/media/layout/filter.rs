//! The filter between the headers of an MP4 and libav. It adds up the declarations of tables before libav allocates memory for them, and
//! determines the boxes to hide from libav. Like a [`View`](super::view::View), it changes the input of libav, so it is not part of a plan.
//!
//! Tables cost libav memory in proportion to their declarations, not to the size of the file: an 8 KB file with 16 tracks of 5 million
//! constant-size samples took 2.9 GB and 5 s inside libav.

mod allowed;
mod compressed;
mod descriptions;
mod edits;
mod items;

use std::collections::BTreeSet;
use std::mem;

use crate::limits::{Limit, Limits};
use crate::media::layout::boxes::{Fields, Part, be32, find, parts, read_clock};
use crate::media::layout::planner::Pause;
use crate::media::layout::protection::protected_entry;
use crate::media::parser_work::ParserWork;
use crate::source::ByteRange;
use allowed::{is_allowed, is_parent, is_read_in_vain};
use edits::Tables;

/// Maximum nesting of boxes. The sample tables are at depth 5, and libavformat stops at depth 10.
const MAX_DEPTH: u32 = 12;
/// The work of a box in addition to its bytes.
const BOX_WORK: u64 = 16;
/// Size of a box without content in bytes.
const EMPTY_BOX: usize = 8;
/// Maximum number of tags that are visible to libavformat: it compares each tag with all earlier ones.
const MAX_TAGS: u64 = 1024;
/// Maximum number of fragment defaults that are visible to libavformat: it searches them for each part of a fragment.
const MAX_DEFAULTS: u64 = 1024;
/// A box that should be hidden, but lies where no other box can replace it, counts as this part of all boxes.
const OUT_OF_REACH: u64 = 64;
/// Entries that a fragment and an entry of its index cost for each track, and entries that a sample with its own vector costs.
const FRAGMENT_ENTRIES: u64 = 2;
const VECTOR_ENTRIES: u64 = 4;

/// Walks boxes at any position, like libavformat, not only where the specification puts them. Adds up the declarations of tables, and
/// collects the boxes to hide from libav. The content of a sample description is searched rather than walked.
#[derive(Debug, Default, Clone)]
pub(super) struct HeaderFilter {
    limits: Limits,
    /// Starts of the boxes at the top level that have been counted.
    counted: BTreeSet<u64>,
    /// Fragments without boxes have been counted up to this offset.
    empty_to: u64,
    /// Entries of all tables, and the size of their bytes in the file.
    entries: u64,
    backed: u64,
    tracks: u64,
    boxes: u64,
    tags: u64,
    defaults: u64,
    /// Sizes of compressed movies, packed and unpacked.
    unpacked: u64,
    /// The tracks whose samples are encrypted.
    encrypted: BTreeSet<u32>,
    movie_timescale: u32,
    /// Ranges to hide that were found and not taken yet.
    hidden: Vec<ByteRange>,
}

/// The position of boxes.
#[derive(Clone, Copy)]
struct Place {
    /// The offset in the file; `None` in an unpacked movie.
    offset: Option<u64>,
    depth: u32,
    /// Whether unknown names are tags.
    in_tags: bool,
    is_encrypted: bool,
}

impl Place {
    fn within(self, part: &Part<'_>) -> Self {
        let start = part.content_start as u64;
        Self {
            offset: self.offset.map(|offset| offset.saturating_add(start)),
            depth: self.depth.saturating_add(1),
            in_tags: false,
            ..self
        }
    }

    /// Returns the position in the file of a part of the content.
    fn range(self, start: usize, end: usize) -> Option<ByteRange> {
        let offset = self.offset?;
        Some(ByteRange::new(offset.saturating_add(start as u64), offset.saturating_add(end as u64)))
    }
}

impl HeaderFilter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: *limits, ..Self::default() }
    }

    /// Takes the parts of the file to hide from libav.
    pub(super) fn take_hidden(&mut self) -> Vec<ByteRange> {
        mem::take(&mut self.hidden)
    }

    /// Adds up the declarations of the boxes at `offset`, once, and rejects excessive ones.
    ///
    /// # Errors
    /// [`Pause::Limit`] and [`Pause::Stopped`].
    pub(super) fn count(&mut self, offset: u64, bytes: &[u8], work: &ParserWork) -> Result<(), Pause> {
        if self.counted.insert(offset) {
            if bytes.get(4..8) == Some(b"moof") {
                let per_fragment = self.tracks.saturating_add(1).saturating_mul(FRAGMENT_ENTRIES);
                self.add(per_fragment, bytes.len());
                self.boxes = 0;
            }
            let place = Place { offset: Some(offset), depth: 0, in_tags: false, is_encrypted: false };
            self.walk(bytes, place, &mut Tables::default(), work)?;
        }
        self.check()
    }

    /// Adds up the declarations of a segment index at the top level, from its first bytes. libavformat reserves space for each track of
    /// each entry.
    ///
    /// # Errors
    /// [`Pause::Limit`].
    pub(super) fn count_index(&mut self, offset: u64, sidx: &[u8], header_bytes: u64) -> Result<(), Pause> {
        if self.counted.insert(offset) {
            let content = usize::try_from(header_bytes).ok().and_then(|header| sidx.get(header..));
            self.add_index(content.unwrap_or_default());
        }
        self.check()
    }

    /// Adds up the cost of a fragment without any box, once: libavformat reserves space for each track of this fragment, too.
    ///
    /// # Errors
    /// [`Pause::Limit`].
    pub(super) fn count_empty_fragment(&mut self, offset: u64) -> Result<(), Pause> {
        if offset < self.empty_to {
            return Ok(());
        }
        self.empty_to = offset.saturating_add(1);
        self.add(self.tracks.saturating_add(1).saturating_mul(FRAGMENT_ENTRIES), EMPTY_BOX);
        self.check()
    }

    /// Hides a box at the top level that libavformat would read in vain.
    pub(super) fn pass_over(&mut self, kind: [u8; 4], range: ByteRange) {
        if is_read_in_vain(kind) && !matches!(&kind, b"free" | b"wide" | b"uuid") {
            self.hidden.push(range);
        }
    }

    /// Counts a box at the top level.
    pub(super) const fn check_boxes(&self, boxes: u64) -> Result<(), Pause> {
        let allowed = self.limits.max_boxes;
        if boxes > allowed { Err(Pause::Limit { limit: Limit::MaxBoxes, allowed }) } else { Ok(()) }
    }

    pub(super) const fn too_many_entries(&self) -> Pause {
        Pause::Limit { limit: Limit::MaxIndexEntries, allowed: self.limits.max_index_entries }
    }

    fn check(&self) -> Result<(), Pause> {
        let (most, allowed) = (self.limits.max_index_entries, u64::from(self.limits.max_streams));
        // Entries without bytes of their own cost the author of the file nothing.
        if self.entries > most || self.entries > (most >> 2).saturating_add(self.backed) {
            return Err(self.too_many_entries());
        }
        let is_allowed = self.tracks <= allowed;
        if is_allowed { Ok(()) } else { Err(Pause::Limit { limit: Limit::MaxStreams, allowed }) }
    }

    /// Adds entries, and the bytes that declare them.
    const fn add(&mut self, entries: u64, bytes: usize) {
        self.entries = self.entries.saturating_add(entries);
        self.backed = self.backed.saturating_add(bytes as u64);
    }

    fn add_out_of_reach(&mut self) {
        let boxes = self.limits.max_boxes.checked_div(OUT_OF_REACH).unwrap_or(0).max(1);
        self.boxes = self.boxes.saturating_add(boxes);
    }

    fn walk<'b>(
        &mut self,
        bytes: &'b [u8],
        place: Place,
        tables: &mut Tables<'b>,
        work: &ParserWork,
    ) -> Result<(), Pause> {
        if place.depth > MAX_DEPTH {
            return Ok(());
        }
        // Consecutive hidden boxes are hidden as one range.
        let mut hidden: Option<(usize, usize)> = None;
        for part in parts(bytes) {
            work.spend(BOX_WORK)?;
            self.boxes = self.boxes.saturating_add(1);
            self.check_boxes(self.boxes)?;
            if self.is_shown(&part, place) {
                self.hide(place, hidden.take())?;
                self.declare(&part, tables);
                self.enter(&part, place, tables, work)?;
            } else {
                let is_harmless = place.offset.is_some()
                    || !matches!(&part.kind, b"pssh" | b"senc" | b"saiz" | b"saio" | b"chpl");
                if !is_harmless {
                    self.add_out_of_reach();
                }
                hidden = Some((hidden.map_or(part.start, |(start, _)| start), part.end));
            }
        }
        self.hide(place, hidden)?;
        self.check_boxes(self.boxes)
    }

    fn hide(&mut self, place: Place, run: Option<(usize, usize)>) -> Result<(), Pause> {
        self.hidden.extend(run.and_then(|(start, end)| place.range(start, end)));
        // A visible box follows each of them.
        self.check_boxes(self.hidden.len() as u64)
    }

    /// Returns whether a box is visible to libavformat. Boxes that libavformat compares with all earlier ones are visible up to a maximum
    /// number.
    fn is_shown(&mut self, part: &Part<'_>, place: Place) -> bool {
        // At the top level, the walk over the file decides.
        if place.depth == 0 {
            return true;
        }
        let kind = part.kind;
        if !is_allowed(kind, place.in_tags, place.is_encrypted) {
            // In an unpacked movie, libavformat reads a deleted `moov`.
            return place.offset.is_none() && matches!(&kind, b"free" | b"hoov") && hides_moov(part.content);
        }
        let (count, most) = match &kind {
            // libavformat searches the box for the handler, and finds none.
            b"meta" => return start_in_meta(part.content).is_some(),
            // libavformat searches its streams for each number, and logs the numbers that it does not find.
            b"chap" => return part.content.len() as u64 >> 2 <= u64::from(self.limits.max_streams),
            b"trex" => (&mut self.defaults, MAX_DEFAULTS),
            b"kind" | b"----" => (&mut self.tags, MAX_TAGS),
            _ if place.in_tags && !is_parent(kind) => (&mut self.tags, MAX_TAGS),
            _ => return true,
        };
        *count = count.saturating_add(1);
        *count <= most
    }

    /// Records the declarations of a table.
    fn declare<'b>(&mut self, part: &Part<'b>, tables: &mut Tables<'b>) {
        let content = part.content;
        // A full box has version and flags in four bytes, and then the count. In stsz, the common sample size comes between.
        let count = |at: usize| be32(content, at).map_or(0, u64::from);
        let bytes = content.len();
        match &part.kind {
            b"stsz" | b"stz2" => {
                // The samples are counted with the track. Where their sizes differ, each size takes an eighth of an entry.
                tables.samples = tables.samples.max(count(8));
                let sizes = if count(4) == 0 || &part.kind == b"stz2" { count(8) >> 3 } else { 0 };
                self.add(sizes, bytes);
            }
            b"mdhd" => {
                // libavformat reads the bytes after a short box.
                tables.is_doubtful |= content.len() < if content.first() == Some(&1) { 24 } else { 16 };
                tables.timescale = read_clock(content).0;
            }
            b"mvhd" => self.movie_timescale = read_clock(content).0,
            b"hdlr" => {
                if let Some(handler) = content.get(8..).and_then(|rest| rest.first_chunk()) {
                    tables.take_handler(*handler);
                }
            }
            b"elst" | b"stsd" => tables.take(part.kind, content),
            // libavformat ends the parent of such a box, or the track.
            b"moov" | b"trak" | b"cmov" | b"mdat" => tables.is_doubtful = true,
            // Groups count samples, which libavformat walks one by one.
            b"sbgp" => {
                let at = if content.first() == Some(&1) { 12 } else { 8 };
                let declared = count(at);
                let runs = content.get(at.saturating_add(4)..).unwrap_or_default().chunks_exact(8);
                let samples =
                    runs.take(usize::try_from(declared).unwrap_or(usize::MAX)).filter_map(|run| be32(run, 0));
                let walked = if content.get(4..8) == Some(b"sync") {
                    samples.map(u64::from).fold(0, u64::saturating_add)
                } else {
                    0
                };
                self.add(declared.max(walked), bytes);
            }
            b"stts" | b"ctts" | b"stsc" | b"stco" | b"co64" | b"stss" | b"stps" | b"keys" => {
                if matches!(&part.kind, b"stco" | b"co64") && tables.chunks == 0 {
                    tables.chunks = count(4);
                }
                tables.take(part.kind, content);
                self.add(count(4), bytes);
            }
            b"trun" => self.add(count(4), bytes),
            b"senc" => self.add(count(4).saturating_mul(VECTOR_ENTRIES), bytes),
            // The count comes after the type and parameter of the described data, if present. In saiz, a common size comes between.
            b"saiz" | b"saio" => {
                let behind = if content.get(3).is_some_and(|flags| flags & 1 != 0) { 8 } else { 0 };
                let declared = match &part.kind {
                    b"saiz" => count(5_usize.saturating_add(behind)) >> 5,
                    _ => count(4_usize.saturating_add(behind)),
                };
                self.add(declared, bytes);
            }
            b"sidx" => self.add_index(content),
            _ => {}
        }
    }

    fn add_index(&mut self, sidx: &[u8]) {
        let read = || {
            let mut fields = Fields::new(sidx)?;
            let _track_and_clock = (fields.take()?, fields.take()?);
            let _start_and_place = (fields.take_wide()?, fields.take_wide()?);
            Some(fields.take()? & 0xffff)
        };
        let entries = u64::from(read().unwrap_or(0));
        let per_entry = self.tracks.saturating_add(1).saturating_mul(FRAGMENT_ENTRIES);
        self.entries = self.entries.saturating_add(entries.saturating_mul(per_entry));
        self.backed = self.backed.saturating_add(entries.saturating_mul(12));
    }

    /// Walks the content of a box, if the box can contain tables.
    fn enter<'b>(
        &mut self,
        part: &Part<'b>,
        place: Place,
        tables: &mut Tables<'b>,
        work: &ParserWork,
    ) -> Result<(), Pause> {
        let (content, mut inner) = (part.content, place.within(part));
        match &part.kind {
            b"trak" => {
                self.tracks = self.tracks.saturating_add(1);
                let stsd = find(content, &[b"mdia", b"minf", b"stbl", b"stsd"]).unwrap_or_default();
                inner.is_encrypted = protected_entry(stsd).is_some();
                let tkhd = find(content, &[b"tkhd"]).unwrap_or_default();
                let id = be32(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 });
                self.encrypted.extend(id.filter(|_| inner.is_encrypted));
                // The search passes over the boxes of each level once more.
                work.spend(content.len() as u64 >> 3)?;
                let mut own = Tables::default();
                self.walk(content, inner, &mut own, work)?;
                let (samples, edited) = own.entries(self.movie_timescale);
                self.add(samples.saturating_add(edited), 0);
                work.spend(
                    (own.stts.len() as u64)
                        .saturating_add(own.ctts.len() as u64)
                        .saturating_add(own.stss.len() as u64),
                )
                .map_err(Pause::from)
            }
            b"traf" => {
                let id = find(content, &[b"tfhd"]).and_then(|tfhd| be32(tfhd, 4));
                inner.is_encrypted = id.is_some_and(|id| self.encrypted.contains(&id));
                self.walk(content, inner, tables, work)
            }
            b"udta" | b"ilst" => {
                inner.in_tags = true;
                self.walk(content, inner, tables, work)
            }
            b"meta" => {
                let Some(start) = start_in_meta(content) else { return Ok(()) };
                work.spend(start as u64)?;
                inner.offset = inner.offset.map(|offset| offset.saturating_add(start as u64));
                let boxes = content.get(start..).unwrap_or_default();
                self.walk(boxes, inner, tables, work)?;
                self.count_items(boxes, inner, work)
            }
            b"free" | b"hoov" if hides_moov(content) => self.walk(content, inner, tables, work),
            b"stsd" => self.scan(content, inner, work),
            b"cmvd" => self.unpack_and_walk(content, inner, work),
            kind if is_parent(*kind) => self.walk(content, inner, tables, work),
            _ => Ok(()),
        }
    }
}

/// Returns the start of the boxes in a `meta`: after four bytes, or at once. libavformat searches for the box named hdlr in steps of four
/// bytes. Returns `None` when it finds none.
fn start_in_meta(content: &[u8]) -> Option<usize> {
    let names = content.get(..content.len().saturating_sub(4)).unwrap_or_default();
    let at = names.chunks_exact(4).position(|name| name == b"hdlr")?;
    at.checked_sub(1).map(|at| at.saturating_mul(4))
}

/// Returns whether libavformat reads the content of a box with this name at the top level. Padding counts when it hides a `moov`, which
/// its first bytes reveal: `start` reads these bytes.
pub(super) fn is_looked_into<'b>(
    kind: [u8; 4],
    start: impl FnOnce() -> Result<&'b [u8], Pause>,
) -> Result<bool, Pause> {
    let is_padding = matches!(&kind, b"free" | b"hoov");
    Ok(is_parent(kind)
        || matches!(&kind, b"stsd" | b"stsz" | b"trun")
        || (is_padding && hides_moov(start()?)))
}

/// Returns whether padding is a deleted `moov`: libavformat reads it all the same.
fn hides_moov(content: &[u8]) -> bool {
    matches!(content.get(4..8), Some(b"mvhd" | b"cmov"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::media::hidden::{Hidden, Syntax};
    use crate::media::layout::boxes::contents;
    use crate::media::layout::test_tables::*;

    fn count(bytes: &[u8], limits: &Limits) -> (Result<(), Pause>, HeaderFilter) {
        let mut counter = HeaderFilter::new(limits);
        (counter.count(1000, bytes, &ParserWork::default()), counter)
    }

    fn counted(bytes: &[u8]) -> (u64, u64) {
        let (_, counter) = count(bytes, &Limits::default());
        (counter.entries, counter.tracks)
    }

    fn is_refused(bytes: &[u8], limit: Limit) -> bool {
        matches!(count(bytes, &Limits::default()).0, Err(Pause::Limit { limit: found, .. }) if found == limit)
    }

    /// Returns the parts of a box at 1000 that are visible to libavformat, and the hidden parts.
    fn shown(bytes: &[u8]) -> (Vec<u8>, Vec<ByteRange>) {
        let (result, mut counter) = count(bytes, &Limits::default());
        assert_eq!(result, Ok(()));
        let parts = counter.take_hidden();
        let mut hidden = Hidden::new(Syntax::Boxes);
        hidden.hide(parts.clone());
        let mut shown = bytes.to_vec();
        hidden.cover(1000, &mut shown);
        (shown, parts)
    }

    fn nested(content: Vec<u8>) -> Vec<u8> {
        let path = [b"stbl", b"minf", b"mdia", b"trak", b"moov"];
        path.into_iter().fold(content, |content, kind| boxed(kind, &[content]))
    }

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let declared = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        let mut packer = flate2::write::ZlibEncoder::new(declared, flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        boxed(b"moov", &[boxed(b"cmov", &[boxed(b"cmvd", &[packer.finish().unwrap()])])])
    }

    #[test]
    fn entries_are_added_up_at_any_position() {
        let tables =
            [table(b"stts", 2, &[3, 1]), full(b"stsz", 0, &[1, 7]), table(b"stco", 1, &[1, 2, 3])].concat();
        let moov = nested(tables.clone());
        assert_eq!(counted(&moov), (11, 1));
        assert_eq!(counted(&boxed(b"trak", std::slice::from_ref(&tables))), (11, 1));
        let hidden = boxed(b"free", &[full(b"mvhd", 0, &[0]), moov.clone()]);
        assert_eq!(counted(&hidden), (11, 1));
        assert_eq!(counted(&boxed(b"free", std::slice::from_ref(&moov))), (0, 0));
        // With a header of four bytes, and without one.
        let named = [full(b"hdlr", 0, &[0; 5]), moov].concat();
        assert_eq!(counted(&boxed(b"meta", &[vec![0; 4], named.clone()])), (11, 1));
        assert_eq!(counted(&boxed(b"meta", &[named])), (11, 1));
    }

    #[test]
    fn repeated_names_take_linear_time() {
        let (short, long) = (1 << 16, 1 << 18);
        let cost = |bytes: &[u8]| {
            let mut work = ParserWork::default();
            work.begin(u64::MAX, crate::deadline::Deadline::new(std::time::Duration::from_secs(60), None));
            let _ = HeaderFilter::default().count(0, bytes, &work);
            work.spent()
        };
        for name in [b"meta", b"stsd", b"cmvd", b"hdlr", b"pssh"] {
            for parent in [b"stsd", b"meta", b"moov"] {
                let file = |size: usize| boxed(b"moov", &[boxed(parent, &[name.repeat(size / 4)])]);
                assert!(cost(&file(long)) <= 5 * cost(&file(short)).max(1 << 10), "{name:?} in {parent:?}");
            }
        }
        let metas = |size: usize| {
            let (mut inner, hdlr) = (Vec::new(), full(b"hdlr", 0, &[0; 5]));
            for _ in 0..8 {
                inner = boxed(b"meta", &[vec![0; size / 8], hdlr.clone(), inner]);
            }
            boxed(b"moov", &[inner])
        };
        assert!(cost(&metas(long)) <= 5 * cost(&metas(short)));
    }

    #[test]
    fn too_many_boxes_are_rejected() {
        let limits = Limits { max_boxes: 100, ..Limits::default() };
        let refused =
            |boxes: usize| count(&boxed(b"moov", &[boxed(b"skip", &[]).repeat(boxes)]), &limits).0.is_err();
        assert!(!refused(99));
        assert!(refused(100));
    }

    #[test]
    fn compressed_movies_are_counted_or_rejected() {
        assert_eq!(counted(&pack(&table(b"stco", 1, &[1, 2, 3]))), (3, 0));
        // Deleted boxes count there, too.
        let crossed_out = boxed(b"hoov", &[full(b"mvhd", 0, &[0]), nested(table(b"stco", 1, &[1, 2, 3]))]);
        assert_eq!(counted(&pack(&crossed_out)), (3, 1));
        // Boxes to hide after the unpacked part are rejected.
        let most = usize::try_from(Limits::default().max_unpacked_bytes).unwrap();
        assert!(is_refused(&pack(&vec![0; most]), Limit::MaxUnpackedBytes));
        let some = pack(&vec![0; most / 4]);
        assert!(is_refused(&boxed(b"moov", &vec![some; 5]), Limit::MaxUnpackedBytes));
        // libavformat allocates the declared size.
        let declared = boxed(b"cmvd", &[vec![0x7f, 0xff, 0xff, 0xff]]);
        assert!(is_refused(&boxed(b"moov", &[declared]), Limit::MaxUnpackedBytes));
        // Each begins a stream that extends to the end.
        let stored = [&b"cmvd\0\0\0\0\x78\x01"[..], &b"\0\x08\0\xf7\xffcmvd\0\0\0\0".repeat(3)].concat();
        let cost = |streams: usize| {
            let mut work = ParserWork::default();
            work.begin(u64::MAX, crate::deadline::Deadline::new(std::time::Duration::from_secs(60), None));
            let stsd = boxed(b"stsd", &[stored.repeat(streams)]);
            let _ = HeaderFilter::default().count(0, &nested(stsd), &work);
            work.spent()
        };
        assert!(cost(4000) <= 5 * cost(1000));
    }

    #[test]
    fn at_most_a_quarter_of_the_entries_has_no_bytes() {
        let limits = Limits { max_index_entries: 4000, ..Limits::default() };
        let track = |samples| nested(full(b"stsz", 0, &[1, samples]));
        let refused = |bytes: &[u8]| count(bytes, &limits).0.is_err();
        assert!(!refused(&track(1012)));
        assert!(refused(&track(1013)));
        // With bytes of their own.
        let sizes = |samples: u32| {
            let sizes = [0, samples].into_iter().chain((0..samples).map(|_| 7)).collect::<Vec<_>>();
            nested(full(b"stsz", 0, &sizes))
        };
        // A size takes an eighth of an entry.
        assert!(!refused(&sizes(3556)));
        assert!(refused(&sizes(3557)));
    }

    #[test]
    fn products_of_tables_are_counted() {
        // Edits times samples. The last edit reaches from the only keyframe to the end.
        let tables = with(plain_tables(1000), vec![table(b"stss", 1, &[1])]);
        let edits: Vec<[u32; 2]> = (0..50).map(|_| [10_000, 0]).collect();
        let edited = counted(&edited(&edits, tables.clone())).0;
        assert!(edited > 50_000, "{edited}");
        // Short edits, which libavformat reads with other tables where a box ends its track or has no room for its clock.
        let edits: Vec<[u32; 2]> = (0..50).map(|number| [1, number]).collect();
        let (elst, clock) = (elst(&edits), full(b"mdhd", 0, &[0, 0]));
        let with_box = |other: Vec<u8>| {
            let others = vec![elst.clone(), other];
            let track = TestTrack { tables: plain_tables(1000), others, ..TestTrack::default() };
            counted(&moov(&[mvhd(10), track.trak()])).0
        };
        assert!(with_box(boxed(b"free", &[])) < 3000);
        for other in
            [boxed(b"mdat", &[]), boxed(b"moov", &[]), boxed(b"cmov", &[]), boxed(b"trak", &[]), clock]
        {
            assert!(with_box(other) > 50_000);
        }
        let plain = counted(&video(tables)).0;
        assert!(plain < 3000, "{plain}");
        // Fragments, and the entries of their indexes, times tracks.
        let moof = boxed(b"moof", &[full(b"mfhd", 0, &[1])]);
        let sidx = full(b"sidx", 0, &[&[1, 1000, 0, 0, 100][..], &[1; 300]].concat());
        let entries = |tracks: usize| {
            let mut counter = HeaderFilter::default();
            counter
                .count(0, &boxed(b"moov", &vec![boxed(b"trak", &[]); tracks]), &ParserWork::default())
                .unwrap();
            counter.count(10_000, &moof, &ParserWork::default()).unwrap();
            counter.count_index(20_000, &sidx, 8).unwrap();
            counter.entries
        };
        assert_eq!((entries(0), entries(9)), (2 + 200, 20 + 2000));
        // Groups of keyframes times samples, and runs of encrypted samples.
        let group =
            [&b"sync"[..], &[0, 0, 0, 2], &[0, 0, 1, 0, 0, 0, 0, 1], &[0, 0, 2, 0, 0, 0, 0, 0]].concat();
        assert_eq!(counted(&nested(boxed(b"sbgp", &[vec![0; 4], group]))).0, 0x300);
    }

    #[test]
    fn items_are_counted_with_their_searches_and_properties() {
        let hdlr = full(b"hdlr", 0, &[0; 5]);
        let iloc = |items: u32| full(b"iloc", 0, &[0x4400 << 16 | items]);
        let meta = |boxes: &[Vec<u8>]| boxed(b"meta", &[vec![0; 4], hdlr.clone(), boxes.concat()]);
        assert_eq!(counted(&meta(&[iloc(100)])).0, 100 * 100 / 256 + 100);
        assert!(is_refused(&meta(&[iloc(0xffff)]), Limit::MaxIndexEntries));
        // One item that has a property of 64 KiB 200 times.
        let ipco = boxed(b"ipco", &[boxed(b"colr", &[vec![0; 65_528]])]);
        let ipma = boxed(b"ipma", &[vec![0; 4], vec![0, 0, 0, 1], vec![0, 1, 200], vec![1; 200]]);
        let iprp = boxed(b"iprp", &[ipco, ipma]);
        assert_eq!(counted(&meta(&[iprp])).0, 200 * (1024 + 16));
    }

    #[test]
    fn consecutive_unneeded_boxes_are_hidden_as_one_range() {
        let pssh = full(b"pssh", 0, &[1, 2, 3, 4, 0]);
        let unknown = boxed(b"abcd", &[vec![1; 20]]);
        let track = TestTrack { tables: plain_tables(3), ..TestTrack::default() };
        let parts = [mvhd(100), pssh.clone(), unknown.clone(), pssh.clone(), track.trak(), unknown.clone()];
        let (shown, hidden) = shown(&moov(&parts));
        let kinds: Vec<_> = contents(&shown[8..]).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [*b"mvhd", *b"skip", *b"trak", *b"skip"]);
        // libavformat reads the handler's own header in the same way.
        assert_eq!(hidden.len(), 2);
        assert_eq!(hidden[0].len(), (2 * pssh.len() + unknown.len()) as u64);
    }

    #[test]
    fn lists_of_unencrypted_samples_are_visible_in_encrypted_tracks() {
        let senc = || full(b"senc", 0, &[0]);
        let entry = |kind: &[u8; 4]| boxed(b"stsd", &[vec![0; 8], boxed(kind, &[vec![0; 78]])]);
        let track = |kind| {
            let stbl = boxed(b"stbl", &[entry(kind), senc()]);
            let mdia = boxed(b"mdia", &[boxed(b"minf", &[stbl])]);
            boxed(b"trak", &[full(b"tkhd", 0, &[0, 0, u32::from(kind == b"encv") + 1]), mdia])
        };
        let header = boxed(b"moov", &[track(b"avc1"), track(b"encv")]);
        let mut counter = HeaderFilter::default();
        counter.count(0, &header, &ParserWork::default()).unwrap();
        assert_eq!(counter.take_hidden().len(), 1);
        let traf = |id| boxed(b"traf", &[full(b"tfhd", 0, &[id]), senc()]);
        let moof = boxed(b"moof", &[traf(1), traf(2), traf(3)]);
        counter.count(10_000, &moof, &ParserWork::default()).unwrap();
        let hidden = counter.take_hidden();
        assert_eq!(hidden.len(), 2);
        assert!(!hidden.iter().any(|part| {
            part.contains(10_000 + moof.windows(4).rposition(|name| name == b"senc").unwrap() as u64 - 40)
        }));
    }

    #[test]
    fn sample_descriptions_keep_their_own_boxes() {
        let sinf = boxed(b"sinf", &[boxed(b"frma", &[b"avc1".to_vec()]), full(b"schm", 0, &[1, 1])]);
        let config = boxed(b"avcC", &[b"pssh....psshsenc".to_vec()]);
        let pssh = full(b"pssh", 0, &[1, 2, 3, 4, 0]);
        let entry = boxed(b"encv", &[vec![0; 78], config.clone(), pssh, sinf.clone()]);
        let stsd = boxed(b"stsd", &[vec![0, 0, 0, 0, 0, 0, 0, 1], entry]);
        let (shown, hidden) = shown(&nested(stsd));
        assert_eq!(hidden.len(), 1);
        assert!(shown.windows(config.len()).any(|part| part == config));
        assert!(shown.windows(sinf.len()).any(|part| part == sinf));
        assert_eq!(shown.windows(4).filter(|name| *name == b"pssh").count(), 2);
        // Names whose boxes have no end, repeated.
        let many = boxed(b"stsd", &[vec![0; 20], b"\xff\xff\xff\xffpssh".repeat(100)]);
        assert!(is_refused(&nested(many), Limit::MaxBoxes));
    }

    #[test]
    fn tags_are_visible_up_to_a_maximum() {
        let tag = boxed(b"\xa9nam", &[vec![0; 10]]);
        let (shown, hidden) = shown(&moov(&[boxed(b"udta", &[tag.repeat(3000)])]));
        let udta = find(&shown, &[b"moov", b"udta"]).unwrap();
        assert_eq!(contents(udta).filter(|(kind, _)| kind == b"\xa9nam").count(), 1024);
        assert_eq!(hidden.len(), 1);
    }

    #[test]
    fn lists_of_chapter_tracks_are_visible_within_the_stream_limit() {
        for (numbers, is_shown) in [(1, true), (100, true), (101, false), (100_000, false)] {
            let chapters = boxed(b"tref", &[boxed(b"chap", &[vec![1; 4 * numbers]])]);
            let (shown, hidden) = shown(&moov(&[boxed(b"trak", &[chapters])]));
            let chap = find(&shown, &[b"moov", b"trak", b"tref", b"chap"]);
            assert_eq!((chap.is_some(), hidden.is_empty()), (is_shown, is_shown), "{numbers}");
        }
    }

    proptest! {
        /// No byte moves, no allowed box is lost, and no visible box serves decryption.
        #[test]
        fn random_boxes_are_hidden_without_moving_others(
            tree in prop::collection::vec((0..6_u8, prop::sample::select(vec![
                *b"moov", *b"trak", *b"mdia", *b"udta", *b"meta", *b"pssh", *b"stts", *b"free", *b"abcd", *b"chpl", *b"\xa9nam", *b"uuid",
            ]), 0..20_usize), 1..60),
        ) {
            // Each entry closes some of the open boxes, and opens one.
            let mut open: Vec<(Vec<u8>, [u8; 4])> = vec![(Vec::new(), *b"moov")];
            let close = |open: &mut Vec<(Vec<u8>, [u8; 4])>| {
                let (content, kind) = open.pop().unwrap();
                let whole = boxed(&kind, &[content]);
                open.last_mut().unwrap().0.extend(whole);
            };
            for (closes, kind, length) in tree {
                for _ in 0..closes {
                    if open.len() > 1 {
                        close(&mut open);
                    }
                }
                let head = if &kind == b"meta" { full(b"hdlr", 0, &[0; 5]) } else { Vec::new() };
                open.push((head, kind));
                let is_leaf = !is_parent(kind);
                if is_leaf {
                    open.last_mut().unwrap().0.extend(vec![0; length]);
                    close(&mut open);
                }
            }
            while open.len() > 1 {
                close(&mut open);
            }
            let file = boxed(b"moov", &[open.pop().unwrap().0]);
            let (shown, _) = shown(&file);
            prop_assert_eq!(shown.len(), file.len());
            // The allowed boxes of a level, and their contents.
            fn compare(file: &[u8], shown: &[u8], in_tags: bool, depth: u32) -> Result<(), TestCaseError> {
                if depth > MAX_DEPTH {
                    return Ok(());
                }
                let allowed: Vec<_> = parts(file).filter(|part| is_allowed(part.kind, in_tags, false)).collect();
                let found: Vec<_> = parts(shown).filter(|part| &part.kind != b"skip").collect();
                prop_assert_eq!(allowed.len(), found.len());
                for (allowed, found) in allowed.iter().zip(found) {
                    prop_assert_eq!((allowed.kind, allowed.start, allowed.end), (found.kind, found.start, found.end));
                    let start = if &allowed.kind == b"meta" { start_in_meta(allowed.content).unwrap() } else { 0 };
                    if is_parent(allowed.kind) {
                        let in_tags = matches!(&allowed.kind, b"udta" | b"ilst");
                        compare(&allowed.content[start..], &found.content[start..], in_tags, depth + 1)?;
                    } else {
                        prop_assert_eq!(allowed.content, found.content);
                    }
                }
                Ok(())
            }
            compare(&file[8..], &shown[8..], false, 1)?;
        }
    }
}

//! One track of a `moov` (`trak`: ISO/IEC 14496-12, 8.3.1): its headers, its edit list, and the place of its sample tables.

use std::ops::Range;

use super::boxes::{be16, be32, be64, boxes};
use super::movie::read_timescale;
use super::tables::{Samples, Tables};
use crate::media::layout::gop::rescale;

/// How deep boxes may lie in a track; the sample tables are at depth 3.
const MAX_DEPTH: u32 = 8;
/// Chapter tracks that one track refers to, at most.
const MAX_CHAPTER_TRACKS: usize = 16;
/// Edits of one track that are looked at, at most.
const MAX_EDITS: usize = 1024;
/// Samples looked at for one frame, at most: 19 hours of 60 frames a second. A table of constant sizes declares four billion
/// samples in twenty bytes.
const MAX_SAMPLES: usize = 1 << 22;

/// One track.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) id: u32,
    /// The kind of media, such as `vide` (ISO/IEC 14496-12, 8.4.3).
    pub(super) handler: [u8; 4],
    /// Ticks in a second; not 0.
    pub(super) timescale: u32,
    /// Tracks that hold the chapters of this one (`tref`, `chap`).
    pub(super) chapters: Vec<u32>,
    /// Name of the first sample description, such as `avc1`.
    pub(super) format: [u8; 4],
    /// In pixels, by the sample description or else by the track header.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_enabled: bool,
    /// The edit list (ISO/IEC 14496-12, 8.6.6): ticks of the track, and the media time, `None` when nothing is presented.
    edits: Vec<(i64, Option<i64>)>,
    pub(super) tables: Tables,
}

impl Track {
    /// Reads the track whose content lies at `part` of the `moov`.
    pub(super) fn parse(moov: &[u8], part: Range<usize>) -> Self {
        let mut track = Self { timescale: 1, ..Self::default() };
        track.read_boxes(moov, part, 0);
        track
    }

    fn read_boxes(&mut self, moov: &[u8], part: Range<usize>, depth: u32) {
        if depth < MAX_DEPTH {
            for (kind, part) in boxes(moov, part) {
                self.read_box(moov, kind, part, depth);
            }
        }
    }

    fn read_box(&mut self, moov: &[u8], kind: [u8; 4], part: Range<usize>, depth: u32) {
        let content = moov.get(part.clone()).unwrap_or_default();
        let name =
            |at: usize| content.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        match &kind {
            b"mdia" | b"minf" | b"stbl" | b"edts" | b"tref" => {
                self.read_boxes(moov, part, depth.saturating_add(1));
            }
            b"tkhd" => self.read_header(content),
            b"mdhd" => self.timescale = read_timescale(content),
            // QuickTime has a second one, of component type dhlr, that says how data are referred to.
            b"hdlr" if name(4) != *b"dhlr" => self.handler = name(8),
            b"elst" => self.edits = read_edits(content),
            b"chap" => {
                let numbers = content.chunks_exact(4).take(MAX_CHAPTER_TRACKS);
                self.chapters = numbers.filter_map(|number| be32(number, 0)).collect();
            }
            // The first entry, and its picture size if it is one of pictures (ISO/IEC 14496-12, 8.5.2 and 12.1.3).
            b"stsd" => {
                self.format = name(12);
                let size = be16(content, 40)
                    .zip(be16(content, 42))
                    .filter(|&(width, height)| width > 0 && height > 0);
                if let (b"vide", Some((width, height))) = (&self.handler, size) {
                    (self.width, self.height) = (width.into(), height.into());
                }
            }
            _ => self.tables.read(moov, kind, part),
        }
    }

    /// ISO/IEC 14496-12, 8.3.2; the places of the fields behind the times depend on the size of the times.
    fn read_header(&mut self, tkhd: &[u8]) {
        self.is_enabled = be32(tkhd, 0).is_some_and(|flags| flags & 1 != 0);
        let (id, width, height) = if tkhd.first() == Some(&1) { (20, 88, 92) } else { (12, 76, 80) };
        self.id = be32(tkhd, id).unwrap_or(0);
        // A sample description that came before has the last word.
        if self.width == 0 || self.height == 0 {
            self.width = be32(tkhd, width).unwrap_or(0) >> 16;
            self.height = be32(tkhd, height).unwrap_or(0) >> 16;
        }
    }

    /// Puts the edits on the track's clock. The movie's clock has `timescale` ticks a second; without one, libavformat passes over
    /// edits.
    pub(super) fn set_movie_clock(&mut self, timescale: u32) {
        if timescale == 0 {
            self.edits.clear();
        }
        for (ticks, _) in &mut self.edits {
            *ticks = rescale(*ticks, self.timescale, timescale);
        }
    }

    /// Iterates over the samples of the tables in decoding order.
    pub(super) fn samples<'m>(&self, moov: &'m [u8]) -> std::iter::Take<Samples<'m>> {
        self.tables.samples(moov).take(MAX_SAMPLES)
    }

    /// Returns the ticks of empty edits in front, and the media time of the first other edit.
    fn edit(&self) -> (i64, i64) {
        let empty = self.edits.iter().take_while(|(_, media_time)| media_time.is_none());
        let empty = empty.fold(0_i64, |sum, (ticks, _)| sum.saturating_add(*ticks));
        (empty, self.edits.iter().find_map(|(_, media_time)| *media_time).unwrap_or(0))
    }

    /// Returns when the presentation of the track begins, in its ticks; `None` without samples.
    pub(super) fn start(&self, moov: &[u8]) -> Option<i64> {
        let first = self.samples(moov).next()?;
        Some(if self.edits.is_empty() { self.presented(first.cts) } else { self.edit().0 })
    }

    /// Returns how far edits move the samples of fragments, in ticks. libavformat applies empty edits and the media time of the
    /// first other one only.
    pub(super) fn fragment_shift(&self) -> i64 {
        let (empty, media_time) = self.edit();
        empty.saturating_sub(media_time)
    }

    /// Returns when the frame of a fragment with this composition time is presented. Sound in front of the start is for the
    /// decoder only.
    pub(super) fn presented(&self, cts: i64) -> i64 {
        let ticks = cts.saturating_add(self.fragment_shift());
        if &self.handler == b"soun" { ticks.max(0) } else { ticks }
    }

    /// Finds the presentation time `pts` in the media: the composition time there, and how far libavformat searches before it on
    /// the decoding times, both in ticks.
    ///
    /// libavformat moves the earliest frame of an edit, not the edit's own media time, to where the edit begins.
    pub(super) fn media_time(&self, moov: &[u8], pts: i64) -> (i64, i64) {
        let (empty, media_time) = self.edit();
        if self.edits.is_empty() {
            return (pts, 0);
        }
        let least = self.tables.least_offset(moov);
        let mut earliest: Option<(i64, i64)> = None;
        for sample in self.samples(moov) {
            if earliest.is_some_and(|(cts, _)| sample.dts.saturating_add(least) >= cts) {
                break;
            }
            if sample.cts >= media_time {
                let (cts, dts) = earliest.unwrap_or((i64::MAX, sample.dts));
                earliest = Some((cts.min(sample.cts), dts));
            }
        }
        let (cts, dts) = earliest.unwrap_or((media_time, media_time));
        (cts.saturating_add(pts).saturating_sub(empty), cts.saturating_sub(dts))
    }
}

/// Reads as many edits as there is room for, whatever their count says, as libavformat does. Media time -1 presents nothing
/// (ISO/IEC 14496-12, 8.6.6.3).
fn read_edits(elst: &[u8]) -> Vec<(i64, Option<i64>)> {
    let is_long = elst.first() == Some(&1);
    let edit = |entry: &[u8]| {
        let number = |at: usize| be32(entry, at).map(|number| i64::from(number.cast_signed()));
        let long = |at: usize| be64(entry, at).map(u64::cast_signed);
        let (ticks, time) = if is_long { (long(0)?, long(8)?) } else { (number(0)?, number(4)?) };
        Some((ticks.max(0), Some(time).filter(|&time| time >= 0)))
    };
    let entries = elst.get(8..).unwrap_or_default().chunks_exact(if is_long { 20 } else { 12 });
    entries.take(MAX_EDITS).map_while(edit).collect()
}

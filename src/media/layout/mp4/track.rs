//! One track of a `moov` (`trak`: ISO/IEC 14496-12, 8.3.1): its headers, its edit list, and the place of its sample tables.

use std::ops::Range;

use super::boxes::{be16, be32, be64, boxes};
use super::movie::{read_duration, read_timescale};
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
pub(super) const MAX_SAMPLES: usize = 1 << 22;

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
    /// Length by `mdhd` in ticks.
    media_duration: Option<i64>,
    edits: Vec<Edit>,
    pub(super) tables: Tables,
}

/// One entry of an edit list (ISO/IEC 14496-12, 8.6.6).
#[derive(Debug, Clone, Copy)]
struct Edit {
    /// In ticks of the movie, and of the track once the movie's clock is known.
    duration: i64,
    /// In ticks of the track; `None` when the edit presents nothing.
    media_time: Option<i64>,
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
        match &kind {
            b"mdia" | b"minf" | b"stbl" | b"edts" | b"tref" => {
                self.read_boxes(moov, part, depth.saturating_add(1));
            }
            b"tkhd" => self.read_header(content),
            b"mdhd" => {
                self.timescale = read_timescale(content).unwrap_or(self.timescale);
                self.media_duration = read_duration(content);
            }
            // QuickTime has a second one, of component type dhlr, that says how data are referred to.
            b"hdlr" if content.get(4..8) != Some(b"dhlr") => {
                self.handler =
                    content.get(8..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
            }
            b"elst" => self.edits = read_edits(content),
            b"chap" => {
                let numbers = content.chunks_exact(4).take(MAX_CHAPTER_TRACKS);
                self.chapters = numbers.filter_map(|number| be32(number, 0)).collect();
            }
            b"stsd" => self.read_description(content),
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

    /// ISO/IEC 14496-12, 8.5.2 and 12.1.3: the first entry, and its picture size if it is one of pictures.
    fn read_description(&mut self, stsd: &[u8]) {
        self.format = stsd.get(12..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        let (width, height) = (be16(stsd, 40).unwrap_or(0), be16(stsd, 42).unwrap_or(0));
        if &self.handler == b"vide" && width > 0 && height > 0 {
            (self.width, self.height) = (width.into(), height.into());
        }
    }

    /// Puts the edits on the track's clock. The movie's clock has `timescale` ticks a second.
    pub(super) fn set_movie_clock(&mut self, timescale: u32) {
        for edit in &mut self.edits {
            edit.duration = rescale(edit.duration, self.timescale, timescale);
        }
    }

    /// Iterates over the samples of the tables in decoding order.
    pub(super) fn samples<'m>(&self, moov: &'m [u8]) -> std::iter::Take<Samples<'m>> {
        self.tables.samples(moov).take(MAX_SAMPLES)
    }

    /// Returns the ticks of empty edits in front.
    fn empty_ticks(&self) -> i64 {
        let empty = self.edits.iter().take_while(|edit| edit.media_time.is_none());
        empty.fold(0, |sum, edit| sum.saturating_add(edit.duration))
    }

    /// Returns when the presentation of the track begins, in its ticks; `None` without samples.
    pub(super) fn start(&self, moov: &[u8]) -> Option<i64> {
        let first = self.samples(moov).next()?;
        Some(if self.edits.is_empty() { self.presented(first.cts) } else { self.empty_ticks() })
    }

    /// Returns when the frame with a composition time is presented where edits only move the media. Sound in front of the start is
    /// for the decoder only.
    pub(super) fn presented(&self, cts: i64) -> i64 {
        let ticks = cts.saturating_add(self.fragment_shift());
        if &self.handler == b"soun" { ticks.max(0) } else { ticks }
    }

    /// Returns how long the track is presented, in its ticks.
    pub(super) fn duration(&self) -> Option<i64> {
        let edited = self.edits.iter().fold(0_i64, |sum, edit| sum.saturating_add(edit.duration));
        self.media_duration.map(|ticks| if edited > 0 { ticks.min(edited) } else { ticks })
    }

    /// Returns how far edits move the samples of fragments, in ticks: libavformat applies a delay and the media time of the first
    /// edit only.
    pub(super) fn fragment_shift(&self) -> i64 {
        let media_time = self.edits.iter().find_map(|edit| edit.media_time).unwrap_or(0);
        self.empty_ticks().saturating_sub(media_time)
    }

    /// Finds the presentation time `pts` in the media: the composition time there, and how far libavformat searches before it on
    /// the decoding times, both in ticks.
    ///
    /// libavformat moves the earliest frame of an edit, not the edit's own media time, to where the edit begins.
    pub(super) fn media_time(&self, moov: &[u8], pts: i64) -> (i64, i64) {
        let (mut begin, mut chosen) = (0_i64, None);
        for edit in &self.edits {
            let end = begin.saturating_add(edit.duration);
            if let Some(media_time) = edit.media_time {
                chosen = Some((begin, media_time));
                if pts < end {
                    break;
                }
            }
            begin = end;
        }
        let Some((begin, media_time)) = chosen else { return (pts.saturating_sub(begin), 0) };
        let (earliest, delay) = self.earliest(moov, media_time);
        (earliest.saturating_add(pts.saturating_sub(begin)), delay)
    }

    /// Returns the earliest composition time that is not before `media_time`, and how far it is ahead of the decoding time with
    /// which the frames from there on begin.
    fn earliest(&self, moov: &[u8], media_time: i64) -> (i64, i64) {
        let least = self.tables.least_offset(moov);
        let mut found: Option<(i64, i64)> = None;
        for sample in self.samples(moov) {
            if found.is_some_and(|(cts, _)| sample.dts.saturating_add(least) >= cts) {
                break;
            }
            if sample.cts >= media_time {
                let (cts, dts) = found.unwrap_or((i64::MAX, sample.dts));
                found = Some((cts.min(sample.cts), dts));
            }
        }
        found.map_or((media_time, 0), |(cts, dts)| (cts, cts.saturating_sub(dts)))
    }
}

/// Reads as many edits as there is room for, whatever their count says, as libavformat does. Media time -1 presents nothing
/// (ISO/IEC 14496-12, 8.6.6.3).
fn read_edits(elst: &[u8]) -> Vec<Edit> {
    let (width, time_at) = if elst.first() == Some(&1) { (20, 8) } else { (12, 4) };
    let entries = elst.get(8..).unwrap_or_default().chunks_exact(width).take(MAX_EDITS);
    let edit = |entry: &[u8]| {
        let duration = if width == 20 { be64(entry, 0)? } else { be32(entry, 0)?.into() };
        let media_time = match width {
            20 => be64(entry, time_at)?.cast_signed(),
            _ => be32(entry, time_at)?.cast_signed().into(),
        };
        let media_time = Some(media_time).filter(|&time| time >= 0);
        Some(Edit { duration: i64::try_from(duration).unwrap_or(i64::MAX), media_time })
    };
    entries.map_while(edit).collect()
}

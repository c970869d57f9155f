//! One track of a `moov` (`trak`: ISO/IEC 14496-12, 8.3.1): its headers, its edit list, and the place of its sample tables.

use std::iter::Take;
use std::ops::Range;

use super::boxes::{Fields, be16, be32, boxes};
use super::movie::{MICROSECONDS, read_clock};
use super::tables::Samples;
use crate::media::layout::gop::{Sample, rescale};

/// How deep boxes may lie in a track; the sample tables are at depth 3.
const MAX_DEPTH: u32 = 8;
/// Chapter tracks that one track refers to, and edits that are looked at, at most.
const MAX_CHAPTER_TRACKS: usize = 16;
const MAX_EDITS: usize = 1024;
/// Samples looked at for one frame, at most: 19 hours of 60 frames a second. A table of constant sizes declares four billion
/// samples in twenty bytes.
const MAX_SAMPLES: usize = 1 << 22;

/// One track.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) id: u32,
    /// The kind of media, such as `vide` (ISO/IEC 14496-12, 8.4.3), and the name of the first sample description, such as `avc1`.
    pub(super) handler: [u8; 4],
    pub(super) format: [u8; 4],
    /// Ticks in a second; not 0.
    pub(super) timescale: u32,
    /// Tracks that hold the chapters of this one (`tref`, `chap`).
    pub(super) chapters: Vec<u32>,
    /// In pixels, by the sample description or else by the track header.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_enabled: bool,
    /// The edit list (ISO/IEC 14496-12, 8.6.6): ticks of the movie, and media time; -1 presents nothing.
    edits: Vec<(i64, i64)>,
    /// Ticks of the track before the presentation begins, and the media time with which it begins.
    edit: Option<(i64, i64)>,
    /// Where the content of the sample tables lies in the `moov`.
    stbl: Range<usize>,
}

impl Track {
    /// Reads the track whose content lies at `part` of the `moov`.
    pub(super) fn parse(moov: &[u8], part: Range<usize>) -> Self {
        let mut track = Self { timescale: 1, ..Self::default() };
        track.read_boxes(moov, part, 0);
        track
    }

    fn read_boxes(&mut self, moov: &[u8], part: Range<usize>, depth: u32) {
        for (kind, part) in boxes(moov, part).take_while(|_| depth < MAX_DEPTH) {
            match &kind {
                b"stbl" => self.stbl = part.clone(),
                b"mdia" | b"minf" | b"edts" | b"tref" => {}
                _ => {
                    self.read_box(kind, moov.get(part).unwrap_or_default());
                    continue;
                }
            }
            self.read_boxes(moov, part, depth.saturating_add(1));
        }
    }

    fn read_box(&mut self, kind: [u8; 4], content: &[u8]) {
        let name =
            |at: usize| content.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        match &kind {
            b"tkhd" => {
                self.read_header(content);
            }
            b"mdhd" => self.timescale = read_clock(content).map_or(1, |(timescale, _)| timescale),
            // QuickTime has a second one, of component type dhlr, that says how data are referred to.
            b"hdlr" if name(4) != *b"dhlr" => self.handler = name(8),
            b"elst" => self.edits = read_edits(content).unwrap_or_default(),
            b"chap" => {
                let numbers = content.chunks_exact(4).take(MAX_CHAPTER_TRACKS);
                self.chapters = numbers.filter_map(|number| be32(number, 0)).collect();
            }
            // The first entry, and its picture size if it is one of pictures (ISO/IEC 14496-12, 8.5.2 and 12.1.3).
            b"stsd" => {
                self.format = name(12);
                let side = |at: usize| be16(content, at).filter(|&side| side > 0 && &self.handler == b"vide");
                if let Some((width, height)) = side(40).zip(side(42)) {
                    (self.width, self.height) = (width.into(), height.into());
                }
            }
            _ => {}
        }
    }

    /// ISO/IEC 14496-12, 8.3.2.
    fn read_header(&mut self, tkhd: &[u8]) -> Option<()> {
        let mut fields = Fields::new(tkhd)?;
        let _created_and_modified = (fields.take_wide()?, fields.take_wide()?);
        (self.is_enabled, self.id) = (fields.has(1), fields.take()?);
        let _reserved_and_duration = (fields.take()?, fields.take_wide()?);
        // Layer, volume and matrix.
        fields.skip(52)?;
        // A sample description that came before has the last word.
        if self.width == 0 || self.height == 0 {
            (self.width, self.height) = (fields.take()? >> 16, fields.take()? >> 16);
        }
        Some(())
    }

    /// Takes the movie's clock, which has `timescale` ticks a second. Without one, libavformat passes over edits.
    pub(super) fn set_movie_clock(&mut self, timescale: u32) {
        let edits = std::mem::take(&mut self.edits);
        let empty = edits.iter().take_while(|(_, time)| *time < 0).map(|(ticks, _)| *ticks);
        let empty = rescale(empty.fold(0, i64::saturating_add), self.timescale, timescale);
        let media_time = edits.iter().map(|(_, time)| *time).find(|&time| time >= 0).unwrap_or(0);
        self.edit = (timescale > 0 && !edits.is_empty()).then_some((empty, media_time));
    }

    /// Iterates over the samples of the tables in decoding order.
    pub(super) fn samples<'m>(&self, moov: &'m [u8]) -> Take<Samples<'m>> {
        Samples::new(moov.get(self.stbl.clone()).unwrap_or_default()).take(MAX_SAMPLES)
    }

    /// Whether the tables describe no sample.
    pub(super) fn is_empty(&self, moov: &[u8]) -> bool {
        Samples::new(moov.get(self.stbl.clone()).unwrap_or_default()).is_empty()
    }

    /// Returns when the presentation of the track begins, in its ticks; `None` without samples.
    pub(super) fn start(&self, moov: &[u8]) -> Option<i64> {
        let first = self.samples(moov).next()?;
        Some(self.edit.map_or_else(|| self.presented(first.cts), |(empty, _)| empty))
    }

    /// Returns how far the edit list moves samples, in ticks.
    pub(super) fn shift(&self) -> i64 {
        self.edit.map_or(0, |(empty, media_time)| empty.saturating_sub(media_time))
    }

    /// Returns when the frame with this composition time is presented. Sound in front of the start is for the decoder only.
    pub(super) fn presented(&self, cts: i64) -> i64 {
        let ticks = cts.saturating_add(self.shift());
        if &self.handler == b"soun" { ticks.max(0) } else { ticks }
    }

    /// Returns the composition time of the frame that is presented `at` microseconds. libavformat moves the `first` frame of an
    /// edit, not the edit's own media time, to where the edit begins, except in fragments.
    pub(super) fn composed(&self, at: i64, first: Option<&Sample>) -> i64 {
        let pts = rescale(at, self.timescale, MICROSECONDS);
        let late = self
            .edit
            .zip(first)
            .map_or(0, |((_, media_time), first)| first.cts.saturating_sub(media_time).max(0));
        pts.saturating_sub(self.shift()).saturating_add(late)
    }
}

/// Reads as many edits as there is room for, whatever their count says, as libavformat does.
fn read_edits(elst: &[u8]) -> Option<Vec<(i64, i64)>> {
    let mut fields = Fields::new(elst)?;
    let (_count, is_long) = (fields.take()?, fields.version == 1);
    let edit = || {
        let (ticks, time) = (fields.take_wide()?.cast_signed(), fields.take_wide()?.cast_signed());
        let _rate = fields.take()?;
        // -1 has as many bits as the others.
        Some((ticks, if is_long { time } else { time << 32 >> 32 }))
    };
    Some(std::iter::from_fn(edit).take(MAX_EDITS).collect())
}

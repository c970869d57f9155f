//! One track of a `moov` (`trak`: ISO/IEC 14496-12, 8.3.1): its headers, its edit list, and the place of its sample tables.

use std::iter::Take;
use std::ops::Range;

use super::boxes::{Fields, be16, be32, boxes};
use super::movie::{MICROSECONDS, read_clock};
use super::tables::Samples;
use crate::media::layout::gop::rescale;

/// How deep boxes may lie in a track; the sample tables are at depth 3.
const MAX_DEPTH: u32 = 8;
/// Chapter tracks that one track refers to, at most.
const MAX_CHAPTER_TRACKS: usize = 16;
/// Samples looked at for one frame, at most: 19 hours of 60 frames a second. A table of constant sizes declares four billion
/// samples in twenty bytes.
const MAX_SAMPLES: usize = 1 << 22;

/// Samples that may come before the one that is presented first, at most.
const REORDERED: usize = 64;

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
    /// The edit list (ISO/IEC 14496-12, 8.6.6) as far as libavformat applies it to fragments: ticks of the movie's clock, and later
    /// of the track's, before the presentation begins; and the media time with which it begins.
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
            b"elst" => self.edit = read_edits(content),
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
        let own = |empty| rescale(empty, self.timescale, timescale);
        self.edit = self.edit.filter(|_| timescale > 0).map(|(empty, time)| (own(empty), time));
    }

    /// Iterates over the samples of the tables in decoding order.
    pub(super) fn samples<'m>(&self, moov: &'m [u8]) -> Take<Samples<'m>> {
        Samples::new(moov.get(self.stbl.clone()).unwrap_or_default()).take(MAX_SAMPLES)
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

    /// Returns the composition time of the frame that is presented `at` microseconds, where edits only move samples.
    pub(super) fn composed(&self, at: i64) -> i64 {
        rescale(at, self.timescale, MICROSECONDS).saturating_sub(self.shift())
    }

    /// Returns how far the first frame of the edit lies behind the media time with which the edit begins, and how far that frame is
    /// ahead of its decoding time, in ticks. libavformat moves that frame, not the media time, to where the edit begins.
    pub(super) fn lateness(&self, moov: &[u8]) -> (i64, i64) {
        let Some((_, media_time)) = self.edit else { return (0, 0) };
        let samples = self.samples(moov).take(REORDERED).filter(|sample| sample.cts >= media_time);
        let first =
            samples.map(|sample| (sample.cts, sample.dts)).reduce(|one, two| (one.0.min(two.0), one.1));
        let (cts, dts) = first.unwrap_or((media_time, media_time));
        (cts.saturating_sub(media_time), cts.saturating_sub(dts).max(0))
    }
}

/// Reads the ticks of empty edits and the media time of the first other one. libavformat reads as many edits as there is room for,
/// whatever their count says.
fn read_edits(elst: &[u8]) -> Option<(i64, i64)> {
    let mut fields = Fields::new(elst)?;
    let (_count, mut empty) = (fields.take()?, 0_i64);
    while let Some((ticks, time)) = fields.take_wide().zip(fields.take_wide()) {
        // -1 presents nothing, and has as many bits as the others.
        let time = if fields.version == 1 { time.cast_signed() } else { time.cast_signed() << 32 >> 32 };
        if time >= 0 {
            return Some((empty, time));
        }
        empty = empty.saturating_add(i64::try_from(ticks).unwrap_or(i64::MAX));
        let _rate = fields.take();
    }
    (empty > 0).then_some((empty, 0))
}

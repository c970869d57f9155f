//! One track of a `moov` (`trak`: ISO/IEC 14496-12, 8.3.1): what its headers say, and its sample tables.

use super::boxes::{be16, be32, be64, for_each_box};
use super::keyframes::OpenKeyframes;
use super::placement::edit_bytes;
use super::samples::{CompositionOffsets, Samples};
use super::tables::Tables;
use crate::media::info::{Ratio, StreamKind};

/// How deep boxes may lie in a track; the sample tables are at depth 3.
const MAX_DEPTH: u32 = 8;
/// Sample descriptions of a track, at most: as many as libavformat takes.
const MAX_DESCRIPTIONS: usize = 1024;
/// Chapter tracks that one track refers to, at most.
const MAX_CHAPTER_TRACKS: usize = 16;

/// One track, its tables still in the bytes of the `moov`.
#[derive(Debug)]
pub(super) struct Track<'b> {
    pub(super) id: u32,
    /// What kind of media it is, such as `vide` (ISO/IEC 14496-12, 8.4.3).
    pub(super) handler: [u8; 4],
    /// Ticks in a second.
    pub(super) timescale: u32,
    /// Tracks that hold the chapters of this one (`tref`, `chap`).
    pub(super) chapters: Vec<u32>,
    /// Name of the first sample description, such as `avc1`; of an encrypted one, what it was before.
    pub(super) format: [u8; 4],
    /// In pixels, by the sample description or else by the track header.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_enabled: bool,
    /// Length by `mdhd` in ticks.
    pub(super) duration: Option<i64>,
    /// Content of the edit list.
    pub(super) elst: &'b [u8],
    pub(super) edits: EditHandling,
    /// Whether there is one sample description that counts: libavformat passes over samples of others.
    pub(super) is_described_once: bool,
    pub(super) tables: Tables<'b>,
}

/// What libavformat does with the edit list of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EditHandling {
    /// It keeps the samples that are shown, and moves them.
    Applied,
    /// It moves them only: some samples are in fragments.
    Moved,
    /// Neither: the chunks have room for more samples than there are, which it notices before it comes to edits.
    Ignored,
}

impl<'b> Track<'b> {
    pub(super) fn parse(trak: &'b [u8], movie_timescale: u32) -> Self {
        let mut track = Self {
            id: 0,
            handler: [0; 4],
            timescale: movie_timescale.max(1),
            chapters: Vec::new(),
            format: [0; 4],
            width: 0,
            height: 0,
            is_enabled: false,
            duration: None,
            elst: &[],
            edits: EditHandling::Applied,
            is_described_once: true,
            tables: Tables::default(),
        };
        track.read_boxes(trak, 0);
        track
    }

    fn read_boxes(&mut self, content: &'b [u8], depth: u32) {
        if depth < MAX_DEPTH {
            for_each_box(content, &mut |kind, content| self.read_box(kind, content, depth));
        }
    }

    fn read_box(&mut self, kind: &[u8; 4], content: &'b [u8], depth: u32) {
        match kind {
            b"mdia" | b"minf" | b"stbl" | b"edts" | b"tref" => self.read_boxes(content, depth + 1),
            b"tkhd" => self.read_header(content),
            b"mdhd" => {
                self.timescale = read_timescale(content).unwrap_or(self.timescale);
                self.duration = read_duration(content);
            }
            // QuickTime has a second one, of component type dhlr, that says how data are referred to.
            b"hdlr" if content.get(4..8) != Some(b"dhlr") => {
                if let Some(handler) = content.get(8..12).and_then(|kind| kind.try_into().ok()) {
                    self.handler = handler;
                }
            }
            b"elst" if content.len() >= 8 + edit_bytes(content) => self.elst = content,
            b"chap" => {
                let numbers = (0..MAX_CHAPTER_TRACKS).map_while(|index| be32(content, index * 4));
                self.chapters = numbers.collect();
            }
            b"stsd" => self.read_description(content),
            _ => self.tables.read_box(kind, content),
        }
    }

    /// ISO/IEC 14496-12, 8.3.2; what follows on the times depends on their size.
    fn read_header(&mut self, tkhd: &[u8]) {
        self.is_enabled = be32(tkhd, 0).is_some_and(|flags| flags & 1 != 0);
        let (id, size) = if tkhd.first() == Some(&1) { (20, 88) } else { (12, 76) };
        self.id = be32(tkhd, id).unwrap_or(0);
        // A sample description that came before goes before.
        if self.width == 0 || self.height == 0 {
            self.width = be32(tkhd, size).unwrap_or(0) >> 16;
            self.height = be32(tkhd, size + 4).unwrap_or(0) >> 16;
        }
    }

    /// ISO/IEC 14496-12, 8.5.2 and 12.1.3: the first entry, and its picture size if it is one of pictures.
    fn read_description(&mut self, stsd: &[u8]) {
        let mut formats = Vec::new();
        for_each_box(stsd.get(8..).unwrap_or_default(), &mut |kind, content| {
            if formats.len() < MAX_DESCRIPTIONS {
                formats.push(format_of(kind, content));
            }
        });
        let Some(&(_, format)) = formats.first() else { return };
        self.format = format;
        // libavformat passes over descriptions of another name, and over samples that have one (`mov_skip_multiple_stsd`).
        let is_lenient = matches!(&format, b"jpeg" | b"apcn" | b"apch" | b"dvpp" | b"dvcp" | b"AV1x");
        self.is_described_once = !formats[1..].iter().any(|(name, _)| is_lenient || *name == format);
        let (width, height) = (be16(stsd, 8 + 32).unwrap_or(0), be16(stsd, 8 + 34).unwrap_or(0));
        if &self.handler == b"vide" && width > 0 && height > 0 {
            (self.width, self.height) = (width.into(), height.into());
        }
    }

    /// The samples in decoding order.
    pub(super) fn samples(&self) -> Samples<'_> {
        Samples::new(&self.tables, &self.handler == b"soun")
    }

    /// How many samples the tables declare; none when one of them is missing.
    pub(super) fn sample_count(&self) -> u32 {
        if self.tables.is_broken() { 0 } else { self.tables.sample_count }
    }

    /// The least that composition times are ahead of decoding times; negative when they are behind.
    pub(super) fn min_composition_offset(&self) -> i64 {
        let (mut least, mut covered) = (None, 0_u64);
        for (count, offset) in CompositionOffsets::new(self.tables.ctts).runs {
            if count.cast_signed() > 0 {
                covered += u64::from(count);
                least = Some(least.unwrap_or(i32::MAX).min(offset.cast_signed()));
            }
        }
        // Samples that the table does not reach have none.
        let rest = if covered < u64::from(self.tables.sample_count) { 0 } else { i32::MAX };
        least.unwrap_or(0).min(rest).into()
    }

    pub(super) fn time_base(&self) -> Ratio {
        Ratio { num: 1, den: i32::try_from(self.timescale).unwrap_or(1) }
    }

    /// Media of other kinds are text or data: which of them makes no difference to time.
    pub(super) const fn kind(&self) -> StreamKind {
        match &self.handler {
            b"vide" => StreamKind::Video,
            b"soun" => StreamKind::Audio,
            _ => StreamKind::Data,
        }
    }

    /// libavformat looks at them in HEVC only.
    pub(super) fn open_keyframes(&self) -> Option<OpenKeyframes<'_>> {
        let is_hevc = matches!(&self.format, b"hvc1" | b"hev1" | b"dvh1" | b"dvhe");
        if is_hevc { OpenKeyframes::new(&self.tables) } else { None }
    }

    pub(super) fn has_composition_offsets(&self) -> bool {
        CompositionOffsets::new(self.tables.ctts).next().is_some()
    }
}

/// The name of a sample description, and that of the format: of an encrypted one, what its `frma` says (ISO/IEC 14496-12,
/// 8.12.2).
fn format_of(kind: &[u8; 4], description: &[u8]) -> ([u8; 4], [u8; 4]) {
    let is_encrypted = matches!(kind, b"encv" | b"enca");
    let names = is_encrypted.then(|| description.windows(4));
    let name = names.and_then(|mut names| names.position(|name| name == b"frma"));
    let format = name.and_then(|at| description.get(at + 4..at + 8)?.try_into().ok());
    (*kind, format.unwrap_or(*kind))
}

/// Ticks in a second of an `mvhd` or `mdhd` (ISO/IEC 14496-12, 8.2.2 and 8.4.2); those that are not positive as a signed
/// number are one.
pub(super) fn read_timescale(content: &[u8]) -> Option<u32> {
    let at = if content.first() == Some(&1) { 20 } else { 12 };
    let timescale = be32(content, at)?;
    Some(if timescale.cast_signed() > 0 { timescale } else { 1 })
}

/// The length in an `mdhd`; all ones say that it is not known.
fn read_duration(content: &[u8]) -> Option<i64> {
    if content.first() == Some(&1) {
        let ticks = be64(content, 24)?;
        return Some(if ticks == u64::MAX { 0 } else { ticks.cast_signed() });
    }
    let ticks = be32(content, 16)?;
    Some(if ticks == u32::MAX { 0 } else { ticks.into() })
}

#[cfg(test)]
mod tests {
    use super::super::movie::Movie;
    use super::super::test_tables::*;

    #[test]
    fn long_headers_are_read() {
        let tkhd =
            full(b"tkhd", 1 << 24 | 1, &[&[0, 0, 0, 0, 9][..], &[0; 16], &[64 << 16, 48 << 16]].concat());
        let mdhd = full(b"mdhd", 1 << 24, &[0, 0, 0, 0, 90_000, 1, 2]);
        let trak = boxed(b"trak", &[tkhd, boxed(b"mdia", &[mdhd])]);
        let moov = moov(&[full(b"mvhd", 1 << 24, &[0, 0, 0, 0, 48_000, 0, 0]), trak]);
        let movie = Movie::parse(&moov).unwrap();
        let track = &movie.tracks[0];
        assert_eq!((movie.timescale, track.id, track.timescale), (48_000, 9, 90_000));
        assert_eq!((track.width, track.height, track.is_enabled), (64, 48, true));
        assert_eq!(track.duration, Some((1 << 32) + 2));
    }

    #[test]
    fn boxes_nested_too_deeply_are_left() {
        let nested = (0..100_000).fold(Vec::new(), |inner: Vec<u8>, depth| {
            // Sizes that do not fit end with the box around.
            let size = u32::try_from((depth + 1) * 8).unwrap();
            [&size.to_be_bytes()[..], b"mdia", &inner[..inner.len().min(64)]].concat()
        });
        let mut deep = b"\0\0\0\0mdia".repeat(100_000);
        deep.extend(nested);
        assert_eq!(Movie::parse(&moov(&[boxed(b"trak", &[deep])])).unwrap().tracks[0].sample_count(), 0);
    }
}

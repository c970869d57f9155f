//! The sample tables of a track (ISO/IEC 14496-12, 8.5 to 8.7), which stay the bytes of the `moov` that they are, and the walk
//! over them: which packet lies where, and when it is decoded and presented.
//!
//! What the tables are read for is a hint. Damaged ones give a wrong hint, or none.

use std::ops::Range;
use std::slice::ChunksExact;

use super::boxes::{be16, be32, be64};
use crate::media::layout::gop::Sample;

/// Where the tables lie in the `moov`: as many whole entries of each as there are bytes for.
#[derive(Debug, Default)]
pub(super) struct Tables {
    sample_count: u32,
    /// The size of each sample, if all have the same.
    constant_size: u32,
    /// The width of an entry of the sizes, in bits.
    size_bits: u8,
    sizes: Range<usize>,
    /// Runs of chunks: first chunk, samples in each, sample description.
    runs: Range<usize>,
    chunks: Range<usize>,
    has_long_offsets: bool,
    /// Runs of samples: count, ticks.
    times: Range<usize>,
    /// Runs of samples: count, composition offset.
    offsets: Range<usize>,
    /// Numbers of keyframes from 1 on; without the table, all samples are keyframes.
    keyframes: Option<Range<usize>>,
    /// Numbers of further keyframes (QuickTime's partial sync samples).
    partial_keyframes: Range<usize>,
}

impl Tables {
    /// Takes the table of this kind whose content lies at `part` of the `moov`.
    pub(super) fn read(&mut self, moov: &[u8], kind: [u8; 4], part: Range<usize>) {
        let content = moov.get(part.clone()).unwrap_or_default();
        match &kind {
            b"stsz" | b"stz2" => self.read_sizes(content, kind == *b"stsz", part),
            b"stsc" => self.runs = entries(content, 12, &part),
            b"stco" | b"co64" => {
                self.has_long_offsets = &kind == b"co64";
                self.chunks = entries(content, if self.has_long_offsets { 8 } else { 4 }, &part);
            }
            b"stts" => self.times = entries(content, 8, &part),
            b"ctts" => self.offsets = entries(content, 8, &part),
            b"stss" => self.keyframes = Some(entries(content, 4, &part)),
            b"stps" => self.partial_keyframes = entries(content, 4, &part),
            _ => {}
        }
    }

    /// ISO/IEC 14496-12, 8.7.3. `stz2` has the width of its entries where `stsz` has the size that all samples share.
    fn read_sizes(&mut self, content: &[u8], is_stsz: bool, part: Range<usize>) {
        let (Some(field), Some(count)) = (be32(content, 4), be32(content, 8)) else { return };
        let [.., width] = field.to_be_bytes();
        (self.constant_size, self.size_bits) = if is_stsz { (field, 32) } else { (0, width) };
        self.sizes = part.start.saturating_add(12).min(part.end)..part.end;
        self.sample_count = count;
    }

    /// How many samples the tables declare; none when a table is missing.
    pub(super) fn sample_count(&self) -> u32 {
        let is_complete = !self.chunks.is_empty() && !self.runs.is_empty() && !self.times.is_empty();
        if is_complete { self.sample_count } else { 0 }
    }

    /// Returns the least distance from decoding to composition time, in ticks; negative when composition comes first.
    pub(super) fn least_offset(&self, moov: &[u8]) -> i64 {
        let runs = moov.get(self.offsets.clone()).unwrap_or_default().chunks_exact(8);
        let offsets = runs.filter(|run| be32(run, 0) != Some(0)).filter_map(|run| be32(run, 4));
        offsets.map(|offset| i64::from(offset.cast_signed())).min().unwrap_or(0)
    }

    /// Iterates over the samples in decoding order.
    pub(super) fn samples<'m>(&self, moov: &'m [u8]) -> Samples<'m> {
        let table = |part: &Range<usize>| moov.get(part.clone()).unwrap_or_default();
        Samples {
            number: 0,
            count: self.sample_count(),
            dts: 0,
            constant_size: self.constant_size,
            size_bits: self.size_bits,
            sizes: table(&self.sizes),
            runs: table(&self.runs),
            run: None,
            chunks: table(&self.chunks),
            has_long_offsets: self.has_long_offsets,
            chunk: 0,
            left: 0,
            offset: 0,
            times: Runs::new(table(&self.times)),
            offsets: Runs::new(table(&self.offsets)),
            keyframes: self.keyframes.as_ref().map(|part| Marks(table(part))),
            partial_keyframes: Marks(table(&self.partial_keyframes)),
        }
    }
}

/// Returns the place of the entries of `width` bytes behind a full box's head and their count (ISO/IEC 14496-12, 4.2.2).
fn entries(content: &[u8], width: usize, part: &Range<usize>) -> Range<usize> {
    let start = part.start.saturating_add(8).min(part.end);
    let declared = be32(content, 4).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let end = start.saturating_add(declared.saturating_mul(width)).min(part.end);
    start..end
}

/// Walks the tables of a track side by side.
#[derive(Debug)]
pub(super) struct Samples<'m> {
    number: u32,
    count: u32,
    /// Decoding time of the next sample.
    dts: i64,
    constant_size: u32,
    size_bits: u8,
    sizes: &'m [u8],
    /// The runs of chunks that have not begun.
    runs: &'m [u8],
    /// Samples in each chunk of the current run, and the first chunk of the next run.
    run: Option<(u32, u64)>,
    chunks: &'m [u8],
    has_long_offsets: bool,
    /// Chunks begun.
    chunk: u64,
    /// Samples left in the chunk.
    left: u32,
    /// Where the next sample begins.
    offset: u64,
    times: Runs<'m>,
    offsets: Runs<'m>,
    keyframes: Option<Marks<'m>>,
    partial_keyframes: Marks<'m>,
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.number >= self.count {
            return None;
        }
        let size = self.size()?;
        let offset = self.place(size)?;
        let number = self.number.saturating_add(1);
        let is_sync = self.keyframes.as_mut().is_none_or(|marks| marks.has(number))
            || self.partial_keyframes.has(number);
        let dts = self.dts;
        let ahead = self.offsets.next().unwrap_or(0).cast_signed();
        // Behind the end of the table, the last entry repeats.
        let ticks = self.times.next().unwrap_or(self.times.value);
        self.dts = dts.saturating_add(ticks.into());
        self.number = number;
        Some(Sample { offset, size, dts, cts: dts.saturating_add(ahead.into()), is_sync })
    }
}

impl Samples<'_> {
    fn size(&self) -> Option<u32> {
        if self.constant_size > 0 {
            return Some(self.constant_size);
        }
        let number = usize::try_from(self.number).ok()?;
        match self.size_bits {
            4 => {
                let both = *self.sizes.get(number >> 1)?;
                Some(u32::from(if number & 1 == 0 { both >> 4 } else { both & 15 }))
            }
            8 => self.sizes.get(number).copied().map(u32::from),
            16 => be16(self.sizes, number.checked_mul(2)?).map(u32::from),
            32 => be32(self.sizes, number.checked_mul(4)?),
            _ => None,
        }
    }

    /// Returns where the next sample begins, which has `size` bytes: samples lie one after the other in chunks (ISO/IEC
    /// 14496-12, 8.7.4 and 8.7.5).
    fn place(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            let chunk = usize::try_from(self.chunk).ok()?;
            self.offset = if self.has_long_offsets {
                be64(self.chunks, chunk.checked_mul(8)?)?
            } else {
                be32(self.chunks, chunk.checked_mul(4)?)?.into()
            };
            self.chunk = self.chunk.saturating_add(1);
            while self.run.is_none_or(|(_, next)| next <= self.chunk) {
                let (run, rest) = self.runs.split_at_checked(12)?;
                // The first field of the run behind it; the last run lasts to the end.
                self.run = Some((be32(run, 4)?, be32(rest, 0).map_or(u64::MAX, u64::from)));
                self.runs = rest;
            }
            self.left = self.run?.0;
        }
        self.left = self.left.saturating_sub(1);
        let offset = self.offset;
        self.offset = offset.checked_add(size.into())?;
        Some(offset)
    }
}

/// Numbers that hold for runs of samples: count, number.
#[derive(Debug)]
struct Runs<'m> {
    pairs: ChunksExact<'m, u8>,
    left: u32,
    value: u32,
}

impl<'m> Runs<'m> {
    fn new(bytes: &'m [u8]) -> Self {
        Self { pairs: bytes.chunks_exact(8), left: 0, value: 0 }
    }

    /// Returns the next sample's number; `None` behind the end of the table.
    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            let pair = self.pairs.next()?;
            (self.left, self.value) = (be32(pair, 0)?, be32(pair, 4)?);
        }
        self.left = self.left.saturating_sub(1);
        Some(self.value)
    }
}

/// Rising numbers of samples.
#[derive(Debug)]
struct Marks<'m>(&'m [u8]);

impl Marks<'_> {
    /// Whether the table names `number`; asked for rising numbers.
    fn has(&mut self, number: u32) -> bool {
        while let Some(next) = be32(self.0, 0) {
            if next >= number {
                return next == number;
            }
            self.0 = self.0.get(4..).unwrap_or_default();
        }
        false
    }
}

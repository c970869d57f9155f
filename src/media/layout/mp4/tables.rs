//! The sample tables of a track (ISO/IEC 14496-12, 8.5 to 8.7), which stay the bytes of the `moov` that they are, and the walk
//! over them: which packet lies where, and when it is decoded and presented.
//!
//! What the tables are read for is a hint. Damaged and unusual ones (`stz2`, `stps`) give a worse hint, or none.

use std::ops::Range;

use super::boxes::be32;
use crate::media::layout::gop::Sample;

/// Where the tables lie in the `moov`: as many whole entries of each as there are bytes for.
#[derive(Debug, Default)]
pub(super) struct Tables {
    sample_count: u32,
    /// The size that all samples share, or 0.
    constant_size: u32,
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
}

impl Tables {
    /// Takes the table of this kind whose content lies at `part` of the `moov`.
    pub(super) fn read(&mut self, moov: &[u8], kind: [u8; 4], part: Range<usize>) {
        let content = moov.get(part.clone()).unwrap_or_default();
        // A full box: version and flags, the count, the entries (4.2.2).
        let entries = |count_at: usize, width: usize| {
            let start = part.start.saturating_add(count_at).saturating_add(4).min(part.end);
            let count = be32(content, count_at).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
            start..start.saturating_add(count.saturating_mul(width)).min(part.end)
        };
        match &kind {
            b"stsz" => {
                self.constant_size = be32(content, 4).unwrap_or(0);
                self.sample_count = be32(content, 8).unwrap_or(0);
                self.sizes = entries(8, 4);
            }
            b"stsc" => self.runs = entries(4, 12),
            b"stco" => (self.chunks, self.has_long_offsets) = (entries(4, 4), false),
            b"co64" => (self.chunks, self.has_long_offsets) = (entries(4, 8), true),
            b"stts" => self.times = entries(4, 8),
            b"ctts" => self.offsets = entries(4, 8),
            b"stss" => self.keyframes = Some(entries(4, 4)),
            _ => {}
        }
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
            sizes: table(&self.sizes),
            runs: table(&self.runs),
            run: None,
            chunks: table(&self.chunks),
            has_long_offsets: self.has_long_offsets,
            chunk: 0,
            left: 0,
            offset: 0,
            times: Runs { pairs: table(&self.times), left: 0, value: 0 },
            offsets: Runs { pairs: table(&self.offsets), left: 0, value: 0 },
            keyframes: self.keyframes.as_ref().map(table),
        }
    }
}

/// Walks the tables of a track side by side.
#[derive(Debug)]
pub(super) struct Samples<'m> {
    number: u32,
    count: u32,
    /// Decoding time of the next sample.
    dts: i64,
    constant_size: u32,
    /// The sizes of the samples that follow.
    sizes: &'m [u8],
    /// The runs of chunks that have not begun.
    runs: &'m [u8],
    /// Samples in each chunk of the current run, and the first chunk of the next run.
    run: Option<(u32, u32)>,
    /// The offsets of the chunks that have not begun, and how many have.
    chunks: &'m [u8],
    has_long_offsets: bool,
    chunk: u32,
    /// Samples left in the chunk, and where the next one begins.
    left: u32,
    offset: u64,
    times: Runs<'m>,
    offsets: Runs<'m>,
    /// The keyframes that follow.
    keyframes: Option<&'m [u8]>,
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.number >= self.count {
            return None;
        }
        self.number = self.number.saturating_add(1);
        let size = if self.constant_size > 0 { self.constant_size } else { take(&mut self.sizes)? };
        let offset = self.place(size)?;
        let is_sync = self.is_keyframe();
        let dts = self.dts;
        let ahead = self.offsets.next().unwrap_or(0).cast_signed();
        // Behind the end of the table, the last entry repeats.
        let ticks = self.times.next().unwrap_or(self.times.value);
        self.dts = dts.saturating_add(ticks.into());
        Some(Sample { offset, size, dts, cts: dts.saturating_add(ahead.into()), is_sync })
    }
}

impl Samples<'_> {
    /// Returns where the next sample begins, which has `size` bytes: samples lie one after the other in chunks (ISO/IEC
    /// 14496-12, 8.7.4 and 8.7.5).
    fn place(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            self.offset = take(&mut self.chunks)?.into();
            if self.has_long_offsets {
                self.offset = self.offset << 32 | u64::from(take(&mut self.chunks)?);
            }
            self.chunk = self.chunk.saturating_add(1);
            while self.run.is_none_or(|(_, next)| next <= self.chunk) {
                let (run, rest) = self.runs.split_at_checked(12)?;
                // The first field of the run behind it; the last run lasts to the end.
                self.run = Some((be32(run, 4)?, be32(rest, 0).unwrap_or(u32::MAX)));
                self.runs = rest;
            }
            self.left = self.run?.0;
        }
        self.left = self.left.saturating_sub(1);
        let offset = self.offset;
        self.offset = offset.checked_add(size.into())?;
        Some(offset)
    }

    /// Whether the table names the sample with this number. Its numbers rise.
    fn is_keyframe(&mut self) -> bool {
        let Some(keyframes) = &mut self.keyframes else { return true };
        while be32(keyframes, 0).is_some_and(|next| next < self.number) {
            take(keyframes);
        }
        be32(keyframes, 0) == Some(self.number)
    }
}

/// Numbers that hold for runs of samples: count, number.
#[derive(Debug)]
struct Runs<'m> {
    pairs: &'m [u8],
    left: u32,
    value: u32,
}

impl Runs<'_> {
    /// Returns the next sample's number; `None` behind the end of the table.
    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            (self.left, self.value) = (take(&mut self.pairs)?, take(&mut self.pairs)?);
        }
        self.left = self.left.saturating_sub(1);
        Some(self.value)
    }
}

/// Takes a number from the front.
fn take(bytes: &mut &[u8]) -> Option<u32> {
    let number = be32(bytes, 0)?;
    *bytes = bytes.get(4..)?;
    Some(number)
}

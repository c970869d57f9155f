//! The sample tables of a track (ISO/IEC 14496-12, 8.5 to 8.7): the position of each packet, and its decoding and presentation
//! times.
//!
//! The content of the tables serves as a hint. Damaged and unusual tables (`stz2`, `stps`) give a worse hint, or none.

use crate::media::layout::boxes::{be32, contents, take};
use crate::media::layout::gop::Sample;

/// Walks the tables in parallel, in decoding order. The tables stay in the bytes of the `moov`.
#[derive(Debug, Default)]
pub(super) struct Samples<'m> {
    /// Number of samples returned, and number of samples that the tables declare.
    number: u32,
    count: u32,
    /// The size that all samples share, or the sizes of the remaining samples.
    constant_size: u32,
    sizes: &'m [u8],
    /// The remaining runs of chunks: first chunk, samples in each, sample description.
    runs: &'m [u8],
    /// Number of samples in each chunk of the current run, and the first chunk of the next run.
    run: Option<(u32, u32)>,
    /// The offsets of the remaining chunks, and the number of chunks that have begun.
    chunks: &'m [u8],
    has_long_offsets: bool,
    chunk: u32,
    /// Number of samples left in the chunk, and start of the next sample.
    left: u32,
    offset: u64,
    /// Decoding time of the next sample, durations of samples, and their composition offsets.
    dts: i64,
    times: Runs<'m>,
    offsets: Runs<'m>,
    /// Numbers of the remaining keyframes, from 1. Without the table, all samples are keyframes.
    keyframes: Option<&'m [u8]>,
}

impl<'m> Samples<'m> {
    /// Begins with the first sample of a sample table box with this content.
    pub(super) fn new(stbl: &'m [u8]) -> Self {
        let mut samples = Self::default();
        for (kind, content) in contents(stbl) {
            let entries = content.get(8..).unwrap_or_default();
            match &kind {
                b"stsz" => {
                    samples.constant_size = be32(content, 4).unwrap_or(0);
                    samples.count = be32(content, 8).unwrap_or(0);
                    samples.sizes = content.get(12..).unwrap_or_default();
                }
                b"stsc" => samples.runs = entries,
                b"stco" | b"co64" => (samples.chunks, samples.has_long_offsets) = (entries, &kind == b"co64"),
                b"stts" => samples.times.pairs = entries,
                b"ctts" => samples.offsets.pairs = entries,
                b"stss" => samples.keyframes = Some(entries),
                _ => {}
            }
        }
        samples
    }

    /// Returns the start of the next sample, which has `size` bytes: samples are contiguous in chunks (8.7.4 and 8.7.5).
    fn place(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            self.offset = take(&mut self.chunks)?.into();
            if self.has_long_offsets {
                self.offset = self.offset << 32 | u64::from(take(&mut self.chunks)?);
            }
            self.chunk = self.chunk.saturating_add(1);
            while self.run.is_none_or(|(_, next)| next <= self.chunk) {
                let (run, rest) = self.runs.split_at_checked(12)?;
                // The first field of the next run; the last run extends to the end.
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

    /// Returns whether the table contains the current sample. The numbers in the table increase.
    fn is_keyframe(&mut self) -> bool {
        let Some(keyframes) = &mut self.keyframes else { return true };
        while be32(keyframes, 0).is_some_and(|next| next < self.number) {
            take(keyframes);
        }
        be32(keyframes, 0) == Some(self.number)
    }
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
        // After the end of the table, the last entry repeats.
        let ticks = self.times.next().unwrap_or(self.times.value);
        self.dts = dts.saturating_add(ticks.into());
        Some(Sample { offset, size, dts, cts: dts.saturating_add(ahead.into()), is_sync })
    }
}

/// Numbers that apply to runs of samples: count, number.
#[derive(Debug, Default)]
struct Runs<'m> {
    pairs: &'m [u8],
    left: u32,
    value: u32,
}

impl Runs<'_> {
    /// Returns the next sample's number, or `None` after the end of the table.
    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            (self.left, self.value) = (take(&mut self.pairs)?, take(&mut self.pairs)?);
        }
        self.left = self.left.saturating_sub(1);
        Some(self.value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::super::movie::Movie;
    use super::*;
    use crate::media::layout::test_tables::*;

    fn samples(moov: &[u8]) -> Vec<Sample> {
        Movie::parse(moov).unwrap().tracks[0].samples(moov).collect()
    }

    #[test]
    fn constant_sizes_and_short_chunk_offsets() {
        let found = samples(&video(plain_tables(5)));
        let offsets: Vec<u64> = found.iter().map(|sample| sample.offset).collect();
        assert_eq!(offsets, [1000, 1100, 1200, 2000, 2100]);
        assert!(found.iter().all(|sample| sample.size == 100 && sample.is_sync));
        assert_eq!(found[4], Sample { offset: 2100, size: 100, dts: 4, cts: 4, is_sync: true });
    }

    #[test]
    fn each_sample_may_have_its_size() {
        let sizes = |tables| {
            samples(&video(with(plain_tables(3), tables))).iter().map(|s| s.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(vec![full(b"stsz", 0, &[0, 3, 7, 8, 9])]), [7, 8, 9]);
        // Fewer than declared.
        assert_eq!(sizes(vec![full(b"stsz", 0, &[0, 3, 7])]), [7]);
    }

    #[test]
    fn long_chunk_offsets_and_runs_of_chunks() {
        let co64 = full(b"co64", 0, &[3, 1, 0, 0, 50, 0, 70]);
        let tables = plain_tables(6).into_iter().filter(|table| &table[4..8] != b"stco").collect();
        let stsc = table(b"stsc", 3, &[1, 1, 1, 2, 3, 1, 3, 2, 1]);
        let found = samples(&video(with(tables, vec![co64, stsc])));
        let offsets: Vec<u64> = found.iter().map(|sample| sample.offset).collect();
        assert_eq!(offsets, [1 << 32, 50, 150, 250, 70, 170]);
    }

    #[test]
    fn offsets_out_of_bounds_end_the_track() {
        let tables: Vec<_> = plain_tables(3).into_iter().filter(|table| &table[4..8] != b"stco").collect();
        let far = full(b"co64", 0, &[1, u32::MAX, u32::MAX - 150]);
        assert_eq!(samples(&video(with(tables, vec![far]))).len(), 1);
    }

    #[test]
    fn without_a_table_there_are_no_samples() {
        for missing in [b"stsz", b"stsc", b"stco"] {
            let tables = plain_tables(4).into_iter().filter(|table| table[4..8] != missing[..]).collect();
            assert_eq!(samples(&video(tables)), [], "{missing:?}");
        }
    }

    #[test]
    fn keyframes_are_those_in_the_table() {
        let keyframes = |more: Vec<Vec<u8>>| {
            let found = samples(&video(with(plain_tables(6), more)));
            found.iter().map(|sample| u8::from(sample.is_sync)).collect::<Vec<_>>()
        };
        assert_eq!(keyframes(vec![]), [1; 6]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1, 4])]), [1, 0, 0, 1, 0, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[])]), [0; 6]);
        // Numbers that do not increase.
        assert_eq!(keyframes(vec![table(b"stss", 1, &[0, 5, 3, 6])]), [0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn durations_run_and_the_last_repeats() {
        let dts = |stts: &[u32]| {
            let tables = with(plain_tables(6), vec![table(b"stts", 2, stts)]);
            samples(&video(tables)).iter().map(|sample| sample.dts).collect::<Vec<_>>()
        };
        assert_eq!(dts(&[2, 5, 0, 9, 1, 7]), [0, 5, 10, 17, 24, 31]);
        assert_eq!(dts(&[0, 5]), [0, 5, 10, 15, 20, 25]);
    }

    #[test]
    fn composition_offsets_are_signed() {
        let ctts = table(b"ctts", 2, &[1, 3, 0, 99, 2, NEGATIVE - 1]);
        let cts: Vec<i64> =
            samples(&video(with(plain_tables(5), vec![ctts]))).iter().map(|sample| sample.cts).collect();
        assert_eq!(cts, [3, -1, 0, 3, 4]);
    }
}

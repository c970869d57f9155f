//! The samples of a track: which packet lies where, and when it is decoded and shown.
//!
//! [`Samples`] walks the tables side by side, so that a sample at the beginning costs no more than the ones before it. Times
//! follow libavformat to the tick, also where it departs from the specification, for its timestamps are what the result is
//! compared with: durations that are too large are negative ones (`mov_read_stts`).

use std::ops::Range;

use super::boxes::be32;
use super::keyframes::SyncMarks;
use super::tables::{ChunkOffsets, SampleSizes, Tables};

/// Samples looked at for one frame, at most: 19 hours of 60 frames a second. A table of constant sizes declares four billion in
/// twenty bytes.
pub(super) const MAX_STEPS: u32 = 1 << 22;
/// Durations above this are negative ones, as libavformat takes them (`max_stts_delta`).
const MAX_TICKS: u32 = u32::MAX - 48_000 * 10;
/// libavformat leaves out a track from its first sample of more bytes on.
const MAX_SAMPLE_BYTES: u32 = 0x3fff_ffff;

/// One sample of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// In the file.
    pub(super) offset: u64,
    pub(super) size: u32,
    /// Decoding time, in ticks of the track from its first sample on.
    pub(super) dts: i64,
    /// Composition time: the order of presentation, before edits.
    pub(super) cts: i64,
    /// Whether libavformat takes it for a keyframe.
    pub(super) is_sync: bool,
}

impl Sample {
    pub(super) fn byte_range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.size.into())
    }
}

/// Walks the tables of a track side by side.
#[derive(Debug)]
pub(super) struct Samples<'t> {
    number: u32,
    count: u32,
    /// Decoding time of the next sample.
    pub(super) dts: i64,
    sizes: SampleSizes<'t>,
    places: SamplePlaces<'t>,
    times: SampleTimes<'t>,
    offsets: CompositionOffsets<'t>,
    sync: SyncMarks<'t>,
}

impl<'t> Samples<'t> {
    pub(super) fn new(tables: &'t Tables<'_>, is_sound: bool) -> Self {
        Self {
            number: 0,
            count: if tables.is_broken() { 0 } else { tables.sample_count },
            dts: 0,
            sizes: tables.sizes,
            places: SamplePlaces {
                chunks: tables.chunk_offsets,
                runs: &tables.stsc,
                chunk: 0,
                run: 0,
                left: 0,
                offset: 0,
            },
            times: SampleTimes::new(tables.stts),
            offsets: CompositionOffsets::new(tables.ctts),
            sync: SyncMarks::new(tables, is_sound),
        }
    }
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.number >= self.count {
            return None;
        }
        let size = self.sizes.get(self.number).filter(|&size| size <= MAX_SAMPLE_BYTES)?;
        let offset = self.places.next(size)?;
        let is_sync = self.sync.next(self.number);
        let ahead = self.offsets.next();
        let dts = self.dts;
        self.dts = dts.saturating_add(self.times.next(ahead.is_some()).into());
        self.number += 1;
        Some(Sample { offset, size, dts, cts: dts.saturating_add(ahead.unwrap_or(0).into()), is_sync })
    }
}

/// Where samples lie: one after the other in chunks (ISO/IEC 14496-12, 8.7.4 and 8.7.5).
#[derive(Debug)]
struct SamplePlaces<'t> {
    chunks: ChunkOffsets<'t>,
    runs: &'t [u8],
    /// Chunks begun.
    chunk: usize,
    run: usize,
    /// Samples left in the chunk.
    left: u32,
    /// Where the next one begins.
    offset: u64,
}

impl SamplePlaces<'_> {
    /// Where the next sample begins, if it is of `size`.
    fn next(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            self.offset = self.chunks.get(self.chunk)?;
            self.chunk += 1;
            while be32(self.runs, (self.run + 1) * 12)
                .is_some_and(|first| u64::from(first) == self.chunk as u64)
            {
                self.run += 1;
            }
            self.left = be32(self.runs, self.run * 12 + 4)?;
        }
        self.left -= 1;
        let offset = self.offset;
        self.offset = offset.checked_add(size.into()).filter(|&end| i64::try_from(end).is_ok())?;
        Some(offset)
    }
}

/// Pairs of numbers.
#[derive(Debug, Clone)]
pub(super) struct Runs<'t>(pub(super) std::slice::ChunksExact<'t, u8>);

impl Iterator for Runs<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.0.next()?;
        Some((be32(pair, 0)?, be32(pair, 4)?))
    }
}

/// How long samples last (ISO/IEC 14496-12, 8.6.1.2).
#[derive(Debug)]
pub(super) struct SampleTimes<'t> {
    runs: Runs<'t>,
    left: u32,
    ticks: u32,
    /// Decoding time as reckoned, and as the table has it.
    reckoned: i64,
    stated: i64,
}

impl<'t> SampleTimes<'t> {
    pub(super) fn new(stts: &'t [u8]) -> Self {
        Self { runs: Runs(stts.chunks_exact(8)), left: 0, ticks: 0, reckoned: 0, stated: 0 }
    }

    /// Ticks of the next sample. Behind the end of the table, libavformat repeats the last entry, unless there is a
    /// composition offset: then it is zero from there on.
    fn next(&mut self, has_offset: bool) -> u32 {
        while self.left == 0 {
            let Some((count, ticks)) = self.next_run() else {
                if has_offset {
                    self.ticks = 0;
                }
                return self.ticks;
            };
            if count > 0 {
                (self.left, self.ticks) = (count, ticks);
            }
        }
        self.left -= 1;
        self.ticks
    }

    /// The next run, corrected as `mov_read_stts` does: absurd durations are negative ones, which it takes for the wish to get
    /// back to an earlier time, and shortens those that follow until it is reached.
    pub(super) fn next_run(&mut self) -> Option<(u32, u32)> {
        let (count, stated) = self.runs.next()?;
        let many = i64::from(count);
        let mut ticks = stated;
        if stated > MAX_TICKS {
            ticks = 1;
            let back = i64::from(stated.cast_signed());
            self.stated = self.stated.saturating_add((if back < 0 { back } else { 1 }).saturating_mul(many));
        } else {
            self.stated = self.stated.saturating_add(i64::from(stated).saturating_mul(many));
        }
        self.reckoned = self.reckoned.saturating_add(i64::from(ticks).saturating_mul(many));
        if self.reckoned > self.stated {
            let drift = self.reckoned.saturating_sub(self.stated) / many.max(1);
            // At zero this wraps, and makes it one: libavformat's numbers are unsigned too.
            let correction = u32::try_from(drift).ok().filter(|&drift| ticks > drift);
            let correction = correction.unwrap_or_else(|| ticks.wrapping_sub(1));
            self.reckoned = self.reckoned.saturating_sub(i64::from(correction).saturating_mul(many));
            ticks = ticks.wrapping_sub(correction);
        }
        Some((count, ticks))
    }
}

/// How far composition times are ahead of decoding times (ISO/IEC 14496-12, 8.6.1.3). In version 0 they are unsigned, but
/// files have negative ones in it, and libavformat takes them so.
#[derive(Debug)]
pub(super) struct CompositionOffsets<'t> {
    pub(super) runs: Runs<'t>,
    left: u32,
    offset: i32,
}

impl<'t> CompositionOffsets<'t> {
    pub(super) fn new(ctts: &'t [u8]) -> Self {
        Self { runs: Runs(ctts.chunks_exact(8)), left: 0, offset: 0 }
    }

    /// `None` behind the end of the table.
    pub(super) fn next(&mut self) -> Option<i32> {
        while self.left == 0 {
            let (count, offset) = self.runs.next()?;
            // Counts are signed to libavformat, and negative ones are left out.
            if count.cast_signed() > 0 {
                (self.left, self.offset) = (count, offset.cast_signed());
            }
        }
        self.left -= 1;
        Some(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::super::movie::Movie;
    use super::super::test_tables::*;
    use super::*;

    #[test]
    fn durations_run_and_the_last_repeats() {
        let dts = |stts: &[u32], more: Vec<Vec<u8>>| {
            let tables = with(plain_tables(6), [vec![table(b"stts", 2, stts)], more].concat());
            samples(&video(tables)).iter().map(|sample| sample.dts).collect::<Vec<_>>()
        };
        assert_eq!(dts(&[2, 5, 0, 9, 1, 7], vec![]), [0, 5, 10, 17, 24, 31]);
        // With composition offsets for more samples, the rest last no time.
        assert_eq!(dts(&[2, 5], vec![table(b"ctts", 2, &[6, 1])]), [0, 5, 10, 10, 10, 10]);
        assert_eq!(dts(&[0, 5], vec![]), [0; 6]);
        // A negative duration is made up for by shorter ones.
        assert_eq!(dts(&[2, 100, 1, NEGATIVE - 49, 3, 100], vec![]), [0, 100, 200, 201, 284, 367]);
    }

    #[test]
    fn composition_offsets_are_signed() {
        let ctts = table(b"ctts", 2, &[1, 3, 0, 99, NEGATIVE, 99, 2, NEGATIVE - 1]);
        let moov = video(with(plain_tables(5), vec![ctts]));
        let cts: Vec<i64> = samples(&moov).iter().map(|sample| sample.cts).collect();
        assert_eq!(cts, [3, -1, 0, 3, 4]);
        let movie = Movie::parse(&moov).unwrap();
        assert_eq!(movie.tracks[0].min_composition_offset(), -2);
        let covering = video(with(plain_tables(3), vec![table(b"ctts", 2, &[2, 7, 1, 5])]));
        assert_eq!(Movie::parse(&covering).unwrap().tracks[0].min_composition_offset(), 5);
    }

    #[test]
    fn sizes_and_offsets_out_of_bounds_end_the_track() {
        let large = full(b"stsz", 0, &[0, 3, 10, MAX_SAMPLE_BYTES + 1, 10]);
        assert_eq!(samples(&video(with(plain_tables(3), vec![large]))).len(), 1);
        let tables: Vec<_> = plain_tables(3).into_iter().filter(|table| &table[4..8] != b"stco").collect();
        let far = full(b"co64", 0, &[1, i32::MAX.cast_unsigned(), u32::MAX - 150]);
        assert_eq!(samples(&video(with(tables, vec![far]))).len(), 1);
    }
}

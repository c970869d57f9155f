//! The sample tables of a track as they lie in the `moov` (ISO/IEC 14496-12, 8.5 to 8.7): which there are, and what libavformat
//! makes of damaged ones. Nothing is unpacked: the tables are runs, and stay the bytes they are.

use std::borrow::Cow;

use super::boxes::{be16, be32, be64};

/// The sample tables (ISO/IEC 14496-12, 8.5 to 8.7): entries of each, as many whole ones as there are bytes for.
#[derive(Debug, Default)]
pub(super) struct Tables<'b> {
    pub(super) sample_count: u32,
    pub(super) sizes: SampleSizes<'b>,
    /// Runs of chunks: first chunk, samples in each, sample description.
    pub(super) stsc: Cow<'b, [u8]>,
    pub(super) chunk_offsets: ChunkOffsets<'b>,
    /// Runs of samples: count, ticks.
    pub(super) stts: &'b [u8],
    /// Runs of samples: count, composition offset.
    pub(super) ctts: &'b [u8],
    /// Numbers of keyframes from 1 on; without the table, all are.
    pub(super) stss: Option<&'b [u8]>,
    /// Numbers of further keyframes (QuickTime's partial sync samples).
    pub(super) stps: &'b [u8],
    /// Runs of samples: count, and whether they are points of random access (sample group `rap `).
    pub(super) access_points: &'b [u8],
    /// Runs of samples: count, and kind of keyframe (sample group `sync`).
    pub(super) sync_groups: &'b [u8],
    /// Which of those kinds are keyframes that pictures seen before them may follow.
    pub(super) open_group: Option<u32>,
}

impl<'b> Tables<'b> {
    pub(super) fn read_box(&mut self, kind: &[u8; 4], content: &'b [u8]) {
        match kind {
            b"stsz" | b"stz2" => {
                if let Some((count, sizes)) = SampleSizes::read(kind, content) {
                    (self.sample_count, self.sizes) = (count, sizes);
                }
            }
            // Of two, libavformat takes the first.
            b"stsc" if self.stsc.is_empty() => self.stsc = repair_runs(entries(content, 12)),
            b"stco" if self.chunk_offsets.bytes.is_empty() => {
                self.chunk_offsets = ChunkOffsets { bytes: entries(content, 4), is_long: false };
            }
            b"co64" if self.chunk_offsets.bytes.is_empty() => {
                self.chunk_offsets = ChunkOffsets { bytes: entries(content, 8), is_long: true };
            }
            b"stts" => self.stts = entries(content, 8),
            b"ctts" => self.ctts = entries(content, 8),
            b"stss" => self.stss = Some(entries(content, 4)),
            b"stps" => self.stps = entries(content, 4),
            b"sbgp" => self.read_groups(content),
            b"sgpd" if content.get(4..8) == Some(b"sync") => self.open_group = find_open_group(content),
            _ => {}
        }
    }

    /// ISO/IEC 14496-12, 8.9.2: the parameter of version 1 pushes the table back.
    fn read_groups(&mut self, sbgp: &'b [u8]) {
        let start = if sbgp.first() == Some(&1) { 8 } else { 4 };
        let groups = entries(sbgp.get(start..).unwrap_or_default(), 8);
        match sbgp.get(4..8) {
            Some(b"rap ") if !groups.is_empty() => self.access_points = groups,
            Some(b"sync") if !groups.is_empty() => self.sync_groups = groups,
            _ => {}
        }
    }

    /// Whether the chunks have room for more samples than there are.
    pub(super) fn overrun(&self) -> bool {
        let runs = || self.stsc.chunks_exact(12);
        let firsts = runs().skip(1).map(|run| be32(run, 0)).chain([None]);
        let mut room = 0_u64;
        for (run, next) in runs().zip(firsts) {
            let first = be32(run, 0).map_or(1, u64::from);
            let end = next.map_or_else(|| self.chunk_offsets.count() + 1, u64::from);
            // Chunks in front of the first run belong to it too.
            let first = if room == 0 { 1 } else { first };
            let each = be32(run, 4).map_or(0, u64::from);
            room = room.saturating_add(end.saturating_sub(first).saturating_mul(each));
        }
        room > self.sample_count.into()
    }

    /// Whether samples have another description than the first.
    pub(super) fn names_other_descriptions(&self) -> bool {
        self.stsc.chunks_exact(12).any(|run| be32(run, 8) != Some(1))
    }

    /// Whether a table is missing without which libavformat reads no sample (`sanity_checks`).
    pub(super) fn is_broken(&self) -> bool {
        let has_chunks = !self.chunk_offsets.bytes.is_empty();
        let has_samples = self.sample_count > 0;
        (has_chunks && (self.stts.is_empty() || self.stsc.is_empty() || !has_samples))
            || (has_samples && (!has_chunks || self.sizes.is_empty()))
    }
}

/// Which description of sync samples says CRA, the keyframes of HEVC that pictures seen before them may follow (ISO/IEC
/// 14496-12, 8.9.3, and 14496-15, 8.4.4: the type of the NAL units is in the last six bits of the first byte).
fn find_open_group(sgpd: &[u8]) -> Option<u32> {
    const CRA: u8 = 21;
    let version = *sgpd.first()?;
    let (common, mut at) = match version {
        0 => (0, 8),
        1 => (be32(sgpd, 8)?, 12),
        _ => (be32(sgpd, 8)?, 16),
    };
    let count = be32(sgpd, at)?;
    at += 4;
    for number in 1..=count {
        let mut length = common;
        if version >= 1 && common == 0 {
            length = be32(sgpd, at)?;
            at += 4;
        }
        if sgpd.get(at)? & 0x3f == CRA {
            return Some(number);
        }
        at = at.checked_add(usize::try_from(length.max(1)).ok()?)?;
    }
    None
}

/// Entries of `width` bytes behind a FullBox header and their count (ISO/IEC 14496-12, 4.2.2).
fn entries(content: &[u8], width: usize) -> &[u8] {
    let bytes = content.get(8..).unwrap_or_default();
    let declared = be32(content, 4).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let count = declared.min(bytes.len() / width);
    &bytes[..count * width]
}

/// Sizes of samples (ISO/IEC 14496-12, 8.7.3).
#[derive(Debug, Clone, Copy)]
pub(super) enum SampleSizes<'b> {
    Constant(u32),
    /// `bits` for each.
    Each {
        bits: u8,
        bytes: &'b [u8],
    },
}

impl Default for SampleSizes<'_> {
    fn default() -> Self {
        Self::Each { bits: 32, bytes: &[] }
    }
}

impl<'b> SampleSizes<'b> {
    /// The count, and the sizes.
    fn read(kind: &[u8; 4], content: &'b [u8]) -> Option<(u32, Self)> {
        let count = be32(content, 8)?;
        let bytes = content.get(12..)?;
        let size = be32(content, 4)?;
        match kind {
            b"stsz" if size > 0 => Some((count, Self::Constant(size))),
            b"stsz" => Some((count, Self::Each { bits: 32, bytes })),
            // stz2 has the width of its entries in the last of these four bytes.
            _ => match size.to_be_bytes()[3] {
                bits @ (4 | 8 | 16 | 32) => Some((count, Self::Each { bits, bytes })),
                _ => None,
            },
        }
    }

    const fn is_empty(&self) -> bool {
        matches!(self, Self::Each { bytes, .. } if bytes.is_empty())
    }

    pub(super) fn get(&self, number: u32) -> Option<u32> {
        let number = usize::try_from(number).ok()?;
        match *self {
            Self::Constant(size) => Some(size),
            Self::Each { bits: 4, bytes } => {
                let both = *bytes.get(number / 2)?;
                Some(u32::from(if number.is_multiple_of(2) { both >> 4 } else { both & 15 }))
            }
            Self::Each { bits: 8, bytes } => bytes.get(number).copied().map(u32::from),
            Self::Each { bits: 16, bytes } => be16(bytes, number.checked_mul(2)?).map(u32::from),
            Self::Each { bytes, .. } => be32(bytes, number.checked_mul(4)?),
        }
    }
}

/// Where chunks begin (ISO/IEC 14496-12, 8.7.5).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ChunkOffsets<'b> {
    bytes: &'b [u8],
    is_long: bool,
}

impl ChunkOffsets<'_> {
    const fn count(&self) -> u64 {
        (self.bytes.len() / if self.is_long { 8 } else { 4 }) as u64
    }

    pub(super) fn get(&self, number: usize) -> Option<u64> {
        if !self.is_long {
            return be32(self.bytes, number.checked_mul(4)?).map(u64::from);
        }
        // Impossible ones are zero to libavformat.
        let offset = be64(self.bytes, number.checked_mul(8)?)?;
        Some(if i64::try_from(offset).is_ok() { offset } else { 0 })
    }
}

/// Mends runs of chunks whose first chunks do not rise, or that have no samples, as libavformat does (`mov_read_stsc`):
/// from the last to the first, each bad one becomes like the one behind it. Numbers are signed there.
fn repair_runs(stsc: &[u8]) -> Cow<'_, [u8]> {
    let run = |bytes: &[u8], at: usize| {
        let number = |place: usize| be32(bytes, at * 12 + place).map_or(0, u32::cast_signed);
        (number(0), number(4), number(8))
    };
    let least = |at: usize| i32::try_from(at).unwrap_or(i32::MAX).saturating_add(1);
    let mut length = stsc.len() / 12;
    let mut mended: Option<Vec<u8>> = None;
    for at in (0..length).rev() {
        let bytes = mended.as_deref().unwrap_or(stsc);
        let (first, count, description) = run(bytes, at);
        let before = at.checked_sub(1).map(|at| run(bytes, at).0);
        let behind = Some(at + 1).filter(|&at| at < length).map(|at| run(bytes, at));
        let is_good = behind.is_none_or(|(next, ..)| first < next)
            && before.is_none_or(|previous| first > previous)
            && first >= least(at)
            && count >= 1
            && description >= 1;
        if is_good {
            continue;
        }
        let (first, count, description) = match (behind, before) {
            (Some((next, count, description)), _) => (next.saturating_sub(1), count, description),
            (None, Some(_)) if count == 0 => {
                length -= 1;
                continue;
            }
            (None, before) => {
                let first = first.max(least(at));
                let first = before.map_or(first, |before| first.max(before.saturating_add(1)));
                (first, count.max(1), description.max(1))
            }
        };
        let bytes = mended.get_or_insert_with(|| stsc.to_vec());
        for (place, number) in [first, count, description].into_iter().enumerate() {
            let start = at * 12 + place * 4;
            bytes[start..start + 4].copy_from_slice(&number.to_be_bytes());
        }
    }
    match mended {
        Some(mut bytes) => {
            bytes.truncate(length * 12);
            Cow::Owned(bytes)
        }
        None => Cow::Borrowed(&stsc[..length * 12]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::movie::Movie;
    use super::super::samples::Sample;
    use super::super::test_tables::*;
    use super::*;

    #[test]
    fn constant_sizes_and_short_chunk_offsets() {
        let found = samples(&video(plain_tables(5)));
        let offsets: Vec<u64> = found.iter().map(|sample| sample.offset).collect();
        assert_eq!(offsets, [1000, 1100, 1200, 2000, 2100]);
        assert!(found.iter().all(|sample| sample.size == 100 && sample.is_sync));
        assert_eq!(found[4], Sample { offset: 2100, size: 100, dts: 4, cts: 4, is_sync: true });
    }

    #[test]
    fn sizes_of_each_width() {
        let sizes = |tables| {
            samples(&video(with(plain_tables(3), tables))).iter().map(|s| s.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(vec![full(b"stsz", 0, &[0, 3, 7, 8, 9])]), [7, 8, 9]);
        let compact = |bits: u32, bytes: &[u8]| {
            let plain =
                plain_tables(3).into_iter().filter(|table| &table[4..8] != b"stsz").collect::<Vec<_>>();
            let head = [0, 0, 0, 0, 0, 0, 0, u8::try_from(bits).unwrap(), 0, 0, 0, 3];
            let stz2 = boxed(b"stz2", &[head.to_vec(), bytes.to_vec()]);
            samples(&video(with(plain, vec![stz2]))).iter().map(|sample| sample.size).collect::<Vec<_>>()
        };
        assert_eq!(compact(4, &[0x12, 0x30]), [1, 2, 3]);
        assert_eq!(compact(8, &[4, 5, 6]), [4, 5, 6]);
        assert_eq!(compact(16, &[1, 0, 0, 2, 0, 3]), [256, 2, 3]);
        assert_eq!(compact(5, &[1, 2, 3]), [0; 0]);
    }

    #[test]
    fn long_chunk_offsets_and_runs_of_chunks() {
        let co64 = full(b"co64", 0, &[3, 1, 0, 0, 50, NEGATIVE, 0]);
        let tables = plain_tables(6).into_iter().filter(|table| &table[4..8] != b"stco").collect();
        let stsc = table(b"stsc", 3, &[1, 1, 1, 2, 3, 1, 3, 2, 1]);
        let found = samples(&video(with(tables, vec![co64, stsc])));
        let offsets: Vec<u64> = found.iter().map(|sample| sample.offset).collect();
        // What is negative as a signed number counts as zero.
        assert_eq!(offsets, [1 << 32, 50, 150, 250, 0, 100]);
    }

    #[test]
    fn bad_runs_of_chunks_are_mended() {
        let runs = |words: &[u32]| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let mended = repair_runs(&bytes).into_owned();
            mended.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(runs(&[1, 2, 1, 5, 3, 1]), [1, 2, 1, 5, 3, 1]);
        assert_eq!(runs(&[1, 2, 1, 5, 0, 1]), [1, 2, 1]);
        assert_eq!(runs(&[0, 0, 0]), [1, 1, 1]);
        assert_eq!(runs(&[1, 2, 1, 1, 4, 1, 9, 3, 2]), [1, 2, 1, 8, 3, 2, 9, 3, 2]);
        assert_eq!(runs(&[3, 2, 1, 3, 0, 0]), [3, 2, 1]);
        assert_eq!(runs(&[]), [0; 0]);
    }

    #[test]
    fn without_a_table_there_are_no_samples() {
        for missing in [b"stsz", b"stsc", b"stco", b"stts"] {
            let tables = plain_tables(4).into_iter().filter(|table| table[4..8] != missing[..]).collect();
            let moov = video(tables);
            let movie = Movie::parse(&moov).unwrap();
            assert_eq!((movie.tracks[0].samples().count(), movie.tracks[0].sample_count()), (0, 0));
        }
    }
}

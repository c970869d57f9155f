//! How many entries libavformat makes of a track's samples: it copies the samples of each edit (`mov_fix_index`), and makes entries
//! of uncompressed sound by the chunk (`mov_build_index`).

use crate::media::layout::boxes::{Fields, be32, take};
use crate::media::layout::gop::rescale;

/// Edits of a track that need not be followed one by one.
const FEW_EDITS: u64 = 2;
/// Samples that libavformat joins in one entry of uncompressed sound.
const SAMPLES_IN_ENTRY: u64 = 1024;
/// Sound is decoded from a second before an edit on.
const SOUND_BEFORE_EDIT: i64 = 1;

/// The tables of one track. Where a box comes twice, libavformat takes the last one.
#[derive(Debug, Default)]
pub(super) struct Tables<'b> {
    /// The handler that says what the samples are, and the ticks in a second.
    pub(super) handler: [u8; 4],
    pub(super) timescale: u32,
    /// The samples that `stsz` or `stz2` declares.
    pub(super) samples: u64,
    /// Contents behind version and flags: the count, then the entries.
    pub(super) stts: &'b [u8],
    pub(super) ctts: &'b [u8],
    pub(super) stss: &'b [u8],
    pub(super) stsc: &'b [u8],
    pub(super) chunks: u64,
    /// The whole content of `elst`.
    pub(super) elst: &'b [u8],
    pub(super) stsd: &'b [u8],
}

impl Tables<'_> {
    /// Returns how many entries the samples become, and how many more the edits make of them.
    pub(super) fn entries(&self, movie_timescale: u32) -> (u64, u64) {
        // Uncompressed sound is declared sample by sample, 44 100 a second and each one tick long.
        let is_blocks = be32(self.stts, 0) == Some(1) && be32(self.stts, 8) == Some(1);
        let entries = match &self.handler {
            _ if !is_blocks => self.samples,
            b"soun" => self.blocks(),
            b"vide" => self.samples,
            _ => self.samples.max(self.blocks()),
        };
        let edited = if movie_timescale > 0 {
            self.edited(movie_timescale).min(entries.saturating_mul(self.edits()))
        } else {
            0
        };
        (entries, edited)
    }

    /// Entries of uncompressed sound: some for each chunk.
    fn blocks(&self) -> u64 {
        // Versions 1 of sound descriptions say how many samples a frame has; frames of GSM become an entry each.
        let frame = be32(self.stsd, 44).map_or(0, u64::from);
        let in_entry = if (160..SAMPLES_IN_ENTRY).contains(&frame) { frame } else { SAMPLES_IN_ENTRY };
        let is_gsm = self.stsd.get(12..16) == Some(b"agsm");
        let in_entry = if is_gsm { 160 } else { in_entry };
        let mut runs = self.stsc.get(4..).unwrap_or_default();
        let mut blocks = 0_u64;
        while let (Some(first), Some(samples), Some(_)) = (take(&mut runs), take(&mut runs), take(&mut runs))
        {
            let next = be32(runs, 0).map_or(self.chunks, |next| u64::from(next).saturating_sub(1));
            let chunks = next.min(self.chunks).saturating_sub(u64::from(first).saturating_sub(1));
            blocks = blocks.saturating_add(chunks.saturating_mul(u64::from(samples).div_ceil(in_entry)));
        }
        blocks
    }

    /// The edits that there is room for.
    fn edits(&self) -> u64 {
        let entry = if self.elst.first() == Some(&1) { 20 } else { 12 };
        (self.elst.len().saturating_sub(8) as u64).checked_div(entry).unwrap_or(0)
    }

    /// Samples of all edits, each from the keyframe before the edit to the second keyframe behind it.
    fn edited(&self, movie_timescale: u32) -> u64 {
        if self.edits() <= FEW_EDITS {
            return 0;
        }
        let runs = self.runs();
        let (ahead, behind) = self.reordering();
        let keyframes = self.keyframes();
        let before_edit = if &self.handler == b"soun" {
            i64::from(self.timescale).saturating_mul(SOUND_BEFORE_EDIT)
        } else {
            0
        };
        let mut edited = 0_u64;
        let Some(mut fields) = Fields::new(self.elst) else { return 0 };
        let _count = fields.take();
        while let Some((ticks, time)) = fields.take_wide().zip(fields.take_wide()) {
            let _rate = fields.take();
            let time = if fields.version == 1 { time.cast_signed() } else { time.cast_signed() << 32 >> 32 };
            if time < 0 {
                continue;
            }
            let ticks = rescale(i64::try_from(ticks).unwrap_or(i64::MAX), self.timescale, movie_timescale);
            let start = time.saturating_sub(ahead).saturating_sub(before_edit);
            let end = time.saturating_add(ticks).saturating_add(behind);
            let first =
                keyframes.at_or_before(self.sample_before(&runs, start).min(self.samples.saturating_sub(1)));
            let last = keyframes.second_behind(self.sample_behind(&runs, end)).min(self.samples);
            // Where samples have offsets of their own, libavformat counts them from the first one on.
            let walked = if self.ctts.is_empty() { 0 } else { first >> 5 };
            edited =
                edited.saturating_add(last.saturating_sub(first)).saturating_add(walked).saturating_add(1);
        }
        edited
    }

    /// The runs of samples of one length: when each begins, and with which sample.
    fn runs(&self) -> Vec<(i64, u64)> {
        let mut pairs = self.stts.get(4..).unwrap_or_default();
        let (mut runs, mut time, mut sample) = (Vec::new(), 0_i64, 0_u64);
        while let Some((count, ticks)) = take(&mut pairs).zip(take(&mut pairs)) {
            if sample >= self.samples {
                break;
            }
            runs.push((time, sample));
            time = time.saturating_add(i64::from(count).saturating_mul(ticks.into()));
            sample = sample.saturating_add(count.into());
        }
        runs.push((time, sample));
        runs
    }

    /// The ticks that each sample of a run lasts.
    fn ticks(&self, run: usize) -> u64 {
        be32(self.stts, run.saturating_mul(8).saturating_add(8)).map_or(0, u64::from)
    }

    /// A sample that is decoded before a time: the last one, or the first of those that are decoded with it.
    fn sample_before(&self, runs: &[(i64, u64)], time: i64) -> u64 {
        let Some(run) = runs.partition_point(|(start, _)| *start < time).checked_sub(1) else { return 0 };
        let Some(&(start, sample)) = runs.get(run) else { return 0 };
        let ahead = u64::try_from(time.saturating_sub(start).saturating_sub(1)).unwrap_or(0);
        match ahead.checked_div(self.ticks(run)) {
            Some(ahead) => sample.saturating_add(ahead),
            None => {
                runs.get(runs.partition_point(|(other, _)| *other < start)).map_or(0, |(_, sample)| *sample)
            }
        }
    }

    /// The first sample that is decoded behind a time.
    fn sample_behind(&self, runs: &[(i64, u64)], time: i64) -> u64 {
        let Some(run) = runs.partition_point(|(start, _)| *start <= time).checked_sub(1) else { return 0 };
        let Some(&(start, sample)) = runs.get(run) else { return self.samples };
        let next = runs.get(run.saturating_add(1)).map_or(self.samples, |(_, sample)| *sample);
        let ahead = u64::try_from(time.saturating_sub(start)).unwrap_or(0);
        let behind = ahead.checked_div(self.ticks(run));
        behind.map_or(next, |ahead| sample.saturating_add(ahead).saturating_add(1).min(next))
    }

    /// How far samples are presented behind the time at which they are decoded, and in front of it, at most.
    fn reordering(&self) -> (i64, i64) {
        let mut pairs = self.ctts.get(4..).unwrap_or_default();
        let (mut ahead, mut behind) = (0_i64, 0_i64);
        while let Some((_, offset)) = take(&mut pairs).zip(take(&mut pairs)) {
            let offset = i64::from(offset.cast_signed());
            (ahead, behind) = (ahead.max(offset), behind.max(offset.saturating_neg()));
        }
        // libavformat moves all samples until none is presented before it is decoded.
        (ahead.saturating_add(behind), ahead.saturating_add(behind))
    }

    fn keyframes(&self) -> Keyframes<'_> {
        let numbers = self.stss.get(4..).unwrap_or_default();
        // libavformat waits for the numbers one by one: one that does not rise is waited for in vain.
        let count = (numbers.len() >> 2)
            .min(be32(self.stss, 0).and_then(|count| usize::try_from(count).ok()).unwrap_or(0));
        let at = |place: usize| be32(numbers, place.saturating_mul(4));
        let falling = (1..count).find(|&place| at(place) <= at(place.saturating_sub(1)));
        Keyframes { numbers, count: falling.unwrap_or(count), has_table: !self.stss.is_empty() }
    }
}

/// The keyframes that a table names; without one, all samples are keyframes.
struct Keyframes<'b> {
    numbers: &'b [u8],
    count: usize,
    has_table: bool,
}

impl Keyframes<'_> {
    /// The sample of a keyframe, counted from 0.
    fn sample(&self, place: usize) -> Option<u64> {
        let number = be32(self.numbers, place.saturating_mul(4)).filter(|_| place < self.count)?;
        Some(u64::from(number).saturating_sub(1))
    }

    /// How many keyframes come before a sample, or are it.
    fn count_to(&self, sample: u64) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.sample(middle).is_some_and(|keyframe| keyframe <= sample) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    fn at_or_before(&self, sample: u64) -> u64 {
        if !self.has_table {
            return sample;
        }
        self.count_to(sample).checked_sub(1).and_then(|place| self.sample(place)).unwrap_or(0)
    }

    fn second_behind(&self, sample: u64) -> u64 {
        if !self.has_table {
            return sample.saturating_add(2);
        }
        self.sample(self.count_to(sample).saturating_add(1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use proptest::prelude::*;

    use super::super::test_tables::table;
    use super::*;

    fn content(table: &[u8]) -> &[u8] {
        &table[12..]
    }

    /// A table of pairs or single numbers, behind version and flags.
    fn words(entry_words: u32, words: &[u32]) -> Vec<u8> {
        content(&table(b"abcd", entry_words, words)).to_vec()
    }

    fn elst(edits: &[(u32, u32)]) -> Vec<u8> {
        let words: Vec<u32> = edits.iter().flat_map(|&(ticks, time)| [ticks, time, 1 << 16]).collect();
        table(b"elst", 3, &words)[8..].to_vec()
    }

    proptest! {
        /// What libavformat does, sample by sample: from the last keyframe that is presented at or before the edit, to the second
        /// keyframe behind it.
        #[test]
        fn edits_are_counted_to_the_sample(
            ticks in prop::collection::vec((1..6_u32, 0..4_u32), 1..12),
            offsets in prop::collection::vec(0..8_u32, 1..8),
            gaps in prop::collection::vec(1..9_u32, 0..12),
            edits in prop::collection::vec((0..60_u32, 0..80_u32), 3..8),
        ) {
            let durations: Vec<u32> = ticks.iter().flat_map(|&(count, ticks)| vec![ticks; count as usize]).collect();
            let samples = durations.len() as u64;
            let ctts: Vec<u32> = (0..samples).map(|at| offsets[usize::try_from(at).unwrap() % offsets.len()]).collect();
            let keys: Vec<u32> = gaps.iter().scan(1, |next, gap| { let key = *next; *next += gap; Some(key) }).collect();
            let is_key = |at: u64| keys.is_empty() || keys.iter().any(|&key| u64::from(key) == at + 1);
            let (stts, ctts_table, stss) = (
                words(2, &ticks.iter().flat_map(|&(count, ticks)| [count, ticks]).collect::<Vec<_>>()),
                words(2, &ctts.iter().flat_map(|&offset| [1, offset]).collect::<Vec<_>>()),
                if keys.is_empty() { Vec::new() } else { words(1, &keys) },
            );
            let elst = elst(&edits);
            let tables = Tables { handler: *b"vide", timescale: 10, samples, stts: &stts, ctts: &ctts_table, stss: &stss, elst: &elst, ..Tables::default() };
            let mut expected = 0;
            for &(length, time) in &edits {
                let dts = |at: u64| durations[..usize::try_from(at).unwrap()].iter().sum::<u32>();
                let cts = |at: u64| dts(at) + ctts[usize::try_from(at).unwrap()];
                let first = (0..samples).rev().find(|&at| is_key(at) && dts(at) <= time && cts(at) <= time).unwrap_or(0);
                let behind: Vec<u64> = (first..samples).filter(|&at| is_key(at) && cts(at) >= time + length).take(2).collect();
                expected += behind.get(1).copied().unwrap_or(samples) - first;
            }
            let (entries, edited) = tables.entries(10);
            prop_assert_eq!(entries, samples);
            // Some more, never fewer.
            prop_assert!(edited >= expected.min(samples * edits.len() as u64), "{} < {}", edited, expected);
        }
    }

    #[test]
    fn short_edits_of_long_tracks_cost_little() {
        // Two hours, a keyframe each second, and 500 edits of a second.
        let samples = 180_000;
        let keys: Vec<u32> = (0..7200).map(|second| second * 25 + 1).collect();
        let (stts, stss) = (words(2, &[samples, 1]), words(1, &keys));
        let edits: Vec<(u32, u32)> = (0..500).map(|number| (25, number * 300)).collect();
        let elst = elst(&edits);
        let tables = Tables {
            handler: *b"vide",
            timescale: 25,
            samples: samples.into(),
            stts: &stts,
            stss: &stss,
            elst: &elst,
            ..Tables::default()
        };
        let (_, edited) = tables.entries(25);
        assert!((500 * 25..500 * 110).contains(&edited), "{edited}");
        // The same with one keyframe.
        let one = words(1, &[1]);
        let (_, edited) = Tables { stss: &one, ..tables }.entries(25);
        assert!(edited > 500 * 90_000, "{edited}");
    }

    #[test]
    fn chunks_of_sound_become_blocks() {
        let (stts, stsc) = (words(2, &[u32::MAX, 1]), words(3, &[1, 5000, 1, 3, u32::MAX, 1]));
        let tables = Tables {
            handler: *b"soun",
            samples: u32::MAX.into(),
            chunks: 4,
            stts: &stts,
            stsc: &stsc,
            ..Tables::default()
        };
        assert_eq!(tables.entries(10), (2 * 5 + 2 * (1 << 22), 0));
        let video = Tables { handler: *b"vide", ..tables };
        assert_eq!(video.entries(10).0, u64::from(u32::MAX));
    }
}

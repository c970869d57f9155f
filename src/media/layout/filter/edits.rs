//! The number of entries that libavformat creates for a track's samples: it copies the samples of each edit (`mov_fix_index`), and
//! creates the entries of uncompressed audio by chunk (`mov_build_index`).

use crate::media::layout::boxes::{Fields, be32, take};
use crate::media::layout::gop::rescale;

/// Largest number of edits of a track that need not be followed one by one.
const FEW_EDITS: u64 = 2;
/// Number of samples that libavformat joins in one entry of uncompressed audio.
const SAMPLES_IN_ENTRY: u64 = 1024;
/// Audio is decoded from a second before an edit.
const SOUND_BEFORE_EDIT: i64 = 1;
/// Number of samples in a GSM frame. Each GSM frame becomes an entry.
const GSM_SAMPLES: u64 = 160;
/// Longer sample durations are corrections: libavformat uses 1 instead, and shortens later samples.
const MAX_TICKS: u32 = u32::MAX - 480_000;

/// The tables of one track.
#[derive(Debug, Default)]
pub(super) struct Tables<'b> {
    /// The handler that determines the kind of the samples, and the ticks per second.
    pub(super) handler: [u8; 4],
    pub(super) timescale: u32,
    /// The number of samples that `stsz` or `stz2` declares.
    pub(super) samples: u64,
    /// Contents after version and flags: the count, and then the entries.
    pub(super) stts: &'b [u8],
    pub(super) ctts: &'b [u8],
    pub(super) stss: &'b [u8],
    pub(super) stsc: &'b [u8],
    pub(super) chunks: u64,
    /// The whole content of `elst`.
    pub(super) elst: &'b [u8],
    pub(super) stsd: &'b [u8],
    /// Whether libavformat may use other tables than these.
    pub(super) is_doubtful: bool,
}

impl<'b> Tables<'b> {
    /// Records a table of one of these kinds. When a table occurs twice, its kind and content determine which of the two libavformat
    /// uses. For a short table, libavformat reads the bytes after the table.
    pub(super) fn take(&mut self, kind: [u8; 4], content: &'b [u8]) {
        let table = content.get(4..).unwrap_or_default();
        self.is_doubtful |= table.len() < 4;
        let place = match &kind {
            b"stts" => &mut self.stts,
            b"ctts" => &mut self.ctts,
            b"stss" => &mut self.stss,
            b"stsd" => &mut self.stsd,
            b"elst" => &mut self.elst,
            // The first table with entries counts.
            b"stsc" if be32(self.stsc, 0).unwrap_or(0) > 0 => return,
            b"stsc" => {
                self.stsc = table;
                return;
            }
            _ => return,
        };
        self.is_doubtful |= !place.is_empty();
        *place = match &kind {
            b"elst" if edits_in(place) > edits_in(content) => place,
            b"stsd" | b"elst" => content,
            _ => table,
        };
    }

    /// Records the handler that determines the kind of the samples. Other handlers do not affect the kind. Two different handlers leave
    /// the kind undetermined.
    pub(super) fn take_handler(&mut self, handler: [u8; 4]) {
        if matches!(&handler, b"vide" | b"soun" | b"subp" | b"clcp") {
            self.is_doubtful |= self.handler != [0; 4] && self.handler != handler;
            self.handler = handler;
        }
    }

    /// Returns the number of entries for the samples, and the number of additional entries for the edits.
    pub(super) fn entries(&self, movie_timescale: u32) -> (u64, u64) {
        // Uncompressed audio is declared sample by sample, 44 100 per second and one tick each.
        let is_blocks = be32(self.stts, 0) == Some(1)
            && be32(self.stts, 8).is_some_and(|ticks| ticks == 1 || ticks > MAX_TICKS);
        let entries = match &self.handler {
            _ if self.is_doubtful => self.samples.max(self.blocks()),
            _ if !is_blocks => self.samples,
            b"soun" => self.blocks(),
            b"vide" => self.samples,
            _ => self.samples.max(self.blocks()),
        };
        let all = entries.saturating_mul(edits_in(self.elst));
        let edited = match edits_in(self.elst) {
            _ if movie_timescale == 0 => 0,
            0..=FEW_EDITS => 0,
            _ => self.edited(movie_timescale).unwrap_or(all).min(all),
        };
        (entries, edited)
    }

    /// Returns the entries of uncompressed audio: some for each chunk.
    fn blocks(&self) -> u64 {
        // Versions 1 of audio descriptions contain the number of samples in a frame. Frames of GSM become an entry each.
        let frame = be32(self.stsd, 44).map_or(0, u64::from);
        let in_entry =
            if (GSM_SAMPLES..SAMPLES_IN_ENTRY).contains(&frame) { frame } else { SAMPLES_IN_ENTRY };
        let is_gsm = self.stsd.get(12..16) == Some(b"agsm");
        let in_entry = if is_gsm || self.is_doubtful { GSM_SAMPLES } else { in_entry };
        let mut runs = declared(self.stsc, 12);
        let mut blocks = 0_u64;
        while let (Some(first), Some(samples), Some(_)) = (take(&mut runs), take(&mut runs), take(&mut runs))
        {
            let next = be32(runs, 0).map_or(self.chunks, |next| u64::from(next).saturating_sub(1));
            let chunks = next.min(self.chunks).saturating_sub(u64::from(first).saturating_sub(1));
            blocks = blocks.saturating_add(chunks.saturating_mul(u64::from(samples).div_ceil(in_entry)));
        }
        blocks
    }

    /// Returns the samples of all edits, each from the keyframe before the edit to the second keyframe after it, or `None` when the
    /// tables are not sufficient.
    fn edited(&self, movie_timescale: u32) -> Option<u64> {
        let runs = self.runs()?;
        let (ahead, behind) = self.reordering()?;
        let keyframes = self.keyframes();
        let timescale = if self.timescale > 0 { self.timescale } else { movie_timescale };
        let before_edit = match &self.handler {
            b"vide" => 0,
            // Sample descriptions can turn the other handlers into audio.
            _ => i64::from(timescale).saturating_mul(SOUND_BEFORE_EDIT),
        };
        let (mut edited, mut is_first) = (0_u64, true);
        let mut fields = Fields::new(self.elst)?;
        let _count = fields.take();
        while let Some((ticks, time)) = fields.take_wide().zip(fields.take_wide()) {
            let _rate = fields.take();
            let time = if fields.version == 1 { time.cast_signed() } else { time.cast_signed() << 32 >> 32 };
            // Empty edits come first. After other edits, libavformat treats them as edits that begin before the track.
            if is_first && time == -1 {
                continue;
            }
            is_first = false;
            let ticks = rescale(i64::try_from(ticks).unwrap_or(i64::MAX), timescale, movie_timescale);
            let start = time.saturating_sub(ahead).saturating_sub(before_edit);
            let end = time.saturating_add(ticks).saturating_add(behind);
            // Of samples that are decoded at the same time, libavformat begins with the first keyframe.
            let first = keyframes.at_or_before(self.sample_before(&runs, start));
            let first = keyframes.at_or_before(self.first_with(&runs, first));
            let last = keyframes.second_behind(self.sample_behind(&runs, end)).min(self.samples);
            // Where samples have composition offsets, libavformat counts the samples from the first one.
            let walked = if self.ctts.is_empty() { 0 } else { first >> 5 };
            edited =
                edited.saturating_add(last.saturating_sub(first)).saturating_add(walked).saturating_add(1);
        }
        Some(edited)
    }

    /// Returns the runs of samples with the same duration: the time and the sample at which each begins. Returns `None` when some
    /// durations are corrections.
    fn runs(&self) -> Option<Vec<(i64, u64)>> {
        let mut pairs = declared(self.stts, 8);
        let (mut runs, mut time, mut sample) = (Vec::new(), 0_i64, 0_u64);
        while let Some((count, ticks)) = take(&mut pairs).zip(take(&mut pairs)) {
            if sample >= self.samples {
                break;
            }
            if ticks > MAX_TICKS {
                return None;
            }
            runs.push((time, sample));
            time = time.saturating_add(i64::from(count).saturating_mul(ticks.into()));
            sample = sample.saturating_add(count.into());
        }
        runs.push((time, sample));
        Some(runs).filter(|_| !self.is_doubtful)
    }

    /// Returns the duration of each sample of a run in ticks.
    fn ticks(&self, run: usize) -> u64 {
        be32(declared(self.stts, 8), run.saturating_mul(8).saturating_add(4)).map_or(0, u64::from)
    }

    /// Returns the last sample that is decoded before a time, or the first sample.
    fn sample_before(&self, runs: &[(i64, u64)], time: i64) -> u64 {
        let is_before = |&(start, sample): &(i64, u64)| start < time && sample < self.samples;
        let Some(run) = runs.partition_point(is_before).checked_sub(1) else { return 0 };
        let Some(&(start, sample)) = runs.get(run) else { return 0 };
        let next = runs.get(run.saturating_add(1)).map_or(self.samples, |(_, sample)| *sample);
        let ahead = u64::try_from(time.saturating_sub(start).saturating_sub(1)).unwrap_or(0);
        let last = next.min(self.samples).saturating_sub(1);
        ahead.checked_div(self.ticks(run)).map_or(last, |ahead| sample.saturating_add(ahead).min(last))
    }

    /// Returns the first of the samples that are decoded at the same time as this one.
    fn first_with(&self, runs: &[(i64, u64)], sample: u64) -> u64 {
        let run = runs.partition_point(|(_, first)| *first <= sample).saturating_sub(1);
        let Some(&(start, first)) = runs.get(run) else { return 0 };
        if first < sample && self.ticks(run) > 0 {
            return sample;
        }
        runs.get(runs.partition_point(|(other, _)| *other < start)).map_or(0, |(_, first)| *first)
    }

    /// Returns the first sample that is decoded after a time.
    fn sample_behind(&self, runs: &[(i64, u64)], time: i64) -> u64 {
        let Some(run) = runs.partition_point(|(start, _)| *start <= time).checked_sub(1) else { return 0 };
        let Some(&(start, sample)) = runs.get(run) else { return self.samples };
        let next = runs.get(run.saturating_add(1)).map_or(self.samples, |(_, sample)| *sample);
        let ahead = u64::try_from(time.saturating_sub(start)).unwrap_or(0);
        let behind = ahead.checked_div(self.ticks(run));
        behind.map_or(next, |ahead| sample.saturating_add(ahead).saturating_add(1).min(next))
    }

    /// Returns the maximum distance of presentation after decoding, and before decoding. Returns `None` when libavformat reads beyond
    /// the table.
    fn reordering(&self) -> Option<(i64, i64)> {
        let mut pairs = self.ctts.get(4..).unwrap_or_default();
        let count = be32(self.ctts, 0).map_or(0, u64::from);
        if count > (pairs.len() >> 3) as u64 {
            return None;
        }
        let (mut ahead, mut behind) = (0_i64, 0_i64);
        while let Some((_, offset)) = take(&mut pairs).zip(take(&mut pairs)) {
            let offset = i64::from(offset.cast_signed());
            (ahead, behind) = (ahead.max(offset), behind.max(offset.saturating_neg()));
        }
        // libavformat shifts all samples until none is presented before it is decoded.
        Some((ahead.saturating_add(behind), ahead.saturating_add(behind)))
    }

    fn keyframes(&self) -> Keyframes<'_> {
        let numbers = declared(self.stss, 4);
        // libavformat waits for the numbers one by one, and never finds a number that is not greater than the last. Where the first is
        // 0, other tables decide what the numbers mean.
        let at = |place: usize| {
            place.checked_sub(1).map_or(Some(0), |place| be32(numbers, place.saturating_mul(4)))
        };
        let count = numbers.len() >> 2;
        let count = (0..count).find(|&place| at(place.saturating_add(1)) <= at(place)).unwrap_or(count);
        Keyframes { numbers, count, has_table: !self.stss.is_empty() }
    }
}

/// Returns the number of edits that fit into the content of `elst`.
fn edits_in(elst: &[u8]) -> u64 {
    let entry = if elst.first() == Some(&1) { 20 } else { 12 };
    (elst.len().saturating_sub(8) as u64).checked_div(entry).unwrap_or(0)
}

/// Returns the entries of a table that are both declared and present, after their number.
fn declared(table: &[u8], entry_bytes: usize) -> &[u8] {
    let entries = table.get(4..).unwrap_or_default();
    let count = be32(table, 0).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    entries.get(..count.saturating_mul(entry_bytes)).unwrap_or(entries)
}

/// The keyframes in a table. Without a table, all samples are keyframes.
struct Keyframes<'b> {
    numbers: &'b [u8],
    count: usize,
    has_table: bool,
}

impl Keyframes<'_> {
    /// Returns the sample of a keyframe, counted from 0.
    fn sample(&self, place: usize) -> Option<u64> {
        let number = be32(self.numbers, place.saturating_mul(4)).filter(|_| place < self.count)?;
        Some(u64::from(number).saturating_sub(1))
    }

    /// Returns the number of keyframes up to and including a sample.
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

    use super::*;
    use crate::media::layout::test_tables::table;

    fn content(table: &[u8]) -> &[u8] {
        &table[12..]
    }

    /// Creates a table of pairs or single numbers, after version and flags.
    fn words(entry_words: u32, words: &[u32]) -> Vec<u8> {
        content(&table(b"abcd", entry_words, words)).to_vec()
    }

    fn elst(edits: &[(u32, u32)]) -> Vec<u8> {
        let words: Vec<u32> = edits.iter().flat_map(|&(ticks, time)| [ticks, time, 1 << 16]).collect();
        table(b"elst", 3, &words)[8..].to_vec()
    }

    /// Creates an edit list of version 1.
    fn long_elst(edits: &[(u32, i32)]) -> Vec<u8> {
        let count = u32::try_from(edits.len()).unwrap().to_be_bytes();
        let edits = edits.iter().flat_map(|&(ticks, time)| {
            [&u64::from(ticks).to_be_bytes()[..], &i64::from(time).to_be_bytes(), &[0, 1, 0, 0]].concat()
        });
        [1, 0, 0, 0].into_iter().chain(count).chain(edits).collect()
    }

    /// A track, sample by sample, as libavformat sees it.
    #[derive(Debug)]
    struct Samples {
        dts: Vec<i64>,
        offsets: Option<Vec<i64>>,
        is_key: Vec<bool>,
        is_sound: bool,
        timescale: i64,
    }

    impl Samples {
        fn cts(&self, at: usize) -> i64 {
            self.dts[at] + self.offsets.as_ref().map_or(0, |offsets| offsets[at])
        }

        /// Returns the sample at which libavformat begins an edit (`find_prev_closest_index`).
        fn first(&self, time: i64) -> usize {
            let time = if self.is_sound { time - self.timescale } else { time };
            let find = |any: bool| {
                let is_found = |at: usize| any || self.is_key[at];
                let last = (0..self.dts.len()).rev().find(|&at| self.dts[at] <= time && is_found(at))?;
                let earliest = (0..last).filter(|&at| self.dts[at] == self.dts[last] && is_found(at)).min();
                let last = earliest.unwrap_or(last);
                match &self.offsets {
                    None => Some(last),
                    Some(_) => (0..=last).rev().find(|&at| self.cts(at) <= time && self.is_key[at]),
                }
            };
            find(false).or_else(|| find(true)).unwrap_or(0)
        }

        /// Returns the entries that libavformat creates for an edit (`mov_fix_index`).
        fn copied(&self, time: i64, ticks: i64) -> u64 {
            let (count, mut is_second, mut copied) =
                (self.dts.len(), self.offsets.is_none() || self.is_sound, 0);
            for at in self.first(time)..count {
                copied += 1;
                let length = if at + 1 < count { self.dts[at + 1] - self.dts[at] } else { ticks };
                if self.cts(at) + length >= time + ticks && (self.is_key[at] || self.is_sound) {
                    if is_second {
                        break;
                    }
                    is_second = true;
                }
            }
            copied
        }

        /// Returns the maximum count for an edit: its entries, the samples that are reordered across its ends, a second of audio, and a
        /// thirty-second part of the earlier samples.
        fn most(&self, time: i64, ticks: i64, second: i64) -> u64 {
            let offsets = self.offsets.iter().flatten().copied();
            let reordered = offsets.clone().fold(0, i64::max) - offsets.fold(0, i64::min);
            let (start, end) = (time - reordered - second, time + ticks + reordered);
            let key = |at: usize| (0..=at).rev().find(|&at| self.is_key[at]).unwrap_or(0);
            let first = key(self.dts.iter().rposition(|&dts| dts < start).unwrap_or(0));
            let first = key(self.dts.iter().position(|&dts| dts == self.dts[first]).unwrap_or(first));
            let behind = self.dts.iter().position(|&dts| dts > end).unwrap_or(self.dts.len());
            let second_key = (behind + 1..self.dts.len()).filter(|&at| self.is_key[at]).nth(1);
            let walked = if self.offsets.is_some() { first >> 5 } else { 0 };
            (second_key.unwrap_or(self.dts.len()) - first + walked + 1) as u64
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// No edit counts as fewer entries than libavformat creates. Where the tables are consistent, the excess is limited to the price
        /// of not walking each sample.
        #[test]
        fn edits_are_counted_to_the_sample(
            ticks in prop::collection::vec((1..6_u32, 0..4_u32), 1..12),
            samples_more in prop_oneof![3 => Just(0), 1 => -3..4_i64],
            pairs_more in prop::collection::vec((1..6_u32, 0..9_u32), 0..2),
            offsets in prop::option::of(prop::collection::vec(-6..8_i32, 1..8)),
            keys in prop::option::of((prop_oneof![3 => Just(1_u32), 1 => 0..5_u32], prop::collection::vec(prop_oneof![9 => 1..9_i64, 1 => -4..1_i64], 0..12))),
            handler in prop::sample::select(vec![*b"vide", *b"soun", [0; 4]]),
            is_sound in any::<bool>(),
            clocks in (0..16_u32, 1..16_u32),
            edits in prop::collection::vec((0..60_u32, prop_oneof![3 => 0..80_i32, 1 => -3..0_i32]), 1..8),
            is_long in any::<bool>(),
        ) {
            // Otherwise the entries are blocks of audio.
            prop_assume!(ticks.len() > 1 || ticks[0].1 != 1);
            let is_sound = match &handler { b"vide" => false, b"soun" => true, _ => is_sound };
            let lengths: Vec<u32> = ticks.iter().flat_map(|&(count, ticks)| vec![ticks; count as usize]).collect();
            let samples = usize::try_from((i64::try_from(lengths.len()).unwrap() + samples_more).max(1)).unwrap();
            // After its end, the last duration is repeated, or is 0 where the table of offsets continues.
            let rest = if offsets.is_some() { 0 } else { lengths[lengths.len() - 1] };
            let length = |at: usize| i64::from(lengths.get(at).copied().unwrap_or(rest));
            let dts: Vec<i64> = (0..samples).map(|at| (0..at).map(length).sum()).collect();
            let offsets: Option<Vec<i32>> =
                offsets.map(|offsets| (0..samples).map(|at| offsets[at % offsets.len()]).collect());
            let numbers: Option<Vec<u32>> = keys.map(|(first, gaps)| {
                let rest = gaps.iter().scan(i64::from(first), |number, gap| { *number += gap; u32::try_from(*number).ok() });
                [first].into_iter().chain(rest).collect()
            });
            // libavformat waits for one number after the other.
            let mut waited = numbers.iter().flatten().copied().peekable();
            let first_number = u32::from(waited.peek() != Some(&0));
            let is_key: Vec<bool> = (0..samples).map(|at| {
                let is_next = waited.peek() == Some(&(u32::try_from(at).unwrap() + first_number));
                numbers.is_none() || (is_next && waited.next().is_some())
            }).collect();
            let timescale = if clocks.0 > 0 { clocks.0 } else { clocks.1 };
            let track = Samples {
                dts, is_key, is_sound, timescale: timescale.into(),
                offsets: offsets.clone().map(|offsets| offsets.into_iter().map(i64::from).collect()),
            };

            let pairs: Vec<u32> = ticks.iter().flat_map(|&(count, ticks)| [count, ticks]).collect();
            let more = pairs_more.iter().flat_map(|(count, ticks)| [count.to_be_bytes(), ticks.to_be_bytes()]);
            let stts = [words(2, &pairs), more.flatten().collect()].concat();
            let ctts = offsets.map(|offsets| words(2, &offsets.iter().flat_map(|offset| [1, offset.cast_unsigned()]).collect::<Vec<_>>()));
            let stss = numbers.clone().map(|numbers| words(1, &numbers));
            let elst = if is_long { long_elst(&edits) } else {
                elst(&edits.iter().map(|&(ticks, time)| (ticks, time.cast_unsigned())).collect::<Vec<_>>())
            };
            let tables = Tables {
                handler, timescale: clocks.0, samples: samples as u64, elst: &elst, stts: &stts,
                ctts: ctts.as_deref().unwrap_or_default(), stss: stss.as_deref().unwrap_or_default(), ..Tables::default()
            };

            let second = if &handler == b"vide" { 0 } else { track.timescale };
            let (mut least, mut most) = (0, 0);
            for &(ticks, time) in edits.iter().skip_while(|(_, time)| *time == -1) {
                let ticks = rescale(ticks.into(), timescale, clocks.1);
                least += track.copied(time.into(), ticks);
                most += track.most(time.into(), ticks, second);
            }
            let (entries, edited) = tables.entries(clocks.1);
            prop_assert_eq!(entries, samples as u64);
            if edits.len() as u64 <= FEW_EDITS {
                prop_assert_eq!(edited, 0);
                return Ok(());
            }
            prop_assert!(edited >= least, "{} < {} of {:?}", edited, least, track);
            let rises = numbers.is_none_or(|numbers| numbers[0] > 0 && numbers.is_sorted_by(|a, b| a < b));
            if rises && samples == lengths.len() {
                prop_assert!(edited <= most, "{} > {} of {:?}", edited, most, track);
            }
        }
    }

    /// libavformat's result for duplicate tables, short tables and corrections depends on more than the content of the tables.
    #[test]
    fn edits_of_inconsistent_tables_count_as_all_samples() {
        let full = |entry_words, words: &[u32]| table(b"abcd", entry_words, words)[8..].to_vec();
        let (stts, ctts) = (full(2, &[1000, 10]), full(2, &[1000, 0]));
        let (stss, stsd) = (full(1, &[1, 11, 21, 31, 41]), vec![0; 16]);
        let (edits, none) = (elst(&[(1, 100); 5]), elst(&[]));
        let usual =
            [(b"stts", &stts), (b"ctts", &ctts), (b"stss", &stss), (b"stsd", &stsd), (b"elst", &edits)];
        let edited = |more: &[(&[u8; 4], &Vec<u8>)], change: fn(&mut Tables<'_>)| {
            let mut tables = Tables { handler: *b"vide", timescale: 10, samples: 1000, ..Tables::default() };
            for (kind, content) in usual
                .iter()
                .filter(|(kind, _)| !more.iter().any(|(other, content)| other == kind && content.len() < 8))
                .chain(more)
            {
                tables.take(**kind, content);
            }
            change(&mut tables);
            tables.entries(10).1
        };
        let unchanged = |_: &mut Tables<'_>| {};
        assert!(edited(&[], unchanged) < 200);
        for (kind, content) in usual {
            assert_eq!(edited(&[(kind, content)], unchanged), 5 * 1000, "{kind:?} twice");
        }
        // Edit lists without edits replace nothing.
        assert_eq!(edited(&[(b"elst", &none)], unchanged), 5 * 1000);
        let short = vec![0; 7];
        for kind in [b"stts", b"ctts", b"stss", b"stsd"] {
            assert_eq!(edited(&[(kind, &short)], unchanged), 5 * 1000, "{kind:?} is short");
        }
        assert_eq!(edited(&[], |tables| tables.take_handler(*b"soun")), 5 * 1000);
        assert!(edited(&[], |tables| tables.take_handler(*b"dhlr")) < 200);
        assert!(edited(&[], |tables| tables.take_handler(*b"vide")) < 200);
        // The shortest duration that is a correction, and the longest that is not.
        assert_eq!(edited(&[], |tables| tables.stts = b"\0\0\0\x01\0\0\x03\xe8\xff\xf8\xad\0"), 5 * 1000);
        assert!(edited(&[], |tables| tables.stts = b"\0\0\0\x01\0\0\x03\xe8\xff\xf8\xac\xff") < 200);
        // Offsets are read beyond the table.
        assert_eq!(edited(&[], |tables| tables.ctts = &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0]), 5 * 1000);
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
    fn chunks_of_audio_become_blocks() {
        let full = |entry_words, words: &[u32]| table(b"abcd", entry_words, words)[8..].to_vec();
        let (stts, stsc) = (words(2, &[u32::MAX, 1]), full(3, &[1, 5000, 1, 3, u32::MAX, 1]));
        let (fewer, none) = (full(3, &[1, 1, 1]), full(3, &[]));
        let mut tables = Tables {
            handler: *b"soun",
            samples: u32::MAX.into(),
            chunks: 4,
            stts: &stts,
            ..Tables::default()
        };
        // The first table with entries counts.
        for stsc in [&none, &stsc, &fewer] {
            tables.take(*b"stsc", stsc);
        }
        let long = 1 << 22;
        assert_eq!(tables.entries(10), (2 * 5 + 2 * long, 0));
        // The duration of a sample is a correction, which becomes 1.
        let corrected = words(2, &[u32::MAX, u32::MAX]);
        tables.stts = &corrected;
        assert_eq!(tables.entries(10).0, 2 * 5 + 2 * long);
        // Undeclared entries do not count: the last declared one continues.
        let declared = [&words(3, &[1, 5000, 1])[..], &words(3, &[2, 1, 1])[4..]].concat();
        assert_eq!(Tables { stsc: &declared, ..tables }.entries(10).0, 4 * 5);
        // Frames of GSM, and others that have 160 samples or more.
        let gsm = [vec![0; 12], b"agsm".to_vec(), vec![0; 40]].concat();
        assert_eq!(Tables { stsc: &declared, stsd: &gsm, ..tables }.entries(10).0, 4 * 32);
        for (frame, in_entry) in [(160_u32, 160), (159, 1024), (1023, 1023), (1024, 1024)] {
            let stsd = [&[0; 44][..], &frame.to_be_bytes()].concat();
            let entries = Tables { stsc: &declared, stsd: &stsd, ..tables }.entries(10).0;
            assert_eq!(entries, 4 * 5000_u64.div_ceil(in_entry), "{frame}");
        }
        let video = Tables { handler: *b"vide", ..tables };
        assert_eq!(video.entries(10).0, u64::from(u32::MAX));
        let unknown = Tables { handler: [0; 4], samples: 3, ..tables };
        assert_eq!(unknown.entries(10).0, 2 * 5 + 2 * long);
        let doubtful = Tables { stsc: &declared, samples: 3, is_doubtful: true, ..video };
        assert_eq!(doubtful.entries(10).0, 4 * 32);
        for ticks in [0, 2, MAX_TICKS] {
            let spaced = words(2, &[u32::MAX, ticks]);
            assert_eq!(Tables { stts: &spaced, samples: 3, ..tables }.entries(10).0, 3);
        }
    }
}

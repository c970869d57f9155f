//! Where libavformat puts the samples of a track on the clock of the presentation: edit lists, start, and duration. It departs
//! from the specification: an edit list moves the first frame that it shows, not its own media time, to the start
//! (`mov_fix_index`).

use super::boxes::{be32, be64};
use super::samples::{MAX_STEPS, Sample, SampleTimes, Samples};
use super::track::{EditHandling, Track};
use crate::media::info::StreamKind;

/// An edit of this media time shows nothing (ISO/IEC 14496-12, 8.6.6.3).
const EMPTY: i64 = -1;

/// One entry of an edit list (ISO/IEC 14496-12, 8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edit {
    /// In ticks of the track.
    duration: i64,
    /// In ticks of the track.
    media_time: i64,
    /// Speed, as 16.16 bits.
    rate: u32,
}

/// An edit list of nothing but empty edits and one of media.
#[derive(Debug, Clone, Copy)]
struct SingleEdit {
    /// Ticks before the media is shown.
    empty: i64,
    /// Composition times that are shown: from, and up to.
    shown: (i64, i64),
}

/// Where libavformat puts the samples of a track on the clock of the presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    /// Samples in front that it leaves out.
    pub(super) first: u32,
    /// What it adds to composition times.
    pub(super) shift: i64,
    /// How far behind the wanted composition time it searches on the decoding times: its `min_corrected_pts`.
    pub(super) delay: i64,
    /// Composition times of the frames that come out: from, and up to.
    pub(super) shown: (i64, i64),
}

impl Placement {
    pub(super) const UNEDITED: Self = Self { first: 0, shift: 0, delay: 0, shown: (i64::MIN, i64::MAX) };
}

impl<'b> Track<'b> {
    /// What is added to composition times to get libavformat's presentation times, both in ticks of the track; `None` when
    /// its edits are more complicated than a delay and one part of the media.
    pub(super) fn presentation_shift(&self, movie_timescale: u32) -> Option<i64> {
        Some(self.placement(movie_timescale)?.shift)
    }

    fn edits(&self, movie_timescale: u32) -> impl Iterator<Item = Edit> + use<'b> {
        let (elst, track_timescale) = (self.elst, self.timescale);
        let is_long = elst.first() == Some(&1);
        // As many as there is room for; libavformat does not go by the count.
        let entries = elst.get(8..).unwrap_or_default().chunks_exact(edit_bytes(elst));
        entries.map_while(move |entry| {
            let (duration, media_time) = if is_long {
                (i64::try_from(be64(entry, 0)?).ok()?, be64(entry, 8)?.cast_signed())
            } else {
                (be32(entry, 0)?.into(), be32(entry, 4)?.cast_signed().into())
            };
            let duration = rescale(duration, track_timescale, movie_timescale);
            Some(Edit { duration, media_time, rate: be32(entry, entry.len() - 4)? })
        })
    }

    /// Ticks of empty edits in front.
    fn empty_ticks(&self, movie_timescale: u32) -> i64 {
        let empty = self.edits(movie_timescale).take_while(|edit| edit.media_time == EMPTY);
        empty.fold(0, |sum, edit| sum.saturating_add(edit.duration))
    }

    /// Where libavformat says that the stream starts, in ticks; `None` when it does not know.
    pub(super) fn start_ticks(&self, movie_timescale: u32) -> Option<i64> {
        let first = self.samples().next()?;
        if self.edits == EditHandling::Applied && !self.elst.is_empty() {
            return Some(self.empty_ticks(movie_timescale));
        }
        let shift = self.plain_placement(movie_timescale).shift;
        match self.kind() {
            StreamKind::Video => Some(first.cts.saturating_add(shift)),
            // Sound in front of the start is for the decoder only.
            StreamKind::Audio => Some(first.dts.saturating_add(shift).max(0)),
            _ => None,
        }
    }

    /// How long libavformat says that the stream is, in ticks.
    pub(super) fn duration_ticks(&self, movie_timescale: u32) -> Option<i64> {
        let mut times = SampleTimes::new(self.tables.stts);
        let mut sum = 0_i64;
        while let Some((count, ticks)) = times.next_run() {
            sum = sum.saturating_add(i64::from(count).saturating_mul(ticks.into()));
        }
        let mut duration = self.duration?;
        if sum > 0 {
            duration = duration.min(sum);
        }
        let is_edited = self.edits == EditHandling::Applied && !self.elst.is_empty();
        if is_edited && self.samples().next().is_some() {
            let edits = self.edits(movie_timescale);
            duration = duration.min(edits.fold(0, |sum, edit| sum.saturating_add(edit.duration)));
        }
        Some(duration).filter(|&ticks| ticks > 0)
    }

    pub(super) fn placement(&self, movie_timescale: u32) -> Option<Placement> {
        if self.is_described_once && self.tables.names_other_descriptions() {
            return None;
        }
        if self.elst.is_empty() || self.edits != EditHandling::Applied {
            return Some(self.plain_placement(movie_timescale));
        }
        let edit = self.single_edit(movie_timescale)?;
        self.edited_placement(&edit)
    }

    /// Without edits that leave out samples: of the list libavformat takes a first empty edit and the media time that
    /// follows (`mov_build_index`).
    fn plain_placement(&self, movie_timescale: u32) -> Placement {
        let mut edits = self.edits(movie_timescale).peekable();
        let empty = edits.next_if(|edit| edit.media_time == EMPTY).map_or(0, |edit| edit.duration);
        let media_time = edits.next().map_or(0, |edit| edit.media_time.max(0));
        if movie_timescale == 0 {
            return Placement::UNEDITED;
        }
        let shift = if self.edits == EditHandling::Ignored { 0 } else { empty.saturating_sub(media_time) };
        Placement { shift, delay: media_time, ..Placement::UNEDITED }
    }

    fn single_edit(&self, movie_timescale: u32) -> Option<SingleEdit> {
        const NORMAL_RATE: u32 = 1 << 16;
        let empty = self.edits(movie_timescale).take_while(|edit| edit.media_time == EMPTY).count();
        let mut others = self.edits(movie_timescale).skip(empty);
        let edit = others.next().filter(|edit| edit.media_time >= 0 && edit.rate == NORMAL_RATE)?;
        let end = edit.media_time.checked_add(edit.duration).filter(|_| movie_timescale > 0)?;
        let single = SingleEdit { empty: self.empty_ticks(movie_timescale), shown: (edit.media_time, end) };
        others.next().is_none().then_some(single)
    }

    /// As `mov_fix_index` moves samples: the first one shown is decoded when the empty edits end, and for video everything
    /// is then moved back until the earliest picture shown is seen at that time.
    fn edited_placement(&self, edit: &SingleEdit) -> Option<Placement> {
        let SingleEdit { empty, shown } = *edit;
        let least = self.min_composition_offset();
        let first = self.first_sample_for(shown.0);
        // When the first sample shown is decoded, and the earliest picture is seen; before that, libavformat says -1.
        let (mut base, mut earliest) = (None, -1_i64);
        let steps = usize::try_from(MAX_STEPS).unwrap_or(usize::MAX);
        for sample in self.samples().take(steps).skip(usize::try_from(first).unwrap_or(usize::MAX)) {
            let bound = sample.dts.saturating_add(least);
            if bound >= shown.1 {
                break;
            }
            if sample.cts < shown.0 || sample.cts >= shown.1 {
                continue;
            }
            let base = *base.get_or_insert(sample.dts);
            let on_clock = |ticks: i64| ticks.saturating_sub(base).saturating_add(empty);
            let pts = on_clock(sample.cts);
            // A negative one is no minimum to libavformat: the next replaces it.
            earliest = if earliest < 0 { pts } else { earliest.min(pts) };
            if earliest >= 0 && on_clock(bound) >= earliest {
                break;
            }
        }
        let delay = earliest.saturating_sub(empty);
        let moved_back = if &self.handler == b"vide" { delay.max(0) } else { 0 };
        Some(Placement { first, shift: empty.saturating_sub(base?).saturating_sub(moved_back), delay, shown })
    }

    /// The number of the sample that libavformat keeps first for an edit: the last keyframe decoded, and seen, at or before
    /// its media time (`find_prev_closest_index`).
    fn first_sample_for(&self, media_time: i64) -> u32 {
        let has_offsets = self.has_composition_offsets();
        let (mut keyframe, mut any) = (None::<(u32, i64)>, (0, i64::MIN));
        for (number, sample) in (0..MAX_STEPS).zip(self.samples()).take_while(|(_, s)| s.dts <= media_time) {
            if sample.is_sync
                && (!has_offsets || sample.cts <= media_time)
                && keyframe.is_none_or(|(_, dts)| dts < sample.dts)
            {
                keyframe = Some((number, sample.dts));
            }
            if sample.dts > any.1 {
                any = (number, sample.dts);
            }
        }
        // With composition times it insists on a keyframe, and else begins with the first sample.
        keyframe.map_or(if has_offsets { 0 } else { any.0 }, |(number, _)| number)
    }

    /// The samples that libavformat reads, and whether each is shown.
    pub(super) fn placed_samples(&self, placement: &Placement) -> PlacedSamples<'_> {
        let mut samples = self.samples();
        for _ in 0..placement.first.min(MAX_STEPS) {
            samples.next();
        }
        PlacedSamples {
            samples,
            shown: placement.shown,
            // Pictures behind the end of an edit may be seen before it, and the next keyframe too.
            keyframes_left: if self.has_composition_offsets() { 2 } else { 1 },
        }
    }
}

/// The samples of an edit, up to the keyframe with which libavformat stops.
pub(super) struct PlacedSamples<'t> {
    samples: Samples<'t>,
    shown: (i64, i64),
    keyframes_left: u32,
}

impl Iterator for PlacedSamples<'_> {
    /// A sample, and whether it is shown: others are only decoded.
    type Item = (Sample, bool);

    fn next(&mut self) -> Option<Self::Item> {
        if self.keyframes_left == 0 {
            return None;
        }
        let sample = self.samples.next()?;
        let ticks = self.samples.dts.saturating_sub(sample.dts);
        if sample.is_sync && self.shown.1 < i64::MAX && sample.cts.saturating_add(ticks) >= self.shown.1 {
            self.keyframes_left -= 1;
        }
        Some((sample, (self.shown.0..self.shown.1).contains(&sample.cts)))
    }
}

/// Of one entry of an edit list.
pub(super) fn edit_bytes(elst: &[u8]) -> usize {
    if elst.first() == Some(&1) { 20 } else { 12 }
}

/// Ticks of one clock in those of another, to the nearest, halves up (`av_rescale`).
fn rescale(ticks: i64, to: u32, from: u32) -> i64 {
    let (product, from) = (i128::from(ticks) * i128::from(to), i128::from(from.max(1)));
    i64::try_from((product + from / 2).div_euclid(from)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::movie::Movie;
    use super::super::test_tables::*;
    use super::*;

    fn placement(moov: &[u8]) -> Option<Placement> {
        let movie = Movie::parse(moov).unwrap();
        movie.tracks[0].placement(movie.timescale)
    }

    #[test]
    fn edits_move_what_they_show_to_the_start() {
        let plain = Placement { first: 0, shift: 0, delay: 0, shown: (i64::MIN, i64::MAX) };
        assert_eq!(placement(&video(reordered())), Some(plain));
        // The first picture is seen at 1: the edit says so, or not.
        let shown = |first, shift, delay, shown| Some(Placement { first, shift, delay, shown });
        assert_eq!(placement(&edited(&[[120, 1]], reordered())), shown(0, -1, 1, (1, 13)));
        assert_eq!(placement(&edited(&[[120, 0]], reordered())), shown(0, -1, 1, (0, 12)));
        // Nothing at 0.5 s: one tick is 0.1 s.
        assert_eq!(placement(&edited(&[[50, NEGATIVE], [120, 1]], reordered())), shown(0, 4, 1, (1, 13)));
        assert_eq!(
            placement(&edited(&[[20, NEGATIVE], [30, NEGATIVE], [120, 1]], reordered())),
            shown(0, 4, 1, (1, 13))
        );
        // From the second keyframe on, and from the picture behind it.
        assert_eq!(placement(&edited(&[[60, 7]], reordered())), shown(6, -7, 1, (7, 13)));
        assert_eq!(placement(&edited(&[[60, 8]], reordered())), shown(6, -8, 1, (8, 14)));
    }

    #[test]
    fn complicated_edits_are_none() {
        assert_eq!(shift(&edited(&[[60, 1], [60, 1]], reordered())), None);
        assert_eq!(shift(&edited(&[[60, 1], [60, NEGATIVE]], reordered())), None);
        assert_eq!(shift(&edited(&[[60, NEGATIVE]], reordered())), None);
        assert_eq!(shift(&edited(&[[0, 1]], reordered())), None);
        assert_eq!(shift(&edited(&[[60, NEGATIVE - 4]], reordered())), None);
        let mut slow = edited(&[[60, 1]], reordered());
        let at = slow.windows(4).position(|name| name == b"elst").unwrap();
        slow[at + 4 + 8 + 8 + 1] = 2;
        assert_eq!(shift(&slow), None);
        let track = TestTrack { others: vec![elst(&[[60, 1]])], tables: reordered(), ..TestTrack::default() };
        assert_eq!(shift(&moov(&[track.trak()])), None);
    }

    #[test]
    fn long_edits_are_read() {
        let long = full(b"elst", 1 << 24, &[2, 0, 50, NEGATIVE, NEGATIVE, 1 << 16, 0, 120, 0, 1, 1 << 16]);
        let others = vec![boxed(b"edts", &[long])];
        let track = TestTrack { others, tables: reordered(), ..TestTrack::default() };
        assert_eq!(shift(&one_track(&track)), Some(4));
    }

    #[test]
    fn negative_offsets_do_not_move_the_start() {
        let offsets = table(b"ctts", 2, &[1, 0, 1, 1, 1, NEGATIVE, 3, 0]);
        let tables = with(plain_tables(6), vec![offsets]);
        assert_eq!(placement(&edited(&[[60, 0]], tables)).map(|p| (p.shift, p.delay)), Some((0, 0)));
    }

    #[test]
    fn edits_only_move_when_samples_are_in_fragments() {
        let empty = TestTrack { id: 2, ..TestTrack::default() };
        let edits = elst(&[[50, NEGATIVE], [0, 2]]);
        let track = TestTrack { others: vec![edits], tables: reordered(), ..TestTrack::default() };
        let behind = moov(&[mvhd(100), empty.trak(), track.trak()]);
        let movie = Movie::parse(&behind).unwrap();
        assert_eq!(movie.tracks[1].presentation_shift(movie.timescale), Some(3));
        assert_eq!(movie.tracks[1].start_ticks(movie.timescale), Some(4));
        let in_front = moov(&[mvhd(100), track.trak(), empty.trak()]);
        let movie = Movie::parse(&in_front).unwrap();
        assert_eq!(movie.tracks[0].presentation_shift(movie.timescale), None);
    }

    #[test]
    fn edits_are_ignored_when_chunks_have_too_much_room() {
        let tables = with(reordered(), vec![table(b"stsc", 3, &[1, 3, 1, 4, 4, 1])]);
        let found = placement(&edited(&[[120, 1]], tables));
        assert_eq!(found, Some(Placement { delay: 1, ..Placement::UNEDITED }));
    }

    #[test]
    fn samples_of_passed_over_descriptions_are_not_understood() {
        let tables = || with(reordered(), vec![table(b"stsc", 3, &[1, 3, 1, 4, 3, 2])]);
        assert_eq!(shift(&video(tables())), None);
        let described = |descriptions: &[Vec<u8>]| {
            let stsd = boxed(b"stsd", &[&[vec![0; 8]][..], descriptions].concat());
            shift(&video(with(tables(), vec![stsd])))
        };
        let (plain, other) = (boxed(b"avc1", &[vec![0; 78]]), boxed(b"mp4v", &[vec![0; 78]]));
        let encrypted =
            boxed(b"encv", &[vec![0; 78], boxed(b"sinf", &[boxed(b"frma", &[b"avc1".to_vec()])])]);
        assert_eq!(described(&[plain.clone(), plain.clone()]), Some(0));
        assert_eq!(described(&[plain.clone(), other]), None);
        assert_eq!(described(&[encrypted.clone(), plain.clone()]), Some(0));
        assert_eq!(described(&[plain, encrypted]), None);
    }
}

//! Which samples of a track are keyframes, and after which of them pictures may follow that are seen earlier.

use super::boxes::be32;
use super::samples::{CompositionOffsets, Runs, SampleTimes};
use super::tables::Tables;

/// Which samples are keyframes: those that one of three tables names (ISO/IEC 14496-12, 8.6.2; QuickTime's `stps`; 10.4).
#[derive(Debug)]
pub(super) struct SyncMarks<'t> {
    stss: Option<Marks<'t>>,
    stps: Marks<'t>,
    access_points: Runs<'t>,
    has_access_points: bool,
    /// The run of them being walked: samples to go, and whether they are.
    run: Option<(u32, bool)>,
    /// What the first sample is called: 1, but 0 where the tables begin with that.
    first_number: u32,
    is_sound: bool,
}

/// Rising numbers of samples.
#[derive(Debug)]
struct Marks<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Marks<'_> {
    const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn starts_above_zero(&self) -> bool {
        be32(self.bytes, 0).is_some_and(|number| number > 0)
    }

    /// Whether `number` is the next; if so, goes on. The last one is never passed.
    fn take(&mut self, number: u32) -> bool {
        let is_next = be32(self.bytes, self.at * 4) == Some(number);
        if is_next && (self.at + 1) * 4 < self.bytes.len() {
            self.at += 1;
        }
        is_next
    }
}

impl<'t> SyncMarks<'t> {
    pub(super) fn new(tables: &'t Tables<'_>, is_sound: bool) -> Self {
        let stss = tables.stss.map(|bytes| Marks { bytes, at: 0 });
        let stps = Marks { bytes: tables.stps, at: 0 };
        let starts_at_one = stss.as_ref().is_some_and(Marks::starts_above_zero) || stps.starts_above_zero();
        let mut access_points = Runs(tables.access_points.chunks_exact(8));
        let run = access_points.next().map(|(count, group)| (count, group > 0));
        Self {
            stss,
            stps,
            access_points,
            has_access_points: run.is_some(),
            run,
            first_number: starts_at_one.into(),
            is_sound,
        }
    }

    pub(super) fn next(&mut self, sample: u32) -> bool {
        let number = sample.wrapping_add(self.first_number);
        // An empty table names none, where no table at all names all.
        let names_none = self.stss.as_ref().is_some_and(Marks::is_empty);
        let is_named = self.stss.as_mut().is_none_or(|marks| marks.take(number)) || self.stps.take(number);
        let is_access_point = self.next_access_point();
        // Something has to be a keyframe.
        let is_assumed =
            names_none && self.stps.is_empty() && !self.has_access_points && (self.is_sound || sample == 0);
        is_named || is_access_point || is_assumed
    }

    fn next_access_point(&mut self) -> bool {
        let Some((left, is_access_point)) = &mut self.run else { return false };
        let answer = *is_access_point;
        *left = left.wrapping_sub(1);
        if *left == 0 {
            self.run = self.access_points.next().map(|(count, group)| (count, group > 0));
        }
        answer
    }
}

/// Keyframes that pictures seen before them may follow, numbered as libavformat numbers them: from the first sample that it
/// keeps, although the tables begin with the first there is.
#[derive(Debug)]
pub(super) struct OpenKeyframes<'t> {
    groups: Runs<'t>,
    open_group: u32,
    left: u32,
    is_open: bool,
    offsets: CompositionOffsets<'t>,
    /// How far libavformat moves decoding times back so that none is behind its presentation time (`dts_shift`).
    pub(super) dts_shift: i64,
    /// Of all samples, in ticks.
    pub(super) shortest: i64,
}

impl<'t> OpenKeyframes<'t> {
    pub(super) fn new(tables: &'t Tables<'_>) -> Option<Self> {
        let open_group = tables.open_group.filter(|_| !tables.sync_groups.is_empty())?;
        // The last two entries do not count (`mov_read_ctts`).
        let counted = (tables.ctts.len() / 8).saturating_sub(2);
        let offsets = Runs(tables.ctts.chunks_exact(8)).take(counted);
        let least = offsets
            .filter(|(count, _)| count.cast_signed() > 0)
            .map(|(_, offset)| offset.cast_signed())
            .min();
        let mut times = SampleTimes::new(tables.stts);
        let shortest = std::iter::from_fn(|| times.next_run()).map(|(_, ticks)| ticks).min();
        Some(Self {
            groups: Runs(tables.sync_groups.chunks_exact(8)),
            open_group,
            left: 0,
            is_open: false,
            offsets: CompositionOffsets::new(tables.ctts),
            dts_shift: i64::from(least.unwrap_or(0)).min(0).saturating_neg(),
            shortest: shortest.unwrap_or(1).into(),
        })
    }

    /// The next sample's composition offset, if it is such a keyframe.
    pub(super) fn next(&mut self) -> Option<i32> {
        let ahead = self.offsets.next();
        while self.left == 0 {
            let (count, group) = self.groups.next()?;
            (self.left, self.is_open) = (count, group == self.open_group);
        }
        self.left -= 1;
        ahead.filter(|_| self.is_open)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_tables::*;

    #[test]
    fn keyframes_by_each_table() {
        let keyframes = |more: Vec<Vec<u8>>| {
            let found = samples(&video(with(plain_tables(6), more)));
            found.iter().map(|sample| u8::from(sample.is_sync)).collect::<Vec<_>>()
        };
        assert_eq!(keyframes(vec![]), [1; 6]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1, 4])]), [1, 0, 0, 1, 0, 0]);
        // Numbers from 0 on.
        assert_eq!(keyframes(vec![table(b"stss", 1, &[0, 4])]), [1, 0, 0, 0, 1, 0]);
        // Numbers that do not rise stop at the first that does not.
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1, 5, 3, 6])]), [1, 0, 0, 0, 1, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[])]), [1, 0, 0, 0, 0, 0]);
        let partial = table(b"stps", 1, &[3]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[1]), partial.clone()]), [1, 0, 1, 0, 0, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[]), partial]), [0, 0, 1, 0, 0, 0]);
        let rap = full(b"sbgp", 0, &[u32::from_be_bytes(*b"rap "), 3, 1, 0, 2, 1, 1, 0]);
        assert_eq!(keyframes(vec![table(b"stss", 1, &[6]), rap]), [0, 1, 1, 0, 0, 1]);
    }
}

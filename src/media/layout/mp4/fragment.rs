//! Movie fragments (`moof`: ISO/IEC 14496-12, 8.8), read as libavformat reads them (`mov_read_tfhd`, `mov_read_trun`).

use super::boxes::{Fields, content_of, contents};
use super::movie::{FragmentDefaults, Movie};
use crate::media::layout::gop::Sample;

/// Track fragments in one fragment, at most.
const MAX_TRACKS: usize = 4096;
/// Samples in one fragment, at most. Where samples differ in nothing, a table of them takes no bytes.
const MAX_SAMPLES: usize = 1 << 18;

/// One track's part of a fragment (ISO/IEC 14496-12, 8.8.6).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TrackFragment {
    pub(super) track_id: u32,
    /// In decoding order.
    pub(super) samples: Vec<Sample>,
    /// When the sample that follows is decoded.
    pub(super) end_dts: i64,
}

/// Reads the tracks of a whole `moof` box that begins at `offset`, in the order of the file; a track may come more than once.
///
/// `None` when the fragment cannot be understood, and when a track does not say when it begins: such a fragment cannot be
/// placed unless all before it are known.
pub(super) fn read_fragment(moof: &[u8], offset: u64, movie: &Movie) -> Option<Vec<TrackFragment>> {
    let mut reader =
        Reader { movie, moof_offset: offset, implicit_offset: offset, samples_left: MAX_SAMPLES };
    let parts = contents(content_of(moof, b"moof")?).filter(|(kind, _)| kind == b"traf");
    parts.take(MAX_TRACKS).map(|(_, traf)| reader.read_track(traf)).collect()
}

/// Reads the tracks of a fragment one after the other.
struct Reader<'m> {
    movie: &'m Movie,
    moof_offset: u64,
    /// Where the data of the next track begin when it does not say: behind those of the one before.
    implicit_offset: u64,
    samples_left: usize,
}

impl Reader<'_> {
    fn read_track(&mut self, traf: &[u8]) -> Option<TrackFragment> {
        // What holds for its samples unless they say otherwise, and what offsets of data count from.
        let (mut header, mut is_placed) = (None, false);
        let mut track = TrackFragment { track_id: 0, samples: Vec::new(), end_dts: 0 };
        for (kind, content) in contents(traf) {
            match &kind {
                b"tfhd" => header = self.read_header(content),
                // `tfdt` (ISO/IEC 14496-12, 8.8.12) holds for the runs that follow.
                b"tfdt" if track.samples.is_empty() => {
                    let time = Fields::new(content)?.take_wide()?;
                    (track.end_dts, is_placed) = (i64::try_from(time).ok()?, true);
                }
                b"trun" => self.read_run(content, header?, &mut track)?,
                _ => {}
            }
        }
        track.track_id = header.filter(|_| is_placed)?.0.track_id;
        Some(track)
    }

    /// `tfhd` (ISO/IEC 14496-12, 8.8.7): flags, track, then the fields that the flags name.
    fn read_header(&self, tfhd: &[u8]) -> Option<(FragmentDefaults, u64)> {
        const BASE_IS_MOOF: u32 = 0x2_0000;
        let mut fields = Fields::new(tfhd)?;
        let mut defaults = *self.movie.fragment_defaults(fields.take()?)?;
        let base = if fields.has(0x1) {
            fields.take_long()?
        } else if fields.has(BASE_IS_MOOF) {
            self.moof_offset
        } else {
            self.implicit_offset
        };
        // The sample description.
        fields.take_if(0x2, 0)?;
        defaults.duration = fields.take_if(0x8, defaults.duration)?;
        defaults.size = fields.take_if(0x10, defaults.size)?;
        defaults.flags = fields.take_if(0x20, defaults.flags)?;
        Some((defaults, base))
    }

    /// `trun` (ISO/IEC 14496-12, 8.8.8): flags, count, two fields for the first sample, then the fields of each. A run that
    /// does not say where its data are begins at the base, and not behind the run before, as libavformat has it.
    fn read_run(
        &mut self,
        trun: &[u8],
        (defaults, base): (FragmentDefaults, u64),
        track: &mut TrackFragment,
    ) -> Option<()> {
        const NON_SYNC_OR_DEPENDENT: u32 = 0x101_0000;
        let mut fields = Fields::new(trun)?;
        let count = usize::try_from(fields.take()?).ok()?;
        self.samples_left = self.samples_left.checked_sub(count)?;
        let mut offset = base.checked_add_signed(fields.take_if(0x1, 0)?.cast_signed().into())?;
        let first_flags = fields.take_if(0x4, defaults.flags)?;
        for number in 0..count {
            let duration = fields.take_if(0x100, defaults.duration)?;
            let size = fields.take_if(0x200, defaults.size)?;
            let flags = fields.take_if(0x400, if number == 0 { first_flags } else { defaults.flags })?;
            let ahead = fields.take_if(0x800, 0)?.cast_signed();
            let (dts, is_sync) = (track.end_dts, flags & NON_SYNC_OR_DEPENDENT == 0);
            let cts = dts.checked_add(ahead.into())?;
            track.samples.push(Sample { offset, size, dts, cts, is_sync });
            track.end_dts = dts.checked_add(duration.into())?;
            // libavformat refuses samples without bytes.
            offset = offset.checked_add(size.into()).filter(|_| size > 0)?;
        }
        if count > 0 {
            self.implicit_offset = offset;
        }
        Some(())
    }
}

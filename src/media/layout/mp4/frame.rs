//! Which bytes of a file with sample tables are requested: the packets that lead to a frame, and the samples that libavformat
//! reads while it opens the file.

use super::movie::Movie;
use super::track::Track;
use crate::media::layout::gop::Route;
use crate::source::ByteRange;

/// Chapter titles that are requested, at most, and their size.
const MAX_CHAPTERS: usize = 256;
const MAX_TITLE_BYTES: u32 = 4 << 10;

/// Returns the packets from the keyframe to the last one that a search for the frame at `at`, in microseconds from the start,
/// reads. Of a movie that ends before, these are the last keyframe's packets and those of the frame at half of the duration.
///
/// `None` when the frame may be in a fragment.
pub(super) fn packets_to(movie: &Movie, moov: &[u8], track: &Track, at: i64) -> Option<Vec<ByteRange>> {
    let (start, (late, delay)) = (movie.start(moov), track.lateness(moov));
    let to = |at: i64| {
        let wanted = track.composed(start.saturating_add(at)).saturating_add(late);
        let (mut route, mut samples) = (Route::new(wanted, delay), track.samples(moov));
        while let Some(sample) = samples.next().filter(|_| !route.is_complete()) {
            route.add(&sample);
        }
        route
    };
    let route = to(at);
    let has_frame = route.has_frame();
    let mut ranges = route.into_ranges();
    if !has_frame {
        ranges.extend(to(movie.duration >> 1).into_ranges());
    }
    (has_frame || !movie.is_fragmented).then_some(ranges)
}

/// Returns the samples that libavformat reads while it opens the file: time codes, and chapters.
pub(super) fn header_ranges(movie: &Movie, moov: &[u8]) -> Vec<ByteRange> {
    let mut ranges = Vec::new();
    for track in &movie.tracks {
        // The bytes that `mov_read_timecode_track` and `mov_read_rtmd_track` read.
        let length = match &track.format {
            b"tmcd" => 4,
            b"rtmd" => 18,
            _ => continue,
        };
        let first = track.samples(moov).next();
        ranges.extend(first.map(|sample| sample.offset..sample.offset.saturating_add(length)));
    }
    // Of several lists of chapter tracks, libavformat keeps the last (`mov_read_chap`).
    let chapters = movie.tracks.iter().rev().find(|track| !track.chapters.is_empty());
    let numbers = chapters.map_or(&[][..], |track| &track.chapters);
    for track in numbers.iter().filter_map(|&number| movie.track(number)) {
        // Of chapter pictures, only the first is read.
        let is_text = &track.handler != b"vide";
        let titles = track.samples(moov).take(if is_text { MAX_CHAPTERS } else { 1 });
        let titles = titles.take_while(|title| !is_text || title.size <= MAX_TITLE_BYTES);
        ranges.extend(titles.map(|title| title.range()));
    }
    ranges.into_iter().map(ByteRange::from).collect()
}

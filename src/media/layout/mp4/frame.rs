//! The bytes to request of a file with sample tables: the packets that lead to a frame, and the samples that libavformat reads
//! while it opens the file.

use super::movie::Movie;
use super::track::Track;
use crate::frame_request::Pick;
use crate::media::layout::gop::{Route, Sample};
use crate::media::layout::planner::{Pause, Plan};
use crate::media::parser_work::ParserWork;
use crate::source::ByteRange;

/// Maximum number of bytes of a time code that are read (`mov_read_timecode_track` and `mov_read_rtmd_track`).
const MAX_CODE_BYTES: u32 = 18;
/// The work of one sample.
const SAMPLE_WORK: u64 = 16;
/// Maximum number of chapter titles that are requested, and their maximum size.
const MAX_CHAPTERS: usize = 256;
const MAX_TITLE_BYTES: u32 = 4 << 10;

/// Plans for opening the file, and for a frame of a track at a time, in microseconds from the start: the packets from the keyframe
/// to the last one that a search for the frame reads. If the movie ends earlier, these are the last keyframe's packets and those of
/// the frame at half of the duration. For a keyframe pick, the keyframe is sufficient.
///
/// # Errors
/// The plan would take too much work.
pub(super) fn plan(
    movie: &Movie,
    moov: &[u8],
    wanted: Option<(&Track, i64)>,
    pick: Pick,
    work: &ParserWork,
) -> Result<Plan, Pause> {
    let mut ranges = header_ranges(movie, moov);
    if let Some((track, at)) = wanted {
        let (start, (late, delay)) = (movie.start(|track| track.start(moov)), track.lateness(moov));
        let to = |at: i64| {
            let wanted = track.composed(start.saturating_add(at)).saturating_add(late);
            let (mut route, mut samples) = (Route::new(wanted, delay), track.samples(moov));
            while let Some(sample) = samples.next().filter(|_| !route.is_complete) {
                work.spend(SAMPLE_WORK)?;
                route.add(&sample);
            }
            Ok::<_, Pause>(route)
        };
        let route = to(at)?;
        let has_frame = route.best.is_some();
        if !has_frame && movie.is_fragmented {
            // The frame may be in a fragment. Bytes in flight may be useful, and the rest is read when libav requests it.
            return Ok(Plan::default());
        }
        ranges.extend(route.packets(pick));
        if !has_frame && pick != Pick::Keyframe {
            ranges.extend(to(movie.duration >> 1)?.packets(pick));
        }
    }
    Ok(Plan { ranges, only: true })
}

/// Returns the samples that libavformat reads while it opens the file: time codes and chapters.
fn header_ranges(movie: &Movie, moov: &[u8]) -> Vec<ByteRange> {
    let codes = movie.tracks.iter().filter(|track| matches!(&track.format, b"tmcd" | b"rtmd"));
    let codes = codes.filter_map(|track| track.samples(moov).next());
    let codes = codes.map(|code| Sample { size: code.size.min(MAX_CODE_BYTES), ..code });
    let mut samples: Vec<Sample> = codes.collect();
    // Of several lists of chapter tracks, libavformat keeps the last (`mov_read_chap`).
    let chapters = movie.tracks.iter().rev().find(|track| !track.chapters.is_empty());
    let numbers = chapters.map_or(&[][..], |track| &track.chapters);
    for track in numbers.iter().filter_map(|&number| movie.track(number)) {
        // Of chapter pictures, only the first is read.
        let is_text = &track.handler != b"vide";
        let titles = track.samples(moov).take(if is_text { MAX_CHAPTERS } else { 1 });
        samples.extend(titles.take_while(|title| !is_text || title.size <= MAX_TITLE_BYTES));
    }
    samples.iter().map(Sample::range).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests may panic")]

    use super::*;
    use crate::media::layout::test_tables::*;

    /// Returns the positions of the packets, where each packet has 100 bytes.
    fn packets(moov: &[u8], at: i64) -> Option<Vec<u64>> {
        let movie = Movie::parse(moov).unwrap();
        // The ranges merge over the gaps.
        let track = Some((&movie.tracks[0], at));
        let Plan { ranges, only } = plan(&movie, moov, track, Pick::Exact, &ParserWork::default()).unwrap();
        only.then(|| ranges.iter().flat_map(|range| [range.start(), range.end()]).collect())
    }

    #[test]
    fn packets_reach_from_the_keyframe_to_the_last_one_that_is_read() {
        let moov = edited(&[[120, 1]], reordered());
        // Pairs of decoding and presentation times: 0 0, 1 2, 2 1, 3 3, 4 5, 5 4, 6 6, 7 8, 8 7, ...; a tick is 0.1 s. Each chunk
        // of 1000 bytes has three packets.
        let range = |start, end| Some(vec![start, end]);
        assert_eq!(packets(&moov, 0), range(1000, 1100));
        assert_eq!(packets(&moov, 100_000), range(1000, 1300));
        assert_eq!(packets(&moov, 200_000), range(1000, 1300));
        assert_eq!(packets(&moov, 600_000), range(3000, 3100));
        assert_eq!(packets(&moov, 590_000), range(3000, 3100));
        assert_eq!(packets(&moov, 700_000), range(3000, 3300));
        assert_eq!(packets(&moov, 800_000), range(3000, 3300));
        // At no tick of a picture: a search reads until a packet is decoded at the presentation time of the picture found.
        let between = edited(&[[240, 0]], with(plain_tables(6), vec![table(b"stts", 2, &[6, 2])]));
        assert_eq!(packets(&between, 900_000), range(2100, 2300));
    }

    #[test]
    fn a_keyframe_is_planned_for_alone() {
        let moov = edited(&[[120, 1]], reordered());
        let movie = Movie::parse(&moov).unwrap();
        // Keyframes are presented at 0 and 0.6 s; each has 100 bytes.
        for (at, place) in [(0, 1000), (590_000, 3000), (500_000, 1000), (1_000_000, 3000), (i64::MAX, 3000)]
        {
            let track = Some((&movie.tracks[0], at));
            let plan = plan(&movie, &moov, track, Pick::Keyframe, &ParserWork::default()).unwrap();
            assert_eq!(plan, Plan { ranges: vec![ByteRange::new(place, place + 100)], only: true }, "{at}");
        }
    }

    #[test]
    fn the_frame_may_be_stored_after_later_ones() {
        // Presented at 0, 3, 1, 2, 6, 4, 5.
        let ctts = table(b"ctts", 2, &[1, 0, 1, 2, 2, NEGATIVE, 1, 2, 2, NEGATIVE]);
        let moov = video(with(plain_tables(7), vec![ctts, table(b"stss", 1, &[1])]));
        assert_eq!(packets(&moov, 100_000), Some(vec![1000, 1300]));
        assert_eq!(packets(&moov, 300_000), Some(vec![1000, 2100]));
    }

    #[test]
    fn a_time_after_the_end_plans_the_last_group_and_the_one_at_half() {
        let track =
            TestTrack { others: vec![elst(&[[120, 1]])], tables: reordered(), ..TestTrack::default() };
        let lasting = |ticks| moov(&[full(b"mvhd", 0, &[0, 0, 100, ticks]), track.trak()]);
        let moov = lasting(120);
        // Half of 1.2 s is the time of the second keyframe.
        assert_eq!(packets(&moov, 5_000_000), Some(vec![3000, 4300, 3000, 3100]));
        assert_eq!(packets(&moov, i64::MAX), Some(vec![3000, 4300, 3000, 3100]));
        // Half of a shorter duration is in the first group.
        let ranges = packets(&lasting(20), 5_000_000).unwrap();
        assert_eq!(ranges, [3000, 4300, 1000, 1300]);
    }

    #[test]
    fn the_start_is_that_of_the_earliest_track() {
        let tables = with(plain_tables(12), vec![]);
        let late = TestTrack {
            others: vec![elst(&[[50, NEGATIVE], [120, 0]])],
            tables: tables.clone(),
            ..TestTrack::default()
        };
        let audio = TestTrack { id: 2, handler: b"soun", tables, ..TestTrack::default() };
        assert_eq!(packets(&one_track(&late), 200_000), Some(vec![1200, 1300]));
        let both = moov(&[mvhd(100), late.trak(), audio.trak()]);
        assert_eq!(packets(&both, 200_000), Some(vec![1000, 1100]));
        assert_eq!(packets(&both, 700_000), Some(vec![1200, 1300]));
    }

    #[test]
    fn frames_in_fragments_are_not_planned() {
        let track = TestTrack { tables: plain_tables(6), ..TestTrack::default() };
        let moov = moov(&[mvhd(100), track.trak(), boxed(b"mvex", &[])]);
        assert_eq!(packets(&moov, 200_000), Some(vec![1200, 1300]));
        assert_eq!(packets(&moov, 5_000_000), None);
    }

    #[test]
    fn absurd_counts_cost_nothing() {
        let more = vec![
            full(b"stsz", 0, &[1, u32::MAX]),
            table(b"stsc", 3, &[1, u32::MAX >> 1, 1]),
            table(b"stts", 2, &[u32::MAX, 1]),
            table(b"stss", 1, &[1]),
        ];
        let bomb = video(with(plain_tables(3), more));
        assert_eq!(packets(&bomb, 1_000_000), Some(vec![1000, 1011]));
        assert_eq!(packets(&bomb, 1_000_000_000_000).map(|ranges| ranges.len()), Some(4));
        let numbers: Vec<u32> = (0..200_000).flat_map(|_| [0, 0]).collect();
        let empty_runs =
            video(with(plain_tables(3), vec![table(b"stts", 2, &numbers), table(b"ctts", 2, &numbers)]));
        assert_eq!(Movie::parse(&empty_runs).unwrap().tracks[0].samples(&empty_runs).count(), 3);
    }

    #[test]
    fn time_codes_and_chapters_are_read_with_the_header() {
        let chapters = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9]])]);
        let tables = plain_tables(3);
        let video = TestTrack { others: vec![chapters], tables: tables.clone(), ..TestTrack::default() };
        let titles = TestTrack { id: 2, handler: b"text", tables: plain_tables(300), ..TestTrack::default() };
        let stills = TestTrack { id: 3, format: b"jpeg", tables: tables.clone(), ..TestTrack::default() };
        let code = TestTrack { id: 4, handler: b"tmcd", format: b"tmcd", tables, ..TestTrack::default() };
        let moov = moov(&[mvhd(100), video.trak(), titles.trak(), stills.trak(), code.trak()]);
        let ranges = header_ranges(&Movie::parse(&moov).unwrap(), &moov);
        let range = |start, end| ByteRange::new(start, end);
        assert_eq!(ranges.len(), 1 + MAX_CHAPTERS + 1);
        assert_eq!(ranges[..3], [range(1000, 1018), range(1000, 1100), range(1100, 1200)]);
        assert_eq!(ranges[1 + MAX_CHAPTERS], range(1000, 1100));
    }

    #[test]
    fn truncated_and_damaged_headers_never_panic() {
        let chapters = boxed(b"tref", &[boxed(b"chap", &[vec![0, 0, 0, 1]])]);
        let others = vec![chapters, elst(&[[50, NEGATIVE], [120, 1]])];
        let track = TestTrack { others, tables: reordered(), ..TestTrack::default() };
        let mvex = boxed(b"mvex", &[full(b"trex", 0, &[2, 1, 5, 6, 7])]);
        let whole = moov(&[mvhd(100), track.trak(), mvex]);
        let exercise = |bytes: &[u8]| {
            if let Some(movie) = Movie::parse(bytes) {
                for track in &movie.tracks {
                    for (at, pick) in
                        [i64::MIN, 0, 700_000, i64::MAX].into_iter().zip(Pick::ALL.into_iter().cycle())
                    {
                        plan(&movie, bytes, Some((track, at)), pick, &ParserWork::default()).unwrap();
                    }
                }
            }
        };
        for length in 0..whole.len() {
            exercise(&whole[..length]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[length] = value;
                exercise(&damaged);
            }
        }
    }
}

//! The distances between the frames of a video, and between its keyframes, from an index with an entry for each frame, or from the
//! first packets.

use crate::media::container::frame_rate::Clock;
use crate::media::ffi::packet::Packet;
use crate::media::ffi::stream::Stream;
use crate::media::info::{FrameRateMode, KeyframeSpacing, Ratio};
use crate::media::input::Container;
use crate::media::timeline;

/// Entries of an index between two checks of the deadline.
const ENTRIES_A_LOOK: usize = 1 << 16;
/// The difference of two intervals, in ticks, that rounding to ticks explains.
const ROUNDING: i64 = 1;

/// The properties of a stream according to an index.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::media) struct Pace {
    pub(in crate::media) mode: Option<FrameRateMode>,
    pub(in crate::media) keyframes: Option<KeyframeSpacing>,
    pub(in crate::media) real_frame_rate: Option<Ratio>,
    /// Ticks between the last two frames.
    pub(in crate::media) last_interval: Option<i64>,
}

/// Collects the times of frames in order.
#[derive(Debug, Default)]
struct Times {
    first: Vec<i64>,
    keeps: usize,
    last: Option<i64>,
    /// The shortest, the longest and the last interval.
    intervals: Option<(i64, i64, i64)>,
}

impl Times {
    fn keeping(keeps: usize) -> Self {
        Self { keeps, ..Self::default() }
    }

    fn add(&mut self, time: i64) {
        if self.first.len() < self.keeps {
            self.first.push(time);
        }
        if let Some(last) = self.last {
            let interval = time.saturating_sub(last);
            let (least, most, _) = self.intervals.unwrap_or((interval, interval, interval));
            self.intervals = Some((least.min(interval), most.max(interval), interval));
        }
        self.last = Some(time);
    }

    fn mode(&self) -> Option<FrameRateMode> {
        let (least, most, _) = self.intervals?;
        let is_constant = least > 0 && most.saturating_sub(least) <= ROUNDING;
        Some(if is_constant { FrameRateMode::Constant } else { FrameRateMode::Variable })
    }
}

/// Collects the times of keyframes.
#[derive(Debug, Default)]
struct Keyframes {
    count: u64,
    first: i64,
    last: i64,
    longest: i64,
}

impl Keyframes {
    fn add(&mut self, time: i64) {
        if self.count == 0 {
            self.first = time;
        } else {
            self.longest = self.longest.max(time.saturating_sub(self.last));
        }
        self.last = time;
        self.count = self.count.saturating_add(1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of keyframes")]
    fn spacing(&self, time_base: Ratio) -> Option<KeyframeSpacing> {
        let seconds = |ticks| timeline::to_seconds(ticks, time_base).filter(|_| self.count > 1);
        let whole = seconds(self.last.saturating_sub(self.first));
        (self.count > 0).then(|| KeyframeSpacing {
            count: self.count,
            average_seconds: whole.map(|seconds| seconds / (self.count - 1) as f64),
            longest_seconds: seconds(self.longest),
        })
    }
}

fn clock(stream: Stream<'_>) -> Option<Clock<'_>> {
    let (codec, time_base) = (stream.codec_name()?, Ratio::from(stream.time_base()).positive()?);
    Some(Clock { codec, tag: stream.codec_tag().to_le_bytes(), time_base })
}

impl Pace {
    /// Reads the pace from the headers, for a container whose index does not list each frame. Ticks may equal frames, or the headers
    /// may contain the average rate. `first` are the presentation times of the first frames in the order of the file, where they were
    /// read, and whether these are all frames.
    pub(in crate::media) fn of_headers(stream: Stream<'_>, first: Option<(&[i64], bool)>) -> Self {
        let average = Ratio::from(stream.average_frame_rate()).positive();
        let clock = clock(stream);
        let by_times = clock.zip(first).and_then(|(clock, (times, is_whole))| {
            let times = in_presentation_order(times, is_whole);
            let times = times.get(..clock.timestamps()).unwrap_or(&times);
            (is_whole || times.len() >= MIN_TIMES_FOR_RATE).then(|| clock.frame_rate(times))
        });
        let by_headers = || clock.and_then(|clock| clock.rate_without_times(average)).or(average);
        Self { real_frame_rate: by_times.or_else(by_headers), ..Self::default() }
    }

    /// Reads the pace from libavformat's index of a stream. `is_whole` means that the index has an entry for each frame of the file.
    pub(in crate::media) fn of_index(container: &Container<'_>, index: usize, is_whole: bool) -> Self {
        let Some(stream) = container.stream(index) else { return Self::default() };
        let time_base = Ratio::from(stream.time_base());
        let clock = clock(stream);
        let mut times = Times::keeping(clock.map_or(0, Clock::timestamps));
        let mut keyframes = Keyframes::default();
        let count = if is_whole { container.index_entry_count(index) } else { times.keeps };
        for number in 0..count {
            if number % ENTRIES_A_LOOK == 0 && container.input().work().expired().is_some() {
                return Self::default();
            }
            let Some(entry) = container.index_entry_at(index, number) else { break };
            let Some(time) = entry.timestamp else { continue };
            times.add(time);
            if entry.is_key {
                keyframes.add(time);
            }
        }
        let is_told = |mode: &FrameRateMode| is_whole || *mode == FrameRateMode::Variable;
        Self {
            mode: times.mode().filter(is_told),
            keyframes: keyframes.spacing(time_base).filter(|_| is_whole),
            real_frame_rate: clock.map(|clock| clock.frame_rate(&times.first)),
            last_interval: times.intervals.map(|(.., last)| last).filter(|&last| is_whole && last > 0),
        }
    }
}

/// Number of frames from which their times reveal the frame rate. The times of fewer frames, rounded to milliseconds, fit wrong rates too.
const MIN_TIMES_FOR_RATE: usize = 8;

/// Returns the times of the first frames in the order of presentation. `times` have the order of the file; `is_whole` means that no other
/// frames follow. A frame that follows may be presented between the last ones, which are therefore left out.
fn in_presentation_order(times: &[i64], is_whole: bool) -> Vec<i64> {
    let overtaken = |(index, time): (usize, &i64)| {
        times.get(..index).unwrap_or_default().iter().filter(|&earlier| earlier > time).count()
    };
    let delay = times.iter().enumerate().map(overtaken).max().unwrap_or(0);
    let mut presented = times.to_vec();
    presented.sort_unstable();
    if !is_whole {
        presented.truncate(presented.len().saturating_sub(delay));
    }
    presented
}

/// Number of frames of a video that reveal the distances between frames. Other frames may be presented before the last ones.
pub(in crate::media) const FRAMES_IN_DEPTH: usize = 60;
/// Number of frames that may be presented before frames that precede them in the file.
const MAX_DELAY: usize = 16;
/// Number of frames that reveal a rate.
const MIN_FRAMES: usize = 4;

/// Returns whether the frames of a stream have constant distances, from consecutive packets. `is_end` means that no other packets
/// follow. Returns `None` where the packets are too few, or have no times of their own.
pub(in crate::media) fn mode_of_packets<'p>(
    packets: impl Iterator<Item = &'p Packet>,
    index: usize,
    is_end: bool,
) -> Option<FrameRateMode> {
    let own = packets.filter(|packet| packet.stream_index() == Some(index));
    let mut presented: Vec<i64> = own.map(Packet::pts).collect::<Option<_>>()?;
    presented.sort_unstable();
    if !is_end {
        presented.truncate(presented.len().saturating_sub(MAX_DELAY));
    }
    if presented.len() < MIN_FRAMES {
        return None;
    }
    let mut times = Times::default();
    presented.into_iter().for_each(|time| times.add(time));
    times.mode()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mode(times: &[i64]) -> Option<FrameRateMode> {
        let mut seen = Times::default();
        times.iter().for_each(|&time| seen.add(time));
        seen.mode()
    }

    #[test]
    fn frame_rate_modes() {
        use FrameRateMode::{Constant, Variable};
        assert_eq!((mode(&[]), mode(&[5])), (None, None));
        assert_eq!(mode(&[0, 33, 67, 100]), Some(Constant));
        assert_eq!(mode(&[0, 33, 68, 100]), Some(Variable));
        // Two frames with the same time, and times that decrease.
        assert_eq!((mode(&[0, 0, 1]), mode(&[3, 2, 1])), (Some(Variable), Some(Variable)));
    }

    #[test]
    fn the_last_frames_are_left_out_where_later_ones_may_precede_them() {
        let times = [0, 67, 33, 200, 133, 100, 167];
        assert_eq!(in_presentation_order(&times, true), [0, 33, 67, 100, 133, 167, 200]);
        assert_eq!(in_presentation_order(&times, false), [0, 33, 67, 100, 133]);
        assert_eq!(in_presentation_order(&[0, 40, 80], false), [0, 40, 80]);
        assert_eq!(in_presentation_order(&[], false), Vec::<i64>::new());
    }

    #[test]
    fn distances_between_keyframes() {
        let spacing = |times: &[i64]| {
            let mut keyframes = Keyframes::default();
            times.iter().for_each(|&time| keyframes.add(time));
            keyframes.spacing(Ratio { num: 1, den: 10 })
        };
        let of = |count, average_seconds, longest_seconds| {
            Some(KeyframeSpacing { count, average_seconds, longest_seconds })
        };
        assert_eq!(spacing(&[]), None);
        assert_eq!(spacing(&[7]), of(1, None, None));
        assert_eq!(spacing(&[0, 10, 50]), of(3, Some(2.5), Some(4.0)));
    }

    proptest! {
        /// A constant rate remains constant, however its times are rounded to ticks.
        #[test]
        fn rounded_times_of_a_constant_rate(num in 1_i64..200, den in 1_i64..200, start in -1000_i64..1000) {
            // At least one tick per frame, otherwise two frames have the same time.
            let times: Vec<i64> = (0..100).map(|frame| start + frame * (num + den) / den).collect();
            prop_assert_eq!(mode(&times), Some(FrameRateMode::Constant));
        }

        #[test]
        fn random_times_never_panic(times in prop::collection::vec(any::<i64>(), 0..50)) {
            let mut keyframes = Keyframes::default();
            times.iter().for_each(|&time| keyframes.add(time));
            let spacing = keyframes.spacing(Ratio { num: 1, den: 1000 });
            prop_assert_eq!(spacing.map_or(0, |spacing| spacing.count), times.len() as u64);
            prop_assert_eq!(mode(&times).is_some(), times.len() > 1);
        }
    }
}

//! The lowest frame rate that represents all timestamps exactly (`r_frame_rate`), computed as in `avformat_find_stream_info`, but
//! from an index instead of packets (libavformat/demux.c, `ff_rfps_add_frame` and `ff_rfps_calculate`).

use crate::media::info::Ratio;

/// Number of frame rates that are tried: twelfths up to 30, whole rates up to 60, 80, 120 and 240, and those of television. Rates
/// are multiplied by 12,012.
const STANDARD_RATES: usize = 30 * 12 + 30 + 3 + 6;
/// The factor of the rates.
const SCALE: i64 = 12 * 1001;
/// Number of intervals that libavformat examines; twice as many where a tick is longer than [`LONG_TICK`] seconds.
const INTERVALS: usize = 20;
const LONG_TICK: f64 = 0.0005;
/// Number of intervals from which the greatest common divisor of the intervals decides.
const MIN_INTERVALS_FOR_DIVISOR: i32 = 15;
/// The first intervals may be irregular, and are ignored for the divisor.
const IRREGULAR_INTERVALS: i32 = 3;

/// libavformat's knowledge of a stream before it examines the intervals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock<'c> {
    pub(super) codec: &'c str,
    pub(super) tag: [u8; 4],
    /// Seconds in one tick, above zero.
    pub(super) time_base: Ratio,
}

impl Clock<'_> {
    /// Returns whether ticks may be finer or coarser than frames (`tb_unreliable`).
    fn is_unreliable(self) -> bool {
        self.rate_of_ticks().is_none()
            || &self.tag == b"mp4v"
            || matches!(self.codec, "mpeg2video" | "gif" | "hevc" | "h264")
    }

    /// Returns the frame rate where no timestamps are known; the average rate may be known.
    pub(super) fn rate_without_times(self, average: Option<Ratio>) -> Option<Ratio> {
        let by_ticks = self.rate_of_ticks();
        if self.is_unreliable() { average.or(by_ticks) } else { by_ticks }
    }

    /// Returns the rate of the ticks, where it most likely equals the frame rate.
    fn rate_of_ticks(self) -> Option<Ratio> {
        let (num, den) = (i64::from(self.time_base.num), i64::from(self.time_base.den));
        (5 * num..101 * num)
            .contains(&den)
            .then_some(Ratio { num: self.time_base.den, den: self.time_base.num })
    }

    fn tick(self) -> f64 {
        f64::from(self.time_base.num) / f64::from(self.time_base.den)
    }

    /// Returns the maximum number of timestamps that are examined.
    pub(super) fn timestamps(self) -> usize {
        1 + if self.tick() > LONG_TICK { 2 * INTERVALS } else { INTERVALS }
    }

    /// Returns the frame rate from decoding times in ticks, in order. Returns the rate of the ticks where the times reveal none.
    pub(super) fn frame_rate(self, timestamps: &[i64]) -> Ratio {
        let one_a_tick = Ratio { num: self.time_base.den, den: self.time_base.num };
        if !self.is_unreliable() {
            return one_a_tick;
        }
        let seen = Intervals::of(self.tick(), timestamps);
        seen.by_divisor(self.time_base).or_else(|| seen.by_standard_rates(self.tick())).unwrap_or(one_a_tick)
    }
}

/// Returns a rate that is tried, times [`SCALE`].
fn standard_rate(index: usize) -> i64 {
    let number = |index: usize| i64::try_from(index).unwrap_or(0);
    match index {
        0..360 => (number(index) + 1) * 1001,
        360..390 => (number(index - 360) + 31) * SCALE,
        390..393 => [80, 120, 240][index - 390] * SCALE,
        _ => [24, 30, 60, 12, 15, 48].get(index - 393).copied().unwrap_or(0) * 12_000,
    }
}

/// The distances of the timestamps from those of a rate: the sum of the distances, and of their squares. Distances are rounded to
/// whole frames, and to half frames.
#[derive(Debug, Clone, Copy, Default)]
struct Distances {
    sums: [f64; 2],
    squares: [f64; 2],
    is_out: bool,
}

impl Distances {
    fn variance(&self, of: usize, count: f64) -> f64 {
        let mean = self.sums[of] / count;
        self.squares[of] / count - mean * mean
    }
}

/// The properties of the intervals between timestamps.
struct Intervals {
    count: i32,
    sum: i64,
    divisor: i64,
    /// Duration from the third frame.
    known_length: i64,
    distances: Vec<Distances>,
}

impl Intervals {
    fn of(tick: f64, timestamps: &[i64]) -> Self {
        let distances = vec![Distances::default(); STANDARD_RATES];
        let mut seen = Self { count: 0, sum: 0, divisor: 0, known_length: 0, distances };
        for pair in timestamps.windows(2) {
            let &[last, time] = pair else { continue };
            if let Some(interval) = time.checked_sub(last).filter(|&interval| interval > 0) {
                seen.add(tick, time, interval);
            }
        }
        if let [_, _, third, .., before, last] = timestamps {
            // The last frame is assumed to have the duration of the previous one.
            seen.known_length = last.saturating_sub(*third).saturating_add(last.saturating_sub(*before));
        }
        seen
    }

    fn add(&mut self, tick: f64, time: i64, interval: i64) {
        let seconds = to_float(time) * tick;
        for (index, distances) in self.distances.iter_mut().enumerate().filter(|(_, known)| !known.is_out) {
            let frames = seconds * to_float(standard_rate(index)) / to_float(SCALE);
            for (half, shift) in [0.0, 0.5].into_iter().enumerate() {
                let shifted = frames + shift;
                let distance = shifted - shifted.round_ties_even();
                distances.sums[half] += distance;
                distances.squares[half] += distance * distance;
            }
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(interval);
        if self.count % 10 == 0 {
            let count = f64::from(self.count);
            for distances in &mut self.distances {
                distances.is_out |=
                    distances.variance(0, count) > 0.04 && distances.variance(1, count) > 0.04;
            }
        }
        if self.count > IRREGULAR_INTERVALS {
            self.divisor = greatest_common_divisor(self.divisor, interval);
        }
    }

    /// Returns the greatest common divisor as the interval, unless it is shorter than two milliseconds.
    fn by_divisor(&self, time_base: Ratio) -> Option<Ratio> {
        let least = i64::from(time_base.den) / (500 * i64::from(time_base.num));
        if self.count <= MIN_INTERVALS_FOR_DIVISOR || self.divisor <= least.max(1) {
            return None;
        }
        reduced(time_base.den.into(), i64::from(time_base.num).checked_mul(self.divisor)?)
    }

    /// Returns the standard rate that fits best, if it exceeds the rate of the ticks by at most a hundredth.
    fn by_standard_rates(&self, tick: f64) -> Option<Ratio> {
        if self.count <= 1 {
            return None;
        }
        let count = f64::from(self.count);
        let average = tick * to_float(self.sum) / count;
        let known = to_float(self.known_length) * tick;
        let (mut best, mut least) = (None, 0.01);
        for (index, distances) in self.distances.iter().enumerate() {
            let rate = standard_rate(index);
            let period = 1001.0 / to_float(rate);
            let is_too_slow = match self.known_length {
                0 => rate < SCALE,
                _ => known < 11.5 * period,
            };
            if is_too_slow || average < 12.0 * 0.8 * period {
                continue;
            }
            for half in [0, 1] {
                let variance = if distances.is_out { 2e10 } else { distances.variance(half, count) };
                if variance < least && least > 1e-9 {
                    (best, least) = (Some(rate), variance);
                }
            }
        }
        let rate = best.filter(|&rate| to_float(rate) / to_float(SCALE) < 1.01 / tick)?;
        reduced(rate, SCALE)
    }
}

#[expect(clippy::cast_precision_loss, reason = "libavformat computes with doubles, too")]
const fn to_float(number: i64) -> f64 {
    number as f64
}

const fn greatest_common_divisor(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Returns a fraction of positive numbers in lowest terms, or `None` where they do not fit.
fn reduced(num: i64, den: i64) -> Option<Ratio> {
    let divisor = greatest_common_divisor(num, den);
    if divisor <= 0 {
        return None;
    }
    Some(Ratio { num: i32::try_from(num / divisor).ok()?, den: i32::try_from(den / divisor).ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock(codec: &str, den: i32) -> Clock<'_> {
        Clock { codec, tag: *b"avc1", time_base: Ratio { num: 1, den } }
    }

    /// Returns the times of frames at a constant rate, rounded down to ticks.
    fn times(den: i64, rate: (i64, i64), count: i64) -> Vec<i64> {
        (0..count).map(|frame| frame * den * rate.1 / rate.0).collect()
    }

    #[test]
    fn television_rates_are_found_from_rounded_times() {
        for (den, rate) in [
            (10_000, (30_000, 1001)),
            (1000, (24_000, 1001)),
            (1000, (60_000, 1001)),
            (1000, (25, 1)),
            (1000, (30, 1)),
            (90_000, (50, 1)),
            (48_000, (30_000, 1001)),
        ] {
            let clock = clock("h264", i32::try_from(den).unwrap());
            let times = times(den, rate, 60);
            let found = clock.frame_rate(&times[..clock.timestamps()]);
            assert_eq!((i64::from(found.num), i64::from(found.den)), rate, "{den}: {found:?}");
        }
    }

    /// Twenty intervals of 20.02 ticks equal twenty of 20 ticks: ffprobe also reports 30.
    #[test]
    fn too_few_intervals_hide_a_rate() {
        let times = times(600, (30_000, 1001), 21);
        assert_eq!(clock("h264", 600).frame_rate(&times), Ratio { num: 30, den: 1 });
    }

    #[test]
    fn the_tick_rate_is_used_where_no_rate_fits() {
        // No frames, one frame, and random intervals.
        for times in
            [&[][..], &[7], &[0, 1, 5, 6, 13, 14, 21, 33, 34, 36, 41, 42, 50, 61, 62, 63, 70, 71, 72, 75, 80]]
        {
            assert_eq!(clock("h264", 600).frame_rate(times), Ratio { num: 600, den: 1 });
        }
        // Codecs in which a tick is a frame.
        assert_eq!(clock("vp9", 25).frame_rate(&[0, 2, 4]), Ratio { num: 25, den: 1 });
    }

    #[test]
    fn the_average_rate_is_used_without_times_unless_ticks_are_frames() {
        let average = Some(Ratio { num: 5, den: 1 });
        assert_eq!(clock("gif", 100).rate_without_times(average), average);
        assert_eq!(clock("mpeg2video", 25).rate_without_times(None), Some(Ratio { num: 25, den: 1 }));
        assert_eq!(clock("theora", 10).rate_without_times(average), Some(Ratio { num: 10, den: 1 }));
        assert_eq!(clock("vp9", 1000).rate_without_times(None), None);
    }

    proptest! {
        /// A rate that divides the ticks is found exactly, whatever the first time is.
        #[test]
        fn whole_intervals_are_found(rate in 1_i64..60, ticks in 20_i64..3000, start in -100_000_i64..100_000) {
            let den = rate * ticks;
            let clock = clock("h264", i32::try_from(den).unwrap());
            let times: Vec<i64> = (0..60).map(|frame| start + frame * ticks).collect();
            let found = clock.frame_rate(&times[..clock.timestamps()]);
            prop_assert_eq!(found, Ratio { num: i32::try_from(rate).unwrap(), den: 1 });
        }

        #[test]
        fn random_times_yield_a_rate(
            times in prop::collection::vec(any::<i64>(), 0..50),
            num in 1..=i32::MAX,
            den in 1..=i32::MAX,
        ) {
            let clock = Clock { codec: "h264", tag: *b"mp4v", time_base: Ratio { num, den } };
            let found = clock.frame_rate(&times);
            prop_assert!(found.num > 0 && found.den > 0, "{:?}", found);
        }
    }
}

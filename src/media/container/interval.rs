//! The distance between the keyframes of a video, where its first packets reveal it.

use crate::media::units::{Pts, Ticks};

/// Number of bytes of a packet that are searched for the options of its encoder.
const MAX_TEXT: usize = 4 << 10;

/// The keyframes of a video whose encoder places them at equal distances.
///
/// The distance is a hint for the search: some encoders insert a keyframe at a cut, whatever they announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct KeyframeInterval {
    /// Presentation time of the first keyframe.
    pub(super) first: Pts,
    /// Distance in ticks of the stream, above zero.
    pub(super) interval: Ticks,
    /// Size of the first keyframe in bytes. The others have a similar size.
    pub(in crate::media) bytes: u64,
}

impl KeyframeInterval {
    /// Returns the keyframe at or before `goal`, or the next one if it is presented within `reach` of `goal`. Returns `None`
    /// before the first.
    pub(in crate::media) fn expected(self, goal: Pts, reach: Ticks) -> Option<Pts> {
        let elapsed = goal.saturating_add(reach).since(self.first).get();
        let past = elapsed.checked_rem_euclid(self.interval.get())?;
        let keyframes = elapsed.checked_sub(past).filter(|_| elapsed >= 0)?;
        Some(self.first.saturating_add(Ticks::new(keyframes)))
    }

    /// Returns the number of bytes by which a file of constant bit rate exceeds its average at a time: the size of a keyframe
    /// after each keyframe, and zero before the next.
    pub(in crate::media) fn surplus(self, time: Pts) -> u64 {
        let phase = time.since(self.first).get().checked_rem_euclid(self.interval.get()).unwrap_or(0);
        let rest = u128::try_from(self.interval.get().saturating_sub(phase)).unwrap_or(0);
        let whole = u128::try_from(self.interval.get()).unwrap_or(0).max(1);
        // At the keyframe itself, none of its bytes count yet.
        let part = if phase == 0 { 0 } else { u128::from(self.bytes).saturating_mul(rest) / whole };
        u64::try_from(part).unwrap_or(self.bytes)
    }
}

/// Returns the number of frames between keyframes, from the options that x264 writes into its first packet, unless x264 may insert
/// keyframes at cuts.
pub(super) fn frames_between_keyframes(packet: &[u8]) -> Option<u32> {
    let text = packet.get(..MAX_TEXT).unwrap_or(packet);
    let is_fixed = number_behind(text, b" scenecut=")? == 0 && number_behind(text, b" intra_refresh=")? == 0;
    number_behind(text, b" keyint=").filter(|&frames| is_fixed && frames > 0)
}

/// Returns the number after the first occurrence of a text.
pub(in crate::media) fn number_behind(bytes: &[u8], text: &[u8]) -> Option<u32> {
    let place = bytes.windows(text.len()).position(|part| part == text)?;
    let digits = bytes.get(place.checked_add(text.len())?..)?.iter().take(6);
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, &byte| Some(number.unwrap_or(0) * 10 + u32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_expected_keyframe_is_before_the_goal_or_shortly_after_it() {
        let keyframes = KeyframeInterval { first: Pts::new(100), interval: Ticks::new(50), bytes: 0 };
        let expected = |goal, reach| keyframes.expected(Pts::new(goal), Ticks::new(reach)).map(Pts::get);
        assert_eq!(
            [99, 100, 149, 150, 260].map(|goal| expected(goal, 0)),
            [None, Some(100), Some(100), Some(150), Some(250)]
        );
        assert_eq!([98, 145, 149].map(|goal| expected(goal, 2)), [Some(100), Some(100), Some(150)]);
    }

    #[test]
    fn the_surplus_is_largest_after_a_keyframe_and_then_falls() {
        let keyframes = KeyframeInterval { first: Pts::new(100), interval: Ticks::new(50), bytes: 1000 };
        assert_eq!(
            [50, 60, 100, 101, 149].map(|time| keyframes.surplus(Pts::new(time))),
            [0, 800, 0, 980, 20]
        );
    }

    #[test]
    fn options_of_x264() {
        let of = |text: &str| frames_between_keyframes(text.as_bytes());
        assert_eq!(of("x264 - core 165 keyint=50 keyint_min=26 scenecut=0 intra_refresh=0 rc"), Some(50));
        assert_eq!(of("x264 - core 165 keyint=50 keyint_min=26 scenecut=40 intra_refresh=0 rc"), None);
        assert_eq!(of("x264 - core 165 keyint=50 keyint_min=26 scenecut=0 intra_refresh=1 rc"), None);
        assert_eq!(of("x264 - core 165 keyint=infinite scenecut=0 intra_refresh=0"), None);
        assert_eq!(of(" keyint="), None);
    }

    proptest! {
        #[test]
        fn random_packets_and_times_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), times: [i64; 4]) {
            let _frames = frames_between_keyframes(&bytes);
            let [first, interval, goal, reach] = times;
            let keyframes = KeyframeInterval { first: Pts::new(first), interval: Ticks::new(interval), bytes: 0 };
            if let Some(expected) = keyframes.expected(Pts::new(goal), Ticks::new(reach)) {
                prop_assert!(expected >= Pts::new(first) || interval <= 0);
            }
            let _surplus = keyframes.surplus(Pts::new(goal));
        }
    }
}

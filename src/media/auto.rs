//! The best frame near the requested time.

use std::time::Duration;

use crate::frame_request::{FrameRequest, Pick};
use crate::media::error::Error;
use crate::media::frame::poster::PosterFrame;
use crate::media::open::Media;
use crate::picture::{Appearance, ConsideredFrame, Verdict};
use crate::pixels::Bounds;

/// The size of the copy that is judged.
pub(super) const JUDGED: Bounds = Bounds::new(320, 320);
/// The longest step between two tried times.
const STEP: Duration = Duration::from_secs(3);

impl Media<'_> {
    /// Returns the exact frame if it is good. Otherwise returns the first good keyframe of two after it, or of one far after and one before
    /// it, or else the best of all examined frames. The two frames of a pair are planned together, so there are at most two additional
    /// round trips where an index was read. Each frame is a separate call with the limits of one call.
    pub(super) fn best_frame(&mut self, request: &FrameRequest) -> Result<PosterFrame, Error> {
        let exact = self.frame(request.with_pick(Pick::Exact))?;
        let is_cover = |index: usize| {
            self.info().streams.get(index).is_some_and(|stream| stream.disposition.attached_pic)
        };
        if is_cover(exact.stream_index()) {
            return Ok(exact);
        }
        let times = nearby(exact.pts_seconds(), self.info().duration_seconds);
        let mut best = Best::default();
        best.look(exact)?;
        for pair in times.chunks(2) {
            if best.is_good() {
                break;
            }
            let requests =
                pair.iter().map(|&time| FrameRequest { time: time.into(), pick: Pick::Keyframe, ..*request });
            for frame in self.frames(requests) {
                match frame {
                    Ok(frame) => best.look(frame)?,
                    // The requested frame is available. Errors that end all work also end this search.
                    Err(error @ (Error::Cancelled | Error::Timeout { .. })) => return Err(error),
                    Err(_) => {}
                }
            }
        }
        best.frame
            .map(|(mut frame, _)| {
                frame.considered = best.considered;
                frame
            })
            .ok_or_else(Error::missing_stream)
    }
}

/// Returns the times that are tried instead of one, in order, in seconds after the start: three later times with growing distance, and one
/// earlier time.
fn nearby(seconds: f64, duration_seconds: Option<f64>) -> Vec<Duration> {
    let at = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let duration = duration_seconds.and_then(|duration| Duration::try_from_secs_f64(duration).ok());
    // A twentieth of a short video.
    let step = duration.map_or(STEP, |duration| STEP.min(duration / 20));
    let behind = |steps: u32| Some(at.saturating_add(step.saturating_mul(steps)));
    let times = [behind(1), behind(3), behind(7), Some(at / 2)];
    let is_inside = |time: &Duration| duration.is_none_or(|duration| *time < duration);
    times.into_iter().flatten().filter(is_inside).collect()
}

/// The best of the examined frames.
#[derive(Default)]
struct Best {
    frame: Option<(PosterFrame, Appearance)>,
    considered: Vec<ConsideredFrame>,
}

impl Best {
    fn is_good(&self) -> bool {
        self.frame.as_ref().is_some_and(|(_, appearance)| appearance.verdict == Verdict::Good)
    }

    /// Judges a frame, unless it was judged before: distant times may have the same keyframe.
    fn look(&mut self, frame: PosterFrame) -> Result<(), Error> {
        let pts_seconds = frame.pts_seconds();
        let is_known = |known: &ConsideredFrame| known.pts_seconds.total_cmp(&pts_seconds).is_eq();
        if self.is_good() || self.considered.iter().any(is_known) {
            return Ok(());
        }
        let appearance = Appearance::of(&frame.to_rgb8(JUDGED)?);
        self.considered.push(ConsideredFrame { pts_seconds, appearance });
        if self.frame.as_ref().is_none_or(|(_, best)| appearance.rank() > best.rank()) {
            self.frame = Some((frame, appearance));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn three_later_times_and_an_earlier_one_are_tried(
            seconds in 0.001..10_000.0_f64, duration in proptest::option::of(0.1..20_000.0_f64)
        ) {
            let times = nearby(seconds, duration);
            let at = Duration::from_secs_f64(seconds);
            let end = duration.map_or(Duration::MAX, Duration::from_secs_f64);
            prop_assert!(times.iter().all(|time| *time < end), "{:?}", times);
            let most = Duration::from_secs(21).min(end / 20 * 7 + Duration::from_micros(1));
            let (later, earlier): (Vec<Duration>, Vec<Duration>) = times.iter().partition(|time| **time > at);
            prop_assert_eq!(earlier, if at / 2 < end { vec![at / 2] } else { vec![] });
            let distances: Vec<Duration> = later.iter().map(|time| *time - at).collect();
            prop_assert!(distances.windows(2).all(|pair| pair[1] >= pair[0] * 2), "{:?}", distances);
            prop_assert!(distances.iter().all(|distance| *distance <= most));
            let is_far_from_the_end = end.saturating_sub(at) > most;
            prop_assert!(later.len() == 3 || !is_far_from_the_end, "{:?}", later);
        }
    }

    #[test]
    fn a_step_is_three_seconds_or_a_twentieth_of_the_video() {
        let seconds = |times: &[u64]| times.iter().map(|time| Duration::from_secs(*time)).collect::<Vec<_>>();
        assert_eq!(nearby(10.0, None), seconds(&[13, 19, 31, 5]));
        assert_eq!(nearby(10.0, Some(20.0)), seconds(&[11, 13, 17, 5]));
        assert_eq!(nearby(10.0, Some(60.0)), seconds(&[13, 19, 31, 5]));
        // The end is not in the video.
        assert_eq!(nearby(34.0, Some(40.0)), seconds(&[36, 17]));
    }
}

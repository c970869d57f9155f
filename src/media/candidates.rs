//! Candidates for a poster: good frames from all parts of a video.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::frame_request::{CoverArt, FrameRequest, Pick};
use crate::frame_time::FrameTime;
use crate::limits::Limit;
use crate::media::auto::JUDGED;
use crate::media::error::Error;
use crate::media::frame::poster::PosterFrame;
use crate::media::open::Media;
use crate::picture::{Appearance, Verdict};
use crate::pixels::{Bounds, RgbPicture};

/// Which candidates to look for. Start from [`CandidatesRequest::new`]: their pictures fit into 320 x 320 pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CandidatesRequest {
    /// The number of candidates.
    pub count: NonZeroU32,
    /// Largest size of their pictures.
    pub tile: Bounds,
}

impl CandidatesRequest {
    /// Requests this number of candidates.
    pub const fn new(count: NonZeroU32) -> Self {
        Self { count, tile: Bounds::new(320, 320) }
    }

    /// Sets the largest size of the pictures.
    #[must_use]
    pub const fn with_tile(mut self, tile: Bounds) -> Self {
        self.tile = tile;
        self
    }
}

/// A frame that people can choose for a poster, by [`Media::candidates`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The time to request this frame by, with [`Pick::Exact`]: the presentation time, rounded down to a millisecond. `--at`, `THUMBNAIL_AT` and
    /// `poster-at` take the same text.
    pub at: FrameTime,
    /// The presentation time in seconds, counted from the container's start.
    pub pts_seconds: f64,
    /// How the frame looks, and the verdict on it.
    #[serde(flatten)]
    pub appearance: Appearance,
    /// The frame, no larger than requested.
    pub picture: RgbPicture,
}

impl Media<'_> {
    /// Returns good frames from all parts of the video, sorted by time, for people to choose one.
    ///
    /// The video is divided into as many parts of equal length as candidates are requested, and each part offers its best frame. The
    /// first look is at the keyframe in the middle of each part. Parts without a good frame there get at most three more looks: at two
    /// other keyframes, then at the exact frame in the middle. Parts that stay without a good frame get one from the widest gap
    /// between the good ones, else keep the best of what they have; [`Candidate::appearance`] has the verdict. The frames of each
    /// look are planned together, as those of [`frames`](Self::frames), so that the candidates take at most three round trips more than a list of frames.
    ///
    /// A video with fewer frames than requested candidates has fewer candidates, and always at least one. Frames that do not decode are left out.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::num::NonZeroU32;
    /// use posterframe::{Bounds, CandidatesRequest, Media, OpenOptions};
    ///
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// let count = NonZeroU32::new(3).ok_or("0")?;
    /// let request = CandidatesRequest::new(count).with_tile(Bounds::width(80));
    /// let candidates = media.candidates(&request)?;
    /// assert_eq!(candidates.len(), 3);
    /// let chosen = &candidates[1];
    /// assert_eq!((chosen.picture.width, chosen.picture.height), (80, 60));
    /// // The chosen frame, in full size.
    /// assert_eq!(media.frame(chosen.at)?.pts_seconds(), chosen.pts_seconds);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::NoDuration`]: the file declares no duration.
    /// - [`Error::LimitExceeded`]: more than [`Limits::max_tiles`](crate::Limits::max_tiles) candidates, or more than
    ///   [`Limits::max_pixels`](crate::Limits::max_pixels) in all pictures together.
    /// - Those of [`frame`](Self::frame). A frame that does not decode is an error only when no frame does.
    pub fn candidates(&mut self, request: &CandidatesRequest) -> Result<Vec<Candidate>, Error> {
        let (max_tiles, max_pixels) = (self.limits.max_tiles, self.limits.max_pixels);
        if u64::from(request.count.get()) > max_tiles {
            return Err(Error::LimitExceeded { limit: Limit::MaxTiles, allowed: max_tiles });
        }
        let duration = self.info().duration_seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let duration = duration.filter(|duration| !duration.is_zero()).ok_or(Error::NoDuration)?;
        let count = request.count.get();
        let parts = (0..count).map(|index| Part::new(duration, index, count)).collect();
        let mut search = Search { request: *request, max_pixels, parts, failure: None };
        for look in [Part::middle_keyframe, Part::other_keyframes, Part::middle_frame] {
            let tries = |(index, part): (usize, &Part)| look(part).into_iter().map(move |at| (index, at));
            let tries = search.parts.iter().enumerate().filter(|(_, part)| !part.is_good()).flat_map(tries);
            search.look(self, tries.collect())?;
        }
        search.fill_gaps(self, duration)?;
        search.finish(self, duration / 2)
    }
}

/// A part of the video that offers one candidate.
struct Part {
    /// Seconds after the start.
    start: f64,
    end: f64,
    best: Option<Candidate>,
}

/// A frame to look at.
#[derive(Clone, Copy)]
struct Look {
    at: Duration,
    pick: Pick,
}

impl Part {
    fn new(duration: Duration, index: u32, count: u32) -> Self {
        let edge = |index: u32| duration.as_secs_f64() * f64::from(index) / f64::from(count);
        Self { start: edge(index), end: edge(index.saturating_add(1)), best: None }
    }

    fn is_good(&self) -> bool {
        self.best.as_ref().is_some_and(|best| best.appearance.verdict == Verdict::Good)
    }

    /// At this fraction of the part.
    fn look(&self, fraction: f64, pick: Pick) -> Look {
        let seconds = self.start + (self.end - self.start) * fraction;
        Look { at: Duration::try_from_secs_f64(seconds).unwrap_or_default(), pick }
    }

    fn middle_keyframe(&self) -> Vec<Look> {
        vec![self.look(0.5, Pick::Keyframe)]
    }

    /// The keyframe in the middle may lie in front of the part: then so does the one before.
    fn other_keyframes(&self) -> Vec<Look> {
        let fractions = if self.best.is_some() { &[0.25, 0.875][..] } else { &[0.875] };
        fractions.iter().map(|&fraction| self.look(fraction, Pick::Keyframe)).collect()
    }

    fn middle_frame(&self) -> Vec<Look> {
        vec![self.look(0.5, Pick::Exact)]
    }

    /// Returns whether a frame can stand for the part: the frame lies between the middles of the parts before and after. Keyframes are often as
    /// far apart as the middles: the keyframe before a middle then lies in front of the part. Where a video has few frames, the frame after a
    /// middle lies behind the part. No other part requests that frame.
    fn admits(&self, seconds: f64) -> bool {
        let half = (self.end - self.start) / 2.0;
        seconds > self.start - half && seconds < self.end + half
    }
}

/// The parts, and what was seen of them.
struct Search {
    request: CandidatesRequest,
    max_pixels: u64,
    parts: Vec<Part>,
    /// Why the first frame that failed did.
    failure: Option<Error>,
}

impl Search {
    /// Looks at frames of parts, in the order of their times, and keeps those that are the best of their part.
    fn look(&mut self, media: &mut Media<'_>, tries: Vec<(usize, Look)>) -> Result<(), Error> {
        self.each(media, tries, |search, index, frame| match search.parts.get(index) {
            Some(part) if part.admits(frame.pts_seconds()) => search.offer(index, frame),
            _ => Ok(()),
        })
    }

    /// Gives parts without a good frame one from the middle of the widest gaps between the good frames.
    fn fill_gaps(&mut self, media: &mut Media<'_>, duration: Duration) -> Result<(), Error> {
        let is_bad = |(_, part): &(usize, &Part)| !part.is_good();
        let bad: Vec<usize> = self.parts.iter().enumerate().filter(is_bad).map(|(index, _)| index).collect();
        let good = self.parts.iter().filter(|part| part.is_good());
        let good: Vec<f64> = good.filter_map(|part| Some(part.best.as_ref()?.pts_seconds)).collect();
        if good.is_empty() || bad.is_empty() {
            return Ok(());
        }
        let mut gaps: Vec<(f64, f64)> =
            good.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).collect();
        // Before the first and behind the last good frame are bad ones.
        gaps.retain(|(from, to)| {
            self.parts.iter().all(|part| part.is_good() || !(*from..*to).contains(&part.start))
        });
        gaps.sort_by(|one, other| (other.1 - other.0).total_cmp(&(one.1 - one.0)));
        let middle =
            |(from, to): (f64, f64)| Duration::try_from_secs_f64(from.midpoint(to)).unwrap_or(duration);
        let looks = gaps.into_iter().map(middle).map(|at| Look { at, pick: Pick::Exact });
        let mut tries: Vec<_> = bad.into_iter().zip(looks).collect();
        tries.sort_by_key(|(_, look)| look.at);
        self.each(media, tries, |search, index, frame| search.offer(index, frame))
    }

    /// Requests frames, and gives each to `take` with the number of its part.
    fn each(
        &mut self,
        media: &mut Media<'_>,
        tries: Vec<(usize, Look)>,
        mut take: impl FnMut(&mut Self, usize, &PosterFrame) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let request = |&(_, Look { at, pick }): &(usize, Look)| {
            FrameRequest::at(at).with_pick(pick).with_cover(CoverArt::Ignore)
        };
        let requests: Vec<FrameRequest> = tries.iter().map(request).collect();
        for ((index, _), frame) in tries.into_iter().zip(media.frames(requests)) {
            match frame {
                Ok(frame) => take(self, index, &frame)?,
                Err(error) if error.kind() == ErrorKind::Malformed => {
                    self.failure.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Keeps a frame if it is better than the one that its part has, and no part has it already.
    fn offer(&mut self, index: usize, frame: &PosterFrame) -> Result<(), Error> {
        let seconds = frame.pts_seconds();
        let is_known = |known: &Candidate| known.pts_seconds.total_cmp(&seconds).is_eq();
        if self.parts.iter().filter_map(|part| part.best.as_ref()).any(is_known) {
            return Ok(());
        }
        let appearance = Appearance::of(&frame.to_rgb8(JUDGED)?);
        let (count, max_pixels) = (self.request.count, self.max_pixels);
        let Some(part) = self.parts.get_mut(index) else { return Ok(()) };
        if part.best.as_ref().is_none_or(|best| appearance.rank() > best.appearance.rank()) {
            let (width, height) = frame.display_size(self.request.tile);
            let area = u64::from(width) * u64::from(height);
            if area.saturating_mul(count.get().into()) > max_pixels {
                return Err(Error::LimitExceeded { limit: Limit::MaxPixels, allowed: max_pixels });
            }
            part.best = Some(candidate(frame, appearance, self.request.tile)?);
        }
        Ok(())
    }

    /// The candidates by time; of a video whose frames lie in no part, the one that stands for the middle.
    fn finish(self, media: &mut Media<'_>, middle: Duration) -> Result<Vec<Candidate>, Error> {
        let mut candidates: Vec<_> = self.parts.into_iter().filter_map(|part| part.best).collect();
        candidates.sort_by(|one, other| one.pts_seconds.total_cmp(&other.pts_seconds));
        if candidates.is_empty() {
            if let Some(error) = self.failure {
                return Err(error);
            }
            let frame = media.frame(FrameRequest::at(middle).with_cover(CoverArt::Ignore))?;
            let appearance = Appearance::of(&frame.to_rgb8(JUDGED)?);
            candidates.push(candidate(&frame, appearance, self.request.tile)?);
        }
        Ok(candidates)
    }
}

fn candidate(frame: &PosterFrame, appearance: Appearance, tile: Bounds) -> Result<Candidate, Error> {
    let pts_seconds = frame.pts_seconds();
    let exact = Duration::try_from_secs_f64(pts_seconds).unwrap_or_default();
    let milliseconds = Duration::from_millis(u64::try_from(exact.as_millis()).unwrap_or(u64::MAX));
    Ok(Candidate { at: milliseconds.into(), pts_seconds, appearance, picture: frame.to_rgb8(tile)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Parts of four seconds have exact edges.
        #[test]
        fn a_frame_stands_for_the_parts_with_the_nearest_middles(count in 1_u32..500, at in 0.0..2000.0_f64) {
            let duration = Duration::from_secs(u64::from(count) * 4);
            let parts: Vec<Part> = (0..count).map(|index| Part::new(duration, index, count)).collect();
            let middle = |index: u32| f64::from(index) * 4.0 + 2.0;
            let admitting = |at: f64| {
                (0..count).zip(&parts).filter(|(_, part)| part.admits(at)).map(|(index, _)| index).collect::<Vec<_>>()
            };
            let at = at % duration.as_secs_f64();
            let nearest: Vec<u32> = (0..count).filter(|index| (at - middle(*index)).abs() < 4.0).collect();
            prop_assert!((1..=2).contains(&nearest.len()));
            prop_assert_eq!(admitting(at), nearest, "{}", at);
            for index in 0..count {
                prop_assert_eq!(admitting(middle(index)), [index]);
            }
        }
    }
}

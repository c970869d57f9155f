//! All frames between two times.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::frame_request::FrameRequest;
use crate::media::error::Error;
use crate::media::frame::poster::PosterFrame;
use crate::media::open::Media;
use crate::media::search::FrameReason;
use crate::media::units::{Microseconds, Pts, Ticks};

/// All frames between two times, in presentation order, returned by [`Media::frames_between`].
///
/// The iterator ends after the last frame or after the first error.
#[derive(Debug)]
#[must_use = "frames are decoded when the iterator reaches them"]
pub struct FramesBetween<'m, 'r> {
    media: &'m mut Media<'r>,
    times: Range<Duration>,
    place: Place,
    ready: VecDeque<PosterFrame>,
}

/// The position of the next frame.
#[derive(Debug, Clone, Copy)]
enum Place {
    Start,
    /// In this stream, at or after this tick, and before the second tick.
    Next(usize, Pts, Pts),
    End,
}

impl<'r> Media<'r> {
    /// Returns all frames whose presentation time is at or after the start of `times` and before its end. Both times count from the
    /// start of the video.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{Media, OpenOptions};
    ///
    /// // Ten frames a second.
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// let seconds = |second| Duration::from_secs(second);
    /// let frames: Vec<_> = media.frames_between(seconds(2)..seconds(4)).collect::<Result<_, _>>()?;
    /// assert_eq!(frames.len(), 20);
    /// assert_eq!(frames[0].pts_seconds(), 2.0);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn frames_between(&mut self, times: Range<Duration>) -> FramesBetween<'_, 'r> {
        FramesBetween { media: self, times, place: Place::Start, ready: VecDeque::new() }
    }
}

impl FramesBetween<'_, '_> {
    /// Searches for the first frame like for any other frame. The frame determines the stream.
    fn first(&mut self) -> Result<Option<PosterFrame>, Error> {
        let frame = self.media.frame(self.times.start)?;
        let index = frame.stream_index();
        let time_base = self.media.time_base(index)?;
        let end = self.media.start.saturating_add(Microseconds::from(self.times.end));
        let end = time_base.pts(end).unwrap_or(Pts::MAX);
        let pts = Pts::new(frame.pts());
        // Any other frame is a substitute for a frame that does not exist.
        let is_between = frame.reason() == FrameReason::AtTarget && pts < end;
        if is_between {
            self.place = Place::Next(index, pts.saturating_add(Ticks::ONE), end);
        }
        Ok(is_between.then_some(frame))
    }

    fn next_of(&mut self, index: usize, goal: Pts, end: Pts) -> Result<Option<PosterFrame>, Error> {
        if goal >= end {
            return Ok(None);
        }
        let request = FrameRequest::at(self.times.start);
        let most = self.media.most_together(request.cover);
        let mut count = 0;
        let goals = |last: Option<Pts>| {
            count += 1;
            let next = last.map_or(goal, |pts| pts.saturating_add(Ticks::ONE));
            (count <= most && next < end).then_some(next)
        };
        if self.media.whole_stream(request.cover) == Some(index) {
            // The search for the next single frame reports any error here.
            let together = self.media.frames_together(index, goals, |_| request).unwrap_or_default();
            self.ready.extend(together);
        }
        if self.ready.is_empty() {
            let time_base = self.media.time_base(index)?;
            let at = time_base.microseconds(goal.since(Pts::new(0))).unwrap_or(Microseconds::new(0));
            let at = at.get().saturating_sub(self.media.start.get());
            let at = Duration::from_micros(u64::try_from(at).unwrap_or(0));
            self.ready.extend(self.media.frame_from(index, goal, at, &request)?);
        }
        self.ready.retain(|frame| frame.pts() < end.get());
        if let Some(last) = self.ready.back() {
            self.place = Place::Next(index, Pts::new(last.pts()).saturating_add(Ticks::ONE), end);
        }
        Ok(self.ready.pop_front())
    }
}

impl Iterator for FramesBetween<'_, '_> {
    type Item = Result<PosterFrame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(frame) = self.ready.pop_front() {
            return Some(Ok(frame));
        }
        let found = match std::mem::replace(&mut self.place, Place::End) {
            Place::Start if self.times.is_empty() => Ok(None),
            Place::Start => self.first(),
            Place::Next(index, goal, end) => self.next_of(index, goal, end),
            Place::End => Ok(None),
        };
        found.transpose()
    }
}

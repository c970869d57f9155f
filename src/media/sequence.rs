//! Several frames of one file: planned together, and decoded together where they are near each other.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame_request::{FrameRequest, Pick};
use crate::media::error::Error;
use crate::media::frame::poster::PosterFrame;
use crate::media::open::Media;
use crate::media::units::Pts;
use crate::source::{ByteRange, Ledger};

/// Maximum number of bytes that are requested ahead of the next frame: half of the capacity of the process's cache.
const MAX_AHEAD: u64 = 16 << 20;
/// Times further apart than this are searched one by one: most encoders place keyframes one or two seconds apart.
const MAX_APART: Duration = Duration::from_secs(2);

/// The frames of a list of requests, in the order of the list, returned by [`Media::frames`].
///
/// A frame that fails is an error in its place, and the other frames follow.
#[derive(Debug)]
#[must_use = "frames are decoded when the iterator reaches them"]
pub struct Frames<'m, 'r> {
    media: &'m mut Media<'r>,
    requests: VecDeque<Listed>,
    ready: VecDeque<PosterFrame>,
    /// The number of planned requests at the front of the list.
    planned: usize,
    ahead: u64,
    /// The number of consecutive requests after which the index was read.
    depth: Option<u32>,
}

/// A request that waits for its turn.
#[derive(Debug)]
struct Listed {
    request: FrameRequest,
    ahead: Option<Ahead>,
}

/// The ranges that were requested for a frame ahead of its turn.
#[derive(Debug)]
struct Ahead {
    /// The ranges, its packets or the last of them at the end.
    ranges: Vec<ByteRange>,
    /// Whether the plan is complete.
    is_whole: bool,
}

impl<'r> Media<'r> {
    /// Returns the requested frames, in the order of the list. Each frame is the one that [`frame`](Self::frame) returns.
    ///
    /// The bytes of the next frames are requested while one frame is decoded, and times that rise in small steps are decoded together. N
    /// frames therefore take the round trips of one frame and a few more, if the file has an index: an MP4, including a fragmented MP4
    /// with a `sidx` or an `mfra`, or a Matroska with cues. A sorted list costs least.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{Media, OpenOptions};
    ///
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// let times = [1, 2, 6].map(Duration::from_secs);
    /// for (at, frame) in times.iter().zip(media.frames(times)) {
    ///     assert_eq!(frame?.pts_seconds(), at.as_secs_f64());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn frames<T: Into<FrameRequest>>(&mut self, requests: impl IntoIterator<Item = T>) -> Frames<'_, 'r> {
        let listed = |request: T| Listed { request: request.into(), ahead: None };
        let requests = requests.into_iter().map(listed).collect();
        Frames { media: self, requests, ready: VecDeque::new(), planned: 0, ahead: 0, depth: None }
    }
}

impl Frames<'_, '_> {
    /// Returns the cost of reading so far, like [`Media::ledger`].
    pub fn ledger(&self) -> Ledger {
        self.media.ledger()
    }

    /// Requests the bytes of the next frames, up to a bound.
    fn plan(&mut self) {
        let is_new = self.depth.is_none();
        if let (true, [first, _, ..]) = (is_new, &*self.requests.make_contiguous()) {
            // The search for the frame reports any error here.
            self.depth = self.media.plan_first(&first.request).ok();
        }
        let Some(depth) = self.depth else { return };
        while self.ahead < MAX_AHEAD
            && let Some(listed) = self.requests.get_mut(self.planned)
        {
            if let Some((ranges, is_whole)) = self.media.plan_ahead(&listed.request, depth) {
                listed.ahead = Some(Ahead { ranges, is_whole });
                self.ahead = self.ahead.saturating_add(listed.bytes_ahead());
            }
            self.planned += 1;
        }
        let requests = self.requests.iter().map(|listed| listed.request);
        if is_new && let Some(last) = requests.max_by_key(|request| self.media.time_of(request)) {
            // The search for the frame also reports any error here.
            let _ = self.media.show_up_to(&last);
        }
    }

    /// Lets the bytes of earlier frames leave memory. They would otherwise take the room of the next frames, which would then be
    /// fetched again.
    fn release(&mut self) {
        if self.requests.front().is_some_and(|next| next.ahead.is_some()) {
            let needed: Vec<ByteRange> =
                self.requests.iter().take(self.planned).flat_map(Listed::ranges).copied().collect();
            self.media.container.input_mut().need_only(&needed);
        }
    }

    /// Returns the number of next requests that may be decoded together: requests in one GOP, as far as the index tells.
    fn near(&self) -> usize {
        let is_near = |(one, next): &(&Listed, &Listed)| {
            let [at, then] = [one, next].map(|listed| self.media.time_of(&listed.request));
            let is_alike = [one, next].iter().all(|listed| listed.request.pick == Pick::Exact)
                && one.request.cover == next.request.cover
                && at <= then;
            is_alike
                && match (one.packets(), next.packets()) {
                    (Some(one), Some(next)) => one.start() == next.start(),
                    _ => then.saturating_sub(at) <= MAX_APART,
                }
        };
        let first = self.requests.front();
        let most = first.map_or(1, |listed| self.media.most_together(listed.request.cover));
        let pairs = self.requests.iter().zip(self.requests.iter().skip(1)).take(most.saturating_sub(1));
        pairs.take_while(is_near).count() + 1
    }

    /// Returns the frames of the first `count` requests, as far as they can be decoded together.
    fn together(&mut self, count: usize) -> Result<Vec<PosterFrame>, Error> {
        let requests: Vec<FrameRequest> =
            self.requests.iter().take(count).map(|listed| listed.request).collect();
        let stream = requests.first().and_then(|request| self.media.whole_stream(request.cover));
        let Some(index) = stream else { return Ok(Vec::new()) };
        let time_base = self.media.time_base(index)?;
        let goals: Vec<Pts> =
            requests.iter().map_while(|request| self.media.goal(request, time_base)).collect();
        let (mut goals, first) = (goals.into_iter(), requests.first().copied().unwrap_or_default());
        let request = |number: usize| requests.get(number).copied().unwrap_or(first);
        self.media.frames_together(index, |_| goals.next(), request)
    }

    /// Plans the next frames, and decodes frames together that are near each other.
    fn prepare(&mut self) {
        if !self.ready.is_empty() {
            return;
        }
        self.media.layout.keeps_others = self.media.layout.can_plan_ahead();
        self.plan();
        self.media.layout.keeps_others = false;
        self.release();
        let near = self.near();
        if near > 1 {
            // The search for the single frame reports any error here.
            for frame in self.together(near).unwrap_or_default() {
                self.next_request();
                self.ready.push_back(frame);
            }
        }
    }

    /// Removes the next request from the list.
    fn next_request(&mut self) -> Option<Listed> {
        let listed = self.requests.pop_front()?;
        self.planned = self.planned.saturating_sub(1);
        self.ahead = self.ahead.saturating_sub(listed.bytes_ahead());
        Some(listed)
    }
}

impl Listed {
    fn packets(&self) -> Option<ByteRange> {
        self.ahead.as_ref()?.ranges.last().copied()
    }

    fn ranges(&self) -> &[ByteRange] {
        self.ahead.as_ref().map_or(&[], |ahead| &ahead.ranges)
    }

    fn bytes_ahead(&self) -> u64 {
        self.ranges().iter().map(|range| range.len()).sum()
    }
}

impl Iterator for Frames<'_, '_> {
    type Item = Result<PosterFrame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let prepared = Error::guard(|| {
            self.prepare();
            Ok(())
        });
        if let Err(error) = prepared {
            self.next_request()?;
            return Some(Err(self.media.broken(error)));
        }
        if let Some(frame) = self.ready.pop_front() {
            return Some(Ok(frame));
        }
        let Listed { request, ahead } = self.next_request()?;
        if ahead.is_some_and(|ahead| ahead.is_whole) {
            self.media.planned = Some(self.media.wanted(&request));
        }
        self.media.layout.keeps_others = self.ahead > 0;
        let frame = self.media.frame(request);
        self.media.layout.keeps_others = false;
        Some(frame)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.ready.len().saturating_add(self.requests.len());
        (count, Some(count))
    }
}

impl ExactSizeIterator for Frames<'_, '_> {}

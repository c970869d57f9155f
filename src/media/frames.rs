//! The frames of an open file: planning, search, and wrapping into [`PosterFrame`].

use std::time::Duration;

#[cfg(feature = "tokio")]
use crate::deadline::CancelToken;
use crate::frame_request::{CoverArt, FrameRequest, Pick};
use crate::limits::Limit;
use crate::media::container::analysis::reopen;
use crate::media::container::formats::{Opening, Seeking};
use crate::media::error::Error;
use crate::media::ffi::stream::Stream;
use crate::media::frame::poster::{PosterFrame, Terms};
use crate::media::layout::Wanted;
use crate::media::open::Media;
use crate::media::search::{self, FrameReason, Places, Search, Spent, Target};
use crate::media::units::{Microseconds, Pts, Ticks, TimeBase};
use crate::source::ByteRange;

/// Maximum number of frames that are decoded together, and their pixels: eight frames of 4K, one of 8K.
const MAX_TOGETHER: u64 = 8;
const MAX_PIXELS_TOGETHER: u64 = MAX_TOGETHER * 3840 * 2160;

impl<'r> Media<'r> {
    /// Returns the requested frame. A time alone is a valid request: it selects the first frame whose presentation time is at or after the
    /// time, rounded to the nearest tick of the stream. When the video ends before the time, the call returns the frame at half of the
    /// duration by the same rule, or the last frame that decodes if there is no frame there either. [`PosterFrame::reason`] reports which
    /// of them was returned.
    ///
    /// The call can be repeated for other frames, in any order.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::time::Duration;
    /// use posterframe::{FrameReason, Media, OpenOptions};
    ///
    /// // It lasts 7 s.
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// for (at, seconds, reason) in [
    ///     (6, 6.0, FrameReason::AtTarget),
    ///     (1, 1.0, FrameReason::AtTarget),
    ///     (60, 3.5, FrameReason::HalfDuration),
    /// ] {
    ///     let frame = media.frame(Duration::from_secs(at))?;
    ///     assert_eq!((frame.pts_seconds(), frame.reason()), (seconds, reason));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::NoVideo`], [`Error::NoCover`], [`Error::NoDecoder`]: there is nothing to decode, or no decoder for it.
    /// - [`Error::Encrypted`], [`Error::TileGrid`]: the frame cannot be decoded from the content of the file.
    /// - [`Error::NoFrame`]: no frame decodes.
    /// - [`Error::Read`], [`Error::ReaderPanicked`]: the reader failed.
    /// - [`Error::LimitExceeded`], [`Error::Timeout`], [`Error::Cancelled`]: a limit or token of the options ended the call.
    pub fn frame(&mut self, request: impl Into<FrameRequest>) -> Result<PosterFrame, Error> {
        let request = request.into();
        match request.pick {
            Pick::Auto => self.best_frame(&request),
            Pick::Exact | Pick::Keyframe => self.guard(|media| media.frame_of_any(&request)),
        }
    }

    /// Returns the frame of the first stream that has packets.
    fn frame_of_any(&mut self, request: &FrameRequest) -> Result<PosterFrame, Error> {
        self.begin()?;
        let streams = self.video_streams(request.cover);
        let mut error = None;
        for &index in &streams {
            match self.frame_of(index, request) {
                // Some files list a stream first but contain no packets of it.
                Err(failure @ Error::NoFrame { packets: 0, .. }) => error = error.or(Some(failure)),
                result => return result,
            }
        }
        Err(error.unwrap_or_else(|| self.no_video(request.cover)))
    }

    /// Sets a token that cancels the next calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn for_call(&mut self, token: CancelToken) {
        self.container.input_mut().for_call(token);
    }

    /// Begins a call: its time runs from here. The call forgets an earlier failure that may be temporary. After such a failure the position
    /// of libavformat is unknown, so the container is opened again.
    fn begin(&mut self) -> Result<(), Error> {
        let has_failed = self.container.input_mut().begin();
        self.spent = Spent::on_file(self.container.input().size());
        self.container.input_mut().check()?;
        if has_failed { self.reopen_all() } else { Ok(()) }
    }

    /// Returns the frame of one video stream.
    fn frame_of(&mut self, index: usize, request: &FrameRequest) -> Result<PosterFrame, Error> {
        let Some(info) = self.info.streams.get(index) else { return Err(Error::missing_stream()) };
        let (width, height) = info.video.as_ref().map_or((0, 0), |video| (video.width, video.height));
        if u64::from(width) * u64::from(height) > self.limits.max_pixels {
            return Err(Error::LimitExceeded { limit: Limit::MaxPixels, allowed: self.limits.max_pixels });
        }
        let track = info.id.and_then(|id| u32::try_from(id).ok());
        if info.disposition.attached_pic {
            return self.cover_picture(index, request);
        }
        if self.container.has_tile_grid(index) {
            return Err(Error::TileGrid);
        }
        self.container.keep_only(index);
        self.plan(index, track, self.wanted(request))?;
        loop {
            // In a fragmented file, only the fragments that the plan considered sufficient are visible.
            let target = self.target(request, self.time_base(index)?);
            match self.search(index, target, request)? {
                Some((frame, is_certain)) if is_certain || !self.explore_further(index)? => return Ok(frame),
                Some(_) => {}
                None => {
                    self.explore_further(index)?;
                }
            }
        }
    }

    /// Returns the first frame of a stream at or after `wanted`, or `None` after the last frame. The bytes were requested for `at`.
    pub(super) fn frame_from(
        &mut self,
        index: usize,
        wanted: Pts,
        at: Duration,
        request: &FrameRequest,
    ) -> Result<Option<PosterFrame>, Error> {
        self.guard(|media| media.find_from(index, wanted, at, request))
    }

    fn find_from(
        &mut self,
        index: usize,
        wanted: Pts,
        at: Duration,
        request: &FrameRequest,
    ) -> Result<Option<PosterFrame>, Error> {
        self.begin()?;
        self.container.keep_only(index);
        let track = self.info.streams.get(index).and_then(|info| u32::try_from(info.id?).ok());
        self.plan(index, track, Wanted { at, pick: Pick::Exact })?;
        loop {
            // No other frame may replace it.
            let target = Target {
                wanted,
                half: None,
                ends_before: false,
                is_partial: true,
                is_absent: false,
                pick: Pick::Exact,
            };
            match self.search(index, target, request)? {
                Some((frame, true)) => return Ok(Some(frame)),
                found if !self.explore_further(index)? => return Ok(found.map(|(frame, _)| frame)),
                _ => {}
            }
        }
    }

    /// Requests the bytes that a frame needs, where their position can be known.
    fn plan(&mut self, index: usize, track: Option<u32>, wanted: Wanted) -> Result<(), Error> {
        if self.planned != Some(wanted) {
            self.layout.plan(self.container.input_mut(), track, wanted)?;
            self.planned = Some(wanted);
        }
        self.show_planned(index)
    }

    /// Opens the container again if libavformat needs to see more of it than before.
    fn show_planned(&mut self, index: usize) -> Result<(), Error> {
        if self.layout.show(self.container.input_mut()) { self.reopen(index) } else { Ok(()) }
    }

    /// Makes more of a fragmented file visible to libavformat. Returns `false` when libavformat has seen all of it.
    fn explore_further(&mut self, index: usize) -> Result<bool, Error> {
        self.container.input_mut().check()?;
        if !self.layout.explore_further(self.container.input_mut())? {
            return Ok(false);
        }
        self.show_planned(index)?;
        Ok(true)
    }

    fn reopen(&mut self, index: usize) -> Result<(), Error> {
        self.reopen_all()?;
        self.container.keep_only(index);
        Ok(())
    }

    fn reopen_all(&mut self) -> Result<(), Error> {
        let opening = self.opening();
        reopen(&mut self.container, &opening)?;
        self.pending.clear();
        self.at_start = true;
        Ok(())
    }

    fn opening(&self) -> Opening {
        Opening::new(&self.limits, &self.layout)
    }

    /// Returns the frame, and whether no part of the file that is still hidden can contain an earlier one. Returns `None` when the frame is
    /// in such a part.
    fn search(
        &mut self,
        index: usize,
        mut target: Target,
        request: &FrameRequest,
    ) -> Result<Option<(PosterFrame, bool)>, Error> {
        let is_partial = self.is_partial();
        target.is_partial |= is_partial;
        let track = self.container.stream(index).ok_or_else(Error::missing_stream)?.id();
        target.is_absent = is_partial && self.layout.ends_before(track, target.wanted.get());
        let mut search = self.begin_search(index)?;
        let found = search.find(target)?;
        let (cost, is_doubtful) = (search.cost(), search.has_doubtful_time());
        let Some(found) = found else { return Ok(None) };
        // No earlier frame is better than a frame at the exact tick, and no other keyframe is better than a keyframe there.
        let (goal, last) = match found.reason {
            FrameReason::AtTarget => (Some(target.wanted), found.pts),
            FrameReason::Keyframe => (Some(target.wanted), target.wanted.saturating_add(Ticks::ONE)),
            FrameReason::HalfDuration | FrameReason::LastFrame => (target.half, found.pts),
        };
        let is_best =
            Some(found.pts) == goal || self.layout.is_certain(self.container.input(), track, last.get());
        let is_certain = !is_partial || (is_best && !is_doubtful);
        let view = self.container.stream(index).ok_or_else(Error::missing_stream)?;
        let frame = PosterFrame::new(view, index, self.start, found, cost, self.terms(request))?;
        Ok(Some((frame, is_certain)))
    }

    /// Returns whether libavformat sees only a part of the file.
    fn is_partial(&self) -> bool {
        self.container.input().visible_size() < self.container.input().size()
    }

    pub(super) fn time_base(&self, index: usize) -> Result<TimeBase, Error> {
        time_base_of(self.container.stream(index).ok_or_else(Error::missing_stream)?)
    }

    fn begin_search(&mut self, index: usize) -> Result<Search<'_, 'r>, Error> {
        let mut handling = self.handling;
        if handling.seeking == Seeking::Indexed && self.layout.has_no_index() {
            handling.seeking = Seeking::ReadingOn;
        }
        let time_base = self.time_base(index)?;
        let info = self.info.streams.get(index);
        let (width, height) =
            info.and_then(|info| info.video.as_ref()).map_or((0, 0), |video| (video.width, video.height));
        let start = time_base.pts(self.start).unwrap_or(Pts::MAX);
        let duration = self.duration.and_then(|duration| time_base.ticks(duration));
        let can_enter = self.info.format_name == "mpegts";
        let keyframes = self.keyframes.get(index).copied().flatten();
        let size = self.container.input().size();
        let places = Places::new(size, (start, duration), can_enter, keyframes);
        let stream = search::Stream {
            index,
            time_base,
            handling,
            start: info.and_then(|info| info.start_pts).map_or(start, Pts::new),
            opening: self.opening(),
            spent: &mut self.spent,
            pending: &mut self.pending,
            encryption: self.encryptions.get(index),
            is_at_start: std::mem::replace(&mut self.at_start, false),
            is_planned: self.layout.has_plan(),
            threads: self.threads.resolve(width, height),
            limits: self.limits,
        };
        Search::new(&mut self.container, stream, places)
    }

    fn terms(&self, request: &FrameRequest) -> Terms {
        let (max_pixels, work) = (self.limits.max_pixels, self.container.input().work().clone());
        Terms { encoding: request.encoding, max_pixels, work }
    }

    /// Begins a list: reads the index, if it was not read yet, together with the bytes of the first frame. Returns the number of
    /// consecutive requests after which the index was read.
    pub(super) fn plan_first(&mut self, request: &FrameRequest) -> Result<u32, Error> {
        self.begin()?;
        if let Some((index, track)) = self.likely_stream(request).filter(|_| !self.layout.has_index()) {
            self.plan(index, track, self.wanted(request))?;
        }
        Ok(self.layout.index_depth)
    }

    /// Makes enough of the indexed fragments visible to libavformat to include the last frame of a list: libavformat reads all visible
    /// fragments again whenever more become visible.
    pub(super) fn show_up_to(&mut self, request: &FrameRequest) -> Result<(), Error> {
        if self.is_partial()
            && self.layout.has_index()
            && let Some((index, track)) = self.likely_stream(request)
        {
            self.plan(index, track, self.wanted(request))?;
        }
        Ok(())
    }

    /// Requests the bytes of a frame ahead of its turn, where the index tells their position. `depth` is the number of consecutive requests
    /// after which the index was read. Returns the requested ranges, the frame's packets last, and whether they are complete.
    pub(super) fn plan_ahead(
        &mut self,
        request: &FrameRequest,
        depth: u32,
    ) -> Option<(Vec<ByteRange>, bool)> {
        let (_, track) = self.likely_stream(request)?;
        let wanted = self.wanted(request);
        let planned = self.layout.plan_ahead(self.container.input().seen(), track, wanted);
        self.layout.hide_found(self.container.input_mut());
        let planned = planned?;
        self.container.input_mut().prefetch_behind(depth, &planned.0);
        Some(planned)
    }

    /// Returns the stream that is tried first for a frame, and the number of its track.
    fn likely_stream(&self, request: &FrameRequest) -> Option<(usize, Option<u32>)> {
        let index = self.video_streams(request.cover).first().copied()?;
        Some((index, self.info.streams.get(index)?.id.and_then(|id| u32::try_from(id).ok())))
    }

    /// Returns the video stream whose frames can be decoded together: libavformat sees all of it, and its frames are packets.
    pub(super) fn whole_stream(&self, cover: CoverArt) -> Option<usize> {
        let index = self.video_streams(cover).first().copied()?;
        let info = self.info.streams.get(index)?;
        let pixels = info.video.as_ref().map_or(0, |video| u64::from(video.width) * u64::from(video.height));
        let is_whole = !self.is_partial()
            && pixels <= self.limits.max_pixels
            && !info.disposition.attached_pic
            && !self.container.has_tile_grid(index);
        is_whole.then_some(index)
    }

    /// Returns the maximum number of frames that may be decoded together: they wait in memory for their turn.
    pub(super) fn most_together(&self, cover: CoverArt) -> usize {
        let stream =
            self.video_streams(cover).first().copied().and_then(|index| self.info.streams.get(index));
        let video = stream.and_then(|stream| stream.video.as_ref());
        let pixels = video.map_or(0, |video| u64::from(video.width) * u64::from(video.height));
        let most = MAX_TOGETHER.min(MAX_PIXELS_TOGETHER / pixels.max(1)).max(1);
        usize::try_from(most).unwrap_or(1)
    }

    /// Returns the frames at the first of these goals, as far as they can be decoded together. The list may be empty.
    pub(super) fn frames_together(
        &mut self,
        index: usize,
        goals: impl FnMut(Option<Pts>) -> Option<Pts>,
        request: impl FnMut(usize) -> FrameRequest,
    ) -> Result<Vec<PosterFrame>, Error> {
        self.guard(|media| media.find_together(index, goals, request))
    }

    fn find_together(
        &mut self,
        index: usize,
        goals: impl FnMut(Option<Pts>) -> Option<Pts>,
        mut request: impl FnMut(usize) -> FrameRequest,
    ) -> Result<Vec<PosterFrame>, Error> {
        self.begin()?;
        self.container.keep_only(index);
        let mut search = self.begin_search(index)?;
        let found = search.run(goals)?;
        let (packets, passes) = search.cost();
        let view = self.container.stream(index).ok_or_else(Error::missing_stream)?;
        // Each frame gets its share of the cost of the run.
        let share = u64::try_from(found.len()).unwrap_or(u64::MAX).max(1);
        let cost = (packets.div_ceil(share), passes);
        let frame = |(number, found)| {
            PosterFrame::new(view, index, self.start, found, cost, self.terms(&request(number)))
        };
        found.into_iter().enumerate().map(frame).collect()
    }

    /// Returns the tick of the wanted frame, or `None` where the declared end of the video comes before.
    pub(super) fn goal(&self, request: &FrameRequest, time_base: TimeBase) -> Option<Pts> {
        let target = self.target(request, time_base);
        (!target.ends_before).then_some(target.wanted)
    }

    /// Returns the distance of the requested frame from the start. Where the time depends on an unknown duration, the result lies beyond
    /// every end.
    pub(super) fn time_of(&self, request: &FrameRequest) -> Duration {
        let duration = self.duration.and_then(|duration| u64::try_from(duration.get()).ok());
        request.time.from_start(duration.map(Duration::from_micros)).unwrap_or(Duration::MAX)
    }

    /// Returns the frame for which a request is planned: the exact frame if the time lies beyond every end.
    pub(super) fn wanted(&self, request: &FrameRequest) -> Wanted {
        let at = self.time_of(request);
        Wanted { at, pick: if at == Duration::MAX { Pick::Exact } else { request.pick.first() } }
    }

    fn target(&self, request: &FrameRequest, time_base: TimeBase) -> Target {
        let Wanted { at, pick } = self.wanted(request);
        let at = Microseconds::from(at);
        let pts = |time| time_base.pts(time).unwrap_or(Pts::MAX);
        Target {
            wanted: pts(self.start.saturating_add(at)),
            half: self
                .duration
                .and_then(|duration| time_base.middle(self.start, self.start.saturating_add(duration))),
            ends_before: self.duration.is_some_and(|duration| duration <= at),
            is_partial: false,
            is_absent: false,
            pick,
        }
    }

    /// Returns the picture that the container stores beside its packets.
    fn cover_picture(&self, index: usize, request: &FrameRequest) -> Result<PosterFrame, Error> {
        let view = self.container.stream(index).ok_or_else(Error::missing_stream)?;
        let packet = self.container.attached_picture(index).map_err(Error::library("taking the cover"))?;
        let packet = packet.ok_or_else(|| Error::no_frame(0, 0, None))?;
        let target = self.target(request, time_base_of(view)?);
        let found = search::still(&self.container, index, packet, target, self.limits.max_pixels)?;
        PosterFrame::new(view, index, self.start, found, (1, 1), self.terms(request))
    }
}

fn time_base_of(stream: Stream<'_>) -> Result<TimeBase, Error> {
    TimeBase::try_from(stream.time_base()).map_err(|_| Error::missing_stream())
}

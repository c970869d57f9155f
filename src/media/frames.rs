//! The frames of an open file: planned, searched, and wrapped with what is needed to show them.

use std::time::Duration;

use crate::media::container::analysis::reopen;
use crate::media::container::formats::{Opening, Seeking};
use crate::media::error::MediaError;
use crate::media::ffi::stream::Stream;
use crate::media::frame::poster::PosterFrame;
use crate::media::info::StreamKind;
use crate::media::open::Media;
use crate::media::search::{self, FrameReason, Places, Search, Target};
use crate::media::units::{Microseconds, Pts, TimeBase};

impl Media<'_> {
    /// The frame at `at` after the start: the first whose presentation time is at or after it, rounded to the nearest
    /// tick of the stream. When the video ends before that, the one at half of its duration by the same rule; when there
    /// is none there either, the last that decodes. [`PosterFrame::reason`] says which it is.
    ///
    /// May be called again for other times, in any order.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::MediaError> {
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
    ///     let frame = media.poster_frame(Duration::from_secs(at))?;
    ///     assert_eq!((frame.pts_seconds(), frame.reason()), (seconds, reason));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`MediaError::NoVideo`], [`MediaError::NoDecoder`]: there is nothing to decode, or nothing to decode it with.
    /// - [`MediaError::Encrypted`], [`MediaError::TileGrid`]: the frame cannot be made of what is there.
    /// - [`MediaError::NoFrame`]: no frame decodes.
    /// - [`MediaError::Read`], [`MediaError::ReaderPanicked`]: the reader failed.
    /// - [`MediaError::LimitExceeded`], [`MediaError::Timeout`], [`MediaError::Cancelled`]: as the options say.
    pub fn poster_frame(&mut self, at: Duration) -> Result<PosterFrame, MediaError> {
        self.container.input_mut().check()?;
        let streams = self.video_streams();
        let mut error = None;
        for &index in &streams {
            match self.poster_frame_of(index, at) {
                // Some files name a stream first of which they hold nothing.
                Err(failure @ MediaError::NoFrame { packets: 0, .. }) => error = error.or(Some(failure)),
                result => return result,
            }
        }
        Err(error.unwrap_or_else(|| self.no_video()))
    }

    /// The same, of one stream of video.
    fn poster_frame_of(&mut self, index: usize, at: Duration) -> Result<PosterFrame, MediaError> {
        let Some(info) = self.info.streams.get(index).filter(|info| info.kind == StreamKind::Video) else {
            return Err(self.no_video());
        };
        let (width, height) = info.video.as_ref().map_or((0, 0), |video| (video.width, video.height));
        if u64::from(width) * u64::from(height) > self.limits.max_pixels {
            return Err(MediaError::LimitExceeded { limit: "max_pixels", allowed: self.limits.max_pixels });
        }
        let track = info.id.and_then(|id| u32::try_from(id).ok());
        if info.disposition.attached_pic {
            return self.cover_picture(index, at);
        }
        if self.container.has_tile_grid(index) {
            return Err(MediaError::TileGrid);
        }
        self.container.keep_only(index);
        self.plan(index, track, at)?;
        loop {
            // Of a file of fragments, only those that were thought to be enough are seen.
            match self.search(index, (width, height), at)? {
                Some((frame, is_certain)) if is_certain || !self.explore_further(index)? => return Ok(frame),
                Some(_) => {}
                None => {
                    self.explore_further(index)?;
                }
            }
        }
    }

    /// Asks for what the frame at `at` needs, where that can be known.
    fn plan(&mut self, index: usize, track: Option<u32>, at: Duration) -> Result<(), MediaError> {
        if self.planned_at != Some(at) {
            self.layout.plan(self.container.input_mut(), track, at)?;
            self.planned_at = Some(at);
        }
        self.show_planned(index)
    }

    /// Opens the container again, if libavformat is to see more of it than before.
    fn show_planned(&mut self, index: usize) -> Result<(), MediaError> {
        if self.layout.show(self.container.input_mut()) {
            let opening = self.opening();
            reopen(&mut self.container, &opening)?;
            self.container.keep_only(index);
            self.pending.clear();
            self.at_start = true;
        }
        Ok(())
    }

    /// Lets libavformat see more of a file of fragments; `false` when it has seen all.
    fn explore_further(&mut self, index: usize) -> Result<bool, MediaError> {
        self.container.input_mut().check()?;
        if !self.layout.explore_further(self.container.input_mut())? {
            return Ok(false);
        }
        self.show_planned(index)?;
        Ok(true)
    }

    fn opening(&self) -> Opening {
        Opening::new(&self.limits, self.layout.seeks_together())
    }

    /// The frame, and whether no part of the file that is not seen can hold an earlier one. `None` when it is in such a part.
    fn search(
        &mut self,
        index: usize,
        (width, height): (u32, u32),
        at: Duration,
    ) -> Result<Option<(PosterFrame, bool)>, MediaError> {
        let is_partial = self.container.input().visible_size() < self.container.input().size();
        let mut handling = self.handling;
        if handling.seeking == Seeking::Indexed && self.layout.has_no_index() {
            handling.seeking = Seeking::ReadingOn;
        }
        let Some(view) = self.container.stream(index) else { return Err(self.no_video()) };
        let (time_base, track) = (time_base_of(view)?, view.id());
        let mut target = self.target(at, time_base, is_partial);
        target.is_absent = is_partial && self.layout.ends_before(track, target.wanted.get());
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
            opening: self.opening(),
            pending: &mut self.pending,
            encryption: self.encryptions.get(index),
            is_at_start: std::mem::replace(&mut self.at_start, false),
            is_planned: self.layout.mp4().is_some(),
            threads: self.threads.resolve(width, height),
            limits: self.limits,
        };
        let mut search = Search::new(&mut self.container, stream, places)?;
        let found = search.find(target)?;
        let cost = search.cost();
        let Some(found) = found else { return Ok(None) };
        // No earlier frame can be better than one at the very tick.
        let goal = if found.reason == FrameReason::AtTarget { Some(target.wanted) } else { target.half };
        let is_certain = !is_partial
            || Some(found.pts) == goal
            || self.layout.is_certain(self.container.input(), track, found.pts.get());
        let Some(view) = self.container.stream(index) else { return Err(self.no_video()) };
        let frame = PosterFrame::new(view, index, self.start, found, cost)?;
        Ok(Some((frame, is_certain)))
    }

    fn target(&self, at: Duration, time_base: TimeBase, is_partial: bool) -> Target {
        let at = Microseconds::from(at);
        let pts = |time| time_base.pts(time).unwrap_or(Pts::MAX);
        Target {
            wanted: pts(self.start.saturating_add(at)),
            half: self
                .duration
                .and_then(|duration| time_base.middle(self.start, self.start.saturating_add(duration))),
            ends_before: self.duration.is_some_and(|duration| duration <= at),
            is_partial,
            is_absent: false,
        }
    }

    /// The picture that the container holds beside its packets.
    fn cover_picture(&self, index: usize, at: Duration) -> Result<PosterFrame, MediaError> {
        let Some(view) = self.container.stream(index) else { return Err(self.no_video()) };
        let packet =
            self.container.attached_picture(index).map_err(MediaError::library("taking the cover"))?;
        let packet = packet.ok_or_else(|| MediaError::no_frame(0, 0, None))?;
        let target = self.target(at, time_base_of(view)?, false);
        let found = search::still(&self.container, index, packet, target, self.limits.max_pixels)?;
        PosterFrame::new(view, index, self.start, found, (1, 1))
    }
}

fn time_base_of(stream: Stream<'_>) -> Result<TimeBase, MediaError> {
    TimeBase::try_from(stream.time_base()).map_err(|_| MediaError::missing_stream())
}

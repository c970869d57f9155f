//! Storyboards: tiles at equal intervals, laid out on sheets.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::frame_request::{CoverArt, FrameRequest};
use crate::limits::{Limit, Limits};
use crate::media::error::Error;
use crate::media::open::Media;
use crate::media::search::FrameReason;
use crate::picture::{Encoding, Thumbnail};
use crate::pixels::{Bounds, RgbPicture};
use crate::storyboard_request::{Spacing, StoryboardRequest};

/// The sheets of a storyboard, and the position of each tile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Storyboard {
    /// The sheets, each filled row by row. The last sheet is only as high as its tiles need.
    pub sheets: Vec<Thumbnail>,
    /// The tiles, in order of time.
    pub tiles: Vec<StoryboardTile>,
    /// Width of a tile in pixels.
    pub tile_width: u32,
    /// Height of a tile in pixels.
    pub tile_height: u32,
}

/// One tile of a storyboard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoryboardTile {
    /// Start of the tile's interval, in seconds after the start of the video.
    pub start_seconds: f64,
    /// End of the tile's interval, in seconds after the start of the video.
    pub end_seconds: f64,
    /// Presentation time of the tile's frame, in seconds after the start of the video.
    pub frame_pts_seconds: f64,
    /// Number of the sheet, from 0.
    pub sheet: usize,
    /// Left edge on the sheet, in pixels.
    pub x: u32,
    /// Upper edge on the sheet, in pixels.
    pub y: u32,
}

impl Storyboard {
    /// Returns the tiles as WebVTT, for players that present a preview above their seek bar. Each cue names a sheet and a rectangle on
    /// the sheet as a media fragment (`sheet.jpg#xywh=160,0,160,90`; W3C Media Fragments URI 1.0, section 4.2.2). `address` returns the
    /// address of a sheet.
    pub fn webvtt(&self, address: impl Fn(usize) -> String) -> String {
        let mut text = "WEBVTT\n".to_owned();
        let (width, height) = (self.tile_width, self.tile_height);
        for tile in &self.tiles {
            let StoryboardTile { sheet, x, y, .. } = *tile;
            let (from, to) = (clock(tile.start_seconds), clock(tile.end_seconds));
            // Writing to a string does not fail.
            let _ = write!(text, "\n{from} --> {to}\n{}#xywh={x},{y},{width},{height}\n", address(sheet));
        }
        text
    }
}

/// Formats a time as `01:02:03.456`, like WebVTT (W3C WebVTT, section 4.2).
fn clock(seconds: f64) -> String {
    let milliseconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis();
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}.{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl Media<'_> {
    /// Creates a storyboard of the whole video. The call returns all tiles, or an error.
    ///
    /// The frames are those of [`frames`](Self::frames), and are planned together. Where audio continues after the last frame, the tile
    /// of the last frame is repeated.
    ///
    /// ```
    /// # fn main() -> Result<(), posterframe::Error> {
    /// use std::num::NonZeroU32;
    /// use posterframe::{Media, OpenOptions, Spacing, StoryboardRequest};
    ///
    /// let mut media = Media::open_file("tests/fixtures/h264_end.mp4", &OpenOptions::default())?;
    /// let count = NonZeroU32::new(7).expect("7 is not 0");
    /// let storyboard = media.storyboard(&StoryboardRequest::default().with_spacing(Spacing::Count(count)))?;
    /// assert_eq!((storyboard.sheets.len(), storyboard.tiles.len()), (1, 7));
    /// let webvtt = storyboard.webvtt(|sheet| format!("sheet-{sheet}.jpg"));
    /// assert!(webvtt.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nsheet-0.jpg#xywh=0,0,"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Error::NoDuration`]: the file declares no duration.
    /// - [`Error::LimitExceeded`]: more than [`Limits::max_tiles`] tiles, or more than [`Limits::max_pixels`] on a sheet.
    /// - The errors of [`frame`](Self::frame) and [`PosterFrame::encode`](crate::PosterFrame::encode).
    pub fn storyboard(&mut self, request: &StoryboardRequest) -> Result<Storyboard, Error> {
        let limits = self.limits;
        let plan = Plan::new(request, self.info().duration_seconds, &limits)?;
        let mut frames = self.frames(plan.requests());
        plan.compose(&limits, |tile| {
            let frame = frames.next().unwrap_or_else(|| Err(Error::missing_stream()))?;
            Ok((frame.to_rgb8(tile)?, frame.pts_seconds(), frame.reason()))
        })
    }
}

/// The intervals of a video, and the layout of their tiles.
pub(crate) struct Plan {
    request: StoryboardRequest,
    /// Duration of the video in milliseconds.
    duration: u64,
    count: u32,
}

impl Plan {
    pub(crate) fn new(
        request: &StoryboardRequest,
        duration_seconds: Option<f64>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let duration = duration_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let duration = duration.and_then(|duration| u64::try_from(duration.as_millis()).ok());
        let duration = duration.filter(|&duration| duration > 0).ok_or(Error::NoDuration)?;
        let count = match request.spacing {
            Spacing::Count(count) => u64::from(count.get()),
            Spacing::Every(interval) => {
                let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
                duration.div_ceil(interval)
            }
        };
        let exceeded = Error::LimitExceeded { limit: Limit::MaxTiles, allowed: limits.max_tiles };
        let count = u32::try_from(count).ok().filter(|&count| u64::from(count) <= limits.max_tiles);
        // A cue of WebVTT ends later than it starts (W3C WebVTT, section 4.1), and its times are whole milliseconds.
        let count = count.ok_or(exceeded)?.min(u32::try_from(duration).unwrap_or(u32::MAX));
        Ok(Self { request: *request, duration, count })
    }

    /// Returns the start and end of an interval in milliseconds.
    fn interval(&self, index: u32) -> (u64, u64) {
        let edge = |index: u32| match self.request.spacing {
            // The milliseconds of any video times the tiles of any storyboard fit into 128 bits.
            Spacing::Count(_) => {
                let edge = u128::from(self.duration) * u128::from(index) / u128::from(self.count.max(1));
                u64::try_from(edge).unwrap_or(self.duration)
            }
            Spacing::Every(interval) => {
                let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
                interval.saturating_mul(index.into()).min(self.duration)
            }
        };
        (edge(index), edge(index.saturating_add(1)))
    }

    /// Returns the requests for the frames of the tiles, in the middle of each interval.
    pub(crate) fn requests(&self) -> Vec<FrameRequest> {
        let request = |index| {
            let (start, end) = self.interval(index);
            let encoding = Encoding::default().with_bounds(self.request.tile);
            let middle = FrameRequest::from(Duration::from_millis(start.midpoint(end)));
            FrameRequest { pick: self.request.pick, cover: CoverArt::Ignore, encoding, ..middle }
        };
        (0..self.count).map(request).collect()
    }

    /// Lays out the tiles. `next` returns the picture of the next requested frame within these bounds, its time, and the
    /// reason for its choice.
    pub(crate) fn compose(
        &self,
        limits: &Limits,
        mut next: impl FnMut(Bounds) -> Result<(RgbPicture, f64, FrameReason), Error>,
    ) -> Result<Storyboard, Error> {
        let mut storyboard =
            Storyboard { sheets: Vec::new(), tiles: Vec::new(), tile_width: 0, tile_height: 0 };
        let mut sheet = Sheet::default();
        let mut bounds = self.request.tile;
        let mut last: Option<(RgbPicture, f64)> = None;
        let columns = self.request.columns.get().min(self.count);
        let per_sheet = columns.saturating_mul(self.request.rows.get());
        for index in 0..self.count {
            let (picture, pts, reason) = next(bounds)?;
            // Beyond the last frame, the request returns a substitute from half of the duration.
            let is_there = matches!(reason, FrameReason::AtTarget | FrameReason::Keyframe);
            let (picture, frame_pts_seconds) = match last {
                Some(last) if !is_there => last,
                _ => (picture, pts),
            };
            let in_sheet = index % per_sheet;
            if in_sheet == 0 {
                if index == 0 {
                    (storyboard.tile_width, storyboard.tile_height) = (picture.width, picture.height);
                    bounds = Bounds::new(picture.width, picture.height);
                } else {
                    storyboard.sheets.push(sheet.finish(&self.request)?);
                }
                let rows = per_sheet.min(self.count - index).div_ceil(columns);
                sheet = Sheet::new((storyboard.tile_width, storyboard.tile_height), columns, rows, limits)?;
            }
            let (x, y) = sheet.put(in_sheet, &picture);
            let (start, end) = self.interval(index);
            storyboard.tiles.push(StoryboardTile {
                start_seconds: seconds(start),
                end_seconds: seconds(end),
                frame_pts_seconds,
                sheet: storyboard.sheets.len(),
                x,
                y,
            });
            last = Some((picture, frame_pts_seconds));
        }
        storyboard.sheets.push(sheet.finish(&self.request)?);
        Ok(storyboard)
    }
}

fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

/// A sheet during its creation.
#[derive(Default)]
struct Sheet {
    tile: (u32, u32),
    columns: u32,
    picture: RgbPicture,
}

impl Sheet {
    fn new(tile: (u32, u32), columns: u32, rows: u32, limits: &Limits) -> Result<Self, Error> {
        let too_large = Error::LimitExceeded { limit: Limit::MaxPixels, allowed: limits.max_pixels };
        let size = tile.0.checked_mul(columns).zip(tile.1.checked_mul(rows));
        let size = size.filter(|&(width, height)| u64::from(width) * u64::from(height) <= limits.max_pixels);
        let (width, height) = size.ok_or(too_large)?;
        Ok(Self { tile, columns, picture: RgbPicture::new(width, height, Vec::new()) })
    }

    /// Draws a picture in the middle of the tile with this number. Returns the position of the tile.
    fn put(&mut self, number: u32, picture: &RgbPicture) -> (u32, u32) {
        let (width, height) = self.tile;
        let (x, y) = (number % self.columns * width, number / self.columns * height);
        let (shown_width, shown_height) = (picture.width.min(width), picture.height.min(height));
        let left = x + (width - shown_width) / 2;
        let top = y + (height - shown_height) / 2;
        let row_bytes = picture.width as usize * 3;
        let rows = picture.pixels.chunks_exact(row_bytes.max(1)).take(shown_height as usize);
        for (row, from) in (top as usize..).zip(rows) {
            let start = (row * self.picture.width as usize + left as usize) * 3;
            let to = self.picture.pixels.get_mut(start..).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(from.iter().take(shown_width as usize * 3)) {
                *to = *from;
            }
        }
        (x, y)
    }

    fn finish(&self, request: &StoryboardRequest) -> Result<Thumbnail, Error> {
        self.picture.encode(request.format, request.quality)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;
    use crate::frame_request::Pick;
    use crate::frame_time::FrameTime;

    fn number(value: u32) -> NonZeroU32 {
        NonZeroU32::new(value).unwrap()
    }

    fn any_spacing() -> impl Strategy<Value = Spacing> {
        prop_oneof![
            (1_u32..=10_000).prop_map(|count| Spacing::Count(number(count))),
            (1_u64..100_000).prop_map(|interval| Spacing::Every(Duration::from_millis(interval))),
        ]
    }

    /// Milliseconds: very short and long videos.
    fn any_duration() -> impl Strategy<Value = u64> {
        prop_oneof![1_u64..300, 1_u64..400_000_000]
    }

    /// A time as WebVTT writes it, in milliseconds.
    fn read_clock(text: &str) -> Option<u64> {
        let (time, milliseconds) = text.split_once('.').filter(|(_, rest)| rest.len() == 3)?;
        let parts: Vec<&str> = time.split(':').collect();
        let [hours, minutes, seconds] = parts[..] else { return None };
        let sixtieth = |text: &str| text.parse::<u64>().ok().filter(|number| text.len() == 2 && *number < 60);
        let hours = hours.parse::<u64>().ok().filter(|_| hours.len() >= 2)?;
        let seconds = (hours * 60 + sixtieth(minutes)?) * 60 + sixtieth(seconds)?;
        Some(seconds * 1000 + milliseconds.parse::<u64>().ok()?)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The intervals follow each other, none is empty, and together they are the whole video.
        #[test]
        fn intervals_divide_the_video(duration in any_duration(), spacing in any_spacing(), is_exact: bool) {
            let pick = if is_exact { Pick::Exact } else { Pick::Keyframe };
            let request = StoryboardRequest::default().with_spacing(spacing).with_pick(pick);
            let limits = Limits::default();
            let plan = match (Plan::new(&request, Some(seconds(duration)), &limits), spacing) {
                (Ok(plan), _) => plan,
                (Err(error), Spacing::Every(interval)) => {
                    prop_assert_eq!(error.limit(), Some(Limit::MaxTiles));
                    let interval = u64::try_from(interval.as_millis()).unwrap();
                    prop_assert!(duration > interval * limits.max_tiles);
                    return Ok(());
                }
                (Err(error), _) => return Err(TestCaseError::fail(error.to_string())),
            };
            let intervals: Vec<(u64, u64)> = (0..plan.count).map(|index| plan.interval(index)).collect();
            prop_assert_eq!(intervals.first().map(|interval| interval.0), Some(0));
            prop_assert_eq!(intervals.last().map(|interval| interval.1), Some(duration));
            prop_assert!(intervals.windows(2).all(|pair| pair[0].1 == pair[1].0));
            prop_assert!(intervals.iter().all(|(start, end)| start < end), "{:?}", intervals);
            let lengths = intervals.iter().map(|(start, end)| end - start);
            match spacing {
                Spacing::Count(count) => {
                    prop_assert_eq!(u64::from(plan.count), u64::from(count.get()).min(duration));
                    prop_assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
                }
                Spacing::Every(interval) => {
                    let interval = u64::try_from(interval.as_millis()).unwrap();
                    prop_assert!(lengths.clone().rev().skip(1).all(|length| length == interval));
                    prop_assert!(lengths.clone().all(|length| length <= interval));
                }
            }
            let requests = plan.requests();
            prop_assert_eq!(requests.len(), intervals.len());
            for (asked, (start, end)) in requests.iter().zip(intervals) {
                prop_assert_eq!(asked.time, FrameTime::from(Duration::from_millis((start + end) / 2)));
                prop_assert_eq!((asked.pick, asked.cover), (pick, CoverArt::Ignore));
                // A cage encodes the picture of each tile: no larger than the tile.
                prop_assert_eq!(asked.encoding.bounds, request.tile);
            }
        }

        /// Players read from WebVTT what the tiles contain.
        #[test]
        fn cues_are_the_tiles(
            places in prop::collection::vec((0_u64..400_000_000, 1_u64..100_000, 0_usize..100, 0_u32..10_000, 0_u32..10_000), 0..20),
            (tile_width, tile_height) in (1_u32..1000, 1_u32..1000),
        ) {
            let tile = |&(start, length, sheet, x, y): &(u64, u64, usize, u32, u32)| StoryboardTile {
                start_seconds: seconds(start),
                end_seconds: seconds(start + length),
                frame_pts_seconds: seconds(start + length / 2),
                sheet,
                x,
                y,
            };
            let tiles = places.iter().map(tile).collect();
            let text = Storyboard { sheets: Vec::new(), tiles, tile_width, tile_height }.webvtt(|sheet| format!("s {sheet}.jpg"));
            let mut blocks = text.split("\n\n");
            prop_assert_eq!(blocks.next().map(str::trim_end), Some("WEBVTT"));
            let cues: Vec<&str> = blocks.collect();
            prop_assert_eq!(cues.len(), places.len());
            for (cue, (start, length, sheet, x, y)) in cues.into_iter().zip(places) {
                let lines: Vec<&str> = cue.lines().collect();
                let [times, place] = lines[..] else { return Err(TestCaseError::fail(cue.to_owned())) };
                let times = times.split_once(" --> ").map(|(from, to)| (read_clock(from), read_clock(to)));
                prop_assert_eq!(times, Some((Some(start), Some(start + length))), "{}", cue);
                prop_assert_eq!(place, format!("s {sheet}.jpg#xywh={x},{y},{tile_width},{tile_height}"));
            }
        }
    }
}

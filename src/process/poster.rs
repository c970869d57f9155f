//! The part of the job that uses libav: reads duration, frame and picture from one opened file, in a blocking thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::choice::PosterAt;
use super::progress::{ReadProgress, SourceVersion};
use super::source::VideoSource;
use super::stamp;
use crate::cage::{Layers, MediaOpener};
use crate::job_error::JobError;
use crate::{
    CancelToken, Encoding, ErrorKind, FrameReason, FrameRequest, Ledger, OpenOptions, Placeholder, Thumbnail,
    telemetry,
};

/// Interval for checking the cancel token while waiting for a decoder slot.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The results of decoding a video.
#[derive(Debug)]
pub(super) struct Poster {
    /// Duration from the container in seconds; `None` if the container has none, or one that the column cannot store.
    pub(super) duration_seconds: Option<f64>,
    pub(super) frame_pts_seconds: f64,
    pub(super) frame_reason: FrameReason,
    pub(super) thumbnail: Thumbnail,
    /// The other thumbnails, in the order of the settings.
    pub(super) other_thumbnails: Vec<Thumbnail>,
    /// Of the thumbnail, and of the other ones behind it.
    placeholders: Vec<Placeholder>,
    pub(super) ledger: Ledger,
    /// The layers of the cage in which the video was decoded; `None` without a cage.
    pub(super) isolation: Option<Layers>,
}

impl Poster {
    /// Returns the thumbnail, or the other thumbnail with this number.
    pub(super) fn thumbnail(&self, other: Option<u8>) -> Option<&Thumbnail> {
        other.map_or(Some(&self.thumbnail), |number| self.other_thumbnails.get(usize::from(number)))
    }

    /// What stands for the thumbnail, or for the other one of this number, until it is loaded.
    pub(super) fn placeholder(&self, other: Option<u8>) -> Option<&Placeholder> {
        self.placeholders.get(other.map_or(0, |number| usize::from(number).saturating_add(1)))
    }

    /// Returns the duration as stored in the catalogue: 0 if the container contains no duration.
    pub(super) fn stored_duration(&self) -> u32 {
        self.duration_seconds.and_then(whole_seconds).unwrap_or(0)
    }
}

/// Everything that is needed for a picture, besides the video.
#[derive(Debug, Clone)]
pub(super) struct PosterMaker {
    /// The frame and the picture, unless people chose another time for this video.
    pub(super) request: FrameRequest,
    /// Further pictures of the frame.
    pub(super) others: Vec<Encoding>,
    pub(super) options: OpenOptions,
    pub(super) opener: MediaOpener,
    pub(super) decoders: Option<Arc<Semaphore>>,
}

impl PosterMaker {
    /// Creates the poster of the expected version, or of the current version if none is expected. Returns `None` when
    /// the video does not exist or has another version. This call blocks.
    pub(super) fn make<V: VideoSource>(
        self,
        video: &V,
        expected: Option<&SourceVersion>,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<Poster>, JobError> {
        let Self { request, others, options, opener, decoders } = self;
        let key = video.key();
        // The packets are requested while the video is being opened.
        let time = options.limits.max_time;
        let size = expected.map(|version| version.size).or(video.size_hint());
        let request = {
            let progress = Arc::clone(progress);
            move || PosterAt::applied_to(request, progress.choice().poster_at)
        };
        let options = options.with_frame_later(request.clone()).with_total_time(time);
        let options = size.into_iter().fold(options, OpenOptions::with_size_hint);
        let Some(mut media) = video.open(expected, &options, &opener, progress)? else { return Ok(None) };
        progress.opened();
        if !progress.wait_until_needed() {
            return Ok(None);
        }
        let missing = || JobError::new(ErrorKind::Internal, "the source has not reported its version");
        let SourceVersion { etag, size } = progress.version().ok_or_else(missing)?;
        telemetry::readable(key, size);
        let duration_seconds =
            media.info().duration_seconds.filter(|seconds| whole_seconds(*seconds).is_some());
        match duration_seconds.and_then(whole_seconds) {
            Some(seconds) => telemetry::duration(key, seconds),
            None => telemetry::no_duration(key),
        }
        // Packets continue to arrive while this thread waits for a decoder slot.
        let turn = decoders.map(|decoders| wait_for_turn(decoders, &options)).transpose()?;
        let picture = match media.picture(&request()) {
            Err(error) if error.is_replaced() => return Ok(None),
            picture => picture?,
        };
        let mut placeholders = vec![media.placeholder(request().encoding, &picture.thumbnail)?];
        let mut thumbnails = Vec::with_capacity(others.len());
        for encoding in &others {
            let thumbnail = media.encode(encoding)?.thumbnail;
            placeholders.push(media.placeholder(encoding, &thumbnail)?);
            thumbnails.push(thumbnail);
        }
        drop(turn);
        let stamped = |thumbnail: Thumbnail| {
            let format = thumbnail.format;
            let broken = || JobError::new(ErrorKind::Internal, format!("{format:?}: an unexpected layout"));
            let bytes = stamp::stamped(&thumbnail, &etag).ok_or_else(broken)?;
            telemetry::thumbnail(key, bytes.len());
            Ok::<_, JobError>(Thumbnail { bytes, ..thumbnail })
        };
        let thumbnail = stamped(picture.thumbnail)?;
        let other_thumbnails = thumbnails.into_iter().map(stamped).collect::<Result<_, _>>()?;
        telemetry::read(key, &media.ledger());
        Ok(Some(Poster {
            duration_seconds,
            frame_pts_seconds: picture.pts_seconds,
            frame_reason: picture.reason,
            thumbnail,
            other_thumbnails,
            placeholders,
            ledger: media.ledger(),
            isolation: media.layers(),
        }))
    }
}

/// Waits for a decoder slot, or until the job is cancelled.
pub(super) fn wait_for_turn(
    decoders: Arc<Semaphore>,
    options: &OpenOptions,
) -> Result<OwnedSemaphorePermit, JobError> {
    let is_cancelled = || options.cancel.as_ref().is_some_and(CancelToken::is_cancelled);
    while !is_cancelled() {
        let turn = timeout(LOOK_UP, Arc::clone(&decoders).acquire_owned());
        if let Ok(turn) = Handle::current().block_on(turn) {
            return turn.map_err(|error| JobError::new(ErrorKind::Internal, error));
        }
    }
    Err(JobError::new(ErrorKind::Cancelled, "cancelled"))
}

/// Rounds to the nearest whole second; `None` if the column, an `INT`, cannot store the result. A duration of more than
/// 68 years, or a negative one, counts as unknown.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=i32::MAX")]
pub(super) fn whole_seconds(seconds: f64) -> Option<u32> {
    let rounded = seconds.round();
    (0.0..=f64::from(i32::MAX)).contains(&rounded).then_some(rounded as u32)
}

#[cfg(test)]
mod tests {
    use super::whole_seconds;

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        assert_eq!(whole_seconds(0.0), Some(0));
        assert_eq!(whole_seconds(0.49), Some(0));
        assert_eq!(whole_seconds(9.5), Some(10));
        assert_eq!(whole_seconds(10.033), Some(10));
        assert_eq!(whole_seconds(2_147_483_647.2), Some(2_147_483_647));
        assert_eq!(whole_seconds(2_147_483_648.0), None);
        assert_eq!(whole_seconds(-1.0), None);
        assert_eq!(whole_seconds(f64::NAN), None);
        assert_eq!(whole_seconds(f64::INFINITY), None);
    }
}

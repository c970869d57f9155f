//! Asynchronous access to files and frames for programs that use tokio: the calls of [`Media`], as futures.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::spawn_blocking;

use crate::deadline::CancelToken;
use crate::frame_request::FrameRequest;
use crate::media::{Error, Media, MediaInfo, OpenOptions, PosterFrame, Storyboard};
use crate::picture::Thumbnail;
use crate::source::{Identity, Ledger, RangeSource};
use crate::storyboard_request::StoryboardRequest;

/// An open media file whose calls are futures.
///
/// The calls run on tokio's threads for blocking work, and must be awaited within tokio. Dropping a future cancels its call: the call
/// ends within one packet, or 20 ms of waiting for bytes. The file can be used again afterwards.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use posterframe::{AsyncMedia, OpenOptions, source::MemorySource};
///
/// let source = MemorySource::new(std::fs::read("tests/fixtures/h264_end.mp4")?);
/// let mut media = AsyncMedia::open_source(source, OpenOptions::default()).await?;
/// println!("{:?} seconds", media.info().duration_seconds);
/// let thumbnail = media.thumbnail(Duration::from_secs(5)).await?;
/// assert!(thumbnail.bytes.starts_with(&[0xff, 0xd8]));
/// # Ok(())
/// # }
/// ```
pub struct AsyncMedia {
    media: Arc<Mutex<Media<'static>>>,
    info: Arc<MediaInfo>,
    identity: Option<Identity>,
}

impl AsyncMedia {
    /// Opens an object by byte ranges, like [`Media::open_source`].
    ///
    /// # Errors
    /// The same errors as [`Media::open_source`].
    pub async fn open_source(source: impl RangeSource, options: OpenOptions) -> Result<Self, Error> {
        Self::open_with(options, |options| Media::open_source(source, options)).await
    }

    /// Opens a file, like [`Media::open_file`].
    ///
    /// # Errors
    /// The same errors as [`Media::open_file`].
    pub async fn open_file(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        Self::open_with(options, |options| Media::open_file(path, options)).await
    }

    async fn open_with(
        options: OpenOptions,
        open: impl FnOnce(&OpenOptions) -> Result<Media<'static>, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let token = CancelToken::default();
        let options = options.for_call(token.clone());
        let media = in_background(token, move || open(&options)).await?;
        let (info, identity) = (Arc::new(media.info().clone()), media.identity());
        Ok(Self { media: Arc::new(Mutex::new(media)), info, identity })
    }

    /// Returns the properties of the file, like [`Media::info`].
    pub fn info(&self) -> &MediaInfo {
        &self.info
    }

    /// Returns the identity of the object, like [`Media::identity`].
    pub fn identity(&self) -> Option<Identity> {
        self.identity.clone()
    }

    /// Returns the cost of reading so far, like [`Media::ledger`]. The call blocks until a dropped call has ended.
    pub fn ledger(&self) -> Ledger {
        self.media.lock().unwrap_or_else(PoisonError::into_inner).ledger()
    }

    /// Returns a frame, like [`Media::frame`].
    ///
    /// # Errors
    /// The same errors as [`Media::frame`].
    pub async fn frame(&mut self, request: impl Into<FrameRequest>) -> Result<PosterFrame, Error> {
        let request = request.into();
        self.call(move |media| media.frame(request)).await
    }

    /// Takes a frame and encodes the requested picture, like [`PosterFrame::thumbnail`].
    ///
    /// # Errors
    /// The same errors as [`frame`](Self::frame) and [`PosterFrame::thumbnail`].
    pub async fn thumbnail(&mut self, request: impl Into<FrameRequest>) -> Result<Thumbnail, Error> {
        let request = request.into();
        self.call(move |media| media.frame(request)?.thumbnail()).await
    }

    /// Returns the requested frames, like [`Media::frames`]. All frames are in memory when the call returns.
    ///
    /// # Errors
    /// The error of [`frame`](Self::frame) for the first frame that cannot be read.
    pub async fn frames<T: Into<FrameRequest>>(
        &mut self,
        requests: impl IntoIterator<Item = T>,
    ) -> Result<Vec<PosterFrame>, Error> {
        let requests: Vec<FrameRequest> = requests.into_iter().map(Into::into).collect();
        self.call(move |media| media.frames(requests).collect()).await
    }

    /// Returns a storyboard of the whole video, like [`Media::storyboard`].
    ///
    /// # Errors
    /// The same errors as [`Media::storyboard`].
    pub async fn storyboard(&mut self, request: &StoryboardRequest) -> Result<Storyboard, Error> {
        let request = *request;
        self.call(move |media| media.storyboard(&request)).await
    }

    async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Media<'static>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (token, media) = (CancelToken::default(), Arc::clone(&self.media));
        let call = token.clone();
        in_background(token, move || {
            let mut media = media.lock().unwrap_or_else(PoisonError::into_inner);
            media.for_call(call);
            work(&mut media)
        })
        .await
    }
}

impl fmt::Debug for AsyncMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncMedia").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Runs `work` on a thread that may block. Dropping the future cancels the work through the token.
async fn in_background<T: Send + 'static>(
    token: CancelToken,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let mut guard = CancelOnDrop(Some(token));
    let ended = spawn_blocking(work).await;
    // The value that the call has created may continue to use the token.
    guard.0 = None;
    match ended {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Cancelled),
    }
}

struct CancelOnDrop(Option<CancelToken>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

//! The job for one video: stores its thumbnail, and writes its content and row into the catalogue.
//!
//! [`Job::process`] takes a [`VideoSource`], skips keys that are not videos to process, and makes an attempt. The
//! attempt (`attempt`) performs the requests of the `protocol`, in an order that is documented there and checked by a
//! model: look, read, check, content, thumbnail, row, last look. `reading` decodes in parallel, in its own thread.
//!
//! Every request may be sent twice, and several workers may process the same video at once. After a failure the next
//! attempt completes the job from any intermediate state. The thumbnail is stored once, with its final metadata
//! (`marker`), on the condition that the existing thumbnail is still the one that the attempt saw first. The picture
//! contains the ETag of its video (`stamp`), so that stores that name objects by their bytes can distinguish versions.
//!
//! A storyboard, if the settings request one, is a separate step after the job (`storyboard`), with its own requests and conditions.
//!
//! People edit titles and descriptions later. The content is therefore written only for a new or replaced video, not
//! when a changed setting requires a new thumbnail. A back-fill does not overwrite existing contents
//! ([`ExistingContents::Keep`]).

mod attempt;
mod choice;
mod local;
mod marker;
mod poster;
mod progress;
mod protocol;
mod reading;
#[cfg(feature = "s3")]
mod remote;
mod report;
#[cfg(feature = "lambda")]
mod shadow;
mod source;
mod stamp;
mod state;
mod storyboard;
mod target;

use std::sync::Arc;

use tokio::sync::Semaphore;

#[cfg(feature = "cli")]
pub(crate) use choice::POSTER_AT;
pub use choice::{ChosenBy, PosterAt};
pub use local::LocalVideo;
#[cfg(feature = "cli")]
pub(crate) use marker::source_key;
pub use progress::{ReadProgress, SourceVersion, VideoHead};
#[cfg(feature = "s3")]
pub use remote::RemoteVideo;
pub use report::{Report, Status, StepTimes};
#[cfg(feature = "lambda")]
pub use shadow::{Agreement, Comparison};
pub use source::VideoSource;
pub use state::{RowState, StoryboardState, ThumbnailState, VideoState};
#[cfg(feature = "cli")]
pub(crate) use storyboard::{
    Described, MAX_PUTS, Put, SheetNames, StoryboardFiles, StoryboardIndex, StoryboardMark, StoryboardPlace,
    StoryboardSource,
};
pub use storyboard::{StoryboardReport, StoryboardStatus};
pub use target::{OtherThumbnail, Target};

use crate::cage::MediaOpener;
use crate::catalog::{Asset, Catalog};
use crate::config::{StoryboardSettings, ThumbnailSettings};
pub use crate::job_error::JobError;
use crate::object_name::{KeyRules, ObjectName};
use crate::store::Store;
use crate::{Encoding, OpenOptions};
use storyboard::{JSON, WEBVTT};

/// The job with its settings and clients.
#[derive(Debug)]
#[non_exhaustive]
pub struct Job<S, C> {
    /// The store for thumbnails.
    pub store: S,
    /// The catalogue for contents and rows.
    pub catalog: C,
    /// The rules for keys: which keys are videos, and the keys of their thumbnails.
    pub key_rules: KeyRules,
    /// Which frame is taken, and how pictures are encoded and stored.
    pub thumbnail: ThumbnailSettings,
    /// The folders and the contents of storyboards; `None`: no storyboards are written, and no requests are sent for them.
    pub storyboard: Option<StoryboardSettings>,
    /// Limits for opening and decoding a video, and the cancel token.
    pub options: OpenOptions,
    /// Whether existing contents are overwritten.
    pub existing_contents: ExistingContents,
    /// Whether the first request for a video only describes it. Set this when most of the videos are already done: none
    /// of their bytes is then read. When not set, a new video takes one round trip less.
    pub looks_first: bool,
    /// Limits the number of videos that are decoded at the same time; `None`: no limit besides the number of jobs.
    pub decoders: Option<Arc<Semaphore>>,
    /// Decodes videos in this process or in a cage.
    pub opener: MediaOpener,
}

/// What to do with a content that exists before its video is processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingContents {
    /// A new or replaced video overwrites the content, as in an upload.
    #[default]
    Write,
    /// The content stays unchanged, as in a back-fill.
    Keep,
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// Creates a job with default settings. Callers may change the fields.
    pub fn new(store: S, catalog: C) -> Self {
        Self {
            store,
            catalog,
            key_rules: KeyRules::default(),
            thumbnail: ThumbnailSettings::default(),
            storyboard: None,
            options: OpenOptions::default(),
            existing_contents: ExistingContents::default(),
            looks_first: false,
            decoders: None,
            opener: MediaOpener::default(),
        }
    }

    /// Derives the keys, URLs and names of the results from the key of a video. The video itself is not read.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) or [`LimitExceeded`](crate::ErrorKind::LimitExceeded) when the name
    /// of the video cannot be used, [`Config`](crate::ErrorKind::Config) when the key of the thumbnail cannot be used.
    pub fn target<V: VideoSource>(&self, video: &V) -> Result<Target, JobError> {
        let made = self.make_target(video.key(), video.url());
        made.map_err(|error| error.with_subject(video.key()))
    }

    fn make_target(&self, key: &str, url: &str) -> Result<Target, JobError> {
        let name = ObjectName::parse(key)?;
        let key_for = |encoding: &Encoding| {
            let (extension, width) = (encoding.format.extension(), encoding.bounds.max_width);
            self.key_rules.thumbnail_key(key, extension, width)
        };
        let thumbnail_key = key_for(&self.thumbnail.request.encoding)?;
        let other = |encoding| {
            let key = key_for(encoding)?;
            Ok(OtherThumbnail { url: self.store.url(&key)?, key })
        };
        let others = self.thumbnail.others.iter().map(other).collect::<Result<_, JobError>>()?;
        let storyboard_folder = self.storyboard.as_ref().map(|settings| {
            let sheet = format!("x.{}", settings.request.format.extension());
            self.key_rules.storyboard_folder(&settings.folder, key, &[JSON, WEBVTT, &sheet])
        });
        let storyboard_folder = storyboard_folder.transpose()?;
        let asset = Asset::new(url, self.store.url(&thumbnail_key)?)?;
        Ok(Target { key: key.to_owned(), name, thumbnail_key, others, storyboard_folder, asset })
    }
}

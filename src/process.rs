//! The job for one video: its thumbnail into the store, its content and its row into the catalogue.
//!
//! [`Job::process`] takes a [`VideoSource`], skips keys that are none of its own, and makes an attempt. The attempt (`attempt`) performs
//! the requests that the `protocol` wants, in the order that is described there and checked by a model: look, read, check, content,
//! thumbnail, row, last look. `reading` decodes beside it, in a thread of its own.
//!
//! Every request may happen twice, and several workers may process the same video at once. A failure half-way leaves a state from which
//! the next attempt completes. The thumbnail is put once, with its final metadata (`marker`), on condition that it is still the one that
//! was seen first. The picture contains the ETag of its video (`stamp`), so that stores that name objects by their bytes tell versions
//! apart.
//!
//! People edit titles and descriptions afterwards. So the content is written only for a video that is new or replaced, not when its
//! thumbnail is made again because a setting changed. A back-fill writes no content that exists ([`ExistingContents::Keep`]).

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
mod standing;
mod target;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use choice::{ChosenBy, PosterAt};
pub use local::LocalVideo;
pub use progress::{ReadProgress, SourceVersion, VideoLook};
#[cfg(feature = "s3")]
pub use remote::RemoteVideo;
pub use report::{Report, Status, StepTimes};
#[cfg(feature = "lambda")]
pub use shadow::{Agreement, Comparison};
pub use source::VideoSource;
pub use standing::{RowStanding, Standing, ThumbnailStanding};
pub use target::{OtherThumbnail, Target};

use crate::cage::Opener;
use crate::catalog::{Asset, Catalog};
use crate::config::ThumbnailSettings;
pub use crate::job_error::JobError;
use crate::object_name::{KeyRules, ObjectName};
use crate::store::Store;
use crate::{Encoding, OpenOptions};

/// The job, with everything it needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Job<S, C> {
    /// Where thumbnails go.
    pub store: S,
    /// Where contents and rows go.
    pub catalog: C,
    /// Which keys are videos, and where their thumbnails go.
    pub key_rules: KeyRules,
    /// How thumbnails are made.
    pub thumbnail: ThumbnailSettings,
    /// How much a video may cost, and the token that cancels.
    pub options: OpenOptions,
    /// What becomes of contents that exist before their video is processed.
    pub existing_contents: ExistingContents,
    /// Whether the first request for a video only describes it. Set for many videos of which most are done already: no byte of those
    /// is read then. Without it, a video that is new takes one round trip less.
    pub looks_first: bool,
    /// How many videos are decoded at a time; `None` for as many as are processed.
    pub decoders: Option<Arc<Semaphore>>,
    /// Whether videos are decoded in this process or in a cage.
    pub opener: Opener,
}

/// What becomes of a content that exists before its video is processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExistingContents {
    /// A video that is new or replaced writes it, as an upload does.
    #[default]
    Write,
    /// It stays as people have it, as in a back-fill.
    Keep,
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// The job with the default settings; its fields may be changed.
    pub fn new(store: S, catalog: C) -> Self {
        Self {
            store,
            catalog,
            key_rules: KeyRules::default(),
            thumbnail: ThumbnailSettings::default(),
            options: OpenOptions::default(),
            existing_contents: ExistingContents::default(),
            looks_first: false,
            decoders: None,
            opener: Opener::default(),
        }
    }

    /// What the key of a video says, without looking at the video.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) or [`LimitExceeded`](crate::ErrorKind::LimitExceeded) when its name cannot be used,
    /// [`Config`](crate::ErrorKind::Config) when the thumbnail's key cannot.
    pub fn target<V: VideoSource>(&self, video: &V) -> Result<Target, JobError> {
        let made = self.make_target(video.key(), video.url());
        made.map_err(|error| error.about(video.key()))
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
        let asset = Asset::new(url, self.store.url(&thumbnail_key)?)?;
        Ok(Target { key: key.to_owned(), name, thumbnail_key, others, asset })
    }
}

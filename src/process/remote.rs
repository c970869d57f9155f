//! An object in S3 as the video of a job.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::choice::{ChosenBy, POSTER_AT, PosterAt};
use super::{ReadProgress, SourceVersion, VideoHead, VideoSource};
use crate::OpenOptions;
use crate::cage::{MediaOpener, OpenMedia};
use crate::job_error::JobError;
use crate::source::{
    BoxFuture, GetRange, Identity, RangeBody, RangeReply, RangeSource, S3Source, SourceError, s3_reply,
};
use crate::store::{ETag, S3Store, Store as _, metadata, tags};

/// Metadata and tags of an object.
struct Notes {
    metadata: BTreeMap<String, String>,
    /// Number of tags.
    tags: u32,
}

/// A video in S3.
#[derive(Debug, Clone)]
pub struct RemoteVideo {
    store: S3Store,
    key: String,
    url: String,
    size_hint: Option<u64>,
    reads_tag: bool,
    has_tags: bool,
}

impl RemoteVideo {
    /// Creates the video for the object `key` of the bucket. The key is used as written, not percent-decoded.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) when no object can have this key.
    pub fn new(store: &S3Store, key: impl Into<String>) -> Result<Self, JobError> {
        let key = key.into();
        let url = store.url(&key)?;
        Ok(Self { store: store.clone(), key, url, size_hint: None, reads_tag: false, has_tags: false })
    }

    /// Returns the video with a hint for its size in bytes. A wrong hint only costs additional requests.
    #[must_use]
    pub fn with_size_hint(self, bytes: Option<u64>) -> Self {
        Self { size_hint: bytes, ..self }
    }

    /// Returns the video with the setting whether its tag `poster-at` may choose the time of the frame.
    #[must_use]
    pub fn with_poster_at_tag(self, reads_tag: bool) -> Self {
        Self { reads_tag, ..self }
    }

    /// Returns the video with the knowledge whether its tags have just changed. S3 reports the number of tags only to callers that may
    /// read them, so a missing permission can otherwise not be distinguished from missing tags.
    #[must_use]
    pub fn with_changed_tags(self, has_tags: bool) -> Self {
        Self { has_tags, ..self }
    }

    /// Returns the time that people chose, and the number of requests for finding it.
    async fn choice(&self, notes: &Notes) -> Result<(Option<PosterAt>, u64), SourceError> {
        let reads_tag = self.reads_tag && (self.has_tags || notes.tags > 0);
        let tag = if reads_tag { self.store.tag(&self.key, POSTER_AT).await? } else { None };
        let by_tag = tag.and_then(|text| PosterAt::read(&text, ChosenBy::Tag, &self.key));
        let by_metadata = || PosterAt::read(notes.metadata.get(POSTER_AT)?, ChosenBy::Metadata, &self.key);
        Ok((by_tag.or_else(by_metadata), u64::from(reads_tag)))
    }
}

impl VideoSource for RemoteVideo {
    fn key(&self) -> &str {
        &self.key
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn size_hint(&self) -> Option<u64> {
        self.size_hint
    }

    async fn head(&self) -> Result<Option<VideoHead>, JobError> {
        let Some(object) = self.store.describe_readable(&self.key).await? else { return Ok(None) };
        let notes = Notes { metadata: object.metadata, tags: object.tags };
        let choice = self.choice(&notes).await;
        let (poster_at, requests) =
            choice.map_err(|error| self.store.error("read the tags of", &self.key, error))?;
        let version = SourceVersion { etag: object.etag, size: object.size };
        Ok(Some(VideoHead { version, poster_at, round_trips: 1 + requests }))
    }

    async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
        let object = self.store.describe_readable(&self.key).await?;
        Ok(object.map(|object| SourceVersion { etag: object.etag, size: object.size }))
    }

    fn open(
        &self,
        expected: Option<&SourceVersion>,
        options: &OpenOptions,
        opener: &MediaOpener,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<OpenMedia>, JobError> {
        let source = self.store.source(&self.key);
        let source = match expected {
            Some(version) => source.with_etag(version.etag.as_str()),
            None => source,
        };
        let source = Watched {
            source,
            video: self.clone(),
            progress: Arc::clone(progress),
            identified: OnceCell::new(),
        };
        match opener.open_source(source, options) {
            Err(error) if error.is_replaced() => Ok(None),
            media => Ok(Some(media?)),
        }
    }
}

/// A source that records its requests, and whose bodies wait until the job needs them.
struct Watched {
    source: S3Source,
    video: RemoteVideo,
    progress: Arc<ReadProgress>,
    /// Set once version and choice are reported.
    identified: OnceCell<()>,
}

impl Watched {
    async fn identify(&self, identity: &Identity, notes: &Notes) -> Result<(), SourceError> {
        if !self.progress.choice().is_known {
            let (poster_at, requests) = self.video.choice(notes).await?;
            self.progress.chosen(poster_at, requests);
        }
        let etag = ETag::new(identity.etag.clone().unwrap_or_default());
        self.progress.identified(SourceVersion { etag, size: identity.size });
        Ok(())
    }
}

/// A request in progress, until its body has ended or is dropped.
struct InFlight(Arc<ReadProgress>);

impl InFlight {
    fn new(progress: &Arc<ReadProgress>) -> Self {
        progress.requested();
        Self(Arc::clone(progress))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.answered();
    }
}

struct Body {
    body: Box<dyn RangeBody>,
    /// `None` once the body has ended.
    in_flight: Option<InFlight>,
    progress: Arc<ReadProgress>,
}

fn not_needed() -> SourceError {
    SourceError::Request { reason: "the job no longer needs the video".to_owned() }
}

impl RangeSource for Watched {
    fn name(&self) -> String {
        self.source.name()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            if !self.progress.may_go_on().await {
                return Err(not_needed());
            }
            let in_flight = InFlight::new(&self.progress);
            let asked = request.range;
            let output = self.source.answer(request).await?;
            let notes = Notes { metadata: metadata(output.metadata()), tags: tags(output.tag_count()) };
            let RangeReply { identity, range, body } = s3_reply(output, asked)?;
            self.identified.get_or_try_init(|| self.identify(&identity, &notes)).await?;
            let progress = Arc::clone(&self.progress);
            Ok(RangeReply::new(identity, range, Body { body, in_flight: Some(in_flight), progress }))
        })
    }
}

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            if !self.progress.may_go_on().await {
                return Err(not_needed());
            }
            let piece = self.body.next().await;
            match &piece {
                Ok(Some(bytes)) => self.progress.received(bytes.len() as u64),
                Ok(None) | Err(_) => self.in_flight = None,
            }
            piece
        })
    }
}

//! A storyboard in a store: a folder of sheets, and a WebVTT and a JSON with fixed names, which name the sheets.
//!
//! The name of a sheet contains a hash of the sheet. The sheets of a new storyboard therefore never replace sheets that players still
//! fetch, and a sheet that exists is the same sheet. The sheets are put first, then the WebVTT, then the JSON. The metadata of the JSON
//! name the video's version and the settings: if both are current, the storyboard is complete.
//!
//! WebVTT and JSON are put on condition that they are still the objects that were described before the check of the video. No put
//! therefore replaces a file that another worker has put for a newer version.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::Poll;

use super::files::{JSON, LONGEST, StoryboardFile, StoryboardFiles, WEBVTT};
use crate::job_error::JobError;
use crate::process::marker::{SETTINGS, SOURCE_ETAG, SOURCE_KEY, decoded, encoded};
use crate::store::{Condition, ETag, NewObject, ObjectDescription, Store, StoreError};
use crate::{ErrorKind, Spacing, StoryboardRequest};

/// Sheets that are put at a time.
const AT_A_TIME: usize = 4;

/// The values that a storyboard depends on. Equal marks have equal files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoryboardMark {
    /// The version of the video; `None` if the source names no version.
    pub(crate) source_etag: Option<ETag>,
    pub(crate) settings: String,
    /// A hash of the video's key.
    pub(crate) source_key: String,
}

impl StoryboardMark {
    /// Returns the settings that the files depend on, in readable form.
    pub(crate) fn settings(request: &StoryboardRequest, cache_control: &str) -> String {
        let side = |side: Option<NonZeroU32>| side.map_or_else(String::new, |side| side.to_string());
        let StoryboardRequest { spacing, pick, tile, columns, rows, format, quality } = *request;
        let spacing = match spacing {
            Spacing::Count(count) => format!("count={count}"),
            Spacing::Every(interval) => format!("every={}ms", interval.as_millis()),
        };
        let (width, height) = (side(tile.max_width), side(tile.max_height));
        let (pick, format, quality) = (pick.as_str(), format.extension(), quality.get());
        // The number in front changes when this program writes other files for the same video.
        format!(
            "1;{spacing};pick={pick};{format};q={quality};tile={width}x{height};grid={columns}x{rows};{cache_control}"
        )
    }

    /// Returns whether a WebVTT or JSON was written for the same version with the same settings; `false` without an ETag.
    pub(crate) fn is_of(&self, object: &ObjectDescription) -> bool {
        let value = |name| decoded(&object.metadata, name);
        self.source_etag.as_ref().is_some_and(|etag| value(SOURCE_ETAG).as_deref() == Some(etag.as_str()))
            && value(SETTINGS).as_deref() == Some(&self.settings)
            && !self.is_foreign(object)
    }

    /// Returns whether a WebVTT or JSON was written for another video.
    pub(crate) fn is_foreign(&self, object: &ObjectDescription) -> bool {
        decoded(&object.metadata, SOURCE_KEY).is_some_and(|key| key != self.source_key)
    }

    fn to_metadata(&self) -> BTreeMap<String, String> {
        let etag = self.source_etag.as_ref().map(|etag| (SOURCE_ETAG, etag.as_str()));
        let values = [(SETTINGS, self.settings.as_str()), (SOURCE_KEY, self.source_key.as_str())];
        etag.into_iter().chain(values).map(|(name, value)| (name.to_owned(), encoded(value))).collect()
    }
}

/// The result of putting all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Done,
    /// The video was replaced. Neither WebVTT nor JSON was put.
    Replaced,
    /// Another worker has put a file of another storyboard.
    Lost,
}

/// The WebVTT and the JSON as they were described.
#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) json: Option<ObjectDescription>,
    pub(crate) webvtt: Option<ObjectDescription>,
}

/// The folder of a storyboard in a store.
#[derive(Debug)]
pub(crate) struct StoryboardPlace<'p, S> {
    pub(crate) store: &'p S,
    /// With its final `/`; empty for the whole store.
    pub(crate) folder: &'p str,
    pub(crate) cache_control: &'p str,
    pub(crate) mark: StoryboardMark,
}

impl<S: Store> StoryboardPlace<'_, S> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    /// Returns the URL of the JSON, and of the WebVTT.
    ///
    /// # Errors
    /// [`StoreError::InvalidKey`] if a file cannot have its key.
    pub(crate) fn urls(&self) -> Result<(String, String), StoreError> {
        self.store.url(&self.key(LONGEST))?;
        Ok((self.store.url(&self.key(JSON))?, self.store.url(&self.key(WEBVTT))?))
    }

    /// Describes the JSON, which alone shows whether the storyboard is complete.
    pub(crate) async fn describe_json(&self) -> Result<Option<ObjectDescription>, StoreError> {
        self.store.describe(&self.key(JSON)).await
    }

    /// Describes the WebVTT.
    pub(crate) async fn describe_webvtt(&self) -> Result<Option<ObjectDescription>, StoreError> {
        self.store.describe(&self.key(WEBVTT)).await
    }

    /// Puts all files. `is_same` resolves after the sheets are put, and returns whether the video is still the same version.
    ///
    /// # Errors
    /// The errors of the store; [`Denied`](ErrorKind::Denied) for a file that exists and cannot be read.
    pub(crate) async fn put(
        &self,
        files: &StoryboardFiles,
        seen: &Described,
        is_same: impl Future<Output = Result<bool, JobError>>,
    ) -> Result<Put, JobError> {
        let sheets = files.sheets.iter().map(|sheet| async move {
            // The name contains a hash: a sheet that exists is this sheet.
            match self.put_file(sheet, &BTreeMap::new(), &Condition::Absent).await {
                Ok(_) | Err(StoreError::PreconditionFailed { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        });
        side_by_side(sheets, AT_A_TIME).await?;
        if !is_same.await? {
            return Ok(Put::Replaced);
        }
        for (file, seen) in [(&files.webvtt, &seen.webvtt), (&files.json, &seen.json)] {
            if !self.put_named(file, seen.as_ref()).await? {
                return Ok(Put::Lost);
            }
        }
        Ok(Put::Done)
    }

    /// Puts the WebVTT or the JSON. Returns whether the file exists, whichever worker has put it.
    async fn put_named(
        &self,
        file: &StoryboardFile,
        seen: Option<&ObjectDescription>,
    ) -> Result<bool, JobError> {
        if seen.is_some_and(|seen| self.mark.is_of(seen)) {
            return Ok(true);
        }
        match self.put_file(file, &self.mark.to_metadata(), &Condition::since(seen)).await {
            Ok(_) => return Ok(true),
            Err(StoreError::PreconditionFailed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let key = self.key(&file.name);
        match self.store.describe(&key).await? {
            Some(other) => Ok(self.mark.is_of(&other)),
            None if seen.is_none() => {
                let error = format!("{key}: the object exists and cannot be read");
                Err(JobError::new(ErrorKind::Denied, error))
            }
            None => Ok(false),
        }
    }

    async fn put_file(
        &self,
        file: &StoryboardFile,
        metadata: &BTreeMap<String, String>,
        condition: &Condition,
    ) -> Result<ETag, StoreError> {
        let object = NewObject {
            bytes: &file.bytes,
            content_type: file.content_type,
            cache_control: self.cache_control,
            metadata,
        };
        self.store.put(&self.key(&file.name), object, condition).await
    }
}

/// Runs futures, at most `at_a_time` in parallel, until one fails.
async fn side_by_side<E>(
    mut futures: impl Iterator<Item = impl Future<Output = Result<(), E>>>,
    at_a_time: usize,
) -> Result<(), E> {
    let mut running: Vec<Pin<Box<_>>> = futures.by_ref().take(at_a_time).map(Box::pin).collect();
    poll_fn(|context| {
        let mut index = 0;
        while let Some(future) = running.get_mut(index) {
            match future.as_mut().poll(context) {
                Poll::Pending => index += 1,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // The future that takes its place is polled next.
                Poll::Ready(Ok(())) => match futures.next() {
                    Some(next) => *future = Box::pin(next),
                    None => drop(running.swap_remove(index)),
                },
            }
        }
        if running.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::Pick;

    #[test]
    fn settings_are_readable() {
        let default = StoryboardRequest::default();
        let settings = StoryboardMark::settings(&default, "public, max-age=300");
        assert_eq!(settings, "1;count=100;pick=keyframe;jpg;q=85;tile=160x;grid=10x10;public, max-age=300");
        let other = default.with_spacing(Spacing::Every(Duration::from_millis(2500))).with_pick(Pick::Exact);
        let settings = StoryboardMark::settings(&other, "no-store");
        assert_eq!(settings, "1;every=2500ms;pick=exact;jpg;q=85;tile=160x;grid=10x10;no-store");
    }

    /// All futures run, at most four in parallel, and the first failure ends the others.
    #[test]
    fn futures_run_a_few_at_a_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for failing in [None, Some(7)] {
            let (running, most, done) = (Cell::new(0_usize), Cell::new(0), Cell::new(0));
            let work = (0..20).map(|number| {
                let (running, most, done) = (&running, &most, &done);
                async move {
                    running.set(running.get() + 1);
                    most.set(running.get().max(most.get()));
                    tokio::task::yield_now().await;
                    running.set(running.get() - 1);
                    done.set(done.get() + 1);
                    if failing == Some(number) { Err(number) } else { Ok(()) }
                }
            });
            let ended = runtime.block_on(side_by_side(work, 4));
            assert_eq!((ended, most.get()), (failing.map_or(Ok(()), Err), 4));
            assert_eq!(done.get() == 20, failing.is_none(), "{}", done.get());
        }
    }
}

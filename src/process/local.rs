//! A file on this machine as the video of a job.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ReadProgress, SourceVersion, VideoSource};
use crate::cage::{MediaOpener, OpenMedia};
use crate::job_error::JobError;
use crate::store::{FolderStore, etag_of, file_url, kind_of_io};
use crate::{ErrorKind, OpenOptions};

/// A video file on this machine, with its key in a store.
#[derive(Debug, Clone)]
pub struct LocalVideo {
    path: PathBuf,
    key: String,
    url: String,
}

impl LocalVideo {
    /// Creates the video for the file at `path`. Inside the store's folder, the key is the path relative to that
    /// folder. A file from elsewhere is read in place, and its key is `video_prefix` followed by its name, as if the
    /// file had been uploaded there.
    ///
    /// Two files with the same name from different folders outside the store therefore share one thumbnail.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when the folder does not exist, [`Malformed`](ErrorKind::Malformed) when the
    /// name cannot be a key because it is not UTF-8 or is reserved for the store.
    pub fn new(path: &Path, store: &FolderStore, video_prefix: &str) -> Result<Self, JobError> {
        let about = |error: JobError| error.with_subject(path.display().to_string());
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name),
            _ => return Err(about(JobError::new(ErrorKind::Config, "is a folder, not a video"))),
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // The name is used as given: a symbolic link is a separate video, wherever it leads.
        let folder =
            folder.canonicalize().map_err(|error| about(JobError::new(kind_of_io(&error), error)))?;
        let path = folder.join(name);
        let key = match path.starts_with(store.root()) {
            true => store.key_of_path(&path),
            false => name.to_str().map(|name| format!("{video_prefix}{name}")),
        };
        let no_key = || JobError::new(ErrorKind::Malformed, "its name cannot be an object key");
        let key = key.ok_or_else(|| about(no_key()))?;
        Ok(Self { url: file_url(&path), path, key })
    }

    fn version_of(metadata: io::Result<Metadata>) -> Result<Option<SourceVersion>, JobError> {
        match metadata {
            Ok(metadata) if metadata.is_dir() => {
                Err(JobError::new(ErrorKind::Config, "is a folder, not a video"))
            }
            Ok(metadata) if !metadata.is_file() => {
                Err(JobError::new(ErrorKind::Unsupported, "is not a regular file"))
            }
            Ok(metadata) => Ok(Some(SourceVersion { etag: etag_of(&metadata), size: metadata.len() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JobError::new(kind_of_io(&error), error)),
        }
    }
}

impl VideoSource for LocalVideo {
    fn key(&self) -> &str {
        &self.key
    }

    fn url(&self) -> &str {
        &self.url
    }

    async fn version(&self) -> Result<Option<SourceVersion>, JobError> {
        let path = self.path.clone();
        let metadata = tokio::task::spawn_blocking(move || std::fs::metadata(path)).await;
        Self::version_of(metadata.map_err(|error| JobError::new(ErrorKind::Internal, error))?)
    }

    fn open(
        &self,
        expected: Option<&SourceVersion>,
        options: &OpenOptions,
        opener: &MediaOpener,
        progress: &Arc<ReadProgress>,
    ) -> Result<Option<OpenMedia>, JobError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JobError::new(kind_of_io(&error), error)),
        };
        let Some(version) = Self::version_of(file.metadata())? else { return Ok(None) };
        if expected.is_some_and(|expected| *expected != version) {
            return Ok(None);
        }
        progress.identified(version);
        if !progress.wait_until_needed() {
            return Ok(None);
        }
        Ok(Some(opener.open(file, options)?))
    }
}

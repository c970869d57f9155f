//! A folder as a bucket: the object `key` is the file `ROOT/key`, which any program can read.
//!
//! Properties that a file cannot store (media type, metadata) are in a sidecar, `ROOT/.posterframe/objects/<key>`. The
//! sidecar is a small JSON file that also contains the [`ETag`] of its object. A put first writes the sidecar and then
//! the object, each to a temporary file that is then renamed. After a crash between the two, the sidecar names a
//! different version than the existing object and is ignored. An object may thus lose its metadata, but never has the
//! metadata of another version.
//!
//! Conditions are enforced across processes: a put checks the condition and renames the file under an exclusive lock of
//! `ROOT/.posterframe/lock`.

mod file;
mod listing;
mod sidecar;
mod temporary;

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use url::Url;

use super::{
    Condition, ETag, ListObjects, NewObject, ObjectDescription, Page, ReadObject, Store, StoreError,
};
pub use file::etag_of;
use file::{OWN_FOLDER, check_key};
use listing::{Listing, PAGE};
use sidecar::Sidecar;
use temporary::{Temporaries, sync_folder_of};

/// A folder on this machine as a [`Store`].
#[derive(Debug, Clone)]
pub struct FolderStore {
    folder: Arc<Folder>,
    bucket: String,
}

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    temporaries: Temporaries,
}

impl FolderStore {
    /// Opens the folder `root`, and creates it if it is missing. The name of the folder is the name of the bucket.
    ///
    /// # Errors
    /// [`StoreError::File`] when `root` is not a folder or cannot be created.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = root.as_ref();
        fs::create_dir_all(root).map_err(StoreError::file("make the store folder", root))?;
        Self::at(root)
    }

    /// Opens the folder `root` without writing. The first put creates the folder if it is missing.
    ///
    /// # Errors
    /// [`StoreError::File`] when the path cannot be resolved.
    pub(crate) fn at(root: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = root.as_ref();
        let resolved = std::path::absolute(root).and_then(|root| canonical(&root));
        let root = resolved.map_err(StoreError::file("open the store folder", root))?;
        let bucket = root.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned());
        let folder = Folder { root, temporaries: Temporaries::default() };
        Ok(Self { folder: Arc::new(folder), bucket })
    }

    /// Returns the absolute path of the folder, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.folder.root
    }

    /// Returns the key of the file at `path` (absolute, its folder without symbolic links); `None` for a file outside
    /// the store, or whose name is not UTF-8.
    pub fn key_of_path(&self, path: &Path) -> Option<String> {
        let key = path.strip_prefix(self.root()).ok()?.to_str()?;
        check_key(key).ok().map(|()| key.to_owned())
    }
}

impl Store for FolderStore {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns a percent-encoded `file://` URL. An `s3://` URL would name a bucket that does not exist, and readers of
    /// the catalogue open its URLs.
    fn url(&self, key: &str) -> Result<String, StoreError> {
        Ok(file_url(&self.folder.path(key)?))
    }

    fn key_of(&self, url: &str) -> Option<String> {
        let path = Url::parse(url).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()?;
        self.key_of_path(&path)
    }

    async fn describe(&self, key: &str) -> Result<Option<ObjectDescription>, StoreError> {
        let (folder, key) = (Arc::clone(&self.folder), key.to_owned());
        tokio::task::spawn_blocking(move || folder.describe(&key)).await?
    }

    async fn put(&self, key: &str, object: NewObject<'_>, condition: &Condition) -> Result<ETag, StoreError> {
        let (folder, key, condition) = (Arc::clone(&self.folder), key.to_owned(), condition.clone());
        let (bytes, sidecar) = (object.bytes.to_vec(), Sidecar::of(&object)?);
        tokio::task::spawn_blocking(move || folder.put(&key, &bytes, sidecar, &condition)).await?
    }
}

impl ReadObject for FolderStore {
    async fn read(
        &self,
        key: &str,
        max_bytes: u64,
    ) -> Result<Option<(Vec<u8>, ObjectDescription)>, StoreError> {
        let (folder, key) = (Arc::clone(&self.folder), key.to_owned());
        tokio::task::spawn_blocking(move || folder.read(&key, max_bytes)).await?
    }
}

impl ListObjects for FolderStore {
    /// Returns at most 20,000 objects per page. Files whose names cannot be keys, hidden files of the store, and
    /// symbolic links to folders are not listed.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
        let (folder, prefix, after) = (Arc::clone(&self.folder), prefix.to_owned(), after.map(str::to_owned));
        let list = move || Listing::new(&prefix, after.as_deref(), PAGE).page_of(&folder.root);
        tokio::task::spawn_blocking(list).await?
    }
}

impl Folder {
    fn read(&self, key: &str, max_bytes: u64) -> Result<Option<(Vec<u8>, ObjectDescription)>, StoreError> {
        let Some(description) = self.describe(key)? else { return Ok(None) };
        let path = self.path(key)?;
        if description.size > max_bytes {
            let error = io::Error::new(io::ErrorKind::InvalidFilename, "it is too large");
            return Err(StoreError::file("read", &path)(error));
        }
        let bytes = fs::read(&path).map_err(StoreError::file("read", &path))?;
        Ok(Some((bytes, description)))
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key).map(|()| self.root.join(key))
    }

    fn own(&self) -> PathBuf {
        self.root.join(OWN_FOLDER)
    }

    fn describe(&self, key: &str) -> Result<Option<ObjectDescription>, StoreError> {
        let path = self.path(key)?;
        // Without the lock file nothing has been stored, and no sidecar exists. The lock file is not created here, so
        // that a read-only folder can be described.
        let lock = File::open(self.own().join("lock")).ok();
        if let Some(lock) = &lock {
            lock.lock_shared().map_err(StoreError::file("lock", &self.own()))?;
        }
        self.describe_locked(key, &path)
    }

    fn describe_locked(&self, key: &str, path: &Path) -> Result<Option<ObjectDescription>, StoreError> {
        let Some(metadata) = metadata_of(path)? else { return Ok(None) };
        let etag = etag_of(&metadata);
        let sidecar = Sidecar::read(&self.own(), key)?.filter(|sidecar| sidecar.etag == etag);
        Ok(Some(Sidecar::describe(sidecar, etag, &metadata)))
    }

    fn put(
        &self,
        key: &str,
        bytes: &[u8],
        sidecar: Sidecar,
        condition: &Condition,
    ) -> Result<ETag, StoreError> {
        let path = self.path(key)?;
        let object = self.temporaries.write(&path, bytes)?;
        let metadata = object.as_file().metadata().map_err(StoreError::file("describe", object.path()))?;
        let etag = etag_of(&metadata);
        let _lock = self.lock()?;
        self.check(key, &path, condition)?;
        sidecar.for_version(etag.clone()).write(&self.own(), key, &self.temporaries)?;
        rename(object, &path, condition, key)?;
        Ok(etag)
    }

    fn check(&self, key: &str, path: &Path, condition: &Condition) -> Result<(), StoreError> {
        let present = metadata_of(path)?.map(|metadata| etag_of(&metadata));
        let expected = match condition {
            Condition::Absent => None,
            Condition::Unchanged(etag) => Some(etag),
        };
        match present.as_ref() == expected {
            true => Ok(()),
            false => Err(StoreError::PreconditionFailed { key: key.to_owned() }),
        }
    }

    /// Waits for the exclusive lock. The lock is released when the file is dropped or the process ends.
    fn lock(&self) -> Result<File, StoreError> {
        let own = self.own();
        fs::create_dir_all(&own).map_err(StoreError::file("make the folder", &own))?;
        let path = own.join("lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(StoreError::file("open", &path))?;
        file.lock().map_err(StoreError::file("lock", &path))?;
        Ok(file)
    }
}

/// Returns the path without symbolic links. The last components need not exist.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(canonical(parent)?.join(name))
        }
        (canonical, ..) => canonical,
    }
}

/// Returns the metadata of a regular file; `None` when no regular file exists at `path`.
fn metadata_of(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(StoreError::file("describe", path)(error)),
    }
}

/// Returns the absolute path as a percent-encoded `file://` URL.
pub(crate) fn file_url(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| format!("file://{}", path.display()), String::from)
}

fn rename(file: NamedTempFile, path: &Path, condition: &Condition, key: &str) -> Result<(), StoreError> {
    let renamed = match condition {
        // The lock excludes other stores of this program; this condition also protects against other programs.
        Condition::Absent => file.persist_noclobber(path),
        Condition::Unchanged(_) => file.persist(path),
    };
    match renamed {
        Ok(_) => sync_folder_of(path),
        Err(error)
            if *condition == Condition::Absent && error.error.kind() == io::ErrorKind::AlreadyExists =>
        {
            Err(StoreError::PreconditionFailed { key: key.to_owned() })
        }
        Err(error) => Err(StoreError::file("write", path)(error.error)),
    }
}

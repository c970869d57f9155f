//! Writes files atomically.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::super::StoreError;

const PREFIX: &str = ".posterframe-";
const SUFFIX: &str = ".tmp";

/// Writes temporary files. Each file is locked while its process lives. Files that a killed process has left in a
/// folder are removed before the first file is written there.
#[derive(Debug, Default)]
pub(super) struct Temporaries {
    swept: Mutex<HashSet<PathBuf>>,
}

impl Temporaries {
    /// Creates a synced temporary file with the bytes, beside `path`. The file is removed unless it is renamed.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(StoreError::file("make the folder", folder))?;
        if self.swept.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
            sweep(folder);
        }
        let mut file = create(folder).map_err(StoreError::file("write into", folder))?;
        let write = |file: &mut File| file.write_all(bytes).and_then(|()| file.sync_all());
        write(file.as_file_mut()).map_err(StoreError::file("write", path))?;
        Ok(file)
    }
}

fn create(folder: &Path) -> io::Result<NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        // The user's umask determines who may read the file, as for files of other programs.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder)?;
        // Not every file system supports locks. Without locks, no process removes the files of others.
        let is_locked = file.as_file().lock().is_ok();
        // Another process may have removed the file between creating and locking it.
        if !is_locked || file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes the temporary files that no process has locked. Files that cannot be read or removed stay.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_temporary = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(is_temporary)) {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let left = is_file.then(|| File::open(entry.path()).ok()).flatten();
        // The lock is held until the file is gone, so that a process that just created the file notices.
        if let Some(file) = left
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes a rename survive a power failure.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::file("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_has_left_is_removed_and_nothing_else() -> Result<(), Box<dyn std::error::Error>>
    {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        for name in [".posterframe-AbCdEf.tmp", ".posterframe-other", "film.tmp", "film.jpg"] {
            fs::write(path(name), b"left")?;
        }
        fs::create_dir(path(".posterframe-folder.tmp"))?;
        // A file in use by another process, or by another store in this process.
        let used = Temporaries::default().write(&path("used.jpg"), b"in use")?;
        let store = Temporaries::default();
        let written = store.write(&path("new.jpg"), b"new")?;
        assert!(!path(".posterframe-AbCdEf.tmp").exists());
        for name in [".posterframe-other", "film.tmp", "film.jpg", ".posterframe-folder.tmp"] {
            assert!(path(name).exists(), "{name}");
        }
        used.persist(path("used.jpg"))?;
        written.persist(path("new.jpg"))?;
        assert_eq!(
            (fs::read(path("used.jpg"))?, fs::read(path("new.jpg"))?),
            (b"in use".to_vec(), b"new".to_vec())
        );
        Ok(())
    }
}

//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::super::StoreError;

/// A synced temporary file beside `path`, with the bytes in it; it vanishes unless it is renamed.
pub(super) fn write_temporary(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(StoreError::file("make the folder", folder))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".posterframe-").suffix(".tmp");
    // As any program makes files: the user's umask decides who may read them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(StoreError::file("write into", folder))?;
    let write = |file: &mut File| file.write_all(bytes).and_then(|()| file.sync_all());
    write(file.as_file_mut()).map_err(StoreError::file("write", path))?;
    Ok(file)
}

/// Makes a rename last through a power failure.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::file("sync", folder))
}

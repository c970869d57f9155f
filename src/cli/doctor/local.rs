//! Checks of the store folder and the catalogue file.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::check::{Check, Checks, Finding};
use super::database::{doubles, orphans};
use crate::ErrorKind;
use crate::catalog::{CatalogError, inspect_file};
use crate::config::Config;
use crate::store::kind_of_io;

/// Checks whether the folder can be read. A missing folder is no failure, because `process` creates it.
pub(super) fn store_read(folder: &Path) -> Finding {
    let shown = folder.display();
    match fs::read_dir(folder) {
        Ok(_) => Finding::ok(format!("{shown} can be read")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::ok(format!("{shown} does not exist yet; `process` creates it"))
        }
        Err(error) => Finding::failed(
            kind_of_io(&error),
            format!("{shown}: {error}"),
            "check STORE_DIR, and the folder's permissions",
        ),
    }
}

/// Checks whether the folder can be written, with an unnamed file that disappears when it is closed.
pub(super) fn store_write(folder: &Path) -> Finding {
    let Some(existing) = folder.ancestors().map(or_here).find(|folder| folder.exists()) else {
        return Finding::failed(ErrorKind::NotFound, "the folder does not exist", "check STORE_DIR");
    };
    match tempfile::tempfile_in(existing) {
        Ok(_) => Finding::ok(format!("{} can be written", existing.display())),
        Err(error) => {
            let advice = "check STORE_DIR, the folder's owner and permissions, and whether the disk is full or read-only";
            Finding::failed(kind_of_io(&error), format!("{}: {error}", existing.display()), advice)
        }
    }
}

fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Checks the catalogue file and its contents.
pub(super) async fn catalogue(checks: &Checks, config: &Config) -> Vec<Check> {
    let path = config.catalog_path();
    let file = checks.of("catalog_file", async { file(&path) }).await;
    let reason = file.in_the_way().or_else(|| (!path.exists()).then(|| "there is no file yet".to_owned()));
    let mut contents = None;
    let looking = async {
        match inspect_file(&path).await {
            Ok(found) => {
                contents = found.rows;
                match contents {
                    Some(_) => Finding::ok(format!("contents and video_assets, version {}", found.version)),
                    None => Finding::ok("no tables yet; `process` creates them"),
                }
            }
            Err(error) => {
                let advice = file_advice(&error);
                Finding::error(error, advice)
            }
        }
    };
    let tables = checks.unless(reason, "catalog_tables", looking).await;
    let rest = match contents {
        Some((found, missing)) => {
            [("duplicate_rows", doubles(found)), ("rows_without_content", orphans(missing))]
        }
        None => {
            let reason = tables.in_the_way().unwrap_or_else(|| "there are no tables yet".to_owned());
            ["duplicate_rows", "rows_without_content"].map(|name| (name, Finding::skipped(reason.clone())))
        }
    };
    let rest = rest.map(|(name, finding)| finding.into_check(name, Duration::ZERO));
    [file, tables].into_iter().chain(rest).collect()
}

fn file(path: &Path) -> Finding {
    let shown = path.display();
    match File::options().read(true).write(true).open(path) {
        Ok(_) => Finding::ok(format!("{shown} can be read and written")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::ok(format!("{shown} does not exist yet; `process` creates it"))
        }
        Err(error) => {
            let advice = "check CATALOG_SQLITE, and the file's owner and permissions";
            Finding::failed(kind_of_io(&error), format!("{shown}: {error}"), advice)
        }
    }
}

fn file_advice(error: &CatalogError) -> &'static str {
    match error.kind() {
        ErrorKind::Malformed => {
            "the file is damaged or not a SQLite file: check CATALOG_SQLITE, or restore a copy"
        }
        ErrorKind::Config => "the tables must match `posterframe schema`; a newer file needs a newer program",
        ErrorKind::Denied => "check the file's and its folder's owner and permissions",
        _ => "another program may have locked the file; try again",
    }
}

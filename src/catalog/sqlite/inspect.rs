//! Inspects a catalogue's file and creates nothing: neither the file nor tables.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::super::{CatalogError, Doubles};
use super::{SCHEMA_VERSION, database_error};

/// The content of a catalogue's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileContents {
    /// The schema version; 0 for a file without tables, or with tables that another program created.
    pub(crate) version: i64,
    /// Counts of rows and duplicates, and of rows whose content does not exist; `None` when the tables do not exist.
    pub(crate) rows: Option<(Doubles, u64)>,
}

/// Inspects the file, which must exist.
///
/// # Errors
/// [`CatalogError::Database`] when the file is not a SQLite file, or a table lacks a column;
/// [`CatalogError::NewerSchema`].
pub(crate) async fn inspect_file(path: &Path) -> Result<FileContents, CatalogError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let failed = |error| database_error(path, error);
    let mut connection = options.connect().await.map_err(failed)?;
    let contents = look(&mut connection).await.map_err(failed);
    // The results are known; an error while closing is ignored.
    let _ = connection.close().await;
    let contents = contents?;
    if contents.version > SCHEMA_VERSION {
        let (name, found) = (path.display().to_string(), contents.version);
        return Err(CatalogError::NewerSchema { name, found, known: SCHEMA_VERSION });
    }
    Ok(contents)
}

async fn look(connection: &mut SqliteConnection) -> Result<FileContents, sqlx::Error> {
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let tables =
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('contents', 'video_assets')";
    let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut *connection).await?;
    if tables == 0 && version == 0 {
        return Ok(FileContents { version, rows: None });
    }
    for columns in [
        "SELECT id, title, description, age_rating FROM contents LIMIT 0",
        "SELECT id, content_id, video_url, thumbnail_url, duration FROM video_assets LIMIT 0",
    ] {
        sqlx::query(columns).fetch_all(&mut *connection).await?;
    }
    let doubles = "SELECT COALESCE(SUM(n), 0), COALESCE(SUM(n > 1), 0), COALESCE(SUM(CASE WHEN n > 1 THEN n END), 0) \
                   FROM (SELECT COUNT(*) AS n FROM video_assets GROUP BY video_url COLLATE BINARY)";
    let (rows, videos, double_rows): (i64, i64, i64) =
        sqlx::query_as(doubles).fetch_one(&mut *connection).await?;
    let orphans = "SELECT COUNT(*) FROM video_assets WHERE content_id NOT IN (SELECT id FROM contents)";
    let orphans: i64 = sqlx::query_scalar(orphans).fetch_one(&mut *connection).await?;
    let [rows, videos, double_rows, orphans] = [rows, videos, double_rows, orphans].map(i64::unsigned_abs);
    Ok(FileContents { version, rows: Some((Doubles { rows, videos, double_rows }, orphans)) })
}

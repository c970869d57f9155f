//! The catalogue in a SQLite file.
//!
//! Several processes may use one file. The file is in WAL mode, and a writer takes the write lock when its transaction
//! begins (`BEGIN IMMEDIATE`), so that everything that the transaction has read is still true when it writes.

#[cfg(feature = "cli")]
mod inspect;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use super::{
    Asset, AssetRow, Catalog, CatalogError, FoundContent, FoundRow, KnownRows, ListRows, ListedRow,
    NewContent, Registered,
};
use crate::ErrorKind;
use crate::object_name::ContentId;
#[cfg(feature = "cli")]
pub(crate) use inspect::inspect_file;

/// The statements that create the tables.
pub const SQLITE_SCHEMA: &str = include_str!("../../migrations/sqlite/0001_contents_and_video_assets.sql");

/// Version of [`SQLITE_SCHEMA`], stored in the file's `user_version`.
const SCHEMA_VERSION: i64 = 1;

/// How long a worker waits for the transactions of other workers. Each transaction takes milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The catalogue in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteCatalog {
    pool: SqlitePool,
    path: PathBuf,
}

impl SqliteCatalog {
    /// Opens the file at `path`, and creates the file and its tables if they are missing. The folder must exist.
    ///
    /// # Errors
    /// [`CatalogError::Database`] when the file cannot be opened or is not a SQLite file, [`CatalogError::NewerSchema`]
    /// when a newer version of this program created the file.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, CatalogError> {
        let path = path.as_ref().to_owned();
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        set_wal(&options).await.map_err(|error| database_error(&path, error))?;
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(|error| database_error(&path, error))?;
        let catalog = Self { pool, path };
        catalog.migrate().await?;
        Ok(catalog)
    }

    /// Opens the file at `path` read-only. Nothing is written, not even beside the file. A missing file counts as a
    /// catalogue without rows.
    ///
    /// # Errors
    /// The same as of [`open`](Self::open).
    #[cfg(feature = "cli")]
    pub(crate) async fn open_read_only(path: impl AsRef<Path>) -> Result<Self, CatalogError> {
        let path = path.as_ref().to_owned();
        let is_missing =
            std::fs::metadata(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        let options = match is_missing {
            true => SqliteConnectOptions::new().in_memory(true),
            // Without a log nobody is writing, and SQLite then needs no additional files beside the database.
            false => SqliteConnectOptions::new().filename(&path).read_only(true).immutable(!has_log(&path)),
        };
        let options = options.busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(options).await.map_err(|error| database_error(&path, error))?;
        let catalog = Self { pool, path };
        if is_missing {
            catalog.migrate().await?;
        } else {
            catalog.version_known().await?;
        }
        Ok(catalog)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the connection and moves the write-ahead log into the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    async fn migrate(&self) -> Result<(), CatalogError> {
        if self.version_known().await? == SCHEMA_VERSION {
            return Ok(());
        }
        // Two processes may both reach this point. Each statement does nothing if its table exists.
        let mut transaction = self.begin().await?;
        sqlx::raw_sql(SQLITE_SCHEMA).execute(&mut *transaction).await.map_err(|e| self.error(e))?;
        sqlx::raw_sql("PRAGMA user_version = 1")
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.error(e))?;
        self.commit(transaction).await
    }

    /// Returns the schema version, or an error if a newer version created the tables.
    async fn version_known(&self) -> Result<i64, CatalogError> {
        let found = self.version().await?;
        if found > SCHEMA_VERSION {
            let name = self.path.display().to_string();
            return Err(CatalogError::NewerSchema { name, found, known: SCHEMA_VERSION });
        }
        Ok(found)
    }

    async fn version(&self) -> Result<i64, CatalogError> {
        sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.error(error))
    }

    async fn commit(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), CatalogError> {
        transaction.commit().await.map_err(|error| self.error(error))
    }

    /// Translates the failure of a statement. A damaged file is not the fault of the video that the statement is about:
    /// the failure ends once somebody has restored a copy.
    fn error(&self, error: sqlx::Error) -> CatalogError {
        match database_error(&self.path, error) {
            CatalogError::Database { name, kind: ErrorKind::Malformed, source } => {
                CatalogError::Database { name, kind: ErrorKind::Config, source }
            }
            error => error,
        }
    }

    async fn update_assets(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        id: ContentId,
        asset: &Asset,
    ) -> Result<u64, CatalogError> {
        let update = "UPDATE video_assets SET content_id = ?, thumbnail_url = ?, duration = ? \
                      WHERE video_url = ? COLLATE BINARY";
        let query = sqlx::query(update).bind(id.get()).bind(&asset.thumbnail_url).bind(asset.duration);
        let done = query.bind(&asset.video_url).execute(&mut **transaction).await;
        done.map(|done| done.rows_affected()).map_err(|error| self.asset_error(id, error))
    }

    async fn insert_asset(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        id: ContentId,
        asset: &Asset,
    ) -> Result<(), CatalogError> {
        let insert =
            "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) VALUES (?, ?, ?, ?)";
        let query = sqlx::query(insert).bind(id.get()).bind(&asset.video_url).bind(&asset.thumbnail_url);
        let done = query.bind(asset.duration).execute(&mut **transaction).await;
        done.map(drop).map_err(|error| self.asset_error(id, error))
    }

    fn asset_error(&self, id: ContentId, error: sqlx::Error) -> CatalogError {
        let refused = error.as_database_error().is_some_and(|error| error.is_foreign_key_violation());
        if refused { CatalogError::NoSuchContent { id } } else { self.error(error) }
    }

    async fn insert_content(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
        content: &NewContent,
    ) -> Result<ContentId, CatalogError> {
        let insert = "INSERT INTO contents (title, description, age_rating) VALUES (?, ?, ?)";
        let query = sqlx::query(insert).bind(&content.title).bind(&content.description);
        let done = query.bind(&content.age_rating).execute(&mut **transaction).await;
        let id = done.map_err(|error| self.error(error))?.last_insert_rowid();
        ContentId::new(id).ok_or(CatalogError::NoMoreIds)
    }
}

impl Catalog for SqliteCatalog {
    async fn find_content(&self, video_url: &str, id: ContentId) -> Result<FoundContent, CatalogError> {
        // One statement, so that both results are from the same moment.
        let select = "SELECT v.content_id, v.thumbnail_url, v.duration FROM contents c LEFT JOIN video_assets v \
                      ON v.content_id = c.id AND v.video_url = ? COLLATE BINARY WHERE c.id = ? ORDER BY v.id";
        let query = sqlx::query_as::<_, (Option<i64>, Option<String>, Option<i64>)>(select);
        let rows = query.bind(video_url).bind(id.get()).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| self.error(error))?;
        let content_exists = !rows.is_empty();
        let rows = rows.into_iter().filter_map(|(id, url, duration)| Some((id?, url?, duration?)));
        Ok(FoundContent { content_exists, found: found(&rows.collect::<Vec<_>>())? })
    }

    async fn find_row(&self, video_url: &str) -> Result<FoundRow, CatalogError> {
        // Text compares as bytes (BINARY) unless the column defines a different collation, which an imported table
        // might.
        let select = "SELECT content_id, thumbnail_url, duration FROM video_assets \
                      WHERE video_url = ? COLLATE BINARY ORDER BY id";
        let query = sqlx::query_as::<_, (i64, String, i64)>(select).bind(video_url);
        found(&query.fetch_all(&self.pool).await.map_err(|error| self.error(error))?)
    }

    async fn upsert_content(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        let upsert = "INSERT INTO contents (id, title, description, age_rating) VALUES (?, ?, ?, ?) \
                      ON CONFLICT (id) DO UPDATE SET title = excluded.title, \
                      description = excluded.description, age_rating = excluded.age_rating";
        let query = sqlx::query(upsert).bind(id.get()).bind(&content.title).bind(&content.description);
        let done = query.bind(&content.age_rating).execute(&self.pool).await;
        done.map(drop).map_err(|error| self.error(error))
    }

    async fn write_asset(&self, id: ContentId, asset: &Asset, _: &KnownRows) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        if self.update_assets(&mut transaction, id, asset).await? == 0 {
            self.insert_asset(&mut transaction, id, asset).await?;
        }
        self.commit(transaction).await
    }

    async fn register(&self, content: &NewContent, asset: &Asset) -> Result<Registered, CatalogError> {
        let mut transaction = self.begin().await?;
        let select =
            "SELECT content_id FROM video_assets WHERE video_url = ? COLLATE BINARY ORDER BY id LIMIT 1";
        let query = sqlx::query_scalar::<_, i64>(select).bind(&asset.video_url);
        let known = query.fetch_optional(&mut *transaction).await.map_err(|error| self.error(error))?;
        let is_new = known.is_none();
        let id = match known {
            Some(id) => {
                let id = content_id(id)?;
                self.update_assets(&mut transaction, id, asset).await?;
                id
            }
            None => {
                let id = self.insert_content(&mut transaction, content).await?;
                self.insert_asset(&mut transaction, id, asset).await?;
                id
            }
        };
        self.commit(transaction).await?;
        Ok(Registered { id, is_new, known: KnownRows::default() })
    }
}

impl ListRows for SqliteCatalog {
    async fn list_rows(
        &self,
        url_prefix: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ListedRow>, CatalogError> {
        let select = "SELECT id, video_url, content_id, thumbnail_url, duration FROM video_assets \
                      WHERE id > ? AND substr(video_url, 1, length(?)) = ? COLLATE BINARY ORDER BY id LIMIT ?";
        let query = sqlx::query_as::<_, (i64, String, i64, String, i64)>(select).bind(after);
        let query = query.bind(url_prefix).bind(url_prefix).bind(limit);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(error))?;
        let row = |(id, video_url, content, thumbnail_url, duration)| {
            let row = AssetRow { content_id: content_id(content)?, thumbnail_url, duration };
            Ok(ListedRow { id, video_url, row })
        };
        rows.into_iter().map(row).collect()
    }
}

/// Returns the row that a caller compares, from rows in the order of their ids; see [`FoundRow`].
fn found(rows: &[(i64, String, i64)]) -> Result<FoundRow, CatalogError> {
    let row = rows.iter().find(|row| Some(*row) != rows.first()).or(rows.first());
    let row = row.map(|(id, thumbnail_url, duration)| {
        let (content_id, thumbnail_url) = (content_id(*id)?, thumbnail_url.clone());
        Ok::<_, CatalogError>(AssetRow { content_id, thumbnail_url, duration: *duration })
    });
    Ok(FoundRow { row: row.transpose()?, known: KnownRows::default() })
}

/// Switches the file to WAL mode permanently.
///
/// SQLite does not apply the busy timeout here: when two processes open a new file at the same time, SQLite refuses one
/// of them immediately. This function therefore waits and retries.
async fn set_wal(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
    let pause = Duration::from_millis(10);
    for _ in 0..BUSY_TIMEOUT.as_millis() / pause.as_millis() {
        match options.connect().await {
            Err(error) if sqlite_code(&error) == Some(SQLITE_BUSY) => tokio::time::sleep(pause).await,
            Err(error) => return Err(error),
            Ok(connection) => return sqlx::Connection::close(connection).await,
        }
    }
    options.connect().await.map(drop)
}

fn content_id(id: i64) -> Result<ContentId, CatalogError> {
    ContentId::new(id).ok_or(CatalogError::IdOutOfRange { id })
}

/// Returns whether a write-ahead log or rollback journal exists beside the file. If so, the file is in use, or its
/// program was killed.
#[cfg(feature = "cli")]
fn has_log(path: &Path) -> bool {
    ["-wal", "-journal"].iter().any(|ending| {
        let mut log = path.as_os_str().to_owned();
        log.push(ending);
        std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
    })
}

const SQLITE_BUSY: u8 = 5;

/// Returns SQLite's primary result code, which is the low byte of the extended code.
fn sqlite_code(error: &sqlx::Error) -> Option<u8> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    u8::try_from(code & 0xff).ok()
}

/// Translates SQLite's result codes (<https://www.sqlite.org/rescode.html>). This is the only place that assigns their
/// meaning.
fn database_error(path: &Path, error: sqlx::Error) -> CatalogError {
    let kind = match (&error, sqlite_code(&error)) {
        // READONLY, PERM, AUTH
        (_, Some(8 | 3 | 23)) => ErrorKind::Denied,
        // CORRUPT, NOTADB
        (_, Some(11 | 26)) => ErrorKind::Malformed,
        // ERROR: a table is not as expected
        (_, Some(1)) => ErrorKind::Config,
        // CANTOPEN: the state of the folder shows the reason
        (_, Some(14)) => kind_of_unopened(path),
        // BUSY, LOCKED, IOERR, FULL
        (_, Some(5 | 6 | 10 | 13)) => ErrorKind::Unavailable,
        (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut, _) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    CatalogError::Database { name: path.display().to_string(), kind, source: Box::new(error) }
}

fn kind_of_unopened(path: &Path) -> ErrorKind {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.is_dir(), path.is_dir()) {
        (false, _) => ErrorKind::NotFound,
        (true, true) => ErrorKind::Config,
        (true, false) => ErrorKind::Denied,
    }
}

//! The catalogue: the records of contents, and of the videos that belong to each content.
//!
//! The catalogue has two tables, `contents` and `video_assets`, with the same columns as in the database of the
//! replaced Lambda. A video is identified by its URL, compared byte by byte. One content may have several videos.
//!
//! Several workers may process the same video at the same time. Each method of a [`Catalog`] is therefore one
//! transaction, and repeating a call is safe. `SqliteCatalog` stores both tables in a SQLite file. `RemoteCatalog`
//! stores rows in MySQL (`MySqlCatalog`) and writes contents through an HTTP API (`CatalogApi`).

#[cfg(feature = "mysql")]
mod api;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "mysql")]
mod reach;
#[cfg(feature = "mysql")]
mod remote;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "mysql")]
mod tls;
#[cfg(feature = "mysql")]
mod tunnel;

use std::future::Future;

#[cfg(feature = "cli")]
pub(crate) use api::{ApiInspector, TokenAnswer};
#[cfg(feature = "mysql")]
pub use api::{ApiPatience, CatalogApi};
#[cfg(feature = "cli")]
pub(crate) use mysql::{Column, Inspector, Refusal, Stage, greeting};
#[cfg(feature = "mysql")]
pub use mysql::{MYSQL_OPTIONAL_INDEX, MYSQL_OPTIONAL_UNIQUE, MYSQL_SCHEMA, MySqlCatalog};
#[cfg(feature = "cli")]
pub(crate) use reach::reach;
#[cfg(feature = "mysql")]
pub use remote::RemoteCatalog;
#[cfg(feature = "cli")]
pub(crate) use sqlite::inspect_file;
#[cfg(feature = "sqlite")]
pub use sqlite::{SQLITE_SCHEMA, SqliteCatalog};
#[cfg(feature = "mysql")]
pub use tunnel::Tunnel;
#[cfg(feature = "cli")]
pub(crate) use tunnel::shown_key;

/// Counts of duplicate rows: rows of one video beyond its first. URLs are compared as bytes.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubles {
    /// Number of rows in the table.
    pub(crate) rows: u64,
    /// Number of videos that have more than one row.
    pub(crate) videos: u64,
    /// Number of rows that belong to those videos.
    pub(crate) double_rows: u64,
}

use crate::ErrorKind;
use crate::job_error::JobError;
use crate::object_name::{ContentId, ObjectName};

/// Maximum length in characters of the columns `video_url` and `thumbnail_url`, each `VARCHAR(500)`.
pub const MAX_URL_CHARS: usize = 500;

/// The fields of a content that are derived from the name of its video. People may edit these fields later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContent {
    /// Title for display, for example `My First Film`.
    pub title: String,
    /// Description: `Uploaded video: ` followed by the slug.
    pub description: String,
    /// Age rating. A new content has `ALL` until somebody edits the rating.
    pub age_rating: String,
}

impl From<&ObjectName> for NewContent {
    fn from(name: &ObjectName) -> Self {
        Self { title: name.title.clone(), description: name.description(), age_rating: "ALL".to_owned() }
    }
}

/// The URLs of a video and its thumbnail, and the video's duration. Both URLs fit their columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    video_url: String,
    thumbnail_url: String,
    duration: u32,
}

impl Asset {
    /// Creates an asset with duration 0, which means that the duration is not known yet.
    ///
    /// # Errors
    /// [`CatalogError::TooLong`] when a URL has more than 500 characters.
    pub fn new(video_url: impl Into<String>, thumbnail_url: impl Into<String>) -> Result<Self, CatalogError> {
        let asset = Self { video_url: video_url.into(), thumbnail_url: thumbnail_url.into(), duration: 0 };
        fits("video_url", &asset.video_url)?;
        fits("thumbnail_url", &asset.thumbnail_url)?;
        Ok(asset)
    }

    /// Returns the asset with a duration of `seconds`.
    #[must_use]
    pub fn with_duration(self, seconds: u32) -> Self {
        Self { duration: seconds, ..self }
    }

    /// Returns the URL of the video, which identifies the asset.
    pub fn video_url(&self) -> &str {
        &self.video_url
    }

    /// Returns the URL of the thumbnail.
    pub fn thumbnail_url(&self) -> &str {
        &self.thumbnail_url
    }

    /// Returns the duration of the video in whole seconds; 0 when the duration is not known.
    pub const fn duration(&self) -> u32 {
        self.duration
    }
}

fn fits(column: &'static str, url: &str) -> Result<(), CatalogError> {
    match url.chars().count() {
        chars if chars > MAX_URL_CHARS => Err(CatalogError::TooLong { column, chars }),
        _ => Ok(()),
    }
}

/// A row of `video_assets` without its id and video URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssetRow {
    /// The content that the video belongs to.
    pub content_id: ContentId,
    /// URL of the thumbnail.
    pub thumbnail_url: String,
    /// Duration in whole seconds, exactly as stored in the row.
    pub duration: i64,
}

/// The ids of the rows that a search has found for a video. Pass them to [`Catalog::write_asset`] to save the database
/// a second search. The default value means that no search was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRows(Option<Vec<i64>>);

impl KnownRows {
    /// Creates the result of a search that found exactly these rows.
    #[cfg(feature = "mysql")]
    pub(crate) const fn new(ids: Vec<i64>) -> Self {
        Self(Some(ids))
    }

    /// Returns the ids; `None` when no search was made.
    #[cfg(feature = "mysql")]
    pub(crate) fn ids(&self) -> Option<&[i64]> {
        self.0.as_deref()
    }
}

/// The result of searching for the rows of one video by its URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundRow {
    /// The row; `None` when the video has no row. When duplicates exist, this is the oldest row that differs from the
    /// first row, so that a caller who compares the row with the expected values notices an outdated duplicate.
    pub row: Option<AssetRow>,
    /// The ids of all rows that were found.
    pub known: KnownRows,
}

/// The result of [`Catalog::find_content`]: whether a content exists, and the row of a video that belongs to this content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundContent {
    /// Whether the content exists.
    pub content_exists: bool,
    /// The video's row with this content id. Rows of the same video with another content id are not included.
    pub found: FoundRow,
}

/// Access to the tables `contents` and `video_assets`. Each method is one transaction and may be repeated.
pub trait Catalog: Send + Sync {
    /// Returns whether the content `id` exists, and the row of a video with this content id. The call makes one request
    /// and is cheap even without an index on URLs.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn find_content(
        &self,
        video_url: &str,
        id: ContentId,
    ) -> impl Future<Output = Result<FoundContent, CatalogError>> + Send;

    /// Returns the row of a video with any content id. Without an index on URLs the database reads the whole table.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn find_row(&self, video_url: &str) -> impl Future<Output = Result<FoundRow, CatalogError>> + Send;

    /// Creates the content `id` with the values in `content`, or overwrites title, description and age rating if the
    /// content exists. Counts of likes are kept.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn upsert_content(
        &self,
        id: ContentId,
        content: &NewContent,
    ) -> impl Future<Output = Result<(), CatalogError>> + Send;

    /// Writes the row of a video. If rows exist, all of them are updated, duplicates included; otherwise one row is
    /// inserted. `known` contains the rows that [`find_content`](Self::find_content) or [`find_row`](Self::find_row) has found. Rows that were
    /// inserted after that search are still found and updated.
    ///
    /// # Errors
    /// [`CatalogError::NoSuchContent`] when the content `id` does not exist; for other failures see [`CatalogError`].
    fn write_asset(
        &self,
        id: ContentId,
        asset: &Asset,
        known: &KnownRows,
    ) -> impl Future<Output = Result<(), CatalogError>> + Send;

    /// Registers a video whose name contains no content id. The call inserts a content and the video's row in one
    /// transaction and returns the new content id. If the video already has a row, that row is updated and keeps its
    /// content.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn register(
        &self,
        content: &NewContent,
        asset: &Asset,
    ) -> impl Future<Output = Result<Registered, CatalogError>> + Send;

    /// Opens the separate connection that [`register`](Self::register) needs for some databases, so that the connection
    /// is ready when `register` is called. Callers run this beside other work. A failure is not reported here;
    /// `register` meets and reports the same failure.
    fn prepare_to_register(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// The result of [`Catalog::register`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// The id of the content.
    pub id: ContentId,
    /// Whether this call created the content.
    pub is_new: bool,
    /// The rows of the video after the call.
    pub known: KnownRows,
}

/// A complete row of `video_assets`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedRow {
    /// The id of the row.
    pub id: i64,
    /// URL of the video.
    pub video_url: String,
    /// The other columns.
    pub row: AssetRow,
}

/// A catalogue that can list its rows page by page, for audits.
pub trait ListRows: Catalog {
    /// Returns at most `limit` rows whose ids are larger than `after` and whose video URLs begin with `url_prefix`, in
    /// the order of their ids. Prefixes are compared as bytes. Reading all pages reads the table once, by its primary
    /// key.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn list_rows(
        &self,
        url_prefix: &str,
        after: i64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ListedRow>, CatalogError>> + Send;
}

/// A function that fetches the current value of a secret. A client calls the function when the client first needs the
/// secret, and again when a server refuses the value.
#[cfg(feature = "mysql")]
pub type ResolveSecret = std::sync::Arc<dyn Fn(crate::secret::SecretSource) -> FetchedSecret + Send + Sync>;

/// The future that a [`ResolveSecret`] returns.
#[cfg(feature = "mysql")]
pub type FetchedSecret =
    std::pin::Pin<Box<dyn Future<Output = Result<crate::secret::Secret, CatalogError>> + Send>>;

/// Creates a function that fetches secrets from `secrets` and bypasses the store's cache.
#[cfg(feature = "mysql")]
pub(crate) fn anew(secrets: crate::secret::SecretStore) -> ResolveSecret {
    std::sync::Arc::new(move |source| {
        let secrets = secrets.clone();
        Box::pin(async move {
            secrets.forget(&source).await;
            Ok(secrets.resolve(&source).await?)
        })
    })
}

/// Returns a path for a socket inside a new temporary folder that only this user can enter.
#[cfg(feature = "mysql")]
fn private_socket() -> std::io::Result<(tempfile::TempDir, std::path::PathBuf)> {
    use std::os::unix::fs::PermissionsExt as _;

    let only_us = std::fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("posterframe-").permissions(only_us).tempdir()?;
    let socket = folder.path().join("database.sock");
    Ok((folder, socket))
}

/// A failure of a catalogue operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A value is longer than its column.
    #[error("{column} would have {chars} characters, more than the {MAX_URL_CHARS} of its column")]
    TooLong {
        /// Name of the column.
        column: &'static str,
        /// Length of the value in characters.
        chars: usize,
    },
    /// The content of an asset does not exist.
    #[error("there is no content {id}")]
    NoSuchContent {
        /// The content id.
        id: ContentId,
    },
    /// The table contains an id outside the range of content ids.
    #[error("table contents has a row with the id {id}, which is outside 1..=2147483647")]
    IdOutOfRange {
        /// The content id.
        id: i64,
    },
    /// The database changed a value while storing it and reported no error. A column is too narrow or its character set
    /// lacks a character, and `sql_mode` is not strict. The transaction was rolled back.
    #[error(
        "{table} cannot store the values unchanged: a column is too narrow, or its character set lacks a character"
    )]
    Altered {
        /// Name of the table.
        table: &'static str,
    },
    /// A table has no ids left for new rows.
    #[error(
        "contents or video_assets has no further id (AUTO_INCREMENT has come to its end): a row with a very high id has used up the \
         others. Give that content a lower id; then run ALTER TABLE contents AUTO_INCREMENT = 1, or in SQLite DELETE FROM \
         sqlite_sequence WHERE name = 'contents': new ids continue behind the highest"
    )]
    NoMoreIds,
    /// A newer version of this program created the tables.
    #[error(
        "{name} has schema version {found}, but this program supports versions up to {known}: use a newer posterframe"
    )]
    NewerSchema {
        /// Name of the catalogue: the path of the file, or `host:port/database`.
        name: String,
        /// Schema version of the tables.
        found: i64,
        /// Highest schema version that this program supports.
        known: i64,
    },
    /// A secret could not be fetched.
    #[cfg(feature = "mysql")]
    #[error(transparent)]
    Secret(#[from] crate::secret::SecretError),
    /// The catalogue's API rejected a content, or could not be reached.
    #[cfg(feature = "mysql")]
    #[error("{message}")]
    Api {
        /// The kind of failure.
        kind: ErrorKind,
        /// The HTTP status of the response; `None` when there was no response.
        status: Option<u16>,
        /// What failed, with the beginning of the response. The message never contains the token.
        message: String,
    },
    /// The SSH tunnel through the bastion could not be opened.
    #[cfg(feature = "mysql")]
    #[error("bastion {bastion}: {message}")]
    Tunnel {
        /// The kind of failure.
        kind: ErrorKind,
        /// Address of the bastion, `host:port`.
        bastion: String,
        /// What failed. The message never contains the private key.
        message: String,
    },
    /// The database reported an error, or could not be reached.
    #[error("{name}: {source}")]
    Database {
        /// Name of the catalogue: the path of the file, or `host:port/database`.
        name: String,
        /// The kind of failure.
        kind: ErrorKind,
        /// The error of the database client.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CatalogError {
    /// Returns the kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } | Self::Altered { .. } => ErrorKind::LimitExceeded,
            Self::NoSuchContent { .. } => ErrorKind::Unavailable,
            Self::IdOutOfRange { .. } => ErrorKind::Malformed,
            Self::NewerSchema { .. } | Self::NoMoreIds => ErrorKind::Config,
            #[cfg(feature = "mysql")]
            Self::Secret(error) => error.kind(),
            #[cfg(feature = "mysql")]
            Self::Api { kind, .. } | Self::Tunnel { kind, .. } => *kind,
            Self::Database { kind, .. } => *kind,
        }
    }
}

impl From<CatalogError> for JobError {
    fn from(error: CatalogError) -> Self {
        Self::new(error.kind(), error)
    }
}

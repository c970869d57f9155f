//! The catalogue: which contents there are, and which videos belong to them.
//!
//! Two tables, `contents` and `video_assets`, as the replaced Lambda's database has them. A video is found by its URL,
//! compared byte by byte; one content may have several. Several workers may do the same work at the same moment: every
//! method of a [`Catalog`] is one transaction and can be repeated. `SqliteCatalog` keeps both tables in a file; `RemoteCatalog` has rows in MySQL
//! (`MySqlCatalog`) and writes contents through an API (`CatalogApi`).

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

/// Videos that have more rows than one, compared as bytes.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubles {
    /// Rows of the table.
    pub(crate) rows: u64,
    /// Videos with more than one row.
    pub(crate) videos: u64,
    /// The rows of those.
    pub(crate) double_rows: u64,
}

use crate::ErrorKind;
use crate::job_error::JobError;
use crate::object_name::{ContentId, ObjectName};

/// Characters that the columns `video_url` and `thumbnail_url`, `VARCHAR(500)` each, hold.
pub const MAX_URL_CHARS: usize = 500;

/// What a content is called when its video arrives. People may edit it afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewContent {
    /// For people.
    pub title: String,
    /// `Uploaded video: ` and the slug.
    pub description: String,
    /// For whom it is: `ALL`, until somebody says otherwise.
    pub age_rating: String,
}

impl From<&ObjectName> for NewContent {
    fn from(name: &ObjectName) -> Self {
        Self { title: name.title.clone(), description: name.description(), age_rating: "ALL".to_owned() }
    }
}

/// Where a video and its thumbnail are, and how long it is. Its URLs fit their columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    video_url: String,
    thumbnail_url: String,
    duration: u32,
}

impl Asset {
    /// An asset whose length is not known yet: 0.
    ///
    /// # Errors
    /// [`CatalogError::TooLong`] for a URL of more than 500 characters.
    pub fn new(video_url: impl Into<String>, thumbnail_url: impl Into<String>) -> Result<Self, CatalogError> {
        let asset = Self { video_url: video_url.into(), thumbnail_url: thumbnail_url.into(), duration: 0 };
        fits("video_url", &asset.video_url)?;
        fits("thumbnail_url", &asset.thumbnail_url)?;
        Ok(asset)
    }

    /// The same asset, `seconds` long.
    #[must_use]
    pub fn with_duration(self, seconds: u32) -> Self {
        Self { duration: seconds, ..self }
    }

    /// URL of the video: what identifies the asset.
    pub fn video_url(&self) -> &str {
        &self.video_url
    }

    /// URL of its thumbnail.
    pub fn thumbnail_url(&self) -> &str {
        &self.thumbnail_url
    }

    /// Its length in whole seconds.
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

/// An asset as a row of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssetRow {
    /// The content it belongs to.
    pub content_id: ContentId,
    /// URL of the thumbnail.
    pub thumbnail_url: String,
    /// Length in whole seconds, as the row has it.
    pub duration: i64,
}

/// The rows of a video that a search has found, for [`Catalog::write_asset`]: what is known saves the database a search. By default
/// nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownRows(Option<Vec<i64>>);

impl KnownRows {
    /// Exactly these rows, by their ids.
    #[cfg(feature = "mysql")]
    pub(crate) const fn new(ids: Vec<i64>) -> Self {
        Self(Some(ids))
    }

    /// The ids; `None` when nobody has searched.
    #[cfg(feature = "mysql")]
    pub(crate) fn ids(&self) -> Option<&[i64]> {
        self.0.as_deref()
    }
}

/// The row of a video, found by its URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundRow {
    /// The row. Of duplicates the oldest that disagrees with the first, so that a caller who compares them sees one that is out of
    /// date.
    pub row: Option<AssetRow>,
    /// All rows that were found.
    pub known: KnownRows,
}

/// A content and the row of a video under it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentLook {
    /// Whether the content exists.
    pub content_exists: bool,
    /// The video's row under this content; a row under another content is not found.
    pub found: FoundRow,
}

/// The two tables.
pub trait Catalog: Send + Sync {
    /// Returns whether the content `id` exists, and the row of a video under it. One request; cheap without an index on URLs.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn look(
        &self,
        video_url: &str,
        id: ContentId,
    ) -> impl Future<Output = Result<ContentLook, CatalogError>> + Send;

    /// Returns the row of a video under any content. Without an index on URLs this reads the whole table.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn find(&self, video_url: &str) -> impl Future<Output = Result<FoundRow, CatalogError>> + Send;

    /// Makes the content `id` what a newly uploaded video says, whether it exists or not. Counts of likes stay.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn upsert_content(
        &self,
        id: ContentId,
        content: &NewContent,
    ) -> impl Future<Output = Result<(), CatalogError>> + Send;

    /// Writes the row of a video: updates all that are there, duplicates included, or else inserts one. `known` are the rows that
    /// [`look`](Self::look) or [`find`](Self::find) has found; rows that came since are found all the same.
    ///
    /// # Errors
    /// See [`CatalogError`]; [`CatalogError::NoSuchContent`] when there is no content `id`.
    fn write_asset(
        &self,
        id: ContentId,
        asset: &Asset,
        known: &KnownRows,
    ) -> impl Future<Output = Result<(), CatalogError>> + Send;

    /// Registers a video whose name has no content id: inserts a content and the video's row together, and returns the content's
    /// new id. When the video has a row already, that row is updated and its content kept.
    ///
    /// # Errors
    /// See [`CatalogError`].
    fn register(
        &self,
        content: &NewContent,
        asset: &Asset,
    ) -> impl Future<Output = Result<Registered, CatalogError>> + Send;

    /// Opens a connection that [`register`](Self::register) will need, where it needs one of its own: beside other work, so that it
    /// does not wait for it. Failures are not reported: `register` meets them again.
    fn prepare_to_register(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// The content of a registered video.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// Its id.
    pub id: ContentId,
    /// Whether the content was created.
    pub is_new: bool,
    /// Its rows, as they are by now.
    pub known: KnownRows,
}

/// A row of `video_assets`, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedRow {
    /// Its own id.
    pub id: i64,
    /// URL of the video.
    pub video_url: String,
    /// The rest of it.
    pub row: AssetRow,
}

/// A catalogue whose rows can be read one after the other, for audits.
pub trait ListRows: Catalog {
    /// Returns the first `limit` rows whose ids are larger than `after` and whose videos' URLs begin with `url_prefix`, compared as
    /// bytes, in the order of their ids. Page by page this reads the table once, by its primary key.
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

/// Fetches a secret from where it is, anew each time it is called. Clients call it when they first need the secret, and when
/// the one they have is refused.
#[cfg(feature = "mysql")]
pub type ResolveSecret = std::sync::Arc<dyn Fn(crate::secret::SecretSource) -> FetchedSecret + Send + Sync>;

/// A secret on its way.
#[cfg(feature = "mysql")]
pub type FetchedSecret =
    std::pin::Pin<Box<dyn Future<Output = Result<crate::secret::Secret, CatalogError>> + Send>>;

/// Secrets of this store, fetched anew.
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

/// A name for a socket, in a new folder that nobody else can enter.
#[cfg(feature = "mysql")]
fn private_socket() -> std::io::Result<(tempfile::TempDir, std::path::PathBuf)> {
    use std::os::unix::fs::PermissionsExt as _;

    let only_us = std::fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("posterframe-").permissions(only_us).tempdir()?;
    let socket = folder.path().join("database.sock");
    Ok((folder, socket))
}

/// Why the catalogue could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A value does not fit its column.
    #[error("{column} would have {chars} characters, more than the {MAX_URL_CHARS} of its column")]
    TooLong {
        /// The column.
        column: &'static str,
        /// Characters of the value.
        chars: usize,
    },
    /// An asset was to be written for a content that is not there.
    #[error("there is no content {id}")]
    NoSuchContent {
        /// The id.
        id: ContentId,
    },
    /// The table holds an id that is none.
    #[error("contents holds the id {id}, which is outside 1..=2147483647")]
    IdOutOfRange {
        /// The id.
        id: i64,
    },
    /// The database stored something else than it was given, without an error: a column is too narrow or its character set lacks a
    /// character, and `sql_mode` is not strict. Nothing was committed.
    #[error(
        "{table} would not hold the values as they are: a column is too narrow, or its character set lacks a character"
    )]
    Altered {
        /// The table.
        table: &'static str,
    },
    /// A table has no further id for a new row.
    #[error(
        "contents or video_assets has no further id (AUTO_INCREMENT has come to its end): a row with a very high id has used up the \
         others. Give that content a lower id; then run ALTER TABLE contents AUTO_INCREMENT = 1, or in SQLite DELETE FROM \
         sqlite_sequence WHERE name = 'contents': new ids continue behind the highest"
    )]
    NoMoreIds,
    /// The tables were made by a newer version.
    #[error("{name} has schema version {found}, and this program knows {known}: it is older than the file")]
    NewerSchema {
        /// The catalogue.
        name: String,
        /// Version of the tables.
        found: i64,
        /// Version this program knows.
        known: i64,
    },
    /// A secret could not be had.
    #[cfg(feature = "mysql")]
    #[error(transparent)]
    Secret(#[from] crate::secret::SecretError),
    /// The catalogue's API did not take a content, or could not be reached.
    #[cfg(feature = "mysql")]
    #[error("{message}")]
    Api {
        /// What that means.
        kind: ErrorKind,
        /// The status of its answer, if there was one.
        status: Option<u16>,
        /// What happened, with the beginning of the answer; never the token.
        message: String,
    },
    /// The way to the database, through the bastion, is closed.
    #[cfg(feature = "mysql")]
    #[error("bastion {bastion}: {message}")]
    Tunnel {
        /// What that means.
        kind: ErrorKind,
        /// The bastion, `host:port`.
        bastion: String,
        /// What happened; never the key.
        message: String,
    },
    /// The database's own answer.
    #[error("{name}: {source}")]
    Database {
        /// The catalogue.
        name: String,
        /// What that answer means.
        kind: ErrorKind,
        /// The answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CatalogError {
    /// The kind of failure.
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

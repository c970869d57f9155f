//! The catalogue to which a command writes.

use clap::ValueEnum;

use crate::aws;
use crate::catalog::{
    Asset, Catalog, CatalogError, FoundContent, FoundRow, KnownRows, ListRows, ListedRow, NewContent,
    Registered, RemoteCatalog, SqliteCatalog,
};
use crate::config::{Config, ConfigError, RemoteSettings};
use crate::object_name::ContentId;
use crate::secret::SecretStore;
use crate::store::kind_of_io;

/// The kind of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CatalogueKind {
    /// The file CATALOG_SQLITE
    Sqlite,
    /// Rows in MySQL (DB_HOST, ...), contents through the API (CATALOG_API_BASE, ...), as the Lambda function has them
    Mysql,
}

/// The settings of a command that writes to a store and a catalogue.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Config,
    remote: Option<RemoteSettings>,
}

impl Settings {
    /// Reads the settings that a catalogue of this kind needs. The error reports all invalid settings at once.
    pub(super) fn read(kind: CatalogueKind) -> Result<Self, ConfigError> {
        match kind {
            CatalogueKind::Sqlite => Ok(Self { config: Config::from_env()?, remote: None }),
            CatalogueKind::Mysql => {
                let (config, remote) = Config::with_remote_from_env()?;
                Ok(Self { config, remote: Some(remote) })
            }
        }
    }

    /// Opens the catalogue for reading only.
    pub(super) async fn read_only_catalogue(&self) -> Result<Catalogue, CatalogError> {
        match self.remote {
            None => Ok(Catalogue::Sqlite(SqliteCatalog::open_read_only(self.config.catalog_path()).await?)),
            Some(_) => self.catalogue().await,
        }
    }

    /// Opens the catalogue. No request is sent to MySQL or the API yet.
    pub(super) async fn catalogue(&self) -> Result<Catalogue, CatalogError> {
        let Some(remote) = &self.remote else {
            let path = self.config.catalog_path();
            let failed = |error: std::io::Error| CatalogError::Database {
                name: path.display().to_string(),
                kind: kind_of_io(&error),
                source: error.into(),
            };
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            return Ok(Catalogue::Sqlite(SqliteCatalog::open(&path).await?));
        };
        let settings = aws::settings().await;
        let secrets = SecretStore::new(&settings);
        let catalog = RemoteCatalog::new(remote, secrets, &settings)?;
        Ok(Catalogue::Remote(Box::new(catalog)))
    }

    /// Describes the place to which rows are written.
    pub(super) fn name(&self) -> String {
        let Some(RemoteSettings { database, api, .. }) = &self.remote else {
            return self.config.catalog_path().display().to_string();
        };
        format!(
            "mysql://{}:{}/{}, contents through {}",
            database.host, database.port, database.name, api.base
        )
    }
}

/// A catalogue of either kind.
#[derive(Debug, Clone)]
pub(super) enum Catalogue {
    Sqlite(SqliteCatalog),
    Remote(Box<RemoteCatalog>),
}

impl Catalogue {
    /// Closes the connections of an SQLite catalogue. Other catalogues need no orderly close.
    pub(super) async fn close(&self) {
        if let Self::Sqlite(catalog) = self {
            catalog.clone().close().await;
        }
    }
}

impl Catalog for Catalogue {
    async fn find_content(&self, video_url: &str, id: ContentId) -> Result<FoundContent, CatalogError> {
        match self {
            Self::Sqlite(catalog) => catalog.find_content(video_url, id).await,
            Self::Remote(catalog) => catalog.find_content(video_url, id).await,
        }
    }

    async fn find_row(&self, video_url: &str) -> Result<FoundRow, CatalogError> {
        match self {
            Self::Sqlite(catalog) => catalog.find_row(video_url).await,
            Self::Remote(catalog) => catalog.find_row(video_url).await,
        }
    }

    async fn prepare_to_register(&self) {
        match self {
            Self::Sqlite(catalog) => catalog.prepare_to_register().await,
            Self::Remote(catalog) => catalog.prepare_to_register().await,
        }
    }

    async fn upsert_content(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        match self {
            Self::Sqlite(catalog) => catalog.upsert_content(id, content).await,
            Self::Remote(catalog) => catalog.upsert_content(id, content).await,
        }
    }

    async fn write_asset(&self, id: ContentId, asset: &Asset, known: &KnownRows) -> Result<(), CatalogError> {
        match self {
            Self::Sqlite(catalog) => catalog.write_asset(id, asset, known).await,
            Self::Remote(catalog) => catalog.write_asset(id, asset, known).await,
        }
    }

    async fn register(&self, content: &NewContent, asset: &Asset) -> Result<Registered, CatalogError> {
        match self {
            Self::Sqlite(catalog) => catalog.register(content, asset).await,
            Self::Remote(catalog) => catalog.register(content, asset).await,
        }
    }
}

impl ListRows for Catalogue {
    async fn list_rows(
        &self,
        url_prefix: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ListedRow>, CatalogError> {
        match self {
            Self::Sqlite(catalog) => catalog.list_rows(url_prefix, after, limit).await,
            Self::Remote(catalog) => catalog.list_rows(url_prefix, after, limit).await,
        }
    }
}

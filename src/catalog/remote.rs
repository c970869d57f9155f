//! The catalogue of the Lambda function: rows in MySQL, contents through the API.

use std::sync::Arc;

use aws_types::SdkConfig;

use super::{
    Asset, Catalog, CatalogApi, CatalogError, FoundContent, FoundRow, KnownRows, ListRows, ListedRow,
    MySqlCatalog, NewContent, Registered, anew,
};
use crate::config::RemoteSettings;
use crate::object_name::ContentId;
use crate::secret::SecretStore;

/// A [`Catalog`] that stores rows in MySQL and writes contents through the API. Clones share their connections.
#[derive(Debug, Clone)]
pub struct RemoteCatalog {
    rows: MySqlCatalog,
    api: Arc<CatalogApi>,
}

impl RemoteCatalog {
    /// Creates the catalogue that the settings describe. No connection is opened yet.
    ///
    /// # Errors
    /// An error of kind [`Config`](crate::ErrorKind::Config) when a setting cannot be used.
    pub fn new(
        settings: &RemoteSettings,
        secrets: SecretStore,
        aws: &SdkConfig,
    ) -> Result<Self, CatalogError> {
        let api = Arc::new(CatalogApi::new(&settings.api, anew(secrets.clone()))?);
        Ok(Self { rows: MySqlCatalog::new(&settings.database, secrets, aws)?, api })
    }
}

impl Catalog for RemoteCatalog {
    async fn find_content(&self, video_url: &str, id: ContentId) -> Result<FoundContent, CatalogError> {
        self.rows.find_content(video_url, id).await
    }

    async fn find_row(&self, video_url: &str) -> Result<FoundRow, CatalogError> {
        self.rows.find_row(video_url).await
    }

    async fn prepare_to_register(&self) {
        self.rows.prepare_to_register().await;
    }

    async fn upsert_content(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        self.api.upsert(id, content).await
    }

    async fn write_asset(&self, id: ContentId, asset: &Asset, known: &KnownRows) -> Result<(), CatalogError> {
        self.rows.write_asset(id, asset, known).await
    }

    async fn register(&self, content: &NewContent, asset: &Asset) -> Result<Registered, CatalogError> {
        self.rows.register(content, asset).await
    }
}

impl ListRows for RemoteCatalog {
    async fn list_rows(
        &self,
        url_prefix: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ListedRow>, CatalogError> {
        self.rows.list_rows(url_prefix, after, limit).await
    }
}

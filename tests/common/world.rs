//! The servers that the function, or the command line program in its place, needs: S3, MySQL, the catalogue's API.
//! A test crate includes this file with
//! `#[path = "common/world.rs"] mod world;`, beside `catalogue_api`, `programs` and `servers`.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sqlx::Row as _;

use crate::catalogue_api::CatalogueServer;
use crate::programs::database::{DATABASE, Database, PASSWORD, USER};
use crate::programs::runtime_api::Lambda;
use crate::programs::{Outcome, in_repository};
use crate::servers::Certificate;
use crate::servers::s3_server::{BUCKET, S3Server};

pub(crate) const FUNCTION: &str = env!("CARGO_BIN_EXE_posterframe-lambda");

pub(crate) const TOKEN: &str = "canary-internal-token";

pub(crate) fn run<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

pub(crate) fn film() -> Outcome<Vec<u8>> {
    Ok(fs::read(in_repository("tests/fixtures/h264_end.mp4"))?)
}

/// Another video, with another length.
pub(crate) fn other_film() -> Outcome<Vec<u8>> {
    Ok(fs::read(in_repository("tests/fixtures/h264_front.mp4"))?)
}

/// The servers that a function needs.
pub(crate) struct World {
    pub(crate) s3: S3Server,
    pub(crate) database: Database,
    pub(crate) api: CatalogueServer,
}

impl World {
    pub(crate) async fn new() -> Outcome<Self> {
        let database = Database::start().await?;
        let api = CatalogueServer::start_over(TOKEN, database.socket(), DATABASE)?;
        Ok(Self { s3: S3Server::start()?, database, api })
    }

    /// As in the cloud: everything over TLS, with certificates of one authority.
    pub(crate) async fn new_over_tls() -> Outcome<Self> {
        let database = Database::start().await?;
        let (chain, key) = database.certificate();
        let certificate = (chain.clone(), key.clone());
        let api = CatalogueServer::start_over_with_tls(TOKEN, database.socket(), DATABASE, certificate)?;
        Ok(Self { s3: S3Server::start_with(Some(&Certificate { chain, key }))?, database, api })
    }

    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let fixed = [
            ("DB_HOST", "127.0.0.1"),
            ("DB_USER", USER),
            ("DB_PASSWORD", PASSWORD),
            ("DB_NAME", DATABASE),
            ("INTERNAL_TOKEN", TOKEN),
            ("FFMPEG_PATH", "/usr/local/bin/ffmpeg"),
        ];
        let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
        let own = [
            ("RDS_PORT", self.database.port().to_string()),
            ("DB_SSL_CA", self.database.ca().display().to_string()),
            ("CATALOG_API_BASE", self.api.base()),
        ];
        self.s3.settings().into_iter().chain(fixed).chain(own).collect()
    }

    pub(crate) fn function(&self) -> Outcome<Lambda> {
        Lambda::start(FUNCTION, &self.settings())
    }

    /// The catalogue's entry for each video: content, title, URLs, seconds.
    pub(crate) async fn rows(&self) -> Outcome<Vec<(i32, String, String, String, i32)>> {
        let select = "SELECT c.id, c.title, v.video_url, v.thumbnail_url, v.duration \
                      FROM video_assets v JOIN contents c ON c.id = v.content_id ORDER BY v.id";
        let rows = self.database.rows(select).await?;
        let row = |row: &sqlx::mysql::MySqlRow| {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?))
        };
        rows.iter().map(row).collect()
    }

    pub(crate) fn thumbnail(&self, key: &str) -> PathBuf {
        self.s3.folder().join(BUCKET).join(key)
    }
}

/// The short test event of the replaced Lambda, with these keys.
pub(crate) fn event(keys: &[&str]) -> Value {
    let records = keys.iter().map(|key| json!({"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}));
    json!({"Records": records.collect::<Vec<_>>()})
}

//! Checks that a proxy can share server connections between our idle clients. MySQL Router in front of a real MySQL is the proxy.
//! `make test-mysql` runs this test. Plain `cargo test` does not, because only Debian unstable has both programs.

mod common;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/servers.rs"]
mod servers;

use std::time::Duration;

use posterframe::catalog::{Asset, KnownRows, MySqlCatalog, NewContent};
use posterframe::config::DatabaseSettings;
use posterframe::object_name::ContentId;
use posterframe::secret::SecretStore;
use programs::database::{DATABASE, Database, Kind, PASSWORD, USER};
use programs::router::Router;
use programs::{Outcome, pause};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{ConnectOptions as _, Connection as _};

const CLIENTS: usize = 8;

/// The time that the router needs to take back and close the connections that are not pinned.
const GIVEN_BACK: Duration = Duration::from_secs(2);

fn settings(database: &Database, router: &Router) -> Outcome<DatabaseSettings> {
    Ok(database
        .settings("token", &[("RDS_PORT", &router.port().to_string()), ("PROXY_ENDPOINT", "127.0.0.1")])?
        .database)
}

async fn held(database: &Database) -> Outcome<i64> {
    pause(GIVEN_BACK);
    let sessions = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{USER}'");
    database.number(&sessions).await
}

async fn client(database: &Database, router: &Router) -> Outcome<MySqlConnection> {
    let options = MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(router.port())
        .username(USER)
        .password(PASSWORD)
        .database(DATABASE)
        .ssl_mode(MySqlSslMode::VerifyCa)
        .ssl_ca(database.ca());
    Ok(options.connect().await?)
}

#[test]
fn idle_environments_hold_no_connection_of_the_server() -> Outcome {
    assert_eq!(Kind::wanted(), Kind::MySql, "run it by `make test-mysql`");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let database = Database::start().await?;
        let router = Router::start(&database)?;
        let settings = settings(&database, &router)?;
        let aws = aws_types::SdkConfig::builder().build();
        let mut environments = Vec::new();
        for number in 0..CLIENTS {
            let rows = MySqlCatalog::new(&settings, SecretStore::new(&aws), &aws)?;
            let url = |folder: &str, ending: &str| format!("s3://films/{folder}/{number}.{ending}");
            let asset = Asset::new(url("videos", "mp4"), url("thumbnails", "jpg"))?;
            let content = NewContent {
                title: "Film".to_owned(),
                description: "Uploaded video: film".to_owned(),
                age_rating: "ALL".to_owned(),
            };
            // Everything that a Lambda environment does: search, register under a named lock, write a row, and look up a row.
            rows.find_row(asset.video_url()).await?;
            let id: ContentId = rows.register(&content, &asset).await?.id;
            rows.write_asset(id, &asset.clone().with_duration(7), &KnownRows::default()).await?;
            rows.find_content(asset.video_url(), id).await?;
            assert!(rows.find_content("s3://films/x", id).await?.content_exists);
            environments.push(rows);
        }
        // All clients are connected, and none of them keeps a server connection.
        assert_eq!(held(&database).await?, 0);
        // The clients continue without an error.
        for rows in &environments {
            rows.find_row("s3://films/videos/0.mp4").await?;
        }
        assert_eq!(held(&database).await?, 0);

        // Proof that pinning happens in this set-up: each client with a prepared statement keeps its own server connection.
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = client(&database, &router).await?;
            sqlx::query("SELECT ?").bind(1).execute(&mut client).await?;
            clients.push(client);
        }
        assert_eq!(held(&database).await?, i64::try_from(CLIENTS)?);
        for client in clients {
            client.close().await?;
        }
        Ok(())
    })
}

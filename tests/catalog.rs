//! Tests the guarantees of every `Catalog`, and those that the SQLite file adds.

use std::error::Error;
use std::path::Path;

use posterframe::ErrorKind;
use posterframe::catalog::{Asset, Catalog, CatalogError, KnownRows, SQLITE_SCHEMA, SqliteCatalog};
use posterframe::object_name::ContentId;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

#[path = "common/catalog_promises.rs"]
mod catalog_promises;

use catalog_promises::{asset, conforms, content, id, registers};

type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

fn run<T>(
    work: impl Future<Output = Result<T, Box<dyn Error + Send + Sync>>>,
) -> Result<T, Box<dyn Error + Send + Sync>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await
}

async fn execute(path: &Path, sql: &str) -> TestResult {
    let mut connection = connect(path).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Runs a query that returns one number or text, and returns it as text.
async fn ask(path: &Path, sql: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut connection = connect(path).await?;
    let sql = format!("SELECT CAST(({sql}) AS TEXT)");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(row.try_get::<Option<String>, _>(0)?.unwrap_or_default())
}

#[test]
fn sqlite_conforms() -> TestResult {
    let folder = tempfile::tempdir()?;
    run(async {
        conforms(&SqliteCatalog::open(folder.path().join("a.sqlite3")).await?).await?;
        registers(&SqliteCatalog::open(folder.path().join("b.sqlite3")).await?).await
    })
}

#[test]
fn sqlite_tells_that_ids_are_used_up() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.sqlite3");
    run(async {
        let catalog = SqliteCatalog::open(&path).await?;
        catalog.upsert_content(id(2_147_483_647)?, &content("x_y.mp4")?).await?;
        let (movie, film) = (content("my_movie.mp4")?, asset("my_movie", 1)?);
        let error = catalog.register(&movie, &film).await.err().ok_or("there was an id")?;
        assert!(matches!(error, CatalogError::NoMoreIds), "{error}");
        // The remedy that the error message describes.
        execute(&path, "UPDATE contents SET id = 40; DELETE FROM sqlite_sequence WHERE name = 'contents'")
            .await?;
        assert_eq!(catalog.register(&movie, &film).await?.id, id(41)?);
        Ok(())
    })
}

#[test]
fn urls_are_measured_in_characters_before_any_write() -> TestResult {
    let url = "가".repeat(500);
    assert!(Asset::new(url.as_str(), url.as_str()).is_ok());
    for (video, thumbnail) in [(format!("{url}x"), url.clone()), (url.clone(), format!("{url}x"))] {
        let error = Asset::new(video, thumbnail).err().ok_or("it was accepted")?;
        assert!(matches!(error, CatalogError::TooLong { chars: 501, .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    }
    Ok(())
}

#[test]
fn sqlite_has_the_tables_of_the_mysql_database() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("catalog.sqlite3");
    run(async {
        SqliteCatalog::open(&path).await?.close().await;
        let columns = |table: &str| {
            format!(
                "SELECT group_concat(name || ' ' || type || ' ' || \"notnull\", ', ') FROM pragma_table_info('{table}')"
            )
        };
        assert_eq!(
            ask(&path, &columns("contents")).await?,
            "id INTEGER 0, title VARCHAR(255) 1, description TEXT 0, age_rating VARCHAR(10) 0, like_count INT 0, \
             created_at TIMESTAMP 0, updated_at TIMESTAMP 0"
        );
        assert_eq!(
            ask(&path, &columns("video_assets")).await?,
            "id INTEGER 0, content_id INT 1, video_url VARCHAR(500) 1, thumbnail_url VARCHAR(500) 1, duration INT 1, \
             created_at TIMESTAMP 0"
        );
        assert_eq!(ask(&path, "SELECT journal_mode FROM pragma_journal_mode").await?, "wal");
        Ok(())
    })
}

#[test]
fn sqlite_writes_what_the_catalogue_api_would() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("catalog.sqlite3");
    run(async {
        let catalog = SqliteCatalog::open(&path).await?;
        catalog.upsert_content(id(1)?, &content("videos/1_test_video.mp4")?).await?;
        let row =
            "SELECT concat_ws('|', title, description, age_rating, like_count) FROM contents WHERE id = 1";
        assert_eq!(ask(&path, row).await?, "Test Video|Uploaded video: test_video|ALL|0");

        // Users change the likes; a new upload replaces title, description and rating.
        execute(&path, "UPDATE contents SET like_count = 5, title = 'Edited', age_rating = '15'").await?;
        catalog.upsert_content(id(1)?, &content("videos/1_test_video.mp4")?).await?;
        assert_eq!(ask(&path, row).await?, "Test Video|Uploaded video: test_video|ALL|5");
        Ok(())
    })
}

#[test]
fn sqlite_updates_updated_at_as_mysql_does() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("catalog.sqlite3");
    run(async {
        let catalog = SqliteCatalog::open(&path).await?;
        catalog.upsert_content(id(1)?, &content("1_x.mp4")?).await?;
        let updated = "SELECT updated_at FROM contents";
        execute(&path, "UPDATE contents SET updated_at = '2020-01-01 00:00:00'").await?;
        assert_eq!(ask(&path, updated).await?, "2020-01-01 00:00:00", "set by hand, it stays");
        catalog.upsert_content(id(1)?, &content("1_x.mp4")?).await?;
        assert_eq!(ask(&path, updated).await?, "2020-01-01 00:00:00", "nothing has changed");
        execute(&path, "UPDATE contents SET title = 'Edited'").await?;
        assert_ne!(ask(&path, updated).await?, "2020-01-01 00:00:00");
        Ok(())
    })
}

#[test]
fn sqlite_updates_doubles_and_deletes_none() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("catalog.sqlite3");
    run(async {
        let catalog = SqliteCatalog::open(&path).await?;
        catalog.upsert_content(id(1)?, &content("1_x.mp4")?).await?;
        catalog.write_asset(id(1)?, &asset("1_x", 10)?, &KnownRows::default()).await?;
        let double = "INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) \
                      SELECT 1, video_url, 'old', 9 FROM video_assets";
        execute(&path, double).await?;
        // Of two rows, `find_row` returns the outdated one.
        let row = catalog.find_row(asset("1_x", 0)?.video_url()).await?.row.ok_or("no row")?;
        assert_eq!((row.thumbnail_url.as_str(), row.duration), ("old", 9));
        catalog.write_asset(id(1)?, &asset("1_x", 11)?, &KnownRows::default()).await?;
        let rows = "SELECT group_concat(thumbnail_url || ' ' || duration, ', ') FROM video_assets";
        let expected = "s3://films/thumbnails/1_x.jpg 11, s3://films/thumbnails/1_x.jpg 11";
        assert_eq!(ask(&path, rows).await?, expected);
        assert_eq!(catalog.register(&content("1_x.mp4")?, &asset("1_x", 12)?).await?.id, id(1)?);
        assert_eq!(ask(&path, "SELECT count(*) FROM video_assets WHERE duration = 12").await?, "2");
        Ok(())
    })
}

#[test]
fn sqlite_takes_over_tables_that_are_there() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("catalog.sqlite3");
    run(async {
        execute(&path, SQLITE_SCHEMA).await?;
        execute(&path, "INSERT INTO contents (id, title) VALUES (5, 'Mine')").await?;
        let catalog = SqliteCatalog::open(&path).await?;
        assert_eq!(ask(&path, "SELECT title FROM contents").await?, "Mine");
        registers(&catalog).await
    })
}

#[test]
fn sqlite_says_what_is_wrong_with_the_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("text"),
        "this is a text, and not at all a database, however long it may be made to be",
    )?;
    run(async {
        execute(&at("newer"), "PRAGMA user_version = 99").await?;
        execute(&at("other"), "PRAGMA user_version = 1; CREATE TABLE video_assets (id INTEGER)").await?;
        let cases =
            [("text", ErrorKind::Malformed), ("newer", ErrorKind::Config), ("no/file", ErrorKind::NotFound)];
        for (name, kind) in cases {
            let error = SqliteCatalog::open(at(name)).await.err().ok_or("it was opened")?;
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let other = SqliteCatalog::open(at("other")).await?.find_row("x").await;
        assert!(other.is_err_and(|error| error.kind() == ErrorKind::Config));
        Ok(())
    })
}

/// Each worker opens the file itself and does what the job does. In the first rounds, the workers also compete to create the tables.
#[test]
fn sqlite_workers_at_once_leave_one_row_each() -> TestResult {
    let folder = tempfile::tempdir()?;
    for round in 0..15 {
        let path = folder.path().join(format!("{round}.sqlite3"));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || work(&path).map_err(|error| error.to_string()))
            })
            .collect();
        let mut ids = Vec::new();
        for worker in workers {
            ids.push(worker.join().map_err(|_| "a worker panicked")??);
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "all workers got the same content");
        run(async {
            assert_eq!(ask(&path, "SELECT count(*) FROM contents").await?, "2");
            assert_eq!(ask(&path, "SELECT count(*) FROM video_assets").await?, "2");
            Ok(())
        })?;
    }
    Ok(())
}

fn work(path: &Path) -> Result<ContentId, Box<dyn Error + Send + Sync>> {
    run(async {
        let catalog = SqliteCatalog::open(path).await?;
        catalog.upsert_content(id(1000)?, &content("1000_x.mp4")?).await?;
        catalog.write_asset(id(1000)?, &asset("1000_x", 10)?, &KnownRows::default()).await?;
        let registered = catalog.register(&content("my_movie.mp4")?, &asset("my_movie", 10)?).await?.id;
        catalog.close().await;
        Ok(registered)
    })
}

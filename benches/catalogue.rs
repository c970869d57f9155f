//! The catalogue's statements in a database with a million videos: the server's plan of each (EXPLAIN), and the time that twenty workers
//! take, without and with the optional index; and the time of listing all rows.
//! `cargo bench --features static,lambda --bench catalogue`, with `TEST_DATABASE=mysql` in the MySQL of `scripts/mysql.sh`.

#![expect(clippy::print_stdout, reason = "its tables are what it is for")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/ports.rs"]
mod ports;
#[path = "../tests/common/programs.rs"]
mod programs;
#[path = "../tests/common/servers.rs"]
mod servers;

use std::time::{Duration, Instant};

use posterframe::catalog::{Asset, KnownRows, MySqlCatalog, NewContent};
use posterframe::config::DatabaseSettings;
use posterframe::object_name::ContentId;
use posterframe::secret::SecretStore;
use programs::Outcome;
use programs::database::{Database, optional_migration};
use sqlx::Row as _;

const WORKERS: u32 = 20;

/// Rows of a page, as in an audit.
const PAGE: u32 = 5000;

/// Arguments of the server: a table of this size fits into its memory, as in Aurora.
const SERVER: [&str; 1] = ["--innodb-buffer-pool-size=1G"];

fn settings(database: &Database) -> Outcome<DatabaseSettings> {
    Ok(database.settings("token", &[])?.database)
}

fn asset(name: &str, seconds: u32) -> Outcome<Asset> {
    let asset =
        Asset::new(format!("s3://films/videos/{name}.mp4"), format!("s3://films/thumbnails/{name}.jpg"))?;
    Ok(asset.with_duration(seconds))
}

fn stored(number: u32, seconds: u32) -> Outcome<Asset> {
    asset(&format!("{number}_x"), seconds)
}

fn content(title: &str) -> NewContent {
    NewContent {
        title: title.to_owned(),
        description: format!("Uploaded video: {title}"),
        age_rating: "ALL".to_owned(),
    }
}

fn id(number: u32) -> Outcome<ContentId> {
    Ok(ContentId::new(i64::from(number)).ok_or("no content's id")?)
}

fn worker(settings: &DatabaseSettings) -> Outcome<MySqlCatalog> {
    let aws = aws_types::SdkConfig::builder().build();
    Ok(MySqlCatalog::new(settings, SecretStore::new(&aws), &aws)?)
}

/// Prints the server's plan of each statement that the catalogue sends, taken from the server's log.
async fn explain(database: &Database, videos: u32) -> Outcome {
    let catalog = worker(&settings(database)?)?;
    database.log_statements().await?;
    let (known, replaced) = (id(videos / 2)?, stored(videos / 2, 61)?);
    catalog.find_content(replaced.video_url(), known).await?;
    catalog.find_content("s3://films/x", known).await?;
    catalog.write_asset(known, &replaced, &KnownRows::default()).await?;
    let (other, more, without) =
        (id(videos / 3)?, asset("another_of_the_same_content", 5)?, asset("without_id", 5)?);
    catalog.write_asset(other, &more, &KnownRows::default()).await?;
    catalog.register(&content("without id"), &without).await?;
    catalog.list_rows("s3://films/", i64::from(videos / 2), PAGE).await?;
    database.rows("SET GLOBAL general_log = OFF").await?;
    let log = database.logged()?;
    let statements =
        log.lines().filter_map(|line| line.split_once("Query\t")).map(|(_, statement)| statement);
    let mut seen = Vec::new();
    println!("| statement | access | key | rows | extra |\n|---|---|---|---|---|");
    for statement in statements {
        // An INSERT of values has no plan.
        let is_plain = statement.starts_with("SELECT") || statement.starts_with("UPDATE");
        let shown = shown(statement);
        if !is_plain || statement.contains("_LOCK(") || seen.contains(&shown) {
            continue;
        }
        let (rows, how) = database.explain(statement).await?;
        let [access, key, extra] = how.map(|text| text.replace('|', " with "));
        println!("| `{shown}` | {access} | {key} | {rows} | {extra} |");
        seen.push(shown);
    }
    Ok(())
}

/// A statement without its literals.
fn shown(statement: &str) -> String {
    let mut words = String::new();
    let mut rest = statement;
    while let Some((before, literal)) = rest.split_once("x'") {
        words += before.trim_end_matches("_utf8mb4 ");
        words.push('?');
        rest = literal.split_once('\'').map_or("", |(_, after)| after);
    }
    words += rest;
    let is_number = |word: &str| word.trim_matches(['(', ')', ',']).parse::<u64>().is_ok();
    let without = |word: &str| word.replace(|character: char| character.is_ascii_digit(), "");
    let words = words
        .split(' ')
        .map(|word| if is_number(word) { format!("n{}", without(word)) } else { word.to_owned() });
    words.collect::<Vec<_>>().join(" ").replace("n()", "(n)")
}

/// All workers run `work` at the same time, each with its number and each round. Returns the times of the rounds.
async fn together<W, F>(settings: &DatabaseSettings, rounds: u32, work: W) -> Outcome<Vec<Duration>>
where
    W: Fn(MySqlCatalog, u32, u32) -> F + Copy + Send + 'static,
    F: Future<Output = Result<(), String>> + Send,
{
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..WORKERS {
        let catalog = worker(settings)?;
        tasks.spawn(async move {
            // The connection exists before the clock starts.
            let one = ContentId::new(1).ok_or("no content's id")?;
            catalog.find_content("s3://films/x", one).await.map_err(|error| error.to_string())?;
            let mut times = Vec::new();
            for round in 0..rounds {
                let started = Instant::now();
                work(catalog.clone(), number, round).await?;
                times.push(started.elapsed());
            }
            Ok::<_, String>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(times)
}

/// Prints one line of the table: the work of twenty workers, its times, and the waits for locks.
async fn line<W, F>(database: &Database, what: &str, rounds: u32, work: W) -> Outcome
where
    W: Fn(MySqlCatalog, u32, u32) -> F + Copy + Send + 'static,
    F: Future<Output = Result<(), String>> + Send,
{
    let before = waits(database).await?;
    let settings = settings(database)?;
    let mut times = together(&settings, rounds, work).await?;
    times.sort();
    let after = waits(database).await?;
    let share = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(times.len() - 1));
        time.map_or(0.0, Duration::as_secs_f64) * 1000.0
    };
    let count = times.len();
    let (half, most, last) = (share(50), share(95), share(100));
    println!(
        "| {what} | {count} | {half:.1} | {most:.1} | {last:.1} | {} | {} | {} |",
        after.0 - before.0,
        after.1 - before.1,
        after.2 - before.2
    );
    Ok(())
}

/// The number of waits for a row lock, their total milliseconds, and the number of deadlocks.
async fn waits(database: &Database) -> Outcome<(u64, u64, u64)> {
    let waits = database.status("Innodb_row_lock_waits").await?;
    let waited = database.status("Innodb_row_lock_time").await?;
    Ok((waits, waited, database.deadlocks().await?))
}

async fn times(database: &Database, videos: u32, run: u32) -> Outcome {
    println!(
        "| {WORKERS} workers at once | times | median ms | p95 ms | most ms | lock waits | waited ms | deadlocks |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    line(database, "row of a known content", 200, move |catalog, number, round| async move {
        let number = 1 + (number * 7919 + round * 104_729) % videos;
        let asset = stored(number, 60).map_err(|error| error.to_string())?;
        let id = id(number).map_err(|error| error.to_string())?;
        let found = catalog.find_content(asset.video_url(), id).await.map_err(|error| error.to_string())?;
        found.found.row.map(drop).ok_or_else(|| format!("no row of {number}"))
    })
    .await?;
    line(
        database,
        "row written again, with another duration",
        50,
        move |catalog, number, round| async move {
            let number = 1 + (number * 7919 + round * 104_729) % videos;
            let asset = stored(number, 70 + run).map_err(|error| error.to_string())?;
            let id = id(number).map_err(|error| error.to_string())?;
            catalog.write_asset(id, &asset, &KnownRows::default()).await.map_err(|error| error.to_string())
        },
    )
    .await?;
    line(database, "all of them the same row", 50, move |catalog, number, round| async move {
        let seconds = 1000 * (run + 1) + number * 100 + round;
        let asset = stored(77, seconds).map_err(|error| error.to_string())?;
        let id = id(77).map_err(|error| error.to_string())?;
        catalog.write_asset(id, &asset, &KnownRows::default()).await.map_err(|error| error.to_string())
    })
    .await?;
    line(database, "first row of a new video with an id", 5, move |catalog, number, round| async move {
        let content = 1 + number * 1000 + round;
        let name = format!("{content}_new_{run}");
        let asset = asset(&name, 60).map_err(|error| error.to_string())?;
        let id = id(content).map_err(|error| error.to_string())?;
        catalog.write_asset(id, &asset, &KnownRows::default()).await.map_err(|error| error.to_string())
    })
    .await?;
    line(database, "new video without an id", 5, move |catalog, number, round| async move {
        let name = format!("film_{run}_{number}_{round}");
        let asset = asset(&name, 60).map_err(|error| error.to_string())?;
        catalog.register(&content(&name), &asset).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    line(database, "all of them the same new video without an id", 1, move |catalog, _, round| async move {
        let name = format!("same_{run}_{round}");
        let asset = asset(&name, 60).map_err(|error| error.to_string())?;
        catalog.register(&content(&name), &asset).await.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    let doubles = "SELECT COUNT(*) - COUNT(DISTINCT video_url) FROM video_assets";
    match database.number(doubles).await? {
        0 => Ok(()),
        doubles => Err(format!("{doubles} doubles").into()),
    }
}

/// Prints the time of reading all rows page by page, as an audit does.
async fn list(database: &Database) -> Outcome {
    let catalog = worker(&settings(database)?)?;
    let (mut rows, mut pages, mut last, started) = (0, 0, 0, Instant::now());
    loop {
        let page = catalog.list_rows("s3://films/", last, PAGE).await?;
        let Some(row) = page.last() else { break };
        last = row.id;
        rows += page.len();
        pages += 1;
    }
    println!("\n{rows} rows listed in {pages} pages: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

async fn measure(videos: u32) -> Outcome {
    let database = Database::start_with(true, &SERVER).await?;
    database.fill(videos).await?;
    println!("{videos} videos, {}\n", version(&database).await?);
    println!("The tables as they are:\n");
    explain(&database, videos).await?;
    println!();
    times(&database, videos, 0).await?;
    let (migration, started) = (optional_migration("index")?, Instant::now());
    database.rows(&migration).await?;
    println!("\nWith the optional index, which took {:.1} s:\n", started.elapsed().as_secs_f64());
    explain(&database, videos).await?;
    println!();
    times(&database, videos, 1).await?;
    list(&database).await
}

async fn version(database: &Database) -> Outcome<String> {
    let rows = database.rows("SELECT CONVERT(VERSION() USING utf8mb4)").await?;
    Ok(rows.first().ok_or("no version")?.try_get(0)?)
}

fn main() -> Outcome {
    // cargo adds `--bench`.
    let videos = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(videos))
}

//! The built function inside a runtime API and inside AWS's emulator, with S3, MariaDB and FastAPI on this machine, all over TLS:
//! INIT, first and later invocations, processor time, memory. `cargo bench --features static,lambda --bench lambda -- VIDEO`

#![expect(clippy::print_stdout, reason = "its table is what it is for")]

#[path = "../tests/common/catalogue_api.rs"]
mod catalogue_api;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/programs.rs"]
mod programs;
#[path = "../tests/common/servers.rs"]
mod servers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use catalogue_api::CatalogueServer;
use programs::database::{DATABASE, Database, PASSWORD, USER};
use programs::emulator::Emulator;
use programs::runtime_api::Lambda;
use programs::{Outcome, in_repository};
use serde_json::{Value, json};
use servers::Certificate;
use servers::s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

const FUNCTION: &str = env!("CARGO_BIN_EXE_posterframe-lambda");
const TOKEN: &str = "token";
const ROUNDS: u32 = 11;

fn event(keys: &[String]) -> Value {
    let records = keys.iter().map(|key| json!({"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}));
    json!({"Records": records.collect::<Vec<_>>()})
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

async fn measure(video: PathBuf) -> Outcome {
    let database = Database::start().await?;
    let (chain, key) = database.certificate();
    let api = CatalogueServer::start_over_with_tls(
        TOKEN,
        database.socket(),
        DATABASE,
        (chain.clone(), key.clone()),
    )?;
    let s3 = S3Server::start_with(Some(&Certificate { chain, key }))?;
    let settings = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL", s3.endpoint()),
        ("DB_HOST", "127.0.0.1".to_owned()),
        ("RDS_PORT", database.port().to_string()),
        ("DB_USER", USER.to_owned()),
        ("DB_PASSWORD", PASSWORD.to_owned()),
        ("DB_NAME", DATABASE.to_owned()),
        ("DB_SSL_CA", database.ca().display().to_string()),
        ("SSL_CERT_FILE", database.ca().display().to_string()),
        ("CATALOG_API_BASE", api.base()),
        ("INTERNAL_TOKEN", TOKEN.to_owned()),
    ];
    let key = |number: u32| format!("videos/{number}_film.mp4");
    let bytes = std::fs::read(&video)?;
    for number in 1..=ROUNDS + 8 {
        s3.put(&key(number), &bytes)?;
    }
    drop(bytes);
    let (mut init, mut first, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=ROUNDS {
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let started = Instant::now();
        function.invoke(&event(&[key(number)]))?.response()?;
        init.push(function.init);
        first.push(started.elapsed());
        whole.push(function.init + started.elapsed());
    }
    // Other settings make the thumbnails again: every later invocation is a whole job.
    let again: Vec<_> = settings.into_iter().chain([("THUMBNAIL_QUALITY", "84".to_owned())]).collect();
    let mut function = Lambda::start(FUNCTION, &again)?;
    function.invoke(&event(&[key(ROUNDS + 1)]))?.response()?;
    let (mut later, ticks) = (Vec::new(), function.processor_ticks()?);
    for number in 1..=ROUNDS {
        let started = Instant::now();
        function.invoke(&event(&[key(number)]))?.response()?;
        later.push(started.elapsed());
    }
    let processor = (function.processor_ticks()? - ticks) as f64 * 10.0 / f64::from(ROUNDS);
    let one = function.peak_memory()?;
    let mut function = Lambda::start(FUNCTION, &again)?;
    let keys: Vec<_> = (ROUNDS + 2..ROUNDS + 6).map(key).collect();
    function.invoke(&event(&keys))?.response()?;
    let four = function.peak_memory()?;
    let (emulated_init, emulated_first, emulated_later) = emulated(&again, ROUNDS + 6).await?;
    let size = std::fs::metadata(FUNCTION)?.len();
    println!("| what | figure |\n|---|---|");
    println!("| INIT | {:.0} ms |", median(init));
    println!(
        "| first invocation, connections to S3, database and API over TLS and all | {:.0} ms |",
        median(first)
    );
    println!("| process start to its answer | {:.0} ms |", median(whole));
    println!("| later invocation, the whole job | {:.0} ms |", median(later));
    println!("| processor time of a later invocation | {processor:.0} ms |");
    println!("| most memory resident, one object at a time | {} MiB |", one / 1024);
    println!("| the same, four objects of one event | {} MiB |", four / 1024);
    println!("| INIT as AWS's emulator reports it | {emulated_init:.0} ms |");
    println!("| first invocation through the emulator, INIT included | {emulated_first:.0} ms |");
    println!("| later invocation through the emulator, the whole job | {emulated_later:.0} ms |");
    println!("| the program | {:.1} MB |", size as f64 / 1e6);
    Ok(())
}

/// Medians through AWS's emulator: INIT as it reports it, the first invocation, a later one.
async fn emulated(settings: &[(&str, String)], first_key: u32) -> Outcome<(f64, f64, f64)> {
    let key = |number: u32| format!("videos/{number}_film.mp4");
    let (mut init, mut first, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // A thumbnail of another quality is made again.
        let quality = ("THUMBNAIL_QUALITY", (40 + round).to_string());
        let settings: Vec<_> = settings.iter().cloned().chain([quality]).collect();
        let emulator = Emulator::start(FUNCTION, &settings, 60)?;
        let mut numbers = first_key..;
        for times in [&mut first, &mut later] {
            let number = numbers.next().ok_or("no more videos")?;
            let started = Instant::now();
            let answer = emulator.invoke(&event(&[key(number)])).await?;
            times.push(started.elapsed());
            if answer["results"][0]["status"] != "processed" {
                return Err(format!("{answer}").into());
            }
        }
        let log = emulator.log().text();
        let report = log.split("INIT REPORT(durationMs: ").nth(1).ok_or("no INIT REPORT")?;
        let took: f64 = report.split(')').next().unwrap_or_default().parse()?;
        init.push(Duration::from_secs_f64(took / 1000.0));
    }
    Ok((median(init), median(first), median(later)))
}

fn main() -> Outcome {
    // cargo adds `--bench`.
    let video = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let video = video.map_or_else(|| in_repository("tests/fixtures/h264_end.mp4"), PathBuf::from);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(video))
}

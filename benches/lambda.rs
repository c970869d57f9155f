//! The built function inside a runtime API and inside AWS's emulator, with S3, MariaDB and FastAPI on this machine, everything over TLS:
//! INIT, first and later invocations, processor time, memory. `cargo bench --features static,lambda --bench lambda -- VIDEO`

#![expect(clippy::print_stdout, reason = "its table is what it is for")]

#[path = "../tests/common/catalogue_api.rs"]
mod catalogue_api;
#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/ports.rs"]
mod ports;
#[path = "../tests/common/programs.rs"]
mod programs;
#[path = "../tests/common/servers.rs"]
mod servers;
#[path = "../tests/common/world.rs"]
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use programs::emulator::Emulator;
use programs::runtime_api::Lambda;
use programs::{Outcome, in_repository};
use world::{FUNCTION, World, event};

const ROUNDS: u32 = 11;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

async fn measure(video: PathBuf) -> Outcome {
    let world = World::new_over_tls().await?;
    let mut settings = world.settings();
    settings.push(("SSL_CERT_FILE", world.database.ca().display().to_string()));
    let key = |number: u32| format!("videos/{number}_film.mp4");
    let bytes = std::fs::read(&video)?;
    for number in 1..=ROUNDS + 8 {
        world.s3.put(&key(number), &bytes)?;
    }
    drop(bytes);
    let (mut init, mut first, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=ROUNDS {
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let started = Instant::now();
        function.invoke(&event(&[&key(number)]))?.response()?;
        init.push(function.init);
        first.push(started.elapsed());
        whole.push(function.init + started.elapsed());
    }
    // Other settings create the thumbnails again, so that every later invocation is a whole job.
    let again: Vec<_> = settings.into_iter().chain([("THUMBNAIL_QUALITY", "84".to_owned())]).collect();
    let mut function = Lambda::start(FUNCTION, &again)?;
    function.invoke(&event(&[&key(ROUNDS + 1)]))?.response()?;
    let (mut later, ticks) = (Vec::new(), function.processor_ticks()?);
    for number in 1..=ROUNDS {
        let started = Instant::now();
        function.invoke(&event(&[&key(number)]))?.response()?;
        later.push(started.elapsed());
    }
    let processor = (function.processor_ticks()? - ticks) as f64 * 10.0 / f64::from(ROUNDS);
    let mut function = Lambda::start(FUNCTION, &again)?;
    let (reply, one) = function.invoke_measured(&event(&[&key(ROUNDS + 8)]))?;
    reply.response()?;
    let mut function = Lambda::start(FUNCTION, &again)?;
    let keys: Vec<_> = (ROUNDS + 2..ROUNDS + 6).map(key).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (reply, four) = function.invoke_measured(&event(&keys))?;
    reply.response()?;
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

/// Medians in AWS's emulator: INIT as the emulator reports it, the first invocation, a later invocation.
async fn emulated(settings: &[(&str, String)], first_key: u32) -> Outcome<(f64, f64, f64)> {
    let key = |number: u32| format!("videos/{number}_film.mp4");
    let (mut init, mut first, mut later) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // With another quality, the thumbnails are created again.
        let quality = ("THUMBNAIL_QUALITY", (40 + round).to_string());
        let settings: Vec<_> = settings.iter().cloned().chain([quality]).collect();
        let emulator = Emulator::start(FUNCTION, &settings, 60)?;
        let mut numbers = first_key..;
        for times in [&mut first, &mut later] {
            let number = numbers.next().ok_or("no more videos")?;
            let started = Instant::now();
            let answer = emulator.invoke(&event(&[&key(number)])).await?;
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

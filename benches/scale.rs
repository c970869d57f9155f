//! An audit and a back-fill of a million small objects, in a bucket that exists only as numbers: time, memory, and an interruption in the
//! middle. `make scale`, or `cargo bench --features static --bench scale -- OBJECTS`.

#![expect(clippy::print_stdout, reason = "its table is what it is for")]

#[path = "../tests/common/synthetic.rs"]
mod synthetic;

use std::time::Instant;

use synthetic::{Outcome, Run, Synthetic};

const PROGRAM: &str = env!("CARGO_BIN_EXE_posterframe");

fn line(what: &str, run: &Run) {
    let Run { peak_kilobytes, seconds, requests, .. } = run;
    println!("| {what} | {seconds:.0} | {} | {requests} |", peak_kilobytes / 1024);
}

fn main() -> Outcome {
    // cargo adds `--bench`.
    let objects = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let started = Instant::now();
    let synthetic = Synthetic::start(objects, PROGRAM)?;
    println!("{objects} objects; their rows were written in {:.0} s\n", started.elapsed().as_secs_f64());
    println!("| run | seconds | peak MiB | requests to the bucket |\n|---|---|---|---|");
    line("audit", &synthetic.whole_audit()?);
    let [killed, rest] = synthetic.audits()?;
    line("audit, killed in the middle (SIGKILL)", &killed);
    line("the same command again", &rest);
    let [stopped, rest] = synthetic.back_fills("TERM")?;
    line("back-fill, terminated in the middle (SIGTERM)", &stopped);
    line("the same command again", &rest);
    println!("\nBoth audits found what there is; every object is in the journal of the back-fill once.");
    Ok(())
}

//! What a cage costs: the same frame in this process and in a child, by the clock and in memory.
//!
//!     cargo run --release --features static,cage --example cage_cost -- FILE...
//!
//! For each file, in milliseconds: medians of 25 turns, in this process with one thread and with as many as it takes, in a warm child, and in a
//! child that is started for it.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use posterframe::cage::{self, Cage, CageOptions};
use posterframe::{FrameRequest, Media, OpenOptions, Threads};

const TURNS: usize = 25;
const AT: Duration = Duration::from_secs(5);

/// Milliseconds that a turn takes, by the median of some.
fn median(mut turn: impl FnMut() -> Result<(), posterframe::Error>) -> Result<f64, posterframe::Error> {
    let mut times = Vec::new();
    for _ in 0..TURNS {
        let begun = Instant::now();
        turn()?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(TURNS / 2).copied().unwrap_or_default())
}

/// A line of a process's status, in MB: `VmHWM`, the most memory that it had, or `VmRSS`.
fn memory(process: &str, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// The children of this process.
fn children() -> Vec<String> {
    let own = format!("PPid:\t{}", std::process::id());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_child = |id: &String| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line == own)
    };
    names.filter(is_child).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    cage::run_if_child();
    let options = OpenOptions::default().with_frame(AT);
    let single = options.clone().with_threads(Threads::Count(NonZeroUsize::MIN));
    let request = FrameRequest::at(AT);
    let cage = Cage::start(CageOptions::default())?;
    println!("layers: {:?}", cage.layers());
    println!("start of a child: {:.1} ms", median(|| Cage::start(CageOptions::default()).map(drop))?);
    println!("{:>8} {:>8} {:>8} {:>8}  MB: here, child", "1 thread", "threads", "warm", "cold");
    for file in std::env::args().skip(1) {
        let here =
            |options: &OpenOptions| Media::open_file(&file, options)?.frame(request)?.thumbnail().map(drop);
        let caged = |cage: &Cage| cage.open_file(&file, &options)?.picture(&request).map(drop);
        let warm = median(|| caged(&cage))?;
        let child = children().iter().map(|child| memory(child, "VmHWM")).fold(0.0, f64::max);
        let cold = median(|| caged(&Cage::start(CageOptions::default())?))?;
        let parent = memory("self", "VmHWM");
        let (one, all) = (median(|| here(&single))?, median(|| here(&options))?);
        println!(
            "{one:8.1} {all:8.1} {warm:8.1} {cold:8.1}  {parent:.0} + {child:.0} in a cage, {:.0} without  {file}",
            memory("self", "VmHWM")
        );
    }
    Ok(())
}

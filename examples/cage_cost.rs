//! Measures the cost of a cage: the same frame in this process and in a child, in time and in memory.
//!
//! cargo run --release --features static,cage,testing --example cage_cost -- FILE...
//!
//! The first part measures how late a busy child is ended, and how long the start of the next child takes: median, 95th percentile and
//! maximum of 60 turns.
//!
//! The second part measures each file in milliseconds, as medians of 25 turns: in this process with one thread and with its usual number of
//! threads, in a warm child, and in a child that is started for the file. It also measures the transfer of the frame's pixels as packed
//! RGB. The turns alternate. Memory is the maximum of a process, and means little after the first file.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use posterframe::cage::acts::Act;
use posterframe::cage::{self, Cage, CageOptions};
use posterframe::{Bounds, CancelToken, FrameRequest, Limits, Media, OpenOptions, Threads};

const TURNS: usize = 25;
const AT: Duration = Duration::from_secs(5);

/// Returns the median milliseconds of each variant, and the medians of the differences from the first variant, turn by turn.
fn medians<const N: usize>(
    turns: [&dyn Fn() -> Result<(), posterframe::Error>; N],
) -> Result<[(f64, f64); N], posterframe::Error> {
    let mut times = [const { (Vec::new(), Vec::new()) }; N];
    for _ in 0..TURNS {
        let mut first = None;
        for (turn, (times, beyond)) in turns.iter().zip(&mut times) {
            let begun = Instant::now();
            turn()?;
            let time = begun.elapsed().as_secs_f64() * 1000.0;
            times.push(time);
            beyond.push(time - *first.get_or_insert(time));
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(TURNS / 2).copied().unwrap_or_default()
    };
    Ok(times.map(|(times, beyond)| (median(times), median(beyond))))
}

/// Returns a value of a process's status in MB: `VmHWM`, its maximum memory, or `VmRSS`.
fn memory(process: &str, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or_default() / 1024.0
}

/// Returns the children of this process.
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

#[expect(clippy::disallowed_methods, reason = "the wait is short, and ends by itself")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// Measures how late a child that computes without an end is ended: after its deadline, after its CPU time, and after a cancelled call.
/// Also measures the cost of a crash for the next call.
fn ends(cage: &Cage) {
    const TURNS: u32 = 60;
    let allowed = Duration::from_millis(100);
    let limits = Limits::default();
    let within = |limits: Limits| OpenOptions::default().with_limits(limits);
    let show = |name: &str, mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get((times.len() - 1) * share / 100).copied().unwrap_or_default();
        println!("{name}: median {:.1} ms, p95 {:.1} ms, longest {:.1} ms", at(50), at(95), at(100));
    };
    let time = |turn: &dyn Fn() -> Duration| (0..TURNS).map(|_| turn().as_secs_f64() * 1000.0).collect();
    let late = |options: &OpenOptions| {
        let begun = Instant::now();
        // The call fails on purpose.
        let _ = cage.perform(Act::Loop, options);
        begun.elapsed().saturating_sub(allowed)
    };
    show("after the deadline", time(&|| late(&within(limits.with_max_time(allowed)))));
    show("after its CPU time", time(&|| late(&within(limits.with_max_cpu_time(allowed)))));
    let cancelled = || {
        let token = CancelToken::default();
        let options = OpenOptions::default().with_cancel(token.clone());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                wait(allowed);
                token.cancel();
            });
            late(&options)
        })
    };
    show("after a cancelled call", time(&cancelled));
    let crash = || {
        let _ = cage.perform(Act::Crash, &OpenOptions::default());
        let begun = Instant::now();
        let _ = cage.perform(Act::OpenFile, &OpenOptions::default());
        begun.elapsed()
    };
    show("the next child after a crash", time(&crash));
}

fn main() -> Result<(), Box<dyn Error>> {
    cage::run_if_child();
    let options = OpenOptions::default().with_frame(AT);
    let single = options.clone().with_threads(Threads::Count(NonZeroUsize::MIN));
    let request = FrameRequest::at(AT);
    let cage = Cage::start(CageOptions::default())?;
    println!("layers: {:?}", cage.layers());
    let [(start, _)] = medians([&|| Cage::start(CageOptions::default()).map(drop)])?;
    println!("start of a child: {start:.1} ms");
    ends(&cage);
    println!("{:>8} {:>8} {:>8} {:>8}  MB", "1 thread", "threads", "warm", "cold");
    for file in std::env::args().skip(1) {
        let here =
            |options: &OpenOptions| Media::open_file(&file, options)?.frame(request)?.thumbnail().map(drop);
        let caged = |cage: &Cage| cage.open_file(&file, &options)?.picture(&request).map(drop);
        caged(&cage)?;
        let child = children().iter().map(|child| memory(child, "VmHWM")).fold(0.0, f64::max);
        let keeper = memory("self", "VmHWM");
        let [(one, _), (all, _), (warm, beyond), (cold, _)] =
            medians([&|| here(&single), &|| here(&options), &|| caged(&cage), &|| {
                caged(&Cage::start(CageOptions::default())?)
            }])?;
        let alone = memory("self", "VmHWM");
        println!(
            "{one:8.1} {all:8.1} {warm:8.1} {cold:8.1}  {keeper:.0} + {child:.0} in a cage, {alone:.0} without  {file}"
        );
        println!("{:26} warm beyond 1 thread: {beyond:+.1} ms", "");
        let frame = Media::open_file(&file, &single)?.frame(request)?;
        let media = RefCell::new(cage.open_file(&file, &options)?);
        media.borrow_mut().picture(&request)?;
        let [(scaled, _), (sent, beyond)] =
            medians([&|| frame.to_rgb8(Bounds::default()).map(drop), &|| {
                media.borrow_mut().to_rgb8(Bounds::default()).map(drop)
            }])?;
        println!("{:26} as RGB, {scaled:.1} here, {sent:.1} through the socket ({beyond:+.1})", "");
    }
    Ok(())
}

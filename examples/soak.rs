//! Takes a frame of each file whose path it reads from standard input, all in one process. `scripts/soak.py`, the other half of
//! `make soak`, runs this program.
//!
//! The program answers each line with `picture` or the kind of the error. After every EVERY files (`soak EVERY`, default 500)
//! it prints `sample`, the number of files, and the resources of the process: memory in kilobytes, open descriptors, threads,
//! memory of its children. With `soak EVERY isolate`, a cage decodes.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::time::Duration;

use posterframe::cage::{self, MediaOpener};
use posterframe::source::FileSource;
use posterframe::{FrameRequest, FrameTime, Limits, OpenOptions, Percent};

/// Maximum time for opening, for a frame, and for its picture. Few of the files that need more time are worth it.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Encodes the frame at 5 s, and the frame at half of the duration. Every other file is read by byte ranges.
fn take(opener: &MediaOpener, path: &Path, number: u64) -> Result<(), posterframe::Error> {
    let limits = Limits::default().with_max_time(MAX_TIME);
    let options = OpenOptions::default().with_limits(limits);
    let mut media = if number.is_multiple_of(2) {
        opener.open_file(path, &options)?
    } else {
        opener.open_source(FileSource::open(path)?, &options)?
    };
    media.picture(&FrameRequest::at(Duration::from_secs(5)))?;
    media.picture(&FrameRequest::at(FrameTime::Part(Percent::MIDDLE)))?;
    Ok(())
}

/// Returns a number from the status of a process.
fn status(process: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).ok_or("a line of the status is missing")?;
    Ok(line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse()?)
}

/// Returns the memory of all children, in kilobytes.
fn memory_of_children() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let children: String = children.collect();
    // A child may have ended meanwhile.
    children.split_whitespace().filter_map(|child| status(child, "VmRSS").ok()).sum()
}

fn main() -> Result<(), Box<dyn Error>> {
    cage::run_if_child();
    let opener = MediaOpener::new(std::env::args().nth(2).as_deref() == Some("isolate"))?;
    let every = std::env::args().nth(1).map_or(Ok(500), |every| every.parse::<u64>())?.max(1);
    for (number, path) in (1..).zip(stdin().lock().lines()) {
        let result = take(&opener, Path::new(&path?), number);
        println!("{}", result.map_or_else(|error| error.kind().as_str(), |()| "picture"));
        if number.is_multiple_of(every) {
            // The open folder itself counts as a descriptor.
            let descriptors = std::fs::read_dir("/proc/self/fd")?.count().saturating_sub(1);
            let (memory, threads) = (status("self", "VmRSS")?, status("self", "Threads")?);
            println!("sample\t{number}\t{memory}\t{descriptors}\t{threads}\t{}", memory_of_children());
        }
        stdout().flush()?;
    }
    Ok(())
}

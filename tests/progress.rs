//! The scripts that announce the time of a build take the load of the machine into account.
#![cfg(unix)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Runs bash with two cores and the load in this file, in the form of `/proc/loadavg`.
fn bash(load: &Path, arguments: &[&str]) -> Outcome<Output> {
    let mut bash = Command::new("bash");
    bash.current_dir(env!("CARGO_MANIFEST_DIR")).env("OMP_NUM_THREADS", "2").env("LOADAVG", load);
    Ok(bash.env("PROGRESS_SECONDS", "1").args(arguments).output()?)
}

/// A build that takes two minutes on idle cores takes six times as long if ten other processes run on two cores.
#[test]
fn a_build_that_has_not_begun() -> Outcome {
    let folder = tempfile::tempdir()?;
    let load = folder.path().join("loadavg");
    let nothing = "2 load 0.0 on 2 cores";
    for (text, expected) in [
        ("0.07 0.02 0.00 1/90 7\n", nothing),
        ("2.00 9.99 9.99 1/90 7\n", "4 load 2.0 on 2 cores"),
        ("10.08 9.99 9.99 1/90 7\n", "12 load 10.0 on 2 cores"),
        ("", nothing),
    ] {
        fs::write(&load, text)?;
        let script = ". scripts/load.sh; read_load; echo \"$(minutes_at_load 2) $(load_words)\"";
        let output = bash(&load, &["-euc", script])?;
        assert_eq!(
            String::from_utf8(output.stdout)?.trim(),
            expected,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// A quarter of the steps is done: a tenth of the work, because the large crates come last. Then the load rises from idle to twenty, and the
/// rest takes much longer than nine times the time so far.
#[test]
fn a_build_in_progress() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (load, log) = (folder.path().join("loadavg"), folder.path().join("log"));
    fs::write(&load, "1.50 0.00 0.00 1/90 7\n")?;
    let cargo = "step() { printf '    Building [=====>     ] 25/100: a, b\\r'; sleep 1.1; }
                 echo a warning; for i in 1 2 3 4; do step; done
                 echo '20.00 0.00 0.00 1/90 7' >\"$LOADAVG\"; step; step; exit 3";
    let output =
        bash(&load, &["scripts/progress.sh", "demo", &log.display().to_string(), "bash", "-c", cargo])?;
    let told = String::from_utf8(output.stdout)?;
    assert_eq!(
        (output.status.code(), fs::read_to_string(&log)?.as_str()),
        (Some(3), "a warning\n"),
        "{told}"
    );
    // The first line may come before the first step.
    let lines = told.lines().filter(|line| !line.contains("fetching crates"));
    let (busy, idle): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains("at load 20.0 on 2 cores"));
    let (first, last) = (busy.first().ok_or(told.clone())?, idle.last().ok_or(told.clone())?);
    for (line, times) in [(last, 8), (first, 30)] {
        assert!(line.starts_with("demo: 25 of 100 steps done after ") && line.ends_with(" (a, b)"), "{told}");
        let words: Vec<_> = line.split_whitespace().collect();
        let after = |word: &str| words.iter().position(|one| *one == word).and_then(|at| words.get(at + 1));
        let number = |word: &str| Ok::<u64, Box<dyn Error>>(after(word).ok_or("no number")?.parse()?);
        let unit = if line.contains("minutes left") { 60 } else { 1 };
        assert!(number("about")? * unit >= number("after")? * times, "{told}");
    }
    Ok(())
}

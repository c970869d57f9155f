//! Output to terminals and logs: keys must not send control characters to a terminal, and the program must complete its work
//! even when its output cannot be written.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{Outcome, fixture};
use serde_json::Value;
use tempfile::TempDir;

/// Terminal escapes in both forms, a forged line, and characters that change the text direction.
const STRANGE: &str = "1_\u{1b}[2J\u{9b}31m\u{7f}\u{202e}gpj\nerror: forged.mp4";
const SHOWN: &str = r"1_\u{1b}[2J\u{9b}31m\u{7f}\u{202e}gpj\nerror: forged";

/// A store with one film and one file that is not a film. Both have strange names.
fn store() -> Outcome<TempDir> {
    let folder = tempfile::tempdir()?;
    let videos = folder.path().join("videos");
    fs::create_dir(&videos)?;
    fs::copy(fixture("h264_end.mp4"), videos.join(STRANGE))?;
    fs::write(videos.join(format!("bad{STRANGE}")), b"this is no video")?;
    Ok(folder)
}

fn posterframe(store: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    command.env_clear().env("STORE_DIR", store).env("RUST_LOG", "info").args(arguments);
    command.stdin(Stdio::null());
    command
}

fn said(output: &Output) -> Outcome<String> {
    Ok(format!("{}{}", std::str::from_utf8(&output.stdout)?, std::str::from_utf8(&output.stderr)?))
}

#[test]
fn keys_cannot_steer_a_terminal_or_forge_a_line() -> Outcome {
    let store = store()?;
    let path = |name: &str| store.path().join("videos").join(name).display().to_string();
    let (good, bad, folder) =
        (path(STRANGE), path(&format!("bad{STRANGE}")), store.path().display().to_string());
    let (journal, event) = (store.path().join("journal").display().to_string(), path("event.json"));
    fs::write(&event, b"{}")?;
    let commands: [&[&str]; 13] = [
        &["process", &good],
        &["process", &good, "--json"],
        &["process", &bad],
        &["process", &bad, "--json"],
        &["probe", &good],
        &["probe", &bad, "--json"],
        &["grab", &good, "-o", &format!("{good}.png")],
        &["backfill", &folder, "--journal", &journal, "--dry-run"],
        &["backfill", &folder, "--journal", &journal],
        &["backfill", &folder, "--journal", &journal, "--json", "--again"],
        &["audit", &folder],
        &["audit", &folder, "--json"],
        &["process", &format!("--{STRANGE}")],
    ];
    for arguments in commands {
        let is_obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        for format in ["text", "json"] {
            let output = posterframe(store.path(), arguments).env("LOG_FORMAT", format).output()?;
            let said = said(&output)?;
            assert!(!said.contains(is_obeyed), "{arguments:?}: {said:?}");
            assert!(!said.contains("\nerror: forged"), "{arguments:?}: {said}");
            assert!(said.contains(SHOWN) || said.contains(r"\u009b31m"), "{arguments:?}: {said}");
            if arguments.contains(&"--json") {
                serde_json::from_slice::<Value>(&output.stdout)?;
            }
        }
    }
    Ok(())
}

/// Output goes to a full disk, and to a pipe without a reader.
#[test]
fn what_cannot_be_written_to_a_log_is_done_all_the_same() -> Outcome {
    let full = || -> Outcome<Stdio> { Ok(File::options().write(true).open("/dev/full")?.into()) };
    let closed = || -> Outcome<Stdio> {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        Ok(writer.into())
    };
    for format in ["text", "json"] {
        for sink in [&full as &dyn Fn() -> Outcome<Stdio>, &closed] {
            let store = store()?;
            let good = store.path().join("videos").join(STRANGE).display().to_string();
            let thumbnail = store.path().join("thumbnails").join(STRANGE.replace(".mp4", ".jpg"));
            // When standard error fails, only the log lines are lost.
            let mut command = posterframe(store.path(), &["process", &good, "--json"]);
            let output = command.env("LOG_FORMAT", format).stderr(sink()?).stdout(Stdio::piped()).output()?;
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?["status"], "processed");
            fs::remove_file(&thumbnail)?;
            // When standard output fails, the result cannot be printed, but the thumbnail is written.
            let mut command = posterframe(store.path(), &["process", &good]);
            command.env("LOG_FORMAT", format).stdout(sink()?).stderr(sink()?).status()?;
            assert!(thumbnail.is_file());
            // A failing job keeps its exit code.
            let bad = store.path().join("videos").join(format!("bad{STRANGE}")).display().to_string();
            let mut command = posterframe(store.path(), &["process", &bad]);
            let status = command.env("LOG_FORMAT", format).stdout(sink()?).stderr(sink()?).status()?;
            assert_eq!(status.code(), Some(6));
        }
    }
    Ok(())
}

#[test]
fn a_key_that_is_skipped_leaves_nothing_behind() -> Outcome {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("notes.txt"), b"no video")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    let output =
        command.env_clear().current_dir(folder.path()).args(["process", "notes.txt", "--json"]).output()?;
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout)?["status"], "skipped", "{output:?}");
    let left =
        fs::read_dir(folder.path())?.map(|entry| Ok(entry?.file_name())).collect::<Outcome<Vec<_>>>()?;
    assert_eq!(left, ["notes.txt"]);
    Ok(())
}

//! Tests `posterframe libav`, which builds the static libav for other projects. `make
//! test-libav` runs the full build and compares each byte.
#![cfg(all(feature = "static", target_os = "linux"))]

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The command, with a prefix.
fn libav(prefix: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    command.args(["libav", "--prefix"]).arg(prefix);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Copies the result of this repository's `make libav`. Copies nothing if the tests link another libav.
fn copy_of_ours(prefix: &Path) -> Outcome {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/libav/prefix");
    if ours.is_dir() {
        let status = Command::new("cp").arg("-a").args([&ours, prefix]).status()?;
        assert!(status.success());
    }
    Ok(())
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        // Removes the variables of this repository. The variables for cargo's home and its network stay.
        let ours = name.to_str().is_some_and(|name| {
            (name.starts_with("CARGO_") && !name.starts_with("CARGO_HOME") && !name.starts_with("CARGO_NET"))
                || name.starts_with("RUSTFLAGS")
                || name == "FFMPEG_DIR"
        });
        if ours {
            command.env_remove(name);
        }
    }
    command
}

const PROGRAM: &str = r#"
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    ffmpeg_next::init()?;
    println!("{} {}", ffmpeg_next::codec::configuration().contains("--enable-libdav1d"), ffmpeg_next::codec::license());
    let path = std::env::args().nth(1).ok_or("no video")?;
    let mut media = posterframe::Media::open_file(path, &posterframe::OpenOptions::default())?;
    let frame = media.frame(Duration::from_secs(5))?;
    println!("{} bytes", frame.encode(&posterframe::Encoding::default())?.bytes.len());
    Ok(())
}
"#;

/// A project outside of this repository links libav, through our crate and through the bindings: the command writes a prefix, and its one
/// line of output is the environment.
#[test]
fn a_fresh_project_links_it() -> Outcome {
    let folder = TempDir::new()?;
    let prefix = folder.path().join("libav");
    copy_of_ours(&prefix)?;
    let made = libav(&prefix).output()?;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let line = text(&made.stdout);
    assert_eq!(line, format!("FFMPEG_DIR={}\n", prefix.display()));
    let (name, value) = line.trim_end().split_once('=').ok_or("no variable")?;

    let new = cargo(folder.path()).args(["new", "--quiet", "--vcs", "none", "posters"]).output()?;
    assert!(new.status.success(), "{}", text(&new.stderr));
    let project = folder.path().join("posters");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(project.join("Cargo.toml"))?;
    let dependencies = format!(
        "posterframe = {{ path = {:?}, default-features = false, features = [\"static\"] }}\n\
         ffmpeg-next = {{ version = \"9\", default-features = false, features = [\"codec\", \"format\", \"software-scaling\"] }}\n",
        ours.display()
    );
    fs::write(project.join("Cargo.toml"), manifest + &dependencies)?;
    fs::write(project.join("src/main.rs"), PROGRAM)?;
    // The versions that this repository tests, and has already downloaded.
    fs::copy(ours.join("Cargo.lock"), project.join("Cargo.lock"))?;
    let video = ours.join("tests/fixtures/av1.mp4");
    // The project is new, but its compiled dependencies may be reused.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fresh-project");
    let mut run = cargo(&project);
    run.args(["run", "--quiet", "--"]).arg(&video).env(name, value).env("CARGO_TARGET_DIR", target);
    let run = run.output()?;
    assert!(run.status.success(), "{}", text(&run.stderr));
    let said = text(&run.stdout);
    assert!(said.starts_with("true LGPL version 2.1 or later\n"), "{said}");
    let bytes: usize =
        said.lines().nth(1).and_then(|line| line.split(' ').next()).ok_or("no picture")?.parse()?;
    assert!(bytes > 1000, "{said}");
    Ok(())
}

fn config_error(output: &Output, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(output.stdout.is_empty());
}

/// The entries of the parent folder besides `names`.
fn others(folder: &Path, names: &[&str]) -> Outcome<Vec<OsString>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    let all: Vec<_> = entries.collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(|name| !names.iter().any(|known| name == known)).collect())
}

/// The command replaces the whole prefix, and therefore refuses a folder with other files.
#[test]
fn a_folder_of_something_else_is_left_alone() -> Outcome {
    let folder = TempDir::new()?;
    let prefix = folder.path().join("work");
    fs::create_dir(&prefix)?;
    fs::write(prefix.join("thesis.txt"), "years of it")?;
    config_error(&libav(&prefix).output()?, &["holds something else", "error: "]);
    assert_eq!(fs::read_to_string(prefix.join("thesis.txt"))?, "years of it");
    assert_eq!(others(folder.path(), &["work"])?, Vec::<OsString>::new());
    Ok(())
}

/// Reports all missing tools at once, with the names of their packages.
#[test]
fn it_says_which_tools_are_missing() -> Outcome {
    let folder = TempDir::new()?;
    let tools = folder.path().join("bin");
    fs::create_dir(&tools)?;
    for tool in ["sh", "dirname", "uname", "nproc", "gcc", "make", "ar", "sha256sum", "cargo"] {
        symlink(which(tool)?, tools.join(tool))?;
    }
    let output = libav(&folder.path().join("libav")).env("PATH", &tools).output()?;
    config_error(&output, &["missing: nasm meson ninja pkg-config xz patch.", "ninja-build", "xz-utils"]);
    assert_eq!(others(folder.path(), &["bin"])?, Vec::<OsString>::new());
    Ok(())
}

fn which(tool: &str) -> Outcome<PathBuf> {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).output()?;
    assert!(found.status.success(), "{tool} is not on PATH");
    Ok(PathBuf::from(text(&found.stdout).trim_end()))
}

/// An interrupt during the build ends the compilers, too, and leaves no files.
#[test]
fn an_interrupt_ends_the_build_and_leaves_nothing() -> Outcome {
    let folder = TempDir::new()?;
    let prefix = folder.path().join("libav");
    let mut child =
        libav(&prefix).args(["--jobs", "1"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
    let building = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("building dav1d")));
    assert!(building.is_some(), "it never began");
    let started = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success());
    let rest: Vec<_> = lines.collect::<Result<_, _>>()?;
    assert_eq!(child.wait()?.code(), Some(130), "{rest:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(rest.iter().any(|line| line.contains("interrupted; all partial files were removed")), "{rest:?}");
    assert_eq!(others(folder.path(), &[])?, Vec::<OsString>::new());
    assert_eq!(commands_that_name(folder.path())?, Vec::<String>::new());
    Ok(())
}

/// The running commands with this path among their arguments.
fn commands_that_name(path: &Path) -> Outcome<Vec<String>> {
    let path = path.to_str().ok_or("not UTF-8")?;
    // A process may end after it was listed.
    let commands =
        fs::read_dir("/proc")?.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    Ok(commands
        .map(|command| text(&command).replace('\0', " "))
        .filter(|command| command.contains(path))
        .collect())
}

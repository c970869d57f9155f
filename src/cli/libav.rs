//! `posterframe libav`: builds the pinned static libav for use in other projects.
//!
//! The recipe is the recipe of this program's own libav, and is included in the program. The recipe is a shell script, so it needs a Unix
//! system and the tools that it names. The sources come from cargo's registry and are verified against the checksums in the recipe.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::arguments::LibavArguments;
use super::interrupt::{GRACE, LOOK_UP};
use super::output::{self, Failure};
use crate::job_error::JobError;
use crate::store::of_file;
use crate::{CancelToken, ErrorKind};

/// A patch of FFmpeg's source: its path in the recipe, and its text.
macro_rules! patch {
    ($name:literal) => {
        (
            concat!("patches/", $name, ".patch"),
            include_str!(concat!("../../vendor/libav/patches/", $name, ".patch")),
        )
    };
}

const RECIPE: &[(&str, &str)] = &[
    ("build.sh", include_str!("../../vendor/libav/build.sh")),
    ("components.txt", include_str!("../../vendor/libav/components.txt")),
    ("glibc_compat.h", include_str!("../../vendor/libav/glibc_compat.h")),
    ("pins.toml", include_str!("../../vendor/libav/pins.toml")),
    ("pins.lock", include_str!("../../vendor/libav/pins.lock")),
    patch!("0001-dictionary-entries"),
    patch!("0002-index-out-of-order"),
    patch!("0003-chapters-programs"),
    patch!("0004-matroska-tags"),
    patch!("0005-brake"),
    patch!("0006-analysis"),
    patch!("0007-matroska-unpacked"),
    patch!("0008-mxf-sets"),
    patch!("0009-mpegts-programs"),
    patch!("0010-mov-protection"),
    patch!("0011-parameter-sets"),
    patch!("0012-png-texts"),
    patch!("0013-jpeg-scans"),
    patch!("0014-coded-bitstream-units"),
    patch!("0015-jpeg2000-parts"),
    patch!("0016-mov-fragment-place"),
    patch!("0017-ogg-comments"),
    patch!("1001-pssh-boxes"),
    patch!("1002-rawvideo-uninitialized"),
    patch!("1003-flashsv-uninitialized"),
    patch!("1004-cscd-uninitialized"),
    patch!("1005-exif-overlap"),
    patch!("1006-hevc-pps-3d"),
    patch!("1007-afgs1-points"),
    patch!("1008-vc1-slice-leak"),
    patch!("1009-av1-temporal-unit"),
    patch!("1010-flac-parser-recursion"),
    patch!("1011-vorbis-parser-retry"),
    patch!("1012-vvc-frame-leak"),
    patch!("1013-vvc-active-references"),
];

/// Exit code of the script if it refuses to start and the user must change something first.
const REFUSED: i32 = 2;

pub(super) async fn run(arguments: LibavArguments, cancel: CancelToken) -> Result<(), Failure> {
    let prefix = std::path::absolute(&arguments.prefix).map_err(of_file(&arguments.prefix))?;
    // Build beside the prefix: a file system with room for libav has room for the build files too. `/tmp` may be in memory.
    let parent = prefix.parent().unwrap_or(&prefix);
    let folder = fs::create_dir_all(parent)
        .and_then(|()| tempfile::Builder::new().prefix(".posterframe-libav-").tempdir_in(parent))
        .map_err(of_file(parent))?;
    for (name, text) in RECIPE {
        let file = folder.path().join(name);
        let parent = file.parent().unwrap_or(folder.path());
        fs::create_dir_all(parent).and_then(|()| fs::write(&file, text)).map_err(of_file(&file))?;
    }
    let child = start(&folder, &prefix, &arguments).map_err(of_file(Path::new("sh")))?;
    let status = wait(child, &cancel).await?;
    if !status.success() {
        return Err(refusal(status, folder, &prefix).into());
    }
    if io::stderr().is_terminal() {
        output::note(
            "To link FFmpeg, set the following variable, and enable the feature `static` of ffmpeg-sys-next (posterframe's `static` enables it).",
        );
        output::note(&format!(
            "A program that contains FFmpeg must comply with the LGPL when it is distributed; the licence texts are in {}/licenses.",
            prefix.display()
        ));
    }
    output::print(&format!("FFMPEG_DIR={}\n", prefix.display()))
}

/// Starts the build in its own process group, so that all its processes can be ended together.
fn start(folder: &TempDir, prefix: &Path, arguments: &LibavArguments) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.arg(folder.path().join("build.sh"));
    command.env("PREFIX", prefix).env("WORK", folder.path().join("work"));
    // The caller may have set these variables for another program.
    command
        .env_remove("LIBAV_CONFIGURE_EXTRA")
        .env_remove("KEEP_WORK")
        .env_remove("SANITIZE")
        .env_remove("TARGET")
        .env_remove("JOBS");
    if let Some(target) = &arguments.target {
        command.env("TARGET", target);
    }
    if let Some(jobs) = arguments.jobs {
        command.env("JOBS", OsString::from(jobs.to_string()));
    }
    // Standard output is reserved for the answer of this command.
    command.stdin(Stdio::null()).stdout(io::stderr().as_fd().try_clone_to_owned()?);
    command.process_group(0).spawn()
}

/// Waits for the end of the build, or ends the build after an interrupt.
async fn wait(mut child: Child, cancel: &CancelToken) -> Result<ExitStatus, JobError> {
    let internal = |error: io::Error| JobError::new(ErrorKind::Internal, error);
    let mut give_up = None;
    loop {
        if let Some(status) = child.try_wait().map_err(internal)? {
            return if give_up.is_some() { Err(cancelled()) } else { Ok(status) };
        }
        match give_up {
            None if cancel.is_cancelled() => {
                signal(&child, Signal::TERM);
                give_up = Some(Instant::now() + GRACE / 2);
            }
            Some(time) if Instant::now() >= time => {
                signal(&child, Signal::KILL);
                give_up = Some(Instant::now() + Duration::from_secs(3600));
            }
            _ => {}
        }
        tokio::time::sleep(LOOK_UP).await;
    }
}

/// Signals the script and all its child processes. Processes that have already ended are no failure.
fn signal(child: &Child, signal: Signal) {
    let _ = kill_process_group(Pid::from_child(child), signal);
}

fn cancelled() -> JobError {
    JobError::new(ErrorKind::Cancelled, "interrupted; all partial files were removed")
}

/// Returns the error of a failed build. The build has already printed details on standard error.
fn refusal(status: ExitStatus, folder: TempDir, prefix: &Path) -> JobError {
    if status.code() == Some(REFUSED) {
        return JobError::new(ErrorKind::Config, "libav cannot be built; see the messages above")
            .with_subject(prefix.display().to_string());
    }
    // Keep the folder, which contains the logs.
    let kept = folder.keep();
    let message =
        format!("the build of libav failed ({status}); its logs are in {}", kept.join("work").display());
    JobError::new(ErrorKind::Internal, message).with_subject(prefix.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::RECIPE;

    /// If the program lacked a patch, it would build a different libav.
    #[test]
    fn all_patches_are_carried() -> Result<(), Box<dyn std::error::Error>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/libav/patches");
        let names = fs::read_dir(folder)?
            .map(|entry| Ok(format!("patches/{}", entry?.file_name().to_string_lossy())))
            .collect::<Result<BTreeSet<String>, std::io::Error>>()?;
        let carried: BTreeSet<String> = RECIPE
            .iter()
            .filter(|(name, _)| name.starts_with("patches/"))
            .map(|&(name, _)| name.to_owned())
            .collect();
        assert!(!names.is_empty());
        assert_eq!(names, carried);
        Ok(())
    }
}

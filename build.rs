//! Records the version of the FFmpeg that the crate is linked with. libav itself reports its licence and its configuration to the program.
//!
//! `vendor/libav/build.sh` writes `build-info.txt` into its prefix (one `name: value` per line). Other prefixes and a system FFmpeg have no such
//! file; for them the version comes from the header `libavutil/ffversion.h`.
#![expect(clippy::disallowed_methods, reason = "a build script is configured by its environment")]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The versions that the crate's code distinguishes. ffmpeg-sys-next reports those that the linked FFmpeg has reached.
const VERSIONS: [&str; 5] = ["ffmpeg_6_1", "ffmpeg_7_0", "ffmpeg_7_1", "ffmpeg_8_0", "ffmpeg_9_0"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=FFMPEG_DIR");
    for version in VERSIONS {
        println!("cargo:rustc-check-cfg=cfg({version})");
        if env::var(format!("DEP_FFMPEG_{}", version.to_uppercase())).is_ok_and(|reached| reached == "true") {
            println!("cargo:rustc-cfg={version}");
        }
    }

    println!("cargo:rustc-env=POSTERFRAME_FFMPEG_VERSION={}", linked_version());
}

/// Returns the version of the FFmpeg that ffmpeg-sys-next links.
fn linked_version() -> String {
    let version = match env::var_os("FFMPEG_DIR").map(PathBuf::from) {
        Some(prefix) => from_build_info(&prefix).or_else(|| from_headers(&prefix.join("include"))),
        None => system_include_dir().and_then(|include| from_headers(&include)),
    };
    version.unwrap_or_else(|| "of unknown version".to_owned())
}

fn from_build_info(prefix: &Path) -> Option<String> {
    let info = prefix.join("build-info.txt");
    let text = fs::read_to_string(&info).ok()?;
    println!("cargo:rerun-if-changed={}", info.display());
    text.lines().find_map(|line| line.strip_prefix("version: ")).map(|version| version.trim().to_owned())
}

fn from_headers(include: &Path) -> Option<String> {
    let header = include.join("libavutil/ffversion.h");
    let text = fs::read_to_string(&header).ok()?;
    println!("cargo:rerun-if-changed={}", header.display());
    text.split('"').nth(1).map(str::to_owned)
}

/// The folder of libavutil's headers, as pkg-config reports it for the target.
///
/// ffmpeg-sys-next finds its FFmpeg through the same crate, so both see the same `PKG_CONFIG*` variables, those of a cross build included. The
/// crate also tells cargo to run this script again when one of them changes.
fn system_include_dir() -> Option<PathBuf> {
    let library = pkg_config::Config::new().cargo_metadata(false).probe("libavutil").ok()?;
    library.include_paths.into_iter().find(|dir| dir.join("libavutil/ffversion.h").exists())
}

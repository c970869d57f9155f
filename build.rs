//! Records which FFmpeg the crate is linked with.
//!
//! `vendor/libav/build.sh` writes `build-info.txt` into its prefix (one `name: value` per line). Other prefixes and a system FFmpeg have no such
//! file; for them the version comes from the header `libavutil/ffversion.h`.
#![expect(clippy::disallowed_methods, reason = "a build script is configured by its environment")]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The versions that the crate's code distinguishes. ffmpeg-sys-next reports those that the linked FFmpeg has reached.
const VERSIONS: [&str; 5] = ["ffmpeg_6_1", "ffmpeg_7_0", "ffmpeg_7_1", "ffmpeg_8_0", "ffmpeg_9_0"];

const NOT_SAID: &str = "not recorded (not built by vendor/libav)";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=FFMPEG_DIR");
    for version in VERSIONS {
        println!("cargo:rustc-check-cfg=cfg({version})");
        if env::var(format!("DEP_FFMPEG_{}", version.to_uppercase())).is_ok_and(|reached| reached == "true") {
            println!("cargo:rustc-cfg={version}");
        }
    }

    let build = linked_ffmpeg();
    println!("cargo:rustc-env=POSTERFRAME_FFMPEG_VERSION={}", build.version);
    println!("cargo:rustc-env=POSTERFRAME_FFMPEG_LICENSE={}", build.license);
    println!("cargo:rustc-env=POSTERFRAME_FFMPEG_CONFIGURATION={}", build.configuration);
}

struct Build {
    version: String,
    license: String,
    configuration: String,
}

fn linked_ffmpeg() -> Build {
    let Some(prefix) = env::var_os("FFMPEG_DIR").map(PathBuf::from) else {
        return from_headers(system_include_dir().as_deref());
    };
    let info = prefix.join("build-info.txt");
    let Ok(text) = fs::read_to_string(&info) else {
        return from_headers(Some(&prefix.join("include")));
    };
    println!("cargo:rerun-if-changed={}", info.display());
    Build {
        version: line(&text, "version"),
        license: line(&text, "license"),
        configuration: line(&text, "configuration"),
    }
}

/// The value of the line `name: value`.
fn line(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or(NOT_SAID).trim().to_owned()
}

fn from_headers(include: Option<&Path>) -> Build {
    let header = include.map(|dir| dir.join("libavutil/ffversion.h"));
    let text = header.and_then(|path| {
        let text = fs::read_to_string(&path).ok()?;
        println!("cargo:rerun-if-changed={}", path.display());
        Some(text)
    });
    let version = text.as_deref().and_then(|text| text.split('"').nth(1));
    Build {
        version: version.unwrap_or(NOT_SAID).to_owned(),
        license: NOT_SAID.to_owned(),
        configuration: NOT_SAID.to_owned(),
    }
}

/// The folder of libavutil's headers, as pkg-config reports it for the target.
///
/// ffmpeg-sys-next finds its FFmpeg through the same crate, so both see the same `PKG_CONFIG*` variables, those of a cross build included. The
/// crate also tells cargo to run this script again when one of them changes.
fn system_include_dir() -> Option<PathBuf> {
    let library = pkg_config::Config::new().cargo_metadata(false).probe("libavutil").ok()?;
    library.include_paths.into_iter().find(|dir| dir.join("libavutil/ffversion.h").exists())
}

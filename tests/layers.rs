//! Enforces the layers of the crate: which module may use which, which file within a module may use
//! which, and where the contained libraries may appear.

#[path = "layers/imports.rs"]
mod imports;

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

use imports::Imports;

/// Each module, with the modules that it may use. Modules that are missing here do not exist yet.
const MAY_USE: &[(&str, &[&str])] = &[
    // Values and policy, without libav and network.
    ("aws", &["error"]),
    ("backoff", &[]),
    ("deadline", &[]),
    ("error", &[]),
    ("frame_time", &[]),
    ("frame_request", &["frame_time", "picture"]),
    ("storyboard_request", &["frame_request", "picture", "pixels"]),
    ("limits", &[]),
    ("pixels", &[]),
    ("printable", &[]),
    ("redacted", &[]),
    ("file_etag", &[]),
    ("secret", &["error"]),
    ("location", &["error", "redacted"]),
    ("object_name", &["error", "job_error"]),
    // From Lambda's JSON to object names, and from results to answers.
    ("event", &["error", "job_error"]),
    // Formats, bounds and quality are values of the picture layer.
    (
        "config",
        &[
            "error",
            "frame_request",
            "frame_time",
            "job_error",
            "limits",
            "object_name",
            "picture",
            "pixels",
            "secret",
            "storyboard_request",
        ],
    ),
    // Readers that fail on purpose, and hints that a test puts in place of those that media compute.
    ("testing", &["source"]),
    // The functions that fuzz targets call, only with `--cfg fuzzing`.
    ("fuzzing", &["deadline", "limits", "media", "source"]),
    // From objects to bytes, from pixels to bytes, and from video to pixels.
    ("source", &["aws", "backoff", "deadline", "error", "file_etag", "limits", "redacted"]),
    ("picture", &["error", "pixels"]),
    (
        "media",
        &[
            "deadline",
            "error",
            "frame_request",
            "frame_time",
            "limits",
            "picture",
            "pixels",
            "source",
            "storyboard_request",
            "testing",
        ],
    ),
    // The same video to the same pixels, in a separate process.
    (
        "cage",
        &[
            "deadline",
            "error",
            "frame_request",
            "limits",
            "media",
            "picture",
            "pixels",
            "source",
            "storyboard_request",
        ],
    ),
    ("asynchronous", &["deadline", "frame_request", "media", "picture", "source", "storyboard_request"]),
    // The error of the job, from any layer.
    ("job_error", &["error", "media", "source"]),
    // Destinations of results, which know nothing about videos.
    ("store", &["error", "file_etag", "job_error", "source"]),
    (
        "catalog",
        &["aws", "backoff", "config", "error", "job_error", "object_name", "redacted", "secret", "telemetry"],
    ),
    ("telemetry", &["error", "job_error", "object_name", "source"]),
    ("logging", &["config", "error", "job_error", "printable", "telemetry"]),
    // The job, and the programs around it.
    (
        "process",
        &[
            "cage",
            "catalog",
            "config",
            "deadline",
            "error",
            "frame_request",
            "frame_time",
            "job_error",
            "limits",
            "location",
            "media",
            "object_name",
            "picture",
            "pixels",
            "source",
            "store",
            "storyboard_request",
            "telemetry",
        ],
    ),
    (
        "lambda",
        &[
            "aws",
            "cage",
            "catalog",
            "config",
            "deadline",
            "error",
            "event",
            "job_error",
            "limits",
            "logging",
            "media",
            "process",
            "secret",
            "source",
            "store",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "aws",
            "cage",
            "catalog",
            "config",
            "deadline",
            "error",
            "event",
            "frame_request",
            "frame_time",
            "job_error",
            "lambda",
            "limits",
            "location",
            "logging",
            "media",
            "object_name",
            "picture",
            "pixels",
            "printable",
            "process",
            "secret",
            "source",
            "store",
            "storyboard_request",
        ],
    ),
];

/// A library, and the only places that may use it.
const CONTAINED: &[(&str, &[&str])] = &[
    ("ffmpeg_next", &["media/ffi"]),
    ("ffmpeg_sys_next", &["media/ffi"]),
    ("libwebp_sys", &["media/ffi"]),
    ("unsafe_code", &["media/ffi", "cage/acts", "cage/enter"]),
    ("seccompiler", &["cage/enter"]),
    ("sqlx", &["catalog"]),
    ("russh", &["catalog/tunnel"]),
    ("rustls", &["catalog/tls"]),
    ("reqwest", &["source/http", "catalog/api"]),
    ("aws_sdk_s3", &["source/s3", "store/s3"]),
    ("aws_sdk_secretsmanager", &["secret/stored"]),
    ("aws_sdk_sqs", &["cli/redrive/queue"]),
    ("aws_sigv4", &["catalog/mysql/iam"]),
    ("aws_config", &["aws"]),
    ("aws_credential_types", &["aws", "source/s3", "catalog/mysql/iam"]),
    ("aws_types", &["source/s3", "secret/stored", "catalog"]),
    ("lambda_runtime", &["lambda"]),
    ("clap", &["cli"]),
    ("embedded_graphics", &["cli/grab/sheet"]),
    ("thumbhash", &["picture/placeholder"]),
    ("rustix", &["cage", "cli/libav"]),
];

/// Every source file below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// The files as (`media/ffi/io.rs`, code), without comments: documentation may link to anything.
fn crate_files() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&src, &mut paths)?;
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&src)?.to_str().ok_or("a file name that is not UTF-8")?.to_owned();
            let text = fs::read_to_string(&path)?;
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            Ok((name, code.collect::<Vec<_>>().join("\n")))
        })
        .collect()
}

fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

fn word(text: &str) -> &str {
    text.split(|c: char| c != '_' && !c.is_alphanumeric()).next().unwrap_or("")
}

/// The names after `crate::`: one name, or those in the braces of `use crate::{a::B, c}`.
fn used(code: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate` and `other_crate::` are other crates.
        if code[..at].ends_with(|c: char| c == '$' || c == '_' || c.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let Some(braces) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (index, c) in braces.char_indices() {
            match c {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    names.push(word(braces[start..index].trim()));
                    start = index + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The names that `lib.rs` re-exports, with their modules: `crate::Limits` is a use of `limits`.
fn re_exports(lib: &str) -> HashMap<String, String> {
    let mut from = HashMap::new();
    for statement in lib.split("pub use ").skip(1) {
        let statement = statement.split(';').next().unwrap_or("");
        let Some((module, names)) = statement.split_once("::") else { continue };
        for name in names.split(|c: char| c != '_' && !c.is_alphanumeric()) {
            from.insert(name.to_owned(), module.trim().to_owned());
        }
    }
    from
}

#[test]
fn modules_use_only_what_is_below_them() -> Result<(), Box<dyn Error>> {
    let files = crate_files()?;
    let lib = files.iter().find(|(name, _)| name == "lib.rs").ok_or("there is no src/lib.rs")?;
    let re_exports = re_exports(&lib.1);
    let mut wrong = Vec::new();
    for (file, code) in files.iter().filter(|(name, _)| name != "lib.rs" && !name.starts_with("bin/")) {
        let module = module_of(file);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{file}: the table does not know `{module}`"));
            continue;
        };
        for name in used(code) {
            let target = re_exports.get(name).map_or(name, String::as_str);
            if target != module && !allowed.contains(&target) {
                wrong.push(format!("{file}: `{module}` may not use `{target}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn no_files_import_each_other_in_a_circle() -> Result<(), Box<dyn Error>> {
    let imports = Imports::of(&crate_files()?);
    let mut wrong = Vec::new();
    for group in imports.cycles() {
        wrong.push(format!("a cycle of {} files:", group.len()));
        for file in &group {
            for (target, path) in imports.of_file(file).filter(|(target, _)| group.contains(target)) {
                wrong.push(format!("    {file} imports {target}: {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_fence_around_libav_knows_nothing_outside_it() -> Result<(), Box<dyn Error>> {
    let imports = Imports::of(&crate_files()?);
    let is_inside = |file: &str| file == "media/ffi.rs" || file.starts_with("media/ffi/");
    let files: Vec<&str> = imports.files().filter(|file| is_inside(file)).collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let outside = imports.of_file(file).find(|(target, _)| !is_inside(target));
        assert_eq!(outside, None, "{file}");
    }
    Ok(())
}

#[test]
fn libraries_stay_where_they_belong() -> Result<(), Box<dyn Error>> {
    let mut wrong = Vec::new();
    for (file, code) in crate_files()? {
        for (library, places) in CONTAINED {
            let is_in =
                |place: &&str| file.strip_prefix(*place).is_some_and(|rest| rest.starts_with(['/', '.']));
            let inside = places.iter().any(is_in);
            let named = code.match_indices(library).any(|(at, _)| word(&code[at..]) == *library);
            if named && !inside {
                wrong.push(format!("{file}: {library} belongs in src/{}", places.join(" or src/")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn only_the_configuration_reads_the_environment() -> Result<(), Box<dyn Error>> {
    let reads = |code: &str| ["env::var", "env::vars", "env!(\"HOME"].iter().any(|read| code.contains(read));
    let files = crate_files()?.into_iter().filter(|(_, code)| reads(code));
    let known = ["config/lambda.rs", "config/partial.rs", "config.rs"];
    assert_eq!(files.map(|(file, _)| file).collect::<Vec<_>>(), known);
    Ok(())
}

#[test]
fn only_the_command_line_prints() -> Result<(), Box<dyn Error>> {
    let prints = |code: &str| {
        ["println!", "eprint!", " print!", "stdout()", "io::stderr"].iter().any(|print| code.contains(print))
    };
    for (file, _) in crate_files()?.into_iter().filter(|(_, code)| prints(code)) {
        assert!(file.starts_with("cli/") || file == "logging.rs", "{file}");
    }
    Ok(())
}

#[test]
fn the_reader_of_paths_sees_them() {
    let code =
        "use crate::{error::{Error, Kind}, limits::Limits};\nfn f(x: crate::pixels::Bounds) { $crate::no() }";
    assert_eq!(used(code), ["error", "limits", "pixels"]);
    assert_eq!(used("use crate::Limits;"), ["Limits"]);
    assert_eq!(
        re_exports("pub use media::{Media, Threads};\npub use limits::Limits;").get("Threads").unwrap(),
        "media"
    );
}

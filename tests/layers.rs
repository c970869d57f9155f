//! The walls inside the crate: which module may use which, and where foreign libraries may be named.
//!
//! Read from the sources: every `crate::` path of a file is compared with a table. Tests inside a file count too.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type TestResult = Result<(), Box<dyn Error>>;

/// Each top module and those it may use beside itself. Data flows from left to right; nothing flows back.
const ALLOWED: &[(&str, &[&str])] = &[
    ("error", &["limits"]),
    ("limits", &["error", "media"]),
    ("pixels", &["error", "limits"]),
    ("picture", &["error", "limits", "pixels"]),
    ("media", &["error", "limits", "picture", "pixels"]),
    ("location", &["error"]),
    ("object_name", &["error"]),
    // Formats, bounds and quality are values of the picture layer.
    ("config", &["error", "object_name", "picture", "pixels"]),
    ("telemetry", &["object_name"]),
    ("store", &["error"]),
    ("catalog", &["error", "object_name"]),
    ("process", &["catalog", "config", "error", "media", "object_name", "picture", "store", "telemetry"]),
    (
        "cli",
        &[
            "catalog", "config", "error", "limits", "location", "media", "picture", "pixels", "process",
            "store",
        ],
    ),
    ("bin", &["cli"]),
];

/// Words that may stand only in files under these paths.
const FENCED: &[(&str, &[&str])] = &[
    ("ffmpeg_next", &["src/media/"]),
    ("ffmpeg_sys_next", &["src/media/"]),
    ("unsafe {", &["src/media/ffi/", "src/media/ffi.rs"]),
    ("unsafe fn", &["src/media/ffi/", "src/media/ffi.rs"]),
    ("unsafe impl", &["src/media/ffi/", "src/media/ffi.rs"]),
    ("sqlx::", &["src/catalog/"]),
    ("env::var", &["src/config.rs"]),
    ("println!", &[]),
    ("eprintln!", &[]),
    ("clap::", &["src/cli.rs", "src/cli/"]),
];

/// Every source file, its path from the package's root, and its text.
fn sources() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let list = if path.is_dir() { &mut folders } else { &mut files };
            list.push(path);
        }
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root)?.to_str().ok_or("a source file's name is not UTF-8")?.to_owned();
        Ok((name, fs::read_to_string(path)?))
    };
    files.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs")).map(read).collect()
}

/// The top module a file belongs to: `media` for `src/media/ffi/io.rs`.
fn top_module(file: &str) -> &str {
    let below = file.strip_prefix("src/").unwrap_or(file);
    let top = below.split('/').next().unwrap_or(below);
    top.strip_suffix(".rs").unwrap_or(top)
}

/// The text without comments: what is said in words binds nobody.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first names after `crate::`, those in braces one by one: `crate::{Error, store::ETag}` gives `Error` and `store`.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if code[..at].ends_with(is_word) || code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let first =
            |text: &str| text.trim_start().split(|c| !is_word(c)).next().unwrap_or_default().to_owned();
        match rest.strip_prefix('{') {
            None => names.extend([first(rest)]),
            Some(list) => names.extend(items(list).into_iter().map(first)),
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The items of a list in braces, at its outer level.
fn items(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&list[start..at]);
                return items;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items
}

/// Which module a name at the crate's root comes from: `lib.rs` re-exports some.
fn origin<'a>(name: &'a str, lib: &'a str) -> &'a str {
    for (at, _) in lib.match_indices("pub use ") {
        let statement = lib[at + "pub use ".len()..].split(';').next().unwrap_or_default();
        let Some((module, names)) = statement.split_once("::") else { continue };
        if names.split(|c: char| !c.is_alphanumeric() && c != '_').any(|known| known == name) {
            return module;
        }
    }
    name
}

#[test]
fn modules_use_only_the_layers_below() -> TestResult {
    let lib = code(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))?);
    let mut broken = Vec::new();
    for (file, text) in sources()? {
        let module = top_module(&file);
        if module == "lib" {
            continue;
        }
        let allowed = ALLOWED.iter().find(|(name, _)| *name == module);
        let (_, allowed) = allowed.ok_or_else(|| format!("{file}: its module has no line in the table"))?;
        for name in crate_paths(&code(&text)) {
            let used = origin(&name, &lib);
            if used != module && !allowed.contains(&used) {
                broken.push(format!("{file} uses {used} (crate::{name}), and {module} may not"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn libraries_stay_behind_their_walls() -> TestResult {
    let mut broken = Vec::new();
    for (file, text) in sources()? {
        let code = code(&text);
        for (word, homes) in FENCED {
            let is_home = homes.iter().any(|home| file.starts_with(home));
            if !is_home && code.contains(word) {
                broken.push(format!("{file} holds {word:?}, whose place is {homes:?}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

#[test]
fn no_module_file_is_called_mod() -> TestResult {
    assert!(sources()?.iter().all(|(file, _)| !file.ends_with("/mod.rs")));
    Ok(())
}

#[test]
fn paths_are_read_as_they_are_written() {
    let read = |code: &str| crate_paths(code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(read("use crate::store::{ETag, Store};"), "store");
    assert_eq!(read("use crate::{Error, store::{ETag, Store}, config as settings};"), "Error config store");
    assert_eq!(read("crate::config::parse(x); mycrate::y; $crate::z"), "config");
    assert_eq!(origin("Media", "pub use media::{\n    AudioInfo, Media,\n};"), "media");
    assert_eq!(origin("store", "pub use media::{Media};"), "store");
}

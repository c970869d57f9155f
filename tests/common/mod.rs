//! Shared by the tests of media: the fixtures, their table, and helpers that read a frame.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest as _, Md5};
use posterframe::{Error, Media, OpenOptions, PosterFrame};

/// The result of a test.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The time that the fixtures are designed for.
pub(crate) const AT: Duration = Duration::from_secs(5);

/// Files in the folder of the fixtures that are not media.
const ABOUT: [&str; 5] = [".gitattributes", "README.md", "SHA256SUMS", "oracle.tsv", "times.tsv"];

pub(crate) fn fixtures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    fixtures_folder().join(name)
}

pub(crate) fn fixture_bytes(name: &str) -> Outcome<Vec<u8>> {
    Ok(fs::read(fixture(name)).map_err(|error| format!("{name}: {error}"))?)
}

/// Every media file among the fixtures, by its path inside the folder, sorted.
pub(crate) fn fixtures() -> Outcome<Vec<String>> {
    let folder = fixtures_folder();
    let mut found = Vec::new();
    list(&folder, &folder, &mut found)?;
    found.sort();
    assert!(found.len() > 70, "the fixtures are missing");
    Ok(found)
}

fn list(root: &Path, folder: &Path, found: &mut Vec<String>) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, found)?;
            continue;
        }
        let parts: Vec<&str> = path.strip_prefix(root)?.iter().filter_map(|part| part.to_str()).collect();
        let name = parts.join("/");
        if !ABOUT.contains(&name.as_str()) {
            found.push(name);
        }
    }
    Ok(())
}

/// Whether a fixture must be refused.
pub(crate) fn gives_no_picture(name: &str) -> bool {
    name.starts_with("x_") || name.starts_with("grid.") || name == "audio_only.m4a"
}

/// Fixtures in which two frames have the same time, or whose times libavcodec recomputes: the first frame at a time may be another one.
pub(crate) const RETIMED: [&str; 9] = [
    "resolution_change.ts",
    "near_pts.mp4",
    "same_pts.mp4",
    "same_pts_vvc.mp4",
    "same_pts_pyramid.mp4",
    "same_pts_pyramid.ts",
    "no_ctts.mp4",
    "decoding_times.mp4",
    "late_b_frames.mxf",
];

/// A table of tab-separated values, whose first line contains the headings.
pub(crate) struct Table {
    headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let mut lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split('\t').map(str::to_owned).collect());
        Ok(Self { headings: lines.next().unwrap_or_default(), rows: lines.collect() })
    }

    pub(crate) fn get<'t>(&self, row: &'t [String], heading: &str) -> Outcome<&'t str> {
        let column = self.headings.iter().position(|name| name == heading);
        let value = column.and_then(|column| row.get(column));
        Ok(value.ok_or_else(|| format!("no column {heading} in {row:?}"))?)
    }
}

pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of the frame's decoded samples, as in the tables of the tests.
pub(crate) fn planes_md5(frame: &PosterFrame) -> Result<String, Error> {
    Ok(as_on_x86_64(md5_hex(&frame.copy_planes()?)))
}

/// Returns the MD5 that x86-64 computes instead of this one, if `planes_elsewhere.txt` lists this one as rounded differently.
fn as_on_x86_64(md5: String) -> String {
    if cfg!(all(target_arch = "x86_64", not(libav_without_assembly))) {
        return md5;
    }
    let lines = include_str!("../planes_elsewhere.txt").lines().filter(|line| !line.starts_with('#'));
    let mut pairs = lines.filter_map(|line| line.split_once('\t')?.1.split_once('\t'));
    let known = pairs.find(|(here, _)| *here == md5).map(|(_, there)| there.to_owned());
    known.unwrap_or(md5)
}

pub(crate) fn open(name: &str) -> Outcome<Media<'static>> {
    Ok(Media::open_file(fixture(name), &OpenOptions::default())
        .map_err(|error| format!("{name}: {error}"))?)
}

/// The frame at 5 s in a fixture.
pub(crate) fn frame(name: &str) -> Outcome<PosterFrame> {
    Ok(open(name)?.frame(AT).map_err(|error| format!("{name}: {error}"))?)
}

/// The frame at 5 s in a file in memory.
pub(crate) fn frame_of_bytes(bytes: &[u8], options: &OpenOptions) -> Result<PosterFrame, Error> {
    Media::open(Cursor::new(bytes), options)?.frame(AT)
}

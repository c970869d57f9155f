//! Compares the result and the cost of each fixture with `tests/golden.txt`: another frame, or one more byte read, changes that file.
//! `BLESS=1 cargo test --test golden` writes the file again.
//!
//! The table is valid for the pinned libav, whose decoders are exact to the bit. Some are not exact without the assembly for x86-64
//! (`planes_elsewhere.txt`).

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{AT, Outcome, fixture, fixtures, gives_no_picture, planes_md5};
use posterframe::{Bounds, Error, Media, OpenOptions};

const HEADING: &str =
    "# file\treason\tseconds\tdecoded\tshown\torientation\tmd5\tbytes_fetched\trequests\tpackets_decoded";

fn golden_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden.txt")
}

fn measure(name: &str) -> Result<String, Error> {
    let mut media = Media::open_file(fixture(name), &OpenOptions::default())?;
    let frame = media.frame(AT)?;
    let ((width, height), shown) = (frame.decoded_size(), frame.display_size(Bounds::default()));
    let ledger = media.ledger();
    Ok(format!(
        "{name}\t{}\t{:.6}\t{width}x{height}\t{}x{}\t{:?}\t{}\t{}\t{}\t{}",
        frame.reason().as_str(),
        frame.pts_seconds(),
        shown.0,
        shown.1,
        frame.orientation(),
        planes_md5(&frame)?,
        ledger.bytes_fetched,
        ledger.requests,
        frame.packets_decoded(),
    ))
}

/// A line of the table: the result, or the kind of error.
fn line(name: &str) -> String {
    measure(name).unwrap_or_else(|error| format!("{name}\terror\t{}", error.kind()))
}

fn first_word(line: &str) -> &str {
    line.split('\t').next().unwrap_or(line)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is asked to bless by its environment")]
fn every_fixture_gives_and_costs_what_it_did() -> Outcome {
    let lines: Vec<String> = fixtures()?.iter().map(|name| line(name)).collect();
    if std::env::var_os("BLESS").is_some() {
        fs::write(golden_file(), format!("{HEADING}\n{}\n", lines.join("\n")))?;
        return Ok(());
    }
    let golden = fs::read_to_string(golden_file())?;
    let golden: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    let mut difference = Vec::new();
    for old in golden.iter().filter(|old| !lines.iter().any(|new| new == **old)) {
        difference.push(format!("- {old}"));
        // The new line follows the old line of the same file.
        difference.extend(
            lines.iter().filter(|new| first_word(new) == first_word(old)).map(|new| format!("+ {new}")),
        );
    }
    let is_new = |new: &&String| !golden.iter().any(|old| first_word(old) == first_word(new));
    difference.extend(lines.iter().filter(is_new).map(|new| format!("+ {new}")));
    assert!(
        difference.is_empty(),
        "tests/golden.txt says otherwise (BLESS=1 rewrites it):\n{HEADING}\n{}",
        difference.join("\n")
    );
    Ok(())
}

#[test]
fn the_table_names_every_fixture_once_and_no_other() -> Outcome {
    let golden = fs::read_to_string(golden_file())?;
    let named: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).map(first_word).collect();
    assert_eq!(named, fixtures()?);
    Ok(())
}

#[test]
fn what_must_fail_fails_and_nothing_else() -> Outcome {
    let golden = fs::read_to_string(golden_file())?;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let fails = line.split('\t').nth(1) == Some("error");
        assert_eq!(fails, gives_no_picture(first_word(line)), "{line}");
    }
    Ok(())
}

#[test]
fn no_byte_is_fetched_twice() -> Outcome {
    for name in fixtures()?.iter().filter(|name| !gives_no_picture(name)) {
        let mut media = Media::open_file(fixture(name), &OpenOptions::default())?;
        media.frame(AT)?;
        let (fetched, size) = (media.ledger().bytes_fetched, fs::metadata(fixture(name))?.len());
        assert!(fetched <= size, "{name}: {fetched} of {size} bytes");
    }
    Ok(())
}

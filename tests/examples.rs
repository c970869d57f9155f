//! Runs the programs in `examples/`, which cargo builds before any test runs.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `target/<profile>/examples/NAME`, beside the `deps` folder this test runs in.
fn example(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let deps = std::env::current_exe()?;
    let profile = deps.ancestors().nth(2).ok_or("the test runs outside of a target folder")?;
    Ok(profile.join("examples").join(name))
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/h264_front.mp4")
}

/// Runs an example on a fixture with a picture's path, checks the picture, and returns what was printed.
fn run(name: &str) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let picture = folder.path().join("picture.jpg");
    let output = Command::new(example(name)?).arg(fixture()).arg(&picture).output()?;
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let (width, height) = image::image_dimensions(&picture)?;
    assert!(width > 0 && height > 0);
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn file() -> Result<(), Box<dyn Error>> {
    assert!(run("file")?.contains("frame at"));
    Ok(())
}

#[test]
fn cursor() -> Result<(), Box<dyn Error>> {
    assert!(run("cursor")?.contains("frame at"));
    Ok(())
}

#[test]
fn own_reader() -> Result<(), Box<dyn Error>> {
    assert!(run("own_reader")?.contains("bytes read"));
    Ok(())
}

//! The build script reports the version of the FFmpeg that ffmpeg-sys-next links, and runs again when that FFmpeg changes.
#![cfg(unix)]

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A project that contains only our build script. Its program prints the FFmpeg version that the script found.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(folder.path().join("src"))?;
        fs::write(
            folder.path().join("Cargo.toml"),
            "[package]\nname = \"version\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[build-dependencies]\npkg-config = \"0.3\"\n",
        )?;
        fs::write(
            folder.path().join("src/main.rs"),
            "fn main() { println!(\"{}\", env!(\"POSTERFRAME_FFMPEG_VERSION\")); }",
        )?;
        fs::copy(ours.join("build.rs"), folder.path().join("build.rs"))?;
        // The version of pkg-config that this repository has already downloaded.
        fs::copy(ours.join("Cargo.lock"), folder.path().join("Cargo.lock"))?;
        Ok(Self { folder })
    }

    /// Writes a replacement for pkg-config that reports this version of FFmpeg.
    fn pkg_config(&self, name: &str, version: &str) -> Outcome<String> {
        let include = self.folder.path().join(name);
        fs::create_dir_all(include.join("libavutil"))?;
        let header = format!("#define FFMPEG_VERSION \"{version}\"\n");
        fs::write(include.join("libavutil/ffversion.h"), header)?;
        let program = self.folder.path().join(format!("pkg-config-{name}"));
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*--modversion*) echo 59.8 ;;\n*--variable=includedir*) echo '{0}' ;;\n*) echo '-I{0}' ;;\nesac\n",
            include.display()
        );
        fs::write(&program, script)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(program.display().to_string())
    }

    /// Builds the program with these variables, and returns the version that it prints.
    fn version(&self, variables: &[(&str, &str)]) -> Outcome<String> {
        let mut cargo = Command::new(env!("CARGO"));
        for (name, _) in std::env::vars_os() {
            let ours = name.to_str().is_some_and(|name| {
                name.contains("PKG_CONFIG") || name.starts_with("CARGO_BUILD") || name == "FFMPEG_DIR"
            });
            if ours {
                cargo.env_remove(name);
            }
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-script");
        cargo.current_dir(self.folder.path()).env("CARGO_TARGET_DIR", target);
        let output = cargo.args(["run", "--quiet"]).envs(variables.iter().copied()).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

#[test]
fn it_reports_the_ffmpeg_that_is_linked_and_notices_another_one() -> Outcome {
    let project = Project::new()?;
    let (one, other) = (project.pkg_config("one", "5.1")?, project.pkg_config("other", "7.1")?);
    assert_eq!(project.version(&[("PKG_CONFIG", &one)])?, "5.1");
    assert_eq!(project.version(&[("PKG_CONFIG", &other)])?, "7.1");
    // ffmpeg-sys-next prefers a variable for the target machine, as a cross build sets it. In this build the target is the host.
    assert_eq!(project.version(&[("PKG_CONFIG", &one), ("HOST_PKG_CONFIG", &other)])?, "7.1");
    Ok(())
}

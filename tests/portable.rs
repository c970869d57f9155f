//! The static programs must start with glibc 2.34 or newer. Amazon Linux 2023, on which Lambda's `provided.al2023` is based, has 2.34.
//! `make lambda-zip` refuses other programs. These tests cover its check of the built function (`scripts/lambda_zip.py`) too.
#![cfg(all(feature = "static", feature = "cli", target_os = "linux", target_env = "gnu"))]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The command line program, and the function.
const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_posterframe"), env!("CARGO_BIN_EXE_posterframe-lambda")];

/// Runs `objdump`, a part of binutils, which the compiler needs.
fn objdump(option: &str, program: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new("objdump").arg(option).arg(program).output()?;
    assert!(output.status.success(), "objdump {option}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs the script of `make lambda-zip`.
fn pack(program: &Path, archive: &Path) -> Result<Output, Box<dyn Error>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lambda_zip.py");
    Ok(Command::new("python3").arg("-B").arg(script).arg(program).arg(archive).output()?)
}

/// Returns the message of the script for a program that it refuses.
fn refusal(program: &Path) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let output = pack(program, &folder.path().join("function.zip"))?;
    assert!(!output.status.success(), "it packed {}", program.display());
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "something was left");
    Ok(String::from_utf8(output.stderr)?)
}

/// Compiles one C file.
fn compile(source: &str, program: &Path, options: &[&str]) -> Result<(), Box<dyn Error>> {
    let file = program.with_extension("c");
    fs::write(&file, source)?;
    let output = Command::new("gcc").args(["-O0", "-o"]).args([program, &file]).args(options).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Parses `GLIBC_2.34` as `(2, 34)` and ignores a third part.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[test]
fn needs_no_symbol_newer_than_glibc_2_34() -> Result<(), Box<dyn Error>> {
    let versions = |line: &str| {
        let (_, rest) = line.split_once("GLIBC_")?;
        version(rest.split([')', ' ']).next()?)
    };
    for program in PROGRAMS {
        let symbols = objdump("-T", program)?;
        assert!(symbols.lines().any(|line| versions(line).is_some()), "no versioned symbol in {symbols}");
        let newer: Vec<_> = symbols.lines().filter(|line| versions(line) > Some((2, 34))).collect();
        assert!(newer.is_empty(), "{program}: these need a newer glibc:\n{}", newer.join("\n"));
    }
    Ok(())
}

#[test]
fn loads_no_shared_library_of_ffmpeg() -> Result<(), Box<dyn Error>> {
    for program in PROGRAMS {
        let headers = objdump("-p", program)?;
        let needed: Vec<_> =
            headers.lines().filter_map(|line| line.trim().strip_prefix("NEEDED")).map(str::trim).collect();
        let system = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux"];
        let others: Vec<_> =
            needed.iter().filter(|name| !system.iter().any(|known| name.starts_with(known))).collect();
        assert!(others.is_empty(), "{program} loads more than the C library: {others:?}");
    }
    Ok(())
}

/// This test packs a small program, because the function as tests build it contains debug information.
#[test]
fn the_zip_holds_bootstrap_that_anybody_may_run_and_no_time() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    compile("int main(void) { return 7; }", &at("seven"), &[])?;
    for archive in ["a.zip", "b.zip"] {
        let output = pack(&at("seven"), &at(archive))?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // For the second archive, the program has a newer modification time.
        fs::copy(at("seven"), at("copy"))?;
        fs::rename(at("copy"), at("seven"))?;
    }
    assert_eq!(fs::read(at("a.zip"))?, fs::read(at("b.zip"))?);

    let look = "import sys, zipfile\n\
                for member in zipfile.ZipFile(sys.argv[1]).infolist():\n    \
                    print(member.filename, oct(member.external_attr >> 16), member.date_time[0], member.create_system)";
    let listed = Command::new("python3").args(["-c", look]).arg(at("a.zip")).output()?;
    assert_eq!(String::from_utf8(listed.stdout)?, "bootstrap 0o100755 1980 3\n");
    let unpack =
        "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read('bootstrap'))";
    let unpacked = Command::new("python3").args(["-c", unpack]).arg(at("a.zip")).output()?;
    assert_eq!(unpacked.stdout, fs::read(at("seven"))?);
    Ok(())
}

#[test]
fn the_zip_is_not_made_of_what_lambda_would_not_start() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("text"), "#!/bin/sh\n")?;
    assert!(refusal(&at("text"))?.contains("is no program"));

    // The current version of the symbol `hypot` came with glibc 2.35; Debian 12 has 2.36.
    let source = "double hypot(double, double);\n\
                  int main(int count, char **words) { return words[0] == 0 || hypot(count, count) > 9; }";
    compile(source, &at("new"), &["-fno-builtin", "-lm"])?;
    let said = refusal(&at("new"))?;
    assert!(said.contains("hypot") && said.contains("GLIBC_2.35"), "{said}");

    compile("int other(void) { return 1; }", &at("libother.so"), &["-shared", "-fPIC"])?;
    let library = at("libother.so");
    let library = library.to_str().ok_or("the folder's name is not UTF-8")?;
    compile("int other(void); int main(void) { return other(); }", &at("linked"), &[library])?;
    let said = refusal(&at("linked"))?;
    assert!(said.contains("libother.so"), "{said}");

    // 16 MB that cannot be compressed.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(16_000_000)
    .collect();
    fs::write(at("noise"), noise)?;
    let noise = at("noise").display().to_string();
    let source =
        format!("__asm__(\".data\\n.incbin \\\"{noise}\\\"\\n.text\"); int main(void) {{ return 0; }}");
    compile(&source, &at("large"), &[])?;
    let said = refusal(&at("large"))?;
    assert!(said.contains("is to stay below 15000000"), "{said}");
    Ok(())
}

//! The static program starts wherever glibc is 2.34 or newer: Amazon Linux 2023, which Lambda's `provided.al2023` is.
#![cfg(all(feature = "static", feature = "cli", target_os = "linux", target_env = "gnu"))]

use std::error::Error;
use std::process::Command;

/// Runs `objdump`, which comes with the compiler (binutils), over the program under test.
fn objdump(option: &str) -> Result<String, Box<dyn Error>> {
    let output = Command::new("objdump").arg(option).arg(env!("CARGO_BIN_EXE_posterframe")).output()?;
    assert!(output.status.success(), "objdump {option}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// `GLIBC_2.34` as `(2, 34)`; a third part is ignored.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[test]
fn needs_no_symbol_newer_than_glibc_2_34() -> Result<(), Box<dyn Error>> {
    let symbols = objdump("-T")?;
    let versions = |line: &str| {
        let (_, rest) = line.split_once("GLIBC_")?;
        version(rest.split([')', ' ']).next()?)
    };
    assert!(symbols.lines().any(|line| versions(line).is_some()), "no versioned symbol in {symbols}");
    let newer: Vec<_> = symbols.lines().filter(|line| versions(line) > Some((2, 34))).collect();
    assert!(newer.is_empty(), "these need a newer glibc:\n{}", newer.join("\n"));
    Ok(())
}

#[test]
fn loads_no_shared_library_of_ffmpeg() -> Result<(), Box<dyn Error>> {
    let headers = objdump("-p")?;
    let needed: Vec<_> =
        headers.lines().filter_map(|line| line.trim().strip_prefix("NEEDED")).map(str::trim).collect();
    let system = ["libc.so", "libm.so", "libgcc_s.so", "ld-linux"];
    let others: Vec<_> =
        needed.iter().filter(|name| !system.iter().any(|known| name.starts_with(known))).collect();
    assert!(others.is_empty(), "loads more than the C library: {others:?}");
    Ok(())
}

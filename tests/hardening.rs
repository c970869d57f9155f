//! How the programs are linked: an attacker who uses a memory error finds no fixed address, no
//! writable table of functions, and no executable stack.

use std::error::Error;
use std::process::Command;

#[cfg(feature = "lambda")]
const PROGRAMS: &[&str] = &[env!("CARGO_BIN_EXE_posterframe"), env!("CARGO_BIN_EXE_posterframe-lambda")];
#[cfg(not(feature = "lambda"))]
const PROGRAMS: &[&str] = &[env!("CARGO_BIN_EXE_posterframe")];

#[test]
fn programs_lie_anywhere_and_are_read_only_once_they_are_linked() -> Result<(), Box<dyn Error>> {
    for program in PROGRAMS {
        let output = Command::new("readelf").args(["-h", "-l", "-d", "-W", program]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name));
        // readelf of binutils 2.40. `DYN` alone may also be a shared object, so that INTERP is checked, too.
        assert!(line("Type:").is_some_and(|line| line.contains("DYN")), "{program}: {text}");
        assert!(line("INTERP").is_some(), "{program}: {text}");
        // Full RELRO: the tables that the dynamic linker fills become read-only before `main`.
        assert!(line("GNU_RELRO").is_some(), "{program}: {text}");
        assert!(text.contains("BIND_NOW") || text.contains("Flags: NOW"), "{program}: {text}");
        let stack = line("GNU_STACK").ok_or("no GNU_STACK")?;
        assert!(stack.contains("RW ") && !stack.contains('E'), "{program}: {stack}");
    }
    Ok(())
}

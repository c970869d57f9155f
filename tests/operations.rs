//! Checks the table of failures in `docs/operations.md`: every row must name tests that exist.

use std::error::Error;
use std::fs;
use std::path::Path;

#[test]
fn every_failure_has_its_test() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/operations.md"))?;
    let table = text.split("## Failures, one by one").nth(1).ok_or("no table of failures")?;
    let table = table.split("\n## ").next().unwrap_or(table);
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        let name = cells[4].trim().trim_matches('`');
        let (file, test) = name.split_once("::").ok_or_else(|| format!("no test: {row}"))?;
        let code = fs::read_to_string(root.join("tests").join(format!("{file}.rs")))?;
        assert!(code.contains(&format!("#[test]\nfn {test}()")), "{name} is no test: {row}");
    }
    Ok(())
}

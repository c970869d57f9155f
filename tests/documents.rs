//! What the documents say of the code: every variable that is read is on the page of the configuration, in both languages where both
//! tell of it; features, kinds of errors, programs and examples are in the library's guide; and links lead somewhere.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use posterframe::ErrorKind;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn read(path: &str) -> Outcome<String> {
    Ok(fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?)
}

/// Names in capitals between these quotes.
fn names(text: &str, quote: char) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.len() > 3
            && word.starts_with(|first: char| first.is_ascii_uppercase())
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
    };
    text.split(quote).filter(is_name).collect()
}

#[test]
fn every_variable_is_on_the_page_and_none_else() -> Outcome {
    let mut code = String::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config"))? {
        let text = fs::read_to_string(entry?.path())?;
        // Tests name variables that mean nothing.
        code.push_str(text.split("#[cfg(test)]").next().unwrap_or_default());
    }
    let config = read("src/config.rs")?;
    code.push_str(config.split("#[cfg(test)]").next().unwrap_or_default());
    let lambda_s_own = |name: &&str| name.starts_with("AWS_LAMBDA_");
    let mut known: BTreeSet<_> = names(&code, '"').into_iter().filter(|name| !lambda_s_own(name)).collect();
    // The terminal's own.
    known.remove("TERM");
    known.remove("KITTY_WINDOW_ID");
    let page = read("docs/configuration.md")?;
    let mut told = names(&page, '`');
    for of_others in ["AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "SSL_CERT_FILE"] {
        assert!(told.remove(of_others), "{of_others}");
    }
    assert_eq!(told, known);
    let documentation = names(&config, '`');
    let missing: Vec<_> = known.iter().filter(|name| !documentation.contains(*name)).collect();
    assert!(missing.is_empty(), "the crate's own documentation lacks {missing:?}");
    Ok(())
}

#[test]
fn both_readmes_say_the_same() -> Outcome {
    let (english, korean) = (read("README.md")?, read("README.ko.md")?);
    let commands = |text: &str| -> Vec<String> {
        let blocks = text.split("```").skip(1).step_by(2);
        let lines = blocks.flat_map(|block| block.lines().skip(1));
        // Comments are in the language of the page.
        lines
            .map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    };
    assert_eq!(commands(&english), commands(&korean));
    let headings =
        |text: &str| text.lines().filter(|line| line.starts_with('#') && !line.starts_with("# ")).count();
    assert_eq!(headings(&english), headings(&korean));
    Ok(())
}

/// The names of the features, but `default`, that stands for others.
fn features() -> Outcome<BTreeSet<String>> {
    let manifest = read("Cargo.toml")?;
    let table = manifest.split("[features]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = table.ok_or("Cargo.toml has no features")?.lines();
    let names =
        lines.filter_map(|line| Some(line.split_once(" = ")?.0)).filter(|name| !name.starts_with('#'));
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(names.contains("default") && manifest.contains("default = [\"cli\"]"));
    Ok(names.into_iter().filter(|name| name != "default").collect())
}

/// What stands between backquotes in the first column of the table under this heading.
fn first_column(text: &str, heading: &str) -> Outcome<BTreeSet<String>> {
    let part = text.split(heading).nth(1).ok_or("no such heading")?;
    let rows =
        part.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    Ok(names.map(str::to_owned).collect())
}

#[test]
fn every_feature_is_in_the_tables_and_no_other() -> Outcome {
    let crate_documentation = read("src/lib.rs")?.replace("//! ", "");
    assert_eq!(first_column(&crate_documentation, "# Features\n")?, features()?);
    assert!(crate_documentation.contains("\n| `cli` (default) |"));
    assert_eq!(first_column(&read("docs/library.md")?, "## Features\n")?, features()?);
    Ok(())
}

#[test]
fn every_kind_of_error_is_in_the_guide() -> Outcome {
    let guide = read("docs/library.md")?;
    let documented = first_column(&guide, "## Errors\n")?;
    for name in &documented {
        let kind = ErrorKind::from_name(name).ok_or_else(|| format!("{name} is no kind"))?;
        let row = guide.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).ok_or("no row")?;
        let again = if kind.is_retryable() { "yes" } else { "no" };
        assert_eq!(row.split('|').nth(3).map(str::trim), Some(again), "{name}");
    }
    let code = read("src/error.rs")?;
    let words: BTreeSet<_> = names_of_kinds(&code).map(str::to_owned).collect();
    assert_eq!(documented, words);
    Ok(())
}

/// The words of `ErrorKind::as_str`.
fn names_of_kinds(code: &str) -> impl Iterator<Item = &str> {
    let arms =
        code.lines().map(str::trim).filter(|line| line.starts_with("Self::") && line.contains(" => \""));
    arms.filter_map(|line| line.split('"').nth(1))
}

/// The guide's programs are tests of documentation (`src/lib.rs`); those of the README are among them.
#[test]
fn the_readme_s_programs_are_in_the_guide() -> Outcome {
    let (readme, guide) = (read("README.md")?, read("docs/library.md")?);
    let programs: Vec<_> =
        readme.split("```rust").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(programs.len(), 2);
    for program in programs {
        assert!(guide.contains(&format!("```rust{program}```")), "not in the guide: {program}");
    }
    Ok(())
}

#[test]
fn every_example_is_in_the_guide() -> Outcome {
    let guide = read("docs/library.md")?;
    let mut examples = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))? {
        let name = entry?.file_name().into_string().map_err(|_| "a name that is not UTF-8")?;
        assert!(guide.contains(&format!("](../examples/{name})")), "{name}");
        examples += 1;
    }
    assert!(examples >= 9, "{examples}");
    Ok(())
}

/// Links to files of the repository, and to headings in them, lead somewhere.
#[test]
fn links_lead_somewhere() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![
        root.join("README.md"),
        root.join("README.ko.md"),
        root.join("CONTRIBUTING.md"),
        root.join("CHANGELOG.md"),
    ];
    for folder in ["docs", "deploy/terraform", "vendor/libav"] {
        for entry in fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut links = 0;
    for page in &pages {
        let text = fs::read_to_string(page)?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let folder = page.parent().unwrap_or(root);
            let file: PathBuf = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(file.exists(), "{}: {target}", page.display());
            if !heading.is_empty() {
                let linked = fs::read_to_string(&file)?;
                let found =
                    linked.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(found, "{}: {target}", page.display());
            }
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
    Ok(())
}

/// A heading as a link names it: lower case, words joined by hyphens, punctuation left out.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.collect::<String>().replace(' ', "-")
}

//! Compares the documents with the code. The page of the configuration lists every variable that the code reads. Pages in both languages
//! have the same shape. The library's guide lists features, kinds of errors, programs and examples. Links lead to files and headings that
//! exist, and every block names what runs it.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        // The names of variables in tests have no meaning.
        code.push_str(text.split("#[cfg(test)]").next().unwrap_or_default());
    }
    code.push_str(read("src/source/s3/bucket_headers.rs")?.split("#[cfg(test)]").next().unwrap_or_default());
    let config = read("src/config.rs")?;
    code.push_str(config.split("#[cfg(test)]").next().unwrap_or_default());
    let lambda_s_own = |name: &&str| name.starts_with("AWS_LAMBDA_");
    let mut known: BTreeSet<_> = names(&code, '"').into_iter().filter(|name| !lambda_s_own(name)).collect();
    // These variables belong to the terminal.
    known.remove("TERM");
    known.remove("KITTY_WINDOW_ID");
    let page = read("docs/configuration.md")?;
    let mut told = names(&page, '`');
    for of_others in ["AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "SSL_CERT_FILE", "NO_COLOR"] {
        assert!(told.remove(of_others), "{of_others}");
    }
    assert_eq!(told, known);
    let documentation = names(&config, '`');
    let missing: Vec<_> = known.iter().filter(|name| !documentation.contains(*name)).collect();
    assert!(missing.is_empty(), "the crate's own documentation lacks {missing:?}");
    Ok(())
}

/// The parts of a page that do not depend on its language.
#[derive(Debug, PartialEq, Eq)]
struct Shape<'a> {
    /// The level of each heading.
    headings: Vec<usize>,
    /// The mark of each block, which names what runs it.
    marks: Vec<&'a str>,
    /// The lines of blocks without comments, because comments are in the page's language.
    commands: Vec<&'a str>,
    /// The code in each row of a table, as a set: its order depends on the language.
    rows: Vec<BTreeSet<&'a str>>,
}

impl<'a> Shape<'a> {
    fn of(page: &'a str) -> Self {
        let mut shape = Self { headings: vec![], marks: vec![], commands: vec![], rows: vec![] };
        let mut in_block = false;
        for line in page.lines() {
            let begins = |start: &str| line.starts_with(start);
            match in_block {
                _ if begins("```") => in_block = !in_block,
                true => {
                    let command = line.split(" #").next().unwrap_or(line).trim();
                    if !command.is_empty() && !command.starts_with("# ") {
                        shape.commands.push(command);
                    }
                }
                false if begins("#") => {
                    shape.headings.push(line.bytes().take_while(|byte| *byte == b'#').count());
                }
                false if begins("<!--") => shape.marks.push(line),
                false if begins("|") => shape.rows.push(line.split('`').skip(1).step_by(2).collect()),
                false => {}
            }
        }
        shape
    }
}

fn say_the_same(english: &str, korean: &str) -> Outcome {
    let texts = (read(english)?, read(korean)?);
    let (one, other) = (Shape::of(&texts.0), Shape::of(&texts.1));
    assert_eq!(one.headings, other.headings, "headings of {english} and {korean}");
    assert_eq!(one.marks, other.marks, "marks of {english} and {korean}");
    assert_eq!(one.commands, other.commands, "commands of {english} and {korean}");
    assert_eq!(one.rows.len(), other.rows.len(), "rows of {english} and {korean}");
    for (one, other) in one.rows.iter().zip(&other.rows) {
        assert_eq!(one, other, "rows of {english} and {korean}");
    }
    Ok(())
}

#[test]
fn both_readmes_say_the_same() -> Outcome {
    say_the_same("README.md", "README.ko.md")
}

#[test]
fn pages_in_korean_say_what_the_english_ones_say() -> Outcome {
    let mut pairs = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ko"))? {
        let name = entry?.file_name();
        let name = name.to_str().ok_or("a name that is no text")?;
        say_the_same(&format!("docs/{name}"), &format!("docs/ko/{name}"))?;
        pairs += 1;
    }
    assert!(pairs >= 4, "{pairs}");
    Ok(())
}

/// All documents, including those of fixtures and examples.
fn pages() -> Outcome<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> = [
        "README.md",
        "README.ko.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "vendor/libav/README.md",
    ]
    .iter()
    .map(|page| root.join(page))
    .filter(|page| page.exists())
    .collect();
    let mut folders: Vec<_> = ["docs", "deploy/terraform", "examples", "fuzz", "tests/fixtures"]
        .iter()
        .map(|folder| root.join(folder))
        .filter(|folder| folder.exists())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    Ok(pages)
}

/// Whether this is a valid mark. `make docs-test` checks whether the mark is true.
fn is_mark(line: &str) -> bool {
    let said = line.trim().strip_prefix("<!-- docs-test: ").and_then(|rest| rest.strip_suffix(" -->"));
    said.is_some_and(|said| {
        let with = |word: &str| said.strip_prefix(word).is_some_and(|rest| !rest.trim().is_empty());
        matches!(said, "run" | "moto" | "text")
            || ["run, in ", "moto, in ", "by ", "account, "].into_iter().any(with)
    })
}

/// A mark above every fenced block names what runs the block, except for Rust that rustdoc compiles with the crate.
#[test]
fn every_block_says_who_runs_it() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = read("src/lib.rs")?;
    let mut blocks = 0;
    for page in &pages()? {
        let name = page.strip_prefix(root)?.display().to_string();
        // The page in the other language has the same name.
        let english = name.replace(".ko.md", ".md").replace("docs/ko/", "docs/");
        let compiled = library.contains(&format!("include_str!(\"../{english}\")"));
        let (mut above, mut inside) = (String::new(), false);
        for (number, line) in fs::read_to_string(page)?.lines().enumerate() {
            let fence = line.trim_start();
            if fence.starts_with("```") || fence.starts_with("~~~") {
                inside = !inside;
                if inside {
                    let rust = compiled && fence[3..].starts_with("rust");
                    assert!(rust || is_mark(&above), "{name}:{}: no mark above the block", number + 1);
                    blocks += 1;
                }
            }
            line.clone_into(&mut above);
        }
        assert!(!inside, "{name}: a block has no end");
    }
    assert!(blocks > 40, "{blocks}");
    Ok(())
}

/// The names of the features, except `default`, which stands for others.
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

/// The code in the first column of the table under this heading.
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

/// The names that `ErrorKind::as_str` returns.
fn names_of_kinds(code: &str) -> impl Iterator<Item = &str> {
    let arms =
        code.lines().map(str::trim).filter(|line| line.starts_with("Self::") && line.contains(" => \""));
    arms.filter_map(|line| line.split('"').nth(1))
}

/// The programs in the guide are doc tests (`src/lib.rs`). The README's programs are among them.
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

/// Links to files of the repository, and to headings in them, lead to targets that exist.
#[test]
fn links_lead_somewhere() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for page in &pages()? {
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

/// The anchor of a heading: lower case, words joined by hyphens, without punctuation.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.collect::<String>().replace(' ', "-")
}

/// A script computes the tables of `docs/scaling.md`. It accepts the other inputs that the page shows.
#[test]
fn the_tables_of_scaling_are_what_the_script_says() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = |arguments: &[&str]| -> Outcome<String> {
        let done = Command::new("python3").arg(root.join("scripts/aws_cost.py")).args(arguments).output()?;
        let (said, complaint) = (String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?);
        if done.status.success() { Ok(said) } else { Err(complaint.into()) }
    };
    let page = read("docs/scaling.md")?;
    let said = run(&[])?;
    let tables: Vec<_> = said.trim().split("\n\n").collect();
    assert_eq!(tables.len(), 3, "{said}");
    for table in tables {
        assert!(page.contains(table), "docs/scaling.md lacks:\n{table}");
    }
    let commands = page.lines().filter_map(|line| line.strip_prefix("scripts/aws_cost.py "));
    let mut shown = 0;
    for command in commands {
        let arguments: Vec<_> = command.split(" #").next().unwrap_or(command).split_whitespace().collect();
        assert_ne!(run(&arguments)?, said, "{command} changes nothing");
        shown += 1;
    }
    assert!(shown >= 3, "{shown}");
    let refusal = run(&["lambda_gb_secnd=1"]).err().ok_or("a name that is none was taken")?;
    assert!(refusal.to_string().contains("lambda_gb_secnd is no input"), "{refusal}");
    Ok(())
}

/// Tests that a page names as `file::test` exist.
#[test]
fn tests_that_pages_name_are_there() -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for path in pages()? {
        let page = fs::read_to_string(&path)?;
        // The names of modules have the same form. Names of tests contain an underscore.
        let sentences =
            page.split('`').filter_map(|word| word.split_once("::")).filter(|(_, test)| test.contains('_'));
        for (file, test) in sentences {
            let folders =
                ["tests", "tests/remote_faults"].map(|folder| root.join(folder).join(format!("{file}.rs")));
            let Some(code) = folders.iter().find_map(|file| fs::read_to_string(file).ok()) else { continue };
            assert!(code.contains(&format!("fn {test}(")), "{}: {file}::{test}", path.display());
            named += 1;
        }
    }
    assert!(named > 60, "{named}");
    Ok(())
}

//! The workflows of `.github/` must run what a developer runs: existing make targets, and before them only commands that install the
//! tools that CONTRIBUTING.md requires.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/nightly.yml"];

/// The commands that are allowed before the first make target: they install git, make, a compiler, Rust, an image builder.
const INSTALLS: [&str; 3] = [
    "apt-get update && apt-get install -y --no-install-recommends ",
    "rustup default ",
    "rustup toolchain install ",
];

fn read(path: &str) -> Outcome<String> {
    Ok(fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?)
}

/// The first word after each `KEY:` in a file that has one `key: value` per line.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(str::trim).collect()
}

/// The jobs, each as its name and its lines.
fn jobs(workflow: &str) -> Outcome<Vec<(&str, String)>> {
    let (_, text) = workflow.split_once("\njobs:\n").ok_or("no jobs")?;
    let mut jobs: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        let name = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        match name.filter(|name| !name.starts_with([' ', '#', '-'])) {
            Some(name) => jobs.push((name, String::new())),
            // Lines above the first job belong to no job.
            None => {
                if let Some((_, lines)) = jobs.last_mut() {
                    lines.push_str(line);
                    lines.push('\n');
                }
            }
        }
    }
    Ok(jobs)
}

/// The targets of the Makefile that have an explanation.
fn targets(makefile: &str) -> BTreeSet<&str> {
    let rules = makefile.lines().filter(|line| line.contains("## "));
    rules.filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect()
}

#[test]
fn only_make_targets_are_run() -> Outcome {
    let makefile = read("Makefile")?;
    let targets = targets(&makefile);
    let mut made = 0;
    for path in WORKFLOWS {
        let workflow = read(path)?;
        for (job, lines) in jobs(&workflow)? {
            let runs = values(&lines, "run");
            if job == "passed" {
                assert_eq!(runs, ["exit 1"], "{path}");
                continue;
            }
            let (installs, makes): (Vec<_>, Vec<_>) =
                runs.into_iter().partition(|run| !run.starts_with("make "));
            for run in installs {
                let known = INSTALLS.iter().find_map(|install| run.strip_prefix(install));
                let arguments = known.ok_or_else(|| format!("{path}, {job}: {run}"))?;
                assert!(!arguments.contains([';', '&', '|', '>', '`', '(']), "{path}, {job}: {run}");
            }
            assert!(!makes.is_empty(), "{path}, {job} makes nothing");
            for run in makes {
                for word in run.split(' ').skip(1) {
                    // The word sets a variable. An explanation in the Makefile must name the variable.
                    let setting = word.split_once('=').map(|(name, _)| name);
                    let known = match setting {
                        Some(name) => makefile.contains(&format!("{name}=")),
                        None => targets.contains(word),
                    };
                    assert!(known, "{path}, {job}: {run}: the Makefile has no {word}");
                    made += usize::from(setting.is_none());
                }
            }
        }
    }
    assert!(made >= 12, "{made}");
    Ok(())
}

#[test]
fn others_actions_are_named_by_commit_and_jobs_are_bounded() -> Outcome {
    let mut actions = BTreeSet::new();
    for path in WORKFLOWS {
        let workflow = read(path)?;
        assert!(workflow.contains("\npermissions:\n  contents: read\n\n"), "{path}");
        assert!(workflow.contains("\nconcurrency:\n"), "{path}");
        for used in values(&workflow, "uses") {
            let (name, version) = used.split_once('@').ok_or(used)?;
            let (commit, version) = version.split_once(" # v").ok_or(used)?;
            assert!(
                commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{path}: {used}"
            );
            assert_eq!(
                version.split('.').filter(|number| number.parse::<u32>().is_ok()).count(),
                3,
                "{path}: {used}"
            );
            actions.insert((name.to_owned(), used.to_owned()));
        }
        for (job, lines) in jobs(&workflow)? {
            let minutes = values(&lines, "timeout-minutes");
            assert_eq!(minutes.len(), 1, "{path}, {job}");
            assert!(minutes[0].parse::<u32>()? <= 180, "{path}, {job}");
            // A token that stays in .git/config would be readable by everything that the job runs.
            let checkouts = lines.matches("actions/checkout@").count();
            assert_eq!(checkouts, lines.matches("persist-credentials: false").count(), "{path}, {job}");
        }
    }
    let names: BTreeSet<_> = actions.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), actions.len(), "an action in two versions: {actions:?}");
    Ok(())
}

#[test]
fn the_last_job_waits_for_all_others() -> Outcome {
    for path in WORKFLOWS {
        let workflow = read(path)?;
        let mut jobs = jobs(&workflow)?;
        let (last, lines) = jobs.pop().ok_or("no jobs")?;
        assert_eq!(last, "passed", "{path}");
        let needs = values(&lines, "needs");
        let needs =
            needs.first().and_then(|needs| needs.strip_prefix('[')?.strip_suffix(']')).ok_or("no needs")?;
        let names: Vec<_> = jobs.iter().map(|(name, _)| *name).collect();
        assert_eq!(needs.split(", ").collect::<Vec<_>>(), names, "{path}");
        assert!(lines.contains("if: always()"), "{path}");
        for result in ["failure", "cancelled", "skipped"] {
            assert!(lines.contains(&format!("contains(needs.*.result, '{result}')")), "{path}: {result}");
        }
    }
    Ok(())
}

/// All workflows use one version of Rust, that of the image. `make msrv` uses the oldest version that Cargo.toml promises.
#[test]
fn rust_has_the_versions_of_the_image_and_of_the_promise() -> Outcome {
    let (dockerfile, manifest) = (read("Dockerfile")?, read("Cargo.toml")?);
    let ours =
        dockerfile.lines().find_map(|line| line.strip_prefix("ARG RUST_VERSION=")).ok_or("no version")?;
    let promised =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let promised = promised.ok_or("no rust-version")?;
    let mut versions = 0;
    for path in WORKFLOWS {
        let workflow = read(path)?;
        for (job, lines) in jobs(&workflow)? {
            let wanted = if job == "msrv" { format!("{promised}.0") } else { ours.to_owned() };
            let images = lines.split("rust:").skip(1).filter_map(|rest| rest.split('-').next());
            let defaults = lines.split("rustup default ").skip(1).filter_map(|rest| rest.lines().next());
            for version in images.chain(defaults) {
                assert_eq!(version, wanted, "{path}, {job}");
                versions += 1;
            }
        }
    }
    assert!(versions >= 10, "{versions}");
    Ok(())
}

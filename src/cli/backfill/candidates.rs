//! Selects the objects that a back-fill processes.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use globset::{Glob, GlobMatcher};
use tokio::sync::mpsc::Sender;

use super::super::arguments::BackfillArguments;
use super::super::place::is_other_file;
use super::super::sorter::Sorter;
use super::candidate::Candidate;
use super::journal::Done;
use super::outcome::Outcome;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::object_name::KeyRules;
use crate::store::{ListObjects, ListedObject, kind_of_io};

/// Filter for the listed objects or named keys.
#[derive(Debug)]
pub(super) struct Filter {
    prefix: String,
    key_rules: KeyRules,
    include: Vec<GlobMatcher>,
    exclude: Vec<GlobMatcher>,
    after: Option<SystemTime>,
    before: Option<SystemTime>,
    keys: Option<PathBuf>,
}

impl Filter {
    pub(super) fn new(
        arguments: &BackfillArguments,
        key_rules: KeyRules,
        prefix: String,
    ) -> Result<Self, JobError> {
        let globs = |option: &str, patterns: &[String]| {
            let glob = |pattern: &String| {
                let glob = Glob::new(pattern).map_err(|error| {
                    JobError::new(ErrorKind::Config, error).with_subject(format!("--{option} {pattern}"))
                })?;
                Ok::<_, JobError>(glob.compile_matcher())
            };
            patterns.iter().map(glob).collect::<Result<Vec<_>, _>>()
        };
        if let Some(path) = arguments.keys_from.as_deref().filter(|path| path.as_os_str() != "-") {
            File::open(path).map_err(of_keys(path))?;
        }
        Ok(Self {
            prefix,
            key_rules,
            include: globs("include", &arguments.include)?,
            exclude: globs("exclude", &arguments.exclude)?,
            after: arguments.modified_after,
            before: arguments.modified_before,
            keys: arguments.keys_from.clone(),
        })
    }

    fn wants_key(&self, key: &str) -> bool {
        self.key_rules.skip_reason(key).is_none() && self.is_included(key)
    }

    /// Returns whether an object or folder that could not be listed may be a wanted video or contain one. A folder's key ends with `/`.
    fn may_want(&self, key: &str) -> bool {
        match key.strip_suffix('/') {
            Some(folder) => !self.exclude.iter().any(|glob| glob.is_match(folder) || glob.is_match(key)),
            None => self.wants_key(key),
        }
    }

    /// Returns the candidate that a line of a key list names, or `None` if the globs exclude the key. White space around a key is removed
    /// only if the key is a video of this job without the white space.
    fn named(&self, line: &[u8]) -> Option<Candidate> {
        let candidate = |key, refused| Candidate { key, etag: None, size: None, refused };
        let key = match key_of_line(line) {
            Ok(key) => key,
            Err(shown) => {
                let refused = Outcome::failed(ErrorKind::Malformed, "the line is not valid UTF-8");
                return Some(candidate(shown, Some(refused)));
            }
        };
        let reason = self.key_rules.skip_reason(&key);
        let (key, refused) = match reason {
            Some(_) if self.key_rules.skip_reason(key.trim()).is_none() => (key.trim().to_owned(), None),
            Some(reason) => (key, Some(Outcome::Skipped { reason: Some(reason.to_string()) })),
            None => (key, None),
        };
        self.is_included(&key).then(|| candidate(key, refused))
    }

    /// Returns whether the key is a file that would be wanted if its name had a video suffix.
    fn is_other_file(&self, key: &str) -> bool {
        self.key_rules.skip_reason(key).is_some_and(|reason| is_other_file(&reason, key))
            && self.is_included(key)
    }

    fn is_included(&self, key: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|glob| glob.is_match(key)))
            && !self.exclude.iter().any(|glob| glob.is_match(key))
    }

    fn wants(&self, object: &ListedObject) -> bool {
        let is_after = |after: SystemTime| object.modified.is_some_and(|modified| modified >= after);
        let is_before = |before: SystemTime| object.modified.is_some_and(|modified| modified < before);
        self.wants_key(&object.key) && self.after.is_none_or(is_after) && self.before.is_none_or(is_before)
    }
}

fn of_keys(path: &Path) -> impl Fn(io::Error) -> JobError + use<> {
    let about = format!("--keys-from {}", path.display());
    move |error| JobError::new(kind_of_io(&error), error).with_subject(about.clone())
}

/// Parses a line of a key list: the key itself, or the key as a JSON string if it contains a line break or begins with a quotation mark.
fn key_of_line(line: &[u8]) -> Result<String, String> {
    let Ok(text) = str::from_utf8(line) else { return Err(String::from_utf8_lossy(line).into_owned()) };
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()))
}

/// Formats a key as a line of a key list.
pub(in super::super) fn line_of_key(key: &str) -> String {
    let is_plain =
        key.trim() == key && !key.starts_with(['"', '\u{feff}']) && !key.contains(char::is_control);
    if is_plain { key.to_owned() } else { serde_json::json!(key).to_string() }
}

/// Passes the keys of a file, one per line, to `take` in their order, until `take` returns `false`. `-` is standard input.
fn read_keys(
    path: &Path,
    filter: &Filter,
    mut take: impl FnMut(Candidate) -> Result<bool, JobError>,
) -> Result<(), JobError> {
    let of_io = of_keys(path);
    let mut reader: Box<dyn BufRead> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(path).map_err(&of_io)?)),
    };
    let (mut line, mut is_first) = (Vec::new(), true);
    while reader.read_until(b'\n', &mut line).map_err(&of_io)? > 0 {
        let mut text = line.strip_suffix(b"\n").unwrap_or(&line);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if std::mem::take(&mut is_first) {
            // The byte order mark that some editors write at the start of a text.
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        if !text.trim_ascii().is_empty()
            && let Some(candidate) = filter.named(text)
            && !take(candidate)?
        {
            return Ok(());
        }
        line.clear();
    }
    Ok(())
}

/// Passes the keys of a file that are not done to `take`, in the order of the file. The done keys can only be read in key order, so the
/// keys of the file are sorted, and the remaining keys are sorted back into the order of the file.
fn named_and_not_done(
    path: &Path,
    filter: &Filter,
    mut done: Done,
    mut take: impl FnMut(Candidate) -> bool,
) -> Result<(), JobError> {
    if done.is_empty() {
        return read_keys(path, filter, |candidate| Ok(take(candidate)));
    }
    let (mut by_key, mut number) = (Sorter::new(), 0_u64);
    read_keys(path, filter, |candidate| {
        number += 1;
        let key = candidate.key.clone();
        by_key.push(&key, &(number, candidate)).map(|()| true)
    })?;
    let mut by_place = Sorter::new();
    for named in by_key.sorted()?.read()? {
        let (key, (number, candidate)) = named?;
        if !done.has(&key, None)? {
            by_place.push(&format!("{number:020}"), &candidate)?;
        }
    }
    for named in by_place.sorted()?.read()? {
        if !take(named?.1) {
            break;
        }
    }
    Ok(())
}

/// Sends the wanted candidates that are not done, and counts them in `total`. Of a listing, the videos whose names contain no id come last,
/// and `others` counts the files without a video suffix.
pub(super) async fn list<S: ListObjects>(
    store: S,
    filter: Filter,
    mut done: Done,
    (total, others): (Arc<AtomicU64>, Arc<AtomicU64>),
    sender: Sender<Candidate>,
) -> Result<(), JobError> {
    if let Some(path) = filter.keys.clone() {
        let take = move |candidate: Candidate| {
            total.fetch_add(1, Ordering::Relaxed);
            // The receiver is closed when it needs no more candidates. Then stop reading.
            sender.blocking_send(candidate).is_ok()
        };
        let read = tokio::task::spawn_blocking(move || named_and_not_done(&path, &filter, done, take)).await;
        return read.map_err(|error| JobError::new(ErrorKind::Internal, error))?;
    }
    let (mut after, mut without_id) = (None, Sorter::new());
    loop {
        let page = store.list(&filter.prefix, after.as_deref()).await?;
        after.clone_from(&page.next);
        for listed in page.in_order() {
            let candidate = match listed {
                Ok(object) if filter.wants(&object) && !done.has(&object.key, Some(&object.etag))? => {
                    let ListedObject { key, etag, size, .. } = object;
                    Candidate { key, etag: Some(etag), size: Some(size), refused: None }
                }
                Ok(object) => {
                    others.fetch_add(u64::from(filter.is_other_file(&object.key)), Ordering::Relaxed);
                    continue;
                }
                Err(fault) if filter.may_want(&fault.key) && !done.has(&fault.key, None)? => {
                    Candidate::of_fault(fault)
                }
                Err(_) => continue,
            };
            total.fetch_add(1, Ordering::Relaxed);
            if candidate.needs_id() {
                without_id.push(&candidate.key, &candidate)?;
            } else if sender.send(candidate).await.is_err() {
                return Ok(());
            }
        }
        if after.is_none() {
            break;
        }
    }
    for candidate in without_id.sorted()?.read()? {
        if sender.send(candidate?.1).await.is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that resumes processes the keys of a list that are not done, in the order of the list.
    #[test]
    fn random_lists_keep_their_order_without_what_is_done() -> Result<(), Box<dyn std::error::Error>> {
        use super::super::journal::Journal;
        use super::super::journal::tests::entry;
        use crate::config::Config;

        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos();
        println!("seed {seed}");
        let mut state = u64::from(seed);
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let folder = tempfile::tempdir()?;
        let (list, path) = (folder.path().join("keys"), folder.path().join("journal"));
        for _ in 0..40 {
            let keys: Vec<_> = (0..below(60)).map(|_| format!("videos/{}_v.mp4", below(50))).collect();
            std::fs::write(&list, keys.join("\n"))?;
            let mut journal = Journal::open(&path, "films", true)?;
            let done: Vec<_> = (0..below(40)).map(|_| format!("videos/{}_v.mp4", below(50))).collect();
            for key in &done {
                journal.add(&entry(key))?;
            }
            drop(journal);
            let journal = Journal::open(&path, "films", false)?;
            let filter = Filter {
                prefix: String::new(),
                key_rules: Config::from_env()?.key_rules,
                include: Vec::new(),
                exclude: Vec::new(),
                after: None,
                before: None,
                keys: None,
            };
            let mut left = Vec::new();
            named_and_not_done(&list, &filter, journal.done()?, |candidate| {
                left.push(candidate.key);
                true
            })?;
            let expected: Vec<_> = keys.into_iter().filter(|key| !done.contains(key)).collect();
            assert_eq!(left, expected, "seed {seed}");
        }
        Ok(())
    }

    #[test]
    fn any_key_comes_back_from_its_line() {
        for key in [
            "videos/1_a.mp4",
            " videos/1_a.mp4 ",
            "a\nb\r\u{0}",
            "\"a\"",
            "\u{feff}a",
            "한글\u{202e}",
            "\"",
            "null",
            "7",
        ] {
            let line = line_of_key(key);
            assert!(!line.contains('\n'), "{line}");
            assert_eq!(key_of_line(line.as_bytes()).as_deref(), Ok(key), "{line}");
        }
        assert_eq!(line_of_key("videos/1_한글.mp4"), "videos/1_한글.mp4");
        assert!(key_of_line(b"videos/\xff.mp4").is_err());
    }
}

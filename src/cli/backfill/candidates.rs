//! Which objects there are to work on.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use globset::{Glob, GlobMatcher};
use tokio::sync::mpsc::Sender;

use super::super::arguments::BackfillArguments;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::object_name::KeyRules;
use crate::store::{ETag, ListObjects, ListedObject, kind_of_io};

/// An object to work on.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) key: String,
    /// `None` where it was named, not listed.
    pub(super) etag: Option<ETag>,
    pub(super) size: Option<u64>,
}

/// What of a listing is wanted.
#[derive(Debug)]
pub(super) struct Filter {
    prefix: String,
    key_rules: KeyRules,
    include: Vec<GlobMatcher>,
    exclude: Vec<GlobMatcher>,
    after: Option<SystemTime>,
    before: Option<SystemTime>,
    keys: Option<Vec<String>>,
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
                    JobError::new(ErrorKind::Config, error).about(format!("--{option} {pattern}"))
                })?;
                Ok::<_, JobError>(glob.compile_matcher())
            };
            patterns.iter().map(glob).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            prefix,
            key_rules,
            include: globs("include", &arguments.include)?,
            exclude: globs("exclude", &arguments.exclude)?,
            after: arguments.modified_after,
            before: arguments.modified_before,
            keys: arguments.keys_from.as_deref().map(read_keys).transpose()?,
        })
    }

    fn wants_key(&self, key: &str) -> bool {
        self.key_rules.skip_reason(key).is_none()
            && (self.include.is_empty() || self.include.iter().any(|glob| glob.is_match(key)))
            && !self.exclude.iter().any(|glob| glob.is_match(key))
    }

    fn wants(&self, object: &ListedObject) -> bool {
        let is_after = |after: SystemTime| object.modified.is_some_and(|modified| modified >= after);
        let is_before = |before: SystemTime| object.modified.is_some_and(|modified| modified < before);
        self.wants_key(&object.key) && self.after.is_none_or(is_after) && self.before.is_none_or(is_before)
    }
}

/// Keys, one a line; `-` is standard input.
fn read_keys(path: &Path) -> Result<Vec<String>, JobError> {
    let read = || match path.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        false => fs::read_to_string(path),
    };
    let text = read().map_err(|error| {
        JobError::new(kind_of_io(&error), error).about(format!("--keys-from {}", path.display()))
    })?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Sends what is wanted and not done, and counts it in `total`.
pub(super) async fn list<S: ListObjects>(
    store: S,
    filter: Filter,
    done: HashMap<String, Option<ETag>>,
    total: Arc<AtomicU64>,
    sender: Sender<Candidate>,
) -> Result<(), JobError> {
    let is_done = |key: &str, etag: Option<&ETag>| {
        done.get(key).is_some_and(|done| done.is_none() || etag.is_none() || done.as_ref() == etag)
    };
    let send = async |candidate: Candidate| {
        total.fetch_add(1, Ordering::Relaxed);
        // Who has enough reads no more.
        sender.send(candidate).await.is_ok()
    };
    if let Some(keys) = &filter.keys {
        for key in keys.iter().filter(|key| filter.wants_key(key) && !is_done(key, None)) {
            if !send(Candidate { key: key.clone(), etag: None, size: None }).await {
                break;
            }
        }
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = store.list(&filter.prefix, after.as_deref()).await?;
        after = page.objects.last().map(|object| object.key.clone());
        for object in page.objects {
            if filter.wants(&object) && !is_done(&object.key, Some(&object.etag)) {
                let ListedObject { key, etag, size, .. } = object;
                if !send(Candidate { key, etag: Some(etag), size: Some(size) }).await {
                    return Ok(());
                }
            }
        }
        if !page.more || after.is_none() {
            return Ok(());
        }
    }
}

//! The contact sheet: one HTML file with the thumbnails and failures of a back-fill. The page needs no other file and no network.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::super::output;
use super::journal::{Entries, Entry};
use super::report::{Report, word};
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::picture::shrink::shrink_jpeg;
use crate::store::{ReadObject, of_file};

/// Maximum number of pictures on a page. A page with more pictures would be too large to open.
const PICTURES: usize = 2000;
/// Longer side of a picture, in pixels: twice its size on the page, for high-density screens.
const SIDE: u32 = 480;
/// Largest thumbnail that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

const STYLE: &str = include_str!("contact_sheet.css");
const SCRIPT: &str = include_str!("contact_sheet.js");

/// An entry in natural order: numbers compare by value, so `9_a` comes before `10_a`.
struct InNaturalOrder(Entry);

impl Ord for InNaturalOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        in_natural_order(&self.0.key, &other.0.key)
    }
}

impl PartialOrd for InNaturalOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InNaturalOrder {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for InNaturalOrder {}

/// Compares keys as people sort them: numbers by value, and fewer leading zeros first. Bytes decide where nothing else does.
fn in_natural_order(a: &str, b: &str) -> Ordering {
    alphanumeric_sort::compare_str(a, b).then_with(|| a.cmp(b))
}

/// Returns the first entries with a thumbnail in natural order, and the number of further entries. At most [`PICTURES`] entries are in
/// memory.
fn pictured(entries: &Entries) -> Result<(Vec<Entry>, usize), JobError> {
    let mut first = BinaryHeap::new();
    let mut left_out = 0;
    for entry in entries.read()? {
        let entry = entry?;
        if entry.thumbnail_url.is_none() {
            continue;
        }
        first.push(InNaturalOrder(entry));
        if first.len() > PICTURES {
            first.pop();
            left_out += 1;
        }
    }
    Ok((first.into_sorted_vec().into_iter().map(|entry| entry.0).collect(), left_out))
}

pub(super) async fn write<S: ReadObject>(
    path: &Path,
    report: &Report<'_>,
    entries: &Entries,
    store: &S,
) -> Result<(), JobError> {
    let of_io = of_file(path);
    let mut file = BufWriter::new(File::create(path).map_err(of_io)?);
    let (pictured, left_out) = pictured(entries)?;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Contact sheet: {about}</title>\n<style>\n{STYLE}</style>\n<header>\n<h1>Contact sheet</h1>\n<p>{about}</p>\n<ul class=\"counts\">",
        about = escaped(&report.about)
    );
    for (word, count) in &report.counts {
        let _ = write!(page, "<li class=\"{word}\"><b>{count}</b> {word}</li>");
    }
    page.push_str("</ul>\n<input type=\"search\" id=\"filter\" placeholder=\"Filter by key\" aria-label=\"Filter by key\" hidden>\n</header>\n<main>\n");
    if !report.failures().is_empty() {
        page.push_str("<h2>Failures</h2>\n<table>\n<thead><tr><th>Video<th>Kind<th>Message</thead>\n");
        for failed in report.failures().read()? {
            let failed = failed?;
            let (kind, key, message) = (&failed.kind, escaped(&failed.key), escaped(&failed.message));
            let _ = writeln!(page, "<tr data-key=\"{key}\"><td>{key}<td><code>{kind}</code><td>{message}");
            file.write_all(page.as_bytes()).map_err(of_io)?;
            page.clear();
        }
        page.push_str("</table>\n");
    }
    page.push_str("<h2>Thumbnails</h2>\n<section>\n");
    for entry in &pictured {
        figure(&mut page, entry, store).await;
        file.write_all(page.as_bytes()).map_err(of_io)?;
        page.clear();
    }
    page.push_str("</section>\n");
    if left_out > 0 {
        let _ = writeln!(page, "<p>{left_out} more videos are left out.</p>");
    }
    let _ = writeln!(page, "</main>\n<script>\n{SCRIPT}</script>");
    file.write_all(page.as_bytes()).and_then(|()| file.flush()).map_err(of_io)
}

async fn figure<S: ReadObject>(page: &mut String, entry: &Entry, store: &S) {
    let shown = match picture(entry, store).await {
        Ok(jpeg) => format!("<img alt=\"\" src=\"data:image/jpeg;base64,{}\">", base64(&jpeg)),
        Err(error) => format!("<p>No picture: {}</p>", escaped(&error.to_string())),
    };
    let duration = entry.duration.map(|seconds| output::time(f64::from(seconds)));
    let duration = duration.as_deref().and_then(|time| time.strip_suffix(".000"));
    let duration = duration.map(|time| format!("<time>{time}</time>")).unwrap_or_default();
    let content = entry.content_id.map(|id| format!(", content {id}")).unwrap_or_default();
    let (folder, name) = entry.key.rsplit_once('/').unwrap_or(("", &entry.key));
    let (key, folder, name) = (escaped(&entry.key), escaped(folder), escaped(name));
    let word = word(&entry.result);
    let _ = writeln!(
        page,
        "<figure data-key=\"{key}\" class=\"{word}\"><div>{shown}{duration}</div><figcaption title=\"{key}\"><b>{name}</b>\
         <small>{folder}</small><small>{word}{content}</small></figcaption></figure>"
    );
}

async fn picture<S: ReadObject>(entry: &Entry, store: &S) -> Result<Vec<u8>, JobError> {
    let gone = || JobError::new(ErrorKind::NotFound, "the thumbnail does not exist any more");
    let key = entry.thumbnail_url.as_deref().and_then(|url| store.key_of(url)).ok_or_else(gone)?;
    let (bytes, _) = store.read(&key, MAX_BYTES).await?.ok_or_else(gone)?;
    let task = tokio::task::spawn_blocking(move || shrink_jpeg(&bytes, SIDE));
    let shrunk = task.await.map_err(|error| JobError::new(ErrorKind::Internal, error))?;
    shrunk.map_err(|error| JobError::new(ErrorKind::Unsupported, error))
}

/// Encodes bytes in Base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Escapes text for an HTML element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in output::printable(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_by_value() {
        let mut keys = ["v/10_a", "v/9_a", "v/009_a", "v/1_b", "v/1_a", "w", "V/2"];
        keys.sort_by(|a, b| in_natural_order(a, b));
        assert_eq!(keys, ["V/2", "v/1_a", "v/1_b", "v/9_a", "v/009_a", "v/10_a", "w"]);
    }

    #[test]
    fn a_key_is_no_markup() {
        assert_eq!(escaped("<b>&\"한\u{7}"), "&lt;b&gt;&amp;&quot;한\\u{7}");
    }
}

//! A page of pictures: what the back-fill has made, for a look over it. One file that needs nothing else.

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

/// Pictures on the page. Those of more videos would make it too large to open.
const PICTURES: usize = 2000;
/// Their longer side, in pixels.
const SIDE: u32 = 240;
/// The largest thumbnail that is read for it.
const MAX_BYTES: u64 = 64 << 20;

const STYLE: &str = "body{font:14px sans-serif;margin:2em}section{display:flex;flex-wrap:wrap;gap:12px}\
    figure{margin:0;width:240px}img{max-width:240px;max-height:240px;background:#ddd;min-height:40px}\
    figcaption{overflow-wrap:anywhere}small{color:#666}table{border-collapse:collapse}td{padding:2px 12px 2px 0;vertical-align:top}";

pub(super) async fn write<S: ReadObject>(
    path: &Path,
    report: &Report<'_>,
    entries: &Entries,
    store: &S,
) -> Result<(), JobError> {
    let of_io = of_file(path);
    let mut file = BufWriter::new(File::create(path).map_err(of_io)?);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>posterframe backfill</title><style>{STYLE}</style>\n\
         <h1>{}</h1>\n<p>",
        escaped(&report.about)
    );
    for (word, count) in &report.counts {
        let _ = write!(page, "{word} {count} ");
    }
    page.push_str("</p>\n");
    if !report.failures().is_empty() {
        page.push_str("<h2>Failures</h2>\n<table>\n");
        for failed in report.failures().read()? {
            let failed = failed?;
            let (kind, key, message) = (&failed.kind, escaped(&failed.key), escaped(&failed.message));
            let _ = writeln!(page, "<tr><td>{kind}<td>{key}<td>{message}");
            file.write_all(page.as_bytes()).map_err(of_io)?;
            page.clear();
        }
        page.push_str("</table>\n");
    }
    page.push_str("<h2>Thumbnails</h2>\n<section>\n");
    let mut pictures = 0_usize;
    for entry in entries.read()? {
        let entry = entry?;
        if entry.thumbnail_url.is_none() {
            continue;
        }
        pictures += 1;
        if pictures <= PICTURES {
            figure(&mut page, &entry, store).await;
            file.write_all(page.as_bytes()).map_err(of_io)?;
            page.clear();
        }
    }
    page.push_str("</section>\n");
    let left_out = pictures.saturating_sub(PICTURES);
    if left_out > 0 {
        let _ = writeln!(page, "<p>{left_out} more are left out.</p>");
    }
    file.write_all(page.as_bytes()).and_then(|()| file.flush()).map_err(of_io)
}

async fn figure<S: ReadObject>(page: &mut String, entry: &Entry, store: &S) {
    let picture = picture(entry, store).await;
    let shown = match picture {
        Ok(jpeg) => format!("<img alt=\"\" src=\"data:image/jpeg;base64,{}\">", base64(&jpeg)),
        Err(error) => format!("<p>no picture: {}</p>", escaped(&error.to_string())),
    };
    let duration = entry.duration.map(|seconds| output::time(f64::from(seconds)));
    let duration = duration.as_deref().and_then(|time| time.strip_suffix(".000")).unwrap_or("").to_owned();
    let content = entry.content_id.map(|id| format!("content {id}, ")).unwrap_or_default();
    let _ = writeln!(
        page,
        "<figure>{shown}<figcaption>{}<br><small>{content}{duration} {}</small></figcaption></figure>",
        escaped(&entry.key),
        word(&entry.result)
    );
}

async fn picture<S: ReadObject>(entry: &Entry, store: &S) -> Result<Vec<u8>, JobError> {
    let gone = || JobError::new(ErrorKind::NotFound, "it is gone");
    let key = entry.thumbnail_url.as_deref().and_then(|url| store.key_of(url)).ok_or_else(gone)?;
    let (bytes, _) = store.read(&key, MAX_BYTES).await?.ok_or_else(gone)?;
    let task = tokio::task::spawn_blocking(move || shrink_jpeg(&bytes, SIDE));
    let shrunk = task.await.map_err(|error| JobError::new(ErrorKind::Internal, error))?;
    shrunk.map_err(|error| JobError::new(ErrorKind::Unsupported, error))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Text as HTML shows it.
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
    fn a_key_is_no_markup() {
        assert_eq!(escaped("<b>&\"한\u{7}"), "&lt;b&gt;&amp;&quot;한\\u{7}");
    }
}

//! Where a video is, as people write it on a command line.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::redacted::Redacted;

/// A place to read a video from.
///
/// [`Display`](fmt::Display) is safe to log: user names, passwords and query strings (where signed URLs carry their
/// signature) are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A file on this machine: a path, or a `file://` URL.
    File(PathBuf),
    /// An object: `s3://bucket/key`. The key is taken as written, not percent-decoded.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Key of the object.
        key: String,
    },
    /// An `http://` or `https://` URL.
    Http(Url),
    /// `-`: the standard input. A file of that name is `./-`.
    Stdin,
}

/// Why a text is no location. The text itself is not repeated: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Nothing was given.
    #[error("the input is empty")]
    Empty,
    /// An S3 location without its two parts.
    #[error("an S3 input is written s3://bucket/key")]
    S3Parts,
    /// A prefix without its bucket.
    #[error("a prefix is a folder, s3://bucket or s3://bucket/prefix")]
    S3Prefix,
    /// Nothing can be listed there.
    #[error("cannot list {scheme}://; known are folders and s3://bucket/prefix")]
    Prefix {
        /// The scheme as written.
        scheme: String,
    },
    /// A URL that cannot be read.
    #[error("not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// A `file:` URL that names another machine, or no absolute path.
    #[error("a file URL is written file:///path, with an absolute path on this machine")]
    FileUrl,
    /// A scheme we do not read.
    #[error(
        "cannot read {scheme}:// inputs; known are paths, file://, s3://, http://, https:// and - for standard input"
    )]
    Scheme {
        /// The scheme as written.
        scheme: String,
    },
}

impl Location {
    /// Reads an argument: `scheme://…`, `-`, or else a path.
    ///
    /// # Errors
    /// When the text has a scheme we do not know, or does not follow the form of the one it has.
    pub fn parse(input: &OsStr) -> Result<Self, LocationError> {
        // What is not UTF-8 can only be a path.
        let Some(text) = input.to_str() else { return Ok(Self::File(input.into())) };
        match text.split_once("://") {
            _ if text.is_empty() => Err(LocationError::Empty),
            _ if text == "-" => Ok(Self::Stdin),
            Some((scheme, rest)) if is_scheme(scheme) => Self::with_scheme(scheme, rest, text),
            _ => Ok(Self::File(text.into())),
        }
    }

    fn with_scheme(scheme: &str, rest: &str, text: &str) -> Result<Self, LocationError> {
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => match split_bucket(rest) {
                Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                    Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
                }
                _ => Err(LocationError::S3Parts),
            },
            "http" | "https" => Ok(Self::Http(Url::parse(text)?)),
            "file" => Url::parse(text)?.to_file_path().map(Self::File).map_err(|()| LocationError::FileUrl),
            _ => Err(LocationError::Scheme { scheme: scheme.to_owned() }),
        }
    }
}

/// Where videos are, as people write it: a folder, or a prefix of a bucket's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefix {
    /// A folder on this machine.
    Folder(PathBuf),
    /// `s3://bucket` or `s3://bucket/prefix`.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// What the keys begin with; empty for all.
        prefix: String,
    },
}

impl Prefix {
    /// Reads an argument.
    ///
    /// # Errors
    /// When the text has another scheme than `s3` or `file`, or no bucket.
    pub fn parse(input: &OsStr) -> Result<Self, LocationError> {
        let Some(rest) = input.to_str().and_then(|text| text.strip_prefix("s3://")) else {
            return match Location::parse(input)? {
                Location::File(path) => Ok(Self::Folder(path)),
                Location::Http(url) => Err(LocationError::Prefix { scheme: url.scheme().to_owned() }),
                Location::S3 { .. } | Location::Stdin => Err(LocationError::S3Prefix),
            };
        };
        let (bucket, prefix) = split_bucket(rest).unwrap_or((rest, ""));
        match bucket.is_empty() {
            true => Err(LocationError::S3Prefix),
            false => Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }),
        }
    }
}

/// Bucket and key. The ARN of an access point, which stands for a bucket, has a slash of its own ("Referencing access points" in the
/// Amazon S3 User Guide): `arn:aws:s3:eu-west-1:111122223333:accesspoint/name`.
fn split_bucket(rest: &str) -> Option<(&str, &str)> {
    let (bucket, key) = rest.split_once('/')?;
    if !(bucket.starts_with("arn:") && bucket.ends_with(":accesspoint")) {
        return Some((bucket, key));
    }
    let end = key.find('/').map(|length| bucket.len() + 1 + length)?;
    Some((rest.get(..end)?, rest.get(end + 1..)?))
}

/// RFC 3986, section 3.1. Anything else before `://` is part of a path.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Stdin => f.write_str("-"),
            Self::Http(url) => Redacted(url).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, LocationError> {
        Location::parse(OsStr::new(text))
    }

    #[test]
    fn paths() -> Result<(), LocationError> {
        for path in ["a.mp4", "/a/b.mp4", "./-", "a b#c?.mp4", "x:y.mp4", "dir/s3://x", "안녕.mp4"] {
            assert_eq!(parse(path)?, Location::File(path.into()));
            assert_eq!(parse(path)?.to_string(), path);
        }
        assert_eq!(parse("file:///a/b%20c.mp4")?, Location::File("/a/b c.mp4".into()));
        assert_eq!(parse("-")?, Location::Stdin);
        Ok(())
    }

    #[test]
    fn objects_and_urls() -> Result<(), LocationError> {
        let object = Location::S3 { bucket: "films".to_owned(), key: "videos/1_a+b%20c.mp4".to_owned() };
        assert_eq!(parse("s3://films/videos/1_a+b%20c.mp4")?, object);
        assert_eq!(object.to_string(), "s3://films/videos/1_a+b%20c.mp4");
        assert!(matches!(parse("HTTPS://example.org/a.mp4")?, Location::Http(_)));
        Ok(())
    }

    #[test]
    fn what_is_shown_holds_no_secret() -> Result<(), LocationError> {
        let url = parse("https://user:secret@example.org:8443/a/1_x.mp4?X-Amz-Signature=secret#secret")?;
        assert_eq!(url.to_string(), "https://example.org:8443/a/1_x.mp4?REDACTED");
        Ok(())
    }

    #[test]
    fn prefixes() -> Result<(), LocationError> {
        let parse = |text: &str| Prefix::parse(OsStr::new(text));
        let s3 =
            |bucket: &str, prefix: &str| Prefix::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        assert_eq!(parse("s3://films")?, s3("films", ""));
        assert_eq!(parse("s3://films/")?, s3("films", ""));
        assert_eq!(parse("s3://films/videos/2026")?, s3("films", "videos/2026"));
        assert_eq!(parse("films/videos")?, Prefix::Folder("films/videos".into()));
        assert_eq!(parse("file:///films")?, Prefix::Folder("/films".into()));
        assert_eq!(parse("s3://"), Err(LocationError::S3Prefix));
        assert_eq!(parse("-"), Err(LocationError::S3Prefix));
        assert!(matches!(parse("https://example.org/"), Err(LocationError::Prefix { .. })));
        Ok(())
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse(""), Err(LocationError::Empty));
        for text in ["s3://", "s3://films", "s3://films/", "s3:///key"] {
            assert_eq!(parse(text), Err(LocationError::S3Parts));
        }
        assert_eq!(parse("ftp://x/y"), Err(LocationError::Scheme { scheme: "ftp".to_owned() }));
        assert_eq!(parse("file://elsewhere/a.mp4"), Err(LocationError::FileUrl));
        assert!(matches!(parse("https://"), Err(LocationError::Url(_))));
    }

    #[test]
    fn an_access_point_is_named_by_its_arn() {
        let arn = "arn:aws:s3:eu-west-1:111122223333:accesspoint/films";
        let place = |key: &str| Location::S3 { bucket: arn.to_owned(), key: key.to_owned() };
        assert_eq!(parse(&format!("s3://{arn}/videos/1_a.mp4")), Ok(place("videos/1_a.mp4")));
        assert_eq!(parse(&format!("s3://{arn}")), Err(LocationError::S3Parts));
        assert_eq!(parse(&format!("s3://{arn}/")), Err(LocationError::S3Parts));
        let below = |text: &str| Prefix::parse(OsStr::new(text));
        let prefix = |prefix: &str| Ok(Prefix::S3 { bucket: arn.to_owned(), prefix: prefix.to_owned() });
        assert_eq!(below(&format!("s3://{arn}")), prefix(""));
        assert_eq!(below(&format!("s3://{arn}/videos/")), prefix("videos/"));
    }
}

//! Parses locations of videos, as written on a command line.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::redacted::Redacted;

/// The location of a video.
///
/// [`Display`](fmt::Display) is safe to log: it omits user names, passwords and query strings, in which signed URLs
/// carry their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A file on this machine: a path, or a `file://` URL.
    File(PathBuf),
    /// An object in S3: `s3://bucket/key`. The key is used as written and not percent-decoded.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Key of the object.
        key: String,
    },
    /// An `http://` or `https://` URL.
    Http(Url),
    /// `-`: standard input. A file named `-` is written `./-`.
    Stdin,
}

/// An invalid location. The message does not repeat the text, because it may contain a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// The text is empty.
    #[error("the input is empty")]
    Empty,
    /// An S3 location without a bucket or key.
    #[error("an S3 input needs a bucket and a key: s3://bucket/key")]
    S3Parts,
    /// A prefix without a bucket.
    #[error("not a prefix: use a folder, s3://bucket or s3://bucket/prefix")]
    S3Prefix,
    /// A location that cannot be listed.
    #[error("cannot list {scheme}:// locations: use a folder or s3://bucket/prefix")]
    Prefix {
        /// The scheme as written.
        scheme: String,
    },
    /// A URL that cannot be parsed.
    #[error("not a URL: {0}")]
    Url(#[from] url::ParseError),
    /// A `file:` URL with the name of another machine, or without an absolute path.
    #[error("a file URL needs an absolute path on this machine: file:///path")]
    FileUrl,
    /// A scheme that is not supported.
    #[error(
        "cannot read {scheme}:// inputs: use a path, file://, s3://, http://, https:// or - for standard input"
    )]
    Scheme {
        /// The scheme as written.
        scheme: String,
    },
}

impl Location {
    /// Parses a command line argument: `scheme://…`, `-`, or else a path.
    ///
    /// # Errors
    /// A [`LocationError`] when the scheme is not supported, or the rest of the text is not valid for the scheme.
    pub fn parse(input: &OsStr) -> Result<Self, LocationError> {
        // A text that is not UTF-8 can only be a path.
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

/// The location of several videos: a folder, or a prefix of the keys in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prefix {
    /// A folder on this machine.
    Folder(PathBuf),
    /// `s3://bucket` or `s3://bucket/prefix`.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// The beginning of the keys; empty for all keys.
        prefix: String,
    },
}

impl Prefix {
    /// Parses a command line argument.
    ///
    /// # Errors
    /// A [`LocationError`] when the text has a scheme other than `s3` or `file`, or no bucket.
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

/// Splits bucket and key. The ARN of an access point, which can replace the name of a bucket, contains a slash
/// ("Referencing access points" in the Amazon S3 User Guide): `arn:aws:s3:eu-west-1:111122223333:accesspoint/name`.
fn split_bucket(rest: &str) -> Option<(&str, &str)> {
    let (bucket, key) = rest.split_once('/')?;
    if !(bucket.starts_with("arn:") && bucket.ends_with(":accesspoint")) {
        return Some((bucket, key));
    }
    let end = key.find('/').map(|length| bucket.len() + 1 + length)?;
    Some((rest.get(..end)?, rest.get(end + 1..)?))
}

/// Returns whether the text is a URL scheme (RFC 3986, section 3.1). Any other text before `://` is part of a path.
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
    fn paths_are_parsed() -> Result<(), LocationError> {
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
    fn prefixes_are_parsed() -> Result<(), LocationError> {
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
    fn invalid_locations_are_rejected() {
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

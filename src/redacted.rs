//! Formats URLs without secrets.

use std::fmt;

use url::Url;

/// Displays a URL without user name, password, fragment and query, in which signed URLs carry their signature.
pub(crate) struct Redacted<'u>(pub(crate) &'u Url);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
        url.port().map_or(Ok(()), |port| write!(f, ":{port}"))?;
        f.write_str(url.path())?;
        f.write_str(if url.query().is_some() { "?REDACTED" } else { "" })
    }
}

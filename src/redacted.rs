//! URLs as they may be shown.

use std::fmt;

use url::Url;

/// A URL without user name, password, query (where signed URLs carry their signature) and fragment.
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

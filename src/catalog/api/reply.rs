//! Interprets the API's responses and formats the failures.

use std::fmt;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use url::Url;

use super::super::{CatalogError, tls};
use super::token::Token;
use crate::ErrorKind;
use crate::error::in_words;
use crate::redacted::Redacted;

/// Maximum bytes of a response that are read. A normal response has about fifty bytes.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Maximum characters of a response that an error message repeats.
const MAX_SHOWN_CHARS: usize = 500;

/// Why one request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No response arrived within the time limit.
    Timeout { host: String },
    /// The connection could not be opened, or broke.
    Network { host: String, reason: String },
    /// The server's certificate is not trusted, or the two sides do not support a common version of TLS.
    Tls { host: String, reason: String },
    /// The request cannot be built.
    Request { reason: String },
    /// The server responded with an error status.
    Refused(Refusal),
}

/// A response whose status is not 2xx.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// The target of a redirect, redacted for display.
    location: Option<String>,
    /// The part of the body that is shown.
    body: String,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        retry_after: Option<Duration>,
        location: Option<&str>,
        body: &[u8],
        token: &Token,
    ) -> Self {
        let location = location.filter(|_| status.is_redirection()).map(|location| {
            let shown = Url::parse(location).map(|url| Redacted(&url).to_string());
            // A relative redirect: a path without a host.
            let shown = shown.unwrap_or_else(|_| before(location, &['?', '#']).to_owned());
            one_line(&token.masked(&shown))
        });
        let body = one_line(&token.masked(&String::from_utf8_lossy(body)));
        Self { status, retry_after, location, body }
    }

    #[cfg(feature = "cli")]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    fn kind(&self) -> ErrorKind {
        match self.status.as_u16() {
            401 | 403 => ErrorKind::Denied,
            // The address is wrong: the path does not exist on this server, or has moved.
            300..=399 | 404 | 405 | 410 => ErrorKind::Config,
            // 409 and 423: another client is writing this content. 425: the request was sent too early (RFC 8470). 421:
            // the connection is for another host (RFC 9110, section 15.5.20).
            408 | 409 | 421 | 423 | 425 | 429 | 500.. => ErrorKind::Unavailable,
            400..=499 => ErrorKind::Malformed,
            // Below 200: not a final HTTP status. The HTTP client does not pass such a status on.
            _ => ErrorKind::Unavailable,
        }
    }
}

impl Failure {
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind() == ErrorKind::Denied)
    }

    /// Returns whether the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Network { .. } => true,
            Self::Tls { .. } | Self::Request { .. } => false,
            Self::Refused(refusal) => refusal.kind() == ErrorKind::Unavailable,
        }
    }

    /// Returns whether the failure concerns the whole API and not one content: no server responds, or a gateway
    /// responds in its place.
    pub(super) fn is_down(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Network { .. } | Self::Tls { .. } => true,
            Self::Request { .. } => false,
            Self::Refused(refusal) => matches!(refusal.status.as_u16(), 502..=504),
        }
    }

    /// Returns the pause that the server requests.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// Builds the error after `attempts` attempts; `variable` is the name of the variable that contains the token.
    pub(super) fn into_error(self, url: &str, attempts: u32, variable: &str) -> CatalogError {
        let (kind, status) = match &self {
            Self::Timeout { .. } | Self::Network { .. } | Self::Tls { .. } => (ErrorKind::Unavailable, None),
            Self::Request { .. } => (ErrorKind::Config, None),
            Self::Refused(refusal) => (refusal.kind(), Some(refusal.status.as_u16())),
        };
        let mut message = self.to_string();
        if attempts > 1 {
            message = format!("{message} (attempt {attempts})");
        }
        match (&self, kind) {
            (_, ErrorKind::Denied) => message = format!("{message}; check {variable}"),
            (Self::Refused(_), ErrorKind::Config) => {
                message = format!("{message}; CATALOG_API_BASE may be wrong: the request was PUT {url}");
            }
            _ => {}
        }
        CatalogError::Api { kind, status, message }
    }
}

/// Alarms and log searches look for the beginning of each text.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NETWORK: &str = "FastAPI 호출 중 네트워크 오류";
        match self {
            Self::Timeout { host } => write!(f, "{NETWORK}: Connection timeout ({host})"),
            Self::Network { host, reason } => write!(f, "{NETWORK}: {host}: {reason}"),
            Self::Tls { host, reason } => {
                write!(f, "{NETWORK}: the certificate or TLS of {host} is refused: {reason}")
            }
            Self::Request { reason } => write!(f, "FastAPI upsert 실패: {reason}"),
            Self::Refused(Refusal { status, location, body, .. }) => {
                write!(f, "FastAPI upsert 실패: {status}")?;
                if let Some(location) = location {
                    write!(f, ", a redirect to {location}, which is not followed")?;
                }
                if body.is_empty() { Ok(()) } else { write!(f, ": {body}") }
            }
        }
    }
}

/// Classifies an error of the HTTP client.
pub(super) fn failure_to_send(error: reqwest::Error, host: &str) -> Failure {
    let host = host.to_owned();
    let error = error.without_url();
    if error.is_timeout() {
        return Failure::Timeout { host };
    }
    let reason = in_words(&error);
    if error.is_builder() {
        return Failure::Request { reason };
    }
    match tls::is_refused(&error) {
        true => Failure::Tls { host, reason },
        false => Failure::Network { host, reason },
    }
}

/// Reads the body, at most [`MAX_BODY_BYTES`], as far as it arrives.
pub(super) async fn read_bounded(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if body.len() == MAX_BODY_BYTES {
            break;
        }
    }
    body
}

/// Returns `text` in one line, without control characters, cut to [`MAX_SHOWN_CHARS`].
fn one_line(text: &str) -> String {
    let mut chars = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = chars.by_ref().take(MAX_SHOWN_CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

fn before<'t>(text: &'t str, ends: &[char]) -> &'t str {
    text.split(ends).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(one_line(&"한".repeat(500)), "한".repeat(500));
        assert_eq!(one_line(&"🎬".repeat(501)), format!("{}…", "🎬".repeat(500)));
        assert_eq!(one_line(" a\r\n\u{1b}[31mb\u{7f}\n"), "a   [31mb ");
    }
}

//! What the API's answers mean, and how they are told.

use std::fmt;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use url::Url;

use super::super::{CatalogError, tls};
use super::token::Token;
use crate::ErrorKind;
use crate::error::in_words;
use crate::redacted::Redacted;

/// Bytes of an answer that are read. Ours has some fifty; more than this is not the API's.
const MAX_BODY_BYTES: usize = 64 << 10;
/// Characters of an answer that an error repeats.
const MAX_SHOWN_CHARS: usize = 500;

/// Why one request did not do it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There was no answer within the time.
    Timeout { host: String },
    /// There was no connection, or it broke.
    Network { host: String, reason: String },
    /// The server's certificate is not to be trusted, or TLS cannot be agreed on.
    Tls { host: String, reason: String },
    /// The request cannot be made.
    Request { reason: String },
    /// The answer was no.
    Refused(Refusal),
}

/// An answer that is not a good one.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// Where a redirect leads, as it may be shown.
    location: Option<String>,
    /// What is shown of the body.
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
            // A path, without the server's name.
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
            // The address is another's: nobody has this path there, or it has moved.
            300..=399 | 404 | 405 | 410 => ErrorKind::Config,
            // 409 and 423: somebody else writes this content; 425: the request came too early (RFC 8470); 421: over a connection that
            // is not this host's (RFC 9110, section 15.5.20).
            408 | 409 | 421 | 423 | 425 | 429 | 500.. => ErrorKind::Unavailable,
            400..=499 => ErrorKind::Malformed,
            // No answer of HTTP's: below 200, and those do not arrive here.
            _ => ErrorKind::Unavailable,
        }
    }
}

impl Failure {
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.kind() == ErrorKind::Denied)
    }

    /// Whether the same request may be answered a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Network { .. } => true,
            Self::Tls { .. } | Self::Request { .. } => false,
            Self::Refused(refusal) => refusal.kind() == ErrorKind::Unavailable,
        }
    }

    /// Whether it tells of the API as a whole, and not of one content: nobody answers, or somebody in its place.
    pub(super) fn is_down(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Network { .. } | Self::Tls { .. } => true,
            Self::Request { .. } => false,
            Self::Refused(refusal) => matches!(refusal.status.as_u16(), 502..=504),
        }
    }

    /// How long the server asks to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// The error after so many `attempts`; `variable` names the token.
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

/// The beginning of each text is what alarms and searches look for.
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

/// What the client's own error means.
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

/// The body, or the part of it that arrives; no more than anybody needs.
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

/// `text` in one line, without what terminals take for orders, and cut short.
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

//! Checks whether the API is reachable and accepts the token, with requests that cannot change a content.
//!
//! The body is `[]`, which is not a valid content, and the content id is 0, which no table contains. FastAPI rejects
//! this request with 422. A server that checks the token first (in a dependency) rejects a wrong token with 401 or 403.
//! A server that checks the token in the function itself never reaches that check. The inspector therefore sends a
//! wrong token as well: if the two responses differ, the configured token is accepted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::Instant;
use url::Url;

use super::super::{CatalogError, ResolveSecret};
use super::reply::{Failure, Refusal, failure_to_send, read_bounded};
use super::token::{Token, TokenSource};
use super::{TOKEN_HEADER, host_of, new_client};
use crate::ErrorKind;
use crate::config::ApiSettings;
use crate::secret::Secret;

/// Sends the checks.
pub(crate) struct ApiInspector {
    client: Client,
    url: String,
    host: String,
}

/// How the API responded to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenAnswer {
    /// The API accepts the token: a wrong token is refused before the body is checked, and this token is not.
    Accepted,
    /// The API checks the body first and rejects it with this status, regardless of the token.
    NotLookedAt(u16),
}

/// The status and timing of two responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The HTTP status; any status proves that the API is reachable.
    pub(crate) status: u16,
    /// Time to the first response: connection, TLS handshake and one round trip.
    pub(crate) first: Duration,
    /// Time to the second response, on the same connection.
    pub(crate) again: Duration,
}

impl ApiInspector {
    pub(crate) fn new(base: &Url) -> Result<Self, CatalogError> {
        let url = format!("{}/v1/contents/0/upsert-internal", base.as_str().trim_end_matches('/'));
        Ok(Self { client: new_client()?, url, host: host_of(base) })
    }

    /// Sends two `HEAD` requests, which change nothing. No token is sent.
    pub(crate) async fn reach(&self) -> Result<Reached, CatalogError> {
        let mut times = Vec::new();
        let mut status = 0;
        for _ in 0..2 {
            let started = Instant::now();
            let sent = self.client.head(&self.url).send().await;
            let answer =
                sent.map_err(|error| self.error(failure_to_send(error, &self.host), "INTERNAL_TOKEN"))?;
            status = answer.status().as_u16();
            times.push(started.elapsed());
        }
        Ok(Reached { status, first: times[0], again: times[1] })
    }

    /// Checks whether the API accepts the token.
    ///
    /// # Errors
    /// [`Denied`](ErrorKind::Denied) when the token is refused, [`Config`](ErrorKind::Config) when the path does not
    /// exist, [`Malformed`](ErrorKind::Malformed) when the server accepts a body that is not a content.
    pub(crate) async fn token(
        &self,
        settings: &ApiSettings,
        secrets: ResolveSecret,
    ) -> Result<TokenAnswer, CatalogError> {
        let source = TokenSource::new(&settings.token, secrets)?;
        let token = source.get().await?;
        let refusal = self.put(&token, source.variable()).await?;
        let status = refusal.status();
        if !matches!(status, 400 | 422) {
            return Err(self.error(Failure::Refused(refusal), source.variable()));
        }
        let other = format!("posterframe-doctor-{:x}", since_epoch().as_nanos());
        let other = Token::new(&Secret::new(other), source.variable())?;
        match self.put(&other, source.variable()).await?.status() {
            401 | 403 => Ok(TokenAnswer::Accepted),
            _ => Ok(TokenAnswer::NotLookedAt(status)),
        }
    }

    async fn put(&self, token: &Token, variable: &str) -> Result<Refusal, CatalogError> {
        let request = self
            .client
            .put(&self.url)
            .header(TOKEN_HEADER, token.header())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body("[]");
        let sent = request.send().await;
        let mut response = sent.map_err(|error| self.error(failure_to_send(error, &self.host), variable))?;
        let status = response.status();
        if status.is_success() {
            return Err(CatalogError::Api {
                kind: ErrorKind::Malformed,
                status: Some(status.as_u16()),
                message: format!(
                    "{status} for a body that is not a content: the server is not the catalogue's API; check CATALOG_API_BASE"
                ),
            });
        }
        let location = response.headers().get(reqwest::header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = read_bounded(&mut response).await;
        Ok(Refusal::new(status, None, location.as_deref(), &body, token))
    }

    fn error(&self, failure: Failure, variable: &str) -> CatalogError {
        failure.into_error(&self.url, 1, variable)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

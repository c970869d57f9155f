//! Asks whether the API is there and takes the token, with requests that cannot change a content.
//!
//! The body is `[]`, which is no content, and the content is 0, which no table has. FastAPI refuses it with 422. A server that looks at
//! the token before (in a dependency) refuses a wrong one with 401 or 403; one that looks at it in the function itself never
//! comes to it. So a wrong token is tried as well: where that is refused otherwise than ours, ours is accepted.

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

/// Asks.
pub(crate) struct ApiInspector {
    client: Client,
    url: String,
    host: String,
}

/// What the API says to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenAnswer {
    /// It takes it: another token is refused before the body is looked at, and this one is not.
    Accepted,
    /// It looks at the body first, and refuses it with this status, whatever the token.
    NotLookedAt(u16),
}

/// How an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Its status; any will do.
    pub(crate) status: u16,
    /// Until the first answer: connection, TLS, and one round trip.
    pub(crate) first: Duration,
    /// Until the second, on the same connection.
    pub(crate) again: Duration,
}

impl ApiInspector {
    pub(crate) fn new(base: &Url) -> Result<Self, CatalogError> {
        let url = format!("{}/v1/contents/0/upsert-internal", base.as_str().trim_end_matches('/'));
        Ok(Self { client: new_client()?, url, host: host_of(base) })
    }

    /// Asks for the head of a page, which changes nothing, twice. No token is sent.
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

    /// Whether the token is taken.
    ///
    /// # Errors
    /// [`Denied`](ErrorKind::Denied) when it is refused, [`Config`](ErrorKind::Config) when there is no such path;
    /// [`Malformed`](ErrorKind::Malformed) for a server that takes what is no content.
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
                    "{status} for a body that is no content: what answers is not the catalogue's API"
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

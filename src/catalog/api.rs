//! The client of the catalogue's HTTP API. Contents are written through the API, so that data that the API keeps
//! besides the table stays consistent.
//!
//! The client sends a single kind of request: `PUT {CATALOG_API_BASE}/v1/contents/{id}/upsert-internal`, with the token
//! in `X-Internal-Token`. Sending this request several times has the same effect as sending it once, so the client
//! retries after temporary failures. `reply` interprets responses, `token` obtains the token, and `circuit` records
//! whether the API is down, so that not every content waits for the same outage.

mod circuit;
#[cfg(feature = "cli")]
mod inspect;
mod reply;
mod token;

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, redirect};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use self::circuit::{Circuit, Pass, Spared};
#[cfg(feature = "cli")]
pub(crate) use self::inspect::{ApiInspector, TokenAnswer};
use self::reply::{Failure, Refusal, failure_to_send, read_bounded};
use self::token::{Token, TokenSource};
use super::{CatalogError, NewContent, ResolveSecret};
use crate::ErrorKind;
use crate::backoff::{Backoff, retry_after};
use crate::config::ApiSettings;
use crate::error::in_words;
use crate::object_name::ContentId;
use crate::telemetry;

/// The header that carries the token.
const TOKEN_HEADER: &str = "x-internal-token";
/// Time limit for name resolution, connection and TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is not reused: load balancers forget idle connections after a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection is closed when sent data is not acknowledged within this time. This detects a connection that died
/// while the process was frozen; the next attempt opens a new connection.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for reading the body of a successful response. The status already contains the result.
const GOOD_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// The client logs a warning when fewer ids than this remain above a content's id: the database numbers new contents
/// above the highest id.
const FEW_IDS: u32 = 1_000_000;

/// Limits on the attempts of [`CatalogApi::upsert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiPatience {
    /// Maximum number of attempts, the first included.
    pub attempts: u32,
    /// Time limit for one attempt, from opening the connection to the last byte of the response.
    pub attempt: Duration,
    /// Time limit for all attempts together, including the pauses between them.
    pub total: Duration,
    /// Upper bound of the first pause. Each pause is a random part of its bound, and the bound doubles after every
    /// failure.
    pub first_pause: Duration,
    /// How long contents fail immediately after the API was down (no connection, no response, 502, 503, 504) in all
    /// attempts for one content. Afterwards a single content makes a single attempt: a response ends the outage, a
    /// failure starts the period again. With zero, each content makes its own attempts.
    pub rest: Duration,
}

impl Default for ApiPatience {
    /// Returns ten attempts of ten seconds each, within one minute in total, and a rest of 15 seconds. An API that is
    /// being redeployed is usually back within a minute.
    fn default() -> Self {
        Self {
            attempts: 10,
            attempt: Duration::from_secs(10),
            total: Duration::from_secs(60),
            first_pause: Duration::from_secs(1),
            rest: Duration::from_secs(15),
        }
    }
}

/// A client of the catalogue's HTTP API.
///
/// The client follows no redirects and uses no proxy, so the token is sent only to the host in `CATALOG_API_BASE`.
/// Connections stay open from one content to the next.
pub struct CatalogApi {
    client: Client,
    base: String,
    host: String,
    token: TokenSource,
    patience: ApiPatience,
    circuit: Circuit,
}

/// The JSON body of the request, in this order of fields.
#[derive(Serialize)]
struct Body<'c> {
    title: &'c str,
    description: &'c str,
    age_rating: &'c str,
}

impl CatalogApi {
    /// Creates a client of the API that `settings` describe. Nothing is sent yet. A stored token is fetched with
    /// `secrets` at the first [`upsert`](Self::upsert), and again when the API refuses the token.
    ///
    /// # Errors
    /// [`CatalogError::Api`] of kind [`Config`](ErrorKind::Config) when TLS cannot be set up, or when the token
    /// contains a character that an HTTP header cannot carry.
    pub fn new(settings: &ApiSettings, secrets: ResolveSecret) -> Result<Self, CatalogError> {
        Ok(Self {
            client: new_client()?,
            base: settings.base.as_str().trim_end_matches('/').to_owned(),
            host: host_of(&settings.base),
            token: TokenSource::new(&settings.token, secrets)?,
            patience: ApiPatience::default(),
            circuit: Circuit::default(),
        })
    }

    /// Returns the client with the limits in `patience`.
    #[must_use]
    pub fn with_patience(self, patience: ApiPatience) -> Self {
        Self { patience, ..self }
    }

    /// Creates or overwrites the content `id` with the values in `content`.
    ///
    /// Temporary failures (408, 409, 421, 423, 425, 429, 5xx, no response, no connection) are retried after a pause.
    /// The pause is the one that the server requests, or else a random one. Dropping the future cancels the call at any
    /// point. While the API is known to be down ([`ApiPatience::rest`]), the call fails immediately.
    ///
    /// # Errors
    /// [`CatalogError::Api`] of kind [`Denied`](ErrorKind::Denied) for a wrong token, [`Config`](ErrorKind::Config) for
    /// a wrong address, [`Malformed`](ErrorKind::Malformed) for a content that the API rejects, and
    /// [`Unavailable`](ErrorKind::Unavailable) for all other failures.
    pub async fn upsert(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        let NewContent { title, description, age_rating } = content;
        let body = serde_json::to_vec(&Body { title, description, age_rating }).map_err(|error| {
            CatalogError::Api {
                kind: ErrorKind::Internal,
                status: None,
                message: format!("FastAPI upsert 실패: {error}"),
            }
        })?;
        let url = format!("{}/v1/contents/{id}/upsert-internal", self.base);
        if ContentId::MAX - id.get() < FEW_IDS {
            telemetry::few_ids_left(id);
        }
        telemetry::upsert_started(&url, id);
        self.try_to_upsert(id, &url, &body).await?;
        telemetry::upsert_done(id, title);
        Ok(())
    }

    async fn try_to_upsert(&self, id: ContentId, url: &str, body: &[u8]) -> Result<(), CatalogError> {
        let began = Instant::now();
        let pass = self.circuit.enter(began, self.patience.attempt).map_err(spared)?;
        let ends = began + self.patience.total;
        let backoff = Backoff { first: self.patience.first_pause, longest: self.patience.total };
        let mut token = self.token.get().await?;
        let mut renewed = false;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failure = match self.attempt(url, body, &token, ends).await {
                Ok(()) => {
                    self.circuit.answered(Instant::now());
                    return Ok(());
                }
                Err(failure) => failure,
            };
            if !failure.is_down() {
                self.circuit.answered(Instant::now());
            }
            if failure.is_denied() && !renewed {
                renewed = true;
                if let Some(other) = self.token.renewed(&token).await? {
                    token = other;
                    continue;
                }
            }
            let pause = failure.retry_after().unwrap_or_else(|| backoff.pause(attempts));
            let is_last =
                pass == Pass::Trial || attempts >= self.patience.attempts || Instant::now() + pause >= ends;
            if is_last || !failure.is_passing() {
                if failure.is_down() {
                    self.circuit.down(began, Instant::now(), self.patience.rest, failure.to_string());
                }
                return Err(failure.into_error(url, attempts, self.token.variable()));
            }
            telemetry::upsert_retried(id, attempts, pause, &failure.to_string());
            sleep(pause).await;
            self.circuit.check(Instant::now()).map_err(spared)?;
        }
    }

    /// Sends one request and interprets its response.
    async fn attempt(&self, url: &str, body: &[u8], token: &Token, ends: Instant) -> Result<(), Failure> {
        let attempt_ends = (Instant::now() + self.patience.attempt).min(ends);
        let request = self
            .client
            .put(url)
            .header(TOKEN_HEADER, token.header())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_vec());
        let left = attempt_ends.saturating_duration_since(Instant::now());
        let mut response = match timeout(left, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failure_to_send(error, &self.host)),
            Err(_) => return Err(Failure::Timeout { host: self.host.clone() }),
        };
        let status = response.status();
        let left = attempt_ends.saturating_duration_since(Instant::now());
        if status.is_success() {
            // The body is read to its end so that the connection can be reused. The result is already known.
            let _ = timeout(left.min(GOOD_BODY_TIMEOUT), read_bounded(&mut response)).await;
            return Ok(());
        }
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = text(RETRY_AFTER).and_then(retry_after);
        let location = text(reqwest::header::LOCATION).map(str::to_owned);
        let body = timeout(left, read_bounded(&mut response)).await.unwrap_or_default();
        Err(Failure::Refused(Refusal::new(status, retry_after, location.as_deref(), &body, token)))
    }
}

impl fmt::Debug for CatalogApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, patience) = (&self.base, &self.patience);
        f.debug_struct("CatalogApi").field("base", base).field("patience", patience).finish_non_exhaustive()
    }
}

fn spared(Spared { reason, left }: Spared) -> CatalogError {
    let message = format!(
        "{reason}; the API was down for an earlier content and is not called for another {} s",
        left.as_secs() + 1
    );
    CatalogError::Api { kind: ErrorKind::Unavailable, status: None, message }
}

fn new_client() -> Result<Client, CatalogError> {
    let builder = Client::builder()
        .user_agent(concat!("posterframe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy();
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
    builder.build().map_err(|error| CatalogError::Api {
        kind: ErrorKind::Config,
        status: None,
        message: format!("FastAPI upsert 실패: cannot create an HTTP client: {}", in_words(&error)),
    })
}

/// Returns the host, with the port if the URL contains one.
fn host_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

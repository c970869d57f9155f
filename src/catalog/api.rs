//! The catalogue's API: contents are written through it, so that whatever it keeps besides the table stays right.
//!
//! One request is all there is to it: `PUT {CATALOG_API_BASE}/v1/contents/{id}/upsert-internal`, with the token in
//! `X-Internal-Token`. It may be made any number of times with the same effect, so it is made again when it fails for a reason
//! that may pass. `reply` says what an answer means, `token` where the token comes from, and `circuit` whether the API is down, so that
//! not every content waits for it.

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

/// The header with the token.
const TOKEN_HEADER: &str = "x-internal-token";
/// How long names, connections and TLS may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was left alone for longer is not used again: load balancers forget theirs after a minute.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// What was sent and is not acknowledged for so long breaks the connection. One that died while the process was frozen
/// shows itself by that, and the next attempt has a new one.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer that is good is not waited for longer than this: its status has said everything.
const GOOD_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// A content that leaves fewer ids than this above its own is warned of: the database numbers new contents behind the highest.
const FEW_IDS: u32 = 1_000_000;

/// How long [`CatalogApi::upsert`] tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiPatience {
    /// Attempts, the first included.
    pub attempts: u32,
    /// How long one attempt may take, from the connection to the last byte of the answer.
    pub attempt: Duration,
    /// How long all of them may take, with the pauses between them.
    pub total: Duration,
    /// The bound of the first pause. Each pause is a random part of a bound that doubles every time.
    pub first_pause: Duration,
    /// How long contents fail at once after one for which the API was down (no connection, no answer, 502, 503, 504) in all its attempts.
    /// Then one of them makes one attempt: an answer ends it, a failure begins it anew. Zero: each content tries for itself.
    pub rest: Duration,
}

impl Default for ApiPatience {
    /// Ten attempts of ten seconds, all within a minute: an API that is deployed anew is back by then. One that is not rests for 15
    /// seconds.
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

/// The client of the catalogue's API.
///
/// Redirects are not followed and no proxy is used: the token goes where `CATALOG_API_BASE` says and nowhere else.
/// Connections stay open from one content to the next.
pub struct CatalogApi {
    client: Client,
    base: String,
    host: String,
    token: TokenSource,
    patience: ApiPatience,
    circuit: Circuit,
}

/// What the API is sent, in this order.
#[derive(Serialize)]
struct Body<'c> {
    title: &'c str,
    description: &'c str,
    age_rating: &'c str,
}

impl CatalogApi {
    /// The client of the API that `settings` name. Nothing is sent yet. A token that is stored is fetched with
    /// `secrets` at the first [`upsert`](Self::upsert), and again when it is refused.
    ///
    /// # Errors
    /// [`CatalogError::Api`] of kind [`Config`](ErrorKind::Config) when TLS cannot be set up, or for a token that no
    /// header can carry.
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

    /// The same, trying as long as `patience` says.
    #[must_use]
    pub fn with_patience(self, patience: ApiPatience) -> Self {
        Self { patience, ..self }
    }

    /// Makes the content `id` what `content` says, whether it exists or not.
    ///
    /// What fails for a reason that may pass (408, 409, 421, 423, 425, 429, 5xx, no answer, no connection) is tried again after a pause:
    /// the one that the server asks for, or a random one. It ends early, at any point, when the future is dropped. While the API is down
    /// ([`ApiPatience::rest`]), it fails at once.
    ///
    /// # Errors
    /// [`CatalogError::Api`]: [`Denied`](ErrorKind::Denied) for a wrong token, [`Config`](ErrorKind::Config) for a wrong
    /// address, [`Malformed`](ErrorKind::Malformed) for a content that the API does not take,
    /// [`Unavailable`](ErrorKind::Unavailable) otherwise.
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

    /// One request and its answer.
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
            // Read to its end, so that the connection can be used again. What it says is known already.
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
        "{reason}; the API was down a moment ago, and is not called for another {} s",
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
        message: format!("FastAPI upsert 실패: no client can be made: {}", in_words(&error)),
    })
}

/// Host and port, the latter if it is named.
fn host_of(base: &Url) -> String {
    let host = base.host_str().unwrap_or_default();
    base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

//! The catalogue's API, through which contents are written.
//!
//! One request, as the replaced Lambda made it: `PUT {base}/v1/contents/{id}/upsert-internal`. It is made again after
//! failures that pass, with the pauses that the API asks for. Redirects are not followed: the token would travel along.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde_json::json;
use url::Url;

use super::{CatalogError, NewContent};
use crate::config::ApiSettings;
use crate::object_name::ContentId;
use crate::secret::{Secret, SecretSource, SecretStore};
use crate::{ErrorKind, backoff, telemetry};

/// The longest that one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// No attempt begins later than this after the first.
const RETRY_FOR: Duration = Duration::from_secs(40);
/// The bound of the first pause; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// An API that asks to be left alone for longer is not waited for longer.
const LONGEST_ASKED: Duration = Duration::from_secs(20);
/// Characters of a refusal's body that are told.
const MAX_BODY_CHARS: usize = 500;
/// Bytes of a body that are read at all.
const MAX_BODY_BYTES: usize = 64 << 10;

const TOKEN: &str = "X-Internal-Token";

/// The client of the catalogue's API. Clones share connections and token.
#[derive(Clone)]
pub struct CatalogApi(Arc<Shared>);

struct Shared {
    client: Client,
    base: Url,
    token: SecretSource,
    secrets: SecretStore,
}

/// Why an attempt failed, and whether another may do better.
struct Refusal {
    kind: ErrorKind,
    message: String,
    passes: bool,
    /// How long the API asks to wait.
    pause: Option<Duration>,
    is_about_token: bool,
}

impl CatalogApi {
    /// The API that the settings name. Nothing is asked for yet.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when no client can be made: there are no root certificates, say.
    pub fn new(settings: &ApiSettings, secrets: SecretStore) -> Result<Self, CatalogError> {
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ATTEMPT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CatalogError::Api { kind: ErrorKind::Internal, message: in_words(error) })?;
        let (base, token) = (settings.base.clone(), settings.token.clone());
        Ok(Self(Arc::new(Shared { client, base, token, secrets })))
    }

    /// Makes the content `id` what a newly uploaded video says, whether it exists or not.
    ///
    /// # Errors
    /// [`CatalogError::Api`]: [`Denied`](ErrorKind::Denied) when the token is refused,
    /// [`Malformed`](ErrorKind::Malformed) when the content is, [`Config`](ErrorKind::Config) when there is no such API,
    /// [`Unavailable`](ErrorKind::Unavailable) when it does not answer, or is busy, for 40 s.
    pub async fn upsert(&self, id: ContentId, content: &NewContent) -> Result<(), CatalogError> {
        let url = self.url(id);
        telemetry::upsert_started(url.as_str(), id);
        let body = json!({
            "title": content.title,
            "description": content.description,
            "age_rating": content.age_rating,
        });
        let body = body.to_string();
        let (started, mut attempt, mut token_renewed) = (SystemTime::now(), 0, false);
        loop {
            attempt += 1;
            let refusal = match self.attempt(&url, &body).await {
                Ok(()) => {
                    telemetry::upsert_done(id, &content.title);
                    return Ok(());
                }
                Err(refusal) => refusal,
            };
            // A stored token may have been rotated.
            if refusal.is_about_token && !token_renewed && self.0.secrets.forget(&self.0.token).await {
                token_renewed = true;
                continue;
            }
            let pause = refusal.pause.map_or_else(
                || backoff::pause(FIRST_PAUSE, LONGEST_PAUSE, attempt),
                |asked| asked.min(LONGEST_ASKED),
            );
            let waited = SystemTime::now().duration_since(started).unwrap_or_default();
            if !refusal.passes || waited + pause > RETRY_FOR {
                return Err(CatalogError::Api { kind: refusal.kind, message: refusal.message });
            }
            telemetry::upsert_retried(id, &refusal.message);
            tokio::time::sleep(pause).await;
        }
    }

    fn url(&self, id: ContentId) -> Url {
        let mut url = self.0.base.clone();
        let path = format!("{}/v1/contents/{id}/upsert-internal", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    async fn attempt(&self, url: &Url, body: &str) -> Result<(), Refusal> {
        let token = self.0.secrets.resolve(&self.0.token).await.map_err(|error| Refusal {
            kind: error.kind(),
            message: error.to_string(),
            passes: false,
            pause: None,
            is_about_token: false,
        })?;
        let mut value = HeaderValue::from_str(token.expose()).map_err(|_| Refusal {
            kind: ErrorKind::Config,
            message: "INTERNAL_TOKEN holds what a header cannot carry".to_owned(),
            passes: false,
            pause: None,
            is_about_token: false,
        })?;
        value.set_sensitive(true);
        let request = self.0.client.put(url.clone()).header(TOKEN, value);
        let request = request.header("Content-Type", "application/json").body(body.to_owned());
        let response = request.send().await.map_err(|error| Refusal::unanswered(error, &token))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = beginning(response).await;
        if status.is_success() {
            return Ok(());
        }
        Err(Refusal::answered(status, &headers, &text, &token))
    }
}

impl Refusal {
    fn unanswered(error: reqwest::Error, token: &Secret) -> Self {
        let what = if error.is_timeout() { "Connection timeout: ".to_owned() } else { String::new() };
        let words = shown(&in_words(error), token);
        let message = format!("FastAPI 호출 중 네트워크 오류: {what}{words}");
        Self { kind: ErrorKind::Unavailable, message, passes: true, pause: None, is_about_token: false }
    }

    fn answered(status: StatusCode, headers: &HeaderMap, body: &str, token: &Secret) -> Self {
        let number = status.as_u16();
        let (kind, advice) = match number {
            401 | 403 => (ErrorKind::Denied, "; check INTERNAL_TOKEN (or INTERNAL_TOKEN_SECRET)".to_owned()),
            404 | 405 => (ErrorKind::Config, "; check CATALOG_API_BASE".to_owned()),
            408 | 429 => (ErrorKind::Unavailable, String::new()),
            300..=399 => {
                let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("?");
                let location = location.split(['?', '#']).next().unwrap_or(location);
                (ErrorKind::Config, format!("; it redirects to {location}: set CATALOG_API_BASE to that"))
            }
            400..=499 => (ErrorKind::Malformed, String::new()),
            _ => (ErrorKind::Unavailable, String::new()),
        };
        let pause = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let body = shown(body, token);
        Self {
            kind,
            message: format!("FastAPI upsert 실패: {status}: {body}{advice}"),
            passes: kind == ErrorKind::Unavailable,
            pause: pause.and_then(backoff::retry_after),
            is_about_token: matches!(number, 401 | 403),
        }
    }
}

impl fmt::Debug for CatalogApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogApi").field("base", &self.0.base.as_str()).finish_non_exhaustive()
    }
}

/// The beginning of a body. A connection whose body was read to its end serves again.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_BODY_BYTES {
        match response.chunk().await {
            Ok(Some(more)) => bytes.extend_from_slice(&more),
            Ok(None) | Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text from outside as it may be shown: short, on one line, without the token it may repeat.
fn shown(text: &str, token: &Secret) -> String {
    let text = text.replace(token.expose(), "REDACTED");
    text.chars().take(MAX_BODY_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An error and what caused it. Its URL is ours, and in the log already.
fn in_words(error: reqwest::Error) -> String {
    crate::error::in_words(&error.without_url())
}

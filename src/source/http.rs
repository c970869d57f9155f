//! Objects behind `http://` and `https://` URLs (RFC 9110).

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;

use super::reply::{check_not_empty, not_satisfiable, parse_content_range, strong_etag};
use super::{
    BoxFuture, GetRange, Identity, RangeBody, RangeReply, RangeRequest, RangeSource, SourceError,
    status_error,
};
use crate::backoff::retry_after;
use crate::error::in_words;
use crate::redacted::Redacted;

/// Maximum time for name resolution, connection and TLS. After that, the reader that waits for the answer applies its own
/// timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client of all sources that receive no client of their own. Its connections stay open from one object to the next.
static CLIENT: LazyLock<Result<Client, SourceError>> = LazyLock::new(|| {
    let client = Client::builder()
        .user_agent(concat!("posterframe/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A server that a signed URL redirects to must not see the signed URL.
        .referer(false)
        .build();
    client.map_err(|error| SourceError::Request { reason: in_words(&error) })
});

/// An object behind an `http://` or `https://` URL, on a server that supports byte ranges.
///
/// The first request accepts any version of the object. Later requests carry `If-Match` with the ETag of the first reply,
/// or `If-Unmodified-Since` where the ETag is missing or weak. Names and errors omit the user name, password, query and
/// fragment of the URL.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use posterframe::source::HttpSource;
/// use posterframe::{Media, OpenOptions};
///
/// let source = HttpSource::new("https://example.org/a.mp4".parse()?)?;
/// let media = Media::open_source(source, &OpenOptions::default())?;
/// println!("{:?} seconds, told by {} bytes", media.info().duration_seconds, media.ledger().bytes_fetched);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpSource {
    client: Client,
    url: Url,
}

impl HttpSource {
    /// Creates a source for the object behind `url`. The source follows redirects and uses the proxies that the
    /// environment names.
    ///
    /// # Errors
    /// [`SourceError::Request`]: the URL has another scheme, or TLS cannot be set up.
    pub fn new(url: Url) -> Result<Self, SourceError> {
        Self::with_client(CLIENT.clone()?, url)
    }

    /// Creates a source with a custom client. The client must not decompress what it receives, and should have a connect
    /// timeout.
    ///
    /// # Errors
    /// [`SourceError::Request`]: the URL has another scheme.
    pub fn with_client(client: Client, url: Url) -> Result<Self, SourceError> {
        if !matches!(url.scheme(), "http" | "https") {
            let reason = format!("unsupported URL scheme {}: use http or https", url.scheme());
            return Err(SourceError::Request { reason });
        }
        Ok(Self { client, url })
    }

    /// Reads the whole object, for servers that do not support byte ranges. The call has no timeout.
    ///
    /// # Errors
    /// [`SourceError::TooLarge`] as soon as the server announces or sends more than `max_bytes`. Otherwise the error of
    /// the request.
    pub async fn read_whole(&self, max_bytes: u64) -> Result<Vec<u8>, SourceError> {
        let mut response = send(self.request()).await?;
        if response.status() != StatusCode::OK {
            // The request has no range, and the error does not need one.
            return Err(refusal(&response, RangeRequest::Suffix(u64::MAX)));
        }
        check_encoding(response.headers())?;
        let too_large = SourceError::TooLarge { allowed: max_bytes };
        if response.content_length().is_some_and(|length| length > max_bytes) {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failure)? {
            if bytes.len() as u64 + piece.len() as u64 > max_bytes {
                return Err(too_large);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    fn request(&self) -> RequestBuilder {
        self.client.get(self.url.clone()).header(ACCEPT_ENCODING, "identity")
    }

    async fn answer(&self, request: GetRange) -> Result<RangeReply, SourceError> {
        check_not_empty(request.range)?;
        let mut to_send = self.request().header(RANGE, request.range.to_string());
        if let Some((name, value)) = request.identity.as_ref().and_then(condition) {
            to_send = to_send.header(name, value);
        }
        reply(send(to_send).await?, request.range)
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("url", &self.name()).finish_non_exhaustive()
    }
}

impl RangeSource for HttpSource {
    fn name(&self) -> String {
        Redacted(&self.url).to_string()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(self.answer(request))
    }
}

/// Returns the header that ties a request to a version of the object.
fn condition(identity: &Identity) -> Option<(HeaderName, &str)> {
    let date = || identity.last_modified.as_deref().map(|date| (IF_UNMODIFIED_SINCE, date));
    strong_etag(identity).map(|etag| (IF_MATCH, etag)).or_else(date)
}

async fn send(request: RequestBuilder) -> Result<Response, SourceError> {
    request.send().await.map_err(failure)
}

/// Converts an error of the client, without the URL.
fn failure(error: reqwest::Error) -> SourceError {
    let error = error.without_url();
    let reason = in_words(&error);
    if error.is_builder() {
        SourceError::Request { reason }
    } else if error.is_redirect() {
        SourceError::Unexpected { reason }
    } else {
        SourceError::Connection { reason }
    }
}

fn reply(response: Response, asked: RangeRequest) -> Result<RangeReply, SourceError> {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => partial(response, asked),
        // An empty object has no range.
        StatusCode::OK if response.content_length() == Some(0) => Err(SourceError::Empty),
        StatusCode::OK => Err(SourceError::NoRanges),
        _ => Err(refusal(&response, asked)),
    }
}

fn partial(response: Response, asked: RangeRequest) -> Result<RangeReply, SourceError> {
    let headers = response.headers();
    check_encoding(headers)?;
    let answered = || match (text(headers, CONTENT_RANGE), text(headers, CONTENT_TYPE)) {
        (Some(range), _) => format!("Content-Range: {range}"),
        (None, Some(content)) if content.starts_with("multipart/") => content.to_owned(),
        (None, _) => "no Content-Range".to_owned(),
    };
    let content_range = text(headers, CONTENT_RANGE).and_then(parse_content_range);
    let (range, size) =
        content_range.ok_or_else(|| SourceError::WrongRange { requested: asked, received: answered() })?;
    let [etag, last_modified] = [ETAG, LAST_MODIFIED].map(|name| text(headers, name).map(str::to_owned));
    let identity = Identity { size, etag, last_modified };
    Ok(RangeReply { identity, range, body: Box::new(Body(response)) })
}

/// Rejects encoded bodies: their bytes are not the bytes of the object, whatever the range.
fn check_encoding(headers: &HeaderMap) -> Result<(), SourceError> {
    match text(headers, CONTENT_ENCODING) {
        Some(encoding) if !encoding.trim().eq_ignore_ascii_case("identity") => {
            let reason = format!("Content-Encoding: {encoding}, which was not requested");
            Err(SourceError::Unexpected { reason })
        }
        _ => Ok(()),
    }
}

fn refusal(response: &Response, asked: RangeRequest) -> SourceError {
    let (status, headers) = (response.status(), response.headers());
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        return not_satisfiable(asked, text(headers, CONTENT_RANGE));
    }
    let pause = text(headers, RETRY_AFTER).and_then(retry_after);
    // Status and name, `404 Not Found`; the body may contain anything.
    status_error(status.as_u16(), status.to_string(), pause, asked)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

struct Body(Response);

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move { self.0.chunk().await.map_err(failure) })
    }
}

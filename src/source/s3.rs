//! Objects in S3 and in services that are compatible with S3.

mod bucket_headers;

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
pub use aws_sdk_s3::Client as S3Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{Builder, ResponseChecksumValidation, StalledStreamProtectionConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;

use super::reply::{check_not_empty, not_satisfiable, parse_content_range, strong_etag};
use super::{
    BoxFuture, GetRange, Identity, RangeBody, RangeReply, RangeRequest, RangeSource, SourceError,
    status_error,
};
use crate::aws;
use crate::backoff::retry_after;
use crate::error::in_words;
use bucket_headers::BucketHeaders;

/// An object in S3.
///
/// Requests after the first carry `If-Match` with the ETag of the first reply, or `If-Unmodified-Since` where the ETag is
/// missing or weak. The source sends each request once, whatever the retry settings of its client. The reader retries a
/// request from the byte where the body stopped.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use posterframe::source::{S3Source, block_on};
/// use posterframe::{Media, OpenOptions};
///
/// // One client for all objects; in async code with `.await`.
/// let client = block_on(S3Source::client_from_env())??;
/// for key in ["videos/1_x.mp4", "videos/2_y.mp4"] {
///     let source = S3Source::new(client.clone(), "films", key);
///     let media = Media::open_source(source, &OpenOptions::default())?;
///     println!("{key}: {:?} seconds", media.info().duration_seconds);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct S3Source {
    client: S3Client,
    bucket: String,
    key: String,
    version: Option<String>,
    etag: Option<String>,
}

impl S3Source {
    /// Creates a source for the object `key` of `bucket`. `key` is not percent-encoded.
    pub fn new(client: S3Client, bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into(), key: key.into(), version: None, etag: None }
    }

    /// Creates a source with the client of [`client_from_env`](Self::client_from_env). To read many objects, create one
    /// client and use [`S3Source::new`].
    ///
    /// # Errors
    /// The same errors as [`client_from_env`](Self::client_from_env).
    pub async fn connect(bucket: impl Into<String>, key: impl Into<String>) -> Result<Self, SourceError> {
        Ok(Self::new(Self::client_from_env().await?, bucket, key))
    }

    /// Sets the version of the object to read. The default is the current version.
    #[must_use]
    pub fn with_version(mut self, version_id: impl Into<String>) -> Self {
        self.version = Some(version_id.into());
        self
    }

    /// Sets the ETag that the object must have, from the first request on. An object with any other ETag is
    /// [`SourceError::Changed`].
    #[must_use]
    pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// Creates a client with the region and the credentials that AWS's own tools would find: environment, profiles, SSO
    /// (feature `sso`), roles of containers and machines.
    ///
    /// With a custom endpoint (`AWS_ENDPOINT_URL`, or `endpoint_url` of the profile), the bucket name is part of the path:
    /// apart from Amazon, few services have a host name for each bucket.
    ///
    /// With `S3_REQUEST_PAYER=requester`, each request states that the caller pays, which a Requester Pays bucket of another account
    /// needs. With `S3_EXPECTED_BUCKET_OWNER` (an account id), S3 refuses requests for a bucket of any other account.
    ///
    /// # Errors
    /// [`SourceError::Request`] when no region is set, or one of these two variables has another value. The credentials are resolved
    /// with the first request.
    pub async fn client_from_env() -> Result<S3Client, SourceError> {
        Self::client(&aws::settings().await)
    }

    /// Creates a client from loaded settings, like [`client_from_env`](Self::client_from_env).
    ///
    /// # Errors
    /// [`SourceError::Request`]: no region is set, or a variable has a wrong value.
    pub fn client(config: &SdkConfig) -> Result<S3Client, SourceError> {
        if aws::region(config).is_none() {
            let reason = aws::NO_REGION.to_owned();
            return Err(SourceError::Request { reason });
        }
        let headers = BucketHeaders::of(config).map_err(|reason| SourceError::Request { reason })?;
        let mut client = Builder::from(config).force_path_style(has_own_endpoint(config));
        if let Some(headers) = headers {
            client = client.interceptor(headers);
        }
        Ok(S3Client::from_conf(client.build()))
    }

    /// Returns the answer to a range request, for [`reply`].
    pub(crate) async fn answer(&self, request: GetRange) -> Result<GetObjectOutput, SourceError> {
        check_not_empty(request.range)?;
        let identity = request.identity.as_ref();
        let etag = identity.and_then(strong_etag).map(str::to_owned);
        let etag = etag.or_else(|| self.etag.clone().filter(|_| identity.is_none()));
        let date = identity.filter(|_| etag.is_none()).and_then(|identity| identity.last_modified.as_deref());
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let operation = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .range(request.range.to_string())
            .set_if_match(etag)
            .set_if_unmodified_since(date)
            .set_version_id(self.version.clone());
        let output = operation.customize().config_override(once()).send().await;
        output.map_err(|error| failure(&error, request.range))
    }
}

impl fmt::Debug for S3Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bucket, key, version) = (&self.bucket, &self.key, &self.version);
        let mut shown = f.debug_struct("S3Source");
        shown.field("bucket", bucket).field("key", key).field("version", version).finish_non_exhaustive()
    }
}

impl RangeSource for S3Source {
    fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            let asked = request.range;
            reply(self.answer(request).await?, asked)
        })
    }
}

/// Returns whether requests go to an endpoint other than Amazon's. `AWS_ENDPOINT_URL_S3` takes precedence over
/// `AWS_ENDPOINT_URL`.
fn has_own_endpoint(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let of_s3 = || config.service_config()?.load_config(key.build().ok()?);
    config.endpoint_url().is_some() || of_s3().is_some()
}

/// Disables retries and the detection of stalled bodies: the reader does both and knows the deadline. Checksums cover
/// whole objects, so requesting them with each range has no effect.
fn once() -> Builder {
    Builder::new()
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
}

/// Converts the answer to a range request.
pub(crate) fn reply(output: GetObjectOutput, asked: RangeRequest) -> Result<RangeReply, SourceError> {
    let Some(content_range) = output.content_range() else {
        // 200: the whole object. An empty object has no range.
        return Err(if output.content_length() == Some(0) {
            SourceError::Empty
        } else {
            SourceError::NoRanges
        });
    };
    let wrong =
        || SourceError::WrongRange { requested: asked, received: format!("Content-Range: {content_range}") };
    let (range, size) = parse_content_range(content_range).ok_or_else(wrong)?;
    let etag = output.e_tag().filter(|etag| !etag.is_empty()).map(str::to_owned);
    let last_modified = output.last_modified().and_then(|date| date.fmt(DateTimeFormat::HttpDate).ok());
    let identity = Identity { size, etag, last_modified };
    Ok(RangeReply { identity, range, body: Box::new(Body(output.body)) })
}

/// Converts a failure. `asked` is the requested range; only range requests use it.
pub(crate) fn failure<E>(error: &SdkError<E, HttpResponse>, asked: RangeRequest) -> SourceError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => refusal(context.raw(), context.err(), asked),
        // A status with a body that is not S3's, or that ended early.
        SdkError::ResponseError(context) => {
            let status = context.raw().status().as_u16();
            status_error(status, format!("{status}: {}", in_words(error)), pause(context.raw()), asked)
        }
        _ => unsent(error),
    }
}

/// Converts an error of the service. The message keeps the service's code, because the service's documentation explains
/// the code.
fn refusal(response: &HttpResponse, error: &impl ProvideErrorMetadata, asked: RangeRequest) -> SourceError {
    let (code, message) = (error.code().unwrap_or(""), error.message().unwrap_or(""));
    let status = match code {
        // The status is 400, but the credentials are wrong.
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => 403,
        // The status is 400, but the failure may be temporary.
        "RequestTimeout" => 408,
        _ => response.status().as_u16(),
    };
    let reason = match (code, message) {
        ("", _) => format!("status {status}"),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    if status == 416 {
        return not_satisfiable(asked, response.headers().get("content-range"));
    }
    if let Some(advice) = unreadable(code, message) {
        return SourceError::Unreadable { reason: format!("{advice} ({reason})") };
    }
    if let Some(reason) = wrong_region(status, code, response, &reason) {
        return SourceError::Request { reason };
    }
    status_error(status, reason, pause(response), asked)
}

/// Returns what to do about an object that S3 has but refuses to return on every attempt.
fn unreadable(code: &str, message: &str) -> Option<&'static str> {
    match code {
        // "Working with archived objects" in the Amazon S3 User Guide: Glacier, Deep Archive, the archive tiers of
        // Intelligent-Tiering.
        "InvalidObjectState" => Some("the object is archived: restore it first, then process it again"),
        // "Using server-side encryption with customer-provided keys".
        "InvalidRequest" if message.contains("Server Side Encryption") => Some(
            "the object is encrypted with a key that its owner sends with each request (SSE-C), which is not supported",
        ),
        _ => None,
    }
}

/// Returns the advice for a bucket in another region than the client's.
fn wrong_region(status: u16, code: &str, response: &HttpResponse, reason: &str) -> Option<String> {
    let codes = ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"];
    if status != 301 && !codes.contains(&code) {
        return None;
    }
    let region = response.headers().get("x-amz-bucket-region").map(str::to_owned);
    let region = region.or_else(|| region_in_body(response.body().bytes()?));
    Some(match region {
        Some(region) => {
            format!(
                "the bucket is in the AWS region {region}: set AWS_REGION={region}, or deploy the function in that region ({reason})"
            )
        }
        None => format!("wrong AWS region or endpoint ({reason})"),
    })
}

/// Parses `<Region>eu-west-1</Region>` in the XML of the error.
fn region_in_body(body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let region = body.split_once("<Region>")?.1.split_once("</Region>")?.0;
    let plain = !region.is_empty() && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain.then(|| region.to_owned())
}

fn pause(response: &HttpResponse) -> Option<Duration> {
    response.headers().get("retry-after").and_then(retry_after)
}

/// Converts the error of a request that was never sent or received no answer.
fn unsent<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> SourceError {
    if let Some(error) = credentials_error(error) {
        return without_credentials(error);
    }
    let reason = in_words(error);
    match error {
        SdkError::ConstructionFailure(_) => SourceError::Request { reason },
        SdkError::DispatchFailure(failure) if failure.is_user() => SourceError::Request { reason },
        _ => SourceError::Connection { reason },
    }
}

/// Returns the credentials error, if any. The SDK resolves credentials with the first request and reports a failure as a
/// failed connection.
fn credentials_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e CredentialsError> {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.filter_map(|error| error.downcast_ref()).next()
}

fn without_credentials(error: &CredentialsError) -> SourceError {
    let words = in_words(error);
    let reason = match error {
        // The credentials service does not answer at the moment.
        CredentialsError::ProviderTimedOut(_) => return SourceError::Connection { reason: words },
        CredentialsError::CredentialsNotLoaded(_) => {
            "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or attach a role to the machine"
                .to_owned()
        }
        _ => format!("cannot load AWS credentials: {words}"),
    };
    SourceError::Request { reason }
}

struct Body(ByteStream);

impl RangeBody for Body {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, SourceError>> {
        Box::pin(async move {
            let failed = |error| SourceError::Connection { reason: in_words(&error) };
            self.0.next().await.transpose().map_err(failed)
        })
    }
}

//! A bucket in S3.
//!
//! The store needs `s3:GetObject` and `s3:PutObject` on the objects of the bucket, and `s3:ListBucket` only for
//! listings. Without `s3:ListBucket`, S3 responds with 403 both for a missing object and for one that the caller is not
//! allowed to read. A thumbnail in this state is stored on the condition that it does not exist, and S3's response
//! shows which case it was.
//!
//! The SDK sends each request once. This module retries temporary failures with the pauses of the reader, so that one
//! policy applies to HEAD, GET, PUT and listings.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError, DateTime};
use aws_sdk_s3::types::{EncodingType, Object};
use percent_encoding::percent_decode_str;

use super::{
    Condition, ETag, ListObjects, ListedObject, NewObject, ObjectDescription, Page, ReadObject, Store,
    StoreError,
};
use crate::error::in_words;
use crate::source::{
    ByteRange, GetRange, MAX_FRUITLESS_ATTEMPTS, RangeRequest, RangeSource as _, S3Source, SourceError,
    pause, s3_failure, stall,
};

/// Maximum length of a key in bytes ("Naming Amazon S3 objects" in the Amazon S3 User Guide).
const MAX_KEY_BYTES: usize = 1024;
/// Maximum number of retries after a conflict with another conditional put. The conflict ends when the other put ends,
/// and S3 requests a retry (409, `ConditionalRequestConflict`).
const CONFLICTS: u32 = 8;
const AFTER_A_CONFLICT: Duration = Duration::from_millis(50);

/// A bucket in S3 as a [`Store`].
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
}

impl S3Store {
    /// Creates a store for the bucket. `client` is a client from [`S3Source::client`](crate::source::S3Source::client),
    /// or your own.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// Returns another bucket with the same client.
    #[cfg(feature = "cli")]
    pub(crate) fn in_bucket(&self, bucket: impl Into<String>) -> Self {
        Self { client: self.client.clone(), bucket: bucket.into() }
    }

    /// Returns a source that reads the object `key` by byte ranges.
    pub fn source(&self, key: &str) -> S3Source {
        S3Source::new(self.client.clone(), self.bucket.clone(), key)
    }

    /// Describes the object `key` like [`describe`](Store::describe), but reports an error for an object that the
    /// caller is not allowed to read, instead of `None`.
    ///
    /// # Errors
    /// [`StoreError::S3`] of kind [`Denied`](crate::ErrorKind::Denied) for 403.
    pub async fn describe_readable(&self, key: &str) -> Result<Option<ObjectDescription>, StoreError> {
        let error = match self.head(key).await {
            Ok(output) => return Ok(Some(description(&output))),
            Err(error) => self.explained(key, error).await,
        };
        match error {
            SourceError::NotFound { .. } => Ok(None),
            source => Err(self.error("describe", key, source)),
        }
    }

    /// Returns the value of one tag of the object `key`; `None` when the object has no such tag, or does not exist. The
    /// request needs `s3:GetObjectTagging`.
    pub(crate) async fn tag(&self, key: &str, name: &str) -> Result<Option<String>, SourceError> {
        let send = |settings| {
            let request = self.client.get_object_tagging().bucket(&self.bucket).key(key);
            request.customize().config_override(settings).send()
        };
        match patiently(send).await {
            Ok(output) => {
                let tag = output.tag_set().iter().find(|tag| tag.key() == name);
                Ok(tag.map(|tag| tag.value().to_owned()))
            }
            Err(error) => match s3_failure(&error, whole()) {
                SourceError::NotFound { .. } => Ok(None),
                SourceError::Denied { reason } => Err(SourceError::Denied {
                    reason: format!("cannot read the object's tags (needs s3:GetObjectTagging): {reason}"),
                }),
                error => Err(error),
            },
        }
    }

    async fn head(&self, key: &str) -> Result<HeadObjectOutput, SourceError> {
        let send = |settings| {
            self.client
                .head_object()
                .bucket(&self.bucket)
                .key(key)
                .customize()
                .config_override(settings)
                .send()
        };
        patiently(send).await.map_err(|error| s3_failure(&error, whole()))
    }

    /// Returns the reason for a rejected HEAD. Responses to HEAD have no body (RFC 9110, section 9.3.2), so a 400 may
    /// mean expired credentials, and a 403 a missing permission or a wrong clock. A GET of one byte returns the error
    /// code.
    async fn explained(&self, key: &str, refusal: SourceError) -> SourceError {
        if !matches!(refusal, SourceError::Denied { .. } | SourceError::Unexpected { .. }) {
            return refusal;
        }
        let first_byte = GetRange::new(RangeRequest::Bounded(ByteRange::new(0, 1)), None);
        match self.source(key).get(first_byte).await {
            Err(SourceError::Empty) | Ok(_) => refusal,
            Err(error) if error.is_passing() => refusal,
            Err(error) => error,
        }
    }

    async fn put_once(
        &self,
        key: &str,
        object: &NewObject<'_>,
        condition: &Condition,
        settings: aws_sdk_s3::config::Builder,
    ) -> Result<ETag, SdkError<PutObjectError, HttpResponse>> {
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(object.content_type)
            .cache_control(object.cache_control)
            .set_metadata(Some(
                object.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            ))
            .body(ByteStream::from(object.bytes.to_vec()));
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(etag.as_str()),
        };
        let output = request.customize().config_override(settings).send().await?;
        Ok(ETag::new(output.e_tag().unwrap_or_default()))
    }

    pub(crate) fn error(&self, action: &'static str, key: &str, source: SourceError) -> StoreError {
        StoreError::S3 { action, url: s3_url(&self.bucket, key), source }
    }
}

impl Store for S3Store {
    fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns `s3://bucket/key` with the key unchanged, as the replaced Lambda wrote it.
    fn url(&self, key: &str) -> Result<String, StoreError> {
        if key.is_empty() {
            return Err(StoreError::InvalidKey { key: key.to_owned(), reason: "is empty" });
        }
        if key.len() > MAX_KEY_BYTES {
            let reason = "is longer than the 1,024 bytes that S3 allows";
            return Err(StoreError::InvalidKey { key: key.to_owned(), reason });
        }
        Ok(s3_url(&self.bucket, key))
    }

    fn key_of(&self, url: &str) -> Option<String> {
        let key = url.strip_prefix("s3://")?.strip_prefix(&self.bucket)?.strip_prefix('/')?;
        (!key.is_empty()).then(|| key.to_owned())
    }

    /// Returns `None` also for an object that the caller is not allowed to read; see the module.
    async fn describe(&self, key: &str) -> Result<Option<ObjectDescription>, StoreError> {
        match self.head(key).await {
            Ok(output) => Ok(Some(description(&output))),
            Err(SourceError::NotFound { .. } | SourceError::Denied { .. }) => Ok(None),
            Err(error) => match self.explained(key, error).await {
                SourceError::NotFound { .. } => Ok(None),
                source => Err(self.error("describe", key, source)),
            },
        }
    }

    async fn put(&self, key: &str, object: NewObject<'_>, condition: &Condition) -> Result<ETag, StoreError> {
        super::check_metadata(object.metadata)?;
        let mut conflicts = 0;
        loop {
            let put = |settings| self.put_once(key, &object, condition, settings);
            let error = match patiently(put).await {
                Ok(etag) => return Ok(etag),
                Err(error) => error,
            };
            let status = error.raw_response().map(|response| response.status().as_u16());
            match status {
                Some(409) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    tokio::time::sleep(AFTER_A_CONFLICT * conflicts).await;
                }
                Some(412) => return Err(StoreError::PreconditionFailed { key: key.to_owned() }),
                Some(404) if error.code() == Some("NoSuchKey") => {
                    return Err(match condition {
                        // The object to replace no longer exists.
                        Condition::Unchanged(_) => StoreError::PreconditionFailed { key: key.to_owned() },
                        // Not `NotFound`: the video exists.
                        Condition::Absent => {
                            let reason = "404 NoSuchKey to a put of a new object".to_owned();
                            self.error("put", key, SourceError::Unexpected { reason })
                        }
                    });
                }
                _ => return Err(self.error("put", key, s3_failure(&error, whole()))),
            }
        }
    }
}

impl ReadObject for S3Store {
    async fn read(
        &self,
        key: &str,
        max_bytes: u64,
    ) -> Result<Option<(Vec<u8>, ObjectDescription)>, StoreError> {
        let send = |settings| {
            self.client
                .get_object()
                .bucket(&self.bucket)
                .key(key)
                .customize()
                .config_override(settings)
                .send()
        };
        let output = match patiently(send).await {
            Ok(output) => output,
            Err(error) => match s3_failure(&error, whole()) {
                SourceError::NotFound { .. } | SourceError::Denied { .. } => return Ok(None),
                source => return Err(self.error("get", key, source)),
            },
        };
        let description = ObjectDescription {
            etag: ETag::new(output.e_tag().unwrap_or_default()),
            size: size(output.content_length()),
            modified: output.last_modified().and_then(time),
            content_type: output.content_type().map(str::to_owned),
            cache_control: output.cache_control().map(str::to_owned),
            metadata: metadata(output.metadata()),
            tags: tags(output.tag_count()),
        };
        if description.size > max_bytes {
            return Err(self.error("get", key, SourceError::TooLarge { allowed: max_bytes }));
        }
        let body = output.body.collect().await;
        let broken = |error: ByteStreamError| SourceError::Connection { reason: in_words(&error) };
        let body = body.map_err(|error| self.error("get", key, broken(error)))?;
        Ok(Some((body.to_vec(), description)))
    }
}

impl ListObjects for S3Store {
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Page, StoreError> {
        let mut token: Option<String> = None;
        loop {
            let send = |settings| {
                // XML cannot carry every character of a key.
                let request = self.client.list_objects_v2().encoding_type(EncodingType::Url);
                let request = request.bucket(&self.bucket).prefix(prefix);
                let request = match &token {
                    Some(token) => request.continuation_token(token),
                    None => request.set_start_after(after.map(str::to_owned)),
                };
                request.customize().config_override(settings).send()
            };
            let sent = patiently(send).await;
            let output = sent.map_err(|error| self.unlisted(prefix, s3_failure(&error, whole())))?;
            let page = page(&output, after.is_none() && token.is_none());
            let page = page.map_err(|reason| self.unlisted(prefix, unexpected(reason)))?;
            if page.objects.iter().any(|object| after.is_some_and(|after| object.key.as_str() <= after)) {
                let reason = "the listing makes no progress: the server does not know start-after";
                return Err(self.unlisted(prefix, unexpected(reason)));
            }
            if output.is_truncated() != Some(true) || !page.objects.is_empty() {
                return Ok(page);
            }
            // A page from S3 may be empty although more objects follow.
            let next = output.next_continuation_token().map(str::to_owned);
            if next.is_none() || next == token {
                let reason = "the listing makes no progress: an empty page is followed by others";
                return Err(self.unlisted(prefix, unexpected(reason)));
            }
            token = next;
        }
    }
}

impl S3Store {
    fn unlisted(&self, prefix: &str, source: SourceError) -> StoreError {
        self.error("list (which needs s3:ListBucket)", prefix, source)
    }
}

fn unexpected(reason: &str) -> SourceError {
    SourceError::Unexpected { reason: reason.to_owned() }
}

/// Returns the objects of a response. Keys are decoded if the server encoded them. Directory buckets list their keys in
/// no order ("ListObjectsV2" in the Amazon S3 API Reference): a response that contains a complete listing is sorted
/// here, and partial ones are rejected.
fn page(output: &ListObjectsV2Output, is_first: bool) -> Result<Page, &'static str> {
    let is_encoded = output.encoding_type() == Some(&EncodingType::Url);
    let key = |key: &str| match is_encoded {
        true => percent_decode_str(&key.replace('+', " ")).decode_utf8().map(Cow::into_owned).ok(),
        false => Some(key.to_owned()),
    };
    let object = |object: &Object| {
        let key = object.key().and_then(key).ok_or("the listing contains a key that cannot be decoded")?;
        let etag = ETag::new(object.e_tag().unwrap_or_default());
        let (size, modified) = (size(object.size()), object.last_modified().and_then(time));
        Ok::<_, &str>(ListedObject { key, etag, size, modified })
    };
    let mut objects = output.contents().iter().map(object).collect::<Result<Vec<_>, _>>()?;
    let is_truncated = output.is_truncated() == Some(true);
    if !objects.is_sorted_by(|a, b| a.key < b.key) {
        if is_truncated || !is_first {
            return Err("the listing is not in the order of its keys; directory buckets are not supported");
        }
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    }
    let next = objects.last().filter(|_| is_truncated).map(|object| object.key.clone());
    Ok(Page { objects, next, faults: Vec::new() })
}

/// Returns the URL of an object, as stored in the catalogue.
fn s3_url(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// Sends a request and retries temporary failures.
async fn patiently<T, E, F>(
    send: impl Fn(aws_sdk_s3::config::Builder) -> F + Send + Sync,
) -> Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + StdError + Send + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
{
    let mut failures = 0;
    loop {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(stall(failures)).build();
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        let error = match send(once.timeout_config(timeouts)).await {
            Ok(output) => return Ok(output),
            Err(error) => error,
        };
        failures += 1;
        let told = s3_failure(&error, whole());
        if !told.is_passing() || failures >= MAX_FRUITLESS_ATTEMPTS {
            return Err(error);
        }
        let asked = match told {
            SourceError::Busy { retry_after, .. } => retry_after,
            _ => None,
        };
        tokio::time::sleep(pause(failures, asked)).await;
    }
}

fn whole() -> RangeRequest {
    RangeRequest::Suffix(u64::MAX)
}

fn description(output: &HeadObjectOutput) -> ObjectDescription {
    ObjectDescription {
        etag: ETag::new(output.e_tag().unwrap_or_default()),
        size: size(output.content_length()),
        modified: output.last_modified().and_then(time),
        content_type: output.content_type().map(str::to_owned),
        cache_control: output.cache_control().map(str::to_owned),
        metadata: metadata(output.metadata()),
        tags: tags(output.tag_count()),
    }
}

/// Returns the number of tags from `x-amz-tagging-count`, which S3 omits for callers without permission to read tags
/// ("`HeadObject`" in the Amazon S3 API Reference).
pub(crate) fn tags(count: Option<i32>) -> u32 {
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

fn time(time: &DateTime) -> Option<SystemTime> {
    SystemTime::try_from(*time).ok()
}

pub(crate) fn metadata(metadata: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    let metadata = metadata.into_iter().flatten();
    metadata.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

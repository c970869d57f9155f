//! An S3 server in this process (s3s, s3s-fs) that checks signatures (SigV4). The objects are files in a temporary folder.
//!
//! s3s-fs ignores `encoding-type` and the conditions of GET and HEAD, does not implement `NoSuchBucket` or the longest key, and mishandles
//! suffix ranges longer than the object and `If-Match` for a missing object. [`Checked`] adds S3's behaviour. An answer to HEAD has no
//! body, also for errors (RFC 9110, section 9.3.2). The server implements only what the tests need: GET, HEAD, PUT and listings of objects.
//!
//! What tests of the reader can use:
//! - [`S3Server::put`] stores an object, or replaces it. [`Files`] does the same from within a fault. The ETag is the MD5 of the bytes.
//! - [`S3Server::client`] returns a client with the right credentials, [`S3Server::client_with`] one with other credentials.
//!   [`S3Server::config`] builds a client, and [`S3Server::settings`] is for programs.
//! - `server.faults` ([`Faults`](super::Faults)): bodies cut after n bytes, stalls in a body, delays before a reply, no reply at all, S3's
//!   errors ([`Fault::s3_error`](super::Fault::s3_error): `SlowDown`, `InternalError`, with `Retry-After` or without), 200 for a range,
//!   wrong and missing headers, objects replaced or truncated between two requests.
//! - `server.faults.seen()`: each request with method, path, query, headers, status and the bytes of its body.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::header::{ETAG, HeaderMap, LAST_MODIFIED};
use hyper::http::Extensions;
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput, Range, Timestamp,
    TimestampFormat,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;

use super::{Certificate, Outcome, RangeIgnored, Server, body_of};

pub(crate) const ACCESS_KEY: &str = "AKIATESTKEY";
pub(crate) const SECRET_KEY: &str = "the-secret-key-of-the-tests";
/// The bucket of every server.
pub(crate) const BUCKET: &str = "films";

/// The objects, stored as files.
#[derive(Debug, Clone)]
pub(crate) struct Files(PathBuf);

impl Files {
    /// Stores an object in [`BUCKET`], or replaces it. Replies in progress continue with the old object.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> Outcome {
        let path = self.0.join(BUCKET).join(key);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = self.0.join(".being-put");
        fs::write(&new, bytes)?;
        self.forget(key)?;
        Ok(fs::rename(new, path)?)
    }

    /// Deletes an object of [`BUCKET`].
    pub(crate) fn delete(&self, key: &str) -> Outcome {
        self.forget(key)?;
        Ok(fs::remove_file(self.0.join(BUCKET).join(key))?)
    }

    /// Deletes what s3s-fs stored about an object that a client has put: its metadata and its ETag.
    fn forget(&self, key: &str) -> Outcome {
        let [bucket, key] = [BUCKET, key].map(|name| URL_SAFE_NO_PAD.encode(name));
        for kind in ["metadata", "internal"] {
            match fs::remove_file(self.0.join(format!(".bucket-{bucket}.object-{key}.{kind}.json"))) {
                // No client can put a key whose name is too long for these files.
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename) => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct S3Server {
    server: Server,
    folder: TempDir,
}

impl std::ops::Deref for S3Server {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl S3Server {
    pub(crate) fn start() -> Outcome<Self> {
        Self::start_with(None)
    }

    /// Starts a server, over TLS if there is a certificate.
    pub(crate) fn start_with(certificate: Option<&Certificate>) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join(BUCKET))?;
        let files = FileSystem::new(folder.path()).map_err(|error| format!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(Checked { files, root: folder.path().to_owned() });
        builder.set_auth(OneKey);
        let service = Arc::new(builder.build());
        let server = Server::start_with(certificate, move |request| {
            let service = Arc::clone(&service);
            Box::pin(async move {
                let response = service.call(request.map(s3s::Body::from)).await?;
                Ok(match response.status() {
                    // Each error of s3s has a body.
                    StatusCode::NOT_MODIFIED => response.map(|_| body_of("")),
                    _ => response.map(BodyExt::boxed_unsync),
                })
            })
        })?;
        Ok(Self { server, folder })
    }

    pub(crate) fn files(&self) -> Files {
        Files(self.folder.path().to_owned())
    }

    /// The folder of the buckets.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) -> Outcome {
        self.files().put(key, bytes)
    }

    /// A client as users create it, including the SDK's own retries.
    pub(crate) fn client(&self) -> Client {
        self.client_with(ACCESS_KEY, SECRET_KEY)
    }

    pub(crate) fn client_with(&self, access_key: &str, secret_key: &str) -> Client {
        let credentials = Credentials::new(access_key, secret_key, None, None, "tests");
        Client::from_conf(self.config().credentials_provider(credentials).build())
    }

    /// The environment variables that give the server's address and the right credentials to AWS's tools and to our programs.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let fixed = [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
        fixed.into_iter().chain([("AWS_ENDPOINT_URL", self.endpoint())]).collect()
    }

    /// The configuration of a client, with the right credentials.
    pub(crate) fn config(&self) -> Builder {
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.endpoint())
            .force_path_style(true)
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests"))
    }
}

/// The only access key.
struct OneKey;

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key != ACCESS_KEY {
            let message = "The AWS Access Key Id you provided does not exist in our records.";
            return Err(s3_error!(InvalidAccessKeyId, "{message}"));
        }
        Ok(SecretKey::from(SECRET_KEY))
    }
}

/// The conditions of a GET or a HEAD.
struct Conditions<'r> {
    if_match: Option<&'r ETagCondition>,
    if_unmodified_since: Option<&'r Timestamp>,
    if_none_match: Option<&'r ETagCondition>,
    if_modified_since: Option<&'r Timestamp>,
}

impl Conditions<'_> {
    /// Fails with 412 or 304. An ETag takes precedence over a date (RFC 9110, section 13.2.2).
    fn check(&self, etag: &ETag, modified: &Timestamp) -> S3Result<()> {
        let modified = in_seconds(modified)?;
        let is_expected = match (self.if_match, self.if_unmodified_since) {
            (Some(expected), _) => {
                expected.is_any() || expected.as_etag().is_some_and(|it| it.strong_cmp(etag))
            }
            (None, Some(date)) => modified <= *date,
            (None, None) => true,
        };
        if !is_expected {
            let message = "At least one of the pre-conditions you specified did not hold";
            return Err(s3_error!(PreconditionFailed, "{message}"));
        }
        let is_known = match (self.if_none_match, self.if_modified_since) {
            (Some(known), _) => known.is_any() || known.as_etag().is_some_and(|it| it.weak_cmp(etag)),
            (None, Some(date)) => modified <= *date,
            (None, None) => false,
        };
        if is_known { Err(not_modified(etag, &modified)?) } else { Ok(()) }
    }
}

/// Returns 304 with the headers that a 200 would have.
fn not_modified(etag: &ETag, modified: &Timestamp) -> S3Result<S3Error> {
    let mut headers = HeaderMap::new();
    let etag = etag.to_http_header().map_err(S3Error::internal_error)?;
    headers.insert(ETAG, etag);
    let date = http_date(modified)?.parse().map_err(S3Error::internal_error)?;
    headers.insert(LAST_MODIFIED, date);
    let mut error = s3_error!(NotModified);
    error.set_headers(headers);
    Ok(error)
}

fn http_date(time: &Timestamp) -> S3Result<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).map_err(S3Error::internal_error)?;
    String::from_utf8(text).map_err(S3Error::internal_error)
}

/// Returns a time as its header carries it.
fn in_seconds(time: &Timestamp) -> S3Result<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, &http_date(time)?).map_err(S3Error::internal_error)
}

/// s3s-fs, with the behaviour that it lacks.
struct Checked {
    files: FileSystem,
    root: PathBuf,
}

impl Checked {
    /// Returns the length of the object. Fails if the bucket or the object does not exist, or if a condition is false.
    async fn check(&self, request: &S3Request<GetObjectInput>) -> S3Result<u64> {
        let input = &request.input;
        if !self.root.join(&input.bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        let head =
            HeadObjectInput { bucket: input.bucket.clone(), key: input.key.clone(), ..Default::default() };
        let found = self.files.head_object(as_head(request, head)).await;
        let found = found.map_err(|_| s3_error!(NoSuchKey, "The specified key does not exist."))?.output;
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_unmodified_since: input.if_unmodified_since.as_ref(),
            if_none_match: input.if_none_match.as_ref(),
            if_modified_since: input.if_modified_since.as_ref(),
        };
        if let (Some(etag), Some(modified)) = (&found.e_tag, &found.last_modified) {
            conditions.check(etag, modified)?;
        }
        Ok(found.content_length.unwrap_or_default().unsigned_abs())
    }
}

/// A key as S3 writes it into a listing with `encoding-type=url`: a space becomes a plus; letters, digits and `-_.*/` stay.
fn url_encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'*' | b'/' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    key.bytes().map(byte).collect()
}

fn as_head(request: &S3Request<GetObjectInput>, input: HeadObjectInput) -> S3Request<HeadObjectInput> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: Extensions::default(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

#[async_trait::async_trait]
impl S3 for Checked {
    async fn get_object(
        &self,
        mut request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let size = self.check(&request).await?;
        request.input.range = match request.input.range {
            _ if request.extensions.get::<RangeIgnored>().is_some() => None,
            Some(_) if size == 0 => {
                return Err(s3_error!(InvalidRange, "The requested range is not satisfiable"));
            }
            Some(Range::Suffix { length }) => Some(Range::Suffix { length: length.min(size) }),
            range => range,
        };
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let HeadObjectInput { if_match, if_none_match, if_modified_since, if_unmodified_since, .. } =
            request.input.clone();
        let found = self.files.head_object(request).await?;
        let conditions = Conditions {
            if_match: if_match.as_ref(),
            if_unmodified_since: if_unmodified_since.as_ref(),
            if_none_match: if_none_match.as_ref(),
            if_modified_since: if_modified_since.as_ref(),
        };
        if let (Some(etag), Some(modified)) = (&found.output.e_tag, &found.output.last_modified) {
            conditions.check(etag, modified)?;
        }
        Ok(found)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let is_encoded = request.input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == "url");
        let mut listed = self.files.list_objects_v2(request).await?;
        if is_encoded {
            listed.output.encoding_type = Some("url".to_owned().into());
            for object in listed.output.contents.iter_mut().flatten() {
                object.key = object.key.as_deref().map(url_encoded);
            }
        }
        Ok(listed)
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        if request.input.key.len() > 1024 {
            return Err(s3_error!(KeyTooLongError, "Your key is too long"));
        }
        let bucket = self.root.join(&request.input.bucket);
        if !bucket.is_dir() {
            return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
        }
        if request.input.if_match.is_some() && !bucket.join(&request.input.key).is_file() {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
        self.files.put_object(request).await
    }
}

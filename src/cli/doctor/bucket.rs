//! Checks of AWS: the region, credentials, the bucket, a video in the bucket, and secrets.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::arguments::open_options;
use super::super::output;
use super::check::Finding;
use crate::aws;
use crate::config::PartialConfig;
use crate::job_error::JobError;
use crate::object_name::{KeyRules, ObjectName};
use crate::process::POSTER_AT;
use crate::secret::{SecretSource, SecretStore};
use crate::source::{ByteRange, GetRange, RangeRequest, RangeSource as _, S3Source, SourceError};
use crate::store::{Condition, NewObject, S3Store, Store as _, StoreError};
use crate::{CancelToken, ErrorKind, Media};

/// Name of the object that `--write` writes and keeps.
const PROBE: &str = ".posterframe-doctor";

const NETWORK: &str = "check the network: a function inside a VPC needs a gateway endpoint for S3 or a NAT gateway, and AWS_REGION \
                       and AWS_ENDPOINT_URL must be right";

const BUSY: &str = "S3 throttles requests or has an internal error: try again in a minute; see the request rates in docs/scaling.md";

pub(super) fn region(settings: &aws::Settings) -> Finding {
    let endpoint = settings.endpoint_url().map(|url| format!(", endpoint {url}")).unwrap_or_default();
    match aws::region(settings) {
        Some(region) => Finding::ok(format!("{region}{endpoint}")),
        None => {
            let advice =
                "set AWS_REGION to the bucket's region, or region in the profile; Lambda sets it itself";
            Finding::failed(ErrorKind::Config, "no AWS region is set", advice)
        }
    }
}

pub(super) async fn credentials(settings: &aws::Settings) -> Finding {
    match aws::identity(settings).await {
        Ok(seen) if seen.contains("have ended") => {
            Finding::failed(ErrorKind::Denied, seen, "get new ones: aws sso login, or assume the role again")
        }
        Ok(seen) => Finding::ok(seen),
        Err(seen) => {
            let advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (after aws sso login), or give the \
                          function or machine a role";
            Finding::failed(ErrorKind::Config, seen, advice)
        }
    }
}

/// Explains why no client can be made with the settings.
pub(super) fn no_client(error: &SourceError) -> Finding {
    Finding::failed(ErrorKind::Config, error.to_string(), "correct the variable, or unset it")
}

/// Reads the tags of a video. Without the permission, S3 hides the number of tags, and the function would ignore what people choose.
pub(super) async fn tags(store: &S3Store, key: &str) -> Finding {
    match store.tag(key, POSTER_AT).await {
        Ok(Some(time)) => Finding::ok(format!("the tag {POSTER_AT} is {time:?} (s3:GetObjectTagging)")),
        Ok(None) => Finding::ok(format!("tags can be read (s3:GetObjectTagging); there is no {POSTER_AT}")),
        Err(error) => {
            let bucket = store.bucket();
            let advice = format!(
                "give the role s3:GetObjectTagging on the bucket's objects (arn:aws:s3:::{bucket}/*), or unset POSTER_AT_TAG"
            );
            Finding::failed(error.kind(), error.to_string(), advice)
        }
    }
}

/// Reads one byte of an object, with the request that the program uses to read videos.
pub(super) async fn read(store: &S3Store, rules: &KeyRules, key: Option<&str>) -> Finding {
    let absent = format!("{}posterframe-doctor-{:x}", rules.video_prefix, now().as_nanos());
    let first_byte = RangeRequest::Bounded(ByteRange::new(0, 1));
    let got = store.source(key.unwrap_or(&absent)).get(GetRange::new(first_byte, None)).await;
    match (got, key) {
        (Ok(reply), Some(key)) => {
            Finding::ok(format!("{key} can be read (s3:GetObject), {}", output::bytes(reply.identity.size)))
        }
        (Ok(_), None) => {
            Finding::warning(format!("{absent} exists"), "nobody made it: check AWS_ENDPOINT_URL")
        }
        (Err(SourceError::Empty | SourceError::NotSatisfiable { .. }), Some(key)) => {
            Finding::warning(format!("{key} can be read (s3:GetObject), but is empty"), "upload it again")
        }
        (Err(error), key) => unread(&error, key, store.bucket()),
    }
}

fn unread(error: &SourceError, key: Option<&str>, bucket: &str) -> Finding {
    let seen = error.to_string();
    let words = seen.as_str();
    let failed = |advice: &str| Finding::failed(error.kind(), words, advice);
    match error {
        SourceError::NotFound { reason } if reason.contains("NoSuchBucket") => failed(&format!(
            "there is no bucket {bucket} here: check its name, AWS_REGION and AWS_ENDPOINT_URL"
        )),
        SourceError::NotFound { .. } if key.is_some() => {
            failed("there is no such object: check its key, written as it is and not percent-encoded")
        }
        SourceError::NotFound { .. } => Finding::ok(
            "404 for a key that is not there: the bucket answers, and may be listed (s3:ListBucket); give s3://bucket/key to read an object",
        ),
        SourceError::Denied { reason } => denied(reason, key, bucket),
        SourceError::Request { .. } => failed(
            "the request cannot be made so: set AWS_REGION to the bucket's region, and see the credentials' source",
        ),
        SourceError::Busy { .. } => failed(BUSY),
        _ => failed(NETWORK),
    }
}

/// Returns the finding for status 403. S3's error code reports faulty credentials. Its newer messages also name the missing action.
fn denied(reason: &str, key: Option<&str>, bucket: &str) -> Finding {
    let failed = |advice: String| Finding::failed(ErrorKind::Denied, format!("403: {reason}"), advice);
    let object = "s3:GetObject on the bucket's objects (arn:aws:s3:::BUCKET/*)".replace("BUCKET", bucket);
    if let Some(advice) = credentials_advice(reason) {
        return failed(advice.to_owned());
    }
    if reason.contains("kms:") {
        return failed("the role needs kms:Decrypt on the key that encrypts the bucket's objects".to_owned());
    }
    let grant = format!(
        "give the role {object}; then look for a Deny in the bucket policy, and at the policy of the VPC endpoint"
    );
    if reason.contains("s3:GetObject") || key.is_some() {
        let gone = if key.is_some() && !reason.contains("s3:GetObject") {
            "; a key that is not there answers the same where s3:ListBucket is missing"
        } else {
            ""
        };
        return failed(format!("{grant}{gone}"));
    }
    if reason.contains("s3:ListBucket") {
        return Finding::ok("the bucket answers; it may not be listed (s3:ListBucket), which is not needed");
    }
    Finding::warning(
        format!(
            "403 for a key that is not there ({reason}): s3:ListBucket is missing, which is not needed, or s3:GetObject is"
        ),
        format!(
            "the two cannot be told apart without an object: give the key of a video, `posterframe doctor s3://{bucket}/KEY`. \
             Needed is {object}"
        ),
    )
}

/// Returns advice for credentials that S3 rejects.
fn credentials_advice(reason: &str) -> Option<&'static str> {
    let code = reason.split(':').next().unwrap_or_default();
    match code {
        "InvalidAccessKeyId" => {
            Some("S3 does not know the access key: check AWS_ACCESS_KEY_ID, or AWS_PROFILE")
        }
        "SignatureDoesNotMatch" => Some("AWS_SECRET_ACCESS_KEY does not belong to the access key"),
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => Some(
            "the session has ended or its token is wrong: get new credentials, and check AWS_SESSION_TOKEN",
        ),
        "RequestTimeTooSkewed" => Some("set this machine's clock"),
        _ => None,
    }
}

/// Writes a test object into the folder of the thumbnails, and into the folder of the storyboards if any are written, unless it exists. The
/// objects stay, because the required permissions do not allow their deletion.
pub(super) async fn write(store: &S3Store, settings: &PartialConfig) -> Finding {
    let prefix = &settings.key_rules.thumbnail_prefix;
    let storyboards = settings.storyboard.as_ref().map(|storyboard| storyboard.folder.beginning(prefix));
    let mut seen = Vec::new();
    for folder in
        [Some(prefix), storyboards.as_ref().filter(|folder| *folder != prefix)].into_iter().flatten()
    {
        match write_probe(store, &format!("{folder}{PROBE}")).await {
            Ok(written) => seen.push(written),
            Err(failed) => return failed,
        }
    }
    Finding::ok(seen.join("; "))
}

async fn write_probe(store: &S3Store, key: &str) -> Result<String, Finding> {
    let none = BTreeMap::new();
    let object = NewObject {
        bytes: b"posterframe doctor tries here whether objects can be written. This may be deleted.\n",
        content_type: "text/plain",
        cache_control: "no-store",
        metadata: &none,
    };
    match store.put(key, object, &Condition::Absent).await {
        Ok(_) => Ok(format!("{key} was written (s3:PutObject); it stays, and may be deleted")),
        Err(StoreError::PreconditionFailed { .. }) => {
            Ok(format!("{key} is there from an earlier check, and may be written (s3:PutObject)"))
        }
        Err(error) => Err(unwritten(store.bucket(), &error)),
    }
}

fn unwritten(bucket: &str, error: &StoreError) -> Finding {
    let kind = error.kind();
    let reason = match error {
        StoreError::S3 { source: SourceError::Denied { reason }, .. } => reason.as_str(),
        _ => "",
    };
    let advice = match kind {
        ErrorKind::Denied if reason.contains("kms:") => {
            "the role needs kms:GenerateDataKey on the key that encrypts the bucket's objects".to_owned()
        }
        ErrorKind::Denied => credentials_advice(reason).map_or_else(
            || {
                format!(
                    "give the role s3:PutObject on arn:aws:s3:::{bucket}/*; then look for a Deny in the bucket policy, and at the policy \
                     of the VPC endpoint"
                )
            },
            str::to_owned,
        ),
        ErrorKind::NotFound => format!("there is no bucket {bucket} here: check its name and AWS_REGION"),
        ErrorKind::Config => "set AWS_REGION to the bucket's region".to_owned(),
        _ if matches!(error, StoreError::S3 { source: SourceError::Busy { .. }, .. }) => BUSY.to_owned(),
        _ => NETWORK.to_owned(),
    };
    Finding::failed(kind, error.to_string(), advice)
}

/// Checks the content and the thumbnail key that the program derives from the key.
pub(super) fn name(rules: &KeyRules, key: &str) -> Finding {
    if let Some(reason) = rules.skip_reason(key) {
        let advice = "uploads of such keys are skipped: name videos VIDEO_PREFIX{content_id}_{slug}.mp4, or change VIDEO_PREFIX \
                      or VIDEO_SUFFIXES";
        return Finding::warning(reason.to_string(), advice);
    }
    let both = ObjectName::parse(key).and_then(|name| Ok((name, rules.thumbnail_key(key, "jpg", None)?)));
    let (name, thumbnail) = match both {
        Ok(both) => both,
        Err(error) => {
            let advice = "rename the object: {content_id}_{slug}.mp4, content_id from 1 to 2147483647";
            return Finding::error(error, advice);
        }
    };
    let title = &name.title;
    match name.content_id {
        Some(id) => Finding::ok(format!("content {id}, title {title:?}, thumbnail {thumbnail}")),
        None => Finding::warning(
            format!("no content id in the name: a new content {title:?} is made, thumbnail {thumbnail}"),
            "to belong to a content that is there, a video's name begins with its number and _: {content_id}_{slug}.mp4",
        ),
    }
}

/// Opens the video and creates its thumbnail, without storing the thumbnail.
pub(super) async fn video(source: S3Source, settings: &PartialConfig, time: Duration) -> Finding {
    let started = std::time::Instant::now();
    let request = settings.thumbnail.request;
    let cancel = CancelToken::default();
    let options = open_options(time, cancel.clone()).with_frame(request).with_total_time(time);
    let work = move || {
        let mut media = Media::open_source(source, &options)?;
        let frame = media.frame(request)?;
        let thumbnail = frame.thumbnail()?;
        Ok((media.info().duration_seconds, frame.pts_seconds(), thumbnail.bytes.len(), media.ledger()))
    };
    // If this future is dropped, the thread must stop.
    let _guard = CancelOnDrop(cancel);
    let advice = "upload the video again if it is damaged; `posterframe probe` says what is in it. More memory makes a function \
                  faster, the longest it may run is 900 s";
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok((duration, pts, bytes, ledger))) => {
            let duration =
                duration.map(|seconds| format!(" of {}", output::time(seconds))).unwrap_or_default();
            let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let cost = output::cost(&ledger, milliseconds);
            let bytes = output::bytes(bytes as u64);
            Finding::ok(format!("a picture of {bytes}, at {}{duration}; {cost}", output::time(pts)))
        }
        Ok(Err(error)) => {
            let error: crate::Error = error;
            Finding::error(error, advice)
        }
        Err(error) => Finding::error(JobError::new(ErrorKind::Internal, error), advice),
    }
}

struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Checks whether a secret can be read. The secret is never shown.
pub(super) async fn secret(store: &SecretStore, variable: &str, name: &str) -> Finding {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-:!".contains(c);
    if !name.chars().all(is_name) || name.len() > 2048 {
        let seen = format!("{variable} holds what is no name of a secret");
        return Finding::failed(
            ErrorKind::Config,
            seen,
            format!("set {variable} to the secret's name or ARN, not to the secret"),
        );
    }
    match store.resolve(&SecretSource::Stored(name.to_owned())).await {
        Ok(_) => Finding::ok(format!("{name} can be read (secretsmanager:GetSecretValue)")),
        Err(error) => {
            let advice = match error.kind() {
                ErrorKind::Denied => format!(
                    "give the role secretsmanager:GetSecretValue on {name}, and kms:Decrypt on its key if that is your own"
                ),
                ErrorKind::Config => format!("check {variable}, AWS_REGION, and what is in the secret"),
                _ => "a function inside a VPC needs a VPC endpoint for Secrets Manager, or a NAT gateway"
                    .to_owned(),
            };
            Finding::failed(error.kind(), error.to_string(), advice)
        }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

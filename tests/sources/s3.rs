//! S3: the meaning of its errors, keys, versions, signed URLs, and the origin of clients.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::DateTime;
use posterframe::ErrorKind;
use posterframe::source::{HttpSource, RangeRequest, RangeSource, S3Source, SourceError, block_on};

use crate::common::Outcome;
use crate::servers::Fault;
use crate::servers::s3_server::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use crate::{bytes, failure, film, get, get_of};

type Source = Arc<dyn RangeSource>;

/// Starts a server with the film, and returns a source of the film.
fn start() -> Outcome<(S3Server, Source)> {
    let server = S3Server::start()?;
    server.put("film.mp4", &film())?;
    let source = Arc::new(S3Source::new(server.client(), BUCKET, "film.mp4"));
    Ok((server, source))
}

/// Returns the error of the source when its only request fails with this fault.
fn failure_of(fault: Fault) -> Outcome<SourceError> {
    let (server, source) = start()?;
    server.faults.always(fault);
    let error = failure(get(&source, bytes(1000, 2000)))?;
    assert_eq!(server.faults.seen().len(), 1, "one request and no more, whatever the SDK thinks of {error}");
    Ok(error)
}

#[test]
fn requests_say_what_they_want() -> Outcome {
    let (server, source) = start()?;
    assert_eq!(source.name(), "s3://films/film.mp4");
    let first = get(&source, bytes(0, 100))??;
    let seen = server.faults.last()?;
    assert_eq!((seen.path.as_str(), seen.range()), ("/films/film.mp4", Some("bytes=0-99")));
    assert_eq!(seen.header("if-match"), None);
    // The source requests no checksum of the whole object.
    assert_eq!(seen.header("x-amz-checksum-mode"), None);
    assert!(!seen.query.contains("versionId"), "{}", seen.query);
    assert!(first.identity.last_modified.as_deref().is_some_and(|date| date.ends_with(" GMT")));

    get_of(&source, RangeRequest::Suffix(7), Some(&first.identity))??;
    let seen = server.faults.last()?;
    assert_eq!(seen.range(), Some("bytes=-7"));
    assert_eq!(seen.header("if-match"), first.identity.etag.as_deref());
    Ok(())
}

#[test]
fn a_version_is_asked_for_only_if_one_is_wanted() -> Outcome {
    let (server, _) = start()?;
    let source: Source =
        Arc::new(S3Source::new(server.client(), BUCKET, "film.mp4").with_version("3/L4kqtJlcpXroDTDmJ"));
    get(&source, bytes(0, 10))??;
    assert!(server.faults.last()?.query.contains("versionId=3%2FL4kqtJlcpXroDTDmJ"));
    Ok(())
}

#[test]
fn keys_may_hold_anything() -> Outcome {
    let (server, _) = start()?;
    let keys = ["안녕.mp4", "a b.mp4", "a+b.mp4", "100%25.mp4", "a?b#c&d=e.mp4", "deep/er/1_x~y'(z)!.mp4"];
    for (number, key) in (0_u8..).zip(keys) {
        server.put(key, &[number; 10])?;
        let source: Source = Arc::new(S3Source::new(server.client(), BUCKET, key));
        assert_eq!(get(&source, bytes(0, 5))??.bytes, [number; 5], "{key}");
    }
    Ok(())
}

#[test]
fn weak_etags_give_way_to_the_date() -> Outcome {
    // A proxy in front of the service adds a weak ETag. Weak ETags never match `If-Match`.
    let (server, source) = start()?;
    server.faults.always(Fault::Header("etag", Some("W/\"weak\"".to_owned())));
    let first = get(&source, bytes(0, 10))??.identity;
    assert_eq!(get_of(&source, bytes(10, 20), Some(&first))??.identity, first);
    let seen = server.faults.last()?;
    assert_eq!(seen.header("if-match"), None);
    assert_eq!(seen.header("if-unmodified-since"), first.last_modified.as_deref());

    // Another object with a later date.
    server.put("film.mp4", &[1; 1000])?;
    let file = std::fs::File::options().write(true).open(server.folder().join(BUCKET).join("film.mp4"))?;
    file.set_modified(SystemTime::now() + Duration::from_secs(5))?;
    let error = failure(get_of(&source, bytes(10, 20), Some(&first)))?;
    assert!(
        matches!(&error, SourceError::Changed { reason } if reason.contains("PreconditionFailed")),
        "{error}"
    );
    Ok(())
}

/// The server of these tests must judge the conditions of GET and HEAD as S3 does.
#[test]
fn the_server_judges_conditions_like_s3() -> Outcome {
    let (server, _) = start()?;
    let client = server.client();
    let first = block_on(client.head_object().bucket(BUCKET).key("film.mp4").send())??;
    let etag = first.e_tag().ok_or("no ETag")?.to_owned();
    let date = *first.last_modified().ok_or("no date")?;
    let (earlier, weak) = (DateTime::from_secs(date.secs() - 1), format!("W/{etag}"));
    // If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, and the status of the reply to GET.
    let (same, other) = (Some(etag.as_str()), Some("\"0123\""));
    let cases = [
        ((same, None, None, None), 200),
        ((Some("*"), None, None, None), 200),
        ((other, None, None, None), 412),
        ((Some(weak.as_str()), None, None, None), 412),
        ((None, Some(date), None, None), 200),
        ((None, Some(earlier), None, None), 412),
        ((same, Some(earlier), None, None), 200),
        ((other, Some(date), None, None), 412),
        ((None, None, other, None), 200),
        ((None, None, same, None), 304),
        ((None, None, Some(weak.as_str()), None), 304),
        ((None, None, Some("*"), None), 304),
        ((None, None, None, Some(date)), 304),
        ((None, None, None, Some(earlier)), 200),
        ((None, None, other, Some(date)), 200),
        ((None, None, same, Some(earlier)), 304),
        ((other, None, same, None), 412),
        ((same, None, same, None), 304),
    ];
    for ((if_match, unmodified, none_match, modified), status) in cases {
        let text = |value: Option<&str>| value.map(str::to_owned);
        let get = client.get_object().set_if_match(text(if_match));
        let get = get.set_if_unmodified_since(unmodified).set_if_none_match(text(none_match));
        let get = get.set_if_modified_since(modified).bucket(BUCKET).key("film.mp4");
        let sent = block_on(get.send())?;
        let case = format!("{if_match:?} {unmodified:?} {none_match:?} {modified:?}");
        let seen = server.faults.last()?;
        assert_eq!((seen.method.as_str(), seen.status), ("GET", status), "{case}");
        assert_eq!(sent.is_ok(), status == 200, "{case}");
        match sent.err().as_ref().map(|error| (error.code(), error.raw_response())) {
            None => {}
            Some((code, _)) if status == 412 => assert_eq!(code, Some("PreconditionFailed"), "{case}"),
            Some((_, reply)) => {
                let reply = reply.ok_or("no reply")?;
                assert_eq!(reply.headers().get("etag"), Some(etag.as_str()), "{case}");
                assert_eq!((reply.body().bytes(), seen.body_bytes()), (Some(&b""[..]), 0), "{case}");
            }
        }

        let head = client.head_object().set_if_match(text(if_match));
        let head = head.set_if_unmodified_since(unmodified).set_if_none_match(text(none_match));
        let head = head.set_if_modified_since(modified).bucket(BUCKET).key("film.mp4");
        assert_eq!(block_on(head.send())?.is_ok(), status == 200, "{case}");
        let seen = server.faults.last()?;
        assert_eq!((seen.method.as_str(), seen.status), ("HEAD", status), "{case}");
    }
    Ok(())
}

/// Puts with a condition on an object that does not exist, and on one that was replaced.
#[test]
fn the_server_puts_under_conditions_like_s3() -> Outcome {
    let (server, _) = start()?;
    let client = server.client();
    let put = |bucket: &str, key: &str, etag: &str| {
        let put = client.put_object().bucket(bucket).key(key).if_match(etag);
        let error = block_on(put.body(b"new".to_vec().into()).send())?.err().ok_or("it was put")?;
        let code = error.code().unwrap_or_default().to_owned();
        Outcome::Ok((server.faults.last()?.status, code))
    };
    assert_eq!(put(BUCKET, "none.mp4", "\"0123\"")?, (404, "NoSuchKey".to_owned()));
    assert_eq!(put(BUCKET, "none.mp4", "*")?, (404, "NoSuchKey".to_owned()));
    assert_eq!(put(BUCKET, "film.mp4", "\"0123\"")?, (412, "PreconditionFailed".to_owned()));
    assert_eq!(put("elsewhere", "film.mp4", "\"0123\"")?.1, "NoSuchBucket");
    assert!(!server.folder().join(BUCKET).join("none.mp4").exists());

    // Nothing of an object that a client has put stays when another object takes its place.
    let put = client.put_object().bucket(BUCKET).key("film.mp4").metadata("pending", "row");
    let put = block_on(put.body(b"put".to_vec().into()).send())??;
    server.put("film.mp4", b"other")?;
    let other = block_on(client.head_object().bucket(BUCKET).key("film.mp4").send())??;
    assert_ne!(other.e_tag(), put.e_tag());
    assert_eq!(other.metadata().map_or(0, |metadata| metadata.len()), 0);
    Ok(())
}

#[test]
fn slow_bodies_are_waited_for_whatever_the_client_thinks_of_them() -> Outcome {
    let (server, _) = start()?;
    let impatient = StalledStreamProtectionConfig::enabled().grace_period(Duration::from_millis(50)).build();
    let client = Client::from_conf(server.config().stalled_stream_protection(impatient).build());
    let source: Source = Arc::new(S3Source::new(client, BUCKET, "film.mp4"));
    let pause = Duration::from_millis(2500);
    server.faults.always(Fault::StallBody { after: 50_000, pause });
    let read = get(&source, bytes(0, 100_000))??;
    assert_eq!((read.bytes.len(), read.error), (100_000, None));
    Ok(())
}

#[test]
fn replaced_objects_are_refused() -> Outcome {
    let (server, source) = start()?;
    let first = get(&source, bytes(0, 10))??.identity;
    let files = server.files();
    let replace = Fault::before(move || files.put("film.mp4", &[1; 300_000]).unwrap());
    server.faults.on_request(2, replace);
    let error = failure(get_of(&source, bytes(10, 20), Some(&first)))?;
    assert!(
        matches!(&error, SourceError::Changed { reason } if reason.contains("PreconditionFailed")),
        "{error}"
    );
    assert_eq!(get(&source, bytes(10, 20))??.bytes, [1; 10]);

    // The object is truncated, and the range no longer exists. That is still a changed object.
    let second = get(&source, bytes(0, 10))??.identity;
    server.put("film.mp4", &[1; 1000])?;
    let error = failure(get_of(&source, bytes(200_000, 200_010), Some(&second)))?;
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    Ok(())
}

#[test]
fn who_may_not_read_is_told_why() -> Outcome {
    let (server, _) = start()?;
    let cases =
        [(ACCESS_KEY, "wrong", "SignatureDoesNotMatch"), ("AKIAUNKNOWN", SECRET_KEY, "InvalidAccessKeyId")];
    for (access_key, secret_key, reason) in cases {
        let client = server.client_with(access_key, secret_key);
        let source: Source = Arc::new(S3Source::new(client, BUCKET, "film.mp4"));
        let error = failure(get(&source, bytes(0, 10)))?;
        assert!(
            matches!(&error, SourceError::Denied { reason: told } if told.starts_with(reason)),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(!format!("{error:?}").contains(secret_key), "{error:?}");
    }
    Ok(())
}

#[test]
fn missing_keys_and_buckets_are_told_apart() -> Outcome {
    let (server, _) = start()?;
    let cases = [
        (BUCKET, "none.mp4", "NoSuchKey: The specified key does not exist."),
        ("elsewhere", "film.mp4", "NoSuchBucket: The specified bucket does not exist"),
    ];
    for (bucket, key, reason) in cases {
        let source: Source = Arc::new(S3Source::new(server.client(), bucket, key));
        let error = failure(get(&source, bytes(0, 10)))?;
        assert_eq!(error, SourceError::NotFound { reason: reason.to_owned() });
    }
    Ok(())
}

#[test]
fn codes_of_s3_are_told_apart() -> Outcome {
    let range = bytes(1000, 2000);
    let busy = |reason: &str| SourceError::Busy { reason: reason.to_owned(), retry_after: None };
    let denied = |reason: &str| SourceError::Denied { reason: reason.to_owned() };
    let cases = [
        (400, "InvalidRequest", SourceError::Unexpected { reason: "InvalidRequest: words".to_owned() }),
        (400, "ExpiredToken", denied("ExpiredToken: words")),
        (400, "InvalidToken", denied("InvalidToken: words")),
        (400, "RequestTimeout", busy("RequestTimeout: words")),
        (403, "AccessDenied", denied("AccessDenied: words")),
        (403, "RequestTimeTooSkewed", denied("RequestTimeTooSkewed: words")),
        (416, "InvalidRange", SourceError::NotSatisfiable { range }),
        (429, "TooManyRequests", busy("TooManyRequests: words")),
        (500, "InternalError", busy("InternalError: words")),
        (503, "SlowDown", busy("SlowDown: words")),
    ];
    for (status, code, expected) in cases {
        assert_eq!(failure_of(Fault::s3_error(status, code, "words"))?, expected, "{code}");
    }
    let error = failure_of(Fault::s3_error(503, "SlowDown", "Reduce").with_header("retry-after", "7"))?;
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(error, SourceError::Busy { reason: "SlowDown: Reduce".to_owned(), retry_after });
    Ok(())
}

/// The message must name the fix when a retry does not help, and must name the fault when an operator can repair it.
#[test]
fn refusals_say_what_to_do() -> Outcome {
    let encrypted = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
    let cases = [
        (
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's storage class",
            ErrorKind::Unsupported,
            "restore it first",
        ),
        (
            403,
            "InvalidObjectState",
            "The operation is not valid for the object's access tier",
            ErrorKind::Unsupported,
            "restore it first",
        ),
        (400, "InvalidRequest", encrypted, ErrorKind::Unsupported, "(SSE-C), which is not supported"),
        (
            400,
            "ExpiredToken",
            "The provided token has expired.",
            ErrorKind::Denied,
            "the credentials have expired",
        ),
        (403, "InvalidToken", "words", ErrorKind::Denied, "the credentials are not accepted"),
        (403, "InvalidAccessKeyId", "words", ErrorKind::Denied, "the credentials are not accepted"),
        (403, "SignatureDoesNotMatch", "words", ErrorKind::Denied, "the credentials are not accepted"),
        (403, "RequestTimeTooSkewed", "words", ErrorKind::Denied, "the clock of this machine is wrong"),
        (403, "AccessDenied", "Access Denied", ErrorKind::Denied, "no permission, or gone"),
    ];
    for (status, code, message, kind, advice) in cases {
        let error = failure_of(Fault::s3_error(status, code, message))?;
        let told = error.to_string();
        assert_eq!(error.kind(), kind, "{told}");
        assert!(told.contains(advice) && told.contains(&format!("{code}: {message}")), "{told}");
    }
    Ok(())
}

#[test]
fn a_status_without_a_code_still_tells() -> Outcome {
    // The replies of a proxy in front of the service.
    for body in ["", "<html>no</html>", "no"] {
        let reply = |status| Fault::Reply { status, headers: Vec::new(), body: body.to_owned() };
        let error = failure_of(reply(503))?;
        assert!(matches!(error, SourceError::Busy { .. }), "{body}: {error}");
        assert!(error.to_string().contains("503"), "{body}: {error}");
        let error = failure_of(reply(403))?;
        assert!(matches!(error, SourceError::Denied { .. }), "{body}: {error}");
    }
    // A reply whose body is cut off.
    let (server, source) = start()?;
    server.faults.always(Fault::s3_error(503, "SlowDown", "Reduce your request rate."));
    server.faults.always(Fault::CutBody(60));
    let error = failure(get(&source, bytes(0, 10)))?;
    assert!(matches!(error, SourceError::Busy { .. }), "{error:?}");
    Ok(())
}

#[test]
fn the_right_region_is_named() -> Outcome {
    let told = |fault: Fault| -> Outcome<String> {
        let error = failure_of(fault)?;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        Ok(error.to_string())
    };
    let redirect = Fault::s3_error(301, "PermanentRedirect", "Elsewhere.");
    assert_eq!(told(redirect.clone())?, "wrong AWS region or endpoint (PermanentRedirect: Elsewhere.)");
    assert_eq!(
        told(redirect.with_header("x-amz-bucket-region", "ap-northeast-2"))?,
        "the bucket is in the AWS region ap-northeast-2: set AWS_REGION=ap-northeast-2, or deploy the function in that region (PermanentRedirect: Elsewhere.)"
    );
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>Wrong.</Message><Region>eu-west-1</Region></Error>";
    let malformed = Fault::Reply { status: 400, headers: Vec::new(), body: body.to_owned() };
    assert_eq!(
        told(malformed)?,
        "the bucket is in the AWS region eu-west-1: set AWS_REGION=eu-west-1, or deploy the function in that region (AuthorizationHeaderMalformed: Wrong.)"
    );
    Ok(())
}

#[test]
fn ranges_must_be_answered() -> Outcome {
    assert_eq!(failure_of(Fault::IgnoreRange)?, SourceError::NoRanges);
    assert_eq!(failure_of(Fault::Header("content-range", None))?, SourceError::NoRanges);
    let answered = "Content-Range: bytes 1000-1999/*".to_owned();
    let error = failure_of(Fault::Header("content-range", Some("bytes 1000-1999/*".to_owned())))?;
    assert_eq!(error, SourceError::WrongRange { requested: bytes(1000, 2000), received: answered });

    let (server, _) = start()?;
    server.put("empty.mp4", b"")?;
    server.faults.always(Fault::IgnoreRange);
    let source: Source = Arc::new(S3Source::new(server.client(), BUCKET, "empty.mp4"));
    assert_eq!(failure(get(&source, bytes(0, 10)))?, SourceError::Empty);
    Ok(())
}

#[test]
fn broken_connections_are_told_after_the_bytes_that_came() -> Outcome {
    let (server, source) = start()?;
    server.faults.on_request(1, Fault::CutBody(70_000));
    let read = get(&source, bytes(0, 150_000))??;
    assert_eq!(read.bytes, &film()[..70_000]);
    assert!(matches!(read.error, Some(SourceError::Connection { .. })), "{:?}", read.error);
    assert_eq!(server.faults.seen().len(), 1);

    let error = failure_of(Fault::NoReply)?;
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    drop(server);
    let error = failure(get(&source, bytes(0, 10)))?;
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    Ok(())
}

#[test]
fn a_signed_url_is_read_over_http() -> Outcome {
    let (server, _) = start()?;
    let key = "demo/안녕 a+b%.mp4";
    server.put(key, &film())?;
    let client = server.client();
    let signed = block_on(async move {
        let lifetime = PresigningConfig::expires_in(Duration::from_secs(60))?;
        let request = client.get_object().bucket(BUCKET).key(key).presigned(lifetime).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(request.uri().to_owned())
    })?;
    let signed = signed.map_err(|error| error.to_string())?;
    assert!(signed.contains("X-Amz-Signature="), "{signed}");
    let source: Source = Arc::new(HttpSource::new(signed.parse()?)?);
    let first = get(&source, bytes(1000, 2000))??;
    assert_eq!(first.bytes, &film()[1000..2000]);
    let last = get_of(&source, RangeRequest::Suffix(100), Some(&first.identity))??;
    assert_eq!(last.bytes, &film()[film().len() - 100..]);

    let forged = signed.replace("X-Amz-Expires=60", "X-Amz-Expires=61");
    assert_ne!(forged, signed);
    let source: Source = Arc::new(HttpSource::new(forged.parse()?)?);
    let error = failure(get(&source, bytes(0, 10)))?;
    assert_eq!(error, SourceError::Denied { reason: "403 Forbidden".to_owned() });
    Ok(())
}

/// The variable that is set in a test which runs in a separate process.
const IN_A_PROCESS: &str = "POSTERFRAME_TEST_IN_A_PROCESS";

/// Runs the test of this name again, in a separate process with only this environment. Returns `None` in that process.
fn in_a_process(name: &str, environment: &[(&str, &str)]) -> Outcome<Option<String>> {
    #[expect(clippy::disallowed_methods, reason = "which of the two processes this is")]
    if std::env::var_os(IN_A_PROCESS).is_some() {
        return Ok(None);
    }
    let home = tempfile::tempdir()?;
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env(IN_A_PROCESS, "1")
        .envs(environment.iter().copied())
        .output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(shown.contains("1 passed"), "there is no test {name}: {shown}");
    Ok(Some(shown))
}

fn connect() -> Outcome<Result<Source, SourceError>> {
    let source = block_on(S3Source::connect(BUCKET, "film.mp4"))?;
    Ok(source.map(|source| -> Source { Arc::new(source) }))
}

const CREDENTIALS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];

#[test]
fn endpoints_of_ones_own_have_the_bucket_in_the_path() -> Outcome {
    let (server, _) = start()?;
    // The endpoint has a host name, not an address. The SDK alone would resolve the host films.localhost.
    let endpoint = format!("http://localhost:{}", server.port());
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        let mut environment = vec![(variable, endpoint.as_str()), ("AWS_REGION", "us-east-1")];
        environment.extend(CREDENTIALS);
        let name = "s3::endpoints_of_ones_own_have_the_bucket_in_the_path";
        if in_a_process(name, &environment)?.is_none() {
            let read = get(&connect()??, bytes(1000, 2000))??;
            assert_eq!(read.bytes, &film()[1000..2000]);
            return Ok(());
        }
        let seen = server.faults.last()?;
        assert_eq!((seen.path.as_str(), seen.status), ("/films/film.mp4", 206), "{variable}");
    }
    assert_eq!(server.faults.seen().len(), 2);
    Ok(())
}

#[test]
fn profiles_are_read() -> Outcome {
    let (server, _) = start()?;
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| -> Outcome<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_str().ok_or("not UTF-8")?.to_owned())
    };
    let endpoint = format!("http://localhost:{}", server.port());
    let profile = format!("[profile films]\nregion = us-east-1\nendpoint_url = {endpoint}\n");
    let credentials =
        format!("[films]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    let (config, credentials) = (write("config", &profile)?, write("credentials", &credentials)?);
    assert!(Path::new(&config).exists());
    let environment = [
        ("AWS_PROFILE", "films"),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
    ];
    if in_a_process("s3::profiles_are_read", &environment)?.is_none() {
        assert_eq!(get(&connect()??, bytes(0, 10))??.bytes, &film()[..10]);
        return Ok(());
    }
    assert_eq!(server.faults.last()?.path, "/films/film.mp4");
    Ok(())
}

#[test]
fn without_credentials_the_error_says_what_to_set() -> Outcome {
    let (server, _) = start()?;
    let endpoint = server.endpoint();
    let environment = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_REGION", "us-east-1")];
    if in_a_process("s3::without_credentials_the_error_says_what_to_set", &environment)?.is_none() {
        let error = failure(get(&connect()??, bytes(0, 10)))?;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().starts_with("no AWS credentials: set AWS_ACCESS_KEY_ID"), "{error}");
        return Ok(());
    }
    assert_eq!(server.faults.seen().len(), 0);
    Ok(())
}

#[test]
fn without_a_region_the_error_says_what_to_set() -> Outcome {
    if in_a_process("s3::without_a_region_the_error_says_what_to_set", &CREDENTIALS)?.is_none() {
        let error = failure(connect())?;
        let reason = "no AWS region: set AWS_REGION, or region in the profile".to_owned();
        assert_eq!(error, SourceError::Request { reason });
    }
    Ok(())
}

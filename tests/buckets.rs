//! S3's unusual answers: how errors without a body and irregular listings are interpreted, how often a request is retried, and which keys
//! are listed.

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::Outcome;
use hyper::Method;
use posterframe::ErrorKind;
use posterframe::store::{Condition, ETag, ListObjects as _, NewObject, S3Store, Store as _, StoreError};
use servers::s3_server::{BUCKET, S3Server};
use servers::{Fault, Seen};

fn run<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn store(server: &S3Server) -> S3Store {
    S3Store::new(server.client(), BUCKET)
}

fn is(method: &'static Method) -> impl Fn(&Seen) -> bool + Send {
    move |seen| seen.method == *method
}

fn is_listing(seen: &Seen) -> bool {
    seen.query.contains("list-type=2")
}

async fn put(store: &S3Store, key: &str) -> Result<ETag, StoreError> {
    let metadata = BTreeMap::new();
    let object =
        NewObject { bytes: b"x", content_type: "image/jpeg", cache_control: "no-store", metadata: &metadata };
    store.put(key, object, &Condition::Absent).await
}

fn failure<T>(result: Result<T, StoreError>) -> Outcome<StoreError> {
    result.err().ok_or_else(|| "it did not fail".into())
}

/// The answer to a HEAD request has no body, so that its error has no code.
#[test]
fn a_bare_refusal_is_explained_by_a_get_of_one_byte() -> Outcome {
    run(async {
        let server = S3Server::start()?;
        server.put("videos/1_a.mp4", b"bytes")?;
        let cases = [
            (400, "ExpiredToken", ErrorKind::Denied, "the credentials have expired"),
            (403, "AccessDenied", ErrorKind::Denied, "AccessDenied"),
            (403, "RequestTimeTooSkewed", ErrorKind::Denied, "the clock of this machine is wrong"),
            (403, "InvalidAccessKeyId", ErrorKind::Denied, "InvalidAccessKeyId"),
            (400, "AuthorizationHeaderMalformed", ErrorKind::Config, "region"),
            (404, "NoSuchKey", ErrorKind::NotFound, ""),
        ];
        for (status, code, kind, told) in cases {
            server.faults.clear();
            server.faults.always(Fault::s3_error(status, code, "words"));
            let described = store(&server).describe_readable("videos/1_a.mp4").await;
            if kind == ErrorKind::NotFound {
                assert_eq!(described?, None);
                continue;
            }
            let error = failure(described)?;
            assert_eq!(error.kind(), kind, "{code}: {error}");
            assert!(error.to_string().contains(told), "{code}: {error}");
            let last = server.faults.last()?;
            assert_eq!((last.method.clone(), last.range()), (Method::GET, Some("bytes=0-0")), "{code}");
        }
        // For a thumbnail, 403 means that the object may not exist, and the store sends no second request. Any other refusal is a failure.
        server.faults.clear();
        server.faults.always(Fault::s3_error(403, "AccessDenied", "words"));
        let before = server.faults.seen().len();
        assert_eq!(store(&server).describe("thumbnails/1_a.jpg").await?, None);
        assert_eq!(server.faults.seen().len(), before + 1);
        server.faults.clear();
        server.faults.always(Fault::s3_error(400, "ExpiredToken", "words"));
        let error = failure(store(&server).describe("thumbnails/1_a.jpg").await)?;
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        Ok(())
    })
}

/// A put that replaces an object which was deleted meanwhile has a false condition, also on a service that answers 412. The same code for
/// a put of a new object is a retryable failure: otherwise a sheet of a storyboard would be missing, or the video would count as missing.
#[test]
fn a_put_that_replaces_what_is_gone_has_a_false_condition() -> Outcome {
    run(async {
        let server = S3Server::start()?;
        let (store, none) = (store(&server), BTreeMap::new());
        let replacing = |condition: Condition| {
            let (store, none) = (&store, &none);
            async move {
                let (bytes, content_type, cache_control) = (&b"x"[..], "image/jpeg", "no-store");
                let object = NewObject { bytes, content_type, cache_control, metadata: none };
                store.put("thumbnails/1_a.jpg", object, &condition).await
            }
        };
        let gone = || Condition::Unchanged(ETag::new("\"0123\""));
        let is_false = |error: &StoreError| matches!(error, StoreError::PreconditionFailed { .. });
        let error = failure(replacing(gone()).await)?;
        assert!(is_false(&error) && server.faults.last()?.status == 404, "{error}");
        assert_eq!(server.faults.seen().len(), 1);
        server.faults.on_next(1, Fault::s3_error(412, "PreconditionFailed", "words"));
        assert!(is_false(&failure(replacing(gone()).await)?));

        server.faults.on_next(2, Fault::s3_error(404, "NoSuchKey", "words"));
        let error = failure(replacing(Condition::Absent).await)?;
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        server.faults.clear();
        replacing(Condition::Absent).await?;
        std::fs::remove_dir_all(server.folder().join(BUCKET))?;
        for condition in [gone(), Condition::Absent] {
            let error = failure(replacing(condition).await)?;
            assert!(
                error.kind() == ErrorKind::NotFound && error.to_string().contains("NoSuchBucket"),
                "{error}"
            );
        }
        Ok(())
    })
}

/// All requests follow one retry policy with short first pauses: a connection that died while
/// the environment was frozen costs one fast retry.
#[test]
fn requests_are_made_again_as_reads_are() -> Outcome {
    run(async {
        let server = S3Server::start()?;
        server.put("videos/1_a.mp4", b"bytes")?;
        let store = store(&server);
        let of = |method: &'static Method| {
            server.faults.seen().iter().filter(|seen| seen.method == *method).count()
        };
        // Six attempts have five pauses, of at most 50, 100, 200, 400 and 800 ms.
        for method in [&Method::HEAD, &Method::PUT, &Method::GET] {
            server.faults.clear();
            server.faults.when(
                5,
                is(method),
                Fault::s3_error(503, "SlowDown", "Please reduce your request rate."),
            );
            match *method {
                Method::HEAD => drop(store.describe("videos/1_a.mp4").await?.ok_or("it is not there")?),
                Method::PUT => drop(put(&store, "thumbnails/1_a.jpg").await?),
                _ => assert_eq!(store.list("videos/", None).await?.objects.len(), 1),
            }
            assert_eq!(of(method), 6, "{method}");
        }
        for method in [&Method::HEAD, &Method::PUT, &Method::GET] {
            server.faults.clear();
            server.faults.when(1, is(method), Fault::NoReply);
            let started = Instant::now();
            match *method {
                Method::HEAD => drop(store.describe("videos/1_a.mp4").await?.ok_or("it is not there")?),
                Method::PUT => drop(put(&store, "thumbnails/2_a.jpg").await?),
                _ => assert_eq!(store.list("videos/", None).await?.objects.len(), 1),
            }
            assert!(started.elapsed() < Duration::from_millis(300), "{method}: {:?}", started.elapsed());
        }
        // The pause that S3 requests is kept.
        server.faults.clear();
        server.faults.when(
            1,
            is(&Method::HEAD),
            Fault::s3_error(503, "SlowDown", "words").with_header("retry-after", "1"),
        );
        let started = Instant::now();
        store.describe("videos/1_a.mp4").await?;
        assert!(started.elapsed() >= Duration::from_secs(1));
        Ok(())
    })
}

#[test]
fn any_key_is_listed_as_it_is() -> Outcome {
    run(async {
        let server = S3Server::start()?;
        let step = "s".repeat(200);
        let longest = format!("videos/{step}/{step}/{step}/{step}/1_{}.mp4", "l".repeat(207));
        assert_eq!(longest.len(), 1024);
        let mut keys = vec![
            "videos/a b+c%20&<d>.mp4",
            "videos/\u{1}\u{b}\u{1b}\n\u{fffe}.mp4",
            "videos/한글 \u{1f600}.mp4",
            &longest,
        ];
        for key in &keys {
            server.put(key, b"bytes")?;
        }
        keys.sort_unstable();
        let store = store(&server);
        let page = store.list("videos/", None).await?;
        assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), keys);
        let after = store.list("videos/", Some(keys[1])).await?;
        assert_eq!(after.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), keys[2..]);
        assert!(store.describe_readable(&longest).await?.is_some());
        // The key of its thumbnail would be too long. That is a permanent error, and not the server's fault.
        let error = failure(store.url(&format!("thumbnails/{}", &longest[4..])))?;
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains("1,024 bytes"), "{error}");
        Ok(())
    })
}

fn listing(keys: &[&str], rest: &str) -> Fault {
    let contents: String =
        keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
    let body = format!("<ListBucketResult><Name>{BUCKET}</Name>{contents}{rest}</ListBucketResult>");
    Fault::Reply { status: 200, headers: vec![("content-type", "application/xml".to_owned())], body }
}

#[test]
fn a_listing_that_makes_no_progress_or_cannot_be_read_is_an_error() -> Outcome {
    run(async {
        let server = S3Server::start()?;
        server.put("videos/1_a.mp4", b"bytes")?;
        let store = store(&server);
        let more = "<IsTruncated>true</IsTruncated>";
        let told = async |fault: Fault, after: Option<&str>| -> Outcome<String> {
            server.faults.clear();
            server.faults.when(99, is_listing, fault);
            let error = failure(store.list("videos/", after).await)?;
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            Ok(error.to_string())
        };
        let ignored = told(listing(&["videos/1_a.mp4"], more), Some("videos/1_a.mp4")).await?;
        assert!(ignored.contains("makes no progress"), "{ignored}");
        let empty = told(listing(&[], more), None).await?;
        assert!(empty.contains("makes no progress"), "{empty}");
        let same =
            told(listing(&[], &format!("{more}<NextContinuationToken>t</NextContinuationToken>")), None)
                .await?;
        assert!(same.contains("makes no progress"), "{same}");
        told(Fault::Reply { status: 200, headers: Vec::new(), body: "<html>no</html>".to_owned() }, None)
            .await?;
        told(
            Fault::Reply {
                status: 200,
                headers: Vec::new(),
                body: "<ListBucketResult><Contents>".to_owned(),
            },
            None,
        )
        .await?;

        // An unsorted page is sorted if it is the whole listing, and refused if other pages may contain keys between its keys.
        let mixed = ["videos/2_b.mp4", "videos/1_a.mp4"];
        let unsorted = told(listing(&mixed, more), None).await?;
        assert!(unsorted.contains("not in the order of its keys"), "{unsorted}");
        let rest = told(listing(&mixed, ""), Some("videos/0_x.mp4")).await?;
        assert!(rest.contains("not in the order of its keys"), "{rest}");
        server.faults.clear();
        server.faults.when(1, is_listing, listing(&mixed, ""));
        let page = store.list("videos/", None).await?;
        let keys: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!((keys, page.next), (vec![mixed[1], mixed[0]], None));

        // An empty page with a continuation token is followed by the next page.
        server.faults.clear();
        let first = |seen: &Seen| is_listing(seen) && !seen.query.contains("continuation-token");
        server.faults.when(
            1,
            first,
            listing(&[], &format!("{more}<NextContinuationToken>a+/=</NextContinuationToken>")),
        );
        let page = store.list("videos/", None).await?;
        assert_eq!(page.objects.len(), 1);
        assert!(server.faults.last()?.query.contains("continuation-token=a%2B%2F%3D"));
        Ok(())
    })
}

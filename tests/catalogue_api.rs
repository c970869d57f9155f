//! The client of the catalogue's API against FastAPI and uvicorn.

#[path = "common/catalogue_api.rs"]
mod catalogue_api;
#[path = "common/ports.rs"]
mod ports;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use posterframe::ErrorKind;
use posterframe::catalog::{ApiPatience, CatalogApi, CatalogError, NewContent, ResolveSecret};
use posterframe::config::{ApiSettings, LambdaConfig};
use posterframe::object_name::ContentId;
use posterframe::secret::Secret;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

use self::catalogue_api::CatalogueServer;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const TOKEN: &str = "canary/token\"2024";

/// Records every log line, with its fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().map(|lines| lines.clone()).unwrap_or_default()
    }

    fn count(&self, start: &str) -> usize {
        let start = format!("message={start}");
        self.lines().iter().filter(|line| line.contains(&start)).count()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?};");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        if let Ok(mut lines) = self.0.lock() {
            lines.push(line.0);
        }
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn settings(base: &str, token: (&str, &str)) -> Outcome<ApiSettings> {
    let variables = BTreeMap::from([
        ("DB_HOST", "db.test"),
        ("DB_USER", "admin"),
        ("DB_PASSWORD", "p"),
        ("DB_NAME", "ott_db"),
        ("CATALOG_API_BASE", base),
        token,
    ]);
    Ok(LambdaConfig::from_lookup(|name| variables.get(name).map(Into::into))?.catalog.api)
}

fn no_secrets() -> ResolveSecret {
    Arc::new(|source| {
        let message = format!("nothing is stored, but {source:?} is asked for");
        Box::pin(async move { Err(CatalogError::Api { kind: ErrorKind::Internal, status: None, message }) })
    })
}

/// Resolves to one token after another, then to the last one again. Counts the calls.
fn stored(tokens: &'static [&'static str]) -> (ResolveSecret, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolve: ResolveSecret = Arc::new(move |_| {
        let index = count.fetch_add(1, Ordering::Relaxed).min(tokens.len() - 1);
        Box::pin(async move { Ok(Secret::new(tokens[index])) })
    });
    (resolve, asked)
}

fn patience(attempt: Duration, total: Duration) -> ApiPatience {
    let mut patience = ApiPatience::default();
    patience.attempt = attempt;
    patience.total = total;
    patience.first_pause = Duration::from_millis(20);
    patience.rest = Duration::ZERO;
    patience
}

/// A client with pauses that do not delay the tests.
fn client(base: &str) -> Outcome<CatalogApi> {
    let api = CatalogApi::new(&settings(base, ("INTERNAL_TOKEN", TOKEN))?, no_secrets())?;
    Ok(api.with_patience(patience(Duration::from_secs(10), Duration::from_secs(60))))
}

fn content(title: &str) -> NewContent {
    NewContent {
        title: title.to_owned(),
        description: "Uploaded video: test_video".to_owned(),
        age_rating: "ALL".to_owned(),
    }
}

/// Upserts content 42, and returns the result and the log. Asserts that neither contains the token.
fn upsert(api: &CatalogApi, content: &NewContent) -> Outcome<(Result<(), CatalogError>, Log)> {
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let id = ContentId::new(42).ok_or("an id")?;
    let result = with_default(log.clone(), || runtime.block_on(api.upsert(id, content)));
    let mut shown = format!("{:?}\n{result:?}\n{}", api, log.lines().join("\n"));
    if let Err(error) = &result {
        write!(shown, "\n{error}")?;
    }
    assert!(!shown.contains("canary"), "{shown}");
    Ok((result, log))
}

fn error(result: Result<(), CatalogError>) -> Outcome<(ErrorKind, Option<u16>, String)> {
    match result {
        Err(CatalogError::Api { kind, status, message }) => Ok((kind, status, message)),
        other => Err(format!("{other:?} is no error of the API").into()),
    }
}

#[test]
fn the_request_is_the_replaced_lambdas() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let api = client(&server.base())?;
    let (result, log) = upsert(&api, &content("Test Video"))?;
    result?;
    let calls = server.calls()?;
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("PUT", "/api/v1/contents/42/upsert-internal"));
    assert_eq!(call.header("x-internal-token"), Some(TOKEN));
    assert_eq!(call.header("content-type"), Some("application/json"));
    let body = r#"{"title":"Test Video","description":"Uploaded video: test_video","age_rating":"ALL"}"#;
    assert_eq!(call.body, body);
    let url = format!("{}/v1/contents/42/upsert-internal", server.base());
    let lines = log.lines();
    let started = lines.iter().any(|line| line.contains(&format!("FastAPI upsert 호출 시작: {url};")));
    let done = "FastAPI upsert 성공: content_id=42, title=Test Video;";
    assert!(started && lines.iter().any(|line| line.contains(done)), "{lines:?}");
    Ok(())
}

#[test]
fn contents_are_made_and_changed_over_one_connection() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    // A final slash makes no difference.
    let api = client(&format!("{}/", server.base()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let titles = ["한글 제목", "🎬 \"따옴표\" \\ 역슬래시", "Ünïcödé"];
    runtime.block_on(async {
        let id = ContentId::new(i64::from(ContentId::MAX)).ok_or("an id")?;
        for title in titles {
            api.upsert(id, &content(title)).await?;
        }
        Outcome::Ok(())
    })?;
    let row = json!([[2_147_483_647, titles[2], "Uploaded video: test_video", "ALL"]]);
    assert_eq!(server.contents()?, row);
    let calls = server.calls()?;
    for (call, title) in calls.iter().zip(titles) {
        assert_eq!(serde_json::from_str::<Value>(&call.body)?["title"], title);
        assert_eq!(call.client_port, calls[0].client_port, "each request has its own connection");
    }
    assert_eq!(calls.iter().map(|call| call.status).collect::<Vec<_>>(), [201, 200, 200]);
    Ok(())
}

/// The database numbers new contents after the highest id: a name with a very high id leaves no ids.
#[test]
fn a_content_that_uses_up_the_ids_is_warned_of() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let api = client(&server.base())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (id, warnings) in [(42, 0), (2_146_000_000, 0), (2_147_000_000, 1), (2_147_483_647, 1)] {
        let log = Log::default();
        let id = ContentId::new(id).ok_or("an id")?;
        with_default(log.clone(), || runtime.block_on(api.upsert(id, &content("t"))))?;
        assert_eq!(
            log.count(&format!("content_id {id}: AUTO_INCREMENT의 끝")),
            warnings,
            "{:?}",
            log.lines()
        );
    }
    Ok(())
}

#[test]
fn refusals_for_good_are_told_at_once() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let api = client(&server.base())?;
    let cases = [
        (401, ErrorKind::Denied, "check INTERNAL_TOKEN"),
        (403, ErrorKind::Denied, "check INTERNAL_TOKEN"),
        (404, ErrorKind::Config, "CATALOG_API_BASE may be wrong"),
        (400, ErrorKind::Malformed, "400 Bad Request: 거절됨 of the test"),
        (413, ErrorKind::Malformed, "413 Payload Too Large"),
        (422, ErrorKind::Malformed, "422 Unprocessable Entity"),
    ];
    for (index, (status, kind, words)) in cases.into_iter().enumerate() {
        server.faults(&[json!({"status": status, "body": "거절됨\u{1b} of the test"})])?;
        let (result, log) = upsert(&api, &content("t"))?;
        let (got, told, message) = error(result)?;
        let words = words.replace("거절됨 of", "거절됨  of");
        assert_eq!((got, told), (kind, Some(status)), "{message}");
        assert!(message.starts_with("FastAPI upsert 실패: ") && message.contains(&words), "{message}");
        assert!(!message.contains('\u{1b}'), "{message}");
        assert_eq!(server.calls()?.len(), index + 1, "{status} is tried again");
        assert_eq!(log.count("FastAPI upsert 성공"), 0);
    }
    Ok(())
}

#[test]
fn a_wrong_token_and_a_wrong_body_are_refused_by_the_api_itself() -> Outcome {
    let server = CatalogueServer::start("another")?;
    let (kind, status, message) = error(upsert(&client(&server.base())?, &content("t"))?.0)?;
    assert_eq!((kind, status), (ErrorKind::Denied, Some(401)));
    assert!(
        message.contains("invalid internal token") && message.ends_with("check INTERNAL_TOKEN"),
        "{message}"
    );
    let nowhere = server.base().replace("/api", "/wrong");
    let (kind, status, message) = error(upsert(&client(&nowhere)?, &content("t"))?.0)?;
    assert_eq!((kind, status), (ErrorKind::Config, Some(404)));
    assert!(message.contains("CATALOG_API_BASE") && message.contains("/wrong/v1/contents/42"), "{message}");
    Ok(())
}

#[test]
fn what_passes_is_tried_again() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let api = client(&server.base())?;
    server.faults(&[
        json!({"status": 500, "body": "one"}),
        json!({"status": 503}),
        json!({"status": 408}),
        json!({"status": 502}),
        json!({"status": 409}),
        json!({"status": 421}),
        json!({"status": 423}),
        json!({"status": 425}),
    ])?;
    let (result, log) = upsert(&api, &content("again"))?;
    result?;
    assert_eq!(server.calls()?.len(), 9);
    assert_eq!(log.count("FastAPI upsert 호출 시작"), 1);
    assert_eq!(log.count("FastAPI upsert 재시도"), 8);
    assert_eq!(log.count("FastAPI upsert 성공"), 1);
    assert_eq!(server.contents()?[0][1], "again");
    Ok(())
}

#[test]
fn attempts_come_to_an_end() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    server.faults(&vec![json!({"status": 503, "body": "가".repeat(600)}); 10])?;
    let (kind, status, message) = error(upsert(&client(&server.base())?, &content("t"))?.0)?;
    assert_eq!((kind, status, server.calls()?.len()), (ErrorKind::Unavailable, Some(503), 10));
    let shown = format!("FastAPI upsert 실패: 503 Service Unavailable: {}… (attempt 10)", "가".repeat(500));
    assert_eq!(message, shown);
    Ok(())
}

#[test]
fn the_server_says_how_long_to_wait() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let api = client(&server.base())?;
    server.faults(&[json!({"status": 429, "headers": {"retry-after": "1"}})])?;
    let started = Instant::now();
    upsert(&api, &content("t"))?.0?;
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());

    // An HTTP date has whole seconds.
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(3));
    server.faults(&[json!({"status": 503, "headers": {"retry-after": date}})])?;
    let started = Instant::now();
    upsert(&api, &content("t"))?.0?;
    assert!(started.elapsed() >= Duration::from_millis(1500), "{:?}", started.elapsed());

    // The requested pause exceeds the remaining time, so that the error is returned immediately.
    server.faults(&[json!({"status": 429, "headers": {"retry-after": "3600"}})])?;
    let started = Instant::now();
    let (kind, status, _) = error(upsert(&api, &content("t"))?.0)?;
    assert_eq!((kind, status), (ErrorKind::Unavailable, Some(429)));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    Ok(())
}

#[test]
fn an_api_that_is_down_for_a_moment_is_waited_for() -> Outcome {
    let mut server = CatalogueServer::start(TOKEN)?;
    let api = CatalogApi::new(&settings(&server.base(), ("INTERNAL_TOKEN", TOKEN))?, no_secrets())?;
    let mut patience = ApiPatience::default();
    patience.attempts = 60;
    patience.first_pause = Duration::from_millis(500);
    let api = api.with_patience(patience);
    server.stop();
    let (result, log, server) = std::thread::scope(|scope| {
        let restarted = scope.spawn(|| {
            std::thread::park_timeout(Duration::from_secs(2));
            server.run().map_err(|error| error.to_string()).map(|()| server)
        });
        let (result, log) = upsert(&api, &content("back"))?;
        let server = restarted.join().map_err(|_| "the restart panicked")??;
        Outcome::Ok((result, log, server))
    })?;
    result?;
    assert!(log.count("FastAPI upsert 재시도") > 0, "{:?}", log.lines());
    assert_eq!(server.contents()?[0][1], "back");
    Ok(())
}

/// The first content retries. Later contents fail immediately, until one of them reaches the API again.
#[test]
fn an_api_that_stays_down_is_left_alone_for_a_while() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let mut patience = patience(Duration::from_secs(10), Duration::from_secs(60));
    patience.attempts = 3;
    patience.rest = Duration::from_secs(1);
    let api = client(&server.base())?.with_patience(patience);
    server.faults(&vec![json!({"status": 503}); 4])?;
    error(upsert(&api, &content("t"))?.0)?;
    assert_eq!(server.calls()?.len(), 3);
    for _ in 0..3 {
        let (kind, _, message) = error(upsert(&api, &content("t"))?.0)?;
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(
            message.starts_with("FastAPI upsert 실패: 503") && message.contains("not called for another"),
            "{message}"
        );
    }
    assert_eq!(server.calls()?.len(), 3, "it is called while it rests");
    std::thread::park_timeout(Duration::from_millis(1100));
    // The first call after the rest makes one attempt. The attempt fails, and another rest begins.
    for _ in 0..2 {
        error(upsert(&api, &content("t"))?.0)?;
        assert_eq!(server.calls()?.len(), 4);
    }
    std::thread::park_timeout(Duration::from_millis(1100));
    upsert(&api, &content("back"))?.0?;
    // An error for one content does not start a rest for the others.
    server.faults(&vec![json!({"status": 500}); 3])?;
    error(upsert(&api, &content("t"))?.0)?;
    upsert(&api, &content("next"))?.0?;
    assert_eq!(server.contents()?[0][1], "next");
    Ok(())
}

#[test]
fn no_connection_and_no_answer_have_the_known_words() -> Outcome {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let api = client(&format!("http://127.0.0.1:{port}/api"))?;
    let (kind, status, message) = error(upsert(&api, &content("t"))?.0)?;
    assert_eq!((kind, status), (ErrorKind::Unavailable, None));
    assert!(message.starts_with(&format!("FastAPI 호출 중 네트워크 오류: 127.0.0.1:{port}: ")), "{message}");
    assert!(message.contains("refused") && message.ends_with("(attempt 10)"), "{message}");

    let server = CatalogueServer::start(TOKEN)?;
    let short = patience(Duration::from_millis(300), Duration::from_secs(2));
    let api = client(&server.base())?.with_patience(short);
    server.faults(&vec![json!({"silent": true}); 10])?;
    let started = Instant::now();
    let (kind, _, message) = error(upsert(&api, &content("t"))?.0)?;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(message.starts_with("FastAPI 호출 중 네트워크 오류: Connection timeout"), "{message}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // When the API answers again, the call succeeds.
    server.faults(&[json!({"silent": true})])?;
    upsert(&api, &content("t"))?.0?;
    Ok(())
}

#[test]
fn half_a_reply_is_as_good_as_its_status() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    let api = client(&server.base())?;
    server.faults(&[json!({"cut": 201})])?;
    upsert(&api, &content("cut"))?.0?;
    assert_eq!(server.calls()?.len(), 1);
    assert_eq!(server.contents()?[0][1], "cut");
    server.faults(&[json!({"cut": 500})])?;
    upsert(&api, &content("cut twice"))?.0?;
    assert_eq!(server.calls()?.len(), 3);
    assert_eq!(server.contents()?[0][1], "cut twice");
    Ok(())
}

#[test]
fn the_token_does_not_follow_redirects() -> Outcome {
    let elsewhere = CatalogueServer::start(TOKEN)?;
    let server = CatalogueServer::start(TOKEN)?;
    let target = format!("{}/v1/contents/42/upsert-internal?key={TOKEN}", elsewhere.base());
    let location = target.replace('"', "%22");
    for status in [301, 307, 308] {
        server.faults(&[json!({"status": status, "headers": {"location": location}})])?;
        let (kind, told, message) = error(upsert(&client(&server.base())?, &content("t"))?.0)?;
        assert_eq!((kind, told), (ErrorKind::Config, Some(status)));
        let shown = format!("a redirect to {}/v1/contents/42/upsert-internal?REDACTED", elsewhere.base());
        assert!(message.contains(&shown) && message.contains("CATALOG_API_BASE"), "{message}");
    }
    assert_eq!(elsewhere.calls()?.len(), 0);
    Ok(())
}

#[test]
fn a_reply_that_repeats_the_token_does_not_show_it() -> Outcome {
    let server = CatalogueServer::start(TOKEN)?;
    server.faults(&[json!({"echo": 503}), json!({"echo": 400})])?;
    let (result, log) = upsert(&client(&server.base())?, &content("t"))?;
    let (kind, _, message) = error(result)?;
    assert_eq!(kind, ErrorKind::Malformed);
    assert!(message.contains("bad token [INTERNAL_TOKEN]"), "{message}");
    assert!(log.lines().iter().any(|line| line.contains("bad token [INTERNAL_TOKEN]")), "{:?}", log.lines());
    Ok(())
}

#[test]
fn a_stored_token_is_fetched_once_and_again_when_it_is_refused() -> Outcome {
    let server = CatalogueServer::start("canary-new")?;
    let settings = settings(&server.base(), ("INTERNAL_TOKEN_SECRET", "catalogue/token"))?;
    let (secrets, asked) = stored(&["canary-old", "canary-new\n"]);
    let api = CatalogApi::new(&settings, secrets)?;
    assert_eq!(asked.load(Ordering::Relaxed), 0, "making a client fetches nothing");
    upsert(&api, &content("t"))?.0?;
    upsert(&api, &content("t"))?.0?;
    assert_eq!((asked.load(Ordering::Relaxed), server.calls()?.len()), (2, 3));

    let (secrets, asked) = stored(&["canary-old"]);
    let api = CatalogApi::new(&settings, secrets)?;
    let (kind, _, message) = error(upsert(&api, &content("t"))?.0)?;
    assert_eq!(kind, ErrorKind::Denied);
    assert!(message.ends_with("check INTERNAL_TOKEN_SECRET"), "{message}");
    assert_eq!((asked.load(Ordering::Relaxed), server.calls()?.len()), (2, 4));
    Ok(())
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_named() -> Outcome {
    let server = CatalogueServer::start_with_own_certificate(TOKEN)?;
    let started = Instant::now();
    let (kind, _, message) = error(upsert(&client(&server.base())?, &content("t"))?.0)?;
    assert_eq!(kind, ErrorKind::Unavailable);
    assert!(message.starts_with("FastAPI 호출 중 네트워크 오류: "), "{message}");
    assert!(
        message.contains(&format!("localhost:{}", server.port())) && message.contains("certificate"),
        "{message}"
    );
    assert!(!message.contains("attempt"), "tried again in vain: {message}, {:?}", started.elapsed());
    Ok(())
}

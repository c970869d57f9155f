//! A bucket of any number of small objects, which exist only as numbers, and a catalogue with their rows. It measures the time and memory
//! that an audit and a back-fill of the objects take, with an interruption in the middle. `tests/scale.rs` uses some thousands of objects,
//! `make scale` uses a million.
//!
//! Of each thousand objects, ten are new: they have no thumbnail and no row, and they are not videos. One has a row but was deleted. All
//! others are processed. The program itself writes the first object's thumbnail, whose metadata serve for all others.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, RANGE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::net::TcpListener;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const BUCKET: &str = "numbers";
const PAGE: usize = 1000;
const NO_VIDEO: &[u8] = b"this is no video, and small";
const VERSION: &str = "\"0123456789abcdef0123456789abcdef\"";

/// Whether the object of this number has neither thumbnail nor row.
fn is_new(number: u64) -> bool {
    number.is_multiple_of(100)
}

/// Whether the object of this number was deleted, and its row was not.
fn is_gone(number: u64) -> bool {
    number % 1000 == 7
}

/// The number of gone objects up to this number.
fn gone_up_to(number: u64) -> u64 {
    (1..=number).filter(|number| is_gone(*number)).count() as u64
}

fn key(number: u64) -> String {
    format!("videos/{number:09}_v.mp4")
}

/// The number in the key of a video or of its thumbnail.
fn number(key: &str) -> Option<u64> {
    let name = key.strip_prefix("videos/").or(key.strip_prefix("thumbnails/"))?;
    name.split('_').next()?.parse().ok()
}

struct Numbers {
    objects: u64,
    film: Vec<u8>,
    requests: AtomicU64,
    /// The metadata of the thumbnails that were written.
    put: Mutex<BTreeMap<String, HeaderMap>>,
}

impl Numbers {
    fn exists(&self, number: u64) -> bool {
        (1..=self.objects).contains(&number) && !is_gone(number)
    }

    fn body(&self, number: u64) -> &[u8] {
        if number == 1 { &self.film } else { NO_VIDEO }
    }

    fn thumbnail(&self, key: &str) -> Option<HeaderMap> {
        let put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        let own = number(key)?;
        match put.get(key) {
            Some(headers) => Some(headers.clone()),
            None if is_new(own) || is_gone(own) => None,
            None => {
                // Like those of the first object, except for the parts that name the object.
                let mut headers = put.first_key_value()?.1.clone();
                headers.remove("x-amz-meta-source-key");
                headers.insert("x-amz-meta-content-id", HeaderValue::from_str(&own.to_string()).ok()?);
                Some(headers)
            }
        }
    }

    fn listing(&self, query: &str) -> String {
        let parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let text = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
        let first = number(text("start-after")).map_or(1, |number| number + 1);
        let mut found = (first..=self.objects)
            .filter(|number| !is_gone(*number) && key(*number).starts_with(text("prefix")));
        let mut contents = String::new();
        for number in found.by_ref().take(PAGE) {
            let _ = write!(
                contents,
                "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                key(number),
                VERSION.replace('"', "&quot;"),
                self.body(number).len()
            );
        }
        let more = found.next().is_some();
        format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{contents}</ListBucketResult>")
    }

    async fn answer(&self, request: Request<Incoming>) -> hyper::http::Result<Response<Full<Bytes>>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let path = head.uri.path().trim_start_matches('/').trim_start_matches(BUCKET).trim_start_matches('/');
        if path.is_empty() {
            let xml = self.listing(head.uri.query().unwrap_or_default());
            return Response::builder().header("content-type", "application/xml").body(xml.into());
        }
        if head.method == Method::PUT {
            drop(body.collect().await);
            let is_kept = |name: &str| {
                name.starts_with("x-amz-meta-") || name == "content-type" || name == "cache-control"
            };
            let mut headers: HeaderMap =
                head.headers.into_iter().filter_map(|(name, value)| Some((name?, value))).collect();
            let others: Vec<_> = headers.keys().filter(|name| !is_kept(name.as_str())).cloned().collect();
            for name in others {
                headers.remove(name);
            }
            self.put.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), headers);
            return Response::builder().header(ETAG, VERSION).body(Full::default());
        }
        let (headers, bytes) = if path.starts_with("thumbnails/") {
            (self.thumbnail(path), NO_VIDEO)
        } else {
            let number = number(path).filter(|number| self.exists(*number));
            (number.map(|_| HeaderMap::new()), number.map_or(NO_VIDEO, |number| self.body(number)))
        };
        let Some(headers) = headers else {
            let xml =
                "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
            let body = if head.method == Method::HEAD { Full::default() } else { xml.into() };
            return Response::builder().status(StatusCode::NOT_FOUND).body(body);
        };
        let mut response = Response::builder().header(ETAG, VERSION);
        for (name, value) in &headers {
            response = response.header(name, value);
        }
        if head.method == Method::HEAD {
            return response.header(CONTENT_LENGTH, bytes.len()).body(Full::default());
        }
        let (from, to) = range(&head.headers, bytes.len());
        let Some(part) = bytes.get(from..to).filter(|part| !part.is_empty()) else {
            return Response::builder().status(StatusCode::RANGE_NOT_SATISFIABLE).body(Full::default());
        };
        let shown = format!("bytes {from}-{}/{}", to - 1, bytes.len());
        let response = response.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, shown);
        response.body(Bytes::copy_from_slice(part).into())
    }
}

/// The byte range that a request wants, of an object of `length` bytes.
fn range(headers: &HeaderMap, length: usize) -> (usize, usize) {
    let range =
        headers.get(RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    match range.map(|(from, to)| (from.parse::<usize>().ok(), to.parse::<usize>().ok())) {
        Some((Some(from), to)) => (from, to.map_or(length, |to| (to + 1).min(length))),
        Some((None, Some(last))) => (length.saturating_sub(last), length),
        _ => (0, length),
    }
}

/// A bucket of numbers, its catalogue, and the program under test.
pub(crate) struct Synthetic {
    objects: u64,
    numbers: Arc<Numbers>,
    endpoint: String,
    folder: tempfile::TempDir,
    program: &'static str,
}

/// The cost of a run of the program.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) peak_kilobytes: u64,
    pub(crate) seconds: f64,
    pub(crate) requests: u64,
    output: PathBuf,
}

impl Run {
    pub(crate) fn json(&self) -> Outcome<Value> {
        Ok(serde_json::from_reader(BufReader::new(File::open(&self.output)?))?)
    }
}

impl Synthetic {
    /// Starts the bucket, lets the program process the first object, and writes the rows of all others.
    pub(crate) fn start(objects: u64, program: &'static str) -> Outcome<Self> {
        let film = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/h264_end.mp4"))?;
        let numbers = Arc::new(Numbers { objects, film, requests: AtomicU64::new(0), put: Mutex::default() });
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let served = Arc::clone(&numbers);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The thread ends with the process.
        std::thread::spawn(move || runtime.block_on(serve(listener, served)));
        let synthetic = Self { objects, numbers, endpoint, folder: tempfile::tempdir()?, program };
        let url = format!("s3://{BUCKET}/{}", key(1));
        let first = synthetic.run(&["process", &url, "--catalog", "sqlite"], None)?;
        assert_eq!(first.code, Some(0), "{}", synthetic.errors()?);
        synthetic.fill()?;
        Ok(synthetic)
    }

    /// Inserts rows as the program would have written them, not in the order of the keys.
    fn fill(&self) -> Outcome {
        let url = format!("sqlite://{}", self.folder.path().join("catalog.sqlite3").display());
        let statements = format!(
            "BEGIN;
             CREATE TEMP TABLE numbers AS WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < {objects}) SELECT n FROM n
             WHERE n % 100 <> 0 ORDER BY (n * 7919) % 1000003;
             INSERT INTO contents (id, title, age_rating) SELECT n, 'V', 'ALL' FROM numbers;
             INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration)
             SELECT n, printf('s3://{BUCKET}/videos/%09d_v.mp4', n), printf('s3://{BUCKET}/thumbnails/%09d_v.jpg', n),
             (SELECT duration FROM video_assets WHERE content_id = 1) FROM numbers;
             COMMIT",
            objects = self.objects
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect(&url).await?;
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
            Ok::<_, Box<dyn Error>>(connection.close().await?)
        })
    }

    /// Runs the program to its end. With `stop`, sends the signal once the bucket has answered that number of requests.
    pub(crate) fn run(&self, arguments: &[&str], stop: Option<(&str, u64)>) -> Outcome<Run> {
        let output = self.folder.path().join("output");
        let mut command = Command::new(self.program);
        command.env_clear().args(arguments).stdin(Stdio::null()).stdout(File::create(&output)?);
        command.stderr(File::create(self.folder.path().join("errors"))?);
        let own = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
            ("RUST_LOG", "off"),
        ];
        command.envs(own).env("CATALOG_SQLITE", self.folder.path().join("catalog.sqlite3"));
        let (before, started) = (self.requests(), Instant::now());
        let mut child = command.spawn()?;
        let (mut peak, mut stop) = (0, stop);
        let code = loop {
            peak = peak.max(peak_kilobytes(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait()? {
                break status.code();
            }
            if let Some((signal, _)) = stop.filter(|(_, requests)| self.requests() - before >= *requests) {
                Command::new("kill").args(["-s", signal, &child.id().to_string()]).status()?;
                stop = None;
            }
            pause();
        };
        let (seconds, requests) = (started.elapsed().as_secs_f64(), self.requests() - before);
        Ok(Run { code, peak_kilobytes: peak, seconds, requests, output })
    }

    fn requests(&self) -> u64 {
        self.numbers.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn errors(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.folder.path().join("errors"))?)
    }

    fn journal(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Asserts that an audit found exactly the deviations that exist.
    fn assert_found(&self, audit: &Run) -> Outcome {
        let found = audit.json()?;
        let (new, gone) = (self.objects / 100, gone_up_to(self.objects));
        assert_eq!(
            (audit.code, &found["videos"], &found["in_order"], &found["counts"]),
            (
                Some(0),
                &json!(self.objects - gone),
                &json!(self.objects - gone - new),
                &json!({"no_row": new, "no_thumbnail": new, "row_without_object": gone})
            ),
            "{}",
            self.errors()?
        );
        let findings = found["findings"].as_array().ok_or("no findings")?;
        let mut found = findings.iter().map(|finding| (finding["key"].as_str(), finding["kind"].as_str()));
        for number in 1..=self.objects {
            let kinds: &[&str] = match number {
                number if is_new(number) => &["no_thumbnail", "no_row"],
                number if is_gone(number) => &["row_without_object"],
                _ => &[],
            };
            for kind in kinds {
                assert_eq!(found.next(), Some((Some(key(number).as_str()), Some(*kind))));
            }
        }
        Ok(())
    }

    fn audit(&self, more: &[&str], stop: Option<(&str, u64)>) -> Outcome<Run> {
        let prefix = format!("s3://{BUCKET}/videos/");
        self.run(&[&["audit", &prefix, "--catalog", "sqlite", "--json"], more].concat(), stop)
    }

    /// Runs an audit without interruption.
    pub(crate) fn whole_audit(&self) -> Outcome<Run> {
        let whole = self.audit(&[], None)?;
        self.assert_found(&whole)?;
        Ok(whole)
    }

    /// Kills an audit in the middle, and resumes it. The audit omits nothing, reports nothing twice, and audits at most the last thousand
    /// objects before the kill twice.
    pub(crate) fn audits(&self) -> Outcome<[Run; 2]> {
        let journal = self.journal("audit.jsonl");
        let kept = ["--journal", &journal];
        let killed = self.audit(&kept, Some(("KILL", self.objects / 2)))?;
        assert_eq!(killed.code, None, "it has ended too early");
        let rest = self.audit(&kept, None)?;
        self.assert_found(&rest)?;
        // In addition to the objects: their listing, and the requests in flight.
        let most = self.objects + self.objects / 500 + 1000 + 100;
        assert!(killed.requests + rest.requests <= most, "{killed:?} {rest:?}");
        Ok([killed, rest])
    }

    /// Terminates a back-fill in the middle, and resumes it. The journal contains every object once.
    pub(crate) fn back_fills(&self, signal: &str) -> Outcome<[Run; 2]> {
        let (prefix, journal) = (format!("s3://{BUCKET}/videos/"), self.journal("backfill.jsonl"));
        let report = self.journal("report.json");
        let fill = [
            "backfill",
            &prefix,
            "--catalog",
            "sqlite",
            "--json",
            "--journal",
            &journal,
            "--report",
            &report,
            "--jobs",
            "8",
        ];
        let stopped = self.run(&fill, Some((signal, self.objects)))?;
        assert_eq!(stopped.code, (signal != "KILL").then_some(130), "{}", self.errors()?);
        let done = lines(Path::new(&journal))?;
        assert!(self.objects / 10 < done && done < self.objects, "{done} of {}", self.objects);
        let rest = self.run(&fill, None)?;
        let (told, new, gone) = (rest.json()?, self.objects / 100, gone_up_to(self.objects));
        assert_eq!(
            (rest.code, &told["complete"], &told["counts"]),
            (Some(6), &json!(true), &json!({"failed": new, "unchanged": self.objects - new - gone})),
            "{}",
            self.errors()?
        );
        assert_eq!(told["failures"].as_array().map(Vec::len), Some(usize::try_from(new)?));
        let mut times = vec![0_u8; usize::try_from(self.objects)? + 1];
        for line in BufReader::new(File::open(&journal)?).lines() {
            let entry: Value = serde_json::from_str(&line?)?;
            if let Some(number) = entry["key"].as_str().and_then(number) {
                times[usize::try_from(number)?] += 1;
            }
        }
        for (number, times) in (0..).zip(times) {
            let expected = u8::from(self.numbers.exists(number));
            assert_eq!(times, expected, "object {number}");
        }
        Ok([stopped, rest])
    }
}

async fn serve(listener: StdListener, numbers: Arc<Numbers>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let numbers = Arc::clone(&numbers);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let numbers = Arc::clone(&numbers);
                async move { numbers.answer(request).await }
            });
            // A killed client breaks its connections.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// The number of lines of a journal, without the first.
fn lines(path: &Path) -> Outcome<u64> {
    Ok((BufReader::new(File::open(path)?).lines().count() as u64).saturating_sub(1))
}

/// The peak memory of the process so far.
pub(crate) fn peak_kilobytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "nothing here has a deadline")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

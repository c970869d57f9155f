//! A server of thumbnails, for videos in S3 or in a folder: `axum s3://BUCKET|FOLDER [ADDRESS]`.
//!
//! `cargo run --example axum --no-default-features --features s3,tokio -- s3://films 127.0.0.1:3000`, then
//! `curl http://127.0.0.1:3000/thumbnail/videos/1_x.mp4 -o poster.jpg`.
//!
//! Nothing is kept: a cache in front (a CDN, nginx) is told by `ETag` and `Cache-Control` what it may keep.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::path::{self, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use posterframe::source::{
    ByteRange, FileSource, GetRange, Identity, RangeRequest, RangeSource, S3Client, S3Source, SourceError,
};
use posterframe::{AsyncMedia, Bounds, Encoding, Error, ErrorKind, FrameRequest, OpenOptions};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Where in the video.
const AT: Duration = Duration::from_secs(5);
/// Largest width of a thumbnail, in pixels.
const WIDTH: u32 = 640;
/// How long one request may take, waiting for others included.
const DEADLINE: Duration = Duration::from_secs(10);
/// What a key shows may change: not for ever.
const MAY_KEEP: &str = "public, max-age=300";

#[derive(Clone)]
struct Server {
    videos: Videos,
    /// As many permits as thumbnails are made at a time. More than there are cores would only make each of them later.
    decoders: Arc<Semaphore>,
}

#[derive(Clone)]
enum Videos {
    Folder(PathBuf),
    Bucket { client: S3Client, name: String },
}

impl Videos {
    /// Looks at the file, if it is one: a thing for a thread that may block.
    fn open(&self, key: &str) -> Result<Arc<dyn RangeSource>, SourceError> {
        match self {
            Self::Bucket { client, name } => Ok(Arc::new(S3Source::new(client.clone(), name, key))),
            Self::Folder(folder) => {
                let is_name = |part| matches!(part, path::Component::Normal(_));
                if !path::Path::new(key).components().all(is_name) {
                    return Err(SourceError::NotFound {
                        reason: "the path leads out of the folder".to_owned(),
                    });
                }
                Ok(Arc::new(FileSource::open(folder.join(key))?))
            }
        }
    }
}

async fn thumbnail(
    State(server): State<Server>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let started = Instant::now();
    // When the client leaves, this function's future is dropped, and the work ends.
    let unfinished = Unfinished(Some(key.clone()));
    let source = {
        let (videos, key) = (server.videos, key.clone());
        spawn_blocking(move || videos.open(&key)).await.map_err(internal)??
    };
    if let Some(known) = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok())
        // What goes wrong here goes wrong below as well, and is told there.
        && let Ok(Ok(identity)) = timeout(DEADLINE, look(&source)).await
        && let Some(etag) = etag(&identity)
        && is_among(&etag, known)
    {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, &*etag), (CACHE_CONTROL, MAY_KEEP)]).into_response());
    }

    let permit = timeout(DEADLINE, server.decoders.acquire_owned()).await.map_err(|_| busy())?;
    let _permit = permit.map_err(internal)?;
    let made = make(source, DEADLINE.saturating_sub(started.elapsed())).await;
    unfinished.finish();
    match &made {
        Ok((picture, _)) => println!("{key}: {} bytes", picture.len()),
        Err(error) => println!("{key}: {}: {error}", error.kind()),
    }
    let (picture, etag) = made?;
    let mut response = ([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, MAY_KEEP)], picture).into_response();
    if let Some(etag) = etag {
        response.headers_mut().insert(ETAG, etag.try_into().map_err(internal)?);
    }
    Ok(response)
}

/// The picture, and its ETag.
async fn make(source: Arc<dyn RangeSource>, time: Duration) -> Result<(Vec<u8>, Option<String>), Error> {
    let encoding = Encoding::default().with_bounds(Bounds::width(WIDTH));
    let request = FrameRequest::at(AT).with_encoding(encoding);
    let options = OpenOptions::default().with_frame(request).with_total_time(time);
    let mut media = AsyncMedia::open(source, options).await?;
    let picture = media.thumbnail(request).await?;
    // Of the version that was read, which need not be the one that was there when the request came.
    Ok((picture.bytes, media.identity().and_then(etag)))
}

/// Which version of the video there is, for the price of one byte.
async fn look(source: &Arc<dyn RangeSource>) -> Result<Identity, SourceError> {
    let first_byte = RangeRequest::Bounded(ByteRange::new(0, 1));
    Ok(source.get(GetRange::new(first_byte, None)).await?.identity)
}

/// A thumbnail is another one when the video is, or when it is made in another way.
fn etag(identity: &Identity) -> Option<String> {
    let version = identity.etag.as_deref()?.trim_start_matches("W/").trim_matches('"');
    Some(format!("\"{version}-{}-{WIDTH}\"", AT.as_millis()))
}

/// Whether `If-None-Match` names this ETag (RFC 9110, section 13.1.2).
fn is_among(etag: &str, known: &str) -> bool {
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// The key of a thumbnail whose client may leave before it is there.
struct Unfinished(Option<String>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(key) = &self.0 {
            println!("{key}: cancelled");
        }
    }
}

/// An error as an answer: its kind, and its words.
struct Failure(ErrorKind, String);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.kind(), error.to_string())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self(error.kind(), error.to_string())
    }
}

fn internal(error: impl std::error::Error) -> Failure {
    Failure(ErrorKind::Internal, error.to_string())
}

fn busy() -> Failure {
    Failure(ErrorKind::Unavailable, "too many thumbnails are being made".to_owned())
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(kind, words) = self;
        let status = match kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            // S3 also says so of a key that is not there, to a role that may not list the bucket.
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorKind::Malformed | ErrorKind::LimitExceeded => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        eprintln!("{status}: {words}");
        // The error names buckets and hosts, which are nobody's business; its kind is a word for everybody.
        let mut response = (status, [(CACHE_CONTROL, "no-store")], kind.as_str()).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        response
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().ok_or("usage: axum s3://BUCKET|FOLDER [ADDRESS]")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let videos = match place.strip_prefix("s3://") {
        // One client for all requests: it keeps connections and credentials.
        Some(name) => Videos::Bucket { client: S3Source::client_from_env().await?, name: name.to_owned() },
        None => Videos::Folder(place.into()),
    };
    let decoders = Arc::new(Semaphore::new(available_parallelism()?.get()));

    let listener = TcpListener::bind(address).await?;
    println!("http://{}/thumbnail/", listener.local_addr()?);
    let routes = Router::new().route("/thumbnail/{*key}", get(thumbnail));
    axum::serve(listener, routes.with_state(Server { videos, decoders })).await?;
    Ok(())
}

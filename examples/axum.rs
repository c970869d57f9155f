//! A thumbnail server for videos in S3 or in a folder: `axum s3://BUCKET|FOLDER [ADDRESS]`.
//!
//! `cargo run --example axum --no-default-features --features s3,tokio -- s3://films 127.0.0.1:3000`, then
//! `curl http://127.0.0.1:3000/thumbnail/videos/1_x.mp4 -o poster.jpg`.
//!
//! The server stores nothing. `ETag` and `Cache-Control` tell a cache in front of the server (a CDN, nginx) what to
//! store.
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

/// Time of the frame in the video.
const AT: Duration = Duration::from_secs(5);
/// Largest width of a thumbnail, in pixels.
const WIDTH: u32 = 640;
/// Maximum time of one request, including the wait for other requests.
const DEADLINE: Duration = Duration::from_secs(10);
/// The video behind a key may change, so caches must not store the thumbnail for ever.
const MAY_KEEP: &str = "public, max-age=300";

#[derive(Clone)]
struct Server {
    videos: Videos,
    /// The number of permits is the number of thumbnails that are created at the same time. With more permits than
    /// cores, each thumbnail would only finish later.
    decoders: Arc<Semaphore>,
}

#[derive(Clone)]
enum Videos {
    Folder(PathBuf),
    Bucket { client: S3Client, name: String },
}

impl Videos {
    /// Checks whether the path is a file. The check may block, so it needs a thread that may block.
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
    // When the client disconnects, this function's future is dropped, and the work ends.
    let unfinished = Unfinished(Some(key.clone()));
    let source = {
        let (videos, key) = (server.videos, key.clone());
        spawn_blocking(move || videos.open(&key)).await.map_err(internal)??
    };
    if let Some(known) = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok())
        // Any error here occurs again below, and is reported there.
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

/// Returns the picture and its ETag.
async fn make(source: Arc<dyn RangeSource>, time: Duration) -> Result<(Vec<u8>, Option<String>), Error> {
    let encoding = Encoding::default().with_bounds(Bounds::width(WIDTH));
    let request = FrameRequest::at(AT).with_encoding(encoding);
    let options = OpenOptions::default().with_frame(request).with_total_time(time);
    let mut media = AsyncMedia::open_source(source, options).await?;
    let picture = media.thumbnail(request).await?;
    // The ETag belongs to the version that was read, which may be newer than the version at the time of the request.
    Ok((picture.bytes, media.identity().as_ref().and_then(etag)))
}

/// Returns the current version of the video. The request transfers one byte.
async fn look(source: &Arc<dyn RangeSource>) -> Result<Identity, SourceError> {
    let first_byte = RangeRequest::Bounded(ByteRange::new(0, 1));
    Ok(source.get(GetRange::new(first_byte, None)).await?.identity)
}

/// Returns the ETag of a thumbnail. It changes when the video changes, or when this program creates thumbnails in
/// another way.
fn etag(identity: &Identity) -> Option<String> {
    let version = identity.etag.as_deref()?.trim_start_matches("W/").trim_matches('"');
    Some(format!("\"{version}-{}-{WIDTH}\"", AT.as_millis()))
}

/// Returns whether `If-None-Match` contains this ETag (RFC 9110, section 13.1.2).
fn is_among(etag: &str, known: &str) -> bool {
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// The key of a thumbnail whose client may disconnect before the thumbnail is ready.
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

/// An error as a response: its kind and its message.
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
    Failure(ErrorKind::Unavailable, "the server is busy with other thumbnails".to_owned())
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(kind, words) = self;
        let status = match kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            // S3 also returns 403 for a key that does not exist, if the role may not list the bucket.
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorKind::Malformed | ErrorKind::LimitExceeded => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        eprintln!("{status}: {words}");
        // The message contains names of buckets and hosts, which clients must not see. The kind is safe to return.
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
        // One client for all requests: it reuses connections and credentials.
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

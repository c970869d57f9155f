//! A small HTTP/1.1 server (hyper) with objects in memory: byte ranges, `If-Match`, `If-Unmodified-Since`.
//!
//! What tests of the reader can use:
//! - [`HttpServer::put`] stores an [`Object`] with a strong, a weak or no ETag, with or without `Last-Modified`. The server supports ranges
//!   or answers 200 ([`Object::without_ranges`]), or claims a content encoding ([`Object::encoded`]). Another `put` replaces the object.
//!   [`HttpServer::objects`] does the same from within a fault.
//! - `server.faults` ([`Faults`](super::Faults)): bodies cut after n bytes, stalls in a body, delays before a reply, no reply at all, any
//!   status with any headers (503 with `Retry-After`, redirects), 200 for a range, wrong and missing headers (`Content-Range`), objects
//!   replaced or truncated between two requests.
//! - `server.faults.seen()`: each request with method, path, query, headers, status and the bytes of its body.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use hyper::{Request, Response, StatusCode};

use super::{AnyBody, BoxError, Outcome, RangeIgnored, Server, body_of};
use crate::common::md5_hex;

/// An object and its properties on the server.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    bytes: Bytes,
    etag: Option<String>,
    last_modified: Option<String>,
    encoding: Option<&'static str>,
    ranges: bool,
}

impl Object {
    /// An object whose strong ETag is the hash of its bytes, without `Last-Modified`.
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let etag = Some(format!("\"{}\"", md5_hex(&bytes)));
        Self { bytes, etag, last_modified: None, encoding: None, ranges: true }
    }

    pub(crate) fn with_etag(self, etag: Option<&str>) -> Self {
        Self { etag: etag.map(str::to_owned), ..self }
    }

    /// Makes the ETag weak: the same hash after `W/`.
    pub(crate) fn with_weak_etag(self) -> Self {
        Self { etag: self.etag.map(|etag| format!("W/{etag}")), ..self }
    }

    pub(crate) fn with_last_modified(self, date: &str) -> Self {
        Self { last_modified: Some(date.to_owned()), ..self }
    }

    pub(crate) fn without_ranges(self) -> Self {
        Self { ranges: false, ..self }
    }

    /// Sends this `Content-Encoding`, whether the client accepts it or not.
    pub(crate) fn encoded(self, encoding: &'static str) -> Self {
        Self { encoding: Some(encoding), ..self }
    }
}

/// The objects of a server by their percent-encoded path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects(Arc<Mutex<HashMap<String, Object>>>);

impl Objects {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Object>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, path: &str, object: Object) {
        self.all().insert(path.to_owned(), object);
    }
}

#[derive(Debug)]
pub(crate) struct HttpServer {
    server: Server,
    objects: Objects,
}

impl std::ops::Deref for HttpServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl HttpServer {
    pub(crate) fn start() -> Outcome<Self> {
        let objects = Objects::default();
        let served = objects.clone();
        let server = Server::start(move |request| {
            let response = respond(&served, &request);
            Box::pin(async move { response })
        })?;
        Ok(Self { server, objects })
    }

    /// Stores an object at a path, and returns its URL.
    pub(crate) fn put(&self, path: &str, object: Object) -> String {
        self.objects.put(path, object);
        format!("{}{path}", self.endpoint())
    }

    pub(crate) fn objects(&self) -> Objects {
        self.objects.clone()
    }
}

fn respond(objects: &Objects, request: &Request<Incoming>) -> Result<Response<AnyBody>, BoxError> {
    let Some(object) = objects.all().get(request.uri().path()).cloned() else {
        return empty(StatusCode::NOT_FOUND);
    };
    if !is_as_expected(&object, request.headers()) {
        return empty(StatusCode::PRECONDITION_FAILED);
    }
    let size = object.bytes.len() as u64;
    let ignored = !object.ranges || request.extensions().get::<RangeIgnored>().is_some();
    let range = text(request.headers(), &RANGE).filter(|_| !ignored).and_then(|range| bounds(range, size));
    let mut response = Response::builder();
    if object.ranges {
        response = response.header(ACCEPT_RANGES, "bytes");
    }
    let headers = [(ETAG, &object.etag), (LAST_MODIFIED, &object.last_modified)]
        .map(|(name, text)| (name, text.as_deref()));
    for (name, value) in headers.into_iter().chain([(CONTENT_ENCODING, object.encoding)]) {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    let response = match range {
        None => response.body(body_of(object.bytes)),
        Some((start, end)) if start < end => response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1))
            .body(body_of(object.bytes.slice(usize::try_from(start)?..usize::try_from(end)?))),
        Some(_) => response
            .status(StatusCode::RANGE_NOT_SATISFIABLE)
            .header(CONTENT_RANGE, format!("bytes */{size}"))
            .body(body_of("")),
    };
    Ok(response?)
}

fn empty(status: StatusCode) -> Result<Response<AnyBody>, BoxError> {
    Ok(Response::builder().status(status).body(body_of(""))?)
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// RFC 9110, sections 13.1.1 and 13.1.4: weak ETags never match, and `If-Match` takes precedence over the date.
fn is_as_expected(object: &Object, headers: &HeaderMap) -> bool {
    if let Some(etag) = text(headers, &IF_MATCH) {
        return !etag.starts_with("W/") && object.etag.as_deref() == Some(etag);
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let modified: Option<SystemTime> = object.last_modified.as_deref().and_then(date);
    match (text(headers, &IF_UNMODIFIED_SINCE).and_then(date), modified) {
        (Some(asked), Some(modified)) => modified <= asked,
        _ => true,
    }
}

/// The first byte and the end of a range, in an object of `size` bytes. `None` if the range is invalid.
fn bounds(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some((size.saturating_sub(last.parse().ok()?), size));
    }
    let first = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()? + 1 };
    (first < end || last.is_empty()).then_some((first, end.min(size)))
}

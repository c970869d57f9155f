//! Real servers for the tests of sources, on 127.0.0.1, each in a separate thread: [`http_server`] and [`s3_server`].
//! A test crate includes this file with `#[path = "common/servers.rs"] mod servers;`.
//!
//! Both servers record every request ([`Seen`]), and apply the [`Faults`] that a test sets. A fault applies to one request by its number
//! (from 1), to the next few, to all, or to those that a closure selects. If several faults apply to a request, all of them happen.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

pub(crate) mod http_server;
pub(crate) mod s3_server;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RANGE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, BoxError>> + Send>>;

/// Bytes that were sent before a connection breaks get this time to arrive.
const BEFORE_THE_BREAK: Duration = Duration::from_millis(30);

/// The largest piece that is passed to a connection at once. Pieces are small, so that
/// [`Seen::body_bytes`] is close to what the client read.
const PIECE: usize = 64 << 10;

/// A fault of a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Runs this before the reply, to replace or truncate the object between two ranges, for example.
    Before(Arc<dyn Fn() + Send + Sync>),
    /// Delays the reply.
    Delay(Duration),
    /// Closes the connection without a reply.
    NoReply,
    /// Sends this reply instead.
    Reply { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Sends the whole object with status 200, as if the request had no range.
    IgnoreRange,
    /// Replaces a header of the reply, or removes it.
    Header(&'static str, Option<String>),
    /// Sends no length of the body. This works only where the server does not set the length itself: on [`http_server`].
    NoLength,
    /// Ends the body and the connection after this number of bytes.
    CutBody(u64),
    /// Pauses the body after `after` bytes, and then continues.
    StallBody { after: u64, pause: Duration },
}

impl Fault {
    /// Runs `action` before the reply.
    pub(crate) fn before(action: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(action))
    }

    /// Replies with a status, without body and headers.
    pub(crate) fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: String::new() }
    }

    /// An error in S3's format. S3 answers too many requests with 503 and the code `SlowDown`.
    pub(crate) fn s3_error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        Self::Reply { status, headers: vec![("content-type", "application/xml".to_owned())], body }
    }

    /// Adds a header to the reply: `Retry-After`, or the target of a redirect.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) method: Method,
    /// Percent-encoded, as received.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// 0 before the reply.
    pub(crate) status: u16,
    body_bytes: Arc<AtomicU64>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn range(&self) -> Option<&str> {
        self.header(RANGE.as_str())
    }

    /// Bytes of the body that were passed to the connection so far. The client may have read fewer.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }
}

/// Selects the requests that a fault applies to.
type Which = Box<dyn Fn(&Seen) -> bool + Send>;

struct Rule {
    times: u64,
    which: Which,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

/// The requests of a server, and their faults.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the fault to the first `times` requests that `which` selects.
    pub(crate) fn when(&self, times: u64, which: impl Fn(&Seen) -> bool + Send + 'static, fault: Fault) {
        self.state().rules.push(Rule { times, which: Box::new(which), fault });
    }

    /// Applies the fault to the request with this number, counted from 1.
    pub(crate) fn on_request(&self, number: u64, fault: Fault) {
        self.when(1, move |seen| seen.number == number, fault);
    }

    /// Applies the fault to the next `times` requests.
    pub(crate) fn on_next(&self, times: u64, fault: Fault) {
        self.when(times, |_| true, fault);
    }

    /// Applies the fault to every request.
    pub(crate) fn always(&self, fault: Fault) {
        self.on_next(u64::MAX, fault);
    }

    /// Removes all faults.
    pub(crate) fn clear(&self) {
        self.state().rules.clear();
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// The last request so far.
    pub(crate) fn last(&self) -> Outcome<Seen> {
        Ok(self.state().seen.last().cloned().ok_or("no request came")?)
    }

    fn begin<B>(&self, request: &Request<B>) -> (Seen, Vec<Fault>) {
        let mut state = self.state();
        let seen = Seen {
            number: state.seen.len() as u64 + 1,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: request.headers().clone(),
            status: 0,
            body_bytes: Arc::default(),
        };
        state.seen.push(seen.clone());
        let mut faults = Vec::new();
        for rule in &mut state.rules {
            if rule.times > 0 && (rule.which)(&seen) {
                rule.times -= 1;
                faults.push(rule.fault.clone());
            }
        }
        (seen, faults)
    }

    fn replied(&self, number: u64, status: StatusCode) {
        if let Some(seen) = self.state().seen.iter_mut().find(|seen| seen.number == number) {
            seen.status = status.as_u16();
        }
    }
}

/// An extension of requests that are answered as if they had no `Range`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeIgnored;

/// PEM files of a server's certificate and key.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    fn acceptor(&self) -> Outcome<TlsAcceptor> {
        let chain = CertificateDer::pem_file_iter(&self.chain)?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(&self.key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = builder.with_no_client_auth().with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    pub(crate) faults: Faults,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server. Without faults, it sends the answers of `respond`.
    pub(crate) fn start(
        respond: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
    ) -> Outcome<Self> {
        Self::start_with(None, respond)
    }

    /// Starts such a server, with TLS if there is a certificate.
    pub(crate) fn start_with(
        certificate: Option<&Certificate>,
        respond: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
    ) -> Outcome<Self> {
        let tls = certificate.map(Certificate::acceptor).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let faults = Faults::default();
        let (stop, stopped) = oneshot::channel();
        let accepting = accept(listener, tls, Arc::new(respond), faults.clone());
        let thread = thread::spawn(move || {
            let _accepting = runtime.spawn(accepting);
            // The sender is never used: this wait ends when the sender is dropped, and all connections end with the runtime.
            let _: Result<Infallible, _> = runtime.block_on(stopped);
        });
        Ok(Self { address, scheme, faults, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL `http://127.0.0.1:port`, or `https`.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has already failed the test.
            let _ = thread.join();
        }
    }
}

async fn accept<R>(listener: StdListener, tls: Option<TlsAcceptor>, respond: Arc<R>, faults: Faults)
where
    R: Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
{
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, respond, faults) = (tls.clone(), Arc::clone(&respond), faults.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&respond), faults.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new();
            // Some tests break connections on purpose, and some clients reject the certificate.
            match tls {
                None => drop(connection.serve_connection(TokioIo::new(stream), service).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(connection.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
    }
}

/// Answers one request, and applies its faults.
async fn answer<R>(
    respond: Arc<R>,
    all_faults: Faults,
    mut request: Request<Incoming>,
) -> Result<Response<SpoiltBody>, BoxError>
where
    R: Fn(Request<Incoming>) -> Answer + Send + Sync,
{
    let (seen, faults) = all_faults.begin(&request);
    let mut instead = None;
    for fault in &faults {
        match fault {
            Fault::Before(action) => action(),
            Fault::Delay(time) => sleep(*time).await,
            Fault::NoReply => return Err("no reply, on purpose".into()),
            Fault::Reply { status, headers, body } => instead = Some(canned(*status, headers, body)?),
            Fault::IgnoreRange => drop(request.extensions_mut().insert(RangeIgnored)),
            Fault::Header(..) | Fault::NoLength | Fault::CutBody(_) | Fault::StallBody { .. } => {}
        }
    }
    let mut response = match instead {
        Some(response) => response,
        None => respond(request).await?,
    };
    for fault in &faults {
        if let Fault::Header(name, value) = fault {
            let name = HeaderName::from_static(name);
            response.headers_mut().remove(&name);
            if let Some(value) = value {
                response.headers_mut().insert(name, HeaderValue::from_str(value)?);
            }
        }
    }
    all_faults.replied(seen.number, response.status());
    Ok(response.map(|body| SpoiltBody::new(body, seen.body_bytes, &faults)))
}

/// A body in memory.
pub(crate) fn body_of(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn canned(
    status: u16,
    headers: &[(&'static str, String)],
    body: &str,
) -> Result<Response<AnyBody>, BoxError> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    Ok(response.body(body_of(body.to_owned()))?)
}

/// A body that counts its bytes, and that a fault can cut or pause.
struct SpoiltBody {
    inner: AnyBody,
    count: Arc<AtomicU64>,
    sent: u64,
    cut: Option<u64>,
    stall: Option<(u64, Duration)>,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Received bytes that are not sent yet.
    rest: Bytes,
    no_length: bool,
}

impl SpoiltBody {
    fn new(inner: AnyBody, count: Arc<AtomicU64>, faults: &[Fault]) -> Self {
        let (mut cut, mut stall, mut no_length) = (None, None, false);
        for fault in faults {
            match fault {
                Fault::NoLength => no_length = true,
                Fault::CutBody(bytes) => cut = Some(*bytes),
                Fault::StallBody { after, pause } => stall = Some((*after, *pause)),
                _ => {}
            }
        }
        Self { inner, count, sent: 0, cut, stall, waiting: None, rest: Bytes::new(), no_length }
    }

    /// The next position in the body where a fault happens.
    fn next_event(&self) -> u64 {
        let stall = self.stall.map(|(after, _)| after);
        self.cut.unwrap_or(u64::MAX).min(stall.unwrap_or(u64::MAX))
    }

    fn take(&mut self) -> Bytes {
        let room = usize::try_from(self.next_event() - self.sent).unwrap_or(usize::MAX).min(PIECE);
        let piece = self.rest.split_to(self.rest.len().min(room));
        self.sent += piece.len() as u64;
        self.count.store(self.sent, Ordering::Relaxed);
        piece
    }
}

impl Body for SpoiltBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
                if self.cut == Some(self.sent) {
                    return Poll::Ready(Some(Err("the body ends here, on purpose".into())));
                }
            }
            let sent = self.sent;
            if let Some((_, pause)) = self.stall.take_if(|(after, _)| *after == sent) {
                self.waiting = Some(Box::pin(sleep(pause)));
            } else if self.cut == Some(self.sent) {
                self.waiting = Some(Box::pin(sleep(BEFORE_THE_BREAK)));
            } else if !self.rest.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(self.take()))));
            } else {
                match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                    Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if self.no_length { SizeHint::default() } else { self.inner.size_hint() }
    }
}

//! Real servers for the tests of sources, on 127.0.0.1, each in a thread of its own: [`http_server`] and [`s3_server`].
//! A test crate says `#[path = "common/servers.rs"] mod servers;`.
//!
//! Both record every request ([`Seen`]), and do as [`Faults`] say: nothing, unless told otherwise. Faults are set for one
//! request by its number (from 1), for the next few, for all, or for those that a closure picks; where several apply to a
//! request, all of them happen.
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

/// Bytes that were sent before a connection breaks have time to arrive.
const BEFORE_THE_BREAK: Duration = Duration::from_millis(30);

/// Most bytes that are given to a connection at once, so that [`Seen::body_bytes`] tells what the client took.
const PIECE: usize = 64 << 10;

/// What goes wrong with a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// This is called first. To replace or truncate the object, say, between two ranges.
    Before(Arc<dyn Fn() + Send + Sync>),
    /// The reply waits.
    Delay(Duration),
    /// The connection is closed without a reply.
    NoReply,
    /// This reply instead.
    Reply { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// The whole object with status 200, as if no range had been asked for.
    IgnoreRange,
    /// A header of the reply is another, or missing.
    Header(&'static str, Option<String>),
    /// The length of the body is not told. Only where the server does not set it itself: on [`http_server`].
    NoLength,
    /// The body ends after so many bytes, and the connection with it.
    CutBody(u64),
    /// The body pauses after so many bytes, and then goes on.
    StallBody { after: u64, pause: Duration },
}

impl Fault {
    /// Calls `action` first.
    pub(crate) fn before(action: impl Fn() + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(action))
    }

    /// A status, and no more than that.
    pub(crate) fn status(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: String::new() }
    }

    /// What S3 says of its errors. Too many requests are 503 with the code `SlowDown`.
    pub(crate) fn s3_error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        Self::Reply { status, headers: vec![("content-type", "application/xml".to_owned())], body }
    }

    /// The same reply with one more header: `Retry-After`, or where a redirect leads.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) method: Method,
    /// Percent-encoded, as it came.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// 0 until there is a reply.
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

    /// Bytes of the body that were given to the connection so far. The client may have read fewer.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }
}

/// Which requests a fault is for.
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

/// The requests of a server, and what goes wrong with them.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault happens to the first `times` requests that `which` picks.
    pub(crate) fn when(&self, times: u64, which: impl Fn(&Seen) -> bool + Send + 'static, fault: Fault) {
        self.state().rules.push(Rule { times, which: Box::new(which), fault });
    }

    /// To the request of this number, counted from 1.
    pub(crate) fn on_request(&self, number: u64, fault: Fault) {
        self.when(1, move |seen| seen.number == number, fault);
    }

    /// To the next requests, so many.
    pub(crate) fn on_next(&self, times: u64, fault: Fault) {
        self.when(times, |_| true, fault);
    }

    /// To every request.
    pub(crate) fn always(&self, fault: Fault) {
        self.on_next(u64::MAX, fault);
    }

    /// Nothing goes wrong from now on.
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

/// In the extensions of a request that is to be answered as if it had no `Range`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RangeIgnored;

/// PEM files that a server proves itself with.
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
    /// Starts a server whose good answers are those of `respond`.
    pub(crate) fn start(
        respond: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
    ) -> Outcome<Self> {
        Self::start_with(None, respond)
    }

    /// The same, over TLS if there is a certificate.
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
            // The sender is never used: this ends when it is dropped, and with the runtime all connections.
            let _: Result<Infallible, _> = runtime.block_on(stopped);
        });
        Ok(Self { address, scheme, faults, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:port`, or `https`
    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has failed the test already.
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
            // Broken connections are what some tests are about, and clients that trust nobody.
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

/// Answers one request, with all that goes wrong with it.
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

/// A body that counts its bytes, and breaks off or pauses where it is told to.
struct SpoiltBody {
    inner: AnyBody,
    count: Arc<AtomicU64>,
    sent: u64,
    cut: Option<u64>,
    stall: Option<(u64, Duration)>,
    waiting: Option<Pin<Box<Sleep>>>,
    /// What came and was not sent yet.
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

    /// The next byte where something happens.
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

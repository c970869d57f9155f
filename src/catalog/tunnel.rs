//! An SSH tunnel in this process, which leads through a bastion to the database.
//!
//! [`Tunnel::socket`] returns the path of a Unix socket whose connections end at the database. A socket is used instead
//! of a port because nobody else on the machine can use it (its folder is accessible to this user only), and because
//! the client can still verify the server's certificate against the database's real name. `host_key` checks the
//! bastion's host key, `key` reads the private key, and `session` is one SSH connection.

mod host_key;
#[cfg(feature = "cli")]
mod inspect;
mod key;
mod session;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::host_key::Pin;
#[cfg(feature = "cli")]
pub(crate) use self::inspect::shown_key;
use self::session::{Refused, Session, Target};
use super::{CatalogError, ResolveSecret, private_socket};
use crate::ErrorKind;
use crate::config::BastionSettings;

/// A session that has been silent for longer, in wall-clock time, is checked before use. The process may have been
/// frozen in the meantime: then no timer of this process has run, and the bastion has closed the session.
const TRUSTED_FOR: Duration = Duration::from_secs(20);

/// An SSH tunnel from a Unix socket, in a private folder, to the database.
///
/// Dropping the tunnel ends the session and all connections through it, and removes the socket and the folder.
pub struct Tunnel {
    bastion: BastionSettings,
    pin: Pin,
    secrets: ResolveSecret,
    target: Target,
    shared: Arc<Shared>,
    entrance: tokio::sync::Mutex<Option<Entrance>>,
}

/// The state that the tunnel shares with its connections.
#[derive(Default)]
struct Shared {
    session: Mutex<Option<Arc<Session>>>,
    refusal: Mutex<Option<Refused>>,
}

impl Shared {
    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the session. The previous session ends.
    fn replace(&self, session: Option<Session>) {
        let session = session.map(Arc::new);
        let old =
            std::mem::replace(&mut *self.session.lock().unwrap_or_else(PoisonError::into_inner), session);
        if let Some(old) = old {
            old.end();
        }
    }

    fn remember(&self, refusal: Option<Refused>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

/// The socket, and the task that accepts its connections.
struct Entrance {
    socket: PathBuf,
    _folder: TempDir,
    accepting: JoinHandle<()>,
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Tunnel {
    /// Creates a tunnel through `bastion` to `target_host`, a name as the bastion resolves it. No connection is opened
    /// yet.
    ///
    /// # Errors
    /// [`CatalogError::Tunnel`] of kind [`Config`](ErrorKind::Config) when the pinned host key is not a valid key.
    pub fn new(
        bastion: &BastionSettings,
        target_host: &str,
        target_port: u16,
        secrets: ResolveSecret,
    ) -> Result<Self, CatalogError> {
        Ok(Self {
            pin: Pin::new(&bastion.host_key).map_err(|message| error(bastion, ErrorKind::Config, message))?,
            bastion: bastion.clone(),
            secrets,
            target: Target { host: target_host.to_owned(), port: target_port },
            shared: Arc::default(),
            entrance: tokio::sync::Mutex::new(None),
        })
    }

    /// Returns the path of a socket whose connections end at the database. If there is no session or it has died, a new
    /// session is opened first. Call this before every connection; concurrent callers wait for one another.
    ///
    /// The path stays the same from one session to the next. Connections of a session that has died are closed.
    ///
    /// # Errors
    /// [`CatalogError::Tunnel`] of kind [`Unavailable`](ErrorKind::Unavailable) when the bastion cannot be reached,
    /// [`Denied`](ErrorKind::Denied) for a wrong host key or a refused user, [`Config`](ErrorKind::Config) for a
    /// private key that cannot be read. Errors of `secrets` are passed on.
    pub async fn socket(&self) -> Result<PathBuf, CatalogError> {
        let mut entrance = self.entrance.lock().await;
        if !self.lives().await {
            self.shared.replace(None);
            self.shared.replace(Some(self.open().await?));
            self.shared.remember(None);
        }
        if let Some(open) = entrance.as_ref().filter(|open| !open.accepting.is_finished()) {
            return Ok(open.socket.clone());
        }
        let new = self.enter().map_err(|problem| {
            let message = format!("cannot create a socket in the folder for temporary files: {problem}");
            self.error(ErrorKind::Config, message)
        })?;
        Ok(entrance.insert(new).socket.clone())
    }

    /// Returns the reason why the bastion last refused to connect to the database, to explain a connection that was
    /// closed immediately. `None` if the last connection was accepted.
    pub fn last_refusal(&self) -> Option<CatalogError> {
        let refusal = self.shared.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refusal.map(|Refused { kind, message }| self.error(kind, message))
    }

    async fn lives(&self) -> bool {
        let Some(session) = self.shared.session().filter(|session| !session.is_over()) else { return false };
        session.heard_of_within(TRUSTED_FOR, SystemTime::now()) || session.answers().await
    }

    async fn open(&self) -> Result<Session, CatalogError> {
        let secret = (self.secrets)(self.bastion.key.clone()).await?;
        let key = key::read(&secret).map_err(|message| self.error(ErrorKind::Config, message))?;
        let session = Session::open(&self.bastion, &self.pin, key).await;
        session.map_err(|Refused { kind, message }| self.error(kind, message))
    }

    fn enter(&self) -> io::Result<Entrance> {
        let (folder, socket) = private_socket()?;
        let listener = UnixListener::bind(&socket)?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&self.shared), self.target.clone()));
        Ok(Entrance { socket, _folder: folder, accepting })
    }

    fn error(&self, kind: ErrorKind, message: String) -> CatalogError {
        error(&self.bastion, kind, message)
    }
}

fn error(bastion: &BastionSettings, kind: ErrorKind, message: String) -> CatalogError {
    CatalogError::Tunnel { kind, bastion: format!("{}:{}", bastion.host, bastion.port), message }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.shared.replace(None);
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bastion, target) = (&self.bastion, &self.target);
        f.debug_struct("Tunnel").field("bastion", bastion).field("target", target).finish_non_exhaustive()
    }
}

/// Accepts connections and forwards each through the current session.
async fn accept(listener: UnixListener, shared: Arc<Shared>, target: Target) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(lead(stream, Arc::clone(&shared), target.clone()))),
            // For example, too many files are open: waiting connections are accepted once others are closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Forwards one connection to the database. A refused connection is closed immediately.
async fn lead(stream: UnixStream, shared: Arc<Shared>, target: Target) {
    let Some(session) = shared.session() else { return };
    match session.channel(&target).await {
        Ok(channel) => {
            shared.remember(None);
            session.copy(stream, channel).await;
        }
        Err(refused) => shared.remember(Some(refused)),
    }
}

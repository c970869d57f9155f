//! The way to the database through a bastion: an SSH tunnel in the process.
//!
//! [`Tunnel::socket`] names a Unix socket whose connections end at the database. A socket and no port: nobody else on the
//! machine can use it (its folder is for this user alone), and whoever connects to it can still hold the server's certificate
//! against the database's real name. `host_key` decides whether the bastion is the right one, `key` reads the private key, and
//! `session` is one SSH connection.

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

/// A session that was not heard of for so long, in wall-clock time, is asked whether it lives before it is relied on. The
/// process may have been frozen since: then no timer of ours has run, and the bastion has given us up.
const TRUSTED_FOR: Duration = Duration::from_secs(20);

/// An SSH tunnel from a Unix socket in a folder of its own to the database.
///
/// Dropping it ends the session and every connection through it, and removes socket and folder.
pub struct Tunnel {
    bastion: BastionSettings,
    pin: Pin,
    secrets: ResolveSecret,
    target: Target,
    shared: Arc<Shared>,
    entrance: tokio::sync::Mutex<Option<Entrance>>,
}

/// What the tunnel shares with those who go through it.
#[derive(Default)]
struct Shared {
    session: Mutex<Option<Arc<Session>>>,
    refusal: Mutex<Option<Refused>>,
}

impl Shared {
    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts `session` in place of the one before, which ends.
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
    /// A tunnel through `bastion` to `target_host`, as the bastion knows it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`CatalogError::Tunnel`] of kind [`Config`](ErrorKind::Config) for a pinned host key that is none.
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

    /// The socket whose connections end at the database, with a session behind it that lives: one is opened if there is
    /// none or it has died. To be asked before every connection; callers wait for one another.
    ///
    /// The path stays the same from one session to the next. Connections of a session that died are closed.
    ///
    /// # Errors
    /// [`CatalogError::Tunnel`]: [`Unavailable`](ErrorKind::Unavailable) when the bastion cannot be reached,
    /// [`Denied`](ErrorKind::Denied) for a wrong host key or a user it does not let in, [`Config`](ErrorKind::Config) for a
    /// private key that cannot be read. Errors of `secrets`.
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
            let message = format!("no socket can be made in the folder for temporary files: {problem}");
            self.error(ErrorKind::Config, message)
        })?;
        Ok(entrance.insert(new).socket.clone())
    }

    /// Why the bastion last refused to go on to the database, for the error of a connection that was closed at once.
    /// `None` when the last one was let through.
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

/// Leads the connections of `listener` through the session of the moment.
async fn accept(listener: UnixListener, shared: Arc<Shared>, target: Target) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(lead(stream, Arc::clone(&shared), target.clone()))),
            // No more files may be opened, say: those that wait are accepted once others are closed.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Leads one connection to the database. Where that is not to be, it is closed at once.
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

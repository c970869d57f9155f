//! One SSH connection to the bastion.

use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use russh::client::{AuthResult, Config, Handle, Handler, Msg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Channel, ChannelOpenFailure, Error};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::reach::reach;
use super::host_key::{Pin, described};
use crate::ErrorKind;
use crate::config::BastionSettings;

/// How long name and connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the handshake may take, and then the login.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the bastion may take to reach the database.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(15);
/// An answer to a question that costs the bastion nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A bastion that is silent for so long is asked whether it is there, and given up after so many questions.
const KEEPALIVE: (Duration, usize) = (Duration::from_secs(15), 3);

/// What the bastion leads to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
}

/// What was refused, and what that means.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

impl Refused {
    fn unavailable(message: String) -> Self {
        Self { kind: ErrorKind::Unavailable, message }
    }
}

/// Decides on the bastion's key. Its sender is dropped with the session, which tells everybody who watches it.
struct Watcher {
    pin: Pin,
    shown: Arc<Mutex<Option<String>>>,
    _over: watch::Sender<()>,
}

impl Handler for Watcher {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        // Certificates are not offered, so none is shown.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(described(key));
        Ok(self.pin.accepts(key))
    }
}

/// The connection below a session. Closing it is the one way to end a session for certain: a bastion that takes nothing
/// any more would never hear of anything else.
struct Wire(StdTcpStream);

impl Drop for Wire {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// An SSH session whose user is logged in.
pub(super) struct Session {
    handle: Handle<Watcher>,
    wire: Wire,
    over: watch::Receiver<()>,
    heard_of: Mutex<SystemTime>,
}

impl Session {
    /// Connects, checks the host key and logs in.
    pub(super) async fn open(bastion: &BastionSettings, pin: &Pin, key: PrivateKey) -> Result<Self, Refused> {
        let (stream, wire) = connect(bastion).await?;
        let (over_sender, over) = watch::channel(());
        let shown = Arc::new(Mutex::new(None));
        let watcher = Watcher { pin: pin.clone(), shown: Arc::clone(&shown), _over: over_sender };
        let config = Config {
            keepalive_interval: Some(KEEPALIVE.0),
            keepalive_max: KEEPALIVE.1,
            preferred: pin.preferred(),
            nodelay: true,
            ..Config::default()
        };
        let handshake = russh::client::connect_stream(Arc::new(config), stream, watcher);
        let failed = |error| {
            let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
            handshake_refused(&error, shown, pin)
        };
        let mut handle = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(handle) => handle.map_err(failed)?,
            Err(_) => return Err(Refused::unavailable(silent("the SSH handshake", HANDSHAKE_TIMEOUT))),
        };
        match timeout(HANDSHAKE_TIMEOUT, log_in(&mut handle, &bastion.user, key)).await {
            Ok(done) => done?,
            Err(_) => return Err(Refused::unavailable(silent("the login", HANDSHAKE_TIMEOUT))),
        }
        Ok(Self { handle, wire, over, heard_of: Mutex::new(SystemTime::now()) })
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.handle.is_closed()
    }

    /// Whether the bastion was last heard of less than `time` before `now`. A clock that was set back knows nothing.
    pub(super) fn heard_of_within(&self, time: Duration, now: SystemTime) -> bool {
        let heard_of = *self.heard_of.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(heard_of).is_ok_and(|past| past < time)
    }

    /// Asks the bastion for a sign of life, and gives it little time for it.
    pub(super) async fn answers(&self) -> bool {
        // A ping that the end of the session has answered is told from a good one by that end.
        let answered = matches!(timeout(ANSWER_TIMEOUT, self.handle.send_ping()).await, Ok(Ok(())));
        let lives = answered && !self.is_over();
        if lives {
            self.note_sign_of_life();
        }
        lives
    }

    fn note_sign_of_life(&self) {
        *self.heard_of.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now();
    }

    /// A way to `target`.
    pub(super) async fn channel(&self, target: &Target) -> Result<Channel<Msg>, Refused> {
        let Target { host, port } = target;
        // Who asks is nobody on the network; SSH wants an address all the same (RFC 4254, section 7.2).
        let opening = self.handle.channel_open_direct_tcpip(host, u32::from(*port), "127.0.0.1", 0);
        match timeout(CHANNEL_TIMEOUT, opening).await {
            Ok(Ok(channel)) => {
                self.note_sign_of_life();
                Ok(channel)
            }
            Ok(Err(error)) => Err(channel_refused(&error, target)),
            Err(_) => Err(Refused::unavailable(silent(&format!("opening {host}:{port}"), CHANNEL_TIMEOUT))),
        }
    }

    /// Copies both ways until both are at their end, one breaks, or the session ends.
    pub(super) async fn copy(&self, mut near: UnixStream, channel: Channel<Msg>) {
        let mut over = self.over.clone();
        let mut far = channel.into_stream();
        tokio::select! {
            // Whichever side broke, the other learns of it when both are dropped.
            _ = copy_bidirectional(&mut near, &mut far) => {}
            // Nothing is ever sent: this is the sender's end.
            _ = over.changed() => {}
        }
    }

    /// Ends it, and with it all that goes through it.
    pub(super) fn end(&self) {
        // It may be closed already.
        let _ = self.wire.0.shutdown(Shutdown::Both);
    }
}

async fn connect(bastion: &BastionSettings) -> Result<(TcpStream, Wire), Refused> {
    let connecting = reach(&bastion.host, bastion.port);
    let hint = "check BASTION_HOST and the bastion's security group (SSH from this function)";
    let stream = match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Refused::unavailable(format!("cannot connect: {error}; {hint}"))),
        Err(_) => {
            let message = format!("cannot connect within {} s; {hint}", CONNECT_TIMEOUT.as_secs());
            return Err(Refused::unavailable(message));
        }
    };
    let doubled = || -> std::io::Result<_> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let wire = Wire(stream.try_clone()?);
        Ok((TcpStream::from_std(stream)?, wire))
    };
    doubled().map_err(|error| Refused::unavailable(format!("cannot connect: {error}")))
}

async fn log_in(handle: &mut Handle<Watcher>, user: &str, key: PrivateKey) -> Result<(), Refused> {
    let broken = |error: Error| Refused::unavailable(format!("the login broke off: {error}"));
    let is_rsa = key.algorithm().is_rsa();
    // SHA-1, which a plain `ssh-rsa` means, is not offered: servers refuse it today. Those that do not say prefer SHA-512.
    let hash = match is_rsa {
        true => handle.best_supported_rsa_hash().await.map_err(broken)?.flatten(),
        false => None,
    };
    let hash = hash.or(Some(russh::keys::HashAlg::Sha512));
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    let AuthResult::Failure { partial_success, .. } =
        handle.authenticate_publickey(user, key).await.map_err(broken)?
    else {
        return Ok(());
    };
    let message = match partial_success {
        true => format!("the bastion wants more than the key of user {user}"),
        false => format!(
            "login as {user} is refused: check BASTION_USER, and that the key in BASTION_SSH_KEY_SECRET is one of that \
             user's authorized_keys{}",
            match is_rsa {
                true =>
                    "; or its sshd takes RSA keys with SHA-1 alone (OpenSSH before 7.2, or PubkeyAcceptedAlgorithms): then an Ed25519 key is let in",
                false => "",
            }
        ),
    };
    Err(Refused { kind: ErrorKind::Denied, message })
}

const NEWER: &str = "let it run a newer OpenSSH, or permit newer algorithms in its sshd_config";

/// Why no common algorithm was found, where that is the bastion's age and not the key that is pinned.
pub(super) fn old_algorithms(error: &Error) -> Option<String> {
    let Error::NoCommonAlgo { kind, ours, theirs } = error else { return None };
    let (what, option) = match kind {
        AlgorithmKind::Kex => ("key exchange", "KexAlgorithms"),
        // The same key signs with SHA-1 or better; a pinned key of another type is no question of age.
        AlgorithmKind::Key => {
            let signs_by_sha1 = theirs.iter().any(|name| name == "ssh-rsa")
                && ours.iter().any(|name| name.starts_with("rsa-sha2"));
            if !signs_by_sha1 && ours.len() == 1 {
                return None;
            }
            ("host key", "HostKeyAlgorithms")
        }
        AlgorithmKind::Cipher => ("encryption", "Ciphers"),
        AlgorithmKind::Mac => ("message authentication", "MACs"),
        AlgorithmKind::Compression => ("compression", "Compression"),
    };
    let (ours, theirs) = (ours.join(", "), theirs.join(", "));
    Some(format!(
        "its sshd has only old algorithms of {what} ({option}): {theirs}; this program has {ours}; {NEWER}"
    ))
}

fn handshake_refused(error: &Error, shown: Option<String>, pin: &Pin) -> Refused {
    const HINT: &str = "if the bastion was replaced, pin its new key, or else somebody stands between";
    if let Some(message) = old_algorithms(error) {
        return Refused { kind: ErrorKind::Config, message };
    }
    let message = match (error, shown) {
        (Error::UnknownKey, Some(shown)) => {
            let types = match pin {
                Pin::Fingerprint(_) => " (to pin another of its keys, give the whole key)",
                Pin::Key(_) | Pin::Any => "",
            };
            format!(
                "it shows the host key {shown}, which is not the one that BASTION_HOST_KEY pins{types}; {HINT}"
            )
        }
        (Error::NoCommonAlgo { kind: AlgorithmKind::Key, ours, theirs }, _) => {
            let (ours, theirs) = (ours.join(", "), theirs.join(", "));
            format!(
                "it has host keys of the types {theirs}, and BASTION_HOST_KEY pins one of type {ours}; {HINT}"
            )
        }
        _ => return Refused::unavailable(format!("the SSH handshake failed: {error}")),
    };
    Refused { kind: ErrorKind::Denied, message }
}

fn channel_refused(error: &Error, target: &Target) -> Refused {
    let Target { host, port } = target;
    let (kind, reason) = match error {
        Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited) => (
            ErrorKind::Denied,
            "forwarding is prohibited (AllowTcpForwarding and PermitOpen in its sshd_config)"
                .to_owned(),
        ),
        Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed) => (
            ErrorKind::Unavailable,
            "it cannot connect there (the name, or the database's security group: it must let the bastion in)"
                .to_owned(),
        ),
        other => (ErrorKind::Unavailable, other.to_string()),
    };
    Refused { kind, message: format!("no way to {host}:{port}: {reason}") }
}

fn silent(what: &str, time: Duration) -> String {
    format!("{what} has no answer within {} s", time.as_secs())
}

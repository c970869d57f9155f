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

/// Time limit for name resolution and connection together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the handshake, and for the login after it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for the bastion to connect to the database.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(15);
/// Time limit for the response to a ping, which costs the bastion almost nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// A bastion that is silent for this time receives a keepalive request; after this number of unanswered requests the
/// session ends.
const KEEPALIVE: (Duration, usize) = (Duration::from_secs(15), 3);

/// The address behind the bastion.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A refusal: the kind of failure and the message.
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

/// Verifies the bastion's key. The sender is dropped with the session, which notifies everybody who watches it.
struct Watcher {
    pin: Pin,
    shown: Arc<Mutex<Option<String>>>,
    _over: watch::Sender<()>,
}

impl Handler for Watcher {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        // Certificates are not offered, so the server presents none.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(described(key));
        Ok(self.pin.accepts(key))
    }
}

/// The TCP connection of a session. Closing this connection is the only reliable way to end a session: a bastion that
/// no longer reads would never receive a message.
struct Wire(StdTcpStream);

impl Drop for Wire {
    fn drop(&mut self) {
        // The connection may already be closed.
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

    /// Returns whether the session has ended.
    pub(super) fn is_over(&self) -> bool {
        self.handle.is_closed()
    }

    /// Returns whether the bastion sent something within `time` before `now`. Returns false if the clock was set back.
    pub(super) fn heard_of_within(&self, time: Duration, now: SystemTime) -> bool {
        let heard_of = *self.heard_of.lock().unwrap_or_else(PoisonError::into_inner);
        now.duration_since(heard_of).is_ok_and(|past| past < time)
    }

    /// Sends a ping and waits for the response for a short time.
    pub(super) async fn answers(&self) -> bool {
        // The end of a session also completes a ping, so check that the session has not ended.
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

    /// Opens a channel to `target`.
    pub(super) async fn channel(&self, target: &Target) -> Result<Channel<Msg>, Refused> {
        let Target { host, port } = target;
        // The client has no network address, but SSH requires one (RFC 4254, section 7.2).
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

    /// Copies in both directions until both are finished, one breaks, or the session ends.
    pub(super) async fn copy(&self, mut near: UnixStream, channel: Channel<Msg>) {
        let mut over = self.over.clone();
        let mut far = channel.into_stream();
        tokio::select! {
            // If one side breaks, the other side notices when both are dropped.
            _ = copy_bidirectional(&mut near, &mut far) => {}
            // Nothing is ever sent; this resolves when the sender is dropped.
            _ = over.changed() => {}
        }
    }

    /// Ends the session and all its channels.
    pub(super) fn end(&self) {
        // The connection may already be closed.
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
    let broken =
        |error: Error| Refused::unavailable(format!("the connection broke during the login: {error}"));
    let is_rsa = key.algorithm().is_rsa();
    // SHA-1, which plain `ssh-rsa` means, is not offered: servers refuse it today. SHA-512 is used for servers that
    // announce no algorithms.
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
        true => format!("the bastion requires more than the key of user {user}"),
        false => format!(
            "login as {user} is refused: check BASTION_USER, and that the key in BASTION_SSH_KEY_SECRET is in this \
             user's authorized_keys{}",
            match is_rsa {
                true =>
                    "; or its sshd accepts RSA keys with SHA-1 only (OpenSSH before 7.2, or PubkeyAcceptedAlgorithms): use an Ed25519 key",
                false => "",
            }
        ),
    };
    Err(Refused { kind: ErrorKind::Denied, message })
}

const NEWER: &str = "run a newer OpenSSH on the bastion, or permit newer algorithms in its sshd_config";

/// Explains a failed negotiation, if the reason is an old bastion and not the pinned key.
pub(super) fn old_algorithms(error: &Error) -> Option<String> {
    let Error::NoCommonAlgo { kind, ours, theirs } = error else { return None };
    let (what, option) = match kind {
        AlgorithmKind::Kex => ("key exchange", "KexAlgorithms"),
        // The same key can sign with SHA-1 or better; a pinned key of another type has nothing to do with age.
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
        "its sshd supports only old {what} algorithms ({option}): {theirs}; this program supports {ours}; {NEWER}"
    ))
}

fn handshake_refused(error: &Error, shown: Option<String>, pin: &Pin) -> Refused {
    const HINT: &str =
        "if the bastion was replaced, pin its new key; otherwise somebody may be intercepting the connection";
    if let Some(message) = old_algorithms(error) {
        return Refused { kind: ErrorKind::Config, message };
    }
    let message = match (error, shown) {
        (Error::UnknownKey, Some(shown)) => {
            let types = match pin {
                Pin::Fingerprint(_) => " (to pin another of its keys, set the whole key)",
                Pin::Key(_) | Pin::Any => "",
            };
            format!("its host key is {shown}, which is not the key that BASTION_HOST_KEY pins{types}; {HINT}")
        }
        (Error::NoCommonAlgo { kind: AlgorithmKind::Key, ours, theirs }, _) => {
            let (ours, theirs) = (ours.join(", "), theirs.join(", "));
            format!(
                "its host keys have the types {theirs}, and BASTION_HOST_KEY pins a key of type {ours}; {HINT}"
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
            "the connection failed (check the name, and that the database's security group admits the bastion)"
                .to_owned(),
        ),
        other => (ErrorKind::Unavailable, other.to_string()),
    };
    Refused { kind, message: format!("cannot connect to {host}:{port}: {reason}") }
}

fn silent(what: &str, time: Duration) -> String {
    format!("{what} got no response within {} s", time.as_secs())
}

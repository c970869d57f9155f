//! Fetches a bastion's host key without logging in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{Config, Handler};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Error, Preferred};
use tokio::time::timeout;

use super::super::reach::reach;
use super::host_key::{Pin, described};
use super::session::old_algorithms;
use crate::config::HostKeyRule;

/// Time limit for name resolution, connection and handshake together.
const TIME: Duration = Duration::from_secs(10);

/// The host key of a bastion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownKey {
    /// The key in the format of `BASTION_HOST_KEY`.
    pub(crate) to_pin: String,
    /// Its type and fingerprint.
    pub(crate) described: String,
    /// Whether the rule accepts it; `None` without a rule.
    pub(crate) accepted: Option<bool>,
}

/// Records the key and aborts the handshake.
struct Looker(Arc<Mutex<Option<PublicKey>>>);

impl Handler for Looker {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = shown {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
        Ok(false)
    }
}

/// Returns the host key of the SSH server at this address, of the type that `rule` pins if the server has such a key.
///
/// # Errors
/// A description of the failure.
pub(crate) async fn shown_key(host: &str, port: u16, rule: Option<&HostKeyRule>) -> Result<ShownKey, String> {
    let pin = rule.map(Pin::new).transpose()?;
    let preferred = pin.as_ref().map_or(Preferred::DEFAULT, Pin::preferred);
    let key = match look(host, port, preferred).await {
        // The server has no key of this type: fetch the one that the server prefers.
        Err(Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. }) => {
            look(host, port, Preferred::DEFAULT).await
        }
        done => done,
    };
    let key = key.map_err(|error| {
        old_algorithms(&error).unwrap_or_else(|| format!("the SSH handshake failed: {error}"))
    })?;
    Ok(ShownKey {
        to_pin: key.to_openssh().map_err(|error| error.to_string())?,
        described: described(&key),
        accepted: pin.map(|pin| pin.accepts(&key)),
    })
}

async fn look(host: &str, port: u16, preferred: Preferred) -> Result<PublicKey, Error> {
    let looked = async {
        let stream = reach(host, port).await?;
        let shown = Arc::default();
        let config = Config { preferred, ..Config::default() };
        let done = russh::client::connect_stream(Arc::new(config), stream, Looker(Arc::clone(&shown))).await;
        let shown: Option<PublicKey> = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (shown, done) {
            (Some(key), _) => Ok(key),
            (None, Err(error)) => Err(error),
            (None, Ok(_)) => Err(Error::UnknownKey),
        }
    };
    timeout(TIME, looked).await.unwrap_or_else(|_| Err(Error::ConnectionTimeout))
}

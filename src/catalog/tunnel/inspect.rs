//! Looks at the key a bastion shows, before anybody logs in.

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

/// How long name, connection and handshake may take, each way.
const TIME: Duration = Duration::from_secs(10);

/// The key that a bastion shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownKey {
    /// As `BASTION_HOST_KEY` takes it.
    pub(crate) to_pin: String,
    /// Its type and fingerprint.
    pub(crate) described: String,
    /// Whether the rule accepts it; `None` without a rule.
    pub(crate) accepted: Option<bool>,
}

/// Takes the key, and goes.
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

/// The key that the SSH server at this address shows: of the type that `rule` pins, if it has one of that type.
///
/// # Errors
/// What happened, in words.
pub(crate) async fn shown_key(host: &str, port: u16, rule: Option<&HostKeyRule>) -> Result<ShownKey, String> {
    let pin = rule.map(Pin::new).transpose()?;
    let preferred = pin.as_ref().map_or(Preferred::DEFAULT, Pin::preferred);
    let key = match look(host, port, preferred).await {
        // It has none of that type; then the one it likes best.
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

//! Verifies the host key of the bastion.

use std::borrow::Cow;

use russh::Preferred;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use crate::config::HostKeyRule;

/// The rule for the bastion's host key.
#[derive(Debug, Clone)]
pub(super) enum Pin {
    Key(Box<PublicKey>),
    /// `SHA256:...`
    Fingerprint(String),
    Any,
}

impl Pin {
    /// Reads the rule. The error describes what is wrong with the rule.
    pub(super) fn new(rule: &HostKeyRule) -> Result<Self, String> {
        match rule {
            HostKeyRule::Any => Ok(Self::Any),
            HostKeyRule::Pinned(text) if text.starts_with("SHA256:") => Ok(Self::Fingerprint(text.clone())),
            HostKeyRule::Pinned(text) => PublicKey::from_openssh(text)
                .map(|key| Self::Key(Box::new(key)))
                .map_err(|error| format!("BASTION_HOST_KEY: {text:?} is not a public key: {error}")),
        }
    }

    /// Returns whether the rule accepts the key `shown`.
    pub(super) fn accepts(&self, shown: &PublicKey) -> bool {
        match self {
            // Comments may differ.
            Self::Key(key) => key.key_data() == shown.key_data(),
            Self::Fingerprint(fingerprint) => *fingerprint == fingerprint_of(shown),
            Self::Any => true,
        }
    }

    /// Returns the algorithms to offer. A server has several keys and presents the one whose type the client prefers,
    /// so a client with a pinned key offers the type of this key only.
    pub(super) fn preferred(&self) -> Preferred {
        let Self::Key(key) = self else { return Preferred::DEFAULT };
        let types = match key.algorithm() {
            // The same key can sign with either hash. SHA-1 is not offered.
            Algorithm::Rsa { .. } => {
                [HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) }).to_vec()
            }
            other => vec![other],
        };
        Preferred { key: Cow::Owned(types), ..Preferred::DEFAULT }
    }
}

/// Returns the type and fingerprint of a key: `ssh-ed25519 SHA256:...`.
pub(super) fn described(key: &PublicKey) -> String {
    let kind = match key.algorithm() {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash: None },
        other => other,
    };
    format!("{kind} {}", fingerprint_of(key))
}

fn fingerprint_of(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys made for this test.
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJQSrG3eG4gBoTdydDZFJ8UOiw2xSBOF+r9+W1X+w9P7";
    const FINGERPRINT: &str = "SHA256:eKZU8HDQOAUJlGeWK0705+tAztJXUersbR3lrDrWB20";
    const OTHER: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMv6GC6jgG9V8x1udgkQ8tasr+Xe0iNIPx/nnQIWD44mlpocblNhO6Jn2jzCKiTKk1aAvDT5K8JQ3XBOXT+lvCc=";

    fn pin(text: &str) -> Result<Pin, String> {
        Pin::new(&HostKeyRule::Pinned(text.to_owned()))
    }

    #[test]
    fn keys_and_fingerprints_pin_the_same_key() -> Result<(), Box<dyn std::error::Error>> {
        let (key, other) = (PublicKey::from_openssh(ED25519)?, PublicKey::from_openssh(OTHER)?);
        for text in [ED25519, FINGERPRINT, &format!("{ED25519} root@bastion")] {
            let pin = pin(text)?;
            assert!(pin.accepts(&key) && !pin.accepts(&other), "{text}");
        }
        assert!(Pin::new(&HostKeyRule::Any)?.accepts(&other));
        assert_eq!(described(&key), format!("ssh-ed25519 {FINGERPRINT}"));
        Ok(())
    }

    #[test]
    fn only_the_type_of_a_pinned_key_is_offered() -> Result<(), String> {
        assert_eq!(*pin(ED25519)?.preferred().key, [Algorithm::Ed25519]);
        assert!(pin(FINGERPRINT)?.preferred().key.len() > 3);
        Ok(())
    }

    #[test]
    fn an_invalid_host_key_is_named() {
        let message = pin("ssh-ed25519 AAAAC3Nza").err().unwrap_or_default();
        assert!(
            message.starts_with("BASTION_HOST_KEY: \"ssh-ed25519 AAAAC3Nza\" is not a public key"),
            "{message}"
        );
    }
}

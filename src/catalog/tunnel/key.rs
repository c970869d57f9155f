//! The private key that opens the bastion.

use std::borrow::Cow;

use russh::keys::{Error, PrivateKey, decode_secret_key};

use crate::secret::Secret;

/// Reads a private key as `ssh-keygen`, OpenSSL and EC2 write it: OpenSSH, PKCS#1 or PKCS#8, in PEM, without a passphrase.
/// The error says what is wrong, and shows nothing of the text.
pub(super) fn read(secret: &Secret) -> Result<PrivateKey, String> {
    const VARIABLE: &str = "BASTION_SSH_KEY_SECRET";
    match decode_secret_key(&tidied(secret.expose()), None) {
        Ok(key) if !key.is_encrypted() => Ok(key),
        Ok(_) | Err(Error::KeyIsEncrypted) => {
            Err(format!("{VARIABLE}: the private key has a passphrase; store it without one"))
        }
        Err(_) => Err(format!(
            "{VARIABLE}: the secret holds no private key that can be read; it must be the whole text of the .pem file, \
             from -----BEGIN to -----END (OpenSSH, PKCS#1 or PKCS#8; Ed25519, RSA or ECDSA)"
        )),
    }
}

/// The text in lines that hold nothing else. Consoles and shells leave blanks at the ends of lines, and write `\n` for
/// their breaks when the text went through JSON twice.
fn tidied(text: &str) -> String {
    let text = text.trim();
    let text = if text.contains('\n') { Cow::Borrowed(text) } else { Cow::Owned(text.replace("\\n", "\n")) };
    text.lines().map(|line| format!("{}\n", line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_not_shown() {
        let begin = "-----BEGIN RSA PRIVATE KEY-----";
        for text in ["", "canary", &format!("{begin}\ncanary\n-----END RSA PRIVATE KEY-----")] {
            let message = read(&Secret::new(text)).err().unwrap_or_default();
            assert!(
                message.starts_with("BASTION_SSH_KEY_SECRET: the secret holds no private key"),
                "{message}"
            );
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn lines_are_tidied() {
        assert_eq!(tidied("\n a \r\nb\t\n"), "a\nb\n");
        assert_eq!(tidied("a\\nb\\n"), "a\nb\n");
    }
}

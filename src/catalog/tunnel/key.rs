//! Reads the private key for the login at the bastion.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use russh::keys::{Error, PrivateKey, decode_secret_key};

use crate::secret::Secret;

/// Characters in a line of a key's text (RFC 7468, section 2).
const LINE: usize = 64;
const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// The first bytes of a key in OpenSSH's format (its PROTOCOL.key).
const OPENSSH: &[u8] = b"openssh-key-v1\0";

/// Reads a private key as written by `ssh-keygen`, OpenSSL or EC2: OpenSSH, PKCS#1 or PKCS#8, in PEM, without a
/// passphrase. Keys whose line breaks are lost, and keys that are encoded in base64 as a whole, are accepted too. The
/// error describes the problem and never contains any part of the text.
pub(super) fn read(secret: &Secret) -> Result<PrivateKey, String> {
    const VARIABLE: &str = "BASTION_SSH_KEY_SECRET";
    let text = secret.expose();
    let pem = pem(text).or_else(|| decoded(text)).unwrap_or_default();
    match decode_secret_key(&pem, None) {
        Ok(key) if !key.is_encrypted() => Ok(key),
        Ok(_) | Err(Error::KeyIsEncrypted) => {
            Err(format!("{VARIABLE}: the private key has a passphrase; store it without one"))
        }
        Err(_) => Err(format!("{VARIABLE}: {}", not_a_key(text.trim_start()))),
    }
}

fn not_a_key(text: &str) -> &'static str {
    if text.starts_with("PuTTY-User-Key-File-") {
        "the secret holds a key in PuTTY's format; export it as an OpenSSH key with PuTTYgen"
    } else if ["ssh-", "ecdsa-", "sk-", "-----BEGIN PUBLIC", "---- BEGIN SSH2 PUBLIC"]
        .iter()
        .any(|begin| text.starts_with(begin))
    {
        "the secret holds a public key; store the private key, the file without .pub"
    } else {
        "the secret holds no private key that can be read; store the whole text of the .pem file, \
         from -----BEGIN to -----END (OpenSSH, PKCS#1 or PKCS#8; Ed25519, RSA or ECDSA)"
    }
}

/// Returns the first PEM block of a text, with its lines restored. Consoles, shells and environment variables turn line
/// breaks into blanks or `\n`, put quotes around the text, and leave blanks at the ends of lines.
fn pem(text: &str) -> Option<String> {
    let (label, rest) = text.split_once(BEGIN)?.1.split_once(DASHES)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body = body.replace("\\r", "\n").replace("\\n", "\n");
    // Headers such as `Proc-Type: 4,ENCRYPTED` keep their lines.
    let body = match body.contains(':') {
        true => body.trim().to_owned(),
        false => in_lines(body.split_whitespace().flat_map(str::chars)),
    };
    Some(format!("{BEGIN}{label}{DASHES}\n{body}\n-----END {label}-----\n"))
}

fn in_lines(chars: impl Iterator<Item = char>) -> String {
    let mut lines = String::new();
    for (index, c) in chars.enumerate() {
        if index > 0 && index % LINE == 0 {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines
}

/// Decodes base64, if the result is PEM or a key in OpenSSH's format.
fn decoded(text: &str) -> Option<String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.split_whitespace().collect::<String>();
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(&text).ok()?;
    if bytes.starts_with(OPENSSH) {
        return pem(&format!("{BEGIN}OPENSSH PRIVATE KEY{DASHES}{text}-----END OPENSSH PRIVATE KEY-----"));
    }
    pem(std::str::from_utf8(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_private_key_is_described_and_not_shown() {
        let begin = "-----BEGIN RSA PRIVATE KEY-----";
        let broken = format!("{begin}\ncanary\n-----END RSA PRIVATE KEY-----");
        for (text, words) in [
            ("", "no private key"),
            ("canary", "no private key"),
            ("Y2FuYXJ5", "no private key"),
            (begin, "no private key"),
            (broken.as_str(), "no private key"),
            ("ssh-ed25519 AAAAcanary", "a public key"),
            ("PuTTY-User-Key-File-3: ssh-ed25519\ncanary", "PuTTYgen"),
        ] {
            let message = read(&Secret::new(text)).err().unwrap_or_default();
            assert!(message.starts_with("BASTION_SSH_KEY_SECRET: the secret holds"), "{message}");
            assert!(message.contains(words), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn line_breaks_of_a_key_are_restored() {
        let lines = "-----BEGIN A KEY-----\nab\n-----END A KEY-----\n";
        for text in [
            " -----BEGIN A KEY-----\r\n a \r\nb\t\n-----END A KEY-----",
            "\"-----BEGIN A KEY-----\\na\\nb\\n-----END A KEY-----\\n\"",
            "-----BEGIN A KEY----- a b -----END A KEY-----",
        ] {
            assert_eq!(pem(text).as_deref(), Some(lines), "{text}");
        }
        assert_eq!(in_lines("a".repeat(130).chars()).lines().map(str::len).collect::<Vec<_>>(), [64, 64, 2]);
        let headers = "-----BEGIN A KEY-----\nProc-Type: 4,ENCRYPTED\n\na\n-----END A KEY-----\n";
        assert_eq!(pem(headers).as_deref(), Some(headers));
    }
}

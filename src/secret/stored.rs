//! Fetches secrets from AWS Secrets Manager.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{Builder, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_types::SdkConfig;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Secret, SecretSource};
use crate::ErrorKind;
use crate::error::in_words;

/// Members of a JSON secret that may contain the secret text, most likely first. Names are compared in lower case and
/// without `_` and `-`, because people write `private_key`, `privateKey` and `PRIVATE_KEY`. RDS writes `password`.
const MEMBERS: [&str; 7] = ["password", "token", "privatekey", "sshprivatekey", "sshkey", "pem", "key"];

/// A cache of secrets from AWS Secrets Manager. A secret is fetched at first use. Clones share the cache.
#[derive(Clone)]
pub struct SecretStore {
    settings: SdkConfig,
    fetched: Arc<Mutex<HashMap<String, StoredLogin>>>,
}

/// A secret and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLogin {
    /// The user, if the secret contains one.
    pub(crate) user: Option<String>,
    /// The secret itself.
    pub(crate) words: Secret,
}

/// A failure to fetch a secret. The message never contains the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret {name}: {reason}")]
pub struct SecretError {
    name: String,
    kind: ErrorKind,
    reason: String,
}

impl SecretError {
    /// Returns the kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl SecretStore {
    /// Creates a store that fetches secrets with these AWS settings. No request is sent yet.
    pub fn new(settings: &SdkConfig) -> Self {
        Self { settings: settings.clone(), fetched: Arc::default() }
    }

    /// Returns the secret. If the stored value is a JSON object, as RDS stores it, the secret is its member `password`
    /// (or `token`, `private_key`, `ssh_private_key`, `ssh_key`, `pem` or `key`, in any letter case, with `_`, `-` or
    /// neither; or the only member, with any name). Any other value is the secret as a whole, without a final line
    /// break.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the secret does not exist or contains nothing usable,
    /// [`Denied`](ErrorKind::Denied) when the caller is not allowed to read the secret,
    /// [`Unavailable`](ErrorKind::Unavailable) for all other failures.
    pub async fn resolve(&self, source: &SecretSource) -> Result<Secret, SecretError> {
        Ok(self.resolve_login(source).await?.words)
    }

    /// Returns the secret together with the user that a JSON secret contains. Rotation with alternating users changes
    /// both ("Lambda function rotation strategies" in the AWS Secrets Manager User Guide).
    ///
    /// # Errors
    /// See [`resolve`](Self::resolve).
    pub(crate) async fn resolve_login(&self, source: &SecretSource) -> Result<StoredLogin, SecretError> {
        let name = match source {
            SecretSource::Given(secret) => return Ok(StoredLogin { user: None, words: secret.clone() }),
            SecretSource::Stored(name) => name,
        };
        // Concurrent callers wait for one fetch of the same secret.
        let mut fetched = self.fetched.lock().await;
        if let Some(secret) = fetched.get(name) {
            return Ok(secret.clone());
        }
        let secret = self.fetch(name).await?;
        fetched.insert(name.clone(), secret.clone());
        Ok(secret)
    }

    /// Removes a refused secret from the cache, so that the next call fetches the current value: the secret may have
    /// been rotated. Returns whether the cache contained the secret.
    pub async fn forget(&self, source: &SecretSource) -> bool {
        match source {
            SecretSource::Given(_) => false,
            SecretSource::Stored(name) => self.fetched.lock().await.remove(name).is_some(),
        }
    }

    async fn fetch(&self, name: &str) -> Result<StoredLogin, SecretError> {
        let failed = |kind, reason| SecretError { name: name.to_owned(), kind, reason };
        let config = Builder::from(&self.settings);
        // arn:aws:secretsmanager:REGION:...
        let region = name.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
        let config = match region {
            Some(region) => config.region(Region::new(region.to_owned())),
            None => config,
        };
        let sent = Client::from_conf(config.build()).get_secret_value().secret_id(name).send().await;
        let output = sent.map_err(|error| {
            let (code, message) = (error.code().unwrap_or(""), error.message().unwrap_or("no message"));
            let status = error.raw_response().map(|response| response.status().as_u16());
            match (code, status) {
                ("ResourceNotFoundException", _) => failed(
                    ErrorKind::Config,
                    "this secret does not exist in Secrets Manager; check its name or ARN and the region"
                        .to_owned(),
                ),
                ("AccessDeniedException" | "AccessDenied", _) | ("", Some(401 | 403)) => {
                    let advice = "grant the role secretsmanager:GetSecretValue on this secret";
                    failed(ErrorKind::Denied, format!("AccessDenied: {message}; {advice}"))
                }
                ("", _) => {
                    let words = format!("cannot reach Secrets Manager: {}", in_words(&error));
                    failed(ErrorKind::Unavailable, words)
                }
                (code, _) => failed(ErrorKind::Unavailable, format!("{code}: {message}")),
            }
        })?;
        let text = output.secret_string().unwrap_or_default();
        login(text).ok_or_else(|| {
            let expected = "is empty, binary, or JSON without a password, token, private_key or key";
            failed(ErrorKind::Config, expected.to_owned())
        })
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretStore").finish_non_exhaustive()
    }
}

/// The member that contains the user, as written by RDS and its rotation functions.
const USER: &str = "username";

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).collect::<String>().to_ascii_lowercase()
}

fn login(text: &str) -> Option<StoredLogin> {
    let (user, words) = match serde_json::from_str(text) {
        Ok(Value::Object(members)) => {
            let texts = members.iter().filter_map(|(name, value)| Some((plain(name), value.as_str()?)));
            let texts: Vec<_> = texts.filter(|(_, text)| !text.is_empty()).collect();
            let member = |name: &str| Some(texts.iter().find(|(known, _)| known == name)?.1);
            let only = || match texts.as_slice() {
                [(name, text)] if members.len() == 1 && name != USER => Some(*text),
                _ => None,
            };
            let words = MEMBERS.iter().find_map(|name| member(name)).or_else(only)?;
            (member(USER).map(str::to_owned), words.to_owned())
        }
        _ => (None, text.to_owned()),
    };
    let words =
        words.strip_suffix('\n').map_or(words.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    (!words.is_empty()).then(|| StoredLogin { user, words: Secret::new(words) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_json_or_plain_text() {
        let of = |text: &str| login(text).map(|login| login.words.expose().to_owned());
        assert_eq!(of(r#"{"username":"admin","password":"p\"w"}"#).as_deref(), Some("p\"w"));
        for key in [
            "private_key",
            "privateKey",
            "PRIVATE_KEY",
            "ssh_private_key",
            "ssh-private-key",
            "pem",
            "bastion key",
        ] {
            assert_eq!(of(&format!(r#"{{"{key}":"words"}}"#)).as_deref(), Some("words"), "{key}");
        }
        assert_eq!(of("plain {text}\n").as_deref(), Some("plain {text}"));
        assert_eq!(of("12345").as_deref(), Some("12345"));
        assert_eq!(of(r#"{"username":"admin"}"#), None);
        assert_eq!(of(r#"{"one":"a","other":"b"}"#), None);
        assert_eq!(of("\n"), None);
    }

    #[test]
    fn a_secret_in_json_may_name_its_user() {
        let user = |text: &str| login(text).and_then(|login| login.user);
        assert_eq!(user(r#"{"username":"films_clone","password":"p"}"#).as_deref(), Some("films_clone"));
        for none in [
            r#"{"password":"p"}"#,
            r#"{"username":"","password":"p"}"#,
            r#"{"username":7,"password":"p"}"#,
            "p",
        ] {
            assert_eq!(user(none), None, "{none}");
        }
    }
}

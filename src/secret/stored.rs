//! Secrets that AWS Secrets Manager keeps.

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

/// Members of a secret in JSON that may hold the words. The first is what RDS writes.
const MEMBERS: [&str; 4] = ["password", "token", "private_key", "key"];

/// Fetches secrets at first use, and keeps them. Clones share what was fetched.
#[derive(Clone)]
pub struct SecretStore {
    settings: SdkConfig,
    fetched: Arc<Mutex<HashMap<String, Secret>>>,
}

/// Why a secret could not be had. Its words are in none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret {name}: {reason}")]
pub struct SecretError {
    name: String,
    kind: ErrorKind,
    reason: String,
}

impl SecretError {
    /// The kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl SecretStore {
    /// The store that these settings lead to. Nothing is asked for yet.
    pub fn new(settings: &SdkConfig) -> Self {
        Self { settings: settings.clone(), fetched: Arc::default() }
    }

    /// The secret. Of one in JSON, an object as RDS keeps it, its `password` (or `token`, `private_key`, `key`); of any
    /// other all of it. A line break at the end is left out.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there is no such secret or nothing usable in it,
    /// [`Denied`](ErrorKind::Denied) when it may not be read, else [`Unavailable`](ErrorKind::Unavailable).
    pub async fn resolve(&self, source: &SecretSource) -> Result<Secret, SecretError> {
        let name = match source {
            SecretSource::Given(secret) => return Ok(secret.clone()),
            SecretSource::Stored(name) => name,
        };
        // Others who want the same secret wait for it rather than ask as well.
        let mut fetched = self.fetched.lock().await;
        if let Some(secret) = fetched.get(name) {
            return Ok(secret.clone());
        }
        let secret = self.fetch(name).await?;
        fetched.insert(name.clone(), secret.clone());
        Ok(secret)
    }

    /// Forgets a secret that was refused, so that it is fetched anew: it may have been rotated. Whether there was one.
    pub async fn forget(&self, source: &SecretSource) -> bool {
        match source {
            SecretSource::Given(_) => false,
            SecretSource::Stored(name) => self.fetched.lock().await.remove(name).is_some(),
        }
    }

    async fn fetch(&self, name: &str) -> Result<Secret, SecretError> {
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
            let (code, message) = (error.code().unwrap_or(""), error.message().unwrap_or("no more is said"));
            let status = error.raw_response().map(|response| response.status().as_u16());
            match (code, status) {
                ("ResourceNotFoundException", _) => {
                    failed(ErrorKind::Config, "there is no such secret in Secrets Manager".to_owned())
                }
                ("AccessDeniedException" | "AccessDenied", _) | ("", Some(401 | 403)) => {
                    let advice = "the role needs secretsmanager:GetSecretValue on it";
                    failed(ErrorKind::Denied, format!("AccessDenied: {message}; {advice}"))
                }
                ("", _) => {
                    let words = format!("Secrets Manager does not answer: {}", in_words(&error));
                    failed(ErrorKind::Unavailable, words)
                }
                (code, _) => failed(ErrorKind::Unavailable, format!("{code}: {message}")),
            }
        })?;
        let text = output.secret_string().unwrap_or_default();
        words(text).ok_or_else(|| {
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

fn words(text: &str) -> Option<Secret> {
    let text = match serde_json::from_str(text) {
        Ok(Value::Object(members)) => {
            MEMBERS.iter().find_map(|name| members.get(*name)?.as_str())?.to_owned()
        }
        _ => text.to_owned(),
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    (!text.is_empty()).then(|| Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_json_and_of_plain_text() {
        let of = |text| words(text).map(|secret| secret.expose().to_owned());
        assert_eq!(of(r#"{"username":"admin","password":"p\"w"}"#).as_deref(), Some("p\"w"));
        assert_eq!(of("plain {text}\n").as_deref(), Some("plain {text}"));
        assert_eq!(of("12345").as_deref(), Some("12345"));
        assert_eq!(of(r#"{"username":"admin"}"#), None);
        assert_eq!(of("\n"), None);
    }
}

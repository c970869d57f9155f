//! Secrets that must not be shown: passwords, tokens, keys.
//!
//! A [`Secret`] never appears in output; code that needs its text calls [`expose`](Secret::expose). A [`SecretSource`]
//! describes where a secret comes from, and a [`SecretStore`] fetches secrets from AWS Secrets Manager.

mod stored;

use std::fmt;

pub(crate) use stored::StoredLogin;
pub use stored::{SecretError, SecretStore};

/// A secret text. Neither `Debug` nor any error shows the text, and the type has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Creates a secret from its text.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// Returns the text of the secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(REDACTED)")
    }
}

/// The origin of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The text itself, from the environment.
    Given(Secret),
    /// The name or ARN of a secret in AWS Secrets Manager.
    Stored(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown() {
        let source = SecretSource::Given(Secret::new("hunter2"));
        assert_eq!(format!("{source:?}"), "Given(Secret(REDACTED))");
    }
}

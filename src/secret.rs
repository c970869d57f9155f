//! Words that must not be shown: passwords, tokens, keys.
//!
//! A [`Secret`] shows itself nowhere; whoever needs the words says [`expose`](Secret::expose). A [`SecretSource`] says where
//! one comes from, and a [`SecretStore`] fetches those that AWS Secrets Manager keeps.

mod stored;

use std::fmt;

pub(crate) use stored::StoredLogin;
pub use stored::{SecretError, SecretStore};

/// A secret. Neither `Debug` nor an error shows it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// The words, for the place that needs them.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(REDACTED)")
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The environment.
    Given(Secret),
    /// AWS Secrets Manager: the secret's name or ARN.
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

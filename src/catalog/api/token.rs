//! Obtains the API's token and masks the token in all texts that are shown.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use super::super::{CatalogError, ResolveSecret};
use crate::ErrorKind;
use crate::secret::{Secret, SecretSource};

/// The text that replaces the token.
const MASK: &str = "[INTERNAL_TOKEN]";

/// The token, and the header that carries it.
#[derive(Clone)]
pub(super) struct Token {
    words: Secret,
    header: HeaderValue,
}

impl Token {
    /// Creates a token and trims surrounding whitespace: editors end files with a line break.
    pub(super) fn new(secret: &Secret, variable: &str) -> Result<Self, CatalogError> {
        let words = secret.expose().trim();
        let header = HeaderValue::from_str(words).ok().filter(|_| !words.is_empty() && words.is_ascii());
        let mut header = header.ok_or_else(|| CatalogError::Api {
            kind: ErrorKind::Config,
            status: None,
            message: format!(
                "FastAPI upsert 실패: {variable}: the token is empty or contains a character that an HTTP header cannot carry"
            ),
        })?;
        header.set_sensitive(true);
        Ok(Self { words: Secret::new(words), header })
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Returns `text` with every occurrence of the token masked: in plain form, escaped as in JSON, and percent-encoded
    /// as in a URL.
    pub(super) fn masked(&self, text: &str) -> String {
        let words = self.words.expose();
        let json = serde_json::Value::from(words).to_string();
        let url = utf8_percent_encode(words, NON_ALPHANUMERIC).to_string();
        text.replace(words, MASK).replace(json.trim_matches('"'), MASK).replace(&url, MASK)
    }
}

/// The origin of the token, and its cached value.
pub(super) struct TokenSource {
    source: SecretSource,
    secrets: ResolveSecret,
    /// The token fetched last; `None` until a stored token is fetched.
    known: Mutex<Option<Token>>,
}

impl TokenSource {
    pub(super) fn new(source: &SecretSource, secrets: ResolveSecret) -> Result<Self, CatalogError> {
        let known = match source {
            SecretSource::Given(secret) => Some(Token::new(secret, variable(source))?),
            SecretSource::Stored(_) => None,
        };
        Ok(Self { source: source.clone(), secrets, known: Mutex::new(known) })
    }

    /// Returns the name of the variable that configures the token.
    pub(super) const fn variable(&self) -> &'static str {
        variable(&self.source)
    }

    /// Returns the token. A stored token is fetched if it is not known yet; concurrent callers wait for one fetch.
    pub(super) async fn get(&self) -> Result<Token, CatalogError> {
        let mut known = self.known.lock().await;
        if let Some(token) = &*known {
            return Ok(token.clone());
        }
        let token = self.fetch().await?;
        Ok(known.insert(token).clone())
    }

    /// Returns a token other than `refused`, if one exists: stored secrets are rotated.
    pub(super) async fn renewed(&self, refused: &Token) -> Result<Option<Token>, CatalogError> {
        if matches!(self.source, SecretSource::Given(_)) {
            return Ok(None);
        }
        let mut known = self.known.lock().await;
        let is_other = |token: &Token| token.words != refused.words;
        // Another caller has fetched the new token in the meantime.
        if let Some(token) = known.as_ref().filter(|token| is_other(token)) {
            return Ok(Some(token.clone()));
        }
        let token = self.fetch().await?;
        *known = Some(token.clone());
        Ok(Some(token).filter(is_other))
    }

    async fn fetch(&self) -> Result<Token, CatalogError> {
        let secret = (self.secrets)(self.source.clone()).await?;
        Token::new(&secret, self.variable())
    }
}

const fn variable(source: &SecretSource) -> &'static str {
    match source {
        SecretSource::Given(_) => "INTERNAL_TOKEN",
        SecretSource::Stored(_) => "INTERNAL_TOKEN_SECRET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_masked_in_every_encoding() -> Result<(), CatalogError> {
        let token = Token::new(&Secret::new(" can\"ary/t\\oken\n"), "INTERNAL_TOKEN")?;
        assert_eq!(token.header().as_bytes(), b"can\"ary/t\\oken");
        let texts = ["a can\"ary/t\\oken b", r#"{"t":"can\"ary/t\\oken"}"#, "?t=can%22ary%2Ft%5Coken"];
        for text in texts {
            let masked = token.masked(text);
            assert!(masked.contains(MASK) && !masked.contains("oken"), "{masked}");
        }
        assert!(!format!("{:?}", token.header()).contains("oken"));
        Ok(())
    }

    #[test]
    fn a_token_must_fit_into_a_header() {
        for words in ["", " \n", "a\nb", "한글"] {
            let error = Token::new(&Secret::new(words), "INTERNAL_TOKEN_SECRET").err();
            let error = error.map(|error| (error.kind(), error.to_string()));
            let named = error.as_ref().is_some_and(|(kind, message)| {
                *kind == ErrorKind::Config && message.contains("INTERNAL_TOKEN_SECRET: the token is empty or")
            });
            assert!(named, "{words:?}: {error:?}");
        }
    }
}

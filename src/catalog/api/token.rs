//! Where the token of the API comes from, and how it is kept out of everything that is shown.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use super::super::{CatalogError, ResolveSecret};
use crate::ErrorKind;
use crate::secret::{Secret, SecretSource};

/// What takes the token's place in a text.
const MASK: &str = "[INTERNAL_TOKEN]";

/// The token, and the header that carries it.
#[derive(Clone)]
pub(super) struct Token {
    words: Secret,
    header: HeaderValue,
}

impl Token {
    /// A token, without the blanks around it: editors end files with a line break.
    pub(super) fn new(secret: &Secret, variable: &str) -> Result<Self, CatalogError> {
        let words = secret.expose().trim();
        let header = HeaderValue::from_str(words).ok().filter(|_| !words.is_empty() && words.is_ascii());
        let mut header = header.ok_or_else(|| CatalogError::Api {
            kind: ErrorKind::Config,
            status: None,
            message: format!(
                "FastAPI upsert 실패: {variable}: the token is empty or holds a character that a header cannot carry"
            ),
        })?;
        header.set_sensitive(true);
        Ok(Self { words: Secret::new(words), header })
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// `text` with something else in every place where it shows the token: as it is, as JSON writes it, or as a URL
    /// does.
    pub(super) fn masked(&self, text: &str) -> String {
        let words = self.words.expose();
        let json = serde_json::Value::from(words).to_string();
        let url = utf8_percent_encode(words, NON_ALPHANUMERIC).to_string();
        text.replace(words, MASK).replace(json.trim_matches('"'), MASK).replace(&url, MASK)
    }
}

/// Where the token comes from.
pub(super) struct TokenSource {
    source: SecretSource,
    secrets: ResolveSecret,
    /// The token last known; none until a stored one is fetched.
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

    /// The variable that says what the token is.
    pub(super) const fn variable(&self) -> &'static str {
        variable(&self.source)
    }

    /// The token. A stored one is fetched if it is not known; several callers wait for one fetch.
    pub(super) async fn get(&self) -> Result<Token, CatalogError> {
        let mut known = self.known.lock().await;
        if let Some(token) = &*known {
            return Ok(token.clone());
        }
        let token = self.fetch().await?;
        Ok(known.insert(token).clone())
    }

    /// Another token than `refused`, if there is one: a stored secret is replaced from time to time.
    pub(super) async fn renewed(&self, refused: &Token) -> Result<Option<Token>, CatalogError> {
        if matches!(self.source, SecretSource::Given(_)) {
            return Ok(None);
        }
        let mut known = self.known.lock().await;
        let is_other = |token: &Token| token.words != refused.words;
        // Somebody else has fetched it meanwhile.
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
    fn is_masked_however_it_is_written() -> Result<(), CatalogError> {
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
    fn must_fit_a_header() {
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

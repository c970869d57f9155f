//! Checks of the catalogue API.

use url::{Host, Url};

use super::check::Finding;
use crate::catalog::{ApiInspector, TokenAnswer, anew};
use crate::config::ApiSettings;
use crate::secret::SecretStore;
use crate::{ErrorKind, catalog::CatalogError};

const NETWORK: &str = "check CATALOG_API_BASE, the API's load balancer or ingress, and the way there: a function inside a VPC needs a NAT \
                       gateway to reach a public address; SSL_CERT_FILE takes an authority of your own";

/// Returns the host and the port of the API.
pub(super) fn address(base: &Url) -> (String, u16) {
    let host = base.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), base.port_or_known_default().unwrap_or(443))
}

pub(super) async fn reach(base: &Url) -> Finding {
    let asked = async { ApiInspector::new(base)?.reach().await };
    match asked.await {
        Ok(reached) => {
            let (first, again) = (reached.first.as_millis(), reached.again.as_millis());
            let seen = format!("{base} answers in {first} ms, and {again} ms on the same connection");
            match reached.status {
                500.. => {
                    let advice = "the API fails, or its load balancer has no target: see the API's log";
                    Finding::failed(
                        ErrorKind::Unavailable,
                        format!("{seen}, with status {}", reached.status),
                        advice,
                    )
                }
                _ if is_readable_on_the_way(base) => Finding::warning(
                    format!("{seen}, without TLS"),
                    "the token travels readable: CATALOG_API_BASE should begin with https://, unless nobody else is on the way",
                ),
                _ => Finding::ok(seen),
            }
        }
        Err(error) => Finding::error(error, NETWORK),
    }
}

/// Returns whether requests are sent in plain text to another machine.
fn is_readable_on_the_way(base: &Url) -> bool {
    let stays_here = match base.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    base.scheme() == "http" && !stays_here
}

pub(super) async fn token(settings: &ApiSettings, secrets: &SecretStore) -> Finding {
    let asked = async { ApiInspector::new(&settings.base)?.token(settings, anew(secrets.clone())).await };
    match asked.await {
        Ok(TokenAnswer::Accepted) => {
            Finding::ok("the token is accepted (a wrong one is refused); nothing was written")
        }
        Ok(TokenAnswer::NotLookedAt(status)) => Finding::warning(
            format!(
                "{status} for an invalid content, with the token and with a wrong token: the API checks the token after the body"
            ),
            "whether it is accepted shows when a video is processed: FastAPI upsert 실패: 401 or 403 would mean that INTERNAL_TOKEN is \
             not the API's. An API that checks the token in a dependency tells at once",
        ),
        Err(error) => {
            let advice = match &error {
                CatalogError::Api { kind: ErrorKind::Denied, .. } => {
                    "INTERNAL_TOKEN (or what INTERNAL_TOKEN_SECRET holds) must be the API's own: compare it with the API's environment. \
                     A firewall or load balancer before the API answers 403, too"
                }
                CatalogError::Api { kind: ErrorKind::Config, .. } => {
                    "CATALOG_API_BASE is what comes before /v1/contents/, https://... mostly with /api at its end; check the ingress's paths"
                }
                CatalogError::Api { kind: ErrorKind::Malformed, .. } => {
                    "check CATALOG_API_BASE: another service may answer there"
                }
                _ => NETWORK,
            };
            Finding::error(error, advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_to_another_machine_is_readable() -> Result<(), url::ParseError> {
        for base in ["http://api.internal:8080/api", "http://10.0.0.7/", "http://[2001:db8::1]/"] {
            assert!(is_readable_on_the_way(&Url::parse(base)?), "{base}");
        }
        for base in
            ["https://api.internal/api", "http://127.0.0.1:8000/api", "http://localhost/", "http://[::1]/"]
        {
            assert!(!is_readable_on_the_way(&Url::parse(base)?), "{base}");
        }
        Ok(())
    }
}

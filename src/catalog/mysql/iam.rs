//! Creates tokens for IAM database authentication.
//!
//! A token is a signed URL without its scheme. It is valid for fifteen minutes and only for logging in: a connection
//! stays open after its token has expired ("IAM database authentication" in the Amazon Aurora User Guide).

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_types::SdkConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::CatalogError;
use crate::ErrorKind;
use crate::aws::{NO_REGION, region};
use crate::secret::Secret;

/// Validity of a token: the maximum that RDS accepts.
const LIFETIME: Duration = Duration::from_secs(900);

/// Encodes all characters except the unreserved ones (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Creates a new token. Tokens are not cached: connections are rare, and a cached token might have expired.
pub(super) async fn token(
    aws: &SdkConfig,
    host: &str,
    port: u16,
    user: &str,
) -> Result<Secret, CatalogError> {
    let region = region(aws).ok_or_else(|| failure(ErrorKind::Config, NO_REGION))?;
    let provider = aws.credentials_provider();
    let provider = provider.ok_or_else(|| failure(ErrorKind::Config, "no AWS credentials"))?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials
        .map_err(|error| failure(ErrorKind::Unavailable, format!("no AWS credentials: {error}")))?;
    signed(credentials, region, host, port, user, SystemTime::now())
}

fn signed(
    credentials: Credentials,
    region: &str,
    host: &str,
    port: u16,
    user: &str,
    now: SystemTime,
) -> Result<Secret, CatalogError> {
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(LIFETIME);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failure(ErrorKind::Internal, error.to_string()))?
        .into();
    let address = format!("{host}:{port}/?Action=connect&DBUser={}", utf8_percent_encode(user, ENCODED));
    let url = format!("https://{address}");
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))
        .map_err(|error| failure(ErrorKind::Internal, error.to_string()))?;
    let signed =
        sign(request, &parameters).map_err(|error| failure(ErrorKind::Internal, error.to_string()))?;
    let (instructions, _) = signed.into_parts();
    let parameters = instructions.params().iter();
    let parameters =
        parameters.map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, ENCODED)));
    Ok(Secret::new(address + &parameters.collect::<String>()))
}

fn failure(kind: ErrorKind, reason: impl Into<String>) -> CatalogError {
    CatalogError::Database { name: "IAM token".to_owned(), kind, source: reason.into().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "proxy.example.eu-west-1.rds.amazonaws.com:3306/?Action=connect&DBUser=film%20admin\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20251124%2Feu-west-1%2Frds-db%2Faws4_request\
        &X-Amz-Date=20251124T160000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=6d324c9cd4fc6e91480de898ffaf4f74d0c7c8b4379a0d450b6242032b4cff4b";

    /// With the credentials of a role, as in Lambda.
    const ROLE_TOKEN: &str = "proxy.example.eu-west-1.rds.amazonaws.com:3306/?Action=connect&DBUser=film%20admin\
        &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20251124%2Feu-west-1%2Frds-db%2Faws4_request\
        &X-Amz-Date=20251124T160000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=f0f8db00e8c2df04bf30c9ed4b77057fba6dfcfd8763cb4318544ea9fbff0332\
        &X-Amz-Security-Token=FwoGZXIvYXdzE%2B%2Ftok%3D%3D";

    /// The output of botocore's `generate_db_auth_token` for the same names, keys and time. botocore puts the session
    /// token before the signature; servers ignore the order of parameters.
    #[test]
    fn a_token_is_what_other_implementations_make() -> Result<(), CatalogError> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000);
        let host = "proxy.example.eu-west-1.rds.amazonaws.com";
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        for (session, expected) in [(None, TOKEN), (Some("FwoGZXIvYXdzE+/tok=="), ROLE_TOKEN)] {
            let credentials =
                Credentials::new("AKIDEXAMPLE", secret, session.map(str::to_owned), None, "test");
            let token = signed(credentials, "eu-west-1", host, 3306, "film admin", now)?;
            assert_eq!(token.expose(), expected);
        }
        Ok(())
    }

    /// The configuration that an empty `AWS_REGION=` produces.
    #[tokio::test]
    async fn a_region_without_a_name_is_none() {
        let aws = SdkConfig::builder().region(aws_types::region::Region::new("")).build();
        let refused = token(&aws, "db.example.org", 3306, "films").await.err().map(|error| error.to_string());
        assert!(refused.is_some_and(|error| error.contains("set AWS_REGION")));
    }
}

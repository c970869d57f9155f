//! Headers that a bucket of another account, or a cautious caller, needs with every request.

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// `requester`: the caller pays for requests and transfer of a Requester Pays bucket
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html>).
const REQUEST_PAYER: &str = "S3_REQUEST_PAYER";
/// The account that must own the bucket. S3 refuses requests for a bucket of another account
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>).
const EXPECTED_BUCKET_OWNER: &str = "S3_EXPECTED_BUCKET_OWNER";

/// Adds the headers to every request of a client, before it is signed.
#[derive(Debug)]
pub(super) struct BucketHeaders(Vec<(&'static str, String)>);

impl BucketHeaders {
    /// Reads the environment, or else the profile, under the names of the variables in lower case. Returns `None` if neither variable is
    /// set. The error is a message for people.
    pub(super) fn of(settings: &SdkConfig) -> Result<Option<Self>, String> {
        Self::new(|name| {
            let profile = name.to_ascii_lowercase();
            let key =
                ServiceConfigKey::builder().service_id("S3").env(name).profile(&profile).build().ok()?;
            settings.service_config()?.load_config(key)
        })
    }

    fn new(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let value = |name| variable(name).filter(|value| !value.is_empty());
        let mut headers = Vec::new();
        match value(REQUEST_PAYER).as_deref() {
            None => {}
            Some("requester") => headers.push(("x-amz-request-payer", "requester".to_owned())),
            Some(other) => {
                return Err(format!("{REQUEST_PAYER} is {other:?}: it must be requester, or empty"));
            }
        }
        if let Some(owner) = value(EXPECTED_BUCKET_OWNER) {
            if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) {
                let problem = "an account id has 12 digits";
                return Err(format!("{EXPECTED_BUCKET_OWNER} is {owner:?}: {problem}"));
            }
            headers.push(("x-amz-expected-bucket-owner", owner));
        }
        Ok((!headers.is_empty()).then_some(Self(headers)))
    }
}

impl Intercept for BucketHeaders {
    fn name(&self) -> &'static str {
        "BucketHeaders"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        for (name, value) in &self.0 {
            context.request_mut().headers_mut().try_insert(*name, value.clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(payer: &str, owner: &str) -> Result<Option<Vec<(&'static str, String)>>, String> {
        let variable = |name: &str| Some(if name == REQUEST_PAYER { payer } else { owner }.to_owned());
        Ok(BucketHeaders::new(variable)?.map(|headers| headers.0))
    }

    #[test]
    fn empty_variables_count_as_unset() {
        assert_eq!(headers("", ""), Ok(None));
        assert!(BucketHeaders::new(|_| None).is_ok_and(|headers| headers.is_none()));
    }

    #[test]
    fn other_values_are_refused_with_the_name_of_the_variable() {
        for (payer, owner, expected) in [
            ("Requester", "", "S3_REQUEST_PAYER is \"Requester\": it must be requester, or empty"),
            ("", "1234", "S3_EXPECTED_BUCKET_OWNER is \"1234\": an account id has 12 digits"),
            ("", "12345678901x", "S3_EXPECTED_BUCKET_OWNER is \"12345678901x\": an account id has 12 digits"),
        ] {
            assert_eq!(headers(payer, owner), Err(expected.to_owned()));
        }
    }
}

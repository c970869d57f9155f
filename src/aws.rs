//! AWS region, credentials and endpoint, loaded from the same places as by AWS's own tools.

#[cfg(feature = "s3")]
use aws_config::BehaviorVersion;
use aws_config::SdkConfig;

/// Region, credentials and endpoint.
#[cfg(feature = "cli")]
pub(crate) type Settings = SdkConfig;

/// Loads the settings from the environment, profiles, SSO (feature `sso`), and the roles of containers and machines. Credentials are
/// loaded with the first request.
#[cfg(feature = "s3")]
pub(crate) async fn settings() -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    #[cfg(feature = "cli")]
    let loader = match CHOSEN.get() {
        Some(chosen) => chosen.apply(loader),
        None => loader,
    };
    loader.load().await
}

/// Settings that the options of a command select. They take precedence over the environment and the profile.
#[cfg(feature = "cli")]
static CHOSEN: std::sync::OnceLock<Choice> = std::sync::OnceLock::new();

/// Settings that the AWS CLI also accepts as options.
#[cfg(feature = "cli")]
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// Profile of the shared configuration (`--profile`).
    pub(crate) profile: Option<String>,
    /// Region (`--region`).
    pub(crate) region: Option<String>,
    /// Endpoint of S3 and SQS (`--endpoint-url`).
    pub(crate) endpoint_url: Option<String>,
}

#[cfg(feature = "cli")]
impl Choice {
    /// Selects these settings for the whole process. Later calls have no effect.
    pub(crate) fn choose(self) {
        let _ = CHOSEN.set(self);
    }

    fn apply(&self, mut loader: aws_config::ConfigLoader) -> aws_config::ConfigLoader {
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(aws_config::Region::new(region.clone()));
        }
        if let Some(url) = &self.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        loader
    }
}

/// Error message for a missing region, with advice.
pub(crate) const NO_REGION: &str = "no AWS region: set AWS_REGION, or region in the profile";

/// Returns the region. An empty name counts as no region, because the SDK accepts a variable that is set and empty.
pub(crate) fn region(settings: &SdkConfig) -> Option<&str> {
    settings.region().map(AsRef::as_ref).filter(|region: &&str| !region.is_empty())
}

/// Describes the credentials without secrets: the last four characters of the access key id, and when the credentials expire. The
/// error reports what is missing.
#[cfg(feature = "cli")]
pub(crate) async fn identity(settings: &SdkConfig) -> Result<String, String> {
    use aws_credential_types::provider::ProvideCredentials as _;

    let provider = settings.credentials_provider().ok_or("there are no AWS credentials")?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|error| crate::error::in_words(&error))?;
    let id = credentials.access_key_id();
    let end: String = id.chars().skip(id.chars().count().saturating_sub(4)).collect();
    let kind = match credentials.session_token() {
        Some(_) => "of a role or session",
        None => "of a user",
    };
    let left = credentials.expiry().map(|end| end.duration_since(std::time::SystemTime::now()));
    let left = match left {
        None => String::new(),
        Some(Ok(left)) => format!(", good for {} more minutes", left.as_secs() / 60),
        Some(Err(_)) => ", which have ended".to_owned(),
    };
    Ok(format!("access key ...{end}, {kind}{left}"))
}

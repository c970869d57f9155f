//! Region, credentials and endpoint, where AWS's own tools look for them.

use aws_config::{BehaviorVersion, SdkConfig};

/// Loads them, from the environment, profiles, SSO (feature `sso`), roles of containers and machines. Credentials are looked for with the
/// first request.
pub(crate) async fn settings() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::latest()).await
}

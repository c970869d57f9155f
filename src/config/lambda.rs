//! The settings of the Lambda function.

use std::num::NonZeroUsize;
use std::time::Duration;

use url::Url;

use super::database::{DatabaseSettings, read_database};
use super::lookup::Lookup;
use super::storyboard::read_storyboard;
use super::{
    Config, ConfigError, Isolation, LogFormat, LogSettings, StoryboardSettings, ThumbnailSettings,
    read_isolation, read_key_rules, read_log, read_thumbnail,
};
use crate::frame_time::parse_duration;
use crate::object_name::KeyRules;
use crate::secret::{Secret, SecretSource};
use crate::{ImageFormat, Limits};

/// The settings of the Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LambdaConfig {
    /// The rules for keys: which keys are videos, and the keys of thumbnails.
    pub key_rules: KeyRules,
    /// Which frame is taken, and how pictures are encoded and stored.
    pub thumbnail: ThumbnailSettings,
    /// The folders and the contents of storyboards; `None`: no storyboards are written.
    pub storyboard: Option<StoryboardSettings>,
    /// The catalogue's database and API.
    pub catalog: RemoteSettings,
    /// Whether the function writes its results or only compares them.
    pub mode: Mode,
    /// Whether back-fills overwrite existing contents.
    pub overwrite_contents: bool,
    /// Number of objects of one event that are processed concurrently; `None`: as many as the memory allows.
    pub concurrency: Option<NonZeroUsize>,
    /// CPU time limit for each of three steps: opening the video, finding the frame, encoding the picture; see
    /// [`Limits::max_cpu_time`].
    pub max_cpu_time: Duration,
    /// Where videos are decoded.
    pub isolation: Isolation,
    /// Name and memory of the function, as provided by Lambda.
    pub function: FunctionSettings,
    /// CloudWatch namespace of the metrics.
    pub metrics_namespace: String,
    /// Variables of the replaced Lambda that are set and ignored.
    pub obsolete: Vec<&'static str>,
    /// Format and filter of the log.
    pub log: LogSettings,
}

/// Whether the function writes its results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// The function writes thumbnails, contents and rows.
    #[default]
    Live,
    /// The function writes nothing and compares its results with the existing thumbnails and rows.
    Shadow,
}

impl Mode {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "live" => Some(Self::Live),
            "shadow" => Some(Self::Shadow),
            _ => None,
        }
    }
}

/// The settings of a remote catalogue: rows in MySQL, contents through the API.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteSettings {
    /// The catalogue's database.
    pub database: DatabaseSettings,
    /// The catalogue's API.
    pub api: ApiSettings,
}

/// Address and token of the catalogue's API.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiSettings {
    /// The part of the URL before `/v1/contents/`, without a final slash.
    pub base: Url,
    /// The token that authenticates this program at the API.
    pub token: SecretSource,
}

/// Name and memory of the function, as provided by Lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionSettings {
    /// Name of the function (`AWS_LAMBDA_FUNCTION_NAME`).
    pub name: String,
    /// Memory of the function in MiB (`AWS_LAMBDA_FUNCTION_MEMORY_SIZE`); `None` outside Lambda.
    pub memory_mib: Option<u32>,
}

impl LambdaConfig {
    /// Returns whether this process runs in Lambda, which sets the address of its runtime API
    /// (`AWS_LAMBDA_RUNTIME_API`).
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn is_in_lambda() -> bool {
        std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some()
    }

    /// Reads the settings from the environment of this process.
    ///
    /// # Errors
    /// A [`ConfigError`] with all missing or wrong variables and their allowed values.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads the settings from `lookup`, a function that returns the value of a variable.
    ///
    /// # Errors
    /// A [`ConfigError`] with all missing or wrong variables and their allowed values.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, ConfigError> {
        let mut lookup = Lookup::new(&lookup);
        let catalog = read_remote(&mut lookup);
        let key_rules = read_key_rules(&mut lookup);
        let thumbnail = read_thumbnail(&mut lookup, &key_rules);
        let storyboard = read_storyboard(&mut lookup, &thumbnail.cache_control);
        let mode = lookup.with("MODE", "live or shadow", Mode::from_name).unwrap_or_default();
        if mode == Mode::Shadow && thumbnail.request.encoding.format != ImageFormat::Jpeg {
            lookup.problem("THUMBNAIL_FORMAT", "MODE=shadow compares JPEG with JPEG: unset THUMBNAIL_FORMAT");
        }
        let overwrite_contents = lookup.flag("OVERWRITE_CONTENTS");
        let concurrency =
            lookup.with("MAX_CONCURRENCY", "a whole number from 1 up", |text| text.parse().ok());
        let max_cpu_time = lookup
            .with("MAX_CPU_TIME", "a length of time such as 60, 90s or 2m", parse_duration)
            .unwrap_or(Limits::default().max_cpu_time);
        let isolation = read_isolation(&mut lookup);
        let function = FunctionSettings {
            name: lookup.text("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "posterframe".to_owned()),
            memory_mib: lookup
                .with("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "a number of megabytes", |text| text.parse().ok()),
        };
        let metrics_namespace = lookup.text("METRICS_NAMESPACE").unwrap_or_else(|| "posterframe".to_owned());
        let obsolete = ["FFMPEG_PATH", "FFPROBE_PATH"].into_iter();
        let obsolete = obsolete.filter(|name| lookup.path(name).is_some()).collect();
        let log = read_log(&mut lookup, LogFormat::Json);
        // If a part is missing, its problem has been recorded.
        let config = catalog.map(|catalog| Self {
            key_rules,
            thumbnail,
            storyboard,
            catalog,
            mode,
            overwrite_contents,
            concurrency,
            max_cpu_time,
            isolation,
            function,
            metrics_namespace,
            obsolete,
            log,
        });
        lookup.finish_some(config)
    }
}

impl Config {
    /// Reads the settings, and those of a remote catalogue, from the environment of this process.
    ///
    /// # Errors
    /// A [`ConfigError`] with all missing or wrong variables and their allowed values.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn with_remote_from_env() -> Result<(Self, RemoteSettings), ConfigError> {
        let read = |name: &str| std::env::var_os(name);
        let mut lookup = Lookup::new(&read);
        let remote = read_remote(&mut lookup);
        let config = Self::read(&mut lookup);
        lookup.finish_some(remote.map(|remote| (config, remote)))
    }
}

fn read_remote(lookup: &mut Lookup<'_>) -> Option<RemoteSettings> {
    let (database, api) = (read_database(lookup), read_api(lookup));
    Some(RemoteSettings { database: database?, api: api? })
}

pub(super) fn read_base(lookup: &mut Lookup<'_>) -> Option<Url> {
    let text = lookup.required("CATALOG_API_BASE")?;
    let base = parse_base(&text);
    if base.is_none() {
        // The value is not repeated, because it may contain a password.
        let expected = "is not an http:// or https:// URL without user name, query and fragment";
        lookup.problem("CATALOG_API_BASE", expected);
    }
    base
}

pub(super) fn read_api(lookup: &mut Lookup<'_>) -> Option<ApiSettings> {
    let base = read_base(lookup);
    let token = match (lookup.secret("INTERNAL_TOKEN"), lookup.text("INTERNAL_TOKEN_SECRET")) {
        (Some(token), None) => read_token(lookup, token).map(SecretSource::Given),
        (None, Some(name)) => Some(SecretSource::Stored(name)),
        (Some(_), Some(_)) => {
            lookup.problem("INTERNAL_TOKEN", "set only one of INTERNAL_TOKEN, INTERNAL_TOKEN_SECRET");
            None
        }
        (None, None) => {
            lookup.problem("INTERNAL_TOKEN", "is missing: set it or INTERNAL_TOKEN_SECRET");
            None
        }
    };
    Some(ApiSettings { base: base?, token: token? })
}

/// Reads a token and checks that a header can carry it (RFC 9110, section 5.5, without spaces and non-ASCII
/// characters).
fn read_token(lookup: &mut Lookup<'_>, token: Secret) -> Option<Secret> {
    if token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(token);
    }
    lookup.problem(
        "INTERNAL_TOKEN",
        "contains a space, a line break or another character that an HTTP header cannot carry",
    );
    None
}

fn parse_base(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::database::{BastionSettings, CaSource, HostKeyRule, Login, TlsMode};
    use super::*;

    const REQUIRED: [(&str, &str); 6] = [
        ("DB_HOST", "proxy.example"),
        ("DB_USER", "admin"),
        ("DB_PASSWORD", "p@ss:/?#%&'\"\\ 한글"),
        ("DB_NAME", "ott_db"),
        ("CATALOG_API_BASE", "https://api.example/api"),
        ("INTERNAL_TOKEN", "canary-token"),
    ];

    fn read(more: &[(&str, &str)]) -> Result<LambdaConfig, ConfigError> {
        let variables: BTreeMap<_, _> = REQUIRED.iter().chain(more).copied().collect();
        LambdaConfig::from_lookup(|name| variables.get(name).map(Into::into))
    }

    fn problems(more: &[(&str, &str)]) -> String {
        read(more).map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn the_six_variables_of_the_replaced_lambda_are_enough() -> Result<(), ConfigError> {
        let config = read(&[])?;
        let database = &config.catalog.database;
        assert_eq!((database.host.as_str(), database.port), ("proxy.example", 3306));
        let password = Secret::new("p@ss:/?#%&'\"\\ 한글");
        assert_eq!(database.login, Login::Password(SecretSource::Given(password)));
        assert_eq!((database.tls, &database.ca, &database.bastion), (TlsMode::VerifyIdentity, &None, &None));
        assert_eq!(config.catalog.api.base.as_str(), "https://api.example/api");
        assert!(!config.overwrite_contents);
        assert_eq!(config.mode, Mode::Live);
        assert_eq!(config.log.format, LogFormat::Json);
        assert!(config.obsolete.is_empty());
        Ok(())
    }

    #[test]
    fn all_missing_variables_are_reported_together() {
        let config = LambdaConfig::from_lookup(|name| (name == "RDS_PORT").then(|| "dry".into()));
        let message = config.map_or_else(|error| error.to_string(), |_| String::new());
        for (name, _) in REQUIRED {
            assert!(message.contains(&format!("\n  {name}: is missing")), "{name}: {message}");
        }
        assert!(message.contains("\n  RDS_PORT: \"dry\" is not a port"), "{message}");
        assert!(message.contains("DB_PASSWORD_SECRET or DB_IAM_AUTH=true"), "{message}");
    }

    #[test]
    fn every_variable_is_read() -> Result<(), ConfigError> {
        let config = read(&[
            ("PROXY_ENDPOINT", "other.example"),
            ("RDS_PORT", "3307"),
            ("DB_SSL_MODE", "verify-ca"),
            ("DB_SSL_CA", "/etc/ca.pem"),
            ("DB_SINGLE_STATEMENTS", "true"),
            ("BASTION_HOST", "10.0.0.1"),
            ("BASTION_SSH_KEY_SECRET", "bastion/key"),
            ("BASTION_HOST_KEY", "10.0.0.1 ssh-ed25519 AAAAC3Nza comment"),
            ("OVERWRITE_CONTENTS", "true"),
            ("MAX_CONCURRENCY", "3"),
            ("MAX_CPU_TIME", "2m"),
            ("AWS_LAMBDA_FUNCTION_NAME", "films"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("MODE", "shadow"),
            ("METRICS_NAMESPACE", "Films"),
            ("FFMPEG_PATH", "/usr/local/bin/ffmpeg"),
            ("LOG_FORMAT", "text"),
        ])?;
        let database = config.catalog.database;
        assert_eq!((database.host.as_str(), database.port), ("other.example", 3307));
        assert_eq!(database.tls, TlsMode::VerifyCa);
        assert_eq!(database.ca, Some(CaSource::File("/etc/ca.pem".into())));
        assert!(database.single_statements);
        let bastion = BastionSettings {
            host: "10.0.0.1".to_owned(),
            port: 22,
            user: "ec2-user".to_owned(),
            key: SecretSource::Stored("bastion/key".to_owned()),
            host_key: HostKeyRule::Pinned("ssh-ed25519 AAAAC3Nza".to_owned()),
        };
        assert_eq!(database.bastion, Some(bastion));
        assert!(config.overwrite_contents);
        assert_eq!(config.concurrency, NonZeroUsize::new(3));
        assert_eq!(config.max_cpu_time, Duration::from_secs(120));
        assert_eq!((config.function.name.as_str(), config.function.memory_mib), ("films", Some(512)));
        assert_eq!(config.mode, Mode::Shadow);
        assert_eq!(config.metrics_namespace, "Films");
        assert_eq!(config.obsolete, ["FFMPEG_PATH"]);
        assert_eq!(config.log.format, LogFormat::Text);
        Ok(())
    }

    #[test]
    fn secrets_may_be_stored_or_given() -> Result<(), ConfigError> {
        let stored = [
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD_SECRET", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"),
            ("INTERNAL_TOKEN", ""),
            ("INTERNAL_TOKEN_SECRET", "token"),
        ];
        let config = read(&stored)?;
        assert_eq!(
            config.catalog.database.login,
            Login::Password(SecretSource::Stored(stored[1].1.to_owned()))
        );
        assert_eq!(config.catalog.api.token, SecretSource::Stored("token".to_owned()));
        let config = read(&[("DB_PASSWORD", ""), ("DB_IAM_AUTH", "true")])?;
        assert_eq!(config.catalog.database.login, Login::Iam);
        Ok(())
    }

    #[test]
    fn wrong_values_are_named_and_secrets_not_repeated() {
        let message = problems(&[
            ("DB_HOST", "https://proxy.example:3306"),
            ("RDS_PORT", "0"),
            ("DB_SSL_MODE", "preferred"),
            ("DB_IAM_AUTH", "true"),
            ("CATALOG_API_BASE", "https://user:canary-password@api.example/"),
            ("INTERNAL_TOKEN", "canary-token\n"),
            ("BASTION_HOST", "bastion.example"),
            ("MAX_CONCURRENCY", "0"),
            ("MAX_CPU_TIME", "soon"),
            ("MODE", "dry"),
        ]);
        let names = [
            "DB_HOST",
            "RDS_PORT",
            "DB_SSL_MODE",
            "DB_PASSWORD",
            "CATALOG_API_BASE",
            "INTERNAL_TOKEN",
            "BASTION_SSH_KEY_SECRET",
            "BASTION_HOST_KEY",
            "MAX_CONCURRENCY",
            "MAX_CPU_TIME",
            "MODE",
        ];
        for name in names {
            assert!(message.contains(&format!("\n  {name}: ")), "{name}: {message}");
        }
        assert!(!message.contains("canary"), "{message}");
        assert!(!message.contains("한글"), "{message}");
        assert!(message.contains("ssh-keyscan -t ed25519 bastion.example"), "{message}");
        let message = problems(&[("DB_PASSWORD", ""), ("DB_IAM_AUTH", "true"), ("DB_SSL_MODE", "disabled")]);
        assert!(message.contains("the token would be sent unencrypted"), "{message}");
    }

    #[test]
    fn host_keys_are_keys_fingerprints_or_insecure_any() -> Result<(), ConfigError> {
        let base = [("BASTION_HOST", "b"), ("BASTION_SSH_KEY_SECRET", "k")];
        let rule = |text| {
            let config = read(&[base[0], base[1], ("BASTION_HOST_KEY", text)])?;
            Ok::<_, ConfigError>(config.catalog.database.bastion.map(|bastion| bastion.host_key))
        };
        let fingerprint = format!("SHA256:{}", "A".repeat(43));
        assert_eq!(rule(&fingerprint)?, Some(HostKeyRule::Pinned(fingerprint.clone())));
        assert_eq!(rule("insecure-any")?, Some(HostKeyRule::Any));
        assert!(rule("yes").is_err());
        Ok(())
    }
}

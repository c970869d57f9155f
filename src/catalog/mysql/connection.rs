//! Connecting, and what the database's errors mean.

use std::time::Duration;

use aws_types::SdkConfig;
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};

use super::super::{CatalogError, Tunnel, anew};
use super::failure::Failure;
use super::iam;
use crate::ErrorKind;
use crate::config::{CaSource, DatabaseSettings, Login, TlsMode};
use crate::secret::{Secret, SecretStore};

/// Amazon's roots for RDS and Aurora; RDS Proxy has certificates of public ones.
const RDS_ROOTS: &[u8] = include_bytes!("rds_roots.pem");

/// The longest that connecting, with login, may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes connections.
pub(super) struct Connector {
    settings: DatabaseSettings,
    secrets: SecretStore,
    aws: SdkConfig,
    roots: Vec<u8>,
    tunnel: Option<Tunnel>,
}

impl Connector {
    pub(super) fn new(
        settings: &DatabaseSettings,
        secrets: SecretStore,
        aws: &SdkConfig,
    ) -> Result<Self, CatalogError> {
        let roots = match &settings.ca {
            None => RDS_ROOTS.to_vec(),
            Some(CaSource::Pem(text)) => text.clone().into_bytes(),
            Some(CaSource::File(path)) => std::fs::read(path).map_err(|error| {
                wrong_setting(settings, format!("DB_SSL_CA: cannot read {}: {error}", path.display()))
            })?,
        };
        if !roots.windows(BEGIN.len()).any(|window| window == BEGIN) {
            return Err(wrong_setting(settings, "DB_SSL_CA: holds no certificate in PEM form".to_owned()));
        }
        let tunnel = settings
            .bastion
            .as_ref()
            .map(|bastion| Tunnel::new(bastion, &settings.host, settings.port, anew(secrets.clone())));
        Ok(Self { settings: settings.clone(), secrets, aws: aws.clone(), roots, tunnel: tunnel.transpose()? })
    }

    pub(super) fn database(&self) -> &str {
        &self.settings.name
    }

    /// Connects and logs in. A stored password that is refused is fetched anew, once: it may have been rotated.
    pub(super) async fn connect(&self) -> Result<MySqlConnection, Failure> {
        let refused = match self.connect_once().await {
            Err(Failure::Sql(error)) if number(&error) == Some(ACCESS_DENIED) => error,
            done => return done,
        };
        match &self.settings.login {
            Login::Password(source) if self.secrets.forget(source).await => self.connect_once().await,
            _ => Err(refused.into()),
        }
    }

    async fn connect_once(&self) -> Result<MySqlConnection, Failure> {
        let password = self.password().await?;
        let options = self.options(&password);
        // TLS still asks for the name of the database: what is at the socket is only the way there.
        let options = match &self.tunnel {
            Some(tunnel) => options.socket(tunnel.socket().await?),
            None => options,
        };
        let connecting = tokio::time::timeout(CONNECT, options.connect());
        let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        match connecting.await.map_err(timed_out)? {
            Err(sqlx::Error::Io(error)) => {
                let refusal = self.tunnel.as_ref().and_then(Tunnel::last_refusal);
                Err(refusal.map_or_else(|| sqlx::Error::Io(error).into(), Failure::Catalog))
            }
            connected => Ok(connected?),
        }
    }

    async fn password(&self) -> Result<Secret, CatalogError> {
        let DatabaseSettings { host, port, user, login, .. } = &self.settings;
        match login {
            Login::Iam => iam::token(&self.aws, host, *port, user).await,
            Login::Password(source) => Ok(self.secrets.resolve(source).await?),
        }
    }

    /// Nothing is sent but the login itself: what sqlx would set for its session by default stays as the server has it.
    fn options(&self, password: &Secret) -> MySqlConnectOptions {
        let DatabaseSettings { host, port, user, name, login, tls, .. } = &self.settings;
        let mode = match tls {
            TlsMode::Disabled => MySqlSslMode::Disabled,
            TlsMode::Required => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyIdentity => MySqlSslMode::VerifyIdentity,
        };
        MySqlConnectOptions::new()
            .host(host)
            .port(*port)
            .username(user)
            .password(password.expose())
            .database(name)
            .ssl_mode(mode)
            .ssl_ca_from_pem(self.roots.clone())
            .enable_cleartext_plugin(matches!(login, Login::Iam))
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            .statement_cache_capacity(0)
            .disable_statement_logging()
    }

    /// The one place that says what the database's errors mean.
    pub(super) fn translate(&self, failure: Failure) -> CatalogError {
        let error = match failure {
            Failure::Catalog(error) => return error,
            Failure::Again(reason) => return self.failed(ErrorKind::Unavailable, reason.to_owned()),
            Failure::Sql(error) => error,
        };
        let DatabaseSettings { host, port, name, .. } = &self.settings;
        let (kind, advice) = match (number(&error), &error) {
            (None, error) if is_about_tls(error) => (ErrorKind::Config, tls_advice(error).to_owned()),
            (Some(ACCESS_DENIED), _) => (ErrorKind::Denied, self.login_advice()),
            (Some(1044 | 1142 | 1143 | 1227), _) => {
                (ErrorKind::Denied, format!("the user needs SELECT, INSERT and UPDATE on {name}"))
            }
            (Some(1049), _) => (ErrorKind::Config, "check DB_NAME".to_owned()),
            (Some(1054 | 1146), _) => {
                (ErrorKind::Config, format!("the tables in {name} are not those of the catalogue"))
            }
            (Some(1264 | 1366 | 1406), _) => {
                (ErrorKind::LimitExceeded, "a value does not fit its column".to_owned())
            }
            // What MariaDB, and what MySQL says where a column's character set lacks a character that is compared with it.
            (Some(1267 | 3854 | 3988), _) => {
                let advice = "the character set of a column lacks a character of the value; utf8mb4 has all";
                (ErrorKind::LimitExceeded, advice.to_owned())
            }
            (Some(_), _) => (ErrorKind::Unavailable, String::new()),
            (None, sqlx::Error::Io(_)) => {
                let words = format!("Can't connect to MySQL server on '{host}:{port}' ({error})");
                return self.failed(ErrorKind::Unavailable, words);
            }
            (None, _) => (ErrorKind::Unavailable, String::new()),
        };
        let words = if advice.is_empty() { error.to_string() } else { format!("{error}; {advice}") };
        self.failed(kind, words)
    }

    fn login_advice(&self) -> String {
        match &self.settings.login {
            Login::Iam => "check DB_USER, and that the role may rds-db:connect as this user".to_owned(),
            Login::Password(_) => "check DB_USER and DB_PASSWORD (or DB_PASSWORD_SECRET)".to_owned(),
        }
    }

    fn name(&self) -> String {
        format!("{}:{}/{}", self.settings.host, self.settings.port, self.settings.name)
    }

    fn failed(&self, kind: ErrorKind, words: String) -> CatalogError {
        CatalogError::Database { name: self.name(), kind, source: words.into() }
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// `ER_ACCESS_DENIED_ERROR`: the login is refused.
const ACCESS_DENIED: u16 = 1045;

fn tls_advice(error: &sqlx::Error) -> &'static str {
    let error = error.to_string();
    if error.contains("not support") {
        "the server has no TLS; DB_SSL_MODE=disabled connects without it"
    } else if error.contains("RSA") {
        "caching_sha2_password, which this user logs in by, needs TLS: DB_SSL_MODE=disabled does not go with it"
    } else {
        "check DB_SSL_CA and DB_SSL_MODE"
    }
}

fn wrong_setting(settings: &DatabaseSettings, words: String) -> CatalogError {
    CatalogError::Database { name: settings.name.clone(), kind: ErrorKind::Config, source: words.into() }
}

/// Whether the two could not agree on TLS, which another attempt does not change. rustls tells what it holds against a
/// certificate as an input/output error, of invalid data.
pub(super) fn is_about_tls(error: &sqlx::Error) -> bool {
    let is_broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::InvalidData;
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => is_broken(error),
        _ => error.to_string().contains("TLS"),
    }
}

/// MySQL's number of an error ("Server Error Message Reference" of the MySQL manual).
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

/// Whether the connection is gone, or of no more use.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match (number(error), error) {
        // The server shuts down, the session was killed, or idle for too long, or the proxy lost its own.
        (Some(1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1317 | 1927 | 3169 | 4031), _) => true,
        // Too many connections: others end.
        (Some(1040 | 1203), _) => true,
        (Some(_), _) => false,
        (None, error) if is_about_tls(error) => false,
        (None, sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) => true,
        _ => false,
    }
}

/// Whether another transaction was in the way: a deadlock, a lock that did not come, a key that came first.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1205 | 1213 | 1062 | 3572))
}

//! Opens connections, and translates the database's errors.

use std::net::IpAddr;
use std::time::Duration;

use aws_types::SdkConfig;
use sqlx::ConnectOptions as _;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};

use super::super::reach::{self, Relay};
use super::super::{CatalogError, Tunnel, anew};
use super::failure::{self, Failure, is_about_tls, number};
use super::iam;
use crate::ErrorKind;
use crate::config::{CaSource, DatabaseSettings, Login, TlsMode};
use crate::secret::{SecretStore, StoredLogin};

/// Amazon's root certificates for RDS and Aurora. RDS Proxy uses certificates with public roots.
const RDS_ROOTS: &[u8] = include_bytes!("rds_roots.pem");

/// Time limit for connecting, including the login.
const CONNECT: Duration = Duration::from_secs(10);

/// Opens connections to the database.
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

    /// Returns whether the connection goes through a proxy that shares database connections among clients.
    pub(super) const fn is_proxy(&self) -> bool {
        self.settings.is_proxy
    }

    pub(super) fn database(&self) -> &str {
        &self.settings.name
    }

    /// Connects and logs in. If a stored password is refused, it is fetched again, once: the password may have been
    /// rotated.
    pub(super) async fn connect(&self) -> Result<MySqlConnection, Failure> {
        let refused = match self.connect_once().await {
            Err(Failure::Sql(error)) if failure::is_refused_login(&error) => error,
            done => return done,
        };
        match &self.settings.login {
            Login::Password(source) if self.secrets.forget(source).await => self.connect_once().await,
            _ => Err(refused.into()),
        }
    }

    async fn connect_once(&self) -> Result<MySqlConnection, Failure> {
        let login = self.login().await?;
        let options = self.options(&login);
        // TLS still verifies the name of the database: the socket is only the path to it.
        if let Some(tunnel) = &self.tunnel {
            let connected = within(options.socket(tunnel.socket().await?).connect()).await;
            return connected.map_err(|error| match (error, tunnel.last_refusal()) {
                (sqlx::Error::Io(_), Some(refusal)) => refusal.into(),
                (error, _) => error.into(),
            });
        }
        let connecting = async {
            let relay = self.relay().await?;
            let options = match &relay {
                Some(relay) => options.socket(relay.socket()),
                None => options,
            };
            options.connect().await
        };
        Ok(within(connecting).await?)
    }

    /// Connects to the first of several addresses that responds, through a relay. sqlx would try the addresses in turn
    /// and wait for a dead one longer than the time limit.
    async fn relay(&self) -> Result<Option<Relay>, sqlx::Error> {
        let DatabaseSettings { host, port, .. } = &self.settings;
        if host.parse::<IpAddr>().is_ok() {
            return Ok(None);
        }
        match reach::addresses(host, *port).await? {
            several if several.len() > 1 => {
                let connected = reach::connect(several).await?;
                // Without a folder for temporary files no relay is possible, and sqlx opens the connection itself.
                Ok(Relay::new(connected).ok())
            }
            _ => Ok(None),
        }
    }

    /// Returns the user and password for the login. If the secret contains a user name, that name takes precedence over
    /// `DB_USER`.
    pub(super) async fn login(&self) -> Result<StoredLogin, CatalogError> {
        let DatabaseSettings { host, port, user, login, .. } = &self.settings;
        match login {
            Login::Iam => {
                Ok(StoredLogin { user: None, words: iam::token(&self.aws, host, *port, user).await? })
            }
            Login::Password(source) => Ok(self.secrets.resolve_login(source).await?),
        }
    }

    /// Builds options that send only the login. Session variables that sqlx would set by default keep the server's
    /// values.
    fn options(&self, StoredLogin { user: stored, words }: &StoredLogin) -> MySqlConnectOptions {
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
            .username(stored.as_deref().unwrap_or(user))
            .password(words.expose())
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

    /// Translates the database's errors. This is the only place that assigns their meaning.
    pub(super) fn translate(&self, failure: Failure) -> CatalogError {
        let DatabaseSettings { host, port, name, .. } = &self.settings;
        let error = match failure {
            Failure::Catalog(error) => return error,
            Failure::Again(reason) => return self.failed(ErrorKind::Unavailable, reason.to_owned()),
            Failure::Silent(time) => {
                let words = format!(
                    "Lost connection to MySQL server on '{host}:{port}': no answer to a statement within {} s",
                    time.as_secs_f64()
                );
                return self.failed(ErrorKind::Unavailable, words);
            }
            Failure::Sql(error) => error,
        };
        let (kind, advice) = match (number(&error), &error) {
            (None, error) if is_about_tls(error) => (ErrorKind::Config, tls_advice(error).to_owned()),
            // The server requires TLS, and DB_SSL_MODE disables TLS.
            (Some(3159), _) => (ErrorKind::Config, "unset DB_SSL_MODE".to_owned()),
            _ if failure::is_refused_login(&error) => (ErrorKind::Denied, self.login_advice()),
            _ if failure::is_read_only(&error) => {
                let advice = "the server accepts no writes: set DB_HOST and PROXY_ENDPOINT to the writer endpoint, not a reader endpoint";
                (ErrorKind::Unavailable, advice.to_owned())
            }
            // The password has expired; the account is locked (MySQL's number and MariaDB's); the client's host is not
            // allowed.
            (Some(1130 | 1820 | 1862 | 3118 | 4151), _) => (ErrorKind::Denied, self.login_advice()),
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
            // MariaDB's and MySQL's errors when a column's character set lacks a character of a value that is compared
            // with the column.
            (Some(1267 | 3854 | 3988), _) => {
                let advice = "the character set of a column lacks a character of the value; use utf8mb4";
                (ErrorKind::LimitExceeded, advice.to_owned())
            }
            (None, sqlx::Error::Io(_)) => {
                let words = format!("Can't connect to MySQL server on '{host}:{port}' ({error})");
                return self.failed(ErrorKind::Unavailable, words);
            }
            _ => (ErrorKind::Unavailable, String::new()),
        };
        let words = if advice.is_empty() { error.to_string() } else { format!("{error}; {advice}") };
        self.failed(kind, words)
    }

    fn login_advice(&self) -> String {
        match &self.settings.login {
            Login::Iam => "check DB_USER, and grant the role rds-db:connect as this user".to_owned(),
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

/// Limits connecting to its time limit.
async fn within(
    connecting: impl Future<Output = Result<MySqlConnection, sqlx::Error>>,
) -> Result<MySqlConnection, sqlx::Error> {
    let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(CONNECT, connecting).await.map_err(timed_out)?
}

fn tls_advice(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Configuration(_) => {
            "this user logs in with caching_sha2_password, which needs TLS: DB_SSL_MODE=disabled cannot be used"
        }
        // This error has a message only; certificate errors have their own type.
        sqlx::Error::Tls(error) if !super::super::tls::is_refused(&**error) => {
            "the server has no TLS; DB_SSL_MODE=disabled connects without it"
        }
        _ => "check DB_SSL_CA and DB_SSL_MODE",
    }
}

fn wrong_setting(settings: &DatabaseSettings, words: String) -> CatalogError {
    CatalogError::Database { name: settings.name.clone(), kind: ErrorKind::Config, source: words.into() }
}

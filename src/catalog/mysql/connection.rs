//! Connecting, and how the database's errors are told.

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

    /// Whether a proxy shares its connections with us.
    pub(super) const fn is_proxy(&self) -> bool {
        self.settings.is_proxy
    }

    pub(super) fn database(&self) -> &str {
        &self.settings.name
    }

    /// Connects and logs in. A stored password that is refused is fetched anew, once: it may have been rotated.
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
        // TLS still asks for the name of the database: what is at a socket is only the way there.
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

    /// Of several addresses the first that answers: sqlx would wait for each in turn, and for a dead one longer than there is time.
    async fn relay(&self) -> Result<Option<Relay>, sqlx::Error> {
        let DatabaseSettings { host, port, .. } = &self.settings;
        if host.parse::<IpAddr>().is_ok() {
            return Ok(None);
        }
        match reach::addresses(host, *port).await? {
            several if several.len() > 1 => {
                let connected = reach::connect(several).await?;
                // Without a folder for temporary files there is no relay, and the connection is sqlx's affair.
                Ok(Relay::new(connected).ok())
            }
            _ => Ok(None),
        }
    }

    /// Who logs in, and by what. A secret that names a user is that user's, whatever `DB_USER` says.
    pub(super) async fn login(&self) -> Result<StoredLogin, CatalogError> {
        let DatabaseSettings { host, port, user, login, .. } = &self.settings;
        match login {
            Login::Iam => {
                Ok(StoredLogin { user: None, words: iam::token(&self.aws, host, *port, user).await? })
            }
            Login::Password(source) => Ok(self.secrets.resolve_login(source).await?),
        }
    }

    /// Nothing is sent but the login itself: what sqlx would set for its session by default stays as the server has it.
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

    /// The one place that says what the database's errors mean.
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
            // It wants TLS, and DB_SSL_MODE wants none.
            (Some(3159), _) => (ErrorKind::Config, "unset DB_SSL_MODE".to_owned()),
            _ if failure::is_refused_login(&error) => (ErrorKind::Denied, self.login_advice()),
            _ if failure::is_read_only(&error) => {
                let advice = "the server takes no writes: DB_HOST and PROXY_ENDPOINT must be the writer's, not a reader endpoint";
                (ErrorKind::Unavailable, advice.to_owned())
            }
            // The password has expired; the account is locked (MySQL's number and MariaDB's); the host is not let in.
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
            // What MariaDB, and what MySQL says where a column's character set lacks a character that is compared with it.
            (Some(1267 | 3854 | 3988), _) => {
                let advice = "the character set of a column lacks a character of the value; utf8mb4 has all";
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

/// The result of connecting, in its time.
async fn within(
    connecting: impl Future<Output = Result<MySqlConnection, sqlx::Error>>,
) -> Result<MySqlConnection, sqlx::Error> {
    let timed_out = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(CONNECT, connecting).await.map_err(timed_out)?
}

fn tls_advice(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Configuration(_) => {
            "caching_sha2_password, which this user logs in by, needs TLS: DB_SSL_MODE=disabled does not go with it"
        }
        // Its words alone; what is held against a certificate has a type of its own.
        sqlx::Error::Tls(error) if !super::super::tls::is_refused(&**error) => {
            "the server has no TLS; DB_SSL_MODE=disabled connects without it"
        }
        _ => "check DB_SSL_CA and DB_SSL_MODE",
    }
}

fn wrong_setting(settings: &DatabaseSettings, words: String) -> CatalogError {
    CatalogError::Database { name: settings.name.clone(), kind: ErrorKind::Config, source: words.into() }
}

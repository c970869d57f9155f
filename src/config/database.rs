//! The settings of the MySQL database: address, login, TLS and bastion.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::lookup::Lookup;
use crate::secret::SecretSource;

/// The settings of the MySQL database: address, login, TLS and bastion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseSettings {
    /// The host to connect to: `PROXY_ENDPOINT`, or else `DB_HOST`. With a bastion, the host that the tunnel leads to.
    pub host: String,
    /// Whether the host is a proxy that shares database connections among clients (RDS Proxy): `PROXY_ENDPOINT` is set,
    /// or the name is an RDS Proxy endpoint. Statements that pin a client to one database connection are then sent on a
    /// separate connection.
    pub is_proxy: bool,
    /// Its port.
    pub port: u16,
    /// The database user.
    pub user: String,
    /// Name of the database.
    pub name: String,
    /// How the user authenticates.
    pub login: Login,
    /// How the connection is encrypted and the server verified.
    pub tls: TlsMode,
    /// Root certificates to trust in addition to the public ones, instead of Amazon's.
    pub ca: Option<CaSource>,
    /// The bastion through which to connect, if one is set.
    pub bastion: Option<BastionSettings>,
    /// Whether a row is written by one packet per statement. Otherwise several statements are sent in one packet, which
    /// takes one round trip.
    pub single_statements: bool,
}

/// How a database user authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// With a password.
    Password(SecretSource),
    /// With a token signed by the AWS credentials (IAM database authentication).
    Iam,
}

/// Whether a connection is encrypted, and how the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// No encryption.
    Disabled,
    /// Encryption without verification of the server.
    Required,
    /// Encryption, and the certificate must be signed by a trusted root.
    VerifyCa,
    /// Encryption, and the certificate must be signed by a trusted root and issued for the host that the client
    /// connects to.
    VerifyIdentity,
}

/// The location of root certificates in PEM format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaSource {
    /// In a file.
    File(PathBuf),
    /// In the variable itself.
    Pem(String),
}

/// An SSH server through which to connect to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BastionSettings {
    /// Name or address of the bastion.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User on the bastion.
    pub user: String,
    /// Private key of this user.
    pub key: SecretSource,
    /// How the bastion's host key is verified.
    pub host_key: HostKeyRule,
}

/// The accepted host keys of a bastion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostKeyRule {
    /// This public key, in the format of `ssh-keyscan` and `known_hosts` (`ssh-ed25519 AAAA...`), or its fingerprint in
    /// the format of `ssh-keygen -l` (`SHA256:...`).
    Pinned(String),
    /// Any key. An attacker between this program and the bastion can read the connection.
    Any,
}

/// The value of `BASTION_HOST_KEY` for [`HostKeyRule::Any`].
const ANY_HOST_KEY: &str = "insecure-any";

pub(super) fn read_database(lookup: &mut Lookup<'_>) -> Option<DatabaseSettings> {
    let address = read_address(lookup);
    let user = lookup.required("DB_USER");
    let name = lookup.required("DB_NAME");
    let login = read_login(lookup);
    let tls = lookup.with("DB_SSL_MODE", TLS_MODES, parse_tls).unwrap_or(TlsMode::VerifyIdentity);
    if matches!(login, Some(Login::Iam)) && tls == TlsMode::Disabled {
        lookup.problem(
            "DB_SSL_MODE",
            "disabled cannot be used with DB_IAM_AUTH: the token would be sent unencrypted",
        );
    }
    let ca = lookup.text("DB_SSL_CA").map(|text| match text.trim_start().starts_with("-----BEGIN ") {
        true => CaSource::Pem(text),
        false => CaSource::File(text.into()),
    });
    let bastion = read_bastion(lookup);
    let single_statements = lookup.flag("DB_SINGLE_STATEMENTS");
    let ((host, port), user, name, login) = (address?, user?, name?, login?);
    // "Connecting to an Amazon Aurora database through RDS Proxy" in the Amazon Aurora User Guide.
    let is_proxy = lookup.path("PROXY_ENDPOINT").is_some() || host.contains(".proxy-");
    Some(DatabaseSettings { host, is_proxy, port, user, name, login, tls, ca, bastion, single_statements })
}

/// Reads the host to connect to, and its port.
pub(super) fn read_address(lookup: &mut Lookup<'_>) -> Option<(String, u16)> {
    let host = lookup.required_with("DB_HOST", HOST, parse_host);
    let proxy = lookup.with("PROXY_ENDPOINT", HOST, parse_host);
    let port = lookup.with("RDS_PORT", PORT, parse_port).unwrap_or(3306);
    Some((proxy.or(host)?, port))
}

fn read_login(lookup: &mut Lookup<'_>) -> Option<Login> {
    let iam = lookup.flag("DB_IAM_AUTH");
    let (given, stored) = (lookup.secret("DB_PASSWORD"), lookup.text("DB_PASSWORD_SECRET"));
    match (iam, given, stored) {
        (true, None, None) => Some(Login::Iam),
        (false, Some(password), None) => Some(Login::Password(SecretSource::Given(password))),
        (false, None, Some(name)) => Some(Login::Password(SecretSource::Stored(name))),
        (false, None, None) => {
            lookup.problem("DB_PASSWORD", "is missing: set it, DB_PASSWORD_SECRET or DB_IAM_AUTH=true");
            None
        }
        _ => {
            lookup
                .problem("DB_PASSWORD", "set only one of DB_PASSWORD, DB_PASSWORD_SECRET, DB_IAM_AUTH=true");
            None
        }
    }
}

/// Reads the bastion's host and port, if a bastion is set.
#[cfg(feature = "cli")]
pub(super) fn read_bastion_address(lookup: &mut Lookup<'_>) -> Option<(String, u16)> {
    let port = lookup.with("BASTION_PORT", PORT, parse_port).unwrap_or(22);
    Some((lookup.with("BASTION_HOST", HOST, parse_host)?, port))
}

pub(super) fn read_bastion(lookup: &mut Lookup<'_>) -> Option<BastionSettings> {
    let user = lookup.text("BASTION_USER").unwrap_or_else(|| "ec2-user".to_owned());
    let port = lookup.with("BASTION_PORT", PORT, parse_port).unwrap_or(22);
    let key = lookup.text("BASTION_SSH_KEY_SECRET");
    let host_key = read_host_key(lookup);
    let host = lookup.with("BASTION_HOST", HOST, parse_host)?;
    if key.is_none() {
        lookup.problem(
            "BASTION_SSH_KEY_SECRET",
            "is missing: set it to the secret that contains the private key for BASTION_HOST",
        );
    }
    if host_key.is_none() && !lookup.has_problem("BASTION_HOST_KEY") {
        let keyscan = format!("ssh-keyscan -t ed25519 {host}");
        let problem = format!("is missing: set it to the host key of BASTION_HOST; `{keyscan}` prints it");
        lookup.problem("BASTION_HOST_KEY", problem);
    }
    let key = SecretSource::Stored(key?);
    Some(BastionSettings { host, port, user, key, host_key: host_key? })
}

pub(super) fn read_host_key(lookup: &mut Lookup<'_>) -> Option<HostKeyRule> {
    lookup.with("BASTION_HOST_KEY", HOST_KEYS, parse_host_key)
}

const HOST: &str = "a host name or address without scheme and port";
const PORT: &str = "a port from 1 to 65535";
const TLS_MODES: &str = "verify_identity, verify_ca, required or disabled";
const HOST_KEYS: &str = "a public key (ssh-ed25519 AAAA...), its fingerprint (SHA256:...), or insecure-any to accept any host key";

fn parse_host(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = text.parse::<Ipv6Addr>().is_ok() || (!text.is_empty() && text.chars().all(is_name));
    is_host.then(|| text.to_owned())
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

fn parse_tls(text: &str) -> Option<TlsMode> {
    match text.to_ascii_lowercase().replace('-', "_").as_str() {
        "disabled" => Some(TlsMode::Disabled),
        "required" => Some(TlsMode::Required),
        "verify_ca" => Some(TlsMode::VerifyCa),
        "verify_identity" => Some(TlsMode::VerifyIdentity),
        _ => None,
    }
}

fn parse_host_key(text: &str) -> Option<HostKeyRule> {
    if text == ANY_HOST_KEY {
        return Some(HostKeyRule::Any);
    }
    // Skips the host's name, which `ssh-keyscan` prints first, and the comment.
    let mut words = text.split_whitespace().skip_while(|word| !is_key_type(word));
    let key = words.next().zip(words.next()).map(|(kind, key)| format!("{kind} {key}"));
    let fingerprint = text.strip_prefix("SHA256:").filter(|rest| rest.len() == 43).map(|_| text.to_owned());
    key.or(fingerprint).map(HostKeyRule::Pinned)
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}

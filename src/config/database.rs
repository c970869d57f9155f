//! Where the MySQL catalogue is, and who we are there.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::lookup::Lookup;
use crate::secret::SecretSource;

/// Where the MySQL catalogue is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseSettings {
    /// The host connected to: `PROXY_ENDPOINT`, else `DB_HOST`. With a bastion it is what the tunnel leads to.
    pub host: String,
    /// Whether it is a proxy that shares its connections among clients (RDS Proxy): `PROXY_ENDPOINT` is set, or the name is one of
    /// RDS Proxy's. What ties a client to one connection is then sent on a connection of its own.
    pub is_proxy: bool,
    /// Its port.
    pub port: u16,
    /// The database user.
    pub user: String,
    /// The database.
    pub name: String,
    /// How the user proves who it is.
    pub login: Login,
    /// How the server proves who it is.
    pub tls: TlsMode,
    /// Roots to trust beside the public ones, instead of Amazon's.
    pub ca: Option<CaSource>,
    /// The host to go through.
    pub bastion: Option<BastionSettings>,
    /// Whether a row is written by single statements; else by several in one packet, which takes one round trip.
    pub single_statements: bool,
}

/// How a database user proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// By a password.
    Password(SecretSource),
    /// By a token that the AWS credentials sign (IAM database authentication).
    Iam,
}

/// How a connection is encrypted, and what of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// No encryption.
    Disabled,
    /// Encryption with whoever answers.
    Required,
    /// Encryption with a server whose certificate a trusted root has signed.
    VerifyCa,
    /// The same, and the certificate is for the host connected to.
    VerifyIdentity,
}

/// Where root certificates in PEM form are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaSource {
    /// In a file.
    File(PathBuf),
    /// In the variable itself.
    Pem(String),
}

/// An SSH server between us and the database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BastionSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The user there.
    pub user: String,
    /// That user's private key.
    pub key: SecretSource,
    /// How the server proves who it is.
    pub host_key: HostKeyRule,
}

/// Which host key a bastion may show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostKeyRule {
    /// This public key, as `ssh-keyscan` and `known_hosts` write it (`ssh-ed25519 AAAA...`), or its fingerprint as `ssh-keygen -l`
    /// does (`SHA256:...`).
    Pinned(String),
    /// Any. Whoever answers may read along.
    Any,
}

/// What `BASTION_HOST_KEY` says for [`HostKeyRule::Any`].
const ANY_HOST_KEY: &str = "insecure-any";

pub(super) fn read_database(lookup: &mut Lookup<'_>) -> Option<DatabaseSettings> {
    let address = read_address(lookup);
    let user = lookup.required("DB_USER");
    let name = lookup.required("DB_NAME");
    let login = read_login(lookup);
    let tls = lookup.with("DB_SSL_MODE", TLS_MODES, parse_tls).unwrap_or(TlsMode::VerifyIdentity);
    if matches!(login, Some(Login::Iam)) && tls == TlsMode::Disabled {
        lookup
            .problem("DB_SSL_MODE", "disabled does not go with DB_IAM_AUTH: the token would travel readable");
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

/// The host connected to, and its port.
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

/// The bastion's host and port, where one is named.
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
        lookup
            .problem("BASTION_SSH_KEY_SECRET", "is missing: the secret that holds the key for BASTION_HOST");
    }
    if host_key.is_none() && !lookup.has_problem("BASTION_HOST_KEY") {
        let keyscan = format!("ssh-keyscan -t ed25519 {host}");
        let problem = format!("is missing: the public key of BASTION_HOST; `{keyscan}` prints it");
        lookup.problem("BASTION_HOST_KEY", problem);
    }
    let key = SecretSource::Stored(key?);
    Some(BastionSettings { host, port, user, key, host_key: host_key? })
}

pub(super) fn read_host_key(lookup: &mut Lookup<'_>) -> Option<HostKeyRule> {
    lookup.with("BASTION_HOST_KEY", HOST_KEYS, parse_host_key)
}

const HOST: &str = "a host name or address alone, without scheme and port";
const PORT: &str = "a port from 1 to 65535";
const TLS_MODES: &str = "verify_identity, verify_ca, required or disabled";
const HOST_KEYS: &str = "a public key (ssh-ed25519 AAAA...), its fingerprint (SHA256:...), or insecure-any to accept whoever answers";

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
    // Without the host's name, which `ssh-keyscan` puts in front, and without a comment.
    let mut words = text.split_whitespace().skip_while(|word| !is_key_type(word));
    let key = words.next().zip(words.next()).map(|(kind, key)| format!("{kind} {key}"));
    let fingerprint = text.strip_prefix("SHA256:").filter(|rest| rest.len() == 43).map(|_| text.to_owned());
    key.or(fingerprint).map(HostKeyRule::Pinned)
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|start| word.starts_with(start))
}

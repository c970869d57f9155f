//! Checks of the connection to the database, and of the contents of the database.

use std::time::{Duration, Instant};

use super::check::{Check, Checks, Finding, skipped};
use super::network;
use crate::ErrorKind;
use crate::aws;
use crate::catalog::{
    CatalogError, Column, Doubles, Inspector, MAX_URL_CHARS, Refusal, Stage, Tunnel, anew, greeting,
    shown_key,
};
use crate::config::{BastionSettings, DatabaseSettings, HostKeyRule, Login, TlsMode};
use crate::job_error::JobError;
use crate::object_name::MAX_TITLE_CHARS;
use crate::secret::SecretStore;

const GROUPS: &str = "check the security groups (the database's, or RDS Proxy's, must let this one in on RDS_PORT), the function's \
                      subnets and their routes, and the state of RDS Proxy and the database";
const COLUMNS: &str = "the tables must match migrations/mysql/0001_contents_and_video_assets.sql; DB_NAME may name another database";

/// The columns that the program reads and writes: table, name and kind.
const EXPECTED: [(&str, &str, Kind); 9] = [
    ("contents", "id", Kind::Id),
    ("contents", "title", Kind::Text(MAX_TITLE_CHARS)),
    ("contents", "description", Kind::Text(MAX_TITLE_CHARS)),
    ("contents", "age_rating", Kind::Text(3)),
    ("video_assets", "id", Kind::Id),
    ("video_assets", "content_id", Kind::Number),
    ("video_assets", "video_url", Kind::Text(MAX_URL_CHARS)),
    ("video_assets", "thumbnail_url", Kind::Text(MAX_URL_CHARS)),
    ("video_assets", "duration", Kind::Number),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A number that the database generates.
    Id,
    Number,
    /// Text of at least this number of characters.
    Text(usize),
}

/// Checks the host key that the bastion presents against the pinned key.
pub(super) async fn host_key(host: &str, port: u16, rule: Option<&HostKeyRule>) -> Finding {
    let shown = match shown_key(host, port, rule).await {
        Ok(shown) => shown,
        Err(reason) => {
            let advice = "check that BASTION_HOST and BASTION_PORT are an SSH server's, and BASTION_HOST_KEY a public key";
            return Finding::failed(ErrorKind::Unavailable, reason, advice);
        }
    };
    let (described, to_pin) = (&shown.described, &shown.to_pin);
    let compare = format!(
        "compare it with the key on the bastion: ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub",
        file_of(described)
    );
    match (rule, shown.accepted) {
        (Some(HostKeyRule::Any), _) => Finding::warning(
            format!(
                "shows {described}, and every key is accepted: another machine in the path could read the connection"
            ),
            format!("pin it: BASTION_HOST_KEY='{to_pin}'; {compare}"),
        ),
        (Some(_), Some(true)) => Finding::ok(format!("shows {described}, which is pinned")),
        (Some(_), _) => Finding::failed(
            ErrorKind::Denied,
            format!("shows {described}, which BASTION_HOST_KEY does not pin"),
            format!(
                "if the bastion was replaced, pin its new key: BASTION_HOST_KEY='{to_pin}'; {compare}. Otherwise another machine may be in the path"
            ),
        ),
        (None, _) => Finding::failed(
            ErrorKind::Config,
            format!("shows {described}, and BASTION_HOST_KEY pins no key"),
            format!("pin it: BASTION_HOST_KEY='{to_pin}'; {compare}"),
        ),
    }
}

/// Returns the key type in the name of the file in which OpenSSH stores such a host key.
fn file_of(described: &str) -> &'static str {
    match described.split(' ').next().unwrap_or_default() {
        kind if kind.contains("ecdsa") => "ecdsa",
        kind if kind.contains("rsa") => "rsa",
        _ => "ed25519",
    }
}

/// Logs in to the bastion. Also returns a tunnel for the check of the database behind the bastion.
pub(super) async fn bastion_login(
    bastion: &BastionSettings,
    database: Option<&(String, u16)>,
    secrets: &SecretStore,
) -> (Finding, Option<Tunnel>) {
    let nowhere = ("localhost".to_owned(), 3306);
    let (host, port) = database.unwrap_or(&nowhere);
    let opened = async {
        let tunnel = Tunnel::new(bastion, host, *port, anew(secrets.clone()))?;
        tunnel.socket().await.map(|_| tunnel)
    };
    match opened.await {
        Ok(tunnel) => (Finding::ok(format!("{} may log in", bastion.user)), Some(tunnel)),
        Err(error) => {
            let advice = "check BASTION_USER, and that the private key in BASTION_SSH_KEY_SECRET belongs to a line of that user's \
                          ~/.ssh/authorized_keys on the bastion";
            (Finding::error(error, advice), None)
        }
    }
}

/// Reads the greeting of the database server, directly or through the tunnel.
pub(super) async fn reach(host: &str, port: u16, tunnel: Option<&Tunnel>) -> Finding {
    // The message begins like the messages of earlier versions, because alarms and people search for this text.
    let cannot = |reason: &str| {
        let seen = format!("Can't connect to MySQL server on '{host}:{port}' ({reason})");
        Finding::failed(ErrorKind::Unavailable, seen, GROUPS)
    };
    let Some(tunnel) = tunnel else {
        return match network::connect(host, port).await {
            Ok((mut stream, seen)) => match greeting(&mut stream).await {
                Ok(version) => Finding::ok(format!("{seen}; a server of version {version}")),
                Err(reason) => cannot(&reason),
            },
            Err(reason) => cannot(&reason),
        };
    };
    let through = async {
        let socket = tunnel.socket().await.map_err(JobError::from)?;
        let stream = tokio::net::UnixStream::connect(&socket).await;
        stream.map_err(|error| JobError::new(ErrorKind::Internal, error))
    };
    match through.await {
        Ok(mut stream) => match greeting(&mut stream).await {
            Ok(version) => {
                Finding::ok(format!("{host}:{port} through the bastion; a server of version {version}"))
            }
            Err(reason) => match tunnel.last_refusal() {
                Some(error) => {
                    let advice = "the database's security group must let the bastion in on RDS_PORT, and its sshd_config must \
                                  permit forwarding (AllowTcpForwarding, PermitOpen)";
                    Finding::error(error, advice)
                }
                None => cannot(&reason),
            },
        },
        Err(error) => Finding::error(error, "see the checks of the bastion"),
    }
}

/// The settings that the connection needs.
pub(super) struct Access<'a> {
    pub(super) settings: &'a DatabaseSettings,
    pub(super) secrets: &'a SecretStore,
    pub(super) aws: &'a aws::Settings,
}

/// Checks TLS, login and database by one attempt to connect, then the contents of the database.
pub(super) async fn look(checks: &Checks, access: &Access<'_>) -> Vec<Check> {
    let settings = access.settings;
    let started = Instant::now();
    let connecting = Inspector::connect(settings, access.secrets.clone(), access.aws);
    let connected = tokio::time::timeout(checks.time, connecting).await;
    let elapsed = started.elapsed();
    let mut inspector = match connected {
        Ok(Ok(inspector)) => inspector,
        Ok(Err(refusal)) => return not_connected(settings, refusal, elapsed),
        Err(_) => {
            let seen = format!("no connection within {} s", checks.time.as_secs_f64());
            let failed =
                Finding::failed(ErrorKind::Timeout, seen, GROUPS).into_check("database_login", elapsed);
            return with_the_rest(vec![failed], "database_login failed");
        }
    };
    let tls = async {
        match inspector.tls().await {
            Ok(version) => tls_seen(settings, version.as_deref()),
            Err(error) => failed(error),
        }
    };
    let tls = checks.of("database_tls", tls).await;
    let user = inspector.user().await.unwrap_or_else(|_| settings.user.clone());
    let mut made = vec![
        tls,
        Finding::ok(login_seen(settings, &user)).into_check("database_login", elapsed),
        Finding::ok(format!("{} exists", settings.name)).into_check("database_exists", Duration::ZERO),
    ];
    made.extend(inside(checks, &mut inspector).await);
    made
}

/// Returns the checks of a failed attempt to connect. All stages before the failed stage succeeded.
fn not_connected(settings: &DatabaseSettings, refusal: Refusal, elapsed: Duration) -> Vec<Check> {
    let mut made = Vec::new();
    if refusal.stage > Stage::Tls {
        made.push(tls_seen(settings, None).into_check("database_tls", Duration::ZERO));
    }
    if refusal.stage > Stage::Login {
        made.push(
            Finding::ok(login_seen(settings, &settings.user)).into_check("database_login", Duration::ZERO),
        );
    }
    let (name, finding) = refused(settings, refusal);
    made.push(finding.into_check(name, elapsed));
    with_the_rest(made, &format!("{name} failed"))
}

/// Adds all other checks that need a connection, as skipped.
pub(super) fn with_the_rest(mut made: Vec<Check>, reason: &str) -> Vec<Check> {
    for name in IN_DATABASE {
        if made.iter().all(|check| check.name != name) {
            made.push(skipped(name, reason));
        }
    }
    made
}

/// The checks that need a connection.
const IN_DATABASE: [&str; 12] = [
    "database_tls",
    "database_login",
    "database_exists",
    "database_version",
    "database_sql_mode",
    "database_tables",
    "database_columns",
    "database_ids",
    "database_privileges",
    "unique_key",
    "duplicate_rows",
    "rows_without_content",
];

/// Maximum number of rows that are read completely without --deep. Reading them takes some milliseconds.
const SCANNED_ROWS: u64 = 100_000;

/// Runs the checks one after the other, because a connection handles one query at a time.
async fn inside(checks: &Checks, inspector: &mut Inspector) -> Vec<Check> {
    let time = checks.time;
    let version = async { inspector.version().await.map_or_else(failed, Finding::ok) };
    let version = checks.of("database_version", version).await;
    let sql_mode = async { inspector.sql_mode().await.map_or_else(failed, |mode| strictness(&mode)) };
    let sql_mode = checks.of("database_sql_mode", sql_mode).await;
    let tables = checks.of("database_tables", tables(inspector)).await;
    let columns = async { inspector.columns().await.map_or_else(failed, |found| columns(&found)) };
    let columns = checks.after(&tables, "database_columns", columns).await;
    let left = async { inspector.ids().await.map_or_else(failed, |found| ids(&found)) };
    let left = checks.after(&columns, "database_ids", left).await;
    let privileges = checks.after(&columns, "database_privileges", privileges(inspector)).await;
    let unique_key = checks.after(&tables, "unique_key", unique_key(inspector)).await;
    // Reading a large table completely takes long, and evicts other pages from the server's memory.
    let most_rows = if checks.deep { Ok(0) } else { inspector.most_rows().await };
    if let Ok(rows) = most_rows
        && rows > SCANNED_ROWS
        && columns.is_good()
    {
        let reason = format!("up to {rows} rows, which only --deep reads");
        let unread = ["duplicate_rows", "rows_without_content"].map(|name| skipped(name, reason.clone()));
        let read = [version, sql_mode, tables, columns, left, privileges, unique_key];
        return read.into_iter().chain(unread).collect();
    }
    let count = async { inspector.doubles(time).await.map_or_else(failed, doubles) };
    let doubles = checks.after(&columns, "duplicate_rows", count).await;
    let count = async { inspector.orphans(time).await.map_or_else(failed, orphans) };
    // If the first query was cancelled, its answer may still arrive on the connection, so the second query must not run.
    let before = if doubles.is_good() { &columns } else { &doubles };
    let orphans = checks.after(before, "rows_without_content", count).await;
    vec![version, sql_mode, tables, columns, left, privileges, unique_key, doubles, orphans]
}

fn refused(settings: &DatabaseSettings, refusal: Refusal) -> (&'static str, Finding) {
    let Refusal { stage, error } = refusal;
    let (name, advice) = match stage {
        // The server was reachable a moment ago. Now it has closed the connection, or accepts no more connections.
        Stage::Reach => ("database_login", GROUPS.to_owned()),
        Stage::Tls if error.to_string().contains("caching_sha2_password") => (
            "database_tls",
            "switch TLS on at the server and unset DB_SSL_MODE; or give the user mysql_native_password where the server has it"
                .to_owned(),
        ),
        Stage::Tls => (
            "database_tls",
            "DB_SSL_CA: the authority's certificate in PEM (Amazon's and the public ones are known); DB_HOST or PROXY_ENDPOINT: the \
             name in the certificate; DB_SSL_MODE: verify_ca, required and disabled check less"
                .to_owned(),
        ),
        Stage::Login => ("database_login", login_advice(&settings.login, &error)),
        Stage::Database => (
            "database_exists",
            format!(
                "check DB_NAME; or GRANT SELECT, INSERT, UPDATE ON `{}`.* TO the user",
                settings.name
            ),
        ),
    };
    (name, Finding::error(error, advice))
}

fn login_advice(login: &Login, error: &CatalogError) -> String {
    match (login, error) {
        (_, CatalogError::Secret(_)) => "see the checks of the secrets".to_owned(),
        (Login::Iam, _) => "the role needs rds-db:connect on this user, the database user the plugin AWSAuthenticationPlugin (or RDS \
                            Proxy IAM authentication), and AWS_REGION must be the database's"
            .to_owned(),
        (Login::Password(_), _) => "check DB_USER and DB_PASSWORD (or what DB_PASSWORD_SECRET holds); with RDS Proxy, the secret of the \
                                    proxy must hold the same"
            .to_owned(),
    }
}

fn login_seen(settings: &DatabaseSettings, user: &str) -> String {
    let by = match &settings.login {
        Login::Iam => "an IAM token",
        Login::Password(_) => "a password",
    };
    match user == settings.user {
        true => format!("{user} logs in by {by}"),
        false => {
            format!("{user}, whom the secret names in place of DB_USER ({}), logs in by {by}", settings.user)
        }
    }
}

fn tls_seen(settings: &DatabaseSettings, version: Option<&str>) -> Finding {
    let version = version.map(|version| format!("{version}, ")).unwrap_or_default();
    match settings.tls {
        TlsMode::VerifyIdentity => {
            Finding::ok(format!("{version}certificate trusted, and for {}", settings.host))
        }
        TlsMode::VerifyCa => Finding::warning(
            format!("{version}certificate trusted; for which host is not checked"),
            "DB_SSL_MODE=verify_identity checks that too",
        ),
        TlsMode::Required => Finding::warning(
            format!("{version}encrypted; the server's identity is not verified"),
            "DB_SSL_MODE=verify_identity verifies the server; DB_SSL_CA names the certificate authority of your own server",
        ),
        TlsMode::Disabled => Finding::warning(
            "not encrypted (DB_SSL_MODE=disabled)",
            "unset DB_SSL_MODE if the server has TLS; RDS, Aurora and RDS Proxy have",
        ),
    }
}

/// Returns the finding for a failed query, with the advice for its kind.
fn failed(error: CatalogError) -> Finding {
    let advice = match error.kind() {
        ErrorKind::Denied => "GRANT SELECT, INSERT, UPDATE on the two tables to DB_USER",
        ErrorKind::Config => COLUMNS,
        _ => {
            "a full read of a large table takes longer: give --timeout more seconds; else see the database's log"
        }
    };
    Finding::error(error, advice)
}

async fn tables(inspector: &mut Inspector) -> Finding {
    let mut wrong = Vec::new();
    for table in ["contents", "video_assets"] {
        if let Err(error) = inspector.table(table).await {
            wrong.push((table, error));
        }
    }
    let Some((_, first)) = wrong.first() else {
        return Finding::ok("contents and video_assets exist");
    };
    let kind = first.kind();
    let advice = match kind {
        ErrorKind::Denied => "GRANT SELECT, INSERT, UPDATE on the two tables to DB_USER",
        _ => COLUMNS,
    };
    let seen: Vec<_> = wrong.iter().map(|(table, error)| format!("{table}: {error}")).collect();
    Finding::failed(kind, seen.join("; "), advice)
}

/// Checks whether the server rejects values that do not fit into a column.
fn strictness(mode: &str) -> Finding {
    match mode.split(',').any(|word| matches!(word, "STRICT_TRANS_TABLES" | "STRICT_ALL_TABLES")) {
        true => Finding::ok(format!("strict: the server refuses values that do not fit ({mode})")),
        false => Finding::warning(
            format!(
                "not strict: the server truncates values that do not fit, and writes ? for unknown characters ({mode})"
            ),
            "this program compares what was stored, and refuses; other writers do not. Set sql_mode to STRICT_TRANS_TABLES, in RDS and \
             Aurora by the parameter group",
        ),
    }
}

/// Checks whether enough ids are left for new rows.
fn ids(found: &[(&str, u64, u64)]) -> Finding {
    /// One new content per second for eleven days.
    const FEW: u64 = 1_000_000;
    let seen: Vec<_> = found
        .iter()
        .map(|(table, next, last)| format!("{table}: the next id is {next}, the last {last}"))
        .collect();
    let seen = seen.join("; ");
    let advice = "a row with a very high id has used up those below it: give that content a lower id, then run ALTER TABLE contents \
                  AUTO_INCREMENT = 1, which continues behind the highest; video_assets.id may become a BIGINT";
    let left =
        |(_, next, last): &(&str, u64, u64)| last.checked_sub(*next).map_or(0, |left| left.saturating_add(1));
    match found.iter().map(left).min() {
        Some(0) => Finding::failed(ErrorKind::Config, seen, advice),
        Some(left) if left < FEW => Finding::warning(seen, advice),
        _ => Finding::ok(seen),
    }
}

/// Compares the columns with the columns that the program needs.
fn columns(found: &[Column]) -> Finding {
    let (mut wrong, mut doubtful) = (Vec::new(), Vec::new());
    for (table, name, kind) in EXPECTED {
        let full = format!("{table}.{name}");
        let Some(column) = found.iter().find(|column| column.table == table && column.name == name) else {
            wrong.push(format!("{full} is missing"));
            continue;
        };
        if let Some(problem) = problem_of(column, kind) {
            wrong.push(format!("{full} is {}, {problem}", column.full_type));
        }
        if let (Kind::Text(_), Some(set)) = (kind, &column.character_set)
            && set != "utf8mb4"
        {
            doubtful.push(format!("{full} has the character set {set}"));
        }
    }
    let is_expected = |column: &Column| {
        EXPECTED.iter().any(|(table, name, _)| column.table == *table && column.name == *name)
    };
    let demanded = found.iter().filter(|column| !column.optional && !is_expected(column));
    for column in demanded {
        let text = format!(
            "{}.{} requires a value, and the program does not write this column",
            column.table, column.name
        );
        // The API writes contents, unless the name of a video contains no content id.
        if column.table == "video_assets" { wrong.push(text) } else { doubtful.push(text) }
    }
    match (wrong.is_empty(), doubtful.is_empty()) {
        (false, _) => Finding::failed(ErrorKind::Config, [wrong, doubtful].concat().join("; "), COLUMNS),
        (true, false) => Finding::warning(
            doubtful.join("; "),
            "names with characters that a column cannot hold fail: ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4; give a column \
             that must be given a default",
        ),
        (true, true) => Finding::ok("all columns exist, are wide enough, and use utf8mb4"),
    }
}

fn problem_of(column: &Column, kind: Kind) -> Option<String> {
    match kind {
        Kind::Id | Kind::Number => {
            let whole = ["int", "bigint", "mediumint", "integer"].contains(&column.data_type.as_str());
            if !whole {
                Some("no whole number".to_owned())
            } else if matches!(kind, Kind::Id) && !column.auto_increment {
                Some("and must be AUTO_INCREMENT".to_owned())
            } else {
                None
            }
        }
        Kind::Text(least) => match column.chars {
            None => Some("no text".to_owned()),
            Some(chars) => (chars < least as u64).then(|| format!("and must hold {least} characters")),
        },
    }
}

async fn privileges(inspector: &mut Inspector) -> Finding {
    let missing = match inspector.missing_privileges().await {
        Ok(missing) => missing,
        Err(error) => return failed(error),
    };
    let Some((_, first)) = missing.first() else {
        return Finding::ok("SELECT, INSERT and UPDATE on both tables");
    };
    let (kind, words) = (first.kind(), first.to_string());
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let seen = format!("missing: {} ({words})", names.join(", "));
    if kind != ErrorKind::Denied {
        // Errors 1290 and 1792: the server is a replica, such as Aurora's reader endpoint.
        let advice = "the server refuses writes: DB_HOST and PROXY_ENDPOINT must name the writer, not a reader endpoint";
        return Finding::failed(kind, seen, advice);
    }
    if names == ["INSERT on contents"] {
        return Finding::warning(
            seen,
            "only videos whose name contains no content id need this privilege: GRANT INSERT on contents to DB_USER",
        );
    }
    Finding::failed(kind, seen, "GRANT SELECT, INSERT, UPDATE on the two tables to DB_USER")
}

async fn unique_key(inspector: &mut Inspector) -> Finding {
    let (key, index) = match (inspector.has_unique_key().await, inspector.has_index().await) {
        (Ok(key), Ok(index)) => (key, index),
        (Err(error), _) | (_, Err(error)) => return failed(error),
    };
    let index = match index {
        true => "an index for searches by URL",
        false => {
            "no index for searches by URL, which read the whole table (posterframe schema --dialect mysql --optional index adds one \
             at any time)"
        }
    };
    let key = match key {
        true => "a unique key on the videos' URLs",
        false => {
            "no unique key on the videos' URLs, and none is needed (migrations/mysql/optional_unique_video_url.sql makes one, for when \
             the replaced Lambda is not to come back)"
        }
    };
    Finding::ok(format!("there is {key}, and {index}"))
}

pub(super) fn doubles(found: Doubles) -> Finding {
    let Doubles { rows, videos, double_rows } = found;
    match videos {
        0 => Finding::ok(format!("none among {rows} rows (all were read)")),
        _ => Finding::warning(
            format!(
                "videos with more than one row: {videos}, with {double_rows} of {rows} rows (all were read)"
            ),
            "they are updated together and never deleted; migrations/mysql/optional_unique_video_url.sql lists them, and is refused \
             while there are any",
        ),
    }
}

pub(super) fn orphans(found: u64) -> Finding {
    match found {
        0 => Finding::ok("every row has its content (all rows were read)"),
        _ => Finding::warning(
            format!("rows whose content_id has no content: {found} (all rows were read)"),
            "SELECT v.id, v.content_id FROM video_assets v LEFT JOIN contents c ON c.id = v.content_id WHERE c.id IS NULL lists them; \
             process their videos again, or delete them; MySQL refuses the optional migration while there are any",
        ),
    }
}

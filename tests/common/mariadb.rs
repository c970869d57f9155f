//! A MariaDB of a test's own: TLS with a certificate of a test's own authority, the catalogue's tables, users.

use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tempfile::TempDir;

use super::{Outcome, Program, free_port, in_repository};

pub(crate) const DATABASE: &str = "ott_db";
pub(crate) const USER: &str = "films";
/// A password with all that breaks URLs and quotes.
pub(crate) const PASSWORD: &str = "p@ss:/?#%&'\"\\ 한글 canary";
/// Tables exist as the replaced Lambda's owner made them.
const TABLES: &str = include_str!("../../migrations/mysql/0001_contents_and_video_assets.sql");

#[derive(Debug)]
pub(crate) struct MariaDb {
    program: Program,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

impl MariaDb {
    /// One that takes encrypted connections from others than the test itself.
    pub(crate) async fn start() -> Outcome<Self> {
        Self::start_with(true, &[]).await
    }

    pub(crate) async fn start_with(tls: bool, arguments: &[&str]) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--user={}", user_name()?))
            .arg(format!("--datadir={}", at("data").display()))
            .arg(format!("--tmpdir={}", folder.path().display()))
            .output()
            .map_err(|error| format!("mariadb-install-db: {error}; `make test-servers` gets it"))?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
        }
        let port = free_port()?;
        let mut all = vec![
            "--no-defaults".to_owned(),
            format!("--user={}", user_name()?),
            format!("--datadir={}", at("data").display()),
            format!("--tmpdir={}", folder.path().display()),
            format!("--socket={}", at("s").display()),
            format!("--pid-file={}", at("pid").display()),
            format!("--general-log-file={}", at("general.log").display()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--port={port}"),
            "--innodb-buffer-pool-size=64M".to_owned(),
            "--skip-name-resolve".to_owned(),
        ];
        if tls {
            make_certificates(folder.path())?;
            all.extend(["ca", "cert", "key"].map(|part| format!("--ssl-{part}={}", at(part).display())));
        }
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let program = Program::start(Command::new("/usr/sbin/mariadbd").args(&all))?;
        let mut server = Self { program, folder, port, arguments: all };
        server.wait()?;
        let mut root = server.root("mysql").await?;
        run(&mut root, &format!("CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")).await?;
        run(&mut root, &format!("USE {DATABASE}; {TABLES}")).await?;
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        run(&mut root, &format!("CREATE USER {USER} IDENTIFIED BY '{password}'")).await?;
        run(&mut root, &format!("GRANT SELECT, INSERT, UPDATE ON {DATABASE}.* TO {USER}")).await?;
        run(&mut root, &format!("CREATE USER nobody IDENTIFIED BY '{password}'")).await?;
        Ok(server)
    }

    fn wait(&mut self) -> Outcome {
        let socket = self.socket();
        self.program.wait_until(|| std::os::unix::net::UnixStream::connect(&socket).is_ok())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// The authority that signed the server's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    /// As an administrator, through the socket.
    pub(crate) async fn root(&self, database: &str) -> Outcome<MySqlConnection> {
        let options = MySqlConnectOptions::new().socket(self.socket()).username("root").database(database);
        // Nothing that tests of what is sent would have to tell apart.
        let options =
            options.pipes_as_concat(false).no_engine_substitution(false).timezone(None).set_names(false);
        Ok(options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging().connect().await?)
    }

    /// Runs statements as an administrator, and gives all rows.
    pub(crate) async fn rows(&self, statements: &str) -> Outcome<Vec<MySqlRow>> {
        let mut root = self.root(DATABASE).await?;
        let rows = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).fetch_all(&mut root).await?;
        Ok(rows)
    }

    /// The number in the first column of the first row.
    pub(crate) async fn number(&self, statement: &str) -> Outcome<i64> {
        let rows = self.rows(statement).await?;
        Ok(rows.first().ok_or("no row")?.try_get(0)?)
    }

    /// One of the server's counters.
    pub(crate) async fn status(&self, name: &str) -> Outcome<u64> {
        let rows = self.rows(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await?;
        let value: String = rows.first().ok_or("no such counter")?.try_get(1)?;
        Ok(value.parse()?)
    }

    pub(crate) async fn log_statements(&self) -> Outcome {
        self.rows("SET GLOBAL general_log = ON").await.map(drop)
    }

    /// What was sent since then.
    pub(crate) fn logged(&self) -> Outcome<String> {
        let log = std::fs::read(self.folder.path().join("general.log"))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Ends every session of the program under test.
    pub(crate) async fn kill_sessions(&self) -> Outcome<usize> {
        let sessions = self
            .rows(&format!("SELECT id FROM information_schema.processlist WHERE user = '{USER}'"))
            .await?;
        for session in &sessions {
            let id: i64 = session.try_get(0)?;
            self.rows(&format!("KILL {id}")).await?;
        }
        Ok(sessions.len())
    }

    pub(crate) fn stop(&mut self) -> Outcome {
        self.program.stop()
    }

    pub(crate) fn start_again(&mut self) -> Outcome {
        self.program = Program::start(Command::new("/usr/sbin/mariadbd").args(&self.arguments))?;
        self.wait()
    }
}

async fn run(connection: &mut MySqlConnection, statements: &str) -> Outcome {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await?;
    Ok(())
}

/// mariadbd does not run as root unless it is told so by name.
fn user_name() -> Outcome<String> {
    let name = Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8(name.stdout)?.trim().to_owned())
}

/// `ca`, and `cert` with `key` for `db.test`, `localhost` and 127.0.0.1.
fn make_certificates(folder: &Path) -> Outcome {
    let openssl = |arguments: &[&str]| -> Outcome {
        let done = Command::new("openssl").args(arguments).current_dir(folder).output()?;
        let words = String::from_utf8_lossy(&done.stderr).into_owned();
        if done.status.success() { Ok(()) } else { Err(words.into()) }
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let ca = ["req", "-x509", "-subj", "/CN=authority of the tests", "-keyout", "ca-key", "-out", "ca"];
    openssl(&[ca.as_slice(), &key].concat())?;
    let names = "subjectAltName=DNS:db.test,DNS:localhost,IP:127.0.0.1";
    let cert = [
        "req",
        "-x509",
        "-subj",
        "/CN=db.test",
        "-addext",
        names,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    let signed = ["-CA", "ca", "-CAkey", "ca-key", "-keyout", "key", "-out", "cert"];
    openssl(&[cert.as_slice(), &signed, &key].concat())
}

/// The migration that owners may apply.
pub(crate) fn optional_migration() -> Outcome<String> {
    Ok(std::fs::read_to_string(in_repository("migrations/mysql/optional_unique_video_url.sql"))?)
}

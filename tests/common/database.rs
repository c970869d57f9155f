//! A separate database server for a test, MariaDB or the MySQL of `make test-mysql`: TLS with a certificate of the test's own authority,
//! the catalogue's tables, users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use posterframe::config::{LambdaConfig, RemoteSettings};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tempfile::TempDir;

use super::{Outcome, Program, in_repository};
use crate::ports::free_port;

pub(crate) const DATABASE: &str = "ott_db";
pub(crate) const USER: &str = "films";
/// A password with all characters that break URLs and quotes.
pub(crate) const PASSWORD: &str = "p@ss:/?#%&'\"\\ 한글 canary";
/// The tables as the replaced Lambda's owner created them.
const TABLES: &str = include_str!("../../migrations/mysql/0001_contents_and_video_assets.sql");

#[derive(Debug)]
pub(crate) struct Database {
    program: Program,
    kind: Kind,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
}

/// The server program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// MariaDB, as installed by Debian's package.
    MariaDb,
    /// MySQL of Debian unstable, unpacked by `scripts/mysql.sh`.
    MySql,
}

impl Kind {
    /// Returns the server that `TEST_DATABASE` selects: `mariadb`, the default, or `mysql`.
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses")]
    pub(crate) fn wanted() -> Self {
        match std::env::var("TEST_DATABASE").as_deref() {
            Ok("mysql") => Self::MySql,
            _ => Self::MariaDb,
        }
    }

    fn server(self) -> Command {
        match self {
            Self::MariaDb => Command::new("/usr/sbin/mariadbd"),
            Self::MySql => unpacked("usr/sbin/mysqld"),
        }
    }

    fn own_arguments(self) -> Vec<String> {
        match self {
            Self::MariaDb => Vec::new(),
            Self::MySql => {
                let folder = |option: &str, path: &str| format!("--{option}={}", in_mysql(path).display());
                vec![
                    folder("basedir", "usr"),
                    folder("lc-messages-dir", "usr/share/mysql"),
                    folder("plugin-dir", "usr/lib/mysql/plugin"),
                    // The default folder does not exist.
                    "--secure-file-priv=NULL".to_owned(),
                    "--mysqlx=OFF".to_owned(),
                    "--skip-log-bin".to_owned(),
                    "--cte-max-recursion-depth=10000000".to_owned(),
                ]
            }
        }
    }

    const fn without_tls(self) -> &'static str {
        match self {
            Self::MariaDb => "--disable-ssl",
            Self::MySql => "--tls-version=",
        }
    }

    /// Returns the SQL for a table of the numbers from 1 to `last`, in a column `seq`.
    fn sequence(self, last: u32) -> String {
        match self {
            Self::MariaDb => format!("seq_1_to_{last}"),
            Self::MySql => format!(
                "(WITH RECURSIVE numbers (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM numbers WHERE seq < {last}) \
                 SELECT seq FROM numbers) AS numbers"
            ),
        }
    }

    fn install(self, data: &Path, temporary: &Path) -> Outcome {
        let user = format!("--user={}", user_name()?);
        let data = format!("--datadir={}", data.display());
        let mut command = match self {
            Self::MariaDb => {
                let mut command = Command::new("mariadb-install-db");
                command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
                command
            }
            Self::MySql => {
                let mut command = self.server();
                command.arg("--no-defaults").args(self.own_arguments()).arg("--initialize-insecure");
                command
            }
        };
        command.arg(user).arg(data).arg(format!("--tmpdir={}", temporary.display()));
        let name = command.get_program().to_string_lossy().into_owned();
        let made = command.output();
        let made = made.map_err(|error| format!("{name}: {error}; `make test-servers` gets it"))?;
        match made.status.success() {
            true => Ok(()),
            // The script prints some errors on standard output.
            false => {
                Err(format!("{name}: {}", String::from_utf8_lossy(&[made.stdout, made.stderr].concat()))
                    .into())
            }
        }
    }
}

fn in_mysql(path: &str) -> PathBuf {
    in_repository("target/mysql").join(path)
}

/// A program in `target/mysql`, with the libraries in that folder.
pub(crate) fn unpacked(program: &str) -> Command {
    let arch = std::env::consts::ARCH;
    let loader =
        if arch == "x86_64" { "usr/lib64/ld-linux-x86-64.so.2" } else { "usr/lib/ld-linux-aarch64.so.1" };
    let libraries = [
        &format!("usr/lib/{arch}-linux-gnu"),
        "usr/lib/mysql/private",
        "usr/lib/mysql-router",
        "usr/lib/mysql-router/private",
        "usr/lib/mysqlrouter/plugin",
        "usr/lib/mysqlrouter/private",
    ];
    let libraries: Vec<_> = libraries.iter().map(|path| in_mysql(path).display().to_string()).collect();
    let mut command = Command::new(in_mysql(loader));
    command.arg("--library-path").arg(libraries.join(":")).arg(in_mysql(program));
    command
}

impl Database {
    /// Starts a server that offers TLS. The test itself connects through the socket.
    pub(crate) async fn start() -> Outcome<Self> {
        Self::start_with(true, &[]).await
    }

    pub(crate) async fn start_with(tls: bool, arguments: &[&str]) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let kind = Kind::wanted();
        kind.install(&at("data"), folder.path())?;
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
        all.extend(kind.own_arguments());
        if tls {
            make_certificates(folder.path())?;
            all.extend(["ca", "cert", "key"].map(|part| format!("--ssl-{part}={}", at(part).display())));
        } else {
            all.push(kind.without_tls().to_owned());
        }
        all.extend(sql_mode().map(|mode| format!("--sql-mode={mode}")));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let program = Program::start(kind.server().args(&all))?;
        let mut server = Self { program, kind, folder, port, arguments: all };
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

    /// The files of the server's certificate, which is also valid for 127.0.0.1, and its key.
    pub(crate) fn certificate(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("cert"), self.folder.path().join("key"))
    }

    /// The certificate of the authority that signed the server's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    /// The settings for a program that uses this server, with these changes. An empty value means that the variable is not set.
    pub(crate) fn settings(&self, token: &str, changes: &[(&str, &str)]) -> Outcome<RemoteSettings> {
        let (port, ca) = (self.port.to_string(), self.ca().display().to_string());
        let mut variables = BTreeMap::from([
            ("DB_HOST", "127.0.0.1"),
            ("RDS_PORT", port.as_str()),
            ("DB_USER", USER),
            ("DB_PASSWORD", PASSWORD),
            ("DB_NAME", DATABASE),
            ("DB_SSL_CA", ca.as_str()),
            ("CATALOG_API_BASE", "http://127.0.0.1:9/api"),
            ("INTERNAL_TOKEN", token),
        ]);
        variables.extend(changes.iter().copied());
        Ok(LambdaConfig::from_lookup(|name| variables.get(name).map(Into::into))?.catalog)
    }

    /// Connects as an administrator, through the socket.
    pub(crate) async fn root(&self, database: &str) -> Outcome<MySqlConnection> {
        let options = MySqlConnectOptions::new().socket(self.socket()).username("root").database(database);
        // Without the statements that sqlx sends for a new connection: tests of logged statements need not filter them out.
        let options =
            options.pipes_as_concat(false).no_engine_substitution(false).timezone(None).set_names(false);
        Ok(options.ssl_mode(MySqlSslMode::Disabled).disable_statement_logging().connect().await?)
    }

    /// Runs statements as an administrator, and returns all rows.
    pub(crate) async fn rows(&self, statements: &str) -> Outcome<Vec<MySqlRow>> {
        let mut root = self.root(DATABASE).await?;
        let rows = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).fetch_all(&mut root).await?;
        Ok(rows)
    }

    /// Returns the number in the first column of the first row.
    pub(crate) async fn number(&self, statement: &str) -> Outcome<i64> {
        let rows = self.rows(statement).await?;
        Ok(rows.first().ok_or("no row")?.try_get(0)?)
    }

    /// Returns one of the server's counters.
    pub(crate) async fn status(&self, name: &str) -> Outcome<u64> {
        let rows = self.rows(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await?;
        let value: String = rows.first().ok_or("no such counter")?.try_get(1)?;
        Ok(value.parse()?)
    }

    pub(crate) async fn deadlocks(&self) -> Outcome<u64> {
        match self.kind {
            Kind::MariaDb => self.status("Innodb_deadlocks").await,
            Kind::MySql => {
                let count = "SELECT CAST(`count` AS SIGNED) FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'";
                Ok(u64::try_from(self.number(count).await?)?)
            }
        }
    }

    /// Inserts `videos` contents with one video each: `s3://films/videos/{id}_x.mp4`.
    pub(crate) async fn fill(&self, videos: u32) -> Outcome {
        let numbers = self.kind.sequence(videos);
        let rows = format!(
            "INSERT INTO contents (id, title, description, age_rating)
             SELECT seq, CONCAT('Title of ', seq), CONCAT('Uploaded video: ', seq), 'ALL' FROM {numbers};
             INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration)
             SELECT seq, CONCAT('s3://films/videos/', seq, '_x.mp4'), CONCAT('s3://films/thumbnails/', seq, '_x.jpg'), 60
             FROM {numbers};
             ANALYZE TABLE contents, video_assets"
        );
        self.rows(&rows).await.map(drop)
    }

    /// Returns how many rows the server expects to read for a statement, and how it reads them: `type`, `key` and `Extra` of EXPLAIN.
    pub(crate) async fn explain(&self, statement: &str) -> Outcome<(u64, [String; 3])> {
        let explain = match self.kind {
            Kind::MariaDb => "EXPLAIN",
            Kind::MySql => "EXPLAIN FORMAT=TRADITIONAL",
        };
        let plan = self.rows(&format!("{explain} {statement}")).await?;
        let plan = plan.first().ok_or("no plan")?;
        let text = |column: &str| {
            let value = plan.try_get::<Option<String>, _>(column);
            value.map(|value| value.unwrap_or_else(|| "-".to_owned()))
        };
        // MariaDB reports the number as text, with the part of the rows that a filter keeps: `1 (0%)`.
        let rows = match self.kind {
            Kind::MariaDb => text("rows")?.split(' ').next().unwrap_or_default().parse()?,
            // MySQL reports no number if it has found by the key that there is no such row.
            Kind::MySql => plan.try_get::<Option<u64>, _>("rows")?.unwrap_or(0),
        };
        Ok((rows, [text("type")?, text("key")?, text("Extra")?]))
    }

    pub(crate) async fn log_statements(&self) -> Outcome {
        self.rows("SET GLOBAL general_log = ON").await.map(drop)
    }

    /// Returns the statements sent since then.
    pub(crate) fn logged(&self) -> Outcome<String> {
        let log = std::fs::read(self.folder.path().join("general.log"))?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Ends all sessions of the program under test.
    pub(crate) async fn kill_sessions(&self) -> Outcome<usize> {
        let sessions = self
            .rows(&format!(
                "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = '{USER}'"
            ))
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
        self.program = Program::start(self.kind.server().args(&self.arguments))?;
        self.wait()
    }
}

/// The server's `sql_mode`, if `TEST_SQL_MODE` sets one. An empty mode, which is not strict, is the default of RDS and Aurora.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses")]
fn sql_mode() -> Option<String> {
    std::env::var("TEST_SQL_MODE").ok()
}

async fn run(connection: &mut MySqlConnection, statements: &str) -> Outcome {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await?;
    Ok(())
}

/// mariadbd runs as root only if root's name is given.
fn user_name() -> Outcome<String> {
    let name = Command::new("id").arg("-un").output()?;
    Ok(String::from_utf8(name.stdout)?.trim().to_owned())
}

/// Creates `ca`, and `cert` with `key` for `db.test`, `localhost` and 127.0.0.1.
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

/// Returns a migration that owners may apply: `index` or `unique`.
pub(crate) fn optional_migration(which: &str) -> Outcome<String> {
    let path = format!("migrations/mysql/optional_{which}_video_url.sql");
    Ok(std::fs::read_to_string(in_repository(&path))?)
}

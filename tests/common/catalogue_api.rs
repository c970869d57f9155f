//! The catalogue's API on 127.0.0.1, as its owner runs it: FastAPI behind uvicorn (`tests/servers/catalogue_api.py`), in the environment
//! that `make test-servers` creates. A test crate includes this file with
//! `#[path = "common/catalogue_api.rs"] mod catalogue_api;`.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_port;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Python starts slowly on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A request that the server received.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
    /// Identifies the connection.
    pub(crate) client_port: u64,
    /// The status of the answer, or 0 without an answer.
    pub(crate) status: u64,
    headers: Vec<(String, String)>,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The server, which ends when this value is dropped. Its data survives a restart.
pub(crate) struct CatalogueServer {
    folder: TempDir,
    port: u16,
    token: String,
    /// The files of its certificate and key.
    tls: Option<(PathBuf, PathBuf)>,
    /// Socket and name of the MySQL database that contains the contents.
    database: Option<(PathBuf, String)>,
    /// Whether the API checks the token before the body.
    token_first: bool,
    process: Option<Child>,
}

impl CatalogueServer {
    pub(crate) fn start(token: &str) -> Outcome<Self> {
        Self::start_in(tempfile::tempdir()?, token, None, None)
    }

    /// Starts the API with a self-signed certificate.
    pub(crate) fn start_with_own_certificate(token: &str) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = Self::make_certificate(folder.path())?;
        Self::start_in(folder, token, Some(certificate), None)
    }

    /// Starts the API on a table of a MySQL database.
    pub(crate) fn start_over(token: &str, socket: PathBuf, database: &str) -> Outcome<Self> {
        Self::start_in(tempfile::tempdir()?, token, None, Some((socket, database.to_owned())))
    }

    /// The same, over TLS with these files of a certificate and its key. The tests' own
    /// requests, such as those of `calls`, do not work then.
    pub(crate) fn start_over_with_tls(
        token: &str,
        socket: PathBuf,
        database: &str,
        certificate: (PathBuf, PathBuf),
    ) -> Outcome<Self> {
        Self::start_in(tempfile::tempdir()?, token, Some(certificate), Some((socket, database.to_owned())))
    }

    fn start_in(
        folder: TempDir,
        token: &str,
        tls: Option<(PathBuf, PathBuf)>,
        database: Option<(PathBuf, String)>,
    ) -> Outcome<Self> {
        let port = free_port()?;
        let mut server =
            Self { folder, port, token: token.to_owned(), tls, database, token_first: false, process: None };
        server.run()?;
        Ok(server)
    }

    /// Creates a self-signed certificate and its key.
    fn make_certificate(folder: &Path) -> Outcome<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-keyout".as_ref(), key.as_os_str()])
            .args(["-out".as_ref(), certificate.as_os_str()])
            .output()?;
        if made.status.success() {
            return Ok((certificate, key));
        }
        Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)).into())
    }

    /// Starts the server, or restarts it on the same port.
    pub(crate) fn run(&mut self) -> Outcome {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/python/bin/python");
        if !python.exists() {
            return Err(format!("{} is missing: run `make test-servers`", python.display()).into());
        }
        let log = fs::File::options().create(true).append(true).open(self.file("log"))?;
        let mut command = Command::new(python);
        command
            .args(["-m", "uvicorn", "catalogue_api:served", "--host", "127.0.0.1", "--log-level", "warning"])
            .args(["--port", &self.port.to_string()])
            .arg("--app-dir")
            .arg(root.join("tests/servers"))
            .env("INTERNAL_TOKEN", &self.token)
            .env("CONTENTS", self.file("contents.sqlite"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some((socket, name)) = &self.database {
            command.env("DB_SOCKET", socket).env("DB_NAME", name);
        }
        if self.token_first {
            command.env("TOKEN_FIRST", "1");
        }
        if let Some((certificate, key)) = &self.tls {
            command.arg("--ssl-keyfile").arg(key);
            command.arg("--ssl-certfile").arg(certificate);
        }
        let process = self.process.insert(command.spawn()?);
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = process.try_wait()? {
                let log = fs::read_to_string(self.folder.path().join("log"))?;
                return Err(format!("uvicorn ended with {status}: {log}").into());
            }
            if started.elapsed() > START_TIMEOUT {
                return Err("uvicorn does not answer".into());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Restarts the server, which then checks the token before the body.
    pub(crate) fn with_token_first(mut self) -> Outcome<Self> {
        self.stop();
        self.token_first = true;
        self.run()?;
        Ok(self)
    }

    /// Kills the server, which breaks its connections.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The process may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The value for `CATALOG_API_BASE`.
    pub(crate) fn base(&self) -> String {
        match self.tls.is_some() {
            true => format!("https://localhost:{}/api", self.port),
            false => format!("http://127.0.0.1:{}/api", self.port),
        }
    }

    /// Sets the faults of the next requests, one for each request. The Python file defines the words.
    pub(crate) fn faults(&self, faults: &[Value]) -> Outcome {
        self.ask("POST /_faults", &json!(faults).to_string()).map(drop)
    }

    /// The requests since the server started.
    pub(crate) fn calls(&self) -> Outcome<Vec<Call>> {
        let calls = self.ask("GET /_calls", "")?;
        let calls = calls.as_array().ok_or("no list of calls")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let call = |call: &Value| Call {
            method: text(&call["method"]),
            path: text(&call["path"]),
            body: text(&call["body"]),
            client_port: call["client_port"].as_u64().unwrap_or_default(),
            status: call["status"].as_u64().unwrap_or_default(),
            headers: call["headers"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|pair| (text(&pair[0]), text(&pair[1])))
                .collect(),
        };
        Ok(calls.iter().map(call).collect())
    }

    /// Returns `[id, title, description, age_rating]` of each content.
    pub(crate) fn contents(&self) -> Outcome<Value> {
        self.ask("GET /_contents", "")
    }

    /// Uses HTTP/1.0, so that the answer ends with the connection.
    fn ask(&self, request: &str, body: &str) -> Outcome<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let length = body.len();
        write!(
            stream,
            "{request} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(answer.into());
        }
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for CatalogueServer {
    fn drop(&mut self) {
        self.stop();
    }
}

//! The catalogue's API: FastAPI under uvicorn, over a [`MariaDb`](super::mariadb::MariaDb).

use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use super::mariadb::{DATABASE, MariaDb};
use super::{Outcome, Program, free_port, in_repository};

pub(crate) const TOKEN: &str = "canary-internal-token";

#[derive(Debug)]
pub(crate) struct CatalogueApi {
    program: Program,
    port: u16,
    socket: std::path::PathBuf,
}

impl CatalogueApi {
    pub(crate) fn start(database: &MariaDb) -> Outcome<Self> {
        let (port, socket) = (free_port()?, database.socket());
        Ok(Self { program: launch(port, &socket)?, port, socket })
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}/api", self.port)
    }

    pub(crate) fn stop(&mut self) -> Outcome {
        self.program.stop()
    }

    pub(crate) fn start_again(&mut self) -> Outcome {
        self.program = launch(self.port, &self.socket)?;
        Ok(())
    }

    /// The requests so far.
    pub(crate) async fn calls(&self) -> Outcome<Vec<Value>> {
        let text = reqwest::get(format!("http://127.0.0.1:{}/_calls", self.port)).await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Makes the next requests fail.
    pub(crate) async fn fail(&self, times: u32, status: u16, headers: Value, body: &str) -> Outcome {
        let failure = json!({"times": times, "status": status, "headers": headers, "body": body});
        let url = format!("http://127.0.0.1:{}/_fail", self.port);
        let sent = reqwest::Client::new().post(url).body(failure.to_string()).send().await?;
        if sent.status().is_success() { Ok(()) } else { Err(format!("{}", sent.status()).into()) }
    }
}

fn launch(port: u16, socket: &std::path::Path) -> Outcome<Program> {
    let mut command = Command::new(in_repository("target/python/bin/python"));
    command
        .args(["-m", "uvicorn", "catalogue_api:app", "--host", "127.0.0.1", "--log-level", "warning"])
        .args(["--port", &port.to_string(), "--app-dir"])
        .arg(in_repository("tests/servers"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TOKEN", TOKEN)
        .env("DB_SOCKET", socket)
        .env("DB_NAME", DATABASE);
    let mut program = Program::start(&mut command)?;
    program.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(program)
}

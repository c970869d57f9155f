//! AWS's runtime interface emulator, which runs the function. Both of its addresses are always given: without them, it listens on every
//! interface.

use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use super::{Log, Outcome, Program, in_repository, isolation};
use crate::ports::free_port;

#[derive(Debug)]
pub(crate) struct Emulator {
    program: Program,
    port: u16,
}

impl Emulator {
    /// Starts the function in an environment that ends invocations after `seconds`.
    pub(crate) fn start(binary: &str, settings: &[(&str, String)], seconds: u32) -> Outcome<Self> {
        let (port, runtime) = (free_port()?, free_port()?);
        let mut command = Command::new(in_repository("target/rie/aws-lambda-rie"));
        command
            .env_clear()
            .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
            .args(["--runtime-api-address", &format!("127.0.0.1:{runtime}"), "--log-level", "info", binary])
            .env("AWS_LAMBDA_FUNCTION_NAME", "films")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", seconds.to_string())
            .envs(isolation())
            .envs(settings.iter().map(|(name, value)| (*name, value)));
        let mut program = Program::start(&mut command)?;
        program.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { program, port })
    }

    pub(crate) async fn invoke(&self, event: &Value) -> Outcome<Value> {
        let url = format!("http://127.0.0.1:{}/2015-03-31/functions/function/invocations", self.port);
        let reply = reqwest::Client::new().post(url).body(event.to_string()).send().await?.text().await?;
        serde_json::from_str(&reply)
            .map_err(|error| format!("{error}: {reply}\n{}", self.log().text()).into())
    }

    pub(crate) fn log(&self) -> &Log {
        self.program.log()
    }
}

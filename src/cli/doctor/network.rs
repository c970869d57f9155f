//! Checks of names and ports: whether a host has an address, and whether its port accepts connections.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::{TcpStream, lookup_host};

use super::check::Finding;
use crate::ErrorKind;
use crate::catalog::reach;

pub(super) async fn resolve(host: &str, port: u16, variable: &str) -> Finding {
    let found = lookup_host((host, port)).await.map(|found| found.map(|address: SocketAddr| address.ip()));
    let advice = || {
        format!(
            "check {variable}; a private name resolves only inside its VPC, which must have DNS resolution enabled"
        )
    };
    match found {
        Ok(found) => {
            let mut addresses: Vec<_> = found.map(|address| address.to_string()).collect();
            addresses.dedup();
            match addresses.is_empty() {
                true => Finding::failed(ErrorKind::Config, format!("{host} has no address"), advice()),
                false => Finding::ok(format!("{host}: {}", addresses.join(", "))),
            }
        }
        Err(error) => Finding::failed(ErrorKind::Config, format!("{host} has no address: {error}"), advice()),
    }
}

/// Connects to a host. Also returns a description with the time that connecting took.
pub(super) async fn connect(host: &str, port: u16) -> Result<(TcpStream, String), String> {
    let started = Instant::now();
    match reach(host, port).await {
        Ok(stream) => {
            let seen = format!("{host}:{port} accepts connections, {} ms", started.elapsed().as_millis());
            Ok((stream, seen))
        }
        Err(error) => Err(format!("cannot connect to {host}:{port}: {error}")),
    }
}

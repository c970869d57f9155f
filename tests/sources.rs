//! What sources say of objects and of servers.

mod common;
#[path = "common/servers.rs"]
mod servers;

#[test]
fn servers_start() -> common::Outcome {
    let http = servers::http_server::HttpServer::start()?;
    let s3 = servers::s3_server::S3Server::start()?;
    Ok(())
}

//! MySQL Router in front of a database, as `scripts/mysql.sh` unpacks it. Between statements, the router releases the server connection,
//! unless the client's session has state. RDS Proxy's pinning follows the same rule; the router stands in for the proxy.

use std::fs;
use std::net::TcpStream;

use tempfile::TempDir;

use super::database::{Database, unpacked};
use super::{Outcome, Program, in_repository};
use crate::ports::free_port;

#[derive(Debug)]
pub(crate) struct Router {
    _program: Program,
    _folder: TempDir,
    port: u16,
}

impl Router {
    /// Starts a router that closes idle connections after a second. Both sides use TLS, and the front uses the database's certificate.
    pub(crate) fn start(database: &Database) -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let at = folder.path().display();
        let plugins = in_repository("target/mysql/usr/lib/mysqlrouter/plugin");
        let (chain, key) = database.certificate();
        let settings = format!(
            "[DEFAULT]\nlogging_folder=\nruntime_folder={at}\ndata_folder={at}\nplugin_folder={}\n\
             [logger]\nlevel=WARNING\n\
             [connection_pool]\nmax_idle_server_connections=32\nidle_timeout=1\n\
             [routing:shared]\nbind_address=127.0.0.1\nbind_port={port}\ndestinations=127.0.0.1:{}\n\
             routing_strategy=first-available\nprotocol=classic\n\
             connection_sharing=1\nconnection_sharing_delay=0.1\n\
             client_ssl_mode=REQUIRED\nserver_ssl_mode=REQUIRED\nclient_ssl_cert={}\nclient_ssl_key={}\n",
            plugins.display(),
            database.port(),
            chain.display(),
            key.display(),
        );
        let file = folder.path().join("router.conf");
        fs::write(&file, settings)?;
        let mut program = Program::start(unpacked("usr/bin/mysqlrouter").arg("-c").arg(&file))?;
        program.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        Ok(Self { _program: program, _folder: folder, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

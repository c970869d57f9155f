//! Ports for servers that need a fixed port.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Returns a port on 127.0.0.1 that nobody listens on. The port is below the range that Linux gives to connections (`ip_local_port_range`,
/// 32768 and up), so that it is still free when a server starts later, or restarts.
pub(crate) fn free_port() -> io::Result<u16> {
    const FIRST: u16 = 16_384;
    const COUNT: u16 = 16_000;
    for _ in 0..100 {
        let number = RandomState::new().build_hasher().finish() % u64::from(COUNT);
        let port = FIRST + u16::try_from(number).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

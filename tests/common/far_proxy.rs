//! A TCP proxy that simulates a distant server: the client's bytes arrive after a delay. A test crate includes this file with
//! `#[path = "common/far_proxy.rs"] mod far_proxy;`, beside `programs`.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::pause;

/// A server behind the delay of a round trip.
pub(crate) struct FarProxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    server: AtomicU16,
    delay_micros: AtomicU64,
    connections: AtomicU64,
}

impl FarProxy {
    /// Starts a proxy for the server at this port on this machine, at first without a delay. Its threads end with the test process.
    pub(crate) fn start(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        shared.server.store(server, Ordering::SeqCst);
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&of_thread);
                thread::spawn(move || connect(client, &shared));
            }
        });
        Ok(Self { port, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Forwards new connections to the server at another port. Existing connections stay, as after a failover.
    pub(crate) fn set_server(&self, server: u16) {
        self.shared.server.store(server, Ordering::SeqCst);
    }

    /// Sets the time that a round trip takes from now on.
    pub(crate) fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.shared.delay_micros.store(micros, Ordering::SeqCst);
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// Forwards bytes in order. The client's bytes are delayed.
fn connect(client: TcpStream, shared: &Shared) -> Option<()> {
    let server = TcpStream::connect(("127.0.0.1", shared.server.load(Ordering::SeqCst))).ok()?;
    for stream in [&client, &server] {
        stream.set_nodelay(true).ok()?;
    }
    let (mut from_client, mut to_client) = (client.try_clone().ok()?, client);
    let (mut from_server, mut to_server) = (server.try_clone().ok()?, server);
    let (sender, pieces) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, piece) in pieces {
            pause(due.saturating_duration_since(Instant::now()));
            if to_server.write_all(&piece).is_err() {
                return;
            }
        }
        let _ = to_server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 64 << 10];
    while let Ok(count @ 1..) = from_client.read(&mut buffer) {
        let delay = Duration::from_micros(shared.delay_micros.load(Ordering::SeqCst));
        sender.send((Instant::now() + delay, buffer[..count].to_vec())).ok()?;
    }
    Some(())
}

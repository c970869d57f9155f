//! Connects to a name with several addresses, some of which may be unreachable.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::private_socket;

/// How long one address is tried before the next is tried as well: the "Connection Attempt Delay" that RFC 8305,
/// section 5, recommends.
const HEAD_START: Duration = Duration::from_millis(250);
/// How long a relay waits for its client to connect.
const CLIENT: Duration = Duration::from_secs(10);

/// Returns the addresses of a name, in the order in which to try them (RFC 6724).
pub(super) async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![(address, port).into()]),
        Err(_) => Ok(lookup_host((host, port)).await?.collect()),
    }
}

/// Connects to the first of `addresses` that responds. If an address is silent for 250 ms, the next one is tried as
/// well. All attempts continue until one is connected.
///
/// # Errors
/// The failure of the address that failed last; [`NotFound`](io::ErrorKind::NotFound) when the list is empty. The
/// caller limits the time.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut attempts = JoinSet::new();
    let mut addresses = addresses.into_iter();
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            done = attempts.join_next() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => failure = error,
                Some(Err(_)) => {}
                None => return Err(failure),
            },
            () = sleep(HEAD_START), if addresses.len() > 0 => {}
        }
    }
}

/// Connects to the first address of `host` that responds.
///
/// # Errors
/// The errors of [`connect`], and those of the name lookup.
pub(crate) async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    connect(addresses(host, port).await?).await
}

/// A Unix socket that forwards one client to an open connection, for a client that does not accept an open connection.
pub(super) struct Relay {
    socket: PathBuf,
    _folder: TempDir,
}

impl Relay {
    /// # Errors
    /// When the folder for temporary files is not writable.
    pub(super) fn new(mut far: TcpStream) -> io::Result<Self> {
        far.set_nodelay(true)?;
        let (folder, socket) = private_socket()?;
        let listener = UnixListener::bind(&socket)?;
        tokio::spawn(async move {
            if let Ok(Ok((mut near, _))) = timeout(CLIENT, listener.accept()).await {
                // If one side breaks, the other side notices when both are dropped.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
        Ok(Self { socket, _folder: folder })
    }

    /// Returns the path that the client connects to. Dropping the relay removes the socket; an established connection
    /// stays open.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket, UnixStream};

    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// An address whose connection queue is full. It never responds, like an address whose packets are lost.
    async fn silent() -> io::Result<(TcpListener, Vec<TcpStream>)> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(1)?;
        let mut waiting = Vec::new();
        while let Ok(stream) =
            timeout(Duration::from_millis(200), TcpStream::connect(listener.local_addr()?)).await
        {
            waiting.push(stream?);
        }
        Ok((listener, waiting))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_dead_address_costs_its_head_start() -> Outcome {
        let (dead, _waiting) = silent().await?;
        let live = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
        let (dead, live) = (dead.local_addr()?, live.local_addr()?);
        for addresses in [vec![dead, live], vec![dead, closed, dead, live], vec![closed, live]] {
            let started = Instant::now();
            let stream = timeout(Duration::from_secs(5), connect(addresses)).await??;
            assert_eq!(stream.peer_addr()?, live);
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        }
        assert_eq!(
            connect(vec![closed]).await.err().map(|error| error.kind()),
            Some(io::ErrorKind::ConnectionRefused)
        );
        assert_eq!(connect(Vec::new()).await.err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
        Ok(())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_relay_serves_one_client_and_leaves_no_files() -> Outcome {
        let far = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let relay = Relay::new(TcpStream::connect(far.local_addr()?).await?)?;
        let (mut far, _) = far.accept().await?;
        let mut near = UnixStream::connect(relay.socket()).await?;
        let folder = relay.socket().parent().ok_or("a folder")?.to_owned();
        drop(relay);
        assert!(!folder.exists());
        near.write_all(b"ping").await?;
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"ping");
        drop(near);
        assert_eq!(far.read(&mut heard).await?, 0);
        Ok(())
    }
}

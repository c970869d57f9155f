//! The SSH tunnel against OpenSSH's server.

#[path = "common/ports.rs"]
mod ports;
#[path = "common/sshd.rs"]
mod sshd;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use posterframe::ErrorKind;
use posterframe::catalog::{CatalogError, ResolveSecret, Tunnel};
use posterframe::config::{BastionSettings, LambdaConfig};
use posterframe::secret::{Secret, SecretSource};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::{sleep, timeout};

use self::sshd::{Sshd, keygen};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn block_on<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(future)
}

/// Starts a server that echoes everything, and returns its port.
async fn echo_server() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Ok(port)
}

/// sshd, an echo server in place of the database, and keys to log in with.
struct Stage {
    sshd: Sshd,
    keys: TempDir,
    port: u16,
}

impl Stage {
    async fn new() -> Outcome<Self> {
        Self::with_sshd_lines("").await
    }

    async fn with_sshd_lines(lines: &str) -> Outcome<Self> {
        let port = echo_server().await?;
        let sshd = Sshd::start_with(&[format!("127.0.0.1:{port}"), "127.0.0.1:1".to_owned()], lines)?;
        let stage = Self { sshd, keys: tempfile::tempdir()?, port };
        stage.make_key("user", &["-t", "ed25519"])?;
        stage.sshd.allow(&stage.key_path("user.pub"))?;
        Ok(stage)
    }

    fn key_path(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    fn make_key(&self, name: &str, arguments: &[&str]) -> Outcome {
        keygen(arguments, &self.key_path(name))
    }

    fn bastion(&self, user: &str, host_key: &str) -> Outcome<BastionSettings> {
        let port = self.sshd.port().to_string();
        let variables = BTreeMap::from([
            ("DB_HOST", "db.test"),
            ("DB_USER", "admin"),
            ("DB_PASSWORD", "p"),
            ("DB_NAME", "ott_db"),
            ("CATALOG_API_BASE", "http://api.test"),
            ("INTERNAL_TOKEN", "t"),
            ("BASTION_HOST", "127.0.0.1"),
            ("BASTION_PORT", &port),
            ("BASTION_USER", user),
            ("BASTION_SSH_KEY_SECRET", "bastion/key"),
            ("BASTION_HOST_KEY", host_key),
        ]);
        let config = LambdaConfig::from_lookup(|name| variables.get(name).map(Into::into))?;
        Ok(config.catalog.database.bastion.ok_or("no bastion")?)
    }

    /// A tunnel to `target_port` that uses the private key in `key`.
    fn tunnel_with(&self, host_key: &str, key: &str, target_port: u16) -> Outcome<Tunnel> {
        let bastion = self.bastion(self.sshd.user(), host_key)?;
        Ok(Tunnel::new(&bastion, "127.0.0.1", target_port, secrets(key).0)?)
    }

    /// Waits until all sessions of the bastion have ended.
    async fn no_session_is_left(&self) -> Outcome {
        let ends = Instant::now() + Duration::from_secs(5);
        while !self.sshd.sessions()?.is_empty() {
            if Instant::now() > ends {
                return Err(format!("a session goes on: {}", self.sshd.log()?).into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    fn user_key(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.key_path("user"))?)
    }

    fn tunnel(&self) -> Outcome<Tunnel> {
        self.tunnel_with(&self.sshd.host_key("ed25519")?, &self.user_key()?, self.port)
    }
}

/// Resolves every secret to `key`, and counts the requests.
fn secrets(key: &str) -> (ResolveSecret, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, key) = (Arc::clone(&asked), key.to_owned());
    let resolve: ResolveSecret = Arc::new(move |source| {
        assert_eq!(source, SecretSource::Stored("bastion/key".to_owned()));
        count.fetch_add(1, Ordering::Relaxed);
        let key = Secret::new(key.clone());
        Box::pin(async move { Ok(key) })
    });
    (resolve, asked)
}

fn base64(bytes: &[u8]) -> Outcome<String> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("key"), bytes)?;
    let output = Command::new("base64").arg(folder.path().join("key")).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Sends `text` through the socket and expects the same text back.
async fn echo(socket: &Path, text: &[u8]) -> Outcome {
    let mut stream = UnixStream::connect(socket).await?;
    echo_again(&mut stream, text).await
}

async fn echo_again(stream: &mut UnixStream, text: &[u8]) -> Outcome {
    let (mut read, mut write) = stream.split();
    let mut heard = vec![0; text.len()];
    let both = async { tokio::try_join!(write.write_all(text), read.read_exact(&mut heard)) };
    timeout(Duration::from_secs(20), both).await??;
    assert!(heard == text, "other bytes came back");
    Ok(())
}

/// Whether the other end closes `stream` within five seconds.
async fn is_closed(stream: &mut UnixStream) -> bool {
    let mut byte = [0];
    matches!(timeout(Duration::from_secs(5), stream.read(&mut byte)).await, Ok(Ok(0) | Err(_)))
}

fn refused(result: Result<PathBuf, CatalogError>) -> Outcome<(ErrorKind, String)> {
    let error = result.err().ok_or("a socket, and no error")?;
    Ok((error.kind(), format!("{error}")))
}

#[test]
fn leads_to_the_database_and_leaves_nothing_behind() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let log = stage.sshd.log()?;
        let tunnel = stage.tunnel()?;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.sshd.log()?, log, "making a tunnel connects nothing");
        let socket = tunnel.socket().await?;
        let folder = socket.parent().ok_or("a folder")?.to_owned();
        assert_eq!(fs::metadata(&folder)?.permissions().mode() & 0o777, 0o700);
        echo(&socket, b"SELECT 1").await?;
        let megabytes: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        echo(&socket, &megabytes).await?;
        assert!(tunnel.last_refusal().is_none());
        assert_eq!(tunnel.socket().await?, socket);

        let mut open = UnixStream::connect(&socket).await?;
        echo_again(&mut open, b"a").await?;
        drop(tunnel);
        assert!(!folder.exists(), "the folder is left behind");
        assert!(is_closed(&mut open).await, "a connection outlives its tunnel");
        stage.no_session_is_left().await?;
        Ok(())
    })
}

#[test]
fn keys_of_every_kind_open_it() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let kinds: [(&str, &[&str]); 6] = [
            ("ed25519", &["-t", "ed25519"]),
            ("rsa", &["-t", "rsa", "-b", "2048"]),
            // EC2 creates key pairs in this form.
            ("rsa_pkcs1", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
            ("rsa_pkcs8", &["-t", "rsa", "-b", "3072", "-m", "PKCS8"]),
            ("ecdsa", &["-t", "ecdsa", "-b", "256"]),
            ("ecdsa_384", &["-t", "ecdsa", "-b", "384"]),
        ];
        for (name, arguments) in kinds {
            stage.make_key(name, arguments)?;
            stage.sshd.allow(&stage.key_path(&format!("{name}.pub")))?;
            let key = fs::read_to_string(stage.key_path(name))?;
            // The forms in which consoles, shells and variables store a key: other line breaks, none at the end, spaces instead, or base64.
            let forms = [
                key.clone(),
                key.trim_end().replace('\n', "\r\n"),
                key.replace('\n', "\\n"),
                key.replace('\n', " "),
                format!("\"{}\"", key.replace('\n', "\\n")),
                base64(key.as_bytes())?,
            ];
            // The forms do not depend on the algorithm of the key, so two keys are enough.
            let forms = if matches!(name, "ed25519" | "rsa_pkcs1") { &forms[..] } else { &forms[..1] };
            for text in forms {
                let tunnel = stage.tunnel_with(&stage.sshd.host_key("ed25519")?, text, stage.port)?;
                let socket = tunnel.socket().await.map_err(|error| format!("{name}: {error}"))?;
                echo(&socket, name.as_bytes()).await?;
            }
        }
        Ok(())
    })
}

/// A bastion with outdated software. The error must name its age, and must not blame the user or the key.
#[test]
fn a_bastion_with_old_algorithms_is_told_so() -> Outcome {
    block_on(async {
        for (lines, words) in [
            (
                "KexAlgorithms diffie-hellman-group1-sha1\n",
                "key exchange algorithms (KexAlgorithms): diffie-hellman-group1-sha1",
            ),
            ("HostKeyAlgorithms ssh-rsa\n", "host key algorithms (HostKeyAlgorithms): ssh-rsa"),
            ("Ciphers aes128-cbc\n", "encryption algorithms (Ciphers): aes128-cbc"),
            ("MACs hmac-md5\nCiphers aes128-ctr\n", "message authentication algorithms (MACs): hmac-md5"),
        ] {
            let stage = Stage::with_sshd_lines(lines).await?;
            let tunnel = stage.tunnel_with(&stage.sshd.host_key("rsa")?, &stage.user_key()?, stage.port)?;
            let (kind, message) = refused(tunnel.socket().await)?;
            assert_eq!(kind, ErrorKind::Config, "{message}");
            assert!(message.contains(words) && message.contains("newer OpenSSH"), "{message}");
        }
        let stage = Stage::with_sshd_lines("PubkeyAcceptedAlgorithms ssh-rsa\n").await?;
        stage.make_key("rsa", &["-t", "rsa", "-b", "2048"])?;
        stage.sshd.allow(&stage.key_path("rsa.pub"))?;
        let key = fs::read_to_string(stage.key_path("rsa"))?;
        let tunnel = stage.tunnel_with(&stage.sshd.host_key("ed25519")?, &key, stage.port)?;
        let (kind, message) = refused(tunnel.socket().await)?;
        assert_eq!(kind, ErrorKind::Denied, "{message}");
        assert!(message.contains("RSA keys with SHA-1 only"), "{message}");
        Ok(())
    })
}

#[test]
fn every_form_of_the_host_key_pins_it() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let forms = [
            stage.sshd.host_key("ed25519")?,
            stage.sshd.host_key("rsa")?,
            stage.sshd.fingerprint("ed25519")?,
            "insecure-any".to_owned(),
        ];
        for form in forms {
            let tunnel = stage.tunnel_with(&form, &stage.user_key()?, stage.port)?;
            echo(&tunnel.socket().await.map_err(|error| format!("{form}: {error}"))?, b"a").await?;
        }
        Ok(())
    })
}

#[test]
fn another_host_key_is_refused_before_anybody_logs_in() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let shown = stage.sshd.fingerprint("ed25519")?;
        stage.make_key("stranger", &["-t", "ed25519"])?;
        let stranger = fs::read_to_string(stage.key_path("stranger.pub"))?;
        for pinned in [stranger, format!("SHA256:{}", "A".repeat(43)), stage.sshd.fingerprint("rsa")?] {
            let tunnel = stage.tunnel_with(&pinned, &stage.user_key()?, stage.port)?;
            let (kind, message) = refused(tunnel.socket().await)?;
            assert_eq!(kind, ErrorKind::Denied);
            let bastion = format!("bastion 127.0.0.1:{}: ", stage.sshd.port());
            assert!(message.starts_with(&bastion) && message.contains("BASTION_HOST_KEY"), "{message}");
            assert!(message.contains(&format!("ssh-ed25519 {shown}")), "{message}");
        }
        assert!(!stage.sshd.log()?.contains("publickey"), "{}", stage.sshd.log()?);
        // For a pinned key, the client requests a host key of that type. This server has no such key.
        stage.make_key("ecdsa", &["-t", "ecdsa"])?;
        let ecdsa = fs::read_to_string(stage.key_path("ecdsa.pub"))?;
        let (kind, message) =
            refused(stage.tunnel_with(&ecdsa, &stage.user_key()?, stage.port)?.socket().await)?;
        assert_eq!(kind, ErrorKind::Denied);
        assert!(message.contains("BASTION_HOST_KEY"), "{message}");
        Ok(())
    })
}

#[test]
fn users_that_it_does_not_know_are_named() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let pin = stage.sshd.host_key("ed25519")?;
        for arguments in [&["-t", "ed25519"][..], &["-t", "rsa", "-m", "PEM"]] {
            let name = format!("unknown-{}", arguments.len());
            stage.make_key(&name, arguments)?;
            let key = fs::read_to_string(stage.key_path(&name))?;
            let (kind, message) = refused(stage.tunnel_with(&pin, &key, stage.port)?.socket().await)?;
            assert_eq!(kind, ErrorKind::Denied);
            assert!(
                message.contains("BASTION_USER") && message.contains("BASTION_SSH_KEY_SECRET"),
                "{message}"
            );
        }
        let bastion = stage.bastion("nobody-such", &pin)?;
        let tunnel = Tunnel::new(&bastion, "127.0.0.1", stage.port, secrets(&stage.user_key()?).0)?;
        let (kind, message) = refused(tunnel.socket().await)?;
        assert_eq!(kind, ErrorKind::Denied);
        assert!(message.contains("login as nobody-such is refused"), "{message}");
        Ok(())
    })
}

#[test]
fn keys_that_cannot_be_read_are_not_shown() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let path = stage.key_path("locked");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "canary phrase", "-C", "canary", "-f"])
            .arg(&path)
            .status()?;
        assert!(made.success());
        let locked = fs::read_to_string(&path)?;
        let public = fs::read_to_string(stage.key_path("user.pub"))?;
        let damaged = stage.user_key()?.replace("AAAA", "AAA");
        let cases = [(locked, "passphrase"), (public, "a public key"), (damaged, "no private key")];
        for (text, words) in cases {
            let tunnel = stage.tunnel_with("insecure-any", &text, stage.port)?;
            let result = tunnel.socket().await;
            let shown = format!("{result:?} {tunnel:?}");
            let (kind, message) = refused(result)?;
            assert_eq!(kind, ErrorKind::Config);
            assert!(message.contains("BASTION_SSH_KEY_SECRET") && message.contains(words), "{message}");
            for line in text.lines().filter(|line| line.len() > 20 && !line.starts_with('-')) {
                assert!(!shown.contains(&line[..20]), "{shown}");
            }
        }
        Ok(())
    })
}

#[test]
fn what_the_bastion_does_not_lead_to_is_remembered() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let pin = stage.sshd.host_key("ed25519")?;
        let cases = [
            (2, ErrorKind::Denied, "cannot connect to 127.0.0.1:2: forwarding is prohibited"),
            (1, ErrorKind::Unavailable, "cannot connect to 127.0.0.1:1: the connection failed"),
        ];
        for (port, kind, words) in cases {
            let tunnel = stage.tunnel_with(&pin, &stage.user_key()?, port)?;
            let mut stream = UnixStream::connect(tunnel.socket().await?).await?;
            assert!(is_closed(&mut stream).await);
            let refusal = tunnel.last_refusal().ok_or("no refusal")?;
            assert_eq!(refusal.kind(), kind);
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
        Ok(())
    })
}

#[test]
fn a_bastion_that_is_not_there_is_named() -> Outcome {
    block_on(async {
        let mut stage = Stage::new().await?;
        stage.sshd.stop()?;
        let (kind, message) = refused(stage.tunnel()?.socket().await)?;
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(
            message.starts_with(&format!("bastion 127.0.0.1:{}: cannot connect", stage.sshd.port())),
            "{message}"
        );
        assert!(message.contains("BASTION_HOST"), "{message}");
        // The bastion's port leads to a server that does not speak SSH.
        let tunnel = {
            let mut bastion = stage.bastion(stage.sshd.user(), "insecure-any")?;
            bastion.port = stage.port;
            Tunnel::new(&bastion, "127.0.0.1", stage.port, secrets(&stage.user_key()?).0)?
        };
        let started = Instant::now();
        let (kind, message) = refused(tunnel.socket().await)?;
        assert_eq!(kind, ErrorKind::Unavailable);
        assert!(message.contains("handshake"), "{message}");
        assert!(started.elapsed() < Duration::from_secs(15));
        Ok(())
    })
}

#[test]
fn a_session_that_died_is_opened_again() -> Outcome {
    block_on(async {
        let mut stage = Stage::new().await?;
        let tunnel = stage.tunnel()?;
        let socket = tunnel.socket().await?;
        let mut open = UnixStream::connect(&socket).await?;
        echo_again(&mut open, b"before").await?;

        stage.sshd.kill_sessions()?;
        assert!(is_closed(&mut open).await, "connections of a dead session stay open");
        assert_eq!(tunnel.socket().await?, socket);
        echo(&socket, b"after the session was killed").await?;

        stage.sshd.stop()?;
        sleep(Duration::from_millis(100)).await;
        let (kind, _) = refused(tunnel.socket().await)?;
        assert_eq!(kind, ErrorKind::Unavailable);
        stage.sshd.run()?;
        echo(&tunnel.socket().await?, b"after the bastion was started again").await
    })
}

#[test]
fn a_session_that_fell_silent_is_not_relied_on() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let tunnel = stage.tunnel()?;
        let mut open = UnixStream::connect(tunnel.socket().await?).await?;
        echo_again(&mut open, b"before").await?;
        stage.sshd.freeze_sessions()?;
        sleep(Duration::from_secs(21)).await;
        let started = Instant::now();
        let socket = tunnel.socket().await?;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert!(started.elapsed() > Duration::from_secs(1), "the old session was not asked");
        echo(&socket, b"after").await?;
        assert!(is_closed(&mut open).await, "a connection of the silent session stays open");
        Ok(())
    })
}

#[test]
fn many_go_through_side_by_side() -> Outcome {
    block_on(async {
        let stage = Stage::new().await?;
        let (secrets, asked) = secrets(&stage.user_key()?);
        let bastion = stage.bastion(stage.sshd.user(), &stage.sshd.host_key("ed25519")?)?;
        let tunnel = Arc::new(Tunnel::new(&bastion, "127.0.0.1", stage.port, secrets)?);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..40_u8 {
            let tunnel = Arc::clone(&tunnel);
            tasks.spawn(async move {
                let socket = tunnel.socket().await.map_err(|error| error.to_string())?;
                let text = vec![number; 100_000 + usize::from(number)];
                echo(&socket, &text).await.map_err(|error| error.to_string())
            });
        }
        while let Some(result) = tasks.join_next().await {
            result??;
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1, "one session serves all");
        Ok(())
    })
}

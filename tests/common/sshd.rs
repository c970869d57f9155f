//! OpenSSH's server as a bastion, on 127.0.0.1. The program is the one that `make test-servers` unpacks, and never a service. A test crate
//! includes this file with `#[path = "common/sshd.rs"] mod sshd;`.
//!
//! As root, sshd needs an account for itself and a user who logs in. Both exist only in a mount namespace of that process. As another user,
//! sshd accepts logins of that user.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports::free_port;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Creates the accounts, visible to this process only, and then executes sshd.
const AS_ROOT: &str = r#"
set -e
for file in passwd shadow; do cp "/etc/$file" "$FOLDER/$file"; done
echo 'sshd:x:65532:65534::/run/sshd:/usr/sbin/nologin' >>"$FOLDER/passwd"
echo 'bastion:x:65533:65534::/:/bin/sh' >>"$FOLDER/passwd"
echo 'bastion:*:19000:0:99999:7:::' >>"$FOLDER/shadow"
mount --make-rprivate /
mount --bind "$FOLDER/passwd" /etc/passwd
mount --bind "$FOLDER/shadow" /etc/shadow
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
exec "$@"
"#;

/// The server, which ends when this value is dropped.
pub(crate) struct Sshd {
    folder: TempDir,
    port: u16,
    user: String,
    process: Option<Child>,
}

impl Sshd {
    /// Starts a server that accepts no login yet ([`allow`](Self::allow)), and forwards only to `targets` (`host:port`).
    pub(crate) fn start(targets: &[String]) -> Outcome<Self> {
        Self::start_with(targets, "")
    }

    /// Starts such a server with these additional lines in its `sshd_config`.
    pub(crate) fn start_with(targets: &[String], lines: &str) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir()?;
        // The user who logs in reads the keys here.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let port = free_port()?;
        let user = match is_root()? {
            true => "bastion".to_owned(),
            false => output(Command::new("id").arg("-un"))?.trim().to_owned(),
        };
        let mut server = Self { folder, port, user, process: None };
        for kind in ["ed25519", "rsa"] {
            keygen(&["-t", kind], &server.file(&format!("host_{kind}")))?;
        }
        fs::write(server.file("authorized_keys"), "")?;
        fs::write(server.file("sshd_config"), server.config(targets)? + lines)?;
        server.run()?;
        Ok(server)
    }

    fn config(&self, targets: &[String]) -> Outcome<String> {
        let folder = self.folder.path().display();
        let mut config = format!(
            "Port {}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             AuthorizedKeysFile {folder}/authorized_keys\nHostKey {folder}/host_ed25519\nHostKey {folder}/host_rsa\n\
             KbdInteractiveAuthentication no\nForceCommand /bin/false\nX11Forwarding no\nMaxStartups 100\nLogLevel VERBOSE\n",
            self.port
        );
        writeln!(config, "PermitOpen {}", targets.join(" "))?;
        Ok(config)
    }

    /// Starts the server, or restarts it on the same port.
    pub(crate) fn run(&mut self) -> Outcome {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sshd/sshd");
        if !program.exists() {
            return Err(format!("{} is missing: run `make test-servers`", program.display()).into());
        }
        let mut command = match is_root()? {
            true => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "sh", "-c", AS_ROOT, "sh"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        // Empties the log, so that the line about listening comes from this process.
        fs::write(self.file("log"), "")?;
        let log = fs::File::options().append(true).open(self.file("log"))?;
        let config = self.file("sshd_config");
        command.args(["-D", "-e", "-f"]).arg(config).env("FOLDER", self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = self.process.insert(command.spawn()?);
        let started = Instant::now();
        // A connection as a check would start a session, which would outlast this loop.
        while !fs::read_to_string(self.folder.path().join("log"))?.contains("Server listening on") {
            if let Some(status) = process.try_wait()? {
                return Err(format!("sshd ended with {status}: {}", self.log()?).into());
            }
            if started.elapsed() > START_TIMEOUT {
                return Err("sshd does not listen".into());
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Kills the server with all its sessions.
    pub(crate) fn stop(&mut self) -> Outcome {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        // A server that is stopped first cannot start another session, which would keep listening for a moment.
        signal("STOP", &[process.id()])?;
        let sessions = descendants(process.id())?;
        process.kill()?;
        process.wait()?;
        signal("KILL", &sessions)?;
        // A session that has just started holds the socket until it ends.
        let stopped = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            if stopped.elapsed() > START_TIMEOUT {
                return Err("sshd goes on listening".into());
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Kills the sessions. The server accepts new ones.
    pub(crate) fn kill_sessions(&self) -> Outcome {
        signal("KILL", &self.sessions()?)
    }

    /// Stops the processes of the sessions, as if the network dropped all packets. The server accepts new sessions.
    pub(crate) fn freeze_sessions(&self) -> Outcome {
        signal("STOP", &self.sessions()?)
    }

    /// The process ids of the sessions.
    pub(crate) fn sessions(&self) -> Outcome<Vec<u32>> {
        descendants(self.process.as_ref().ok_or("sshd does not run")?.id())
    }

    /// Accepts logins with the private key of the public key in `path`.
    pub(crate) fn allow(&self, path: &Path) -> Outcome {
        let all = fs::read_to_string(self.file("authorized_keys"))? + &fs::read_to_string(path)?;
        Ok(fs::write(self.file("authorized_keys"), all)?)
    }

    /// The server's public key of a type, `ed25519` or `rsa`, as `ssh-keyscan` prints it.
    pub(crate) fn host_key(&self, kind: &str) -> Outcome<String> {
        let key = fs::read_to_string(self.file(&format!("host_{kind}.pub")))?;
        Ok(key.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    }

    /// The fingerprint of that key, as `ssh-keygen -l` prints it.
    pub(crate) fn fingerprint(&self, kind: &str) -> Outcome<String> {
        let line = output(Command::new("ssh-keygen").arg("-lf").arg(self.file(&format!("host_{kind}.pub"))))?;
        Ok(line.split_whitespace().nth(1).ok_or("no fingerprint")?.to_owned())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> Outcome<String> {
        Ok(fs::read_to_string(self.file("log"))?)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The user who may log in.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // An error cannot be reported here.
        let _ = self.stop();
    }
}

/// Creates a key pair without a passphrase at `path` and `path.pub`, with `ssh-keygen` and these arguments.
pub(crate) fn keygen(arguments: &[&str], path: &Path) -> Outcome {
    output(
        Command::new("ssh-keygen").args(["-q", "-N", "", "-C", "test"]).args(arguments).arg("-f").arg(path),
    )
    .map(drop)
}

fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn is_root() -> Outcome<bool> {
    Ok(output(Command::new("id").arg("-u"))?.trim() == "0")
}

/// Sends a signal to processes. Processes that have ended are ignored.
fn signal(name: &str, processes: &[u32]) -> Outcome {
    for process in processes {
        Command::new("sh").args(["-c", &format!("kill -{name} {process} 2>/dev/null || true")]).status()?;
    }
    Ok(())
}

/// Returns all descendants of `process`.
fn descendants(process: u32) -> Outcome<Vec<u32>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // The process may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // `id (name) state parent ...`; the name may contain any character.
        let rest = stat.rsplit(')').next().unwrap_or_default();
        if let Some(parent) = rest.split_whitespace().nth(1).and_then(|parent| parent.parse::<u32>().ok()) {
            pairs.push((id, parent));
        }
    }
    let mut found = vec![process];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
        next += 1;
    }
    found.remove(0);
    Ok(found)
}

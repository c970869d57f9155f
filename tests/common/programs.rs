//! Server programs on 127.0.0.1 that a test starts, and that end with the test: [`database`], `moto`, and the program under test inside
//! [`runtime_api`] or `emulator`. `make test-servers` installs them. A test crate includes this file with
//! `#[path = "common/programs.rs"] mod programs;`, beside `servers`.
#![allow(dead_code, reason = "each test crate uses its own part of this")]

#[path = "cgroup.rs"]
mod cgroup;
#[path = "database.rs"]
pub(crate) mod database;
#[cfg(feature = "lambda")]
#[path = "emulator.rs"]
pub(crate) mod emulator;
#[cfg(feature = "lambda")]
#[path = "moto.rs"]
pub(crate) mod moto;
#[path = "router.rs"]
pub(crate) mod router;
#[path = "runtime_api.rs"]
pub(crate) mod runtime_api;

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A process and its output.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: Log,
}

/// The lines that a process has written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    fn follow(&self, output: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                log.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
    }
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("{name}: {error}; `make test-servers` gets it"))?;
        let log = Log::default();
        if let Some(output) = child.stdout.take() {
            log.follow(output);
        }
        if let Some(output) = child.stderr.take() {
            log.follow(output);
        }
        Ok(Self { child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Waits until `ready` returns true. If the process ends or 30 s pass, returns an error with the output of the process.
    pub(crate) fn wait_until(&mut self, mut ready: impl FnMut() -> bool) -> Outcome {
        let started = Instant::now();
        while !ready() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || started.elapsed() > Duration::from_secs(30) {
                return Err(format!("does not start ({ended:?}):\n{}", self.log.text()).into());
            }
            pause(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Sends the signal with this name.
    pub(crate) fn signal(&self, name: &str) -> Outcome {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(format!("kill -s {name}: {status}").into()) }
    }

    /// Ends the process with SIGTERM, and waits for its end.
    pub(crate) fn stop(&mut self) -> Outcome {
        self.signal("TERM")?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether `ISOLATE` in the environment of the tests makes the function decode in a cage.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses")]
pub(crate) fn isolation() -> Option<(&'static str, std::ffi::OsString)> {
    Some(("ISOLATE", std::env::var_os("ISOLATE")?))
}

/// Sleeps. These tests wait for other processes.
#[expect(clippy::disallowed_methods, reason = "no deadline is to be kept")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// A file in the repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

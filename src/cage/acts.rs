//! Attacks and accidents in a child. Tests make a real child perform them.

use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// An act that a child attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Reads the environment of its parent.
    ReadEnvironment,
    /// Reads the memory of its parent.
    ReadMemory,
    /// Connects to a port of this machine, like a connection to Lambda's runtime API.
    Connect(u16),
    /// Starts a process.
    Fork,
    /// Attaches to its parent as a debugger.
    Trace,
    /// Opens a file that everybody may read.
    OpenFile,
    /// Ends by a signal.
    Crash,
    /// Computes without an end.
    Loop,
    /// Answers, and then computes without an end while no call is in progress.
    LoopLater,
    /// Allocates memory without an end.
    Allocate,
    /// Answers with bytes that are not a valid answer.
    AnswerGarbage,
    /// Never answers.
    Silence,
}

impl Act {
    /// Performs the act. `Ok` describes the result, and `Err` the reason why the act failed.
    pub(super) fn perform(
        self,
        parent: u32,
        send: impl FnOnce(&[u8]) -> io::Result<()>,
    ) -> Result<String, String> {
        let done = match self {
            Self::ReadEnvironment => {
                fs::read(format!("/proc/{parent}/environ")).map(|bytes| format!("{} bytes", bytes.len()))
            }
            Self::ReadMemory => File::open(format!("/proc/{parent}/mem")).map(|_| "opened".to_owned()),
            Self::Connect(port) => TcpStream::connect(("127.0.0.1", port)).map(|_| "connected".to_owned()),
            Self::Fork => Command::new("/bin/true")
                .spawn()
                .map(|child| format!("process {}", child.id()))
                .or_else(|_| fork()),
            Self::Trace => trace(parent),
            Self::OpenFile => File::open("/etc/passwd").map(|_| "opened".to_owned()),
            Self::Crash => std::process::abort(),
            Self::Loop | Self::LoopLater => loop {
                std::hint::spin_loop();
            },
            Self::Allocate => {
                let mut taken = Vec::new();
                loop {
                    taken.push(vec![1_u8; 1 << 20]);
                    std::hint::black_box(&taken);
                }
            }
            Self::AnswerGarbage => send(&[0xa5; 64]).map(|()| "sent".to_owned()),
            Self::Silence => loop {
                thread::park();
            },
        };
        done.map_err(|error| error.to_string())
    }
}

#[expect(unsafe_code, reason = "no safe call makes a process and nothing else")]
fn fork() -> io::Result<String> {
    // SAFETY: the new process ends at once, and there is one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: no Rust code runs in the new process.
        0 => unsafe { libc::_exit(0) },
        id => Ok(format!("process {id}")),
    }
}

#[expect(unsafe_code, reason = "no safe call attaches to a process")]
fn trace(parent: u32) -> io::Result<String> {
    let nothing: *mut libc::c_void = std::ptr::null_mut();
    // SAFETY: the request takes a number and no memory.
    match unsafe { libc::ptrace(libc::PTRACE_SEIZE, parent, nothing, nothing) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok("attached".to_owned()),
    }
}

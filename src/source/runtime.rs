//! The thread that waits for the network, so that blocking code may be called from anywhere: from plain programs, and from
//! threads of another runtime that must not block on themselves.

use std::future::Future;
use std::io;
use std::sync::{Arc, LazyLock};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Its handle; or why there is none.
static IO: LazyLock<Result<Handle, Arc<io::Error>>> = LazyLock::new(|| start().map_err(Arc::new));

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // It lives as long as the process: connections stay open from one object to the next.
    thread::Builder::new()
        .name("posterframe-io".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// The I/O thread's runtime, started at first use.
pub(crate) fn handle() -> io::Result<Handle> {
    IO.as_ref().cloned().map_err(|error| io::Error::new(error.kind(), Arc::clone(error)))
}

/// Runs a future in the I/O thread, and waits for it. For making clients and sources from blocking code.
///
/// # Errors
/// The thread cannot be started, or the future panics.
///
/// # Panics
/// In async code of tokio's, which must not block, and has `.await`. `spawn_blocking` may call it.
pub fn block_on<F>(future: F) -> io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    handle()?.spawn(async move {
        // Nobody waits any more when this fails.
        let _ = sender.send(future.await);
    });
    receiver.blocking_recv().map_err(io::Error::other)
}

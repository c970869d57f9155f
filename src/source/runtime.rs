//! The thread that waits for the network. With this thread, blocking code can be called from anywhere: from plain
//! programs, and from threads of another runtime that must not block on that runtime.

use std::future::Future;
use std::io;
use std::sync::{Arc, LazyLock};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread's handle, or the reason why the thread did not start.
static IO: LazyLock<Result<Handle, Arc<io::Error>>> = LazyLock::new(|| start().map_err(Arc::new));

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // The thread lives as long as the process: connections stay open from one object to the next.
    thread::Builder::new()
        .name("posterframe-io".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// Returns the runtime of the I/O thread, which starts at first use.
pub(crate) fn handle() -> io::Result<Handle> {
    IO.as_ref().cloned().map_err(|error| io::Error::new(error.kind(), Arc::clone(error)))
}

/// Runs a future on the I/O thread and waits for its result. Blocking code uses this function to create clients and
/// sources.
///
/// # Errors
/// The thread cannot be started, or the future panics.
///
/// # Panics
/// The call panics in tokio's async code, which must not block and can use `.await`. From async code, use
/// `spawn_blocking`.
pub fn block_on<F>(future: F) -> io::Result<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    handle()?.spawn(async move {
        // The send fails when the caller no longer waits.
        let _ = sender.send(future.await);
    });
    receiver.blocking_recv().map_err(io::Error::other)
}

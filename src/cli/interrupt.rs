//! The interrupt (Ctrl-C), and other ends that work may come to before it is done.

use std::time::Duration;

use super::output::exit_code;
use crate::job_error::JobError;
use crate::{CancelToken, ErrorKind};

/// How long the work may take to end in order once it was interrupted.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How often a wait looks whether it was.
pub(super) const LOOK_UP: Duration = Duration::from_millis(50);

/// Cancels the work at the first interrupt. If it does not end soon after, or at the second interrupt, the process does.
pub(super) async fn interrupt(cancel: CancelToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        cancel.cancel();
        let _ = tokio::time::timeout(GRACE, tokio::signal::ctrl_c()).await;
        std::process::exit(exit_code(ErrorKind::Cancelled).into());
    }
}

/// Work on one video, for no longer than this. Decoding has a limit of its own; this one holds for store and catalogue as well.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    let late = |_| JobError::new(ErrorKind::Timeout, format!("not done within {limit:?} (--timeout)"));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// Waits for the first interrupt.
pub(super) async fn interrupted(cancel: &CancelToken) -> JobError {
    while !cancel.is_cancelled() {
        tokio::time::sleep(LOOK_UP).await;
    }
    JobError::new(ErrorKind::Cancelled, "interrupted")
}

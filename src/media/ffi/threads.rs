//! CPU time of the calling thread, and of the threads that libavcodec starts for a decoder.

use std::time::Duration;

/// Returns the CPU time of the calling thread since its start, or `None` where the system does not report it.
#[cfg(unix)]
pub(crate) fn cpu_time() -> Option<Duration> {
    time_of(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[cfg(not(unix))]
pub(crate) const fn cpu_time() -> Option<Duration> {
    None
}

#[cfg(unix)]
fn time_of(clock: libc::clockid_t) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time to the address of a local; a clock that is not there is an error (clock_gettime(2)).
    let code = unsafe { libc::clock_gettime(clock, &raw mut time) };
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?);
    (code == 0).then(|| Duration::new(seconds, nanoseconds))
}

/// The threads that work for a decoder.
///
/// libavcodec does not report which threads it starts. They are the threads that appear while the decoder is being opened, and
/// that have one of its thread names, or still the name of the thread that starts them.
#[cfg(target_os = "linux")]
pub(super) struct Workers(Vec<libc::pid_t>);

#[cfg(target_os = "linux")]
impl Workers {
    /// The threads of a decoder without threads.
    pub(super) const NONE: Self = Self(Vec::new());

    /// Runs `start`, and returns the threads that it starts. Where `/proc` is not mounted, the threads are not found, and count
    /// as idle.
    pub(super) fn started_by<T>(start: impl FnOnce() -> T) -> (T, Self) {
        use std::sync::{Mutex, PoisonError};

        /// Decoders are opened one after the other, so that no decoder counts the threads of another.
        static OPENING: Mutex<()> = Mutex::new(());
        let opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let before = threads();
        let result = start();
        let new = threads().into_iter().filter(|thread| !before.contains(thread));
        let own = name_of("thread-self");
        let is_workers = |thread: &libc::pid_t| {
            let name = name_of(&format!("self/task/{thread}"));
            name == own || ["av:", "dav1d"].iter().any(|prefix| name.starts_with(prefix))
        };
        let workers = Self(new.filter(is_workers).collect());
        drop(opening);
        (result, workers)
    }

    /// Returns the CPU time that the threads have used since their start.
    pub(super) fn cpu_time(&self) -> Duration {
        // The clock of a thread of this process, computed as in pthread_getcpuclockid(3): the complement of its number, and the
        // bits for "of a thread" and "CPU time" (Linux, include/linux/posix-timers_types.h).
        self.0.iter().filter_map(|thread| time_of((!thread << 3) | 0b110)).sum()
    }
}

/// Returns the numbers of the process's threads.
#[cfg(target_os = "linux")]
fn threads() -> Vec<libc::pid_t> {
    let entries = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Returns the name of a thread from its path in `/proc`.
#[cfg(target_os = "linux")]
fn name_of(thread: &str) -> String {
    std::fs::read_to_string(format!("/proc/{thread}/comm")).unwrap_or_default()
}

/// The threads of a decoder. On this system they are not found, and count as idle.
#[cfg(not(target_os = "linux"))]
pub(super) struct Workers;

#[cfg(not(target_os = "linux"))]
impl Workers {
    pub(super) const NONE: Self = Self;

    pub(super) fn started_by<T>(start: impl FnOnce() -> T) -> (T, Self) {
        (start(), Self)
    }

    pub(super) const fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use super::*;

    /// Uses this much CPU time.
    fn work(time: Duration) {
        let begun = cpu_time().unwrap();
        while cpu_time().unwrap() - begun < time {}
    }

    #[test]
    fn cpu_time_of_a_thread_excludes_waiting() {
        let begun = cpu_time().unwrap();
        work(Duration::from_millis(30));
        let (_sender, receiver) = mpsc::channel::<()>();
        let _ = receiver.recv_timeout(Duration::from_millis(200));
        let used = cpu_time().unwrap() - begun;
        assert!((30..130).contains(&used.as_millis()), "{used:?}");
    }

    #[test]
    fn cpu_time_of_started_threads_is_reported() {
        let (sender, receiver) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let start = || {
            thread::Builder::new().name("av:test".to_owned()).spawn(move || {
                work(Duration::from_millis(40));
                let _ = sender.send(Instant::now());
                // The thread stays alive, like a decoder's threads.
                let _ = ended.recv();
            })
        };
        let (_, workers) = Workers::started_by(start);
        receiver.recv().unwrap();
        assert!((40..140).contains(&workers.cpu_time().as_millis()), "{:?}", workers.cpu_time());
        let (_, others) = Workers::started_by(|| ());
        assert_eq!(others.cpu_time(), Duration::ZERO);
        drop(end);
    }
}

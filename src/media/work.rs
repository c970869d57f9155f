//! The limits of a call: a deadline, cancellation by another thread, and CPU time.
//!
//! CPU time includes the thread that makes the call, and the threads in which libavcodec decodes for the call. Waiting for bytes, for
//! a lock or for a processor uses no CPU time. A file that uses up its CPU time is expensive on every attempt. A file that reaches its
//! deadline may succeed on another attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

#[cfg(feature = "tokio")]
use crate::deadline::CancelToken;
use crate::deadline::{Deadline, Stop};
use crate::media::ffi;

/// The limits of a call, from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    deadline: Deadline,
    max_cpu_time: Duration,
    /// Start time of the call, its thread, and the CPU time that the thread had used at the start.
    begun: (Instant, ThreadId, Option<Duration>),
    /// CPU time that other threads have used for the call.
    of_others: Duration,
    /// Nanoseconds of CPU time that earlier calls have used, where one limit applies to all calls.
    earlier: Option<Arc<AtomicU64>>,
}

impl Work {
    /// Begins a call in this thread.
    pub(crate) fn new(deadline: Deadline, max_cpu_time: Duration) -> Self {
        let begun = (Instant::now(), thread::current().id(), ffi::threads::cpu_time());
        Self { deadline, max_cpu_time, begun, of_others: Duration::ZERO, earlier: None }
    }

    /// Applies the limit on CPU time to all calls together.
    pub(crate) fn for_all_calls(self) -> Self {
        Self { earlier: Some(Arc::default()), ..self }
    }

    /// Returns the limits of the next call, which begins now.
    pub(crate) fn begin(&self) -> Self {
        Self { earlier: self.earlier.clone(), ..Self::new(self.deadline.begin(), self.max_cpu_time) }
    }

    /// Ends a call. Its CPU time counts for later calls, where one limit applies to all calls.
    pub(crate) fn end(&mut self) {
        if let Some(earlier) = &self.earlier {
            let used = self.cpu_time_of_call().as_nanos();
            // Half a thousand years fit.
            earlier.fetch_add(u64::try_from(used).unwrap_or(u64::MAX / 2), Ordering::Relaxed);
            *self = self.begin();
        }
    }

    pub(crate) const fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Adds CPU time that other threads have used for the call.
    pub(crate) const fn add_cpu_time(&mut self, of_others: Duration) {
        self.of_others = self.of_others.saturating_add(of_others);
    }

    /// Sets a token that cancels the next calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn for_call(&mut self, token: CancelToken) {
        self.deadline = self.deadline.clone().for_call(Some(token));
    }

    /// Returns the reason to stop now, or `None`.
    pub(crate) fn expired(&self) -> Option<Stop> {
        match self.deadline.expired() {
            Some(Stop::Cancelled) => Some(Stop::Cancelled),
            _ if self.cpu_time_is_over() => Some(Stop::CpuTime(self.max_cpu_time)),
            stop => stop,
        }
    }

    fn cpu_time_is_over(&self) -> bool {
        let earlier = self.earlier.as_ref().map_or(0, |earlier| earlier.load(Ordering::Relaxed));
        let allowed = self.max_cpu_time.saturating_sub(Duration::from_nanos(earlier));
        // A thread works no longer than the wall clock runs. Most calls end long before the thread's own clock must be read.
        let may_be_over = self.begun.0.elapsed().saturating_add(self.of_others) >= allowed;
        may_be_over && self.cpu_time_of_call() >= allowed
    }

    fn cpu_time_of_call(&self) -> Duration {
        let (_, caller, used_before) = self.begun;
        let is_caller = thread::current().id() == caller;
        let used = ffi::threads::cpu_time().zip(used_before).filter(|_| is_caller);
        let own = used.map_or(Duration::ZERO, |(now, before)| now.saturating_sub(before));
        own.saturating_add(self.of_others)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn wait(time: Duration) {
        let (_sender, receiver) = mpsc::channel::<()>();
        let _ = receiver.recv_timeout(time);
    }

    #[test]
    fn waiting_uses_no_cpu_time() {
        let work = Work::new(Deadline::new(HOUR, None), Duration::from_millis(100));
        wait(Duration::from_millis(150));
        assert_eq!(work.expired(), None);
        let begun = Instant::now();
        while work.expired().is_none() && begun.elapsed() < Duration::from_secs(30) {}
        assert_eq!(work.expired(), Some(Stop::CpuTime(Duration::from_millis(100))));
        assert_eq!(work.begin().expired(), None);
    }

    #[test]
    fn earlier_calls_count_where_one_limit_applies_to_all() {
        for is_for_all in [false, true] {
            let mut work = Work::new(Deadline::new(HOUR, None), HOUR);
            work = if is_for_all { work.for_all_calls() } else { work };
            for call in 1..=4 {
                let mut next = work.begin();
                next.add_cpu_time(HOUR / 3);
                let is_over = is_for_all && call >= 3;
                assert_eq!(next.expired(), is_over.then_some(Stop::CpuTime(HOUR)), "call {call}");
                next.end();
                // A call that has ended does not count twice.
                assert_eq!(next.expired(), is_over.then_some(Stop::CpuTime(HOUR)), "after call {call}");
            }
        }
    }

    #[test]
    fn cpu_time_of_other_threads_counts() {
        let mut work = Work::new(Deadline::new(HOUR, None), HOUR);
        work.add_cpu_time(HOUR / 2);
        assert_eq!(work.expired(), None);
        work.add_cpu_time(HOUR / 2);
        assert_eq!(work.expired(), Some(Stop::CpuTime(HOUR)));
    }
}

//! Options for opening a file.

#[cfg(feature = "job")]
use std::fmt;
use std::num::NonZeroUsize;
#[cfg(feature = "job")]
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "cage")]
use serde::{Deserialize, Serialize};

use crate::deadline::{CancelToken, Deadline};
use crate::frame_request::FrameRequest;
use crate::limits::Limits;
use crate::media::work::Work;
#[cfg(feature = "remote")]
use crate::source::{BlockCache, FirstReads};

/// The number of decoding threads. It changes no frame, except how libavcodec conceals damage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cage", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub enum Threads {
    /// One thread up to 1080p, and two for larger pictures if the machine has them.
    ///
    /// A second thread finishes a 1080p frame 1.45 times sooner, for a fifth more CPU time and 8 MB more memory. A Lambda with less
    /// than 1769 MB has less than one core, and a machine with many videos to process has better uses for its cores. A shorter wait
    /// is worth the cost only for 4K, where a frame takes seconds.
    #[default]
    Auto,
    /// This number of threads.
    Count(NonZeroUsize),
}

impl Threads {
    pub(super) fn resolve(self, width: u32, height: u32) -> NonZeroUsize {
        const LARGE: u64 = 1920 * 1088;
        match self {
            Self::Count(count) => count,
            Self::Auto if u64::from(width) * u64::from(height) > LARGE => {
                let two = NonZeroUsize::MIN.saturating_add(1);
                thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(two))
            }
            Self::Auto => NonZeroUsize::MIN,
        }
    }
}

/// Returns the frame once the first reply has arrived.
#[cfg(feature = "job")]
#[derive(Clone)]
pub(crate) struct FrameLater(Arc<dyn Fn() -> FrameRequest + Send + Sync>);

#[cfg(feature = "job")]
impl fmt::Debug for FrameLater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameLater")
    }
}

/// Options for opening a file. `OpenOptions::default()` returns the default options.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Limits on the resources that the file may use.
    pub limits: Limits,
    /// The number of decoding threads.
    pub threads: Threads,
    /// The token with which another thread can cancel calls.
    pub cancel: Option<CancelToken>,
    /// The frame that will be requested. With a frame, opening the file also reads the bytes that the frame needs, as soon as their
    /// position is known. Without a frame, opening reads what the information needs, and no sample.
    pub frame: Option<FrameRequest>,
    /// Whether opening also reads up to 5 MB of packets, to learn properties that the headers do not contain, like ffprobe.
    pub analyse_streams: bool,
    /// A function that returns the frame after the first reply, in place of `frame`: the reply may determine the frame.
    #[cfg(feature = "job")]
    pub(crate) frame_later: Option<FrameLater>,
    /// The time by which all calls on the file must end, including the encoding of its frames, regardless of the limit of a single
    /// call ([`Limits::max_time`](crate::Limits::max_time)). With a deadline, [`Limits::max_cpu_time`](crate::Limits::max_cpu_time)
    /// also limits all calls together.
    pub deadline: Option<Instant>,
    /// The duration that the caller allowed for all calls, for error messages.
    pub(super) total_time: Option<Duration>,
    /// A token that cancels the opening, and no later call.
    pub(super) call: Option<CancelToken>,
    /// The expected size of the object in bytes, for example from an event or a listing. The size determines the first requests. It
    /// need not be exact. Only inputs that are read by byte ranges use this option.
    pub size_hint: Option<u64>,
    /// The sizes of the first requests, before anything is known about the object. Default: the result of [`FirstReads::for_name`].
    #[cfg(feature = "remote")]
    pub first_reads: Option<FirstReads>,
    /// The cache for fetched bytes that wait to be read. Default: the cache of the process, [`BlockCache::global`].
    #[cfg(feature = "remote")]
    pub cache: Option<BlockCache>,
}

impl OpenOptions {
    /// Sets the limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the number of decoding threads.
    #[must_use]
    pub const fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the frame that will be requested.
    #[must_use]
    pub fn with_frame(mut self, request: impl Into<FrameRequest>) -> Self {
        self.frame = Some(request.into());
        self
    }

    /// Sets a function that returns the frame after the first reply.
    #[cfg(feature = "job")]
    pub(crate) fn with_frame_later(
        mut self,
        tell: impl Fn() -> FrameRequest + Send + Sync + 'static,
    ) -> Self {
        self.frame_later = Some(FrameLater(Arc::new(tell)));
        self
    }

    /// Enables or disables the analysis of streams. By default opening a file reads only the headers where they suffice. With the
    /// analysis, [`MediaInfo`](crate::MediaInfo) contains what ffprobe reports: frame rates, pixel formats and profiles that only
    /// packets reveal. The analysis costs up to 5 MB of additional packets, and the decoding of some of them.
    #[must_use]
    pub const fn with_stream_analysis(mut self, analyse: bool) -> Self {
        self.analyse_streams = analyse;
        self
    }

    /// Sets the time by which all calls on the file must end.
    #[must_use]
    pub const fn with_deadline(mut self, end: Instant) -> Self {
        (self.deadline, self.total_time) = (Some(end), None);
        self
    }

    /// Sets the time that all calls on the file may take from now on. A duration beyond the range of the clock sets no deadline.
    #[must_use]
    pub fn with_total_time(mut self, time: Duration) -> Self {
        (self.deadline, self.total_time) = (Instant::now().checked_add(time), Some(time));
        self
    }

    /// Returns the frame that will be requested, as far as it is known. The first reply of the source must have arrived.
    pub(crate) fn wanted_frame(&self) -> Option<FrameRequest> {
        #[cfg(feature = "job")]
        if let Some(FrameLater(tell)) = &self.frame_later {
            return Some(tell());
        }
        self.frame
    }

    /// Returns the limits of work that begins now.
    pub(crate) fn work(&self) -> Work {
        let deadline = Deadline::new(self.limits.max_time, self.cancel.clone())
            .not_after(self.deadline, self.total_time)
            .for_call(self.call.clone());
        let work = Work::new(deadline, self.limits.max_cpu_time);
        if self.deadline.is_some() { work.for_all_calls() } else { work }
    }

    /// Sets a token that cancels the opening.
    #[cfg(feature = "tokio")]
    pub(crate) fn for_call(self, token: CancelToken) -> Self {
        Self { call: Some(token), ..self }
    }

    /// Sets the expected size of the object in bytes.
    #[must_use]
    pub const fn with_size_hint(mut self, bytes: u64) -> Self {
        self.size_hint = Some(bytes);
        self
    }

    /// Sets the sizes of the first requests.
    #[cfg(feature = "remote")]
    #[must_use]
    pub const fn with_first_reads(mut self, reads: FirstReads) -> Self {
        self.first_reads = Some(reads);
        self
    }

    /// Sets the cache.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn with_cache(mut self, cache: BlockCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Sets the token with which another thread can cancel calls.
    #[must_use]
    pub fn with_cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }
}

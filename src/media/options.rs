//! What a caller may choose when opening a file.

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

/// Threads for decoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cage", derive(Serialize, Deserialize))]
#[non_exhaustive]
pub enum Threads {
    /// One up to 1080p, two beyond where the machine has them.
    ///
    /// A second thread finishes a 1080p frame 1.45 times sooner for a fifth more CPU and 8 MB more memory. A Lambda with
    /// less than 1769 MB has less than one core, and a machine with many videos to do has better uses for its cores; only
    /// for 4K, where a frame takes seconds, is the wait worth shortening.
    #[default]
    Auto,
    /// This many.
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

/// Tells the frame once the first reply has come.
#[cfg(feature = "job")]
#[derive(Clone)]
pub(crate) struct FrameLater(Arc<dyn Fn() -> FrameRequest + Send + Sync>);

#[cfg(feature = "job")]
impl fmt::Debug for FrameLater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameLater")
    }
}

/// What a caller may choose when opening a file. Start from `OpenOptions::default()`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OpenOptions {
    /// How much the file may cost.
    pub limits: Limits,
    /// Threads for decoding.
    pub threads: Threads,
    /// Stops the work from another thread.
    pub cancel: Option<CancelToken>,
    /// The frame that will be requested. What it needs is read while the file is being opened, as soon as it is known. Without it,
    /// opening a file reads what information needs, and no sample.
    pub frame: Option<FrameRequest>,
    /// Whether packets are read too, up to 5 MB of them, to learn what headers do not contain: as ffprobe does.
    pub analyse_streams: bool,
    /// Tells the frame in place of `frame` when the first reply has come: which one may stand in it.
    #[cfg(feature = "job")]
    pub(crate) frame_later: Option<FrameLater>,
    /// When all work on the file ends, pictures of its frames too, whatever a single call may take
    /// ([`Limits::max_time`](crate::Limits::max_time)). [`Limits::max_cpu_time`](crate::Limits::max_cpu_time) then bounds all of it together,
    /// too.
    pub deadline: Option<Instant>,
    /// What was given as the time of all work; an error names it.
    pub(super) total_time: Option<Duration>,
    /// Ends the opening, and nothing later.
    pub(super) call: Option<CancelToken>,
    /// What the object's size is said to be, by an event or a listing. It decides how much is asked for at first; it need
    /// not be right. For inputs that are read by byte ranges.
    pub size_hint: Option<u64>,
    /// How much is asked for before anything is known. By default what [`FirstReads::for_name`] says.
    #[cfg(feature = "remote")]
    pub first_reads: Option<FirstReads>,
    /// Where fetched bytes wait to be read. By default the cache of the process, [`BlockCache::global`].
    #[cfg(feature = "remote")]
    pub cache: Option<BlockCache>,
}

impl OpenOptions {
    /// With these limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With this many threads.
    #[must_use]
    pub const fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// For this frame.
    #[must_use]
    pub fn with_frame(mut self, request: impl Into<FrameRequest>) -> Self {
        self.frame = Some(request.into());
        self
    }

    /// For a frame that is known when the first reply has come.
    #[cfg(feature = "job")]
    pub(crate) fn with_frame_later(
        mut self,
        tell: impl Fn() -> FrameRequest + Send + Sync + 'static,
    ) -> Self {
        self.frame_later = Some(FrameLater(Arc::new(tell)));
        self
    }

    /// With the analysis of streams, or without. By default a file is opened by its headers alone where they suffice. With the
    /// analysis, [`MediaInfo`](crate::MediaInfo) has what ffprobe reports (frame rates, pixel formats and profiles that only packets
    /// show) for up to 5 MB of packets more, and for decoding some of them.
    #[must_use]
    pub const fn with_stream_analysis(mut self, analyse: bool) -> Self {
        self.analyse_streams = analyse;
        self
    }

    /// Not after this point in time.
    #[must_use]
    pub const fn with_deadline(mut self, end: Instant) -> Self {
        (self.deadline, self.total_time) = (Some(end), None);
        self
    }

    /// Not longer than this from now; no bound where the clock does not reach that far.
    #[must_use]
    pub fn with_total_time(mut self, time: Duration) -> Self {
        (self.deadline, self.total_time) = (Instant::now().checked_add(time), Some(time));
        self
    }

    /// The frame that will be requested, as far as it is known. A source's first reply must have come.
    pub(crate) fn wanted_frame(&self) -> Option<FrameRequest> {
        #[cfg(feature = "job")]
        if let Some(FrameLater(tell)) = &self.frame_later {
            return Some(tell());
        }
        self.frame
    }

    /// What bounds work that begins now.
    pub(crate) fn work(&self) -> Work {
        let deadline = Deadline::new(self.limits.max_time, self.cancel.clone())
            .not_after(self.deadline, self.total_time)
            .for_call(self.call.clone());
        let work = Work::new(deadline, self.limits.max_cpu_time);
        if self.deadline.is_some() { work.for_all_calls() } else { work }
    }

    /// Lets this token end the opening.
    #[cfg(feature = "tokio")]
    pub(crate) fn for_call(self, token: CancelToken) -> Self {
        Self { call: Some(token), ..self }
    }

    /// With what is said to be the object's size.
    #[must_use]
    pub const fn with_size_hint(mut self, bytes: u64) -> Self {
        self.size_hint = Some(bytes);
        self
    }

    /// With these first reads.
    #[cfg(feature = "remote")]
    #[must_use]
    pub const fn with_first_reads(mut self, reads: FirstReads) -> Self {
        self.first_reads = Some(reads);
        self
    }

    /// With a cache of its own.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn with_cache(mut self, cache: BlockCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// With a token that stops the work.
    #[must_use]
    pub fn with_cancel(mut self, token: CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }
}

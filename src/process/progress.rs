//! The state that the video's source, its reader thread and the job share: the version from the first response, whether
//! the rest is needed, and whether the last byte has arrived.

use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::choice::PosterAt;
use crate::store::ETag;

/// A version of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVersion {
    /// The name of the version.
    pub etag: ETag,
    /// Size of the video in bytes.
    pub size: u64,
}

/// The information about a video that the job needs before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoHead {
    /// The current version.
    pub version: SourceVersion,
    /// The time that people chose for the frame of this video.
    pub poster_at: Option<PosterAt>,
    /// Number of sequential requests for this information.
    pub round_trips: u64,
}

/// Converts a version that was found by one request, of a video without a chosen time.
impl From<SourceVersion> for VideoHead {
    fn from(version: SourceVersion) -> Self {
        Self { version, poster_at: None, round_trips: 1 }
    }
}

/// Bytes to read from a video before it is known whether the video is already done. Data that is already in transit is
/// read in addition.
#[cfg(feature = "s3")]
const READ_AT_ONCE: u64 = 16 << 10;

/// Whether the job needs the rest of a video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Need {
    #[default]
    Unknown,
    Needed,
    NotNeeded,
}

/// The time that people chose for the frame, and the number of requests for finding it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) is_known: bool,
    pub(super) poster_at: Option<PosterAt>,
    pub(super) round_trips: u64,
}

/// The state of reading.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Option<SourceVersion>,
    pub(super) choice: Choice,
    pub(super) need: Need,
    pub(super) is_open: bool,
    /// Number of requests whose bodies have not ended.
    pub(super) in_flight: u32,
    pub(super) bytes: u64,
    pub(super) requests: u64,
    pub(super) last_request: Option<Instant>,
    pub(super) has_ended: bool,
}

/// The progress of reading a video. A [`VideoSource`](super::VideoSource) reports its progress here.
#[derive(Debug)]
pub struct ReadProgress(watch::Sender<State>);

impl ReadProgress {
    /// Creates the progress of a video that was described before, or else of an unknown version.
    pub(super) fn new(looked: Option<&VideoHead>) -> Self {
        let need = if looked.is_some() { Need::Needed } else { Need::Unknown };
        let poster_at = looked.and_then(|look| look.poster_at);
        let choice = Choice { is_known: looked.is_some(), poster_at, round_trips: 0 };
        Self(watch::Sender::new(State { need, choice, ..State::default() }))
    }

    /// Reports the time that people chose for the frame, and the number of additional requests for finding it. Only the
    /// first report counts.
    pub fn chosen(&self, poster_at: Option<PosterAt>, round_trips: u64) {
        self.0.send_modify(|state| {
            if !state.choice.is_known {
                state.choice = Choice { is_known: true, poster_at, round_trips };
            }
        });
    }

    pub(super) fn choice(&self) -> Choice {
        self.state().choice
    }

    /// Reports the version that is being read. Only the first report counts.
    pub fn identified(&self, version: SourceVersion) {
        self.0.send_modify(|state| _ = state.version.get_or_insert(version));
    }

    /// Waits until the job knows whether it needs the rest of the video, and returns the answer. This call blocks.
    pub fn wait_until_needed(&self) -> bool {
        Handle::current().block_on(self.needed())
    }

    pub(super) async fn needed(&self) -> bool {
        let mut states = self.0.subscribe();
        let state = states.wait_for(|state| state.need != Need::Unknown).await;
        state.is_ok_and(|state| state.need == Need::Needed)
    }

    /// Waits like [`needed`](Self::needed), but only after [`READ_AT_ONCE`] bytes have arrived.
    #[cfg(feature = "s3")]
    pub(super) async fn may_go_on(&self) -> bool {
        let (need, is_little) = {
            let state = self.0.borrow();
            (state.need, state.bytes < READ_AT_ONCE)
        };
        match need {
            Need::Unknown if is_little => true,
            Need::Unknown => self.needed().await,
            Need::Needed => true,
            Need::NotNeeded => false,
        }
    }

    /// Records that a request is sent.
    #[cfg(feature = "s3")]
    pub(super) fn requested(&self) {
        self.0.send_modify(|state| {
            state.in_flight += 1;
            state.requests += 1;
            state.last_request = Some(Instant::now());
        });
    }

    /// Records received bytes of a body.
    #[cfg(feature = "s3")]
    pub(super) fn received(&self, bytes: u64) {
        self.0.send_modify(|state| state.bytes += bytes);
    }

    /// Records the end of a request, including its body.
    #[cfg(feature = "s3")]
    pub(super) fn answered(&self) {
        self.0.send_modify(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }

    /// Returns the version that is being read, once it is known.
    pub(super) fn version(&self) -> Option<SourceVersion> {
        self.state().version.clone()
    }

    pub(super) fn state(&self) -> watch::Ref<'_, State> {
        self.0.borrow()
    }

    pub(super) async fn until(&self, is_so: impl Fn(&State) -> bool + Send + Sync) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|state| is_so(state)).await;
    }

    /// Records that reading and decoding have ended.
    pub(super) fn ended(&self) {
        self.0.send_modify(|state| state.has_ended = true);
    }

    /// Records that the container is open: the following requests are for packets.
    pub(super) fn opened(&self) {
        self.0.send_modify(|state| state.is_open = true);
    }

    pub(super) fn set_need(&self, need: Need) {
        self.0.send_if_modified(|state| {
            let changes = state.need != need && state.need != Need::NotNeeded;
            if changes {
                state.need = need;
            }
            changes
        });
    }
}

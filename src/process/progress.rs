//! What the video's source, the thread that reads it and the job know of each other: the version that the first answer named, whether the
//! rest is needed, and whether the last byte has come.

use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::choice::PosterAt;
use crate::store::ETag;

/// Which version of a video there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVersion {
    /// Its name.
    pub etag: ETag,
    /// Bytes of the video.
    pub size: u64,
}

/// What the job must know of a video before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoLook {
    /// Which version there is.
    pub version: SourceVersion,
    /// The time that people chose for its thumbnail.
    pub poster_at: Option<PosterAt>,
    /// Requests in a row that it took.
    pub round_trips: u64,
}

/// One for which nobody chose a time, found by one request.
impl From<SourceVersion> for VideoLook {
    fn from(version: SourceVersion) -> Self {
        Self { version, poster_at: None, round_trips: 1 }
    }
}

/// Bytes that are read of a video before it is known whether it is done already. Pieces of bodies that are on their way come on top.
#[cfg(feature = "s3")]
const READ_AT_ONCE: u64 = 16 << 10;

/// Whether the rest of a video is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Need {
    #[default]
    Unknown,
    Needed,
    NotNeeded,
}

/// The time that people chose for the thumbnail, and the requests that were made to find it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) is_known: bool,
    pub(super) poster_at: Option<PosterAt>,
    pub(super) round_trips: u64,
}

/// What is known of the reading.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Option<SourceVersion>,
    pub(super) choice: Choice,
    pub(super) need: Need,
    pub(super) is_open: bool,
    /// Requests whose bodies have not ended.
    pub(super) in_flight: u32,
    pub(super) bytes: u64,
    pub(super) requests: u64,
    pub(super) last_request: Option<Instant>,
    pub(super) has_ended: bool,
}

/// How far a video is read.
#[derive(Debug)]
pub struct ReadProgress(watch::Sender<State>);

impl ReadProgress {
    /// Begins to read what was looked at, or whatever there is.
    pub(super) fn new(looked: Option<&VideoLook>) -> Self {
        let need = if looked.is_some() { Need::Needed } else { Need::Unknown };
        let poster_at = looked.and_then(|look| look.poster_at);
        let choice = Choice { is_known: looked.is_some(), poster_at, round_trips: 0 };
        Self(watch::Sender::new(State { need, choice, ..State::default() }))
    }

    /// Reports the time that people chose for the thumbnail, after so many requests of its own to find it. The first report counts.
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

    /// Reports the version that is read. The first report counts.
    pub fn identified(&self, version: SourceVersion) {
        self.0.send_modify(|state| _ = state.version.get_or_insert(version));
    }

    /// Waits until the job knows whether it needs the video; `false` when it does not. This call blocks.
    pub fn wait_until_needed(&self) -> bool {
        Handle::current().block_on(self.needed())
    }

    pub(super) async fn needed(&self) -> bool {
        let mut states = self.0.subscribe();
        let state = states.wait_for(|state| state.need != Need::Unknown).await;
        state.is_ok_and(|state| state.need == Need::Needed)
    }

    /// Waits as [`needed`](Self::needed) does, but not before [`READ_AT_ONCE`] bytes have come.
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

    /// Notes that a request is sent.
    #[cfg(feature = "s3")]
    pub(super) fn requested(&self) {
        self.0.send_modify(|state| {
            state.in_flight += 1;
            state.requests += 1;
            state.last_request = Some(Instant::now());
        });
    }

    /// Notes bytes of a body.
    #[cfg(feature = "s3")]
    pub(super) fn received(&self, bytes: u64) {
        self.0.send_modify(|state| state.bytes += bytes);
    }

    /// Notes the end of a request, its body included.
    #[cfg(feature = "s3")]
    pub(super) fn answered(&self) {
        self.0.send_modify(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }

    /// The version that is read, once it is known.
    pub(super) fn version(&self) -> Option<SourceVersion> {
        self.state().version.clone()
    }

    pub(super) fn state(&self) -> watch::Ref<'_, State> {
        self.0.borrow()
    }

    pub(super) async fn until(&self, is_so: impl Fn(&State) -> bool + Send + Sync) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|state| is_so(state)).await;
    }

    /// Notes that the work has ended.
    pub(super) fn ended(&self) {
        self.0.send_modify(|state| state.has_ended = true);
    }

    /// Notes that the container is open: what is requested now are the packets.
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

//! Reads and decodes a video in parallel with the other requests of the job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::Job;
use super::poster::{Poster, PosterMaker};
use super::progress::{Need, ReadProgress, State, VideoHead};
use super::source::VideoSource;
use crate::ErrorKind;
use crate::job_error::JobError;

/// How long no request may be in progress before the last byte counts as received.
const QUIET: Duration = Duration::from_millis(4);

/// Records that the task has ended, in any way.
struct Ending(Arc<ReadProgress>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A video that is being read and decoded in its own thread. Dropping the value stops reading.
#[derive(Debug)]
pub(super) struct Reading {
    progress: Arc<ReadProgress>,
    task: Mutex<Task>,
}

#[derive(Debug)]
enum Task {
    Running(JoinHandle<Result<Option<Poster>, JobError>>),
    Ended(Result<Option<Poster>, JobError>),
    Taken,
}

impl Reading {
    /// Starts to read a given version, or the current version.
    pub(super) fn start<V: VideoSource>(
        video: &V,
        looked: Option<VideoHead>,
        maker: PosterMaker,
    ) -> Arc<Self> {
        let progress = Arc::new(ReadProgress::new(looked.as_ref()));
        let (video, shared, span) = (video.clone(), Arc::clone(&progress), tracing::Span::current());
        let task = tokio::task::spawn_blocking(move || {
            let _ending = Ending(Arc::clone(&shared));
            let expected = looked.map(|look| look.version);
            span.in_scope(|| maker.make(&video, expected.as_ref(), &shared))
        });
        Arc::new(Self { progress, task: Mutex::new(Task::Running(task)) })
    }

    /// Continues reading, because the video is not done yet.
    pub(super) fn need(&self) {
        self.progress.set_need(Need::Needed);
    }

    /// Returns the time of the last request.
    pub(super) fn last_request(&self) -> Option<Instant> {
        self.progress.state().last_request
    }

    /// Returns the number of requests and of received bytes so far.
    pub(super) fn cost(&self) -> (u64, u64) {
        let state = self.progress.state();
        (state.requests, state.bytes)
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool + Send + Sync) {
        self.progress.until(|state| state.has_ended || is_so(state)).await;
    }

    /// Waits for the first response and returns its information; `None` when the video does not exist.
    ///
    /// # Errors
    /// The errors of reading up to the first response.
    pub(super) async fn head(&self) -> Result<Option<VideoHead>, JobError> {
        self.until(|state| state.version.is_some()).await;
        if let Some(version) = self.progress.version() {
            let choice = self.progress.choice();
            let (poster_at, round_trips) = (choice.poster_at, 1 + choice.round_trips);
            return Ok(Some(VideoHead { version, poster_at, round_trips }));
        }
        match self.poster().await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(None),
        }
    }

    /// Waits until the last byte that is known to be needed has arrived, or the task has ended. Returns `false` when
    /// the video was replaced.
    pub(super) async fn bytes(&self) -> bool {
        loop {
            self.until(|state| state.is_open && state.in_flight == 0).await;
            let requests = self.progress.state().requests;
            if self.progress.state().has_ended {
                break;
            }
            // Planned requests take a moment until they are sent.
            tokio::time::sleep(QUIET).await;
            let state = self.progress.state();
            if !state.has_ended && state.in_flight == 0 && state.requests == requests {
                return true;
            }
        }
        let ended = self.poster().await;
        let are_here = !matches!(ended, Ok(None));
        *self.task.lock().await = Task::Ended(ended);
        are_here
    }

    /// Waits for the picture; `None` when the video was replaced. Call this once.
    ///
    /// # Errors
    /// The errors of reading and decoding.
    pub(super) async fn poster(&self) -> Result<Option<Poster>, JobError> {
        let mut task = self.task.lock().await;
        let ended = match &mut *task {
            Task::Running(running) => {
                let ended = running.await;
                ended.map_err(|error| JobError::new(ErrorKind::Internal, error)).flatten()
            }
            Task::Ended(_) | Task::Taken => {
                Err(JobError::new(ErrorKind::Internal, "the picture was taken twice"))
            }
        };
        match std::mem::replace(&mut *task, Task::Taken) {
            Task::Ended(ended) => ended,
            _ => ended,
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.progress.set_need(Need::NotNeeded);
    }
}

impl<S, C> Job<S, C> {
    pub(super) fn maker(&self) -> PosterMaker {
        PosterMaker {
            request: self.thumbnail.request,
            others: self.thumbnail.others.clone(),
            options: self.options.clone(),
            opener: self.opener.clone(),
            decoders: self.decoders.clone(),
        }
    }
}

//! A video being read and decoded beside the other requests of the job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::Job;
use super::poster::{Poster, PosterMaker};
use super::progress::{Need, ReadProgress, State, VideoLook};
use super::source::VideoSource;
use crate::ErrorKind;
use crate::job_error::JobError;

/// How long no request must be under way before the last byte counts as here.
const QUIET: Duration = Duration::from_millis(4);

/// Says that the task has ended, however it does.
struct Ending(Arc<ReadProgress>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A video being read and decoded in a thread of its own. Dropped, it reads nothing more.
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
    /// Begins to read a version, or the one that is there.
    pub(super) fn start<V: VideoSource>(
        video: &V,
        looked: Option<VideoLook>,
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

    /// Reads on: the video is not done.
    pub(super) fn need(&self) {
        self.progress.set_need(Need::Needed);
    }

    /// When the last request was sent.
    pub(super) fn last_request(&self) -> Option<Instant> {
        self.progress.state().last_request
    }

    /// Requests so far, and bytes that came.
    pub(super) fn cost(&self) -> (u64, u64) {
        let state = self.progress.state();
        (state.requests, state.bytes)
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool + Send + Sync) {
        self.progress.until(|state| state.has_ended || is_so(state)).await;
    }

    /// Waits for what the first answer says; `None` when there is no video.
    ///
    /// # Errors
    /// As reading fails before that.
    pub(super) async fn look(&self) -> Result<Option<VideoLook>, JobError> {
        self.until(|state| state.version.is_some()).await;
        if let Some(version) = self.progress.version() {
            let choice = self.progress.choice();
            let (poster_at, round_trips) = (choice.poster_at, 1 + choice.round_trips);
            return Ok(Some(VideoLook { version, poster_at, round_trips }));
        }
        match self.poster().await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(None),
        }
    }

    /// Waits until the last byte that is known to be needed is here, or the work has ended; `false` when the video was replaced.
    pub(super) async fn bytes(&self) -> bool {
        loop {
            self.until(|state| state.is_open && state.in_flight == 0).await;
            let requests = self.progress.state().requests;
            if self.progress.state().has_ended {
                break;
            }
            // Requests that are planned already take a moment until they are sent.
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

    /// Waits for the picture; `None` when the video was replaced. Once.
    ///
    /// # Errors
    /// As reading and decoding fail.
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

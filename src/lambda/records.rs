//! Processes the objects of one event concurrently.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::metrics::{self, Finished, Measured};
use super::time_limit::TimeLimit;
use crate::cage::MediaOpener;
use crate::catalog::Catalog;
use crate::config::{LambdaConfig, Mode};
use crate::event::{DistinctObject, Event, EventError, ObjectRef, Outcome, Record};
use crate::job_error::JobError;
use crate::process::{ExistingContents, Job, RemoteVideo, VideoSource as _};
use crate::source::S3Client;
use crate::store::S3Store;
use crate::{CancelToken, ErrorKind, Limits, OpenOptions, Threads, telemetry};

/// Memory for one object: its frames, its index, and the reads in progress. 1080p needs about 25 MiB, 4K about 80 MiB.
const MIB_PER_RECORD: u32 = 128;
/// Memory for which Lambda provides one full processor ("Configure Lambda function memory" in the AWS Lambda Developer
/// Guide); the machine reports more processors.
const MIB_PER_PROCESSOR: u32 = 1769;
/// Maximum number of objects processed concurrently, regardless of memory, because they share one database connection.
const MOST_RECORDS: u32 = 8;

/// Processes events for the lifetime of the execution environment.
#[derive(Debug)]
pub(super) struct Worker<C> {
    client: S3Client,
    catalog: C,
    config: LambdaConfig,
    opener: MediaOpener,
    metrics: bool,
    /// Whether a video is described before it is read.
    looks_first: bool,
}

/// One object and everything needed to process it in its own task.
struct Task<C> {
    job: Job<S3Store, C>,
    mode: Mode,
    object: ObjectRef,
    limit: TimeLimit,
    cancel: CancelToken,
}

impl<C: Catalog + Clone + 'static> Worker<C> {
    pub(super) fn new(client: S3Client, catalog: C, config: LambdaConfig, opener: MediaOpener) -> Self {
        Self { client, catalog, config, opener, metrics: true, looks_first: false }
    }

    /// Returns a worker for replayed events: it writes no metrics, and checks first whether a video is already done.
    #[cfg(feature = "cli")]
    pub(super) fn replaying(self) -> Self {
        Self { metrics: false, looks_first: true, ..self }
    }

    /// Parses an event. Records about tags are skipped unless the settings use tags.
    ///
    /// # Errors
    /// The same as of [`Event::from_value`].
    pub(super) fn read(&self, event: &Value) -> Result<Event, EventError> {
        let event = Event::from_value(event)?;
        let reads_tags = self.config.thumbnail.poster_at_tag;
        Ok(if reads_tags { event } else { event.without_tagging() })
    }

    /// Processes the objects of an event. Returns one outcome for each of [`Event::objects`], in their order.
    pub(super) async fn work(&self, event: &Event, limit: &TimeLimit, request_id: &str) -> Vec<Outcome> {
        for record in event.records() {
            if let Record::Unreadable { key, error, .. } = record {
                let key = key.as_deref().unwrap_or_default();
                telemetry::failed(key, &JobError::new(error.kind(), error.to_string()).with_subject(key));
            }
        }
        let places = Arc::new(Semaphore::new(self.concurrency()));
        // One semaphore per invocation: a decoder call left behind by an earlier invocation does not block this one.
        let decoders = Arc::new(Semaphore::new(self.decoders()));
        let threads = threads(self.decoders(), event.objects().len());
        let mut tasks = JoinSet::new();
        for (index, DistinctObject { object, .. }) in event.objects().enumerate() {
            let mut task = self.task(object.clone(), event.is_backfill(), *limit, &decoders);
            task.job.options.threads = threads;
            let (places, request_id) = (Arc::clone(&places), request_id.to_owned());
            let (namespace, function) =
                (self.config.metrics_namespace.clone(), self.config.function.name.clone());
            let has_metrics = self.metrics;
            let span = tracing::Span::current();
            let work = async move {
                let started = Instant::now();
                let (outcome, finished) = task.run_in_turn(&places).await;
                let measured =
                    Measured { outcome: &outcome, finished: finished.as_ref(), elapsed: started.elapsed() };
                if has_metrics {
                    metrics::write(&namespace, &function, &request_id, &measured);
                }
                (index, outcome)
            };
            tasks.spawn(work.instrument(span));
        }
        let lost = Outcome::failed(ErrorKind::Internal, "the task for this object panicked; see the log");
        let mut outcomes = vec![lost; event.objects().len()];
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((index, outcome)) => {
                    if let Some(place) = outcomes.get_mut(index) {
                        *place = outcome;
                    }
                }
                Err(error) => telemetry::panicked(&error.to_string()),
            }
        }
        outcomes
    }

    fn concurrency(&self) -> usize {
        let by_memory = || {
            let records = self.config.function.memory_mib.map_or(1, |memory| memory / MIB_PER_RECORD);
            records.clamp(1, MOST_RECORDS) as usize
        };
        self.config.concurrency.map_or_else(by_memory, NonZeroUsize::get)
    }

    /// Returns the number of concurrent decoders. More decoders than processors would only use more memory.
    fn decoders(&self) -> usize {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let paid = |memory: u32| (memory / MIB_PER_PROCESSOR) as usize;
        self.config.function.memory_mib.map_or(processors, paid).clamp(1, processors)
    }

    fn task(
        &self,
        object: ObjectRef,
        is_backfill: bool,
        limit: TimeLimit,
        decoders: &Arc<Semaphore>,
    ) -> Task<C> {
        let cancel = CancelToken::default();
        let max_cpu_time = self.config.max_cpu_time;
        let mut limits = Limits { max_time: limit.left(), max_cpu_time, ..Limits::default() };
        if let Some(memory) = self.config.function.memory_mib {
            // The rest of the memory is for this process.
            limits.max_memory = (u64::from(memory) << 20) / 4 * 3;
        }
        let options = OpenOptions::default().with_limits(limits).with_cancel(cancel.clone());
        let existing_contents = match is_backfill && !self.config.overwrite_contents {
            true => ExistingContents::Keep,
            false => ExistingContents::Write,
        };
        let job = Job {
            store: S3Store::new(self.client.clone(), object.bucket.clone()),
            catalog: self.catalog.clone(),
            key_rules: self.config.key_rules.clone(),
            thumbnail: self.config.thumbnail.clone(),
            storyboard: self.config.storyboard.clone(),
            options,
            existing_contents,
            looks_first: is_backfill || self.looks_first || object.is_tagging,
            decoders: Some(Arc::clone(decoders)),
            opener: self.opener.clone(),
        };
        Task { job, mode: self.config.mode, object, limit, cancel }
    }
}

impl<C: Catalog> Task<C> {
    /// Waits for a free place, then processes the object.
    async fn run_in_turn(mut self, places: &Semaphore) -> (Outcome, Option<Finished>) {
        let key = self.object.key.clone();
        let place = tokio::select! {
            biased;
            () = self.limit.passed() => {
                telemetry::unstarted(&key);
                return (Outcome::unstarted("no time was left to start"), None);
            }
            place = places.acquire() => place,
        };
        self.job.options.limits.max_time = self.limit.left();
        let done = tokio::select! {
            biased;
            done = self.run() => done,
            () = self.limit.passed() => {
                // A decoder in its own thread notices the cancellation at its next packet; nothing waits for that.
                self.cancel.cancel();
                Err(JobError::new(ErrorKind::Timeout, "not done before the invocation's deadline").with_subject(&key))
            }
        };
        drop(place);
        match done {
            Ok(finished) => (self.report(&finished), Some(finished)),
            Err(error) => {
                match error.kind() {
                    ErrorKind::NotFound => telemetry::missing(&key),
                    _ => telemetry::failed(&key, &error),
                }
                (failure(&error), None)
            }
        }
    }

    /// Runs the job. If no object exists under the first reading of a key with two readings, the job runs again with
    /// the other one.
    async fn run(&self) -> Result<Finished, JobError> {
        let first = self.process(&self.object.key).await;
        match &self.object.alternative_key {
            Some(key) if first.is_err() && !self.is_there(&self.object.key).await => {
                if self.is_there(key).await { self.process(key).await } else { first }
            }
            _ => first,
        }
    }

    /// Returns whether an object certainly exists. Without `s3:ListBucket`, S3 responds with 403 for a missing object.
    async fn is_there(&self, key: &str) -> bool {
        let found = async { RemoteVideo::new(&self.job.store, key)?.version().await }.await;
        matches!(found, Ok(Some(_)))
    }

    async fn process(&self, key: &str) -> Result<Finished, JobError> {
        let video = RemoteVideo::new(&self.job.store, key)?
            .with_size_hint(self.object.size_hint)
            .with_poster_at_tag(self.job.thumbnail.poster_at_tag)
            .with_changed_tags(self.object.is_tagging);
        match self.mode {
            Mode::Live => Ok(Finished::Job(self.job.process(&video).await?)),
            Mode::Shadow => Ok(Finished::Comparison(self.job.compare(&video).await?)),
        }
    }

    fn report(&self, finished: &Finished) -> Outcome {
        match serde_json::to_value(finished) {
            Ok(mut fields) => {
                if finished.key() != self.object.key
                    && let Value::Object(fields) = &mut fields
                {
                    fields.insert("key_with_plus".to_owned(), true.into());
                }
                Outcome::Done { report: fields }
            }
            Err(error) => Outcome::failed(ErrorKind::Internal, error.to_string()),
        }
    }
}

/// Returns the number of threads of each decoder: two if every object has two processors, because Lambda charges for the second
/// one in any case.
fn threads(processors: usize, objects: usize) -> Threads {
    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
    if processors / objects.max(1) >= TWO.get() { Threads::Count(TWO) } else { Threads::Auto }
}

fn failure(error: &JobError) -> Outcome {
    match error.kind() {
        ErrorKind::NotFound => Outcome::Missing { reason: error.to_string() },
        // Only the deadline cancels.
        ErrorKind::Cancelled => Outcome::failed(ErrorKind::Timeout, error.to_string()),
        kind => Outcome::failed(kind, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_decode_an_object_that_has_two_processors() {
        const TWO: Threads = Threads::Count(NonZeroUsize::MIN.saturating_add(1));
        let cases = [
            (1, 1, false),
            (2, 1, true),
            (6, 1, true),
            (2, 2, false),
            (5, 2, true),
            (6, 3, true),
            (6, 4, false),
        ];
        for (processors, objects, are_two) in cases {
            let expected = if are_two { TWO } else { Threads::Auto };
            assert_eq!(threads(processors, objects), expected, "{processors} processors, {objects} objects");
        }
        assert_eq!(threads(2, 0), TWO, "an event without objects");
    }
}

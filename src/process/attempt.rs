//! One attempt at the job: performs the requests of the [`Protocol`] and passes it their answers.

use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::choice::PosterAt;
use super::marker::{Marker, Own};
use super::poster::Poster;
use super::protocol::{Answer, End, Kind, MAX_STARTS, Phase, Protocol, Request, Row, Video};
use super::reading::Reading;
use super::storyboard::{is_of_video, of_job};
use super::{
    ExistingContents, Job, Report, SourceVersion, Status, StepTimes, StoryboardReport, Target, VideoHead,
    VideoSource,
};
use crate::catalog::{AssetRow, Catalog, FoundContent, FoundRow, KnownRows, NewContent, Registered};
use crate::job_error::JobError;
use crate::object_name::{ContentId, SkipReason};
use crate::store::{Condition, ETag, NewObject, ObjectDescription, Store, StoreError};
use crate::{CancelToken, ErrorKind, Ledger, telemetry};

/// The answers of the check are outdated if the picture is finished later than this.
const FRESH: Duration = Duration::from_secs(1);

/// The result of a request.
enum Reply {
    Video(Option<VideoHead>),
    Version(Option<SourceVersion>),
    Thumbnail(Option<ObjectDescription>),
    NamedThumbnail(Option<ObjectDescription>),
    Other(u8, Option<ObjectDescription>),
    Lookup(FoundContent),
    Search(FoundRow),
    Bytes(bool),
    Picture(Option<Poster>),
    /// The picture is from before the attempt started over.
    SamePicture,
    Registered(Registered),
    Upserted,
    PutOther(u8, bool),
    Put(bool),
    RowWritten,
}

type Future<'j, T> = Pin<Box<dyn std::future::Future<Output = T> + Send + 'j>>;

/// A request in progress.
struct Flight<'j> {
    request: Request<ETag>,
    /// Number of sequential requests that led to this one, itself included.
    depth: u64,
    reply: Future<'j, Result<Reply, JobError>>,
}

/// The information gathered since the last start, besides the state of the protocol.
#[derive(Default)]
struct Found {
    look: Option<VideoHead>,
    row: Option<AssetRow>,
    known: KnownRows,
    /// The marker of the existing thumbnail, if this job would have created the same one.
    marker: Option<Marker>,
    reading: Option<Arc<Reading>>,
    check_sent: Option<Instant>,
    check_answered: Option<Instant>,
}

/// A picture, the version of its video, and the chosen time of its frame.
struct Made {
    etag: ETag,
    poster_at: Option<PosterAt>,
    poster: Arc<Poster>,
}

/// One attempt at the job for one video.
pub(super) struct Attempt<'j, S, C, V> {
    job: &'j Job<S, C>,
    video: &'j V,
    target: &'j Target,
    own: Own,
    protocol: Protocol<ETag>,
    found: Found,
    made: Option<Made>,
    flights: Vec<Flight<'j>>,
    /// A connection that is being opened in parallel.
    preparing: Option<Future<'j, ()>>,
    is_prepared: bool,
    /// Number of sequential requests so far, without those of the reader.
    depth: u64,
    /// The value of `depth` at the last start.
    start_depth: u64,
    /// Number of sequential requests for the row after the look, in parallel with the reader's requests.
    beside: u64,
    read_at_once: bool,
    spent: Ledger,
    steps: StepTimes,
}

impl<'j, S: Store, C: Catalog, V: VideoSource> Attempt<'j, S, C, V> {
    pub(super) fn new(job: &'j Job<S, C>, video: &'j V, target: &'j Target) -> Self {
        let kind = Kind {
            named: target.name.content_id,
            keeps_contents: job.existing_contents == ExistingContents::Keep,
            // The settings allow at most 16.
            others: u8::try_from(target.others.len()).unwrap_or(u8::MAX),
            reads_at_once: !job.looks_first,
        };
        Self {
            job,
            video,
            target,
            own: Own::new(&job.thumbnail, None, video.key()),
            protocol: Protocol::new(kind),
            found: Found::default(),
            made: None,
            flights: Vec::new(),
            preparing: None,
            is_prepared: false,
            depth: 0,
            start_depth: 0,
            beside: 0,
            read_at_once: false,
            spent: Ledger::default(),
            steps: StepTimes::default(),
        }
    }

    /// Runs the attempt. Returns the report, and the version of the video that was processed.
    pub(super) async fn run(mut self) -> Result<(Report, SourceVersion), JobError> {
        loop {
            if let Some(end) = self.protocol.end() {
                let version = self.found.look.as_ref().map(|look| look.version.clone());
                let unknown = || JobError::new(ErrorKind::Internal, "the version of the video is unknown");
                return Ok((self.report(end)?, version.ok_or_else(unknown)?));
            }
            self.send_wanted()?;
            let (phase, began) = (self.protocol.phase(), Instant::now());
            let (request, depth, reply) = self.next_reply().await;
            *self.time_of(phase) += began.elapsed();
            let reply = reply?;
            let is_beside = matches!(request, Request::Lookup(_) | Request::Search | Request::Other(_));
            let depth = match &reply {
                Reply::Video(Some(look)) => depth + look.round_trips.saturating_sub(1),
                _ => depth,
            };
            let of_look = if is_beside { depth.min(self.start_depth + 1) } else { depth };
            self.beside = self.beside.max(depth - of_look);
            self.depth = self.depth.max(of_look);
            self.take(&request, reply);
        }
    }

    fn time_of(&mut self, phase: Phase) -> &mut Duration {
        match phase {
            Phase::Look => &mut self.steps.look,
            Phase::Picture => &mut self.steps.picture,
            Phase::Content => &mut self.steps.content,
            Phase::Thumbnail => &mut self.steps.thumbnail,
            Phase::Row => &mut self.steps.row,
        }
    }

    /// Sends the requests that the protocol wants and that are not yet in progress.
    fn send_wanted(&mut self) -> Result<(), JobError> {
        if self.protocol.needs_bytes() {
            if let Some(reading) = &self.found.reading {
                reading.need();
            }
            let registers = self.target.name.content_id.is_none() && self.found.row.is_none();
            if registers && !std::mem::replace(&mut self.is_prepared, true) {
                self.preparing = Some(Box::pin(self.job.catalog.prepare_to_register()));
            }
        }
        if self.protocol.writes() && self.job.options.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return Err(JobError::new(ErrorKind::Cancelled, "cancelled"));
        }
        for request in self.protocol.wants() {
            if self.flights.iter().any(|flight| flight.request == request) {
                continue;
            }
            // The reader counts its own requests.
            let own = !matches!(request, Request::Bytes(_) | Request::Picture(_));
            let depth = self.depth + u64::from(own);
            let reply = self.send(&request)?;
            self.flights.push(Flight { request, depth, reply });
        }
        Ok(())
    }

    fn send(&mut self, request: &Request<ETag>) -> Result<Future<'j, Result<Reply, JobError>>, JobError> {
        let (job, video, target) = (self.job, self.video, self.target);
        let url = target.asset.video_url();
        Ok(match request {
            Request::Open => {
                self.read_at_once = true;
                let reading = self.start_reading(None);
                Box::pin(async move { Ok(Reply::Video(reading.head().await?)) })
            }
            Request::Look => {
                if self.protocol.needs_bytes() {
                    self.found.check_sent = Some(Instant::now());
                }
                Box::pin(async move { Ok(Reply::Video(video.head().await?)) })
            }
            Request::Version => Box::pin(async move { Ok(Reply::Version(video.version().await?)) }),
            Request::Thumbnail => {
                Box::pin(
                    async move { Ok(Reply::Thumbnail(job.store.describe(&target.thumbnail_key).await?)) },
                )
            }
            Request::NamedThumbnail => {
                let key = self.found.row.as_ref().and_then(|row| job.store.key_of(&row.thumbnail_url));
                Box::pin(async move {
                    Ok(Reply::NamedThumbnail(match key {
                        Some(key) => job.store.describe(&key).await?,
                        None => None,
                    }))
                })
            }
            &Request::Other(number) => {
                let key = &self.target.other(number)?.key;
                Box::pin(async move { Ok(Reply::Other(number, job.store.describe(key).await?)) })
            }
            &Request::Lookup(id) => {
                Box::pin(async move { Ok(Reply::Lookup(job.catalog.find_content(url, id).await?)) })
            }
            Request::Search => Box::pin(async move { Ok(Reply::Search(job.catalog.find_row(url).await?)) }),
            Request::Bytes(etag) => match self.is_made(etag) {
                true => Box::pin(ready(Ok(Reply::Bytes(true)))),
                false => {
                    let reading = match &self.found.reading {
                        Some(reading) => Arc::clone(reading),
                        None => self.start_reading(self.found.look.clone()),
                    };
                    Box::pin(async move { Ok(Reply::Bytes(reading.bytes().await)) })
                }
            },
            Request::Picture(etag) => match (self.is_made(etag), self.found.reading.clone()) {
                (false, Some(reading)) => {
                    Box::pin(async move { Ok(Reply::Picture(reading.poster().await?)) })
                }
                _ => Box::pin(ready(Ok(Reply::SamePicture))),
            },
            &Request::Register { duration } => Box::pin(async move {
                let (content, asset) =
                    (NewContent::from(&target.name), target.asset.clone().with_duration(duration));
                Ok(Reply::Registered(job.catalog.register(&content, &asset).await?))
            }),
            &Request::Upsert(id) => Box::pin(async move {
                job.catalog.upsert_content(id, &NewContent::from(&target.name)).await?;
                Ok(Reply::Upserted)
            }),
            Request::PutOther { number, content, since } => {
                let number = *number;
                let put = self.put(Some(number), *content, since.clone())?;
                Box::pin(async move { Ok(Reply::PutOther(number, put.await?)) })
            }
            Request::Put { content, since } => {
                let put = self.put(None, *content, since.clone())?;
                Box::pin(async move { Ok(Reply::Put(put.await?)) })
            }
            &Request::WriteRow { content, duration } => {
                let known = self.found.known.clone();
                Box::pin(async move {
                    let asset = target.asset.clone().with_duration(duration);
                    job.catalog.write_asset(content, &asset, &known).await?;
                    Ok(Reply::RowWritten)
                })
            }
        })
    }

    /// Stores the thumbnail, or the other thumbnail with this number. Returns whether the condition of the put was
    /// true.
    fn put(
        &self,
        other: Option<u8>,
        content: ContentId,
        since: Option<ETag>,
    ) -> Result<Future<'j, Result<bool, JobError>>, JobError> {
        let missing = || JobError::new(ErrorKind::Internal, "no picture has been created");
        let Made { etag, poster, .. } = self.made.as_ref().ok_or_else(missing)?;
        let poster = Arc::clone(poster);
        let (job, target) = (self.job, self.target);
        let key = match other {
            None => &target.thumbnail_key,
            Some(number) => &target.other(number)?.key,
        };
        let thumbnail = poster.thumbnail(other).ok_or_else(missing)?;
        let picture = (thumbnail, poster.placeholder(other));
        let metadata = Marker::new(etag.clone(), &self.own, &poster, picture, content).to_metadata();
        let condition = since.map_or(Condition::Absent, Condition::Unchanged);
        Ok(Box::pin(async move {
            let thumbnail = poster.thumbnail(other).ok_or_else(missing)?;
            let object = NewObject {
                bytes: &thumbnail.bytes,
                content_type: thumbnail.format.content_type(),
                cache_control: &job.thumbnail.cache_control,
                metadata: &metadata,
            };
            match job.store.put(key, object, &condition).await {
                Ok(_) => Ok(true),
                Err(StoreError::PreconditionFailed { .. }) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }))
    }

    fn start_reading(&mut self, looked: Option<VideoHead>) -> Arc<Reading> {
        let reading = Reading::start(self.video, looked, self.job.maker());
        self.found.reading = Some(Arc::clone(&reading));
        reading
    }

    fn is_made(&self, etag: &ETag) -> bool {
        let is_same = |made: &Made| made.etag == *etag && made.poster_at == self.own.poster_at;
        self.made.as_ref().is_some_and(is_same)
    }

    /// Waits for one of the requests in progress.
    async fn next_reply(&mut self) -> (Request<ETag>, u64, Result<Reply, JobError>) {
        let (flights, preparing) = (&mut self.flights, &mut self.preparing);
        poll_fn(|context| {
            if preparing.as_mut().is_some_and(|preparing| preparing.as_mut().poll(context).is_ready()) {
                *preparing = None;
            }
            let ready = flights.iter_mut().enumerate().find_map(|(index, flight)| {
                match flight.reply.as_mut().poll(context) {
                    Poll::Ready(reply) => Some((index, reply)),
                    Poll::Pending => None,
                }
            });
            match ready {
                Some((index, reply)) => {
                    let Flight { request, depth, .. } = flights.swap_remove(index);
                    Poll::Ready((request, depth, reply))
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Passes the result of a request to the protocol.
    fn take(&mut self, request: &Request<ETag>, reply: Reply) {
        let is_check = self.protocol.needs_bytes();
        let answer = match reply {
            Reply::Video(look) => {
                if is_check {
                    self.found.check_answered = Some(Instant::now());
                }
                Answer::Video(look.map(|look| self.take_look(look, is_check)))
            }
            Reply::Version(version) => Answer::Version(version.map(|version| version.etag)),
            Reply::Thumbnail(thumbnail) => {
                if is_check {
                    self.found.check_answered = Some(Instant::now());
                }
                let marker = thumbnail.as_ref().and_then(|thumbnail| Marker::read(&thumbnail.metadata));
                self.found.marker = marker.or(self.found.marker.take());
                Answer::Thumbnail(thumbnail.map(|thumbnail| self.own.see(&thumbnail)))
            }
            Reply::NamedThumbnail(thumbnail) => {
                Answer::NamedThumbnail(thumbnail.and_then(|thumbnail| self.own.see(&thumbnail).mark))
            }
            Reply::Other(number, thumbnail) => {
                Answer::Other(number, thumbnail.map(|thumbnail| self.own.see(&thumbnail)))
            }
            Reply::PutOther(number, is_put) => Answer::PutOther(number, is_put),
            Reply::Lookup(look) => {
                let row = self.take_row(look.found);
                Answer::Lookup { content_exists: look.content_exists, row }
            }
            Reply::Search(found) => Answer::Search(self.take_row(found)),
            Reply::Bytes(are_here) => Answer::Bytes(are_here),
            Reply::Picture(poster) => self.take_picture(request, poster),
            Reply::SamePicture => Answer::Picture { duration: self.duration(), is_late: false },
            Reply::Registered(registered) => {
                self.found.known = registered.known;
                Answer::Registered { content: registered.id, is_new: registered.is_new }
            }
            Reply::Upserted => Answer::Upserted,
            Reply::Put(done) => Answer::Put(done),
            Reply::RowWritten => {
                if let &Request::WriteRow { content, .. } = request {
                    telemetry::asset_written(self.video.key(), content);
                }
                Answer::RowWritten
            }
        };
        let starts = self.protocol.starts();
        self.protocol.answer(answer);
        if self.protocol.starts() != starts {
            telemetry::changed_meanwhile(self.video.key());
            // Drops the requests in progress, and the reader.
            self.flights.clear();
            self.found = Found::default();
            self.start_depth = self.depth;
        }
    }

    /// Converts the description of the video. A description for the check changes nothing else.
    fn take_look(&mut self, look: VideoHead, is_check: bool) -> Video<ETag> {
        let own = Own::new(&self.job.thumbnail, look.poster_at, self.video.key());
        let (version, settings) = (look.version.etag.clone(), own.settings_id());
        if !is_check {
            if let Some(PosterAt { time, by }) = look.poster_at {
                telemetry::chosen(self.video.key(), &time.to_string(), by.as_str());
            }
            (self.own, self.found.look) = (own, Some(look));
        }
        Video { version, settings }
    }

    fn take_row(&mut self, FoundRow { row, known, .. }: FoundRow) -> Option<Row> {
        self.found.known = known;
        self.found.row.clone_from(&row);
        let names_target = |row: &AssetRow| row.thumbnail_url == self.target.asset.thumbnail_url();
        row.map(|row| Row {
            content: row.content_id,
            names_target: names_target(&row),
            names_other: !names_target(&row) && self.job.store.key_of(&row.thumbnail_url).is_some(),
            duration: row.duration,
        })
    }

    fn take_picture(&mut self, request: &Request<ETag>, poster: Option<Poster>) -> Answer<ETag> {
        let (Some(poster), Request::Picture(etag)) = (poster, request) else {
            return Answer::Picture { duration: None, is_late: false };
        };
        self.spent = self.spent + poster.ledger;
        let poster_at = self.own.poster_at;
        self.made = Some(Made { etag: etag.clone(), poster_at, poster: Arc::new(poster) });
        let Found { check_sent, check_answered, reading, .. } = &self.found;
        // Bytes were requested after the check: the end of reading was detected too early.
        let last_request = reading.as_ref().and_then(|reading| reading.last_request());
        let was_early = check_sent.zip(last_request).is_some_and(|(check, request)| request > check);
        let is_old = check_answered.is_some_and(|answered| answered.elapsed() > FRESH);
        Answer::Picture { duration: self.duration(), is_late: was_early || is_old }
    }

    /// Returns the duration of the video whose picture was created, as stored in the catalogue: 0 if the container
    /// contains no duration.
    fn duration(&self) -> Option<u32> {
        self.made.as_ref().map(|made| made.poster.stored_duration())
    }

    fn report(self, end: End) -> Result<Report, JobError> {
        let key = self.video.key();
        let thumbnail_key = &self.target.thumbnail_key;
        let (status, id) = match end {
            End::Unchanged(id) => (Status::Unchanged, id),
            End::Processed(id) => (Status::Processed, id),
            End::Gone => return Err(JobError::new(ErrorKind::NotFound, "the video does not exist")),
            End::Foreign => {
                let error = format!(
                    "{thumbnail_key} is the thumbnail of another video: change THUMBNAIL_KEY so that each video has its own thumbnail \
                     ({{dir}} is the folder)"
                );
                return Err(JobError::new(ErrorKind::Config, error));
            }
            End::Unreadable => {
                let error = format!(
                    "{thumbnail_key}: a thumbnail exists but access is denied: grant s3:GetObject on it"
                );
                return Err(JobError::new(ErrorKind::Denied, error));
            }
            End::Replaced => {
                let error = format!(
                    "the video or its thumbnail was changed {MAX_STARTS} times while it was processed"
                );
                return Err(JobError::new(ErrorKind::Unavailable, error));
            }
        };
        match status {
            Status::Unchanged => telemetry::unchanged(key, id),
            _ => telemetry::done(key, id),
        }
        let is_made = self.protocol.version().is_some_and(|etag| self.is_made(etag));
        let made = self.made.as_ref().filter(|_| is_made);
        let marker = made.map(|Made { etag, poster, .. }| {
            let picture = (&poster.thumbnail, poster.placeholder(None));
            Marker::new(etag.clone(), &self.own, poster, picture, id)
        });
        let missing = || JobError::new(ErrorKind::Internal, "the marker of the thumbnail is missing");
        let marker = marker.or(self.found.marker).ok_or_else(missing)?;
        let isolation = made.and_then(|made| made.poster.isolation);
        let read_first = u64::from(self.read_at_once && self.spent.round_trips > 0);
        let round_trips = self.depth + self.beside.max(self.spent.round_trips - read_first);
        let mut spent = self.spent;
        if let (None, Some(reading)) = (&self.made, &self.found.reading) {
            // Only the first responses were read.
            let (requests, bytes_fetched) = reading.cost();
            spent = spent + Ledger { requests, bytes_fetched, round_trips: 1, ..Ledger::default() };
        }
        let report = Report::of(status, self.job.store.bucket(), key, id, self.target, &marker);
        Ok(report
            .at(self.own.poster_at)
            .within(isolation)
            .spent(spent, self.steps)
            .in_round_trips(round_trips))
    }
}

impl<S: Store, C: Catalog> Job<S, C> {
    /// Processes one video: stores its thumbnail, and writes its content and row.
    ///
    /// # Errors
    /// The kind of the error shows what to do: [`NotFound`](ErrorKind::NotFound) when the video does not exist,
    /// [`Unsupported`](ErrorKind::Unsupported) and [`Malformed`](ErrorKind::Malformed) when the video or its name
    /// cannot be used, [`LimitExceeded`](ErrorKind::LimitExceeded), [`Timeout`](ErrorKind::Timeout) and
    /// [`Cancelled`](ErrorKind::Cancelled) according to the options, and [`Unavailable`](ErrorKind::Unavailable),
    /// [`Denied`](ErrorKind::Denied) and [`Config`](ErrorKind::Config) for failures of the store or the catalogue.
    ///
    /// A failure to write the storyboard is an error if a retry may succeed. The thumbnail and the row are then written. Otherwise the
    /// report contains the failure.
    pub async fn process<V: VideoSource>(&self, video: &V) -> Result<Report, JobError> {
        let started = Instant::now();
        let key = video.key();
        if let Some(report) = Report::of_skipped(&self.key_rules, self.store.bucket(), key) {
            return Ok(report.after(started.elapsed()));
        }
        let target = self.target(video)?;
        telemetry::started(key);
        let about = |error: JobError| error.with_subject(key);
        for _ in 0..MAX_STARTS {
            let attempt = Attempt::new(self, video, &target).run();
            let (attempt, json) = tokio::join!(attempt, self.look_at_storyboard(&target));
            let (report, version) = match attempt {
                Err(error) if error.is_of_empty_object() => {
                    let report = Report::skipped(&SkipReason::Empty, self.store.bucket(), key);
                    return Ok(report.after(started.elapsed()));
                }
                attempt => attempt.map_err(about)?,
            };
            let Some(json) = json else { return Ok(report.after(started.elapsed())) };
            let written = match json {
                Ok(json) => self.write_storyboard(video, &target, &version, json, started).await,
                Err(error) => Err(error),
            };
            let storyboard = match written {
                Ok(Some(storyboard)) => storyboard,
                Ok(None) => {
                    telemetry::starting_over(key);
                    continue;
                }
                Err(error) if is_of_video(error.kind()) => {
                    telemetry::no_storyboard(key, &error);
                    StoryboardReport::failed(&error)
                }
                Err(error) => return Err(about(of_job(&error))),
            };
            return Ok(report.with_storyboard(storyboard).after(started.elapsed()));
        }
        let error = format!("the video was replaced {MAX_STARTS} times during the work");
        Err(about(JobError::new(ErrorKind::Unavailable, error)))
    }
}

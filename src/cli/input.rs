//! Opening the file or object that INPUT names.

use std::io::Cursor;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::arguments::{ReadingArguments, opener};
use crate::cage::{MediaOpener, OpenMedia};
use crate::config::Isolation;
use crate::deadline::{Deadline, Stop};
use crate::job_error::JobError;
use crate::location::Location;
use crate::process::POSTER_AT;
use crate::source::{
    BoxFuture, GetRange, HttpSource, RangeReply, RangeSource, S3Source, SourceError, block_on, read_whole,
    s3_reply,
};
use crate::store::metadata;
use crate::{Error, ErrorKind, OpenOptions};

/// Default limit for buffering standard input in memory, in bytes.
const STDIN_BYTES: u64 = 256 << 20;
/// Interval at which a wait checks the cancel token.
const LOOK_UP: Duration = Duration::from_millis(20);

/// Opens the input with these options.
pub(super) fn open(
    location: &Location,
    arguments: &ReadingArguments,
    options: &OpenOptions,
) -> Result<OpenMedia, JobError> {
    let opener = opener(arguments.isolate, Isolation::from_env().map_err(JobError::from)?)?;
    open_with(&opener, location, arguments, options)
}

/// Opens the input with this opener. The opener can open other inputs too.
fn open_with(
    opener: &MediaOpener,
    location: &Location,
    arguments: &ReadingArguments,
    options: &OpenOptions,
) -> Result<OpenMedia, JobError> {
    open_noted(opener, location, arguments, options).map(|(opened, _)| opened)
}

/// Opens the input, and also returns the `poster-at` metadata of an S3 object. The metadata come from the responses that contain its bytes.
pub(super) fn open_noted(
    opener: &MediaOpener,
    location: &Location,
    arguments: &ReadingArguments,
    options: &OpenOptions,
) -> Result<(OpenMedia, Option<String>), JobError> {
    let poster_at = Arc::new(OnceLock::new());
    let opened = open_location(opener, location, arguments, options, &poster_at);
    let opened = opened.map_err(|error| error.with_subject(location.to_string()))?;
    Ok((opened, poster_at.get().cloned()))
}

fn open_location(
    opener: &MediaOpener,
    location: &Location,
    arguments: &ReadingArguments,
    options: &OpenOptions,
    poster_at: &Arc<OnceLock<String>>,
) -> Result<OpenMedia, JobError> {
    let is_s3 = matches!(location, Location::S3 { .. });
    if arguments.version_id.is_some() && !is_s3 {
        return Err(JobError::new(
            ErrorKind::Config,
            "only objects in S3 have versions: --version-id is for s3://",
        ));
    }
    match location {
        Location::File(path) if path.is_dir() => {
            Err(JobError::new(ErrorKind::Config, "is a folder; name a video"))
        }
        Location::File(path) => Ok(opener.open_file(path, options)?),
        Location::Stdin => {
            let most = arguments.buffer.unwrap_or(STDIN_BYTES);
            let bytes =
                in_time(options, move || read_whole(std::io::stdin().lock(), most).map_err(JobError::from));
            Ok(opener.open(Cursor::new(bytes?), options)?)
        }
        Location::S3 { bucket, key } => {
            let source = block_on(S3Source::connect(bucket.clone(), key.clone())).map_err(internal)??;
            let source = match &arguments.version_id {
                Some(version) => source.with_version(version),
                None => source,
            };
            Ok(opener.open_source(Noted { source, poster_at: Arc::clone(poster_at) }, options)?)
        }
        Location::Http(url) => open_url(url.clone(), arguments.buffer, options, opener),
    }
}

/// An S3 object whose `poster-at` metadata are kept.
struct Noted {
    source: S3Source,
    poster_at: Arc<OnceLock<String>>,
}

impl RangeSource for Noted {
    fn name(&self) -> String {
        self.source.name()
    }

    fn get(&self, request: GetRange) -> BoxFuture<'_, Result<RangeReply, SourceError>> {
        Box::pin(async move {
            let asked = request.range;
            let output = self.source.answer(request).await?;
            if let Some(text) = metadata(output.metadata()).remove(POSTER_AT) {
                // All responses are for one version of the object, so later values are equal.
                let _ = self.poster_at.set(text);
            }
            s3_reply(output, asked)
        })
    }
}

/// Opens an object behind a URL: by byte ranges, or buffered in memory if the server does not support ranges and `--buffer` is given.
fn open_url(
    url: url::Url,
    buffer: Option<u64>,
    options: &OpenOptions,
    opener: &MediaOpener,
) -> Result<OpenMedia, JobError> {
    let source = HttpSource::new(url)?;
    match (opener.open_source(source.clone(), options), buffer) {
        (Err(Error::Source(SourceError::NoRanges)), Some(most)) => {
            let bytes = in_time(options, move || {
                block_on(async move { source.read_whole(most).await })
                    .map_err(internal)?
                    .map_err(JobError::from)
            });
            Ok(opener.open(Cursor::new(bytes?), options)?)
        }
        (Err(error @ Error::Source(SourceError::NoRanges)), None) => {
            let advice = format!("{error}; --buffer SIZE reads the whole object into memory");
            Err(JobError::new(error.kind(), advice))
        }
        (result, _) => Ok(result?),
    }
}

/// Converts the error of a thread or runtime that failed to start.
fn internal(error: std::io::Error) -> JobError {
    JobError::new(ErrorKind::Internal, error)
}

/// Returns the result of `read`. `read` may block forever, so it runs in its own thread. The time limit and the interrupt end the wait.
/// The thread ends with the process.
fn in_time(
    options: &OpenOptions,
    read: impl FnOnce() -> Result<Vec<u8>, JobError> + Send + 'static,
) -> Result<Vec<u8>, JobError> {
    let deadline = Deadline::new(options.limits.max_time, options.cancel.clone());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(read()));
    loop {
        match receiver.recv_timeout(deadline.left().min(LOOK_UP)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(JobError::new(ErrorKind::Internal, "the reading thread panicked"));
            }
            Err(RecvTimeoutError::Timeout) => match deadline.expired() {
                Some(Stop::Cancelled) => return Err(Error::Cancelled.into()),
                Some(Stop::Timeout(allowed) | Stop::CpuTime(allowed)) => {
                    return Err(Error::Timeout { allowed }.into());
                }
                None => {}
            },
        }
    }
}

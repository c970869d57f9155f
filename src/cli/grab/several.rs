//! One frame of each of several videos, saved to a folder.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::super::arguments::GrabArguments;
use super::super::interrupt::{LOOK_UP, PATIENCE};
use super::super::output::{self, Failure};
use super::super::progress;
use super::frame::{Request, Taken, request, show, take, write};
use crate::job_error::JobError;
use crate::location::Location;
use crate::store::of_file;
use crate::{CancelToken, Error, ErrorKind, ImageFormat};

/// Extracts the frames one after the other. A failed input is reported and does not stop the others.
pub(super) fn run(arguments: &GrabArguments, cancel: &CancelToken) -> Result<(), Failure> {
    let format = arguments.format.unwrap_or_default();
    let (request, outputs) = (request(arguments, format)?, outputs(arguments, format)?);
    let mut first_failure = None;
    for (input, output) in arguments.inputs.iter().zip(&outputs) {
        progress::begin(&format!("reading {input}"));
        let taken = in_time(input, arguments, request, cancel);
        let done = taken.and_then(|taken| write(output, input, &taken.bytes).map(|()| taken.grabbed));
        match done {
            Ok(mut grabbed) => {
                grabbed.output = output.display().to_string();
                match arguments.json {
                    true => output::print_json_as(arguments.form(), &grabbed)?,
                    false => show(&grabbed).print()?,
                }
            }
            Err(error) => {
                first_failure.get_or_insert(error.kind());
                output::error(&error, arguments.form());
            }
        }
        if cancel.is_cancelled() {
            return Err(Failure::Reported(ErrorKind::Cancelled));
        }
    }
    first_failure.map_or(Ok(()), |kind| Err(Failure::Reported(kind)))
}

/// Returns the file of each picture. Problems with file names are found before any input is read.
fn outputs(arguments: &GrabArguments, format: ImageFormat) -> Result<Vec<PathBuf>, JobError> {
    let wrong = |error: &str| JobError::new(ErrorKind::Config, error);
    let Some(folder) = &arguments.output else {
        return Err(wrong("--show applies to one input; use -o DIR/ for several inputs"));
    };
    if arguments.to_stdout() {
        return Err(wrong("only one picture can go to standard output; use -o DIR/ for several inputs"));
    }
    if arguments.show {
        return Err(wrong("--show applies to one input"));
    }
    let names = arguments.inputs.iter().map(|input| name_of(input, format));
    let outputs: Vec<_> = names.map(|name| Ok(folder.join(name?))).collect::<Result<_, JobError>>()?;
    let inputs = || arguments.inputs.iter().zip(&outputs);
    for (index, (input, output)) in inputs().enumerate() {
        let about = |error: String| {
            JobError::new(ErrorKind::Config, error).with_subject(output.display().to_string())
        };
        if let Some((earlier, _)) = inputs().take(index).find(|(_, earlier)| *earlier == output) {
            return Err(about(format!("would receive the pictures of {earlier} and {input}")));
        }
        if let Some(video) = arguments.inputs.iter().find(|video| is_file(video, output)) {
            return Err(about(format!("would receive the picture of {input}, and is the input {video}")));
        }
    }
    make(folder)?;
    Ok(outputs)
}

/// Returns whether an input is this file.
fn is_file(input: &Location, path: &Path) -> bool {
    let Location::File(file) = input else { return false };
    matches!((file.canonicalize(), path.canonicalize()), (Ok(file), Ok(path)) if file == path)
}

/// Creates the folder if it is missing and its name ends with a slash.
fn make(folder: &Path) -> Result<(), JobError> {
    match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && ends_with_slash(folder) => {
            fs::create_dir_all(folder).map_err(of_file(folder))
        }
        _ => {
            let error =
                "is not a folder; the pictures of several inputs need a folder that exists or ends with /";
            Err(JobError::new(ErrorKind::Config, error).with_subject(folder.display().to_string()))
        }
    }
}

pub(super) fn ends_with_slash(folder: &Path) -> bool {
    folder.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Returns the file name of a picture: the video's name, with the extension of the picture format.
fn name_of(input: &Location, format: ImageFormat) -> Result<OsString, JobError> {
    let name = match input {
        Location::File(path) => path.file_stem().map(OsString::from),
        Location::S3 { key, .. } => stem_of(key),
        Location::Http(url) => url.path_segments().and_then(|mut segments| {
            let decoded = percent_encoding::percent_decode_str(segments.next_back()?).decode_utf8_lossy();
            // A decoded slash would lead out of the folder.
            stem_of(&decoded)
        }),
        Location::Stdin => None,
    };
    let nameless = || {
        let error = "has no file name for its picture; read this input alone, and name the picture with -o";
        JobError::new(ErrorKind::Config, error).with_subject(input.to_string())
    };
    let mut name = name.ok_or_else(nameless)?;
    name.push(".");
    name.push(format.extension());
    Ok(name)
}

/// Returns the part after the last slash, without its extension.
fn stem_of(key: &str) -> Option<OsString> {
    let name = key.rsplit('/').next().filter(|name| !name.is_empty())?;
    Path::new(name).file_stem().map(OsString::from)
}

/// Extracts a frame in its own thread, so that a call that does not return cannot block the other inputs.
fn in_time(
    input: &Location,
    arguments: &GrabArguments,
    request: Request,
    cancel: &CancelToken,
) -> Result<Taken, JobError> {
    let about = |error: JobError| error.with_subject(input.to_string());
    let (sender, receiver) = mpsc::channel();
    let (video, reading, token) = (input.clone(), arguments.reading.clone(), cancel.clone());
    // The thread ends with the process.
    thread::spawn(move || drop(sender.send(take(&video, &reading, request, token))));
    let (started, limit) = (Instant::now(), arguments.reading.timeout);
    loop {
        match receiver.recv_timeout(LOOK_UP) {
            Ok(taken) => return taken,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(about(JobError::new(ErrorKind::Internal, "the reading thread panicked")));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let late = Duration::saturating_add(limit, PATIENCE);
        if cancel.is_cancelled() {
            // The call may be about to return.
            let last = receiver.recv_timeout(PATIENCE);
            return last.unwrap_or_else(|_| Err(about(Error::Cancelled.into())));
        }
        if started.elapsed() > late {
            return Err(about(Error::Timeout { allowed: limit }.into()));
        }
    }
}

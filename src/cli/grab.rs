//! `posterframe grab`: saves one `frame` of a video, or of each of `several` videos; or `candidates` for a poster, on a contact `sheet`.

mod candidates;
mod frame;
mod several;
mod sheet;

use std::io::{self, IsTerminal as _};

use super::arguments::GrabArguments;
use super::interrupt::Answer;
use super::output::{self, Failure};
use super::progress;
use crate::job_error::JobError;
use crate::{CancelToken, ErrorKind, ImageFormat, RgbPicture, config};
use frame::{Taken, request, show, take, write};
pub(super) use frame::{name, reason};

pub(super) fn run(arguments: &GrabArguments, cancel: CancelToken, answer: &Answer) -> Result<(), Failure> {
    let wrong = |error: &str| Err(JobError::new(ErrorKind::Config, error).into());
    let [input] = arguments.inputs.as_slice() else {
        return match arguments.candidates {
            Some(_) => wrong("--candidates is for one input"),
            None => several::run(arguments, &cancel),
        };
    };
    // A pattern of the shell may match one file only.
    let into_folder = arguments.output.as_deref().is_some_and(several::ends_with_slash);
    if into_folder && arguments.candidates.is_none() {
        return several::run(arguments, &cancel);
    }
    if arguments.show && !io::stdout().is_terminal() {
        return wrong("--show needs a terminal; -o FILE writes the picture");
    }
    if arguments.to_stdout() && arguments.json {
        return wrong("the picture and the JSON cannot both go to standard output; name a file with -o");
    }
    if let Some(count) = arguments.candidates {
        return candidates::run(arguments, input, (count, format(arguments)?), cancel, answer);
    }
    let request = request(arguments, format(arguments)?)?;
    progress::begin(&format!("reading {input}"));
    let Taken { bytes, pixels, mut grabbed } = take(input, &arguments.reading, request, cancel)?;
    answer.claim();
    if arguments.to_stdout() {
        return output::print_bytes(&bytes);
    }
    if let Some(output) = &arguments.output {
        write(output, input, &bytes)?;
        grabbed.output = output.display().to_string();
    }
    if let Some(pixels) = pixels {
        in_terminal(pixels)?;
    }
    match arguments.json {
        true => output::print_json(&grabbed),
        false => show(&grabbed).print(),
    }
}

/// Shows the picture as large as the terminal allows.
fn in_terminal(picture: RgbPicture) -> Result<(), JobError> {
    // The terminal itself is not queried for kitty graphics, because a terminal without them may never answer.
    let config = viuer::Config {
        absolute_offset: false,
        use_kitty: config::has_kitty_pictures(),
        ..viuer::Config::default()
    };
    let shown = viuer::print(&image::DynamicImage::ImageRgb8(picture.into()), &config);
    shown.map(drop).map_err(|error| JobError::new(ErrorKind::Internal, error.to_string()))
}

/// Returns the requested format, or the format of OUT's extension.
fn format(arguments: &GrabArguments) -> Result<ImageFormat, JobError> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    if arguments.to_stdout() {
        return Ok(ImageFormat::Jpeg);
    }
    // A picture that is only shown has no format.
    let Some(output) = &arguments.output else { return Ok(ImageFormat::Jpeg) };
    let extension = output.extension().and_then(|extension| extension.to_str());
    let unknown = || {
        let error = format!("the extension names no picture format; use --format with {}", config::FORMATS);
        JobError::new(ErrorKind::Config, error).with_subject(output.display().to_string())
    };
    extension.and_then(ImageFormat::from_extension).ok_or_else(unknown)
}

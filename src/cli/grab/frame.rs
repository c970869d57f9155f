//! The frame of one input: requesting, extracting, writing and showing it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::super::arguments::{GrabArguments, ReadingArguments, open_options};
use super::super::input;
use super::super::output::{self, Table};
use crate::cage::Layers;
use crate::job_error::JobError;
use crate::location::Location;
use crate::store::of_file;
use crate::{
    Bounds, CancelToken, ConsideredFrame, Encoding, ErrorKind, Fit, FrameReason, FrameRequest, ImageFormat,
    Ledger, Placeholder, RgbPicture, Transparency,
};

/// The JSON that `grab --json` prints.
#[derive(Serialize)]
pub(super) struct Grabbed {
    pub(super) output: String,
    format: &'static str,
    bytes: usize,
    duration_seconds: Option<f64>,
    frame_pts_seconds: f64,
    frame_reason: FrameReason,
    /// The frames that `--pick auto` compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    considered: Vec<ConsideredFrame>,
    width: u32,
    height: u32,
    #[serde(flatten)]
    placeholder: Option<Placeholder>,
    packets_decoded: u64,
    #[serde(flatten)]
    ledger: Ledger,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Layers>,
    elapsed_ms: u64,
}

/// The work that `grab` does for each input.
#[derive(Clone, Copy)]
pub(super) struct Request {
    frame: FrameRequest,
    encoding: Encoding,
    /// Whether the pixels of the picture are also needed.
    show: bool,
    /// Whether a placeholder is also needed, for display until the picture has loaded.
    placeholder: bool,
}

/// A frame that was extracted.
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    pub(super) pixels: Option<RgbPicture>,
    pub(super) grabbed: Grabbed,
}

pub(super) fn request(arguments: &GrabArguments, format: ImageFormat) -> Result<Request, JobError> {
    let bounds = Bounds { max_width: arguments.width, max_height: arguments.height };
    let transparency = arguments.background.unwrap_or_default();
    if transparency == Transparency::Keep && format == ImageFormat::Jpeg {
        let error = "--background none is for PNG and WebP: a JPEG has no transparency";
        return Err(JobError::new(ErrorKind::Config, error));
    }
    let quality = arguments.quality;
    let encoding = Encoding { format, bounds, fit: fit(arguments)?, quality, transparency };
    let GrabArguments { at: time, pick, cover, show, json, .. } = *arguments;
    Ok(Request { frame: FrameRequest { time, pick, cover, encoding }, encoding, show, placeholder: json })
}

/// Extracts the frame of one input.
pub(super) fn take(
    input: &Location,
    reading: &ReadingArguments,
    request: Request,
    cancel: CancelToken,
) -> Result<Taken, JobError> {
    let started = Instant::now();
    let options = open_options(reading.timeout, cancel);
    let options = options.with_frame(request.frame).with_total_time(reading.timeout);
    let about = |error: crate::Error| JobError::from(error).with_subject(input.to_string());
    let mut media = input::open(input, reading, &options)?;
    let picture = media.picture(&request.frame).map_err(about)?;
    let pixels = if request.show { Some(media.to_rgb8(request.encoding).map_err(about)?) } else { None };
    let placeholder = request.placeholder.then(|| media.placeholder(request.encoding, &picture.thumbnail));
    let thumbnail = picture.thumbnail;
    let grabbed = Grabbed {
        output: input.to_string(),
        format: name(thumbnail.format),
        bytes: thumbnail.bytes.len(),
        duration_seconds: media.info().duration_seconds,
        frame_pts_seconds: picture.pts_seconds,
        frame_reason: picture.reason,
        considered: picture.considered.clone(),
        width: thumbnail.width,
        height: thumbnail.height,
        placeholder: placeholder.transpose().map_err(about)?,
        packets_decoded: picture.packets_decoded,
        ledger: media.ledger(),
        isolation: media.layers(),
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok(Taken { bytes: thumbnail.bytes, pixels, grabbed })
}

pub(super) fn show(grabbed: &Grabbed) -> Table {
    let mut table = Table::default();
    table.title(&grabbed.output);
    let Grabbed { width, height, format, bytes, .. } = grabbed;
    table.row("picture", &format!("{width} x {height} {format}, {}", output::bytes(*bytes as u64)));
    let time = output::time(grabbed.frame_pts_seconds);
    let duration = grabbed.duration_seconds.map(|seconds| format!(" of {}", output::time(seconds)));
    let reason = reason(grabbed.frame_reason);
    table.row("frame", &format!("at {time}{} ({reason})", duration.unwrap_or_default()));
    if let Some(layers) = grabbed.isolation {
        table.row("cage", &output::layers(layers));
    }
    table.row("read", &output::cost(&grabbed.ledger, grabbed.elapsed_ms));
    table
}

/// Describes why this frame was chosen.
pub(in super::super) const fn reason(reason: FrameReason) -> &'static str {
    match reason {
        FrameReason::AtTarget => "the first frame at or after the requested time",
        FrameReason::HalfDuration => "at half the duration; the video ends before the requested time",
        FrameReason::LastFrame => "the last frame",
        FrameReason::Keyframe => "the keyframe at or before the requested time",
    }
}

pub(in super::super) const fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "jpeg",
        #[cfg(feature = "png")]
        ImageFormat::Png => "png",
        #[cfg(feature = "webp")]
        ImageFormat::WebP => "webp",
    }
}

/// Returns how the picture fills the bounds, and its focus.
fn fit(arguments: &GrabArguments) -> Result<Fit, JobError> {
    let GrabArguments { fit, focus, .. } = arguments;
    let focused = focus.map_or(Some(*fit), |focus| fit.with_focus(focus));
    focused.ok_or_else(|| JobError::new(ErrorKind::Config, "--focus needs --fit cover"))
}

/// Writes the picture. A regular file is created or replaced as a whole, or left unchanged. Other outputs are written directly.
pub(super) fn write(output: &Path, input: &Location, bytes: &[u8]) -> Result<(), JobError> {
    let about = of_file(output);
    let refuse =
        |reason: &str| JobError::new(ErrorKind::Config, reason).with_subject(output.display().to_string());
    let path = match fs::metadata(output) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(refuse("is a folder; name a file, or end the name with /"));
        }
        // A device or a pipe must stay; renaming would replace it by a regular file.
        Ok(metadata) if !metadata.is_file() => {
            let file = fs::File::options().write(true).open(output);
            return file.and_then(|mut file| file.write_all(bytes)).map_err(about);
        }
        // If OUT is a symbolic link, replace the file behind the link, not the link.
        Ok(_) => output.canonicalize().map_err(about)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => output.to_owned(),
        Err(error) => return Err(about(error)),
    };
    if matches!(input, Location::File(input) if input.canonicalize().is_ok_and(|input| input == path)) {
        return Err(refuse("is the video"));
    }
    write_whole(&path, bytes).map_err(about)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".posterframe-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

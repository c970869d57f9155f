//! The arguments of the program. clap shows their comments in `--help`; `help` has the texts below the options, `values` the parsers.

mod help;
mod values;

use std::ffi::OsStr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use clap::builder::ArgPredicate;
use clap::{Args, ColorChoice, Parser, Subcommand};
use clap_complete::Shell;

use super::audit::FindingKind;
use super::catalogue::CatalogueKind;
use super::output::{Json, printable};
use super::schema::{Dialect, Optional};
use crate::aws;
use crate::cage::MediaOpener;
use crate::config::Isolation;
use crate::frame_time::FrameTime;
use crate::job_error::JobError;
use crate::location::{Location, Prefix};
use crate::media::{libav_configuration, libav_licence};
use crate::{
    CancelToken, CoverArt, Fit, Focus, ImageFormat, Limits, OpenOptions, Pick, Quality, Transparency, config,
};
use values::{
    background, cache_control, cover, duration, fit, focus, format, frame_time, interval, location, pick,
    pick_of_tile, pixels, prefix, quality, rate, size, time,
};

/// Read information and poster frames from videos, with as few bytes as possible
#[derive(Debug, Parser)]
#[command(
    name = "posterframe",
    version,
    long_version = long_version(),
    after_help = help::EXAMPLES,
    after_long_help = format!("{}\n\n{}", help::EXAMPLES, help::EXIT_CODES),
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) global: GlobalArguments,
}

/// Options of all commands.
#[derive(Debug, Args)]
pub(super) struct GlobalArguments {
    /// Print results and errors only: no notes, no progress, no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(super) quiet: bool,
    /// Log the steps to standard error; -vv logs details, -vvv everything. RUST_LOG selects log lines by module
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(super) verbose: u8,
    /// Use colours: on a terminal (auto), always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    color: ColorChoice,
}

/// Options of commands that may send requests to AWS, under the names of the AWS CLI.
#[derive(Debug, Clone, Args)]
pub(super) struct AwsArguments {
    /// Use this profile of ~/.aws/config [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME", help_heading = "AWS options")]
    profile: Option<String>,
    /// Send requests to this region [default: AWS_REGION, or the region of the profile]
    #[arg(long, value_name = "REGION", help_heading = "AWS options")]
    region: Option<String>,
    /// Send requests to this URL instead of AWS, and name the bucket in the path [default: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL", value_parser = values::endpoint, help_heading = "AWS options")]
    endpoint_url: Option<String>,
}

impl AwsArguments {
    fn choice(&self) -> aws::Choice {
        let Self { profile, region, endpoint_url } = self.clone();
        aws::Choice { profile, region, endpoint_url }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the format, the streams and the duration of videos
    #[command(after_help = help::PROBE_HELP)]
    Probe(ProbeArguments),
    /// Write one frame of a video to a picture file
    #[command(after_help = help::GRAB_HELP)]
    Grab(GrabArguments),
    /// Write sheets of small pictures at even intervals, and a WebVTT file for the previews of a player
    #[command(after_help = help::STORYBOARD_HELP)]
    Storyboard(StoryboardArguments),
    /// Process one video: write its thumbnail into the store and its rows into the catalogue
    #[command(after_help = help::PROCESS_HELP)]
    Process(ProcessArguments),
    /// Process all videos under a prefix, several at a time
    #[command(after_help = help::BACKFILL_HELP)]
    Backfill(BackfillArguments),
    /// Report missing, duplicate and outdated thumbnails and rows
    #[command(after_help = help::AUDIT_HELP)]
    Audit(AuditArguments),
    /// Summarise a dead-letter queue by failure type, and replay selected messages
    #[command(after_help = help::REDRIVE_HELP)]
    Redrive(RedriveArguments),
    /// Check settings, bucket, secrets, database and API, and report how to fix failing checks
    #[command(after_help = help::DOCTOR_HELP)]
    Doctor(DoctorArguments),
    /// Build the static FFmpeg that this program contains, for your own Rust project
    #[command(after_help = help::LIBAV_HELP)]
    Libav(LibavArguments),
    /// Print the SQL statements that create the catalogue's tables or optional indexes
    #[command(after_help = help::SCHEMA_HELP)]
    Schema(SchemaArguments),
    /// Print the completion script of a shell
    #[command(after_help = "\
Examples:
  posterframe completions bash > ~/.local/share/bash-completion/completions/posterframe
  posterframe completions zsh > ~/.zfunc/_posterframe
  posterframe completions fish > ~/.config/fish/completions/posterframe.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page in roff
    #[command(after_help = "\
Examples:
  posterframe man > ~/.local/share/man/man1/posterframe.1")]
    Man,
}

impl Command {
    /// The AWS options of the command.
    pub(super) fn aws(&self) -> Option<aws::Choice> {
        let arguments = match self {
            Self::Probe(probe) => &probe.reading.aws,
            Self::Grab(grab) => &grab.reading.aws,
            Self::Storyboard(storyboard) => &storyboard.input.reading.aws,
            Self::Process(process) => &process.aws,
            Self::Backfill(backfill) => &backfill.place.aws,
            Self::Audit(audit) => &audit.place.aws,
            Self::Redrive(redrive) => &redrive.aws,
            Self::Doctor(doctor) => &doctor.aws,
            Self::Libav(_) | Self::Schema(_) | Self::Completions { .. } | Self::Man => return None,
        };
        Some(arguments.choice())
    }

    /// The JSON form of the answer.
    pub(super) const fn json(&self) -> Json {
        Json::object_if(match self {
            Self::Probe(probe) => return probe.form(),
            Self::Grab(grab) => return grab.form(),
            Self::Storyboard(storyboard) => storyboard.json,
            // The answer to an event is JSON.
            Self::Process(process) => process.json || process.event.is_some(),
            Self::Doctor(doctor) => doctor.json,
            Self::Redrive(redrive) => redrive.json,
            Self::Audit(audit) => audit.json,
            Self::Backfill(backfill) => backfill.json,
            Self::Libav(_) | Self::Schema(_) | Self::Completions { .. } | Self::Man => false,
        })
    }
}

/// Which statements.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Print the statements for this database
    #[arg(
        long,
        value_enum,
        default_value = "sqlite",
        default_value_if("optional", ArgPredicate::IsPresent, "mysql")
    )]
    pub(super) dialect: Dialect,
    /// Print an addition to existing MySQL tables: index speeds up searches by URL and can be added at any time; unique allows one row
    /// per video and can be added once the replaced Lambda has been removed for good
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(super) optional: Option<Optional>,
}

/// The input, and the way to read it.
#[derive(Debug, Args)]
pub(super) struct InputArguments {
    /// The video: a path, s3://bucket/key, an http(s):// or file:// URL, or - for standard input
    #[arg(value_parser = location())]
    pub(super) input: Location,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
}

/// The way to read inputs.
#[derive(Debug, Clone, Args)]
pub(super) struct ReadingArguments {
    /// Read this version of the object in S3 instead of the current version
    #[arg(long, value_name = "ID")]
    pub(super) version_id: Option<String>,
    /// Buffer inputs that do not support byte ranges in memory, up to SIZE (100MB, 256MiB): standard input [default there:
    /// 256MiB], and URLs whose server does not support ranges [default there: an error]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) buffer: Option<u64>,
    /// Fail after this time per input: 30, 500ms, 2m, 1:30
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Decode in a separate process that can open no file and no connection (as ISOLATE=process)
    #[arg(long)]
    pub(super) isolate: bool,
    #[command(flatten)]
    pub(super) aws: AwsArguments,
}

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// The videos: paths, s3://bucket/key, http(s):// or file:// URLs, or - for standard input
    #[arg(value_name = "INPUT", required = true, value_parser = location())]
    pub(super) inputs: Vec<Location>,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
    /// Also read up to 5 MB of packets, for fields that the headers do not contain
    #[arg(long)]
    pub(super) deep: bool,
    /// Print one JSON object with ffprobe's field names; for several inputs, one object per line
    #[arg(long)]
    pub(super) json: bool,
}

impl ProbeArguments {
    /// The form of the answers.
    pub(super) const fn form(&self) -> Json {
        Json::of_inputs(self.json, self.inputs.len())
    }
}

impl GrabArguments {
    /// The form of the answers.
    pub(super) const fn form(&self) -> Json {
        Json::of_inputs(self.json, self.inputs.len())
    }
}

#[derive(Debug, Args)]
pub(super) struct GrabArguments {
    /// The videos: paths, s3://bucket/key, http(s):// or file:// URLs, or - for standard input
    #[arg(
        required = true,
        value_name = "INPUT",
        value_parser = location()
    )]
    pub(super) inputs: Vec<Location>,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
    /// Write the picture to this file, in the format of its extension, and replace an existing file; - is standard output. An OUT that
    /// ends with /, or for several inputs an OUT that exists, is a folder: each picture gets the name of its video, and the extension of
    /// --format [default there: jpeg]
    #[arg(short, long, value_name = "OUT", required_unless_present = "show")]
    pub(super) output: Option<PathBuf>,
    /// Show the picture in the terminal, by the protocol of kitty or iTerm, or as blocks of colour
    #[arg(long, conflicts_with = "json")]
    pub(super) show: bool,
    /// Take the frame at this time: 5, 2.5s, 2m, 1:02.5, -10 (from the end), 10% or middle
    #[arg(long, value_name = "TIME", default_value = "5", allow_hyphen_values = true, value_parser = frame_time)]
    pub(super) at: FrameTime,
    /// Choose the frame: exact is the frame at TIME; keyframe is the keyframe at or before TIME, which reads and decodes least; auto is
    /// the exact frame unless it is black, blank, blurred or a title card, and otherwise a better keyframe near it
    #[arg(long, value_name = "WHICH", default_value = "exact", value_parser = pick())]
    pub(super) pick: Pick,
    /// Use the cover picture of the file: when the file has no video (fallback), never (ignore), when there is one (prefer), or always
    /// (only)
    #[arg(long, value_name = "WHEN", default_value = "fallback", value_parser = cover())]
    pub(super) cover: CoverArt,
    /// Scale the picture down to at most this width; it is never enlarged
    #[arg(long, value_name = "PIXELS", value_parser = pixels)]
    pub(super) width: Option<NonZeroU32>,
    /// Scale the picture down to at most this height
    #[arg(long, value_name = "PIXELS", value_parser = pixels)]
    pub(super) height: Option<NonZeroU32>,
    /// Fit the picture into WIDTH and HEIGHT: contain keeps the whole picture; cover fills both and crops the rest
    #[arg(long, value_name = "HOW", default_value = "contain", value_parser = fit())]
    pub(super) fit: Fit,
    /// Keep this point in view with --fit cover, from the left and from the top: 0.5,0.25 or 50%,25% [default: the middle]
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true, value_parser = focus)]
    pub(super) focus: Option<Focus>,
    /// Encode JPEG and WebP with this quality, 1 to 100
    #[arg(long, value_name = "QUALITY", default_value = "85", value_parser = quality)]
    pub(super) quality: Quality,
    /// Blend transparent pixels over this colour: six hexadecimal digits for red, green and blue, or none, which keeps the pixels
    /// transparent in PNG and WebP [default: ffffff]
    #[arg(long, value_name = "COLOUR", value_parser = background)]
    pub(super) background: Option<Transparency>,
    /// Write jpeg, png or webp, whatever the extension of OUT is
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(super) format: Option<ImageFormat>,
    /// Write a contact sheet of N good frames from all parts of one video, each with its time, to choose a frame. --width and
    /// --height then bound each frame [default: 320 x 320]
    #[arg(long, value_name = "N", conflicts_with_all = ["at", "pick", "cover", "fit", "focus", "show"])]
    pub(super) candidates: Option<NonZeroU32>,
    /// Print one JSON object about the frame; for several inputs, one object per line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StoryboardArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// Write the files to this folder, or to s3://bucket/folder/, and replace existing files. The command creates a missing folder
    #[arg(short, long, value_name = "DIR", value_parser = prefix())]
    pub(super) output: Prefix,
    /// Divide the video into this many tiles of equal length [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "every")]
    pub(super) count: Option<NonZeroU32>,
    /// Write one tile per interval of this length: 10, 500ms, 1m
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub(super) every: Option<Duration>,
    /// Choose the frame of an interval: exact is the frame in its middle, keyframe the keyframe at or before the middle
    #[arg(long, value_name = "WHICH", default_value = "keyframe", value_parser = pick_of_tile())]
    pub(super) pick: Pick,
    /// Scale tiles down to at most this width
    #[arg(long, value_name = "PIXELS", default_value = "160", value_parser = pixels)]
    pub(super) width: NonZeroU32,
    /// Scale tiles down to at most this height
    #[arg(long, value_name = "PIXELS", value_parser = pixels)]
    pub(super) height: Option<NonZeroU32>,
    /// Write this many tiles per row
    #[arg(long, value_name = "N", default_value = "10")]
    pub(super) columns: NonZeroU32,
    /// Write this many rows per sheet
    #[arg(long, value_name = "N", default_value = "10")]
    pub(super) rows: NonZeroU32,
    /// Encode JPEG and WebP with this quality, 1 to 100
    #[arg(long, value_name = "QUALITY", default_value = "85", value_parser = quality)]
    pub(super) quality: Quality,
    /// Write sheets in this format: jpeg, png or webp
    #[arg(long, value_name = "FORMAT", default_value = "jpeg", value_parser = format)]
    pub(super) format: ImageFormat,
    /// Store this Cache-Control header with files in S3
    #[arg(long, value_name = "VALUE", default_value = config::CACHE_CONTROL, value_parser = cache_control)]
    pub(super) cache_control: String,
    /// Print one JSON object: the content of storyboard.json and the cost of reading
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ProcessArguments {
    /// The video: a path, a file:// URL, or s3://bucket/key
    #[arg(value_parser = location(), required_unless_present = "event")]
    pub(super) input: Option<Location>,
    /// Process the objects of this Lambda event, with the settings and the answer of the function; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "store", "catalog"])]
    pub(super) event: Option<PathBuf>,
    /// Use this folder as the bucket; it is created if it does not exist [default: STORE_DIR, or posterframe-data]
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Write the rows to this catalogue [default: sqlite for a local video, mysql for s3://]
    #[arg(long, value_name = "WHICH")]
    pub(super) catalog: Option<CatalogueKind>,
    /// Fail after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Decode in a separate process that can open no file and no connection (as ISOLATE=process)
    #[arg(long)]
    pub(super) isolate: bool,
    /// Print one JSON object about the result
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) aws: AwsArguments,
}

/// The videos, and the catalogue of their rows.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// The place of the videos: a folder, s3://bucket or s3://bucket/prefix
    #[arg(value_parser = prefix())]
    pub(super) prefix: Prefix,
    /// Use this folder as the bucket [default: PREFIX itself]
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Use the rows of this catalogue [default: sqlite for a folder, mysql for s3://]
    #[arg(long, value_name = "WHICH")]
    pub(super) catalog: Option<CatalogueKind>,
    #[command(flatten)]
    pub(super) aws: AwsArguments,
}

#[derive(Debug, Args)]
pub(super) struct BackfillArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// Process this many videos at a time
    #[arg(long, value_name = "N", default_value = "4")]
    pub(super) jobs: NonZeroUsize,
    /// Start at most this many videos per second
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// Stop after this many videos
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
    /// Print what the command would do, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Process only videos without a thumbnail or without a row, whichever program wrote the others
    #[arg(long)]
    pub(super) only_missing: bool,
    /// Overwrite existing contents: titles, descriptions and ratings that people have edited are lost [default: OVERWRITE_CONTENTS]
    #[arg(long)]
    pub(super) overwrite_contents: bool,
    /// Process only keys that match GLOB, such as 'videos/2026/*'; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) include: Vec<String>,
    /// Skip keys that match GLOB; can be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Process only objects last modified at or after this time: 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) modified_after: Option<SystemTime>,
    /// Process only objects last modified before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) modified_before: Option<SystemTime>,
    /// Process the keys in this file, one per line (a key with a line break as a JSON string), instead of listing PREFIX; - is standard
    /// input
    #[arg(long, value_name = "FILE")]
    pub(super) keys_from: Option<PathBuf>,
    /// Record the result of each video in this file, from which an interrupted run resumes
    #[arg(long, value_name = "FILE", default_value = "posterframe-backfill.jsonl")]
    pub(super) journal: PathBuf,
    /// Start from the beginning and ignore the journal
    #[arg(long)]
    pub(super) again: bool,
    /// Write a JSON report with every failure to this file
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write an HTML page of the thumbnails, durations and failures to this file
    #[arg(long, value_name = "FILE.html")]
    pub(super) contact_sheet: Option<PathBuf>,
    /// Fail a video after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Decode in a separate process that can open no file and no connection (as ISOLATE=process)
    #[arg(long)]
    pub(super) isolate: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// Exit with 10 if the audit has findings (after --only)
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Write the keys that a back-fill would fix, one per line, for `backfill --keys-from`; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(super) keys: Option<PathBuf>,
    /// Report only findings of this kind; can be repeated
    #[arg(long, value_name = "KIND")]
    pub(super) only: Vec<FindingKind>,
    /// Also compare each thumbnail with the time that people chose for its video (poster-at). Takes one more HEAD request for each
    /// video, and with POSTER_AT_TAG=true one more request for each video with tags
    #[arg(long)]
    pub(super) choices: bool,
    /// Record findings and position in this file, from which an interrupted audit resumes
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// Start from the beginning and ignore the journal
    #[arg(long, requires = "journal")]
    pub(super) again: bool,
    /// Look at this many thumbnails at a time
    #[arg(long, value_name = "N", default_value = "16")]
    pub(super) jobs: NonZeroUsize,
    /// Print all findings as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RedriveArguments {
    /// The URL or name of the dead-letter queue in SQS, or of the function's on-failure destination
    pub(super) queue: String,
    /// Select messages of this failure type (denied, malformed, several, unknown, ...); can be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) failure_types: Vec<String>,
    /// Process the messages here, with the function's settings, and delete those that succeed from the queue
    #[arg(long, conflicts_with = "to")]
    pub(super) replay: bool,
    /// Send the messages to this queue, and delete them from the first queue
    #[arg(long, value_name = "QUEUE")]
    pub(super) to: Option<String>,
    /// Read at most this many messages
    #[arg(long, value_name = "N", default_value = "10000")]
    pub(super) limit: usize,
    /// Fail a message after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) aws: AwsArguments,
}

#[derive(Debug, Args)]
pub(super) struct LibavArguments {
    /// Install into this folder: it must not exist, be empty, or contain an earlier build, which is replaced
    #[arg(long, value_name = "DIR")]
    pub(super) prefix: PathBuf,
    /// Run this many compilers at a time [default: one per processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Build for another machine, with the cross compiler of this prefix: aarch64-linux-gnu
    #[arg(long, value_name = "TARGET")]
    pub(super) target: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// s3://bucket, or s3://bucket/key of a video to read. For a folder, set STORE_DIR and use --catalog sqlite
    #[arg(value_name = "S3_URL", value_parser = Bucket::parse_url)]
    url: Option<Bucket>,
    /// The name of the bucket, instead of its URL
    #[arg(long, value_name = "NAME", conflicts_with = "url", value_parser = Bucket::parse_name)]
    bucket: Option<Bucket>,
    /// Also write a small object into each folder of the bucket that the function writes to; it stays there
    #[arg(long)]
    pub(super) write: bool,
    /// Count duplicate rows and rows without a content in tables of more than 100,000 rows, too; reads all rows
    #[arg(long)]
    pub(super) deep: bool,
    /// Check this catalogue; sqlite also checks the folder STORE_DIR
    #[arg(long, value_name = "WHICH", default_value = "mysql")]
    pub(super) catalog: CatalogueKind,
    /// Fail a check after this time
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Print one JSON object with all checks
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) aws: AwsArguments,
}

/// A bucket, or an object in it.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) key: Option<String>,
}

impl Bucket {
    fn parse_name(text: &str) -> Result<Self, &'static str> {
        let is_name = !text.is_empty() && !text.contains('/');
        is_name.then(|| Self { name: text.to_owned(), key: None }).ok_or("not a bucket's name")
    }

    fn parse_url(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| {
            let folder = shlex::try_quote(text).ok().filter(|_| !text.is_empty() && !text.contains("://"));
            let folder = folder.map_or_else(|| "FOLDER".to_owned(), |folder| printable(&folder));
            format!(
                "a bucket is written s3://bucket or s3://bucket/key; for a folder with its SQLite catalogue, run \
                 `STORE_DIR={folder} posterframe doctor --catalog sqlite`"
            )
        })?;
        let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
        let key = (!key.is_empty()).then(|| key.to_owned());
        Ok(Self { key, ..Self::parse_name(name)? })
    }
}

impl DoctorArguments {
    pub(super) fn bucket(&self) -> Option<&Bucket> {
        self.url.as_ref().or(self.bucket.as_ref())
    }
}

impl GrabArguments {
    /// Whether the picture goes to standard output.
    pub(super) fn to_stdout(&self) -> bool {
        self.output.as_ref().is_some_and(|output| output.as_os_str() == OsStr::new("-"))
    }
}

/// The options with which every command opens videos.
pub(super) fn open_options(timeout: Duration, cancel: CancelToken) -> OpenOptions {
    let limits = Limits { max_time: timeout, ..Limits::default() };
    OpenOptions::default().with_limits(limits).with_cancel(cancel)
}

/// The opener of videos. The flag comes before the setting.
pub(super) fn opener(isolate: bool, setting: Isolation) -> Result<MediaOpener, JobError> {
    MediaOpener::new(isolate || setting.is_process()).map_err(JobError::from)
}

/// Version, and which FFmpeg is linked.
fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{}\nFFmpeg {}\nFFmpeg licence: {}\nFFmpeg configuration: {}",
            env!("CARGO_PKG_VERSION"),
            env!("POSTERFRAME_FFMPEG_VERSION"),
            libav_licence(),
            libav_configuration()
        )
    });
    &TEXT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    /// Terminals differ in width: what is a paragraph is one line, for clap to wrap, and what is not fits into it.
    #[test]
    fn help_is_wrapped_by_the_terminal_s_width() {
        for command in <Arguments as clap::CommandFactory>::command().get_subcommands() {
            let texts = [command.get_after_help(), command.get_after_long_help()];
            for text in texts.into_iter().flatten().map(ToString::to_string) {
                for (line, next) in text.lines().zip(text.lines().skip(1).chain([""])) {
                    let paragraph = !line.starts_with(' ');
                    let goes_on = !next.is_empty() && !next.starts_with(' ');
                    assert!(!(paragraph && !line.is_empty() && goes_on), "{line}");
                    assert!(paragraph || line.len() <= 100, "{line}");
                }
            }
        }
    }
}

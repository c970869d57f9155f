//! What can be typed. The texts are for people; `--help` shows them.

use std::ffi::OsStr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::{ArgPredicate, OsStringValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::audit::FindingKind;
use super::catalogue::CatalogueKind;
use super::output::Json;
use super::schema::{Dialect, Optional};
use crate::cage::Opener;
use crate::config::Isolation;
use crate::frame_time::{FrameTime, parse_duration};
use crate::job_error::JobError;
use crate::location::{Location, Prefix};
use crate::{CancelToken, CoverArt, Fit, Focus, ImageFormat, Limits, OpenOptions, Pick, Quality, config};

const EXIT_CODES: &str = "\
Exit codes:
    0  done; for `process` also: nothing to do
    1  internal: a failure on our side
    2  config: a wrong argument or setting
    3  not_found: the input is not there
    4  denied: it may not be read or written
    5  unsupported: no video in it, a codec that is not compiled in, a server that knows no byte ranges
    6  malformed: damaged, or not a video file; a name that cannot be used
    7  limit_exceeded: it costs more than is allowed, or a name is too long
    8  timeout: not done in time
    9  unavailable: a failure that may pass
   10  audit --exit-code: something was found
  130  cancelled: interrupted

With --json, a failure prints {\"error\": {\"kind\", \"message\", \"subject\"}} on standard output.";

const EXAMPLES: &str = "\
Examples:
  posterframe probe holiday.mp4
  posterframe probe holiday.mp4 --json | jq .format.duration
  posterframe grab holiday.mp4 -o poster.jpg
  posterframe grab s3://films/videos/1_x.mp4 -o small.webp --at 12.5 --width 640
  posterframe probe https://example.org/a.mp4
  posterframe storyboard holiday.mp4 -o previews
  posterframe process bucket/videos/1_test_video.mp4 --store bucket
  posterframe backfill s3://films --dry-run
  posterframe audit s3://films";

const DOCTOR_HELP: &str = "\
It reads the function's environment variables, and tries with these credentials what the function does. Each check has a \
name and is ok, a warning, failed, or skipped because another one stands in its way; each says what was seen, and what to do. \
docs/troubleshooting.md leads from error texts to checks. No secret is shown.

Nothing is changed: the API is sent no content, the database is asked for privileges on no row. Only --write puts one small \
object, THUMBNAIL_PREFIX and `.posterframe-doctor`, into the bucket, and leaves it there: removing it takes a permission \
(s3:DeleteObject) that the function need not have. Doubles and rows without a content are counted by reading all rows, \
of a table with more than 100,000 only with --deep.

The exit code is 0 when no check failed, else that of the first failed check's kind; see `posterframe --help`.

Examples:
  posterframe doctor
  posterframe doctor s3://films/videos/1_test_video.mp4
  posterframe doctor --bucket films --write
  posterframe doctor --catalog sqlite
  posterframe doctor --json | jq '.checks[] | select(.status == \"failed\")'";

/// Media information and poster frames from video, with as few bytes read as possible.
#[derive(Debug, Parser)]
#[command(
    name = "posterframe",
    version,
    long_version = LONG_VERSION,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 100
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what is in a video file
    #[command(after_help = "\
Examples:
  posterframe probe holiday.mp4
  posterframe probe s3://films/videos/1_x.mp4
  posterframe probe holiday.mp4 --json | jq .posterframe.moov
  posterframe probe *.mp4 --json | jq -r '[.format.filename, .format.duration] | @tsv'
  posterframe probe --deep broadcast.ts

A failing input does not stop the others; the exit code is that of the first failure.

S3: region, credentials and endpoint come from where AWS's own tools find them (AWS_REGION, AWS_PROFILE, \
AWS_ENDPOINT_URL, ...).")]
    Probe(ProbeArguments),
    /// Write one frame of a video as a picture
    #[command(after_help = "\
The frame is the first at or after the time asked for; of a video that ends before that, the one at half its \
duration; failing that, the last one.

Examples:
  posterframe grab holiday.mp4 -o poster.jpg
  posterframe grab holiday.mp4 --show
  posterframe grab holiday.mp4 -o small.webp --at 1:02.5 --width 640
  posterframe grab holiday.mp4 -o square.jpg --width 640 --height 640 --fit cover --focus 0.5,0.3
  posterframe grab holiday.mp4 -o middle.jpg --at middle
  posterframe grab s3://films/videos/1_x.mp4 -o poster.jpg
  curl -s https://example.org/clip.webm | posterframe grab - -o poster.jpg
  posterframe grab holiday.mp4 -o - --format png > poster.png
  posterframe grab *.mp4 -o posters/ --width 640

With several inputs, one that fails keeps no other from being read; the exit code is that of the first failure. Two inputs whose \
pictures would have one name are an error before anything is read.")]
    Grab(GrabArguments),
    /// Write tiles of a video at even intervals as sheets, with a WebVTT file for the previews of a player
    #[command(after_help = "\
DIR gets storyboard-1.jpg (and so on), storyboard.vtt and storyboard.json. All files are written, or none. A DIR that is \
there keeps its other files.

Tiles from keyframes cost the fewest bytes. With --pick exact each tile shows the frame in the middle of its interval.

Examples:
  posterframe storyboard holiday.mp4 -o previews
  posterframe storyboard s3://films/videos/1_x.mp4 -o previews --every 10s --width 240
  posterframe storyboard holiday.mp4 -o previews --count 25 --columns 5 --pick exact --format webp")]
    Storyboard(StoryboardArguments),
    /// Do the whole job for one video: thumbnail into the store, rows into the catalogue
    #[command(after_help = "\
For a local video the store is a folder that stands for the bucket. A video inside it has its path there as its key; one \
from elsewhere is read where it lies, as if it were VIDEO_PREFIX and its name. Rows go to SQLite, whatever the \
environment says, unless --catalog mysql. For s3://bucket/key the store is the bucket, and rows go to MySQL and the \
catalogue API, unless --catalog sqlite. What will be written is printed first. Doing it twice changes nothing.

Settings (environment variables and their defaults):
  VIDEO_PREFIX=videos/          VIDEO_SUFFIXES=.mp4       THUMBNAIL_PREFIX=thumbnails/
  THUMBNAIL_AT=5                THUMBNAIL_PICK=exact      THUMBNAIL_WIDTH=
  THUMBNAIL_HEIGHT=             THUMBNAIL_FIT=contain     THUMBNAIL_FOCUS=
  THUMBNAIL_QUALITY=85          THUMBNAIL_FORMAT=jpeg     POSTER_AT_TAG=false
  THUMBNAIL_KEY={prefix}{dir}{name}.{ext}
  THUMBNAIL_CACHE_CONTROL='public, max-age=300'
  STORE_DIR=posterframe-data    CATALOG_SQLITE=STORE_DIR/catalog.sqlite3
  LOG_FORMAT=text               RUST_LOG=info
With mysql also: DB_HOST, DB_USER, DB_PASSWORD, DB_NAME, CATALOG_API_BASE, INTERNAL_TOKEN, and the others of the function.

Examples:
  posterframe process bucket/videos/1_test_video.mp4 --store bucket
  posterframe process s3://films/videos/1_test_video.mp4
  posterframe process --event event.json
  THUMBNAIL_WIDTH=640 posterframe process ~/Videos/42_my-movie.mp4 --json")]
    Process(ProcessArguments),
    /// Do the job for all videos under a prefix, several at a time
    #[command(after_help = BACKFILL_HELP)]
    Backfill(BackfillArguments),
    /// Say what is missing, doubled or out of date: videos, thumbnails, rows
    #[command(after_help = AUDIT_HELP)]
    Audit(AuditArguments),
    /// Say what lies in a dead-letter queue, by the type of its failure, and work on the chosen of it again
    #[command(after_help = REDRIVE_HELP)]
    Redrive(RedriveArguments),
    /// Check settings, bucket, secrets, database and API, and say what to do about what is not right
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArguments),
    /// Build the static FFmpeg that this program has inside, for a Rust project of yours
    #[command(after_help = LIBAV_HELP)]
    Libav(LibavArguments),
    /// Print the statements that create the catalogue's tables, or its optional indexes
    #[command(after_help = "\
Examples:
  posterframe schema --dialect mysql | mysql catalogue
  posterframe schema --dialect mysql --optional index | mysql catalogue")]
    Schema(SchemaArguments),
    /// Print the completions of a shell
    #[command(after_help = "\
Examples:
  posterframe completions bash > ~/.local/share/bash-completion/completions/posterframe
  posterframe completions zsh > ~/.zfunc/_posterframe
  posterframe completions fish > ~/.config/fish/completions/posterframe.fish")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, in roff
    #[command(after_help = "\
Examples:
  posterframe man > ~/.local/share/man/man1/posterframe.1")]
    Man,
}

impl Command {
    /// Whether the answer is to be JSON, and in which form.
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
    /// Print an addition to existing tables in MySQL instead: an index for searches by URL, which can be added at any time; or a key
    /// that allows one row for each video, for when the replaced Lambda is not to come back
    #[arg(long, value_name = "WHICH", value_enum)]
    pub(super) optional: Option<Optional>,
}

/// What is read, and how.
#[derive(Debug, Args)]
pub(super) struct InputArguments {
    /// The video: a path, s3://bucket/key, an http(s):// or file:// URL, or - for standard input
    #[arg(value_parser = location())]
    pub(super) input: Location,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
}

/// How inputs are read.
#[derive(Debug, Clone, Args)]
pub(super) struct ReadingArguments {
    /// Read this version of the object in S3, not the current one
    #[arg(long, value_name = "ID")]
    pub(super) version_id: Option<String>,
    /// Read what cannot be read by byte ranges into memory, up to so many bytes: standard input (default
    /// 268435456), URLs whose server knows no ranges (default: refused)
    #[arg(long, value_name = "BYTES")]
    pub(super) buffer: Option<u64>,
    /// Give up after this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Decode in a process of its own, which can open no file and no connection (ISOLATE=process does the same)
    #[arg(long)]
    pub(super) isolate: bool,
}

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// The videos: paths, s3://bucket/key, http(s):// or file:// URLs, or - for standard input
    #[arg(value_name = "INPUT", required = true, value_parser = location())]
    pub(super) inputs: Vec<Location>,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
    /// Read packets too, up to 5 MB of them, for the fields that headers do not contain
    #[arg(long)]
    pub(super) deep: bool,
    /// Print one JSON object, under ffprobe's names; of several inputs, one object per line
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
    /// The video: a path, s3://bucket/key, an http(s):// or file:// URL, or - for standard input. Several may be given
    #[arg(
        required = true,
        value_name = "INPUT",
        value_parser = OsStringValueParser::new().try_map(|text| Location::parse(&text))
    )]
    pub(super) inputs: Vec<Location>,
    #[command(flatten)]
    pub(super) reading: ReadingArguments,
    /// The picture's file; its ending tells the format. `-` writes it to standard output. With several inputs, a folder that exists
    /// or ends with /: each picture has the name of its video, with the ending of --format [default there: jpeg]
    #[arg(short, long, value_name = "OUT", required_unless_present = "show")]
    pub(super) output: Option<PathBuf>,
    /// Show it in the terminal, by what that can do: kitty's or iTerm's pictures, or blocks of colour
    #[arg(long, conflicts_with = "json")]
    pub(super) show: bool,
    /// Where in the video the frame is: 5, 2.5s, 2m, 1:02.5, -10 (from the end), 10% or middle
    #[arg(long, value_name = "TIME", default_value = "5", allow_hyphen_values = true, value_parser = frame_time)]
    pub(super) at: FrameTime,
    /// Which frame there: the exact one; the keyframe at or before the time, which is decoded alone; or auto, the exact one unless it is
    /// black, blank, a title card or blurred, then a keyframe near it that is not
    #[arg(long, value_name = "WHICH", default_value = "exact", value_parser = pick())]
    pub(super) pick: Pick,
    /// A cover picture beside the video: taken where there is no video (fallback), never (ignore), wherever there is one (prefer), or
    /// nothing else (only)
    #[arg(long, value_name = "WHEN", default_value = "fallback", value_parser = cover())]
    pub(super) cover: CoverArt,
    /// Largest width; the picture is never enlarged
    #[arg(long, value_name = "PIXELS", value_parser = pixels)]
    pub(super) width: Option<NonZeroU32>,
    /// Largest height
    #[arg(long, value_name = "PIXELS", value_parser = pixels)]
    pub(super) height: Option<NonZeroU32>,
    /// How the picture fills WIDTH and HEIGHT: contain keeps the whole picture; cover fills both and cuts off the parts beyond
    #[arg(long, value_name = "HOW", default_value = "contain", value_parser = fit())]
    pub(super) fit: Fit,
    /// The point that --fit cover keeps in view, from the left and from the top: 0.5,0.25 or 50%,25% [default: the middle]
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true, value_parser = focus)]
    pub(super) focus: Option<Focus>,
    /// 1 to 100, for JPEG and WebP
    #[arg(long, value_name = "QUALITY", default_value = "85", value_parser = quality)]
    pub(super) quality: Quality,
    /// jpeg, png or webp, whatever OUT's ending is
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(super) format: Option<ImageFormat>,
    /// Print one JSON object about the frame; with several inputs, one a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct StoryboardArguments {
    #[command(flatten)]
    pub(super) input: InputArguments,
    /// The folder of the files; it is created when missing
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Divide the video into this many tiles of equal length [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "every")]
    pub(super) count: Option<NonZeroU32>,
    /// Write one tile for each interval of this length: 10, 500ms, 1m
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub(super) every: Option<Duration>,
    /// Which frame of an interval: the exact one in its middle, or the keyframe at or before that
    #[arg(long, value_name = "WHICH", default_value = "keyframe", value_parser = pick_of_tile())]
    pub(super) pick: Pick,
    /// Largest width of a tile
    #[arg(long, value_name = "PIXELS", default_value = "160", value_parser = pixels)]
    pub(super) width: NonZeroU32,
    /// Largest height of a tile
    #[arg(long, value_name = "PIXELS", value_parser = pixels)]
    pub(super) height: Option<NonZeroU32>,
    /// Tiles in a row
    #[arg(long, value_name = "N", default_value = "10")]
    pub(super) columns: NonZeroU32,
    /// Rows on a sheet
    #[arg(long, value_name = "N", default_value = "10")]
    pub(super) rows: NonZeroU32,
    /// 1 to 100, for JPEG and WebP
    #[arg(long, value_name = "QUALITY", default_value = "85", value_parser = quality)]
    pub(super) quality: Quality,
    /// jpeg, png or webp
    #[arg(long, value_name = "FORMAT", default_value = "jpeg", value_parser = format)]
    pub(super) format: ImageFormat,
    /// Print one JSON object: the content of storyboard.json, and what reading has cost
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ProcessArguments {
    /// The video: a path, a file:// URL, or s3://bucket/key
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| Location::parse(&text)), required_unless_present = "event")]
    pub(super) input: Option<Location>,
    /// Work on the objects of a Lambda event instead, exactly as the function does, with its settings and its answer; - is
    /// standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "store", "catalog"])]
    pub(super) event: Option<PathBuf>,
    /// The folder that stands for the bucket, made when missing [default: STORE_DIR, or posterframe-data]
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Where the rows go [default: sqlite for a local video, mysql for s3://]
    #[arg(long, value_name = "WHICH")]
    pub(super) catalog: Option<CatalogueKind>,
    /// Give up after this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Decode in a process of its own, which can open no file and no connection (ISOLATE=process does the same)
    #[arg(long)]
    pub(super) isolate: bool,
    /// Print one JSON object about the result
    #[arg(long)]
    pub(super) json: bool,
}

/// Which videos, and where their rows are.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// Where the videos are: a folder, s3://bucket or s3://bucket/prefix
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| Prefix::parse(&text)))]
    pub(super) prefix: Prefix,
    /// The folder that stands for the bucket [default: PREFIX itself]
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// Where the rows are [default: sqlite for a folder, mysql for s3://]
    #[arg(long, value_name = "WHICH")]
    pub(super) catalog: Option<CatalogueKind>,
}

#[derive(Debug, Args)]
pub(super) struct BackfillArguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// Videos at a time
    #[arg(long, value_name = "N", default_value = "4")]
    pub(super) jobs: NonZeroUsize,
    /// Begin with at most so many videos a second
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// End after so many videos
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
    /// Say what would be done, and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Only videos whose thumbnail or row is not there at all, whatever made the others
    #[arg(long)]
    pub(super) only_missing: bool,
    /// Write contents that exist, too: titles, descriptions and ratings that people have edited are lost [default: OVERWRITE_CONTENTS]
    #[arg(long)]
    pub(super) overwrite_contents: bool,
    /// Only keys that match, as in 'videos/2026/*'; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(super) include: Vec<String>,
    /// No keys that match
    #[arg(long, value_name = "GLOB")]
    pub(super) exclude: Vec<String>,
    /// Only objects put at or after this time: 2026-01-31 or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) modified_after: Option<SystemTime>,
    /// Only objects put before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) modified_before: Option<SystemTime>,
    /// Only the keys in this file, one a line (a JSON string where a key holds a line break), instead of listing PREFIX; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) keys_from: Option<PathBuf>,
    /// What came of each video; a run that was interrupted goes on from there
    #[arg(long, value_name = "FILE", default_value = "posterframe-backfill.jsonl")]
    pub(super) journal: PathBuf,
    /// Begin anew, whatever the journal says
    #[arg(long)]
    pub(super) again: bool,
    /// Write the report, as JSON, with every failure
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
    /// Write a page of the thumbnails, with durations and failures
    #[arg(long, value_name = "FILE.html")]
    pub(super) contact_sheet: Option<PathBuf>,
    /// Give a video up after this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Decode in a process of its own, which can open no file and no connection (ISOLATE=process does the same)
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
    /// Exit with 10 if anything was found (after --only)
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Write the keys of what a back-fill would mend, one a line, for `backfill --keys-from`; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(super) keys: Option<PathBuf>,
    /// Only findings of this kind; may be given several times
    #[arg(long, value_name = "KIND")]
    pub(super) only: Vec<FindingKind>,
    /// Note findings and position in FILE, from which the same command continues after an interruption
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// Begin anew, whatever the journal says
    #[arg(long, requires = "journal")]
    pub(super) again: bool,
    /// Thumbnails looked at a time
    #[arg(long, value_name = "N", default_value = "16")]
    pub(super) jobs: NonZeroUsize,
    /// Print all findings as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RedriveArguments {
    /// The dead-letter queue in SQS, or the queue that is the function's on-failure destination: its URL or name
    pub(super) queue: String,
    /// Only messages of this type (denied, malformed, several, unknown, ...); may be given several times
    #[arg(long, value_name = "TYPE")]
    pub(super) of: Vec<String>,
    /// Work on them here, as the function would, with its settings; what succeeds is deleted from the queue
    #[arg(long, conflicts_with = "to")]
    pub(super) replay: bool,
    /// Send them to this queue, and delete them from the other
    #[arg(long, value_name = "QUEUE")]
    pub(super) to: Option<String>,
    /// Take at most so many messages
    #[arg(long, value_name = "N", default_value = "10000")]
    pub(super) limit: usize,
    /// Give a message up after this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

const REDRIVE_HELP: &str = "\
Without --replay and --to it only tells what is there. Messages that are looked at stay hidden from others until this ends, or for \
15 minutes if it is killed (longer with a --timeout over 30 s); looking counts as a receive.

Why a message failed is in what the function's on-failure destination writes, and in the attributes that Lambda gives to messages of \
the function's own dead-letter queue. What the redrive policy of a queue has moved says nothing: its type is unknown.

It takes sqs:ReceiveMessage, sqs:ChangeMessageVisibility and sqs:DeleteMessage (and sqs:GetQueueUrl for a name), with --to also \
sqs:SendMessage on the other queue.

Examples:
  posterframe redrive films-dlq
  posterframe redrive films-dlq --of denied --replay
  posterframe redrive films-dlq --of unavailable --of timeout --to films-uploads";

const AUDIT_HELP: &str = "\
Nothing is written. Each video and each row is held against the other, and against its thumbnail, of which only the notes are read (one \
HEAD each). Rows are read a few thousand at a time by their ids, locking nothing, and sorted in temporary files (TMPDIR), some 400 bytes \
each. Memory does not grow with videos or rows.

With --journal FILE, an audit that was interrupted (Ctrl-C, SIGTERM, kill) continues with the same command, at most 1,000 objects before \
the end of what it had audited. An audit that came to its end begins anew.

The exit code is 0 whatever is found; --exit-code changes that.

Examples:
  posterframe audit s3://films
  posterframe audit s3://films/videos/2026/ --json | jq .counts
  posterframe audit s3://films --journal audit.jsonl --json > audit.json
  posterframe audit s3://films --only no-thumbnail --only no-row --keys keys.txt
  posterframe backfill s3://films --keys-from keys.txt";

const BACKFILL_HELP: &str = "\
Videos that are done are left alone, and so are contents that exist. What will be written where is said first. Interrupt \
it (Ctrl-C), and the same command goes on where it was; failures that may pass are tried again then.

The exit code is 0 when all of them are done, 130 when interrupted, else that of the first failure that may pass, or else of \
the first.

For s3:// it takes s3:ListBucket besides what `process` takes. For millions of objects use S3 Batch Operations with the \
Lambda function instead.

Examples:
  posterframe backfill my-bucket --report report.json --contact-sheet sheet.html
  posterframe backfill s3://films/videos/2026/ --dry-run
  posterframe backfill s3://films --only-missing --jobs 8 --rate 20";

const LIBAV_HELP: &str = "\
FFmpeg's libavformat, libavcodec, libswscale and libavutil with dav1d and zlib, from sources that cargo fetches and checks by their \
checksums; the LGPL configuration of this program. It takes four to nine minutes on two processors, and nothing is done when DIR holds \
this version already. Standard output gets one line, FFMPEG_DIR=DIR, for the build of whatever is to link it.

It needs cargo, gcc, make, nasm, meson, ninja, pkg-config, xz, patch and binutils; the exit code is 2 when something is missing. \
libclang-dev is for ffmpeg-sys-next, which reads FFmpeg's headers. On Debian:
  apt-get install gcc make nasm meson ninja-build pkg-config xz-utils patch binutils libclang-dev

Examples:
  posterframe libav --prefix ~/libav
  FFMPEG_DIR=~/libav cargo build --features posterframe/static
  posterframe libav --prefix ~/libav-arm64 --target aarch64-linux-gnu";

#[derive(Debug, Args)]
pub(super) struct LibavArguments {
    /// Where it goes: a folder that is not there, is empty, or holds an earlier one, which is replaced
    #[arg(long, value_name = "DIR")]
    pub(super) prefix: PathBuf,
    /// Compilers at a time [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// For another machine, by the cross compiler whose name begins so: aarch64-linux-gnu
    #[arg(long, value_name = "TARGET")]
    pub(super) target: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// s3://bucket, or s3://bucket/key of a video that is to be read
    #[arg(value_name = "S3_URL", value_parser = Bucket::parse_url)]
    url: Option<Bucket>,
    /// The same by the bucket's name alone
    #[arg(long, value_name = "NAME", conflicts_with = "url", value_parser = Bucket::parse_name)]
    bucket: Option<Bucket>,
    /// Try to write, too: one small object that stays
    #[arg(long)]
    pub(super) write: bool,
    /// Read all rows, too, of a table with more than 100,000: to count doubles and rows without a content
    #[arg(long)]
    pub(super) deep: bool,
    /// Which catalogue is checked
    #[arg(long, value_name = "WHICH", default_value = "mysql")]
    pub(super) catalog: CatalogueKind,
    /// Give each check up after this long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Print one JSON object with all checks
    #[arg(long)]
    pub(super) json: bool,
}

/// A bucket, and perhaps an object in it.
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

    fn parse_url(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("s3://").ok_or("written s3://bucket or s3://bucket/key")?;
        let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
        let key = (!key.is_empty()).then(|| key.to_owned());
        Self::parse_name(name).map(|bucket| Self { key, ..bucket })
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

/// The options that every command opens videos with.
pub(super) fn open_options(timeout: Duration, cancel: CancelToken) -> OpenOptions {
    let limits = Limits { max_time: timeout, ..Limits::default() };
    OpenOptions::default().with_limits(limits).with_cancel(cancel)
}

/// What opens videos: the flag goes before the setting.
pub(super) fn opener(isolate: bool, setting: Isolation) -> Result<Opener, JobError> {
    Opener::new(isolate || setting.is_process()).map_err(JobError::from)
}

fn location() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(|text| Location::parse(&text))
}

fn frame_time(text: &str) -> Result<FrameTime, &'static str> {
    text.parse().map_err(|_| FrameTime::FORMS)
}

/// A length of time of a millisecond or more.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    match interval.as_millis() {
        0 => Err("an interval lasts a millisecond or longer".to_owned()),
        _ => Ok(interval),
    }
}

fn pick() -> impl TypedValueParser<Value = Pick> {
    let names = PossibleValuesParser::new(Pick::ALL.map(Pick::as_str));
    names.map(|name| Pick::from_name(&name).unwrap_or_default())
}

fn pick_of_tile() -> impl TypedValueParser<Value = Pick> {
    let names = PossibleValuesParser::new([Pick::Exact, Pick::Keyframe].map(Pick::as_str));
    names.map(|name| Pick::from_name(&name).unwrap_or_default())
}

fn cover() -> impl TypedValueParser<Value = CoverArt> {
    let names = PossibleValuesParser::new(CoverArt::ALL.map(CoverArt::as_str));
    names.map(|name| CoverArt::from_name(&name).unwrap_or_default())
}

fn fit() -> impl TypedValueParser<Value = Fit> {
    let names = PossibleValuesParser::new(Fit::ALL.map(Fit::as_str));
    names.map(|name| Fit::from_name(&name).unwrap_or_default())
}

fn focus(text: &str) -> Result<Focus, &'static str> {
    text.parse().map_err(|_| Focus::FORMS)
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("a length of time such as 90, 2.5s, 2m or 1:30")
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.001);
    rate.ok_or("not a number of videos a second, 0.001 or more")
}

fn time(text: &str) -> Result<SystemTime, &'static str> {
    // RFC 3339; a day alone begins at midnight, UTC.
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = OffsetDateTime::parse(&whole, &Rfc3339).map(SystemTime::from);
    time.map_err(|_| "not a time such as 2026-01-31 or 2026-01-31T12:00:00Z")
}

fn pixels(text: &str) -> Result<NonZeroU32, &'static str> {
    config::parse_pixels(text).ok_or(config::PIXELS)
}

fn quality(text: &str) -> Result<Quality, &'static str> {
    config::parse_quality(text).ok_or("not a whole number from 1 to 100")
}

fn format(text: &str) -> Result<ImageFormat, &'static str> {
    ImageFormat::from_extension(text).ok_or(config::FORMATS)
}

/// Version, and which FFmpeg the build found.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\nFFmpeg ",
    env!("POSTERFRAME_FFMPEG_VERSION"),
    "\nFFmpeg licence: ",
    env!("POSTERFRAME_FFMPEG_LICENSE"),
    "\nFFmpeg configuration: ",
    env!("POSTERFRAME_FFMPEG_CONFIGURATION"),
);

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

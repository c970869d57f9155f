//! Settings from environment variables. No other module reads the environment, but the AWS SDK reads its own variables and
//! the two that begin with `S3_`.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `VIDEO_PREFIX` | `videos/` | folder of the videos; a variable that is set but empty means the whole bucket |
//! | `VIDEO_SUFFIXES` | `.mp4` | suffixes of video names, comma-separated, in any letter case |
//! | `THUMBNAIL_PREFIX` | `thumbnails/` | folder of the thumbnails |
//! | `THUMBNAIL_AT` | `5` | time of the frame, see [`FrameTime`]: `5`, `1:02.5`, `-10`, `10%`, `middle` |
//! | `POSTER_AT_TAG` | `false` | whether the object tag `poster-at` chooses the time of the frame; object metadata with this name always does |
//! | `THUMBNAIL_PICK` | `exact` | `exact`; `keyframe`: the keyframe at or before that time; `auto`: the exact frame, or a better keyframe near it |
//! | `THUMBNAIL_WIDTH`, `THUMBNAIL_HEIGHT` | the video's size | maximum size of the picture in pixels; pictures are never enlarged |
//! | `THUMBNAIL_FIT` | `contain` | `contain`: the whole picture fits into the bounds. `cover`: the picture fills the bounds and is cropped |
//! | `THUMBNAIL_FOCUS` | the centre | the point that `cover` keeps in view, as distances from the left and the top: `0.5,0.25` or `50%,25%` |
//! | `THUMBNAIL_FORMAT` | `jpeg` | `jpeg`, `png` or `webp` |
//! | `THUMBNAIL_QUALITY` | `85` | 1 to 100, for JPEG and WebP |
//! | `THUMBNAIL_WIDTHS`, `THUMBNAIL_FORMATS` | | several values, comma-separated, instead of `THUMBNAIL_WIDTH` and `THUMBNAIL_FORMAT`: one thumbnail for each; the row contains the first |
//! | `THUMBNAIL_KEY` | `{prefix}{dir}{name}.{ext}` | template of a thumbnail's key, see [`KeyTemplate`] |
//! | `THUMBNAIL_CACHE_CONTROL` | `public, max-age=300` | `Cache-Control` of the thumbnail |
//! | `STORYBOARD_KEY` | | template of the folder of a video's storyboard, `{prefix}{dir}{name}/` for instance; not set: none is written |
//! | `STORYBOARD_COUNT` | `100` | tiles of a storyboard, 1 to 10000 |
//! | `STORYBOARD_EVERY` | | in place of `STORYBOARD_COUNT`: a tile for each interval of this length, `10`, `500ms`, `1m` |
//! | `STORYBOARD_PICK` | `keyframe` | `keyframe`, or `exact`: the frame in the middle of each interval |
//! | `STORYBOARD_WIDTH`, `STORYBOARD_HEIGHT` | `160`, none | bounds of a tile in pixels |
//! | `STORYBOARD_COLUMNS`, `STORYBOARD_ROWS` | `10`, `10` | tiles in a row, and rows on a sheet |
//! | `STORYBOARD_FORMAT` | `jpeg` | `jpeg`, `png` or `webp` |
//! | `STORYBOARD_QUALITY` | `85` | 1 to 100, for JPEG and WebP |
//! | `STORE_DIR` | `posterframe-data` | the local folder that replaces the bucket |
//! | `CATALOG_SQLITE` | `catalog.sqlite3` in `STORE_DIR` | the SQLite file of the catalogue |
//! | `OVERWRITE_CONTENTS` | `false` | whether back-fills (S3 Batch, `posterframe backfill`) overwrite existing contents |
//! | `LOG_FORMAT` | | `text` (messages only) or `json`, with the function's Korean messages; unset: `text` with English messages |
//! | `RUST_LOG` | `info`; English: `warn` | filter for log messages, in the syntax of `tracing` |
//! | `S3_REQUEST_PAYER` | | `requester`: the caller pays for requests to a Requester Pays bucket of another account |
//! | `S3_EXPECTED_BUCKET_OWNER` | | the account id that must own the bucket; S3 refuses requests for a bucket of another account |
//! | `NO_COLOR` | | if set and not empty, output has no colours |
//!
//! The Lambda function ignores `STORE_DIR` and `CATALOG_SQLITE` and reads these variables as well (`LambdaConfig`,
//! feature `mysql`):
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `DB_HOST`, `DB_USER`, `DB_NAME` | required | the database |
//! | `DB_PASSWORD`, or `DB_PASSWORD_SECRET`, or `DB_IAM_AUTH` | one is required | the password; the name or ARN of the secret that contains the password; `true` for a token signed with the AWS credentials |
//! | `PROXY_ENDPOINT` | `DB_HOST` | the host to connect to |
//! | `RDS_PORT` | `3306` | the port of that host |
//! | `DB_SSL_MODE` | `verify_identity` | `verify_identity`, `verify_ca`, `required` or `disabled` |
//! | `DB_SSL_CA` | Amazon's roots | root certificates in addition to the public ones, as the path of a file or as PEM text |
//! | `DB_SINGLE_STATEMENTS` | `false` | `true` sends one statement per packet, `false` sends several statements in one packet |
//! | `CATALOG_API_BASE` | required | the part of the API's URL before `/v1/contents/` |
//! | `INTERNAL_TOKEN` or `INTERNAL_TOKEN_SECRET` | one is required | the API's token, or the name or ARN of the secret that contains the token |
//! | `BASTION_HOST` | | an SSH server through which to connect |
//! | `BASTION_PORT`, `BASTION_USER` | `22`, `ec2-user` | port of the bastion, and the user on the bastion |
//! | `BASTION_SSH_KEY_SECRET` | required with `BASTION_HOST` | the name or ARN of the secret that contains the user's private key |
//! | `BASTION_HOST_KEY` | required with `BASTION_HOST` | host key or fingerprint of the bastion; `insecure-any` accepts any host key |
//! | `MODE` | `live` | `shadow` writes nothing and compares its results with the existing thumbnails and rows |
//! | `MAX_CONCURRENCY` | memory / 128 MiB, at most 8 | number of objects of one event that are processed concurrently |
//! | `ISOLATE` | `none` | `process` decodes in a separate process; also applies to a store in a folder |
//! | `MAX_CPU_TIME` | `60` | CPU time that one video may use in total, in seconds or as a duration |
//! | `METRICS_NAMESPACE` | `posterframe` | CloudWatch namespace of the metrics |
//!
//! In the Lambda function the default of `LOG_FORMAT` is `json`. `FFMPEG_PATH` and `FFPROBE_PATH` are ignored with one
//! log message.
//!
//! A variable that is set but empty counts as not set, except `VIDEO_PREFIX`. A missing final `/` of a folder is added.
//! All problems are reported together ([`ConfigError`]).

#[cfg(feature = "mysql")]
mod database;
#[cfg(feature = "mysql")]
mod lambda;
mod lookup;
#[cfg(feature = "cli")]
mod partial;
mod storyboard;
mod values;

use std::path::{Path, PathBuf};

#[cfg(feature = "mysql")]
pub use database::{BastionSettings, CaSource, DatabaseSettings, HostKeyRule, Login, TlsMode};
#[cfg(feature = "mysql")]
pub use lambda::{ApiSettings, FunctionSettings, LambdaConfig, Mode, RemoteSettings};
pub use lookup::{ConfigError, Problem};
#[cfg(feature = "cli")]
pub(crate) use partial::PartialConfig;
pub use storyboard::StoryboardSettings;

use crate::object_name::{KeyRules, KeyTemplate};
use crate::{Bounds, Encoding, Fit, Focus, FrameRequest, FrameTime, ImageFormat, Pick, Transparency};
use lookup::Lookup;
use storyboard::read_storyboard;
pub(crate) use values::{CACHE_CONTROL, FORMATS, PIXELS, parse_header, parse_pixels, parse_quality};

/// The settings of `process` in a local folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The rules for keys: which keys are videos, and the keys of thumbnails.
    pub key_rules: KeyRules,
    /// Which frame is taken, and how pictures are encoded and stored.
    pub thumbnail: ThumbnailSettings,
    /// The folders and the contents of storyboards; `None`: no storyboards are written.
    pub storyboard: Option<StoryboardSettings>,
    /// The local folder that replaces the bucket.
    pub store_dir: PathBuf,
    /// The SQLite file of the catalogue, if one is set; see [`catalog_path`](Self::catalog_path).
    pub catalog_sqlite: Option<PathBuf>,
    /// Whether back-fills overwrite existing contents.
    pub overwrite_contents: bool,
    /// Where videos are decoded.
    pub isolation: Isolation,
    /// Format and filter of the log.
    pub log: LogSettings,
}

/// Where videos are decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Decode in this process.
    #[default]
    None,
    /// Decode in a separate, restricted process, called a cage.
    Process,
}

impl Isolation {
    /// Returns the setting with this name; `None` for an unknown name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "process" => Some(Self::Process),
            _ => None,
        }
    }

    /// Reads `ISOLATE` from the environment of this process.
    ///
    /// # Errors
    /// A [`ConfigError`] with the allowed values when the value is wrong.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        let read = |name: &str| std::env::var_os(name);
        let mut lookup = Lookup::new(&read);
        let isolation = read_isolation(&mut lookup);
        lookup.finish(isolation)
    }

    /// Returns whether videos are decoded in a separate process.
    pub const fn is_process(self) -> bool {
        matches!(self, Self::Process)
    }
}

fn read_isolation(lookup: &mut Lookup<'_>) -> Isolation {
    lookup.with("ISOLATE", "process or none", Isolation::from_name).unwrap_or_default()
}

/// Maximum number of thumbnails of one video.
const MAX_THUMBNAILS: usize = 16;

/// Which frame is taken, and how pictures are encoded and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThumbnailSettings {
    /// The time of the frame, and the encoding of the first picture.
    pub request: FrameRequest,
    /// Encodings of further pictures of the same frame, each stored under its own key. The picture of `request` is
    /// stored last, and it alone decides whether the job is done.
    pub others: Vec<Encoding>,
    /// The `Cache-Control` of the thumbnails. The default is short, because a thumbnail keeps its key when its video is
    /// replaced.
    pub cache_control: String,
    /// Whether the object tag `poster-at` of a video may choose the time of the frame. Reading tags needs
    /// `s3:GetObjectTagging`, and one more round trip for videos that have tags. Object metadata with this name always
    /// may, because the first response already contains metadata.
    pub poster_at_tag: bool,
}

impl Default for ThumbnailSettings {
    fn default() -> Self {
        Self {
            request: FrameRequest::default(),
            others: Vec::new(),
            cache_control: CACHE_CONTROL.to_owned(),
            poster_at_tag: false,
        }
    }
}

/// Format and filter of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSettings {
    /// Text or JSON.
    pub format: LogFormat,
    /// Filter for messages, in the syntax of `tracing`; `None` for the default filter.
    pub filter: Option<String>,
    /// The language of the messages.
    pub language: Language,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// The message only.
    Text,
    /// One JSON object per line, with the values as fields beside the message.
    Json,
}

/// The language of log messages. Errors are always in English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// Korean: the messages of the replaced Lambda.
    Korean,
    /// English: the messages for people at a terminal.
    English,
}

impl Config {
    /// Reads the settings from the environment of this process.
    ///
    /// # Errors
    /// A [`ConfigError`] with all wrong variables and their allowed values.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads the settings from `lookup`, a function that returns the value of a variable.
    ///
    /// # Errors
    /// A [`ConfigError`] with all wrong variables and their allowed values.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, ConfigError> {
        let mut lookup = Lookup::new(&lookup);
        let config = Self::read(&mut lookup);
        lookup.finish(config)
    }

    /// Reads the settings; `lookup` records the problems.
    fn read(lookup: &mut Lookup<'_>) -> Self {
        let key_rules = read_key_rules(lookup);
        let thumbnail = read_thumbnail(lookup, &key_rules);
        Self {
            key_rules,
            storyboard: read_storyboard(lookup, &thumbnail.cache_control),
            thumbnail,
            store_dir: lookup.path("STORE_DIR").unwrap_or_else(|| "posterframe-data".into()),
            catalog_sqlite: lookup.path("CATALOG_SQLITE"),
            overwrite_contents: lookup.flag("OVERWRITE_CONTENTS"),
            isolation: read_isolation(lookup),
            log: read_log(lookup, LogFormat::Text),
        }
    }

    /// Returns the path of the catalogue's file: `catalog_sqlite` if set, or else `catalog.sqlite3` in the store
    /// folder.
    pub fn catalog_path(&self) -> PathBuf {
        let inside = || self.store_dir.join("catalog.sqlite3");
        self.catalog_sqlite.clone().unwrap_or_else(inside)
    }

    /// Returns the settings with another store folder.
    #[must_use]
    pub fn with_store_dir(self, store_dir: &Path) -> Self {
        Self { store_dir: store_dir.to_owned(), ..self }
    }
}

impl LogSettings {
    /// Creates log settings with this format, the default filter, and Korean messages.
    pub const fn new(format: LogFormat) -> Self {
        Self { format, filter: None, language: Language::Korean }
    }

    /// Returns the settings with Korean messages, whether or not `LOG_FORMAT` is set.
    #[must_use]
    pub fn in_korean(self) -> Self {
        Self { language: Language::Korean, ..self }
    }

    /// Reads only the log settings from the environment of this process, for commands that need no other settings.
    ///
    /// # Errors
    /// A [`ConfigError`] with all wrong log variables.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        let read = |name: &str| std::env::var_os(name);
        let mut lookup = Lookup::new(&read);
        let log = read_log(&mut lookup, LogFormat::Text);
        lookup.finish(log)
    }
}

fn read_key_rules(lookup: &mut Lookup<'_>) -> KeyRules {
    let defaults = KeyRules::default();
    let video_prefix = match lookup.is_set_empty("VIDEO_PREFIX") {
        true => String::new(),
        false => lookup.folder("VIDEO_PREFIX").unwrap_or(defaults.video_prefix),
    };
    let thumbnail_prefix = lookup.folder("THUMBNAIL_PREFIX").unwrap_or(defaults.thumbnail_prefix);
    if video_prefix.starts_with(&thumbnail_prefix) {
        let problem = format!(
            "{thumbnail_prefix:?} contains VIDEO_PREFIX {video_prefix:?}: every video would be skipped"
        );
        lookup.problem("THUMBNAIL_PREFIX", problem);
    }
    KeyRules {
        video_prefix,
        thumbnail_prefix,
        video_suffixes: lookup.list("VIDEO_SUFFIXES").unwrap_or(defaults.video_suffixes),
        thumbnail_key: lookup.parsed("THUMBNAIL_KEY").unwrap_or(defaults.thumbnail_key),
    }
}

fn read_thumbnail(lookup: &mut Lookup<'_>, rules: &KeyRules) -> ThumbnailSettings {
    let defaults = ThumbnailSettings::default();
    let mut encodings = read_encodings(lookup, &rules.thumbnail_key).into_iter();
    let encoding = encodings.next().unwrap_or_default();
    let time = lookup.with("THUMBNAIL_AT", FrameTime::FORMS, |text| text.parse::<FrameTime>().ok());
    let pick = lookup.with("THUMBNAIL_PICK", "exact, keyframe or auto", Pick::from_name);
    ThumbnailSettings {
        request: FrameRequest::at(time.unwrap_or_default())
            .with_pick(pick.unwrap_or_default())
            .with_encoding(encoding),
        others: encodings.collect(),
        cache_control: lookup
            .with("THUMBNAIL_CACHE_CONTROL", "printable ASCII, as in an HTTP header", parse_header)
            .unwrap_or(defaults.cache_control),
        poster_at_tag: lookup.flag("POSTER_AT_TAG"),
    }
}

/// Reads the encodings of the pictures of a frame. The first one decides whether the job is done.
fn read_encodings(lookup: &mut Lookup<'_>, template: &KeyTemplate) -> Vec<Encoding> {
    let widths = read_several(lookup, ("THUMBNAIL_WIDTH", "THUMBNAIL_WIDTHS"), PIXELS, parse_pixels);
    let formats =
        read_several(lookup, ("THUMBNAIL_FORMAT", "THUMBNAIL_FORMATS"), FORMATS, ImageFormat::from_extension);
    let shared =
        |name| format!("has no {{{name}}}, so the thumbnails of one video would share one key: add it");
    if widths.len() > 1 && !template.names_width() {
        lookup.problem("THUMBNAIL_KEY", shared("width"));
    }
    if formats.len() > 1 && !template.names_extension() {
        lookup.problem("THUMBNAIL_KEY", shared("ext"));
    }
    let is_wrong = lookup.has_problem("THUMBNAIL_WIDTH") || lookup.has_problem("THUMBNAIL_WIDTHS");
    if widths.is_empty() && template.names_width() && !is_wrong {
        lookup
            .problem("THUMBNAIL_KEY", "has {width}, but neither THUMBNAIL_WIDTH nor THUMBNAIL_WIDTHS is set");
    }
    if widths.len() * formats.len() > MAX_THUMBNAILS {
        let problem = format!(
            "together with THUMBNAIL_FORMATS gives more than {MAX_THUMBNAILS} thumbnails per video: remove some"
        );
        lookup.problem("THUMBNAIL_WIDTHS", problem);
    }
    let max_height = lookup.with("THUMBNAIL_HEIGHT", PIXELS, parse_pixels);
    let quality = lookup.with("THUMBNAIL_QUALITY", "a whole number from 1 to 100", parse_quality);
    let (fit, quality) = (read_fit(lookup), quality.unwrap_or_default());
    let widths = if widths.is_empty() { vec![None] } else { widths.into_iter().map(Some).collect() };
    let formats = if formats.is_empty() { vec![ImageFormat::default()] } else { formats };
    let of_width = |max_width| {
        let bounds = Bounds { max_width, max_height };
        formats.iter().map(move |&format| {
            let transparency = Transparency::default();
            Encoding { format, bounds, fit, quality, transparency }
        })
    };
    widths.into_iter().flat_map(of_width).collect()
}

/// Reads a variable for one value or its plural for several values; returns an empty list if neither is set.
fn read_several<T: PartialEq>(
    lookup: &mut Lookup<'_>,
    (one, several): (&'static str, &'static str),
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let list = |text: &str| {
        let values: Option<Vec<T>> = text.split(',').map(|item| parse(item.trim())).collect();
        let is_once = |(index, value): (usize, &T), values: &[T]| {
            values.iter().skip(index + 1).all(|other| other != value)
        };
        values.filter(|values| values.iter().enumerate().all(|item| is_once(item, values)))
    };
    let expected_of_each = format!("a comma-separated list without repetitions: {expected}");
    let values = lookup.with(several, &expected_of_each, list);
    match (lookup.with(one, expected, parse), values) {
        (Some(_), Some(_)) => {
            lookup.problem(several, format!("{one} is also set: set only one of them"));
            Vec::new()
        }
        (one, values) => values.unwrap_or_else(|| one.into_iter().collect()),
    }
}

fn read_fit(lookup: &mut Lookup<'_>) -> Fit {
    let fit = lookup.with("THUMBNAIL_FIT", FITS, Fit::from_name).unwrap_or_default();
    let focus = lookup.with("THUMBNAIL_FOCUS", Focus::FORMS, |text| text.parse::<Focus>().ok());
    let focused = focus.map_or(Some(fit), |focus| fit.with_focus(focus));
    // A wrong value of THUMBNAIL_FIT has already been recorded.
    if focused.is_none() && !lookup.has_problem("THUMBNAIL_FIT") {
        lookup.problem("THUMBNAIL_FOCUS", "needs THUMBNAIL_FIT=cover: no other fit has a focal point");
    }
    focused.unwrap_or(fit)
}

fn read_log(lookup: &mut Lookup<'_>, default: LogFormat) -> LogSettings {
    let format = lookup.with("LOG_FORMAT", "text or json", |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let language = match (format, default) {
        (None, LogFormat::Text) => Language::English,
        _ => Language::Korean,
    };
    LogSettings { format: format.unwrap_or(default), filter: lookup.text("RUST_LOG"), language }
}

/// Returns whether the terminal announces kitty's graphics protocol, by `TERM` or a variable of its own.
#[cfg(feature = "cli")]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn has_kitty_pictures() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    std::env::var_os("KITTY_WINDOW_ID").is_some()
        || ["kitty", "ghostty"].iter().any(|name| term.contains(name))
}

/// Names of the ways to fit a picture into the bounds.
const FITS: &str = "contain or cover";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::Quality;

    pub(super) fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        Config::from_lookup(|name| variables.get(name).map(Into::into))
    }

    #[test]
    fn the_defaults() -> Result<(), ConfigError> {
        let config = read(&[])?;
        assert_eq!(config.key_rules, KeyRules::default());
        assert_eq!(config.thumbnail, ThumbnailSettings::default());
        assert_eq!(config.catalog_path(), Path::new("posterframe-data/catalog.sqlite3"));
        assert_eq!(config.log.format, LogFormat::Text);
        Ok(())
    }

    #[test]
    fn every_variable_is_read() -> Result<(), ConfigError> {
        let config = read(&[
            ("VIDEO_PREFIX", "in"),
            ("VIDEO_SUFFIXES", ".mp4, .MOV,"),
            ("THUMBNAIL_PREFIX", "out/"),
            ("THUMBNAIL_AT", "2.5"),
            ("THUMBNAIL_PICK", "keyframe"),
            ("THUMBNAIL_WIDTH", "640"),
            ("THUMBNAIL_HEIGHT", "360"),
            ("THUMBNAIL_FIT", "cover"),
            ("THUMBNAIL_FOCUS", "25%,0.75"),
            ("THUMBNAIL_FORMAT", "JPEG"),
            ("THUMBNAIL_QUALITY", "75"),
            ("THUMBNAIL_KEY", "{prefix}{stem}.{ext}"),
            ("THUMBNAIL_CACHE_CONTROL", "no-cache"),
            ("STORE_DIR", "/srv/films"),
            ("CATALOG_SQLITE", "/srv/catalogue.db"),
            ("OVERWRITE_CONTENTS", "yes"),
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "debug"),
            ("NO_COLOR", "1"),
        ])?;
        assert_eq!(config.key_rules.video_prefix, "in/");
        assert_eq!(config.key_rules.video_suffixes, [".mp4", ".MOV"]);
        assert_eq!(config.key_rules.thumbnail_prefix, "out/");
        assert_eq!(config.key_rules.thumbnail_key.to_string(), "{prefix}{stem}.{ext}");
        assert_eq!(config.thumbnail.request.time, FrameTime::FromStart(Duration::from_millis(2500)));
        assert_eq!(config.thumbnail.request.pick, Pick::Keyframe);
        assert_eq!(config.thumbnail.request.encoding.bounds.max_width, NonZeroU32::new(640));
        assert_eq!(config.thumbnail.request.encoding.bounds.max_height, NonZeroU32::new(360));
        let focus = Focus::new(0.25, 0.75).unwrap();
        assert_eq!(config.thumbnail.request.encoding.fit, Fit::Cover { focus });
        assert_eq!(Some(config.thumbnail.request.encoding.quality), Quality::new(75));
        assert_eq!(config.thumbnail.cache_control, "no-cache");
        assert!(config.overwrite_contents);
        assert_eq!(config.catalog_path(), Path::new("/srv/catalogue.db"));
        assert_eq!(config.with_store_dir(Path::new("x")).catalog_path(), Path::new("/srv/catalogue.db"));
        Ok(())
    }

    /// The first width with the first format decides whether the job is done.
    #[test]
    #[cfg(feature = "webp")]
    fn several_thumbnails_have_keys_of_their_own() -> Result<(), ConfigError> {
        let key = ("THUMBNAIL_KEY", "{prefix}{dir}{name}-{width}.{ext}");
        let several = [
            ("THUMBNAIL_WIDTHS", "320, 640"),
            ("THUMBNAIL_FORMATS", "webp,jpeg"),
            ("THUMBNAIL_HEIGHT", "200"),
        ];
        let ThumbnailSettings { request, others, .. } =
            read(&[key, several[0], several[1], several[2]])?.thumbnail;
        let of = |encoding: &Encoding| {
            let Bounds { max_width, max_height } = encoding.bounds;
            (encoding.format.extension(), max_width.map(NonZeroU32::get), max_height.map(NonZeroU32::get))
        };
        assert_eq!(of(&request.encoding), ("webp", Some(320), Some(200)));
        let expected =
            [("jpg", 320), ("webp", 640), ("jpg", 640)].map(|(name, width)| (name, Some(width), Some(200)));
        assert_eq!(others.iter().map(of).collect::<Vec<_>>(), expected);
        assert!(read(&[key, ("THUMBNAIL_WIDTH", "320")])?.thumbnail.others.is_empty());
        for (variables, problem) in [
            (vec![several[0]], "THUMBNAIL_KEY: has no {width}"),
            (vec![several[1], ("THUMBNAIL_KEY", "{prefix}{name}.jpg")], "THUMBNAIL_KEY: has no {ext}"),
            (vec![key], "THUMBNAIL_KEY: has {width}, but neither"),
            (
                vec![key, several[0], ("THUMBNAIL_WIDTH", "5")],
                "THUMBNAIL_WIDTHS: THUMBNAIL_WIDTH is also set",
            ),
            (
                vec![several[1], ("THUMBNAIL_FORMAT", "webp")],
                "THUMBNAIL_FORMATS: THUMBNAIL_FORMAT is also set",
            ),
            (vec![key, ("THUMBNAIL_WIDTHS", "320,320")], "THUMBNAIL_WIDTHS: "),
            (vec![key, ("THUMBNAIL_WIDTHS", "320,0")], "THUMBNAIL_WIDTHS: "),
            (
                vec![key, ("THUMBNAIL_WIDTHS", "1,2,3,4,5,6,7,8,9"), several[1]],
                "THUMBNAIL_WIDTHS: together with THUMBNAIL_FORMATS",
            ),
        ] {
            let told = read(&variables).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.matches("\n  ").count(), 1, "{told}");
            assert!(told.contains(&format!("\n  {problem}")), "{problem}: {told}");
        }
        Ok(())
    }

    #[test]
    fn a_focal_point_belongs_to_cover() -> Result<(), ConfigError> {
        let covered = read(&[("THUMBNAIL_FIT", "cover")])?;
        assert_eq!(covered.thumbnail.request.encoding.fit, Fit::Cover { focus: Focus::MIDDLE });
        let told = |variables: &[(&str, &str)]| match read(variables) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        for fit in [None, Some(("THUMBNAIL_FIT", "contain"))] {
            let variables: Vec<_> = fit.into_iter().chain([("THUMBNAIL_FOCUS", "0,0")]).collect();
            let message = told(&variables);
            assert!(message.contains("\n  THUMBNAIL_FOCUS: needs THUMBNAIL_FIT=cover"), "{message}");
        }
        let message = told(&[("THUMBNAIL_FIT", "fill"), ("THUMBNAIL_FOCUS", "0,0")]);
        assert!(message.contains("\n  THUMBNAIL_FIT: ") && !message.contains("THUMBNAIL_FOCUS"), "{message}");
        Ok(())
    }

    #[test]
    fn an_empty_video_prefix_is_the_whole_bucket() -> Result<(), ConfigError> {
        let config = read(&[("VIDEO_PREFIX", ""), ("THUMBNAIL_PREFIX", ""), ("STORE_DIR", "")])?;
        assert_eq!(config.key_rules.video_prefix, "");
        assert_eq!(config.key_rules.thumbnail_prefix, "thumbnails/");
        assert_eq!(config.store_dir, Path::new("posterframe-data"));
        Ok(())
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let wrong = [
            ("VIDEO_PREFIX", "thumbnails/videos"),
            ("VIDEO_SUFFIXES", ".mp4,a/b"),
            ("THUMBNAIL_AT", "1:60"),
            ("THUMBNAIL_PICK", "best"),
            ("THUMBNAIL_WIDTH", "0"),
            ("THUMBNAIL_HEIGHT", "65536"),
            ("THUMBNAIL_FIT", "fill"),
            ("THUMBNAIL_FOCUS", "2,0"),
            ("THUMBNAIL_FORMAT", "gif"),
            ("THUMBNAIL_QUALITY", "101"),
            ("THUMBNAIL_KEY", "{stme}"),
            ("THUMBNAIL_CACHE_CONTROL", "a\nb"),
            ("LOG_FORMAT", "xml"),
        ];
        let message = read(&wrong).map_or_else(|error| error.to_string(), |_| String::new());
        for (name, _) in wrong.iter().skip(1) {
            assert!(message.contains(&format!("\n  {name}: ")), "{name} is missing in {message}");
        }
        assert!(message.contains("\n  THUMBNAIL_PREFIX: \"thumbnails/\" contains VIDEO_PREFIX"), "{message}");
        assert!(message.contains("unknown placeholder {stme}"), "{message}");
    }
}

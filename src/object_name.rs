//! Parses object keys: the content that a video belongs to, its title, and the key of its thumbnail.
//!
//! Keys are passed decoded. [`KeyRules::skip_reason`] decides whether a key is a video to process.
//! [`ObjectName::parse`] splits its file name (`123_my-first_film.mp4` is content 123, "My First Film").
//! [`KeyRules::thumbnail_key`] fills the [`KeyTemplate`] of the thumbnail. All functions are pure: they use no file,
//! network or clock.

mod key_rules;
mod key_template;
mod title;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

pub use key_rules::{KeyRules, SkipReason};
pub use key_template::{KeyTemplate, KeyTemplateError};

use crate::ErrorKind;
use crate::job_error::JobError;

/// Maximum length in characters of the column `contents.title`, a `VARCHAR(255)`.
pub const MAX_TITLE_CHARS: usize = 255;

/// The id of a content: an `INT` that MySQL's `AUTO_INCREMENT` can assign, 1 to 2147483647.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ContentId(u32);

impl ContentId {
    /// The highest id: the largest value of a signed `INT`.
    pub const MAX: u32 = i32::MAX.unsigned_abs();

    /// Creates an id from a number; `None` outside 1 to [`MAX`](Self::MAX).
    pub fn new(id: i64) -> Option<Self> {
        u32::try_from(id).ok().filter(|id| (1..=Self::MAX).contains(id)).map(Self)
    }

    /// Returns the number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Deserialises a number in the range of ids.
impl<'de> Deserialize<'de> for ContentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = i64::deserialize(deserializer)?;
        Self::new(id)
            .ok_or_else(|| de::Error::custom(format_args!("content id {id} is outside 1..={}", Self::MAX)))
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A file name that passed the filter but cannot be used. All of these errors are permanent: only renaming the object,
/// or changing the settings, helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectNameError {
    /// The digits before the first `_` are not a valid content id.
    #[error("content id {digits} in the file name is outside 1..=2147483647")]
    ContentIdOutOfRange {
        /// The digits as written in the name.
        digits: String,
    },
    /// The title does not fit its column.
    #[error(
        "the title from the file name has {chars} characters, but contents.title allows {MAX_TITLE_CHARS}: use a shorter file name"
    )]
    TitleTooLong {
        /// Length of the title in characters.
        chars: usize,
    },
    /// The thumbnail would overwrite a video, or be processed as a video.
    #[error("the thumbnail key {thumbnail_key:?} is also a video key: change THUMBNAIL_KEY")]
    ThumbnailIsVideo {
        /// The key that the template produced.
        thumbnail_key: String,
    },
    /// A file of the storyboard would be processed as a video.
    #[error("the storyboard key {storyboard_key:?} would itself be taken for a video: change STORYBOARD_KEY")]
    StoryboardIsVideo {
        /// The key made by the template.
        storyboard_key: String,
    },
}

impl ObjectNameError {
    /// Returns the kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::ContentIdOutOfRange { .. } => ErrorKind::Malformed,
            Self::TitleTooLong { .. } => ErrorKind::LimitExceeded,
            Self::ThumbnailIsVideo { .. } | Self::StoryboardIsVideo { .. } => ErrorKind::Config,
        }
    }
}

impl From<ObjectNameError> for JobError {
    fn from(error: ObjectNameError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// The parts of a video's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectName {
    /// The id of the content that the video belongs to; `None` when the name contains no id.
    pub content_id: Option<ContentId>,
    /// The part of the stem after the id and its `_`; the whole stem when there is no id.
    pub slug: String,
    /// The slug as a title for display: `my-first_film` becomes `My First Film`. Empty when the slug contains no word.
    pub title: String,
    /// The file name without its extension.
    pub stem: String,
}

impl ObjectName {
    /// Splits the file name of `key` into its parts.
    ///
    /// An id consists of one or more ASCII digits before the first `_`. A prefix with signs, spaces or digits of other
    /// scripts is not an id; the whole stem is then the slug. The extension begins at the last dot. As in Python's
    /// `os.path.splitext`, dots at the start of a name do not begin an extension.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) for an id outside 1..=2147483647,
    /// [`LimitExceeded`](ErrorKind::LimitExceeded) for a title longer than its column.
    pub fn parse(key: &str) -> Result<Self, ObjectNameError> {
        let (stem, _) = split_extension(file_name(key));
        let (content_id, slug) = match stem.split_once('_') {
            Some((digits, slug)) if is_number(digits) => (Some(parse_id(digits)?), slug),
            _ => (None, stem),
        };
        let title = title::from_slug(slug);
        match title.chars().count() {
            chars if chars > MAX_TITLE_CHARS => Err(ObjectNameError::TitleTooLong { chars }),
            _ => Ok(Self { content_id, slug: slug.to_owned(), title, stem: stem.to_owned() }),
        }
    }

    /// Returns the catalogue's description for a new video.
    pub fn description(&self) -> String {
        format!("Uploaded video: {}", self.slug)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_id(digits: &str) -> Result<ContentId, ObjectNameError> {
    // A number too large for an i64 is also out of range for an INT.
    let id = digits.parse().ok().and_then(ContentId::new);
    id.ok_or_else(|| ObjectNameError::ContentIdOutOfRange { digits: digits.to_owned() })
}

/// Returns the part after the last `/`.
fn file_name(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// Returns stem and extension; the dot belongs to the extension. Leading dots belong to the stem.
fn split_extension(name: &str) -> (&str, &str) {
    let leading = name.len() - name.trim_start_matches('.').len();
    match name[leading..].rfind('.') {
        Some(dot) => name.split_at(leading + dot),
        None => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestResult = Result<(), ObjectNameError>;

    #[test]
    fn only_ids_are_read_from_json() {
        let read = |json: &str| serde_json::from_str::<ContentId>(json).ok().map(ContentId::get);
        assert_eq!((read("1"), read("2147483647")), (Some(1), Some(ContentId::MAX)));
        assert_eq!(ContentId::new(7).and_then(|id| serde_json::to_string(&id).ok()).as_deref(), Some("7"));
        for wrong in ["0", "-1", "2147483648", "1.5", "\"1\"", "null"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    fn parts(key: &str) -> Result<(Option<u32>, String, String), ObjectNameError> {
        let name = ObjectName::parse(key)?;
        Ok((name.content_id.map(ContentId::get), name.slug, name.title))
    }

    fn expect(key: &str, id: Option<u32>, slug: &str, title: &str) -> TestResult {
        assert_eq!(parts(key)?, (id, slug.to_owned(), title.to_owned()), "{key}");
        Ok(())
    }

    #[test]
    fn the_examples_of_the_replaced_lambda() -> TestResult {
        expect("videos/1_test_video.mp4", Some(1), "test_video", "Test Video")?;
        expect("videos/123_my_awesome_movie.mp4", Some(123), "my_awesome_movie", "My Awesome Movie")?;
        expect("1_test_video.mp4", Some(1), "test_video", "Test Video")?;
        expect("42_my-movie-title.mp4", Some(42), "my-movie-title", "My Movie Title")
    }

    #[test]
    fn the_description_of_the_replaced_lambda() -> TestResult {
        assert_eq!(ObjectName::parse("videos/1_test_video.mp4")?.description(), "Uploaded video: test_video");
        Ok(())
    }

    #[test]
    fn names_without_an_id() -> TestResult {
        expect("videos/my_movie.mp4", None, "my_movie", "My Movie")?;
        expect("videos/7.mp4", None, "7", "7")?;
        expect("videos/test_1.mp4", None, "test_1", "Test 1")?;
        expect("videos/_x.mp4", None, "_x", "X")?;
        expect("videos/+1_x.mp4", None, "+1_x", "+1 X")?;
        expect("videos/-1_x.mp4", None, "-1_x", "1 X")?;
        expect("videos/ 1_x.mp4", None, " 1_x", "1 X")?;
        expect("videos/１２_x.mp4", None, "１２_x", "１２ X")?;
        expect("videos/1a_x.mp4", None, "1a_x", "1a X")
    }

    #[test]
    fn ids_at_the_borders() -> TestResult {
        expect("videos/2147483647_last.mp4", Some(2_147_483_647), "last", "Last")?;
        expect("videos/007_bond.mp4", Some(7), "bond", "Bond")?;
        expect("videos/7_.mp4", Some(7), "", "")?;
        for digits in ["0", "000", "2147483648", "9223372036854775808", "99999999999999999999999999"] {
            let error = ObjectName::parse(&format!("videos/{digits}_x.mp4"));
            assert_eq!(error, Err(ObjectNameError::ContentIdOutOfRange { digits: digits.to_owned() }));
        }
        Ok(())
    }

    #[test]
    fn folders_and_dots() -> TestResult {
        expect("videos/a/b.c/12_x.y.mp4", Some(12), "x.y", "X.y")?;
        expect("videos/12_x", Some(12), "x", "X")?;
        expect("videos/.mp4", None, ".mp4", ".mp4")?;
        expect("videos/..1_x.mp4", None, "..1_x", "..1 X")
    }

    #[test]
    fn names_in_other_scripts() -> TestResult {
        expect("videos/5_안녕_세상.mp4", Some(5), "안녕_세상", "안녕 세상")?;
        expect("videos/5_été_à_la_mer.mp4", Some(5), "été_à_la_mer", "Été À La Mer")?;
        expect("videos/5_ΟΔΥΣΣΕΥΣ.mp4", Some(5), "ΟΔΥΣΣΕΥΣ", "Οδυσσευς")?;
        expect("videos/5_映画🎬.mp4", Some(5), "映画🎬", "映画🎬")
    }

    #[test]
    fn a_title_is_measured_in_characters() -> TestResult {
        let long = "가".repeat(MAX_TITLE_CHARS);
        expect(&format!("videos/1_{long}.mp4"), Some(1), &long, &long)?;
        let error = ObjectName::parse(&format!("videos/1_{long}나.mp4"));
        assert_eq!(error, Err(ObjectNameError::TitleTooLong { chars: 256 }));
        Ok(())
    }
}

//! Which keys are videos to process, and where their thumbnails go.

use std::fmt;
use std::num::NonZeroU32;

use super::{KeyTemplate, ObjectNameError, file_name};

/// Where videos lie, how their names end, and where thumbnails go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRules {
    /// Folder of the videos, with its final `/`; empty for the whole bucket.
    pub video_prefix: String,
    /// Endings of video names, compared in any letter case.
    pub video_suffixes: Vec<String>,
    /// Folder of the thumbnails, with its final `/`.
    pub thumbnail_prefix: String,
    /// How a thumbnail's key is made.
    pub thumbnail_key: KeyTemplate,
}

impl Default for KeyRules {
    fn default() -> Self {
        Self {
            video_prefix: "videos/".to_owned(),
            video_suffixes: vec![".mp4".to_owned()],
            thumbnail_prefix: "thumbnails/".to_owned(),
            thumbnail_key: KeyTemplate::default(),
        }
    }
}

/// Why a key is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is under the thumbnail prefix: processing it could go on for ever.
    Thumbnail {
        /// That prefix.
        prefix: String,
    },
    /// It is not under the video prefix.
    OutsidePrefix {
        /// That prefix.
        prefix: String,
    },
    /// Its name has none of the endings of videos.
    OtherSuffix {
        /// Those endings.
        suffixes: Vec<String>,
    },
    /// The object has no byte. Programs that mount a bucket write one before the video itself, which has an event of its own.
    Empty,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thumbnail { prefix } => write!(f, "the key is under THUMBNAIL_PREFIX {prefix:?}"),
            Self::OutsidePrefix { prefix } => write!(f, "the key is not under VIDEO_PREFIX {prefix:?}"),
            Self::OtherSuffix { suffixes } => {
                write!(f, "the key has none of VIDEO_SUFFIXES {:?}", suffixes.join(","))
            }
            Self::Empty => f.write_str("the object is empty"),
        }
    }
}

impl KeyRules {
    /// Why `key` (decoded) is not ours to process; `None` when it is.
    ///
    /// The thumbnail prefix is looked at first, so that a thumbnail folder inside the video folder cannot loop. Prefixes
    /// are compared as written, endings in any letter case (ASCII).
    pub fn skip_reason(&self, key: &str) -> Option<SkipReason> {
        if key.starts_with(&self.thumbnail_prefix) {
            return Some(SkipReason::Thumbnail { prefix: self.thumbnail_prefix.clone() });
        }
        if !key.starts_with(&self.video_prefix) {
            return Some(SkipReason::OutsidePrefix { prefix: self.video_prefix.clone() });
        }
        if !self.has_video_suffix(file_name(key)) {
            return Some(SkipReason::OtherSuffix { suffixes: self.video_suffixes.clone() });
        }
        None
    }

    /// The key of the thumbnail of the video `key`, for pictures whose names end in `extension` (`jpg`) and of which this width is
    /// wanted.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the template makes a key that is a video's.
    pub fn thumbnail_key(
        &self,
        key: &str,
        extension: &str,
        width: Option<NonZeroU32>,
    ) -> Result<String, ObjectNameError> {
        let below = key.strip_prefix(&self.video_prefix).unwrap_or(key);
        let width = width.map_or_else(String::new, |width| width.to_string());
        let thumbnail_key = self.thumbnail_key.fill(&self.thumbnail_prefix, below, extension, &width);
        match thumbnail_key == key || self.skip_reason(&thumbnail_key).is_none() {
            true => Err(ObjectNameError::ThumbnailIsVideo { thumbnail_key }),
            false => Ok(thumbnail_key),
        }
    }

    fn has_video_suffix(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.video_suffixes.iter().any(|suffix| name.ends_with(&suffix.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_of_the_replaced_lambda() {
        let rules = KeyRules::default();
        assert_eq!(rules.skip_reason("videos/1_test_video.mp4"), None);
        assert_eq!(rules.skip_reason("videos/a/b/1_test_video.MP4"), None);
        let outside = Some(SkipReason::OutsidePrefix { prefix: "videos/".to_owned() });
        assert_eq!(rules.skip_reason("video/1_x.mp4"), outside);
        assert_eq!(rules.skip_reason("1_x.mp4"), outside);
        assert_eq!(rules.skip_reason("Videos/1_x.mp4"), outside);
        let other = Some(SkipReason::OtherSuffix { suffixes: vec![".mp4".to_owned()] });
        assert_eq!(rules.skip_reason("videos/1_x.mov"), other);
        assert_eq!(rules.skip_reason("videos/"), other);
        assert_eq!(rules.skip_reason("videos/a.mp4/"), other);
    }

    #[test]
    fn thumbnails_never_loop() {
        let prefix = "videos/thumbs/".to_owned();
        let rules = KeyRules { thumbnail_prefix: prefix.clone(), ..KeyRules::default() };
        assert_eq!(rules.skip_reason("videos/thumbs/1_x.mp4"), Some(SkipReason::Thumbnail { prefix }));
        assert_eq!(rules.skip_reason("videos/1_x.mp4"), None);
    }

    #[test]
    fn an_empty_prefix_is_the_whole_bucket() -> Result<(), ObjectNameError> {
        let rules = KeyRules { video_prefix: String::new(), ..KeyRules::default() };
        assert_eq!(rules.skip_reason("a/1_x.mp4"), None);
        assert!(rules.skip_reason("thumbnails/1_x.mp4").is_some());
        assert_eq!(rules.thumbnail_key("a/1_x.mp4", "jpg", None)?, "thumbnails/a/1_x.jpg");
        Ok(())
    }

    #[test]
    fn thumbnail_keys() -> Result<(), ObjectNameError> {
        let mut rules = KeyRules::default();
        rules.video_suffixes.push(".mov".to_owned());
        let cases = [
            ("videos/1_x.mp4", "thumbnails/1_x.jpg"),
            ("videos/a/1_x.mp4", "thumbnails/a/1_x.jpg"),
            ("videos/1_x.mov", "thumbnails/1_x.mov.jpg"),
            // Another object than 1_x.mp4, so another thumbnail.
            ("videos/1_x.MP4", "thumbnails/1_x.MP4.jpg"),
            ("videos/안녕/5_세상.mp4", "thumbnails/안녕/5_세상.jpg"),
            ("videos/.mp4", "thumbnails/.mp4.jpg"),
        ];
        for (key, expected) in cases {
            assert_eq!(rules.thumbnail_key(key, "jpg", None)?, expected);
        }
        assert_eq!(rules.thumbnail_key("videos/1_x.mp4", "webp", None)?, "thumbnails/1_x.webp");
        Ok(())
    }

    #[test]
    fn a_template_cannot_overwrite_a_video() -> Result<(), Box<dyn std::error::Error>> {
        let thumbnail_key = "videos/{dir}{file}".parse()?;
        let rules = KeyRules { thumbnail_key, ..KeyRules::default() };
        let thumbnail_key = "videos/1_x.mp4".to_owned();
        let error = rules.thumbnail_key("videos/1_x.mp4", "jpg", None);
        assert_eq!(error, Err(ObjectNameError::ThumbnailIsVideo { thumbnail_key }));
        Ok(())
    }
}

//! Rules for the keys of videos and thumbnails.

use std::fmt;
use std::num::NonZeroU32;

use super::{KeyTemplate, ObjectNameError, file_name};

/// The rules for keys: which keys are videos to process, and the keys of their thumbnails.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRules {
    /// Folder of the videos, with a final `/`; empty for the whole bucket.
    pub video_prefix: String,
    /// Suffixes of video names, compared in any letter case (ASCII).
    pub video_suffixes: Vec<String>,
    /// Folder of the thumbnails, with a final `/`.
    pub thumbnail_prefix: String,
    /// Template of a thumbnail's key.
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

/// The reason why an object is not processed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The key is under the thumbnail prefix. Processing thumbnails could lead to an endless loop.
    Thumbnail {
        /// The prefix.
        prefix: String,
    },
    /// The key is not under the video prefix.
    OutsidePrefix {
        /// The prefix.
        prefix: String,
    },
    /// The name has none of the suffixes of videos.
    OtherSuffix {
        /// The suffixes.
        suffixes: Vec<String>,
    },
    /// The object is empty. Programs that mount a bucket write an empty object before the video itself, and the video
    /// has its own event.
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
    /// Returns the reason for not processing `key` (decoded); `None` when the key is a video to process.
    ///
    /// The thumbnail prefix is checked first, so that a thumbnail folder inside the video folder cannot cause a loop.
    /// Prefixes are compared exactly, suffixes in any letter case (ASCII).
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

    /// Returns the key of the thumbnail of the video `key`, for a picture with the extension `extension` (`jpg`) and
    /// the requested width.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when the template produces the key of a video.
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

    /// Returns the folder of the storyboard of the video `key`, with a final `/`.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) if a file in the folder with one of these names would be a video.
    pub(crate) fn storyboard_folder(
        &self,
        template: &KeyTemplate,
        key: &str,
        names: &[&str],
    ) -> Result<String, ObjectNameError> {
        let below = key.strip_prefix(&self.video_prefix).unwrap_or(key);
        let folder = template.fill(&self.thumbnail_prefix, below, "", "");
        let is_video = |name: &&&str| self.skip_reason(&format!("{folder}{name}")).is_none();
        match names.iter().find(is_video) {
            Some(name) => {
                Err(ObjectNameError::StoryboardIsVideo { storyboard_key: format!("{folder}{name}") })
            }
            None => Ok(folder),
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
            // A different object than 1_x.mp4, so a different thumbnail.
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
    fn a_storyboard_has_a_folder_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let template = "{prefix}{dir}{name}/".parse()?;
        let rules = KeyRules::default();
        let folder = |rules: &KeyRules, name| rules.storyboard_folder(&template, "videos/a/1_x.mp4", &[name]);
        assert_eq!(folder(&rules, "storyboard.json")?, "thumbnails/a/1_x/");
        let template = "videos/boards/{name}/".parse()?;
        let error = rules.storyboard_folder(&template, "videos/1_x.mp4", &["storyboard.vtt", "x.mp4"]);
        let storyboard_key = "videos/boards/1_x/x.mp4".to_owned();
        assert_eq!(error, Err(ObjectNameError::StoryboardIsVideo { storyboard_key }));
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

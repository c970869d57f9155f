//! The template of a thumbnail's key.

use std::fmt;
use std::str::FromStr;

use super::{file_name, split_extension};

/// A template that derives a thumbnail's key from the key of its video, for owners with their own naming scheme. The
/// default is `{prefix}{dir}{name}.{ext}`.
///
/// | placeholder | for `videos/a/1_x.mp4` | meaning |
/// |---|---|---|
/// | `{prefix}` | `thumbnails/` | `THUMBNAIL_PREFIX` |
/// | `{dir}` | `a/` | the folders below `VIDEO_PREFIX`, with a final `/`; empty without any |
/// | `{name}` | `1_x` | the file name without a final `.mp4`; `1_x.mov` stays whole |
/// | `{stem}` | `1_x` | the file name without its extension |
/// | `{file}` | `1_x.mp4` | the whole file name |
/// | `{ext}` | `jpg` | the picture's extension |
/// | `{width}` | `640` | the requested width, even if the video is smaller |
///
/// `{name}` removes only an exact `.mp4`: `1_x.mp4`, `1_x.MP4` and `1_x.mov` may exist side by side, and each needs its
/// own thumbnail. A template must contain `{name}`, `{stem}` or `{file}`; otherwise all videos would share one
/// thumbnail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Prefix,
    Dir,
    Name,
    Stem,
    File,
    Ext,
    Width,
}

impl Placeholder {
    const ALL: [Self; 7] =
        [Self::Prefix, Self::Dir, Self::Name, Self::Stem, Self::File, Self::Ext, Self::Width];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Dir => "dir",
            Self::Name => "name",
            Self::Stem => "stem",
            Self::File => "file",
            Self::Ext => "ext",
            Self::Width => "width",
        }
    }
}

/// An invalid template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTemplateError {
    /// A name in braces is not a known placeholder.
    #[error(
        "unknown placeholder {{{name}}}; known are {{prefix}}, {{dir}}, {{name}}, {{stem}}, {{file}}, {{ext}} and {{width}}"
    )]
    UnknownPlaceholder {
        /// The name in braces.
        name: String,
    },
    /// A brace is not closed or not opened.
    #[error("a {{ or }} has no matching brace")]
    UnbalancedBrace,
    /// The template contains nothing that differs between videos.
    #[error("all videos would share one key: add {{name}}, {{stem}} or {{file}}")]
    SameForAll,
}

impl KeyTemplate {
    /// Returns whether the template contains the picture's extension.
    pub(crate) fn names_extension(&self) -> bool {
        self.0.contains(&Piece::Placeholder(Placeholder::Ext))
    }

    /// Returns whether the template contains the picture's width.
    pub(crate) fn names_width(&self) -> bool {
        self.0.contains(&Piece::Placeholder(Placeholder::Width))
    }

    /// Returns this template as the template of a folder, with a final `/`; `None` for a template with `{ext}` or `{width}`, because
    /// the files in the folder have fixed names.
    pub(crate) fn into_folder(mut self) -> Option<Self> {
        if self.names_extension() || self.names_width() {
            return None;
        }
        let has_slash = match self.0.last() {
            Some(Piece::Text(text)) => text.ends_with('/'),
            _ => false,
        };
        if !has_slash {
            self.0.push(Piece::Text("/".to_owned()));
        }
        Some(self)
    }

    /// Returns the part that the keys of all videos begin with.
    #[cfg(feature = "cli")]
    pub(crate) fn beginning(&self, prefix: &str) -> String {
        let fixed = self.0.iter().map_while(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Placeholder(Placeholder::Prefix) => Some(prefix),
            Piece::Placeholder(_) => None,
        });
        fixed.collect()
    }

    /// Returns the key for the video at `below` (its key without the video prefix).
    pub(super) fn fill(&self, prefix: &str, below: &str, extension: &str, width: &str) -> String {
        let file = file_name(below);
        let (stem, suffix) = split_extension(file);
        let value = |placeholder| match placeholder {
            Placeholder::Prefix => prefix,
            Placeholder::Dir => &below[..below.len() - file.len()],
            Placeholder::Name if suffix == ".mp4" => stem,
            Placeholder::Name | Placeholder::File => file,
            Placeholder::Stem => stem,
            Placeholder::Ext => extension,
            Placeholder::Width => width,
        };
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Placeholder(placeholder) => value(*placeholder),
        });
        pieces.collect()
    }
}

impl Default for KeyTemplate {
    fn default() -> Self {
        let placeholder = Piece::Placeholder;
        Self(vec![
            placeholder(Placeholder::Prefix),
            placeholder(Placeholder::Dir),
            placeholder(Placeholder::Name),
            Piece::Text(".".to_owned()),
            placeholder(Placeholder::Ext),
        ])
    }
}

impl FromStr for KeyTemplate {
    type Err = KeyTemplateError;

    fn from_str(template: &str) -> Result<Self, KeyTemplateError> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some(brace) = rest.find(['{', '}']) {
            let (text, from_brace) = rest.split_at(brace);
            let inside = from_brace.strip_prefix('{').ok_or(KeyTemplateError::UnbalancedBrace)?;
            let (name, behind) = inside.split_once('}').ok_or(KeyTemplateError::UnbalancedBrace)?;
            let known = Placeholder::ALL.into_iter().find(|placeholder| placeholder.as_str() == name);
            let unknown = || KeyTemplateError::UnknownPlaceholder { name: name.to_owned() };
            pieces.extend((!text.is_empty()).then(|| Piece::Text(text.to_owned())));
            pieces.push(Piece::Placeholder(known.ok_or_else(unknown)?));
            rest = behind;
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
        let tells_apart = |piece: &Piece| {
            matches!(piece, Piece::Placeholder(Placeholder::Name | Placeholder::Stem | Placeholder::File))
        };
        if pieces.iter().any(tells_apart) { Ok(Self(pieces)) } else { Err(KeyTemplateError::SameForAll) }
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Placeholder(placeholder) => write!(f, "{{{}}}", placeholder.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_its_doc_says() -> Result<(), KeyTemplateError> {
        assert_eq!("{prefix}{dir}{name}.{ext}".parse::<KeyTemplate>()?, KeyTemplate::default());
        assert_eq!(KeyTemplate::default().to_string(), "{prefix}{dir}{name}.{ext}");
        Ok(())
    }

    #[test]
    fn fills_every_placeholder() -> Result<(), KeyTemplateError> {
        let template: KeyTemplate = "<{prefix}|{dir}|{name}|{stem}|{file}|{ext}|{width}>".parse()?;
        assert_eq!(template.fill("t/", "a/b/1_x.mp4", "png", "640"), "<t/|a/b/|1_x|1_x|1_x.mp4|png|640>");
        assert_eq!(template.fill("t/", "1_x.mov", "jpg", ""), "<t/||1_x.mov|1_x|1_x.mov|jpg|>");
        Ok(())
    }

    #[test]
    fn a_folder_has_a_final_slash_and_no_extension() -> Result<(), KeyTemplateError> {
        let folder = |text: &str| Ok(text.parse::<KeyTemplate>()?.into_folder());
        for text in ["boards/{dir}{stem}", "boards/{dir}{stem}/"] {
            let folder = folder(text)?.map(|folder| folder.fill("t/", "a/1_x.mp4", "", ""));
            assert_eq!(folder.as_deref(), Some("boards/a/1_x/"), "{text}");
        }
        for text in ["{prefix}{name}.{ext}", "{prefix}{name}-{width}/"] {
            assert_eq!(folder(text)?, None, "{text}");
        }
        Ok(())
    }

    #[cfg(feature = "cli")]
    #[test]
    fn the_beginning_ends_at_what_differs_between_videos() -> Result<(), KeyTemplateError> {
        let cases = [
            ("boards/{dir}{name}/", "boards/"),
            ("x/{prefix}y-{stem}", "x/t/y-"),
            ("{prefix}{dir}{name}.{ext}", "t/"),
            ("{dir}{name}.tiles/", ""),
        ];
        for (text, beginning) in cases {
            assert_eq!(text.parse::<KeyTemplate>()?.beginning("t/"), beginning, "{text}");
        }
        Ok(())
    }

    #[test]
    fn invalid_templates_are_rejected() {
        let parse = |text: &str| text.parse::<KeyTemplate>();
        let error = parse("{prefix}{nmae}.jpg");
        assert_eq!(error, Err(KeyTemplateError::UnknownPlaceholder { name: "nmae".to_owned() }));
        assert!(error.is_err_and(|error| {
            error.to_string().starts_with("unknown placeholder {nmae}; known are {prefix}")
        }));
        assert_eq!(parse("{prefix}{name"), Err(KeyTemplateError::UnbalancedBrace));
        assert_eq!(parse("prefix}{name}"), Err(KeyTemplateError::UnbalancedBrace));
        assert_eq!(parse("{prefix}{dir}poster.{ext}"), Err(KeyTemplateError::SameForAll));
        assert_eq!(parse(""), Err(KeyTemplateError::SameForAll));
    }
}

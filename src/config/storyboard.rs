//! The settings of storyboards.

use std::num::NonZeroU32;
use std::time::Duration;

use super::lookup::Lookup;
use super::values::{CACHE_CONTROL, FORMATS, PIXELS, parse_pixels, parse_quality};
use crate::frame_time::parse_duration;
use crate::object_name::KeyTemplate;
use crate::{ImageFormat, Limits, Pick, Spacing, StoryboardRequest};

/// Variables that need `STORYBOARD_KEY`.
const FURTHER: [&str; 9] = [
    "STORYBOARD_COUNT",
    "STORYBOARD_EVERY",
    "STORYBOARD_PICK",
    "STORYBOARD_WIDTH",
    "STORYBOARD_HEIGHT",
    "STORYBOARD_COLUMNS",
    "STORYBOARD_ROWS",
    "STORYBOARD_FORMAT",
    "STORYBOARD_QUALITY",
];
const COUNT: &str = "a whole number from 1 up";

/// The folders and the contents of storyboards.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoryboardSettings {
    /// The template of the folder of a video's storyboard, with its final `/`.
    pub(crate) folder: KeyTemplate,
    /// The tiles and sheets of a storyboard.
    pub request: StoryboardRequest,
    /// The `Cache-Control` of the files; by default the `Cache-Control` of the thumbnails.
    pub cache_control: String,
}

impl StoryboardSettings {
    /// Returns the settings of default storyboards in the folders of this template, such as `{prefix}{dir}{name}/`. A missing final `/` is
    /// added.
    ///
    /// Returns `None` for a template with `{ext}` or `{width}`, because the files in a folder have fixed names.
    pub fn new(folder: KeyTemplate) -> Option<Self> {
        Some(Self {
            folder: folder.into_folder()?,
            request: StoryboardRequest::default(),
            cache_control: CACHE_CONTROL.to_owned(),
        })
    }

    /// Sets [`request`](Self::request).
    #[must_use]
    pub fn with_request(self, request: StoryboardRequest) -> Self {
        Self { request, ..self }
    }
}

pub(super) fn read_storyboard(lookup: &mut Lookup<'_>, cache_control: &str) -> Option<StoryboardSettings> {
    let template = lookup.parsed::<KeyTemplate>("STORYBOARD_KEY");
    let is_named = template.is_some() || lookup.has_problem("STORYBOARD_KEY");
    let request = read_request(lookup);
    if !is_named {
        for variable in FURTHER {
            if lookup.path(variable).is_some() && !lookup.has_problem(variable) {
                lookup.problem(variable, "is set, but STORYBOARD_KEY is not: no storyboard would be written");
            }
        }
    }
    let settings = StoryboardSettings::new(template?);
    if settings.is_none() {
        let problem =
            "names the folder of a storyboard, whose files have fixed names: remove {ext} and {width}";
        lookup.problem("STORYBOARD_KEY", problem);
    }
    Some(StoryboardSettings { request, cache_control: cache_control.to_owned(), ..settings? })
}

fn read_request(lookup: &mut Lookup<'_>) -> StoryboardRequest {
    let defaults = StoryboardRequest::default();
    let max_tiles = Limits::default().max_tiles;
    let is_allowed = |count: &NonZeroU32| u64::from(count.get()) <= max_tiles;
    let expected = format!("a whole number of tiles from 1 to {max_tiles}");
    let count = lookup.with("STORYBOARD_COUNT", &expected, |text| text.parse().ok().filter(is_allowed));
    let is_length = |length: &Duration| length.as_millis() > 0;
    let every = lookup.with("STORYBOARD_EVERY", "a length of time such as 10, 500ms or 1m", |text| {
        parse_duration(text).filter(is_length)
    });
    if count.is_some() && every.is_some() {
        lookup.problem("STORYBOARD_EVERY", "STORYBOARD_COUNT is set, too: set one of them");
    }
    let spacing = every.map(Spacing::Every).or(count.map(Spacing::Count)).unwrap_or(defaults.spacing);
    let pick = lookup.with("STORYBOARD_PICK", "keyframe or exact", |text| {
        Pick::from_name(text).filter(|pick| matches!(pick, Pick::Keyframe | Pick::Exact))
    });
    let mut tile = defaults.tile;
    tile.max_width = lookup.with("STORYBOARD_WIDTH", PIXELS, parse_pixels).or(tile.max_width);
    tile.max_height = lookup.with("STORYBOARD_HEIGHT", PIXELS, parse_pixels);
    let columns = lookup.with("STORYBOARD_COLUMNS", COUNT, |text| text.parse().ok());
    let rows = lookup.with("STORYBOARD_ROWS", COUNT, |text| text.parse().ok());
    let format = lookup.with("STORYBOARD_FORMAT", FORMATS, ImageFormat::from_extension);
    let quality = lookup.with("STORYBOARD_QUALITY", "a whole number from 1 to 100", parse_quality);
    StoryboardRequest::default()
        .with_spacing(spacing)
        .with_pick(pick.unwrap_or(defaults.pick))
        .with_tile(tile)
        .with_grid(columns.unwrap_or(defaults.columns), rows.unwrap_or(defaults.rows))
        .with_format(format.unwrap_or(defaults.format), quality.unwrap_or(defaults.quality))
}

#[cfg(test)]
mod tests {
    use super::super::ConfigError;
    use super::super::tests::read;
    use super::*;

    #[test]
    fn none_is_written_unless_a_folder_is_named() -> Result<(), ConfigError> {
        assert_eq!(read(&[])?.storyboard, None);
        let plain = read(&[("STORYBOARD_KEY", "{prefix}{dir}{name}")])?.storyboard;
        let expected = "{prefix}{dir}{name}".parse().ok().and_then(StoryboardSettings::new);
        assert!(plain.is_some() && plain == expected, "{plain:?}");
        Ok(())
    }

    #[test]
    fn every_variable_is_read() -> Result<(), ConfigError> {
        let read = |spacing, format: &str| {
            let config = read(&[
                ("THUMBNAIL_CACHE_CONTROL", "no-cache"),
                ("STORYBOARD_KEY", "boards/{dir}{stem}/"),
                spacing,
                ("STORYBOARD_PICK", "exact"),
                ("STORYBOARD_WIDTH", "320"),
                ("STORYBOARD_HEIGHT", "180"),
                ("STORYBOARD_COLUMNS", "4"),
                ("STORYBOARD_ROWS", "5"),
                ("STORYBOARD_FORMAT", format),
                ("STORYBOARD_QUALITY", "70"),
            ])?;
            Ok::<_, ConfigError>(config.storyboard)
        };
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let request = StoryboardRequest::default()
            .with_pick(Pick::Exact)
            .with_tile(crate::Bounds::new(320, 180))
            .with_grid(number(4), number(5))
            .with_format(ImageFormat::Jpeg, crate::Quality::new(70).unwrap_or_default());
        let spacings = [
            (("STORYBOARD_COUNT", "25"), Spacing::Count(number(25))),
            (("STORYBOARD_EVERY", "2.5s"), Spacing::Every(Duration::from_millis(2500))),
        ];
        let formats = [
            ("jpeg", ImageFormat::Jpeg),
            #[cfg(feature = "png")]
            ("png", ImageFormat::Png),
            #[cfg(feature = "webp")]
            ("webp", ImageFormat::WebP),
        ];
        for ((variable, spacing), (name, format)) in
            spacings.into_iter().flat_map(|spacing| formats.map(|format| (spacing, format)))
        {
            let settings = read(variable, name)?;
            let expected = StoryboardSettings {
                folder: "boards/{dir}{stem}/".parse().unwrap_or_default(),
                request: request.with_spacing(spacing).with_format(format, request.quality),
                cache_control: "no-cache".to_owned(),
            };
            assert_eq!(settings, Some(expected));
        }
        Ok(())
    }

    #[test]
    fn wrong_values_are_named_at_once() {
        let wrong = [
            ("STORYBOARD_COUNT", "10001"),
            ("STORYBOARD_EVERY", "0.0001"),
            ("STORYBOARD_PICK", "auto"),
            ("STORYBOARD_WIDTH", "0"),
            ("STORYBOARD_HEIGHT", "tall"),
            ("STORYBOARD_COLUMNS", "0"),
            ("STORYBOARD_ROWS", "-1"),
            ("STORYBOARD_FORMAT", "gif"),
            ("STORYBOARD_QUALITY", "101"),
        ];
        let message =
            |variables: &[_]| read(variables).err().map(|error| error.to_string()).unwrap_or_default();
        for key in
            [None, Some(("STORYBOARD_KEY", "{prefix}{name}.{ext}")), Some(("STORYBOARD_KEY", "{nmae}"))]
        {
            let message = message(&wrong.into_iter().chain(key).collect::<Vec<_>>());
            for (name, _) in wrong.into_iter().chain(key) {
                assert_eq!(message.matches(&format!("\n  {name}: ")).count(), 1, "{name} in {message}");
            }
        }
        let unused = message(&[("STORYBOARD_WIDTH", "320")]);
        assert!(unused.contains("STORYBOARD_WIDTH: is set, but STORYBOARD_KEY is not"), "{unused}");
        let both =
            message(&[("STORYBOARD_KEY", "b/{name}"), ("STORYBOARD_COUNT", "5"), ("STORYBOARD_EVERY", "5")]);
        assert!(both.contains("STORYBOARD_EVERY: STORYBOARD_COUNT is set, too"), "{both}");
    }
}

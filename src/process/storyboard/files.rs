//! The files of a storyboard: sheets, and the WebVTT and the JSON that name them.

use serde::Serialize;

use crate::process::marker::hash;
use crate::store::ETag;
use crate::{ImageFormat, Pick, Storyboard, StoryboardRequest, StoryboardTile};

/// Name of the WebVTT file.
pub(crate) const WEBVTT: &str = "storyboard.vtt";
/// Name of the JSON file.
pub(crate) const JSON: &str = "storyboard.json";
/// A name that is at least as long as the name of any sheet in a store.
pub(super) const LONGEST: &str = "storyboard-10000-0123456789abcdef.webp";

/// The video that a storyboard shows, and the settings that made it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StoryboardSource {
    /// URL or path of the video.
    pub(crate) source: String,
    /// The version of the video; `None` if the source names no version.
    pub(crate) source_etag: Option<ETag>,
    /// The settings that the sheets depend on.
    pub(crate) settings: String,
}

/// The content of `storyboard.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StoryboardIndex {
    #[serde(flatten)]
    source: StoryboardSource,
    duration_seconds: Option<f64>,
    pub(crate) pick: Pick,
    pub(crate) format: ImageFormat,
    pub(crate) tile_width: u32,
    pub(crate) tile_height: u32,
    webvtt: &'static str,
    pub(crate) sheets: Vec<SheetEntry>,
    pub(crate) tiles: Vec<StoryboardTile>,
}

/// A sheet in `storyboard.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SheetEntry {
    file: String,
    width: u32,
    height: u32,
    pub(crate) bytes: usize,
}

/// A file to write.
#[derive(Debug)]
pub(crate) struct StoryboardFile {
    pub(crate) name: String,
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// All files of a storyboard.
#[derive(Debug)]
pub(crate) struct StoryboardFiles {
    pub(crate) index: StoryboardIndex,
    pub(crate) sheets: Vec<StoryboardFile>,
    pub(crate) webvtt: StoryboardFile,
    pub(crate) json: StoryboardFile,
}

/// The names of the sheets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SheetNames<'a> {
    /// By their number: `storyboard-1.jpg`.
    #[cfg(feature = "cli")]
    Numbers,
    /// By their number, content and `Cache-Control`: `storyboard-1-0123456789abcdef.jpg`. A name always means the same sheet.
    Contents {
        /// The `Cache-Control`.
        cache_control: &'a str,
    },
}

impl SheetNames<'_> {
    fn name(self, index: usize, format: ImageFormat, bytes: &[u8]) -> String {
        let (number, extension) = (index.saturating_add(1), format.extension());
        match self {
            #[cfg(feature = "cli")]
            Self::Numbers => {
                let _ = bytes;
                format!("storyboard-{number}.{extension}")
            }
            Self::Contents { cache_control } => {
                let hash = hash(&[bytes, cache_control.as_bytes()], 8);
                format!("storyboard-{number}-{hash}.{extension}")
            }
        }
    }
}

impl StoryboardFiles {
    /// Lays out the files of a storyboard.
    pub(crate) fn new(
        storyboard: Storyboard,
        request: &StoryboardRequest,
        source: StoryboardSource,
        duration_seconds: Option<f64>,
        names: SheetNames<'_>,
    ) -> serde_json::Result<Self> {
        let named: Vec<String> = storyboard
            .sheets
            .iter()
            .enumerate()
            .map(|(index, sheet)| names.name(index, sheet.format, &sheet.bytes))
            .collect();
        let webvtt = storyboard.webvtt(|sheet| named.get(sheet).cloned().unwrap_or_default());
        let (mut entries, mut sheets) = (Vec::new(), Vec::new());
        for (file, sheet) in named.into_iter().zip(storyboard.sheets) {
            let bytes = sheet.bytes.len();
            entries.push(SheetEntry { file: file.clone(), width: sheet.width, height: sheet.height, bytes });
            let content_type = sheet.format.content_type();
            sheets.push(StoryboardFile { name: file, content_type, bytes: sheet.bytes });
        }
        let index = StoryboardIndex {
            source,
            duration_seconds,
            pick: request.pick,
            format: request.format,
            tile_width: storyboard.tile_width,
            tile_height: storyboard.tile_height,
            webvtt: WEBVTT,
            sheets: entries,
            tiles: storyboard.tiles,
        };
        let json = serde_json::to_vec_pretty(&index)?;
        let file =
            |name: &str, content_type, bytes| StoryboardFile { name: name.to_owned(), content_type, bytes };
        Ok(Self {
            index,
            sheets,
            webvtt: file(WEBVTT, "text/vtt", webvtt.into_bytes()),
            json: file(JSON, "application/json", json),
        })
    }

    /// Returns the files in the order in which they are written: files that name other files come last.
    #[cfg(feature = "cli")]
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &StoryboardFile> {
        self.sheets.iter().chain([&self.webvtt, &self.json])
    }
}

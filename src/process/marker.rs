//! The metadata of a thumbnail, which describe the job that created it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use sha2::{Digest as _, Sha256};

use super::choice::{ChosenBy, PosterAt};
use super::poster::{Poster, whole_seconds};
use super::protocol::{Mark, Pending, Seen, SettingsId};
use crate::config::ThumbnailSettings;
use crate::object_name::ContentId;
use crate::store::{ETag, ObjectDescription};
use crate::{Encoding, Fit, FrameReason, FrameRequest, Pick, Placeholder, Thumbnail, Transparency};

/// Metadata are sent as HTTP headers, so everything except visible ASCII is percent-encoded.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

pub(super) const SOURCE_ETAG: &str = "source-etag";
pub(super) const SETTINGS: &str = "settings";
const DURATION: &str = "source-duration";
const FRAME_TIME: &str = "frame-time";
const FRAME_REASON: &str = "frame-reason";
const FRAME_PICK: &str = "frame-pick";
const PICTURE_SIZE: &str = "picture-size";
const PENDING: &str = "pending";
const CONTENT_ID: &str = "content-id";
pub(super) const SOURCE_KEY: &str = "source-key";
const CHOSEN_BY: &str = "poster-at-by";
const THUMB_HASH: &str = "thumb-hash";
const AVERAGE_COLOUR: &str = "average-colour";

impl Pending {
    /// Returns the text that version 0.1 writes and reads.
    const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Row => Some("row"),
            Self::ContentAndRow => Some("true"),
        }
    }

    fn read(text: Option<&str>) -> Self {
        match text {
            None => Self::Nothing,
            Some("row") => Self::Row,
            Some(_) => Self::ContentAndRow,
        }
    }
}

/// The video of a thumbnail, the settings of the thumbnail, and whether the rest of the job is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marker {
    pub(super) source_etag: ETag,
    /// The settings of the thumbnail, from [`settings`].
    pub(super) settings: String,
    pub(super) duration_seconds: Option<f64>,
    pub(super) frame_pts_seconds: f64,
    pub(super) frame_reason: FrameReason,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The parts of the job that may not be written yet.
    pub(super) pending: Pending,
    /// The content that the video belongs to, once it is known.
    pub(super) content_id: Option<ContentId>,
    /// The key of the video, from [`source_key`]; `None` in thumbnails from version 0.1.
    pub(super) source_key: Option<String>,
    /// The origin of the chosen time of the frame; `None` if the settings define the time.
    pub(super) chosen_by: Option<ChosenBy>,
    /// What stands for the thumbnail until it is loaded; `None` in those of version 0.1.
    pub(super) placeholder: Option<Placeholder>,
}

/// Returns a hash of the video's key with 32 characters: S3 limits all metadata of an object to 2 KB.
pub(crate) fn source_key(key: &str) -> String {
    hash(&[key.as_bytes()], 16)
}

/// Returns the first bytes of a SHA-256 as hexadecimal digits.
pub(super) fn hash(parts: &[&[u8]], bytes: usize) -> String {
    let digest = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize();
    digest.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// Encodes a value for metadata.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, ENCODED).to_string()
}

/// Decodes the value with this name in the metadata of an object.
pub(super) fn decoded<'m>(metadata: &'m BTreeMap<String, String>, name: &str) -> Option<Cow<'m, str>> {
    percent_decode_str(metadata.get(name)?).decode_utf8().ok()
}

/// The values that a job compares with existing thumbnails.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) settings: String,
    pub(super) source_key: String,
    /// The time that people chose for this video. The settings contain the time.
    pub(super) poster_at: Option<PosterAt>,
}

impl Own {
    pub(super) fn new(thumbnail: &ThumbnailSettings, poster_at: Option<PosterAt>, key: &str) -> Self {
        let request = PosterAt::applied_to(thumbnail.request, poster_at);
        let settings = settings(&ThumbnailSettings { request, ..thumbnail.clone() });
        Self { settings, source_key: source_key(key), poster_at }
    }

    /// Returns the number of the settings.
    pub(super) fn settings_id(&self) -> SettingsId {
        settings_id(&self.settings)
    }

    /// Returns whether this job would create the same thumbnail, if only the chosen time is unknown.
    pub(super) fn may_have_made(&self, thumbnail: &ObjectDescription) -> bool {
        Marker::read(&thumbnail.metadata).is_some_and(|marker| {
            let is_chosen = marker.chosen_by.is_some();
            marker.settings == self.settings
                || is_chosen && differ_in_the_choice_alone(&marker.settings, &self.settings)
        })
    }

    /// Whether a thumbnail differs from this job's in nothing but the time that people chose.
    pub(super) fn differs_in_choice_alone(&self, thumbnail: &ObjectDescription) -> bool {
        Marker::read(&thumbnail.metadata)
            .is_some_and(|marker| differ_in_the_choice_alone(&marker.settings, &self.settings))
    }

    /// The source of the time that a thumbnail shows, where people chose that time.
    pub(super) fn chosen_by(&self, thumbnail: &ObjectDescription) -> Option<ChosenBy> {
        Marker::read(&thumbnail.metadata)?.chosen_by
    }

    /// Converts the description of a thumbnail for the protocol.
    pub(super) fn see(&self, thumbnail: &ObjectDescription) -> Seen<ETag> {
        let mark = Marker::read(&thumbnail.metadata).map(|marker| self.mark(&marker));
        Seen { etag: thumbnail.etag.clone(), mark }
    }

    pub(super) fn mark(&self, marker: &Marker) -> Mark<ETag> {
        Mark {
            source: marker.source_etag.clone(),
            settings: settings_id(&marker.settings),
            pending: marker.pending,
            duration: marker.stored_duration(),
            content: marker.content_id,
            is_foreign: marker.source_key.as_ref().is_some_and(|key| *key != self.source_key),
        }
    }
}

/// Returns the number of the settings in this text: the first 8 bytes of its SHA-256.
fn settings_id(settings: &str) -> SettingsId {
    SettingsId(Sha256::digest(settings).iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
}

/// Returns whether settings differ only in values that a person's choice determines: the time of the frame, and that
/// the frame is not judged.
fn differ_in_the_choice_alone(settings: &str, others: &str) -> bool {
    let without_choice = |settings: &str| {
        let mut parts: Vec<String> = settings.split(';').map(str::to_owned).collect();
        let judged = Pick::Auto.as_str();
        parts.retain(|part| !part.starts_with("at=") && part.strip_prefix("pick=") != Some(judged));
        parts
    };
    without_choice(settings) == without_choice(others)
}

/// Returns the settings that a thumbnail depends on, as readable text. When these settings change, the thumbnail is
/// created again.
pub(super) fn settings(settings: &ThumbnailSettings) -> String {
    let ThumbnailSettings {
        request: FrameRequest { time, pick, encoding, .. }, others, cache_control, ..
    } = settings;
    let side = |side: Option<std::num::NonZeroU32>| side.map_or_else(String::new, |side| side.to_string());
    let size = |encoding: &Encoding| {
        let (width, height) = (side(encoding.bounds.max_width), side(encoding.bounds.max_height));
        format!("{width}x{height}")
    };
    let (format, quality, max) = (encoding.format.extension(), encoding.quality.get(), size(encoding));
    // Values that are not the default follow the others, so that a new setting does not cause existing thumbnails to be
    // created again.
    let pick = if *pick == Pick::default() { String::new() } else { format!(";pick={}", pick.as_str()) };
    let fit = match encoding.fit {
        fit if fit == Fit::default() => String::new(),
        Fit::Cover { focus } => format!(";fit={}@{focus}", encoding.fit.as_str()),
        fit => format!(";fit={}", fit.as_str()),
    };
    let others = others.iter().map(|other| format!("{}:{}", other.format.extension(), size(other)));
    let also = match others.collect::<Vec<_>>().join(",") {
        others if others.is_empty() => others,
        others => format!(";also={others}"),
    };
    let transparency = match encoding.transparency {
        shown if shown == Transparency::default() => String::new(),
        Transparency::Over([r, g, b]) => format!(";background={r:02x}{g:02x}{b:02x}"),
        Transparency::Keep => ";background=none".to_owned(),
    };
    // The first number changes when this program creates a different picture of the same video.
    format!("1;at={time};{format};q={quality};max={max};{cache_control}{pick}{fit}{transparency}{also}")
}

impl Marker {
    /// Creates the marker of a job whose content is written before the thumbnail is stored.
    pub(super) fn new(
        source_etag: ETag,
        own: &Own,
        poster: &Poster,
        (thumbnail, placeholder): (&Thumbnail, Option<&Placeholder>),
        id: ContentId,
    ) -> Self {
        Self {
            source_etag,
            settings: own.settings.clone(),
            duration_seconds: poster.duration_seconds,
            frame_pts_seconds: poster.frame_pts_seconds,
            frame_reason: poster.frame_reason,
            width: thumbnail.width,
            height: thumbnail.height,
            pending: Pending::Nothing,
            content_id: Some(id),
            source_key: Some(own.source_key.clone()),
            chosen_by: own.poster_at.map(|poster_at| poster_at.by),
            placeholder: placeholder.cloned(),
        }
    }

    /// Returns the duration as stored in the catalogue: 0 if the container contains no duration.
    pub(super) fn stored_duration(&self) -> u32 {
        self.duration_seconds.and_then(whole_seconds).unwrap_or(0)
    }

    pub(super) fn to_metadata(&self) -> BTreeMap<String, String> {
        // Version 0.1 knows three reasons and ignores a marker with a fourth one.
        let is_picked = self.frame_reason == FrameReason::Keyframe;
        let reason = if is_picked { FrameReason::AtTarget } else { self.frame_reason };
        let mut values = vec![
            (SOURCE_ETAG, self.source_etag.to_string()),
            (SETTINGS, self.settings.clone()),
            (FRAME_TIME, self.frame_pts_seconds.to_string()),
            (FRAME_REASON, reason.as_str().to_owned()),
            (PICTURE_SIZE, format!("{}x{}", self.width, self.height)),
        ];
        values.extend(is_picked.then(|| (FRAME_PICK, Pick::Keyframe.as_str().to_owned())));
        values.extend(self.duration_seconds.map(|seconds| (DURATION, seconds.to_string())));
        values.extend(self.pending.as_str().map(|pending| (PENDING, pending.to_owned())));
        values.extend(self.content_id.map(|id| (CONTENT_ID, id.to_string())));
        values.extend(self.source_key.clone().map(|key| (SOURCE_KEY, key)));
        values.extend(self.chosen_by.map(|by| (CHOSEN_BY, by.as_str().to_owned())));
        values.extend(self.placeholder.iter().flat_map(|placeholder| {
            let Placeholder { thumb_hash, average_colour, .. } = placeholder;
            [(THUMB_HASH, thumb_hash.to_string()), (AVERAGE_COLOUR, average_colour.to_string())]
        }));
        values.into_iter().map(|(name, value)| (name.to_owned(), encoded(&value))).collect()
    }

    /// Reads the marker from the metadata of an object; `None` if the metadata contain no valid marker.
    pub(super) fn read(metadata: &BTreeMap<String, String>) -> Option<Self> {
        let value = |name: &str| decoded(metadata, name);
        let reason = value(FRAME_REASON)?;
        let size = value(PICTURE_SIZE)?;
        let (width, height) = size.split_once('x')?;
        let duration_seconds = match value(DURATION) {
            Some(seconds) => Some(seconds.parse().ok()?),
            None => None,
        };
        Some(Self {
            source_etag: ETag::new(value(SOURCE_ETAG)?),
            settings: value(SETTINGS)?.into_owned(),
            duration_seconds,
            frame_pts_seconds: value(FRAME_TIME)?.parse().ok()?,
            frame_reason: match value(FRAME_PICK).as_deref() {
                Some(pick) if pick == Pick::Keyframe.as_str() => FrameReason::Keyframe,
                _ => FrameReason::from_name(&reason)?,
            },
            width: width.parse().ok()?,
            height: height.parse().ok()?,
            pending: Pending::read(value(PENDING).as_deref()),
            content_id: match value(CONTENT_ID) {
                Some(id) => Some(id.parse().ok().and_then(ContentId::new)?),
                None => None,
            },
            source_key: value(SOURCE_KEY).map(Cow::into_owned),
            chosen_by: value(CHOSEN_BY).and_then(|by| ChosenBy::from_name(&by)),
            // Nothing of the job depends on it: one that cannot be read is none.
            placeholder: value(THUMB_HASH)
                .and_then(|hash| hash.parse().ok())
                .zip(value(AVERAGE_COLOUR).and_then(|colour| colour.parse().ok()))
                .map(|(thumb_hash, average_colour)| Placeholder::new(thumb_hash, average_colour)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Encoding, Focus, FrameTime, RgbPicture};

    fn marker() -> Marker {
        Marker {
            source_etag: ETag::new("\"1f-2e-3d é\""),
            settings: settings(&ThumbnailSettings::default()),
            duration_seconds: Some(10.033_333),
            frame_pts_seconds: 5.005,
            frame_reason: FrameReason::AtTarget,
            width: 640,
            height: 360,
            pending: Pending::ContentAndRow,
            content_id: None,
            source_key: None,
            chosen_by: None,
            placeholder: None,
        }
    }

    fn placeholder() -> Placeholder {
        Placeholder::of(&RgbPicture::new(16, 9, [200, 100, 50].repeat(16 * 9)))
    }

    fn completed() -> Marker {
        let content_id = ContentId::new(7);
        Marker {
            pending: Pending::Nothing,
            content_id,
            source_key: Some(source_key("videos/7_x.mp4")),
            placeholder: Some(placeholder()),
            ..marker()
        }
    }

    #[test]
    fn a_marker_reads_back_from_its_metadata() {
        let without_row = Marker { pending: Pending::Row, ..marker() };
        let without_duration = Marker { duration_seconds: None, ..marker() };
        let picked = Marker { frame_reason: FrameReason::Keyframe, ..completed() };
        assert_eq!(picked.to_metadata()[FRAME_REASON], "at_target", "version 0.1 knows no other");
        let chosen = Marker { chosen_by: Some(ChosenBy::Tag), ..completed() };
        for marker in [marker(), without_row, completed(), without_duration, picked, chosen] {
            let metadata = marker.to_metadata();
            assert!(metadata.values().all(|value| value.bytes().all(|byte| byte.is_ascii_graphic())));
            assert_eq!(Marker::read(&metadata), Some(marker));
        }
    }

    #[test]
    fn an_incomplete_or_invalid_marker_is_ignored() {
        let whole = completed().to_metadata();
        let optional = [DURATION, CONTENT_ID, SOURCE_KEY, THUMB_HASH, AVERAGE_COLOUR];
        for name in whole.keys().filter(|name| !optional.contains(&name.as_str())) {
            let mut metadata = whole.clone();
            metadata.remove(name);
            assert_eq!(Marker::read(&metadata), None, "{name}");
        }
        let strange = [
            (FRAME_REASON, "whim"),
            (PICTURE_SIZE, "640"),
            (DURATION, "long"),
            (SOURCE_ETAG, "%ff"),
            (CONTENT_ID, "0"),
        ];
        for (name, value) in strange {
            let mut metadata = whole.clone();
            metadata.insert(name.to_owned(), value.to_owned());
            assert_eq!(Marker::read(&metadata), None, "{name}");
        }
        assert_eq!(Marker::read(&BTreeMap::new()), None);
    }

    /// A placeholder that is missing or strange changes nothing of what the job compares.
    #[test]
    fn a_placeholder_decides_nothing() {
        let own = Own::new(&ThumbnailSettings::default(), None, "videos/7_x.mp4");
        let whole = completed().to_metadata();
        let known = own.mark(&completed());
        for name in [THUMB_HASH, AVERAGE_COLOUR] {
            for value in [None, Some("strange"), Some("")] {
                let mut metadata = whole.clone();
                metadata.remove(name);
                metadata.extend(value.map(|value| (name.to_owned(), value.to_owned())));
                let marker = Marker::read(&metadata).unwrap();
                assert_eq!((marker.placeholder.clone(), own.mark(&marker)), (None, known.clone()), "{name}");
            }
        }
    }

    #[test]
    fn a_video_of_another_key_is_foreign_if_it_is_named() {
        let own = |key| Own::new(&ThumbnailSettings::default(), None, key);
        assert!(!own("videos/7_x.mp4").mark(&completed()).is_foreign);
        assert!(own("videos/b/7_x.mp4").mark(&completed()).is_foreign);
        assert!(!own("videos/b/7_x.mp4").mark(&marker()).is_foreign);
    }

    #[test]
    fn the_longest_metadata_fit_into_2_kb() {
        let etag = ETag::new(format!("\"{}-10000\"", "f".repeat(32)));
        let cache_control = "c".repeat(500);
        let long = settings(&ThumbnailSettings { cache_control, ..ThumbnailSettings::default() });
        let metadata = Marker { source_etag: etag, settings: long, ..completed() }.to_metadata();
        let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes < 2 << 10, "{bytes}");
    }

    #[test]
    fn settings_are_readable() {
        assert_eq!(settings(&ThumbnailSettings::default()), "1;at=5;jpg;q=85;max=x;public, max-age=300");
    }

    #[test]
    fn a_fit_is_named_where_it_is_not_the_default() {
        let fitted = |fit: Fit, pick| {
            let encoding = Encoding::default().with_bounds(Bounds::new(640, 640)).with_fit(fit);
            let request = FrameRequest::default().with_encoding(encoding).with_pick(pick);
            settings(&ThumbnailSettings { request, ..ThumbnailSettings::default() })
        };
        let contained = "1;at=5;jpg;q=85;max=640x640;public, max-age=300";
        assert_eq!(fitted(Fit::Contain, Pick::Exact), contained);
        let cover = |x, y| Fit::Cover { focus: Focus::new(x, y).unwrap() };
        assert_eq!(fitted(cover(0.5, 0.5), Pick::Exact), format!("{contained};fit=cover@0.5,0.5"));
        assert_eq!(
            fitted(cover(0.25, 1.0), Pick::Keyframe),
            format!("{contained};pick=keyframe;fit=cover@0.25,1")
        );
    }

    #[test]
    fn all_forms_of_a_time_are_one_setting() {
        let at = |time: &str, pick| {
            let request = FrameRequest::at(time.parse::<FrameTime>().unwrap()).with_pick(pick);
            settings(&ThumbnailSettings { request, ..ThumbnailSettings::default() })
        };
        let default = settings(&ThumbnailSettings::default());
        for time in ["5", "5s", "0:05", "00:00:05.000", "5000ms"] {
            assert_eq!(at(time, Pick::Exact), default, "{time}");
        }
        assert_eq!(at("-2.50", Pick::Keyframe), "1;at=-2.5;jpg;q=85;max=x;public, max-age=300;pick=keyframe");
        assert_eq!(at("middle", Pick::Exact), at("50%", Pick::Exact));
    }

    /// A frame that a person chose is taken unchanged, and its thumbnail is recognised before the choice is read again.
    #[test]
    fn a_choice_is_not_judged() {
        for pick in Pick::ALL {
            let request = FrameRequest::default().with_pick(pick);
            let thumbnail = ThumbnailSettings { request, ..ThumbnailSettings::default() };
            let choice = PosterAt::new("12".parse().unwrap(), ChosenBy::Tag);
            let applied = PosterAt::applied_to(request, Some(choice));
            assert_eq!((applied.time, applied.pick), (choice.time, pick.first()));
            assert_eq!(PosterAt::applied_to(request, None), request);
            let (chosen, unknown) = (
                Own::new(&thumbnail, Some(choice), "videos/1_x.mp4"),
                Own::new(&thumbnail, None, "videos/1_x.mp4"),
            );
            assert_eq!(chosen.settings, unknown.settings.replace("at=5", "at=12").replace(";pick=auto", ""));
            assert!(differ_in_the_choice_alone(&chosen.settings, &unknown.settings));
        }
        let keyframe = "1;at=5;jpg;q=85;max=x;x;pick=keyframe";
        assert!(!differ_in_the_choice_alone(keyframe, "1;at=5;jpg;q=85;max=x;x"));
    }
}

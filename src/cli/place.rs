//! The place that commands for many videos process: a folder with its catalogue file, or a bucket with its database.

use std::path::Path;

use super::arguments::PlaceArguments;
use super::catalogue::{CatalogueKind, Settings};
use super::output::Failure;
use crate::ErrorKind;
use crate::job_error::JobError;
use crate::location::Prefix;
use crate::logging::{self, Stream};
use crate::object_name::{KeyRules, SkipReason};
use crate::source::S3Source;
use crate::store::{FolderStore, S3Store, Store, of_file};

/// A store, the prefix of its video keys, and the settings.
#[derive(Debug)]
pub(super) enum Place {
    Folder { settings: Settings, store: FolderStore, prefix: String },
    Bucket { settings: Settings, store: S3Store, prefix: String },
}

impl Place {
    /// Opens the place and starts logging. Log messages are off unless `RUST_LOG` enables them, because the messages of single videos would
    /// break progress bars and tables.
    pub(super) async fn open(arguments: &PlaceArguments) -> Result<Self, Failure> {
        match &arguments.prefix {
            Prefix::Folder(folder) => Self::open_folder(arguments, folder),
            Prefix::S3 { bucket, prefix } => {
                if arguments.store.is_some() {
                    let error = "--store applies to folders; thumbnails of videos in S3 go into their bucket";
                    return Err(JobError::new(ErrorKind::Config, error).into());
                }
                let settings = settings(arguments, CatalogueKind::Mysql)?;
                let client = S3Source::client_from_env().await.map_err(JobError::from)?;
                // An empty prefix means the prefix of videos, because all other keys would be skipped.
                let prefix = match prefix.is_empty() {
                    true => settings.config.key_rules.video_prefix.clone(),
                    false => prefix.clone(),
                };
                Ok(Self::Bucket { settings, store: S3Store::new(client, bucket), prefix })
            }
        }
    }

    fn open_folder(arguments: &PlaceArguments, folder: &Path) -> Result<Self, Failure> {
        let mut settings = settings(arguments, CatalogueKind::Sqlite)?;
        let folder = folder.canonicalize().map_err(of_file(folder))?;
        let root = arguments.store.as_deref().unwrap_or(&folder);
        settings.config = settings.config.with_store_dir(root);
        let store = FolderStore::at(root)?;
        let outside = || {
            let error = format!("is not inside the store {}", store.root().display());
            JobError::new(ErrorKind::Config, error).with_subject(folder.display().to_string())
        };
        let below = folder.strip_prefix(store.root()).map_err(|_| outside())?;
        let below = below.to_str().ok_or_else(outside)?;
        let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
        Ok(Self::Folder { settings, store, prefix })
    }
}

fn settings(arguments: &PlaceArguments, fallback: CatalogueKind) -> Result<Settings, Failure> {
    let mut settings = Settings::read(arguments.catalog.unwrap_or(fallback)).map_err(JobError::from)?;
    settings.config.log.filter.get_or_insert_with(|| "off".to_owned());
    logging::start(&settings.config.log, Stream::Error)?;
    Ok(settings)
}

/// Returns the prefix as a URL: the URL of a key below the prefix, without the rest of the key.
pub(super) fn shown<S: Store>(store: &S, prefix: &str) -> String {
    let url = store.url(&format!("{prefix}x"));
    url.map_or_else(|_| prefix.to_owned(), |url| url.strip_suffix('x').unwrap_or(&url).to_owned())
}

/// Returns whether a key is skipped because of its suffix, and is a file. Programs that show a bucket as folders store empty objects whose
/// keys end with a slash.
pub(super) fn is_other_file(reason: &SkipReason, key: &str) -> bool {
    matches!(reason, SkipReason::OtherSuffix { .. }) && !key.ends_with('/')
}

/// Describes files whose names have no video suffix.
pub(super) fn other_files(count: u64, suffixes: &[String]) -> String {
    format!("{count}, with other suffixes than {} (VIDEO_SUFFIXES)", suffixes.join(", "))
}

/// Describes the rules for keys of videos, for a prefix without videos.
pub(super) fn no_videos(rules: &KeyRules) -> String {
    format!(
        "No key there is a wanted video: videos are under VIDEO_PREFIX {:?} of the store, and end with {} (VIDEO_SUFFIXES). For a part \
         of a folder, --store names the folder that stands for the bucket.",
        rules.video_prefix,
        rules.video_suffixes.join(", ")
    )
}

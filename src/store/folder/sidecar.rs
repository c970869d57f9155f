//! Properties of an object that a file cannot store, in a small JSON file.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::{ETag, NewObject, ObjectDescription, StoreError, check_metadata};
use super::temporary::{Temporaries, sync_folder_of};

/// The sidecar of one object. Its path is `objects/<key>` without an extension, so that every valid file name fits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sidecar {
    /// The version that the sidecar describes. For any other version the sidecar is ignored.
    pub(super) etag: ETag,
    content_type: String,
    cache_control: String,
    metadata: BTreeMap<String, String>,
}

impl Sidecar {
    /// Creates the sidecar of `object`, before the version is known.
    pub(super) fn of(object: &NewObject<'_>) -> Result<Self, StoreError> {
        check_metadata(object.metadata)?;
        Ok(Self {
            etag: ETag::new(""),
            content_type: object.content_type.to_owned(),
            cache_control: object.cache_control.to_owned(),
            metadata: object.metadata.clone(),
        })
    }

    /// Returns the sidecar with this version.
    pub(super) fn for_version(self, etag: ETag) -> Self {
        Self { etag, ..self }
    }

    /// Reads the sidecar of `key`. A missing or damaged sidecar counts as none.
    pub(super) fn read(own: &Path, key: &str) -> Result<Option<Self>, StoreError> {
        let path = own.join("objects").join(key);
        match fs::read(&path) {
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(StoreError::file("read", &path)(error)),
        }
    }

    /// Writes the sidecar of `key` atomically.
    pub(super) fn write(&self, own: &Path, key: &str, temporaries: &Temporaries) -> Result<(), StoreError> {
        let path = own.join("objects").join(key);
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let json = json.map_err(StoreError::file("write", &path))?;
        let file = temporaries.write(&path, &json)?;
        file.persist(&path).map_err(|error| StoreError::file("write", &path)(error.error))?;
        sync_folder_of(&path)
    }

    /// Builds the description of the object with this ETag, with the properties in its sidecar.
    pub(super) fn describe(sidecar: Option<Self>, etag: ETag, metadata: &Metadata) -> ObjectDescription {
        let bare = ObjectDescription {
            etag,
            size: metadata.len(),
            modified: metadata.modified().ok(),
            content_type: None,
            cache_control: None,
            metadata: BTreeMap::new(),
            tags: 0,
        };
        match sidecar {
            None => bare,
            Some(sidecar) => ObjectDescription {
                content_type: Some(sidecar.content_type),
                cache_control: Some(sidecar.cache_control),
                metadata: sidecar.metadata,
                ..bare
            },
        }
    }
}

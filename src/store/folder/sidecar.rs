//! What a file cannot say about an object, in a small JSON file of its own.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::{ETag, NewObject, ObjectDescription, StoreError, check_metadata};
use super::temporary::{Temporaries, sync_folder_of};

/// The sidecar of one object. It lies at `objects/<key>` without an ending of its own, so that every name a file can
/// have fits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sidecar {
    /// The version it describes; for any other it says nothing.
    pub(super) etag: ETag,
    content_type: String,
    cache_control: String,
    metadata: BTreeMap<String, String>,
}

impl Sidecar {
    /// What is to be noted for `object`, before its version is known.
    pub(super) fn of(object: &NewObject<'_>) -> Result<Self, StoreError> {
        check_metadata(object.metadata)?;
        Ok(Self {
            etag: ETag::new(""),
            content_type: object.content_type.to_owned(),
            cache_control: object.cache_control.to_owned(),
            metadata: object.metadata.clone(),
        })
    }

    /// The same notes, for this version.
    pub(super) fn for_version(self, etag: ETag) -> Self {
        Self { etag, ..self }
    }

    /// Reads the sidecar of `key`. One that is missing or damaged says nothing.
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

    /// Writes the sidecar of `key`, whole or not at all.
    pub(super) fn write(&self, own: &Path, key: &str, temporaries: &Temporaries) -> Result<(), StoreError> {
        let path = own.join("objects").join(key);
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let json = json.map_err(StoreError::file("write", &path))?;
        let file = temporaries.write(&path, &json)?;
        file.persist(&path).map_err(|error| StoreError::file("write", &path)(error.error))?;
        sync_folder_of(&path)
    }

    /// The description of the object with this ETag, with what its sidecar says.
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

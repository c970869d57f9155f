//! Traits for stores whose objects can be listed and read.
//!
//! Back-fills and audits use these traits. The job does not, and the Lambda function has no permission to list.

use std::future::Future;
use std::time::SystemTime;

use super::{ETag, ObjectDescription, Store, StoreError};
use crate::ErrorKind;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedObject {
    /// The decoded key.
    pub key: String,
    /// The version of the object.
    pub etag: ETag,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last modification, if the store reports one.
    pub modified: Option<SystemTime>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The objects, ordered by the bytes of their keys.
    pub objects: Vec<ListedObject>,
    /// The key after which the listing continues; `None` on the last page.
    pub next: Option<String>,
    /// The entries that could not be listed, ordered by the bytes of their keys.
    pub faults: Vec<ListingFault>,
}

impl Page {
    /// Returns objects and faults together, ordered by the bytes of their keys.
    #[cfg(feature = "cli")]
    pub(crate) fn in_order(self) -> impl Iterator<Item = Result<ListedObject, ListingFault>> {
        let mut objects = self.objects.into_iter().peekable();
        let mut faults = self.faults.into_iter().peekable();
        std::iter::from_fn(move || match (objects.peek(), faults.peek()) {
            (Some(object), Some(fault)) if object.key > fault.key => faults.next().map(Err),
            (Some(_), _) => objects.next().map(Ok),
            (None, _) => faults.next().map(Err),
        })
    }
}

/// An entry of a store that could not be listed. The other entries are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListingFault {
    /// The key; the key of a folder ends with `/`. U+FFFD replaces the parts of a name that are not UTF-8.
    pub key: String,
    /// The kind of failure.
    pub kind: ErrorKind,
    /// A description of the problem.
    pub message: String,
}

/// A store whose objects can be listed.
pub trait ListObjects: Store {
    /// Returns a page of objects whose keys come after `after` and begin with `prefix`. The size of a page is bounded.
    /// A folder or file that cannot be read becomes a [`ListingFault`]; the other entries are still listed.
    ///
    /// # Errors
    /// See [`StoreError`]; in S3, listing needs `s3:ListBucket`.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

/// A store whose objects can be read completely.
pub trait ReadObject: Store {
    /// Returns the bytes of the object `key` and its description; `None` when the object does not exist or the caller
    /// is not allowed to read it.
    ///
    /// # Errors
    /// An error of kind [`LimitExceeded`](crate::ErrorKind::LimitExceeded) when the object has more than `max_bytes`;
    /// for other failures see [`StoreError`].
    fn read(
        &self,
        key: &str,
        max_bytes: u64,
    ) -> impl Future<Output = Result<Option<(Vec<u8>, ObjectDescription)>, StoreError>> + Send;
}

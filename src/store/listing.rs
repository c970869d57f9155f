//! Stores whose objects can be listed and read.
//!
//! The job needs none of this, and the Lambda function has no permission for it: back-fills and audits do.

use std::future::Future;
use std::time::SystemTime;

use super::{ETag, ObjectDescription, Store, StoreError};
use crate::ErrorKind;

/// An object as a listing tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedObject {
    /// Its key, decoded.
    pub key: String,
    /// Which version it is.
    pub etag: ETag,
    /// Bytes of it.
    pub size: u64,
    /// When it was put, as far as the store can tell.
    pub modified: Option<SystemTime>,
}

/// Some of the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// In the order of their keys' bytes.
    pub objects: Vec<ListedObject>,
    /// The key behind which the listing continues; `None` where it ends with this page.
    pub next: Option<String>,
    /// What could not be listed, in the order of the keys' bytes, beside the objects.
    pub faults: Vec<ListingFault>,
}

impl Page {
    /// Returns objects and faults together, in the order of their keys' bytes.
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

/// An entry of a store that could not be listed. The others were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListingFault {
    /// Its key; that of a folder ends with `/`. Where a name is not UTF-8, U+FFFD stands for what is not.
    pub key: String,
    /// The kind of failure.
    pub kind: ErrorKind,
    /// What is wrong with it.
    pub message: String,
}

/// A store whose objects can be listed.
pub trait ListObjects: Store {
    /// Returns the first objects behind the key `after` whose keys begin with `prefix`, a bounded number of them. A folder or file that
    /// cannot be looked at is a [`ListingFault`]; the others are listed all the same.
    ///
    /// # Errors
    /// See [`StoreError`]; in S3, listing needs `s3:ListBucket`.
    fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;
}

/// A store whose objects can be read, whole.
pub trait ReadObject: Store {
    /// The bytes of the object `key`, at most `max_bytes` of them, and its description; `None` when there is none, or it may not be
    /// read.
    ///
    /// # Errors
    /// See [`StoreError`]; of kind [`LimitExceeded`](crate::ErrorKind::LimitExceeded) for an object that is larger.
    fn read(
        &self,
        key: &str,
        max_bytes: u64,
    ) -> impl Future<Output = Result<Option<(Vec<u8>, ObjectDescription)>, StoreError>> + Send;
}

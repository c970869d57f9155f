//! The records and sources of events.

use super::error::EventError;

/// The source of an event, which also reads the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// An S3 notification, `s3:TestEvent` included.
    S3,
    /// An SNS topic.
    Sns,
    /// An EventBridge rule.
    EventBridge,
    /// A direct invocation with bucket and key.
    Direct,
    /// An SQS queue, with messages of any type.
    Sqs,
    /// An S3 Batch Operations job.
    Batch,
}

impl Source {
    /// Returns the stable name of the source.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sns => "sns",
            Self::EventBridge => "eventbridge",
            Self::Direct => "direct",
            Self::Sqs => "sqs",
            Self::Batch => "batch",
        }
    }
}

/// The reference of an event to an object. Other details in the event (ETag, version) are not kept, because the object
/// may have been replaced since.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectRef {
    /// Name of the bucket, never empty.
    pub bucket: String,
    /// Decoded key of the object, never empty.
    pub key: String,
    /// The other reading of the key, which is tried once if no object has the first key. Only Batch events have it: AWS
    /// does not document whether a `+` in a manifest is a space.
    pub alternative_key: Option<String>,
    /// Size in bytes at the time of the event. This is a hint: the object may have been replaced since.
    pub size_hint: Option<u64>,
    /// The version in a Batch manifest. The job reads the latest version, because reading a given version needs a
    /// separate permission.
    pub version_id: Option<String>,
    /// Whether the event is about the object's tags, while its bytes are unchanged.
    pub is_tagging: bool,
    /// The sequencer, which orders the events of one key; see [`DistinctObject`](super::DistinctObject).
    pub sequencer: Option<String>,
}

/// A record of an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Record {
    /// An object to process.
    Object(ObjectRef),
    /// A record that needs no processing: a removed object or a test event.
    Skipped {
        /// Name of the bucket, if the record contains one.
        bucket: Option<String>,
        /// Key of the object, if the record contains one.
        key: Option<String>,
        /// The reason for skipping the record.
        reason: String,
    },
    /// A record that cannot be read. A retry would fail in the same way.
    Unreadable {
        /// Name of the bucket, if it could be read.
        bucket: Option<String>,
        /// Key of the object as sent, not decoded.
        key: Option<String>,
        /// The reason why the record cannot be read.
        error: EventError,
    },
}

impl Record {
    pub(super) fn unreadable(error: EventError) -> Self {
        Self::Unreadable { bucket: None, key: None, error }
    }

    /// Returns the name of the bucket, if it is known.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.bucket),
            Self::Skipped { bucket, .. } | Self::Unreadable { bucket, .. } => bucket.as_deref(),
        }
    }

    /// Returns the key of the object, if it is known. The key is decoded, except in unreadable records.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.key),
            Self::Skipped { key, .. } | Self::Unreadable { key, .. } => key.as_deref(),
        }
    }
}

//! What an event is about, and who sent it.

use super::error::EventError;

/// Who sent the event, and so who reads the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// An S3 notification, `s3:TestEvent` included.
    S3,
    /// An SNS topic.
    Sns,
    /// An EventBridge rule.
    EventBridge,
    /// Somebody who names bucket and key.
    Direct,
    /// A queue, whatever its messages hold.
    Sqs,
    /// A job of S3 Batch Operations.
    Batch,
}

impl Source {
    /// The stable name of the source.
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

/// An object as an event names it. What else the event says of it (ETag, its version) is not kept: the object may be
/// another by now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectRef {
    /// Name of the bucket; not empty.
    pub bucket: String,
    /// Key of the object, decoded; not empty.
    pub key: String,
    /// The other reading of the key, to be tried once when no object has the first. Only Batch has it: AWS does not say
    /// whether a `+` in a manifest is a space.
    pub alternative_key: Option<String>,
    /// Size in bytes when the event was made. A hint: the object may have been replaced since.
    pub size_hint: Option<u64>,
    /// The version that a Batch manifest asks for. Reading it needs a permission of its own, so it is not read unless
    /// that is asked for.
    pub version_id: Option<String>,
    /// Whether the event is about the object's tags, and its bytes are as they were.
    pub is_tagging: bool,
    /// Orders the events of one key; see [`DistinctObject`](super::DistinctObject).
    pub sequencer: Option<String>,
}

/// One thing that an event is about.
#[derive(Debug)]
#[non_exhaustive]
pub enum Record {
    /// An object to work on.
    Object(ObjectRef),
    /// Nothing to do: a removed object, a test event.
    Skipped {
        /// Name of the bucket, if there is one.
        bucket: Option<String>,
        /// Key of the object, if there is one.
        key: Option<String>,
        /// Why there is nothing to do.
        reason: String,
    },
    /// It cannot be read, and will not be next time either.
    Unreadable {
        /// Name of the bucket, as far as it could be read.
        bucket: Option<String>,
        /// Key of the object, as it was sent.
        key: Option<String>,
        /// What is wrong with it.
        error: EventError,
    },
}

impl Record {
    pub(super) fn unreadable(error: EventError) -> Self {
        Self::Unreadable { bucket: None, key: None, error }
    }

    /// Name of the bucket, if it is known.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.bucket),
            Self::Skipped { bucket, .. } | Self::Unreadable { bucket, .. } => bucket.as_deref(),
        }
    }

    /// Key of the object, if it is known; decoded, except in what cannot be read.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.key),
            Self::Skipped { key, .. } | Self::Unreadable { key, .. } => key.as_deref(),
        }
    }
}

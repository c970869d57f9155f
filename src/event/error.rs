//! Why an event, or a record of it, cannot be read.

use serde_json::Value;

use super::text::beginning;
use crate::ErrorKind;
use crate::job_error::JobError;

/// Most fields that an error names, and most characters of each: events are strangers' too.
const MAX_FIELDS: usize = 20;
const MAX_FIELD_CHARS: usize = 60;

/// Why an event, or one record of it, cannot be read. All of them are permanent.
///
/// The messages name fields, and repeat no values but versions: keys and buckets are told beside them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is not JSON. The error tells the place, not the text.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON, but nothing we know.
    #[error(
        "the shape of this event is not known: {seen}. Known are S3 notifications, s3:TestEvent, SNS and EventBridge \
         \"Object Created\" (each also inside SQS), S3 Batch Operations 1.0 and 2.0, and {{\"bucket\", \"key\"}}"
    )]
    UnknownShape {
        /// What was seen: its fields, or what it is instead of an object.
        seen: String,
    },
    /// Envelopes lie in each other deeper than anybody packs them.
    #[error("the event has too many envelopes around each other")]
    TooDeep,
    /// A field is missing, empty or not of its type.
    #[error("the event lacks {field}, or it is empty or of another type")]
    Missing {
        /// The path of the field.
        field: &'static str,
    },
    /// A version of the layout that we do not know.
    #[error("{field} is {version}; known is {known}")]
    Version {
        /// The path of the field.
        field: &'static str,
        /// What it says.
        version: String,
        /// What we know.
        known: &'static str,
    },
    /// The key is not UTF-8 once it is decoded, and keys are.
    #[error("the object's key is not UTF-8 after decoding")]
    KeyEncoding,
    /// A task's bucket is the name of something else.
    #[error("s3BucketArn is not the ARN of a bucket")]
    BucketArn,
}

impl EventError {
    /// The kind of failure.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownShape { .. } | Self::Version { .. } => ErrorKind::Unsupported,
            Self::Json(_) | Self::TooDeep | Self::Missing { .. } | Self::KeyEncoding | Self::BucketArn => {
                ErrorKind::Malformed
            }
        }
    }

    pub(super) fn unknown_shape(event: &Value) -> Self {
        let seen = match event {
            Value::Object(fields) => {
                let records = fields.get("Records").and_then(Value::as_array);
                match records.and_then(|records| records.first()) {
                    Some(record) => format!("the first of its Records {}", fields_of(record)),
                    None => format!("it {}", fields_of(event)),
                }
            }
            other => format!("it {}", fields_of(other)),
        };
        Self::UnknownShape { seen }
    }

    pub(super) fn version(field: &'static str, version: &str, known: &'static str) -> Self {
        Self::Version { field, version: beginning(version, MAX_FIELD_CHARS).to_owned(), known }
    }
}

/// "has the fields a, b", or what the value is instead.
fn fields_of(value: &Value) -> String {
    let kind = match value {
        Value::Object(fields) if fields.is_empty() => return "has no fields".to_owned(),
        Value::Object(fields) => {
            let names = fields.keys().take(MAX_FIELDS).map(|name| beginning(name, MAX_FIELD_CHARS));
            let mut text = format!("has the fields {}", names.collect::<Vec<_>>().join(", "));
            if fields.len() > MAX_FIELDS {
                text.push_str(&format!(" and {} more", fields.len() - MAX_FIELDS));
            }
            return text;
        }
        Value::Array(_) => "an array",
        Value::String(_) => "a string",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a boolean",
        Value::Null => "null",
    };
    format!("is {kind}")
}

impl From<EventError> for JobError {
    fn from(error: EventError) -> Self {
        Self::new(error.kind(), error)
    }
}

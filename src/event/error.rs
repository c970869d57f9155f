//! Errors of parsing an event or a record.

use serde_json::Value;

use super::text::beginning;
use crate::ErrorKind;
use crate::job_error::JobError;

/// Maximum number of fields that an error lists, and maximum characters of each: events may come from unknown senders.
const MAX_FIELDS: usize = 20;
const MAX_FIELD_CHARS: usize = 60;

/// A failure to read an event, or one of its records. All of these errors are permanent.
///
/// The messages contain the names of fields, but no values except versions. Keys and buckets are reported separately.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The text is not JSON. The error contains the position, not the text.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The text is JSON, but the event is of no known type.
    #[error(
        "unknown type of event: {seen}. Supported are S3 notifications, s3:TestEvent, SNS and EventBridge \
         \"Object Created\" (each also inside SQS), S3 Batch Operations 1.0 and 2.0, and {{\"bucket\", \"key\"}}"
    )]
    UnknownShape {
        /// The fields of the event, or its JSON type if it is not an object.
        seen: String,
    },
    /// Too many nested envelopes.
    #[error("the event contains too many nested envelopes")]
    TooDeep,
    /// A field is missing, is empty or has a wrong type.
    #[error("the field {field} of the event is missing, is empty or has a wrong type")]
    Missing {
        /// The path of the field.
        field: &'static str,
    },
    /// The version of the layout is not supported.
    #[error("{field} is {version}, but this program supports {known}")]
    Version {
        /// The path of the field.
        field: &'static str,
        /// The version in the event.
        version: String,
        /// The supported versions.
        known: &'static str,
    },
    /// The decoded key is not UTF-8, but keys must be.
    #[error("the object's key is not UTF-8 after decoding")]
    KeyEncoding,
    /// The bucket of a task is the ARN of another type of resource.
    #[error("s3BucketArn is not the ARN of a bucket")]
    BucketArn,
}

impl EventError {
    /// Returns the kind of failure.
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

/// Returns "has the fields a, b", or the JSON type of the value.
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

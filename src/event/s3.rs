//! S3 notifications.
//!
//! Layout: Amazon S3 User Guide, "Event message structure". All fields except bucket and key are optional, because
//! people test the function with only these two.

use serde_json::{Map, Value};

use super::error::EventError;
use super::key;
use super::record::{ObjectRef, Record};
use super::text::{beginning, text};

/// Returns whether this record is from S3, or is meant to be.
pub(super) fn is_record(record: &Value) -> bool {
    record.get("s3").is_some() || text(record, "/eventSource") == Some("aws:s3")
}

/// Reads one record.
pub(super) fn read(record: &Value) -> Record {
    let bucket = text(record, "/s3/bucket/name");
    let raw_key = text(record, "/s3/object/key");
    read_parts(record, bucket, raw_key).unwrap_or_else(|error| Record::Unreadable {
        bucket: bucket.map(str::to_owned),
        key: raw_key.map(str::to_owned),
        error,
    })
}

fn read_parts(record: &Value, bucket: Option<&str>, raw_key: Option<&str>) -> Result<Record, EventError> {
    check_version(record.get("eventVersion"))?;
    let missing = |field| EventError::Missing { field };
    let bucket = bucket.filter(|name| !name.is_empty()).ok_or_else(|| missing("s3.bucket.name"))?;
    let raw_key = raw_key.filter(|key| !key.is_empty()).ok_or_else(|| missing("s3.object.key"))?;
    let key = key::form_decoded(raw_key)?;
    let name = record.get("eventName").and_then(Value::as_str);
    let kind = name.map(kind);
    if let Some(name) = name.filter(|_| !matches!(kind, Some("ObjectCreated" | "ObjectTagging"))) {
        return Ok(Record::Skipped {
            bucket: Some(bucket.to_owned()),
            key: Some(key),
            reason: format!("{} is not about a new object", beginning(name, 100)),
        });
    }
    Ok(Record::Object(ObjectRef {
        bucket: bucket.to_owned(),
        key,
        alternative_key: None,
        size_hint: record.pointer("/s3/object/size").and_then(Value::as_u64),
        version_id: None,
        is_tagging: kind == Some("ObjectTagging"),
        sequencer: text(record, "/s3/object/sequencer").map(str::to_owned),
    }))
}

/// AWS recommends comparing only the major version: minor versions add fields.
fn check_version(version: Option<&Value>) -> Result<(), EventError> {
    const FIELD: &str = "eventVersion";
    match version {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(version)) => match version.split('.').next() {
            Some("2") => Ok(()),
            _ => Err(EventError::version(FIELD, version, "2.x")),
        },
        Some(_) => Err(EventError::Missing { field: FIELD }),
    }
}

/// Returns `ObjectCreated` for `ObjectCreated:Put`. Notifications use this form; bucket configurations prefix it with
/// `s3:`.
fn kind(name: &str) -> &str {
    name.strip_prefix("s3:").unwrap_or(name).split(':').next().unwrap_or_default()
}

/// Parses the message that S3 sends when a notification is configured. The message has no `Records`.
pub(super) fn test_event(fields: &Map<String, Value>) -> Option<Record> {
    let field = |name| fields.get(name).and_then(Value::as_str);
    (field("Event") == Some("s3:TestEvent")).then(|| Record::Skipped {
        bucket: field("Bucket").filter(|name| !name.is_empty()).map(str::to_owned),
        key: None,
        reason: "s3:TestEvent: the notifications of this bucket reach the function".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(version: Value, name: &str) -> Record {
        let object = json!({"key": "videos/1_a+b.mp4"});
        read(
            &json!({"eventVersion": version, "eventName": name, "s3": {"bucket": {"name": "films"}, "object": object}}),
        )
    }

    #[test]
    fn minor_versions_are_read_and_major_ones_are_not() {
        for version in [json!("2.0"), json!("2.1"), json!("2.99"), json!("2"), json!(null)] {
            assert!(matches!(record(version, "ObjectCreated:Put"), Record::Object(_)));
        }
        for version in [json!("1.0"), json!("3.0"), json!("20.1"), json!("")] {
            let Record::Unreadable { error, key, .. } = record(version, "ObjectCreated:Put") else {
                panic!()
            };
            assert!(matches!(error, EventError::Version { .. }), "{error}");
            assert_eq!(key.as_deref(), Some("videos/1_a+b.mp4"));
        }
        let record = record(json!(2.1), "ObjectCreated:Put");
        assert!(matches!(record, Record::Unreadable { error: EventError::Missing { .. }, .. }));
    }

    #[test]
    fn tag_events_are_distinguished_from_uploads() {
        for (name, is_tagging) in
            [("ObjectTagging:Put", true), ("s3:ObjectTagging:Delete", true), ("ObjectCreated:Post", false)]
        {
            let Record::Object(object) = record(json!("2.1"), name) else { panic!("{name}") };
            assert_eq!(object.is_tagging, is_tagging, "{name}");
        }
    }

    #[test]
    fn only_created_objects_are_processed() {
        for name in ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy"] {
            assert!(matches!(record(json!("2.1"), name), Record::Object(_)), "{name}");
        }
        for name in [
            "ObjectRemoved:Delete",
            "LifecycleExpiration:Delete",
            "ObjectTaggingX:Put",
            "ObjectRestore:Completed",
            "",
            "ObjectCreatedX:Put",
        ] {
            let Record::Skipped { reason, key, .. } = record(json!("2.1"), name) else { panic!("{name}") };
            assert_eq!(reason, format!("{name} is not about a new object"));
            assert_eq!(key.as_deref(), Some("videos/1_a b.mp4"));
        }
    }
}

//! Events of S3 from EventBridge.
//!
//! Layout: Amazon S3 User Guide, "EventBridge event message structure". Unlike in notifications, keys are not encoded.

use serde_json::{Map, Value};

use super::error::EventError;
use super::record::{ObjectRef, Record};
use super::text::{beginning, text};

/// Parses an event with the source `aws.s3`; `None` for any other event.
pub(super) fn read(fields: &Map<String, Value>) -> Option<Record> {
    let field = |name| fields.get(name).and_then(Value::as_str);
    if field("source") != Some("aws.s3") {
        return None;
    }
    let detail_type = field("detail-type")?;
    let detail = fields.get("detail").unwrap_or(&Value::Null);
    let bucket = text(detail, "/bucket/name").map(str::to_owned);
    let key = text(detail, "/object/key").map(str::to_owned);
    let is_tagging = matches!(detail_type, "Object Tags Added" | "Object Tags Deleted");
    if detail_type != "Object Created" && !is_tagging {
        let reason = format!("EventBridge's \"{}\" is not about a new object", beginning(detail_type, 100));
        return Some(Record::Skipped { bucket, key, reason });
    }
    let error = check_version(detail).err().or_else(|| lacking(bucket.as_deref(), key.as_deref()));
    Some(match (error, bucket, key) {
        (None, Some(bucket), Some(key)) => Record::Object(ObjectRef {
            bucket,
            key,
            alternative_key: None,
            size_hint: detail.pointer("/object/size").and_then(Value::as_u64),
            version_id: None,
            is_tagging,
            sequencer: text(detail, "/object/sequencer").map(str::to_owned),
        }),
        (error, bucket, key) => {
            let error = error.unwrap_or(EventError::Missing { field: "detail" });
            Record::Unreadable { bucket, key, error }
        }
    })
}

fn lacking(bucket: Option<&str>, key: Option<&str>) -> Option<EventError> {
    let is_missing = |text: Option<&str>| text.is_none_or(str::is_empty);
    let field = match (is_missing(bucket), is_missing(key)) {
        (true, _) => "detail.bucket.name",
        (_, true) => "detail.object.key",
        _ => return None,
    };
    Some(EventError::Missing { field })
}

/// Newer events contain the version of their detail. As in notifications, only a new major version changes existing
/// fields.
fn check_version(detail: &Value) -> Result<(), EventError> {
    match text(detail, "/event-version") {
        Some(version) if version.split('.').next() != Some("1") => {
            Err(EventError::version("detail.event-version", version, "1.x"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(event: Value) -> Option<Record> {
        event.as_object().and_then(read)
    }

    #[test]
    fn what_is_missing_is_named() {
        let lacking = |detail: Value| match read_json(
            json!({"source": "aws.s3", "detail-type": "Object Created", "detail": detail}),
        ) {
            Some(Record::Unreadable { error, .. }) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(lacking(json!(null)).contains("detail.bucket.name"));
        assert!(lacking(json!({"bucket": {"name": "films"}})).contains("detail.object.key"));
        assert!(
            lacking(json!({"bucket": {"name": "films"}, "object": {"key": ""}}))
                .contains("detail.object.key")
        );
        let newer = json!({"event-version": "2.0", "bucket": {"name": "films"}, "object": {"key": "a"}});
        assert_eq!(lacking(newer), "detail.event-version is 2.0, but this program supports 1.x");
    }

    #[test]
    fn events_of_other_sources_are_ignored() {
        assert!(
            read_json(json!({"source": "aws.ec2", "detail-type": "Object Created", "detail": {}})).is_none()
        );
        assert!(read_json(json!({"source": "aws.s3"})).is_none());
    }

    #[test]
    fn other_details_are_skipped() {
        let event = json!({"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": {}});
        let Some(Record::Skipped { reason, .. }) = read_json(event) else { panic!() };
        assert_eq!(reason, "EventBridge's \"AWS API Call via CloudTrail\" is not about a new object");
    }
}

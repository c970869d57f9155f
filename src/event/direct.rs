//! Direct invocations with bucket and key, by hand or from another program.

use serde_json::{Map, Value};

use super::error::EventError;
use super::record::{ObjectRef, Record};

/// Parses `{"bucket": …, "key": …}`; `None` if both fields are missing. The key is used unchanged.
pub(super) fn read(fields: &Map<String, Value>) -> Option<Record> {
    if !fields.contains_key("bucket") && !fields.contains_key("key") {
        return None;
    }
    let field = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_there = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let (bucket, key) = (field("bucket"), field("key"));
    Some(match (bucket, key) {
        (Some(bucket), Some(key)) if !bucket.is_empty() && !key.is_empty() => Record::Object(ObjectRef {
            bucket,
            key,
            alternative_key: None,
            size_hint: None,
            version_id: None,
            is_tagging: false,
            sequencer: None,
        }),
        (bucket, key) => {
            let field = if is_there(&bucket) { "key" } else { "bucket" };
            Record::Unreadable { bucket, key, error: EventError::Missing { field } }
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let lacking = |event: Value| match event.as_object().and_then(read) {
            Some(Record::Unreadable { error: EventError::Missing { field }, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(lacking(json!({"bucket": "films"})), "key");
        assert_eq!(lacking(json!({"bucket": "films", "key": ""})), "key");
        assert_eq!(lacking(json!({"bucket": null, "key": "videos/1_x.mp4"})), "bucket");
        assert_eq!(lacking(json!({"key": 1})), "bucket");
    }
}

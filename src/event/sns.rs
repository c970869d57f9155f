//! SNS: messages as text inside an envelope.
//!
//! Layouts: AWS Lambda Developer Guide, "Using Lambda with Amazon SNS" (`Records`), and Amazon SNS Developer Guide,
//! "Parsing Amazon SNS message formats" (the envelope of messages in queues). With raw message delivery there is no
//! envelope.

use serde_json::{Map, Value};

use super::text::text;

/// Returns whether this record is from a topic. Unlike other sources, SNS writes `EventSource` with a capital letter.
pub(super) fn is_record(record: &Value) -> bool {
    record.get("Sns").is_some() || text(record, "/EventSource") == Some("aws:sns")
}

/// Returns the message in a record.
pub(super) fn message_of_record(record: &Value) -> Option<&str> {
    text(record, "/Sns/Message")
}

/// Returns the message in the envelope of a message in a queue.
pub(super) fn message_of_envelope(fields: &Map<String, Value>) -> Option<&str> {
    let field = |name| fields.get(name).and_then(Value::as_str);
    if field("Type") == Some("Notification") { field("Message") } else { None }
}

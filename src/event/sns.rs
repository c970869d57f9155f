//! SNS: a message in a text, with an envelope around it.
//!
//! Layouts: AWS Lambda Developer Guide, "Using Lambda with Amazon SNS" (`Records`), and Amazon SNS Developer Guide,
//! "Parsing Amazon SNS message formats" (the envelope that queues get). With raw delivery there is no envelope.

use serde_json::{Map, Value};

use super::text::text;

/// Whether this one of the `Records` is from a topic. SNS writes `EventSource` with a capital letter, unlike the others.
pub(super) fn is_record(record: &Value) -> bool {
    record.get("Sns").is_some() || text(record, "/EventSource") == Some("aws:sns")
}

/// The message in one of the `Records`.
pub(super) fn message_of_record(record: &Value) -> Option<&str> {
    text(record, "/Sns/Message")
}

/// The message in the envelope that a queue gets.
pub(super) fn message_of_envelope(fields: &Map<String, Value>) -> Option<&str> {
    let field = |name| fields.get(name).and_then(Value::as_str);
    if field("Type") == Some("Notification") { field("Message") } else { None }
}

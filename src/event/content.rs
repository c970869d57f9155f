//! Parses events that may be invocations or the content of messages: S3, SNS, EventBridge, direct, and records of a
//! destination.

use serde_json::{Map, Value};

use super::error::EventError;
use super::record::{Record, Source};
use super::{direct, eventbridge, s3, sns};

/// Maximum nesting depth of envelopes. A destination's record that contains SNS that contains EventBridge has depth
/// three.
const MAX_DEPTH: usize = 4;

/// Parses an event of any source except SQS and Batch.
pub(super) fn read(event: &Value, depth: usize) -> Result<(Source, Vec<Record>), EventError> {
    if depth > MAX_DEPTH {
        return Err(EventError::TooDeep);
    }
    let unknown = || EventError::unknown_shape(event);
    if let Some(events) = event.as_array() {
        return in_array(events, depth).ok_or_else(unknown);
    }
    let fields = event.as_object().ok_or_else(unknown)?;
    if let Some(records) = fields.get("Records").and_then(Value::as_array) {
        return in_records(records, depth).ok_or_else(unknown);
    }
    if let Some(record) = s3::test_event(fields) {
        return Ok((Source::S3, vec![record]));
    }
    if let Some(record) = eventbridge::read(fields) {
        return Ok((Source::EventBridge, vec![record]));
    }
    if let Some(message) = sns::message_of_envelope(fields) {
        return Ok((Source::Sns, inside(message, depth)?.1));
    }
    if let Some(event) = requested(fields) {
        return read(event, depth + 1);
    }
    direct::read(fields).map(|record| (Source::Direct, vec![record])).ok_or_else(unknown)
}

/// Parses a batch of events from EventBridge Pipes ("Amazon EventBridge Pipes batching and concurrency"); `None` if
/// none of the events is known.
fn in_array(events: &[Value], depth: usize) -> Option<(Source, Vec<Record>)> {
    let mut source = None;
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        match read(event, depth + 1) {
            Ok((of_event, records)) => {
                source = Some(of_event);
                all.extend(records);
            }
            Err(error) => all.push(Record::unreadable(error)),
        }
    }
    Some((source?, all))
}

/// Parses `Records` from S3 or SNS; `None` if they are from another source.
fn in_records(records: &[Value], depth: usize) -> Option<(Source, Vec<Record>)> {
    let is_sns = records.iter().any(sns::is_record);
    if !is_sns && !records.is_empty() && !records.iter().any(s3::is_record) {
        return None;
    }
    if !is_sns {
        return Some((Source::S3, records.iter().map(s3::read).collect()));
    }
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let message = sns::message_of_record(record).ok_or(EventError::Missing { field: "Sns.Message" });
        match message.and_then(|message| inside(message, depth)) {
            Ok((_, records)) => all.extend(records),
            Err(error) => all.push(Record::unreadable(error)),
        }
    }
    Some((Source::Sns, all))
}

/// Parses the text of a message.
fn inside(message: &str, depth: usize) -> Result<(Source, Vec<Record>), EventError> {
    read(&serde_json::from_str(message)?, depth + 1)
}

/// Returns the original request in the record that Lambda sends to a destination.
///
/// Layout: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
fn requested(fields: &Map<String, Value>) -> Option<&Value> {
    fields.get("requestContext")?;
    fields.get("requestPayload")
}

//! Events as they may stand alone or inside a message: S3, SNS, EventBridge, direct, and what a destination was sent.

use serde_json::{Map, Value};

use super::error::EventError;
use super::record::{Record, Source};
use super::{direct, eventbridge, s3, sns};

/// How deep envelopes may lie in each other. A destination's record around SNS around EventBridge is three.
const MAX_DEPTH: usize = 4;

/// Reads what may stand alone or inside a message: everything but SQS and Batch.
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

/// Reads the events that EventBridge Pipes hands over together ("Amazon EventBridge Pipes batching and concurrency"); `None` if not one
/// of them is known.
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

/// Reads S3's and SNS's `Records`; `None` if they are neither's.
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

/// Reads the text of a message.
fn inside(message: &str, depth: usize) -> Result<(Source, Vec<Record>), EventError> {
    read(&serde_json::from_str(message)?, depth + 1)
}

/// What the function was asked, in the record that Lambda sends to a destination.
///
/// Its layout: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
fn requested(fields: &Map<String, Value>) -> Option<&Value> {
    fields.get("requestContext")?;
    fields.get("requestPayload")
}

//! SQS: a batch of messages, each of which is retried separately.
//!
//! Layouts: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Implementing partial batch responses".

use std::collections::HashSet;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::answer::{self, RecordResult};
use super::content;
use super::error::EventError;
use super::record::Record;
use super::text::text;

/// A message, and the range of its records in the event.
#[derive(Debug)]
pub(super) struct Message {
    id: String,
    records: Range<usize>,
}

/// Returns the messages if the event is a batch of messages.
pub(super) fn messages(event: &Value) -> Option<&[Value]> {
    // EventBridge Pipes passes the array of messages without `Records` and reads the same response.
    let records = event.as_array().or_else(|| event.get("Records")?.as_array())?;
    let is_message = |record: &Value| {
        text(record, "/eventSource") == Some("aws:sqs")
            || record.get("messageId").is_some() && record.get("body").is_some()
    };
    records.iter().any(is_message).then_some(records)
}

/// Reads all messages. A problem inside a message affects only this message.
pub(super) fn read(batch: &[Value]) -> Result<(Vec<Message>, Vec<Record>), EventError> {
    let mut messages = Vec::with_capacity(batch.len());
    let mut records = Vec::with_capacity(batch.len());
    for message in batch {
        let start = records.len();
        // A response without a message id, or with an unknown id, would fail the whole batch.
        let id = text(message, "/messageId").filter(|id| !id.is_empty());
        let id = id.ok_or(EventError::Missing { field: "Records[].messageId" })?.to_owned();
        match read_body(message) {
            Ok(found) => records.extend(found),
            Err(error) => records.push(Record::unreadable(error)),
        }
        messages.push(Message { id, records: start..records.len() });
    }
    Ok((messages, records))
}

fn read_body(message: &Value) -> Result<Vec<Record>, EventError> {
    let body = text(message, "/body").ok_or(EventError::Missing { field: "body" })?;
    Ok(content::read(&serde_json::from_str(body)?, 0)?.1)
}

/// Returns the ids of the messages in which any record failed. The results beside them are for people; Lambda ignores
/// them.
pub(super) fn reply(messages: &[Message], results: &[RecordResult<'_>]) -> Value {
    let mut named = HashSet::new();
    let mut failures = Vec::new();
    let mut told = Vec::new();
    for message in messages {
        let of_message = results.get(message.records.clone()).unwrap_or_default();
        if of_message.iter().any(|result| result.failure().is_some()) && named.insert(&message.id) {
            failures.push(json!({ "itemIdentifier": message.id }));
        }
        told.extend(of_message.iter().map(|result| (Some(message.id.as_str()), result)));
    }
    let mut reply = Map::new();
    reply.insert("batchItemFailures".to_owned(), failures.into());
    reply.extend(answer::results(told));
    reply.into()
}

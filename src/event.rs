//! Lambda events: from JSON to the objects that they name, and from what came of those to the answer their source reads.
//!
//! [`Event::parse`] tells the sources apart by the shape of the JSON and opens the envelopes (SNS inside SQS, EventBridge
//! inside either), until each [`Record`] is an object with its key decoded, something to skip, or something that cannot
//! be read. Only a shape that is not known at all, or an envelope that could not be answered, fails the whole event.
//! [`Event::objects`] names every object once, however many records are about it: what is worked on is the object as it
//! is now, so all of its records get the same result. The caller works on each and tells one [`Outcome`] for each;
//! [`Event::answer`] spreads them over the records again, and makes of them the reply or the [`FunctionError`] that leads
//! to a retry and, in the end, to where failures are kept.
//!
//! | source | key decoding | answer | way to the dead-letter queue |
//! |---|---|---|---|
//! | S3 notification | form: `+` is a space, then `%XX` | `{"results": […]}`; one failed record is a function error | Lambda retries twice, then the on-failure destination or the function's DLQ |
//! | SNS | that of the message | as S3 | as S3 |
//! | EventBridge | none: keys come as they are | as S3 | as S3; the target's own DLQ only gets what Lambda did not take |
//! | direct `{"bucket", "key"}` | none | as S3 | the caller sees the error; invoked asynchronously, as S3 |
//! | SQS, around any of these | that of the message | `{"batchItemFailures": […], "results": […]}` | the queue's redrive policy |
//! | S3 Batch Operations | form; with a `+` in it, also `%XX` alone | a result code for each task | the job's completion report |
//!
//! The event source mapping of a queue must have `ReportBatchItemFailures` switched on. Without it Lambda does not look at
//! the reply and deletes every message of the batch, failed ones too.
//!
//! The record that Lambda sends to an on-failure destination is itself an event here: its `requestPayload` is read. So
//! failures are worked on again by sending them from the destination queue to the function.
//!
//! Everything here is pure: no network, no clock.

mod answer;
mod batch;
mod direct;
mod error;
mod eventbridge;
mod key;
mod objects;
mod s3;
mod sns;
mod sqs;

use serde_json::{Map, Value};

pub use answer::{FunctionError, Outcome};
pub use batch::BatchJob;
pub use error::EventError;
pub use objects::DistinctObject;

/// How deep envelopes may lie in each other. A destination's record around SNS around EventBridge is three.
const MAX_DEPTH: usize = 4;

/// Who sent the event, and so who reads the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// An S3 notification, `s3:TestEvent` included.
    S3,
    /// An SNS topic.
    Sns,
    /// An EventBridge rule.
    EventBridge,
    /// Somebody who names bucket and key.
    Direct,
    /// A queue, whatever its messages hold.
    Sqs,
    /// A job of S3 Batch Operations.
    Batch,
}

impl Source {
    /// The stable name of the source.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Sns => "sns",
            Self::EventBridge => "eventbridge",
            Self::Direct => "direct",
            Self::Sqs => "sqs",
            Self::Batch => "batch",
        }
    }
}

/// An object as an event names it. What else the event says of it (ETag, its version) is not kept: the object may be
/// another by now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectRef {
    /// Name of the bucket; not empty.
    pub bucket: String,
    /// Key of the object, decoded; not empty.
    pub key: String,
    /// The other reading of the key, to be tried once when no object has the first. Only Batch has it: AWS does not say
    /// whether a `+` in a manifest is a space.
    pub alternative_key: Option<String>,
    /// Size in bytes when the event was made. A hint: the object may have been replaced since.
    pub size_hint: Option<u64>,
    /// The version that a Batch manifest asks for. Reading it needs a permission of its own, so it is not read unless
    /// that is asked for.
    pub version_id: Option<String>,
    /// Orders the events of one key; see [`DistinctObject`].
    pub sequencer: Option<String>,
}

/// One thing that an event is about.
#[derive(Debug)]
#[non_exhaustive]
pub enum Record {
    /// An object to work on.
    Object(ObjectRef),
    /// Nothing to do: a removed object, a test event.
    Skipped {
        /// Name of the bucket, if there is one.
        bucket: Option<String>,
        /// Key of the object, if there is one.
        key: Option<String>,
        /// Why there is nothing to do.
        reason: String,
    },
    /// It cannot be read, and will not be next time either.
    Unreadable {
        /// Name of the bucket, as far as it could be read.
        bucket: Option<String>,
        /// Key of the object, as it was sent.
        key: Option<String>,
        /// What is wrong with it.
        error: EventError,
    },
}

impl Record {
    fn unreadable(error: EventError) -> Self {
        Self::Unreadable { bucket: None, key: None, error }
    }

    /// Name of the bucket, if it is known.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.bucket),
            Self::Skipped { bucket, .. } | Self::Unreadable { bucket, .. } => bucket.as_deref(),
        }
    }

    /// Key of the object, if it is known; decoded, except in what cannot be read.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Object(object) => Some(&object.key),
            Self::Skipped { key, .. } | Self::Unreadable { key, .. } => key.as_deref(),
        }
    }
}

/// What the answer needs to know besides the records.
#[derive(Debug)]
enum Envelope {
    Invocation(Source),
    Sqs(Vec<sqs::Message>),
    Batch(BatchJob),
}

/// An event: its records in order, and who wants the answer.
#[derive(Debug)]
pub struct Event {
    envelope: Envelope,
    records: Vec<Record>,
    objects: Vec<objects::Group>,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError`], when it is not JSON, is of no known shape ([`Unsupported`](crate::ErrorKind::Unsupported)), or
    /// lacks what the answer must repeat: message ids of SQS, task ids of Batch. The invocation then fails as a whole;
    /// `FunctionError::from` says how. A single record that cannot be read is a [`Record::Unreadable`] instead.
    pub fn parse(json: &[u8]) -> Result<Self, EventError> {
        Self::from_value(&serde_json::from_slice(json)?)
    }

    /// Reads an event that is JSON already.
    ///
    /// # Errors
    /// As [`Event::parse`].
    pub fn from_value(event: &Value) -> Result<Self, EventError> {
        let (envelope, records) = if let Some(messages) = sqs::messages(event) {
            let (messages, records) = sqs::read(messages)?;
            (Envelope::Sqs(messages), records)
        } else if batch::is_batch(event) {
            let (job, records) = batch::read(event)?;
            (Envelope::Batch(job), records)
        } else {
            let (source, records) = content(event, 0)?;
            (Envelope::Invocation(source), records)
        };
        let objects = objects::distinct(&records);
        Ok(Self { envelope, records, objects })
    }

    /// Who sent the event.
    pub const fn source(&self) -> Source {
        match &self.envelope {
            Envelope::Invocation(source) => *source,
            Envelope::Sqs(_) => Source::Sqs,
            Envelope::Batch(_) => Source::Batch,
        }
    }

    /// Whether its objects are there for long, perhaps with contents that people have edited since: those are not to
    /// be overwritten unless that is asked for.
    pub const fn is_backfill(&self) -> bool {
        matches!(self.envelope, Envelope::Batch(_))
    }

    /// The Batch job, if it is one.
    pub const fn batch_job(&self) -> Option<&BatchJob> {
        match &self.envelope {
            Envelope::Batch(job) => Some(job),
            _ => None,
        }
    }

    /// What the event is about, in its order; of SQS, the records of all messages.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The objects to work on, each once, in the order in which they are first named.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = DistinctObject<'_>> {
        self.objects.iter().filter_map(|group| group.of(&self.records)).collect::<Vec<_>>().into_iter()
    }

    /// The reply to the invoker, from one outcome for each of [`Event::objects`], in their order. An object without an
    /// outcome counts as one that was not started: nothing is lost by a short list.
    ///
    /// # Errors
    /// A [`FunctionError`] is what the invoker must be answered, when a record failed and its source reads failures
    /// no other way. For SQS and Batch there is always a reply.
    pub fn answer(&self, outcomes: &[Outcome]) -> Result<Value, FunctionError> {
        let results = answer::by_record(&self.records, &self.objects, outcomes);
        match &self.envelope {
            Envelope::Invocation(_) => answer::invocation(&results),
            Envelope::Sqs(messages) => Ok(sqs::reply(messages, &results)),
            Envelope::Batch(job) => Ok(batch::reply(job, &results)),
        }
    }
}

/// Reads what may stand alone or inside a message: everything but SQS and Batch.
fn content(event: &Value, depth: usize) -> Result<(Source, Vec<Record>), EventError> {
    if depth > MAX_DEPTH {
        return Err(EventError::TooDeep);
    }
    let unknown = || EventError::unknown_shape(event);
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
        return content(event, depth + 1);
    }
    direct::read(fields).map(|record| (Source::Direct, vec![record])).ok_or_else(unknown)
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
    content(&serde_json::from_str(message)?, depth + 1)
}

/// What the function was asked, in the record that Lambda sends to a destination.
///
/// Its layout: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
fn requested(fields: &Map<String, Value>) -> Option<&Value> {
    fields.get("requestContext")?;
    fields.get("requestPayload")
}

/// The text at a JSON pointer.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The beginning of a text, at most so many characters, for messages.
fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

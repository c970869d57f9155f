//! Parses Lambda events into the objects that they name, and builds the response that the source of the event reads.
//!
//! [`Event::parse`] recognises the source by the shape of the JSON and unpacks the envelopes (SNS inside SQS,
//! EventBridge inside either). Each [`Record`] is then an object with a decoded key, something to skip, or something
//! unreadable. The whole event fails only if its shape is unknown, or if its envelope lacks a field that the response
//! must repeat.
//!
//! [`Event::objects`] returns each object once, even if several records are about the object: the job processes the
//! object as it is now, so all of its records get the same result. The caller processes each object and passes one
//! [`Outcome`] per object to [`Event::answer`]. `answer` assigns the outcomes to the records and builds the response,
//! or the [`FunctionError`] that leads to a retry and finally to the dead-letter queue.
//!
//! | source | key decoding | response | path to the dead-letter queue |
//! |---|---|---|---|
//! | S3 notification | form: `+` is a space, then `%XX` | `{"results": […]}`; one failed record is a function error | Lambda retries twice, then the on-failure destination or the function's DLQ |
//! | SNS | as in the message | as S3 | as S3 |
//! | EventBridge | none: keys are not encoded | as S3 | as S3; the DLQ of the target receives only events that Lambda did not accept |
//! | direct `{"bucket", "key"}` | none | as S3 | the caller receives the error; for asynchronous invocations, as S3 |
//! | an array from EventBridge Pipes | as in each element | as S3; for SQS messages, as SQS | the DLQ of the pipe |
//! | SQS, with any of these as message | as in the message | `{"batchItemFailures": […], "results": […]}` | the queue's redrive policy |
//! | S3 Batch Operations | form; a key with a `+` is also tried with `%XX` decoding only | a result code for each task | the job's completion report |
//!
//! The event source mapping of a queue must enable `ReportBatchItemFailures`. Without this setting Lambda ignores the
//! response and deletes every message of the batch, including the failed ones.
//!
//! The record that Lambda sends to an on-failure destination is also a valid event: its `requestPayload` is read. To
//! process failures again, send the records from the destination queue to the function.
//!
//! All functions are pure: they use no network and no clock.

mod answer;
mod batch;
mod content;
mod direct;
mod error;
mod eventbridge;
mod key;
mod objects;
mod record;
mod s3;
mod sns;
mod sqs;
mod text;

use serde_json::Value;

pub use answer::{FunctionError, Outcome};
pub use batch::BatchJob;
pub use error::EventError;
pub use objects::DistinctObject;
pub use record::{ObjectRef, Record, Source};

/// The information that the response needs besides the records.
#[derive(Debug)]
enum Envelope {
    Invocation(Source),
    Sqs(Vec<sqs::Message>),
    Batch(BatchJob),
}

/// A parsed event: its records in order, and its source.
#[derive(Debug)]
pub struct Event {
    envelope: Envelope,
    records: Vec<Record>,
    objects: Vec<objects::Group>,
}

impl Event {
    /// Parses an event.
    ///
    /// # Errors
    /// An [`EventError`] when the text is not JSON, has no known shape
    /// ([`Unsupported`](crate::ErrorKind::Unsupported)), or lacks a field that the response must repeat: the message
    /// ids of SQS or the task ids of Batch. The invocation then fails as a whole, with the error from
    /// `FunctionError::from`. A single record that cannot be read becomes a [`Record::Unreadable`] instead.
    pub fn parse(json: &[u8]) -> Result<Self, EventError> {
        Self::from_value(&serde_json::from_slice(json)?)
    }

    /// Parses an event from a JSON value.
    ///
    /// # Errors
    /// The same as of [`Event::parse`].
    pub fn from_value(event: &Value) -> Result<Self, EventError> {
        let (envelope, records) = if let Some(messages) = sqs::messages(event) {
            let (messages, records) = sqs::read(messages)?;
            (Envelope::Sqs(messages), records)
        } else if batch::is_batch(event) {
            let (job, records) = batch::read(event)?;
            (Envelope::Batch(job), records)
        } else {
            let (source, records) = content::read(event, 0)?;
            (Envelope::Invocation(source), records)
        };
        let objects = objects::distinct(&records);
        Ok(Self { envelope, records, objects })
    }

    /// Returns the event with its records about tags skipped.
    #[must_use]
    pub fn without_tagging(mut self) -> Self {
        for record in &mut self.records {
            if let Record::Object(ObjectRef { bucket, key, is_tagging: true, .. }) = record {
                let reason = "tag changes are ignored because POSTER_AT_TAG is not set".to_owned();
                let (bucket, key) = (Some(std::mem::take(bucket)), Some(std::mem::take(key)));
                *record = Record::Skipped { bucket, key, reason };
            }
        }
        self.objects = objects::distinct(&self.records);
        self
    }

    /// Returns the source of the event.
    pub const fn source(&self) -> Source {
        match &self.envelope {
            Envelope::Invocation(source) => *source,
            Envelope::Sqs(_) => Source::Sqs,
            Envelope::Batch(_) => Source::Batch,
        }
    }

    /// Returns whether the event belongs to a back-fill. Its objects may be old, and people may have edited their
    /// contents since. Existing contents are then overwritten only if the settings request it.
    pub const fn is_backfill(&self) -> bool {
        matches!(self.envelope, Envelope::Batch(_))
    }

    /// Returns the Batch job; `None` for other sources.
    pub const fn batch_job(&self) -> Option<&BatchJob> {
        match &self.envelope {
            Envelope::Batch(job) => Some(job),
            _ => None,
        }
    }

    /// Returns the records in the order of the event; for SQS, the records of all messages.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the objects to process, each once, in the order of their first record.
    pub fn objects(&self) -> impl ExactSizeIterator<Item = DistinctObject<'_>> {
        self.objects.iter().filter_map(|group| group.of(&self.records)).collect::<Vec<_>>().into_iter()
    }

    /// Returns the response for the invoker. `outcomes` contains one outcome for each of [`Event::objects`], in their
    /// order. An object without an outcome counts as not started, so nothing is lost if the list is too short.
    ///
    /// # Errors
    /// A [`FunctionError`] to return to the invoker when a record failed and the source can receive failures in no
    /// other way. For SQS and Batch there is always a response.
    pub fn answer(&self, outcomes: &[Outcome]) -> Result<Value, FunctionError> {
        let results = answer::by_record(&self.records, &self.objects, outcomes);
        match &self.envelope {
            Envelope::Invocation(_) => answer::invocation(&results),
            Envelope::Sqs(messages) => Ok(sqs::reply(messages, &results)),
            Envelope::Batch(job) => Ok(batch::reply(job, &results)),
        }
    }
}

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
//! | an array of EventBridge Pipes | that of each element | as S3; of SQS messages, as SQS | the pipe's |
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
            let (source, records) = content::read(event, 0)?;
            (Envelope::Invocation(source), records)
        };
        let objects = objects::distinct(&records);
        Ok(Self { envelope, records, objects })
    }

    /// The same event, whose records about tags are skipped.
    #[must_use]
    pub fn without_tagging(mut self) -> Self {
        for record in &mut self.records {
            if let Record::Object(ObjectRef { bucket, key, is_tagging: true, .. }) = record {
                let reason = "its tags choose nothing: POSTER_AT_TAG is not set".to_owned();
                let (bucket, key) = (Some(std::mem::take(bucket)), Some(std::mem::take(key)));
                *record = Record::Skipped { bucket, key, reason };
            }
        }
        self.objects = objects::distinct(&self.records);
        self
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

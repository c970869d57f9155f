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

    /// Returns the maximum bytes of the response to this event as JSON, whatever the outcomes. `sent` is the number of bytes of the event.
    /// The responses to queues and to Batch jobs contain the ids of all messages or tasks, which are part of the event.
    #[cfg(any(test, fuzzing))]
    pub fn max_answer_bytes(&self, sent: usize) -> usize {
        answer::MAX_ANSWER_BYTES
            + match &self.envelope {
                Envelope::Invocation(_) => 0,
                Envelope::Sqs(_) => 2 * sent,
                Envelope::Batch(_) => 2 * sent + self.records.len() * answer::MAX_TASK_BYTES,
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ErrorKind;

    /// With the failed request, a queue as a destination takes 256 KiB.
    const _: () = assert!(answer::MAX_ANSWER_BYTES < 256 << 10);

    /// The texts of an event and of the outcomes consist of one character, which JSON may escape.
    const CHARACTERS: [char; 6] = ['a', '"', '\n', '\u{1}', '가', '🎬'];

    /// Returns the JSON of an answer.
    fn written(answer: Result<Value, FunctionError>) -> String {
        match answer {
            Ok(reply) => reply.to_string(),
            Err(error) => serde_json::to_string(&error).unwrap(),
        }
    }

    /// Events with many records, and with ids and keys of every length.
    fn events(character: char) -> Vec<String> {
        let text = |length: usize| character.to_string().repeat(length);
        let mut events = Vec::new();
        for (count, length) in [(1, 1), (1, 10_000), (60, 1100), (120, 1)] {
            let record = |number: usize| {
                let key = format!("{number}{}.mp4", text(length));
                json!({"s3": {"bucket": {"name": text(length)}, "object": {"key": key}}})
            };
            let records: Vec<_> = (0..count).map(record).collect();
            let message = |number: usize| {
                let id = format!("{number}{}", text(length));
                json!({"messageId": id, "body": json!({"Records": [record(number)]}).to_string()})
            };
            let tasks = |number: usize| json!({"taskId": format!("{number}{}", text(length)), "s3Bucket": "b", "s3Key": format!("{number}.mp4")});
            let bare = |number: usize| json!({"messageId": number.to_string()});
            let of_queue = |messages: Vec<Value>| json!({"Records": messages});
            let job = json!({
                "invocationSchemaVersion": "2.0",
                "invocationId": text(length),
                "job": {"id": "1"},
                "tasks": (0..count).map(tasks).collect::<Vec<_>>(),
            });
            events.push(json!({ "Records": records }));
            events.push(of_queue((0..count).map(message).collect()));
            // The shortest messages: each gets its failure.
            events.push(of_queue(
                (0..count).map(bare).chain([json!({"messageId": "x", "body": ""})]).collect(),
            ));
            events.push(job);
        }
        events.iter().map(Value::to_string).collect()
    }

    #[test]
    fn no_answer_is_longer_than_its_bound() {
        let mut longest = [0; 3];
        for character in CHARACTERS {
            let long = character.to_string().repeat(1100);
            for json in events(character) {
                let event = Event::parse(json.as_bytes()).unwrap();
                let count = event.objects().len();
                let report = json!({"status": "processed", "thumbnail_url": long, "video_url": long});
                let kinds = [
                    Outcome::Done { report },
                    Outcome::Skipped { reason: long.clone() },
                    Outcome::Missing { reason: long.clone() },
                    Outcome::failed(ErrorKind::LimitExceeded, long.clone()),
                    Outcome::failed(ErrorKind::Internal, character),
                    Outcome::unstarted(long.clone()),
                ];
                let alike = kinds.iter().map(|outcome| vec![outcome.clone(); count]);
                for outcomes in alike.chain([Vec::new()]) {
                    let length = written(event.answer(&outcomes)).len();
                    let most = event.max_answer_bytes(json.len());
                    assert!(length <= most, "{length} bytes, at most {most}: {character:?}, {:.200}", json);
                    let of_source = match event.source() {
                        Source::Sqs => 1,
                        Source::Batch => 2,
                        _ => 0,
                    };
                    longest[of_source] = longest[of_source].max(length * 1000 / most);
                }
            }
        }
        // The bound of an invocation is close to its longest answer. All answers of that length are failures full of quotation marks.
        assert!(longest[0] >= 970 && longest.iter().all(|share| *share >= 300), "{longest:?}");
    }

    #[test]
    fn the_error_of_an_event_that_cannot_be_read_is_short() {
        for character in CHARACTERS {
            let name = |number: usize| format!("{number}{}", character.to_string().repeat(3000));
            let fields: serde_json::Map<_, _> = (0..100).map(|number| (name(number), Value::Null)).collect();
            for event in [
                json!(fields),
                json!({"Records": [fields]}),
                json!({"invocationSchemaVersion": name(9), "tasks": []}),
            ] {
                let error = Event::from_value(&event).unwrap_err();
                let length = serde_json::to_string(&FunctionError::from(error)).unwrap().len();
                assert!(length <= 20_000, "{length} bytes: {character:?}");
            }
        }
    }
}

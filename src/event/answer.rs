//! The outcomes of objects, and the responses to invokers.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, json};

use super::error::EventError;
use super::objects::Group;
use super::record::Record;
use super::text::beginning;
use crate::ErrorKind;

/// Maximum characters of a message or reason in a response.
const MAX_TEXT_CHARS: usize = 1000;

/// Maximum characters of a bucket, key or message id. Keys in S3 have at most 1,024 bytes, but an event may contain any
/// text.
const MAX_NAME_CHARS: usize = 1024;

/// Maximum bytes of the results in a response. Lambda passes at most 256 KiB to a queue as a destination, and this
/// includes the failed request.
const MAX_RESULTS_BYTES: usize = 100_000;

/// Maximum bytes of a [`FunctionError`] as JSON, and of a response to an invocation. A queue as a destination gets no more than this, apart
/// from the failed request. The message of the error is JSON inside JSON: in the worst case its texts consist of quotation marks, and
/// each byte becomes two.
#[cfg(any(test, fuzzing))]
pub(super) const MAX_ANSWER_BYTES: usize = 2 * (MAX_RESULTS_BYTES + 100) + 100;

/// Maximum bytes of the result of a Batch task as JSON, without the task's id: each character may be escaped.
#[cfg(any(test, fuzzing))]
pub(super) const MAX_TASK_BYTES: usize = 6 * 1024 + 100;

/// The outcome of one object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// The object was processed, was unchanged, or was skipped by its key; the report contains the details.
    Done {
        /// The report, a JSON object whose fields are copied into the response.
        report: Value,
    },
    /// The object needs no processing.
    Skipped {
        /// The reason.
        reason: String,
    },
    /// The object does not exist. For most sources this is not a failure, because an event may arrive long after its
    /// object was removed. A Batch task fails permanently, because people look in the job's report for superfluous
    /// entries of their manifest.
    Missing {
        /// The reason, with the location of the object.
        reason: String,
    },
    /// Processing the object failed.
    Failed {
        /// Stable name of the kind of failure: [`ErrorKind::as_str`].
        error_type: &'static str,
        /// Description of the failure.
        message: String,
        /// Whether a retry would certainly fail again.
        permanent: bool,
        /// Whether no time was left to start.
        unstarted: bool,
    },
}

impl Outcome {
    /// Creates a failure of this kind. The failure is permanent if the kind is not
    /// [retryable](ErrorKind::is_retryable).
    pub fn failed(kind: ErrorKind, message: impl Into<String>) -> Self {
        let permanent = !kind.is_retryable();
        Self::Failed { error_type: kind.as_str(), message: message.into(), permanent, unstarted: false }
    }

    /// Creates the outcome of an object for which no time was left. A retry processes the object.
    pub fn unstarted(message: impl Into<String>) -> Self {
        let error_type = ErrorKind::Timeout.as_str();
        Self::Failed { error_type, message: message.into(), permanent: false, unstarted: true }
    }
}

/// The failure of an invocation, in Lambda's format: `errorType` and `errorMessage`.
///
/// `errorType` is the name of the [`ErrorKind`] if all failed records have the same kind, or else
/// [`SEVERAL`](Self::SEVERAL). If records failed, the message is JSON:
/// `{"failed": [{"bucket", "key", "error", "permanent", "message"}], "succeeded": 2}`. Each message has at most 1,000
/// characters, and `"omitted"` is the number of entries left out beyond 100 kB. The record in an on-failure destination
/// therefore shows which objects to process again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FunctionError {
    /// Stable name of the kind of failure.
    pub error_type: &'static str,
    /// Description of the failure, or JSON with the failed records.
    #[serde(rename = "errorMessage")]
    pub message: String,
}

impl FunctionError {
    /// Creates a failure of the invocation as a whole.
    pub fn new(kind: ErrorKind, message: impl std::fmt::Display) -> Self {
        Self { error_type: kind.as_str(), message: message.to_string() }
    }

    /// The `errorType` of an invocation with failures of different kinds.
    pub const SEVERAL: &'static str = "several";
}

/// Deserialises the output of [`Serialize`]. An unknown `errorType` is an error.
impl<'de> Deserialize<'de> for FunctionError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            error_type: String,
            error_message: String,
        }
        let Written { error_type: name, error_message: message } = Written::deserialize(deserializer)?;
        let error_type = match ErrorKind::from_name(&name) {
            Some(kind) => kind.as_str(),
            None if name == Self::SEVERAL => Self::SEVERAL,
            None => return Err(de::Error::custom(format_args!("unknown error type {name:?}"))),
        };
        Ok(Self { error_type, message })
    }
}

impl From<EventError> for FunctionError {
    fn from(error: EventError) -> Self {
        Self { error_type: error.kind().as_str(), message: error.to_string() }
    }
}

/// A record and its outcome.
#[derive(Debug)]
pub(super) struct RecordResult<'a> {
    pub(super) record: &'a Record,
    pub(super) outcome: Cow<'a, Outcome>,
}

/// The parts of [`Outcome::Failed`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure<'a> {
    pub(super) error_type: &'static str,
    pub(super) message: &'a str,
    pub(super) permanent: bool,
    pub(super) unstarted: bool,
}

impl RecordResult<'_> {
    pub(super) fn failure(&self) -> Option<Failure<'_>> {
        match &*self.outcome {
            Outcome::Failed { error_type, message, permanent, unstarted } => {
                Some(Failure { error_type, message, permanent: *permanent, unstarted: *unstarted })
            }
            _ => None,
        }
    }

    /// Returns bucket and key from the event. A report overwrites them, because it contains the reading of the key
    /// under which the object was found.
    fn named(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        for (name, text) in [("bucket", self.record.bucket()), ("key", self.record.key())] {
            if let Some(text) = text {
                fields.insert(name.to_owned(), beginning(text, MAX_NAME_CHARS).into());
            }
        }
        fields
    }

    fn told(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let status = match &*self.outcome {
            Outcome::Done { .. } => "processed",
            Outcome::Skipped { .. } | Outcome::Missing { .. } => "skipped",
            Outcome::Failed { .. } => "failed",
        };
        fields.insert("status".to_owned(), status.into());
        fields.extend(self.named());
        match &*self.outcome {
            Outcome::Done { report: Value::Object(report) } => {
                fields.extend(report.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            Outcome::Done { report } => drop(fields.insert("report".to_owned(), report.clone())),
            Outcome::Skipped { reason } | Outcome::Missing { reason } => {
                fields.insert("reason".to_owned(), shown(reason));
            }
            Outcome::Failed { .. } => fields.extend(self.failure().map(Failure::told).unwrap_or_default()),
        }
        fields
    }
}

impl Failure<'_> {
    fn told(self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("error".to_owned(), self.error_type.into());
        fields.insert("permanent".to_owned(), self.permanent.into());
        if self.unstarted {
            fields.insert("unstarted".to_owned(), true.into());
        }
        fields.insert("message".to_owned(), shown(self.message));
        fields
    }
}

fn shown(text: &str) -> Value {
    beginning(text, MAX_TEXT_CHARS).into()
}

/// Assigns to every record the outcome of its object. Unreadable and skipped records have their own outcomes.
pub(super) fn by_record<'a>(
    records: &'a [Record],
    groups: &[Group],
    outcomes: &'a [Outcome],
) -> Vec<RecordResult<'a>> {
    let own = |record: &Record| match record {
        Record::Skipped { reason, .. } => Outcome::Skipped { reason: reason.clone() },
        Record::Unreadable { error, .. } => Outcome::failed(error.kind(), error.to_string()),
        Record::Object(_) => Outcome::unstarted("the object was not processed"),
    };
    let mut of_objects = vec![None; records.len()];
    for (group, outcome) in groups.iter().zip(outcomes) {
        for &index in &group.records {
            of_objects[index] = Some(outcome);
        }
    }
    let pairs = records.iter().zip(of_objects);
    pairs
        .map(|(record, outcome)| {
            let outcome = outcome.map_or_else(|| Cow::Owned(own(record)), Cow::Borrowed);
            RecordResult { record, outcome }
        })
        .collect()
}

/// Returns the response for sources that distinguish only success and failure of the whole invocation.
pub(super) fn invocation(results: &[RecordResult<'_>]) -> Result<Value, FunctionError> {
    let failures = || results.iter().filter_map(|result| Some((result, result.failure()?)));
    let Some((_, first)) = failures().next() else {
        return Ok(self::results(results.iter().map(|result| (None, result))).into());
    };
    let is_same = failures().all(|(_, failure)| failure.error_type == first.error_type);
    let error_type = if is_same { first.error_type } else { FunctionError::SEVERAL };
    let named = failures().map(|(result, failure)| {
        let mut fields = result.named();
        fields.extend(failure.told());
        fields
    });
    let (failed, omitted) = bounded(named);
    let mut message = Map::new();
    message.insert("failed".to_owned(), failed.into());
    insert_count(&mut message, "omitted", omitted);
    message.insert("succeeded".to_owned(), json!(results.len() - failures().count()));
    Err(FunctionError { error_type, message: Value::from(message).to_string() })
}

/// Returns `results` in the order of the records, each with the id of its message if there is one.
pub(super) fn results<'a>(
    told: impl IntoIterator<Item = (Option<&'a str>, &'a RecordResult<'a>)>,
) -> Map<String, Value> {
    let (results, omitted) = bounded(told.into_iter().map(|(message_id, result)| {
        let mut fields = result.told();
        if let Some(id) = message_id {
            fields.insert("message_id".to_owned(), beginning(id, MAX_NAME_CHARS).into());
        }
        fields
    }));
    let mut reply = Map::new();
    reply.insert("results".to_owned(), results.into());
    insert_count(&mut reply, "omitted", omitted);
    reply
}

/// Returns the entries that fit, and the number of the others.
fn bounded(entries: impl Iterator<Item = Map<String, Value>>) -> (Vec<Value>, usize) {
    let (mut kept, mut bytes, mut omitted) = (Vec::new(), 0, 0);
    for entry in entries.map(Value::from) {
        bytes += entry.to_string().len() + 1;
        if bytes <= MAX_RESULTS_BYTES {
            kept.push(entry);
        } else {
            omitted += 1;
        }
    }
    (kept, omitted)
}

fn insert_count(fields: &mut Map<String, Value>, name: &str, count: usize) {
    if count > 0 {
        fields.insert(name.to_owned(), count.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_back_from_its_json() -> Result<(), serde_json::Error> {
        let several =
            FunctionError { error_type: FunctionError::SEVERAL, message: "{\"failed\": []}".to_owned() };
        for failure in [FunctionError::new(ErrorKind::NotFound, "s3://films/a.mp4: no such object"), several]
        {
            let json = serde_json::to_string(&failure)?;
            assert_eq!(serde_json::from_str::<FunctionError>(&json)?, failure, "{json}");
        }
        let unknown = r#"{"errorType": "odd", "errorMessage": ""}"#;
        assert!(serde_json::from_str::<FunctionError>(unknown).is_err());
        Ok(())
    }
}

//! S3 Batch Operations: tasks from a manifest, each with a result code in the response.
//!
//! Layouts: Amazon S3 User Guide, "Invoke AWS Lambda function". Version 1.0 identifies buckets by ARN. Version 2.0
//! identifies them by name and adds the user arguments of the job. This module accepts either field in either version.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::answer::{Outcome, RecordResult};
use super::error::EventError;
use super::key;
use super::record::{ObjectRef, Record};
use super::text::{beginning, text};
use crate::ErrorKind;

/// Maximum UTF-16 code units of a result string: 1,024 characters, also if characters outside the Basic Multilingual
/// Plane count twice.
const MAX_RESULT_UNITS: usize = 1024;

/// Maximum characters of the reason in a result string, chosen so that the reason fits even if every character is
/// escaped.
const MAX_REASON_CHARS: usize = 150;

/// The fields in the result string of a successful task, most important first. Fields that do not fit are left out.
const TOLD: [&str; 8] = [
    "status",
    "reason",
    "content_id",
    "duration",
    "frame_pts_seconds",
    "frame_reason",
    "thumbnail_url",
    "video_url",
];

/// The S3 Batch Operations job of an event.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchJob {
    /// The id of the job.
    pub id: Option<String>,
    /// The user arguments of the job. Empty before version 2.0.
    pub user_arguments: BTreeMap<String, String>,
    schema_version: String,
    invocation_id: String,
    task_ids: Vec<String>,
}

/// Returns whether the event is from a job, or is meant to be.
pub(super) fn is_batch(event: &Value) -> bool {
    event.get("invocationSchemaVersion").is_some()
        || event.get("invocationId").is_some() && event.get("tasks").is_some()
}

/// Reads the tasks, one record for each.
pub(super) fn read(event: &Value) -> Result<(BatchJob, Vec<Record>), EventError> {
    let field = |pointer, field| {
        text(event, pointer).filter(|text| !text.is_empty()).ok_or(EventError::Missing { field })
    };
    let schema_version = field("/invocationSchemaVersion", "invocationSchemaVersion")?;
    if !matches!(schema_version.split('.').next(), Some("1" | "2")) {
        return Err(EventError::version("invocationSchemaVersion", schema_version, "1.0 and 2.0"));
    }
    let tasks = event.get("tasks").and_then(Value::as_array);
    let tasks = tasks.ok_or(EventError::Missing { field: "tasks" })?;
    let task_id = |task| text(task, "/taskId").filter(|id| !id.is_empty()).map(str::to_owned);
    let task_ids = tasks.iter().map(task_id).collect::<Option<Vec<_>>>();
    let job = BatchJob {
        id: text(event, "/job/id").map(str::to_owned),
        user_arguments: user_arguments(event),
        schema_version: schema_version.to_owned(),
        invocation_id: field("/invocationId", "invocationId")?.to_owned(),
        task_ids: task_ids.ok_or(EventError::Missing { field: "tasks[].taskId" })?,
    };
    Ok((job, tasks.iter().map(read_task).collect()))
}

fn user_arguments(event: &Value) -> BTreeMap<String, String> {
    let arguments = event.pointer("/job/userArguments").and_then(Value::as_object);
    let written = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    arguments.into_iter().flatten().map(|(name, value)| (name.clone(), written(value))).collect()
}

fn read_task(task: &Value) -> Record {
    let raw_key = text(task, "/s3Key");
    let bucket = text(task, "/s3Bucket").or_else(|| text(task, "/s3BucketArn"));
    read_parts(task, bucket, raw_key).unwrap_or_else(|error| Record::Unreadable {
        bucket: bucket.map(str::to_owned),
        key: raw_key.map(str::to_owned),
        error,
    })
}

fn read_parts(task: &Value, bucket: Option<&str>, raw_key: Option<&str>) -> Result<Record, EventError> {
    let missing = |field| EventError::Missing { field };
    let bucket = bucket.filter(|name| !name.is_empty()).ok_or_else(|| missing("s3Bucket and s3BucketArn"))?;
    let raw_key = raw_key.filter(|key| !key.is_empty()).ok_or_else(|| missing("s3Key"))?;
    let alternative = raw_key.contains('+').then(|| key::percent_decoded(raw_key)).transpose()?;
    Ok(Record::Object(ObjectRef {
        bucket: bucket_name(bucket)?.to_owned(),
        key: key::form_decoded(raw_key)?,
        alternative_key: alternative,
        size_hint: None,
        version_id: text(task, "/s3VersionId").filter(|id| !id.is_empty()).map(str::to_owned),
        is_tagging: false,
        sequencer: None,
    }))
}

/// Returns the name in `arn:aws:s3:::name`, which may also contain region and account, or a plain name.
fn bucket_name(bucket: &str) -> Result<&str, EventError> {
    if !bucket.starts_with("arn:") {
        return Ok(bucket);
    }
    let mut parts = bucket.splitn(6, ':').skip(2);
    let service = parts.next();
    let resource = parts.nth(2).ok_or(EventError::BucketArn)?;
    let name = match service {
        Some("s3") => resource,
        // The ARN of a directory bucket.
        Some("s3express") => resource.strip_prefix("bucket/").ok_or(EventError::BucketArn)?,
        _ => return Err(EventError::BucketArn),
    };
    // Access points and objects have ARNs of the same service.
    if name.is_empty() || name.contains(['/', ':']) { Err(EventError::BucketArn) } else { Ok(name) }
}

/// Builds the response with one result for each task.
pub(super) fn reply(job: &BatchJob, results: &[RecordResult<'_>]) -> Value {
    let results = job.task_ids.iter().zip(results).map(|(task_id, result)| {
        let (code, said) = verdict(result);
        json!({"taskId": task_id, "resultCode": code, "resultString": said})
    });
    json!({
        "invocationSchemaVersion": job.schema_version,
        "treatMissingKeysAs": "PermanentFailure",
        "invocationId": job.invocation_id,
        "results": results.collect::<Vec<_>>(),
    })
}

fn verdict(result: &RecordResult<'_>) -> (&'static str, String) {
    let failed = |code, error: &str, message| (code, fitting(&format!("{error}: {message}")).to_owned());
    match &*result.outcome {
        Outcome::Failed { error_type, message, permanent: true, .. } => {
            failed("PermanentFailure", error_type, message)
        }
        Outcome::Failed { error_type, message, .. } => failed("TemporaryFailure", error_type, message),
        Outcome::Missing { reason } => failed("PermanentFailure", ErrorKind::NotFound.as_str(), reason),
        Outcome::Skipped { reason } => {
            let reason = beginning(reason, MAX_REASON_CHARS).into();
            ("Succeeded", summary([("status", "skipped".into()), ("reason", reason)]))
        }
        Outcome::Done { report } => {
            let told = TOLD.iter().filter_map(|name| Some((*name, report.get(name)?.clone())));
            ("Succeeded", summary(read_as(result.record, report).into_iter().chain(told)))
        }
    }
}

/// Returns the key as a field if the object was found under the other reading of its key.
fn read_as(record: &Record, report: &Value) -> Option<(&'static str, Value)> {
    let Record::Object(object) = record else { return None };
    let key = report.get("key")?.as_str()?;
    let is_alternative = key != object.key && object.alternative_key.as_deref() == Some(key);
    is_alternative.then(|| ("key_with_plus", key.into()))
}

/// Returns the fields as JSON, without null values and without fields that do not fit.
fn summary(fields: impl IntoIterator<Item = (&'static str, Value)>) -> String {
    let mut told = Map::new();
    let mut text = "{}".to_owned();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        told.insert(name.to_owned(), value);
        let longer = Value::from(told.clone()).to_string();
        if fitting(&longer).len() == longer.len() {
            text = longer;
        } else {
            told.remove(name);
        }
    }
    text
}

/// Returns the beginning of a text that fits into a result string, cut between two characters.
fn fitting(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > MAX_RESULT_UNITS
    });
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_by_name_and_arn() -> Result<(), EventError> {
        for bucket in [
            "films",
            "arn:aws:s3:::films",
            "arn:aws-cn:s3:::films",
            "arn:aws:s3:ap-northeast-2:111122223333:films",
            "arn:aws:s3express:ap-northeast-2:111122223333:bucket/films",
        ] {
            assert_eq!(bucket_name(bucket)?, "films");
        }
        for other in [
            "arn:",
            "arn:aws:s3",
            "arn:aws:s3::",
            "arn:aws:s3:::",
            "arn:aws:sqs:::films",
            "arn:aws:s3:::films/videos/1_x.mp4",
            "arn:aws:s3:ap-northeast-2:111122223333:accesspoint/films",
            "arn:aws:s3:ap-northeast-2:111122223333:accesspoint:films",
        ] {
            assert!(matches!(bucket_name(other), Err(EventError::BucketArn)), "{other}");
        }
        Ok(())
    }

    #[test]
    fn a_result_string_is_cut_between_characters() {
        let korean = "가".repeat(1025);
        assert_eq!(fitting(&korean).chars().count(), 1024);
        let emoji = format!("a{}", "🎬".repeat(512));
        assert_eq!(fitting(&emoji).encode_utf16().count(), 1023);
        assert_eq!(fitting("short"), "short");
    }

    #[test]
    fn a_summary_leaves_out_what_does_not_fit() {
        let long = "가".repeat(1010);
        let text =
            summary([("status", "processed".into()), ("video_url", long.into()), ("duration", 5.into())]);
        assert_eq!(text, r#"{"status":"processed","duration":5}"#);
    }
}

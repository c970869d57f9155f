//! One line a record in CloudWatch's embedded metric format, from which it makes metrics.
//!
//! The format is that of "Specification: Embedded metric format" in the Amazon CloudWatch User Guide: one JSON object a line whose
//! `_aws` member names namespace, dimensions and units of members beside it. Keys, buckets and ids are never dimensions: each
//! value of one is a metric to pay for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::event::Outcome;
use crate::logging;
use crate::process::{Report, Status};

/// What is measured of one record.
pub(super) struct Measured<'m> {
    pub(super) outcome: &'m Outcome,
    pub(super) report: Option<&'m Report>,
    pub(super) elapsed: Duration,
}

/// Writes the line.
pub(super) fn write(namespace: &str, function: &str, request_id: &str, measured: &Measured<'_>) {
    logging::say(&document(namespace, function, request_id, measured).to_string());
}

fn document(namespace: &str, function: &str, request_id: &str, measured: &Measured<'_>) -> Value {
    let mut values = Map::new();
    let mut metrics = Vec::new();
    let mut metric = |name: &str, unit: &str, value: u64| {
        metrics.push(json!({"Name": name, "Unit": unit}));
        values.insert(name.to_owned(), value.into());
    };
    metric("Records", "Count", 1);
    metric("Elapsed", "Milliseconds", milliseconds(measured.elapsed));
    if let Some(report) = measured.report.filter(|report| report.status == Status::Processed) {
        let steps = report.steps;
        metric("BytesFetched", "Bytes", report.ledger.bytes_fetched);
        metric("Requests", "Count", report.ledger.requests);
        metric("RoundTrips", "Count", report.ledger.round_trips);
        metric("LookTime", "Milliseconds", milliseconds(steps.look));
        metric("PictureTime", "Milliseconds", milliseconds(steps.picture));
        metric("ThumbnailTime", "Milliseconds", milliseconds(steps.thumbnail));
        metric("ContentTime", "Milliseconds", milliseconds(steps.content));
        metric("RowTime", "Milliseconds", milliseconds(steps.row));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut document = Map::new();
    document.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": milliseconds(now),
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": [["FunctionName", "Outcome"]],
                "Metrics": metrics,
            }],
        }),
    );
    document.insert("FunctionName".to_owned(), function.into());
    document.insert("Outcome".to_owned(), outcome(measured).into());
    document.insert("request_id".to_owned(), request_id.into());
    document.append(&mut values);
    document.into()
}

/// What came of it, in one word: the report's status, or the kind of the failure.
fn outcome(measured: &Measured<'_>) -> &'static str {
    match (measured.outcome, measured.report.map(|report| report.status)) {
        (_, Some(Status::Processed)) => "processed",
        (_, Some(Status::Unchanged)) => "unchanged",
        (Outcome::Missing { .. }, _) => "missing",
        (Outcome::Failed { unstarted: true, .. }, _) => "unstarted",
        (Outcome::Failed { error_type, .. }, _) => error_type,
        _ => "skipped",
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn every_metric_has_its_value_and_no_key_is_told() {
        let outcome = Outcome::failed(ErrorKind::Denied, "videos/1_x.mp4: AccessDenied");
        let measured = Measured { outcome: &outcome, report: None, elapsed: Duration::from_millis(12) };
        let document = document("films", "thumbnails", "abc", &measured);
        assert_eq!(document["Outcome"], "denied");
        assert_eq!(document["Elapsed"], 12);
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([["FunctionName", "Outcome"]]));
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(document[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
        }
        assert!(!document.to_string().contains("1_x"));
    }
}

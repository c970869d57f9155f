//! Writes one line per record in CloudWatch's embedded metric format, from which CloudWatch extracts metrics.
//!
//! The format is documented in "Specification: Embedded metric format" in the Amazon CloudWatch User Guide: one JSON
//! object per line, whose `_aws` member names the namespace, dimensions and units of the other members. Keys, buckets
//! and ids are never dimensions, because each value of a dimension is a separately billed metric.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::Ledger;
use crate::event::Outcome;
use crate::logging;
use crate::process::{Agreement, Comparison, Report, Status, StoryboardReport, StoryboardStatus};

/// The result of an object that did not fail.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Finished {
    Job(Report),
    /// The result in shadow mode.
    Comparison(Comparison),
}

impl Finished {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Job(report) => &report.key,
            Self::Comparison(comparison) => &comparison.key,
        }
    }
}

/// The measurements of one record.
pub(super) struct Measured<'m> {
    pub(super) outcome: &'m Outcome,
    pub(super) finished: Option<&'m Finished>,
    pub(super) elapsed: Duration,
}

/// Writes the line.
pub(super) fn write(namespace: &str, function: &str, request_id: &str, measured: &Measured<'_>) {
    logging::say_json(&document(namespace, function, request_id, measured));
}

fn document(namespace: &str, function: &str, request_id: &str, measured: &Measured<'_>) -> Value {
    let mut metrics = Metrics::default();
    metrics.add("Records", "Count", 1);
    metrics.milliseconds("Elapsed", measured.elapsed);
    match measured.finished {
        Some(Finished::Job(report)) if report.status == Status::Processed => {
            metrics.read(&report.ledger);
            metrics.add("RoundTrips", "Count", report.job_round_trips);
            let steps = report.steps;
            metrics.milliseconds("LookTime", steps.look);
            metrics.milliseconds("PictureTime", steps.picture);
            metrics.milliseconds("ThumbnailTime", steps.thumbnail);
            metrics.milliseconds("ContentTime", steps.content);
            metrics.milliseconds("RowTime", steps.row);
            metrics.storyboard(report.storyboard.as_deref());
        }
        Some(Finished::Job(report)) => metrics.storyboard(report.storyboard.as_deref()),
        Some(Finished::Comparison(comparison)) if comparison.status != Agreement::Skipped => {
            metrics.read(&comparison.ledger);
            metrics.milliseconds("LookTime", comparison.steps.look);
            metrics.milliseconds("PictureTime", comparison.steps.picture);
            metrics.agreement(comparison);
        }
        _ => {}
    }
    let Metrics { values: mut numbers, directives } = metrics;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut document = Map::new();
    document.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": milliseconds(now),
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": [["FunctionName", "Outcome"]],
                "Metrics": directives,
            }],
        }),
    );
    document.insert("FunctionName".to_owned(), function.into());
    document.insert("Outcome".to_owned(), outcome(measured).into());
    document.insert("request_id".to_owned(), request_id.into());
    if let Some(Finished::Job(Report { isolation: Some(layers), .. })) = measured.finished {
        // A property, not a metric.
        document.insert("isolation".to_owned(), json!(layers));
    }
    document.append(&mut numbers);
    document.into()
}

/// The values, and their descriptions for CloudWatch.
#[derive(Default)]
struct Metrics {
    values: Map<String, Value>,
    directives: Vec<Value>,
}

impl Metrics {
    fn add(&mut self, name: &str, unit: &str, value: impl Into<Value>) {
        self.directives.push(json!({"Name": name, "Unit": unit}));
        self.values.insert(name.to_owned(), value.into());
    }

    fn milliseconds(&mut self, name: &str, time: Duration) {
        self.add(name, "Milliseconds", milliseconds(time));
    }

    fn read(&mut self, ledger: &Ledger) {
        self.add("BytesFetched", "Bytes", ledger.bytes_fetched);
        self.add("Requests", "Count", ledger.requests);
        self.add("ReadRoundTrips", "Count", ledger.round_trips);
    }

    /// Adds the cost of a storyboard that was written, or the failure of a video that cannot have one.
    fn storyboard(&mut self, storyboard: Option<&StoryboardReport>) {
        match storyboard {
            Some(storyboard) if storyboard.status == StoryboardStatus::Written => {
                self.milliseconds("StoryboardTime", storyboard.elapsed);
                self.add("StoryboardBytesFetched", "Bytes", storyboard.ledger.bytes_fetched);
                self.add("StoryboardRequests", "Count", storyboard.ledger.requests);
            }
            Some(storyboard) if storyboard.status == StoryboardStatus::Failed => {
                self.add("StoryboardFailures", "Count", 1);
            }
            _ => {}
        }
    }

    /// Adds ones and zeros, so that their average is the share of agreement.
    fn agreement(&mut self, comparison: &Comparison) {
        let Comparison { duration, stored_duration, duration_agrees, psnr_db, picture_agrees, .. } =
            comparison;
        if let Some(agrees) = duration_agrees {
            self.add("DurationAgrees", "Count", u64::from(*agrees));
        }
        if let Some((ours, stored)) = duration.zip(*stored_duration) {
            self.add("DurationDifference", "Seconds", stored.abs_diff(i64::from(ours)));
        }
        if let Some(agrees) = picture_agrees {
            self.add("PictureAgrees", "Count", u64::from(*agrees));
        }
        if let Some(psnr) = psnr_db {
            self.add("PicturePsnr", "None", *psnr);
        }
    }
}

/// Returns the outcome as one word: the status of the report, or the kind of failure.
fn outcome(measured: &Measured<'_>) -> &'static str {
    match (measured.outcome, measured.finished) {
        (_, Some(Finished::Job(report))) => match report.status {
            Status::Processed => "processed",
            Status::Unchanged => "unchanged",
            Status::Skipped => "skipped",
        },
        (_, Some(Finished::Comparison(comparison))) => match comparison.status {
            Agreement::Agrees => "agrees",
            Agreement::Differs => "differs",
            Agreement::NotStored => "not_stored",
            Agreement::Skipped => "skipped",
        },
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
        let measured = Measured { outcome: &outcome, finished: None, elapsed: Duration::from_millis(12) };
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

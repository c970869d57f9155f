//! Lambda events: any JSON is parsed without a panic, and a failure never looks like a success.
#![no_main]

use libfuzzer_sys::fuzz_target;
use posterframe::ErrorKind;
use posterframe::event::{Event, FunctionError, Outcome, Record, Source};
use serde_json::{Value, json};

fuzz_target!(|json: &[u8]| {
    let event = match Event::parse(json) {
        Ok(event) => event,
        Err(error) => {
            let error = FunctionError::from(error);
            assert!(!error.error_type.is_empty() && !error.message.is_empty());
            assert!(error.message.len() <= 20_000);
            return;
        }
    };
    every_object_has_its_records(&event);
    let count = event.objects().len();
    for outcomes in [
        Vec::new(),
        vec![Outcome::failed(ErrorKind::Malformed, "not a video"); count],
        vec![Outcome::unstarted("no time was left to begin"); count],
    ] {
        failures_are_told(&event, &outcomes, json.len());
    }
    let done = Outcome::Done { report: json!({"status": "processed", "key": "x"}) };
    let missing = Outcome::Missing { reason: "no such key".to_owned() };
    let mixed: Vec<_> = [done, missing].into_iter().cycle().take(count).collect();
    is_short(&event, event.answer(&mixed), json.len());
});

fn every_object_has_its_records(event: &Event) {
    let mut seen = vec![false; event.records().len()];
    for one in event.objects() {
        assert!(!one.object.bucket.is_empty() && !one.object.key.is_empty() && !one.records.is_empty());
        for &record in one.records {
            assert!(!std::mem::replace(&mut seen[record], true), "record {record} is of two objects");
            let Record::Object(object) = &event.records()[record] else {
                panic!("record {record} names no object")
            };
            assert_eq!((&object.bucket, &object.key), (&one.object.bucket, &one.object.key));
        }
    }
    for (record, seen) in event.records().iter().zip(seen) {
        assert_eq!(matches!(record, Record::Object(_)), seen, "an object is left out");
    }
}

fn failures_are_told(event: &Event, outcomes: &[Outcome], sent: usize) {
    let failing = event.records().iter().any(|record| !matches!(record, Record::Skipped { .. }));
    let answer = event.answer(outcomes);
    match (event.source(), &answer) {
        (Source::Sqs, Ok(reply)) => {
            let failures = reply["batchItemFailures"].as_array().expect("a queue is answered with a list");
            assert_eq!(!failures.is_empty(), failing);
        }
        (Source::Batch, Ok(reply)) => {
            let results = reply["results"].as_array().expect("a job is answered with a list");
            assert!(results.iter().all(|result| result["resultCode"] != "Succeeded"));
            assert_eq!(results.len(), event.records().len());
        }
        (Source::Sqs | Source::Batch, Err(error)) => panic!("there is always a reply: {error}"),
        (_, answer) => assert_eq!(answer.is_err(), failing),
    }
    is_short(event, answer, sent);
}

/// The answer repeats the ids that its receiver needs, whatever their length. The rest has a bound.
fn is_short(event: &Event, answer: Result<Value, FunctionError>, sent: usize) {
    let text = match answer {
        Ok(reply) => reply.to_string(),
        Err(error) => serde_json::to_string(&error).expect("two texts are JSON"),
    };
    let most = event.max_answer_bytes(sent);
    assert!(text.len() <= most, "{} bytes for an event of {sent}, at most {most}", text.len());
}

//! Lambda events: every file in `tests/events` is parsed, and answered as its source expects.
//!
//! The table below lists the objects in each file. The exact answers are in `tests/event_answers`;
//! `BLESS=1 cargo test --test event` writes them again.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use posterframe::ErrorKind;
use posterframe::event::{Event, EventError, FunctionError, Outcome, Record, Source};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn Error>>;

const FILMS: &str = "example-films";
const K1: &str = "videos/드라마/1_첫 화 100%+보너스 🎬.mp4";
const K2: &str = "videos/2_red flower.mp4";
const K3: &str = "videos/영화/3_été+mer.mp4";

/// An object: key, size hint, and the indices of its records.
type Object = (&'static str, Option<u64>, &'static [usize]);
/// A record without an object: its index, `skipped` or the error's kind, and words of the reason.
type Other = (usize, &'static str, &'static str);

/// The expected contents of a file that can be parsed.
struct Expected {
    name: &'static str,
    source: Source,
    objects: &'static [Object],
    others: &'static [Other],
}

const fn expected(
    name: &'static str,
    source: Source,
    objects: &'static [Object],
    others: &'static [Other],
) -> Expected {
    Expected { name, source, objects, others }
}

const SIZE: Option<u64> = Some(73_400_320);
const TEST_EVENT: &[Other] = &[(0, "skipped", "s3:TestEvent")];

const READ: &[Expected] = &[
    expected("s3_put", Source::S3, &[(K1, SIZE, &[0])], &[]),
    expected(
        "s3_several",
        Source::S3,
        &[(K1, Some(3000), &[0, 2]), (K2, Some(2000), &[1]), (K3, None, &[5])],
        &[(3, "skipped", "ObjectRemoved:Delete"), (4, "malformed", "not UTF-8")],
    ),
    expected("s3_short", Source::S3, &[("videos/1_test_video.mp4", None, &[0])], &[]),
    expected("s3_test_event", Source::S3, &[], TEST_EVENT),
    expected("s3_removed", Source::S3, &[], &[(0, "skipped", "ObjectRemoved:DeleteMarkerCreated")]),
    expected(
        "s3_restored",
        Source::S3,
        &[],
        &[(0, "skipped", "ObjectRestore:Completed"), (1, "skipped", "LifecycleExpiration:Delete")],
    ),
    expected("s3_empty", Source::S3, &[], &[]),
    expected(
        "s3_version_3",
        Source::S3,
        &[],
        &[(0, "unsupported", "eventVersion is 3.0, but this program supports 2.x")],
    ),
    expected("sns_s3", Source::Sns, &[(K1, SIZE, &[0])], &[]),
    expected(
        "sns_several",
        Source::Sns,
        &[(K1, SIZE, &[0]), (K2, SIZE, &[1]), (K3, SIZE, &[3])],
        &[(2, "malformed", "not JSON")],
    ),
    expected("sns_test_event", Source::Sns, &[], TEST_EVENT),
    expected("sns_eventbridge", Source::Sns, &[(K1, SIZE, &[0])], &[]),
    expected("eventbridge", Source::EventBridge, &[(K1, SIZE, &[0])], &[]),
    // EventBridge Pipes sends an array.
    expected(
        "pipes_eventbridge",
        Source::EventBridge,
        &[(K1, SIZE, &[0])],
        &[(1, "unsupported", "the fields hello.")],
    ),
    expected("pipes_direct", Source::Direct, &[(K1, None, &[0])], &[]),
    expected("pipes_sqs", Source::Sqs, &[(K1, SIZE, &[0])], &[]),
    expected("eventbridge_deleted", Source::EventBridge, &[], &[(0, "skipped", "Object Deleted")]),
    expected("sqs_s3", Source::Sqs, &[(K1, SIZE, &[0])], &[]),
    expected(
        "sqs_several_messages",
        Source::Sqs,
        &[(K1, SIZE, &[0, 6]), (K2, SIZE, &[1]), (K3, SIZE, &[4])],
        &[
            (2, "malformed", "not UTF-8"),
            (3, "malformed", "not JSON"),
            (5, "unsupported", "the fields hello."),
        ],
    ),
    expected("sqs_test_event", Source::Sqs, &[], TEST_EVENT),
    expected("sqs_sns", Source::Sqs, &[(K1, SIZE, &[0]), (K3, SIZE, &[1])], &[(2, "malformed", "not JSON")]),
    expected("sqs_sns_raw", Source::Sqs, &[(K3, SIZE, &[0])], &[]),
    expected("sqs_sns_test_event", Source::Sqs, &[], TEST_EVENT),
    expected("sqs_eventbridge", Source::Sqs, &[(K1, SIZE, &[0])], &[(1, "skipped", "Object Deleted")]),
    expected("sqs_direct", Source::Sqs, &[(K1, None, &[0])], &[]),
    expected("sqs_failed_invocation", Source::Sqs, &[(K1, SIZE, &[0])], &[]),
    expected("batch_1_0", Source::Batch, &[(K1, None, &[0])], &[]),
    // The raw key contains a plus. Form decoding turns the plus into a space.
    expected("batch_2_0", Source::Batch, &[("videos/영화/3_été mer.mp4", None, &[0])], &[]),
    expected(
        "batch_2_0_several",
        Source::Batch,
        &[(K2, None, &[0, 2]), ("videos/5_x.mp4", None, &[3])],
        &[(1, "malformed", "not UTF-8")],
    ),
    expected("direct", Source::Direct, &[(K1, None, &[0])], &[]),
    expected(
        "direct_without_bucket",
        Source::Direct,
        &[],
        &[(0, "malformed", "the field bucket of the event is missing")],
    ),
    expected("failed_invocation", Source::Sns, &[(K1, SIZE, &[0])], &[]),
];

/// Files that fail the whole invocation: the error's type, and words of its message.
const UNREADABLE: &[(&str, &str, &str)] = &[
    ("sqs_without_id", "malformed", "the field Records[].messageId of the event is missing"),
    ("batch_without_task_id", "malformed", "the field tasks[].taskId of the event is missing"),
    ("batch_3_0", "unsupported", "invocationSchemaVersion is 3.0, but this program supports 1.0 and 2.0"),
    ("unknown_kinesis", "unsupported", "the first of its Records has the fields kinesis, eventSource,"),
    ("unknown_http", "unsupported", "it has the fields version, routeKey, rawPath, rawQueryString, headers,"),
    ("unknown_eventbridge", "unsupported", "it has the fields version, id, detail-type, source,"),
    ("unknown_array", "unsupported", "it is an array"),
];

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn read_event(name: &str) -> io::Result<Vec<u8>> {
    fs::read(tests_folder().join("events").join(name).with_extension("json"))
}

/// All events, sorted by name.
fn all_events() -> Result<BTreeMap<String, Vec<u8>>, Box<dyn Error>> {
    let mut events = BTreeMap::new();
    for entry in fs::read_dir(tests_folder().join("events"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).ok_or("a file without a name")?;
        events.insert(name.to_owned(), fs::read(&path)?);
    }
    Ok(events)
}

fn event(name: &str) -> Result<Event, Box<dyn Error>> {
    Ok(Event::parse(&read_event(name)?)?)
}

#[test]
fn every_file_has_an_expectation() -> TestResult {
    let mut expected: Vec<_> = READ.iter().map(|expected| expected.name).collect();
    expected.extend(UNREADABLE.iter().map(|(name, ..)| name));
    expected.sort_unstable();
    assert_eq!(all_events()?.into_keys().collect::<Vec<_>>(), expected);
    let answers = fs::read_dir(tests_folder().join("event_answers"))?.count();
    assert_eq!(answers, READ.len(), "an answer is of no event");
    Ok(())
}

#[test]
fn events_name_their_objects() -> TestResult {
    for expected in READ {
        let name = expected.name;
        let event = event(name).map_err(|error| format!("{name}: {error}"))?;
        assert_eq!(event.source(), expected.source, "{name}");
        assert_eq!(event.is_backfill(), expected.source == Source::Batch, "{name}");
        let found = event.objects().map(|one| (&*one.object.key, one.object.size_hint, one.records));
        assert_eq!(found.collect::<Vec<_>>(), expected.objects, "{name}");
        let bucket = if name == "s3_short" { "your-bucket" } else { FILMS };
        assert!(event.objects().all(|one| one.object.bucket == bucket), "{name}");

        let count = expected.objects.iter().map(|(.., records)| records.len()).sum::<usize>();
        assert_eq!(event.records().len(), count + expected.others.len(), "{name}");
        for (index, kind, words) in expected.others {
            let (found, said) = match &event.records()[*index] {
                Record::Skipped { reason, .. } => ("skipped", reason.clone()),
                Record::Unreadable { error, .. } => (error.kind().as_str(), error.to_string()),
                other => return Err(format!("{name}: {other:?}").into()),
            };
            assert_eq!(found, *kind, "{name}");
            assert!(said.contains(words), "{name}: {said}");
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_answered_fails_as_a_whole() -> TestResult {
    for (name, kind, words) in UNREADABLE {
        let error = Event::parse(&read_event(name)?).err().ok_or(*name)?;
        let error = FunctionError::from(error);
        assert_eq!(error.error_type, *kind, "{name}");
        assert!(error.message.contains(words), "{name}: {}", error.message);
        assert!(!error.message.contains("secret"), "{name} repeats values: {}", error.message);
        assert!(error.message.len() < 1000, "{name}");
    }
    assert!(matches!(Event::parse(b"{"), Err(EventError::Json(_))));
    assert!(matches!(Event::parse(b""), Err(EventError::Json(_))));
    Ok(())
}

#[test]
fn many_fields_are_not_all_named() -> TestResult {
    let fields = (0..5000).map(|index| (format!("field{index}{}", "x".repeat(1000)), Value::Null)).collect();
    let error = Event::from_value(&Value::Object(fields)).err().ok_or("read")?.to_string();
    assert!(error.contains("and 4980 more"), "{error}");
    assert!(error.len() < 2000);
    Ok(())
}

/// The report of a job on one object.
fn report(bucket: &str, key: &str) -> Value {
    json!({
        "status": "processed", "bucket": bucket, "key": key, "content_id": 1, "title": "제목",
        "video_url": format!("s3://{bucket}/{key}"), "duration": 5, "frame_reason": "at_target", "bytes_fetched": 700_000,
    })
}

fn done(event: &Event) -> Vec<Outcome> {
    event.objects().map(|one| Outcome::Done { report: report(&one.object.bucket, &one.object.key) }).collect()
}

fn failed(event: &Event) -> Vec<Outcome> {
    let failures = [
        Outcome::failed(ErrorKind::Unavailable, "FastAPI 호출 중 네트워크 오류: \"connection refused\""),
        Outcome::failed(ErrorKind::Unsupported, "no video stream"),
        Outcome::unstarted("no time was left to begin"),
    ];
    failures.into_iter().cycle().take(event.objects().len()).collect()
}

/// Of each three objects, the second fails and the third is missing.
fn mixed(event: &Event) -> Vec<Outcome> {
    let mut outcomes = done(event);
    for (index, failure) in failed(event).into_iter().enumerate() {
        match index % 3 {
            1 => outcomes[index] = failure,
            2 => outcomes[index] = Outcome::Missing { reason: "no such key".to_owned() },
            _ => {}
        }
    }
    outcomes
}

fn answered(answer: Result<Value, FunctionError>) -> Value {
    match answer {
        Ok(reply) => json!({ "reply": reply }),
        // The message is JSON. Parsed, it is easier to read.
        Err(error) => {
            let message: Value =
                serde_json::from_str(&error.message).unwrap_or_else(|_| error.message.into());
            json!({"error": {"errorType": error.error_type, "errorMessage": message}})
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is asked to bless by its environment")]
fn answers_are_those_that_sources_read() -> TestResult {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    for Expected { name, .. } in READ {
        let event = event(name)?;
        let answers = json!({
            "all done": answered(event.answer(&done(&event))),
            "mixed": answered(event.answer(&mixed(&event))),
            "all failed": answered(event.answer(&failed(&event))),
        });
        let path = tests_folder().join("event_answers").join(name).with_extension("json");
        if bless {
            fs::write(&path, format!("{answers:#}\n"))?;
        } else if serde_json::from_slice::<Value>(&fs::read(&path)?)? != answers {
            writeln!(wrong, "{name}: {answers:#}")?;
        }
    }
    assert!(wrong.is_empty(), "tests/event_answers says otherwise (BLESS=1 rewrites it):\n{wrong}");
    Ok(())
}

/// The rule behind the exact answers: a failure must never look like a success.
#[test]
fn a_failure_never_looks_like_success() -> TestResult {
    for Expected { name, source, .. } in READ {
        let event = event(name)?;
        // An object without an outcome counts as not processed.
        for outcomes in [failed(&event), Vec::new()] {
            let answer = event.answer(&outcomes);
            let failing = event.records().iter().any(|record| !matches!(record, Record::Skipped { .. }));
            match source {
                Source::Sqs => {
                    let failures = answer?["batchItemFailures"].as_array().map(Vec::len);
                    assert_eq!(failures.is_some_and(|count| count > 0), failing, "{name}");
                }
                Source::Batch => {
                    let answer = answer?;
                    let results = answer["results"].as_array().ok_or(*name)?;
                    assert!(results.iter().all(|result| result["resultCode"] != "Succeeded"), "{name}");
                    assert_eq!(results.len(), event.records().len(), "{name}");
                }
                _ => assert_eq!(answer.is_err(), failing, "{name}"),
            }
        }
    }
    Ok(())
}

#[test]
fn a_queue_is_told_the_messages_that_failed() -> TestResult {
    let event = event("sqs_several_messages")?;
    let id = |index: usize| format!("00000000-aaaa-4bbb-8ccc-00000000000{index}");
    let failures = |outcomes: &[Outcome]| -> Result<Vec<String>, Box<dyn Error>> {
        let reply = event.answer(outcomes)?;
        let failures = reply["batchItemFailures"].as_array().ok_or("no list")?;
        let ids = failures.iter().filter_map(|failure| failure["itemIdentifier"].as_str());
        Ok(ids.map(str::to_owned).collect())
    };
    // A record of message 1, and messages 2 and 5, cannot be read. Message 3 is empty.
    assert_eq!(failures(&done(&event))?, [id(1), id(2), id(5)]);
    // Messages 0 and 6 are about the same object.
    let mut outcomes = done(&event);
    outcomes[0] = Outcome::failed(ErrorKind::Timeout, "the deadline passed");
    assert_eq!(failures(&outcomes)?, [id(0), id(1), id(2), id(5), id(6)]);
    Ok(())
}

#[test]
fn a_batch_job_is_answered_in_its_own_words() -> TestResult {
    let event = event("batch_2_0")?;
    let job = event.batch_job().ok_or("no job")?;
    assert_eq!(job.id.as_deref(), Some("11111111-2222-4333-8444-555555555555"));
    assert_eq!(job.user_arguments.get("reason").map(String::as_str), Some("첫 이전"));
    let one = event.objects().next().ok_or("no object")?.object;
    assert_eq!(one.alternative_key.as_deref(), Some(K3));
    assert_eq!(one.version_id.as_deref(), Some("kPq7.Zs3N0xExampleVersion1"));

    let answer = |outcome| -> Result<(Value, Value), Box<dyn Error>> {
        let mut reply = event.answer(&[outcome])?;
        assert_eq!(reply["invocationSchemaVersion"], "2.0");
        assert_eq!(reply["treatMissingKeysAs"], "PermanentFailure");
        assert_eq!(reply["invocationId"], "EXAMPLEinvocationIdOfTheJob0");
        let mut result = reply["results"][0].take();
        assert_eq!(result["taskId"], "dGFza0V4YW1wbGUx");
        Ok((result["resultCode"].take(), result["resultString"].take()))
    };
    let found = json!({"status": "unchanged", "key": K3, "duration": 5, "thumbnail_url": null});
    let said = json!({"key_with_plus": K3, "status": "unchanged", "duration": 5}).to_string();
    assert_eq!(answer(Outcome::Done { report: found })?, (json!("Succeeded"), json!(said)));
    let skipped = Outcome::Skipped { reason: "no .mp4".to_owned() };
    let said = r#"{"status":"skipped","reason":"no .mp4"}"#;
    assert_eq!(answer(skipped)?, (json!("Succeeded"), json!(said)));
    let missing = Outcome::Missing { reason: "no such key".to_owned() };
    assert_eq!(answer(missing)?, (json!("PermanentFailure"), json!("not_found: no such key")));
    let passing = Outcome::failed(ErrorKind::Denied, "AccessDenied");
    assert_eq!(answer(passing)?, (json!("TemporaryFailure"), json!("denied: AccessDenied")));
    let long = Outcome::failed(ErrorKind::Malformed, "가".repeat(5000));
    let (code, said) = answer(long)?;
    assert_eq!(code, "PermanentFailure");
    assert_eq!(said.as_str().map(|said| said.chars().count()), Some(1024));
    Ok(())
}

#[test]
fn one_kind_of_failure_is_the_type_of_the_error() -> TestResult {
    let event = event("sns_several")?;
    let of = |kinds: [ErrorKind; 3]| {
        let outcomes = kinds.map(|kind| Outcome::failed(kind, "it failed"));
        event.answer(&outcomes).err().map(|error| error.error_type)
    };
    // The record that is not JSON is malformed, too.
    assert_eq!(of([ErrorKind::Malformed; 3]), Some("malformed"));
    assert_eq!(of([ErrorKind::Malformed, ErrorKind::Malformed, ErrorKind::Timeout]), Some("several"));
    let error = event.answer(&[]).err().ok_or("no error")?;
    let written = serde_json::to_value(&error)?;
    assert_eq!(written["errorType"], "several");
    assert_eq!(written["errorMessage"], error.to_string());
    Ok(())
}

#[test]
fn answers_stay_short() -> TestResult {
    let record = |index: usize| {
        let key = format!("videos/{index}_{}.mp4", "\u{1}".repeat(2000));
        json!({"s3": {"bucket": {"name": FILMS}, "object": {"key": key}}})
    };
    let records: Vec<_> = (0..1000).map(record).collect();
    let event = Event::from_value(&json!({ "Records": records }))?;
    let outcomes = vec![Outcome::failed(ErrorKind::Internal, "🎬".repeat(100_000)); 1000];
    let error = event.answer(&outcomes).err().ok_or("no error")?;
    assert!(serde_json::to_string(&error)?.len() < 200_000);
    let message: Value = serde_json::from_str(&error.message)?;
    let failed = message["failed"].as_array().ok_or("no list")?;
    assert_eq!(message["omitted"], 1000 - failed.len());
    assert_eq!(failed[0]["message"].as_str().map(|text| text.chars().count()), Some(1000));

    let reply = event.answer(&done(&event))?;
    assert!(reply.to_string().len() < 200_000);
    assert_eq!(reply["omitted"], 1000 - reply["results"].as_array().map_or(0, Vec::len));

    // The answer to a queue still names all failed messages.
    let body = json!({ "Records": [record(0)] }).to_string();
    let message =
        |index: usize| json!({"messageId": index.to_string(), "body": body, "eventSource": "aws:sqs"});
    let event = Event::from_value(&json!({ "Records": (0..1000).map(message).collect::<Vec<_>>() }))?;
    let reply = event.answer(&[Outcome::failed(ErrorKind::Internal, "it failed")])?;
    assert_eq!(reply["batchItemFailures"].as_array().map(Vec::len), Some(1000));
    Ok(())
}

#[test]
fn envelopes_end() -> TestResult {
    let packed = |depth: usize| {
        (0..depth).fold(
            json!({"bucket": FILMS, "key": K1}),
            |inner, _| json!({"Type": "Notification", "Message": inner.to_string()}),
        )
    };
    assert_eq!(Event::from_value(&packed(4))?.objects().len(), 1);
    assert!(matches!(Event::from_value(&packed(5)), Err(EventError::TooDeep)));
    Ok(())
}

/// Encodes a key as S3 does in notifications.
fn form_encoded(key: &str) -> String {
    key.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b' ' => encoded.push('+'),
            b'/' | b'-' | b'_' | b'.' | b'*' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 500, failure_persistence: None, ..Config::default() })
}

fn only_object(event: &Value) -> Result<(String, Option<String>), TestCaseError> {
    let event = Event::from_value(event).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let object = event.objects().next().ok_or_else(|| TestCaseError::fail("no object"))?.object;
    Ok((object.key.clone(), object.alternative_key.clone()))
}

/// If an event contains the upload and the tagging of an object, the upload is processed even if tags are disabled.
#[test]
fn without_tags_only_uploads_are_worked_on() -> TestResult {
    let record = |name: &str, key: &str, sequencer: &str| json!({"eventName": name, "s3": {"bucket": {"name": FILMS}, "object": {"key": key, "sequencer": sequencer}}});
    let tags = [
        ("a", "ObjectTagging:Put", "02"),
        ("a", "ObjectCreated:Put", "01"),
        ("b", "ObjectTagging:Delete", "01"),
    ];
    let records: Vec<Value> = tags.iter().map(|(key, name, at)| record(name, key, at)).collect();
    let event = Event::from_value(&json!({ "Records": records }))?;
    let keys = |event: &Event| event.objects().map(|found| found.object.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&event), ["a", "b"]);
    let event = event.without_tagging();
    assert_eq!(keys(&event), ["a"]);
    let skipped = |record: &Record| matches!(record, Record::Skipped { key: Some(_), bucket: Some(_), .. });
    assert_eq!(event.records().iter().map(skipped).collect::<Vec<_>>(), [true, false, true]);
    Ok(())
}

#[test]
fn any_key_survives_each_source() -> TestResult {
    let sqs = |body: &Value| json!({"Records": [{"messageId": "1", "body": body.to_string(), "eventSource": "aws:sqs"}]});
    runner().run(&any::<String>().prop_filter("keys are not empty", |key| !key.is_empty()), |key| {
        let encoded = form_encoded(&key);
        let s3 = json!({"Records": [{"s3": {"bucket": {"name": FILMS}, "object": {"key": encoded}}}]});
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": s3.to_string()}}]});
        let envelope = json!({"Type": "Notification", "Message": s3.to_string()});
        let detail = json!({"bucket": {"name": FILMS}, "object": {"key": key}});
        let bridge = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": detail});
        let direct = json!({"bucket": FILMS, "key": key});
        for event in [&s3, &sns, &envelope, &bridge, &direct, &sqs(&s3), &sqs(&envelope), &sqs(&bridge)] {
            prop_assert_eq!(only_object(event)?, (key.clone(), None));
        }

        let task = |key: &str| json!({"taskId": "1", "s3Key": key, "s3Bucket": FILMS});
        let batch =
            |key: &str| json!({"invocationSchemaVersion": "2.0", "invocationId": "1", "tasks": [task(key)]});
        let (read, alternative) = only_object(&batch(&encoded))?;
        prop_assert_eq!(read, key.clone());
        prop_assert_eq!(alternative, key.contains(' ').then(|| key.replace(' ', "+")));
        // A manifest that does not encode the plus: the alternative key is the right one.
        let (read, alternative) = only_object(&batch(&encoded.replace('+', "%20").replace("%2B", "+")))?;
        prop_assert_eq!(alternative.unwrap_or(read), key);
        Ok(())
    })?;
    Ok(())
}

/// Values with the names and shapes of events, in wrong places.
fn arbitrary_json() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 24] = [
        "Records",
        "s3",
        "bucket",
        "object",
        "key",
        "name",
        "Sns",
        "Message",
        "Type",
        "Event",
        "source",
        "detail",
        "detail-type",
        "messageId",
        "body",
        "eventSource",
        "EventSource",
        "tasks",
        "taskId",
        "s3Key",
        "s3BucketArn",
        "invocationSchemaVersion",
        "invocationId",
        "requestPayload",
    ];
    const TEXTS: [&str; 12] = [
        "",
        "aws:s3",
        "aws:sqs",
        "aws:sns",
        "aws.s3",
        "Object Created",
        "s3:TestEvent",
        "Notification",
        "2.0",
        "a+%2",
        "{\"Records\":[{\"s3\":1}]}",
        "arn:aws:s3:::",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        proptest::sample::select(&TEXTS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let named = (proptest::sample::select(&NAMES[..]), inner.clone());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(named, 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
            inner.prop_map(|value| Value::String(value.to_string())),
        ]
    })
}

/// Parses the event, and answers it with all kinds of outcomes. Only a panic is a failure.
fn read_and_answer(json: &[u8]) -> bool {
    let Ok(event) = Event::parse(json) else { return false };
    for outcomes in
        [Vec::new(), done(&event), mixed(&event), failed(&event), [failed(&event), done(&event)].concat()]
    {
        if let Err(error) = event.answer(&outcomes) {
            assert!(!error.error_type.is_empty());
        }
    }
    true
}

#[test]
fn arbitrary_json_is_read_or_refused() -> TestResult {
    let read = Cell::new(0);
    runner().run(&arbitrary_json(), |value| {
        read.set(read.get() + usize::from(read_and_answer(value.to_string().as_bytes())));
        Ok(())
    })?;
    assert!(read.get() > 0, "the values are too strange to tell anything");
    runner().run(&any::<Vec<u8>>(), |bytes| {
        read_and_answer(&bytes);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn damaged_events_are_read_or_refused() -> TestResult {
    for (name, json) in all_events()? {
        for end in (0..json.trim_ascii_end().len()).step_by(1 + json.len() / 100) {
            assert!(!read_and_answer(&json[..end]), "{name} is read although it ends at {end}");
        }
        let mutations = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
        let mut runner =
            TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
        runner.run(&mutations, |mutations| {
            let mut damaged = json.clone();
            for (index, byte) in mutations {
                let at = index.index(damaged.len());
                damaged[at] = byte;
            }
            read_and_answer(&damaged);
            Ok(())
        })?;
        // Each leaf and each branch is replaced, one at a time, by null or by a value of another type.
        let whole: Value = serde_json::from_slice(&json)?;
        for pointer in pointers(&whole, "") {
            for other in [Value::Null, json!(1), json!("x"), json!([]), json!({}), json!([{}])] {
                let mut damaged = whole.clone();
                if let Some(place) = damaged.pointer_mut(&pointer) {
                    *place = other;
                }
                read_and_answer(damaged.to_string().as_bytes());
            }
        }
    }
    Ok(())
}

/// JSON pointers to everything below a value. The names in our events need no escaping.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let below: Vec<_> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (format!("{at}/{index}"), value)).collect()
        }
        _ => Vec::new(),
    };
    below.into_iter().flat_map(|(at, value)| [vec![at.clone()], pointers(value, &at)].concat()).collect()
}

//! `posterframe redrive`: summarises a dead-letter queue by failure type, and replays selected messages.
//!
//! A message comes from one of three sources. An on-failure destination of the function writes the event to `requestPayload` and the
//! failure to `responsePayload`. A dead-letter queue of the function contains the event, with the failure in message attributes. The
//! redrive policy of a queue moves the unchanged message, without the reason for the failure.

mod queue;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::arguments::RedriveArguments;
use super::interrupt;
use super::output::{self, Failure, Table};
use super::progress::Messages;
use crate::config::{LambdaConfig, LogSettings};
use crate::event::{FunctionError, Outcome};
use crate::job_error::JobError;
use crate::lambda::Replayer;
use crate::logging::{self, Stream};
use crate::{CancelToken, ErrorKind};
use queue::{BATCH, HIDDEN, Message, Queue, Receipt};

/// Type of failures whose reason is not recorded.
const UNKNOWN: &str = "unknown";
/// Maximum number of keys that are shown per group.
const EXAMPLES: usize = 3;
/// Maximum length of a failure message, in characters.
const WORDS: usize = 200;

/// A parsed message.
struct Letter {
    message: Message,
    /// The event that the function was to process.
    payload: String,
    failure: String,
    words: String,
    keys: Vec<String>,
}

/// The messages of one failure type.
#[derive(Debug, Default, Serialize)]
struct Group {
    messages: u64,
    /// Whether the failures are permanent, so that a replay cannot help. `None` if the failure type is not an error kind of this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    permanent: Option<bool>,
    examples: Vec<String>,
    /// Failure message of one of the messages.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// The JSON that `redrive --json` prints.
#[derive(Debug, Serialize)]
struct Redrive {
    queue: String,
    groups: BTreeMap<String, Group>,
    /// Number of messages that were processed or sent to another queue, and then deleted.
    succeeded: u64,
    /// Messages that failed again, and stay in the queue.
    failed: Vec<Failed>,
}

#[derive(Debug, Serialize)]
struct Failed {
    message_id: String,
    keys: Vec<String>,
    kind: String,
    message: String,
}

pub(super) async fn run(arguments: RedriveArguments, cancel: CancelToken) -> Result<(), Failure> {
    let config = arguments.replay.then(LambdaConfig::from_env).transpose().map_err(JobError::from)?;
    start_log(arguments.replay)?;
    let queue = Queue::open(&arguments.queue).await?;
    let target = match &arguments.to {
        Some(name) => Some(Queue::open(name).await?),
        None => None,
    };
    let replayer = match config {
        Some(config) => Some(Replayer::new(config).await?),
        None => None,
    };
    let messages = Messages::start("receiving messages");
    let mut redrive =
        Redrive { queue: queue.url.clone(), groups: BTreeMap::new(), succeeded: 0, failed: Vec::new() };
    // Messages that stay in the queue remain hidden until the end, so that they are not received again.
    let mut kept: HashMap<String, Receipt> = HashMap::new();
    let (mut taken, mut interrupted) = (0, false);
    // The messages of a batch are processed one after the other, each within its own time limit.
    let hidden = turn(arguments.timeout).saturating_mul(BATCH).max(HIDDEN);
    while taken < arguments.limit && !interrupted {
        output::progress(&messages, || format!("{taken} messages received"));
        let batch = queue.receive((arguments.limit - taken).min(BATCH as usize), hidden).await?;
        if batch.is_empty() {
            break;
        }
        for message in batch {
            // The message was received again, because this run has taken longer than SQS hides a message.
            if let Some(receipt) = kept.get_mut(&message.id) {
                *receipt = message.receipt;
                continue;
            }
            taken += 1;
            let letter = Letter::read(message);
            redrive.count(&letter);
            interrupted |= cancel.is_cancelled();
            let chosen =
                arguments.failure_types.is_empty() || arguments.failure_types.contains(&letter.failure);
            let done = match (&replayer, &target) {
                _ if !chosen || interrupted => None,
                (None, None) => None,
                // If the message cannot be hidden again, another consumer may have received it.
                (Some(_), _) if !queue.hide(&letter.message.receipt, turn(arguments.timeout)).await => None,
                (Some(replayer), _) => Some(tokio::select! {
                    done = again(replayer, &letter, &arguments) => done,
                    error = interrupt::interrupted(&cancel) => {
                        interrupted = true;
                        Err(error)
                    }
                }),
                (None, Some(target)) => Some(target.send(&letter.payload).await),
            };
            match done {
                None => {}
                Some(Ok(())) => {
                    queue.delete(&letter.message.receipt).await?;
                    redrive.succeeded += 1;
                    continue;
                }
                Some(Err(error)) => redrive.failed.push(Failed {
                    message_id: letter.message.id.clone(),
                    keys: letter.keys,
                    kind: error.kind().as_str().to_owned(),
                    message: error.to_string(),
                }),
            }
            kept.insert(letter.message.id, letter.message.receipt);
        }
    }
    for receipt in kept.values() {
        queue.let_go(receipt).await;
    }
    match arguments.json {
        true => output::print_json(&redrive)?,
        false => redrive.show(arguments.replay || target.is_some())?,
    }
    if interrupted {
        let error = "interrupted; messages that were not processed are still in the queue";
        return Err(Failure::Answered(JobError::new(ErrorKind::Cancelled, error)));
    }
    redrive.failure().map_or(Ok(()), |error| Err(Failure::Answered(error)))
}

/// Starts logging. A replay logs the function's messages.
fn start_log(is_replay: bool) -> Result<(), JobError> {
    let log = LogSettings::from_env()?;
    logging::start(&if is_replay { log.in_korean() } else { log }, Stream::Error)
}

/// Processes the event as the function does. Fails if any object of the event fails.
async fn again(replayer: &Replayer, letter: &Letter, arguments: &RedriveArguments) -> Result<(), JobError> {
    let event: Value = serde_json::from_str(&letter.payload).map_err(|error| {
        JobError::new(ErrorKind::Malformed, format!("its body is not valid JSON: {error}"))
    })?;
    let replayed = replayer.replay(&event, arguments.timeout).await;
    let failed = replayed.outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Failed { error_type, message, .. } => Some((*error_type, message.clone())),
        _ => None,
    });
    let refused = replayed.answer.err().map(|error| (error.error_type, error.message));
    match failed.or(refused) {
        None => Ok(()),
        Some((name, message)) => {
            Err(JobError::new(ErrorKind::from_name(name).unwrap_or(ErrorKind::Internal), message))
        }
    }
}

/// Returns how long a message stays hidden while it is processed.
fn turn(timeout: Duration) -> Duration {
    timeout.saturating_add(Duration::from_secs(60))
}

impl Letter {
    fn read(message: Message) -> Self {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let from_destination = body.get("requestPayload").filter(|_| body.get("responsePayload").is_some());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (payload, failure, words) = match from_destination {
            Some(event) => {
                let response = &body["responsePayload"];
                (event.to_string(), text(&response["errorType"]), text(&response["errorMessage"]))
            }
            None => {
                let words = message.attributes.get("ErrorMessage").cloned().unwrap_or_default();
                (message.body.clone(), failure_in(&words).unwrap_or_default().to_owned(), words)
            }
        };
        let failure = if failure.is_empty() { UNKNOWN.to_owned() } else { failure };
        let mut keys = Vec::new();
        find_keys(&serde_json::from_str(&payload).unwrap_or_default(), &mut keys);
        Self { message, payload, failure, words: words.chars().take(WORDS).collect(), keys }
    }
}

/// Returns the failure type in the message of a function error. Lambda records only the first kilobyte of the message ("Dead-letter
/// queues" in the AWS Lambda Developer Guide), so the message may be truncated JSON.
fn failure_in(words: &str) -> Option<&'static str> {
    let words = words.strip_prefix("{\"failed\":[{")?;
    let kinds = words.split("\"error\":\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    let mut kinds = kinds.filter_map(|name| ErrorKind::from_name(name).map(ErrorKind::as_str));
    let first = kinds.next()?;
    Some(if kinds.all(|kind| kind == first) { first } else { FunctionError::SEVERAL })
}

/// Collects the keys of objects anywhere in an event, as they are written in the event.
fn find_keys(value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(key) if matches!(name.as_str(), "key" | "s3Key") => keys.push(key.to_owned()),
                    // An event inside another event is a string.
                    Some(text) if matches!(name.as_str(), "body" | "Message") => {
                        find_keys(&serde_json::from_str(text).unwrap_or_default(), keys);
                    }
                    _ => find_keys(value, keys),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| find_keys(item, keys)),
        _ => {}
    }
}

impl Redrive {
    /// Returns the error that determines the exit code: the first message that failed again.
    fn failure(&self) -> Option<JobError> {
        let kind = ErrorKind::from_name(&self.failed.first()?.kind).unwrap_or(ErrorKind::Internal);
        let error = format!("{} messages failed again and stay in the queue", self.failed.len());
        Some(JobError::new(kind, error))
    }

    fn count(&mut self, letter: &Letter) {
        let group = self.groups.entry(letter.failure.clone()).or_default();
        group.messages += 1;
        group.permanent = ErrorKind::from_name(&letter.failure).map(|kind| !kind.is_retryable());
        let room = EXAMPLES.saturating_sub(group.examples.len());
        group.examples.extend(letter.keys.iter().take(room).cloned());
        if group.message.is_empty() {
            group.message.clone_from(&letter.words);
        }
    }

    fn show(&self, acted: bool) -> Result<(), Failure> {
        let mut table = Table::default();
        table.title(&self.queue);
        if self.groups.is_empty() {
            table.row("", "the queue is empty");
        }
        for (name, group) in &self.groups {
            let helps = match group.permanent {
                Some(true) => ", permanent",
                Some(false) => ", may not happen again",
                None => "",
            };
            let messages = if group.messages == 1 { "message" } else { "messages" };
            table.row(name, &format!("{} {messages}{helps}: {}", group.messages, group.examples.join(", ")));
            if !group.message.is_empty() {
                table.row("", &group.message);
            }
        }
        if acted {
            table.row("succeeded", &self.succeeded.to_string());
        }
        for failed in &self.failed {
            table.row(&failed.kind, &format!("{}: {}", failed.keys.join(", "), failed.message));
        }
        table.print()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(body: &Value, attributes: &[(&str, &str)]) -> Letter {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Letter::read(Message::of(body.to_string(), attributes))
    }

    fn event() -> Value {
        json!({"Records": [{"s3": {"bucket": {"name": "films"}, "object": {"key": "videos/1_a.mp4"}}}]})
    }

    #[test]
    fn a_destination_s_record_tells_why() {
        let body = json!({
            "requestContext": {"condition": "RetriesExhausted"},
            "requestPayload": event(),
            "responsePayload": {"errorType": "denied", "errorMessage": "AccessDenied"},
        });
        let letter = letter(&body, &[]);
        assert_eq!((letter.failure.as_str(), letter.words.as_str()), ("denied", "AccessDenied"));
        assert_eq!(letter.keys, ["videos/1_a.mp4"]);
        assert_eq!(serde_json::from_str::<Value>(&letter.payload).ok(), Some(event()));
    }

    #[test]
    fn a_function_s_own_queue_tells_why_in_attributes() {
        let failed = |kind: &str, message: &str| json!({"bucket": "films", "error": kind, "key": "videos/1_a.mp4", "message": message});
        let told = |failed: Vec<Value>| json!({"failed": failed, "succeeded": 1}).to_string();
        let of = |words: &str| letter(&event(), &[("ErrorCode", "200"), ("ErrorMessage", words)]).failure;
        // A failure message may contain any text.
        let malformed = told(vec![failed("malformed", "\"error\":\"denied\"")]);
        assert_eq!(of(&malformed), "malformed");
        assert_eq!(of(&told(vec![failed("denied", "a"), failed("denied", "b")])), "denied");
        assert_eq!(of(&told(vec![failed("denied", "a"), failed("timeout", "b")])), "several");
        // Lambda truncates the message.
        let long = told(vec![failed("unavailable", &"x".repeat(5000))]);
        assert_eq!(of(long.get(..1024).unwrap_or_default()), "unavailable");
        for words in ["", "{}", "{\"failed\":[{\"bucket\":\"fil", "Task timed out after 3.00 seconds"] {
            assert_eq!(of(words), UNKNOWN, "{words}");
        }
        let without = letter(&event(), &[]);
        assert_eq!((without.failure.as_str(), without.payload), (UNKNOWN, event().to_string()));
        // A message inside a message, and a message that is not JSON.
        let inside = json!({"Records": [{"body": event().to_string()}]});
        assert_eq!(letter(&inside, &[]).keys, ["videos/1_a.mp4"]);
        let strange = Letter::read(Message::of("hello".to_owned(), HashMap::new()));
        assert_eq!(
            (strange.failure.as_str(), strange.payload.as_str(), strange.keys.len()),
            (UNKNOWN, "hello", 0)
        );
    }
}

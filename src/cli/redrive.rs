//! `posterframe redrive`: what lies in a dead-letter queue, by the type of its failure, and the chosen of it once more.
//!
//! A message is what an on-failure destination of the function makes (the event is in `requestPayload`, the failure in
//! `responsePayload`), or what a function's own dead-letter queue has (the event, the failure in message attributes), or what the
//! redrive policy of a queue moves (the message as it was; why it failed, nobody has noted).

mod queue;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::arguments::RedriveArguments;
use super::interrupt;
use super::output::{self, Failure, Table};
use crate::config::{LambdaConfig, LogSettings};
use crate::event::Outcome;
use crate::job_error::JobError;
use crate::lambda::Replayer;
use crate::logging::{self, Stream};
use crate::{CancelToken, ErrorKind};
use queue::{Message, Queue};

/// The type of a failure that nobody has noted.
const UNKNOWN: &str = "unknown";
/// Keys of a group that are shown.
const EXAMPLES: usize = 3;
/// Most characters of a failure's words.
const WORDS: usize = 200;

/// A message that is understood.
struct Letter {
    message: Message,
    /// What the function was to work on.
    payload: String,
    failure: String,
    words: String,
    keys: Vec<String>,
}

/// Messages of one type.
#[derive(Debug, Default, Serialize)]
struct Group {
    messages: u64,
    /// Whether trying again can help; not known of failures that nobody has noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    permanent: Option<bool>,
    examples: Vec<String>,
    /// What one of them says.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// What `redrive --json` prints.
#[derive(Debug, Serialize)]
struct Redrive {
    queue: String,
    groups: BTreeMap<String, Group>,
    /// Messages that were worked on or sent on, and deleted.
    succeeded: u64,
    /// Messages that failed again, and stay.
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
    let config = match arguments.replay {
        true => Some(LambdaConfig::from_env().map_err(JobError::from)?),
        false => None,
    };
    logging::start(&LogSettings::from_env().map_err(JobError::from)?, Stream::Error)?;
    let queue = Queue::open(&arguments.queue).await?;
    let target = match &arguments.to {
        Some(name) => Some(Queue::open(name).await?),
        None => None,
    };
    let replayer = match config {
        Some(config) => Some(Replayer::new(config).await?),
        None => None,
    };
    let messages = queue.receive_all(arguments.limit).await?;
    let letters: Vec<_> = messages.into_iter().map(Letter::read).collect();
    let mut redrive =
        Redrive { queue: queue.url.clone(), groups: groups(&letters), succeeded: 0, failed: Vec::new() };
    let mut interrupted = false;
    for letter in letters {
        let chosen = arguments.of.is_empty() || arguments.of.contains(&letter.failure);
        interrupted |= cancel.is_cancelled();
        let done = match (&replayer, &target) {
            _ if !chosen || interrupted => None,
            (Some(replayer), _) => Some(tokio::select! {
                done = again(replayer, &letter, &arguments) => done,
                error = interrupt::interrupted(&cancel) => {
                    interrupted = true;
                    Err(error)
                }
            }),
            (None, Some(target)) => Some(target.send(&letter.payload).await),
            (None, None) => None,
        };
        match done {
            None => queue.let_go(&letter.message).await,
            Some(Ok(())) => {
                queue.delete(&letter.message).await?;
                redrive.succeeded += 1;
            }
            Some(Err(error)) => {
                queue.let_go(&letter.message).await;
                redrive.failed.push(Failed {
                    message_id: letter.message.id,
                    keys: letter.keys,
                    kind: error.kind().as_str().to_owned(),
                    message: error.to_string(),
                });
            }
        }
    }
    match arguments.json {
        true => output::print_json(&redrive)?,
        false => redrive.show(arguments.replay || target.is_some())?,
    }
    if interrupted {
        let error = "interrupted; what was not worked on is still in the queue";
        return Err(Failure::Answered(JobError::new(ErrorKind::Cancelled, error)));
    }
    let Some(failed) = redrive.failed.first() else { return Ok(()) };
    let kind = ErrorKind::from_name(&failed.kind).unwrap_or(ErrorKind::Internal);
    let error = format!("{} of them failed again, and stay in the queue", redrive.failed.len());
    Err(Failure::Answered(JobError::new(kind, error)))
}

/// Does what the function would do with the event; any object that fails is a failure.
async fn again(replayer: &Replayer, letter: &Letter, arguments: &RedriveArguments) -> Result<(), JobError> {
    let event: Value = serde_json::from_str(&letter.payload)
        .map_err(|error| JobError::new(ErrorKind::Malformed, format!("its body is no JSON: {error}")))?;
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

fn groups(letters: &[Letter]) -> BTreeMap<String, Group> {
    let mut groups = BTreeMap::<String, Group>::new();
    for letter in letters {
        let group = groups.entry(letter.failure.clone()).or_default();
        group.messages += 1;
        group.permanent = ErrorKind::from_name(&letter.failure).map(|kind| !kind.is_retryable());
        let room = EXAMPLES.saturating_sub(group.examples.len());
        group.examples.extend(letter.keys.iter().take(room).cloned());
        if group.message.is_empty() {
            group.message.clone_from(&letter.words);
        }
    }
    groups
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
                let told: Value = serde_json::from_str(&words).unwrap_or_default();
                (message.body.clone(), text(&told["failed"][0]["error"]), words)
            }
        };
        let failure = if failure.is_empty() { UNKNOWN.to_owned() } else { failure };
        let mut keys = Vec::new();
        find_keys(&serde_json::from_str(&payload).unwrap_or_default(), &mut keys);
        Self { message, payload, failure, words: words.chars().take(WORDS).collect(), keys }
    }
}

/// Keys of objects, wherever an event has them, as they are written there.
fn find_keys(value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(key) if matches!(name.as_str(), "key" | "s3Key") => keys.push(key.to_owned()),
                    // An event inside another is text.
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
    fn show(&self, acted: bool) -> Result<(), Failure> {
        let mut table = Table::default();
        table.title(&self.queue);
        if self.groups.is_empty() {
            table.row("", "there are no messages");
        }
        for (name, group) in &self.groups {
            let helps = match group.permanent {
                Some(true) => ", only another upload helps",
                Some(false) => ", may pass",
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
        let told = json!({"failed": [{"error": "malformed"}]}).to_string();
        let with = letter(&event(), &[("ErrorCode", "200"), ("ErrorMessage", &told)]);
        assert_eq!(with.failure, "malformed");
        let without = letter(&event(), &[]);
        assert_eq!((without.failure.as_str(), without.payload), (UNKNOWN, event().to_string()));
        // A message inside a message, and what is no JSON at all.
        let inside = json!({"Records": [{"body": event().to_string()}]});
        assert_eq!(letter(&inside, &[]).keys, ["videos/1_a.mp4"]);
        let strange = Letter::read(Message::of("hello".to_owned(), std::collections::HashMap::new()));
        assert_eq!(
            (strange.failure.as_str(), strange.payload.as_str(), strange.keys.len()),
            (UNKNOWN, "hello", 0)
        );
    }
}

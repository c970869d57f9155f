//! The messages of an SQS queue.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::Message as SqsMessage;

use crate::job_error::JobError;
use crate::{ErrorKind, aws};

/// Minimum time for which a received message is hidden from other consumers.
pub(super) const HIDDEN: Duration = Duration::from_secs(900);
/// Maximum time for which SQS hides a message.
const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);
/// Time to wait for messages when the queue seems empty, in seconds. Requests that do not wait query only some of SQS's servers.
const WAIT_SECONDS: i32 = 1;
/// Maximum number of messages in one response.
pub(super) const BATCH: u32 = 10;

/// A message that is hidden from other consumers until it is deleted or released.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    /// The attributes that Lambda adds to a message in the dead-letter queue of a function.
    pub(super) attributes: HashMap<String, String>,
    pub(super) receipt: Receipt,
}

/// Handle of a received message. It is valid while the message is hidden.
#[derive(Debug)]
pub(super) struct Receipt(String);

#[cfg(test)]
impl Message {
    pub(super) fn of(body: String, attributes: HashMap<String, String>) -> Self {
        Self { id: "m".to_owned(), body, attributes, receipt: Receipt(String::new()) }
    }
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    client: Client,
    pub(super) url: String,
}

impl Queue {
    /// Opens the queue with this URL or name.
    pub(super) async fn open(name: &str) -> Result<Self, JobError> {
        let settings = aws::settings().await;
        if aws::region(&settings).is_none() {
            return Err(JobError::new(ErrorKind::Config, aws::NO_REGION));
        }
        let client = Client::new(&settings);
        if name.contains("://") {
            return Ok(Self { client, url: name.to_owned() });
        }
        let found = client.get_queue_url().queue_name(name).send().await;
        let found = found.map_err(|error| failed(name, "sqs:GetQueueUrl", &error))?;
        let url = found.queue_url().unwrap_or_default().to_owned();
        Ok(Self { client, url })
    }

    /// Receives at most `most` messages, and none if the queue is empty. Other consumers cannot receive them for the time `hidden`.
    pub(super) async fn receive(&self, most: usize, hidden: Duration) -> Result<Vec<Message>, JobError> {
        let request = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(i32::MAX))
            .visibility_timeout(seconds(hidden))
            .wait_time_seconds(WAIT_SECONDS)
            .message_attribute_names("All");
        let received = request.send().await;
        let received = received.map_err(|error| failed(&self.url, "sqs:ReceiveMessage", &error))?;
        Ok(received.messages().iter().map(message).collect())
    }

    pub(super) async fn delete(&self, receipt: &Receipt) -> Result<(), JobError> {
        let request = self.client.delete_message().queue_url(&self.url).receipt_handle(&receipt.0);
        let deleted = request.send().await;
        deleted.map(drop).map_err(|error| failed(&self.url, "sqs:DeleteMessage", &error))
    }

    /// Hides a message for `time` from now on. Returns `false` if the message can no longer be hidden.
    pub(super) async fn hide(&self, receipt: &Receipt, time: Duration) -> bool {
        let request = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(&receipt.0);
        request.visibility_timeout(seconds(time)).send().await.is_ok()
    }

    /// Makes a message visible to other consumers at once. If this fails, the message becomes visible when its hidden time ends.
    pub(super) async fn let_go(&self, receipt: &Receipt) {
        self.hide(receipt, Duration::ZERO).await;
    }

    pub(super) async fn send(&self, body: &str) -> Result<(), JobError> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        sent.map(drop).map_err(|error| failed(&self.url, "sqs:SendMessage", &error))
    }
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.min(LONGEST_HIDDEN).as_secs()).unwrap_or(i32::MAX)
}

fn message(message: &SqsMessage) -> Message {
    let attributes = message.message_attributes().into_iter().flatten();
    let attributes = attributes
        .filter_map(|(name, value)| Some((name.clone(), value.string_value()?.to_owned())))
        .collect();
    Message {
        id: message.message_id().unwrap_or_default().to_owned(),
        body: message.body().unwrap_or_default().to_owned(),
        attributes,
        receipt: Receipt(message.receipt_handle().unwrap_or_default().to_owned()),
    }
}

fn failed<E>(queue: &str, permission: &str, error: &SdkError<E, HttpResponse>) -> JobError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error.code().unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    let kind = if code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist") {
        ErrorKind::NotFound
    } else if matches!(status, Some(401 | 403))
        || code.contains("AccessDenied")
        || code.contains("InvalidClientToken")
    {
        ErrorKind::Denied
    } else if matches!(error, SdkError::ConstructionFailure(_)) {
        ErrorKind::Config
    } else {
        ErrorKind::Unavailable
    };
    let words = DisplayErrorContext(error).to_string();
    // The debug output of the request and the response in parentheses is not for people.
    let words = words.split(" (").next().unwrap_or(&words).to_owned();
    let advice = if kind == ErrorKind::Denied { format!("; it takes {permission}") } else { String::new() };
    let told = error.message().map_or(words, |message| format!("{code}: {message}"));
    JobError::new(kind, format!("{told}{advice}")).with_subject(queue)
}

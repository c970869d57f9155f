//! `posterframe redrive` against SQS queues of moto, which checks permissions, with the other servers that the function needs.

#[path = "common/catalogue_api.rs"]
mod catalogue_api;
mod common;
#[path = "common/ports.rs"]
mod ports;
#[path = "common/programs.rs"]
mod programs;
#[path = "common/servers.rs"]
mod servers;
#[path = "common/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::MessageAttributeValue;
use aws_sdk_sqs::{Client, Config};
use programs::Outcome;
use programs::moto::{BUCKET, Moto};
use serde_json::{Value, json};
use world::{World, film, run};

const ALL: [&str; 6] = [
    "sqs:CreateQueue",
    "sqs:GetQueueUrl",
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
];

fn event(key: &str) -> Value {
    json!({"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]})
}

/// The servers around the function, with S3 and SQS from moto.
struct Queues {
    world: World,
    aws: Moto,
    settings: BTreeMap<&'static str, String>,
    client: Client,
}

impl Queues {
    async fn new() -> Outcome<Self> {
        let world = World::new().await?;
        let aws = Moto::start().await?;
        let mut settings: BTreeMap<_, _> = world.settings().into_iter().collect();
        settings.extend(aws.settings_with(&[], &ALL).await?);
        let of = |name: &str| settings.get(name).cloned().unwrap_or_default();
        let credentials =
            Credentials::new(of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"), None, None, "tests");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(of("AWS_REGION")))
            .endpoint_url(of("AWS_ENDPOINT_URL"))
            .credentials_provider(credentials);
        let client = Client::from_conf(config.build());
        Ok(Self { world, aws, settings, client })
    }

    async fn queue(&self, name: &str) -> Outcome<String> {
        let made = self.client.create_queue().queue_name(name).send().await?;
        Ok(made.queue_url().ok_or("no URL")?.to_owned())
    }

    async fn send(&self, queue: &str, body: &Value, attributes: &[(&str, &str)]) -> Outcome {
        let mut request = self.client.send_message().queue_url(queue).message_body(body.to_string());
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(*value).build()?;
            request = request.message_attributes(*name, value);
        }
        request.send().await?;
        Ok(())
    }

    /// The bodies of the messages that can be received now.
    async fn bodies(&self, queue: &str) -> Outcome<Vec<Value>> {
        let request =
            self.client.receive_message().queue_url(queue).max_number_of_messages(10).visibility_timeout(0);
        let received = request.send().await?;
        let bodies = received.messages().iter().filter_map(|message| message.body());
        Ok(bodies.map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    fn redrive(&self, arguments: &[&str]) -> Outcome<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
        command.env_clear().envs(&self.settings).arg("redrive").args(arguments).stdin(Stdio::null());
        Ok(command.output()?)
    }
}

fn json_of(output: &Output) -> Outcome<Value> {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {told}").into())
}

#[test]
fn letters_are_told_by_type_and_the_chosen_are_worked_on() -> Outcome {
    run(async {
        let queues = Queues::new().await?;
        for key in ["videos/1_a.mp4", "videos/2_b.mp4"] {
            queues.aws.put(key, film()?).await?;
        }
        queues.aws.put("videos/3_c.mp4", b"this is no video".to_vec()).await?;
        let dead = queues.queue("films-dlq").await?;
        let destination = |key: &str, kind: &str| {
            json!({
                "version": "1.0",
                "requestContext": {"condition": "RetriesExhausted"},
                "requestPayload": event(key),
                "responseContext": {"functionError": "Unhandled"},
                "responsePayload": {"errorType": kind, "errorMessage": "so it was"},
            })
        };
        queues.send(&dead, &destination("videos/1_a.mp4", "denied"), &[]).await?;
        queues.send(&dead, &destination("videos/3_c.mp4", "malformed"), &[]).await?;
        queues.send(&dead, &event("videos/2_b.mp4"), &[]).await?;

        // Listing changes no message.
        for _ in 0..2 {
            let told = json_of(&queues.redrive(&["films-dlq", "--json"])?)?;
            let count = |kind: &str| told["groups"][kind]["messages"].clone();
            assert_eq!(
                [count("denied"), count("malformed"), count("unknown")],
                [1, 1, 1].map(|one| json!(one)),
                "{told}"
            );
            assert_eq!(told["groups"]["malformed"]["permanent"], true);
            assert_eq!(told["groups"]["unknown"]["examples"], json!(["videos/2_b.mp4"]));
        }
        let output = queues.redrive(&[&dead])?;
        let told = String::from_utf8(output.stdout)?;
        assert!(
            told.contains("denied") && told.contains("1 message, may not happen again: videos/1_a.mp4"),
            "{told}"
        );

        // The selected message is processed and deleted.
        let told = json_of(&queues.redrive(&["films-dlq", "--type", "denied", "--replay", "--json"])?)?;
        assert_eq!((&told["succeeded"], &told["failed"]), (&json!(1), &json!([])), "{told}");
        assert_eq!(queues.world.rows().await?.len(), 1);
        assert_eq!(queues.bodies(&dead).await?.len(), 2);
        // A replay keeps the title of a content that was edited since.
        queues.world.database.rows("UPDATE contents SET title = 'Edited'").await?;
        queues.send(&dead, &destination("videos/1_a.mp4", "denied"), &[]).await?;
        let output = queues.redrive(&["films-dlq", "--replay", "--json"])?;
        // One message fails again, and stays in the queue.
        assert_eq!(output.status.code(), Some(6), "{output:?}");
        let told = json_of(&output)?;
        assert_eq!(
            (&told["succeeded"], &told["failed"][0]["kind"]),
            (&json!(2), &json!("malformed")),
            "{told}"
        );
        assert_eq!(queues.bodies(&dead).await?, [destination("videos/3_c.mp4", "malformed")]);
        let rows = queues.world.rows().await?;
        assert_eq!(rows.iter().map(|row| row.1.as_str()).collect::<Vec<_>>(), ["Edited", "B"]);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("canary"));
        Ok(())
    })
}

#[test]
fn letters_can_be_sent_to_another_queue() -> Outcome {
    run(async {
        let queues = Queues::new().await?;
        let (dead, uploads) = (queues.queue("films-dlq").await?, queues.queue("films-uploads").await?);
        let told = json!({"failed": [{"error": "unavailable"}], "succeeded": 0}).to_string();
        queues
            .send(&dead, &event("videos/1_a.mp4"), &[("ErrorCode", "200"), ("ErrorMessage", &told)])
            .await?;
        queues.send(&dead, &event("videos/2_b.mp4"), &[]).await?;
        let arguments = ["films-dlq", "--type", "unavailable", "--to", "films-uploads", "--json"];
        let told = json_of(&queues.redrive(&arguments)?)?;
        assert_eq!(told["succeeded"], 1, "{told}");
        assert_eq!(queues.bodies(&uploads).await?, [event("videos/1_a.mp4")]);
        assert_eq!(queues.bodies(&dead).await?, [event("videos/2_b.mp4")]);
        Ok(())
    })
}

/// Messages are received in batches as they are processed, and each is hidden again just before its turn. An error message that
/// Lambda has truncated is still parsed.
#[test]
fn a_long_queue_is_taken_in_turns() -> Outcome {
    const LETTERS: usize = 23;
    run(async {
        let queues = Queues::new().await?;
        let dead = queues.queue("films-dlq").await?;
        // An object that does not exist any more needs no work. That is a success.
        let failed = json!([{"bucket": BUCKET, "error": "unavailable", "key": "videos/1_a.mp4", "message": "x".repeat(3000)}]);
        let whole = json!({"failed": failed, "succeeded": 0}).to_string();
        for number in 1..=LETTERS {
            let attributes = [("ErrorCode", "200"), ("ErrorMessage", &whole[..1024])];
            queues.send(&dead, &event(&format!("videos/{number}_gone.mp4")), &attributes).await?;
        }
        queues.aws.settings_with(&[], &[&ALL[..], &["s3:ListBucket"]].concat()).await?;
        let before = queues.aws.targets().await?.len();
        let told =
            json_of(&queues.redrive(&["films-dlq", "--type", "unavailable", "--replay", "--json"])?)?;
        assert_eq!(
            (&told["succeeded"], &told["groups"]["unavailable"]["messages"]),
            (&json!(LETTERS), &json!(LETTERS)),
            "{told}"
        );
        let targets = queues.aws.targets().await?.split_off(before);
        let actions: Vec<_> = targets.iter().filter_map(|target| target.strip_prefix("AmazonSQS.")).collect();
        let mut expected = vec!["GetQueueUrl"];
        for count in [10, 10, 3, 0] {
            expected.push("ReceiveMessage");
            expected.extend(["ChangeMessageVisibility", "DeleteMessage"].repeat(count));
        }
        assert_eq!(actions, expected);
        Ok(())
    })
}

#[test]
fn what_is_missing_is_told() -> Outcome {
    run(async {
        let mut queues = Queues::new().await?;
        queues.queue("films-dlq").await?;
        assert_eq!(queues.redrive(&["nowhere"])?.status.code(), Some(3));
        assert_eq!(queues.redrive(&["films-dlq"])?.status.code(), Some(0));
        assert_eq!(queues.redrive(&["films-dlq", "--replay", "--to", "x"])?.status.code(), Some(2));
        queues.aws.settings_with(&[], &["sqs:GetQueueUrl"]).await?;
        let output = queues.redrive(&["films-dlq", "--json"])?;
        assert_eq!((output.status.code(), &json_of(&output)?["error"]["kind"]), (Some(4), &json!("denied")));
        assert!(String::from_utf8(output.stderr)?.contains("sqs:ReceiveMessage"));
        queues.settings.insert("DB_NAME", String::new());
        let output = queues.redrive(&["films-dlq", "--replay"])?;
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr)?.contains("DB_NAME"));
        queues.settings.insert("AWS_REGION", String::new());
        assert_eq!(queues.redrive(&["films-dlq"])?.status.code(), Some(2));
        Ok(())
    })
}

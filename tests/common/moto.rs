//! AWS for the tests: S3, Secrets Manager and IAM of moto (`tests/servers/moto_server.py`), which checks every signature and every
//! permission. The function's user has the permissions of the replaced Lambda's role, and no others. This user must not list the bucket, so
//! that a missing key gives 403.

use std::net::TcpStream;
use std::process::Command;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::{Outcome, Program, in_repository};
use crate::ports::free_port;

/// The bucket of every instance.
pub(crate) const BUCKET: &str = "films";
/// The permissions of the replaced Lambda's role on the bucket's objects, as its owner wrote them.
const ACTIONS: [&str; 4] = ["s3:GetObject", "s3:PutObject", "s3:HeadObject", "s3:GetObjectTagging"];

#[derive(Debug)]
pub(crate) struct Moto {
    _program: Program,
    port: u16,
}

impl Moto {
    pub(crate) async fn start() -> Outcome<Self> {
        let port = free_port()?;
        let mut command = Command::new(in_repository("target/python/bin/python"));
        command.arg("-B").arg(in_repository("tests/servers/moto_server.py")).arg(port.to_string());
        // The number of requests that moto does not check.
        command.env("INITIAL_NO_AUTH_ACTION_COUNT", "0");
        let mut program = Program::start(&mut command)?;
        program.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
        let server = Self { _program: program, port };
        server.ask(Method::PUT, &format!("buckets/{BUCKET}"), Vec::new()).await?;
        Ok(server)
    }

    /// The settings of a function whose user has those permissions, and may read the secrets with these names.
    pub(crate) async fn settings(&self, secrets: &[&str]) -> Outcome<Vec<(&'static str, String)>> {
        self.permit(&ACTIONS, secrets, &[]).await
    }

    /// The same, with these actions on all resources.
    pub(crate) async fn settings_with(
        &self,
        secrets: &[&str],
        everywhere: &[&str],
    ) -> Outcome<Vec<(&'static str, String)>> {
        self.permit(&ACTIONS, secrets, everywhere).await
    }

    /// The settings of a function whose user may do `actions` on objects, read these secrets, and
    /// do the actions in `everywhere` on all resources.
    pub(crate) async fn permit(
        &self,
        actions: &[&str],
        secrets: &[&str],
        everywhere: &[&str],
    ) -> Outcome<Vec<(&'static str, String)>> {
        let objects = format!("arn:aws:s3:::{BUCKET}/*");
        let mut statements = vec![json!({"Effect": "Allow", "Action": actions, "Resource": objects})];
        for name in secrets {
            // Six random characters follow the name in an ARN.
            let secret = format!("arn:aws:secretsmanager:*:*:secret:{name}-*");
            let action = "secretsmanager:GetSecretValue";
            statements.push(json!({"Effect": "Allow", "Action": action, "Resource": secret}));
        }
        if !everywhere.is_empty() {
            statements.push(json!({"Effect": "Allow", "Action": everywhere, "Resource": "*"}));
        }
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let reply = self.ask(Method::PUT, "users/function", policy.into()).await?;
        let keys = json_of(reply).await?;
        let key = |name: &str| keys[name].as_str().unwrap_or_default().to_owned();
        Ok(vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_REGION", "ap-northeast-2".to_owned()),
            ("AWS_ACCESS_KEY_ID", key("access_key")),
            ("AWS_SECRET_ACCESS_KEY", key("secret_key")),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ])
    }

    /// Creates a secret or changes its value, and returns its ARN.
    pub(crate) async fn put_secret(&self, name: &str, value: &str) -> Outcome<String> {
        let reply = self.ask(Method::PUT, &format!("secrets/{name}"), value.into()).await?;
        let reply = json_of(reply).await?;
        Ok(reply["arn"].as_str().ok_or("no ARN")?.to_owned())
    }

    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) -> Outcome {
        self.ask(Method::PUT, &format!("objects/{BUCKET}/{key}"), bytes).await.map(drop)
    }

    /// Stores an object with `x-amz-meta-poster-at`.
    pub(crate) async fn put_with_choice(&self, key: &str, bytes: Vec<u8>, poster_at: &str) -> Outcome {
        let url = format!("http://127.0.0.1:{}/_tests/objects/{BUCKET}/{key}", self.port);
        let request = Client::new().put(url).header("x-amz-meta-poster-at", poster_at).body(bytes);
        Ok(request.send().await?.error_for_status().map(drop)?)
    }

    /// Replaces the object's tags by these.
    pub(crate) async fn set_tags(&self, key: &str, tags: &[(&str, &str)]) -> Outcome {
        let tags: serde_json::Map<String, Value> =
            tags.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let body = Value::Object(tags).to_string().into();
        self.ask(Method::PUT, &format!("tags/{BUCKET}/{key}"), body).await.map(drop)
    }

    /// The requests for an object so far: method and query of each.
    pub(crate) async fn requests_for(&self, key: &str) -> Outcome<Vec<String>> {
        let reply = self.ask(Method::GET, "requests", Vec::new()).await?;
        let seen = json_of(reply).await?;
        let of_key = seen
            .as_array()
            .into_iter()
            .flatten()
            .filter(|request| request["path"].as_str().is_some_and(|path| path.ends_with(key)));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(of_key
            .map(|request| format!("{} {}", text(&request["method"]), text(&request["query"])))
            .collect())
    }

    /// Returns an object's bytes, and one value of its user metadata.
    pub(crate) async fn object(&self, key: &str, metadata: &str) -> Outcome<(Vec<u8>, Option<String>)> {
        let reply = self.ask(Method::GET, &format!("objects/{BUCKET}/{key}"), Vec::new()).await?;
        let value = reply.headers().get(format!("x-object-x-amz-meta-{metadata}"));
        let value = value.map(|value| value.to_str().map(str::to_owned)).transpose()?;
        Ok((reply.bytes().await?.to_vec(), value))
    }

    /// The actions of services that name the action in a header (`AmazonSQS.ReceiveMessage`), in order.
    pub(crate) async fn targets(&self) -> Outcome<Vec<String>> {
        let reply = self.ask(Method::GET, "requests", Vec::new()).await?;
        let seen = json_of(reply).await?;
        Ok(seen
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|seen| seen["target"].as_str().map(str::to_owned))
            .collect())
    }

    /// Returns the refused requests: method, path and Secrets Manager's target.
    pub(crate) async fn refused(&self) -> Outcome<Vec<String>> {
        let reply = self.ask(Method::GET, "requests", Vec::new()).await?;
        let seen = json_of(reply).await?;
        let refused = seen.as_array().into_iter().flatten().filter(|request| request["status"] == 403);
        Ok(refused
            .map(|request| format!("{} {} {}", request["method"], request["path"], request["target"]))
            .collect())
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Outcome<Response> {
        let url = format!("http://127.0.0.1:{}/_tests/{path}", self.port);
        let reply = Client::new().request(method, url).body(body).send().await?;
        Ok(reply.error_for_status()?)
    }
}

async fn json_of(reply: Response) -> Outcome<Value> {
    Ok(serde_json::from_slice(&reply.bytes().await?)?)
}

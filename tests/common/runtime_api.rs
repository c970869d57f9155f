//! Lambda's runtime API ("Using the Lambda runtime API" in the AWS Lambda Developer Guide), and the function inside it.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt as _;
use hyper::Response;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::cgroup::Cgroup;
use super::{Log, Outcome, Program, isolation, pause};
use crate::servers::{Server, body_of};

/// An invocation that the function has not fetched yet.
struct Invocation {
    id: String,
    deadline: SystemTime,
    event: String,
}

/// The function's answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Response(Value),
    /// `errorType` and `errorMessage`.
    FunctionError(String, String),
}

impl Reply {
    pub(crate) fn response(self) -> Outcome<Value> {
        match self {
            Self::Response(value) => Ok(value),
            Self::FunctionError(kind, message) => Err(format!("{kind}: {message}").into()),
        }
    }

    pub(crate) fn error(self) -> Outcome<(String, String)> {
        match self {
            Self::Response(value) => Err(format!("no error but {value}").into()),
            Self::FunctionError(kind, message) => Ok((kind, message)),
        }
    }
}

pub(crate) struct Lambda {
    program: Program,
    _server: Server,
    invocations: UnboundedSender<Invocation>,
    replies: Receiver<(String, Reply)>,
    /// The time from the start of the process until it requests its first event.
    pub(crate) init: Duration,
    count: u32,
    /// Declared after the program, so that the group is dropped after the program has ended.
    _group: Option<Cgroup>,
}

impl Lambda {
    pub(crate) fn start(binary: &str, settings: &[(&str, String)]) -> Outcome<Self> {
        Self::start_in(None, 512, binary, settings)
    }

    /// Starts the function in an environment with this memory. The environment variables contain the size, and
    /// a control group enforces it where one can be created.
    pub(crate) fn start_with_memory(
        mebibytes: u32,
        binary: &str,
        settings: &[(&str, String)],
    ) -> Outcome<Self> {
        Self::start_in(Cgroup::new(u64::from(mebibytes) << 20), mebibytes, binary, settings)
    }

    fn start_in(
        group: Option<Cgroup>,
        mebibytes: u32,
        binary: &str,
        settings: &[(&str, String)],
    ) -> Outcome<Self> {
        let (invocations, waiting) = unbounded_channel::<Invocation>();
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let (replied, replies) = channel();
        let asked: Arc<Mutex<Option<Instant>>> = Arc::default();
        let first_asked = Arc::clone(&asked);
        let server = Server::start(move |request| {
            let (waiting, replied, asked) = (Arc::clone(&waiting), replied.clone(), Arc::clone(&asked));
            Box::pin(async move {
                let path = request.uri().path().to_owned();
                if path.ends_with("/invocation/next") {
                    asked.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
                    let Some(next) = waiting.lock().await.recv().await else {
                        return Ok(Response::builder().status(410).body(body_of(""))?);
                    };
                    let deadline = next.deadline.duration_since(UNIX_EPOCH)?.as_millis();
                    return Ok(Response::builder()
                        .header("Lambda-Runtime-Aws-Request-Id", next.id)
                        .header("Lambda-Runtime-Deadline-Ms", deadline.to_string())
                        .header(
                            "Lambda-Runtime-Invoked-Function-Arn",
                            "arn:aws:lambda:eu-west-1:111122223333:function:films",
                        )
                        .header("Content-Type", "application/json")
                        .body(body_of(next.event))?);
                }
                let body = request.into_body().collect().await?.to_bytes();
                let value: Value = serde_json::from_slice(&body)?;
                let mut steps = path.rsplit('/');
                let (kind, id) = (steps.next().unwrap_or(""), steps.next().unwrap_or("").to_owned());
                let text = |name: &str| value[name].as_str().unwrap_or("").to_owned();
                let reply = match kind {
                    "response" => Reply::Response(value),
                    _ => Reply::FunctionError(text("errorType"), text("errorMessage")),
                };
                replied.send((id, reply))?;
                Ok(Response::builder().status(202).body(body_of("{}"))?)
            })
        })?;
        let started = Instant::now();
        let mut command = group.as_ref().map_or_else(|| Command::new(binary), |group| group.command(binary));
        command.env_clear().env("AWS_LAMBDA_RUNTIME_API", server.endpoint().replace("http://", ""));
        command.env("AWS_LAMBDA_FUNCTION_NAME", "films");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", mebibytes.to_string());
        command.env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        command.env("AWS_LAMBDA_LOG_STREAM_NAME", "stream").env("AWS_LAMBDA_LOG_GROUP_NAME", "group");
        command.envs(isolation());
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        let mut program = Program::start(&mut command)?;
        let first = || *first_asked.lock().unwrap_or_else(PoisonError::into_inner);
        program.wait_until(|| first().is_some())?;
        let init = first().map_or(Duration::ZERO, |asked| asked.duration_since(started));
        Ok(Self { program, _server: server, invocations, replies, init, count: 0, _group: group })
    }

    /// Sends an event, which the function may process for the time `allowed`.
    pub(crate) fn send(&mut self, event: &Value, allowed: Duration) -> Outcome<String> {
        self.count += 1;
        let id = format!("request-{}", self.count);
        let invocation =
            Invocation { id: id.clone(), deadline: SystemTime::now() + allowed, event: event.to_string() };
        self.invocations.send(invocation).map_err(|_| "the runtime API has ended")?;
        Ok(id)
    }

    /// Waits at most `most` for the reply to the event with this id.
    pub(crate) fn wait(&mut self, id: &str, most: Duration) -> Outcome<Reply> {
        let answered = self.replies.recv_timeout(most);
        let (of, reply) = answered.map_err(|error| format!("{error}\n{}", self.log().text()))?;
        assert_eq!(of, id);
        Ok(reply)
    }

    pub(crate) fn invoke(&mut self, event: &Value) -> Outcome<Reply> {
        let id = self.send(event, Duration::from_secs(60))?;
        self.wait(&id, Duration::from_secs(60))
    }

    pub(crate) fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    pub(crate) fn log(&self) -> &Log {
        self.program.log()
    }

    /// Returns the log, after a short wait for lines that are on their way.
    pub(crate) fn logged(&self) -> String {
        pause(Duration::from_millis(100));
        self.log().text()
    }

    /// Processor time so far, in clock ticks of 10 ms, of the function and its running children.
    pub(crate) fn processor_ticks(&self) -> Outcome<u64> {
        with_children(self.program.id()).into_iter().map(ticks).sum()
    }

    /// Sends an event. Returns the answer, and the peak memory that the function and its children used together meanwhile, in KiB. Shared
    /// pages count once (proc(5), `Pss`). A sample is taken every 5 ms.
    pub(crate) fn invoke_measured(&mut self, event: &Value) -> Outcome<(Reply, u64)> {
        let (id, is_done) = (self.program.id(), Arc::new(AtomicBool::new(false)));
        let done = Arc::clone(&is_done);
        let looking = thread::spawn(move || {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(with_children(id).into_iter().map(proportional_memory).sum());
                pause(Duration::from_millis(5));
            }
            most
        });
        let reply = self.invoke(event);
        is_done.store(true, Ordering::Relaxed);
        let most = looking.join().map_err(|_| "the look has panicked")?;
        Ok((reply?, most))
    }
}

/// Returns the ids of a process and its children.
fn with_children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children: String = children.collect();
    std::iter::once(id).chain(children.split_whitespace().filter_map(|id| id.parse().ok())).collect()
}

fn ticks(process: u32) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let number =
        |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).ok_or("no time");
    Ok(number(11)? + number(12)?)
}

/// In KiB. 0 for a process that has ended.
fn proportional_memory(process: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

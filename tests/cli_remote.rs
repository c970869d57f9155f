//! Runs the real program with inputs that are not files: URLs, objects in S3, standard input. Tests its answers, its exit codes, and that
//! its output contains no secrets.

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Outcome, fixture, fixture_bytes};
use serde_json::Value;
use servers::Fault;
use servers::http_server::{HttpServer, Object};
use servers::s3_server::{BUCKET, S3Server, SECRET_KEY};
use tempfile::TempDir;

const FILM: &str = "h264_end.mp4";
/// No output may contain this.
const SECRET: &str = "s3cr3t";

/// The program, without settings from the environment.
fn posterframe(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

/// The settings with another value for `name`, or without it.
fn but(settings: &[(&'static str, String)], name: &str, value: Option<&str>) -> Vec<(&'static str, String)> {
    let changed = settings.iter().filter_map(|(other, old)| match *other == name {
        true => value.map(|value| (*other, value.to_owned())),
        false => Some((*other, old.clone())),
    });
    changed.collect()
}

/// A folder for pictures, and the path of a picture in it.
struct Out {
    _folder: TempDir,
    path: PathBuf,
}

impl Out {
    fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("poster.jpg");
        Ok(Self { _folder: folder, path })
    }

    fn text(&self) -> Outcome<&str> {
        Ok(self.path.to_str().ok_or("a path that is not UTF-8")?)
    }
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Outcome<Value> {
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", shown(output)))?)
}

fn succeed(command: &mut Command) -> Outcome<Value> {
    let output = command.output()?;
    assert!(output.status.success(), "{command:?}: {}", shown(&output));
    json(&output)
}

/// Asserts that a command fails with this exit code and kind, and reports this message about this input: as text and as JSON.
fn fails(command: impl Fn() -> Command, code: i32, kind: &str, subject: &str, message: &str) -> Outcome {
    let plain = command().output()?;
    let said = String::from_utf8_lossy(&plain.stderr);
    assert_eq!(plain.status.code(), Some(code), "{said}");
    assert!(
        said.starts_with(&format!("error: {subject}: {message}")),
        "{said}: expected {subject}: {message}"
    );
    assert!(plain.stdout.is_empty(), "{}", shown(&plain));

    let output = command().arg("--json").output()?;
    assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
    let answer = json(&output)?;
    let error = &answer["error"];
    assert_eq!(answer.as_object().map(|object| object.len()), Some(1), "{answer}");
    assert_eq!((&error["kind"], &error["subject"]), (&kind.into(), &subject.into()), "{error}");
    assert!(error["message"].as_str().is_some_and(|said| said.starts_with(message)), "{error}");
    Ok(())
}

/// Asserts that an answer contains all numbers of the ledger, and that the numbers are consistent.
fn tells_its_cost(answer: &Value) -> Outcome {
    let number = |name: &str| answer[name].as_u64().ok_or_else(|| format!("no {name} in {answer}"));
    let (requests, round_trips) = (number("requests")?, number("round_trips")?);
    let (fetched, used) = (number("bytes_fetched")?, number("bytes_used")?);
    number("cache_hits")?;
    assert!(1 <= round_trips && round_trips <= requests, "{answer}");
    assert!(0 < used && used <= fetched, "{answer}");
    assert!(number("waiting_ms")? <= number("elapsed_ms")?, "{answer}");
    Ok(())
}

/// The program's results for the film as a file: its answer to `probe`, and the picture.
fn of_the_file() -> Outcome<(Value, Vec<u8>)> {
    let (film, out) = (fixture(FILM), Out::new()?);
    let film = film.to_str().ok_or("a path that is not UTF-8")?;
    let probed = succeed(&mut posterframe(&["probe", film, "--json"]))?;
    succeed(&mut posterframe(&["grab", film, "-o", out.text()?, "--json"]))?;
    Ok((probed, fs::read(&out.path)?))
}

/// Asserts that the program reports and renders the film as it does for a file.
fn is_the_film(input: &str, settings: &[(&str, String)]) -> Outcome {
    let (expected, picture) = of_the_file()?;
    let with_settings = |arguments: &[&str]| {
        let mut command = posterframe(arguments);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        command
    };
    let mut probed = succeed(&mut with_settings(&["probe", input, "--json"]))?;
    assert_eq!(probed["format"]["filename"], input);
    tells_its_cost(&probed["posterframe"])?;
    probed["format"]["filename"] = expected["format"]["filename"].clone();
    assert_eq!((&probed["format"], &probed["streams"]), (&expected["format"], &expected["streams"]));
    let out = Out::new()?;
    let grabbed = succeed(&mut with_settings(&["grab", input, "-o", out.text()?, "--json"]))?;
    tells_its_cost(&grabbed)?;
    assert!(fs::read(&out.path)? == picture, "another picture");

    // The output for people.
    let output = with_settings(&["probe", input]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with(input) && said.contains(" kB in "), "{said}");
    let output = with_settings(&["grab", input, "-o", "-"]).output()?;
    assert!(
        output.stdout == picture && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn urls_are_read_like_files() -> Outcome {
    let server = HttpServer::start()?;
    is_the_film(&server.put("/films/1_a.mp4", Object::new(fixture_bytes(FILM)?)), &[])?;
    assert!(server.faults.seen().iter().all(|seen| seen.range().is_some()));
    Ok(())
}

#[test]
fn objects_in_s3_are_read_like_files() -> Outcome {
    let server = S3Server::start()?;
    let key = "films/안녕 a+b%.mp4";
    server.put(key, &fixture_bytes(FILM)?)?;
    is_the_film(&format!("s3://{BUCKET}/{key}"), &server.settings())?;

    // A version of the object.
    let mut command = posterframe(&["probe", "--version-id", "v7", "--json"]);
    command.arg(format!("s3://{BUCKET}/{key}")).envs(server.settings());
    command.output()?;
    let seen = server.faults.last()?;
    assert!(seen.query.contains("versionId=v7"), "{}", seen.query);
    Ok(())
}

/// The options that the AWS CLI has take precedence over the variables.
#[test]
fn endpoint_region_and_profile_are_options() -> Outcome {
    let server = S3Server::start()?;
    let key = "films/1_a.mp4";
    server.put(key, &fixture_bytes(FILM)?)?;
    let input = format!("s3://{BUCKET}/{key}");
    let endpoint = server.endpoint();
    let settings = but(&server.settings(), "AWS_ENDPOINT_URL", Some("http://127.0.0.1:9"));
    let settings = but(&settings, "AWS_REGION", Some(""));
    let options = ["--endpoint-url", &endpoint, "--region", "us-east-1"];
    let probe = || {
        let mut command = posterframe(&["probe", &input]);
        command.envs(settings.clone());
        command
    };
    fails(probe, 2, "config", &input, "no AWS region")?;
    succeed(probe().args(options).arg("--json"))?;

    // A profile contains keys and region, so that the variables of keys are left out.
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config");
    let of = |name: &str| {
        let found = settings.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| value.clone()).ok_or(format!("no {name}"))
    };
    let (id, secret) = (of("AWS_ACCESS_KEY_ID")?, of("AWS_SECRET_ACCESS_KEY")?);
    fs::write(
        &config,
        format!(
            "[profile films]\nregion = us-east-1\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n\
             endpoint_url = {endpoint}\n"
        ),
    )?;
    let of_profile = |name: &str| {
        let mut command = posterframe(&["probe", &input, "--profile", name]);
        command.env("AWS_CONFIG_FILE", &config).env("AWS_EC2_METADATA_DISABLED", "true");
        command
    };
    succeed(of_profile("films").arg("--json"))?;
    fails(|| of_profile("other"), 2, "config", &input, "no AWS region")?;
    for url in ["ftp://host", "host:9000", "http://user:word@host", ""] {
        let output = probe().args(["--endpoint-url", url]).output()?;
        assert_eq!(output.status.code(), Some(2), "{url}");
        assert!(!shown(&output).contains("user:word"), "{}", shown(&output));
    }
    Ok(())
}

#[test]
fn signed_urls_are_read_and_not_shown() -> Outcome {
    let server = HttpServer::start()?;
    server.put("/film.mp4", Object::new(fixture_bytes(FILM)?));
    let input = format!("http://me:{SECRET}@127.0.0.1:{}/film.mp4?X-Amz-Signature={SECRET}", server.port());
    let name = format!("{}/film.mp4?REDACTED", server.endpoint());
    let elsewhere = format!("/film.mp4?X-Amz-Signature={SECRET}");
    let redirect = Fault::status(302).with_header("location", elsewhere);
    let faults = [
        None,
        Some(redirect),
        Some(Fault::status(403)),
        Some(Fault::status(404)),
        Some(Fault::NoReply),
        Some(Fault::IgnoreRange),
        Some(Fault::Header("content-range", None)),
    ];
    for fault in faults {
        // Logs of our code and of all libraries, in both formats.
        for (filter, form) in [("info", "text"), ("debug", "text"), ("debug", "json"), ("trace", "json")] {
            for command in [vec!["probe"], vec!["probe", "--json"], vec!["grab", "-o", "-"]] {
                server.faults.clear();
                if let Some(fault) = &fault {
                    server.faults.on_next(2, fault.clone());
                }
                let mut command = posterframe(&command);
                let output = command.arg(&input).env("RUST_LOG", filter).env("LOG_FORMAT", form).output()?;
                let shown = shown(&output);
                assert!(!shown.contains(SECRET), "{filter}, {form}: {shown}");
                if !output.status.success() {
                    assert!(shown.contains(&name), "{shown}");
                }
            }
        }
    }
    // A fault for two requests may remain after a program that sent only one.
    server.faults.clear();
    let output = posterframe(&["probe", &input]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with(&name), "{}", shown(&output));
    assert!(server.faults.seen().iter().all(|seen| seen.query.is_empty() || seen.query.contains(SECRET)));
    // Inputs that the program refuses before it reads them.
    let odd = [format!("ftp://me:{SECRET}@h/a?{SECRET}"), format!("http://[/a?{SECRET}")];
    let flag = "--timeout".to_owned();
    for arguments in [vec![&odd[0]], vec![&odd[1]], vec![&flag, &input]] {
        let mut command = posterframe(&["probe", "--json"]);
        let output = command.args(&arguments).env("RUST_LOG", "trace").output()?;
        let shown = shown(&output);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(!shown.contains(SECRET) && shown.contains("REDACTED"), "{shown}");
        assert_eq!(json(&output)?["error"]["kind"], "config");
    }
    Ok(())
}

#[test]
fn keys_to_s3_are_not_shown() -> Outcome {
    let server = S3Server::start()?;
    server.put("film.mp4", &fixture_bytes(FILM)?)?;
    let settings = server.settings();
    for (key, secret) in [("film.mp4", SECRET_KEY), ("none.mp4", SECRET_KEY), ("film.mp4", SECRET)] {
        for (filter, form) in [("debug", "text"), ("debug", "json"), ("trace", "json")] {
            let mut command = posterframe(&["probe", "--json"]);
            command.arg(format!("s3://{BUCKET}/{key}")).envs(but(
                &settings,
                "AWS_SECRET_ACCESS_KEY",
                Some(secret),
            ));
            let output = command
                .env("AWS_SESSION_TOKEN", "t0k3n")
                .env("RUST_LOG", filter)
                .env("LOG_FORMAT", form)
                .output()?;
            let shown = shown(&output);
            for hidden in [secret, "t0k3n"] {
                assert!(!shown.contains(hidden), "{filter}, {form}: {shown}");
            }
        }
    }
    Ok(())
}

/// The command, with the film on standard input.
fn with_film(mut command: Command) -> Outcome<Command> {
    command.stdin(File::open(fixture(FILM))?);
    Ok(command)
}

#[test]
fn standard_input_is_read_into_memory_up_to_a_bound() -> Outcome {
    let (expected, picture) = of_the_file()?;
    let size = fixture_bytes(FILM)?.len();
    let exact = size.to_string();
    let probed = succeed(&mut with_film(posterframe(&["probe", "-", "--json", "--buffer", &exact]))?)?;
    assert_eq!((&probed["format"]["filename"], &probed["streams"]), (&"-".into(), &expected["streams"]));
    tells_its_cost(&probed["posterframe"])?;
    let output = with_film(posterframe(&["grab", "-", "-o", "-"]))?.output()?;
    assert!(output.stdout == picture, "another picture: {}", String::from_utf8_lossy(&output.stderr));

    let short = (size - 1).to_string();
    let command = || with_film(posterframe(&["probe", "-", "--buffer", &short])).unwrap();
    let message = format!("the input is larger than {short} bytes, the most that may be buffered in memory");
    fails(command, 7, "limit_exceeded", "-", &message)?;
    fails(|| posterframe(&["probe", "-"]), 6, "malformed", "-", "the file is empty")?;
    Ok(())
}

/// Waits for the end of a program, but kills it after a time limit.
fn end_of(mut child: Child, within: Duration) -> Outcome<Output> {
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > within {
            child.kill()?;
            return Err(format!("it did not end: {}", shown(&child.wait_with_output()?)).into());
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok(child.wait_with_output()?)
}

#[test]
fn standard_input_is_not_waited_for_longer_than_allowed() -> Outcome {
    let mut command = posterframe(&["probe", "-", "--timeout", "0.3", "--json"]);
    // A pipe that nobody writes to, and nobody closes.
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = end_of_open_pipe(child.spawn()?)?;
    assert_eq!(output.status.code(), Some(8), "{}", shown(&output));
    assert_eq!(json(&output)?["error"]["kind"], "timeout");
    Ok(())
}

/// `wait_with_output` would close standard input. This function keeps it open until the program ends.
fn end_of_open_pipe(mut child: Child) -> Outcome<Output> {
    let open = child.stdin.take();
    let output = end_of(child, Duration::from_secs(5));
    drop(open);
    output
}

#[test]
fn a_server_without_ranges_is_read_whole_if_that_is_asked_for() -> Outcome {
    let (_, picture) = of_the_file()?;
    let bytes = fixture_bytes(FILM)?;
    let (exact, short) = (bytes.len().to_string(), (bytes.len() - 1).to_string());
    let server = HttpServer::start()?;
    let input = server.put("/film.mp4", Object::new(bytes).without_ranges());
    let advice = "the server does not support byte ranges; --buffer SIZE reads the whole object into memory";
    fails(|| posterframe(&["probe", &input]), 5, "unsupported", &input, advice)?;
    let out = Out::new()?;
    let grabbed =
        succeed(&mut posterframe(&["grab", &input, "-o", out.text()?, "--json", "--buffer", &exact]))?;
    tells_its_cost(&grabbed)?;
    assert!(fs::read(&out.path)? == picture, "another picture");
    let message = format!("the input is larger than {short} bytes");
    let command = || posterframe(&["probe", &input, "--buffer", &short]);
    fails(command, 7, "limit_exceeded", &input, &message)?;
    Ok(())
}

#[test]
fn a_whole_body_is_not_waited_for_longer_than_allowed() -> Outcome {
    let server = HttpServer::start()?;
    let input = server.put("/film.mp4", Object::new(fixture_bytes(FILM)?).without_ranges());
    let pause = Duration::from_secs(30);
    server.faults.always(Fault::StallBody { after: 1000, pause });
    let mut command = posterframe(&["probe", &input, "--buffer", "1000000", "--timeout", "0.5", "--json"]);
    let output = end_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?, pause / 3)?;
    assert_eq!(output.status.code(), Some(8), "{}", shown(&output));
    assert_eq!(json(&output)?["error"]["kind"], "timeout");
    Ok(())
}

#[test]
fn what_goes_wrong_over_http_has_its_exit_code() -> Outcome {
    let server = HttpServer::start()?;
    let input = server.put("/film.mp4", Object::new(fixture_bytes(FILM)?));
    let denied = "access denied: no permission, or gone (403 Forbidden)";
    let timeout = "not done within 0.3 s";
    let cases = [
        (Fault::status(403), 4, "denied", denied),
        (Fault::status(404), 3, "not_found", "not found: 404 Not Found"),
        (Fault::status(410), 3, "not_found", "not found: 410 Gone"),
        (Fault::status(418), 9, "unavailable", "unexpected answer: 418 "),
        (Fault::Header("content-range", None), 9, "unavailable", "the server answered a request for bytes="),
        (Fault::Delay(Duration::from_secs(10)), 8, "timeout", timeout),
        (Fault::StallBody { after: 10, pause: Duration::from_secs(10) }, 8, "timeout", timeout),
        (Fault::status(503).with_header("retry-after", "10"), 8, "timeout", timeout),
    ];
    for (fault, code, kind, message) in cases {
        server.faults.clear();
        server.faults.always(fault);
        fails(|| posterframe(&["probe", &input, "--timeout", "0.3"]), code, kind, &input, message)?;
        let out = Out::new()?;
        let path = out.text()?;
        fails(
            || posterframe(&["grab", &input, "-o", path, "--timeout", "0.3"]),
            code,
            kind,
            &input,
            message,
        )?;
        assert!(!out.path.exists(), "{kind}");
    }
    server.faults.clear();
    server.faults.always(Fault::status(503));
    fails(
        || posterframe(&["probe", &input]),
        9,
        "unavailable",
        &input,
        "the server is busy: 503 Service Unavailable",
    )?;
    server.faults.clear();

    let of_bytes = |path: &str, bytes: Vec<u8>| server.put(path, Object::new(bytes));
    let empty = of_bytes("/empty.mp4", Vec::new());
    fails(|| posterframe(&["probe", &empty]), 6, "malformed", &empty, "the file is empty")?;
    let text = of_bytes("/text.mp4", fixture_bytes("x_text.mp4")?);
    fails(|| posterframe(&["probe", &text]), 6, "malformed", &text, "not a readable media file")?;
    let sound = of_bytes("/sound.m4a", fixture_bytes("audio_only.m4a")?);
    let none = "the file contains no video";
    let out = Out::new()?;
    let path = out.text()?;
    fails(|| posterframe(&["grab", &sound, "-o", path]), 5, "unsupported", &sound, none)?;

    drop(server);
    let refused = "connection failed: ";
    fails(|| posterframe(&["probe", &input]), 9, "unavailable", &input, refused)
}

#[test]
fn what_goes_wrong_in_s3_has_its_exit_code() -> Outcome {
    let server = S3Server::start()?;
    server.put("film.mp4", &fixture_bytes(FILM)?)?;
    server.put("empty.mp4", b"")?;
    let right = server.settings();
    let film = format!("s3://{BUCKET}/film.mp4");
    let missing = "not found: NoSuchKey: The specified key does not exist.";
    let denied = "access denied: the credentials are not accepted (SignatureDoesNotMatch";
    let unknown = "access denied: the credentials are not accepted (InvalidAccessKeyId";
    let cases = [
        (format!("s3://{BUCKET}/none.mp4"), right.clone(), 3, "not_found", missing),
        ("s3://nowhere/film.mp4".to_owned(), right.clone(), 3, "not_found", "not found: NoSuchBucket: "),
        (format!("s3://{BUCKET}/empty.mp4"), right.clone(), 6, "malformed", "the file is empty"),
        (film.clone(), but(&right, "AWS_SECRET_ACCESS_KEY", Some("wrong")), 4, "denied", denied),
        (film.clone(), but(&right, "AWS_ACCESS_KEY_ID", Some("AKIAUNKNOWN")), 4, "denied", unknown),
        (film.clone(), but(&right, "AWS_REGION", None), 2, "config", "no AWS region: set AWS_REGION, "),
        (film.clone(), but(&right, "AWS_ACCESS_KEY_ID", None), 2, "config", "no AWS credentials: set "),
    ];
    for (input, settings, code, kind, message) in cases {
        let command = || {
            let mut command = posterframe(&["probe", &input]);
            command.envs(settings.iter().map(|(name, value)| (name, value)));
            command
        };
        fails(command, code, kind, &input, message)?;
    }
    let slow = |argument: &str| {
        let mut command = posterframe(&["probe", &film, "--timeout", argument]);
        command.envs(right.iter().map(|(name, value)| (name, value)));
        command
    };
    server.faults.always(Fault::s3_error(503, "SlowDown", "Please reduce your request rate."));
    let busy = "the server is busy: SlowDown: Please reduce your request rate.";
    fails(|| slow("20"), 9, "unavailable", &film, busy)?;
    server.faults.always(Fault::Delay(Duration::from_secs(10)));
    fails(|| slow("0.3"), 8, "timeout", &film, "not done within 0.3 s")?;
    drop(server);
    fails(|| slow("20"), 9, "unavailable", &film, "connection failed: ")
}

#[test]
fn only_objects_in_s3_have_versions() -> Outcome {
    let message = "only objects in S3 have versions: --version-id is for s3://";
    for input in ["http://127.0.0.1:9/film.mp4", "-", "film.mp4"] {
        fails(|| posterframe(&["probe", input, "--version-id", "7"]), 2, "config", input, message)?;
    }
    Ok(())
}

/// An interrupt ends the wait for a server that does not answer.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_every_wait() -> Outcome {
    let server = HttpServer::start()?;
    let input = server.put("/film.mp4", Object::new(fixture_bytes(FILM)?));
    server.faults.always(Fault::StallBody { after: 10, pause: Duration::from_secs(20) });
    let mut command = posterframe(&["probe", &input, "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    while server.faults.seen().is_empty() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success());
    let output = end_of(child, Duration::from_secs(3))?;
    assert_eq!(output.status.code(), Some(130), "{}", shown(&output));
    assert_eq!(json(&output)?["error"]["kind"], "cancelled");
    Ok(())
}

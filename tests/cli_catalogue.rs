//! Tests the command line program with the function's stores: `process` on objects in S3 and on events.

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

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;
use programs::database::DATABASE;
use programs::{Outcome, Program, in_repository};
use serde_json::{Value, json};
use servers::s3_server::BUCKET;
use sqlx::Row as _;
use world::{TOKEN, World, event, film, run};

/// The program with the world's settings and these changes. An empty value means that the variable is not set.
fn posterframe(world: &World, changes: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    command
        .env_clear()
        .envs(world.settings())
        .envs(changes.iter().copied())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

fn json_of(output: &Output) -> Outcome<Value> {
    let told =
        || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", told()).into())
}

fn url(key: &str) -> String {
    format!("s3://{BUCKET}/{key}")
}

#[test]
fn process_does_the_whole_job_in_s3_and_mysql() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_test_video.mp4", &film()?)?;
        let video = url("videos/1_test_video.mp4");
        for status in ["processed", "unchanged"] {
            let output = posterframe(&world, &[], &["process", &video, "--json"]).output()?;
            assert!(output.status.success(), "{output:?}");
            let report = json_of(&output)?;
            assert_eq!((&report["status"], &report["content_id"]), (&json!(status), &json!(1)), "{report}");
            // The program first reports where it writes, without secrets.
            let told = String::from_utf8(output.stderr)?;
            let first = told.lines().next().unwrap_or_default();
            assert!(
                first.contains("thumbnails/1_test_video.jpg") && first.contains("mysql://127.0.0.1"),
                "{told}"
            );
            assert!(!told.contains("canary"), "{told}");
        }
        let rows = world.rows().await?;
        assert_eq!((rows.len(), rows[0].1.as_str(), rows[0].2.as_str()), (1, "Test Video", video.as_str()));
        assert_eq!(world.api.calls()?.len(), 1);
        assert!(world.thumbnail("thumbnails/1_test_video.jpg").is_file());

        let output = posterframe(&world, &[("DB_USER", ""), ("CATALOG_API_BASE", "")], &["process", &video])
            .output()?;
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr)?;
        assert!(
            told.contains("DB_USER: is missing") && told.contains("CATALOG_API_BASE: is missing"),
            "{told}"
        );
        let output = posterframe(&world, &[], &["process", &url("videos/2_gone.mp4"), "--json"]).output()?;
        assert_eq!(
            (output.status.code(), &json_of(&output)?["error"]["kind"]),
            (Some(3), &json!("not_found"))
        );
        let output = posterframe(&world, &[], &["process", &video, "--store", "x"]).output()?;
        assert_eq!(output.status.code(), Some(2));
        Ok(())
    })
}

/// Another session holds a row lock. `--timeout` limits the time of a video, whatever the job is waiting for.
#[test]
fn a_row_that_somebody_holds_is_waited_for_no_longer_than_allowed() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        let video = url("videos/1_test_video.mp4");
        world.s3.put("videos/1_test_video.mp4", &film()?)?;
        world.database.rows("INSERT INTO contents (id, title) VALUES (1, 'x')").await?;
        let mut other = world.database.root(DATABASE).await?;
        let hold = "START TRANSACTION; SELECT id FROM contents WHERE id = 1 FOR UPDATE";
        sqlx::raw_sql(hold).execute(&mut other).await?;

        let begun = Instant::now();
        let output = posterframe(&world, &[], &["process", &video, "--timeout", "3", "--json"]).output()?;
        let error = &json_of(&output)?["error"];
        assert_eq!((output.status.code(), &error["kind"]), (Some(8), &json!("timeout")), "{output:?}");
        assert_eq!(error["message"], "not done within 3s (--timeout)");
        assert_eq!(error["subject"], "videos/1_test_video.mp4");
        let journal = folder.path().join("journal").display().to_string();
        let arguments = ["backfill", "s3://", "--timeout", "3", "--json", "--journal", &journal];
        let place = format!("s3://{BUCKET}");
        let arguments = arguments.map(|argument| if argument == "s3://" { &place } else { argument });
        let output = posterframe(&world, &[], &arguments).output()?;
        assert_eq!(output.status.code(), Some(8), "{output:?}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert!(world.rows().await?.is_empty());

        // The failure is transient: the same command succeeds once the row is free.
        sqlx::raw_sql("COMMIT").execute(&mut other).await?;
        let output = posterframe(&world, &[], &arguments).output()?;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(world.rows().await?.len(), 1);
        Ok(())
    })
}

/// The thumbnail goes into the bucket, and the rows go into a file.
#[test]
fn the_catalogue_of_an_object_in_s3_may_be_a_file() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let store = folder.path().join("not/yet").display().to_string();
        let settings = [("STORE_DIR", store.as_str()), ("DB_HOST", "")];
        let arguments = ["process", &url("videos/1_a.mp4"), "--catalog", "sqlite", "--json"];
        for status in ["processed", "unchanged"] {
            let output = posterframe(&world, &settings, &arguments).output()?;
            assert_eq!(json_of(&output)?["status"], status);
        }
        assert!(world.thumbnail("thumbnails/1_a.jpg").is_file());
        assert!(folder.path().join("not/yet/catalog.sqlite3").is_file());
        assert!(world.rows().await?.is_empty() && world.api.calls()?.is_empty());
        Ok(())
    })
}

/// A local video writes to local files, whatever the environment contains, unless an option requests something else.
#[test]
fn a_local_video_writes_locally_unless_it_is_told_otherwise() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        let store = folder.path().display().to_string();
        let video = folder.path().join("1_a.mp4");
        fs::write(&video, film()?)?;
        let video = video.display().to_string();
        let settings = [("VIDEO_PREFIX", "")];
        let output =
            posterframe(&world, &settings, &["process", &video, "--store", &store, "--json"]).output()?;
        assert_eq!(json_of(&output)?["status"], "processed");
        assert!(
            world.rows().await?.is_empty()
                && world.api.calls()?.is_empty()
                && world.s3.faults.seen().is_empty()
        );
        let arguments = ["process", &video, "--store", &store, "--catalog", "mysql", "--json"];
        let output = posterframe(&world, &settings, &arguments).output()?;
        assert_eq!(json_of(&output)?["status"], "processed");
        let rows = world.rows().await?;
        assert!(rows.len() == 1 && rows[0].2.starts_with("file:///"), "{rows:?}");
        assert!(world.s3.faults.seen().is_empty());
        Ok(())
    })
}

#[test]
fn an_event_is_worked_on_as_the_function_would() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        world.s3.put("videos/1_a.mp4", &film()?)?;
        world.s3.put("videos/2_b.mp4", b"this is no video")?;
        let file = folder.path().join("event.json");
        fs::write(&file, event(&["videos/1_a.mp4"]).to_string())?;
        let file = file.display().to_string();
        for status in ["processed", "unchanged"] {
            let output = posterframe(&world, &[], &["process", "--event", &file]).output()?;
            assert!(output.status.success(), "{output:?}");
            assert_eq!(json_of(&output)?["results"][0]["status"], status);
            // The log is readable, and standard output contains only the answer.
            let log = String::from_utf8(output.stderr)?;
            assert!(
                log.contains("videos/1_a.mp4") && !log.contains("canary") && !log.contains("_aws"),
                "{log}"
            );
        }
        let mut child = posterframe(&world, &[], &["process", "--event", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let both = event(&["videos/2_b.mp4", "videos/1_a.mp4"]).to_string();
        child.stdin.take().ok_or("no input")?.write_all(both.as_bytes())?;
        let output = child.wait_with_output()?;
        // An event with one object returns the function's error, whose kind sets the exit code.
        assert_eq!((output.status.code(), &json_of(&output)?["errorType"]), (Some(6), &json!("malformed")));

        // The answer to a queue names the failed message, and the exit code reports the failure.
        let message = json!({"messageId": "m", "eventSource": "aws:sqs", "body": event(&["videos/2_b.mp4"]).to_string()});
        fs::write(&file, json!({"Records": [message]}).to_string())?;
        let output = posterframe(&world, &[], &["process", "--event", &file]).output()?;
        assert_eq!(output.status.code(), Some(6));
        assert_eq!(json_of(&output)?["batchItemFailures"], json!([{"itemIdentifier": "m"}]));

        for (content, code) in [("no JSON", 6), (r#"{"some": "thing"}"#, 5)] {
            fs::write(&file, content)?;
            let output = posterframe(&world, &[], &["process", "--event", &file]).output()?;
            assert_eq!(output.status.code(), Some(code), "{content}: {output:?}");
        }
        let output = posterframe(&world, &[], &["process", "--event", "/nowhere/event.json"]).output()?;
        assert_eq!(output.status.code(), Some(3));
        let output = posterframe(&world, &[("DB_NAME", "")], &["process", "--event", &file]).output()?;
        assert_eq!(output.status.code(), Some(2));
        Ok(())
    })
}

/// Without a command, the program is the function, as an image's entry point needs it. Outside Lambda, it reports the missing variables.
#[test]
fn without_a_command_it_is_the_function_in_lambda() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let program = env!("CARGO_BIN_EXE_posterframe");
        let mut function = programs::runtime_api::Lambda::start(program, &world.settings())?;
        let answer = function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed");
        let output = posterframe(&world, &[], &[]).output()?;
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr)?;
        assert!(told.contains("AWS_LAMBDA_RUNTIME_API") && told.contains("Usage"), "{told}");
        Ok(())
    })
}

/// The blocks of a page that are marked for the test below.
fn blocks(page: &str) -> Outcome<Vec<String>> {
    const MARK: &str = "<!-- docs-test: by tests/cli_catalogue.rs::the_pages_of_api_and_database_lead_to_a_whole_job -->\n```";
    let page = fs::read_to_string(in_repository(page))?;
    // The rest of the line after a mark is the block's language.
    let blocks = page.split(MARK).skip(1).filter_map(|rest| rest.split_once('\n')?.1.split_once("\n```"));
    Ok(blocks.map(|(block, _)| block.to_owned()).collect())
}

/// The statements of a block, including those of the files that the block sources.
fn statements(block: &str) -> Outcome<String> {
    let mut statements = String::new();
    for line in block.lines() {
        match line.strip_prefix("SOURCE ") {
            Some(file) => statements += &fs::read_to_string(in_repository(file))?,
            None => statements += line,
        }
        statements.push('\n');
    }
    Ok(statements)
}

/// Starts the page's handler under uvicorn.
fn start_handler(code: &str, folder: &Path, settings: &[(&str, String)]) -> Outcome<(Program, u16)> {
    fs::write(folder.join("api.py"), code)?;
    let port = free_port()?;
    let mut command = Command::new(in_repository("target/python/bin/python"));
    command
        .args(["-m", "uvicorn", "api:app", "--host", "127.0.0.1", "--log-level", "warning"])
        .args(["--port", &port.to_string()])
        .current_dir(folder)
        .env_clear()
        .envs(settings.iter().map(|(name, value)| (*name, value)));
    let mut handler = Program::start(&mut command)?;
    handler.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok((handler, port))
}

/// Follows the instructions for owners in `docs/database.md` and `docs/catalogue-api.md` word by word: tables, a user, a handler, the
/// request by hand. Afterwards, `doctor` reports no problem, and the job succeeds.
#[test]
fn the_pages_of_api_and_database_lead_to_a_whole_job() -> Outcome {
    run(async {
        let world = World::new().await?;
        let sql = blocks("docs/database.md")?;
        assert_eq!(sql.len(), 2, "{sql:?}");
        for block in &sql {
            world.database.rows(&statements(block)?).await?;
        }
        let mut settings: Vec<_> = world.settings();
        settings.retain(|(name, _)| !["DB_USER", "DB_PASSWORD", "DB_NAME"].contains(name));
        let owner = [("DB_USER", "posterframe"), ("DB_PASSWORD", "<password>"), ("DB_NAME", "catalogue")];
        settings.extend(owner.map(|(name, value)| (name, value.to_owned())));

        let api = blocks("docs/catalogue-api.md")?;
        let [request, code] = api.as_slice() else { return Err(format!("{api:?}").into()) };
        let folder = tempfile::tempdir()?;
        let (_handler, port) = start_handler(code, folder.path(), &settings)?;
        let base = format!("http://127.0.0.1:{port}/api");
        let by_hand = |token: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-ec", request]).env("CATALOG_API_BASE", &base).env("INTERNAL_TOKEN", token).output()
        };
        let refused = by_hand("another")?;
        assert!(!refused.status.success(), "{refused:?}");
        assert_eq!(json_of(&refused)?["detail"], "invalid internal token");
        let taken = json!({"id": 1, "title": "Test Video", "age_rating": "ALL"});
        assert_eq!(json_of(&by_hand(TOKEN)?)?, taken);
        // Repeating the request changes nothing, and leaves other columns alone.
        world.database.rows("UPDATE catalogue.contents SET like_count = 7").await?;
        assert_eq!(json_of(&by_hand(TOKEN)?)?, taken);

        let changes: Vec<_> = owner.into_iter().chain([("CATALOG_API_BASE", base.as_str())]).collect();
        let output = posterframe(&world, &changes, &["doctor", "--json"]).output()?;
        let told = json_of(&output)?;
        assert_eq!((&told["failed"], &told["warnings"]), (&json!(0), &json!(0)), "{told}");
        for key in ["videos/1_test_video.mp4", "videos/2_another-film.mp4", "videos/my_movie.mp4"] {
            world.s3.put(key, &film()?)?;
            let output = posterframe(&world, &changes, &["process", &url(key), "--json"]).output()?;
            assert_eq!(json_of(&output)?["status"], "processed", "{output:?}");
        }
        let select = "SELECT c.title, CAST(c.like_count AS SIGNED), v.video_url FROM catalogue.video_assets v \
                      JOIN catalogue.contents c ON c.id = v.content_id ORDER BY c.id";
        let mut rows = Vec::new();
        for row in world.database.rows(select).await? {
            rows.push((
                row.try_get::<String, _>(0)?,
                row.try_get::<i64, _>(1)?,
                row.try_get::<String, _>(2)?,
            ));
        }
        let row = |title: &str, likes, key| (title.to_owned(), likes, url(key));
        let expected = [
            row("Test Video", 7, "videos/1_test_video.mp4"),
            row("Another Film", 0, "videos/2_another-film.mp4"),
            row("My Movie", 0, "videos/my_movie.mp4"),
        ];
        assert_eq!(rows, expected);
        Ok(())
    })
}

//! Tests the built function inside a runtime API, with an S3 server, MariaDB and FastAPI: the
//! whole job, repeated, in parallel, and interrupted.

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
use std::io::Cursor;
use std::process::Command;
use std::time::{Duration, Instant};

use posterframe::{Bounds, Media, OpenOptions};
use programs::database::{PASSWORD, USER};
use programs::emulator::Emulator;
use programs::moto::Moto;
use programs::runtime_api::{Lambda, Reply};
use programs::{Outcome, in_repository, pause};
use serde_json::{Value, json};
use servers::s3_server::BUCKET;
use servers::{Fault, Seen};
use world::{FUNCTION, TOKEN, World, event, film, other_film, run};

fn batch(key: &str) -> Value {
    json!({
        "invocationSchemaVersion": "1.0", "invocationId": "i", "job": {"id": "j"},
        "tasks": [{"taskId": "t", "s3Key": key, "s3VersionId": null, "s3BucketArn": format!("arn:aws:s3:::{BUCKET}")}],
    })
}

fn sqs(messages: &[(&str, &Value)]) -> Value {
    let records = messages
        .iter()
        .map(|(id, body)| json!({"messageId": id, "body": body.to_string(), "eventSource": "aws:sqs"}));
    json!({"Records": records.collect::<Vec<_>>()})
}

#[test]
fn the_whole_job_and_the_same_event_again() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_test_video.mp4", &film()?)?;
        let mut function = world.function()?;
        let answer = function.invoke(&event(&["videos/1_test_video.mp4"]))?.response()?;
        let result = &answer["results"][0];
        assert_eq!((&result["status"], &result["content_id"]), (&json!("processed"), &json!(1)), "{answer}");
        let thumbnail = fs::read(world.thumbnail("thumbnails/1_test_video.jpg"))?;
        assert_eq!(image::guess_format(&thumbnail)?, image::ImageFormat::Jpeg);
        let seconds = i32::try_from(result["duration"].as_i64().ok_or("no duration")?)?;
        let row = (
            1,
            "Test Video".to_owned(),
            format!("s3://{BUCKET}/videos/1_test_video.mp4"),
            format!("s3://{BUCKET}/thumbnails/1_test_video.jpg"),
            seconds,
        );
        assert_eq!(world.rows().await?, std::slice::from_ref(&row));
        let calls = world.api.calls()?;
        assert_eq!(calls.len(), 1);
        assert_eq!(
            calls[0].body,
            r#"{"title":"Test Video","description":"Uploaded video: test_video","age_rating":"ALL"}"#
        );
        assert_eq!(calls[0].path, "/api/v1/contents/1/upsert-internal");

        // A content edited by hand keeps its title, whatever event is delivered again.
        world.database.rows("UPDATE contents SET title = 'Edited' WHERE id = 1").await?;
        let again = event(&["videos/1_test_video.mp4"]);
        let messages = sqs(&[("m", &again)]);
        for event in [&again, &messages, &batch("videos/1_test_video.mp4")] {
            function.invoke(event)?.response()?;
        }
        let edited = (row.0, "Edited".to_owned(), row.2, row.3, row.4);
        assert_eq!(world.rows().await?, [edited]);
        assert_eq!(world.api.calls()?.len(), 1);
        assert_eq!(fs::read(world.thumbnail("thumbnails/1_test_video.jpg"))?, thumbnail);

        let log = function.logged();
        for message in [
            "영상 처리 시작: videos/1_test_video.mp4".to_owned(),
            format!("영상 duration 추출 완료: {seconds}초"),
            format!("썸네일 추출 완료: {} bytes", thumbnail.len()),
            format!("FastAPI upsert 호출 시작: {}/v1/contents/1/upsert-internal", world.api.base()),
            "FastAPI upsert 성공: content_id=1, title=Test Video".to_owned(),
            "video_assets 테이블에 등록 완료 (content_id: 1)".to_owned(),
            "성공: videos/1_test_video.mp4 등록 완료 (content_id: 1)".to_owned(),
        ] {
            let found = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut found = found.filter(|line| line["message"] == json!(message));
            let line = found.next().ok_or_else(|| format!("{message}: not in\n{log}"))?;
            assert_eq!(line["span"]["request_id"], "request-1");
        }
        assert_eq!(log.matches("FFMPEG_PATH").count(), 2, "one line, as message and field: {log}");
        assert!(log.contains(r#""Namespace":"posterframe""#), "{log}");
        assert!(!log.contains("canary"), "{log}");
        Ok(())
    })
}

/// A text log contains only messages, one per line, whatever characters a key contains. Each failure is one error.
#[test]
fn a_failure_is_one_error_and_a_message_is_one_line() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", b"this is no video")?;
        let strange = "videos/2_%1B%5B2J%C2%9B31m%E2%80%AE%0Aforged.mp4";
        world.s3.put("videos/2_\u{1b}[2J\u{9b}31m\u{202e}\nforged.mp4", &film()?)?;
        let unreadable = json!({"Records": [{"eventVersion": "9.0", "s3": {"bucket": {"name": BUCKET}, "object": {"key": "k"}}}]});
        let events = [event(&["videos/1_a.mp4"]), event(&[strange]), unreadable, json!({"what": "is this"})];
        let mut settings = world.settings();
        let mut json_lines = Lambda::start(FUNCTION, &settings)?;
        settings.push(("LOG_FORMAT", "text".to_owned()));
        let mut bare_lines = Lambda::start(FUNCTION, &settings)?;
        for event in &events {
            json_lines.invoke(event)?;
            bare_lines.invoke(event)?;
        }
        let log = json_lines.logged();
        let lines = log.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
        assert_eq!(errors.len(), 3, "{log}");
        let text = bare_lines.logged();
        assert!(!text.contains("invocation"), "{text}");
        for log in [&log, &text] {
            let is_obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!log.contains(is_obeyed) && !log.contains("\nforged"), "{log:?}");
        }
        let shown = r"영상 처리 시작: videos/2_\u{1b}[2J\u{9b}31m\u{202e}\nforged.mp4";
        assert!(text.lines().any(|line| line == shown), "{text}");
        Ok(())
    })
}

/// Checks the inputs of `scripts/aws_cost.py`: requests to S3, and bytes of log lines.
#[test]
fn a_video_takes_the_requests_and_log_lines_that_its_cost_is_counted_by() -> Outcome {
    run(async {
        let listed =
            Command::new("python3").arg(in_repository("scripts/aws_cost.py")).arg("--list").output()?;
        let listed = String::from_utf8(listed.stdout)?;
        let input = |name: &str| -> Outcome<f64> {
            let line = listed
                .split(&format!("| `{name}` | "))
                .nth(1)
                .ok_or_else(|| format!("no {name}: {listed}"))?;
            Ok(line.split([' ', '|']).next().unwrap_or_default().parse()?)
        };
        let world = World::new().await?;
        for key in ["videos/1_first_video.mp4", "videos/2_test_video.mp4"] {
            world.s3.put(key, &film()?)?;
        }
        let mut function = world.function()?;
        // The first invocation of an environment logs additional lines.
        function.invoke(&event(&["videos/1_first_video.mp4"]))?.response()?;
        let (seen, logged) = (world.s3.faults.seen().len(), function.logged().len());
        function.invoke(&event(&["videos/2_test_video.mp4"]))?.response()?;
        let seen = world.s3.faults.seen().split_off(seen);
        let count = |method: &str| seen.iter().filter(|seen| seen.method == *method).count() as f64;
        assert_eq!((count("HEAD"), count("PUT")), (input("heads")?, input("puts")?), "{seen:?}");
        let kilobytes = (function.logged().len() - logged) as f64 / 1000.0;
        assert!((kilobytes - input("log_kb")?).abs() < 0.3, "{kilobytes} kB");
        Ok(())
    })
}

/// With `ISOLATE=process`, the answer and the metrics line of each video name the layers of the cage.
#[test]
fn a_cage_is_named_with_each_video() -> Outcome {
    run(async {
        let world = World::new().await?;
        for key in ["videos/1_a.mp4", "videos/2_b.mp4"] {
            world.s3.put(key, &film()?)?;
        }
        let mut settings = world.settings();
        settings.push(("ISOLATE", "process".to_owned()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let answer = function.invoke(&event(&["videos/1_a.mp4", "videos/2_b.mp4"]))?.response()?;
        let log = function.logged();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let metrics: Vec<_> = lines.filter(|line| line["Outcome"] == "processed").collect();
        let results = answer["results"].as_array().ok_or("no results")?;
        assert_eq!((metrics.len(), results.len()), (2, 2), "{answer} {log}");
        for told in metrics.iter().chain(results) {
            let layers = &told["isolation"];
            assert_eq!(
                (&layers["no_descriptors"], &layers["no_processes"]),
                (&json!(true), &json!(true)),
                "{told}"
            );
            assert!(layers["seccomp"].is_boolean() && layers.get("landlock").is_some(), "{told}");
        }
        settings.pop();
        settings.push(("ISOLATE", "none".to_owned()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        world.s3.put("videos/3_c.mp4", &film()?)?;
        let answer = function.invoke(&event(&["videos/3_c.mp4"]))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed", "{answer}");
        assert!(!format!("{answer}{}", function.logged()).contains("isolation"), "{answer}");
        Ok(())
    })
}

/// Everything uses TLS. The function trusts the servers' certificates only with `SSL_CERT_FILE`.
#[test]
fn over_tls_it_trusts_whom_it_is_told_to() -> Outcome {
    run(async {
        let world = World::new_over_tls().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let mut settings = world.settings();
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let (kind, message) = function.invoke(&event(&["videos/1_a.mp4"]))?.error()?;
        assert_eq!(kind, "unavailable", "{message}");
        assert!(message.contains("certificate"), "{message}");
        assert!(world.rows().await?.is_empty());

        settings.push(("SSL_CERT_FILE", world.database.ca().display().to_string()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let answer = function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed", "{answer}");
        assert_eq!(world.rows().await?[0].1, "A");
        Ok(())
    })
}

/// The whole job, with the permissions of the replaced Lambda's role, and with secrets from Secrets Manager.
#[test]
fn the_permissions_of_the_replaced_lambda_are_enough() -> Outcome {
    run(async {
        let (world, aws) = (World::new().await?, Moto::start().await?);
        aws.put("videos/1_a.mp4", film()?).await?;
        aws.put("videos/my_movie.mp4", film()?).await?;
        aws.put_secret("db", &json!({"username": USER, "password": PASSWORD}).to_string()).await?;
        let token = aws.put_secret("token", TOKEN).await?;
        let stored = [
            ("DB_PASSWORD", String::new()),
            ("DB_PASSWORD_SECRET", "db".to_owned()),
            ("INTERNAL_TOKEN", String::new()),
            ("INTERNAL_TOKEN_SECRET", token),
        ];
        let mut settings = world.settings();
        settings.extend(stored.clone());
        settings.extend(aws.settings(&["db", "token"]).await?);
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let both = event(&["videos/1_a.mp4", "videos/my_movie.mp4"]);
        for status in ["processed", "unchanged"] {
            let answer = function.invoke(&both)?.response()?;
            let results = answer["results"].as_array().ok_or("no results")?;
            assert!(results.iter().all(|result| result["status"] == status), "{answer}");
        }
        let (thumbnail, pending) = aws.object("thumbnails/1_a.jpg", "pending").await?;
        assert_eq!((image::guess_format(&thumbnail)?, pending), (image::ImageFormat::Jpeg, None));
        assert_eq!(world.rows().await?.len(), 2);
        // Only HEAD requests for thumbnails that did not exist yet were refused, at the look-up and at the check. Without s3:ListBucket, S3
        // answers 403 for a missing object.
        let refused = aws.refused().await?;
        assert_eq!(refused.len(), 4, "{refused:?}");
        assert!(
            refused.iter().all(|request| request.contains("HEAD") && request.contains("thumbnails/")),
            "{refused:?}"
        );

        // A missing key is refused, too. The error kind allows a later retry.
        let (kind, message) = function.invoke(&event(&["videos/2_gone.mp4"]))?.error()?;
        assert_eq!(kind, "denied", "{message}");
        assert!(message.contains("or gone"), "{message}");
        assert!(!function.logged().contains("canary"));

        // A secret that the function must not read, and a secret that does not exist.
        aws.settings(&["token"]).await?;
        aws.put("videos/3_c.mp4", film()?).await?;
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let (kind, message) = function.invoke(&event(&["videos/3_c.mp4"]))?.error()?;
        assert_eq!(kind, "denied", "{message}");
        assert!(
            message.contains("secret db") && message.contains("secretsmanager:GetSecretValue"),
            "{message}"
        );
        settings.extend([("DB_PASSWORD_SECRET", "nowhere".to_owned())]);
        aws.settings(&["nowhere"]).await?;
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let (kind, message) = function.invoke(&event(&["videos/3_c.mp4"]))?.error()?;
        assert_eq!(kind, "config", "{message}");
        assert!(message.contains("secret nowhere"), "{message}");
        Ok(())
    })
}

/// Several thumbnails of one frame: the first is written last, and alone decides whether the job is done.
#[test]
fn a_video_may_have_several_thumbnails() -> Outcome {
    run(async {
        let world = World::new().await?;
        let key = "videos/a/1_test_video.mp4";
        world.s3.put(key, &film()?)?;
        let several = [
            ("THUMBNAIL_WIDTHS", "64,4000"),
            ("THUMBNAIL_FORMATS", "jpeg,webp"),
            ("THUMBNAIL_KEY", "{prefix}{dir}{name}-{width}.{ext}"),
        ];
        let mut settings = world.settings();
        settings.extend(several.map(|(name, value)| (name, value.to_owned())));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let names = ["64.jpg", "64.webp", "4000.jpg", "4000.webp"];
        let keys = names.map(|name| format!("thumbnails/a/1_test_video-{name}"));
        let sizes = |keys: &[String]| -> Outcome<Vec<(u32, u32)>> {
            keys.iter().map(|key| Ok(image::image_dimensions(world.thumbnail(key))?)).collect()
        };
        let report = result_of(&mut function, &event(&[key]))?;
        assert_eq!(report["thumbnail_url"], format!("s3://{BUCKET}/{}", keys[0]), "{report}");
        let others = keys[1..].iter().map(|key| format!("s3://{BUCKET}/{key}")).collect::<Vec<_>>();
        assert_eq!(report["other_thumbnail_urls"], json!(others), "{report}");
        // The width in the key is the requested one. A picture is never enlarged.
        assert_eq!(sizes(&keys)?, [(64, 48), (64, 48), (160, 120), (160, 120)]);
        let puts = |seen: &[Seen]| -> Vec<String> {
            let puts = seen.iter().filter(|seen| seen.method == "PUT");
            puts.map(|seen| seen.path.trim_start_matches(&format!("/{BUCKET}/")).to_owned()).collect()
        };
        let seen = world.s3.faults.seen();
        assert_eq!(puts(&seen).len(), 4, "{seen:?}");
        assert_eq!(puts(&seen).last(), Some(&keys[0]));
        let conditional =
            |seen: &Seen| seen.headers.contains_key("if-none-match") || seen.headers.contains_key("if-match");
        assert!(seen.iter().filter(|seen| seen.method == "PUT").all(conditional), "{seen:?}");

        // The same event checks only the first thumbnail. A new version of the video replaces all thumbnails.
        let again = result_of(&mut function, &event(&[key]))?;
        assert_eq!(
            (&again["status"], &again["job_round_trips"]),
            (&json!("unchanged"), &json!(1)),
            "{again}"
        );
        let before = keys.clone().map(|key| fs::read(world.thumbnail(&key)).unwrap_or_default());
        world.s3.put(key, &other_film()?)?;
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "processed");
        let after = keys.clone().map(|key| fs::read(world.thumbnail(&key)).unwrap_or_default());
        assert!(before.iter().zip(&after).all(|(before, after)| before != after && !after.is_empty()));
        // Another list of widths creates the thumbnails again, and does not change the content.
        world.database.rows("UPDATE contents SET title = 'Edited' WHERE id = 1").await?;
        settings.push(("THUMBNAIL_WIDTHS", "64,80,4000".to_owned()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "processed");
        assert_eq!(sizes(&["thumbnails/a/1_test_video-80.webp".to_owned()])?, [(80, 60)]);
        assert_eq!(world.rows().await?[0].1, "Edited");
        Ok(())
    })
}

/// The result for an event with one object.
fn result_of(function: &mut Lambda, event: &Value) -> Outcome<Value> {
    Ok(function.invoke(event)?.response()?["results"][0].take())
}

fn tagged(name: &str, key: &str) -> Value {
    json!({"Records": [{"eventSource": "aws:s3", "eventName": name,
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]})
}

/// Metadata of the video select the time of its frame, without an additional request.
#[test]
fn people_choose_the_frame_at_upload() -> Outcome {
    run(async {
        let (world, aws) = (World::new().await?, Moto::start().await?);
        aws.put("videos/1_a.mp4", film()?).await?;
        aws.put_with_choice("videos/2_b.mp4", film()?, " 00:00:02.5").await?;
        aws.put_with_choice("videos/3_c.mp4", film()?, "soon").await?;
        let mut settings = world.settings();
        settings.extend(aws.settings(&[]).await?);
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let plain = result_of(&mut function, &event(&["videos/1_a.mp4"]))?;
        assert_eq!((&plain["frame_pts_seconds"], plain.get("poster_at")), (&json!(5.0), None), "{plain}");
        let chosen = result_of(&mut function, &event(&["videos/2_b.mp4"]))?;
        assert_eq!(chosen["frame_pts_seconds"], 2.5, "{chosen}");
        assert_eq!(chosen["poster_at"], json!({"time": "2.5", "by": "metadata"}), "{chosen}");
        let cost =
            |report: &Value| ["requests", "round_trips", "bytes_fetched"].map(|name| report[name].clone());
        assert_eq!(cost(&chosen), cost(&plain), "{chosen}");
        // An invalid time is reported, and the time of the setting is used.
        let wrong = result_of(&mut function, &event(&["videos/3_c.mp4"]))?;
        assert_eq!((&wrong["frame_pts_seconds"], &wrong["status"]), (&json!(5.0), &json!("processed")));
        let ignored = "썸네일 시각 지정 무시: videos/3_c.mp4 (metadata: \\\"soon\\\"";
        assert!(function.logged().contains(ignored), "{}", function.logged());
        for key in ["videos/1_a.mp4", "videos/2_b.mp4", "videos/3_c.mp4"] {
            let again = result_of(&mut function, &event(&[key]))?;
            assert_eq!((&again["status"], &again["job_round_trips"]), (&json!("unchanged"), &json!(1)));
        }
        Ok(())
    })
}

/// A tag of the video also selects the time, if `POSTER_AT_TAG` enables tags, and takes precedence over metadata.
#[test]
fn people_choose_the_frame_of_a_video_that_is_there() -> Outcome {
    run(async {
        let (world, aws) = (World::new().await?, Moto::start().await?);
        let key = "videos/1_a.mp4";
        aws.put(key, film()?).await?;
        aws.put_with_choice("videos/2_b.mp4", film()?, "2").await?;
        let mut settings = world.settings();
        settings.extend(aws.settings(&[]).await?);
        let mut function = Lambda::start(FUNCTION, &settings)?;
        function.invoke(&event(&[key, "videos/2_b.mp4"]))?.response()?;
        // Without `POSTER_AT_TAG`, tags are not read.
        let added = json!({"source": "aws.s3", "detail-type": "Object Tags Added",
            "detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}});
        aws.set_tags(key, &[("team", "news"), ("poster-at", "1")]).await?;
        for event in [&tagged("ObjectTagging:Put", key), &added] {
            let skipped = result_of(&mut function, event)?;
            assert_eq!(skipped["status"], "skipped", "{skipped}");
            assert!(skipped["reason"].as_str().is_some_and(|reason| reason.contains("POSTER_AT_TAG")));
        }
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "unchanged");
        assert!(aws.requests_for(key).await?.iter().all(|request| !request.contains("tagging")));

        // After an edit of the content, a chosen time creates the thumbnail again, and does not change the content.
        world.database.rows("UPDATE contents SET title = 'Edited' WHERE id = 1").await?;
        settings.push(("POSTER_AT_TAG", "true".to_owned()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let chosen = result_of(&mut function, &tagged("ObjectTagging:Put", key))?;
        assert_eq!((&chosen["status"], &chosen["frame_pts_seconds"]), (&json!("processed"), &json!(1.0)));
        assert_eq!(chosen["poster_at"], json!({"time": "1", "by": "tag"}));
        assert_eq!(aws.object("thumbnails/1_a.jpg", "poster-at-by").await?.1.as_deref(), Some("tag"));
        // The same event, an upload event and a back-fill keep the chosen time. The tag costs one
        // more round trip, and no byte of the video is read.
        let before = aws.requests_for(key).await?.len();
        for event in [&tagged("ObjectTagging:Put", key), &added] {
            let again = result_of(&mut function, event)?;
            assert_eq!((&again["status"], &again["job_round_trips"]), (&json!("unchanged"), &json!(2)));
            assert_eq!(again["bytes_fetched"], 0, "{again}");
        }
        let since = aws.requests_for(key).await?.split_off(before);
        assert_eq!(since, ["HEAD ", "GET tagging", "HEAD ", "GET tagging"]);
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "unchanged");
        assert_eq!(result_of(&mut function, &batch(key))?["resultCode"], "Succeeded");
        assert_eq!(aws.object("thumbnails/1_a.jpg", "frame-time").await?.1.as_deref(), Some("1"));
        // A video without tags needs no additional request.
        assert_eq!(result_of(&mut function, &event(&["videos/2_b.mp4"]))?["job_round_trips"], 1);
        assert!(aws.requests_for("2_b.mp4").await?.iter().all(|request| !request.contains("tagging")));
        // Without the tag, the time of the setting applies again. A tag takes precedence over metadata. The tag of a new upload is read
        // before the frame is planned.
        aws.set_tags(key, &[("team", "news")]).await?;
        let back = result_of(&mut function, &tagged("ObjectTagging:Delete", key))?;
        assert_eq!((&back["status"], &back["frame_pts_seconds"]), (&json!("processed"), &json!(5.0)));
        aws.put("videos/4_d.mp4", film()?).await?;
        for (key, tag, time) in [("videos/2_b.mp4", "-3", "-3"), ("videos/4_d.mp4", "middle", "50%")] {
            aws.set_tags(key, &[("poster-at", tag)]).await?;
            let report = result_of(&mut function, &event(&[key]))?;
            assert_eq!(report["poster_at"], json!({"time": time, "by": "tag"}), "{report}");
        }
        // Rows are in the order of writing, which varies between two records of one event.
        let rows = world.rows().await?;
        assert_eq!(rows.iter().find(|row| row.0 == 1).map(|row| row.1.as_str()), Some("Edited"), "{rows:?}");

        // Without the permission to read tags, the error names the missing permission.
        aws.permit(&["s3:GetObject", "s3:PutObject"], &[], &[]).await?;
        aws.set_tags(key, &[("poster-at", "3")]).await?;
        let (kind, message) = function.invoke(&tagged("ObjectTagging:Put", key))?.error()?;
        assert_eq!(kind, "denied", "{message}");
        assert!(message.contains("s3:GetObjectTagging"), "{message}");
        // S3 hides the tags from the event of an upload, which therefore keeps the time of the settings.
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "unchanged");
        Ok(())
    })
}

/// A password that has changed since the function fetched it is fetched again.
#[test]
fn a_rotated_password_is_fetched_anew() -> Outcome {
    run(async {
        let (world, aws) = (World::new().await?, Moto::start().await?);
        for key in ["videos/1_a.mp4", "videos/2_b.mp4", "videos/3_c.mp4"] {
            aws.put(key, film()?).await?;
        }
        aws.put_secret("db", PASSWORD).await?;
        let mut settings = world.settings();
        settings.extend([("DB_PASSWORD", String::new()), ("DB_PASSWORD_SECRET", "db".to_owned())]);
        settings.extend(aws.settings(&["db"]).await?);
        let mut function = Lambda::start(FUNCTION, &settings)?;
        function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        world.database.rows(&format!("ALTER USER {USER} IDENTIFIED BY 'another'")).await?;
        world.database.kill_sessions().await?;
        aws.put_secret("db", "another").await?;
        function.invoke(&event(&["videos/2_b.mp4"]))?.response()?;
        // Rotation with alternating users: the secret names another user, and the user in DB_USER has another password.
        let other = format!(
            "CREATE USER films_clone IDENTIFIED BY 'third'; GRANT SELECT, INSERT, UPDATE ON ott_db.* TO films_clone; \
                             ALTER USER {USER} IDENTIFIED BY 'nobody knows'"
        );
        world.database.rows(&other).await?;
        world.database.kill_sessions().await?;
        aws.put_secret(
            "db",
            r#"{"username":"films_clone","password":"third","host":"elsewhere.test","port":1}"#,
        )
        .await?;
        function.invoke(&event(&["videos/3_c.mp4"]))?.response()?;
        assert_eq!(world.rows().await?.len(), 3);
        Ok(())
    })
}

#[test]
fn several_records_side_by_side_in_little_memory() -> Outcome {
    run(async {
        let world = World::new().await?;
        // The database numbers new contents after the highest id, so that no new content gets an id that a name below contains.
        world.database.rows("INSERT INTO contents (id, title) VALUES (9000, 'x')").await?;
        let keys = [
            "videos/7001_a.mp4",
            "videos/7002_b.mp4",
            "videos/my_movie.mp4",
            "videos/7003_%ED%95%9C%EA%B8%80+c.mp4",
        ];
        for key in ["videos/7001_a.mp4", "videos/7002_b.mp4", "videos/my_movie.mp4", "videos/7003_한글 c.mp4"]
        {
            world.s3.put(key, &film()?)?;
        }
        let mut function = world.function()?;
        let answer = function.invoke(&event(&keys))?.response()?;
        let results = answer["results"].as_array().ok_or("no results")?;
        assert!(results.iter().all(|result| result["status"] == "processed"), "{answer}");
        let rows = world.rows().await?;
        assert_eq!(rows.len(), 4);
        assert!(
            rows.iter().any(|row| row.1 == "My Movie" && row.2.ends_with("videos/my_movie.mp4")),
            "{rows:?}"
        );
        assert!(rows.iter().any(|row| row.0 == 7003 && row.1 == "한글 C"), "{rows:?}");
        assert!(world.thumbnail("thumbnails/7003_한글 c.jpg").is_file());
        Ok(())
    })
}

/// Uses Lambda's smallest memory, which the kernel enforces where a control group can be created. The event contains four films of 1080p,
/// one of 142 million pixels, and an index that expands to gigabytes.
#[test]
fn the_smallest_memory_is_enough_whatever_comes() -> Outcome {
    const MEBIBYTES: u32 = 128;
    run(async {
        let world = World::new().await?;
        world.database.rows("INSERT INTO contents (id, title) VALUES (9000, 'x')").await?;
        let fixture = |name: &str| fs::read(in_repository(&format!("tests/fixtures/{name}")));
        let files = ["h264_1080p.mp4"; 4].into_iter().chain(["x_huge_pixels.mp4", "x_bomb_stsz.mp4"]);
        let mut keys = Vec::new();
        for (number, file) in files.enumerate() {
            let key = format!("videos/{}_a.mp4", 7001 + number);
            world.s3.put(&key, &fixture(file)?)?;
            keys.push(key);
        }
        let mut settings = world.settings();
        settings.push(("MAX_CONCURRENCY", "4".to_owned()));
        let mut function = Lambda::start_with_memory(MEBIBYTES, FUNCTION, &settings)?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (reply, peak) = function.invoke_measured(&event(&keys))?;
        let (kind, message) = reply.error()?;
        let message: Value = serde_json::from_str(&message)?;
        assert_eq!((kind.as_str(), &message["succeeded"]), ("limit_exceeded", &json!(4)), "{message}");
        assert!(peak < u64::from(MEBIBYTES) << 10, "{peak} KiB");
        // The same environment processes the next event.
        let answer = function.invoke(&event(&keys[..4]))?.response()?;
        assert!(
            answer["results"]
                .as_array()
                .is_some_and(|all| all.iter().all(|one| one["status"] == "unchanged"))
        );
        Ok(())
    })
}

#[test]
fn two_environments_at_once_leave_one_of_each() -> Outcome {
    run(async {
        let world = World::new().await?;
        for key in ["videos/7000_a.mp4", "videos/my_movie.mp4"] {
            world.s3.put(key, &film()?)?;
        }
        let mut functions = (0..6).map(|_| world.function()).collect::<Outcome<Vec<_>>>()?;
        let event = event(&["videos/7000_a.mp4", "videos/my_movie.mp4"]);
        for function in &mut functions {
            function.send(&event, Duration::from_secs(60))?;
        }
        for function in &mut functions {
            function.wait("request-1", Duration::from_secs(60))?.response()?;
        }
        assert_eq!(world.rows().await?.len(), 2);
        assert_eq!(world.database.number("SELECT COUNT(*) FROM contents").await?, 2);
        // A later invocation finds everything processed.
        let again = functions[0].invoke(&event)?.response()?;
        let results = again["results"].as_array().ok_or("no results")?;
        assert!(results.iter().all(|result| result["status"] == "unchanged"), "{again}");
        Ok(())
    })
}

#[test]
fn a_replaced_video_is_written_anew() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let mut function = world.function()?;
        function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        world.database.rows("UPDATE contents SET title = 'Edited'").await?;
        world.s3.put("videos/1_a.mp4", &other_film()?)?;
        let answer = function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed");
        assert_eq!(world.rows().await?[0].1, "A");
        assert_eq!(world.api.calls()?.len(), 2);
        Ok(())
    })
}

/// Another client deletes a thumbnail after the job has seen it. S3 answers 404 to the put that would replace it, and the job puts the
/// thumbnail anew. Another client that changes the thumbnail before each put makes the event a retryable error.
#[test]
fn a_thumbnail_that_is_deleted_or_changed_before_its_put_is_written_anew() -> Outcome {
    run(async {
        let world = World::new().await?;
        let key = "videos/1_a.mp4";
        let thumbnails = ["thumbnails/1_a-64.jpg", "thumbnails/1_a-80.jpg"];
        let films = [film()?, other_film()?];
        world.s3.put(key, &films[0])?;
        let mut settings = world.settings();
        let several = [("THUMBNAIL_WIDTHS", "64,80"), ("THUMBNAIL_KEY", "{prefix}{dir}{name}-{width}.{ext}")];
        settings.extend(several.map(|(name, value)| (name, value.to_owned())));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "processed");
        let is_put_of = |thumbnail: &'static str| {
            move |seen: &Seen| seen.method == "PUT" && seen.path.ends_with(thumbnail)
        };
        for (number, thumbnail) in (1_usize..).zip(thumbnails) {
            let old = thumbnails.map(|key| fs::read(world.thumbnail(key)).unwrap_or_default());
            world.s3.put(key, &films[number % 2])?;
            let (files, before) = (world.s3.files(), world.s3.faults.seen().len());
            let deleting = Fault::before(move || files.delete(thumbnail).expect("it is there"));
            world.s3.faults.when(1, is_put_of(thumbnail), deleting);
            assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "processed", "{thumbnail}");
            let seen = world.s3.faults.seen().split_off(before);
            let puts: Vec<_> = seen.iter().filter(|seen| is_put_of(thumbnail)(seen)).collect();
            let of_puts: Vec<_> = puts
                .iter()
                .map(|put| (put.status, put.header("if-match").is_some(), put.header("if-none-match")))
                .collect();
            assert_eq!(of_puts, [(404, true, None), (200, false, Some("*"))], "{thumbnail}");
            let new = thumbnails.map(|key| fs::read(world.thumbnail(key)).unwrap_or_default());
            assert!(old.iter().zip(&new).all(|(old, new)| old != new && !new.is_empty()), "{thumbnail}");
            assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "unchanged", "{thumbnail}");
            assert_eq!(world.rows().await?.len(), 1);
        }
        let log = function.logged();
        assert_eq!(
            log.matches("처리 중 영상이나 썸네일이 바뀌어 다시 시작: videos/1_a.mp4").count(),
            2,
            "{log}"
        );

        world.s3.put(key, &films[1])?;
        let (files, times) = (world.s3.files(), std::sync::atomic::AtomicU32::new(0));
        let changing = Fault::before(move || {
            let time = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            files.put(thumbnails[0], time.to_string().as_bytes()).expect("it can be written");
        });
        world.s3.faults.when(9, is_put_of(thumbnails[0]), changing);
        let (kind, message) = function.invoke(&event(&[key]))?.error()?;
        let message: Value = serde_json::from_str(&message)?;
        let failed = &message["failed"][0];
        assert_eq!((kind.as_str(), &failed["permanent"]), ("unavailable", &json!(false)), "{message}");
        let told = "the video or its thumbnail was changed 3 times while it was processed";
        assert!(failed["message"].as_str().is_some_and(|text| text.contains(told)), "{message}");
        assert_eq!(fs::read(world.thumbnail(thumbnails[0]))?, b"2", "the other client's thumbnail stays");
        world.s3.faults.clear();
        assert_eq!(result_of(&mut function, &event(&[key]))?["status"], "processed");
        assert!(image::image_dimensions(world.thumbnail(thumbnails[0])).is_ok());
        Ok(())
    })
}

/// In shadow mode, beside the replaced Lambda, the function reads and compares everything, and writes nothing.
#[test]
fn in_shadow_mode_nothing_is_written_and_all_compared() -> Outcome {
    run(async {
        let world = World::new().await?;
        for key in
            ["videos/1_a.mp4", "videos/2_b.mp4", "videos/3_c.mp4", "videos/4_d.mp4", "videos/my_movie.mp4"]
        {
            world.s3.put(key, &film()?)?;
        }
        let seconds = 7;
        // The thumbnails of the replaced Lambda: the right frame from another encoder, a wrong frame
        // with a wrong duration, and one of an earlier upload.
        let right = thumbnail_of(&film()?, 5)?;
        world.s3.put("thumbnails/1_a.jpg", &right)?;
        world.s3.put("thumbnails/2_b.jpg", &thumbnail_of(&film()?, 0)?)?;
        world.s3.put("thumbnails/3_c.jpg", &right)?;
        let earlier = fs::File::options().write(true).open(world.thumbnail("thumbnails/3_c.jpg"))?;
        earlier.set_modified(std::time::SystemTime::now() - Duration::from_secs(60))?;
        store_rows(&world, &[(1, "1_a", seconds), (2, "2_b", 10), (3, "3_c", seconds)]).await?;
        world.database.rows("REVOKE INSERT, UPDATE ON ott_db.* FROM films").await?;
        world.database.log_statements().await?;
        let before = world.rows().await?;

        let mut settings = world.settings();
        settings.push(("MODE", "shadow".to_owned()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let keys =
            ["videos/1_a.mp4", "videos/2_b.mp4", "videos/3_c.mp4", "videos/4_d.mp4", "videos/my_movie.mp4"];
        let seen = world.s3.faults.seen().len();
        let answer = function.invoke(&event(&keys))?.response()?;
        let results = answer["results"].as_array().ok_or("no results")?;
        let told = |index: usize| (results[index]["status"].clone(), results[index]["findings"].to_string());
        assert_eq!(told(0), (json!("agrees"), "[]".to_owned()), "{answer}");
        let psnr = |index: usize| results[index]["psnr_db"].as_f64().unwrap_or(0.0);
        assert!(psnr(0) > 35.0, "{answer}");
        let (status, findings) = told(1);
        assert_eq!(status, "differs");
        assert!(
            findings.contains("duration 7 s, stored 10 s") && findings.contains("another picture"),
            "{findings}"
        );
        assert!(psnr(1) < 32.0, "{answer}");
        let (status, findings) = told(2);
        assert_eq!(status, "not_stored");
        assert!(findings.contains("of an earlier upload"), "{findings}");
        for index in [3, 4] {
            let (status, findings) = told(index);
            assert_eq!(status, "not_stored");
            assert!(findings.contains("no row") && findings.contains("no thumbnail"), "{findings}");
        }

        assert_eq!(world.rows().await?, before);
        assert!(world.api.calls()?.is_empty());
        assert!(!world.thumbnail("thumbnails/4_d.jpg").exists());
        let requests = world.s3.faults.seen();
        assert!(
            requests[seen..].iter().all(|seen| ["HEAD", "GET"].contains(&seen.method.as_str())),
            "{requests:?}"
        );
        let statements = world.database.logged()?;
        let sent = statements.lines().filter(|line| line.contains("Query"));
        let others: Vec<_> = sent
            .filter(|line| !line.contains("SELECT") || line.contains("FOR UPDATE") || line.contains("LOCK"))
            .collect();
        // `SET autocommit` configures the session, and writes no data.
        let is_setting =
            |line: &&str| line.contains("SET GLOBAL general_log") || line.contains("SET autocommit = 1");
        assert!(others.iter().all(is_setting), "{others:?}");

        let log = function.logged();
        let metrics = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let metrics: Vec<_> = metrics.filter(|line| line["_aws"].is_object()).collect();
        let of = |outcome: &str| metrics.iter().find(|line| line["Outcome"] == outcome).ok_or("no metrics");
        assert_eq!(
            (&of("agrees")?["DurationAgrees"], &of("agrees")?["PictureAgrees"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(
            (&of("differs")?["DurationAgrees"], &of("differs")?["PictureAgrees"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(of("differs")?["DurationDifference"], 3);
        assert!(of("not_stored")?["PictureAgrees"].is_null());
        assert!(log.contains("비교 완료, 일치: videos/1_a.mp4"), "{log}");
        assert!(!log.contains("등록 완료"), "{log}");
        Ok(())
    })
}

/// Stores contents and rows as the replaced Lambda and people left them: id, name, duration.
async fn store_rows(world: &World, rows: &[(i32, &str, i32)]) -> Outcome {
    for (id, name, duration) in rows {
        let row = format!(
            "INSERT INTO contents (id, title) VALUES ({id}, 'Edited');
             INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration) VALUES
             ({id}, 's3://{BUCKET}/videos/{name}.mp4', 's3://{BUCKET}/thumbnails/{name}.jpg', {duration})"
        );
        world.database.rows(&row).await?;
    }
    Ok(())
}

/// The frame at this second, encoded by another JPEG encoder.
fn thumbnail_of(film: &[u8], second: u64) -> Outcome<Vec<u8>> {
    let mut media = Media::open(Cursor::new(film), &OpenOptions::default())?;
    let picture = media.frame(Duration::from_secs(second))?.to_rgb8(Bounds::default())?;
    let picture =
        image::RgbImage::from_raw(picture.width, picture.height, picture.pixels).ok_or("no picture")?;
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 70).encode_image(&picture)?;
    Ok(bytes)
}

/// A back-fill does not change existing contents, and creates missing ones.
#[test]
fn a_back_fill_writes_no_content_that_exists() -> Outcome {
    run(async {
        let world = World::new().await?;
        for key in ["videos/1_a.mp4", "videos/2 +b.mp4", "videos/3_c.mp4"] {
            world.s3.put(key, &film()?)?;
        }
        world.database.rows("INSERT INTO contents (id, title) VALUES (1, 'Edited')").await?;
        let mut function = world.function()?;
        for (key, code) in [
            ("videos/1_a.mp4", "Succeeded"),
            ("videos/3_c.mp4", "Succeeded"),
            ("videos/4_d.mp4", "PermanentFailure"),
        ] {
            let answer = function.invoke(&batch(key))?.response()?;
            assert_eq!(answer["results"][0]["resultCode"], code, "{answer}");
        }
        // If the key is not form-encoded, the function also tries the key as it is.
        let answer = function.invoke(&batch("videos/2%20+b.mp4"))?.response()?;
        assert_eq!(answer["results"][0]["resultCode"], "Succeeded", "{answer}");
        let rows = world.rows().await?;
        assert_eq!(rows.iter().map(|row| row.1.as_str()).collect::<Vec<_>>()[..2], ["Edited", "C"]);
        Ok(())
    })
}

/// Writing the row fails after the content was written, and somebody edits the content before the retry.
#[test]
fn a_redrive_leaves_a_content_alone_that_was_written_before_the_failure() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        world.database.rows("REVOKE INSERT ON ott_db.* FROM films").await?;
        let mut function = world.function()?;
        let (kind, message) = function.invoke(&event(&["videos/1_a.mp4"]))?.error()?;
        assert_eq!(kind, "denied", "{message}");
        assert_eq!(world.api.calls()?.len(), 1);
        world
            .database
            .rows("GRANT INSERT ON ott_db.* TO films; UPDATE contents SET title = 'Edited'")
            .await?;
        // The old session keeps its old privileges.
        world.database.kill_sessions().await?;
        let answer = function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed");
        assert_eq!(world.rows().await?[0].1, "Edited");
        assert_eq!(world.api.calls()?.len(), 1);
        Ok(())
    })
}

#[test]
fn failures_of_some_messages_are_told_to_the_queue() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        world.s3.put("videos/2_b.mp4", b"this is no video")?;
        world.s3.put("videos/4_empty.mp4", b"")?;
        let empty = event(&["videos/4_empty.mp4"]);
        let (good, bad) = (event(&["videos/1_a.mp4"]), event(&["videos/2_b.mp4"]));
        let (gone, other) = (event(&["videos/3_gone.mp4"]), event(&["elsewhere/1_x.mp4"]));
        let mut function = world.function()?;
        let answer =
            function.invoke(&sqs(&[("a", &good), ("b", &bad), ("c", &gone), ("d", &other)]))?.response()?;
        assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "b"}]), "{answer}");
        // Programs that mount a bucket write an empty object first. The function skips it and reports that.
        let messages = [event(&["videos/4_empty.mp4"]), batch("videos/4_empty.mp4"), sqs(&[("e", &empty)])];
        for message in &messages {
            let answer = function.invoke(message)?.response()?.to_string();
            assert!(answer.contains("skipped") && answer.contains("the object is empty"), "{answer}");
            assert!(
                !answer.contains("itemIdentifier") && !answer.contains("Failure\",\"resultString"),
                "{answer}"
            );
        }
        // EventBridge Pipes sends an array of messages, and reads the same answer.
        let Value::Array(piped) = sqs(&[("b", &bad), ("d", &other)])["Records"].clone() else {
            return Err("no array".into());
        };
        let answer = function.invoke(&Value::Array(piped))?.response()?;
        assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "b"}]), "{answer}");
        // Without a queue, the function tries all objects, and one failure fails the invocation.
        let (kind, message) = function.invoke(&event(&["videos/2_b.mp4", "videos/1_a.mp4"]))?.error()?;
        assert_eq!(kind, "malformed");
        let message: Value = serde_json::from_str(&message)?;
        assert_eq!((&message["succeeded"], &message["failed"][0]["permanent"]), (&json!(1), &json!(true)));
        Ok(())
    })
}

#[test]
fn the_api_may_be_down_for_a_while() -> Outcome {
    run(async {
        let mut world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let mut function = world.function()?;
        world.api.stop();
        let id = function.send(&event(&["videos/1_a.mp4"]), Duration::from_secs(60))?;
        pause(Duration::from_secs(10));
        world.api.run()?;
        let answer = function.wait(&id, Duration::from_secs(60))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed");
        Ok(())
    })
}

#[test]
fn what_the_api_says_is_told_without_the_token() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let mut function = world.function()?;
        let busy = json!({"status": 429, "headers": {"retry-after": "1"}, "body": "busy"});
        world.api.faults(&[busy, json!({"echo": 401})])?;
        let started = Instant::now();
        let (kind, message) = function.invoke(&event(&["videos/1_a.mp4"]))?.error()?;
        assert!(started.elapsed() >= Duration::from_secs(1));
        assert_eq!(kind, "denied");
        assert!(message.contains("INTERNAL_TOKEN"), "{message}");
        assert!(!format!("{message} {}", function.logged()).contains("canary"));
        world.api.faults(&[json!({"status": 422, "body": "no such rating"})])?;
        let (kind, message) = function.invoke(&event(&["videos/1_a.mp4"]))?.error()?;
        assert_eq!(kind, "malformed");
        assert!(message.contains("no such rating"), "{message}");
        assert_eq!(world.database.number("SELECT COUNT(*) FROM video_assets").await?, 0);
        // The environment survives, and the retry succeeds.
        let answer = function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        assert_eq!(answer["results"][0]["status"], "processed");
        Ok(())
    })
}

/// S3 does not answer: the first record is reported as timed out before the deadline, and the waiting record as unstarted.
#[test]
fn the_answer_comes_before_the_deadline() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        world.s3.put("videos/2_b.mp4", &film()?)?;
        let mut settings = world.settings();
        settings.push(("MAX_CONCURRENCY", "1".to_owned()));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        world.s3.faults.always(Fault::Delay(Duration::from_secs(20)));
        let started = Instant::now();
        let id = function.send(&event(&["videos/1_a.mp4", "videos/2_b.mp4"]), Duration::from_secs(3))?;
        let (kind, message) = function.wait(&id, Duration::from_secs(10))?.error()?;
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert_eq!(kind, "timeout");
        let message: Value = serde_json::from_str(&message)?;
        assert_eq!(message["failed"][1]["unstarted"], true, "{message}");
        world.s3.faults.clear();
        function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        Ok(())
    })
}

/// Inside AWS's runtime interface emulator: an answer before the timeout, then the whole job, then the same event again.
#[test]
fn the_emulator_of_aws_runs_it() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let emulator = Emulator::start(FUNCTION, &world.settings(), 4)?;
        let event = event(&["videos/1_a.mp4"]);
        world.s3.faults.always(Fault::Delay(Duration::from_secs(20)));
        let started = Instant::now();
        let answer = emulator.invoke(&event).await?;
        assert_eq!(answer["errorType"], "timeout", "{answer}");
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        world.s3.faults.clear();
        for status in ["processed", "unchanged"] {
            let answer = emulator.invoke(&event).await?;
            assert_eq!(answer["results"][0]["status"], status, "{answer}");
        }
        // One environment processed all events: it never crashed or timed out.
        let log = emulator.log().text();
        assert_eq!(log.matches("INIT REPORT").count(), 1, "{log}");
        assert!(!log.contains("Task timed out"), "{log}");
        Ok(())
    })
}

/// Lambda freezes an environment that it has given up. Frozen beyond its deadline, the function answers as soon as it continues.
#[test]
fn a_frozen_function_sees_that_its_time_is_over() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let mut function = world.function()?;
        world.s3.faults.always(Fault::Delay(Duration::from_secs(30)));
        let id = function.send(&event(&["videos/1_a.mp4"]), Duration::from_secs(3))?;
        pause(Duration::from_millis(500));
        function.program().signal("STOP")?;
        pause(Duration::from_secs(4));
        function.program().signal("CONT")?;
        let reply = function.wait(&id, Duration::from_secs(2))?;
        assert!(matches!(&reply, Reply::FunctionError(kind, _) if kind == "timeout"), "{reply:?}");
        Ok(())
    })
}

/// The function is killed at each of its requests to S3 in turn, and another environment retries. In the end, there is one row per video.
#[test]
fn a_crash_at_any_step_is_made_good_by_the_retry() -> Outcome {
    run(async {
        let world = World::new().await?;
        let mut crashes = 0;
        for at in 1..=16_u64 {
            let key = format!("videos/{at}_a.mp4");
            world.s3.put(&key, &film()?)?;
            world.s3.faults.clear();
            let seen = u64::try_from(world.s3.faults.seen().len())?;
            world.s3.faults.on_request(seen + at, Fault::Delay(Duration::from_secs(30)));
            let mut function = world.function()?;
            let id = function.send(&event(&[&key]), Duration::from_secs(60))?;
            let died = (0..100).any(|_| {
                pause(Duration::from_millis(20));
                world.s3.faults.seen().len() >= usize::try_from(seen + at).unwrap_or(usize::MAX)
            });
            if !died {
                // The job has fewer requests than `at`.
                function.wait(&id, Duration::from_secs(60))?.response()?;
                break;
            }
            function.program().kill();
            crashes += 1;
            world.s3.faults.clear();
            let answer = world.function()?.invoke(&event(&[&key]))?.response()?;
            assert_eq!(answer["results"][0]["content_id"], at, "{answer}");
            let of_key = format!("SELECT COUNT(*) FROM video_assets WHERE content_id = {at}");
            assert_eq!(world.database.number(&of_key).await?, 1, "request {at}");
        }
        assert!(crashes >= 6, "{crashes}");
        Ok(())
    })
}

#[test]
fn wrong_settings_are_all_named_to_the_invoker() -> Outcome {
    let settings = [
        ("DB_HOST", "db.example".to_owned()),
        ("RDS_PORT", "dry".to_owned()),
        ("DB_PASSWORD", "canary".to_owned()),
    ];
    let mut function = Lambda::start(FUNCTION, &settings)?;
    let (kind, message) = function.invoke(&event(&["videos/1_a.mp4"]))?.error()?;
    assert_eq!(kind, "config");
    for name in ["DB_USER", "DB_NAME", "CATALOG_API_BASE", "INTERNAL_TOKEN", "RDS_PORT"] {
        assert!(message.contains(name), "{name}: {message}");
    }
    assert!(!format!("{message}{}", function.logged()).contains("canary"));
    Ok(())
}

#[test]
fn outside_of_lambda_it_says_so() -> Outcome {
    let output = Command::new(FUNCTION).env_clear().output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout)?.contains("AWS_LAMBDA_RUNTIME_API"));
    Ok(())
}

#[test]
fn a_refusal_by_s3_is_a_passing_failure() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let mut function = world.function()?;
        let puts = |seen: &Seen| seen.method == "PUT";
        world.s3.faults.when(9, puts, Fault::s3_error(403, "AccessDenied", "Access Denied"));
        let (kind, message) = function.invoke(&event(&["videos/1_a.mp4"]))?.error()?;
        assert_eq!(kind, "denied");
        let message: Value = serde_json::from_str(&message)?;
        assert_eq!(message["failed"][0]["permanent"], false);
        assert!(
            message["failed"][0]["message"].as_str().is_some_and(|text| text.contains("AccessDenied")),
            "{message}"
        );
        assert!(world.rows().await?.is_empty());
        world.s3.faults.clear();
        // S3 reports a concurrent write (409) twice, and the job then succeeds.
        world.s3.faults.when(2, puts, Fault::s3_error(409, "ConditionalRequestConflict", "try again"));
        function.invoke(&event(&["videos/1_a.mp4"]))?.response()?;
        Ok(())
    })
}

//! Storyboards of the built function inside a runtime API: with the permissions of the replaced Lambda, in a cage, and with a
//! deadline.

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

use std::time::{Duration, Instant};

use programs::Outcome;
use programs::moto::Moto;
use programs::runtime_api::Lambda;
use serde_json::{Value, json};
use servers::Fault;
use servers::s3_server::BUCKET;
use world::{FUNCTION, World, event, film, run};

const KEY: &str = "videos/a/1_x.mp4";
const FOLDER: &str = "storyboards/a/1_x";

fn storyboards() -> impl Iterator<Item = (&'static str, String)> {
    let settings = [
        ("STORYBOARD_KEY", "storyboards/{dir}{name}/"),
        ("STORYBOARD_COUNT", "7"),
        ("STORYBOARD_COLUMNS", "2"),
        ("STORYBOARD_ROWS", "2"),
    ];
    settings.into_iter().map(|(name, value)| (name, value.to_owned()))
}

/// The last line of metrics in the log.
fn metrics(function: &Lambda) -> Outcome<Value> {
    let log = function.logged();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.rfind(|line| line.get("_aws").is_some()).ok_or_else(|| format!("no metrics: {log}"))?)
}

/// One invocation with all settings of pictures: a frame that is not black, four thumbnails that fill a box, the placeholder, and a
/// storyboard.
#[test]
fn the_function_takes_all_choices_of_pictures_together() -> Outcome {
    run(async {
        let (world, aws) = (World::new().await?, Moto::start().await?);
        aws.put(KEY, common::fixture_bytes("black_around_5s.mp4")?).await?;
        let mut settings = world.settings();
        settings.extend(aws.settings(&[]).await?);
        let choices = [
            ("THUMBNAIL_PICK", "auto"),
            ("THUMBNAIL_WIDTHS", "120,60"),
            ("THUMBNAIL_HEIGHT", "60"),
            ("THUMBNAIL_FORMATS", "jpeg,webp"),
            ("THUMBNAIL_FIT", "cover"),
            ("THUMBNAIL_FOCUS", "0.5,0.3"),
            ("THUMBNAIL_KEY", "thumbnails/{dir}{name}-{width}.{ext}"),
        ];
        settings.extend(choices.map(|(name, value)| (name, value.to_owned())));
        settings.extend(storyboards());
        let mut function = Lambda::start(FUNCTION, &settings)?;
        let answer = function.invoke(&event(&[KEY]))?.response()?;
        let result = &answer["results"][0];
        assert_eq!(result["status"], "processed", "{answer}");
        let time = result["frame_pts_seconds"].as_f64().ok_or_else(|| answer.to_string())?;
        assert!((time - 5.0).abs() > 0.5, "the frame at 5 s is black: {answer}");
        assert!(result["thumb_hash"].is_string() && result["average_colour"] != "#000000", "{answer}");
        for (width, extension) in [(120, "jpg"), (60, "jpg"), (120, "webp"), (60, "webp")] {
            let key = format!("thumbnails/a/1_x-{width}.{extension}");
            let (picture, hash) = aws.object(&key, "thumb-hash").await?;
            let picture = image::load_from_memory(&picture)?;
            assert_eq!((picture.width(), picture.height()), (width, 60), "{key}");
            assert!(hash.is_some(), "{key}");
        }
        assert_eq!(result["storyboard"]["status"], "written", "{answer}");
        let again = function.invoke(&event(&[KEY]))?.response()?;
        assert_eq!(again["results"][0]["status"], "unchanged", "{again}");
        Ok(())
    })
}

/// The permissions of the replaced Lambda's role must be enough, with and without a cage. Without s3:ListBucket, S3 refuses access to
/// a missing object (403).
#[test]
fn the_function_writes_a_storyboard_with_the_permissions_it_has() -> Outcome {
    run(async {
        for isolation in ["none", "process"] {
            let (world, aws) = (World::new().await?, Moto::start().await?);
            aws.put(KEY, film()?).await?;
            let mut settings = world.settings();
            settings.extend(aws.settings(&[]).await?);
            settings.extend(storyboards().chain([("ISOLATE", isolation.to_owned())]));
            let mut function = Lambda::start(FUNCTION, &settings)?;
            let answer = function.invoke(&event(&[KEY]))?.response()?;
            let result = &answer["results"][0];
            let storyboard = &result["storyboard"];
            assert_eq!(
                (&result["status"], &storyboard["status"]),
                (&json!("processed"), &json!("written")),
                "{answer}"
            );
            assert_eq!((&storyboard["tiles"], &storyboard["sheets"]), (&json!(7), &json!(2)), "{answer}");
            assert_eq!(storyboard["webvtt_url"], format!("s3://{BUCKET}/{FOLDER}/storyboard.vtt"));
            assert_eq!(result["isolation"].is_null(), isolation == "none", "{answer}");
            let metrics = metrics(&function)?;
            assert_eq!(
                (&metrics["Outcome"], &metrics["StoryboardBytesFetched"]),
                (&json!("processed"), &storyboard["bytes_fetched"])
            );
            assert!(
                metrics["StoryboardTime"].is_u64() && metrics["StoryboardRequests"].is_u64(),
                "{metrics}"
            );
            assert!(function.logged().contains("스토리보드 저장 완료: videos/a/1_x.mp4 (타일 7개, 시트 2개"));

            let (webvtt, settings_of_it) =
                aws.object(&format!("{FOLDER}/storyboard.vtt"), "settings").await?;
            let webvtt = String::from_utf8(webvtt)?;
            assert_eq!(
                settings_of_it.as_deref().map(|text| text.starts_with("1;count=7;pick=keyframe;jpg;")),
                Some(true)
            );
            let (json, source) = aws.object(&format!("{FOLDER}/storyboard.json"), "source-key").await?;
            let json: Value = serde_json::from_slice(&json)?;
            assert_eq!(source.map(|key| key.len()), Some(32));
            for sheet in json["sheets"].as_array().ok_or("no sheets")? {
                let name = sheet["file"].as_str().ok_or("no name")?;
                let (picture, _) = aws.object(&format!("{FOLDER}/{name}"), "settings").await?;
                assert_eq!(image::guess_format(&picture)?, image::ImageFormat::Jpeg);
                assert!(webvtt.contains(name), "{webvtt}");
            }
            let refused = aws.refused().await?;
            let of_it: Vec<_> = refused.iter().filter(|request| request.contains(FOLDER)).collect();
            assert_eq!(of_it.len(), 2, "JSON and WebVTT, that were not there: {refused:?}");

            // The same event again requests only one HEAD, of the JSON.
            let answer = function.invoke(&event(&[KEY]))?.response()?;
            assert_eq!(answer["results"][0]["storyboard"]["status"], "unchanged", "{answer}");
            let of_json = aws.requests_for("storyboard.json").await?;
            assert_eq!(
                of_json
                    .iter()
                    .map(|request| request.split(' ').next().unwrap_or_default())
                    .collect::<Vec<_>>(),
                ["HEAD", "PUT", "HEAD"]
            );
        }
        Ok(())
    })
}

/// A storyboard that is too slow. The answer must come before the deadline, the log must name the storyboard, and thumbnail and row must
/// stay. The message must be delivered again, and the next attempt must write the missing files only.
#[test]
fn a_storyboard_that_is_late_is_tried_again_and_nothing_else_is() -> Outcome {
    run(async {
        for failing in ["storyboard-1", "storyboard.json"] {
            let world = World::new().await?;
            world.s3.put(KEY, &film()?)?;
            let mut settings = world.settings();
            settings.extend(storyboards());
            let mut function = Lambda::start(FUNCTION, &settings)?;
            let picks = move |seen: &servers::Seen| seen.method == "PUT" && seen.path.contains(failing);
            world.s3.faults.when(u64::MAX, picks, Fault::Delay(Duration::from_secs(30)));
            let body = event(&[KEY]).to_string();
            let message = json!({"Records": [{"messageId": "m", "body": body, "eventSource": "aws:sqs"}]});
            let started = Instant::now();
            let id = function.send(&message, Duration::from_secs(6))?;
            let answer = function.wait(&id, Duration::from_secs(10))?.response()?;
            assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
            assert_eq!(answer["batchItemFailures"], json!([{"itemIdentifier": "m"}]), "{answer}");
            let log = function.logged();
            assert!(log.contains("its storyboard: not done in the time that was left for it"), "{log}");
            assert_eq!(metrics(&function)?["Outcome"], "timeout");
            assert_eq!(world.rows().await?.len(), 1);
            assert!(world.thumbnail("thumbnails/a/1_x.jpg").is_file());
            assert!(!world.thumbnail(&format!("{FOLDER}/storyboard.json")).exists());

            world.s3.faults.clear();
            let before = world.s3.faults.seen().len();
            let answer = function.invoke(&event(&[KEY]))?.response()?;
            let result = &answer["results"][0];
            assert_eq!(
                (&result["status"], &result["storyboard"]["status"]),
                (&json!("unchanged"), &json!("written")),
                "{answer}"
            );
            let seen = world.s3.faults.seen().split_off(before);
            let puts = seen.iter().filter(|seen| seen.method == "PUT");
            assert!(puts.clone().all(|seen| seen.path.contains(FOLDER)) && puts.count() > 0, "{seen:?}");
            assert_eq!(world.api.calls()?.len(), 1);
        }
        Ok(())
    })
}

/// The mode that writes nothing sends no requests for a storyboard.
#[test]
fn a_shadow_has_no_storyboard() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put(KEY, &film()?)?;
        let mut settings = world.settings();
        settings.extend(storyboards().chain([("MODE", "shadow".to_owned())]));
        let mut function = Lambda::start(FUNCTION, &settings)?;
        function.invoke(&event(&[KEY]))?.response()?;
        let seen = world.s3.faults.seen();
        assert!(!seen.is_empty() && seen.iter().all(|seen| !seen.path.contains("storyboard")), "{seen:?}");
        Ok(())
    })
}

//! Storyboards that the job and the command write into a bucket and into a folder. A storyboard must be complete or absent, and written
//! only once, also after failures, replaced videos and concurrent writers.

mod common;
#[path = "common/servers.rs"]
mod servers;

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Outcome, fixture, fixture_bytes, md5_hex};
use hyper::Method;
use posterframe::catalog::SqliteCatalog;
use posterframe::config::StoryboardSettings;
use posterframe::process::{
    Job, JobError, LocalVideo, RemoteVideo, Report, Status, StoryboardReport, StoryboardStatus, VideoSource,
};
use posterframe::store::{FolderStore, S3Store, Store};
use posterframe::{ErrorKind, ImageFormat, Media, OpenOptions, Quality, Spacing, StoryboardRequest};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use servers::s3_server::{BUCKET, S3Server};
use servers::{Fault, Seen};
use tempfile::TempDir;

const VIDEO: &str = "videos/a/1_x.mp4";
const FOLDER: &str = "storyboards/a/1_x/";

fn run<T>(work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)
}

/// A storyboard of seven tiles on two sheets.
fn request() -> StoryboardRequest {
    StoryboardRequest::default().with_spacing(Spacing::Count(number(7))).with_grid(number(2), number(2))
}

fn settings(request: StoryboardRequest) -> Outcome<StoryboardSettings> {
    let settings = StoryboardSettings::new("storyboards/{dir}{name}".parse()?);
    Ok(settings.ok_or("no template of a folder")?.with_request(request))
}

/// A bucket, and a catalogue in a file.
struct World {
    s3: S3Server,
    catalog: SqliteCatalog,
    folder: TempDir,
}

impl World {
    async fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let catalog = SqliteCatalog::open(folder.path().join("catalog.sqlite3")).await?;
        let s3 = S3Server::start()?;
        s3.put(VIDEO, &fixture_bytes("h264_end.mp4")?)?;
        Ok(Self { s3, catalog, folder })
    }

    fn job(&self, request: Option<StoryboardRequest>) -> Outcome<Job<S3Store, SqliteCatalog>> {
        let mut job = Job::new(S3Store::new(self.s3.client(), BUCKET), self.catalog.clone());
        job.storyboard = request.map(settings).transpose()?;
        Ok(job)
    }

    async fn process(&self, request: Option<StoryboardRequest>) -> Outcome<Result<Report, JobError>> {
        let job = self.job(request)?;
        let video = RemoteVideo::new(&job.store, VIDEO)?;
        Ok(job.process(&video).await)
    }

    /// Runs the job, and returns its requests and its report.
    async fn seen(&self, request: Option<StoryboardRequest>) -> Outcome<(Vec<Seen>, Report)> {
        let before = self.s3.faults.seen().len();
        let report = self.process(request).await??;
        Ok((self.s3.faults.seen().split_off(before), report))
    }

    fn path(&self, key: &str) -> std::path::PathBuf {
        self.s3.folder().join(BUCKET).join(key)
    }

    /// Asserts that the stored storyboard is consistent and of the current version. Returns the JSON.
    fn complete(&self) -> Outcome<Value> {
        let video = fs::read(self.path(VIDEO))?;
        check(&self.path(FOLDER), Some(&format!("\"{}\"", md5_hex(&video))))
    }
}

/// Asserts that the files of a storyboard fit together. Returns the JSON.
fn check(folder: &Path, etag: Option<&str>) -> Outcome<Value> {
    let json: Value = serde_json::from_slice(&fs::read(folder.join("storyboard.json"))?)?;
    assert_eq!(json["source_etag"].as_str(), etag, "{json}");
    let webvtt = fs::read_to_string(folder.join("storyboard.vtt"))?;
    let sheets = json["sheets"].as_array().ok_or("no sheets")?;
    let tiles = json["tiles"].as_array().ok_or("no tiles")?;
    let cues: Vec<&str> = webvtt.lines().filter(|line| line.contains("#xywh=")).collect();
    assert!(!tiles.is_empty() && cues.len() == tiles.len(), "{webvtt} {json}");
    let number = |value: &Value| value.as_u64().ok_or("no number");
    for (cue, tile) in cues.iter().zip(tiles) {
        let sheet = &sheets[usize::try_from(number(&tile["sheet"])?)?];
        let (x, y, width, height) = (&tile["x"], &tile["y"], &json["tile_width"], &json["tile_height"]);
        assert_eq!(
            *cue,
            format!("{}#xywh={x},{y},{width},{height}", sheet["file"].as_str().unwrap_or_default())
        );
    }
    for sheet in sheets {
        let file = folder.join(sheet["file"].as_str().ok_or("no name")?);
        assert_eq!(fs::metadata(&file)?.len(), number(&sheet["bytes"])?, "{sheet}");
        let (width, height) = image::image_dimensions(&file)?;
        assert_eq!((width.into(), height.into()), (number(&sheet["width"])?, number(&sheet["height"])?));
    }
    Ok(json)
}

/// The keys of the puts, in order.
fn puts(seen: &[Seen]) -> Vec<&str> {
    let puts = seen.iter().filter(|seen| seen.method == Method::PUT);
    puts.map(|seen| seen.path.trim_start_matches(&format!("/{BUCKET}/"))).collect()
}

fn storyboard(report: &Report) -> Outcome<&StoryboardReport> {
    Ok(report.storyboard.as_deref().ok_or("no storyboard in the report")?)
}

fn counts(seen: &[Seen]) -> [usize; 3] {
    [Method::GET, Method::HEAD, Method::PUT]
        .map(|method| seen.iter().filter(|seen| seen.method == method).count())
}

#[test]
fn the_job_puts_a_storyboard_last_and_looks_once_afterwards() -> Outcome {
    run(async {
        let world = World::new().await?;
        let (without, report) = world.seen(None).await?;
        assert_eq!((report.storyboard, puts(&without).len()), (None, 1), "{without:?}");
        let (without, _) = world.seen(None).await?;

        let (seen, report) = world.seen(Some(request())).await?;
        let written = storyboard(&report)?;
        assert_eq!((report.status, written.status), (Status::Unchanged, StoryboardStatus::Written));
        assert_eq!((written.tiles, written.sheets), (Some(7), Some(2)), "{written:?}");
        assert_eq!(written.url, Some(format!("s3://{BUCKET}/{FOLDER}storyboard.json")));
        assert_eq!(written.webvtt_url, Some(format!("s3://{BUCKET}/{FOLDER}storyboard.vtt")));
        let keys = puts(&seen);
        assert!(keys.iter().take(2).all(|key| key.starts_with(&format!("{FOLDER}storyboard-"))), "{keys:?}");
        let last = ["vtt", "json"].map(|ending| format!("{FOLDER}storyboard.{ending}"));
        assert_eq!((keys.len(), &keys[2..]), (4, &[last[0].as_str(), last[1].as_str()][..]), "{keys:?}");
        let unconditional =
            |seen: &&Seen| seen.method == Method::PUT && seen.header("if-none-match") != Some("*");
        assert_eq!(seen.iter().find(unconditional).map(|seen| &seen.path), None);
        // The additional HEADs: JSON and WebVTT, and the video before and after the puts of these two files, whose names never change.
        assert_eq!(counts(&seen)[1], counts(&without)[1] + 4, "{seen:?}");

        // The sheets equal those of the library, bit for bit.
        let json = world.complete()?;
        let expected =
            Media::open_file(fixture("h264_end.mp4"), &OpenOptions::default())?.storyboard(&request())?;
        for (sheet, expected) in json["sheets"].as_array().ok_or("no sheets")?.iter().zip(&expected.sheets) {
            let key = format!("{FOLDER}{}", sheet["file"].as_str().unwrap_or_default());
            assert!(fs::read(world.path(&key))? == expected.bytes, "{key}");
        }

        // A repeated event costs one HEAD more than without a storyboard.
        let (again, report) = world.seen(Some(request())).await?;
        assert_eq!(storyboard(&report)?.status, StoryboardStatus::Unchanged);
        let ([_, heads, _], [gets, heads_again, puts]) = (counts(&without), counts(&again));
        assert_eq!((heads_again, puts), (heads + 1, 0), "{again:?}");
        // The video's first ranges are requested at once. The second one is cancelled, before or after it is sent, when the job is found done.
        assert!((1..=2).contains(&gets), "{again:?}");
        Ok(())
    })
}

#[test]
fn a_new_video_or_setting_writes_it_anew_and_leaves_the_sheets_of_the_old_one() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.process(Some(request())).await??;
        let sheets = |world: &World| -> Outcome<BTreeSet<String>> {
            let names = fs::read_dir(world.path(FOLDER))?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let names: BTreeSet<String> = names.collect::<Outcome<_>>()?;
            Ok(names.into_iter().filter(|name| name.starts_with("storyboard-")).collect())
        };
        let first = sheets(&world)?;
        let mut settings = vec![request().with_spacing(Spacing::Count(number(5)))];
        settings.push(settings[0].with_format(ImageFormat::WebP, Quality::default()));
        settings.push(settings[1].with_grid(number(3), number(3)));
        for request in settings {
            let (seen, report) = world.seen(Some(request)).await?;
            assert_eq!(
                (report.status, storyboard(&report)?.status),
                (Status::Unchanged, StoryboardStatus::Written)
            );
            let key = puts(&seen).into_iter().find(|key| key.starts_with("thumbnails/"));
            assert_eq!(key, None, "a storyboard's setting is none of the thumbnail's");
            let on_condition = |seen: &&Seen| seen.method == Method::PUT && seen.header("if-match").is_some();
            assert_eq!(seen.iter().filter(on_condition).count(), 2, "{seen:?}");
            assert_eq!(world.complete()?["tiles"].as_array().map(Vec::len), Some(5));
            assert!(sheets(&world)?.is_superset(&first));
        }
        let before = sheets(&world)?;
        world.s3.put(VIDEO, &fixture_bytes("h264_front.mp4")?)?;
        let report = world.process(Some(request())).await??;
        assert_eq!(
            (report.status, storyboard(&report)?.status),
            (Status::Processed, StoryboardStatus::Written)
        );
        world.complete()?;
        assert!(sheets(&world)?.is_superset(&before));
        Ok(())
    })
}

/// If any put fails, thumbnail and row stay, no JSON names missing sheets, and the next attempt completes the storyboard.
#[test]
fn a_put_that_fails_is_a_failure_of_the_storyboard_alone() -> Outcome {
    run(async {
        for (code, kind) in [(403, ErrorKind::Denied), (500, ErrorKind::Unavailable)] {
            for failing in ["storyboard-1", "storyboard-2", "storyboard.vtt", "storyboard.json"] {
                let world = World::new().await?;
                let picks = move |seen: &Seen| seen.method == Method::PUT && seen.path.contains(failing);
                let name = if code == 403 { "AccessDenied" } else { "InternalError" };
                world.s3.faults.when(u64::MAX, picks, Fault::s3_error(code, name, "words"));
                let error = world.process(Some(request())).await?.err().ok_or("it did not fail")?;
                let told = error.to_string();
                assert_eq!((error.kind(), error.is_retryable()), (kind, true), "{told}");
                assert!(told.starts_with(&format!("{VIDEO}: its storyboard: ")), "{told}");
                assert!(told.contains("thumbnail and row are written"), "{told}");
                assert!(world.path("thumbnails/a/1_x.jpg").is_file());
                assert!(!world.path(&format!("{FOLDER}storyboard.json")).exists(), "{failing}");
                world.s3.faults.clear();
                let (seen, report) = world.seen(Some(request())).await?;
                assert_eq!(
                    (report.status, storyboard(&report)?.status),
                    (Status::Unchanged, StoryboardStatus::Written)
                );
                assert!(puts(&seen).iter().all(|key| key.starts_with(FOLDER)), "{seen:?}");
                world.complete()?;
            }
        }
        Ok(())
    })
}

/// The video is replaced just before any request of the job. After the event of the new version, the storyboard must be of that version.
#[test]
fn a_video_replaced_before_any_request_has_its_own_storyboard() -> Outcome {
    let total = run(async {
        let world = World::new().await?;
        Ok(world.seen(Some(request())).await?.0.len())
    })?;
    assert!(total >= 15, "{total}");
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&(1..=total), |at| {
        let outcome = run(async {
            let world = World::new().await?;
            let (files, other) = (world.s3.files(), fixture_bytes("h264_front.mp4")?);
            let replace = Fault::before(move || files.put(VIDEO, &other).expect("it can be written"));
            world.s3.faults.on_request(at as u64, replace);
            let report = world.process(Some(request())).await??;
            assert_eq!(report.status, Status::Processed);
            // The event of the new version.
            let report = world.process(Some(request())).await??;
            assert_ne!(storyboard(&report)?.status, StoryboardStatus::Failed);
            world.complete()?;
            let (seen, _) = world.seen(Some(request())).await?;
            assert_eq!(puts(&seen).len(), 0, "{seen:?}");
            Ok(())
        });
        outcome
            .map_err(|error| proptest::test_runner::TestCaseError::fail(format!("{at} of {total}: {error}")))
    });
    assert!(result.is_ok(), "{}", result.err().map(|error| error.to_string()).unwrap_or_default());
    Ok(())
}

/// Another writer puts the WebVTT or the JSON first, so the put gets a 412. The job must look at that file, and then overwrite it with
/// the file of the video's version.
#[test]
fn a_file_that_somebody_else_puts_meanwhile_is_looked_at_again() -> Outcome {
    run(async {
        for name in ["storyboard.vtt", "storyboard.json"] {
            let world = World::new().await?;
            let files = world.s3.files();
            let other = Fault::before(move || {
                files.put(&format!("{FOLDER}{name}"), b"another").expect("it can be written");
            });
            world.s3.faults.when(
                1,
                move |seen| seen.method == Method::PUT && seen.path.ends_with(name),
                other,
            );
            let (seen, report) = world.seen(Some(request())).await?;
            assert_eq!(storyboard(&report)?.status, StoryboardStatus::Written);
            let of_name: Vec<_> =
                seen.iter().filter(|seen| seen.method == Method::PUT && seen.path.ends_with(name)).collect();
            let statuses: Vec<u16> = of_name.iter().map(|seen| seen.status).collect();
            assert_eq!(statuses, [412, 200], "{name}");
            assert!(of_name[1].header("if-match").is_some());
            // The tiles were decoded only once.
            assert!(counts(&seen)[0] < 20, "{seen:?}");
            world.complete()?;

            // If another writer is always first, the error is retryable.
            let world = World::new().await?;
            let (files, times) = (world.s3.files(), std::sync::atomic::AtomicU32::new(0));
            let other = Fault::before(move || {
                let time = times.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                files
                    .put(&format!("{FOLDER}{name}"), time.to_string().as_bytes())
                    .expect("it can be written");
            });
            world.s3.faults.when(
                9,
                move |seen| seen.method == Method::PUT && seen.path.ends_with(name),
                other,
            );
            let error = world.process(Some(request())).await?.err().ok_or("it did not fail")?;
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains("was changed by somebody else 3 times"), "{error}");
        }
        Ok(())
    })
}

/// Another client deletes the WebVTT or the JSON of an older storyboard after the job has seen it. S3 answers 404 to the put that would
/// replace the file, and the job puts the file anew.
#[test]
fn a_file_that_somebody_else_deletes_meanwhile_is_put_anew() -> Outcome {
    run(async {
        for name in ["storyboard.vtt", "storyboard.json"] {
            let world = World::new().await?;
            world.process(Some(request())).await??;
            let files = world.s3.files();
            let deleting = Fault::before(move || {
                files.delete(&format!("{FOLDER}{name}")).expect("it is there");
            });
            let is_put = move |seen: &Seen| seen.method == Method::PUT && seen.path.ends_with(name);
            world.s3.faults.when(1, is_put, deleting);
            let wider = request().with_grid(number(3), number(1));
            let (seen, report) = world.seen(Some(wider)).await?;
            assert_eq!(
                (report.status, storyboard(&report)?.status),
                (Status::Unchanged, StoryboardStatus::Written)
            );
            let puts: Vec<_> = seen
                .iter()
                .filter(|seen| is_put(seen))
                .map(|seen| (seen.status, seen.header("if-match").is_some(), seen.header("if-none-match")))
                .collect();
            assert_eq!(puts, [(404, true, None), (200, false, Some("*"))], "{name}");
            // The tiles were decoded only once.
            assert!(counts(&seen)[0] < 20, "{seen:?}");
            assert_eq!(world.complete()?["sheets"].as_array().map(Vec::len), Some(3));
            let (seen, report) = world.seen(Some(wider)).await?;
            assert_eq!(storyboard(&report)?.status, StoryboardStatus::Unchanged);
            assert_eq!(counts(&seen)[2], 0, "{seen:?}");
        }
        Ok(())
    })
}

#[test]
fn a_video_that_cannot_have_one_keeps_its_thumbnail() -> Outcome {
    run(async {
        let world = World::new().await?;
        // An elementary stream declares no duration.
        world.s3.put(VIDEO, &fixture_bytes("h264_raw.h264")?)?;
        for status in [Status::Processed, Status::Unchanged] {
            let report = world.process(Some(request())).await??;
            let failed = storyboard(&report)?;
            assert_eq!((report.status, failed.status), (status, StoryboardStatus::Failed));
            assert_eq!(failed.error.as_deref(), Some("unsupported"));
            assert!(failed.message.as_deref().is_some_and(|told| told.contains("duration")), "{failed:?}");
        }
        assert!(!world.path(FOLDER).exists());
        // The thumbnail leaves no time for the storyboard. That error is retryable.
        world.s3.put(VIDEO, &fixture_bytes("h264_end.mp4")?)?;
        let job = world.job(Some(request()))?;
        let video = RemoteVideo::new(&job.store, VIDEO)?;
        let picks = |seen: &Seen| seen.method == Method::PUT && seen.path.ends_with(".jpg");
        world.s3.faults.when(1, picks, Fault::Delay(Duration::from_millis(1900)));
        let mut job = job;
        job.options.limits.max_time = Duration::from_secs(2);
        let error = job.process(&video).await.err().ok_or("it did not fail")?;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.to_string().contains("its storyboard: "), "{error}");
        assert!(world.path("thumbnails/a/1_x.jpg").is_file());
        Ok(())
    })
}

#[test]
fn two_videos_with_one_folder_are_an_error_of_the_setting() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.process(Some(request())).await??;
        let mut job = world.job(Some(request()))?;
        job.storyboard = StoryboardSettings::new("storyboards/a/{stem}".parse()?);
        let other = "videos/b/1_x.mp4";
        world.s3.put(other, &fixture_bytes("h264_front.mp4")?)?;
        let error =
            job.process(&RemoteVideo::new(&job.store, other)?).await.err().ok_or("it did not fail")?;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(
            error.to_string().contains("STORYBOARD_KEY must give each video a folder of its own"),
            "{error}"
        );
        world.complete()?;
        job.storyboard = StoryboardSettings::new("videos/{stem}".parse()?);
        job.key_rules.video_suffixes.push(".vtt".to_owned());
        let error =
            job.process(&RemoteVideo::new(&job.store, other)?).await.err().ok_or("it did not fail")?;
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("change STORYBOARD_KEY"), "{error}");
        Ok(())
    })
}

#[test]
fn a_folder_that_stands_for_a_bucket_gets_the_same() -> Outcome {
    run(async {
        let folder = tempfile::tempdir()?;
        let store = FolderStore::open(folder.path())?;
        let catalog = SqliteCatalog::open(folder.path().join("catalog.sqlite3")).await?;
        let path = folder.path().join(VIDEO);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::copy(fixture("h264_end.mp4"), &path)?;
        let mut job = Job::new(store.clone(), catalog);
        job.storyboard = Some(settings(request())?);
        let video = LocalVideo::new(&path, &store, "videos/")?;
        let etag = video.version().await?.ok_or("no video")?.etag;
        let board = folder.path().join(FOLDER);
        let mut times = Vec::new();
        for status in [StoryboardStatus::Written, StoryboardStatus::Unchanged] {
            let report = job.process(&video).await?;
            assert_eq!(storyboard(&report)?.status, status);
            check(&board, Some(etag.as_str()))?;
            times.push(fs::metadata(board.join("storyboard.json"))?.modified()?);
        }
        assert_eq!(times[0], times[1]);
        let json = store.describe(&format!("{FOLDER}storyboard.json")).await?.ok_or("no JSON")?;
        assert_eq!(json.content_type.as_deref(), Some("application/json"));
        Ok(())
    })
}

/// The program, with the settings of the bucket.
fn posterframe(world: &World, more: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    let catalogue = world.folder.path().join("of_the_program.sqlite3");
    command.env_clear().envs(world.s3.settings()).env("CATALOG_SQLITE", catalogue);
    command.envs(more.iter().copied()).args(arguments).stdin(Stdio::null());
    command
}

fn json_of(output: &Output) -> Outcome<Value> {
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    Ok(serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {told}"))?)
}

const SETTINGS: [(&str, &str); 4] = [
    ("STORYBOARD_KEY", "storyboards/{dir}{name}/"),
    ("STORYBOARD_COUNT", "7"),
    ("STORYBOARD_COLUMNS", "2"),
    ("STORYBOARD_ROWS", "2"),
];

/// The program is killed at any of its puts. The next run must complete the storyboard.
#[test]
fn a_program_killed_at_any_put_is_continued_by_the_next() -> Outcome {
    run(async {
        let url = format!("s3://{BUCKET}/{VIDEO}");
        for at in ["storyboard-1", "storyboard-2", "storyboard.vtt", "storyboard.json"] {
            let world = World::new().await?;
            let process =
                || posterframe(&world, &SETTINGS, &["process", &url, "--catalog", "sqlite", "--json"]);
            let picks = move |seen: &Seen| seen.method == Method::PUT && seen.path.contains(at);
            world.s3.faults.when(1, picks, Fault::Delay(Duration::from_secs(20)));
            let mut child = process().stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            let began = Instant::now();
            while !world.s3.faults.seen().iter().any(picks) {
                assert!(began.elapsed() < Duration::from_secs(20) && child.try_wait()?.is_none(), "{at}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            child.kill()?;
            child.wait()?;
            assert!(!world.path(&format!("{FOLDER}storyboard.json")).exists(), "{at}");
            world.s3.faults.clear();
            let before = world.s3.faults.seen().len();
            let report = json_of(&process().output()?)?;
            assert_eq!(
                (&report["status"], &report["storyboard"]["status"]),
                (&"unchanged".into(), &"written".into())
            );
            world.complete()?;
            let seen = world.s3.faults.seen().split_off(before);
            // The next run does not put a WebVTT that the killed run had put.
            let has_webvtt = puts(&seen).iter().any(|key| key.ends_with(".vtt"));
            assert_eq!(has_webvtt, at != "storyboard.json", "{seen:?}");
        }
        Ok(())
    })
}

/// The command and the job must write the same storyboard, and each must detect that the other has written it. The same holds for a cage.
#[test]
fn the_command_writes_into_a_bucket_what_the_job_writes() -> Outcome {
    run(async {
        let world = World::new().await?;
        let (video, out) = (format!("s3://{BUCKET}/{VIDEO}"), format!("s3://{BUCKET}/{FOLDER}"));
        let arguments =
            ["storyboard", &video, "-o", &out, "--count", "7", "--columns", "2", "--rows", "2", "--json"];
        let requests = |before: usize| world.s3.faults.seen().split_off(before);
        let written = json_of(&posterframe(&world, &[], &arguments).output()?)?;
        assert_eq!((&written["status"], &written["output"]), (&"written".into(), &Value::from(out.as_str())));
        let json = world.complete()?;
        assert_eq!((&written["tiles"], &written["settings"]), (&json["tiles"], &json["settings"]));

        let before = requests(0).len();
        let unchanged = json_of(&posterframe(&world, &[], &arguments).output()?)?;
        assert_eq!(unchanged["status"], "unchanged");
        assert_eq!(counts(&requests(before))[1..], [1, 0], "{:?}", requests(before));
        let report = world.process(Some(request())).await??;
        assert_eq!(storyboard(&report)?.status, StoryboardStatus::Unchanged);

        // In a cage, the tiles are planned together too, so the requests and the files are the same.
        let names = || -> Outcome<BTreeSet<_>> {
            fs::read_dir(world.path(FOLDER))?.map(|entry| Ok(entry?.file_name())).collect()
        };
        let files = names()?;
        fs::remove_file(world.path(&format!("{FOLDER}storyboard.json")))?;
        let caged = posterframe(&world, &[("ISOLATE", "process")], &arguments).output()?;
        let caged = json_of(&caged)?;
        assert_eq!(caged["status"], "written");
        assert_eq!(caged["isolation"]["no_descriptors"], true, "{caged}");
        for cost in ["requests", "round_trips", "bytes_fetched"] {
            assert_eq!(caged[cost], written[cost], "{cost}");
        }
        assert_eq!(names()?, files);
        world.complete()?;

        // A local video can be written to the bucket too, also to a folder without a `/` at its end.
        let (film, out) = (fixture("h264_front.mp4").display().to_string(), format!("s3://{BUCKET}/local/x"));
        for status in ["written", "unchanged"] {
            let output = posterframe(&world, &[], &["storyboard", &film, "-o", &out, "--json"]).output()?;
            assert_eq!(json_of(&output)?["status"], status);
        }
        let etag = posterframe::store::etag_of(&fs::metadata(fixture("h264_front.mp4"))?);
        check(&world.path("local/x"), Some(etag.as_str()))?;
        Ok(())
    })
}

#[test]
fn failures_of_the_command_in_a_bucket_have_their_codes() -> Outcome {
    run(async {
        let (video, out) = (format!("s3://{BUCKET}/{VIDEO}"), format!("s3://{BUCKET}/{FOLDER}"));
        let is_put = |seen: &Seen| seen.method == Method::PUT;
        let cases: [(Fault, i32, &str); 2] = [
            (Fault::s3_error(403, "AccessDenied", "words"), 4, "cannot put"),
            (Fault::s3_error(503, "SlowDown", "words"), 9, "cannot put"),
        ];
        for (fault, code, told) in cases {
            let world = World::new().await?;
            world.s3.faults.when(u64::MAX, is_put, fault);
            let output = posterframe(&world, &[], &["storyboard", &video, "-o", &out]).output()?;
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{stderr}");
            assert!(stderr.starts_with("error: ") && stderr.contains(told), "{stderr}");
            assert!(!world.path(FOLDER).exists());
        }
        // The video is replaced while the sheets are put.
        let world = World::new().await?;
        let (files, other) = (world.s3.files(), fixture_bytes("h264_front.mp4")?);
        world.s3.faults.when(
            1,
            is_put,
            Fault::before(move || files.put(VIDEO, &other).expect("it can be written")),
        );
        let output = posterframe(&world, &[], &["storyboard", &video, "-o", &out]).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(9), "{stderr}");
        assert!(stderr.contains("the video was replaced while its storyboard was created"), "{stderr}");
        assert!(!world.path(&format!("{FOLDER}storyboard.vtt")).exists());
        // A put outlasts the time limit.
        world.s3.faults.when(u64::MAX, is_put, Fault::Delay(Duration::from_secs(30)));
        let output =
            posterframe(&world, &[], &["storyboard", &video, "-o", &out, "--timeout", "2"]).output()?;
        assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
        for wrong in ["s3://", "https://example.org/x", "-"] {
            let output = posterframe(&world, &[], &["storyboard", &video, "-o", wrong]).output()?;
            assert_eq!(output.status.code(), Some(2), "{wrong}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    })
}

/// A back-fill writes missing storyboards of videos that have thumbnails. A dry run only reports them.
#[test]
fn a_back_fill_writes_what_is_missing() -> Outcome {
    run(async {
        let world = World::new().await?;
        let prefix = format!("s3://{BUCKET}/videos/");
        let journal = world.folder.path().join("journal").display().to_string();
        let backfill = |more: &[&str], settings: &[(&str, &str)]| -> Outcome<Value> {
            let fixed =
                ["backfill", &prefix, "--catalog", "sqlite", "--journal", &journal, "--again", "--json"];
            let arguments: Vec<&str> = fixed.into_iter().chain(more.iter().copied()).collect();
            json_of(&posterframe(&world, settings, &arguments).output()?)
        };
        assert_eq!(backfill(&[], &[])?["counts"]["processed"], 1);
        for only_missing in [None, Some("--only-missing")] {
            let more: Vec<&str> = only_missing.into_iter().collect();
            let dry: Vec<&str> = more.iter().copied().chain(["--dry-run"]).collect();
            let report = backfill(&dry, &SETTINGS)?;
            assert_eq!(report["counts"]["wanted"], 1, "{report}");
            assert!(!world.path(FOLDER).exists(), "a dry run writes nothing");
            let report = backfill(&more, &SETTINGS)?;
            assert_eq!(report["counts"]["unchanged"], 1, "{report}");
            world.complete()?;
            let report = backfill(&dry, &SETTINGS)?;
            assert!(report["counts"]["wanted"].as_u64().unwrap_or_default() == 0, "{report}");
            fs::remove_dir_all(world.path(FOLDER))?;
        }
        Ok(())
    })
}

//! Tests `posterframe backfill`, in a folder with SQLite and in S3 with MySQL and the catalogue's API: which videos it processes, which it
//! skips, how it resumes, and what it reports.

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
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use programs::{Outcome, in_repository, pause};
use serde_json::{Value, json};
use servers::s3_server::BUCKET;
use servers::{Fault, Seen};
use tempfile::TempDir;
use world::{World, film, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_posterframe");

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

fn json_of(output: &Output) -> Outcome<Value> {
    let told = || format!("{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", told()).into())
}

/// A folder with these files in `videos/`. Each file is the same film, except that files with `broken` in their name are not videos.
fn folder(names: &[&str]) -> Outcome<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::create_dir_all(folder.path().join("videos/sub"))?;
    for name in names {
        let bytes = if name.contains("broken") { b"this is no video".to_vec() } else { film()? };
        fs::write(folder.path().join("videos").join(name), bytes)?;
    }
    Ok(folder)
}

fn local(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    let journal = folder.path().join("journal").display().to_string();
    command.env_clear().arg("backfill").arg(folder.path()).args(["--json", "--journal", &journal]);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The program on the world's bucket, with its journal in a folder of the test.
fn remote(world: &World, folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    let journal = folder.path().join("journal").display().to_string();
    let prefix = format!("s3://{BUCKET}");
    command.env_clear().envs(world.settings()).args(["backfill", &prefix, "--json", "--journal", &journal]);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn rows_in(folder: &Path) -> Outcome<i64> {
    let url = format!("sqlite://{}", folder.join("catalog.sqlite3").display());
    run(async {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&url).await?;
        let row: (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM video_assets").fetch_one(&mut connection).await?;
        Ok(row.0)
    })
}

#[test]
fn a_folder_is_done_and_told_of() -> Outcome {
    let folder = folder(&["1_a.mp4", "2_b.MP4", "sub/3_c.mp4", "my_movie.mp4", "4_broken.mp4", "notes.txt"])?;
    let (report, sheet) = (folder.path().join("report.json"), folder.path().join("sheet.html"));
    let files = ["--report", &report.display().to_string(), "--contact-sheet", &sheet.display().to_string()];
    let output = local(&folder, &files).output()?;
    // One file is not a video. The others are processed.
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let told = json_of(&output)?;
    assert_eq!(told["counts"], json!({"failed": 1, "processed": 4}), "{told}");
    assert_eq!((&told["other_files"], &told["video_suffixes"]), (&json!(1), &json!([".mp4"])), "{told}");
    assert_eq!(
        (&told["complete"], &told["failures"][0]["key"]),
        (&json!(true), &json!("videos/4_broken.mp4"))
    );
    assert_eq!(told["failures"][0]["permanent"], true);
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(&report)?)?, told);
    for thumbnail in ["1_a.jpg", "2_b.MP4.jpg", "sub/3_c.jpg", "my_movie.jpg"] {
        assert!(folder.path().join("thumbnails").join(thumbnail).is_file(), "{thumbnail}");
    }
    assert_eq!(rows_in(folder.path())?, 4);
    let page = fs::read_to_string(&sheet)?;
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,/9j/").count(), 4, "{page}");
    assert!(page.contains("videos/sub/3_c.mp4") && page.contains("4_broken.mp4"), "{page}");
    // The program reports the places that it writes to before it starts.
    let said = text(&output.stderr);
    assert!(
        said.starts_with("Videos file://")
            && said.contains("/thumbnails/")
            && said.contains("catalog.sqlite3"),
        "{said}"
    );

    // A second run checks every video, and writes nothing.
    let thumbnail = folder.path().join("thumbnails/1_a.jpg");
    let before = fs::metadata(&thumbnail)?.modified()?;
    let told = json_of(&local(&folder, &[]).output()?)?;
    assert_eq!(told["counts"], json!({"failed": 1, "unchanged": 4}));
    assert_eq!(fs::metadata(&thumbnail)?.modified()?, before);

    // The output for people.
    let output = local(&folder, &["--exclude", "*broken*", "--exclude", "*.txt"]).output()?;
    assert_eq!((output.status.code(), &json_of(&output)?["other_files"]), (Some(0), &json!(0)), "{output:?}");
    let mut command = Command::new(PROGRAM);
    let journal = folder.path().join("other").display().to_string();
    let output =
        command.env_clear().arg("backfill").arg(folder.path()).args(["--journal", &journal]).output()?;
    let told = text(&output.stdout);
    assert!(told.contains("Done") && told.contains("unchanged    4"), "{told}");
    assert!(told.contains("other files  1, with other suffixes than .mp4 (VIDEO_SUFFIXES)"), "{told}");
    assert!(told.contains("malformed") && told.contains("videos/4_broken.mp4: "), "{told}");
    Ok(())
}

/// The report lists the most frequent kind of failure first, and kinds with the same number by name.
#[test]
fn the_most_frequent_kind_of_failure_comes_first() -> Outcome {
    let folder = folder(&["1_a.mp4", "2_broken.mp4"])?;
    let sound = in_repository("tests/fixtures/audio_only.m4a");
    fs::copy(sound, folder.path().join("videos/3_sound.mp4"))?;
    let keys = folder.path().join("keys");
    let named = ["1_a", "2_broken", "3_sound", "4_gone", "5_gone"];
    fs::write(&keys, named.map(|name| format!("videos/{name}.mp4\n")).concat())?;
    let arguments = ["--keys-from", &keys.display().to_string()];
    let output = local(&folder, &arguments).output()?;
    let told = json_of(&output)?;
    assert_eq!(told["counts"], json!({"failed": 4, "processed": 1}), "{told}");
    assert_eq!(told["failures_by_kind"], json!({"not_found": 2, "malformed": 1, "unsupported": 1}));
    let written = text(&output.stdout);
    let places = ["not_found", "malformed", "unsupported"].map(|kind| written.find(&format!("\"{kind}\"")));
    assert!(places[0] < places[1] && places[1] < places[2] && places[0].is_some(), "{written}");
    // The output for people.
    let output = Command::new(PROGRAM)
        .env_clear()
        .arg("backfill")
        .arg(folder.path())
        .args(["--journal", &folder.path().join("other").display().to_string()])
        .args(arguments)
        .output()?;
    let written = text(&output.stdout);
    assert!(written.contains("2 not_found, 1 malformed, 1 unsupported"), "{written}");
    Ok(())
}

/// Different notations of the same time are one setting: no thumbnail is written again.
#[test]
fn another_form_of_the_time_makes_nothing_anew() -> Outcome {
    const OBJECTS: usize = 1000;
    let names: Vec<String> = (1..=OBJECTS).map(|number| format!("{number}_a.mp4")).collect();
    let folder = folder(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let counts = |time: &str| -> Outcome<Value> {
        let output = local(&folder, &["--again", "--jobs", "8"]).env("THUMBNAIL_AT", time).output()?;
        Ok(json_of(&output)?["counts"].clone())
    };
    let written = || -> Outcome<Vec<_>> {
        let thumbnails = fs::read_dir(folder.path().join("thumbnails"))?;
        let mut times: Vec<_> = thumbnails
            .map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.metadata()?.modified()?))))
            .collect::<Result<_, _>>()?;
        times.sort();
        Ok(times)
    };
    assert_eq!(counts("5")?, json!({"processed": OBJECTS}));
    let before = written()?;
    for time in ["5s", "0:05", "00:00:05.000"] {
        assert_eq!(counts(time)?, json!({"unchanged": OBJECTS}), "{time}");
    }
    assert_eq!(written()?, before);
    Ok(())
}

#[test]
fn a_part_of_a_store_may_be_named() -> Outcome {
    let folder = folder(&["1_a.mp4", "sub/2_b.mp4"])?;
    let below = folder.path().join("videos/sub").display().to_string();
    let store = folder.path().display().to_string();
    let journal = folder.path().join("journal").display().to_string();
    let arguments = ["backfill", &below, "--store", &store, "--journal", &journal, "--json"];
    let output = Command::new(PROGRAM).env_clear().args(arguments).output()?;
    assert_eq!(json_of(&output)?["counts"], json!({"processed": 1}));
    assert!(folder.path().join("thumbnails/sub/2_b.jpg").is_file());
    // Without `--store`, the folder is the store, and no key in it starts with `VIDEO_PREFIX`. The program reports that.
    let output = Command::new(PROGRAM)
        .env_clear()
        .args(["backfill", &below, "--journal", &journal, "--again"])
        .output()?;
    assert!(
        output.status.success() && text(&output.stderr).contains("VIDEO_PREFIX \"videos/\""),
        "{output:?}"
    );
    let outside = tempfile::tempdir()?;
    let elsewhere = outside.path().display().to_string();
    let output =
        Command::new(PROGRAM).env_clear().args(["backfill", &elsewhere, "--store", &store]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is not inside the store"));
    let output = Command::new(PROGRAM).env_clear().args(["backfill", "/nowhere/films"]).output()?;
    assert_eq!(output.status.code(), Some(3));
    Ok(())
}

#[test]
fn what_is_wanted_can_be_said() -> Outcome {
    let folder = folder(&["1_a.mp4", "2_b.mp4", "sub/3_c.mp4"])?;
    let counts = |arguments: &[&str]| -> Outcome<Value> {
        Ok(json_of(&local(&folder, arguments).output()?)?["counts"].clone())
    };
    // A dry run writes nothing, and lists every video.
    let dry = json_of(&local(&folder, &["--dry-run"]).output()?)?;
    assert_eq!(dry["wanted"], json!(["videos/1_a.mp4", "videos/2_b.mp4", "videos/sub/3_c.mp4"]));
    assert!(!folder.path().join("thumbnails").exists() && !folder.path().join("journal").exists());
    assert_eq!(
        counts(&["--include", "videos/sub/*", "--include", "*2_b*", "--exclude", "*2*"])?,
        json!({"processed": 1})
    );
    assert_eq!(counts(&["--again", "--limit", "1"])?, json!({"processed": 1}));
    assert_eq!(counts(&["--again", "--modified-after", "2100-01-01"])?, json!({}));
    assert_eq!(counts(&["--again", "--modified-before", "2020-01-01T00:00:00Z"])?, json!({}));
    let keys = folder.path().join("keys");
    fs::write(&keys, "videos/2_b.mp4\n\nvideos/9_gone.mp4\nnotes.txt\n")?;
    let output = local(&folder, &["--again", "--keys-from", &keys.display().to_string()]).output()?;
    assert_eq!(
        (output.status.code(), &json_of(&output)?["counts"]),
        (Some(3), &json!({"failed": 1, "processed": 1, "skipped": 1}))
    );
    for wrong in [
        ["--modified-after", "soon"],
        ["--rate", "0"],
        ["--jobs", "0"],
        ["--include", "[a"],
        ["--keys-from", "/nowhere"],
    ] {
        let output = local(&folder, &wrong).output()?;
        let code = if wrong[0] == "--keys-from" { 3 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{wrong:?}: {output:?}");
    }
    Ok(())
}

#[test]
fn no_more_a_second_than_is_allowed() -> Outcome {
    let folder = folder(&["1_a.mp4", "2_b.mp4", "3_c.mp4", "4_d.mp4"])?;
    let started = Instant::now();
    json_of(&local(&folder, &["--rate", "4", "--jobs", "8"]).output()?)?;
    // Four videos at four a second have three pauses between them.
    assert!(started.elapsed() >= Duration::from_millis(750), "{:?}", started.elapsed());
    Ok(())
}

/// After an interrupt and after a kill, a back-fill resumes: no video is processed twice, and none is skipped.
#[test]
fn goes_on_after_an_interrupt_and_after_a_crash() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        for number in 1..=12 {
            world.s3.put(&format!("videos/{number}_a.mp4"), &film()?)?;
        }
        for (signal, code) in [("INT", Some(130)), ("KILL", None)] {
            // Requests are slow enough that the signal arrives after some videos are processed, and before the last.
            world.s3.faults.always(Fault::Delay(Duration::from_millis(60)));
            let mut child = remote(&world, &folder, &["--jobs", "2"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let before = world.rows().await?.len();
            let journal = folder.path().join("journal");
            let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
            let already = lines();
            while lines() < already.max(1) + 2 {
                assert!(child.try_wait()?.is_none(), "it has ended too early");
                pause(Duration::from_millis(10));
            }
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status()?;
            let output = child.wait_with_output()?;
            assert_eq!(output.status.code(), code, "{output:?}");
            let after = world.rows().await?.len();
            assert!(before < after && after < 12, "{before} {after}");
            if signal == "INT" {
                let told = json_of(&output)?;
                assert_eq!(told["complete"], false);
                assert!(text(&output.stderr).contains("the same command resumes"), "{output:?}");
            }
        }
        world.s3.faults.clear();
        // Meanwhile, somebody edits a title.
        world.database.rows("UPDATE contents SET title = 'Edited' WHERE id = 1").await?;
        let output = remote(&world, &folder, &[]).output()?;
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stderr).contains("are processed already"), "{output:?}");
        let told = json_of(&output)?;
        assert_eq!(told["complete"], true);
        let count = |word: &str| told["counts"][word].as_u64().unwrap_or(0);
        assert_eq!(count("processed") + count("unchanged"), 12, "{told}");
        let rows = world.rows().await?;
        assert_eq!((rows.len(), world.database.number("SELECT COUNT(*) FROM contents").await?), (12, 12));
        assert!(rows.iter().any(|row| row.0 == 1 && row.1 == "Edited"), "{rows:?}");
        Ok(())
    })
}

/// A back-fill does not change existing contents without `--overwrite-contents`. With `--only-missing`, it
/// does not replace the thumbnails of other programs either.
#[test]
fn what_exists_is_left_alone_unless_it_is_said_otherwise() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        for key in ["videos/1_a.mp4", "videos/2_b.mp4"] {
            world.s3.put(key, &film()?)?;
        }
        let theirs = fs::read(in_repository("tests/fixtures/README.md"))?;
        world.s3.put("thumbnails/1_a.jpg", &theirs)?;
        let row = format!(
            "INSERT INTO contents (id, title) VALUES (1, 'Edited'), (2, 'Edited');
             INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration)
             VALUES (1, 's3://{BUCKET}/videos/1_a.mp4', 's3://{BUCKET}/thumbnails/1_a.jpg', 7)"
        );
        world.database.rows(&row).await?;
        let seen = world.s3.faults.seen().len();
        let dry = json_of(&remote(&world, &folder, &["--dry-run", "--only-missing"]).output()?)?;
        assert_eq!((&dry["wanted"], &dry["counts"]["present"]), (&json!(["videos/2_b.mp4"]), &json!(1)));
        assert!(
            world.s3.faults.seen()[seen..].iter().all(|seen| ["GET", "HEAD"].contains(&seen.method.as_str()))
        );
        assert_eq!(world.rows().await?.len(), 1);

        let told = json_of(&remote(&world, &folder, &["--only-missing"]).output()?)?;
        assert_eq!(told["counts"], json!({"present": 1, "processed": 1}));
        assert_eq!(fs::read(world.thumbnail("thumbnails/1_a.jpg"))?, theirs);
        let told = json_of(&remote(&world, &folder, &[]).output()?)?;
        assert_eq!(told["counts"], json!({"processed": 1, "unchanged": 1}));
        assert!(fs::read(world.thumbnail("thumbnails/1_a.jpg"))? != theirs);
        assert!(world.rows().await?.iter().all(|row| row.1 == "Edited"));
        assert!(world.api.calls()?.is_empty());

        // The video changes, so that its thumbnail is written again. With `--overwrite-contents`, the content is written, too.
        let replace = || world.s3.put("videos/1_a.mp4", &world::other_film()?);
        replace()?;
        let told = json_of(&remote(&world, &folder, &["--overwrite-contents"]).output()?)?;
        assert_eq!(told["counts"], json!({"processed": 1, "unchanged": 1}));
        assert_eq!(
            world.rows().await?.iter().find(|row| row.0 == 1).map(|row| row.1.clone()),
            Some("A".to_owned())
        );
        Ok(())
    })
}

#[test]
fn more_than_a_page_is_listed() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        let store = world.s3.folder().join(BUCKET).join("videos");
        fs::create_dir_all(&store)?;
        for number in 0..1500 {
            fs::write(store.join(format!("{number:04}.txt")), "x")?;
        }
        for key in ["videos/1_a.mp4", "videos/9_z.mp4"] {
            world.s3.put(key, &film()?)?;
        }
        let told = json_of(&remote(&world, &folder, &[]).output()?)?;
        assert_eq!(told["counts"], json!({"processed": 2}));
        let lists = world.s3.faults.seen().iter().filter(|seen| seen.query.contains("list-type=2")).count();
        assert_eq!(lists, 2);
        Ok(())
    })
}

#[test]
fn what_stops_it_is_told() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let lists = |seen: &Seen| seen.query.contains("list-type=2");
        world.s3.faults.when(9, lists, Fault::s3_error(403, "AccessDenied", "Access Denied"));
        let output = remote(&world, &folder, &[]).output()?;
        assert_eq!(output.status.code(), Some(4));
        assert!(text(&output.stderr).contains("s3:ListBucket"), "{output:?}");
        assert_eq!(json_of(&output)?["complete"], false);
        world.s3.faults.clear();
        // This failure of one object is transient: the exit code reports it, and the next run tries the object again.
        let puts = |seen: &Seen| seen.method == "PUT";
        world.s3.faults.when(9, puts, Fault::s3_error(403, "AccessDenied", "Access Denied"));
        let output = remote(&world, &folder, &[]).output()?;
        assert_eq!(output.status.code(), Some(4));
        assert_eq!(json_of(&output)?["failures"][0]["permanent"], false);
        world.s3.faults.clear();
        let told = json_of(&remote(&world, &folder, &[]).output()?)?;
        assert_eq!(told["counts"], json!({"processed": 1}));
        // A file that is not a journal stays unchanged.
        fs::write(folder.path().join("journal"), "my notes\n")?;
        let output = remote(&world, &folder, &[]).output()?;
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(fs::read_to_string(folder.path().join("journal"))?, "my notes\n");
        let output = remote(&world, &folder, &["--store", "x"]).output()?;
        assert_eq!(output.status.code(), Some(2));
        Ok(())
    })
}

/// The command without root's capabilities, so that file permissions apply.
fn as_anybody(command: &Command) -> Command {
    let mut bounded = Command::new("setpriv");
    bounded
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(command.get_program())
        .args(command.get_args());
    bounded.env_clear().stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        bounded.env(name, value.unwrap_or_default());
    }
    bounded
}

/// A file or folder that cannot be read is one failure. All other videos are processed.
#[cfg(unix)]
#[test]
fn what_cannot_be_listed_is_told_and_the_rest_is_done() -> Outcome {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = folder(&["1_a.mp4"])?;
    let videos = folder.path().join("videos");
    fs::create_dir(videos.join("lost+found"))?;
    fs::set_permissions(videos.join("lost+found"), fs::Permissions::from_mode(0o000))?;
    symlink("2_loop.mp4", videos.join("2_loop.mp4"))?;
    symlink(".", videos.join("above"))?;
    symlink("nowhere", videos.join("3_dangling.mp4"))?;
    fs::write(videos.join(OsStr::from_bytes(b"4_\xff.mp4")), film()?)?;
    fs::write(videos.join(OsStr::from_bytes(b"\xff.txt")), b"no video")?;
    let output = as_anybody(&local(&folder, &[])).output()?;
    let told = json_of(&output)?;
    assert_eq!(
        (&told["complete"], &told["counts"]),
        (&json!(true), &json!({"failed": 3, "processed": 1})),
        "{told}"
    );
    // The first transient failure sets the exit code.
    assert_eq!(output.status.code(), Some(9), "{told}");
    let failures = told["failures"].as_array().ok_or("no failures")?;
    let failed: Vec<_> =
        failures.iter().map(|failed| (failed["key"].as_str(), failed["kind"].as_str())).collect();
    let expected = [
        (Some("videos/2_loop.mp4"), Some("unavailable")),
        (Some("videos/4_\u{fffd}.mp4"), Some("malformed")),
        (Some("videos/lost+found/"), Some("denied")),
    ];
    assert_eq!(failed, expected, "{told}");
    // An audit reports the same failures, and has the same exit code.
    let mut audit = Command::new(PROGRAM);
    audit.env_clear().arg("audit").arg(folder.path()).arg("--json");
    let output = as_anybody(&audit).output()?;
    let told = json_of(&output)?;
    assert_eq!(
        (output.status.code(), &told["counts"], &told["in_order"]),
        (Some(9), &json!({"unreadable": 3}), &json!(1)),
        "{told}"
    );
    // Excluded files are not failures. Without other failures, the exit code is 0.
    fs::remove_file(videos.join("2_loop.mp4"))?;
    let output = as_anybody(&local(&folder, &["--again", "--exclude", "*lost+found*", "--exclude", "*4_*"]))
        .output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    fs::set_permissions(videos.join("lost+found"), fs::Permissions::from_mode(0o700))?;
    Ok(())
}

/// Each key in the list is processed, or reported with the reason why it is not.
#[test]
fn keys_that_are_named_are_never_dropped_in_silence() -> Outcome {
    let names = ["1_a.mp4", "2_b.mp4", "3_c.mp4", "4_d\ne.mp4"];
    let folder = folder(&names)?;
    let list = folder.path().join("keys");
    let lines = b"\xef\xbb\xbfvideos/1_a.mp4\r\n  videos/2_b.mp4\t\r\n\r\n \n\"videos/3_c.mp4\"\n\"videos/4_d\\ne.mp4\"\n\
        Videos/5_e.mp4\nvideos/6_\xff.mp4\nvideos/7_f.mov";
    fs::write(&list, lines)?;
    let output = local(&folder, &["--keys-from", &list.display().to_string()]).output()?;
    let told = json_of(&output)?;
    assert_eq!(told["counts"], json!({"processed": 4, "skipped": 2, "failed": 1}), "{told}");
    assert_eq!(
        (&told["skipped"][0]["key"], &told["skipped"][1]["key"]),
        (&json!("Videos/5_e.mp4"), &json!("videos/7_f.mov"))
    );
    assert!(told["skipped"][1]["reason"].as_str().is_some_and(|reason| reason.contains(".mp4")), "{told}");
    assert_eq!(told["failures"][0]["key"], "videos/6_\u{fffd}.mp4");
    assert_eq!(output.status.code(), Some(6));
    // `backfill` reads the list that `audit` writes, whatever characters the keys contain.
    fs::remove_dir_all(folder.path().join("thumbnails"))?;
    let mut audit = Command::new(PROGRAM);
    audit.env_clear().arg("audit").arg(folder.path()).arg("--keys").arg(&list).arg("--exit-code");
    assert_eq!(audit.status()?.code(), Some(10));
    let told = json_of(&local(&folder, &["--again", "--keys-from", &list.display().to_string()]).output()?)?;
    assert_eq!(told["counts"], json!({"processed": 4}), "{told}");
    assert_eq!(audit.status()?.code(), Some(0));
    Ok(())
}

fn everything_in(folder: &Path) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        found.push(format!("{} {} {:?}", path.display(), metadata.len(), metadata.modified()?));
        if metadata.is_dir() {
            found.extend(everything_in(&path)?);
        }
    }
    found.sort();
    Ok(found)
}

/// An audit and a dry run write nothing, and need no permission to write.
#[cfg(unix)]
#[test]
fn audits_and_dry_runs_write_nothing() -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder(&["1_a.mp4", "2_b.mp4"])?;
    let looks = || -> Outcome<(Value, Value)> {
        let mut audit = Command::new(PROGRAM);
        audit.env_clear().arg("audit").arg(folder.path()).arg("--json");
        let dry = local(&folder, &["--dry-run"]);
        Ok((json_of(&as_anybody(&audit).output()?)?, json_of(&as_anybody(&dry).output()?)?))
    };
    for done in [false, true] {
        if done {
            json_of(&local(&folder, &["--include", "*1_a*"]).output()?)?;
        }
        for mode in [0o755, 0o555] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode))?;
            let before = everything_in(folder.path())?;
            let (audit, dry) = looks()?;
            assert_eq!(everything_in(folder.path())?, before, "{done} {mode:o}");
            assert_eq!(audit["counts"]["no_row"], if done { 1 } else { 2 }, "{audit}");
            assert_eq!(dry["counts"]["wanted"], if done { 1 } else { 2 }, "{dry}");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A catalogue that cannot be read is not a fault of the videos.
#[test]
fn a_damaged_catalogue_is_a_passing_failure() -> Outcome {
    let folder = folder(&["1_a.mp4", "2_b.mp4"])?;
    json_of(&local(&folder, &[]).output()?)?;
    let catalogue = folder.path().join("catalog.sqlite3");
    let mut bytes = fs::read(&catalogue)?;
    // All pages except the first, which contains the schema.
    bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xaa);
    fs::write(&catalogue, &bytes)?;
    let output = local(&folder, &["--again"]).output()?;
    let told = json_of(&output)?;
    assert_eq!((output.status.code(), &told["counts"]["failed"]), (Some(2), &json!(2)), "{told}");
    assert!(told["failures"][0]["permanent"] == false && told["failures"][0]["kind"] == "config", "{told}");
    // A catalogue that cannot be opened stops the run.
    fs::write(&catalogue, "this is no catalogue at all".repeat(500))?;
    let output = local(&folder, &["--again"]).output()?;
    assert_eq!((output.status.code(), &json_of(&output)?["failures"]), (Some(6), &Value::Null), "{output:?}");
    Ok(())
}

/// SIGTERM, which `kill`, systemd and Kubernetes send, ends a run as Ctrl-C does. The next run removes the temporary files of a killed run.
#[cfg(unix)]
#[test]
fn it_ends_in_order_when_it_is_terminated() -> Outcome {
    let folder = folder(&["1_a.mp4", "2_b.mp4", "3_c.mp4", "4_d.mp4", "5_e.mp4"])?;
    let left = folder.path().join("thumbnails/.posterframe-AbCdEf.tmp");
    fs::create_dir(folder.path().join("thumbnails"))?;
    fs::write(&left, b"half a picture")?;
    let mut command = local(&folder, &["--rate", "2", "--jobs", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let journal = folder.path().join("journal");
    while fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < 2 {
        pause(Duration::from_millis(20));
    }
    Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status()?;
    let output = child.wait_with_output()?;
    assert_eq!(
        (output.status.code(), &json_of(&output)?["complete"]),
        (Some(130), &json!(false)),
        "{output:?}"
    );
    assert!(text(&output.stderr).contains("the same command resumes"), "{output:?}");
    assert!(!left.exists());
    assert_eq!(json_of(&local(&folder, &[]).output()?)?["counts"], json!({"processed": 5}));
    Ok(())
}

/// A video without an id in its name takes a new id, which must not be one that the name of another video contains.
#[test]
fn videos_without_an_id_come_last() -> Outcome {
    // In key order, a video without an id comes before the one with the next free id.
    let names = ["sub/3_i.mp4", "1_a.mp4", "2_b.mp4", "a_meeting.mp4", "trip.mp4", "sub/another.mp4"];
    for jobs in ["1", "8"] {
        let folder = folder(&names)?;
        let told = json_of(&local(&folder, &["--jobs", jobs]).output()?)?;
        assert_eq!(told["counts"], json!({"processed": 6}), "{told}");
        let url = format!("sqlite://{}", folder.path().join("catalog.sqlite3").display());
        let rows: Vec<(i64, String, String)> = run(async {
            use sqlx::Connection as _;
            let mut connection = sqlx::SqliteConnection::connect(&url).await?;
            let select = "SELECT c.id, c.title, v.video_url FROM video_assets v JOIN contents c ON c.id = v.content_id ORDER BY c.id";
            Ok(sqlx::query_as(select).fetch_all(&mut connection).await?)
        })?;
        let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6], "{rows:?}");
        for (row, name) in rows.iter().zip(["1_a.mp4", "2_b.mp4", "sub/3_i.mp4"]) {
            assert!(row.2.ends_with(name), "{rows:?}");
        }
    }
    Ok(())
}

/// A Requester Pays bucket refuses each request of another account that does not state who pays; a bucket of another account than the
/// expected one refuses each request.
#[test]
fn every_request_states_who_pays_and_who_owns_the_bucket() -> Outcome {
    const OWNER: &str = "123456789012";
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let is_refused = |seen: &Seen| {
            seen.header("x-amz-request-payer") != Some("requester")
                || seen.header("x-amz-expected-bucket-owner") != Some(OWNER)
        };
        world.s3.faults.when(u64::MAX, is_refused, Fault::s3_error(403, "AccessDenied", "Access Denied"));
        let with = |payer: &str, owner: &str| -> Outcome<Output> {
            let mut command = remote(&world, &folder, &["--again"]);
            command.env("S3_REQUEST_PAYER", payer).env("S3_EXPECTED_BUCKET_OWNER", owner);
            Ok(command.output()?)
        };
        for (payer, owner) in [("", OWNER), ("requester", ""), ("requester", "210987654321")] {
            let output = with(payer, owner)?;
            assert_eq!(output.status.code(), Some(4), "{payer}, {owner}: {output:?}");
            assert!(text(&output.stderr).contains("AccessDenied"), "{output:?}");
        }
        let before = world.s3.faults.seen().len();
        let output = with("requester", OWNER)?;
        assert_eq!(json_of(&output)?["counts"], json!({"processed": 1}), "{output:?}");
        let seen = world.s3.faults.seen().split_off(before);
        let methods: std::collections::BTreeSet<_> =
            seen.iter().map(|seen| seen.method.to_string()).collect();
        assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["GET", "HEAD", "PUT"]);
        let signed = "x-amz-expected-bucket-owner;x-amz-request-payer";
        let signature = |seen: &Seen| {
            seen.header("authorization")
                .is_some_and(|header| signed.split(';').all(|name| header.contains(name)))
        };
        assert!(seen.iter().all(|seen| signature(seen) && !is_refused(seen)), "{seen:?}");

        let output = with("owner", "")?;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = "S3_REQUEST_PAYER is \"owner\": it must be requester, or empty";
        assert!(text(&output.stderr).contains(told), "{output:?}");
        Ok(())
    })
}

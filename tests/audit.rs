//! Tests `posterframe audit`, in a folder with SQLite and in S3 with MySQL: every kind of finding,
//! and that a back-fill repairs the repairable findings.

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
use std::process::{Command, Output, Stdio};

use programs::Outcome;
use programs::moto::Moto;
use serde_json::{Value, json};
use servers::s3_server::BUCKET;
use servers::{Fault, Seen};
use tempfile::TempDir;
use world::{World, film, other_film, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_posterframe");

fn json_of(output: &Output) -> Outcome<Value> {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {told}").into())
}

/// `[key, kind]` of all findings.
fn findings(audit: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = audit["findings"].as_array().into_iter().flatten();
    findings.map(|finding| (text(&finding["key"]), text(&finding["kind"]))).collect()
}

fn found(key: &str, kind: &str) -> (String, String) {
    (format!("videos/{key}.mp4"), kind.to_owned())
}

fn remote(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    let (command_name, rest) = arguments.split_first().unwrap_or((&"audit", &[]));
    let prefix = format!("s3://{BUCKET}");
    command.env_clear().envs(world.settings()).args([command_name, prefix.as_str()]).args(rest);
    command.stdin(Stdio::null());
    command
}

/// Removes the thumbnail's metadata, as if another program had written the object. The server stores metadata in separate files, whose
/// names end with the key in base64url. The name below is that of `thumbnails/6_a.jpg`.
fn forget_metadata(world: &World) -> Outcome {
    let name = "dGh1bWJuYWlscy82X2EuanBn";
    let mut forgotten = 0;
    for entry in fs::read_dir(world.s3.folder())? {
        let path = entry?.path();
        let shown = path.display().to_string();
        if shown.contains(name) && shown.ends_with("metadata.json") {
            fs::remove_file(path)?;
            forgotten += 1;
        }
    }
    if forgotten == 1 { Ok(()) } else { Err(format!("{forgotten} files of metadata").into()) }
}

#[test]
fn all_that_may_be_found_in_s3_and_mysql() -> Outcome {
    run(async {
        let (world, folder) = (World::new().await?, tempfile::tempdir()?);
        let journal = folder.path().join("journal").display().to_string();
        for number in 1..=9 {
            world.s3.put(&format!("videos/{number}_a.mp4"), &film()?)?;
        }
        world.s3.put("videos/notes.txt", b"no video")?;
        let done = remote(&world, &["backfill", "--json", "--journal", &journal]).output()?;
        assert_eq!(json_of(&done)?["counts"]["processed"], 9);
        let audit = json_of(&remote(&world, &["audit", "--json"]).output()?)?;
        assert_eq!(
            (&audit["videos"], &audit["other_files"], &audit["in_order"], &audit["counts"]),
            (&json!(9), &json!(1), &json!(9), &json!({}))
        );

        // Each video but one gets a different fault.
        fs::remove_file(world.thumbnail("thumbnails/1_a.jpg"))?;
        let url = |number: u32| format!("'s3://{BUCKET}/videos/{number}_a.mp4'");
        let statements = format!(
            "DELETE FROM video_assets WHERE video_url = {};
             UPDATE video_assets SET duration = 99 WHERE video_url = {};
             UPDATE video_assets SET content_id = 9 WHERE video_url = {};
             INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration)
             SELECT content_id, video_url, thumbnail_url, duration FROM video_assets WHERE video_url = {}",
            url(2),
            url(3),
            url(4),
            url(5)
        );
        world.database.rows(&statements).await?;
        forget_metadata(&world)?;
        world.s3.put("videos/7_a.mp4", &other_film()?)?;
        fs::remove_file(world.s3.folder().join(BUCKET).join("videos/8_a.mp4"))?;
        world.s3.put("videos/9999999999_x.mp4", &film()?)?;
        let seen = world.s3.faults.seen().len();
        let audit = json_of(&remote(&world, &["audit", "--json"]).output()?)?;
        let expected = [
            found("1_a", "no_thumbnail"),
            found("2_a", "no_row"),
            found("3_a", "outdated_row"),
            found("4_a", "other_content"),
            found("5_a", "duplicate_rows"),
            found("6_a", "foreign_thumbnail"),
            found("7_a", "outdated_thumbnail"),
            found("8_a", "row_without_object"),
            found("9999999999_x", "unusable_name"),
        ];
        assert_eq!(findings(&audit), expected, "{audit}");
        assert_eq!((&audit["videos"], &audit["rows"], &audit["in_order"]), (&json!(9), &json!(9), &json!(1)));
        // The audit wrote nothing, and read no video.
        assert!(
            world.s3.faults.seen()[seen..]
                .iter()
                .all(|seen| seen.method == "HEAD" || seen.query.contains("list-type"))
        );
        let other = remote(&world, &["audit", "--json"]).env("THUMBNAIL_WIDTH", "64").output()?;
        assert!(findings(&json_of(&other)?).contains(&found("5_a", "other_settings")));

        // The output for people, and the list of keys for a back-fill.
        let output = remote(&world, &["audit", "--only", "no-row", "--only", "duplicate-rows"]).output()?;
        let told = String::from_utf8(output.stdout)?;
        assert!(
            told.contains("no_row               videos/2_a.mp4") && !told.contains("no_thumbnail"),
            "{told}"
        );
        let keys = folder.path().join("keys").display().to_string();
        remote(&world, &["audit", "--keys", &keys]).output()?;
        let wanted = fs::read_to_string(&keys)?;
        let mendable: Vec<_> =
            [1, 2, 3, 4, 6, 7].iter().map(|number| format!("videos/{number}_a.mp4")).collect();
        assert_eq!(wanted.lines().collect::<Vec<_>>(), mendable);
        let again =
            remote(&world, &["backfill", "--json", "--journal", &journal, "--keys-from", &keys]).output()?;
        assert_eq!(json_of(&again)?["counts"], json!({"processed": 6}));
        let audit = json_of(&remote(&world, &["audit", "--json"]).output()?)?;
        let rest = [
            found("5_a", "duplicate_rows"),
            found("8_a", "row_without_object"),
            found("9999999999_x", "unusable_name"),
        ];
        assert_eq!(findings(&audit), rest, "{audit}");
        Ok(())
    })
}

#[test]
fn a_folder_is_looked_over() -> Outcome {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("videos"))?;
    for name in ["1_a", "2_b"] {
        fs::write(folder.path().join(format!("videos/{name}.mp4")), film()?)?;
    }
    let run = |arguments: &[&str]| Command::new(PROGRAM).env_clear().args(arguments).output();
    let (root, journal) =
        (folder.path().display().to_string(), folder.path().join("journal").display().to_string());
    let audit = json_of(&run(&["audit", &root, "--json"])?)?;
    assert_eq!(audit["counts"], json!({"no_row": 2, "no_thumbnail": 2}), "{audit}");
    json_of(&run(&["backfill", &root, "--json", "--journal", &journal])?)?;
    fs::remove_file(folder.path().join("videos/2_b.mp4"))?;
    let audit = json_of(&run(&["audit", &root, "--json"])?)?;
    assert_eq!(findings(&audit), [found("2_b", "row_without_object")]);
    assert_eq!(run(&["audit", "/nowhere/films"])?.status.code(), Some(3));
    assert_eq!(run(&["audit", &root, "--only", "nonsense"])?.status.code(), Some(2));
    Ok(())
}

/// Files below VIDEO_PREFIX without a video suffix are counted, and the suffixes of videos are named. The catalogue is announced once.
#[test]
fn files_without_a_video_suffix_are_counted() -> Outcome {
    let folder = TempDir::new()?;
    fs::create_dir_all(folder.path().join("videos/sub"))?;
    for name in
        ["videos/1_a.mp4", "videos/2_b.MOV", "videos/sub/3_c.mkv", "videos/sub/notes.txt", "other.mov"]
    {
        fs::write(folder.path().join(name), b"x")?;
    }
    let root = folder.path().display().to_string();
    let run = |suffixes: &str, arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("VIDEO_SUFFIXES", suffixes).args(["audit", &root]).args(arguments).output()
    };
    for (suffixes, videos, others) in [(".mp4", 1, 3), (".mp4,.mov", 2, 2), (".mp4,.mov,.mkv,.txt", 4, 0)] {
        let audit = json_of(&run(suffixes, &["--json"])?)?;
        assert_eq!((&audit["videos"], &audit["other_files"]), (&json!(videos), &json!(others)), "{audit}");
        assert_eq!(audit["video_suffixes"], json!(suffixes.split(',').collect::<Vec<_>>()));
        for quiet in [&[][..], &["--quiet"]] {
            let output = run(suffixes, quiet)?;
            let (told, notes) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
            let row = format!(
                "{others}, with other suffixes than {} (VIDEO_SUFFIXES)",
                suffixes.replace(',', ", ")
            );
            assert_eq!(told.contains(&row), others > 0, "{told}");
            // A terminal shows both outputs.
            assert_eq!(format!("{told}{notes}").matches("catalogue ").count(), 1, "{told}{notes}");
            assert!(told.starts_with("file://") && notes.is_empty(), "{told}{notes}");
        }
    }
    // Standard output is for JSON or keys. A note announces the catalogue.
    for arguments in [["--json", "--jobs=1"], ["--keys", "-"]] {
        let notes = String::from_utf8(run(".mp4", &arguments)?.stderr)?;
        assert!(notes.starts_with("Videos file://") && notes.matches("catalogue ").count() == 1, "{notes}");
    }
    // Without a video, a note reports where videos are expected.
    let output = run(".avi", &[])?;
    let notes = String::from_utf8(output.stderr)?;
    assert!(notes.contains("VIDEO_PREFIX \"videos/\"") && notes.contains("end with .avi"), "{notes}");
    Ok(())
}

#[test]
fn what_stops_it_is_told() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let lists = |seen: &Seen| seen.query.contains("list-type=2");
        world.s3.faults.when(9, lists, Fault::s3_error(403, "AccessDenied", "Access Denied"));
        let output = remote(&world, &["audit", "--json"]).output()?;
        assert_eq!((output.status.code(), &json_of(&output)?["error"]["kind"]), (Some(4), &json!("denied")));
        world.s3.faults.clear();
        // An object that S3 refuses to describe is a finding. The audit continues with the others.
        for number in 2..=3 {
            world.s3.put(&format!("videos/{number}_a.mp4"), &film()?)?;
        }
        let one = |seen: &Seen| seen.path.ends_with("thumbnails/2_a.jpg");
        world.s3.faults.when(9, one, Fault::s3_error(400, "ExpiredToken", "The provided token has expired."));
        let output = remote(&world, &["audit", "--json"]).output()?;
        let audit = json_of(&output)?;
        assert_eq!(output.status.code(), Some(4), "{audit}");
        assert_eq!(audit["counts"], json!({"no_row": 2, "no_thumbnail": 2, "unreadable": 1}), "{audit}");
        let unreadable =
            audit["findings"].as_array().and_then(|all| all.iter().find(|one| one["kind"] == "unreadable"));
        let unreadable = unreadable.ok_or("nothing is unreadable")?;
        assert_eq!(unreadable["key"], "videos/2_a.mp4");
        assert!(
            unreadable["message"].as_str().is_some_and(|message| message.contains("ExpiredToken")),
            "{audit}"
        );
        world.s3.faults.clear();
        world.database.rows("REVOKE SELECT ON ott_db.* FROM films").await?;
        let output = remote(&world, &["audit"]).output()?;
        assert_eq!(output.status.code(), Some(4));
        assert!(String::from_utf8(output.stderr)?.contains("SELECT"));
        Ok(())
    })
}

/// The collation of the rows orders or equates some of these keys differently from their bytes. Other rows are under no listed prefix. The
/// audit matches rows and objects by bytes.
#[test]
fn rows_are_matched_by_bytes_whatever_the_collation() -> Outcome {
    run(async {
        let world = World::new().await?;
        let keys = [
            "videos/1_B.mp4",
            "videos/1_a.mp4",
            "videos/2_\u{e9}.mp4",
            "videos/2_e.mp4",
            "videos/3_-.mp4",
            "videos/3_a/x.mp4",
            "videos/3_a.mp4",
            "videos/4_\u{d55c}.mp4",
        ];
        for key in keys {
            world.s3.put(key, &film()?)?;
        }
        // A row for each key, and rows for keys that a collation treats as equal.
        let row = |key: &str, id: usize| {
            format!(
                "INSERT INTO contents (id, title) VALUES ({id}, 'x');
                 INSERT INTO video_assets (content_id, video_url, thumbnail_url, duration)
                 VALUES ({id}, 's3://{BUCKET}/{key}', 's3://{BUCKET}/thumbnails/x.jpg', 1);"
            )
        };
        let others = [
            "videos/1_b.mp4",
            "videos/1_A.mp4",
            "videos/2_E.mp4",
            "videos/2_\u{c9}.mp4",
            "Videos/1_a.mp4",
            "elsewhere/1_a.mp4",
        ];
        let statements: String =
            keys.iter().chain(&others).rev().zip(100..).map(|(key, id)| row(key, id)).collect();
        world.database.rows(&statements).await?;
        for index in ["", &programs::database::optional_migration("index")?] {
            if !index.is_empty() {
                world.database.rows(index).await?;
            }
            let audit = json_of(&remote(&world, &["audit", "--json"]).output()?)?;
            assert_eq!((&audit["videos"], &audit["rows"]), (&json!(8), &json!(12)), "{audit}");
            let found = findings(&audit);
            let of_kind = |kind: &str| {
                let found = found.iter().filter(|(_, found)| found == kind);
                found.map(|(key, _)| key.clone()).collect::<Vec<_>>()
            };
            assert_eq!(of_kind("no_row"), [""; 0], "{audit}");
            assert_eq!(
                of_kind("row_without_object"),
                ["videos/1_A.mp4", "videos/1_b.mp4", "videos/2_E.mp4", "videos/2_\u{c9}.mp4"]
            );
            assert!(found.is_sorted_by(|a, b| a.0 <= b.0), "{found:?}");
            assert_eq!(of_kind("no_thumbnail").len(), 8, "{audit}");
        }
        Ok(())
    })
}

/// An audit with a journal resumes after an interruption or a kill, also in a folder of many
/// files. Its result is that of an uninterrupted audit.
#[test]
fn it_continues_where_it_was_interrupted() -> Outcome {
    const VIDEOS: usize = 6000;
    let folder = TempDir::new()?;
    let names = ["a b", "a!", "a/x", "\u{d55c}", "z"];
    for number in 1..=VIDEOS {
        let path = folder.path().join(format!("videos/{}/{number}_v.mp4", names[number % names.len()]));
        fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        fs::write(path, b"x")?;
    }
    for name in names {
        fs::write(folder.path().join(format!("videos/{name}/notes.txt")), b"x")?;
    }
    let (root, journal) = (folder.path().display().to_string(), folder.path().join("audit.jsonl"));
    let audit = |more: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env_clear().args(["audit", &root, "--json", "--jobs", "2"]).args(more).stdin(Stdio::null());
        command
    };
    let whole = json_of(&audit(&[]).output()?)?;
    assert_eq!(whole["counts"], json!({"no_row": VIDEOS, "no_thumbnail": VIDEOS}));
    assert_eq!(whole["other_files"], names.len());
    let kept = ["--journal", &journal.display().to_string()];
    for (signal, code) in [("INT", Some(130)), ("KILL", None), ("TERM", Some(130))] {
        let already = fs::metadata(&journal).map_or(0, |metadata| metadata.len());
        let mut child = audit(&kept).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        while fs::metadata(&journal).map_or(0, |metadata| metadata.len()) <= already.max(200) {
            assert!(child.try_wait()?.is_none(), "it has ended too early");
            programs::pause(std::time::Duration::from_millis(1));
        }
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status()?;
        let output = child.wait_with_output()?;
        assert_eq!(output.status.code(), code, "{output:?}");
        if code.is_some() {
            let told = String::from_utf8(output.stderr)?;
            assert!(told.contains("the same command resumes from"), "{told}");
        } else {
            // The journal ends as if the audit had been killed while writing: a finding without
            // its position, and a part of the next finding.
            let rest = "{\"key\":\"videos/a b/5_v.mp4\",\"kind\":\"no_row\"}\n{\"key\":\"vid";
            fs::OpenOptions::new().append(true).open(&journal)?.write_all(rest.as_bytes())?;
        }
    }
    let output = audit(&kept).output()?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("audited up to videos/"), "{output:?}");
    assert!(json_of(&output)? == whole, "another result after interruptions");
    // The audit is complete, so that the next audit starts from the beginning.
    fs::remove_file(folder.path().join("videos/z/4_v.mp4"))?;
    assert_eq!(json_of(&audit(&kept).output()?)?["videos"], VIDEOS - 1);
    Ok(())
}

/// An interrupted audit says how its next run resumes: without a journal, that it needs one.
#[test]
fn an_interrupted_audit_says_how_to_resume() -> Outcome {
    run(async {
        let world = World::new().await?;
        world.s3.put("videos/1_a.mp4", &film()?)?;
        let folder = TempDir::new()?;
        let temporary = folder.path().join("temporary");
        fs::create_dir(&temporary)?;
        let journal = folder.path().join("audit.jsonl").display().to_string();
        let audit = |more: &[&str]| {
            let mut command = remote(&world, &[&["audit", "--json"], more].concat());
            command.env("TMPDIR", &temporary);
            command
        };
        let lists = |seen: &Seen| seen.query.contains("list-type=2");
        let resumes = format!("interrupted; the same command resumes from {journal}");
        let cases = [
            (&[][..], "interrupted; with --journal FILE, the same command would resume"),
            (&["--journal", &journal], &resumes),
        ];
        for (more, told) in cases {
            let before = world.s3.faults.seen().len();
            world.s3.faults.when(1, lists, Fault::Delay(std::time::Duration::from_secs(20)));
            let mut child = audit(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            while !world.s3.faults.seen().iter().skip(before).any(lists) {
                assert!(child.try_wait()?.is_none(), "it has ended too early");
                programs::pause(std::time::Duration::from_millis(1));
            }
            Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status()?;
            let output = child.wait_with_output()?;
            assert_eq!(output.status.code(), Some(130), "{output:?}");
            let error = &json_of(&output)?["error"];
            assert_eq!((&error["kind"], &error["message"]), (&json!("cancelled"), &json!(told)));
            assert!(String::from_utf8(output.stderr)?.contains(told), "{told}");
            assert_eq!(fs::read_dir(&temporary)?.count(), 0, "it has left a temporary file");
        }
        let whole = json_of(&audit(&["--journal", &journal]).output()?)?;
        assert_eq!(whole["counts"], json!({"no_row": 1, "no_thumbnail": 1}), "{whole}");
        assert!(json_of(&audit(&[]).output()?)? == whole, "another result after an interruption");
        Ok(())
    })
}

/// A journal belongs to one audit: an audit rejects the journal of a back-fill and that of another audit.
#[test]
fn a_journal_is_of_one_audit() -> Outcome {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("videos"))?;
    fs::write(folder.path().join("videos/1_a.mp4"), film()?)?;
    let (root, journal) =
        (folder.path().display().to_string(), folder.path().join("journal").display().to_string());
    let audit = |more: &[&str]| Command::new(PROGRAM).env_clear().args(["audit", &root]).args(more).output();
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    json_of(
        &Command::new(PROGRAM)
            .env_clear()
            .args(["backfill", &root, "--json", "--journal", &journal])
            .output()?,
    )?;
    let before = fs::read(&journal)?;
    let output = audit(&["--journal", &journal])?;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told(&output).contains("is no journal of `posterframe audit`"), "{output:?}");
    assert_eq!(fs::read(&journal)?, before);
    fs::write(&journal, "{\"posterframe_audit\":1,\"about\":\"other films\"}\n")?;
    let output = audit(&["--journal", &journal])?;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(told(&output).contains("is of another audit (other films)"), "{output:?}");
    assert!(audit(&["--journal", &journal, "--again"])?.status.success());
    assert_eq!(audit(&["--again"])?.status.code(), Some(2));
    let nowhere = ["--journal", "/nowhere/journal"];
    assert_eq!(audit(&nowhere)?.status.code(), Some(3));
    Ok(())
}

/// Data that does not fit into memory goes into temporary files. Without a folder for them, the command reports that.
#[test]
fn temporary_files_need_a_folder() -> Outcome {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("videos"))?;
    fs::write(folder.path().join("videos/1_a.mp4"), film()?)?;
    let root = folder.path().display().to_string();
    for command in [&["audit"][..], &["backfill", "--dry-run"]] {
        let run = |temporary: &str| {
            let mut program = Command::new(PROGRAM);
            program.env_clear().args(command).arg(&root).env("TMPDIR", temporary).output()
        };
        let output = run("/nowhere")?;
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let told = String::from_utf8(output.stderr)?;
        assert!(told.contains("error: /nowhere: temporary files (TMPDIR): "), "{told}");
        assert!(run(&root)?.status.success());
    }
    assert_eq!(fs::read_dir(folder.path())?.count(), 1, "something was left behind");
    Ok(())
}

/// With `--choices`, an audit compares the times that people chose. This takes one more
/// request for each video, and another one for its tags.
#[test]
fn other_times_than_people_chose_are_found() -> Outcome {
    run(async {
        let (world, aws, folder) = (World::new().await?, Moto::start().await?, tempfile::tempdir()?);
        let actions = ["s3:GetObject", "s3:PutObject", "s3:GetObjectTagging"];
        let settings = [world.settings(), aws.permit(&actions, &[], &["s3:ListBucket"]).await?].concat();
        let place = format!("s3://{BUCKET}");
        let program = |arguments: &[&str], reads_tags: bool| {
            let mut command = Command::new(PROGRAM);
            command.env_clear().envs(settings.iter().cloned()).current_dir(folder.path());
            command.env("POSTER_AT_TAG", reads_tags.to_string()).stdin(Stdio::null());
            let (name, rest) = arguments.split_first().unwrap_or((&"audit", &[]));
            json_of(&command.args([*name, place.as_str(), "--json"]).args(rest).output()?)
        };
        aws.put_with_choice("videos/1_a.mp4", film()?, "2.5").await?;
        aws.put("videos/2_b.mp4", film()?).await?;
        aws.put("videos/3_c.mp4", film()?).await?;
        assert_eq!(program(&["backfill"], true)?["counts"]["processed"], 3);
        let is_in_order = |audit: &Value, chosen: u64| {
            assert_eq!((&audit["in_order"], &audit["chosen"]), (&json!(3), &json!(chosen)), "{audit}");
            assert_eq!(findings(audit), [], "{audit}");
        };
        is_in_order(&program(&["audit"], true)?, 1);
        is_in_order(&program(&["audit", "--choices"], true)?, 1);

        aws.set_tags("videos/2_b.mp4", &[("poster-at", "1")]).await?;
        aws.set_tags("videos/1_a.mp4", &[("team", "news")]).await?;
        let mut before = aws.requests_for("2_b.mp4").await?.len();
        for (more, reads_tags, requests) in [
            (&[][..], true, &[][..]),
            (&["--choices"], false, &["HEAD "]),
            (&["--choices"], true, &["HEAD ", "GET tagging"]),
        ] {
            let audit = program(&[&["audit"], more].concat(), reads_tags)?;
            if more.is_empty() || !reads_tags {
                is_in_order(&audit, 1);
            } else {
                assert_eq!(findings(&audit), [found("2_b", "other_time")], "{audit}");
                assert_eq!(audit["findings"][0]["message"], "chosen: 1, by tag", "{audit}");
            }
            let seen = aws.requests_for("2_b.mp4").await?;
            assert_eq!(seen[before..], *requests, "{more:?}, {reads_tags}");
            before = seen.len();
        }
        // A back-fill repairs the thumbnail, and changes nothing else.
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .envs(settings.iter().cloned())
            .env("POSTER_AT_TAG", "true")
            .current_dir(folder.path());
        let keys = ["audit", place.as_str(), "--choices", "--only", "other-time", "--keys", "keys"];
        assert!(command.args(keys).status()?.success());
        let repaired = program(&["backfill", "--keys-from", "keys"], true)?;
        assert_eq!(repaired["counts"], json!({"processed": 1}), "{repaired}");
        is_in_order(&program(&["audit", "--choices"], true)?, 2);
        assert_eq!(aws.object("thumbnails/2_b.jpg", "frame-time").await?.1.as_deref(), Some("1"));
        // After the tag is removed, the thumbnail is a finding again.
        aws.set_tags("videos/2_b.mp4", &[]).await?;
        let audit = program(&["audit", "--choices"], true)?;
        assert_eq!(audit["findings"][0]["message"], "chosen: no time any more", "{audit}");
        // With `--choices`, too, a thumbnail made with other settings is an `other_settings` finding.
        let other = json_of(
            &Command::new(PROGRAM)
                .env_clear()
                .envs(settings.iter().cloned())
                .env("THUMBNAIL_AT", "4")
                .args(["audit", place.as_str(), "--choices", "--json"])
                .output()?,
        )?;
        assert_eq!(found("3_c", "other_settings"), findings(&other)[findings(&other).len() - 1], "{other}");
        Ok(())
    })
}

/// `probe` reports the time that the metadata contain, without an additional request.
#[test]
fn a_probe_shows_the_chosen_time() -> Outcome {
    run(async {
        let (world, aws) = (World::new().await?, Moto::start().await?);
        let settings = [world.settings(), aws.settings(&[]).await?].concat();
        aws.put("videos/1_a.mp4", film()?).await?;
        aws.put_with_choice("videos/2_b.mp4", film()?, " 00:00:02.5").await?;
        aws.put_with_choice("videos/3_c.mp4", film()?, "soon").await?;
        let probe = |key: &str, more: &[&str]| {
            let mut command = Command::new(PROGRAM);
            command
                .env_clear()
                .envs(settings.iter().cloned())
                .args(["probe", &format!("s3://{BUCKET}/videos/{key}")]);
            command.args(more).output()
        };
        let plain = json_of(&probe("1_a.mp4", &["--json"])?)?;
        assert!(plain["posterframe"]["poster_at"].is_null(), "{plain}");
        for (key, expected, line) in [
            ("2_b.mp4", json!({"time": "2.5", "by": "metadata"}), "2.5 (metadata)"),
            (
                "3_c.mp4",
                json!({"ignored": "soon", "by": "metadata"}),
                "\"soon\" (metadata): no time, ignored",
            ),
        ] {
            for isolation in [&["--json"][..], &["--json", "--isolate"]] {
                let probed = json_of(&probe(key, isolation)?)?;
                assert_eq!(probed["posterframe"]["poster_at"], expected, "{probed}");
                assert_eq!(
                    probed["posterframe"]["round_trips"], plain["posterframe"]["round_trips"],
                    "{probed}"
                );
            }
            let text = String::from_utf8(probe(key, &[])?.stdout)?;
            assert!(text.lines().any(|shown| shown.contains("poster-at") && shown.ends_with(line)), "{text}");
            let requests = aws.requests_for(key).await?;
            let is_read = |request: &String| request.starts_with("GET ") && !request.contains("tagging");
            assert!(!requests.is_empty() && requests.iter().all(is_read), "{requests:?}");
        }
        Ok(())
    })
}

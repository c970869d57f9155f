//! `posterframe audit`, in a folder with SQLite and in S3 with MySQL: all it may find, and that a back-fill mends what can be mended.

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
use std::process::{Command, Output, Stdio};

use programs::Outcome;
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

/// As if another program had put the object. The server keeps metadata in files of its own, whose names end with the key in
/// base64url; this is how that of `thumbnails/6_a.jpg` ends.
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
            (&audit["videos"], &audit["in_order"], &audit["counts"]),
            (&json!(9), &json!(9), &json!({}))
        );

        // Everything goes wrong once.
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
            found("5_a", "doubles"),
            found("6_a", "foreign_thumbnail"),
            found("7_a", "outdated_thumbnail"),
            found("8_a", "row_without_object"),
            found("9999999999_x", "unusable_name"),
        ];
        assert_eq!(findings(&audit), expected, "{audit}");
        assert_eq!((&audit["videos"], &audit["rows"], &audit["in_order"]), (&json!(9), &json!(9), &json!(1)));
        // Nothing was written, and no video read.
        assert!(
            world.s3.faults.seen()[seen..]
                .iter()
                .all(|seen| seen.method == "HEAD" || seen.query.contains("list-type"))
        );
        let other = remote(&world, &["audit", "--json"]).env("THUMBNAIL_WIDTH", "64").output()?;
        assert!(findings(&json_of(&other)?).contains(&found("5_a", "other_settings")));

        // For people, and for a back-fill.
        let output = remote(&world, &["audit", "--only", "no-row", "--only", "doubles"]).output()?;
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
            found("5_a", "doubles"),
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
        // One object that S3 does not describe is a finding; the others are audited.
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

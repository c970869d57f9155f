//! Runs the real program: its answers, its exit codes, and the files that it leaves behind.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

type TestResult = Result<(), Box<dyn Error>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The program, without settings from the environment.
fn posterframe(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posterframe"));
    command.env_clear().args(arguments);
    command
}

fn text(path: &Path) -> Result<&str, Box<dyn Error>> {
    Ok(path.to_str().ok_or("a path that is not UTF-8")?)
}

fn json(output: &Output) -> Result<Value, Box<dyn Error>> {
    let stdout = std::str::from_utf8(&output.stdout)?;
    serde_json::from_str(stdout)
        .map_err(|error| format!("{error}: {stdout:?} {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn succeed(arguments: &[&str]) -> Result<Value, Box<dyn Error>> {
    let output = posterframe(arguments).output()?;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    json(&output)
}

/// Runs a command that fails, without and with `--json`. Asserts the exit code, the kind, and that the message contains `names`.
fn fails(arguments: &[&str], code: i32, kind: &str, names: &str) -> TestResult {
    fails_with(&[], arguments, code, kind, names)
}

fn fails_with(
    settings: &[(&str, &str)],
    arguments: &[&str],
    code: i32,
    kind: &str,
    names: &str,
) -> TestResult {
    let plain = posterframe(arguments).envs(settings.iter().copied()).output()?;
    let said = String::from_utf8_lossy(&plain.stderr);
    assert_eq!(plain.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(said.contains("error:") && said.contains(names), "{arguments:?}: {said}");

    let output = posterframe(arguments).arg("--json").envs(settings.iter().copied()).output()?;
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    let error = json(&output)?["error"].clone();
    assert_eq!(error["kind"], kind, "{error}");
    let all = format!(
        "{} {}",
        error["subject"].as_str().unwrap_or_default(),
        error["message"].as_str().unwrap_or("")
    );
    assert!(all.contains(names), "{error}");
    Ok(())
}

/// A folder that serves as a bucket, with one video in it.
fn bucket(video: &str, key: &str) -> Result<(TempDir, PathBuf), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("films").join(key);
    fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    fs::copy(fixture(video), &path)?;
    Ok((folder, path))
}

/// The rows of both tables, one line each.
fn rows(catalogue: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    use sqlx::{ConnectOptions as _, Connection as _, Row as _};
    let ask = async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(catalogue).read_only(true);
        let mut connection = options.connect().await?;
        let sql = "SELECT concat_ws('|', id, title, description, age_rating, like_count, created_at, updated_at) \
                   FROM contents UNION ALL \
                   SELECT concat_ws('|', id, content_id, video_url, thumbnail_url, duration, created_at) \
                   FROM video_assets";
        let rows = sqlx::query(sql).fetch_all(&mut connection).await?;
        connection.close().await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()
    };
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(ask)?)
}

type FileState = (PathBuf, std::time::SystemTime, Vec<u8>);

/// Every file below a folder, with its modification time and its bytes.
fn snapshot(folder: &Path) -> Result<Vec<FileState>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(snapshot(&path)?),
            false => files.push((path.clone(), fs::metadata(&path)?.modified()?, fs::read(&path)?)),
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn version_says_which_ffmpeg_is_inside() -> TestResult {
    let output = posterframe(&["--version"]).output()?;
    let said = String::from_utf8(output.stdout)?;
    for part in
        ["posterframe 0.", "\nFFmpeg ", "\nFFmpeg licence: ", "GPL version ", "\nFFmpeg configuration: --"]
    {
        assert!(said.contains(part), "{said}");
    }
    Ok(())
}

#[test]
fn help_shows_examples_and_exit_codes() -> TestResult {
    let said = String::from_utf8(posterframe(&["--help"]).output()?.stdout)?;
    for part in ["Examples:", "Exit codes:", "  6  malformed", "probe", "grab", "process", "schema"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    for command in ["probe", "grab", "process"] {
        let said = String::from_utf8(posterframe(&[command, "--help"]).output()?.stdout)?;
        assert!(said.contains("Examples:"), "{said}");
    }
    Ok(())
}

#[test]
fn schema_prints_the_tables() -> TestResult {
    let output = posterframe(&["schema"]).output()?;
    assert_eq!(String::from_utf8(output.stdout)?, posterframe::catalog::SQLITE_SCHEMA);
    for (arguments, file) in [
        (&["--dialect", "sqlite"][..], "sqlite/0001_contents_and_video_assets.sql"),
        (&["--dialect", "mysql"], "mysql/0001_contents_and_video_assets.sql"),
        (&["--dialect", "mysql", "--optional", "index"], "mysql/optional_index_video_url.sql"),
        (&["--optional", "unique"], "mysql/optional_unique_video_url.sql"),
    ] {
        let output = posterframe(&[&["schema"], arguments].concat()).output()?;
        let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(file);
        assert_eq!(String::from_utf8(output.stdout)?, fs::read_to_string(expected)?, "{arguments:?}");
    }
    let output = posterframe(&["schema", "--dialect", "sqlite", "--optional", "index"]).output()?;
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr)?.contains("--dialect mysql"));
    Ok(())
}

#[test]
fn probe_answers_under_the_names_of_ffprobe() -> TestResult {
    let video = fixture("h264_front.mp4");
    let answer = succeed(&["probe", text(&video)?, "--json"])?;
    let format = &answer["format"];
    assert_eq!(format["filename"], text(&video)?);
    assert_eq!(format["format_name"], "mov,mp4,m4a,3gp,3g2,mj2");
    assert_eq!(format["size"], fs::metadata(&video)?.len().to_string());
    assert_eq!(format["start_time"], "0.000000");
    assert!(format["duration"].as_str().ok_or("no duration")?.parse::<f64>()? > 5.0);
    let streams = answer["streams"].as_array().ok_or("no streams")?;
    assert_eq!(format["nb_streams"], streams.len());
    let stream = &streams[0];
    let expected = [("codec_name", "h264"), ("codec_type", "video"), ("codec_tag_string", "avc1")];
    for (name, value) in expected.into_iter().chain([("codec_tag", "0x31637661"), ("id", "0x1")]) {
        assert_eq!(stream[name], value, "{name}");
    }
    for name in ["r_frame_rate", "avg_frame_rate", "time_base", "duration", "bit_rate", "nb_frames"] {
        assert!(stream[name].is_string(), "{name}: {stream}");
    }
    for name in ["index", "width", "height", "has_b_frames", "start_pts", "duration_ts"] {
        assert!(stream[name].is_number(), "{name}: {stream}");
    }
    assert_eq!(stream["disposition"]["default"], 1);
    let ours = &answer["posterframe"];
    assert!(ours["moov"]["offset"].is_number() && ours["moov"]["bytes"].is_number());
    assert_eq!((&ours["moov"]["faststart"], &ours["fragmented"]), (&true.into(), &false.into()));
    assert_eq!(
        (&ours["rotation"], &ours["mirrored"], &ours["video_stream"]),
        (&0.into(), &false.into(), &0.into())
    );
    assert!(ours["requests"].as_u64() > Some(0) && ours["bytes_fetched"].as_u64() > Some(0));
    assert!(ours["elapsed_ms"].is_number() && ours["hdr"].is_null() && ours["encryption"].is_null());
    Ok(())
}

#[test]
fn probe_answers_for_each_input() -> TestResult {
    let (good, other) = (fixture("h264_front.mp4"), fixture("vp9.webm"));
    let (good, other, absent) = (text(&good)?, text(&other)?, "/not/there.mp4");
    let damaged = fixture("README.md");
    let damaged = text(&damaged)?;
    let inputs = [good, absent, other, damaged, good];
    let lines = posterframe(&["probe", "--json"]).args(inputs).output()?;
    // The exit code of the first failure, which is `not_found`.
    assert_eq!(lines.status.code(), Some(3));
    let stdout = String::from_utf8(lines.stdout)?;
    let answers: Vec<Value> = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |answer: &Value| {
        let subject = answer.pointer("/error/subject").or_else(|| answer.pointer("/format/filename"));
        subject.and_then(Value::as_str).map(str::to_owned)
    };
    assert_eq!(answers.iter().map(of).collect::<Option<Vec<_>>>().ok_or("no name")?, inputs);
    let kinds: Vec<_> = answers.iter().filter_map(|answer| answer["error"]["kind"].as_str()).collect();
    assert_eq!(kinds, ["not_found", "malformed"]);

    let blocks = posterframe(&["probe"]).args(inputs).output()?;
    assert_eq!(blocks.status.code(), Some(3));
    let (stdout, stderr) = (String::from_utf8(blocks.stdout)?, String::from_utf8(blocks.stderr)?);
    let titles: Vec<_> = stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(titles, [good, other, good]);
    let errors: Vec<_> = stderr.lines().collect();
    assert!(errors.len() == 2 && errors[0].contains(absent) && errors[1].contains(damaged), "{stderr}");
    Ok(())
}

#[test]
fn probe_of_several_inputs_succeeds_if_all_do_and_refuses_what_one_alone_can_have() -> TestResult {
    let file = fixture("h264_front.mp4");
    let file = text(&file)?;
    let output = posterframe(&["probe", "--json", "--isolate", file, file]).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout)?.lines().count(), 2);
    for (arguments, names) in [
        (vec!["-", "-"], "standard input"),
        (vec!["s3://b/a.mp4", "s3://b/b.mp4", "--version-id", "1"], "--version-id"),
    ] {
        let arguments: Vec<_> = ["probe"].into_iter().chain(arguments).collect();
        let output = posterframe(&arguments).arg("--json").output()?;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = json(&output)?["error"]["message"].as_str().ok_or("no message")?.to_owned();
        assert!(message.contains(names), "{message}");
    }
    Ok(())
}

#[test]
fn probe_reports_chapters_pace_and_the_default_time() -> TestResult {
    for name in ["chapters.mp4", "chapters.mkv"] {
        let file = fixture(name);
        let answer = succeed(&["probe", "--json", text(&file)?])?;
        let chapters = answer["chapters"].as_array().ok_or("no chapters")?;
        let titles: Vec<_> = chapters.iter().map(|chapter| chapter["tags"]["title"].as_str()).collect();
        assert_eq!(titles[..2], [Some("Beginning"), Some("Middle: a = b")], "{name}");
        let times: Vec<_> =
            chapters.iter().map(|chapter| (&chapter["start_time"], &chapter["end_time"])).collect();
        let expected = [("0.000000", "2.000000"), ("2.000000", "4.500000"), ("4.500000", "7.000000")];
        assert!(
            times
                .iter()
                .zip(expected)
                .all(|(time, expected)| *time == (&expected.0.into(), &expected.1.into())),
            "{times:?}"
        );
        let blocks = posterframe(&["probe", text(&file)?]).output()?;
        let shown = String::from_utf8(blocks.stdout)?;
        assert!(shown.contains("chapter     0:02.000 to 0:04.500, Middle: a = b\n"), "{shown}");
        assert!(shown.contains("chapter     0:04.500 to 0:07.000\n"), "{shown}");
    }
    let ours = |name: &str, options: &[&str]| -> Result<Value, Box<dyn Error>> {
        let file = fixture(name);
        Ok(succeed(&[&["probe", "--json", text(&file)?], options].concat())?["posterframe"].clone())
    };
    let front = ours("h264_front.mp4", &[])?;
    assert_eq!((&front["frame_rate_mode"], &front["has_default_time"]), (&"constant".into(), &true.into()));
    assert_eq!(
        front["keyframes"],
        serde_json::json!({"count": 3, "average_seconds": 3.0, "longest_seconds": 3.0})
    );
    assert_eq!(ours("vfr.mp4", &[])?["frame_rate_mode"], "variable");
    assert_eq!(ours("vp9.webm", &[])?["frame_rate_mode"], Value::Null);
    assert_eq!(ours("vp9.webm", &["--deep"])?["frame_rate_mode"], "constant");
    assert_eq!(ours("vp9.webm", &["--deep", "--isolate"])?["frame_rate_mode"], "constant");
    assert_eq!(ours("short_3s.mp4", &[])?["has_default_time"], false);
    let file = fixture("short_3s.mp4");
    let shown = String::from_utf8(posterframe(&["probe", text(&file)?]).output()?.stdout)?;
    assert!(shown.contains("no frame at 0:05.000"), "{shown}");
    Ok(())
}

#[test]
fn probe_says_what_ffprobe_does_not() -> TestResult {
    let end = succeed(&["probe", text(&fixture("h264_end.mp4"))?, "--json"])?;
    assert_eq!(end["posterframe"]["moov"]["faststart"], false);
    let fragmented = succeed(&["probe", text(&fixture("h264_frag_noindex.mp4"))?, "--json"])?;
    assert_eq!(fragmented["posterframe"]["fragmented"], true);
    assert_eq!(succeed(&["probe", text(&fixture("hdr10.mp4"))?, "--json"])?["posterframe"]["hdr"], "pq");
    assert_eq!(succeed(&["probe", text(&fixture("hlg.mp4"))?, "--json"])?["posterframe"]["hdr"], "hlg");
    let encrypted = succeed(&["probe", text(&fixture("x_cbcs.mp4"))?, "--json"])?;
    assert_eq!(encrypted["posterframe"]["encryption"], "cbcs");
    let webm = succeed(&["probe", text(&fixture("vp9.webm"))?, "--json"])?;
    assert!(webm["posterframe"]["moov"].is_null());
    let audio = succeed(&["probe", text(&fixture("audio_only.m4a"))?, "--json"])?;
    assert!(audio["posterframe"]["video_stream"].is_null());
    assert_eq!(audio["streams"][0]["codec_type"], "audio");
    Ok(())
}

#[test]
fn people_get_text_without_colours_where_there_is_no_terminal() -> TestResult {
    for command in [vec!["probe"], vec!["grab", "-o", "/dev/null", "--format", "jpeg"]] {
        let output = posterframe(&command).arg(fixture("h264_front.mp4")).output()?;
        let said = String::from_utf8(output.stdout)?;
        assert!(output.status.success() && said.contains("  read  "), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    assert!(!fs::metadata("/dev/null")?.is_file(), "a device stays one");
    Ok(())
}

#[test]
fn grab_writes_the_picture_its_ending_asks_for() -> TestResult {
    let folder = tempfile::tempdir()?;
    let video = fixture("h264_front.mp4");
    for (name, format, magic) in
        [("a.jpg", "jpeg", &b"\xff\xd8\xff"[..]), ("a.PNG", "png", b"\x89PNG"), ("a.webp", "webp", b"RIFF")]
    {
        let out = folder.path().join(name);
        let grabbed = succeed(&["grab", text(&video)?, "-o", text(&out)?, "--json"])?;
        let bytes = fs::read(&out)?;
        assert!(bytes.starts_with(magic), "{name}");
        assert_eq!((&grabbed["format"], &grabbed["bytes"]), (&format.into(), &bytes.len().into()));
        assert_eq!(grabbed["frame_reason"], "at_target");
        assert_eq!(grabbed["frame_pts_seconds"], 5.0);
        for field in ["duration_seconds", "width", "height", "bytes_fetched", "requests", "elapsed_ms"] {
            assert!(grabbed[field].is_number(), "{field}: {grabbed}");
        }
    }
    assert_eq!(fs::read_dir(folder.path())?.count(), 3, "nothing else is left there");
    Ok(())
}

#[test]
fn grab_takes_the_frame_and_size_asked_for() -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("a.jpg");
    let (video, out) = (fixture("h264_front.mp4"), text(&out)?);
    let grabbed = succeed(&["grab", text(&video)?, "-o", out, "--at", "2", "--width", "80", "--json"])?;
    assert_eq!((&grabbed["frame_pts_seconds"], &grabbed["width"]), (&2.0.into(), &80.into()));
    assert_eq!(image::image_dimensions(out)?.0, 80);
    let short = succeed(&["grab", text(&fixture("short_3s.mp4"))?, "-o", out, "--json"])?;
    assert_eq!(short["frame_reason"], "half_duration");
    Ok(())
}

/// The film lasts seven seconds, with keyframes at 0, 3 and 6.
#[test]
fn grab_takes_times_in_all_forms() -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("a.jpg");
    let (video, out) = (fixture("h264_end.mp4"), text(&out)?);
    let grab = |options: &[&str]| -> Result<(Value, Value), Box<dyn Error>> {
        let grabbed = succeed(&[&["grab", text(&video)?, "-o", out, "--json"], options].concat())?;
        Ok((grabbed["frame_pts_seconds"].clone(), grabbed["frame_reason"].clone()))
    };
    for (time, seconds) in [
        ("2", 2.0),
        ("2s", 2.0),
        ("0:02", 2.0),
        ("00:00:02.000", 2.0),
        ("2000ms", 2.0),
        ("-5", 2.0),
        ("-0:05", 2.0),
        ("middle", 3.5),
        ("50%", 3.5),
    ] {
        let at = ["--at", time, "--timeout", "1m"];
        assert_eq!(grab(&at)?, (seconds.into(), "at_target".into()), "{time}");
    }
    assert_eq!(grab(&["--at", "5", "--pick", "keyframe"])?, (3.0.into(), "keyframe".into()));
    assert_eq!(grab(&["--at", "1:00"])?, (3.5.into(), "half_duration".into()));
    Ok(())
}

#[test]
fn grab_covers_a_box_around_a_focal_point() -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("a.png");
    let (video, out) = (fixture("orient_6.mp4"), text(&out)?);
    let grab = |options: &[&str]| -> Result<image::RgbImage, Box<dyn Error>> {
        let size = ["--width", "32", "--height", "32", "--json"];
        let grabbed = succeed(&[&["grab", text(&video)?, "-o", out], &size[..], options].concat())?;
        let picture = image::open(out)?.into_rgb8();
        assert_eq!(
            (&grabbed["width"], &grabbed["height"]),
            (&picture.width().into(), &picture.height().into())
        );
        Ok(picture)
    };
    assert_eq!(grab(&[])?.dimensions(), (32, 21));
    assert_eq!(grab(&["--fit", "contain"])?.dimensions(), (32, 21));
    assert_eq!(grab(&["--fit", "cover"])?, grab(&["--fit", "cover", "--focus", "0.5,50%"])?);
    // The top corners are red and green.
    for (focus, x, colour) in [("0,0", 2, [255, 0, 0]), ("100%,0", 29, [0, 255, 0])] {
        let picture = grab(&["--fit", "cover", "--focus", focus])?;
        assert_eq!(picture.dimensions(), (32, 32));
        let pixel = picture.get_pixel(x, 2).0;
        assert!(pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 30), "{focus}: {pixel:?}");
    }
    Ok(())
}

#[test]
fn grab_takes_a_cover_picture_as_asked_for() -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("a.jpg");
    let (song, out) = (fixture("cover_only.m4a"), text(&out)?);
    succeed(&["grab", text(&song)?, "-o", out, "--cover", "only", "--json"])?;
    fails(
        &["grab", text(&song)?, "-o", out, "--cover", "ignore"],
        5,
        "unsupported",
        "the file contains no video",
    )?;
    let film = fixture("h264_end.mp4");
    fails(
        &["grab", text(&film)?, "-o", out, "--cover", "only"],
        5,
        "unsupported",
        "the file contains no cover picture",
    )
}

/// Several inputs are written into a folder. Each picture is the same as for its video alone, and has the name of the video.
#[test]
fn grab_takes_several_inputs() -> TestResult {
    let folder = tempfile::tempdir()?;
    let videos = ["h264_front.mp4", "short_3s.mp4"].map(fixture);
    let out = format!("{}/a/b/", folder.path().display());
    let all = ["grab", text(&videos[0])?, text(&videos[1])?, "-o", &out, "--width", "80"];
    let output = posterframe(&[&all[..], &["--json"]].concat()).output()?;
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout)?;
    let told: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(told.len(), 2, "{lines}");
    let single = folder.path().join("single.jpg");
    for (video, told) in videos.iter().zip(&told) {
        let stem = video.file_stem().and_then(std::ffi::OsStr::to_str).ok_or("no name")?;
        let picture = Path::new(&out).join(format!("{stem}.jpg"));
        assert_eq!(told["output"], text(&picture)?);
        let alone = succeed(&["grab", text(video)?, "-o", text(&single)?, "--width", "80", "--json"])?;
        assert_eq!(fs::read(&picture)?, fs::read(&single)?, "{stem}");
        for field in ["format", "bytes", "frame_pts_seconds", "frame_reason", "width", "height"] {
            assert_eq!(told[field], alone[field], "{field}");
        }
    }
    // The output for people, another format, and a folder that exists.
    let output =
        posterframe(&[&all[..3], &["-o", text(folder.path())?, "--format", "png"]].concat()).output()?;
    let told = String::from_utf8(output.stdout)?;
    assert!(told.contains("h264_front.png") && told.contains("short_3s.png"), "{told}");
    assert!(fs::read(folder.path().join("short_3s.png"))?.starts_with(b"\x89PNG"));
    // A pattern of the shell that matches one file.
    let one = folder.path().join("one/");
    succeed(&["grab", text(&videos[1])?, "-o", &format!("{}/", one.display()), "--json"])?;
    assert!(one.join("short_3s.jpg").is_file());
    Ok(())
}

/// After a failure, the other inputs are still processed. The exit code is that of the first failure.
#[cfg(target_os = "linux")]
#[test]
fn grab_of_several_inputs_reports_each_failure() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (good, out) = (fixture("h264_front.mp4"), format!("{}/", folder.path().join("out").display()));
    let pipe = pipe_that_nobody_writes_to(folder.path())?;
    let (missing, broken) = (folder.path().join("missing.mp4"), folder.path().join("broken.mp4"));
    fs::write(&broken, b"no video")?;
    let inputs = [text(&pipe)?, text(&missing)?, text(&good)?, text(&broken)?];
    let arguments = [&["grab"], &inputs[..], &["-o", &out, "--timeout", "2", "--json"]].concat();
    let mut child = posterframe(&arguments);
    let output = end_of(child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)?;
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let lines = String::from_utf8(output.stdout)?;
    let told: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let kinds: Vec<_> = told.iter().map(|told| told["error"]["kind"].as_str().unwrap_or("none")).collect();
    assert_eq!(kinds, ["timeout", "not_found", "none", "malformed"], "{lines}");
    assert_eq!(told[1]["error"]["subject"], text(&missing)?);
    assert_eq!(String::from_utf8(output.stderr)?.matches("error: ").count(), 3);
    assert_eq!(names(&folder.path().join("out"))?, ["h264_front.jpg"]);
    // An interrupt ends the whole command.
    let arguments = ["grab", text(&pipe)?, text(&good)?, "-o", text(folder.path())?];
    let child = posterframe(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let output = interrupted(child)?;
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr)?, format!("error: {}: cancelled\n", text(&pipe)?));
    assert!(!folder.path().join("h264_front.jpg").exists());
    Ok(())
}

/// Invalid outputs are an error before the program reads or writes anything.
#[test]
fn grab_of_several_inputs_names_its_outputs_first() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (one, other) = (fixture("h264_front.mp4"), folder.path().join("h264_front.mov"));
    fs::copy(&one, &other)?;
    let video = folder.path().join("clip.jpg");
    fs::copy(&one, &video)?;
    let (one, other, out) = (text(&one)?, text(&other)?, text(folder.path())?);
    let grab = |arguments: &[&str], names: &str| fails(&[&["grab"], arguments].concat(), 2, "config", names);
    grab(&[one, other, "-o", out], "would receive the pictures of")?;
    let clip = folder.path().join("clip.mp4");
    fs::copy(one, &clip)?;
    grab(&[text(&clip)?, text(&video)?, "-o", out], "and is the input")?;
    grab(&[text(&clip)?, text(&video)?, "-o", out, "--format", "png"], "would receive the pictures of")?;
    grab(&[one, text(&video)?, "-o", &format!("{out}/missing")], "exists or ends with /")?;
    grab(&[one, text(&video)?, "-o", other], "exists or ends with /")?;
    grab(&[one, "-", "-o", out], "has no file name for its picture")?;
    grab(&[one, text(&video)?, "-o", "-", "--format", "png"], "only one picture can go to standard output")?;
    assert_eq!(names(folder.path())?, ["clip.jpg", "clip.mp4", "h264_front.mov"]);
    Ok(())
}

#[test]
fn grab_writes_to_standard_output() -> TestResult {
    let output = posterframe(&["grab", "-o", "-"]).arg(fixture("h264_front.mp4")).output()?;
    assert!(output.status.success());
    assert_eq!(image::load_from_memory(&output.stdout)?.width(), 160);
    let both = posterframe(&["grab", "-o", "-", "--json"]).arg(fixture("h264_front.mp4")).output()?;
    assert_eq!((both.status.code(), json(&both)?["error"]["kind"].as_str()), (Some(2), Some("config")));
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() -> TestResult {
    let mut child = posterframe(&["probe", "--json"])
        .arg(fixture("h264_front.mp4"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().ok_or("no standard error")?.read_to_string(&mut said)?;
    assert_eq!((child.wait()?.code(), said.as_str()), (Some(0), ""));
    Ok(())
}

#[test]
fn usage_and_settings_end_with_2() -> TestResult {
    let video = fixture("h264_front.mp4");
    let video = text(&video)?;
    fails(&["probe"], 2, "config", "INPUT")?;
    fails(&["probe", "ftp://example.org/a.mp4"], 2, "config", "ftp")?;
    fails(&["probe", "s3://bucket"], 2, "config", "s3://bucket/key")?;
    fails(&["grab", video, "-o", "a.gif"], 2, "config", "a.gif")?;
    for time in ["soon", "1:60", "101%", "-", "1e3"] {
        fails(
            &["grab", video, "-o", "a.jpg", "--at", time],
            2,
            "config",
            "a time such as 5, 2.5s, 2m, 1:02.5",
        )?;
    }
    fails(&["grab", video, "-o", "a.jpg", "--pick", "best"], 2, "config", "exact, keyframe, auto")?;
    fails(&["grab", video, "-o", "a.jpg", "--cover", "yes"], 2, "config", "fallback, ignore, prefer, only")?;
    let grab = ["grab", video, "-o", "a.jpg"];
    fails(&[&grab[..], &["--fit", "fill"]].concat(), 2, "config", "contain, cover")?;
    for focus in ["", "0.5", "0.5,1.1", "-0.1,0", "101%,0", "nan,0", "middle"] {
        let cover = ["--fit", "cover", "--focus", focus];
        fails(&[&grab[..], &cover].concat(), 2, "config", "a point such as 0.5,0.25 or 50%,25%")?;
    }
    fails(&[&grab[..], &["--focus", "0,0"]].concat(), 2, "config", "--focus needs --fit cover")?;
    fails(&["probe", video, "--timeout", "long"], 2, "config", "a length of time such as 90")?;
    let folder = env!("CARGO_MANIFEST_DIR");
    fails(&["grab", video, "-o", folder, "--format", "png"], 2, "config", "end the name with /")?;
    fails(&["grab", video, "-o", video, "--format", "png"], 2, "config", "is the video")?;
    fails(&["process", text(&fixture(""))?], 2, "config", "folder")?;
    let settings = [("THUMBNAIL_FIT", "fill"), ("THUMBNAIL_FOCUS", "1,2")];
    for told in ["THUMBNAIL_FIT: \"fill\" is not contain or cover", "THUMBNAIL_FOCUS: \"1,2\" is not a point"]
    {
        fails_with(&settings, &["process", video], 2, "config", told)?;
    }
    let settings = [("THUMBNAIL_AT", "soon"), ("THUMBNAIL_KEY", "{nmae}")];
    for name in ["THUMBNAIL_AT", "THUMBNAIL_KEY", "unknown placeholder {nmae}"] {
        fails_with(&settings, &["process", video], 2, "config", name)?;
    }
    fails_with(&[("LOG_FORMAT", "xml")], &["probe", video], 2, "config", "LOG_FORMAT")
}

#[test]
fn what_is_missing_ends_with_3() -> TestResult {
    let folder = tempfile::tempdir()?;
    let missing = folder.path().join("missing.mp4");
    let store = folder.path().join("store");
    fails(&["probe", text(&missing)?], 3, "not_found", "missing.mp4")?;
    fails(&["grab", text(&missing)?, "-o", "a.jpg"], 3, "not_found", "missing.mp4")?;
    fails(&["probe", text(folder.path())?], 2, "config", "is a folder; name a video")?;
    fails(&["process", text(&missing)?, "--store", text(&store)?], 3, "not_found", "missing.mp4")?;
    assert!(!store.exists(), "no store is made for a video that is not there");
    let out = folder.path().join("missing/a.jpg");
    fails(&["grab", text(&fixture("h264_front.mp4"))?, "-o", text(&out)?], 3, "not_found", "missing/a.jpg")
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_forbidden_ends_with_4() -> TestResult {
    // Not even root can create files there.
    let out = "/sys/posterframe.jpg";
    fails(&["grab", text(&fixture("h264_front.mp4"))?, "-o", out], 4, "denied", out)
}

#[test]
fn what_holds_no_video_ends_with_5() -> TestResult {
    let audio = fixture("audio_only.m4a");
    fails(&["grab", text(&audio)?, "-o", "a.jpg"], 5, "unsupported", "audio_only.m4a")?;
    for input in ["https://example.org/1_x.mp4", "-"] {
        fails(&["process", input], 5, "unsupported", "process takes a local file or s3://bucket/key")?;
    }
    Ok(())
}

#[test]
fn what_is_damaged_ends_with_6() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let cut = &fs::read(fixture("h264_front.mp4"))?[..1000];
    let foreign = &b"NSVf\x1c\0\0\0\xff\xff\xff\xff"[..];
    let cases = [
        ("1_empty.mp4", &b""[..], 6),
        ("1_garbage.mp4", b"this is no video at all", 6),
        ("1_cut.mp4", cut, 6),
        ("1_foreign.mp4", foreign, 5),
    ];
    for (name, bytes, code) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes)?;
        let kind = if code == 5 { "unsupported" } else { "malformed" };
        fails(&["probe", text(&path)?], code, kind, name)?;
        fails(&["grab", text(&path)?, "-o", "a.jpg"], code, kind, name)?;
        let process = ["process", text(&path)?, "--store", text(&store)?];
        if bytes.is_empty() {
            // Programs that mount a bucket write an empty object first, and the video later.
            let output = posterframe(&process).output()?;
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert!(String::from_utf8(output.stdout)?.contains("the object is empty"));
            continue;
        }
        fails(&process, code, kind, name)?;
    }
    let name = folder.path().join("2147483648_x.mp4");
    fs::copy(fixture("h264_front.mp4"), &name)?;
    fails(&["process", text(&name)?, "--store", text(&store)?], 6, "malformed", "2147483648")?;
    assert!(!store.join("thumbnails").exists(), "no picture, and no empty one either");
    assert_eq!(rows(&store.join("catalog.sqlite3"))?, Vec::<String>::new());
    Ok(())
}

#[test]
fn what_costs_too_much_ends_with_7() -> TestResult {
    let bomb = fixture("x_bomb_stsz.mp4");
    fails(&["probe", text(&bomb)?], 7, "limit_exceeded", "x_bomb_stsz.mp4")?;
    // 80 Hangul fit into the title, but not into the URL, where each takes nine characters.
    let (folder, path) = bucket("h264_front.mp4", &format!("videos/1_{}.mp4", "가".repeat(80)))?;
    let store = folder.path().join("films");
    fails(&["process", text(&path)?, "--store", text(&store)?], 7, "limit_exceeded", "video_url")?;
    assert!(!store.join("thumbnails").exists());
    Ok(())
}

#[test]
fn what_takes_too_long_ends_with_8() -> TestResult {
    let video = fixture("h264_front.mp4");
    fails(&["grab", text(&video)?, "-o", "a.jpg", "--timeout", "0"], 8, "timeout", "h264_front.mp4")
}

/// Creates a named pipe. Opening the pipe never returns, because nobody writes to it.
#[cfg(unix)]
fn pipe_that_nobody_writes_to(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let pipe = folder.join("pipe.mp4");
    assert!(Command::new("mkfifo").arg(&pipe).status()?.success());
    Ok(pipe)
}

#[cfg(unix)]
fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, Box<dyn Error>> {
    Ok(fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?)
}

/// `probe` and `grab` return at their time limit, even if the main thread is blocked in a system call.
#[cfg(unix)]
#[test]
fn a_call_that_never_returns_is_not_waited_for() -> TestResult {
    let folder = tempfile::tempdir()?;
    let pipe = pipe_that_nobody_writes_to(folder.path())?;
    let (pipe, picture) = (text(&pipe)?, folder.path().join("a.jpg"));
    for arguments in [&["probe", pipe][..], &["grab", pipe, "-o", text(&picture)?]] {
        let run = |more: &[&str]| -> Result<Output, Box<dyn Error>> {
            let started = Instant::now();
            let mut child = posterframe(arguments);
            let child =
                child.args(["--timeout", "0.3"]).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = end_of(child.spawn()?)?;
            // The time limit, the watchdog's tolerance, and the delay of a busy machine.
            assert!(
                started.elapsed() < Duration::from_millis(1300),
                "{arguments:?}: {:?}",
                started.elapsed()
            );
            assert_eq!(output.status.code(), Some(8), "{output:?}");
            assert_eq!(
                String::from_utf8(output.stderr.clone())?,
                format!("error: {pipe}: not done within 0.3 s\n")
            );
            Ok(output)
        };
        assert!(run(&[])?.stdout.is_empty());
        let error = json(&run(&["--json"])?)?["error"].clone();
        assert_eq!((&error["kind"], &error["subject"]), (&"timeout".into(), &pipe.into()), "{error}");
        assert_eq!(error["message"], "not done within 0.3 s");
        assert_eq!(names(folder.path())?, ["pipe.mp4"]);
    }
    Ok(())
}

/// The WebP encoder encodes the picture in one call, which takes more than a second.
#[cfg(unix)]
#[test]
fn a_picture_that_takes_long_is_not_waited_for() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (video, picture) = (folder.path().join("a.gif"), folder.path().join("a.webp"));
    let sides = [8192_u16, 4320].map(u16::to_le_bytes).concat();
    let pixel = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;";
    fs::write(&video, [b"GIF89a", &sides[..], b"\x80\0\0\0\0\0\xff\xff\xff", pixel].concat())?;
    let started = Instant::now();
    let mut command = posterframe(&["grab", text(&video)?, "-o", text(&picture)?, "--timeout", "0.5"]);
    let output = end_of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)?;
    let elapsed = started.elapsed();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stderr)?,
        format!("error: {}: not done within 0.5 s\n", text(&video)?)
    );
    assert!(elapsed < Duration::from_millis(1500), "{elapsed:?}");
    assert_eq!(names(folder.path())?, ["a.gif"]);
    Ok(())
}

/// Waits for the end of a program, and kills it after 10 s.
#[cfg(unix)]
fn end_of(mut child: std::process::Child) -> Result<Output, Box<dyn Error>> {
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > Duration::from_secs(10) {
            child.kill()?;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Ok(child.wait_with_output()?)
}

/// Interrupts a program that is waiting, and asserts that it ends immediately.
#[cfg(target_os = "linux")]
fn interrupted(child: std::process::Child) -> Result<Output, Box<dyn Error>> {
    // Before the program handles interrupts, an interrupt would kill it.
    let listens = |status: &str| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        Some(u64::from_str_radix(caught.trim(), 16).ok()? & 2 != 0)
    };
    while listens(&fs::read_to_string(format!("/proc/{}/status", child.id()))?) != Some(true) {
        std::thread::yield_now();
    }
    std::thread::park_timeout(Duration::from_millis(100));
    let started = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success());
    let output = end_of(child)?;
    // Without the watchdog, the program would end after 5 s and print nothing.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    Ok(output)
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_a_call_that_never_returns() -> TestResult {
    let folder = tempfile::tempdir()?;
    let pipe = pipe_that_nobody_writes_to(folder.path())?;
    let mut command =
        posterframe(&["grab", text(&pipe)?, "-o", text(&folder.path().join("a.jpg"))?, "--json"]);
    let output = interrupted(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)?;
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr.clone())?, format!("error: {}: cancelled\n", text(&pipe)?));
    assert_eq!(json(&output)?["error"]["kind"], "cancelled");
    assert_eq!(names(folder.path())?, ["pipe.mp4"]);
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn what_may_pass_ends_with_9() -> TestResult {
    let video = fixture("h264_front.mp4");
    fails(&["grab", text(&video)?, "-o", "/dev/full", "--format", "png"], 9, "unavailable", "/dev/full")
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_130() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_x.mp4")?;
    let store = folder.path().join("films");
    // The job waits for the store's lock, which this test holds.
    fs::create_dir_all(store.join(".posterframe"))?;
    let lock = fs::File::create(store.join(".posterframe/lock"))?;
    lock.lock()?;
    let mut child = posterframe(&["process", text(&path)?, "--store", text(&store)?, "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
    assert!(lines.next().ok_or("it said nothing")??.starts_with("Processing videos/1_x.mp4"));
    let id = child.id().to_string();
    let interrupt = || Command::new("sh").args(["-c", &format!("kill -INT {id}")]).status();
    interrupt()?;
    // The first interrupt requests an orderly end, which the waiting job cannot reach. The next
    // interrupt that the program receives ends it immediately.
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None => interrupt()?,
        };
    };
    assert_eq!(status.code(), Some(130));
    Ok(())
}

#[test]
fn process_does_the_whole_job() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/a/1_test_video.mp4")?;
    let root = folder.path().canonicalize()?.join("films");
    let report = succeed(&["process", text(&path)?, "--store", text(&root)?, "--json"])?;
    let expected = [
        ("status", "processed"),
        ("bucket", "films"),
        ("key", "videos/a/1_test_video.mp4"),
        ("title", "Test Video"),
        ("frame_reason", "at_target"),
    ];
    for (name, value) in expected {
        assert_eq!(report[name], value, "{name}");
    }
    let (video, thumbnail) =
        (root.join("videos/a/1_test_video.mp4"), root.join("thumbnails/a/1_test_video.jpg"));
    let (video_url, thumbnail_url) =
        (format!("file://{}", text(&video)?), format!("file://{}", text(&thumbnail)?));
    assert_eq!(report["video_url"], video_url.as_str());
    assert_eq!(report["thumbnail_url"], thumbnail_url.as_str());
    let numbers = ["content_id", "duration", "duration_seconds", "frame_pts_seconds", "width", "height"];
    for name in numbers.into_iter().chain(["bytes_fetched", "requests", "elapsed_ms"]) {
        assert!(report[name].is_number(), "{name}: {report}");
    }
    assert_eq!(image::image_dimensions(&thumbnail)?, (160, 120));
    let rows = rows(&root.join("catalog.sqlite3"))?;
    assert!(rows[0].starts_with("1|Test Video|Uploaded video: test_video|ALL|0|"), "{rows:?}");
    assert!(rows[1].starts_with(&format!("1|1|{video_url}|{thumbnail_url}|7|")), "{rows:?}");
    assert_eq!(rows.len(), 2);
    Ok(())
}

#[test]
fn the_best_frame_is_picked_and_listed() -> TestResult {
    let (folder, path) = bucket("black_around_5s.mp4", "videos/1_x.mp4")?;
    let out = folder.path().join("x.png");
    let grab = |more: &[&str]| {
        let arguments = ["grab", text(&path)?, "-o", text(&out)?, "--pick", "auto", "--json"];
        succeed(&[&arguments, more].concat())
    };
    let mut pictures = Vec::new();
    for more in [&[][..], &["--isolate"]] {
        let answer = grab(more)?;
        assert_eq!(
            (&answer["frame_pts_seconds"], &answer["frame_reason"]),
            (&6.0.into(), &"keyframe".into())
        );
        let verdicts: Vec<_> = answer["considered"].as_array().ok_or("no list")?.iter().collect();
        assert_eq!((&verdicts[0]["verdict"], &verdicts[0]["pts_seconds"]), (&"black".into(), &5.0.into()));
        assert_eq!((&verdicts[1]["verdict"], verdicts.len()), (&"good".into(), 2), "{answer}");
        for measure in ["entropy", "brightness", "sharpness"] {
            assert!(verdicts[1][measure].is_number(), "{answer}");
        }
        pictures.push((answer["considered"].clone(), fs::read(&out)?));
    }
    assert!(pictures[0] == pictures[1], "a cage gives what there is without one: {:?}", pictures[0].0);
    assert!(succeed(&["grab", text(&path)?, "-o", text(&out)?, "--json"])?["considered"].is_null());

    // The same choice as a setting of the job. The job recognises its own thumbnail.
    let store = folder.path().join("films");
    for status in ["processed", "unchanged"] {
        let mut process = posterframe(&["process", text(&path)?, "--store", text(&store)?, "--json"]);
        let report = json(&process.env("THUMBNAIL_PICK", "auto").output()?)?;
        assert_eq!(
            (&report["status"], &report["frame_pts_seconds"]),
            (&status.into(), &6.0.into()),
            "{report}"
        );
    }
    Ok(())
}

#[test]
fn process_twice_changes_nothing() -> TestResult {
    for key in ["videos/1_x.mp4", "videos/my_movie.mp4"] {
        let (folder, path) = bucket("h264_front.mp4", key)?;
        let store = folder.path().join("films");
        let process = || succeed(&["process", text(&path)?, "--store", text(&store)?, "--json"]);
        let first = process()?;
        assert_eq!(first["status"], "processed");
        let (files, tables) = (snapshot(&store)?, rows(&store.join("catalog.sqlite3"))?);
        for _ in 0..2 {
            let mut again = process()?;
            assert_eq!((&again["status"], &again["bytes_fetched"]), (&"unchanged".into(), &0.into()));
            let work = [
                "requests",
                "round_trips",
                "bytes_fetched",
                "bytes_used",
                "cache_hits",
                "waiting_ms",
                "job_round_trips",
            ];
            for field in work.into_iter().chain(["status", "steps", "elapsed_ms"]) {
                again[field] = first[field].clone();
            }
            assert_eq!(again, first, "but for the work, the answer is the same");
            assert_eq!(snapshot(&store)?, files);
            assert_eq!(rows(&store.join("catalog.sqlite3"))?, tables);
        }
    }
    Ok(())
}

#[test]
fn edits_outlive_everything_but_a_new_video() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_x.mp4")?;
    let store = folder.path().join("films");
    let catalogue = store.join("catalog.sqlite3");
    let process = |settings: &[(&str, &str)]| -> Result<Value, Box<dyn Error>> {
        let arguments = ["process", text(&path)?, "--store", text(&store)?, "--json"];
        json(&posterframe(&arguments).envs(settings.iter().copied()).output()?)
    };
    let title = || Ok::<_, Box<dyn Error>>(rows(&catalogue)?[0].split('|').nth(1).map(str::to_owned));
    process(&[])?;
    edit(&catalogue, "UPDATE contents SET title = 'Edited'")?;
    assert_eq!(process(&[])?["status"], "unchanged");
    // Other settings create another picture, even under another key, and do not change the content.
    let small = process(&[("THUMBNAIL_WIDTH", "80")])?;
    assert_eq!((&small["status"], &small["width"]), (&"processed".into(), &80.into()));
    let square = [("THUMBNAIL_WIDTH", "64"), ("THUMBNAIL_HEIGHT", "64"), ("THUMBNAIL_FIT", "cover")];
    let square = process(&[&square[..], &[("THUMBNAIL_FOCUS", "0,0.5")]].concat())?;
    assert_eq!(square["status"], "processed");
    assert_eq!((&square["width"], &square["height"]), (&64.into(), &64.into()));
    let png = process(&[("THUMBNAIL_FORMAT", "png")])?;
    assert!(png["thumbnail_url"].as_str().is_some_and(|url| url.ends_with("1_x.png")));
    assert_eq!(title()?.as_deref(), Some("Edited"));
    // Another video changes the content.
    fs::copy(fixture("short_3s.mp4"), &path)?;
    let replaced = process(&[])?;
    assert_eq!((&replaced["status"], &replaced["duration"]), (&"processed".into(), &3.into()));
    assert_eq!(title()?.as_deref(), Some("X"));
    assert_eq!(rows(&catalogue)?.len(), 2);
    Ok(())
}

fn edit(catalogue: &Path, sql: &'static str) -> TestResult {
    use sqlx::{ConnectOptions as _, Connection as _};
    let work = async {
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(catalogue).connect().await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await
    };
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)?)
}

#[test]
fn a_lost_row_or_thumbnail_is_made_again() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_x.mp4")?;
    let store = folder.path().join("films");
    let process = || succeed(&["process", text(&path)?, "--store", text(&store)?, "--json"]);
    process()?;
    fs::remove_file(store.join("thumbnails/1_x.jpg"))?;
    assert_eq!(process()?["status"], "processed");
    edit(&store.join("catalog.sqlite3"), "DELETE FROM video_assets")?;
    assert_eq!(process()?["status"], "processed");
    edit(&store.join("catalog.sqlite3"), "UPDATE video_assets SET duration = 1")?;
    assert_eq!(process()?["status"], "processed");
    assert_eq!(process()?["status"], "unchanged");
    assert_eq!(rows(&store.join("catalog.sqlite3"))?.len(), 2);
    Ok(())
}

#[test]
fn processes_at_once_leave_one_row_each() -> TestResult {
    for round in 0..12 {
        let key = if round % 2 == 0 { "videos/1_x.mp4" } else { "videos/my_movie.mp4" };
        let (folder, path) = bucket("h264_front.mp4", key)?;
        let store = folder.path().join("films");
        let arguments = ["process", text(&path)?, "--store", text(&store)?, "--json"];
        let start = || posterframe(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let children = (0..3).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
        for child in children {
            let output = child.wait_with_output()?;
            assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stderr));
            let status = json(&output)?["status"].clone();
            assert!(status == "processed" || status == "unchanged", "{status}");
        }
        assert_eq!(rows(&store.join("catalog.sqlite3"))?.len(), 2, "round {round}");
        assert_eq!(fs::read_dir(store.join("thumbnails"))?.count(), 1, "round {round}");
        assert_eq!(succeed(&arguments)?["status"], "unchanged", "round {round}");
    }
    Ok(())
}

#[test]
fn keys_that_are_none_of_the_jobs_are_skipped() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "other/1_x.mp4")?;
    let store = folder.path().join("films");
    let report = succeed(&["process", text(&path)?, "--store", text(&store)?, "--json"])?;
    assert_eq!((&report["status"], &report["key"]), (&"skipped".into(), &"other/1_x.mp4".into()));
    assert!(report["reason"].as_str().is_some_and(|reason| reason.contains("VIDEO_PREFIX")));
    let output = posterframe(&["process", text(&path)?, "--store", text(&store)?]).output()?;
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout)?.contains("VIDEO_PREFIX"));
    Ok(())
}

#[test]
fn a_video_from_elsewhere_is_read_where_it_lies() -> TestResult {
    let folder = tempfile::tempdir()?;
    let output =
        posterframe(&["process", "--json"]).arg(fixture("h264_front.mp4")).current_dir(&folder).output()?;
    let report = json(&output)?;
    assert_eq!(
        (&report["bucket"], &report["key"]),
        (&"posterframe-data".into(), &"videos/h264_front.mp4".into())
    );
    assert_eq!(report["content_id"], 1);
    assert!(report["video_url"].as_str().is_some_and(|url| url.ends_with("tests/fixtures/h264_front.mp4")));
    assert!(folder.path().join("posterframe-data/thumbnails/h264_front.jpg").exists());
    assert!(!folder.path().join("posterframe-data/videos").exists(), "the video is not copied");
    Ok(())
}

#[test]
fn targets_are_printed_before_anything_is_done() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_x.mp4")?;
    let store = folder.path().join("films");
    let arguments = ["process", text(&path)?, "--store", text(&store)?];
    let output = posterframe(&arguments).output()?;
    let said = String::from_utf8(output.stdout)?;
    let first = said.lines().next().unwrap_or_default();
    assert!(first.starts_with("Video file://") && first.contains(" -> thumbnail file://"), "{said}");
    assert!(first.contains("catalogue ") && first.ends_with("catalog.sqlite3"), "{said}");
    let output = posterframe(&arguments).arg("--json").output()?;
    assert!(String::from_utf8(output.stderr)?.starts_with("Video file://"));
    Ok(())
}

/// Without `LOG_FORMAT`, messages are in English. Without `-v`, a successful job logs nothing.
#[test]
fn people_read_english_messages() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_x.mp4")?;
    let store = folder.path().join("films");
    let run = |more: &[&str]| -> Result<String, Box<dyn Error>> {
        let _ = fs::remove_dir_all(store.join("thumbnails"));
        let arguments = [&["process", text(&path)?, "--store", text(&store)?], more].concat();
        let output = posterframe(&arguments).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stderr)?)
    };
    assert_eq!(run(&[])?, "");
    let said = run(&["-v"])?;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.first(), Some(&"Processing videos/1_x.mp4"), "{said}");
    assert_eq!(lines.last(), Some(&"Processed videos/1_x.mp4 (content_id: 1)"), "{said}");
    assert!(said.contains("Duration: 7 s") && said.contains("Encoded the thumbnail: "), "{said}");
    assert!(said.is_ascii(), "{said}");
    assert!(run(&["-vv"])?.contains("Processed videos/1_x.mp4"));
    // The option takes precedence over the variable, and the variable over the default.
    let arguments = ["process", text(&path)?, "--store", text(&store)?, "--quiet"];
    let output = posterframe(&arguments).env("RUST_LOG", "trace").output()?;
    assert_eq!(String::from_utf8(output.stderr)?, "");
    let output = posterframe(&arguments[..4]).env("RUST_LOG", "posterframe=info").output()?;
    assert_eq!(String::from_utf8(output.stderr)?.lines().next(), Some("Processing videos/1_x.mp4"));
    fails(&["probe", text(&path)?, "-q", "-v"], 2, "config", "--verbose")
}

/// `--quiet` omits everything except results and errors.
#[test]
fn quiet_commands_print_results_and_errors() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_x.mp4")?;
    let store = folder.path().join("films");
    let store = text(&store)?;
    let output = posterframe(&["-q", "process", text(&path)?, "--store", store]).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(said.starts_with("videos/1_x.mp4: processed\n"), "{said}");
    assert!(output.stderr.is_empty());
    for arguments in [&["backfill", store, "-q", "--dry-run"][..], &["audit", store, "-q", "--json"]] {
        let loud = posterframe(&arguments.iter().filter(|text| **text != "-q").copied().collect::<Vec<_>>());
        let loud = { loud }.current_dir(store).output()?;
        assert!(!loud.stderr.is_empty(), "{arguments:?} has nothing to leave out");
        let output = posterframe(arguments).current_dir(store).output()?;
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(String::from_utf8(output.stderr)?, "", "{arguments:?}");
    }
    let output = posterframe(&["probe", "-q", "missing.mp4"]).output()?;
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr)?.starts_with("error: missing.mp4"));
    Ok(())
}

#[test]
fn colours_are_those_asked_for() -> TestResult {
    let video = fixture("h264_front.mp4");
    let has_colours = |arguments: &[&str]| -> Result<bool, Box<dyn Error>> {
        let output = posterframe(arguments).output()?;
        let all = [output.stdout, output.stderr].concat();
        assert!(!all.is_empty(), "{arguments:?}");
        Ok(all.contains(&b'\x1b'))
    };
    let video = text(&video)?;
    // A result, an error, a usage error, and help.
    for rest in [&["probe", video][..], &["probe", "missing.mp4"], &["probe", "--wrong"], &["grab", "--help"]]
    {
        assert!(has_colours(&[&["--color", "always"], rest].concat())?, "{rest:?}");
        assert!(has_colours(&[&["--color=always"], rest].concat())?, "{rest:?}");
        assert!(!has_colours(&[&["--color=never"], rest].concat())?, "{rest:?}");
        assert!(!has_colours(&[&["--color=auto"], rest].concat())?, "no terminal: {rest:?}");
        assert!(!has_colours(rest)?, "{rest:?}");
    }
    fails(&["probe", video, "--color", "blue"], 2, "config", "blue")
}

/// On a terminal, a progress line appears after two seconds, and the result replaces the line.
#[test]
#[cfg(target_os = "linux")]
fn a_terminal_shows_what_takes_long() -> TestResult {
    // `script` of util-linux gives the program a terminal. The pipe to standard input stays open for three seconds.
    let program = env!("CARGO_BIN_EXE_posterframe");
    let shown = |options: &str| -> Result<String, Box<dyn Error>> {
        let command = format!("{program} {options} probe - --timeout 3s");
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            // Without a terminal's name, as in CI, no line is shown.
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take();
        let mut all = String::new();
        child.stdout.take().ok_or("no output")?.read_to_string(&mut all)?;
        drop(input);
        assert_eq!(child.wait()?.code(), Some(8), "{all}");
        Ok(all)
    };
    let all = shown("")?;
    let line = all.find("reading -").ok_or_else(|| format!("no line: {all:?}"))?;
    let error = all.find("error:").ok_or_else(|| format!("no error: {all:?}"))?;
    assert!(line < error && !all[error..].contains("reading -"), "{all:?}");
    assert!(!shown("-q")?.contains("reading -"));
    Ok(())
}

/// A file manager runs the thumbnailer entry with the path of a video, the path of the picture, and a size in pixels
/// (freedesktop.org, Thumbnail Managing Standard).
#[test]
fn the_thumbnailer_entry_writes_a_png() -> TestResult {
    let entry = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/posterframe.thumbnailer");
    let entry = fs::read_to_string(entry)?;
    let field = |name: &str| {
        let found = entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.ok_or(format!("no {name}"))
    };
    assert!(entry.starts_with("[Thumbnailer Entry]\n"));
    assert_eq!(field("TryExec")?, "posterframe");
    let types: Vec<_> = field("MimeType")?.split_terminator(';').collect();
    assert!(
        types.contains(&"video/mp4")
            && types.iter().all(|name| name.starts_with("video/") || *name == "application/mxf")
    );
    let folder = tempfile::tempdir()?;
    // The name of the picture has no extension.
    let picture = folder.path().join("picture");
    for (name, width, height) in [("h264_front.mp4", 128, 96), ("av1.mkv", 128, 96)] {
        let video = fixture(name);
        let arguments = field("Exec")?.split(' ').skip(1).map(|word| match word {
            "%i" => text(&video),
            "%o" => text(&picture),
            "%s" => Ok("128"),
            other => Ok(other),
        });
        let output = posterframe(&arguments.collect::<Result<Vec<_>, _>>()?).output()?;
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let png = fs::read(&picture)?;
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let size = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
        assert_eq!((size(16), size(20)), (width, height), "{name}");
    }
    Ok(())
}

/// Transparent pixels get the background, or stay transparent if the format supports that.
#[test]
fn transparent_pixels_get_the_background() -> TestResult {
    let (video, folder) = (fixture("colours_alpha.mov"), tempfile::tempdir()?);
    let out = folder.path().join("out.png");
    let grab = |background: &str| -> Result<Vec<u8>, Box<dyn Error>> {
        succeed(&["grab", text(&video)?, "-o", text(&out)?, "--json", "--background", background])?;
        Ok(fs::read(&out)?)
    };
    // The colour type in the header of a PNG (ISO/IEC 15948, 11.2.2): 2 is RGB, 6 is RGB with alpha.
    let (white, green, none) = (grab("ffffff")?, grab("00FF00")?, grab("none")?);
    assert_eq!([white[25], green[25], none[25]], [2, 2, 6]);
    assert_ne!(white, green);
    succeed(&["grab", text(&video)?, "-o", text(&out)?, "--json"])?;
    assert_eq!(fs::read(&out)?, white, "white is the default");
    let jpeg = folder.path().join("out.jpg");
    let refused = ["grab", text(&video)?, "-o", text(&jpeg)?, "--background", "none"];
    fails(&refused, 2, "config", "a JPEG has no transparency")?;
    assert!(!jpeg.exists());
    for wrong in ["white", "fff", "#ffffff", "+12345", ""] {
        fails(
            &["grab", text(&video)?, "-o", text(&out)?, "--background", wrong],
            2,
            "config",
            "--background",
        )?;
    }
    Ok(())
}

/// The lower right quarter of each transparent video is fully transparent.
#[test]
fn each_transparent_video_shows_the_background() -> TestResult {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out.png");
    for name in
        ["colours_alpha.mov", "colours_alpha_png.mov", "colours_alpha_prores.mov", "colours_alpha.gif"]
    {
        let video = fixture(name);
        let corner = |background: &[&str]| -> Result<[u8; 4], Box<dyn Error>> {
            succeed(&[&["grab", text(&video)?, "-o", text(&out)?, "--json"][..], background].concat())?;
            let picture = image::open(&out)?.to_rgba8();
            Ok(picture.get_pixel(picture.width() - 1, picture.height() - 1).0)
        };
        assert_eq!(corner(&[])?, [255; 4], "{name}");
        assert_eq!(corner(&["--background", "00FF00"])?, [0, 255, 0, 255], "{name}");
        assert_eq!(corner(&["--background", "none"])?[3], 0, "{name}");
    }
    Ok(())
}

/// Sizes and times have units, as people type them.
#[test]
fn sizes_and_times_have_units() -> TestResult {
    let video = fixture("h264_front.mp4");
    let size = fs::metadata(&video)?.len();
    let run = |buffer: &str, timeout: &str| {
        let arguments = ["probe", "-", "--buffer", buffer, "--timeout", timeout];
        let output = posterframe(&arguments).stdin(fs::File::open(&video)?).output()?;
        Ok::<_, Box<dyn Error>>((output.status.code(), String::from_utf8(output.stderr)?))
    };
    assert!((50_001..52_000).contains(&size), "{size}");
    for buffer in [&size.to_string(), "52k", "52kB", "0.052MB", "51KiB", "1 MiB", "1G"] {
        assert_eq!(run(buffer, "1m")?.0, Some(0), "{buffer}");
    }
    for buffer in [&(size - 1).to_string(), "51k", "50KiB", "0"] {
        assert_eq!(run(buffer, "1:30")?.0, Some(7), "{buffer}");
    }
    for wrong in ["", "-1", "many", "1 parsec", "99999999999999999999", "1EiBB"] {
        let (code, said) = run(wrong, "30")?;
        assert_eq!(code, Some(2), "{wrong}");
        assert!(
            wrong.is_empty() || wrong.starts_with('-') || said.contains("a size such as 500000"),
            "{wrong}: {said}"
        );
    }
    Ok(())
}

#[test]
fn log_messages_are_those_of_the_replaced_lambda() -> TestResult {
    let (folder, path) = bucket("h264_front.mp4", "videos/1_영화.mp4")?;
    let store = folder.path().join("films");
    let arguments = ["process", text(&path)?, "--store", text(&store)?];
    let size = fs::metadata(&path)?.len();
    let output = posterframe(&arguments).env("LOG_FORMAT", "text").output()?;
    let thumbnail = fs::metadata(store.join("thumbnails/1_영화.jpg"))?.len();
    let expected = [
        "영상 처리 시작: videos/1_영화.mp4".to_owned(),
        format!("영상 다운로드 완료: {size} bytes (0.05 MB)"),
        "영상 duration 추출 완료: 7초".to_owned(),
        format!("썸네일 추출 완료: {thumbnail} bytes"),
        "영상 읽기 완료".to_owned(),
        "video_assets 테이블에 등록 완료 (content_id: 1)".to_owned(),
        "성공: videos/1_영화.mp4 등록 완료 (content_id: 1)".to_owned(),
    ];
    // The replaced Lambda has no line about the cost of reading. The golden table covers the numbers in that line.
    let said = String::from_utf8(output.stderr)?;
    let without_numbers = |line: &str| match line.strip_prefix("영상 읽기 완료") {
        Some(_) => "영상 읽기 완료".to_owned(),
        None => line.to_owned(),
    };
    assert_eq!(said.lines().map(without_numbers).collect::<Vec<_>>(), expected);

    fs::remove_dir_all(store.join("thumbnails"))?;
    let output = posterframe(&arguments).env("LOG_FORMAT", "json").output()?;
    let lines = String::from_utf8(output.stderr)?;
    let events = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let messages = events.iter().filter_map(|event| event["message"].as_str());
    assert_eq!(messages.map(without_numbers).collect::<Vec<_>>(), expected);
    assert_eq!(events[1]["size"], size);
    for field in ["requests", "round_trips", "bytes_fetched", "bytes_used"] {
        assert!(events[4][field].as_u64().is_some_and(|number| number > 0), "{field}: {}", events[4]);
    }
    assert!(events[4]["waiting_ms"].is_u64() && events[4]["cache_hits"].is_u64(), "{}", events[4]);
    assert_eq!((&events[6]["key"], &events[6]["content_id"]), (&"videos/1_영화.mp4".into(), &1.into()));
    Ok(())
}

#[test]
fn shells_complete_it_and_manuals_tell_of_it() -> TestResult {
    for (shell, part) in
        [("bash", "complete -F"), ("zsh", "#compdef posterframe"), ("fish", "complete -c posterframe")]
    {
        let output = posterframe(&["completions", shell]).output()?;
        let text = String::from_utf8(output.stdout)?;
        assert!(text.contains(part) && text.contains("backfill"), "{shell}: {text}");
    }
    let manual = String::from_utf8(posterframe(&["man"]).output()?.stdout)?;
    for part in [".TH posterframe", "posterframe\\-backfill", "malformed", "only\\-missing"] {
        assert!(manual.contains(part), "{part}");
    }
    assert_eq!(posterframe(&["completions", "cobol"]).output()?.status.code(), Some(2));
    Ok(())
}

#[test]
fn a_picture_is_shown_in_a_terminal_only() -> TestResult {
    let video = fixture("h264_front.mp4");
    let output = posterframe(&["grab", text(&video)?, "--show"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr)?.contains("--show needs a terminal"));
    // script(1) gives the program a terminal.
    let command =
        format!("stty rows 24 cols 80; {} grab {} --show", env!("CARGO_BIN_EXE_posterframe"), text(&video)?);
    let output = Command::new("timeout")
        .args(["20", "script", "--quiet", "--return", "--command", &command, "/dev/null"])
        .env_clear()
        .envs([("TERM", "xterm-256color"), ("PATH", "/usr/bin:/bin")])
        .stdin(Stdio::null())
        .output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    // The picture consists of half-block characters in colour.
    assert!(shown.contains('▄') && shown.contains("the first frame at or after"), "{shown}");
    Ok(())
}

//! Tests decoding in a separate process: the answers are the same, and the process cannot harm its
//! parent. The child processes run the program itself.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the tests wait for processes")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::net::TcpListener;
use std::num::{NonZeroU32, NonZeroUsize};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{AT, Outcome, fixture, fixture_bytes, fixtures};
use posterframe::cage::acts::Act;
use posterframe::cage::{Cage, CageOptions, MediaOpener, Picture};
use posterframe::source::{FirstReads, MemorySource, ReadSize};
use posterframe::{
    Bounds, CancelToken, Error, ErrorKind, FrameRequest, FrameTime, Limit, Limits, Media, OpenOptions, Pick,
    ProcessOptions, Spacing, StoryboardRequest, Threads,
};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_posterframe");
/// The delay that a loaded machine may add to the 100 ms within which a child is ended.
const SLACK: Duration = Duration::from_millis(900);

fn cage() -> Outcome<Cage> {
    Ok(Cage::start(CageOptions::default().with_program(PROGRAM))?)
}

fn times() -> Vec<FrameTime> {
    ["0", "2.5", "5", "-1", "middle"].into_iter().filter_map(|time| time.parse().ok()).collect()
}

/// The result of a call, for comparisons. An error becomes its kind and message.
fn words<T>(result: Result<T, Error>) -> Result<T, String> {
    result.map_err(|error| format!("{} {error}", error.kind()))
}

fn threads(count: usize) -> OpenOptions {
    let count = NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    OpenOptions::default().with_threads(Threads::Count(count))
}

/// With stream analysis, the information about a file is the same in a cage.
#[test]
fn a_cage_changes_nothing_of_the_analysis() -> Outcome {
    let cage = cage()?;
    let options = threads(1).with_stream_analysis(true);
    for name in ["mjpeg.mov", "vp9.webm", "h264.ts", "chapters.mkv", "orient_6.mp4", "x_cenc.mp4"] {
        let bytes = fixture_bytes(name)?;
        let here = Media::open(Cursor::new(bytes.clone()), &options)?;
        let caged = cage.open(Cursor::new(bytes), &options)?;
        assert_eq!(here.info(), caged.info(), "{name}");
        let index = here.info().video_stream.ok_or("no video")?;
        let stream = here.info().streams.get(index).ok_or("no stream")?;
        assert!(stream.frame_rate_mode.is_some(), "{name}");
    }
    Ok(())
}

/// For every fixture, at several times, from a reader and by ranges: information, frame, picture and costs are the same in a cage.
#[test]
fn a_cage_changes_no_answer() -> Outcome {
    let cage = cage()?;
    let options = threads(1);
    let mut pictures = 0;
    for name in fixtures()? {
        let bytes = fixture_bytes(&name)?;
        let mut here = Media::open(Cursor::new(bytes.clone()), &options);
        let mut caged = cage.open(Cursor::new(bytes.clone()), &options);
        let (info, other) = (here.as_ref().map(Media::info), caged.as_ref().map(|media| media.info()));
        assert_eq!(words(info.map_err(Clone::clone)), words(other.map_err(Clone::clone)), "{name}");
        let mut ranges = Media::open_source(MemorySource::new(bytes.clone()), &options);
        let mut caged_ranges = cage.open_source(MemorySource::new(bytes), &options);
        let (Ok(here), Ok(caged), Ok(ranges), Ok(caged_ranges)) =
            (&mut here, &mut caged, &mut ranges, &mut caged_ranges)
        else {
            assert!(ranges.is_err() && caged_ranges.is_err(), "{name}");
            continue;
        };
        for time in times() {
            let request = FrameRequest::at(time)
                .with_encoding(posterframe::Encoding::default().with_bounds(Bounds::width(96)));
            let (frame, picture) = (here.frame(request), caged.picture(&request));
            let taken = words(frame.as_ref().map_err(Clone::clone).and_then(Picture::of));
            assert_eq!(taken, words(picture), "{name} at {time}");
            let [ledger, other] = [here.ledger(), caged.ledger()].map(|mut ledger| {
                ledger.waiting = Duration::ZERO;
                ledger
            });
            assert_eq!(ledger, other, "{name} at {time}");
            if let Ok(frame) = frame {
                assert_eq!(frame.to_rgb8(Bounds::width(80))?, caged.to_rgb8(Bounds::width(80))?, "{name}");
                pictures += 1;
            }
            let taken = words(ranges.frame(request).and_then(|frame| Picture::of(&frame)));
            assert_eq!(taken, words(caged_ranges.picture(&request)), "{name} at {time} by ranges");
            let [ledger, other] =
                [ranges.ledger(), caged_ranges.ledger()].map(|ledger| (ledger.requests, ledger.round_trips));
            assert_eq!(ledger, other, "{name} at {time} by ranges");
        }
    }
    assert!(pictures > 300, "{pictures} pictures");
    Ok(())
}

/// Two threads in a cage find the same frames as one thread without a cage. The number of decoded packets may differ. So may
/// the way in which libavcodec conceals damage.
#[test]
fn threads_change_no_picture() -> Outcome {
    let cage = cage()?;
    let mut pictures = 0;
    for name in fixtures()?.into_iter().filter(|name| name != "damaged_ahead.mp4") {
        let path = fixture(&name);
        let (Ok(mut here), Ok(mut caged)) =
            (Media::open_file(&path, &threads(1)), cage.open_file(&path, &threads(2)))
        else {
            continue;
        };
        for time in times().into_iter().skip(1).take(2) {
            let request = FrameRequest::at(time);
            let (frame, picture) = (here.frame(request), caged.picture(&request));
            assert_eq!(frame.is_ok(), picture.is_ok(), "{name} at {time}: {picture:?}");
            if let (Ok(frame), Ok(picture)) = (frame, picture) {
                assert_eq!(frame.thumbnail()?, picture.thumbnail, "{name} at {time}");
                assert_eq!(frame.pts(), picture.pts, "{name} at {time}");
                pictures += 1;
            }
        }
    }
    assert!(pictures > 150, "{pictures} pictures");
    Ok(())
}

/// A list has the same pictures, errors, requests and round trips as without a cage. The caller may abandon the list before its end.
#[test]
fn a_list_of_pictures_is_that_of_its_frames() -> Outcome {
    let cage = cage()?;
    let requests: Vec<_> = ["0", "0.5", "4", "-1"]
        .into_iter()
        .filter_map(|time| time.parse::<FrameTime>().ok())
        .map(FrameRequest::at)
        .collect();
    let mut lists = 0;
    for name in fixtures()? {
        let source = || fixture_bytes(&name).map(MemorySource::new);
        let (Ok(mut here), Ok(mut caged)) =
            (Media::open_source(source()?, &threads(1)), cage.open_source(source()?, &threads(1)))
        else {
            continue;
        };
        let frames = here.frames(requests.iter().copied());
        let frames: Vec<_> = frames.map(|frame| words(frame.and_then(|frame| Picture::of(&frame)))).collect();
        let pictures = caged.pictures(requests.iter().copied());
        assert_eq!(pictures.len(), requests.len());
        let pictures: Vec<_> = pictures.map(words).collect();
        assert_eq!(frames, pictures, "{name}");
        let costs = [here.ledger(), caged.ledger()].map(|ledger| (ledger.requests, ledger.round_trips));
        assert_eq!(costs[0], costs[1], "{name}");
        assert!(caged.pictures(Vec::<FrameRequest>::new()).next().is_none());
        // After the first pictures of a list, the file answers other requests.
        let first = caged.pictures(requests.iter().copied()).take(2).map(words).last();
        // Packets decoded before are not decoded again, so that packet counts may differ: only the pictures are compared.
        let file = |picture: &Result<Picture, String>| picture.clone().map(|picture| picture.thumbnail);
        assert_eq!(frames.get(1).map(file), first.as_ref().map(file), "{name}");
        if frames[1].is_ok() {
            let frame = here.frame(requests[1])?;
            assert_eq!(frame.to_rgb8(Bounds::width(80))?, caged.to_rgb8(Bounds::width(80))?, "{name}");
        }
        assert_eq!(file(&words(caged.picture(&requests[2]))), file(&frames[2]), "{name}");
        lists += 1;
    }
    assert!(lists > 60, "{lists} lists");
    Ok(())
}

/// The frames of a storyboard are planned together: tiles, requests and round trips are the same as without a cage.
#[test]
fn a_storyboard_is_planned_as_without_a_cage() -> Outcome {
    let (here, caged) = (MediaOpener::default(), MediaOpener::from(cage()?));
    let mut first = FirstReads::default();
    (first.head, first.tail, first.whole) = (ReadSize::fixed(4096), ReadSize::fixed(4096), 0);
    let options = threads(1).with_first_reads(first);
    let count = NonZeroU32::new(13).unwrap_or(NonZeroU32::MIN);
    let (mut boards, mut fewer) = (0, 0);
    // Index at the front and at the end, fragments with and without an index, other containers, no duration.
    let names = [
        "h264_end.mp4",
        "h264_front.mp4",
        "h264_frag_sidx.mp4",
        "h264_frag_noindex.mp4",
        "h264.mkv",
        "h264.ts",
        "vp9.webm",
        "rotated_90.mkv",
        "h264_raw.h264",
    ];
    for name in names {
        for pick in [Pick::Keyframe, Pick::Exact] {
            let request = StoryboardRequest::default().with_spacing(Spacing::Count(count)).with_pick(pick);
            let source = || fixture_bytes(name).map(MemorySource::new);
            let (Ok(mut here), Ok(mut caged)) =
                (here.open_source(source()?, &options), caged.open_source(source()?, &options))
            else {
                continue;
            };
            let limits = Limits::default();
            let expected = words(here.storyboard(&request, &limits));
            assert!(words(caged.storyboard(&request, &limits)) == expected, "{name} {pick:?}");
            let costs = [here.ledger(), caged.ledger()].map(|ledger| (ledger.requests, ledger.round_trips));
            assert_eq!(costs[0], costs[1], "{name} {pick:?}");
            boards += usize::from(expected.is_ok());
            fewer += usize::from(expected.is_ok() && costs[0].0 > costs[0].1);
        }
    }
    assert!(boards >= 14 && fewer >= 4, "{boards} storyboards, {fewer} of them with requests side by side");
    Ok(())
}

#[test]
fn a_long_list_is_sent_in_parts() -> Outcome {
    let mut media = cage()?.open_file(fixture("bad_mehd.mp4"), &OpenOptions::default())?;
    let mut pictures = media.pictures(vec![Duration::ZERO; 201]);
    let first = pictures.next().ok_or("no picture")??;
    assert_eq!((first.pts_seconds, pictures.len()), (0.0, 200));
    for picture in pictures {
        assert_eq!(picture?.thumbnail, first.thumbnail);
    }
    Ok(())
}

/// Returns whether this process runs one test alone. If it does not, this function starts such a process, which must succeed.
fn is_alone(test: &str) -> Outcome<bool> {
    const ALONE: &str = "CAGE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return Ok(true);
    }
    let output = Command::new(std::env::current_exe()?).args(["--exact", test]).env(ALONE, "1").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    Ok(false)
}

/// The settings of [`posterframe::init`] belong to a process. The children get the settings of their parent.
#[test]
fn a_child_has_the_settings_of_its_parent() -> Outcome {
    let open =
        |cage: &Cage| cage.open_file(fixture("h264_end.mp4"), &threads(1))?.picture(&FrameRequest::at(AT));
    if !is_alone("a_child_has_the_settings_of_its_parent")? {
        assert!(open(&cage()?).is_ok());
        return Ok(());
    }
    assert!(posterframe::init(&ProcessOptions::default().with_max_allocation(10_000)));
    let caged = open(&cage()?).map(drop);
    let here = Media::open_file(fixture("h264_end.mp4"), &threads(1))
        .and_then(|mut media| media.frame(FrameRequest::at(AT)).map(drop));
    assert!(here.is_err(), "10 kB hold no picture");
    assert_eq!(words(here), words(caged));
    Ok(())
}

/// The memory of this process's children in kB, without the pages of files (proc(5), `RssAnon`).
fn memory_of_children() -> Outcome<Vec<u64>> {
    let memory = |child: u32| -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{child}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    children(std::process::id())?.into_iter().map(memory).collect()
}

/// A frame of 1080p takes about 20 MB. A single child keeps that memory for the next file; children that work at the same time return it.
#[test]
fn one_child_keeps_its_memory_and_several_do_not() -> Outcome {
    if !is_alone("one_child_keeps_its_memory_and_several_do_not")? {
        return Ok(());
    }
    const LARGE: u64 = 10_000;
    let (cage, request) = (cage()?, FrameRequest::at(Duration::ZERO));
    let open = || cage.open_file(fixture("h264_1080p.mp4"), &threads(1));
    open()?.picture(&request)?;
    let kept = memory_of_children()?;
    assert!(kept.len() == 1 && kept[0] > LARGE, "{kept:?}");
    let mut media = [open()?, open()?, open()?];
    for media in &mut media {
        media.picture(&request)?;
    }
    let all = memory_of_children()?;
    assert!(all.len() == 3 && all.iter().all(|memory| *memory > LARGE), "{all:?}");
    drop(media);
    let begun = Instant::now();
    // The child whose file is closed last is then the only one at work, and keeps its memory.
    while memory_of_children()?.iter().filter(|memory| **memory > LARGE).count() > 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", memory_of_children()?);
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn errors_of_the_reader_come_back_as_they_were() -> Outcome {
    let cage = cage()?;
    let missing = cage.open_file("nothing.mp4", &OpenOptions::default()).expect_err("there is none");
    assert_eq!((missing.kind(), missing.to_string().contains("nothing.mp4")), (ErrorKind::NotFound, true));
    let empty = cage.open(Cursor::new(Vec::new()), &OpenOptions::default()).expect_err("it is empty");
    assert!(matches!(empty, Error::Empty), "{empty}");
    let limits = Limits::default().with_max_bytes(1000);
    let options = OpenOptions::default().with_limits(limits);
    for result in [
        cage.open_file(fixture("h264_end.mp4"), &options).map(drop),
        cage.open_source(MemorySource::new(fixture_bytes("h264_end.mp4")?), &options).map(drop),
    ] {
        let error = result.expect_err("it takes more than 1000 bytes");
        assert_eq!(error.limit(), Some(Limit::MaxBytes), "{error}");
    }
    let not_there = CageOptions::default().with_program("/nowhere/posterframe");
    assert!(matches!(Cage::start(not_there), Err(Error::NoCage { .. })));
    let no_child = CageOptions::default().with_program("/bin/true");
    let error = Cage::start(no_child).expect_err("it is no child");
    assert!(error.to_string().contains("exited with code 0"), "{error}");
    Ok(())
}

/// Tries all acts, and returns the result of each.
fn try_acts(cage: &Cage) -> Outcome<Vec<(Act, Result<String, String>)>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let acts =
        [Act::ReadEnvironment, Act::ReadMemory, Act::Connect(port), Act::Fork, Act::Trace, Act::OpenFile];
    acts.into_iter().map(|act| Ok((act, cage.perform(act, &OpenOptions::default())?))).collect()
}

/// The test below also runs this one, in a separate process whose outer filter refuses the system calls that a layer needs.
#[test]
fn a_child_can_do_nothing_to_its_parent() -> Outcome {
    let cage = cage()?;
    let layers = cage.layers();
    println!("seccomp {} landlock {}", layers.seccomp, layers.landlock.is_some());
    for (act, outcome) in try_acts(&cage)? {
        assert!(outcome.is_err(), "{act:?}: {outcome:?} within {layers:?}");
    }
    assert!(layers.no_descriptors && layers.no_processes && layers.unprivileged && layers.no_new_privs);
    let mut media = cage.open_file(fixture("h264_end.mp4"), &OpenOptions::default())?;
    assert_eq!(media.picture(&FrameRequest::at(AT))?.pts_seconds, 5.0);
    Ok(())
}

/// Installs a filter that refuses these system calls, for this thread and the processes that it starts.
fn refuse(calls: &[i64]) -> Outcome {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let filter = seccompiler::SeccompFilter::new(
        rules,
        seccompiler::SeccompAction::Allow,
        seccompiler::SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(seccompiler::apply_filter(&seccompiler::BpfProgram::try_from(filter)?)?)
}

#[test]
fn acts_and_accidents_are_contained_where_a_container_refuses_a_layer() -> Outcome {
    let landlock = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self];
    let seccomp = [libc::SYS_seccomp];
    let both = [landlock[0], landlock[1], seccomp[0]];
    for (refused, seccomp, is_landlock_refused) in
        [(&landlock[..], true, true), (&seccomp[..], false, false), (&both[..], false, true)]
    {
        let refused = refused.to_vec();
        let run = thread::spawn(move || {
            refuse(&refused).map_err(|error| error.to_string())?;
            let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
            command.args(["--exact", "a_child_can_do_nothing_to_its_parent", "accidents_end_one_call"]);
            command.arg("--nocapture");
            command.output().map_err(|error| error.to_string())
        });
        let output = run.join().map_err(|_| "the thread panicked")??;
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("2 passed"), "{text}");
        assert!(text.contains(&format!("seccomp {seccomp} landlock ")), "{text}");
        assert!(!is_landlock_refused || text.contains("landlock false"), "{text}");
    }
    Ok(())
}

/// Each accident causes one error, and the next file gets a working child.
#[test]
fn accidents_end_one_call() -> Outcome {
    let cage = cage()?;
    let second = Duration::from_secs(1);
    let options = |limits: Limits| OpenOptions::default().with_limits(limits);
    let hasty = options(Limits::default().with_max_time(second));
    let frugal = options(Limits::default().with_max_cpu_time(second));
    let small = options(Limits::default().with_max_memory(300 << 20));
    let patient = OpenOptions::default();
    type Expected = fn(&Error) -> bool;
    let died = |error: &Error| matches!(error, Error::DecoderDied { .. }) && !error.is_retryable();
    let cases: [(Act, &OpenOptions, Option<Duration>, Expected, &str); 7] = [
        (Act::Crash, &patient, None, died, "SIGABRT"),
        (Act::AnswerGarbage, &patient, None, died, "returned an invalid answer"),
        (Act::Loop, &hasty, Some(second), |error| error.kind() == ErrorKind::Timeout, "1.0 s"),
        (Act::Silence, &hasty, Some(second), |error| error.kind() == ErrorKind::Timeout, "1.0 s"),
        (Act::Loop, &frugal, None, |error| error.limit() == Some(Limit::MaxCpuTime), "max_cpu_time is 1s"),
        (Act::Allocate, &small, None, |error| error.limit() == Some(Limit::MaxMemory), "max_memory"),
        (Act::Crash, &patient, None, died, "SIGABRT"),
    ];
    for (act, options, deadline, is_expected, text) in cases {
        let begun = Instant::now();
        let error = cage.perform(act, options).expect_err("it has no answer");
        let elapsed = begun.elapsed();
        assert!(is_expected(&error) && error.to_string().contains(text), "{act:?}: {error:?}");
        let late = Duration::from_millis(100) + SLACK;
        assert!(deadline.is_none_or(|deadline| elapsed < deadline + late), "{act:?} took {elapsed:?}");
        let mut media = cage.open_file(fixture("h264_end.mp4"), &OpenOptions::default())?;
        assert_eq!(media.picture(&FrameRequest::at(AT))?.pts_seconds, 5.0, "after {act:?}");
    }
    Ok(())
}

/// The parent does not watch a child between two files. A child that consumed processor time meanwhile is not used again.
#[test]
fn a_child_that_works_unasked_is_left() -> Outcome {
    let cage = cage()?;
    assert!(cage.perform(Act::LoopLater, &OpenOptions::default())?.is_ok());
    thread::sleep(Duration::from_secs(1));
    let limits = Limits::default().with_max_time(Duration::from_secs(20));
    let mut media = cage.open_file(fixture("h264_end.mp4"), &OpenOptions::default().with_limits(limits))?;
    assert_eq!(media.picture(&FrameRequest::at(AT))?.pts_seconds, 5.0);
    Ok(())
}

#[test]
fn a_cancelled_call_ends_at_once() -> Outcome {
    let cage = cage()?;
    let token = CancelToken::default();
    let options = OpenOptions::default().with_cancel(token.clone());
    let cancelling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        token.cancel();
        Instant::now()
    });
    let error = cage.perform(Act::Loop, &options).expect_err("it was cancelled");
    let ended = Instant::now();
    assert!(matches!(error, Error::Cancelled), "{error}");
    let cancelled = cancelling.join().map_err(|_| "the thread panicked")?;
    assert!(ended.duration_since(cancelled) < Duration::from_millis(100) + SLACK);
    Ok(())
}

#[test]
fn a_crash_disturbs_no_neighbour() -> Outcome {
    let cage = cage()?;
    let mut media: Vec<_> = (0..3)
        .map(|_| cage.open_file(fixture("h264_end.mp4"), &OpenOptions::default()))
        .collect::<Result<_, _>>()?;
    let crashing = cage.clone();
    let crashes = thread::spawn(move || {
        (0..5).map(|_| crashing.perform(Act::Crash, &OpenOptions::default()).is_err()).collect::<Vec<_>>()
    });
    for media in &mut media {
        for time in times() {
            media.picture(&FrameRequest::at(time))?;
        }
    }
    assert_eq!(crashes.join().map_err(|_| "the thread panicked")?, [true; 5]);
    Ok(())
}

/// The child processes of `parent`, from `/proc`.
fn children(parent: u32) -> Outcome<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // Processes may end while the list is read.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let mut fields = fields.split_ascii_whitespace();
        let (state, its_parent) = (fields.next(), fields.next());
        if state != Some("Z") && its_parent == Some(parent.to_string().as_str()) {
            found.insert(id);
        }
    }
    Ok(found)
}

/// Starts a program that has a child and waits for standard input.
fn waiting_program() -> Outcome<(Child, u32)> {
    let mut program = Command::new(PROGRAM)
        .args(["grab", "-", "--isolate", "-o", "-"])
        .stdout(Stdio::null())
        .env("SECRET_OF_THE_PARENT", "hunter2")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        for child in children(program.id())? {
            let status = fs::read_to_string(format!("/proc/{child}/limits")).unwrap_or_default();
            let has_entered = status.lines().any(|line| {
                line.starts_with("Max open files") && line.split_ascii_whitespace().nth(3) == Some("0")
            });
            if has_entered {
                // The child sets up its last layer immediately after its limits.
                thread::sleep(Duration::from_millis(100));
                return Ok((program, child));
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    program.kill()?;
    program.wait()?;
    Err("no child has come".into())
}

#[test]
fn a_child_has_nothing_but_its_socket() -> Outcome {
    let (mut program, child) = waiting_program()?;
    let read = |name: &str| fs::read_to_string(format!("/proc/{child}/{name}"));
    let (environment, limits, status) = (read("environ")?, read("limits")?, read("status")?);
    let descriptors: Vec<_> = fs::read_dir(format!("/proc/{child}/fd"))?
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    program.kill()?;
    program.wait()?;
    assert_eq!(environment, "");
    let is_none = |name: &str| -> Outcome<bool> {
        let line = limits.lines().find(|line| line.starts_with(name)).ok_or_else(|| name.to_owned())?;
        Ok(line[name.len()..].split_ascii_whitespace().take(2).eq(["0", "0"]))
    };
    assert!(is_none("Max open files")? && is_none("Max core file size")?, "{limits}");
    // Without the filter, which forbids processes and allows threads, the limit on processes applies.
    let is_filtered = status.lines().any(|line| line == "Seccomp:\t2");
    assert_eq!(is_none("Max processes")?, !is_filtered, "{limits}");
    // These limits would abort valid work.
    for name in ["Max address space", "Max file size"] {
        assert!(limits.lines().any(|line| line.starts_with(name) && line.contains("unlimited")), "{limits}");
    }
    assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"), "{status}");
    assert!(status.lines().any(|line| line == "CapEff:\t0000000000000000"), "{status}");
    assert!(status.lines().any(|line| line == "Threads:\t1"), "{status}");
    let sockets: BTreeSet<_> = descriptors.iter().filter(|link| link.starts_with("socket:")).collect();
    assert_eq!(sockets.len(), 1, "{descriptors:?}");
    assert!(
        descriptors.iter().all(|link| link.starts_with("socket:") || link == "/dev/null"),
        "{descriptors:?}"
    );
    Ok(())
}

#[test]
fn a_child_ends_with_its_parent() -> Outcome {
    let (mut program, child) = waiting_program()?;
    program.kill()?;
    program.wait()?;
    let begun = Instant::now();
    while fs::metadata(format!("/proc/{child}")).is_ok() {
        // The process that adopts an orphan may take a while to reap it.
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        if status.contains("State:\tZ") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "child {child} lives on");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// One child processes many files, one after another.
#[test]
fn a_child_is_kept_for_the_next_file() -> Outcome {
    let cage = cage()?;
    let before = children(std::process::id())?;
    for _ in 0..20 {
        let mut media = cage.open_file(fixture("h264_end.mp4"), &OpenOptions::default())?;
        media.picture(&FrameRequest::at(AT))?;
    }
    let after = children(std::process::id())?;
    // Other tests of this process have children too, which start and end meanwhile.
    assert!(after.difference(&before).count() <= 12, "{before:?} {after:?}");
    Ok(())
}

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Outcome<(i32, String, String)> {
    let output = Command::new(PROGRAM).args(arguments).envs(settings.iter().copied()).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr)))
}

#[test]
fn the_command_line_has_a_switch() -> Outcome {
    let folder = tempfile::tempdir()?;
    let video = fixture("h264_end.mp4");
    let video = video.to_str().ok_or("not UTF-8")?;
    let picture = |name: &str| folder.path().join(name).display().to_string();
    let [plain, flagged, set] = ["plain.jpg", "flag.jpg", "set.jpg"].map(picture);
    let mut answers = Vec::new();
    for (output, flag, settings) in
        [(&plain, None, &[][..]), (&flagged, Some("--isolate"), &[]), (&set, None, &[("ISOLATE", "process")])]
    {
        let mut arguments = vec!["grab", video, "-o", output, "--json"];
        arguments.extend(flag);
        let (code, answer, error) = run(&arguments, settings)?;
        assert_eq!(code, 0, "{error}");
        answers.push(serde_json::from_str::<Value>(&answer)?);
    }
    assert!(answers[0].get("isolation").is_none());
    for answer in &answers[1..] {
        let layers = &answer["isolation"];
        assert_eq!(layers["no_descriptors"], true, "{answer}");
        assert_eq!(
            (layers["unprivileged"].as_bool(), layers["no_new_privs"].as_bool()),
            (Some(true), Some(true))
        );
        assert!(layers["seccomp"].is_boolean() && layers.get("landlock").is_some(), "{answer}");
        for field in ["bytes", "requests", "round_trips", "bytes_fetched", "frame_pts_seconds"] {
            assert_eq!(answer[field], answers[0][field], "{field}");
        }
    }
    assert_eq!(fs::read(&plain)?, fs::read(&flagged)?);
    assert_eq!(fs::read(&plain)?, fs::read(&set)?);
    let [mut probed, caged] = [&["probe", video, "--json"][..], &["probe", video, "--json", "--isolate"]]
        .map(|arguments| {
            run(arguments, &[]).and_then(|(_, text, _)| Ok(serde_json::from_str::<Value>(&text)?))
        });
    for part in ["streams", "format"] {
        assert_eq!(
            probed.as_mut().map(|answer| answer[part].take()).ok(),
            caged.as_ref().map(|answer| answer[part].clone()).ok()
        );
    }
    // libav's reason for the failure is a line of its log.
    let damaged = fixture("x_truncated_moov.mp4");
    let damaged = damaged.to_str().ok_or("not UTF-8")?;
    let [told, caged] = [None, Some("--isolate")].map(|flag| {
        let mut arguments = vec!["grab", damaged, "-o", &plain];
        arguments.extend(flag);
        run(&arguments, &[("RUST_LOG", "libav=info")]).map(|(_, _, error)| error).unwrap_or_default()
    });
    assert!(told.lines().count() > 1, "{told}");
    assert_eq!(told, caged);
    let (code, _, error) = run(&["grab", video, "-o", &plain], &[("ISOLATE", "yes")])?;
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("ISOLATE") && error.contains("process or none"), "{error}");
    Ok(())
}

#[test]
fn the_job_is_the_same_in_a_cage() -> Outcome {
    let folder = tempfile::tempdir()?;
    let video = fixture("h264_end.mp4");
    let video = video.to_str().ok_or("not UTF-8")?;
    let mut reports = Vec::new();
    for (name, flag) in [("plain", None), ("caged", Some("--isolate"))] {
        let store = folder.path().join(name).display().to_string();
        let copy = folder.path().join(name).join("videos/1_film.mp4");
        fs::create_dir_all(copy.parent().ok_or("no parent")?)?;
        fs::copy(video, &copy)?;
        let copy = copy.display().to_string();
        let mut arguments = vec!["process", &copy, "--store", &store, "--json"];
        arguments.extend(flag);
        let (code, answer, error) = run(&arguments, &[])?;
        assert_eq!(code, 0, "{error}");
        let report: Value = serde_json::from_str(&answer)?;
        assert_eq!(report.get("isolation").is_some(), flag.is_some(), "{report}");
        // The files differ in one comment: the comment contains the video's ETag, and there are two copies of the video.
        let thumbnail = image::open(folder.path().join(name).join("thumbnails/1_film.jpg"))?.into_rgb8();
        reports.push((report["requests"].clone(), report["bytes_fetched"].clone(), thumbnail));
    }
    assert!(reports[0] == reports[1], "requests, bytes or pixels differ");
    Ok(())
}

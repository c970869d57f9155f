//! The fields that `probe --json` reports for the fixtures must equal those of ffprobe 9.0.2 (`tests/probe_oracle.json`, which
//! `scripts/probe_oracle.sh` writes).

mod common;

use std::collections::BTreeMap;
use std::process::Command;

use common::{Outcome, fixture, fixtures_folder};
use serde_json::Value;

/// Differences from ffprobe that are intended, also with `--deep`: file, field, reason.
const ACCEPTED: [(&str, &str, &str); 9] = [
    (
        "empty_first_track.mkv",
        "pix_fmt",
        "ffprobe decodes no picture, and reports less than the headers contain",
    ),
    ("empty_first_track.mkv", "profile", "as above"),
    ("empty_first_track.mp4", "field_order", "as above"),
    ("empty_first_track.mp4", "pix_fmt", "as above"),
    ("empty_first_track.mp4", "profile", "as above"),
    ("bad_granule_first.ogv", "duration", "a damaged position gives ffprobe a duration below zero"),
    ("bad_granule_short.ogv", "duration", "as above"),
    ("frag_single.mp4", "avg_frame_rate", "the fragments that are read contain one picture"),
    ("frag_single.mp4", "r_frame_rate", "as above"),
];
/// Fields where the headers contain another value than the pictures: file, field, reason.
const OTHER_HEADERS: [(&str, &str, &str); 1] =
    [("dnxhd.mxf", "height", "the header counts the lines of whole blocks")];
/// Files that we refuse because of their cost, and that ffprobe reads.
const REFUSED: [&str; 2] = ["x_bomb_stsz.mp4", "x_bomb_tracks.mp4"];
/// The maximum share of fields that plain `probe` leaves out, in hundredths of a percent.
const MOST_ABSENT: usize = 200;

/// Flattens an object to fields by name. Fields of side data have the kind of the side data in their name.
fn flat(place: &str, object: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("side" | "side_data_list", Value::Array(sides)) => {
                for (number, side) in sides.iter().enumerate() {
                    fields.extend(flat(&format!("{place} side {number}"), side));
                }
            }
            (name, value) => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                fields.insert(format!("{place}\t{name}"), text);
            }
        }
    }
    fields
}

/// Returns all fields of an answer, under the names that ffprobe uses.
fn fields(answer: &Value) -> BTreeMap<String, String> {
    let mut all = flat("format", &answer["format"]);
    for (number, stream) in answer["streams"].as_array().into_iter().flatten().enumerate() {
        let mut stream = stream.clone();
        if let Some(pic) = stream.pointer("/disposition/attached_pic").cloned() {
            stream["pic"] = pic;
        }
        all.extend(flat(&format!("stream {number}"), &stream));
    }
    for (number, chapter) in answer["chapters"].as_array().into_iter().flatten().enumerate() {
        let mut chapter = chapter.clone();
        if let Some(title) = chapter.pointer("/tags/title").cloned() {
            chapter["title"] = title;
        }
        all.extend(flat(&format!("chapter {number}"), &chapter));
    }
    all
}

/// Returns the names of all fields that occur in the oracle.
fn names(oracle: &[Value]) -> std::collections::BTreeSet<String> {
    let all = oracle.iter().flat_map(fields);
    all.filter_map(|(place, _)| place.split('\t').next_back().map(str::to_owned)).collect()
}

fn oracle() -> Outcome<Vec<Value>> {
    Ok(serde_json::from_str(include_str!("probe_oracle.json"))?)
}

/// A field with two values: file, name, ours and ffprobe's.
type Difference = (String, String, Option<String>, Option<String>);

/// Probes all fixtures of the oracle. Returns the differences, and the number of compared fields.
fn differences(options: &[&str]) -> Outcome<(Vec<Difference>, usize)> {
    let oracle = oracle()?;
    let names = names(&oracle);
    let paths: Vec<_> = oracle.iter().map(path_of).collect::<Outcome<_>>()?;
    let output = Command::new(env!("CARGO_BIN_EXE_posterframe"))
        .current_dir(fixtures_folder())
        .args(["probe", "--json"])
        .args(options)
        .args(&paths)
        .output()?;
    let answers: Vec<Value> =
        String::from_utf8(output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(answers.len(), oracle.len(), "one line for each input");
    let (mut different, mut compared) = (Vec::new(), 0);
    for ((theirs, ours), path) in oracle.iter().zip(&answers).zip(&paths) {
        if theirs["probe_rc"] != 0 || REFUSED.contains(&path.as_str()) {
            assert_eq!(ours["error"]["subject"], path.as_str(), "{ours}");
            continue;
        }
        let (theirs, ours) = (fields(theirs), fields(ours));
        for place in theirs.keys().chain(ours.keys().filter(|place| !theirs.contains_key(*place))) {
            let Some(name) = place.split('\t').next_back().filter(|name| names.contains(*name)) else {
                continue;
            };
            // In our streams, the oracle has no counterpart of these fields.
            let is_of_oracle = theirs.contains_key(place) || !is_elsewhere(place, name);
            if !is_of_oracle {
                continue;
            }
            compared += 1;
            if theirs.get(place) != ours.get(place) {
                different.push((
                    path.clone(),
                    name.to_owned(),
                    ours.get(place).cloned(),
                    theirs.get(place).cloned(),
                ));
            }
        }
    }
    Ok((different, compared))
}

/// Whether the oracle has a field of this name only in objects of another kind.
fn is_elsewhere(place: &str, name: &str) -> bool {
    let is_stream = place.starts_with("stream");
    is_stream && matches!(name, "bit_rate" | "start_time" | "start" | "end" | "id")
}

/// The path of a fixture below the folder of the fixtures.
fn path_of(answer: &Value) -> Outcome<String> {
    let name = answer["file"].as_str().ok_or("no name")?;
    let demo = format!("demo/{name}");
    Ok(if fixture(&demo).exists() && !fixture(name).exists() { demo } else { name.to_owned() })
}

fn is_listed(list: &[(&str, &str, &str)], (file, name, ..): &Difference) -> bool {
    list.iter().any(|(listed, field, _)| (listed, field) == (&file.as_str(), &name.as_str()))
}

#[test]
fn with_deep_all_fields_are_those_of_ffprobe() -> Outcome {
    let (different, compared) = differences(&["--deep"])?;
    let wrong: Vec<_> = different.iter().filter(|difference| !is_listed(&ACCEPTED, difference)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (file, name, reason) in ACCEPTED {
        let is_there =
            different.iter().any(|(other, field, ..)| (other.as_str(), field.as_str()) == (file, name));
        assert!(is_there, "{file}: {name} does not differ any more ({reason})");
    }
    assert!(compared > 3000, "{compared} fields");
    assert!(different.len() * 200 <= compared, "{} of {compared} differ", different.len());
    Ok(())
}

#[test]
fn what_headers_tell_is_what_ffprobe_reports() -> Outcome {
    let (different, compared) = differences(&[])?;
    let is_absent = |ours: &Option<String>| ours.as_deref().is_none_or(|value| value == "0/0");
    let (absent, other): (Vec<_>, Vec<_>) =
        different.into_iter().partition(|(_, _, ours, _)| is_absent(ours));
    let is_known =
        |difference: &&Difference| is_listed(&ACCEPTED, difference) || is_listed(&OTHER_HEADERS, difference);
    let wrong: Vec<_> = other.iter().filter(|difference| !is_known(difference)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let share = absent.len() * 10_000 / compared;
    assert!(share <= MOST_ABSENT, "{} of {compared} fields are left out", absent.len());
    Ok(())
}
